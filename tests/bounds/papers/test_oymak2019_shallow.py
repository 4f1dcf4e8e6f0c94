"""Oymak and Soltanolkotabi (2020): formulas typed again; figures by hand; orders against the baselines."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.activations import SIN, TANH
from bounds.papers.oymak2019_shallow import ScaledOutput
from bounds.settings import TwoLayer

mp = mpmath.mp


def _b(v):
    return v.L if v.L > v.beta else v.beta


RETYPED = {
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("Smooth shallow networks", "printed", "if width"): (
        "m >=",
        lambda v: v.C * (_b(v) ** 2 * (1 + v.tau) * mp.sqrt(v.n) * v.X / v.lambda_0) ** 2,
    ),
    ("Smooth shallow networks", "printed", "if step size"): (
        "eta <=",
        lambda v: 1 / (v.y_ms * v.X**2 * _b(v) ** 2 * 2),
    ),
    ("Smooth shallow networks", "printed", "then convergence"): (
        "e_k <=",
        lambda v: v.e_0 * (1 - v.eta * v.y_ms * (_b(v) * v.lambda_0 / 4) ** 2) ** v.k,
    ),
    ("ReLU shallow networks", "printed", "if width"): (
        "m >=",
        lambda v: v.C * v.n * (1 + v.tau) ** 2 * (v.X**3 / v.lambda_0**2) ** 2,
    ),
}


def test_the_width_is_the_one_in_kappa() -> None:
    """sqrt(m d) = B^2 (1 + tau) kappa n at the width with C = 1; sin has B = 1."""
    problem = Problem(np.random.default_rng(0).normal(size=(6, 9)), np.ones(6))
    setting = ScaledOutput(SIN)
    width = theorem("oymak2019-shallow-smooth").width(problem, "printed", setting=setting, given={"tau": 0.5})
    least = problem.least_eigenvalue_of(setting).midpoint
    kappa = (9 / 6) ** 0.5 * problem.spectral_norm.midpoint / least
    assert (width.midpoint * 9) ** 0.5 == pytest.approx(1.5 * kappa * 6, rel=1e-9) and width.assumption


def test_the_matrix_is_that_of_the_first_layer() -> None:
    problem = Problem(np.random.default_rng(1).normal(size=(5, 7)), np.ones(5))
    ours = problem.least_eigenvalue_of(ScaledOutput())
    other = problem.least_eigenvalue_of(TwoLayer("first", TANH))
    assert ours.midpoint == pytest.approx(other.midpoint, rel=1e-12)


def test_relu_by_hand() -> None:
    """Orthogonal inputs: S = 1, lambda = 1/2, n = 4: 4 * 2^4 = 64 at tau = 0."""
    width = theorem("oymak2019-shallow-relu").width(Problem(np.eye(4), np.ones(4)), "printed", given={"tau": 0})
    assert width.midpoint == pytest.approx(64, rel=1e-12)


def test_step_by_hand() -> None:
    """sin has B = 1; orthogonal inputs; labels of mean square 4: 1/8."""
    problem = Problem(np.eye(4), 2 * np.ones(4))
    step = theorem("oymak2019-shallow-smooth").step_size(problem, "printed", setting=ScaledOutput(SIN))
    assert step.midpoint == pytest.approx(0.125, rel=1e-12)
