"""Distances of particle measures against brute force, closed forms and their defining inequalities."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from empirical.dynamics import GradientDescent, trajectory
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES, View
from empirical.networks import ding2021, du2019_deep, shallow
from empirical.wasserstein import particles, sliced_wasserstein, wasserstein


def points(count, dimension, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimension))


@pytest.mark.parametrize("dimension", [1, 2, 7])
def test_the_distance_is_that_of_the_best_of_all_assignments(dimension):
    P, Q = points(6, dimension), points(6, dimension, 1)
    best = min(np.mean(np.sum((P - Q[list(order)]) ** 2, axis=1)) for order in itertools.permutations(range(6)))
    assert wasserstein(P, Q) == pytest.approx(math.sqrt(best), rel=1e-12)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_on_the_line_unequal_numbers_of_points_are_repeated_points(M, N, seed):
    P, Q = points(M, 1, seed), points(N, 1, seed + 1)
    both = math.lcm(M, N)
    repeated = np.sort(np.repeat(P, both // M)) - np.sort(np.repeat(Q, both // N))
    assert wasserstein(P, Q) == pytest.approx(math.sqrt(np.mean(repeated**2)), rel=1e-12, abs=1e-15)
    assert wasserstein(P, Q) >= wasserstein_distance(P[:, 0], Q[:, 0]) * (1 - 1e-12)  # W_2 >= W_1


def test_a_shift_moves_the_measure_by_its_length_and_lines_by_the_mean_of_its_projections():
    P, shift = points(40, 3), np.array([3.0, 0.0, 4.0])
    assert wasserstein(P, P[::-1] + shift) == pytest.approx(5, rel=1e-12)
    assert sliced_wasserstein(P, P + shift, directions=4000) == pytest.approx(5 / math.sqrt(3), rel=0.03)
    assert wasserstein(P, P[::-1]) == sliced_wasserstein(P, P[::-1]) == 0


def test_what_has_no_distance_is_refused():
    with pytest.raises(ValueError, match="equally many points, not 3 and 4"):
        wasserstein(points(3, 2), points(4, 2))
    for distance in (wasserstein, sliced_wasserstein):
        with pytest.raises(ValueError, match="no distance"):
            distance(points(3, 2), points(3, 1))
    for family in (shallow.TwoLayer(width=4), du2019_deep.FullyConnected(width=4, depth=1)):
        with pytest.raises(ValueError, match="mean-field form"):
            particles(family.draw(3, seed=0))


def test_particles_are_the_weights_by_layer():
    network = ding2021.ResNet(depth=3, branches=5).draw(2, seed=0)
    layers = particles(network)
    assert [layer.shape for layer in layers] == [(5, 7)] * 3
    assert layers[1][2].tolist() == [
        *network.a[1, 2:3].tolist(),
        *network.V[1, 2].flatten().tolist(),
        *network.b[1, 2].tolist(),
    ]
    two = shallow.TwoLayer(width=4, form="mean-field").draw(3, seed=0)
    (layer,) = particles(two)
    assert layer[1].tolist() == [float(two.output.weight[0, 1]), *two.hidden.weight[1].tolist()]


def test_the_observable_tells_the_distance_from_the_start():
    X, y = torch.as_tensor(points(4, 2)), torch.as_tensor(points(4, 1)[:, 0])
    network = ding2021.ResNet(depth=2, branches=6).draw(2, seed=0)
    start, loss = copy.deepcopy(network), Loss(reduction="mean")
    for _ in trajectory(network, X, y, loss, GradientDescent(step_size=2.0, steps=3)):
        pass
    found = OBSERVABLES["mean-field distance"].measure(View(network, start, X, y, loss))
    assert found["exact"] == [wasserstein(p, q) for p, q in zip(particles(network), particles(start), strict=True)]
    assert found["largest"] == max(found["exact"]) > 0
    for exact, sliced in zip(found["exact"], found["sliced"], strict=True):
        assert 0 < sliced < exact
    many = ding2021.ResNet(depth=1, branches=1025).draw(2, seed=0)
    assert list(OBSERVABLES["mean-field distance"].measure(View(many, many, X, y, loss))) == ["sliced"]
