"""Theorems and lemmas, and what they ask of a problem."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import sympy

from bounds import quantities as q
from bounds.arithmetic import Enclosure, Exact, NoNumber, evaluate
from bounds.implicit import least_solution
from bounds.settings import Setting, TwoLayer
from bounds.statements.checked import one_of, tuple_of
from bounds.statements.clauses import POSITIVE
from bounds.statements.display import as_html, as_text
from bounds.statements.editions import Edition, Given, KnownError
from bounds.statements.evaluation import Evaluation
from bounds.statements.missing import missing, unspecified

if TYPE_CHECKING:
    from bounds.problem import Problem

Dynamics = Literal[
    "gradient descent",
    "stochastic gradient descent",
    "gradient flow",
    "mean-field flow",
    "any weights",
    "no training",
]

Conclusion = Literal[
    "exact fit",
    "error floor",
    "average iterate",
    "curve within eps",
    "critical point",
    "existence",
    "conditioning",
    "spectrum",
    "approximation",
    "no quantitative statement",
]
"""What kind of thing a theorem concludes; kinds are not ranked against one another."""


@dataclass(frozen=True)
class Statement:
    """A theorem or lemma.

    Args:
        name: as numbered in the paper.
        title: what it is about, in a few words.
        setting: the networks it speaks of.
        dynamics: how they are trained.
        editions: in the order printed, corrected, explicit, improved, sharp.
        rests_on: the statements used in its proof.
        errors: known mistakes in the printed text.
        identifier: for theorems of the catalogue, ``firstauthorYEAR-what``.
        concludes: the kind of conclusion; required of a theorem of the catalogue.
        for_all: the fields of the setting that may have any value, such as ``depth``; the setting is then an example.
        remark: what a reader must know before using it.
    """

    name: str
    title: str
    setting: Setting
    dynamics: Dynamics
    editions: tuple[Edition, ...]
    rests_on: tuple[Statement, ...] = ()
    errors: tuple[KnownError, ...] = ()
    identifier: str = ""
    concludes: Conclusion | None = None
    for_all: tuple[str, ...] = ()
    remark: str = ""

    def __post_init__(self) -> None:
        one_of("dynamics", self.dynamics, Dynamics)
        if self.concludes is not None or self.identifier:
            one_of("concludes", self.concludes, Conclusion)
        for what, values, kind in (
            ("editions", self.editions, Edition),
            ("rests_on", self.rests_on, Statement),
            ("errors", self.errors, KnownError),
        ):
            tuple_of(kind, what, values)

    def __repr__(self) -> str:
        name = f"{self.identifier}: {self.name}" if self.identifier else self.name
        return f"Statement({name}, {self.title}; {', '.join(edition.name for edition in self.editions)})"

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def __reduce__(self) -> str | tuple[object, ...]:
        """By its place in the catalogue, if it has one: a statement holds functions, which cannot be stored."""
        from bounds.catalogue import at, place_of

        place = place_of(self)
        return super().__reduce__() if place is None else (at, place)

    @property
    def networks(self) -> str:
        """The networks it speaks of, in words."""
        free = ", ".join(name.replace("_", " ") for name in self.for_all)
        return f"{self.setting} (an example: any {free})" if free else str(self.setting)

    def edition(self, name: str) -> Edition:
        """Look an edition up by name.

        Raises:
            ValueError: no such edition; the message lists those that exist.
        """
        for edition in self.editions:
            if edition.name == name:
                return edition
        known = ", ".join(edition.name for edition in self.editions)
        raise ValueError(f"{self.name} has no {name!r} edition: choose one of {known}")

    def width(
        self,
        problem: Problem,
        edition: str = "explicit",
        *,
        setting: Setting | None = None,
        initial_residual: Enclosure | Exact | None = None,
        shares: Mapping[sympy.Symbol, Enclosure | Exact] | None = None,
        given: Given | None = None,
    ) -> Enclosure:
        """The width that an edition asks for on this problem.

        Args:
            problem: data, labels and confidence.
            edition: which edition.
            setting: another of the settings that the statement speaks of, such as another depth.
            initial_residual: a measured norm of the initial residual, in place of its event; see ``Evaluation.note``.
            shares: how delta is split among the events; evenly unless given.
            given: numbers that data do not determine, by the name of their symbol.

        Returns:
            An enclosure; with hidden constants a lower estimate, marked by its assumption.

        Raises:
            ValueError: no such edition, another setting than it speaks of, a number of unknown name or impossible sign.
            NoNumber: a ValueError where the edition asks for no width or leaves it unspecified, a quantity was not
                given, or the least eigenvalue is not certified positive.
        """
        return self.limit(
            q.m, problem, edition, setting=setting, initial_residual=initial_residual, shares=shares, given=given
        )

    def step_size(
        self,
        problem: Problem,
        edition: str = "explicit",
        *,
        setting: Setting | None = None,
        initial_residual: Enclosure | Exact | None = None,
        shares: Mapping[sympy.Symbol, Enclosure | Exact] | None = None,
        given: Given | None = None,
    ) -> Enclosure:
        """The largest step that an edition allows; arguments, result and errors as for :meth:`width`."""
        return self.limit(
            q.eta, problem, edition, setting=setting, initial_residual=initial_residual, shares=shares, given=given
        )

    def limit(
        self,
        symbol: sympy.Symbol,
        problem: Problem,
        edition: str = "explicit",
        *,
        setting: Setting | None = None,
        initial_residual: Enclosure | Exact | None = None,
        shares: Mapping[sympy.Symbol, Enclosure | Exact] | None = None,
        given: Given | None = None,
    ) -> Enclosure:
        """The least or largest value of any quantity that an edition allows; see :meth:`width`."""
        chosen, what = self.edition(edition), f"{self.name} ({edition})"
        measured = _measured(chosen, initial_residual, given)
        expression = chosen.limit(symbol, measured)
        if expression is None:
            raise NoNumber(f"{what} sets no bound on {q.MEANING[symbol]}")
        if open_ended := unspecified(expression):
            raise NoNumber(f"{what} gives no number: the paper does not specify {', '.join(map(str, open_ended))}")
        setting = self._setting(setting)
        values = chosen.values(problem, setting, initial_residual=initial_residual, shares=shares, given=given)
        rests_on_it = q.lambda_0 in chosen.expand(expression, {}).free_symbols or POSITIVE in chosen.assumes
        if rests_on_it and q.lambda_0 in values and not values[q.lambda_0].ball > 0:
            degenerate = problem.degeneracy if setting == TwoLayer() or setting == TwoLayer("both") else None
            why = degenerate or f"the least eigenvalue is not certified positive, it lies in {values[q.lambda_0]}"
            raise NoNumber(f"{self.name} says nothing here: {why}")
        expression = chosen.expand(expression, values)
        if absent := [s for s in missing(expression, values) if s != symbol]:
            names = ", ".join(f"{s} ({q.MEANING[s]})" for s in absent)
            raise NoNumber(f"the {q.MEANING[symbol]} of {what} needs numbers that were not given: {names}")
        if symbol in expression.free_symbols:
            return least_solution(expression, symbol, values)
        return evaluate(expression, values)

    def _setting(self, chosen: Setting | None) -> Setting:
        """The chosen setting, if the statement speaks of it."""
        if chosen is None or chosen == self.setting:
            return self.setting
        free = {name: getattr(chosen, name) for name in self.for_all if hasattr(chosen, name)}
        if not isinstance(chosen, type(self.setting)) or replace(self.setting, **free) != chosen:  # type: ignore[type-var]
            varied = f", for any {' and '.join(self.for_all)}" if self.for_all else ""
            raise ValueError(f"{self.name} speaks of {self.setting}{varied}, and not of {chosen}")
        return chosen

    def check(
        self,
        problem: Problem,
        *,
        width: int | None = None,
        step_size: Enclosure | Exact | None = None,
        edition: str = "explicit",
        setting: Setting | None = None,
        initial_residual: Enclosure | Exact | None = None,
        shares: Mapping[sympy.Symbol, Enclosure | Exact] | None = None,
        given: Given | None = None,
    ) -> Evaluation:
        """Decide every condition of an edition and enclose what it promises.

        Args:
            problem: data, labels and confidence.
            width: number of neurons of a hidden layer.
            step_size: of gradient descent; a float is the exact number it stores.
            edition: which edition.
            setting: another of the settings that the statement speaks of, such as another depth.
            initial_residual: a measured norm of the initial residual, in place of its event; see ``Evaluation.note``.
            shares: how delta is split among the events; evenly unless given.
            given: numbers that data do not determine, by the name of their symbol.

        Raises:
            ValueError: no such edition, a width or step that is not positive, shares that exceed delta, a
                setting that it does not speak of, a given number of unknown name or impossible sign.
        """
        chosen = self.edition(edition)
        values = chosen.values(
            problem, self._setting(setting), initial_residual=initial_residual, shares=shares, given=given
        )
        for symbol, value in ((q.m, width), (q.eta, step_size)):
            if value is None:
                continue
            values[symbol] = Enclosure.of(value)
            if not 0 < values[symbol].lower <= values[symbol].upper < math.inf:
                raise ValueError(f"{q.MEANING[symbol]} must be positive, not {value}")
        chosen.define(values)
        measured = _measured(chosen, initial_residual, given)
        conditions = tuple((c, c.decide(problem, values)) for c in chosen.conditions(measured))
        note = conditional(measured) if measured and chosen.is_random(measured) else ""
        return Evaluation(self, chosen, conditions, values, note)

    def graph(self) -> Iterator[Statement]:
        """The statement and everything it rests on, each once, foundations first."""
        seen: set[int] = set()

        def visit(statement: Statement) -> Iterator[Statement]:
            if id(statement) in seen:
                return
            seen.add(id(statement))
            for lemma in statement.rests_on:
                yield from visit(lemma)
            yield statement

        return visit(self)


def conditional(measured: list[sympy.Symbol]) -> str:
    """What measuring quantities of the random start does to an answer: they depend on the same draw as its events."""
    names = ", ".join(dict.fromkeys(q.MEANING[s] for s in measured))
    return (
        f"for the measured {names}: with probability 1 - delta the draw is one for which these conditions imply the "
        "conclusions; nothing is said of the probability given that measurement"
    )


def _measured(edition: Edition, initial_residual: Enclosure | Exact | None, given: Given | None) -> list[sympy.Symbol]:
    """The quantities of the random start that a number was given for."""
    names = {*(given or {}), *(() if initial_residual is None else ("e_0",))}
    bounded = [event.quantity for event in edition.events if event.quantity is not None]
    return [symbol for symbol in dict.fromkeys((*bounded, q.e_0)) if symbol.name in names]
