r"""Oymak and Soltanolkotabi (JSAIT 2020): moderate over-parameterisation of shallow networks. arXiv 1902.04674.

f(x) = v^T s(W x), v fixed, half of its entries |y| / sqrt(m n) and half minus that, W ~ N(0, 1), unit inputs, the
first layer trained. With lambda the least eigenvalue of E[s'(X w) s'(X w)^T] o X X^T (the catalogue's lambda_0) and
kappa = sqrt(d/n) ||X|| / lambda the widths are sqrt(m d) >= C B^2 (1 + tau) kappa n for |s'|, |s''| <= B, which is m
>= C^2 B^4 (1 + tau)^2 n S / lambda^2, and m >= C (1 + tau)^2 n S^3 / lambda^4 for the ReLU, S = ||X||^2. Data in
general position have S ~ n/d and lambda ~ 1: m d of order n^2, and m of order n^4 / d^3. The same powers with
explicit constants are those of the two-layer baselines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import flint
import sympy
from sympy import Ge, Le, Max

from bounds import gram
from bounds import quantities as q
from bounds.activations import RELU, TANH, Activation
from bounds.arithmetic import PRECISION, Enclosure, large_constant
from bounds.gram import Gram
from bounds.problem import Problem
from bounds.quantities import S, eta, k, lambda_0, lipschitz, m, n, quantity, smoothness
from bounds.settings import Floats, Network, Setting
from bounds.statements import POSITIVE, STEP_NOT_READ, UNIT_ROWS, Condition, Edition, Mark, Paper, Rate, Statement


@dataclass(frozen=True)
class ScaledOutput(Setting):
    """Two-layer networks v^T s(W x) with v = |y| / sqrt(m n), half with a minus sign; W ~ N(0, 1) trained, unit inputs.

    Args:
        activation: s.
    """

    activation: Activation = TANH
    trained = "first"

    def gram(self, X: Floats) -> Gram:
        """The matrix E[s'(X w) s'(X w)^T] o X X^T."""
        return gram.two_layer(X, activation=self.activation, normalised=True)

    @property
    def network(self) -> Network:
        """Up to the factor root mean square of the labels, which is 1 for signs and standardised targets."""
        return Network("two-layer", (("activation", str(self.activation).lower()),), kernel="first")

    @property
    def values(self) -> Mapping[sympy.Symbol, Enclosure]:
        """The constants of the activation."""
        known = {q.lipschitz: self.activation.lipschitz, q.smoothness: self.activation.smoothness}
        return {symbol: value for symbol, value in known.items() if value is not None}

    def __str__(self) -> str:
        return (
            f"two-layer {self.activation}, v^T s(Wx), v = |y|/sqrt(mn) with both signs and fixed, first layer trained, "
            f"{self.loss}"
        )


def _mean_square(problem: Problem) -> Enclosure:
    with flint.ctx.workprec(PRECISION):
        return Enclosure(problem.label_norm.ball**2 / problem.n)


mean_square = quantity("y_ms", "mean square of the labels", latex=r"\tfrac{1}{n}\lVert y\rVert^2", value=_mean_square)
tail = quantity(
    "tau", "deviation that the probability of failure pays for", latex=r"\tau", nonnegative=True, measured_by="one"
)
B = Max(lipschitz, smoothness)
C = large_constant("C")

smooth = Statement(
    "Smooth shallow networks",
    "gradient descent fits shallow networks whose parameters number the square of the inputs",
    ScaledOutput(),
    "gradient descent",
    identifier="oymak2019-shallow-smooth",
    concludes="exact fit",
    for_all=("activation",),
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("width", Ge(m, C * B**4 * (1 + tail) ** 2 * n * S / lambda_0**2)),
                Condition("step size", Le(eta, 1 / (2 * B**2 * mean_square * S))),
            ),
            rate=Rate(1 - eta * B**2 * mean_square * lambda_0**2 / 16, 1, k),
        ),
    ),
    remark="Descent, exact fit, first layer, output scale |y|/sqrt(mn), loss 1/2 sum of squares; with probability at "
    "least 1 - 1/n - exp(-tau^2 n / (2 S)), which does not tend to 1 with the width. The width's power is that of "
    "the abstract; the step and the 32 in the rate are recalled and unsure. C is the square of the paper's.",
)

relu = Statement(
    "ReLU shallow networks",
    "gradient descent fits shallow ReLU networks of width n S^3 / lambda^4",
    ScaledOutput(RELU),
    "gradient descent",
    identifier="oymak2019-shallow-relu",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                Condition("width", Ge(m, C * (1 + tail) ** 2 * n * S**3 / lambda_0**4)),
                STEP_NOT_READ,
            ),
        ),
    ),
    remark="Descent, exact fit, first layer, output scale |y|/sqrt(mn), loss 1/2 sum of squares; probability as for "
    "smooth networks; the geometric rate is not recalled.",
)

PAPER = Paper(
    key="oymak2020moderate",
    authors=("Oymak, Samet", "Soltanolkotabi, Mahdi"),
    title="Toward Moderate Overparameterization: Global Convergence Guarantees for Training Shallow Neural Networks",
    year=2020,
    venue="IEEE Journal on Selected Areas in Information Theory 1(1)",
    arxiv="1902.04674",
    statements=(smooth, relu),
    kind="article",
    remark="Its abstract was read; theorems are from memory. Identifiers carry the year of the preprint.",
)
