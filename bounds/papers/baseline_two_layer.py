r"""Baselines for two-layer networks whose first layer is trained: smooth and ReLU activations. Re-derived.

f(x) = m^(-1/2) sum_r a_r s(w_r.x), |a_r| = 1, unit inputs, S = ||X||^2, e_0 the norm of the initial residual, K the
tangent kernel (1/m) sum_r D_r X X^T D_r with D_r the diagonal matrix of s'(w_r.x_i).

*Smooth.* |s'| <= L and s' is beta-Lipschitz, so ||J|| <= L ||X|| everywhere, and J is beta ||X|| / sqrt(m)-Lipschitz.
The flow and descent under a parabola (see the baselines for systems) need 2 beta ||X|| e_0 / sqrt(m) <=
lambda_min(K(0)): the width 4 beta^2 S e_0^2 / lambda_min(K(0))^2, which is known from the instance, without
probability. Descent needs it strictly, and eta <= 1 / (L^2 S). From data alone: matrix Chernoff (Tropp 2012, from
memory) on summands of norm at most L^2 S / m keeps lambda_min(K(0)) >= lambda_0 / 2, Markov bounds e_0 as E f(x)^2 =
E s(z)^2 and E f(x) = 0, and the width 64 beta^2 S e_0^2 / lambda_0^2 keeps lambda_0 / 4. With b in place of e_0 /
sigma_0 solutions exist, but neither flow nor descent need find them.

*ReLU, flow.* Every neuron moves at most u(t) = ||X|| m^(-1/2) int ||r||, so on input i at most k_i(u) = #{r:
|w_r(0).x_i| <= u} neurons flip, and ||J - J(0)||^2 <= S max_i k_i(u) / m. Hence sigma_min(J) >= sigma(u) = sigma_0 -
||X|| sqrt(max_i k_i(u) / m), and d||r|| / du <= -sigma(u)^2 sqrt(m) / ||X||: the residual vanishes before u* if

    int_0^u* sigma(u)^2 du >= ||X|| e_0 / sqrt(m),   sigma(u) >= 0 up to u*.

For exact counts see :mod:`bounds.certificates.flip_integral`. For Gaussian weights the fractions k_i(u) / m are
within a = sqrt(log(2 n / delta_2) / (2 m)) of P(|z| <= u) <= sqrt(2/pi) u for all u and i with probability 1 -
delta_2 (Dvoretzky, Kiefer, Wolfowitz and Massart, from memory). In v = a + sqrt(2/pi) u the integral is at least
sqrt(pi/2) (G - sigma_0^2 a), where G = int_0^v* (sigma_0 - ||X|| sqrt(v))^2 dv is sigma_0^4 / (6 S) up to v* =
sigma_0^2 / S, and 11 sigma_0^4 / (96 S) up to a quarter of that, where half of sigma_0 is left. So m >= (72/pi) S^2
(||X|| e_0 + sqrt(pi/2) sigma_0^2 sqrt(log(2 n / delta_2) / 2))^2 / sigma_0^8 suffices for zero loss, and 96/11 in
place of 6 for a rate. The chain rule along the flow is that of definable functions (Davis, Drusvyatskiy, Kakade and
Lee 2020, from memory).
"""

from __future__ import annotations

from sympy import Eq, Ge, Gt, Le, exp, log, pi, sqrt
from sympy import Rational as Q

from bounds.activations import TANH
from bounds.papers._quadratic_majorant import (
    Majorant,
    contracts,
    linear_step,
    maps_into_itself,
    no_solution_nearer,
    stable_step,
)
from bounds.papers._systems import beta_F, distance, nearest, newton, path
from bounds.papers._two_layer_steps import (
    KEPT,
    counts,
    farthest,
    half_at_the_start,
    half_of_the_singular_value,
    integral,
    kept_by_width,
    markov_residual,
    uniform_count,
)
from bounds.proofs import arguments
from bounds.quantities import (
    S,
    X_norm,
    delta_1,
    delta_2,
    delta_3,
    e_0,
    eta,
    initial_least_eigenvalue,
    k,
    lambda_0,
    least_eigenvalue,
    lipschitz,
    m,
    n,
    normaliser,
    smoothness,
    t,
    travel,
    y_norm,
)
from bounds.settings import TwoLayer
from bounds.statements import (
    INITIAL_RESIDUAL,
    POSITIVE,
    UNIT_ROWS,
    Condition,
    Edition,
    Event,
    Mark,
    Paper,
    Promise,
    Rate,
    Statement,
)

SMOOTH = TwoLayer(trained="first", activation=TANH)
RELU_FIRST = TwoLayer(trained="first")

JACOBIAN = (beta_F, smoothness * X_norm / sqrt(m))
"""The Lipschitz constant of the Jacobian, for all weights."""

kept = initial_least_eigenvalue - 2 * beta_F * e_0
first_root = 2 * e_0 / (sqrt(initial_least_eigenvalue) + sqrt(kept))
sharp_width = 4 * smoothness**2 * S * e_0**2 / initial_least_eigenvalue**2
data_width = 64 * smoothness**2 * S * e_0**2 / lambda_0**2
data_path = 4 * (sqrt(2) - 1) * e_0 / sqrt(lambda_0)
chernoff_half = 2 * lipschitz**2 * S * log(n / delta_1) / ((1 - log(2)) * lambda_0)
existence_width = 4 * smoothness**2 * S * newton**2 / initial_least_eigenvalue
kappa = beta_F / sqrt(initial_least_eigenvalue)
within = 2 * newton / (1 + sqrt(1 - 2 * newton * kappa))
beyond = 2 * newton / (1 + sqrt(1 + 2 * newton * kappa))

COUNTS_ERROR = (counts, sqrt(log(2 * n / delta_2) / 2))
"""Times m^(-1/2), what the fraction of neurons near a kink may exceed its probability by, for all radii at once."""

lost = sqrt(2 / pi) * X_norm * e_0 + KEPT * counts
"""What the integral must make up for, times sqrt(m): the residual, and the error of the counts."""

relu_root = 96 * S * lost / (11 * KEPT**2)
relu_root_sharp = 6 * S * lost / KEPT**2
relu_travel = sqrt(pi / 2) * KEPT / (4 * S)
relu_travel_sharp = sqrt(pi / 2) * KEPT / S
chernoff = S * log(n / delta_1) / ((Q(1, 4) + Q(3, 4) * log(Q(3, 4))) * lambda_0)

INITIAL_KERNEL = Event(delta_1, "the initial kernel keeps its share of lambda_0")
COUNTS = Event(delta_2, "the neurons near each kink are as many as expected, for all radii")
mean_square = y_norm**2 + n / normaliser
"""Mean of the squared residual at the start, for neurons and signs drawn independently."""

residual_bound = sqrt(mean_square / delta_3)
RESIDUAL = Event(
    delta_3,
    "the initial residual is at most sqrt((|y|^2 + n E s(z)^2) / delta_3), by Markov",
    e_0,
    residual_bound,
)
SMOOTH_START = (arguments.union_of_events, markov_residual(mean_square, residual_bound), half_at_the_start)
INSTANCE = Majorant(
    sqrt(initial_least_eigenvalue),
    beta_F,
    known=(Eq(*JACOBIAN),),
    conditions=("width", "positive initial eigenvalue"),
)
STABLE = stable_step(lipschitz * X_norm)
DATA = Majorant(sqrt(lambda_0 / 2), beta_F, known=(Gt(lambda_0, 0), Eq(*JACOBIAN)), conditions=("width",))
POSITIVE_START = Condition("positive initial eigenvalue", Gt(initial_least_eigenvalue, 0, evaluate=False))
STEP = Condition("step size", Le(eta, 1 / (lipschitz**2 * S)))
FROM_DATA = (UNIT_ROWS, POSITIVE, Condition("initial kernel", Ge(m, chernoff_half)))
DATA_PROMISES = (
    Promise("path", Le(path, data_path)),
    Promise("least eigenvalue", Ge(least_eigenvalue, lambda_0 / 4)),
)
INSTANCE_PROMISES = (Promise("path", Le(path, first_root)), Promise("least eigenvalue", Ge(least_eigenvalue, kept)))

smooth_flow = Statement(
    "Flow of smooth two-layer networks",
    "gradient flow reaches zero loss at a width of order S e_0^2 / lambda^2",
    SMOOTH,
    "gradient flow",
    identifier="baseline-two-layer-flow",
    concludes="exact fit",
    for_all=("activation",),
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(*FROM_DATA, Condition("width", Ge(m, data_width))),
            promises=DATA_PROMISES,
            rate=Rate(exp(-lambda_0 / 2), 2, t),
            events=(INITIAL_KERNEL, RESIDUAL),
            reason="From data alone: half of lambda_0 is kept at the start, half of that on the path.",
            arguments=(*SMOOTH_START, kept_by_width(JACOBIAN), DATA.first_root, DATA.flow),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, POSITIVE_START, Condition("width", Ge(m, sharp_width))),
            promises=INSTANCE_PROMISES,
            where=(JACOBIAN,),
            rate=Rate(exp(-2 * kept), 2, t),
            reason="For given initial weights, without probability: lambda_H0 and e_0 are those of the instance.",
            arguments=(INSTANCE.first_root, INSTANCE.least_eigenvalue, INSTANCE.flow),
        ),
    ),
    remark="Flow, exact fit, first layer, scale m^(-1/2), loss 1/2 sum of squares. e_0 must be given. Neurons in "
    "pairs of equal weights and opposite signs give e_0 = |y|.",
)

smooth_descent = Statement(
    "Descent of smooth two-layer networks",
    "gradient descent reaches zero loss at the flow's width",
    SMOOTH,
    "gradient descent",
    identifier="baseline-two-layer-descent",
    concludes="exact fit",
    for_all=("activation",),
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(*FROM_DATA, Condition("width", Ge(m, data_width)), STEP),
            promises=DATA_PROMISES,
            rate=Rate(1 - eta * lambda_0 / 4, 1, k),
            events=(INITIAL_KERNEL, RESIDUAL),
            reason="As for the flow; ||J||^2 <= L^2 S for all weights, so that a finite step loses nothing.",
            arguments=(
                *SMOOTH_START,
                kept_by_width(JACOBIAN),
                STABLE,
                linear_step,
                DATA.step,
                DATA.first_root,
                DATA.descent,
            ),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, POSITIVE_START, Condition("width", Gt(m, sharp_width)), STEP),
            promises=INSTANCE_PROMISES,
            where=(JACOBIAN,),
            rate=Rate(1 - eta * kept, 1, k),
            reason="For given initial weights, without probability.",
            arguments=(
                STABLE,
                linear_step,
                INSTANCE.step,
                INSTANCE.first_root,
                INSTANCE.least_eigenvalue,
                INSTANCE.descent,
            ),
        ),
    ),
    rests_on=(smooth_flow,),
    remark="Descent, exact fit, first layer, scale m^(-1/2), loss 1/2 sum of squares. In the sharp edition "
    "lambda_H0 and e_0 are given.",
)

smooth_existence = Statement(
    "Solutions of smooth two-layer networks",
    "solutions exist near the start at a width that depends on the labels through b",
    SMOOTH,
    "no training",
    identifier="baseline-two-layer-existence",
    concludes="existence",
    for_all=("activation",),
    editions=(
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, POSITIVE_START, Condition("width", Gt(m, existence_width))),
            promises=(Promise("distance", Le(distance, within)), Promise("nearest solution", Ge(nearest, beyond))),
            where=(JACOBIAN,),
            reason="kappa <= beta ||X|| / (sqrt(m) sigma_0) in the baseline for systems; b^2 = r_0^T K(0)^(-1) r_0.",
            arguments=(
                maps_into_itself(newton, kappa, "width", Eq(*JACOBIAN)),
                contracts(newton, kappa, "width", Eq(*JACOBIAN)),
                no_solution_nearer(newton, kappa),
            ),
        ),
    ),
    remark="Existence only: this width certifies neither flow nor descent.",
)

relu_flow = Statement(
    "Flow of ReLU two-layer networks",
    "gradient flow reaches zero loss at a width of order S^3 e_0^2 / lambda_0^4, by an integral over the flips",
    RELU_FIRST,
    "gradient flow",
    identifier="baseline-relu-flow",
    concludes="exact fit",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("initial Gram", Ge(m, chernoff)),
                Condition("width", Ge(m, relu_root**2)),
            ),
            promises=(
                Promise("travel", Le(travel, relu_travel)),
                Promise("least eigenvalue", Ge(least_eigenvalue, 3 * lambda_0 / 16)),
            ),
            rate=Rate(exp(-3 * lambda_0 / 8), 2, t),
            radius=relu_travel,
            where=(COUNTS_ERROR,),
            events=(INITIAL_KERNEL, COUNTS, INITIAL_RESIDUAL),
            reason="The integral up to where half of the least singular value is left.",
            arguments=(
                arguments.union_of_events,
                arguments.initial_residual,
                arguments.chernoff_start,
                uniform_count(COUNTS_ERROR),
                integral(COUNTS_ERROR, Q(1, 2), relu_root),
                farthest(Q(1, 2)),
                half_of_the_singular_value,
            ),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("initial Gram", Ge(m, chernoff)),
                Condition("width", Ge(m, relu_root_sharp**2)),
            ),
            promises=(Promise("travel", Le(travel, relu_travel_sharp)),),
            radius=relu_travel_sharp,
            where=(COUNTS_ERROR,),
            events=(INITIAL_KERNEL, COUNTS, INITIAL_RESIDUAL),
            reason="The integral up to where nothing is left: zero loss in the limit, without a rate. At large n the "
            "width is (72/pi) S^3 e_0^2 over the fourth power of 3/4 lambda_0.",
            arguments=(
                arguments.union_of_events,
                arguments.initial_residual,
                arguments.chernoff_start,
                uniform_count(COUNTS_ERROR),
                integral(COUNTS_ERROR, Q(1), relu_root_sharp),
                farthest(Q(1)),
            ),
        ),
    ),
    remark="Flow, exact fit, first layer, scale m^(-1/2), loss 1/2 sum of squares. Finite steps are not covered. "
    "Neurons in pairs are m/2 independent ones: then the error of the counts grows by sqrt(2).",
)

PAPER = Paper(
    key="zeroloss2026baselines",
    authors=("zeroloss authors, The",),
    title="Re-derived baselines: convergence from what is known at the start",
    year=2026,
    venue="the catalogue of zeroloss",
    arxiv="",
    statements=(smooth_flow, smooth_descent, smooth_existence, relu_flow),
    kind="misc",
    remark="Proofs stand in the file. Not claimed as new: they are what careful constants give.",
)
