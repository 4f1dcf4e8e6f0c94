r"""Bombari, Amani and Mondelli (NeurIPS 2022): deep networks with minimum over-parameterisation. arXiv 2205.10217.

The kernel of a deep network with smooth activations and a loose pyramid of widths d_l = O(d_(l-1)) has least
eigenvalue of order d_(L-1) d_(L-2) with high probability once that product is n up to logarithms: about n parameters
and sqrt(n) neurons. Where the pyramid gives d_(L-1) d_(L-2) <= a d_0^2, inputs have dimension at least sqrt(n / a).
"""

from __future__ import annotations

from sympy import Ge, Le, sqrt

from bounds.arithmetic import large_constant, small_constant
from bounds.papers._widths import least_dimension
from bounds.quantities import d, initial_least_eigenvalue, n, quantity
from bounds.settings import Family, Network
from bounds.statements import STEP_NOT_READ, Condition, Edition, Mark, Paper, Promise, Statement, hypothesis

PYRAMID = Family(
    "deep fully connected networks of smooth activations, widths d_l = O(d_(l-1))",
    start="Gaussian",
    trained="all layers",
    network=Network("nguyen2020-pyramid", (("start", "unit output"),)),
)

product = quantity(
    "P_w",
    "product of the widths of the last two hidden layers",
    latex="d_{L-1}d_{L-2}",
    integer=True,
    measured_by="product of the last widths",
)
C = large_constant("C", logarithms=True)
C_1 = large_constant("C_1")
c = small_constant("c")

last = quantity("d_last", "width of the last hidden layer", latex="d_{L-1}", integer=True, measured_by="width")
gamma = quantity("gamma", "exponent by which the last hidden layer grows with n", latex=r"\gamma")
pyramid = quantity("a_p", "product of the last two widths over the squared input dimension, at most")

ASSUMED = (
    Condition("last two layers", Ge(product, C * n)),
    Condition("last layer", Ge(last, C_1 * n**gamma)),
    hypothesis("loose pyramid", "widths do not grow by more than a constant factor"),
    hypothesis("data", "independent inputs from a Lipschitz-concentrated law"),
)

kernel = Statement(
    "Theorem 1",
    "the kernel of deep networks with about n parameters is well conditioned",
    PYRAMID,
    "no training",
    identifier="bombari2022-ntk",
    concludes="conditioning",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=ASSUMED,
            promises=(Promise("least eigenvalue", Ge(initial_least_eigenvalue, c * product)),),
        ),
    ),
    remark="As restated by Karhadkar, Murray and Montufar (2024). Constants hidden. With high probability as d_(L-1) "
    "and n grow; it needs inputs of dimension at least of order sqrt(n).",
)

dimension = Statement(
    "Input dimension",
    "a loose pyramid of such widths needs inputs of dimension of order sqrt(n)",
    PYRAMID,
    "no training",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("last two layers", Ge(product, n)),
                Condition("pyramid", Le(product, pyramid * d**2)),
            ),
            promises=(Promise("input dimension", Ge(d, sqrt(n / pyramid))),),
            reason="Karhadkar, Murray and Montufar (2024) remark it.",
            arguments=(least_dimension,),
        ),
    ),
)

memorisation = Statement(
    "Memorisation",
    "such networks fit any labels",
    PYRAMID,
    "no training",
    identifier="bombari2022-memorisation",
    concludes="existence",
    editions=(Edition("printed", Mark.FROM_MEMORY, assumes=ASSUMED),),
    rests_on=(kernel,),
    remark="Existence only, with high probability over inputs and start.",
)

descent = Statement(
    "Descent from a special start",
    "gradient descent from a special start fits such networks",
    PYRAMID,
    "gradient descent",
    identifier="bombari2022-descent",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                *ASSUMED,
                hypothesis("special start", "a start of the paper's own making, at which the output is 0"),
                STEP_NOT_READ,
            ),
        ),
    ),
    rests_on=(kernel,),
    remark="Descent, exact fit, with high probability; that the start is special is recalled, its law and the rate "
    "are not.",
)

PAPER = Paper(
    key="bombari2022memorization",
    authors=("Bombari, Simone", "Amani, Mohammad Hossein", "Mondelli, Marco"),
    title="Memorization and Optimization in Deep Neural Networks with Minimum Over-parameterization",
    year=2022,
    venue="Advances in Neural Information Processing Systems (NeurIPS) 35",
    arxiv="2205.10217",
    statements=(kernel, dimension, memorisation, descent),
    remark="Its abstract was read; the theorem is known from a paper that restates it, the corollaries from memory.",
)
