"""Matrix products in single precision on the CPU by oneDNN, which torch ships beside MKL.

torch multiplies by MKL, whose kernels use AVX-512 on Intel's processors only; those of oneDNN use it on AMD's too.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

_WORTH = 2**22
"""Multiplications from which on a product saves more than handing the matrices over costs (about 30 microseconds)."""


def product(a: Tensor, b: Tensor) -> Tensor:
    """Compute a b^T of matrices (rows, k) and (columns, k)."""
    return _by_onednn(a, b) if _worth(a, b) else a @ b.T


class FastLayers(TorchFunctionMode):
    """While it is entered, linear layers multiply as :func:`product` does, forward and backward."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replace ``torch.nn.functional.linear`` as modules call it."""
        if function is linear and len(args) == 3 and not kwargs and _worth(args[0], args[1]):
            return _by_onednn(*args)
        return function(*args, **(kwargs or {}))


def _worth(a: Tensor, b: Tensor) -> bool:
    return (
        a.device.type == b.device.type == "cpu"
        and a.dtype == b.dtype == torch.float32
        and math.prod(a.shape) * len(b) >= _WORTH
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and torch.backends.mkldnn.is_available()
    )


def _by_onednn(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    return linear(a.to_mkldnn(), b, bias).to_dense()
