"""Scaling exponents: power laws fitted to what was measured, with the range that the measurements leave them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy
from scipy.stats import t as student


@dataclass(frozen=True)
class Exponent:
    """The exponent a of a fitted power law y = C x^a: an estimate.

    Args:
        value: the least-squares slope in the logarithms.
        lower, upper: its range, as the function that made it says.
        sizes: number of different x.
        promised: the exponent of a theorem, to be set beside it.
    """

    value: float
    lower: float
    upper: float
    sizes: int
    promised: float | None = None

    def __str__(self) -> str:
        beside = "" if self.promised is None else f"; promised {self.promised:.4g}"
        return f"{self.value:.4g} in [{self.lower:.4g}, {self.upper:.4g}] over {self.sizes} sizes{beside}"


def scaling_exponent(
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    *,
    confidence: float = 0.95,
    promised: float | None = None,
) -> Exponent:
    """Fit y = C x^a to measured values.

    The logarithms are averaged over equal x (seeds) and a line is fitted to the averages; the interval is Student's,
    from the averages' scatter about the line, with two degrees of freedom fewer than there are different x. So both
    the noise and a curve where a line was assumed widen it. It supposes averages of equal, normal and independent
    errors.

    Args:
        x: sizes, positive.
        y: what was measured at each, positive.
        confidence: two-sided.
        promised: the exponent of a theorem, kept in the result.

    Returns:
        The exponent with its confidence interval.

    Raises:
        ValueError: fewer than three different sizes, or a number that is not positive and finite.
    """
    sizes, logs = _logarithms(x, y)
    at, position = np.unique(sizes, return_inverse=True)
    if len(at) < 3:
        raise ValueError(f"an exponent with an interval needs at least 3 different sizes, not {len(at)}")
    means = np.bincount(position, logs) / np.bincount(position)
    weights = _slope_weights(at)
    slope = float(weights @ means)
    left = means - means.mean() - slope * (at - at.mean())
    spread = math.sqrt(float(left @ left) / (len(at) - 2) * float(weights @ weights))
    reach = float(student.ppf((1 + confidence) / 2, len(at) - 2)) * spread
    return Exponent(slope, slope - reach, slope + reach, len(at), promised)


def exponent_of_intervals(
    x: Sequence[float] | np.ndarray,
    intervals: Sequence[tuple[float, float]],
    *,
    promised: float | None = None,
) -> Exponent:
    """The range of the fitted exponent where each y is only known to lie in an interval, such as a least width.

    The least-squares slope is linear in the logarithms of y, so its extremes over all choices are attained at ends of
    the intervals and are computed as such; the value is that at their geometric means. The range has the confidence
    that all the intervals have together.

    Args:
        x: sizes, positive and different.
        intervals: the ends for each, positive.
        promised: the exponent of a theorem, kept in the result.

    Raises:
        ValueError: fewer than two different sizes, sizes given twice, or ends that are not positive, finite and in
            order (an open search has no exponent).
    """
    lower, upper = np.asarray(intervals, dtype=float).reshape(-1, 2).T
    sizes, low = _logarithms(x, lower)
    _, high = _logarithms(x, upper)
    if len(np.unique(sizes)) != len(sizes) or len(sizes) < 2:
        raise ValueError("intervals need at least 2 sizes, each given once")
    if not (low <= high).all():
        raise ValueError("the ends of an interval must be in order")
    weights = _slope_weights(sizes)
    ends = weights * low, weights * high
    middle = float(weights @ (low + high)) / 2
    return Exponent(middle, float(np.minimum(*ends).sum()), float(np.maximum(*ends).sum()), len(sizes), promised)


def promised_exponent(formula: sympy.Expr, symbol: sympy.Symbol) -> float:
    """The exponent with which a theorem's formula scales in one of its symbols, all others held fixed.

    Raises:
        ValueError: the formula is no power of the symbol times something free of it.
    """
    power = sympy.simplify(symbol * sympy.diff(formula, symbol) / formula)
    if power.free_symbols:
        raise ValueError(f"{formula} is no power of {symbol}: its exponent there is {power}")
    return float(power)


def _logarithms(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sizes, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if sizes.shape != values.shape or sizes.ndim != 1:
        raise ValueError(f"sizes {sizes.shape} and values {values.shape} must be equally long")
    for name, array in (("size", sizes), ("value", values)):
        bad = array[~(np.isfinite(array) & (array > 0))]
        if len(bad):
            raise ValueError(f"a power law has positive numbers, but a {name} is {bad[0]:g}")
    return np.log(sizes), np.log(values)


def _slope_weights(sizes: np.ndarray) -> np.ndarray:
    """The slope of the least-squares line through (sizes, y) is the product of y with these."""
    centred = sizes - sizes.mean()
    return centred / (centred @ centred)
