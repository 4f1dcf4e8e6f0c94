"""What a run shows of the symbols that statements are written in, by the names that their quantities give.

A paper's file joins a symbol to one of these by ``quantity(..., measured_by="path length")``; nothing else is needed.
All are float64 estimates, at the observed steps or times; those that are chosen are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bounds import activations
from bounds import quantities as q
from empirical.networks import ding2021
from reports.both_sides.trials import Trial

Series = Mapping[float, float]
"""Numbers by step or time."""


class Estimate(NamedTuple):
    """A mean over random draws with its standard error."""

    value: float
    error: float


Seen = float | Series | Estimate


@dataclass(frozen=True)
class Observed:
    """How a quantity is read off a trial.

    Args:
        read: one number, or a series of which the worst counts.
        needs: the observables of ``empirical.measurements`` that the run must have measured.
        chosen: the number is chosen (a size, a goal) and not measured, so that it may decide a condition.
    """

    read: Callable[[Trial], Seen]
    needs: tuple[str, ...] = ()
    chosen: bool = False


OBSERVED: dict[str, Observed] = {}
"""By name."""

FALLING = frozenset(
    {"loss", "residual", "root mean square residual", "average loss", "gradient norm", "misclassified inputs"}
)
"""What training brings down: a bound on it that depends on no step speaks of the end of a run."""

WAITING = frozenset({"steps to the goal", "steps per factor e"})
"""How long something takes: infinite where a run did not come so far."""

NO_RUN = "no run: "
"""How a paper's file begins its reason why no run shows a quantity."""


def observed(name: str, *needs: str, chosen: bool = False) -> Callable[[Callable[[Trial], Seen]], None]:
    """Enter a function of a trial under a name; see :class:`Observed`."""

    def enter(read: Callable[[Trial], Seen]) -> None:
        OBSERVED[name] = Observed(read, needs, chosen)

    return enter


def _series(trial: Trial, observable: str, value: str, pick: Callable[[Any], float] = float) -> dict[float, float]:
    return {at: pick(found) for at, found in trial.run.series(observable, value).items()}


def _first(trial: Trial, observable: str, value: str) -> Any:
    return trial.run.series(observable, value)[0.0]


def _last(trial: Trial, observable: str, value: str) -> Any:
    found = trial.run.series(observable, value)
    return found[max(found)]


def _enter(name: str, observable: str, value: str, pick: Callable[[Any], float] = float) -> None:
    """A value of an observable as a series."""
    observed(name, observable)(lambda t: _series(t, observable, value, pick))


def _enter_first(name: str, observable: str, value: str, pick: Callable[[Any], float] = float) -> None:
    """A value of an observable at the start."""
    observed(name, observable)(lambda t: pick(_first(t, observable, value)))


def _choose(name: str, read: Callable[[Trial], float]) -> None:
    observed(name, chosen=True)(read)


# --- Chosen ----------------------------------------------------------------------------------------------------------

_choose("one", lambda t: 1)
_choose("one half", lambda t: 0.5)
_choose("zero", lambda t: 0)
_choose("width", lambda t: t.width)
_choose("product of the last widths", lambda t: math.prod(t.pyramid[-3:-1]))
_choose("depth", lambda t: t.depth)
_choose("number of layers", lambda t: t.depth + 1)
_choose("number of hidden layers", lambda t: t.depth + int(dict(t.network.fields).get("input_trained", 0)))
_choose("root of the width", lambda t: math.sqrt(t.width))
_choose("pixels", lambda t: t.problem.d)
_choose("batch", lambda t: t.batch)
_choose("steps", lambda t: t.steps)
_choose("horizon", lambda t: t.run.at[-1])
_choose("standard deviation of the start", lambda t: dict(t.network.fields).get("deviation", 1.0))  # type: ignore[arg-type, return-value]
_choose("least slope of the activation", lambda t: getattr(t.family, "slope", 1.0))
_choose("smoothness of the pyramid's activation", lambda t: getattr(t.family, "smoothness", 1.0))
_choose("feature norm goal", lambda t: 0.5)
_choose("goal for the loss", lambda t: t.run.losses[0] / 100)
_choose("goal for the risk", lambda t: t.run.losses[0] / 2)
_choose("goal for the residual", lambda t: _residuals(t)[0.0] / 10)
_choose("tenth of the first residual", lambda t: _residuals(t)[0.0] / 10)

# --- Loss and residual -----------------------------------------------------------------------------------------------


def _losses(trial: Trial) -> dict[float, float]:
    """One that is not finite, with which a run ends, counts as infinite."""
    losses = (loss if math.isfinite(loss) else math.inf for loss in trial.run.losses)
    return dict(zip(trial.run.at, losses, strict=True))


def _residuals(trial: Trial) -> dict[float, float]:
    """Norms of the residual, from half the (mean) square."""
    inputs = trial.problem.n if trial.network.mean else 1
    return {at: math.sqrt(2 * inputs * loss) for at, loss in _losses(trial).items()}


def _decay(trial: Trial) -> float:
    """By how much the logarithm of the loss fell over the run."""
    first, *_, last = _losses(trial).values()
    return math.log(first) - math.log(last) if last > 0 else math.inf


def _steps_per_factor(trial: Trial) -> float:
    decay = _decay(trial)
    return trial.run.at[-1] / decay if decay > 0 else math.inf


observed("loss")(_losses)
observed("first loss")(lambda t: t.run.losses[0])
observed("residual")(_residuals)
observed("squared residual")(lambda t: {k: e**2 for k, e in _residuals(t).items()})
observed("last residual")(lambda t: _residuals(t)[t.run.at[-1]])
observed("first residual")(lambda t: _residuals(t)[0.0])
observed("root mean square residual")(lambda t: {k: e / math.sqrt(t.problem.n) for k, e in _residuals(t).items()})
observed("norm of the labels")(lambda t: float(np.linalg.norm(t.y)))
observed("average loss")(lambda t: float(np.mean(t.run.losses[: max(len(t.run.losses) - 1, 1)])))
observed("rate of decay")(lambda t: _decay(t) / t.run.at[-1])
observed("steps per factor e")(_steps_per_factor)


@observed("steps to the goal", "misclassified")
def _steps(trial: Trial) -> float:
    if trial.network.loss == "cross-entropy":
        reached = [at for at, wrong in _series(trial, "misclassified", "count").items() if wrong == 0]
    else:
        reached = [at for at, loss in _losses(trial).items() if loss <= trial.run.losses[0] / 100]
    return reached[0] if reached else math.inf


_enter("misclassified inputs", "misclassified", "count")

# --- Travel ----------------------------------------------------------------------------------------------------------

observed("path length")(lambda t: dict(zip(t.run.at, t.run.path_lengths, strict=True)))


@observed("distance", "newton")
def _distance(trial: Trial) -> Seen:
    """From the start; where nothing is trained, that of the simplified Newton iteration's solution."""
    if trial.dynamics == "no training":
        return float(OBSERVED["distance of a solution"].read(trial))  # type: ignore[arg-type]
    return _series(trial, "travel", "distance")


def _outputs(trial: Trial) -> dict[float, np.ndarray]:
    """In a fixed orthonormal basis, up to sign and a fixed vector: the residuals of a squared loss."""
    if trial.network.loss != "squares":
        raise ValueError(f"residuals of the {trial.network.loss} loss are not the outputs up to a fixed vector")
    return {at: np.asarray(parts) for at, parts in trial.run.series("residuals", "components").items()}


@observed("path length of the outputs", "residuals")
def _output_path(trial: Trial) -> dict[float, float]:
    """Of the polygon through the outputs at the observed steps or times, which is no longer than their path."""
    found = _outputs(trial)
    pieces = np.linalg.norm(np.diff(list(found.values()), axis=0), axis=1)
    return dict(zip(found, np.cumsum([0.0, *pieces]).tolist(), strict=True))


@observed("distance of the outputs", "residuals")
def _output_distance(trial: Trial) -> dict[float, float]:
    found = _outputs(trial)
    return {at: float(np.linalg.norm(parts - found[0.0])) for at, parts in found.items()}


_enter("neuron travel", "travel", "neuron", lambda layers: layers[0])
_enter("output travel", "travel", "neuron", lambda layers: layers[-1])
_enter("layer travel", "travel", "frobenius", max)
_enter("spectral travel", "travel", "spectral", max)
_enter("travel of the first layer", "travel", "frobenius", lambda layers: layers[0])
_enter("travel of the second layer", "travel", "frobenius", lambda layers: layers[1])
_enter("travel of the later layers", "travel", "frobenius", lambda layers: max(layers[2:]))


def _over_root(trial: Trial, factor: float = 1.0) -> dict[float, float]:
    return {k: factor * v / math.sqrt(trial.width) for k, v in _series(trial, "travel", "frobenius", max).items()}


observed("layer travel over root m")(_over_root)
observed("twice the layer travel over root m")(lambda t: max(_over_root(t, 2.0).values()))
observed("largest step of a layer", "gradients")(
    lambda t: {k: t.step_size * g for k, g in _series(t, "gradients", "largest_layer").items()}
)


def _radius(trial: Trial) -> float:
    """Of statements about any weights as far as the run went, else more than 8 times the residual over sigma_0."""
    if trial.dynamics in ("any weights", "no training"):
        return _last(trial, "travel", "distance") or 1.0
    return 8.1 * _residuals(trial)[0.0] / _least_singular(trial)


observed("radius", "tangent kernel")(_radius)


@observed("spectral radius", "tangent kernel")
def _spectral_radius(trial: Trial) -> float:
    if trial.dynamics == "any weights":
        return max(_series(trial, "travel", "spectral", max).values())
    return _radius(trial)


# --- Kernels ---------------------------------------------------------------------------------------------------------


def _least_singular(trial: Trial) -> float:
    return math.sqrt(max(_first(trial, "tangent kernel", "least_eigenvalue"), 0.0))


@observed("least eigenvalue", "tangent kernel", "layer kernels")
def _least_eigenvalue(trial: Trial) -> Seen:
    if trial.network.kernel == "all":
        return _series(trial, "tangent kernel", "least_eigenvalue")
    return _series(trial, "layer kernels", f"{trial.network.kernel}_least")


@observed("kernel drift", "tangent kernel", "layer kernels")
def _kernel_drift(trial: Trial) -> Seen:
    if trial.network.kernel == "all":
        return _series(trial, "tangent kernel", "drift_from_start")
    return _series(trial, "layer kernels", f"{trial.network.kernel}_drift")


observed("first least eigenvalue", "tangent kernel", "layer kernels")(
    lambda t: (
        _first(t, "tangent kernel", "least_eigenvalue")
        if t.network.kernel == "all"
        else _first(t, "layer kernels", f"{t.network.kernel}_least")
    )
)
_enter_first("distance from the limit", "layer kernels", "first_from_limit")
observed("first least singular value", "tangent kernel")(_least_singular)
_enter_first("first largest singular value", "tangent kernel", "largest_eigenvalue", math.sqrt)
_enter("Jacobian change", "jacobian change", "spectral")
_enter("change of a kernel entry", "kernel entries", "change")
_enter("relative change of the kernel", "kernel entries", "relative")
_enter("relative change of an output's gradient", "kernel entries", "gradient_change")
observed("largest output gradient", "kernel entries")(
    lambda t: max(_series(t, "kernel entries", "largest_gradient").values())
)
observed("least slope", "tangent kernel")(
    lambda t: min(
        _least_singular(t) / 2,
        *(math.sqrt(max(v, 0.0)) for v in _series(t, "tangent kernel", "least_eigenvalue").values()),
    )
)
_enter("distance from the linearisation", "linearisation", "largest_error")
_enter("first-order change of the outputs", "linearisation", "first_order")
_enter_first("norm of the first outputs", "linearisation", "norm")
_enter("semi-smoothness remainder", "linearisation", "remainder")
observed("component Hessian", "output hessians")(lambda t: max(_series(t, "output hessians", "largest").values()))

# --- Constants of smooth systems -------------------------------------------------------------------------------------


def _activation(trial: Trial) -> activations.Activation:
    known: activations.Activation = getattr(activations, str(getattr(trial.family, "activation", "relu")).upper())
    return known


def _smooth_first_layer(trial: Trial) -> bool:
    return (
        trial.network.kind == "two-layer"
        and dict(trial.network.fields).get("trained", "first") == "first"
        and _activation(trial).smoothness is not None
    )


def _smoothness(trial: Trial) -> float:
    known = _activation(trial).smoothness
    if known is None:
        raise ValueError(f"{_activation(trial)} is not smooth")
    return known.upper


def _slope(trial: Trial) -> float:
    """L |X| for a smooth first layer, proved for all weights; else the largest seen."""
    if _smooth_first_layer(trial):
        known = _activation(trial).lipschitz
        assert known is not None
        return known.upper * trial.problem.values()[q.X_norm].upper
    return max(math.sqrt(v) for v in _series(trial, "tangent kernel", "largest_eigenvalue").values())


def _curvature(trial: Trial) -> float:
    """Beta |X| m^(-1/2) for a smooth first layer, proved for all weights; else the largest quotient seen."""
    if _smooth_first_layer(trial):
        return _smoothness(trial) * trial.problem.values()[q.X_norm].upper / math.sqrt(trial.width)
    moved = _series(trial, "travel", "distance")
    changes = _series(trial, "jacobian change", "spectral")
    return max(changes[at] / moved[at] for at in changes if moved[at] > 0)


def _pl(trial: Trial) -> float:
    """A quarter of the first least eigenvalue, or what the run kept of the inequality where that is less."""
    return min(
        _least_singular(trial) ** 2 / 4,
        *(v for v in _series(trial, "gradient dominance", "all").values() if math.isfinite(v)),
    )


observed("largest slope", "tangent kernel")(_slope)
observed("Jacobian's Lipschitz constant", "jacobian change")(_curvature)
observed("relative curvature", "jacobian change", "tangent kernel")(lambda t: _curvature(t) / _least_singular(t))
observed("PL constant", "tangent kernel", "gradient dominance")(_pl)
observed("smoothness of the activation")(_smoothness)
_enter("gradient dominance", "gradient dominance", "all")
observed("smoothness of an input's loss", "kernel entries", "residuals", "jacobian change")(
    lambda t: _first(t, "kernel entries", "largest_gradient") ** 2 + _curvature(t) * _residuals(t)[0.0]
)
observed("horizon times squared slope", "tangent kernel")(lambda t: t.run.at[-1] * _slope(t) ** 2)
observed("layer gradient over root loss", "gradients")(
    lambda t: max(v for v in _series(t, "gradients", "over_root_loss").values() if math.isfinite(v))
)
_enter_first("Newton step", "newton", "step")


@observed("second-order error", "tangent kernel", "jacobian change", "semi-smoothness")
def _second_order(trial: Trial) -> float:
    """|J|^2 + beta |e(0)| for a smooth first layer, else the largest quotient seen in the gradient's direction."""
    if _smooth_first_layer(trial):
        return _slope(trial) ** 2 + _curvature(trial) * _residuals(trial)[0.0]
    quotients = [
        2 * rest / radius**2
        for radii, remainders in zip(
            trial.run.series("semi-smoothness", "radius").values(),
            trial.run.series("semi-smoothness", "remainder").values(),
            strict=True,
        )
        for radius, rest in zip(radii, remainders, strict=True)  # type: ignore[arg-type]
    ]
    return max(quotients)


SOLVED = 1e-9
"""A solution leaves this much of the first residual at most."""


@observed("distance of a solution", "newton")
def _solution(trial: Trial) -> float:
    """The nearest that simplified Newton iterations from both ends of the run found; a nearer one is not excluded."""
    residuals = trial.run.series("newton", "residual")
    solved = [at for at, left in residuals.items() if float(left) <= SOLVED * _residuals(trial)[0.0]]  # type: ignore[arg-type]
    if not solved:
        raise ValueError("the simplified Newton iteration found no solution")
    return min(_series(trial, "newton", "from_start")[at] for at in solved)


# --- Features, weights, gradients of deep networks -------------------------------------------------------------------

_enter("feature travel", "features", "moved", max)
_enter_first("largest first feature", "features", "largest", max)
_enter_first("least first feature", "features", "least", min)
_enter_first("bound on the first features", "features", "largest", lambda layers: max(1.0, *layers))
observed("feature norm deviation", "features")(
    lambda t: max(
        *(abs(v - 1) for v in _first(t, "features", "least")), *(abs(v - 1) for v in _first(t, "features", "largest"))
    )
)
_enter("least singular value of the first features", "features", "least_singular", lambda layers: layers[0])
_enter("least singular value of the last features", "features", "least_singular", lambda layers: layers[-1])
_enter_first("first least singular value of the first features", "features", "least_singular", lambda v: v[0])
_enter_first("first least singular value of the last features", "features", "least_singular", lambda v: v[-1])
_enter("separation of features", "separation", "least", min)
_enter_first("first intermediate norm", "intermediate norms", "largest", max)
_enter("intermediate norm", "intermediate norms", "largest", max)
_enter_first("first backward norm", "backward norms", "largest", max)
observed("constant of the backward norm", "backward norms")(
    lambda t: max(_first(t, "backward norms", "largest")) / math.sqrt(t.width / t.problem.d)
)
_enter("flipped neurons", "flipped neurons", "largest", max)
_enter("gradient norm", "gradients", "norm")
_enter("gradient of an input", "gradients", "input")
_enter("gradient of a layer", "gradients", "layer")
_enter("gradient of the last layer", "gradients", "last")
_enter("largest residual of an input", "gradients", "largest_residual")
observed("first weight norm over root m", "matrices")(
    lambda t: max(_first(t, "matrices", "spectral")[1:-1]) / math.sqrt(t.width)
)
observed("output norm over root m", "matrices")(lambda t: _first(t, "matrices", "spectral")[-1] / math.sqrt(t.width))
observed("output fourth moment", "matrices")(lambda t: _first(t, "matrices", "output_fourth") / t.width**0.25)


def _scale(trial: Trial) -> float:
    """M rho / d of Allen-Zhu et al., d the number of outputs."""
    return trial.width * trial.problem.values()[q.separation].midpoint / trial.problem.d


@observed("constant of the gradient's lower bound", "gradients")
def _lower_constant(trial: Trial) -> float:
    """The largest c for which ||grad F||^2 >= c m rho F / (d n^2) and >= c m rho v^2 / (d n), v the largest misfit."""
    n, losses = trial.problem.n, _losses(trial)
    norms, misfits = _series(trial, "gradients", "norm"), _series(trial, "gradients", "largest_residual")
    quotients = [g**2 / max(losses[k] / n**2, misfits[k] ** 2 / n) for k, g in norms.items() if losses[k] > 0]
    return min(quotients) / _scale(trial)


observed("constant of the gradient's upper bound", "gradients")(
    lambda t: (
        max(v**2 for v in _series(t, "gradients", "over_root_loss").values() if math.isfinite(v))
        * t.problem.d
        / (t.width * t.problem.n)
    )
)
observed("constant of the second-order error", "tangent kernel", "jacobian change", "semi-smoothness")(
    lambda t: _second_order_of(t) * t.problem.d / (2 * t.depth**2 * t.width * t.problem.n)
)


def _second_order_of(trial: Trial) -> float:
    found = OBSERVED["second-order error"].read(trial)
    assert isinstance(found, float)
    return found


# --- Pyramids --------------------------------------------------------------------------------------------------------


def _norms(trial: Trial) -> tuple[list[float], list[float]]:
    """The largest and the least singular values of all matrices at the start."""
    return _first(trial, "matrices", "spectral"), _first(trial, "matrices", "least_singular")


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

# --- Data ------------------------------------------------------------------------------------------------------------


def _distances(trial: Trial) -> np.ndarray:
    X = trial.problem.unit_rows
    apart: np.ndarray = np.linalg.norm(X[:, None] - X[None], axis=2)
    return np.where(np.eye(len(X), dtype=bool), np.inf, apart)


observed("least distance of two inputs")(lambda t: float(_distances(t).min()))


@observed("least distance between classes")
def _between(trial: Trial) -> float:
    y = trial.problem.y
    return float(np.where(y[:, None] != y[None], _distances(trial), np.inf).min())


# --- The kernel's own descent ----------------------------------------------------------------------------------------


def _modes(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the limit's matrix (over n for mean losses), descending, and the labels' parts."""
    if trial.limit_gram is None:
        raise ValueError("no matrix of infinite width is known of these networks")
    values, vectors = np.linalg.eigh(trial.limit_gram)
    scale = trial.problem.n if trial.network.mean else 1
    return values[::-1] / scale, (vectors.T @ trial.y)[::-1]


def _of_kernel(trial: Trial) -> dict[float, float]:
    """The norm of the residual of the kernel's own descent."""
    values, parts = _modes(trial)
    return {k: float(np.linalg.norm((1 - trial.step_size * values) ** k * parts)) for k in trial.run.at}


def _half(trial: Trial) -> int:
    """How many modes the floor leaves out: the lower half."""
    return trial.problem.n // 2


observed("predicted residual")(_of_kernel)
observed("distance from the predicted curve")(
    lambda t: max(abs(e - c) for e, c in zip(_residuals(t).values(), _of_kernel(t).values(), strict=True))
)
observed("root mean square residual of the kernel's descent")(
    lambda t: {k: c / math.sqrt(t.problem.n) for k, c in _of_kernel(t).items()}
)
observed("rate of the kernel's descent")(lambda t: float(_modes(t)[0][_half(t) - 1]))
observed("eigenvalue gap")(lambda t: float(_modes(t)[0][_half(t) - 1] - _modes(t)[0][_half(t)]))
observed("floor of the kernel's descent")(
    lambda t: float(np.linalg.norm(_modes(t)[1][_half(t) :])) / math.sqrt(t.problem.n)
)


@observed("distance from the kernel's descent", "residuals")
def _from_kernel(trial: Trial) -> Seen:
    """The run's residuals stand along the limit's eigenvectors, by increasing eigenvalue."""
    assert trial.limit_gram is not None
    values, vectors = np.linalg.eigh(trial.limit_gram)
    scale = trial.problem.n if trial.network.mean else 1
    parts = vectors.T @ trial.y
    return {
        k: float(np.linalg.norm(now - (1 - trial.step_size * values / scale) ** k * parts)) / math.sqrt(trial.problem.n)
        for k, now in trial.run.series("residuals", "components").items()
    }


@observed("distance from the linear model", "residuals", "sensitivity")
def _from_linear(trial: Trial) -> float:
    """At the horizon of a flow: |r(T) - exp(-T K(0)) r(0)|."""
    squares = np.asarray(_first(trial, "sensitivity", "singular_values"))[::-1] ** 2
    first, last = (np.asarray(look(trial, "residuals", "components")) for look in (_first, _last))
    return float(np.linalg.norm(last - np.exp(-trial.run.at[-1] * squares) * first))


# --- Energies --------------------------------------------------------------------------------------------------------

DRAWS = 400
"""Of Gaussian neurons, for the mean of their energy."""


def _energies(trial: Trial) -> np.ndarray:
    import torch

    from empirical.networks.liu2021_opt import energy

    generator = torch.Generator().manual_seed(trial.sizes.seed)
    draws = torch.randn(DRAWS, trial.problem.n, trial.problem.d, generator=generator, dtype=torch.float64)
    return np.array([energy(neurons, 1.0) for neurons in draws])


@observed("mean energy")
def _mean_energy(trial: Trial) -> Estimate:
    energies = _energies(trial)
    return Estimate(float(energies.mean()), float(energies.std(ddof=1) / math.sqrt(DRAWS)))


@observed("variance of the energy")
def _energy_variance(trial: Trial) -> Estimate:
    squares = (_energies(trial) - _energies(trial).mean()) ** 2 * DRAWS / (DRAWS - 1)
    return Estimate(float(squares.mean()), float(squares.std(ddof=1) / math.sqrt(DRAWS)))


_enter("energy", "energy", "energy", lambda layers: layers[0])
_enter_first("first energy", "energy", "energy", lambda layers: layers[0])
_enter("defect of the rotation", "rotation defect", "largest")
observed("defect of a step", "rotation defect")(lambda t: _series(t, "rotation defect", "largest")[1.0])


@observed("largest step of a rotation")
def _rotation_step(trial: Trial) -> float:
    """The largest step of all parameters, and so more than |P - I| of its factor P; |A| <= |P - I| (1 + |P - I|)."""
    longest = float(np.diff(trial.run.path_lengths).max())
    return longest * (1 + longest)


# --- The residual networks of Ding et al. ----------------------------------------------------------------------------


@observed("Lipschitz constant of a branch")
def _branch_lipschitz(trial: Trial) -> float:
    """|W| <= C on the support of the start, and tanh has slope 1."""
    assert isinstance(trial.family, ding2021.ResNet)
    return trial.family.sharpness


observed("bound on a branch")(lambda t: math.sqrt(t.X.shape[1]))


@observed("distance from a larger network's loss")
def _loss_gap(trial: Trial) -> float:
    return max(abs(a - b) for a, b in zip(trial.run.losses, trial.larger.losses, strict=True))


@observed("deviation of the last state", "last states")
def _state_deviation(trial: Trial) -> float:
    """Root mean square, over the inputs, of the distance from the last state of a larger network at the start."""
    here, there = (np.asarray(run.series("last states", "state")[0.0]) for run in (trial.run, trial.larger))
    return float(np.linalg.norm(here - there)) / math.sqrt(trial.problem.n)
