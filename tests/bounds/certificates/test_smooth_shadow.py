"""Smooth networks: the proved error covers exact descent step by step, and what cannot be is refused."""

import dataclasses
import math

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.activations.float64 import EVALUATED
from bounds.certificates import precise_head, shadowing, smooth_descent, smooth_shadow
from bounds.certificates.curvature import Curvature
from bounds.certificates.shadow import certify_trajectory
from bounds.certificates.shadowing import Shadow, State
from bounds.certificates.smooth_descent import SmoothDescent, evaluate
from bounds.linalg import spectral_norm
from tests.bounds.certificates.exact_descent import PRECISION, apart, balls, exact_descent, exact_outputs, inner, norm
from tests.bounds.certificates.trajectory_truth import draw, wrong_claim

NAMES = sorted(EVALUATED)


def problem(seed, n=3, d=2, m=3, name="tanh", step_size=0.5, size=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    b = rng.standard_normal(n)
    targets = np.stack([b, 2.0**-54 * b, size * rng.choice([-1.0, 1.0], n)])
    return SmoothDescent(X, targets, rng.choice([-1.0, 1.0], m), EVALUATED[name], step_size), rng.standard_normal(
        (m, d)
    )


def coarse(history):
    """Weights rounded to float32: any sequence may be followed, and this one makes errors that show."""
    return history.astype(np.float32).astype(np.float64)


def coarse_run(descent, start, steps):
    history = [start]
    for _ in range(steps):
        history.append(coarse(descent.run(history[-1], 1)[1]))
    return np.stack(history)


def errors(descent, history, allowance=0.0, size=16):
    """E_k at each of the weights."""
    shadow = Shadow(descent, Curvature(descent.X, descent.spectral, descent.step_size, allowance))
    found = []
    for start in range(0, len(history) - 1, size):
        found += [state[0] for state in shadow.advance(evaluate(descent, history[start : start + size + 1]))]
    return [*found, shadow.state.error]


def shares(descent, history, bounds):
    """Exact distance over proved bound, at each of the weights after the start."""
    exact = exact_descent(
        descent.X, descent.targets, history[0], descent.signs, descent.activation.activation.name.lower(),
        descent.step_size, len(history) - 1,
    )  # fmt: skip
    with flint.ctx.workprec(PRECISION):
        pairs = zip(exact, history, bounds, strict=True)
        found = [(float(apart(W, balls(v)).upper()), bound) for (W, _, _), v, bound in pairs]
    return np.array([distance / bound if bound else math.inf * distance for distance, bound in found[1:]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("allowance", [0.0, 100.0])
def test_exact_descent_stays_within_the_bound(name, allowance):
    for seed in range(3):
        descent, start = problem(seed, name=name)
        for history in (descent.run(start, 40), coarse_run(descent, start, 40)):
            found = shares(descent, history, errors(descent, history, allowance))
            assert found.max() <= 1
        assert found.max() > 0.05, "in float32 rounding the bound is of the right size"


def test_each_part_of_the_factor_is_needed(monkeypatch):
    """Negative curvature amplifies errors in one run, too long a step in the other."""
    bent, start = problem(4, n=2, d=2, m=1, step_size=1.2, size=4.0)
    slope = 1 - math.tanh(0.3) ** 2
    other, near = np.array([[0.3]]), np.array([[0.0], [0.0], [math.tanh(0.3) + 1e-4]])
    long = SmoothDescent(np.array([[1.0]]), near, np.array([1.0]), EVALUATED["tanh"], 2.5 / slope**2)
    cases = [(bent, coarse_run(bent, start, 12)), (long, coarse_run(long, other, 12))]
    for descent, history in cases:
        assert shares(descent, history, errors(descent, history)).max() <= 1
    full = Shadow._factor

    def without(part):
        def factor(self, jacobian, residual, negative, positive):
            if part == "curvature":
                return full(self, jacobian, residual, 0.0, positive)
            return full(self, 0.0, residual, negative, 0.0)

        return factor

    for part, (descent, history) in zip(("curvature", "norm"), cases, strict=True):
        monkeypatch.setattr(Shadow, "_factor", without(part))
        assert shares(descent, history, errors(descent, history)).max() > 1, part


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(NAMES), st.floats(-3, 3), st.integers(1, 4), st.integers(1, 4))
def test_windows_enclose_residual_jacobian_defect_and_curvature(seed, name, decade, n, m):
    descent, start = problem(seed, n=n, d=2, m=m, name=name, step_size=0.1, size=10.0**decade)
    history = descent.run(start * 10.0 ** (decade / 3), 2)
    window = evaluate(descent, history)
    for k in range(2):
        W, r, gradient = next(
            exact_descent(descent.X, descent.targets, history[k], descent.signs, name, descent.step_size, 0)
        )
        with flint.ctx.workprec(PRECISION):
            size = norm([r])
            computed, error = arb(float(window.residual[k])), arb(float(window.residual_error[k]))
            assert computed * (1 - 2.0**-44) - error <= size <= computed + error
            step = [
                [arb(float(b)) - arb(float(a)) + arb(descent.step_size) * g for a, b, g in zip(*rows, strict=True)]
                for rows in zip(history[k], history[k + 1], gradient, strict=True)
            ]
            assert norm(step) <= arb(float(window.defect[k]))
            moved = norm(balls(history[k + 1] - history[k]))
            assert moved <= arb(float(window.length[k])) * (1 + 2.0**-50)
        sizes = np.linalg.norm(jacobian(descent, history[k]), 2)
        assert sizes <= window.jacobian[k] * (1 + 1e-12)
        least, largest = descent.spectrum(history[k])
        values = np.linalg.svd(jacobian(descent, history[k]), compute_uv=False)
        assert least <= (values[n - 1] if len(values) >= n else 0.0) * (1 + 1e-9) + 1e-12
        assert largest >= values[0] * (1 - 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_norms_of_the_jacobian_are_sharp_where_the_step_is_long(name):
    descent, start = problem(5, n=12, d=3, m=4, name=name, step_size=0.05)
    history = descent.run(start, 40)
    cheap = evaluate(descent, history).jacobian
    sharp = evaluate(dataclasses.replace(descent, step_size=1e3), history).jacobian
    exact = np.array([np.linalg.norm(jacobian(descent, v), 2) for v in history[:-1]])
    assert (sharp >= exact * (1 - 1e-12)).all()
    assert (sharp <= exact * 1.03).all()
    assert (sharp <= cheap).all()
    assert cheap.max() > 1.1 * exact.max()


def jacobian(descent, weights):
    slope = descent.activation.jet(weights @ descent.X.T).slope
    blocks = descent.signs[:, None, None] * slope[:, :, None] * descent.X / math.sqrt(len(weights))
    return blocks.transpose(1, 0, 2).reshape(len(descent.X), -1)


def test_rounding_is_counted(monkeypatch):
    """With labels of a million the residual's own roundings are most of its error."""
    descent, start = problem(7, size=1e6 / 3)
    history = descent.run(start, 1)

    def excess():
        window = evaluate(descent, history)
        _, r, _ = next(exact_descent(descent.X, descent.targets, start, descent.signs, "tanh", 0.5, 0))
        with flint.ctx.workprec(PRECISION):
            return float(abs(norm([r]) - arb(float(window.residual[0])))) / float(window.residual_error[0])

    assert excess() <= 1
    monkeypatch.setattr(smooth_descent, "UNIT", 0.0)
    monkeypatch.setattr(smooth_descent, "inflate", lambda value, roundings: value)
    assert excess() > 1


@pytest.mark.parametrize("part", ["value_error", "slope_error"])
def test_errors_of_the_activation_are_counted(part):
    """An activation wrong by a millionth, and known to be: without its bound the shadow is left."""
    crude = EVALUATED["tanh"]

    def wrong(z):
        jet = crude.jet(z)
        return jet._replace(
            value=jet.value + (part == "value_error") * 1e-6, slope=jet.slope + (part == "slope_error") * 1e-6
        )

    descent, start = problem(3, size=3.0)
    history = descent.run(start, 30)
    honest = dataclasses.replace(crude, jet=wrong, **{part: 1.1e-6})
    followed = dataclasses.replace(descent, activation=honest)
    assert shares(descent, history, errors(followed, history)).max() <= 1
    _, r, _ = next(exact_descent(descent.X, descent.targets, start, descent.signs, "tanh", 0.5, 0))
    for activation, covered in ((honest, True), (dataclasses.replace(honest, **{part: 0.0}), False)):
        window = evaluate(dataclasses.replace(descent, activation=activation), history)
        slope, errors_of_slope = descent.activation.jet(history[0] @ descent.X.T).slope, window.slope_error[0]
        with flint.ctx.workprec(PRECISION):
            if part == "value_error":
                assert (
                    abs(norm([r]) - arb(float(window.residual[0]))) <= arb(float(window.residual_error[0]))
                ) == covered
            else:
                off = np.abs(wrong(history[0] @ descent.X.T).slope - slope).max()
                assert (off <= errors_of_slope) == covered


def reachable(seed=0, m=8, n=4, d=4, name="tanh"):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    weights, signs = rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)
    return X, rng.choice([-0.5, 0.5], n), weights, signs


@pytest.mark.parametrize("name", NAMES)
def test_claims_hold_of_exact_descent(name):
    X, y, weights, signs = reachable(name=name)
    found = certify_trajectory(X, y, weights, signs, activation=name)
    assert found.verdict.holds
    exact = exact_descent(
        X,
        np.vstack([exact_outputs(X, weights, signs, name), y]),
        weights,
        signs,
        name,
        found.step_size,
        found.steps + 40,
    )
    path, previous = arb(0), None
    with flint.ctx.workprec(PRECISION):
        for k, (W, r, gradient) in enumerate(exact):
            size = norm([r])
            if k == found.steps:
                assert apart(W, balls(found.weights)) <= arb(found.error)
                assert size <= arb(found.residual)
                assert size * (1 + 1e-6) >= arb(found.residual)
            if k > found.steps:
                assert size <= previous * (1 - arb(found.step_size) * arb(found.decay))
            previous = size
            path += arb(found.step_size) * norm(gradient)
        assert path <= arb(found.path)
    assert found.path < 3 * float(path)


def test_the_default_step_is_one_over_the_squared_norm_rounded_down():
    X, y, weights, signs = reachable()
    found = certify_trajectory(X, y, weights, signs)
    descent = SmoothDescent(X, np.vstack([exact_outputs(X, weights, signs, "tanh"), y]), signs, EVALUATED["tanh"], 1.0)
    exact = 1 / np.linalg.norm(jacobian(descent, weights), 2) ** 2
    assert found.step_size <= exact * (1 + 1e-14)
    assert found.step_size > exact * (1 - 1e-9)


def test_a_step_above_the_limit_is_refused_where_one_below_is_certified():
    """One neuron, two orthogonal inputs, labels met from the start but for 1e-4: descent needs eta ||J||^2 < 2."""
    X, weights, signs = np.diag([1.0, 0.1]), np.array([[0.3, 0.3]]), np.array([1.0])
    y = np.tanh([0.3, 0.03]) + np.array([1e-4, 1e-5])
    limit = 2 / (1 - math.tanh(0.3 + 1e-4 / (1 - math.tanh(0.3) ** 2)) ** 2) ** 2
    assert certify_trajectory(
        X, y, weights, signs, step_size=0.98 * limit, centred=False, most_steps=2000
    ).verdict.holds
    assert certify_trajectory(
        X, y, weights, signs, step_size=1.0001 * limit, centred=False, most_steps=2000
    ).verdict.undecided


@pytest.mark.parametrize("activation", NAMES)
def test_contradictory_duplicates_are_refused(activation):
    X, y, weights, signs = reachable(name=activation)
    X[1], y[1] = X[0], -y[0]
    found = certify_trajectory(X, y, weights, signs, activation=activation, most_steps=400)
    assert found.verdict.undecided
    assert not found.path < math.inf


def test_more_equations_than_parameters_and_saturated_labels_are_refused():
    X, y, weights, signs = reachable(n=5, d=2, m=2)
    assert certify_trajectory(X, y, weights, signs, most_steps=300).verdict.undecided
    X, y, weights, signs = reachable(m=4)
    beyond = y * 4.001  # |f| < sqrt(m) = 2
    assert certify_trajectory(X, beyond, weights, signs, centred=False, most_steps=2000).verdict.undecided


def test_zero_inputs_and_single_neurons_are_no_special_case():
    weights, signs = np.array([[0.5, -0.25]]), np.array([1.0])
    zero = certify_trajectory(np.zeros((2, 2)), np.array([0.1, 0.2]), weights, signs, most_steps=20)
    assert zero.verdict.undecided
    single = certify_trajectory(np.array([[0.6, 0.8]]), np.array([0.1]), weights, signs, most_steps=50)
    assert single.verdict.holds


def test_a_centred_network_is_the_plain_one_with_labels_above_its_start():
    X, y, weights, signs = reachable()
    above = y + signs @ np.tanh(weights @ X.T) / math.sqrt(8)
    centred, plain = (
        certify_trajectory(X, y, weights, signs),
        certify_trajectory(X, above, weights, signs, centred=False),
    )
    assert centred.verdict.holds and plain.verdict.holds
    assert plain.path == pytest.approx(centred.path, rel=1e-9)


@pytest.mark.parametrize("seed", [23, 170])
def test_the_way_from_the_run_to_descent_counts(seed, monkeypatch):
    """Coarse weights on a grid of 1/16: a bound of the curvature at the run alone is too small."""
    monkeypatch.setattr(shadowing, "LOST", 1e6)
    step_size, size = (0.5, 3.0) if seed == 23 else (1.0, 2.0)
    descent, start = problem(seed, n=1, d=1, m=1, step_size=step_size, size=size)
    history = [start]
    for _ in range(5):
        history.append(np.round(descent.run(history[-1], 1)[1] * 16) / 16)
    history = np.stack(history)
    assert shares(descent, history, errors(descent, history)).max() <= 1

    def at_the_run(self, jacobian, residual, negative, positive):
        eta = self.descent.step_size
        return max(1.0 + eta * negative, eta * (jacobian * jacobian + positive) - 1.0)

    monkeypatch.setattr(Shadow, "_factor", at_the_run)
    assert shares(descent, history, errors(descent, history)).max() > 1


def test_a_lost_error_says_so_and_a_retry_looks_closer(monkeypatch):
    X, y, weights, signs = reachable()
    assert certify_trajectory(X, y, weights, signs).verdict.holds
    for module in (shadowing, smooth_shadow):
        monkeypatch.setattr(module, "LOST", 1e-17)
    monkeypatch.setattr(precise_head, "MOST_VALUES", 2000)
    found = certify_trajectory(X, y, weights, signs)
    assert found.verdict.undecided
    assert "take a wider network" in found.verdict.reason
    assert "not certified" in str(found)


@pytest.mark.parametrize("step_size", [50.0, 1e6, 1e100, 1e300])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "erf", "softplus", "gelu", "relu"])
def test_a_run_that_explodes_is_refused(activation, centred, step_size):
    X, y, weights, signs = reachable(name="softplus")
    found = certify_trajectory(
        X, y, weights, signs, activation=activation, step_size=step_size, most_steps=100, centred=centred
    )
    assert found.verdict.undecided and found.verdict.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([1.0, math.nan, 1.0, 1.0])}, "y must hold finite"),
        ({"weights": np.full((8, 4), math.inf)}, "weights must hold finite"),
        ({"X": np.ones((4, 4), dtype=np.float32)}, "X must hold finite float64"),
        ({"X": np.full((4, 4), 2.0**61)}, "at most 2"),
        ({"signs": np.full(8, 0.5)}, "-1 or"),
        ({"y": np.ones(3)}, "do not fit"),
        ({"step_size": -1.0}, "positive number"),
        ({"step_size": math.nan}, "positive number"),
        ({"activation": "sine"}, "unknown activation"),
        ({"most_steps": -1}, "not negative"),
    ],
)
def test_bad_input_is_named(change, message):
    X, y, weights, signs = reachable()
    arguments = {"X": X, "y": y, "weights": weights, "signs": signs} | change
    with pytest.raises(ValueError, match=message):
        certify_trajectory(**arguments)


def test_residuals_and_inner_products_of_the_oracle():
    assert inner([arb(1), arb(2)], [arb(3), arb(4)]) == 11


def test_lengths_whose_squares_vanish_are_counted():
    """A run that stands still is as far from descent as descent moves."""
    descent, start = problem(0, n=2, d=2, m=4, step_size=1e-170)
    history = descent.run(start, 3)
    assert (history == start).all()
    assert (shares(descent, history, errors(descent, history)) <= 1).all()
    small = dataclasses.replace(descent, X=np.array([[1e-170, 0.0]]))
    assert small.longest >= 1e-170


def test_a_run_that_is_handed_over_late_still_ends():
    descent, start = problem(0, n=2, d=2, m=4, step_size=1e-3)
    shadow = smooth_shadow._shadow(descent, 0.1, State())
    assert smooth_shadow._follow(shadow, start, 5, 3).steps == 5


@pytest.mark.parametrize("name", NAMES)
def test_outputs_at_the_start_are_within_their_doubt(name):
    found = []
    for seed in range(20):
        descent, weights = problem(seed, n=4, m=1 + seed % 5, name=name)
        centred = descent.centred(weights)
        exact = exact_outputs(descent.X, weights, descent.signs, name)
        with flint.ctx.workprec(PRECISION):
            pairs = zip(centred.targets[0].tolist(), exact.T.tolist(), strict=True)
            off = norm([[arb(f) - arb(high) - arb(low) for f, (high, low) in pairs]])
            found.append(float(off.upper()) / centred.doubt)
    assert 0.01 < max(found) <= 1
    assert (centred.targets[2] == descent.targets[2]).all()


def test_the_doubt_about_the_start_counts():
    """Outputs at the start off by a millionth, and known to be: without the doubt the shadow is left."""
    descent, start = problem(3, size=3.0)
    moved = descent.targets + np.array([[1e-6], [0.0], [0.0]])
    history = dataclasses.replace(descent, targets=moved).run(start, 30)
    for doubt, covered in ((2e-6, True), (0.0, False)):
        followed = dataclasses.replace(descent, targets=moved, doubt=doubt)
        assert (shares(descent, history, errors(followed, history)).max() <= 1) == covered


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (1, 1), (5, 5)])
def test_the_norm_of_the_inputs_is_bounded_sharply(shape):
    X = np.random.default_rng(shape).standard_normal(shape)
    descent = SmoothDescent(X, np.zeros((3, len(X))), np.ones(2), EVALUATED["tanh"], 1.0)
    exact = spectral_norm(X)
    assert exact.lower <= descent.spectral <= exact.upper * (1 + 1e-12)
    zero = SmoothDescent(0.0 * X, np.zeros((3, len(X))), np.ones(2), EVALUATED["tanh"], 1.0)
    assert 0.0 <= zero.spectral < 1e-70


@pytest.mark.parametrize(("size", "step_size"), [(-300, 1e-250), (50, 1e150), (-560, 1.0), (-60, None)])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_inputs_of_any_size_are_followed_or_refused_in_words(activation, size, step_size):
    """Guesses of h, of eta ||J||^2 and of sigma^2 may leave the range of float64."""
    rng = np.random.default_rng(0)
    X, y = np.ldexp(rng.standard_normal((2, 2)), size), np.ldexp(rng.standard_normal(2), -1000)
    weights = rng.standard_normal((3, 2))
    for scale in (2.0**-600, 1.0):
        found = certify_trajectory(
            X, y, scale * weights, np.array([1.0, -1.0, 1.0]), activation=activation, step_size=step_size, most_steps=20
        )
        assert found.verdict.holds or found.verdict.reason


@pytest.mark.parametrize("calm", [-1.0, 1e9])
def test_claims_hold_of_runs_that_go_on_with_care_or_begin_again(calm, monkeypatch):
    for name, value in (("SHORT", 2), ("CALM", calm), ("LEAST_ALLOWANCE", 5.0), ("CAREFUL_ALLOWANCE", 0.1)):
        monkeypatch.setattr(smooth_shadow, name, value)
    starts = []
    follow = smooth_shadow._follow

    def counted(shadow, weights, steps, most_steps):
        starts.append(steps)
        return follow(shadow, weights, steps, most_steps)

    monkeypatch.setattr(smooth_shadow, "_follow", counted)
    certified = 0
    for seed in range(40):
        followed = draw(seed)
        starts.clear()
        if followed.activation == "relu" or not (found := followed.follow()).verdict.holds or found.steps <= 2:
            continue
        certified += 1
        assert starts[-2:] == ([0, 2] if calm > 0 else [0, 0])
        with flint.ctx.workprec(PRECISION):
            assert not wrong_claim(followed, found), seed
    assert certified >= 5
