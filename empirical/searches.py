"""The least width, the greatest stable step and the time to a loss, measured and stated as intervals."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec
import numpy as np
import torch
from scipy.stats import beta

from bounds.problem import Problem
from empirical.batches import Batch, in_parallel, split_seeds
from empirical.networks import Trained
from empirical.store import Store, canonical, content_key
from empirical.training import ARITHMETIC, Run, fingerprint, seed_batches, training_arrays

if TYPE_CHECKING:
    from bounds.arithmetic import Enclosure

CONFIDENCE = 0.95
"""Of each one-sided limit by itself."""

Outcome = Literal["holds", "fails", "undecided"]

_ROUNDING = 1e-12
"""Relative margin by which a residual must be on its side of the promised curve, against float64 rounding."""

_FLOOR = 1e-10
"""Below this share of the initial norm a float64 residual says nothing about the real one: comparisons end there."""

_RESOLUTION = 1.25
"""The search stops once neighbouring tested widths at both ends of the interval are this close in ratio."""

_LOOKS = 16
"""How often during a horizon a width is looked at for being decided."""


@dataclass(frozen=True)
class Decay:
    """The conclusion ||e(k)||^power <= (1 - eta lambda_0 / 2)^k ||e(0)||^power for all k.

    A seed *holds* if it stays below the faster curve, that of the upper bound of lambda_0, and is *refuted* if it
    rises above the slower curve, that of the lower bound. So neither claim leans on the width of the enclosure, and
    a seed between the two curves counts for neither.

    Args:
        least_eigenvalue: lambda_0, enclosed (a float is taken as exact).
        power: 2 for the squared norm (Du et al. 2019, Theorem 4.1), 1 for the norm (its improved editions).
    """

    least_eigenvalue: Enclosure | float
    power: Literal[1, 2] = 2

    def log_factors(self, step_size: float) -> tuple[float, float]:
        """Logarithms of the per-step factor of ||e||^power: of the slower and of the faster curve.

        Raises:
            ValueError: eta lambda_0 / 2 is not in (0, 1), where the curve promises nothing.
        """
        bound = self.least_eigenvalue
        lower, upper = (bound, bound) if isinstance(bound, float | int) else (bound.lower, bound.upper)
        if not 0 < step_size * lower <= step_size * upper < 2:
            raise ValueError(
                f"step_size * lambda_0 / 2 must lie in (0, 1) to promise a decay, "
                f"but step_size is {step_size:g} and lambda_0 in [{lower:g}, {upper:g}]"
            )
        return math.log1p(-step_size * lower / 2), math.log1p(-step_size * upper / 2)

    def fall(self, step_size: float, steps: int) -> float:
        """The factor by which the slower curve falls in ``steps`` steps."""
        return math.exp(min(-steps * self.log_factors(step_size)[0], 700.0))

    def steps_to_fall(self, step_size: float, factor: float) -> int:
        """The number of steps in which the slower curve falls by ``factor``."""
        return math.ceil(math.log(factor) / -self.log_factors(step_size)[0])


class WidthSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """All that a test of one width depends on; see :class:`TestedWidth`."""

    inputs: str
    labels: str
    width: int
    step_size: float
    horizon: int
    slow_log_factor: float
    fast_log_factor: float
    power: int
    delta: float
    seeds: tuple[int, ...]
    trained: Trained
    arithmetic: int = ARITHMETIC

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return content_key(self)


class TestedWidth(msgspec.Struct, frozen=True, kw_only=True):
    """How many seeds of one width kept the conclusion up to the horizon.

    Args:
        spec: what was tested.
        held, refuted: seeds known to hold and known to be refuted; the others are unknown, either because they ran
            between the two curves or because the test ended early, when enough seeds had been refuted.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    spec: WidthSpecification
    held: int
    refuted: int

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return self.spec.key

    @property
    def width(self) -> int:
        """The number of neurons."""
        return self.spec.width

    @property
    def trials(self) -> int:
        """The number of seeds."""
        return len(self.spec.seeds)

    @property
    def limits(self) -> tuple[float, float]:
        """One-sided 95 % limits of the probability to hold; unknown seeds count against each of them."""
        return limits_of(self.held, self.refuted, self.trials)

    @property
    def outcome(self) -> Outcome:
        """Whether the probability is known to be at least 1 - delta, below it, or neither."""
        return outcome_of(self.limits, self.spec.delta)


class Tested(Protocol):
    """What is known about one width."""

    @property
    def outcome(self) -> Outcome:
        """Whether it holds in enough seeds."""
        ...


class LeastWidth(msgspec.Struct, frozen=True, kw_only=True):
    """The least width from which on the conclusion holds with probability 1 - delta over the initial weights.

    Each end is known at 95 % confidence by itself, and both are picked among the widths tested.

    Args:
        lower: the largest tested width known to fail (0 if none was).
        upper: the smallest tested width known to hold, above every width known to fail (None if none was found).
        tested: every width tested, in increasing order.
        step_size, horizon, delta: as tested; the horizon is shorter than asked where float64 ends the comparison.
        promised_fall: the factor by which the promised curve fell within the horizon.
        remark: empty, or why the interval is not as tight as the search would make it.
        seconds: wall time.
    """

    lower: int
    upper: int | None
    tested: tuple[TestedWidth, ...]
    step_size: float
    horizon: int
    delta: float
    promised_fall: float
    remark: str
    seconds: float

    @property
    def too_short(self) -> bool:
        """Whether the promised curve fell by less than a factor 2, so that the runs test nothing."""
        return self.promised_fall < 2

    def __repr__(self) -> str:
        return f"LeastWidth({self})"

    def __str__(self) -> str:
        if self.too_short:
            return f"too short to tell: in {self.horizon} steps the promised curve falls by {self.promised_fall:.3g}"
        interval = f"in ({self.lower}, {self.upper}]" if self.upper else f"above {self.lower}"
        remark = f"; {self.remark}" if self.remark else ""
        return (
            f"least width {interval} over {self.horizon} steps, in which the promised curve falls by "
            f"{self.promised_fall:.3g}{remark}"
        )


class StableStep(msgspec.Struct, frozen=True, kw_only=True):
    """The greatest step size at which the loss never exceeds its start within a horizon.

    Args:
        lower: the greatest tested step at which no seed's loss rose above its start (0 if none).
        upper: the least tested step at which some seed's did (None if even the greatest tested step was stable).
        largest_eigenvalue: of H(0), the largest over the seeds.
        width, horizon, seeds: what was run.
    """

    lower: float
    upper: float | None
    largest_eigenvalue: float
    width: int
    horizon: int
    seeds: tuple[int, ...]


def clopper_pearson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The one-sided lower and upper confidence limits of a probability, each at the given confidence.

    Clopper and Pearson (1934): the p at which so many successes or more (or fewer) have probability 1 - confidence.
    """
    miss = 1 - confidence
    lower = 0.0 if successes == 0 else float(beta.ppf(miss, successes, trials - successes + 1))
    upper = 1.0 if successes == trials else float(beta.ppf(confidence, successes + 1, trials - successes))
    return lower, upper


def limits_of(held: int, refuted: int, trials: int) -> tuple[float, float]:
    """One-sided 95 % limits of a probability from so many seeds; those neither held nor refuted count against each."""
    return clopper_pearson(held, trials)[0], clopper_pearson(trials - refuted, trials)[1]


def require_different(seeds: Sequence[int]) -> None:
    """Refuse a seed that is given twice: its network would count as two.

    Raises:
        ValueError: naming it.
    """
    twice = next((seed for position, seed in enumerate(seeds) if seed in seeds[:position]), None)
    if twice is not None:
        raise ValueError(f"seed {twice} is given twice, and its network would count as two: give different seeds")


def outcome_of(limits: tuple[float, float], delta: float) -> Outcome:
    """Whether a probability with these limits is known to be at least 1 - delta, below it, or neither."""
    lower, upper = limits
    return "holds" if lower >= 1 - delta else "fails" if upper < 1 - delta else "undecided"


def least_width(
    problem: Problem | np.ndarray,
    y: np.ndarray | None = None,
    *,
    step_size: float,
    horizon: int,
    conclusion: Decay | None = None,
    delta: float | None = None,
    seeds: int | Sequence[int] = 29,
    widths: Sequence[int] | None = None,
    max_width: int = 2**16,
    trained: Trained = "first",
    budget_seconds: float | None = None,
    progress: Callable[[TestedWidth], None] | None = None,
    store: Store | None = None,
) -> LeastWidth:
    """Search the least width at which a conclusion holds for at least 1 - delta of the seeds.

    A width holds if the one-sided 95 % Clopper-Pearson lower limit over its seeds is at least 1 - delta (29 of 29 at
    delta = 0.1) and fails if the upper limit is below. Widths double until all seeds hold; both ends are then
    refined by bisection. Nothing assumes that success is monotone in the width: the upper end lies above every
    width known to fail. Each limit is at 95 % by itself; the search makes no correction for testing many widths.

    Args:
        problem: the problem, whose unit rows are trained on; or inputs (n, d).
        y: labels (n,) where inputs were given.
        step_size: eta.
        horizon: number of steps; a finite run can refute the conclusion and only support it.
        conclusion: what must hold for all k up to the horizon; by default the decay that Du et al. (2019) promise,
            at the problem's own lambda_0.
        delta: the allowed share of failures; by default the problem's, 0.1 for arrays.
        seeds: their number, or the seeds; the same ones at every width.
        widths: test exactly these instead of searching.
        max_width: where the search gives up.
        trained: the first layer, or both.
        budget_seconds: no width is begun, and none carried on, beyond this time; the interval is then wider.
        progress: called with each width as it is decided.
        store: where tested widths are kept, and taken from.

    Returns:
        The interval with all tested widths.

    Raises:
        ValueError: an argument is out of its range.
    """
    if conclusion is None:
        if not isinstance(problem, Problem):
            raise ValueError("arrays have no certified lambda_0: give conclusion=Decay(lambda_0), or a Problem")
        conclusion = Decay(problem.least_eigenvalue)
    if delta is None:
        delta = problem.delta if isinstance(problem, Problem) else 0.1
    X, y = training_arrays(problem, y)
    seeds = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie in (0, 1), not {delta}")
    if not seeds or min(horizon, max_width) < 1 or (widths is not None and min(widths, default=0) < 1):
        raise ValueError("a search needs at least one seed, one step and widths of at least 1")
    require_different(seeds)
    slow, fast = conclusion.log_factors(step_size)
    horizon = int(min(horizon, math.log(_FLOOR) * conclusion.power / fast))
    start = time.monotonic()
    deadline = math.inf if budget_seconds is None else start + budget_seconds
    fall = conclusion.fall(step_size, horizon)
    tests: dict[int, TestedWidth] = {}
    remark = ""
    plan = _search(tests, max_width) if widths is None else iter(sorted(set(widths)))
    for width in plan if fall >= 2 else ():
        spec = WidthSpecification(
            inputs=fingerprint(X),
            labels=fingerprint(y),
            width=width,
            step_size=step_size,
            horizon=horizon,
            slow_log_factor=slow,
            fast_log_factor=fast,
            power=conclusion.power,
            delta=delta,
            seeds=seeds,
            trained=trained,
        )
        spec = canonical(spec)
        test = store.get(spec.key, TestedWidth) if store else None
        test = test or _test_width(X, y, spec, deadline)
        if test is None:
            remark = f"the time budget of {budget_seconds:g} s ended the search at width {width}"
            break
        tests[width] = test
        if store:
            store.put(test)
        if progress:
            progress(test)
    lower, upper = known_interval(tests)
    if upper is None and not remark and fall >= 2:
        remark = _why_open(tests, seeds, delta)
    return LeastWidth(
        lower=lower,
        upper=upper,
        tested=tuple(tests[width] for width in sorted(tests)),
        step_size=step_size,
        horizon=horizon,
        delta=delta,
        promised_fall=fall,
        remark=remark,
        seconds=time.monotonic() - start,
    )


def greatest_stable_step(
    problem: Problem | np.ndarray,
    y: np.ndarray | None = None,
    *,
    width: int,
    horizon: int = 200,
    seeds: Iterable[int] = range(4),
    trained: Trained = "first",
    rounds: int = 8,
    device: str = "cpu",
) -> StableStep:
    """Bisect for the greatest step size at which the loss never exceeds its start within a horizon.

    Gradient descent on a quadratic is stable up to 2 / lambda_max, so the search starts at 1.2 times that with the
    largest eigenvalue of H(0), and halves the interval ``rounds`` times.

    Args:
        problem: the problem, whose unit rows are trained on; or inputs (n, d).
        y: labels (n,) where inputs were given.
        width: number m of neurons.
        horizon: number of steps.
        seeds: all of them must be stable.
        trained: the first layer, or both.
        rounds: of the bisection.
        device: where networks are trained.

    Returns:
        The interval between the greatest stable and the least unstable step tested.

    Raises:
        ValueError: no seed, or only networks without an active neuron, which no step moves.
    """
    X, y = training_arrays(problem, y)
    seeds = tuple(seeds)
    if not seeds:
        raise ValueError("a search needs at least one seed")
    batch = Batch(X, y, width, seeds, trained=trained, device=device)
    inputs = torch.as_tensor(X).to(device)
    grams = [batch.network(position).gram(inputs, trained).cpu() for position in range(len(seeds))]
    largest = max(float(torch.linalg.eigvalsh(gram)[-1]) for gram in grams)
    if not largest > 0:
        raise ValueError(f"no step moves networks of width {width}, none of whose neurons is active: take a larger one")
    top = 2.4 / largest

    def stable(step_size: float) -> bool:
        def work(block: list[int], stop: threading.Event) -> bool:
            batch = Batch(X, y, width, block, trained=trained, device=device)
            start = batch.forward()
            for _ in range(horizon):
                batch.descend(step_size)
                if stop.is_set() or not bool((batch.forward() <= start).all()):
                    return False
            return True

        blocks = seed_batches(seeds, X.shape, width, 0, device)
        return all(kept for _, kept in in_parallel(work, blocks, workers=None if device == "cpu" else 1))

    lower, upper = 0.0, top
    unbounded = stable(top)
    for _ in range(0 if unbounded else rounds):
        middle = (lower + upper) / 2
        lower, upper = (middle, upper) if stable(middle) else (lower, middle)
    return StableStep(
        lower=top if unbounded else lower,
        upper=None if unbounded else upper,
        largest_eigenvalue=largest,
        width=width,
        horizon=horizon,
        seeds=seeds,
    )


def iterations_to(run: Run, loss: float) -> int | None:
    """The first step at which a run's loss 1/2 ||e||^2 is at most ``loss``; None if it never was."""
    reached = np.flatnonzero(run.losses <= loss)
    return int(reached[0]) if len(reached) else None


def _search(tests: dict[int, TestedWidth], max_width: int) -> Iterable[int]:
    """The next width to test, given the outcomes so far, until both ends are tight."""
    width = 1
    while width <= max_width:
        yield width
        if tests[width].held == tests[width].trials:
            break
        width *= 2
    while (between := refinement(tests)) is not None:
        yield between


def refinement(tests: Mapping[int, Tested]) -> int | None:
    """The next width to test between the known ends of the interval; None where both are tight."""
    lower, upper = known_interval(tests)
    gaps = [(lower, min((w for w in tests if w > lower), default=lower))]
    if upper is not None:
        gaps.insert(0, (max((w for w in tests if w < upper), default=upper), upper))
    for below, above in gaps:
        if below > 0 and above > _RESOLUTION * below and above - below > 1:
            return round(math.sqrt(below * above))
    return None


def known_interval(tests: Mapping[int, Tested]) -> tuple[int, int | None]:
    """The largest width known to fail (0 if none is), and the smallest above it known to hold."""
    lower = max((w for w, test in tests.items() if test.outcome == "fails"), default=0)
    upper = min((w for w, test in tests.items() if test.outcome == "holds" and w > lower), default=None)
    return lower, upper


def _why_open(tests: dict[int, TestedWidth], seeds: Sequence[int], delta: float) -> str:
    needed = math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - delta))
    if len(seeds) < needed:
        return f"{len(seeds)} seeds can not show a probability of {1 - delta:g}: use at least {needed}"
    return f"no width up to {max(tests)} held"


class _Race:
    """One batch of seeds against the promised curve."""

    def __init__(self, X: np.ndarray, y: np.ndarray, spec: WidthSpecification, seeds: Sequence[int]) -> None:
        self.batch = Batch(X, y, spec.width, seeds, trained=spec.trained)
        self.spec = spec
        self.step = 0
        self.start = self.batch.forward()
        self.below_fast = torch.ones(len(seeds), dtype=torch.bool)

    def advance(self, steps: int, stop: threading.Event) -> int:
        """Take up to ``steps`` more steps, drop the seeds that are refuted, and return their number."""
        steps = min(steps, self.spec.horizon - self.step)
        norms = torch.empty(steps, len(self.start), dtype=torch.float64)
        for row in norms:
            self.batch.descend(self.spec.step_size)
            row[:] = self.batch.forward()
            if stop.is_set():
                return 0
        k = torch.arange(self.step + 1, self.step + steps + 1, dtype=torch.float64)[:, None]
        slow = torch.exp(k * (self.spec.slow_log_factor / self.spec.power))
        fast = torch.exp(k * (self.spec.fast_log_factor / self.spec.power))
        self.step += steps
        self.below_fast &= (norms <= self.start * fast * (1 - _ROUNDING)).all(dim=0)
        kept = (norms <= self.start * slow * (1 + _ROUNDING)).all(dim=0)
        self.batch.keep(kept.nonzero()[:, 0].tolist())
        self.start, self.below_fast = self.start[kept], self.below_fast[kept]
        return int((~kept).sum())


def _test_width(X: np.ndarray, y: np.ndarray, spec: WidthSpecification, deadline: float) -> TestedWidth | None:
    """Race all seeds of one width, until it is known to fail or the horizon is reached; None at the deadline."""
    races = [_Race(X, y, spec, block) for block in split_seeds(spec.seeds, spec.width, len(X))]
    refuted = 0
    chunk = math.ceil(spec.horizon / _LOOKS)
    while races and races[0].step < spec.horizon:
        if time.monotonic() > deadline:
            return None
        # all races stop at the same step, so that what is recorded does not depend on the machine's timing
        refuted += sum(lost for _, lost in in_parallel(lambda race, stop: race.advance(chunk, stop), races))
        test = TestedWidth(spec=spec, held=0, refuted=refuted)
        if test.outcome == "fails":
            return test
        races = [race for race in races if len(race.start)]
    return TestedWidth(spec=spec, held=sum(int(race.below_fast.sum()) for race in races), refuted=refuted)
