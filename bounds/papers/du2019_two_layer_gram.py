r"""Du, Zhai, Poczos and Singh (ICLR 2019): the Gram matrix of two-layer ReLU networks. arXiv 1810.02054.

The matrix at infinite width, at the start, and while no neuron moves far, with the constants of the explicit editions.
Write H for the Gram matrix of the trained layer, S = ||X||^2, and nu_i for the fraction of neurons with |w_r(0).x_i| <=
R.

*What is true of any weights.* H = (1/m) sum_r D_r X X^T D_r with D_r the diagonal 0/1 matrix of active inputs, so 0
<= H <= S.

*Few flips.* If no neuron moved farther than R, the pattern of neuron r on input i can differ from the start only if
|w_r(0).x_i| <= R. Hence |H_ij - H_ij(0)| <= |x_i.x_j| (nu_i + nu_j), so ||H - H(0)|| <= 2 n sum_i nu_i, and at most 2
max(nu) ||XX^T||_F.

*How few.* w.x_i is standard normal, so E nu_i = p_R = erf(R / sqrt 2) <= sqrt(2/pi) R. Markov: sum_i nu_i <= n p_R /
delta_2 with probability 1 - delta_2. Chernoff and a union bound: max(nu) <= 2 p_R with probability 1 - delta_2 if m
p_R >= log(n / delta_2) / log(4/e).

*Initial matrix.* Hoeffding on each entry: |H_ij(0) - H_ij| <= |x_i.x_j| sqrt(log(n(n+1)/delta_1) / (2m)) for all i <=
j with probability 1 - delta_1, so ||H(0) - H|| <= lambda_0 / 4 if m >= 8 ||XX^T||_F^2 log(n(n+1)/delta_1) /
lambda_0^2. Matrix Chernoff (Tropp 2012, from memory) on summands of norm at most S/m: lambda_min(H(0)) >= 3/4
lambda_0 if m >= S log(n / delta_1) / (kappa lambda_0), kappa = 1/4 + 3/4 log(3/4).

What it is for: :mod:`bounds.papers.du2019_two_layer_flow` and :mod:`bounds.papers.du2019_two_layer`.
"""

from __future__ import annotations

from functools import partial

from sympy import Ge, Gt, Le, Lt, erf, log, pi, sqrt
from sympy import Rational as Q

from bounds.arithmetic import Outcome, Verdict, large_constant, small_constant
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
    gram_drift,
    initial_gram_deviation,
    initial_least_eigenvalue,
    lambda_0,
    least_eigenvalue,
    m,
    most_near_kink,
    n,
    near_kink,
    separation,
    travel,
)
from bounds.settings import TwoLayer
from bounds.statements import (
    POSITIVE,
    Condition,
    Edition,
    Event,
    KnownError,
    Mark,
    Paper,
    Promise,
    Statement,
)

FIRST_LAYER = TwoLayer(trained="first")
of_weights = partial(Statement, setting=FIRST_LAYER, dynamics="any weights")

C = large_constant("C")
c = small_constant("c")

INITIAL_GRAM = Event(delta_1, "the initial Gram matrix is close to its expectation")
FEW_NEAR_KINK = Event(delta_2, "few neurons start near a kink")

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

radius = sqrt(2 * pi) * delta_2 * lambda_0 / (16 * n**2)
radius_sharp = sqrt(2 * pi) * lambda_0 / (32 * F)

# --- What the counts of neurons near a kink bound; the solvers take it from here --------------------------------------

BY_MARKOV = Flips(Le(near_kink, markov_flips), 2 * n * near_kink)
BY_CHERNOFF = Flips(Le(most_near_kink, chernoff_flips), 2 * F * most_near_kink)


def until_the_rate(start: Argument, flips: Flips) -> tuple[Argument, ...]:
    """From the events of the start to the least eigenvalue in training."""
    return (
        arguments.union_of_events,
        arguments.initial_residual,
        start,
        arguments.drift(flips),
        arguments.least_eigenvalue(flips),
    )


# --- Conditions that recur -------------------------------------------------------------------------------------------

START_BY_HOEFFDING = Condition("initial Gram", Ge(m, hoeffding_paper))
START_BY_CHERNOFF = Condition("initial Gram", Ge(m, chernoff))
FEW_FLIPS = Condition("few flips", Ge(m, few_flips))

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
            assumes=(POSITIVE, Condition("travel", Le(travel, radius))),
            promises=(
                Promise("Gram drift", Le(gram_drift, markov_drift)),
                Promise("neurons near a kink", Le(near_kink, markov_flips)),
            ),
            radius=radius,
            events=(FEW_NEAR_KINK,),
            reason="||H - H(0)|| <= 2 n sum_i nu_i and Markov on sum_i nu_i; at this radius the drift is lambda_0 / 4.",
            arguments=(arguments.markov_flips, arguments.drift(BY_MARKOV)),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(POSITIVE, Condition("travel", Le(travel, radius_sharp)), FEW_FLIPS),
            promises=(
                Promise("Gram drift", Le(gram_drift, 2 * F * chernoff_flips)),
                Promise("neurons near a kink", Le(near_kink, n * chernoff_flips)),
            ),
            radius=radius_sharp,
            events=(FEW_NEAR_KINK,),
            reason="||H - H(0)|| <= 2 max(nu) ||XX^T||_F and Chernoff on each nu_i.",
            arguments=(arguments.chernoff_flips, arguments.drift(BY_CHERNOFF)),
        ),
    ),
    rests_on=(initial_gram,),
    errors=(KnownError("Uses the event of Lemma 3.1 without listing it, so it needs that lemma's width as well."),),
)

PAPER = Paper(
    key="du2019gradient",
    authors=("Du, Simon S.", "Zhai, Xiyu", "Poczos, Barnabas", "Singh, Aarti"),
    title="Gradient Descent Provably Optimizes Over-parameterized Neural Networks",
    year=2019,
    venue="International Conference on Learning Representations (ICLR)",
    arxiv="1810.02054",
    statements=(hyperplanes, positivity, initial_gram, stability),
    part="the Gram matrix (Section 3, Appendix A.1)",
)
