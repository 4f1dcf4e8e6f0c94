"""Residual networks of Du et al. (2019): formulas typed twice, small networks, the false lemma on them."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import compare
from bounds.papers import du2019_deep_resnet as paper
from bounds.settings import ResNet
from tests.bounds.papers.deep_networks import Network, constants, measured, perturbation, start
from tests.bounds.papers.test_du2019_deep_fc import COMMON, TRAINED, gaussian_deviation
from tests.bounds.papers.test_du2019_deep_fc_start import geometric_sum
from tests.bounds.papers.test_du2019_deep_resnet_start import MOMENT, features, largest

mp = mpmath.mp


def _exponential(v):
    return mp.exp(2 * v.c_res * v.L * v.c_w)


def _width(travel, shallow, deviation):
    def width(v):
        last = mp.log(v.H * v.n / v.delta)
        return v.C * max(
            v.n**4 * deviation(v) / (v.lambda_0**4 * v.H**travel),
            v.n**2 * deviation(v) / (v.lambda_0**2 * v.H**shallow),
            v.n / v.delta,
            v.n**2 * last / v.lambda_0**2,
        )

    return width


def _printed_block(v):
    return v.c_res * v.c_x * v.a_2 * v.L * _exponential(v) / v.H


def _first(v):
    return v.v * 2 * v.a_2 * v.T


def _hidden(v):
    return v.kappa * v.L * (2 * v.a_2) * v.T * (2 * v.c_x)


def residual(appendix, theorem):
    """What residual networks and convolutional ones share: in their appendix, C or D, and in their main theorem."""
    stable, stays = f"Lemma {appendix}.4", f"Lemma {appendix}.5"
    return {
        ("*", "*", "where c_d"): ("c_d =", lambda v: v.T * (v.v + v.c_x / v.c_w)),
        ("*", "*", "then feature drift"): ("D_k <=", lambda v: v.c_d * v.R),
        ("*", "*", "where J"): ("J =", lambda v: max(_first(v), _hidden(v), 2 * v.c_x)),
        (f"Lemma {appendix}.3", "printed", "if radius"): ("R <=", lambda v: v.c_w),
        (stable, "printed", "then Gram drift"): ("G_k <=", lambda v: v.lambda_0 / 2),
        (stable, "explicit", "if radius"): ("R <=", lambda v: v.c_w),
        (stable, "explicit", "if radius against the output weights"): ("R <=", lambda v: v.a_2),
        (stable, "explicit", "if radius against the features, left"): ("=", lambda v: v.c_d * v.R),
        (stable, "explicit", "if radius against the features"): ("<=", lambda v: v.c_x),
        (stable, "explicit", "then Gram drift"): ("G_k <=", lambda v: v.n * v.R * v.K),
        (stays, "corrected", "then travel"): (
            "B_k <=",
            lambda v: 4 * v.J * mp.sqrt(v.n) * v.e_0 / (v.lambda_0 * mp.sqrt(v.m)),
        ),
        (stays, "corrected", "then step of a layer"): (
            "S_k <=",
            lambda v: v.eta * v.J * mp.sqrt(v.n) * v.r_k,
        ),
        (stays, "counterexample", "left"): ("=", lambda v: mp.sqrt("2.5361754332174538") * mp.tanh(1)),
        (stays, "counterexample", "right"): (
            "=",
            lambda v: 4 * mp.mpf("0.1") * 1.25 * mp.exp("0.6") / 10,
        ),
        (theorem, "explicit", "radius"): (
            "R =",
            lambda v: min(v.c_w, v.a_2, v.c_x / v.c_d, v.lambda_0 / (4 * v.n * v.K)),
        ),
        (theorem, "explicit", "where Q"): (
            "Q =",
            lambda v: _first(v) ** 2 + (v.H - 1) * _hidden(v) ** 2 + (2 * v.c_x) ** 2,
        ),
        (theorem, "explicit", "where xi"): (
            "xi =",
            lambda v: v.T * mp.sqrt(v.v**2 + (v.H - 1) * (v.kappa * v.L * 2 * v.c_x) ** 2),
        ),
        (theorem, "explicit", "where omega"): (
            "omega =",
            lambda v: mp.sqrt((2 * v.c_w * v.xi) ** 2 + (2 * v.c_x) ** 2),
        ),
        (theorem, "improved", "then feature drift"): ("D_k <=", lambda v: v.D_H),
        (theorem, "improved", "where t"): ("t =", lambda v: 1 + v.kappa * v.L * (v.c_w + v.R)),
        (theorem, "improved", "where D_1"): (
            "D_1 =",
            lambda v: v.t ** (v.H - 2) * v.v * v.R + v.kappa * v.L * v.c_x * v.R * geometric_sum(v.t, v.H - 2),
        ),
        (theorem, "improved", "where D_H"): ("D_H =", lambda v: v.t * v.D_1 + v.kappa * v.L * v.c_x * v.R),
        (theorem, "improved", "where g_2"): ("g_2 =", lambda v: geometric_sum(v.t**2, v.H - 1)),
        (theorem, "improved", "where x"): ("x =", lambda v: v.c_x + v.D_H),
        (theorem, "improved", "where J"): (
            "J =",
            lambda v: max(v.v * v.A * v.t ** (v.H - 1), v.kappa * v.L * v.A * v.t ** (v.H - 2) * v.x, v.x),
        ),
        (theorem, "improved", "where Q"): (
            "Q =",
            lambda v: (v.v * v.A * v.t ** (v.H - 1)) ** 2 + v.g_2 * (v.kappa * v.L * v.A * v.x) ** 2 + v.x**2,
        ),
        (theorem, "improved", "where xi"): (
            "xi =",
            lambda v: mp.sqrt((v.v * v.t ** (v.H - 1)) ** 2 + v.g_2 * (v.kappa * v.L * v.x) ** 2),
        ),
        (theorem, "improved", "where omega"): (
            "omega =",
            lambda v: mp.sqrt(((v.c_w + v.R) * v.xi) ** 2 + v.x**2),
        ),
    }


RANGES = {
    "n": [2, 3, 5, 7, 4, 6],
    "H": [9, 2, 3, 5, 4, 7],
    "delta": [0.9, 0.2, 0.1, 0.4, 0.3, 0.6],
    "lambda_0": [2.2, 0.03, 40, 0.8, 300, 1.9],
    "R": (1e-9, 1e-7),
    "a_2": [0.05, 3, 0.5, 0.2, 9, 1],
    "c_w": [0.2, 0.5, 0.9, 2, 0.05, 1],
    "c_d": [0.3, 2, 9, 0.1, 1, 20],
    "c_x": [1, 1.5, 3],
    "K": [0.9, 0.01, 0.1],
    "T": (1, 2),
    "t": [1.1, 1.4, 1.9, 1.2],
    "v": [0.2, 1.5, 0.1],
    "kappa": [0.05, 0.4, 3],
    "x": [1, 2, 3, 0.2],
    "A": [0.3, 2, 0.7],
}
RETYPED = {
    **residual("C", "Theorem 6.1"),
    **MOMENT,
    **{key: entry for key, entry in COMMON.items() if key[0] == "*"},
    **{("Theorem 6.1", *key): entry for key, entry in TRAINED.items()},
    ("*", "*", "where kappa"): ("kappa =", lambda v: v.c_res / v.H),
    ("*", "*", "where T"): ("T =", _exponential),
    ("*", "*", "where K"): (
        "K =",
        lambda v: (
            v.kappa**2
            * (
                3 * v.c_x * v.c_d * v.L**2 * v.a_2**2
                + 2 * v.beta * v.L * v.c_x**2 * (2 * v.c_d * v.c_w + v.c_x) * v.a_4**2
                + 12 * v.L**2 * v.c_x**2 * v.a_2
            )
        ),
    ),
    # Appendix C
    ("Lemma C.4", "printed", "if radius"): ("R <=", lambda v: v.c * v.lambda_0 * v.H**2 / v.n),
    ("Lemma C.4", "printed", "if radius against the features"): ("R <=", lambda v: v.c),
    ("Lemma C.5", "printed", "then travel"): (
        "B_k <=",
        lambda v: 16 * _printed_block(v) * mp.sqrt(v.n) * v.e_0 / (v.lambda_0 * mp.sqrt(v.m)),
    ),
    ("Lemma C.5", "printed", "then step of a layer"): (
        "S_k <=",
        lambda v: v.eta * 4 * _printed_block(v) * mp.sqrt(v.n) * v.r_k,
    ),
    ("Lemma C.6", "printed", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 * v.H**2 / v.n**2),
    ("Lemma C.7", "printed", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 * v.H**2 / v.n**2),
    ("Lemma C.7", "corrected", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 / v.n**2),
    # Theorem 6.1
    ("Theorem 6.1", "printed", "if width"): ("m >=", _width(6, 2, lambda v: 1)),
    ("Theorem 6.1", "printed", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 * v.H**2 / v.n**2),
    ("Theorem 6.1", "corrected", "if width"): ("m >=", _width(4, 0, gaussian_deviation)),
    ("Theorem 6.1", "corrected", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 / v.n**2),
    ("Theorem 6.1", "explicit", "if initial features"): ("m >=", features),
    ("Theorem 6.1", "explicit", "event delta_x"): ("c_x <=", largest),
    ("Theorem 6.1", "explicit", "where b"): (
        "b =",
        lambda v: v.L + v.L * v.c_res * (2 * v.a_2) * (v.L + 2 * v.c_w * v.beta * v.omega),
    ),
    ("Theorem 6.1", "explicit", "where rho"): (
        "rho =",
        lambda v: mp.sqrt(
            v.T**2 * v.c_sigma * (v.beta * 2 * v.a_2 + v.b) ** 2
            + (v.H - 1)
            * v.T**2
            * v.kappa**2
            * (2 * v.c_x * (v.beta * v.omega * 2 * v.a_2 + v.b) + v.L * 2 * v.a_2 * v.xi) ** 2
            + v.xi**2
        ),
    ),
    ("Theorem 6.1", "improved", "where Gamma"): (
        "Gamma =",
        lambda v: (
            v.kappa**2
            * (
                v.L**2 * v.a_2**2 * v.D_1 * (v.c_x + v.x)
                + 2 * v.L * v.beta * v.c_x**2 * v.a_4**2 * ((v.c_w + v.R) * v.D_1 + v.R * v.c_x)
                + v.L**2 * v.x**2 * v.R * (2 * v.a_2 + v.R)
            )
        ),
    ),
    ("Theorem 6.1", "improved", "where b"): (
        "b =",
        lambda v: (
            v.L / mp.sqrt(v.m)
            + v.L * (v.H - 1) * v.kappa * v.A * (v.L / mp.sqrt(v.m) + (v.c_w + v.R) * v.beta * v.omega) / v.t
        ),
    ),
    ("Theorem 6.1", "improved", "where rho"): (
        "rho =",
        lambda v: mp.sqrt(
            v.c_sigma * (v.t ** (v.H - 1) * (v.beta * v.A + v.b)) ** 2
            + v.g_2 * (v.kappa * (v.x * (v.beta * v.omega * v.A + v.b) + v.L * v.A * v.xi / mp.sqrt(v.m))) ** 2
            + v.xi**2 / v.m
        ),
    ),
}
"""Every formula of the paper a second time; see :mod:`tests.bounds.papers.retyped`."""

DESCENT = theorem("du2019-deep-resnet")


@pytest.mark.parametrize("depth", [2, 4, 8])
@pytest.mark.parametrize("towards", ["random", "rank one", "gradient"])
def test_constants_bound_what_small_networks_do(depth, towards):
    rng = np.random.default_rng([depth, len(towards)])
    inputs = rng.standard_normal((3, 4))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    tight = []
    for _ in range(5):
        network = Network.draw(depth, 20, 4, rng, residual_scale=0.5)
        radius = float(rng.choice([1e-3, 0.05, 0.4]))
        number = constants(DESCENT, "improved", ResNet(depth), network, inputs, R=radius, eps=0.5)
        moved = network.moved(perturbation(network, radius, inputs, rng, towards=towards))
        seen = measured(network, moved, inputs)
        bounds = {
            "drift": number["D_H"],
            "q": number["J"],
            "Q": number["Q"],
            "rho": number["rho"],
            "Gram": len(inputs) * number["Gamma"],
        }
        ratios = {name: seen[name] / bounds[name] for name in bounds}
        assert max(ratios.values()) <= 1, ratios
        tight.append(max(ratios.values()))
    assert max(tight) > 0.1  # a bound that is never within a factor 10 would hide an error


@pytest.mark.parametrize("depth", [2, 4])
def test_the_explicit_constants_bound_them_too(depth):
    rng = np.random.default_rng(depth)
    inputs = np.eye(3)
    network = Network.draw(depth, 24, 3, rng, residual_scale=0.5)
    number = constants(DESCENT, "explicit", ResNet(depth), network, inputs)
    for towards in ("random", "rank one", "gradient"):
        moved = network.moved(perturbation(network, number["R"], inputs, rng, towards=towards))
        seen = measured(network, moved, inputs)
        assert seen["drift"] <= number["c_d"] * number["R"]
        assert seen["q"] <= number["J"] and seen["Q"] <= number["Q"] and seen["rho"] <= number["rho"]
        assert seen["Gram"] <= len(inputs) * number["R"] * number["K"]


def test_the_false_lemma_fails_on_drawn_networks_and_its_correction_holds():
    """H = 10, c_res = 1/10, width 400: the printed bound on a step is far below the gradient of the output weights."""
    rng = np.random.default_rng(0)
    inputs = np.eye(4)
    network = Network.draw(10, 400, 4, rng, residual_scale=0.1)
    blocks = [sum(parts) for parts in zip(*(network.gradient(x) for x in inputs), strict=True)]  # residual (1, 1, 1, 1)
    steps = [np.linalg.norm(block) for block in blocks]
    found = start(network, inputs)
    exponential = np.exp(0.2 * found["c_w"])
    printed = 4 * 0.1 * found["c_x"] * found["a_2"] * exponential * np.sqrt(4) * 2 / 10
    assert steps[-1] > 5 * printed and steps[0] > printed > 2 * max(steps[1:-1])
    setting = ResNet(10, residual_scale=Fraction(1, 10))
    number = constants(DESCENT, "explicit", setting, network, inputs)
    assert max(steps) <= number["J"] * np.sqrt(4) * 2


def test_widths_and_steps():
    problem = Problem(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([1.0, -1.0]))
    for depth, least in ((2, "0.002566760776"), (4, "0.000694328097")):
        setting = ResNet(depth)
        printed, corrected = (DESCENT.width(problem, edition, setting=setting) for edition in ("printed", "corrected"))
        lam, n, delta = mp.mpf(least), 2, mp.mpf("0.1")
        golden = max(n**4 / (lam**4 * depth**6), n**2 / (lam * depth) ** 2, n**2 * mp.log(depth * n / delta) / lam**2)
        assert printed.midpoint == pytest.approx(float(golden), rel=1e-8)
        assert "lower estimate" in printed.assumption and corrected.lower > printed.upper
        slower = DESCENT.step_size(problem, "corrected", setting=setting)
        assert slower.midpoint == pytest.approx(float(lam / n**2), rel=1e-8)
        assert DESCENT.width(problem, setting=setting).lower > 1e9


def test_the_counterexample_keeps_the_corrected_promise():
    error = paper.travel.errors[0]
    verdict = error.counterexample()
    assert verdict.fails
    q = 2 * max(np.sqrt(2.5361754332174538) * np.exp(0.6), 2 * 0.01 * np.exp(0.6) * 1.25, 1.25)
    assert compare(verdict.left, "<=", float(q)).holds
