"""Quantities that a formula needs and nobody gave."""

from __future__ import annotations

import sympy

from bounds.arithmetic import HiddenConstant, Values
from bounds.quantities import MEANING, Unspecified


def is_hidden(symbol: sympy.Basic) -> bool:
    """Whether a symbol is a constant or formula that the paper leaves open."""
    return isinstance(symbol, HiddenConstant | Unspecified)


def unspecified(formula: sympy.Basic) -> list[sympy.Symbol]:
    """What in a formula the paper does not specify, so that it has no value at all."""
    return sorted((s for s in formula.free_symbols if isinstance(s, Unspecified)), key=str)


def missing(formula: sympy.Basic, values: Values) -> list[sympy.Symbol]:
    """The symbols of a formula that have no value; hidden constants, which are taken as 1, are not among them."""
    absent = (s for s in formula.free_symbols if s not in values and not isinstance(s, HiddenConstant))
    return sorted(absent, key=lambda s: MEANING[s])
