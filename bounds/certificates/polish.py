"""Gauss-Newton steps that bring trained weights to a residual near rounding: an estimate, to be certified afterwards.

Each step solves (J J^T + mu I) c = F - y and takes w - J^T c, with layerwise products and never the Jacobian; mu is 0
near a solution and grows where a step fails (Levenberg 1944, Marquardt 1963, from memory).
"""

from __future__ import annotations

import math

import numpy as np

from bounds.activations.pointwise import POINTWISE
from bounds.certificates.evaluation import gradients
from bounds.certificates.stack import LARGEST, Floats, Layer, Stack, Weights

STEPS = 400
UP, DOWN = 3.0, 3.3
"""How the damping changes after a step that failed, and after one that did not."""

LEAST, MOST = 1e-14, 1e8
"""Of the damping, in units of the mean eigenvalue: below it there is none, above it the search has failed."""


def polish(stack: Stack, weights: Weights, X: Floats, y: Floats, *, steps: int = STEPS) -> dict[str, Floats]:
    """Move the trained weights towards zero loss as far as float64 allows.

    Args:
        stack: the network.
        weights: its tensors; those at the start of a centred network stay as they are.
        X: inputs (n, d).
        y: labels (n,), or (n, C) for C outputs.
        steps: at most so many.

    Returns:
        All tensors, the trained ones new. Nothing is promised about them.
    """
    stack.check(weights)
    current = {name: array.copy() for name, array in weights.items()}
    target = y.ravel()
    if stack.centred:
        target = target + _Gradients(stack, stack.at_start(weights), X).outputs
    now = _Gradients(stack, current, X)
    size = float(np.linalg.norm(now.outputs - target))
    floor = 2.0**-52 * (math.sqrt(len(target)) + float(np.linalg.norm(target)))
    damping = min(1.0, size / (float(np.linalg.norm(target)) or 1.0))
    for _ in range(steps):
        gram = now.gram()
        shifted = gram + damping * float(np.trace(gram)) / len(target) * np.eye(len(target))
        try:
            combination = np.linalg.solve(shifted, now.outputs - target).astype(np.float64)
        except np.linalg.LinAlgError:
            damping = max(UP * damping, LEAST)
            continue
        trial = now.moved(combination)
        if not all((np.abs(array) <= LARGEST).all() for array in trial.values()):
            return current
        after = _Gradients(stack, trial, X)
        following = float(np.linalg.norm(after.outputs - target))
        if following < size:
            settled = following > size / 4 and size < 1e3 * floor
            current, now, size = trial, after, following
            damping = damping / DOWN if damping > LEAST else 0.0
            if settled or size <= floor:
                break
        elif size < 1e4 * floor or damping > MOST:
            break
        else:
            damping = max(UP * damping, LEAST)
    return current


class _Gradients:
    """Outputs and layerwise derivatives in plain float64."""

    def __init__(self, stack: Stack, weights: Weights, X: Floats) -> None:
        self.stack, self.weights = stack, weights
        activation = POINTWISE[stack.activation]
        layers = list(stack.affine(weights))
        self.inputs, slopes = [X], []
        for layer, weight, bias in layers[:-1]:
            values = activation(_affine(layer, weight, bias, self.inputs[-1]))
            skip = layer.skip_squared
            h = values.value if skip is None else self.inputs[-1] + math.sqrt(skip) * values.value
            slopes.append(values.slope)
            self.inputs.append(h)
        outputs = _affine(*layers[-1], self.inputs[-1])
        count = outputs.shape[1]
        self.outputs: Floats = outputs.ravel()
        self.slopes = [np.tile(np.eye(count), (len(X), 1))]
        layer, weight, _ = layers[-1]
        back = _pull(layer, weight, self.slopes[0])
        for (layer, weight, _), slope in zip(layers[-2::-1], slopes[::-1], strict=True):
            skip = layer.skip_squared
            g = (1.0 if skip is None else math.sqrt(skip)) * back * np.repeat(slope, count, axis=0)
            self.slopes.append(g)
            through = _pull(layer, weight, g)
            back = through if skip is None else back + through
        self.slopes.reverse()

    def gram(self) -> Floats:
        """J J^T."""
        total: Floats = np.zeros((len(self.outputs), len(self.outputs)))
        for layer, h, g in zip(self.stack.layers, self.inputs, self.slopes, strict=True):
            if not layer.trained:
                continue
            sides = _sides(layer, h)
            if layer.positions == 1:
                inner = np.kron(sides[:, 0] @ sides[:, 0].T, np.ones((len(g) // len(h),) * 2))
                total += inner * (g @ g.T)
            else:
                total += sum(rows @ rows.T for rows in gradients(layer, sides, g))
        return total

    def moved(self, combination: Floats) -> dict[str, Floats]:
        """The weights minus J^T times a combination of the outputs."""
        moved = dict(self.weights)
        for index, (layer, h, g) in enumerate(zip(self.stack.layers, self.inputs, self.slopes, strict=True)):
            if layer.trained:
                weighted = (combination[:, None] * g).reshape(len(h), -1, layer.outputs).sum(axis=1)
                sides = _sides(layer, h).reshape(len(h) * layer.positions, -1)
                gradient = layer.by_position(weighted).reshape(-1, layer.filters).T @ sides
                name = f"layers.{index}"
                old = moved[f"{name}.weight"]
                moved[f"{name}.weight"] = old - gradient[:, : layer.patch].reshape(old.shape)
                if layer.bias:
                    moved[f"{name}.bias"] = moved[f"{name}.bias"] - gradient[:, -1]
        return moved


def _affine(layer: Layer, weight: Floats, bias: Floats | None, h: Floats) -> Floats:
    """S W phi(h) + b."""
    rows = layer.patches(h).reshape(-1, layer.patch) @ weight.T
    z = math.sqrt(layer.scale_squared) * layer.by_unit(rows.reshape(len(h), layer.positions, -1))
    return z if bias is None else z + np.repeat(bias, layer.positions)


def _pull(layer: Layer, weight: Floats, g: Floats) -> Floats:
    """S phi^T(W^T g)."""
    rows = layer.by_position(g).reshape(-1, layer.filters) @ weight
    return math.sqrt(layer.scale_squared) * layer.spread(rows.reshape(len(g), layer.positions, -1))


def _sides(layer: Layer, h: Floats) -> Floats:
    """The rows (s phi_p(h), 1), or s phi_p(h) without a bias, (n, positions, k)."""
    sides = math.sqrt(layer.scale_squared) * layer.patches(h)
    return np.concatenate([sides, np.ones((*sides.shape[:2], 1))], axis=2) if layer.bias else sides
