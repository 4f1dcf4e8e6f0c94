"""``zeroloss measure`` for theorems of any family: both sides of every promise, on the theorem's own networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reports.commands.bound import demand
from reports.commands.console import digits, table
from reports.numerals import decades

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from bounds.problem import Problem
    from bounds.statements import Edition, Statement
    from empirical.store import Store
    from reports.both_sides.trials import Sizes
    from reports.commands.records import Measurement
    from reports.schema import DataRow, OwnEdition, OwnNetwork


def run_own(
    problem: Problem,
    statement: Statement,
    edition: Edition,
    data: tuple[DataRow, ...],
    sizes: Sizes,
    seeds: Sequence[int],
    given: Mapping[str, float],
    by_theorem: bool,
    store: Store | None,
) -> Measurement:
    """Train a theorem's networks, one per seed, and hold each against an edition.

    Args:
        problem: data, labels and confidence.
        statement: the theorem.
        edition: of the theorem.
        data: which data, for the record.
        sizes: what is chosen of the networks.
        seeds: of their weights.
        given: numbers in place of measured ones, by name.
        by_theorem: train at the largest step that the edition allows.
        store: where runs are kept and taken from.
    """
    from reports.both_sides.judging import own_network
    from reports.both_sides.trials import settled, trial
    from reports.commands.records import Measurement

    setting = settled(statement, sizes)
    if by_theorem:
        step = statement.step_size(problem, edition.name, setting=setting, given=given).lower
        sizes = replace(sizes, step_size=step)
    before = set(store.keys()) if store else set()
    found = tuple(
        own_network(problem, statement, replace(sizes, seed=seed), editions=(edition.name,), given=given, store=store)
        for seed in seeds
    )
    return Measurement(
        data=data,
        identity=problem.identity,
        demand=demand(
            problem,
            statement,
            edition,
            width=trial(problem, statement, sizes, ()).width,
            step_size=found[0].step_size,
            given=given,
            setting=setting,
        ),
        runs=(),
        certificates=(),
        reused=sum(one.key in before for one in found),
        store=str(store.folder) if store else "",
        own_networks=found,
    )


def own_page(record: Measurement, console: Console) -> None:
    """Write the networks, and for each seed conditions and promises."""
    console.print(record.data[0].value)
    first = record.own_networks[0]
    console.print(f"{first.identifier}: {first.setting}; {first.dynamics}")
    if first.given:
        given = ", ".join(f"{name} = {number!r}" for name, number in first.given.items())
        console.print(f"given, and taken as they are: {given}")
    for one in record.own_networks:
        console.print(f"\nseed {one.seed}: {words(one)}")
        for edition in one.editions:
            console.print(conditions(one, edition))
            console.print(promises(edition))
            for note in dict.fromkeys(f"{s.name}: {s.note}" for s in edition.sides if s.note):
                console.print(f"  {note}")
    if record.store:
        console.print(f"{record.reused} of {len(record.own_networks)} runs were already in {record.store}")


def words(one: OwnNetwork) -> str:
    """The network, its training and what became of the loss, in one line."""
    network = ", ".join(f"{name} {value}" for name, value in one.network.items() if name != "type")
    step = "" if one.step_size is None else f", step {one.step_size:.4g}"
    return (
        f"{one.network['type']} ({network}){step}, {one.horizon}: "
        f"loss {one.first_loss:.4g} -> {one.last_loss:.4g}{f'; {one.note}' if one.note else ''}"
    )


def conditions(one: OwnNetwork, edition: OwnEdition) -> RenderableType:
    """Every condition, decided by certified numbers and, where these do not suffice, with the run's own."""
    by_run = {row.name: row for row in edition.conditions_measured}
    rows = []
    for row in edition.conditions:
        estimate = by_run.get(row.name, row)
        shown = estimate if row.verdict == "undecided" and estimate.left is not None else row
        both = shown.left is not None and shown.right is not None
        sides = f"{digits(shown.left)} {shown.relation} {digits(shown.right)}" if both else shown.reason
        rows.append((row.name, row.verdict, "" if row.verdict == estimate.verdict else estimate.verdict, sides))
    certified = "certified or given" if one.given else "certified"
    head = (
        f"{one.statement}, {edition.edition} edition; conditions: {edition.condition} by {certified} numbers, "
        f"{edition.condition_measured} with the run's own"
    )
    return table(("condition", certified, "estimated", "both sides, or why"), rows, title=head)


def promises(edition: OwnEdition) -> RenderableType:
    """Every promise with both sides and the decades between them."""
    return table(
        ("promise", "measured", "promised", "decades", "on this run"),
        (
            (
                side.name,
                digits(side.measured),
                digits(side.promised),
                "" if side.promised is None else decades(side.decades_lower, side.decades_upper),
                side.verdict,
            )
            for side in edition.sides
        ),
    )
