r"""Du, Lee, Li, Wang and Zhai (ICML 2019): the random start of deep fully-connected networks. arXiv 1811.03804.

Lemmas B.1 and B.2, in the notation of :mod:`bounds.papers.du2019_deep_fc`.

*Features.* Given layer h - 1, the squared norm of x^(h) is a mean of m independent terms of variance at most C_4:
Chebyshev. Its mean is 1 if ||x^(h-1)|| = 1, and moves by at most C_1 times the deviation of ||x^(h-1)||^2 from 1 while
that is at most 1/2; so all n H squared norms are within 1/2 of 1 if each is within 1 / (2 g_0) of its conditional mean,
g_0 the geometric sum of C_1.

*Last layer.* Given the features before it, the Gram matrix is a mean of m independent positive terms a_r^2 (s'(w_r.x_i)
s'(w_r.x_j) <x_i, x_j>): matrix Chernoff on those with |a_r| <= 3.
"""

from __future__ import annotations

from functools import partial

from sympy import Eq, Ge, Le, Symbol, erf, exp, log, pi, sqrt
from sympy import Rational as Q

from bounds.papers import _du2019_deep as shared
from bounds.papers import _du2019_deep_steps as steps
from bounds.papers._du2019_deep import (
    KEPT,
    MEAN,
    SMOOTH,
    C,
    H,
    c_x,
    delta_x,
    geometric,
    initial_feature,
    smallest_feature,
    v,
)
from bounds.proofs import Obligation
from bounds.quantities import at_zero, delta, initial_least_eigenvalue, lambda_0, m, n, quantity, unspecified
from bounds.quantities import lipschitz as L
from bounds.quantities import normaliser as c_sigma
from bounds.settings import FullyConnected
from bounds.statements import POSITIVE, UNIT_ROWS, Condition, Edition, Event, KnownError, Mark, Promise, Statement

NETWORKS = FullyConnected()
FREE = ("depth", "activation")
of_weights = partial(Statement, setting=NETWORKS, dynamics="any weights", for_all=FREE)

POWER_OF_TWO = unspecified("2^O", H, latex=r"2^{O(H)}")

V = (v, sqrt(c_sigma) * L)
mean_slope = quantity("C_1", "bound on how the squared norm of a layer grows with the norm of the one before")
norm_growth_printed = c_sigma * L * (2 * at_zero * MEAN + 2 * L)
norm_growth = c_sigma * L * (2 * at_zero * MEAN + Q(5, 2) * L)

moment = quantity("C_4", "c_sigma^2 E (|s(0)| + 3/2 L |z|)^4, z ~ N(0, 1)")
reach = Q(3, 2) * L
moment_of_reach = c_sigma**2 * (
    at_zero**4
    + 4 * at_zero**3 * reach * MEAN
    + 6 * at_zero**2 * reach**2
    + 8 * at_zero * reach**3 * MEAN
    + 3 * reach**4
)
deviations = quantity("g_0", "geometric sum of C_1 over the layers")
features_width = 4 * moment * n * H * deviations**2 / delta_x
"""Chebyshev on all norms of all layers."""

NORMS = ((mean_slope, norm_growth), (deviations, geometric(mean_slope, H)), (moment, moment_of_reach))

last_features = quantity(
    "X_H", "spectral norm of the matrix of features before the last layer", latex=r"\lVert X^{(H-1)}\rVert"
)
conditional_eigenvalue = quantity(
    "lambda_hat", "least eigenvalue of the Gram matrix given the features before the last layer", latex=r"\hat\lambda"
)

truncated = quantity("tau", "E[z^2; |z| <= 3], z ~ N(0, 1)", latex=r"\tau")
chernoff = quantity("kappa", "exponent of the matrix Chernoff bound for the last layer", latex=r"\kappa")
kept = Q(3, 4) / truncated
last_layer_width = v**2 * last_features**2 * log(n / delta_x) / (chernoff * conditional_eigenvalue)

TRUNCATION = (
    V,
    (truncated, erf(3 / sqrt(2)) - 6 * exp(-Q(9, 2)) / sqrt(2 * pi)),
    (chernoff, truncated * (1 - kept + kept * log(kept)) / 9),
)
"""tau is about 0.9707 and 1/kappa about 330.4."""

FEATURES = Event(delta_x, "every initial feature vector has norm between sqrt(1/2) and sqrt(3/2)", c_x, sqrt(Q(3, 2)))


def norms_by_chebyshev(edition: Edition) -> Obligation:
    """Chebyshev on the squared norm of each layer's features given the layer before."""
    deviation = Symbol("t", positive=True)
    failure = n * H * moment / (m * deviation**2)
    return Obligation(
        "features by Chebyshev",
        "Each of n H squared norms is off its conditional mean by more than t with probability at most C_4 / (m t^2); "
        "then all are off 1 by at most t g_0 = 1/2.",
        given=(Ge(m, features_width), Eq(deviation, 1 / (2 * deviations))),
        claim=Le(failure, delta_x),
        planted=Le(failure, Q(99, 100) * delta_x),
    )


def norms_propagate(edition: Edition) -> Obligation:
    """How the squared norm of a layer depends on the norm of the layer before."""
    alpha = Symbol("alpha", positive=True)
    slope_of_mean = c_sigma * L * (2 * at_zero * MEAN + L * (alpha + 1))
    return Obligation(
        "deviations grow by a factor",
        "c_sigma |E s(alpha z)^2 - E s(z)^2| <= c_sigma L |alpha - 1| E |z| (2 |s(0)| + L (alpha + 1) |z|).",
        given=(Le(alpha, Q(3, 2)),),
        claim=Le(slope_of_mean, norm_growth),
        planted=Le(slope_of_mean, norm_growth - c_sigma * L**2 / 100),
    )


initial_norms = of_weights(
    "Lemma B.1",
    "the features of the initial network neither explode nor vanish",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                SMOOTH,
                Condition("width", Ge(m, C * n * H * geometric(norm_growth_printed, H) ** 2 / delta)),
            ),
            promises=(
                Promise("largest feature", Le(initial_feature, 2)),
                Promise("least feature", Ge(smallest_feature, Q(1, 2))),
            ),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, SMOOTH, Condition("width", Ge(m, features_width))),
            promises=(
                Promise("largest feature", Le(initial_feature, sqrt(Q(3, 2)))),
                Promise("least feature", Ge(smallest_feature, sqrt(Q(1, 2)))),
            ),
            where=NORMS,
            events=(Event(delta_x, "no squared norm is far from its conditional mean"),),
            reason="Squared norms deviate by t from their conditional means and by t g(h) in all, where the slope of "
            "the mean is bounded with alpha + 1 <= 5/2; |alpha - 1| <= |alpha^2 - 1|.",
            arguments=(norms_by_chebyshev, norms_propagate),
        ),
    ),
    errors=(
        KnownError("C is computed with alpha + 1 <= 2, but alpha may be up to 3/2: the last 2 L must be 5/2 L."),
        KnownError("C_2 lacks the factor c_sigma^2, and its odd powers lack absolute values."),
    ),
)


def chernoff_last_layer(edition: Edition) -> Obligation:
    """Matrix Chernoff on neurons of the last layer whose output weight is at most 3."""
    exponent = chernoff * m * conditional_eigenvalue / (v**2 * last_features**2)
    return Obligation(
        "initial Gram by matrix Chernoff",
        "A sum of positive summands of norm at most 9 v^2 ||X||^2 / m and mean at least tau lambda falls below 3/4 "
        "lambda with probability at most n exp(-(1 - c + c log c) tau m lambda / (9 v^2 ||X||^2)), c = 3 / (4 tau).",
        given=(steps.relation(edition, "width"),),
        claim=Le(n * exp(-exponent), delta_x),
        planted=Le(n * exp(-Q(99, 100) * exponent), delta_x),
    )


initial_gram = of_weights(
    "Lemma B.2",
    "the least eigenvalue of the initial Gram matrix is close to the infinite-width one",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("width", Ge(m, C * n**2 * log(H * n / delta) * POWER_OF_TWO / lambda_0**2)),
            ),
            promises=KEPT,
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, Condition("width", Ge(m, last_layer_width))),
            promises=(
                Promise("initial least eigenvalue", Ge(initial_least_eigenvalue, 3 * conditional_eigenvalue / 4)),
            ),
            where=TRUNCATION,
            events=(Event(delta_x, "the last layer represents its conditional mean"),),
            reason="Given the features before the last layer, whose matrix is measured: truncate |a_r| <= 3 and apply "
            "matrix Chernoff (Tropp 2012, from memory). For H = 1 this is the infinite-width matrix.",
            arguments=(chernoff_last_layer,),
        ),
    ),
    remark="Rests on Theorem E.1 and Lemma E.1 for H >= 2, whose constants grow as a product over the layers.",
)

PAPER = shared.paper("the random start of fully-connected networks (Appendix B)", (initial_norms, initial_gram))
