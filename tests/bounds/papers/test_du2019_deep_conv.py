"""Convolutional residual networks of Du et al. (2019): formulas typed twice, refusals, the false lemma."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.arithmetic import NoNumber
from bounds.papers import du2019_deep_conv as paper
from bounds.papers import du2019_deep_resnet
from bounds.settings import ConvResNet
from tests.bounds.papers.test_du2019_deep_fc import COMMON

mp = mpmath.mp


def _width(*terms):
    def width(v):
        last = v.n**2 * mp.log(v.H * v.n / v.delta) / v.lambda_0**2
        return v.C * v.open_poly_p * max(*(term(v) for term in terms), v.n / v.delta, last)

    return width


def _gaussian_deviation(v):
    return (1 + mp.sqrt(2 * mp.log(1 / v.delta))) ** 2


def _backward(v):
    return v.c_res * v.c_x * v.a_2 * v.L * mp.sqrt(v.p * v.q) * mp.exp(2 * v.c_res * v.c_w * v.L * mp.sqrt(v.q)) / v.H


def _printed_step(v):
    return v.c * v.lambda_0 * v.H**2 / (v.n**2 * v.open_poly_p)


def _corrected_step(v):
    return v.c * v.lambda_0 / (v.n**2 * v.open_poly_p)


USED = ("smooth", "positive", "convergence", "rate so far", "inside", "matrix", "second-order", "step of the outputs")
RANGES = {
    "n": [2, 3, 5, 7, 4, 6],
    "H": [9, 2, 3, 5, 4, 7],
    "delta": [0.9, 0.2, 0.1, 0.4, 0.3, 0.6],
    "lambda_0": [2.2, 0.03, 40, 0.8, 300, 1.9],
    "c_p": [0.1, 3, 0.5, 9, 1, 20],
}
RETYPED = {
    **{key: entry for key, entry in COMMON.items() if any(word in key[2] for word in USED)},
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
    ("Lemma D.3", "printed", "if radius"): ("R <=", lambda v: v.c_w),
    ("Lemma D.3", "printed", "then feature drift"): (
        "D_k <=",
        lambda v: (
            (mp.sqrt(v.c_sigma) * v.L * mp.sqrt(v.q) + v.c_x / v.c_w)
            * mp.exp(2 * v.c_w * v.L * mp.sqrt(v.q) * v.c_res)
            * v.R
        ),
    ),
    ("Lemma D.4", "printed", "if radius"): ("R <=", lambda v: v.c * v.lambda_0 * v.H**2 / (v.n * v.open_poly_p)),
    ("Lemma D.4", "printed", "then Gram drift"): ("G_k <=", lambda v: v.lambda_0 / 2),
    ("Lemma D.5", "printed", "then travel"): (
        "B_k <=",
        lambda v: 16 * _backward(v) * mp.sqrt(v.n) * v.e_0 / (v.lambda_0 * mp.sqrt(v.m)),
    ),
    ("Lemma D.5", "printed", "then step of a layer"): (
        "S_k <=",
        lambda v: v.eta * 4 * _backward(v) * mp.sqrt(v.n) * v.r_k,
    ),
    ("Lemma D.5", "corrected", "then travel"): (
        "B_k <=",
        lambda v: v.C * v.open_poly_p * mp.sqrt(v.n) * v.e_0 / (v.lambda_0 * mp.sqrt(v.m)),
    ),
    ("Lemma D.5", "corrected", "then step of a layer"): (
        "S_k <=",
        lambda v: v.eta * v.C * v.open_poly_p * mp.sqrt(v.n) * v.r_k,
    ),
    ("Lemma D.5", "counterexample", "left"): ("=", lambda v: mp.sqrt("2.5361754332174538") * mp.tanh(1)),
    ("Lemma D.5", "counterexample", "right"): ("=", lambda v: 4 * mp.mpf("0.1") * 1.25 * mp.exp("0.6") / 10),
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
            lambda v: v.n**4 * _gaussian_deviation(v) / (v.lambda_0**4 * v.H**4),
            lambda v: v.n**2 * _gaussian_deviation(v) / v.lambda_0**2,
        ),
    ),
    ("Theorem 7.1", "corrected", "if step size"): ("eta <=", _corrected_step),
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
