"""A Gram matrix known up to an entrywise radius, and the inputs it is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import arb

from bounds.activations import Activation
from bounds.arithmetic import Enclosure

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

UNIT_ROUNDOFF = 2.0**-53


@dataclass(frozen=True, eq=False)
class Gram:
    """Every symmetric matrix within ``radius`` of ``midpoint``, entry by entry; the exact one is among them.

    Args:
        midpoint: (n, n) float64, exactly symmetric.
        radius: (n, n) float64, nonnegative, exactly symmetric.
        of: what the exact matrix is, in words.
    """

    midpoint: Array
    radius: Array
    of: str

    def __post_init__(self) -> None:
        if not (np.isfinite(self.midpoint).all() and np.isfinite(self.radius).all()):
            raise ValueError(
                f"an entry of the Gram matrix ({self.of}) exceeds float64: multiply the data by a smaller factor"
            )

    @property
    def row_sum(self) -> float:
        """A bound of the largest row sum of the radii, hence of the spectral norm of the error."""
        n = len(self.radius)
        return float(np.max(self.radius.sum(axis=1), initial=0.0)) * (1 + (n + 1) * UNIT_ROUNDOFF)


def checked_rows(X: Array) -> Array:
    """The inputs themselves, or a refusal in words.

    Args:
        X: (n, d) float64.

    Raises:
        ValueError: ``X`` is no float64 matrix, has no entries, a row of zeros, a NaN or an infinity.
    """
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError("inputs X are a masked array, whose mask would be lost: fill or remove the masked entries")
    plain = isinstance(X, np.ndarray) and not isinstance(X, np.matrix)
    if not plain or X.dtype != np.float64 or X.ndim != 2:
        found = f"{X.ndim}-dimensional {X.dtype}" if plain else type(X).__name__
        raise ValueError(f"inputs X are an (n, d) float64 array, not {found}: convert with numpy.array(X, dtype=float)")
    if X.size == 0:
        raise ValueError(f"inputs X of shape {X.shape} have no entries: give at least one row and one column")
    if X.shape[1] > 2**24:
        raise ValueError(f"rows of {X.shape[1]} entries are beyond the proved rounding bounds: at most {2**24}")
    if not np.isfinite(X).all():
        row, column = (int(k) for k in np.argwhere(~np.isfinite(X))[0])
        raise ValueError(f"X[{row}, {column}] is {X[row, column]}: remove or replace it")
    zero = np.flatnonzero(~X.any(axis=1))
    if zero.size:
        raise ValueError(f"row {zero[0]} of X is zero, so it has no direction: remove it or append a constant feature")
    return X


def checked_count(value: int, name: str, least: int) -> int:
    """The number itself as an int, or a refusal in words.

    Raises:
        ValueError: it is no integer, or less than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is an integer of at least {least}, not {value!r}")
    return int(value)


def checked_activation(activation: Activation) -> Activation:
    """The activation itself, or a refusal in words.

    Raises:
        ValueError: it is a name or a function.
    """
    if not isinstance(activation, Activation):
        raise ValueError(
            f"an activation is an object of bounds.activations, such as RELU or TANH, not {activation!r}: "
            "your own come from bounds.activations.from_derivative_bounds"
        )
    return activation


def nearest_float(ball: arb) -> tuple[float, float]:
    """A float64 in or beside a ball, and a float64 bound of its distance from every number of the ball."""
    midpoint = float(ball.mid())
    return midpoint, Enclosure(abs(ball - midpoint)).upper
