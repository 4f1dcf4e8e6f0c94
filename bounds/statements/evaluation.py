"""What an edition says about a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy

from bounds.arithmetic import Enclosure, Exact, Outcome, Verdict, conjunction, evaluate
from bounds.statements.clauses import Condition, Promise
from bounds.statements.editions import Edition
from bounds.statements.missing import missing

if TYPE_CHECKING:
    from bounds.statements.statement import Statement


@dataclass(frozen=True)
class Evaluation:
    """What an edition says about a problem: its conditions decided, its promises enclosed.

    Args:
        statement, edition: what was evaluated.
        conditions: each with its verdict.
        values: the numbers that entered.
        note: what the answer is conditional on.
    """

    statement: Statement
    edition: Edition
    conditions: tuple[tuple[Condition, Verdict], ...]
    values: Mapping[sympy.Symbol, Enclosure]
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the conditions hold together; never where a conclusion has a hidden constant.

        Their failure does not refute the conclusion.
        """
        together = conjunction(verdict for _, verdict in self.conditions)
        if together.holds and self.edition.hidden_constants:
            return Verdict(Outcome.UNDECIDED, reason="a constant of the conclusion is hidden")
        return together

    def promised(self, promise: Promise, **values: Enclosure | Exact) -> Enclosure | None:
        """Enclose the bound of a promise, or None where a quantity in it was not given.

        Args:
            promise: one of the edition's conclusions.
            values: further quantities by symbol name, such as ``k=100``.
        """
        known = {
            **self.values,
            **{s: Enclosure.of(values[str(s)]) for s in promise.bound.free_symbols if str(s) in values},
        }
        return None if missing(promise.bound, known) else evaluate(promise.bound, known)

    def __repr__(self) -> str:
        return f"Evaluation({self._heading})"

    def __reduce__(self) -> tuple[object, ...]:
        verdicts = {condition.name: verdict for condition, verdict in self.conditions}
        return _restored, (self.statement, self.edition.name, verdicts, dict(self.values), self.note)

    def __str__(self) -> str:
        rows = [f"  {condition.name}: {verdict}" for condition, verdict in self.conditions]
        notes = [f"  note: {self.note}"] if self.note else []
        return "\n".join([self._heading, *rows, *notes])

    @property
    def _heading(self) -> str:
        edition = f"{self.edition.name} edition ({self.edition.mark})"
        return f"{self.statement.name}, {edition}; conditions: {self.verdict.outcome}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{c.name}</td><td>\\({c.latex}\\)</td><td>{v.outcome}</td>"
            f"<td>{_text(v.left)}</td><td>{_text(v.right) or v.reason}</td></tr>"
            for c, v in self.conditions
        )
        return (
            f"<table><caption>{self._heading}</caption><thead><tr><th>condition</th>"
            f"<th>relation</th><th>verdict</th><th>left</th><th>right</th></tr></thead><tbody>{rows}</tbody></table>"
        )

    def _repr_latex_(self) -> str:
        rows = " \\\\ ".join(f"\\text{{{c.name}}} & {c.latex} & \\text{{{v.outcome}}}" for c, v in self.conditions)
        return f"$$\\begin{{array}}{{lll}} {rows} \\end{{array}}$$"


def _text(side: Enclosure | None) -> str:
    return "" if side is None else str(side)


def _restored(
    statement: Statement,
    edition: str,
    verdicts: Mapping[str, Verdict],
    values: Mapping[sympy.Symbol, Enclosure],
    note: str,
) -> Evaluation:
    chosen = statement.edition(edition)
    conditions = tuple((c, verdicts[c.name]) for c in chosen.assumes if c.name in verdicts)
    return Evaluation(statement, chosen, conditions, values, note)
