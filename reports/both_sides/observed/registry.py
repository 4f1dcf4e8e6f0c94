"""How a quantity is read off a trial, by the name that a paper's file gives to what measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reports.both_sides.trials import Trial

Series = Mapping[float, float]
"""Numbers by step or time."""


class Estimate(NamedTuple):
    """A mean over random draws with its standard error."""

    value: float
    error: float


Seen = float | Series | Estimate


@dataclass(frozen=True)
class Observed:
    """How a quantity is read off a trial.

    Args:
        read: one number, or a series of which the worst counts.
        needs: the observables of ``empirical.measurements`` that the run must have measured.
        chosen: the number is chosen (a size, a goal) and not measured, so that it may decide a condition.
    """

    read: Callable[[Trial], Seen]
    needs: tuple[str, ...] = ()
    chosen: bool = False


OBSERVED: dict[str, Observed] = {}
"""By name."""

FALLING = frozenset(
    {"loss", "residual", "root mean square residual", "average loss", "gradient norm", "misclassified inputs"}
)
"""What training brings down: a bound on it that depends on no step speaks of the end of a run."""

WAITING = frozenset({"steps to the goal", "steps per factor e"})
"""How long something takes: infinite where a run did not come so far."""

NO_RUN = "no run: "
"""How a paper's file begins its reason why no run shows a quantity."""


def observed(name: str, *needs: str, chosen: bool = False) -> Callable[[Callable[[Trial], Seen]], None]:
    """Enter a function of a trial under a name; see :class:`Observed`."""

    def put(read: Callable[[Trial], Seen]) -> None:
        assert name not in OBSERVED, f"{name!r} is entered twice"
        OBSERVED[name] = Observed(read, needs, chosen)

    return put


def series_of(trial: Trial, observable: str, value: str, pick: Callable[[Any], float] = float) -> dict[float, float]:
    """A value of an observable by step or time."""
    return {at: pick(found) for at, found in trial.run.series(observable, value).items()}


def first_of(trial: Trial, observable: str, value: str) -> Any:
    """A value of an observable at the start."""
    return trial.run.series(observable, value)[0.0]


def last_of(trial: Trial, observable: str, value: str) -> Any:
    """A value of an observable at the last step or time at which it was measured."""
    found = trial.run.series(observable, value)
    return found[max(found)]


def enter(name: str, observable: str, value: str, pick: Callable[[Any], float] = float) -> None:
    """Enter a value of an observable as a series."""
    observed(name, observable)(lambda t: series_of(t, observable, value, pick))


def enter_first(name: str, observable: str, value: str, pick: Callable[[Any], float] = float) -> None:
    """Enter a value of an observable at the start."""
    observed(name, observable)(lambda t: pick(first_of(t, observable, value)))


def choose(name: str, read: Callable[[Trial], float]) -> None:
    """Enter a number that is chosen."""
    observed(name, chosen=True)(read)
