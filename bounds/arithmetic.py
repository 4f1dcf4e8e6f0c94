"""Exact evaluation of sympy expressions in Arb balls, and verdicts with three outcomes.

Every rigorous scalar of the product is an :class:`Enclosure`. Two enclosures are never compared with ``<``:
balls may overlap, and ``not (a < b)`` is not ``a >= b``. :func:`compare` and :func:`decide` return a
:class:`Verdict` that says *holds*, *fails* or *undecided* and shows both sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from enum import Enum, IntEnum
from fractions import Fraction
from numbers import Rational
from typing import Any, NoReturn

import flint
import sympy
from flint import arb, fmpq, fmpz

PRECISION = 192
"""Working precision in bits: far beyond float64, so that balls of exact inputs decide all but exact ties."""

Exact = int | Fraction | float
"""A number taken at face value; a float is the exact dyadic rational that it stores."""


class Kind(IntEnum):
    """How far a number can be trusted; a combination has the lowest kind of its parts."""

    FLOAT = 0
    ESTIMATED = 1
    ENCLOSED = 2
    EXACT = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, eq=False)
class Enclosure:
    """A real number known to lie in a ball.

    Args:
        ball: the Arb ball that contains the number.
        assumption: empty, or what had to be assumed to write the ball down (a hidden constant taken as 1).
            A number under an assumption is shown with it, and every verdict about it is undecided.
        ends: two floats that bound the number, where they are tighter than the ball (whose radius has 30 bits).
    """

    ball: arb
    assumption: str = ""
    ends: tuple[float, float] | None = None

    @classmethod
    def of(cls, value: Enclosure | Exact) -> Enclosure:
        """Take an exact number as its enclosure (an enclosure is returned as it is).

        Raises:
            TypeError: ``value`` is no number, or a bool.
            ValueError: ``value`` is infinite or not a number.
        """
        return value if isinstance(value, Enclosure) else cls(exact_ball(value))

    @classmethod
    def between(cls, lower: float, upper: float) -> Enclosure:
        """Enclose a number known to satisfy ``lower <= number <= upper``.

        Raises:
            ValueError: the bounds are out of order or not numbers.
        """
        if not lower <= upper:
            raise ValueError(f"no number lies between {lower!r} and {upper!r}")
        with flint.ctx.workprec(PRECISION):
            return cls(arb(float(lower)).union(arb(float(upper))), ends=(float(lower), float(upper)))

    @property
    def lower(self) -> float:
        """The greatest float64 known to lie at or below the number (-inf where there is none)."""
        return self.ends[0] if self.ends else _float_bound(self._range[0], downward=True)

    @property
    def upper(self) -> float:
        """The least float64 known to lie at or above the number (inf where there is none)."""
        return self.ends[1] if self.ends else _float_bound(self._range[1], downward=False)

    @property
    def _range(self) -> tuple[arb, arb]:
        """The two ends as exact balls."""
        with flint.ctx.workprec(PRECISION):
            return (arb(self.ends[0]), arb(self.ends[1])) if self.ends else (self.ball.lower(), self.ball.upper())

    @property
    def midpoint(self) -> float:
        """A float64 near the middle of the ball: an estimate, for plots and messages only."""
        return float(self.ball.mid())

    @property
    def kind(self) -> Kind:
        """EXACT for a ball of radius zero, else ENCLOSED."""
        return Kind.EXACT if self.ball.is_exact() else Kind.ENCLOSED

    def contains(self, value: Exact) -> bool:
        """Whether an exact number lies in the enclosure (False for one that is not a number)."""
        if self.ends:
            return self.ends[0] <= value <= self.ends[1]
        return not self.ball.is_nan() and bool(self.ball.contains(exact_ball(value)))

    def __str__(self) -> str:
        return decimal(self) + (" (estimate)" if self.assumption else "")

    def __repr__(self) -> str:
        assumption = f", assumption={self.assumption!r}" if self.assumption else ""
        return f"Enclosure({self.lower!r} .. {self.upper!r}{assumption})"

    def __reduce__(self) -> tuple[object, ...]:
        """To the bit, but for the radius, which Arb may round up in its last one."""
        return _restored, (_stored(self.ball.mid()), _stored(self.ball.rad()), self.assumption, self.ends)

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(
            "enclosures are not compared with operators, since balls may overlap: "
            "use bounds.arithmetic.compare(a, '<=', b) and read .holds, .fails or .undecided"
        )

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __eq__ = __ne__ = _refuse
    __hash__ = object.__hash__


def _stored(number: arb) -> tuple[int, int] | float:
    """An exact ball as mantissa and exponent, or as the float that is not finite."""
    if not number.is_finite():
        return float(number)
    mantissa, exponent = number.man_exp()
    return int(mantissa), int(exponent)


def _restored(
    midpoint: tuple[int, int] | float,
    radius: tuple[int, int] | float,
    assumption: str,
    ends: tuple[float, float] | None,
) -> Enclosure:
    return Enclosure(arb(midpoint, radius), assumption, ends)


class Outcome(Enum):
    """The three things a rigorous comparison can say."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Verdict:
    """What is proved about one relation, with its two sides.

    Args:
        outcome: holds, fails or undecided.
        left, relation, right: the relation as evaluated; sides are None where there is nothing to evaluate.
        reason: why, where the sides alone do not say it.
    """

    outcome: Outcome
    left: Enclosure | None = None
    relation: str = ""
    right: Enclosure | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Proved true."""
        return self.outcome is Outcome.HOLDS

    @property
    def fails(self) -> bool:
        """Proved false."""
        return self.outcome is Outcome.FAILS

    @property
    def undecided(self) -> bool:
        """Neither proved nor refuted."""
        return self.outcome is Outcome.UNDECIDED

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has three outcomes: read .holds, .fails or .undecided")

    def __str__(self) -> str:
        sides = f": {self.left} {self.relation} {self.right}" if self.left is not None else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.outcome}{sides}{reason}"


class NoNumber(ValueError):
    """There is no number to give, for a reason that its message says: nothing is wrong with the input."""


def conjunction(verdicts: Iterable[Verdict]) -> Verdict:
    """Combine verdicts: fails if one fails, holds if all hold, else undecided."""
    outcomes = {verdict.outcome for verdict in verdicts}
    for outcome in (Outcome.FAILS, Outcome.UNDECIDED):
        if outcome in outcomes:
            return Verdict(outcome)
    return Verdict(Outcome.HOLDS)


_CERTAIN: dict[str, Callable[[Enclosure, Enclosure], bool]] = {
    "<": lambda a, b: a._range[1] < b._range[0],
    "<=": lambda a, b: a._range[1] <= b._range[0],
    ">": lambda a, b: a._range[0] > b._range[1],
    ">=": lambda a, b: a._range[0] >= b._range[1],
}
"""Whether a relation is true of every pair of numbers, by relation."""

_NEGATION = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def compare(left: Enclosure | Exact, relation: str, right: Enclosure | Exact) -> Verdict:
    """Decide ``left relation right`` for all numbers in the two balls.

    Args:
        left: the left side.
        right: the right side.
        relation: one of ``<``, ``<=``, ``>``, ``>=``.

    Returns:
        *holds* if the relation is true of every pair of numbers in the balls, *fails* if it is false of every
        pair, and *undecided* otherwise, in particular for NaN and for sides that rest on an assumption.

    Raises:
        ValueError: unknown relation.
    """
    if relation not in _CERTAIN:
        raise ValueError(f"unknown relation {relation!r}: use one of {', '.join(_CERTAIN)}")
    a, b = Enclosure.of(left), Enclosure.of(right)
    assumption = "; ".join(dict.fromkeys(filter(None, (a.assumption, b.assumption))))
    if assumption:
        return Verdict(Outcome.UNDECIDED, a, relation, b, assumption)
    if a.ball.is_nan() or b.ball.is_nan():
        return Verdict(Outcome.UNDECIDED, a, relation, b, "a side is not a number")
    if _CERTAIN[relation](a, b):
        return Verdict(Outcome.HOLDS, a, relation, b)
    if _CERTAIN[_NEGATION[relation]](a, b):
        return Verdict(Outcome.FAILS, a, relation, b)
    return Verdict(Outcome.UNDECIDED, a, relation, b, "the enclosures overlap")


class HiddenConstant(sympy.Symbol):
    """A positive constant that a paper leaves inside Ω(.) or O(.); evaluation takes it as 1 and says so."""

    meaning = "unspecified"


class LargeConstant(HiddenConstant):
    """A hidden constant of which the paper says only that it is large enough."""

    meaning = "large enough, so this is a lower estimate of what is asked"


class LargeUpToLogarithms(LargeConstant):
    """A hidden constant times logarithms that the paper hides as well."""

    meaning = "large enough, and hides logarithms too, so this is a lower estimate of what is asked"


class SmallConstant(HiddenConstant):
    """A hidden constant of which the paper says only that it is small enough."""

    meaning = "small enough, so this is an upper estimate of what is allowed"


def large_constant(name: str, *, logarithms: bool = False) -> LargeConstant:
    """The constant of an Ω(.), or with hidden logarithms of an Ω~(.), by name."""
    return (LargeUpToLogarithms if logarithms else LargeConstant)(name, positive=True)


def small_constant(name: str) -> SmallConstant:
    """The constant of an O(.), by name."""
    return SmallConstant(name, positive=True)


Values = Mapping[sympy.Symbol, Enclosure | Exact]


def evaluate(expression: sympy.Expr, values: Values) -> Enclosure:
    """Enclose a symbolic expression, exactly: rationals stay rational, constants and functions become balls.

    Args:
        expression: built from integers, rationals, pi, E, symbols, + * ** sqrt exp log erf gamma cos acos Max Min Abs.
        values: a number for every free symbol; hidden constants may be left out and are then taken as 1.

    Returns:
        An enclosure that carries the assumptions of the values and hidden constants it was computed from.

    Raises:
        KeyError: a symbol has no value.
        TypeError: a Float, or a function with no rigorous evaluation.
    """
    symbols = sorted(expression.free_symbols, key=str)
    numbers = {s: Enclosure.of(values[s]) for s in symbols if s in values}
    assumptions = [number.assumption for number in numbers.values()]
    for symbol in symbols:
        if symbol in numbers:
            continue
        if not isinstance(symbol, HiddenConstant):
            raise KeyError(f"no value for {symbol} in {expression}")
        numbers[symbol] = Enclosure.of(1)
        assumptions.append(f"{symbol} taken as 1: the paper says only {symbol.meaning}")
    with flint.ctx.workprec(PRECISION):
        ball = _walk(expression, numbers)
    return Enclosure(ball, "; ".join(dict.fromkeys(filter(None, assumptions))))


def decide(relation: sympy.core.relational.Relational, values: Values) -> Verdict:
    """Decide a sympy inequality for the given values; see :func:`evaluate` and :func:`compare`.

    Raises:
        TypeError: not one of the four inequalities.
        KeyError: a symbol has no value.
    """
    if not isinstance(relation, sympy.StrictLessThan | sympy.LessThan | sympy.StrictGreaterThan | sympy.GreaterThan):
        raise TypeError(f"not an inequality: {relation!r}")
    return compare(evaluate(relation.lhs, values), relation.rel_op, evaluate(relation.rhs, values))


def exact_ball(value: Exact) -> arb:
    """The ball of radius zero around a number taken at face value (a Fraction rounds to working precision).

    Raises:
        TypeError: ``value`` is no int, Fraction or float.
        ValueError: ``value`` is infinite or not a number.
    """
    if isinstance(value, bool) or not isinstance(value, Rational | float):
        raise TypeError(f"an exact number is an int, a Fraction or a stored float, not {type(value).__name__}")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no exact number: give a finite one")
        return arb(float(value))
    with flint.ctx.workprec(PRECISION):
        return arb(fmpq(int(value.numerator), int(value.denominator)))


def decimal(number: Enclosure, digits: int = 6) -> str:
    """Write an enclosure in decimals: a number whose digits are all known, or else an interval rounded outward."""
    lower, upper = number.lower, number.upper
    if lower == upper and lower.is_integer() and abs(lower) < 1e7:
        return str(int(lower))
    if f"{lower:.{digits - 1}e}" == f"{upper:.{digits - 1}e}":
        return f"{lower:.{digits}g}"
    return f"[{_rounded(lower, digits, ROUND_FLOOR)}, {_rounded(upper, digits, ROUND_CEILING)}]"


def _rounded(value: float, digits: int, direction: str) -> str:
    if not math.isfinite(value):
        return str(value)
    return f"{Context(prec=digits, rounding=direction).create_decimal(value):g}"


def _walk(node: sympy.Basic, numbers: Mapping[sympy.Symbol, Enclosure]) -> arb:
    if isinstance(node, sympy.Symbol):
        return numbers[node].ball
    if isinstance(node, sympy.Rational):
        return arb(fmpq(int(node.p), int(node.q)))
    if node is sympy.pi:
        return arb.pi()
    if node is sympy.E:
        return arb(1).exp()
    if isinstance(node, sympy.Pow):
        return _power(_walk(node.base, numbers), node.exp, numbers)
    arguments = [_walk(argument, numbers) for argument in node.args]
    for kind, function in _FUNCTIONS.items():
        if isinstance(node, kind):
            return function(*arguments)
    if isinstance(node, sympy.Float):
        raise TypeError(f"{node} is a Float: write the exact rational, or pass a stored float as a value")
    raise TypeError(f"no rigorous evaluation of {type(node).__name__} in {node}")


def _power(base: arb, exponent: sympy.Expr, numbers: Mapping[sympy.Symbol, Enclosure]) -> arb:
    if isinstance(exponent, sympy.Rational) and exponent.q in (1, 2):
        root = base if exponent.q == 1 else base.sqrt()
        return integer_power(root, int(exponent.p))
    return base ** _walk(exponent, numbers)


def integer_power(base: arb, exponent: int) -> arb:
    """``base ** exponent``, also where the ball is centred at 0, of which python-flint makes no number."""
    if base.mid() != 0 or exponent == 0:
        return base ** fmpz(exponent)
    largest = base.abs_upper() ** fmpz(abs(exponent))
    power = largest.union(arb(0) if exponent % 2 == 0 else -largest)
    return power if exponent > 0 else 1 / power


def _sum(*terms: arb) -> arb:
    return sum(terms, arb(0))


def _product(*factors: arb) -> arb:
    return math.prod(factors, start=arb(1))


def _maximum(first: arb, *others: arb) -> arb:
    for other in others:
        first = first.max(other)
    return first


def _minimum(first: arb, *others: arb) -> arb:
    for other in others:
        first = first.min(other)
    return first


_FUNCTIONS: dict[Any, Callable[..., arb]] = {
    sympy.Add: _sum,
    sympy.Mul: _product,
    sympy.exp: arb.exp,
    sympy.log: arb.log,
    sympy.erf: arb.erf,
    sympy.gamma: arb.gamma,
    sympy.cos: arb.cos,
    sympy.acos: arb.acos,
    sympy.Abs: abs,
    sympy.Max: _maximum,
    sympy.Min: _minimum,
}


def _float_bound(end: arb, *, downward: bool) -> float:
    """The float64 nearest to an exact ball from the safe side (a cast may round either way)."""
    value = float(end)
    if math.isnan(value):
        return -math.inf if downward else math.inf
    unsafe = value > end if downward else value < end
    return math.nextafter(value, -math.inf if downward else math.inf) if unsafe else value
