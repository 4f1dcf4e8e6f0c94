"""Convolutional residual networks of Du et al. (2019): formulas typed twice, refusals, the false lemma."""

from __future__ import annotations

from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import NoNumber
from bounds.papers import du2019_deep_conv as paper
from bounds.papers import du2019_deep_resnet
from bounds.settings import ConvResNet, ResNet
from tests.bounds.papers.deep_networks import Network, constants, measured, perturbation, start
from tests.bounds.papers.test_du2019_deep_fc import COMMON, TRAINED, gaussian_deviation
from tests.bounds.papers.test_du2019_deep_resnet import RANGES as RESIDUAL_RANGES
from tests.bounds.papers.test_du2019_deep_resnet import residual

mp = mpmath.mp


def _width(*terms):
    def width(v):
        last = v.n**2 * mp.log(v.H * v.n / v.delta) / v.lambda_0**2
        return v.C * v.open_poly_p * max(*(term(v) for term in terms), v.n / v.delta, last)

    return width


def _backward(v):
    return v.c_res * v.c_x * v.a_2 * v.L * mp.sqrt(v.p * v.q) * mp.exp(2 * v.c_res * v.c_w * v.L * mp.sqrt(v.q)) / v.H


def _printed_step(v):
    return v.c * v.lambda_0 * v.H**2 / (v.n**2 * v.open_poly_p)


def _corrected_step(v):
    return v.c * v.lambda_0 / (v.n**2 * v.open_poly_p)


def _root(v):
    return mp.sqrt(v.q)


def _largest(v):
    image = mp.sqrt(v.p) * v.sigma_at_0
    first = mp.sqrt(v.c_sigma) * (image + 1.5 * v.L * _root(v))
    return mp.exp(v.c_res * v.L * _root(v) * v.c_w) * (first + v.c_res * image)


MOMENT = ("*", "*", "if fourth moment of the output weights")
EVENTS = {("*", "*", f"event delta_{share}") for share in "waq"}
RANGES = {
    **RESIDUAL_RANGES,
    **{"q": [3, 1, 5, 9, 7, 3], "p": [4, 6, 1, 3, 9, 12], "c_p": [0.1, 3, 0.5, 9, 1, 20]},
}
RETYPED = {
    **residual("D", "Theorem 7.1"),
    **{key: entry for key, entry in COMMON.items() if key != MOMENT and key not in EVENTS},
    **{("Theorem 7.1", *key): entry for key, entry in TRAINED.items()},
    ("*", "*", "where p"): ("p =", lambda v: v.d / v.d_0),
    ("*", "*", "where v"): ("v =", lambda v: _root(v) * mp.sqrt(v.c_sigma) * v.L),
    ("*", "*", "where kappa"): ("kappa =", lambda v: _root(v) * v.c_res / v.H),
    ("*", "*", "where T"): ("T =", lambda v: mp.exp(2 * v.c_res * _root(v) * v.L * v.c_w)),
    ("*", "*", "where K"): (
        "K =",
        lambda v: (
            v.kappa**2
            * (
                3 * v.c_x * v.c_d * v.L**2 * v.a_2**2
                + 2 * _root(v) * v.beta * v.L * v.c_x**2 * (2 * v.c_d * v.c_w + v.c_x) * v.a_4**2
                + 12 * v.L**2 * v.c_x**2 * v.a_2
            )
        ),
    ),
    ("*", "*", "then least eigenvalue of the initial matrix"): ("lambda_H0 >=", lambda v: 0.75 * v.lambda_0),
    ("Lemma D.1", "corrected", "if initial features"): ("m >=", lambda v: 8 * mp.log(v.n / v.delta_x)),
    ("Lemma D.1", "corrected", "then largest feature"): ("x_0 <=", _largest),
    ("Lemma D.1", "printed", "if width"): ("m >=", lambda v: v.C * v.p**2 * v.n / (v.c_p**2 * v.delta)),
    ("Lemma D.1", "printed", "then largest feature"): (
        "x_0 <=",
        lambda v: (
            max(mp.sqrt(v.q * v.L**2 * v.c_sigma * v.c_w**2), mp.sqrt(2 * v.c_p / v.c_sigma))
            * mp.exp(mp.sqrt(v.q) * v.c_res * v.c_w * v.L)
        ),
    ),
    ("Lemma D.2", "printed", "if width"): (
        "m >=",
        lambda v: v.C * v.n**2 * v.p**2 * mp.log(v.H * v.n / v.delta) / v.lambda_0**2,
    ),
    ("Lemma D.4", "printed", "if radius"): ("R <=", lambda v: v.c * v.lambda_0 * v.H**2 / (v.n * v.open_poly_p)),
    ("Lemma D.5", "printed", "then travel"): (
        "B_k <=",
        lambda v: 16 * _backward(v) * mp.sqrt(v.n) * v.e_0 / (v.lambda_0 * mp.sqrt(v.m)),
    ),
    ("Lemma D.5", "printed", "then step of a layer"): (
        "S_k <=",
        lambda v: v.eta * 4 * _backward(v) * mp.sqrt(v.n) * v.r_k,
    ),
    ("Lemma D.6", "printed", "if step size"): ("eta <=", _printed_step),
    ("Lemma D.7", "printed", "if step size"): ("eta <=", _printed_step),
    ("Lemma D.7", "corrected", "if step size"): ("eta <=", _corrected_step),
    ("Theorem 7.1", "printed", "if width"): (
        "m >=",
        _width(lambda v: v.n**4 / (v.lambda_0**4 * v.H**6), lambda v: v.n**4 / (v.lambda_0**4 * v.H**2)),
    ),
    ("Theorem 7.1", "printed", "if step size"): ("eta <=", _printed_step),
    ("Theorem 7.1", "corrected", "if width"): (
        "m >=",
        _width(
            lambda v: v.n**4 * gaussian_deviation(v) / (v.lambda_0**4 * v.H**4),
            lambda v: v.n**2 * gaussian_deviation(v) / v.lambda_0**2,
        ),
    ),
    ("Theorem 7.1", "corrected", "if step size"): ("eta <=", _corrected_step),
    ("Theorem 7.1", "explicit", "if initial features"): ("m >=", lambda v: 8 * mp.log(v.n / v.delta_x)),
    ("Theorem 7.1", "explicit", "if fourth moment of the output weights"): (
        "m >=",
        lambda v: 72 * (v.p + 3) / (v.p * (v.p + 2) * v.delta_q),
    ),
    ("Theorem 7.1", "explicit", "event delta_w"): ("c_w <=", lambda v: 1.5 + _root(v)),
    ("Theorem 7.1", "explicit", "event delta_a"): ("a_2 <=", lambda v: 0.5 + mp.sqrt(v.p)),
    ("Theorem 7.1", "explicit", "event delta_q"): ("a_4 <=", lambda v: (v.p * (v.p + 2) * 4 / mp.mpf(3)) ** 0.25),
    ("Theorem 7.1", "explicit", "event delta_x"): ("c_x <=", _largest),
    ("Theorem 7.1", "explicit", "where b"): (
        "b =",
        lambda v: v.L + v.L * _root(v) * v.c_res * (2 * v.a_2) * (v.L + 2 * v.c_w * _root(v) * v.beta * v.omega),
    ),
    ("Theorem 7.1", "explicit", "where rho"): (
        "rho =",
        lambda v: mp.sqrt(
            v.T**2 * v.q * v.c_sigma * (_root(v) * v.beta * 2 * v.a_2 + v.b) ** 2
            + (v.H - 1)
            * v.T**2
            * v.kappa**2
            * (2 * v.c_x * (_root(v) * v.beta * v.omega * 2 * v.a_2 + v.b) + v.L * 2 * v.a_2 * v.xi) ** 2
            + v.xi**2
        ),
    ),
    ("Theorem 7.1", "improved", "where Gamma"): (
        "Gamma =",
        lambda v: (
            v.kappa**2
            * (
                v.L**2 * v.a_2**2 * v.D_1 * (v.c_x + v.x)
                + 2 * v.L * _root(v) * v.beta * v.c_x**2 * v.a_4**2 * ((v.c_w + v.R) * v.D_1 + v.R * v.c_x)
                + v.L**2 * v.x**2 * v.R * (2 * v.a_2 + v.R)
            )
        ),
    ),
    ("Theorem 7.1", "improved", "where b"): (
        "b =",
        lambda v: (
            v.L / mp.sqrt(v.m)
            + v.L * (v.H - 1) * v.kappa * v.A * (v.L / mp.sqrt(v.m) + (v.c_w + v.R) * _root(v) * v.beta * v.omega) / v.t
        ),
    ),
    ("Theorem 7.1", "improved", "where rho"): (
        "rho =",
        lambda v: mp.sqrt(
            v.q * v.c_sigma * (v.t ** (v.H - 1) * (_root(v) * v.beta * v.A + v.b)) ** 2
            + v.g_2
            * (v.kappa * (v.x * (_root(v) * v.beta * v.omega * v.A + v.b) + v.L * v.A * v.xi / mp.sqrt(v.m))) ** 2
            + v.xi**2 / v.m
        ),
    ),
}
"""Every formula of the paper a second time; see :mod:`tests.bounds.papers.retyped`."""

DESCENT = theorem("du2019-deep-conv")


def test_a_polynomial_of_the_pixels_is_refused():
    problem = Problem(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([1.0, -1.0]))
    for edition in ("printed", "corrected"):
        with pytest.raises(NoNumber, match=r"poly\(p\)"):
            DESCENT.width(problem, edition)
        answer = DESCENT.check(problem, width=10**9, step_size=1e-9, edition=edition, setting=ConvResNet(3))
        assert answer.verdict.undecided and "does not specify poly(p)" in str(answer)
        assert compared(answer, "positive least eigenvalue").holds


def compared(answer, name):
    return next(verdict for condition, verdict in answer.conditions if condition.name == name)


def test_one_pixel_is_a_residual_network():
    """The two counterexamples are one: at p = q = 1 both printed bounds agree."""
    here, there = paper.travel.errors[0].counterexample(), du2019_deep_resnet.travel.errors[0].counterexample()
    assert here.fails and there.fails
    assert here.left.ball.overlaps(there.left.ball) and here.right.ball.overlaps(there.right.ball)


def images(rng, channels, pixels):
    inputs = rng.standard_normal((3, channels * pixels))
    return inputs / np.linalg.norm(inputs, axis=1, keepdims=True)


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("towards", ["random", "rank one", "gradient"])
def test_constants_bound_what_small_networks_do(depth, towards):
    rng = np.random.default_rng([depth, len(towards)])
    tight = []
    for radius, channels, pixels, patch in ((1e-3, 1, 5, 3), (0.05, 2, 3, 3), (0.4, 2, 4, 5)):
        inputs = images(rng, channels, pixels)
        network = Network.draw(depth, 20, channels, rng, residual_scale=0.5, patch=patch, pixels=pixels)
        setting = ConvResNet(depth, channels=channels, patch=patch)
        number = constants(DESCENT, "improved", setting, network, inputs, R=radius, eps=0.5)
        moved = network.moved(perturbation(network, radius, inputs, rng, towards=towards))
        seen = measured(network, moved, inputs)
        bounds = {"drift": number["D_H"], "q": number["J"], "Q": number["Q"], "rho": number["rho"]}
        bounds["Gram"] = len(inputs) * number["Gamma"]
        ratios = {name: seen[name] / bounds[name] for name in bounds}
        assert max(ratios.values()) <= 1, ratios
        tight.append(max(ratios.values()))
    assert max(tight) > 0.1  # a bound that is never within a factor 10 would hide an error


def test_the_explicit_constants_bound_them_too_and_so_do_the_events():
    rng = np.random.default_rng(5)
    inputs = images(rng, 2, 4)
    network = Network.draw(3, 200, 2, rng, residual_scale=0.5, patch=3, pixels=4)
    setting = ConvResNet(3, channels=2, patch=3)
    number = constants(DESCENT, "explicit", setting, network, inputs)
    for towards in ("random", "rank one", "gradient"):
        moved = network.moved(perturbation(network, number["R"], inputs, rng, towards=towards))
        seen = measured(network, moved, inputs)
        assert seen["drift"] <= number["c_d"] * number["R"]
        assert seen["q"] <= number["J"] and seen["Q"] <= number["Q"] and seen["rho"] <= number["rho"]
        assert seen["Gram"] <= len(inputs) * number["R"] * number["K"]
    answer = DESCENT.check(Problem(inputs, np.ones(3)), width=200, setting=setting)
    by_events = {str(symbol): enclosure.upper for symbol, enclosure in answer.values.items()}
    found = start(network, inputs)
    assert all(found[name] <= by_events[name] < 2 * found[name] for name in ("c_w", "a_2", "a_4"))
    assert found["c_x"] <= by_events["c_x"]


def test_gradients_are_those_of_the_output():
    rng = np.random.default_rng(6)
    (x,) = images(rng, 2, 5)[:1]
    network = Network.draw(3, 6, 2, rng, residual_scale=0.5, patch=3, pixels=5)
    step = perturbation(network, 1e-6, [x], rng, towards="random")
    slope = sum(np.sum(g * s) for g, s in zip(network.gradient(x), step, strict=True))
    assert network.moved(step).output(x) - network.output(x) == pytest.approx(slope, rel=1e-4)


def test_patches_of_one_pixel_cost_nothing_and_larger_ones_do():
    """One image of one pixel per row, d_0 = 2: the residual network's numbers but for the way events are counted."""
    problem = Problem(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([1.0, -1.0]))
    found = {"c_w": 2, "c_x": 1.2, "a_2": 1, "a_4": 3**0.25, "e_0": 2}
    alone = theorem("du2019-deep-resnet").width(problem, setting=ResNet(3), given=found)
    same, larger = (
        DESCENT.width(problem, setting=ConvResNet(3, channels=2, patch=patch), given=found) for patch in (1, 3)
    )
    assert same.ball.overlaps(alone.ball) and larger.lower > 10 * same.upper


def test_the_width_of_small_images():
    """Two images of two pixels at 3/5, H = 2, patches of 3: from the golden matrix, by the formulas typed here."""
    problem = Problem(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([1.0, -1.0]))
    least = 0.07960476925 - 0.06779723680
    given = {"c_w": 2.5, "c_x": 1.25, "a_2": 1.5, "a_4": 1.75, "e_0": 2}
    width = DESCENT.width(problem, setting=ConvResNet(2), given=given)
    numbers = {"n": 2, "H": 2, "q": 3, "L": 1, "beta": 0.25, "c_res": 0.5, "sigma_at_0": mp.log(2), "lambda_0": least}
    v = SimpleNamespace(**numbers, **given, c_sigma=mp.mpf("1.0854865029883434"))
    for name in ("v", "kappa", "T", "c_d", "K", "J"):
        setattr(v, name, RETYPED["*", "*", f"where {name}"][1](v))
    v.R = RETYPED["Theorem 7.1", "explicit", "radius"][1](v)
    assert width.midpoint == pytest.approx(float(TRAINED["explicit", "if travel below radius"][1](v)), rel=1e-6)
    assert DESCENT.width(problem, setting=ConvResNet(2)).lower > width.upper
    step = DESCENT.step_size(problem, setting=ConvResNet(2), given=given).lower
    run = {"step_size": step, "setting": ConvResNet(2), "given": {**given, "lambda_H0": least}}
    assert DESCENT.check(problem, width=int(width.upper) + 1, **run).verdict.holds
    assert DESCENT.check(problem, width=int(width.upper) // 2, **run).verdict.fails
