"""Ding, Chen, Li and Wright (2022): formulas typed again, and the law of the moments held against a particle flow."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import NoNumber
from bounds.papers import ding2022 as paper

mp = mpmath.mp

LIMIT, FULL, NETWORK = "Theorem 6", "Theorem 7", "Theorems 6 and 7 together"

RETYPED = {
    ("Moments", "explicit", "then second moment"): ("M_s <=", lambda v: mp.exp(v.s) * v.M_0 + mp.exp(v.s) * v.E_0),
    (LIMIT, "printed", "if width"): ("m >", lambda v: v.C / v.delta / v.eps**2),
    (LIMIT, "printed", "if layers"): ("L >", lambda v: v.C / v.eps),
    (LIMIT, "printed", "then distance"): ("D_E <=", lambda v: v.eps),
    (FULL, "*", "then zero loss"): ("E_rho <=", lambda v: 0),
    (NETWORK, "printed", "if time"): ("s >", lambda v: v.open_C_0_eps),
    (NETWORK, "printed", "if width"): ("m >", lambda v: v.open_C_s / v.delta / v.eps**2),
    (NETWORK, "printed", "if layers"): ("L >", lambda v: v.open_C_s / v.eps),
    ("Abstract of the first version", "printed", "if width"): ("m >=", lambda v: v.open_M_0_eps_delta),
    ("Abstract of the first version", "printed", "if layers"): ("L >=", lambda v: v.open_L_0_eps_delta),
    ("*", "*", "then loss"): ("E_s <=", lambda v: v.eps),
    ("Abstract of the first version", "counterexample", "left"): ("=", lambda v: 2),
    ("Abstract of the first version", "counterexample", "right"): ("=", lambda v: 1),
}

CROSSED = Problem(np.array([[-1.0], [1.0]]), np.array([1.0, -1.0]), delta=0.1)


def test_fading_regularisation_bounds_the_moments() -> None:
    """Small steps of the particle flow: the cost falls in every one, and the second moment keeps its bound.

    f = a tanh(w z) in L layers of M branches, gradients by the adjoint, times M L; labels sin(3 x) at five inputs.
    """
    draw, M, L, h = np.random.default_rng(0), 12, 6, 0.01
    x = np.linspace(-1, 1, 5)
    y = np.sin(3 * x)
    a, w = np.repeat(draw.normal(size=(2, 1, M)), L, axis=1)

    def states() -> list[np.ndarray]:
        z = [x]
        for l_a, l_w in zip(a, w, strict=True):
            z.append(z[-1] + np.tanh(np.outer(z[-1], l_w)) @ l_a / (M * L))
        return z

    def loss() -> float:
        return float(np.mean((states()[-1] - y) ** 2) / 2)

    def second_moment() -> float:
        return float((a**2 + w**2).mean())

    start = {"E_0": loss(), "M_0": second_moment()}
    cost = start["E_0"] + start["M_0"]
    for step in range(200):
        z, fading = states(), math.exp(-step * h)
        p = z[-1] - y
        slopes = [np.empty(0)] * L
        for at in reversed(range(L)):
            inner = np.tanh(np.outer(z[at], w[at]))
            bent = (1 - inner**2) * a[at]
            slopes[at] = np.stack([p @ inner, (p * z[at]) @ bent]) / len(x)
            p = p * (1 + (bent @ w[at]) / (M * L))
        of_a, of_w = np.stack(slopes, axis=1)
        a, w = a - h * (of_a + 2 * fading * a), w - h * (of_w + 2 * fading * w)
        before, cost = cost, loss() + math.exp(-(step + 1) * h) * second_moment()
        assert cost < before
    at = paper.moments.check(CROSSED, given={"s": 200 * h, **start})
    bound = at.promised(at.edition.promises[0])
    assert math.isclose(bound.upper, math.exp(2) * (start["E_0"] + start["M_0"]), rel_tol=1e-12)
    assert second_moment() < bound.lower


def test_nothing_is_decided_but_labels_on_a_line() -> None:
    bent = Problem(np.array([[-1.0], [1.0], [2.0]]), np.array([0.0, 1.0, 0.0]))
    at = theorem("ding2022-full-support").check(bent, edition="corrected")
    assert {c.name for c, verdict in at.conditions if not verdict.undecided} == {"labels that a flow attains"}
    assert theorem("ding2022-full-support").check(bent, edition="printed").verdict.undecided


def test_width_rests_on_a_hidden_constant_or_is_refused() -> None:
    given = {"eps": 0.1}
    width = theorem("ding2022-regularised-limit").width(CROSSED, "printed", given=given)
    assert width.assumption and math.isclose(width.upper, 1000, rel_tol=1e-9)
    with pytest.raises(NoNumber, match="does not specify"):
        theorem("ding2022-regularised-network").width(CROSSED, "printed", given=given)
