"""Full-batch gradient descent on two-layer networks, recorded so that every claim about the run can be checked."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import torch

from empirical.batches import Batch, in_parallel, split_seeds
from empirical.devices import require_device
from empirical.foresight import require_memory, seeds_that_fit
from empirical.networks import Trained, TwoLayerNetwork, initial_network
from empirical.observables import Observation, measure, movable_per_input, split_step_residual
from empirical.store import Scalar, Store, canonical, content_key, scalars

if TYPE_CHECKING:
    from bounds.problem import Problem

ARITHMETIC = 2
"""Version of the code that defines the numbers of these runs: here, in ``steps``, ``kernels``, ``observables`` and
``networks.two_layer``. It is a part of every key, and is raised with each change after which a stored number may
differ, be it in the last bit, so that no earlier run is taken for one of today; nothing else raises it."""

GROWTH_LIMIT = 1e3
"""A run ends as diverged once its residual is this many times the initial one (or not finite)."""

_LOOK_EVERY = 32
"""Steps between two looks at divergence: where the run is cut does not depend on it."""


class RunSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run depends on; with the machine and the library versions it fixes every bit of it.

    Args:
        inputs, labels: SHA-256 of the arrays trained on (float64 bytes in C order, with their shape).
        points, dimension: n and d.
        width, step_size, steps, seed, trained: m, eta, the horizon, the seed of the weights, the trained layers.
        observed: the steps at which everything is measured.
        radius: R of the recorded |S_i-perp(R)|, where one was given.
        limit_gram: SHA-256 of the given limit matrix, or empty.
        device: where the arithmetic happened.
        arithmetic: :data:`ARITHMETIC`.
    """

    inputs: str
    labels: str
    points: int
    dimension: int
    width: int
    step_size: float
    steps: int
    seed: int
    trained: Trained
    observed: tuple[int, ...]
    radius: float | None = None
    limit_gram: str = ""
    device: str = "cpu"
    setting: str = "two-layer ReLU, m^-1/2 sum a relu(w.x), half sum of squares"
    arithmetic: int = ARITHMETIC

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return content_key(self)

    def row(self) -> dict[str, Scalar]:
        """Its scalars, with the names by which runs of all families are told apart."""
        named = {"family": "two-layer", "method": "gradient-descent", "loss": "squares", "reduction": "sum"}
        return scalars(self) | named


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training trajectory.

    Args:
        spec: what was run.
        residual_norms: ||e(k)|| for k = 0, 1, ...; ends early where the run diverged.
        observations: the measurements at the observed steps that were reached.
        movable: |S_i-perp(R)| for each input, at the specification's radius.
        verdict: ``finished``, or ``diverged``.
        reason: why it ended early, or empty.
    """

    spec: RunSpecification
    residual_norms: list[float]
    observations: list[Observation]
    movable: tuple[int, ...] | None
    verdict: Literal["finished", "diverged"]
    reason: str = ""

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return self.spec.key

    def row(self) -> dict[str, Scalar]:
        """Its specification and verdict, and both ends of the loss and of what was observed."""
        ends = {"first.loss": float(self.losses[0]), "last.loss": float(self.losses[-1])}
        return scalars(self) | self.spec.row() | ends

    @property
    def steps_taken(self) -> int:
        """The number of gradient steps whose result is recorded."""
        return len(self.residual_norms) - 1

    @property
    def losses(self) -> np.ndarray:
        """1/2 ||e(k)||^2 for each recorded step."""
        return np.square(self.residual_norms) / 2

    def __repr__(self) -> str:
        spec = self.spec
        return (
            f"Run(width {spec.width}, seed {spec.seed}, {self.steps_taken} steps of {spec.step_size:g}: "
            f"loss {self.losses[0]:.4g} -> {self.losses[-1]:.4g}, {self.verdict})"
        )

    def initial_network(self) -> TwoLayerNetwork:
        """The weights the run started from, drawn again from its seed."""
        return initial_network(self.spec.width, self.spec.dimension, self.spec.seed)


def train(
    problem: Problem | np.ndarray,
    y: np.ndarray | None = None,
    *,
    width: int,
    step_size: float,
    steps: int,
    seed: int = 0,
    observe: Sequence[int] | None = None,
    trained: Trained = "first",
    radius: float | None = None,
    limit_gram: np.ndarray | None = None,
    device: str = "cpu",
    store: Store | None = None,
) -> Run:
    """Train one network by full-batch gradient descent; see :func:`train_seeds`."""
    runs = train_seeds(
        problem,
        y,
        width=width,
        step_size=step_size,
        steps=steps,
        seeds=[seed],
        observe=observe,
        trained=trained,
        radius=radius,
        limit_gram=limit_gram,
        device=device,
        store=store,
    )
    return runs[0]


def train_seeds(
    problem: Problem | np.ndarray,
    y: np.ndarray | None = None,
    *,
    width: int,
    step_size: float,
    steps: int,
    seeds: Iterable[int],
    observe: Sequence[int] | None = None,
    trained: Trained = "first",
    radius: float | None = None,
    limit_gram: np.ndarray | None = None,
    device: str = "cpu",
    store: Store | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Run]:
    """Train one network per seed by w <- w - eta grad(1/2 sum (f - y)^2), all seeds side by side.

    The result of a seed is the same bit for bit whatever the other seeds are (on the CPU).

    Args:
        problem: the problem, whose float64-rounded unit rows are trained on; or inputs (n, d), used as they are.
        y: labels (n,) where inputs were given.
        width: number m of neurons.
        step_size: eta.
        steps: number of gradient steps.
        seeds: one network each.
        observe: steps to measure everything at; by default :func:`schedule`. Measuring never changes a run.
        trained: the first layer, or both.
        radius: R at which to count |S_i-perp(R)|.
        limit_gram: H_infinity (n, n), to record the distance of H(k) from it.
        device: a torch device; only the CPU repeats bit for bit.
        store: where finished runs are kept, and taken from if they are there.
        progress: called with (runs done, runs wanted).

    Returns:
        The runs in the order of the seeds; one that diverged says so.

    Raises:
        ValueError: an argument is out of its range.
        MemoryForeseen: the runs would not fit the memory; says which width would.
    """
    X, y = training_arrays(problem, y)
    specs = specifications(
        X,
        y,
        width=width,
        step_size=step_size,
        steps=steps,
        seeds=seeds,
        observe=observe,
        trained=trained,
        radius=radius,
        limit_gram=limit_gram,
        device=device,
    )
    found = {spec: run for spec in specs if store and (run := store.get(spec.key, Run))}
    missing = {spec.seed: spec for spec in specs if spec not in found}
    require_device(device)
    blocks = seed_batches(list(missing), X.shape, width, steps, device)
    workers = torch.get_num_threads() if device == "cpu" else 1
    if blocks:
        require_memory(
            len(X),
            X.shape[1],
            width,
            steps,
            batches=min(len(blocks), workers),
            side_by_side=len(blocks[0]),
            seeds=len(missing),
            device=device,
        )

    def work(block: list[int], stop: threading.Event) -> list[Run]:
        return _train_batch(X, y, [missing[seed] for seed in block], limit_gram, stop)

    for _, runs in in_parallel(work, blocks, workers=workers):
        for run in runs:
            found[run.spec] = run
            if store:
                store.put(run)
        if progress:
            progress(len(found), len(specs))
    return [found[spec] for spec in specs]


def seed_batches(seeds: Sequence[int], shape: tuple[int, ...], width: int, steps: int, device: str) -> list[list[int]]:
    """Group seeds into batches that the cache of one core holds, or the memory of a GPU.

    Args:
        seeds: one network each.
        shape: (n, d) of the inputs.
        width: m.
        steps: of each run.
        device: where the arithmetic happens.
    """
    points, dimension = shape
    if device == "cpu":
        return split_seeds(seeds, width, points)
    size = seeds_that_fit(points, dimension, width, steps, device)
    return [list(seeds[start : start + size]) for start in range(0, len(seeds), size)]


def specifications(
    X: np.ndarray,
    y: np.ndarray,
    *,
    width: int,
    step_size: float,
    steps: int,
    seeds: Iterable[int],
    observe: Sequence[int] | None = None,
    trained: Trained = "first",
    radius: float | None = None,
    limit_gram: np.ndarray | None = None,
    device: str = "cpu",
) -> list[RunSpecification]:
    """The specifications of the runs that :func:`train_seeds` makes of the same arguments, in the order of the seeds.

    Raises:
        ValueError: an argument is out of its range.
    """
    if width < 1 or steps < 0:
        raise ValueError(f"a run needs width >= 1 and steps >= 0, not width {width} and {steps} steps")
    if not (math.isfinite(step_size) and step_size > 0):
        raise ValueError(f"the step size must be a positive number, not {step_size}")
    if radius is not None and not (math.isfinite(radius) and radius >= 0):
        raise ValueError(f"the radius must be a number from 0 on, not {radius}")
    if limit_gram is not None and limit_gram.shape != (len(X), len(X)):
        raise ValueError(f"the limit Gram matrix must be ({len(X)}, {len(X)}), not {limit_gram.shape}")
    observed = schedule(steps) if observe is None else tuple(sorted({int(k) for k in observe}))
    if observed and not 0 <= observed[0] <= observed[-1] <= steps:
        raise ValueError(f"observed steps must lie in 0..{steps}, not {observed[0]}..{observed[-1]}")
    common = RunSpecification(
        inputs=fingerprint(X),
        labels=fingerprint(y),
        points=len(X),
        dimension=X.shape[1],
        width=width,
        step_size=step_size,
        steps=steps,
        seed=0,
        trained=trained,
        observed=observed,
        radius=radius,
        limit_gram="" if limit_gram is None else fingerprint(limit_gram),
        device=device,
    )
    common = canonical(common)
    return [msgspec.structs.replace(common, seed=int(seed)) for seed in seeds]


def schedule(steps: int, per_decade: int = 6) -> tuple[int, ...]:
    """Steps 0, 1, ... spaced evenly in the logarithm, with both ends."""
    if steps == 0:
        return (0,)
    count = max(2, round(per_decade * math.log10(steps)) + 1)
    return tuple(sorted({0, steps, *(round(k) for k in np.geomspace(1, steps, count))}))


def training_arrays(problem: Problem | np.ndarray, y: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The float64 arrays that runs train on: a problem's unit rows and labels, or the arrays as given.

    Raises:
        ValueError: the arrays do not fit together or hold values that are not finite.
    """
    if isinstance(problem, np.ndarray):
        if y is None:
            raise ValueError("labels y are missing: pass (X, y), or a Problem")
    elif y is not None:
        raise ValueError("a Problem brings its own labels: leave out y, or pass arrays (X, y)")
    else:
        y, problem = problem.y, problem.unit_rows
    X = np.array(problem, dtype=np.float64, order="C")  # copies: torch warns of memory that it may not write to
    y = np.array(y, dtype=np.float64)
    if X.ndim != 2 or y.shape != X.shape[:1] or X.size == 0:
        raise ValueError(f"inputs {X.shape} and labels {y.shape} do not fit: they must be (n, d) and (n,), not empty")
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError("inputs and labels must be finite: remove the rows with nan or inf")
    return X, y


def fingerprint(array: np.ndarray) -> str:
    """The SHA-256 of a float64 array's shape and bytes."""
    array = np.ascontiguousarray(array, dtype="<f8")
    return hashlib.sha256(f"{array.shape}\n".encode() + array.tobytes()).hexdigest()


@dataclass
class _Trajectory:
    """What is collected while one seed runs."""

    spec: RunSpecification
    start: TwoLayerNetwork
    initial_gram: torch.Tensor
    observations: list[Observation] = field(default_factory=list)
    last_measured: TwoLayerNetwork | None = None
    """The network of the last observation, while the step after it is awaited."""


def _train_batch(
    X: np.ndarray,
    y: np.ndarray,
    specs: Sequence[RunSpecification],
    limit_gram: np.ndarray | None,
    stop: threading.Event,
) -> list[Run]:
    spec = specs[0]  # they differ in their seeds only
    batch = Batch(X, y, spec.width, [s.seed for s in specs], trained=spec.trained, device=spec.device)
    inputs, labels = torch.as_tensor(X).to(spec.device), torch.as_tensor(y).to(spec.device)
    limit = None if limit_gram is None else torch.tensor(limit_gram, dtype=torch.float64)
    paths = []
    for position, of_seed in enumerate(specs):
        start = batch.network(position)
        paths.append(_Trajectory(of_seed, start, start.gram(inputs).cpu()))
    norms = torch.empty(spec.steps + 1, len(specs), dtype=torch.float64, device=spec.device)
    observed = set(spec.observed)
    for k in range(spec.steps + 1):
        norms[k] = batch.forward()
        for position, path in enumerate(paths if k in observed or k - 1 in observed else ()):
            if path.last_measured is not None:
                _complete(
                    path, path.last_measured, batch.network(position), inputs, labels, norms[k - 1 : k + 1, position]
                )
                path.last_measured = None
            if k in observed and torch.isfinite(norms[k, position]):
                path.last_measured = batch.network(position)
                path.observations.append(
                    measure(
                        k,
                        path.last_measured,
                        path.start,
                        inputs,
                        residual_norm=float(norms[k, position]),
                        trained=spec.trained,
                        initial_gram=path.initial_gram,
                        limit_gram=limit,
                    )
                )
        if stop.is_set():
            return []
        if k == spec.steps or (k % _LOOK_EVERY == 0 and not (norms[k] <= GROWTH_LIMIT * norms[0]).any()):
            break
        batch.descend(spec.step_size)
    norms = norms[: k + 1].cpu()
    return [_finish(path, norms[:, position], inputs) for position, path in enumerate(paths)]


def _complete(
    path: _Trajectory,
    before: TwoLayerNetwork,
    after: TwoLayerNetwork,
    X: torch.Tensor,
    y: torch.Tensor,
    norms: torch.Tensor,
) -> None:
    """Add to the last observation what needs the step that followed it; ``norms`` are those before and after."""
    identity = None
    if path.spec.trained == "first":
        identity = split_step_residual(path.start, before, after, X, y, path.spec.step_size)
    path.observations[-1] = msgspec.structs.replace(
        path.observations[-1],
        contraction=float(norms[1] / norms[0]) if norms[0] > 0 else None,
        identity_residual=identity,
    )


def _finish(path: _Trajectory, norms: torch.Tensor, X: torch.Tensor) -> Run:
    inside = (norms <= GROWTH_LIMIT * norms[0]).tolist()
    end = inside.index(False) if False in inside else len(inside)
    diverged = end < len(inside)
    radius = path.spec.radius
    return Run(
        spec=path.spec,
        residual_norms=norms[:end].tolist(),
        observations=[seen for seen in path.observations if seen.step < end],
        movable=None if radius is None else movable_per_input(path.start, X, radius),
        verdict="diverged" if diverged else "finished",
        reason=f"the residual norm is {norms[end]:.3g} after {end} steps, from {norms[0]:.3g}" if diverged else "",
    )
