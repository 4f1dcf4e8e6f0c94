"""Distances within the data."""

from __future__ import annotations

import numpy as np

from reports.both_sides.observed.registry import observed
from reports.both_sides.trials import Trial


def _distances(trial: Trial) -> np.ndarray:
    X = trial.problem.unit_rows
    apart: np.ndarray = np.linalg.norm(X[:, None] - X[None], axis=2)
    return np.where(np.eye(len(X), dtype=bool), np.inf, apart)


observed("least distance of two inputs")(lambda t: float(_distances(t).min()))


@observed("least distance between classes")
def _between(trial: Trial) -> float:
    y = trial.problem.y
    return float(np.where(y[:, None] != y[None], _distances(trial), np.inf).min())
