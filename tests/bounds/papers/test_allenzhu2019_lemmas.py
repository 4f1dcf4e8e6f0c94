"""Allen-Zhu, Li and Song (2019), lemmas: formulas typed again, and random networks held against what is explicit."""

from __future__ import annotations

import math

import mpmath
import numpy as np

from bounds import Problem
from bounds.papers import allenzhu2019_lemmas as paper

mp = mpmath.mp


def third(v):
    return mp.cbrt(v.omega)


def rare(v):
    return mp.exp(-v.c_2 * v.L * v.m * third(v) ** 2)


def fall(exponent, count=lambda v: 1):
    return "=", lambda v: count(v) / mp.exp(v.c_2 * exponent(v))


def variance(v):
    """Chebyshev: what the mean square of a norm may exceed 1 by."""
    return v.delta * ((2 - v.eps) * v.eps) ** 2 / v.n / (1 + v.L)


COMMON = {
    ("*", "*", "if inputs apart"): ("rho >", lambda v: 0),
    ("*", "*", "if probability"): ("<=", lambda v: v.delta),
    ("*", "*", "if probability, left"): ("=", rare),
    ("*", "*", "if radius"): ("omega <=", lambda v: v.c / mp.log(v.m) ** 3 / mp.sqrt(v.L) ** 9),
}
"""What the lemmas share with Theorems 3 to 5."""

RETYPED = {
    **COMMON,
    ("*", "*", "then norm"): ("N_h <=", lambda v: v.eps),
    ("Lemma 7.1", "printed", "if probability, left"): fall(lambda v: v.m * v.eps**2 / v.L, lambda v: v.n * v.L),
    ("Lemma 7.1", "explicit", "if accuracy"): ("eps <", lambda v: 1),
    ("Lemma 7.1", "explicit", "if width"): ("m >=", lambda v: 5 / mp.expm1(mp.log1p(variance(v)) / (1 + v.L))),
    ("Lemma 7.3", "printed", "if width"): ("m >=", lambda v: v.C_m * v.L * v.n),
    ("Lemma 7.3", "printed", "if probability, left"): fall(lambda v: v.m / v.L / v.L),
    ("Lemma 7.3", "printed", "then product"): ("P_W <=", lambda v: v.C * mp.sqrt(v.L)),
    ("Lemma 7.3", "printed", "then sparse"): ("P_uv <=", lambda v: v.C_2 * mp.sqrt(v.s / v.m * mp.log(v.m))),
    ("Lemma 7.4", "printed", "if outputs"): ("d <=", lambda v: v.c / v.L * v.m / mp.log(v.m)),
    ("Lemma 7.4", "printed", "if probability, left"): fall(lambda v: v.m / v.L),
    ("Lemma 7.4", "printed", "then back"): ("B_2 <=", lambda v: v.C * mp.sqrt(v.m / v.d)),
    ("Lemma 7.4", "printed", "then sparse"): ("B_s <=", lambda v: v.C_2 * mp.sqrt(v.s / v.d * mp.log(v.m))),
    ("Lemma 7.5", "printed", "if separation"): ("rho <=", lambda v: v.c / v.L),
    ("Lemma 7.5", "printed", "if probability, left"): fall(lambda v: v.m * (v.rho**3) ** 2 / v.L),
    ("Lemma 7.5", "printed", "then beyond"): ("r_h >=", lambda v: v.rho / 2),
    ("Angle map", "explicit", "then angle"): (
        "theta_1 <=",
        lambda v: mp.acos(mp.cos(v.theta) + (mp.sin(v.theta) - v.theta * mp.cos(v.theta)) / mp.pi),
    ),
    ("Angle map", "explicit", "then below"): ("theta_1 <=", lambda v: v.theta),
    ("Lemma 8.2", "printed", "then flips"): ("F_0 <=", lambda v: v.C * v.L * v.m * third(v) ** 2),
    ("Lemma 8.2", "printed", "then features"): (
        "dh <=",
        lambda v: v.C_2 * v.omega * v.L**2 * mp.sqrt(v.L * mp.log(v.m)),
    ),
    ("Lemma 8.2", "explicit", "then flipped"): ("Q_s <=", lambda v: (v.h * v.omega) ** 2),
    ("Lemma 8.6", "printed", "if flips"): ("s <=", lambda v: v.c / v.L**3 * v.m / mp.log(v.m)),
    ("Lemma 8.6", "printed", "if radius"): ("omega <=", lambda v: v.c_2 / mp.sqrt(v.L) ** 3),
    ("Lemma 8.6", "printed", "then product"): ("P_W1 <=", lambda v: v.C * mp.sqrt(v.L)),
    ("Lemma 8.7", "printed", "then s flips"): (
        "dB <=",
        lambda v: v.C * mp.sqrt(v.L**3 / v.d * (v.m * v.omega**2 + v.s * mp.log(v.m))),
    ),
    ("Lemma 8.7", "printed", "then typical"): (
        "dB <=",
        lambda v: v.C_2 * third(v) * v.L**2 * mp.sqrt(v.m / v.d * mp.log(v.m)),
    ),
}
"""Every formula of the file a second time; see :mod:`tests.bounds.papers.retyped`."""


def features(X, depth, m, draw):
    """h_0, ..., h_L, and the activity of the last layer."""
    h, found = X, []
    for _ in range(depth + 1):
        g = h @ (draw.normal(size=(h.shape[1], m)) * math.sqrt(2 / m))
        h = np.maximum(g, 0)
        found.append(h)
    return found, (g >= 0).astype(float)


def test_norms_at_the_width_that_chebyshev_asks_for() -> None:
    """n = 2, L = 2, eps = 0.5, delta = 0.5: width 161 (5 / ((1 + 0.5 0.75^2 / 6)^(1/3) - 1) less a little)."""
    problem = Problem(np.array([[3.0, 4, 5], [4.0, 3, 5]]), np.ones(2), delta=0.5)
    edition = paper.forward.edition("explicit")
    asked = paper.forward.width(problem, given={"eps": 0.5})
    by_hand = 5 / ((1 + 0.5 * 0.75**2 / 6) ** (1 / 3) - 1)
    assert math.isclose(asked.lower, by_hand, rel_tol=1e-12) and edition.obligations
    draw, m, trials = np.random.default_rng(0), math.ceil(by_hand), 200
    off = [
        abs(np.array([np.linalg.norm(h, axis=1) for h in features(problem.unit_rows, 2, m, draw)[0]]) - 1).max()
        for _ in range(trials)
    ]
    assert np.mean(np.array(off) >= 0.5) <= 0.5
    squares = [np.linalg.norm(features(problem.unit_rows[:1], 2, 20, draw)[0][-1]) ** 2 for _ in range(6000)]
    assert math.isclose(np.var(squares), 1.25**3 - 1, rel_tol=0.2)
    assert math.isclose(np.mean(squares), 1, rel_tol=0.03)
