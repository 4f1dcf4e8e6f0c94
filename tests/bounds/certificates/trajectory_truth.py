"""Random tiny networks, smooth and ReLU, followed from their start, against exact descent at 800 bits.

``python -m tests.bounds.certificates.trajectory_truth --count 10000 --seed 0`` tries so many; it ends with 1 if a claim
on distance, residual, rate or path is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass

import flint
import numpy as np
from flint import arb

from bounds.activations.float64 import EVALUATED
from bounds.certificates.shadow import certify_trajectory
from bounds.certificates.trajectory import Trajectory
from tests.bounds.certificates.exact_descent import PRECISION, apart, balls, exact_descent, exact_outputs, norm

MOST_STEPS = 300
MORE = 25
"""Steps beyond the certified one that the promised rate is held against."""

LEAST = arb(2) ** -600
"""A residual below it is no longer known well at 800 bits."""

STRETCHES = (0.3, 1.0, 1.5, 1.9, 1.99, 2.05)
"""Of the step 1 / ||J||^2, whose double is the limit of stability."""


@dataclass(frozen=True, eq=False)
class Case:
    """A network, its data and how far its step is stretched."""

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    signs: np.ndarray
    activation: str
    centred: bool
    stretch: float

    def follow(self, most_steps: int = MOST_STEPS) -> Trajectory:
        """Try to certify it, with the stretched step."""
        return self._follow(self.stretch * self._follow(None, 0).step_size, most_steps)

    def _follow(self, step_size: float | None, most_steps: int) -> Trajectory:
        return certify_trajectory(
            self.X, self.y, self.weights, self.signs,
            activation=self.activation, step_size=step_size, centred=self.centred, most_steps=most_steps,
        )  # fmt: skip


def draw(seed: int) -> Case:
    """A case that may or may not be certified: narrow or wide, small or large labels, steps up to beyond the limit."""
    rng = np.random.default_rng([seed, 11])
    activation = str(rng.choice([*sorted(EVALUATED), "relu", "relu"]))
    n, d = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    m = int(rng.integers(6, 33)) if activation == "relu" else int(rng.integers(1, 9))
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = 10.0 ** rng.uniform(-2.5, 0.7) * rng.choice([-1.0, 1.0], n)
    if n > 1 and rng.random() < 0.1:  # no solution
        X[1], y[1] = X[0], -y[0]
    weights, signs = rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)
    if activation == "relu" and rng.random() < 0.3:  # neurons on, and next to, a kink
        X[0] = np.eye(d)[0]
        weights[0, 0], weights[-1, 0] = 0.0, 10.0 ** rng.uniform(-12, -6)
    if activation == "relu":
        signs[:2], weights[:2] = [1.0, -1.0], np.abs(weights[:2]) * np.sign(X[0])  # some neuron is active
    return Case(X, y, weights, signs, activation, bool(rng.random() < 0.8), float(rng.choice(STRETCHES)))


def wrong_claim(case: Case, found: Trajectory) -> str:
    """Which claim about exact descent is not true; empty where all are."""
    start = exact_outputs(case.X, case.weights, case.signs, case.activation)
    targets = np.vstack([start if case.centred else np.zeros_like(start), case.y])
    exact = exact_descent(
        case.X, targets, case.weights, case.signs, case.activation, found.step_size, found.steps + MORE
    )
    rest = arb(2.0**-50 if case.activation == "relu" else 0)  # a run in two parts, of which the first is returned
    shrink = 1 - arb(found.step_size) * arb(found.decay)
    path, before = arb(0), None
    for k, (weights, r, gradient) in enumerate(exact):
        size = norm([r])
        if k == found.steps:
            if not apart(weights, balls(found.weights)) <= arb(found.error) + rest * norm(weights):
                return "distance"
            if not size <= arb(found.residual):
                return "residual"
        if before is not None and k > found.steps and not before < LEAST and not size <= before * shrink:
            return "rate"
        if k == found.steps and not path <= arb(found.travelled):
            return "length so far"
        before = size
        path += arb(found.step_size) * norm(gradient)
    return "" if path <= arb(found.path) else "path"


def judge(seed: int) -> str:
    """What became of a random case: certified and true to its claims, refused, or wrong and how."""
    case = draw(seed)
    found = case.follow()
    kind = "ReLU" if case.activation == "relu" else "smooth"
    if not found.verdict.holds:
        return f"{kind}, refused"
    with flint.ctx.workprec(PRECISION):
        wrong = wrong_claim(case, found)
    if wrong:
        return f"wrong: seed {seed}, {case.activation}, {wrong}"
    return f"{kind}, certified" + (" at the start" if found.steps == 0 else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally = Counter(map(judge, range(options.seed, options.seed + options.count)))
    for outcome, count in sorted(tally.items()):
        print(f"{count:6d} {outcome}")
    return 1 if any(outcome.startswith("wrong") for outcome in tally) else 0


if __name__ == "__main__":
    sys.exit(main())
