r"""Du, Zhai, Poczos and Singh (ICLR 2019): gradient descent on two-layer ReLU networks. arXiv 1810.02054.

The argument, with the constants of the explicit editions. Write H for the Gram matrix of the trained layer, e for the
residual y - u, S = ||X||^2, and nu_i for the fraction of neurons with |w_r(0).x_i| <= R.

*What is true of any weights.* H = (1/m) sum_r D_r X X^T D_r with D_r the diagonal 0/1 matrix of active inputs, so 0
<= H <= S. The gradient of neuron r has norm at most sqrt(S/m) ||e|| (the paper: sqrt(n/m) ||e||).

*Few flips.* If no neuron moved farther than R, the pattern of neuron r on input i can differ from the start only if
|w_r(0).x_i| <= R. Hence |H_ij - H_ij(0)| <= |x_i.x_j| (nu_i + nu_j), so ||H - H(0)|| <= 2 n sum_i nu_i, and at most 2
max(nu) ||XX^T||_F. Write H_perp for the part of H from neurons near a kink and I_2 for their contribution to u(k+1) -
u(k): ||H_perp|| <= n sum_i nu_i and <= max(nu) ||XX^T||_F; ||I_2|| <= eta sqrt(S) ||nu|| ||e||, where ||nu|| <=
min(sum_i nu_i, sqrt(n) max(nu)).

*How few.* w.x_i is standard normal, so E nu_i = p_R = erf(R / sqrt 2) <= sqrt(2/pi) R. Markov: sum_i nu_i <= n p_R /
delta_2 with probability 1 - delta_2. Chernoff and a union bound: max(nu) <= 2 p_R with probability 1 - delta_2 if m
p_R >= log(n / delta_2) / log(4/e).

*Initial matrix.* Hoeffding on each entry: |H_ij(0) - H_ij| <= |x_i.x_j| sqrt(log(n(n+1)/delta_1) / (2m)) for all i <=
j with probability 1 - delta_1, so ||H(0) - H|| <= lambda_0 / 4 if m >= 8 ||XX^T||_F^2 log(n(n+1)/delta_1) /
lambda_0^2. Matrix Chernoff (Tropp 2012, from memory) on summands of norm at most S/m: lambda_min(H(0)) >= 3/4
lambda_0 if m >= S log(n / delta_1) / (kappa lambda_0), kappa = 1/4 + 3/4 log(3/4).

*One step.* If neurons stay within R for both iterates, e(k+1) = (I - eta (H - H_perp)) e(k) - I_2 exactly. With the
budgets above this contracts; the travel is a geometric sum; and the width makes the travel R' smaller than R, which
closes the induction: rate at 0..k, so travel at k+1, so the identity at k, so the rate at k+1.

Both layers trained: :mod:`bounds.papers.du2019_two_layer_joint`.
"""

from __future__ import annotations

from functools import partial

from sympy import Expr, Ge, Gt, Le, Lt, Symbol, erf, exp, log, pi, sqrt
from sympy import Rational as Q

from bounds.arithmetic import Enclosure, Outcome, Verdict, compare, evaluate, large_constant, small_constant
from bounds.problem import Problem
from bounds.proofs import arguments
from bounds.proofs.arguments import Argument, Flips
from bounds.quantities import (
    F,
    R,
    S,
    delta,
    delta_1,
    delta_2,
    e_0,
    eta,
    flips,
    gram_drift,
    initial_gram_deviation,
    initial_least_eigenvalue,
    k,
    lambda_0,
    least_eigenvalue,
    m,
    most_flips,
    most_near_kink,
    n,
    near_kink,
    separation,
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
    KnownError,
    Link,
    Mark,
    Paper,
    Promise,
    Rate,
    Statement,
)

FIRST_LAYER = TwoLayer(trained="first")
of_weights = partial(Statement, setting=FIRST_LAYER, dynamics="any weights")
of_flow = partial(Statement, setting=FIRST_LAYER, dynamics="gradient flow")
of_descent = partial(Statement, setting=FIRST_LAYER, dynamics="gradient descent")

C = large_constant("C")
c = small_constant("c")

INITIAL_GRAM = Event(delta_1, "the initial Gram matrix is close to its expectation")
FEW_NEAR_KINK = Event(delta_2, "few neurons start near a kink")
THREE_EVENTS = (INITIAL_GRAM, FEW_NEAR_KINK, INITIAL_RESIDUAL)
THE_START = (
    KnownError("E ||y - u(0)||^2 is printed as sum(y_i^2 + 1); it is ||y||^2 + n/2, since E f(x)^2 = 1/2."),
    KnownError("Three events fail with probability delta each; the final delta needs them split (absorbed in Omega)."),
)

# --- Constants of the argument ---------------------------------------------------------------------------------------

CHERNOFF = Q(1, 4) + Q(3, 4) * log(Q(3, 4))
"""Exponent of the matrix Chernoff bound for losing a quarter of the least eigenvalue: about 0.0342."""

DOUBLING = 2 * log(2) - 1
"""log(4/e): P(Binomial >= 2 mean) <= exp(-DOUBLING mean)."""

SMALL_BALL = sqrt(2 / pi)
"""P(|z| <= R) <= SMALL_BALL R for a standard normal z."""

hoeffding_paper = 8 * n**2 * log(n * (n + 1) / delta_1) / lambda_0**2
hoeffding = 8 * F**2 * log(n * (n + 1) / delta_1) / lambda_0**2
chernoff = S * log(n / delta_1) / (CHERNOFF * lambda_0)
few_flips = log(n / delta_2) / (DOUBLING * erf(R / sqrt(2)))

markov_flips = n * SMALL_BALL * R / delta_2
"""Bound on sum_i nu_i, probability 1 - delta_2."""

markov_drift = 2 * n * markov_flips
chernoff_flips = 2 * SMALL_BALL * R
"""Bound on max_i nu_i, probability 1 - delta_2, under the side condition on m."""

flow_radius = sqrt(2 * pi) * delta_2 * lambda_0 / (16 * n**2)
flow_radius_sharp = sqrt(2 * pi) * lambda_0 / (32 * F)
descent_radius = sqrt(2 * pi) * delta_2 * lambda_0 / (32 * n**2)
descent_radius_sharp = sqrt(2 * pi) * lambda_0 / (64 * sqrt(S * n))

flow_travel_printed = sqrt(n) * e_0 / (sqrt(m) * lambda_0)
flow_travel_paper = 2 * sqrt(n) * e_0 / (sqrt(m) * lambda_0)
descent_travel_paper = 4 * sqrt(n) * e_0 / (sqrt(m) * lambda_0)
travel_improved = 2 * sqrt(S) * e_0 / (sqrt(m) * lambda_0)

flow_width = 512 / pi * n**5 * e_0**2 / (delta_2**2 * lambda_0**4)
flow_width_improved = 512 / pi * S * n**4 * e_0**2 / (delta_2**2 * lambda_0**4)
flow_width_sharp = 2048 / pi * S * F**2 * e_0**2 / lambda_0**4
descent_width = 8192 / pi * n**5 * e_0**2 / (delta_2**2 * lambda_0**4)
descent_width_improved = 2048 / pi * S * n**4 * e_0**2 / (delta_2**2 * lambda_0**4)
descent_width_sharp = 8192 / pi * S**2 * n * e_0**2 / lambda_0**4

flow_width_in_delta = 13824 / pi * n**5 * (y_norm**2 + n / 2) / (lambda_0**4 * delta**3)
descent_width_in_delta = 221184 / pi * n**5 * (y_norm**2 + n / 2) / (lambda_0**4 * delta**3)
"""With delta_1 = delta_2 = delta_3 = delta / 3 and ||e(0)|| on its event: the printed n^6 / (lambda_0^4 delta^3)."""

# --- What the counts of neurons near a kink bound; the solvers take it from here --------------------------------------

BY_MARKOV = Flips(Le(near_kink, markov_flips), 2 * n * near_kink, n * near_kink, sqrt(S) * near_kink)
BY_CHERNOFF = Flips(
    Le(most_near_kink, chernoff_flips), 2 * F * most_near_kink, F * most_near_kink, sqrt(S * n) * most_near_kink
)

NEURON_TRAVEL = arguments.travel("travel", gradient=sqrt(S / m))


def _until_the_rate(start: Argument, flips: Flips) -> tuple[Argument, ...]:
    return (
        arguments.union_of_events,
        arguments.initial_residual,
        start,
        arguments.drift(flips),
        arguments.least_eigenvalue(flips),
    )


def flow_arguments(start: Argument, flips: Flips) -> tuple[Argument, ...]:
    """From the events of the start to the rate of the flow."""
    return (*_until_the_rate(start, flips), arguments.flow_rate(flips))


# --- Conditions that recur -------------------------------------------------------------------------------------------

START_BY_HOEFFDING = Condition("initial Gram", Ge(m, hoeffding_paper))
START_BY_CHERNOFF = Condition("initial Gram", Ge(m, chernoff))
FEW_FLIPS = Condition("few flips", Ge(m, few_flips))

HALF_KEPT = (
    Promise("Gram drift", Le(gram_drift, lambda_0 / 4)),
    Promise("least eigenvalue", Ge(least_eigenvalue, lambda_0 / 2)),
)
"""The drift costs a quarter of lambda_0 and the start another: a half is kept."""


# --- Section 3 and Appendix A.1: the infinite-width matrix -----------------------------------------------------------


def _nondegenerate(problem: Problem) -> Verdict:
    if problem.degeneracy is None:
        return Verdict(Outcome.HOLDS, reason="no parallel rows, no dependent antipodal pairs (decided exactly)")
    return Verdict(Outcome.FAILS, reason=str(problem.degeneracy))


hyperplanes = of_weights(
    "Lemma A.1",
    "no kink hyperplane of one input is covered by those of the others",
    editions=(
        Edition(
            "printed", Mark.READ, assumes=(Condition("no two inputs parallel", Gt(separation, 0, evaluate=False)),)
        ),
    ),
)

positivity = of_weights(
    "Theorem 3.1",
    "the infinite-width Gram matrix is positive definite",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(Condition("no two inputs parallel", Gt(separation, 0, evaluate=False)),),
            promises=(Promise("positive least eigenvalue", Gt(lambda_0, 0, evaluate=False)),),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(Condition("no degenerate rows", test=_nondegenerate),),
            promises=(Promise("positive least eigenvalue", Gt(lambda_0, 0, evaluate=False)),),
            reason="Necessary and sufficient: lambda_0 = 0 exactly if some x_i = c x_j with c > 0, or one "
            "representative of each antipodal pair (x_j = -c x_i, c > 0) gives linearly dependent vectors. Across the "
            "hyperplane w.x_i = 0 the field sum_j alpha_j x_j 1{w.x_j >= 0} jumps, which forces alpha_i = 0 unless "
            "x_i has an antipode; an antipodal pair contributes a constant multiple of x_i.",
        ),
    ),
    rests_on=(hyperplanes,),
    errors=(
        KnownError(
            "Sufficient, not necessary: two antipodal pairs in the plane at cosine c have lambda_0 = (1 - |c|) / 2 > 0."
        ),
    ),
)

# --- Section 3.1: initial matrix and stability -----------------------------------------------------------------------

INITIAL_PROMISES = (
    Promise("initial Gram matrix near its limit", Le(initial_gram_deviation, lambda_0 / 4)),
    Promise("initial least eigenvalue", Ge(initial_least_eigenvalue, 3 * lambda_0 / 4)),
)

initial_gram = of_weights(
    "Lemma 3.1",
    "the initial Gram matrix is close to the infinite-width one",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(POSITIVE, Condition("width", Ge(m, C * n**2 * log(n / delta) / lambda_0**2))),
            promises=INITIAL_PROMISES,
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(POSITIVE, Condition("width", Ge(m, hoeffding_paper))),
            promises=INITIAL_PROMISES,
            events=(INITIAL_GRAM,),
            reason="Hoeffding on each of the n(n+1)/2 entries, union bound, Frobenius norm, |x_i.x_j| <= 1.",
            arguments=(arguments.hoeffding_start, arguments.initial_eigenvalue),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(POSITIVE, Condition("width", Ge(m, hoeffding))),
            promises=INITIAL_PROMISES,
            events=(INITIAL_GRAM,),
            reason="As explicit, keeping |x_i.x_j|: n^2 becomes ||XX^T||_F^2.",
            arguments=(arguments.hoeffding_start, arguments.initial_eigenvalue),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(POSITIVE, Condition("width", Ge(m, chernoff))),
            promises=INITIAL_PROMISES[1:],
            events=(INITIAL_GRAM,),
            reason="Matrix Chernoff (Tropp 2012): linear in 1/lambda_0; promises the least eigenvalue only.",
            arguments=(arguments.chernoff_start,),
        ),
    ),
    rests_on=(positivity,),
    errors=(KnownError("The proof sets delta' = n^2 delta where delta / n^2 is meant."),),
)

STABILITY = (
    Promise("Gram drift", Lt(gram_drift, lambda_0 / 4)),
    Promise("least eigenvalue", Gt(least_eigenvalue, lambda_0 / 2)),
)

stability = of_weights(
    "Lemma 3.2",
    "the Gram matrix is stable while no neuron moves far",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(POSITIVE, Condition("travel", Le(travel, c * delta * lambda_0 / n**2))),
            promises=STABILITY,
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(POSITIVE, Condition("travel", Le(travel, flow_radius))),
            promises=(
                Promise("Gram drift", Le(gram_drift, markov_drift)),
                Promise("neurons near a kink", Le(near_kink, markov_flips)),
            ),
            radius=flow_radius,
            events=(FEW_NEAR_KINK,),
            reason="||H - H(0)|| <= 2 n sum_i nu_i and Markov on sum_i nu_i; at this radius the drift is lambda_0 / 4.",
            arguments=(arguments.markov_flips, arguments.drift(BY_MARKOV)),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(POSITIVE, Condition("travel", Le(travel, flow_radius_sharp)), FEW_FLIPS),
            promises=(
                Promise("Gram drift", Le(gram_drift, 2 * F * chernoff_flips)),
                Promise("neurons near a kink", Le(near_kink, n * chernoff_flips)),
            ),
            radius=flow_radius_sharp,
            events=(FEW_NEAR_KINK,),
            reason="||H - H(0)|| <= 2 max(nu) ||XX^T||_F and Chernoff on each nu_i.",
            arguments=(arguments.chernoff_flips, arguments.drift(BY_CHERNOFF)),
        ),
    ),
    rests_on=(initial_gram,),
    errors=(KnownError("Uses the event of Lemma 3.1 without listing it, so it needs that lemma's width as well."),),
)

# --- Section 3.1: gradient flow --------------------------------------------------------------------------------------


def _travel_counterexample() -> Verdict:
    """One input x = 1 in R, four neurons, one active: H = 1/4 = lambda_0 / 2, so the hypothesis holds for all time.

    With ||e(0)|| = 1 the residual is exp(-t/4) and the active neuron has moved 2 (1 - exp(-t/4)); take t = 8.
    """
    moved = evaluate(2 * (1 - exp(-2)), {})
    printed = evaluate(flow_travel_printed, {n: 1, e_0: 1, m: 4, lambda_0: Enclosure.of(0.5)})
    return compare(moved, "<=", printed)


FLOW_RATE = Rate(exp(-lambda_0), 2, t)
GRAM_STAYS = Condition("least eigenvalue stays above half", Ge(least_eigenvalue, lambda_0 / 2))

flow_decay = of_flow(
    "Lemma 3.3",
    "while the Gram matrix stays positive the loss decays and neurons stay near their start",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(GRAM_STAYS,),
            promises=(Promise("travel", Le(travel, flow_travel_printed)),),
            rate=FLOW_RATE,
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(GRAM_STAYS,),
            promises=(Promise("travel", Le(travel, flow_travel_paper)),),
            rate=FLOW_RATE,
            reason="The norm of the residual decays like exp(-lambda_0 t / 2), not exp(-lambda_0 t): "
            "the integral is 2 / lambda_0.",
            arguments=(arguments.rate_of_eigenvalue, NEURON_TRAVEL),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(GRAM_STAYS,),
            promises=(Promise("travel", Le(travel, travel_improved)),),
            rate=FLOW_RATE,
            reason="As corrected, with the gradient bound sqrt(S/m) ||e|| in place of sqrt(n/m) ||e||.",
            arguments=(arguments.rate_of_eigenvalue, NEURON_TRAVEL),
        ),
    ),
    errors=(
        KnownError(
            "The travel is too small by a factor 2: the proof integrates exp(-lambda_0 s) where the norm of the "
            "residual decays like exp(-lambda_0 s / 2). False as printed.",
            _travel_counterexample,
        ),
        KnownError(
            "The flow has a discontinuous right-hand side. With Filippov solutions the indicators take values in "
            "[0, 1] on ties only, and every bound stays true for almost every time."
        ),
    ),
)

bootstrap = of_flow(
    "Lemma 3.4",
    "if the promised travel is smaller than the allowed one, both hold for all time",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(Condition("travel below radius", Lt(flow_travel_printed, R)),),
            promises=(
                Promise("least eigenvalue", Ge(least_eigenvalue, lambda_0 / 2)),
                Promise("travel", Le(travel, flow_travel_printed)),
            ),
            rate=FLOW_RATE,
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(Condition("travel below radius", Lt(flow_travel_paper, R)),),
            promises=(
                Promise("least eigenvalue", Ge(least_eigenvalue, lambda_0 / 2)),
                Promise("travel", Le(travel, flow_travel_paper)),
            ),
            rate=FLOW_RATE,
            reason="With the travel of the corrected Lemma 3.3.",
        ),
    ),
    rests_on=(stability, flow_decay),
    errors=(KnownError("The proof writes ||.||^2 >= R for ||.|| >= R."),),
)

flow = of_flow(
    "Theorem 3.2",
    "gradient flow reaches zero loss at a linear rate",
    identifier="du2019-two-layer-flow",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS, POSITIVE, Condition("width", Ge(m, C * n**6 / (lambda_0**4 * delta**3)))),
            rate=FLOW_RATE,
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, POSITIVE, START_BY_HOEFFDING, Condition("travel below radius", Gt(m, flow_width))),
            promises=(Promise("travel", Le(travel, flow_travel_paper)), *HALF_KEPT),
            rate=FLOW_RATE,
            radius=flow_radius,
            events=THREE_EVENTS,
            reason="The paper's own route with every constant kept.",
            arguments=(
                *flow_arguments(arguments.hoeffding_start, BY_MARKOV),
                NEURON_TRAVEL,
                arguments.stays_inside(),
                arguments.width_in_delta(flow_width_in_delta),
            ),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                START_BY_CHERNOFF,
                Condition("travel below radius", Gt(m, flow_width_improved)),
            ),
            promises=(Promise("travel", Le(travel, travel_improved)), *HALF_KEPT),
            rate=FLOW_RATE,
            radius=flow_radius,
            events=THREE_EVENTS,
            reason="Gradient bound sqrt(S/m) ||e||, matrix Chernoff for the start.",
            arguments=(*flow_arguments(arguments.chernoff_start, BY_MARKOV), NEURON_TRAVEL, arguments.stays_inside()),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                START_BY_CHERNOFF,
                FEW_FLIPS,
                Condition("travel below radius", Gt(m, flow_width_sharp)),
            ),
            promises=(Promise("travel", Le(travel, travel_improved)), *HALF_KEPT),
            rate=FLOW_RATE,
            radius=flow_radius_sharp,
            events=THREE_EVENTS,
            reason="Chernoff in place of Markov for the flips, ||XX^T||_F in place of n.",
            arguments=(
                *flow_arguments(arguments.chernoff_start, BY_CHERNOFF),
                NEURON_TRAVEL,
                arguments.stays_inside(),
            ),
        ),
    ),
    rests_on=(bootstrap,),
    errors=THE_START,
)

# --- Section 4: gradient descent -------------------------------------------------------------------------------------


def _chain(
    travel_bound: Expr, could_flip: Symbol, could_flip_bound: Expr, flipped: Symbol, drift: Expr
) -> tuple[Link, ...]:
    return (
        Link("Corollary 4.1", "how far a neuron moves", travel_bound, travel),
        Link("Lemma 4.1", "how many neurons a move of that length could flip", could_flip_bound, could_flip),
        Link("Lemma 3.2", "how many of them flip", could_flip, flipped),
        Link("Lemma 3.2", "how far that many flips can move the Gram matrix", drift, gram_drift),
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
            promises=(Promise("travel", Le(travel, descent_travel_paper)),),
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
            radius=descent_radius,
            events=(FEW_NEAR_KINK,),
            reason="Markov, and P(|z| <= R) <= sqrt(2/pi) R.",
            arguments=(arguments.markov_flips,),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(FEW_FLIPS,),
            promises=(Promise("neurons near a kink", Le(near_kink, n * chernoff_flips)),),
            radius=descent_radius_sharp,
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
                Condition("travel below radius", Gt(m, descent_width)),
            ),
            promises=(
                Promise("travel", Le(travel, descent_travel_paper)),
                Promise("neurons near a kink", Le(near_kink, markov_flips)),
                Promise("Gram drift", Le(gram_drift, lambda_0 / 8)),
                Promise("least eigenvalue", Ge(least_eigenvalue, 5 * lambda_0 / 8)),
            ),
            rate=DESCENT_RATE_PAPER,
            radius=descent_radius,
            events=THREE_EVENTS,
            chain=_chain(descent_travel_paper, near_kink, markov_flips, flips, 2 * n * flips),
            reason="The paper's route with every constant kept: drift <= lambda_0 / 8, ||H_perp|| <= lambda_0 / 16, "
            "||I_2|| <= eta lambda_0 ||e|| / (16 sqrt n), ||u(k+1) - u(k)|| <= eta n ||e||, so the squared residual "
            "shrinks by 1 - eta lambda_0 + eta^2 n^2 <= 1 - eta lambda_0 / 2.",
            arguments=(
                *_until_the_rate(arguments.hoeffding_start, BY_MARKOV),
                arguments.markov_flips,
                arguments.one_step_squared(BY_MARKOV),
                NEURON_TRAVEL,
                arguments.stays_inside(),
                arguments.width_in_delta(descent_width_in_delta),
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
                Condition("travel below radius", Gt(m, descent_width_improved)),
            ),
            promises=(
                Promise("travel", Le(travel, travel_improved)),
                Promise("neurons near a kink", Le(near_kink, markov_flips)),
                Promise("Gram drift", Le(gram_drift, lambda_0 / 8)),
                Promise("least eigenvalue", Ge(least_eigenvalue, 5 * lambda_0 / 8)),
            ),
            rate=DESCENT_RATE,
            radius=descent_radius,
            events=THREE_EVENTS,
            chain=_chain(travel_improved, near_kink, markov_flips, flips, 2 * n * flips),
            reason="The exact one-step identity, eta lambda_max(H) <= 1, and the gradient bound sqrt(S/m) ||e||: the "
            "norm itself shrinks by 1 - eta lambda_0 / 2, at steps up to 1/S.",
            arguments=(
                *_until_the_rate(arguments.chernoff_start, BY_MARKOV),
                arguments.markov_flips,
                arguments.one_step(BY_MARKOV),
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
                Condition("travel below radius", Gt(m, descent_width_sharp)),
            ),
            promises=(
                Promise("travel", Le(travel, travel_improved)),
                Promise("neurons near a kink", Le(near_kink, n * chernoff_flips)),
                Promise("Gram drift", Le(gram_drift, 2 * F * chernoff_flips)),
                Promise("least eigenvalue", Ge(least_eigenvalue, 5 * lambda_0 / 8)),
            ),
            rate=DESCENT_RATE,
            radius=descent_radius_sharp,
            events=THREE_EVENTS,
            chain=_chain(travel_improved, most_near_kink, chernoff_flips, most_flips, 2 * F * most_flips),
            reason="As improved, with max(nu) <= 2 p_R by Chernoff: max(nu) (3 ||XX^T||_F + sqrt(S n)) <= lambda_0 / 4,"
            " since ||XX^T||_F <= sqrt(S n).",
            arguments=(
                *_until_the_rate(arguments.chernoff_start, BY_CHERNOFF),
                arguments.chernoff_flips,
                arguments.one_step(BY_CHERNOFF),
                NEURON_TRAVEL,
                arguments.stays_inside(),
            ),
        ),
    ),
    rests_on=(stability, descent_travel, few_flips_lemma),
    errors=THE_START,
)

PAPER = Paper(
    key="du2019gradient",
    authors=("Du, Simon S.", "Zhai, Xiyu", "Poczos, Barnabas", "Singh, Aarti"),
    title="Gradient Descent Provably Optimizes Over-parameterized Neural Networks",
    year=2019,
    venue="International Conference on Learning Representations (ICLR)",
    arxiv="1810.02054",
    statements=(
        hyperplanes,
        positivity,
        initial_gram,
        stability,
        flow_decay,
        bootstrap,
        flow,
        descent_travel,
        few_flips_lemma,
        descent,
    ),
)
