"""Certified numerics beside what else there is: time, width, wrong answers, in three tables.

    python benchmarks/bench_peers.py
    python benchmarks/bench_peers.py --neural-tangents /path/to/its/environment/bin/python

1. The least eigenvalue of the two-layer ReLU Gram matrix of n points on the sphere in 50 dimensions, entries within
   their radii. numpy.linalg.eigvalsh is the unit of time and proves nothing. "verified eigenpairs" is the method behind
   INTLAB's verifyeig and its relatives, written for this benchmark: eigh, then a bound on the residual of all pairs.
   "flint" is acb_mat.eig at 128 bits, "mpmath.iv" an interval Cholesky factorisation of the matrix less a multiple of
   the identity just below the eigenvalue, and an interval Rayleigh quotient above it.
2. Answers on small matrices whose least eigenvalue is zero, or positive or negative by as little as one unit in the
   last place; the truth comes from exact rationals. An answer is wrong where an enclosure misses the eigenvalue, or a
   matrix is called positive definite that is not.
3. Kernels of neural-tangents against the certified entries, and what eigvalsh says of its kernel of data with a
   repeated row, whose least eigenvalue is exactly zero. It needs numpy 1 and so an environment of its own:
   pip install neural-tangents==0.6.5 jax==0.4.23 jaxlib==0.4.23 numpy==1.26.4 scipy==1.12.0 tf2jax==0.3.6

Every measurement runs in a process of its own; methods take turns and the least time of the repeats counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
METHODS = {"eigvalsh": 10**6, "zeroloss": 10**6, "verified eigenpairs": 10**6, "flint": 100, "mpmath.iv": 100}
"""The methods, each with the largest size at which it ends in a minute or so."""


# Least eigenvalues


def zeroloss(a, radius):
    from bounds.linalg import least_eigenvalue

    found = least_eigenvalue(a, radius)
    return found.lower, found.upper


def verified_eigenpairs(a, radius):
    """For any V and D: eigenvalues lie within (||A V - V D|| + ||D|| ||V'V - I||) / (1 - ||V'V - I||) of those of D.

    The products are bounded by gamma_n |A| |V|, where INTLAB switches the rounding mode: two products either way.
    """
    import numpy as np

    n, u = len(a), 2.0**-53
    values, v = np.linalg.eigh(a)
    gamma = (n + 4) * u * (1 + 2.0**-10)
    residual = np.abs(a @ v - v * values) + gamma * (np.abs(a) @ np.abs(v) + np.abs(v * values)) + radius @ np.abs(v)
    defect = np.abs(v.T @ v - np.eye(n)) + gamma * (np.abs(v.T) @ np.abs(v))
    norm = [float(np.sqrt(m.sum(axis=0).max() * m.sum(axis=1).max()) * (1 + 4 * gamma)) for m in (residual, defect)]
    if not norm[1] < 1:
        return None
    distance = (norm[0] + 2 * float(np.abs(values).max()) * norm[1]) / (1 - norm[1]) * (1 + 16 * u)
    return np.nextafter(values[0] - distance, -np.inf), np.nextafter(values[0] + distance, np.inf)


def flint(a, radius):
    from flint import acb_mat, arb, ctx

    ctx.prec = 128
    balls = [[arb(float(x), float(r)) for x, r in zip(*rows, strict=True)] for rows in zip(a, radius, strict=True)]
    try:
        values = acb_mat(balls).eig(multiple=True)
    except ValueError:
        return None
    lower = min(float(value.real.lower()) for value in values)
    upper = min(float(value.real.upper()) for value in values)
    return outward(lower, upper)


def mpmath_iv(a, radius):
    import numpy as np
    from mpmath import iv

    iv.prec = 53
    values, vectors = np.linalg.eigh(a)
    pairs = (zip(x, r, strict=True) for x, r in zip(a.tolist(), radius.tolist(), strict=True))
    m = iv.matrix([[iv.mpf(x) + iv.mpf([-r, r]) for x, r in row] for row in pairs])
    v = iv.matrix(vectors[:, 0].tolist())
    upper = float(((v.T * m * v)[0] / (v.T * v)[0]).b)
    for exponent in range(-52, 1, 4):
        shift = float(values[0] - 2.0**exponent * np.abs(values).max())
        try:
            iv.cholesky(m - iv.mpf(shift) * iv.eye(len(a)))
        except (ValueError, ZeroDivisionError):
            continue
        return outward(shift, upper)
    return None


def outward(lower, upper):
    import numpy as np

    return float(np.nextafter(lower, -np.inf)), float(np.nextafter(upper, np.inf))


def eigvalsh(a, radius):
    import numpy as np

    return (float(np.linalg.eigvalsh(a)[0]),) * 2


RUN = {
    "eigvalsh": eigvalsh,
    "zeroloss": zeroloss,
    "verified eigenpairs": verified_eigenpairs,
    "flint": flint,
    "mpmath.iv": mpmath_iv,
}


def sphere(n, d, seed=0):
    import numpy as np

    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1)[:, None]


def time_one(method, n, clock):
    from bounds.gram import two_layer

    gram = two_layer(sphere(n, 50), normalised=True)
    best, spent = float("inf"), 0.0
    while spent < 0.5:
        start = CLOCKS[clock]()
        ends = RUN[method](gram.midpoint, gram.radius)
        elapsed = CLOCKS[clock]() - start
        best, spent = min(best, elapsed), spent + elapsed + 1e-3
    return {"seconds": best, "ends": ends and [float(end) for end in ends]}


# Wrong answers


def corpus(cases):
    """Small matrices whose least eigenvalue is near zero, with their family's name."""
    import numpy as np

    for case in range(cases):
        rng = np.random.default_rng(case)
        n = int(rng.integers(3, 9))
        v = rng.integers(-5, 6, (n, n - 1)).astype(float)
        singular = v @ v.T
        yield "singular", singular
        for name, direction in (("one ulp less", -np.inf), ("one ulp more", np.inf)):
            moved = singular.copy()
            i = int(rng.integers(n))
            moved[i, i] = np.nextafter(moved[i, i], direction)
            yield name, moved
        for name, margin in (("1e-12 less", -1e-12), ("1e-12 more", 1e-12)):
            yield name, singular + margin * np.eye(n)
        x = rng.standard_normal((n, int(rng.integers(2, 8))))
        x[-1] = [x[0], 2 * x[0], -x[0], np.nextafter(x[0], np.inf)][case % 4]
        yield "repeated rows", np.tril(x @ x.T) + np.tril(x @ x.T, -1).T


def definite(a, shift):
    """Whether a symmetric matrix less a multiple of the identity is positive definite, in rationals."""
    m = [[Fraction(float(entry)) - (shift if i == j else 0) for j, entry in enumerate(row)] for i, row in enumerate(a)]
    for k, row in enumerate(m):
        if not row[k] > 0:
            return False
        for below in m[k + 1 :]:
            factor = below[k] / row[k]
            for j in range(k, len(m)):
                below[j] -= factor * row[j]
    return True


def answers(method, cases):
    """How often a method is right, wrong or silent, by what it claims."""
    import numpy as np

    hair = Fraction(1, 2**200)
    proves = method != "eigvalsh"
    claims = ("enclosure misses", "definite, proved") if proves else ()
    count = dict.fromkeys(("matrices", "refused", "wrongly definite", *claims), 0)
    for _, a in corpus(cases):
        count["matrices"] += 1
        ends = RUN[method](a, np.zeros_like(a))
        if ends is None:
            count["refused"] += 1
            continue
        lower, upper = (Fraction(float(end)) for end in ends)
        if proves:
            count["enclosure misses"] += not definite(a, lower - hair) or definite(a, upper + hair)
        if lower > 0:
            truth = definite(a, Fraction(0))
            count["wrongly definite"] += not truth
            if proves:
                count["definite, proved"] += truth
    return count


# Kernels


def kernel_data():
    """Inputs by name: spread, nearly parallel, repeated, opposite."""
    import numpy as np

    rng = np.random.default_rng(0)
    base, step = sphere(12, 10), rng.standard_normal((12, 10))
    data = {"spread": sphere(60, 10, seed=1)}
    for angle in (1e-4, 1e-6, 1e-8):
        data[f"pairs at {angle:g}"] = np.vstack([base, base + angle * step / np.linalg.norm(step, axis=1)[:, None]])
    data["repeated"] = np.vstack([base, base])
    data["opposite"] = np.vstack([base, -base])
    return data


KERNELS = {"two-layer": 1, "fully connected, 3 layers": 3, "fully connected, 8 layers": 8}
REPEATS = 20


def neural_tangents(source, target):
    """Run by the interpreter that has it: kernels of all data in float32 and float64, into one file."""
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    from neural_tangents import stax

    found = {}
    for key, x in np.load(source).items():
        for kernel, depth in KERNELS.items():
            if key.startswith("repeat ") and depth > 1:
                continue
            layers = [stax.Dense(1, W_std=x.shape[1] ** 0.5), stax.Relu()]
            layers += [stax.Dense(1, W_std=2**0.5), stax.Relu()] * (depth - 1)
            kernel_of = stax.serial(*layers, stax.Dense(1, W_std=2**0.5 if depth > 1 else 1.0))[2]
            function = jax.jit(lambda x, kernel_of=kernel_of: kernel_of(x, None, "ntk"))
            for dtype in ("float32", "float64"):
                for _ in range(1 if key.startswith("repeat ") else 2):  # the first time it compiles
                    start = time.perf_counter()
                    found[f"{key}|{kernel}|{dtype}"] = np.asarray(function(x.astype(dtype)))
                    found[f"{key}|{kernel}|{dtype}|seconds"] = np.array(time.perf_counter() - start)
    np.savez(target, **found)


def certified(x, depth):
    """The same kernel, proved: all layers trained, rows as stored."""
    from bounds.activations import RELU
    from bounds.gram import fully_connected, two_layer

    if depth == 1:
        return two_layer(x, trained="both")
    return fully_connected(x, depth=depth, activation=RELU, trained="all")


def compare_kernels(interpreter):
    import numpy as np

    data = kernel_data()
    repeats = {f"repeat {seed}": np.vstack([sphere(30, 10, seed), sphere(30, 10, seed)[:1]]) for seed in range(REPEATS)}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "data.npz"), Path(folder, "kernels.npz")
        np.savez(source, **data, **repeats)
        command = [interpreter, str(Path(__file__).resolve()), "--child-kernels", str(source), str(target)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            sys.exit(f"{interpreter} cannot run neural-tangents:\n{done.stderr.strip().splitlines()[-1]}")
        found = dict(np.load(target))
    print("\n3. neural-tangents against certified entries: digits right at the worst entry, relative to the diagonal;")
    print("entries wrong by more than 100 units of their own precision, of all below the diagonal")
    head = ("data", "kernel", "float32", "float64", "certified", "ms, float64", "ms, certified")
    widths = (16, 27, 15, 15, 10, 12, 14)
    print(" ".join(f"{word:{width}}" for word, width in zip(head, widths, strict=True)))
    for name, x in data.items():
        for kernel, depth in KERNELS.items():
            certified(x, depth)  # once before, as theirs compiles
            start = time.perf_counter()
            proved = certified(x, depth)
            ours = 1e3 * (time.perf_counter() - start)
            theirs = 1e3 * float(found[f"{name}|{kernel}|float64|seconds"])
            scale = np.sqrt(np.outer(proved.midpoint.diagonal(), proved.midpoint.diagonal()))
            below = np.tril_indices(len(x), -1)
            digits = -np.log10((proved.radius / scale)[below].max())
            cells = []
            for dtype in ("float32", "float64"):
                distance = np.abs(found[f"{name}|{kernel}|{dtype}"].astype(float) - proved.midpoint) - proved.radius
                error = (np.maximum(distance, 0) / scale)[below]
                wrong = int((error > 100 * np.finfo(dtype).eps).sum())
                right = min(-np.log10(max(error.max(), 1e-17)), digits)
                cells.append(f"{right:.1f}, {wrong} of {len(error)}")
            cells += [f"{digits:.1f}", f"{theirs:.2g}", f"{ours:.3g}"]
            print(" ".join(f"{cell:{width}}" for cell, width in zip((name, kernel, *cells), widths, strict=True)))
    print(f"\n{REPEATS} data sets with a repeated row (least eigenvalue exactly 0), two-layer kernel:")
    for dtype in ("float32", "float64"):
        values = [float(np.linalg.eigvalsh(found[f"{key}|two-layer|{dtype}"].astype(float))[0]) for key in repeats]
        called = sum(value > 0 for value in values)
        between = f"between {min(values):.1e} and {max(values):.1e}"
        print(f"  eigvalsh of neural-tangents, {dtype}: {called} called positive; {between}")
    called, named = 0, 0
    from bounds.degeneracy import degenerate_rows
    from bounds.linalg import is_positive_definite

    for x in repeats.values():
        proved = certified(x, 1)
        called += is_positive_definite(proved.midpoint, proved.radius).holds
        named += degenerate_rows(x) is not None
    print(f"  zeroloss: {called} called positive definite; {named} of {REPEATS} named as singular, with their rows")


# The tables


def spawn(*arguments, threads):
    environment = os.environ | {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def compare_times(sizes, repeats, threads, clock):
    print(f"1. the least eigenvalue: {threads} threads, least of {repeats} turns, {clock} time")
    print(f"{'n':>5} {'method':20} {'seconds':>10} {'x eigvalsh':>11} {'relative width':>15}")
    for n in sizes:
        methods = [method for method, largest in METHODS.items() if n <= largest]
        found = {}
        for _ in range(repeats):
            for method in methods:
                result = spawn("--child-time", method, n, clock, threads=threads)
                if method not in found or result["seconds"] < found[method]["seconds"]:
                    found[method] = result
        for method, result in found.items():
            width = "none"
            if method != "eigvalsh":
                lower, upper = result["ends"] or (0.0, 0.0)
                width = f"{(upper - lower) / upper:.1e}" if lower > 0 else "not proved > 0"
            ratio = result["seconds"] / found["eigvalsh"]["seconds"]
            print(f"{n:5} {method:20} {result['seconds']:10.4g} {ratio:11.3g} {width:>15}", flush=True)


def compare_answers(cases):
    print("\n2. answers on matrices that are singular, or definite or indefinite by a hair")
    for method in METHODS:
        count = spawn("--child-answers", method, cases, threads=1)
        print(f"{method:20} " + ", ".join(f"{name}: {number}" for name, number in count.items()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[30, 100, 300, 1000, 2000], help="numbers of rows n")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each method")
    parser.add_argument("--cases", type=int, default=100, help="matrices of each of six families")
    parser.add_argument("--threads", type=int, default=1, help="threads of BLAS")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="wall clock or processor time")
    parser.add_argument("--neural-tangents", metavar="PYTHON", help="interpreter that has neural-tangents")
    for child, count in (("--child-time", 3), ("--child-answers", 2), ("--child-kernels", 2)):
        parser.add_argument(child, nargs=count, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child_time:
        method, n, clock = options.child_time
        print(json.dumps(time_one(method, int(n), clock)))
    elif options.child_answers:
        print(json.dumps(answers(options.child_answers[0], int(options.child_answers[1]))))
    elif options.child_kernels:
        neural_tangents(*options.child_kernels)
    else:
        compare_times(options.sizes, options.repeats, options.threads, options.clock)
        compare_answers(options.cases)
        if options.neural_tangents:
            compare_kernels(options.neural_tangents)
        else:
            print("\n3. left out: give --neural-tangents the interpreter of its environment")


if __name__ == "__main__":
    main()
