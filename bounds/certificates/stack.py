"""Stacks of dense and convolutional layers, plain or residual, as plain data: what a certificate speaks of.

    h_0 = x,   z_l = s_l W_l phi_l(h_{l-1}) + b_l,   h_l = sigma(z_l)  or  h_{l-1} + t_l sigma(z_l),   f = s W h_H + b.

phi_l(h) are the patches of h, one for each position, which share W and b (:mod:`bounds.certificates.convolution`); a
dense layer has one position, and phi(h) = h. The units of a layer are ordered by filter, then by position, as in torch.
Scales s_l and t_l are roots of stored rationals, so that 1/sqrt(m) is the real number. Each layer says whether its
weights and bias are trained. A *centred* network is f minus its own outputs at the start, whose weights are stored too:
its outputs at the start are exactly zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bounds.activations.pointwise import POINTWISE
from bounds.certificates.convolution import Convolution
from bounds.settings import Setting

Floats = NDArray[np.float64]
Weights = Mapping[str, Floats]

START = "start."
"""Prefix of the tensors at the start, where a network is centred."""

MOST_LAYERS = 64
MOST_UNITS = 2**20
MOST_DIGITS = 100
"""Of the numerator and the denominator of a squared factor."""

LARGEST = 2.0**60
"""Stored numbers above this are refused; the bounds on rounding then have nothing to overflow."""


@dataclass(frozen=True)
class Layer:
    """One layer.

    Args:
        inputs, outputs: how many numbers it takes and gives; without patches the shape of W is (outputs, inputs).
        scale_squared: s^2, a positive rational.
        skip_squared: t^2 of a residual layer, h + t sigma(z); None for a plain one.
        bias: whether there is a bias.
        trained: whether its weights and bias are trained.
        convolution: the patches that it sees; None for a dense layer, which sees its input whole.
    """

    inputs: int
    outputs: int
    scale_squared: Fraction = Fraction(1)
    skip_squared: Fraction | None = None
    bias: bool = False
    trained: bool = True
    convolution: Convolution | None = None

    @property
    def positions(self) -> int:
        """How many patches share its weights."""
        return 1 if self.convolution is None else math.prod(self.convolution.positions)

    @property
    def overlap(self) -> int:
        """The most positions that see one entry of its input."""
        return 1 if self.convolution is None else self.convolution.overlap

    @property
    def patch_norm(self) -> float:
        """An upper bound of ||phi||, the root of the overlap."""
        return math.sqrt(self.overlap) * (1 + 2.0**-52)

    @property
    def filters(self) -> int:
        """The rows of W."""
        return self.outputs // self.positions

    @property
    def patch(self) -> int:
        """The columns of W."""
        return self.inputs if self.convolution is None else self.convolution.patch

    def patches(self, h: Floats) -> Floats:
        """phi(h) (n, positions, patch) of inputs h (n, inputs)."""
        if self.convolution is None:
            return h[:, None, :]
        padded: Floats = np.concatenate([h, np.zeros((len(h), 1))], axis=1)[:, self.convolution.seen]
        return padded

    def sees_nothing(self, blank: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which units (n, outputs) see blank inputs alone, of (n, inputs)."""
        positions = ~self.patches(np.where(blank, 0.0, 1.0)).any(axis=2)
        return np.tile(positions, (1, self.filters))

    def spread(self, patches: Floats) -> Floats:
        """The transpose of phi, from (n, positions, patch) to (n, inputs)."""
        return patches[:, 0] if self.convolution is None else self.convolution.spread(patches)

    def by_position(self, units: Floats) -> Floats:
        """(n, positions, filters) of what the layer gives, (n, outputs)."""
        return units.reshape(len(units), self.filters, self.positions).transpose(0, 2, 1)

    def by_unit(self, positions: Floats) -> Floats:
        """The inverse of :meth:`by_position`."""
        return np.ascontiguousarray(positions.transpose(0, 2, 1)).reshape(len(positions), self.outputs)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of its weight and, if it has one, its bias, as stored."""
        kernel = (self.patch,) if self.convolution is None else (self.convolution.channels, *self.convolution.kernel)
        weight = {"weight": (self.filters, *kernel)}
        return {**weight, "bias": (self.filters,)} if self.bias else weight

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return self.filters * (self.patch + self.bias)


@dataclass(frozen=True)
class Stack(Setting):
    """A network: hidden layers of one activation, and a linear output.

    With C outputs the residual has n C entries, input by input, and the loss is (1/2) sum_i ||f(x_i) - y_i||^2.

    Args:
        activation: name of the activation, of :data:`bounds.activations.pointwise.POINTWISE`.
        layers: hidden layers, then the output.
        centred: whether the outputs at the stored start are subtracted.

    Raises:
        ValueError: layers that do not fit, an unknown activation, a scale that is not positive, nothing to train.
    """

    activation: str
    layers: tuple[Layer, ...]
    centred: bool = False

    def __post_init__(self) -> None:
        if self.activation not in POINTWISE:
            raise ValueError(f"activation {self.activation!r} is not covered: use one of {', '.join(POINTWISE)}")
        if not 2 <= len(self.layers) <= MOST_LAYERS:
            raise ValueError(f"{len(self.layers)} layers: give a hidden layer and an output, and at most {MOST_LAYERS}")
        for name, layer in self._named():
            if not (0 < layer.inputs <= MOST_UNITS and 0 < layer.outputs <= MOST_UNITS):
                raise ValueError(
                    f"{name} has shape {layer.outputs, layer.inputs}: sizes lie between 1 and {MOST_UNITS}"
                )
            for factor in (layer.scale_squared, layer.skip_squared):
                if factor is not None and not Fraction(1, 2**60) <= factor <= 2**60:
                    raise ValueError(f"{name} has the squared factor {factor}: give one between 2^-60 and 2^60")
                if factor is not None and max(factor.numerator, factor.denominator) >= 10**MOST_DIGITS:
                    raise ValueError(f"{name} has a squared factor of more than {MOST_DIGITS} digits: round it")
            if layer.convolution is not None and layer.inputs != layer.convolution.inputs:
                raise ValueError(f"{name} takes {layer.inputs} numbers, but its images {layer.convolution.inputs}")
            if layer.outputs % layer.positions:
                raise ValueError(
                    f"{name} gives {layer.outputs} numbers: give a multiple of {layer.positions} positions"
                )
            if layer.skip_squared is not None and layer.inputs != layer.outputs:
                raise ValueError(
                    f"{name} is residual but maps {layer.inputs} to {layer.outputs} units: make them equal"
                )
        for below, above in zip(self.layers, self.layers[1:], strict=False):
            if below.outputs != above.inputs:
                raise ValueError(f"a layer of {below.outputs} units is followed by one that takes {above.inputs}")
        if self.output.skip_squared is not None:
            raise ValueError("the output is residual: no theorem covers an activation there")
        if not any(layer.trained for layer in self.layers):
            raise ValueError("no layer is trained: nothing to descend on")

    @property
    def trained(self) -> str:  # type: ignore[override]
        """Which layers are trained, in words."""
        frozen = [name for name, layer in self._named() if not layer.trained]
        return f"all layers but {', '.join(frozen)}" if frozen else "all layers"

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """The layers below the output."""
        return self.layers[:-1]

    @property
    def output(self) -> Layer:
        """The last layer."""
        return self.layers[-1]

    @property
    def first_only(self) -> bool:
        """Whether it is a two-layer network of which the first layer alone is trained."""
        return len(self.layers) == 2 and not self.output.trained and self.layers[0].skip_squared is None

    def from_zero(self, weights: Weights) -> bool:
        """Whether it has two plain layers, both trained, with output weights that are exactly zero."""
        plain = len(self.layers) == 2 and all(layer.trained and layer.skip_squared is None for layer in self.layers)
        return plain and not weights["layers.1.weight"].any()

    @property
    def uncentred(self) -> Stack:
        """The same network with nothing subtracted."""
        return Stack(self.activation, self.layers)

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(layer.parameters for layer in self.layers if layer.trained)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors to be stored, and their shapes; a centred network stores its trained ones twice."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, layer in self._named():
            own = {f"{name}.{kind}": shape for kind, shape in layer.shapes().items()}
            shapes |= own
            if self.centred and layer.trained:
                shapes |= {START + key: shape for key, shape in own.items()}
        return shapes

    def at_start(self, weights: Weights) -> dict[str, Floats]:
        """The weights of a centred network at its start."""
        return {name: weights.get(START + name, array) for name, array in weights.items() if not name.startswith(START)}

    def affine(self, weights: Weights) -> Iterator[tuple[Layer, Floats, Floats | None]]:
        """Each layer with its weight (filters, patch) and its bias, if it has one."""
        for name, layer in self._named():
            weight = weights[f"{name}.weight"].reshape(layer.filters, layer.patch)
            yield layer, weight, weights[f"{name}.bias"] if layer.bias else None

    def _named(self) -> Iterator[tuple[str, Layer]]:
        return ((f"layers.{index}", layer) for index, layer in enumerate(self.layers))

    def check(self, weights: Mapping[str, Any]) -> None:
        """Refuse weights that do not belong to this network.

        Raises:
            ValueError: a tensor missing, surplus, of another shape or type, or with numbers that are not finite.
        """
        shapes = self.shapes()
        for name in (*(shapes.keys() - weights.keys()), *(weights.keys() - shapes.keys())):
            known = ", ".join(shapes)
            raise ValueError(f"tensor {name!r} is {'missing' if name in shapes else 'unknown'}: store {known}")
        for name, shape in shapes.items():
            check_tensor(name, weights[name], shape)

    def plain(self) -> dict[str, Any]:
        """As numbers, strings, lists and dictionaries, for JSON."""
        return {
            "activation": self.activation,
            "centred": self.centred,
            "layers": [
                {
                    "inputs": layer.inputs,
                    "outputs": layer.outputs,
                    "scale_squared": str(layer.scale_squared),
                    "skip_squared": None if layer.skip_squared is None else str(layer.skip_squared),
                    "bias": layer.bias,
                    "trained": layer.trained,
                    **({} if layer.convolution is None else {"convolution": layer.convolution.plain()}),
                }
                for layer in self.layers
            ],
        }

    @classmethod
    def from_plain(cls, data: Any) -> Stack:
        """The inverse of :meth:`plain`, for data that may be anything.

        Raises:
            ValueError: the data describe no network; the message says which entry.
        """
        _expect(data, {"activation": str, "centred": bool, "layers": list}, "the setting")
        layers = []
        for index, entry in enumerate(data["layers"]):
            where = f"layer {index} of the setting"
            _expect(entry, {"inputs": int, "outputs": int, "scale_squared": str, "bias": bool, "trained": bool}, where)
            skip, convolution = entry.get("skip_squared"), entry.get("convolution")
            layers.append(
                Layer(
                    entry["inputs"],
                    entry["outputs"],
                    _fraction(entry["scale_squared"], where),
                    None if skip is None else _fraction(skip, where),
                    entry["bias"],
                    entry["trained"],
                    None if convolution is None else Convolution.from_plain(convolution, where),
                )
            )
        return cls(data["activation"], tuple(layers), data["centred"])

    def __str__(self) -> str:
        groups = [(words, len(list(alike))) for words, alike in groupby(map(_width, self.hidden))]
        widths = ", ".join(words if count == 1 else f"{count} x {words}" for words, count in groups)
        outputs = f", {self.output.outputs} outputs" if self.output.outputs > 1 else ""
        centred = ", outputs at the start subtracted" if self.centred else ""
        return f"{self.activation}, hidden widths {widths}{outputs}, {self.trained} trained{centred}, {self.loss}"


def _width(layer: Layer) -> str:
    words = str(layer.outputs)
    if layer.convolution is not None:
        kernel, size = ("x".join(map(str, axis)) for axis in (layer.convolution.kernel, layer.convolution.positions))
        words = f"{layer.filters} (patches of {kernel} at {size} positions)"
    return words if layer.skip_squared is None else f"{words} residual"


def check_tensor(name: str, array: Any, shape: tuple[int, ...]) -> None:
    """Refuse anything but finite float64 numbers of a shape and of harmless size.

    Raises:
        ValueError: saying what is wrong, and where.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.float64:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{name} holds {found}: store float64, the numbers that are certified")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}: the setting says {shape}")
    bad = np.argwhere(~(np.abs(array) <= LARGEST))
    if len(bad):
        place = ", ".join(map(str, bad[0].tolist()))
        raise ValueError(f"{name}[{place}] is {array[tuple(bad[0])]}: only numbers up to 2^60 are covered")


def two_layer(dimension: int, width: int, activation: str = "tanh", *, centred: bool = True) -> Stack:
    """f(x) = m^(-1/2) sum_r a_r sigma(w_r . x), the hidden layer trained and a frozen.

    Args:
        dimension: of the inputs.
        width: m.
        activation: by name.
        centred: subtract the outputs at the start, so that they are exactly zero there.
    """
    return Stack(
        activation,
        (Layer(dimension, width), Layer(width, 1, scale_squared=Fraction(1, width), trained=False)),
        centred=centred,
    )


def _fraction(text: Any, where: str) -> Fraction:
    try:
        if isinstance(text, str) and len(text) <= 2 * MOST_DIGITS + 1 and "e" not in text.lower():
            return Fraction(text)
    except (ValueError, ZeroDivisionError):
        pass
    raise ValueError(f"{where}: {text!r} is no fraction such as '1/64'")


def _expect(data: Any, kinds: Mapping[str, type], where: str) -> None:
    if not isinstance(data, dict):
        raise ValueError(f"{where} is no table of names and values")
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind) or (kind is int and isinstance(data[name], bool)):
            raise ValueError(f"{where}: {name} should be given, of type {kind.__name__}")
