"""What the runs of a point of a grid are: their data, their specifications, how they are trained, what they take.

Two-layer ReLU networks under plain descent are trained with many seeds side by side and everything observed
(:func:`~empirical.training.train_seeds`), all else one run at a time (:func:`~empirical.experiments.run_network`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, Protocol

import msgspec
import numpy as np

from bounds.problem import Problem
from bounds.settings import TwoLayer
from empirical.datasets import load_data
from empirical.dynamics import GradientDescent, GradientFlow, Method, StochasticDescent
from empirical.experiments import NetworkRun, NetworkSpecification, network_specification, run_network
from empirical.foresight import available_bytes, device_bytes, require_memory, step_seconds, training_bytes
from empirical.grids import Data, Point
from empirical.networks import Family, shallow
from empirical.rehearsal import network_bytes, network_seconds, rehearse, require_network_memory
from empirical.store import Store
from empirical.tangent_kernels import gram_matrix
from empirical.training import Run, RunSpecification, schedule, seed_batches, specifications, train_seeds

_LOOKS = 13
"""At how many times a flow is observed."""


class Workload(Protocol):
    """The runs of a point, one per seed."""

    record: type[Run] | type[NetworkRun]
    """What a run becomes."""

    step_size: float | None
    """eta, also where the grid gives a relative one; None for a flow."""

    @property
    def run_seconds(self) -> float:
        """Estimated process time of a run on this machine."""

    def specifications(self, seeds: Sequence[int]) -> Sequence[RunSpecification] | Sequence[NetworkSpecification]:
        """What the runs are, by content."""

    def batches(self, seeds: Sequence[int]) -> list[list[int]]:
        """The seeds that are trained side by side."""

    def train(self, seeds: Sequence[int], store: Store) -> None:
        """Train the seeds, storing each run as it is finished.

        Raises:
            MemoryForeseen: they would not fit what this machine has left.
        """

    def bytes(self, seeds: int) -> int:
        """The most memory that training so many seeds takes, beside what a process has already."""

    def require_memory(self, seeds: int, available: int) -> None:
        """Refuse so many seeds where they would not fit.

        Raises:
            MemoryForeseen: naming the size that would.
        """


@lru_cache(maxsize=256)
def workload(point: Point) -> Workload:
    """The runs of a point.

    Raises:
        ValueError: the data make no sense, or do not fit the network or the loss.
        OSError: a data file cannot be read.
        MemoryForeseen: a relative step needs the Gram matrix of a network that does not fit this machine.
    """
    return TwoLayerWorkload(point) if point.two_layer_descent else NetworkWorkload(point)


class TwoLayerWorkload:
    """Two-layer ReLU networks under plain descent, many seeds side by side."""

    record: type[Run] | type[NetworkRun] = Run

    def __init__(self, point: Point) -> None:
        family, method, problem = point.family, point.method, _problem(point.data)
        assert isinstance(family, shallow.TwoLayer) and isinstance(method, GradientDescent)
        self._X, self._y = problem.unit_rows, problem.y
        self.step_size: float | None = method.step_size
        if point.relative:
            self.step_size = method.step_size * 2 / float(np.linalg.eigvalsh(_limit_gram(point.data))[-1])
        self._options: dict[str, Any] = {
            "width": family.width,
            "step_size": self.step_size,
            "steps": method.steps,
            "trained": family.trained,
            "limit_gram": _limit_gram(point.data) if point.limit else None,
            "device": point.device,
        }

    @cached_property
    def run_seconds(self) -> float:
        """Estimated process time of a run on this machine."""
        points, dimension = self._X.shape
        step, observation = step_seconds(points, dimension, self._options["width"], self._options["device"])
        # an observation is followed by a check of the step after it, which costs about as much
        return step * (self._options["steps"] + 1) + 2 * observation * len(schedule(self._options["steps"]))

    def specifications(self, seeds: Sequence[int]) -> list[RunSpecification]:
        """What the runs are, by content."""
        return specifications(self._X, self._y, **self._options, seeds=seeds)

    def batches(self, seeds: Sequence[int]) -> list[list[int]]:
        """See :func:`~empirical.training.seed_batches`."""
        width, steps, device = (self._options[name] for name in ("width", "steps", "device"))
        return seed_batches(seeds, self._X.shape, width, steps, device)

    def train(self, seeds: Sequence[int], store: Store) -> None:
        """See :func:`~empirical.training.train_seeds`."""
        train_seeds(self._X, self._y, **self._options, seeds=seeds, store=store)

    def bytes(self, seeds: int) -> int:
        """See :func:`~empirical.foresight.training_bytes`, and of a GPU :func:`~empirical.foresight.device_bytes`."""
        shape = self._shape(seeds)
        if self._options["device"] == "cpu":
            return training_bytes(**shape)
        chosen = {name: value for name, value in shape.items() if name not in ("batches", "seeds")}
        return device_bytes(**chosen, device=self._options["device"])

    def require_memory(self, seeds: int, available: int) -> None:
        """See :func:`~empirical.foresight.require_memory`."""
        require_memory(**self._shape(seeds), device=self._options["device"], available=available)

    def _shape(self, seeds: int) -> dict[str, int]:
        points, dimension = self._X.shape
        return {
            "points": points,
            "dimension": dimension,
            "width": self._options["width"],
            "steps": self._options["steps"],
            "batches": 1,
            "side_by_side": len(self.batches(range(seeds))[0]),
            "seeds": seeds,
        }


class NetworkWorkload:
    """Networks of any family, one after another."""

    record: type[Run] | type[NetworkRun] = NetworkRun

    def __init__(self, point: Point) -> None:
        problem = _problem(point.data)
        self._family, self._loss, self._method, self._device = point.family, point.loss, point.method, point.device
        self._X = _shaped_inputs(problem.unit_rows.copy(), point.family)
        if isinstance(point.method, StochasticDescent) and point.method.batch > len(self._X):
            raise ValueError(f"batch = {point.method.batch} is more than the {len(self._X)} inputs there are")
        outputs = rehearse(self._family, self._X.shape, self._loss, self._method).outputs
        self._y = _shaped_labels(problem.y, outputs, point)
        times = _times(point.method)
        self._observe = dict.fromkeys(point.observe, times)
        self.step_size: float | None = None
        if not isinstance(point.method, GradientFlow):
            self.step_size = point.method.step_size * (self._largest_step() if point.relative else 1)
            self._method = msgspec.structs.replace(point.method, step_size=self.step_size)

    def _largest_step(self) -> float:
        """2 / lambda_max of the Gram matrix of the network drawn with seed 0, for the loss as it is reduced."""
        watched = ("tangent kernel",)
        require_network_memory(self._family, self._X.shape, self._loss, self._method, watched, available_bytes())
        gram = gram_matrix(self._family.draw(self._X.shape[1], 0), self._X)
        return 2 / float(np.linalg.eigvalsh(gram)[-1]) * (len(self._X) if self._loss.reduction == "mean" else 1)

    @cached_property
    def run_seconds(self) -> float:
        """Estimated process time of a run on this machine."""
        looks = [(name, len(times)) for name, times in self._observe.items()]
        return network_seconds(self._family, self._X, self._y, self._loss, self._method, looks, device=self._device)

    def specifications(self, seeds: Sequence[int]) -> list[NetworkSpecification]:
        """What the runs are, by content."""
        spec = network_specification(
            self._family,
            self._X,
            self._y,
            loss=self._loss,
            method=self._method,
            observe=self._observe,
            device=self._device,
        )
        return [msgspec.structs.replace(spec, seed=seed) for seed in seeds]

    def batches(self, seeds: Sequence[int]) -> list[list[int]]:
        """Each seed by itself."""
        return [[seed] for seed in seeds]

    def train(self, seeds: Sequence[int], store: Store) -> None:
        """See :func:`~empirical.experiments.run_network`."""
        self.require_memory(len(seeds), available_bytes(self._device))
        for seed in seeds:
            run_network(
                self._family,
                self._X,
                self._y,
                loss=self._loss,
                method=self._method,
                seed=seed,
                observe=self._observe,
                device=self._device,
                store=store,
            )

    def bytes(self, seeds: int) -> int:
        """See :func:`~empirical.rehearsal.network_bytes`."""
        return network_bytes(self._family, self._X.shape, self._loss, self._method, tuple(self._observe))

    def require_memory(self, seeds: int, available: int) -> None:
        """See :func:`~empirical.rehearsal.require_network_memory`."""
        watched = tuple(self._observe)
        require_network_memory(self._family, self._X.shape, self._loss, self._method, watched, available)


@lru_cache(maxsize=64)
def _problem(data: Data) -> Problem:
    loaded = load_data(
        data.data, n=data.n, labels=data.labels, classes=data.classes, target=data.target, seed=data.data_seed
    )
    return Problem(loaded.X, loaded.y)


@lru_cache(maxsize=64)
def _limit_gram(data: Data) -> np.ndarray:
    return _problem(data).gram(TwoLayer()).midpoint


def _times(method: Method) -> tuple[float, ...]:
    """When a run is observed: at steps spaced evenly in the logarithm, or at times over two decades; at both ends."""
    if isinstance(method, GradientFlow):
        return (0.0, *(float(t) for t in np.geomspace(method.horizon / 100, method.horizon, _LOOKS)))
    return schedule(method.steps)


def _shaped_inputs(X: np.ndarray, family: Family) -> np.ndarray:
    """Inputs as a family takes them: (n, d), or (n, d / pixels, pixels), the rows of an image as its channels."""
    pixels = getattr(family, "pixels", None)
    if pixels is None:
        return X
    if X.shape[1] % pixels:
        raise ValueError(f"inputs of {X.shape[1]} numbers have no {pixels} pixels each: give a divisor as pixels")
    return X.reshape(len(X), -1, pixels)


def _shaped_labels(y: np.ndarray, outputs: tuple[int, ...], point: Point) -> np.ndarray:
    """Labels as the loss takes them: numbers, one column of them, classes, or their unit vectors.

    Raises:
        ValueError: the network has more outputs than one, and the labels are no classes.
    """
    if len(outputs) == 1 or outputs[1] == 1:
        if point.loss.kind == "cross-entropy":
            raise ValueError("cross-entropy needs an output for each class: give outputs (or widths that end in them)")
        return y.reshape(outputs)
    classes = (1 - y) / 2 if set(y.tolist()) <= {-1.0, 1.0} else y
    if point.loss.kind == "logistic" or not set(classes.tolist()) <= set(range(outputs[1])):
        raise ValueError(
            f"{outputs[1]} outputs do not fit these labels: give outputs = 1, or labels = 'classes', as many outputs "
            "as there are, and loss = 'squares' or 'cross-entropy'"
        )
    return classes if point.loss.kind == "cross-entropy" else np.eye(outputs[1])[classes.astype(int)]
