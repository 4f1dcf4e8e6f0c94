"""Grid files: a TOML table each of whose keys holds a value or a list; the product of the lists is a sweep."""

from __future__ import annotations

import difflib
import itertools
import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MOST_RUNS = 10**6
"""Of one grid: a mistyped range is refused, not begun."""

_RANGE = re.compile(r"\s*(\d+)\s*\.\.\s*(\d+)\s*")

Count = Annotated[int, Meta(ge=1, le=10**9)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[float, Meta(gt=0, le=1e300)]


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point of a grid: a run with its data, before the data are loaded.

    Args:
        data, n, labels, classes, target: see :func:`empirical.datasets.load_data`; rows are normalised.
        data_seed: of the sample of rows and of random labels.
        width: m.
        step_size: eta.
        relative_step: eta in units of 2 / lambda_max of the infinite-width Gram matrix, in place of ``step_size``.
        steps: of gradient descent.
        trained: the first layer, or both.
        seed: of the initial weights.
        limit: whether the distance from the infinite-width Gram matrix is recorded.
    """

    data: str = "digits"
    n: Count | None = None
    labels: Literal["true", "random"] = "true"
    classes: str | None = None
    target: str | None = None
    data_seed: Seed = 0
    width: Count
    step_size: Positive | None = None
    relative_step: Positive | None = None
    steps: Count
    trained: Literal["first", "both"] = "first"
    seed: Seed = 0
    limit: bool = False


_INTEGERS = ("n", "data_seed", "width", "steps", "seed")
"""Keys whose values may be given as a range."""


@dataclass(frozen=True)
class Cell:
    """Points of a grid that differ in their seeds only.

    Args:
        point: one of them.
        seeds: of all of them, in the order of the file.
    """

    point: Point
    seeds: tuple[int, ...]


def read_grid(path: Path) -> list[Cell]:
    """Read a grid file.

    A whole number may be given as a range ``"0..99"``, both ends included, also within a list.

    Args:
        path: a TOML file whose keys are the fields of :class:`Point`.

    Returns:
        The cells in the order of the file, the last key varying fastest; a value given twice counts once.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no grid; says what, where and the mend.
    """
    try:
        keys = tomllib.loads(path.read_text())
        return _cells({name: _values(name, value) for name, value in keys.items()})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _values(name: str, given: Any) -> list[Any]:
    """The values of one key, as a list without repetitions, each checked."""
    if name not in Point.__struct_fields__:
        near = difflib.get_close_matches(name, Point.__struct_fields__, 1)
        mend = f"did you mean {near[0]}" if near else f"the keys are {', '.join(Point.__struct_fields__)}"
        raise ValueError(f"unknown key {name!r}: {mend}")
    values = list(
        itertools.chain.from_iterable(_expand(name, v) for v in (given if isinstance(given, list) else [given]))
    )
    if not values:
        raise ValueError(f"{name} is an empty list: give at least one value, or leave the key out")
    field = next(field for field in msgspec.structs.fields(Point) if field.name == name)
    for value in values:
        try:
            msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name} = {value!r}: {str(error)[:1].lower()}{str(error)[1:].replace('`', '')}") from None
    return list(dict.fromkeys(values))


def _expand(name: str, value: Any) -> Sequence[Any]:
    found = _RANGE.fullmatch(value) if name in _INTEGERS and isinstance(value, str) else None
    if found is None:
        return [value]
    first, last = map(int, found.groups())
    if not first <= last < first + MOST_RUNS:
        raise ValueError(f'{name} = "{value}": a range goes upwards, over at most {MOST_RUNS} values')
    return range(first, last + 1)


def _cells(values: dict[str, list[Any]]) -> list[Cell]:
    for name in ("width", "steps"):
        if name not in values:
            raise ValueError(f"the key {name} is missing")
    if ("step_size" in values) == ("relative_step" in values):
        raise ValueError("give either step_size or relative_step")
    runs = math.prod(map(len, values.values()))
    if runs > MOST_RUNS:
        raise ValueError(f"the grid has {runs} runs: give at most {MOST_RUNS}")
    seeds = tuple(values.pop("seed", [0]))
    return [Cell(point, seeds) for point in _points(values, seeds[0])]


def _points(values: dict[str, list[Any]], seed: int) -> Iterator[Point]:
    for chosen in itertools.product(*values.values()):
        yield msgspec.convert({**dict(zip(values, chosen, strict=True)), "seed": seed}, Point)
