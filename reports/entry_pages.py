"""Statements as HTML pages and as Markdown for the documentation: one theorem, all of them, or one paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from bounds.statements import Paper
from reports.commands.records import StatementEntry, TheoremEntry, TheoremList
from reports.drawing import stylesheet
from reports.entries import paper_statements
from reports.page import environment


def entry_html(record: TheoremEntry) -> str:
    """A theorem and every lemma of its proof as one page that fetches nothing."""
    title = f"{record.theorem.name} ({record.theorem.identifier})"
    return _render(title=title, entry=record, statements=[record.theorem, *record.lemmas], rows=[])


def list_html(record: TheoremList) -> str:
    """All theorems in a table, as one page that fetches nothing."""
    return _render(title="Theorems", entry=None, statements=[], rows=record.theorems)


def _render(**parts: Any) -> str:
    return environment().get_template("theorem.html").render(variables=Markup(stylesheet()), **parts)


def paper_markdown(paper: Paper) -> str:
    """A paper with every statement in every edition, as a page of the documentation (MyST Markdown)."""
    return "\n".join(_paper(paper)) + "\n"


def list_markdown(record: TheoremList, pages: Sequence[str]) -> str:
    """The table of all theorems, as a page of the documentation over the pages of the papers."""
    rows = (
        " | ".join(
            (
                f"| `{row.identifier}`",
                f"{_words(row.setting)}; {row.dynamics}",
                f"${row.width_latex}$" if row.width_latex else "",
                ", ".join(row.explicit) or "none",
                row.concludes,
                f"{row.mark} |",
            )
        )
        for row in record.theorems
    )
    return "\n".join(
        (
            "# Theorems\n",
            "Width, conclusion and mark are those of the first edition. In an explicit edition all constants are "
            "numbers. Kinds of conclusion are not ranked against each other.\n",
            "| theorem | setting and dynamics | width | explicit editions | concludes | mark |",
            "|---|---|---|---|---|---|",
            *rows,
            "\n```{toctree}\n:maxdepth: 1\n",
            *pages,
            "```\n",
        )
    )


def _paper(paper: Paper) -> Iterator[str]:
    yield f"# {paper.title}{paper.part and f': {paper.part}'}\n"
    yield f"{paper.citation}.\n"
    if paper.remark:
        yield f"{paper.remark}\n"
    for statement in paper_statements(paper):
        yield from _statement(statement)
    yield f"## BibTeX\n\n```bibtex\n{paper.bibtex}\n```"


def _statement(statement: StatementEntry) -> Iterator[str]:
    identifier = f": `{statement.identifier}`" if statement.identifier else ""
    yield f"## {statement.name}{identifier}\n"
    yield f"{_sentence(statement.title)} {_sentence('; '.join((statement.setting, statement.dynamics)))}\n"
    if statement.concludes:
        yield f"Concludes: {statement.concludes}.\n"
    if statement.remark:
        yield f"*Note.* {_words(statement.remark)}\n"
    for error in statement.errors:
        shown = f" A counterexample is evaluated: it {error.counterexample.verdict}." if error.counterexample else ""
        yield f"*On the printed text.* {_words(error.text)}{shown}\n"
    for edition in statement.editions:
        hidden = ", ".join(f"`{name}`" for name in edition.hidden_constants)
        yield f"### {edition.name.capitalize()} edition of {statement.name}\n"
        yield f"Provenance: {edition.mark}; {f'hidden constants {hidden}' if hidden else 'explicit constants'}.\n"
        for kind, formulas in (("If", edition.conditions), ("Then", edition.promises)):
            for formula in formulas:
                words = formula.latex.startswith(r"\text")
                said = (
                    f": {_words(formula.text)}" if words and formula.text else "" if words else f": ${formula.latex}$"
                )
                yield f"- {kind} *{formula.name}*{said}"
        if not edition.promises:
            yield f"- Then, in words: {_words(statement.title)}"
        yield from (f"- Where ${definition.latex}$" for definition in edition.where)
        if edition.radius is not None:
            yield f"- Radius: $R = {edition.radius.latex}$"
        for event in edition.events:
            yield f"- Spends `{event.name}`: {_words(event.value)}"
        yield ""
        if edition.reason:
            yield f"{_words(edition.reason)}\n"


def _sentence(text: str) -> str:
    return f"{_words(text[:1].upper() + text[1:])}."


def _words(text: str) -> str:
    """Escape what Markdown would take for markup in the plain formulas of a sentence."""
    return "".join(f"\\{c}" if c in r"\*_|$<>[]`#~^{}" else c for c in text)
