"""Gram matrices of any parameters: rows of the Jacobian by torch.func, for as many inputs at a time as fit."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from empirical.products import product


def add_jacobian_products(
    gram: Tensor, network: nn.Module, other: nn.Module, names: list[str], X: Tensor, *, entries: int
) -> None:
    """Add J J'^T of the Jacobians of two networks with respect to some of their parameters.

    Args:
        gram: (n k, n k) for k outputs, changed in place; if the networks are one, what is added is exactly symmetric.
        network: whose Jacobian gives the rows.
        other: whose Jacobian gives the columns.
        names: of the parameters.
        X: inputs (n, ...).
        entries: of a block of either Jacobian, at most (but for a single input).

    Raises:
        ValueError: torch.func cannot differentiate the network.
    """
    outputs = len(gram) // len(X)
    parameters = sum(network.get_parameter(name).numel() for name in names)
    step = max(1, entries // (outputs * parameters))
    for i in range(0, len(X), step):
        own = slice(i * outputs, (i + step) * outputs)
        rows = _jacobian(network, names, X[i : i + step])
        for j in range(0, i + 1 if other is network else len(X), step):
            if other is network and j == i:
                corner = product(rows, rows, diagonal=0)
                gram[own, own] += corner.tril() + corner.tril(-1).T
                continue
            there = slice(j * outputs, (j + step) * outputs)
            block = product(rows, _jacobian(other, names, X[j : j + step]))
            gram[own, there] += block
            if other is network:
                gram[there, own] += block.T


def _jacobian(network: nn.Module, names: list[str], X: Tensor) -> Tensor:
    """The rows (n k, parameters) of the Jacobian."""

    def outputs(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(network, parameters, (x[None],)).reshape(-1)

    chosen = {name: network.get_parameter(name).detach() for name in names}
    try:
        pieces = vmap(jacrev(outputs), (None, 0))(chosen, X)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ValueError(
            f"torch.func cannot differentiate {type(network).__name__} with respect to {', '.join(names)}, "
            f"which are no weights of linear or convolutional layers: {str(error).splitlines()[0]}"
        ) from error
    return torch.cat([pieces[name].flatten(2) for name in names], dim=2).flatten(0, 1).detach()
