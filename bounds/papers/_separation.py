"""How near rows of the data are to one another, in their own direction."""

from __future__ import annotations

import flint
import numpy as np

from bounds import gram
from bounds.arithmetic import PRECISION, Enclosure, exact_ball
from bounds.problem import Problem


def nearest_rows(problem: Problem) -> Enclosure:
    """Enclose the least distance |u_i - u_j| of exactly normalised rows; antipodes are far apart, unlike in separation.

    Args:
        problem: whose inputs are compared.
    """
    cosines = gram.linear(problem.X, normalised=True)
    away = ~np.eye(problem.n, dtype=bool)
    upper = np.nextafter(cosines.midpoint[away] + cosines.radius[away], np.inf).max()
    lower = np.nextafter(cosines.midpoint[away] - cosines.radius[away], -np.inf).max()
    with flint.ctx.workprec(PRECISION):
        nearest = (2 - 2 * exact_ball(min(float(upper), 1.0))).sqrt()
        farthest = (2 - 2 * exact_ball(min(max(float(lower), -1.0), 1.0))).sqrt()
        return Enclosure(nearest.union(farthest))
