"""A sweep survives whatever happens to its processes, its disk and its clock; each test has real ones.

No test guesses how far a sweep has come: one that must not end yet finds a run claimed, see :func:`unfinished`.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import lru_cache

import psutil
import pytest

from empirical.grids import read_grid
from empirical.store import Store
from empirical.sweeps import cluster
from empirical.workloads import workload

GRID = """
data = "sphere:n=30,d=5,seed=0"
width = [64, 128]
step_size = 0.1
seed = "0..29"
steps = 20000
"""
NETWORKS = """
data = "sphere:n=30,d=5,seed=0"
family = ["du2019-deep-resnet", "du2019-deep-fc"]
width = 24
depth = 3
method = "stochastic-descent"
batch = 10
momentum = 0.5
step_size = 0.02
observe = "travel"
seed = "0..29"
steps = 150
"""
RUNS = 60


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def alone(folder, text):
    """Every run of a grid, trained here and now and not by a sweep."""
    (folder / "grid.toml").write_text(text)
    store, found = Store(folder / "alone"), {}
    for cell in read_grid(folder / "grid.toml"):
        work = workload(cell.point)
        work.train(cell.seeds, store)
        found |= {spec.key: store.get(spec.key, work.record) for spec in work.specifications(cell.seeds)}
    assert len(found) == RUNS
    return found


@pytest.fixture(scope="module")
def alone_of(tmp_path_factory):
    return lru_cache(lambda text: alone(tmp_path_factory.mktemp("expected"), text))


@pytest.fixture
def expected(alone_of):
    return alone_of(GRID)


def start(grid, runs, *options, **environment):
    command = [sys.executable, "-m", "reports.cli", "sweep", grid, "--store", runs, "--json", *options]
    if not {"--scheduler", "--workers"} & set(options):
        command += ["--workers", "2"]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        start_new_session=True,
    )


def end(process, code=0):
    """The record of a sweep that ends with a code, and its messages."""
    try:
        out, err = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == code, err
    assert "Traceback" not in err
    return json.loads(out) if out else None, err


def until(condition, seconds=300):
    for _ in range(seconds * 50):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to that")


def count(runs):
    return len(list(runs.glob("*.msgpack")))


@contextmanager
def unfinished(runs, expected):
    """One run is claimed here, so that no sweep can end meanwhile, however fast the machine or slow this test."""
    (key,) = sorted(expected)[-1:]
    with Store(runs).claim([key]) as mine:
        assert mine == {key}
        yield
        assert not Store(runs).path(key).exists()


def check(runs, expected):
    """Every run is there and equal, to the bit, to what it is without a sweep; nothing else is."""
    store = Store(runs)
    assert store.keys() == sorted(expected)
    for key, run in expected.items():
        assert store.get(key, type(run)) == run
    assert {path.name for path in runs.iterdir() if path.suffix != ".msgpack"} == {".claims", "runs.parquet"}


def workers_of(process):
    """The training processes of a sweep on its own cluster."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.parametrize("text", [GRID, NETWORKS], ids=["two-layer", "networks"])
def test_workers_killed_in_mid_run_lose_nothing_and_damaged_files_are_done_again(grid, runs, text, alone_of):
    expected = alone_of(text)
    grid.write_text(text)
    with unfinished(runs, expected):
        sweep = start(grid, runs)
        until(lambda: count(runs) > 10)
        victims = workers_of(sweep)
        assert len(victims) == 2
        for victim in victims:
            victim.send_signal(signal.SIGKILL)
    record, _ = end(sweep)
    assert record["finished"] + record["reused"] == RUNS and record["failures"] == []
    for part in runs.glob(".unfinished-*"):  # of a worker that died while writing; the next sweep clears it
        part.unlink()
    check(runs, expected)

    first, second = (Store(runs).path(key) for key in sorted(expected)[:2])
    first.write_bytes(first.read_bytes()[:-9])
    content = bytearray(second.read_bytes())
    content[-20] ^= 1
    second.write_bytes(content)
    record, err = end(start(grid, runs, "--workers", "1"))
    assert (record["finished"], record["reused"]) == (2, RUNS - 2)
    assert str(first) in err and str(second) in err
    check(runs, expected)


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_resumes(grid, runs, expected):
    with unfinished(runs, expected):
        sweep = start(grid, runs, "--workers", "1")
        until(lambda: count(runs) > 10)
        os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does
        record, err = end(sweep, code=130)
    assert record is None
    assert err.splitlines()[-1].startswith("zeroloss: interrupted: finished runs stay in")
    kept = count(runs)
    assert kept > 10
    record, err = end(start(grid, runs, "--workers", "1"))
    assert (record["finished"], record["reused"]) == (RUNS - kept, kept)
    assert f"{kept} runs are in {runs} already, {RUNS - kept} are missing" in err
    check(runs, expected)


def test_two_sweeps_on_one_folder_share_the_work(grid, runs, alone_of):
    text = GRID.replace("[64, 128]", str(list(range(64, 76)))).replace("0..29", "0..4")  # at least twelve jobs
    expected = alone_of(text)
    grid.write_text(text)
    first = start(grid, runs)
    until(lambda: count(runs) > 0)
    os.killpg(first.pid, signal.SIGSTOP)  # else it may be done before the second has come to work
    members = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
    until(lambda: all(member.status() == psutil.STATUS_STOPPED for member in members))
    stopped_at = count(runs)
    second = start(grid, runs)
    try:
        until(lambda: count(runs) > stopped_at)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    records = [end(sweep)[0] for sweep in (first, second)]
    assert sum(record["finished"] for record in records) == RUNS  # nothing was trained twice
    assert all(record["finished"] + record["reused"] == RUNS for record in records)
    assert all(record["finished"] > 0 for record in records)
    check(runs, expected)


def test_a_scheduler_killed_in_mid_sweep_costs_what_was_in_flight(grid, runs, expected, tmp_path):
    address = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    local = ["--no-dashboard", "--scheduler-file", address]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *local], **quiet)
    worker = subprocess.Popen([*dask, "worker", "--nthreads", "1", *local], **quiet)
    try:
        until(address.exists)
        until(lambda: address.read_text().endswith("}"))
        with unfinished(runs, expected):
            sweep = start(grid, runs, "--scheduler", json.loads(address.read_text())["address"])
            until(lambda: count(runs) > 10)
            scheduler.kill()
            _, err = end(sweep, code=2)
        assert "the Dask scheduler went away" in err.splitlines()[-1]
    finally:
        for process in (scheduler, worker):
            process.terminate()
            process.wait()
    kept = count(runs)
    assert kept > 10
    record, _ = end(start(grid, runs, "--workers", "1"))
    assert (record["finished"], record["reused"]) == (RUNS - kept, kept)
    check(runs, expected)


INTERRUPTED = """
import sys, time
from pathlib import Path
from empirical.sweeps import cluster

def slow(path):
    Path(path, "begun").touch()
    time.sleep(3.5)
    Path(path, "done").touch()

if __name__ == "__main__":
    try:
        with cluster(None, 1) as client:
            future = client.submit(slow, sys.argv[1], pure=False)
            while not Path(sys.argv[1], "begun").exists():
                time.sleep(0.01)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        print("ended")
"""


def test_workers_manage_memory_as_this_process_does(monkeypatch):
    """Dask sets a threshold for them, with which glibc maps every array beyond 128 kB anew: steps of up to 3 times."""
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with cluster(None, 1) as client:
        assert client.submit(os.getenv, "MALLOC_TRIM_THRESHOLD_").result() is None
        assert client.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"


def test_a_cluster_is_ended_by_an_interrupt_that_came_while_it_started(monkeypatch):
    ended = []

    class Interrupted:
        workers = {}

        def __init__(self, **options):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            ended.append(self)

        def sync(self, *arguments):
            pass

    monkeypatch.setattr("distributed.LocalCluster", Interrupted)
    with pytest.raises(KeyboardInterrupt), cluster(None, 1):
        pass
    assert len(ended) == 1


def test_workers_are_not_waited_for_after_ctrl_c(tmp_path):
    """Dask by itself gives them four seconds, in which this one would be done, each time; a busy machine may, once."""
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    for _ in range(5):
        folder = tmp_path / str(time.monotonic_ns())
        folder.mkdir()
        done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, check=True)
        assert done.stdout == "ended\n" and "Traceback" not in done.stderr
        assert (folder / "begun").exists()
        if not (folder / "done").exists():
            return
    raise AssertionError("the worker was waited for")


ON_A_FULL_DISK = """
import subprocess, sys
from empirical.store import Store
from empirical.training import Run
grid, runs = sys.argv[1:]
command = [sys.executable, "-m", "reports.cli", "sweep", grid, "--store", runs, "--workers", "1"]
done = subprocess.run(command, capture_output=True, text=True)
print(done.returncode, done.stderr.splitlines()[-1])
store = Store(runs)
print(len(store.keys()), sum(store.get(key, Run) is not None for key in store.keys()))
"""


def test_a_full_disk_ends_a_sweep_with_one_line_and_keeps_its_runs(grid, tmp_path, small_disk):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [*small_disk, disk, sys.executable, "-c", ON_A_FULL_DISK, grid, disk / "runs"]
    ending, kept = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert ending.startswith(
        f"2 zeroloss: cannot write to {disk / 'runs'}: No space left on device; finished runs are kept"
    )
    files, whole = map(int, kept.split())
    assert 0 < files == whole < RUNS


SET_CLOCK = """
import pathlib, time
real, offset = time.time, pathlib.Path(__file__).with_name("offset")
time.time = lambda: real() + float(offset.read_text() or 0)
"""


def test_a_clock_that_is_set_by_days_changes_nothing(grid, runs, expected, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SET_CLOCK)
    offset = tmp_path / "offset"
    offset.write_text("0")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with unfinished(runs, expected):
        sweep = start(grid, runs, "--workers", "1", PYTHONPATH=path)
        for least, days in ((10, 1), (30, -2)):
            until(lambda least=least: count(runs) > least)
            offset.write_text(str(86400 * days))
    record, _ = end(sweep)
    assert record["finished"] == RUNS
    check(runs, expected)
    for file in runs.iterdir():
        os.utime(file, (0, 2**31))
    record, _ = end(start(grid, runs, PYTHONPATH=path))
    assert record["reused"] == RUNS
