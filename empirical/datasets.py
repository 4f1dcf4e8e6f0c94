"""Data from a short specification: sets that ship with scikit-learn, synthetic sets, and files."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from empirical.files import is_file_name, read

Labels = Literal["true", "random", "classes", "stored"]

_MOST_CLASSES = 20
"""Whole-numbered targets with more distinct values than this are a regression target, not classes."""

_MOST_ENTRIES = 10**9
"""Of a synthetic data set: 8 GB."""

_SAMPLE, _LABELS = 0, 1  # independent random streams of one seed: the sample is the same for true and random labels


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels, with their provenance.

    Args:
        X: inputs float64 (n, d), as stored in the source.
        y: labels float64 (n,).
        name: the specification.
        rows: indices (n,) of the rows in the source.
        description: one sentence: the source, the sample and what the labels mean.
    """

    X: np.ndarray
    y: np.ndarray
    name: str
    rows: np.ndarray
    description: str

    def __repr__(self) -> str:
        return f"Dataset({self.description})"


@dataclass(frozen=True)
class _Source:
    """A data set before sampling and labelling.

    Args:
        X: inputs (n, d).
        target: (n,): text or whole numbers are classes, other numbers a regression target.
        kind: how ``target`` is read; ``labels`` are used as they are.
        about: what it is.
    """

    X: np.ndarray
    target: np.ndarray
    kind: Literal["classes", "regression", "labels"]
    about: str


def load_data(
    spec: str,
    *,
    n: int | None = None,
    labels: Labels = "true",
    classes: Sequence[str] | str | None = None,
    target: str | None = None,
    seed: int = 0,
) -> Dataset:
    """Load a data set and give it scalar labels.

    Args:
        spec: ``digits``, ``iris``, ``wine``, ``breast_cancer``, ``diabetes`` or ``linnerud``;
            ``sphere:n=50,d=10,seed=0`` (uniform on the unit sphere, standard normal labels);
            ``orthonormal:n=4`` (the rows of the identity, labels alternating +1 and -1);
            or a file: ``.npz`` or ``.safetensors`` with arrays X and y, ``.csv``, or an MNIST IDX images file with
            its labels file beside it.
        n: take a random sample of this many rows, balanced over the classes; all rows by default.
        labels: ``true``: classes become +1 (first half of the sorted classes) and -1 (the rest), labels that are +-1
            already stay, and a regression target is standardised over the rows taken; ``random``: +-1 by fair coins;
            ``classes``: 0, 1, ... by the sorted classes; ``stored``: the numbers of the source.
        classes: two classes ``a, b`` to keep, as +1 and -1.
        target: the column to predict, by name; the last one by default (csv, linnerud).
        seed: of the sample and of random labels.

    A target in a file is classes if it is text, or whole numbers with at most 20 different values.

    Raises:
        ValueError: the specification, the content or an argument makes no sense; says what, where and the mend.
        OSError: a file cannot be read.
    """
    if labels not in get_args(Labels):
        raise ValueError(f"unknown labels {labels!r}: use true, random, classes or stored")
    source = _source(spec, target)
    X = _checked_inputs(source.X, spec)
    if len(source.target) != len(X) or source.target.ndim != 1:
        raise ValueError(f"{spec}: X has {len(X)} rows but y has shape {source.target.shape}: give one label per row")
    rows = np.arange(len(X))
    if classes is not None:
        pair = _pair(classes, source, spec)
        rows = np.flatnonzero(np.isin(source.target, pair))
    else:
        pair = None
    if n is not None:
        rows = _sample(rows, source, n, seed, spec)
    if len(rows) < 2:
        raise ValueError(f"{spec}: {len(rows)} row is not enough: take at least 2")
    y, meaning = _labels(source, rows, pair, labels, seed, spec)
    taken = f"{len(rows)} of {len(X)} rows" + (f" (seed {seed})" if n is not None else "")
    return Dataset(X[rows], y, spec, rows, f"{source.about}: {taken}, {X.shape[1]} columns; labels: {meaning}")


def _source(spec: str, target: str | None) -> _Source:
    name, _, options = spec.partition(":")
    if spec in _SHIPPED:
        source = _shipped(spec, target)
    elif name in _SYNTHETIC:
        source = _SYNTHETIC[name](spec, options)
    elif is_file_name(spec):
        X, raw = read(Path(spec), target)
        return _Source(X, *_read_target(raw, spec), spec)
    else:
        near = difflib.get_close_matches(name.lower(), (*_SHIPPED, *_SYNTHETIC), n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        known = ", ".join((*_SHIPPED, *(f"{kind}:..." for kind in _SYNTHETIC)))
        raise ValueError(f"unknown data {spec!r}: {meant}use {known}, or a .npz, .csv, .safetensors or MNIST IDX file")
    if target is not None and spec != "linnerud":
        raise ValueError(f"{spec} has a single target: leave out the target {target!r}")
    return source


def _checked_inputs(X: np.ndarray, spec: str) -> np.ndarray:
    if X.dtype.kind not in "fiub":
        raise ValueError(f"{spec}: X holds {X.dtype}, not real numbers: store float64")
    if X.ndim < 2 or X.size == 0:
        raise ValueError(f"{spec}: X has shape {X.shape}: give at least two inputs as rows, shape (n, d)")
    X = X.reshape(len(X), -1).astype(np.float64)
    bad = np.argwhere(~np.isfinite(X))
    if len(bad):
        row, column = bad[0]
        raise ValueError(f"{spec}: X[{row}, {column}] is {X[row, column]}: remove or repair all {len(bad)} like it")
    zero = np.flatnonzero(~X.any(axis=1))
    if len(zero):
        raise ValueError(f"{spec}: row {zero[0]} of X is zero and has no direction: remove all {len(zero)} like it")
    if len(X) < 2:
        raise ValueError(f"{spec}: one row is not enough: give at least 2")
    return X


# Labels


def _pair(classes: Sequence[str] | str, source: _Source, spec: str) -> np.ndarray:
    wanted = classes.split(",") if isinstance(classes, str) else list(classes)
    wanted = [str(name).strip() for name in wanted]
    if source.kind == "regression":
        raise ValueError(f"{spec} has a regression target and no classes: leave out classes")
    present = np.unique(source.target)
    if len(present) > _MOST_CLASSES:
        raise ValueError(f"{spec} has {len(present)} different labels and no classes: leave out classes")
    by_name = {_class_name(value): value for value in present}
    unknown = [name for name in wanted if name not in by_name]
    if len(wanted) != 2 or wanted[0] == wanted[1] or unknown:
        raise ValueError(f"classes {','.join(wanted)} of {spec}: give two different ones of {', '.join(by_name)}")
    return np.array([by_name[name] for name in wanted])


def _class_name(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float | np.floating) else str(value)


def _sample(rows: np.ndarray, source: _Source, n: int, seed: int, spec: str) -> np.ndarray:
    if not 2 <= n <= len(rows):
        raise ValueError(f"{spec}: a sample of {n} of {len(rows)} rows: take between 2 and {len(rows)}")
    shuffled = np.random.default_rng([seed, _SAMPLE]).permutation(rows)
    if source.kind == "regression":
        return np.sort(shuffled[:n])
    # the k-th member of every class comes before the (k+1)-th of any, so that a prefix is balanced
    _, groups = np.unique(source.target[shuffled], return_inverse=True)
    rank = np.empty(len(shuffled), dtype=np.intp)
    for group in range(groups.max() + 1):
        members = np.flatnonzero(groups == group)
        rank[members] = np.arange(len(members))
    return np.sort(shuffled[np.argsort(rank, kind="stable")[:n]])


def _labels(
    source: _Source, rows: np.ndarray, pair: np.ndarray | None, labels: Labels, seed: int, spec: str
) -> tuple[np.ndarray, str]:
    if labels == "random":
        coins = np.random.default_rng([seed, _LABELS]).integers(2, size=len(rows))
        return 2.0 * coins - 1, f"+-1 by fair coins, seed {seed}"
    target = source.target[rows]
    if labels == "stored":
        if target.dtype.kind in "US":
            raise ValueError(f"{spec}: the labels are text and no numbers: use labels true for +1 and -1")
        return target.astype(np.float64), "as stored"
    if labels == "classes":
        if source.kind != "classes":
            raise ValueError(f"{spec} has no classes: use labels true or random")
        present = np.unique(source.target) if pair is None else np.sort(pair)
        numbers = np.searchsorted(present, target).astype(np.float64)
        return numbers, f"0, 1, ... for {', '.join(map(_class_name, present))}"
    if pair is not None:
        return np.where(target == pair[0], 1.0, -1.0), f"+1 is {_class_name(pair[0])}, -1 is {_class_name(pair[1])}"
    if source.kind == "labels":
        return target.astype(np.float64), "as in the source"
    if source.kind == "classes":
        present = np.unique(source.target)
        first, rest = np.split(present, [len(present) // 2])
        names = [", ".join(map(_class_name, half)) for half in (first, rest)]
        return np.where(np.isin(target, first), 1.0, -1.0), f"+1 is {names[0]}; -1 is {names[1]}"
    spread = float(target.std())
    if not (math.isfinite(spread) and spread > 0):
        raise ValueError(f"{spec}: the target is the same for all rows and can not be standardised: choose another")
    return (target - target.mean()) / spread, "the target, standardised to mean 0 and variance 1 over these rows"


def _read_target(target: np.ndarray, spec: str) -> tuple[np.ndarray, Literal["classes", "regression", "labels"]]:
    """Decide what a target from a file is; its numbers must be finite."""
    if target.ndim == 2 and 1 in target.shape:
        target = target.ravel()
    if target.dtype.kind in "US":
        kinds = np.unique(target)
    elif target.dtype.kind in "fiub":
        target = target.astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(target.ravel()))
        if len(bad):
            raise ValueError(
                f"{spec}: label {bad[0]} is {target.ravel()[bad[0]]}: remove or repair all {len(bad)} like it"
            )
        kinds = np.unique(target)
        if set(kinds.tolist()) <= {-1.0, 1.0}:
            return target, "labels"
        if (kinds != np.round(kinds)).any() or len(kinds) > _MOST_CLASSES:
            return target, "regression"
    else:
        raise ValueError(f"{spec}: y holds {target.dtype}: store numbers or text")
    if len(kinds) < 2:
        raise ValueError(
            f"{spec}: all labels are {_class_name(kinds[0]) if len(kinds) else 'absent'}: give two classes"
        )
    return target, "classes"


# Sets that ship with scikit-learn, and synthetic ones

_SHIPPED = ("digits", "iris", "wine", "breast_cancer", "diabetes", "linnerud")


def _shipped(name: str, target: str | None) -> _Source:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    values = np.asarray(bunch.target)
    kind: Literal["classes", "regression"] = "regression" if name in ("diabetes", "linnerud") else "classes"
    if values.ndim == 2:
        names = [str(column) for column in bunch.target_names]
        if target is not None and target not in names:
            raise ValueError(f"{name} has no target {target!r}: use one of {', '.join(names)}")
        values = values[:, names.index(target) if target else -1]
    return _Source(np.asarray(bunch.data), values, kind, f"{name} (ships with scikit-learn)")


def on_the_sphere(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Independent points (n, d), uniform on the unit sphere."""
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def _sphere(spec: str, options: str) -> _Source:
    n, d, seed = _options(spec, options, n=50, d=10, seed=0)
    rng = np.random.default_rng(seed)
    X = on_the_sphere(rng, n, d)
    y = rng.standard_normal(n)
    return _Source(X, y, "labels", f"uniform on the unit sphere in dimension {d}, labels N(0, 1), seed {seed}")


def _orthonormal(spec: str, options: str) -> _Source:
    (n,) = _options(spec, options, n=4)
    return _Source(np.eye(n), 1.0 - 2.0 * (np.arange(n) % 2), "labels", "orthonormal inputs, labels alternating")


_SYNTHETIC: dict[str, Callable[[str, str], _Source]] = {"sphere": _sphere, "orthonormal": _orthonormal}


def _options(spec: str, text: str, **defaults: int) -> list[int]:
    values = dict(defaults)
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        key = key.strip()
        if key not in defaults or not value.strip().isdecimal():
            example = ",".join(f"{k}={v}" for k, v in defaults.items())
            raise ValueError(f"{part!r} in {spec!r}: write {spec.partition(':')[0]}:{example}")
        values[key] = int(value)
    if values["n"] < 2 or values.get("d", 1) < 1 or values["n"] * values.get("d", values["n"]) > _MOST_ENTRIES:
        raise ValueError(f"{spec!r}: take n >= 2 and d >= 1, and at most {_MOST_ENTRIES:g} numbers in all")
    return list(values.values())
