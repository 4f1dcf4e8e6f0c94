r"""Du, Lee, Li, Wang and Zhai (ICML 2019): deep fully-connected networks, Section 5. arXiv 1811.03804.

x^(h) = sqrt(c_sigma / m) s(W^(h) x^(h-1)) for h = 1..H, f = a.x^(H); s is L-Lipschitz with beta-Lipschitz derivative.
Write v = sqrt(c_sigma) L, and c_w, c_x, a_2, a_4 for what the random start is measured by: the norms of W^(2), ...,
W^(H) over sqrt(m), of the features, and of a. All weights may move by R sqrt(m) in Frobenius norm.

*Features.* ||x^(h) - x^(h)(0)|| <= v (c_w + R) ||x^(h-1) - x^(h-1)(0)|| + v c_x R, so they drift by at most
v c_x R g(H), g the geometric sum of the ratio v (c_w + R), at most that of c = 2 v c_w if R <= c_w.

*Gram matrix.* An entry of G^(H) is <x_i, x_j> (c_sigma / m) sum_r a_r^2 s'(z_ir) s'(z_jr) with features of layer H - 1.
Changing one factor after the other, with D the drift, and the preactivations' change sqrt(m) c_x g R: it changes by at
most c_sigma (L^2 a_2^2 D (2 c_x + D) + 2 L beta c_x^3 a_4^2 g R + L^2 (c_x + D)^2 R (2 a_2 + R)), and the matrix by at
most n times that.

*Gradients.* The block of W^(h) in a row of J has norm at most v c^(H-h) (a_2 + R) (c_x + D), that of a at most c_x + D.

*Lipschitz constant of a row.* Differentiating once more, blocks l >= h contribute v/L beta (c_x + D) (a_2 + R) c^(H-h)
times the root of sum_(i<=l) c^(2(l-i)), and the change of a and of later weights c^(H-h) v / sqrt(m) and c^(H-h-1) v^2
(a_2 + R) / sqrt(m); with w = max(c, 1)^(H-1) all powers are at most w and all those roots at most sqrt(H) w.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sympy import Eq, Expr, Ge, Le, Max, Min, Symbol, erf, exp, log, pi, sqrt
from sympy import Rational as Q

from bounds.papers import _du2019_deep as shared
from bounds.papers import _du2019_deep_steps as steps
from bounds.papers import _du2019_fully_connected as moves
from bounds.papers._du2019_deep import (
    DEVIATION,
    FOURTH,
    FOURTH_MOMENT,
    INITIAL_OUTPUTS,
    INSIDE,
    KEPT,
    MEAN,
    OUTPUT_NORM,
    OUTPUTS,
    Q2,
    RATE_SO_FAR,
    SMOOTH,
    WEIGHT_NORMS,
    WEIGHTS,
    A,
    C,
    Gamma,
    H,
    J,
    K,
    a_2,
    a_4,
    b,
    block_step,
    block_travel,
    c,
    c_w,
    c_x,
    delta_x,
    feature_drift,
    g,
    geometric,
    initial_feature,
    mu,
    residual_now,
    rho,
    smallest_feature,
    v,
    x,
    xi,
)
from bounds.papers._du2019_fully_connected import before, layer, powers, squares
from bounds.proofs import Obligation, Step, arguments
from bounds.quantities import (
    R,
    at_zero,
    delta,
    e_0,
    eta,
    gram_drift,
    initial_least_eigenvalue,
    lambda_0,
    m,
    n,
    quantity,
    unspecified,
)
from bounds.quantities import lipschitz as L
from bounds.quantities import normaliser as c_sigma
from bounds.quantities import smoothness as beta
from bounds.settings import FullyConnected
from bounds.statements import POSITIVE, UNIT_ROWS, Condition, Edition, Event, KnownError, Mark, Promise, Statement

NETWORKS = FullyConnected()
FREE = ("depth", "activation")
of_weights = partial(Statement, setting=NETWORKS, dynamics="any weights", for_all=FREE)
of_descent = partial(Statement, setting=NETWORKS, dynamics="gradient descent", for_all=FREE)

POWER_OF_TWO = unspecified("2^O", H, latex=r"2^{O(H)}")

# --- Constants of the argument ---------------------------------------------------------------------------------------

V = (v, sqrt(c_sigma) * L)
ratio = 2 * v * c_w
GROWTH = (g, geometric(ratio, H))

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

paths = 3 * sqrt(c_sigma) * L**2 * a_2**2 * g + 2 * beta * c_x * a_4**2 * g + 12 * L * a_2
ENTRY = (K, c_sigma * c_x**2 * L * paths)
radius = Min(c_w, a_2, 1 / (v * g), lambda_0 / (4 * n * K))
"""Features at most double there, and the Gram matrix loses at most lambda_0 / 4."""

hidden = 4 * v * a_2 * c_x * powers
JACOBIAN = (
    (powers, Max(ratio, 1) ** (H - 1)),
    (J, Max(hidden, 2 * c_x)),
    (Q2, H * hidden**2 + 4 * c_x**2),
    (xi, 2 * v * c_x * sqrt(H) * powers),
    (b, powers * (4 * H * sqrt(c_sigma) * beta * c_x * a_2 * sqrt(H) * powers + 2 * (H - 1) * v**2 * a_2 + v)),
    (rho, sqrt(H * (2 * c_x * b + 2 * v * a_2 * powers * xi) ** 2 + xi**2)),
)

paper_ratio = Max(ratio, 1)
travel_printed = 16 * c_x * a_2 * paper_ratio**H * sqrt(n) * e_0 / (lambda_0 * sqrt(m))
step_printed = 4 * eta * c_x * a_2 * paper_ratio**H * sqrt(n) * residual_now

# --- Appendix B ------------------------------------------------------------------------------------------------------

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


def features_drift(edition: Edition) -> Obligation:
    """One layer of the recursion for the drift of the features."""
    before = Symbol("D", nonnegative=True)
    one_layer, bound = v * (c_w + R) * before + v * c_x * R, ratio * before + v * c_x * R
    return Obligation(
        "drift of one layer",
        "A layer multiplies the drift by at most v (c_w + R) and adds v c_x R.",
        given=(Le(R, c_w),),
        claim=Le(one_layer, bound),
        planted=Le(one_layer, bound - v * c_x * R / 100),
    )


drift = of_weights(
    "Lemma B.3",
    "features stay near their start while the weights do",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=INSIDE,
            promises=(Promise("feature drift", Le(feature_drift, v * c_x * g * R)),),
            where=(V, GROWTH),
            arguments=(features_drift,),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=INSIDE[1:],
            promises=(Promise("feature drift", Le(feature_drift, v * c_x * g * R)),),
            where=(V, (g, geometric(v * (c_w + R), H))),
            reason="The ratio of the recursion is v (c_w + R) itself.",
        ),
    ),
)


def gram_stays(edition: Edition) -> Obligation:
    """The drift of an entry of the Gram matrix, factor by factor."""
    root, moved = Symbol("s", positive=True), Symbol("D", positive=True)
    change = root**2 * (
        L**2 * a_2**2 * moved * (2 * c_x + moved)
        + 2 * L * beta * c_x**3 * a_4**2 * g * R
        + L**2 * (c_x + moved) ** 2 * R * (2 * a_2 + R)
    )
    bound = R * ENTRY[1].subs(c_sigma, root**2)
    return Obligation(
        "Gram drift of an entry",
        "The change of the inner product of features, of the derivatives and of the output weights, one after another.",
        given=(Le(R, a_2), Le(root * L * g * R, 1), Eq(moved, root * L * c_x * g * R)),
        steps=(Step("features at most double", Le(moved, c_x)),),
        claim=Le(change, bound),
        planted=Le(change, Q(99, 100) * bound),
    )


gram_stable = of_weights(
    "Lemma B.4",
    "the last hidden layer's Gram matrix is stable while the weights stay near their start",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                Condition("radius", Le(R, c * lambda_0 / (n * g))),
                Condition("radius against the features", Le(R, c / g)),
                Condition("inside", Le(block_travel, R)),
            ),
            promises=(Promise("Gram drift", Le(gram_drift, lambda_0 / 4)),),
            where=(V, GROWTH),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                *INSIDE,
                Condition("radius against the output weights", Le(R, a_2)),
                Condition("radius against the features", Le(v * g * R, 1)),
            ),
            promises=(Promise("Gram drift", Le(gram_drift, n * R * K)),),
            where=(V, GROWTH, ENTRY),
            reason="The paper's route with every constant kept; the matrix is at most n times an entry.",
            arguments=(gram_stays,),
        ),
    ),
    rests_on=(drift,),
    errors=(KnownError("The last line of the proof multiplies the term with beta by a stray a_2^2."),),
)


travel = of_descent(
    "Lemma B.5",
    "while the loss follows the rate, every layer stays near its start",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(RATE_SO_FAR,),
            promises=(
                Promise("travel", Le(block_travel, travel_printed)),
                Promise("step of a layer", Le(block_step, step_printed)),
            ),
            where=(V,),
            arguments=(steps.steps_add_up(step_printed, travel_printed),),
        ),
    ),
    rests_on=(drift,),
)


def printed_step(power: int) -> Expr:
    """The step of Lemmas B.6 and B.7, which differ in a power."""
    return c * lambda_0 / (n**2 * H**2 * paper_ratio ** (power * H) * geometric(2 * paper_ratio, H))


curvature = of_descent(
    "Lemma B.6",
    "the second-order part of a step is small",
    editions=(replace(shared.second_order_part(printed_step(3)), where=(V,)),),
    rests_on=(travel,),
    errors=(KnownError("The proof sums over the hidden layers only; the block of the output layer is omitted."),),
)

outputs_move_little = of_descent(
    "Lemma B.7",
    "the outputs move little in one step",
    editions=(replace(shared.step_of_the_outputs(printed_step(2)), where=(V,)),),
    rests_on=(travel,),
    errors=(KnownError("The proof needs the square of the geometric sum where the condition has its first power."),),
)

# --- Theorem 5.1 -----------------------------------------------------------------------------------------------------

MEASURED = (
    V,
    (layer, v * (c_w + R)),
    (g, geometric(layer, H)),
    (before, geometric(layer, H - 1)),
    (squares, geometric(layer**2, H)),
    (A, a_2 + R),
    (x, c_x + v * c_x * R * g),
    (
        Gamma,
        c_sigma
        * (
            L**2 * a_2**2 * v * c_x * R * before * (c_x + x)
            + 2 * L * beta * c_x**3 * a_4**2 * g * R
            + L**2 * x**2 * R * (2 * a_2 + R)
        ),
    ),
    (mu, initial_least_eigenvalue - n * Gamma),
    (J, Max(v * A * x * Max(layer, 1) ** (H - 1), x)),
    (Q2, (v * A * x) ** 2 * squares + x**2),
    (xi, v * x * sqrt(squares)),
    (b, H * sqrt(c_sigma) * beta * x * A * sqrt(squares) + (H - 1) * v**2 * A / (layer * sqrt(m)) + v / sqrt(m)),
    (rho, sqrt(squares * (x * b + v * A * xi / sqrt(m)) ** 2 + xi**2 / m)),
)

descent = of_descent(
    "Theorem 5.1",
    "gradient descent trains deep fully-connected networks to zero loss at a linear rate",
    identifier="du2019-deep-fc",
    concludes="exact fit",
    editions=(
        shared.hidden_constants(
            UNIT_ROWS,
            C * POWER_OF_TWO * Max(n**4 / lambda_0**4, n / delta, n**2 * log(H * n / delta) / lambda_0**2),
            c * lambda_0 / (n**2 * POWER_OF_TWO),
        ),
        shared.hidden_constants(
            UNIT_ROWS,
            C * POWER_OF_TWO * Max(n**4 * DEVIATION / lambda_0**4, n / delta, n**2 * log(H * n / delta) / lambda_0**2),
            c * lambda_0 / (n**2 * POWER_OF_TWO),
            corrected="The first term comes from the travel, which has ||e(0)||: with probability 1 - delta of order "
            "sqrt(n) (1 + sqrt(2 log(1/delta))), and not sqrt(n).",
        ),
        shared.from_the_start(
            UNIT_ROWS,
            (WEIGHT_NORMS, OUTPUT_NORM, FOURTH_MOMENT, Condition("initial features", Ge(m, features_width))),
            v * c_x * g * R,
            where=(V, GROWTH, *NORMS, ENTRY, *JACOBIAN),
            radius=radius,
            events=(WEIGHTS, OUTPUTS, FOURTH, FEATURES, INITIAL_OUTPUTS),
            reason="The paper's route with every constant kept, and the second order of a step bounded by the "
            "Lipschitz constant of the Jacobian's rows, which allows steps of order 1/n. The least eigenvalue of the "
            "initial matrix has to be measured: no usable constant of Theorem E.1 is known for H >= 2.",
            arguments=(
                arguments.union_of_events,
                steps.matrix_norms(),
                steps.output_norms(),
                steps.fourth_moment(),
                norms_by_chebyshev,
                norms_propagate,
                features_drift,
                gram_stays,
                *moves.ROUNDED_UP,
                *steps.DESCENT,
            ),
        ),
        shared.for_one_start(
            UNIT_ROWS,
            v * c_x * g * R,
            where=MEASURED,
            arguments=(
                *moves.WITHIN_THE_RADIUS,
                steps.products_change,
                steps.entry_moves(c_sigma, moves.DRIFT, c_x * g * R),
                *steps.ANY_DESCENT,
            ),
        ),
    ),
    rests_on=(initial_norms, initial_gram, gram_stable, travel, curvature, outputs_move_little),
    errors=(
        KnownError(
            "Definition 5.1 takes the covariance A^(H-1) for the derivatives of the last layer; its own (13), Lemma "
            "E.1 and Proposition F.1 need A^(H). At H = 1 the printed A^(0) is not defined."
        ),
        KnownError("||e(0)|| = O(sqrt(n)) is used without its probability; the events of the start are not counted."),
        KnownError("The slides of the talk give the rate 1 - eta lambda_0; the proof gives 1 - 5/8 eta lambda_0."),
    ),
)

PAPER = shared.paper(
    "fully-connected networks (Section 5, Appendix B)",
    (initial_norms, initial_gram, drift, gram_stable, travel, curvature, outputs_move_little, descent),
)
