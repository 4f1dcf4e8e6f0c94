"""Train a statement's own networks and hold the run against its editions: conditions, and every promise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import sympy

from bounds.arithmetic import NoNumber, Outcome
from bounds.statements import Edition, Statement
from reports.both_sides.reading import Reading, joined, needs
from reports.both_sides.sides import rise, side
from reports.both_sides.trials import Sizes, Trial, trial
from reports.schema import ConditionRow, OwnEdition, OwnNetwork, SideRow

if TYPE_CHECKING:
    from bounds.problem import Problem
    from bounds.statements import Evaluation
    from empirical.store import Store

TOLD = 1e-6
"""Of the first loss: a rise that a reader is told of."""


def own_network(
    problem: Problem,
    statement: Statement,
    sizes: Sizes,
    *,
    editions: Iterable[str] | None = None,
    given: Mapping[str, float] | None = None,
    beside: Iterable[Statement] = (),
    store: Store | None = None,
) -> OwnNetwork:
    """Train a statement's own networks on a problem and hold the run against its editions.

    Args:
        problem: data, labels and confidence.
        statement: a theorem or lemma.
        sizes: what is chosen of the networks.
        editions: which; by default all.
        given: numbers that the user knows, by name; they take the place of measured ones.
        beside: statements for which the same run is wanted, so that it measures what they need.
        store: where the run is kept and taken from.

    Raises:
        ValueError: the statement names no networks, or they do not fit the data.
    """
    chosen = trial(problem, statement, sizes, needs((statement, *beside)), store)
    if (step := _allowed_step(chosen, statement)) is not None:
        chosen = trial(problem, statement, replace(sizes, step_size=step), chosen.observe, store)
    reading = Reading(chosen)
    run = chosen.run
    unit = "time" if chosen.is_flow else "step"
    return OwnNetwork(
        identifier=statement.identifier,
        statement=statement.name,
        title=statement.title,
        dynamics=statement.dynamics,
        setting=str(chosen.setting),
        network={name: str(value) for name, value in msgspec.to_builtins(chosen.family).items()},
        key=run.key,
        seed=sizes.seed,
        step_size=None if chosen.is_flow else chosen.step_size,
        horizon="the start alone" if not chosen.end else f"{unit}s up to {run.at[-1]:.4g}",
        first_loss=run.losses[0],
        last_loss=run.losses[-1],
        editions=tuple(
            own_edition(reading, statement, statement.edition(e.name), given or {})
            for e in statement.editions
            if editions is None or e.name in editions
        ),
        note="; ".join(filter(None, (_other_data(problem, chosen.problem), _solver_error(chosen), run.reason))),
        given=dict(given or {}),
    )


def _other_data(problem: Problem, trained_on: Problem) -> str:
    """What the networks see in place of the data."""
    line = "" if problem.d == trained_on.d else "inputs are those of the first principal coordinate"
    signs = "" if np.array_equal(problem.y, trained_on.y) else "labels are 1 above their median and -1 elsewhere"
    return "; ".join(filter(None, (line, signs)))


def _solver_error(trial: Trial) -> str:
    """What a flow's loss says of its solver."""
    losses = [loss for loss in trial.run.losses if math.isfinite(loss)]
    error = rise(losses) if trial.descends and trial.is_flow else 0.0
    return f"the loss rises by {error:.2g}, which is the solver's error" if error > TOLD * losses[0] else ""


def no_network(statement: Statement, sizes: Sizes, reason: str) -> OwnNetwork:
    """In place of a run: why there is none."""
    return OwnNetwork(
        identifier=statement.identifier,
        statement=statement.name,
        title=statement.title,
        dynamics=statement.dynamics,
        setting=str(statement.setting),
        network={},
        key="",
        seed=sizes.seed,
        step_size=None,
        horizon="",
        first_loss=None,
        last_loss=None,
        editions=(),
        note=reason,
    )


def _allowed_step(trial: Trial, statement: Statement) -> float | None:
    """The largest step that an edition certainly allows, where that is no hundredth of what trains well."""
    if trial.sizes.step_size is not None or trial.is_flow or not trial.end:
        return None
    found = []
    for edition in statement.editions:
        try:
            limit = statement.step_size(trial.problem, edition.name, setting=trial.setting)
        except NoNumber:
            continue
        if not limit.assumption and trial.step_size / 100 <= limit.lower < trial.step_size:
            found.append(limit.lower)
    return max(found, default=None)


def own_edition(reading: Reading, statement: Statement, edition: Edition, given: Mapping[str, float]) -> OwnEdition:
    """Hold a trial against one edition."""
    certified, refusal = _check(reading, statement, edition, given, measured=False)
    measured, _ = _check(reading, statement, edition, given, measured=True)
    rows = (side(reading, edition, promise, certified, measured, refusal) for promise in edition.conclusions)
    unmet = _unmet(certified, measured)
    return OwnEdition(
        edition=edition.name,
        mark=str(edition.mark),
        hidden_constants=tuple(map(str, edition.hidden_constants)),
        condition=str(certified.verdict.outcome) if certified else "undecided",
        condition_measured=str(measured.verdict.outcome) if measured else "undecided",
        conditions=_conditions(certified, frozenset()),
        conditions_measured=_conditions(measured, _of_the_run(certified, measured)),
        sides=tuple(_due(row, unmet) for row in rows),
    )


def _unmet(certified: Evaluation | None, measured: Evaluation | None) -> str:
    """Which conditions are not met, neither by certified numbers alone nor with those of the run; empty if all are."""
    if measured is None:
        return "conditions have no value"
    if any(answer and all(verdict.holds for _, verdict in answer.conditions) for answer in (certified, measured)):
        return ""
    by_outcome = (
        (word, [condition.name for condition, verdict in measured.conditions if verdict.outcome == outcome])
        for word, outcome in (("fails", Outcome.FAILS), ("undecided", Outcome.UNDECIDED))
    )
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in by_outcome if names)


def _due(row: SideRow, unmet: str) -> SideRow:
    """The row; a run breaks a promise only if its conditions are met, else nothing was promised to it."""
    if row.verdict != "fails" or not unmet:
        return row
    note = "; ".join(filter(None, (row.note, f"not promised to this run ({unmet})")))
    return msgspec.structs.replace(row, verdict="not promised", note=note)


def _of_the_run(certified: Evaluation | None, measured: Evaluation | None) -> frozenset[sympy.Symbol]:
    """What has its value from the run, or by a formula from such a value."""
    if measured is None:
        return frozenset()
    known = {} if certified is None else certified.values
    same = {
        s for s, v in measured.values.items() if s in known and (v.lower, v.upper) == (known[s].lower, known[s].upper)
    }
    return frozenset(measured.values.keys() - same)


def _conditions(answer: Evaluation | None, of_the_run: frozenset[sympy.Symbol]) -> tuple[ConditionRow, ...]:
    """Every condition, decided; a side with numbers of the run is of kind float."""
    rows = []
    for condition, verdict in () if answer is None else answer.conditions:
        relation = condition.relation
        row = ConditionRow.of(condition.name, condition.latex if relation is not None else "", verdict)
        if relation is not None and row.left is not None and relation.lhs.free_symbols & of_the_run:
            row = msgspec.structs.replace(row, left=row.left.as_float)
        if relation is not None and row.right is not None and relation.rhs.free_symbols & of_the_run:
            row = msgspec.structs.replace(row, right=row.right.as_float)
        rows.append(row)
    return tuple(rows)


def _check(
    reading: Reading, statement: Statement, edition: Edition, given: Mapping[str, float], *, measured: bool
) -> tuple[Evaluation | None, str]:
    """The conditions at the run's width and step, by certified and chosen numbers, or with measured ones as well."""
    trial = reading.trial
    try:
        known = edition.values(trial.problem, trial.setting)
        numbers = dict(given)
        for name, symbol in edition.names.items():
            source = joined(symbol)
            bounded_by_event = any(event.quantity == symbol for event in edition.events)
            if name in numbers or source is None or (symbol in known and not (measured and bounded_by_event)):
                continue
            if (source.chosen or measured) and (number := reading.scalar(symbol)) is not None:
                numbers[name] = number
        answer = statement.check(
            trial.problem,
            width=trial.width,
            step_size=None if trial.is_flow else trial.step_size,
            edition=edition.name,
            setting=trial.setting,
            given=numbers,
        )
    except NoNumber as reason:
        return None, str(reason)
    return answer, ""
