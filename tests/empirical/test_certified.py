"""Widths from which on descent is proved, and training seen, to reach zero loss."""

from __future__ import annotations

import itertools
import math

import msgspec
import numpy as np
import pytest

from bounds import Problem
from bounds.certificates.shadow import certify_trajectory
from empirical import certified
from empirical.certified import FALL, Attempt, Count, Draw, attempt, least_success, steps_to
from empirical.networks import initial_network
from empirical.searches import clopper_pearson
from empirical.store import Store

X = np.random.default_rng(0).standard_normal((5, 4))
PROBLEM = Problem(X, np.array([1.0, -1.0, 1.0, -1.0, 1.0]), delta=0.3)


def draw(aim: str, width: int, seed: int = 0, activation: str = "tanh", steps: int = 4000) -> Draw:
    return Draw(
        aim=aim, inputs="", labels="", activation=activation, width=width, seed=seed, centred=True, most_steps=steps
    )


@pytest.mark.parametrize(("activation", "width"), [("tanh", 24), ("gelu", 24), ("relu", 256)])
def test_a_draw_is_followed_from_the_weights_of_its_seed_with_its_own_step(activation: str, width: int) -> None:
    network = initial_network(width, 4, 3)
    W, a = network.weights.numpy(), network.signs.numpy()
    direct = certify_trajectory(PROBLEM.unit_rows, PROBLEM.y, W, a, activation=activation, most_steps=4000)
    found = attempt(PROBLEM.unit_rows, PROBLEM.y, draw("proved", width, 3, activation))
    assert direct.verdict.holds
    assert (found.reached, found.step_size, found.path) == (direct.steps, direct.step_size, direct.path)
    trained = attempt(PROBLEM.unit_rows, PROBLEM.y, draw("trained", width, 3, activation))
    assert trained.step_size == direct.step_size
    slow = descent_by_hand(W, a, activation, direct.step_size)
    assert trained.reached == slow


def descent_by_hand(W: np.ndarray, a: np.ndarray, activation: str, step: float) -> int:
    """Neuron by neuron, with derivatives by differences where there is no kink."""

    def s(z: float) -> float:
        if activation == "relu":
            return max(z, 0.0)
        return math.tanh(z) if activation == "tanh" else z * (1 + math.erf(z / math.sqrt(2))) / 2

    def outputs(W: np.ndarray) -> np.ndarray:
        return (
            np.array([sum(b * s(w @ x) for b, w in zip(a, W, strict=True)) for x in PROBLEM.unit_rows]) / len(a) ** 0.5
        )

    W, start, k = W.copy(), outputs(W), 0
    while True:
        r = outputs(W) - start - PROBLEM.y
        if r @ r <= FALL * (PROBLEM.y @ PROBLEM.y):
            return k
        for i, w in enumerate(W):
            slopes = [(s(w @ x + 1e-6) - s(w @ x - 1e-6)) / 2e-6 for x in PROBLEM.unit_rows]
            w -= step * a[i] / len(a) ** 0.5 * ((r * slopes) @ PROBLEM.unit_rows)
        k += 1


def test_without_centring_descent_begins_at_the_drawn_outputs() -> None:
    network = initial_network(24, 4, 0)
    W, a = network.weights.numpy(), network.signs.numpy()
    at_start = a @ np.maximum(W @ PROBLEM.unit_rows.T, 0) / math.sqrt(24)
    arguments = {"activation": "relu", "step_size": 0.5, "most_steps": 3000}
    plain = steps_to(FALL, PROBLEM.unit_rows, PROBLEM.y, W, a, centred=False, **arguments)
    centred = steps_to(FALL, PROBLEM.unit_rows, PROBLEM.y - at_start, W, a, centred=True, **arguments)
    assert plain == centred is not None
    assert steps_to(FALL, PROBLEM.unit_rows, PROBLEM.y, W, a, centred=False, **{**arguments, "most_steps": 2}) is None
    assert steps_to(FALL, PROBLEM.unit_rows, PROBLEM.y, W, a, centred=False, **{**arguments, "step_size": 50.0}) is None


def test_dead_networks_do_not_move() -> None:
    inputs = np.array([[1.0]])
    dead = next(s for s in range(50) if initial_network(1, 1, s).weights.item() < 0)
    found = attempt(inputs, np.array([1.0]), draw("proved", 1, dead, "relu"))
    assert (found.reached, found.step_size) == (None, 0.0)


def made_up(monkeypatch: pytest.MonkeyPatch, succeeds) -> list[tuple[int, int]]:
    """Attempts that succeed where a rule says so; the draws that were tried."""
    tried = []

    def pretend(inputs: np.ndarray, labels: np.ndarray, draw: Draw) -> Attempt:
        tried.append((draw.width, draw.seed))
        return Attempt(draw=draw, step_size=1.0, reached=7 if succeeds(draw.width, draw.seed) else None, path=1.0)

    monkeypatch.setattr(certified, "attempt", pretend)
    return tried


def search(**options):
    return least_success(PROBLEM, "proved", activation="tanh", centred=True, most_steps=10, seeds=range(29), **options)


@pytest.mark.parametrize("least", [2, 3, 20, 32, 100, 700])
def test_the_interval_holds_a_sharp_threshold_and_is_tight(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    tried = made_up(monkeypatch, lambda width, seed: width >= least)
    found = search()
    assert found.lower < least <= found.upper
    assert found.upper <= max(1.25 * found.lower, found.lower + 1) or found.upper == math.ceil(5 / 4)
    assert found.narrowest.draw.width == found.upper and found.narrowest.draw.seed == 0
    assert not found.remark and len(tried) == len(set(tried))


def test_limits_are_those_of_clopper_and_pearson_with_untried_seeds_against_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made_up(monkeypatch, lambda width, seed: width >= 40 or (width >= 16 and seed % 2 == 0))
    found = search()
    for count in found.counts:
        assert count.limits == (
            clopper_pearson(count.held, 29)[0],
            clopper_pearson(29 - count.refuted, 29)[1],
        )
    failed = next(c for c in found.counts if c.width == found.lower)
    assert failed.limits[1] < 0.7 and failed.held + failed.refuted < 29, "a width known to fail is left"
    assert found.narrowest.draw.width == 16
    assert Count(8, 29, 0, 29, 0.1).outcome == "holds" and Count(8, 28, 1, 29, 0.1).outcome == "undecided"


def test_a_search_that_never_succeeds_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, lambda width, seed: False)
    found = search(max_width=128)
    assert (found.lower, found.upper, found.narrowest) == (0, None, None)
    assert "no width up to 128" in found.remark


def test_a_search_with_little_room_begins_where_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, lambda width, seed: width >= 8)
    assert search(max_width=10).upper == 8
    narrow = search(max_width=1)
    assert narrow.upper is None and narrow.counts == ()
    assert narrow.remark == "no width up to 1 has a weight for each label"


def test_one_draw_counts_once() -> None:
    with pytest.raises(ValueError, match="seed 0 is given twice"):
        least_success(PROBLEM, "proved", activation="tanh", centred=True, most_steps=10, seeds=[0] * 29)


def test_a_budget_ends_a_search_and_the_store_ends_it_there_again(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    clock = itertools.count(0.0, 0.5)  # each draw takes half a second
    monkeypatch.setattr(certified.time, "thread_time", lambda: next(clock))
    tried = made_up(monkeypatch, lambda width, seed: width >= 32)
    store = Store(tmp_path)
    first = search(budget_seconds=8.0, store=store)
    assert first.upper is None and "budget of 8 s" in first.remark and first.seconds <= 8.0
    assert first.narrowest.draw.width == 32, "what was proved before the end stays"
    seen = len(tried)
    assert search(budget_seconds=8.0, store=store) == first and len(tried) == seen
    longer = search(budget_seconds=1e3, store=store)
    assert longer.upper == 32 and len(tried) == len(set(tried))


def test_what_other_code_proved_does_not_count(tmp_path) -> None:
    """A stored proof is taken from the store only by the code that made it."""
    store = Store(tmp_path)
    search = {"activation": "tanh", "centred": True, "most_steps": 0, "seeds": range(1), "max_width": 32}
    first = least_success(PROBLEM, "proved", **search, store=store)
    assert first.narrowest is None
    (key,) = store.keys()
    honest = store.get(key, Attempt)
    assert honest is not None and honest.draw.code == certified.CODE
    for code, believed in (("0" * 64, False), (certified.CODE, True)):
        other = tmp_path / code
        forged = msgspec.structs.replace(honest, draw=msgspec.structs.replace(honest.draw, code=code), reached=0)
        Store(other).put(forged)
        found = least_success(PROBLEM, "proved", **search, store=Store(other))
        assert (found.narrowest is not None) == believed


def test_an_interrupted_search_keeps_its_draws(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    def interrupt(width: int, seed: int) -> bool:
        if len(tried) == 5:
            raise KeyboardInterrupt
        return width >= 8

    tried = made_up(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        search(store=Store(tmp_path))
    assert len(Store(tmp_path).keys()) == 4
