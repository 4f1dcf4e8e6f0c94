"""What a sweep has to do: a grid held against a store, cut into jobs, with the memory and time that they will take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bounds.problem import Problem
from bounds.settings import TwoLayer
from empirical.batches import split_seeds
from empirical.datasets import Labels, load_data
from empirical.foresight import require_memory, step_seconds, training_bytes
from empirical.grids import Cell, Point
from empirical.store import Store
from empirical.training import Run, RunSpecification, specifications

JOB_SECONDS = 5.0
"""A job holds seeds for about so long: much longer than Dask takes to hand it out, short enough to lose."""

FEW_SEEDS = 16
"""Long runs are still trained so many side by side, where that many fit a batch."""

_PROCESS_BYTES = 300 * 10**6
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
        points, dimension: n and d of its data.
        step_size: eta, also where the grid gives a relative one.
        keys: the content hashes of all runs.
        missing: seeds to train, with the content hashes of their runs.
        reused: runs that are stored.
        failed: runs that failed before, and are not tried again.
        run_seconds: estimated process time of a run.
    """

    cell: Cell
    points: int
    dimension: int
    step_size: float
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
        size = round(JOB_SECONDS / max(self.run_seconds, 1e-9))
        return size // self._batch * self._batch or max(size, min(self._batch, FEW_SEEDS))

    @property
    def job_shape(self) -> dict[str, int]:
        """What :func:`~empirical.foresight.training_bytes` asks about a job."""
        return {
            "points": self.points,
            "dimension": self.dimension,
            "width": self.cell.point.width,
            "steps": self.cell.point.steps,
            "batches": 1,
            "side_by_side": min(self._batch, self.seeds_per_job),
            "seeds": min(self.seeds_per_job, len(self.missing)),
        }

    @property
    def worker_bytes(self) -> int:
        """The most memory that a worker takes."""
        return _PROCESS_BYTES + training_bytes(**self.job_shape)

    @property
    def _batch(self) -> int:
        return len(split_seeds(list(self.missing or [0]), self.cell.point.width, self.points)[0])


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
    times: dict[tuple[int, int, int], tuple[float, float]] = {}
    plans = []
    for cell in cells:
        specs = specifications_of(cell.point, cell.seeds)
        shape = (specs[0].points, specs[0].dimension, cell.point.width)
        if shape not in times:
            times[shape] = step_seconds(*shape)
        step, observation = times[shape]
        missing, reused, failed = {}, 0, 0
        for spec in specs:
            if store and store.get(spec.key, Run):
                reused += 1
            elif store and not retry_failed and store.failure(spec.key):
                failed += 1
            else:
                missing[spec.seed] = spec.key
        plans.append(
            CellPlan(
                cell=cell,
                points=specs[0].points,
                dimension=specs[0].dimension,
                step_size=specs[0].step_size,
                keys=tuple(spec.key for spec in specs),
                missing=missing,
                reused=reused,
                failed=failed,
                # an observation is followed by a check of the step after it, which costs about as much
                run_seconds=step * (cell.point.steps + 1) + 2 * observation * len(specs[0].observed),
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
            require_memory(**planned.job_shape, available=max(0, available - _PROCESS_BYTES))


def specifications_of(point: Point, seeds: Sequence[int]) -> list[RunSpecification]:
    """What the runs of a point with these seeds are, by content."""
    return specifications(*arrays_of(point), **training_of(point), seeds=seeds)


def training_of(point: Point) -> dict[str, Any]:
    """What :func:`~empirical.training.train_seeds` is to be called with, beside data and seeds."""
    step_size = point.step_size
    if step_size is None:
        assert point.relative_step is not None
        step_size = point.relative_step * 2 / float(np.linalg.eigvalsh(_limit_gram(*_of_data(point)))[-1])
    return {
        "width": point.width,
        "step_size": step_size,
        "steps": point.steps,
        "trained": point.trained,
        "limit_gram": _limit_gram(*_of_data(point)) if point.limit else None,
    }


def _of_data(point: Point) -> tuple[Any, ...]:
    return point.data, point.n, point.labels, point.classes, point.target, point.data_seed


def arrays_of(point: Point) -> tuple[np.ndarray, np.ndarray]:
    """The inputs (n, d) and labels (n,) that the runs of a point train on; the same arrays for the same data."""
    problem = _problem(*_of_data(point))
    return problem.unit_rows, problem.y


@lru_cache(maxsize=64)
def _problem(data: str, n: int | None, labels: Labels, classes: str | None, target: str | None, seed: int) -> Problem:
    dataset = load_data(data, n=n, labels=labels, classes=classes, target=target, seed=seed)
    return Problem(dataset.X, dataset.y)


@lru_cache(maxsize=64)
def _limit_gram(*data: Any) -> np.ndarray:
    return _problem(*data).gram(TwoLayer()).midpoint
