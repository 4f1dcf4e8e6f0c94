"""``zeroloss sweep``: every run of a grid file, on this machine's cores or on a Dask cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from reports.commands.console import duration, progress, remark, resumable, show, table
from reports.commands.options import Flag, Whole, positive, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from empirical.store import Store
    from empirical.sweeps import CellPlan
    from reports.commands.records import Sweep

UNDECIDED = 3
"""Exit code of a sweep some of whose runs have no result."""

MOST_ROWS = 40
"""Of a plan for eyes; ``--json`` has all."""

app = App(
    name="sweep",
    help_epilogue="""Examples:
  zeroloss sweep --example > grid.toml              a grid file to start from
  zeroloss sweep grid.toml --dry-run                its runs, memory and time
  zeroloss sweep grid.toml --store runs
  zeroloss sweep grid.toml --store runs --retry-failed --json
  zeroloss sweep grid.toml --store /shared/runs --scheduler tcp://node7:8786
  zeroloss sweep grid.toml --store runs --device cuda""",
)


@app.default
def sweep(
    grid: Path | None = None,
    *,
    store: Path = Path("zeroloss-sweep"),
    scheduler: str | None = None,
    workers: Whole | None = None,
    device: str = "cpu",
    dry_run: Flag = False,
    retry_failed: Flag = False,
    example: Flag = False,
    json: Flag = False,
) -> int | None:
    """Train every run of a grid file.

    Each key of the file holds a value or a list, and the product of the lists is the sweep. Each run is a file in the
    store as soon as it is finished. The same command does only what is missing, after Ctrl-C, after any crash, and
    beside other sweeps on the same store. Everything in the store is then one table, runs.parquet. Exit code 3: some
    runs have no result.

    Args:
        grid: the TOML file
        store: folder of the runs, made if absent; workers on other machines must see it at the same path
        scheduler: address of a Dask cluster; by default one is made of this machine's cores
        workers: processes on this machine, by default its cores, or 1 on a GPU
        device: where the workers compute: cpu, or cuda for a GPU, whose runs repeat up to rounding only
        dry_run: show runs, memory and time, and train nothing
        retry_failed: try runs again that failed
        example: write an annotated grid file to standard output
        json: JSON on standard output
    """
    if example:
        print((Path(__file__).parent / "grid.toml").read_text(), end="")
        return None
    if grid is None:
        raise ValueError("name a grid file; zeroloss sweep --example writes one to start from")
    positive(workers=workers)
    if scheduler is not None and workers is not None:
        raise ValueError("--workers is about this machine, and --scheduler about a cluster: give one of them")
    require("torch", "distributed", "polars")
    from empirical.devices import require_device
    from empirical.foresight import available_bytes
    from empirical.grids import read_grid
    from empirical.planning import plan, refuse_what_does_not_fit
    from empirical.store import Store
    from empirical.sweeps import local_workers

    cells = read_grid(grid, device=device)
    require_device(device)
    kept = None if dry_run and not store.is_dir() else Store(store)
    remark(f"planning {sum(len(cell.seeds) for cell in cells)} runs ...")
    plans = plan(cells, kept, retry_failed=retry_failed)
    workers = workers or (local_workers() if device == "cpu" else 1)
    if scheduler is None:
        refuse_what_does_not_fit(plans, available_bytes(device) // workers)
    cores = 1 if scheduler else workers
    if dry_run or kept is None:
        record = _record(plans, store, dry_run=True)
        show(record, json, lambda console: _plan_page(record, cores, console))
        return None
    record = _train(plans, kept, scheduler, workers, retry_failed)
    show(record, json, lambda console: _page(record, console))
    return UNDECIDED if record.failures else None


def _train(
    plans: Sequence[CellPlan], store: Store, scheduler: str | None, workers: int | None, retry_failed: bool
) -> Sweep:
    import msgspec

    from empirical.results import write_table
    from empirical.sweeps import Tally, cluster
    from empirical.sweeps import sweep as train
    from reports.commands.records import SweepFailure

    missing = sum(len(planned.missing) for planned in plans)
    reused = sum(planned.reused for planned in plans)
    if reused:
        remark(f"{reused} runs are in {store.folder} already, {missing} are missing")
    tally = Tally(0, 0, 0)
    if missing:
        with resumable(store), progress() as advance, cluster(scheduler, workers) as client:
            tally = train(plans, store, client, lambda done, total: advance("sweep", done, total))
    target = store.folder / "runs.parquet"
    write_table(store, target)
    failures = []
    for planned in plans:
        for key in planned.keys:
            failure = store.failure(key)
            if failure is not None:
                failures.append(SweepFailure(key, failure.reason))
    record = _record(plans, store.folder, dry_run=False)
    return msgspec.structs.replace(
        record,
        reused=record.reused + tally.elsewhere,
        finished=tally.finished,
        failures=tuple(failures),
        table=str(target),
    )


def _record(plans: Sequence[CellPlan], store: Path, *, dry_run: bool) -> Sweep:
    from reports.commands.records import Sweep, SweepCell

    cells = []
    for planned in plans:
        cells.append(
            SweepCell(
                keys=dict(planned.cell.keys),
                step_size=planned.step_size,
                runs=len(planned.cell.seeds),
                reused=planned.reused,
                failed_before=planned.failed,
                bytes=planned.worker_bytes,
                seconds=planned.seconds,
            )
        )
    return Sweep(
        store=str(store),
        dry_run=dry_run,
        cells=tuple(cells),
        runs=sum(cell.runs for cell in cells),
        reused=sum(cell.reused for cell in cells),
    )


def _plan_page(record: Sweep, cores: int, console: Console) -> None:
    from empirical.foresight import amount

    names = list(record.cells[0].keys)
    differing = [name for name in names if len({cell.keys[name] for cell in record.cells}) > 1]
    differing = differing or [name for name in names if name in ("family", "width", "branches", "widths")]
    rows = [
        (
            ", ".join(f"{name} {_short(cell.keys[name])}" for name in differing),
            "-" if cell.step_size is None else f"{cell.step_size:.4g}",
            str(cell.runs),
            str(cell.runs - cell.reused - cell.failed_before),
            amount(cell.bytes),
            duration(cell.seconds),
        )
        for cell in record.cells
    ]
    console.print(table(("runs with", "step size", "runs", "missing", "memory", "core time"), rows[:MOST_ROWS]))
    if len(rows) > MOST_ROWS:
        console.print(f"and {len(rows) - MOST_ROWS} more rows: --json lists all")
    missing = sum(cell.runs - cell.reused - cell.failed_before for cell in record.cells)
    seconds = sum(cell.seconds for cell in record.cells)
    per = f"about {duration(seconds / cores)} on {cores} cores" if cores > 1 else f"about {duration(seconds)} per core"
    console.print(f"{record.runs} runs, {missing} missing: {per}; memory is per worker")


def _page(record: Sweep, console: Console) -> None:
    console.print(
        f"{record.runs} runs: {record.finished} trained now, {record.reused} reused, {len(record.failures)} failed"
    )
    reasons: dict[str, int] = {}
    for failure in record.failures:
        reasons[failure.reason] = reasons.get(failure.reason, 0) + 1
    for reason, count in reasons.items():
        console.print(f"{count} failed: {reason} (--retry-failed tries again)")
    console.print(f"all of {record.store} as one table: {record.table}")


def _short(value: bool | int | float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
