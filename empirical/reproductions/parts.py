"""What makes up a reproduction: claims, and the parts that measure beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bounds.statements import Mark, Paper
from empirical.reproductions.rows import Findings


@dataclass(frozen=True)
class Claim:
    """Something that is stated, and by whom.

    Args:
        text: in words, with formulas in plain text.
        mark: where the words come from.
        identifier: of the statement in the catalogue, if it is there.
    """

    text: str
    mark: Mark
    identifier: str = ""


@dataclass(frozen=True)
class Part:
    """One measurement of a reproduction.

    Args:
        name: unique in the reproduction.
        title: a few words.
        run: measures; takes its arguments by name.
        arguments: those that differ from its defaults.
        quick: those that make it take a second or so.
        keeps: whether it takes the store, for finished runs of its own.
    """

    name: str
    title: str
    run: Callable[..., Findings]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    keeps: bool = False


@dataclass(frozen=True)
class Reproduction:
    """What is run again for one paper.

    Args:
        name: on the command line.
        title: a few words.
        paper: of the catalogue.
        claims: what is stated.
        setting: what is run.
        parts: in the order of the page.
        remark: how to read the numbers, where that needs a word.
    """

    name: str
    title: str
    paper: Paper
    claims: tuple[Claim, ...]
    setting: str
    parts: tuple[Part, ...]
    remark: str = ""
