"""Certificates after a polish: what they cost at millions of parameters, and how many polished runs they miss.

    python benchmarks/bench_certify.py
    python benchmarks/bench_certify.py --quick
    OMP_NUM_THREADS=1 python benchmarks/bench_certify.py --clock cpu    # where others keep the cores busy

Cost: networks of width 1024 and 100 inputs, convolutional ones and ten outputs, seconds to certify, to write and to
verify. Success: runs over data sets, depths, widths and seeds; *eligible* are those polished to a residual of 1e-12
whose least eigenvalue is at least 1e-6 of the largest, by plain float64 estimates; every eligible run should be
certified. The last lines go down in P/n, for two-layer networks of which only the first layer is trained, and for two
convolutions and a readout on digits.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from bounds import Problem, certify, verify
from bounds.certificates.convolution import Convolution
from bounds.certificates.polish import _Gradients, polish
from bounds.certificates.proving import Certificate
from bounds.certificates.record import write
from bounds.certificates.stack import Layer, Stack, two_layer


def deep(activation: str, d: int, width: int, depth: int, *, residual: bool) -> Stack:
    gain = 2 if activation == "relu" else 1
    skip = Fraction(1, depth) if residual else None
    layers = [Layer(d, width, Fraction(gain))]
    layers += [Layer(width, width, Fraction(gain, width), skip) for _ in range(depth - 1)]
    return Stack(activation, (*layers, Layer(width, 1, Fraction(1, width))))


def convolutional(
    activation: str, filters: tuple[int, ...], *, stride: int = 1, outputs: int = 1, residual: bool = False
) -> Stack:
    """Patches of 3 x 3 pixels of digits of 8 x 8."""
    gain, channels, size = 2 if activation == "relu" else 1, 1, (8, 8)
    layers: list[Layer] = []
    for count in filters:
        step = 1 if layers else stride
        seen = Convolution(channels, size, (3, 3), (step, step), (1, 1))
        units = count * int(np.prod(seen.positions))
        skip = Fraction(1, len(filters)) if residual and seen.inputs == units else None
        layers.append(Layer(seen.inputs, units, Fraction(gain, seen.patch), skip, convolution=seen))
        channels, size = count, seen.positions
    return Stack(activation, (*layers, Layer(units, outputs, Fraction(1, units))))


def draw(stack: Stack, seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    weights = {name: generator.standard_normal(shape) for name, shape in stack.shapes().items()}
    if stack.first_only:  # as many +1 as -1
        weights["layers.1.weight"] = np.where(np.arange(stack.output.inputs) % 2, -1.0, 1.0)[None, :]
    return weights


def several(d: int, width: int, outputs: int) -> Stack:
    first, second, last = deep("tanh", d, width, 2, residual=False).layers
    return Stack("tanh", (first, second, replace(last, outputs=outputs)))


def sphere(n: int, d: int, seed: int) -> Problem:
    generator = np.random.default_rng([seed, n, d])
    X = generator.standard_normal((n, d))
    return Problem(X / np.linalg.norm(X, axis=1)[:, None], generator.choice([-1.0, 1.0], n))


def digits(n: int, seed: int = 0) -> Problem:
    from empirical import load_data

    data = load_data("digits", n=n, seed=seed)
    return Problem(Problem(data.X, data.y).unit_rows, data.y)


def one_hot_digits(n: int) -> Problem:
    """+1 at the digit, -1 elsewhere."""
    from sklearn.datasets import load_digits

    data = load_digits()
    X = Problem(data.data[:n], data.target[:n].astype(np.float64)).unit_rows
    return Problem(X, np.where(data.target[:n, None] == np.arange(10), 1.0, -1.0))


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def cost(name: str, stack: Stack, problem: Problem, clock: Callable[[], float]) -> None:
    weights = polish(stack, draw(stack, 0), problem.X, problem.y)
    seconds = []
    for _ in range(3):
        start = clock()
        found = certify(weights, stack, problem)
        seconds.append(clock() - start)
    line = f"{name:34s} P {stack.parameters:8d}  certify {min(seconds):6.2f} s"
    if isinstance(found, Certificate):
        with tempfile.TemporaryDirectory() as folder:
            start = clock()
            path = write(found, Path(folder))
            written = clock()
            holds = verify(path).holds
            line += f"  write {written - start:5.2f} s  verify {clock() - written:6.2f} s: {holds}"
            line += f"  path {found.convergence.path.upper:.1e}  h {found.convergence.condition.upper:.1e}"
    else:
        line += f"  {found}"
    print(line, flush=True)


def success(name: str, stack: Stack, problems: list[Problem]) -> None:
    eligible = certified = missed = 0
    for seed, problem in enumerate(problems):
        weights = polish(stack, draw(stack, seed), problem.X, problem.y)
        now = _Gradients(stack, weights, problem.X)
        values = np.linalg.eigvalsh(now.gram())
        good = np.linalg.norm(now.outputs - problem.y.ravel()) <= 1e-12 and values[0] >= 1e-6 * values[-1]
        proved = isinstance(certify(weights, stack, problem), Certificate)
        eligible, certified, missed = eligible + good, certified + proved, missed + (good and not proved)
    print(
        f"{name:34s} {len(problems):3d} runs, {eligible:3d} eligible, {certified:3d} certified, {missed:3d} missed",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="no network wider than 64")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="what to count: wall clock or processor time")
    options = parser.parse_args()
    quick, clock = options.quick, CLOCKS[options.clock]
    many = [sphere(50, 20, seed) for seed in range(10)]
    if not quick:
        cost("ReLU ResNet H=5 m=1024, sphere", deep("relu", 64, 1024, 5, residual=True), sphere(100, 64, 0), clock)
        cost("tanh FC H=4 m=1024, digits", deep("tanh", 64, 1024, 4, residual=False), digits(100), clock)
        cost("ReLU ResNet H=6 m=1024, digits", deep("relu", 64, 1024, 6, residual=True), digits(100), clock)
        cost("tanh ResNet H=6 m=1024, digits", deep("tanh", 64, 1024, 6, residual=True), digits(100), clock)
    cost("tanh conv 16, digits", convolutional("tanh", (16,)), digits(100), clock)
    if not quick:
        cost("ReLU conv 16 16, digits", convolutional("relu", (16, 16)), digits(100), clock)
        cost("tanh conv ResNet 32 32 32, digits", convolutional("tanh", (32,) * 3, residual=True), digits(100), clock)
        cost("tanh conv 16 16, 10 outputs", convolutional("tanh", (16, 16), outputs=10), one_hot_digits(50), clock)
        cost("tanh FC H=2 m=256, 10 outputs", several(64, 256, 10), one_hot_digits(50), clock)
    for activation in ("tanh", "softplus", "relu"):
        for filters in ((8,), (8, 8), (8, 8, 8)):
            for residual in (False, True) if len(filters) > 1 else (False,):
                kind = "ResNet" if residual else "plain"
                stack = convolutional(activation, filters, residual=residual)
                success(
                    f"{activation} conv {kind} H={len(filters)} m=8, digits", stack, [digits(40, s) for s in range(5)]
                )
    for activation in ("tanh", "softplus", "gelu", "relu"):
        for depth, width in ((1, 64), (3, 32), (6, 16)):
            for residual in (False, True) if depth > 1 else (False,):
                kind = "ResNet" if residual else "FC"
                success(
                    f"{activation} {kind} H={depth} m={width}",
                    deep(activation, 20, width, depth, residual=residual),
                    many,
                )
    for activation in ("relu", "tanh", "erf"):
        for n, d in ((100, 10), (50, 50)):
            for width in dict.fromkeys(round(share * n / d) for share in (1.0, 1.3, 1.5, 2.0, 3.0, 4.0)):
                stack = two_layer(d, width, activation, centred=False)
                success(
                    f"{activation} two-layer, P/n {width * d / n:.2f}, n={n} d={d}",
                    stack,
                    [sphere(n, d, s) for s in range(5)],
                )
    for n in (60, 100, 140, 150, 154):
        stack = convolutional("tanh", (3, 3), stride=2)
        success(f"tanh conv 3 3, P/n {stack.parameters / n:.2f}, digits", stack, [digits(n, s) for s in range(5)])


if __name__ == "__main__":
    main()
