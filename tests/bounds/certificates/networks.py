"""Small networks for the tests, and their outputs and gradients by the definition, in many digits."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import mpmath
import numpy as np
from mpmath import mp, mpf

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


def stack(activation: str, d: int, widths: tuple[int, ...], *, residual: bool = False, bias: bool = False) -> Stack:
    """All layers trained, scaled so that signals keep their size."""
    gain = 2 if activation == "relu" else 1
    layers = [Layer(d, widths[0], Fraction(gain), bias=bias)]
    for below, above in zip(widths, widths[1:], strict=False):
        skip = Fraction(1, len(widths)) if residual and below == above else None
        layers.append(Layer(below, above, Fraction(gain, below), skip, bias))
    return Stack(activation, (*layers, Layer(widths[-1], 1, Fraction(1, widths[-1]), bias=bias)))


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


def exact_gradients(network: Stack, weights: Mapping[str, np.ndarray], x: np.ndarray) -> tuple[mpf, list[mpf]]:
    """f(x) and its derivatives in all trained numbers, layer by layer, weight before bias; by the chain rule."""
    value, slope = VALUE[network.activation]
    with mp.workdps(DIGITS):
        h, hs, zs = [mpf(float(v)) for v in x], [], []
        layers = list(network.affine(weights))
        for index, (layer, W, b) in enumerate(layers):
            s = mpmath.sqrt(mpf(layer.scale_squared.numerator) / layer.scale_squared.denominator)
            z = [
                s * mpmath.fsum(mpf(float(w)) * v for w, v in zip(row, h, strict=True))
                + (0 if b is None else mpf(float(b[r])))
                for r, row in enumerate(W)
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
        g, blocks, past = [mpf(1)], [], None
        for index in reversed(range(len(layers))):
            layer, W, b = layers[index]
            s = mpmath.sqrt(mpf(layer.scale_squared.numerator) / layer.scale_squared.denominator)
            if index < len(layers) - 1:
                skip = layer.skip_squared
                t = mpf(1) if skip is None else mpmath.sqrt(mpf(skip.numerator) / skip.denominator)
                g = [t * u * slope(z) for u, z in zip(past, zs[index], strict=True)]
            if layer.trained:
                block = [s * u * v for u in g for v in hs[index]]
                blocks.append(block + (list(g) if b is not None else []))
            through = [
                s * mpmath.fsum(u * mpf(float(w)) for u, w in zip(g, W[:, column], strict=True))
                for column in range(W.shape[1])
            ]
            if layer.skip_squared is not None and index < len(layers) - 1:
                through = [u + v for u, v in zip(through, past, strict=True)]
            past = through
        return zs[-1][0], [v for block in reversed(blocks) for v in block]


def jacobian(network: Stack, weights: Mapping[str, np.ndarray], X: np.ndarray) -> np.ndarray:
    """J (n, P), correctly rounded."""
    return np.array([[float(v) for v in exact_gradients(network, weights, x)[1]] for x in X])


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
