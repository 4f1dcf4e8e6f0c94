"""The transcription of Du et al. (2019): values computed independently, monotonicity, implications, counterexamples."""

from __future__ import annotations

from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
import sympy
from flint import arb
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from bounds import Problem, theorem
from bounds import quantities as q
from bounds.arithmetic import Enclosure, compare, evaluate, exact_ball
from bounds.papers import du2019_two_layer as descent
from bounds.papers import du2019_two_layer_flow as flow
from bounds.papers import du2019_two_layer_gram as gram
from bounds.statements import Statement
from tests.bounds.papers.test_du2019_two_layer_flow import IMPROVED, needed_width, travelled
from tests.bounds.papers.test_du2019_two_layer_gram import chernoff, few_flips, hoeffding, markov, markov_radius

DESCENT, FLOW, JOINT = theorem("du2019-two-layer"), theorem("du2019-two-layer-flow"), theorem("du2019-two-layer-joint")

mp = mpmath.mp


def _descent(v):
    return 1 - v.eta * v.lambda_0 / 2


PAPER_TRAVEL = travelled(lambda v: 4 * mp.sqrt(v.n))
_SHARP_RADIUS = lambda v: mp.sqrt(2 * mp.pi) * v.lambda_0 / (64 * v.X * mp.sqrt(v.n))  # noqa: E731

RETYPED = {
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "if few flips"): ("m >=", few_flips),
    ("*", "*", "event delta_3"): ("e_0 <=", lambda v: mp.sqrt((v.Y**2 + v.n / 2) / v.delta_3)),
    ("*", "*", "then neurons near a kink"): ("N <=", markov),
    ("*", "*", "link 3"): ("P <=", lambda v: v.N),
    ("*", "*", "link 4"): ("G_k <=", lambda v: 2 * v.n * v.P),
    ("Corollary 4.1", "printed", "if the rate so far"): ("e_k**2 <=", lambda v: _descent(v) ** v.k * v.e_0**2),
    ("Corollary 4.1", "improved", "if the rate so far"): ("e_k <=", lambda v: _descent(v) ** v.k * v.e_0),
    ("Corollary 4.1", "printed", "then travel"): ("W_k <=", PAPER_TRAVEL),
    ("Corollary 4.1", "improved", "then travel"): ("W_k <=", IMPROVED),
    ("Lemma 4.1", "printed", "if radius"): ("R <=", lambda v: v.c * v.lambda_0 / v.n**2),
    ("Lemma 4.1", "printed", "then neurons near a kink"): ("N <=", lambda v: v.C * v.n * v.R / v.delta),
    ("Lemma 4.1", "explicit", "radius"): ("R =", markov_radius(32)),
    ("Lemma 4.1", "sharp", "then neurons near a kink"): ("N <=", lambda v: 2 * v.n * mp.sqrt(2 / mp.pi) * v.R),
    ("Lemma 4.1", "sharp", "radius"): ("R =", _SHARP_RADIUS),
    ("Theorem 4.1", "printed", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 / v.n**2),
    ("Theorem 4.1", "printed", "if width"): ("m >=", lambda v: v.C * v.n**6 / (v.lambda_0**4 * v.delta**3)),
    ("Theorem 4.1", "*", "then convergence"): ("e_k**2 <=", lambda v: _descent(v) ** v.k * v.e_0**2),
    ("Theorem 4.1", "improved", "then convergence"): ("e_k <=", lambda v: _descent(v) ** v.k * v.e_0),
    ("Theorem 4.1", "sharp", "then convergence"): ("e_k <=", lambda v: _descent(v) ** v.k * v.e_0),
    ("Theorem 4.1", "explicit", "if step size"): ("eta <=", lambda v: v.lambda_0 / (2 * v.n**2)),
    ("Theorem 4.1", "*", "if step size"): ("eta <=", lambda v: 1 / v.X**2),
    ("Theorem 4.1", "explicit", "if initial Gram"): ("m >=", hoeffding),
    ("Theorem 4.1", "*", "if initial Gram"): ("m >=", chernoff),
    ("Theorem 4.1", "explicit", "if travel below radius"): ("m >", needed_width(8192, lambda v: v.n**5, delta=2)),
    ("Theorem 4.1", "improved", "if travel below radius"): (
        "m >",
        needed_width(2048, lambda v: v.X**2 * v.n**4, delta=2),
    ),
    ("Theorem 4.1", "sharp", "if travel below radius"): ("m >", needed_width(8192, lambda v: v.X**4 * v.n)),
    ("Theorem 4.1", "explicit", "then travel"): ("W_k <=", PAPER_TRAVEL),
    ("Theorem 4.1", "*", "then travel"): ("W_k <=", IMPROVED),
    ("Theorem 4.1", "*", "then Gram drift"): ("G_k <=", lambda v: v.lambda_0 / 8),
    ("Theorem 4.1", "sharp", "then Gram drift"): ("G_k <=", lambda v: 4 * v.F * mp.sqrt(2 / mp.pi) * v.R),
    ("Theorem 4.1", "*", "then least eigenvalue"): ("lambda_k >=", lambda v: 5 * v.lambda_0 / 8),
    ("Theorem 4.1", "sharp", "then neurons near a kink"): ("N <=", lambda v: 2 * v.n * mp.sqrt(2 / mp.pi) * v.R),
    ("Theorem 4.1", "*", "radius"): ("R =", markov_radius(32)),
    ("Theorem 4.1", "sharp", "radius"): ("R =", _SHARP_RADIUS),
    ("Theorem 4.1", "explicit", "link 1"): ("W_k <=", PAPER_TRAVEL),
    ("Theorem 4.1", "*", "link 1"): ("W_k <=", IMPROVED),
    ("Theorem 4.1", "*", "link 2"): ("N <=", markov),
    ("Theorem 4.1", "sharp", "link 2"): ("N_max <=", lambda v: 2 * mp.sqrt(2 / mp.pi) * v.R),
    ("Theorem 4.1", "sharp", "link 3"): ("P_max <=", lambda v: v.N_max),
    ("Theorem 4.1", "sharp", "link 4"): ("G_k <=", lambda v: 2 * v.F * v.P_max),
}
"""Every formula of the file a second time; see :mod:`tests.bounds.papers.retyped`."""


def instance(inputs: np.ndarray, squared_residual: int) -> tuple[Problem, Enclosure]:
    """A problem at delta = 1/10 (as stored) with a chosen squared initial residual."""
    labels = np.array([(-1.0) ** i for i in range(len(inputs))])
    return Problem(inputs, labels, delta=0.1), Enclosure(exact_ball(squared_residual).sqrt())


def truth(inputs: list[list[str]], squared_residual: int) -> dict[str, mpf]:
    """Every width from the definitions, in mpmath at 50 digits, with delta_1 = delta_2 = 1/20."""
    with mpmath.workdps(50):
        rows = [mpmath.matrix([mpf(entry) for entry in row]) for row in inputs]
        rows = [row / mpmath.norm(row) for row in rows]
        n = len(rows)
        cosines = mpmath.matrix(n, n)
        limit = mpmath.matrix(n, n)
        for i in range(n):
            for j in range(n):
                c = mpf(1) if i == j else (rows[i].T * rows[j])[0]
                cosines[i, j], limit[i, j] = c, c * (mpmath.pi - mpmath.acos(c)) / (2 * mpmath.pi)
        lam = min(mpmath.eigsy(limit, eigvals_only=True))
        s = max(mpmath.eigsy(cosines, eigvals_only=True))
        f2 = sum(cosines[i, j] ** 2 for i in range(n) for j in range(n))
        e2, share = mpf(squared_residual), mpf(0.1) / 2
        flow_radius, descent_radius = (mpmath.sqrt(2 * mpmath.pi) * share * lam / (c * n**2) for c in (16, 32))
        flow_sharp = mpmath.sqrt(2 * mpmath.pi) * lam / (32 * mpmath.sqrt(f2))
        descent_sharp = mpmath.sqrt(2 * mpmath.pi) * lam / (64 * mpmath.sqrt(s * n))
        return {
            "hoeffding_paper": 8 * n**2 * mpmath.log(n * (n + 1) / share) / lam**2,
            "hoeffding": 8 * f2 * mpmath.log(n * (n + 1) / share) / lam**2,
            "chernoff": s * mpmath.log(n / share) / ((mpf(1) / 4 + mpf(3) / 4 * mpmath.log(mpf(3) / 4)) * lam),
            # travel below radius, solved for m: the radius and the travel of each argument from its own definition
            "flow_width": 4 * n * e2 / (lam * flow_radius) ** 2,
            "flow_width_improved": 4 * s * e2 / (lam * flow_radius) ** 2,
            "flow_width_sharp": 4 * s * e2 / (lam * flow_sharp) ** 2,
            "descent_width": 16 * n * e2 / (lam * descent_radius) ** 2,
            "descent_width_improved": 4 * s * e2 / (lam * descent_radius) ** 2,
            "descent_width_sharp": 4 * s * e2 / (lam * descent_sharp) ** 2,
        }


WIDTHS = {
    "hoeffding_paper": gram.hoeffding_paper,
    "hoeffding": gram.hoeffding,
    "chernoff": gram.chernoff,
    "flow_width": flow.width,
    "flow_width_improved": flow.width_improved,
    "flow_width_sharp": flow.width_sharp,
    "descent_width": descent.width,
    "descent_width_improved": descent.width_improved,
    "descent_width_sharp": descent.width_sharp,
}
INSTANCES = [
    ([["1", "0", "0", "0"], ["0", "1", "0", "0"], ["0", "0", "1", "0"], ["0", "0", "0", "1"]], 6),
    ([["1", "0"], ["3", "4"]], 3),
    ([["1", "2", "2"], ["-2", "1", "2"], ["4", "0", "3"], ["0", "-5", "12"], ["8", "-15", "0"]], 7),
]


@pytest.mark.parametrize(("inputs", "squared_residual"), INSTANCES)
def test_widths_contain_values_computed_from_the_definitions(inputs: list[list[str]], squared_residual: int) -> None:
    problem, residual = instance(np.array(inputs, dtype=np.float64), squared_residual)
    values = DESCENT.edition("improved").values(problem, initial_residual=residual)
    for name, expected in truth(inputs, squared_residual).items():
        enclosure = evaluate(WIDTHS[name], values)
        with flint.ctx.workprec(256):
            assert enclosure.ball.overlaps(
                arb(mpmath.nstr(expected, 40), arb(mpmath.nstr(expected * mpf(10) ** -30, 5)))
            )
        assert enclosure.upper - enclosure.lower <= 1e-12 * enclosure.upper


def test_published_golden_values() -> None:
    """Thresholds worked out by hand for four orthonormal inputs and for two inputs at cosine 0.6."""
    problem, residual = instance(np.eye(4), 6)
    values = DESCENT.edition("improved").values(problem, initial_residual=residual)
    for name, golden in (
        ("chernoff", 255.9711),
        ("hoeffding", 766.9075),
        ("flow_width_improved", 1.6021061e9),
        ("descent_width", 1.0253479e11),
        ("descent_width_improved", 6.4084245e9),
        ("flow_width_sharp", 250329.08),
        ("descent_width_sharp", 1001316.3),
    ):
        assert evaluate(WIDTHS[name], values).midpoint == pytest.approx(golden, rel=1e-7)
    problem, residual = instance(np.array([[1.0, 0.0], [3.0, 4.0]]), 3)
    assert problem.least_eigenvalue.midpoint == pytest.approx(0.28855017059, abs=1e-11)
    assert DESCENT.width(problem, "sharp", initial_residual=residual).midpoint == pytest.approx(5777579.7, rel=1e-7)
    assert DESCENT.width(problem, "explicit", initial_residual=residual).midpoint == pytest.approx(
        1.4443949e10, rel=1e-7
    )


def test_all_in_width_of_the_explicit_edition() -> None:
    """With delta split in three: max of 8 n^2 log(3 n(n+1)/delta)/l^2 and 221184/pi n^5 (|y|^2 + n/2)/(l^4 delta^3)."""
    problem, _ = instance(np.eye(4), 6)
    width = DESCENT.width(problem)
    with flint.ctx.workprec(256):
        exact = 221184 / arb.pi() * 4**5 * 6 / (arb(0.5) ** 4 * arb(0.1) ** 3)
        assert width.ball.overlaps(exact)


def test_every_printed_theorem_gives_a_lower_estimate_and_never_holds() -> None:
    problem, _ = instance(np.eye(4), 6)
    for statement in (DESCENT, FLOW, JOINT):
        width = statement.width(problem, "printed")
        assert "lower estimate" in width.assumption
        assert not statement.check(problem, width=10**60, step_size=1e-30, edition="printed").verdict.holds
    assert "upper estimate" in DESCENT.step_size(problem, "printed").assumption
    assert DESCENT.width(problem, "printed").contains(4**6 * 2**4 * 1000) or DESCENT.width(
        problem, "printed"
    ).midpoint == pytest.approx(4**6 * 2**4 * 1000, rel=1e-12)


@pytest.mark.parametrize("statement", [DESCENT, FLOW, JOINT], ids=lambda s: s.identifier)
@pytest.mark.parametrize("edition", ["explicit", "sharp"])
def test_the_width_meets_its_own_conditions_and_a_hair_less_does_not(statement: Statement, edition: str) -> None:
    problem, _ = instance(np.eye(4), 6)
    least = statement.width(problem, edition)
    above, below = int(least.upper * (1 + 1e-9)) + 1, int(least.lower * (1 - 1e-9))
    step = None if statement is not DESCENT else statement.step_size(problem, edition).lower
    assert statement.check(problem, width=above, step_size=step, edition=edition).verdict.holds
    assert statement.check(problem, width=below, step_size=step, edition=edition).verdict.fails


def test_a_step_a_hair_above_the_limit_fails() -> None:
    problem, _ = instance(np.eye(4), 6)
    limit = DESCENT.step_size(problem, "explicit")
    for factor, holds in ((1 - 2**-30, True), (1 + 2**-30, False)):
        verdict = DESCENT.check(problem, width=10**14, step_size=limit.midpoint * factor).verdict
        assert verdict.holds is holds and verdict.fails is not holds


positive = st.fractions(min_value=Fraction(1, 100), max_value=10, max_denominator=100)
eigenvalues = st.fractions(min_value=Fraction(1, 1000), max_value=Fraction(1, 2), max_denominator=1000)
deltas = st.fractions(min_value=Fraction(1, 1000), max_value=Fraction(1, 3), max_denominator=1000)


def values(n: int, lam: Fraction, delta: Fraction, residual: Fraction, norm: Fraction) -> dict[sympy.Symbol, Enclosure]:
    """Invariants that a problem can have: 1 <= ||X||^2 <= n, n <= ||XX^T||_F^2 <= n ||X||^2."""
    squared = 1 + (n - 1) * norm
    shares = dict.fromkeys((q.delta_1, q.delta_2, q.delta_3, q.delta_4), delta / 4)
    chosen = {q.n: n, q.lambda_0: lam, q.delta: delta, q.e_0: residual, **shares}
    return {
        **{symbol: Enclosure.of(value) for symbol, value in chosen.items()},
        q.X_norm: Enclosure(exact_ball(squared).sqrt()),
        q.F: Enclosure(exact_ball(n * squared).sqrt()),
    }


unit = st.fractions(min_value=0, max_value=1, max_denominator=50)


@given(st.integers(2, 60), eigenvalues, deltas, positive, unit)
def test_widths_grow_with_inputs_and_residual_and_fall_with_eigenvalue_and_delta(
    n: int, lam: Fraction, delta: Fraction, residual: Fraction, norm: Fraction
) -> None:
    here = values(n, lam, delta, residual, norm)
    for name, expression in WIDTHS.items():
        base = evaluate(expression, here)
        more = values(n + 1, lam, delta, residual, norm)
        assert compare(evaluate(expression, more), ">", base).holds, name
        harder = values(n, lam * Fraction(9, 10), delta, residual, norm)
        assert compare(evaluate(expression, harder), ">", base).holds, name
        surer = values(n, lam, delta * Fraction(9, 10), residual, norm)
        assert not compare(evaluate(expression, surer), "<", base).holds, name
        larger = values(n, lam, delta, residual * Fraction(11, 10), norm)
        assert not compare(evaluate(expression, larger), "<", base).holds, name


@given(st.integers(2, 60), eigenvalues, deltas, positive, unit)
def test_the_printed_route_asks_for_at_least_what_the_improved_one_does(
    n: int, lam: Fraction, delta: Fraction, residual: Fraction, norm: Fraction
) -> None:
    here = values(n, lam, delta, residual, norm)
    for more, less in (
        (flow.width, flow.width_improved),
        (descent.width, descent.width_improved),
        (gram.hoeffding_paper, gram.hoeffding),
        (flow.travel_paper, flow.travel_improved),
        (descent.travel_paper, flow.travel_paper),
        (gram.radius, descent.radius),
    ):
        left, right = (evaluate(side, {**here, q.m: Enclosure.of(1000)}) for side in (more, less))
        assert not compare(left, "<", right).holds, (more, less)


@given(st.integers(2, 60), eigenvalues, deltas, positive, unit)
def test_at_the_width_of_each_edition_travel_equals_radius(
    n: int, lam: Fraction, delta: Fraction, residual: Fraction, norm: Fraction
) -> None:
    here = values(n, lam, delta, residual, norm)
    for width, travel, radius in (
        (flow.width, flow.travel_paper, gram.radius),
        (flow.width_improved, flow.travel_improved, gram.radius),
        (flow.width_sharp, flow.travel_improved, gram.radius_sharp),
        (descent.width, descent.travel_paper, descent.radius),
        (descent.width_improved, flow.travel_improved, descent.radius),
        (descent.width_sharp, flow.travel_improved, descent.radius_sharp),
    ):
        m = evaluate(width, here)
        moved = evaluate(travel, {**here, q.m: m})
        allowed = evaluate(radius, here)
        assert moved.ball.overlaps(allowed.ball), width
        wider = evaluate(travel, {**here, q.m: Enclosure(m.ball * 2)})
        assert compare(wider, "<", allowed).holds, width


def test_shares_of_delta() -> None:
    problem, residual = instance(np.eye(4), 6)
    edition = DESCENT.edition("explicit")
    even = edition.values(problem)
    assert even[q.delta_1].ball.overlaps(even[q.delta_3].ball)
    assert q.delta_3 not in edition.values(problem, initial_residual=residual)
    wide = DESCENT.width(problem, shares={q.delta_1: 0.001, q.delta_2: 0.06, q.delta_3: 0.03})
    assert compare(wide, "<", DESCENT.width(problem)).holds
    for shares in ({q.delta_1: 0.05, q.delta_2: 0.05, q.delta_3: 0.05}, {q.delta_1: -0.1}, {q.delta_4: 0.01}):
        with pytest.raises(ValueError):
            DESCENT.width(problem, shares=shares)


def test_every_statement_is_complete() -> None:
    statements = [s for part in (gram, flow, descent) for s in part.PAPER.statements]
    names = [statement.name for statement in statements]
    assert len(set(names)) == len(names)
    for statement in statements:
        assert statement.editions[0].name == "printed"
        for edition in statement.editions:
            assert edition.name == "printed" or edition.reason, (statement.name, edition.name)
            for promise in edition.promises:
                assert promise.measured in q.MEANING, promise
            for condition in edition.assumes:
                assert (condition.relation is None) != (condition.test is None)
    assert {s.name for s in DESCENT.graph()} >= {"Lemma 3.1", "Lemma 3.2", "Lemma 4.1", "Corollary 4.1", "Theorem 3.1"}
