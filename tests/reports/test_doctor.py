"""``zeroloss doctor``: exit codes, its record, and machines where libraries are absent."""

import json
import subprocess
import sys
from importlib import metadata

import msgspec
import pytest

from bounds.doctor import Assumption, Finding
from reports.cli import main
from reports.commands.records import Diagnosis


def diagnosis(capsys, code):
    assert main(["doctor", "--json"]) == code
    out, err = capsys.readouterr()
    read = msgspec.json.decode(out, type=Diagnosis)
    assert json.loads(out) == json.loads(msgspec.json.encode(read))
    return read


@pytest.mark.parametrize(
    ("outcomes", "code", "verdict"),
    [
        (["holds", "allowed", "skipped"], 0, "holds"),
        (["holds", "undecided", "skipped"], 3, "undecided"),
        (["undecided", "fails", "holds"], 1, "fails"),
    ],
)
def test_outcomes_decide_the_exit_code(capsys, monkeypatch, outcomes, code, verdict):
    found = tuple(
        Assumption(f"assumption {k}", "so tested", "something", f"mend {k}", lambda o=o: Finding(o, f"seen {o}"))
        for k, o in enumerate(outcomes)
    )
    monkeypatch.setattr("reports.commands.doctor._assumptions", lambda: found)
    record = diagnosis(capsys, code)
    assert record.verdict == verdict
    assert [row.outcome for row in record.checks] == outcomes
    assert [row.mend for row in record.checks] == [
        "" if outcome in ("holds", "allowed") else f"mend {k}" for k, outcome in enumerate(outcomes)
    ]
    assert main(["doctor"]) == code
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 80
    for k, outcome in enumerate(outcomes):
        assert f"assumption {k}" in page and f"seen {outcome}" in page
        assert (f"mend: mend {k}" in page) == (outcome not in ("holds", "allowed"))
    assert page.count("so tested") == sum(outcome not in ("holds", "allowed") for outcome in outcomes)
    assert main(["doctor", "--explain"]) == code
    assert capsys.readouterr().out.count("so tested") == len(outcomes)


def test_this_machine_passes(capsys):
    record = diagnosis(capsys, 0)
    assert record.verdict == "holds"
    assert len(record.checks) >= 12
    named = {row.name for row in record.machine}
    assert {"Python", "processor", "FLINT", "BLAS of numpy, as built", "BLAS of scipy, as built"} <= named
    numpy = next(row for row in record.libraries if row.name == "numpy")
    assert numpy.version == metadata.version("numpy") and numpy.extra == ""
    extras = {row.extra for row in record.libraries}
    assert {"", "prove", "empirical", "report"} <= extras
    assert all("pip install" in row.install for row in record.libraries)


def test_absent_extras_are_skipped_with_their_install_line(tmp_path):
    """In a process where neither torch nor the solvers nor threadpoolctl can be found."""
    absent = ["torch", "z3", "cvc5", "sklearn", "threadpoolctl", "matplotlib"]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))
from reports.cli import main
sys.exit(main(["doctor", "--json"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = msgspec.json.decode(done.stdout, type=Diagnosis)
    mends = [row.mend for row in record.checks if row.outcome == "skipped"]
    assert mends == ['pip install --upgrade "zeroloss[prove]"', 'pip install "zeroloss[empirical]"']
    assert "pip install threadpoolctl" in next(row.value for row in record.machine if row.name == "BLAS, as loaded")


def test_absent_libraries_say_how_to_get_them(capsys, monkeypatch):
    present = metadata.version

    def version(name):
        if name == "z3-solver":
            raise metadata.PackageNotFoundError(name)
        return present(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr("reports.commands.doctor._assumptions", lambda: ())
    row = next(row for row in diagnosis(capsys, 0).libraries if row.name == "z3-solver")
    assert (row.version, row.extra, row.install) == ("", "prove", 'pip install "zeroloss[prove]"')
    assert main(["doctor"]) == 0
    assert "absent" in capsys.readouterr().out


def test_a_torch_that_does_not_load_leaves_its_assumptions_undecided(tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: cannot open shared object file')")
    code = "import sys; from reports.cli import main; sys.exit(main(['doctor', '--json']))"
    path = [str(tmp_path), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    (row,) = (r for r in msgspec.json.decode(done.stdout, type=Diagnosis).checks if r.outcome == "undecided")
    assert "libtorch.so" in row.seen
