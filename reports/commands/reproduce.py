"""``zeroloss reproduce``: published experiments and promised laws, run again, as a page with figures and tables."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from reports.commands.console import progress, remark, resumable, show
from reports.commands.options import Flag, Whole, positive, require

if TYPE_CHECKING:
    from rich.console import Console

    from reports.reproductions import Reproductions

app = App(
    name="reproduce",
    help_epilogue="""Examples:
  zeroloss reproduce                          all of them, in a few minutes
  zeroloss reproduce su2019 ding2021 --out laws
  zeroloss reproduce --quick --out quick      small sizes, in seconds
  zeroloss reproduce drift --json""",
)


@app.default
def reproduce(
    *names: str,
    out: Path = Path("zeroloss-reproductions"),
    store: Path | None = None,
    quick: Flag = False,
    workers: Whole | None = None,
    json: Flag = False,
) -> None:
    """Run published experiments and promised laws again.

    Writes index.html, which needs no other file, reproductions.json, and the folder figures (SVG, PDF, pgfplots). Each
    paper's part has what is stated and where the words come from, the figure, and the measured numbers with their
    intervals beside the stated ones. Finished parts are kept in the folder runs: the same command takes them from
    there, also after Ctrl-C.

    Args:
        names: du2019, su2019, arora2019, drift, ding2021, liu2021, allenzhu2019, frontier, geometry; by default all
        out: the folder to write, new or that of an earlier call
        store: where finished parts are kept, in place of the folder runs
        quick: sizes that show that everything runs, not what the papers state
        workers: processes, by default the cores of this machine
        json: reproductions.json on standard output as well
    """
    require("torch", "distributed", "jinja2", "markupsafe", "latex2mathml", "matplotlib")
    positive(workers=workers)
    from empirical.reproductions import running
    from empirical.reproductions.listing import REPRODUCTIONS, known
    from empirical.store import Store
    from reports.output import check_folder
    from reports.reproductions import FILES, record, write_reproductions

    chosen = known(names) or tuple(REPRODUCTIONS)
    started = time.monotonic()
    check_folder(out, FILES)
    kept = Store(store or out / "runs")
    before = set(kept.keys())
    with progress() as advance, resumable(kept):
        results = running.reproduce(
            chosen,
            kept,
            quick=quick,
            workers=workers,
            progress=lambda done, total: advance("measuring", done, total),
        )
        advance("drawing", 0, 1)
        found = record(results, quick=quick, command=_command(names, quick))
        write_reproductions(found, out)
        advance("drawing", 1, 1)
    show(found, json, lambda console: _page(found, out, console))
    new = len(set(kept.keys()) - before)
    remark(f"{new} records are new in {kept.folder}; {time.monotonic() - started:.1f} s")


def _command(names: tuple[str, ...], quick: bool) -> str:
    """The command that writes the same page, without its folders."""
    return shlex.join(["zeroloss", "reproduce", *names, *(["--quick"] if quick else [])])


def _page(found: Reproductions, out: Path, console: Console) -> None:
    from reports.numerals import digits_of_measured

    for one in found.reproductions:
        console.print(f"{one.title}: {one.paper}")
        for row in (row for part in one.parts for row in part.rows):
            measured = digits_of_measured(row.measured, row.margin)
            console.print(f"  {row.quantity}, {row.at}: {measured}; stated: {row.promised}")
    if found.quick:
        console.print("quick sizes: they show that everything runs, not what the papers state")
    console.print(f"the page: {out / 'index.html'}")
