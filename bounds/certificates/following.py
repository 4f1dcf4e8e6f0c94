"""Certificates from the start: descent is followed until the theorem applies, and the weights stored are the first.

:func:`bounds.certificates.shadow.certify_trajectory` proves it. What is written down are enclosures at the *exact*
weights after so many steps, E away from the run: least singular value and norm of the Jacobian within L E of those at
the run, the residual within ||J|| E + L E^2 / 2. A centred network is one less its exact outputs at the weights stored.
"""

from __future__ import annotations

import math
from dataclasses import replace

import flint

from bounds import linalg
from bounds.activations.float64 import EVALUATED
from bounds.arithmetic import PRECISION, Enclosure, exact_ball
from bounds.certificates.evaluation import evaluate, norm_of, residual
from bounds.certificates.lipschitz import smoothness
from bounds.certificates.newton_kantorovich import Point, descent
from bounds.certificates.proving import SLACK, Certificate, Refusal, root
from bounds.certificates.relu_proofs import LOOSE, across_kinks, check_two_layers
from bounds.certificates.shadow import certify_trajectory
from bounds.certificates.stack import Stack, Weights
from bounds.problem import Problem

ROOM, ROUNDS = 1.01, 8
"""Balls tried, each a little larger than the path that the last one asked for."""


def certify_from_start(
    weights: Weights,
    setting: Stack,
    problem: Problem,
    *,
    step_size: float | None = None,
    most_steps: int = 25_000,
) -> Certificate | Refusal:
    """Try to prove that gradient descent from stored weights reaches zero loss, by following it.

    Args:
        weights: the tensors of the network at the start.
        setting: two layers, the first trained, no biases, f = m^(-1/2) sum_r a_r s(w_r.x) with a_r = +-1; a centred
            one begins at its own start.
        problem: the data; its inputs are taken as stored.
        step_size: taken exactly; by default 1 / ||J||^2 at the start, rounded down.
        most_steps: how long to follow.

    Raises:
        ValueError: a network that is not followed, or weights, data or a step that make no sense.
    """
    check_two_layers(weights, setting, *EVALUATED, "relu")
    found = certify_trajectory(
        problem.X,
        problem.y,
        weights["layers.0.weight"],
        weights["layers.1.weight"][0],
        activation=setting.activation,
        step_size=step_size,
        centred=setting.centred,
        most_steps=most_steps,
    )
    if not found.verdict.holds:
        return Refusal(found.verdict, "take a wider network, follow it longer, or polish")
    if found.kinks is not None:
        return across_kinks(weights, setting, problem, found, found.kinks)
    run = {**weights, "layers.0.weight": found.weights}
    point = _exact_point(setting, run, problem, found.error)
    proof = descent(point, found.step_size)
    for _ in range(ROUNDS):
        if proof.verdict.holds or not proof.path.upper < math.inf:
            break
        point = replace(point, radius=ROOM * proof.path.upper)  # the ball was too small
        proof = descent(point, found.step_size)
    if not proof.verdict.holds:
        return Refusal(proof.verdict, "follow it longer", point)
    whole = math.nextafter((found.travelled + proof.path.upper) * (1 + LOOSE), math.inf)
    return Certificate.at(point, proof, setting, weights, problem, found.step_size, (found.steps, whole))


def _exact_point(setting: Stack, run: Weights, problem: Problem, error: float) -> Point:
    """What is known at the exact weights, which lie within ``error`` of the run; a ball that should hold the rest."""
    now = evaluate(setting, run, problem.X)
    gram, radius = now.gram
    sigma = root(linalg.least_eigenvalue(gram, radius))
    norm = root(linalg.largest_eigenvalue(gram, radius))
    rho = norm_of(*residual(setting, run, now, problem.X, problem.y))
    lipschitz = smoothness(setting, now, problem.X, 1.0).lipschitz * (1 + SLACK)
    with flint.ctx.workprec(PRECISION):
        E, L = exact_ball(error), exact_ball(lipschitz)
        moved, shifted = L * E, Enclosure.of(norm.upper).ball * E + L * E**2 / 2
        sigmas = _around(sigma, Enclosure(moved))
        norms, residuals = _around(norm, Enclosure(moved)), _around(rho, Enclosure(shifted))
        rest, strength = exact_ball(residuals.upper), exact_ball(max(sigmas.lower, 2.0**-500))
        root_h = (1 - 2 * L * rest / strength**2).nonnegative_part().sqrt()
        reach = Enclosure(2 * rest / (strength * (1 + root_h)))
    return Point(sigmas, norms, residuals, Enclosure.between(0.0, lipschitz), ROOM * reach.upper)


def _around(number: Enclosure, shift: Enclosure) -> Enclosure:
    """Both ends moved outward, and relaxed a little."""
    lower = (exact_ball(number.lower) - exact_ball(shift.upper)).nonnegative_part() * (1 - exact_ball(SLACK))
    upper = (exact_ball(number.upper) + exact_ball(shift.upper)) * (1 + exact_ball(SLACK))
    return Enclosure.between(max(Enclosure(lower).lower, 0.0), Enclosure(upper).upper)
