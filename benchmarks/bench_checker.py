"""What it costs to check a certificate from the start, beside what it costs to make it.

    python benchmarks/bench_checker.py [--long]

The networks are those of ``zeroloss certify --data sphere:n=N,d=D,seed=0 --width M --activation A --seed 0``. Processor
time of one thread, the least of the repeats, taken in turns. ``--long`` adds a smooth run of 24,608 steps, once, in
some minutes.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

from bounds import Problem, verify  # noqa: E402
from bounds.certificates.following import certify_from_start  # noqa: E402
from bounds.certificates.record import write  # noqa: E402
from bounds.certificates.stack import START, two_layer  # noqa: E402
from empirical.datasets import load_data  # noqa: E402
from empirical.networks import initial_network  # noqa: E402

CASES = [
    ("tanh", 50, 50, 8),
    ("tanh", 50, 10, 64),
    ("relu", 20, 10, 1024),
    ("relu", 50, 50, 128),
    ("relu", 50, 50, 256),
]
LONG = [("tanh", 50, 10, 32)]


def case(activation, n, d, width):
    data = load_data(f"sphere:n={n},d={d},seed=0")
    problem = Problem(Problem(data.X, data.y).unit_rows, data.y)
    start = initial_network(width, d, 0)
    hidden = start.weights.numpy()
    weights = {
        "layers.0.weight": hidden,
        START + "layers.0.weight": hidden,
        "layers.1.weight": start.signs.numpy()[None],
    }
    return weights, two_layer(d, width, activation), problem


def timed(work, *arguments):
    start = time.process_time()
    found = work(*arguments)
    return time.process_time() - start, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="a long run as well")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each timing")
    options = parser.parse_args()
    print("activation   n   d  width  steps  certify  verify   bytes")
    cases = [(*each, options.repeats) for each in CASES] + [(*each, 1) for each in LONG if options.long]
    for activation, n, d, width, repeats in cases:
        arguments, best = case(activation, n, d, width), [np.inf, np.inf]
        for _ in range(repeats):
            spent, found = timed(certify_from_start, *arguments)
            with tempfile.TemporaryDirectory() as folder:
                path = write(found, folder)
                size = sum(each.stat().st_size for each in Path(folder).iterdir())
                checking, checked = timed(verify, path)
            assert checked.holds, checked.reason
            best = [min(best[0], spent), min(best[1], checking)]
        print(f"{activation:>10} {n:>3} {d:>3} {width:>6} {found.steps:>6} {best[0]:>8.2f} {best[1]:>7.2f} {size:>7}")


if __name__ == "__main__":
    main()
