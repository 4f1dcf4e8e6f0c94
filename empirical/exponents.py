"""Scaling exponents of stored runs: a power law fitted to a column of their table, for each kind of run by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from empirical.scaling import Exponent, scaling_exponent
from empirical.store import Scalar

if TYPE_CHECKING:
    import polars as pl

_NOT_A_KIND = ("key", "verdict", "reason", "seed")
"""Columns that tell runs of one kind apart, beside what was measured of them."""

_FEWEST = 3
"""Different sizes that an exponent with an interval needs."""


@dataclass(frozen=True)
class FittedGroup:
    """The exponent of runs of one kind.

    Args:
        kind: what of their specification tells them from those of other groups.
        runs: their number.
        exponent: with its interval; None where there is none.
        reason: why there is none, or empty.
    """

    kind: dict[str, Scalar]
    runs: int
    exponent: Exponent | None
    reason: str = ""


def exponents(
    table: pl.DataFrame, of: str, size: str, *, by: Sequence[str] | None = None, confidence: float = 0.95
) -> list[FittedGroup]:
    """Fit ``of = C size^a`` to the finished runs of a table.

    Args:
        table: of :func:`empirical.results.table`, or read from the Parquet file of a sweep.
        of: the column of what was measured.
        size: the column of the size.
        by: columns that tell kinds of run apart. By default every column of the specification one of whose values
            leaves at least three sizes; what changes with the size itself, such as the inputs where n does, is averaged
            over.
        confidence: of the intervals, which are those of :func:`~empirical.scaling.scaling_exponent`.

    Returns:
        An exponent for each kind.

    Raises:
        ValueError: there is no such column of numbers, or no finished run has both.
    """
    for name in (of, size):
        if name not in table.columns or not table[name].dtype.is_numeric():
            numbers = [c for c in table.columns if table[c].dtype.is_numeric()]
            raise ValueError(f"no column {name!r} of numbers: choose from {', '.join(numbers)}")
    for name in by or ():
        if name not in table.columns:
            raise ValueError(f"no column {name!r}: choose from {', '.join(table.columns)}")
    runs = table
    if "verdict" in runs.columns:
        runs = runs.filter(runs["verdict"] == "finished")
    runs = runs.filter(runs[of].is_not_null() & runs[size].is_not_null())
    if runs.is_empty():
        raise ValueError(f"no finished run has both {of} and {size}")
    kinds = list(by) if by is not None else _kinds(runs, of, size)
    if not kinds:
        return [_fitted({}, runs, of, size, confidence)]
    groups = runs.group_by(kinds, maintain_order=True)
    return [_fitted(dict(zip(kinds, values, strict=True)), some, of, size, confidence) for values, some in groups]


def _kinds(runs: pl.DataFrame, of: str, size: str) -> list[str]:
    """The columns of the specification that vary while the size does not, so that some value leaves enough sizes.

    One such value is enough: were all needed, a single run at another value would be averaged with the others.
    """
    import polars as pl

    found = []
    for name in runs.columns:
        if name in (of, size, *_NOT_A_KIND) or name.startswith(("first.", "last.")) or runs[name].n_unique() < 2:
            continue
        sizes = runs.group_by(name).agg(pl.col(size).n_unique().alias("sizes"))["sizes"]
        if max(sizes.to_list()) >= _FEWEST:
            found.append(name)
    return found


def _fitted(kind: dict[str, Scalar], runs: pl.DataFrame, of: str, size: str, confidence: float) -> FittedGroup:
    try:
        exponent = scaling_exponent(runs[size].to_numpy(), runs[of].to_numpy(), confidence=confidence)
    except ValueError as error:
        return FittedGroup(kind, runs.height, None, str(error))
    return FittedGroup(kind, runs.height, exponent)
