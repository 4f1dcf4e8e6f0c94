"""Two-layer networks in the scalings, starts and trained layers that statements speak of.

``empirical.networks.two_layer`` holds the one family that sweeps train by the hundred; here are its relatives.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from empirical.networks.layers import Activation, Draws, Specification, activation, linear

_SCALES = {"ntk": 0.5, "gaussian": 0.5, "standard": 0.0, "mean-field": 1.0}


class TwoLayer(Specification, frozen=True, kw_only=True, tag="two-layer"):
    """f(x) = m^-p sum_r a_r s(w_r . x), with w_r ~ N(0, deviation^2 I).

    Args:
        width: m.
        form: ``ntk`` (p = 1/2, a_r = +-1), ``gaussian`` (p = 1/2, a_r ~ N(0, 1)), ``standard`` (p = 0,
            a_r ~ N(0, 1/m)) or ``mean-field`` (p = 1, a_r = +-1; its particle flow is the gradient flow run m times as
            fast).
        start: ``independent``; ``antisymmetric``, where the second half of the neurons repeats the first with the
            opposite a, so that f = 0; or ``zero-output``, where a = 0.
        trained: the layers that move.
        activation: s.
        deviation: of the first layer's entries.
    """

    width: int
    form: Literal["ntk", "gaussian", "standard", "mean-field"] = "ntk"
    start: Literal["independent", "antisymmetric", "zero-output"] = "independent"
    trained: Literal["first", "last", "both"] = "first"
    activation: str = "relu"
    deviation: float = 1.0

    def draw(self, dimension: int, seed: int) -> TwoLayerModule:
        """The network as it starts, on inputs (n, dimension).

        Raises:
            ValueError: an antisymmetric start of odd width; a start from which the first layer alone never moves.
        """
        if self.start == "antisymmetric" and self.width % 2:
            raise ValueError(f"an antisymmetric start pairs the neurons: width must be even, not {self.width}")
        if self.start == "zero-output" and self.trained == "first":
            raise ValueError("with output weights 0 the first layer alone never moves: train the last layer too")
        draws = Draws(seed)
        drawn = self.width // 2 if self.start == "antisymmetric" else self.width
        W = draws.normal(drawn, dimension, deviation=self.deviation)
        deviation = {"standard": self.width**-0.5, "gaussian": 1.0}.get(self.form)
        a = draws.signs(1, drawn) if deviation is None else draws.normal(1, drawn, deviation=deviation)
        if self.start == "antisymmetric":
            W, a = torch.cat([W, W]), torch.cat([a, -a], dim=1)
        if self.start == "zero-output":
            a = torch.zeros_like(a)
        scale = self.width ** -_SCALES[self.form]
        return TwoLayerModule(W, a, activation(self.activation), scale, self.trained)


class TwoLayerModule(nn.Module):
    """See :class:`TwoLayer`."""

    def __init__(self, W: Tensor, a: Tensor, s: Activation, scale: float, trained: str) -> None:
        super().__init__()
        self.hidden = linear(W, trained=trained != "last")
        self.output = linear(a, trained=trained != "first")
        self.activation, self.scale = s, scale

    def forward(self, X: Tensor) -> Tensor:
        """The outputs f(x_i), (n,)."""
        return self.scale * self.output(self.activation(self.hidden(X)))[:, 0]
