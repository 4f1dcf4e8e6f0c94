"""Products of large matrices on the CPU by a compiled kernel, where it beats the library that torch calls.

torch multiplies by MKL, whose kernels use AVX-512 on Intel's processors only.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, fold, linear
from torch.overrides import TorchFunctionMode

from empirical.compiled_products import Kernel, compiled, multiplied
from empirical.machine_code import processor, vector_bytes
from empirical.networks.layers import scaled
from empirical.threads import in_parallel

_SHARE = 2**16
"""Numbers whose hyperbolic tangents are worth a thread."""

_WORTH = 2**21
"""Multiplications from which on the kernel is faster, though its call costs some 20 microseconds."""

_DEVICE_ROWS, _DEVICE_WORTH = 2000, 10**10
"""Rows and multiplications from which on a GPU (an H100 that was measured) computes strips faster than the whole."""

_COLUMNS = 2**24
"""Entries of patches whose gradients are held at a time, on a GPU."""

_ROWS = 8
"""Rows from which on the kernel is faster, though it copies the other matrix."""


def product(a: Tensor, b: Tensor, *, diagonal: int | None = None) -> Tensor:
    """Compute a b^T of matrices (rows, k) and (columns, k) through which no gradient is asked for.

    Args:
        a: the left matrix.
        b: the right one, of the same type.
        diagonal: if given, entries (i, j) with j > i + diagonal are not needed, and are undefined.
    """
    kernel = _kernel(a, b)
    if diagonal is not None:
        if kernel is not None:
            return multiplied(kernel, a, b.T, diagonal)
        if _worth_strips(a, b):  # else the strips' own time is more than they save
            return _by_strips(a, b, diagonal)
    return a @ b.T if kernel is None else multiplied(kernel, a, b.T)


def batched_product(a: Tensor, b: Tensor) -> Tensor:
    """Compute the products of matrices a (batch, m, k) and b (batch, k, n), as :func:`product` does."""
    kernel = _kernel(a[0], b[0].T)
    if kernel is None:
        return torch.bmm(a, b)
    result = a.new_empty(len(a), a.shape[1], b.shape[2])
    for left, right, out in zip(a, b, result, strict=True):
        multiplied(kernel, left, right, out=out)
    return result


def _worth_strips(a: Tensor, b: Tensor) -> bool:
    if a.device.type == "cpu":
        return a.shape[1] > 16
    return len(a) >= _DEVICE_ROWS and math.prod(a.shape) * len(b) >= _DEVICE_WORTH


def _by_strips(a: Tensor, b: Tensor, diagonal: int) -> Tensor:
    """By quarters of the rows, so that 3/8 of a symmetric product need not be computed.

    Strips of less than 50 rows of doubles, or 100 of floats, are slower than what they save.
    """
    result = a.new_empty(len(a), len(b))
    step = max(400 // a.itemsize, -(-len(a) // 4))
    for first in range(0, len(a), step):
        needed = slice(0, first + step + diagonal)
        result[first : first + step, needed] = a[first : first + step] @ b[needed].T
    return result


def transformed() -> bool:
    """Whether torch.func transforms what is computed now, so that its tensors stand for others."""
    return torch._C._functorch.peek_interpreter_stack() is not None


class FastLayers(TorchFunctionMode):
    """While it is entered, linear layers multiply as :func:`product` does, forward and backward, and tanh is numpy's.

    On a GPU, convolutions of float64 find gradients by products.
    No gradient is found for their own weights and biases, only for inputs.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replace layers as modules call them, unless their weights are computed."""
        if kwargs or transformed():
            return function(*args, **(kwargs or {}))
        if function is linear and len(args) == 3 and args[0].ndim > 1:
            x, *parameters = args
            if all(p is None or p.is_leaf for p in parameters) and _kernel(x, parameters[0]):
                return _Linear.apply(*args)
        if function is conv2d and len(args) == 7 and _convolves_slowly(args[0]):
            x, weight, bias, _, padding, _, groups = args
            plain = x.ndim == 4 and groups == 1 and not isinstance(padding, str)
            if plain and weight.is_leaf and (bias is None or bias.is_leaf):
                return _Convolution.apply(*args[:6])
        if function in _TANH and _is_real_on_cpu(args[0]):
            return _Tanh.apply(*args, 1.0)
        if function is scaled and args[0] in _TANH and args[2] != 0 and _is_real_on_cpu(args[1]):
            return _Tanh.apply(*args[1:])
        return function(*args)


class _Linear(Function):
    """x W^T + b of inputs (..., k) and weights (m, k)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Multiply."""
        ctx.save_for_backward(weight)
        outputs = product(x.reshape(-1, x.shape[-1]), weight)
        if bias is not None:
            outputs += bias
        return outputs.view(*x.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None]:
        """Multiply the gradient by the weights."""
        (weight,) = ctx.saved_tensors
        if not ctx.needs_input_grad[0]:
            return None, None, None
        of_inputs = product(gradient.reshape(-1, len(weight)), weight.T)
        return of_inputs.view(*gradient.shape[:-1], weight.shape[1]), None, None


class _Convolution(Function):
    """A convolution whose gradient for inputs (n, channels, ...) is a product, added up over the patches.

    For float64 cuDNN's own has a twenty-fifth of the rate of products, on an H100 that was measured.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
        """Convolve."""
        ctx.save_for_backward(weight)
        ctx.pixels, ctx.options = x.shape[2:], options
        return conv2d(x, weight, bias, *options)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Multiply the gradient by the weights, and add what belongs to one pixel."""
        (weight,) = ctx.saved_tensors
        if not ctx.needs_input_grad[0]:
            return (None,) * 6
        stride, padding, dilation = ctx.options
        matrix, gradient = weight.flatten(1).T, gradient.flatten(2)
        of_inputs = []
        for some in gradient.split(max(1, _COLUMNS // (len(matrix) * gradient.shape[2]))):
            patches = (matrix @ some.transpose(0, 1).flatten(1)).view(len(matrix), len(some), -1).transpose(0, 1)
            of_inputs.append(fold(patches, ctx.pixels, weight.shape[2:], dilation, padding, stride))
        return torch.cat(of_inputs), *(None,) * 5


class _Tanh(Function):
    """scale * tanh(z), not 0, by numpy, whose vectors are several times as fast as torch's."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, scale: float) -> Tensor:
        """Compute each entry."""
        outputs = torch.empty_like(z)
        threads = min(torch.get_num_threads(), z.numel() // _SHARE)
        pieces = [(z.detach(), outputs)]
        if threads > 1:
            axis = max(range(z.ndim), key=z.stride)
            pieces = list(zip(*(x.tensor_split(threads, axis) for x in pieces[0]), strict=True))
        in_parallel(threads, lambda piece: np.tanh(piece[0].numpy(), out=piece[1].numpy()), pieces)
        if scale != 1:
            outputs *= scale
        ctx.save_for_backward(outputs)
        ctx.scale = scale
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Multiply the gradient by scale - outputs^2 / scale."""
        (outputs,) = ctx.saved_tensors
        slopes = torch.addcmul(outputs.new_tensor(ctx.scale), outputs, outputs, value=-1 / ctx.scale)
        return slopes.mul_(gradient), None


_TANH = (torch.tanh, Tensor.tanh)


def _is_real_on_cpu(x: Tensor) -> bool:
    return x.is_cpu and x.dtype in (torch.float32, torch.float64)


def _convolves_slowly(x: Tensor) -> bool:
    return x.is_cuda and x.dtype == torch.float64


def _kernel(a: Tensor, b: Tensor) -> Kernel | None:
    """The compiled kernel for a b^T, if there is one and it gains."""
    fits = a.is_cpu and b.is_cpu and a.dtype == b.dtype in (torch.float32, torch.float64)
    if fits and a.shape[0] >= _ROWS and a.numel() * b.shape[0] >= _WORTH and _gains():
        return compiled(a.itemsize, 64)
    return None


@functools.cache
def _gains() -> bool:
    """Whether this is a processor of AMD's with AVX-512; on an Intel Xeon MKL was the faster by far."""
    return vector_bytes() == 64 and processor().startswith("znver")
