"""The transcription of Du et al. (2019), the Gram matrix, and data at which it degenerates."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.papers import du2019_two_layer_gram as paper

mp = mpmath.mp


def hoeffding(v):
    return 8 * v.n**2 * mp.log(v.n * (v.n + 1) / v.delta_1) / v.lambda_0**2


def chernoff(v):
    return v.X**2 * mp.log(v.n / v.delta_1) / (v.lambda_0 * (1 - 0.75 + 0.75 * mp.log(0.75)))


def few_flips(v):
    return mp.log(v.n / v.delta_2) / (mp.log(4) - 1) / mp.erf(v.R / mp.sqrt(2))


def markov(v):
    return v.n * mp.sqrt(2 / mp.pi) * v.R / v.delta_2


def markov_radius(denominator):
    return lambda v: mp.sqrt(2 * mp.pi) * v.delta_2 * v.lambda_0 / (denominator * v.n**2)


MARKOV_RADIUS = markov_radius(16)
SHARP_RADIUS = lambda v: mp.sqrt(2 * mp.pi) * v.lambda_0 / (32 * v.F)  # noqa: E731

RETYPED = {
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "if few flips"): ("m >=", few_flips),
    ("*", "*", "if no two inputs parallel"): ("rho >", lambda v: 0),
    ("*", "*", "then positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "then initial Gram matrix near its limit"): ("G_0 <=", lambda v: v.lambda_0 / 4),
    ("*", "*", "then initial least eigenvalue"): ("lambda_H0 >=", lambda v: 3 * v.lambda_0 / 4),
    ("*", "*", "then neurons near a kink"): ("N <=", markov),
    ("Lemma 3.1", "printed", "if width"): ("m >=", lambda v: v.C * v.n**2 * mp.log(v.n / v.delta) / v.lambda_0**2),
    ("Lemma 3.1", "explicit", "if width"): ("m >=", hoeffding),
    ("Lemma 3.1", "improved", "if width"): ("m >=", lambda v: hoeffding(v) * v.F**2 / v.n**2),
    ("Lemma 3.1", "sharp", "if width"): ("m >=", chernoff),
    ("Lemma 3.2", "printed", "if travel"): ("W_k <=", lambda v: v.c * v.delta * v.lambda_0 / v.n**2),
    ("Lemma 3.2", "printed", "then Gram drift"): ("G_k <", lambda v: v.lambda_0 / 4),
    ("Lemma 3.2", "printed", "then least eigenvalue"): ("lambda_k >", lambda v: v.lambda_0 / 2),
    ("Lemma 3.2", "explicit", "if travel"): ("W_k <=", MARKOV_RADIUS),
    ("Lemma 3.2", "explicit", "radius"): ("R =", MARKOV_RADIUS),
    ("Lemma 3.2", "explicit", "then Gram drift"): ("G_k <=", lambda v: 2 * v.n * markov(v)),
    ("Lemma 3.2", "sharp", "if travel"): ("W_k <=", SHARP_RADIUS),
    ("Lemma 3.2", "sharp", "radius"): ("R =", SHARP_RADIUS),
    ("Lemma 3.2", "sharp", "then Gram drift"): ("G_k <=", lambda v: 4 * v.F * mp.sqrt(2 / mp.pi) * v.R),
    ("Lemma 3.2", "sharp", "then neurons near a kink"): ("N <=", lambda v: 2 * v.n * mp.sqrt(2 / mp.pi) * v.R),
}
"""Every formula of the file a second time; see :mod:`tests.bounds.papers.retyped`."""


def test_degenerate_data_are_refused_in_words() -> None:
    descent = theorem("du2019-two-layer")
    problem = Problem(np.array([[1.0, 2.0], [2.0, 4.0], [0.0, 1.0]]), np.ones(3))
    assert problem.least_eigenvalue.contains(0) and problem.least_eigenvalue.upper == 0
    with pytest.raises(ValueError, match="rows 0 and 1 point in the same direction"):
        descent.width(problem)
    assert paper.positivity.check(problem, edition="sharp").verdict.fails
    assert paper.positivity.check(problem, edition="printed").verdict.fails
    assert descent.check(problem, width=10**9, step_size=1e-9).verdict.fails


def test_two_antipodal_pairs_in_the_plane_separate_the_printed_condition_from_the_exact_one() -> None:
    problem = Problem(np.array([[1.0, 0.0], [-1.0, 0.0], [0.6, 0.8], [-0.6, -0.8]]), np.ones(4))
    assert paper.positivity.check(problem, edition="printed").verdict.fails
    assert paper.positivity.check(problem, edition="sharp").verdict.holds
    # (1 - c) / 2 for pairs at cosine c, by hand; 0.6 as stored is not 3/5, hence the tolerance
    assert problem.least_eigenvalue.midpoint == pytest.approx(0.2, abs=1e-15)
    assert problem.least_eigenvalue.lower > 0.19
