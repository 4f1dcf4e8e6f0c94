"""Certify that training from stored weights reaches exactly zero loss, or say which inequality is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import flint
import numpy as np

from bounds import linalg
from bounds.arithmetic import PRECISION, Enclosure, Outcome, Verdict, compare, decimal
from bounds.certificates.evaluation import Evaluation, evaluate, norm_of, residual
from bounds.certificates.families import as_stack
from bounds.certificates.lipschitz import smoothness
from bounds.certificates.newton_kantorovich import Convergence, Point, descent, flow
from bounds.certificates.stack import Floats, Stack, Weights, check_tensor
from bounds.problem import Problem
from bounds.settings import Setting

ROUNDS = 12
"""Balls tried, each a little larger than the path that the last one asked for."""

ROOM = 1.02
SLACK = 2.0**-20
"""Stated bounds are relaxed by this, so that a checker that rounds in other places reaches them."""

LIPSCHITZ_SLACK = 2.0**-10
"""The same for the Lipschitz constant, a product of many norms that a checker bounds in its own way."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """A proved statement: from these weights, on these data, with this step, the path converges to zero loss.

    Args:
        stack, weights, X, y: the network, its tensors and the data, as stored.
        step_size: of gradient descent on 1/2 ||F - y||^2, exactly this number; None for gradient flow.
        argument: the theorem, by the name that certificates give it.
        verdict: holds.
        path: an upper bound of the length of the whole path.
        decay: a lower bound: the residual shrinks by 1 - eta decay or more in a step, or decays like exp(-decay t).
        witnesses: what a checker cannot guess, as the certificate stores it.
        numbers: what was proved on the way, relaxed a little.
        steps: how many descent was followed for; numbers and decay are about the weights after them. None where it was
            not followed.
        point, convergence: what :mod:`bounds.certificates.newton_kantorovich` is applied to, and what it proves; None
            where another theorem is used.
    """

    stack: Stack
    weights: Weights
    X: Floats
    y: Floats
    step_size: float | None
    argument: str
    verdict: Verdict
    path: float
    decay: float
    witnesses: Mapping[str, str | int]
    numbers: Mapping[str, Enclosure]
    steps: int | None = None
    point: Point | None = None
    convergence: Convergence | None = None

    @classmethod
    def at(
        cls,
        point: Point,
        convergence: Convergence,
        stack: Stack,
        weights: Weights,
        problem: Problem,
        step_size: float | None,
        followed: tuple[int, float] | None = None,
    ) -> Certificate:
        """What the theorem proves at the weights, or else after so many steps of a path that is so long in all."""
        radius, names = float(point.radius).hex(), ("least_singular_value", "jacobian_norm", "residual", "lipschitz")
        steps, path = followed or (None, convergence.path.upper)
        return cls(
            stack,
            weights,
            problem.X,
            problem.y,
            step_size,
            argument="newton-kantorovich" if steps is None else "trajectory",
            verdict=convergence.verdict,
            path=path,
            decay=convergence.decay.lower,
            witnesses={"radius": radius} if steps is None else {"radius": radius, "steps": steps},
            numbers={name: getattr(point, name) for name in names},
            steps=steps,
            point=point,
            convergence=convergence,
        )

    @property
    def crosses_kinks(self) -> bool:
        """Whether neurons may cross kinks of a ReLU on the path."""
        return self.argument in ("relu-trajectory", "flip-count", "flip-integral")

    @property
    def when(self) -> str:
        """From when on the rate holds, in words."""
        return "in every step" if self.steps is None else f"in every step from step {self.steps} on"

    def __repr__(self) -> str:
        return f"Certificate({self})"

    def __str__(self) -> str:
        rate = f"the residual decays like exp(-{self.decay:.6g} t)"
        if self.step_size is not None:
            rate = f"{self.when} the residual shrinks by 1 - {self.step_size * self.decay:.6g} or more"
        return (
            f"certified: {dynamics(self.step_size)} from these weights reaches exactly zero loss along a path no "
            f"longer than {self.path:.6g}; {rate}"
        )


@dataclass(frozen=True, eq=False)
class Refusal:
    """Why there is no certificate.

    Args:
        verdict: undecided, with the missing inequality and its two sides.
        mend: what would help.
        point: what was proved before, where it came so far.
    """

    verdict: Verdict
    mend: str
    point: Point | None = None

    def __repr__(self) -> str:
        return f"Refusal({self})"

    def __str__(self) -> str:
        sides = ""
        if self.verdict.left is not None and self.verdict.right is not None:
            sides = f" ({decimal(self.verdict.left)} against {decimal(self.verdict.right)})"
        return f"not certified: {self.verdict.reason}{sides}; {self.mend}"


def certify(
    weights: Weights, setting: Setting, problem: Problem, *, step_size: float | None = None, continuous: bool = False
) -> Certificate | Refusal:
    """Try to prove that gradient descent on 1/2 sum_i ||F(x_i) - y_i||^2 from stored weights reaches zero loss.

    Args:
        weights: the tensors of the network, float64, taken as stored.
        setting: the network: a :class:`~bounds.certificates.stack.Stack`, or a setting of
            :func:`~bounds.certificates.families.as_stack` with tensors as it names them.
        problem: the data; its inputs are taken as stored, not normalised; y is (n, C) where the network has C outputs.
        step_size: taken exactly; by default 1 / ||J||^2 at these weights, rounded down.
        continuous: gradient flow instead of descent.

    Raises:
        ValueError: weights or data that do not fit or are not finite, or a step that is not positive.
    """
    if not isinstance(setting, Stack):
        setting, weights = as_stack(setting, weights)
    X, y = problem.X, problem.y
    count = setting.output.outputs
    check_tensor("y", y, (problem.n,) if count == 1 else (problem.n, count))
    now = evaluate(setting, weights, X)
    least, largest = _spectrum(now)
    positive = compare(least, ">", 0)
    if not positive.holds:
        return Refusal(_missing(positive, "least eigenvalue of J J^T > 0"), _singular(setting, X, y))
    norm = root(largest)
    if not continuous and step_size is None:
        step_size = round_down_step(norm)
    rho = norm_of(*residual(setting, weights, now, X, y))
    step = None if continuous or step_size is None else float(step_size)
    return _search(setting, weights, problem, now, root(least), norm, rho, step)


def first_certified(
    checkpoints: Iterable[Weights],
    setting: Setting,
    problem: Problem,
    *,
    step_size: float | None = None,
    continuous: bool = False,
) -> tuple[int, Certificate] | Refusal:
    """The first point of a training run, by any optimiser, from which descent is proved to converge.

    Args:
        checkpoints: weights in the order of the run, at least one.
        setting: the network.
        problem: the data.
        step_size: of the descent that is certified, as for :func:`certify`.
        continuous: gradient flow instead.

    Returns:
        The index of the checkpoint and its certificate, or the last refusal.

    Raises:
        ValueError: there is no checkpoint; or as :func:`certify`.
    """
    last: Refusal | None = None
    for index, weights in enumerate(checkpoints):
        found = certify(weights, setting, problem, step_size=step_size, continuous=continuous)
        if isinstance(found, Certificate):
            return index, found
        last = found
    if last is None:
        raise ValueError("there is no checkpoint: give the weights of at least one point of the run")
    return last


def round_down_step(norm: Enclosure) -> float:
    """The largest float64 known not to exceed 1 / ||J||^2."""
    with flint.ctx.workprec(PRECISION):
        return Enclosure(1 / Enclosure.of(norm.upper).ball ** 2).lower


def _search(
    stack: Stack,
    weights: Weights,
    problem: Problem,
    now: Evaluation,
    sigma: Enclosure,
    norm: Enclosure,
    rho: Enclosure,
    step_size: float | None,
) -> Certificate | Refusal:
    """Enlarge the ball until it holds the path that it proves, or the argument breaks down."""
    radius = ROOM * (rho.upper * (1 + SLACK) / sigma.lower) + 2.0**-400
    for _ in range(ROUNDS):
        with np.errstate(over="ignore", invalid="ignore"):
            ball = smoothness(stack, now, problem.X, radius, from_zero=step_size is None and stack.from_zero(weights))
        point = Point(
            Enclosure.between(sigma.lower * (1 - SLACK), sigma.upper * (1 + SLACK)),
            Enclosure.between(norm.lower * (1 - SLACK), norm.upper * (1 + SLACK)),
            Enclosure.between(max(rho.lower * (1 - SLACK), 0.0), rho.upper * (1 + SLACK)),
            Enclosure.between(
                0.0, ball.lipschitz * (1 + LIPSCHITZ_SLACK) if math.isfinite(ball.lipschitz) else math.inf
            ),
            radius,
        )
        clear = None if ball.margin == math.inf else compare(Enclosure(flint.arb(ball.margin)), ">", 0)
        if clear is not None and not clear.holds:
            return Refusal(_missing(clear, "distance of all pre-activations from the kink > 0"), _KINK, point)
        proof = flow(point) if step_size is None else descent(point, step_size)
        if proof.verdict.holds:
            return Certificate.at(point, proof, stack, weights, problem, step_size)
        if not radius < proof.path.upper < math.inf:
            break
        radius = ROOM * proof.path.upper
    continuous = flow(point)
    if not continuous.verdict.holds and proof.verdict.reason.startswith("eta"):
        proof = continuous  # a shorter step would not help
    return Refusal(proof.verdict, _mend(proof, point, step_size), point)


def _spectrum(now: Evaluation) -> tuple[Enclosure, Enclosure]:
    """The least and the largest eigenvalue of J J^T."""
    gram, radius = now.gram
    return linalg.least_eigenvalue(gram, radius), linalg.largest_eigenvalue(gram, radius)


def _mend(proof: Convergence, point: Point, step_size: float | None) -> str:
    reason = proof.verdict.reason
    if reason.startswith("eta"):
        largest = 2 / (point.jacobian_norm.upper + point.lipschitz.upper * float(point.radius)) ** 2
        return f"the step {step_size:.6g} is too long: one below {largest:.3g} would pass this test"
    if reason.startswith("h <") and proof.condition.upper < math.inf:
        return (
            f"the residual {point.residual.upper:.3g} is {proof.condition.upper:.3g} times what is allowed here: "
            "train longer or polish, or take a wider network"
        )
    return "the ball that is needed is too large for the bounds on it: train longer or polish, or take a wider network"


_KINK = "a ReLU may switch on the path: polish, which leaves the kinks, or train longer"


def _singular(stack: Stack, X: Floats, y: Floats) -> str:
    if stack.parameters < y.size:
        return f"{stack.parameters} trained parameters cannot fit {y.size} labels: take a wider network"
    if len(np.unique(X, axis=0)) < len(X):
        return "two inputs are equal: no network gives them different labels; remove one"
    return "the Jacobian is singular here to the accuracy of float64: take a wider network, or other weights"


def _missing(verdict: Verdict, what: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, verdict.left, verdict.relation, verdict.right, f"{what} not proved")


def root(squared: Enclosure) -> Enclosure:
    """The root of a nonnegative number."""
    with flint.ctx.workprec(PRECISION):
        upper = Enclosure(Enclosure.of(squared.upper).ball.sqrt()).upper
        lower = Enclosure(Enclosure.of(max(squared.lower, 0.0)).ball.sqrt()).lower
    return Enclosure.between(lower, upper)


def dynamics(step_size: float | None) -> str:
    """Which way of training, in words."""
    return "gradient flow" if step_size is None else f"gradient descent with step {step_size!r}"
