"""The networks of the statements' settings as stacks of layers, with the weights that ``empirical`` trains.

x^(1) = c s(W_1 x), then x^(l) = c s(W_l x^(l-1)) or x^(l-1) + t s(W_l x^(l-1)), f = a . x^(H). A stack has its scales
before the activation: h_l = x^(l) / c, z_l = c W_l h_(l-1), residual branches t / c, and f = c a . h_H.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import flint
import numpy as np

from bounds.activations import Activation
from bounds.activations.pointwise import POINTWISE
from bounds.arithmetic import PRECISION
from bounds.certificates.convolution import Convolution
from bounds.certificates.stack import Floats, Layer, Stack, Weights
from bounds.settings import ConvResNet, FullyConnected, ResNet, Setting, TwoLayer


def as_stack(setting: Setting, weights: Weights) -> tuple[Stack, dict[str, Floats]]:
    """The stack that a setting and its weights describe, and the tensors as the stack names them.

    The normaliser c_s of a deep network is taken as the float64 nearest to it, since scales of a stack are rational;
    everything else is exact.

    Args:
        setting: :class:`~bounds.settings.TwoLayer`, ``FullyConnected``, ``ResNet`` or ``ConvResNet``.
        weights: as a network of :mod:`empirical.networks` names them, by ``state_dict``: ``hidden.weight`` (m, d) for
            two layers, ``hidden.0.weight`` and so on for more, and ``output.weight`` (1, m), (1, pixels m) with
            patches.

    Raises:
        ValueError: another setting, an activation that cannot be evaluated, or tensors that do not belong.
    """
    if not isinstance(setting, TwoLayer | FullyConnected | ResNet):
        raise ValueError(f"{setting}: only two-layer, fully-connected, residual and convolutional networks are covered")
    depth = 1 if isinstance(setting, TwoLayer) else setting.depth
    names = ["hidden.weight"] if isinstance(setting, TwoLayer) else [f"hidden.{k}.weight" for k in range(depth)]
    if weights.keys() != {*names, "output.weight"}:
        raise ValueError(f"{setting} has the tensors {', '.join(names)}, output.weight, not {', '.join(weights)}")
    hidden, output = [np.asarray(weights[name]) for name in names], np.asarray(weights["output.weight"])
    if any(array.ndim != 2 for array in (*hidden, output)):
        raise ValueError(f"{setting}: every tensor is a matrix")
    activation, width = _name(setting.activation), len(hidden[0])
    if isinstance(setting, TwoLayer):
        trained = (True, setting.trained == "both")
        return layered(activation, hidden, output, Fraction(1, width), trained=trained)
    with flint.ctx.workprec(PRECISION):
        normaliser = Fraction(float(setting.activation.normaliser.mid()))
    skip, patch = None, None
    if isinstance(setting, ResNet):
        skip = (Fraction(setting.residual_scale) / setting.depth) ** 2 / width
        patch = setting.patch if isinstance(setting, ConvResNet) else None
    return layered(activation, hidden, output, normaliser / width, skip, patch)


def layered(
    activation: str,
    hidden: Sequence[Floats],
    output: Floats,
    scale_squared: Fraction,
    skip_squared: Fraction | None = None,
    patch: int | None = None,
    *,
    trained: Sequence[bool] | None = None,
) -> tuple[Stack, dict[str, Floats]]:
    """A network of the form above, from its matrices as ``empirical`` holds them.

    Args:
        activation: by name.
        hidden: W_1, ..., W_H, each (m, inputs), or (m, patch * channels) with the channels of a pixel side by side.
        output: a (C, m), or (C, pixels * m), pixel by pixel.
        scale_squared: c^2.
        skip_squared: t^2; None where layers are plain.
        patch: pixels, an odd number; None where layers are dense.
        trained: which layers are, the output last; all by default.

    Raises:
        ValueError: matrices that do not fit.
    """
    layers: list[Layer] = []
    arrays: dict[str, Floats] = {}
    width = len(hidden[0])
    pixels = 1 if patch is None else output.shape[1] // width
    for index, matrix in enumerate(hidden):
        channels = matrix.shape[1] // (patch or 1)
        seen = None if patch is None else Convolution(channels, (pixels,), (patch,), (1,), ((patch - 1) // 2,))
        if patch is not None:
            if patch % 2 == 0:
                raise ValueError(f"patches of {patch} pixels have no middle: an odd number is covered")
            if matrix.shape[1] != patch * channels or output.shape[1] != pixels * width:
                raise ValueError(
                    f"hidden.{index}.weight has shape {matrix.shape}: patches of {patch} pixels do not fit"
                )
            matrix = matrix.reshape(width, patch, channels).transpose(0, 2, 1)
        layers.append(
            Layer(
                channels * pixels,
                len(matrix) * pixels,
                Fraction(1) if index == 0 else scale_squared,
                None if index == 0 or skip_squared is None else skip_squared / scale_squared,
                trained=trained is None or trained[index],
                convolution=seen,
            )
        )
        arrays[f"layers.{index}.weight"] = np.ascontiguousarray(matrix)
    layers.append(Layer(output.shape[1], len(output), scale_squared, trained=trained is None or trained[len(hidden)]))
    readout = output.reshape(len(output), pixels, -1).transpose(0, 2, 1).reshape(output.shape)
    arrays[f"layers.{len(hidden)}.weight"] = np.ascontiguousarray(readout)
    stack = Stack(activation, tuple(layers))
    stack.check(arrays)
    return stack, arrays


def _name(activation: Activation) -> str:
    for name, known in POINTWISE.items():
        if known.activation == activation:
            return name
    raise ValueError(f"{activation} networks are not covered: use one of {', '.join(POINTWISE)}")
