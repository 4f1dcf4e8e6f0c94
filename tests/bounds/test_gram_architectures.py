"""Random architectures, depths, activations and inputs: every entry holds the number that 100 digits give it.

The oracle shares nothing with the product but Arb's arithmetic. It goes forward only, with features, means and tangents
of all pairs of pixels, and its expectations are the trapezoidal rule in the plane, or textbook formulas where an
activation has a kink. ZEROLOSS_CASES and ZEROLOSS_SEED ask for more cases than the default:

    ZEROLOSS_CASES=1000 pytest tests/bounds/test_gram_architectures.py
"""

import os
from functools import cache

import flint
import mpmath
import numpy as np
import pytest
from flint import arb, arb_poly, fmpq
from mpmath import mpf

from bounds.activations import (
    ABSOLUTE_VALUE,
    COS,
    ERF,
    EXPONENTIAL,
    GELU,
    RELU,
    SIGMOID,
    SILU,
    SIN,
    SOFTPLUS,
    STEP,
    TANH,
    from_derivative_bounds,
    hermite,
    leaky_relu,
    polynomial,
)
from bounds.gram import conv_resnet, fully_connected, resnet, two_layer

CASES = int(os.environ.get("ZEROLOSS_CASES", "48"))
SEED = int(os.environ.get("ZEROLOSS_SEED", "0"))
BITS = 500


def density(z):
    return (-z * z / 2).exp() / (2 * arb.pi()).sqrt()


def sigmoid(z):
    return 1 / (1 + (-z).exp())


def slope_of_sigmoid(z):
    return sigmoid(z) * sigmoid(-z)


def distribution(z):
    return (1 + (z / arb(2).sqrt()).erf()) / 2


OWN = from_derivative_bounds(
    "own", arb.tanh, lambda z: 1 / z.cosh() ** 2, (1.0, 0.77, 2.0, 4.09, 16.0, 56.6, 272.0, 1324.0, 7936.0)
)
SMOOTH = {  # the activation and its derivative as the textbooks write them
    ERF: (arb.erf, lambda z: 2 * (-z * z).exp() / arb.pi().sqrt()),
    GELU: (lambda z: z * distribution(z), lambda z: distribution(z) + z * density(z)),
    SIN: (arb.sin, arb.cos),
    COS: (arb.cos, lambda z: -z.sin()),
    EXPONENTIAL: (arb.exp, arb.exp),
    polynomial([1, -2, 0, 0.5]): (lambda z: 1 - 2 * z + z * z * z / 2, lambda z: -2 + 3 * z * z / 2),
    hermite(3): (lambda z: (z * z * z - 3 * z) / arb(6).sqrt(), lambda z: (3 * z * z - 3) / arb(6).sqrt()),
    SOFTPLUS: (lambda z: (1 + z.exp()).log(), sigmoid),
    TANH: (arb.tanh, lambda z: 1 / z.cosh() ** 2),
    SIGMOID: (sigmoid, slope_of_sigmoid),
    SILU: (lambda z: z * sigmoid(z), lambda z: sigmoid(z) + z * slope_of_sigmoid(z)),
    OWN: (arb.tanh, lambda z: 1 / z.cosh() ** 2),
}
BENT = {RELU: (0, 1), leaky_relu(0.25): (0.25, 1), ABSOLUTE_VALUE: (-1, 1)}  # slopes left and right of the kink
EVERY = [*SMOOTH, *BENT, STEP]
POLES_AT = {TANH: np.pi / 2, OWN: np.pi / 2, SOFTPLUS: np.pi, SIGMOID: np.pi, SILU: np.pi}
GROWTH = {ERF: 1.0, GELU: 0.5}
"""Of |g(x + iy)|, as exp(growth y^2)."""


class Plane:
    """Expectations by the trapezoidal rule, with as many nodes to the unit as 100 digits ask for.

    Poles of g at a distance a cost exp(-2 pi a steps), a Gaussian of variance p exp(-2 pi^2 p steps^2), where growth of
    the rest of the integrand as exp(k y^2) adds 2 k to 1 / p; nodes beyond 24 standard deviations do not count.
    """

    def __init__(self, g, poles_at, growth):
        self._g = cache(lambda j, steps: g(arb(fmpq(j, steps))))
        self._least, self._growth = int(np.ceil(230 / (2 * np.pi * poles_at))), growth

    def _nodes(self, *variances, narrowest, growth):
        """The number of steps to the unit, and the nodes for each variance."""
        steps = max(self._least, int(np.ceil(3.42 * (1 / narrowest + 2 * growth) ** 0.5)))
        reach = [int(24 * steps * float(p) ** 0.5) + 1 for p in variances]
        return steps, *(range(-last, last + 1) for last in reach)

    def line(self, p, function=lambda value: value):
        steps, nodes = self._nodes(p, narrowest=float(p), growth=2 * self._growth)
        total = sum(
            (function(self._g(j, steps)) * (-arb(fmpq(j * j, steps**2)) / (2 * p)).exp() for j in nodes), arb(0)
        )
        return (total / (steps * (2 * arb.pi() * p).sqrt())).mid()

    def product(self, p, q, c):
        """The density of (u, v) is one of u, one of v, and powers of exp(c u / det), for which Horner's rule does."""
        det = p * q - c * c
        narrowest = np.linalg.eigvalsh([[float(p), float(c)], [float(c), float(q)]])[0]
        steps, left, right = self._nodes(p, q, narrowest=narrowest, growth=self._growth)
        first, second = (
            [self._g(j, steps) * (-arb(fmpq(j * j, steps**2)) * other / (2 * det)).exp() for j in nodes]
            for nodes, other in ((left, q), (right, p))
        )
        row, total = arb_poly(second), arb(0)
        for j, weight in zip(left, first, strict=True):
            x = (c * j / (det * steps**2)).exp()
            total += weight * row(x) * x**right.start
        return (total / (steps**2 * 2 * arb.pi() * det.sqrt())).mid()


class Smooth:
    def __init__(self, value, slope, *analyticity):
        self.value, self.slope = Plane(value, *analyticity), Plane(slope, *analyticity)

    def pair(self, p, q, c, same):
        if same:
            return tuple(g.line(p, lambda value: value * value) for g in (self.value, self.slope))
        return self.value.product(p, q, c), self.slope.product(p, q, c)

    def mean(self, p):
        return self.value.line(p)


class Bent:
    """left min(z, 0) + right max(z, 0), by the kernels of Cho and Saul; with left None the step."""

    def __init__(self, left, right=1):
        self.left, self.right = left, right

    def pair(self, p, q, c, same):
        norms = (p * q).sqrt()
        cosine = (c / norms).max(arb(-1)).min(arb(1)).mid()
        angle = arb(0) if same else cosine.acos().mid()
        both = (arb.pi() - angle) / (2 * arb.pi())
        relu = norms * (angle.sin() + (arb.pi() - angle) * angle.cos()) / (2 * arb.pi())
        if self.left is None:
            return both, arb(0)
        mixed = relu - norms * angle.cos() / 2  # E[relu(u) relu(v)] - E[u relu(v)] = E[relu(-u) relu(v)]
        a, b = arb(self.left), arb(self.right)
        value = (a * a + b * b) * relu - 2 * a * b * mixed
        return value, (a * a + b * b) * both + 2 * a * b * (arb(0.5) - both)

    def mean(self, p):
        return ((self.right or 0) - (self.left or 0)) * (p / (2 * arb.pi())).sqrt()


@cache
def oracle(activation):
    if activation is STEP:
        return Bent(None)
    if activation in BENT:
        return Bent(*BENT[activation])
    return Smooth(*SMOOTH[activation], POLES_AT.get(activation, np.inf), GROWTH.get(activation, 0.0))


def true_gram(images, patch, layers, trained, readout, activation):
    """Forward through ``layers`` of (factor, skip); ``trained`` says of each whether its weights count.

    images: exact pixels by input, pixel and channel.
    """
    moments, pixels = oracle(activation), len(images[0])
    rows = [(i, p) for i in range(len(images)) for p in range(pixels)]
    features = {
        (u, v): sum((a * b for a, b in zip(images[u[0]][u[1]], images[v[0]][v[1]], strict=True)), arb(0)).mid()
        for u in rows
        for v in rows
    }
    tangent, means = dict.fromkeys(features, arb(0)), dict.fromkeys(rows, arb(0))

    def seen(table):
        def entry(u, v):
            offsets = [o for o in range(-(patch // 2), patch // 2 + 1) if 0 <= min(u[1], v[1]) + o]
            inside = [o for o in offsets if max(u[1], v[1]) + o < pixels]
            return sum((table[(u[0], u[1] + o), (v[0], v[1] + o)] for o in inside), arb(0)).mid()

        return {(u, v): entry(u, v) for u, v in table}

    for (factor, skip), counts in zip(layers, trained, strict=True):
        inputs, below = seen(features), seen(tangent)
        e = {u: factor * moments.mean(inputs[u, u]) for u in rows}
        values, slopes = {}, {}
        for u, v in features:
            if (v, u) in values:
                values[u, v], slopes[u, v] = values[v, u], slopes[v, u]
            else:
                values[u, v], slopes[u, v] = moments.pair(inputs[u, u], inputs[v, v], inputs[u, v], u == v)
        square = factor * factor
        tangent = {
            (u, v): (
                (tangent[u, v] if skip else 0) + square * slopes[u, v] * (below[u, v] + counts * inputs[u, v])
            ).mid()
            for u, v in tangent
        }
        features = {
            (u, v): ((features[u, v] + means[u] * e[v] + e[u] * means[v] if skip else 0) + square * values[u, v]).mid()
            for u, v in features
        }
        means = {u: ((means[u] if skip else 0) + e[u]).mid() for u in rows}
    total = {pair: tangent[pair] + readout * features[pair] for pair in tangent}
    n = len(images)
    return [[sum((total[(i, p), (j, p)] for p in range(pixels)), arb(0)) for j in range(n)] for i in range(n)]


def images_of(X, normalised):
    found = [[[arb(v) for v in pixel] for pixel in x.T.tolist()] for x in X]
    lengths = [sum((v * v for pixel in x for v in pixel), arb(0)).sqrt() if normalised else arb(1) for x in found]
    return [[[v / length for v in pixel] for pixel in x] for x, length in zip(found, lengths, strict=True)]


def violations(found, truth):
    slack = arb(10) ** -60
    return [
        (i, j)
        for i, j in np.ndindex(found.midpoint.shape)
        if not abs(truth[i][j] - float(found.midpoint[i, j])).mid()
        <= arb(float(found.radius[i, j])) + slack * (1 + abs(truth[i][j]))
    ]


def inputs(rng, n, pixels, bent):
    """Any inputs for an activation with a kink, often parallel ones; moderate angles for the rule in the plane."""
    if bent:
        X = rng.standard_normal((n, int(rng.integers(2, 5)), pixels))
        if pixels == 1 and rng.random() < 0.5:
            X[-1] = X[0] * [1.0, 2.0, -1.0, -0.5, 1 + 2.0**-30][rng.integers(5)]
    else:
        turn = np.linalg.qr(rng.standard_normal((n * pixels, n * pixels)))[0]
        rows = turn + 0.4 * rng.standard_normal(turn.shape) / np.sqrt(len(turn))
        X = rows.reshape(n, pixels, n * pixels).transpose(0, 2, 1)
    return X * rng.uniform(0.6, 1.2, (n, 1, 1)) / np.sqrt(np.square(X).sum(axis=(1, 2), keepdims=True))


def random_case(rng, activation):
    """A random architecture and inputs, its Gram matrix, and the truth."""
    bent = activation in BENT or activation is STEP
    kind = rng.choice(["two layers", "fully connected", "residual", "convolutional"])
    if activation is STEP:
        kind = "two layers"
    n, normalised = int(rng.integers(2, 5 if bent else 3)), bool(rng.integers(2))
    pixels = int(rng.integers(2, 4 if bent else 3)) if kind == "convolutional" else 1
    X = inputs(rng, n, pixels, bent)
    images = images_of(X, normalised)
    c = 1 / oracle(activation).pair(arb(1), arb(1), arb(1), True)[0]
    if kind == "two layers":
        trained = "last" if activation is STEP else str(rng.choice(["first", "last", "both"]))
        found = two_layer(X[:, :, 0], trained=trained, activation=activation, normalised=normalised)
        layers, counts, readout = [(arb(1), False)], [int(trained != "last")], int(trained != "first")
        return found, true_gram(images, 1, layers, counts, readout, activation)
    deepest = 5 if bent else 2 if kind == "convolutional" or activation.lipschitz is None else 3
    depth = int(rng.integers(1 if kind == "fully connected" else 2, deepest + 1))
    trained = str(rng.choice(["last_hidden", "all"]))
    rest = {"depth": depth, "activation": activation, "trained": trained, "normalised": normalised}
    readout = int(trained == "all")
    counts = [readout] * (depth - 1) + [1]
    if kind == "fully connected":
        found = fully_connected(X[:, :, 0], **rest)
        return found, true_gram(images, 1, [(c.sqrt(), False)] * depth, counts, readout, activation)
    scale = float(rng.choice([0.5, -0.75, 2.0]))
    layers = [(c.sqrt(), False)] + [(arb(scale) / depth, True)] * (depth - 1)
    if kind == "residual":
        return resnet(X[:, :, 0], residual_scale=scale, **rest), true_gram(
            images, 1, layers, counts, readout, activation
        )
    patch = int(rng.choice([1, 3]))
    found = conv_resnet(X, patch=patch, residual_scale=scale, **rest)
    return found, true_gram(images, patch, layers, counts, readout, activation)


@pytest.mark.parametrize("seed", range(SEED, SEED + CASES))
def test_random_architectures_contain_the_truth(seed):
    rng, activation = np.random.default_rng(seed), EVERY[seed % len(EVERY)]
    with flint.ctx.workprec(BITS):
        found, truth = random_case(rng, activation)
        assert violations(found, truth) == []
    assert activation is OWN or found.radius.max() <= 1e-13 * np.abs(found.midpoint).max()


def test_the_rule_in_the_plane_has_its_digits():
    """Against elementary formulas in mpmath, and for tanh against four times as many nodes."""
    p, q, c = 1.0, 0.75, -0.375
    with mpmath.workdps(110), flint.ctx.workprec(BITS):
        damping, determinant = mpmath.exp(-mpf(p + q) / 2), (1 + mpf(p)) * (1 + mpf(q)) - mpf(c) ** 2
        scale = mpmath.sqrt((1 + 2 * mpf(p)) * (1 + 2 * mpf(q)))
        both = mpf(1) / 4 + mpmath.asin(c / mpmath.sqrt((1 + mpf(p)) * (1 + mpf(q)))) / (2 * mpmath.pi)
        curve = mpf(p) * q - mpf(p) * mpf(c) ** 2 / (1 + mpf(p)) + mpf(c) ** 2 / (1 + mpf(q))
        for activation, truth in (
            (SIN, damping * mpmath.sinh(c)),
            (EXPONENTIAL, mpmath.exp(mpf(p + q) / 2 + c)),
            (ERF, 2 / mpmath.pi * mpmath.asin(2 * c / scale)),
            (GELU, c * both + curve / (2 * mpmath.pi * mpmath.sqrt(determinant))),
        ):
            found = oracle(activation).pair(arb(p), arb(q), arb(c), False)[0]
            assert abs(found - arb(mpmath.nstr(truth, 108))) < arb(10) ** -97
        coarse, fine = oracle(TANH).value, Plane(arb.tanh, np.pi / 8, 0.0)
        assert abs(coarse.product(arb(p), arb(q), arb(c)) - fine.product(arb(p), arb(q), arb(c))) < arb(10) ** -97
        assert abs(coarse.line(arb(p)) - fine.line(arb(p))) < arb(10) ** -97


def test_an_entry_off_by_three_radii_is_noticed():
    rng = np.random.default_rng(0)
    with flint.ctx.workprec(BITS):
        found, truth = random_case(rng, SOFTPLUS)
        found.midpoint[0, 1] += 3 * found.radius[0, 1] + 3 * np.spacing(found.midpoint[0, 1])
        assert violations(found, truth) == [(0, 1)]
