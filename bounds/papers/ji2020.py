r"""Ji and Telgarsky (ICLR 2020): logistic loss, a margin, and polylogarithmic width. arXiv 1909.12292.

Two-layer ReLU networks, the first layer trained on the mean logistic loss; gamma is the margin that the infinite-width
kernel separates the data with. With

    lambda = 4 (sqrt(2 log(4 n / delta)) + log(4 / eps)) / gamma,    M = 4096 lambda^2 / gamma^6,

width M and steps eta <= 1 make the average of the first T = 2 lambda^2 / (eta eps) risks at most eps.

*Travel below the flips' radius, re-derived.* A neuron moves at most 4 lambda / (gamma sqrt(m)); at m >= M this is at
most gamma^2 / 16: the margin, of size gamma, survives while the fraction of flipped neurons is of the order of gamma^2.
"""

from __future__ import annotations

from sympy import Eq, Ge, Le, log, sqrt
from sympy import Rational as Q

from bounds.proofs import Obligation
from bounds.quantities import delta, eta, m, n, quantity, travel
from bounds.settings import Family, Network
from bounds.statements import UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Statement, hypothesis

NETWORKS = Family(
    "f(x) = m^(-1/2) sum_r a_r max(w_r.x, 0)",
    start="w_r ~ N(0, I_d), a_r uniform on {-1, +1}",
    trained="first layer",
    loss="mean logistic loss",
    network=Network("two-layer", loss="logistic", mean=True, kernel="first"),
)

margin = quantity("gamma", "margin of the infinite-width kernel", latex=r"\gamma")
target = quantity("eps", "risk to be reached", latex=r"\epsilon", measured_by="goal for the risk")
steps = quantity("T", "number of steps", integer=True, measured_by="steps")
average_risk = quantity(
    "R_T", "average over the first T steps of the empirical risk", nonnegative=True, measured_by="average loss"
)

scale = quantity("lambda_s", "scale of the argument", latex=r"\lambda")
scale_formula = 4 * (sqrt(2 * log(4 * n / delta)) + log(4 / target)) / margin


def travel_below_margin(edition: Edition) -> Obligation:
    """At the width asked for, the bound on the travel is at most gamma^2 / 16."""
    bound = next(p.bound for p in edition.promises if p.measured == travel)
    asked = next(c.relation.rhs for c in edition.assumes if c.name == "width" and c.relation is not None)
    return Obligation(
        "travel below the radius of flips",
        "4 lambda / (gamma sqrt(m)) <= gamma^2 / 16 at the width asked for.",
        given=(Ge(m, asked), Eq(travel, bound)),
        claim=Le(travel, margin**2 / 16),
        planted=Le(travel, margin**2 / 16 * Q(99, 100)),
    )


average = Statement(
    "Theorem 2.2",
    "a width that is polylogarithmic in n and 1/eps makes the average risk small",
    NETWORKS,
    "gradient descent",
    identifier="ji2020-logistic",
    concludes="average iterate",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                hypothesis("separable by the kernel", "the infinite-width kernel separates the data with margin gamma"),
                Condition("step size", Le(eta, 1)),
                Condition("steps", Ge(steps, 2 * scale**2 / (eta * target))),
                Condition("width", Ge(m, 4096 * scale**2 / margin**6)),
            ),
            promises=(
                Promise("average risk", Le(average_risk, target)),
                Promise("travel", Le(travel, 4 * scale / (margin * sqrt(m)))),
            ),
            arguments=(travel_below_margin,),
            where=((scale, scale_formula),),
        ),
    ),
    remark="With probability 1 - 3 delta. The average (or best) of the first T risks, not the last; the number of "
    "steps is the least integer that the condition allows. All constants are recalled.",
)

PAPER = Paper(
    key="ji2020polylogarithmic",
    authors=("Ji, Ziwei", "Telgarsky, Matus"),
    title="Polylogarithmic width suffices for gradient descent to achieve arbitrarily small test error with shallow "
    "ReLU networks",
    year=2020,
    venue="International Conference on Learning Representations (ICLR)",
    arxiv="1909.12292",
    statements=(average,),
    remark="Its text could not be opened: from memory.",
)
