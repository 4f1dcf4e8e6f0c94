"""Work shared among the threads of the OpenMP library by which torch's own operations run.

Those threads wait for more work at full strength, for milliseconds after each operation. Threads of our own would
compete with them for the cores: on 16 cores a product by 16 such threads took four times as long as by one alone.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

_WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def in_parallel(threads: int, function: Callable[[Any], object], tasks: Iterable[Any]) -> None:
    """Call a function for each task, by several threads; gains where most of its time is spent in compiled code.

    Args:
        threads: that are worth it. One or fewer means the calling thread, and so does a torch without GNU's interface
            to OpenMP; else all that torch may use take part, for a team that shrinks ends threads, and one that grows
            begins them.
        function: of a task.
        tasks: taken by whichever thread is free.

    Raises:
        BaseException: what a call raised first; other threads then end with the task that they are at.
    """
    team = _team() if threads > 1 else None
    if team is None:
        for task in tasks:
            function(task)
        return
    left = iter(tasks)
    raised: list[BaseException] = []

    def work(_: Any) -> None:
        try:
            for task in left:  # an iterator in C, which threads take turns to ask
                if raised:
                    return
                function(task)
        except BaseException as error:  # to be raised in the calling thread
            raised.append(error)

    team(_WORK(work), None, max(threads, torch.get_num_threads()), 0)
    if raised:
        raise raised[0]


@functools.cache
def _team() -> Callable[..., None] | None:
    """``GOMP_parallel``: runs a function on each of so many threads of the library that torch is linked with."""
    libraries = Path(torch.__file__).parent / "lib"
    try:
        team = ctypes.CDLL(str(libraries / "libtorch_cpu.so")).GOMP_parallel
    except (OSError, AttributeError):
        return None
    team.argtypes, team.restype = [_WORK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return team
