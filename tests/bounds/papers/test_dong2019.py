"""Dong and Zhou (2019): there is nothing to decide; what stands beside it is typed again and held against systems."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem

mp = mpmath.mp

RETYPED = {
    ("Linearised step", "explicit", "then linearised step"): (
        "b <=",
        lambda v: v.D_sol * (1 + v.D_sol * v.kappa_c / 2),
    ),
    ("G1: distance of a solution", "explicit", "then distance"): (
        "D_sol >=",
        lambda v: 2 * v.b / (1 + mp.sqrt(1 + 2 * v.b * v.kappa_c)),
    ),
    ("G1 and G2: detours", "explicit", "then parameters"): ("S_T >=", lambda v: v.D_T),
    ("G1 and G2: detours", "explicit", "then outputs"): ("S_F >=", lambda v: v.D_F),
}

PROBLEM = Problem(np.eye(2), np.ones(2))


def test_nothing_is_decided() -> None:
    at = theorem("dong2019-geometrization").check(PROBLEM, edition="printed")
    assert at.verdict.undecided and not at.edition.conclusions


@pytest.mark.parametrize("bend", [0.1, 1.0, 10.0])
def test_distance_is_attained(bend: float) -> None:
    """F(w) = w + bend w^2 / 2 = y at w_0 = 0, y = 1: J_0 = 1, b = 1, kappa = bend, and the root is the solution."""
    at = theorem("dong2019-distance").check(PROBLEM, given={"b": 1.0, "kappa_c": bend})
    bound = at.promised(at.edition.promises[0])
    assert math.isclose(bound.upper, (math.sqrt(1 + 2 * bend) - 1) / bend, rel_tol=1e-12)
