r"""Zou and Gu (NeurIPS 2019): deep ReLU networks, an improved analysis. arXiv 1906.04688.

Fully-connected networks of L hidden layers, trained in the hidden layers; phi is the least distance of two inputs.
Exponents alone: the constants are hidden.
"""

from __future__ import annotations

from sympy import Ge, Le

from bounds.arithmetic import large_constant
from bounds.quantities import m, n, quantity
from bounds.settings import Family, Network
from bounds.statements import STEP_NOT_READ, UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Statement, hypothesis

NETWORKS = Family(
    "fully connected, L hidden ReLU layers of width m",
    start="N(0, 2/m)",
    trained="hidden layers",
    loss="mean loss",
    network=Network("allenzhu2019-fc", (("input_trained", True),), mean=True),
)

hidden = quantity("L_hidden", "number of hidden layers", latex="L", integer=True, measured_by="number of hidden layers")
distance = quantity("phi", "least distance of two inputs", latex=r"\phi", measured_by="least distance of two inputs")
batch = quantity("B", "inputs in a batch", integer=True, measured_by="batch")
epsilon = quantity("eps", "training loss to be reached", latex=r"\epsilon", measured_by="goal for the loss")
loss = quantity("L_T", "training loss after that many steps", latex="L_T", nonnegative=True, measured_by="loss")

C = large_constant("C", logarithms=True)
LOGARITHM = hypothesis("number of steps", "the number of steps grows like log(1/eps), times a power of n, L and 1/phi")

descent = Statement(
    "Gradient descent",
    "deep ReLU networks of width n^8 L^12 / phi^4 reach any loss",
    NETWORKS,
    "gradient descent",
    identifier="zou2019-gd",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                STEP_NOT_READ,
                LOGARITHM,
                Condition("width", Ge(m, C * n**8 * hidden**12 / distance**4)),
            ),
            promises=(Promise("training loss", Le(loss, epsilon)),),
        ),
    ),
    remark="With high probability over the start. n^8 L^12 is quoted by others; the power of phi is recalled. T = "
    "O~(n^2 L^2 log(1/eps) / phi).",
)

stochastic = Statement(
    "Stochastic gradient descent",
    "with batches of B inputs, width n^17 L^12 / (B^4 phi^8)",
    NETWORKS,
    "stochastic gradient descent",
    identifier="zou2019-sgd",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                STEP_NOT_READ,
                LOGARITHM,
                Condition("width", Ge(m, C * n**17 * hidden**12 / (batch**4 * distance**8))),
            ),
            promises=(Promise("training loss", Le(loss, epsilon)),),
        ),
    ),
    remark="With high probability over start and batches. All exponents are recalled; the power of log(1/eps) in the "
    "number of steps may be 2.",
)

PAPER = Paper(
    key="zou2019improved",
    authors=("Zou, Difan", "Gu, Quanquan"),
    title="An improved analysis of training over-parameterized deep neural networks",
    year=2019,
    venue="Advances in Neural Information Processing Systems (NeurIPS) 32",
    arxiv="1906.04688",
    statements=(descent, stochastic),
    remark="Read in the abstract alone.",
)
