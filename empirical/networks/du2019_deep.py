"""The deep networks of Du, Lee, Li, Wang and Zhai (ICML 2019), all layers trained, every weight from N(0, 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from empirical.networks.layers import Activation, Draws, Specification, activation, linear, normaliser, patches, scaled


class FullyConnected(Specification, frozen=True, kw_only=True, tag="du2019-deep-fc"):
    """x^(h) = sqrt(c / m) s(W^(h) x^(h-1)) for h = 1..H from x^(0) = x, f = a . x^(H) (section 3).

    Args:
        width: m.
        depth: H, the number of hidden layers.
        activation: s; c = 1 / E[s(z)^2], z ~ N(0, 1).
    """

    width: int
    depth: int
    activation: str = "softplus"

    def draw(self, dimension: int, seed: int) -> FullyConnectedNetwork:
        """The network as it starts, on inputs (n, dimension)."""
        draws = Draws(seed)
        columns = [dimension] + [self.width] * (self.depth - 1)
        weights = [draws.normal(self.width, d) for d in columns]
        scale = math.sqrt(normaliser(self.activation) / self.width)
        return FullyConnectedNetwork(weights, draws.normal(1, self.width), activation(self.activation), scale)


class FullyConnectedNetwork(nn.Module):
    """See :class:`FullyConnected`."""

    def __init__(self, weights: list[Tensor], a: Tensor, s: Activation, scale: float) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(linear(w) for w in weights)
        self.output = linear(a)
        self.activation, self.scale = s, scale

    def forward(self, X: Tensor) -> Tensor:
        """The outputs f(x_i), (n,)."""
        h = X
        for layer in self.hidden:
            h = scaled(self.activation, layer(h), self.scale)
        return self.output(h)[:, 0]


class ResNet(Specification, frozen=True, kw_only=True, tag="du2019-deep-resnet"):
    """x^(h) = x^(h-1) + (c_res / (H sqrt m)) s(W^(h) x^(h-1)) for h = 2..H, f = a . x^(H) (section 3).

    The first layer is x^(1) = sqrt(c / m) s(W^(1) x).

    Args:
        width: m.
        depth: H, the number of hidden layers.
        activation: s; c = 1 / E[s(z)^2], z ~ N(0, 1).
        residual_scale: c_res in (0, 1), "a small constant".
    """

    width: int
    depth: int
    activation: str = "softplus"
    residual_scale: float = 0.5

    def draw(self, dimension: int, seed: int) -> ResidualNetwork:
        """The network as it starts, on inputs (n, dimension)."""
        return _draw_residual(self, Draws(seed), dimension, self.width, None)


class ConvResNet(Specification, frozen=True, kw_only=True, tag="du2019-deep-conv"):
    """The residual network on patches: x^(h) = x^(h-1) + (c_res / (H sqrt m)) s(W^(h) phi_h(x^(h-1))), f = <a, x^(H)>.

    Inputs are (n, channels, pixels); phi_h takes the patch of ``patch`` adjacent pixels around each pixel, stride 1,
    padded with zeros; W^(h) is shared by the pixels and a (pixels, m) is not (section 3).

    Args:
        width: m, the channels of hidden layers.
        depth: H, the number of hidden layers.
        pixels: p.
        patch: the pixels in a patch.
        activation: s; c = 1 / E[s(z)^2], z ~ N(0, 1).
        residual_scale: c_res in (0, 1).
    """

    width: int
    depth: int
    pixels: int
    patch: int = 3
    activation: str = "softplus"
    residual_scale: float = 0.5

    def draw(self, channels: int, seed: int) -> ResidualNetwork:
        """The network as it starts, on inputs (n, channels, pixels)."""
        return _draw_residual(self, Draws(seed), self.patch * channels, self.patch * self.width, self.patch)


def _draw_residual(
    family: ResNet | ConvResNet, draws: Draws, first: int, later: int, patch: int | None
) -> ResidualNetwork:
    m, H = family.width, family.depth
    weights = [draws.normal(m, d) for d in [first] + [later] * (H - 1)]
    a = draws.normal(1, m if patch is None else family.pixels * m)  # type: ignore[union-attr]
    first_scale = math.sqrt(normaliser(family.activation) / m)
    branch = family.residual_scale / (H * math.sqrt(m))
    return ResidualNetwork(weights, a, activation(family.activation), first_scale, branch, patch)


class ResidualNetwork(nn.Module):
    """See :class:`ResNet` and, where a patch size is given, :class:`ConvResNet`."""

    def __init__(
        self, weights: list[Tensor], a: Tensor, s: Activation, first_scale: float, branch: float, patch: int | None
    ) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(linear(w) for w in weights)
        self.output = linear(a)
        self.activation, self.patch = s, patch
        self.first_scale, self.branch = first_scale, branch

    def forward(self, X: Tensor) -> Tensor:
        """The outputs f(x_i), (n,)."""
        h = X if self.patch is None else X.transpose(1, 2)
        first, *later = self.hidden
        h = scaled(self.activation, first(self._seen(h)), self.first_scale)
        for layer in later:
            h = torch.add(h, self.activation(layer(self._seen(h))), alpha=self.branch)
        return self.output(h.flatten(1))[:, 0]

    def _seen(self, h: Tensor) -> Tensor:
        return h if self.patch is None else patches(h, self.patch)
