"""Deep fully-connected networks of Du et al. (2019): formulas typed twice, small networks, a certified run."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.activations import RELU
from bounds.arithmetic import NoNumber
from bounds.settings import FullyConnected
from tests.bounds.papers.deep_networks import Network, constants, measured, perturbation
from tests.bounds.papers.test_du2019_deep_fc_start import NORMS, features, geometric_sum

mp = mpmath.mp


def _step_condition(power):
    ratio = lambda v: max(1, 2 * v.v * v.c_w)  # noqa: E731
    return lambda v: v.c * v.lambda_0 / (v.n**2 * v.H**2 * ratio(v) ** (power * v.H) * geometric_sum(2 * ratio(v), v.H))


def _rate(v):
    return (1 - v.eta * v.lambda_0 / 2) ** v.k * v.e_0**2


COMMON = {
    ("*", "*", "if smooth activation"): ("beta >", lambda v: 0),
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "then convergence"): ("e_k**2 <=", _rate),
    ("*", "*", "if the rate so far"): ("e_k**2 <=", _rate),
    ("*", "*", "if inside"): ("B_k <=", lambda v: v.R),
    ("*", "*", "if initial least eigenvalue"): ("lambda_H0 >=", lambda v: 0.75 * v.lambda_0),
    ("*", "*", "if initial weights"): ("m >=", lambda v: 8 * mp.log(v.H / v.delta_w)),
    ("*", "*", "if initial output weights"): ("m >=", lambda v: 8 * mp.log(1 / v.delta_a)),
    ("*", "*", "if fourth moment of the output weights"): ("m >=", lambda v: 96 / v.delta_q),
    ("*", "*", "event delta_w"): ("c_w <=", lambda v: 2.5),
    ("*", "*", "event delta_a"): ("a_2 <=", lambda v: 1.5),
    ("*", "*", "event delta_q"): ("a_4 <=", lambda v: mp.mpf(4) ** 0.25),
    ("*", "*", "event delta_u"): (
        "e_0 <=",
        lambda v: v.Y + v.c_x * mp.sqrt(v.n) * (1 + mp.sqrt(2 * mp.log(1 / v.delta_u))),
    ),
    ("*", "*", "where v"): ("v =", lambda v: mp.sqrt(v.c_sigma) * v.L),
    ("*", "*", "where A"): ("A =", lambda v: v.a_2 + v.R),
    ("*", "*", "then Gram drift"): ("G_k <=", lambda v: v.lambda_0 / 4),
    ("*", "*", "then least eigenvalue"): ("lambda_k >=", lambda v: v.lambda_0 / 2),
    ("*", "*", "then second-order part"): ("I_k <=", lambda v: v.eta * v.lambda_0 * v.r_k / 8),
    ("*", "*", "then step of the outputs"): ("U_k**2 <=", lambda v: v.eta * v.lambda_0 * v.r_k**2 / 8),
}
"""What the three parts of the paper share."""

TRAINED = {
    ("explicit", "if step size"): ("eta <=", lambda v: 4 / (5 * v.n * v.Q + 5 * mp.sqrt(v.n) * v.rho * v.e_0)),
    ("explicit", "if travel below radius"): (
        "m >",
        lambda v: v.n * (v.J * v.e_0 / (mp.mpf(3) / 10 * v.lambda_0 * v.R)) ** 2,
    ),
    ("explicit", "then travel"): (
        "B_k <=",
        lambda v: v.J * mp.sqrt(v.n) * v.e_0 / (mp.mpf(3) / 10 * v.lambda_0 * mp.sqrt(v.m)),
    ),
    ("improved", "if share"): ("eps <", lambda v: 1),
    ("improved", "if positive after the drift"): ("mu >", lambda v: 0),
    ("improved", "if step size"): ("eta <=", lambda v: 2 * v.eps / (v.n * v.Q + mp.sqrt(v.n) * v.rho * v.e_0)),
    ("improved", "if travel below radius"): (
        "m >",
        lambda v: v.n * (v.J * v.e_0 / ((1 - v.eps) * v.mu * v.R)) ** 2,
    ),
    ("improved", "then travel"): (
        "B_k <=",
        lambda v: v.J * mp.sqrt(v.n) * v.e_0 / ((1 - v.eps) * v.mu * mp.sqrt(v.m)),
    ),
    ("improved", "then convergence"): ("e_k <=", lambda v: (1 - v.eta * (1 - v.eps) * v.mu) ** v.k * v.e_0),
    ("improved", "then Gram drift"): ("G_k <=", lambda v: v.n * v.Gamma),
    ("improved", "then least eigenvalue"): ("lambda_k >=", lambda v: v.mu),
    ("improved", "where mu"): ("mu =", lambda v: v.lambda_H0 - v.n * v.Gamma),
}
"""What their main theorems share, by edition and clause."""


def _paper_ratio(v):
    return max(1, 2 * v.v * v.c_w)


def _width(deviation):
    def width(v):
        terms = (
            v.n**4 * deviation(v) / v.lambda_0**4,
            v.n / v.delta,
            v.n**2 * mp.log(v.H * v.n / v.delta) / v.lambda_0**2,
        )
        return v.C * v.open_2_O_H * max(terms)

    return width


def gaussian_deviation(v):
    return (1 + mp.sqrt(2 * mp.log(1 / v.delta))) ** 2


RANGES = {
    **{"n": [2, 3, 5, 7, 4, 6], "lambda_0": [2.2, 0.3, 40, 0.8, 300, 5], "delta": [0.9, 0.2, 0.1, 0.4, 0.3, 0.6]},
    **{"H": [9, 2, 3, 5, 4, 7], "R": (1e-9, 1e-7)},
    **{
        "v": (0.2, 2),
        "r": (0.2, 2),
        "c_w": (0.1, 4),
        "a_2": (0.01, 9),
        "A": (0.01, 2),
        "K": (0.001, 1),
        "g": (0.1, 30),
    },
}
RETYPED = {
    **COMMON,
    **NORMS,
    **{("Theorem 5.1", *key): value for key, value in TRAINED.items()},
    # Appendix B
    ("*", "*", "where g"): ("g =", lambda v: geometric_sum(2 * v.v * v.c_w, v.H)),
    ("*", "*", "then feature drift"): ("D_k <=", lambda v: v.v * v.c_x * v.g * v.R),
    ("Lemma B.3", "printed", "if radius"): ("R <=", lambda v: v.c_w),
    ("Lemma B.3", "improved", "where g"): ("g =", lambda v: geometric_sum(v.v * (v.c_w + v.R), v.H)),
    ("Lemma B.4", "printed", "if radius"): ("R <=", lambda v: v.c * v.lambda_0 / (v.n * v.g)),
    ("Lemma B.4", "printed", "if radius against the features"): ("R <=", lambda v: v.c / v.g),
    ("Lemma B.4", "explicit", "if radius"): ("R <=", lambda v: v.c_w),
    ("Lemma B.4", "explicit", "if radius against the output weights"): ("R <=", lambda v: v.a_2),
    ("Lemma B.4", "explicit", "if radius against the features, left"): ("=", lambda v: v.v * v.g * v.R),
    ("Lemma B.4", "explicit", "if radius against the features"): ("<=", lambda v: 1),
    ("Lemma B.4", "explicit", "then Gram drift"): ("G_k <=", lambda v: v.n * v.R * v.K),
    ("*", "*", "where K"): (
        "K =",
        lambda v: (
            v.c_sigma
            * v.c_x**2
            * v.L
            * (
                3 * mp.sqrt(v.c_sigma) * v.L**2 * v.a_2**2 * v.g
                + 2 * v.beta * v.c_x * v.a_4**2 * v.g
                + 12 * v.L * v.a_2
            )
        ),
    ),
    ("Lemma B.5", "printed", "then travel"): (
        "B_k <=",
        lambda v: 16 * v.c_x * v.a_2 * _paper_ratio(v) ** v.H * mp.sqrt(v.n) * v.e_0 / (v.lambda_0 * mp.sqrt(v.m)),
    ),
    ("Lemma B.5", "printed", "then step of a layer"): (
        "S_k <=",
        lambda v: v.eta * 4 * v.c_x * v.a_2 * _paper_ratio(v) ** v.H * mp.sqrt(v.n) * v.r_k,
    ),
    ("Lemma B.6", "printed", "if step size"): ("eta <=", _step_condition(3)),
    ("Lemma B.7", "printed", "if step size"): ("eta <=", _step_condition(2)),
    # Theorem 5.1
    ("Theorem 5.1", "printed", "if width"): ("m >=", _width(lambda v: 1)),
    ("Theorem 5.1", "corrected", "if width"): ("m >=", _width(gaussian_deviation)),
    ("Theorem 5.1", "printed", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 / (v.n**2 * v.open_2_O_H)),
    ("Theorem 5.1", "corrected", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 / (v.n**2 * v.open_2_O_H)),
    ("Theorem 5.1", "explicit", "if initial features"): ("m >=", features),
    ("Theorem 5.1", "explicit", "event delta_x"): ("c_x <=", lambda v: mp.sqrt(1.5)),
    ("Theorem 5.1", "explicit", "radius"): (
        "R =",
        lambda v: min(v.c_w, v.a_2, 1 / (v.v * v.g), v.lambda_0 / (4 * v.n * v.K)),
    ),
    ("Theorem 5.1", "explicit", "where w"): ("w =", lambda v: _paper_ratio(v) ** (v.H - 1)),
    ("Theorem 5.1", "explicit", "where J"): ("J =", lambda v: max(4 * v.v * v.a_2 * v.c_x * v.w, 2 * v.c_x)),
    ("Theorem 5.1", "explicit", "where Q"): (
        "Q =",
        lambda v: v.H * (v.v * (2 * v.a_2) * (2 * v.c_x) * v.w) ** 2 + (2 * v.c_x) ** 2,
    ),
    ("Theorem 5.1", "explicit", "where xi"): ("xi =", lambda v: v.v * 2 * v.c_x * mp.sqrt(v.H * v.w**2)),
    ("Theorem 5.1", "explicit", "where b"): (
        "b =",
        lambda v: (
            v.w
            * (
                v.H * mp.sqrt(v.c_sigma) * v.beta * (2 * v.c_x) * (2 * v.a_2) * mp.sqrt(v.H) * v.w
                + (v.H - 1) * v.v**2 * (2 * v.a_2)
                + v.v
            )
        ),
    ),
    ("Theorem 5.1", "explicit", "where rho"): (
        "rho =",
        lambda v: mp.sqrt(v.H * (2 * v.c_x * v.b + v.v * (2 * v.a_2) * v.w * v.xi) ** 2 + v.xi**2),
    ),
    ("Theorem 5.1", "improved", "where r"): ("r =", lambda v: v.v * (v.c_w + v.R)),
    ("Theorem 5.1", "improved", "where g"): ("g =", lambda v: geometric_sum(v.r, v.H)),
    ("Theorem 5.1", "improved", "where g_1"): ("g_1 =", lambda v: geometric_sum(v.r, v.H - 1)),
    ("Theorem 5.1", "improved", "where g_2"): ("g_2 =", lambda v: geometric_sum(v.r**2, v.H)),
    ("Theorem 5.1", "improved", "where x"): ("x =", lambda v: v.c_x + v.v * v.c_x * v.R * v.g),
    ("Theorem 5.1", "improved", "where Gamma"): (
        "Gamma =",
        lambda v: (
            v.c_sigma
            * (
                v.L**2 * v.a_2**2 * (v.v * v.c_x * v.R * v.g_1) * (v.c_x + v.x)
                + 2 * v.L * v.beta * v.c_x**3 * v.a_4**2 * v.g * v.R
                + v.L**2 * v.x**2 * v.R * (2 * v.a_2 + v.R)
            )
        ),
    ),
    ("Theorem 5.1", "improved", "where J"): (
        "J =",
        lambda v: max(max(v.v * v.r ** (v.H - h) * v.A * v.x for h in range(1, int(v.H) + 1)), v.x),
    ),
    ("Theorem 5.1", "improved", "where Q"): (
        "Q =",
        lambda v: (v.v * v.A * v.x) ** 2 * v.g_2 + v.x**2,
    ),
    ("Theorem 5.1", "improved", "where xi"): ("xi =", lambda v: v.v * v.x * mp.sqrt(v.g_2)),
    ("Theorem 5.1", "improved", "where b"): (
        "b =",
        lambda v: (
            v.H * mp.sqrt(v.c_sigma) * v.beta * v.x * v.A * mp.sqrt(v.g_2)
            + (v.H - 1) * v.v**2 * v.A / (v.r * mp.sqrt(v.m))
            + v.v / mp.sqrt(v.m)
        ),
    ),
    ("Theorem 5.1", "improved", "where rho"): (
        "rho =",
        lambda v: mp.sqrt(v.g_2 * (v.x * v.b + v.v * v.A * v.xi / mp.sqrt(v.m)) ** 2 + v.xi**2 / v.m),
    ),
}
"""Every formula of the paper a second time; see :mod:`tests.bounds.papers.retyped`."""


DESCENT = theorem("du2019-deep-fc")


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("towards", ["random", "rank one", "gradient"])
def test_constants_bound_what_small_networks_do(depth, towards):
    rng = np.random.default_rng([depth, len(towards)])
    inputs = rng.standard_normal((3, 4))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    tight = []
    for _ in range(6):
        network = Network.draw(depth, 24, 4, rng)
        radius = float(rng.choice([1e-3, 0.05, 0.4]))
        number = constants(DESCENT, "improved", FullyConnected(depth), network, inputs, R=radius, eps=0.5)
        moved = network.moved(perturbation(network, radius, inputs, rng, towards=towards))
        seen = measured(network, moved, inputs)
        bounds = {
            "drift": number["v"] * number["c_x"] * number["g"] * radius,
            "q": number["J"],
            "Q": number["Q"],
            "rho": number["rho"],
            "Gram": len(inputs) * number["Gamma"],
        }
        ratios = {name: seen[name] / bounds[name] for name in bounds}
        assert max(ratios.values()) <= 1, ratios
        tight.append(max(ratios.values()))
    assert max(tight) > 0.1  # a bound that is never within a factor 10 would hide an error


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_explicit_constants_bound_them_too(depth):
    rng = np.random.default_rng(depth)
    inputs = np.eye(3)
    network = Network.draw(depth, 24, 3, rng)
    number = constants(DESCENT, "explicit", FullyConnected(depth), network, inputs)
    for towards in ("random", "rank one", "gradient"):
        moved = network.moved(perturbation(network, number["R"], inputs, rng, towards=towards))
        seen = measured(network, moved, inputs)
        assert seen["drift"] <= number["v"] * number["c_x"] * number["g"] * number["R"]
        assert seen["q"] <= number["J"] and seen["Q"] <= number["Q"] and seen["rho"] <= number["rho"]
        assert seen["Gram"] <= len(inputs) * number["R"] * number["K"]


def test_the_certified_run_of_one_hidden_layer():
    """Two orthonormal inputs, width 2e6, softplus: lambda_min = .3186 and ||e(0)|| = 1.695 were measured."""
    problem = Problem(np.eye(2), np.array([1.0, -1.0]))
    given = {"c_w": 1, "c_x": 1.0005, "a_2": 1.0005, "a_4": 3**0.25, "lambda_H0": 0.3186, "e_0": 1.695}
    run = {"width": 2_000_000, "edition": "improved", "setting": FullyConnected(1)}
    given |= {"R": 0.01276, "eps": 0.4}
    answer = DESCENT.check(problem, step_size=0.1, given=given, **run)
    assert answer.verdict.holds, answer
    assert answer.values[next(s for s in answer.values if str(s) == "mu")].midpoint == pytest.approx(0.2373, abs=1e-3)
    narrow = DESCENT.check(
        problem, step_size=0.1, given={**given, "R": 0.01276, "eps": 0.4}, **{**run, "width": 1_900_000}
    )
    assert narrow.verdict.fails


def test_the_width_from_the_start_alone_and_with_a_measured_eigenvalue():
    problem = Problem(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([1.0, -1.0]))
    for depth in (1, 2):
        setting = FullyConnected(depth)
        width = DESCENT.width(problem, setting=setting)
        assert width.lower > 1e6
        measured_start = {"c_w": 2, "c_x": 1, "a_2": 1, "a_4": 3**0.25, "e_0": 2}
        assert DESCENT.width(problem, setting=setting, given=measured_start).upper < width.lower
        enough = int(width.upper) + 1
        step = DESCENT.step_size(problem, setting=setting).lower
        answer = DESCENT.check(problem, width=enough, step_size=step, setting=setting)
        assert answer.verdict.undecided and "least eigenvalue of the initial Gram matrix" in str(answer)
        least = problem.least_eigenvalue_of(setting).upper * 0.8
        answer = DESCENT.check(problem, width=enough, step_size=step, setting=setting, given={"lambda_H0": least})
        assert answer.verdict.holds
        assert DESCENT.check(
            problem, width=enough // 2, step_size=step, setting=setting, given={"lambda_H0": least}
        ).verdict.fails


def test_printed_widths_have_no_number_and_a_relu_is_not_smooth():
    problem = Problem(np.eye(3), np.ones(3))
    for edition in ("printed", "corrected"):
        with pytest.raises(NoNumber, match=r"2\^O\(H\)"):
            DESCENT.width(problem, edition)
    answer = DESCENT.check(problem, width=10**9, edition="printed", setting=FullyConnected(2, RELU))
    assert "smooth activation: undecided" in str(answer)
