"""Numbers as readers see them: one set of digits, written in HTML, text and LaTeX.

What is written is true: an enclosure shows the digits that both of its bounds round to, or else both bounds, rounded
outwards; an interval with one finite bound shows that bound.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING

from reports.schema import Number, NumberKind

if TYPE_CHECKING:
    from markupsafe import Markup

KINDS: tuple[NumberKind, ...] = ("float", "estimated", "enclosed", "exact")
"""From the least to the most trusted."""

NOT_FOUND = "not found"

LARGEST_INTEGER = 10**7
"""Integers below it are written out."""

_LITERAL = re.compile(r"(-?\d+(?:\.\d+)?)(?:e(-?\d+))?")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def lowest_kind(*numbers: Number) -> NumberKind:
    """The kind of a result computed from several numbers: the lowest among them."""
    return min((number.kind for number in numbers), key=KINDS.index)


def is_lower_estimate(number: Number) -> bool:
    """Whether a number rests on a hidden constant, so that a required width is at least this."""
    return bool(number.assumption)


def digits_of(number: Number, digits: int = 4) -> str:
    """Write a number in plain characters, such as ``1.03e11``, ``[45, 64]`` or ``≥ 120``.

    Args:
        number: from the record.
        digits: significant ones; bounds that agree in so many are written once.
    """
    low, high = number.bounds
    if low == high:
        return digits_of_float(low, digits)
    if math.isnan(low) or math.isnan(high) or (math.isinf(low) and math.isinf(high)):
        return "unknown"
    if math.isinf(high):
        return f"≥ {_rounded(low, digits, ROUND_FLOOR)}"
    if math.isinf(low):
        return f"≤ {_rounded(high, digits, ROUND_CEILING)}"
    nearest = _rounded(low, digits, ROUND_HALF_EVEN)
    if number.kind in ("enclosed", "exact") and nearest == _rounded(high, digits, ROUND_HALF_EVEN):
        return nearest
    return f"[{_rounded(low, digits, ROUND_FLOOR)}, {_rounded(high, digits, ROUND_CEILING)}]"


def digits_of_width(width: Number, digits: int = 3) -> str:
    """Write a width that was searched, or that the search says nothing of it."""
    low, high = width.bounds
    return NOT_FOUND if low <= 1 and math.isinf(high) else digits_of(width, digits)


def digits_of_float(value: float, digits: int = 4) -> str:
    """Write one float, rounded to so many digits unless its shortest decimal has fewer."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if _is_written_out(Decimal(value)):
        return str(int(value))
    shortest = Decimal(repr(float(value))).normalize()
    if len(shortest.as_tuple().digits) <= digits:
        return _written(shortest)
    return _rounded(value, digits, ROUND_HALF_EVEN)


def digits_above(value: float, digits: int = 4) -> str:
    """Write an upper bound, rounded upwards."""
    return _rounded(value, digits, ROUND_CEILING) if math.isfinite(value) else digits_of_float(value)


def digits_of_measured(value: float, margin: float | None, digits: int = 4) -> str:
    """Write a measurement with half of its interval, such as ``0.0118 ± 0.0012``: two digits of it, as many of both."""
    if margin is None or not margin > 0 or not math.isfinite(value + margin):
        return digits_of_float(value, digits)
    rounded = Context(prec=2, rounding=ROUND_CEILING).create_decimal(Decimal(repr(float(margin))))
    unit = Decimal(1).scaleb(rounded.adjusted() - 1)
    beside = Context(prec=17).create_decimal(Decimal(value)).quantize(unit, ROUND_HALF_EVEN) + 0
    return f"{_with_digits_of(beside, unit)} ± {_with_digits_of(rounded.quantize(unit), unit)}"


def decades(lower: float | None, upper: float | None) -> str:
    """Write an interval of decades, rounded outwards to a tenth; None is an end that is not known."""
    if lower is None and upper is None:
        return "not comparable"
    tenth = Decimal("0.1")
    low = None if lower is None else Decimal(lower).quantize(tenth, ROUND_FLOOR) + 0
    high = None if upper is None else Decimal(upper).quantize(tenth, ROUND_CEILING) + 0
    if high is None:
        return f"≥ {low}"
    if low is None:
        return f"≤ {high}"
    nearest = Decimal(lower or 0).quantize(tenth, ROUND_HALF_EVEN) + 0
    if nearest == Decimal(upper or 0).quantize(tenth, ROUND_HALF_EVEN):
        return str(nearest)
    return f"[{low}, {high}]"


def as_text(digits: str) -> str:
    """Set plain digits for figures and the terminal: ``1.03 × 10¹¹``."""
    return _LITERAL.sub(_text_literal, digits)


def as_html(digits: str) -> Markup:
    """Set plain digits for the page: ``1.03 × 10<sup>11</sup>``."""
    from markupsafe import Markup

    return Markup('<span class="num">') + Markup(_LITERAL.sub(_html_literal, digits)) + Markup("</span>")


def as_latex(digits: str) -> str:
    r"""Set plain digits for siunitx: ``\num{1.03e11}``."""
    words = {"≥": r"$\geq$", "≤": r"$\leq$", "-∞": r"$-\infty$", "∞": r"$\infty$"}
    written = _LITERAL.sub(lambda match: rf"\num{{{match[0]}}}", digits)
    for symbol, command in words.items():
        written = written.replace(symbol, command)
    return written


def power_of_ten(exponent: int) -> str:
    """Write a tick label, such as ``10⁵``."""
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def _text_literal(match: re.Match[str]) -> str:
    mantissa, exponent = match.groups()
    mantissa = mantissa.replace("-", "−")
    return mantissa if exponent is None else f"{mantissa} × {power_of_ten(int(exponent))}"


def _html_literal(match: re.Match[str]) -> str:
    mantissa, exponent = (part and part.replace("-", "−") for part in match.groups())
    return mantissa if exponent is None else f"{mantissa}\u202f×\u202f10<sup>{exponent}</sup>"


def _rounded(value: float, digits: int, rounding: str) -> str:
    exact = Decimal(value)
    if _is_written_out(exact):
        return str(int(exact))
    rounded = Context(prec=digits, rounding=rounding).create_decimal(exact)
    return _written(rounded.quantize(Decimal(1).scaleb(rounded.adjusted() - digits + 1)))  # zeros that are known


def _with_digits_of(value: Decimal, unit: Decimal) -> str:
    """Fixed notation down to a unit unless that is far from 1; integers of the unit keep their zeros."""
    if -7 <= unit.adjusted() <= 3:
        return f"{value:f}"
    return _written(value) if value else "0"


def _is_written_out(exact: Decimal) -> bool:
    return abs(exact) < LARGEST_INTEGER and exact == exact.to_integral_value()


def _written(value: Decimal) -> str:
    """Fixed notation where it needs no padding zeros, else mantissa and exponent."""
    size = value.adjusted()
    if -4 <= size < len(value.as_tuple().digits):
        return f"{value:f}"
    return f"{value.scaleb(-size):f}e{size}"
