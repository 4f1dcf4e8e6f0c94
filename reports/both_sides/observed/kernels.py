"""Kernels during training, and what is linear in the weights."""

from __future__ import annotations

import math

from reports.both_sides.observed.registry import Seen, enter, enter_first, first_of, observed, series_of
from reports.both_sides.trials import Trial


def least_singular_of(trial: Trial) -> float:
    """Of the Jacobian at the start."""
    return math.sqrt(max(first_of(trial, "tangent kernel", "least_eigenvalue"), 0.0))


@observed("least eigenvalue", "tangent kernel", "layer kernels")
def _least_eigenvalue(trial: Trial) -> Seen:
    if trial.network.kernel == "all":
        return series_of(trial, "tangent kernel", "least_eigenvalue")
    return series_of(trial, "layer kernels", f"{trial.network.kernel}_least")


@observed("kernel drift", "tangent kernel", "layer kernels")
def _kernel_drift(trial: Trial) -> Seen:
    if trial.network.kernel == "all":
        return series_of(trial, "tangent kernel", "drift_from_start")
    return series_of(trial, "layer kernels", f"{trial.network.kernel}_drift")


observed("first least eigenvalue", "tangent kernel", "layer kernels")(
    lambda t: (
        first_of(t, "tangent kernel", "least_eigenvalue")
        if t.network.kernel == "all"
        else first_of(t, "layer kernels", f"{t.network.kernel}_least")
    )
)
enter_first("distance from the limit", "layer kernels", "first_from_limit")
observed("first least singular value", "tangent kernel")(least_singular_of)
enter_first("first largest singular value", "tangent kernel", "largest_eigenvalue", math.sqrt)
enter("Jacobian change", "jacobian change", "spectral")
enter("change of a kernel entry", "kernel entries", "change")
enter("relative change of the kernel", "kernel entries", "relative")
enter("relative change of an output's gradient", "kernel entries", "gradient_change")
observed("largest output gradient", "kernel entries")(
    lambda t: max(series_of(t, "kernel entries", "largest_gradient").values())
)
observed("least slope", "tangent kernel")(
    lambda t: min(
        least_singular_of(t) / 2,
        *(math.sqrt(max(v, 0.0)) for v in series_of(t, "tangent kernel", "least_eigenvalue").values()),
    )
)
enter("distance from the linearisation", "linearisation", "largest_error")
enter("first-order change of the outputs", "linearisation", "first_order")
enter_first("norm of the first outputs", "linearisation", "norm")
enter("semi-smoothness remainder", "linearisation", "remainder")
observed("component Hessian", "output hessians")(lambda t: max(series_of(t, "output hessians", "largest").values()))
