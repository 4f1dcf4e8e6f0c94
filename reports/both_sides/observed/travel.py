"""How far weights and outputs move."""

from __future__ import annotations

import math

import numpy as np

from reports.both_sides.observed.kernels import least_singular_of
from reports.both_sides.observed.loss import residuals_of
from reports.both_sides.observed.registry import OBSERVED, Seen, enter, last_of, observed, series_of
from reports.both_sides.trials import Trial

observed("path length")(lambda t: dict(zip(t.run.at, t.run.path_lengths, strict=True)))


@observed("distance", "newton")
def _distance(trial: Trial) -> Seen:
    """From the start; where nothing is trained, that of the simplified Newton iteration's solution."""
    if trial.dynamics == "no training":
        return float(OBSERVED["distance of a solution"].read(trial))  # type: ignore[arg-type]
    return series_of(trial, "travel", "distance")


def _outputs(trial: Trial) -> dict[float, np.ndarray]:
    """In a fixed orthonormal basis, up to sign and a fixed vector: the residuals of a squared loss."""
    if trial.network.loss != "squares":
        raise ValueError(f"residuals of the {trial.network.loss} loss are not the outputs up to a fixed vector")
    return {at: np.asarray(parts) for at, parts in trial.run.series("residuals", "components").items()}


@observed("path length of the outputs", "residuals")
def _output_path(trial: Trial) -> dict[float, float]:
    """Of the polygon through the outputs at the observed steps or times, which is no longer than their path."""
    found = _outputs(trial)
    pieces = np.linalg.norm(np.diff(list(found.values()), axis=0), axis=1)
    return dict(zip(found, np.cumsum([0.0, *pieces]).tolist(), strict=True))


@observed("distance of the outputs", "residuals")
def _output_distance(trial: Trial) -> dict[float, float]:
    found = _outputs(trial)
    return {at: float(np.linalg.norm(parts - found[0.0])) for at, parts in found.items()}


enter("neuron travel", "travel", "neuron", lambda layers: layers[0])
enter("output travel", "travel", "neuron", lambda layers: layers[-1])
enter("layer travel", "travel", "frobenius", max)
enter("spectral travel", "travel", "spectral", max)
enter("travel of the first layer", "travel", "frobenius", lambda layers: layers[0])
enter("travel of the second layer", "travel", "frobenius", lambda layers: layers[1])
enter("travel of the later layers", "travel", "frobenius", lambda layers: max(layers[2:]))


def _over_root(trial: Trial, factor: float = 1.0) -> dict[float, float]:
    return {k: factor * v / math.sqrt(trial.width) for k, v in series_of(trial, "travel", "frobenius", max).items()}


observed("layer travel over root m")(_over_root)
observed("twice the layer travel over root m")(lambda t: max(_over_root(t, 2.0).values()))
observed("largest step of a layer", "gradients")(
    lambda t: {k: t.step_size * g for k, g in series_of(t, "gradients", "largest_layer").items()}
)


def _radius(trial: Trial) -> float:
    """Of statements about any weights as far as the run went, else more than 8 times the residual over sigma_0."""
    if trial.dynamics in ("any weights", "no training"):
        return last_of(trial, "travel", "distance") or 1.0
    return 8.1 * residuals_of(trial)[0.0] / least_singular_of(trial)


observed("radius", "tangent kernel")(_radius)


@observed("spectral radius", "tangent kernel")
def _spectral_radius(trial: Trial) -> float:
    if trial.dynamics == "any weights":
        return max(series_of(trial, "travel", "spectral", max).values())
    return _radius(trial)
