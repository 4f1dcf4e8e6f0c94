"""Formulas in LaTeX, as the papers set them, and in one line of plain text."""

from __future__ import annotations

import re
from typing import Any

import sympy
from sympy.core.relational import Relational
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from bounds import quantities as q
from bounds.arithmetic import HiddenConstant, LargeUpToLogarithms

_ROOT_2_PI = sympy.Symbol(r"\sqrt{2\pi}", positive=True)
_ROOT_2_OVER_PI = sympy.Symbol(r"\sqrt{2/\pi}", positive=True)


def latex(expression: sympy.Basic) -> str:
    """Set an expression or relation in LaTeX, hidden constants as Ω(.) and O(.), quantities as in the paper."""
    if ordered := _order(expression):
        letter, hides_logarithms, inner = ordered
        order = r"\Omega" if letter == "Omega" else letter
        order = rf"\tilde{{{order}}}" if hides_logarithms else order
        return rf"{latex(expression.lhs)} = {order}\left({latex(inner)}\right)"
    joined = expression.subs(
        {sympy.sqrt(2) * sympy.sqrt(sympy.pi): _ROOT_2_PI, sympy.sqrt(2) / sympy.sqrt(sympy.pi): _ROOT_2_OVER_PI}
    )
    return str(_Latex({"symbol_names": q.LATEX, "order": "none"}).doprint(joined))


def plain(expression: sympy.Basic) -> str:
    """Write an expression or relation in plain text, for terminals and records, hidden constants as in LaTeX."""
    if ordered := _order(expression):
        letter, hides_logarithms, inner = ordered
        return f"{plain(expression.lhs)} = {letter}{'~' if hides_logarithms else ''}({plain(inner)})"
    written = str(_Plain({"order": "none"}).doprint(expression))
    written = written.replace("sqrt(2)*sqrt(pi)", "sqrt(2*pi)").replace("**", "^").replace("*", " ")
    return re.sub(r"(?<!\d)/|/(?!\d)", " / ", written)  # rationals stay together, all else may break at a slash


def _order(expression: sympy.Basic) -> tuple[str, bool, sympy.Expr] | None:
    """Of a relation with hidden constants: Omega or O, whether it hides logarithms, and what stands in it."""
    symbols = expression.rhs.free_symbols if isinstance(expression, Relational) else ()
    hidden = [symbol for symbol in symbols if isinstance(symbol, HiddenConstant)]
    if not hidden:
        return None
    letter = "Omega" if isinstance(expression, sympy.GreaterThan | sympy.StrictGreaterThan) else "O"
    logarithms = any(isinstance(symbol, LargeUpToLogarithms) for symbol in hidden)
    return letter, logarithms, expression.rhs.subs(dict.fromkeys(hidden, 1))


class _Sums:
    """Writes a sum as people do, with what is subtracted after what it is subtracted from: H - 1, not -1 + H."""

    def _as_ordered_terms(self, expr: sympy.Basic, order: str | None = None) -> list[sympy.Basic]:
        terms: list[sympy.Basic] = super()._as_ordered_terms(expr, order=order)  # type: ignore[misc]
        return sorted(terms, key=_is_subtracted) if _is_subtracted(terms[0]) else terms


class _Latex(_Sums, LatexPrinter):
    pass


class _Plain(_Sums, StrPrinter):
    def _print_Pow(self, expr: sympy.Pow, rational: bool = False) -> Any:
        if expr.exp.is_Rational and expr.exp < -1:
            return f"1/{self._print(expr.base**-expr.exp)}"
        return super()._print_Pow(expr, rational)


def _is_subtracted(term: sympy.Basic) -> bool:
    return bool(term.could_extract_minus_sign())
