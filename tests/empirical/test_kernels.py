"""The compiled steps against stacked products, for vectors of either width."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from empirical.batches import Batch
from empirical.kernels import compiled, kernel
from empirical.networks import initial_network
from empirical.steps import FusedSteps, StackedSteps
from tests.empirical.cases import problems

pytestmark = pytest.mark.skipif(kernel() is None, reason="this processor has no fused multiplication of vectors")
lanes, trained_layers = st.sampled_from([4, 8]), st.sampled_from(["first", "both"])


def both_ways(X, y, width, count, trained, vector):
    draws = [[initial_network(width, X.shape[1], seed) for seed in range(count)] for _ in range(2)]
    fused = FusedSteps(X, y, draws[0], count, width, trained, compiled(vector))
    return fused, StackedSteps(X, y, draws[1], count, width, trained, "cpu")


def assert_alike(fused, stacked, X):
    n = len(X)
    torch.testing.assert_close(fused.residuals[:, :n], stacked.residuals[:, :n], rtol=0, atol=1e-11)
    for position in range(len(fused.residuals)):
        one, other = fused.network(position), stacked.network(position)
        torch.testing.assert_close(one.weights, other.weights, rtol=0, atol=1e-11)
        torch.testing.assert_close(one.signs, other.signs, rtol=0, atol=1e-11)
        sure = (torch.as_tensor(X) @ one.weights.T).abs() > 1e-10  # else the last bit decides
        found = fused.patterns(position)
        assert found.shape == sure.shape and found.dtype == torch.bool
        assert torch.equal(found[sure], stacked.patterns(position)[sure])


@given(problems(), st.integers(1, 40), st.integers(1, 3), trained_layers, lanes)
@settings(max_examples=80, deadline=None)
def test_steps_are_those_of_stacked_products(problem, width, count, trained, vector):
    X, y = problem
    fused, stacked = both_ways(X, y, width, count, trained, vector)
    for _ in range(4):
        torch.testing.assert_close(fused.forward(), stacked.forward(), rtol=0, atol=1e-11)
        assert_alike(fused, stacked, X)
        margins = [(torch.as_tensor(X) @ fused.network(p).weights.T).abs().min() for p in range(count)]
        if min(margins) < 1e-10:  # a neuron on its kink goes either way
            return
        fused.descend(0.05)
        stacked.descend(0.05)


@pytest.mark.parametrize("vector", [4, 8])
@pytest.mark.parametrize(("n", "d", "width"), [(100, 10, 32), (7, 1, 17), (31, 64, 130), (5, 5, 1)])
@pytest.mark.parametrize("trained", ["first", "both"])
def test_sizes_of_every_remainder(n, d, width, trained, vector):
    rng = np.random.default_rng(n)
    X, y = np.asfortranarray(rng.standard_normal((n, d)) / np.sqrt(d)), rng.standard_normal(n)
    fused, stacked = both_ways(X, y, width, 3, trained, vector)
    for _ in range(20):
        fused.forward(), stacked.forward()
        fused.descend(0.01), stacked.descend(0.01)
    fused.forward(), stacked.forward()
    assert_alike(fused, stacked, X)
    assert torch.equal(fused.network(0).signs.abs(), torch.ones(width, dtype=torch.float64)) == (trained == "first")


@pytest.mark.parametrize("vector", [4, 8])
def test_a_neuron_on_its_kink_is_active(vector):
    network = initial_network(3, 2, 0)
    network.weights[:] = torch.tensor([[0.0, 0.0], [-0.0, -0.0], [0.0, -1.0]])
    X = np.array([[1.0, 0.0], [0.0, 1.0]])
    fused = FusedSteps(X, np.ones(2), [network], 1, 3, "first", compiled(vector))
    fused.forward()
    assert fused.patterns(0).tolist() == [[True, True, True], [True, True, False]]


@pytest.mark.parametrize("vector", [4, 8])
def test_what_is_not_finite_reaches_the_norm_and_stays_with_its_network(vector):
    networks = [initial_network(20, 2, seed) for seed in range(3)]
    networks[1].weights[5, 0] = float("nan")
    fused = FusedSteps(np.eye(2), np.ones(2), networks, 3, 20, "both", compiled(vector))
    for _ in range(3):
        assert torch.isfinite(fused.forward()).tolist() == [True, False, True]
        fused.descend(0.1)


def test_no_networks_are_no_work():
    batch = Batch(np.eye(3), np.ones(3), 5, [1, 2])
    batch.forward()
    batch.keep([])
    batch.descend(0.1)
    assert batch.forward().shape == (0,)


def test_the_cpu_takes_the_kernel():
    assert isinstance(Batch(np.eye(3), np.ones(3), 5, [1])._steps, FusedSteps)
