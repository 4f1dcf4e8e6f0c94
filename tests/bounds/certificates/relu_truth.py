"""Random ReLU networks on and near their kinks: certificate, checker, and descent at 900 bits must agree.

``python -m tests.bounds.certificates.relu_truth --count 10000 --seed 0`` tries so many; it ends with 1 if a claim is
wrong, or if the checker rejects what was proved.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator

import flint
import numpy as np
from flint import arb

from bounds import Problem
from bounds.certificates.following import certify_from_start
from bounds.certificates.proving import Refusal
from bounds.certificates.record import write
from bounds.certificates.relu_proofs import certify_flips
from bounds.certificates.stack import Stack, two_layer
from bounds.checker import verify
from tests.bounds.certificates.truth import entrywise, exact, size, times

BITS = 900
"""Balls grow by a bit or two in every step."""

MORE = 40
"""Steps compared beyond those that were followed."""


def descend(
    network: Stack, weights: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray, step: float
) -> Iterator[tuple[arb, arb]]:
    """Path so far and residual norm of exact descent; it ends where a sign is not known to so many bits."""
    inputs, W, path = exact(X), exact(weights["layers.0.weight"]), arb(0)
    readout = exact(weights["layers.1.weight"]).transpose() * (1 / arb(len(weights["layers.0.weight"])).sqrt())
    goal = exact(y[:, None])
    if network.centred:
        goal = goal + entrywise(lambda v: v.max(arb(0)), inputs * W.transpose()) * readout
    while True:
        z = inputs * W.transpose()
        if any(v.contains(0) and not v.is_exact() for v in z.entries()):
            return
        r = entrywise(lambda v: v.max(arb(0)), z) * readout - goal
        yield path, size(r)
        slopes = entrywise(lambda v: arb(1 if v > 0 else 0), z)
        move = times(r * readout.transpose(), slopes).transpose() * inputs * arb(step)
        path, W = path + size(move), W - move


def draw(seed: int) -> tuple[Stack, dict[str, np.ndarray], Problem, float, bool]:
    """A network, data, a stretch of the step, and whether to count flips at the start."""
    rng = np.random.default_rng([seed, 11])
    static = bool(rng.random() < 0.3)
    n, d = int(rng.integers(2, 5)), int(rng.integers(1, 5))
    m = int(rng.choice([64, 256])) if static else int(rng.choice([1, 2, 3, 5, 8, 16, 32]))
    X = rng.standard_normal((n, d))
    if rng.random() < 0.4:
        X = np.eye(max(n, d))[:n, :d] * 2.0 ** rng.integers(-2, 3, (n, 1))
        X[:, 0] += 0.25 * (rng.integers(0, 2, n) | (X == 0).all(axis=1))
    W, labels = rng.standard_normal((m, d)) * rng.choice([1.0, 8.0]), 10.0 ** rng.uniform(-6, 0.5)
    if rng.random() < 0.5:  # on kinks, or nearly
        rows = rng.random((m, d)) < 0.2
        W = np.where(rows, rng.choice([0.0, 1e-12, -1e-9, 1e-6, -1e-3], (m, d)), W)
    a, y = rng.choice([-1.0, 1.0], m), labels * rng.standard_normal(n)
    if rng.random() < 0.1:  # no solution at all
        X, y = np.vstack([X, X[:1]]), np.append(y, -y[0])
    centred = bool(rng.random() < 0.7)
    if not centred:  # labels near the outputs
        y = y + np.maximum(W @ X.T, 0).T @ a / np.sqrt(m)
    weights = {"layers.0.weight": W, "layers.1.weight": a[None]} | ({"start.layers.0.weight": W} if centred else {})
    stretch = float(rng.choice([0.3, 1.0, 1.0, 1.5, 1.9, 1.9999, 2.0001]))
    return two_layer(d, m, "relu", centred=centred), weights, Problem(X, y), stretch, static


def judge(seed: int) -> str:
    """What became of a random problem: certified and true to its claims, refused, or wrong and how."""
    network, weights, problem, stretch, static = draw(seed)
    try:
        if static:
            found = certify_flips(weights, network, problem)
        else:
            active = weights["layers.0.weight"] @ problem.X.T > 0
            K = (active.T.astype(float) @ active) / len(active) * (problem.X @ problem.X.T)
            step = stretch / max(float(np.linalg.eigvalsh(K)[-1]), 1e-3)
            found = certify_from_start(weights, network, problem, step_size=step, most_steps=200)
    except ValueError:
        return "refused"
    if isinstance(found, Refusal):
        return "refused"
    with tempfile.TemporaryDirectory() as folder:
        checked = verify(write(found, folder))
    if checked.fails:
        return f"seed {seed}: the checker says that {checked.reason}"
    assert found.step_size is not None
    followed, kind = found.steps or 0, "certified at the start" if static else "certified after some steps"
    residual = found.numbers["residual"]
    with flint.ctx.workprec(BITS):
        shrink, before = 1 - arb(found.step_size) * arb(found.decay), arb(0)
        for k, (path, r) in enumerate(descend(network, weights, problem.X, problem.y, found.step_size)):
            if k == followed and not (r <= residual.upper and r >= residual.lower):
                return f"seed {seed}: the residual is not enclosed"
            if not path <= found.path:
                return f"seed {seed}: the path exceeds {found.path}"
            if k > followed and not r <= before * shrink + arb(2) ** -(BITS - 60):
                return f"seed {seed}: the residual shrinks by less than is stated in step {k}"
            before = r
            if k == followed + MORE:
                break
    return kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally = Counter(map(judge, range(options.seed, options.seed + options.count)))
    wrong = [outcome for outcome in tally if outcome.startswith("seed")]
    for outcome, count in sorted(tally.items()):
        print(f"{count:6d} {outcome}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
