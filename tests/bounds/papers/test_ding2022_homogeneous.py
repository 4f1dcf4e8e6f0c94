"""Ding, Chen, Li and Wright, global convergence: formulas typed again, and the labels that it cannot fit."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import NoNumber

mp = mpmath.mp

TWO, ONE, NETWORK, EXAMPLE = "Theorem 6.1", "Theorem 6.2", "Theorem 3.1", "Remark H.1"

RETYPED = {
    ("Lemmas H.2 and H.3", "printed", "then velocity near the origin"): ("v_theta <=", lambda v: v.theta * v.C),
    ("Lemma H.1", "printed", "then adjoint"): ("P_t >=", lambda v: v.E_s * v.open_Q_M_2),
    ("Lemma H.1", "explicit", "then adjoint at time 1"): ("P_1 >=", lambda v: 2 * v.E_s * v.g_1**2),
    ("*", "*", "then zero loss"): ("E_rho <=", lambda v: 0),
    ("Labels on a line", "explicit", "if layers"): ("L >", lambda v: v.K),
    ("Labels on a line", "explicit", "then floor"): ("E_s >=", lambda v: v.E_floor),
    (EXAMPLE, "printed", "then universality"): ("U <=", lambda v: v.eps),
    (EXAMPLE, "counterexample", "left"): ("=", lambda v: 1),
    (EXAMPLE, "counterexample", "right"): ("=", lambda v: 0.5),
    (TWO, "counterexample", "left"): ("=", lambda v: 2 / 3),
    (TWO, "counterexample", "right"): ("=", lambda v: 0.5),
    ("Abstract", "counterexample", "left"): ("=", lambda v: 0.5),
    ("Abstract", "counterexample", "right"): ("=", lambda v: 0.25),
    (NETWORK, "printed", "if time"): ("s >", lambda v: v.open_C_0_eps),
    (NETWORK, "printed", "if width"): ("m >", lambda v: v.open_C_s / v.delta / v.eps**2),
    (NETWORK, "printed", "if layers"): ("L >", lambda v: v.open_C_s / v.eps),
    ("Abstract", "printed", "if width"): ("m >=", lambda v: v.open_poly_M_1_eps_1_delta),
    ("Abstract", "printed", "if layers"): ("L >=", lambda v: v.open_poly_L_1_eps_1_delta),
    ("*", "*", "then loss"): ("E_s <=", lambda v: v.eps),
}

X = np.array([[-1.0], [1.0]])
THEOREMS = ["ding2022-two-homogeneous", "ding2022-partially-homogeneous"]


@pytest.mark.parametrize("identifier", THEOREMS)
def test_labels_out_of_reach_are_told(identifier: str) -> None:
    """Three labels that go up and down are no function of a flow map; nothing else is decided."""
    bent = Problem(np.array([[-1.0], [1.0], [2.0]]), np.array([0.0, 1.0, 0.0]))
    at = theorem(identifier).check(bent, edition="corrected")
    assert {c.name for c, verdict in at.conditions if verdict.fails} == {"labels that a flow attains"}
    straight = theorem(identifier).check(Problem(X, np.array([1.0, -1.0])), edition="corrected")
    assert {c.name for c, verdict in straight.conditions if verdict.holds} == {"labels that a flow attains"}
    assert straight.verdict.undecided, "the convergence that is assumed is never decided"


def test_no_width_where_the_time_is_unknown() -> None:
    with pytest.raises(NoNumber, match=r"does not specify C\(s\)"):
        theorem("ding2022-network").width(Problem(X, X[:, 0]), "printed", given={"eps": 0.1})


@pytest.mark.parametrize("seed", range(5))
def test_networks_on_a_line_keep_the_floor(seed: int) -> None:
    """Random layers a tanh(w z + b) whose mean |a w| is below L, on crossed and on random labels."""
    draw = np.random.default_rng(seed)
    line = draw.normal(size=(6, 1))
    for data in (Problem(X, -X[:, 0]), Problem(line, draw.normal(size=6))):
        z, L, K = data.X[:, 0].copy(), 8, 0.0
        for _ in range(L):
            a, w, b = draw.normal(size=(3, 16)) * 2
            z += (a * np.tanh(np.outer(z, w) + b)).mean(axis=1) / L
            K = max(K, float(np.abs(a * w).mean()))
        at = theorem("ding2022-obstruction").check(data, given={"L": L, "K": K})
        assert dict((c.name, v.holds) for c, v in at.conditions)["layers"]
        assert np.mean((z - data.y) ** 2) / 2 > at.promised(at.edition.promises[0]).upper > 0


def test_crossed_labels_have_floor_one_half_and_a_plane_has_none() -> None:
    statement = theorem("ding2022-obstruction")
    for data, floor in ((Problem(X, -X[:, 0]), 0.5), (Problem(np.hstack([X, X]), -X[:, 0]), 0.0)):
        at = statement.check(data)
        assert at.promised(at.edition.promises[0]).upper == floor


def test_signed_example_reaches_negative_functions_and_the_printed_one_does_not() -> None:
    draw = np.random.default_rng(0)
    x, theta = np.linspace(-1, 1, 9), draw.normal(size=(1000, 4))
    term = np.maximum(np.outer(theta[:, 0], x) + theta[:, 1:2], 0) ** 2 * np.exp(-(x**2))
    other = np.maximum(np.outer(theta[:, 2], x) + theta[:, 3:], 0) ** 2 * np.exp(-(x**2))
    assert term.min() >= 0
    weights, *_ = np.linalg.lstsq((term - other).T, -np.ones(9), rcond=None)
    assert np.abs(weights @ (term - other) + 1).max() < 1e-9


def test_quadratic_branches_are_spanned_by_their_moments() -> None:
    """min_c max(|1 - c|, 2 c) over a fine grid is 2/3."""
    c = np.linspace(0, 1, 3001)
    assert np.maximum(np.abs(1 - c), 2 * c).min() == pytest.approx(2 / 3, abs=1e-12)
