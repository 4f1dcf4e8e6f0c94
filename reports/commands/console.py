"""What the commands write: records as JSON, tables for eyes, progress and one-line messages on standard error."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import msgspec
    from rich.console import Console, RenderableType

    from empirical.store import Store
    from reports.schema import Number

Progress = Callable[[str, float, float], None]
"""Called with what is being done, how much of it is done, and how much there is."""

QUIET_SECONDS = 5.0
"""Between two lines of progress where standard error is no terminal."""


def complain(message: str, code: int) -> int:
    """Write one line to standard error and return the exit code."""
    print(f"zeroloss: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


def remark(message: str) -> None:
    """Write a line that is no result to standard error."""
    print(message, file=sys.stderr, flush=True)


def show(record: msgspec.Struct, as_json: bool, page: Callable[[Console], None]) -> None:
    """Write a result to standard output, as JSON or for eyes.

    Args:
        record: the result.
        as_json: whether to write JSON.
        page: writes the result for eyes.
    """
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(record), indent=2).decode())
    else:
        page(console())


def console() -> Console:
    """Standard output for eyes: 80 columns unless the terminal says otherwise, brackets taken literally."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | RenderableType]], *, title: str = "") -> RenderableType:
    """A table that needs no colour: ruled head, text wrapped inside its cells."""
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold", no_wrap=column in ("theorem", "verdict"))
    for row in rows:
        drawn.add_row(*row)
    return drawn


def digits(number: Number | None, relation: str = "") -> str:
    """A number of a record: the digits that both its ends round to, else both ends, rounded outwards.

    Args:
        number: from the record, or None where there is none; one that rests on an assumption is marked with ~.
        relation: written before the number, such as ``<=``.
    """
    if number is None:
        return "-"
    low, high = (end + 0.0 for end in number.bounds)  # a zero has no sign
    if math.isnan(low + high):
        text = "unknown"
    elif low == high:
        text = f"{low:.0f}" if low.is_integer() and abs(low) < 1e7 else f"{low:.6g}"
    elif number.kind == "enclosed" and f"{low:.5e}" == f"{high:.5e}":
        text = f"{low:.6g}"
    else:
        text = f"[{_rounded(low, ROUND_FLOOR)}, {_rounded(high, ROUND_CEILING)}]"
    return f"{relation} {'~' if number.assumption else ''}{text}".lstrip()


def _rounded(value: float, rounding: str) -> str:
    if math.isinf(value):
        return str(value)
    return f"{Context(prec=6, rounding=rounding).create_decimal(Decimal(value)):g}"


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress on standard error, that of long proofs included: bars on a terminal, else a line now and then."""
    from bounds.progress import listening

    with _bars() if sys.stderr.isatty() else nullcontext(_lines()) as advance, listening(advance):
        yield advance


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, markup=False, highlight=False),
        transient=True,
    )
    tasks = {}
    with bars:

        def advance(stage: str, done: float, total: float) -> None:
            if stage not in tasks and done < total:
                for earlier in bars.tasks:
                    bars.update(earlier.id, completed=earlier.total)
                tasks[stage] = bars.add_task(stage)
            if stage in tasks:
                bars.update(tasks[stage], completed=done, total=total)

        yield advance


def _lines() -> Progress:
    began: dict[str, float] = {}
    said: dict[str, float] = {}

    def advance(stage: str, done: float, total: float) -> None:
        now = time.monotonic()
        if done >= total or now - said.get(stage, -math.inf) < QUIET_SECONDS:
            return
        if stage in said:
            left = f", about {duration((now - began[stage]) * (total / done - 1))} left" if done > 0 else ""
            remark(f"{stage}: {done / total:.0%}{left}")
        else:
            began[stage] = now
            remark(f"{stage} ...")
        said[stage] = now

    return advance


def duration(seconds: float) -> str:
    """A time for eyes."""
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"


@contextmanager
def resumable(store: Store | None) -> Iterator[None]:
    """Say on Ctrl-C where finished work stays."""
    try:
        yield
    except KeyboardInterrupt:
        kept = "no run is kept; --store DIR would keep those that finish"
        if store is not None:
            kept = f"finished runs stay in {store.folder}, and the same command resumes from them"
        raise KeyboardInterrupt(f"interrupted: {kept}") from None
