"""How far long computations have come, told to a listener where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, float, float], None]
"""Called with what is being done, how much of it is done, and how much there is."""

QUIET_SECONDS = 1.0
"""A stage that takes less is not worth a word."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell the progress of everything computed inside the ``with`` block, in this thread, to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Stage:
    """A part of a computation that may take long.

    Args:
        name: what is being done.
        total: how much there is.
    """

    def __init__(self, name: str, total: float = 1.0) -> None:
        self._name, self._total = name, total
        self._began = time.monotonic()

    def begin(self) -> None:
        """Say at once that something has begun of which nothing will be known until it ends."""
        self._tell(0.0)

    def reached(self, done: float) -> None:
        """Say how much of ``total`` is done."""
        if time.monotonic() - self._began >= QUIET_SECONDS:
            self._tell(done)

    def _tell(self, done: float) -> None:
        listener = _listener.get()
        if listener is not None:
            listener(self._name, done, self._total)
