"""A sweep of 100 seeds x 6 widths: the compiled steps against a plain autograd loop, both float64 on one thread.

    python benchmarks/bench_sweep.py --repeats 3

n = 100 points on the sphere in 10 dimensions, two-layer ReLU networks, full-batch gradient descent. The loop is what
one writes first: for every seed and step, a forward pass, ``loss.backward()``, a step. Each measurement is a process
of its own, the two take turns, process time counts, and the least of the repeats. Both run 200 steps, or 50 from width
2048 on, with the drawing of the networks counted and the compilation (0.15 s once in a process) not; the loop runs 4
of the seeds, for its time per seed and step is the same throughout. Asked for: 40 times faster at width 32, 10 times
at 128, 2 times from 1024 on. ``deviation`` is the largest difference of a residual norm over a common run of 200
steps, relative to the first norm; ``GF/s`` counts the two matrix products of a step, ``mm GF/s`` is the rate of
torch's square products in float64. ``stacked`` are the steps by torch's products, as on a GPU.

With ``--both-cores`` the whole sweep of 100 seeds is timed by the wall clock on all cores, as ``zeroloss sweep`` runs
it, against the loop on one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time

import numpy as np
import torch

from empirical import batches
from empirical.batches import Batch, in_parallel, split_seeds
from empirical.networks import initial_network

WIDTHS = (32, 128, 512, 1024, 2048, 8192)
POINTS, DIMENSION, SEEDS, STEP_SIZE = 100, 10, 100, 0.2


def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((POINTS, DIMENSION))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.standard_normal(POINTS)


def loop(width, seeds, steps):
    """Residual norms (steps, seeds) of one network after the other, by automatic differentiation."""
    X, y = (torch.as_tensor(array) for array in data())
    norms = torch.empty(steps, seeds, dtype=torch.float64)
    for seed in range(seeds):
        start = initial_network(width, DIMENSION, seed)
        weights, signs = start.weights.requires_grad_(), start.signs
        for k in range(steps):
            residual = torch.relu(X @ weights.T) @ signs / math.sqrt(width) - y
            loss = residual.square().sum() / 2
            loss.backward()
            with torch.no_grad():
                norms[k, seed] = residual.norm()
                weights -= STEP_SIZE * weights.grad
            weights.grad = None
    return norms


def batched(width, seeds, steps):
    """The same from seeds side by side."""
    X, y = data()

    def work(block, stop):
        batch = Batch(X, y, width, block)
        norms = torch.empty(steps, len(block), dtype=torch.float64)
        for row in norms:
            row[:] = batch.forward()
            batch.descend(STEP_SIZE)
        return norms

    blocks = dict(in_parallel(work, split_seeds(range(seeds), width, POINTS)))
    return torch.cat([blocks[position] for position in sorted(blocks)], dim=1)


def stacked(width, seeds, steps):
    """The same by torch's products."""
    batches.kernel = lambda: None
    return batched(width, seeds, steps)


def measure(name, width, clock):
    """Seconds per seed and step."""
    run = {"loop": loop, "batched": batched, "stacked": stacked}[name]
    seeds, steps = 4 if name == "loop" else SEEDS, 200 if width < 2048 else 50
    run(width, 2, 3)
    start = clock()
    run(width, seeds, steps)
    return (clock() - start) / seeds / steps


def product_rate():
    """Operations per second of the best of square products."""
    a, b = (torch.rand(1024, 1024, dtype=torch.float64) for _ in range(2))
    times = []
    for _ in range(8):
        start = time.process_time()
        a @ b
        times.append(time.process_time() - start)
    return 2 * 1024**3 / min(times)


def deviation(width):
    apart, together = loop(width, 3, 200), batched(width, 3, 200)
    return float(((apart - together).abs() / apart[0]).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--both-cores", action="store_true")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, width = arguments.measure
        whole = arguments.both_cores and name != "loop"
        torch.set_num_threads(os.cpu_count() if whole else 1)
        print(json.dumps(measure(name, int(width), time.perf_counter if arguments.both_cores else time.process_time)))
        return
    torch.set_num_threads(1)
    print(f"{'width':>6} {'loop us':>9} {'stacked us':>10} {'x':>5} {'batched us':>10} {'x':>5} ", end="")
    print(f"{'GF/s':>6} {'mm GF/s':>7} {'deviation':>9}")
    for width in arguments.widths:
        least = dict.fromkeys(("loop", "stacked", "batched"), math.inf)
        for _ in range(arguments.repeats):
            for name in least:
                command = [sys.executable, __file__, "--measure", name, str(width)]
                command += ["--both-cores"] * arguments.both_cores
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                least[name] = min(least[name], json.loads(done.stdout))
        rate = 4 * width * POINTS * DIMENSION / least["batched"]
        print(
            f"{width:6} {1e6 * least['loop']:9.1f} "
            f"{1e6 * least['stacked']:10.2f} {least['loop'] / least['stacked']:5.1f} "
            f"{1e6 * least['batched']:10.2f} {least['loop'] / least['batched']:5.1f} "
            f"{rate / 1e9:6.1f} {product_rate() / 1e9:7.1f} {deviation(width):9.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
