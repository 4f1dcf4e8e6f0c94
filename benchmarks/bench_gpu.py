"""A GPU against the CPU: Gram matrices, training and proofs, each with its share of what the GPU can do.

    python benchmarks/bench_gpu.py --json gpu.json
    python benchmarks/bench_gpu.py --parts gram --cases "fully connected"
    python benchmarks/bench_gpu.py --device cpu --small

All is the package as it is, on all cores (``--cpu-threads``) and on the GPU; nothing is in TF32 but the row that says
so. Each time is the least of the repeats, and ends when the device is done; a first call counts only where the CPU
takes more than a second for it, and is the only one then. With ``--device cpu`` the same code runs where there is no
GPU, to be tried; then both columns are the CPU's.

``limits``: the rates of square products, the error of the largest relative to its largest entry (TF32 shows there);
the bandwidth of a large copy, read and written bytes together; and the rate of float64 fused multiplications in
registers, outside the units for matrices. The shares below are of the best of these.

``training``: 100 seeds of the two-layer network side by side (n = 100, d = 10, full-batch descent, float64), in
microseconds for each seed and step: on the CPU, by stacked products of torch on the GPU, and by the kernel compiled for
it; ``x``, the CPU's over the kernel's; ``share`` of the rate of fused multiplications, by the 4 seeds neurons inputs d
operations of the kernel's two products; ``MB``, its memory; ``deviation``, the largest difference of a residual norm to
the CPU's over 200 steps relative to the first norm. Then a fully-connected network of Du et al. (n = 200, 4 hidden
layers) by ``run_network``, in milliseconds for each step; its ``share`` is of the rate of products.

``gram``: ``cpu s``; ``gpu s`` with the network and the inputs on the GPU, the matrix brought back; ``moved s`` with
both on the CPU, as ``gram_matrix(network, X, device="cuda")`` is called; ``back s`` of bringing the matrix back alone;
``share`` of the operations needed (of a symmetric product one half) in ``gpu s``; ``MB`` of the GPU's memory at the
peak, beyond the network and the inputs; ``jacrev x``, how many times as long ``vmap(jacrev)`` and its product take on
the same GPU, at the first size of each network, and ``memory x``, how many times the memory; ``error``, the largest
difference to the CPU's float64 matrix over its largest entry.

``proofs``: the certified least eigenvalue of n points' Gram matrix, with Cholesky factors from the CPU or the GPU;
``agree`` says whether the two enclosures meet, ``gap x`` how many times as wide the second is.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import time
import traceback
from functools import partial
from pathlib import Path

import bench_finite_gram
import bench_least_eigenvalue
import bench_sweep
import numpy as np
import torch
from torch.func import jacrev

from bounds.gram import two_layer
from bounds.linalg import least_eigenvalue
from empirical import batches, gram_matrix, run_network
from empirical.device_kernels import device_kernel
from empirical.devices import cholesky_on, float32_arithmetic, moved, to_numpy
from empirical.dynamics import GradientDescent
from empirical.losses import Loss
from empirical.networks.du2019_deep import FullyConnected

SIZES = {
    "fully connected": [(200, 64, 1024, 4), (2000, 64, 4096, 4)],
    "residual": [(200, 64, 1024, 4)],
    "convolutional": [(100, 3, 64, 4), (1000, 3, 128, 4)],
}
"""As in bench_finite_gram, and as large as fills the GPU."""

SMALL = {case: [(20, 8, 64, 3)] for case in SIZES}

TYPES = ("float64", "float32")

FMA = """
extern "C" __global__ void fused(double *out, int steps)
{
    double x = threadIdx.x, s[16] = {};
    for (int i = 0; i < steps; i++)
        for (int k = 0; k < 16; k++)
            s[k] = fma(x, s[k], 1.0);
    for (int k = 1; k < 16; k++)
        s[0] += s[k];
    if (s[0] == 1)
        *out = s[0];
}
"""
FMA_BLOCKS, FMA_THREADS, FMA_STEPS = 4096, 256, 1000

SYNCHRONISE = {"cpu": lambda: None, "cuda": torch.cuda.synchronize}


class Bench:
    """What all parts share: the device, how long to repeat, and the limits once they are measured."""

    def __init__(self, arguments):
        self.device, self.budget, self.small = torch.device(arguments.device), arguments.budget, arguments.small
        self.arguments, self.found = arguments, {}

    def timed(self, run, device=None, *, in_a_row=1, budget=None):
        """The least time of one call, and what the first returned; that counts only if the CPU takes a second."""
        device = device or self.device
        synchronise = SYNCHRONISE[device.type]
        start = time.perf_counter()
        outcome = run()
        synchronise()
        first, end = time.perf_counter() - start, time.perf_counter() + (self.budget if budget is None else budget)
        if first > 1 and device.type == "cpu":  # a GPU's first call may load libraries for seconds
            return first, outcome
        least = float("inf")
        while least == float("inf") or time.perf_counter() < end:
            start = time.perf_counter()
            for _ in range(in_a_row):
                run()
            synchronise()
            least = min(least, (time.perf_counter() - start) / in_a_row)
        return least, outcome

    def seconds(self, run, **options):
        """The time alone."""
        return self.timed(run, **options)[0]

    def rate(self, dtype, tf32=False):
        """Operations per second of the best square product, and what was measured."""
        key = f"{dtype} {'TF32' if tf32 else ''}".strip()
        if key not in self.found:
            sides = (256, 512) if self.small else (1024, 2048, 4096, 8192)
            rates = {}
            for side in sides:
                a, b, c = (torch.rand(side, side, dtype=getattr(torch, dtype), device=self.device) for _ in range(3))
                with float32_arithmetic(self.device.type, tf32=tf32):
                    product = partial(torch.mm, a, b, out=c)
                    rates[side] = 2 * side**3 / self.seconds(product, in_a_row=10, budget=self.budget / 4)
            exact = a[:64].double() @ b.double()
            error = float((c[:64] - exact).abs().max() / exact.max())
            self.found[key] = {"best": max(rates.values()), "by side": rates, "error": error}
        return self.found[key]

    def bandwidth(self):
        """Bytes per second of a copy, read and written."""
        if "bandwidth" not in self.found:
            source = torch.rand(2**20 if self.small else 2**28, dtype=torch.float64, device=self.device)
            target = torch.empty_like(source)
            self.found["bandwidth"] = 2 * source.nbytes / self.seconds(lambda: target.copy_(source), in_a_row=5)
        return self.found["bandwidth"]

    def fused_rate(self):
        """Operations per second of fused multiplications of float64 in registers."""
        if self.device.type == "cpu":
            return float("nan")
        if "fma" not in self.found:
            kernel, out = (
                torch.cuda._compile_kernel(FMA, "fused"),
                torch.empty(1, dtype=torch.float64, device=self.device),
            )
            launch = partial(kernel, grid=(FMA_BLOCKS, 1, 1), block=(FMA_THREADS, 1, 1), args=[out, FMA_STEPS])
            self.found["fma"] = 2 * 16 * FMA_BLOCKS * FMA_THREADS * FMA_STEPS / self.seconds(launch)
        return self.found["fma"]

    def extra_memory(self, run):
        """Bytes of the GPU's memory at the peak of a call, beyond what was held before."""
        if self.device.type == "cpu":
            return float("nan")
        gc.collect()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before


def limits(bench):
    print(f"{'products':16} {'best TF/s':>9} {'error':>8}  by side")
    for dtype, tf32 in (("float64", False), ("float32", False), ("float32", True)):
        found = bench.rate(dtype, tf32)
        name = f"{dtype}{' TF32' * tf32}"
        sides = ", ".join(f"{side}: {rate / 1e12:.2f}" for side, rate in found["by side"].items())
        print(f"{name:16} {found['best'] / 1e12:9.2f} {found['error']:8.1e}  {sides}", flush=True)
        yield {"products": name, **found}
    print(f"{'copy':16} {bench.bandwidth() / 1e12:9.3f} TB/s", flush=True)
    print(f"{'fused float64':16} {bench.fused_rate() / 1e12:9.2f} TF/s", flush=True)
    yield {"copy": bench.bandwidth(), "fused": bench.fused_rate()}


def gram(bench):
    print(
        f"{'network':16} {'n':>5} {'m':>5} {'dtype':8} {'cpu s':>8} {'gpu s':>8} {'x':>6} {'moved s':>8} "
        f"{'back s':>8} {'share':>6} {'MB':>6} {'jacrev x':>8} {'memory x':>8} {'error':>8}"
    )
    for case in bench.arguments.cases:
        for sizes in (SMALL if bench.small else SIZES)[case]:
            weights, X = bench_finite_gram.draw(case, sizes)
            network = bench_finite_gram.torch_module(case, weights)
            reference = None
            for dtype in TYPES:
                row, reference = gram_row(bench, case, sizes, dtype, network, X, reference)
                yield row


def gram_row(bench, case, sizes, dtype, network, X, reference):
    kind = getattr(torch, dtype)
    own, inputs = (moved(network, device="cpu", dtype=kind), torch.as_tensor(X, dtype=kind))
    there, inputs_there = moved(own, device=bench.device), inputs.to(bench.device)
    row = {"network": case, "sizes": sizes, "dtype": dtype}
    row["cpu"], on_cpu = bench.timed(lambda: gram_matrix(own, inputs), torch.device("cpu"))
    row["gpu"], found = bench.timed(lambda: gram_matrix(there, inputs_there))
    row["moved"] = bench.seconds(lambda: gram_matrix(own, X, device=str(bench.device)))
    row["back"] = bench.seconds(partial(to_numpy, torch.as_tensor(found).to(bench.device)))
    flops = bench_finite_gram.product_flops(case, sizes)
    row["share"] = flops / row["gpu"] / bench.rate(dtype)["best"]
    row["memory"] = bench.extra_memory(lambda: gram_matrix(there, inputs_there))
    reference = on_cpu if reference is None else reference
    row["error"] = float(np.abs(found - reference).max() / np.abs(reference).max())
    row["jacrev"] = row["jacrev memory"] = float("nan")
    jacobian = len(inputs) * sum(p.nbytes for p in there.parameters())
    fits = 4 * jacobian < (torch.cuda.mem_get_info()[0] if bench.device.type == "cuda" else 2**28)
    if fits and sizes == (SMALL if bench.small else SIZES)[case][0]:
        by_jacobian = partial(bench_finite_gram.jacobian_product, there, inputs_there, jacrev)
        with float32_arithmetic(bench.device.type):  # in convolutions torch would use TF32
            row["jacrev"] = bench.seconds(lambda: to_numpy(by_jacobian()))
            row["jacrev memory"] = bench.extra_memory(by_jacobian)
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
    print(
        f"{case:16} {sizes[0]:5} {sizes[2]:5} {dtype:8} {row['cpu']:8.4f} {row['gpu']:8.4f} "
        f"{row['cpu'] / row['gpu']:6.1f} {row['moved']:8.4f} {row['back']:8.4f} {row['share']:6.0%} "
        f"{row['memory'] / 1e6:6.0f} {row['jacrev'] / row['gpu']:8.1f} {row['jacrev memory'] / row['memory']:8.1f} "
        f"{row['error']:8.1e}",
        flush=True,
    )
    return row, reference


def descent(device, width, seeds, steps, stacked=False):
    """Residual norms (steps, seeds) of all seeds in one batch on a device."""
    X, y = bench_sweep.data()
    batches.device_kernel = (lambda *_: None) if stacked else device_kernel
    batch = batches.Batch(X, y, width, range(seeds), device=str(device))
    norms = torch.empty(steps, seeds, dtype=torch.float64, device=device)
    for row in norms:
        row[:] = batch.forward()
        batch.descend(bench_sweep.STEP_SIZE)
    return norms.cpu()


def step_seconds(run, steps):
    """Seconds of one step, without what comes before the first, and what the longest run returned."""
    run(3)
    times = []
    for count in (steps, 10 * steps):
        start = time.perf_counter()
        outcome = run(count)
        times.append(time.perf_counter() - start)
    return (times[1] - times[0]) / (9 * steps), outcome


def training(bench):
    seeds = 4 if bench.small else bench_sweep.SEEDS
    columns = f"{'cpu us':>8} {'stacked us':>10} {'gpu us':>8} {'x':>6} {'share':>6} {'MB':>6} {'deviation':>9}"
    print(f"{'two-layer, width':>16} {columns}")
    for width in bench.arguments.widths:
        steps = 200 if width < 512 else 20
        on_gpu = partial(descent, bench.device, width, seeds)
        cpu, expected = step_seconds(partial(bench_sweep.batched, width, seeds), steps)
        gpu, found = step_seconds(on_gpu, steps)
        stacked, _ = step_seconds(partial(on_gpu, stacked=True), steps)
        flops = 4 * seeds * width * bench_sweep.POINTS * bench_sweep.DIMENSION
        row = {
            "width": width,
            "cpu": cpu / seeds,
            "stacked": stacked / seeds,
            "gpu": gpu / seeds,
            "share": flops / gpu / bench.fused_rate(),
            "memory": bench.extra_memory(partial(on_gpu, 3)),
            "deviation": float(((found - expected).abs() / expected[0])[:200].max()),
        }
        print(
            f"{width:16} {1e6 * row['cpu']:8.3f} {1e6 * row['stacked']:10.3f} {1e6 * row['gpu']:8.3f} "
            f"{row['cpu'] / row['gpu']:6.1f} "
            f"{row['share']:6.0%} {row['memory'] / 1e6:6.0f} {row['deviation']:9.1e}",
            flush=True,
        )
        yield row
    yield deep(bench)


def deep(bench):
    """A fully-connected network of four layers: per step a forward and a backward pass over all inputs."""
    n, d, m, depth = SMALL["fully connected"][0] if bench.small else SIZES["fully connected"][0]
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    X, y = X / np.linalg.norm(X, axis=1, keepdims=True), rng.standard_normal(n)

    def run(device, steps):
        return run_network(
            FullyConnected(width=m, depth=depth, activation="tanh"),
            X,
            y,
            loss=Loss(kind="squares", reduction="sum"),
            method=GradientDescent(step_size=1e-5, steps=steps),
            device=str(device),
        ).losses

    cpu, expected = step_seconds(partial(run, "cpu"), 3)
    gpu, found = step_seconds(partial(run, bench.device), 3)
    hidden = d * m + (depth - 1) * m * m
    flops = 2 * n * (3 * hidden - d * m)  # forward, and backward for weights and for inputs
    row = {"network": "fully connected", "sizes": (n, d, m, depth), "cpu": cpu, "gpu": gpu}
    row["share"] = flops / gpu / bench.rate("float64")["best"]
    row["deviation"] = float(np.abs(np.subtract(found, expected)).max() / expected[0])
    print(f"{'deep, width':>16} {'cpu ms':>8} {'gpu ms':>8} {'x':>6} {'share':>6} {'':6} {'deviation':>9}")
    print(
        f"{m:16} {1e3 * cpu:8.3f} {1e3 * gpu:8.3f} {cpu / gpu:6.1f} {row['share']:6.0%} {'':6} {row['deviation']:9.1e}",
        flush=True,
    )
    return row


def proofs(bench):
    print(f"{'n':>6} {'cpu s':>8} {'gpu s':>8} {'x':>6} {'agree':>6} {'gap x':>6}  least eigenvalue")
    for n in (200,) if bench.small else bench.arguments.points:
        matrix = two_layer(bench_least_eigenvalue.data(n, 0), normalised=True)
        enclosures, times = [], []
        on_gpu = cholesky_on(str(bench.device))
        on_gpu(np.eye(2))  # loads the library
        for propose in (None, on_gpu):
            start = time.perf_counter()
            enclosures.append(least_eigenvalue(matrix.midpoint, matrix.radius, propose=propose))
            times.append(time.perf_counter() - start)
        ours, theirs = enclosures
        agree = ours.lower <= theirs.upper and theirs.lower <= ours.upper
        gap = (theirs.upper - theirs.lower) / (ours.upper - ours.lower)
        print(
            f"{n:6} {times[0]:8.2f} {times[1]:8.2f} {times[0] / times[1]:6.1f} {'yes' if agree else 'NO':>6} "
            f"{gap:6.2f}  [{theirs.lower!r}, {theirs.upper!r}]",
            flush=True,
        )
        yield {"n": n, "cpu": times[0], "gpu": times[1], "agree": agree, "gap": gap}
        if not agree:
            raise AssertionError(f"n = {n}: the enclosures {ours} and {theirs} do not meet")


PARTS = {"limits": limits, "training": training, "gram": gram, "proofs": proofs}


def without_nan(value):
    """The same for JSON, which knows no nan."""
    if isinstance(value, dict):
        return {name: without_nan(v) for name, v in value.items() if v == v}
    return [without_nan(v) for v in value] if isinstance(value, list) else value


def machine(device):
    name = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    return {
        "gpu": name,
        "cpu": next(iter(models), platform.processor()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=SYNCHRONISE, default="cuda")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--cases", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--widths", type=int, nargs="+", default=list(bench_sweep.WIDTHS))
    parser.add_argument("--points", type=int, nargs="+", default=[4000], help="sizes of the proofs' matrices")
    parser.add_argument("--budget", type=float, default=0.5, help="seconds of repeats for each time")
    parser.add_argument("--cpu-threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--small", action="store_true", help="sizes that show nothing, to try the program")
    parser.add_argument("--json", type=Path, help="where to write all numbers")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU here: --device cpu --small tries the program")
    torch.set_num_threads(arguments.cpu_threads)
    bench = Bench(arguments)
    report = {"machine": machine(arguments.device), "parts": {part: [] for part in arguments.parts}, "failures": {}}
    print(*(f"{name}: {value}" for name, value in report["machine"].items()), sep=", ", flush=True)
    for part in arguments.parts:
        print(f"\n{part}")
        start = time.perf_counter()
        try:
            report["parts"][part] += PARTS[part](bench)
        except Exception as error:  # the other parts are worth having
            traceback.print_exc()
            report["failures"][part] = f"{type(error).__name__}: {error}"
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(without_nan(report), indent=1))
    for part, failure in report["failures"].items():
        print(f"failed: {part}: {failure.splitlines()[0]}")
    sys.exit(bool(report["failures"]))


if __name__ == "__main__":
    main()
