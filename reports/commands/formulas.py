"""Formulas of statements in one line of plain text, for terminals and records."""

from __future__ import annotations

import re
from collections.abc import Iterable

import sympy
from sympy.core.relational import Relational
from sympy.printing.str import StrPrinter

from bounds import quantities as q
from bounds.arithmetic import HiddenConstant, LargeUpToLogarithms


def plain(expression: sympy.Basic) -> str:
    """Write an expression or inequality in plain text, hidden constants as Omega(.) and O(.)."""
    if isinstance(expression, Relational):
        hidden = [symbol for symbol in expression.rhs.free_symbols if isinstance(symbol, HiddenConstant)]
        if hidden:
            order = "Omega" if isinstance(expression, sympy.GreaterThan | sympy.StrictGreaterThan) else "O"
            order += "~" if any(isinstance(symbol, LargeUpToLogarithms) for symbol in hidden) else ""
            return f"{plain(expression.lhs)} = {order}({plain(expression.rhs.subs(dict.fromkeys(hidden, 1)))})"
    written = str(_Printer({"order": "none"}).doprint(expression))
    written = written.replace("sqrt(2)*sqrt(pi)", "sqrt(2*pi)").replace("**", "^").replace("*", " ")
    return re.sub(r"(?<!\d)/|/(?!\d)", " / ", written)  # rationals stay together, all else may break at a slash


def legend(expressions: Iterable[sympy.Basic]) -> list[sympy.Symbol]:
    """The symbols that occur and have a meaning, in the order of :data:`bounds.quantities.MEANING`."""
    used = {symbol for expression in expressions for symbol in expression.free_symbols}
    return [symbol for symbol in q.MEANING if symbol in used]


class _Printer(StrPrinter):
    def _print_Pow(self, expr: sympy.Pow, rational: bool = False) -> str:
        if expr.exp.is_Rational and expr.exp < -1:
            return f"1/{self._print(expr.base**-expr.exp)}"
        return str(super()._print_Pow(expr, rational))
