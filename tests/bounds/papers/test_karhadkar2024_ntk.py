"""Karhadkar, Murray and Montufar (2024): formulas typed again; separations of data; the order, measured."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import compare
from bounds.papers import karhadkar2024_ntk as paper
from bounds.papers._separation import nearest_rows
from bounds.settings import TwoLayer

mp = mpmath.mp


def _value(v, power, cut=False):
    rho = min(v.rho, mp.mpf(1)) if cut else v.rho
    return rho**power / (1 + v.d / mp.log(v.d) * mp.log(1 / rho)) ** 3


def _uniform(v):
    return mp.root(v.delta**2 / v.n**4, v.d - 1) / (1 + mp.log(v.n / v.delta) / mp.log(v.d)) ** 3


def _shallow(cut):
    return lambda v: v.C * v.X**2 * mp.log(v.n / v.delta) / _value(v, 2, cut)


def _deep(cut):
    return lambda v: v.C * v.n * mp.log(v.n / _value(v, 4, cut)) * mp.log(v.n / v.delta) / _value(v, 4, cut)


SHALLOW, UNIFORM, DEEP = "Theorem (shallow networks)", "Corollary (uniform data)", "Theorem (deep networks)"
RANGES = {"L": (3, 5), "n": (20, 40), "rho": (0.85, 1.06)}
RETYPED = {
    ("Lemma (first layer)", "printed", "if width"): (
        "m >=",
        lambda v: v.C * v.X**2 * mp.log(v.n / v.delta) / v.lambda_1,
    ),
    ("Lemma (first layer)", "printed", "then least eigenvalue"): ("lambda_H0 >=", lambda v: v.c * v.lambda_1),
    ("*", "*", "if dimension"): ("d >=", lambda v: 3),
    ("*", "*", "if separation"): ("rho <", lambda v: mp.sqrt(2)),
    (SHALLOW, "printed", "if width"): ("m >=", _shallow(False)),
    (SHALLOW, "corrected", "if width"): ("m >=", _shallow(True)),
    (SHALLOW, "printed", "then least eigenvalue"): ("lambda_H0 >=", lambda v: v.c * _value(v, 2)),
    (SHALLOW, "corrected", "then least eigenvalue"): ("lambda_H0 >=", lambda v: v.c * _value(v, 2, True)),
    (SHALLOW, "*", "then least eigenvalue, above"): ("lambda_H0 <=", lambda v: v.C_1 * v.delta_near),
    (UNIFORM, "printed", "if width"): (
        "m >=",
        lambda v: v.C_2 * mp.log(v.n / v.delta) * (1 + (v.n - mp.log(v.delta)) / v.d) / _uniform(v),
    ),
    (UNIFORM, "printed", "then least eigenvalue"): ("lambda_H0 >=", lambda v: v.c * _uniform(v)),
    (UNIFORM, "printed", "then least eigenvalue, above"): (
        "lambda_H0 <=",
        lambda v: v.C_1 * mp.root(mp.log(1 / v.delta) / v.n**2, v.d - 1),
    ),
    (DEEP, "*", "if confidence"): ("delta <", lambda v: mp.mpf(1) / 3),
    (DEEP, "*", "if depth"): ("L >=", lambda v: 3),
    (DEEP, "*", "if last hidden layer"): ("d_last >=", lambda v: v.C_3 * mp.log(v.n * v.L / v.delta) * 2**v.L),
    (DEEP, "printed", "if width"): ("m >=", _deep(False)),
    (DEEP, "corrected", "if width"): ("m >=", _deep(True)),
    (DEEP, "printed", "then least eigenvalue"): ("lambda_H0 >=", lambda v: v.c * _value(v, 4)),
    (DEEP, "corrected", "then least eigenvalue"): ("lambda_H0 >=", lambda v: v.c * _value(v, 4, True)),
    (DEEP, "*", "then least eigenvalue, above"): ("lambda_H0 <=", lambda v: v.C_1 * v.L),
    (SHALLOW, "counterexample", "left"): (
        "=",
        lambda v: mp.mpf(1.2589) ** 2 / (1 + 10 * mp.log(1 / mp.mpf(1.2589)) / mp.log(10)) ** 3,
    ),
    (SHALLOW, "counterexample", "right"): ("=", lambda v: 10**6),
}


def test_distances_of_data() -> None:
    """Angles 60 and 180 degrees: the nearest rows are at 1, and an antipode counts only up to sign."""
    problem = Problem(np.array([[1.0, 0, 0], [0.5, math.sqrt(0.75), 0], [-1.0, 0, 0]]), np.ones(3))
    t = theorem("karhadkar2024-shallow")
    at = t.check(problem, width=10, edition="corrected")
    assert at.promised(t.edition("corrected").promises[1]).midpoint == pytest.approx(1, rel=1e-12)
    assert problem.separation.upper < 1e-7
    assert nearest_rows(Problem(np.array([[1.0, 0], [-1.0, 0]]), np.ones(2))).contains(2)
    parallel = nearest_rows(Problem(np.array([[3.0, 4.0], [0.6, 0.8]]), np.ones(2)))
    assert parallel.lower <= 0 < parallel.upper < 1e-7


def test_the_corrected_value_never_falls_with_the_separation() -> None:
    """At d = 10 the printed value is larger at 1.25 than anything a kernel has, the corrected one is 1 from 1 on."""
    t, problem = theorem("karhadkar2024-shallow"), Problem(np.eye(10), np.ones(10))
    at = t.check(problem, width=10, edition="corrected")
    assert at.promised(t.edition("corrected").promises[0]).contains(1)
    printed = t.check(problem, width=10, edition="printed")
    assert next(v for c, v in printed.conditions if c.name == "separation").undecided or problem.separation.upper > 1.4
    assert compare(paper.evaluate(paper.shallow_value, {paper.d: 10, paper.separation: 1.2589}), ">", 10**9).holds


@pytest.mark.parametrize("d", [3, 6])
def test_least_eigenvalues_of_uniform_data_lie_between_the_bounds(d: int) -> None:
    """The limit of the first layer at n = 20, 40, 80: above lambda and below delta', with all constants at 1."""
    for n in (20, 40, 80):
        problem = Problem(np.random.default_rng(n).normal(size=(n, d)), np.ones(n))
        least = problem.least_eigenvalue_of(TwoLayer())
        value = paper.evaluate(paper.corrected_value, {paper.d: d, paper.separation: problem.separation})
        assert compare(value, "<", least).holds and compare(least, "<", nearest_rows(problem)).holds


def test_hidden_constants_never_decide() -> None:
    problem = Problem(np.random.default_rng(0).normal(size=(8, 5)), np.ones(8))
    width = theorem("karhadkar2024-shallow").width(problem, "corrected")
    assert width.assumption
    assert theorem("karhadkar2024-deep").check(problem, width=10**9, edition="corrected").verdict.undecided
