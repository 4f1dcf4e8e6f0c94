"""``zeroloss exponents``: how what was measured scales with a size, beside what a theorem says of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from reports.commands.console import show, table
from reports.commands.options import Flag, Probability, require

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from reports.commands.records import Exponents, PromisedExponent

SIZES = {"width": "m", "points": "n", "depth": "H L", "branches": "M", "first.least_eigenvalue": "lambda_0"}
"""Columns of sizes, and the names that theorems have for them."""

PROMISES = {"travel": "travel", "drift_from_start": "Gram drift", "least_eigenvalue": "least eigenvalue"}
"""Words in columns of what was measured, and the names of the promises about it."""

app = App(
    name="exponents",
    help_epilogue="""Examples:
  zeroloss exponents runs --of last.travel --size width
  zeroloss exponents runs --of last.travel --theorem du2019-two-layer
  zeroloss exponents runs --of first.least_eigenvalue --size points
  zeroloss exponents runs/runs.parquet --of last.loss --size depth --json""",
)


@app.default
def exponents(
    runs: Path = Path("zeroloss-sweep"),
    *,
    of: str = "last.loss",
    size: str = "width",
    by: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    theorem: str | None = None,
    edition: str = "explicit",
    confidence: Probability = 0.95,
    json: Flag = False,
) -> None:
    """Fit power laws to stored runs.

    Finished runs are told apart by what differs in their specification while three sizes share it. In each kind
    the logarithms of what was measured are averaged over runs of one size, and a line is fitted; the interval is
    Student's, from the scatter about the line, so that noise and curvature both widen it. A theorem's exponent is
    that of its bound with all else held fixed: a bound may be far from what happens.

    Args:
        runs: folder of runs, or the Parquet file of a sweep
        of: column of what was measured, such as last.travel or last.loss
        size: column of the size, such as width, points, depth, branches or first.least_eigenvalue
        by: columns that tell kinds of run apart, in place of all that can
        theorem: identifier of a theorem whose bound is set beside
        edition: printed, corrected, explicit, improved or sharp
        confidence: of the intervals
        json: JSON on standard output
    """
    require("polars")
    from empirical.exponents import exponents as fit
    from reports.commands.records import ExponentRow, Exponents

    promised = () if theorem is None else promises(theorem, edition, of, size)
    rows = []
    for group in fit(_table(runs), of, size, by=by, confidence=confidence):
        found = group.exponent
        rows.append(
            ExponentRow(
                kind=group.kind,
                runs=group.runs,
                sizes=found.sizes if found else 0,
                exponent=found.value if found else None,
                interval=(found.lower, found.upper) if found else None,
                reason=group.reason,
            )
        )
    record = Exponents(of=of, size=size, confidence=confidence, rows=tuple(rows), promised=promised)
    show(record, json, lambda console: _page(record, console))


def promises(theorem: str, edition: str, of: str, size: str) -> tuple[PromisedExponent, ...]:
    """The exponents in a size of what a theorem and its lemmas promise of a measured column.

    Raises:
        ValueError: the theorem, or what the column holds, is unknown, or nothing is promised of it.
    """
    from bounds.catalogue import theorem as find
    from empirical.scaling import promised_exponent
    from reports.commands.records import PromisedExponent

    statement = find(theorem)
    statement.edition(edition)
    wanted = next((promise for word, promise in PROMISES.items() if word in of.split(".")), None)
    if wanted is None or size not in SIZES:
        raise ValueError(
            f"no exponent of a theorem is known for {of} in {size}: columns of {', '.join(PROMISES)} in "
            f"{', '.join(SIZES)} have one; leave out --theorem"
        )
    found = []
    for one in statement.graph():
        for version in one.editions:
            for promise in version.promises:
                if version.name != edition or promise.name != wanted:
                    continue
                bound = version.expand(promise.bound, {})
                symbols = [s for s in sorted(bound.free_symbols, key=str) if str(s) in SIZES[size].split()]
                try:
                    exponent = promised_exponent(bound, symbols[0]) if symbols else 0.0
                except ValueError:
                    exponent = None
                found.append(PromisedExponent(f"{theorem}, {one.name} ({edition})", f"{promise.relation}", exponent))
    if not found:
        raise ValueError(f"{theorem} ({edition}) promises nothing about the {wanted}: leave out --theorem")
    return tuple(found)


def _table(runs: Path) -> pl.DataFrame:
    import polars as pl

    from empirical.results import table as tabulated

    if runs.suffix != ".parquet":
        found = tabulated(runs)
        if found.is_empty():
            raise ValueError(f"{runs} holds no finished runs: name the folder that `zeroloss sweep` filled")
        return found
    try:
        return pl.read_parquet(runs)
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"{runs}: no Parquet file ({str(error).splitlines()[0]}): give that of a sweep") from None


def _page(record: Exponents, console: Console) -> None:
    rows = [
        (
            ", ".join(f"{name} {value}" for name, value in row.kind.items() if value is not None) or "all",
            str(row.runs),
            str(row.sizes),
            row.reason if row.exponent is None else f"{row.exponent:.3g}",
            "" if row.interval is None else f"[{row.interval[0]:.3g}, {row.interval[1]:.3g}]",
        )
        for row in record.rows
    ]
    console.print(f"{record.of} as a power of {record.size}")
    interval = f"{100 * record.confidence:g} % interval"
    console.print(table(("runs with", "runs", "sizes", "exponent", interval), rows))
    for one in record.promised:
        says = "no power" if one.exponent is None else f"exponent {one.exponent:.4g}"
        console.print(f"{one.by}: {one.says}: {says}, all else fixed")
