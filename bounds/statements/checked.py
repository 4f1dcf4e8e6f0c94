"""Mistakes in a theorem's file are named where they are made, when it is read."""

from __future__ import annotations

from typing import Any, get_args

from sympy import Float, GreaterThan, LessThan, StrictGreaterThan, StrictLessThan

from bounds.quantities import MEANING
from bounds.statements.missing import is_hidden


def one_of(what: str, value: object, choices: Any) -> None:
    """Refuse a word that is none of a ``Literal``.

    Raises:
        ValueError: naming those that are.
    """
    if value not in get_args(choices):
        raise ValueError(f"{what} is {value!r}: use one of {', '.join(get_args(choices))}")


def tuple_of(kind: Any, what: str, values: object) -> None:
    """Refuse what is no tuple of one kind of thing, such as a single thing without its comma.

    Raises:
        TypeError: saying what was found.
    """
    if not isinstance(values, tuple):
        raise TypeError(f"{what} is {_named(values)}: give a tuple of {kind.__name__}, with a comma after a single one")
    for value in values:
        if not isinstance(value, kind):
            raise TypeError(f"{what} holds {_named(value)}: give {kind.__name__} only")


def named_once(what: str, names: list[str]) -> None:
    """Refuse two clauses of one name: a verdict is found by it.

    Raises:
        ValueError: naming them.
    """
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two {what} are named {', '.join(map(repr, twice))}: give each a name of its own")


def inequality(what: str, relation: object) -> None:
    """Refuse what sympy has decided, what is no inequality, and symbols that nothing says the meaning of.

    Raises:
        ValueError: saying what was found.
    """
    if not isinstance(relation, GreaterThan | StrictGreaterThan | LessThan | StrictLessThan):
        raise ValueError(
            f"the relation of {what!r} is {relation}: write an inequality with Le, Lt, Ge or Gt, and evaluate=False "
            "where sympy would decide it"
        )
    if decimals := sorted(map(str, relation.atoms(Float))):
        raise ValueError(f"the relation of {what!r} has decimals, {', '.join(decimals)}: write Rational(3, 2) for 1.5")
    unknown = sorted(str(s) for s in relation.free_symbols if s not in MEANING and not is_hidden(s))
    if unknown:
        raise ValueError(
            f"the relation of {what!r} has symbols without a meaning, {', '.join(unknown)}: make them with "
            "bounds.quantities.quantity, large_constant or small_constant"
        )


def _named(value: object) -> str:
    return repr(value) if isinstance(value, str) else f"a {type(value).__name__}"
