r"""Gradient descent on smooth two-layer networks: a float64 run, and how far it is from exact steps. Re-derived.

f(w) = c sum_r a_r s(w_r.x), c = m^(-1/2), a_r = +-1, the first layer w (m, d) trained; the residual is
r_i = f(x_i) - b_i - y_i with b zero or the exact initial output. Inputs, labels, weights and the step eta are the real
numbers that float64 stores. Write S = ||X||, v = max_i ||x_i||, lambda = sup |s'|, beta = sup |s''|.

The *defect* of two successive weights v_k, v_{k+1} of any sequence is ||v_{k+1} - v_k + eta J(v_k)^T r(v_k)||. How they
came about plays no part: the run uses the libraries' exp, its defect does not.

**The Jacobian** J is L-Lipschitz with L = c beta v S: the change of its block r is c diag(delta_r) X with
|delta_ri| <= beta |x_i.(w_r - w'_r)|, of Frobenius norm at most c beta v ||X (w_r - w'_r)||. And
||J|| <= N = S (max_i mean_r s'(z_ri)^2)^(1/2): J J^T is the entrywise product of X X^T with a Gram matrix of that
diagonal (Schur).

**Rounding** (u = 2^-53). Z = W X^T has an error e_Z <= u |Z| + tiny, the product behind the gradient one near u
(:class:`~bounds.linalg.products.RightFactor`); s, s', s'' have the errors e_s, e_s', e_s'' of
:mod:`bounds.activations.float64`. Then

- outputs: c sum_r (e_s + lambda e_Z), with sum_r |z_ri| <= (m sum_r z_ri^2)^(1/2); the sum over r is exact but for one
  rounding (:func:`_signed_sums`), c has two, the product one, b and y one each: 5 u |f| + u |f - b| + u |r| in all, at
  most 7 u |r_i| + 6 u (|b_i| + |y_i|); b has a second part of at most 2 u |b|, or a doubt. The norm over i is e_r.
- gradient: N e_r for r; S e_1 ||r|| for s', e_1 = e_s' + beta max e_Z (c m^(1/2) = 1); c S u ||P|| for the product
  P = s' r; c times the error of P X. One more rounding is in P X itself, at most three are in eta c, one in their
  product, one in v_{k+1} - v_k, one in the sum: 8 u (||v_{k+1} - v_k|| + ||defect||) bounds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import erf, expit

from bounds.activations.float64 import Float64Activation
from bounds.certificates.curvature import EVERY_OTHER
from bounds.linalg.batches import spectral_ends, upper_ends
from bounds.linalg.products import RightFactor
from bounds.linalg.rounding import UNDERFLOW, UNIT, FloatArray, gamma, inflate

LARGEST = 2.0**60
"""Of stored numbers, and of weights on the way: the rounding bounds are made for harmless magnitudes."""

BLOCK = 2**16
"""Entries (steps x neurons x inputs) evaluated at once: what the cache of one core holds with its peers."""


STABLE, SHARP = 1.9, 0.02
"""eta ||J||^2 beyond which the cheap bound of ||J|| is sharpened, and how near to its spectrum the norm should be."""


@dataclass(frozen=True, eq=False)
class SmoothDescent:
    """Gradient descent on one network and data, with its constants.

    Args:
        X: inputs (n, d).
        targets: what the outputs should be, in three parts (3, n): b, its rounding error, y.
        signs: a (m,).
        activation: s.
        step_size: eta.
        doubt: how far the first two parts of the targets may be from b, in norm.
    """

    X: FloatArray
    targets: FloatArray
    signs: FloatArray
    activation: Float64Activation
    step_size: float
    doubt: float = 0.0

    def centred(self, weights: FloatArray) -> SmoothDescent:
        """The same with the outputs at these weights for b; four roundings of each are not in the error of the sums."""
        Z, z_error = self.inputs.product(weights)
        outputs, error = _sums(self, Z[None], z_error, self.activation.jet(Z[None]).value)
        f = self.scale * outputs[0]
        doubt = inflate(float(error[0]) + 5 * UNIT * math.sqrt(float(f @ f)), len(f) + 8)
        return replace(self, targets=np.vstack([f, np.zeros_like(f), self.targets[2]]), doubt=doubt)

    def spectrum(self, weights: FloatArray) -> tuple[float, float]:
        """The least singular value of the transposed Jacobian, from below, and its norm, from above.

        The true J differs by at most S e_1 from the one with the computed s'.
        """
        Z, error = self.inputs.product(weights)
        wrong = self.activation.slope_error + self.smoothness * (UNIT * float(np.abs(Z).max()) + error)
        wrong = inflate(self.spectral * wrong, 4)
        gram, rounding = self.computed_gram(self.activation.jet(Z).slope)
        least, largest = (float(end[0]) for end in spectral_ends(gram[None]))
        least = math.sqrt(max(least - rounding, 0.0)) * (1.0 - 4 * UNIT)
        return max(math.nextafter(least - wrong, 0.0), 0.0), inflate(_root(largest, rounding) + wrong, 4)

    def computed_norm(self, slope: FloatArray) -> float:
        """The norm of the Jacobian with given numbers (m, n) for s', from above."""
        gram, rounding = self.computed_gram(slope)
        return _root(float(upper_ends(gram[None])[0]), rounding)

    def computed_gram(self, slope: FloatArray) -> tuple[FloatArray, float]:
        """J J^T with given numbers (m, n) for s', and a bound of its error in norm.

        J J^T is c^2 (D^T D) o (X X^T): its entries, at most v^2 lambda^2 in size, pass through m + d + 6 roundings.
        """
        (m, n), d = slope.shape, self.X.shape[1]
        gram = (slope.T @ slope) * self.inner / m
        rounding = inflate(gamma(m + d + 8) * n * self.longest**2 * (self.slope + 8 * UNIT) ** 2, 8)
        return (gram + gram.T) / 2, rounding

    @cached_property
    def scale(self) -> float:
        """c, off by at most two roundings."""
        return 1.0 / math.sqrt(len(self.signs))

    @cached_property
    def spectral(self) -> float:
        """S, from above: the computed X X^T is off by gamma_{d + 2} |X| |X|^T entrywise, in norm at most ||X||_F^2."""
        (n, d), square = self.X.shape, float(np.square(self.X).sum())
        gram = self.inner if n <= d else self.X.T @ self.X
        largest = float(upper_ends(((gram + gram.T) / 2)[None])[0])
        return _root(largest, inflate(gamma(max(n, d) + 4) * square, n * d))

    @cached_property
    def inner(self) -> FloatArray:
        """X X^T as computed, each entry with d roundings."""
        return np.asarray(self.X @ self.X.T)

    @cached_property
    def inputs(self) -> RightFactor:
        """X^T, for preactivations."""
        return RightFactor(np.ascontiguousarray(self.X.T))

    @cached_property
    def outputs(self) -> RightFactor:
        """X, for gradients."""
        return RightFactor(self.X)

    @cached_property
    def longest(self) -> float:
        """The norm v of the longest input, from above."""
        return inflate(math.sqrt(float(np.square(self.X).sum(axis=1).max())) + UNDERFLOW, self.X.shape[1])

    @cached_property
    def lipschitz(self) -> float:
        """L, from above."""
        return inflate(self.scale * self.smoothness * self.longest * self.spectral, 6)

    @cached_property
    def smoothness(self) -> float:
        """beta, from above."""
        bound = self.activation.activation.smoothness
        assert bound is not None
        return bound.upper

    @cached_property
    def slope(self) -> float:
        """lambda, from above."""
        bound = self.activation.activation.lipschitz
        assert bound is not None
        return bound.upper

    @cached_property
    def target_size(self) -> float:
        """|| |b| + |y| ||, from above."""
        sizes = np.abs(self.targets).sum(axis=0)
        return inflate(math.sqrt(float(sizes @ sizes)) + UNDERFLOW, len(sizes) + 2)

    def run(self, start: FloatArray, steps: int) -> FloatArray:
        """Plain float64 gradient descent: the weights v_0..v_steps (steps + 1, m, d)."""
        derivatives = LIBRARY[self.activation.activation.name.lower()]
        history = np.empty((steps + 1, *start.shape))
        history[0] = start
        XT, (b, _, y) = np.ascontiguousarray(self.X.T), self.targets
        readout = self.scale * self.signs
        step = self.step_size * readout[:, None]
        with np.errstate(all="ignore"):  # a run that explodes is seen by its weights
            for k in range(steps):
                value, slope = derivatives(history[k] @ XT)
                slope *= readout @ value - b - y
                gradient = slope @ self.X
                gradient *= step
                np.subtract(history[k], gradient, out=history[k + 1])
        return history


def _tanh(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    value = np.tanh(z, out=z)
    square = value * value
    return value, np.subtract(1.0, square, out=square)


def _erf(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    return erf(z), (2 / math.sqrt(math.pi)) * np.exp(-z * z)


def _softplus(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))), expit(z)


def _gelu(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    cumulative = 0.5 + 0.5 * erf(z * math.sqrt(0.5))
    return z * cumulative, cumulative + z * np.exp(-0.5 * z * z) * (1 / math.sqrt(2 * math.pi))


LIBRARY: dict[str, Callable[[FloatArray], tuple[FloatArray, FloatArray]]] = {
    "tanh": _tanh,
    "erf": _erf,
    "softplus": _softplus,
    "gelu": _gelu,
}
"""s and s' as the libraries compute them, at preactivations that may be overwritten."""


@dataclass(frozen=True, eq=False)
class Window:
    """Some consecutive steps of a run, evaluated with proved errors; one number a step unless a shape is given.

    Args:
        residual: the norm of the computed residual, from above.
        residual_error: e_r.
        jacobian: N, from above.
        defect: d_k, from above.
        length: ||v_{k+1} - v_k||, from above.
        curvature: the vectors q_k as computed, (steps, m n).
        curvature_error: how far their H_r may be from the true ones, in norm.
        slope_error: e_1.
    """

    residual: FloatArray
    residual_error: FloatArray
    jacobian: FloatArray
    defect: FloatArray
    length: FloatArray
    curvature: FloatArray
    curvature_error: FloatArray
    slope_error: FloatArray


def evaluate(descent: SmoothDescent, history: FloatArray) -> Window:
    """Evaluate the steps between successive weights (steps + 1, m, d)."""
    steps, m, _ = history.shape
    size = max(1, BLOCK // (m * len(descent.X)))
    parts = [_evaluate(descent, history[k : k + size + 1]) for k in range(0, steps - 1, size)]
    return Window(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _evaluate(descent: SmoothDescent, history: FloatArray) -> tuple[FloatArray, ...]:
    activation, (b, _, y) = descent.activation, descent.targets
    n, d = descent.X.shape
    steps, m = len(history) - 1, history.shape[1]
    c, eta, S = descent.scale, descent.step_size, descent.spectral
    Z, z_error = descent.inputs.product(history[:-1].reshape(-1, d))
    largest = max(float(Z.max()), -float(Z.min()))
    z_error_largest = inflate(UNIT * largest + z_error, 2)
    Z = Z.reshape(steps, m, n)
    s, slope, curved = activation.jet(Z)

    sums, outputs_error = _sums(descent, Z, z_error, s)
    r = c * sums - b - y
    norm = inflate(_roots(np.einsum("ki,ki->k", r, r)), n)
    residual_error = inflate(outputs_error + descent.doubt + UNIT * (7 * norm + 8 * descent.target_size), m + n + 16)

    slope_error = inflate(activation.slope_error + descent.smoothness * z_error_largest, 3)
    mean_square = np.einsum("kri,kri->ki", slope, slope).max(axis=1) / m
    jacobian = inflate(S * (_roots(mean_square) + slope_error), m + 8)

    if eta * float(jacobian.max()) ** 2 > STABLE:
        _sharpen(descent, slope, S * slope_error, jacobian)

    slope *= r[:, None, :]
    products = _roots(np.einsum("kri,kri->k", slope, slope))
    gradient, gradient_error = descent.outputs.product(slope.reshape(-1, n))
    gradient = gradient.reshape(steps, m, d)
    gradient *= (eta * c * descent.signs)[:, None]
    moved = history[1:] - history[:-1]
    length = _norms(moved)
    gradient += moved
    defect = _norms(gradient)
    moves = length + defect  # at least eta c ||P X||, up to roundings
    lost = jacobian * residual_error + S * (slope_error * norm + UNIT * c * products)
    lost = eta * (lost + c * math.sqrt(m * d) * gradient_error) + 8 * UNIT * moves
    defect = inflate(defect + lost, m * n + m * d + 16)

    curved *= r[:, None, :]
    curved *= (c * descent.signs)[:, None]
    wrong = activation.curvature_error + activation.third_derivative * z_error_largest + 8 * UNIT * descent.smoothness
    curvature_error = c * S * S * (wrong * norm + 2 * descent.smoothness * residual_error)
    return (
        norm,
        residual_error,
        jacobian,
        defect,
        inflate(length, m * d),
        curved.reshape(steps, -1),
        inflate(curvature_error, 16),
        np.full(steps, slope_error),
    )


def _sharpen(descent: SmoothDescent, slopes: FloatArray, wrong: float, bounds: FloatArray) -> None:
    """Lower the bounds of ||J|| in these steps, where a long step needs it.

    With the norm at the middle step a from its spectrum, ||J_k|| <= ||J_a|| + S (max_i mean_r (s'_k - s'_a)^2)^(1/2),
    by Schur again; where that is not sharp, the steps are halved, or every other taken, where runs swing to and fro.
    """
    middle = slopes[len(slopes) // 2]
    norm = descent.computed_norm(middle)
    change = slopes - middle
    apart = descent.spectral * _roots(np.einsum("kri,kri->ki", change, change).max(axis=1) / len(middle))
    np.minimum(bounds, inflate(norm + apart + wrong, len(middle) + 8), out=bounds)
    loose = (apart > SHARP * norm) & (descent.step_size * np.square(bounds) > STABLE)
    if loose.any() and len(slopes) > 1:
        half = len(slopes) // 2
        alternates = len(slopes) > half + 2 and apart[half + 2] < apart[half + 1]
        for part in EVERY_OTHER if alternates else (slice(0, half), slice(half, None)):
            if loose[part].any():
                _sharpen(descent, slopes[part], wrong, bounds[part])


def _norms(steps: FloatArray) -> FloatArray:
    """The Frobenius norm in each step (steps, m, d)."""
    return _roots(np.einsum("krp,krp->k", steps, steps))


def _root(square: float, rounding: float) -> float:
    """The root, from above, of a number known up to roundings."""
    return inflate(math.sqrt(max(square, 0.0) + rounding) + UNDERFLOW, 4)


def _roots(sums: FloatArray) -> FloatArray:
    """The roots of sums of squares, of which some may have vanished."""
    return np.asarray(np.sqrt(sums) + UNDERFLOW)


def _sums(descent: SmoothDescent, Z: FloatArray, z_error: float, s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The sums over r of a_r s_ri (steps, n); and c times the norm of their errors, but for the last rounding.

    Preactivations Z (steps, m, n) are off by u |Z| + z_error, and s are their activations.
    """
    m, activation = len(descent.signs), descent.activation
    largest = max(float(Z.max()), -float(Z.min()))
    sums, sum_error = _signed_sums(descent.signs, s, 1.0 + descent.slope * largest)
    sizes = _roots(m * np.einsum("kri,kri->ki", Z, Z))  # at least sum_r |z_ri|, by Cauchy and Schwarz
    per_size = descent.slope * UNIT + activation.value_error_per_size
    constant = m * (descent.slope * z_error + activation.value_error) + sum_error
    errors = descent.scale * (per_size * sizes + constant)
    return sums, inflate(_roots(np.einsum("ki,ki->k", errors, errors)), m + Z.shape[2] + 12)


def _signed_sums(signs: FloatArray, s: FloatArray, largest: float) -> tuple[FloatArray, float]:
    """Sum a_r s_ri over r; and a bound of the error before the last rounding.

    With s = s_1 + s_2, s_1 a multiple of 2^-p t for a power of two t >= max |s|, and m 2^p <= 2^52, the sum of a_r s_1
    is exact in any order, that of a_r s_2 wrong by at most gamma_m m 2^-(p+1) t.
    """
    m = len(signs)
    unit = math.ldexp(1.0, math.frexp(largest)[1] - (52 - math.ceil(math.log2(m))))
    anchor = 1.5 * 2.0**52 * unit
    leading = s + anchor
    leading -= anchor
    sums = signs @ leading
    np.subtract(s, leading, out=leading)
    return sums + signs @ leading, gamma(m + 2) * m * unit
