"""Random small networks near the edge of what is certified, against descent at 300 bits.

``python -m tests.bounds.certificates.truth --count 10000 --seed 0`` tries so many; it ends with 1 if a claim is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import flint
import numpy as np
from flint import arb, arb_mat

from bounds import Problem
from bounds.activations.pointwise import POINTWISE
from bounds.certificates.proving import Certificate, certify
from bounds.certificates.stack import Layer, Stack
from tests.bounds.certificates.networks import image_stack, images, shifted, stack, ties, trained

BITS = 300
STEPS = 25

VALUE: dict[str, tuple[Callable[[arb], arb], Callable[[arb], arb]]] = {
    "relu": (lambda z: z.max(arb(0)), lambda z: arb(1) if z > 0 else arb(0)),
    "tanh": (lambda z: z.tanh(), lambda z: 1 - z.tanh() ** 2),
    "sigmoid": (lambda z: 1 / (1 + (-z).exp()), lambda z: (-z).exp() / (1 + (-z).exp()) ** 2),
    "softplus": (lambda z: (1 + z.exp()).log(), lambda z: 1 / (1 + (-z).exp())),
    "erf": (lambda z: z.erf(), lambda z: 2 / arb.pi().sqrt() * (-z * z).exp()),
    "gelu": (
        lambda z: z * (1 + (z / arb(2).sqrt()).erf()) / 2,
        lambda z: (1 + (z / arb(2).sqrt()).erf()) / 2 + z * (-z * z / 2).exp() / (2 * arb.pi()).sqrt(),
    ),
    "silu": (
        lambda z: z / (1 + (-z).exp()),
        lambda z: 1 / (1 + (-z).exp()) + z * (-z).exp() / (1 + (-z).exp()) ** 2,
    ),
}


def descend(
    network: Stack, weights: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray, step: float
) -> list[tuple[arb, arb]]:
    """Path so far and residual norm of descent; every number a ball of 300 bits.

    A convolution is a dense layer whose entries are tied: its gradient is that of the dense layer, summed over ties.
    """
    slope = VALUE[network.activation][1]
    numbers = _exact(network, weights)
    s = [root(layer.scale_squared) for layer in network.layers]
    t = [None if layer.skip_squared is None else root(layer.skip_squared) for layer in network.layers]
    inputs, labels = exact(X), exact(y.reshape(len(X), -1))
    if network.centred:
        labels = labels + forward(network, _exact(network, network.at_start(weights)), inputs)[1][-1]
    path, trace = arb(0), []
    for _ in range(STEPS):
        W = [dense(layer, filters) for layer, (filters, _) in zip(network.layers, numbers, strict=True)]
        hs, zs = forward(network, numbers, inputs)
        g = zs[-1] - labels
        trace.append((path, size(g)))
        slopes, through = [g], g * W[-1] * s[-1]
        back = through
        for k in reversed(range(len(W) - 1)):
            slopes.append(g := times(back if t[k] is None else back * t[k], entrywise(slope, zs[k])))
            through = g * W[k] * s[k]
            back = through if t[k] is None else back + through
        length = arb(0)
        for k, (layer, g) in enumerate(zip(network.layers, slopes[::-1], strict=True)):
            if layer.trained:
                filters, bias = numbers[k]
                moves = tied(layer, g.transpose() * hs[k] * s[k]), shared(layer, g)
                length += size(moves[0]) ** 2 + (size(moves[1]) ** 2 if layer.bias else 0)
                numbers[k] = filters - moves[0] * arb(step), bias - moves[1] * arb(step) if layer.bias else bias
        path += arb(step) * length.sqrt()
    return trace


def forward(network: Stack, numbers: list[tuple[arb_mat, arb_mat]], inputs: arb_mat) -> tuple[list, list]:
    """The inputs h_{l-1} and the z_l of all layers."""
    value, hs, zs = VALUE[network.activation][0], [inputs], []
    for layer, (filters, bias) in zip(network.layers, numbers, strict=True):
        z = hs[-1] * dense(layer, filters).transpose() * root(layer.scale_squared)
        shift = [v for v in bias.entries() for _ in range(layer.positions)]
        zs.append(z + arb_mat(z.nrows(), z.ncols(), shift * z.nrows()))
        after = entrywise(value, zs[-1])
        hs.append(after if layer.skip_squared is None else hs[-1] + after * root(layer.skip_squared))
    return hs, zs


def _exact(network: Stack, weights: dict[str, np.ndarray]) -> list[tuple[arb_mat, arb_mat]]:
    """Filters and biases of all layers; zeros where there is no bias."""
    none = [np.zeros((1, layer.filters)) for layer in network.layers]
    affine = zip(none, network.affine(weights), strict=True)
    return [(exact(array), exact(zeros if bias is None else bias[None])) for zeros, (_, array, bias) in affine]


def dense(layer: Layer, filters: arb_mat) -> arb_mat:
    """The matrix (outputs, inputs) that a layer multiplies by."""
    if layer.convolution is None:
        return filters
    matrix = arb_mat(layer.outputs, layer.inputs)
    for u, pairs in enumerate(ties(layer)):
        for k, j in pairs:
            matrix[u, j] = filters[u // layer.positions, k]
    return matrix


def tied(layer: Layer, matrix: arb_mat) -> arb_mat:
    """The transpose of :func:`dense`."""
    if layer.convolution is None:
        return matrix
    filters = arb_mat(layer.filters, layer.patch)
    for u, pairs in enumerate(ties(layer)):
        for k, j in pairs:
            filters[u // layer.positions, k] += matrix[u, j]
    return filters


def shared(layer: Layer, slopes: arb_mat) -> arb_mat:
    """The gradient in the bias: sums over inputs, and over the positions of each filter."""
    ones = arb_mat(1, slopes.nrows(), [arb(1)] * slopes.nrows())
    sums = (ones * slopes).entries()
    return arb_mat([[sum(sums[r : r + layer.positions], arb(0)) for r in range(0, len(sums), layer.positions)]])


def exact(a: np.ndarray) -> arb_mat:
    return arb_mat(*a.shape, [arb(float(v)) for v in a.ravel()])


def root(squared: object) -> arb:
    return (arb(squared.numerator) / squared.denominator).sqrt()


def entrywise(f: Callable[[arb], arb], a: arb_mat) -> arb_mat:
    return arb_mat(a.nrows(), a.ncols(), [f(v) for v in a.entries()])


def times(a: arb_mat, b: arb_mat) -> arb_mat:
    return arb_mat(a.nrows(), a.ncols(), [u * v for u, v in zip(a.entries(), b.entries(), strict=True)])


def size(a: arb_mat) -> arb:
    return sum((v * v for v in a.entries()), arb(0)).sqrt()


def draw(seed: int) -> tuple[Stack, dict[str, np.ndarray], np.ndarray, np.ndarray, float]:
    """A small network, so near a solution that a certificate is neither sure nor hopeless; a stretch of the step."""
    generator = np.random.default_rng([seed, 7])
    activation = str(generator.choice(sorted(POINTWISE)))
    outputs, n = int(generator.choice([1, 1, 1, 2])), int(generator.integers(2, 5))
    skips, bias = bool(generator.integers(2)), bool(generator.integers(2))
    if generator.random() < 0.5:
        widths = [(6,), (4,), (4, 4), (3, 3, 3)][generator.integers(4)]
        network = stack(activation, int(generator.integers(1, 4)), widths, residual=skips, bias=bias, outputs=outputs)
    else:
        size, filters, stride = [((4,), (3,), 1), ((5,), (2, 2), 2), ((3, 2), (2,), 1)][generator.integers(3)]
        channels = int(generator.integers(1, 3))
        network = image_stack(
            activation, size, filters, channels=channels, outputs=outputs, residual=skips, bias=bias, stride=stride
        )
    if generator.random() < 0.3:  # one layer that is not trained
        frozen = int(generator.integers(len(network.layers)))
        layers = [replace(layer, trained=index != frozen) for index, layer in enumerate(network.layers)]
        network = replace(network, layers=tuple(layers))
    if generator.random() < 0.3:
        network = replace(network, centred=True)
    X, y = images(network, seed, n)
    if generator.random() < 0.3:  # a blank part, which a ReLU without a bias sees as z = 0
        X[:, : max(1, X.shape[1] // 2)] *= generator.random((n, 1)) < 0.5
        X[:, -1] += 0.5
    if generator.random() < 0.1:  # no solution at all
        X, y = np.vstack([X, X[:1]]), np.concatenate([y, -y[:1]])
    weights = trained(network, seed, X, y)
    push = generator.standard_normal(network.parameters)
    weights = shifted(network, weights, 10 ** generator.uniform(-8, 0) * push / np.linalg.norm(push))
    return network, weights, X, y, float(generator.choice([0.3, 1.0, 1.5, 1.9, 1.9999]))


def judge(seed: int) -> str:
    """What became of a random problem: certified and true to its claims, refused, or wrong and how."""
    network, weights, X, y, stretch = draw(seed)
    if not all(np.isfinite(array).all() and np.abs(array).max() < 2.0**50 for array in weights.values()):
        return "refused"
    problem = Problem(X, y)
    first = certify(weights, network, problem)
    if not isinstance(first, Certificate):
        return "refused"
    found = certify(weights, network, problem, step_size=stretch * first.step_size)
    if not isinstance(found, Certificate):
        return "refused"
    with flint.ctx.workprec(BITS):
        trace = descend(network, weights, X, y, found.step_size)
        shrink = 1 - arb(found.step_size) * arb(found.convergence.decay.lower)
        if trace[0][1] > found.point.residual.upper or trace[0][1] < found.point.residual.lower:
            return f"seed {seed}: the residual is {trace[0][1].str(6)}"
        if max((path for path, _ in trace), key=float) > found.convergence.path.upper:
            return f"seed {seed}: the path exceeds {found.convergence.path.upper}"
        for (_, before), (_, after) in zip(trace, trace[1:], strict=False):
            if after > shrink * before:
                return f"seed {seed}: a step shrinks {before.str(6)} to {after.str(6)} only"
    return "certified, h above 1/100" if found.convergence.condition.upper > 0.01 else "certified"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally = Counter(map(judge, range(options.seed, options.seed + options.count)))
    wrong = [outcome for outcome in tally if outcome.startswith("seed")]
    for outcome, count in sorted(tally.items()):
        print(f"{count:6d} {outcome}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
