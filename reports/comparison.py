"""The comparison: what the theorem asks and promises, what its networks do, and how far apart the two are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from bounds import quantities as q
from bounds.catalogue import label, paper_of, theorem
from bounds.gram import rounding_contributions
from bounds.problem import Problem
from bounds.rendering import latex
from bounds.settings import TwoLayer
from bounds.statements import Statement
from reports.both_sides.judging import no_network, own_network
from reports.both_sides.trials import Sizes
from reports.ledger import ledger
from reports.measurement import EFFORTS, Effort, EffortName, Measurements, Progress, measure
from reports.proved_widths import proved_width_rows
from reports.proving import proof_statuses
from reports.rows import (
    certificate_row,
    edition_row,
    figure_one_panels,
    least_width_row,
    looseness_rows,
    prove_start,
    run_row,
    width_series,
)
from reports.schema import SCHEMA_VERSION, Comparison, DataRow, Invariant, Number, OwnNetwork

if TYPE_CHECKING:
    from empirical.store import Store

THEOREMS = ("du2019-two-layer", "du2019-two-layer-flow", "du2019-two-layer-joint")
INVARIANTS = (q.n, q.d, q.lambda_0, q.X_norm, q.F, q.separation, q.y_norm, q.delta)
QUICK_STEPS = 100
"""Of training of other families' networks."""

SETTLED = ("explicit", "improved", "sharp")
"""Editions whose constants are all numbers."""


def compare(
    problem: Problem,
    *,
    title: str = "",
    data: Sequence[DataRow] = (),
    effort: EffortName = "default",
    theorems: Sequence[str] = THEOREMS,
    seed: int = 0,
    store: Store | None = None,
    progress: Progress = lambda stage, done, total: None,
    commands: Sequence[str] = (),
) -> Comparison:
    """Hold every edition of the theorems against runs of their own networks on a problem.

    Args:
        problem: data, labels and confidence.
        title: the data, in a few words.
        data: further rows of the table that says which data these are.
        effort: how much is measured: quick, default or full.
        theorems: identifiers; the first of those on two-layer ReLU networks under gradient descent is held against
            runs, searches and proofs, any other against a run of its own networks.
        seed: of the runs.
        store: where runs and tested widths are kept and taken from.
        progress: called with (stage, done, total).
        commands: that reproduce the comparison, for the record.

    Returns:
        The record from which pages, tables and figures are drawn.

    Raises:
        ValueError: an unknown theorem or effort.
        TypeError: something else than a problem, or a single identifier in place of a sequence.
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"a comparison is of a bounds.Problem(X, y), not of {type(problem).__name__}")
    if isinstance(theorems, str):
        raise TypeError(f"theorems is a sequence of identifiers: give [{theorems!r}]")
    if effort not in EFFORTS:
        raise ValueError(f"unknown effort {effort!r}: use one of {', '.join(EFFORTS)}")
    statements = named_apart([theorem(identifier) for identifier in theorems])
    statement = next((s for s in statements if _searched(s)), None)
    seconds: dict[str, float] = {}
    with _timed(seconds, "certified invariants"):
        values = problem.values()
    found = None
    if statement is not None:
        with _timed(seconds, "runs and searches"):
            found = measure(problem, statement, EFFORTS[effort], seed=seed, store=store, progress=progress)
    with _timed(seconds, "their own networks"):
        sizes = Sizes(seed=seed, steps=QUICK_STEPS if effort == "quick" else None)
        others = [s for s in statements if s is not statement]
        own = tuple(_own_networks(problem, others, sizes, store, progress)) if problem.degeneracy is None else ()
    with _timed(seconds, "proofs of the algebra"):
        proofs = proof_statuses(_graph(statements), store=store, progress=progress)
    with _timed(seconds, "editions"):
        reference = None if found is None else found.reference
        editions = tuple(
            edition_row(problem, s, e, reference, proofs.get((s.name, e.name), ""))
            for s in _graph(statements)
            for e in s.editions
        )
    record = Comparison(
        version=SCHEMA_VERSION,
        product=f"zeroloss {version('zeroloss')}",
        title=title or repr(problem),
        data=(*data, *_data(problem)),
        invariants=tuple(Invariant(q.MEANING[s], latex(s), Number.enclosed(values[s])) for s in INVARIANTS),
        rounding=tuple(_rounding(problem)) if problem.degeneracy is None else (),
        notes=tuple(_notes(problem, found)),
        editions=editions,
        runs=(),
        certificates=(),
        looseness=(),
        ledgers=(),
        proved_widths=(),
        least_width=None,
        series=(),
        figure_one=(),
        seconds=seconds,
        commands=tuple(commands),
        own_networks=own,
    )
    if statement is None or found is None:
        return record
    return _with_searches(record, problem, statement, found, EFFORTS[effort], store, progress)


def _searched(statement: Statement) -> bool:
    """Whether a theorem is one of those whose widths and steps are searched, and whose starts are proved."""
    explicit = [e for e in statement.editions if e.name == "explicit" and e.rate is not None]
    return statement.setting == TwoLayer() and statement.dynamics == "gradient descent" and bool(explicit)


def _own_networks(
    problem: Problem, statements: Sequence[Statement], sizes: Sizes, store: Store | None, progress: Progress
) -> Iterator[OwnNetwork]:
    """A run of the own networks of each statement that names some; those of one setting share it."""
    for done, statement in enumerate(statements):
        progress("their own networks", done, len(statements))
        alike = [s for s in statements if (s.setting, s.dynamics) == (statement.setting, statement.dynamics)]
        try:
            yield own_network(problem, statement, sizes, beside=alike, store=store)
        except ValueError as reason:
            yield no_network(statement, sizes, str(reason))


def _with_searches(
    record: Comparison,
    problem: Problem,
    statement: Statement,
    found: Measurements,
    effort: Effort,
    store: Store | None,
    progress: Progress,
) -> Comparison:
    """The record with runs, searches and proofs of the theorem whose networks are two-layer ReLU ones."""
    trained = (*found.main, *found.demonstrations)
    seconds = record.seconds
    with _timed(seconds, "proof that these networks converge"):
        starts = [prove_start(item) for item in trained]
    with _timed(seconds, "proved widths"):
        proved = tuple(proved_width_rows(problem, statement, record.editions, effort, store=store, progress=progress))
    with _timed(seconds, "tables"):
        settled = [e for e in statement.editions if e.chain] if problem.degeneracy is None else []
        least = (
            least_width_row(found.least, latex(statement.edition("explicit").conclusions[0].relation))
            if found.least
            else None
        )
        return msgspec.structs.replace(
            record,
            runs=tuple(
                run_row(item, statement, statement.edition(name), start)
                for item, start in zip(trained, starts, strict=True)
                for name in item.editions
            ),
            certificates=tuple(
                certificate_row(item, start, own_data=item.problem is problem)
                for item, start in zip(trained, starts, strict=True)
            ),
            looseness=tuple(looseness_rows(problem, statement, found, least)) if settled else (),
            ledgers=tuple(
                book
                for e in settled
                if least is not None
                and (book := ledger(problem, statement, e, found.reference, least.interval)) is not None
            ),
            least_width=least,
            proved_widths=proved,
            series=tuple(width_series(problem, settled[0], found.by_width)) if settled else (),
            figure_one=tuple(figure_one_panels(found.figure_one)),
        )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - start


def named_apart(statements: Sequence[Statement]) -> list[Statement]:
    """The same statements, named with their paper where they come from several: two papers have a Theorem 4.1."""
    if len({paper_of(s).key for s in statements}) == 1:
        return list(statements)
    renamed: dict[int, Statement] = {}

    def rename(statement: Statement) -> Statement:
        if id(statement) not in renamed:
            rests_on = tuple(map(rename, statement.rests_on))
            renamed[id(statement)] = replace(statement, name=label(statement), rests_on=rests_on)
        return renamed[id(statement)]

    return [rename(statement) for statement in statements]


def _graph(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Every statement that the theorems rest on, each once."""
    return iter({id(s): s for top in statements for s in top.graph()}.values())


def _data(problem: Problem) -> Iterator[DataRow]:
    yield DataRow("inputs", f"{problem.n} of dimension {problem.d}")
    yield DataRow("failure probability", f"{problem.delta}")
    yield DataRow("SHA-256 of the stored bytes", problem.identity)


def _rounding(problem: Problem) -> Iterator[DataRow]:
    parts = rounding_contributions(problem.X, problem.unit_rows)
    yield DataRow("rounding of the unit rows that runs train on", f"{parts.data:.1e}")
    yield DataRow("errors of the computed entries", f"{parts.entries:.1e}")
    yield DataRow("enclosure of the eigenvalue itself", f"{parts.eigenvalue:.1e}")


def _notes(problem: Problem, found: Measurements | None) -> Iterator[str]:
    yield (
        "Certified invariants and conditions are those of the exactly normalised rows; "
        "runs train on these rows rounded to float64."
    )
    if problem.degeneracy is not None:
        yield f"No theorem says anything here: {problem.degeneracy}."
    if found is not None and found.least is not None and found.least.remark:
        yield f"Width search: {found.least.remark}."
