r"""Du, Zhai, Poczos and Singh (ICLR 2019): gradient descent on the first layer, Section 4. arXiv 1810.02054.

In the notation of :mod:`bounds.papers.du2019_two_layer_gram`, with u for the outputs and e for the residual y - u.
Write H_perp for the part of H from neurons near a kink and I_2 for their contribution to u(k+1) - u(k).

*Neurons near a kink.* ||H_perp|| <= n sum_i nu_i and <= max(nu) ||XX^T||_F; ||I_2|| <= eta sqrt(S) ||nu|| ||e||, where
||nu|| <= min(sum_i nu_i, sqrt(n) max(nu)).

*One step.* If neurons stay within R for both iterates, e(k+1) = (I - eta (H - H_perp)) e(k) - I_2 exactly. With few
neurons near a kink this contracts; the travel is a geometric sum; and the width makes the travel smaller than R, which
closes the induction: rate at 0..k, so travel at k+1, so the identity at k, so the rate at k+1.

Both layers trained: :mod:`bounds.papers.du2019_two_layer_joint`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sympy import Expr, Ge, Gt, Le, Symbol, pi, sqrt

from bounds.papers import du2019_two_layer_gram
from bounds.papers.du2019_two_layer_flow import NEURON_TRAVEL, THE_START, THREE_EVENTS, travel_improved
from bounds.papers.du2019_two_layer_gram import (
    BY_CHERNOFF,
    BY_MARKOV,
    FEW_FLIPS,
    FEW_NEAR_KINK,
    FIRST_LAYER,
    START_BY_CHERNOFF,
    START_BY_HOEFFDING,
    C,
    c,
    chernoff_flips,
    markov_flips,
    of_weights,
    stability,
    until_the_rate,
)
from bounds.proofs import arguments
from bounds.proofs.arguments import Kinks
from bounds.quantities import (
    F,
    R,
    S,
    delta,
    delta_2,
    e_0,
    eta,
    flips,
    gram_drift,
    k,
    lambda_0,
    least_eigenvalue,
    m,
    most_flips,
    most_near_kink,
    n,
    near_kink,
    travel,
    y_norm,
)
from bounds.statements import (
    POSITIVE,
    UNIT_ROWS,
    Condition,
    Edition,
    KnownError,
    Link,
    Mark,
    Promise,
    Rate,
    Statement,
)

of_descent = partial(Statement, setting=FIRST_LAYER, dynamics="gradient descent")

radius = sqrt(2 * pi) * delta_2 * lambda_0 / (32 * n**2)
radius_sharp = sqrt(2 * pi) * lambda_0 / (64 * sqrt(S * n))

travel_paper = 4 * sqrt(n) * e_0 / (sqrt(m) * lambda_0)

width = 8192 / pi * n**5 * e_0**2 / (delta_2**2 * lambda_0**4)
width_improved = 2048 / pi * S * n**4 * e_0**2 / (delta_2**2 * lambda_0**4)
width_sharp = 8192 / pi * S**2 * n * e_0**2 / lambda_0**4
width_in_delta = 221184 / pi * n**5 * (y_norm**2 + n / 2) / (lambda_0**4 * delta**3)
"""With delta_1 = delta_2 = delta_3 = delta / 3 and ||e(0)|| on its event: the printed n^6 / (lambda_0^4 delta^3)."""

KINKS_BY_MARKOV = Kinks(BY_MARKOV, near=n * near_kink, kick=sqrt(S) * near_kink)
KINKS_BY_CHERNOFF = Kinks(BY_CHERNOFF, near=F * most_near_kink, kick=sqrt(S * n) * most_near_kink)


def _chain(
    travel_bound: Expr, could_flip: Symbol, could_flip_bound: Expr, flipped: Symbol, drift: Expr
) -> tuple[Link, ...]:
    return (
        Link("Corollary 4.1", "how far a neuron moves", travel_bound, travel),
        Link("Lemma 4.1", "how many neurons a move of that length could flip", could_flip_bound, could_flip),
        Link("Lemma 3.2", "how many of them flip", could_flip, flipped),
        Link("Lemma 3.2", "how far that many flips can move the Gram matrix", drift, gram_drift),
    )


FIVE_EIGHTHS_KEPT = Promise("least eigenvalue", Ge(least_eigenvalue, 5 * lambda_0 / 8))
"""The drift costs an eighth of lambda_0 and the start a quarter."""

BY_MARKOV_KEPT = (
    Promise("neurons near a kink", Le(near_kink, markov_flips)),
    Promise("Gram drift", Le(gram_drift, lambda_0 / 8)),
    FIVE_EIGHTHS_KEPT,
)
DESCENT_RATE_PAPER = Rate(1 - eta * lambda_0 / 2, 2, k)
DESCENT_RATE = Rate(1 - eta * lambda_0 / 2, 1, k)
RATE_SO_FAR_PAPER = Condition("the rate so far", DESCENT_RATE_PAPER.promise.relation)
RATE_SO_FAR = Condition("the rate so far", DESCENT_RATE.promise.relation)

descent_travel = of_descent(
    "Corollary 4.1",
    "while the loss follows the rate, neurons stay near their start",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(RATE_SO_FAR_PAPER,),
            promises=(Promise("travel", Le(travel, travel_paper)),),
            reason="Sum of eta sqrt(n/m) (1 - eta lambda_0 / 2)^(k/2) ||e(0)||, and 1 - sqrt(1 - x) >= x/2.",
            arguments=(arguments.geometric_sum,),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(RATE_SO_FAR,),
            promises=(Promise("travel", Le(travel, travel_improved)),),
            reason="Gradient bound sqrt(S/m) ||e|| and the rate on the norm: "
            "sum (1 - eta lambda_0/2)^k = 2/(eta lambda_0).",
        ),
    ),
)

few_flips_lemma = of_weights(
    "Lemma 4.1",
    "few neurons can change their pattern on an input",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(Condition("radius", Le(R, c * lambda_0 / n**2)),),
            promises=(Promise("neurons near a kink", Le(near_kink, C * n * R / delta)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(Promise("neurons near a kink", Le(near_kink, markov_flips)),),
            radius=radius,
            events=(FEW_NEAR_KINK,),
            reason="Markov, and P(|z| <= R) <= sqrt(2/pi) R.",
            arguments=(arguments.markov_flips,),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(FEW_FLIPS,),
            promises=(Promise("neurons near a kink", Le(near_kink, n * chernoff_flips)),),
            radius=radius_sharp,
            events=(FEW_NEAR_KINK,),
            reason="Chernoff on each nu_i and a union bound.",
            arguments=(arguments.chernoff_flips,),
        ),
    ),
    errors=(
        KnownError(
            "Printed with R = c lambda_0 / n^2. Markov's 1/delta needs R = c delta lambda_0 / n^2 for the proof of "
            "Theorem 4.1 to close, and only that R gives the printed n^6 / (lambda_0^4 delta^3)."
        ),
    ),
)

descent = of_descent(
    "Theorem 4.1",
    "gradient descent reaches zero loss at a linear rate",
    identifier="du2019-two-layer",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("step size", Le(eta, c * lambda_0 / n**2)),
                Condition("width", Ge(m, C * n**6 / (lambda_0**4 * delta**3))),
            ),
            rate=DESCENT_RATE_PAPER,
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("step size", Le(eta, lambda_0 / (2 * n**2))),
                START_BY_HOEFFDING,
                Condition("travel below radius", Gt(m, width)),
            ),
            promises=(Promise("travel", Le(travel, travel_paper)), *BY_MARKOV_KEPT),
            rate=DESCENT_RATE_PAPER,
            radius=radius,
            events=THREE_EVENTS,
            chain=_chain(travel_paper, near_kink, markov_flips, flips, 2 * n * flips),
            reason="The paper's route with every constant kept: drift <= lambda_0 / 8, ||H_perp|| <= lambda_0 / 16, "
            "||I_2|| <= eta lambda_0 ||e|| / (16 sqrt n), ||u(k+1) - u(k)|| <= eta n ||e||, so the squared residual "
            "shrinks by 1 - eta lambda_0 + eta^2 n^2 <= 1 - eta lambda_0 / 2.",
            arguments=(
                *until_the_rate(arguments.hoeffding_start, BY_MARKOV),
                arguments.markov_flips,
                arguments.one_step_squared(KINKS_BY_MARKOV),
                NEURON_TRAVEL,
                arguments.stays_inside(),
                arguments.width_in_delta(width_in_delta),
            ),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("step size", Le(eta, 1 / S)),
                START_BY_CHERNOFF,
                Condition("travel below radius", Gt(m, width_improved)),
            ),
            promises=(Promise("travel", Le(travel, travel_improved)), *BY_MARKOV_KEPT),
            rate=DESCENT_RATE,
            radius=radius,
            events=THREE_EVENTS,
            chain=_chain(travel_improved, near_kink, markov_flips, flips, 2 * n * flips),
            reason="The exact one-step identity, eta lambda_max(H) <= 1, and the gradient bound sqrt(S/m) ||e||: the "
            "norm itself shrinks by 1 - eta lambda_0 / 2, at steps up to 1/S.",
            arguments=(
                *until_the_rate(arguments.chernoff_start, BY_MARKOV),
                arguments.markov_flips,
                arguments.one_step(KINKS_BY_MARKOV),
                NEURON_TRAVEL,
                arguments.stays_inside(),
            ),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("step size", Le(eta, 1 / S)),
                START_BY_CHERNOFF,
                FEW_FLIPS,
                Condition("travel below radius", Gt(m, width_sharp)),
            ),
            promises=(
                Promise("travel", Le(travel, travel_improved)),
                Promise("neurons near a kink", Le(near_kink, n * chernoff_flips)),
                Promise("Gram drift", Le(gram_drift, 2 * F * chernoff_flips)),
                FIVE_EIGHTHS_KEPT,
            ),
            rate=DESCENT_RATE,
            radius=radius_sharp,
            events=THREE_EVENTS,
            chain=_chain(travel_improved, most_near_kink, chernoff_flips, most_flips, 2 * F * most_flips),
            reason="As improved, with max(nu) <= 2 p_R by Chernoff: max(nu) (3 ||XX^T||_F + sqrt(S n)) <= lambda_0 / 4,"
            " since ||XX^T||_F <= sqrt(S n).",
            arguments=(
                *until_the_rate(arguments.chernoff_start, BY_CHERNOFF),
                arguments.chernoff_flips,
                arguments.one_step(KINKS_BY_CHERNOFF),
                NEURON_TRAVEL,
                arguments.stays_inside(),
            ),
        ),
    ),
    rests_on=(stability, descent_travel, few_flips_lemma),
    errors=THE_START,
)

PAPER = replace(
    du2019_two_layer_gram.PAPER,
    statements=(descent_travel, few_flips_lemma, descent),
    part="gradient descent on the first layer (Section 4)",
)
