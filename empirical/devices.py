"""Cholesky factors from a device, for proofs that bound their residual themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch


def cholesky_on(device: str) -> Callable[[np.ndarray], np.ndarray | None]:
    """Factorise on a torch device: ``least_eigenvalue(a, radius, propose=cholesky_on("cuda"))``.

    What comes back is a proposal. :func:`bounds.linalg.least_eigenvalue` bounds its residual with its own products.

    Args:
        device: a torch device.

    Returns:
        A function from a symmetric matrix (n, n) to an upper triangular factor (n, n), or None where there is none.
    """

    def cholesky(a: np.ndarray) -> np.ndarray | None:
        factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(a).to(device), upper=True)
        return None if failed.item() else factor.cpu().numpy()

    return cholesky
