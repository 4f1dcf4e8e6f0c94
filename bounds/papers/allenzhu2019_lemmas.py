r"""Allen-Zhu, Li and Song (ICML 2019): the random start, and after a perturbation. arXiv 1811.03962.

Lemmas 7.1 to 8.7, as recalled, with hidden constants; omega is the radius of the ball around the start and rho the
separation of the inputs, the paper's delta. Explicit editions are re-derived:

*Norms (Lemma 7.1).* A Gaussian row meets a unit vector in N(0, 2/m), so ||h_l||^2 is a product of l + 1 independent
factors (2/m) chi^2_w with w ~ Bin(m, 1/2) active neurons: of mean 1 and mean square (4/m^2) E (w^2 + 2 w) = 1 + 5/m. So
Var ||h_l||^2 = (1 + 5/m)^(l+1) - 1; Chebyshev's inequality for all n (L + 1) of them, with | ||h|| - 1 | >= eps only if
| ||h||^2 - 1 | >= 2 eps - eps^2. Exponential tails of the
same law are finite sums, see :mod:`bounds.relu_features`.

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
from bounds.quantities import d, delta, m, n, quantity
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
squares = measured("Q_s", "sum of the squared preactivations of the neurons of a layer that flip")
feature = measured("h", "norm of the features that enter the layer")
angle = measured("theta", "angle of two feature vectors of a layer at infinite width", r"\theta")
next_angle = measured("theta_1", "their angle one layer later", r"\theta^+")


def with_probability(exponent: Expr, count: Expr) -> Condition:
    """Count exp(-c exponent) <= delta."""
    return Condition("probability", Le(count * exp(-c_2 * exponent), delta))


FLIPS_RARE = with_probability(m * omega ** Q(2, 3) * L, Q(1))
SMALL = Condition("radius", Le(omega, c / (L ** Q(9, 2) * log(m) ** 3)))
START = (UNIT_ROWS, BIAS, SEPARATED)
RECALLED = "Its text could not be opened: printed editions and the numbers of lemmas are from memory."


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

PAPER = paper(
    statements=(forward, between, backward, separated, angle_map, stable, between_after, back_after),
    part="the random start and perturbations (Lemmas 7.1 to 8.7)",
    remark=RECALLED,
)
