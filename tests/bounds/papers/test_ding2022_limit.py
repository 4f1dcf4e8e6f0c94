"""Ding, Chen, Li and Wright, the limit: formulas typed again, and random residual networks held against them."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem

mp = mpmath.mp

A, WIDTH, DEPTH, BOTH = "Lemmas A.1 to A.4", "Theorem E.1", "Theorem E.2", "Theorem 5.1"
START, ANEW = "Deviation at the start", "Layers drawn anew"


def _width(v):
    return v.C / v.delta / v.eps**2


RETYPED = {
    (A, "printed", "then states"): ("Z <=", lambda v: (1 + v.x) * mp.exp(v.C_1 * (1 + v.M_2)) ** 2),
    (A, "printed", "then loss"): ("E_s <=", lambda v: v.E_0),
    (A, "explicit", "then states"): ("Z <=", lambda v: (1 + v.x) * mp.exp(v.C_1 + v.C_1 * v.M_2) - 1),
    (WIDTH, "printed", "if width"): ("m >", _width),
    (WIDTH, "*", "then distance"): ("D_M <=", lambda v: v.eps / 2),
    ("*", "*", "if mean square"): ("V_M <=", lambda v: v.V / v.m),
    ("*", "*", "if error of the layers"): ("D_L <=", lambda v: v.D / v.L),
    (WIDTH, "explicit", "if width"): ("m >=", lambda v: 2 * v.V / v.delta * (2 / v.eps) ** 2),
    (DEPTH, "printed", "if layers"): ("L >=", lambda v: v.C / v.eps),
    (DEPTH, "printed", "if width"): ("m >=", lambda v: v.C / v.delta),
    (DEPTH, "*", "then distance"): ("D_L <=", lambda v: v.eps / 2),
    (DEPTH, "explicit", "if layers"): ("L >=", lambda v: 2 * v.D / v.eps),
    (BOTH, "printed", "if width"): ("m >", _width),
    (BOTH, "printed", "if layers"): ("L >", lambda v: v.C / v.eps),
    (BOTH, "*", "then distance"): ("D_E <=", lambda v: v.eps),
    (BOTH, "explicit", "if width"): ("m >=", lambda v: 8 * v.V / (v.eps**2 * v.delta)),
    (BOTH, "explicit", "if layers"): ("L >=", lambda v: 2 * v.D / v.eps),
    (START, "explicit", "if width"): ("m >=", lambda v: (2 * v.G * v.B / v.eps) ** 2 / v.delta),
    (START, "explicit", "if layers"): ("L >=", lambda v: mp.expm1(v.K) * v.B / v.eps),
    (START, "explicit", "then deviation"): ("D_z <=", lambda v: v.eps),
    (START, "explicit", "where G"): ("G =", lambda v: mp.expm1(v.K) / v.K),
    (ANEW, "explicit", "if width"): (
        "m >=",
        lambda v: mp.expm1(2 * v.K) / (2 * v.K) * (v.B / v.eps) ** 2 / v.L / v.delta,
    ),
    (ANEW, "explicit", "then deviation"): ("D_a <=", lambda v: v.eps),
}

PROBLEM = Problem(np.eye(2), np.ones(2), delta=0.1)


def ends(draw: np.random.Generator, X: np.ndarray, M: int, L: int, *, anew: bool) -> np.ndarray:
    """The last states of f = a tanh(W z + b), the joint norm of (W, b) below 1 and |a| <= 1: K = 1, B = sqrt(2)."""
    z = X
    for layer in range(L):
        if anew or layer == 0:
            a, V = draw.uniform(-1, 1, size=M), draw.normal(size=(M, 2, 3))
            W = V / np.sqrt(1 + np.square(V).sum(axis=(1, 2)))[:, None, None]
        moves = np.tanh(np.einsum("mij,nj->nmi", W[:, :, :2], z) + W[:, :, 2])
        z = z + np.einsum("nmi,m->ni", moves, a) / (M * L)
    return z


@pytest.mark.parametrize(("anew", "identifier"), [(False, "ding2022-start"), (True, "ding2022-independent-layers")])
def test_networks_keep_the_deviation(anew: bool, identifier: str) -> None:
    """a is symmetric, so the limit is Z = x. The mean square stays below delta eps^2 at the width that is asked for."""
    draw, L, eps = np.random.default_rng(0), 16, 0.5
    X = np.stack([np.linspace(-1, 1, 5), np.zeros(5)], axis=1)
    given = {"K": 1, "B": math.sqrt(2), "eps": eps, **({"L": L} if anew else {})}
    width = theorem(identifier).width(PROBLEM, given=given).upper
    q = math.expm1(1), math.expm1(2)
    asked = 2 * q[1] / (2 * L * eps**2 * 0.1) if anew else 8 * q[0] ** 2 / (eps**2 * 0.1)
    assert math.isclose(width, asked, rel_tol=1e-12)
    M = 32
    found = [np.mean(np.square(ends(draw, X, M, L, anew=anew) - X).sum(axis=1)) for _ in range(100)]
    allowed = (q[1] if anew else 2 * q[0] ** 2) / (L * M if anew else M)
    assert allowed / 300 < np.mean(found) < allowed


def test_depth_averages_layers_drawn_anew_and_not_tied_ones() -> None:
    """Four times the layers: half the deviation if each is drawn for itself, the same if all are one."""
    X = np.array([[0.5, 0.0], [-1.0, 0.0]])

    def deviation(L: int, anew: bool) -> float:
        draw = np.random.default_rng(1)
        return math.sqrt(np.mean([np.square(ends(draw, X, 8, L, anew=anew) - X).sum() for _ in range(400)]))

    assert 1.8 < deviation(8, True) / deviation(32, True) < 2.2
    assert 0.9 < deviation(8, False) / deviation(32, False) < 1.1


def test_measured_constants_give_a_width_and_a_depth() -> None:
    """rms |E_M - E| sqrt(M) = 0.085 and |E_L - E| L = 0.0023: M = 8 0.085^2 / (0.01^2 0.1) = 5780, L = 0.46."""
    limit = theorem("ding2022-limit")
    given = {"V": 0.085**2, "D": 0.0023, "eps": 0.01}
    assert math.isclose(limit.width(PROBLEM, given=given).upper, 5780, rel_tol=1e-12)
    at = limit.check(PROBLEM, width=5781, given={**given, "L": 1, "V_M": 1e-7, "D_L": 0.002})
    assert all(verdict.holds for _, verdict in at.conditions)
    printed = limit.check(PROBLEM, width=10**9, given={"eps": 0.01, "L": 100}, edition="printed")
    assert not any(verdict.holds for _, verdict in printed.conditions), "hidden constants and hypotheses decide nothing"
