"""The two static arguments of wide ReLU networks: the checker's counts by the definition, and what it rejects."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from flint import arb

from bounds import Problem
from bounds.certificates.proving import Certificate, Refusal
from bounds.certificates.record import write
from bounds.certificates.relu_proofs import certify_flips
from bounds.certificates.stack import Stack, two_layer
from bounds.checker import verify
from bounds.checker.files import Invalid
from bounds.checker.flip_count import Start, _losses
from bounds.checker.network import Network
from tests.bounds.checker.forgery import Arrays, Record, forge
from tests.bounds.checker.test_relu_trajectory import altered

X = np.array([[1.0, 0.0, 0.0, 0.0], [0.3, 1.0, 0.2, 0.0], [0.0, -0.3, 0.4, 0.9]])


def wide(width: int = 2048, *, seed: int = 0, size: float = 0.05, centred: bool = False) -> tuple:
    """Pairs of almost equal neurons with opposite signs, so that the outputs are small but not zero."""
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((width // 2, 4))
    W = np.vstack([half, half * (1 + 0.01 * rng.standard_normal(half.shape))])
    weights = {"layers.0.weight": W, "layers.1.weight": np.repeat([[1.0, -1.0]], width // 2, axis=1)}
    if centred:
        weights["start.layers.0.weight"] = W
    return weights, two_layer(4, width, "relu", centred=centred), Problem(X, size * np.array([1.0, -1.0, 0.7]))


def proved(*case: object, **options: object) -> Certificate:
    found = certify_flips(*case, **options)  # type: ignore[arg-type]
    assert isinstance(found, Certificate), str(found)
    return found


@pytest.fixture(scope="module", params=["flip-count", "flip-integral"])
def good(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = proved(*wide(), continuous=request.param == "flip-integral")
    assert found.argument == request.param
    return write(found, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("width", [512, 2**15])
def test_what_was_proved_is_accepted(tmp_path: Path, width: int, centred: bool, continuous: bool) -> None:
    size = 0.01 if width == 512 else 0.3
    checked = verify(write(proved(*wide(width, size=size, centred=centred), continuous=continuous), tmp_path))
    assert checked.holds, checked.reason
    assert ("gradient flow" in checked.statement) == continuous
    assert "whatever slope in [0, 1]" in checked.statement and "from step" not in checked.statement


def beginning(case: tuple[dict[str, np.ndarray], Stack, Problem]) -> tuple[Start, dict[str, tuple[float, float]]]:
    weights, network, problem = case
    ends = {name: (number.lower, number.upper) for name, number in proved(*case).numbers.items()}
    return Start.proved(Network.read(network.plain(), weights), problem.X, problem.y, ends), ends


@pytest.mark.parametrize("radius", [0.0, 1e-3, 0.05])
def test_losses_by_the_definition(radius: float) -> None:
    """Accepted a hair above what loops over pairs give, rejected a hair below."""
    case = wide(centred=True)
    begin, ends = beginning(case)
    W, m, n = case[0]["layers.0.weight"], begin.width, len(X)
    lengths, G = np.linalg.norm(X, axis=1), X @ X.T
    near = np.array([[abs(W[r] @ X[i]) <= radius * lengths[i] for i in range(n)] for r in range(m)])
    nu = near.mean(axis=0)
    union = [[np.mean(near[:, i] | near[:, j]) for j in range(n)] for i in range(n)]
    truth = {
        "drift": np.linalg.norm(np.abs(G) * union, 2),
        "unsettled": np.linalg.norm(np.abs(G) * nu[:, None], 2),
        "kink": ends["data_norm"][1] * np.linalg.norm(nu * lengths),
    }
    above = {name: (0.0, value * (1 + 2e-5)) for name, value in truth.items()}
    assert float(_losses(begin, radius, above)) == pytest.approx(sum(truth.values()), rel=3e-5)
    for name in truth:
        if truth[name]:
            with pytest.raises(Invalid, match=name):
                _losses(begin, radius, {**above, name: (0.0, truth[name] * (1 - 1e-6))})


def test_descent_and_flow_obey_what_is_stated() -> None:
    weights, _, problem = wide(centred=True)
    W, a, y = weights["layers.0.weight"], weights["layers.1.weight"][0], problem.y
    offset = np.maximum(W @ X.T, 0).T @ a / math.sqrt(len(W))
    for found, step in ((proved(*wide(centred=True)), None), (proved(*wide(centred=True), continuous=True), 1e-3)):
        eta, w, path, e = step or found.step_size, W.copy(), 0.0, -y
        rate = 1 - eta * found.decay if step is None else math.exp(-eta * found.decay)
        first = float(np.linalg.norm(y))
        for k in range(60 if step is None else 5000):
            assert np.linalg.norm(e) <= first * rate**k * (1 + (1e-9 if step is None else 1e-2)) + 1e-13
            move = eta / math.sqrt(len(W)) * a[:, None] * (((w @ X.T > 0) * e) @ X)
            w, path = w - move, path + float(np.linalg.norm(move))
            e = np.maximum(w @ X.T, 0).T @ a / math.sqrt(len(W)) - offset - y
        assert 0.3 * found.path < path <= found.path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r, a: a.update(y=a["y"] * 1.001), "residual"),
        (lambda r, a: a.update(y=np.full_like(a["y"], np.nan)), "finite"),
        (lambda r, a: a.update(X=a["X"] * 1.001), "norm of the inputs|residual"),
        (lambda r, a: a.update({"layers.1.weight": a["layers.1.weight"] * 0.5}), "treated"),
        (lambda r, a: r.update(argument="relu-trajectory"), "witnesses|entries"),
        (lambda r, a: r["witnesses"].update(radius=(1e3).hex()), "losses|radius|sigma"),
        (lambda r, a: r["witnesses"].update(radius=(1e-9).hex()), "radius|integral"),
    ],
)
def test_what_is_altered_is_rejected(
    good: Path, tmp_path: Path, change: Callable[[Record, Arrays], object], words: str
) -> None:
    found = verify(altered(good, tmp_path, change))
    assert found.fails
    assert re.search(words, found.reason), found.reason


def test_untouched_copies_are_accepted(good: Path, tmp_path: Path) -> None:
    found = verify(altered(good, tmp_path, lambda record, arrays: None))
    assert found.holds, found.reason


def test_the_corpus_of_forgeries_is_rejected(good: Path, tmp_path: Path) -> None:
    for seed in range(120):
        kind = forge(good, tmp_path, seed)
        assert verify(tmp_path / good.name).fails, f"seed {seed}: {kind}"


def test_refusals_say_what_is_missing() -> None:
    weights, network, problem = wide()
    longest = proved(weights, network, problem).step_size
    refused = certify_flips(weights, network, problem, step_size=math.nextafter(longest, 2))
    assert isinstance(refused, Refusal) and repr(longest) in str(refused)
    refused = certify_flips(*wide(size=50.0))
    assert isinstance(refused, Refusal) and "wider" in str(refused) and "against" in str(refused)
    refused = certify_flips(*wide(size=50.0), continuous=True)
    assert isinstance(refused, Refusal) and "integral" in str(refused)
    twice = np.vstack([X[:1], X[:1]])
    refused = certify_flips(weights, network, Problem(twice, np.array([1e-3, -1e-3])))
    assert isinstance(refused, Refusal)
    with pytest.raises(ValueError, match="relu"):
        certify_flips(weights, two_layer(4, 2048, "tanh", centred=False), problem)


def test_a_start_on_kinks_is_proved_all_the_same(tmp_path: Path) -> None:
    """Pairs on their kinks are among those that may change at any radius."""
    weights, network, problem = wide(centred=True)
    W = weights["layers.0.weight"].copy()
    W[0, :] = 0.0
    weights = {**weights, "layers.0.weight": W, "start.layers.0.weight": W}
    for continuous in (False, True):
        checked = verify(write(proved(weights, network, problem, continuous=continuous), tmp_path))
        assert checked.holds, checked.reason
    with pytest.raises(Invalid, match="not proved"):
        begin, ends = beginning((weights, network, problem))
        _losses(begin, 0.0, {name: (0.0, 0.0) for name in ("drift", "unsettled", "kink")})
    assert arb(ends["residual"][1]) > 0


@pytest.mark.parametrize("step_size", [0.0, -1.0, math.nan])
def test_steps_that_are_not_positive_are_refused(step_size: float) -> None:
    with pytest.raises(ValueError, match="give a positive number"):
        certify_flips(*wide(), step_size=step_size)


def test_distances_from_the_kinks_for_tiny_weights() -> None:
    """Squares of these weights vanish; w.x is what rounding leaves of 0."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((64, 3))
    x = rng.standard_normal(3)
    W[:, 2] = -(W[:, 0] * x[0] + W[:, 1] * x[1]) / x[2]
    W = np.ldexp(W, -560)
    weights = {"layers.0.weight": W, "layers.1.weight": np.ones((1, 64)), "start.layers.0.weight": W}
    network = Network.read(two_layer(3, 64, "relu").plain(), weights)
    ends = {"residual": (1.0, 1.0), "data_norm": (0.0, 100.0), "least_eigenvalue": (0.0, 100.0)}
    begin = Start.proved(network, x[None, :], np.array([1.0]), ends)
    exact = [abs(sum(Fraction(u) * Fraction(v) for u, v in zip(w, x.tolist(), strict=True))) for w in W.tolist()]
    length = np.linalg.norm(x)
    for found, value in zip(begin.reach[:, 0].tolist(), exact, strict=True):
        assert Fraction(found) * Fraction(length) * (1 - Fraction(1, 2**40)) <= value
