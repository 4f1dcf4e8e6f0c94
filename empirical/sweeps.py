"""Sweeps over grids on a Dask cluster, into a store that any number of sweeps may share.

What is planned is cut into jobs: seeds of one cell that are trained side by side on one worker. A worker claims the
runs of its job, so that no other worker, of this sweep or another one, trains them too; each run is stored as it
finishes. What then happens to workers, scheduler or client costs at most the runs in flight.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from empirical.batches import single_threaded
from empirical.planning import CellPlan, Job
from empirical.store import Failure, Store
from empirical.workloads import workload

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

    from empirical.grids import Point

GRACE_SECONDS = 1.0
"""Workers have about so long after Ctrl-C, and are then killed."""

BUSY_SECONDS = 1.0
"""Between two looks at runs that another sweep has claimed."""


class StoreUnwritable(OSError):
    """The store cannot be written to any more; what it holds is whole."""


class ClusterLost(ConnectionError):
    """The scheduler went away in the middle of a sweep."""


@dataclass(frozen=True)
class Outcome:
    """What a worker did with a job.

    Args:
        finished: runs that are now stored.
        failed: runs that ended in an error, which is stored.
        elsewhere: runs stored since the plan was made, by another sweep or by a worker that died later.
        busy: runs that another sweep has claimed.
    """

    finished: int
    failed: int
    elsewhere: int
    busy: Job | None


@dataclass(frozen=True)
class Tally:
    """How a sweep ended.

    Args:
        finished, failed: runs of this sweep.
        elsewhere: runs stored meanwhile by another sweep, or by a worker that died later.
    """

    finished: int
    failed: int
    elsewhere: int


def sweep(
    plans: Sequence[CellPlan],
    store: Store,
    client: Client,
    progress: Callable[[float, float], None],
) -> Tally:
    """Train what is missing on a cluster.

    Args:
        plans: of the cells.
        store: in a folder that all workers share.
        client: of the cluster; all its workers have this package.
        progress: called with estimated process seconds done and to do.

    Raises:
        StoreUnwritable: the disk is full, or the folder went away; the message says what to do.
        ClusterLost: the scheduler died.
    """
    from distributed import as_completed

    cost = {planned.cell.point: planned.run_seconds for planned in plans}
    total = sum(planned.seconds for planned in plans)
    folder = str(store.folder.resolve())
    store.clear_unfinished()
    jobs = [job for planned in plans for job in planned.jobs()]
    done = finished = failed = elsewhere = 0.0
    progress(0.0, total)
    while jobs:
        waiting: list[Job] = []
        futures = {client.submit(train_job, job, folder, pure=False): job for job in jobs}
        for future in as_completed(futures, loop=client.loop, raise_errors=False):
            job = futures.pop(future)
            outcome = _outcome(future, job, store)
            finished += outcome.finished
            failed += outcome.failed
            elsewhere += outcome.elsewhere
            done += cost[job.point] * (len(job.seeds) - (len(outcome.busy.seeds) if outcome.busy else 0))
            if outcome.busy:
                waiting.append(outcome.busy)
            progress(done, total)
        jobs = waiting
        if jobs:
            time.sleep(BUSY_SECONDS)
    present = set(store.keys())
    lost = sum(key not in present and not store.failure(key) for p in plans for key in p.missing.values())
    if lost:
        raise StoreUnwritable(
            f"{lost} runs that workers finished are not in {store.folder}: give a folder that all machines share"
        )
    return Tally(int(finished), int(failed), int(elsewhere))


def train_job(job: Job, folder: str) -> Outcome:
    """Train on a worker what of a job is neither stored nor claimed; see :func:`sweep`.

    Raises:
        StoreUnwritable: a record could not be written.
    """
    store, work = Store(folder), workload(job.point)
    with store.claim(job.keys) as mine, single_threaded():
        already = {key for key in mine if store.get(key, work.record)}
        missing = [seed for seed, key in zip(job.seeds, job.keys, strict=True) if key in mine - already]
        busy = [(seed, key) for seed, key in zip(job.seeds, job.keys, strict=True) if key not in mine]
        failed = 0
        for seeds in work.batches(missing):
            try:
                work.train(seeds, store)
            except OSError as error:
                raise StoreUnwritable(
                    f"cannot write to {folder}: {error.strerror or error}; finished runs are kept: "
                    "make room, and give the same command again"
                ) from error
            except Exception as error:
                failed += _record_failures(store, job.point, seeds, f"{type(error).__name__}: {error}")
    return Outcome(
        finished=len(missing) - failed,
        failed=failed,
        elsewhere=len(already),
        busy=Job(job.point, *zip(*busy, strict=True)) if busy else None,
    )


@contextmanager
def cluster(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """A client of the Dask cluster at an address, or of one made of this machine's cores.

    Args:
        scheduler: address of the cluster, such as ``tcp://node7:8786``.
        workers: processes of the local cluster; by default the cores this process may use.

    Raises:
        ClusterLost: no scheduler answers at the address.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.utils import silence_logging_cmgr

    with ExitStack() as stack:
        # a step of the clock must not make a living worker look dead
        stack.enter_context(dask.config.set({"distributed.scheduler.worker-ttl": None}))
        # with a threshold of Dask's own glibc maps and clears every larger array anew: steps take up to 3 times as long
        stack.enter_context(dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}))
        for name in ("distributed", "distributed.client", "tornado"):
            stack.enter_context(silence_logging_cmgr(logging.CRITICAL, name))  # what ends a sweep is said in one line
        address: str | LocalCluster | None = scheduler
        if address is None:
            with _no_interrupts():
                address = LocalCluster(
                    n_workers=workers or local_workers(),
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                )
                stack.enter_context(address)  # before an interrupt that came meanwhile is let through
                stack.push(partial(_cut_short, address))
        try:
            client = Client(address, timeout="10s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterLost(f"no Dask scheduler answers at {scheduler}: start one with `dask scheduler`") from error
        yield stack.enter_context(client)


def _cut_short(local: LocalCluster, kind: type[BaseException] | None, *_: object) -> None:
    """Where work ends early, end the workers soon: what they are at is lost, as where they are killed, and no more."""
    if kind is not None:
        local.sync(_close_workers, local)


async def _close_workers(local: LocalCluster) -> None:
    closing = (nanny.close(timeout=GRACE_SECONDS) for nanny in local.workers.values())
    await asyncio.gather(*closing, return_exceptions=True)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from the threads and processes that are begun here; what comes meanwhile comes afterwards.

    A terminal sends it to all processes, and workers would answer with tracebacks.
    """
    resource_tracker.ensure_running()  # which lets interrupts through as it starts, so it starts before
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def local_workers() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _outcome(future: Future, job: Job, store: Store) -> Outcome:
    from distributed import KilledWorker

    if future.status == "finished":
        return future.result()
    if future.status != "error":
        raise ClusterLost(
            f"the Dask scheduler went away: finished runs stay in {store.folder}, "
            "and the same command resumes from them"
        )
    error = future.exception()
    if not isinstance(error, KilledWorker):
        raise error
    record = workload(job.point).record
    stored = [key for key in job.keys if store.get(key, record)]
    missing = [seed for seed, key in zip(job.seeds, job.keys, strict=True) if key not in stored]
    reason = "the worker died each time it was tried: it was killed from outside, or for want of memory"
    failed = _record_failures(store, job.point, missing, reason)
    return Outcome(finished=len(stored), failed=failed, elsewhere=0, busy=None)


def _record_failures(store: Store, point: Point, seeds: Sequence[int], reason: str) -> int:
    """Record why those of the runs that are not stored failed, and return their number."""
    work = workload(point)
    failed = [spec for spec in work.specifications(seeds) if store.get(spec.key, work.record) is None]
    for spec in failed:
        store.put_failure(Failure(key=spec.key, specification=spec.row(), reason=" ".join(reason.split())))
    return len(failed)
