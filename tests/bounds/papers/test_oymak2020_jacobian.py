"""Oymak, Fabian, Li and Soltanolkotabi (2020): formulas typed again."""

from __future__ import annotations

import mpmath
import numpy as np

from bounds import Problem, theorem
from bounds.orders import compare_orders

mp = mpmath.mp

RANDOM, ANY, FULL = "Random initialisation", "Arbitrary initialisation", "Full rank"
RANGES = {"alpha": (0.2, 0.9), "Gamma": (1, 6)}
RETYPED = {
    ("*", "*", "if number of steps"): ("T >=", lambda v: v.Gamma / v.alpha / v.alpha * v.C),
    ("*", "*", "then residual"): ("r_T <=", lambda v: v.C * mp.sqrt(v.n) / mp.exp(v.Gamma) + v.C * v.y_N),
    (RANDOM, "printed", "if width"): ("m >=", lambda v: v.C * mp.log(v.n) * (v.Gamma / v.alpha**2) ** 4),
    (RANDOM, "printed", "then error"): (
        "err_T <=",
        lambda v: v.C * ((v.y_N + v.Gamma / v.alpha) / mp.sqrt(v.n) + 1 / mp.exp(v.Gamma)),
    ),
    (ANY, "printed", "if width"): ("m >=", lambda v: v.C * (v.Gamma / v.alpha**2) ** 4),
    (FULL, "printed", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    (FULL, "printed", "if width"): ("m >=", lambda v: v.C * mp.log(v.n) * (v.n * v.K_out / v.lambda_0) ** 4),
}


def test_a_width_by_hand_and_the_flag_of_the_floor() -> None:
    """Gamma = 2, alpha = 1/2: 16 * 256 log 3 from a random start, without the logarithm from any."""
    problem, given = Problem(np.eye(3), np.ones(3)), {"Gamma": 2, "alpha": 0.5}
    names = ("oymak2020-random", "oymak2020-any-start")
    drawn, arbitrary = (theorem(name).width(problem, "printed", given=given) for name in names)
    assert abs(drawn.midpoint / (4096 * np.log(3)) - 1) < 1e-12 and arbitrary.contains(4096)
    flags = compare_orders(theorem("oymak2020-random"), theorem("du2019-two-layer"), "printed").flags
    assert any("exact fit" in flag for flag in flags)
