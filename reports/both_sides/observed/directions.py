"""Energies of neurons, and the rotations that move them."""

from __future__ import annotations

import math

import numpy as np

from reports.both_sides.observed.registry import Estimate, enter, enter_first, observed, series_of
from reports.both_sides.trials import Trial

DRAWS = 400
"""Of Gaussian neurons, for the mean of their energy."""


def _energies(trial: Trial) -> np.ndarray:
    import torch

    from empirical.networks.liu2021_opt import energy

    generator = torch.Generator().manual_seed(trial.sizes.seed)
    draws = torch.randn(DRAWS, trial.problem.n, trial.problem.d, generator=generator, dtype=torch.float64)
    return np.array([energy(neurons, 1.0) for neurons in draws])


@observed("mean energy")
def _mean_energy(trial: Trial) -> Estimate:
    energies = _energies(trial)
    return Estimate(float(energies.mean()), float(energies.std(ddof=1) / math.sqrt(DRAWS)))


@observed("variance of the energy")
def _energy_variance(trial: Trial) -> Estimate:
    squares = (_energies(trial) - _energies(trial).mean()) ** 2 * DRAWS / (DRAWS - 1)
    return Estimate(float(squares.mean()), float(squares.std(ddof=1) / math.sqrt(DRAWS)))


enter("energy", "energy", "energy", lambda layers: layers[0])
enter_first("first energy", "energy", "energy", lambda layers: layers[0])
enter("defect of the rotation", "rotation defect", "largest")
observed("defect of a step", "rotation defect")(lambda t: series_of(t, "rotation defect", "largest")[1.0])


@observed("largest step of a rotation")
def _rotation_step(trial: Trial) -> float:
    """The largest step of all parameters, and so more than |P - I| of its factor P; |A| <= |P - I| (1 + |P - I|)."""
    longest = float(np.diff(trial.run.path_lengths).max())
    return longest * (1 + longest)
