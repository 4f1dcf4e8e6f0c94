"""Features, weights and gradients of deep networks."""

from __future__ import annotations

import math

from bounds import quantities as q
from reports.both_sides.observed.loss import losses_of
from reports.both_sides.observed.registry import OBSERVED, enter, enter_first, first_of, observed, series_of
from reports.both_sides.trials import Trial

enter("feature travel", "features", "moved", max)
enter_first("largest first feature", "features", "largest", max)
enter_first("least first feature", "features", "least", min)
enter_first("bound on the first features", "features", "largest", lambda layers: max(1.0, *layers))
observed("feature norm deviation", "features")(
    lambda t: max(
        *(abs(v - 1) for v in first_of(t, "features", "least")),
        *(abs(v - 1) for v in first_of(t, "features", "largest")),
    )
)
enter("least singular value of the first features", "features", "least_singular", lambda layers: layers[0])
enter("least singular value of the last features", "features", "least_singular", lambda layers: layers[-1])
enter_first("first least singular value of the first features", "features", "least_singular", lambda v: v[0])
enter_first("first least singular value of the last features", "features", "least_singular", lambda v: v[-1])
enter("separation of features", "separation", "least", min)
enter_first("first intermediate norm", "intermediate norms", "largest", max)
enter("intermediate norm", "intermediate norms", "largest", max)
enter_first("first backward norm", "backward norms", "largest", max)
observed("constant of the backward norm", "backward norms")(
    lambda t: max(first_of(t, "backward norms", "largest")) / math.sqrt(t.width / t.problem.d)
)
enter("flipped neurons", "flipped neurons", "largest", max)
enter("gradient norm", "gradients", "norm")
enter("gradient of an input", "gradients", "input")
enter("gradient of a layer", "gradients", "layer")
enter("gradient of the last layer", "gradients", "last")
enter("largest residual of an input", "gradients", "largest_residual")
observed("first weight norm over root m", "matrices")(
    lambda t: max(first_of(t, "matrices", "spectral")[1:-1]) / math.sqrt(t.width)
)
observed("output norm over root m", "matrices")(lambda t: first_of(t, "matrices", "spectral")[-1] / math.sqrt(t.width))
observed("output fourth moment", "matrices")(lambda t: first_of(t, "matrices", "output_fourth") / t.width**0.25)


def _scale(trial: Trial) -> float:
    """M rho / d of Allen-Zhu et al., d the number of outputs."""
    return trial.width * trial.problem.values()[q.separation].midpoint / trial.problem.d


@observed("constant of the gradient's lower bound", "gradients")
def _lower_constant(trial: Trial) -> float:
    """The largest c for which ||grad F||^2 >= c m rho F / (d n^2) and >= c m rho v^2 / (d n), v the largest misfit."""
    n, losses = trial.problem.n, losses_of(trial)
    norms, misfits = series_of(trial, "gradients", "norm"), series_of(trial, "gradients", "largest_residual")
    quotients = [g**2 / max(losses[k] / n**2, misfits[k] ** 2 / n) for k, g in norms.items() if losses[k] > 0]
    return min(quotients) / _scale(trial)


observed("constant of the gradient's upper bound", "gradients")(
    lambda t: (
        max(v**2 for v in series_of(t, "gradients", "over_root_loss").values() if math.isfinite(v))
        * t.problem.d
        / (t.width * t.problem.n)
    )
)
observed("constant of the second-order error", "tangent kernel", "jacobian change", "semi-smoothness")(
    lambda t: _second_order_of(t) * t.problem.d / (2 * t.depth**2 * t.width * t.problem.n)
)


def _second_order_of(trial: Trial) -> float:
    found = OBSERVED["second-order error"].read(trial)
    assert isinstance(found, float)
    return found
