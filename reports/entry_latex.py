"""Statements in LaTeX: one in full, or all of them in a table."""

from __future__ import annotations

from collections.abc import Iterator

from reports.commands.records import TheoremEntry, TheoremList
from reports.tables import escape


def entry_latex(record: TheoremEntry) -> str:
    """The editions of a theorem, each as a paragraph with its conditions and promises (amsmath)."""
    return "\n".join(_paragraphs(record))


def _paragraphs(record: TheoremEntry) -> Iterator[str]:
    statement = record.theorem
    yield f"% {record.citation}"
    for edition in statement.editions:
        yield rf"\paragraph{{{escape(statement.name)}, {edition.name} edition ({edition.mark}).}}"
        words = [rf"\text{{{escape(c.name)}}}" for c in edition.conditions if c.latex.startswith(r"\text")]
        assumed = [*words, *(c.latex for c in edition.conditions if not c.latex.startswith(r"\text"))]
        promised, defined = [p.latex for p in edition.promises], [d.latex for d in edition.where]
        for word, formulas in (("If", assumed), ("then", promised), ("where", defined)):
            if formulas:
                yield word
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
        (r"\begin{tabular}{llllll}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}")
    )
