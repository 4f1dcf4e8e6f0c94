"""Gradient descent of tiny two-layer networks at hundreds of bits: the truth that claims are held against."""

import flint
import numpy as np
from flint import arb

from bounds.linalg.double_double import split

PRECISION = 800


def _gelu(z):
    return z * (1 + (z / arb(2).sqrt()).erf()) / 2


def _gelu_slope(z):
    return (1 + (z / arb(2).sqrt()).erf()) / 2 + z * (-z * z / 2).exp() / (2 * arb.pi()).sqrt()


FUNCTIONS = {
    "tanh": (arb.tanh, lambda z: 1 / z.cosh() ** 2),
    "erf": (arb.erf, lambda z: 2 * (-z * z).exp() / arb.pi().sqrt()),
    "softplus": (lambda z: (1 + z.exp()).log(), lambda z: 1 / (1 + (-z).exp())),
    "gelu": (_gelu, _gelu_slope),
    "relu": (lambda z: z if z > 0 else arb(0), lambda z: arb(1) if z > 0 else arb(0)),
}


def balls(array):
    return [[arb(float(entry)) for entry in row] for row in np.atleast_2d(array)]


def inner(u, v):
    return sum((a * b for a, b in zip(u, v, strict=True)), arb(0))


def norm(rows):
    """The Euclidean norm, by its two ends: the square of a ball around 0 may reach below 0."""
    ends = [
        sum((end(abs(entry)) ** 2 for row in rows for entry in row), arb(0)).sqrt() for end in (arb.lower, arb.upper)
    ]
    return ends[0].union(ends[1])


def apart(rows, others):
    return norm([[a - b for a, b in zip(u, v, strict=True)] for u, v in zip(rows, others, strict=True)])


def exact_outputs(X, weights, signs, name):
    """The outputs in two parts (2, n), whose sum is right to 2^-104 of the first."""
    with flint.ctx.workprec(PRECISION):
        value, root = FUNCTIONS[name][0], arb(len(weights)).sqrt()
        Z = [[inner(w, x) for x in balls(X)] for w in balls(weights)]
        a = [arb(float(sign)) / root for sign in signs]
        return np.array([split(inner(a, [value(row[i]) for row in Z])) for i in range(len(X))]).T


def exact_descent(X, targets, weights, signs, name, step_size, steps):
    """Yield (weights, residual, gradient) of descent in balls far narrower than float64, for steps 0, 1, ..."""
    with flint.ctx.workprec(PRECISION):
        value, slope = FUNCTIONS[name]
        inputs, W, (b, more, y) = balls(X), balls(weights), balls(targets)
        scale = 1 / arb(len(weights)).sqrt()
        readout = [scale * arb(float(sign)) for sign in signs]
        for _ in range(steps + 1):
            Z = [[inner(w, x) for x in inputs] for w in W]
            r = [inner(readout, [value(row[i]) for row in Z]) - b[i] - more[i] - y[i] for i in range(len(inputs))]
            gradient = [
                [
                    a * inner([slope(z) * error for z, error in zip(row, r, strict=True)], column)
                    for column in zip(*inputs, strict=True)
                ]
                for a, row in zip(readout, Z, strict=True)
            ]
            yield W, r, gradient
            W = [
                [w - arb(float(step_size)) * g for w, g in zip(row, change, strict=True)]
                for row, change in zip(W, gradient, strict=True)
            ]
