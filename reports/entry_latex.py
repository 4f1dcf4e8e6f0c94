"""Statements in LaTeX: one in full, or all of them in a table."""

from __future__ import annotations

from collections.abc import Iterator

from reports.commands.records import TheoremEntry, TheoremList, TheoremRow
from reports.tables import FITTED, escape, needs, over_pages, sentence


def entry_latex(record: TheoremEntry) -> str:
    """The editions of a theorem, each as a paragraph with its conditions and promises (amsmath)."""
    return "\n".join((needs("amsmath"), *_paragraphs(record)))


def _paragraphs(record: TheoremEntry) -> Iterator[str]:
    statement = record.theorem
    yield f"% {record.citation}"
    for edition in statement.editions:
        yield rf"\paragraph{{{escape(statement.name)}, {edition.name} edition ({edition.mark}).}}"
        in_words = [c for c in edition.conditions if c.latex.startswith(r"\text")]
        said = "; ".join(sentence(": ".join(filter(None, (c.name, c.text)))) for c in in_words)
        assumed = [c.latex for c in edition.conditions if c not in in_words]
        yield from _clause(" ".join(filter(None, ("If", said, "and" if said and assumed else ""))), assumed)
        if edition.promises:
            yield from _clause("then", [p.latex for p in edition.promises])
        else:
            yield f"then, in words: {sentence(statement.title)}."
        radius = [] if edition.radius is None else [f"R = {edition.radius.latex}"]
        if defined := [*(d.latex for d in edition.where), *radius]:
            yield from _clause("where", defined)
        if edition.events:
            events = "; ".join(f"{sentence(e.name)}: {sentence(e.value)}" for e in edition.events)
            yield rf"The failure probability $\delta$ is split among $\delta_i$. {events}."


def _clause(words: str, formulas: list[str]) -> Iterator[str]:
    yield words
    if formulas:
        yield r"\begin{gather*}"
        yield " \\\\\n".join(f"  {formula}" for formula in formulas)
        yield r"\end{gather*}"


def list_latex(record: TheoremList) -> str:
    """All theorems as one table over several pages (booktabs, longtable), the width that each asks for below it."""
    columns = [rf"{share}\linewidth-\tabcolsep" for share in ("0.4", "0.6")]
    head = r"theorem & dynamics; conclusion; constants; mark \\"
    rows = (line for row in record.theorems for line in _row(row))
    return over_pages("amsmath,array,booktabs,graphicx", columns, head, rows)


def _row(row: TheoremRow) -> Iterator[str]:
    constants = "explicit" if row.explicit else "hidden" if row.hidden else "none"
    facts = "; ".join(escape(fact) for fact in (row.dynamics, row.concludes, constants, row.mark))
    yield rf"{escape(row.identifier)} & {facts} \\" + ("*" if row.width_latex else r"[2pt]")
    if row.width_latex:
        fitted = FITTED.replace(r"\linewidth", r"0.95\linewidth ").removesuffix("%")
        yield rf"\multicolumn{{2}}{{@{{}}l@{{}}}}{{\quad {fitted}$\displaystyle {row.width_latex}$}}}} \\[2pt]"
