r"""Gradient descent on two-layer ReLU networks, run in twice the bits of float64 with a proved error. Re-derived.

f(w) = c sum_r a_r max(w_r.x, 0), c = m^(-1/2), a_r = +-1, the first layer trained; residual r_i = f(x_i) - b_i - y_i,
S = ||X||. The defect of a step from v to v_+ is ||v_+ - v + eta J^T r||.

**Rounding** (u = 2^-53). v = H + L with two float64 matrices. Splitting H and X
(:class:`~bounds.linalg.products.ExactFactor`), Z = Z_1 + Z_2 with Z_1 exact and an error e_Z of the rest. The sum over
active neurons is exact for the leading bits, that of the rest, m numbers of at most g, wrong by gamma_m m g. With e_Z
times the number of active neurons, and 16 u^2 of each term for a few operations in double-double, this gives the error
of each r_i; e_r is their norm. Not r but eta c r is multiplied by X^T, like Z, so that a step is a mere sum:
defect <= eta ||J|| e_r + sqrt(m d) (error of the product + 3 u (max |L| + max |error of the sum| + max |G_2|)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import flint
import numpy as np
from flint import arb
from numpy.typing import NDArray

from bounds import gram, linalg
from bounds.arithmetic import PRECISION
from bounds.linalg.batches import spectral_ends
from bounds.linalg.double_double import split, two_product, two_sum
from bounds.linalg.products import ExactFactor
from bounds.linalg.rounding import UNDERFLOW, UNIT, FloatArray, gamma, inflate


@dataclass(frozen=True, eq=False)
class Step:
    """One evaluated step.

    Args:
        preactivations: z (m, n), off by at most e_Z and two roundings.
        preactivation_error: e_Z.
        residual, residual_error: ||r||, from above, and e_r.
        jacobian: ||J||, from above.
        high, low: the next weights.
        defect, length: d_k, and the length of the step, from above.
    """

    preactivations: FloatArray
    preactivation_error: float
    residual: float
    residual_error: float
    jacobian: float
    high: FloatArray
    low: FloatArray
    defect: float
    length: float


@dataclass(frozen=True, eq=False)
class ReluDescent:
    """Gradient descent on one network and data.

    Args:
        X: inputs (n, d).
        targets: what the outputs should be, in three parts (3, n): b, its rounding error, y.
        signs: a (m,).
        step_size: eta.
    """

    X: FloatArray
    targets: FloatArray
    signs: FloatArray
    step_size: float

    @cached_property
    def spectral(self) -> float:
        """S, from above."""
        return linalg.spectral_norm(self.X).upper

    @cached_property
    def longest(self) -> float:
        """v, from above."""
        return inflate(math.sqrt(float(np.square(self.X).sum(axis=1).max())) + UNDERFLOW, self.X.shape[1])

    @cached_property
    def inner(self) -> gram.Gram:
        """X X^T."""
        return gram.linear(self.X)

    @cached_property
    def _inputs(self) -> ExactFactor:
        return ExactFactor(np.ascontiguousarray(self.X.T))

    @cached_property
    def _outputs(self) -> ExactFactor:
        return ExactFactor(self.X)

    @cached_property
    def _scales(self) -> tuple[tuple[float, float], FloatArray]:
        """Eta / m and eta c (b + y), each as two float64 numbers."""
        with flint.ctx.workprec(PRECISION):
            eta, m = arb(self.step_size), len(self.signs)
            goals = [eta * sum(map(arb, parts), arb(0)) / arb(m).sqrt() for parts in self.targets.T.tolist()]
            return split(eta / m), np.array([split(goal) for goal in goals]).T

    def step(self, high: FloatArray, low: FloatArray) -> Step:
        """Take one step from the weights high + low."""
        (m, d), n = high.shape, len(self.X)
        eta, c = self.step_size, 1.0 / math.sqrt(m)
        z_leading, z_rest, z_error = self._inputs.product(high, low)
        z, z_low = two_sum(z_leading, z_rest)
        active = z > 0.0
        counts = active.sum(axis=0)
        sums, rest, sum_error = self._sums(z, z_low, active)
        (scale, scale_low), (goal, goal_low) = self._scales
        product, error = two_product(scale, sums)
        error += scale * rest + scale_low * sums
        r, more = two_sum(product, -goal)
        r_low = error + more - goal_low  # r + r_low is eta c times the residual
        sizes = eta * c * (c * np.abs(sums) + np.abs(self.targets).sum(axis=0))
        wrong = eta * c * c * (counts * z_error + sum_error) + 16 * UNIT**2 * sizes
        residual_error = inflate((float(np.sqrt(wrong @ wrong)) + UNDERFLOW) / (eta * c), n + 16)
        residual = inflate((float(np.linalg.norm(r + r_low)) + UNDERFLOW) / (eta * c), n + 16)
        jacobian = inflate(self.spectral * math.sqrt(float(counts.max()) / m), 4)
        if eta * jacobian**2 > 1.99:
            jacobian = self.jacobian_norm(active)

        g_leading, g_rest, g_error = self._outputs.product(active * r, active * r_low)
        g_leading *= -self.signs[:, None]
        g_rest *= -self.signs[:, None]
        moved, lost = two_sum(high, g_leading)
        rounding = 3 * UNIT * (largest(low) + largest(lost) + largest(g_rest))
        lost += low
        lost += g_rest
        length = float(np.linalg.norm(g_leading + g_rest)) + UNDERFLOW
        high, low = two_sum(moved, lost)
        defect = eta * jacobian * residual_error + math.sqrt(m * d) * (g_error + rounding)
        return Step(
            z, inflate(z_error, 4), residual, residual_error, jacobian, high, low,
            inflate(defect, 16), inflate(length, m * d),
        )  # fmt: skip

    def _sums(self, z: FloatArray, low: FloatArray, active: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, float]:
        """Sum a_r max(z_ri, 0) over r: exactly for the leading bits, the rest, and the error of the rest."""
        m = len(self.signs)
        unit = math.ldexp(1.0, math.frexp(largest(z))[1] - (52 - math.ceil(math.log2(m))))
        anchor = 1.5 * 2.0**52 * unit
        leading = (z + anchor) - anchor
        rest = (z - leading) + low
        error = gamma(m + 2) * m * (unit + largest(low))
        return self.signs @ (leading * active), self.signs @ (rest * active), inflate(error, 4)

    def jacobian_norm(self, active: NDArray[np.bool_]) -> float:
        """The norm of the Jacobian of an activation pattern (m, n), from above.

        J J^T is (A^T A / m) o (X X^T); A^T A is exact, X X^T has its radius, and two roundings follow.
        """
        pattern = active.astype(np.float64)
        share = pattern.T @ pattern / len(pattern)
        upper = float(spectral_ends((share * self.inner.midpoint)[None])[1][0])
        wrong = share * (self.inner.radius + 4 * UNIT * np.abs(self.inner.midpoint))
        return inflate(math.sqrt(max(upper, 0.0) + inflate(float(wrong.sum(axis=1).max()), len(share) + 4)), 4)


def largest(values: FloatArray) -> float:
    """The largest magnitude."""
    return max(float(values.max()), -float(values.min()))
