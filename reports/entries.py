"""From statements to the records that list them and show them in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sympy import Basic, Eq, Symbol

from bounds import quantities as q
from bounds.catalogue import paper_of, papers
from bounds.rendering import latex, plain
from bounds.statements import Edition, Paper, Statement
from reports.commands.records import (
    EditionEntry,
    ErrorEntry,
    Formula,
    StatementEntry,
    TheoremEntry,
    TheoremList,
    TheoremRow,
)
from reports.schema import ConditionRow, DataRow


def catalogue() -> TheoremList:
    """Every theorem, one line each."""
    return TheoremList(theorems=tuple(_row(s, paper) for paper in papers() for s in paper.statements if s.identifier))


def entry(statement: Statement) -> TheoremEntry:
    """One theorem of the catalogue and the lemmas of its proof, in full."""
    paper = paper_of(statement)
    *lemmas, _ = statement.graph()
    formulas = (formula for part in statement.graph() for edition in part.editions for formula in _formulas(edition))
    return TheoremEntry(
        theorem=_statement(statement),
        lemmas=tuple(map(_statement, lemmas)),
        symbols=tuple(Formula(q.MEANING[s], str(s), latex(s)) for s in _legend(formulas)),
        citation=paper.citation,
        remark=paper.remark,
        bibtex=paper.bibtex,
    )


def paper_statements(paper: Paper) -> tuple[StatementEntry, ...]:
    """All statements of a paper, in full."""
    return tuple(map(_statement, paper.statements))


def _row(statement: Statement, paper: Paper) -> TheoremRow:
    printed = statement.editions[0]
    widths = [c.relation for c in printed.assumes if c.relation is not None and c.relation.lhs == q.m]
    return TheoremRow(
        identifier=statement.identifier,
        name=statement.name,
        title=statement.title,
        citation=paper.citation,
        setting=statement.networks,
        dynamics=statement.dynamics,
        width="; ".join(map(plain, widths)).removeprefix("m = "),
        width_latex=r",\ ".join(map(latex, widths)),
        hidden=tuple(e.name for e in statement.editions if e.hidden_constants),
        explicit=tuple(e.name for e in statement.editions if not e.hidden_constants and [*_formulas(e)]),
        concludes=f"{statement.concludes}, linear rate" if printed.rate else str(statement.concludes),
        mark=str(printed.mark),
    )


def _statement(statement: Statement) -> StatementEntry:
    return StatementEntry(
        name=statement.name,
        title=statement.title,
        identifier=statement.identifier,
        setting=statement.networks,
        dynamics=statement.dynamics,
        concludes=statement.concludes or "",
        remark=statement.remark,
        editions=tuple(map(_edition, statement.editions)),
        errors=tuple(
            ErrorEntry(e.text, ConditionRow.of("as printed", "", e.counterexample()) if e.counterexample else None)
            for e in statement.errors
        ),
        rests_on=tuple(lemma.name for lemma in statement.rests_on),
    )


def _edition(edition: Edition) -> EditionEntry:
    return EditionEntry(
        name=edition.name,
        mark=str(edition.mark),
        reason=edition.reason,
        hidden_constants=tuple(map(str, edition.hidden_constants)),
        conditions=tuple(
            Formula(c.name, c.words if c.relation is None else plain(c.relation), c.latex) for c in edition.assumes
        ),
        promises=tuple(Formula(p.name, plain(p.relation), latex(p.relation)) for p in edition.conclusions),
        where=tuple(
            Formula(str(symbol), plain(formula), latex(Eq(symbol, formula))) for symbol, formula in edition.where
        ),
        radius=None if edition.radius is None else Formula("R", plain(edition.radius), latex(edition.radius)),
        events=tuple(DataRow(str(event.share), event.meaning) for event in edition.events),
        obligations=len(edition.obligations),
    )


def _formulas(edition: Edition) -> Iterator[Basic]:
    yield from (c.relation for c in edition.assumes if c.relation is not None)
    yield from (p.relation for p in edition.conclusions)
    yield from (event.share for event in edition.events)
    for symbol, formula in edition.definitions:
        yield from (symbol, formula)


def _legend(formulas: Iterable[Basic]) -> list[Symbol]:
    """The symbols that occur and have a meaning, in the order of :data:`bounds.quantities.MEANING`."""
    used = {symbol for formula in formulas for symbol in formula.free_symbols}
    return [symbol for symbol in q.MEANING if symbol in used]
