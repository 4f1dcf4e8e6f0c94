"""The pyramids of Nguyen and Mondelli (NeurIPS 2020): F_l = s(F_(l-1) W_l), F_L = F_(L-1) W_L, all layers trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from empirical.networks.layers import Activation, Draws, Specification, linear, relu, smoothed_leaky_relu


class Pyramid(Specification, frozen=True, kw_only=True, tag="nguyen2020-pyramid"):
    """Widths n_1 >= number of inputs and n_2 >= ... >= n_L; the loss is (1/2) |F_L - Y|^2.

    Args:
        widths: n_1, ..., n_L, the last the number of outputs.
        start: ``lecun``, every W_l from N(0, 1 / n_(l-1)); ``unit output``, the same but W_L from N(0, 1) (Bombari et
            al. 2022, from memory); or ``special``, W_1 as before, W_2 = 0 and W_l for l >= 3
            ``scale`` times a uniform (semi-)orthogonal matrix, which meets their conditions for a large scale.
        scale: zeta of the special start.
        activation: the smoothed leaky ReLU of the paper, or the ReLU of Nguyen (2021).
        slope: gamma, the least slope of the smoothed leaky ReLU.
        smoothness: beta, the Lipschitz constant of its derivative.
    """

    widths: tuple[int, ...]
    start: Literal["lecun", "unit output", "special"] = "special"
    scale: float = 1e4
    activation: Literal["smoothed leaky relu", "relu"] = "smoothed leaky relu"
    slope: float = 0.5
    smoothness: float = 1.0

    def draw(self, dimension: int, seed: int) -> PyramidNetwork:
        """The network as it starts, on inputs (n, dimension)."""
        draws = Draws(seed)
        weights = []
        for layer, (columns, rows) in enumerate(pairwise((dimension, *self.widths)), 1):
            if self.start == "unit output" and layer == len(self.widths):
                weights.append(draws.normal(rows, columns))
            elif self.start != "special" or layer == 1:
                weights.append(draws.normal(rows, columns, deviation=columns**-0.5))
            elif layer == 2:
                weights.append(torch.zeros(rows, columns, dtype=torch.float64))
            else:
                weights.append(self.scale * draws.semi_orthogonal(rows, columns))
        s = relu if self.activation == "relu" else smoothed_leaky_relu(self.slope, self.smoothness)
        return PyramidNetwork(weights, s)


class PyramidNetwork(nn.Module):
    """See :class:`Pyramid`; the layers hold the transposes of W_l."""

    def __init__(self, weights: list[Tensor], s: Activation) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(linear(w) for w in weights[:-1])
        self.output = linear(weights[-1])
        self.activation = s

    def forward(self, X: Tensor) -> Tensor:
        """The outputs F_L, (n, n_L)."""
        h = X
        for layer in self.hidden:
            h = self.activation(layer(h))
        return self.output(h)
