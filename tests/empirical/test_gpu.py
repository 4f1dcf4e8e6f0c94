"""A run on a GPU is the run on the CPU up to rounding: the same weights are drawn, in float64 throughout."""

import numpy as np
import pytest

from empirical import gram_matrix, train
from empirical.networks import allenzhu2019, du2019_deep
from tests.empirical.cases import unit_rows


@pytest.mark.parametrize("trained", ["first", "both"])
def test_a_run_on_the_gpu_follows_the_run_on_the_cpu(cuda, trained):
    rng = np.random.default_rng(0)
    X, y = unit_rows(rng, 20, 10), rng.standard_normal(20)
    on_cpu, on_gpu = (
        train(X, y, width=500, step_size=0.2, steps=50, trained=trained, device=device) for device in ("cpu", str(cuda))
    )
    np.testing.assert_allclose(on_gpu.residual_norms, on_cpu.residual_norms, rtol=1e-10)
    for here, there in zip(on_cpu.observations, on_gpu.observations, strict=True):
        np.testing.assert_allclose(there.travel, here.travel, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        (du2019_deep.FullyConnected(width=300, depth=3), (20, 10)),
        (du2019_deep.ConvResNet(width=20, depth=3, pixels=12), (20, 2, 12)),
        (allenzhu2019.FullyConnected(width=300, depth=3, outputs=3), (20, 10)),
    ],
)
def test_gram_matrices_on_the_gpu_are_those_of_the_cpu(cuda, family, shape):
    X = np.random.default_rng(0).standard_normal(shape)
    network = family.draw(shape[1], seed=0)
    expected = gram_matrix(network, X)
    scale = np.abs(expected).max()
    assert np.abs(gram_matrix(network, X, device=str(cuda)) - expected).max() <= 1e-12 * scale
    assert np.abs(gram_matrix(network, X, device=str(cuda), dtype="float32") - expected).max() <= 1e-4 * scale
