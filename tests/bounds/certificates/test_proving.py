"""Certificates of whole networks: what must pass, what must never, and descent in many digits inside every claim."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from bounds import Problem
from bounds.activations.pointwise import POINTWISE
from bounds.certificates import proving
from bounds.certificates.convolution import Convolution
from bounds.certificates.lipschitz import Smoothness
from bounds.certificates.proving import Certificate, Refusal, certify, first_certified
from bounds.certificates.stack import Layer, Stack
from tests.bounds.certificates.networks import (
    data,
    draw,
    exact_gradients,
    image_stack,
    images,
    narrow_two_layer,
    shifted,
    stack,
    trained,
)

SMOOTH = sorted(set(POINTWISE) - {"relu"})


def digits_descent(
    network: Stack, weights: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray, step: float, steps: int
) -> list[tuple[mpf, mpf]]:
    """Path so far and residual norm of descent in 50 digits, for an uncentred network of one plain hidden layer."""
    hidden, output = network.layers
    assert hidden.skip_squared is None and not (hidden.bias or output.bias)
    from tests.bounds.certificates.networks import VALUE

    value, slope = VALUE[network.activation]
    s1 = mpmath.sqrt(mpf(hidden.scale_squared.numerator) / hidden.scale_squared.denominator)
    s2 = mpmath.sqrt(mpf(output.scale_squared.numerator) / output.scale_squared.denominator)
    W = [[mpf(float(v)) for v in row] for row in weights["layers.0.weight"]]
    a = [mpf(float(v)) for v in weights["layers.1.weight"][0]]
    inputs = [[mpf(float(v)) for v in row] for row in X]
    path, trace = mpf(0), []
    for _ in range(steps):
        z = [[s1 * mpmath.fdot(row, x) for row in W] for x in inputs]
        r = [
            s2 * mpmath.fsum(u * value(v) for u, v in zip(a, zi, strict=True)) - mpf(float(label))
            for zi, label in zip(z, y, strict=True)
        ]
        trace.append((path, mpmath.norm(r)))
        g = [
            [
                mpmath.fsum(ri * s1 * s2 * a[k] * slope(zi[k]) * x[j] for ri, zi, x in zip(r, z, inputs, strict=True))
                for j in range(len(W[0]))
            ]
            for k in range(len(W))
        ]
        h = [mpmath.fsum(ri * s2 * value(zi[k]) for ri, zi in zip(r, z, strict=True)) for k in range(len(a))]
        moved = sum(v * v for row in g for v in row) if hidden.trained else mpf(0)
        moved += sum(v * v for v in h) if output.trained else mpf(0)
        path += mpf(step) * mpmath.sqrt(moved)
        if hidden.trained:
            W = [[w - mpf(step) * v for w, v in zip(row, up, strict=True)] for row, up in zip(W, g, strict=True)]
        if output.trained:
            a = [u - mpf(step) * v for u, v in zip(a, h, strict=True)]
    return trace


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(POINTWISE)),
    st.booleans(),
    st.integers(0, 10**6),
    st.floats(-9, -0.5),
    st.sampled_from([0.5, 1.0, 1.7]),
)
def test_descent_in_fifty_digits_stays_inside_every_claim(
    activation: str, both: bool, seed: int, exponent: float, stretch: float
) -> None:
    """Trained weights pushed away again, so that the claims are about real motion."""
    full = stack(activation, 3, (6,))
    network = Stack(activation, (full.layers[0], Layer(6, 1, full.output.scale_squared, trained=both)))
    X, y = data(seed, 3, 3)
    weights = trained(network, seed, X, y)
    push = np.random.default_rng(seed).standard_normal(network.parameters)
    weights = shifted(network, weights, 10**exponent * push / np.linalg.norm(push))
    first = certify(weights, network, Problem(X, y))
    assert repr(first) == f"{type(first).__name__}({first})"  # and not all its weights
    if isinstance(first, Refusal):
        event("refused")
        return
    assert first.step_size is not None
    proof = certify(weights, network, Problem(X, y), step_size=stretch * first.step_size)
    event(type(proof).__name__)
    if isinstance(proof, Refusal):
        return
    assert proof.step_size is not None
    with mp.workdps(50):
        trace = digits_descent(network, weights, X, y, proof.step_size, 12)
        slack = mpf(10) ** -40
        assert trace[0][1] <= mpf(proof.point.residual.upper)
        assert max(path for path, _ in trace) <= mpf(proof.convergence.path.upper)
        shrink = 1 - mpf(proof.step_size) * mpf(proof.convergence.decay.lower)
        for (_, before), (_, after) in zip(trace, trace[1:], strict=False):
            assert after <= shrink * before + slack


@pytest.mark.parametrize("activation", sorted(POINTWISE))
@pytest.mark.parametrize("widths", [(12,), (8, 8), (6, 6, 6)])
@pytest.mark.parametrize("skips", [False, True])
def test_polished_networks_are_certified(activation: str, widths: tuple[int, ...], skips: bool) -> None:
    """Each with 6 inputs and enough parameters; the polish may get stuck from one start, not from three."""
    network = stack(activation, 4, widths, residual=skips, bias=True)
    X, y = data(1, 6, 4)
    proofs = (certify(trained(network, seed, X, y), network, Problem(X, y)) for seed in range(3))
    proof = next(filter(lambda found: isinstance(found, Certificate), proofs), None)
    assert isinstance(proof, Certificate)
    assert proof.convergence.path.upper < 1e-9
    assert proof.verdict.holds


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_polished_convolutions_are_certified(activation: str, outputs: int) -> None:
    """Of two layers, the second residual, with 4 images; and from a wide start, filters alone, without training."""
    network = image_stack(activation, (3, 3), (4, 4), channels=2, outputs=outputs, residual=True, bias=True)
    X, y = images(network, 1, 4)
    proofs = (certify(trained(network, seed, X, y), network, Problem(X, y)) for seed in range(3))
    proof = next(filter(lambda found: isinstance(found, Certificate), proofs), None)
    assert isinstance(proof, Certificate)
    assert proof.convergence.path.upper < 1e-9


def test_a_wide_convolution_is_certified_at_its_start() -> None:
    """Static: the filters alone trained, the outputs at the start subtracted; a width is enough, another is not."""
    outcomes = {}
    for filters in (8, 2**12):
        seen = Convolution(1, (8,), (5,), (1,), (2,))
        readout = Layer(8 * filters, 1, Fraction(1, 8 * filters), trained=False)
        network = Stack("tanh", (Layer(8, 8 * filters, convolution=seen), readout), centred=True)
        X, y = images(network, 0, 3)
        outcomes[filters] = certify(draw(network, 0), network, Problem(X, y / 8))
    assert isinstance(outcomes[8], Refusal)
    assert isinstance(outcomes[2**12], Certificate), str(outcomes[2**12])


@pytest.mark.parametrize("activation", SMOOTH)
def test_a_wide_network_is_certified_at_its_start(activation: str) -> None:
    """Static, no training: the condition h < 1 holds from a width on, near the one that the formula names."""
    X, y = data(0, 4, 8)
    outcomes = {}
    for width in (8, 2**14):
        network, weights = narrow_two_layer(activation, 8, width, 0)
        outcomes[width] = certify(weights, network, Problem(X, y / 4))
    assert isinstance(outcomes[8], Refusal)
    assert isinstance(outcomes[2**14], Certificate), str(outcomes[2**14])


def test_the_step_limit_is_sharp_to_a_hair() -> None:
    network = stack("tanh", 4, (12,))
    X, y = data(1, 6, 4)
    weights, problem = trained(network, 1, X, y), Problem(*data(1, 6, 4))
    proof = certify(weights, network, problem)
    assert isinstance(proof, Certificate)
    norm = proof.point.jacobian_norm.upper
    assert proof.step_size == pytest.approx(1 / norm**2, rel=1e-5)
    limit = 2 / norm**2  # even linear descent diverges beyond 2 / ||J||^2
    assert isinstance(certify(weights, network, problem, step_size=limit * 0.999), Certificate)
    refused = certify(weights, network, problem, step_size=limit * (1 + 1e-5))
    assert isinstance(refused, Refusal) and "too long" in str(refused)
    for step in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError):
            certify(weights, network, problem, step_size=step)
    flow = certify(weights, network, problem, continuous=True)
    assert isinstance(flow, Certificate) and flow.step_size is None and "flow" in str(flow)


def planted() -> dict[str, tuple[Stack, dict[str, np.ndarray], np.ndarray, np.ndarray]]:
    """Cases in which no certificate can be true."""
    network = stack("tanh", 3, (8,))
    X, y = data(4, 5, 3)
    twice = np.vstack([X, X[:1]])
    cases = {
        "contradictory duplicates": (network, trained(network, 0, X, y), twice, np.append(y, -y[0])),
    }
    few = stack("tanh", 2, (1,))
    X2, y2 = data(5, 6, 2)
    cases["fewer parameters than equations"] = (few, trained(few, 0, X2, y2), X2, y2)
    only = Stack("tanh", (Layer(3, 2), Layer(2, 1, trained=False)))
    cases["labels beyond a saturated output"] = (only, draw(only, 0), X, 100 * y)
    dead = {**draw(network, 0), "layers.0.weight": np.zeros((8, 3)), "layers.1.weight": np.zeros((1, 8))}
    cases["singular Jacobian"] = (network, dead, X, y)
    kink = stack("relu", 3, (8,))
    at_kink = trained(kink, 0, X, y)
    at_kink["layers.0.weight"] = at_kink["layers.0.weight"].copy()
    normal = np.cross(X[0], X[1])
    at_kink["layers.0.weight"][0] = np.array([X[0][1], -X[0][0], 0.0])  # orthogonal to X[0] but for one rounding
    at_kink["layers.0.weight"][1] = normal
    cases["weights on a kink"] = (kink, at_kink, X, y)
    off = trained(stack("tanh", 3, (8,)), 0, X, y)
    cases["labels swapped"] = (network, off, X, -y)
    planes = image_stack("tanh", (3,), (4,))
    cases["contradictory images"] = (planes, trained(planes, 0, X, y), twice, np.append(y, -y[0]))
    moved = image_stack("tanh", (4,), (5,), kernel=1, padding=0)
    moved = Stack("tanh", (moved.layers[0], Layer(20, 1, Fraction(1, 20), trained=False)))
    shift, answers = np.eye(4), {**draw(moved, 0), "layers.1.weight": np.ones((1, 20))}
    cases["images that a readout by sums cannot tell apart"] = (moved, answers, shift, np.array([1.0, -1.0, 1.0, -1.0]))
    several = stack("tanh", 3, (2,), outputs=4)
    cases["fewer parameters than outputs"] = (several, draw(several, 0), X, np.tile(y[:, None], 4))
    linear = Stack("relu", (Layer(3, 4), Layer(4, 1, trained=False)))
    parallel = np.vstack([X[:1], 2 * X[:1]])
    cases["contradictory parallel rows"] = (linear, draw(linear, 0), parallel, np.array([1.0, -1.0]))
    return cases


@pytest.mark.parametrize("name", planted())
def test_impossible_and_hopeless_cases_are_refused(name: str) -> None:
    network, weights, X, y = planted()[name]
    for continuous in (False, True):
        refused = certify(weights, network, Problem(X, y), continuous=continuous)
        assert isinstance(refused, Refusal)
        assert refused.verdict.undecided and "not proved" in refused.verdict.reason
        assert refused.mend and "\n" not in str(refused)


def test_weights_with_nan_are_bad_input() -> None:
    network = stack("tanh", 3, (8,))
    X, y = data(4, 5, 3)
    weights = draw(network, 0)
    weights["layers.0.weight"] = weights["layers.0.weight"].copy()
    weights["layers.0.weight"][2, 1] = np.nan
    with pytest.raises(ValueError, match=r"layers\.0\.weight\[2, 1\]"):
        certify(weights, network, Problem(X, y))


def test_a_refusal_names_the_mend() -> None:
    network = stack("tanh", 3, (8,))
    X, y = data(4, 5, 3)
    refused = certify(draw(network, 0), network, Problem(X, y))
    assert isinstance(refused, Refusal) and "polish" in refused.mend and "times what is allowed" in refused.mend
    few = Stack("tanh", (Layer(3, 1), Layer(1, 1, trained=False)))
    refused = certify(draw(few, 0), few, Problem(X, y))
    assert isinstance(refused, Refusal) and "3 trained parameters cannot fit 5 labels" in refused.mend


def test_a_certified_point_is_near_a_true_solution() -> None:
    """Newton's method in 50 digits finds an exact solution inside the claimed path."""
    network = stack("gelu", 3, (4,))
    X, y = data(7, 2, 3)
    weights = trained(network, 7, X, y)
    proof = certify(weights, network, Problem(X, y))
    assert isinstance(proof, Certificate)
    with mp.workdps(50):
        rows = [exact_gradients(network, weights, x) for x in X]
        r = mpmath.matrix([f - mpf(float(v)) for (f, _), v in zip(rows, y, strict=True)])
        K = mpmath.matrix([[mpmath.fdot(p, q) for _, q in rows] for _, p in rows])
        distance = mpmath.sqrt((r.T * mpmath.lu_solve(K, r))[0])  # of the first Newton step
        assert distance <= mpf(proof.convergence.path.upper)


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf", "softplus"])
def test_flow_on_both_layers_from_zero_output_weights(activation: str) -> None:
    """A ReLU network is certified at its start, kinks or not, at a width near the number of labels."""
    X, y = data(3, 8, 10)
    y = y / np.linalg.norm(y)
    network = Stack(activation, (Layer(10, 200), Layer(200, 1)))
    weights = draw(network, 0)
    weights["layers.1.weight"] = np.zeros((1, 200))
    found = certify(weights, network, Problem(X, y), continuous=True)
    assert isinstance(found, Certificate), str(found)
    least = np.linalg.svd(VALUES[activation](X @ weights["layers.0.weight"].T), compute_uv=False)[-1]
    slope = {"erf": 2 / np.sqrt(np.pi)}.get(activation, 1.0)
    assert found.convergence.condition.midpoint == pytest.approx(2 * slope * np.linalg.norm(X, 2) / least**2, rel=2e-3)
    w, v, path = weights["layers.0.weight"].copy(), np.zeros(200), 0.0
    for _ in range(4000):  # Euler steps so short that their path is that of the flow to 1e-3
        z = X @ w.T
        r = VALUES[activation](z) @ v - y
        slopes = SLOPES[activation](z)
        up_w, up_v = (slopes * v * r[:, None]).T @ X, VALUES[activation](z).T @ r
        path += 1e-4 * np.sqrt((up_w**2).sum() + (up_v**2).sum())
        w, v = w - 1e-4 * up_w, v - 1e-4 * up_v
    assert path <= found.convergence.path.upper * 1.001
    assert np.linalg.norm(r) <= math.exp(-0.4 * found.convergence.decay.lower) * 1.001


def erf(z: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(z)


VALUES = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "erf": erf, "softplus": lambda z: np.logaddexp(0, z)}
SLOPES = {
    "relu": lambda z: (z > 0) * 1.0,
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "erf": lambda z: 2 / np.sqrt(np.pi) * np.exp(-z * z),
    "softplus": lambda z: 1 / (1 + np.exp(-z)),
}


def test_the_first_certified_point_of_a_run() -> None:
    """Weights on the way from the start to a polished network: once certified, later points are too."""
    network = stack("tanh", 4, (12,))
    X, y = data(1, 6, 4)
    start, end = draw(network, 1), trained(network, 1, X, y)
    run = [{name: start[name] + t * (end[name] - start[name]) for name in start} for t in (0, 0.5, 0.9, 0.999999, 1)]
    index, found = first_certified(run, network, Problem(X, y))
    assert 1 <= index <= 4 and found.verdict.holds
    assert all(isinstance(certify(weights, network, Problem(X, y)), Refusal) for weights in run[:index])
    assert isinstance(first_certified(run[:1], network, Problem(X, y)), Refusal)
    with pytest.raises(ValueError, match="no checkpoint"):
        first_certified([], network, Problem(X, y))


@pytest.mark.parametrize("margin", [math.nan, -math.inf, -1.0, 0.0])
def test_a_distance_from_the_kinks_that_is_not_proved_is_none(monkeypatch: pytest.MonkeyPatch, margin: float) -> None:
    """However smooth the network is said to be."""
    network, (X, y) = stack("relu", 3, [6], bias=True), data(0, 2, 3)
    monkeypatch.setattr(proving, "smoothness", lambda *_, **__: Smoothness(0.0, margin))
    found = certify(draw(network, 0), network, Problem(X, y))
    assert isinstance(found, Refusal) and "kink" in found.verdict.reason, str(found)


def test_a_stack_says_its_widths_once_each() -> None:
    said = str(stack("relu", 5, (8, 8, 8, 4), residual=True))
    assert "hidden widths 8, 2 x 8 residual, 4, all layers trained" in said
