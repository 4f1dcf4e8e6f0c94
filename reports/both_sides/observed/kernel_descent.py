"""The descent of the infinite-width kernel, and that of the model linearised at the start."""

from __future__ import annotations

import math

import numpy as np

from reports.both_sides.observed.loss import residuals_of
from reports.both_sides.observed.registry import Seen, first_of, last_of, observed
from reports.both_sides.trials import Trial


def _modes(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the limit's matrix (over n for mean losses), descending, and the labels' parts."""
    if trial.limit_gram is None:
        raise ValueError("no matrix of infinite width is known of these networks")
    values, vectors = np.linalg.eigh(trial.limit_gram)
    scale = trial.problem.n if trial.network.mean else 1
    return values[::-1] / scale, (vectors.T @ trial.y)[::-1]


def _of_kernel(trial: Trial) -> dict[float, float]:
    """The norm of the residual of the kernel's own descent."""
    values, parts = _modes(trial)
    return {k: float(np.linalg.norm((1 - trial.step_size * values) ** k * parts)) for k in trial.run.at}


def _half(trial: Trial) -> int:
    """How many modes the floor leaves out: the lower half."""
    return trial.problem.n // 2


observed("predicted residual")(_of_kernel)
observed("distance from the predicted curve")(
    lambda t: max(abs(e - c) for e, c in zip(residuals_of(t).values(), _of_kernel(t).values(), strict=True))
)
observed("root mean square residual of the kernel's descent")(
    lambda t: {k: c / math.sqrt(t.problem.n) for k, c in _of_kernel(t).items()}
)
observed("rate of the kernel's descent")(lambda t: float(_modes(t)[0][_half(t) - 1]))
observed("eigenvalue gap")(lambda t: float(_modes(t)[0][_half(t) - 1] - _modes(t)[0][_half(t)]))
observed("floor of the kernel's descent")(
    lambda t: float(np.linalg.norm(_modes(t)[1][_half(t) :])) / math.sqrt(t.problem.n)
)


@observed("distance from the kernel's descent", "residuals")
def _from_kernel(trial: Trial) -> Seen:
    """The run's residuals stand along the limit's eigenvectors, by increasing eigenvalue."""
    assert trial.limit_gram is not None
    values, vectors = np.linalg.eigh(trial.limit_gram)
    scale = trial.problem.n if trial.network.mean else 1
    parts = vectors.T @ trial.y
    return {
        k: float(np.linalg.norm(now - (1 - trial.step_size * values / scale) ** k * parts)) / math.sqrt(trial.problem.n)
        for k, now in trial.run.series("residuals", "components").items()
    }


@observed("distance from the linear model", "residuals", "sensitivity")
def _from_linear(trial: Trial) -> float:
    """At the horizon of a flow: |r(T) - exp(-T K(0)) r(0)|."""
    squares = np.asarray(first_of(trial, "sensitivity", "singular_values"))[::-1] ** 2
    first, last = (np.asarray(look(trial, "residuals", "components")) for look in (first_of, last_of))
    return float(np.linalg.norm(last - np.exp(-trial.run.at[-1] * squares) * first))
