"""A comparison in the terminal: what is asked, what was measured, and where the width is lost."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

from reports.commands.console import digits, table
from reports.commands.own_networks import promises
from reports.numerals import decades
from reports.schema import Comparison, Ledger

if TYPE_CHECKING:
    from rich.console import RenderableType


def as_text(comparison: Comparison) -> str:
    """The summary in 100 columns of plain text."""
    written = StringIO()
    console = Console(file=written, width=100, markup=False, highlight=False, emoji=False, no_color=True)
    for part in summary(comparison):
        console.print(part)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def summary(comparison: Comparison) -> Iterator[RenderableType]:
    """Widths and steps, runs, the ledger of each edition, and both sides of what was promised of other networks."""
    yield comparison.title
    yield from (f"note: {note}" for note in comparison.notes)
    rows = [
        (f"{row.statement}, {row.edition}", digits(row.width, ">="), digits(row.step_size, "<="))
        for row in comparison.editions
        if row.identifier and row.width is not None
    ]
    if comparison.least_width is not None:
        rows.append(("measured", digits(comparison.least_width.interval), "-"))
    yield table(("edition", "width", "step"), rows)
    runs = ((run.label, run.edition, run.condition, run.conclusion) for run in comparison.runs)
    yield table(("run", "edition", "condition", "conclusion, measured"), runs)
    yield from map(_ledger, comparison.ledgers)
    for one in comparison.own_networks:
        for edition in one.editions:
            yield (
                f"{one.identifier}, {edition.edition} edition, on its own networks; conditions there: "
                f"{edition.condition} by certified numbers, {edition.condition_measured} with the run's own"
            )
            yield promises(edition)


def _ledger(ledger: Ledger) -> RenderableType:
    """Where the proof gives width away, step by step."""
    rows = [("required", "", "", digits(ledger.start))]
    rows += [
        (
            f"{step.lemma}: {step.what}",
            f"{digits(step.promised)} / {digits(step.measured)}",
            decades(step.decades, step.decades),
            digits(step.width_after),
        )
        for step in ledger.steps
    ]
    unexplained = decades(ledger.remainder, ledger.remainder)
    rows.append(("not explained by these steps", "", unexplained, digits(ledger.end)))
    title = f"where {ledger.statement}, {ledger.edition}, gives width away"
    return table(("step of the proof", "promised / measured", "decades", "width left"), rows, title=title)
