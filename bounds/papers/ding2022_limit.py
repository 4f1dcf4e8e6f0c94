r"""Ding, Chen, Li and Wright (submission to ICLR 2022): how a residual network approaches its limit. arXiv 2110.02926.

The model and its limit are those of their earlier paper (JMLR 2022), with weaker assumptions on f. M is the
width. Numbers are those of the submission, which was read; later ones may differ.

*Width and depth with constants.* If M E|E_M - E|^2 <= V at a pseudo-time, then by Markov |E_M - E| > eps/2 has
probability at most 4 V / (M eps^2) <= delta/2 for M >= 8 V / (eps^2 delta). If |E_L - E| <= D / L, then L >= 2 D / eps
suffices. V and D can be measured on networks; the paper's C hides them, grows with the pseudo-time, and comes from
nested Gronwall estimates.

*At the start*, for weights that do not depend on the layer, V and D follow. Let f be K-Lipschitz in z and at most B on
the states reached, over the support of rho. Networks of M branches per layer deviate from the limit by Delta with
|Delta|' <= K |Delta| + |MC|, where MC, the error of a mean of M independent f(Z, theta_m), has E|MC|^2 <= B^2 / M. So
the root of E|Delta(1)|^2 is at most G B / sqrt(M), G = (e^K - 1) / K, and exceeds eps/2 with probability at most
4 G^2 B^2 / (M eps^2). Euler's method with L steps errs by K B / (2 L^2) in each, as |z''| <= K B, hence by
(e^K - 1) B / (2 L) <= eps/2 at the end if L >= (e^K - 1) B / eps.

*Drawn anew for each layer* the start is not admitted by Theorem 5.1, yet it converges, even at fixed M: the errors of
the layers are uncorrelated, so v_l = E|z_l - Z_l|^2, Z Euler's states of the limit, has v_(l+1) <= (1 + K/L)^2 v_l +
B^2 / (M L^2), and ((1 + K/L)^(2L) - 1) / ((1 + K/L)^2 - 1) <= (e^(2K) - 1) L / (2 K) gives v_L <= B^2 (e^(2K) - 1) /
(2 K M L).

*Growth.* |Z|' <= C_1 (|theta|^2 + 1)(|Z| + 1) in the mean over theta, and Gronwall for |Z| + 1 gives |Z| + 1 <=
exp(C_1 (second moment + 1)) (|x| + 1): the printed exponent is twice as large as it has to be.
"""

from __future__ import annotations

from sympy import Ge, Gt, Le, Symbol, exp

from bounds.arithmetic import large_constant
from bounds.papers._mean_field_resnet import (
    ADMISSIBLE,
    BOUNDED_PART,
    DATA,
    GROWTH,
    NETWORKS,
    UNIVERSAL,
    depth,
    eps,
    gap,
    loss,
)
from bounds.proofs import Obligation
from bounds.quantities import delta, m, quantity
from bounds.settings import Family, Network
from bounds.statements import Condition, Edition, KnownError, Mark, Paper, Promise, Statement, hypothesis

C = large_constant("C")
first_loss = quantity(
    "E_0", "loss at the start", latex=r"E(\rho_{\mathrm{ini}})", nonnegative=True, measured_by="first loss"
)
width_gap = quantity(
    "D_M",
    "distance of the losses of width M and of infinite width",
    nonnegative=True,
    measured_by="distance from a larger network's loss",
)
depth_gap = quantity(
    "D_L",
    "distance of the losses of L layers and of infinitely many",
    nonnegative=True,
    measured_by="distance from a larger network's loss",
)
width_error = quantity("V_M", "mean square over draws of the distance of the losses of width M and of infinite width")
width_constant = quantity("V", "bound on M times that mean square")
depth_constant = quantity("D", "bound on L times the distance of the losses of L layers and of infinitely many")
bound_f = quantity(
    "B", "bound on |f| on the states reached, over the support of the start", measured_by="bound on a branch"
)
lipschitz_f = quantity(
    "K",
    "Lipschitz constant of f in the state, over the support of the start",
    measured_by="Lipschitz constant of a branch",
)
growth = quantity("G", "growth of an error along the network")
deviation = quantity(
    "D_z",
    "root mean square over the inputs of the deviation of the last state",
    nonnegative=True,
    measured_by="deviation of the last state",
)
state = quantity("Z", "norm of the state Z(t; x)", latex=r"\lvert Z_\rho(t;x)\rvert", nonnegative=True)
input_norm = quantity("x", "norm of the input", latex=r"\lvert x\rvert", nonnegative=True)
moment = quantity("M_2", "mean over t of the second moment of rho", latex=r"\mathcal L", nonnegative=True)
growth_f = quantity("C_1", "constant of |f| <= C_1 (|theta|^2 + 1)(|z| + 1)", latex="C_1")

LIMIT = (GROWTH, UNIVERSAL, DATA, ADMISSIBLE, BOUNDED_PART)
euler_deviation = quantity(
    "D_a",
    "root mean square over the inputs of the last state's deviation from that of infinite width",
    nonnegative=True,
    measured_by="deviation of the last state",
)
INDEPENDENT = Family(
    NETWORKS.architecture,
    start="theta_(l,m) independent, of one law rho",
    trained=NETWORKS.trained,
    loss=NETWORKS.loss,
    network=Network("ding2021-resnet", (("paths", "independent"),), mean=True),
)
BRANCHES = hypothesis(
    "bounded Lipschitz branches",
    "the law rho of the start does not depend on the layer; over its support f is K-Lipschitz in the state, and |f| "
    "<= B on the states that are reached",
)

# --- the limit -------------------------------------------------------------------------------------------------------

well_posed = Statement(
    "Lemmas A.1 to A.4",
    "states stay bounded, the mean-field flow has one solution, and the loss does not grow along it",
    NETWORKS,
    "mean-field flow",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(GROWTH, DATA, ADMISSIBLE),
            promises=(
                Promise("states", Le(state, exp(2 * growth_f * (moment + 1)) * (input_norm + 1))),
                Promise("loss", Le(loss, first_loss)),
            ),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(GROWTH,),
            promises=(Promise("states", Le(state, exp(growth_f * (moment + 1)) * (input_norm + 1) - 1)),),
            reason="Gronwall for |Z| + 1: half the exponent.",
        ),
    ),
    remark="In full dE/ds = - int int |grad_theta dE/drho|^2 d rho dt; for the network dE/ds = - M L |grad E|^2.",
)


def markov(edition: Edition) -> Obligation:
    """Four mean squares over eps^2 are at most half of delta."""
    failing = Symbol("p_M", positive=True)
    square, width = (c.relation for c in edition.assumes if c.relation is not None)
    return Obligation(
        "Markov",
        "A distance above eps/2 has probability at most p_M, its mean square over eps^2 / 4.",
        given=(square, width, Le(failing * eps**2, 4 * width_error)),
        claim=Le(failing, delta / 2),
        planted=Le(failing, delta / 3),
    )


by_width = Statement(
    "Theorem E.1",
    "infinitely many layers: the width that brings the loss near its limit",
    NETWORKS,
    "mean-field flow",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(*LIMIT, Condition("width", Gt(m, C / (eps**2 * delta)))),
            promises=(Promise("distance", Le(width_gap, eps / 2)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("mean square", Le(width_error, width_constant / m)),
                Condition("width", Ge(m, 8 * width_constant / (eps**2 * delta))),
            ),
            promises=(Promise("distance", Le(width_gap, eps / 2)),),
            reason="Markov's inequality; V is measured, or bounded at the start as in this file.",
            arguments=(markov,),
        ),
    ),
    rests_on=(well_posed,),
    remark="With probability 1 - delta/2 at each pseudo-time below a horizon, on which C depends: not for all at once.",
)


def layers_suffice(edition: Edition) -> Obligation:
    """D / L is at most eps/2."""
    error, layers = (c.relation for c in edition.assumes if c.relation is not None)
    return Obligation(
        "layers",
        "The error of the layers is at most eps/2.",
        given=(error, layers),
        claim=edition.promises[0].relation,
        planted=Le(depth_gap, eps / 3),
    )


by_depth = Statement(
    "Theorem E.2",
    "the number of layers that brings the loss near that of infinitely many",
    NETWORKS,
    "mean-field flow",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(*LIMIT, Condition("layers", Ge(depth, C / eps)), Condition("width", Ge(m, C / delta))),
            promises=(Promise("distance", Le(depth_gap, eps / 2)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("error of the layers", Le(depth_gap, depth_constant / depth)),
                Condition("layers", Ge(depth, 2 * depth_constant / eps)),
            ),
            promises=(Promise("distance", Le(depth_gap, eps / 2)),),
            reason="D is measured on networks with the same paths.",
            arguments=(layers_suffice,),
        ),
    ),
    rests_on=(well_posed,),
    remark="With probability 1 - delta/2 at each pseudo-time below a horizon. The layers sample the same paths.",
)


def two_halves(edition: Edition) -> Obligation:
    """Two distances of at most eps/2 each."""
    return Obligation(
        "two halves",
        "The distances in width and in depth add up.",
        given=(
            *(p.relation for part in (by_width, by_depth) for p in part.editions[1].promises),
            Le(gap, width_gap + depth_gap),
        ),  # fmt: skip
        claim=edition.promises[0].relation,
        planted=Le(gap, eps / 2),
    )


limit = Statement(
    "Theorem 5.1",
    "the loss of a wide and deep residual network is that of its mean-field limit",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-limit",
    concludes="approximation",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(*LIMIT, Condition("width", Gt(m, C / (eps**2 * delta))), Condition("layers", Gt(depth, C / eps))),
            promises=(Promise("distance", Le(gap, eps)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("mean square", Le(width_error, width_constant / m)),
                Condition("error of the layers", Le(depth_gap, depth_constant / depth)),
                Condition("width", Ge(m, 8 * width_constant / (eps**2 * delta))),
                Condition("layers", Ge(depth, 2 * depth_constant / eps)),
            ),
            promises=(Promise("distance", Le(gap, eps)),),
            reason="The explicit forms of Theorems E.1 and E.2, at one pseudo-time.",
            arguments=(two_halves,),
        ),
    ),
    rests_on=(by_width, by_depth),
    errors=(
        KnownError(
            "Definition 4.2 has all of theta bounded; Theorem 6.2 needs a start unbounded in theta_2. Only theta_1 is "
            "to be bounded, as Theorem 5.1 says: a path can go round a support that is bounded in theta_2."
        ),
    ),
    remark="Width and layers are independent of one another. With probability 1 - delta at each pseudo-time below a "
    "horizon, on which C depends; a statement about the flow, not about descent with steps; nothing about zero loss. "
    "Weights drawn anew for each layer, the usual start, are not admitted.",
)


def markov_at_the_start(edition: Edition) -> Obligation:
    """Four mean squares G^2 B^2 / M over eps^2 are at most delta."""
    failing = Symbol("p_M", positive=True)
    width = next(c.relation for c in edition.assumes if c.name == "width" and c.relation is not None)
    return Obligation(
        "Markov",
        "A deviation of the width above eps/2 has probability at most p_M.",
        given=(width, Le(failing * eps**2, 4 * growth**2 * bound_f**2 / m)),
        claim=Le(failing, delta),
        planted=Le(failing, delta / 2),
    )


def euler(edition: Edition) -> Obligation:
    """With q = e^K - 1: q B / (2 L) is at most eps/2."""
    q, error = Symbol("q", positive=True), Symbol("D_Euler", positive=True)
    layers = next(c.relation for c in edition.assumes if c.name == "layers" and c.relation is not None)
    return Obligation(
        "Euler",
        "Euler's method with L steps errs by at most eps/2.",
        given=(layers.subs(exp(lipschitz_f), q + 1), Le(error, q * bound_f / (2 * depth))),
        claim=Le(error, eps / 2),
        planted=Le(error, eps / 3),
    )


start = Statement(
    "Deviation at the start",
    "how far the last state is from its limit before training, with all constants",
    NETWORKS,
    "no training",
    identifier="ding2022-start",
    concludes="approximation",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                BRANCHES,
                Condition("width", Ge(m, 4 * growth**2 * bound_f**2 / (eps**2 * delta))),
                Condition("layers", Ge(depth, (exp(lipschitz_f) - 1) * bound_f / eps)),
            ),
            promises=(Promise("deviation", Le(deviation, eps)),),
            reason="Gronwall, Markov and Euler's error, in this file.",
            arguments=(markov_at_the_start, euler),
            where=((growth, (exp(lipschitz_f) - 1) / lipschitz_f),),
        ),
    ),
    rests_on=(well_posed,),
    remark="With probability 1 - delta. Not in the paper, whose constant is hidden. For f = a tanh(W z + b) in R^d "
    "with |a| <= 1 take B = sqrt(d) and for K the largest norm of W.",
)


def markov_anew(edition: Edition) -> Obligation:
    """With q = e^(2K) - 1: the mean square q B^2 / (2 K M L) over eps^2 is at most delta."""
    q, failing = Symbol("q", positive=True), Symbol("p_M", positive=True)
    width = next(c.relation for c in edition.assumes if c.name == "width" and c.relation is not None)
    return Obligation(
        "Markov",
        "A deviation above eps has probability at most p_M.",
        given=(
            width.subs(exp(2 * lipschitz_f), q + 1),
            Le(failing * eps**2, q * bound_f**2 / (2 * lipschitz_f * m * depth)),
        ),
        claim=Le(failing, delta),
        planted=Le(failing, delta / 2),
    )


anew = Statement(
    "Layers drawn anew",
    "with weights drawn for each layer by itself, depth averages as width does",
    INDEPENDENT,
    "no training",
    identifier="ding2022-independent-layers",
    concludes="approximation",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                BRANCHES,
                Condition(
                    "width",
                    Ge(m, (exp(2 * lipschitz_f) - 1) * bound_f**2 / (2 * lipschitz_f * depth * eps**2 * delta)),
                ),
            ),
            promises=(Promise("deviation", Le(euler_deviation, eps)),),
            reason="The errors of the layers are uncorrelated; in this file.",
            arguments=(markov_anew,),
        ),
    ),
    remark="With probability 1 - delta, before training. Theorem 5.1 does not admit this start: its paths are not "
    "continuous in mean square. The width may be 1 if there are layers enough.",
)

PAPER = Paper(
    key="ding2022global",
    authors=("Ding, Zhiyan", "Chen, Shi", "Li, Qin", "Wright, Stephen J."),
    title="On the global convergence of gradient descent for multi-layer ResNets in the mean-field regime",
    year=2022,
    venue="Submitted to the International Conference on Learning Representations (ICLR) 2022",
    arxiv="2110.02926",
    statements=(well_posed, by_width, by_depth, limit, start, anew),
    kind="misc",
    part="the limit in width and depth (Section 5, Appendices A and E)",
    remark="Read in the version submitted to ICLR 2022, whose numbers are used.",
)
