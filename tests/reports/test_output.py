import json
import os
import re

import msgspec
import pytest

from reports import output
from reports.output import check_folder, rendered, write_report
from reports.schema import Comparison, Curve
from tests.reports.sample import sample


@pytest.fixture(scope="module")
def comparison():
    return sample()


@pytest.fixture(scope="module")
def files(comparison):
    return rendered(comparison)


@pytest.fixture
def write(files, monkeypatch):
    """Write a report without drawing it anew."""
    monkeypatch.setattr(output, "rendered", lambda comparison: files)
    return write_report


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_report_holds_page_record_schema_tables_and_figures(comparison, files, write, tmp_path):
    folder = tmp_path / "deep" / "report"
    write(comparison, folder)
    assert tree(folder) == files
    assert list(files)[-1] == "index.html"
    suffixes = {name.rpartition(".")[2] for name in files if name.startswith("figures/")}
    assert suffixes == {"svg", "pdf", "tex", "dat"}
    for name in files:
        assert output.REPORT.fullmatch(name), name


def test_the_record_survives_a_round_trip_and_fits_its_schema(comparison, files):
    assert msgspec.json.decode(files["report.json"], type=Comparison) == comparison
    schema = json.loads(files["report.schema.json"])
    described = schema["$defs"]["Comparison"]
    assert set(described["properties"]) == set(json.loads(files["report.json"]))
    jsonschema = pytest.importorskip("jsonschema", reason="validates the record against its schema")
    jsonschema.validate(json.loads(files["report.json"]), schema)


def test_numbers_of_the_record_read_back_from_decimals_and_hex(files):
    def numbers(part):
        if isinstance(part, dict):
            if "lower_hex" in part:
                yield part
            for inner in part.values():
                yield from numbers(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from numbers(inner)

    found = list(numbers(json.loads(files["report.json"])))
    assert len(found) > 150
    for number in found:
        assert float(number["lower"]) == float.fromhex(number["lower_hex"])
        assert float(number["upper"]) == float.fromhex(number["upper_hex"])


def test_pdf_figures_are_pdf_with_embedded_fonts(files):
    pdfs = [content for name, content in files.items() if name.endswith(".pdf")]
    assert len(pdfs) == 7
    assert all(content.startswith(b"%PDF") and b"/FontFile2" in content for content in pdfs)


def test_a_former_report_is_replaced_and_its_runs_are_kept(comparison, files, write, tmp_path):
    write(comparison, tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "abc.msgpack").write_bytes(b"run")
    for stale in ("ledger-9.svg", "loss-99.dat"):
        (tmp_path / "figures" / stale).write_bytes(b"old")
    (tmp_path / "index.html").write_text("old")
    write(comparison, tmp_path)
    assert tree(tmp_path) == {**files, "runs/abc.msgpack": b"run"}


@pytest.mark.parametrize("name", ["thesis.tex", "tables/mine.tex", "figures/photo.svg", "report.json.bak"])
def test_a_folder_with_other_files_is_refused_untouched(comparison, write, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=re.escape(name)) as refusal:
        write(comparison, tmp_path)
    assert "\n" not in str(refusal.value) and "--out" in str(refusal.value)
    assert tree(tmp_path) == {name: b"mine"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    path = tmp_path / "report"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="it is a file; name a folder with --out"):
        check_folder(path)
    with pytest.raises(OSError, match="cannot write to .*name another folder with --out"):
        check_folder(path / "inner")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied; name another folder"):
        check_folder(tmp_path)


def full_disk(*_):
    raise OSError(28, "No space left on device")


def test_a_failure_before_the_files_are_in_place_changes_nothing(comparison, write, tmp_path, monkeypatch):
    write(comparison, tmp_path)
    before = tree(tmp_path)
    real, count = output._write, 0

    def failing(path, content):
        nonlocal count
        count += 1
        if count == 20:
            path.write_bytes(content[: len(content) // 2])
            full_disk()
        real(path, b"changed")

    monkeypatch.setattr(output, "_write", failing)
    with pytest.raises(OSError, match="No space left on device; name another folder with --out"):
        write(comparison, tmp_path)
    assert count == 20
    assert tree(tmp_path) == before


def test_a_failure_while_files_are_put_in_place_leaves_every_file_whole(
    comparison, files, write, tmp_path, monkeypatch
):
    write(comparison, tmp_path)
    (tmp_path / "index.html").write_bytes(b"former page")
    real, count = os.replace, 0

    def failing(source, target):
        nonlocal count
        count += 1
        if count == 5:
            full_disk()
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="No space left"):
        write(comparison, tmp_path)
    assert tree(tmp_path) == {**files, "index.html": b"former page"}


def test_what_a_killed_writer_left_behind_is_swept_away(comparison, files, write, tmp_path):
    (tmp_path / ".zeroloss-killed" / "tables").mkdir(parents=True)
    (tmp_path / ".zeroloss-killed" / "tables" / "data.tex").write_text("half")
    write(comparison, tmp_path)
    assert tree(tmp_path) == files


def test_a_run_to_which_nothing_is_promised_is_reported(comparison, tmp_path):
    """As on degenerate data, where the theorem is silent."""
    curve = Curve("x", (0, 1, 2), (3.0, 2.0, 1.0), ())
    run = msgspec.structs.replace(comparison.runs[0], curve=curve, conclusion="nothing is promised", horizon=1.0)
    silent = msgspec.structs.replace(comparison, runs=(run,), looseness=(), ledgers=(), least_width=None, series=())
    files = rendered(silent)
    assert b"nothing is promised" in files["index.html"]
    assert {"figures/loss.svg", "figures/loss-1.dat"} <= files.keys()
    assert "figures/loss-2.dat" not in files


def test_a_record_that_json_cannot_hold_is_refused_before_anything_is_written(comparison, tmp_path):
    curve = Curve("x", (0, 1), (1.0, float("inf")), (1.0, 1.0))
    broken = msgspec.structs.replace(comparison, runs=(msgspec.structs.replace(comparison.runs[0], curve=curve),))
    with pytest.raises(ValueError, match=r"not finite.*loss"):
        write_report(broken, tmp_path / "report")
    assert tree(tmp_path) == {}
