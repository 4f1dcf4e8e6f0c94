"""Runs of any family: a specification and data in, a record of the trajectory and of what was observed out.

Two-layer ReLU networks under full-batch descent have their own, much faster path in ``empirical.training``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch

from empirical.batches import single_threaded
from empirical.devices import require_device
from empirical.dynamics import GradientFlow, Method, check_method, trajectory
from empirical.exporting import export
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES, View
from empirical.networks import Family
from empirical.store import Scalar, Store, canonical, content_key, scalars
from empirical.training import fingerprint

ARITHMETIC = 4
"""Version of the code that defines the numbers of these runs: here, in ``networks``, ``losses``, ``dynamics``,
``measurements`` and ``tangent_kernels``; see :data:`empirical.training.ARITHMETIC`."""


class NetworkSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run depends on; with the machine and the library versions it fixes every bit of it.

    Args:
        family: the network.
        loss: what is minimised.
        method: how.
        seed: of the weights; the batches have one derived from it.
        inputs, labels: SHA-256 of the arrays trained on.
        shape: of the inputs.
        observed: the steps, or times, at which each observable is measured, by its name.
        limit_gram: SHA-256 of the given limit matrix, or empty.
        device: where the arithmetic happened; only the CPU repeats bit for bit.
        arithmetic: :data:`ARITHMETIC`.
    """

    family: Family
    loss: Loss
    method: Method
    seed: int
    inputs: str
    labels: str
    shape: tuple[int, ...]
    observed: dict[str, tuple[float, ...]]
    limit_gram: str = ""
    device: str = "cpu"
    arithmetic: int = ARITHMETIC

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return content_key(self)

    def row(self) -> dict[str, Scalar]:
        """Its scalars, the kind of the loss as ``loss``, n and d, and the widths of several layers as text."""
        row = scalars(self)
        row |= {"loss": row.pop("kind"), "points": self.shape[0], "dimension": math.prod(self.shape[1:])}
        widths = getattr(self.family, "widths", None)
        return row if widths is None else row | {"widths": ",".join(map(str, widths))}


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One observable at one step or time."""

    at: float
    observable: str
    values: dict[str, float | list[float]]


class NetworkRun(msgspec.Struct, frozen=True, kw_only=True):
    """One trajectory.

    Args:
        spec: what was run.
        at: the steps 0, 1, ... of a descent, or the times at which a flow was seen.
        losses: F there.
        path_lengths: of the polygon through all states up to there.
        measurements: in the order in which they were taken.
        verdict: ``finished``; ``diverged``, where F is not finite; or ``unfinished``, where the flow's solver gave up.
        reason: why it ended early, or empty.
    """

    spec: NetworkSpecification
    at: list[float]
    losses: list[float]
    path_lengths: list[float]
    measurements: list[Measurement]
    verdict: Literal["finished", "diverged", "unfinished"]
    reason: str = ""

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return self.spec.key

    def __repr__(self) -> str:
        return (
            f"NetworkRun({type(self.spec.family).__name__}, seed {self.spec.seed}, up to {self.at[-1]:g}: "
            f"loss {self.losses[0]:.4g} -> {self.losses[-1]:.4g}, {self.verdict})"
        )

    def row(self) -> dict[str, Scalar]:
        """Its specification and verdict, both ends of the loss, and of each observable the last numbers."""
        row = self.spec.row() | {"verdict": self.verdict, "reason": self.reason}
        row |= {"first.loss": self.losses[0], "last.loss": self.losses[-1]}
        for measured in self.measurements:
            for name, value in measured.values.items():
                if not isinstance(value, list):
                    row[f"last.{measured.observable}.{name}"] = value
        return row

    def series(self, observable: str, value: str) -> dict[float, float | list[float]]:
        """One value of an observable by step or time.

        Raises:
            KeyError: it was not observed.
        """
        found = {m.at: m.values[value] for m in self.measurements if m.observable == observable}
        if not found:
            raise KeyError(f"{observable!r} was not observed")
        return found


@torch.inference_mode(False)
def run_network(
    family: Family,
    X: np.ndarray,
    y: np.ndarray,
    *,
    loss: Loss,
    method: Method,
    seed: int = 0,
    observe: Mapping[str, Sequence[float]] | None = None,
    limit_gram: np.ndarray | None = None,
    device: str = "cpu",
    store: Store | None = None,
    save: Mapping[float, str | Path] | None = None,
) -> NetworkRun:
    """Draw a network of a family and train it.

    Args:
        family: the network, drawn for the inputs' second dimension.
        X: inputs (n, ...), used as they are.
        y: labels (n,) or (n, k), as the loss needs them.
        loss: what is minimised.
        method: how; a flow is seen at its horizon and wherever something is observed.
        seed: of the weights and of the batches.
        observe: the steps, or times, at which to measure each of :data:`~empirical.measurements.OBSERVABLES`.
            Measuring never changes a run.
        limit_gram: the Gram matrix of infinite width, for the drift from it.
        device: a torch device.
        store: where the finished run is kept, and taken from if it is there.
        save: files for the weights at some steps, or times, as :func:`~empirical.exporting.export` writes them; such a
            run is neither kept in the store nor taken from it.

    Returns:
        The run; one that ended early says so.

    Raises:
        ValueError: an argument is out of its range, or an observable is not defined for the network.
    """
    X, y = (np.array(a, dtype=np.float64, order="C") for a in (X, y))
    spec = network_specification(
        family, X, y, loss=loss, method=method, seed=seed, observe=observe, limit_gram=limit_gram, device=device
    )
    files = {float(t): Path(path) for t, path in (save or {}).items()}
    _check_times({"weights": sorted(files)}, method)
    store = None if files else store
    if store and (kept := store.get(spec.key, NetworkRun)):
        return kept
    require_device(device)
    with single_threaded():
        run = _run(spec, torch.from_numpy(X).to(device), torch.from_numpy(y).to(device), limit_gram, files)
    if store:
        store.put(run)
    return run


def network_specification(
    family: Family,
    X: np.ndarray,
    y: np.ndarray,
    *,
    loss: Loss,
    method: Method,
    seed: int = 0,
    observe: Mapping[str, Sequence[float]] | None = None,
    limit_gram: np.ndarray | None = None,
    device: str = "cpu",
) -> NetworkSpecification:
    """The specification of the run that :func:`run_network` makes of the same arguments.

    Raises:
        ValueError: an argument is out of its range.
    """
    if X.ndim < 2 or X.size == 0 or len(y) != len(X) or not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError(f"inputs {X.shape} and labels {y.shape} must be finite, one label for each of n >= 1 inputs")
    observed = {name: tuple(sorted({float(t) for t in times})) for name, times in sorted((observe or {}).items())}
    for name in observed:
        if name not in OBSERVABLES:
            raise ValueError(f"unknown observable {name!r}: choose from {', '.join(OBSERVABLES)}")
    check_method(method)
    _check_times(observed, method)
    return canonical(
        NetworkSpecification(
            family=family,
            loss=loss,
            method=method,
            seed=seed,
            inputs=fingerprint(X),
            labels=fingerprint(y),
            shape=X.shape,
            observed=observed,
            limit_gram="" if limit_gram is None else fingerprint(limit_gram),
            device=device,
        )
    )


def _check_times(wanted: Mapping[str, Sequence[float]], method: Method) -> None:
    """Refuse times, in increasing order and by what is wanted of them, that a run does not pass through."""
    end = _end(method)
    for name, times in wanted.items():
        if not isinstance(method, GradientFlow) and any(t != int(t) for t in times):
            raise ValueError(f"{name!r} is observed after whole steps of a descent, not at {times}")
        if times and not 0 <= times[0] <= times[-1] <= end:
            raise ValueError(f"{name!r} can be observed from 0 to {end:g}, not at {times[0]:g} to {times[-1]:g}")


def _end(method: Method) -> float:
    """The last step, or time."""
    return float(method.horizon if isinstance(method, GradientFlow) else method.steps)


def _run(
    spec: NetworkSpecification,
    X: torch.Tensor,
    y: torch.Tensor,
    limit_gram: np.ndarray | None,
    files: Mapping[float, Path],
) -> NetworkRun:
    network = spec.family.draw(spec.shape[1], spec.seed).to(spec.device)
    start = copy.deepcopy(network)
    initial = View(start, start, X, y, spec.loss, limit_gram)
    try:
        size = initial.outputs.numel()
    except (RuntimeError, IndexError) as error:
        raise ValueError(f"inputs {spec.shape} do not fit {spec.family}: {str(error).splitlines()[0]}") from error
    if limit_gram is not None and limit_gram.shape != (size, size):
        raise ValueError(f"the limit Gram matrix must be ({size}, {size}), not {limit_gram.shape}")
    end = _end(spec.method)
    stops = sorted({0.0, end, *files, *(t for times in spec.observed.values() for t in times)})
    batch_seed = ~spec.seed & (2**63 - 1)  # not the seed of the weights
    run = NetworkRun(spec=spec, at=[], losses=[], path_lengths=[], measurements=[], verdict="finished")
    for state in trajectory(network, X, y, spec.loss, spec.method, seed=batch_seed, stops=stops):
        run.at.append(state.at)
        run.losses.append(state.loss)
        run.path_lengths.append(state.path)
        if not math.isfinite(state.loss):
            break
        if state.at in files:
            export(network, files[state.at])
        view = View(network, start, X, y, spec.loss, limit_gram, initial) if state.at else initial
        for name, times in spec.observed.items():
            if state.at in times:
                values = OBSERVABLES[name].measure(view)
                run.measurements.append(Measurement(at=state.at, observable=name, values=values))
    if not math.isfinite(run.losses[-1]):
        reason = f"the loss is {run.losses[-1]} at {run.at[-1]:g}, from {run.losses[0]:.3g}"
        return msgspec.structs.replace(run, verdict="diverged", reason=reason)
    if run.at[-1] < end:
        reason = f"the solver took all its steps before time {end:g}"
        return msgspec.structs.replace(run, verdict="unfinished", reason=reason)
    return run
