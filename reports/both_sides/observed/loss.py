"""Loss and residual."""

from __future__ import annotations

import math

import numpy as np

from reports.both_sides.observed.registry import enter, observed, series_of
from reports.both_sides.trials import Trial


def losses_of(trial: Trial) -> dict[float, float]:
    """One that is not finite, with which a run ends, counts as infinite."""
    losses = (loss if math.isfinite(loss) else math.inf for loss in trial.run.losses)
    return dict(zip(trial.run.at, losses, strict=True))


def residuals_of(trial: Trial) -> dict[float, float]:
    """Norms of the residual, from half the (mean) square."""
    inputs = trial.problem.n if trial.network.mean else 1
    return {at: math.sqrt(2 * inputs * loss) for at, loss in losses_of(trial).items()}


def _decay(trial: Trial) -> float:
    """By how much the logarithm of the loss fell over the run."""
    first, *_, last = losses_of(trial).values()
    return math.log(first) - math.log(last) if last > 0 else math.inf


def _steps_per_factor(trial: Trial) -> float:
    decay = _decay(trial)
    return trial.run.at[-1] / decay if decay > 0 else math.inf


observed("loss")(losses_of)
observed("first loss")(lambda t: t.run.losses[0])
observed("residual")(residuals_of)
observed("squared residual")(lambda t: {k: e**2 for k, e in residuals_of(t).items()})
observed("last residual")(lambda t: residuals_of(t)[t.run.at[-1]])
observed("first residual")(lambda t: residuals_of(t)[0.0])
observed("root mean square residual")(lambda t: {k: e / math.sqrt(t.problem.n) for k, e in residuals_of(t).items()})
observed("norm of the labels")(lambda t: float(np.linalg.norm(t.y)))
observed("average loss")(lambda t: float(np.mean(t.run.losses[: max(len(t.run.losses) - 1, 1)])))
observed("rate of decay")(lambda t: _decay(t) / t.run.at[-1])
observed("steps per factor e")(_steps_per_factor)


@observed("steps to the goal", "misclassified")
def _steps(trial: Trial) -> float:
    if trial.network.loss == "cross-entropy":
        reached = [at for at, wrong in series_of(trial, "misclassified", "count").items() if wrong == 0]
    else:
        reached = [at for at, loss in losses_of(trial).items() if loss <= trial.run.losses[0] / 100]
    return reached[0] if reached else math.inf


enter("misclassified inputs", "misclassified", "count")
