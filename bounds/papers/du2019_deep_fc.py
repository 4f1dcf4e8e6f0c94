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

from sympy import Eq, Expr, Ge, Le, Max, Min, Symbol, log, sqrt
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
    OUTPUT_NORM,
    OUTPUTS,
    Q2,
    RATE_SO_FAR,
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
    feature_drift,
    g,
    geometric,
    mu,
    residual_now,
    rho,
    v,
    x,
    xi,
)
from bounds.papers._du2019_fully_connected import before, layer, powers, squares
from bounds.papers.du2019_deep_fc_start import (
    FEATURES,
    FREE,
    NETWORKS,
    NORMS,
    POWER_OF_TWO,
    V,
    features_width,
    initial_gram,
    initial_norms,
    norms_by_chebyshev,
    norms_propagate,
    of_weights,
)
from bounds.proofs import Obligation, Step, arguments
from bounds.quantities import (
    R,
    delta,
    e_0,
    eta,
    gram_drift,
    initial_least_eigenvalue,
    lambda_0,
    m,
    n,
)
from bounds.quantities import lipschitz as L
from bounds.quantities import normaliser as c_sigma
from bounds.quantities import smoothness as beta
from bounds.statements import UNIT_ROWS, Condition, Edition, KnownError, Mark, Promise, Statement

of_descent = partial(Statement, setting=NETWORKS, dynamics="gradient descent", for_all=FREE)

# --- Constants of the argument ---------------------------------------------------------------------------------------

ratio = 2 * v * c_w
GROWTH = (g, geometric(ratio, H))

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
    (drift, gram_stable, travel, curvature, outputs_move_little, descent),
)
