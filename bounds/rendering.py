"""Formulas in LaTeX, as the papers set them."""

from __future__ import annotations

import sympy
from sympy.core.relational import Relational

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
    return str(sympy.latex(joined, symbol_names=q.LATEX, order="none"))
