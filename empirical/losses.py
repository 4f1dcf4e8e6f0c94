"""Training losses, each a sum or a mean over the inputs: papers differ by this factor, and step sizes with it."""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """A loss of outputs (n,) or (n, k) and labels.

    Args:
        kind: ``squares``, (1/2) |f - y|^2 per input; ``logistic``, ln(1 + exp(-y f)) with y = +-1; or
            ``cross-entropy``, with the number of the class as y.
        reduction: ``sum`` (Du et al., Allen-Zhu et al., Nguyen and Mondelli) or ``mean`` over the inputs
            (Su and Yang, Ding et al., Ji and Telgarsky).
    """

    kind: Literal["squares", "logistic", "cross-entropy"] = "squares"
    reduction: Literal["sum", "mean"] = "sum"

    def each(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The loss of each input, (n,)."""
        if self.kind == "squares":
            return (outputs - y).square().reshape(len(y), -1).sum(dim=1) / 2
        if self.kind == "logistic":
            return functional.softplus(-y * outputs)
        return functional.cross_entropy(outputs, y.long(), reduction="none")

    def value(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The loss over these inputs."""
        each = self.each(outputs, y)
        return each.sum() if self.reduction == "sum" else each.mean()

    def check(self, outputs: Tensor, y: Tensor) -> None:
        """Refuse labels that do not fit the outputs.

        Raises:
            ValueError: the shapes or the values of the labels do not fit.
        """
        if self.kind == "cross-entropy":
            classes = outputs.shape[1] if outputs.ndim == 2 else 0
            if y.ndim != 1 or not ((y == y.round()) & (y >= 0) & (y < classes)).all():
                raise ValueError(f"cross-entropy over {classes} outputs needs labels 0..{classes - 1}, one per input")
        elif outputs.shape != y.shape:
            raise ValueError(f"labels {tuple(y.shape)} do not fit outputs {tuple(outputs.shape)}")
        elif self.kind == "logistic" and not (y.abs() == 1).all():
            raise ValueError("the logistic loss needs labels -1 and 1")

    def residual(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Minus the derivative of the summed loss in the outputs: y - f for squares; shaped as the outputs."""
        with torch.enable_grad():
            at = outputs.detach().requires_grad_()
            return -torch.autograd.grad(self.each(at, y).sum(), at)[0]
