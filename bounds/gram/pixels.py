"""Convolutional inputs: a Gram matrix for every pixel, and the patches that a filter sees.

Readout weights of different pixels are independent, so gradients with respect to features of different pixels are
uncorrelated at the top; and so they are below, since a filter's weights are independent and, at a position, each meets
one pixel. Hence only inner products at the same pixel of two inputs ever count, and the order of a patch does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from flint import arb

from bounds.gram.balls import BallMatrix
from bounds.gram.inner_products import ExactRows
from bounds.gram.matrix import Array, checked_rows


@dataclass(frozen=True)
class Patches:
    """Which pixels a filter sees at each position.

    Args:
        seen: the pixels of each position, of which there are as many as pixels; padding is left out.
    """

    seen: tuple[tuple[int, ...], ...]

    @classmethod
    def centred(cls, pixels: int, size: int) -> Patches:
        """The ``size`` (odd) adjacent pixels around each, as far as there are."""
        reach = size // 2
        return cls(tuple(tuple(range(max(0, p - reach), min(pixels, p + reach + 1))) for p in range(pixels)))

    def sums(self, pixels: Sequence[BallMatrix]) -> list[BallMatrix]:
        """Inner products of patches from those of pixels: what each position sees, added up."""
        return [reduce(add, (pixels[p] for p in seen)) for seen in self.seen]

    def spread(self, positions: Sequence[BallMatrix]) -> list[BallMatrix]:
        """The transpose of ``sums``: for each pixel, the positions that see it, added up."""
        return [
            reduce(add, (positions[a] for a, seen in enumerate(self.seen) for q in seen if q == p))
            for p in range(len(self.seen))
        ]


ONE_PIXEL = Patches(((0,),))
"""An input that is seen whole."""


def checked_images(X: Array) -> Array:
    """The inputs themselves, or a refusal in words.

    Args:
        X: (n, channels, pixels) float64.

    Raises:
        ValueError: ``X`` has another shape or type, an input that is all zero, a NaN or an infinity.
    """
    if not isinstance(X, np.ndarray) or X.ndim != 3:
        raise ValueError("inputs X of a convolutional network are an (n, channels, pixels) float64 array")
    n, channels, pixels = X.shape
    checked_rows(np.ascontiguousarray(X).reshape(n, channels * pixels))
    return X


def patch_products(X: Array, patches: Patches, *, normalised: bool) -> list[BallMatrix]:
    """Inner products of the inputs' patches at each position, as vectors over channels and pixels.

    Args:
        X: (n, channels, pixels), checked.
        patches: of its pixels.
        normalised: divide every input by its exact Euclidean norm.

    Raises:
        ValueError: a patch of an input is all zero.
    """
    n, channels, pixels = X.shape
    lengths = [arb(1)] * n
    if normalised:
        whole = ExactRows(np.ascontiguousarray(X).reshape(n, channels * pixels))
        lengths = [whole.pair(i, i).norms.sqrt() for i in range(n)]
    products = patches.sums([_products(np.ascontiguousarray(X[:, :, p]), lengths) for p in range(pixels)])
    for p, product in enumerate(products):
        for i in range(n):
            if not product[i, i] > 0:
                raise ValueError(
                    f"the patch around pixel {p} of input {i} is zero, so its neurons see nothing: "
                    "widen the patch, crop, or add a constant channel"
                )
    return products


def _products(X: Array, lengths: Sequence[arb]) -> BallMatrix:
    """Inner products of rows, some of which may be zero, divided by given lengths."""
    if not X.any():
        return BallMatrix.of(len(X), lambda i, j: arb(0))
    exact = ExactRows(X)
    return BallMatrix.of(len(X), lambda i, j: exact.pair(i, j).inner / (lengths[i] * lengths[j]))
