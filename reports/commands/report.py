"""``zeroloss report``: the comparison of theory and training on one data set, as a page, tables, figures and JSON."""

from __future__ import annotations

import shlex
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from reports.commands.console import progress, remark, resumable, show
from reports.commands.options import DEFAULT_DATA, DataOptions, Flag, require

if TYPE_CHECKING:
    from rich.console import Console

    from reports.schema import Comparison

app = App(
    name="report",
    help_epilogue="""Examples:
  zeroloss report                           50 digits, into zeroloss-report
  zeroloss report --quick --data sphere:n=20,d=10 --out sphere
  zeroloss report --data mine.csv --target price --n 100 --delta 0.05 --out mine
  zeroloss report --labels random --theorems du2019-two-layer --out random""",
)


@app.default
def report(
    *,
    options: DataOptions = DEFAULT_DATA,
    theorems: str | None = None,
    out: Path = Path("zeroloss-report"),
    store: Path | None = None,
    quick: Flag = False,
    full: Flag = False,
    json: Flag = False,
) -> None:
    """Hold theory against training on one data set.

    Writes index.html, which needs no other file, report.json, and the folders tables and figures. Finished runs are
    kept in the folder runs: the same command takes them from there, also after Ctrl-C.

    Args:
        options: which data
        theorems: identifiers, separated by commas; of any family, each beside a run of its own networks
        out: the folder to write, new or that of an earlier report
        store: where runs are kept, in place of the folder runs
        quick: short runs and a short search
        full: long runs, a tight search, and the paper's own experiment
        json: report.json on standard output as well
    """
    require("torch", "jinja2", "markupsafe", "latex2mathml", "matplotlib")
    if quick and full:
        raise ValueError("--quick and --full exclude each other: give one of them")
    from bounds.catalogue import theorem

    names = None if theorems is None else tuple(part.strip() for part in theorems.split(","))
    for name in names or ():
        theorem(name)
    started = time.monotonic()
    problem, data = options.load()
    from empirical.store import Store
    from reports.comparison import THEOREMS, compare
    from reports.output import check_folder, write_report

    check_folder(out)
    runs = Store(store or out / "runs")
    before = set(runs.keys())
    with progress() as advance, resumable(runs):
        comparison = compare(
            problem,
            title=f"{options.data}, {problem.n} points",
            data=data,
            effort="quick" if quick else "full" if full else "default",
            theorems=names or THEOREMS,
            seed=options.seed,
            store=runs,
            progress=advance,
            commands=(_command(options, theorems, quick, full),),
        )
        advance("writing", 0, 1)
        write_report(comparison, out)
        advance("writing", 1, 1)
    show(comparison, json, lambda console: _page(comparison, out, console))
    after = set(runs.keys())
    remark(
        f"{len(before & after)} runs and tested widths were in {runs.folder} before, {len(after - before)} are new; "
        f"{time.monotonic() - started:.1f} s"
    )


def _command(options: DataOptions, theorems: str | None, quick: bool, full: bool) -> str:
    """The command that writes the same report, without its folders."""
    given = [(f.name, getattr(options, f.name)) for f in fields(options) if getattr(options, f.name) != f.default]
    given += [("theorems", theorems)] if theorems is not None else []
    words = [word for name, value in given for word in (f"--{name}", str(value))]
    return shlex.join(["zeroloss", "report", *words, *(["--quick"] if quick else []), *(["--full"] if full else [])])


def _page(comparison: Comparison, out: Path, console: Console) -> None:
    from reports.summary import summary

    for part in summary(comparison):
        console.print(part)
    console.print(f"the page: {out / 'index.html'}")
