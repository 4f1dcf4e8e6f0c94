"""What a trial shows of the symbols that a statement is written in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import sympy

from bounds import quantities as q
from bounds.statements import Statement
from reports.both_sides.observed import NO_RUN, OBSERVED, Estimate, Observed, Seen
from reports.both_sides.trials import Trial


def joined(symbol: sympy.Symbol) -> Observed | None:
    """What a run shows of a symbol, if its quantity names anything."""
    name = q.MEASURED_BY.get(symbol, NO_RUN)
    return None if name.startswith(NO_RUN) else OBSERVED[name]


def needs(statements: Iterable[Statement]) -> frozenset[str]:
    """The observables that a run must have measured to be held against statements."""
    symbols = {s for statement in statements for edition in statement.editions for s in edition.symbols}
    return frozenset(name for s in symbols if (known := joined(s)) is not None for name in known.needs)


class Reading:
    """What a trial shows, each quantity read once; what cannot be read says why."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._seen: dict[sympy.Symbol, Seen | str] = {}

    def seen(self, symbol: sympy.Symbol) -> Seen | str:
        """The number, the series, or why there is none."""
        if symbol not in self._seen:
            self._seen[symbol] = self._read(symbol)
        return self._seen[symbol]

    def _read(self, symbol: sympy.Symbol) -> Seen | str:
        known = joined(symbol)
        if known is None:
            reason = q.MEASURED_BY.get(symbol, "").removeprefix(NO_RUN)
            return f"not measured: {q.MEANING[symbol]}{f' ({reason})' if reason else ''}"
        try:
            found = known.read(self.trial)
        except (ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError) as error:
            return f"not measured here: {q.MEANING[symbol]} ({error})"
        numbers = (
            found.values()
            if isinstance(found, Mapping)
            else (found.value,)
            if isinstance(found, Estimate)
            else (found,)
        )
        return f"not a number: {q.MEANING[symbol]}" if any(map(math.isnan, numbers)) else found

    def scalar(self, symbol: sympy.Symbol) -> float | None:
        """The number of a symbol that has one and is no series."""
        found = self.seen(symbol)
        if isinstance(found, str | Mapping):
            return None
        number = float(found.value if isinstance(found, Estimate) else found)
        positive = number > 0 if symbol.is_positive else number >= 0
        return number if positive and math.isfinite(number) else None
