r"""Activations and their slopes at float64 numbers, with proved errors and without trust in any libm.

On the cell around each multiple c of 1/32 up to 16 an activation is replaced by its Taylor polynomial of degree 8,
whose coefficients come from Arb and are rounded to float64. For a number z of the cell, delta = z - c is exact
(Sterbenz) and at most 2^-6, and Horner's rule gives the polynomial with an error of at most
u |c_0| + gamma_17 sum_{k >= 1} |c_k| 2^{-6 k} (Higham, Accuracy and Stability of Numerical Algorithms, section 5.1);
the rounding of the coefficients and the remainder, |c_9| 2^-54 with c_9 enclosed over the whole cell, are added. Each
cell has one bound for all its numbers. Numbers beyond 16 go through Arb one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import flint
import numpy as np
from flint import arb

from bounds.activations.activation import Activation
from bounds.activations.closed_forms import ERF, GELU, RELU
from bounds.activations.smooth import SIGMOID, SILU, SOFTPLUS, TANH
from bounds.arithmetic import Enclosure
from bounds.gram.matrix import nearest_float
from bounds.linalg.rounding import TINY, UNIT, FloatArray, gamma

PRECISION = 128
CELLS = 32
"""Cells per unit length."""

LARGEST = 16
"""Where the table ends."""

DEGREE = 8

Series = Callable[[arb, int], list[arb]]
"""z, N -> the Taylor coefficients 0 to N of a function at z, for balls z too."""


@dataclass(frozen=True, eq=False)
class Values:
    """An activation and its slope at an array of numbers.

    Args:
        value, slope: float64, of the shape of the argument.
        value_error, slope_error: bounds of their absolute errors, entry by entry.
    """

    value: FloatArray
    value_error: FloatArray
    slope: FloatArray
    slope_error: FloatArray


@dataclass(frozen=True, eq=False)
class Pointwise:
    """An activation that can be evaluated with proved errors.

    Args:
        activation: its constants.
        series: its Taylor coefficients; None for the ReLU, which needs none.
    """

    activation: Activation
    series: Series | None

    @property
    def lipschitz(self) -> float:
        """An upper bound of sup |s'|."""
        return _upper(self.activation.lipschitz)

    @property
    def smoothness(self) -> float | None:
        """An upper bound of sup |s''|; None where s' jumps."""
        return None if self.activation.smoothness is None else _upper(self.activation.smoothness)

    def __call__(self, z: FloatArray) -> Values:
        """Evaluate s and s' at finite numbers; the slope of the ReLU at 0 is 1."""
        if self.series is None:
            zero = np.zeros_like(z)
            return Values(np.maximum(z, 0.0), zero, (z >= 0).astype(np.float64), zero)
        inside = np.abs(z) <= LARGEST
        near = np.where(inside, z, 0.0)
        cell = np.rint(near * CELLS)
        delta = near - cell / CELLS
        index = cell.astype(np.intp) + LARGEST * CELLS
        value, slope = (table.evaluate(index, delta) for table in self._tables)
        for place in zip(*np.nonzero(~inside), strict=True):
            with flint.ctx.workprec(PRECISION):
                for (mid, error), ball in zip((value, slope), self.series(arb(float(z[place])), 1), strict=True):
                    mid[place], error[place] = nearest_float(ball)
        return Values(*value, *slope)

    @cached_property
    def _tables(self) -> tuple[_Table, _Table]:
        assert self.series is not None
        return _Table.of(self.series), _Table.of(_slope(self.series))


@dataclass(frozen=True, eq=False)
class _Table:
    """Taylor polynomials by cell, ``coefficients`` (degree + 1, cells), and the error of evaluating them."""

    coefficients: FloatArray
    error: FloatArray

    @classmethod
    def of(cls, series: Series) -> _Table:
        centres = range(-LARGEST * CELLS, LARGEST * CELLS + 1)
        coefficients, error = np.empty((DEGREE + 1, len(centres))), np.empty(len(centres))
        with flint.ctx.workprec(PRECISION):
            half = arb(0.5) / CELLS
            for j, centre in enumerate(centres):
                c = arb(centre) / CELLS
                rounded = [nearest_float(ball) for ball in series(c, DEGREE)]
                coefficients[:, j] = [mid for mid, _ in rounded]
                lost = abs(series(c + arb(0, half), DEGREE + 1)[-1]) * half ** (DEGREE + 1)
                lost += sum((arb(radius) * half**k for k, (_, radius) in enumerate(rounded)), arb(0))
                later = sum((abs(arb(mid)) * half**k for k, (mid, _) in enumerate(rounded) if k), arb(0))
                horner = UNIT * abs(arb(rounded[0][0])) + gamma(2 * DEGREE + 1) * later
                error[j] = Enclosure(lost + horner).upper + TINY
        return cls(coefficients, error)

    def evaluate(self, index: FloatArray, delta: FloatArray) -> tuple[FloatArray, FloatArray]:
        value = self.coefficients[DEGREE][index]
        for row in self.coefficients[DEGREE - 1 :: -1]:
            value *= delta
            value += row[index]
        return value, self.error[index]


def _tanh(z: arb, order: int) -> list[arb]:
    return _riccati(z.tanh(), order, constant=1, linear=0)  # t' = 1 - t^2


def _sigmoid(z: arb, order: int) -> list[arb]:
    return _riccati((1 + (z / 2).tanh()) / 2, order, constant=0, linear=1)  # s' = s - s^2


def _riccati(start: arb, order: int, *, constant: int, linear: int) -> list[arb]:
    """Taylor coefficients of the solution of s' = constant + linear s - s^2."""
    c = [start]
    for k in range(order):
        square = sum((c[i] * c[k - i] for i in range(k + 1)), arb(0))
        c.append(((constant if k == 0 else 0) + linear * c[k] - square) / (k + 1))
    return c


def _softplus(z: arb, order: int) -> list[arb]:
    return _integrated(z.nonnegative_part() + (-abs(z)).exp().log1p(), _sigmoid(z, order))


def _erf(z: arb, order: int) -> list[arb]:
    return _integrated(z.erf(), _bell(z, order, 2 / arb.pi().sqrt(), 2))


def _normal_distribution(z: arb, order: int) -> list[arb]:
    return _integrated((1 + (z / arb(2).sqrt()).erf()) / 2, _bell(z, order, 1 / (2 * arb.pi()).sqrt(), 1))


def _bell(z: arb, order: int, factor: arb, rate: int) -> list[arb]:
    """Taylor coefficients of g = factor exp(-rate z^2 / 2), from g' = -rate z g."""
    g = [factor * (-rate * z * z / 2).exp()]
    for k in range(order):
        g.append(-rate * (z * g[k] + (g[k - 1] if k else 0)) / (k + 1))
    return g


def _integrated(start: arb, derivative: list[arb]) -> list[arb]:
    """Taylor coefficients of a function from its value and those of its derivative; as many."""
    return [start, *(c / (k + 1) for k, c in enumerate(derivative[:-1]))]


def _times_argument(series: Series) -> Series:
    """Taylor coefficients of z g(z)."""

    def product(z: arb, order: int) -> list[arb]:
        g = series(z, order)
        return [z * c + (g[k - 1] if k else 0) for k, c in enumerate(g)]

    return product


def _slope(series: Series) -> Series:
    return lambda z, order: [(k + 1) * c for k, c in enumerate(series(z, order + 1)[1:])]


def _upper(constant: Enclosure | None) -> float:
    assert constant is not None
    return constant.upper


POINTWISE: dict[str, Pointwise] = {
    "relu": Pointwise(RELU, None),
    "tanh": Pointwise(TANH, _tanh),
    "sigmoid": Pointwise(SIGMOID, _sigmoid),
    "softplus": Pointwise(SOFTPLUS, _softplus),
    "erf": Pointwise(ERF, _erf),
    "gelu": Pointwise(GELU, _times_argument(_normal_distribution)),
    "silu": Pointwise(SILU, _times_argument(_sigmoid)),
}
"""Activations that networks can be certified with, by name."""
