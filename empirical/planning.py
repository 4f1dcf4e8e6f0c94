"""What a sweep has to do: a grid held against a store, cut into jobs, with the memory and time that they will take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from empirical.grids import Cell, Point
from empirical.store import Store
from empirical.workloads import workload

JOB_SECONDS = 5.0
"""A job holds seeds for about so long: much longer than Dask takes to hand it out, short enough to lose."""

FEW_SEEDS = 16
"""Long runs are still trained so many side by side, where that many fit a batch."""

_PROCESS_BYTES = 400 * 10**6
"""What a worker takes before it trains: Python, torch, Dask."""


@dataclass(frozen=True)
class Job:
    """Seeds of one cell for one worker, with the content hashes of their runs."""

    point: Point
    seeds: tuple[int, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class CellPlan:
    """One cell of a grid against what the store holds.

    Args:
        cell: the cell.
        step_size: eta, also where the grid gives a relative one; None for a flow.
        keys: the content hashes of all runs.
        missing: seeds to train, with the content hashes of their runs.
        reused: runs that are stored.
        failed: runs that failed before, and are not tried again.
        run_seconds: estimated process time of a run.
    """

    cell: Cell
    step_size: float | None
    keys: tuple[str, ...]
    missing: dict[int, str]
    reused: int
    failed: int
    run_seconds: float

    @property
    def seconds(self) -> float:
        """Estimated process time of what is missing."""
        return self.run_seconds * len(self.missing)

    def jobs(self) -> Iterator[Job]:
        """The missing runs, cut into whole batches of about JOB_SECONDS, or a batch into parts of about so long."""
        size = self.seeds_per_job
        seeds = list(self.missing)
        for start in range(0, len(seeds), size):
            chosen = tuple(seeds[start : start + size])
            yield Job(self.cell.point, chosen, tuple(self.missing[seed] for seed in chosen))

    @property
    def seeds_per_job(self) -> int:
        """How many runs a worker is handed at a time."""
        batch = len(workload(self.cell.point).batches(list(self.missing or [0]))[0])
        size = round(JOB_SECONDS / max(self.run_seconds, 1e-9))
        return size // batch * batch or max(size, min(batch, FEW_SEEDS))

    @property
    def worker_bytes(self) -> int:
        """The most memory that a worker takes."""
        return _PROCESS_BYTES + workload(self.cell.point).bytes(self._seeds_at_work)

    def require_memory(self, available: int) -> None:
        """Refuse jobs that would not fit a worker, which has so many bytes.

        Raises:
            MemoryForeseen: naming the size that would fit.
        """
        workload(self.cell.point).require_memory(self._seeds_at_work, max(0, available - _PROCESS_BYTES))

    @property
    def _seeds_at_work(self) -> int:
        return max(1, min(self.seeds_per_job, len(self.missing)))


def plan(cells: Sequence[Cell], store: Store | None, *, retry_failed: bool = False) -> list[CellPlan]:
    """Hold a grid against a store, and estimate what is missing on this machine.

    Args:
        cells: of the grid.
        store: where runs may be already; None where there is none yet.
        retry_failed: whether runs that failed before are tried again.

    Raises:
        ValueError: the data of a cell make no sense.
        OSError: a data file cannot be read.
    """
    plans = []
    for cell in cells:
        work = workload(cell.point)
        specs = work.specifications(cell.seeds)
        missing, reused, failed = {}, 0, 0
        for spec in specs:
            if store and store.get(spec.key, work.record):
                reused += 1
            elif store and not retry_failed and store.failure(spec.key):
                failed += 1
            else:
                missing[spec.seed] = spec.key
        plans.append(
            CellPlan(
                cell=cell,
                step_size=work.step_size,
                keys=tuple(spec.key for spec in specs),
                missing=missing,
                reused=reused,
                failed=failed,
                run_seconds=work.run_seconds if missing else 0.0,
            )
        )
    return plans


def refuse_what_does_not_fit(plans: Sequence[CellPlan], available: int) -> None:
    """Refuse a sweep one of whose jobs would not fit a worker.

    Args:
        plans: of the cells.
        available: bytes for a worker.

    Raises:
        MemoryForeseen: naming the size that would fit.
    """
    for planned in plans:
        if planned.missing:
            planned.require_memory(available)
