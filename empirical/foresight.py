"""What runs will take in memory and time, foreseen from what they are before any is begun."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from empirical.device_kernels import blocks_of, device_kernel, words_of
from empirical.networks import DEVICE_ENTRIES

FLOAT, RECORDED = 8, 32
"""Bytes of a float64 in an array, and of a recorded residual norm: a Python float and a reference to it."""

MAPPED = 2**25
"""Bytes from which on a dropped array is given back to the system (glibc); the room of a smaller one is kept."""

_HOLES = 0.8
"""Room that is kept and does not fit again, beside that of all arrays at work (measured, glibc 2.36)."""

_WORKSPACE = 5 * 10**6
"""Bytes that products take beside their arguments (measured)."""

_DEVICE_BLOCKS = 12
"""Arrays of the size of a block of pre-activations that observing makes on a GPU."""

_DEVICE_WORKSPACE = 2**27
"""Bytes that products take there beside their arguments."""

_MOST_SIDE_BY_SIDE = 2**16
"""Networks that a GPU can be asked to train side by side are fewer."""

_TRIAL_ENTRIES = 2**21
"""A trial step has at most so many pre-activations; the time of a larger one is scaled up from it."""


class MemoryForeseen(MemoryError):
    """A run that would not fit the memory, refused before it begins."""


def training_bytes(
    points: int, dimension: int, width: int, steps: int, *, batches: int, side_by_side: int, seeds: int
) -> int:
    """Foresee the most memory that training seeds of one network takes, beside what the process has already.

    Args:
        points: n.
        dimension: d.
        width: m.
        steps: of each run.
        batches: at work at a time, a thread each.
        side_by_side: networks in each of them.
        seeds: runs in all, whose records are returned together.
    """
    network = width * (dimension + 2 + points // 64) + points * dimension  # with a bit for each pre-activation
    observed = 4 * width * dimension  # its start, its last two states
    trajectory = 2 * (steps + 1)
    networks = _with_holes(side_by_side * (network + observed), array=width * dimension)
    grams = _with_holes((side_by_side + 10) * points**2, array=points**2)  # each first one, and of one observation
    batch = FLOAT * (networks + grams + side_by_side * trajectory) + _WORKSPACE
    return batches * batch + RECORDED * seeds * (steps + 1)


def _with_holes(count: int, *, array: int) -> int:
    """How much room so many numbers take, in arrays of this size."""
    return count if FLOAT * array >= MAPPED else round((1 + _HOLES) * count)


def device_bytes(points: int, dimension: int, width: int, steps: int, *, side_by_side: int, device: str) -> int:
    """Foresee the most memory that training networks side by side takes on a GPU.

    Args:
        points: n.
        dimension: d.
        width: m.
        steps: of each run.
        side_by_side: networks.
        device: the GPU, and so whether there is a compiled kernel for it.
    """
    observed = 3 * width * dimension  # its start, its last two states
    temporary = _DEVICE_BLOCKS * min(width * points, DEVICE_ENTRIES)
    if device_kernel(torch.device(device), dimension, width):
        blocks = blocks_of(side_by_side, width, points, dimension)
        network = width * (dimension + 1) + width * points // 64 + blocks * words_of(dimension) * points
    else:
        n, d, m = points + 7, dimension + 3, width + 7  # sides are padded
        network = 2 * m * n + m * (4 * d + 2) + n * (d + 3)
    return FLOAT * (side_by_side * (network + observed + steps + 1) + temporary) + _DEVICE_WORKSPACE


def seeds_that_fit(points: int, dimension: int, width: int, steps: int, device: str) -> int:
    """How many networks a GPU can train side by side, at least one; see :func:`device_bytes`."""
    free = available_bytes(device)

    def fits(count: int) -> bool:
        return device_bytes(points, dimension, width, steps, side_by_side=count, device=device) <= free

    return _largest(fits, _MOST_SIDE_BY_SIDE)


def available_bytes(device: str = "cpu") -> int:
    """The memory that this process can still get: a GPU's; or the machine's, or its control group's where less."""
    if device.startswith("cuda"):
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    limit, used = _text("/sys/fs/cgroup/memory.max").strip(), _text("/sys/fs/cgroup/memory.current").strip()
    if limit.isdecimal() and used.isdecimal():
        cached = [line.split()[1] for line in _text("/sys/fs/cgroup/memory.stat").splitlines() if line[:5] == "file "]
        free = min(free, int(limit) - int(used) + sum(map(int, cached)))
    return max(free, 0)


def require_memory(
    points: int,
    dimension: int,
    width: int,
    steps: int,
    *,
    batches: int,
    side_by_side: int,
    seeds: int,
    device: str = "cpu",
    available: int | None = None,
) -> None:
    """Refuse a training that would not fit; see :func:`training_bytes` and :func:`device_bytes`.

    Args:
        points: n.
        dimension: d.
        width: m.
        steps: of each run.
        batches: at work at a time, a thread each.
        side_by_side: networks in each of them.
        seeds: runs in all.
        device: where the arithmetic happens.
        available: bytes; by default what this process can still get there.

    Raises:
        MemoryForeseen: naming the largest width, or else the number of steps, that fits.
    """
    free = available_bytes(device) if available is None else available

    def needed(width: int, steps: int) -> int:
        if device != "cpu":
            return device_bytes(points, dimension, width, steps, side_by_side=side_by_side, device=device)
        return training_bytes(points, dimension, width, steps, batches=batches, side_by_side=side_by_side, seeds=seeds)

    if needed(width, steps) <= free:
        return
    mend = "not even width 1 fits: take fewer points"
    if needed(1, steps) <= free:
        mend = f"at most width {_largest(lambda m: needed(m, steps) <= free, width)} fits"
    elif needed(1, 1) <= free:
        mend = f"at most {_largest(lambda k: needed(1, k) <= free, steps)} steps of {seeds} seeds fit, at width 1"
    raise MemoryForeseen(
        f"training at width {width} on {points} points in {dimension} dimensions for {steps} steps takes "
        f"{amount(needed(width, steps))}, and {amount(free)} are free: {mend}"
    )


def amount(count: float) -> str:
    """A number of bytes for eyes."""
    power = min(max(0, int(math.log10(max(count, 1)) / 3)), 5)
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"


@lru_cache(maxsize=1024)
def step_seconds(points: int, dimension: int, width: int, device: str = "cpu") -> tuple[float, float]:
    """Time a gradient step and an observation of one seed on this machine, one thread each.

    Args:
        points: n.
        dimension: d.
        width: m; the times of a network too wide for a quick trial are scaled up from a narrower one.
        device: where the arithmetic happens.

    Returns:
        Process seconds per seed, of a GPU seconds: of a step, and of an observation.
    """
    from empirical.batches import Batch, single_threaded, split_seeds
    from empirical.observables import measure

    rng = np.random.default_rng(0)
    tried = max(1, min(width, _TRIAL_ENTRIES // points))
    X, y = rng.standard_normal((points, dimension)) / np.sqrt(dimension), rng.standard_normal(points)
    with single_threaded():
        seeds = list(range(64)) if device != "cpu" else split_seeds(range(64), tried, points)[0]
        clock = clock_of(device)
        batch = Batch(X, y, tried, seeds, device=device)
        spent = []
        for _ in range(4):
            start = clock()
            batch.forward().tolist()  # a GPU is waited for
            batch.descend(1e-3)
            spent.append(clock() - start)
        start = clock()
        network, inputs = batch.network(0), torch.as_tensor(X).to(device)
        measure(0, network, network, inputs, residual_norm=1.0, initial_gram=network.gram(inputs).cpu())
        observation = clock() - start
    return min(spent) / len(seeds) * width / tried, observation * width / tried


def clock_of(device: str) -> Callable[[], float]:
    """What tells how long work takes: the time of this process, or where a GPU works, time itself."""
    return time.process_time if device == "cpu" else time.perf_counter


def _largest(fits: Callable[[int], bool], upper: int) -> int:
    """The largest whole number below ``upper`` that fits, where 1 does."""
    lower = 1
    while upper - lower > 1:
        middle = (lower + upper) // 2
        lower, upper = (middle, upper) if fits(middle) else (lower, middle)
    return lower


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # another system, or another version of control groups
        return ""
