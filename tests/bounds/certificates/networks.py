"""Small networks for the tests, and their outputs and gradients by the definition, in many digits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np
from mpmath import mp, mpf

from bounds.certificates.convolution import Convolution
from bounds.certificates.polish import polish
from bounds.certificates.stack import Layer, Stack, two_layer

DIGITS = 50

VALUE = {
    "relu": (lambda z: max(z, mpf(0)), lambda z: mpf(z >= 0)),
    "tanh": (mpmath.tanh, lambda z: 1 - mpmath.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + mpmath.exp(-z)), lambda z: mpmath.exp(-z) / (1 + mpmath.exp(-z)) ** 2),
    "softplus": (lambda z: mpmath.log1p(mpmath.exp(z)), lambda z: 1 / (1 + mpmath.exp(-z))),
    "erf": (mpmath.erf, lambda z: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-z * z)),
    "gelu": (lambda z: z * mpmath.ncdf(z), lambda z: mpmath.ncdf(z) + z * mpmath.npdf(z)),
    "silu": (
        lambda z: z / (1 + mpmath.exp(-z)),
        lambda z: 1 / (1 + mpmath.exp(-z)) + z * mpmath.exp(-z) / (1 + mpmath.exp(-z)) ** 2,
    ),
}


def data(seed: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng([seed, 1])
    X = generator.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1)[:, None], generator.choice([-1.0, 1.0], n)


def stack(
    activation: str, d: int, widths: tuple[int, ...], *, residual: bool = False, bias: bool = False, outputs: int = 1
) -> Stack:
    """All layers trained, scaled so that signals keep their size."""
    gain = 2 if activation == "relu" else 1
    layers = [Layer(d, widths[0], Fraction(gain), bias=bias)]
    for below, above in zip(widths, widths[1:], strict=False):
        skip = Fraction(1, len(widths)) if residual and below == above else None
        layers.append(Layer(below, above, Fraction(gain, below), skip, bias))
    return Stack(activation, (*layers, Layer(widths[-1], outputs, Fraction(1, widths[-1]), bias=bias)))


def image_stack(
    activation: str,
    size: tuple[int, ...],
    filters: tuple[int, ...],
    *,
    channels: int = 1,
    outputs: int = 1,
    residual: bool = False,
    bias: bool = False,
    kernel: int = 3,
    stride: int = 1,
    padding: int = 1,
) -> Stack:
    """Convolutions, the first with the stride, and a dense output; all layers trained."""
    gain, axes = 2 if activation == "relu" else 1, len(size)
    layers: list[Layer] = []
    for index, count in enumerate(filters):
        step = stride if index == 0 else 1
        seen = Convolution(channels, size, (kernel,) * axes, (step,) * axes, (padding,) * axes)
        units = count * math.prod(seen.positions)
        skip = Fraction(1, len(filters)) if residual and index and seen.inputs == units else None
        layers.append(Layer(seen.inputs, units, Fraction(gain, seen.patch), skip, bias, convolution=seen))
        channels, size = count, seen.positions
    return Stack(activation, (*layers, Layer(layers[-1].outputs, outputs, Fraction(1, layers[-1].outputs), bias=bias)))


def images(network: Stack, seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of norm 1 and labels +-1, (n,) or (n, outputs)."""
    X, y = data(seed, n, network.layers[0].inputs)
    if network.output.outputs > 1:
        y = np.random.default_rng([seed, 3]).choice([-1.0, 1.0], (n, network.output.outputs))
    return X, y


@cache
def ties(layer: Layer) -> list[list[tuple[int, int]]]:
    """For each unit of a layer the pairs of a column of W and the input it multiplies, by the definition."""
    if layer.convolution is None:
        return [[(k, k) for k in range(layer.inputs)]] * layer.outputs
    seen = layer.convolution
    places: list[list[tuple[int, int]]] = []
    for position in itertools.product(*map(range, seen.positions)):
        pairs, column = [], 0
        for channel in range(seen.channels):
            for offset in itertools.product(*map(range, seen.kernel)):
                pixel = [p * t - z + o for p, t, z, o in zip(position, seen.stride, seen.padding, offset, strict=True)]
                if all(0 <= v < s for v, s in zip(pixel, seen.size, strict=True)):
                    pairs.append((column, int(np.ravel_multi_index((channel, *pixel), (seen.channels, *seen.size)))))
                column += 1
        places.append(pairs)
    return places * (layer.outputs // len(places))


def draw(network: Stack, seed: int) -> dict[str, np.ndarray]:
    """Standard normal weights; a centred network starts from them."""
    generator = np.random.default_rng([seed, 2])
    weights = {name: generator.standard_normal(shape) for name, shape in network.shapes().items()}
    return {name: weights[name.removeprefix("start.")] for name in weights}


def trained(network: Stack, seed: int, X: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    return polish(network, draw(network, seed), X, y)


def narrow_two_layer(activation: str, d: int, width: int, seed: int) -> tuple[Stack, dict[str, np.ndarray]]:
    """The hidden layer trained from a zero output, output weights +-1."""
    network = two_layer(d, width, activation)
    weights = draw(network, seed)
    weights["layers.1.weight"] = np.sign(weights["layers.1.weight"])
    return network, weights


def exact_gradients(
    network: Stack, weights: Mapping[str, np.ndarray], x: np.ndarray, output: int = 0
) -> tuple[mpf, list[mpf]]:
    """f(x) and its derivatives in all trained numbers, layer by layer, weight before bias; by the chain rule."""
    value, slope = VALUE[network.activation]
    with mp.workdps(DIGITS):
        h, hs, zs = [mpf(float(v)) for v in x], [], []
        layers = list(network.affine(weights))
        tied = [ties(layer) for layer in network.layers]
        for index, (layer, W, b) in enumerate(layers):
            s = mpmath.sqrt(mpf(layer.scale_squared.numerator) / layer.scale_squared.denominator)
            z = [
                s * mpmath.fsum(mpf(float(W[u // layer.positions, k])) * h[j] for k, j in pairs)
                + (0 if b is None else mpf(float(b[u // layer.positions])))
                for u, pairs in enumerate(tied[index])
            ]
            hs.append(h)
            zs.append(z)
            if index < len(layers) - 1:
                skip = layer.skip_squared
                after = [value(v) for v in z]
                if skip is None:
                    h = after
                else:
                    t = mpmath.sqrt(mpf(skip.numerator) / skip.denominator)
                    h = [u + t * v for u, v in zip(h, after, strict=True)]
        g, blocks, past = [mpf(c == output) for c in range(network.output.outputs)], [], None
        for index in reversed(range(len(layers))):
            layer, W, b = layers[index]
            s = mpmath.sqrt(mpf(layer.scale_squared.numerator) / layer.scale_squared.denominator)
            if index < len(layers) - 1:
                skip = layer.skip_squared
                t = mpf(1) if skip is None else mpmath.sqrt(mpf(skip.numerator) / skip.denominator)
                g = [t * u * slope(z) for u, z in zip(past, zs[index], strict=True)]
            block, shift, through = [mpf(0)] * W.size, [mpf(0)] * len(W), [mpf(0)] * layer.inputs
            for u, pairs in enumerate(tied[index]):
                r = u // layer.positions
                shift[r] += g[u]
                for k, j in pairs:
                    block[r * W.shape[1] + k] += s * g[u] * hs[index][j]
                    through[j] += s * g[u] * mpf(float(W[r, k]))
            if layer.trained:
                blocks.append(block + (shift if b is not None else []))
            if layer.skip_squared is not None and index < len(layers) - 1:
                through = [u + v for u, v in zip(through, past, strict=True)]
            past = through
        return zs[-1][output], [v for block in reversed(blocks) for v in block]


def jacobian(network: Stack, weights: Mapping[str, np.ndarray], X: np.ndarray) -> np.ndarray:
    """J (n C, P), correctly rounded."""
    outputs = range(network.output.outputs)
    return np.array([[float(v) for v in exact_gradients(network, weights, x, c)[1]] for x in X for c in outputs])


def shifted(network: Stack, weights: Mapping[str, np.ndarray], direction: np.ndarray) -> dict[str, np.ndarray]:
    """The trained numbers moved along a direction (P,), in the order of the Jacobian's columns."""
    moved, start = dict(weights), 0
    for index, layer in enumerate(network.layers):
        if not layer.trained:
            continue
        for name in (f"layers.{index}.weight", *((f"layers.{index}.bias",) if layer.bias else ())):
            size = moved[name].size
            moved[name] = moved[name] + direction[start : start + size].reshape(moved[name].shape)
            start += size
    return moved
