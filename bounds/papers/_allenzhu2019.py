"""Networks and quantities that the files on Allen-Zhu, Li and Song (2019) share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Literal

import sympy

from bounds import gram
from bounds.arithmetic import Enclosure, Outcome, Verdict, small_constant
from bounds.gram import Gram
from bounds.problem import Problem
from bounds.quantities import quantity, separation
from bounds.settings import HALF_SUM, Floats, Network, Setting
from bounds.statements import Condition, Paper

L = quantity("L", "number of trained layers", integer=True, measured_by="depth")
omega = quantity(
    "omega",
    "radius around the start, largest spectral norm of a layer's change",
    latex=r"\omega",
    measured_by="spectral radius",
)
loss = quantity("F_k", "loss, half the sum of squares", latex="F", nonnegative=True, measured_by="loss")
moved = quantity(
    "W_F",
    "largest distance of a layer's weights from their start, Frobenius norm",
    latex=r"\max_\ell\lVert W_\ell^{(k)}-W_\ell^{(0)}\rVert_F",
    nonnegative=True,
    measured_by="layer travel",
)
reached = quantity(
    "T_eps", "number of steps until the goal is reached", latex=r"T_\varepsilon", measured_by="steps to the goal"
)
floor = quantity(
    "eps", "goal for the loss, or for what a theorem speaks of", latex=r"\varepsilon", measured_by="goal for the loss"
)


@dataclass(frozen=True)
class DeepReLU(Setting):
    """Deep ReLU networks h_0 = relu(A x), h_l = relu(W_l h_(l-1)), f = B h_L, of Allen-Zhu, Li and Song (2019).

    Start: entries of A and W_l are N(0, 2/m), of B are N(0, 1/d), d the number of outputs; in the paper also that of
    inputs, and a single label is the first of d. A and B stay. The derivative of the ReLU at 0 is taken as 1. lambda_0
    is that of the matrix of W_L for one output, which times m/d is the Gram matrix of a wide network's last layer.

    Args:
        depth: L, the number of trained layers; the network has one hidden layer more.
        loss: half the sum of squares, or the sum of cross-entropies.
    """

    depth: int = 2
    loss: str = HALF_SUM
    trained = "hidden layers W_1, ..., W_L"

    def gram(self, X: Floats) -> Gram:
        """The matrix of W_L."""
        return gram.allen_zhu_fully_connected(X, depth=self.depth, normalised=True)

    @property
    def network(self) -> Network:
        """The number of outputs is that of the input's coordinates."""
        loss: Literal["squares", "cross-entropy"] = "squares" if self.loss == HALF_SUM else "cross-entropy"
        return Network("allenzhu2019-fc", (("depth", self.depth),), loss=loss, kernel="last")

    @property
    def values(self) -> Mapping[sympy.Symbol, Enclosure]:
        """The depth."""
        return {L: Enclosure.of(self.depth)}

    def __str__(self) -> str:
        layers = f"{self.depth} trained layer{'s' if self.depth > 1 else ''}"
        return f"deep ReLU, {layers} between fixed A and B, no factors 1/sqrt(m), N(0, 2/m) start, {self.loss}"


NETWORKS, CLASSIFIERS = DeepReLU(), DeepReLU(loss="sum of cross-entropies")
FREE = ("depth",)


def _bias_coordinate(problem: Problem) -> Verdict:
    """Whether 2 x_d^2 = ||x||^2 and x_d > 0 in every row, in exact arithmetic."""
    for number, row in enumerate(problem.X.tolist()):
        squares = [Fraction(entry) ** 2 for entry in row]
        if row[-1] <= 0 or 2 * squares[-1] != sum(squares):
            return Verdict(Outcome.FAILS, reason=f"row {number} has another last coordinate after normalisation")
    return Verdict(Outcome.HOLDS)


BIAS = Condition(
    "last coordinate", test=_bias_coordinate, words="the last coordinate of every unit input is 1/sqrt(2), exactly"
)
"""Then no two inputs have a negative inner product, and their distance is the one up to sign."""

SEPARATED = Condition("inputs apart", sympy.Gt(separation, 0, evaluate=False))
"""The paper's Assumption 2.1, here for inputs up to sign."""

SEPARATION = Condition("separation at most 1/L", sympy.Le(separation, small_constant("c_rho") / L))
"""No loss, since rho may be decreased; but what is said of rho is false for deep networks without it."""

paper = partial(
    Paper,
    key="allenzhu2019convergence",
    authors=("Allen-Zhu, Zeyuan", "Li, Yuanzhi", "Song, Zhao"),
    title="A convergence theory for deep learning via over-parameterization",
    year=2019,
    venue="International Conference on Machine Learning (ICML)",
    arxiv="1811.03962",
)
"""The citation; each file adds its statements, part and remark."""
