"""What comes out of the store is what went in, or nothing."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import warnings

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empirical.store import DamagedRecord, Failure, Store, content_key, scalars


class Specification(msgspec.Struct, frozen=True):
    width: int
    step_size: float


class Result(msgspec.Struct, frozen=True):
    spec: Specification
    losses: list[float]

    @property
    def key(self):
        return content_key(self.spec)


RESULT = Result(Specification(7, 0.1), [1.0, 0.5])
ROWS = [
    {
        "key": RESULT.key,
        "kind": "Result",
        "width": 7,
        "step_size": 0.1,
        "first.losses": 1.0,
        "last.losses": 0.5,
    }
]
FAILURE = Failure(key=RESULT.key, specification=scalars(RESULT.spec), reason="no memory")


@given(width=st.integers(-(2**63), 2**63 - 1), step=st.floats(allow_nan=False, allow_infinity=False))
def test_keys_tell_specifications_apart(width, step):
    assert content_key(Specification(width, step)) == content_key(Specification(width, step))
    assert content_key(Specification(width, step)) != content_key(Specification(width ^ 1, step))


def test_records_come_back(tmp_path):
    store = Store(tmp_path / "made" / "on demand")
    assert store.get(RESULT.key, Result) is None
    store.put(RESULT)
    assert store.get(RESULT.key, Result) == RESULT
    assert store.keys() == [RESULT.key]


def test_a_flipped_bit_of_any_byte_and_every_truncation_are_noticed(tmp_path):
    store = Store(tmp_path)
    path = store.put(RESULT)
    content = path.read_bytes()
    damaged = [content[:length] for length in range(len(content))]
    for position, byte in enumerate(content):
        damaged.append(content[:position] + bytes([byte ^ 1 << position % 8]) + content[position + 1 :])
    for wrong in damaged:
        path.write_bytes(wrong)
        with pytest.warns(DamagedRecord) as caught:
            assert store.get(RESULT.key, Result) is None
        assert caught[0].message.path == path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedRecord)
            assert list(store.rows()) in ([], ROWS)  # of an altered payload, of which the table shows nothing
    path.write_bytes(content)
    assert store.get(RESULT.key, Result) == RESULT
    assert list(store.rows()) == ROWS


def test_a_record_under_another_name_is_no_record(tmp_path):
    store = Store(tmp_path)
    other = Result(Specification(8, 0.1), [])
    os.rename(store.put(RESULT), store.path(other.key))
    with pytest.warns(DamagedRecord, match="another record"):
        assert store.get(other.key, Result) is None


def test_a_write_that_fails_leaves_the_old_record_and_no_litter(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.put(RESULT)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.put(Result(RESULT.spec, [9.0]))
    assert [path.name for path in tmp_path.iterdir()] == [f"{RESULT.key}.msgpack"]
    with warnings.catch_warnings():
        assert store.get(RESULT.key, Result) == RESULT


def test_a_failure_is_kept_until_the_record_is_there(tmp_path):
    store = Store(tmp_path)
    assert store.failure(RESULT.key) is None
    store.put_failure(FAILURE)
    assert store.failure(RESULT.key) == FAILURE
    assert store.get(RESULT.key, Result) is None and store.keys() == []
    expected = {"key": RESULT.key, "kind": "Failure", "width": 7, "step_size": 0.1, "reason": "no memory"}
    assert list(store.rows()) == [expected]
    store.put(RESULT)
    assert store.failure(RESULT.key) is None
    assert list(store.rows()) == ROWS


def test_rows_show_both_ends_of_what_is_a_list():
    class Observed(msgspec.Struct):
        step: int
        flips: tuple[int, ...]

    class Whole(msgspec.Struct):
        spec: Specification
        seen: list[Observed]
        names: list[str]
        none: list[float]
        verdict: str

    whole = Whole(Specification(3, 0.5), [Observed(0, (1,)), Observed(9, (2,))], ["a", "b"], [], "finished")
    assert scalars(whole) == {
        "width": 3,
        "step_size": 0.5,
        "first.step": 0,
        "last.step": 9,
        "first.names": "a",
        "last.names": "b",
        "verdict": "finished",
    }


KEYS = [content_key(Specification(width, 0.5)) for width in range(3)]

CLAIM_AND_WAIT = """
import sys, time
from empirical.store import Store
with Store(sys.argv[1]).claim(sys.argv[2:]) as mine:
    print(len(mine), flush=True)
    time.sleep(60)
"""


def test_a_claim_excludes_other_processes_and_ends_with_its_own(tmp_path):
    store = Store(tmp_path)
    with store.claim([KEYS[2]]) as mine:
        other = subprocess.Popen(
            [sys.executable, "-c", CLAIM_AND_WAIT, tmp_path, *KEYS], stdout=subprocess.PIPE, text=True
        )
        assert mine == {KEYS[2]}
        assert other.stdout.readline() == "2\n"
    with store.claim(KEYS) as mine:
        assert mine == {KEYS[2]}
    other.send_signal(signal.SIGKILL)
    other.communicate()
    with store.claim(KEYS) as mine:
        assert mine == set(KEYS)


def test_a_claim_excludes_other_threads_and_other_stores_of_the_folder(tmp_path):
    with Store(tmp_path).claim(KEYS[:1]) as mine:
        assert mine == {KEYS[0]}
        seen = []
        thread = threading.Thread(target=lambda: seen.extend(claimed(Store(tmp_path / ".." / tmp_path.name))))
        thread.start()
        thread.join()
        assert seen == KEYS[1:]
    assert claimed(Store(tmp_path)) == KEYS


def claimed(store):
    with store.claim(KEYS) as mine:
        return [key for key in KEYS if key in mine]


DIE_WHILE_WRITING = """
import os, signal, sys
import msgspec
from empirical.store import Store
class Result(msgspec.Struct):
    key: str
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
Store(sys.argv[1]).put(Result("0" * 64))
"""


def test_what_a_killed_writer_left_is_cleared_and_that_of_a_living_one_is_not(tmp_path, monkeypatch):
    store = Store(tmp_path)
    assert subprocess.run([sys.executable, "-c", DIE_WHILE_WRITING, tmp_path], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 1 and store.keys() == []
    cleared = []

    def sync(descriptor, first=os.fsync):
        cleared.append(store.clear_unfinished())
        first(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    store.put(RESULT)
    assert cleared[0] == 1  # the dead writer's, not its own
    assert [path.name for path in tmp_path.iterdir()] == [f"{RESULT.key}.msgpack"]


@pytest.mark.parametrize("module, call", [(fcntl, "flock"), (os, "fsync"), (os, "replace")])
def test_an_interrupt_at_any_time_leaves_no_file(tmp_path, monkeypatch, module, call):
    def interrupt(*_):
        raise KeyboardInterrupt

    store = Store(tmp_path)
    with monkeypatch.context() as during:
        during.setattr(module, call, interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.put(RESULT)
    assert not list(tmp_path.iterdir())
    store.put(RESULT)
    assert store.get(RESULT.key, Result) == RESULT


FILL = """
import sys, msgspec
from empirical.store import Store
class Result(msgspec.Struct):
    key: str
    losses: list[float]
store, written = Store(sys.argv[1]), []
try:
    for i in range(100):
        result = Result(f"{i:064x}", [0.1 * i] * 10_000)
        store.put(result)
        written.append(result)
except OSError as error:
    assert error.errno == 28, error
assert 0 < len(written) < 100
assert store.keys() == [result.key for result in written]
assert all(store.get(result.key, Result) == result for result in written)
assert not any(path.name.startswith(".unfinished") for path in store.folder.iterdir())
print("kept", len(written))
"""


def test_a_full_disk_keeps_what_was_written(tmp_path, small_disk):
    done = subprocess.run(
        [*small_disk, tmp_path, sys.executable, "-c", FILL, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("kept"), done.stderr
