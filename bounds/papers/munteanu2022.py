r"""Munteanu, Omlor, Song and Woodruff (ICML 2022): n^2 neurons from a coupled start. arXiv 2206.12802.

Neurons come in pairs of equal weights and opposite signs: the initial outputs are zero, and for worst-case data the
width falls from n^4 to n^2 (squared loss) and from gamma^(-8) to gamma^(-2) (logistic loss with a margin gamma).

*What the coupling saves, re-derived.* At zero outputs ||e_0|| = ||y||, where independent signs give
E ||e_0||^2 = ||y||^2 + n/2: the event of the initial residual, and its share of delta, are not needed.
"""

from __future__ import annotations

from typing import Literal

from sympy import Ge, Le, log

from bounds.arithmetic import large_constant
from bounds.quantities import delta, e_0, lambda_0, m, n, quantity, residual, y_norm
from bounds.settings import Family, Network
from bounds.statements import (
    POSITIVE,
    STEP_NOT_READ,
    UNIT_ROWS,
    Condition,
    Edition,
    Mark,
    Paper,
    Promise,
    Statement,
    hypothesis,
)


def _networks(words: str, loss: Literal["squares", "logistic"]) -> Family:
    return Family(
        "f(x) = m^(-1/2) sum_r a_r max(w_r.x, 0)",
        start="w_r ~ N(0, I_d) in pairs of opposite a_r = +-1",
        trained="first layer",
        loss=words,
        network=Network("two-layer", (("start", "antisymmetric"),), loss=loss, mean=loss == "logistic", kernel="first"),
    )


SQUARED, LOGISTIC = _networks("half sum of squares", "squares"), _networks("mean logistic loss", "logistic")

epsilon = quantity("eps", "error to be reached", latex=r"\epsilon", measured_by="goal for the residual")
margin = quantity("gamma", "margin of the infinite-width kernel", latex=r"\gamma")
risk = quantity("R_T", "empirical risk after training", nonnegative=True, measured_by="loss")

C = large_constant("C", logarithms=True)

start = Statement(
    "Coupled start",
    "the initial residual is that of the labels",
    SQUARED,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(Promise("initial residual", Le(e_0, y_norm)),),
            reason="The outputs of the two neurons of a pair cancel.",
        ),
    ),
)

squared = Statement(
    "Squared loss",
    "n^2 neurons suffice on worst-case data",
    SQUARED,
    "gradient descent",
    identifier="munteanu2022-squared",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                STEP_NOT_READ,
                Condition("width", Ge(m, C * n**2 / lambda_0**2 * log(n / delta))),
            ),
            promises=(Promise("residual", Le(residual, epsilon)),),
        ),
    ),
    rests_on=(start,),
    remark="After a number of steps that grows like log(1/eps). The power n^2 is that of the abstract, the power of "
    "lambda_0 is recalled.",
)

logistic = Statement(
    "Logistic loss",
    "gamma^(-2) neurons suffice for a small risk",
    LOGISTIC,
    "gradient descent",
    identifier="munteanu2022-logistic",
    concludes="average iterate",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                hypothesis("separable by the kernel", "the infinite-width kernel separates the data with margin gamma"),
                STEP_NOT_READ,
                Condition("width", Ge(m, C / margin**2)),
            ),
            promises=(Promise("risk", Le(risk, epsilon)),),
        ),
    ),
    remark="Read in the abstract, which leaves out logarithms, the probability, the number of steps and which iterate "
    "is meant.",
)

PAPER = Paper(
    key="munteanu2022bounding",
    authors=("Munteanu, Alexander", "Omlor, Simon", "Song, Zhao", "Woodruff, David P."),
    title="Bounding the width of neural networks via coupled initialization: a worst case analysis",
    year=2022,
    venue="International Conference on Machine Learning (ICML)",
    arxiv="2206.12802",
    statements=(start, squared, logistic),
    remark="Read in the abstract only.",
)
