"""A paper's formulas typed a second time, in plain Python, and what notices when the file and this copy differ.

A test file holds ``RETYPED``: for every formula of the paper (statement, edition, clause) its left side and relation as
text, and its right side as a function of numbers. The numbers stand in a namespace under the names of the paper's
symbols (see :func:`name_of`); functions are mpmath's. Nothing is taken from the paper's sympy expressions, so each
clause is a transcription made twice, compared at several points.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from types import ModuleType, SimpleNamespace
from typing import Any

import flint
import mpmath
import sympy
from flint import arb
from sympy.core.relational import Relational

from bounds.arithmetic import Enclosure, HiddenConstant, LargeConstant, evaluate
from bounds.quantities import Unspecified

Clause = tuple[str, str, str]
"""Statement, edition, and ``if NAME`` for a condition, ``then NAME`` for a promise; for other formulas ``where X``,
``radius``, ``event delta_2``, ``link 1`` and so on. The sides of a counterexample stand under (statement,
``counterexample``, ``left``) and ``right``, with ``=``."""

Retyped = Mapping[Clause, tuple[str, Callable[[Any], Any]]]
"""Left side and relation as text, such as ``m >=``, and the right side as a function of numbers by name. A ``*`` for
the edition, or for statement and edition, stands for all that are not listed themselves."""

Ranges = Mapping[str, tuple[float, float] | list[float]]

POINTS = 6


def clauses(module: ModuleType) -> Iterator[tuple[Clause, str, sympy.Expr]]:
    """Every formula of a paper: its clause, left side with relation, and right side."""
    for statement in module.PAPER.statements:
        for edition in statement.editions:
            where = (statement.name, edition.name)
            for condition in edition.assumes:
                if condition.relation is not None:
                    yield from _sides((*where, f"if {condition.name}"), condition.relation)
            for promise in edition.conclusions:
                yield from _sides((*where, f"then {promise.name}"), promise.relation)
            for symbol, formula in edition.where:
                yield (*where, f"where {symbol}"), f"{symbol} =", formula
            if edition.radius is not None:
                yield (*where, "radius"), "R =", edition.radius
            for event in edition.events:
                if event.bound is not None:
                    yield (*where, f"event {event.share}"), f"{event.quantity} <=", event.bound
            for number, link in enumerate(edition.chain, start=1):
                yield (*where, f"link {number}"), f"{link.measured} <=", link.bound


def _sides(clause: Clause, relation: Relational) -> Iterator[tuple[Clause, str, sympy.Expr]]:
    """The right side; and the left side where it is a formula of several symbols."""
    if len(relation.lhs.free_symbols) <= 1:
        yield clause, f"{relation.lhs} {relation.rel_op}", relation.rhs
    else:
        *where, name = clause
        yield (where[0], where[1], f"{name}, left"), "=", relation.lhs
        yield clause, relation.rel_op, relation.rhs


def points(module: ModuleType, ranges: Ranges) -> list[dict[str, Fraction]]:
    """Points that give every symbol of a paper a number of its kind.

    Args:
        module: the paper.
        ranges: for symbols that need it, the interval their numbers come from, evenly in the logarithm; else (1/10,
            9/10), and 2 to 40 for integers; or a list of numbers, one for each point. Every argument of a Max has to
            be the largest somewhere, and every argument of a Min the least.
    """
    symbols = {s for _, _, formula in clauses(module) for s in formula.free_symbols}
    draw = random.Random(1)
    found: list[dict[str, Fraction]] = []
    for number in range(POINTS):
        point = {}
        for symbol in sorted(symbols, key=str):
            chosen = ranges.get(name_of(symbol), (2, 40) if symbol.is_integer else (0.1, 0.9))
            if isinstance(chosen, list):
                at = chosen[number % len(chosen)]
            else:
                at = math.exp(draw.uniform(*map(math.log, chosen)))
            point[name_of(symbol)] = Fraction(round(at)) if symbol.is_integer else Fraction(round(at * 10**9), 10**9)
        found.append(point)
    return found


def name_of(symbol: sympy.Symbol) -> str:
    """The name of a symbol in the namespace: for ``poly(n, L)``, which a paper leaves open, ``open_poly_n_L``."""
    return "open_" + "_".join(re.findall(r"\w+", str(symbol))) if isinstance(symbol, Unspecified) else str(symbol)


def value(formula: sympy.Expr, point: Mapping[str, Fraction]) -> Enclosure:
    """The paper's formula at a point, enclosed."""
    return evaluate(formula, {s: point[name_of(s)] for s in formula.free_symbols})


def agrees(formula: sympy.Expr, retyped: Callable[[Any], Any], point: Mapping[str, Fraction]) -> bool:
    """Whether the paper's formula and the retyped one are equal at a point, to 25 digits."""
    with mpmath.workdps(40):
        numbers = {name: mpmath.mpf(number.numerator) / number.denominator for name, number in point.items()}
        expected = mpmath.mpf(retyped(SimpleNamespace(**numbers)))
        text = mpmath.nstr(expected, 35)
    with flint.ctx.workprec(192):
        ball = value(formula, point).ball
        return bool(ball.is_finite()) and bool(abs(ball - arb(text)) < arb("1e-25") * (1 + abs(arb(text))))


def found(clause: Clause, retyped: Retyped) -> Clause | None:
    """The entry of the retyped copy that is about a clause."""
    statement, _, name = clause
    return next((key for key in (clause, (statement, "*", name), ("*", "*", name)) if key in retyped), None)


def disagreement(
    clause: Clause, left: str, formula: sympy.Expr, retyped: Retyped, at: list[dict[str, Fraction]]
) -> str | None:
    """What the paper and the retyped copy disagree on in one clause, or None."""
    key = found(clause, retyped)
    if key is None:
        return f"{clause} is not retyped: {left} {formula}"
    for symbol in formula.free_symbols:
        if isinstance(symbol, HiddenConstant) and isinstance(symbol, LargeConstant) != symbol.name[0].isupper():
            return f"{clause}: {symbol} is {type(symbol).__name__}; large constants are upper case, small ones lower"
    expected_left, function = retyped[key]
    if left != expected_left:
        return f"{clause} is about {left}, retyped as {expected_left}"
    if all(agrees(formula, function, point) for point in at):
        return None
    return f"{clause} differs: {left} {formula}"


def differences(module: ModuleType, retyped: Retyped, at: list[dict[str, Fraction]]) -> list[str]:
    """All that the paper and its retyped copy disagree on, in words."""
    told = [disagreement(clause, left, formula, retyped, at) for clause, left, formula in clauses(module)]
    used = {found(clause, retyped) for clause, _, _ in clauses(module)}
    used |= {key for key in retyped if key[1] == "counterexample"}
    return [*filter(None, told), *(f"{key} is retyped and not in the paper" for key in retyped if key not in used)]
