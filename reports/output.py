"""The output folder of a report: everything rendered first, then put in place, each file whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from reports.drawing import Illustration
from reports.figures import figures
from reports.page import page
from reports.pgfplots import pgfplots
from reports.schema import Comparison
from reports.tables import tables

_TABLES = (
    "data|invariants|widths|least-width|proved-widths|runs|observations|own-networks|looseness|ledger-[0-9]+|figure-1"
    "|standalone"
)
_FIGURES = r"(required-widths|least-width|loss|ledger-[0-9]+|against-width|figure-1)(-[0-9]+\.dat|\.(svg|pdf|tex))"
REPORT = re.compile(
    rf"index\.html|report(\.schema)?\.json|runs|\.zeroloss-\w+|tables|tables/({_TABLES})\.tex|figures|figures/{_FIGURES}"
    r"|(tables|figures)/standalone\.(tex|pdf|aux|log)"
)
"""Names that a report writes or that come from compiling it, and the run store, which it leaves alone."""

_SCRATCH = ".zeroloss-"


def check_folder(folder: Path, ours: re.Pattern[str] = REPORT) -> None:
    """Refuse a folder that a report must not or cannot be written to, before any work is done.

    Args:
        folder: where the report goes; it need not exist.
        ours: the names that such a report writes, and that may be there.

    Raises:
        FileExistsError: the folder holds files that no report wrote, or is no folder.
        OSError: it cannot be written to.
    """
    with _one_line(folder):
        if folder.exists() and not folder.is_dir():
            raise FileExistsError(f"cannot write to {folder}: it is a file; name a folder with --out")
        if folder.is_dir():
            foreign = sorted(name for name in _names(folder) if not ours.fullmatch(name))
            if foreign:
                raise FileExistsError(
                    f"cannot write to {folder}: it holds other files ({foreign[0]}); "
                    "name a new or empty folder with --out"
                )
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def write_report(comparison: Comparison, folder: Path) -> None:
    """Write the page, the record with its schema, tables and figures; the page comes last and is replaced at once.

    Args:
        comparison: the record.
        folder: made where it does not exist; a former report in it is replaced, its ``runs`` are kept.

    Raises:
        FileExistsError: the folder holds files that no report wrote, or is no folder.
        OSError: it cannot be written to; every file of a former report is then still whole.
        ValueError: the record holds a number that JSON cannot hold.
    """
    write_files(rendered(comparison), folder)


def write_files(files: dict[str, bytes], folder: Path, ours: re.Pattern[str] = REPORT) -> None:
    """Write rendered files, each whole or not at all, in their order; others of an earlier report are removed.

    Args:
        files: content by name in the folder.
        folder: made where it does not exist; its ``runs`` are kept.
        ours: the names that such a report writes.

    Raises:
        FileExistsError: the folder holds files that no report wrote, or is no folder.
        OSError: it cannot be written to; every file of a former report is then still whole.
    """
    check_folder(folder, ours)
    with _one_line(folder):
        for left in folder.glob(f"{_SCRATCH}*"):
            shutil.rmtree(left)
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
        try:
            for name, content in files.items():
                _write(scratch / name, content)
            for name in files:
                (folder / name).parent.mkdir(exist_ok=True)
                os.replace(scratch / name, folder / name)
            _sync(folder)
        finally:
            shutil.rmtree(scratch)
        for stale in set(_names(folder)) - files.keys() - {"runs", "tables", "figures"}:
            (folder / stale).unlink()


def rendered(comparison: Comparison) -> dict[str, bytes]:
    """Every file of a report by its name in the folder, the page last.

    Raises:
        ValueError: the record holds a number that JSON cannot hold.
    """
    illustrations = figures(comparison)
    files = record_files("report", comparison)
    files |= {f"tables/{name}": text.encode() for name, text in tables(comparison).items()}
    files |= {f"figures/{name}": text.encode() for name, text in pgfplots(comparison).items()}
    files |= figure_files(illustrations)
    return {**files, "index.html": page(comparison, illustrations).encode()}


def record_files(stem: str, record: msgspec.Struct) -> dict[str, bytes]:
    """A record as JSON, and its schema beside it.

    Raises:
        ValueError: the record holds a number that JSON cannot hold.
    """
    content = msgspec.json.format(msgspec.json.encode(record), indent=1)
    try:
        msgspec.json.decode(content, type=type(record))
    except msgspec.ValidationError as error:
        raise ValueError(f"the record holds a number that is not finite: {error}") from None
    schema = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(type(record))), indent=1)
    return {f"{stem}.json": content, f"{stem}.schema.json": schema}


def figure_files(illustrations: Iterable[Illustration]) -> dict[str, bytes]:
    """Every figure as SVG and PDF."""
    files = {}
    for one in illustrations:
        files[f"figures/{one.name}.svg"] = one.svg.encode()
        files[f"figures/{one.name}.pdf"] = one.pdf()
    return files


def _names(folder: Path) -> Iterator[str]:
    """Files of a folder and of its folders ``tables`` and ``figures``, relative to it."""
    for entry in folder.iterdir():
        yield entry.name
        if entry.name in ("tables", "figures") and entry.is_dir():
            yield from (f"{entry.name}/{inner.name}" for inner in entry.iterdir())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make renames last, where the system lets folders be synced."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """Name the folder, the trouble and the mend in one line."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"cannot write to {folder}: {reason}; name another folder with --out") from error
