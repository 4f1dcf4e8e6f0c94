"""The width during training of residual networks: formulas typed again, and a small network held against them."""

from __future__ import annotations

import math

import mpmath
import numpy as np

from bounds import Problem, theorem
from bounds.papers._mean_field_resnet import depth

mp = mpmath.mp

RANGES = {"s": (0.2, 2), "eps": (0.1, 1)}
RETYPED = {
    ("Lemma F.1", "printed", "then states"): ("D_F <=", lambda v: v.C * (v.delta_F + v.mu_F)),
    ("Lemma F.1", "explicit", "then states"): ("D_F <=", lambda v: mp.exp(v.K) * (v.mu_F + v.delta_F * v.K_theta)),
    ("*", "*", "if width"): ("m >=", lambda v: v.V / v.delta / v.eps**2),
    ("Width during training", "explicit", "then distance"): ("D_M <=", lambda v: v.eps),
    ("Layers during training", "explicit", "then distance"): ("D_L <=", lambda v: v.eps),
    ("*", "*", "if layers"): ("L >=", lambda v: v.D / v.eps),
    ("*", "*", "where ell"): (
        "ell =",
        lambda v: (
            (v.ell_0 + v.B + v.K_theta * v.K / v.Lambda) * mp.exp(v.P * v.Lambda * v.s)
            - (v.B + v.K_theta * v.K / v.Lambda)
        ),
    ),
    ("*", "*", "where mu_z"): ("mu_z =", lambda v: v.K * v.B / 2 + v.K_theta / 2 * v.ell),
    ("*", "*", "where mu_p"): ("mu_p =", lambda v: v.K * v.K / 2 + v.Lambda / 2 * (v.ell + v.B)),
    ("*", "*", "where nu_L"): (
        "nu_L =",
        lambda v: v.K_theta * v.P * (v.K + v.E * v.mu_p) + v.E * v.mu_z * v.h,
    ),
    ("*", "*", "where N_L"): ("N_L =", lambda v: mp.expm1(v.s * v.a) * v.nu_L / v.a),
    ("*", "*", "where D"): ("D =", lambda v: v.g_1 * v.r * v.E * (v.mu_z + v.N_L * v.K_theta)),
    ("*", "*", "where E"): ("E =", lambda v: mp.exp(v.K)),
    ("*", "*", "where P"): ("P =", lambda v: v.r * v.g_1 * v.E),
    ("*", "*", "where c_1"): ("c_1 =", lambda v: v.Lambda * v.P + v.g_2 * v.r + v.g_1 * v.g_1),
    ("*", "*", "where h"): ("h =", lambda v: v.c_1 * v.E * v.K_theta + v.Lambda * v.P),
    ("*", "*", "where a"): ("a =", lambda v: v.Lambda * v.P + v.K_theta * v.E * (v.Lambda * v.P + v.h)),
    ("*", "*", "where nu"): ("nu =", lambda v: v.E * (v.h * v.B + v.K_theta * v.P * v.K)),
    ("*", "*", "where N"): ("N =", lambda v: mp.expm1(v.s * v.a) * v.nu / v.a),
    ("*", "*", "where V"): ("V =", lambda v: (v.g_1 * v.r * v.E) ** 2 * (v.B + v.N * v.K_theta) ** 2),
}

LAYERS, X, Y = 12, np.linspace(-1.0, 1.0, 5), 0.5 * np.sin(np.linspace(-1.0, 1.0, 5))
BOUNDS = {"B": 0.5, "K": 0.5, "K_theta": 0.5, "Lambda": 0.5, "g_1": 1.0, "g_2": 0.0}
"""Of f = 1/2 sin(alpha) sin(z + beta) and g(z) = z."""


def losses(alpha, beta, times, pace=0.05, layers=LAYERS):
    """The loss along the flow of the particles, which start equal in all layers, by small steps."""
    alpha, beta = (np.repeat(w[None], layers, axis=0) for w in (alpha, beta))
    found, time = [], 0.0
    for target in times:
        while True:
            z = [X]
            for layer in range(layers):
                z.append(
                    z[-1] + 0.5 * (np.sin(alpha[layer]) * np.sin(z[-1][:, None] + beta[layer])).mean(axis=1) / layers
                )
            if time >= target - 1e-9:
                found.append(np.mean((z[-1] - Y) ** 2) / 2)
                break
            p, steps = z[-1] - Y, []
            for layer in reversed(range(layers)):
                inner = z[layer][:, None] + beta[layer]
                steps.append(
                    (
                        (p[:, None] * 0.5 * np.cos(alpha[layer]) * np.sin(inner)).mean(axis=0),
                        (p[:, None] * 0.5 * np.sin(alpha[layer]) * np.cos(inner)).mean(axis=0),
                    )
                )
                p = p * (1 + 0.5 * (np.sin(alpha[layer]) * np.cos(inner)).mean(axis=1) / layers)
            for layer, (da, db) in enumerate(reversed(steps)):
                alpha[layer] -= pace * da
                beta[layer] -= pace * db
            time += pace
    return np.array(found)


def constant(s):
    """V by the formulas above, with r = 1: |z| <= 3/2 and |y| < 1/2 keep |z - y| below 2."""
    problem = Problem(np.eye(2), np.ones(2), delta=0.5)
    width = theorem("ding2022-trained").width(problem, given={**BOUNDS, "r": 2.0, "eps": 1.0, "s": s})
    return width.upper / 2


def test_small_networks_keep_within_the_constant():
    """M times the mean square of E_M - E over 60 draws, the limit from 4,000 particles; at the start within 1,000."""
    draw, times, M = np.random.default_rng(0), (0.0, 0.5), 16
    limit = losses(draw.uniform(0, 1, 4000), draw.uniform(0, 1, 4000), times)
    gaps = [losses(draw.uniform(0, 1, M), draw.uniform(0, 1, M), times) - limit for _ in range(60)]
    measured = M * np.mean(np.square(gaps), axis=0)
    assert constant(1e-12) / 1e4 < measured[0] < constant(1e-12)
    assert measured[1] < constant(0.5)


def asked_layers(s):
    t = theorem("ding2022-trained-layers")
    given = {**BOUNDS, "r": 2.0, "eps": 1.0, "s": s, "ell_0": 0}
    return t.limit(depth, Problem(np.eye(2), np.ones(2)), given=given).upper


def test_few_layers_keep_within_the_constant():
    """L times |E_L - E_96| of one start, equal in all layers, so that ell_0 = 0: of order 1, and at most D."""
    draw, times = np.random.default_rng(1), (0.0, 0.5)
    alpha, beta = draw.uniform(0, 1, 8), draw.uniform(0, 1, 8)
    limit = losses(alpha, beta, times, layers=96)
    gaps = [layers * abs(losses(alpha, beta, times, layers=layers) - limit) for layers in (3, 6, 12)]
    for at, s in enumerate((1e-12, 0.5)):
        found = [gap[at] for gap in gaps]
        assert max(found) < asked_layers(s) and max(found) < 1.5 * min(found)
    assert math.isclose(asked_layers(1e-12), math.exp(0.5) / 4, rel_tol=1e-9)  # 2 e^(1/2) (1/4) / 2


def test_the_start_by_hand():
    """At s = 0, V = (r g_1 e^K B)^2 = (2 e^(1/2) / 2)^2 = e."""
    assert math.isclose(constant(1e-12), math.e, rel_tol=1e-9)
