"""Mathematics on the page: LaTeX of the record as MathML, and formulas written in plain words as HTML."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

_REPAIRS = {
    r"<mo>(&#x02016;|&#x0007C;)</mo>": r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>',
    r"<mo>&#x0002F;</mo>": r'<mo lspace="0" rspace="0">/</mo>',
    r"<mo>max</mo>": r'<mo lspace="0" rspace="0.17em">max</mo>',
    r'<mo stretchy="true" fence="true"': r'<mo stretchy="true" fence="true" lspace="0" rspace="0"',
    r"<mi>(log|exp)</mi>": r'<mspace width="0.17em"/><mi>\1</mi>',
    r'(form="prefix">&#x00028;</mo>)<mo>&#x02212;</mo>': r'\1<mo form="prefix">&#x02212;</mo>',
}
"""What latex2mathml leaves to the dictionary of operators, which would stretch the bars of a norm as tall as a fraction
beside it, space bars and slashes like relations, and set a sign like a difference."""
GREEK = {
    "lambda": "λ",
    "delta": "δ",
    "eta": "η",
    "nu": "ν",
    "kappa": "κ",
    "tau": "τ",
    "sigma": "σ",
    "alpha": "α",
    "gamma": "γ",
    "theta": "θ",
    "rho": "ρ",
    "mu": "μ",
    "Omega": "Ω",
    "omega": "ω",
    "eps": "ε",
    "beta": "β",
    "pi": "π",
    "sum": "Σ",
}
_SUBSCRIPT = re.compile(rf"\b({'|'.join(GREEK)}|[A-Za-z])((?:&#39;)?)_(perp|max|min|\w{{1,2}})\b")
_WORD = re.compile(rf"\b(?:({'|'.join(GREEK.keys() - {'sum'})})\b|sum(?=\())")
_ROOT = re.compile(r"\bsqrt\((\w)\)")
_MINUS = re.compile(r"(?<![^\s(=])-(?=\d)")
"""Before a number that it belongs to, not between two."""
_EXPONENT = re.compile(r"(?<=\d)e\+?(-?)0*(\d+)\b")
_CHARACTERS = {"<=": "≤", ">=": "≥", "->": "→", "+-": "±", "||": "‖", " - ": " − ", "sqrt(": "√(", "^T": "ᵀ"}
_LOWERED, _RAISED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"), str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SYMBOLS = {
    "&lt;=": "≤",
    "-&gt;": "→",
    "+-": "±",
    "&gt;=": "≥",
    "||": "‖",
    " - ": " − ",
    "sqrt": "√",
    "^T": "<sup>⊤</sup>",
    "‖_F": "‖<sub>F</sub>",
}


@cache
def mathml(latex: str) -> Markup:
    """Set LaTeX as MathML in a line of text, fractions at full size; what cannot be read is shown as its source."""
    from latex2mathml.converter import convert
    from markupsafe import Markup

    try:
        element = convert(latex)
    except Exception:  # the library raises a dozen unrelated kinds
        return Markup("<code>{}</code>").format(latex)
    for found, mended in _REPAIRS.items():
        element = re.sub(found, mended, element)
    return Markup(element.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', ' displaystyle="true"'))


def plain_formulas(text: str) -> str:
    """Set formulas in plain words as characters, for figures: ``x_1^2 - sqrt(m)`` as x₁² − √m."""
    text = _ROOT.sub(r"√\1", text)
    for written, symbol in _CHARACTERS.items():
        text = text.replace(written, symbol)
    text = _MINUS.sub("−", text)
    text = re.sub(rf"\b({'|'.join(GREEK.keys() - {'sum'})})(?=_|\b)", lambda m: GREEK[m[0]], text)
    text = re.sub(r"_(\d)", lambda m: m[1].translate(_LOWERED), text)
    return re.sub(r"\^(\d+)(?!\d*\.)", lambda m: m[1].translate(_RAISED), text)


def formulas(text: str) -> Markup:
    """Set the formulas in a sentence of a theorem file, such as ``lambda_0 / (24 S)`` or ``||H - H(0)|| <= 2 n``."""
    from markupsafe import Markup, escape

    html = str(escape(text))
    html = _ROOT.sub(r"√\1", html)
    for written, symbol in _SYMBOLS.items():
        html = html.replace(written, symbol)
    html = _MINUS.sub("−", html)
    html = _SUBSCRIPT.sub(lambda m: f"{GREEK.get(m[1], m[1])}{m[2]}<sub>{'⊥' if m[3] == 'perp' else m[3]}</sub>", html)
    html = _WORD.sub(lambda m: GREEK[m[0]], html)
    html = _EXPONENT.sub(lambda m: f" × 10<sup>{m[1].replace('-', '−')}{m[2]}</sup>", html)
    return Markup(re.sub(r"\^(\d+\.\d+|\w+|\([^()]*\))", r"<sup>\1</sup>", html))
