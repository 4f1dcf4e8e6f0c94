"""The Lipschitz constants of the Jacobian against adversarial search, and against their own formula in the limit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.activations.pointwise import POINTWISE
from bounds.certificates.convolution import Convolution
from bounds.certificates.evaluation import evaluate
from bounds.certificates.lipschitz import _norm, smoothness
from bounds.certificates.stack import Layer, Stack
from tests.bounds.certificates.networks import (
    data,
    draw,
    image_stack,
    images,
    jacobian,
    narrow_two_layer,
    shifted,
    stack,
)


def steepest(network: Stack, weights: dict[str, np.ndarray], X: np.ndarray, radius: float, seed: int) -> float:
    """The largest quotient ||J(w) - J(w')|| / ||w - w'|| found in the ball, by random search and power iteration."""
    generator, found = np.random.default_rng(seed), 0.0
    centre = jacobian(network, weights, X)
    direction = generator.standard_normal(network.parameters)
    for trial in range(6):
        direction /= np.linalg.norm(direction)
        length = radius * (1 if trial % 2 else 1e-3)
        other = shifted(network, weights, length * direction)
        change = (jacobian(network, other, X) - centre) / length
        found = max(found, np.linalg.norm(change, 2))
        left, _, right = np.linalg.svd(change, full_matrices=False)
        direction = right[0] + 0.1 * generator.standard_normal(network.parameters) / np.sqrt(network.parameters)
    return found


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(set(POINTWISE) - {"relu"})),
    st.sampled_from([(2,), (3, 3), (3, 2, 2)]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1e-3, 0.1, 1.0]),
    st.integers(0, 10**6),
)
def test_no_quotient_exceeds_the_constant(
    activation: str, widths: tuple[int, ...], skips: bool, bias: bool, radius: float, seed: int
) -> None:
    network = stack(activation, 2, widths, residual=skips, bias=bias)
    weights = draw(network, seed)
    X, _ = data(seed, 2, 2)
    bound = smoothness(network, evaluate(network, weights, X), X, radius)
    assert steepest(network, weights, X, radius, seed) <= bound.lipschitz * (1 + 1e-9)


@settings(max_examples=25)
@given(
    st.sampled_from(["tanh", "softplus", "gelu"]),
    st.sampled_from([((4,), (2,)), ((5,), (2, 2)), ((3, 3), (1, 1)), ((2, 3), (2,))]),
    st.integers(1, 2),
    st.integers(1, 2),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1e-3, 0.1, 1.0]),
    st.integers(0, 10**6),
)
def test_no_quotient_of_a_convolution_exceeds_the_constant(
    activation: str,
    shape: tuple[tuple[int, ...], tuple[int, ...]],
    channels: int,
    outputs: int,
    skips: bool,
    bias: bool,
    radius: float,
    seed: int,
) -> None:
    network = image_stack(activation, *shape, channels=channels, outputs=outputs, residual=skips, bias=bias)
    weights = draw(network, seed)
    X, _ = images(network, seed, 2)
    bound = smoothness(network, evaluate(network, weights, X), X, radius)
    assert steepest(network, weights, X, radius, seed) <= bound.lipschitz * (1 + 1e-9)


@pytest.mark.parametrize("widths", [(4,), (4, 4)])
def test_the_constant_is_not_absurd(widths: tuple[int, ...]) -> None:
    """Within a factor 100 of what the search finds: the bound follows the network."""
    network = stack("tanh", 3, widths)
    weights = draw(network, 0)
    X, _ = data(0, 3, 3)
    bound = smoothness(network, evaluate(network, weights, X), X, 1e-3).lipschitz
    assert bound <= 100 * steepest(network, weights, X, 1e-3, 0)


def test_the_first_layer_alone_has_its_own_formula() -> None:
    network, weights = narrow_two_layer("tanh", 4, 9, 0)
    X, _ = data(3, 6, 4)
    bound = smoothness(network, evaluate(network, weights, X), X, 1.0).lipschitz
    longest = np.linalg.norm(X, axis=1).max()
    assert bound == pytest.approx(4 / (3 * np.sqrt(3)) * np.linalg.norm(X, 2) * longest / 3, rel=1e-9)
    assert bound == smoothness(network, evaluate(network, weights, X), X, 1e3).lipschitz
    uncentred = {name: array for name, array in weights.items() if not name.startswith("start.")}
    assert steepest(network.uncentred, uncentred, X, 0.5, 0) <= bound


@pytest.mark.parametrize("widths", [(3,), (3, 3), (3, 3, 3)])
@pytest.mark.parametrize("skips", [False, True])
def test_relu_patterns_stay_within_the_margin(widths: tuple[int, ...], skips: bool) -> None:
    """No sign changes on a ball with a positive margin, and there the constant holds."""
    network = stack("relu", 2, widths, residual=skips, bias=True)
    for seed in range(4):
        weights = draw(network, seed)
        X, _ = data(seed, 2, 2)
        at = evaluate(network, weights, X)
        radius = 1.0
        while not smoothness(network, at, X, radius).margin > 0:
            radius /= 2
        assert radius > 1e-6
        generator = np.random.default_rng(seed)
        for _ in range(10):
            direction = generator.standard_normal(network.parameters)
            moved = shifted(network, weights, radius * direction / np.linalg.norm(direction))
            there = evaluate(network, moved, X)
            for here, then in zip(at.signals[:-1], there.signals[:-1], strict=True):
                assert ((here.z >= 0) == (then.z >= 0)).all()
        assert steepest(network, weights, X, radius, seed) <= smoothness(network, at, X, radius).lipschitz * (1 + 1e-9)


def test_a_first_layer_of_relus_is_linear_between_kinks() -> None:
    network, weights = narrow_two_layer("relu", 4, 9, 0)
    X, _ = data(3, 6, 4)
    at = evaluate(network, weights, X)
    assert smoothness(network, at, X, 1e-6).lipschitz < 1e-100
    nearest = float(np.abs(weights["layers.0.weight"] @ X.T).min())
    assert smoothness(network, at, X, nearest * 0.999).margin > 0 > smoothness(network, at, X, nearest * 1.001).margin


def chain(weights: list[float], x: float, activation: str = "tanh") -> float:
    """The constant, on a small ball, of a network with one unit in each layer."""
    layers = (*(Layer(1, 1) for _ in weights),)
    network = Stack(activation, layers)
    stored = {f"layers.{index}.weight": np.array([[w]]) for index, w in enumerate(weights)}
    X = np.array([[x]])
    return smoothness(network, evaluate(network, stored, X), X, 1e-9).lipschitz


def test_every_term_is_attained() -> None:
    """Hessians known by hand: products of weights for tiny inputs (tanh is linear there), and one sharp bend."""
    x = 2.0**-20
    assert chain([1.0, 1.0], x) == pytest.approx(x, rel=1e-5)  # f = v w x
    assert chain([1.0, 1.0, 1.0], x) == pytest.approx(2 * x, rel=1e-5)  # f = v w w' x
    assert chain([1.0, 2.0, 3.0], x) == pytest.approx(
        x * np.linalg.norm([[0, 3, 2], [3, 0, 1], [2, 1, 0]], 2), rel=1e-5
    )
    assert chain([1.0, 1.0, 1.0], x, "relu") == pytest.approx(2 * x, rel=1e-5)
    bend = 4 / (3 * np.sqrt(3))
    assert chain([np.arctanh(1 / np.sqrt(3)), 1e6], 1.0) == pytest.approx(1e6 * bend, rel=1e-5)


def test_a_residual_chain_is_attained() -> None:
    """F = v (h + t w' h) with h = w x: the Hessian by hand."""
    x, t = 2.0**-20, 0.5
    network = Stack("tanh", (Layer(1, 1), Layer(1, 1, skip_squared=Fraction(1, 4)), Layer(1, 1)))
    stored = {f"layers.{index}.weight": np.array([[w]]) for index, w in enumerate([1.0, 2.0, 3.0])}
    X = np.array([[x]])
    found = smoothness(network, evaluate(network, stored, X), X, 1e-9).lipschitz
    hessian = x * np.array([[0, 3 * t, 1 + 2 * t], [3 * t, 0, t], [1 + 2 * t, t, 0]])
    assert found == pytest.approx(np.linalg.norm(hessian, 2), rel=1e-5)


# Shared weights: a factor left out of a constant is found by the Hessian of a network that is linear in each layer


def hessian_norm(network: Stack, weights: dict[str, np.ndarray], X: np.ndarray) -> float:
    """Of the first output, by differences of gradients, which are exact for layers as good as linear."""
    columns = []
    for direction in np.eye(network.parameters):
        ends = [jacobian(network, shifted(network, weights, t * direction), X)[0] for t in (0.5, -0.5)]
        columns.append(ends[0] - ends[1])
    return float(np.linalg.norm(columns, 2))


def ones(*layers: Layer) -> tuple[Stack, dict[str, np.ndarray]]:
    """ReLUs all of which are on, in a ball of 1/2 at least: all weights are 1, and all biases 0."""
    network = Stack("relu", layers)
    return network, {name: np.full(shape, float("weight" in name)) for name, shape in network.shapes().items()}


def constant(network: Stack, weights: dict[str, np.ndarray], X: np.ndarray) -> float:
    return smoothness(network, evaluate(network, weights, X), X, 1e-9).lipschitz


@pytest.mark.parametrize("bias", [False, True])
def test_every_position_counts(bias: bool) -> None:
    """f = sum_p v_p (w x_p + b): a filter of one pixel, seen at 9 positions."""
    pixels = Convolution(1, (9,), (1,), (1,), (0,))
    network, weights = ones(Layer(9, 9, bias=bias, convolution=pixels), Layer(9, 1))
    X = np.ones((1, 9))
    exact = 3 * np.sqrt(1 + bias)
    assert hessian_norm(network, weights, X) == pytest.approx(exact, rel=1e-9)
    assert constant(network, weights, X) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("size", [(36,), (6, 6)])
def test_every_overlap_counts(size: tuple[int, ...]) -> None:
    """f = sum_p (V * (u x))_p: each entry of u x is in 3 patches, or in 9, but for the rim."""
    axes, pixels = len(size), int(np.prod(size))
    seen = Convolution(1, size, (3,) * axes, (1,) * axes, (1,) * axes)
    network, weights = ones(Layer(1, pixels), Layer(pixels, pixels, convolution=seen), Layer(pixels, 1, trained=False))
    X = np.ones((1, 1))
    bound, exact = constant(network, weights, X), hessian_norm(network, weights, X)
    assert exact <= bound * (1 + 1e-9)
    assert exact >= bound * {1: 0.95, 2: 0.75}[axes]  # a root of 3, or of 9, left out would be below


@pytest.mark.parametrize("size", [(36,), (6, 6)])
def test_overlaps_count_on_the_way_up(size: tuple[int, ...]) -> None:
    """f = v . (V * (u x)) with the filter V frozen: the Hessian is that of the matrix of V."""
    axes, pixels = len(size), int(np.prod(size))
    seen = Convolution(1, size, (3,) * axes, (1,) * axes, (1,) * axes)
    frozen = Layer(pixels, pixels, convolution=seen, trained=False)
    network, weights = ones(Layer(1, pixels), frozen, Layer(pixels, 1))
    X = np.ones((1, 1))
    bound, exact = constant(network, weights, X), hessian_norm(network, weights, X)
    assert exact <= bound * (1 + 1e-9)
    assert exact >= bound * {1: 0.95, 2: 0.75}[axes]


def test_outputs_of_their_own_do_not_add_up() -> None:
    """f_c = v_c w x for 4 outputs: J changes by x (|dv|^2 + dw^2)^(1/2)."""
    network, weights = ones(Layer(1, 1), Layer(1, 4))
    assert constant(network, weights, np.ones((1, 1))) == pytest.approx(1, rel=1e-6)


def test_every_output_counts() -> None:
    """f_c = v w x for 4 outputs, frozen: each row of J changes by x (dv, dw)."""
    network, weights = ones(Layer(1, 1), Layer(1, 1), Layer(1, 4, trained=False))
    X = np.ones((1, 1))
    assert constant(network, weights, X) == pytest.approx(2, rel=1e-6)
    assert steepest(network, weights, X, 0.5, 0) == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_first_convolution_alone_has_its_own_formula(bias: bool, outputs: int) -> None:
    """Everywhere, and near what is found: one filter, at the steepest bend of tanh in each position."""
    seen = Convolution(2, (4,), (3,), (1,), (1,))
    network = Stack("tanh", (Layer(8, 8, bias=bias, convolution=seen), Layer(8, outputs, trained=False)))
    weights = draw(network, 1)
    X, _ = images(network, 1, 3)
    at = evaluate(network, weights, X)
    bound = smoothness(network, at, X, 1.0).lipschitz
    assert bound == smoothness(network, at, X, 1e3).lipschitz
    padded = np.pad(X.reshape(3, 2, 4), ((0, 0), (0, 0), (1, 1)))
    rows = np.array([[*padded[i, :, p : p + 3].ravel(), *[1.0] * bias] for i in range(3) for p in range(4)])
    readout = weights["layers.1.weight"].reshape(outputs, 2, 4)
    filters = np.sqrt((readout**2).sum(axis=(0, 2))).max()
    longest = np.linalg.norm(rows, axis=1).max()
    assert bound == pytest.approx(4 / (3 * np.sqrt(3)) * filters * np.linalg.norm(rows, 2) * longest, rel=1e-9)
    assert max(steepest(network, weights, X, radius, 0) for radius in (0.1, 1.0)) <= bound


@pytest.mark.parametrize(
    "layers",
    [
        (Layer(5, 10, bias=True, convolution=Convolution(1, (5,), (3,), (1,), (1,))), Layer(10, 1)),
        (Layer(5, 10, convolution=Convolution(1, (5,), (3,), (1,), (1,))), Layer(10, 2)),
        (Layer(1, 20), Layer(20, 20, convolution=Convolution(1, (20,), (5,), (1,), (2,)))),
    ],
)
def test_convolutions_from_zero_output_weights(layers: tuple[Layer, ...]) -> None:
    """The last has outputs that share their weights."""
    network = Stack("relu", layers)
    weights = draw(network, 0)
    weights["layers.1.weight"] = np.zeros_like(weights["layers.1.weight"])
    assert network.from_zero(weights)
    X, _ = images(network, 0, 3)
    bound = smoothness(network, evaluate(network, weights, X), X, 1.0, from_zero=True).lipschitz
    found = max(steepest(network, weights, X, radius, 0) for radius in (0.01, 1.0, 10.0))
    assert 0.3 * bound <= found <= bound


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
@pytest.mark.parametrize("bias", [False, True])
def test_both_layers_from_zero_output_weights(activation: str, bias: bool) -> None:
    """From the centre only, across any kinks: no quotient exceeds the constant, and some come near it."""
    network = Stack(activation, (Layer(2, 5, bias=bias), Layer(5, 1)))
    weights = draw(network, 0)
    weights["layers.1.weight"] = np.zeros((1, 5))
    assert network.from_zero(weights)
    X, _ = data(0, 3, 2)
    at = evaluate(network, weights, X)
    bound = smoothness(network, at, X, 1.0, from_zero=True).lipschitz
    found = max(steepest(network, weights, X, radius, 0) for radius in (0.01, 1.0, 10.0))
    assert 0.3 * bound <= found <= bound
    assert bound == smoothness(network, at, X, 1e6, from_zero=True).lipschitz


def test_norms_whose_squares_vanish_are_bounded() -> None:
    assert _norm(np.array([[3e-200, 4e-200]]))[0] >= 5e-200
