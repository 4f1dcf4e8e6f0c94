"""Inputs and labels from files; nothing in a file is ever executed, and all that is wrong is said in one line."""

from __future__ import annotations

import csv
import gzip
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

SUFFIXES = (".npz", ".csv", ".safetensors", ".gz")


def is_file_name(spec: str) -> bool:
    """Whether a data specification reads like the name of a file."""
    return Path(spec).suffix.lower() in SUFFIXES or "ubyte" in Path(spec).name


def read(path: Path, target: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read inputs and labels as they are stored.

    Args:
        path: ``.npz`` or ``.safetensors`` with arrays X and y; ``.csv``, with or without a header; or an MNIST IDX
            images file, plain or gzipped, with its labels file beside it.
        target: the label column of a CSV file, by name; the last column by default.

    Returns:
        X (n, ...) and y as stored; the labels of a CSV file are text only where none of them is a number.

    Raises:
        ValueError: the content is damaged or is not what the name says.
        OSError: the file cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file: check the path")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv(path, target)
    if target is not None:
        raise ValueError(f"{path} has a single target: leave out the target {target!r}")
    if suffix not in _ARRAYS:
        return _mnist(path)
    arrays = _ARRAYS[suffix](path)
    for name in ("X", "y"):
        if name not in arrays:
            raise ValueError(f"{path}: no array {name!r} among {', '.join(arrays) or 'none'}: store arrays X and y")
    return arrays["X"], arrays["y"]


_BROKEN_ARCHIVE = (
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and zipfile raise on a file that is not what it says."""


def _npz(path: Path) -> dict[str, np.ndarray]:
    content = io.BytesIO(path.read_bytes())  # numpy would leave the file open where the archive is damaged
    try:
        with np.load(content, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            return {name: archive[name] for name in archive.files}
    except _BROKEN_ARCHIVE as error:
        raise ValueError(f"{path}: not a readable .npz ({_one_line(error)}): write it with numpy.savez") from None


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(path.read_bytes())
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a readable .safetensors file ({_one_line(error)}): write it again") from None


_ARRAYS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {".npz": _npz, ".safetensors": _safetensors}


def _csv(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray]:
    lines = _csv_lines(path)
    first_line, first = lines[0]
    width = len(first)
    if width < 2:
        raise ValueError(f"{path}, line {first_line}: one column: separate inputs and label by commas")
    has_header = target is not None or not any(_is_number(cell) for cell in first[:-1])
    names = first if has_header else [str(column + 1) for column in range(width)]
    if target is not None and target not in names:
        if all(map(_is_number, names)):
            raise ValueError(
                f"{path}: line {first_line} holds numbers, so no column is named {target!r}: write a header above it"
            )
        raise ValueError(f"{path}: no column {target!r} in line {first_line}: use one of {', '.join(names)}")
    chosen = names.index(target) if target is not None else width - 1
    inputs: list[list[float]] = []
    labels: list[str] = []
    for number, cells in lines[has_header:]:
        if len(cells) != width:
            raise ValueError(
                f"{path}, line {number}: {len(cells)} columns where line {first_line} has {width}: repair it"
            )
        labels.append(cells[chosen])
        inputs.append([_number(path, number, names[c], c, cells[c]) for c in range(width) if c != chosen])
    if not inputs:
        raise ValueError(f"{path}: no rows below the header: give at least 2")
    if not any(map(_is_number, labels)):
        return np.array(inputs), np.array(labels)
    numbers = [_number(path, number, names[chosen], chosen, cells[chosen]) for number, cells in lines[has_header:]]
    return np.array(inputs), np.array(numbers)


def _csv_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The non-empty lines with their numbers, cells stripped."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a readable CSV ({_one_line(error)}): save it as UTF-8 text") from None
    if not lines:
        raise ValueError(f"{path}: the file is empty: give at least 2 rows")
    return lines


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(path: Path, line: int, name: str, column: int, cell: str) -> float:
    value = float(cell) if _is_number(cell) else math.nan
    if not math.isfinite(value):
        place = f"{path}, line {line}, column {column + 1}" + (f" ({name})" if name != str(column + 1) else "")
        header = "; if line 1 is a header, name the label column as target" if line == 1 else ""
        raise ValueError(f"{place}: {cell!r} is not a finite number: repair the cell or drop the line{header}")
    return value


def _mnist(path: Path) -> tuple[np.ndarray, np.ndarray]:
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if beside == path:
        raise ValueError(f"{path}: no labels file is known for it: name it like train-images-idx3-ubyte")
    return _idx(path, dimensions=3), _idx(beside, dimensions=1)


def _idx(path: Path, dimensions: int) -> np.ndarray:
    content = path.read_bytes()
    try:
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        magic, *shape = struct.unpack_from(f">{1 + dimensions}I", content)
    except (struct.error, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a readable IDX file ({_one_line(error)}): fetch it again") from None
    data = np.frombuffer(content, dtype=np.uint8, offset=4 * (1 + dimensions))
    if magic != 0x800 + dimensions or data.size != math.prod(shape):
        expected = f"{dimensions}-dimensional bytes of shape {tuple(shape)}"
        raise ValueError(f"{path}: {data.size} bytes after magic {magic:#x}, not {expected}: fetch it again")
    return data.reshape(shape)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
