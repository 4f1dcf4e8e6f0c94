"""How much each rounding on the way from stored data to the least eigenvalue costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bounds.arithmetic import Enclosure
from bounds.gram.matrix import UNIT_ROUNDOFF, Array, Gram
from bounds.gram.two_layers import two_layer
from bounds.linalg import least_eigenvalue


@dataclass(frozen=True)
class RoundingContributions:
    """Upper bounds of what each rounding can move the least eigenvalue of the two-layer ReLU Gram matrix by.

    Args:
        least_eigenvalue: of the matrix of the exactly normalised rows, everything included.
        data: distance (spectral norm) from that matrix to the one of the unit rows rounded to float64, which runs
            train on; it includes the radii of both, so it is never finer than ``entries``.
        entries: spectral norm of the errors of the computed entries.
        eigenvalue: width of the enclosure for the computed entries taken as exact.
    """

    least_eigenvalue: Enclosure
    data: float
    entries: float
    eigenvalue: float

    def __str__(self) -> str:
        return (
            f"least eigenvalue {self.least_eigenvalue}; it moves by at most {self.data:.1e} by rounding of the "
            f"unit rows, {self.entries:.1e} of the entries, {self.eigenvalue:.1e} of the eigenvalue itself"
        )


def rounding_contributions(X: Array, unit_rows: Array, *, trained: str = "first") -> RoundingContributions:
    """Bound what rounding of the data, of the entries and of the eigenvalue each contribute.

    By Weyl's inequality a symmetric perturbation moves every eigenvalue by at most its spectral norm, which is at
    most its largest row sum of absolute values.

    Args:
        X: (n, d) float64 inputs.
        unit_rows: (n, d), the rows divided by their norms in float64, which are not exactly unit vectors.
        trained: the layers, as for :func:`bounds.gram.two_layer`.

    Raises:
        ValueError: the shapes differ, and as for :func:`bounds.gram.two_layer`.
    """
    if np.shape(X) != np.shape(unit_rows):
        raise ValueError(f"unit rows of shape {np.shape(unit_rows)} are not those of inputs of shape {np.shape(X)}")
    exact = two_layer(X, trained=trained, normalised=True)
    rounded = two_layer(unit_rows, trained=trained)
    width = least_eigenvalue(exact.midpoint)
    return RoundingContributions(
        least_eigenvalue(exact.midpoint, exact.radius),
        data=_distance(exact, rounded),
        entries=exact.row_sum,
        eigenvalue=float(np.nextafter(width.upper - width.lower, np.inf)),
    )


def _distance(first: Gram, second: Gram) -> float:
    """A bound of the spectral norm of the difference of the two exact matrices."""
    apart = np.abs(first.midpoint - second.midpoint) + first.radius + second.radius
    return float(apart.sum(axis=1).max()) * (1 + (len(apart) + 4) * UNIT_ROUNDOFF)
