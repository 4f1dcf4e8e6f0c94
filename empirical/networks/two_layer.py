"""The two-layer network of Du, Zhai, Poczos and Singh (ICLR 2019), its gradient and its Gram matrix.

f(x) = m^-1/2 sum_r a_r relu(w_r . x) with the loss 1/2 sum_i (f(x_i) - y_i)^2 and the subgradient 1{z >= 0} of
relu. (Automatic differentiation takes 1{z > 0}, so the gradient is written by hand.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Trained = Literal["first", "both"]

BLOCK_ENTRIES = 2**16
"""Pre-activations (neurons x inputs, or seeds x neurons x inputs) that the cache of one core holds with their peers."""

DEVICE_ENTRIES = 2**23
"""Pre-activations that keep a GPU busy and take little of its memory with their peers."""


@dataclass(frozen=True, eq=False)
class TwoLayerNetwork:
    """A two-layer ReLU network as stored.

    Args:
        weights: the neurons w_r as rows, float64 (m, d).
        signs: the output weights a_r, float64 (m,); +-1 unless they were trained.
    """

    weights: Tensor
    signs: Tensor

    @property
    def width(self) -> int:
        """The number m of neurons."""
        return len(self.weights)

    def outputs(self, X: Tensor) -> Tensor:
        """The predictions f(x_i), (n,), on the rows of X (n, d)."""
        return torch.relu(X @ self.weights.T) @ self.signs / math.sqrt(self.width)

    def patterns(self, X: Tensor) -> Tensor:
        """The indicators 1{w_r . x_i >= 0} as booleans, (n, m)."""
        return X @ self.weights.T >= 0

    def blocks(self, points: int) -> Iterator[TwoLayerNetwork]:
        """The neurons in groups whose pre-activations on so many inputs fit a cache; their sums need no more."""
        size = max(1, (BLOCK_ENTRIES if self.weights.device.type == "cpu" else DEVICE_ENTRIES) // points)
        for start in range(0, self.width, size):
            yield TwoLayerNetwork(self.weights[start : start + size], self.signs[start : start + size])

    def gradient(self, X: Tensor, y: Tensor) -> TwoLayerNetwork:
        """The gradient of the loss in (weights, signs), in the paper's subgradient convention."""
        z = X @ self.weights.T
        scale = 1 / math.sqrt(self.width)
        activations = torch.relu(z)
        error = activations @ self.signs * scale - y
        in_weights = (scale * self.signs)[:, None] * (((z >= 0) * error[:, None]).T @ X)
        return TwoLayerNetwork(in_weights, scale * (activations.T @ error))

    def gram(self, X: Tensor, trained: Trained = "first") -> Tensor:
        """The Gram matrix H = J J^T of the parameter Jacobian on the rows of X, (n, n), exactly symmetric.

        H_ij = (x_i . x_j / m) sum_r a_r^2 1{w_r . x_i >= 0, w_r . x_j >= 0} for the first layer, plus
        (1/m) sum_r relu(w_r . x_i) relu(w_r . x_j) where both layers are trained (Du et al. 2019, sections 3 and
        3.3).
        """
        inner = X @ X.T
        inner = (inner + inner.T) / 2  # a matrix product need not round symmetrically
        gram = torch.zeros_like(inner)
        for block in self.blocks(len(X)):
            z = X @ block.weights.T
            active = (z >= 0).to(X.dtype)
            overlaps = (active * block.signs.square()) @ active.T
            gram += inner * (overlaps + overlaps.T)
            if trained == "both":
                outer = z.clamp_(min=0) @ z.T
                gram += outer + outer.T
        return gram / (2 * self.width)


def initial_network(width: int, dimension: int, seed: int) -> TwoLayerNetwork:
    """Draw w_r ~ N(0, I_d) and a_r uniform on {-1, +1}, as a function of the seed alone.

    Args:
        width: number m of neurons.
        dimension: input dimension d.
        seed: of the generator that draws this network and nothing else.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(width, dimension, generator=generator, dtype=torch.float64)
    signs = 2.0 * torch.randint(2, (width,), generator=generator).to(torch.float64) - 1
    return TwoLayerNetwork(weights, signs)
