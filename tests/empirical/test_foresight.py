"""What is foreseen is what happens, and what would not fit is refused with the size that does."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from empirical import foresight, train
from empirical.foresight import (
    MemoryForeseen,
    amount,
    available_bytes,
    device_bytes,
    require_memory,
    seeds_that_fit,
    training_bytes,
)
from empirical.training import train_seeds

SHAPES = {"points": 50, "dimension": 10, "steps": 100, "batches": 1, "side_by_side": 2, "seeds": 4}

PEAK = """
import re, sys
from pathlib import Path
import numpy as np, torch
from empirical.training import train_seeds

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

torch.set_num_threads(1)
n, d, width, steps, seeds = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
X, y = rng.standard_normal((n, d)) / d**0.5, rng.standard_normal(n)
train_seeds(X[:9], y[:9], width=2, step_size=1e-3, steps=3, seeds=[0])
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = peak()
train_seeds(X, y, width=width, step_size=1e-3, steps=steps, seeds=range(seeds))
print(peak() - before)
"""


@pytest.mark.parametrize(
    ("n", "d", "width", "steps", "seeds", "side_by_side"),
    [
        (50, 64, 100_000, 2, 1, 1),
        (1500, 10, 20, 1, 1, 1),
        (10, 10, 32, 40_000, 20, 20),
        (50, 64, 10_000, 100, 4, 1),
        (300, 784, 4000, 5, 2, 1),
    ],
    ids=["wide", "many points", "long", "one after another", "middle"],
)
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak is read from /proc")
def test_the_peak_of_a_training_is_foreseen(n, d, width, steps, seeds, side_by_side):
    command = [sys.executable, "-c", PEAK, *map(str, (n, d, width, steps, seeds))]
    measured = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    foreseen = training_bytes(n, d, width, steps, batches=1, side_by_side=side_by_side, seeds=seeds)
    assert 0.93 * measured <= foreseen <= 2.5 * measured  # too little would let a run begin that does not fit


@given(st.integers(1, 10**7), st.integers(0, 10**10))
def test_the_width_that_is_said_to_fit_is_the_largest_that_does(width, free):
    def needed(m):
        return training_bytes(50, 10, m, 100, batches=1, side_by_side=2, seeds=4)

    try:
        require_memory(width=width, available=free, **SHAPES)
    except MemoryForeseen as refusal:
        assert needed(width) > free
        fits = re.search(r"at most width (\d+) fits", str(refusal))
        if fits:
            assert needed(int(fits[1])) <= free < needed(int(fits[1]) + 1)
        else:
            assert needed(1) > free
    else:
        assert needed(width) <= free


@given(st.integers(1, 500), st.integers(1, 100), st.integers(1, 10**5), st.integers(10**9, 10**11))
def test_a_gpu_takes_as_many_seeds_as_fit_it(n, d, width, free):
    def needed(count):
        return device_bytes(n, d, width, 100, side_by_side=count, device="cuda")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foresight, "available_bytes", lambda device: free)
        count = seeds_that_fit(n, d, width, 100, "cuda")
    assert (needed(count + 1) > free or count == 2**16 - 1) and (count == 1 or needed(count) <= free)


def test_what_does_not_fit_a_gpu_is_refused_with_the_width_that_does():
    free = 10**9
    with pytest.raises(MemoryForeseen, match=r"at most width (\d+) fits") as refusal:
        require_memory(width=10**7, available=free, device="cuda", **SHAPES)
    fits = int(re.search(r"width (\d+) fits", str(refusal.value))[1])
    needed = [device_bytes(50, 10, width, 100, side_by_side=2, device="cuda") for width in (fits, fits + 1)]
    assert needed[0] <= free < needed[1]


@pytest.mark.parametrize(
    ("n", "d", "width", "seeds"), [(100, 10, 8192, 20), (50, 784, 1024, 20), (1000, 10, 20_000, 1)]
)
def test_the_peak_of_a_training_on_a_gpu_is_foreseen(cuda, n, d, width, seeds):
    X, y = np.random.default_rng(0).standard_normal((n, d)) / d**0.5, np.ones(n)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    train_seeds(X, y, width=width, step_size=0.1, steps=20, seeds=range(seeds), device=str(cuda))
    measured = torch.cuda.max_memory_allocated() - before
    foreseen = device_bytes(n, d, width, 20, side_by_side=seeds, device=str(cuda))
    assert measured <= foreseen <= 3 * measured + 2**30


def test_too_long_a_run_is_told_the_steps_that_fit():
    with pytest.raises(MemoryForeseen, match=r"at most \d+ steps of 4 seeds fit"):
        require_memory(width=10, available=10**7, **{**SHAPES, "steps": 10**9})


def test_a_run_that_would_not_fit_is_refused_before_it_is_begun(monkeypatch):
    monkeypatch.setattr("empirical.training.Batch", None)
    X, y = np.eye(4), np.ones(4)
    with pytest.raises(MemoryForeseen, match="are free: at most width"):
        train(X, y, width=10**10, step_size=0.1, steps=3)


def test_the_free_memory_is_that_of_the_machine_or_its_control_group(monkeypatch):
    files = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 7000 kB\n"}
    monkeypatch.setattr(foresight, "_text", lambda path: files.get(path, ""))
    assert available_bytes() == 7000 * 1024
    files |= {"/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory.current": "5000\n"}
    assert available_bytes() == 7000 * 1024
    files |= {"/sys/fs/cgroup/memory.max": "6000\n", "/sys/fs/cgroup/memory.stat": "anon 1\nfile 300\n"}
    assert available_bytes() == 1300


def test_amounts_read_as_people_write_them():
    assert [amount(b) for b in (0, 999, 1000, 21_500_000, 3.2e15)] == ["0 B", "999 B", "1 kB", "21.5 MB", "3.2 PB"]
