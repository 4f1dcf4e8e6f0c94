r"""Allen-Zhu, Li and Song (ICML 2019): bounds of the gradient, semi-smoothness, tangent kernel. arXiv 1811.03962.

Theorems 3 to 5 and Lemmas 9.1 and 9.2, as recalled, with hidden constants, in the notation of
:mod:`bounds.papers.allenzhu2019_lemmas`. Explicit editions are re-derived:

*Last layer (Lemma 9.2).* In the mean over B, ||grad_(W_L) F||^2 with the outputs' gradients v_i is
(m/d) sum_ij <v_i, v_j> K_ij, K_ij = <h_i, h_j> (1/m) #{neurons active for both}: at least (m/d) lambda_min(K)
sum_i ||v_i||^2. K tends to the matrix whose least eigenvalue is lambda_0 here.

*Quadratic term (Theorem 4).* The output of input i moves to first order by sum_l Back_(l+1) D W'_l h_(l-1), of norm at
most L c_b sqrt(m/d) (1 + eps) ||W'||_2 if all Back have norm at most c_b sqrt(m/d) and all features at most 1 + eps.
Half the sum of squares over n inputs is the quadratic term, up to changes of activation.
"""

from __future__ import annotations

from sympy import Ge, Le, Symbol, log, sqrt
from sympy import Rational as Q

from bounds.arithmetic import large_constant
from bounds.papers._allenzhu2019 import FREE, NETWORKS, SEPARATION, L, omega, paper
from bounds.papers._systems import promised
from bounds.papers.allenzhu2019_lemmas import (
    C_2,
    FLIPS_RARE,
    RECALLED,
    SMALL,
    START,
    C,
    C_m,
    back,
    back_after,
    backward,
    between,
    c,
    c_2,
    epsilon,
    forward,
    lemma,
    measured,
    norm_deviation,
    separated,
    stable,
    with_probability,
)
from bounds.proofs import Obligation
from bounds.quantities import d, lambda_0, m, n, quantity
from bounds.quantities import separation as rho
from bounds.statements import UNIT_ROWS, Condition, Edition, Mark, Promise, Statement

C_3 = large_constant("C_3")

gradient_i = measured(
    "g_i",
    "largest norm of one input's gradient in a layer, over that of its outputs' gradient",
    measured_by="gradient of an input",
)
gradient_l = measured(
    "g_l",
    "largest norm of the gradient in a layer, over the root of the sum of squares of v",
    measured_by="gradient of a layer",
)
gradient_L = measured(
    "g_L",
    "least norm of the gradient in the last hidden layer, over the largest norm of v",
    measured_by="gradient of the last layer",
)
error = measured(
    "R_S",
    "what the loss exceeds its linear expansion by, at W of loss F, moving by W'",
    measured_by="semi-smoothness remainder",
)
here = measured("F_W", "loss at W, half the sum of squares", measured_by="first loss")
step = measured(
    "dW", "largest spectral norm of a layer's change from W", r"\lVert W'\rVert_2", measured_by="spectral travel"
)
drift = measured(
    "dJ",
    "change of an output's gradient over its norm at the start",
    measured_by="relative change of an output's gradient",
)
linearisation = measured(
    "T_2", "distance of an output from its linearisation at the start", measured_by="distance from the linearisation"
)
kernel_drift = measured(
    "dK",
    "change of the kernel over the root of the product of its diagonal entries",
    measured_by="relative change of the kernel",
)
back_constant = quantity(
    "c_b", "bound on the matrices from layers to outputs, over sqrt(m/d)", measured_by="constant of the backward norm"
)
quadratic = measured(
    "Q_2",
    "half the sum of squares of the outputs' first-order changes",
    measured_by="first-order change of the outputs",
)
mean_gradient = measured(
    "M_L",
    "mean over B of the squared gradient of the last hidden layer over the sum of squares of v, wide layers below",
)


# --- Gradients --------------------------------------------------------------------------------------------------------

gradient_above = lemma(
    "Lemma 9.1",
    "gradients at the start are at most O(m/d) times the squared gradients v of the outputs",
    (with_probability(m / L, Q(1)),),
    (
        Promise("one input", Le(gradient_i**2, C * m / d)),
        Promise("all inputs", Le(gradient_l**2, C_2 * n * m / d)),
    ),
    rests_on=(forward, backward),
    remark="v is fixed before the draw. Asymptotically the first constant is 1.",
)

gradient_below = lemma(
    "Lemma 9.2",
    "the gradient of the last hidden layer at the start is at least of order rho m / (d n)",
    (SEPARATION, with_probability(rho * m / n, Q(1))),
    (Promise("last layer", Ge(gradient_L**2, c * rho * m / (d * n))),),
    rests_on=(forward, separated),
    more=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS,),
            promises=(Promise("last layer", Ge(mean_gradient, m * lambda_0 / d)),),
            reason="In the mean over B, with the matrix K of the last layer at its infinite-width limit; the sum of "
            "squares of v is at least the largest of them.",
        ),
    ),
    remark="For n = 2 the power 1 of rho is exact: with v_1 = -v_2 the form is about theta / pi. The lower bound uses "
    "W_L alone; in effect it says lambda_min(K) >= c rho / n^2.",
)

bounds_of_gradient = Statement(
    "Theorem 3",
    "no critical points near the start: the gradient is bounded by the loss from both sides",
    NETWORKS,
    "any weights",
    identifier="allenzhu2019-gradients",
    concludes="conditioning",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                *START,
                SEPARATION,
                Condition("radius", Le(omega, c * rho ** Q(3, 2) / (n ** Q(9, 2) * L**6 * log(m) ** 3))),
                FLIPS_RARE,
            ),
            promises=(
                Promise("one input", Le(gradient_i**2, C * m / d)),
                Promise("all inputs", Le(gradient_l**2, C_2 * n * m / d)),
                Promise("last layer", Ge(gradient_L**2, c_2 * rho * m / (d * n))),
            ),
        ),
    ),
    rests_on=(gradient_above, gradient_below, stable),
    remark="v is the residual of each input. Its net over all residuals asks for m >= Omega~(n^2 d / rho), which "
    "Theorem 1's width contains. Upper bounds and radius are quoted by a paper that was read.",
)


def first_order(edition: Edition) -> Obligation:
    """The quadratic term from norms of its factors."""
    each = Symbol("u", nonnegative=True)
    bound = promised(edition, "quadratic term")
    return Obligation(
        "quadratic term",
        "Each output moves by at most L c_b sqrt(m/d) (1 + eps) ||W'||_2; half of n squares.",
        given=(Le(each**2, L**2 * back_constant**2 * (m / d) * (1 + epsilon) ** 2 * step**2),),
        claim=Le(n * each**2 / 2, bound),
        planted=Le(n * each**2 / 2, Q(9, 10) * bound),
    )


semi_smooth = Statement(
    "Theorem 4",
    "the loss is nearly smooth near the start",
    NETWORKS,
    "any weights",
    identifier="allenzhu2019-semismooth",
    concludes="conditioning",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                *START,
                SMALL,
                Condition("least radius", Ge(omega, C_2 * (d / (m * L * log(m))) ** Q(3, 2))),
                FLIPS_RARE,
            ),
            promises=(
                Promise(
                    "semi-smoothness",
                    Le(
                        error,
                        C * sqrt(here) * omega ** Q(1, 3) * L**2 * sqrt(m * n * log(m) / d) * step
                        + C_3 * n * L**2 * m / d * step**2,
                    ),
                ),
            ),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                Condition("back", Le(back, back_constant * sqrt(m / d))),
                Condition("norms", Le(norm_deviation, epsilon)),
            ),
            promises=(
                Promise(
                    "quadratic term",
                    Le(quadratic, n * L**2 * m / d * back_constant**2 * (1 + epsilon) ** 2 * step**2 / 2),
                ),
            ),
            reason="The quadratic term alone, with measured norms; changes of activation come on top.",
            arguments=(first_order,),
        ),
    ),
    rests_on=(forward, between, backward, stable, back_after),
    remark="The lower end of the radius says that at least d / log m neurons may flip.",
)

kernel = Statement(
    "Theorem 5",
    "near the start the network is nearly its linearisation",
    NETWORKS,
    "any weights",
    identifier="allenzhu2019-ntk",
    concludes="approximation",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                *START,
                SMALL,
                Condition("least radius", Ge(omega, C_m / (m * L) ** Q(3, 2))),
                FLIPS_RARE,
            ),
            promises=(
                Promise("gradient", Le(drift, C * sqrt(log(m)) * omega ** Q(1, 3) * L**3)),
                Promise("linearisation", Le(linearisation, C_2 * omega ** Q(4, 3) * L**3 * sqrt(m * log(m)))),
                Promise("kernel", Le(kernel_drift, C * sqrt(log(m)) * omega ** Q(1, 3) * L**3)),
            ),
        ),
    ),
    rests_on=(semi_smooth, back_after),
    remark="Not in the first version. For a fixed input; the first item is quoted by a paper that was read, how d "
    "enters the second is unsure.",
)

PAPER = paper(
    statements=(gradient_above, gradient_below, bounds_of_gradient, semi_smooth, kernel),
    part="the landscape near the start (Theorems 3 to 5)",
    remark=RECALLED,
)
