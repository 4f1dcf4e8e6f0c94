"""A stack of layers evaluated in Arb matrices, with its derivatives and its Gram matrix: every number a proved ball."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat, fmpq

from bounds.checker.files import Floats, Invalid, table

PRECISION = 128

MOST_INPUTS = 2000
MOST_PARAMETERS = 2**27

_FRACTION = re.compile(r"([1-9][0-9]{0,49})(?:/([1-9][0-9]{0,49}))?")


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
        "relu": Activation(lambda z: z if z > 0 else arb(0), lambda z: arb(1 if z > 0 else 0), arb(1), None),
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

    Args:
        weight, bias: stored numbers, or balls for them; None for no bias.
        scale, skip: balls of s and t.
        scale_squared: s^2.
        trained: whether it is.
    """

    weight: Floats | arb_mat
    bias: Floats | arb_mat | None
    scale: arb
    skip: arb | None
    scale_squared: fmpq
    trained: bool


@dataclass(frozen=True)
class Network:
    """What a certificate says a network is."""

    activation: Activation
    layers: list[Layer]
    start: list[Layer] | None

    @classmethod
    def read(cls, stated: Any, arrays: dict[str, Floats]) -> Network:
        """Build it from the statement and the arrays, every one of which must be used.

        Raises:
            Invalid: the statement makes no sense, or does not fit the arrays.
        """
        top = table(stated, "activation centred layers", "the network")
        known = activations()
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
        if sizes[-1][0] != 1 or layers[-1].skip is not None or not any(layer.trained for layer in layers):
            raise Invalid("the network should end in one linear unit, and have something to train")
        if used != arrays.keys():
            raise Invalid("there are arrays that the network does not use")
        return cls(known[top["activation"]], layers, start)

    @property
    def at_start(self) -> bool:
        """Whether it is centred and its numbers are those that it starts from."""
        return self.start is not None and all(_same(a, b) for a, b in zip(self.layers, self.start, strict=True))


def _layer(index: int, entry: Any, arrays: dict[str, Floats], prefix: str, used: set[str]) -> Layer:
    where = f"layer {index}"
    stated = table(entry, "inputs outputs scale_squared skip_squared bias trained", where)
    sizes = stated["inputs"], stated["outputs"]
    if any(type(v) is not int or not 0 < v <= 2**20 for v in sizes) or sizes[0] * sizes[1] > MOST_PARAMETERS:
        raise Invalid(f"{where} has no proper size")
    if type(stated["bias"]) is not bool or type(stated["trained"]) is not bool:
        raise Invalid(f"{where} should say whether it has a bias and is trained")
    squared, skip = _fraction(stated["scale_squared"], where), None
    if stated["skip_squared"] is not None:
        skip = _fraction(stated["skip_squared"], where)
        if sizes[0] != sizes[1]:
            raise Invalid(f"{where} is residual but not square")

    def stored(kind: str, shape: tuple[int, ...]) -> Floats:
        name = f"{prefix if stated['trained'] else ''}layers.{index}.{kind}"
        used.add(name)
        if name not in arrays or arrays[name].shape != shape:
            raise Invalid(f"array {name} of shape {shape} is missing")
        return arrays[name]

    return Layer(
        stored("weight", (sizes[1], sizes[0])),
        stored("bias", (sizes[1],)) if stated["bias"] else None,
        arb(squared).sqrt(),
        None if skip is None else arb(skip).sqrt(),
        squared,
        stated["trained"],
    )


def _fraction(text: Any, where: str) -> fmpq:
    match = _FRACTION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Invalid(f"{where} has a squared factor that is no positive fraction")
    return fmpq(int(match[1]), int(match[2] or 1))


@dataclass(frozen=True)
class Signals:
    """A network on all inputs; each list goes by layer, each matrix has one row per input.

    Args:
        below: h_{l-1}.
        z: z_l.
        arrow: the derivatives of the output to sigma(z_l); ones for the output.
        slope: the derivatives to z_l.
        outputs: before anything is subtracted.
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
    """The inputs h_{l-1} and the z_l of all layers."""
    below, z = [matrix(X)], []
    for layer in layers:
        step = below[-1] * matrix(layer.weight).transpose() * layer.scale
        if layer.bias is not None:
            shift = matrix(layer.bias)
            step = step + arb_mat(len(X), shift.ncols(), shift.entries() * len(X))
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
    ones = arb_mat(len(X), 1, [arb(1)] * len(X))
    arrows, slopes = [ones], [ones]
    back = ones * matrix(network.layers[-1].weight) * network.layers[-1].scale
    for layer, step in zip(network.layers[-2::-1], z[-2::-1], strict=True):
        arrow = back if layer.skip is None else back * layer.skip
        slope = product(arrow, _entrywise(network.activation.slope, step))
        arrows.append(arrow)
        slopes.append(slope)
        if layer is not network.layers[0]:
            through = slope * matrix(layer.weight) * layer.scale
            back = through if layer.skip is None else back + through
    return Signals(below, z, arrows[::-1], slopes[::-1], z[-1].entries())


def targets(network: Network, X: Floats, y: Floats) -> list[arb]:
    """What the outputs should be: the labels, for a centred network above its outputs at the start."""
    if network.start is None:
        return [arb(v) for v in y.tolist()]
    before = forward(network.activation, network.start, X)[1][-1].entries()
    return [f + arb(v) for f, v in zip(before, y.tolist(), strict=True)]


def residual(network: Network, found: Signals, X: Floats, y: Floats) -> list[arb]:
    """F - y."""
    if network.at_start:
        return [-arb(v) for v in y.tolist()]
    return [f - b for f, b in zip(found.outputs, targets(network, X, y), strict=True)]


def gram(network: Network, found: Signals) -> arb_mat:
    """J J^T, J the Jacobian of the outputs in all trained numbers."""
    n = len(found.outputs)
    total = arb_mat(n, n)
    for layer, h, g in zip(network.layers, found.below, found.slope, strict=True):
        if layer.trained:
            inner = h * h.transpose() * arb(layer.scale_squared)
            if layer.bias is not None:
                inner = inner + arb_mat(n, n, [arb(1)] * (n * n))
            total = total + product(inner, g * g.transpose())
    return total


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
