r"""Allen-Zhu, Li and Song (ICML 2019): bounds of the gradient, semi-smoothness, tangent kernel. arXiv 1811.03962.

Theorems 3 to 5 and the lemmas under them, as recalled, with hidden constants; omega is the radius of the ball around
the start and rho the separation of the inputs, the paper's delta. Explicit editions are re-derived:

*Norms (Lemma 7.1).* A Gaussian row meets a unit vector in N(0, 2/m), so ||h_l||^2 is a product of l + 1 independent
factors (2/m) chi^2_w with w ~ Bin(m, 1/2) active neurons: of mean 1 and mean square (4/m^2) E (w^2 + 2 w) = 1 + 5/m. So
Var ||h_l||^2 = (1 + 5/m)^(l+1) - 1; Chebyshev's inequality for all n (L + 1) of them, with | ||h|| - 1 | >= eps only if
| ||h||^2 - 1 | >= 2 eps - eps^2. Exponential tails of the
same law are finite sums, see :mod:`bounds.relu_features`.

*Last layer (Lemma 9.2).* In the mean over B, ||grad_(W_L) F||^2 with the outputs' gradients v_i is
(m/d) sum_ij <v_i, v_j> K_ij, K_ij = <h_i, h_j> (1/m) #{neurons active for both}: at least (m/d) lambda_min(K)
sum_i ||v_i||^2. K tends to the matrix whose least eigenvalue is lambda_0 here.

*Quadratic term (Theorem 4).* The output of input i moves to first order by sum_l Back_(l+1) D W'_l h_(l-1), of norm at
most L c_b sqrt(m/d) (1 + eps) ||W'||_2 if all Back have norm at most c_b sqrt(m/d) and all features at most 1 + eps.
Half the sum of squares over n inputs is the quadratic term, up to changes of activation.

*Flips (Lemma 8.2), one layer.* With h_(l-1) fixed and ||W'_l||_2 <= omega, preactivations move by W'_l h_(l-1), of norm
at most omega ||h_(l-1)||. A neuron flips only if it moves by |g_j| at least: the squared preactivations of those that
flip sum to at most omega^2 ||h_(l-1)||^2, and W' of rank one attains it. As |g| has density sqrt(m/pi) / ||h|| at 0
they are about m (3 omega^2 / pi)^(1/3): the power 2/3 is right for the worst case.
"""

from __future__ import annotations

from sympy import Eq, Expr, Ge, Gt, Le, Lt, Symbol, acos, cos, exp, log, pi, sqrt
from sympy import Rational as Q

from bounds.arithmetic import large_constant, small_constant
from bounds.papers._allenzhu2019 import BIAS, FREE, NETWORKS, SEPARATED, L, omega, paper
from bounds.papers._systems import assumed, promised
from bounds.proofs import Obligation
from bounds.quantities import d, delta, lambda_0, m, n, quantity
from bounds.quantities import separation as rho
from bounds.statements import UNIT_ROWS, Condition, Edition, Mark, Promise, Statement

C, C_2 = large_constant("C"), large_constant("C_2")
C_m = large_constant("C_m", logarithms=True)
c, c_2 = small_constant("c"), small_constant("c_2")


def measured(name: str, meaning: str, latex: str = "", measured_by: str = "") -> Symbol:
    """A quantity that may be zero."""
    return quantity(name, meaning, latex=latex, measured_by=measured_by, nonnegative=True)


epsilon = quantity("eps", "relative accuracy", latex=r"\varepsilon", measured_by="feature norm goal")
sparsity = quantity("s", "number of nonzero entries", integer=True)
norm_deviation = measured(
    "N_h", "largest distance of a feature vector's norm from 1", measured_by="feature norm deviation"
)
product = measured(
    "P_W",
    "largest spectral norm of a product of weights and activations from one layer to another",
    measured_by="first intermediate norm",
)
product_perturbed = measured("P_W1", "the same after the perturbation", measured_by="intermediate norm")
bilinear = measured("P_uv", "largest |u.(product) v| over unit vectors of s nonzero entries")
back = measured(
    "B_2", "largest spectral norm of a matrix from a layer to the outputs", measured_by="first backward norm"
)
back_sparse = measured("B_s", "largest norm of such a matrix on unit vectors of s nonzero entries")
back_change = measured("dB", "largest change of a matrix from a layer to the outputs, spectral norm")
kept = measured(
    "r_h", "least norm of a feature vector beyond the direction of another one", measured_by="separation of features"
)
moved_features = measured("dh", "largest change of a feature vector", measured_by="feature travel")
flipped = measured(
    "F_0", "largest number of neurons of a layer that change activation, one input", measured_by="flipped neurons"
)
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
squares = measured("Q_s", "sum of the squared preactivations of the neurons of a layer that flip")
feature = measured("h", "norm of the features that enter the layer")
back_constant = quantity(
    "c_b", "bound on the matrices from layers to outputs, over sqrt(m/d)", measured_by="constant of the backward norm"
)
quadratic = measured(
    "Q_2",
    "half the sum of squares of the outputs' first-order changes",
    measured_by="first-order change of the outputs",
)
angle = measured("theta", "angle of two feature vectors of a layer at infinite width", r"\theta")
next_angle = measured("theta_1", "their angle one layer later", r"\theta^+")
mean_gradient = measured(
    "M_L",
    "mean over B of the squared gradient of the last hidden layer over the sum of squares of v, wide layers below",
)


def with_probability(exponent: Expr, count: Expr) -> Condition:
    """Count exp(-c exponent) <= delta."""
    return Condition("probability", Le(count * exp(-c_2 * exponent), delta))


FLIPS_RARE = with_probability(m * omega ** Q(2, 3) * L, Q(1))
SMALL = Condition("radius", Le(omega, c / (L ** Q(9, 2) * log(m) ** 3)))
START = (UNIT_ROWS, BIAS, SEPARATED)


def lemma(
    name: str,
    title: str,
    assumes: tuple[Condition, ...],
    promises: tuple[Promise, ...],
    *,
    more: tuple[Edition, ...] = (),
    rests_on: tuple[Statement, ...] = (),
    remark: str = "",
) -> Statement:
    """A lemma as recalled, with further editions."""
    printed = Edition("printed", Mark.FROM_MEMORY, assumes=(*START, *assumes), promises=promises)
    return Statement(
        name, title, NETWORKS, "any weights", (printed, *more), rests_on=rests_on, for_all=FREE, remark=remark
    )


# --- The random start -------------------------------------------------------------------------------------------------

gap = 2 * epsilon - epsilon**2
per_layer = 1 + delta * gap**2 / (n * (L + 1))


def chebyshev(edition: Edition) -> Obligation:
    """Chebyshev on each squared norm, and a union bound."""
    power = Symbol("q", positive=True)
    failure = n * (L + 1) * (power - 1) / gap**2
    return Obligation(
        "norms by Chebyshev",
        "q = 1 + delta gap^2 / (n (L + 1)); the variance (1 + 5/m)^(L+1) - 1 is at most q - 1.",
        given=(Eq(power, per_layer), assumed(edition, "accuracy")),
        claim=Le(failure, delta),
        planted=Le(failure, Q(9, 10) * delta),
    )


def factor_of_layer(edition: Edition) -> Obligation:
    """The mean square of one factor, at the width asked for."""
    asked = assumed(edition, "width").rhs
    root, order, square = Symbol("p", positive=True), per_layer ** (1 / (L + 1)), 1 + 5 / m
    return Obligation(
        "mean square of a factor",
        "The mean square 1 + 5/m of a factor is at most the root p of order L + 1.",
        given=(Gt(root, 1), Ge(m, asked.subs(order, root))),
        claim=Le(square, root),
        planted=Le(square, 1 + Q(9, 10) * (root - 1)),
    )


forward = lemma(
    "Lemma 7.1",
    "features of the random start have norm near 1",
    (with_probability(m * epsilon**2 / L, n * L),),
    (Promise("norm", Le(norm_deviation, epsilon)),),
    more=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                Condition("accuracy", Lt(epsilon, 1)),
                Condition("width", Ge(m, 5 / (per_layer ** (1 / (L + 1)) - 1))),
            ),
            promises=(Promise("norm", Le(norm_deviation, epsilon)),),
            reason="The exact variance of the squared norm and Chebyshev's inequality.",
            arguments=(factor_of_layer, chebyshev),
        ),
    ),
    remark="Asymptotically the exponent is (2/5) m eps^2 / (l + 1) for layer l.",
)

between = lemma(
    "Lemma 7.3",
    "products of weights and activations between layers have norm O(sqrt(L))",
    (Condition("width", Ge(m, C_m * n * L)), with_probability(m / L**2, Q(1))),
    (
        Promise("product", Le(product, C * sqrt(L))),
        Promise("sparse", Le(bilinear, C_2 * sqrt(sparsity * log(m) / m))),
    ),
    rests_on=(forward,),
    remark="Its number is unsure: another paper quotes it as 7.2. Also, on vectors of at most O(m / (L log m)) nonzero "
    "entries the norm is at most 2. Logarithms of n L in the width are hidden.",
)

backward = lemma(
    "Lemma 7.4",
    "matrices from layers to outputs have norm O(sqrt(m/d))",
    (Condition("outputs", Le(d, c * m / (L * log(m)))), with_probability(m / L, Q(1))),
    (
        Promise("back", Le(back, C * sqrt(m / d))),
        Promise("sparse", Le(back_sparse, C_2 * sqrt(sparsity * log(m) / d))),
    ),
    rests_on=(between,),
    remark="The second for d / log m <= s <= m / (L log m) up to constants, with probability 1 - exp(-Omega(s log m)).",
)

shape = (sqrt(1 - cos(angle) ** 2) + (pi - angle) * cos(angle)) / pi
separated = lemma(
    "Lemma 7.5",
    "features of different inputs stay apart",
    (Condition("separation", Le(rho, c / L)), with_probability(rho**6 * m / L, Q(1))),
    (Promise("beyond", Ge(kept, rho / 2)),),
    rests_on=(forward,),
    remark="The exponent 6 is recalled and unsure. At infinite width the constant of rho <= c / L is about 3 pi.",
)

angle_map = Statement(
    "Angle map",
    "how the angle of two inputs shrinks from layer to layer at infinite width",
    NETWORKS,
    "no training",
    for_all=FREE,
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS,),
            promises=(Promise("angle", Le(next_angle, acos(shape))), Promise("below", Le(next_angle, angle))),
            reason="2 E relu(u) relu(v) for standard normals u, v at that angle; an equality.",
        ),
    ),
    remark="theta shrinks like theta - theta^2 / (3 pi): half is lost after about 3 pi / theta layers.",
)

# --- After a perturbation ---------------------------------------------------------------------------------------------


def flipped_squares(edition: Edition) -> Obligation:
    """Flipped neurons have moved by at least their preactivation."""
    change = Symbol("dg", nonnegative=True)
    bound = promised(edition, "flipped")
    return Obligation(
        "flips of a layer",
        "Every flipped neuron moves by at least |g_j|, and all together by at most omega ||h|| in norm.",
        given=(Le(squares, change**2), Le(change, omega * feature)),
        claim=Le(squares, bound),
        planted=Le(squares, Q(9, 10) * bound),
    )


stable = lemma(
    "Lemma 8.2",
    "a perturbation of size omega flips O(m omega^(2/3) L) neurons and moves features by O(omega)",
    (SMALL, FLIPS_RARE),
    (
        Promise("flips", Le(flipped, C * m * omega ** Q(2, 3) * L)),
        Promise("features", Le(moved_features, C_2 * omega * L ** Q(5, 2) * sqrt(log(m)))),
    ),
    more=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(Promise("flipped", Le(squares, omega**2 * feature**2)),),
            reason="One layer with its input fixed; exact, attained by a change of rank one.",
            arguments=(flipped_squares,),
        ),
    ),
    rests_on=(forward, between),
    remark="Preactivations move by a part of norm O(omega L^(3/2)) and one of entries O(omega L^(5/2) sqrt(log(m)/m)).",
)

between_after = lemma(
    "Lemma 8.6",
    "products between layers keep norm O(sqrt(L))",
    (
        Condition("flips", Le(sparsity, c * m / (L**3 * log(m)))),
        Condition("radius", Le(omega, c_2 / L ** Q(3, 2))),
    ),
    (Promise("product", Le(product_perturbed, C * sqrt(L))),),
    rests_on=(between,),
    remark="For any change of at most s activations.",
)

back_after = lemma(
    "Lemma 8.7",
    "matrices to the outputs change by O(omega^(1/3))",
    (SMALL, FLIPS_RARE),
    (
        Promise("s flips", Le(back_change, C * sqrt(L**3 * sparsity * log(m) + omega**2 * L**3 * m) / sqrt(d))),
        Promise("typical", Le(back_change, C_2 * omega ** Q(1, 3) * L**2 * sqrt(m * log(m) / d))),
    ),
    rests_on=(backward, between_after, stable),
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
    (with_probability(rho * m / n, Q(1)),),
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
                        + C_m * n * L**2 * m / d * step**2,
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
            assumes=(*START, SMALL, FLIPS_RARE),
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
    statements=(
        forward,
        between,
        backward,
        separated,
        angle_map,
        stable,
        between_after,
        back_after,
        gradient_above,
        gradient_below,
        bounds_of_gradient,
        semi_smooth,
        kernel,
    ),
    part="the landscape near the start",
    remark="Its text could not be opened: printed editions and the numbers of lemmas are from memory.",
)
