"""The proof status that the report shows beside every edition."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from sympy import Ge

from bounds.papers import du2019_two_layer_gram as paper
from bounds.quantities import m
from bounds.statements import Condition, Statement
from empirical.store import Store
from reports import proving

SHARP = paper.initial_gram.edition("sharp")


def lemma(*editions: object) -> Statement:
    return replace(paper.initial_gram, editions=editions)


def statuses(statement: Statement, store: Store | None = None) -> dict[tuple[str, str], str]:
    return proving.proof_statuses([statement], store=store, progress=lambda stage, done, total: None)


def test_a_proved_edition_says_by_whom_and_a_changed_constant_is_refuted() -> None:
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    width = next(c for c in SHARP.assumes if c.name == "width")
    narrower = Condition("width", Ge(m, 99 * width.relation.rhs / 100))
    wrong = replace(SHARP, assumes=tuple(narrower if c is width else c for c in SHARP.assumes))
    assert "z3 and cvc5" in statuses(lemma(SHARP))["Lemma 3.1", "sharp"]
    assert "refuted" in statuses(lemma(wrong))["Lemma 3.1", "sharp"]


def test_a_status_is_kept_with_the_runs_under_the_exact_obligations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    store = Store(tmp_path)
    first = statuses(lemma(SHARP), store)
    monkeypatch.setattr("bounds.proofs.prove_obligations", None)  # any proof would fail
    assert statuses(lemma(SHARP), store) == first
    with pytest.raises(TypeError), monkeypatch.context() as other:
        other.setattr(proving, "CODE", "of another version")
        statuses(lemma(SHARP), store)
    with pytest.raises(TypeError):
        statuses(lemma(paper.initial_gram.edition("improved")), store)


def test_without_solvers_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(proving, "version", absent)
    assert statuses(lemma(SHARP))["Lemma 3.1", "sharp"] == proving.NOT_CHECKED


def test_editions_without_algebra_have_no_status() -> None:
    assert statuses(lemma(paper.initial_gram.edition("printed"))) == {}
