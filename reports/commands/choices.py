"""What a user adds to the data: measured numbers by name, and the networks where a theorem speaks of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from reports.commands.options import real

if TYPE_CHECKING:
    from bounds.activations import Activation
    from bounds.settings import Setting
    from bounds.statements import Edition, Statement


def given_numbers(text: str, editions: Iterable[tuple[Statement, Edition]]) -> dict[str, float]:
    """Read ``name=number,...``; every name must be a quantity of one of the editions.

    Raises:
        ValueError: not of that form, or an unknown name.
    """
    known = {name for _, edition in editions for name in edition.names}
    numbers = {}
    for name, number in _pairs(text, "--given"):
        if name not in known:
            raise ValueError(f"--given {name}: no such quantity, choose from {', '.join(sorted(known))}")
        numbers[name] = real(number)
    return numbers


def chosen_settings(text: str, statements: Sequence[Statement]) -> dict[str, Setting]:
    """Read ``field=value,...`` and change the settings of the theorems that hold for any value of these fields.

    Returns:
        A setting for every theorem, by identifier.

    Raises:
        ValueError: not of that form, fields that no theorem leaves open, or a value of the wrong kind.
    """
    pairs = dict(_pairs(text, "--setting"))
    if pairs and not any(pairs.keys() <= set(s.for_all) for s in statements):
        free = sorted({name for s in statements for name in s.for_all})
        raise ValueError(f"--setting {text}: {'choose from ' + ', '.join(free) if free else 'nothing is left open'}")
    chosen = {}
    for statement in statements:
        setting: Any = statement.setting
        open_here = bool(pairs) and pairs.keys() <= set(statement.for_all)
        changes = {name: _value(name, v, getattr(setting, name)) for name, v in pairs.items()} if open_here else {}
        chosen[statement.identifier] = replace(setting, **changes)
    return chosen


def _pairs(text: str, option: str) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    for name, equals, value in parts:
        if not (name.strip() and equals and value.strip()):
            raise ValueError(f"{option} {text!r}: write name=value, separated by commas")
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _value(name: str, text: str, default: object) -> object:
    """A value of the kind that the field has now."""
    if isinstance(default, str):
        return text
    if isinstance(default, int | Fraction):
        try:
            number = type(default)(text)
        except (ValueError, ZeroDivisionError):
            number = None
        if number is None or number <= 0:
            raise ValueError(f"--setting {name}={text}: give a positive number, such as {default}")
        return number
    return _activation(text)


def _activation(text: str) -> Activation:
    from bounds import activations

    known = {str(a).lower(): a for a in vars(activations).values() if isinstance(a, activations.Activation)}
    if text.lower() not in known:
        raise ValueError(f"--setting activation={text}: choose one of {', '.join(sorted(known))}")
    return known[text.lower()]
