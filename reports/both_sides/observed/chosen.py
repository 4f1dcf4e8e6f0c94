"""What is chosen of a run and not measured, so that it may decide a condition."""

from __future__ import annotations

import math

from empirical.networks import nguyen2020, shallow
from reports.both_sides.observed.loss import residuals_of
from reports.both_sides.observed.registry import choose
from reports.both_sides.trials import Trial


def _two_layer(trial: Trial) -> shallow.TwoLayer:
    assert isinstance(trial.family, shallow.TwoLayer)
    return trial.family


def _pyramid(trial: Trial) -> nguyen2020.Pyramid:
    assert isinstance(trial.family, nguyen2020.Pyramid)
    return trial.family


choose("one", lambda t: 1)
choose("one half", lambda t: 0.5)
choose("zero", lambda t: 0)
choose("width", lambda t: t.width)
choose("product of the last widths", lambda t: math.prod(t.pyramid[-3:-1]))
choose("depth", lambda t: t.depth)
choose("number of layers", lambda t: t.depth + 1)
choose("number of hidden layers", lambda t: t.depth + int(dict(t.network.fields).get("input_trained", 0)))
choose("root of the width", lambda t: math.sqrt(t.width))
choose("pixels", lambda t: t.problem.d)
choose("batch", lambda t: t.batch)
choose("steps", lambda t: t.steps)
choose("horizon", lambda t: t.run.at[-1])
choose("standard deviation of the start", lambda t: _two_layer(t).deviation)
choose("least slope of the activation", lambda t: _pyramid(t).slope)
choose("smoothness of the pyramid's activation", lambda t: _pyramid(t).smoothness)
choose("feature norm goal", lambda t: 0.5)
choose("goal for the loss", lambda t: t.run.losses[0] / 100)
choose("goal for the risk", lambda t: t.run.losses[0] / 2)
choose("goal for the residual", lambda t: residuals_of(t)[0.0] / 10)
choose("tenth of the first residual", lambda t: residuals_of(t)[0.0] / 10)
