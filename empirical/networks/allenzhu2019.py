"""The networks of Allen-Zhu, Li and Song (ICML 2019): ReLU, input A and output B frozen, W_1..W_L trained.

From memory throughout, the patches of the convolutional network with the least confidence. relu' is 1{z >= 0}.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from empirical.networks.layers import Draws, Specification, linear, patches, relu


class FullyConnected(Specification, frozen=True, kw_only=True, tag="allenzhu2019-fc"):
    """h_0 = relu(A x), h_l = relu(W_l h_(l-1)) for l = 1..L, output B h_L (section 2).

    A and W_l start as N(0, 2/m), B as N(0, 1/d_out).

    Args:
        width: m.
        depth: L, the number of trained layers.
        outputs: d_out.
        input_trained: whether A moves as well, as in the networks of Zou and Gu (2019) with depth + 1 hidden layers.
    """

    width: int
    depth: int
    outputs: int
    input_trained: bool = False

    def draw(self, dimension: int, seed: int) -> Network:
        """The network as it starts, on inputs (n, dimension)."""
        network = _draw(Draws(seed), dimension, self.width, self.depth, self.outputs)
        network.input.weight.requires_grad_(self.input_trained)
        return network


class ResNet(Specification, frozen=True, kw_only=True, tag="allenzhu2019-resnet"):
    """h_l = relu(h_(l-1) + tau W_l h_(l-1)) for l < L, else as the fully-connected network (Theorem 8).

    Args:
        width: m.
        depth: L.
        outputs: d_out.
        tau: by default 1 / (L ln m), the largest that the theorem's 1 / Omega(L log m) suggests; it must be given where
            m = 1.
    """

    width: int
    depth: int
    outputs: int
    tau: float | None = None

    def draw(self, dimension: int, seed: int) -> Network:
        """The network as it starts, on inputs (n, dimension).

        Raises:
            ValueError: width 1 without a tau.
        """
        if self.tau is None and self.width == 1:
            raise ValueError("tau = 1 / (depth ln width) has no value at width 1: give a tau, or a larger width")
        tau = 1 / (self.depth * math.log(self.width)) if self.tau is None else self.tau
        return _draw(Draws(seed), dimension, self.width, self.depth, self.outputs, tau=tau)


class ConvNet(Specification, frozen=True, kw_only=True, tag="allenzhu2019-cnn"):
    """[h_l]_p = relu(W_l [h_(l-1)]_(Q_p)), output B vec(h_L) (Theorem 7); inputs (n, channels, pixels).

    A and W_l start as N(0, 2/(q m)), B (d_out, pixels m) as N(0, 1/d_out). Q_p are the q pixels around p on a circle,
    so that each pixel is in exactly q patches.

    Args:
        width: m, the channels of hidden layers.
        depth: L.
        outputs: d_out.
        pixels: D.
        patch: q.
    """

    width: int
    depth: int
    outputs: int
    pixels: int
    patch: int = 3

    def draw(self, channels: int, seed: int) -> Network:
        """The network as it starts, on inputs (n, channels, pixels)."""
        return _draw(Draws(seed), channels, self.width, self.depth, self.outputs, patch=self.patch, pixels=self.pixels)


def _draw(
    draws: Draws, dimension: int, m: int, depth: int, outputs: int, *, tau: float | None = None, patch=1, pixels=1
) -> Network:
    deviation = math.sqrt(2 / (patch * m))
    A = draws.normal(m, patch * dimension, deviation=deviation)
    weights = [draws.normal(m, patch * m, deviation=deviation) for _ in range(depth)]
    B = draws.normal(outputs, pixels * m, deviation=math.sqrt(1 / outputs))
    return Network(A, weights, B, tau, patch if pixels > 1 else None)


class Network(nn.Module):
    """See :class:`FullyConnected`, :class:`ResNet` (where tau is given) and :class:`ConvNet` (where a patch is)."""

    def __init__(self, A: Tensor, weights: list[Tensor], B: Tensor, tau: float | None, patch: int | None) -> None:
        super().__init__()
        self.input = linear(A, trained=False)
        self.hidden = nn.ModuleList(linear(w) for w in weights)
        self.output = linear(B, trained=False)
        self.tau, self.patch = tau, patch

    def forward(self, X: Tensor) -> Tensor:
        """The outputs, (n, d_out)."""
        return self.output(self.activations(X)[-1].flatten(1))

    def activations(self, X: Tensor) -> list[Tensor]:
        """h_0, ..., h_L: (n, m), or (n, pixels, m) with patches."""
        h = relu(self.input(self._seen(X if self.patch is None else X.transpose(1, 2))))
        found = [h]
        for depth, layer in enumerate(self.hidden, 1):
            z = layer(self._seen(h))
            skips = self.tau is not None and depth < len(self.hidden)
            h = relu(torch.add(h, z, alpha=self.tau) if skips else z)
            found.append(h)
        return found

    def _seen(self, h: Tensor) -> Tensor:
        return h if self.patch is None else patches(h, self.patch, circular=True)
