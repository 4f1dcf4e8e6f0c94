"""Bombari, Amani and Mondelli (2022): formulas typed again; hidden constants never decide."""

from __future__ import annotations

import mpmath
import numpy as np

from bounds import Problem, theorem

mp = mpmath.mp

RETYPED = {
    ("*", "*", "if last layer"): ("d_last >=", lambda v: v.C_1 * v.n**v.gamma),
    ("Input dimension", "explicit", "if last two layers"): ("P_w >=", lambda v: v.n),
    ("Input dimension", "explicit", "if pyramid"): ("P_w <=", lambda v: v.a_p * v.d**2),
    ("Input dimension", "explicit", "then input dimension"): ("d >=", lambda v: mp.sqrt(v.n) / mp.sqrt(v.a_p)),
    ("*", "*", "if last two layers"): ("P_w >=", lambda v: v.C * v.n),
    ("Theorem 1", "printed", "then least eigenvalue"): ("lambda_H0 >=", lambda v: v.c * v.P_w),
}


def test_hidden_constants_never_decide() -> None:
    problem = Problem(np.eye(4), np.ones(4))
    for identifier in ("bombari2022-ntk", "bombari2022-memorisation", "bombari2022-descent"):
        evaluation = theorem(identifier).check(
            problem, edition="printed", given={"P_w": 10**6, "d_last": 10**3, "gamma": 0.5}
        )
        assert evaluation.verdict.undecided
        assert evaluation.conditions[0][1].right.contains(4) and "logarithms" in evaluation.conditions[0][1].reason
