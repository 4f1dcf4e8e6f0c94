"""Reproductions run part by part, on all cores, into a store: what is finished is not run again."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from empirical import experiments, training
from empirical.reproductions.listing import REPRODUCTIONS, known
from empirical.reproductions.parts import Part, Reproduction
from empirical.reproductions.rows import Findings
from empirical.store import Store, content_key
from empirical.sweeps import cluster

ARITHMETIC = 1
"""Version of the code of reproductions; see :data:`empirical.training.ARITHMETIC`."""


class PartSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """All that a part depends on: which, every argument of the function that measures it, and the code's versions."""

    reproduction: str
    part: str
    arguments: dict[str, Any]
    arithmetic: tuple[int, int, int] = (ARITHMETIC, experiments.ARITHMETIC, training.ARITHMETIC)


class PartResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a part found, and how many seconds of one core it took."""

    spec: PartSpecification
    findings: Findings
    seconds: float

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return content_key(self.spec)


class WorkerLost(OSError):
    """A worker died in the middle of a part."""


def reproduce(
    names: Sequence[str],
    store: Store,
    *,
    quick: bool = False,
    workers: int | None = None,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> dict[str, list[PartResult]]:
    """Run reproductions and return what their parts found, in the order of the parts.

    Args:
        names: of :data:`~empirical.reproductions.listing.REPRODUCTIONS`.
        store: where finished parts are kept, and taken from.
        quick: sizes that show that everything runs, not what the papers state.
        workers: processes; by default the cores of this machine.
        progress: called with parts done and wanted.

    Raises:
        ValueError: an unknown name.
        WorkerLost: a worker was killed.
    """
    wanted = [(name, part.name) for name in known(names) for part in REPRODUCTIONS[name].parts]
    found = {}
    for name, part in wanted:
        kept = store.get(content_key(_specification(REPRODUCTIONS[name], _part(name, part), quick)), PartResult)
        if kept is not None:
            found[name, part] = kept
    missing = [pair for pair in wanted if pair not in found]
    progress(len(found), len(wanted))
    for pair, result in _run_all(missing, quick, store, workers):
        found[pair] = result
        progress(len(found), len(wanted))
    return {name: [found[name, part.name] for part in REPRODUCTIONS[name].parts] for name in known(names)}


def _run_all(
    missing: Sequence[tuple[str, str]], quick: bool, store: Store, workers: int | None
) -> Iterator[tuple[tuple[str, str], PartResult]]:
    folder = str(store.folder.resolve())
    if workers == 1 or len(missing) < 2:
        for name, part in missing:
            yield (name, part), run_part(name, part, quick, folder)
        return
    from distributed import KilledWorker, as_completed

    with cluster(None, workers) as client:
        futures = {client.submit(run_part, *pair, quick, folder, pure=False): pair for pair in missing}
        for future in as_completed(futures, loop=client.loop, raise_errors=False):
            try:
                yield futures.pop(future), future.result()
            except KilledWorker:
                raise WorkerLost(
                    f"a worker was killed from outside, or for want of memory; finished parts stay in {folder}, and "
                    "the same command resumes from them"
                ) from None


def run_part(name: str, part_name: str, quick: bool, folder: str) -> PartResult:
    """Measure one part, keep the result and return it."""
    part, store = _part(name, part_name), Store(folder)
    spec = _specification(REPRODUCTIONS[name], part, quick)
    start = time.process_time()
    findings = part.run(**spec.arguments, **({"store": store} if part.keeps else {}))
    result = PartResult(spec=spec, findings=findings, seconds=time.process_time() - start)
    store.put(result)
    return result


def _part(name: str, part: str) -> Part:
    return next(one for one in REPRODUCTIONS[name].parts if one.name == part)


def _specification(reproduction: Reproduction, part: Part, quick: bool) -> PartSpecification:
    """With every argument, the function's defaults included: a change of one is another measurement."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(part.run).parameters.items()
        if name != "store" and parameter.default is not parameter.empty
    }
    arguments = {**defaults, **part.arguments, **(part.quick if quick else {})}
    as_stored = msgspec.json.decode(msgspec.json.encode(arguments))
    return PartSpecification(reproduction=reproduction.name, part=part.name, arguments=as_stored)
