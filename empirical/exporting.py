"""Networks, and stacks of torch layers, written out with their setting, for certificates."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bounds.certificates.convolution import Convolution
from bounds.certificates.families import layered
from bounds.certificates.record import SETTING, write_arrays
from bounds.certificates.stack import Layer, Stack
from empirical.networks import allenzhu2019, du2019_deep, shallow
from empirical.networks.layers import ACTIVATIONS as NAMED

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
}
"""Activations that theorems cover, by torch module."""

Linear = nn.Linear | nn.Conv1d | nn.Conv2d


class Residual(nn.Module):
    """h + scale * activation(linear(h)), a residual layer that :func:`export` knows.

    Args:
        linear: ``nn.Linear``, ``nn.Conv1d`` or ``nn.Conv2d`` that keeps the shape.
        activation: of the kinds in :data:`ACTIVATIONS`.
        scale: a positive number at face value.
    """

    def __init__(self, linear: Linear, activation: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.linear, self.activation, self.scale = linear, activation, scale

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Apply the layer to rows h (n, units), or images (n, channels, ...)."""
        return h + self.scale * self.activation(self.linear(h))


COVERED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Flatten, nn.Unflatten, Residual, *ACTIVATIONS)
"""What a sequence may hold, of exactly these kinds."""


def export(module: nn.Module, path: str | Path, *, shape: Sequence[int] | None = None) -> Stack:
    """Write the weights of a network, with its setting, as a safetensors file of float64.

    Shorter floats are converted exactly. A layer whose parameters do not require gradients counts as not trained.
    The certificate speaks of the mathematical activation: torch's softplus goes over to the identity above 20.

    Args:
        module: a network of :mod:`empirical.networks` (two-layer, Du et al. 2019, the fully-connected one of Allen-Zhu
            et al. 2019), whose scales are taken as the floats they are; or ``nn.Sequential`` of ``nn.Linear``,
            ``nn.Conv1d``, ``nn.Conv2d``, ``nn.Flatten``, ``nn.Unflatten``, one kind of activation, and
            :class:`Residual`, ending in a linear layer. Rows of X hold images channel by channel.
        path: the file to write.
        shape: of one input, (channels, pixels) or (channels, height, width), where the first layer is a convolution.

    Returns:
        The setting that was written.

    Raises:
        ValueError: a layer that no theorem covers, by name, or layers in an order that is no stack.
        OSError: the file cannot be written.
    """
    stack, arrays = _family(module) or _sequence(module, None if shape is None else tuple(shape))
    stack.check(arrays)
    write_arrays(Path(path), arrays, {SETTING: json.dumps(stack.plain())})
    return stack


def _family(module: nn.Module) -> tuple[Stack, dict[str, np.ndarray]] | None:
    """A network of the papers, by its own numbers; None for any other module."""
    activation, scale, branch, patch = "relu", 1.0, None, None
    if isinstance(module, allenzhu2019.Network):
        if module.tau is not None or module.patch is not None:
            raise ValueError("the module (Network): no theorem covers skips before a ReLU, or patches on a circle")
        hidden = [module.input, *module.hidden]
    elif isinstance(module, shallow.TwoLayerModule):
        hidden, scale = [module.hidden], module.scale
    elif isinstance(module, du2019_deep.FullyConnectedNetwork):
        hidden, scale = list(module.hidden), module.scale
    elif isinstance(module, du2019_deep.ResidualNetwork):
        hidden, scale, branch, patch = list(module.hidden), module.first_scale, module.branch, module.patch
    else:
        return None
    if not isinstance(module, allenzhu2019.Network):
        activation = next(name for name, function in NAMED.items() if function is module.activation)
    linears = [*hidden, module.output]
    arrays = [_float64(f"layer {index}", linear.weight) for index, linear in enumerate(linears)]
    skip = None if branch is None else Fraction(branch) ** 2
    trained = [linear.weight.requires_grad for linear in linears]
    return layered(activation, arrays[:-1], arrays[-1], Fraction(scale) ** 2, skip, patch, trained=trained)


def _sequence(module: nn.Module, shape: tuple[int, ...] | None) -> tuple[Stack, dict[str, np.ndarray]]:
    """A sequence of torch layers; ``shape`` is that of the image at hand, if it is one."""
    layers: list[Layer] = []
    arrays: dict[str, np.ndarray] = {}
    kinds: set[str] = set()
    seen: set[int] = set()
    pending = ""
    for name, layer in _flat(module):
        if isinstance(layer, nn.Flatten | nn.Unflatten):
            shape = _reshaped(name, layer, shape)
        elif isinstance(layer, Linear | Residual):
            if pending:
                raise ValueError(f"{name} ({_kind(layer)}) follows {pending} without an activation: put one between")
            linear = layer.linear if isinstance(layer, Residual) else layer
            if id(linear) in seen:
                raise ValueError(f"{name} ({_kind(layer)}) is used twice: no theorem covers shared weights")
            seen.add(id(linear))
            skip = None
            if isinstance(layer, Residual):
                _check_plain(f"{name}.linear", linear)
                kinds.add(_activation(f"{name}.activation", layer.activation))
                skip = Fraction(layer.scale) ** 2
            else:
                pending = name
            index = len(layers)
            convolution, shape = _patches(name, linear, shape)
            layers.append(
                Layer(
                    linear.weight.shape[1] if convolution is None else convolution.inputs,
                    linear.weight.shape[0] if shape is None else math.prod(shape),
                    skip_squared=skip,
                    bias=linear.bias is not None,
                    trained=_trained(name, linear),
                    convolution=convolution,
                )
            )
            for kind, parameter in linear.named_parameters():
                arrays[f"layers.{index}.{kind}"] = _float64(f"{name}.{kind}", parameter)
        else:
            kinds.add(_activation(name, layer))
            if not pending:
                raise ValueError(f"{name} ({_kind(layer)}) does not follow a linear layer: no theorem covers that")
            pending = ""
    if not pending:
        raise ValueError("the stack does not end in a linear layer: no theorem covers other outputs")
    if shape is not None:
        raise ValueError(f"{pending} gives images: put nn.Flatten at the end")
    if len(kinds) != 1:
        raise ValueError(f"{len(kinds)} kinds of activation ({', '.join(sorted(kinds))}): theorems cover exactly one")
    return Stack(kinds.pop(), tuple(layers)), arrays


def _reshaped(name: str, layer: nn.Flatten | nn.Unflatten, shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The shape of the image after a layer that only reshapes: None for a row."""
    if isinstance(layer, nn.Flatten):
        if (layer.start_dim, layer.end_dim) != (1, -1):
            raise ValueError(f"{name} (Flatten) keeps some axes: theorems cover nn.Flatten() of whole images")
        return None
    if shape is not None or layer.dim not in (1, -1):
        raise ValueError(f"{name} (Unflatten) does not make an image of a row: no theorem covers that")
    return tuple(layer.unflattened_size)


def _patches(
    name: str, linear: Linear, shape: tuple[int, ...] | None
) -> tuple[Convolution | None, tuple[int, ...] | None]:
    """The patches that a layer sees, None for a dense one, and the shape of what it gives."""
    if isinstance(linear, nn.Linear):
        if shape is not None:
            raise ValueError(f"{name} (Linear) takes rows, not images of shape {shape}: put nn.Flatten before it")
        return None, None
    what = f"{name} ({_kind(linear)})"
    axes = 1 if isinstance(linear, nn.Conv1d) else 2
    if shape is None or len(shape) != axes + 1 or shape[0] != linear.in_channels:
        wanted = f"({linear.in_channels}, {'pixels' if axes == 1 else 'height, width'})"
        raise ValueError(
            f"{what} takes images {wanted}, not {shape or 'rows'}: give the shape of one input with shape="
        )
    plain = linear.groups == 1 and set(linear.dilation) == {1} and linear.padding_mode == "zeros"
    if isinstance(linear.padding, tuple):
        padding = linear.padding
    elif linear.padding == "valid":
        padding = (0,) * axes
    else:
        plain = plain and all(k % 2 for k in linear.kernel_size)
        padding = tuple(k // 2 for k in linear.kernel_size)
    if not plain:
        raise ValueError(f"{what}: no theorem covers groups, dilation, or padding by anything but zeros on both sides")
    try:
        convolution = Convolution(shape[0], shape[1:], linear.kernel_size, linear.stride, padding)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    return convolution, (linear.out_channels, *convolution.positions)


def _flat(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers with their names, sequences inside sequences unrolled."""
    if type(module) is not nn.Sequential:
        _check_plain(prefix or "the module", module)
        yield prefix or "the module", module
        return
    for name, child in module._modules.items():  # named_children leaves out a module that comes twice
        assert child is not None
        yield from _flat(child, f"{prefix}.{name}" if prefix else name)


def _check_plain(name: str, layer: nn.Module) -> None:
    """Refuse a layer that is not exactly what its kind says: subclasses, parametrisations, hooks."""
    if type(layer) not in COVERED:
        known = ", ".join(kind.__name__ for kind in COVERED)
        raise ValueError(f"{name} ({_kind(layer)}): no theorem covers this layer; write an nn.Sequential of {known}")
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise ValueError(f"{name} ({_kind(layer)}) has hooks that change what it computes: remove them")


def _activation(name: str, layer: nn.Module) -> str:
    _check_plain(name, layer)
    if isinstance(layer, nn.GELU) and layer.approximate != "none":
        raise ValueError(f"{name} (GELU) is the approximation {layer.approximate!r}: theorems cover the exact one")
    if isinstance(layer, nn.Softplus) and layer.beta != 1:
        raise ValueError(f"{name} (Softplus) has beta {layer.beta}: theorems cover beta 1")
    if type(layer) not in ACTIVATIONS:
        raise ValueError(f"{name} ({_kind(layer)}) is no activation that theorems cover")
    return ACTIVATIONS[type(layer)]


def _trained(name: str, linear: Linear) -> bool:
    wanted = {parameter.requires_grad for parameter in linear.parameters()}
    if len(wanted) != 1:
        raise ValueError(f"{name} ({_kind(linear)}) trains its weight or its bias but not both: no theorem covers that")
    return wanted.pop()


def _float64(name: str, parameter: torch.Tensor) -> np.ndarray:
    if not parameter.is_floating_point():
        raise ValueError(f"{name} holds {parameter.dtype}: real numbers are certified")
    return np.array(parameter.detach().to("cpu", torch.float64).numpy())


def _kind(layer: nn.Module) -> str:
    return type(layer).__name__
