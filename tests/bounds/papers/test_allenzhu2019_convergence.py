"""Allen-Zhu, Li and Song (2019), convergence: formulas typed again, and the numbers that they give."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import NoNumber
from bounds.papers import allenzhu2019_convergence as paper
from bounds.papers._allenzhu2019 import BIAS
from tests.bounds.papers.retyped import value

mp = mpmath.mp
GD, BODY, SGD = "Theorem 1, restated", "Theorem 1", "Theorem 2"
DOMINANCE, CONVEX, CRITICAL, CROSS = (
    f"Theorem 6, {item}" for item in ("gradient dominance", "convex", "critical points", "cross-entropy")
)
ACCURACY, CNN, RESNET = "Time to full accuracy", "Theorem 7", "Theorem 8"
RANGES = {"eps": (0.001, 0.1)}


def wide(v):
    """poly(n, L, 1/rho) d."""
    return v.open_poly_n_L_1_rho * v.d * v.C


def long(v):
    return mp.log(v.n * mp.log(v.m) / v.eps)


RETYPED = {
    ("*", "*", "if inputs apart"): ("rho >", lambda v: 0),
    ("*", "*", "if separation at most 1/L"): ("rho <=", lambda v: v.c_rho / v.L),
    ("*", "*", "if probability"): ("m >=", lambda v: mp.exp(mp.sqrt(-v.C_delta * mp.log(v.delta)))),
    ("*", "*", "then loss"): ("F_k <=", lambda v: v.eps),
    (GD, "*", "if step size"): ("eta <=", lambda v: v.c / v.m * v.d * v.rho / (v.n**2 * v.L) ** 2),
    (GD, "*", "then steps"): ("T_eps <=", lambda v: v.C_T * (v.n**3 * v.L / v.rho) ** 2 * long(v)),
    (GD, "*", "then travel"): ("W_F <=", lambda v: v.C_W * v.n**3 * mp.log(v.m) / v.rho * mp.sqrt(v.d / v.m)),
    (GD, "printed", "if width"): ("m >=", lambda v: v.C * v.d * (v.n**6 * v.L**3 / v.rho**2) ** 4),
    (GD, "corrected", "if width"): (
        "m >=",
        lambda v: v.C_p * v.d * (v.n**6 * v.L**3 / v.rho**2) ** 4 * mp.log(v.m) ** 5,
    ),
    (BODY, "printed", "if width"): ("m >=", wide),
    (BODY, "printed", "if step size"): ("eta <=", lambda v: v.c * v.d * v.rho / v.m / v.open_poly_n_L),
    (BODY, "printed", "then steps"): ("T_eps <=", lambda v: -v.C_T * v.open_poly_n_L / v.rho**2 * mp.log(v.eps)),
    (SGD, "printed", "if width"): ("m >=", lambda v: wide(v) / v.b),
    (SGD, "printed", "if step size"): (
        "eta <=",
        lambda v: v.c * v.b * v.d * v.rho / v.m / (v.open_poly_n_L * mp.log(v.m) ** 2),
    ),
    (SGD, "printed", "then steps"): (
        "T_eps <=",
        lambda v: -v.C_T * v.open_poly_n_L * (mp.log(v.m) / v.rho) ** 2 / v.b * mp.log(v.eps),
    ),
    (SGD, "corrected", "if batch"): ("b <=", lambda v: v.n),
    (SGD, "corrected", "if width"): ("m >=", lambda v: v.C * v.n * v.d * (v.n**6 * v.L**3 / v.rho**2) ** 4 / v.b),
    (SGD, "corrected", "if step size"): (
        "eta <=",
        lambda v: v.c * v.b * v.d * v.rho / v.m / v.n**5 / (v.L * mp.log(v.m)) ** 2,
    ),
    (SGD, "corrected", "then steps"): (
        "T_eps <=",
        lambda v: v.C_T * v.n**7 / v.b * (v.L * mp.log(v.m) / v.rho) ** 2 * long(v),
    ),
    (SGD, "counterexample", "left"): ("=", lambda v: 59049 / 1048576),
    (SGD, "counterexample", "right"): ("=", lambda v: math.exp(-5)),
    (DOMINANCE, "printed", "if gradient dominance"): ("sigma_f >", lambda v: 0),
    (DOMINANCE, "printed", "if width"): ("m >=", lambda v: wide(v) / v.sigma_f**2),
    (DOMINANCE, "printed", "then steps"): (
        "T_eps <=",
        lambda v: -v.C_L * v.open_poly_n_L_1_rho / v.sigma_f * mp.log(v.eps),
    ),
    ("*", "*", "then excess loss"): ("E_k <=", lambda v: v.eps),
    (CONVEX, "printed", "if width"): ("m >=", lambda v: -wide(v) * mp.log(v.eps)),
    (CONVEX, "printed", "then steps"): ("T_eps <=", lambda v: v.C_L * v.open_poly_n_L_1_rho / v.eps),
    (CRITICAL, "printed", "if width"): ("m >=", lambda v: wide(v) / v.eps),
    (CRITICAL, "printed", "then steps"): ("T_eps <=", lambda v: v.C_L * v.open_poly_n_L_1_rho / v.eps**2),
    (CRITICAL, "printed", "then gradient"): ("g_k <=", lambda v: v.eps),
    (CROSS, "printed", "if width"): ("m >=", wide),
    (CROSS, "printed", "then steps"): ("T_eps <=", lambda v: v.C_L * v.open_poly_n_L_1_rho),
    (CROSS, "printed", "then misclassified inputs"): ("M_k <=", lambda v: 0),
    (ACCURACY, "explicit", "if decrease"): (
        "g_k**2 >=",
        lambda v: v.m / v.n / v.d * v.rho * v.c_P * v.v_k**2,
    ),
    (ACCURACY, "explicit", "then steps"): (
        "T_eps <=",
        lambda v: v.F_0 / v.eta * 8 * v.n * v.d / (v.m * v.rho * v.c_P),
    ),
    (CNN, "printed", "if width"): ("m >=", lambda v: v.C * v.d * v.open_poly_n_L_D_1_rho),
    (CNN, "printed", "then steps"): ("T_eps <=", lambda v: -v.C_L * v.open_poly_n_L_D / v.rho**2 * mp.log(v.eps)),
    (RESNET, "printed", "if width"): ("m >=", wide),
    (RESNET, "printed", "then steps"): ("T_eps <=", lambda v: -v.C_L * v.open_poly_n_L / v.rho**2 * mp.log(v.eps)),
}


@pytest.mark.parametrize(
    ("n", "depth", "d", "rho", "width", "with_logarithms"),
    [(10, 2, 10, 0.6, 2.4e30, 1.7e40), (2, 2, 2, 1.0, 1.4e11, 2.4e19), (100, 5, 20, 0.1, 4.9e65, None)],
)
def test_widths_with_all_constants_one(n, depth, d, rho, width, with_logarithms) -> None:
    """Known values; the log^5 m is solved for by hand."""
    at = {"n": n, "L": depth, "d": d, "rho": rho, "C": 1}
    printed = next(c.relation.rhs for c in paper.gd.edition("printed").assumes if c.name == "width")
    found = value(printed, at).midpoint
    assert math.isclose(found, width, rel_tol=0.05)
    if with_logarithms is not None:
        m = 3.0
        for _ in range(200):
            m = found * math.log(m) ** 5
        assert math.isclose(m, with_logarithms, rel_tol=0.05)


def test_the_theorem_on_data() -> None:
    """Rows (3, 4, 5) and (4, 3, 5): the last coordinate is 1/sqrt 2 after normalisation, rho = sqrt(2/50)."""
    problem = Problem(np.array([[3.0, 4, 5], [4.0, 3, 5]]), np.ones(2))
    assert BIAS.decide(problem, {}).holds
    assert BIAS.decide(Problem(np.array([[3.0, 4, 5], [4.0, 3, 5.5]]), np.ones(2)), {}).fails
    assert BIAS.decide(Problem(np.array([[3.0, 4, 5], [4.0, 3, -5]]), np.ones(2)), {}).fails
    found = theorem("allenzhu2019-gd").width(problem, edition="printed")
    assert math.isclose(found.lower, 2**24 * 2**12 * 3 * 25**4, rel_tol=1e-9)
    assert "taken as 1" in found.assumption
    at = theorem("allenzhu2019-gd").check(problem, width=10**40, step_size=1e-60, edition="printed")
    assert at.verdict.undecided


@pytest.mark.parametrize("identifier", ["allenzhu2019-cnn", "allenzhu2019-resnet", "allenzhu2019-convex"])
def test_unspecified_polynomials_are_refused_in_words(identifier: str) -> None:
    problem = Problem(np.array([[3.0, 4, 5], [4.0, 3, 5]]), np.ones(2))
    with pytest.raises(NoNumber, match="does not specify poly"):
        theorem(identifier).width(problem, edition="printed")


def test_a_misclassified_input_has_a_gradient_of_at_least_one_half() -> None:
    """Softmax less the one-hot label, for random outputs that misclassify."""
    draw = np.random.default_rng(0)
    for _ in range(200):
        z = draw.normal(size=4) * draw.choice([0.01, 1, 10])
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        label = (int(np.argmax(z)) + 1) % 4
        assert np.linalg.norm(p - np.eye(4)[label]) >= 0.5


@pytest.mark.parametrize("edition", ["printed", "corrected"])
def test_coinciding_inputs_are_no_case_of_the_theorem(edition: str) -> None:
    """rho = 0: the condition is not met and no finite width is told."""
    problem = Problem(np.array([[3.0, 4, 5], [3.0, 4, 5]]), np.array([1.0, -1]))
    at = theorem("allenzhu2019-gd").check(problem, width=10**6, step_size=1e-9, edition=edition)
    assert not {c.name: v for c, v in at.conditions}["inputs apart"].holds and not at.verdict.holds
    try:
        width = theorem("allenzhu2019-gd").width(problem, edition=edition)
    except NoNumber:
        return
    assert width.upper == math.inf
