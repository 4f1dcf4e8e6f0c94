"""From statements, runs and searches to the rows of the record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import sympy
import torch

from bounds import quantities as q
from bounds.arithmetic import Enclosure, NoNumber, Outcome, compare, evaluate
from bounds.certificates.flip_count import FlipCount, flip_count
from bounds.problem import Problem
from bounds.rendering import latex
from bounds.statements import EPSILON, Edition, Promise, Statement
from empirical.observables import movable
from empirical.reproductions import PANELS, READ_OFF_THE_PAPER, FigureOneSeries
from empirical.searches import Decay, LeastWidth, iterations_to
from empirical.training import Run
from reports.looseness import Sense, looseness
from reports.measurement import Measurements, TrainedRun
from reports.observed import observed
from reports.schema import (
    CertificateRow,
    ConditionRow,
    Curve,
    EditionRow,
    FigureOnePanel,
    LeastWidthRow,
    LoosenessRow,
    Number,
    ObservationRow,
    RunRow,
    WidthSeries,
    WidthTrial,
)

CONFIDENCE = 0.95
FRACTION = 1e-3
"""Iterations are counted until the loss has fallen to this fraction of its start."""

_ROUNDING = 1e-12
_FLOOR = 1e-10
_CURVE_POINTS = 200


def edition_row(
    problem: Problem, statement: Statement, edition: Edition, reference: Run | None, proof: str
) -> EditionRow:
    """Evaluate an edition on the problem, its conditions at the width and step of the reference run if there is one."""
    spec = None if reference is None else reference.spec
    at = {} if spec is None else {"width": spec.width, "step_size": spec.step_size}
    try:
        conditions = statement.check(problem, edition=edition.name, **at).conditions  # type: ignore[arg-type]
    except NoNumber:  # the setting's matrix is too large for these data
        conditions = ()
    return EditionRow(
        statement=statement.name,
        title=statement.title,
        identifier=statement.identifier,
        dynamics=statement.dynamics,
        setting=str(statement.setting),
        edition=edition.name,
        mark=str(edition.mark),
        reason=edition.reason,
        proof=proof,
        hidden_constants=tuple(map(str, edition.hidden_constants)),
        width=_asked(problem, statement, edition, q.m),
        step_size=_asked(problem, statement, edition, q.eta),
        conditions=tuple(ConditionRow.of(c.name, c.latex, verdict) for c, verdict in conditions),
        promises=tuple(latex(p.relation) for p in edition.conclusions),
        errors=tuple(error.text for error in statement.errors),
    )


def _asked(problem: Problem, statement: Statement, edition: Edition, symbol: sympy.Symbol) -> Number | None:
    try:
        return Number.enclosed(statement.limit(symbol, problem, edition.name))
    except NoNumber:
        return None


def run_row(item: TrainedRun, statement: Statement, edition: Edition, start: FlipCount) -> RunRow:
    """Hold a run against an edition: conditions at its width, step and drawn residual; promises at every step."""
    run = item.run
    answer = statement.check(
        item.problem,
        width=run.spec.width,
        step_size=run.spec.step_size,
        edition=edition.name,
        initial_residual=start.initial_residual,
    )
    conclusion, horizon = judge(item.problem, edition, run)
    seen = dict(observed(run))
    del seen[q.near_kink]  # counted at the run's travel, not at the edition's radius
    if edition.radius is not None and q.R in answer.values:
        inputs = torch.tensor(item.problem.unit_rows)
        counts = movable(run.initial_network(), inputs, answer.values[q.R].upper).sum().item()
        seen[q.near_kink] = counts / run.spec.width
    return RunRow(
        label=item.label,
        edition=edition.name,
        key=run.key,
        width=run.spec.width,
        step_size=run.spec.step_size,
        seed=run.spec.seed,
        steps=run.steps_taken,
        condition=str(answer.verdict.outcome),
        conclusion=conclusion,
        horizon=horizon,
        observations=tuple(
            _observation(p, seen[p.measured], answer.promised(p)) for p in edition.promises if p.measured in seen
        ),
        curve=_curve(item, edition),
    )


def _observation(promise: Promise, measured: float, promised: Enclosure | None) -> ObservationRow:
    verdict = "undecided" if promised is None else compare(measured, promise.relation.rel_op, promised).outcome
    return ObservationRow(
        name=promise.name,
        latex=latex(promise.relation),
        measured=Number.measured(measured),
        promised=None if promised is None else Number.enclosed(promised),
        verdict=str(verdict),
    )


def judge(problem: Problem, edition: Edition, run: Run) -> tuple[str, float]:
    """Hold a run's losses against the promised curve, at every step.

    Returns:
        The verdict in words, and the factor by which the promised loss fell within the run. *Holds* and *fails* say
        what was measured up to that horizon. A run can refute at any horizon; where the promised loss has fallen by
        less than a factor 2 it is too short to support. Residuals that float64 cannot resolve, below 1e-10 of the
        first, are not compared, and above it they break a curve that is below.
    """
    if problem.degeneracy is not None or edition.rate is None:
        return "nothing is promised", 1.0
    decay = _decay(problem, edition)
    slow, fast = decay.log_factors(run.spec.step_size)
    fall = decay.fall(run.spec.step_size, run.steps_taken * 2 // decay.power)  # of the squared norm
    if run.verdict == "diverged":
        return "fails (diverged)", fall
    norms = np.asarray(run.residual_norms)
    steps = np.arange(1, len(norms))
    upper, lower = np.exp(steps * slow / decay.power), np.exp(steps * fast / decay.power)
    resolved = upper > _FLOOR
    if (norms[1:] > np.maximum(upper, _FLOOR) * norms[0] * (1 + _ROUNDING)).any():
        return str(Outcome.FAILS), fall
    if fall < 2:
        return "too short to tell", fall
    held = resolved.any() and (norms[1:] <= lower * norms[0] * (1 - _ROUNDING))[resolved].all()
    return str(Outcome.HOLDS if held else Outcome.UNDECIDED), fall


def _decay(problem: Problem, edition: Edition) -> Decay:
    assert edition.rate is not None
    return Decay(problem.least_eigenvalue, 2 if edition.rate.power == 2 else 1)


def _curve(item: TrainedRun, edition: Edition) -> Curve:
    run = item.run
    losses = run.losses
    steps = np.unique(np.linspace(0, len(losses) - 1, _CURVE_POINTS).round().astype(int))
    promised: Sequence[float] = ()
    if item.problem.degeneracy is None and edition.rate is not None:
        decay = _decay(item.problem, edition)
        slow, _ = decay.log_factors(run.spec.step_size)
        promised = (losses[0] * np.exp(2 * steps * slow / decay.power)).tolist()
    return Curve(item.label, tuple(steps.tolist()), tuple(losses[steps].tolist()), tuple(promised))


def prove_start(item: TrainedRun) -> FlipCount:
    """Try to prove that gradient descent from the start of a run reaches zero loss."""
    start = item.run.initial_network()
    return flip_count(item.problem.unit_rows, item.problem.y, start.weights.numpy(), start.signs.numpy())


def certificate_row(item: TrainedRun, proof: FlipCount, *, own_data: bool) -> CertificateRow:
    """Record what the flip count proves about the start of a run, and whether that run is on the user's own data."""
    verdict = proof.verdict
    reached = {"travel at most": proof.travel, "steps up to": proof.step_size} if verdict.holds else {}
    return CertificateRow(
        label=item.label,
        width=item.run.spec.width,
        seed=item.run.spec.seed,
        verdict=str(verdict.outcome),
        reason=verdict.reason,
        own_data=own_data,
        numbers={
            "contraction per unit step": Number.enclosed(proof.contraction),
            "radius": Number.enclosed(proof.radius),
            "initial residual": Number.enclosed(proof.initial_residual),
            "initial least eigenvalue": Number.enclosed(proof.initial_least_eigenvalue),
            "Gram drift at most": Number.enclosed(proof.drift),
            **{name: Number.enclosed(value) for name, value in reached.items()},
        },
    )


def least_width_row(least: LeastWidth, conclusion: str) -> LeastWidthRow:
    """Record the measured least width with every width tested."""
    upper = math.inf if least.upper is None else least.upper
    samples = max((test.trials for test in least.tested), default=0)
    return LeastWidthRow(
        conclusion=conclusion,
        step_size=least.step_size,
        horizon_steps=least.horizon,
        horizon_factor=least.promised_fall,
        verdict="too short to tell" if least.too_short else "measured",
        # the least width lies above every width known to fail
        interval=Number.estimated(least.lower + 1, upper, confidence=CONFIDENCE, samples=samples),
        trials=tuple(WidthTrial(t.width, t.held, t.refuted, t.trials, *t.limits) for t in least.tested),
    )


def looseness_rows(
    problem: Problem, statement: Statement, found: Measurements, least: LeastWidthRow | None
) -> Iterator[LoosenessRow]:
    """Compare every number that a theorem on gradient descent promises with what was measured."""
    run = found.reference
    seen = observed(run)
    stable = Number.measured(found.stable.lower, math.inf if found.stable.upper is None else found.stable.upper)
    at = f"width {run.spec.width}, step {run.spec.step_size:.4g}"
    for edition in statement.editions:

        def row(
            quantity: str, promised: Enclosure, measured: Number, sense: Sense, note: str, name: str = edition.name
        ) -> LoosenessRow:
            return looseness(
                quantity,
                statement.name,
                name,
                promised=Number.enclosed(promised),
                measured=measured,
                sense=sense,
                note=note,
            )

        above: Sense = "promised above measured"
        below: Sense = "promised below measured"
        if least is not None and least.verdict == "measured":
            note = f"promise kept over {least.horizon_steps} steps of {least.step_size:.4g}"
            yield row("width", statement.width(problem, edition.name), least.interval, above, note)
        largest = statement.step_size(problem, edition.name)
        yield row("step size", largest, stable, below, f"largest stable step at width {found.stable.width}")
        if edition.hidden_constants or edition.rate is None:
            continue
        values = {
            **edition.values(problem, initial_residual=seen[q.e_0]),
            **{s: Enclosure.of(v) for s, v in seen.items()},
            q.m: Enclosure.of(run.spec.width),
            q.eta: Enclosure.of(run.spec.step_size),
        }
        rate = evaluate(-2 * sympy.log(edition.rate.factor) / edition.rate.power, values)
        yield row("rate", rate, Number.measured(_measured_rate(run)), below, f"decay of log loss per step; {at}")
        taken = iterations_to(run, FRACTION * float(run.losses[0]))
        if taken is not None:
            asked = evaluate(edition.rate.duration, {**values, EPSILON: FRACTION})
            yield row(
                "iterations, same step", asked, Number.measured(taken), above, f"to {FRACTION:g} of the loss; {at}"
            )
            own = evaluate(edition.rate.duration, {**values, EPSILON: FRACTION, q.eta: largest})
            yield row(
                "iterations, each at its own step",
                own,
                Number.measured(taken),
                above,
                "promised at the theorem's largest step, measured at half the largest stable one",
            )
        for link in edition.chain:
            yield looseness(
                link.what,
                statement.name,
                edition.name,
                promised=Number.measured(evaluate(link.bound, values).midpoint),
                measured=Number.measured(seen[link.measured]),
                sense=above,
                note=f"{link.lemma}, with this run's residual and travel put into the bound; {at}",
            )


def _measured_rate(run: Run) -> float:
    """Mean decay of the logarithm of the loss per step, over the steps that float64 resolves."""
    norms = np.asarray(run.residual_norms)
    last = int(np.flatnonzero(norms > _FLOOR * norms[0])[-1])
    return float(2 * math.log(norms[0] / norms[last]) / last) if last else math.nan


def width_series(problem: Problem, edition: Edition, runs: Sequence[Run]) -> Iterator[WidthSeries]:
    """Each link of an edition's chain against the width: the measured side and its bound."""
    sides: list[Mapping[sympy.Symbol, float]] = [observed(run) for run in runs]
    for link in edition.chain:
        promised = []
        for run, seen in zip(runs, sides, strict=True):
            values = edition.values(problem, initial_residual=seen[q.e_0])
            values |= {s: Enclosure.of(v) for s, v in seen.items()}
            values[q.m] = Enclosure.of(run.spec.width)
            promised.append(evaluate(link.bound, values).midpoint)
        yield WidthSeries(
            quantity=q.MEANING[link.measured],
            latex=latex(link.measured),
            widths=tuple(run.spec.width for run in runs),
            measured=tuple(seen[link.measured] for seen in sides),
            promised=tuple(promised),
        )


def figure_one_panels(curves: Sequence[FigureOneSeries]) -> Iterator[FigureOnePanel]:
    """The last epoch of the paper's Figure 1 beside the values read off the paper, by panel and step convention."""
    for position, (panel, _, values) in enumerate(PANELS):
        for convention in dict.fromkeys(series.spec.step for series in curves):
            chosen = [series for series in curves if series.spec.step == convention]
            yield FigureOnePanel(
                panel=panel,
                convention=convention,
                widths=tuple(series.spec.width for series in chosen),
                here=tuple(float(values(series)[-1]) for series in chosen),
                paper=tuple(READ_OFF_THE_PAPER[series.spec.width][position] for series in chosen),
            )
