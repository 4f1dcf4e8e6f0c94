"""A plan holds a grid against a store; a job trains what is neither stored nor claimed."""

from unittest.mock import Mock

import numpy as np
import pytest
from distributed import KilledWorker

from bounds.problem import Problem
from bounds.settings import TwoLayer
from empirical.datasets import load_data
from empirical.foresight import MemoryForeseen
from empirical.grids import cells
from empirical.planning import Job, plan, refuse_what_does_not_fit
from empirical.results import table
from empirical.store import Failure, Store
from empirical.sweeps import ClusterLost, StoreUnwritable, _outcome, train_job
from empirical.training import Run, train
from empirical.workloads import workload

KEYS = {"data": "sphere:n=8,d=3,seed=1", "width": 8, "steps": 5, "step_size": 0.2}


def jobs(store, seeds=range(4), keys=KEYS, **options):
    (planned,) = plan(cells({**keys, "seed": list(seeds)}), store, **options)
    return planned, list(planned.jobs())


def test_what_a_job_trains_is_what_train_trains(tmp_path):
    store = Store(tmp_path)
    planned, (job,) = jobs(store)
    assert planned.keys == job.keys and planned.reused == 0
    outcome = train_job(job, str(tmp_path))
    assert (outcome.finished, outcome.failed, outcome.elsewhere, outcome.busy) == (4, 0, 0, None)
    data = load_data("sphere:n=8,d=3,seed=1")
    for seed, key in zip(job.seeds, job.keys, strict=True):
        assert store.get(key, Run) == train(Problem(data.X, data.y), width=8, steps=5, step_size=0.2, seed=seed)
    planned, rest = jobs(store, seeds=range(6))
    assert (planned.reused, [job.seeds for job in rest]) == (4, [(4, 5)])
    assert train_job(job, str(tmp_path)).elsewhere == 4  # planned before another sweep did them


def test_claimed_runs_are_left_to_their_owner(tmp_path):
    store = Store(tmp_path)
    _, (job,) = jobs(store)
    with store.claim(job.keys[1:3]):
        outcome = train_job(job, str(tmp_path))
    assert (outcome.finished, outcome.busy.seeds, outcome.busy.keys) == (2, (1, 2), job.keys[1:3])
    outcome = train_job(outcome.busy, str(tmp_path))
    assert (outcome.finished, outcome.busy) == (2, None)


def test_an_error_becomes_a_recorded_failure_and_is_tried_again_on_request(tmp_path, monkeypatch):
    store = Store(tmp_path)
    _, (job,) = jobs(store)
    with monkeypatch.context() as patch:
        patch.setattr("empirical.training.require_memory", lambda *_, **__: 1 / 0)
        assert train_job(job, str(tmp_path)).failed == 4
    assert store.failure(job.keys[0]).reason == "ZeroDivisionError: division by zero"
    assert table(store).select("seed", "reason").sort("seed").row(3) == (3, "ZeroDivisionError: division by zero")
    planned, rest = jobs(store)
    assert (planned.failed, rest) == (4, [])
    planned, (again,) = jobs(store, retry_failed=True)
    assert train_job(again, str(tmp_path)).finished == 4
    assert jobs(store)[0].failed == 0 and table(store)["kind"].unique().to_list() == ["Run"]


def test_divergence_is_a_verdict_and_no_failure(tmp_path):
    store = Store(tmp_path)
    _, (job,) = jobs(store, keys=KEYS | {"step_size": 1e200, "steps": 50})
    assert train_job(job, str(tmp_path)).failed == 0
    assert table(store)["verdict"].to_list() == ["diverged"] * 4


def test_a_store_that_cannot_be_written_stops_a_sweep(tmp_path, monkeypatch):
    _, (job,) = jobs(Store(tmp_path))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("empirical.store.os.fsync", full)
    with pytest.raises(StoreUnwritable, match="No space left on device; finished runs are kept: make room"):
        train_job(job, str(tmp_path))


def test_a_relative_step_is_in_units_of_the_largest_stable_one(tmp_path):
    keys = {name: value for name, value in KEYS.items() if name != "step_size"}
    work, plain = (workload(cells(k)[0].point) for k in ({**keys, "relative_step": 0.25, "limit": True}, KEYS))
    (spec,) = work.specifications([0])
    data = load_data("sphere:n=8,d=3,seed=1")
    limit = Problem(data.X, data.y).gram(TwoLayer()).midpoint
    assert spec.step_size == pytest.approx(0.5 / np.linalg.eigvalsh(limit)[-1], rel=1e-12)
    assert spec.limit_gram != "" == plain.specifications([0])[0].limit_gram


def test_jobs_are_whole_and_each_seed_is_in_one():
    planned, cut = jobs(None, seeds=range(1000), keys=KEYS | {"steps": 50_000})
    assert len(cut) > 3
    assert [seed for job in cut for seed in job.seeds] == list(range(1000))
    assert [key for job in cut for key in job.keys] == list(planned.keys)


def test_a_grid_that_does_not_fit_a_worker_is_refused():
    (planned,) = plan(cells(KEYS | {"width": 10**9}), None)
    assert planned.worker_bytes > 10**11
    with pytest.raises(MemoryForeseen, match="at most width"):
        refuse_what_does_not_fit([planned], 10**9)
    refuse_what_does_not_fit([planned], 10**13)


def test_failures_of_a_run_that_is_there_do_not_count(tmp_path):
    store = Store(tmp_path)
    _, (job,) = jobs(store)
    train_job(job, str(tmp_path))
    store.put_failure(Failure(key=job.keys[0], specification={}, reason="late"))
    assert (jobs(store)[0].reused, jobs(store)[0].failed) == (4, 0)


def test_runs_over_which_workers_keep_dying_count_as_failed(tmp_path):
    store = Store(tmp_path)
    _, (job,) = jobs(store)
    train_job(half(job), str(tmp_path))
    dead = Mock(status="error", exception=lambda: KilledWorker("train_job", None, 3))
    outcome = _outcome(dead, job, store)
    assert (outcome.finished, outcome.failed) == (2, 2)
    assert store.failure(job.keys[0]) is None
    assert "worker died" in store.failure(job.keys[3]).reason
    with pytest.raises(ClusterLost, match="the same command resumes"):
        _outcome(Mock(status="cancelled"), job, store)


def half(job):
    return Job(job.point, job.seeds[:2], job.keys[:2])
