"""Orders of what theorems ask, compared symbolically: leading exponents, crossovers, implications, and flags.

An order says how a required width grows as a problem gets harder: with n, 1/lambda_0, 1/delta and the depth. Logarithms
and constants do not count. What depends on the data is put at its worst for unit rows and labels of order 1:
||X||^2 <= n, ||XX^T||_F <= n, ||y|| <= sqrt(n), and the initial residual on its event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import sympy

from bounds import quantities as q
from bounds.arithmetic import HiddenConstant, Outcome, Verdict
from bounds.quantities import Unspecified
from bounds.rendering import plain
from bounds.settings import TwoLayer
from bounds.statements import UNIT_ROWS, Edition, Statement

HARD = {"n": (q.n, 1), "1/lambda_0": (q.lambda_0, -1), "1/delta": (q.delta, -1), "H": (q.depth, 1)}
"""What makes a problem harder: the symbol, and whether it grows (1) or shrinks (-1)."""

Term = tuple[Any, ...]
"""Exponents of the names in ``HARD``; infinite where the term is exponential."""

_WORST = {q.X_norm: sympy.sqrt(q.n), q.F: q.n, q.y_norm: sympy.sqrt(q.n)}


@dataclass(frozen=True)
class Order:
    """How a bound grows: like the largest of its terms.

    Args:
        terms: none of which another exceeds everywhere.
        unknown: quantities left in the bound whose growth is not known.
    """

    terms: tuple[Term, ...]
    unknown: tuple[sympy.Symbol, ...] = ()

    def __str__(self) -> str:
        written = [_monomial(term) for term in self.terms]
        largest = written[0] if len(written) == 1 else f"max({', '.join(written)})"
        return largest + (f", times a function of {', '.join(map(str, self.unknown))}" if self.unknown else "")


def order(statement: Statement, edition: str, symbol: sympy.Symbol = q.m) -> Order:
    """The order of the least width (or another limit) that an edition allows.

    Raises:
        ValueError: no such edition, or it sets no bound, or leaves it unspecified.
    """
    chosen = statement.edition(edition)
    limit = chosen.limit(symbol)
    if limit is None:
        raise ValueError(f"{statement.name} ({edition}) sets no bound on {q.MEANING[symbol]}")
    formula = _at_worst(chosen, limit)
    open_ended = sorted(str(s) for s in formula.free_symbols if isinstance(s, Unspecified))
    if open_ended:
        raise ValueError(
            f"{statement.name} ({edition}) has no order: the paper does not specify {', '.join(open_ended)}"
        )
    known = {hard for hard, _ in HARD.values()} | {symbol}
    unknown = sorted((s for s in formula.free_symbols - known if not isinstance(s, HiddenConstant)), key=str)
    return Order(tuple(sorted(_terms(formula), key=str, reverse=True)), tuple(unknown))


def _at_worst(edition: Edition, formula: sympy.Expr) -> sympy.Expr:
    """A formula in n, lambda_0, delta and depth, as far as possible."""
    shares = {event.share: q.delta for event in edition.events}
    bounded = {e.quantity: e.bound for e in edition.events if e.quantity is not None and e.bound is not None}
    formula = edition.expand(formula, {})
    for _ in range(len(bounded) + 1):
        formula = edition.expand(formula.xreplace(bounded), {})
    return formula.xreplace(shares).xreplace(_WORST).xreplace(shares)


_CONSTANT: Term = (sympy.S.Zero,) * len(HARD)


def _terms(node: sympy.Basic) -> frozenset[Term]:
    """The terms of a positive expression, of which the largest says how it grows."""
    for place, (symbol, sign) in enumerate(HARD.values()):
        if node == symbol:
            return frozenset([_CONSTANT[:place] + (sympy.Integer(sign),) + _CONSTANT[place + 1 :]])
    if not node.free_symbols & {symbol for symbol, _ in HARD.values()}:
        return frozenset([_CONSTANT])
    match node:
        case sympy.Mul():
            return reduce(_products, map(_terms, node.args))
        case sympy.Max():
            return _largest(term for argument in node.args for term in _terms(argument))
        case sympy.Add():
            return _sum(node)
        case sympy.Pow(base=sympy.Min() as least) if node.exp.is_negative:
            return _largest(term for argument in least.args for term in _terms(argument**node.exp))
        case sympy.Pow() if node.exp.is_Rational:
            return _power_of(_terms(node.base), node.exp, node)
        case sympy.Pow() | sympy.exp():
            return frozenset(_exponential(term) for term in _terms(node.exp))
        case sympy.log():
            return frozenset([_CONSTANT])
        case sympy.erf():  # like its argument near 0, constant far from it
            (argument,) = _power_of(_terms(node.args[0]), sympy.S.One, node)
            return frozenset([argument if all(e <= 0 for e in argument) else _CONSTANT])
    raise ValueError(f"the growth of {node} is not known")


def _sum(node: sympy.Add) -> frozenset[Term]:
    added = [argument for argument in node.args if not argument.could_extract_minus_sign()]
    terms = _largest(term for argument in added for term in _terms(argument))
    for taken in (term for argument in node.args if argument not in added for term in _terms(-argument)):
        if not any(_exceeds(term, taken) and term != taken for term in terms):
            raise ValueError(f"the growth of {node} is not known: a difference may be small")
    return terms


def _power_of(terms: frozenset[Term], exponent: Any, node: sympy.Basic) -> frozenset[Term]:
    if exponent < 0 and len(terms) > 1:
        raise ValueError(f"the growth of {node} is not known: one over several terms")
    return frozenset(tuple(exponent * e for e in term) for term in terms)


def _products(first: frozenset[Term], second: frozenset[Term]) -> frozenset[Term]:
    sums = [tuple(a + b for a, b in zip(one, two, strict=True)) for one in first for two in second]
    if any(e is sympy.nan for term in sums for e in term):
        raise ValueError("the growth of a quotient of exponentials is not known")
    return _largest(sums)


def _exponential(term: Term) -> Term:
    return tuple(sympy.oo if e > 0 else sympy.S.Zero for e in term)


def _exceeds(first: Term, second: Term) -> bool:
    """Whether the first term is at least the second, however hard the problem."""
    return all(bool(a >= b) for a, b in zip(first, second, strict=True))


def _largest(terms: Iterable[Term]) -> frozenset[Term]:
    every = frozenset(terms)
    return frozenset(t for t in every if not any(other != t and _exceeds(other, t) for other in every))


@dataclass(frozen=True)
class Comparison:
    """Two theorems side by side.

    Args:
        first, second: identifiers.
        orders: of the widths they ask for.
        asks_less: which asks less, and where.
        flags: why the two widths do not stand on one axis; empty where they do.
    """

    first: str
    second: str
    orders: tuple[Order, Order]
    asks_less: str
    flags: tuple[str, ...]


def compare_orders(first: Statement, second: Statement, edition: str = "printed") -> Comparison:
    """Compare the widths that two theorems ask for, by order, and say what forbids to rank them.

    Raises:
        ValueError: as for :func:`order`.
    """
    orders = order(first, edition), order(second, edition)
    if _share_a_matrix(first, second):
        less = _asks_less(*orders)
    else:
        less = "not ranked: lambda_0 is the least eigenvalue of different matrices"
    return Comparison(first.identifier, second.identifier, orders, less, tuple(flags(first, second)))


def _share_a_matrix(first: Statement, second: Statement) -> bool:
    """Whether both speak of the same lambda_0: of the same networks, or of two-layer ones with the same activation."""
    one, other = first.setting, second.setting
    two_layers = isinstance(one, TwoLayer) and isinstance(other, TwoLayer) and one.activation is other.activation
    return one == other or two_layers


def _asks_less(first: Order, second: Order) -> str:
    if first.unknown or second.unknown:
        return "undecided: the bounds contain quantities whose growth is not known"
    at_most = all(any(_exceeds(b, a) for b in second.terms) for a in first.terms)
    at_least = all(any(_exceeds(a, b) for a in first.terms) for b in second.terms)
    if at_most and at_least:
        return "neither: the orders are equal"
    if at_most or at_least:
        return f"the {'first' if at_most else 'second'}, everywhere"
    if len(first.terms) > 1 or len(second.terms) > 1:
        return "it depends on which of their terms is the largest"
    more = [a - b for a, b in zip(first.terms[0], second.terms[0], strict=True)]
    if any(e is sympy.nan for e in more):
        return "undecided: both bounds are exponential"
    above, below = _monomial(tuple(max(e, 0) for e in more)), _monomial(tuple(max(-e, 0) for e in more))
    return f"the first where {above} < {below}, the second where it is more"


def flags(first: Statement, second: Statement) -> Iterator[str]:
    """What differs between two theorems, so that a smaller width is not a better theorem."""
    pairs = (
        ("conclusions", first.concludes, second.concludes),
        ("dynamics", first.dynamics, second.dynamics),
        ("trained layers", first.setting.trained, second.setting.trained),
        ("losses", first.setting.loss, second.setting.loss),
    )
    for what, one, other in pairs:
        if one != other:
            yield f"{what} differ: {one} against {other}"
    if first.setting != second.setting:
        yield f"networks differ: {first.setting} against {second.setting}"


UNIT_ROW_FACTS = (
    sympy.Ge(q.S, 1),
    sympy.Le(q.S, q.n),
    sympy.Le(q.F**2, q.S * q.n),
    sympy.Le(q.lambda_0, sympy.Rational(1, 2)),
    sympy.Le(q.F, q.n),
    sympy.Ge(q.F, q.S),
    sympy.Ge(q.F**2, q.n),
    sympy.Ge(q.n, 2),
    sympy.Lt(q.delta, 1),
)
"""Unit rows: the diagonal of X X^T is 1, and that of the two-layer matrix 1/2."""


def implies(first: Statement, second: Statement, edition: str = "explicit", other: str = "") -> Verdict:
    """Decide whether the conditions of one theorem imply those of another, with both solvers, where it is algebra.

    Args:
        first: the theorem whose conditions are given.
        second: the theorem whose conditions are claimed.
        edition: of the first.
        other: of the second; the same unless given.

    Returns:
        *holds* if both solvers prove every condition, *fails* if numbers satisfy the first and not the second (whether
        data have them is not asked), else *undecided*, with the reason.

    Raises:
        ImportError: a solver is not installed.
    """
    from bounds.proofs import Obligation, prove_obligation

    one, two = first.edition(edition), second.edition(other or edition)
    if first.setting != second.setting:
        return Verdict(Outcome.UNDECIDED, reason="the theorems speak of different networks")
    if one.hidden_constants or two.hidden_constants:
        return Verdict(Outcome.UNDECIDED, reason="a constant is hidden")
    facts = UNIT_ROW_FACTS if UNIT_ROWS in one.assumes and isinstance(first.setting, TwoLayer) else ()
    given = tuple(_relations(one))
    for claim in _relations(two):
        if claim in given:
            continue
        proof = prove_obligation(
            Obligation("implication", "", (*facts, *given), claim, planted=sympy.Lt(q.n, 1, evaluate=False)), timeout=5
        )
        if proof.counterexample is not None:
            return Verdict(Outcome.FAILS, reason=f"{plain(claim)}: {proof.status}")
        if len(proof.proved_by) < 2:
            return Verdict(Outcome.UNDECIDED, reason=f"{plain(claim)}: {proof.status}")
    return Verdict(Outcome.HOLDS, reason="every condition is proved by z3 and cvc5")


def _relations(edition: Edition) -> Iterator[sympy.core.relational.Relational]:
    """The inequalities that an edition assumes, with even shares of delta and abbreviations written out."""
    shares = {event.share: q.delta / len(edition.events) for event in edition.events}
    for condition in edition.assumes:
        if condition.relation is not None:
            sides = (edition.expand(side, {}).xreplace(shares) for side in condition.relation.args)
            yield condition.relation.func(*sides, evaluate=False)


def _monomial(term: Term) -> str:
    parts = [_power(name, exponent) for name, exponent in zip(HARD, term, strict=True) if exponent != 0]
    return " ".join(parts) or "1"


def _power(name: str, exponent: Any) -> str:
    if exponent == sympy.oo:
        return f"exp({name})"
    return name if exponent == 1 else f"{f'({name})' if '/' in name else name}^{exponent}"
