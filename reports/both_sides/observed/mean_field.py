"""The residual networks of Ding et al."""

from __future__ import annotations

import math

import numpy as np

from empirical.networks import ding2021
from reports.both_sides.observed.registry import observed
from reports.both_sides.trials import Trial


@observed("Lipschitz constant of a branch")
def _branch_lipschitz(trial: Trial) -> float:
    """|W| <= C on the support of the start, and tanh has slope 1."""
    assert isinstance(trial.family, ding2021.ResNet)
    return trial.family.sharpness


observed("bound on a branch")(lambda t: math.sqrt(t.X.shape[1]))


@observed("distance from a larger network's loss")
def _loss_gap(trial: Trial) -> float:
    return max(abs(a - b) for a, b in zip(trial.run.losses, trial.larger.losses, strict=True))


@observed("deviation of the last state", "last states")
def _state_deviation(trial: Trial) -> float:
    """Root mean square, over the inputs, of the distance from the last state of a larger network at the start."""
    here, there = (np.asarray(run.series("last states", "state")[0.0]) for run in (trial.run, trial.larger))
    return float(np.linalg.norm(here - there)) / math.sqrt(trial.problem.n)
