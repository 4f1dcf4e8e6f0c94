"""What devices need: to be there, float32 that is not TF32, blocks that their memory holds; and factors for proofs."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_OPERATIONS = ("all", "conv", "rnn", "matmul")
_SETTINGS = (("generic", "all"), *((backend, what) for backend in ("cuda", "mkldnn") for what in _OPERATIONS))
"""Of which torch keeps a precision of float32 arithmetic; what is not set follows its backend, and that the generic."""

_IN_TURN = threading.RLock()


def require_device(device: str) -> None:
    """Refuse a device that is not there, or computes nothing or not in float64.

    Args:
        device: a torch device, such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ValueError: saying what torch says of it.
    """
    mend = "give cpu, or cuda where there is a GPU"
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"{device!r} is no device: {mend}") from error
    try:
        torch.ones(1, dtype=torch.float64, device=found).item()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise ValueError(f"device {device!r} cannot be used here ({reason}): {mend}") from error


def cholesky_on(device: str) -> Callable[[np.ndarray], np.ndarray | None]:
    """Factorise on a torch device: ``least_eigenvalue(a, radius, propose=cholesky_on("cuda"))``.

    What comes back is a proposal. :func:`bounds.linalg.least_eigenvalue` bounds its residual with its own products.

    Args:
        device: a torch device.

    Returns:
        A function from a symmetric matrix (n, n) to an upper triangular factor (n, n), or None where there is none.

    Raises:
        ValueError: the device is not there.
    """
    require_device(device)

    def cholesky(a: np.ndarray) -> np.ndarray | None:
        factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(a).to(device), upper=True)
        return None if failed.item() else to_numpy(factor)

    return cholesky


@contextmanager
def float32_arithmetic(device: str, *, tf32: bool = False) -> Iterator[None]:
    """Multiply and convolve float32 in float32, or in TF32, whatever torch is set to, and leave its settings as found.

    By default torch allows TF32, factors rounded to 11 bits, in convolutions on a GPU. What it allows holds for the
    whole process, so threads that enter take turns. Inside, the precisions are read as ``fp32_precision``: torch may
    refuse to read them as ``allow_tf32``.

    Args:
        device: type of the device, on which automatic casts to shorter types are off.
        tf32: whether to allow TF32 in products, too, rather than nowhere.
    """
    read, write = torch._C._get_fp32_precision_getter, torch._C._set_fp32_precision_setter
    wanted = "tf32" if tf32 else "ieee"
    changed: list[tuple[tuple[str, str], str]] = []
    with _IN_TURN, torch.autocast(device, enabled=False):
        try:
            for setting in _SETTINGS:
                # what follows another has changed with it already, so that this value is the setting's own
                if (own := read(*setting)) != wanted:
                    write(*setting, wanted)
                    changed.append((setting, own))
            yield
        finally:
            for setting, own in reversed(changed):
                write(*setting, own)


def in_blocks(compute: Callable[[int], Tensor], X: Tensor, block: int | None, tf32: bool) -> np.ndarray:
    """Compute from so many inputs at a time, or from half as many, and so on, as the device's memory holds.

    Args:
        compute: of the number of inputs.
        X: inputs (n, ...), of the type and on the device of the arithmetic.
        block: their number; by default 512, and 4096 on a GPU, or fewer where these do not fit.
        tf32: whether a GPU may round factors of float32 products.

    Raises:
        MemoryError: the given block does not fit, or not even one input does.
    """
    size = block or (4096 if X.is_cuda else 512)
    with nullcontext() if X.dtype == torch.float64 else float32_arithmetic(X.device.type, tf32=tf32):
        while True:
            try:
                return to_numpy(compute(size))
            except torch.OutOfMemoryError as error:
                if block or size == 1:
                    message = f"{X.device} has no memory for {size} inputs at a time and a matrix of all"
                    raise MemoryError(f"{message}: give a smaller block=, or fewer inputs") from error
            size = min(size, len(X) + 1) // 2


def to_numpy(x: Tensor) -> np.ndarray:
    """An array of float32 or float64, brought to the CPU into memory of numpy's, which asks for large pages.

    Where the system gives these only on demand, an array of 100 MB takes torch longer to come by than to copy.
    """
    if x.device.type == "cpu":
        return x.numpy()
    result = np.empty(x.shape, dtype=np.float32 if x.dtype == torch.float32 else np.float64)
    torch.from_numpy(result).copy_(x)
    return result


def moved(network: nn.Module, **where: Any) -> nn.Module:
    """A copy of a network on another device or of another type, whose parameters are not copied before."""
    parameters = {
        id(p): nn.Parameter(p.detach().to(**where), p.requires_grad)
        for p in network.parameters()
        if type(p) is nn.Parameter and p.is_floating_point()
    }
    return copy.deepcopy(network, parameters).to(**where)
