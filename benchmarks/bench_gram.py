"""The price of proved Gram matrices: the float64 path against numpy's eigenvalues, and the Arb path by itself.

    python benchmarks/bench_gram.py --sizes 1000 4000 --small 100 300 --repeats 3

Data are n Gaussian rows in 50 dimensions. Each measurement runs in a process of its own, they take turns, and the
least time of the repeats counts. Where other programs keep the cores busy, ``--clock cpu --threads 1`` still compares
the work. ``radius / n u`` is the largest row sum of the radii in units of n 2^-53.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
FLOAT = ("eigvalsh", "linear", "first", "last", "both")
BALLS = ("two-layer softplus", "two-layer tanh", "two-layer GELU", "two-layer tanh, rows as stored")
DEEP = (
    "fully connected",
    "fully connected, all layers",
    "residual",
    "residual, all layers",
    "Allen-Zhu, all trained layers",
    "convolutional, ten pixels, depth 3",
)


def measure(name, n, clock):
    import numpy as np

    from bounds.activations import GELU, SOFTPLUS, TANH
    from bounds.gram import allen_zhu_fully_connected, conv_resnet, fully_connected, linear, resnet, two_layer
    from bounds.linalg import least_eigenvalue

    X = np.random.default_rng(0).standard_normal((n, 50))
    matrix = two_layer(X, normalised=True).midpoint if name == "eigvalsh" else None
    run = {
        "eigvalsh": lambda: np.linalg.eigvalsh(matrix),
        "linear": lambda: linear(X, normalised=True),
        "first": lambda: two_layer(X, normalised=True),
        "last": lambda: two_layer(X, trained="last", normalised=True),
        "both": lambda: two_layer(X, trained="both", normalised=True),
        "two-layer softplus": lambda: two_layer(X, activation=SOFTPLUS, normalised=True),
        "two-layer tanh": lambda: two_layer(X, activation=TANH, normalised=True),
        "two-layer GELU": lambda: two_layer(X, activation=GELU, normalised=True),
        "two-layer tanh, rows as stored": lambda: two_layer(X / 7, activation=TANH),
        "fully connected": lambda: fully_connected(X, depth=8, activation=SOFTPLUS, normalised=True),
        "fully connected, all layers": lambda: fully_connected(
            X, depth=8, activation=SOFTPLUS, trained="all", normalised=True
        ),
        "residual": lambda: resnet(X, depth=8, activation=SOFTPLUS, residual_scale=0.5, normalised=True),
        "residual, all layers": lambda: resnet(
            X, depth=8, activation=SOFTPLUS, residual_scale=0.5, trained="all", normalised=True
        ),
        "Allen-Zhu, all trained layers": lambda: allen_zhu_fully_connected(
            X, depth=8, trained="hidden", normalised=True
        ),
        "convolutional, ten pixels, depth 3": lambda: conv_resnet(
            X.reshape(n, 5, 10), depth=3, patch=3, activation=GELU, residual_scale=0.5, normalised=True
        ),
    }[name]
    start = clock()
    result = run()
    seconds = clock() - start
    if name == "eigvalsh":
        return {"seconds": seconds}
    least = least_eigenvalue(result.midpoint, result.radius)
    radius = result.row_sum / n / 2.0**-53
    return {"seconds": seconds, "radius": radius, "least": least.lower}


def best(names, n, arguments):
    threads = {"OPENBLAS_NUM_THREADS": str(arguments.threads), "OMP_NUM_THREADS": str(arguments.threads)}
    environment = os.environ | (threads if arguments.threads else {})
    found = {}
    for _ in range(arguments.repeats):
        for name in names:
            command = [sys.executable, __file__, "--measure", name, "--sizes", str(n), "--clock", arguments.clock]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            result = json.loads(done.stdout)
            if name not in found or result["seconds"] < found[name]["seconds"]:
                found[name] = result
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--small", type=int, nargs="*", default=[100])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--threads", type=int, help="of the BLAS; default: its own choice")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.sizes[0], CLOCKS[arguments.clock])))
        return
    print(f"{'matrix':34} {'n':>5} {'seconds':>8} {'x eigvalsh':>10} {'radius / n u':>12} {'least eigenvalue >=':>20}")
    for n, names in [(n, FLOAT) for n in arguments.sizes] + [(n, BALLS + DEEP) for n in arguments.small]:
        found = best(names, n, arguments)
        for name, result in found.items():
            ratio = f"{result['seconds'] / found['eigvalsh']['seconds']:.3f}" if "eigvalsh" in found else ""
            figures = f"{result['radius']:12.2g} {result['least']:20.6g}" if "least" in result else ""
            print(f"{name:34} {n:5} {result['seconds']:8.3f} {ratio:>10} {figures}")


if __name__ == "__main__":
    main()
