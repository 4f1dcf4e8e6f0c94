"""Allen-Zhu, Li and Song (2019), landscape: formulas typed again, and random networks held against what is explicit."""

from __future__ import annotations

import math

import mpmath
import numpy as np

from bounds import Problem, theorem
from bounds.papers import allenzhu2019_landscape as paper
from bounds.papers._allenzhu2019 import DeepReLU
from tests.bounds.papers.test_allenzhu2019_lemmas import COMMON, fall, features, third

mp = mpmath.mp
RANGES = {"dW": (0.1, 0.5)}


def drift(v):
    return v.C * v.L**3 * third(v) * mp.sqrt(mp.log(v.m))


RETYPED = {
    **COMMON,
    ("*", "*", "if separation at most 1/L"): ("rho <=", lambda v: v.c_rho / v.L),
    ("Lemma 9.1", "printed", "if probability, left"): fall(lambda v: v.m / v.L),
    ("*", "*", "then one input"): ("g_i**2 <=", lambda v: v.C / v.d * v.m),
    ("*", "*", "then all inputs"): ("g_l**2 <=", lambda v: v.C_2 / v.d * v.m * v.n),
    ("Lemma 9.2", "printed", "if probability, left"): fall(lambda v: v.m / v.n * v.rho),
    ("Lemma 9.2", "printed", "then last layer"): ("g_L**2 >=", lambda v: v.c * v.rho / v.n * v.m / v.d),
    ("Lemma 9.2", "explicit", "then last layer"): ("M_L >=", lambda v: v.lambda_0 / v.d * v.m),
    ("Theorem 3", "printed", "if radius"): (
        "omega <=",
        lambda v: v.c * mp.sqrt(v.rho / v.n**3) ** 3 / (v.L**2 * mp.log(v.m)) ** 3,
    ),
    ("Theorem 3", "printed", "then last layer"): ("g_L**2 >=", lambda v: v.c_2 * v.rho / v.n * v.m / v.d),
    ("Theorem 4", "printed", "if least radius"): (
        "omega >=",
        lambda v: v.C_2 * mp.sqrt(v.d / v.L / v.m / mp.log(v.m)) ** 3,
    ),
    ("Theorem 4", "printed", "then semi-smoothness"): (
        "R_S <=",
        lambda v: (
            v.dW
            * v.L**2
            * mp.sqrt(v.m * v.n / v.d)
            * (v.C * mp.sqrt(v.F_W * mp.log(v.m)) * third(v) + v.C_3 * mp.sqrt(v.m * v.n / v.d) * v.dW)
        ),
    ),
    ("Theorem 4", "explicit", "if back"): ("B_2 <=", lambda v: v.c_b * mp.sqrt(v.m / v.d)),
    ("Theorem 4", "explicit", "if norms"): ("N_h <=", lambda v: v.eps),
    ("Theorem 4", "explicit", "then quadratic term"): (
        "Q_2 <=",
        lambda v: v.n / 2 * v.m / v.d * (v.L * v.c_b * (1 + v.eps) * v.dW) ** 2,
    ),
    ("Theorem 5", "printed", "if least radius"): ("omega >=", lambda v: v.C_m / mp.sqrt(v.m * v.L) ** 3),
    ("Theorem 5", "printed", "then gradient"): ("dJ <=", drift),
    ("Theorem 5", "printed", "then linearisation"): (
        "T_2 <=",
        lambda v: v.C_2 * (third(v) * v.omega) * v.L**3 * mp.sqrt(v.m * mp.log(v.m)),
    ),
    ("Theorem 5", "printed", "then kernel"): ("dK <=", drift),
}
"""Every formula of the file a second time; see :mod:`tests.bounds.papers.retyped`."""


def test_last_layer_in_the_mean_over_the_outputs() -> None:
    """(m/d) lambda_0 lies below the mean squared gradient of W_L at the worst v, up to the width's fluctuations."""
    draw, m, d, n = np.random.default_rng(1), 2000, 3, 3
    X = draw.normal(size=(n, d))
    problem = Problem(X, np.ones(n))
    hs, active = features(problem.unit_rows, 2, m, draw)
    K = (hs[1] @ hs[1].T) * (active @ active.T) / m
    values, vectors = np.linalg.eigh(K)
    certified = problem.least_eigenvalue_of(DeepReLU(2))
    assert math.isclose(values[0], certified.midpoint, rel_tol=0.3)
    v = np.outer(vectors[:, 0], np.eye(d)[0])  # gradients of the outputs, one row per input
    mean = 0.0
    for _ in range(200):
        B = draw.normal(size=(d, m)) / math.sqrt(d)
        behind = active * (v @ B)
        mean += ((behind @ behind.T) * (hs[1] @ hs[1].T)).sum() / 200
    assert math.isclose(mean, m / d * values[0], rel_tol=0.1)
    edition = theorem("allenzhu2019-gradients").edition("printed")
    assert edition.hidden_constants


def test_two_opposite_residuals_make_the_lower_bound_linear_in_the_separation() -> None:
    """K-form 1 - (1 - theta/pi) cos theta for two unit feature vectors at a small angle."""
    for theta in (0.1, 0.01):
        K = np.array([[1, (1 - theta / np.pi) * np.cos(theta)], [(1 - theta / np.pi) * np.cos(theta), 1]]) / 2
        v = np.array([1, -1])
        assert math.isclose(v @ K @ v, theta / np.pi, rel_tol=2 * theta)
        assert math.isclose(np.linalg.eigvalsh(K)[0] * 2, v @ K @ v, rel_tol=1e-9)


def test_the_lower_bound_needs_a_separation_of_at_most_order_1_over_L() -> None:
    """Two orthogonal inputs stay sqrt(2) apart, and the least eigenvalue behind Lemma 9.2 falls like 1.5 / L,
    as angles shrink to 3 pi / L. So the lemma and Theorem 3 carry the condition."""
    problem = Problem(np.eye(2), np.ones(2))
    for depth in (64, 256):
        assert math.isclose(problem.least_eigenvalue_of(DeepReLU(depth)).midpoint * depth, 1.5, rel_tol=0.03)
    for statement in (paper.gradient_below, paper.bounds_of_gradient):
        assert any(c.name == "separation at most 1/L" for c in statement.edition("printed").assumes)
