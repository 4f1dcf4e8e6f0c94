"""Conditions with the unknown on both sides, such as a width that must exceed a power of its own logarithm."""

from __future__ import annotations

import math
from collections.abc import Mapping

import sympy

from bounds.arithmetic import Enclosure, NoNumber, evaluate


def least_solution(expression: sympy.Expr, symbol: sympy.Symbol, values: Mapping[sympy.Symbol, Enclosure]) -> Enclosure:
    """Enclose the least x >= 1 from which on ``x >= f(x)``, for an f that grows like a power of log x.

    Args:
        expression: f, in ``symbol`` and symbols that have values.
        symbol: x.
        values: of all other symbols.

    Raises:
        NoNumber: f has no finite value, such as for inputs that coincide.
        ValueError: no solution could be enclosed.

    Logarithms are of c x with c >= 1. From x = 3 on, c x > e, so f(x)/x decreases and ``x >= f(x)`` persists: any
    x >= 3 with ``f(x) <= x`` bounds the answer from above, any with ``f(x) > x`` from below, and iterating f from 3
    converges to the answer from below.
    """
    value = _START
    for _ in range(200):
        following = evaluate(expression, {**values, symbol: Enclosure.of(value)}).upper
        if not math.isfinite(following):
            raise NoNumber("no finite width meets the condition")
        if following <= value:
            break
        value = following
    else:
        raise ValueError("the implicit width condition has no solution that could be enclosed")
    assumption = evaluate(expression, {**values, symbol: Enclosure.of(value)}).assumption
    if value == _START:
        return Enclosure(Enclosure.between(1.0, _START).ball, assumption)
    for shrink in (2.0**-48, 2.0**-40, 2.0**-30):
        below = value * (1 - shrink)
        if evaluate(expression, {**values, symbol: Enclosure.of(below)}).lower > below:
            return Enclosure(Enclosure.between(below, value).ball, assumption)
    raise ValueError("the implicit width condition could not be enclosed tightly")


_START = 3.0
"""Greater than e."""
