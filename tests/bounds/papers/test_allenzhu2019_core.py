"""Allen-Zhu, Li and Song (2019), deterministic core: formulas typed again, and descent held against them."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem

mp = mpmath.mp
CORE, SYMBOLIC = "Deterministic core", "Theorem 1 from constants of Theorems 3 and 4"
RANGES = {"mu": (4, 9), "eta": (0.001, 0.01), "A": (0.1, 0.4), "rho": (0.2, 0.9)}


def _slack(v):
    return 2 * v.mu - v.G * (v.A + v.eta * v.H * v.G / 2)


def _travel(v):
    return mp.sqrt(2) * v.G * v.e_0 / v.mu


def _rest(v):
    return mp.sqrt(2) * v.G * v.e_0 / v.r


RETYPED = {
    ("*", "*", "if inputs apart"): ("rho >", lambda v: 0),
    (CORE, "explicit", "if first-order error"): ("A <=", lambda v: v.mu / v.G / 2),
    (CORE, "explicit", "if step size"): ("eta <=", lambda v: v.mu / v.G**2 / v.H),
    (CORE, "explicit", "if ball"): ("omega >", _travel),
    (CORE, "explicit", "if floor below the start"): ("eps <=", lambda v: v.e_0 * v.e_0 / 2),
    (CORE, "explicit", "then travel"): ("W_F <=", _travel),
    (CORE, "explicit", "then steps"): (
        "T_eps <=",
        lambda v: 1 + (2 * mp.log(v.e_0) - mp.log(2 * v.eps)) / (v.mu * v.eta),
    ),
    (CORE, "explicit", "then convergence"): ("e_k**2 <=", lambda v: v.e_0**2 * (1 - v.mu * v.eta) ** v.k),
    (CORE, "improved", "if first-order error"): ("A <", lambda v: 2 / v.G * v.mu),
    (CORE, "improved", "if step size"): ("eta <", lambda v: (4 * v.mu - 2 * v.A * v.G) / (v.G * v.G * v.H)),
    (CORE, "improved", "if ball"): ("omega >", _rest),
    (CORE, "improved", "then travel"): ("W_F <=", _rest),
    (CORE, "improved", "then convergence"): ("e_k**2 <=", lambda v: v.e_0**2 * (1 - v.r * v.eta) ** v.k),
    (CORE, "improved", "where r"): ("r =", _slack),
    (SYMBOLIC, "explicit", "if width"): (
        "m >",
        lambda v: (
            2**15
            * (v.C_A**3 * v.C_G**2 * v.e_0) ** 2
            * v.d
            * v.L**12
            * v.n**23
            * mp.log(v.m) ** 3
            / (v.c_P * v.rho) ** 8
        ),
    ),
    (SYMBOLIC, "explicit", "if step size"): (
        "eta <=",
        lambda v: v.c_P / (4 * v.C_G * v.C_H) * v.d * v.rho / (v.n**4 * v.L**2 * v.m),
    ),
    (SYMBOLIC, "explicit", "then travel"): (
        "W_F <=",
        lambda v: mp.sqrt(8 * v.C_G * v.d * v.n**5 / v.m) * v.e_0 / (v.c_P * v.rho),
    ),
    (SYMBOLIC, "explicit", "then convergence"): ("e_k**2 <=", lambda v: v.e_0**2 * (1 - v.mu * v.eta) ** v.k),
    (SYMBOLIC, "explicit", "then steps"): (
        "T_e <=",
        lambda v: 2 * v.C_G * v.C_H * v.n**2 * (2 * v.L * v.n**2 / (v.c_P * v.rho)) ** 2,
    ),
    (SYMBOLIC, "explicit", "where A"): (
        "A =",
        lambda v: v.L * v.L * v.C_A * mp.cbrt(v.omega) * mp.sqrt(v.m * mp.log(v.m) * v.n / v.d),
    ),
    (SYMBOLIC, "explicit", "where mu"): ("mu =", lambda v: v.m / (2 * v.n * v.n) * v.rho * v.c_P / v.d),
    (SYMBOLIC, "explicit", "where G"): ("G =", lambda v: mp.sqrt(v.n / v.d * v.C_G * v.m)),
    (SYMBOLIC, "explicit", "where H"): ("H =", lambda v: v.m * v.n / v.d * v.C_H * 2 * v.L * v.L),
    (SYMBOLIC, "explicit", "where omega"): (
        "omega =",
        lambda v: (v.c_P * v.rho / (4 * v.C_A)) ** 3 / (v.C_G * mp.log(v.m)) ** 1.5 / (v.n**9 * v.L**6),
    ),
    (SYMBOLIC, "explicit", "event delta_3"): ("e_0 <=", lambda v: mp.sqrt((v.Y**2 + v.n) / v.delta_3)),
}


PROBLEM = Problem(np.eye(2), np.ones(2))


def outcomes(given, step, edition="explicit"):
    at = theorem("allenzhu2019-core").check(PROBLEM, step_size=step, edition=edition, given=given)
    return at, {condition.name: verdict.outcome.value for condition, verdict in at.conditions}


@pytest.mark.parametrize("edition", ["explicit", "improved"])
@pytest.mark.parametrize("seed", range(3))
def test_descent_on_a_loss_with_a_kink_keeps_travel_time_and_rate(seed: int, edition: str) -> None:
    """r(w) = J w - y + a max(w_1, 0) v: the kink costs A = sqrt(2) a |v| in (S), whose other constants are exact.

    The residual has slope J + s a v e_1^T with s in [0, 1], so mu, G and H come from the two ends and a crude bound.
    """
    draw = np.random.default_rng(seed)
    J, y = np.diag([1.0, 1.2, 1.1]), draw.normal(size=3)
    a, v = 0.02, np.array([0.0, 1.0, 0.0])
    low, high = 1.0 - a, 1.2 + a  # singular values of every slope lie between
    mu, G, A, H = low**2, math.sqrt(2) * high, math.sqrt(2) * a, high**2

    def residual(w):
        return J @ w - y + a * max(w[0], 0) * v

    def slope(w):
        return J + a * (w[0] >= 0) * np.outer(v, [1.0, 0, 0])

    w = start = draw.normal(size=3)
    e_0 = float(np.linalg.norm(residual(w)))
    given = {"mu": mu, "G": G, "A": A, "H": H, "e_0": e_0, "omega": 10.0 * e_0}
    given |= {"eps": 1e-4} if edition == "explicit" else {}
    statement = theorem("allenzhu2019-core")
    eta = mu / (H * G**2) * 0.999 if edition == "explicit" else 2 * (2 * mu - A * G) / (H * G**2) * 0.6
    at, found = outcomes(given, eta, edition)
    assert found.pop("P, G and S on the ball") == "undecided" and set(found.values()) == {"holds"}
    assert at.verdict.undecided, "measured numbers are no proof"
    factor = 1 - eta * mu if edition == "explicit" else 1 - eta * (2 * mu - A * G - eta * H * G**2 / 2)
    bound = at.promised(statement.edition(edition).promises[0]).lower
    first = None
    for step in range(60):
        loss = residual(w) @ residual(w) / 2
        assert 2 * loss <= factor**step * e_0**2 * (1 + 1e-9)
        assert np.linalg.norm(w - start) <= bound
        if first is None and loss <= 1e-4:
            first = step
        w = w - eta * slope(w).T @ residual(w)
    if edition == "explicit":
        assert first is not None and first <= at.promised(at.edition.promises[1]).lower


def test_each_measured_number_can_break_its_condition() -> None:
    good = {"mu": 1.0, "G": 1.5, "A": 0.25, "H": 1.2, "e_0": 1.0, "omega": 2.2, "eps": 0.01}
    _, found = outcomes(good, 0.37)
    assert [found[c] for c in ("first-order error", "step size", "ball")] == ["holds"] * 3
    for change, broken in (({"A": 0.34}, "first-order error"), ({"H": 1.21}, "step size"), ({"omega": 2.1}, "ball")):
        assert outcomes({**good, **change}, 0.37)[1][broken] == "fails"


def test_width_from_constants_is_the_least_solution() -> None:
    """n = d = 2, separation sqrt 2, L = 2 and all constants 1: m = 2^15 2^36 e_0^2 log(m)^3 / 16."""
    ones = dict.fromkeys(("c_P", "C_G", "C_A", "C_H"), 1)
    found = theorem("allenzhu2019-gd-constants").width(PROBLEM, given=ones, initial_residual=3)
    with mpmath.workdps(30):
        prefactor = mpmath.mpf(2) ** 47 * 9
        m = mpmath.findroot(lambda u: u - mp.log(prefactor) - 3 * mp.log(u), 45)  # u = log m
        assert math.isclose(found.lower, float(mp.exp(m)), rel_tol=1e-9)
    random = theorem("allenzhu2019-gd-constants").width(PROBLEM, given=ones)
    assert random.lower > found.upper, "Markov: e_0^2 <= (2 + 2) / 0.1 = 40"


def test_what_the_constants_say_together() -> None:
    """At the required width and largest step, the core's own conditions hold with the numbers put in."""
    n, d, depth, rho = 2, 2, 2, math.sqrt(2)
    c_P, C_G, C_A, C_H, e_0 = 0.5, 1.25, 0.75, 1.5, 2.0
    given = {"c_P": c_P, "C_G": C_G, "C_A": C_A, "C_H": C_H}
    statement = theorem("allenzhu2019-gd-constants")
    m = int(statement.width(PROBLEM, given=given, initial_residual=e_0).upper * 1.001)
    mu, G = c_P * rho * m / (2 * d * n**2), math.sqrt(C_G * n * m / d)
    H = 2 * C_H * n * depth**2 * m / d
    for share, outcome in ((1 - 1e-9, "holds"), (1 + 1e-9, "fails")):
        at = statement.check(PROBLEM, width=m, step_size=share * mu / (H * G**2), given=given, initial_residual=e_0)
        assert {c.name: v.outcome.value for c, v in at.conditions}["step size"] == outcome
    omega = next(value for symbol, value in at.values.items() if str(symbol) == "omega").lower
    A = C_A * omega ** (1 / 3) * depth**2 * math.sqrt(m * n * math.log(m) / d)
    assert math.isclose(A * G, mu / 2, rel_tol=1e-9)
    assert math.isclose(math.sqrt(2) * G * e_0 / mu, omega, rel_tol=1e-3)
