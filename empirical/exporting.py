"""Stacks of torch layers written out with their setting, for certificates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bounds.certificates.record import SETTING, write_arrays
from bounds.certificates.stack import Layer, Stack

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
}
"""Activations that theorems cover, by torch module."""


class Residual(nn.Module):
    """h + scale * activation(linear(h)), a residual layer that :func:`export` knows.

    Args:
        linear: from as many units to as many.
        activation: of the kinds in :data:`ACTIVATIONS`.
        scale: a positive number at face value.
    """

    def __init__(self, linear: nn.Linear, activation: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.linear, self.activation, self.scale = linear, activation, scale

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Apply the layer to rows h (n, units)."""
        return h + self.scale * self.activation(self.linear(h))


def export(module: nn.Module, path: str | Path) -> Stack:
    """Write the weights of a stack of layers, with its setting, as a safetensors file of float64.

    Shorter floats are converted exactly. A layer whose parameters do not require gradients counts as not trained.
    The certificate speaks of the mathematical activation: torch's softplus goes over to the identity above 20.

    Args:
        module: ``nn.Sequential`` of ``nn.Linear``, one kind of activation, and :class:`Residual`, ending in one unit.
        path: the file to write.

    Returns:
        The setting that was written.

    Raises:
        ValueError: a layer that no theorem covers, by name, or layers in an order that is no stack.
        OSError: the file cannot be written.
    """
    layers: list[Layer] = []
    arrays: dict[str, np.ndarray] = {}
    kinds: set[str] = set()
    seen: set[int] = set()
    pending = ""
    for name, layer in _flat(module):
        if isinstance(layer, nn.Linear | Residual):
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
            layers.append(
                Layer(
                    linear.in_features,
                    linear.out_features,
                    skip_squared=skip,
                    bias=linear.bias is not None,
                    trained=_trained(name, linear),
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
        raise ValueError("the stack does not end in a linear layer of one unit: no theorem covers other outputs")
    if len(kinds) != 1:
        raise ValueError(f"{len(kinds)} kinds of activation ({', '.join(sorted(kinds))}): theorems cover exactly one")
    stack = Stack(kinds.pop(), tuple(layers))
    stack.check(arrays)
    write_arrays(Path(path), arrays, {SETTING: json.dumps(stack.plain())})
    return stack


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
    if type(layer) not in (nn.Linear, Residual, *ACTIVATIONS):
        raise ValueError(f"{name} ({_kind(layer)}): no theorem covers this layer")
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


def _trained(name: str, linear: nn.Linear) -> bool:
    wanted = {parameter.requires_grad for parameter in linear.parameters()}
    if len(wanted) != 1:
        raise ValueError(f"{name} (Linear) trains its weight or its bias but not both: no theorem covers that")
    return wanted.pop()


def _float64(name: str, parameter: torch.Tensor) -> np.ndarray:
    if not parameter.is_floating_point():
        raise ValueError(f"{name} holds {parameter.dtype}: real numbers are certified")
    return np.array(parameter.detach().to("cpu", torch.float64).numpy())


def _kind(layer: nn.Module) -> str:
    return type(layer).__name__
