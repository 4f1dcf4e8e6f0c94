"""How weights move: gradient descent, stochastic descent by each paper's sampling, and the gradient flow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
import torch
from scipy.integrate import DOP853
from torch import Tensor, nn

from empirical.losses import Loss
from empirical.networks import liu2021_opt

Momentum = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class GradientDescent(msgspec.Struct, frozen=True, kw_only=True, tag="gradient-descent"):
    """theta <- theta - eta v with v <- mu v + grad F(theta) over all inputs, from v = 0 (Polyak's heavy ball).

    Args:
        step_size: eta.
        steps: their number.
        momentum: mu in [0, 1); 0 is plain gradient descent.
    """

    step_size: float
    steps: int
    momentum: Momentum = 0.0


class StochasticDescent(msgspec.Struct, frozen=True, kw_only=True, tag="stochastic-descent"):
    """The same with an unbiased estimate of grad F from b inputs: a summed loss is scaled by n / b.

    Args:
        step_size: eta.
        steps: their number.
        batch: b.
        sampling: ``subset``, b different inputs drawn afresh in each step (Allen-Zhu et al.); ``with-replacement``;
            or ``epochs``, where a random order of all inputs is cut into batches (of which a shorter last one is
            dropped).
        momentum: mu in [0, 1).
    """

    step_size: float
    steps: int
    batch: int
    sampling: Literal["subset", "with-replacement", "epochs"] = "subset"
    momentum: Momentum = 0.0


class GradientFlow(msgspec.Struct, frozen=True, kw_only=True, tag="gradient-flow"):
    """d theta / dt = -speed grad F(theta), by the Runge-Kutta method of order 8 of Dormand and Prince, adaptively.

    With the speed of its scaling (m for a mean-field network, M L for the network of Ding et al.) it is the particle
    flow of the mean-field limit. At the kinks of a ReLU the error estimate makes the steps small.

    Args:
        horizon: the last t.
        tolerance: of the local error, relative to each parameter and to 1.
        speed: factor of the velocity.
        fading: c of a further velocity -c e^-t theta, that of a regularisation which fades (Ding et al., version 1: 2).
        most_steps: the run ends as unfinished after so many steps of the solver.
    """

    horizon: float
    tolerance: float = 1e-8
    speed: float = 1.0
    fading: float = 0.0
    most_steps: int = 100_000


class OrthogonalDescent(msgspec.Struct, frozen=True, kw_only=True, tag="orthogonal-descent"):
    """Gradient descent on a network of Liu et al. (CVPR 2021), in each way of keeping its rotations orthogonal.

    Rotations of the way ``descent`` move by :func:`~empirical.networks.liu2021_opt.orthogonal_step`, whose momentum is
    0.9; those of the way ``regularised`` descend on F plus the penalty; everything else descends on F.

    Args:
        step_size: eta.
        steps: their number.
        rotation_rate: the largest step of a rotation that moves by itself.
    """

    step_size: float
    steps: int
    rotation_rate: float = 0.02


Method = GradientDescent | StochasticDescent | OrthogonalDescent | GradientFlow


@dataclass
class State:
    """A network on its way.

    Args:
        at: the number of steps taken, or the time t.
        loss: F there, over all inputs.
        path: the length of the polygon through the states passed so far, in the norm of all trained parameters.
    """

    at: float
    loss: float
    path: float


def trajectory(
    network: nn.Module, X: Tensor, y: Tensor, loss: Loss, method: Method, *, seed: int = 0, stops: Sequence[float] = ()
) -> Iterator[State]:
    """Train a module in place, yielding its state after every step (of a flow: at every stop).

    What is done with the network between two states must leave it unchanged; then the trajectory is a function of
    the arguments other than ``stops``. It ends early once the loss is not finite.

    Args:
        network: its parameters that require a gradient are trained.
        X: inputs (n, ...).
        y: labels, as the loss needs them.
        loss: F.
        method: how the weights move.
        seed: of the batches.
        stops: times in [0, horizon] at which to see a flow, in increasing order; a flow is interpolated there to the
            order of the solver.

    Raises:
        ValueError: the method does not fit the data, or there is nothing to train.
    """
    with torch.no_grad():
        loss.check(network(X), y)
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("no parameter of the network requires a gradient, so none is trained")
    check_method(method)
    if isinstance(method, GradientFlow):
        return _flow(network, trained, X, y, loss, method, stops)
    if isinstance(method, OrthogonalDescent):
        if not isinstance(network, liu2021_opt.OrthogonalModule):
            raise ValueError(f"orthogonal descent is for orthogonal networks, not for {type(network).__name__}")
        return _orthogonal_descent(network, trained, X, y, loss, method)
    return _descent(network, trained, X, y, loss, method, seed)


def check_method(method: Method) -> None:
    """Refuse a method by which nothing could move.

    Raises:
        ValueError: a number is out of its range.
    """
    if isinstance(method, GradientFlow):
        if not (0 <= method.horizon < math.inf and 0 < method.tolerance < math.inf and method.most_steps >= 1):
            raise ValueError(
                f"a flow needs a finite horizon, a positive tolerance and a step or more, not {method.horizon}, "
                f"{method.tolerance}, {method.most_steps}"
            )
        if not (math.isfinite(method.speed) and method.speed > 0 and math.isfinite(method.fading)):
            raise ValueError(f"a flow needs a positive speed and a finite fading, not {method.speed}, {method.fading}")
        return
    if not (math.isfinite(method.step_size) and method.step_size > 0 and method.steps >= 0):
        raise ValueError(f"descent needs a positive step size and steps >= 0, not {method.step_size}, {method.steps}")
    if not isinstance(method, OrthogonalDescent) and not 0 <= method.momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1), not be {method.momentum}")


def gradient(network: nn.Module, trained: Sequence[Tensor], X: Tensor, y: Tensor, loss: Loss) -> tuple[Tensor, ...]:
    """F and its gradient in the trained parameters; zero where a parameter has no influence."""
    with torch.enable_grad():
        value = loss.value(network(X), y)
        found = torch.autograd.grad(value, trained, allow_unused=True, materialize_grads=True)
    return value.detach(), *found


def _descent(
    network: nn.Module,
    trained: list[nn.Parameter],
    X: Tensor,
    y: Tensor,
    loss: Loss,
    method: GradientDescent | StochasticDescent,
    seed: int,
) -> Iterator[State]:
    batches = None if isinstance(method, GradientDescent) else _batches(len(X), method, seed)
    velocities = [torch.zeros_like(p) for p in trained] if method.momentum else []
    path = 0.0
    for step in range(method.steps + 1):
        if batches is None:
            value, *gradients = gradient(network, trained, X, y, loss)
        else:
            with torch.no_grad():
                value = loss.value(network(X), y)
        now = float(value)
        yield State(step, now, path)
        if step == method.steps or not math.isfinite(now):
            return
        scale = 1.0
        if batches is not None:
            some = next(batches).to(X.device)
            _, *gradients = gradient(network, trained, X[some], y[some], loss)
            scale = len(X) / len(some) if loss.reduction == "sum" else 1.0
        if velocities:
            gradients = [v.mul_(method.momentum).add_(g) for v, g in zip(velocities, gradients, strict=True)]
        with torch.no_grad():
            square = X.new_zeros(())  # read once, for a GPU is waited for
            for parameter, g in zip(trained, gradients, strict=True):
                parameter.sub_(g, alpha=method.step_size * scale)
                square += g.square().sum()
        path += method.step_size * scale * math.sqrt(square)


def _orthogonal_descent(
    network: liu2021_opt.OrthogonalModule,
    trained: list[nn.Parameter],
    X: Tensor,
    y: Tensor,
    loss: Loss,
    method: OrthogonalDescent,
) -> Iterator[State]:
    momenta = {R: torch.zeros_like(R) for R in network.matrices("descent")}
    penalised = network.matrices("regularised")
    path = 0.0
    for step in range(method.steps + 1):
        value, *gradients = gradient(network, trained, X, y, loss)
        yield State(step, float(value), path)
        if step == method.steps or not math.isfinite(value):
            return
        penalties = [torch.autograd.grad(liu2021_opt.orthogonality_penalty(R), R)[0] for R in penalised]
        squares = 0.0
        with torch.no_grad():
            for R, penalty in zip(penalised, penalties, strict=True):
                gradients[next(k for k, p in enumerate(trained) if p is R)] += penalty
            for parameter, g in zip(trained, gradients, strict=True):
                if parameter in momenta:
                    after, momenta[parameter] = liu2021_opt.orthogonal_step(
                        parameter, g, momenta[parameter], method.rotation_rate
                    )
                else:
                    after = parameter - method.step_size * g
                squares += float((after - parameter).square().sum())
                parameter.copy_(after)
        path += math.sqrt(squares)


def _batches(n: int, method: StochasticDescent, seed: int) -> Iterator[Tensor]:
    if not 1 <= method.batch <= n:
        raise ValueError(f"a batch must hold 1 to {n} inputs, not {method.batch}")
    generator = torch.Generator().manual_seed(seed)
    while True:
        if method.sampling == "with-replacement":
            yield torch.randint(n, (method.batch,), generator=generator)
            continue
        order = torch.randperm(n, generator=generator)
        if method.sampling == "subset":
            yield order[: method.batch]
        else:
            yield from order[: n // method.batch * method.batch].split(method.batch)


def _flow(
    network: nn.Module,
    trained: list[nn.Parameter],
    X: Tensor,
    y: Tensor,
    loss: Loss,
    method: GradientFlow,
    stops: Sequence[float],
) -> Iterator[State]:
    sizes = [p.numel() for p in trained]

    def put(theta: np.ndarray) -> None:
        with torch.no_grad():
            for parameter, part in zip(trained, torch.from_numpy(theta).split(sizes), strict=True):
                parameter.copy_(part.view_as(parameter))

    def velocity(t: float, theta: np.ndarray) -> np.ndarray:
        put(theta)
        gradients = gradient(network, trained, X, y, loss)[1:]
        downhill = -method.speed * nn.utils.parameters_to_vector(gradients).cpu().numpy()
        return downhill - method.fading * math.exp(-t) * theta if method.fading else downhill

    def state(at: float, theta: np.ndarray, path: float) -> State:
        put(theta)
        with torch.no_grad():
            return State(at, float(loss.value(network(X), y)), path)

    theta = nn.utils.parameters_to_vector(trained).detach().cpu().numpy().copy()
    waiting = [t for t in stops if t > 0]
    if len(waiting) < len(stops):
        yield state(0.0, theta, 0.0)
    solver = DOP853(velocity, 0.0, theta, method.horizon, rtol=method.tolerance, atol=method.tolerance)
    path = 0.0
    taken = 0
    while solver.status == "running" and taken < method.most_steps:
        before = solver.y
        taken += 1
        with np.errstate(over="ignore", invalid="ignore"):  # of a flow that leaves the finite numbers
            solver.step()
        if solver.status == "failed" or not np.isfinite(solver.y).all():
            yield State(solver.t, math.nan, path)
            return
        between = solver.dense_output() if waiting and waiting[0] <= solver.t else None
        while between is not None and waiting and waiting[0] <= solver.t:
            at = waiting.pop(0)
            seen = solver.y if at == solver.t else between(at)
            yield state(at, seen, path + float(np.linalg.norm(seen - before)))
        path += float(np.linalg.norm(solver.y - before))
