"""Formulas in LaTeX, as the papers set them."""

from __future__ import annotations

import sympy
from sympy.core.relational import Relational
from sympy.printing.latex import LatexPrinter

from bounds import quantities as q
from bounds.arithmetic import HiddenConstant, LargeUpToLogarithms

_ROOT_2_PI = sympy.Symbol(r"\sqrt{2\pi}", positive=True)
_ROOT_2_OVER_PI = sympy.Symbol(r"\sqrt{2/\pi}", positive=True)


def latex(expression: sympy.Basic) -> str:
    """Set an expression or relation in LaTeX, hidden constants as Ω(.) and O(.), quantities as in the paper."""
    if isinstance(expression, Relational):
        hidden = [s for s in expression.rhs.free_symbols if isinstance(s, HiddenConstant)]
        if hidden:
            order = r"\Omega" if isinstance(expression, sympy.GreaterThan | sympy.StrictGreaterThan) else "O"
            order = rf"\tilde{{{order}}}" if any(isinstance(s, LargeUpToLogarithms) for s in hidden) else order
            inner = latex(expression.rhs.subs(dict.fromkeys(hidden, 1)))
            return rf"{latex(expression.lhs)} = {order}\left({inner}\right)"
    joined = expression.subs(
        {sympy.sqrt(2) * sympy.sqrt(sympy.pi): _ROOT_2_PI, sympy.sqrt(2) / sympy.sqrt(sympy.pi): _ROOT_2_OVER_PI}
    )
    return str(_Printer({"symbol_names": q.LATEX, "order": "none"}).doprint(joined))


class _Printer(LatexPrinter):  # type: ignore[misc]
    """Writes a sum as people do, with what is subtracted after what it is subtracted from: H - 1, not -1 + H."""

    def _as_ordered_terms(self, expr: sympy.Basic, order: str | None = None) -> list[sympy.Basic]:
        terms: list[sympy.Basic] = super()._as_ordered_terms(expr, order=order)
        return sorted(terms, key=_is_subtracted) if _is_subtracted(terms[0]) else terms


def _is_subtracted(term: sympy.Basic) -> bool:
    return bool(term.could_extract_minus_sign())
