import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from bounds.doctor import check
from empirical import machine


def test_everything_holds_here():
    checks = [check(assumption) for assumption in machine.assumptions()]
    assert len(checks) == 4
    assert all(found.outcome == "holds" for found in checks), checks


def of(name):
    return next(assumption for assumption in machine.assumptions() if name in assumption.name)


def test_a_flushing_thread_fails():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        assert check(of("leaves")).outcome == "fails"
    finally:
        torch.set_flush_denormal(False)


def test_runs_that_differ_fail(monkeypatch):
    honest = machine._runs
    monkeypatch.setattr(machine, "_runs", lambda *seeds: honest(*(seed + len(seeds) for seed in seeds)))
    assert check(of("repeats")).outcome == "fails"


def test_products_in_float32_fail(monkeypatch):
    monkeypatch.setattr(machine, "multiply", lambda a, b: (a.astype(np.float32) @ b.astype(np.float32)).astype(float))
    with np.errstate(all="ignore"):
        assert check(of("float64")).outcome == "fails"


def test_tf32_is_noticed_and_allowed(monkeypatch):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    assert check(of("float32")).outcome == "allowed"
