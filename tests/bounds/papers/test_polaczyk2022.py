"""Polaczyk and Cyranka (2022): the exponent typed again, and a width by hand."""

from __future__ import annotations

import mpmath
import numpy as np

from bounds import Problem, theorem

RETYPED = {
    ("Programs", "printed", "if inputs"): ("n <=", lambda v: 200),
    ("Programs", "printed", "if step size"): ("eta <=", lambda v: mpmath.mpf(3) / 20),
    ("Programs", "printed", "if width"): ("m >=", lambda v: v.n),
    ("Programs", "printed", "then mean squared error"): ("mse <=", lambda v: mpmath.mp.sqrt(v.n) / 400),
    ("Gradient flow", "printed", "if width"): ("m >=", lambda v: v.C * v.n * mpmath.mp.sqrt(mpmath.mp.sqrt(v.n))),
    ("Gradient flow", "printed", "then residual"): ("e_k <=", lambda v: v.eps),
}


def test_width_of_sixteen_inputs() -> None:
    width = theorem("polaczyk2022-flow").width(Problem(np.eye(16), np.ones(16)), "printed")
    assert width.contains(32) and width.assumption
