"""The bound of the curvature that a replay uses."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb

from bounds.checker.network import matrix
from bounds.checker.trajectory import _curvature


@pytest.mark.parametrize("seed", range(8))
def test_the_curvature_of_every_neuron_is_bounded(seed: int) -> None:
    """H = sum_i p_i x_i x_i^T with |p_i| <= |r_i|, by numpy's spectra; the sharp bound within the fourth root of d."""
    generator = np.random.default_rng(seed)
    n, d, scale = 12, 4, 0.5
    X, r = generator.standard_normal((n, d)), generator.standard_normal(n)
    S = np.linalg.norm(scale * X, 2)
    args = matrix(X), [arb(v) for v in r], arb(scale), arb(S) * (1 + arb(2) ** -40)
    sharp, simple = float(_curvature(*args, width=4)), float(_curvature(*args, width=3))
    exact = np.linalg.norm(scale**2 * X.T @ np.diag(abs(r)) @ X, 2)
    assert exact * (1 - 1e-12) <= sharp <= min(simple, exact * d**0.25 * (1 + 1e-12))
    assert sharp < 0.9 * simple == pytest.approx(0.9 * S**2 * abs(r).max(), rel=1e-9)
    for _ in range(20):
        p = generator.uniform(-1, 1, n) * r
        assert np.linalg.norm(scale**2 * X.T @ np.diag(p) @ X, 2) <= sharp * (1 + 1e-12)
