"""Gradient steps of two-layer ReLU networks, compiled for a GPU by NVRTC, which torch's builds for CUDA bring.

As in :mod:`empirical.kernels`, pre-activations live in registers, and all that is kept of them is one bit each, so that
a step runs at the rate of its fused multiplications and not of the memory, and networks may be as wide as the memory
holds their weights. The order of all sums is fixed: a run repeats bit for bit on the same GPU, and is the same alone
and beside others. The source is ``device_kernels.cu``.

Arrays are float64 in C order: weights (networks, m, d), output weights (networks, m), inputs (n, d). Indicators are
words of 32 bits (networks, m / 32, n), the bits of each for as many neurons.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

MOST_COORDINATES = 32
"""Inputs are held in registers; where they have more coordinates, library products are the better way."""

MOST_NEURONS = 2**31 - 1
"""Sizes are handed over as integers of 32 bits."""

THREADS = 128
"""Of a block; when moving, one for each neuron."""

_SUMS = 2**25
"""Slots for partial outputs, about."""


@dataclass(frozen=True, eq=False)
class DeviceKernel:
    """The two halves of a step, called with ``grid``, ``block`` and ``args``.

    Args:
        words: groups of 32 neurons that a block of ``forward`` holds at a time.
        forward: (weights, output weights, inputs, indicators, sums (networks, blocks words, n), m, n): indicators, and
            parts of the sums a_r relu(w_r . x_i) over r, for a grid of (blocks, networks).
        descend: (weights, output weights, inputs, indicators, residuals (networks, n), m, n, first, outer): moves both
            layers by one gradient step, of sizes ``first`` and ``outer`` times m^-1/2; 0 leaves a layer alone.
    """

    words: int
    forward: Callable[..., None]
    descend: Callable[..., None]


def device_kernel(device: torch.device, dimension: int, width: int) -> DeviceKernel | None:
    """The kernel for a GPU and networks of this size; None where there is none, or no compiler in torch."""
    fits = dimension <= MOST_COORDINATES and width <= MOST_NEURONS
    if device.type != "cuda" or not fits or not (torch.cuda.is_available() and hasattr(torch.cuda, "_compile_kernel")):
        return None
    return _compiled(torch.cuda.current_device() if device.index is None else device.index, dimension)


@functools.cache
def _compiled(index: int, dimension: int) -> DeviceKernel:
    words = words_of(dimension)
    source = Path(__file__).with_suffix(".cu").read_text()
    options = [f"-DD={dimension}", f"-DWORDS={words}"]
    with torch.cuda.device(index):
        forward, descend = (
            torch.cuda._compile_kernel(source, name, nvcc_options=options) for name in ("forward", "descend")
        )
    return DeviceKernel(words, forward, descend)


def words_of(dimension: int) -> int:
    """Groups of 32 neurons whose weights a block holds beside each other, in some 30 kB."""
    return max(1, min(16, 120 // dimension))


def blocks_of(networks: int, width: int, points: int, dimension: int) -> int:
    """Blocks for each network: as many as it has parts, or as its partial sums may take of the memory."""
    words = words_of(dimension)
    parts = -(-width // (32 * words))
    rounds = -(-networks * parts // max(1024, _SUMS // (words * points)))
    return -(-parts // rounds)
