"""Which networks a comparison trains, and at which widths and steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bounds.problem import Problem
from bounds.settings import TwoLayer
from bounds.statements import Statement

if TYPE_CHECKING:
    from empirical.reproductions import FigureOneSeries
    from empirical.searches import LeastWidth, StableStep
    from empirical.store import Store
    from empirical.training import Run

Progress = Callable[[str, float, float], None]
EffortName = Literal["quick", "default", "full"]


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Args:
        fall: the promised loss falls by this factor within the horizon.
        most_steps: the horizon is cut here, and the report then says how far the promised loss fell.
        search_seconds: budget of the least-width search.
        proof_seconds: budget of the search for a proved width, for each family of networks.
        proof_steps: allowed to each proof.
        widths: of the series against width.
        demonstrations: whether the theorem's own condition is met on a small set as well.
        figure_one: whether the paper's own experiment is run again.
    """

    fall: float
    most_steps: int
    search_seconds: float
    proof_seconds: float
    proof_steps: int
    widths: tuple[int, ...]
    demonstrations: bool
    figure_one: bool = False


EFFORTS: dict[EffortName, Effort] = {
    "quick": Effort(8.0, 2000, 10.0, 3.0, 10000, (64, 256, 1024), demonstrations=False),
    "default": Effort(100.0, 10000, 30.0, 12.0, 25000, (64, 128, 256, 512, 1024, 2048), demonstrations=True),
    "full": Effort(
        1e4, 100000, 600.0, 900.0, 50000, (64, 128, 256, 512, 1024, 2048, 4096, 8192), True, figure_one=True
    ),
}

MAIN_WIDTH = 1024
SEARCH_SEEDS = 29
"""All of 29 must keep a promise for a 95 % lower limit of 0.9."""

STEP_MARGIN = 0.5
"""Widths are searched at half the largest stable step: the largest eigenvalue of H(0) varies with the draw, and at the
edge of stability the search would measure that instead of the width."""


_LARGEST_PROMISED = 1.9
"""Largest eta lambda_0 of a run: from 2 on the promised factor 1 - eta lambda_0 / 2 is no longer positive."""


@dataclass(frozen=True)
class TrainedRun:
    """A run with what a reader must know about it.

    Args:
        label: what was run, in words.
        problem: on which data.
        editions: the editions it is held against.
        run: the trajectory.
    """

    label: str
    problem: Problem
    editions: tuple[str, ...]
    run: Run


@dataclass(frozen=True)
class Measurements:
    """Everything measured on one problem.

    Args:
        stable: the greatest stable step at the main width.
        least: the least width, or None where the theorem promises no decay.
        main: the run at the largest stable step, then the one at half of it.
        demonstrations: runs on four orthonormal inputs, where the theorem's own step and condition can be met.
        by_width: runs at half the largest stable step over the widths of the series.
        figure_one: the curves of the paper's Figure 1, for both readings of its step size.
    """

    stable: StableStep
    least: LeastWidth | None
    main: tuple[TrainedRun, ...]
    demonstrations: tuple[TrainedRun, ...]
    by_width: tuple[Run, ...]
    figure_one: tuple[FigureOneSeries, ...]

    @property
    def reference(self) -> Run:
        """The run that looseness and ledger are read off: half the largest stable step."""
        return self.main[-1].run


def measure(
    problem: Problem,
    statement: Statement,
    effort: Effort,
    *,
    seed: int = 0,
    store: Store | None = None,
    progress: Progress,
) -> Measurements:
    """Train the statement's networks on a problem; every finished run and tested width goes to the store.

    Args:
        problem: data, labels and confidence.
        statement: a theorem on gradient descent.
        effort: how much is measured.
        seed: of the main run and of the series; the width search uses seeds 0 to 28.
        store: where runs are kept and taken from.
        progress: called with (stage, done, total).
    """
    from empirical.reproductions import STEP_CONVENTIONS, figure_one
    from empirical.searches import Decay, greatest_stable_step, least_width
    from empirical.training import train

    progress("stable step", 0, 1)
    stable = greatest_stable_step(problem, width=MAIN_WIDTH)
    if not stable.lower > 0:
        raise ValueError("no step size lowers the loss here: are the labels what the untrained network outputs?")
    largest = min(stable.lower, _LARGEST_PROMISED / max(problem.least_eigenvalue.upper, 1e-300))
    step_size = STEP_MARGIN * largest
    promises = problem.degeneracy is None
    edition = statement.edition("explicit")
    assert edition.rate is not None
    conclusion = Decay(problem.least_eigenvalue, 2 if edition.rate.power == 2 else 1)

    def horizon(step: float) -> int:
        steps = conclusion.steps_to_fall(step, effort.fall) if promises else effort.most_steps
        return min(steps, effort.most_steps)

    def run(width: int, step: float) -> Run:
        return train(
            problem,
            width=width,
            step_size=step,
            steps=horizon(step),
            seed=seed,
            limit_gram=problem.gram(TwoLayer()).midpoint,
            store=store,
        )

    least = None
    if promises:
        progress("least width", 0, 1)
        tested = iter(range(1, 10**6))
        least = least_width(
            problem,
            conclusion=conclusion,
            step_size=step_size,
            horizon=horizon(step_size),
            delta=problem.delta,
            seeds=SEARCH_SEEDS,
            budget_seconds=effort.search_seconds,
            progress=lambda test: progress("least width", next(tested), 20),
            store=store,
        )
    main = []
    for done, (label, step) in enumerate(
        (("largest stable step", largest), ("half the largest stable step", step_size))
    ):
        progress("runs", done, 2)
        main.append(TrainedRun(label, problem, ("explicit", "sharp"), run(MAIN_WIDTH, step)))
    by_width = []
    for done, width in enumerate(effort.widths):
        progress("widths", done, len(effort.widths))
        by_width.append(run(width, step_size))
    demonstrations: tuple[TrainedRun, ...] = ()
    if effort.demonstrations:
        progress("demonstrations", 0, 1)
        demonstrations = tuple(_demonstrations(statement, problem.delta, seed, store))
    curves: list[FigureOneSeries] = []
    for done, convention in enumerate(STEP_CONVENTIONS if effort.figure_one else ()):
        progress("Figure 1", done, len(STEP_CONVENTIONS))
        curves += figure_one(step=convention, store=store)
    return Measurements(stable, least, tuple(main), demonstrations, tuple(by_width), tuple(curves))


def orthonormal(delta: float) -> Problem:
    """Four orthonormal inputs with alternating labels: small enough to meet the theorem's own condition.

    For them lambda_0 = 1/2, ||X|| = 1 and ||XX^T||_F = 2.
    """
    return Problem(np.eye(4), np.array([1.0, -1.0, 1.0, -1.0]), delta)


def _demonstrations(statement: Statement, delta: float, seed: int, store: Store | None) -> Iterator[TrainedRun]:
    """At the theorem's own step to a real horizon; and inside every condition of the sharp edition."""
    from empirical.training import train

    problem = orthonormal(delta)
    step = statement.step_size(problem, "explicit").lower
    steps = math.ceil(2 * math.log(100) / (step * problem.least_eigenvalue.lower))
    yield TrainedRun(
        "four orthonormal inputs, at the step of the explicit edition",
        problem,
        ("explicit",),
        train(problem, width=MAIN_WIDTH, step_size=step, steps=steps, seed=seed, store=store),
    )
    step = statement.step_size(problem, "sharp").lower
    width = _width_for_its_own_draw(problem, statement, seed)
    yield TrainedRun(
        "four orthonormal inputs, inside every condition of the sharp edition",
        problem,
        ("sharp",),
        train(problem, width=width, step_size=step, steps=24, seed=seed, observe=(0, 1, 2, 4, 8, 16, 24), store=store),
    )


def _width_for_its_own_draw(problem: Problem, statement: Statement, seed: int) -> int:
    """A width that exceeds what the sharp edition asks for with the residual of the network drawn at that width."""
    import torch

    from empirical.networks import initial_network

    residual = math.sqrt(problem.label_norm.upper**2 + problem.n / 2)
    for _ in range(20):
        width = math.ceil(1.1 * statement.width(problem, "sharp", initial_residual=residual).upper)
        outputs = initial_network(width, problem.d, seed).outputs(torch.tensor(problem.unit_rows))
        residual = float((torch.tensor(problem.y) - outputs).norm())
        if width > 1.01 * statement.width(problem, "sharp", initial_residual=residual).upper:
            return width
    raise AssertionError("the initial residual of ever wider networks keeps growing")
