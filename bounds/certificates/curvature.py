r"""The curvature of a two-layer network's loss along a run, enclosed in every step from few spectra. Re-derived.

The part of the Hessian that is not J^T J is block diagonal: neuron r has H(q) = X^T diag(q) X with
q_i = c a_r r_i s''(w_r.x_i). H is linear in q, and increasing. Let q_k belong to one step, P and Q to two others whose
spectra are enclosed, -s^-(P) <= H(P) <= s^+(P). For p, t >= 0

    -H(q_k) = p (-H(P)) + t (-H(Q)) + H(p P + t Q - q_k) <= p s^-(P) + t s^-(Q) + S^2 max_i (p P + t Q - q_k)_i,

with S = ||X||, and likewise for H(q_k). Runs are smooth, so the last term is of second order in the distance of the
steps; where it is not small, a spectrum between them helps.

For H(x) alone, where x are the positive parts of any vector, the norm of Frobenius serves better than S^2 max x:

    H(q) <= H(x),   ||H(x)||^2 <= ||H(x)||_F^2 = sum_ij x_i x_j (x_i.x_j)^2,

with the inner products of the inputs squared, a matrix of the data alone. It is a third of the other where inputs are
many, and where it is small itself, no spectra are needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bounds.linalg.batches import spectral_ends
from bounds.linalg.intervals import blocks
from bounds.linalg.rounding import UNDERFLOW, UNIT, FloatArray, gamma, inflate

SHARE = 0.1
"""Of the growth exponent, what interpolation may add before a window is halved."""

HARMLESS, STEEP = 0.03, 0.1
"""eta s^+ that is not worth a sharper bound, as steps are seldom so long that it counts; eta s^- that always is."""

EVERY_OTHER = (slice(0, None, 2), slice(1, None, 2))
"""The steps of a window where runs swing to and fro."""

TOGETHER = 2**21
"""Entries of the matrices whose spectra are proved together."""


@dataclass(frozen=True, eq=False)
class Growth:
    """Upper bounds s^- and s^+ of -H and H over all neurons, each step of a window; never negative.

    Args:
        negative, positive: s^- and s^+ (steps,).
    """

    negative: FloatArray
    positive: FloatArray


@dataclass(frozen=True, eq=False)
class _Knot:
    """The vectors q (m n,) of one step with their proved spectra, s^- and s^+ (m,)."""

    q: FloatArray
    negative: FloatArray
    positive: FloatArray


@dataclass(eq=False)
class Curvature:
    """Bounds along one run, window by window.

    Args:
        X: inputs (n, d).
        spectral: S, from above.
        step_size: eta; the growth exponent of a step is eta s^-.
        allowance: growth exponent that may be spent in all on bounds without spectra.
        spectra: counts the steps whose spectra were computed.
    """

    X: FloatArray
    spectral: float
    step_size: float
    allowance: float
    spectra: int = 0
    _last: _Knot | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._square = inflate(self.spectral**2, 2)
        self._squares = inflate(np.einsum("id,id->i", self.X, self.X), self.X.shape[1])
        inner = np.abs(self.X @ self.X.T) + gamma(self.X.shape[1] + 2) * float(self._squares.max())
        self._inner = inflate(inner * inner, 4)

    def bound(self, q: FloatArray) -> Growth:
        """Bound the curvature in the next steps of the run, for q (steps, m n)."""
        negative = self._sizes(-q, self.allowance / 16, 8 * self.allowance).max(axis=1)
        exponent = self.step_size * float(negative.sum())
        if exponent <= self.allowance:
            self.allowance -= exponent
            self._last = None
            return Growth(negative, self._sizes(q, HARMLESS * len(q)).max(axis=1))
        growth = Growth(np.empty(len(q)), np.empty(len(q)))
        if _alternates(q):
            self._last = None
            for part in EVERY_OTHER:
                steps = q[part]
                ends = self._knot(steps[0]), self._knot(steps[-1])
                self._between(steps, *ends, Growth(growth.negative[part], growth.positive[part]))
        else:
            first = self._last or self._knot(q[0])
            self._last = last = self._knot(q[-1])
            self._between(q, first, last, growth)
        return Growth(np.minimum(growth.negative, negative), growth.positive)

    def _between(self, q: FloatArray, first: _Knot, last: _Knot, out: Growth) -> None:
        """Interpolate, and halve the steps where that strays too far."""
        pair = np.stack([first.q, last.q])
        weights = _weights(q, pair)
        strays = weights @ pair
        rounding = 4 * UNIT * self._square * (weights @ np.abs(pair).max(axis=1))
        strays -= q
        low = weights @ np.stack([first.negative, last.negative])
        high = weights @ np.stack([first.positive, last.positive])
        share = SHARE * self.step_size * float(low.max(axis=1).sum())
        up = self._sizes(strays, share / 2, 8 * share + self.allowance)
        down = self._sizes(-strays, HARMLESS * len(q))
        out.negative[:] = inflate((low + up).max(axis=1) + rounding, 8)
        out.positive[:] = inflate((high + down).max(axis=1) + rounding, 8)
        spent = self.step_size * float(((low + up).max(axis=1) - low.max(axis=1)).sum()) - share
        if len(q) <= 3 or spent <= self.allowance / 8:
            self.allowance -= max(spent, 0.0)
        else:
            half = len(q) // 2
            middle = self._knot(q[half - 1])
            self._between(q[:half], first, middle, Growth(out.negative[:half], out.positive[:half]))
            self._between(q[half:], middle, last, Growth(out.negative[half:], out.positive[half:]))

    def _sizes(self, q: FloatArray, little: float, much: float = math.inf) -> FloatArray:
        """Bound the norm of H of the positive parts of q (steps, m n), for each neuron (steps, m) or all (steps, 1).

        With the norm of Frobenius where the other bound adds more than little to the growth exponent, but not so much
        that this one would help no more; or where every single step adds much.
        """
        n = len(self.X)
        sizes: FloatArray = inflate(self._square * np.maximum(q.max(axis=1, keepdims=True), 0.0), 2)
        exponent = self.step_size * float(sizes.sum())
        if not (little < exponent <= much or exponent > STEEP * len(q)):
            return sizes
        vectors = np.maximum(q, 0.0).reshape(len(q), -1, n)
        squares = np.einsum("kri,kri->kr", vectors @ self._inner, vectors)
        return np.asarray(inflate(np.sqrt(squares) + UNDERFLOW, n + 2))

    def _knot(self, q: FloatArray) -> _Knot:
        """Prove the spectra of all neurons in one step.

        The entries of H pass through n + 2 roundings and one of the symmetrisation; the error is entrywise below
        gamma sum_i |q_i| |x_i| |x_i|^T, whose norm is at most gamma sum_i |q_i| ||x_i||^2.
        """
        self.spectra += 1
        n, d = self.X.shape
        vectors = q.reshape(-1, n)
        ends = [self._ends(vectors[part]) for part in blocks(len(vectors), max(1, TOGETHER // d**2))]
        lower, upper = (np.concatenate(side) for side in zip(*ends, strict=True))
        error = inflate(gamma(n + 4) * (np.abs(vectors) @ self._squares), n + 4)
        return _Knot(q.copy(), np.maximum(error - lower, 0.0), np.maximum(error + upper, 0.0))

    def _ends(self, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
        matrices = (self.X.T * vectors[:, None, :]) @ self.X
        return spectral_ends((matrices + matrices.transpose(0, 2, 1)) / 2)


def _alternates(q: FloatArray) -> bool:
    """Whether every other step is nearer than the next, as where steps are too long for the steepest direction."""
    middle = len(q) // 2
    near, next_one, other = q[middle - 1], q[middle], q[min(middle + 1, len(q) - 1)]
    return len(q) > 3 and bool(np.abs(other - near).max() < np.abs(next_one - near).max())


def _weights(q: FloatArray, pair: FloatArray) -> FloatArray:
    """Nonnegative weights (steps, 2) of two vectors near each q, by least squares; any would do."""
    gram, products = pair @ pair.T, q @ pair.T
    alone = np.maximum(products, 0.0) / np.maximum(np.diag(gram), 1e-300)
    second = alone[:, 1] * products[:, 1] > alone[:, 0] * products[:, 0]
    single = np.where(np.stack([~second, second], axis=1), alone, 0.0)
    determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    if not determinant > 1e-12 * gram[0, 0] * gram[1, 1]:
        return single
    both = products @ np.array([[gram[1, 1], -gram[0, 1]], [-gram[0, 1], gram[0, 0]]]) / determinant
    return np.where((both >= 0.0).all(axis=1, keepdims=True), both, single)
