r"""Oymak, Fabian, Li and Soltanolkotabi (submission to ICLR 2020): the Jacobian's low rank. arXiv 1906.05392.

Split the singular directions of the Jacobian at a cut-off alpha sqrt(n K), K the number of outputs: over the large ones
(information) descent fits fast, over the small ones (nuisance) labels are hardly fitted and noise hardly does harm. For
Gamma / alpha^2 steps the residual falls to what the labels have in the nuisance directions, |Pi_N y|, plus e^(-Gamma).
This is an error floor; it becomes an exact fit where the Jacobian has full rank.
"""

from __future__ import annotations

from sympy import Ge, Le, exp, log, sqrt

from bounds.arithmetic import large_constant
from bounds.quantities import lambda_0, m, n, quantity
from bounds.settings import SMOOTH_TWO_LAYER, Family
from bounds.statements import POSITIVE, STEP_NOT_READ, UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Statement

NETWORKS = Family(
    "f(x) = V s(W x), K outputs, smooth s, V fixed",
    start="W ~ N(0, 1)",
    trained="first layer",
    loss="half sum of squares",
    network=SMOOTH_TWO_LAYER,
)
ANY_START = Family(
    NETWORKS.architecture, start="any, such as pre-trained weights", trained="first layer", network=SMOOTH_TWO_LAYER
)

Gamma = quantity("Gamma", "how far the residual falls in the information directions: e^(-Gamma)", latex=r"\Gamma")
alpha = quantity("alpha", "cut-off of the singular values over sqrt(n K)", latex=r"\alpha")
outputs = quantity("K_out", "number of outputs", latex="K", integer=True, measured_by="one")
nuisance = quantity(
    "y_N",
    "norm of the labels' part in the nuisance directions",
    latex=r"\lVert\Pi_{\mathcal N}y\rVert",
    nonnegative=True,
)
steps = quantity("T", "number of steps", integer=True, measured_by="steps")
last = quantity(
    "r_T",
    "norm of the residual after those steps",
    latex=r"\lVert r_T\rVert",
    nonnegative=True,
    measured_by="last residual",
)
error = quantity(
    "err_T",
    "classification error on new data after those steps",
    nonnegative=True,
    measured_by="no run: the data are no known distribution's",
)

C = large_constant("C")
TIME = Condition("number of steps", Ge(steps, C * Gamma / alpha**2))
FLOOR = Promise("residual", Le(last, C * (nuisance + exp(-Gamma) * sqrt(n))))

random_start = Statement(
    "Random initialisation",
    "a width that depends on the cut-off alone takes the residual down to its nuisance part",
    NETWORKS,
    "gradient descent",
    identifier="oymak2020-random",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS, Condition("width", Ge(m, C * Gamma**4 * log(n) / alpha**8)), STEP_NOT_READ, TIME),
            promises=(
                FLOOR,
                Promise("error", Le(error, C * (nuisance / sqrt(n) + exp(-Gamma) + Gamma / (alpha * sqrt(n))))),
            ),
        ),
    ),
    remark="Descent, an error floor, first layer, the Jacobian of infinite width, with high probability over the "
    "start; not to be ranked against exact fit.",
)

arbitrary_start = Statement(
    "Arbitrary initialisation",
    "the same from any start, with the Jacobian of that start",
    ANY_START,
    "gradient descent",
    identifier="oymak2020-any-start",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS, Condition("width", Ge(m, C * Gamma**4 / alpha**8)), STEP_NOT_READ, TIME),
            promises=(FLOOR,),
        ),
    ),
    remark="Deterministic: nothing is drawn.",
)

full_rank = Statement(
    "Full rank",
    "a Jacobian of full rank has no nuisance directions",
    NETWORKS,
    "gradient descent",
    identifier="oymak2020-full-rank",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("width", Ge(m, C * outputs**4 * n**4 * log(n) / lambda_0**4)),
                STEP_NOT_READ,
            ),
        ),
    ),
    rests_on=(random_start,),
    remark="With high probability over the start. lambda_0 is that of the multi-output Jacobian at infinite width.",
)

PAPER = Paper(
    key="oymak2020generalization",
    authors=("Oymak, Samet", "Fabian, Zalan", "Li, Mingchen", "Soltanolkotabi, Mahdi"),
    title="Generalization guarantees for neural networks via harnessing the low-rank structure of the Jacobian",
    year=2020,
    venue="Submitted to the International Conference on Learning Representations (ICLR) 2020",
    arxiv="1906.05392",
    statements=(random_start, arbitrary_start, full_rank),
    kind="misc",
    remark="Read in the version submitted to ICLR 2020, whose main-text theorems are the authors' simplified ones; "
    "their constants stand in an appendix that was not read.",
)
