"""What a reproduction returns: measured numbers beside what was promised of them, and the curves to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal, TypeVar

import msgspec
import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from empirical.scaling import scaling_exponent

Size = TypeVar("Size", int, float)


class Row(msgspec.Struct, frozen=True):
    """One measured number.

    Args:
        quantity: what was measured.
        at: the parameters of the run.
        measured: the number.
        promised: what the statement says of it, as text (a number, a bound or an exponent).
        margin: half of a 95 % confidence interval of the number, where one is stated.
    """

    quantity: str
    at: str
    measured: float
    promised: str
    margin: float | None = None

    def __str__(self) -> str:
        margin = "" if self.margin is None else f" +- {self.margin:.2g}"
        return f"{self.quantity}, {self.at}: {self.measured:.4g}{margin} (promised {self.promised})"


class Series(msgspec.Struct, frozen=True):
    """One curve, or one set of marks.

    Args:
        label: for the legend.
        x, y: its points.
        margin: half of a 95 % confidence interval of each y, or empty.
        source: ``measured`` here, ``promised`` by a statement, or ``published`` numbers of a paper's own experiment.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    margin: tuple[float, ...] = ()
    source: Literal["measured", "promised", "published"] = "measured"


class Panel(msgspec.Struct, frozen=True):
    """Curves over common axes.

    Args:
        title: what is drawn.
        x, y: names of the axes.
        series: the curves.
        log: which axes are logarithmic.
    """

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    log: Literal["", "x", "y", "xy"] = ""


class Findings(msgspec.Struct, frozen=True):
    """What one part of a reproduction found."""

    rows: tuple[Row, ...]
    panels: tuple[Panel, ...] = ()


def exponent_row(quantity: str, at: str, sizes: Sequence[float], values: Sequence[float], promised: str) -> Row:
    """The exponent of values ~ sizes^p as a row, with the interval of :func:`~empirical.scaling.scaling_exponent`."""
    fit = scaling_exponent(sizes, values)
    return Row(quantity, at, fit.value, promised, fit.upper - fit.value)


def mean_row(quantity: str, at: str, values: Sequence[float], promised: str) -> Row:
    """The mean over seeds as a row, with Student's interval where there are several."""
    mean, margin = mean_and_margin(values)
    return Row(quantity, at, mean, promised, margin)


def correlation_row(
    quantity: str, at: str, x: Sequence[float], y: Sequence[float], promised: str, *, means: int = 1
) -> Row:
    """Pearson's correlation as a row, its 95 % interval by Fisher's z and the sample size among the parameters.

    Args:
        quantity: what is correlated.
        at: the parameters of the runs.
        x: one side of pairs that the interval supposes independent and normal.
        y: the other.
        promised: as in :class:`Row`.
        means: how many means were subtracted from the pairs; those beyond the first each cost a degree of freedom.
    """
    r = float(np.corrcoef(x, y)[0, 1])
    reach = fisher_margin(len(x), means=means)
    low, high = (math.tanh(math.atanh(r) + side * reach) for side in (-1, 1))
    return Row(quantity, f"{at}, N = {len(x)}, 95 % in [{low:.2f}, {high:.2f}]", r, promised)


def fisher_margin(count: int, *, means: int = 1) -> float:
    """Half of the 95 % interval of artanh r, by Fisher, for that many pairs.

    Raises:
        ValueError: there are too few.
    """
    if count <= means + 2:
        raise ValueError(f"a correlation about {means} means needs more than {means + 2} pairs, not {count}")
    return float(norm.ppf(0.975)) / math.sqrt(count - means - 2)


def mean_and_margin(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean and half of its 95 % interval by Student, for equal, normal and independent errors."""
    count = len(values)
    mean = float(np.mean(values))
    if count < 2:
        return mean, None
    return mean, float(student.ppf(0.975, count - 1) * np.std(values, ddof=1) / math.sqrt(count))


def rms_and_margin(values: Sequence[float]) -> tuple[float, float | None]:
    """The root mean square and half of its 95 % interval, that of the mean square carried over to first order."""
    square, margin = mean_and_margin(np.square(values).tolist())
    root = math.sqrt(square)
    return root, None if margin is None or root == 0 else margin / (2 * root)


def rate_panel(title: str, x: str, y: str, series: Sequence[Series], *, exponent: Fraction, label: str = "") -> Panel:
    """Measured curves on logarithmic axes, and just above all of them a line of the promised exponent."""
    points = [(at, value) for one in series for at, value in zip(one.x, one.y, strict=True)]
    constant = 1.25 * max(value / at ** float(exponent) for at, value in points)
    sizes = tuple(sorted({at for at, _ in points}))
    line = tuple(constant * at ** float(exponent) for at in sizes)
    return Panel(title, x, y, (*series, Series(label or f"slope {exponent}", sizes, line, source="promised")), log="xy")


def measured_series(label: str, by_size: Mapping[Size, tuple[float, float | None]]) -> Series:
    """Means with their margins, by size, as a series."""
    margins = tuple(margin or 0.0 for _, margin in by_size.values())
    means = tuple(mean for mean, _ in by_size.values())
    return Series(label, tuple(map(float, by_size)), means, margins if any(margins) else ())
