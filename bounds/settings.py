"""Settings: the networks a statement speaks of, as plain data.

Numbers of two settings are never compared without converting losses and step sizes, so a setting spells out
its parameterisation, initialisation, trained layers and loss. A paper whose networks are not here describes them with
:class:`Family`, or derives a :class:`Setting` of its own in its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import flint
import numpy as np
import sympy
from flint import arb
from numpy.typing import NDArray

from bounds import gram
from bounds import quantities as q
from bounds.activations import (
    ABSOLUTE_VALUE,
    COS,
    ERF,
    GELU,
    RELU,
    SIGMOID,
    SILU,
    SIN,
    SOFTPLUS,
    TANH,
    Activation,
)
from bounds.arithmetic import PRECISION, Enclosure, Exact, NoNumber
from bounds.gram import Gram

Floats = NDArray[np.float64]

HALF_SUM = "half sum of squares"
"""(1/2) sum_i (f(x_i) - y_i)^2, the loss of most papers."""


@dataclass(frozen=True)
class Network:
    """Which networks of the package ``empirical`` train a setting: plain data, since nothing is trained here.

    Args:
        kind: the tag of their specification, such as ``two-layer``.
        fields: of the specification that the setting fixes, by name; width, depth and the like are left open.
        loss: ``squares``, ``logistic`` or ``cross-entropy``.
        mean: whether the loss is a mean over the inputs and not a sum.
        kernel: the trained layer whose Gram matrix the statements speak of: ``all``, ``first`` or ``last`` hidden one.
        inputs: ``rows`` of the data, their ``pixels``, or a ``line``: their first principal coordinate.
        method: a way of training of its own: ``rotations`` that move by themselves, or a flow with a ``fading``
            regularisation; empty for what the dynamics say.
    """

    kind: str
    fields: tuple[tuple[str, str | int | float], ...] = ()
    loss: Literal["squares", "logistic", "cross-entropy"] = "squares"
    mean: bool = False
    kernel: Literal["all", "first", "last"] = "all"
    inputs: Literal["rows", "pixels", "line"] = "rows"
    method: Literal["", "rotations", "fading"] = ""


class Setting:
    """A family of networks, or of systems of equations. Its string says which; it can be hashed and compared.

    Args:
        trained: which weights are trained: a layer or ``both`` or ``all``.
        loss: the training loss, in words.
    """

    trained: str
    loss: str = HALF_SUM

    def gram(self, X: Floats) -> Gram | None:
        """Enclose the infinite-width matrix whose least eigenvalue the setting's statements call lambda_0.

        Args:
            X: inputs (n, d), each divided by its exact norm.

        Returns:
            The certified matrix, or None where the setting has none; lambda_0 must then be given.
        """
        return None

    @property
    def network(self) -> Network | None:
        """Which networks train it, or None where there are none."""
        return None

    @property
    def values(self) -> Mapping[sympy.Symbol, Enclosure]:
        """The numbers that come with the setting, such as a depth or a Lipschitz constant."""
        return {}


@dataclass(frozen=True)
class TwoLayer(Setting):
    """Two-layer networks f(x) = m^(-1/2) sum_r a_r s(w_r.x), those of Du, Zhai, Poczos and Singh (2019) with a ReLU.

    Start: w_r ~ N(0, I_d), a_r uniform on {-1, +1}, independent. Loss: (1/2) sum_i (f(x_i) - y_i)^2. The derivative
    of the ReLU at 0 is taken as 1. Inputs are unit vectors. lambda_0 is that of the first layer's matrix.

    Args:
        trained: ``"first"`` (a stays at its start) or ``"both"`` layers.
        activation: s.
    """

    trained: Literal["first", "both"] = "first"
    activation: Activation = RELU

    def gram(self, X: Floats) -> Gram:
        """The matrix of the first layer, E[x.y s'(w.x) s'(w.y)]."""
        return gram.two_layer(X, activation=self.activation, normalised=True)

    @property
    def network(self) -> Network:
        """See :class:`Network`; the Gram matrix is the first layer's."""
        fields = (("trained", self.trained), ("activation", str(self.activation).lower()))
        return Network("two-layer", fields, kernel="first")

    @property
    def values(self) -> Mapping[sympy.Symbol, Enclosure]:
        """The constants of the activation."""
        return _constants(self.activation)

    def __str__(self) -> str:
        layers = "first layer trained" if self.trained == "first" else "both layers trained"
        return f"two-layer {self.activation}, 1/sqrt(m) output scaling, {layers}, {self.loss}"


@dataclass(frozen=True)
class FullyConnected(Setting):
    """Deep networks x^(h) = sqrt(c_s / m) s(W^(h) x^(h-1)), f = a.x^(H) of Du, Lee, Li, Wang and Zhai (2019).

    Start: all entries N(0, 1). All layers are trained. Inputs are unit vectors; c_s = 1 / E[s(z)^2]. lambda_0 is that
    of the last hidden layer's matrix.

    Args:
        depth: H, the number of hidden layers.
        activation: s.
    """

    depth: int = 2
    activation: Activation = SOFTPLUS
    trained = "all"

    def gram(self, X: Floats) -> Gram:
        """The matrix of W^(H), with the covariance index of Definition 5.1 corrected."""
        return gram.fully_connected(X, depth=self.depth, activation=self.activation, normalised=True)

    @property
    def network(self) -> Network:
        """See :class:`Network`."""
        fields = (("depth", self.depth), ("activation", str(self.activation).lower()))
        return Network("du2019-deep-fc", fields, kernel="last")

    @property
    def values(self) -> Mapping[sympy.Symbol, Enclosure]:
        """Depth and constants of the activation."""
        return {q.depth: Enclosure.of(self.depth), **_constants(self.activation)}

    def __str__(self) -> str:
        return (
            f"fully connected, {_layers(self.depth)}, {self.activation}, 1/sqrt(m) scaling, all layers trained, "
            f"{self.loss}"
        )


@dataclass(frozen=True)
class ResNet(Setting):
    """Residual networks x^(h) = x^(h-1) + c_res / (H sqrt(m)) s(W^(h) x^(h-1)) of Du, Lee, Li, Wang and Zhai (2019).

    x^(1) = sqrt(c_s / m) s(W^(1) x), f = a.x^(H). Start, training, inputs and lambda_0 as :class:`FullyConnected`.

    Args:
        depth: H >= 2, the number of hidden layers.
        activation: s.
        residual_scale: c_res, at face value.
    """

    depth: int = 2
    activation: Activation = SOFTPLUS
    residual_scale: Exact = Fraction(1, 2)
    trained = "all"

    def gram(self, X: Floats) -> Gram:
        """The matrix of W^(H), with Definition 6.1 corrected."""
        return gram.resnet(
            X, depth=self.depth, activation=self.activation, residual_scale=self.residual_scale, normalised=True
        )

    @property
    def network(self) -> Network:
        """See :class:`Network`."""
        return Network("du2019-deep-resnet", self._fields, kernel="last")

    @property
    def _fields(self) -> tuple[tuple[str, str | int | float], ...]:
        scale = Enclosure.of(self.residual_scale).midpoint
        return ("depth", self.depth), ("activation", str(self.activation).lower()), ("residual_scale", scale)

    @property
    def values(self) -> Mapping[sympy.Symbol, Enclosure]:
        """Depth, residual scale and constants of the activation."""
        return {
            q.depth: Enclosure.of(self.depth),
            q.residual_scale: Enclosure.of(self.residual_scale),
            **_constants(self.activation),
        }

    def __str__(self) -> str:
        return (
            f"residual, {_layers(self.depth)}, {self.activation}, branches scaled by {self.residual_scale}/(H sqrt(m)),"
            f" all layers trained, {self.loss}"
        )


@dataclass(frozen=True)
class ConvResNet(ResNet):
    """Convolutional residual networks of Du, Lee, Li, Wang and Zhai (2019): a :class:`ResNet` on patches of pixels.

    A row of X holds an image, channel by channel; patches have stride 1 and are padded with zeros.

    Args:
        depth, activation, residual_scale: as for :class:`ResNet`.
        channels: of the images; the number of pixels is the dimension over it.
        patch: odd number of pixels of a patch.
    """

    channels: int = 1
    patch: int = 3

    @property
    def network(self) -> Network:
        """See :class:`Network`."""
        return Network("du2019-deep-conv", (*self._fields, ("patch", self.patch)), kernel="last", inputs="pixels")

    def gram(self, X: Floats) -> Gram:
        """The matrix of W^(H), with Definition 7.1 corrected; time and memory grow as (n pixels)^2."""
        n, d = X.shape
        if d % self.channels:
            raise ValueError(f"rows of {d} numbers hold no {self.channels} channels of equal size: name another number")
        if n * d // self.channels > _MOST_PIXELS:
            raise NoNumber(
                f"{n} images of {d // self.channels} pixels are too many for the convolutional Gram matrix, whose cost "
                f"grows as their product squared: keep it within {_MOST_PIXELS}"
            )
        return gram.conv_resnet(
            X.reshape(n, self.channels, d // self.channels),
            depth=self.depth,
            patch=self.patch,
            activation=self.activation,
            residual_scale=self.residual_scale,
            normalised=True,
        )

    @property
    def values(self) -> Mapping[sympy.Symbol, Enclosure]:
        """Those of a residual network, and the sizes of images and patches."""
        return {**super().values, q.channels: Enclosure.of(self.channels), q.patch: Enclosure.of(self.patch)}

    def __str__(self) -> str:
        return f"convolutional {super().__str__()}, patches of {self.patch} pixels"


_MOST_PIXELS = 600
"""Images times pixels that take about ten seconds."""


@dataclass(frozen=True)
class Family(Setting):
    """Networks, or systems of equations, that are described in words.

    Args:
        architecture: what is computed, with its scaling.
        start: the law of the initial weights, or ``any``.
        trained: which weights are trained.
        loss: the training loss.
        network: which networks train it, where the package ``empirical`` has any.
    """

    architecture: str
    start: str
    trained: str
    loss: str = HALF_SUM
    network: Network | None = None

    def __str__(self) -> str:
        return f"{self.architecture}; start: {self.start}; trained: {self.trained}; {self.loss}"


SMOOTH_TWO_LAYER = Network("two-layer", (("activation", "tanh"),))
"""The example of a smooth map F: its Jacobian is Lipschitz everywhere, with a constant that is known."""

SYSTEM = Family("systems F(w) = y of n equations", start="any", trained="all", network=SMOOTH_TWO_LAYER)
"""A differentiable map F of the parameters, as in papers on the Polyak-Lojasiewicz condition; runs show an example."""


def _constants(activation: Activation) -> dict[sympy.Symbol, Enclosure]:
    """The proved constants that the activation has."""
    with flint.ctx.workprec(PRECISION):
        known = {
            q.lipschitz: activation.lipschitz,
            q.smoothness: activation.smoothness,
            q.normaliser: Enclosure(activation.normaliser),
            q.at_zero: _AT_ZERO[activation]() if activation in _AT_ZERO else None,
        }
    return {symbol: value for symbol, value in known.items() if value is not None}


_AT_ZERO = {
    **dict.fromkeys((RELU, ABSOLUTE_VALUE, ERF, GELU, SIN, TANH, SILU), lambda: Enclosure.of(0)),
    SOFTPLUS: lambda: Enclosure(arb(2).log()),
    SIGMOID: lambda: Enclosure.of(0.5),
    COS: lambda: Enclosure.of(1),
}
"""The activations at 0, by definition."""


def _layers(depth: int) -> str:
    return f"{depth} hidden layer{'s' if depth > 1 else ''}"
