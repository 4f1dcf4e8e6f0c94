"""Grid files: a TOML table each of whose keys holds a value or a list; the product of the lists is a sweep."""

from __future__ import annotations

import difflib
import itertools
import math
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import NODEFAULT, Meta

from empirical.dynamics import GradientDescent, Method
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES
from empirical.networks import Family
from empirical.networks.shallow import TwoLayer
from empirical.store import Scalar

MOST_RUNS = 10**6
"""Of one grid: a mistyped range is refused, not begun."""

_RANGE = re.compile(r"\s*(\d+)\s*\.\.\s*(\d+)\s*")
_SIZES = re.compile(r"\s*\d+\s*(,\s*\d+\s*)*")

Count = Annotated[int, Meta(ge=1, le=10**9)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[float, Meta(gt=0, le=1e300)]


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a point; see :func:`empirical.datasets.load_data`. Rows are normalised.

    Args:
        data, n, labels, classes, target: see there.
        data_seed: of the sample of rows and of random labels.
    """

    data: str = "digits"
    n: Count | None = None
    labels: Literal["true", "random", "classes"] = "true"
    classes: str | None = None
    target: str | None = None
    data_seed: Seed = 0


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a grid: all runs of one network on some data, but for their seed.

    Args:
        data: on which data.
        family: of which network.
        loss: what is minimised.
        method: how.
        relative: whether the step size of the method is in units of 2 / lambda_max: of the infinite-width Gram matrix
            for :attr:`two_layer_descent`, else of that of the network drawn with seed 0.
        observe: what is measured on the way, by the names of :data:`~empirical.measurements.OBSERVABLES`.
        limit: whether the distance from the infinite-width Gram matrix is recorded, of :attr:`two_layer_descent`.
        device: where the arithmetic happens.
    """

    data: Data
    family: Family
    loss: Loss = Loss()
    method: Method
    relative: bool = False
    observe: tuple[str, ...] = ()
    limit: bool = False
    device: str = "cpu"

    @property
    def two_layer_descent(self) -> bool:
        """Whether it is the descent that :func:`~empirical.training.train_seeds` takes with many seeds side by side."""
        family, method = self.family, self.method
        return (
            isinstance(family, TwoLayer)
            and family.trained != "last"
            and family == TwoLayer(width=family.width, trained=family.trained)
            and isinstance(method, GradientDescent)
            and method.momentum == 0
            and self.loss == Loss()
            and not self.observe
        )


@dataclass(frozen=True)
class Cell:
    """Runs of a grid that differ in their seeds only.

    Args:
        point: what they share.
        seeds: of the initial weights (and of the batches), in the order of the file.
        keys: what the file says of them, without the seed.
    """

    point: Point
    seeds: tuple[int, ...]
    keys: Mapping[str, Scalar]


FAMILIES: dict[str, type[msgspec.Struct]] = {str(t.__struct_config__.tag): t for t in typing.get_args(Family)}
METHODS: dict[str, type[msgspec.Struct]] = {str(t.__struct_config__.tag): t for t in typing.get_args(Method)}
DEFAULTS = {"family": "two-layer", "method": "gradient-descent", "loss": "squares"}


def _types(*structs: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of the fields by name, with numbers kept in their range."""
    ranged = {int: Count, float: Positive, float | None: Positive}
    return {f.name: ranged.get(f.type, f.type) for struct in structs for f in msgspec.structs.fields(struct)}


_COMMON: dict[str, Any] = {
    **_types(Data),
    "family": str,
    "method": str,
    "loss": Literal["squares", "logistic", "cross-entropy"],
    "reduction": Literal["sum", "mean"],
    "relative_step": Positive,
    "seed": Seed,
    "observe": str,
    "limit": bool,
}
"""What the keys that any grid may have hold."""

_ALL = _COMMON | _types(*FAMILIES.values(), *METHODS.values())
KEYS = tuple(_ALL)
"""All keys of grid files."""

_INTEGERS = [name for name, kind in _ALL.items() if kind in (Count, Count | None, Seed)]
"""Keys whose values may be given as a range."""


def read_grid(path: Path, *, device: str = "cpu") -> list[Cell]:
    """Read a grid file.

    Its keys are the fields of :class:`Data`, of the chosen ``family`` and ``method`` and of the loss (whose kind is
    called ``loss``), beside ``relative_step`` in place of ``step_size``, ``observe``, ``limit`` and ``seed``. A whole
    number may be given as a range ``"0..99"``, both ends included, also within a list; several widths of one network
    and several observables as text with commas.

    Args:
        path: a TOML file.
        device: where all runs are trained.

    Returns:
        The cells in the order of the file, the last key varying fastest; a value given twice counts once.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no grid; says what, where and the mend.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text: `zeroloss sweep --example` writes a grid file to start from") from None
    try:
        return cells(tomllib.loads(text), device=device)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def cells(keys: Mapping[str, Any], *, device: str = "cpu") -> list[Cell]:
    """The cells of a grid given by its keys; see :func:`read_grid`.

    Raises:
        ValueError: it is no grid.
    """
    for name in keys:
        if name not in KEYS:
            near = difflib.get_close_matches(name, KEYS, 1)
            mend = f"did you mean {near[0]}" if near else f"the keys are {', '.join(KEYS)}"
            raise ValueError(f"unknown key {name!r}: {mend}")
    chosen = {name: _expanded(name, keys[name]) for name in ("family", "method") if name in keys}
    types = {name: [kind] for name, kind in _COMMON.items()}
    for kind, structs in (("family", FAMILIES), ("method", METHODS)):
        for tag in chosen.get(kind, [DEFAULTS[kind]]):
            for name, of in _own_types(keys, kind, _checked(kind, tag, types[kind]), structs).items():
                types.setdefault(name, []).append(of)
    values = {name: _values(name, given, types[name]) for name, given in keys.items()}
    runs = math.prod(map(len, values.values()))
    if runs > MOST_RUNS:
        raise ValueError(f"the grid has {runs} runs: give at most {MOST_RUNS}")
    seeds = tuple(values.pop("seed", [0]))
    products = (dict(zip(values, combined, strict=True)) for combined in itertools.product(*values.values()))
    return [_cell(combined, seeds, device) for combined in products]


def _own_types(
    keys: Mapping[str, Any], kind: str, tag: str, structs: dict[str, type[msgspec.Struct]]
) -> dict[str, Any]:
    """The types of the keys of a family or method; refuse a grid with others, or without one that it needs."""
    own = _types(structs[tag])
    foreign = next((name for name in keys if name in _types(*structs.values()) and name not in own), None)
    if foreign:
        raise ValueError(f"{kind} {tag} has no key {foreign}: it has {', '.join(own)}")
    for field in msgspec.structs.fields(structs[tag]):
        if field.name == "step_size":
            if ("step_size" in keys) == ("relative_step" in keys):
                raise ValueError("give either step_size or relative_step")
        elif field.name not in keys and field.default is field.default_factory is NODEFAULT:
            raise ValueError(f"the key {field.name} is missing: {kind} {tag} needs it")
    if kind == "method" and "relative_step" in keys and "step_size" not in own:
        raise ValueError(f"method {tag} has no step size: leave out relative_step")
    return own


def _values(name: str, given: Any, types: Sequence[Any]) -> list[Any]:
    """The values of one key, as a list without repetitions, each checked."""
    values = [_checked(name, value, types) for value in _expanded(name, given)]
    if not values:
        raise ValueError(f"{name} is an empty list: give at least one value, or leave the key out")
    return list(dict.fromkeys(values))


def _expanded(name: str, given: Any) -> list[Any]:
    return list(itertools.chain.from_iterable(_range(name, v) for v in (given if isinstance(given, list) else [given])))


def _range(name: str, value: Any) -> Sequence[Any]:
    found = _RANGE.fullmatch(value) if name in _INTEGERS and isinstance(value, str) else None
    if found is None:
        return [value]
    first, last = map(int, found.groups())
    if not first <= last < first + MOST_RUNS:
        raise ValueError(f'{name} = "{value}": a range goes upwards, over at most {MOST_RUNS} values')
    return range(first, last + 1)


def _checked(name: str, value: Any, types: Sequence[Any]) -> Any:
    """A value of a key, as it was given, once it is known to be of all these types."""
    try:
        if name == "widths":
            if not (isinstance(value, str) and _SIZES.fullmatch(value)):
                raise msgspec.ValidationError('Expected widths of the layers as text, such as "64,32,1"')
            msgspec.convert(_sizes(value), tuple[Count, ...])
        elif name in ("family", "method"):
            known = FAMILIES if name == "family" else METHODS
            if value not in known:
                raise msgspec.ValidationError(f"choose from {', '.join(known)}")
        elif name == "observe":
            unknown = [part for part in _names(msgspec.convert(value, str)) if part not in OBSERVABLES]
            if unknown:
                raise msgspec.ValidationError(f"Unknown {unknown[0]!r}, choose from {', '.join(OBSERVABLES)}")
        else:
            for kind in types:
                msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name} = {value!r}: {str(error)[:1].lower()}{str(error)[1:].replace('`', '')}") from None
    return value


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _cell(keys: dict[str, Any], seeds: tuple[int, ...], device: str) -> Cell:
    values = DEFAULTS | keys
    if "widths" in values:
        values["widths"] = _sizes(values["widths"])
    values["step_size"] = values.get("step_size", values.get("relative_step"))
    family, method = FAMILIES[values["family"]], METHODS[values["method"]]
    point = Point(
        data=_made(Data, values),
        family=_made(family, values),
        loss=Loss(kind=values["loss"], reduction=values.get("reduction", "sum")),
        method=_made(method, values),
        relative="relative_step" in keys,
        observe=_names(values.get("observe", "")),
        limit=values.get("limit", False),
        device=device,
    )
    if point.limit and not point.two_layer_descent:
        raise ValueError(
            "limit = true is for two-layer ReLU networks under plain gradient descent: leave it out, "
            'or observe = "tangent kernel"'
        )
    if point.relative and point.loss.kind != "squares":
        raise ValueError(f"relative_step is for loss = 'squares', not for {point.loss.kind!r}: give step_size")
    return Cell(point, seeds, keys)


def _made(struct: Any, values: Mapping[str, Any]) -> Any:
    return struct(**{name: values[name] for name in struct.__struct_fields__ if name in values})
