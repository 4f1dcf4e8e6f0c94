"""Hold a run against a promise: both sides, at the step where they are closest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import sympy

from bounds import quantities as q
from bounds.arithmetic import Enclosure, NoNumber, Outcome, evaluate
from bounds.rendering import latex
from bounds.statements import Edition, Promise
from bounds.statements.missing import missing, unspecified
from reports.both_sides.observed import FALLING, WAITING, Estimate
from reports.both_sides.reading import Reading, joined
from reports.looseness import looseness
from reports.schema import Number, SideRow

if TYPE_CHECKING:
    from bounds.statements import Evaluation

ROUNDING = 1e-8
"""Sides that differ by less, relatively, are equal for a measurement in float64."""

RESOLVED = {False: 1e-10, True: 1e-8}
"""Of the first value of a promised curve, what a descent, and a flow to its solver's tolerance, still resolves."""

NEVER_RISING = frozenset({"loss", "residual", "squared residual", "root mean square residual"})
"""What falls along every flow: where it rises, at the kinks of ReLU networks, the solver is in error by as much."""

POINTS = 60
"""Of a series that is held against a bound."""


class Judged(NamedTuple):
    """Both sides of a promise at one step or time, or at none."""

    at: float | None
    left: float
    bound: Enclosure | None
    kind: str
    outcome: Outcome


def side(
    reading: Reading,
    edition: Edition,
    promise: Promise,
    certified: Evaluation | None,
    measured: Evaluation | None,
    refusal: str,
) -> SideRow:
    """Both sides of a promise: where they depend on the step, at the one where they are closest."""
    relation = promise.relation.rel_op
    above = relation in ("<", "<=")
    clocked = bool(promise.relation.free_symbols & {q.k, q.t})
    name = q.MEASURED_BY.get(promise.measured)
    falls = above and not clocked and name in FALLING
    goal = falls and not any(isinstance(reading.seen(s), Mapping) for s in promise.bound.free_symbols if joined(s))
    points = list(_points(reading, promise, last=goal, above=above))
    why = _why_not(reading, promise)
    if not points:
        promised, kind = _promised(promise, {}, certified, measured)
        return _row(promise, None, promised, kind, "undecided", None, None, why or refusal)
    seen = [reading.seen(s) for s in promise.measured.free_symbols]
    slack = max((3 * found.error for found in seen if isinstance(found, Estimate)), default=0.0)
    judged = []
    for at, left, numbers in points:
        bound, kind = _promised(promise, numbers, certified, measured)
        judged.append(Judged(at, left, bound, kind, outcome_on_run(left, above, bound, slack)))
    if clocked and above and judged[0].bound is not None and judged[0].bound.upper > 0:
        floor = _resolution(reading, promise, judged)
        resolved = [
            one for one in judged if one.bound is not None and (one.bound.upper >= floor or one.left > 10 * floor)
        ]
        judged = resolved or judged[:1]
    if judged[-1].bound is None:
        left = judged[-1].left
        return _row(promise, left, None, "", "undecided", None, None, _no_bound(promise, measured, refusal))
    broken = [one for one in judged if one.outcome == Outcome.FAILS]
    bounded = [one for one in broken or judged if one.bound is not None]
    shown = judged[-1] if clocked else (max if above else min)(bounded, key=_quotient)
    left, bound = shown.left, shown.bound
    assert bound is not None
    verdict, note = _together([one.outcome for one in judged]), ""
    if bound.assumption:
        verdict, note = "undecided", _constant(left, bound, above)
    elif goal and verdict == "fails":
        verdict, note = "too short to tell", "not reached within the run"
    elif name in WAITING and left == math.inf:
        verdict = "fails" if reading.trial.run.at[-1] >= bound.upper else "too short to tell"
        note = "not reached within the run"
    elif verdict == "fails" and len(judged) > 1:
        first_broken = broken[0]
        assert first_broken.bound is not None
        note = (
            f"first broken at {'time' if reading.trial.is_flow else 'step'} {first_broken.at:.4g}: "
            f"{first_broken.left:.4g} against {first_broken.bound.midpoint:.4g}"
        )
    elif slack and verdict == "undecided":
        note = "the sides differ by less than three standard errors"
    if edition.rate is not None and promise == edition.rate.promise:
        return _decay(promise, judged[0], judged[-1], verdict, note)
    gap = looseness(
        promise.name,
        "",
        edition.name,
        promised=Number.enclosed(bound),
        measured=Number.measured(left),
        sense="promised above measured" if above else "promised below measured",
    )
    return _row(promise, left, bound, shown.kind, verdict, gap.decades_lower, gap.decades_upper, note)


def _resolution(reading: Reading, promise: Promise, judged: list[Judged]) -> float:
    """Below what a promised curve is not compared: the run cannot tell what is smaller."""
    first = judged[0].bound
    assert first is not None
    trial = reading.trial
    floor = RESOLVED[trial.is_flow] * first.upper
    names = {q.MEASURED_BY.get(s) for s in promise.measured.free_symbols}
    if trial.is_flow and trial.descends and names <= NEVER_RISING:
        floor = max(floor, rise([one.left for one in judged if math.isfinite(one.left)]))
    return floor


def rise(values: list[float]) -> float:
    """By how much the values rise above an earlier one, at most."""
    return max((value - least for value, least in zip(values, accumulate(values, min), strict=True)), default=0.0)


def _decay(promise: Promise, first: Judged, last: Judged, verdict: str, note: str) -> SideRow:
    """A promised curve at the last step; the decades are those of the two exponents, which no horizon changes."""
    assert first.bound is not None and last.bound is not None
    if not 0 < last.bound.upper < first.bound.lower:
        note = note if last.bound.assumption else "no decay at this step"
        return _row(promise, last.left, last.bound, last.kind, "nothing is promised", None, None, note)
    fall = math.log(first.bound.midpoint / last.bound.midpoint)
    if verdict == "holds" and fall < math.log(2):
        verdict = "too short to tell"
    decades = math.log10(math.log(first.left / last.left) / fall) if 0 < last.left < first.left else None
    note = note or f"the promised side fell by a factor {math.exp(fall):.3g}; decades of the two rates"
    return _row(promise, last.left, last.bound, last.kind, verdict, decades, decades, note)


def _points(
    reading: Reading, promise: Promise, *, last: bool, above: bool
) -> Iterator[tuple[float | None, float, dict[sympy.Symbol, float]]]:
    """The step, the measured side, and the run's numbers that stand on the other one, wherever all are known."""
    relation = promise.relation
    symbols = {s for s in relation.free_symbols if joined(s) is not None}
    left = promise.measured.free_symbols
    seen = {s: reading.seen(s) for s in symbols}
    series = {s: v for s, v in seen.items() if isinstance(v, Mapping)}
    if any(s not in seen or isinstance(seen[s], str) for s in left):
        return
    clocked = bool(relation.free_symbols & {q.k, q.t})
    times = sorted(set.intersection(*(set(v) for v in series.values()))) if series else []
    if above and len(times) > 1:  # at the start both sides of an upper bound are equal, or the measured one is 0
        times = [at for at in times if at > 0]
    if last:
        times = times[-1:]
    stride = max(1, math.ceil(len(times) / POINTS))
    times = [*times[:-1:stride], *times[-1:]]
    moments: list[float | None] = [*times] or ([None] if not series and not clocked else [])
    for at in moments:
        numbers = {s: float(v[at]) for s, v in series.items()} if at is not None else {}
        if clocked and at is not None:
            numbers |= {q.k: at, q.t: at}
        for s in left - series.keys():
            found = seen[s]
            assert not isinstance(found, str | Mapping)
            numbers[s] = float(found.value if isinstance(found, Estimate) else found)
        value = promise.measured.subs(numbers)
        yield at, float(value) if value.is_extended_real else math.nan, numbers


def _promised(
    promise: Promise,
    at: Mapping[sympy.Symbol, float],
    certified: Evaluation | None,
    measured: Evaluation | None,
) -> tuple[Enclosure | None, str]:
    """The promised side: by certified numbers alone where they determine it, else of kind float, with measured ones."""
    clock = {s: Enclosure.of(int(v) if float(v).is_integer() else v) for s, v in at.items() if s in (q.k, q.t)}
    along = {s: Enclosure.of(v) for s, v in at.items() if s not in (q.k, q.t) and s in promise.bound.free_symbols}
    for answer, kind in ((certified, ""), (measured, "float")):
        if answer is None:
            continue
        values = {**answer.values, **clock}
        if kind:
            values |= along
        elif along:
            continue
        if not missing(promise.bound, values):
            try:
                bound = evaluate(promise.bound, values)
            except NoNumber:
                continue
            if math.isfinite(bound.lower) and math.isfinite(bound.upper):
                return bound, kind
    return None, ""


def outcome_on_run(left: float, above: bool, bound: Enclosure | None, slack: float) -> Outcome:
    """Whether the measured side is on its side of the whole enclosure, but for rounding and three standard errors."""
    if bound is None or math.isnan(left):
        return Outcome.UNDECIDED
    rounding = 0.0 if math.isinf(left) else ROUNDING * max(abs(left), abs(bound.lower), abs(bound.upper))
    beyond = (left - bound.lower, left - bound.upper) if above else (bound.upper - left, bound.lower - left)
    if beyond[0] <= rounding - slack:
        return Outcome.HOLDS
    return Outcome.FAILS if beyond[1] > rounding + slack else Outcome.UNDECIDED


def _together(outcomes: list[Outcome]) -> str:
    if Outcome.FAILS in outcomes:
        return "fails"
    return "holds" if all(o == Outcome.HOLDS for o in outcomes) else "undecided"


def _quotient(one: Judged) -> float:
    assert one.bound is not None
    if one.bound.midpoint:
        return one.left / one.bound.midpoint
    return math.copysign(math.inf, one.left) if one.left else 0.0


def _constant(left: float, bound: Enclosure, above: bool) -> str:
    """What the run says of a hidden constant."""
    if not (left > 0 and bound.midpoint > 0 and math.isfinite(left)):
        return "a constant is hidden"
    word = "at least" if above else "at most"
    return f"a constant is hidden: this run needs it to be {word} {left / bound.midpoint:.3g} in all"


def _why_not(reading: Reading, promise: Promise) -> str:
    reasons = [found for s in promise.measured.free_symbols if isinstance(found := reading.seen(s), str)]
    return "; ".join(reasons)


def _no_bound(promise: Promise, measured: Evaluation | None, refusal: str) -> str:
    if open_ended := unspecified(promise.bound):
        return f"the paper does not specify {', '.join(map(str, open_ended))}"
    if measured is None:
        return refusal
    absent = [s for s in missing(promise.bound, measured.values) if s not in (q.k, q.t)]
    if not absent:
        return "the formula has no value where its conditions fail"
    return f"not given: {', '.join(f'{s} ({q.MEANING[s]})' for s in absent)}"


def _row(
    promise: Promise,
    left: float | None,
    bound: Enclosure | None,
    kind: str,
    verdict: str,
    lower: float | None,
    upper: float | None,
    note: str,
) -> SideRow:
    promised = None if bound is None else Number.enclosed(bound)
    if promised is not None and kind == "float":
        promised = promised.as_float
    number = None if left is None else Number.measured(left)
    return SideRow(promise.name, latex(promise.relation), number, promised, verdict, lower, upper, note)
