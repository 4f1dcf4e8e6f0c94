"""Munteanu et al. (2022): formulas typed again, and what coupling does to the start."""

from __future__ import annotations

import math

import mpmath
import numpy as np

from bounds import Problem, theorem

mp = mpmath.mp

RETYPED = {
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("Coupled start", "explicit", "then initial residual"): ("e_0 <=", lambda v: v.Y),
    ("Squared loss", "printed", "if width"): ("m >=", lambda v: v.C * (v.n / v.lambda_0) ** 2 * mp.log(v.n / v.delta)),
    ("Squared loss", "printed", "then residual"): ("e_k <=", lambda v: v.eps),
    ("Logistic loss", "printed", "if width"): ("m >=", lambda v: v.C / v.gamma / v.gamma),
    ("Logistic loss", "printed", "then risk"): ("R_T <=", lambda v: v.eps),
}


def test_widths_by_hand() -> None:
    problem = Problem(np.eye(2), np.ones(2), delta=0.25)
    width = theorem("munteanu2022-squared").width(problem, "printed", given={"lambda_0": 0.5})
    assert math.isclose(width.upper, 16 * math.log(8), rel_tol=1e-12) and width.assumption
    assert theorem("munteanu2022-logistic").width(problem, "printed", given={"gamma": 0.125}).contains(64)


def test_coupled_outputs_are_zero() -> None:
    draw = np.random.default_rng(0)
    X, half = draw.normal(size=(6, 3)), draw.normal(size=(5, 3))
    hidden = np.maximum(X @ np.concatenate([half, half]).T, 0)
    assert not (hidden[:, :5] - hidden[:, 5:]).any()
