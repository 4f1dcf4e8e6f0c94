"""The catalogue: every paper found in :mod:`bounds.papers`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import traceback
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from bounds import papers as _papers
from bounds.statements import Paper, Statement

if TYPE_CHECKING:
    from bounds.proofs import Obligation, Proof


@cache
def modules() -> tuple[ModuleType, ...]:
    """The modules of :mod:`bounds.papers` that hold a paper each, by year and name.

    Raises:
        ValueError: a file there is wrong; says where and how.
    """
    names = (info.name for info in pkgutil.iter_modules(_papers.__path__))
    found = [_module(f"bounds.papers.{name}") for name in names if not name.startswith("_")]
    taken: dict[str, ModuleType] = {}
    for module in found:
        for identifier in (s.identifier for s in module.PAPER.statements if s.identifier):
            if taken.setdefault(identifier, module) is not module:
                raise ValueError(f"{module.__file__}: {identifier} is taken by {taken[identifier].__file__}: rename it")
    return tuple(sorted(found, key=lambda module: (module.PAPER.year, module.__name__)))


def _module(name: str) -> ModuleType:
    """Read the file of a paper; whatever is wrong with it is said with its place there."""
    try:
        module = importlib.import_module(name)
    except Exception as error:
        spec = importlib.util.find_spec(name)
        file = spec.origin if spec and spec.origin else name
        what = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f"{_place(file, error)}: {what}: mend the file, or take it out of its folder") from error
    if not isinstance(getattr(module, "PAPER", None), Paper):
        raise ValueError(f"{module.__file__}: holds no PAPER: end it with PAPER = Paper(...), or begin its name with _")
    return module


def _place(file: str, error: Exception) -> str:
    """The file, with the last of its lines that led to an error, and what kind of error it is."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if isinstance(error, SyntaxError) and error.filename == file:
        lines = [error.lineno]
    kind = "" if isinstance(error, ValueError) else f": {type(error).__name__}"
    return f"{file}, line {lines[-1]}{kind}" if lines else f"{file}{kind}"


@cache
def papers() -> tuple[Paper, ...]:
    """All papers, by year and name of their file."""
    return tuple(module.PAPER for module in modules())


def theorems() -> tuple[Statement, ...]:
    """All theorems that have an identifier."""
    return tuple(s for paper in papers() for s in paper.statements if s.identifier)


def theorem(identifier: str) -> Statement:
    """Look a theorem up.

    Args:
        identifier: ``firstauthorYEAR-what``, such as ``du2019-two-layer``.

    Raises:
        ValueError: unknown; the message names the nearest identifiers.
        TypeError: no text.
    """
    if not isinstance(identifier, str):
        raise TypeError(f"an identifier is text such as 'du2019-two-layer', not {type(identifier).__name__}")
    known = {statement.identifier: statement for statement in theorems()}
    if identifier not in known:
        begun = [name for name in known if identifier and name.startswith(identifier.lower())]
        near = begun or difflib.get_close_matches(identifier.lower(), known, n=3, cutoff=0.6)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(f"no theorem {identifier!r} in the catalogue: {meant}`zeroloss theorems` lists all")
    return known[identifier]


def paper_of(statement: Statement) -> Paper:
    """The paper that a statement of the catalogue stands in."""
    return next(paper for paper in papers() if any(statement is s for s in paper.statements))


def place_of(statement: Statement) -> tuple[str, str] | None:
    """Where a statement of the catalogue stands: the module of its paper, and its name there."""
    here = (m.__name__ for m in modules() if any(statement is s for s in m.PAPER.statements))
    return next(((module, statement.name) for module in here), None)


def at(module: str, name: str) -> Statement:
    """The statement of some name in the module of a paper; see :func:`place_of`."""
    found: Statement = next(s for s in importlib.import_module(module).PAPER.statements if s.name == name)
    return found


def label(statement: Statement) -> str:
    """A statement's name with its paper, for where statements of several papers stand together."""
    paper = paper_of(statement)
    return f"{paper.authors[0].partition(',')[0]} {paper.year}, {statement.name}"


def obligations(identifier: str) -> Iterator[tuple[Statement, str, Obligation]]:
    """Every proof obligation of a theorem and of what it rests on: statement, edition name, obligation.

    Raises:
        ValueError: unknown theorem.
    """
    for statement in theorem(identifier).graph():
        for edition in statement.editions:
            for obligation in edition.obligations:
                yield statement, edition.name, obligation


def prove(identifier: str, *, timeout: float = 10.0) -> Iterator[Proof]:
    """Prove every obligation of a theorem and of what it rests on, with z3 and with cvc5, one after the other.

    Args:
        identifier: of the theorem.
        timeout: seconds for each solver on each question.

    Yields:
        A proof for each obligation, as soon as it is settled.

    Raises:
        ValueError: unknown theorem.
        ImportError: a solver is not installed.
    """
    from bounds.proofs import prove_obligations

    return prove_obligations((obligation for _, _, obligation in obligations(identifier)), timeout=timeout)
