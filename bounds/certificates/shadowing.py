"""The bound of the distance between a run of a smooth network and exact descent, step by step.

The recursion is derived in :mod:`bounds.certificates.smooth_shadow`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from bounds.certificates.curvature import Curvature
from bounds.certificates.smooth_descent import SmoothDescent, Window

UP = 1.0 + 2.0**-48
"""Rounds an error update up: its factor, at least 1, and its sum have fewer than 16 roundings."""

LOST = 0.1
"""The error bound beyond which a run is given up."""


class State(NamedTuple):
    """What is known of exact descent at one of the run's weights: E, the growth exponent, the length of its path."""

    error: float = 0.0
    growth: float = 0.0
    path: float = 0.0


@dataclass(eq=False)
class Shadow:
    """Exact descent, known to lie near a run; advances window by window.

    Args:
        descent: the network, data and step.
        curvature: the bounds of the curvature along the run.
        state: at the last weights.
        away: how far the weights that windows evaluate may be from the run's own.
    """

    descent: SmoothDescent
    curvature: Curvature
    state: State = State()
    away: float = 0.0

    def advance(self, window: Window) -> list[State]:
        """Follow a window, and return the states at all its weights but the last; a lost one stays as it is."""
        bounds = self.curvature.bound(window.curvature)
        states = []
        steps = zip(
            window.jacobian.tolist(),
            (window.residual + window.residual_error).tolist(),
            (bounds.negative + window.curvature_error).tolist(),
            (bounds.positive + window.curvature_error).tolist(),
            window.defect.tolist(),
            window.length.tolist(),
            strict=True,
        )
        for jacobian, residual, negative, positive, defect, length in steps:
            error, growth, path = self.state
            states.append(self.state)
            if not error <= LOST:
                continue
            factor = self._factor(jacobian, residual, negative, positive)
            following = (factor * error + defect) * UP
            self.state = State(
                following, growth + math.log(factor), (path + length + error + following + 2 * self.away) * UP
            )
        return states

    def _factor(self, jacobian: float, residual: float, negative: float, positive: float) -> float:
        descent, error = self.descent, (self.state.error + self.away) * UP
        norm = jacobian + descent.lipschitz * error
        moved = descent.smoothness * norm + descent.activation.third_derivative * descent.longest * residual
        moved *= descent.scale * descent.spectral**2 * error
        eta = descent.step_size
        return max(1.0 + eta * (negative + moved), eta * (norm * norm + positive + moved) - 1.0)
