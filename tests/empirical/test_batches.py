"""Seeds trained side by side are trained as if each were alone, bit for bit."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from empirical.batches import Batch, in_parallel, split_seeds
from empirical.networks import BLOCK_ENTRIES, TwoLayerNetwork, initial_network
from tests.empirical.cases import problems

trained_layers = st.sampled_from(["first", "both"])


def norms(X, y, width, seeds, steps, trained, drop=None):
    """Residual norms (steps, seeds); halfway the seed at position ``drop`` is dropped."""
    batch = Batch(X, y, width, seeds, trained=trained)
    rows = []
    for k in range(steps):
        rows.append(batch.forward().clone())
        if drop is not None and k == steps // 2:
            batch.keep([p for p in range(len(seeds)) if p != drop])
            drop = None
        batch.descend(0.4)
    return rows, batch


@given(problems(), st.integers(1, 20), st.lists(st.integers(0, 2**40), min_size=2, max_size=6), trained_layers)
@settings(max_examples=60)
def test_a_batch_is_bit_for_bit_its_seeds_alone(problem, width, seeds, trained):
    X, y = problem
    together, batch = norms(X, y, width, seeds, 8, trained)
    for position, seed in enumerate(seeds):
        alone, single = norms(X, y, width, [seed], 8, trained)
        # bit for bit, and nan for nan where a run diverges
        np.testing.assert_array_equal([row[position] for row in together], [row[0] for row in alone])
        np.testing.assert_array_equal(batch.network(position).weights, single.network(0).weights)
        np.testing.assert_array_equal(batch.network(position).signs, single.network(0).signs)


@pytest.mark.parametrize(("n", "d", "width"), [(50, 10, 33), (50, 64, 100), (51, 9, 250), (50, 10, 3), (100, 20, 6)])
@pytest.mark.parametrize("trained", ["first", "both"])
@pytest.mark.parametrize("compiled", [True, False])
def test_batching_at_sizes_where_bare_products_differ(n, d, width, trained, compiled, monkeypatch):
    """Without padding, most of these runs of stacked products have other last bits in a batch than alone."""
    if not compiled:
        monkeypatch.setattr("empirical.batches.kernel", lambda: None)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, d)) / np.sqrt(d), rng.standard_normal(n)
    together, batch = norms(X, y, width, range(5), 30, trained)
    for position in range(5):
        alone, single = norms(X, y, width, [position], 30, trained)
        np.testing.assert_array_equal([row[position] for row in together], [row[0] for row in alone])
        np.testing.assert_array_equal(batch.network(position).weights, single.network(0).weights)


@given(problems(), st.integers(1, 20), st.integers(2, 5), st.integers(0, 4), trained_layers)
@settings(max_examples=40)
def test_dropping_a_seed_leaves_the_others_alone(problem, width, count, drop, trained):
    X, y = problem
    drop %= count
    whole, _ = norms(X, y, width, range(count), 8, trained)
    rows, _ = norms(X, y, width, range(count), 8, trained, drop=drop)
    kept = [p for p in range(count) if p != drop]
    np.testing.assert_array_equal(rows[5:], [row[kept] for row in whole[5:]])


@given(problems(), st.integers(1, 20), st.integers(0, 2**40), trained_layers)
@settings(max_examples=60)
def test_steps_are_gradient_descent(problem, width, seed, trained):
    X, y = (torch.as_tensor(array) for array in problem)
    batch = Batch(*problem, width, [seed], trained=trained)
    network = initial_network(width, X.shape[1], seed)
    for _ in range(5):
        batch.forward()
        torch.testing.assert_close(batch.residual(0), y - network.outputs(X), rtol=0, atol=1e-10)
        assert torch.equal(batch.patterns(0), network.patterns(X))
        gradient = network.gradient(X, y)
        signs = network.signs - 0.05 * gradient.signs if trained == "both" else network.signs
        network = TwoLayerNetwork(network.weights - 0.05 * gradient.weights, signs)
        # a pattern decided by the last bit may differ between two orders of summation: compare from its side
        margin = float((X @ network.weights.T).abs().min())
        if margin < 1e-10:
            return
        batch.descend(0.05)
        torch.testing.assert_close(batch.network(0).weights, network.weights, rtol=0, atol=1e-10)
        torch.testing.assert_close(batch.network(0).signs, network.signs, rtol=0, atol=1e-10)


@given(st.lists(st.integers(), unique=True, min_size=1), st.integers(1, 10**6), st.integers(1, 2000))
def test_seeds_are_split_without_loss(seeds, width, points):
    blocks = split_seeds(seeds, width, points)
    assert [seed for block in blocks for seed in block] == seeds
    assert all(len(block) == 1 or len(block) * width * points <= 4 * BLOCK_ENTRIES for block in blocks)


def test_few_seeds_are_split_over_all_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert [len(block) for block in split_seeds(range(8), 10, 10)] == [3, 3, 2]
    finally:
        torch.set_num_threads(threads)


def test_work_is_done_once_each_and_stops_on_an_error():
    assert sorted(in_parallel(lambda item, stop: item**2, [1, 2, 3])) == [(0, 1), (1, 4), (2, 9)]
    seen = []

    def work(item, stop: threading.Event):
        if item == 0:
            raise KeyboardInterrupt
        seen.append(stop.wait(5))

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(in_parallel(work, [0, 1, 2, 3, 4]))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert all(seen)
