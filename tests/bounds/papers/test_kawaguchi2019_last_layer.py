"""Kawaguchi and Huang (2019): formulas typed again; descent on random features, and its rate attained."""

from __future__ import annotations

import mpmath
import numpy as np

from bounds import Problem, theorem

mp = mpmath.mp

NAME = "Descent on the last layer"
RETYPED = {
    (NAME, "printed", "if width"): ("m >=", lambda v: v.C * v.n),
    (NAME, "explicit", "if width"): ("m >=", lambda v: v.n),
    (NAME, "explicit", "if step size"): ("eta <=", lambda v: v.J_0 ** (-2)),
    (NAME, "explicit", "then convergence"): ("e_k <=", lambda v: v.e_0 * (1 - v.eta * v.sigma_0**2) ** v.k),
}


def test_descent_on_features_keeps_the_rate_and_attains_it() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(6, 9))
    u, singular, _ = np.linalg.svd(features)
    problem = Problem(np.eye(6), u[:, -1])  # the slowest labels
    t = theorem("kawaguchi2019-last-layer")
    given = {"sigma_0": float(singular[-1]), "J_0": float(singular[0]) * (1 + 1e-12)}
    step = t.step_size(problem, given=given).lower
    at = t.check(problem, width=9, step_size=step, given=given, initial_residual=1)
    assert at.verdict.holds and t.check(problem, width=5, step_size=step, given=given).verdict.fails
    v = np.zeros(9)
    for _ in range(40):
        v -= step * features.T @ (features @ v - problem.y)
    promised = at.promised(t.edition("explicit").rate.promise, k=40).midpoint
    measured = np.linalg.norm(features @ v - problem.y)
    assert promised * (1 - 1e-8) <= measured <= promised * (1 + 1e-8)
