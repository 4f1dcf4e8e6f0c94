r"""Du, Zhai, Poczos and Singh (ICLR 2019): both layers trained, Section 3.2 and Appendix A.2. arXiv 1810.02054.

The argument of :mod:`bounds.papers.du2019_two_layer_flow` with the output weights a_r trained as well, a_r(0) = +-1, in
its notation: H is the Gram matrix of the first layer; that of the output layer is positive semidefinite and only helps.

*Two radii.* Let no neuron move farther than R and no output weight farther than R_a = lambda_0 / (24 S).

*Gram matrix.* H now carries a_r^2, and |a_r^2 - 1| <= 2 R_a + R_a^2: the drift is that of the flips plus
(2 R_a + R_a^2) S.

*Gradients.* That of neuron r has norm at most (1 + R_a) sqrt(S/m) ||e||, that of a_r at most sqrt(n/m) (tau + R) ||e||,
where all |w_r(0).x_i| <= tau = sqrt(2 log(2 m n / delta_4)) with probability 1 - delta_4, by a union bound.

*Continuity.* Up to the first time that a weight leaves its radius the residual decays, so both travels are integrals of
exp(-lambda_0 t / 2); the width makes each smaller than its radius, and that time never comes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sympy import Ge, Gt, Le, Lt, log, pi, sqrt

from bounds.papers import du2019_two_layer_gram
from bounds.papers.du2019_two_layer_flow import FLOW_RATE, GRAM_STAYS, HALF_KEPT, flow_arguments
from bounds.papers.du2019_two_layer_gram import (
    BY_CHERNOFF,
    BY_MARKOV,
    FEW_FLIPS,
    FEW_NEAR_KINK,
    INITIAL_GRAM,
    START_BY_CHERNOFF,
    START_BY_HOEFFDING,
    C,
    initial_gram,
)
from bounds.proofs import arguments
from bounds.quantities import (
    F,
    R,
    S,
    delta,
    delta_2,
    delta_4,
    e_0,
    gram_drift,
    lambda_0,
    least_eigenvalue,
    m,
    n,
    output_travel,
    travel,
)
from bounds.settings import TwoLayer
from bounds.statements import (
    INITIAL_RESIDUAL,
    POSITIVE,
    UNIT_ROWS,
    Condition,
    Edition,
    Event,
    KnownError,
    Mark,
    Promise,
    Statement,
)

BOTH_LAYERS = TwoLayer(trained="both")
of_joint_flow = partial(Statement, setting=BOTH_LAYERS, dynamics="gradient flow")

PREACTIVATIONS = Event(delta_4, "no initial preactivation is large")

# --- Constants of the argument ---------------------------------------------------------------------------------------

output_radius = lambda_0 / (24 * S)
largest_preactivation = sqrt(2 * log(2 * m * n / delta_4))
output_radius_printed = lambda_0 / (16 * n**2)
joint_radius_printed = sqrt(2 * pi) * lambda_0 * delta / (32 * n**2)
joint_travel_printed = 4 * sqrt(n) * e_0 / (sqrt(m) * lambda_0)
joint_output_travel_printed = 8 * sqrt(n) * e_0 * sqrt(log(m * n / delta)) / (sqrt(m) * lambda_0)
joint_radius = sqrt(2 * pi) * delta_2 * lambda_0 / (32 * n**2)
joint_radius_sharp = sqrt(2 * pi) * lambda_0 / (64 * F)
joint_travel = 2 * (1 + output_radius) * sqrt(S) * e_0 / (sqrt(m) * lambda_0)
joint_output_travel = 2 * sqrt(n) * (largest_preactivation + R) * e_0 / (sqrt(m) * lambda_0)
joint_width = 4 * (1 + output_radius) ** 2 * S * e_0**2 / (lambda_0 * R) ** 2
joint_output_width = 2304 * n * S**2 * (largest_preactivation + R) ** 2 * e_0**2 / lambda_0**4

# --- What is known before the solvers take over -----------------------------------------------------------------------

output_drift = (2 * output_radius + output_radius**2) * S
"""What |a_r^2 - 1| <= 2 R_a + R_a^2 adds to the drift when both layers are trained."""

JOINT_BY_MARKOV = replace(BY_MARKOV, drift=BY_MARKOV.drift + output_drift)
JOINT_BY_CHERNOFF = replace(BY_CHERNOFF, drift=BY_CHERNOFF.drift + output_drift)

JOINT_GRADIENT = (1 + output_travel) * sqrt(S / m)
OUTPUT_GRADIENT = sqrt(n / m) * (largest_preactivation + travel)
INSIDE = (Le(travel, R), Le(output_travel, output_radius))
"""What the continuity argument of Theorem 3.3 may assume up to the first exit."""

JOINT_NEURON_TRAVEL = arguments.travel("travel", JOINT_GRADIENT, INSIDE)
OUTPUT_TRAVEL = arguments.travel("output travel", OUTPUT_GRADIENT, INSIDE)
BOTH_STAY_INSIDE = (
    arguments.largest_preactivation(largest_preactivation),
    JOINT_NEURON_TRAVEL,
    OUTPUT_TRAVEL,
    arguments.stays_inside(),
    arguments.stays_inside("output travel", "output travel below radius", output_radius),
)

# --- Lemmas A.2 to A.6 and Theorem 3.3 --------------------------------------------------------------------------------

JOINT_EVENTS = (INITIAL_GRAM, FEW_NEAR_KINK, PREACTIVATIONS, INITIAL_RESIDUAL)
JOINT_PROMISES = (
    Promise("travel", Le(travel, joint_travel)),
    Promise("output travel", Le(output_travel, joint_output_travel)),
    *HALF_KEPT,
)
WIDE_ENOUGH = (
    Condition("travel below radius", Gt(m, joint_width)),
    Condition("output travel below radius", Gt(m, joint_output_width)),
)

joint_stability = Statement(
    "Lemma A.3",
    "with both layers trained, the first layer's Gram matrix is stable while no weight moves far",
    BOTH_LAYERS,
    "any weights",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                POSITIVE,
                Condition("travel", Le(travel, joint_radius_printed)),
                Condition("output travel", Le(output_travel, output_radius_printed)),
            ),
            promises=(Promise("Gram drift", Le(gram_drift, lambda_0 / 4)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                POSITIVE,
                Condition("travel", Le(travel, joint_radius)),
                Condition("output travel", Le(output_travel, output_radius)),
            ),
            promises=(Promise("Gram drift", Le(gram_drift, lambda_0 / 4)),),
            radius=joint_radius,
            events=(FEW_NEAR_KINK,),
            reason="|a_r^2 - 1| <= 2 R_a + R_a^2 with R_a = lambda_0 / (24 S) costs at most lambda_0 / 12 + lambda_0 / "
            "1152 (S >= 1, lambda_0 <= 1/2); the flips cost lambda_0 / 8.",
            arguments=(arguments.drift(JOINT_BY_MARKOV),),
        ),
    ),
    rests_on=(initial_gram,),
    errors=(
        KnownError(
            "The proof bounds |a_r^2 - 1| by 2 R_a; it is 2 R_a + R_a^2, so with the printed radii the sum "
            "exceeds lambda_0 / 4 slightly along the paper's route."
        ),
        KnownError("The matrix H' in the proof omits the factor x_i.x_j."),
    ),
)

joint_decay = of_joint_flow(
    "Lemmas A.2, A.4, A.5",
    "with both layers trained, the loss decays and both layers stay near their start",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                GRAM_STAYS,
                Condition("travel", Le(travel, joint_radius_printed)),
                Condition("output travel", Le(output_travel, output_radius_printed)),
            ),
            promises=(
                Promise("travel", Le(travel, joint_travel_printed)),
                Promise("output travel", Le(output_travel, joint_output_travel_printed)),
            ),
            rate=FLOW_RATE,
            reason="The radii are read; which of the lemmas A.2 to A.6 states what, and the two hypotheses on the "
            "travel, are from memory.",
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                GRAM_STAYS,
                Condition("travel", Le(travel, joint_radius)),
                Condition("output travel", Le(output_travel, output_radius)),
            ),
            promises=JOINT_PROMISES[:2],
            rate=FLOW_RATE,
            radius=joint_radius,
            events=(FEW_NEAR_KINK, PREACTIVATIONS, INITIAL_RESIDUAL),
            reason="|a_r| <= 1 + |a_r - a_r(0)| and |w_r.x_i| <= tau + |w_r - w_r(0)|, where tau = "
            "sqrt(2 log(2 m n / delta_4)) by a union bound; without the hypotheses on the travel this is false.",
            arguments=(
                arguments.largest_preactivation(largest_preactivation),
                arguments.rate_of_eigenvalue,
                arguments.travel("travel", JOINT_GRADIENT),
                arguments.travel("output travel", OUTPUT_GRADIENT),
            ),
        ),
    ),
)

joint_bootstrap = of_joint_flow(
    "Lemma A.6",
    "if both promised travels are smaller than allowed, both hold for all time",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                Condition("travel below radius", Lt(joint_travel_printed, joint_radius_printed)),
                Condition("output travel below radius", Lt(joint_output_travel_printed, output_radius_printed)),
            ),
            promises=(
                Promise("least eigenvalue", Ge(least_eigenvalue, lambda_0 / 2)),
                Promise("travel", Le(travel, joint_travel_printed)),
                Promise("output travel", Le(output_travel, joint_output_travel_printed)),
            ),
            rate=FLOW_RATE,
            reason="The radii are read; the number of the lemma among A.2 to A.6 is from memory.",
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("travel below radius", Lt(joint_travel, R)),
                Condition("output travel below radius", Lt(joint_output_travel, output_radius)),
            ),
            promises=(Promise("least eigenvalue", Ge(least_eigenvalue, lambda_0 / 2)), *JOINT_PROMISES[:2]),
            rate=FLOW_RATE,
            radius=joint_radius,
            events=JOINT_EVENTS,
            reason="At the first time that a weight leaves its radius, the other lemmas still hold and bound the "
            "travel by less than that radius.",
            arguments=(arguments.least_eigenvalue(JOINT_BY_MARKOV), JOINT_NEURON_TRAVEL, OUTPUT_TRAVEL),
        ),
    ),
    rests_on=(joint_stability, joint_decay),
    errors=(KnownError("The text has R_a < R'_a where R'_a < R_a is meant."),),
)

joint = of_joint_flow(
    "Theorem 3.3",
    "gradient flow on both layers reaches zero loss at a linear rate",
    identifier="du2019-two-layer-joint",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("width", Ge(m, C * n**6 * log(m / delta) / (lambda_0**4 * delta**3))),
            ),
            rate=FLOW_RATE,
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                START_BY_HOEFFDING,
                *WIDE_ENOUGH,
            ),
            promises=JOINT_PROMISES,
            rate=FLOW_RATE,
            radius=joint_radius,
            events=JOINT_EVENTS,
            reason="The paper's route, with R_a = lambda_0 / (24 S) in place of lambda_0 / (16 n^2).",
            arguments=(
                *flow_arguments(arguments.hoeffding_start, JOINT_BY_MARKOV),
                *BOTH_STAY_INSIDE,
            ),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                START_BY_CHERNOFF,
                FEW_FLIPS,
                *WIDE_ENOUGH,
            ),
            promises=JOINT_PROMISES,
            rate=FLOW_RATE,
            radius=joint_radius_sharp,
            events=JOINT_EVENTS,
            reason="As explicit, with Chernoff for the flips and for the start.",
            arguments=(
                *flow_arguments(arguments.chernoff_start, JOINT_BY_CHERNOFF),
                *BOTH_STAY_INSIDE,
            ),
        ),
    ),
    rests_on=(joint_bootstrap,),
    errors=(KnownError("The printed width condition has m on both sides; it is solved for m here."),),
)

PAPER = replace(
    du2019_two_layer_gram.PAPER,
    statements=(joint_stability, joint_decay, joint_bootstrap, joint),
    part="both layers trained (Section 3.2, Appendix A.2)",
)
