"""What the families are made of: linear layers with given weights, activations, patches, and their draws."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

Activation = Callable[[Tensor], Tensor]


def relu(z: Tensor) -> Tensor:
    """max(z, 0) with the formal derivative 1{z >= 0} of the papers (torch's own takes 1{z > 0})."""
    return torch.where(z < 0, 0.0, z)


def scaled(s: Activation, z: Tensor, scale: float) -> Tensor:
    """Compute scale * s(z), in one operation where torch's functions are replaced by one that has it."""
    if has_torch_function_unary(z):
        result: Tensor = handle_torch_function(scaled, (z,), s, z, scale)
        return result
    return scale * s(z)


def smoothed_leaky_relu(slope: float, smoothness: float) -> Activation:
    """The leaky ReLU smoothed by a Gaussian and shifted to vanish at 0.

    s(x) = g x + (1 - g)(x P(x/t) + t p(x/t) - t p(0)) with the normal density p and distribution P: its derivative
    g + (1 - g) P(x/t) lies in (g, 1) and is b-Lipschitz for t = (1 - g) / (b sqrt(2 pi)), which is the activation of
    Nguyen and Mondelli (NeurIPS 2020), eq. (2), from memory; the stated properties are re-derived.

    Args:
        slope: g, in (0, 1).
        smoothness: b > 0.
    """
    width = (1 - slope) / (smoothness * math.sqrt(2 * math.pi))

    def value(z: Tensor) -> Tensor:
        u = z / width
        density = (torch.exp(-u.square() / 2) - 1) / math.sqrt(2 * math.pi)
        return slope * z + (1 - slope) * (z * torch.special.ndtr(u) + width * density)

    return value


ACTIVATIONS: dict[str, Activation] = {
    "relu": relu,
    "tanh": torch.tanh,
    "softplus": nn.functional.softplus,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "sigmoid": torch.sigmoid,
    "gelu": nn.functional.gelu,
    "identity": lambda z: z,
}
"""By the name that a specification carries."""


def activation(name: str) -> Activation:
    """Look an activation up.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}: choose from {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def normaliser(name: str) -> float:
    """C = 1 / E[s(z)^2], z ~ N(0, 1), rounded from its enclosure."""
    import bounds.activations as proved  # python-flint is needed by those who ask for c alone

    known = getattr(proved, name.upper(), None)
    if not isinstance(known, proved.Activation):
        raise ValueError(f"E[s(z)^2] of {name!r} is not known here: choose relu, tanh, softplus, erf, sin, cos or gelu")
    return float(known.normaliser.mid())


class Specification(msgspec.Struct, frozen=True, kw_only=True):
    """What the families share: every size is at least 1, and every other number finite.

    Raises:
        ValueError: one is not.
    """

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            sizes = value if isinstance(value, tuple) else (value,)
            if any(type(size) is int and size < 1 for size in sizes) or sizes == ():
                raise ValueError(f"{type(self).__name__} needs {name} of at least 1, not {value}")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{type(self).__name__} needs a finite {name}, not {value}")


def linear(weight: Tensor, *, trained: bool = True) -> nn.Linear:
    """The layer h -> h W^T without bias, made without torch's own initialisation, which draws from the global state.

    Args:
        weight: W (rows, columns).
        trained: whether its weights move.
    """
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=trained)
    return layer


class Draws:
    """Weights drawn in turn, float64 on the CPU, as a function of the seed alone.

    Args:
        seed: of a generator of their own.
    """

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int, deviation: float = 1.0) -> Tensor:
        """Independent N(0, deviation^2)."""
        return torch.randn(*shape, generator=self._generator, dtype=torch.float64) * deviation

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Independent and uniform on [low, high)."""
        return torch.rand(*shape, generator=self._generator, dtype=torch.float64) * (high - low) + low

    def signs(self, *shape: int) -> Tensor:
        """Independent and uniform on {-1, +1}."""
        return 2.0 * torch.randint(2, shape, generator=self._generator).to(torch.float64) - 1

    def semi_orthogonal(self, rows: int, columns: int) -> Tensor:
        """A uniform matrix with orthonormal rows or columns, whichever are fewer."""
        tall = self.normal(max(rows, columns), min(rows, columns))
        q, r = torch.linalg.qr(tall)
        q = q * torch.sign(torch.diagonal(r))  # Haar measure (Mezzadri 2007)
        return q if rows >= columns else q.T.contiguous()


def patches(h: Tensor, size: int, *, circular: bool = False) -> Tensor:
    """The patch of ``size`` adjacent pixels around each pixel, stride 1.

    Args:
        h: features (n, pixels, channels).
        size: pixels in a patch; pixel p sees p - (size - 1) // 2 onwards.
        circular: wrap around, so that each pixel is in exactly ``size`` patches; otherwise pad with zeros.

    Returns:
        (n, pixels, size * channels), the channels of one pixel side by side.
    """
    before = (size - 1) // 2
    if circular:
        return torch.cat([h.roll(before - o, dims=1) for o in range(size)], dim=2)
    padded = nn.functional.pad(h, (0, 0, before, size - 1 - before))
    return torch.cat([padded[:, o : o + h.shape[1]] for o in range(size)], dim=2)
