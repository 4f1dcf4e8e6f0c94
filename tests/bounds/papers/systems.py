"""Random quadratic systems of equations with all their constants, and descent and flow on them, for property tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class QuadraticSystem:
    """F(w) = A w + 1/2 (w^T B_i w)_i around w = 0, with the right side y; F(0) = 0.

    Args:
        linear: A (n, p).
        quadratic: symmetric B (n, p, p).
        target: y (n,).
    """

    linear: Floats
    quadratic: Floats
    target: Floats

    def residual(self, w: Floats) -> Floats:
        """F(w) - y (n,)."""
        return self.linear @ w + np.einsum("ijk,j,k->i", self.quadratic, w, w) / 2 - self.target

    def jacobian(self, w: Floats) -> Floats:
        """J(w) (n, p)."""
        return self.linear + self.quadratic @ w

    @property
    def beta(self) -> float:
        """A Lipschitz constant of J: the norm of the stacked B_i bounds that of w -> (B_i w)_i."""
        return float(np.linalg.norm(self.quadratic.reshape(-1, self.quadratic.shape[2]), 2))

    @property
    def hessian(self) -> float:
        """The largest spectral norm of a component's Hessian."""
        return float(max(np.linalg.norm(component, 2) for component in self.quadratic))

    @property
    def sigma(self) -> float:
        """The least singular value of J at the start."""
        return float(np.linalg.svd(self.linear, compute_uv=False)[-1])

    @property
    def norm(self) -> float:
        """The spectral norm of J at the start."""
        return float(np.linalg.norm(self.linear, 2))


def random_system(seed: int, curvature: float) -> QuadraticSystem:
    """A random system whose product 2 beta ||r_0|| / sigma_0^2 is ``curvature``."""
    draw = np.random.default_rng(seed)
    n, p = int(draw.integers(2, 5)), int(draw.integers(5, 9))
    linear = draw.normal(size=(n, p)) * draw.uniform(0.3, 2)
    if draw.random() < 0.5:  # rank-one curvature along the weakest direction: the worst case
        u, _, vt = np.linalg.svd(linear)
        quadratic = -np.einsum("i,j,k->ijk", u[:, n - 1], vt[n - 1], vt[n - 1])
        target = u[:, n - 1] * draw.uniform(0.5, 2)
    else:
        raw = draw.normal(size=(n, p, p))
        quadratic, target = raw + raw.transpose(0, 2, 1), draw.normal(size=n)
    system = QuadraticSystem(linear, quadratic, target)
    scale = curvature * system.sigma**2 / (2 * system.beta * float(np.linalg.norm(target)))
    return QuadraticSystem(linear, quadratic * scale, target)


@dataclass(frozen=True)
class Trace:
    """What a run did, step by step.

    Args:
        residuals: norms of the residual (steps + 1,).
        paths: lengths of the path so far (steps + 1,).
        kernels: least eigenvalue of J J^T (steps + 1,).
    """

    residuals: Floats
    paths: Floats
    kernels: Floats


def descend(system: QuadraticSystem, step: float, steps: int) -> Trace:
    """Gradient descent on 1/2 ||F - y||^2 from w = 0; a flow is a descent with a tiny step."""
    w, length = np.zeros(system.linear.shape[1]), 0.0
    residuals, paths, kernels = [], [], []
    for _ in range(steps + 1):
        r, jacobian = system.residual(w), system.jacobian(w)
        residuals.append(np.linalg.norm(r))
        paths.append(length)
        kernels.append(np.linalg.svd(jacobian, compute_uv=False)[-1] ** 2)
        move = step * jacobian.T @ r
        w, length = w - move, length + float(np.linalg.norm(move))
    return Trace(np.array(residuals), np.array(paths), np.array(kernels))
