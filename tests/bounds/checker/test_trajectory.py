"""The bound of the curvature that a replay uses."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb

from bounds.checker.network import activations, matrix
from bounds.checker.trajectory import _curvature, _jets


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12)])
def test_the_curvature_of_every_neuron_is_bounded(seed: int, n: int, d: int) -> None:
    """H = sum_i p_i x_i x_i^T with |p_i| <= |r_i|, by numpy's spectra; the bound is within the eighth root of d."""
    generator = np.random.default_rng(seed)
    X, r = generator.standard_normal((n, d)), 10.0 ** generator.uniform(-40, 3) * generator.standard_normal(n)
    S = np.linalg.norm(X, 2)
    found = float(_curvature(matrix(X), [arb(v) for v in r], arb(S) * (1 + arb(2) ** -40)))
    exact = np.linalg.norm(X.T @ np.diag(abs(r)) @ X, 2)
    simple = S**2 * abs(r).max()
    assert exact * (1 - 1e-12) <= found <= min(simple, exact * min(n, d) ** 0.125) * (1 + 1e-5)
    assert found < 0.95 * simple
    for _ in range(20):
        p = generator.uniform(-1, 1, n) * r
        assert np.linalg.norm(X.T @ np.diag(p) @ X, 2) <= found * (1 + 1e-12)
    assert _curvature(matrix(X), [arb(0)] * n, arb(S)) < 1e-300


@pytest.mark.parametrize("exponent", [-1000, -270, 270])
def test_the_curvature_scales_with_the_inputs(exponent: int) -> None:
    """Its fourth power would leave the range of float64; so would inputs beside large residuals of others."""
    X, r = np.random.default_rng(0).standard_normal((3, 4)), [arb(1), arb(-2), arb(3)]
    scale, S = arb(2) ** exponent, arb(np.linalg.norm(X, 2)) * 2
    plain, scaled = _curvature(matrix(X), r, S), _curvature(matrix(X) * scale, r, S * scale)
    assert plain / scale**-2 * (1 - arb(2) ** -30) <= scaled
    apart = _curvature(matrix(np.diag([1.0, 1e150])), [arb(2) ** 600, arb(2) ** -1100], arb(10) ** 151)
    assert apart >= arb(2) ** 600


@pytest.mark.parametrize("activation", ["tanh", "erf", "softplus", "gelu", "sigmoid", "silu"])
def test_slopes_are_those_of_the_network(activation: str) -> None:
    kind = activations()[activation]
    z = [arb(k) / 7 for k in range(-40, 41)]
    for v, value, slope in zip(z, *_jets(kind, z), strict=True):
        assert value.overlaps(kind.value(v)) and slope.overlaps(kind.slope(v))
        assert slope.rad() < arb(2) ** -40
