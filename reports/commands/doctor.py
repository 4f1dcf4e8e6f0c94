"""``zeroloss doctor``: what the proofs assume of this machine, tested on it."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from reports.commands.console import progress, show, table
from reports.commands.options import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from bounds.doctor import Assumption
    from reports.commands.records import Diagnosis, LibraryRow
    from reports.schema import DataRow


COUNTED = {"holds": "hold", "allowed": "allowed", "fails": "FAIL", "undecided": "undecided", "skipped": "skipped"}

app = App(
    name="doctor",
    help_epilogue="""Examples:
  zeroloss doctor
  zeroloss doctor --explain
  zeroloss doctor --json > machine.json             to go with a bug report""",
)


@app.default
def doctor(*, explain: Flag = False, json: Flag = False) -> int:
    """Test on this machine what the proofs assume of it.

    Looks for counterexamples: rounding, subnormal numbers and precision of this thread and of BLAS threads, numpy's
    operations, Arb's balls, the solvers, and torch where it is installed. A test that passes supports an assumption,
    one that fails refutes it. Exits with 0 if none fails, 1 if one fails, 3 if one could not be tested.

    Args:
        explain: of every assumption, how it is tested and what rests on it; else only of those that do not hold
        json: JSON on standard output
    """
    from bounds.doctor import check
    from reports.commands.records import CheckRow, Diagnosis

    rows = []
    with progress() as advance:
        todo = _assumptions()
        for done, assumption in enumerate(todo):
            advance("testing", done, len(todo))
            found = check(assumption)
            rows.append(CheckRow(found.name, found.tested, found.meaning, found.outcome, found.seen, found.mend))
        advance("testing", len(todo), len(todo))
    outcomes = {row.outcome for row in rows}
    record = Diagnosis(
        verdict="fails" if "fails" in outcomes else "undecided" if "undecided" in outcomes else "holds",
        checks=tuple(rows),
        machine=tuple(_machine()),
        libraries=tuple(_libraries()),
    )
    show(record, json, lambda console: _page(record, console, explain=explain))
    return {"holds": 0, "fails": 1, "undecided": 3}[record.verdict]


def _assumptions() -> tuple[Assumption, ...]:
    """What proofs assume, and what runs assume where torch is installed."""
    from bounds.doctor import Assumption, Finding, assumptions

    if find_spec("torch") is not None:
        try:
            from empirical.machine import assumptions as of_torch
        except (ImportError, OSError) as error:
            seen = Finding("undecided", f"torch does not load: {error}")
        else:
            return (*assumptions(), *of_torch())
    else:
        seen = Finding("skipped", "not installed: torch")
    torch = Assumption(
        "torch computes as runs assume",
        "repeated runs and products",
        "measured runs; no proof",
        'pip install "zeroloss[empirical]"',
        lambda: seen,
    )
    return (*assumptions(), torch)


def _machine() -> Iterator[DataRow]:
    """Interpreter, processor, and the BLAS that numpy and scipy were built with and have loaded."""
    import flint
    import numpy
    import scipy

    from reports.schema import DataRow

    yield DataRow("Python", f"{platform.python_version()} ({platform.python_implementation()}), {platform.platform()}")
    yield DataRow("processor", f"{platform.machine()}, {os.cpu_count()} cores")
    yield DataRow("FLINT", flint.__FLINT_VERSION__)
    for library in (numpy, scipy):
        config: dict[str, Any] = library.show_config(mode="dicts")
        blas = config["Build Dependencies"]["blas"]
        built = blas.get("openblas configuration") or f"{blas.get('name', 'unknown')} {blas.get('version', '')}"
        yield DataRow(f"BLAS of {library.__name__}, as built", built.strip())
    if find_spec("threadpoolctl") is None:
        yield DataRow("BLAS, as loaded", "unknown: pip install threadpoolctl")
        return
    from threadpoolctl import threadpool_info

    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            what = f"{pool['internal_api']} {pool['version']}, {pool.get('architecture', 'unknown')} kernels"
            yield DataRow("BLAS, as loaded", f"{what}, threads: {pool['num_threads']}; {Path(pool['filepath']).name}")


def _libraries() -> Iterator[LibraryRow]:
    """Every library that the package asks for, whether or not it is there."""
    from reports.commands.records import LibraryRow

    for requirement in metadata.requires("zeroloss") or ():
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if name is None or name[0] == "zeroloss" or (extra and extra[1] == "all"):
            continue
        try:
            version = metadata.version(name[0])
        except metadata.PackageNotFoundError:
            version = ""
        install = f'pip install "zeroloss[{extra[1]}]"' if extra else "pip install --force-reinstall zeroloss"
        yield LibraryRow(name[0], version, extra[1] if extra else "", install)


def _page(record: Diagnosis, console: Console, *, explain: bool) -> None:
    from rich.padding import Padding

    console.print(table(("assumed", "outcome", "seen"), ((c.name, c.outcome, c.seen) for c in record.checks)))
    for row in record.checks:
        if row.mend or explain:
            mend = f"\nmend: {row.mend}" if row.mend else ""
            console.print(f"{row.outcome}: {row.name}", style="bold")
            console.print(Padding(f"tested: {row.tested}\nrests on it: {row.meaning}{mend}", (0, 0, 0, 2)))
    console.print(table(("machine", ""), ((row.name, row.value) for row in record.machine)))
    rows = (
        (row.name, row.version or "absent", row.extra or "core", "" if row.version else row.install)
        for row in record.libraries
    )
    console.print(table(("library", "version", "extra", "to install"), rows))
    counts = ((sum(row.outcome == outcome for row in record.checks), words) for outcome, words in COUNTED.items())
    said = ", ".join(f"{count} {words}" for count, words in counts if count)
    console.print(f"{len(record.checks)} assumptions: {said}")
