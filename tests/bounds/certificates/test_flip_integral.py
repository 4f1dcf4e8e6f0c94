"""The integral over the flips: against its definition, flows by small steps, and what cannot converge."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.certificates.flip_integral import flip_integral


def paired(seed: int, n: int, d: int, m: int, labels: float) -> tuple[np.ndarray, ...]:
    """Unit inputs, labels, and neurons in pairs of equal weights and opposite signs, so that the output is 0."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, d))
    half = generator.standard_normal((m // 2, d))
    y = labels * generator.choice([-1.0, 1.0], n)
    return Problem(X, y).unit_rows, y, np.concatenate([half, half]), np.repeat([1.0, -1.0], m // 2)


def exact_integral(magnitudes: list[list[Fraction]], sigma: Fraction, norm: Fraction) -> float:
    """The same sum from the definition: k(u) counted between consecutive magnitudes, square roots in float."""
    points = sorted({value for column in magnitudes for value in column})
    m, total, before = len(magnitudes[0]), 0.0, Fraction(0)
    for point in points:
        count = max(sum(value <= before for value in column) for column in magnitudes)
        left = float(sigma) - float(norm) * math.sqrt(count / m)
        if left <= 0:
            break
        total += left**2 * float(point - before)
        before = point
    return total


def test_the_integral_is_the_one_of_the_definition() -> None:
    """Orthogonal inputs: H(0) is diagonal with the fractions of active neurons, and the magnitudes are |w_ri|."""
    generator = np.random.default_rng(3)
    m, X, y = 64, np.eye(3), np.array([0.01, -0.01, 0.01])
    weights, signs = generator.standard_normal((m, 3)), generator.choice([-1.0, 1.0], m)
    proof = flip_integral(X, y, weights, signs)
    sigma = math.sqrt(min((weights >= 0).mean(axis=0)))
    columns = [[Fraction(abs(value)) for value in weights[:, i].tolist()] for i in range(3)]
    expected = exact_integral(columns, Fraction(sigma), Fraction(1))
    assert proof.gained.lower <= expected * (1 + 1e-12)
    assert proof.gained.lower == pytest.approx(expected, rel=2e-8)


@pytest.mark.parametrize("seed", range(6))
def test_flows_obey_every_certified_number(seed: int) -> None:
    X, y, weights, signs = paired(seed, 4, 12, 2000, 0.05)
    proof = flip_integral(X, y, weights, signs)
    assert proof.verdict.holds, str(proof.verdict)
    assert proof.initial_residual.contains(
        float(np.linalg.norm(y))
    ) or proof.initial_residual.midpoint == pytest.approx(0.1)
    w, step, residual = weights.copy(), 0.02, float(np.linalg.norm(y))
    for k in range(2000):
        z = w @ X.T
        e = y - np.maximum(z, 0).T @ signs / math.sqrt(2000)
        assert np.linalg.norm(e) <= 1.01 * residual * math.exp(-proof.decay.lower * step * k)
        w += step / math.sqrt(2000) * signs[:, None] * (((z >= 0) * e) @ X)
    assert np.linalg.norm(w - weights, axis=1).max() <= proof.travel.upper


def test_the_least_width_is_near_the_leading_order() -> None:
    """(5, 20), |y| = 1: the least width proved, in powers of sqrt(2), is 0.7 to 2.5 times 72/pi S^3/sigma^8."""
    X, y, *_ = paired(0, 5, 20, 2, 1 / math.sqrt(5))
    problem = Problem(X, y)
    spectral, least = problem.spectral_norm.midpoint, problem.least_eigenvalue.midpoint
    leading = 72 / math.pi * spectral**6 / least**4
    assert 2e3 < leading < 1e5
    for power in range(-1, 4):
        width = 2 * int(leading * math.sqrt(2) ** power / 2)
        generator = np.random.default_rng(1)
        half = generator.standard_normal((width // 2, 20))
        proof = flip_integral(X, y, np.concatenate([half, half]), np.repeat([1.0, -1.0], width // 2))
        if proof.verdict.holds:
            break
    assert proof.verdict.holds and 0.7 < width / leading < 2.5
    asked = theorem("baseline-relu-flow").width(problem, "sharp", initial_residual=1)
    assert asked.lower > width  # the error of the counts and the share of lambda_0 kept at the start are paid for there


def test_what_cannot_converge_is_not_proved() -> None:
    """Two equal inputs with different labels; and a network too narrow for its labels."""
    X, weights = np.array([[1.0, 0.0], [1.0, 0.0]]), np.random.default_rng(0).standard_normal((50, 2))
    signs = np.repeat([1.0, -1.0], 25)
    assert flip_integral(X, np.array([1.0, -1.0]), weights, signs).verdict.undecided
    proof = flip_integral(np.eye(2), np.array([50.0, -50.0]), weights, signs)
    assert proof.verdict.undecided and not proof.travel.contains(0) and "integral" in proof.verdict.reason
    with pytest.raises(ValueError):
        flip_integral(np.eye(2), np.ones(3), weights, signs)


def test_neurons_on_a_kink_count_from_the_start() -> None:
    """Half of the neurons start exactly on the kink of the first input: sigma is lost at u = 0."""
    weights = np.tile([[0.0, 1.0], [1.0, 1.0]], (40, 1))
    proof = flip_integral(np.eye(2), np.array([1e-3, 1e-3]), weights, np.tile([1.0, -1.0], 40))
    assert proof.verdict.undecided


def test_nothing_is_proved_where_the_gram_matrix_may_be_singular() -> None:
    """Not even of zero labels, whose integral need not be positive."""
    found = flip_integral(np.eye(2), np.zeros(2), np.zeros((4, 2)), np.tile([1.0, -1.0], 2), centred=True)
    assert not found.verdict.holds
