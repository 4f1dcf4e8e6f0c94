"""ReLU networks: exact descent stays within what is proved, on kinks too, and what cannot be is refused."""

import dataclasses
import math
from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.certificates import kinks, relu_descent, relu_shadow
from bounds.certificates.relu_descent import ReluDescent
from bounds.certificates.shadow import certify_trajectory
from bounds.linalg.double_double import split, two_product, two_sum
from bounds.linalg.products import ExactFactor
from tests.bounds.certificates.exact_descent import PRECISION, apart, balls, exact_descent, exact_outputs, norm


def problem(seed, n, d, m, step_size=0.3, size=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    weights, signs = rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)
    start = exact_outputs(X, weights, signs, "relu")
    return ReluDescent(X, np.vstack([start, size * rng.standard_normal(n)]), signs, step_size), weights


def exact_step(descent, high, low):
    """Residual, and the distance of the next weights from an exact step, for weights of two parts."""
    weights = [
        [arb(float(a)) + arb(float(b)) for a, b in zip(*rows, strict=True)] for rows in zip(high, low, strict=True)
    ]
    inputs, (b, more, y) = balls(descent.X), balls(descent.targets)
    root = arb(len(weights)).sqrt()
    z = [[sum((p * q for p, q in zip(w, x, strict=True)), arb(0)) for x in inputs] for w in weights]
    r = [
        sum((arb(float(a)) * row[i] for a, row in zip(descent.signs, z, strict=True) if row[i] > 0), arb(0)) / root
        - b[i]
        - more[i]
        - y[i]
        for i in range(len(inputs))
    ]
    following = []
    for w, a, row in zip(weights, descent.signs, z, strict=True):
        pull = [sum((e * x[k] for e, x, t in zip(r, inputs, row, strict=True) if t > 0), arb(0)) for k in range(len(w))]
        following.append([p - arb(descent.step_size) * arb(float(a)) / root * g for p, g in zip(w, pull, strict=True)])
    return r, following


def two_parts(high, low):
    return [[arb(float(a)) + arb(float(b)) for a, b in zip(*rows, strict=True)] for rows in zip(high, low, strict=True)]


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.floats(-3, 6))
def test_a_step_is_within_its_bounds_of_the_exact_one(seed, n, d, m, decade):
    descent, high = problem(seed, n, d, m, size=10.0**decade)
    low = np.zeros_like(high)
    for _ in range(3):
        step = descent.step(high, low)
        with flint.ctx.workprec(PRECISION):
            r, following = exact_step(descent, high, low)
            size = norm([r])
            assert size <= arb(step.residual) + arb(step.residual_error)
            assert size >= arb(step.residual) * (1 - 2.0**-44) - arb(step.residual_error)
            off = apart(following, two_parts(step.high, step.low))
            assert off <= arb(step.defect)
            assert apart(two_parts(high, low), two_parts(step.high, step.low)) <= arb(step.length) * (1 + 2.0**-50)
        assert step.defect <= 2.0**-65 * (1 + np.abs(high).max()) * (1 + 10.0**decade)
        active = step.preactivations > 0
        blocks = descent.signs[:, None, None] * active[:, :, None] * descent.X / math.sqrt(m)
        spectrum = np.linalg.norm(blocks.transpose(1, 0, 2).reshape(n, -1), 2)
        assert spectrum <= min(step.jacobian, descent.jacobian_norm(active)) * (1 + 1e-13)
        assert descent.jacobian_norm(active) <= spectrum * (1 + 1e-6) + 1e-7
        high, low = step.high, step.low


def test_the_defect_counts_what_it_must(monkeypatch):
    descent, high = problem(3, 4, 4, 5, size=1e6)
    monkeypatch.setattr(relu_descent, "gamma", lambda roundings: 0.0)
    monkeypatch.setattr(relu_descent, "UNIT", 0.0)
    monkeypatch.setattr(relu_descent, "inflate", lambda value, roundings: value)
    monkeypatch.setattr(ExactFactor, "product", lambda self, a, b: (*honest(self, a, b)[:2], 0.0))
    step = descent.step(high, np.zeros_like(high))
    with flint.ctx.workprec(PRECISION):
        _, following = exact_step(descent, high, np.zeros_like(high))
        assert not apart(following, two_parts(step.high, step.low)) <= arb(step.defect)


honest = ExactFactor.product


def followed(descent, weights, most_steps=400):
    """Certify the descent, whose first two targets are the exact outputs at the start."""
    return certify_trajectory(
        descent.X,
        descent.targets[2],
        weights,
        descent.signs,
        activation="relu",
        step_size=descent.step_size,
        most_steps=most_steps,
    )


def claims_hold(descent, weights, found, more=40):
    """Whether exact descent has the path, the distance and the rate that are claimed of it."""
    exact = exact_descent(
        descent.X, descent.targets, weights, descent.signs, "relu", found.step_size, found.steps + more
    )
    path, previous, good = arb(0), None, True
    with flint.ctx.workprec(PRECISION):
        for k, (W, r, gradient) in enumerate(exact):
            size = norm([r])
            if k == found.steps:
                good &= bool(apart(W, balls(found.weights)) <= arb(found.error) + arb(2.0**-50) * norm(W))
                good &= bool(size <= arb(found.residual))
            if k > found.steps:
                good &= bool(size <= previous * (1 - arb(found.step_size) * arb(found.decay)))
            previous = size
            path += arb(found.step_size) * norm(gradient)
        return good and bool(path <= arb(found.path))


@pytest.mark.parametrize("seed", range(6))
def test_claims_hold_of_exact_descent(seed):
    descent, weights = problem(seed, 3, 4, 24)
    found = followed(descent, weights)
    assert found.verdict.holds
    assert claims_hold(descent, weights, found)


def on_kinks(seed, m=8):
    """Neurons exactly on kinks of two of the inputs, labels nearly met: the theorem must bear crossings."""
    rng = np.random.default_rng(seed)
    X = np.eye(3)[: 2 + seed % 2]
    X[-1] = [0.6, 0.0, 0.8] if seed % 3 else X[-1]
    weights, signs = np.round(rng.standard_normal((m, 3)), 3), rng.choice([-1.0, 1.0], m)
    weights[0, 0] = 0.0
    weights[1, 1] = 10.0 ** rng.uniform(-12, -6) * rng.choice([-1.0, 0.0, 1.0])
    start = exact_outputs(X, weights, signs, "relu")
    y = 10.0 ** rng.uniform(-6, -1) * rng.standard_normal(len(X))
    return ReluDescent(X, np.vstack([start, y]), signs, 10.0 ** rng.uniform(-0.5, 0.3)), weights


def test_claims_hold_on_kinks_and_the_crossings_matter(monkeypatch):
    cases = [on_kinks(seed) for seed in range(60)]
    certified = 0
    for descent, weights in cases:
        found = followed(descent, weights, 60)
        if found.verdict.holds:
            certified += 1
            assert claims_hold(descent, weights, found, 60)
    assert certified >= 10

    def blind(descent, active, paired):
        return full(descent, active, np.zeros_like(active))

    full = kinks._family
    monkeypatch.setattr(kinks, "_family", blind)
    blinded = [(case, followed(*case, 60)) for case in cases]
    assert not all(claims_hold(*case, found, 60) for case, found in blinded if found.verdict.holds)


def test_families_hold_for_every_pattern():
    """sigma, tau and the norm, for random patterns of a random set."""
    rng = np.random.default_rng(0)
    for seed in range(30):
        descent, weights = problem(seed, 5, 6, 40)
        active = weights @ descent.X.T > 0
        paired = rng.random(active.shape) < rng.choice([0.01, 0.05, 0.1])
        family = kinks._family(descent, active, paired)
        counts = paired.sum(axis=0)
        gram = descent.X @ descent.X.T
        for _ in range(20):
            slopes = np.where(paired, rng.choice([0.0, 1.0, rng.random()], active.shape), active)
            K = slopes.T @ slopes * gram / 40
            rows = [slopes[r] * gram[i] * math.sqrt(counts[i]) / 40 for r, i in np.argwhere(paired)]
            values = np.linalg.eigvalsh(K)
            assert values[0] >= family.sigma**2 * (1 - 1e-12) - 1e-15
            assert values[-1] <= family.norm**2 * (1 + 1e-12)
            if family.tau < math.inf and rows:
                crossing = descent.X  # any step: |q| <= tau |step| for |t| <= |x.(w_+ - w)|
                r = rng.standard_normal(5)
                pull = (slopes * r) @ crossing
                q = [np.sum(np.abs(pull[paired[:, i]] @ descent.X[i])) / math.sqrt(40) for i in range(5)]
                assert np.linalg.norm(q) <= family.tau * np.linalg.norm(pull) * (1 + 1e-12)
                Q = np.array(rows).T @ np.array(rows)
                assert np.linalg.eigvalsh(family.tau**2 * K - Q)[0] >= -1e-12 or family.tau < 1e-6


def test_contradictory_duplicates_and_too_few_parameters_are_refused():
    descent, weights = problem(0, 4, 4, 24)
    descent.X[1], descent.targets[:2, 1] = descent.X[0], descent.targets[:2, 0]
    descent.targets[2, 1] = -descent.targets[2, 0]
    assert followed(descent, weights, 300).verdict.undecided
    descent, weights = problem(0, 5, 2, 2)
    assert followed(descent, weights, 300).verdict.undecided


def test_a_step_above_the_limit_is_refused_where_one_below_is_certified():
    """Two orthogonal inputs and one neuron, active on both: descent is linear and needs eta ||J||^2 < 2."""
    X, weights, signs = np.diag([1.0, 0.1]), np.array([[1.0, 1.0]]), np.array([1.0])
    y = np.array([1.0, 0.1]) + np.array([1e-3, 1e-4])

    def at(step_size):
        return certify_trajectory(
            X, y, weights, signs, activation="relu", step_size=step_size, centred=False, most_steps=500
        )

    assert at(1.95).verdict.holds
    assert at(2.0002).verdict.undecided


def test_dead_networks_and_lost_runs_say_so(monkeypatch):
    descent, weights = problem(0, 4, 4, 24)
    X, y = np.abs(descent.X), descent.targets[2]
    with pytest.raises(ValueError, match="inactive"):
        certify_trajectory(X, y, -np.abs(weights), descent.signs, activation="relu")
    step = relu_shadow.ReluDescent.step

    def coarse(self, high, low):
        found = step(self, high, low)
        return type(found)(**{**vars(found), "defect": 1.0})

    monkeypatch.setattr(relu_shadow.ReluDescent, "step", coarse)
    found = followed(descent, weights)
    assert found.verdict.undecided
    assert "nearer to a kink" in found.verdict.reason
    assert found.steps <= 3


@given(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100))
def test_sums_and_products_are_without_error(a, b):
    for found, exact in ((two_sum, Fraction(a) + Fraction(b)), (two_product, Fraction(a) * Fraction(b))):
        if found is two_product and a and b and abs(a * b) < 1e-250:
            continue
        p, e = found(np.array([a]), np.array([b]))
        assert Fraction(float(p[0])) + Fraction(float(e[0])) == exact
        assert float(p[0]) == (a + b if found is two_sum else a * b)


def test_two_parts_of_a_real_number():
    with flint.ctx.workprec(300):
        high, low = split(arb.pi())
        assert abs(arb.pi() - arb(high) - arb(low)) < arb(2) ** -102


def test_exact_factors_split_what_they_round():
    rng = np.random.default_rng(2)
    x, a, b = rng.standard_normal((20, 5)), rng.standard_normal((7, 20)), rng.standard_normal((7, 20)) * 1e-17
    leading, rest, error = ExactFactor(x).product(a, b)
    for i in range(7):
        for j in range(5):
            exact = sum((Fraction(p) + Fraction(s)) * Fraction(q) for p, s, q in zip(a[i], b[i], x[:, j], strict=True))
            off = abs(Fraction(float(leading[i, j])) + Fraction(float(rest[i, j])) - exact)
            assert off <= Fraction(error)
    assert error < 2e-19


@pytest.mark.parametrize("step_size", [1e-150, 1e-170, 1e-250])
def test_tiny_steps_do_not_hide_the_residual(step_size):
    """eta c r is what the run computes with, and its squares vanish."""
    descent, weights = problem(0, 3, 4, 64, step_size)
    y, signs = descent.targets[2], descent.signs
    found = certify_trajectory(descent.X, y, weights, signs, activation="relu", step_size=step_size, most_steps=2)
    assert found.residual >= np.linalg.norm(y) * (1 - 1e-9)
    assert not found.verdict.holds


def test_errors_of_tiny_networks_do_not_vanish():
    """f is homogeneous: weights and labels, made so small, have residuals whose errors are as small, and no smaller."""
    descent, weights = problem(0, 3, 4, 16)
    scale = 2.0**-470
    small = dataclasses.replace(descent, targets=descent.targets * scale)
    plain, tiny = descent.step(weights, 0 * weights), small.step(weights * scale, 0 * weights)
    assert tiny.residual_error >= plain.residual_error * scale * 0.5
    assert tiny.residual >= plain.residual * scale * 0.5
    assert tiny.length >= plain.length * scale * 0.5


def test_inputs_whose_squares_vanish_have_a_length():
    descent, _ = problem(0, 1, 1, 1)
    assert dataclasses.replace(descent, X=np.array([[1e-170]])).longest >= 1e-170


def test_where_the_pattern_is_lost_the_residual_is_bounded_for_all_patterns(monkeypatch):
    """Neurons that are off in the run may be on in descent."""
    step, unsure = ReluDescent.step, 0.0

    def near(self, high, low):
        found = step(self, high, low)
        off = np.full_like(found.preactivations, -1e-9)
        nothing = {"residual": 0.0, "residual_error": 0.0, "jacobian": 0.0}
        return dataclasses.replace(found, preactivations=off, preactivation_error=unsure, defect=1e-3, **nothing)

    monkeypatch.setattr(ReluDescent, "step", near)
    descent, weights = problem(0, 2, 3, 8)
    given = descent.X, descent.targets, weights, descent.signs, 0.3, 5
    found = relu_shadow.follow(*given)
    assert found.steps == 1
    assert found.residual >= 1e-3 * np.linalg.norm(descent.X, 2)
    unsure = 1e-3
    found = relu_shadow.follow(*given)
    assert found.steps == 0
    assert found.residual >= np.sqrt(2 / 8) * 8 * 1e-3


def test_steps_beyond_all_reason_are_refused():
    descent, weights = problem(0, 2, 2, 4)
    given = descent.X, descent.targets[2], weights, descent.signs
    with pytest.raises(ValueError, match="give a positive number"):
        certify_trajectory(*given, activation="relu", step_size=5e-324)
    for step_size in (1e280, 1e300, 1.7e308):
        found = certify_trajectory(*given, activation="relu", step_size=step_size)
        assert not found.verdict.holds and found.residual == math.inf
