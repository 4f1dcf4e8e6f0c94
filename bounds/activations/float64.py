r"""Smooth activations and two derivatives of each in float64, with proved errors: no library's exp is trusted.

Made for trajectories, where every step needs them: several times faster than :mod:`bounds.activations.pointwise`,
which serves any activation once.

Arguments are reduced to the nearest point of a grid, z = g + d with g a multiple of a power of two and d exact
(Sterbenz). At the grid points stand tables, correctly rounded from Arb; from there to z lead identities whose series
are short. Written with u = 2^-53, each bound below adds: half a unit in the last place of the table, what the rounded
table value does to the identity, the truncated series, the roundings of the small correction, half a unit for the last
addition, and what clipping z loses beyond the table. Underflow loses less than 2^-1000 and is absorbed by the spare
digits of the bounds.

**tanh** (grid 1/32, |d| <= 2^-6, clipped at 20). With t = tanh g and tau = tanh d = d (1 - d^2/3 + 2 d^4/15 -
17 d^6/315) + e, |e| <= 62/2835 |d|^9 <= 0.011 u: tanh z = t + tau (1 - t^2) / (1 + t tau). Table: u/2, times
(1 + tau)/(1 - tau) <= 1.033; tau: 2.01 roundings of |tau| <= 2^-6, 0.032 u, and e; correction, below 0.016: 1 - t^2 is
off by u, the rest has 3.05 roundings, together 0.065 u; last addition u/2; clipping 1 - tanh 20 < 0.08 u. Sum 1.21 u.
s' = 1 - s^2: 2 * 1.21 u + u/2 + u/2. s'' = -2 s s': 2 (3.5 + 1.21) u + 2 * 0.77 u.

**erf** (grid 1/64, |d| <= 2^-7, clipped at 6.5). With f = s' = (2/sqrt(pi)) exp(-z^2) and a = -d (z + g), |a| < 0.11:
f(z) = f(g) exp(a), degree 7, truncation at most sup f(z) (|z|/64 + 2^-14)^8 / 8! < 0.01 u. exp(a) has a relative
error of u + 4.2 u |a|, the table u, the product u: 3.5 u f <= 4 u. The value is the two-point Taylor rule for the
integral of f from g to z,

    erf z = erf g + d/2 (f_g + f_z) + d^2/10 (f'_g - f'_z) + d^3/120 (f''_g + f''_z) - d^7 f^(6)(x) / 100800,

|f^(6)| <= 120 * 2/sqrt(pi), so the remainder is below 0.03 u. The increment is below 0.009: 8 roundings and d times
the error of f make 0.1 u; table and last addition u/2 each; clipping 1 - erf 6.5 < 2^-60. Sum 1.14 u. s'' = -2 z s',
with |z| s' <= 0.485: 2 * 0.485 * 6 u.

**GELU** z Phi(z), from erf at x = z/sqrt(2), computed with |x| off by 2 u |x| and z clipped at 9. Phi = (1 + erf x)/2:
(1.14 + 2 * 0.485 + 1) u / 2 = 1.56 u. Value: |z| (1.56 + 1) u. phi = f(x) / (2 sqrt(2)) has relative error
3.5 u + 4 u x^2 + 2 u; s' = Phi + z phi, where |z| phi <= 0.243 and |z| x^2 phi <= 0.232: 1.56 u + 0.243 * 6.5 u +
0.93 u + 1.13 u = 5.3 u, clipping 0.01 u more. s'' = (2 - z^2) phi: |s''| <= 0.8 and |2 - z^2| x^2 phi <= 0.31:
0.8 * 7.5 u + 1.3 u + u z^2 phi.

**softplus** log(1 + exp z) = max(z, 0) + v(|z|), v(x) = log(1 + exp(-x)) (grid 1/64, clipped at 40). With
p = 1/(1 + exp g): v(g + d) = v(g) + log(1 + p (exp(-d) - 1)); exp(-d) - 1 to degree 6 (0.01 u), the logarithm of
1 + y, |y| < 0.004, to degree 6 (0.02 u), together 6 roundings of 0.004; v: u/2 table, u/2 addition. Last addition
u |value| <= u (0.7 + |z|). Sum 1.8 u + u |z|. s'(-x) = q = p exp(-d) / (1 + y): 5.1 roundings of at most 1/2;
s'(z) = 1/2 + sign(z) (1/2 - q): 2.6 u + 0.75 u; s'' = q (1 - q), relative error below 7.2 u: 1.8 u.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import flint
import numpy as np
from flint import arb

from bounds.activations.activation import Activation
from bounds.activations.closed_forms import ERF, GELU
from bounds.activations.smooth import SOFTPLUS, TANH
from bounds.arithmetic import PRECISION
from bounds.linalg.rounding import UNIT, FloatArray


class Jet(NamedTuple):
    """Computed values of s, s' and s'' at some points."""

    value: FloatArray
    slope: FloatArray
    curvature: FloatArray


@dataclass(frozen=True, eq=False)
class Float64Activation:
    """A smooth activation s, computable in float64 with proved errors.

    Args:
        activation: s, with sup |s'| and sup |s''|.
        third_derivative: an upper bound of sup |s'''|.
        jet: z -> s, s', s'' at finite float64 numbers z, within the errors.
        value_error: at any z, ``|jet.value - s(z)| <= value_error + value_error_per_size |z|``.
        value_error_per_size: see there.
        slope_error: bounds ``|jet.slope - s'(z)|``.
        curvature_error: bounds ``|jet.curvature - s''(z)|``.
    """

    activation: Activation
    third_derivative: float
    jet: Callable[[FloatArray], Jet]
    value_error: float
    value_error_per_size: float
    slope_error: float
    curvature_error: float


def _tanh_jet(z: FloatArray) -> Jet:
    index, d = _grid(np.clip(z, -20.0, 20.0), 32.0, 640)
    t = _table(arb.tanh, 32, 640)[index]
    q = d * d
    tau = d * (1.0 + q * (q * (2 / 15 - q * (17 / 315)) - 1 / 3))
    value = t + tau * (1.0 - t * t) / (1.0 + t * tau)
    slope = 1.0 - value * value
    return Jet(value, slope, -2.0 * value * slope)


def _erf_jet(z: FloatArray) -> Jet:
    z = np.clip(z, -6.5, 6.5)
    index, d = _grid(z, 64.0, 416)
    g = z - d
    start = _table(_density, 64, 416)[index]
    a = -d * (z + g)
    series = 1.0 + a * (1 / 7)
    for k in (6, 5, 4, 3, 2, 1):
        series = 1.0 + a * (series * (1 / k))
    end = start * series
    third = (4.0 * (g * g) - 2.0) * start + (4.0 * (z * z) - 2.0) * end
    increment = d * (0.5 * (start + end) + d * (0.2 * (z * end - g * start) + d * (third * (1 / 120))))
    return Jet(_table(arb.erf, 64, 416)[index] + increment, end, -2.0 * (z * end))


def _gelu_jet(z: FloatArray) -> Jet:
    clipped = np.clip(z, -9.0, 9.0)
    normal = _erf_jet(clipped * 0.7071067811865476)
    cumulative = 0.5 * (1.0 + normal.value)
    density = normal.slope * 0.3535533905932738
    return Jet(z * cumulative, cumulative + clipped * density, (2.0 - clipped * clipped) * density)


def _softplus_jet(z: FloatArray) -> Jet:
    x = np.minimum(np.abs(z), 40.0)
    index, d = _grid(x, 64.0, 0)
    p = _table(_logistic_tail, 64, 2560)[2560:][index]
    change = 1.0 - d * (1 / 6)
    for k in (5, 4, 3, 2):
        change = 1.0 - d * (change * (1 / k))
    change *= -d
    y = p * change
    logarithm = y * (1.0 + y * (y * (1 / 3 + y * (y * (1 / 5 - y * (1 / 6)) - 1 / 4)) - 1 / 2))
    q = p * (1.0 + change) / (1.0 + y)
    value = np.maximum(z, 0.0) + (_table(_even_part, 64, 2560)[2560:][index] + logarithm)
    return Jet(value, 0.5 + np.copysign(0.5 - q, z), q * (1.0 - q))


def _grid(z: FloatArray, per_unit: float, origin: int) -> tuple[np.ndarray, FloatArray]:
    """The index of the nearest grid point in a table that starts at ``-origin``, and the exact way from it to z."""
    nearest = np.rint(z * per_unit)
    return nearest.astype(np.int32) + origin, z - nearest * (1.0 / per_unit)


@cache
def _table(function: Callable[[arb], arb], per_unit: int, last: int) -> FloatArray:
    """The function at k / per_unit for k = -last..last, correctly rounded."""
    with flint.ctx.workprec(PRECISION):
        return np.array([_nearest(function(arb(k) / per_unit)) for k in range(-last, last + 1)])


def _nearest(ball: arb) -> float:
    """The float64 nearest to a ball's midpoint: Python converts an integer with correct rounding."""
    mantissa, exponent = (int(part) for part in ball.mid().man_exp())
    return float(mantissa) * 2.0**exponent if exponent > -1000 else 0.0


def _density(z: arb) -> arb:
    return 2 * (-z * z).exp() / arb.pi().sqrt()


def _logistic_tail(x: arb) -> arb:
    return 1 / (1 + x.exp())


def _even_part(x: arb) -> arb:
    return (-x).exp().log1p()


EVALUATED = {
    "tanh": Float64Activation(TANH, 2.0, _tanh_jet, 1.25 * UNIT, 0.0, 3.6 * UNIT, 12 * UNIT),
    "erf": Float64Activation(ERF, 2.26, _erf_jet, 1.2 * UNIT, 0.0, 4.2 * UNIT, 6 * UNIT),
    "softplus": Float64Activation(SOFTPLUS, 0.0963, _softplus_jet, 1.9 * UNIT, 1.01 * UNIT, 3.6 * UNIT, 2 * UNIT),
    "gelu": Float64Activation(GELU, 0.779, _gelu_jet, 0.01 * UNIT, 2.6 * UNIT, 5.5 * UNIT, 10 * UNIT),
}
"""By name. Third derivatives: of tanh -2 (1 - t^2) (1 - 3 t^2), 2 at 0; of erf (4 z^2 - 2) s',
4/sqrt(pi) at 0 (and 1.01 at z^2 = 3/2); of softplus s' (1 - s') (1 - 2 s'), at most 1/(6 sqrt(3)); of GELU
phi (z^3 - 4 z), greatest where z^4 - 7 z^2 + 4 = 0, at z^2 = (7 - sqrt(33))/2, where it is 0.7788.
"""
