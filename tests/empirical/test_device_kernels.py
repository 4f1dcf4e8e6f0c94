"""The source that GPUs compile, against stacked products: here as C++ with a thread for each of theirs, or on a GPU."""

import contextlib
import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from empirical import device_kernels
from empirical.batches import Batch
from empirical.device_kernels import THREADS, DeviceKernel, blocks_of, device_kernel, words_of
from empirical.networks import initial_network
from empirical.steps import DeviceSteps, StackedSteps

HARNESS = """
#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstddef>
#include <thread>
#include <vector>
#define __global__
#define __launch_bounds__(n)
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
using std::fma;
using std::min;
struct Index { unsigned x, y; };
static thread_local Index threadIdx;
static Index blockIdx, gridDim;
static std::barrier<> *together;
static void __syncthreads() { together->arrive_and_wait(); }
#include SOURCE

template <class F> static void launch(unsigned blocks, unsigned networks, F work)
{
    gridDim = {blocks, networks};
    for (unsigned b = 0; b < blocks * networks; b++) {
        blockIdx = {b % blocks, b / blocks};
        std::barrier<> all(THREADS);
        together = &all;
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < THREADS; t++)
            threads.emplace_back([=] { threadIdx = {t, 0}; work(); });
        for (auto &thread : threads)
            thread.join();
    }
}

extern "C" void run_forward(unsigned blocks, unsigned networks, const double *w, const double *a, const double *x,
                            unsigned *bits, double *sums, int m, int n)
{
    launch(blocks, networks, [=] { forward(w, a, x, bits, sums, m, n); });
}

extern "C" void run_descend(unsigned blocks, unsigned networks, double *w, double *a, const double *x,
                            const unsigned *bits, const double *e, int m, int n, double first, double outer)
{
    launch(blocks, networks, [=] { descend(w, a, x, bits, e, m, n, first, outer); });
}
"""


@functools.cache
def emulated(dimension):
    """The kernel for the CPU, by a compiler of C++20."""
    compiler = shutil.which("g++")
    if not compiler:
        pytest.skip("no compiler emulates the kernel on this machine")
    source = Path(device_kernels.__file__).with_suffix(".cu")
    with tempfile.TemporaryDirectory() as folder:
        library, words = Path(folder) / "emulated.so", words_of(dimension)
        options = ["-std=c++20", "-O1", "-pthread", "-shared", "-fPIC", "-Wno-unknown-pragmas", f"-DWORDS={words}"]
        command = [compiler, *options, f"-DD={dimension}", f'-DSOURCE="{source}"', "-x", "c++", "-", "-o", str(library)]
        done = subprocess.run(command, input=HARNESS, text=True, capture_output=True)
        if "std=c++20" in done.stderr or "barrier: No such file" in done.stderr:
            pytest.skip("the compiler of this machine is too old to emulate the kernel")
        assert done.returncode == 0, done.stderr
        code = ctypes.CDLL(str(library))

    def half(function):
        def launch(*, grid, block, args):
            assert block == (THREADS, 1, 1)
            kinds = {torch.Tensor: lambda t: ctypes.c_void_p(t.data_ptr()), int: ctypes.c_int, float: ctypes.c_double}
            function(*grid[:2], *(kinds[type(argument)](argument) for argument in args))

        return launch

    return DeviceKernel(words, half(code.run_forward), half(code.run_descend))


@pytest.fixture(params=["emulated", "cuda"])
def steps(request, monkeypatch):
    """Makes the steps that are tested."""
    if request.param == "cuda":
        where = request.getfixturevalue("cuda")
        return lambda *arguments: DeviceSteps(
            *arguments, str(where), device_kernel(where, arguments[0].shape[1], arguments[4])
        )
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    return lambda *arguments: DeviceSteps(*arguments, "cpu", emulated(arguments[0].shape[1]))


def draws(width, dimension, count):
    return [initial_network(width, dimension, seed) for seed in range(count)]


@pytest.mark.parametrize(
    ("n", "d", "width"), [(20, 10, 32), (7, 1, 17), (130, 3, 1), (31, 32, 130), (3, 10, 800), (1, 3, 1025)]
)
@pytest.mark.parametrize("trained", ["first", "both"])
def test_steps_are_those_of_stacked_products(steps, n, d, width, trained):
    rng = np.random.default_rng(n)
    X, y = np.asfortranarray(rng.standard_normal((n, d)) / np.sqrt(d)), rng.standard_normal(n)
    tested = steps(X, y, draws(width, d, 3), 3, width, trained)
    stacked = StackedSteps(X, y, draws(width, d, 3), 3, width, trained, "cpu")
    for _ in range(3):
        torch.testing.assert_close(tested.forward().cpu(), stacked.forward(), rtol=0, atol=1e-11)
        torch.testing.assert_close(tested.residuals.cpu(), stacked.residuals[:, :n], rtol=0, atol=1e-11)
        for position in range(3):
            one, other = tested.network(position), stacked.network(position)
            torch.testing.assert_close(one.weights.cpu(), other.weights, rtol=0, atol=1e-11)
            torch.testing.assert_close(one.signs.cpu(), other.signs, rtol=0, atol=1e-11)
            sure = (torch.as_tensor(X) @ other.weights.T).abs() > 1e-10  # else the last bit decides
            found = tested.patterns(position)
            assert found.shape == sure.shape and torch.equal(found[sure], stacked.patterns(position)[sure])
        tested.descend(0.01)
        stacked.descend(0.01)
    assert torch.equal(tested.network(0).signs.abs().cpu(), torch.ones(width).double()) == (trained == "first")


def test_a_block_takes_several_parts_where_partial_sums_would_take_too_much(steps, monkeypatch):
    n, d, width = 5, 10, 2000
    X, y = np.random.default_rng(0).standard_normal((n, d)), np.ones(n)
    monkeypatch.setattr("empirical.steps.blocks_of", lambda *_: 2)
    few = steps(X, y, draws(width, d, 2), 2, width, "first")
    monkeypatch.undo()
    assert blocks_of(2, width, n, d) == -(-width // (32 * words_of(d))) > 2
    stacked = StackedSteps(X, y, draws(width, d, 2), 2, width, "first", "cpu")
    if few.residuals.is_cpu:
        monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    torch.testing.assert_close(few.forward().cpu(), stacked.forward(), rtol=0, atol=1e-11)


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (100, 8192, 100, 10), (1, 10**8, 100, 10), (3, 10**6, 20_000, 32)])
def test_partial_sums_take_little_memory_and_leave_no_block_idle(size):
    networks, width, points, dimension = size
    words, blocks = words_of(dimension), blocks_of(networks, width, points, dimension)
    parts = -(-width // (32 * words))
    assert 1 <= blocks <= parts
    assert networks * blocks <= max(1024, 2**25 // (words * points)) or blocks == 1
    assert -(-parts // blocks) * (blocks - 1) < parts  # each has one at least


def test_a_neuron_on_its_kink_is_active(steps):
    network = initial_network(3, 2, 0)
    network.weights[:] = torch.tensor([[0.0, 0.0], [-0.0, -0.0], [0.0, -1.0]])
    X = np.array([[1.0, 0.0], [0.0, 1.0]])
    tested = steps(X, np.ones(2), [network], 1, 3, "first")
    tested.forward()
    assert tested.patterns(0).tolist() == [[True, True, True], [True, True, False]]


def test_what_is_not_finite_reaches_the_norm_and_stays_with_its_network(steps):
    networks = draws(40, 2, 3)
    networks[1].weights[5, 0] = float("nan")
    tested = steps(np.eye(2), np.ones(2), networks, 3, 40, "both")
    for _ in range(3):
        assert torch.isfinite(tested.forward()).tolist() == [True, False, True]
        tested.descend(0.1)


def test_networks_are_kept_and_none_are_no_work(steps):
    X = np.random.default_rng(1).standard_normal((6, 3))
    tested = steps(X, np.ones(6), draws(50, 3, 3), 3, 50, "both")
    tested.forward()
    tested.descend(0.1)
    tested.keep([2, 0])
    alone = steps(X, np.ones(6), draws(50, 3, 3)[2:], 1, 50, "both")
    alone.forward()
    alone.descend(0.1)
    assert torch.equal(tested.network(0).weights, alone.network(0).weights)  # the same bits beside others
    assert torch.equal(tested.forward()[:1], alone.forward())
    tested.keep([])
    tested.descend(0.1)
    assert tested.forward().shape == (0,)


@pytest.mark.parametrize(
    ("device", "dimension", "width", "taken"),
    [
        ("cuda:1", 32, 2**31 - 1, (1, 32)),
        ("cuda", 3, 8, (7, 3)),  # the kernel belongs to one GPU
        ("cuda", 33, 8, None),
        ("cuda", 1, 2**31, None),  # else its size would wrap around
        ("cpu", 3, 8, None),
    ],
)
def test_the_kernel_is_for_one_gpu_and_sizes_that_it_can_count(monkeypatch, device, dimension, width, taken):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 7)
    monkeypatch.setattr(device_kernels, "_compiled", lambda *which: which)
    assert device_kernel(torch.device(device), dimension, width) == taken


def test_a_gpu_takes_the_kernel_where_inputs_fit_its_registers(cuda):
    kinds = {d: type(Batch(np.eye(d), np.ones(d), 5, [1], device=str(cuda))._steps) for d in (3, 33)}
    assert kinds == {3: DeviceSteps, 33: StackedSteps}
