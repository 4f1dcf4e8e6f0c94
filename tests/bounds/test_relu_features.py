"""Laws of deep ReLU features: sums at few neurons by hand, random networks, and flips that are attained."""

from __future__ import annotations

import math
from itertools import product

import flint
import numpy as np
import pytest
from flint import arb

from bounds.arithmetic import Enclosure
from bounds.relu_features import _moment, most_flips, next_angle, norm_failure


def largest_deviations(m, depth, trials, draw):
    """Over layers, of the norms of one input's features: the exact recursion, not the formulas."""
    h = np.zeros((trials, 1)) + 1.0
    length, worst = h[:, 0], np.zeros(trials)
    for _ in range(depth + 1):
        g = draw.normal(size=(trials, m)) * (length * math.sqrt(2 / m))[:, None]
        length = np.linalg.norm(np.maximum(g, 0), axis=1)
        worst = np.maximum(worst, np.abs(length - 1))
    return worst


@pytest.mark.parametrize(("m", "depth", "epsilon"), [(256, 0, 0.25), (512, 2, 0.25), (1024, 4, 0.2)])
def test_random_networks_fail_no_more_often_than_the_bound(m: int, depth: int, epsilon: float) -> None:
    bound = norm_failure(m, depth=depth, inputs=1, epsilon=epsilon)
    trials = 1500
    failures = int((largest_deviations(m, depth, trials, np.random.default_rng(m)) >= epsilon).sum())
    assert bound.lower < 0.5, "the bound says something"
    assert failures <= trials * bound.upper + 5 * math.sqrt(trials * bound.upper)
    twice = norm_failure(m, depth=depth, inputs=2, epsilon=epsilon)
    assert math.isclose(twice.midpoint, 2 * bound.midpoint, rel_tol=1e-12)


def test_bound_falls_with_width_and_accuracy_and_is_not_far_from_the_truth() -> None:
    at = [norm_failure(m, depth=2, inputs=1, epsilon=0.25).midpoint for m in (256, 512, 1024)]
    assert at[0] > 9 * at[1] and at[1] > 9 * at[2]
    assert norm_failure(512, depth=2, inputs=1, epsilon=0.3).upper < at[1]
    exponent = -math.log(norm_failure(2000, depth=0, inputs=1, epsilon=0.1).midpoint / 2)
    assert 0.8 < exponent / (0.4 * 2000 * 0.1**2) < 1.3, "exp(-(2/5) m eps^2) for small eps"


@pytest.mark.parametrize("m", [1, 2, 5])
def test_moments_by_hand(m: int) -> None:
    """E R = 1 and E R^2 = 1 + 5/m; and E R^3 from chi^2 moments w (w + 2) (w + 4) over all 2^m patterns."""
    with flint.ctx.workprec(192):
        first, second, third = (_moment(m, arb(s), 0) for s in (1, 2, 3))
        assert first.contains(1) and first.rad() < 1e-40
        assert second.contains(1 + arb(5) / m)
    cubes = [sum(p) * (sum(p) + 2) * (sum(p) + 4) for p in product((0, 1), repeat=m)]
    assert math.isclose(float(third.mid()), (2 / m) ** 3 * np.mean(cubes), rel_tol=1e-14)


def test_angles_shrink_as_expected() -> None:
    right = next_angle(Enclosure(arb.pi() / 2))
    assert math.isclose(right.midpoint, math.acos(1 / math.pi), rel_tol=1e-15)
    depth = 64
    start = 3 * math.pi / depth
    angle = Enclosure.of(start)
    for _ in range(depth + 1):
        angle = next_angle(angle)
    assert math.isclose(angle.midpoint / start, 0.492, abs_tol=0.01)
    assert next_angle(Enclosure.of(0.01)).upper < 0.01 - 0.01**2 / (3 * math.pi) * 0.99


@pytest.mark.parametrize(("omega", "law"), [(0.01, 187), (0.05, 547), (0.1, 869)])
def test_flips_are_attained_and_follow_the_power_two_thirds(omega: float, law: int) -> None:
    m, draw = 4096, np.random.default_rng(0)
    h = draw.normal(size=64)
    h /= np.linalg.norm(h)
    W = draw.normal(size=(m, 64)) * math.sqrt(2 / m)
    g = W @ h
    count = most_flips(g, 1.0, omega)
    assert math.isclose(m * (3 * omega**2 / math.pi) ** (1 / 3), law, rel_tol=5e-3)
    assert abs(count - law) < 0.1 * law
    order = np.argsort(np.abs(g))[:count]
    u = np.zeros(m)
    u[order] = -g[order] * (1 + 1e-9)
    assert np.linalg.norm(u) <= omega * (1 + 1e-6)
    assert ((g + u >= 0) != (g >= 0)).sum() == count
    change = draw.normal(size=(m, 64))
    change *= omega / np.linalg.norm(change, 2)
    assert ((g + change @ h >= 0) != (g >= 0)).sum() <= count


def test_flips_by_hand_and_bad_input() -> None:
    assert most_flips(np.array([3.0, -1.0, 2.0]), 1, 1) == 1
    assert most_flips(np.array([3.0, -1.0, 2.0]), 1, 2) == 1
    assert most_flips(np.array([3.0, -1.0, 2.0]), 5, 1) == 3
    with pytest.raises(ValueError, match="finite"):
        most_flips(np.array([np.nan]), 1, 1)
    for bad in ({"m": 0}, {"depth": -1}, {"inputs": 0}, {"epsilon": 1}):
        with pytest.raises(ValueError, match="epsilon strictly"):
            norm_failure(**{"m": 10, "depth": 1, "inputs": 1, "epsilon": 0.5, **bad})
