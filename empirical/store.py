"""One file per record, named by the hash of its specification; a damaged file counts as missing.

A file is a magic line, a head and a payload. The head repeats the record's scalars, so that ten thousand runs are
tabulated without reading their trajectories. Both parts have a SHA-256, and no number of a part is used before its
checksum was compared. Nothing here reads a clock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, runtime_checkable

import msgspec

import bounds

Scalar = bool | int | float | str | None

_MAGIC = b"zeroloss record 2\n"
_HEAD_START = len(_MAGIC) + 4 + 32  # the magic line, the head's length, the head's checksum
_FIRST_READ = 4096
"""Most heads are shorter, and so are read at once."""

_FINISHED, _FAILED, _UNFINISHED, _CLAIMS = ".msgpack", ".failed", ".unfinished-", ".claims"


class Record(Protocol):
    """What can be stored: a msgspec struct whose ``key`` is the :func:`content_key` of its specification."""

    @property
    def key(self) -> str:
        """The content hash that names the record."""
        ...


@runtime_checkable
class Tabulated(Protocol):
    """A record that says itself what of it fits a table row, where :func:`scalars` would leave out too much."""

    def row(self) -> dict[str, Scalar]:
        """The cells of its row, by column."""
        ...


_R = TypeVar("_R", bound=Record)
_S = TypeVar("_S", bound=msgspec.Struct)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no record of a specification, although it was tried.

    Args:
        key: the content hash of the specification.
        specification: its scalars.
        reason: one line.
    """

    key: str
    specification: dict[str, Scalar]
    reason: str

    def row(self) -> dict[str, Scalar]:
        """The specification, and the reason."""
        return {**self.specification, "reason": self.reason}


class DamagedRecord(UserWarning):
    """A stored file that is not what was written: truncated, altered, or another record's.

    Args:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; the record counts as missing and is computed again")
        self.path, self.reason = path, reason


class _Head(msgspec.Struct, frozen=True):
    """What a table needs of a record, and what the payload must be."""

    kind: str
    key: str
    row: dict[str, Scalar]
    payload_bytes: int
    payload_checksum: bytes


def content_key(specification: msgspec.Struct) -> str:
    """The SHA-256 of a specification's type and canonical JSON: equal for equal specifications only."""
    name = type(specification).__name__.encode()
    return hashlib.sha256(name + b"\n" + msgspec.json.encode(specification, order="deterministic")).hexdigest()


def code_digest(*files: str) -> str:
    """SHA-256 of ``bounds`` but for its papers, and of further files: what is kept as proved counts for them alone."""
    proofs = [file for file in Path(bounds.__file__).parent.rglob("*.py") if file.parent.name != "papers"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted([*proofs, *map(Path, files)]))).hexdigest()


def canonical(specification: _S) -> _S:
    """The same in the types that its fields name, as it is read back: a step of 1 as 1.0, numpy's numbers as Python's.

    Raises:
        ValueError: a field holds what its type does not allow.
    """
    plain = msgspec.to_builtins(specification, enc_hook=lambda number: number.item())
    return msgspec.convert(plain, type(specification))


def scalars(record: msgspec.Struct) -> dict[str, Scalar]:
    """What of a record fits a table row.

    These are its scalar fields and those of the structs in it, under their own names; which of several types a struct
    is (its tag), under the name of its field; of a list of structs, the scalar fields of both ends as ``first.name``
    and ``last.name``; of a list of numbers ``name``, both ends as ``first.name`` and ``last.name``.
    """
    row: dict[str, Scalar] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if value is None or isinstance(value, bool | int | float | str):
            row[name] = value
        elif isinstance(value, msgspec.Struct):
            tag = value.__struct_config__.tag
            row |= ({name: tag} if tag is not None else {}) | scalars(value)
        elif isinstance(value, list) and value:
            for place, end in (("first", value[0]), ("last", value[-1])):
                ends = scalars(end) if isinstance(end, msgspec.Struct) else {name: end}
                row |= {f"{place}.{of}": found for of, found in ends.items() if isinstance(found, Scalar)}
    return row


class Store:
    """A folder of records that any number of processes may share.

    Files appear complete or not at all: each is written under a temporary name, flushed to the disk and renamed.
    Claims are locks of the operating system, which it drops when a process dies however it dies; on a network file
    system they need its lock service, which NFS and Lustre (mounted with ``flock``) have.

    Args:
        folder: made if absent.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if self.folder.is_file():
            raise NotADirectoryError(f"{folder} is a file: name a folder for the runs")
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """The file of a record."""
        return self.folder / f"{key}{_FINISHED}"

    def put(self, record: Record) -> Path:
        """Write a record durably and return its file; an earlier failure under its key is forgotten.

        Raises:
            OSError: the file cannot be written; nothing is left behind then.
        """
        path = self._write(self.path(record.key), record)
        self._failure_path(record.key).unlink(missing_ok=True)
        return path

    def get(self, key: str, kind: type[_R]) -> _R | None:
        """Read a record, or None where there is none or the file is damaged (then with a warning).

        Args:
            key: the content hash of the record's specification.
            kind: the record's type.

        Warns:
            DamagedRecord: a file is there but does not hold the record as it was written.
        """
        return _read(self.path(key), key, kind)

    def keys(self) -> list[str]:
        """The keys of all files of records present, sorted."""
        return sorted(path.stem for path in self.folder.glob(f"*{_FINISHED}"))

    def put_failure(self, failure: Failure) -> None:
        """Record durably that a specification was tried in vain; see :meth:`put`."""
        self._write(self._failure_path(failure.key), failure)

    def failure(self, key: str) -> Failure | None:
        """Why a specification was tried in vain, or None if it was not; a damaged file counts as none."""
        return _read(self._failure_path(key), key, Failure)

    def rows(self) -> Iterator[dict[str, Scalar]]:
        """The :func:`scalars` of every record and failure, with its ``key`` and ``kind``, ordered by key.

        Only heads are read. A file whose length or head is not what was written is left out with a warning.

        Warns:
            DamagedRecord: for each such file.
        """
        finished = self.keys()
        failed = {path.stem for path in self.folder.glob(f"*{_FAILED}")}.difference(finished)
        for key, path in sorted([(k, self.path(k)) for k in finished] + [(k, self._failure_path(k)) for k in failed]):
            try:
                head = _read_head(path)
                if head.key != key:
                    raise ValueError("it holds another record")
            except FileNotFoundError:  # another process retried the failure, or the user cleared the folder
                continue
            except (msgspec.MsgspecError, ValueError) as error:
                warnings.warn(DamagedRecord(path, str(error)), stacklevel=2)
                continue
            yield {"key": key, "kind": head.kind, **head.row}

    @contextmanager
    def claim(self, keys: Iterable[str]) -> Iterator[set[str]]:
        """Claim keys to work on; gives those that no other process or thread has claimed, until the end of the block.

        A claim says nothing about what is stored: look after claiming whether the work is done already.
        """
        claims = _claims(self.folder.resolve())
        mine = {key for key in keys if claims.take(key)}
        try:
            yield mine
        finally:
            for key in mine:
                claims.release(key)

    def clear_unfinished(self) -> int:
        """Delete what writers left that died while writing, and return the number of such files."""
        cleared = 0
        for path in self.folder.glob(f"{_UNFINISHED}*"):
            try:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    cleared += 1
            except (FileNotFoundError, BlockingIOError):  # its writer finished, or is alive
                continue
        return cleared

    def _failure_path(self, key: str) -> Path:
        return self.folder / f"{key}{_FAILED}"

    def _write(self, target: Path, record: Record) -> Path:
        payload = msgspec.msgpack.encode(record)
        if isinstance(record, Tabulated):
            row = record.row()
        else:
            row = scalars(record) if isinstance(record, msgspec.Struct) else {}
        head = msgspec.msgpack.encode(
            _Head(type(record).__name__, record.key, row, len(payload), hashlib.sha256(payload).digest())
        )
        path = self.folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
        try:  # around the creation too: an interrupt may come right after it
            with _locked(path) as file:
                file.write(_MAGIC + len(head).to_bytes(4) + hashlib.sha256(head).digest() + head + payload)
                file.flush()
                os.fsync(file.fileno())
                os.replace(path, target)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself must survive a power cut
        finally:
            os.close(folder)
        return target


def _locked(path: Path) -> BinaryIO:
    """A new file, locked for as long as its writer lives."""
    while True:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            file.close()
            raise
        if path.exists():  # else it was cleared between its creation and its lock
            return file
        file.close()


class _Claims:
    """What this process claims of one folder: a locked byte per key in a file that stays empty.

    The operating system knows the owner of such a lock as a process, so that threads are told apart here.
    """

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / _CLAIMS, os.O_RDWR | os.O_CREAT, 0o666)
        self._held: set[str] = set()
        self._guard = threading.Lock()

    def take(self, key: str) -> bool:
        with self._guard:
            if key in self._held:
                return False
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(key))
            except (BlockingIOError, PermissionError):  # POSIX allows either for a lock that another process holds
                return False
            self._held.add(key)
            return True

    def release(self, key: str) -> None:
        with self._guard:
            self._held.remove(key)
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(key))


_claims_of: dict[Path, _Claims] = {}
"""One per folder and process: closing any descriptor of a file would drop all locks the process has on it."""

_claims_guard = threading.Lock()


def _claims(folder: Path) -> _Claims:
    with _claims_guard:
        if folder not in _claims_of:
            _claims_of[folder] = _Claims(folder)
        return _claims_of[folder]


def _offset(key: str) -> int:
    return int(key[:15], 16)


def _read(path: Path, key: str, kind: type[_R]) -> _R | None:
    try:
        content = path.read_bytes()
        head = _decode_head(content, len(content))
        payload = content[len(content) - head.payload_bytes :]
        if hashlib.sha256(payload).digest() != head.payload_checksum:
            raise ValueError("its checksum does not match")
        record = msgspec.msgpack.decode(payload, type=kind)
        if not record.key == head.key == key:
            raise ValueError("it holds another record")
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, ValueError) as error:
        warnings.warn(DamagedRecord(path, str(error)), stacklevel=3)
        return None
    return record


def _read_head(path: Path) -> _Head:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        start = os.read(descriptor, _FIRST_READ)
        if (end := _head_end(start)) > len(start):
            start += os.read(descriptor, min(end, size) - len(start))
        return _decode_head(start, size)
    finally:
        os.close(descriptor)


def _head_end(start: bytes) -> int:
    return _HEAD_START + int.from_bytes(start[len(_MAGIC) : len(_MAGIC) + 4])


def _decode_head(start: bytes, size: int) -> _Head:
    """The head of a file of so many bytes from its first bytes, once all of it is known to be what was written."""
    if not start.startswith(_MAGIC):
        raise ValueError("it is no record of this version")
    encoded = start[_HEAD_START : _head_end(start)]
    if hashlib.sha256(encoded).digest() != start[len(_MAGIC) + 4 : _HEAD_START]:
        raise ValueError("its checksum does not match")
    head = msgspec.msgpack.decode(encoded, type=_Head)
    if size != _HEAD_START + len(encoded) + head.payload_bytes:
        raise ValueError(f"it has {size} bytes, not as many as were written")
    return head
