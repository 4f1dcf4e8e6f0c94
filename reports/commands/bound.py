"""``zeroloss bound``: what theorems ask of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from reports.commands.choices import chosen_settings, given_numbers
from reports.commands.console import digits, progress, remark, show, table
from reports.commands.options import DEFAULT_DATA, DataOptions, Flag, Real, Whole, positive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console, RenderableType
    from sympy import Symbol

    from bounds.problem import Problem
    from bounds.settings import Setting
    from bounds.statements import Edition, Statement
    from reports.commands.records import Bounds, Demand
    from reports.schema import DataRow, Number


app = App(
    name="bound",
    help_epilogue="""Examples:
  zeroloss bound                                    50 handwritten digits
  zeroloss bound du2019-two-layer --data sphere:n=20,d=10,seed=1 --delta 0.05
  zeroloss bound --data mine.csv --target price --edition explicit
  zeroloss bound --data iris --n 20 --width 1e6 --step-size 1e-3 --json
  zeroloss bound du2019-deep-fc --setting depth=3,activation=tanh""",
)


@app.default
def bound(
    theorem: str | None = None,
    *,
    options: DataOptions = DEFAULT_DATA,
    edition: str | None = None,
    width: Whole | None = None,
    step_size: Real | None = None,
    initial_residual: Real | None = None,
    given: str = "",
    setting: str = "",
    json: Flag = False,
) -> None:
    """Say what theorems ask of a data set.

    Prints the data's certified invariants and, for every edition of the theorems, the width and step size it asks
    for. With a width or a step size, decides every condition and shows both its sides. Editions with hidden constants
    (marked ~) take them as 1: a width is then a lower and a step size an upper estimate of what is asked.

    Args:
        theorem: identifier, see `zeroloss theorems`; by default all of them
        options: which data
        edition: printed, corrected, explicit, improved or sharp; by default all that exist
        width: number of hidden neurons, to decide the conditions on it
        step_size: of gradient descent, to decide the conditions on it
        initial_residual: measured norm of the initial residual, in place of the bound on it by Markov's inequality
        given: numbers that data do not determine, by name, such as `sigma_0=0.3,beta_F=2`
        setting: which networks, where a theorem speaks of several, such as `depth=3,activation=tanh`
        json: JSON on standard output
    """
    from bounds.catalogue import theorem as find
    from bounds.catalogue import theorems

    statements = theorems() if theorem is None else (find(theorem),)
    known = {e.name for s in statements for e in s.editions}
    if edition is not None and edition not in known:
        raise ValueError(f"--edition is {edition!r}: choose one of {', '.join(sorted(known))}")
    if initial_residual is not None and initial_residual < 0:
        raise ValueError(f"--initial-residual is {initial_residual}: a norm is not negative")
    positive(width=width, step_size=step_size)
    editions = [(s, e) for s in statements for e in s.editions if edition in (None, e.name)]
    numbers = given_numbers(given, editions)
    settings = chosen_settings(setting, statements)
    problem, data = options.load()
    remark(f"certifying the invariants of {problem.n} rows ...")
    with progress():
        demands = tuple(
            demand(
                problem,
                s,
                e,
                width=width,
                step_size=step_size,
                initial_residual=initial_residual,
                given={name: number for name, number in numbers.items() if name in e.names},
                setting=settings[s.identifier],
            )
            for s, e in editions
        )
        record = bounds(problem, data, demands)
    show(record, json, lambda console: _page(record, console, decided=width is not None or step_size is not None))


def bounds(problem: Problem, data: tuple[DataRow, ...], demands: tuple[Demand, ...]) -> Bounds:
    """A problem's invariants beside what editions ask of it."""
    from bounds import quantities as q
    from bounds.rendering import latex
    from reports.commands.records import Bounds
    from reports.schema import Invariant, Number

    return Bounds(
        data=data,
        identity=problem.identity,
        invariants=tuple(
            Invariant(q.MEANING[symbol], latex(symbol), Number.enclosed(value))
            for symbol, value in problem.values().items()
        ),
        demands=demands,
        notes=() if problem.degeneracy is None else (f"the least eigenvalue is exactly 0: {problem.degeneracy}",),
    )


def demand(
    problem: Problem,
    statement: Statement,
    edition: Edition,
    *,
    width: int | None = None,
    step_size: float | None = None,
    initial_residual: float | None = None,
    given: Mapping[str, float] | None = None,
    setting: Setting | None = None,
) -> Demand:
    """What an edition asks of a problem.

    Args:
        problem: data, labels and confidence.
        statement: the theorem.
        edition: of the theorem.
        width: to decide conditions on it.
        step_size: to decide conditions on it.
        initial_residual: a measured norm of the initial residual, in place of the bound by its event.
        given: numbers that data do not determine, by name.
        setting: another member of the theorem's class of networks.
    """
    from bounds import quantities as q
    from bounds.arithmetic import NoNumber
    from reports.commands.records import Demand
    from reports.schema import ConditionRow, Number

    notes = []

    def limit(symbol: Symbol) -> Number | None:
        if edition.limit(symbol) is None:
            return None
        try:
            return Number.enclosed(
                statement.limit(
                    symbol,
                    problem,
                    edition.name,
                    initial_residual=initial_residual,
                    given=given,
                    setting=setting,
                )
            )
        except NoNumber as reason:
            notes.append(str(reason))
            return None

    try:
        evaluation = statement.check(
            problem,
            width=width,
            step_size=step_size,
            edition=edition.name,
            initial_residual=initial_residual,
            given=given,
            setting=setting,
        )
    except NoNumber as reason:
        notes.append(str(reason))
        evaluation = None
    asked = limit(q.m), limit(q.eta)
    if evaluation is not None and evaluation.note and problem.degeneracy is None:
        notes.insert(0, evaluation.note)
    if given:
        notes.insert(0, f"for the given {', '.join(f'{name} = {number!r}' for name, number in given.items())}")
    return Demand(
        theorem=statement.identifier,
        name=statement.name,
        dynamics=statement.dynamics,
        setting=str(setting or statement.setting),
        edition=edition.name,
        mark=str(edition.mark),
        hidden_constants=tuple(map(str, edition.hidden_constants)),
        width=asked[0],
        step_size=asked[1],
        conditions=tuple(
            ConditionRow.of(c.name, c.latex if c.relation is not None else "", verdict)
            for c, verdict in (evaluation.conditions if evaluation else ())
        ),
        verdict=str(evaluation.verdict.outcome if evaluation else "undecided"),
        note="; ".join(dict.fromkeys(notes)),
    )


def conditions_table(demand: Demand) -> RenderableType:
    """The conditions of an edition, each with its verdict and both sides."""
    rows = (
        (
            c.name,
            c.verdict,
            c.reason if c.left is None or c.right is None else f"{digits(c.left)} {c.relation} {digits(c.right)}",
        )
        for c in demand.conditions
    )
    head = f"{demand.name}, {demand.edition} edition; conditions: {demand.verdict}"
    return table(("condition", "verdict", "both sides, or why"), rows, title=head)


def _page(record: Bounds, console: Console, *, decided: bool) -> None:
    console.print(record.data[0].value)
    for note in record.notes:
        console.print(f"note: {note}")
    console.print(table(("certified invariant", "value"), ((i.name, digits(i.value)) for i in record.invariants)))
    for name in dict.fromkeys(d.theorem for d in record.demands):
        demands = [d for d in record.demands if d.theorem == name]
        console.print(demands[0].setting)
        console.print(
            table(
                ("edition", "asks for width", "allows step", "mark"),
                ((d.edition, digits(d.width, ">="), digits(d.step_size, "<="), d.mark) for d in demands),
                title=f"{name}: {demands[0].name}, {demands[0].dynamics}",
            )
        )
        for note in dict.fromkeys(d.note for d in demands if d.note):
            console.print(f"note: {note}")
        for demand in demands if decided else ():
            console.print(conditions_table(demand))
    if any(d.hidden_constants for d in record.demands):
        console.print(
            "~ is an estimate: hidden constants are taken as 1, so a theorem may ask for more width and a smaller step "
            "than it says. No verdict rests on it."
        )
