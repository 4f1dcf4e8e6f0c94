"""What a reproduction returns: measured numbers, each beside what was promised of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Row:
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


def exponent(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The power p of values ~ sizes^p by least squares in the logarithms.

    Args:
        sizes: at least three different positive numbers (repeats allowed).
        values: positive, one for each.

    Returns:
        p and half the width of its 95 % interval, by Student's t for independent normal errors of the logarithms.
    """
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(values, dtype=float))
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    errors = y - y.mean() - slope * centred
    deviation = math.sqrt(float(errors @ errors) / (len(x) - 2) / float(centred @ centred))
    return slope, float(student.ppf(0.975, len(x) - 2)) * deviation
