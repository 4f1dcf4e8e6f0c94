"""Many seeds of one network trained side by side: all share their inputs, so one matrix product serves them all."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from empirical.networks import BLOCK_ENTRIES, Trained, TwoLayerNetwork, initial_network

_POINTS, _NEURONS, _COORDINATES = 8, 8, 4
"""Sides are padded with zeros to multiples of these, the registers of the matrix products. Then every seed goes through
the same kernel whatever its neighbours are, so that its run is bit for bit the same alone and in a batch."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Batch:
    """Networks of one width, one per seed, under full-batch gradient descent.

    A step is :meth:`forward` (residuals at the present weights) followed by :meth:`descend`. Padded neurons have
    output weight 0 and padded inputs are 0 with label 0, so they change nothing.

    Args:
        X: inputs float64 (n, d).
        y: labels float64 (n,).
        width: number m of neurons.
        seeds: one per network.
        trained: the layers that move.
        device: where the arithmetic happens; weights are drawn on the CPU in any case.
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        width: int,
        seeds: Sequence[int],
        *,
        trained: Trained = "first",
        device: str = "cpu",
    ) -> None:
        self.n, self.d = X.shape
        self.width, self.seeds, self.trained = width, list(seeds), trained
        points, coordinates = _padded(self.n, _POINTS), _padded(self.d, _COORDINATES)
        self._inputs = torch.zeros(points, coordinates, dtype=torch.float64, device=device)
        self._inputs[: self.n, : self.d] = torch.as_tensor(X)
        self._inputs_transposed = self._inputs.T.contiguous()
        self._labels = torch.zeros(len(self._inputs), dtype=torch.float64, device=device)
        self._labels[: self.n] = torch.as_tensor(y)
        count, rows = len(self.seeds), _padded(width, _NEURONS)
        self._weights = torch.zeros(count, rows, self._inputs.shape[1], dtype=torch.float64, device=device)
        self._signs = torch.zeros(count, rows, 1, dtype=torch.float64, device=device)
        for s, seed in enumerate(self.seeds):
            network = initial_network(width, self.d, seed)
            self._weights[s, :width, : self.d] = network.weights
            self._signs[s, :width, 0] = network.signs
        self._allocate()

    def _allocate(self) -> None:
        count, rows, columns = self._weights.shape
        inputs = len(self._inputs)
        new = self._weights.new_empty
        self._preactivations = new(count, rows, inputs)
        self._activations = new(count, rows, inputs)
        self._outputs = new(count, 1, inputs)
        self._residuals = new(count, inputs)
        self._weighted_inputs = new(count, inputs, columns)
        self._gradient = new(count, rows, columns)
        self._sign_gradient = new(count, rows, 1)

    def forward(self) -> Tensor:
        """Compute the residuals e = y - f at the present weights and return their norms, (seeds,)."""
        count, rows, columns = self._weights.shape
        z = self._preactivations
        torch.mm(self._weights.view(count * rows, columns), self._inputs_transposed, out=z.view(count * rows, -1))
        torch.clamp(z, min=0, out=self._activations)
        torch.bmm(self._signs.transpose(1, 2), self._activations, out=self._outputs)
        torch.sub(self._labels, self._outputs[:, 0], alpha=1 / math.sqrt(self.width), out=self._residuals)
        return torch.linalg.vector_norm(self._residuals, dim=1)

    def descend(self, step_size: float) -> None:
        """Take one gradient step from the residuals and pre-activations of the last :meth:`forward`."""
        scale = step_size / math.sqrt(self.width)
        residuals = self._residuals[:, :, None]
        active = self._preactivations.ge_(0)
        torch.mul(residuals, self._inputs, out=self._weighted_inputs)
        torch.bmm(active, self._weighted_inputs, out=self._gradient)
        self._weights.addcmul_(self._signs, self._gradient, value=scale)
        if self.trained == "both":
            torch.bmm(self._activations, residuals, out=self._sign_gradient)
            self._signs.add_(self._sign_gradient, alpha=scale)

    def keep(self, positions: Sequence[int]) -> None:
        """Go on with the networks at these positions only; the others are dropped."""
        if len(positions) < len(self.seeds):
            index = torch.tensor(positions, dtype=torch.long, device=self._weights.device)
            self.seeds = [self.seeds[p] for p in positions]
            self._weights, self._signs = self._weights[index], self._signs[index]
            state = self._preactivations[index], self._activations[index], self._residuals[index]
            self._allocate()
            self._preactivations, self._activations, self._residuals = state

    def network(self, position: int) -> TwoLayerNetwork:
        """A copy of the present weights of one network, on the CPU."""
        weights = self._weights[position, : self.width, : self.d].cpu().clone()
        return TwoLayerNetwork(weights, self._signs[position, : self.width, 0].cpu().clone())

    def patterns(self, position: int) -> Tensor:
        """The indicators 1{w_r . x_i >= 0} of one network at the last :meth:`forward`, (n, m), on the CPU.

        They are gone once :meth:`descend` was called.
        """
        return (self._preactivations[position, : self.width, : self.n] >= 0).T.cpu()

    def residual(self, position: int) -> Tensor:
        """A copy of the residual (n,) of one network at the last :meth:`forward`, on the CPU."""
        return self._residuals[position, : self.n].cpu().clone()


def split_seeds(seeds: Sequence[int], width: int, points: int) -> list[list[int]]:
    """Group seeds into batches whose buffers fit the cache of one core."""
    size = max(1, BLOCK_ENTRIES // (_padded(width, _NEURONS) * _padded(points, _POINTS)))
    return [list(seeds[start : start + size]) for start in range(0, len(seeds), size)]


def in_parallel(
    work: Callable[[_Item, threading.Event], _Result], items: Sequence[_Item]
) -> Iterator[tuple[int, _Result]]:
    """Do work on items, one core each, and yield (position, result) as they finish.

    The arithmetic of one item is single-threaded, since the way a product is cut into threads may change its last
    bits. An exception or Ctrl-C sets the event that every work receives, and it then returns early.
    """
    stop = threading.Event()
    workers = torch.get_num_threads()
    with single_threaded(), ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = {pool.submit(work, item, stop): position for position, item in enumerate(items)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            stop.set()
            for future in futures:
                future.cancel()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Torch on one thread: the way a product is cut into threads may change its last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
