"""Runs that float64 loses begin with many bits: their bound covers exact descent, and the narrowest are proved."""

from __future__ import annotations

from pathlib import Path

import flint
import numpy as np
import pytest

from bounds import Problem
from bounds.activations.float64 import EVALUATED
from bounds.certificates import precise_head, shadowing, smooth_shadow
from bounds.certificates.following import certify_from_start
from bounds.certificates.precise_head import Head
from bounds.certificates.proving import Certificate
from bounds.certificates.record import write
from bounds.certificates.shadow import certify_trajectory
from bounds.certificates.smooth_descent import SmoothDescent
from bounds.certificates.stack import START, two_layer
from bounds.checker import verify
from empirical.datasets import load_data
from tests.bounds.certificates.exact_descent import FUNCTIONS, PRECISION, apart, balls, exact_descent, exact_outputs
from tests.bounds.certificates.trajectory_truth import draw, wrong_claim

NAMES = sorted(EVALUATED)


def case(seed: int, name: str, step_size: float = 0.5, centred: bool = True) -> tuple[SmoothDescent, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((3, 2))
    weights, signs, y = rng.standard_normal((3, 2)), rng.choice([-1.0, 1.0], 3), rng.choice([-1.0, 1.0], 3)
    start = exact_outputs(X, weights, signs, name) if centred else np.zeros((2, 3))
    return SmoothDescent(X, np.vstack([start, y]), signs, EVALUATED[name], step_size), weights


def distances(descent: SmoothDescent, weights: np.ndarray, head: Head, until: int) -> list[tuple[float, float]]:
    """Exact distance and bound, each time the head has advanced."""
    name = descent.activation.activation.name.lower()
    exact = exact_descent(descent.X, descent.targets, weights, descent.signs, name, descent.step_size, until)
    found = []
    with flint.ctx.workprec(PRECISION):
        for k, (W, _, _) in enumerate(exact):
            if k == head.steps:
                found.append((float(apart(W, balls(head.weights)).upper()), head.shadow().state.error))
                head.advance(1e-9)
    return found


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_exact_descent_stays_within_the_bound(name: str, centred: bool) -> None:
    for seed in range(3):
        descent, weights = case(seed, name, centred=centred)
        found = distances(descent, weights, Head(descent, weights, centred, 0.1), 80)
        assert len(found) > 2 and all(distance <= bound < 1e-14 for distance, bound in found)


@pytest.mark.parametrize("name", NAMES)
def test_the_bound_counts_what_few_bits_lose(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 30 bits errors show: the bound covers them, and is not far above."""
    monkeypatch.setattr(precise_head, "BITS", 30)
    shares = []
    for seed in range(4):
        descent, weights = case(seed, name)
        *_, (distance, bound) = distances(descent, weights, Head(descent, weights, True, 0.1), 60)
        assert distance <= bound
        shares.append(distance / bound)
    assert max(shares) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_activations_and_slopes_are_enclosed_sharply(name: str) -> None:
    with flint.ctx.workprec(PRECISION):
        exact = [[function(flint.arb(z) / 8) for function in FUNCTIONS[name]] for z in range(-160, 161, 7)]
    with flint.ctx.workprec(precise_head.BITS):
        jet = precise_head.JETS[name]()
        found = [jet(flint.arb(z) / 8) for z in range(-160, 161, 7)]
    for truths, balls_found in zip(exact, found, strict=True):
        for truth, ball in zip(truths, balls_found, strict=True):
            assert ball.overlaps(truth) and ball.rad() < flint.arb(2) ** -300


def test_the_way_to_the_evaluated_weights_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    descent, weights = case(0, "tanh")
    near, far = Head(descent, weights, True, 0.1), Head(descent, weights, True, 0.1)
    near.advance(1e-9)
    monkeypatch.setattr(precise_head, "UNIT", 2.0**-20)
    far.advance(1e-9)
    assert far.growth > near.growth
    assert far.shadow().state.error > 2.0**-20 * np.linalg.norm(weights) > near.shadow().state.error
    assert far.shadow().state.path > near.shadow().state.path + 2.0**-16 * np.linalg.norm(weights)


def test_claims_hold_where_float64_is_given_up_early(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = []
    advance = Head.advance

    def counted(self: Head, growth: float) -> None:
        heads.append(growth)
        advance(self, growth)

    monkeypatch.setattr(Head, "advance", counted)
    for module in (shadowing, smooth_shadow):
        monkeypatch.setattr(module, "LOST", 3e-15)
    monkeypatch.setattr(precise_head, "MOST_VALUES", 1500)
    certified = 0
    for seed in range(30):
        followed = draw(seed)
        before = len(heads)
        if followed.activation == "relu" or not (found := followed.follow()).verdict.holds or len(heads) == before:
            continue
        certified += 1
        with flint.ctx.workprec(PRECISION):
            assert not wrong_claim(followed, found), seed
    assert certified >= 5


def narrowest() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two softplus neurons and ten inputs, twice as many weights as labels: errors grow by e^27."""
    data = load_data("sphere:n=10,d=10", labels="random")
    rng = np.random.default_rng([6, 2])
    return Problem(data.X, data.y).unit_rows, data.y, rng.standard_normal((2, 10)), rng.choice([-1.0, 1.0], 2)


def test_a_network_with_two_weights_for_each_label_is_proved_by_its_head_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, weights, signs = narrowest()
    found = certify_trajectory(X, y, weights, signs, activation="softplus")
    assert found.verdict.holds and found.growth > 25
    monkeypatch.setattr(precise_head, "MOST_VALUES", 0)
    assert certify_trajectory(X, y, weights, signs, activation="softplus").verdict.undecided


def test_the_replay_agrees(tmp_path: Path) -> None:
    X, y, weights, signs = narrowest()
    network = two_layer(10, 2, "softplus", centred=True)
    tensors = {"layers.0.weight": weights, START + "layers.0.weight": weights, "layers.1.weight": signs[None]}
    found = certify_from_start(tensors, network, Problem(X, y))
    assert isinstance(found, Certificate), str(found)
    checked = verify(write(found, tmp_path))
    assert checked.holds, checked.reason


def test_chaos_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step far beyond the limit: the growth never ends, and the head does."""
    monkeypatch.setattr(precise_head, "MOST_VALUES", 1000)
    X, y, weights, signs = narrowest()
    found = certify_trajectory(X, y, weights, signs, activation="tanh", step_size=8.0, most_steps=3000)
    assert found.verdict.undecided and "float64 bears" in found.verdict.reason
