"""The least widths at which descent from a drawn start is proved to reach zero loss, and at which training comes near.

Both are counted over the same draws w_r ~ N(0, I), a_r = +-1, with each draw's own step 1 / ||J||^2 at its start,
rounded down: :func:`bounds.certificates.shadow.certify_trajectory` against plain gradient descent in numpy. A draw on
which neither succeeds within the steps allowed counts as a failure of both; it may succeed later.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np

from bounds.certificates.shadow import certify_trajectory
from bounds.certificates.smooth_descent import LIBRARY
from bounds.certificates.trajectory import Trajectory
from bounds.problem import Problem
from empirical.networks import initial_network
from empirical.searches import Outcome, known_interval, limits_of, outcome_of, refinement, require_different
from empirical.store import Store, code_digest, content_key
from empirical.training import fingerprint

Aim = Literal["proved", "trained"]

FALL = 1e-10
"""Training has come near zero loss where the loss is below this share of its start."""


CODE = code_digest(__file__)
"""SHA-256 of this file and of ``bounds`` but for its papers: an attempt counts as proved by the code at hand alone."""

START, MAX_WIDTH = 32, 2**14
"""Where a search begins, and where it gives up. Narrow networks take longest: most of them fail only in the end."""

Floats = np.ndarray


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """All that an attempt depends on.

    Args:
        aim: whether descent is to be proved to reach zero loss, or only to be trained.
        inputs, labels: fingerprints of the data.
        activation, width, seed: of the network.
        centred: whether its outputs at the start are subtracted, so that it begins at zero.
        most_steps: how long it is followed or trained.
        code: :data:`CODE`.
    """

    aim: Aim
    inputs: str
    labels: str
    activation: str
    width: int
    seed: int
    centred: bool
    most_steps: int
    code: str = CODE

    @property
    def key(self) -> str:
        """The content hash."""
        return content_key(self)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a draw.

    Args:
        draw: which one.
        step_size: of descent; 0 where no neuron is active, so that nothing moves.
        reached: the step from which the rest is proved, or at which training came near zero loss; None for neither.
        path: an upper bound of the length of exact descent's whole path, where it is proved.
        reason: what is missing, where it is not.
        seconds: of processor time that it took; they count against the budget of every later search as well, so that
            a search that is done again ends where it did.
    """

    draw: Draw
    step_size: float
    reached: int | None
    path: float | None = None
    reason: str = ""
    seconds: float = 0.0

    @property
    def key(self) -> str:
        """The content hash of the draw."""
        return self.draw.key


@dataclass(frozen=True)
class Count:
    """How many seeds of one width succeeded.

    Args:
        width: of the networks.
        held, refuted: seeds that did, and that did not; the others were not tried.
        trials: the number of seeds in all.
        delta: the share that may fail.
    """

    width: int
    held: int
    refuted: int
    trials: int
    delta: float

    @property
    def limits(self) -> tuple[float, float]:
        """One-sided 95 % limits of the probability to succeed; seeds that were not tried count against each."""
        return limits_of(self.held, self.refuted, self.trials)

    @property
    def outcome(self) -> Outcome:
        """Whether the probability is known to be at least 1 - delta, below it, or neither."""
        return outcome_of(self.limits, self.delta)


@dataclass(frozen=True)
class LeastSuccess:
    """The least width from which on draws succeed with probability 1 - delta; each end is known at 95 % by itself.

    Args:
        lower: the largest width known to fail (0 if none is).
        upper: the smallest width known to succeed, above it (None if none is).
        counts: of every width, in increasing order.
        narrowest: the narrowest draw that succeeded, of the least seed; None where none did.
        remark: empty, or why the interval is not as tight as it could be.
        seconds: of processor time spent on the draws, when they were first tried.
    """

    lower: int
    upper: int | None
    counts: tuple[Count, ...]
    narrowest: Attempt | None
    remark: str
    seconds: float


def least_success(
    problem: Problem,
    aim: Aim,
    *,
    activation: str,
    centred: bool,
    most_steps: int,
    seeds: Sequence[int] = range(29),
    max_width: int = MAX_WIDTH,
    budget_seconds: float = math.inf,
    progress: Callable[[float], None] = lambda seconds: None,
    store: Store | None = None,
) -> LeastSuccess:
    """Search the least width at which at least 1 - delta of the draws succeed.

    Widths double, or halve, to the least at which the first seed succeeds, and double on until all do; then both ends
    are refined. No width is tried that has fewer weights than there are labels.

    Args:
        problem: whose unit rows are trained on.
        aim: what is to succeed.
        activation: of the networks.
        centred: whether their outputs at the start are subtracted.
        most_steps: allowed to each draw.
        seeds: of the draws, the same at every width.
        max_width: where the search ends.
        budget_seconds: of processor time; no draw is begun beyond it, nor one that is expected to end beyond it.
        progress: called after each draw with the seconds spent so far.
        store: where attempts are kept, and taken from.

    Raises:
        ValueError: a seed is given twice.
    """
    require_different(seeds)
    draws = _Draws(problem, aim, activation, centred, most_steps, tuple(seeds), budget_seconds, progress, store)
    first = math.ceil(problem.n / problem.d)
    remark = ""
    try:
        for width in _widths(draws, first, max_width):
            draws.count(width)
    except _OutOfTime as ended:
        remark = f"the budget of {budget_seconds:g} s of processor time ended the search at width {ended.width}"
    counts = draws.counts()
    lower, upper = known_interval(counts)
    if upper is None and not remark:
        most = f"{max(counts)} succeeded in all seeds" if counts else f"{max_width} has a weight for each label"
        remark = f"no width up to {most}"
    succeeded = [found for tried in draws.attempts.values() for found in tried if found.reached is not None]
    return LeastSuccess(
        lower=lower,
        upper=upper,
        counts=tuple(counts.values()),
        narrowest=min(succeeded, key=lambda found: (found.draw.width, found.draw.seed), default=None),
        remark=remark,
        seconds=draws.spent,
    )


def attempt(X: Floats, y: Floats, draw: Draw) -> Attempt:
    """Draw the network and try to prove, or train, it."""
    network = initial_network(draw.width, X.shape[1], draw.seed)
    weights, signs = network.weights.numpy(), network.signs.numpy()
    if draw.activation == "relu" and not (weights @ X.T > 0.0).any():
        return Attempt(draw=draw, step_size=0.0, reached=None, reason="no neuron is active on any input")

    def follow(most_steps: int) -> Trajectory:
        return certify_trajectory(
            X, y, weights, signs, activation=draw.activation, centred=draw.centred, most_steps=most_steps
        )

    if draw.aim == "proved":
        found = follow(draw.most_steps)
        if found.verdict.holds:
            return Attempt(draw=draw, step_size=found.step_size, reached=found.steps, path=found.path)
        return Attempt(draw=draw, step_size=found.step_size, reached=None, reason=found.verdict.reason)
    step_size = follow(0).step_size
    reached = steps_to(
        FALL, X, y, weights, signs,
        activation=draw.activation, centred=draw.centred, step_size=step_size, most_steps=draw.most_steps,
    )  # fmt: skip
    return Attempt(draw=draw, step_size=step_size, reached=reached)


def steps_to(
    fall: float,
    X: Floats,
    y: Floats,
    weights: Floats,
    signs: Floats,
    *,
    activation: str,
    centred: bool,
    step_size: float,
    most_steps: int,
) -> int | None:
    """The first step at which plain gradient descent has a loss below this share of its start; None if none does.

    Args:
        fall: the share; 0 takes all steps.
        X: inputs (n, d).
        y: labels (n,).
        weights: of the start (m, d).
        signs: output weights (m,).
        activation: its name.
        centred: whether the outputs at the start are subtracted.
        step_size: of descent.
        most_steps: where it is given up.
    """
    functions = _relu if activation == "relu" else LIBRARY[activation]
    XT, readout = np.ascontiguousarray(X.T), signs / math.sqrt(len(signs))
    weights, step = weights.copy(), step_size * readout[:, None]
    target = y + readout @ functions(weights @ XT)[0] if centred else y
    with np.errstate(all="ignore"):  # a run that explodes is seen by its loss
        for taken in range(most_steps + 1):
            value, slope = functions(weights @ XT)
            r = readout @ value - target
            square = float(r @ r)
            if taken == 0:
                start = square
            if square <= fall * start:
                return taken
            if not square < 1e12 * start:
                return None
            slope *= r
            gradient = slope @ X
            gradient *= step
            weights -= gradient
    return None


def _relu(z: Floats) -> tuple[Floats, Floats]:
    return np.maximum(z, 0.0), (z > 0.0).astype(np.float64)


class _OutOfTime(Exception):
    """The budget does not allow another draw at this width."""

    def __init__(self, width: int) -> None:
        super().__init__(f"no time for width {width}")
        self.width = width


@dataclass(eq=False)
class _Draws:
    """The attempts of one search; see :func:`least_success`."""

    problem: Problem
    aim: Aim
    activation: str
    centred: bool
    most_steps: int
    seeds: tuple[int, ...]
    budget_seconds: float
    progress: Callable[[float], None]
    store: Store | None
    attempts: dict[int, list[Attempt]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._X, self._y = self.problem.unit_rows, self.problem.y
        self._prints = fingerprint(self._X), fingerprint(self._y)
        self.spent = 0.0
        self._per_width = 0.0

    def first(self, width: int) -> bool:
        """Whether the first seed succeeds at a width."""
        if width not in self.attempts:
            self._next(width)
        return self.attempts[width][0].reached is not None

    def count(self, width: int) -> Count:
        """Try seeds until the width is known to fail, or all are tried."""
        while len(self.attempts.get(width, ())) < len(self.seeds) and self.counted(width).outcome != "fails":
            self._next(width)
        return self.counted(width)

    def counts(self) -> dict[int, Count]:
        """What is known of every width so far, in increasing order."""
        return {width: self.counted(width) for width in sorted(self.attempts)}

    def counted(self, width: int) -> Count:
        """What is known of a width so far."""
        tried = self.attempts.get(width, [])
        held = sum(found.reached is not None for found in tried)
        return Count(width, held, len(tried) - held, len(self.seeds), self.problem.delta)

    def _next(self, width: int) -> None:
        """Try the next seed; a draw takes about as long as the last one, in proportion to its width."""
        inputs, labels = self._prints
        draw = Draw(
            aim=self.aim, inputs=inputs, labels=labels, activation=self.activation, width=width,
            seed=self.seeds[len(self.attempts.get(width, ()))], centred=self.centred, most_steps=self.most_steps,
        )  # fmt: skip
        if self.spent + self._per_width * width > self.budget_seconds:
            raise _OutOfTime(width)
        found = self.store.get(draw.key, Attempt) if self.store else None
        if found is None:
            start = time.thread_time()
            found = attempt(self._X, self._y, draw)
            found = msgspec.structs.replace(found, seconds=time.thread_time() - start)
            if self.store:
                self.store.put(found)
        self.attempts.setdefault(width, []).append(found)
        self.spent += found.seconds
        self._per_width = found.seconds / width
        self.progress(self.spent)


def _widths(draws: _Draws, first: int, most: int) -> Iterator[int]:
    """The next width to count, until both ends of the interval are tight."""
    start = max(first, min(START, most))
    while start <= most and not draws.first(start):
        start *= 2
    if start > most:
        return
    while start > first and draws.first(max(start // 2, first)):
        start = max(start // 2, first)
    width = start
    yield width
    while draws.counted(width).held < len(draws.seeds):
        width *= 2
        if width > most:
            break
        yield width
    below = start
    while below > first and draws.counted(below).outcome != "fails":
        below = max(below // 2, first)
        yield below
    while (between := refinement(draws.counts())) is not None:
        yield between
