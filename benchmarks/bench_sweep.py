"""A sweep of 100 seeds x 6 widths: seeds side by side against a plain autograd loop, both float64 on one thread.

    python benchmarks/bench_sweep.py --repeats 3

n = 100 points on the sphere in 10 dimensions, two-layer ReLU networks, full-batch gradient descent. The loop is what
one writes first: for every seed and step, a forward pass, ``loss.backward()``, a step. Each measurement is a process
of its own, the two take turns, process time counts, and the least of the repeats; the loop runs a share of the seeds
and steps, for its time per seed and step is the same throughout. Asked for: 40 times faster at width 32, 10 times at
128, 2 times from 1024 on. ``deviation`` is the largest difference of a residual norm over a common run of 200 steps,
relative to the first norm; ``GF/s`` counts the two matrix products of a step.
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

from empirical.batches import Batch, split_seeds
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
    blocks = []
    for block in split_seeds(range(seeds), width, POINTS):
        batch = Batch(X, y, width, block)
        norms = torch.empty(steps, len(block), dtype=torch.float64)
        for row in norms:
            row[:] = batch.forward()
            batch.descend(STEP_SIZE)
        blocks.append(norms)
    return torch.cat(blocks, dim=1)


def measure(name, width, steps):
    """Process seconds per seed and step."""
    torch.set_num_threads(1)
    seeds = SEEDS if name == "batched" else 4
    run = {"loop": loop, "batched": batched}[name]
    run(width, 2, 3)
    start = time.process_time()
    run(width, seeds, steps)
    return (time.process_time() - start) / seeds / steps


def deviation(width):
    torch.set_num_threads(1)
    apart, together = loop(width, 3, 200), batched(width, 3, 200)
    return float(((apart - together).abs() / apart[0]).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, width, steps = arguments.measure
        print(json.dumps(measure(name, int(width), int(steps))))
        return
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    print(f"{'width':>6} {'loop us':>9} {'batched us':>10} {'ratio':>6} {'GF/s':>6} {'deviation':>9}")
    for width in arguments.widths:
        least = {"loop": math.inf, "batched": math.inf}
        for _ in range(arguments.repeats):
            for name in least:
                steps = max(5, (2**20 if name == "loop" else 2**18) // (width * 100 + 10**4))
                command = [sys.executable, __file__, "--measure", name, str(width), str(steps)]
                done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
                least[name] = min(least[name], json.loads(done.stdout))
        flops = 4 * width * POINTS * DIMENSION
        print(
            f"{width:6} {1e6 * least['loop']:9.1f} {1e6 * least['batched']:10.2f} "
            f"{least['loop'] / least['batched']:6.1f} {flops / least['batched'] / 1e9:6.1f} {deviation(width):9.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
