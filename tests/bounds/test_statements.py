"""Statements as data: editions, limits, conditions, implicit widths, rendering, and the catalogue."""

from __future__ import annotations

import math
import pickle
import re
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from bounds import Problem, theorem, theorems
from bounds import quantities as q
from bounds.arithmetic import Enclosure, compare, evaluate, large_constant, small_constant
from bounds.catalogue import paper_of, papers
from bounds.implicit import least_solution
from bounds.rendering import latex
from bounds.settings import TwoLayer
from bounds.statements import EPSILON, Condition, Edition, Mark, Promise, Rate, Statement, hypothesis

PROBLEM = Problem(np.eye(3), np.array([1.0, -1.0, 2.0]), delta=0.125)


def statement(*assumes: Condition) -> Statement:
    edition = Edition("explicit", Mark.REDERIVED, assumes=assumes)
    return Statement("Theorem", "made up", TwoLayer(), "gradient descent", (edition,))


def test_the_limit_is_the_most_demanding_condition() -> None:
    made_up = statement(
        Condition("a", sympy.Ge(q.m, 10 * q.n)),
        Condition("b", sympy.Gt(q.m, q.n**4)),
        Condition("c", sympy.Le(q.eta, 1 / q.n)),
        Condition("d", sympy.Le(q.eta, q.lambda_0)),
    )
    assert made_up.width(PROBLEM).contains(81)
    assert made_up.step_size(PROBLEM).contains(Fraction(1, 3))


def test_a_strict_condition_fails_at_equality_and_another_holds() -> None:
    made_up = statement(Condition("strict", sympy.Gt(q.m, q.n**2)), Condition("not strict", sympy.Ge(q.m, q.n**2)))
    strict, loose = made_up.check(PROBLEM, width=9).conditions
    assert strict[1].fails and loose[1].holds


def test_a_condition_on_what_was_not_given_is_undecided() -> None:
    made_up = statement(Condition("step", sympy.Le(q.eta, 1)), Condition("width", sympy.Ge(q.m, 2)))
    answer = made_up.check(PROBLEM, width=5)
    assert answer.verdict.undecided
    assert "not given: step size" in str(answer)


@pytest.mark.parametrize(
    ("width", "step"), [(0, 0.1), (-4, 0.1), (math.inf, 0.1), (4, 0.0), (4, -1.0), (4, math.nan), (4, math.inf)]
)
def test_widths_and_steps_must_be_positive_and_finite(width: int, step: float) -> None:
    with pytest.raises(ValueError, match="must be positive|no exact number"):
        statement().check(PROBLEM, width=width, step_size=step)


@pytest.mark.parametrize("residual", [-1e-9, math.inf, math.nan, Enclosure.between(-1.0, 1.0)])
def test_a_measured_residual_must_be_the_norm_of_something(residual: float) -> None:
    with pytest.raises(ValueError, match="initial residual|no exact number"):
        theorem("du2019-two-layer").check(PROBLEM, width=10**12, step_size=1e-9, initial_residual=residual)


def test_numpy_integers_are_widths() -> None:
    made_up = statement(Condition("width", sympy.Ge(q.m, 2)))
    assert made_up.check(PROBLEM, width=np.int64(3)).verdict.holds


def test_no_shares_given_is_an_even_split() -> None:
    descent = theorem("du2019-two-layer")
    assert descent.width(PROBLEM, shares={}).ball.overlaps(descent.width(PROBLEM).ball)


def test_a_hidden_constant_in_a_conclusion_never_holds() -> None:
    edition = Edition(
        "printed", Mark.READ, promises=(Promise("travel", sympy.Le(q.travel, large_constant("C") / q.n)),)
    )
    made_up = Statement("Lemma", "made up", TwoLayer(), "any weights", (edition,))
    assert made_up.check(PROBLEM, edition="printed").verdict.undecided


def test_a_lemma_whose_hypothesis_is_about_the_run_is_undecided_without_one() -> None:
    for lemma in theorem("du2019-two-layer").graph():
        if lemma.name in ("Corollary 4.1", "Lemma 4.1"):
            assert lemma.check(PROBLEM, width=1, step_size=1e6, edition="printed").verdict.undecided


def test_unknown_editions_and_absent_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of explicit"):
        statement().width(PROBLEM, "exlicit")
    with pytest.raises(ValueError, match="sets no bound on width"):
        statement().width(PROBLEM)


def test_an_evaluation_prints_itself() -> None:
    answer = theorem("du2019-two-layer").check(PROBLEM, width=10, step_size=0.01, initial_residual=2.0)
    assert "for the measured norm of the initial residual" in str(answer)
    html, tex = answer._repr_html_(), answer._repr_latex_()
    assert html.count("<tr>") == len(answer.conditions) + 1 and html.count("<td>") == 5 * len(answer.conditions)
    assert tex.count(r"\\") == len(answer.conditions) - 1
    assert "fails" in html and "fails" in tex


def test_a_statement_shows_its_clauses_and_no_functions() -> None:
    made_up = statement(Condition("few", sympy.Ge(q.m, 3)), hypothesis("clean", "labels have no noise & no <b>"))
    assert str(made_up).splitlines()[2:] == [
        "explicit edition (re-derived)",
        "  if few: m >= 3",
        "  if clean: labels have no noise & no <b>",
        "  then in words: made up",
    ]
    html = made_up._repr_html_()
    assert r"<td>\(m \geq 3\)</td>" in html and "no noise &amp; no &lt;b&gt;" in html and "<td>made up</td>" in html
    answer = made_up.check(PROBLEM, width=5)
    assert repr(answer) == "Evaluation(Theorem, explicit edition (re-derived); conditions: undecided)"
    for found in theorems():
        assert len(repr(found)) < 300 and found.identifier in repr(found) and "<" not in repr(found.editions)
        assert "function" not in str(found.setting) and "function" not in repr(found.setting)
        for edition in found.editions:
            assert str(found).count(f"{edition.name} edition") == found._repr_html_().count(f"{edition.name} edition")


def test_statements_and_answers_go_to_other_processes() -> None:
    for found in theorems():
        for part in found.graph():
            assert pickle.loads(pickle.dumps(part)) is part
    found = theorem("du2019-two-layer")
    for residual in (None, 2.0):
        answer = found.check(PROBLEM, width=10, step_size=0.01, initial_residual=residual)
        there = pickle.loads(pickle.dumps(answer))
        assert (
            str(there) == str(answer)
            and there.edition is answer.edition
            and there._repr_html_() == answer._repr_html_()
        )
        promise = answer.edition.conclusions[0]
        assert str(there.promised(promise, k=3)) == str(answer.promised(promise, k=3)) != "None"


def test_a_theorem_wants_a_problem_and_the_catalogue_a_name() -> None:
    found = theorem("du2019-two-layer")
    for ask in (found.width, found.step_size, found.check):
        with pytest.raises(TypeError, match="applied to a bounds.Problem.X, y., not to ndarray"):
            ask(np.eye(3))  # type: ignore[operator]
    with pytest.raises(TypeError, match="an identifier is text"):
        theorem(found)  # type: ignore[arg-type]


@given(st.integers(1, 10**4), st.fractions(min_value=Fraction(1, 100), max_value=10**6, max_denominator=100))
def test_implicit_widths_agree_with_a_root_finder(factor: int, scale: Fraction) -> None:
    x = sympy.Symbol("x", positive=True)
    scale = max(scale, Fraction(2))
    expression = scale * sympy.log((factor + 3) * x)
    enclosure = least_solution(expression, x, {})
    with mpmath.workdps(40):
        c, a = mpmath.mpf(scale.numerator) / scale.denominator, factor + 3
        # x = c log(a x): the larger root, by the lower branch of Lambert's function
        root = -c * mpmath.lambertw(-1 / (a * c), -1).real
        assert mpmath.mpf(enclosure.lower) <= root <= mpmath.mpf(enclosure.upper)
    assert enclosure.upper <= enclosure.lower * (1 + 1e-8)


def test_an_implicit_width_is_the_last_crossing_not_the_first() -> None:
    """For delta near 1, x >= a log(x / delta) holds at x = 1, fails later, and holds for good at the end."""
    x = sympy.Symbol("x", positive=True)
    expression = 1024 * sympy.log(x / q.delta)
    enclosure = least_solution(expression, x, {q.delta: 1 - 2.0**-30})
    assert enclosure.lower > 9000
    small = least_solution(sympy.log(2 * x), x, {})
    assert small.lower <= 1.0 and small.upper == pytest.approx(3.0)


def test_an_implicit_width_is_a_solution_and_a_hair_less_is_not() -> None:
    joint = theorem("du2019-two-layer-joint")
    width = joint.width(PROBLEM)
    for value, holds in ((width.upper, True), (width.lower, False)):
        verdicts = [
            condition.decide(PROBLEM, {**joint.edition("explicit").values(PROBLEM), q.m: Enclosure.of(value)})
            for condition in joint.edition("explicit").assumes
        ]
        assert all(v.holds for v in verdicts) is holds


def test_the_duration_inverts_the_rate() -> None:
    for power in (1, 2):
        rate = Rate(1 - q.eta * q.lambda_0 / 2, power, q.k)
        values = {q.eta: Fraction(1, 4), q.lambda_0: Fraction(1, 2), EPSILON: Fraction(1, 1000)}
        steps = evaluate(rate.duration, values)
        curve = rate.promise.bound
        at = {**values, q.e_0: 3}
        for k, below in ((int(steps.upper) + 1, True), (int(steps.lower) - 1, False)):
            fallen = evaluate((curve / q.e_0**power) ** sympy.Rational(2, power), {**at, q.k: k})
            assert compare(fallen, "<=", Fraction(1, 1000)).holds is below


def test_a_promise_knows_its_sides() -> None:
    promise = Promise("travel", sympy.Le(q.travel, 4 / q.m))
    assert promise.measured == q.travel and promise.bound == 4 / q.m


def test_hidden_constants_are_set_as_orders() -> None:
    assert latex(sympy.Ge(q.m, large_constant("C") * q.n**6)) == r"m = \Omega\left(n^{6}\right)"
    assert latex(sympy.Le(q.eta, small_constant("c") / q.n)) == r"\eta = O\left(\frac{1}{n}\right)"
    assert latex(sympy.sqrt(2 * sympy.pi) * q.R).count(r"\sqrt{2\pi}") == 1
    assert r"\lVert X\rVert^{2}" in latex(sympy.Le(q.eta, 1 / q.S))


def test_the_catalogue_finds_every_theorem_and_its_paper() -> None:
    identifiers = [t.identifier for t in theorems()]
    assert len(set(identifiers)) == len(identifiers) and "du2019-two-layer" in identifiers
    for found in theorems():
        paper = paper_of(found)
        assert paper in papers()
        year = re.search(r"\d{4}", found.identifier)  # of the preprint, or of publication
        assert found.identifier.startswith("baseline-") or (year and 0 <= paper.year - int(year[0]) <= 2)
        assert {paper_of(lemma).key for lemma in found.graph()} == {paper.key}
        *before, last = found.graph()
        assert last is found
        for position, lemma in enumerate([*before, last]):
            assert all(any(rest is earlier for earlier in before[:position]) for rest in lemma.rests_on)
    with pytest.raises(ValueError, match="did you mean.*du2019-two-layer"):
        theorem("du2018-two-layer")


def test_bibtex_names_every_author() -> None:
    for paper in papers():
        assert all(author in paper.bibtex for author in paper.authors)
        assert paper.bibtex.count("{") == paper.bibtex.count("}")
