"""What every entry of the catalogue must satisfy, paper by paper; a new paper needs no line here.

A paper ``bounds/papers/NAME.py`` has its tests in ``tests/bounds/papers/test_NAME.py``, which holds ``RETYPED`` (see
:mod:`tests.bounds.papers.retyped`) and, where its symbols need special numbers, ``RANGES``.
"""

from __future__ import annotations

import importlib
import re
from fractions import Fraction
from types import ModuleType

import pytest
import sympy

from bounds import quantities as q
from bounds.catalogue import modules, paper_of, papers
from bounds.proofs import prove_obligation
from bounds.quantities import Unspecified
from bounds.rendering import latex
from bounds.statements import Edition, Statement
from tests.bounds.papers.mutations import counterexamples, survivors
from tests.bounds.papers.retyped import clauses, differences, points, value

PAPERS = {module.__name__.rpartition(".")[2]: module for module in modules()}
SAMPLE = 40
"""Mutants of a paper that are tried here; ``python -m tests.bounds.papers.mutations NAME`` tries all."""


def companion(name: str) -> ModuleType:
    """The test file of a paper."""
    return importlib.import_module(f"tests.bounds.papers.test_{name}")


def editions(module: ModuleType) -> list[tuple[Statement, Edition]]:
    return [(statement, edition) for statement in module.PAPER.statements for edition in statement.editions]


@pytest.fixture(params=PAPERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_papers_are_found_and_cited(name: str) -> None:
    paper = PAPERS[name].PAPER
    assert paper in papers()
    assert paper.authors and paper.title and 1990 < paper.year < 2030 and (paper.venue or paper.arxiv)
    assert paper.bibtex.startswith(f"@{paper.kind}{{{paper.key},") and paper.bibtex.count("{") == paper.bibtex.count(
        "}"
    )
    assert all("," in author for author in paper.authors), "authors are written Surname, Given"
    for statement in paper.statements:
        assert {paper_of(lemma).key for lemma in statement.graph()} == {paper.key}, statement.name


def test_statements_are_complete(name: str) -> None:
    statements = PAPERS[name].PAPER.statements
    assert len({s.name for s in statements}) == len(statements)
    for statement in statements:
        assert statement.editions and str(statement.setting) and statement.setting.trained and statement.setting.loss
        assert len({e.name for e in statement.editions}) == len(statement.editions)
        order = ["printed", "corrected", "explicit", "improved", "sharp"]
        names = [e.name for e in statement.editions]
        assert names == sorted(names, key=order.index)
        if statement.identifier:
            assert statement.concludes is not None
            assert re.fullmatch(r"[a-z]+(\d{4})?-[a-z0-9-]+", statement.identifier)
    for statement, edition in editions(PAPERS[name]):
        where = (statement.name, edition.name)
        assert edition.name == "printed" or edition.reason, where
        assert len({c.name for c in edition.assumes}) == len(edition.assumes), where
        assert len({p.name for p in edition.conclusions}) == len(edition.conclusions), where
        for condition in edition.assumes:
            assert (condition.relation is None) != (condition.test is None), where
        shares = [event.share for event in edition.events]
        assert len(set(shares)) == len(shares) and all(share in q.MEANING for share in shares), where


def test_theorems_on_descent_say_how_small_its_step_is(name: str) -> None:
    for statement, edition in editions(PAPERS[name]):
        if statement.identifier and "descent" in statement.dynamics:
            bounds = [c for c in edition.assumes if c.relation is not None and q.eta in c.relation.free_symbols]
            words = [c for c in edition.assumes if c.name == "step size" or " eta " in c.words]
            assert bounds or words, (statement.name, edition.name)


def test_theorems_on_random_networks_say_with_which_probability(name: str) -> None:
    for statement, edition in editions(PAPERS[name]):
        is_drawn = re.search(r"N\(|random|Gaussian", str(statement.setting))
        if statement.identifier and is_drawn and edition.name in ("printed", "corrected"):
            said = f"{statement.remark} {edition.reason}"
            assert edition.is_random() or "probability" in said, (statement.name, edition.name)


def test_symbols_have_a_meaning_and_one_name_each(name: str) -> None:
    for statement, edition in editions(PAPERS[name]):
        where = (statement.name, edition.name)
        symbols = [s for s in edition.symbols if not isinstance(s, q.Unspecified)]
        assert len({str(s) for s in symbols}) == len(symbols), where
        assert all(str(s).isidentifier() for s in symbols), where
        named = [s for s in symbols if s not in edition.hidden_constants]
        assert all(s in q.MEANING for s in named), (where, [s for s in named if s not in q.MEANING])
        for promise in edition.conclusions:
            assert promise.measured.free_symbols, where
            assert promise.measured.free_symbols <= set(q.MEANING), where


def test_every_edition_is_set_in_latex(name: str) -> None:
    for _, edition in editions(PAPERS[name]):
        for formula in (*edition.assumes, *edition.conclusions):
            if formula.relation is not None:
                written = latex(formula.relation)
                assert "\\mathbb" not in written  # that would need more packages than amsmath
                assert written.count("{") == written.count("}") and "Symbol" not in written


def test_every_formula_is_the_one_that_was_typed_a_second_time(name: str) -> None:
    test = companion(name)
    at = points(PAPERS[name], getattr(test, "RANGES", {}))
    assert len(at) >= 3
    assert differences(PAPERS[name], test.RETYPED, at) == []


def test_mutants_are_noticed(name: str) -> None:
    test = companion(name)
    count, alive = survivors(PAPERS[name], test.RETYPED, getattr(test, "RANGES", {}), sample=SAMPLE)
    assert count > 5
    assert len(alive) <= 0.05 * count, alive


def test_counterexamples_refute_the_printed_text(name: str) -> None:
    assert counterexamples(PAPERS[name], companion(name).RETYPED) == []


def test_both_solvers_prove_every_obligation(name: str) -> None:
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    if name.startswith("du2019_two_layer"):
        return  # their own test file does, and changes the constants behind them one by one
    for statement, edition in editions(PAPERS[name]):
        for obligation in edition.obligations:
            proof = prove_obligation(obligation)
            where = (statement.name, edition.name, obligation.name)
            assert proof.status == "proved by z3 and cvc5", (where, proof.status)
            assert proof.planted.counterexample is not None, where


HARDER = {"n": 2, "lambda_0": Fraction(1, 2), "delta": Fraction(1, 2), "e_0": 2}
"""By what a symbol is multiplied to make the problem harder."""


def test_required_widths_grow_as_the_problem_gets_harder(name: str) -> None:
    """More inputs, a smaller least eigenvalue, delta or larger residual: never less width, never a larger step."""
    test = companion(name)
    for statement, edition in editions(PAPERS[name]):
        for symbol in (q.m, q.eta):
            limit = edition.limit(symbol)
            limit = None if limit is None else edition.expand(limit, {})
            if limit is None or any(isinstance(s, Unspecified) for s in limit.free_symbols):
                continue
            for point in points(PAPERS[name], getattr(test, "RANGES", {})):
                here = value(limit, point)
                for harder, factor in HARDER.items():
                    names = [s for s in point if s == harder or harder == "delta" and s.startswith("delta_")]
                    there = value(limit, {s: p * factor if s in names else p for s, p in point.items()})
                    less = (there.ball < here.ball) if symbol == q.m else (there.ball > here.ball)
                    assert not less, (statement.name, edition.name, str(symbol), harder)


def test_identifiers_are_unique() -> None:
    identifiers = [s.identifier for paper in papers() for s in paper.statements if s.identifier]
    assert len(set(identifiers)) == len(identifiers)


def test_every_paper_has_a_test_file() -> None:
    assert all(clauses(module) and companion(name).RETYPED for name, module in PAPERS.items())


def test_two_papers_may_use_one_letter_for_two_things() -> None:
    depth, constant = q.quantity("L", "made up: depth", integer=True), q.quantity("L", "made up: constant")
    assert depth != constant and depth == q.quantity("L", "made up: depth", integer=True)
    assert q.MEANING[depth] != q.MEANING[constant]
    assert sympy.simplify((depth * constant) / constant) == depth
    for symbol in (depth, constant):
        del q.MEANING[symbol]
