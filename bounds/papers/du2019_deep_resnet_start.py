r"""Du, Lee, Li, Wang and Zhai (ICML 2019): the random start of residual networks. arXiv 1811.03804.

Lemmas C.1 and C.2, in the notation of :mod:`bounds.papers.du2019_deep_resnet`.

*First layer.* The squared norm of its features is a mean of m independent terms of mean 1 and variance at most C_4:
Chebyshev.

*Norms.* ||s(z)|| <= sqrt(m) |s(0)| + L ||z||, so ||x^(H)|| <= exp(c_res L c_w) (||x^(1)|| + c_res |s(0)|).
"""

from __future__ import annotations

from functools import partial

from sympy import Ge, Le, exp, log, sqrt
from sympy import Rational as Q

from bounds.papers import _du2019_deep as shared
from bounds.papers._du2019_deep import (
    KEPT,
    MEAN,
    SMOOTH,
    C,
    H,
    c_w,
    c_x,
    delta_x,
    initial_feature,
    smallest_feature,
)
from bounds.papers._du2019_residual import norm_of_a_layer
from bounds.proofs import Obligation
from bounds.quantities import at_zero, delta, lambda_0, m, n, quantity
from bounds.quantities import lipschitz as L
from bounds.quantities import normaliser as c_sigma
from bounds.quantities import residual_scale as c_res
from bounds.settings import ResNet
from bounds.statements import POSITIVE, UNIT_ROWS, Condition, Edition, Event, KnownError, Mark, Promise, Statement

NETWORKS = ResNet()
FREE = ("depth", "activation", "residual_scale")
of_weights = partial(Statement, setting=NETWORKS, dynamics="any weights", for_all=FREE)

moment = quantity("C_4", "c_sigma^2 E (|s(0)| + L |z|)^4, z ~ N(0, 1)")
moment_of_first = c_sigma**2 * (
    at_zero**4 + 4 * at_zero**3 * L * MEAN + 6 * at_zero**2 * L**2 + 8 * at_zero * L**3 * MEAN + 3 * L**4
)
first_layer_width = 4 * moment * n / delta_x
largest_norm = exp(c_res * L * c_w) * (sqrt(Q(3, 2)) + c_res * at_zero)
norm_printed = 2 * exp(c_res * c_w * L)

FEATURES = Event(delta_x, "no initial feature vector is longer than the bound of Lemma C.1", c_x, largest_norm)


def first_norm_by_chebyshev(edition: Edition) -> Obligation:
    """Chebyshev on the squared norm of the first layer's features, whose mean is 1."""
    failure = n * moment / (m * Q(1, 2) ** 2)
    return Obligation(
        "features by Chebyshev",
        "Each of n squared norms is off 1 by more than 1/2 with probability at most 4 C_4 / m.",
        given=(Ge(m, first_layer_width),),
        claim=Le(failure, delta_x),
        planted=Le(failure, Q(99, 100) * delta_x),
    )


initial_norms = of_weights(
    "Lemma C.1",
    "the features of the initial network neither explode nor vanish",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS, SMOOTH, Condition("width", Ge(m, C * n / delta))),
            promises=(
                Promise("largest feature", Le(initial_feature, norm_printed)),
                Promise("least feature", Ge(smallest_feature, 1 / norm_printed)),
            ),
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, SMOOTH, Condition("width", Ge(m, first_layer_width))),
            promises=(Promise("largest feature", Le(initial_feature, largest_norm)),),
            where=((moment, moment_of_first),),
            events=(Event(delta_x, "the features of the first layer have squared norm between 1/2 and 3/2"),),
            reason="Keeps |s(0)|. A lower bound, which nothing below needs, would require c_res to be small.",
            arguments=(first_norm_by_chebyshev, norm_of_a_layer),
        ),
    ),
    errors=(
        KnownError("||s(W x)|| <= L ||W|| ||x|| is used, which needs s(0) = 0; the softplus has s(0) = log 2."),
        KnownError("The lower bound uses (1 - x/H)^(H-1) >= exp(-x), which is false for x near H."),
    ),
)

initial_gram = of_weights(
    "Lemma C.2",
    "the least eigenvalue of the initial Gram matrix is close to the infinite-width one",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS, POSITIVE, Condition("width", Ge(m, C * n**2 * log(H * n / delta) / lambda_0**2))),
            promises=KEPT,
        ),
    ),
    errors=(
        KnownError(
            "The prefactor c_res^2 / H^2 of the matrix makes n^2 log(H n / delta) / (lambda_0^2 H^4) sufficient: the "
            "printed width is more than needed."
        ),
    ),
)

PAPER = shared.paper("the random start of residual networks (Appendix C)", (initial_norms, initial_gram))
