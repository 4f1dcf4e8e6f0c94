"""The price of a proof: certified least eigenvalues against numpy's uncertified ones, as ratios in one table.

    python benchmarks/bench_least_eigenvalue.py
    python benchmarks/bench_least_eigenvalue.py --sizes 300 8000 --repeats 1

Data are n rows on the unit sphere in 50 dimensions, of which `--pairs` pairs are nearly parallel (angles near 6e-10).
The matrix is their two-layer ReLU Gram matrix with the proved radius of its entries. Each method runs in a process of
its own, the methods take turns, and the least time of the repeats counts. Where other programs keep the cores busy,
`--clock cpu --threads 1` still compares the work. Below the table stands which of the project's figures were reached.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time

METHODS = ("entries", "eigvalsh", "stand-alone", "given", "midpoint")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
CASES = [(100, 0), (299, 0), (1000, 0), (2000, 0), (4000, 0), (4000, 1), (4000, 6)]
FIGURES = [
    ("n = 4000: stand-alone / eigvalsh", 4000, 0, "stand-alone", 0.75),
    ("n = 4000: with a given estimate / eigvalsh", 4000, 0, "given", 0.15),
    ("n = 4000: relative gap", 4000, 0, "gap", 2e-11),
    ("n = 1000: stand-alone / eigvalsh", 1000, 0, "stand-alone", 1.5),
    ("n = 100: milliseconds over eigvalsh", 100, 0, "more ms", 3.0),
    ("n = 299: milliseconds over eigvalsh", 299, 0, "more ms", 3.0),
    ("n = 4000, 1 near-parallel pair: relative gap", 4000, 1, "gap", 1e-2),
    ("n = 4000, 6 near-parallel pairs: relative gap", 4000, 6, "gap", 1e-2),
]
"""What has to be reached: a name, the case, the column, and the largest value."""
COLUMNS = ["n", "pairs", "eigvalsh s", *(f"{name} x" for name in METHODS if name != "eigvalsh")]


def data(n, pairs):
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 50))
    x /= np.linalg.norm(x, axis=1)[:, None]
    for p in range(pairs):
        step = rng.standard_normal(50)
        step -= x[2 * p] * (step @ x[2 * p])
        x[2 * p + 1] = x[2 * p] + 6e-10 * (1 + 0.2 * p) * step / np.linalg.norm(step)
    return x


def measure(method, n, pairs, clock, estimate):
    """Run one method here, several times where it is quick, and return its least time and its result."""
    import numpy as np

    from bounds.gram import two_layer
    from bounds.linalg import least_eigenvalue

    def gram():
        return two_layer(data(n, pairs), normalised=True)

    h = gram()
    run = {
        "entries": gram,
        "eigvalsh": lambda: np.linalg.eigvalsh(h.midpoint)[0],
        "stand-alone": lambda: least_eigenvalue(h.midpoint, h.radius),
        "given": lambda: least_eigenvalue(h.midpoint, h.radius, estimate=estimate),
        "midpoint": lambda: least_eigenvalue(h.midpoint),
    }[method]
    best, spent, result = float("inf"), 0.0, None
    while spent < 0.5:
        start = clock()
        result = run()
        elapsed = clock() - start
        best, spent = min(best, elapsed), spent + elapsed + 1e-3
    if method == "eigvalsh":
        return {"seconds": best, "value": float(result)}
    if method == "entries":
        return {"seconds": best}
    return {"seconds": best, "lower": result.lower, "upper": result.upper}


def spawn(method, n, pairs, threads, clock, estimate):
    environment = os.environ | {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, __file__, "--child", method, str(n), str(pairs), clock, repr(estimate)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def row(n, pairs, repeats, threads, clock):
    best, results = {}, {}
    for _ in range(repeats):
        for method in METHODS:
            result = spawn(method, n, pairs, threads, clock, results.get("eigvalsh", {}).get("value", 0.0))
            best[method] = min(best.get(method, float("inf")), result["seconds"])
            results[method] = result
    reference = best["eigvalsh"]
    assert results["stand-alone"]["lower"] <= results["midpoint"]["upper"], "the two enclosures must overlap"
    figures = {m: best[m] / reference for m in METHODS if m != "eigvalsh"}
    figures["more ms"] = 1e3 * (best["stand-alone"] - reference)
    for method, name in zip(METHODS[2:], ("gap", "gap given", "gap midpoint"), strict=True):
        ends = results[method]
        figures[name] = (ends["upper"] - ends["lower"]) / ends["upper"] if ends["lower"] > 0 else float("inf")
    return reference, figures


def cells(n, pairs, reference, figures):
    *ratios, more, gap, given, midpoint = figures.values()
    numbers = [f"{reference:.4g}", *(f"{ratio:.3f}" for ratio in ratios), f"{more:.1f}"]
    return [str(n), str(pairs), *numbers, *(f"{width:.1e}" for width in (gap, given, midpoint))]


def judge(found):
    """One line for each figure whose case was measured: not reached is what is not at most the limit."""
    for name, n, pairs, column, limit in FIGURES:
        if (n, pairs) in found:
            value = found[n, pairs][column]
            yield f"{'reached' if value <= limit else 'MISSED':>8}  {name}: {value:.3g}, at most {limit:g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of rows n; by default those of the figures")
    parser.add_argument("--pairs", type=int, nargs="+", default=[0], help="numbers of nearly parallel pairs")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each method")
    parser.add_argument("--threads", type=int, default=1, help="threads of BLAS")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="what to count: the wall clock or processor time"
    )
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        method, n, pairs, clock, estimate = options.child
        print(json.dumps(measure(method, int(n), int(pairs), CLOCKS[clock], float(estimate))))
        return
    print(
        "times as multiples of numpy.linalg.eigvalsh (column 3, seconds); relative widths of the enclosures.\n"
        "entries: the matrix with its radius; stand-alone: certified, radius included; given: on top of eigvalsh's\n"
        "value; midpoint: the stored matrix taken as exact; more ms: stand-alone less eigvalsh, in milliseconds.\n"
        f"{options.threads} threads, {options.repeats} repeats, {options.clock} time."
    )
    header = [*COLUMNS, "more ms", "gap", "gap given", "gap midpoint"]
    print(" | ".join(f"{name:>13}" for name in header))
    found = {}
    for n, pairs in itertools.product(options.sizes, options.pairs) if options.sizes else CASES:
        reference, figures = row(n, pairs, options.repeats, options.threads, options.clock)
        found[n, pairs] = figures
        print(" | ".join(f"{cell:>13}" for cell in cells(n, pairs, reference, figures)), flush=True)
    print("\n".join(judge(found)))


if __name__ == "__main__":
    main()
