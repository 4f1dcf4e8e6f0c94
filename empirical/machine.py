"""What runs assume of torch, each with its test; no proof rests on it, but proofs share its process."""

from __future__ import annotations

import msgspec
import numpy as np
import torch

from bounds.doctor import Assumption, Finding
from bounds.doctor.elementwise import this_thread
from bounds.doctor.products import exact_products
from bounds.linalg.rounding import FloatArray
from empirical.training import Run, train_seeds


def assumptions() -> tuple[Assumption, ...]:
    """Everything that runs assume of torch."""
    return (
        Assumption(
            "torch leaves this thread's arithmetic alone",
            "rounding mode and subnormal numbers once more, after torch has trained",
            "every proof in a process that also trains",
            "remove torch.set_flush_denormal, and libraries that torch loads and that set it",
            _after_training,
        ),
        Assumption(
            "torch repeats itself",
            "one seed trained by itself, and again beside another",
            "a stored run stands for every later one with the same specification",
            "set one thread (OMP_NUM_THREADS=1), or use another build of torch",
            repeats,
        ),
        Assumption(
            "torch multiplies float64 in float64",
            "integers scaled along rows, columns and inner index, to the bit",
            "measured losses and Gram matrices",
            "use another build of torch",
            lambda: exact_products(multiply),
        ),
        Assumption(
            "torch multiplies float32 in float32",
            "torch.get_float32_matmul_precision()",
            "nothing: runs and proofs are in float64",
            "torch.set_float32_matmul_precision('highest')",
            float32_precision,
        ),
    )


def multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    """A product of numpy arrays by torch."""
    product: FloatArray = (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()
    return product


def repeats() -> Finding:
    """Train a seed by itself and beside another, and compare every recorded number."""
    alone, beside = _runs(1), _runs(0, 1)
    if msgspec.json.encode(alone[-1]) == msgspec.json.encode(beside[-1]):
        return Finding("holds", "every recorded number agrees to the bit")
    return Finding("fails", "two runs of the same specification differ")


def float32_precision() -> Finding:
    """Whether float32 products may use TF32 or bfloat16."""
    precision = torch.get_float32_matmul_precision()
    return Finding("holds" if precision == "highest" else "allowed", f"precision {precision!r}")


def _after_training() -> Finding:
    _runs(0)
    return this_thread()


def _runs(*seeds: int) -> list[Run]:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 8)), rng.standard_normal(40)
    return train_seeds(X, y, width=256, step_size=1e-3, steps=20, seeds=seeds)
