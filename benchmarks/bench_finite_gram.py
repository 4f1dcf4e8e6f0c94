"""Gram matrices of finite networks: layerwise products against Jacobians and against the published algorithms.

    python benchmarks/bench_finite_gram.py
    python benchmarks/bench_finite_gram.py --neural-tangents PYTHON --nngeometry PYTHON --curvlinops PYTHON

All methods get the same weights and inputs. Each measurement runs in a process of its own, they take turns, and the
least time of the repeats counts; where other programs keep the cores busy, ``--clock cpu --threads 1`` still compares
the work. ``share`` is the arithmetic that is needed (of a symmetric product one half), divided by the time, over the
best rate of square products by any kernel in the same process: torch's (MKL's, and in float32 oneDNN's, which are
twice as fast on AMD's processors with AVX-512) and the package's own. ``of mm`` is the same over the rate of
``torch.mm``; ``of fma`` over that of fused multiplications in registers, on one thread, which no product reaches. These
rates are printed below each row. ``memory`` is the peak of resident memory above that before the first call. ``error``
is the largest entry of the difference to the layerwise float64 matrix, over its largest entry.

A PYTHON is an interpreter whose environment holds that library: neural-tangents 0.6.5 runs with jax and jaxlib
0.4.23, numpy 1.26.4, scipy 1.12.0 and tf2jax 0.3.6. Peers are given float32, their own default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
CASES = {"fully connected": (200, 64, 1024, 4), "residual": (200, 64, 1024, 4), "convolutional": (100, 3, 64, 4)}
"""Inputs, their dimension (or channels), width, depth; images have 8 x 8 pixels, filters 3 x 3."""

SQUARE = 1024
"""Side of the products whose rate is the measure."""

IN_A_ROW = 3
"""Calls of each function before the next has its turn, so that all are timed with their arrays in the caches."""

PEERS = ("neural-tangents", "nngeometry", "curvlinops")


def scales(width):
    """sqrt(c / m) of the tanh, and c_res / (H sqrt m) with c_res = 1/2 and H = 4."""
    return (2.5361754332174538 / width) ** 0.5, 0.125 / width**0.5


def draw(case, sizes=None):
    rng = np.random.default_rng(0)
    n, d, m, depth = sizes or CASES[case]
    columns = [d] + [m] * (depth - 1)
    if case == "convolutional":
        weights = [rng.standard_normal((m, c, 3, 3)) / (9 * c) ** 0.5 for c in columns]
        return [*weights, rng.standard_normal((1, m)) / m**0.5], rng.standard_normal((n, d, 8, 8))
    X = rng.standard_normal((n, d))
    weights = [rng.standard_normal((m, c)) for c in columns]
    return [*weights, rng.standard_normal((1, m))], X / np.linalg.norm(X, axis=1, keepdims=True)


def product_flops(case, sizes=None):
    """Multiplications and additions of the layerwise products: forward, backward, and half of the Gram matrices."""
    n, d, m, depth = sizes or CASES[case]
    if case == "convolutional":
        pixels, columns = 64, [9 * d] + [9 * m] * (depth - 1)
        passes = 2 * n * pixels * m * (sum(columns) + sum(columns[1:]))
        overlaps = [n * (n + 1) * pixels**2 * (m + c) for c in columns]
        jacobians = [2 * n * pixels * m * c + n * (n + 1) * m * c for c in columns]
        return passes + sum(map(min, overlaps, jacobians)) + n * (n + 1) * (m + 1)
    hidden = (depth - 1) * m * m
    grams = d + m + (depth - 1) * 2 * m + m + 1
    return 2 * n * (d * m + hidden + m) + 2 * n * (hidden + m) + n * (n + 1) * grams


def torch_module(case, weights):
    """The package's own families, and a module as a user would write it."""
    import torch
    from torch import nn

    if case != "convolutional":
        from empirical.networks.du2019_deep import FullyConnectedNetwork, ResidualNetwork

        *hidden, a = [torch.as_tensor(w) for w in weights]
        first, branch = scales(len(a[0]))
        if case == "residual":
            return ResidualNetwork(hidden, a, torch.tanh, first, branch, None)
        return FullyConnectedNetwork(hidden, a, torch.tanh, first)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            *filters, a = [torch.as_tensor(w) for w in weights]
            self.layers = nn.ModuleList(nn.Conv2d(w.shape[1], w.shape[0], 3, padding=1, bias=False) for w in filters)
            for layer, w in zip(self.layers, filters, strict=True):
                layer.weight = nn.Parameter(w)
            self.last = nn.Linear(a.shape[1], 1, bias=False)
            self.last.weight = nn.Parameter(a)

        def forward(self, X):
            first, *others = self.layers
            h = torch.tanh(first(X))
            for layer in others:
                h = torch.add(h, torch.tanh(layer(h)), alpha=0.5)
            return self.last(h.mean((2, 3)))[:, 0]

    return Network()


def jacobian_product(network, inputs, derivative):
    """J J^T by torch.func."""
    from torch.func import functional_call, vmap

    def f(p, x):
        return functional_call(network, p, (x[None],))[0]

    parameters = {name: p.detach() for name, p in network.named_parameters()}
    rows = vmap(derivative(f), (None, 0))(parameters, inputs)
    return sum(r.flatten(1) @ r.flatten(1).T for r in rows.values())


def fused_multiplications(itemsize):
    """A function that does 2 SQUARE^3 operations in registers alone, or None where there are no vectors of them."""
    from empirical.machine_code import INTEGER, Emitter, vector_bytes

    if vector_bytes() is None:
        return None
    sums = 24 if vector_bytes() == 64 else 12  # enough to hide how long each takes
    emit = Emitter(itemsize, vector_bytes() // itemsize)
    (array,), (steps,), _ = emit.begin("fused", arrays=1, sizes=1)
    x = emit.load(array, INTEGER(0))
    for s in emit.loop(steps, 1, lambda i, values: [emit.fma(x, x, v) for v in values], [x] * sums):
        emit.store(s, array, INTEGER(0))
    emit.builder.ret_void()
    (run,), engine = emit.compiled()
    numbers = np.zeros(64)
    return lambda engine=engine: run(numbers.ctypes.data, SQUARE**3 // (sums * emit.lanes))


def prepare(method, case, dtype):
    """The function to be timed, which returns the Gram matrix, and others of 2 SQUARE^3 operations (or none)."""
    weights, X = (draw(case)[0], draw(case)[1].astype(dtype))
    weights = [w.astype(dtype) for w in weights]
    if method == "neural-tangents":
        return prepare_neural_tangents(case, weights, X, dtype), {}
    import torch

    network = torch_module(case, weights)
    inputs = torch.as_tensor(X)
    if method == "layerwise":
        from empirical import gram_matrix
        from empirical.products import product

        a, b, c = (torch.rand(SQUARE, SQUARE, dtype=inputs.dtype) for _ in range(3))
        rates = {"mm": lambda: torch.mm(a, b, out=c), "own": lambda: product(a, b)}
        if dtype == "float32" and torch.backends.mkldnn.is_available():
            laid_out = a.to_mkldnn()
            rates["oneDNN"] = lambda: torch.nn.functional.linear(laid_out, b)
        if fused := fused_multiplications(inputs.itemsize):
            rates["fma"] = fused
        return lambda: gram_matrix(network, inputs), rates
    if method.startswith("vmap"):
        from torch.func import grad, jacrev

        derivative = jacrev if "jacrev" in method else grad
        return lambda: jacobian_product(network, inputs, derivative).numpy(), {}
    if method == "nngeometry":
        from nngeometry.backend import TorchHooksJacobianBackend
        from nngeometry.object import FMatDense

        backend = TorchHooksJacobianBackend(network, function=lambda x, _: network(x)[:, None])
        loader = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(inputs, inputs[:, :1]), batch_size=len(inputs), shuffle=False
        )
        return lambda: FMatDense(generator=backend, examples=loader).data[0, :, 0].detach().numpy(), {}
    from curvlinops import JacobianLinearOperator, TransposedJacobianLinearOperator

    data = [(inputs, inputs.new_zeros(len(inputs)))]
    arguments = (network, list(network.parameters()), data)

    def by_vectors():
        J = JacobianLinearOperator(*arguments, check_deterministic=False)
        transposed = TransposedJacobianLinearOperator(*arguments, check_deterministic=False)
        return (J @ (transposed @ torch.eye(len(inputs), dtype=inputs.dtype))).detach().numpy()

    return by_vectors, {}


def prepare_neural_tangents(case, weights, X, dtype):
    import jax
    import jax.numpy as jnp
    import neural_tangents as nt

    jax.config.update("jax_enable_x64", dtype == "float64")

    def f(weights, X):
        *hidden, a = weights
        first, branch = scales(len(hidden[0]))
        h = X
        for k, w in enumerate(hidden):
            if case == "convolutional":
                s = jnp.tanh(jax.lax.conv_general_dilated(h, w, (1, 1), "SAME"))
                h = s if k == 0 else h + 0.5 * s
            else:
                s = jnp.tanh(jax.lax.dot_general(h, w, (((1,), (1,)), ((), ()))))
                h = h + branch * s if case == "residual" and k > 0 else first * s
        h = h.mean((2, 3)) if case == "convolutional" else h
        return jax.lax.dot_general(h, a, (((1,), (1,)), ((), ())))

    kernel = nt.empirical_ntk_fn(f, vmap_axes=0, implementation=nt.NtkImplementation.STRUCTURED_DERIVATIVES)
    compiled = jax.jit(lambda p, x: kernel(x, None, p))
    p, x = [jnp.asarray(w) for w in weights], jnp.asarray(X)
    return lambda: np.asarray(compiled(p, x))


def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) * 1024


def measure(method, case, dtype, clock, budget):
    run, rates = prepare(method, case, dtype)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    start = time.perf_counter()
    gram = run()
    memory = resident("VmHWM") - before
    least = dict.fromkeys([None, *rates], float("inf"))
    while time.perf_counter() - start < budget or least[None] == float("inf"):
        for name in [name for name in least for _ in range(IN_A_ROW)]:
            begin = clock()
            rates.get(name, run)()
            least[name] = min(least[name], clock() - begin)
    peaks = {name: 2 * SQUARE**3 / least[name] for name in rates}
    return gram, {"seconds": least[None], "memory": memory, "peaks": peaks}


def child(method, case, dtype, arguments):
    python = getattr(arguments, method.replace("-", "_"), None) or sys.executable
    threads = {}
    if arguments.threads:
        threads = {name: str(arguments.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        threads["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads={arguments.threads}"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "gram.npy"
        command = [python, __file__, "--measure", method, case, dtype, str(target), "--clock", arguments.clock]
        command += ["--budget", str(arguments.budget)]
        root = str(Path(__file__).resolve().parent.parent)
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | threads | {"PYTHONPATH": root}, check=False
        )
        if done.returncode:
            return None, {"failure": done.stderr.strip().splitlines()[-1][:100]}
        return np.load(target), json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of repetition inside one process")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--threads", type=int, help="of every library; default: its own choice")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    for peer in PEERS:
        parser.add_argument(f"--{peer}", metavar="PYTHON")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        method, case, dtype, target = arguments.measure
        gram, result = measure(method, case, dtype, CLOCKS[arguments.clock], arguments.budget)
        np.save(target, gram.reshape(len(gram), -1))
        print(json.dumps(result))
        return
    peers = [peer for peer in PEERS if getattr(arguments, peer.replace("-", "_"))]
    columns = f"{'seconds':>9} {'x':>7} {'MB':>7} {'share':>6} {'of mm':>6} {'of fma':>6} {'error':>9}"
    print(f"{'network':16} {'dtype':8} {'method':16} {columns}")
    for case in arguments.cases:
        reference = None
        for dtype in ("float64", "float32"):
            methods = ["layerwise", "vmap(jacrev)", "vmap(grad)", *(peers if dtype == "float32" else ())]
            results: dict[str, dict] = {}
            for _ in range(arguments.repeats):
                for method in methods:
                    if "failure" in results.get(method, {}):
                        continue
                    gram, result = child(method, case, dtype, arguments)
                    if method == "layerwise" and dtype == "float64":
                        reference = gram
                    if gram is not None:
                        result["error"] = float(np.abs(gram - reference).max() / np.abs(reference).max())
                    if method not in results or result["seconds"] < results[method]["seconds"]:
                        results[method] = result
            for method, result in results.items():
                if "failure" in result:
                    print(f"{case:16} {dtype:8} {method:16} {result['failure']}")
                    continue
                ratio = result["seconds"] / results["layerwise"]["seconds"]
                shares, peaks = ("", "", ""), result["peaks"]
                if peaks:
                    best = max(rate for name, rate in peaks.items() if name != "fma")
                    measures = (best, peaks["mm"], peaks.get("fma", float("nan")))
                    shares = tuple(f"{product_flops(case) / result['seconds'] / measure:.0%}" for measure in measures)
                print(
                    f"{case:16} {dtype:8} {method:16} {result['seconds']:9.4f} {ratio:7.1f} "
                    f"{result['memory'] / 1e6:7.0f} {shares[0]:>6} {shares[1]:>6} {shares[2]:>6} "
                    f"{result['error']:9.1e}",
                    flush=True,
                )
                if peaks:
                    print(" " * 25, "GF/s:", ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in peaks.items()))


if __name__ == "__main__":
    main()
