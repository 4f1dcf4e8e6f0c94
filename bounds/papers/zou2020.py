r"""Zou, Cao, Zhou and Gu (Machine Learning 2020): deep ReLU networks on two classes. arXiv 1811.08888.

Fully-connected networks of L hidden layers, trained in the hidden layers, on the labels +-1; phi is the least distance
of two inputs with different labels. Exponents alone: the constants are hidden.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Ge, Le

from bounds.papers.zou2019 import NETWORKS, C, epsilon, hidden, loss
from bounds.quantities import m, n, quantity
from bounds.settings import Network
from bounds.statements import UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Statement, hypothesis

CLASSIFIERS = replace(
    NETWORKS,
    loss="mean of a loss of y f(x), such as the logistic one; here f is the difference of two outputs",
    network=Network("allenzhu2019-fc", (("input_trained", True), ("outputs", 2)), loss="cross-entropy", mean=True),
)

between_classes = quantity(
    "phi_y",
    "least distance of two inputs with different labels",
    latex=r"\phi",
    measured_by="least distance between classes",
)

descent = Statement(
    "Gradient descent",
    "deep ReLU networks of width n^26 L^38 / phi^8 reach any loss, for inputs apart only if their labels differ",
    CLASSIFIERS,
    "gradient descent",
    identifier="zou2019-earlier",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                hypothesis("step size", "the step is small enough, by a bound of the paper that is not encoded"),
                hypothesis(
                    "number of steps",
                    "enough: a power of n, L and 1/phi, times a factor in eps that depends on the loss (recalled)",
                ),
                Condition("width", Ge(m, C * n**26 * hidden**38 / between_classes**8)),
            ),
            promises=(Promise("training loss", Le(loss, epsilon)),),
        ),
    ),
    remark="With high probability over the start; for losses with the constant alpha_0 < infinity of the paper.",
)

PAPER = Paper(
    key="zou2020gradient",
    authors=("Zou, Difan", "Cao, Yuan", "Zhou, Dongruo", "Gu, Quanquan"),
    title="Gradient descent optimizes over-parameterized deep ReLU networks",
    year=2020,
    venue="Machine Learning 109",
    arxiv="1811.08888",
    statements=(descent,),
    kind="article",
    remark="Read on arXiv, under the title Stochastic gradient descent optimizes over-parameterized deep ReLU "
    "networks.",
)
