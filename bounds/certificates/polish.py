"""Gauss-Newton steps that bring trained weights to a residual near rounding: an estimate, to be certified afterwards.

Each step solves (J J^T + mu I) c = F - y and takes w - J^T c, with layerwise products and never the Jacobian; mu is 0
near a solution and grows where a step fails (Levenberg 1944, Marquardt 1963, from memory).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bounds.activations.pointwise import POINTWISE
from bounds.certificates.stack import LARGEST, Floats, Stack, Weights

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
        y: labels (n,).
        steps: at most so many.

    Returns:
        All tensors, the trained ones new. Nothing is promised about them.
    """
    stack.check(weights)
    current = {name: array.copy() for name, array in weights.items()}
    target = y + _Gradients(stack, stack.at_start(weights), X).outputs if stack.centred else y
    now = _Gradients(stack, current, X)
    size = float(np.linalg.norm(now.outputs - target))
    floor = 2.0**-52 * (math.sqrt(len(y)) + float(np.linalg.norm(target)))
    damping = min(1.0, size / (float(np.linalg.norm(target)) or 1.0))
    for _ in range(steps):
        gram = now.gram()
        shifted = gram + damping * float(np.trace(gram)) / len(y) * np.eye(len(y))
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
            values = activation(_affine(layer.scale_squared, weight, bias)(self.inputs[-1]))
            skip = layer.skip_squared
            h = values.value if skip is None else self.inputs[-1] + math.sqrt(skip) * values.value
            slopes.append(values.slope)
            self.inputs.append(h)
        layer, weight, bias = layers[-1]
        self.outputs: Floats = _affine(layer.scale_squared, weight, bias)(self.inputs[-1])[:, 0]
        self.slopes = [np.ones((len(X), 1))]
        back = math.sqrt(layer.scale_squared) * weight
        for (layer, weight, _), slope in zip(layers[-2::-1], slopes[::-1], strict=True):
            skip = layer.skip_squared
            g = (1.0 if skip is None else math.sqrt(skip)) * back * slope
            self.slopes.append(g)
            through = math.sqrt(layer.scale_squared) * (g @ weight)
            back = through if skip is None else back + through
        self.slopes.reverse()

    def gram(self) -> Floats:
        """J J^T."""
        total: Floats = np.zeros((len(self.outputs), len(self.outputs)))
        for layer, h, g in zip(self.stack.layers, self.inputs, self.slopes, strict=True):
            if layer.trained:
                total += (float(layer.scale_squared) * (h @ h.T) + layer.bias) * (g @ g.T)
        return total

    def moved(self, combination: Floats) -> dict[str, Floats]:
        """The weights minus J^T times a combination of the inputs."""
        moved = dict(self.weights)
        for index, (layer, h, g) in enumerate(zip(self.stack.layers, self.inputs, self.slopes, strict=True)):
            if layer.trained:
                weighted = combination[:, None] * g
                name = f"layers.{index}"
                moved[f"{name}.weight"] = moved[f"{name}.weight"] - math.sqrt(layer.scale_squared) * (weighted.T @ h)
                if layer.bias:
                    moved[f"{name}.bias"] = moved[f"{name}.bias"] - weighted.sum(axis=0)
        return moved


def _affine(scale_squared: object, weight: Floats, bias: Floats | None) -> Callable[[Floats], Floats]:
    scale = math.sqrt(scale_squared)  # type: ignore[arg-type]
    return lambda h: scale * (h @ weight.T) + (0.0 if bias is None else bias)
