"""The evaluation with rounding bounds against the definition in 50 digits."""

from __future__ import annotations

import json
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from bounds.activations.pointwise import POINTWISE
from bounds.certificates.convolution import Convolution
from bounds.certificates.evaluation import evaluate, residual
from bounds.certificates.lipschitz import smoothness
from bounds.certificates.stack import Layer, Stack
from tests.bounds.certificates.networks import (
    DIGITS,
    data,
    draw,
    exact_gradients,
    image_stack,
    images,
    narrow_two_layer,
    stack,
    ties,
)

shapes = st.tuples(
    st.sampled_from(sorted(POINTWISE)),
    st.sampled_from([(1,), (4,), (3, 3), (5, 2, 2)]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 10**6),
    st.integers(-3, 3),
)


@settings(max_examples=40)
@given(shapes, st.integers(1, 3))
def test_outputs_and_gram_contain_the_exact_ones(
    shape: tuple[str, tuple[int, ...], bool, bool, int, int], outputs: int
) -> None:
    activation, widths, skips, bias, seed, exponent = shape
    network = stack(activation, 3, widths, residual=skips, bias=bias, outputs=outputs)
    weights = {name: array * 2.0**exponent for name, array in draw(network, seed).items()}
    contains_the_exact_ones(network, weights, *images(network, seed, 3))


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(POINTWISE)),
    st.sampled_from([((5,), (2,)), ((7,), (2, 2)), ((5, 3), (2,)), ((4, 3), (2, 2))]),
    st.sampled_from([(3, 1, 1), (3, 2, 1), (2, 1, 0), (1, 1, 0), (2, 2, 1)]),
    st.integers(1, 2),
    st.integers(1, 2),
    st.booleans(),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_convolutions_contain_the_exact_ones(
    activation: str,
    shape: tuple[tuple[int, ...], tuple[int, ...]],
    window: tuple[int, int, int],
    channels: int,
    outputs: int,
    skips: bool,
    bias: bool,
    seed: int,
) -> None:
    """One axis or two, strides, even kernels, several channels and outputs."""
    kernel, stride, padding = window
    network = image_stack(
        activation,
        *shape,
        channels=channels,
        outputs=outputs,
        residual=skips,
        bias=bias,
        kernel=kernel,
        stride=stride,
        padding=padding,
    )
    contains_the_exact_ones(network, draw(network, seed), *images(network, seed, 2))


def contains_the_exact_ones(network: Stack, weights: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray) -> None:
    found = evaluate(network, weights, X)
    midpoint, radius = found.gram
    difference, error = residual(network, weights, found, X, y)
    with mp.workdps(DIGITS):
        rows = [exact_gradients(network, weights, x, c) for x in X for c in range(network.output.outputs)]
        for i, (f, gradient) in enumerate(rows):
            assert abs(f - mpf(float(found.outputs[i]))) <= mpf(float(found.outputs_error[i]))
            assert abs(f - mpf(float(y.flat[i])) - mpf(float(difference[i]))) <= mpf(float(error[i]))
            for j, (_, other) in enumerate(rows):
                exact = mpmath.fsum(a * b for a, b in zip(gradient, other, strict=True))
                assert abs(exact - mpf(float(midpoint[i, j]))) <= mpf(float(radius[i, j]))


@settings(max_examples=30)
@given(st.data())
def test_the_norm_of_patches_is_exact(data: st.DataObject) -> None:
    """phi as a matrix, column by column by the definition; and what puts patches back is its transpose."""
    axes = data.draw(st.integers(1, 2))
    size, kernel, stride = (tuple(data.draw(st.integers(1, top)) for _ in range(axes)) for top in (6, 4, 3))
    padding = tuple(data.draw(st.integers(max(0, (k - s + 1) // 2), k - 1)) for s, k in zip(size, kernel, strict=True))
    seen = Convolution(data.draw(st.integers(1, 2)), size, kernel, stride, padding)
    layer = Layer(seen.inputs, int(np.prod(seen.positions)), convolution=seen)
    phi = layer.patches(np.eye(seen.inputs)).reshape(seen.inputs, -1)
    expected = np.zeros((seen.inputs, layer.positions, layer.patch))
    for p, pairs in enumerate(ties(layer)):
        for k, j in pairs:
            expected[j, p, k] = 1
    assert (phi == expected.reshape(phi.shape)).all()
    assert np.linalg.norm(phi, 2) == pytest.approx(layer.patch_norm, rel=1e-12)
    back = layer.spread(np.eye(phi.shape[1]).reshape(-1, layer.positions, layer.patch))
    assert (back == phi.T).all()


@pytest.mark.parametrize("activation", sorted(POINTWISE))
def test_the_bounds_are_not_much_wider_than_rounding(activation: str) -> None:
    network = stack(activation, 8, (16, 16, 16), residual=True, bias=True)
    X, _ = data(0, 5, 8)
    found = evaluate(network, draw(network, 0), X)
    midpoint, radius = found.gram
    assert found.doubtful == 0
    assert found.outputs_error.max() < 1e-12
    assert (radius < 1e-11 * np.sqrt(np.outer(np.diag(midpoint), np.diag(midpoint)))).all()


@pytest.mark.parametrize("trained", [(True, False, True), (False, True, False), (False, False, True)])
def test_only_trained_layers_count(trained: tuple[bool, ...]) -> None:
    full = stack("tanh", 3, (4, 4), residual=True, bias=True)
    layers = [
        Layer(v.inputs, v.outputs, v.scale_squared, v.skip_squared, v.bias, t)
        for v, t in zip(full.layers, trained, strict=True)
    ]
    network = Stack("tanh", tuple(layers))
    X, _ = data(1, 2, 3)
    weights = draw(network, 1)
    midpoint, radius = evaluate(network, weights, X).gram
    rows = np.array([[float(v) for v in exact_gradients(network, weights, x)[1]] for x in X])
    assert rows.shape[1] == network.parameters
    assert (np.abs(rows @ rows.T - midpoint) <= radius + 1e-14).all()


def test_a_centred_network_starts_at_minus_its_labels() -> None:
    network, weights = narrow_two_layer("tanh", 3, 6, 0)
    X, y = data(2, 4, 3)
    difference, error = residual(network, weights, evaluate(network, weights, X), X, y)
    assert (difference == -y).all() and (error == 0).all()
    weights["layers.0.weight"] = weights["layers.0.weight"] + 0.125
    difference, error = residual(network, weights, evaluate(network, weights, X), X, y)
    plain = network.uncentred
    now = {name: array for name, array in weights.items() if not name.startswith("start.")}
    start = {**now, "layers.0.weight": weights["start.layers.0.weight"]}
    with mp.workdps(DIGITS):
        for i, x in enumerate(X):
            moved = exact_gradients(plain, now, x)[0] - exact_gradients(plain, start, x)[0] - mpf(float(y[i]))
            assert abs(moved - mpf(float(difference[i]))) <= mpf(float(error[i])) < 1e-13


def test_a_relu_exactly_on_its_kink_is_doubtful() -> None:
    network = stack("relu", 2, (2,))
    weights = draw(network, 0)
    weights["layers.0.weight"] = np.array([[1.0, -1.0], [1.0, 2.0]])
    assert evaluate(network, weights, np.array([[1.0, 1.0], [0.5, 2.0]])).doubtful == 1


@pytest.mark.parametrize("residual", [False, True])
def test_a_relu_that_sees_zeros_alone_is_off(residual: bool) -> None:
    """Blank pixels at one end of the image: what looks there, and above it, is no kink."""
    network = image_stack("relu", (8,), (3, 3), residual=residual)
    X = np.abs(images(network, 0, 3)[0])
    X[:, :4] = 0
    weights = {name: np.abs(array) for name, array in draw(network, 0).items()}
    found = evaluate(network, weights, X)
    assert found.doubtful == 0
    assert (found.signals[0].z.reshape(3, 3, 8)[:, :, :3] == -1).all() and (found.signals[0].z >= -1).all()
    assert (found.signals[1].z.reshape(3, 3, 8)[:, :, :2] == -1).all()
    assert smoothness(network, found, X, 1e-9).margin > 0
    contains_the_exact_ones(network, weights, X, np.zeros(3))


def test_zeros_by_cancellation_are_no_blank() -> None:
    """x + relu(w x) = 0 where x = -1 and w x = 1: what sees it sits on a kink."""
    network = Stack("relu", (Layer(1, 1, skip_squared=Fraction(1)), Layer(1, 1), Layer(1, 1)))
    weights = {name: np.ones(shape) for name, shape in network.shapes().items()}
    weights["layers.0.weight"] = -weights["layers.0.weight"]
    assert evaluate(network, weights, np.array([[-1.0]])).doubtful == 1


@pytest.mark.parametrize(
    "numbers",
    [
        (0, (4,), (3,), (1,), (1,)),
        (1, (), (), (), ()),
        (1, (4, 4, 4), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
        (1, (4, 4), (3,), (1,), (1,)),
        (1, (4,), (3,), (0,), (1,)),
        (1, (4,), (3,), (1,), (3,)),
        (1, (4,), (3,), (1,), (-1,)),
        (1, (2,), (5,), (1,), (1,)),
        (2**10, (2**10,), (2**5,), (1,), (0,)),
    ],
)
def test_convolutions_that_make_no_sense(numbers: tuple) -> None:
    with pytest.raises(ValueError):
        Convolution(*numbers)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers.0.weight": np.full((4, 3), np.nan)}, "nan"),
        ({"layers.0.weight": np.full((4, 3), 1e30)}, "2\\^60"),
        ({"layers.0.weight": np.zeros((3, 4))}, "shape"),
        ({"layers.0.weight": np.zeros((4, 3), dtype=np.float32)}, "float32"),
        ({"layers.0.weight": [[0.0]]}, "list"),
        ({"layers.9.weight": np.zeros(1)}, "unknown"),
    ],
)
def test_weights_that_do_not_belong_are_refused(change: dict[str, np.ndarray], words: str) -> None:
    network = stack("tanh", 3, (4,))
    with pytest.raises(ValueError, match=words):
        evaluate(network, {**draw(network, 0), **change}, data(0, 2, 3)[0])


def test_signals_that_explode_are_refused() -> None:
    network = stack("relu", 2, (2,) * 8)
    weights = {name: np.full(array.shape, 2.0**55) for name, array in draw(network, 0).items()}
    with pytest.raises(ValueError, match="2\\^100"):
        evaluate(network, weights, np.ones((1, 2)))


def test_a_missing_tensor_is_named() -> None:
    network = stack("tanh", 3, (4,))
    with pytest.raises(ValueError, match=r"layers\.1\.weight"):
        network.check({"layers.0.weight": np.zeros((4, 3))})


def test_a_setting_survives_its_plain_form() -> None:
    network = stack("gelu", 3, (4, 4), residual=True, bias=True)
    assert Stack.from_plain(network.plain()) == network
    planar = image_stack("tanh", (5, 4), (3, 3), channels=2, outputs=2, residual=True, stride=2)
    assert Stack.from_plain(json.loads(json.dumps(planar.plain()))) == planar
    first, *rest = planar.plain()["layers"]
    changes = ({"size": [5]}, {"size": [5, "4"]}, {"stride": [0, 1]}, {"channels": 3}, {"dilation": 1}, {"size": 5})
    for change in changes:
        layers = [{**first, "convolution": {**first["convolution"], **change}}, *rest]
        with pytest.raises(ValueError, match="convolution|Convolution|images"):
            Stack.from_plain({**planar.plain(), "layers": layers})
    for spoiled in (
        {},
        [],
        {**network.plain(), "activation": "sine"},
        {**network.plain(), "layers": []},
        {**network.plain(), "layers": [{**network.plain()["layers"][0], "scale_squared": "1/0"}] * 3},
        {**network.plain(), "layers": [{**network.plain()["layers"][0], "inputs": True}] * 3},
        {**network.plain(), "layers": [{**network.plain()["layers"][0], "scale_squared": "-1"}] * 3},
    ):
        with pytest.raises(ValueError):
            Stack.from_plain(spoiled)


@pytest.mark.parametrize(
    "layers",
    [
        (Layer(2, 3), Layer(4, 1)),
        (Layer(2, 3), Layer(3, 3, skip_squared=Fraction(1))),
        (Layer(2, 3, skip_squared=Fraction(1)), Layer(3, 1)),
        (Layer(2, 3, trained=False), Layer(3, 1, trained=False)),
        (Layer(2, 1),),
        (Layer(5, 4, convolution=Convolution(1, (4,), (1,), (1,), (0,))), Layer(4, 1)),
        (Layer(4, 6, convolution=Convolution(1, (4,), (1,), (1,), (0,))), Layer(6, 1)),
        (Layer(2, 3), Layer(3, 1, scale_squared=Fraction(0))),
        (Layer(0, 3), Layer(3, 1)),
    ],
)
def test_networks_that_make_no_sense(layers: tuple[Layer, ...]) -> None:
    with pytest.raises(ValueError):
        Stack("tanh", layers)
