r"""Ding, Chen, Li and Wright (JMLR 2022): overparameterisation of deep residual networks. arXiv 2105.14417.

Residual networks with scale 1/(M L) and smooth branches approach a flow of laws rho in width M and depth L; if that
flow converges to a law of full support, the limit has zero loss. Training is that of a cost whose regularisation
fades, E(rho) + e^(-s) int_0^1 int |theta|^2 d rho dt (its form recalled; the factor may be 1/2).

*Why full support suffices.* A limit is stationary, so grad_theta dE/drho vanishes on the support of rho(., t_0), which
is R^k: dE/drho (., t_0) is constant. Were E > 0, universality would give a signed nu of mass zero with
int dE/drho d nu < 0 for any t_0. No homogeneity is needed, but the support of a limit is not known before it is found:
the authors' later paper (arXiv 2110.02926) calls this hard to justify and assumes a separating start instead.

*Moments, re-derived.* Along the flow the cost falls, in rho as the gradient flow does and in s as e^(-s) does, so that
e^(-s) times the second moment is at most the cost at the start: int int |theta|^2 d rho dt <= e^s (E_0 + second moment
at the start). The bound grows without end, and keeps no law in place.

*Labels out of reach* are those of the later paper: the output is g of a flow map.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from sympy import Ge, Gt, Le, Symbol, exp

from bounds.arithmetic import Verdict, compare, large_constant
from bounds.flow_maps import increasing_floor
from bounds.papers._mean_field_resnet import (
    ADMISSIBLE,
    ATTAINED,
    CONVERGES,
    DATA,
    UNIVERSAL,
    at_that_time,
    depth,
    enough_time,
    eps,
    gap,
    limit_loss,
    loss,
    s,
)
from bounds.papers._mean_field_resnet import NETWORKS as UNREGULARISED
from bounds.proofs import Obligation
from bounds.quantities import delta, m, quantity, unspecified
from bounds.settings import Network
from bounds.statements import Condition, Edition, KnownError, Mark, Paper, Promise, Statement, hypothesis

NETWORKS = replace(
    UNREGULARISED,
    loss="mean of half the squares plus e^(-s) times the mean of |theta|^2, flow M L times as fast",
    network=Network("ding2021-resnet", mean=True, method="fading"),
)

C = large_constant("C")
first_loss = quantity(
    "E_0", "loss at the start", latex=r"E(\rho_{\mathrm{ini}})", nonnegative=True, measured_by="first loss"
)
moment = quantity("M_s", "mean over t of the second moment of rho at pseudo-time s", nonnegative=True)
first_moment = quantity("M_0", "mean over t of the second moment of rho at the start", nonnegative=True)

SMOOTH = hypothesis(
    "smooth branches",
    "f is smooth, with Lipschitz and growth bounds in state and weights that the authors relax in arXiv 2110.02926",
)
LIMIT = (SMOOTH, UNIVERSAL, DATA, ADMISSIBLE)
FIT = Promise("zero loss", Le(limit_loss, 0, evaluate=False))


def cost_falls(edition: Edition) -> Obligation:
    """With q = e^s: E + M_s / q <= E_0 + M_0."""
    q = Symbol("q", positive=True)
    return Obligation(
        "moment",
        "The second moment is at most e^s times the cost at the start, with q for e^s.",
        given=(Le(loss + moment / q, first_loss + first_moment),),
        claim=edition.promises[0].relation.subs(exp(s), q),
        planted=Le(moment, q * (first_loss + first_moment) / 2),
    )


moments = Statement(
    "Moments",
    "the fading regularisation bounds the second moment at every pseudo-time",
    NETWORKS,
    "mean-field flow",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(SMOOTH, DATA),
            promises=(Promise("second moment", Le(moment, exp(s) * (first_loss + first_moment))),),
            reason="The cost does not grow; in this file, for the recalled cost.",
            arguments=(cost_falls,),
        ),
    ),
)

limit = Statement(
    "Theorem 6",
    "the loss of a wide and deep residual network is that of its mean-field limit",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-regularised-limit",
    concludes="approximation",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(*LIMIT, Condition("width", Gt(m, C / (eps**2 * delta))), Condition("layers", Gt(depth, C / eps))),
            promises=(Promise("distance", Le(gap, eps)),),
        ),
    ),
    rests_on=(moments,),
    remark="With probability 1 - delta at each pseudo-time below a horizon, on which C depends. The rates are "
    "recalled, and so is whether the loss or the regularised cost is meant; they agree with Theorem 5.1 of arXiv "
    "2110.02926, which was read.",
)

FULL_SUPPORT = (
    *LIMIT,
    CONVERGES,
    hypothesis("full support", "for one t_0 the support of rho_inf(., t_0) is all of R^k; it is not known beforehand"),
)


def crossed_labels() -> Verdict:
    """Labels (2, -2) at (-2, 2), g(z) = z: all flow maps keep E >= 2; eps = 1."""
    inputs = [-2, 2]
    return compare(increasing_floor(inputs, [-x for x in inputs]), "<=", Fraction(1))


full_support = Statement(
    "Theorem 7",
    "if the mean-field flow converges to a law of full support, that law has zero loss",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-full-support",
    concludes="exact fit",
    editions=(
        Edition("printed", Mark.FROM_MEMORY, assumes=FULL_SUPPORT, promises=(FIT,)),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(*FULL_SUPPORT, ATTAINED),
            promises=(FIT,),
            reason="Convergence needs labels that a flow map attains, which can be decided on a line.",
        ),
    ),
    rests_on=(moments,),
    remark="Convergence and support of the limit are both assumed; nothing is said of a rate.",
)

network = Statement(
    "Theorems 6 and 7 together",
    "a residual network that is wide and deep enough, trained long enough, has small loss",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-regularised-network",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                *FULL_SUPPORT,
                Condition("time", Gt(s, enough_time)),
                Condition("width", Gt(m, at_that_time / (eps**2 * delta))),
                Condition("layers", Gt(depth, at_that_time / eps)),
            ),
            promises=(Promise("loss", Le(loss, eps)),),
        ),
    ),
    rests_on=(limit, full_support),
    remark="With probability 1 - delta at each such time. The time, and with it C, depends on eps in an unknown way.",
)

abstract = Statement(
    "Abstract of the first version",
    "large residual networks have near-zero loss in the end",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-first-abstract",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                hypothesis("smooth activations", "residual networks with smooth activation functions"),
                Condition("width", Ge(m, unspecified("M_0", eps, delta))),
                Condition("layers", Ge(depth, unspecified("L_0", eps, delta))),
            ),
            promises=(Promise("loss", Le(loss, eps)),),
        ),
    ),
    rests_on=(network,),
    errors=(
        KnownError(
            "Without the assumptions that the third version's abstract mentions it is false: crossed labels (2, -2) at "
            "(-2, 2) keep E >= 2 in the limit.",
            crossed_labels,
        ),
    ),
    remark="Encoded to be told apart from Theorems 6 and 7, which are conditional.",
)

PAPER = Paper(
    key="ding2022overparameterization",
    authors=("Ding, Zhiyan", "Chen, Shi", "Li, Qin", "Wright, Stephen J."),
    title="Overparameterization of deep ResNet: zero loss and mean-field analysis",
    year=2022,
    venue="Journal of Machine Learning Research 23(48)",
    arxiv="2105.14417",
    statements=(moments, limit, full_support, network, abstract),
    kind="article",
    remark="Read in the abstracts only; the rest from memory and from what arXiv 2110.02926, which was read, says of "
    "it.",
)
