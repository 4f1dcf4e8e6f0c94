"""The transcription of Du et al. (2019), gradient flow on the first layer."""

from __future__ import annotations

from fractions import Fraction

import mpmath

from bounds import quantities as q
from bounds.arithmetic import compare, evaluate
from bounds.papers import du2019_two_layer_flow as paper
from tests.bounds.papers.test_du2019_two_layer_gram import MARKOV_RADIUS, SHARP_RADIUS, chernoff, few_flips, hoeffding

mp = mpmath.mp


def travelled(numerator):
    return lambda v: numerator(v) * v.e_0 / (mp.sqrt(v.m) * v.lambda_0)


def needed_width(number, numerator, delta=1):
    return lambda v: number / mp.pi * numerator(v) * v.e_0**2 / v.lambda_0**4 / (v.delta_2**2 if delta == 2 else 1)


_PRINTED = travelled(lambda v: mp.sqrt(v.n))
_PAPER = travelled(lambda v: 2 * mp.sqrt(v.n))
IMPROVED = travelled(lambda v: 2 * v.X)

COMMON = {
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "then least eigenvalue"): ("lambda_k >=", lambda v: v.lambda_0 / 2),
    ("*", "*", "then Gram drift"): ("G_k <=", lambda v: v.lambda_0 / 4),
    ("*", "*", "if least eigenvalue stays above half"): ("lambda_k >=", lambda v: v.lambda_0 / 2),
    ("*", "*", "then convergence"): ("e_k**2 <=", lambda v: mp.exp(-v.lambda_0 * v.t) * v.e_0**2),
    ("*", "*", "if few flips"): ("m >=", few_flips),
    ("*", "*", "event delta_3"): ("e_0 <=", lambda v: mp.sqrt((v.Y**2 + v.n / 2) / v.delta_3)),
}
"""What recurs, with one layer trained and with both."""

RETYPED = {
    **COMMON,
    ("Lemma 3.3", "printed", "then travel"): ("W_k <=", _PRINTED),
    ("Lemma 3.3", "corrected", "then travel"): ("W_k <=", _PAPER),
    ("Lemma 3.3", "improved", "then travel"): ("W_k <=", IMPROVED),
    ("Lemma 3.3", "counterexample", "left"): ("=", lambda v: 2 - 2 * mp.exp(-2)),
    ("Lemma 3.3", "counterexample", "right"): ("=", lambda v: 1),  # sqrt(1) / (sqrt(4) / 2)
    ("Lemma 3.4", "printed", "if travel below radius, left"): ("=", _PRINTED),
    ("Lemma 3.4", "corrected", "if travel below radius, left"): ("=", _PAPER),
    ("Lemma 3.4", "*", "if travel below radius"): ("<", lambda v: v.R),
    ("Lemma 3.4", "printed", "then travel"): ("W_k <=", _PRINTED),
    ("Lemma 3.4", "corrected", "then travel"): ("W_k <=", _PAPER),
    ("Theorem 3.2", "printed", "if width"): ("m >=", lambda v: v.C * v.n**6 / (v.lambda_0**4 * v.delta**3)),
    ("Theorem 3.2", "explicit", "if initial Gram"): ("m >=", hoeffding),
    ("Theorem 3.2", "*", "if initial Gram"): ("m >=", chernoff),
    ("Theorem 3.2", "explicit", "if travel below radius"): ("m >", needed_width(512, lambda v: v.n**5, delta=2)),
    ("Theorem 3.2", "improved", "if travel below radius"): (
        "m >",
        needed_width(512, lambda v: v.X**2 * v.n**4, delta=2),
    ),
    ("Theorem 3.2", "sharp", "if travel below radius"): ("m >", needed_width(2048, lambda v: v.X**2 * v.F**2)),
    ("Theorem 3.2", "explicit", "then travel"): ("W_k <=", _PAPER),
    ("Theorem 3.2", "*", "then travel"): ("W_k <=", IMPROVED),
    ("Theorem 3.2", "*", "radius"): ("R =", MARKOV_RADIUS),
    ("Theorem 3.2", "sharp", "radius"): ("R =", SHARP_RADIUS),
}
"""Every formula of the file a second time; see :mod:`tests.bounds.papers.retyped`."""


def test_lemma_3_3_is_false_as_printed_and_true_as_corrected() -> None:
    error = paper.flow_decay.errors[0]
    assert error.counterexample is not None
    assert error.counterexample().fails
    # the same instance keeps the corrected promise, for all time: the total travel is exactly 2
    corrected = paper.flow_decay.edition("corrected").promises[0].bound
    bound = evaluate(corrected, {q.n: 1, q.e_0: 1, q.m: 4, q.lambda_0: Fraction(1, 2)})
    assert compare(2, "<=", bound).holds
