"""Gram matrices (tangent kernels) of finite networks, by layerwise products in blocks of inputs.

The gradient of f(x_i) with respect to the matrix of a linear layer is sum_s g_is u_is^T, with u_is the layer's input
at position s (one position in a fully-connected layer, one for each pixel in a convolution) and g_is the gradient
with respect to its output there. So the layer adds sum_st (g_is . g_jt)(u_is . u_jt) to the Gram matrix J J^T: two
Gram matrices multiplied entrywise, never the n x P Jacobian J. Where positions are many, forming the layer's own rows
of J for some channels at a time costs fewer operations, and then that is done. Parameters outside such layers (scales,
weights that are computed from others) give their columns of J for some inputs at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.functional import conv1d, conv2d, linear

from empirical.devices import in_blocks, moved, require_device
from empirical.jacobians import add_jacobian_products
from empirical.networks.two_layer import Trained, TwoLayerNetwork
from empirical.products import FastLayers, batched_product, product, transformed

_MIXING = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
TEMPORARY = 2**24
"""Entries of the largest temporary array beside the layers' inputs and gradients; on a GPU four times as many."""


@torch.inference_mode(False)
@torch.enable_grad()
def gram_matrix(
    network: nn.Module | TwoLayerNetwork | np.ndarray,
    X: np.ndarray | Tensor,
    *,
    trained: Trained | None = None,
    dtype: Literal["float32", "float64"] | None = None,
    device: str | None = None,
    block: int | None = None,
    tf32: bool = False,
) -> np.ndarray:
    """Compute the Gram matrix J J^T of a network's Jacobian with respect to its trained parameters.

    A module's trained parameters are those that require a gradient. Those of linear and convolutional layers, which
    may be called several times or share weights, cost products of matrices alone; all others a backward pass for each
    input. One input's output must depend on no other input. Memory beside the result is that of two blocks of inputs.

    Args:
        network: a module whose outputs are (n,) or (n, k); a :class:`TwoLayerNetwork`; or the first layer (m, d) of
            one whose output weights are all +-1.
        X: inputs (n, ...).
        trained: ``first`` (the default) or ``both`` layers, of a two-layer network that is not a module.
        dtype: of the arithmetic; by default the network's own.
        device: where it happens; by default the network's own.
        block: inputs taken at a time; by default 512, and on a GPU 4096 or as many as its memory holds.
        tf32: whether a GPU may round the factors of float32 products to 11 bits; otherwise it does not, whatever torch
            is set to.

    Returns:
        (n, n), or (n k, n k) with the k outputs of one input side by side; exactly symmetric; an estimate.

    Raises:
        ValueError: the network mixes inputs, computes in neither float32 nor float64, or uses the weight of a layer
            otherwise, too; shapes do not fit; the device is not there.
        MemoryError: the block does not fit the GPU's memory, or not even one input does.
    """
    if block is not None and block < 1:
        raise ValueError(f"a block holds at least one input, not {block}")
    if device:
        require_device(device)
    if not isinstance(network, nn.Module):
        return _two_layer(network, X, trained or "first", dtype, device, tf32)
    if trained is not None:
        raise ValueError("a module says by requires_grad which parameters are trained: leave out trained=")
    if dtype or device:
        network = moved(network, device=device, dtype=None if dtype is None else getattr(torch, dtype))
    parameters = list(network.parameters())
    if parameters[0].dtype not in (torch.float32, torch.float64):
        raise ValueError(f"the network computes in {parameters[0].dtype}: give dtype='float32' or 'float64'")
    inputs = torch.as_tensor(np.asarray(X) if not isinstance(X, Tensor) else X).to(parameters[0])
    inputs = inputs.clone() if inputs.is_inference() else inputs
    _check_mixing(network, inputs)
    if not any(p.requires_grad for p in parameters):
        raise ValueError("no parameter of the network requires a gradient, so none is trained")
    return in_blocks(lambda size: _gram(network, inputs, size), inputs, block, tf32)


def _gram(network: nn.Module, inputs: Tensor, block: int) -> Tensor:
    rows = inputs.split(block)
    gram: Tensor | None = None
    starts = [0]
    for i, here in enumerate(rows):
        part = _part(network, here)
        if gram is None:
            gram = inputs.new_empty(len(inputs) * part.outputs, len(inputs) * part.outputs)
        starts.append(starts[-1] + len(here) * part.outputs)
        own = slice(starts[i], starts[i + 1])
        lower = _products(part, part).tril_()
        torch.add(lower, lower.tril(-1).T, out=gram[own, own])
        for j in range(i):
            there = slice(starts[j], starts[j + 1])
            gram[own, there] = _products(part, _part(network, rows[j]))
            gram[there, own] = gram[own, there].T
    assert gram is not None
    if part.others:
        add_jacobian_products(gram, network, network, part.others, inputs, entries=_entries(inputs) // 4)
    _check_whole(network, inputs[:1], gram[0, 0])
    return gram


@torch.inference_mode(False)
@torch.enable_grad()
def cross_gram_matrix(
    network: nn.Module, other: nn.Module, X: Tensor, *, block: int | None = None, tf32: bool = False
) -> np.ndarray:
    """Compute J J'^T of two networks of one architecture, with gradients at the weights of each.

    Args:
        network: whose Jacobian J gives the rows; covered as :func:`gram_matrix` says.
        other: whose Jacobian J' gives the columns.
        X: inputs (n, ...).
        block: inputs taken at a time, as for :func:`gram_matrix`.
        tf32: whether a GPU may round factors of float32 products.

    Returns:
        (n, n), or (n k, n k) with the k outputs of one input side by side; an estimate.

    Raises:
        ValueError: as :func:`gram_matrix`.
        MemoryError: as :func:`gram_matrix`.
    """
    _check_mixing(network, X)
    return in_blocks(lambda size: _cross_gram(network, other, X, size), X, block, tf32)


def _cross_gram(network: nn.Module, other: nn.Module, X: Tensor, block: int) -> Tensor:
    rows = X.split(block)
    strips = [[_products(_part(network, x), _part(other, t)) for t in rows] for x in rows]
    gram = torch.cat([torch.cat(strip, dim=1) for strip in strips])
    if others := _part(network, X[:1]).others:
        add_jacobian_products(gram, network, other, others, X, entries=_entries(X) // 4)
    return gram


def _two_layer(
    network: TwoLayerNetwork | np.ndarray,
    X: np.ndarray | Tensor,
    trained: Trained,
    dtype: str | None,
    device: Any,
    tf32: bool,
) -> np.ndarray:
    if not isinstance(network, TwoLayerNetwork):
        weights = torch.tensor(np.asarray(network), dtype=torch.float64)
        network = TwoLayerNetwork(weights, torch.ones(len(weights), dtype=torch.float64))
    kind = {"dtype": getattr(torch, dtype or "float64"), "device": device or network.weights.device}
    inputs = (X.detach() if isinstance(X, Tensor) else torch.tensor(np.asarray(X))).to(**kind)
    if inputs.ndim != 2 or network.weights.ndim != 2 or inputs.shape[1] != network.weights.shape[1]:
        raise ValueError(
            f"inputs {tuple(inputs.shape)} do not fit neurons {tuple(network.weights.shape)}: "
            "both are matrices with one column per input coordinate"
        )
    there = TwoLayerNetwork(network.weights.to(**kind), network.signs.to(**kind))
    return in_blocks(lambda _: there.gram(inputs, trained), inputs, len(inputs), tf32)


@dataclass
class _Call:
    """A matrix, which is a parameter of the network, multiplied by inputs at each position.

    Args:
        inputs: u (n, ..., columns) or, of a convolution, (n, channels, ...).
        weight: (rows, columns) or, of a convolution, (rows, channels, ...).
        bias: a parameter of the network that is added, if there is one.
        options: stride, padding and dilation of a convolution.
        version: of the inputs, which changes if they do.
    """

    inputs: Tensor
    weight: Tensor
    bias: Tensor | None
    options: tuple[Any, ...] = ()
    version: int = field(init=False)

    def __post_init__(self) -> None:
        self.version = self.inputs._version


@dataclass
class _Factor:
    """One weight's part of the Jacobian, in factors.

    Args:
        inputs: u (n, positions, columns).
        gradients: g (n, outputs, positions, rows).
        weight: whether the weight is trained.
        bias: (positions,) 1 where a trained bias is added, None if there is none.
    """

    inputs: Tensor
    gradients: Tensor
    weight: bool
    bias: Tensor | None


@dataclass
class _Part:
    """What some rows of the Jacobian are made of.

    Args:
        inputs, outputs: their numbers.
        factors: of the weights of linear and convolutional layers.
        others: names of the other trained parameters.
        like: a tensor of the arithmetic's type, where it happens.
    """

    inputs: int
    outputs: int
    factors: list[_Factor]
    others: list[str]
    like: Tensor


def _part(network: nn.Module, X: Tensor) -> _Part:
    with _Recording(network, len(X)) as recording:
        try:
            outputs = network(X)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, IndexError) as error:
            message = str(error).splitlines()[0]
            raise ValueError(f"inputs {tuple(X.shape)} do not fit {type(network).__name__}: {message}") from error
    if outputs.ndim > 2 or len(outputs) != len(X):
        raise ValueError(f"the network's outputs must be ({len(X)},) or ({len(X)}, k), not {tuple(outputs.shape)}")
    outputs = outputs.reshape(len(X), -1)
    _check_alone(network, X[:1], outputs[0].detach())
    calls, edges, k = recording.calls, recording.edges, outputs.shape[1]
    if any(call.inputs._version != call.version for call in calls):
        raise ValueError("the input of a layer is changed in place after it: copy it")
    by_output = [  # of a sum: gradients for outputs would load sympy
        torch.autograd.grad(outputs[:, c].sum(), edges, retain_graph=c + 1 < k, allow_unused=True)
        for c in range(k if edges else 0)
    ]
    by_weight: dict[int, list[tuple[_Call, Tensor]]] = {}
    for call, *gradients in zip(calls, *by_output, strict=True):
        stacked = _stacked([_rows_of(call, g) for g in gradients])
        by_weight.setdefault(id(call.weight), []).append((call, stacked))
    factors = [_factor(*zip(*some, strict=True)) for some in by_weight.values()]
    seen = {id(p) for call in calls for p in (call.weight, call.bias)}
    others = [name for name, p in recording.parameters.items() if p.requires_grad and id(p) not in seen]
    return _Part(len(X), k, factors, others, outputs.detach())


def _factor(calls: tuple[_Call, ...], gradients: tuple[Tensor, ...]) -> _Factor:
    """All calls of one weight, their positions side by side."""
    if len({id(call.bias) for call in calls if call.bias is not None}) > 1:
        raise ValueError("two layers share a weight but not their bias, which is not covered")
    inputs = [_positions(call) for call in calls]
    biases = [call.bias is not None and call.bias.requires_grad for call in calls]
    marks = [u.new_full(u.shape[1:2], bias) for u, bias in zip(inputs, biases, strict=True)] if any(biases) else []
    return _Factor(
        inputs=inputs[0] if len(calls) == 1 else torch.cat(inputs, dim=1),
        gradients=gradients[0] if len(calls) == 1 else torch.cat(gradients, dim=2),
        weight=calls[0].weight.requires_grad,
        bias=torch.cat(marks) if marks else None,
    )


class _Recording(FastLayers):
    """Records calls of linear and convolutional layers, and where the gradients at their outputs are found.

    Args:
        network: whose parameters are the weights that count.
        n: the number of inputs.
    """

    def __init__(self, network: nn.Module, n: int) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.edges: list[Any] = []
        self.parameters = dict(network.named_parameters())
        self._own, self._n = {id(p) for p in self.parameters.values()}, n

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function as :class:`FastLayers` does."""
        output = super().__torch_function__(function, types, args, kwargs)
        if function in _LAYERS and not transformed():
            call = _LAYERS[function](*args, **(kwargs or {}))
            if call is not None and self._counts(call, output):
                call.bias = call.bias if id(call.bias) in self._own else None
                self.calls.append(call)
                # an edge, not the tensor: an activation that works in place replaces what the tensor stands for
                self.edges.append(get_gradient_edge(output))
        return output

    def _counts(self, call: _Call, output: Tensor) -> bool:
        """Whether the weight is a parameter, and it or the bias is trained."""
        trained = any(id(p) in self._own and p.requires_grad for p in (call.weight, call.bias) if p is not None)
        return id(call.weight) in self._own and trained and call.inputs.shape[0] == self._n and output.requires_grad


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> _Call | None:
    return _Call(input.detach(), weight, bias) if input.ndim > 1 else None


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> _Call | None:
    if input.ndim != weight.ndim or groups != 1 or isinstance(padding, str):
        return None
    return _Call(input.detach(), weight, bias, (stride, padding, dilation))


_LAYERS = {linear: _linear, conv1d: _convolution, conv2d: _convolution}


def _positions(call: _Call) -> Tensor:
    """The inputs that a layer's matrix multiplies, (n, positions, columns)."""
    u = call.inputs
    if not call.options:
        return u.reshape(u.shape[0], -1, u.shape[-1])
    options = [(v, v) if isinstance(v, int) else (v[0], v[-1]) for v in call.options]
    kernel = tuple(call.weight.shape[2:])
    if u.ndim == 3:  # a signal is an image of one row
        options = [(of_row, v) for of_row, (v, _) in zip((1, 0, 1), options, strict=True)]
        u, kernel = u.unsqueeze(2), (1, *kernel)
    stride, padding, dilation = options
    around = (0, 0, padding[1], padding[1], padding[0], padding[0])
    image = nn.functional.pad(u.permute(0, 2, 3, 1), around).contiguous()  # a pixel's channels side by side
    n, *pixels, channels = image.shape
    reach = [size - d * (k - 1) - 1 for size, d, k in zip(pixels, dilation, kernel, strict=True)]
    places = [r // s + 1 for r, s in zip(reach, stride, strict=True)]
    steps = image.stride()
    windows = image.as_strided(
        (n, *places, *kernel, channels),
        (steps[0], *(stride[a] * steps[a + 1] for a in (0, 1)), *(dilation[a] * steps[a + 1] for a in (0, 1)), 1),
    )
    return windows.reshape(n, places[0] * places[1], -1)


def _rows_of(call: _Call, g: Tensor | None) -> Tensor:
    """A gradient with respect to a layer's output as (n, positions, rows); none means that it is 0."""
    if g is None:
        u = _positions(call)
        return u.new_zeros(*u.shape[:2], len(call.weight))
    if not call.options:
        return g.reshape(g.shape[0], -1, g.shape[-1])
    return g.flatten(2).transpose(1, 2)


def _stacked(by_output: list[Tensor]) -> Tensor:
    """Gradients (n, positions, rows) of each output as one tensor (n, outputs, positions, rows)."""
    return by_output[0].unsqueeze(1) if len(by_output) == 1 else torch.stack(by_output, dim=1)


def _products(here: _Part, there: _Part) -> Tensor:
    """The layers' Gram matrix between two blocks of inputs; of a block with itself only on and below the diagonal."""
    gram = here.like.new_zeros(here.inputs * here.outputs, there.inputs * there.outputs)
    for a, b in zip(here.factors, there.factors, strict=True):
        n, k, positions, size = a.gradients.shape
        depth = a.inputs.shape[2]
        if positions**2 * (k * k * size + depth) <= (k + positions / n) * k * size * depth:
            _add_overlaps(gram, a, b)
        else:
            _add_jacobians(gram, a, b)
    return gram


def _entries(x: Tensor) -> int:
    return 4 * TEMPORARY if x.is_cuda else TEMPORARY


def _add_overlaps(gram: Tensor, a: _Factor, b: _Factor) -> None:
    """Add sum_st (g_is . g_jt)(u_is . u_jt + b_s b_t), where b marks a bias."""
    n, k, s, _ = a.gradients.shape
    other, _, t, _ = b.gradients.shape
    result = gram.view(n, k, other, k)
    step = min(n, max(1, _entries(gram) // (k * s * other * k * t)))
    for start in range(0, n, step):
        some = slice(start, start + step)
        seen = slice(0, min(start + step, n) if a is b else other)
        # of an input with itself all positions are needed
        rows, columns = a.inputs[some].flatten(0, 1), b.inputs[seen].flatten(0, 1)
        needed = columns.shape[0] - rows.shape[0] + s - 1 if a is b else None
        overlaps = product(rows, columns, diagonal=needed) if a.weight else rows.new_zeros(len(rows), len(columns))
        if a.bias is not None and b.bias is not None:
            overlaps.view(-1, s, columns.shape[0] // t, t).add_(a.bias[:, None, None] * b.bias)
        rows, columns = a.gradients[some].flatten(0, 2), b.gradients[seen].flatten(0, 2)
        needed = columns.shape[0] - rows.shape[0] + s - 1 if a is b else None
        both = product(rows, columns, diagonal=needed)
        here = result[some, :, seen]
        if s == t == 1:
            here.addcmul_(both.view(-1, k, seen.stop, k), overlaps.view(-1, 1, seen.stop, 1))
            continue
        both = both.view(-1, k, s, seen.stop, k, t).mul_(overlaps.view(-1, 1, s, seen.stop, 1, t))
        here += both.sum(dim=(2, 5))


def _add_jacobians(gram: Tensor, a: _Factor, b: _Factor) -> None:
    """Add the product of the layer's own Jacobians, some channels at a time."""
    n, k, _, size = a.gradients.shape
    if a.bias is not None and b.bias is not None:
        left, right = (torch.einsum("nksc,s->nkc", f.gradients, f.bias).flatten(0, 1) for f in (a, b))
        gram += left @ right.T
    step = max(1, _entries(gram) // (max(n, len(b.inputs)) * k * a.inputs.shape[2]))
    for channel in range(0, size if a.weight else 0, step):
        channels = slice(channel, channel + step)
        left = _jacobian(a, channels)
        right = left if a is b else _jacobian(b, channels)
        gram += product(left, right, diagonal=0 if a is b else None)


def _jacobian(factor: _Factor, rows: slice) -> Tensor:
    """The Jacobian (n outputs, ...) with respect to some rows of one weight."""
    g = factor.gradients[..., rows]
    n, k, positions, some = g.shape
    g = g.transpose(2, 3).reshape(n, k * some, positions)
    return batched_product(g, factor.inputs).view(n * k, -1)


def _check_mixing(network: nn.Module, X: Tensor) -> None:
    for name, layer in network.named_modules():
        if layer.training and isinstance(layer, _MIXING):
            raise ValueError(
                f"layer {name!r} ({type(layer).__name__}) mixes or drops inputs: call network.eval() first"
            )
    if len(X) == 0:
        raise ValueError("there are no inputs")


def _check_alone(network: nn.Module, first: Tensor, beside_others: Tensor) -> None:
    """Check that the first input's output does not depend on the others, in modules that are not the package's own."""
    if type(network).__module__.startswith("empirical."):
        return
    with torch.no_grad():
        alone = network(first).reshape(-1)
    tolerance = 1e4 * torch.finfo(alone.dtype).eps * (1 + alone.abs().max())
    if not (beside_others - alone).abs().max() <= tolerance:
        raise ValueError(
            f"{type(network).__name__} gives an input another output alone than beside others: "
            "its gradient is no function of one input"
        )


def _check_whole(network: nn.Module, first: Tensor, square: Tensor) -> None:
    """Check the first entry against the first gradient itself, in modules that are not the package's own."""
    if type(network).__module__.startswith("empirical."):
        return
    trained = [p for p in network.parameters() if p.requires_grad]
    with torch.enable_grad():
        output = network(first).flatten()[0]
        gradients = torch.autograd.grad(output, trained, allow_unused=True) if output.requires_grad else ()
    exact = sum(float(g.square().sum()) for g in gradients if g is not None)
    if not abs(float(square) - exact) <= 1e5 * torch.finfo(first.dtype).eps * exact:
        raise ValueError(f"{type(network).__name__} uses the weight of a layer outside it, which is not covered")
