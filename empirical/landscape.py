"""What lemmas speak of besides the loss: features, weights, gradients and kernels of single layers, linearisations.

As in ``empirical.measurements``, which lists these observables with the statements beside them, each only reads the
network, or works on a copy of it.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from empirical.networks import ding2021, liu2021_opt
from empirical.tangent_kernels import cross_gram_matrix, gram_matrix
from empirical.views import Values, View, hessian_norm, hidden_layers


def _features(view: View, network: nn.Module) -> list[Tensor]:
    """What enters each layer after the first: the features x^(1), x^(2), ..., each (n, entries)."""
    layers = [*hidden_layers(network), network.get_submodule("output")]
    layers = layers if hasattr(network, "input") else layers[1:]
    seen: list[Tensor] = []
    handles = [layer.register_forward_pre_hook(lambda _, h: seen.append(h[0].detach().flatten(1))) for layer in layers]
    try:
        with torch.no_grad():
            network(view.X)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def features(view: View) -> Values:
    """By layer: least and largest norm of an input's features, their largest move, and their least singular value."""
    now, then = _features(view, view.network), _features(view, view.start)
    norms = [h.norm(dim=1) for h in now]
    return {
        "least": [float(n.min()) for n in norms],
        "largest": [float(n.max()) for n in norms],
        "moved": [float((h - h_0).norm(dim=1).max()) for h, h_0 in zip(now, then, strict=True)],
        "least_singular": [float(torch.linalg.svdvals(h)[-1]) if len(h) <= h.shape[1] else 0.0 for h in now],
    }


def matrices(view: View) -> Values:
    """Largest and least singular values of all matrices from the first hidden layer on; l4 norm over last neurons.

    Raises:
        ValueError: a layer has no weight matrix of its own.
    """
    layers = [*hidden_layers(view.network), view.network.get_submodule("output")]
    if any(isinstance(layer, liu2021_opt.OrthogonalLayer) for layer in layers):
        raise ValueError("layers of rotated neurons have no weight matrix that is trained")
    found = [layer.get_parameter("weight").detach() for layer in layers]
    values = [torch.linalg.svdvals(W) for W in found]
    by_neuron = found[-1].reshape(-1, len(found[-2]))  # of all outputs and pixels
    return {
        "spectral": [float(v[0]) for v in values],
        "least_singular": [float(v[-1]) for v in values],
        "output_fourth": float(by_neuron.norm(dim=0).pow(4).sum() ** 0.25),
    }


def layer_gram(network: nn.Module, layer: int, X: Tensor) -> np.ndarray:
    """The Gram matrix of one hidden layer's weights alone."""
    alone = copy.deepcopy(network)
    for parameter in alone.parameters():
        parameter.requires_grad_(False)
    for parameter in hidden_layers(alone)[layer].parameters():
        parameter.requires_grad_(True)
    return gram_matrix(alone, X)


def layer_kernels(view: View) -> Values:
    """Of the Gram matrices of the first and of the last hidden layer: least eigenvalue, and drift from the start."""
    found: Values = {}
    for name, layer in (("first", 0), ("last", -1)):
        now = layer_gram(view.network, layer, view.X)
        drift = now - layer_gram(view.start, layer, view.X)
        found[f"{name}_least"] = float(np.linalg.eigvalsh(now)[0])
        found[f"{name}_drift"] = float(np.linalg.norm(drift, 2))
        if view.limit_gram is not None:
            found[f"{name}_from_limit"] = float(np.linalg.norm(now - view.limit_gram, 2))
    return found


def kernel_entries(view: View) -> Values:
    """Changes of the Gram matrix entry by entry and of single outputs' gradients, with their size at the start."""
    then = view.initial_gram
    cross = cross_gram_matrix(view.network, view.start, view.X)
    sizes, change = np.sqrt(np.diag(then)), view.gram - then
    moved = np.clip(np.diag(view.gram) + np.diag(then) - 2 * np.diag(cross), 0, None)
    return {
        "change": float(np.abs(change).max()),
        "relative": _largest_quotient(np.abs(change), np.outer(sizes, sizes)),
        "largest_gradient": math.sqrt(float(np.diag(view.gram).max())),
        "gradient_change": _largest_quotient(np.sqrt(moved), sizes),
    }


def _largest_quotient(above: np.ndarray, below: np.ndarray) -> float:
    """0 / 0 is no change, and anything else over 0 infinitely much."""
    quotients = np.divide(above, below, out=np.where(above > 0, np.inf, 0.0), where=below > 0)
    return float(quotients.max())


def linearisation(view: View) -> Values:
    """The outputs beside those of the linear model at the start, for the same weights, and the loss beside its own."""
    parameters = {name: p for name, p in view.start.named_parameters() if p.requires_grad}
    with torch.enable_grad():  # twice backwards: the derivative of u -> J(0)^T u . W'
        first = view.start(view.X)
        u = torch.zeros_like(first, requires_grad=True)
        back = torch.autograd.grad(first, list(parameters.values()), u, create_graph=True)
        along = sum(((g * view.moves[name]).sum() for g, name in zip(back, parameters, strict=True)), u.sum() * 0)
        slope = torch.autograd.grad(along, u)[0]
    first = first.detach()
    then, *downhill = (view if view.initial is None else view.initial).value_and_gradient
    expected = float(then) + sum(float((g * move).sum()) for g, move in zip(downhill, view.moves.values(), strict=True))
    return {
        "remainder": float(view.value_and_gradient[0]) - expected,
        "largest_error": float((view.outputs - first - slope).abs().max()),
        "first_order": float(slope.square().sum()) / 2,
        "change": float((view.outputs - first).norm()),
        "norm": float(view.outputs.norm()),
    }


def gradients(view: View) -> Values:
    """Gradients of F by hidden layer: of all inputs, of single inputs over their v_i = dF_i / df_i, and of the last.

    ``input`` is the largest of |grad_l F_i| / |v_i|, ``layer`` of |grad_l F| / |v|, ``last`` is |grad_L F| over the
    largest |v_i|, all in Frobenius norm; ``over_root_loss`` is the largest |grad_l F| / sqrt(F).
    """
    value, *every = view.value_and_gradient
    named = [name for name, p in view.network.named_parameters() if p.requires_grad]
    hidden = [g for name, g in zip(named, every, strict=True) if name.startswith("hidden")] or every
    norms = [float(g.norm()) for g in hidden]
    v = view.loss.residual(view.outputs, view.y).reshape(len(view.y), -1).norm(dim=1)
    trained = [p for name, p in zip(named, view.trained, strict=True) if name.startswith("hidden")] or view.trained
    single = 0.0
    with torch.enable_grad():
        each = view.loss.each(view.network(view.X), view.y)
        for i in range(len(each)):
            found = torch.autograd.grad(each[i], trained, retain_graph=True, materialize_grads=True, allow_unused=True)
            single = max(single, max(float(g.norm()) for g in found) / float(v[i])) if v[i] > 0 else single
    scale = len(view.y) if view.loss.reduction == "mean" else 1
    return {
        "norm": math.sqrt(sum(float(g.square().sum()) for g in every)),
        "input": single,
        "layer": scale * max(norms) / float(v.norm()) if v.norm() > 0 else math.nan,
        "last": scale * norms[-1] / float(v.max()) if v.max() > 0 else math.nan,
        "over_root_loss": max(norms) / math.sqrt(float(value)) if value > 0 else math.nan,
        "largest_layer": max(norms),
        "largest_residual": float(v.max()),
    }


def output_hessians(view: View, inputs: int = 3) -> Values:
    """The largest spectral norm of the Hessian of one output, over the first inputs."""
    found = 0.0
    with torch.enable_grad():
        for output in view.network(view.X[:inputs]).reshape(-1)[:inputs]:
            parts = torch.autograd.grad(output, view.trained, create_graph=True)
            first = torch.cat([g.flatten() for g in parts])
            found = max(found, hessian_norm(first, view.trained)) if first.requires_grad else found
    return {"largest": found}


_GROWTH = 1e3
"""An iteration whose residual is so many times the first one is given up."""


def newton(view: View, iterations: int = 100) -> Values:
    """The simplified Newton iteration w <- w + J(0)^+ (y - f(w)) from here: its first step and where it ends."""
    network = copy.deepcopy(view.network)
    parameters = [p for p in network.parameters() if p.requires_grad]
    outputs = view.network(view.X)
    begin = nn.utils.parameters_to_vector(parameters).detach().clone()
    first, start = 0.0, float(view.loss.residual(outputs, view.y).norm())
    for k in range(iterations):
        residual = view.loss.residual(network(view.X), view.y)
        if k and not residual.norm() < _GROWTH * start:
            break
        u = np.linalg.lstsq(view.gram, residual.reshape(-1).cpu().numpy(), rcond=None)[0]
        along = torch.from_numpy(u).to(outputs).view_as(outputs)
        step = torch.autograd.grad(outputs, view.trained, along, retain_graph=True)
        with torch.no_grad():
            for p, move in zip(parameters, step, strict=True):
                p.add_(move)
        if k == 0:
            first = math.sqrt(sum(float(move.square().sum()) for move in step))
    with torch.no_grad():
        left = float(view.loss.residual(network(view.X), view.y).norm())
    end = nn.utils.parameters_to_vector(parameters).detach()
    origin = nn.utils.parameters_to_vector([p for p in view.start.parameters() if p.requires_grad]).detach()
    return {
        "step": first,
        "distance": float((end - begin).norm()),
        "from_start": float((end - origin).norm()),
        "residual": left,
    }


def misclassified(view: View) -> Values:
    """How many inputs are on the wrong side: by sign, or by the largest of several outputs."""
    outputs = view.outputs
    wrong = outputs.argmax(dim=1) != view.y.long() if view.loss.kind == "cross-entropy" else outputs * view.y <= 0
    return {"count": float(wrong.sum())}


def flipped_neurons(view: View) -> Values:
    """The largest number of neurons, over the inputs, whose pattern 1{z >= 0} is not the initial one, by layer."""
    initial = view if view.initial is None else view.initial
    pairs = zip(view.preactivations, initial.preactivations, strict=True)
    return {"largest": [float(((now >= 0) != (then >= 0)).flatten(1).sum(dim=1).max()) for now, then in pairs]}


def last_states(view: View) -> Values:
    """z_L of all inputs, one after the other, of a network of Ding et al.

    Raises:
        ValueError: it is another network.
    """
    if not isinstance(view.network, ding2021.Network):
        raise ValueError("states are those of Ding et al.'s networks")
    with torch.no_grad():
        return {"state": view.network.states(view.X)[-1].flatten().tolist()}


def rotation_defect(view: View) -> Values:
    """|R^T R - I| in spectral norm, the largest over the layers.

    Raises:
        ValueError: no layer has a rotation.
    """
    rotations = [
        layer.rotation for layer in hidden_layers(view.network) if isinstance(layer, liu2021_opt.OrthogonalLayer)
    ]
    if not rotations:
        raise ValueError("rotations are those of Liu et al.'s networks")
    with torch.no_grad():
        defects = [R.T @ R - torch.eye(len(R), dtype=R.dtype, device=R.device) for R in rotations]
        return {"largest": max(float(torch.linalg.matrix_norm(defect, 2)) for defect in defects)}
