r"""Du, Lee, Li, Wang and Zhai (ICML 2019): convolutional residual networks, Section 7. arXiv 1811.03804.

As for residual networks, with every W^(h) acting on patches of q pixels (stride 1, padded with zeros), of which an
image has p: phi repeats pixels, ||x||_F <= ||phi(x)||_F <= sqrt(q) ||x||_F, and f = <a, x^(H)> with a weight for every
channel and pixel. A row of the data is an image; images and features are matrices (channels, pixels), and their norms
are those of Frobenius.

*Patches alone.* ||W phi(x)|| <= ||W|| sqrt(q) ||x||, and so it is for phi^T W^T, for differences and for derivatives.
Every step for residual networks holds with sqrt(q) wherever W stands: q c_sigma for c_sigma, sqrt(q) c_res for c_res,
and sqrt(q) beta for beta, which only ever multiplies a change of preactivations. Nothing depends on p.

*The Gram matrix*, whose entries are kappa_0^2 / m <(a o s'(Z_i)) phi(x_i)^T, (a o s'(Z_j)) phi(x_j)^T> with kappa_0 =
c_res / H, is no product of two factors, but its terms are bounded alike. For the derivatives, with a_r the weights of a
channel, sum_(l,k) a_rl a_rk (change of s'(z_irl)) s'(z_jrk) <phi_il, phi_jk> is at most beta L ||a_r||^2 ||change of
z_ir|| ||phi(x_i)|| ||phi(x_j)||, and the sum over r at most beta L q c_x^2 (sum_r ||a_r||^4)^(1/2) ||change of Z_i||.
So a_4 is the l4 norm of the ||a_r||, over m^(1/4).

*The start.* ||W^(h)|| is of order (1 + sqrt(q)) sqrt(m), ||a|| of order sqrt(p m), and sum_r ||a_r||^4 of order
p (p + 2) m. ||W^(1) phi(x)|| has mean at most sqrt(q m) and is sqrt(q)-Lipschitz in W^(1): it is at most 3/2 sqrt(q m)
but with probability exp(-m / 8). So ||x^(1)|| <= sqrt(c_sigma) (sqrt(p) |s(0)| + 3/2 L sqrt(q)), and with ||x^(h)|| <=
(1 + kappa_0 L sqrt(q) c_w) ||x^(h-1)|| + kappa_0 sqrt(p) |s(0)| all features are bounded. This is what poly(p) is: p
enters through the output weights and through s(0).

With one pixel these are the residual networks of Section 6, and whatever is false there is false here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sympy import Ge, Le, Max, exp, log, sqrt
from sympy import Rational as Q

from bounds.arithmetic import Verdict
from bounds.papers import _du2019_deep as shared
from bounds.papers import _du2019_deep_steps as steps
from bounds.papers import du2019_deep_resnet as residual
from bounds.papers._du2019_deep import (
    DEVIATION,
    INITIAL_OUTPUTS,
    INSIDE,
    KEPT,
    OUTPUT_NORM,
    RATE_SO_FAR,
    SMOOTH,
    WEIGHT_NORMS,
    C,
    H,
    a_2,
    a_4,
    block_step,
    block_travel,
    c,
    c_w,
    c_x,
    delta_a,
    delta_q,
    delta_w,
    delta_x,
    feature_drift,
    initial_feature,
    residual_now,
)
from bounds.papers._du2019_residual import (
    drift_of_a_layer,
    drift_rate,
    last,
    norm_of_a_layer,
    on_patches,
    proved_on_patches,
)
from bounds.proofs import Obligation, arguments
from bounds.proofs.arguments import Argument
from bounds.quantities import (
    R,
    at_zero,
    channels,
    d,
    delta,
    e_0,
    eta,
    gram_drift,
    lambda_0,
    m,
    n,
    quantity,
    unspecified,
)
from bounds.quantities import lipschitz as L
from bounds.quantities import normaliser as c_sigma
from bounds.quantities import patch as q
from bounds.quantities import residual_scale as c_res
from bounds.settings import ConvResNet
from bounds.statements import POSITIVE, UNIT_ROWS, Condition, Edition, Event, KnownError, Mark, Promise, Statement

NETWORKS = ConvResNet()
FREE = ("depth", "activation", "residual_scale", "channels", "patch")
of_weights = partial(Statement, setting=NETWORKS, dynamics="any weights", for_all=FREE)
of_descent = partial(Statement, setting=NETWORKS, dynamics="gradient descent", for_all=FREE)

p = quantity("p", "number of pixels of an image", integer=True, measured_by="pixels")
PIXELS = (p, d / channels)
local_normaliser = quantity(
    "c_p", "one over the least E s(alpha z)^2, z ~ N(0, 1), 1/sqrt(p) <= alpha <= 1", latex=r"c_{\sigma,1/\sqrt p}"
)
POLYNOMIAL = unspecified("poly", p)


norm_printed = Max(sqrt(q * c_sigma) * L * c_w, sqrt(2 * local_normaliser / c_sigma)) * exp(sqrt(q) * c_res * c_w * L)
backward_printed = c_res * c_x * a_2 * L * sqrt(p * q) * exp(2 * c_res * c_w * L * sqrt(q)) / H
travel_printed = 16 * backward_printed * sqrt(n) * e_0 / (lambda_0 * sqrt(m))
step_printed = 4 * eta * backward_printed * sqrt(n) * residual_now

EXPLICIT = on_patches(residual.EXPLICIT, q)
MEASURED = on_patches(residual.MEASURED, q)


def seen(argument: Argument) -> Argument:
    """A step for residual networks in the explicit edition, for networks that see patches."""
    return proved_on_patches(argument, residual.EXPLICIT, q)


# --- The start --------------------------------------------------------------------------------------------------------

branch_at_rest = c_res * sqrt(p) * at_zero / H
preactivations = Q(3, 2)
"""The norm of W^(1) phi(x), over sqrt(q m)."""

first_norm = sqrt(c_sigma) * (sqrt(p) * at_zero + preactivations * L * sqrt(q))
largest_norm = exp(c_res * L * sqrt(q) * c_w) * (first_norm + H * branch_at_rest)

WEIGHTS = Event(delta_w, "every initial weight matrix has norm at most (3/2 + sqrt(q)) sqrt(m)", c_w, Q(3, 2) + sqrt(q))
OUTPUTS = Event(delta_a, "the initial output weights have norm at most (sqrt(p) + 1/2) sqrt(m)", a_2, sqrt(p) + Q(1, 2))
FOURTH = Event(
    delta_q,
    "the fourth powers of the norms of a channel's output weights sum to at most 4/3 p (p + 2) m",
    a_4,
    (4 * p * (p + 2) / 3) ** Q(1, 4),
)
FEATURES = Event(delta_x, "no initial feature matrix is larger than the bound of Lemma D.1", c_x, largest_norm)
FOURTH_MOMENT = Condition("fourth moment of the output weights", Ge(m, 72 * (p + 3) / (p * (p + 2) * delta_q)))
FIRST_LAYER = Condition("initial features", Ge(m, 8 * log(n / delta_x)))


def first_layer_is_bounded(edition: Edition) -> Obligation:
    """Concentration of the norm of W^(1) phi(x), a Lipschitz function of W^(1), at each of n images."""
    failure = n * exp(-m * (preactivations - 1) ** 2 / 2)
    return Obligation(
        "preactivations of the first layer",
        "The norm of W^(1) phi(x) is sqrt(q)-Lipschitz with mean at most sqrt(q m): it exceeds (1 + t) sqrt(q m) with "
        "probability at most exp(-t^2 m / 2).",
        given=(Le(delta_x, n), steps.relation(edition, FIRST_LAYER.name)),
        claim=Le(failure, delta_x),
        planted=Le(n * exp(-m / 9), delta_x),
    )


# --- Appendix D ------------------------------------------------------------------------------------------------------

initial_norms = of_weights(
    "Lemma D.1",
    "the features of the initial network do not explode",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS, SMOOTH, Condition("width", Ge(m, C * p**2 * n / (local_normaliser**2 * delta)))),
            promises=(Promise("largest feature", Le(initial_feature, norm_printed)),),
            where=(PIXELS,),
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, SMOOTH, FIRST_LAYER),
            promises=(Promise("largest feature", Le(initial_feature, largest_norm)),),
            where=(PIXELS,),
            events=(Event(delta_x, "no W^(1) phi(x_i) has norm above 3/2 sqrt(q m)"),),
            reason="Keeps |s(0)|, does not ask for a bound on W^(1), and takes Gaussian concentration for Chebyshev's "
            "inequality: log(n / delta) for n / delta.",
            arguments=(first_layer_is_bounded, seen(norm_of_a_layer)),
        ),
    ),
    errors=(
        KnownError("||s(W x)|| <= L ||W|| ||x|| is used, which needs s(0) = 0; the softplus has s(0) = log 2."),
        KnownError("The upper bound uses ||W^(1)|| <= c_w sqrt(m) as well, which needs q d_0 = O(m)."),
    ),
)

initial_gram = of_weights(
    "Lemma D.2",
    "the least eigenvalue of the initial Gram matrix is close to the infinite-width one",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("width", Ge(m, C * n**2 * p**2 * log(H * n / delta) / lambda_0**2)),
            ),
            promises=KEPT,
            where=(PIXELS,),
        ),
    ),
)

drift = of_weights(
    "Lemma D.3",
    "features stay near their start while the weights do",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=INSIDE,
            promises=(Promise("feature drift", Le(feature_drift, drift_rate * R)),),
            where=on_patches((residual.V, residual.STRETCH, residual.DRIFT), q),
            arguments=(seen(drift_of_a_layer),),
        ),
    ),
)

gram_stable = of_weights(
    "Lemma D.4",
    "the last hidden layer's Gram matrix is stable while the weights stay near their start",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(Condition("radius", Le(R, c * lambda_0 * H**2 / (n * POLYNOMIAL))), INSIDE[1]),
            promises=(Promise("Gram drift", Le(gram_drift, lambda_0 / 2)),),
        ),
        replace(
            residual.gram_stable.edition("explicit"),
            where=on_patches(residual.gram_stable.edition("explicit").where, q),
            reason="As for Lemma C.4, with the factors of the patches; p enters through a_2, a_4 and c_x alone.",
            arguments=(seen(residual.gram_stays),),
        ),
    ),
    rests_on=(drift,),
    errors=(KnownError("Promises lambda_0 / 2, which leaves too little of 3/4 lambda_0: lambda_0 / 4 is needed."),),
)


def _output_layer_counterexample() -> Verdict:
    """The instance of Lemma C.5, one pixel of one channel: one input x = 1, one neuron, tanh, H = 10, c_res = 1/10."""
    return residual.output_layer_against(step_printed.subs({p: 1, q: 1}))


travel = of_descent(
    "Lemma D.5",
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
            where=(PIXELS,),
        ),
        replace(
            residual.travel.edition("corrected"),
            where=on_patches(residual.travel.edition("corrected").where, q),
            reason="As for Lemma C.5: only the branches carry 1 / H.",
        ),
    ),
    rests_on=(drift,),
    errors=(
        KnownError(
            "False as printed, already for one pixel: the bound carries 1 / H, but the gradients of the output layer "
            "and of the first layer do not.",
            _output_layer_counterexample,
        ),
        KnownError("a_2 is printed inside the exponent of R' and Q'; it stands beside the exponential here."),
    ),
)

curvature = of_descent(
    "Lemma D.6",
    "the second-order part of a step is small",
    editions=(shared.second_order_part(c * lambda_0 * H**2 / (n**2 * POLYNOMIAL)),),
    rests_on=(travel,),
)

outputs_move_little = of_descent(
    "Lemma D.7",
    "the outputs move little in one step",
    editions=(
        shared.step_of_the_outputs(c * lambda_0 * H**2 / (n**2 * POLYNOMIAL)),
        shared.step_of_the_outputs(c * lambda_0 / (n**2 * POLYNOMIAL), corrected=True),
    ),
    rests_on=(travel,),
)

# --- Theorem 7.1 -----------------------------------------------------------------------------------------------------

descent = of_descent(
    "Theorem 7.1",
    "gradient descent trains convolutional residual networks to zero loss at a linear rate",
    identifier="du2019-deep-conv",
    concludes="exact fit",
    editions=(
        shared.hidden_constants(
            UNIT_ROWS,
            C
            * POLYNOMIAL
            * Max(
                n**4 / (lambda_0**4 * H**6),
                n**4 / (lambda_0**4 * H**2),
                n / delta,
                n**2 * log(H * n / delta) / lambda_0**2,
            ),
            c * lambda_0 * H**2 / (n**2 * POLYNOMIAL),
        ),
        shared.hidden_constants(
            UNIT_ROWS,
            C
            * POLYNOMIAL
            * Max(
                n**4 * DEVIATION / (lambda_0**4 * H**4),
                n**2 * DEVIATION / lambda_0**2,
                n / delta,
                n**2 * log(H * n / delta) / lambda_0**2,
            ),
            c * lambda_0 / (n**2 * POLYNOMIAL),
            corrected="As for Theorem 6.1; and the second term, printed n^4 / (lambda_0^4 H^2), comes from the same "
            "condition as n^2 / (lambda_0^2 H^2) there.",
        ),
        shared.from_the_start(
            UNIT_ROWS,
            (WEIGHT_NORMS, OUTPUT_NORM, FOURTH_MOMENT, FIRST_LAYER),
            drift_rate * R,
            where=(PIXELS, *EXPLICIT),
            radius=residual.radius,
            events=(WEIGHTS, OUTPUTS, FOURTH, FEATURES, INITIAL_OUTPUTS),
            reason="Theorem 6.1's explicit edition with the factors of the patches, in this file: poly(p) is explicit. "
            "The least eigenvalue of the initial matrix has to be measured, as there.",
            arguments=(
                arguments.union_of_events,
                steps.matrix_norms(q),
                steps.output_norms(p),
                steps.fourth_moment(p),
                first_layer_is_bounded,
                seen(norm_of_a_layer),
                *map(seen, residual.ARGUMENTS),
                *steps.DESCENT,
            ),
        ),
        shared.for_one_start(
            UNIT_ROWS,
            last,
            where=MEASURED,
            arguments=(
                *(proved_on_patches(argument, residual.MEASURED, q) for argument in residual.ANY_ARGUMENTS),
                *steps.ANY_DESCENT,
            ),
        ),
    ),
    rests_on=(initial_norms, initial_gram, gram_stable, travel, curvature, outputs_move_little),
    errors=(
        KnownError("The width and the step rest on Lemma D.5, which is false: see the corrected edition."),
        KnownError(
            "Definition 7.1: K^(1) is not summed over patches, the patch matrix stands where the pixel matrix "
            "belongs, the covariance index and the pairing of b are those of Definition 6.1, and a factor c_res^2 / "
            "H^2 is missing. lambda_0 here is that of the corrected matrix."
        ),
    ),
    remark="The paper leaves poly(p) open; the explicit and the improved edition do not.",
)

PAPER = shared.paper(
    "convolutional residual networks (Section 7, Appendix D)",
    (initial_norms, initial_gram, drift, gram_stable, travel, curvature, outputs_move_little, descent),
)
