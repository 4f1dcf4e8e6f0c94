"""Constants of smooth systems F(w) = y, proved for a smooth first layer, else the largest seen."""

from __future__ import annotations

import math

from bounds import activations
from bounds import quantities as q
from reports.both_sides.observed.kernels import least_singular_of
from reports.both_sides.observed.loss import residuals_of
from reports.both_sides.observed.registry import enter, enter_first, first_of, observed, series_of
from reports.both_sides.trials import Trial


def _activation(trial: Trial) -> activations.Activation:
    known: activations.Activation = getattr(activations, str(getattr(trial.family, "activation", "relu")).upper())
    return known


def _smooth_first_layer(trial: Trial) -> bool:
    return (
        trial.network.kind == "two-layer"
        and dict(trial.network.fields).get("trained", "first") == "first"
        and _activation(trial).smoothness is not None
    )


def _smoothness(trial: Trial) -> float:
    known = _activation(trial).smoothness
    if known is None:
        raise ValueError(f"{_activation(trial)} is not smooth")
    return known.upper


def _slope(trial: Trial) -> float:
    """L |X| for a smooth first layer, proved for all weights; else the largest seen."""
    if _smooth_first_layer(trial):
        known = _activation(trial).lipschitz
        assert known is not None
        return known.upper * trial.problem.values()[q.X_norm].upper
    return max(math.sqrt(v) for v in series_of(trial, "tangent kernel", "largest_eigenvalue").values())


def _curvature(trial: Trial) -> float:
    """Beta |X| m^(-1/2) for a smooth first layer, proved for all weights; else the largest quotient seen."""
    if _smooth_first_layer(trial):
        return _smoothness(trial) * trial.problem.values()[q.X_norm].upper / math.sqrt(trial.width)
    moved = series_of(trial, "travel", "distance")
    changes = series_of(trial, "jacobian change", "spectral")
    return max(changes[at] / moved[at] for at in changes if moved[at] > 0)


def _pl(trial: Trial) -> float:
    """A quarter of the first least eigenvalue, or what the run kept of the inequality where that is less."""
    return min(
        least_singular_of(trial) ** 2 / 4,
        *(v for v in series_of(trial, "gradient dominance", "all").values() if math.isfinite(v)),
    )


observed("largest slope", "tangent kernel")(_slope)
observed("Jacobian's Lipschitz constant", "jacobian change")(_curvature)
observed("relative curvature", "jacobian change", "tangent kernel")(lambda t: _curvature(t) / least_singular_of(t))
observed("PL constant", "tangent kernel", "gradient dominance")(_pl)
observed("smoothness of the activation")(_smoothness)
enter("gradient dominance", "gradient dominance", "all")
observed("smoothness of an input's loss", "kernel entries", "residuals", "jacobian change")(
    lambda t: first_of(t, "kernel entries", "largest_gradient") ** 2 + _curvature(t) * residuals_of(t)[0.0]
)
observed("horizon times squared slope", "tangent kernel")(lambda t: t.run.at[-1] * _slope(t) ** 2)
observed("layer gradient over root loss", "gradients")(
    lambda t: max(v for v in series_of(t, "gradients", "over_root_loss").values() if math.isfinite(v))
)
enter_first("Newton step", "newton", "step")


@observed("second-order error", "tangent kernel", "jacobian change", "semi-smoothness")
def _second_order(trial: Trial) -> float:
    """|J|^2 + beta |e(0)| for a smooth first layer, else the largest quotient seen in the gradient's direction."""
    if _smooth_first_layer(trial):
        return _slope(trial) ** 2 + _curvature(trial) * residuals_of(trial)[0.0]
    quotients = [
        2 * rest / radius**2
        for radii, remainders in zip(
            trial.run.series("semi-smoothness", "radius").values(),
            trial.run.series("semi-smoothness", "remainder").values(),
            strict=True,
        )
        for radius, rest in zip(radii, remainders, strict=True)  # type: ignore[arg-type]
    ]
    return max(quotients)


SOLVED = 1e-9
"""A solution leaves this much of the first residual at most."""


@observed("distance of a solution", "newton")
def _solution(trial: Trial) -> float:
    """The nearest that simplified Newton iterations from both ends of the run found; a nearer one is not excluded."""
    residuals = trial.run.series("newton", "residual")
    solved = [at for at, left in residuals.items() if float(left) <= SOLVED * residuals_of(trial)[0.0]]  # type: ignore[arg-type]
    if not solved:
        raise ValueError("the simplified Newton iteration found no solution")
    return min(series_of(trial, "newton", "from_start")[at] for at in solved)
