"""Liu, Zhu and Belkin (2022), assemblies: formulas typed again; an assembly of parabolas attains the bound."""

from __future__ import annotations

import mpmath
import numpy as np

from bounds import Problem, theorem

mp = mpmath.mp

RETYPED = {
    ("Theorem 1", "printed", "then quadratic term"): ("T_2 <=", lambda v: v.beta_g * v.R_B**2 / 2 / v.s_m),
    ("Theorem 1", "explicit", "then quadratic term"): ("T_2 <=", lambda v: v.beta_g * v.R_B**2 / 2 / mp.sqrt(v.m)),
}


def test_parabolas_attain_the_bound() -> None:
    """g_i(w) = 3 w^2 / 2 for 16 models, w_0 = 0, w on the sphere of radius 2: 3 * 4 / (2 * 4) = 3/2."""
    w = np.random.default_rng(0).normal(size=16)
    w *= 2 / np.linalg.norm(w)
    t = theorem("liu2022-assembly")
    at = t.check(Problem(np.eye(2), np.ones(2)), width=16, given={"beta_g": 3, "R_B": 2})
    bound = at.promised(t.edition("explicit").promises[0])
    assert bound.contains(1.5) and abs((3 * w**2 / 2).sum() / 4 - 1.5) < 1e-12
