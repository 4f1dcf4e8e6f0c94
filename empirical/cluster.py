"""Certified least eigenvalues of matrices that no single memory holds, on any Dask cluster.

The tiles of the upper triangle live on the workers; :mod:`bounds.linalg.tiles` says what is done with them and proves
what follows. Here is only who does what when. Entries are computed where they are needed, five times, and not stored:
a worker may round a midpoint otherwise than another, which is as good, since the exact matrix is within the radius of
each, and all that is proved is about the exact matrix.

Workers should have one BLAS thread, as Dask's have unless they are started without a nanny: numpy and scipy bring a
pool of threads each, and two pools of two threads that take turns on two cores took 48 times as long as single threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import flint
import numpy as np
from dask.distributed import Client, Future
from flint import arb

from bounds.arithmetic import PRECISION, Enclosure
from bounds.gram import two_layer, two_layer_between
from bounds.linalg import tiles
from bounds.linalg.deflation import Deflation, from_pairs, refined
from bounds.linalg.intervals import blocks
from bounds.linalg.lehmann import Compression, Ends, compression, lehmann_ends
from bounds.linalg.ritz import RitzPairs, Separation, inverse_ritz_pairs
from bounds.linalg.rounding import UNIT, gamma, inflate

Entries = Callable[[slice, slice], tuple[np.ndarray, np.ndarray]]
"""Midpoints and radii of a block of rows and columns, equal slices or the rows before the columns."""


@dataclass(frozen=True, eq=False)
class TwoLayerEntries:
    """Entries of the infinite-width two-layer ReLU Gram matrix of the rows of X (n, d), made from X on the spot."""

    X: np.ndarray
    trained: str = "first"
    normalised: bool = True

    def __call__(self, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
        """Midpoints and radii of a block."""
        if rows == columns:
            gram = two_layer(self.X[rows], trained=self.trained, normalised=self.normalised)
            return gram.midpoint, gram.radius
        return two_layer_between(self.X[rows], self.X[columns], trained=self.trained, normalised=self.normalised)


def least_eigenvalue(client: Client, entries: Entries, n: int, *, tile: int = 1024) -> Enclosure:
    """Enclose the least eigenvalue of a positive definite matrix given by its entries, by the workers of a cluster.

    The algorithm is that of :func:`bounds.linalg.least_eigenvalue` without an estimate, and the bounds are the same
    but for the number of roundings.

    Args:
        client: of the cluster.
        entries: computes any block; pickled and sent to every worker once.
        n: size of the matrix.
        tile: rows of a tile; n / tile is best between 8 and 60.

    Returns:
        An enclosure of the least eigenvalue of every symmetric matrix within the radii.

    Raises:
        ValueError: the matrix is not definite to working precision, not symmetric, not finite, or of a size beyond
            2^100; or the arithmetic of a worker is not IEEE.
    """
    if n < 2 or tile < 1:
        raise ValueError(f"a matrix of size {n} in tiles of {tile}: at least 2 rows and tiles of at least 1 are needed")
    matrix = _TiledMatrix(client, entries, n, tile)
    shift = -4 * math.sqrt(n) * UNIT * matrix.size
    factor = matrix.factorise(shift, np.zeros((n, 0)), proved=False)
    if factor is None:
        raise ValueError("the matrix is not positive definite to working precision: bounds.linalg takes any that fit")
    start = np.random.default_rng(n).standard_normal((n, 1))
    with flint.ctx.workprec(PRECISION):
        for caution in (16.0, 256.0):
            separation = Separation(matrix.resolution, caution)
            pairs = inverse_ritz_pairs(factor.solve, shift, start, separation)
            deflation = from_pairs(matrix.size, pairs, separation)
            ends = None if deflation is None else matrix.enclose(deflation)
            if ends is not None:
                break
        else:
            ends = matrix.enclose_without_gap(pairs)
        return Enclosure(ends.lower.union(ends.upper))


class _TiledMatrix:
    """A symmetric matrix in tiles, and the norms that its bounds need."""

    def __init__(self, client: Client, entries: Entries, n: int, tile: int) -> None:
        self.client, self.n, self.tile = client, n, tile
        self.rows = list(blocks(n, tile))
        self.entries = client.scatter(entries, broadcast=True)
        parts = {(i, j): self._submit(_survey, self.entries, self.rows[i], self.rows[j]) for i, j in self._tiles()}
        surveys = dict(zip(parts, client.gather(list(parts.values())), strict=True))
        largest = max(part.largest for part in surveys.values())
        if not 2.0**-100 <= largest <= 2.0**100:
            raise ValueError(f"the largest entry is {largest:g}: scale the matrix to between 2^-100 and 2^100")
        self.size = tiles.size(surveys.values(), n)
        self.radius_norm = inflate(float(self._row_sums(surveys).max()), 2 * n)
        self._trace = sum(part.diagonal for part in surveys.values())

    @property
    def resolution(self) -> float:
        """Several times what the factorisation and the radius lose."""
        lost = gamma(tiles.roundings(self.n, self.tile, 1)) * (self.size + self._trace)
        return 20 * lost + 8 * self.radius_norm

    def factorise(self, shift: float, w: np.ndarray, *, proved: bool = True) -> _TiledFactor | None:
        """Factorise ``a + w w^T - shift I``, with a bound on the residual where it is wanted."""
        strips, last = [w[rows] for rows in self.rows], len(self.rows)
        c: dict[tuple[int, int], Future] = {
            (i, j): self._submit(_begin, self.entries, self.rows[i], self.rows[j], shift, strips[i], strips[j])
            for i, j in self._tiles()
        }
        r: dict[tuple[int, int], Future] = {}
        sums: dict[tuple[int, int], Future] = {}
        for k in range(last):
            for j in range(k, last):
                done = c.pop((k, j))
                r[k, j] = (
                    self._submit(tiles.pivot, done, priority=-k)
                    if j == k
                    else self._submit(_solve_strip, r[k, k], done, priority=-k)
                )
                if proved:
                    sums[k, j] = self._submit(tiles.residual, done, r[k, k], r[k, j], priority=-k)
            for i, j in combinations_with_replacement(range(k + 1, last), 2):
                c[i, j] = self._submit(tiles.update, c[i, j], r[k, i], r[k, j], priority=-k)
        panels = [self._submit(_stack, *(r[i, j] for i in range(j + 1))) for j in range(last)]
        try:
            residuals = dict(zip(sums, self.client.gather(list(sums.values())), strict=True))
            self.client.gather([self._submit(len, panel) for panel in panels])
        except tiles.NotDefinite:
            return None
        error = math.inf
        if proved:
            squares = sum(part.squares for part in residuals.values())
            error = tiles.residual_norm(self._row_sums(residuals), squares, self.size, shift, w, self.tile)
        return _TiledFactor(self.client, self.rows, panels, error)

    def enclose(self, deflation: Deflation) -> Ends | None:
        """Enclose the least eigenvalue, given a deflation; see :func:`bounds.linalg.deflation.enclose`."""
        factor = self.factorise(deflation.shift, deflation.w)
        if factor is None or not factor.error < math.inf:
            return None
        sigma = (arb(deflation.shift) - factor.error - self.radius_norm).lower()
        try:
            u = refined(factor.solve, lambda basis: self.image(basis)[0], self.size, deflation)
        except np.linalg.LinAlgError:  # the shift hit an eigenvalue
            return None
        return lehmann_ends(self.compress(u), u, sigma)

    def enclose_without_gap(self, pairs: RitzPairs) -> Ends:
        """Enclose the least eigenvalue by a factorisation shifted just below it, and a Rayleigh quotient."""
        upper = self.compress(pairs.vectors[:, :1]).upper
        guess, margin = float(pairs.values[0]), 2 * math.sqrt(self.n) * UNIT * self.size
        for _ in range(6):
            factor = self.factorise(guess - margin, np.zeros((self.n, 0)))
            if factor is not None:
                return Ends((arb(guess - margin) - factor.error - self.radius_norm).lower(), upper)
            margin *= 8
        raise ValueError("no factorisation succeeds just below the least eigenvalue: bounds.linalg takes any that fit")

    def image(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``A u`` and a bound on its distance for every A of the family."""
        parts = {
            (i, j): self._submit(_images, self.entries, self.rows[i], self.rows[j], u[self.rows[i]], u[self.rows[j]])
            for i, j in self._tiles()
        }
        count = len(self.rows)
        totals = [
            self._submit(_total, [parts[j, i] for j in range(i)], [parts[i, j] for j in range(i, count)])
            for i in range(count)
        ]
        images, radii = zip(*self.client.gather(totals), strict=True)
        return np.vstack(images), np.vstack(radii)

    def compress(self, u: np.ndarray) -> Compression:
        """What some vectors tell of the family."""
        return compression(u, *self.image(u))

    def _tiles(self) -> Iterator[tuple[int, int]]:
        return combinations_with_replacement(range(len(self.rows)), 2)

    def _row_sums(self, parts: dict[tuple[int, int], Any]) -> np.ndarray:
        """Row sums of the whole from those of its tiles, each beside the diagonal standing for its mirror image too."""
        sums = np.zeros(self.n)
        for (i, j), part in parts.items():
            sums[self.rows[i]] += part.rows
            if i < j:
                sums[self.rows[j]] += part.columns
        return sums

    def _submit(self, function: Callable[..., Any], *arguments: Any, priority: int = 0) -> Future:
        return self.client.submit(function, *arguments, pure=False, priority=priority)


@dataclass(frozen=True, eq=False)
class _TiledFactor:
    """An upper triangular factor in panels of columns, each on one worker, and the bound on its residual."""

    client: Client
    rows: list[slice]
    panels: list[Future]
    error: float

    def solve(self, b: np.ndarray) -> np.ndarray:
        """Solve ``r^T r x = b`` approximately for b (n, k), panel after panel, down and up again."""
        nothing = np.empty((0, b.shape[1]))
        y: Future | np.ndarray = nothing
        for rows, panel in zip(self.rows, self.panels, strict=True):
            y = self.client.submit(_forward, panel, b[rows], y, pure=False)
        state = self.client.submit(_pair, y, nothing, pure=False)
        for panel in reversed(self.panels):
            state = self.client.submit(_backward, panel, state, pure=False)
        _, x = self.client.gather(state)
        return x


def _survey(entries: Entries, rows: slice, columns: slice) -> tiles.Survey:
    return tiles.survey(*entries(rows, columns), on_diagonal=rows == columns)


def _begin(
    entries: Entries, rows: slice, columns: slice, shift: float, w_rows: np.ndarray, w_columns: np.ndarray
) -> np.ndarray:
    return tiles.begin(entries(rows, columns)[0], shift, w_rows, w_columns, on_diagonal=rows == columns)


def _solve_strip(pivot: np.ndarray, c: np.ndarray) -> np.ndarray:
    return tiles.solve(pivot, c, transposed=True)


_Image = tuple[np.ndarray, np.ndarray, np.ndarray]


def _images(
    entries: Entries, rows: slice, columns: slice, u_rows: np.ndarray, u_columns: np.ndarray
) -> tuple[_Image, _Image]:
    """What a tile adds to the images of its rows, and its mirror image to those of its columns."""
    midpoint, radius = entries(rows, columns)
    return tiles.image(midpoint, radius, u_columns), tiles.image(midpoint.T, radius.T, u_rows)


def _total(above: list[tuple[_Image, _Image]], right: list[tuple[_Image, _Image]]) -> tuple[np.ndarray, np.ndarray]:
    return tiles.total([*(mirrored for _, mirrored in above), *(direct for direct, _ in right)])


def _stack(*parts: np.ndarray) -> np.ndarray:
    return np.vstack(parts)


def _pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return first, second


def _forward(panel: np.ndarray, b: np.ndarray, y: np.ndarray) -> np.ndarray:
    """One part more of y with ``r^T y = b``."""
    size = panel.shape[1]
    return np.vstack([y, tiles.solve(panel[-size:], b - panel[:-size].T @ y, transposed=True)])


def _backward(panel: np.ndarray, state: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What is left of the right-hand side, and one part more, in front, of x with ``r x = y``."""
    rest, x = state
    size = panel.shape[1]
    part = tiles.solve(panel[-size:], rest[-size:], transposed=False)
    return rest[:-size] - panel[:-size] @ part, np.vstack([part, x])
