"""``zeroloss sweep`` from outside; what it survives is in tests/empirical/test_sweeps.py."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("distributed")

from empirical.grids import read_grid  # noqa: E402
from empirical.planning import plan  # noqa: E402
from empirical.store import Store  # noqa: E402
from empirical.sweeps import train_job  # noqa: E402
from reports.cli import main  # noqa: E402
from reports.commands import sweep  # noqa: E402

GRID = 'data = "sphere:n=8,d=3,seed=1"\nwidth = [8, 16]\nsteps = 5\nstep_size = 0.2\nseed = "0..2"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(GRID)
    return tmp_path


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([], ["name a grid file", "--example"]),
        (["none.toml"], ["none.toml", "No such file"]),
        (["grid.toml", "--workers", "0"], ["--workers", "positive"]),
        (["grid.toml", "--workers", "2", "--scheduler", "tcp://x:1"], ["--workers", "--scheduler"]),
        (["grid.toml", "--device", "gpu"], ["'gpu' is no device", "give cpu"]),
        (["grid.toml", "--device", "meta"], ["device 'meta' cannot be used here", "give cpu"]),
        (["wrong.toml"], ["wrong.toml", "did you mean width"]),
        (["huge.toml"], ["not enough memory", "at most width"]),
        (["nodata.toml"], ["nosuch"]),
    ],
)
def test_what_cannot_be_swept_is_refused_in_one_line(capsys, folder, tokens, words):
    (folder / "wrong.toml").write_text(GRID + "widht = 3\n")
    (folder / "huge.toml").write_text(GRID.replace("[8, 16]", "1000000000"))
    (folder / "nodata.toml").write_text(GRID.replace("sphere:n=8,d=3,seed=1", "nosuch.csv"))
    assert main(["sweep", *tokens, "--dry-run"]) == 2
    out, err = capsys.readouterr()
    last = err.splitlines()[-1]
    assert out == "" and last.startswith("zeroloss: ")
    for word in words:
        assert word in last
    assert not (folder / "zeroloss-sweep").exists()


def test_a_dry_run_shows_runs_memory_and_time_and_trains_nothing(capsys, folder):
    assert main(["sweep", "grid.toml", "--dry-run"]) == 0
    page = capsys.readouterr().out
    assert "6 runs, 6 missing" in page and "MB" in page and "width 16" in page
    assert not (folder / "zeroloss-sweep").exists()
    assert main(["sweep", "grid.toml", "--dry-run", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["dry_run"] and [cell["runs"] for cell in record["cells"]] == [3, 3]
    assert all(cell["seconds"] > 0 and cell["bytes"] > 10**8 for cell in record["cells"])


def test_runs_that_failed_before_make_the_exit_code_3(capsys, folder, monkeypatch):
    store = Store("runs")
    for planned in plan(read_grid(Path("grid.toml")), store):
        for job in planned.jobs():
            if job.point.family.width == 16:
                monkeypatch.setattr("empirical.training.require_memory", lambda *_, **__: 1 / 0)
            train_job(job, "runs")
    assert main(["sweep", "grid.toml", "--store", "runs", "--json"]) == 3
    record = json.loads(capsys.readouterr().out)
    assert (record["reused"], record["finished"]) == (3, 0)
    assert [failure["reason"] for failure in record["failures"]] == ["ZeroDivisionError: division by zero"] * 3
    assert Path(record["table"]).is_file()
    assert main(["sweep", "grid.toml", "--store", "runs"]) == 3
    assert "3 failed: ZeroDivisionError: division by zero (--retry-failed" in capsys.readouterr().out


def test_the_example_is_what_ships(capsys):
    assert main(["sweep", "--example"]) == 0
    assert capsys.readouterr().out == Path(sweep.__file__).with_name("grid.toml").read_text()
