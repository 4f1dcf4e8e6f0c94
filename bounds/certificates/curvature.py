r"""The curvature of a two-layer network's loss along a run, enclosed in every step from few spectra. Re-derived.

The part of the Hessian that is not J^T J is block diagonal: neuron r has H(q) = X^T diag(q) X with
q_i = c a_r r_i s''(w_r.x_i). H is linear in q, and increasing. Let q_k belong to one step, P and Q to two others whose
spectra are enclosed, -s^-(P) <= H(P) <= s^+(P). For p, t >= 0

    -H(q_k) = p (-H(P)) + t (-H(Q)) + H(p P + t Q - q_k) <= p s^-(P) + t s^-(Q) + S^2 max_i (p P + t Q - q_k)_i,

with S = ||X||, and likewise for H(q_k). Runs are smooth, so the last term is of second order in the distance of the
steps; where it is not small, a spectrum between them helps. Where S^2 max |q| is small itself, none is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bounds.linalg.batches import spectral_ends
from bounds.linalg.intervals import blocks
from bounds.linalg.rounding import UNIT, FloatArray, gamma, inflate

SHARE = 0.1
"""Of the growth exponent, what interpolation may add before a window is halved."""


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

    def bound(self, q: FloatArray) -> Growth:
        """Bound the curvature in the next steps of the run, for q (steps, m n)."""
        crude = Growth(
            inflate(self._square * np.maximum(-q.min(axis=1), 0.0), 2),
            inflate(self._square * np.maximum(q.max(axis=1), 0.0), 2),
        )
        exponent = self.step_size * float(crude.negative.sum())
        if exponent <= self.allowance / 4:
            self.allowance -= exponent
            self._last = None
            return crude
        first = self._last or self._knot(q[0])
        self._last = last = self._knot(q[-1])
        growth = Growth(np.empty(len(q)), np.empty(len(q)))
        self._between(q, first, last, growth)
        return Growth(np.minimum(growth.negative, crude.negative), np.minimum(growth.positive, crude.positive))

    def _between(self, q: FloatArray, first: _Knot, last: _Knot, out: Growth) -> None:
        """Interpolate, and halve the steps where that strays too far."""
        pair = np.stack([first.q, last.q])
        weights = _weights(q, pair)
        strays = weights @ pair
        rounding = 4 * UNIT * (weights @ np.abs(pair).max(axis=1))
        strays -= q
        up, down = np.maximum(strays.max(axis=1), 0.0), np.maximum(-strays.min(axis=1), 0.0)
        low = (weights @ np.stack([first.negative, last.negative])).max(axis=1)
        high = (weights @ np.stack([first.positive, last.positive])).max(axis=1)
        out.negative[:] = inflate(low + self._square * (up + rounding), 8)
        out.positive[:] = inflate(high + self._square * (down + rounding), 8)
        added = self.step_size * self._square * float(up.sum())
        spent = added - SHARE * self.step_size * float(low.sum())
        if len(q) <= 3 or spent <= self.allowance / 8:
            self.allowance -= max(spent, 0.0)
        else:
            half = len(q) // 2
            middle = self._knot(q[half - 1])
            self._between(q[:half], first, middle, Growth(out.negative[:half], out.positive[:half]))
            self._between(q[half:], middle, last, Growth(out.negative[half:], out.positive[half:]))

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
