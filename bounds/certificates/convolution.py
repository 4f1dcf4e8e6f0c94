"""What a convolutional layer sees: for each position, the patch of its input there, with zeros around the image.

The patches phi(h) (positions, patch) of an input h are some of its entries, each in as many patches as see its pixel:
phi^T phi is the diagonal matrix of these numbers. With q the largest, ||phi(h)||_F <= sqrt(q) ||h||, and a map that is
W at every position, h -> (W phi_p(h))_p, has a norm of at most sqrt(q) ||W||. A dense layer has one position, which
sees all of its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

MOST_SEEN = 2**24
"""Entries of all patches of one input together."""


@dataclass(frozen=True)
class Convolution:
    """The patches of an image with one or two axes, zeros around it; channels come first, as in torch.

    Args:
        channels: of the image; the input of the layer is (channels, rows, columns), row by row.
        size: pixels along each axis.
        kernel: pixels of a patch along each axis.
        stride: pixels from one patch to the next, along each axis.
        padding: zeros before and after the image, along each axis.

    Raises:
        ValueError: numbers that describe no convolution.
    """

    channels: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def __post_init__(self) -> None:
        axes = list(zip(self.size, self.kernel, self.stride, self.padding, strict=False))
        lengths = {len(part) for part in (self.size, self.kernel, self.stride, self.padding)}
        if lengths not in ({1}, {2}):
            raise ValueError("a convolution has size, kernel, stride and padding along one axis, or along two")
        if self.channels < 1 or any(min(s, k, t) < 1 or not 0 <= p < k or k > s + 2 * p for s, k, t, p in axes):
            raise ValueError(
                f"{self}: channels, sizes, kernels and strides are at least 1, the padding is less than the kernel, "
                "and the kernel fits the padded image"
            )
        if prod(self.positions) * self.patch > MOST_SEEN:
            raise ValueError(f"{self}: all patches together have more than {MOST_SEEN} numbers")

    @property
    def positions(self) -> tuple[int, ...]:
        """How many patches there are along each axis."""
        axes = zip(self.size, self.kernel, self.stride, self.padding, strict=True)
        return tuple((s + 2 * p - k) // t + 1 for s, k, t, p in axes)

    @property
    def inputs(self) -> int:
        """The entries of an image."""
        return self.channels * prod(self.size)

    @property
    def patch(self) -> int:
        """The entries of a patch."""
        return self.channels * prod(self.kernel)

    @property
    def seen(self) -> NDArray[np.intp]:
        """The entry (positions, patch) of the image behind each entry of a patch; its size where there is a zero."""
        return _seen(self)

    @property
    def overlap(self) -> int:
        """The most positions that see one pixel."""
        inside = self.seen[self.seen < self.inputs]
        return int(np.bincount(inside).max())

    def spread(self, patches: NDArray[np.float64]) -> NDArray[np.float64]:
        """The transpose of taking patches: (n, positions, patch) to (n, inputs), sums of at most ``overlap`` terms."""
        rows: NDArray[np.float64] = (_transposed(self) @ patches.reshape(len(patches), -1).T).T
        return np.ascontiguousarray(rows)

    def plain(self) -> dict[str, Any]:
        """As numbers and lists, for JSON."""
        axes = {name: list(getattr(self, name)) for name in ("size", "kernel", "stride", "padding")}
        return {"channels": self.channels, **axes}

    @classmethod
    def from_plain(cls, data: Any, where: str) -> Convolution:
        """The inverse of :meth:`plain`, for data that may be anything.

        Raises:
            ValueError: the data describe no convolution.
        """
        axes = ("size", "kernel", "stride", "padding")
        if not isinstance(data, Mapping) or data.keys() != {"channels", *axes}:
            raise ValueError(f"{where}: a convolution has exactly channels, {', '.join(axes)}")
        lists = [data[name] if isinstance(data[name], list) else [None] for name in axes]
        if any(type(v) is not int or v > MOST_SEEN for v in (data["channels"], *(v for part in lists for v in part))):
            raise ValueError(f"{where}: a convolution has whole numbers, those along axes in lists")
        return cls(data["channels"], *map(tuple, lists))


@cache
def _seen(convolution: Convolution) -> NDArray[np.intp]:
    index, inside = np.zeros((1, 1), dtype=np.intp), np.ones((1, 1), dtype=bool)
    for size, kernel, stride, padding, count in zip(
        convolution.size,
        convolution.kernel,
        convolution.stride,
        convolution.padding,
        convolution.positions,
        strict=True,
    ):
        along = (np.arange(count) * stride - padding)[:, None] + np.arange(kernel)
        shape = len(index) * count, index.shape[1] * kernel
        index = (index[:, None, :, None] * size + along[None, :, None, :]).reshape(shape)
        inside = (inside[:, None, :, None] & ((along >= 0) & (along < size))[None, :, None, :]).reshape(shape)
    pixels = prod(convolution.size)
    channel = np.arange(convolution.channels) * pixels
    seen = np.where(inside[:, None, :], channel[None, :, None] + index[:, None, :], convolution.inputs)
    return seen.reshape(len(index), -1)


@cache
def _transposed(convolution: Convolution) -> csr_array:
    seen = convolution.seen.ravel()
    inside = np.flatnonzero(seen < convolution.inputs)
    shape = convolution.inputs, len(seen)
    return csr_array((np.ones(len(inside)), (seen[inside], inside)), shape=shape)
