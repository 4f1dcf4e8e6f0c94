"""Many seeds of one network trained side by side, in calls that serve them all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from empirical.device_kernels import device_kernel
from empirical.kernels import kernel
from empirical.networks import BLOCK_ENTRIES, Trained, TwoLayerNetwork, initial_network
from empirical.steps import DeviceSteps, FusedSteps, StackedSteps, Steps

_PATTERNS = 2**18
"""Indicators (seeds x neurons x inputs) that the compiled kernel keeps, in the cache of one core with the weights."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Batch:
    """Networks of one width, one per seed, under full-batch gradient descent.

    A step is :meth:`forward` (residuals at the present weights) followed by :meth:`descend`.

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
        networks = (initial_network(width, self.d, seed) for seed in self.seeds)
        self._steps: Steps
        where = torch.device(device)
        if where.type == "cpu" and (fused := kernel()):
            self._steps = FusedSteps(X, y, networks, len(self.seeds), width, trained, fused)
        elif there := device_kernel(where, self.d, width):
            self._steps = DeviceSteps(X, y, networks, len(self.seeds), width, trained, device, there)
        else:
            self._steps = StackedSteps(X, y, networks, len(self.seeds), width, trained, device)

    def forward(self) -> Tensor:
        """Compute the residuals e = y - f at the present weights and return their norms, (seeds,)."""
        return self._steps.forward()

    def descend(self, step_size: float) -> None:
        """Take one gradient step from the residuals and patterns of the last :meth:`forward`."""
        self._steps.descend(step_size)

    def keep(self, positions: Sequence[int]) -> None:
        """Go on with the networks at these positions only; the others are dropped."""
        if len(positions) < len(self.seeds):
            self.seeds = [self.seeds[p] for p in positions]
            self._steps.keep(positions)

    def network(self, position: int) -> TwoLayerNetwork:
        """A copy of the present weights of one network, where they are."""
        return self._steps.network(position)

    def patterns(self, position: int) -> Tensor:
        """The indicators 1{w_r . x_i >= 0} of one network at the last :meth:`forward`, (n, m), on the CPU.

        They are gone once :meth:`descend` was called.
        """
        return self._steps.patterns(position)

    def residual(self, position: int) -> Tensor:
        """A copy of the residual (n,) of one network at the last :meth:`forward`, on the CPU."""
        return self._steps.residuals[position, : self.n].cpu().clone()


def split_seeds(seeds: Sequence[int], width: int, points: int) -> list[list[int]]:
    """Group seeds into batches that the cache of one core holds, and into as many as torch has threads."""
    fit = (_PATTERNS if kernel() else BLOCK_ENTRIES) // (width * points)
    size = max(1, min(fit, -(-len(seeds) // torch.get_num_threads())))
    return [list(seeds[start : start + size]) for start in range(0, len(seeds), size)]


def in_parallel(
    work: Callable[[_Item, threading.Event], _Result], items: Sequence[_Item], *, workers: int | None = None
) -> Iterator[tuple[int, _Result]]:
    """Do work on items, one core each unless told how many at a time, and yield (position, result) as they finish.

    The arithmetic of one item is single-threaded, since the way a product is cut into threads may change its last
    bits. An exception or Ctrl-C sets the event that every work receives, and it then returns early.
    """
    stop = threading.Event()
    workers = workers or torch.get_num_threads()
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
