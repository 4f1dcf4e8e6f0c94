"""The interpolation frontier: what counts as success is what plain training with momentum reaches."""

import math

import numpy as np
import pytest
import torch

from bounds.problem import Problem
from empirical.dynamics import GradientDescent, trajectory
from empirical.losses import Loss
from empirical.networks.layers import Draws
from empirical.networks.shallow import TwoLayer
from empirical.reproductions.polaczyk2022_frontier import (
    SUCCESS,
    by_dimension,
    by_points,
    cube_data,
    interpolates,
    least_width,
    sufficient_widths,
)


def errors(X, y, width, seed, steps):
    """The mean squared errors of plain training: eta = 0.15 on (f - y)^2 is 0.3 on half of it."""
    network = TwoLayer(width=width).draw(X.shape[1], 0)
    with torch.no_grad():
        network.hidden.weight.copy_(Draws(seed).normal(width, X.shape[1]))
        network.output.weight.copy_(torch.tensor([[-1.0] * (width // 2) + [1.0] * (width // 2)]))
    method = GradientDescent(step_size=0.3, steps=steps, momentum=0.9)
    data = torch.from_numpy(X), torch.from_numpy(y)
    return [2 * state.loss for state in trajectory(network, *data, Loss(reduction="mean"), method)]


def test_success_is_that_of_plain_training_to_the_step():
    seeds, width = (0, 1, 2), 24
    data = [cube_data(8, 5, seed) for seed in seeds]
    X, y = (torch.from_numpy(np.stack(parts)) for parts in zip(*data, strict=True))
    curves = [np.array(errors(*data[k], width, seed, 400)) for k, seed in enumerate(seeds)]
    below = [curve < SUCCESS * math.sqrt(8) for curve in curves]
    steps = sorted({int(np.argmax(b)) for b in below if b.any()} | {1, 99})
    assert len(steps) > 3
    for step in steps:
        for at in (step - 1, step):
            if at % 100:
                assert interpolates(X, y, width, steps=at, seeds=seeds) == [bool(b[at]) for b in below]


def test_the_least_width_is_one_that_most_draws_interpolate_at_and_two_neurons_less_are_not_enough():
    seeds, steps = (0, 1, 2), 1500
    m = least_width(20, 6, steps=steps, seeds=seeds)
    X, y = (torch.from_numpy(np.stack(parts)) for parts in zip(*(cube_data(20, 6, s) for s in seeds), strict=True))
    assert sum(interpolates(X, y, m, steps=steps, seeds=seeds)) >= 2
    assert m == 2 or sum(interpolates(X, y, m - 2, steps=steps, seeds=seeds)) < 2
    assert m % 2 == 0 and 20 / 6 / 2 < m < 20


def test_inputs_are_as_the_programs_draw_them():
    X, y = cube_data(2000, 3, 0)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1)
    assert set(y) == {-1.0, 1.0}
    # corners of the cube are farther from its middle than faces: more directions point there than to the faces
    corner = (np.abs(X).min(axis=1) > 0.5).mean()
    sphere = np.random.default_rng(0).standard_normal((20000, 3))
    assert corner > 1.3 * (np.abs(sphere).min(axis=1) > 0.5 * np.linalg.norm(sphere, axis=1)).mean()


def test_the_proved_widths_are_far_above():
    X, y = cube_data(30, 10, 0)
    first, both = sufficient_widths(30, 10, 0)
    lowest = Problem(X, y).least_eigenvalue.lower
    assert first == pytest.approx(72 / math.pi * np.linalg.norm(X, 2) ** 6 * 30 / lowest**4, rel=1e-6)
    assert 30 <= both < first


def test_rows_have_the_exponent_in_each_size():
    quick = {"steps": 800, "seeds": (0, 1, 2)}
    found = by_dimension((4, 6, 8), points=16, **quick)
    assert [row.quantity for row in found.rows[-2:]] == ["exponent of d m / n in d", "exponent of the least width in d"]
    assert found.rows[-1].measured == pytest.approx(found.rows[-2].measured - 1)
    assert "n^1.25 32" in found.rows[0].promised and "n^1.5/d 16" in found.rows[0].promised
    found = by_points((12, 16, 24), dimension=6, **quick)
    measured, *laws = found.panels[0].series
    assert measured.x == (12, 16, 24) and measured.source == "measured"
    assert {law.label: law.y[1] for law in laws} == {"n / d": 16 / 6, "n": 16, "n^1.25": 32, "n^1.5 / d": 64 / 6}
