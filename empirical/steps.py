"""Three ways to take gradient steps of many networks on shared inputs: stacked products, and two compiled kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from empirical.device_kernels import THREADS, DeviceKernel, blocks_of
from empirical.kernels import GROUP, TILE, Kernel
from empirical.networks import Trained, TwoLayerNetwork

_POINTS, _NEURONS, _COORDINATES = 8, 8, 4
"""Sides are padded with zeros to multiples of these, the registers of the matrix products. Then every seed goes through
the same kernel whatever its neighbours are, so that its run is bit for bit the same alone and in a batch."""


class Steps(Protocol):
    """Networks of one width on the same n inputs; padded neurons have output weight 0, padded inputs and labels are 0.

    Args:
        residuals: e = y - f at the last :meth:`forward`, (networks, n or more).
    """

    residuals: Tensor

    def forward(self) -> Tensor:
        """Compute residuals, and what the next step needs, and return the residuals' norms, (networks,)."""
        ...

    def descend(self, step_size: float) -> None:
        """Take a gradient step from the last :meth:`forward`."""
        ...

    def keep(self, positions: Sequence[int]) -> None:
        """Drop all but the networks at these positions."""
        ...

    def network(self, position: int) -> TwoLayerNetwork:
        """A copy of one network, where it is."""
        ...

    def patterns(self, position: int) -> Tensor:
        """The indicators 1{w_r . x_i >= 0} of one network at the last :meth:`forward`, (n, m), on the CPU."""
        ...


class StackedSteps:
    """One matrix product for the pre-activations of all networks, one for each gradient.

    Args:
        X, y: float64 (n, d) and (n,).
        networks: as they start, taken one after the other.
        count, width: their number and their neurons m.
        trained: the layers that move.
        device: where the arithmetic happens.
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        networks: Iterable[TwoLayerNetwork],
        count: int,
        width: int,
        trained: Trained,
        device: str,
    ) -> None:
        self._n, self._d = X.shape
        self._width, self._trained = width, trained
        self._inputs = torch.as_tensor(_padded(X, _POINTS, _COORDINATES)).to(device)
        self._inputs_transposed = self._inputs.T.contiguous()
        self._labels = torch.as_tensor(_padded(y, _POINTS)).to(device)
        rows = _multiple(width, _NEURONS)
        self._weights = torch.zeros(count, rows, self._inputs.shape[1], dtype=torch.float64, device=device)
        self._signs = torch.zeros(count, rows, 1, dtype=torch.float64, device=device)
        for s, network in enumerate(networks):
            self._weights[s, :width, : self._d] = network.weights
            self._signs[s, :width, 0] = network.signs
        self._allocate()

    def _allocate(self) -> None:
        count, rows, columns = self._weights.shape
        inputs = len(self._inputs)
        new = self._weights.new_empty
        self._preactivations = new(count, rows, inputs)
        self._activations = new(count, rows, inputs)
        self._outputs = new(count, 1, inputs)
        self.residuals = new(count, inputs)
        self._weighted_inputs = new(count, inputs, columns)
        self._gradient = new(count, rows, columns)

    def forward(self) -> Tensor:
        """See :class:`Steps`."""
        count, rows, columns = self._weights.shape
        z = self._preactivations
        torch.mm(self._weights.view(count * rows, columns), self._inputs_transposed, out=z.view(count * rows, -1))
        torch.clamp(z, min=0, out=self._activations)
        torch.bmm(self._signs.transpose(1, 2), self._activations, out=self._outputs)
        torch.sub(self._labels, self._outputs[:, 0], alpha=1 / math.sqrt(self._width), out=self.residuals)
        return torch.linalg.vector_norm(self.residuals, dim=1)

    def descend(self, step_size: float) -> None:
        """See :class:`Steps`."""
        scale = step_size / math.sqrt(self._width)
        active = self._preactivations.ge_(0)
        torch.mul(self.residuals[:, :, None], self._inputs, out=self._weighted_inputs)
        torch.bmm(active, self._weighted_inputs, out=self._gradient)
        before = self._signs
        if self._trained == "both":
            # sum_i relu(w . x_i) e_i = w . sum_i 1{w . x_i >= 0} e_i x_i; a product with a vector would depend on the
            # number of networks in its last bits
            self._signs = before.add((self._weights * self._gradient).sum(dim=2, keepdim=True), alpha=scale)
        self._weights.addcmul_(before, self._gradient, value=scale)

    def keep(self, positions: Sequence[int]) -> None:
        """See :class:`Steps`."""
        index = torch.tensor(positions, dtype=torch.long, device=self._weights.device)
        self._weights, self._signs = self._weights[index], self._signs[index]
        state = self._preactivations[index], self.residuals[index]
        self._allocate()
        self._preactivations, self.residuals = state

    def network(self, position: int) -> TwoLayerNetwork:
        """See :class:`Steps`."""
        weights = self._weights[position, : self._width, : self._d].clone()
        return TwoLayerNetwork(weights, self._signs[position, : self._width, 0].clone())

    def patterns(self, position: int) -> Tensor:
        """See :class:`Steps`; they are gone once :meth:`descend` was called."""
        return (self._preactivations[position, : self._width, : self._n] >= 0).T.cpu()


class FusedSteps:
    """The compiled kernel, on the CPU.

    Args:
        X, y, networks, count, width, trained: as for :class:`StackedSteps`.
        kernel: of this processor.
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        networks: Iterable[TwoLayerNetwork],
        count: int,
        width: int,
        trained: Trained,
        kernel: Kernel,
    ) -> None:
        self._n, self._d = X.shape
        self._width, self._trained, self._kernel = width, trained, kernel
        self._inputs, self._labels = torch.as_tensor(_padded(X, TILE, TILE)), torch.as_tensor(_padded(y, TILE))
        points, coordinates = self._inputs.shape
        groups = _multiple(width, GROUP) // GROUP
        self._weights = torch.zeros(count, groups, coordinates, GROUP, dtype=torch.float64)
        self._signs = torch.zeros(count, groups * GROUP, dtype=torch.float64)
        for s, network in enumerate(networks):
            rows = torch.zeros(groups * GROUP, coordinates, dtype=torch.float64)
            rows[:width, : self._d] = network.weights
            self._weights[s] = rows.view(groups, GROUP, coordinates).transpose(1, 2)
            self._signs[s, :width] = network.signs
        self._indicators = torch.zeros(count, groups, points, GROUP // kernel.lanes, dtype=torch.uint8)
        self._scratch = torch.empty(points, GROUP, dtype=torch.float64)
        self.residuals = torch.zeros(count, points, dtype=torch.float64)

    @property
    def _sizes(self) -> tuple[int, ...]:
        count, groups, coordinates, _ = self._weights.shape
        return count, groups, len(self._inputs), coordinates

    def forward(self) -> Tensor:
        """See :class:`Steps`."""
        norms = torch.empty(len(self._weights), dtype=torch.float64)
        if not len(norms):
            return norms
        arrays = (self._weights, self._signs, self._inputs, self._labels, self._indicators, self._scratch)
        addresses = (array.data_ptr() for array in (*arrays, self.residuals, norms))
        self._kernel.forward(*addresses, *self._sizes, 1 / math.sqrt(self._width))
        return norms

    def descend(self, step_size: float) -> None:
        """See :class:`Steps`."""
        arrays = (self._weights, self._signs, self._inputs, self._indicators, self.residuals)
        if len(self._weights):
            addresses = (array.data_ptr() for array in arrays)
            first = step_size / math.sqrt(self._width)
            outer = first if self._trained == "both" else 0.0
            self._kernel.descend(*addresses, *self._sizes, first, outer)

    def keep(self, positions: Sequence[int]) -> None:
        """See :class:`Steps`."""
        index = torch.tensor(positions, dtype=torch.long)
        self._weights, self._signs = self._weights[index], self._signs[index]
        self._indicators, self.residuals = self._indicators[index], self.residuals[index]

    def network(self, position: int) -> TwoLayerNetwork:
        """See :class:`Steps`."""
        rows = self._weights[position].transpose(1, 2).flatten(0, 1)
        return TwoLayerNetwork(rows[: self._width, : self._d].clone(), self._signs[position, : self._width].clone())

    def patterns(self, position: int) -> Tensor:
        """See :class:`Steps`."""
        bits = np.unpackbits(self._indicators[position].numpy()[..., None], axis=-1, bitorder="little")
        groups, points, *_ = bits.shape
        active = bits[..., : self._kernel.lanes].reshape(groups, points, GROUP).swapaxes(0, 1).reshape(points, -1)
        return torch.from_numpy(active[: self._n, : self._width] > 0)


class DeviceSteps:
    """The compiled kernel, on a GPU.

    Args:
        X, y, networks, count, width, trained, device: as for :class:`StackedSteps`.
        kernel: for this GPU and these inputs.
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        networks: Iterable[TwoLayerNetwork],
        count: int,
        width: int,
        trained: Trained,
        device: str,
        kernel: DeviceKernel,
    ) -> None:
        self._width, self._trained, self._kernel = width, trained, kernel
        self._inputs = torch.tensor(X, dtype=torch.float64, device=device).contiguous()
        self._labels = torch.tensor(y, dtype=torch.float64, device=device)
        new = self._inputs.new_empty
        self._weights, self._signs = new(count, width, X.shape[1]), new(count, width)
        for s, network in enumerate(networks):
            self._weights[s], self._signs[s] = network.weights, network.signs
        self._indicators = new(count, -(-width // 32), len(X), dtype=torch.int32)
        self._blocks = blocks_of(count, width, *X.shape)
        self._sums = new(count, self._blocks * kernel.words, len(X))
        self.residuals = new(count, len(X))

    def forward(self) -> Tensor:
        """See :class:`Steps`."""
        arrays = (self._weights, self._signs, self._inputs, self._indicators, self._sums)
        self._launch(self._kernel.forward, self._blocks, *arrays, *self._sizes)
        torch.sub(self._labels, self._sums.sum(dim=1), alpha=1 / math.sqrt(self._width), out=self.residuals)
        return torch.linalg.vector_norm(self.residuals, dim=1)

    def descend(self, step_size: float) -> None:
        """See :class:`Steps`."""
        first = step_size / math.sqrt(self._width)
        outer = first if self._trained == "both" else 0.0
        arrays = (self._weights, self._signs, self._inputs, self._indicators, self.residuals)
        self._launch(self._kernel.descend, -(-self._width // THREADS), *arrays, *self._sizes, first, outer)

    def _launch(self, half: Callable[..., None], blocks: int, *arguments: Tensor | int | float) -> None:
        if len(self._weights):
            with torch.cuda.device(self._weights.device):
                half(grid=(blocks, len(self._weights), 1), block=(THREADS, 1, 1), args=list(arguments))

    @property
    def _sizes(self) -> tuple[int, int]:
        return self._width, len(self._inputs)

    def keep(self, positions: Sequence[int]) -> None:
        """See :class:`Steps`."""
        index = torch.tensor(positions, dtype=torch.long, device=self._weights.device)
        self._weights, self._signs = self._weights[index], self._signs[index]
        self._indicators, self.residuals = self._indicators[index], self.residuals[index]
        self._sums = self._sums[: len(index)]

    def network(self, position: int) -> TwoLayerNetwork:
        """See :class:`Steps`."""
        return TwoLayerNetwork(self._weights[position].clone(), self._signs[position].clone())

    def patterns(self, position: int) -> Tensor:
        """See :class:`Steps`."""
        words = self._indicators[position].cpu()
        bits = (words[:, None] >> torch.arange(32, dtype=torch.int32)[:, None]) & 1
        return (bits.flatten(0, 1)[: self._width] > 0).T


def _multiple(size: int, of: int) -> int:
    return -(-size // of) * of


def _padded(array: np.ndarray, *multiples: int) -> np.ndarray:
    """A copy in C order whose sides are padded with zeros to multiples of these."""
    padded = np.zeros([_multiple(size, of) for size, of in zip(array.shape, multiples, strict=True)])
    padded[tuple(map(slice, array.shape))] = array
    return padded
