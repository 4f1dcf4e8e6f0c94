r"""Song and Yang (2019): n^4 neurons by a matrix Chernoff bound. arXiv 1906.03593.

*The initial matrix, re-derived.* H(0) = (1/m) sum_r Z_r with independent 0 <= Z_r = D_r X X^T D_r <= ||X||^2 of
mean H. By the lower tail of the matrix Chernoff bound (Tropp 2012), for 0 < theta < 1

    P(lambda_min(H(0)) <= (1 - theta) lambda_0) <= n exp(-theta^2 m lambda_0 / (2 ||X||^2)),

so m >= 2 ||X||^2 log(n / delta) / (theta^2 lambda_0) suffices: the start costs one power of lambda_0, the dynamics the
others. (The sharper exponent theta + (1 - theta) log(1 - theta) >= theta^2 / 2 serves Du et al. (2019) here.)
"""

from __future__ import annotations

from sympy import Ge, Le, Lt, exp, log

from bounds.arithmetic import large_constant, small_constant
from bounds.proofs import Obligation
from bounds.quantities import X_norm, eta, initial_least_eigenvalue, k, lambda_0, m, n, quantity
from bounds.settings import TwoLayer
from bounds.statements import POSITIVE, UNIT_ROWS, Condition, Edition, Event, Mark, Paper, Promise, Rate, Statement

FIRST_LAYER = TwoLayer(trained="first")

theta = quantity(
    "theta", "share of the least eigenvalue that the start may lose", latex=r"\theta", measured_by="one half"
)
start = quantity("delta_5", "share of delta: initial Gram matrix", latex=r"\delta_5")

C = large_constant("C", logarithms=True)
c = small_constant("c")


def chernoff(edition: Edition) -> Obligation:
    """The probability that the initial matrix loses more than theta is at most its share of delta."""
    failure = n * exp(-(theta**2) * m * lambda_0 / (2 * X_norm**2))
    asked = next(c.relation for c in edition.assumes if c.name == "width" and c.relation is not None)
    return Obligation(
        "initial matrix by matrix Chernoff",
        "n exp(-theta^2 m lambda_0 / (2 ||X||^2)) is at most the share of delta.",
        given=(asked, Lt(0, lambda_0)),
        claim=Le(failure, start),
        planted=Le(failure, start / 2),
    )


initial = Statement(
    "Initial least eigenvalue",
    "the initial matrix keeps most of the least eigenvalue",
    FIRST_LAYER,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("theta", Lt(theta, 1)),
                Condition("width", Ge(m, 2 * X_norm**2 * log(n / start) / (theta**2 * lambda_0))),
            ),
            promises=(Promise("initial least eigenvalue", Ge(initial_least_eigenvalue, (1 - theta) * lambda_0)),),
            events=(Event(start, "the initial Gram matrix keeps a share 1 - theta of the least eigenvalue"),),
            reason="Matrix Chernoff, the lower tail in its simple form.",
            arguments=(chernoff,),
        ),
    ),
)

descent = Statement(
    "Quartic width",
    "gradient descent reaches zero loss at width n^4 / lambda_0^4",
    FIRST_LAYER,
    "gradient descent",
    identifier="song2019-quartic",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("width", Ge(m, C * n**4 / lambda_0**4)),
                Condition("step size", Le(eta, c * lambda_0 / n**2)),
            ),
            rate=Rate(1 - eta * lambda_0 / 2, 2, k),
        ),
    ),
    rests_on=(initial,),
    remark="The orders are from memory and as Munteanu et al. (2022) report them; step and rate are those of Du et al. "
    "(2019), whose argument it refines. With high probability over the start. n^2 instead of n^4 needs an assumption "
    "on the data that is not encoded.",
)

PAPER = Paper(
    key="song2019quadratic",
    authors=("Song, Zhao", "Yang, Xin"),
    title="Quadratic suffices for over-parametrization via matrix Chernoff bound",
    year=2019,
    venue="arXiv",
    arxiv="1906.03593",
    statements=(initial, descent),
    kind="misc",
    remark="Only its abstract was read.",
)
