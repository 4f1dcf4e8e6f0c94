"""Editions: the ways in which a statement is given, and the values that its symbols take on a problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import sympy

from bounds import quantities as q
from bounds.arithmetic import Enclosure, Exact, Values, Verdict, evaluate, exact_ball
from bounds.statements.checked import named_once, one_of, tuple_of
from bounds.statements.clauses import Condition, Promise, Rate
from bounds.statements.missing import is_hidden, missing

if TYPE_CHECKING:
    from bounds.problem import Problem
    from bounds.proofs import Obligation
    from bounds.settings import Setting

EditionName = Literal["printed", "corrected", "explicit", "improved", "sharp"]
Given = Mapping[str, Enclosure | Exact]
"""Numbers that data do not determine, by the name of their symbol: measured, or chosen such as a depth."""


class Mark(Enum):
    """Provenance: where the words of an edition come from."""

    READ = "read in the paper"
    REDERIVED = "re-derived"
    FROM_MEMORY = "from memory"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Event:
    """An event of the random start that fails with probability at most its share of delta.

    Args:
        share: its part of the failure probability.
        meaning: what happens, in words.
        quantity: what the event bounds, where a measured value can take its place: then no share is spent, and
            conditions in which the share stands are not needed.
        bound: what it is bounded by.
    """

    share: sympy.Symbol
    meaning: str
    quantity: sympy.Symbol | None = None
    bound: sympy.Expr | None = None


INITIAL_RESIDUAL_BOUND = sympy.sqrt((q.y_norm**2 + q.n / 2) / q.delta_3)
INITIAL_RESIDUAL = Event(
    q.delta_3,
    "the initial residual is at most sqrt((|y|^2 + n/2) / delta_3), by Markov",
    q.e_0,
    INITIAL_RESIDUAL_BOUND,
)
"""For two-layer ReLU networks: E f(x)^2 = 1/2 and E f(x) = 0 for unit inputs."""


@dataclass(frozen=True)
class Link:
    """One inequality of the chain that turns travel into a required width.

    Every link is linear in the travel, which shrinks like 1/sqrt(m): if a link's bound is c times what is measured,
    the theorem asks for c^2 times the width.

    Args:
        lemma: the statement that proves it.
        what: the inequality, in words.
        bound: its promised side, in measurable quantities; R is the measured travel.
        measured: the quantity that it bounds.
    """

    lemma: str
    what: str
    bound: sympy.Expr
    measured: sympy.Symbol


@dataclass(frozen=True)
class KnownError:
    """A mistake in a printed statement.

    Args:
        text: what is wrong and what is right.
        counterexample: for a false statement, an instance: decides the printed inequality where its hypotheses
            hold, so that the verdict *fails* proves the printed statement false.
    """

    text: str
    counterexample: Callable[[], Verdict] | None = None


@dataclass(frozen=True)
class Edition:
    """One way of stating a statement.

    Args:
        name: printed, corrected, explicit, improved or sharp.
        mark: provenance.
        assumes: conditions, in the order of the argument.
        promises: conclusions that a run can be held against.
        rate: the promised linear convergence, where there is one.
        radius: how far neurons may move in this argument.
        events: what the failure probability is spent on; empty where the paper writes one delta.
        reason: why corrected, or how derived.
        chain: how the argument gets from the width to the drift of the Gram matrix, link by link.
        arguments: the steps of the proof, each of which makes an obligation of the edition's constants.
        where: abbreviations in its formulas, each with what it stands for.
    """

    name: EditionName
    mark: Mark
    assumes: tuple[Condition, ...] = ()
    promises: tuple[Promise, ...] = ()
    rate: Rate | None = None
    radius: sympy.Expr | None = None
    events: tuple[Event, ...] = ()
    reason: str = ""
    chain: tuple[Link, ...] = ()
    arguments: tuple[Callable[[Edition], Obligation], ...] = ()
    where: tuple[tuple[sympy.Symbol, sympy.Expr], ...] = ()

    def __post_init__(self) -> None:
        one_of("the name of an edition", self.name, EditionName)
        if not isinstance(self.mark, Mark):
            raise TypeError(f"the mark is {self.mark!r}: give Mark.READ, Mark.REDERIVED or Mark.FROM_MEMORY")
        for what, values, kind in (
            ("assumes", self.assumes, Condition),
            ("promises", self.promises, Promise),
            ("events", self.events, Event),
            ("chain", self.chain, Link),
            ("arguments", self.arguments, Callable),
        ):
            tuple_of(kind, what, values)
        for what, clauses in (("conditions", self.assumes), ("promises", self.promises)):
            named_once(what, [clause.name for clause in clauses])

    def __repr__(self) -> str:
        return f"Edition({self.name}, {self.mark})"

    @cached_property
    def obligations(self) -> tuple[Obligation, ...]:
        """The algebra behind the constants, for the solvers.

        Raises:
            ValueError: an argument cannot be written for this edition.
        """
        return tuple(self._obligation(argument) for argument in self.arguments)

    def _obligation(self, argument: Callable[[Edition], Obligation]) -> Obligation:
        try:
            return argument(self)
        except Exception as error:
            name = getattr(argument, "__name__", repr(argument))
            what = f"{type(error).__name__}: {error}"
            raise ValueError(f"the argument {name} of the {self.name} edition makes no obligation: {what}") from error

    @property
    def conclusions(self) -> tuple[Promise, ...]:
        """All promises, the rate first."""
        return (*((self.rate.promise,) if self.rate else ()), *self.promises)

    @property
    def hidden_constants(self) -> tuple[sympy.Symbol, ...]:
        """The constants that the paper leaves unspecified."""
        relations = [c.relation for c in self.assumes if c.relation is not None]
        relations += [p.relation for p in self.conclusions]
        relations += [formula for _, formula in self.where]
        return tuple(sorted({s for r in relations for s in r.free_symbols if is_hidden(s)}, key=str))

    def conditions(self, measured: Collection[sympy.Symbol] = ()) -> tuple[Condition, ...]:
        """What it assumes; what an event needs of the width is left out where a measured number takes its place."""
        spared = {event.share for event in self.events if event.quantity in measured}
        return tuple(c for c in self.assumes if c.relation is None or not c.relation.free_symbols & spared)

    def is_random(self, measured: Collection[sympy.Symbol] = ()) -> bool:
        """Whether it holds with a probability: an event is left that no measured number replaces, or delta is named."""
        return q.delta in self.symbols or any(event.quantity not in measured for event in self.events)

    def limit(self, symbol: sympy.Symbol, measured: Collection[sympy.Symbol] = ()) -> sympy.Expr | None:
        """The most demanding bound on a symbol: the largest lower bound of m, the smallest upper bound of eta.

        Args:
            symbol: the left side of the conditions that count.
            measured: quantities whose events are not needed.
        """
        relations = [c.relation for c in self.conditions(measured) if c.relation is not None]
        bounds = [relation for relation in relations if relation.lhs == symbol]
        if not bounds:
            return None
        lower = isinstance(bounds[0], sympy.StrictGreaterThan | sympy.GreaterThan)
        sides = [r.rhs for r in bounds if isinstance(r, sympy.StrictGreaterThan | sympy.GreaterThan) is lower]
        if len(sides) == 1:
            return sides[0]
        return sympy.Max(*sides, evaluate=False) if lower else sympy.Min(*sides, evaluate=False)

    def values(
        self,
        problem: Problem,
        setting: Setting | None = None,
        *,
        initial_residual: Enclosure | Exact | None = None,
        shares: Mapping[sympy.Symbol, Enclosure | Exact] | None = None,
        given: Given | None = None,
    ) -> dict[sympy.Symbol, Enclosure]:
        """Values of the invariants of problem and setting, of delta and its shares, and of what was given or bounded.

        Args:
            problem: data, labels and confidence.
            setting: whose matrix has the least eigenvalue lambda_0; two-layer ReLU networks unless given.
            initial_residual: a measured norm of the initial residual; without it, it is bounded by its own event.
            shares: how delta is split among the events; evenly unless given.
            given: further numbers, by name; one takes the place of the event that would bound it.

        Raises:
            ValueError: shares that are not positive or exceed delta; a number of unknown name or impossible sign.
            TypeError: something else than a problem.
        """
        from bounds.problem import Problem

        if not isinstance(problem, Problem):
            raise TypeError(f"a theorem is applied to a bounds.Problem(X, y), not to {type(problem).__name__}")
        chosen = self._chosen({**(given or {}), **({} if initial_residual is None else {"e_0": initial_residual})})
        values = problem.values(setting, symbols={*self.symbols, *self._bounded_by} - chosen.keys())
        if fixed := sorted(str(s) for s in chosen if s in values):
            raise ValueError(
                f"{', '.join(fixed)} cannot be given: the data or the setting say it; choose another setting"
            )
        values.update(chosen)
        events = [e for e in self.events if e.quantity not in chosen]
        values.update(self._split(events, values, shares or {}))
        self.define(values)  # an event's bound may be written in abbreviations
        for event in events:
            if event.quantity is not None and event.bound is not None and not missing(event.bound, values):
                values[event.quantity] = evaluate(event.bound, values)
        self.define(values)
        return values

    @property
    def definitions(self) -> tuple[tuple[sympy.Symbol, sympy.Expr], ...]:
        """The abbreviations and the radius."""
        return (*self.where, *(() if self.radius is None else ((q.R, self.radius),)))

    def define(self, values: dict[sympy.Symbol, Enclosure]) -> None:
        """Add the values of radius and abbreviations, as far as they follow from the values there."""
        for _ in self.definitions:
            for symbol, formula in self.definitions:
                if symbol not in values and not missing(formula, values):
                    values[symbol] = evaluate(formula, values)

    def expand(self, formula: sympy.Expr, values: Values) -> sympy.Expr:
        """Write out the abbreviations that have no value yet, since they depend on what is being solved for."""
        absent = {symbol: meaning for symbol, meaning in self.definitions if symbol not in values}
        for _ in absent:
            formula = formula.xreplace(absent)
        return formula

    @cached_property
    def symbols(self) -> frozenset[sympy.Symbol]:
        """Everything that its formulas are written in, and the initial residual."""
        formulas: list[sympy.Basic] = [c.relation for c in self.assumes if c.relation is not None]
        formulas += [p.relation for p in self.conclusions]
        formulas += [formula for _, formula in self.definitions]
        formulas += [link.bound for link in self.chain]
        return frozenset({q.e_0}.union(*(formula.free_symbols for formula in formulas)))

    @property
    def names(self) -> dict[str, sympy.Symbol]:
        """The quantities that may be given, by name: not width, step, shares of delta and abbreviations."""
        chosen_otherwise = {q.m, q.eta, *(e.share for e in self.events), *(symbol for symbol, _ in self.where)}
        symbols = (s for s in (*self._bounded_by, *self.symbols) if not is_hidden(s))
        return {str(s): s for s in symbols if s not in chosen_otherwise}

    @property
    def _bounded_by(self) -> set[sympy.Symbol]:
        """What the events' bounds are written in."""
        return set().union(*(e.bound.free_symbols for e in self.events if e.bound is not None))

    def _chosen(self, given: Given) -> dict[sympy.Symbol, Enclosure]:
        """The given numbers by symbol, each of a sign that its symbol can have."""
        known, chosen = self.names, {}
        for name, number in given.items():
            if name not in known:
                raise ValueError(f"no quantity {name} in this edition: choose from {', '.join(sorted(known))}")
            symbol, value = known[name], Enclosure.of(number)
            sign, above = (">", value.ball > 0) if symbol.is_positive else (">=", value.ball >= 0)
            if not (above and math.isfinite(value.upper)):
                raise ValueError(f"the {q.MEANING[symbol]} ({name}) is a finite number {sign} 0, not {number}")
            chosen[symbol] = value
        return chosen

    def _split(
        self,
        events: list[Event],
        values: Mapping[sympy.Symbol, Enclosure],
        shares: Mapping[sympy.Symbol, Enclosure | Exact],
    ) -> dict[sympy.Symbol, Enclosure]:
        """The share of delta that each event gets."""
        even = {e.share: evaluate(q.delta / len(events), values) for e in events}
        chosen = {**even, **{s: Enclosure.of(v) for s, v in shares.items()}}
        if shares:
            _check_shares(chosen, {e.share for e in events}, values[q.delta])
        return chosen


def _check_shares(chosen: Mapping[sympy.Symbol, Enclosure], known: set[sympy.Symbol], delta: Enclosure) -> None:
    unknown = sorted(str(s) for s in chosen if s not in known)
    if unknown:
        raise ValueError(
            f"no event has the share {', '.join(unknown)}: choose from {', '.join(sorted(map(str, known)))}"
        )
    total = sum((e.ball for e in chosen.values()), exact_ball(0))
    if not all(e.ball > 0 for e in chosen.values()) or not total <= delta.ball:
        raise ValueError(f"the shares of delta must be positive and sum to at most {delta}")
