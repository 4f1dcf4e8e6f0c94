"""What a reproduction returns: measured numbers, each beside what was promised of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from empirical.scaling import scaling_exponent


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


def exponent_row(quantity: str, at: str, sizes: Sequence[float], values: Sequence[float], promised: str) -> Row:
    """The exponent of values ~ sizes^p as a row, with the interval of :func:`~empirical.scaling.scaling_exponent`."""
    fit = scaling_exponent(sizes, values)
    return Row(quantity, at, fit.value, promised, fit.upper - fit.value)
