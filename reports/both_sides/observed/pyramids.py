"""The matrices of a pyramid at its start, and how far each may move from there."""

from __future__ import annotations

import math

from reports.both_sides.observed.registry import first_of, observed
from reports.both_sides.trials import Trial


def _norms(trial: Trial) -> tuple[list[float], list[float]]:
    """The largest and the least singular values of all matrices at the start."""
    return first_of(trial, "matrices", "spectral"), first_of(trial, "matrices", "least_singular")


def _with_room(trial: Trial) -> tuple[list[float], float]:
    """Norms with half the least of them as room for each, and that room."""
    norms = _norms(trial)[0]
    room = min(norms) / 2
    return [norm + room for norm in norms], room


def _rooms_of_two(trial: Trial) -> list[float]:
    return [2 / 3 * (1 + norm) for norm in _norms(trial)[0][:2]]


for _name, _read in {
    "product of norms": lambda t: math.prod(_norms(t)[0][2:]),
    "product of least singular values": lambda t: math.prod(_norms(t)[1][2:]),
    "room of the first layer": lambda t: _rooms_of_two(t)[0],
    "room of the second layer": lambda t: _rooms_of_two(t)[1],
    "norm of a later layer": lambda t: min(_norms(t)[0][2:]),
    "least singular value of a later layer": lambda t: min(_norms(t)[1][2:]),
    "least product of a later layer": lambda t: min(
        a * b for a, b in zip(_norms(t)[0][2:], _norms(t)[1][2:], strict=True)
    ),
    "least norm of the layers": lambda t: min(*_rooms_of_two(t), *_norms(t)[0][2:]),
    "growth of the layers": lambda t: math.prod(max(1.0, 1.5 * b) for b in (*_rooms_of_two(t), *_norms(t)[0][2:])),
    "product of norms and rooms": lambda t: math.prod(_with_room(t)[0]),
    "last norm and room": lambda t: _with_room(t)[0][-1],
    "inverse squares of norms and rooms": lambda t: sum(w**-2 for w in _with_room(t)[0][:-1]),
    "tightest room": lambda t: max(1 / (_with_room(t)[1] * w) for w in _with_room(t)[0]),
    "room": lambda t: _with_room(t)[1],
}.items():
    observed(_name, "matrices")(_read)
