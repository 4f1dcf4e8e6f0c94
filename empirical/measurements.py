"""What proofs about deep networks speak of, measured on a module and its start.

Each observable names the statement that promises something about it. It only reads the network; where it has to move
weights (semi-smoothness, curvature) it works on copies. Spectral norms are those of the matrices as stored. All
numbers are float64 estimates.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from empirical import landscape
from empirical.networks import allenzhu2019, liu2021_opt
from empirical.tangent_kernels import cross_gram_matrix
from empirical.views import Values, View, hessian_norm, hidden_layers
from empirical.wasserstein import MOST_ASSIGNED, particles, sliced_wasserstein, wasserstein


def residuals(view: View) -> Values:
    """The residual, and its components along eigenvectors of the limit matrix (else of the first Gram matrix)."""
    residual = view.loss.residual(view.outputs, view.y).reshape(-1).cpu().numpy()
    components = view.initial_eigenvectors.T @ residual
    return {"norm": float(np.linalg.norm(residual)), "components": components.tolist()}


def tangent_kernel(view: View) -> Values:
    """Extreme eigenvalues of the Gram matrix, and its drift from the start and from infinite width."""
    eigenvalues = np.linalg.eigvalsh(view.gram)
    found: Values = {
        "least_eigenvalue": float(eigenvalues[0]),
        "largest_eigenvalue": float(eigenvalues[-1]),
        "drift_from_start": float(np.linalg.norm(view.gram - view.initial_gram, 2)),
    }
    if view.limit_gram is not None:
        found["drift_from_limit"] = float(np.linalg.norm(view.gram - view.limit_gram, 2))
    return found


def travel(view: View) -> Values:
    """How far the trained parameters are from their start: in all, by layer, and by neuron (row) at most."""
    matrices = [move.reshape(len(move), -1) for move in view.moves.values() if move.ndim > 1]
    return {
        "distance": math.sqrt(sum(float(move.square().sum()) for move in view.moves.values())),
        "spectral": [float(torch.linalg.matrix_norm(move, 2)) for move in matrices],
        "frobenius": [float(move.norm()) for move in matrices],
        "neuron": [float(move.norm(dim=1).max()) for move in matrices],
    }


def flips(view: View) -> Values:
    """The share of patterns 1{z >= 0} that differ from the initial ones, by hidden layer."""
    initial = view if view.initial is None else view.initial
    pairs = zip(view.preactivations, initial.preactivations, strict=True)
    return {"share": [float(((now >= 0) != (then >= 0)).double().mean()) for now, then in pairs]}


def gradient_dominance(view: View) -> Values:
    """|grad F|^2 / (2 F) over all trained parameters and over the last hidden layer alone (nan once F = 0)."""
    value, *gradients = view.value_and_gradient
    hidden = [
        float(g.square().sum())
        for (name, p), g in zip(
            ((n, p) for n, p in view.network.named_parameters() if p.requires_grad), gradients, strict=True
        )
        if name.startswith("hidden")
    ]
    total, twice = sum(float(g.square().sum()) for g in gradients), 2 * float(value)
    found: Values = {"all": total / twice if twice else math.nan}
    if hidden:
        found["last_hidden"] = hidden[-1] / twice if twice else math.nan
    return found


def semi_smoothness(view: View, radii: tuple[float, ...] = (1e-3, 1e-2, 1e-1)) -> Values:
    """F(W + W') - F(W) - <grad F, W'> for W' = -omega grad F / max_l |grad_l F|_2, at several omega."""
    value, *gradients = view.value_and_gradient
    largest = max(float(torch.linalg.matrix_norm(g.reshape(len(g), -1), 2)) for g in gradients)
    found: dict[str, list[float]] = {"radius": list(radii), "remainder": []}
    for radius in radii:
        moved = copy.deepcopy(view.network)
        step = radius / largest if largest else 0.0
        with torch.no_grad():
            for p, g in zip((p for p in moved.parameters() if p.requires_grad), gradients, strict=True):
                p.sub_(g, alpha=step)
            linear = -step * sum(float(g.square().sum()) for g in gradients)
            after = view.loss.value(moved(view.X), view.y)
        found["remainder"].append(float(after) - float(value) - linear)
    return dict(found)


def forward_norms(view: View) -> Values:
    """The least and the largest norm of a hidden layer's features over the inputs, by layer from h_0."""
    with torch.no_grad():
        norms = [h.norm(dim=1) for h in view.allenzhu.activations(view.X)]
    return {"least": [float(n.min()) for n in norms], "largest": [float(n.max()) for n in norms]}


def backward_norms(view: View) -> Values:
    """max_i |Back_(i,l)|_2 for l = 1..L, with Back_(i,l) = B D_L W_L ... D_l W_l (I + tau W where layers skip)."""
    network = view.allenzhu
    found: list[float] = []
    with torch.no_grad():
        back = network.output.weight.expand(len(view.X), -1, -1)
        for weight, active, tau in reversed(_factors_by_layer(network, view.X)):
            back = back * active[:, None]
            back = back + tau * (back @ weight) if tau is not None else back @ weight
            found.insert(0, float(torch.linalg.matrix_norm(back, 2).max()))
    return {"largest": found}


def intermediate_norms(view: View, inputs: int = 3, iterations: int = 50) -> Values:
    """max_i |W_b D_(i,b-1) ... D_(i,1) W_1|_2 for b = 1..L over the first inputs, by power iteration (from below)."""
    network = view.allenzhu
    X = view.X[:inputs]
    begin = np.random.default_rng(0).standard_normal((len(X), len(network.input.weight)))
    found = []
    with torch.no_grad():
        factors = _factors_by_layer(network, X)
        for b in range(1, len(factors) + 1):
            v = torch.from_numpy(begin).to(X)
            norm = v.new_zeros(len(X))
            for _ in range(iterations):
                v = v / v.norm(dim=1, keepdim=True)
                for k, (weight, active, tau) in enumerate(factors[:b]):
                    v = v + tau * (v @ weight.T) if tau is not None else v @ weight.T
                    v = v * active if k + 1 < b else v
                norm = v.norm(dim=1)
                for k, (weight, active, tau) in reversed(list(enumerate(factors[:b]))):
                    v = v * active if k + 1 < b else v
                    v = v + tau * (v @ weight) if tau is not None else v @ weight
            found.append(float(norm.max()))
    return {"largest": found}


def _factors_by_layer(network: allenzhu2019.Network, X: Tensor) -> list[tuple[Tensor, Tensor, float | None]]:
    """Each trained matrix with its patterns D (n, m), and tau where it is added to a skip."""
    features = network.activations(X)
    found: list[tuple[Tensor, Tensor, float | None]] = []
    for depth, layer in enumerate(network.hidden, 1):
        tau = network.tau if depth < len(network.hidden) else None
        z = layer(features[depth - 1])
        z = z if tau is None else features[depth - 1] + tau * z
        found.append((layer.get_parameter("weight"), (z >= 0).to(X.dtype), tau))
    return found


def separation(view: View) -> Values:
    """min_(i != j) |(I - h_i h_i^T / |h_i|^2) h_j| of the features, by layer from h_0; infinite of a single input."""
    found = []
    with torch.no_grad():
        for h in view.allenzhu.activations(view.X):
            directions = h / h.norm(dim=1, keepdim=True)
            along = directions @ h.T
            apart = (h.square().sum(dim=1) - along.square()).clamp(min=0).sqrt()
            found.append(float(apart.fill_diagonal_(math.inf).min()))
    return {"least": found}


def jacobian_change(view: View) -> Values:
    """|J - J(0)| in spectral and Frobenius norm, and the latter over |J(0)| (nan where J(0) = 0)."""
    cross = cross_gram_matrix(view.network, view.start, view.X)
    change = view.gram + view.initial_gram - cross - cross.T
    squares, first = max(float(np.trace(change)), 0.0), float(np.trace(view.initial_gram))
    return {
        "spectral": math.sqrt(max(float(np.linalg.eigvalsh(change)[-1]), 0.0)),
        "frobenius": math.sqrt(squares),
        "relative": math.sqrt(squares / first) if first else math.nan,
    }


def curvature(view: View) -> Values:
    """The spectral norm of the Hessian of F."""
    trained = view.trained
    with torch.enable_grad():
        value = view.loss.value(view.network(view.X), view.y)
        first = torch.cat([g.flatten() for g in torch.autograd.grad(value, trained, create_graph=True)])

    return {"norm": hessian_norm(first, trained)}


def sensitivity(view: View) -> Values:
    """The singular values of J, its effective rank (sum sigma^2)^2 / sum sigma^4 (0 of J = 0), and trace(K) / P."""
    squares = np.clip(np.linalg.eigvalsh(view.gram)[::-1], 0, None)
    fourth = float(np.square(squares).sum())
    count = sum(p.numel() for p in view.trained)
    return {
        "singular_values": np.sqrt(squares).tolist(),
        "effective_rank": float(squares.sum() ** 2) / fourth if fourth else 0.0,
        "trace_per_parameter": float(squares.sum()) / count,
    }


def hyperspherical_energy(view: View) -> Values:
    """E_1 of each hidden layer's neurons (the rows of its matrix, or R v_i)."""
    found = []
    for layer in hidden_layers(view.network):
        with torch.no_grad():
            if isinstance(layer, liu2021_opt.OrthogonalLayer):
                neurons = (layer.rotation @ layer.V).T
            else:
                neurons = layer.get_parameter("weight")
        found.append(liu2021_opt.energy(neurons, 1.0))
    return {"energy": found}


def mean_field_distance(view: View) -> Values:
    """How far the measure of the particles is from its start: W_2 of each layer, d_1 = max_l W_2, and sliced W_2.

    W_2 is exact, by assignment; for more than 1024 particles it is left out and the sliced distance, an estimate, is
    what there is.
    """
    pairs = list(zip(particles(view.network), particles(view.start), strict=True))
    found: Values = {"sliced": [sliced_wasserstein(now, then) for now, then in pairs]}
    if len(pairs[0][0]) <= MOST_ASSIGNED:
        exact = [wasserstein(now, then) for now, then in pairs]
        found |= {"exact": exact, "largest": max(exact)}
    return found


@dataclass(frozen=True)
class Observable:
    """A measurement and the statement it stands beside.

    Args:
        measure: reads a :class:`View`.
        promised_by: the paper's statement about it.
    """

    measure: Callable[[View], Values]
    promised_by: str


OBSERVABLES: dict[str, Observable] = {
    "residuals": Observable(residuals, "Arora et al. 2019, Theorem 4.1 (from memory): (1 - eta lambda_i)^k v_i.y"),
    "tangent kernel": Observable(tangent_kernel, "Du et al. 2019, Lemmas 3.1 and 3.2; deep: Lemmas B.2 and B.4"),
    "travel": Observable(travel, "Du et al. 2019, Corollary 4.1; deep: Lemma B.5; Allen-Zhu et al. 2019, Theorem 1"),
    "flips": Observable(flips, "Du et al. 2019, Lemma 4.1; Allen-Zhu et al. 2019, Lemma 8.2 (from memory)"),
    "gradient dominance": Observable(gradient_dominance, "Allen-Zhu et al. 2019, Theorem 3 (from memory)"),
    "semi-smoothness": Observable(semi_smoothness, "Allen-Zhu et al. 2019, Theorem 4 (from memory)"),
    "forward norms": Observable(forward_norms, "Allen-Zhu et al. 2019, Lemma 7.1"),
    "intermediate norms": Observable(intermediate_norms, "Allen-Zhu et al. 2019, Lemma 7.3 (from memory)"),
    "backward norms": Observable(backward_norms, "Allen-Zhu et al. 2019, Lemma 7.4 (from memory)"),
    "separation": Observable(separation, "Allen-Zhu et al. 2019, Lemma 7.5 (from memory)"),
    "jacobian change": Observable(jacobian_change, "Liu, Zhu and Belkin 2022; Allen-Zhu et al. 2019, Theorem 5"),
    "curvature": Observable(curvature, "Liu, Zhu and Belkin 2022: eta <= 1 / (L_F^2 + beta_F |r_0|) (from memory)"),
    "sensitivity": Observable(sensitivity, "Dong and Zhou 2019: no quantitative statement"),
    "energy": Observable(hyperspherical_energy, "Liu et al. 2021: rotations keep the hyperspherical energy"),
    "mean-field distance": Observable(
        mean_field_distance, "Ding et al. 2022, appendix A: |Z_rho - Z_rho'| <= C d_1(rho, rho'), d_1 = sup_t W_2"
    ),
    "features": Observable(landscape.features, "Du et al. 2019, deep: Lemmas B.1 and B.3; Nguyen and Mondelli 2020"),
    "matrices": Observable(landscape.matrices, "Du et al. 2019, deep: Lemma G.2; Nguyen and Mondelli 2020"),
    "layer kernels": Observable(landscape.layer_kernels, "Du et al. 2019, Lemmas 3.1, 3.2; deep: Lemmas B.2, B.4"),
    "kernel entries": Observable(landscape.kernel_entries, "Liu, Zhu and Belkin 2020 (from memory)"),
    "linearisation": Observable(landscape.linearisation, "Liu, Zhu and Belkin 2020 (from memory)"),
    "gradients": Observable(landscape.gradients, "Allen-Zhu et al. 2019, Theorem 3 (from memory)"),
    "output hessians": Observable(landscape.output_hessians, "Liu, Zhu and Belkin 2020 (from memory)"),
    "newton": Observable(landscape.newton, "the simplified Newton iteration (re-derived)"),
    "misclassified": Observable(landscape.misclassified, "Allen-Zhu et al. 2019, Theorem 6 (from memory)"),
    "flipped neurons": Observable(landscape.flipped_neurons, "Allen-Zhu et al. 2019, Lemma 8.2 (from memory)"),
    "last states": Observable(landscape.last_states, "Ding et al. 2022: deviation from the mean-field limit"),
    "rotation defect": Observable(landscape.rotation_defect, "Liu et al. 2021: nearly orthogonal matrices"),
}
