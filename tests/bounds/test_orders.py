"""Orders of required widths against numerical slopes, crossovers, flags and implications."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy

from bounds import quantities as q
from bounds import theorem
from bounds.arithmetic import evaluate
from bounds.orders import HARD, Order, _asks_less, _at_worst, _terms, compare_orders, flags, implies, order
from bounds.settings import SYSTEM
from bounds.statements import Condition, Edition, Mark, Statement

DESCENT, FLOW = theorem("du2019-two-layer"), theorem("du2019-two-layer-flow")
RESNET = theorem("du2019-deep-resnet")


def made_up(width: sympy.Expr, **rest: object) -> Statement:
    edition = Edition("printed", Mark.READ, assumes=(Condition("width", sympy.Ge(q.m, width)),))
    return Statement("Theorem", "made up", SYSTEM, "gradient descent", (edition,), **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("edition", ["printed", "explicit", "improved", "sharp"])
@pytest.mark.parametrize("statement", [DESCENT, FLOW], ids=lambda s: s.identifier)
def test_exponents_are_slopes_at_extreme_values(statement: Statement, edition: str) -> None:
    """The slope of log width between two very hard problems, up to logarithms."""
    chosen = statement.edition(edition)
    limit = chosen.limit(q.m)
    assert limit is not None
    (term,) = order(statement, edition).terms
    formula = _at_worst(chosen, limit)
    base = {q.n: 10**40, q.lambda_0: Fraction(1, 10**40), q.delta: Fraction(1, 10**40), q.depth: 10**40}
    for (symbol, sign), exponent in zip(HARD.values(), term, strict=True):
        harder = {**base, symbol: base[symbol] * Fraction(10) ** (40 * sign)}
        here, there = (evaluate(formula, point).ball.log() for point in (base, harder))
        slope = float((there - here) / evaluate(sympy.log(10) * 40, {}).ball)
        assert slope == pytest.approx(float(exponent), abs=0.05), symbol


def test_the_known_orders() -> None:
    assert str(order(DESCENT, "printed")) == str(order(DESCENT, "explicit")) == "n^6 (1/lambda_0)^4 (1/delta)^3"
    assert str(order(DESCENT, "sharp")) == "n^4 (1/lambda_0)^4 1/delta"
    printed, corrected = str(order(RESNET, "printed")), str(order(RESNET, "corrected"))
    assert printed == "max(n^4 (1/lambda_0)^4 H^-6, n^2 (1/lambda_0)^2, n 1/delta)"
    assert corrected == printed.replace("H^-6", "H^-4")


def test_what_is_left_open_or_may_cancel_has_no_order() -> None:
    with pytest.raises(ValueError, match=r"does not specify 2\^O\(H\)"):
        order(theorem("du2019-deep-fc"), "printed")
    for formula in (q.n - q.n**2, 1 / (q.n + 1 / q.lambda_0), sympy.sin(q.n)):
        with pytest.raises(ValueError, match="growth"):
            _terms(formula)
    assert _terms(sympy.Integer(2) ** q.depth) == {(0, 0, 0, sympy.oo)}
    assert _terms(q.n**2 - q.n) == {(2, 0, 0, 0)}


def test_who_asks_less_and_where() -> None:
    cubic, square = made_up(q.n**3), made_up(q.n**2 / q.lambda_0**2)
    assert compare_orders(cubic, square).asks_less == "the first where n < (1/lambda_0)^2, the second where it is more"
    assert compare_orders(cubic, made_up(5 * q.n**3 * sympy.log(q.n))).asks_less == "neither: the orders are equal"
    assert compare_orders(made_up(q.n), square).asks_less == "the first, everywhere"
    both = Order(_tuple(q.n**3 + 1 / q.lambda_0)), Order(_tuple(q.n**2 + 1 / q.lambda_0**2))
    assert _asks_less(*both) == "it depends on which of their terms is the largest"
    sigma = q.quantity("sigma_order", "made up")
    assert compare_orders(cubic, made_up(q.n / sigma)).asks_less.startswith("undecided")


def _tuple(formula: sympy.Expr) -> tuple[tuple[sympy.Rational, ...], ...]:
    return tuple(_terms(formula))


def test_unlike_theorems_are_flagged_and_different_eigenvalues_never_ranked() -> None:
    assert list(flags(DESCENT, FLOW)) == ["dynamics differ: gradient descent against gradient flow"]
    unlike = compare_orders(DESCENT, RESNET)
    assert unlike.asks_less.startswith("not ranked") and "trained layers differ: first against all" in unlike.flags
    floor = made_up(q.n, concludes="error floor")
    assert "conclusions differ: exact fit against error floor" in flags(made_up(q.n, concludes="exact fit"), floor)


def test_implications_are_proved_or_refuted() -> None:
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    assert implies(DESCENT, DESCENT, "explicit", "improved").holds
    assert implies(DESCENT, FLOW, "explicit").holds
    refuted = implies(DESCENT, DESCENT, "improved", "explicit")
    assert refuted.fails and "eta" in refuted.reason
    assert implies(FLOW, DESCENT, "explicit").fails
    assert implies(DESCENT, RESNET, "explicit").undecided and implies(DESCENT, FLOW, "printed").undecided
