"""Symmetric matrices of Arb balls, and Gaussian expectations over all pairs of their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add, mul

import numpy as np
from flint import arb

from bounds.activations.activation import GaussianFunction, Marginal
from bounds.gram.inner_products import ExactRows
from bounds.gram.matrix import Array, Gram, nearest_float
from bounds.progress import Stage

PRECISION = 192
"""Bits carried through a recursion: far more than float64 keeps at the end."""

MEND = "normalise the inputs, or scale them to norms near 1"


@dataclass(frozen=True, eq=False)
class BallMatrix:
    """A symmetric matrix of balls; ``+`` and ``*`` act entry by entry, and ``*`` also by a ball.

    Args:
        rows: its lower triangle, row i holding columns 0 to i.
    """

    rows: tuple[tuple[arb, ...], ...]

    @classmethod
    def of(cls, size: int, entry: Callable[[int, int], arb]) -> BallMatrix:
        """The matrix of the given entries i >= j."""
        stage = Stage("Gram matrix in balls", size**2)
        rows = []
        for i in range(size):
            rows.append(tuple(entry(i, j) for j in range(i + 1)))
            stage.reached((i + 1) ** 2)
        return cls(tuple(rows))

    def __getitem__(self, pair: tuple[int, int]) -> arb:
        i, j = pair
        return self.rows[i][j] if i >= j else self.rows[j][i]

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: BallMatrix) -> BallMatrix:
        return self._entrywise(add, other)

    def __mul__(self, other: BallMatrix | arb) -> BallMatrix:
        if isinstance(other, BallMatrix):
            return self._entrywise(mul, other)
        return BallMatrix(tuple(tuple(other * entry for entry in row) for row in self.rows))

    def _entrywise(self, operation: Callable[[arb, arb], arb], other: BallMatrix) -> BallMatrix:
        return BallMatrix(
            tuple(tuple(map(operation, mine, theirs)) for mine, theirs in zip(self.rows, other.rows, strict=True))
        )

    def gram(self, of: str) -> Gram:
        """Round to float64 midpoints and radii that contain the balls.

        Raises:
            ValueError: an entry exceeds float64, or no digit of the largest one is known.
        """
        n = len(self)
        midpoint, radius = np.empty((n, n)), np.empty((n, n))
        for i, row in enumerate(self.rows):
            for j, ball in enumerate(row):
                midpoint[i, j], radius[i, j] = nearest_float(ball)
                midpoint[j, i], radius[j, i] = midpoint[i, j], radius[i, j]
        gram = Gram(midpoint, radius, of)
        if radius.max() > np.abs(midpoint).max():
            raise ValueError(f"no digit of the Gram matrix ({of}) could be proved: {MEND}")
        return gram


def inner_products(X: Array, *, normalised: bool) -> BallMatrix:
    """Inner products or cosines of stored rows, correctly rounded to the working precision."""
    exact = ExactRows(X)

    def entry(i: int, j: int) -> arb:
        pair = exact.pair(i, j)
        return pair.cosine if normalised else pair.inner

    return BallMatrix.of(len(X), entry)


def marginals(g: GaussianFunction, covariance: BallMatrix) -> list[Marginal]:
    """G of u_i ~ N(0, covariance_ii) for every i; equal variances share their work.

    Raises:
        ValueError: nothing is known of a variance.
    """
    known: dict[str, Marginal] = {}
    found = []
    for i in range(len(covariance)):
        variance = covariance[i, i]
        if not (variance > 0 and variance.is_finite()):
            raise ValueError(f"no digit of a layer's covariance could be proved: {MEND}")
        key = f"{variance.mid().man_exp()} {variance.rad().man_exp()}"
        if key not in known:
            known[key] = g.at(variance)
        found.append(known[key])
    return found


def second_moments(functions: Sequence[Marginal], covariance: BallMatrix) -> BallMatrix:
    """E[g(u_i) g(u_j)] for the Gaussian vector u of the given covariance; the diagonal needs no pairing."""

    def entry(i: int, j: int) -> arb:
        return functions[i].square if i == j else functions[i].product(functions[j], covariance[i, j])

    return BallMatrix.of(len(covariance), entry)
