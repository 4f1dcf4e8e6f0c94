"""Ten thousand stored runs: seconds to list, filter and aggregate them (at most 2).

    python benchmarks/bench_store.py --runs 10000 --steps 1000

The runs are written first, which is not counted; each is one file, as a sweep leaves it.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import msgspec
import numpy as np
import polars as pl

from empirical import train
from empirical.results import table
from empirical.store import Store


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 10)) / np.sqrt(10), rng.standard_normal(20)
    run = train(X, y, width=32, step_size=0.3, steps=arguments.steps)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for seed in range(arguments.runs):
            spec = msgspec.structs.replace(run.spec, seed=seed, width=2 ** (seed % 10))
            path = store.put(msgspec.structs.replace(run, spec=spec))
        least = float("inf")
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            found = table(store)
            means = found.filter(pl.col("seed") % 2 == 0).group_by("width").agg(pl.col("last.loss").mean(), pl.len())
            least = min(least, time.perf_counter() - start)
        assert found.height == arguments.runs and means["len"].sum() == -(-arguments.runs // 2)
        assert np.allclose(means["last.loss"], run.observations[-1].loss)
        print(f"{arguments.runs} runs of {path.stat().st_size} bytes: {least:.2f} s to tabulate, filter and aggregate")


if __name__ == "__main__":
    main()
