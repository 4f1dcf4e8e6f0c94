"""From the setting of a statement to a run of its own networks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import numpy as np
import torch
from torch import nn

from bounds.arithmetic import NoNumber
from bounds.problem import Problem
from bounds.settings import Network, TwoLayer
from empirical.batches import single_threaded
from empirical.dynamics import GradientDescent, GradientFlow, Method, OrthogonalDescent, StochasticDescent
from empirical.experiments import NetworkRun, run_network
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES
from empirical.networks import Family, ding2021
from empirical.views import View

if TYPE_CHECKING:
    from bounds.settings import Setting
    from bounds.statements import Statement
    from empirical.store import Store

WIDTH = 256
WIDTHS = {"ding2021-resnet": 16, "du2019-deep-conv": 32, "allenzhu2019-cnn": 32}
"""Widths at which the networks train in seconds: WIDTH unless named."""

DEPTHS = {"ding2021-resnet": 4}
"""Depths of families that leave it open: 2 unless named."""

STEPS = 400
FLOW_STEPS = {"ding2021-resnet": 40}
"""Steps of descent, or the horizon of a flow in steps of descent: STEPS unless named."""

NARROW = 16
"""Of the layers of a pyramid that are not its wide one, at most."""

SMOOTH_TOLERANCE, KINKED_TOLERANCE = 1e-8, 1e-2
"""Of a flow, each parameter; at the kinks of ReLU networks relative to m^(-1/2) d^(-1/2), of which order its moves are,
since a smaller one would take the solver thousands of steps."""

ENDS = frozenset({"output hessians", "newton", "curvature", "intermediate norms", "sensitivity"})
"""Observables that cost as much as many steps: they are measured at the start and at the end alone."""


@dataclass(frozen=True)
class Sizes:
    """What a user chooses of a trial; None where the family's default is taken.

    Args:
        width, depth: of the networks.
        step_size: of descent, or the unit of a flow's time; by default one over the norm of the Hessian at the start.
        steps: of descent, or the horizon of a flow in units of the step size.
        seed: of the weights.
        device: where they are trained.
    """

    width: int | None = None
    depth: int | None = None
    step_size: float | None = None
    steps: int | None = None
    seed: int = 0
    device: str = "cpu"


@dataclass(eq=False)
class Trial:
    """The networks of a setting, on a problem, trained as a theorem's dynamics say.

    Args:
        problem: data, labels and confidence.
        setting: the networks that the statement speaks of.
        network: which specification trains them.
        dynamics: of the statement.
        sizes: what was chosen.
        observe: the observables of ``empirical.measurements`` that are wanted.
        store: where the run is kept and taken from.
    """

    problem: Problem
    setting: Setting
    network: Network
    dynamics: str
    sizes: Sizes
    observe: frozenset[str]
    store: Store | None = None

    @property
    def width(self) -> int:
        """The number of neurons, channels or branches."""
        if self.network.kind == "liu2021-opt":
            return self.problem.n
        return self.sizes.width or WIDTHS.get(self.network.kind, WIDTH)

    @property
    def depth(self) -> int:
        """The number of layers that the specification counts."""
        own = dict(self.network.fields).get("depth")
        return int(own) if own is not None else self.sizes.depth or DEPTHS.get(self.network.kind, 2)

    @cached_property
    def family(self) -> Family:
        """The specification of the networks, with every size that the setting leaves open."""
        chosen = specification(self.network)
        fields = dict(self.network.fields)
        sizes: dict[str, Any] = {
            "width": self.width,
            "branches": self.width,
            "depth": self.depth,
            "outputs": self.problem.d if self.network.kind == "allenzhu2019-fc" else 1,
            "pixels": self.problem.d,
            "widths": (self.width,) if self.network.kind == "liu2021-opt" else self.pyramid,
        }
        open_fields = {name: sizes[name] for name in chosen.__struct_fields__ if name in sizes and name not in fields}
        family: Family = msgspec.convert({"type": self.network.kind, **open_fields, **fields}, type=chosen)
        return family

    @property
    def pyramid(self) -> tuple[int, ...]:
        """The widths of a pyramid: all as wide, or one layer wide alone, the first or (of ReLU networks) the last."""
        fields = dict(self.network.fields)
        if fields.get("start") == "unit output":
            return (*[self.width] * self.depth, 1)
        narrow = [min(NARROW, self.width)] * (self.depth - 1)
        return (*narrow, self.width, 1) if fields.get("activation") == "relu" else (self.width, *narrow, 1)

    @property
    def X(self) -> np.ndarray:
        """The exactly normalised rows, rounded, or their pixels; numbers on a line as they are stored."""
        if self.network.inputs == "line":
            return self.problem.X.copy()
        rows = self.problem.unit_rows.copy()  # torch shares no memory with arrays that are read only
        return rows[:, None, :] if self.network.inputs == "pixels" else rows

    @cached_property
    def y(self) -> np.ndarray:
        """The labels as the loss needs them: numbers, signs or classes; further outputs have the label 0."""
        y = self.problem.y.copy()
        if self.network.loss == "logistic":
            return y
        if self.network.loss == "cross-entropy":
            return (y > np.median(y)).astype(float) if len(np.unique(y)) > 2 else (y == y.max()).astype(float)
        with torch.no_grad():
            outputs = self.initial_network(torch.from_numpy(self.X[:1]))
        if outputs.ndim == 1:
            return y
        padded = np.zeros((len(y), outputs.shape[1]))
        padded[:, 0] = y
        return padded

    @cached_property
    def initial_network(self) -> nn.Module:
        """The network as it is drawn."""
        return self.family.draw(self.X.shape[1], self.sizes.seed)

    @property
    def loss(self) -> Loss:
        """What is minimised."""
        return Loss(kind=self.network.loss, reduction="mean" if self.network.mean else "sum")

    @cached_property
    def step_size(self) -> float:
        """The chosen one, or one over the norm of the Hessian of the loss at the start (of stochastic descent, b/n)."""
        if self.sizes.step_size is not None:
            return self.sizes.step_size
        start = self.initial_network
        view = View(start, start, torch.from_numpy(self.X), torch.from_numpy(self.y), self.loss)
        with single_threaded():
            norm = float(OBSERVABLES["curvature"].measure(view)["norm"])  # type: ignore[arg-type]
        if not (norm > 0 and math.isfinite(norm)):
            raise ValueError("the loss is flat at the start, so it sets no step: give one with --step-size")
        return (self.batch / self.problem.n if self.dynamics == "stochastic gradient descent" else 1.0) / norm

    @property
    def steps(self) -> int:
        """Of descent, or a flow's horizon in units of the step size; none where nothing is trained."""
        if self.dynamics == "no training":
            return 0
        return self.sizes.steps if self.sizes.steps is not None else FLOW_STEPS.get(self.network.kind, STEPS)

    @property
    def batch(self) -> int:
        """A fifth of the inputs."""
        return max(1, self.problem.n // 5)

    @property
    def speed(self) -> float:
        """How much faster than the gradient flow a mean-field flow runs."""
        return float(self.width * self.depth) if self.dynamics == "mean-field flow" else 1.0

    @cached_property
    def method(self) -> Method:
        """How the weights move."""
        steps = self.steps
        if self.network.method == "rotations":
            return OrthogonalDescent(step_size=self.step_size, steps=steps)
        if self.dynamics in ("gradient flow", "mean-field flow"):
            kinked = getattr(self.family, "activation", "") == "relu"
            return GradientFlow(
                horizon=steps * self.step_size / self.speed,
                tolerance=KINKED_TOLERANCE / math.sqrt(self.width * self.problem.d) if kinked else SMOOTH_TOLERANCE,
                speed=self.speed,
                fading=2.0 if self.network.method == "fading" else 0.0,
            )
        if self.dynamics == "stochastic gradient descent":
            return StochasticDescent(step_size=self.step_size, steps=steps, batch=self.batch)
        return GradientDescent(step_size=self.step_size, steps=steps)

    @property
    def is_flow(self) -> bool:
        """Whether time is continuous."""
        return isinstance(self.method, GradientFlow)

    @property
    def descends(self) -> bool:
        """Whether the weights move down the gradient of the loss and by nothing else."""
        return not (isinstance(self.method, GradientFlow) and self.method.fading)

    @property
    def end(self) -> float:
        """The last step, or the last time."""
        return self.method.horizon if isinstance(self.method, GradientFlow) else self.method.steps

    @property
    def stops(self) -> tuple[float, ...]:
        """The steps, or times, of observation: 0, then ever further apart."""
        steps = self.steps
        grid = sorted({0, *(2**k for k in range(steps.bit_length()) if 2**k < steps), steps})
        between = (k * self.end / steps if self.is_flow else float(k) for k in grid[:-1])
        return (*between, float(self.end))

    @cached_property
    def limit_gram(self) -> np.ndarray | None:
        """The matrix of infinite width, of the ReLU networks whose first layer is trained alone."""
        fields = dict(self.network.fields)
        plain = self.network.kind == "two-layer" and fields.get("trained", "first") == "first"
        if not plain:
            return None
        try:
            known = self.setting.gram(self.problem.unit_rows)
            if known is None and fields.get("activation", "relu") == "relu":
                known = self.problem.gram(TwoLayer())
        except NoNumber:
            return None
        return None if known is None else known.midpoint

    @cached_property
    def run(self) -> NetworkRun:
        """The trajectory, with everything that is wanted of it."""
        return self._run(self.family, self.observe)

    @cached_property
    def larger(self) -> NetworkRun:
        """The same with twice the layers and branches, in place of infinitely many of both."""
        assert isinstance(self.family, ding2021.ResNet)
        larger = msgspec.structs.replace(self.family, branches=2 * self.family.branches, depth=2 * self.depth)
        return self._run(larger, self.observe & {"last states"}, speed=4 * self.speed)

    def _run(self, family: Family, observe: Iterable[str], speed: float | None = None) -> NetworkRun:
        method = self.method
        if isinstance(method, GradientFlow) and speed is not None:
            method = msgspec.structs.replace(method, speed=speed)
        return run_network(
            family,
            self.X,
            self.y,
            loss=self.loss,
            method=method,
            seed=self.sizes.seed,
            observe={
                "travel": self.stops,
                **{name: (self.stops[0], self.stops[-1]) if name in ENDS else self.stops for name in observe},
            },
            limit_gram=self.limit_gram,
            device=self.sizes.device,
            store=self.store,
        )


def settled(statement: Statement, sizes: Sizes) -> Setting:
    """The statement's setting at the chosen depth, where it leaves the depth open."""
    setting: Any = statement.setting
    return replace(setting, depth=sizes.depth) if sizes.depth is not None and "depth" in statement.for_all else setting


def network_of(statement: Statement, sizes: Sizes) -> Network:
    """Which networks train a statement's setting at the chosen depth.

    Raises:
        ValueError: the statement names none, or none of that depth.
    """
    setting, name = settled(statement, sizes), statement.identifier or statement.name
    network = setting.network
    if network is None:
        raise ValueError(f"{name} names no networks: it speaks of {setting}")
    open_fields = specification(network).__struct_fields__
    has_depth = network.kind != "liu2021-opt" and ("depth" in open_fields or "widths" in open_fields)
    if sizes.depth is not None and not (has_depth and dict(network.fields).get("depth", sizes.depth) == sizes.depth):
        raise ValueError(f"{name} speaks of {setting}: its depth is not left open")
    return network


def specification(network: Network) -> type[Any]:
    """The family of ``empirical.networks`` of that kind."""
    return next(family for family in get_args(Family) if family.__struct_config__.tag == network.kind)


def trial(
    problem: Problem, statement: Statement, sizes: Sizes, observe: Iterable[str], store: Store | None = None
) -> Trial:
    """The networks of a statement on a problem.

    Args:
        problem: data, labels and confidence.
        statement: a theorem or lemma.
        sizes: what is chosen of them.
        observe: what is wanted of their run, by name.
        store: where runs are kept and taken from.

    Raises:
        ValueError: see :func:`network_of`; or there are several labels a row.
    """
    network = network_of(statement, sizes)
    if problem.y.ndim > 1:
        raise ValueError(f"y has shape {problem.y.shape}: theorems speak of one label a row")
    if network.inputs == "line" and problem.d > 1:
        problem = on_a_line(problem)
    if network.loss == "logistic" and not (np.abs(problem.y) == 1).all():
        problem = with_signs(problem)
    return Trial(problem, settled(statement, sizes), network, statement.dynamics, sizes, frozenset(observe), store)


def with_signs(problem: Problem) -> Problem:
    """The same inputs with the label 1 where the label is above the median, else -1."""
    return Problem(problem.X, np.where(problem.y > np.median(problem.y), 1.0, -1.0), problem.delta)


def on_a_line(problem: Problem) -> Problem:
    """The same labels at the coordinates of the inputs along their first principal direction, in float64."""
    direction = np.linalg.svd(problem.X, full_matrices=False)[2][0]
    return Problem((problem.X @ direction)[:, None], problem.y, problem.delta)
