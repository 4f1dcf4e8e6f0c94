"""The residual network of Ding, Chen, Li and Wright (JMLR 2022; arXiv 2110.02926) and its starts.

z_(l+1) = z_l + (1 / (M L)) sum_m f(z_l, theta_(l,m)) from z_0 = x in R^d, output g(z_L) with a fixed g, here the last
coordinate. The loss is the mean of (1/2)(g(z_L) - y)^2 and the papers' flow runs M L times as fast as the gradient
flow. f(z, (a, V, b)) = a tanh(W z + c) with (W, c) = C (V, b) / sqrt(1 + |V|^2 + |b|^2), which meets all their
assumptions (re-derived), or normalised one by one as in their example, which does not meet the last one.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from empirical.networks.layers import Draws, Specification


class ResNet(Specification, frozen=True, kw_only=True, tag="ding2021-resnet"):
    """The network at a start theta_(l,m) = theta_m(l / L), with a ~ U[-1, 1], V and b of independent N(0, 1).

    Args:
        depth: L.
        branches: M.
        paths: theta_m(t) for t in [0, 1]: ``smooth`` (V and b turn as cos(pi t / 2) u + sin(pi t / 2) v), ``tied``
            (constant; the layers move apart in training), or ``independent`` for each layer, which their theorem
            does not admit.
        sharpness: C.
        normalised: ``jointly`` or ``separately``.
    """

    depth: int
    branches: int
    paths: Literal["smooth", "tied", "independent"] = "smooth"
    sharpness: float = 5.0
    normalised: Literal["jointly", "separately"] = "jointly"

    def draw(self, dimension: int, seed: int) -> Network:
        """The network as it starts; smooth and tied paths depend on the seed and on M, not on L."""
        draws = Draws(seed)
        L, M, d = self.depth, self.branches, dimension
        layers = L if self.paths == "independent" else 1
        a = draws.uniform(layers, M, low=-1.0, high=1.0)
        (V, b), (other_V, other_b) = ((draws.normal(layers, M, d, d), draws.normal(layers, M, d)) for _ in range(2))
        if self.paths != "independent":
            angles = torch.arange(L, dtype=torch.float64) / L * (math.pi / 2 if self.paths == "smooth" else 0.0)
            cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
            V = cos[..., None] * V + sin[..., None] * other_V
            b = cos * b + sin * other_b
            a = a.expand(L, M).clone()
        return Network(a, V, b, self.sharpness, self.normalised)


class Network(nn.Module):
    """See :class:`ResNet`; a (L, M), V (L, M, d, d) and b (L, M, d) are trained."""

    def __init__(self, a: Tensor, V: Tensor, b: Tensor, sharpness: float, normalised: str) -> None:
        super().__init__()
        self.a, self.V, self.b = nn.Parameter(a), nn.Parameter(V), nn.Parameter(b)
        self.sharpness, self.normalised = sharpness, normalised

    def forward(self, X: Tensor) -> Tensor:
        """The outputs g(z_L), (n,)."""
        return self.states(X)[-1][:, -1]

    def states(self, X: Tensor) -> list[Tensor]:
        """z_0, ..., z_L, each (n, d)."""
        V2, b2 = self.V.square().sum(dim=(2, 3)), self.b.square().sum(dim=2)
        if self.normalised == "jointly":
            V2 = b2 = V2 + b2
        W = self.sharpness * self.V / (1 + V2).sqrt()[..., None, None]
        c = self.sharpness * self.b / (1 + b2).sqrt()[..., None]
        L, M = self.a.shape
        z, found = X, [X]
        for l_W, l_c, l_a in zip(W, c, self.a, strict=True):
            moves = torch.tanh((z @ l_W.flatten(0, 1).T).view(len(z), M, -1) + l_c)
            z = z + torch.einsum("nmd,m->nd", moves, l_a) / (M * L)
            found.append(z)
        return found
