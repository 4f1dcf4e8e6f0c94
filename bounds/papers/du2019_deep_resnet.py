r"""Du, Lee, Li, Wang and Zhai (ICML 2019): residual networks, Section 6. arXiv 1811.03804.

x^(1) = sqrt(c_sigma / m) s(W^(1) x), x^(h) = x^(h-1) + kappa / sqrt(m) s(W^(h) x^(h-1)) for h = 2..H, kappa = c_res /
H, f = a.x^(H). Write v = sqrt(c_sigma) L; c_w, c_x, a_2, a_4 measure the start as for fully-connected networks, and all
weights may move by R sqrt(m) in Frobenius norm.

*Features.* With t = 1 + kappa L (c_w + R), layers drift by D_1 = v R, D_h = t D_(h-1) + kappa L c_x R; if R <= c_w then
t^H <= T = exp(2 c_res L c_w), and D_H <= (v + c_x / c_w) T R.

*Gram matrix.* As for fully-connected networks, with kappa^2 for c_sigma and the change of the last preactivations
sqrt(m) ((c_w + R) D_(H-1) + R c_x).

*Gradients.* The blocks of a row of J have norms at most v A t^(H-1) for W^(1), whose input has norm 1, kappa L A
t^(H-h) (c_x + D_H) for W^(h), and c_x + D_H for a, where A = a_2 + R. **The first and the last have no factor 1 / H.**

*Lipschitz constant of a row.* Features move by p, preactivations by omega sqrt(m) per unit of all weights; backward
products of Jacobians by t^(H-h) (1 + (H - h) kappa A (L + (c_w + R) beta omega sqrt(m)) / t).
"""

from __future__ import annotations

from functools import partial

import flint
from flint import arb
from sympy import Expr, Ge, Le, Max, Min, exp, log, sqrt
from sympy import Rational as Q

from bounds.activations import TANH
from bounds.arithmetic import PRECISION, Enclosure, Values, Verdict, compare, evaluate
from bounds.papers import _du2019_deep as shared
from bounds.papers import _du2019_deep_steps as steps
from bounds.papers import _du2019_residual as moves
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
    geometric,
    mu,
    residual_now,
    rho,
    v,
    x,
    xi,
)
from bounds.papers._du2019_residual import before_last, drift_rate, kappa, last, layer, omega, squares, stretch
from bounds.papers.du2019_deep_resnet_start import (
    FEATURES,
    FREE,
    NETWORKS,
    first_layer_width,
    first_norm_by_chebyshev,
    initial_gram,
    initial_norms,
    moment,
    moment_of_first,
    of_weights,
)
from bounds.proofs import Obligation, arguments
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
from bounds.quantities import residual_scale as c_res
from bounds.quantities import smoothness as beta
from bounds.statements import UNIT_ROWS, Condition, Edition, KnownError, Mark, Promise, Statement

of_descent = partial(Statement, setting=NETWORKS, dynamics="gradient descent", for_all=FREE)

# --- Constants of the argument ---------------------------------------------------------------------------------------

V = (v, sqrt(c_sigma) * L)
BRANCH = (kappa, c_res / H)
STRETCH = (stretch, exp(2 * c_res * L * c_w))
DRIFT = (drift_rate, (v + c_x / c_w) * stretch)

parts = (
    3 * c_x * drift_rate * L**2 * a_2**2
    + 2 * beta * L * c_x**2 * (2 * drift_rate * c_w + c_x) * a_4**2
    + 12 * L**2 * c_x**2 * a_2
)
ENTRY = (K, kappa**2 * parts)
radius = Min(c_w, a_2, c_x / drift_rate, lambda_0 / (4 * n * K))

first_block = 2 * v * a_2 * stretch
hidden_block = 4 * kappa * L * a_2 * stretch * c_x
GRADIENT = (J, Max(first_block, hidden_block, 2 * c_x))
JACOBIAN = (
    GRADIENT,
    (Q2, first_block**2 + (H - 1) * hidden_block**2 + 4 * c_x**2),
    (xi, sqrt((v * stretch) ** 2 + (H - 1) * (2 * kappa * L * c_x * stretch) ** 2)),
    (omega, 2 * sqrt((c_w * xi) ** 2 + c_x**2)),
    (b, L * (1 + 2 * c_res * a_2 * (L + 2 * c_w * beta * omega))),
    (
        rho,
        sqrt(
            c_sigma * stretch**2 * (2 * beta * a_2 + b) ** 2
            + (H - 1) * (kappa * stretch) ** 2 * (2 * c_x * (2 * beta * omega * a_2 + b) + 2 * L * a_2 * xi) ** 2
            + xi**2
        ),
    ),
)

backward_printed = c_res * c_x * a_2 * L * exp(2 * c_res * c_w * L) / H
travel_printed = 16 * backward_printed * sqrt(n) * e_0 / (lambda_0 * sqrt(m))
step_printed = 4 * eta * backward_printed * sqrt(n) * residual_now
travel_corrected = 4 * J * sqrt(n) * e_0 / (lambda_0 * sqrt(m))
step_corrected = eta * J * sqrt(n) * residual_now

# --- Appendix C ------------------------------------------------------------------------------------------------------


drift = of_weights(
    "Lemma C.3",
    "features stay near their start while the weights do",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=INSIDE,
            promises=(Promise("feature drift", Le(feature_drift, drift_rate * R)),),
            where=(V, STRETCH, DRIFT),
            arguments=(moves.drift_of_a_layer,),
        ),
    ),
)


def gram_stays(edition: Edition) -> Obligation:
    """The drift of an entry of the Gram matrix, factor by factor."""
    moved = drift_rate * R
    change = kappa**2 * (
        L**2 * a_2**2 * moved * (2 * c_x + moved)
        + 2 * L * beta * c_x**2 * a_4**2 * ((c_w + R) * moved + R * c_x)
        + L**2 * (c_x + moved) ** 2 * R * (2 * a_2 + R)
    )
    bound = R * ENTRY[1]
    return Obligation(
        "Gram drift of an entry",
        "The change of the inner product of features, of the derivatives and of the output weights, one after another.",
        given=(Le(R, a_2), Le(R, c_w), Le(moved, c_x)),
        claim=Le(change, bound),
        planted=Le(change, Q(99, 100) * bound),
    )


gram_stable = of_weights(
    "Lemma C.4",
    "the last hidden layer's Gram matrix is stable while the weights stay near their start",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                Condition("radius", Le(R, c * lambda_0 * H**2 / n)),
                Condition("radius against the features", Le(R, c)),
                Condition("inside", Le(block_travel, R)),
            ),
            promises=(Promise("Gram drift", Le(gram_drift, lambda_0 / 2)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                *INSIDE,
                Condition("radius against the output weights", Le(R, a_2)),
                Condition("radius against the features", Le(drift_rate * R, c_x)),
            ),
            promises=(Promise("Gram drift", Le(gram_drift, n * R * K)),),
            where=(V, BRANCH, STRETCH, DRIFT, ENTRY),
            reason="The paper's route with every constant kept; the matrix is at most n times an entry.",
            arguments=(gram_stays,),
        ),
    ),
    rests_on=(drift,),
    errors=(KnownError("Promises lambda_0 / 2, which leaves too little of 3/4 lambda_0: lambda_0 / 4 is needed."),),
)


def output_layer_against(printed: Expr) -> Verdict:
    """One input x = 1, one neuron, tanh, W^(1) = 1 and all other W^(h) = 0, a = 1, residual 1, H = 10, c_res = 1/10.

    All features are sqrt(c_sigma) tanh(1), between 1/c_x and c_x = 5/4; a_2 = L = 1, and c_w = 3 bounds all matrices.
    The first step of a is eta times the last feature; the printed bound on a step is smaller.
    """
    with flint.ctx.workprec(PRECISION):
        step = Enclosure(TANH.normaliser.sqrt() * arb(1).tanh())
    numbers: Values = {n: 1, H: 10, c_res: Enclosure(arb(1) / 10), c_x: Enclosure(arb(5) / 4), a_2: 1, c_w: 3, L: 1}
    return compare(step, "<=", evaluate(printed, {**numbers, eta: 1, residual_now: 1}))


travel = of_descent(
    "Lemma C.5",
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
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(RATE_SO_FAR,),
            promises=(
                Promise("travel", Le(block_travel, travel_corrected)),
                Promise("step of a layer", Le(block_step, step_corrected)),
            ),
            where=(V, BRANCH, STRETCH, GRADIENT),
            reason="Only the branches carry 1 / H: the first layer and the output layer do not, and J is the largest "
            "of the three kinds of blocks.",
            arguments=(steps.steps_add_up(step_corrected, travel_corrected),),
        ),
    ),
    rests_on=(drift,),
    errors=(
        KnownError(
            "False as printed: the bound carries 1 / H, but the gradients of the output layer and of the first layer "
            "do not. The travel is of order sqrt(n) ||e(0)|| / (lambda_0 sqrt(m)), without 1 / H.",
            partial(output_layer_against, step_printed),
        ),
    ),
)

curvature = of_descent(
    "Lemma C.6",
    "the second-order part of a step is small",
    editions=(shared.second_order_part(c * lambda_0 * H**2 / n**2),),
    rests_on=(travel,),
    errors=(KnownError("The proof sums over the hidden layers only; the block of the output layer is omitted."),),
)

outputs_move_little = of_descent(
    "Lemma C.7",
    "the outputs move little in one step",
    editions=(
        shared.step_of_the_outputs(c * lambda_0 * H**2 / n**2),
        shared.step_of_the_outputs(c * lambda_0 / n**2, corrected=True),
    ),
    rests_on=(travel,),
)

# --- Theorem 6.1 -----------------------------------------------------------------------------------------------------

MEASURED = (
    V,
    BRANCH,
    (layer, 1 + kappa * L * (c_w + R)),
    (before_last, layer ** (H - 2) * v * R + kappa * L * c_x * R * geometric(layer, H - 2)),
    (last, layer * before_last + kappa * L * c_x * R),
    (squares, geometric(layer**2, H - 1)),
    (A, a_2 + R),
    (x, c_x + last),
    (
        Gamma,
        kappa**2
        * (
            L**2 * a_2**2 * before_last * (c_x + x)
            + 2 * L * beta * c_x**2 * a_4**2 * ((c_w + R) * before_last + R * c_x)
            + L**2 * x**2 * R * (2 * a_2 + R)
        ),
    ),
    (mu, initial_least_eigenvalue - n * Gamma),
    (J, Max(v * A * layer ** (H - 1), kappa * L * A * layer ** (H - 2) * x, x)),
    (Q2, (v * A * layer ** (H - 1)) ** 2 + (kappa * L * A * x) ** 2 * squares + x**2),
    (xi, sqrt((v * layer ** (H - 1)) ** 2 + (kappa * L * x) ** 2 * squares)),
    (omega, sqrt(((c_w + R) * xi) ** 2 + x**2)),
    (b, L * (1 + (H - 1) * kappa * A * (L + (c_w + R) * beta * omega * sqrt(m)) / layer) / sqrt(m)),
    (
        rho,
        sqrt(
            c_sigma * layer ** (2 * H - 2) * (beta * A + b) ** 2
            + squares * kappa**2 * (x * (beta * omega * A + b) + L * A * xi / sqrt(m)) ** 2
            + xi**2 / m
        ),
    ),
)

EXPLICIT = (V, BRANCH, STRETCH, DRIFT, ENTRY, *JACOBIAN)
ARGUMENTS = (moves.drift_of_a_layer, gram_stays, *moves.ROUNDED_UP)
ANY_ARGUMENTS = (
    *moves.WITHIN_THE_RADIUS,
    steps.products_change,
    steps.entry_moves(kappa**2, before_last, moves.PREACTIVATIONS),
)
"""What convolutional networks share."""

descent = of_descent(
    "Theorem 6.1",
    "gradient descent trains residual networks to zero loss at a linear rate",
    identifier="du2019-deep-resnet",
    concludes="exact fit",
    editions=(
        shared.hidden_constants(
            UNIT_ROWS,
            C
            * Max(
                n**4 / (lambda_0**4 * H**6),
                n**2 / (lambda_0**2 * H**2),
                n / delta,
                n**2 * log(H * n / delta) / lambda_0**2,
            ),
            c * lambda_0 * H**2 / n**2,
        ),
        shared.hidden_constants(
            UNIT_ROWS,
            C
            * Max(
                n**4 * DEVIATION / (lambda_0**4 * H**4),
                n**2 * DEVIATION / lambda_0**2,
                n / delta,
                n**2 * log(H * n / delta) / lambda_0**2,
            ),
            c * lambda_0 / n**2,
            corrected="With the corrected Lemma C.5 the travel has no 1 / H, so H^6 becomes H^4 and H^2 becomes 1; "
            "with Lemma C.7 the step loses its H^2; and ||e(0)|| is of order sqrt(n) (1 + sqrt(2 log(1/delta))) with "
            "probability 1 - delta, and not sqrt(n). This is the step that the slides of the talk give.",
        ),
        shared.from_the_start(
            UNIT_ROWS,
            (WEIGHT_NORMS, OUTPUT_NORM, FOURTH_MOMENT, Condition("initial features", Ge(m, first_layer_width))),
            drift_rate * R,
            where=(*EXPLICIT, (moment, moment_of_first)),
            radius=radius,
            events=(WEIGHTS, OUTPUTS, FOURTH, FEATURES, INITIAL_OUTPUTS),
            reason="The corrected route with every constant kept, and the second order of a step bounded by the "
            "Lipschitz constant of the Jacobian's rows: steps of order 1/n, whatever H is. The least eigenvalue of "
            "the initial matrix has to be measured: no usable constant of Theorem E.1 is known for H >= 2.",
            arguments=(
                arguments.union_of_events,
                steps.matrix_norms(),
                steps.output_norms(),
                steps.fourth_moment(),
                first_norm_by_chebyshev,
                moves.norm_of_a_layer,
                *ARGUMENTS,
                *steps.DESCENT,
            ),
        ),
        shared.for_one_start(UNIT_ROWS, last, where=MEASURED, arguments=(*ANY_ARGUMENTS, *steps.ANY_DESCENT)),
    ),
    rests_on=(initial_norms, initial_gram, gram_stable, travel, curvature, outputs_move_little),
    errors=(
        KnownError("The width and the step rest on Lemma C.5, which is false: see the corrected edition."),
        KnownError(
            "Definition 6.1 pairs b_i with s(u) and b_j with s(v); its (16) has the right pairing b_i s(v) + b_j "
            "s(u), and the covariance of the last derivatives is A^(H), not A^(H-1)."
        ),
        KnownError(
            "lambda_0 itself is of order c_res^2 / H^2: n^4 / (lambda_0^4 H^6) is n^4 H^2, and corrected n^4 H^4. The "
            "number of steps claimed in the introduction, n^2 log(1/eps), is n^2 H^2 at the printed step and n^2 H^4 "
            "corrected."
        ),
    ),
)

PAPER = shared.paper(
    "residual networks (Section 6, Appendix C)",
    (drift, gram_stable, travel, curvature, outputs_move_little, descent),
)
