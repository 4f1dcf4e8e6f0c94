"""Data: the labels that were promised, and one line of what, where and the mend for everything else."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from sklearn.datasets import load_diabetes, load_digits, load_linnerud

from empirical import load_data

RNG = np.random.default_rng(3)
INPUTS = RNG.standard_normal((12, 3))
SIGNS = np.tile([1.0, -1.0], 6)


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer"])
def test_classes_become_signs(name):
    data = load_data(name)
    assert set(data.y) == {-1.0, 1.0}
    assert data.X.dtype == data.y.dtype == np.float64
    assert np.array_equal(data.rows, np.arange(len(data.X)))


def test_the_first_half_of_the_digits_is_plus_one():
    X, digit = load_digits(return_X_y=True)
    data = load_data("digits")
    assert np.array_equal(data.X, X) and np.array_equal(data.y, np.where(digit < 5, 1.0, -1.0))
    pair = load_data("digits", classes="8,3")
    assert np.array_equal(pair.rows, np.flatnonzero((digit == 3) | (digit == 8)))
    assert np.array_equal(pair.y, np.where(digit[pair.rows] == 8, 1.0, -1.0))
    assert np.array_equal(pair.y, load_data("digits", classes=("8", "3")).y)


def test_regression_targets_are_standardised_over_the_rows_taken():
    data = load_data("diabetes", n=40, seed=2)
    target = load_diabetes().target[data.rows]
    np.testing.assert_allclose(data.y, (target - target.mean()) / target.std())
    for column, name in enumerate(load_linnerud().target_names):
        y = load_data("linnerud", target=name).y
        assert np.corrcoef(y, load_linnerud().target[:, column])[0, 1] == pytest.approx(1)
    assert np.array_equal(load_data("linnerud").y, load_data("linnerud", target="Pulse").y)


@given(st.integers(10, 300), st.integers(0, 2**32))
@settings(max_examples=20)
def test_samples_are_balanced_repeatable_and_traceable(n, seed):
    X, digit = load_digits(return_X_y=True)
    data = load_data("digits", n=n, seed=seed)
    assert len(data.rows) == n == len(set(data.rows))
    assert np.array_equal(data.X, X[data.rows])
    counts = np.bincount(digit[data.rows], minlength=10)
    assert counts.max() - counts.min() <= 1
    assert np.array_equal(data.rows, load_data("digits", n=n, seed=seed).rows)


def test_random_labels_are_fair_signs_on_the_same_rows():
    true, random = (load_data("digits", n=1000, seed=4, labels=labels) for labels in ("true", "random"))
    assert np.array_equal(true.rows, random.rows)
    assert set(random.y) == {-1.0, 1.0} and abs(random.y.mean()) < 0.2
    assert not np.array_equal(random.y, load_data("digits", n=1000, seed=5, labels="random").y)


def test_synthetic_sets():
    data = load_data("sphere:n=30,d=4,seed=9")
    np.testing.assert_allclose(np.linalg.norm(data.X, axis=1), 1)
    assert data.X.shape == (30, 4) and len(set(data.y)) == 30
    assert np.array_equal(data.X, load_data("sphere:seed=9,d=4,n=30").X)
    assert not np.array_equal(data.X, load_data("sphere:n=30,d=4").X)
    assert load_data("sphere").X.shape == (50, 10)
    data = load_data("orthonormal:n=5")
    assert np.array_equal(data.X, np.eye(5)) and data.y.tolist() == [1, -1, 1, -1, 1]


def write(path, X, y):
    """Write the same data in the format of the path."""
    if path.suffix == ".npz":
        np.savez(path, X=X, y=y)
    elif path.suffix == ".safetensors":
        save_file({"X": X, "y": y}, path)
    else:
        lines = [",".join([*map(repr, row.tolist()), repr(float(label))]) for row, label in zip(X, y, strict=True)]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".csv"])
def test_files_come_back_bit_for_bit(tmp_path, suffix):
    data = load_data(str(write(tmp_path / f"data{suffix}", INPUTS, SIGNS)))
    assert np.array_equal(data.X, INPUTS) and np.array_equal(data.y, SIGNS)
    assert "as in the source" in data.description


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".csv"])
def test_labels_of_files_are_classes_or_a_regression_target(tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    classes = np.arange(12.0) % 3
    assert np.array_equal(load_data(str(write(path, INPUTS, classes))).y, np.where(classes == 0, 1.0, -1.0))
    target = np.linspace(0, 1, 12)
    np.testing.assert_allclose(load_data(str(write(path, INPUTS, target))).y, (target - 0.5) / target.std())


@pytest.mark.parametrize("target", [np.linspace(0, 1, 12), np.arange(12.0) % 2, SIGNS])
def test_labels_as_stored_are_the_numbers_of_the_file(tmp_path, target):
    path = str(write(tmp_path / "data.csv", INPUTS, target))
    data = load_data(path, n=7, labels="stored")
    assert np.array_equal(data.y, target[data.rows]) and "labels: as stored" in data.description


def test_csv_headers_targets_and_text_labels(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("\ufeffred,kind,blue\n1,cat,2\n\n3, dog ,4\n5,cat,6\n")
    data = load_data(str(path), target="kind")
    assert data.X.tolist() == [[1, 2], [3, 4], [5, 6]] and data.y.tolist() == [1, -1, 1]
    with pytest.raises(ValueError, match="the labels are text and no numbers: use labels true"):
        load_data(str(path), target="kind", labels="stored")
    path.write_text("a,b,c\n1,2,0\n3,4,1\n")
    assert load_data(str(path)).y.tolist() == [1, -1]


def idx(array, magic):
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


IMAGES, DIGITS = RNG.integers(1, 255, (6, 2, 3)), np.arange(6)
IDX_IMAGES = idx(IMAGES, 0x803)


@pytest.mark.parametrize(("ending", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_mnist_files(tmp_path, ending, pack):
    images, labels = RNG.integers(1, 255, (6, 2, 3)), np.arange(6)
    path = tmp_path / f"train-images-idx3-ubyte{ending}"
    path.write_bytes(pack(idx(images, 0x803)))
    (tmp_path / f"train-labels-idx1-ubyte{ending}").write_bytes(pack(idx(labels, 0x801)))
    data = load_data(str(path))
    assert np.array_equal(data.X, images.reshape(6, 6)) and data.y.tolist() == [1, 1, 1, -1, -1, -1]


@pytest.mark.parametrize(
    ("content", "message"), [(idx(IMAGES, 0x801), "magic 0x801"), (IDX_IMAGES[:-1], "35 bytes"), (b"", "IDX")]
)
def test_bad_mnist_files_are_named(tmp_path, content, message):
    path = tmp_path / "t-images-idx3-ubyte"
    path.write_bytes(content)
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(idx(DIGITS, 0x801))
    with pytest.raises(ValueError, match=message) as error:
        load_data(str(path))
    assert str(path) in one_line(error)


BAD_ARRAYS = {
    "nan": (np.where(np.eye(12, 3) > 0, np.nan, INPUTS), SIGNS, r"X\[0, 0\] is nan"),
    "inf": (np.where(np.eye(12, 3) > 0, np.inf, INPUTS), SIGNS, r"X\[0, 0\] is inf"),
    "nan label": (INPUTS, np.where(np.arange(12) == 4, np.nan, SIGNS), "label 4 is nan"),
    "zero row": (INPUTS * (np.arange(12) != 7)[:, None], SIGNS, "row 7 of X is zero"),
    "empty": (INPUTS[:0], SIGNS[:0], "."),
    "one row": (INPUTS[:1], SIGNS[:1], "."),
    "one label short": (INPUTS, SIGNS[:-1], "one label per row"),
    "two labels each": (INPUTS, np.stack([SIGNS, SIGNS], axis=1), "one label per row"),
    "vector": (SIGNS, SIGNS, "shape"),
    "scalar": (np.array(1.0), SIGNS, "shape"),
    "complex": (INPUTS * 1j, SIGNS, "complex128"),
    "one class": (INPUTS, np.full(12, 3), "all labels are 3"),
    "dates": (INPUTS, np.full(12, np.datetime64("2020-01-01")), "numbers or text"),
}


def one_line(error):
    message = str(error.value)
    assert message and "\n" not in message
    return message


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_refused_in_one_line(tmp_path, name):
    X, y, message = BAD_ARRAYS[name]
    path = tmp_path / "bad.npz"
    np.savez(path, X=X, y=y)
    with pytest.raises(ValueError, match=message) as error:
        load_data(str(path))
    assert str(path) in one_line(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a,b\n", "no rows"),
        ("1,2,1\n3,x,0\n", "line 2, column 2: 'x'"),
        ("a,b,c\n1,2,1\n3,x,0\n", r"line 3, column 2 \(b\): 'x'"),
        ("1,2,1\n3,,0\n", "line 2, column 2: ''"),
        ("1,2,1\n3,nan,0\n", "line 2, column 2: 'nan'"),
        ("1,2,cat\n3,4,5\n", "line 1, column 3: 'cat'"),
        ("1,2,1\n3,4\n", "line 2: 2 columns"),
        ("1\n2\n", "one column"),
        ("1,2,1\n", "one row"),
        ('1,"2,1\n', "not a readable CSV"),
    ],
)
def test_bad_csv_is_refused_with_line_and_column(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        load_data(str(path))
    assert str(path) in one_line(error)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("digit", {}, "unknown data 'digit'"),
        ("sphere:n=3,e=4", {}, "sphere:n=50,d=10,seed=0"),
        ("sphere:n=x", {}, "'n=x'"),
        ("sphere:n=1", {}, "n >= 2"),
        ("orthonormal:n=99999999", {}, "at most"),
        ("digits", {"n": 1}, "between 2 and 1797"),
        ("digits", {"n": 1798}, "between 2 and 1797"),
        ("digits", {"labels": "wrong"}, "true, random, classes or stored"),
        ("digits", {"classes": "3"}, "two different"),
        ("digits", {"classes": "3,3"}, "two different"),
        ("digits", {"classes": "3,x"}, "two different"),
        ("diabetes", {"classes": "1,2"}, "regression"),
        ("sphere:n=30", {"classes": "1,2"}, "no classes"),
        ("digits", {"target": "x"}, "single target"),
        ("linnerud", {"target": "x"}, "Weight, Waist, Pulse"),
    ],
)
def test_bad_requests_are_refused_in_one_line(spec, options, message):
    with pytest.raises(ValueError, match=message) as error:
        load_data(spec, **options)
    one_line(error)


@pytest.mark.parametrize("name", ["gone.npz", "gone.csv", "gone.safetensors", "gone.gz"])
def test_a_missing_file_is_an_error_of_the_file_system(tmp_path, name):
    with pytest.raises(OSError, match="no such file") as error:
        load_data(str(tmp_path / name))
    one_line(error)


def test_pickles_are_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("a pickle was run",)

    path = tmp_path / "bomb.npz"
    content = io.BytesIO()
    np.lib.format.write_array(content, np.array([Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", content.getvalue())
        archive.writestr("y.npy", content.getvalue())
    with pytest.raises(ValueError, match="not a readable .npz"):
        load_data(str(path))


FILES = ["d.npz", "d.safetensors", "d.csv", "d-images-idx3-ubyte", "d-images-idx3-ubyte.gz"]
places = st.floats(0, 1, exclude_max=True)


@given(st.sampled_from(FILES), st.lists(st.tuples(places, st.integers(0, 7)), max_size=3), st.just(1.0) | places)
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_refused_or_read_as_numbers_but_never_crash(tmp_path, name, flips, kept):
    path = tmp_path / name
    if "idx3" in name:
        pack = gzip.compress if name.endswith(".gz") else bytes
        path.write_bytes(pack(idx(IMAGES, 0x803)))
        (tmp_path / name.replace("images-idx3", "labels-idx1")).write_bytes(pack(idx(DIGITS, 0x801)))
    else:
        write(path, INPUTS, SIGNS)
    content = bytearray(path.read_bytes())
    for place, bit in flips:
        content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content[: int(kept * len(content))])
    try:
        loaded = load_data(str(path))
    except (ValueError, OSError) as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert np.isfinite(loaded.X).all() and np.isfinite(loaded.y).all()


def test_classes_of_many_digits_are_told_apart(tmp_path):
    """By six digits, which once named them, the two were one."""
    path = tmp_path / "codes.csv"
    path.write_text("1,0,1234567\n0,1,1234568\n1,1,1234567\n")
    data = load_data(str(path), classes="1234567,1234568")
    assert data.y.tolist() == [1.0, -1.0, 1.0] and "+1 is 1234567, -1 is 1234568" in data.description
