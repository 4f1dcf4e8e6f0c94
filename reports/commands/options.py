"""Options that several commands share, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, Token

if TYPE_CHECKING:
    from bounds.problem import Problem
    from reports.schema import DataRow


DIGITS = 50
"""How many digits are taken where --n does not say."""


def require(*libraries: str) -> None:
    """Refuse to start where a library that the command needs later is missing.

    Raises:
        ModuleNotFoundError: naming the first one that is.
    """
    for library in libraries:
        if find_spec(library) is None:
            raise ModuleNotFoundError(name=library)


def positive(**numbers: float | None) -> None:
    """Refuse numbers that are not positive.

    Raises:
        ValueError: naming the first option that is not.
    """
    for name, value in numbers.items():
        if value is not None and not value > 0:
            raise ValueError(f"--{name.replace('_', '-')} is {value:g}: give a positive number")


def _whole(_: Any, tokens: Sequence[Token]) -> int:
    """Read a whole number, 1e6 included; nothing is rounded."""
    try:
        value = Decimal(tokens[0].value)
        if value.is_finite() and value.adjusted() < 30 and value == int(value):
            return int(value)
    except InvalidOperation:
        pass
    raise ValueError(f"{tokens[0].value!r} is no whole number: give one, such as 100 or 1e6")


def real(text: str) -> float:
    """Read a decimal as the nearest float64, which is what networks train with and what is then taken exactly.

    Raises:
        ValueError: not a finite number.
    """
    try:
        value = float(text)
        if math.isfinite(value):
            return value
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no finite number: give a decimal, such as 0.1 or 1e-3")


def _real(_: Any, tokens: Sequence[Token]) -> float:
    return real(tokens[0].value)


def _probability(_: Any, tokens: Sequence[Token]) -> float:
    value = real(tokens[0].value)
    if not 0 < value < 1:
        raise ValueError(f"{tokens[0].value} does not lie between 0 and 1: give a probability, such as 0.1")
    return value


Whole = Annotated[int, Parameter(converter=_whole)]
Real = Annotated[float, Parameter(converter=_real)]
Probability = Annotated[float, Parameter(converter=_probability)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class DataOptions:
    """Which data.

    Args:
        data: digits, iris, wine, breast_cancer, diabetes, linnerud, sphere:n=50,d=10,seed=0, orthonormal:n=4, or a
            file (.npz or .safetensors with arrays X and y, .csv, MNIST IDX images)
        n: rows to take, seeded and class-balanced; by default 50 of digits, all rows of anything else
        delta: failure probability; this and every decimal is read as the nearest float64, then taken exactly
        labels: true labels (classes as signs, other targets standardised), random signs, or the numbers as stored;
            auto is true, but stored for a file beside --weights
        classes: two classes a,b to tell apart; by default the first half of the classes from the rest
        target: the column to predict, of a CSV file or linnerud; by default the last one
        seed: of the sample, of random labels, and of training
    """

    data: str = "digits"
    n: Whole | None = None
    delta: Probability = 0.1
    labels: Literal["auto", "true", "random", "stored"] = "auto"
    classes: str | None = None
    target: str | None = None
    seed: Whole = 0

    def load(self) -> tuple[Problem, tuple[DataRow, ...]]:
        """The problem, and in words which data it is.

        Raises:
            ValueError: unknown, unreadable or unusable data.
        """
        from bounds.problem import Problem
        from empirical.datasets import load_data
        from reports.schema import DataRow

        if self.seed < 0:
            raise ValueError(f"--seed is {self.seed}: give 0 or a positive number")
        n = DIGITS if self.n is None and self.data == "digits" else self.n
        labels = "true" if self.labels == "auto" else self.labels
        dataset = load_data(self.data, n=n, labels=labels, classes=self.classes, target=self.target, seed=self.seed)
        try:
            problem = Problem(dataset.X, dataset.y, self.delta)
        except ValueError as error:
            raise ValueError(f"{self.data}: {error}") from error
        rows = () if n is None else (DataRow("rows taken", _ranges(dataset.rows.tolist())),)
        return problem, (DataRow("data", dataset.description), *rows)


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as 0-3, 7, 9-10."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)


DEFAULT_DATA = DataOptions()
"""Fifty handwritten digits."""
