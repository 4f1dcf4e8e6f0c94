"""Gram matrices of infinitely wide two-layer networks, and of the inputs themselves, for stored float64 data.

f(x) = m^(-1/2) sum_r a_r s(w_r.x) with w_r ~ N(0, I) and a_r = +-1. The matrix is that of E[x.y s'(w.x) s'(w.y)] for
the first layer trained, of E[s(w.x) s(w.y)] for the last, and their sum for both. For the ReLU, with c the cosine of
two inputs x and y,

- first layer trained: E[x.y 1{w.x >= 0} 1{w.y >= 0}] = x.y (pi - arccos c) / (2 pi)
  (Du, Zhai, Poczos and Singh, ICLR 2019, after Assumption 3.1; the arc-cosine kernel of degree 0 of Cho and Saul,
  NeurIPS 2009, times x.y);
- last layer trained: E[relu(w.x) relu(w.y)] = ||x|| ||y|| (sqrt(1 - c^2) + c (pi - arccos c)) / (2 pi)
  (degree 1 of Cho and Saul);
- both: the sum (Du et al., Theorem 3.3, where a_r^2 = 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import flint
import numpy as np
from flint import arb

from bounds.activations import RELU, Activation
from bounds.gram.arc_cosine import FAR, shared_half_space
from bounds.gram.balls import PRECISION, inner_products, marginals, second_moments
from bounds.gram.inner_products import ExactPair, ExactRows, Products, ScaledRows
from bounds.gram.matrix import UNIT_ROUNDOFF, Array, Gram, checked_activation, checked_rows, nearest_float
from bounds.linalg.intervals import blocks
from bounds.progress import Stage

BLOCK = 192
"""Rows in a block: a few blocks fit the second-level cache."""

PAIR_PRECISION = 128
"""Bits for single entries whose integers are exact: far below the rounding to float64 that follows."""

_SECOND_ORDER = 1.01
"""Covers, in a radius, the products of two errors and the rounding of the radius itself."""


@dataclass(frozen=True, eq=False)
class _Block:
    """What an entry is made of, for a block of pairs: values and bounds of their errors."""

    inner: Array
    inner_error: Array
    norms: Array
    norms_error: Array
    cosine: Array
    cosine_error: Array

    @cached_property
    def share(self) -> tuple[Array, Array, Array]:
        """The shared half-space at the computed cosines, its error there, and its slope."""
        return shared_half_space(self.cosine)


@dataclass(frozen=True)
class _Kernel:
    """An entry of the Gram matrix as a function of two inputs, three times.

    Args:
        block: values and radii in float64.
        pair: a ball from the inner product, the product of norms, and the exact pair (for its angles).
        diagonal: K(x, x) / ||x||^2, a power of two.
    """

    block: Callable[[_Block], tuple[Array, Array]]
    pair: Callable[[arb, arb, ExactPair], arb]
    diagonal: float


def linear(X: Array, *, normalised: bool = False) -> Gram:
    """Enclose the matrix of inner products of the stored rows, or of their cosines.

    Args:
        X: (n, d) float64 inputs, used as stored.
        normalised: divide every row by its exact norm, in real arithmetic.

    Raises:
        ValueError: ``X`` has a zero row, a NaN, an infinity, no entries, or products beyond float64.
    """
    of = "cosines of the rows" if normalised else "inner products of the rows"
    return _assemble(checked_rows(X), _LINEAR, of, normalised)


def two_layer(X: Array, *, trained: str = "first", activation: Activation = RELU, normalised: bool = False) -> Gram:
    """Enclose the Gram matrix of an infinitely wide two-layer network on the stored rows.

    Args:
        X: (n, d) float64 inputs, used as stored.
        trained: ``first``, ``last`` or ``both`` layers.
        activation: s; the ReLU is computed in float64 with proved radii, for large n, any other in Arb.
        normalised: divide every row by its exact norm, in real arithmetic.

    Returns:
        Midpoints and entrywise radii; the formulas and their sources stand at the head of the module. ReLU pairs with
        an absolute cosine above 0.98 come from exact integers in Arb; exactly parallel rows give exact entries if
        ``normalised``.

    Raises:
        ValueError: unknown ``trained``; an activation without derivative whose first layer is to be trained; or ``X``
            has a zero row, a NaN, an infinity, no entries, or products beyond float64.
    """
    kernel = _kernel(trained)
    checked_activation(activation)
    rows = "exactly normalised rows" if normalised else "rows as stored"
    of = f"two-layer {activation}, trained={trained}, {rows}"
    if activation is RELU:
        return _assemble(checked_rows(X), kernel, of, normalised)
    with flint.ctx.workprec(PRECISION):
        inner = inner_products(checked_rows(X), normalised=normalised)
        parts = []
        if trained != "last":
            parts.append(inner * second_moments(marginals(activation.slope, inner), inner))
        if trained != "first":
            parts.append(second_moments(marginals(activation.value, inner), inner))
    return (parts[0] if len(parts) == 1 else parts[0] + parts[1]).gram(of)


def two_layer_between(X: Array, Z: Array, *, trained: str = "first", normalised: bool = False) -> tuple[Array, Array]:
    """Enclose the entries of the ReLU matrix of :func:`two_layer` between the rows of two sets of inputs.

    Args:
        X: (n, d) float64 inputs, used as stored.
        Z: (m, d) float64 inputs, used as stored; a row may be one of X.
        trained: ``first``, ``last`` or ``both`` layers.
        normalised: divide every row by its exact norm, in real arithmetic.

    Returns:
        Midpoints and radii (n, m): a block of the matrix of all rows together.

    Raises:
        ValueError: as :func:`two_layer`.
    """
    n, kernel = len(checked_rows(X)), _kernel(trained)
    if checked_rows(Z).shape[1] != X.shape[1]:
        raise ValueError(
            f"rows of {X.shape[1]} and of {Z.shape[1]} entries have no inner product: give inputs of one kind"
        )
    both = np.vstack([X, Z])
    scaled, exact = ScaledRows(both), ExactRows(both)
    midpoint, radius = np.empty((n, len(Z))), np.empty((n, len(Z)))
    for rows in blocks(n, BLOCK):
        for columns in blocks(len(Z), BLOCK):
            there = slice(n + columns.start, n + columns.stop)
            midpoint[rows, columns], radius[rows, columns], close = _entries(scaled, kernel, normalised, rows, there)
            with flint.ctx.workprec(PAIR_PRECISION):
                for i, j in close:
                    midpoint[i, j - n], radius[i, j - n] = _exact_entry(exact, kernel, normalised, i, j)
    if not (np.isfinite(midpoint).all() and np.isfinite(radius).all()):
        raise ValueError("an entry of the Gram matrix exceeds float64: multiply the data by a smaller factor")
    return midpoint, radius


def _assemble(X: Array, kernel: _Kernel, of: str, normalised: bool) -> Gram:
    """Fill the lower triangle by blocks, mirror it, and redo the nearly parallel pairs exactly."""
    n = len(X)
    scaled, exact = ScaledRows(X), ExactRows(X)
    midpoint, radius = np.empty((n, n)), np.empty((n, n))
    far: list[tuple[int, int]] = []
    stage = Stage("Gram matrix", n**2)
    for rows in blocks(n, BLOCK):
        for columns in blocks(rows.stop, BLOCK):
            values, radii, close = _entries(scaled, kernel, normalised, rows, columns)
            if rows == columns:
                values, radii = _mirrored(values), _mirrored(radii)
            midpoint[rows, columns], radius[rows, columns] = values, radii
            midpoint[columns, rows], radius[columns, rows] = values.T, radii.T
            far += [(i, j) for i, j in close if i > j]
        stage.reached(rows.stop**2)
    stage = Stage("nearly parallel pairs", len(far))
    with flint.ctx.workprec(PAIR_PRECISION):
        for done, (i, j) in enumerate(far, 1):
            midpoint[i, j], radius[i, j] = _exact_entry(exact, kernel, normalised, i, j)
            midpoint[j, i], radius[j, i] = midpoint[i, j], radius[i, j]
            stage.reached(done)
    return Gram(midpoint, radius, of)


def _entries(
    scaled: ScaledRows, kernel: _Kernel, normalised: bool, rows: slice, columns: slice
) -> tuple[Array, Array, list[tuple[int, int]]]:
    """Values and radii for a block of pairs of rows, and the pairs that are too nearly parallel for them."""
    products = scaled.products(rows, columns)
    block = _block(products, scaled.slack, normalised)
    values, radii = kernel.block(block)
    if rows == columns:
        np.fill_diagonal(values, kernel.diagonal * block.inner.diagonal())
        np.fill_diagonal(radii, kernel.diagonal * block.inner_error.diagonal())
        if normalised:
            np.fill_diagonal(values, kernel.diagonal)
            np.fill_diagonal(radii, 0.0)
    if not normalised:
        values, radii = _unscale(values, radii, scaled.exponent[rows, None] + scaled.exponent[columns])
    close = np.argwhere(np.abs(products.cosine) > FAR) if np.abs(products.cosine).max() > FAR else np.empty((0, 2), int)
    return values, radii, [(i + rows.start, j + columns.start) for i, j in close.tolist()]


def _exact_entry(exact: ExactRows, kernel: _Kernel, normalised: bool, i: int, j: int) -> tuple[float, float]:
    """The entry of two rows, from their exact inner products."""
    pair = exact.pair(i, j)
    inner, norms = (pair.cosine, arb(1)) if normalised else (pair.inner, pair.norms)
    return nearest_float(kernel.pair(inner, norms, pair))


def _block(products: Products, slack: float, normalised: bool) -> _Block:
    """The errors proved in :class:`Products`; an exactly normalised row has its cosines for inner products."""
    cosine, cosine_error = products.cosine, 6.01 * UNIT_ROUNDOFF * np.abs(products.cosine) + 6.0 * slack
    if normalised:
        return _Block(cosine, cosine_error, np.array(1.0), np.array(0.0), cosine, cosine_error)
    inner_error = 1.01 * UNIT_ROUNDOFF * np.abs(products.inner) + slack
    norms_error = 4.01 * UNIT_ROUNDOFF * products.norms + 4.0 * slack
    return _Block(products.inner, inner_error, products.norms, norms_error, cosine, cosine_error)


def _mirrored(block: Array) -> Array:
    """The lower triangle on both sides: the cross terms of (i, j) and (j, i) round differently."""
    return np.tril(block) + np.tril(block, -1).T


def _unscale(values: Array, radii: Array, exponents: Array) -> tuple[Array, Array]:
    """Multiply by powers of two; one step up covers both underflows, an overflow becomes infinite."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, exponents), np.nextafter(np.ldexp(radii, exponents), np.inf)


def _linear_block(block: _Block) -> tuple[Array, Array]:
    return block.inner.copy(), block.inner_error.copy()


def _first_block(block: _Block) -> tuple[Array, Array]:
    """x.y f(c), with f at the computed cosine: the errors of x.y, of f there and of the cosine, and a rounding."""
    f, f_error, slope = block.share
    values = block.inner * f
    radii = np.abs(block.inner) * (f_error + slope * block.cosine_error) + block.inner_error * f
    return values, _SECOND_ORDER * (radii + UNIT_ROUNDOFF * np.abs(values))


def _last_block(block: _Block) -> tuple[Array, Array]:
    """||x|| ||y|| q(c) + x.y f(c) with q = sqrt(1 - c^2) / (2 pi).

    With J = q + c f, J' = f: evaluating q and f at a cosine r instead of c changes m q(r) + m c f(r) by
    m (J(r) - J(c) - (r - c) f(r)), of second order; so only the errors of the inner product, of the norms and of
    the evaluation count. The root's argument has 3 roundings, the root 1, the constant 0.6 and its product 1:
    4.6 u, and the product with the norms makes 5.6 u.
    """
    f, f_error, _ = block.share
    magnitude = np.abs(block.cosine)
    root = np.sqrt(np.maximum((1.0 - magnitude) * (1.0 + magnitude), 0.0)) * 0.15915494309189535
    curved, flat = block.norms * root, block.inner * f
    values = curved + flat
    radii = block.norms_error * root + block.inner_error * f + np.abs(block.inner) * f_error
    radii += UNIT_ROUNDOFF * (5.6 * curved + np.abs(flat) + np.abs(values))
    return values, _SECOND_ORDER * radii


def _both_block(block: _Block) -> tuple[Array, Array]:
    first, first_radii = _first_block(block)
    last, last_radii = _last_block(block)
    values = first + last
    return values, _SECOND_ORDER * (first_radii + last_radii + UNIT_ROUNDOFF * np.abs(values))


def _first_pair(inner: arb, norms: arb, pair: ExactPair) -> arb:
    return inner * pair.shared_half_space


def _last_pair(inner: arb, norms: arb, pair: ExactPair) -> arb:
    return norms * pair.sine / (2 * arb.pi()) + inner * pair.shared_half_space


_LINEAR = _Kernel(_linear_block, lambda inner, norms, pair: inner, 1.0)
_RELU = {
    "first": _Kernel(_first_block, _first_pair, 0.5),
    "last": _Kernel(_last_block, _last_pair, 0.5),
    "both": _Kernel(
        _both_block, lambda inner, norms, pair: _first_pair(inner, norms, pair) + _last_pair(inner, norms, pair), 1.0
    ),
}


def _kernel(trained: str) -> _Kernel:
    """The ReLU kernel of the trained layers, or a refusal in words."""
    if trained not in tuple(_RELU):
        raise ValueError(f"unknown trained={trained!r}: use one of {', '.join(map(repr, _RELU))}")
    return _RELU[trained]
