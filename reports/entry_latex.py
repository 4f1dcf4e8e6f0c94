"""Statements in LaTeX: one in full, or all of them in a table."""

from __future__ import annotations

from collections.abc import Iterator

from reports.commands.records import TheoremEntry, TheoremList
from reports.tables import escape, needs, sentence


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
    """All theorems as one table (booktabs and amsmath)."""
    rows = (
        " & ".join(
            (
                escape(row.identifier),
                escape(row.dynamics),
                f"${row.width_latex}$" if row.width_latex else "--",
                "explicit" if row.explicit else "hidden",
                escape(row.concludes),
                escape(row.mark),
            )
        )
        + r" \\"
        for row in record.theorems
    )
    head = r"theorem & dynamics & width & constants & concludes & mark \\"
    return "\n".join(
        (
            needs("amsmath,booktabs"),
            r"\begin{tabular}{llllll}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
        )
    )
