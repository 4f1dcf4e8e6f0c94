"""The certificate as two files: a JSON record of statement, witnesses and enclosures, and the arrays as safetensors."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bounds.certificates.proving import Certificate, dynamics
from bounds.certificates.stack import Floats, Stack
from bounds.checker.files import Invalid, metadata, parse, read_arrays, read_json

VERSION = 1
SETTING = "zeroloss.setting"
"""Where the metadata of a safetensors file keep the setting, as JSON."""

RECORD = "certificate.json"
ARRAYS = "certificate.safetensors"


def write(certificate: Certificate, folder: str | Path) -> Path:
    """Write a certificate into a folder, which is made where it is missing.

    Args:
        certificate: what was proved.
        folder: where ``certificate.json`` and ``certificate.safetensors`` go; each is replaced at once.

    Returns:
        The path of the JSON file.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"X": certificate.X, "y": certificate.y, **certificate.weights}
    write_arrays(folder / ARRAYS, arrays)
    body = _body(certificate, arrays)
    _replace(folder / RECORD, (json.dumps(body, indent=1, sort_keys=True) + "\n").encode())
    return folder / RECORD


def load(path: str | Path, setting: str | Path | None = None) -> tuple[Stack, dict[str, Floats]]:
    """Read a network: its weights, and its setting from the file's metadata or from a file of its own.

    Args:
        path: safetensors, written by anyone.
        setting: JSON as :meth:`~bounds.certificates.stack.Stack.plain` gives it; it comes before the metadata.

    Raises:
        ValueError: a file is damaged, or no setting is known, or it does not fit the weights.
        OSError: a file cannot be read.
    """
    path = Path(path)
    try:
        weights: dict[str, Floats] = dict(read_arrays(path))
        if setting is not None:
            plain = read_json(Path(setting))
        elif SETTING in (notes := metadata(path)):
            plain = parse(str(notes[SETTING]), f"{path.name}: its setting")
        else:
            raise ValueError(
                f"{path} does not say which network its weights are: write it with empirical.export(module, path), or "
                "name the file of its setting with --setting"
            )
    except Invalid as error:
        raise ValueError(f"{path.parent / str(error)}: write it with empirical.export(module, path)") from None
    stack = Stack.from_plain(plain)
    stack.check(weights)
    return stack, weights


def write_arrays(path: Path, arrays: Mapping[str, Floats], metadata: Mapping[str, str] | None = None) -> None:
    """Write float64 arrays in the safetensors format.

    Args:
        path: the file.
        arrays: by name.
        metadata: texts by name, kept in the header.

    Raises:
        OSError: the file cannot be written.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start, parts = 0, []
    for name, array in arrays.items():
        parts.append(_little(array))
        stop = start + len(parts[-1])
        header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    _replace(path, b"".join([len(text).to_bytes(8, "little"), text, *parts]))


def _body(certificate: Certificate, arrays: Mapping[str, Floats]) -> dict[str, Any]:
    step, path, decay = certificate.step_size, certificate.path, certificate.decay
    error = "(F(x_i) - y_i)" if certificate.y.ndim == 1 else "||F(x_i) - y_i||"
    less = ", F the network less its exact outputs at the stored start," if certificate.stack.centred else ""
    slopes = " (whatever slope in [0, 1] the ReLU has at 0)" if certificate.crosses_kinks else ""
    rate = f"decays like exp(-{decay!r} t)"
    if step is not None:
        rate = f"shrinks by 1 - {step!r} * {decay!r} or more {certificate.when}"
    body = {
        "format": "zeroloss certificate",
        "version": VERSION,
        "argument": certificate.argument,
        "statement": {
            "text": f"from the stored weights, on the stored data, {dynamics(step)}{slopes} on "
            f"1/2 sum_i {error}^2{less} in real arithmetic converges to exactly zero loss; the path is no "
            f"longer than {path!r}, and the residual {rate}",
            "network": certificate.stack.plain(),
            "dynamics": "flow" if step is None else "descent",
            "step_size": None if step is None else step.hex(),
            "arrays": {
                "file": ARRAYS,
                "sha256": {name: hashlib.sha256(_little(array)).hexdigest() for name, array in arrays.items()},
            },
            "path": path.hex(),
            "decay": decay.hex(),
        },
        "witnesses": dict(certificate.witnesses),
        "enclosures": {name: [number.lower.hex(), number.upper.hex()] for name, number in certificate.numbers.items()},
    }
    compact = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return {**body, "digest": hashlib.sha256(compact).hexdigest()}


def _little(array: Floats) -> bytes:
    return np.ascontiguousarray(array, dtype="<f8").tobytes()


def _replace(path: Path, content: bytes) -> None:
    """Write beside the file, then put the whole in its place."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
