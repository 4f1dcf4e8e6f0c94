"""Orthogonal over-parameterised training (Liu et al., CVPR 2021): neurons R v_i with v_i fixed and R orthogonal.

Six ways to keep R orthogonal, as in the authors' own code. Four map a free square matrix to an orthogonal one; of the
other two, ``descent`` moves R itself along the Stiefel manifold by :func:`orthogonal_step`, which drifts off, and
``regularised`` leaves R free with the penalty of :func:`orthogonality_penalty`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from empirical.networks.layers import Draws, Specification, linear, relu

Orthogonaliser = Literal["gram-schmidt", "householder", "lowdin", "cayley", "descent", "regularised"]


def gram_schmidt(raw: Tensor) -> Tensor:
    """Classical (not modified) Gram-Schmidt on the columns, unrolled."""
    columns: list[Tensor] = []
    for v in raw.T:
        q = v - sum((u @ v) * u for u in columns)
        columns.append(q / q.norm())
    return torch.stack(columns, dim=1)


def householder(raw: Tensor) -> Tensor:
    """The orthogonal factor of a QR decomposition by d - 1 Householder reflections, unrolled.

    As in the authors' code a column that already points along its axis gives nan.
    """
    d = len(raw)
    identity = torch.eye(d, dtype=raw.dtype, device=raw.device)
    reflections, rest = identity, raw
    for k in range(d - 1):
        x = rest[k:, k]
        v = torch.cat([raw.new_zeros(k), x - x.norm() * identity[0, : d - k]])
        v = v / v.norm()
        rest = rest - 2 * torch.outer(v, v @ rest)
        reflections = reflections - 2 * torch.outer(reflections @ v, v)
    return reflections


def lowdin(raw: Tensor) -> Tensor:
    """The polar factor U V^T, the orthogonal matrix closest to the raw one."""
    u, _, vt = torch.linalg.svd(raw)
    return u @ vt


def cayley(raw: Tensor) -> Tensor:
    """(I + A)(I - A)^-1 with A skew from the strict upper triangle: determinant 1, never an eigenvalue -1."""
    A = raw.triu(1) - raw.triu(1).T
    identity = torch.eye(len(raw), dtype=raw.dtype, device=raw.device)
    return torch.linalg.solve(identity - A, identity + A, left=False)


ORTHOGONALISERS: dict[Orthogonaliser, Callable[[Tensor], Tensor]] = {
    "gram-schmidt": gram_schmidt,
    "householder": householder,
    "lowdin": lowdin,
    "cayley": cayley,
    "descent": lambda R: R,
    "regularised": lambda R: R,
}


def orthogonal_step(R: Tensor, gradient: Tensor, momentum: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """One step of ``descent``: momentum 0.9, then a tangent step a W R that two sweeps bend towards the Cayley step.

    With W skew, R + a W R + (a W)^2 R / 2 + (a W)^3 R / 4 agrees with (I - a W / 2)^-1 (I + a W / 2) R up to
    (a W)^4 / 8, so that each step leaves the orthogonal matrices by -(a W)^4 / 4 to leading order (re-derived).

    Args:
        R: now (d, d).
        gradient: of the loss.
        momentum: M (d, d), zero at the start.
        rate: the largest step.

    Returns:
        The next R and the next momentum.
    """
    M = 0.9 * momentum - gradient
    half = M @ R.T - 0.5 * R @ (R.T @ M @ R.T)
    W = half - half.T
    step = min(rate, 1 / (float(W.norm()) + 1e-8))
    M = W @ R
    after = R + step * M
    for _ in range(2):
        after = R + step / 2 * W @ (R + after)
    return after, M


def orthogonality_penalty(R: Tensor, weight: float = 0.1) -> Tensor:
    """The penalty of ``regularised``: 0.1 |R R^T - I| in Frobenius norm, not squared."""
    identity = torch.eye(len(R), dtype=R.dtype, device=R.device)
    return weight * torch.linalg.matrix_norm(R @ R.T - identity)


def energy(neurons: Tensor, power: float) -> float:
    """E_s = sum_(i != j) |u_i - u_j|^-s over the directions u of the rows; for s = 0 of log |u_i - u_j|^-1.

    Args:
        neurons: (n, d), no two of one direction.
        power: s >= 0.
    """
    distances = torch.nn.functional.pdist(neurons.detach() / neurons.detach().norm(dim=1, keepdim=True))
    return 2 * float(-distances.log().sum() if power == 0 else distances.pow(-power).sum())


def mean_energy(n: int, d: int, power: float) -> float:
    """E[E_s] of n independent uniform directions in R^d, n (n - 1) I_s, for 0 < s < d - 1 (re-derived).

    I_s = 2^(d-2-s) Gamma(d/2) Gamma((d-1-s)/2) / (sqrt(pi) Gamma(d-1-s/2)).

    Raises:
        ValueError: the mean is infinite or the formula is not for this power.
    """
    if not 0 < power < d - 1:
        raise ValueError(f"the mean of E_s is finite for 0 < s < d - 1 = {d - 1}, not for s = {power:g}")
    log_gamma = math.lgamma(d / 2) + math.lgamma((d - 1 - power) / 2) - math.lgamma(d - 1 - power / 2)
    return n * (n - 1) * 2 ** (d - 2 - power) * math.exp(log_gamma) / math.sqrt(math.pi)


class OrthogonalNetwork(Specification, frozen=True, kw_only=True, tag="liu2021-opt"):
    """ReLU layers h -> relu(h R V) with fixed columns v_i of N(0, 2 / d) entries, and a linear head trained freely.

    Args:
        widths: neurons of each hidden layer.
        outputs: of the head, which starts as N(0, 1 / width).
        orthogonaliser: how R is kept orthogonal. The raw matrix starts as N(0, 1), R itself (of the last two ways)
            as the identity.
    """

    widths: tuple[int, ...]
    outputs: int = 1
    orthogonaliser: Orthogonaliser = "cayley"

    def draw(self, dimension: int, seed: int) -> OrthogonalModule:
        """The network as it starts, on inputs (n, dimension)."""
        draws = Draws(seed)
        layers = []
        free = self.orthogonaliser in ("descent", "regularised")
        for d, width in zip((dimension, *self.widths), self.widths, strict=False):
            raw = torch.eye(d, dtype=torch.float64) if free else draws.normal(d, d)
            layers.append(OrthogonalLayer(draws.normal(d, width, deviation=math.sqrt(2 / d)), raw, self.orthogonaliser))
        return OrthogonalModule(layers, draws.normal(self.outputs, self.widths[-1], deviation=self.widths[-1] ** -0.5))


class OrthogonalLayer(nn.Module):
    """h -> h R V, with the neurons as columns of V (d, width)."""

    V: Tensor

    def __init__(self, V: Tensor, raw: Tensor, orthogonaliser: Orthogonaliser) -> None:
        super().__init__()
        self.register_buffer("V", V)
        self.raw = nn.Parameter(raw)
        self.orthogonaliser: Orthogonaliser = orthogonaliser

    @property
    def rotation(self) -> Tensor:
        """R."""
        return ORTHOGONALISERS[self.orthogonaliser](self.raw)

    def forward(self, h: Tensor) -> Tensor:
        """The pre-activations (n, width)."""
        return h @ self.rotation @ self.V


class OrthogonalModule(nn.Module):
    """See :class:`OrthogonalNetwork`."""

    def __init__(self, layers: list[OrthogonalLayer], head: Tensor) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(layers)
        self.output = linear(head)

    def matrices(self, orthogonaliser: Orthogonaliser) -> list[nn.Parameter]:
        """The raw matrices of the layers that are kept orthogonal in this way."""
        layers = [layer for layer in self.hidden if isinstance(layer, OrthogonalLayer)]
        return [layer.raw for layer in layers if layer.orthogonaliser == orthogonaliser]

    def forward(self, X: Tensor) -> Tensor:
        """The outputs, (n,) or (n, k)."""
        h = X
        for layer in self.hidden:
            h = relu(layer(h))
        out = self.output(h)
        return out[:, 0] if out.shape[1] == 1 else out
