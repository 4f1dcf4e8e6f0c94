"""Reading certificates and their arrays, which may come from anyone: small, strict, and nothing is ever executed."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_TEXT = 2**24
"""Bytes of a certificate."""

MOST_DEPTH = 32
"""Brackets inside brackets."""

MOST_HEADER = 2**20
MOST_ARRAYS = 1000
MOST_BYTES = 2**33

LARGEST = 2.0**60
"""Stored numbers above this are refused."""

_HEX_FLOAT = re.compile(r"-?0x[01]\.[0-9a-f]{1,13}p[+-][0-9]{1,4}")


class Invalid(Exception):
    """Something is wrong with a certificate; the message says what, in one line."""


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object, with limits on its size and depth.

    Raises:
        Invalid: not such an object, a key twice, or a number that is not finite.
        OSError: the file cannot be read.
    """
    content = _bytes(path, MOST_TEXT)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid(f"{path.name} is not UTF-8 text") from None
    value = parse(text, path.name)
    if not isinstance(value, dict):
        raise Invalid(f"{path.name} holds no table of names and values")
    return value


def read_arrays(path: Path) -> dict[str, Floats]:
    """Read the float64 arrays of a safetensors file; other element types are refused.

    The file is eight bytes with the length of a JSON header, the header, and the arrays one after the other: every byte
    belongs to exactly one of them.

    Raises:
        Invalid: the file is damaged, an array is not float64, or a number is not finite or above 2^60.
        OSError: the file cannot be read.
    """
    content = _bytes(path, MOST_BYTES)
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(MOST_HEADER, len(content) - 8):
        raise Invalid(f"{path.name} is no safetensors file: its header does not fit")
    try:
        header = parse(content[8 : 8 + size].decode("utf-8"), path.name)
    except UnicodeDecodeError:
        raise Invalid(f"{path.name} is no safetensors file: its header is not text") from None
    if not isinstance(header, dict) or len(header) > MOST_ARRAYS:
        raise Invalid(f"{path.name} is no safetensors file: its header is no table of at most {MOST_ARRAYS} arrays")
    header.pop("__metadata__", None)
    body = memoryview(content)[8 + size :]
    arrays, end = {}, 0
    for name, start, stop, shape in sorted((_entry(path.name, *item) for item in header.items()), key=lambda e: e[1:3]):
        if start != end or stop - start != 8 * math.prod(shape) or stop > len(body):
            raise Invalid(f"{path.name}: the bytes of {name[:50]!r} overlap others or do not fit its shape {shape}")
        array = np.frombuffer(body[start:stop], dtype="<f8").reshape(shape)
        if not (np.abs(array) <= LARGEST).all():
            raise Invalid(f"{path.name}: {name[:50]!r} holds numbers that are not finite or exceed 2^60")
        arrays[name], end = array, stop
    if end != len(body):
        raise Invalid(f"{path.name} has {len(body) - end} bytes that belong to no array")
    return arrays


def metadata(path: Path) -> dict[str, Any]:
    """The metadata of a safetensors file: names and texts.

    Raises:
        Invalid: the header is damaged.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MOST_HEADER:
            raise Invalid(f"{path.name} is no safetensors file: its header does not fit")
        header = parse(file.read(size).decode("utf-8", errors="replace"), path.name)
    found = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return found if isinstance(found, dict) else {}


def array_hash(array: Floats) -> str:
    """SHA-256 of the bytes of an array, little-endian and row by row."""
    return hashlib.sha256(np.ascontiguousarray(array, dtype="<f8").tobytes()).hexdigest()


def body_hash(record: dict[str, Any]) -> str:
    """SHA-256 of a certificate without its own ``digest``, in sorted compact JSON."""
    body = {key: value for key, value in record.items() if key != "digest"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def table(value: Any, keys: str, where: str) -> dict[str, Any]:
    """A table with exactly these keys.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(value, dict) or value.keys() != set(keys.split()):
        raise Invalid(f"{where} should have exactly the entries {', '.join(keys.split())}")
    return value


def hex_float(value: Any, where: str) -> float:
    """A nonnegative float written in hexadecimal.

    Raises:
        Invalid: it is none.
    """
    if isinstance(value, str) and _HEX_FLOAT.fullmatch(value):
        try:
            number = float.fromhex(value)
        except OverflowError:
            number = math.inf
        if 0 <= number < math.inf and number.hex() == value:
            return number
    raise Invalid(f"{where} is no nonnegative number in hexadecimal")


def _bytes(path: Path, most: int) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file: check the path")
    if path.stat().st_size > most:
        raise Invalid(f"{path.name} is larger than {most} bytes")
    return path.read_bytes()


def parse(text: str, name: str) -> Any:
    """Parse JSON whose only numbers are whole.

    Raises:
        Invalid: it is not such JSON, is nested too deeply, or has a key twice.
    """
    depth = 0
    for character in re.sub(r'(?s)"(?:[^"\\]++|\\.?)*+"?', "", text):  # linear in time: it never fails at a quote
        depth += (character in "[{") - (character in "]}")
        if depth > MOST_DEPTH:
            raise Invalid(f"{name} is nested deeper than {MOST_DEPTH} levels")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_no_number)
    except (ValueError, RecursionError):
        raise Invalid(f"{name} is not the JSON that is expected") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key twice")
    return result


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no whole number")


def _entry(file: str, name: str, value: Any) -> tuple[str, int, int, list[int]]:
    """Name, first and last byte, and shape of an array."""
    entry = table(value, "dtype shape data_offsets", f"{file}: array {name[:50]!r}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    numbers = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [None]
    if any(type(v) is not int or not 0 <= v <= MOST_BYTES for v in numbers) or len(shape) > 4 or len(offsets) != 2:
        raise Invalid(f"{file}: array {name[:50]!r} has no proper shape and offsets")
    if entry["dtype"] != "F64":
        raise Invalid(
            f"{file}: array {name[:50]!r} is not of float64 (F64): convert it, which is exact for shorter floats"
        )
    return name, offsets[0], offsets[1], shape
