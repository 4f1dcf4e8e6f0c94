"""A network beside its start: what observables read, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor, nn

from empirical.dynamics import gradient
from empirical.losses import Loss
from empirical.networks import allenzhu2019
from empirical.tangent_kernels import gram_matrix

Values = dict[str, float | list[float]]


@dataclass(eq=False)
class View:
    """A network beside its start; what several observables need is computed once.

    Args:
        network, start: now and at the start; the start is never trained.
        X, y: the training set.
        loss: F.
        limit_gram: the Gram matrix of infinite width, where the drift from it is wanted.
        initial: the view at the start, or None if this is it.
    """

    network: nn.Module
    start: nn.Module
    X: Tensor
    y: Tensor
    loss: Loss
    limit_gram: np.ndarray | None = None
    initial: View | None = None

    @cached_property
    def outputs(self) -> Tensor:
        """The outputs now."""
        with torch.no_grad():
            return self.network(self.X)

    @cached_property
    def gram(self) -> np.ndarray:
        """The Gram matrix now."""
        return gram_matrix(self.network, self.X)

    @property
    def initial_gram(self) -> np.ndarray:
        """The Gram matrix at the start."""
        return self.gram if self.initial is None else self.initial.gram

    @cached_property
    def initial_eigenvectors(self) -> np.ndarray:
        """Eigenvectors of the limit matrix, or else of that at the start, by increasing eigenvalue, as columns."""
        if self.initial is not None:
            return self.initial.initial_eigenvectors
        return np.linalg.eigh(self.gram if self.limit_gram is None else self.limit_gram)[1]

    @property
    def trained(self) -> list[nn.Parameter]:
        """The trained parameters."""
        return [p for p in self.network.parameters() if p.requires_grad]

    @cached_property
    def value_and_gradient(self) -> tuple[Tensor, ...]:
        """F and its gradient."""
        return gradient(self.network, self.trained, self.X, self.y, self.loss)

    @cached_property
    def moves(self) -> dict[str, Tensor]:
        """How far each trained parameter is from its start, by name."""
        then = dict(self.start.named_parameters())
        now = self.network.named_parameters()
        return {name: (p - then[name]).detach() for name, p in now if p.requires_grad}

    @cached_property
    def preactivations(self) -> list[Tensor]:
        """The outputs of the modules of ``network.hidden``, layer by layer.

        Raises:
            ValueError: the network has no hidden layers by that name.
        """
        layers = hidden_layers(self.network)
        seen: list[Tensor] = []
        handles = [layer.register_forward_hook(lambda _, __, z: seen.append(z.detach())) for layer in layers]
        try:
            with torch.no_grad():
                self.network(self.X)
        finally:
            for handle in handles:
                handle.remove()
        return seen

    @property
    def allenzhu(self) -> allenzhu2019.Network:
        """The network, if it is one of Allen-Zhu et al. without patches.

        Raises:
            ValueError: it is not.
        """
        if not isinstance(self.network, allenzhu2019.Network) or self.network.patch is not None:
            raise ValueError("norms and separation by layer are those of Allen-Zhu et al.'s networks of vectors")
        return self.network


def hidden_layers(network: nn.Module) -> list[nn.Module]:
    """The modules of ``network.hidden``, in order.

    Raises:
        ValueError: the network has none of that name.
    """
    hidden = getattr(network, "hidden", None)
    if not isinstance(hidden, nn.Module):
        raise ValueError(f"{type(network).__name__} has no layers named hidden to observe")
    return list(hidden) if isinstance(hidden, nn.ModuleList) else [hidden]


def hessian_norm(first: Tensor, parameters: Sequence[Tensor]) -> float:
    """The spectral norm of a Hessian, by Lanczos iteration on products with it (scipy's ARPACK).

    Args:
        first: the gradient as one vector, with its graph.
        parameters: in which it is differentiated again.

    Raises:
        ValueError: the iteration does not converge.
    """

    def product(v: np.ndarray) -> np.ndarray:
        along = torch.from_numpy(np.ascontiguousarray(v.reshape(-1))).to(first)
        second = torch.autograd.grad(
            first, parameters, along, retain_graph=True, materialize_grads=True, allow_unused=True
        )
        return torch.cat([g.flatten() for g in second]).cpu().numpy()

    if len(first) == 1:  # ARPACK takes no matrix of one entry
        return float(abs(product(np.ones(1))[0]))
    operator = LinearOperator((len(first), len(first)), matvec=product, dtype=np.float64)
    begin = np.random.default_rng(0).standard_normal(len(first))
    try:
        return float(abs(eigsh(operator, k=1, which="LM", v0=begin, tol=1e-6, return_eigenvectors=False)[0]))
    except ArpackError as error:
        if not product(begin).any():  # such as where every neuron is saturated
            return 0.0
        raise ValueError(f"the norm of a Hessian was not found: {error}") from error
