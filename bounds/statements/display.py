"""How a statement shows itself, in plain text and in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import sympy

from bounds.rendering import latex, plain
from bounds.statements.clauses import Condition, Promise
from bounds.statements.editions import Edition

if TYPE_CHECKING:
    from bounds.statements.statement import Statement


def as_text(statement: Statement) -> str:
    """The statement with all its editions, a line for each clause."""
    return "\n".join(_lines(statement))


def as_html(statement: Statement) -> str:
    """The statement with all its editions, a table for each, formulas for MathJax."""
    heading = f"<p><b>{escape(_name(statement))}</b>: {escape(statement.title)}<br>{escape(_speaks_of(statement))}</p>"
    return heading + "".join(
        f"<p>{_heading(edition)}</p>{_table(edition, statement.title)}" for edition in statement.editions
    )


def _lines(statement: Statement) -> Iterator[str]:
    yield f"{_name(statement)}: {statement.title}"
    yield _speaks_of(statement)
    for edition in statement.editions:
        yield _heading(edition)
        for word, clause in _clauses(edition):
            formula = getattr(clause, "words", "") if clause.relation is None else plain(clause.relation)
            yield f"  {word} {clause.name}" + (f": {formula}" if formula else "")
        if not edition.conclusions:
            yield f"  then in words: {statement.title}"
        for symbol, formula in edition.definitions:
            yield f"  where {symbol} = {plain(formula)}"


def _table(edition: Edition, title: str) -> str:
    rows = [
        (word, clause.name, getattr(clause, "words", "") if clause.relation is None else _math(latex(clause.relation)))
        for word, clause in _clauses(edition)
    ]
    rows += [] if edition.conclusions else [("then", "in words", title)]
    rows += [("where", "", _math(latex(sympy.Eq(symbol, formula)))) for symbol, formula in edition.definitions]
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    return f"<table><tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table>"


def _clauses(edition: Edition) -> Iterator[tuple[str, Condition | Promise]]:
    yield from (("if", condition) for condition in edition.assumes)
    yield from (("then", promise) for promise in edition.conclusions)


def _name(statement: Statement) -> str:
    return f"{statement.name} ({statement.identifier})" if statement.identifier else statement.name


def _speaks_of(statement: Statement) -> str:
    return f"{statement.networks}; {statement.dynamics}"


def _heading(edition: Edition) -> str:
    hidden = ", ".join(map(str, edition.hidden_constants))
    return f"{edition.name} edition ({edition.mark}{f'; hidden constants {hidden}' if hidden else ''})"


def _math(formula: str) -> str:
    return rf"\({formula}\)"
