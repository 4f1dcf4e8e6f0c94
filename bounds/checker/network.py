"""A stack of layers evaluated in Arb matrices, with its derivatives and its Gram matrix: every number a proved ball."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product as products
from math import prod
from typing import Any

import numpy as np
from flint import arb, arb_mat, fmpq

from bounds.checker.files import Floats, Invalid, table

PRECISION = 128

MOST_LABELS = 2000
MOST_PARAMETERS = 2**27
MOST_SEEN = 2**24

_FRACTION = re.compile(r"([1-9][0-9]{0,99})(?:/([1-9][0-9]{0,99}))?")


@dataclass(frozen=True)
class Activation:
    """An activation in balls, its slope, and upper bounds of the sizes of its first two derivatives."""

    value: Callable[[arb], arb]
    slope: Callable[[arb], arb]
    lipschitz: arb
    bend: arb | None


def _phi(z: arb) -> arb:
    return (-z * z / 2).exp() / (2 * arb.pi()).sqrt()


def _normal(z: arb) -> arb:
    return (-z / arb(2).sqrt()).erfc() / 2


def _logistic(z: arb) -> arb:
    return 1 / (1 + (-z).exp())


def _logistic_slope(z: arb) -> arb:
    return _logistic(z) * _logistic(-z)


def _softplus(z: arb) -> arb:
    return (1 + z.exp()).log() if z < 0 else z + (1 + (-z).exp()).log()


def activations() -> dict[str, Activation]:
    """All activations, by name.

    |tanh''| is greatest at tanh^2 = 1/3, |erf''| at z^2 = 1/2, |gelu'| at z^2 = 2, |gelu''| and |silu''| at 0, and
    |silu'| stays below 1.09984, near z = 2.4; sigmoid(z) = (1 + tanh(z / 2)) / 2 is the slope of softplus.
    """
    pi, e = arb.pi(), arb(1).exp()
    tanh_bend = 4 / (3 * arb(3).sqrt())
    return {
        "relu": Activation(lambda z: z.max(arb(0)), lambda z: arb(1 if z > 0 else 0), arb(1), None),
        "tanh": Activation(arb.tanh, lambda z: z.sech() ** 2, arb(1), tanh_bend),
        "sigmoid": Activation(_logistic, _logistic_slope, arb(1) / 4, tanh_bend / 8),
        "softplus": Activation(_softplus, _logistic, arb(1), arb(1) / 4),
        "erf": Activation(arb.erf, lambda z: 2 * (-z * z).exp() / pi.sqrt(), 2 / pi.sqrt(), (8 / (pi * e)).sqrt()),
        "gelu": Activation(
            lambda z: z * _normal(z),
            lambda z: _normal(z) + z * _phi(z),
            _normal(arb(2).sqrt()) + arb(2).sqrt() * _phi(arb(2).sqrt()),
            (2 / pi).sqrt(),
        ),
        "silu": Activation(
            lambda z: z * _logistic(z),
            lambda z: _logistic(z) + z * _logistic_slope(z),
            arb(109984) / 100000,
            arb(1) / 2,
        ),
    }


@dataclass(frozen=True)
class Layer:
    """One layer as stated: z = s W h + b, then sigma(z), or h + t sigma(z) where ``skip`` is not None.

    A convolution does so with the patch of h at each position; these share W and b, and z is ordered by filter.

    Args:
        weight, bias: stored numbers, or balls for them, one row for each filter; None for no bias.
        scale, skip: balls of s and t.
        scale_squared: s^2.
        trained: whether it is.
        inputs: how many numbers it takes.
        seen: for each position the inputs in its patch, -1 for a zero beside the image; None for the whole input.
    """

    weight: Floats | arb_mat
    bias: Floats | arb_mat | None
    scale: arb
    skip: arb | None
    scale_squared: fmpq
    trained: bool
    inputs: int
    seen: list[list[int]] | None

    @property
    def positions(self) -> int:
        """How many patches there are."""
        return 1 if self.seen is None else len(self.seen)

    @cached_property
    def spread(self) -> arb:
        """A bound of the norm of taking patches: the root of the most patches that hold one input."""
        times = Counter(j for patch in self.seen or [[0]] for j in patch if j >= 0)
        return arb(max(times.values(), default=0)).sqrt()


@dataclass(frozen=True)
class Network:
    """What a certificate says a network is."""

    activation: Activation
    layers: list[Layer]
    start: list[Layer] | None
    outputs: int

    @classmethod
    def read(cls, stated: Any, arrays: dict[str, Floats]) -> Network:
        """Build it from the statement and the arrays, every one of which must be used.

        Raises:
            Invalid: the statement makes no sense, or does not fit the arrays.
        """
        top, known = table(stated, "activation centred layers", "the network"), activations()
        if not isinstance(top["activation"], str) or top["activation"] not in known:
            raise Invalid("the network has an unknown activation")
        if not isinstance(top["layers"], list) or not 2 <= len(top["layers"]) <= 64 or type(top["centred"]) is not bool:
            raise Invalid("the network should have between 2 and 64 layers, and be centred or not")
        used: set[str] = set()
        layers = [_layer(index, entry, arrays, "", used) for index, entry in enumerate(top["layers"])]
        start = None
        if top["centred"]:
            start = [_layer(index, entry, arrays, "start.", used) for index, entry in enumerate(top["layers"])]
        sizes = [(entry["outputs"], entry["inputs"]) for entry in top["layers"]]
        if any(below[0] != above[1] for below, above in zip(sizes, sizes[1:], strict=False)):
            raise Invalid("the layers of the network do not fit each other")
        if layers[-1].skip is not None or not any(layer.trained for layer in layers):
            raise Invalid("the network should end in a linear layer, and have something to train")
        if used != arrays.keys():
            raise Invalid("there are arrays that the network does not use")
        return cls(known[top["activation"]], layers, start, sizes[-1][0])

    @property
    def at_start(self) -> bool:
        """Whether it is centred and its numbers are those that it starts from."""
        return self.start is not None and all(_same(a, b) for a, b in zip(self.layers, self.start, strict=True))


def _layer(index: int, entry: Any, arrays: dict[str, Floats], prefix: str, used: set[str]) -> Layer:
    where = f"layer {index}"
    convolves = isinstance(entry, dict) and "convolution" in entry
    names = "inputs outputs scale_squared skip_squared bias trained" + " convolution" * convolves
    stated = table(entry, names, where)
    sizes = stated["inputs"], stated["outputs"]
    if any(type(v) is not int or not 0 < v <= 2**20 for v in sizes):
        raise Invalid(f"{where} has no proper size")
    if type(stated["bias"]) is not bool or type(stated["trained"]) is not bool:
        raise Invalid(f"{where} should say whether it has a bias and is trained")
    squared, skip = _fraction(stated["scale_squared"], where), None
    if stated["skip_squared"] is not None:
        skip = _fraction(stated["skip_squared"], where)
        if sizes[0] != sizes[1]:
            raise Invalid(f"{where} is residual but not square")
    seen, filter_shape = _patches(stated["convolution"], sizes[0], where) if convolves else (None, (sizes[0],))
    filters, left = divmod(sizes[1], len(seen or [0]))
    if left:
        raise Invalid(f"{where} has no whole number of filters")

    def stored(kind: str, shape: tuple[int, ...]) -> Floats:
        name = f"{prefix if stated['trained'] else ''}layers.{index}.{kind}"
        used.add(name)
        if name not in arrays or arrays[name].shape != shape or prod(shape) > MOST_PARAMETERS:
            raise Invalid(f"array {name} of shape {shape} is missing, or larger than {MOST_PARAMETERS}")
        return arrays[name]

    return Layer(
        stored("weight", (filters, *filter_shape)).reshape(filters, -1),
        stored("bias", (filters,)) if stated["bias"] else None,
        arb(squared).sqrt(),
        None if skip is None else arb(skip).sqrt(),
        squared,
        stated["trained"],
        sizes[0],
        seen,
    )


def _patches(stated: Any, inputs: int, where: str) -> tuple[list[list[int]], tuple[int, ...]]:
    """The inputs in each patch of an image (channels, *size), row by row, and the shape of one filter."""
    entry = table(stated, "channels size kernel stride padding", f"the convolution of {where}")
    channels, *axes = (entry[name] for name in ("channels", "size", "kernel", "stride", "padding"))
    plain = all(isinstance(axis, list) for axis in axes) and {len(axis) for axis in axes} in ({1}, {2})
    if not plain or any(type(v) is not int or not 0 <= v <= 2**20 for v in [channels, *sum(axes, [])]):
        raise Invalid(f"{where} is no convolution along one axis or two")
    size, kernel, stride, padding = axes
    counts = [(s + 2 * p - k) // max(t, 1) + 1 for s, k, t, p in zip(*axes, strict=True)]
    if min(*size, *kernel, *stride, *counts) < 1 or channels * prod(size) != inputs:
        raise Invalid(f"{where} has patches that do not fit its inputs")
    if prod(counts) * channels * prod(kernel) > MOST_SEEN:
        raise Invalid(f"{where} has more than {MOST_SEEN} numbers in its patches")
    seen: list[list[int]] = []
    for corner in products(*map(range, counts)):
        seen.append([])
        for channel, *offset in products(range(channels), *map(range, kernel)):
            place, inside = channel, True
            for c, t, p, o, s in zip(corner, stride, padding, offset, size, strict=True):
                at = c * t - p + o
                place, inside = place * s + at, inside and 0 <= at < s
            seen[-1].append(place if inside else -1)
    return seen, (channels, *kernel)


def _fraction(text: Any, where: str) -> fmpq:
    match = _FRACTION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Invalid(f"{where} has a squared factor that is no positive fraction")
    return fmpq(int(match[1]), int(match[2] or 1))


@dataclass(frozen=True)
class Signals:
    """A network on all inputs; each list goes by layer.

    Args:
        below: h_{l-1}, one row per input.
        z: z_l, likewise.
        arrow: the derivatives of all outputs, one row per output of an input, to sigma(z_l); unit vectors for the last.
        slope: the derivatives to z_l, likewise.
        outputs: of one input after the other, before anything is subtracted.
    """

    below: list[arb_mat]
    z: list[arb_mat]
    arrow: list[arb_mat]
    slope: list[arb_mat]
    outputs: list[arb]


def matrix(a: Floats | arb_mat) -> arb_mat:
    """A stored matrix, or a row, exactly."""
    if isinstance(a, arb_mat):
        return a
    rows, columns = a.shape if a.ndim == 2 else (1, len(a))
    return arb_mat(rows, columns, [arb(v) for v in a.ravel().tolist()])


def forward(activation: Activation, layers: list[Layer], X: Floats) -> tuple[list[arb_mat], list[arb_mat]]:
    """The inputs h_{l-1} and the z_l of all layers.

    A ReLU without a bias that sees zeros alone does so wherever no other ReLU switches, as no h is negative above a
    plain first layer: it is off, and -1 stands for its z.
    """
    below, z = [matrix(X)], []
    for layer in layers:
        seen = patches(layer, below[-1])
        step = seen * matrix(layer.weight).transpose() * layer.scale
        if layer.bias is not None:
            shift = matrix(layer.bias)
            step = step + arb_mat(step.nrows(), shift.ncols(), shift.entries() * step.nrows())
        elif activation.bend is None and layers[0].skip is None and layer is not layers[-1]:
            pairs = zip(seen.tolist(), step.tolist(), strict=True)  # a ReLU that sees zeros alone is off
            step = arb_mat([[arb(-1)] * len(z) if all(v == 0 for v in u) else z for u, z in pairs])
        step = arb_mat([arb_mat(block).transpose().entries() for block in cut(step, len(X), layer.positions)])
        z.append(step)
        if layer is not layers[-1]:
            after = _entrywise(activation.value, step)
            below.append(after if layer.skip is None else below[-1] + after * layer.skip)
    return below, z


def evaluate(network: Network, X: Floats) -> Signals:
    """Outputs and derivatives on all inputs.

    Raises:
        Invalid: a ReLU whose sign is not certain.
    """
    below, z = forward(network.activation, network.layers, X)
    if network.activation.bend is None and any(v.contains(0) for step in z[:-1] for v in step.entries()):
        raise Invalid("a ReLU sits on its kink, or too near to tell")
    count = network.outputs
    units = arb_mat([[int(j == k) for k in range(count)] for _ in X for j in range(count)])
    arrows, slopes = [units], [units]
    back = _through(network.layers[-1], units)
    for layer, step in zip(network.layers[-2::-1], z[-2::-1], strict=True):
        arrow = back if layer.skip is None else back * layer.skip
        each = [row for row in _entrywise(network.activation.slope, step).tolist() for _ in range(count)]
        slope = product(arrow, arb_mat(each))
        arrows.append(arrow)
        slopes.append(slope)
        if layer is not network.layers[0]:
            through = _through(layer, slope)
            back = through if layer.skip is None else back + through
    return Signals(below, z, arrows[::-1], slopes[::-1], z[-1].entries())


def targets(network: Network, X: Floats, y: Floats) -> list[arb]:
    """What the outputs should be: the labels, for a centred network above its outputs at the start."""
    if network.start is None:
        return [arb(v) for v in y.ravel().tolist()]
    before = forward(network.activation, network.start, X)[1][-1].entries()
    return [f + arb(v) for f, v in zip(before, y.ravel().tolist(), strict=True)]


def residual(network: Network, found: Signals, X: Floats, y: Floats) -> list[arb]:
    """F - y."""
    if network.at_start:
        return [-arb(v) for v in y.ravel().tolist()]
    return [f - b for f, b in zip(found.outputs, targets(network, X, y), strict=True)]


def patches(layer: Layer, h: arb_mat) -> arb_mat:
    """What a layer sees of all inputs, one row for each position of each."""
    if layer.seen is None:
        return h
    return arb_mat([[row[j] if j >= 0 else arb(0) for j in patch] for row in h.tolist() for patch in layer.seen])


def _through(layer: Layer, g: arb_mat) -> arb_mat:
    """The derivatives to what a layer takes, through its patches, from those to what it gives."""
    by_position = [row[p :: layer.positions] for row in g.tolist() for p in range(layer.positions)]
    back = (arb_mat(by_position) if layer.seen else g) * matrix(layer.weight) * layer.scale
    if layer.seen is None:
        return back
    total = []
    for block in cut(back, g.nrows(), layer.positions):
        row = [arb(0)] * (layer.inputs + 1)  # the last takes what falls beside the image
        for patch, values in zip(layer.seen, block, strict=True):
            for j, v in zip(patch, values, strict=True):
                row[j] += v
        total.append(row[:-1])
    return arb_mat(total)


def cut(a: arb_mat, count: int, size: int) -> list[list[list[arb]]]:
    """The rows of a matrix in so many groups of one size."""
    rows = a.tolist()
    return [rows[k * size : (k + 1) * size] for k in range(count)]


def norm(values: list[arb]) -> arb:
    """The Euclidean norm."""
    return sum((v * v for v in values), arb(0)).nonnegative_part().sqrt()  # squares of balls around 0 reach below it


def product(a: arb_mat, b: arb_mat) -> arb_mat:
    """Entry by entry."""
    return arb_mat(a.nrows(), a.ncols(), [v * w for v, w in zip(a.entries(), b.entries(), strict=True)])


def _entrywise(f: Callable[[arb], arb], a: arb_mat) -> arb_mat:
    return arb_mat(a.nrows(), a.ncols(), [f(v) for v in a.entries()])


def _same(a: Layer, b: Layer) -> bool:
    """Whether two layers have the same stored numbers."""
    pairs = ((a.weight, b.weight), (a.bias, b.bias))
    return all(u is v or (isinstance(u, np.ndarray) and np.array_equal(u, v)) for u, v in pairs)  # type: ignore[arg-type]
