"""The convergence theorem against descent in 60 digits, its sharp instances, and inputs that must not pass."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from mpmath import mp, mpf

from bounds.arithmetic import Enclosure, Outcome
from bounds.certificates.newton_kantorovich import Convergence, Point, descent, flow

SLACK = mpf(10) ** -40


def point(sigma, norm, residual, lipschitz, radius):
    return Point(*(Enclosure.of(float(v)) for v in (sigma, norm, residual, lipschitz)), radius)


class Separate:
    """F_i(w) = a_i w_i - b_i w_i^2 / 2: the Jacobian is diagonal, and max |b_i| is its Lipschitz constant."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.sigma, self.norm, self.lipschitz = min(map(abs, a)), max(map(abs, a)), max(map(abs, b))

    def value(self, w):
        return [a * v - b * v * v / 2 for a, b, v in zip(self.a, self.b, w, strict=True)]

    def pullback(self, w, r):
        return [(a - b * v) * u for a, b, v, u in zip(self.a, self.b, w, r, strict=True)]


class Complex:
    """F(z) = a z - b z^2 / 2 on the plane: the Jacobian is a rotation times |a - b z|, exactly b-Lipschitz."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.sigma = self.norm = abs(a)
        self.lipschitz = abs(b)

    def value(self, w):
        z = mpmath.mpc(*w)
        f = self.a * z - self.b * z * z / 2
        return [f.real, f.imag]

    def pullback(self, w, r):
        g = mpmath.conj(self.a - self.b * mpmath.mpc(*w)) * mpmath.mpc(*r)
        return [g.real, g.imag]


def norm(vector):
    return mpmath.sqrt(sum(v * v for v in vector))


def descend(system, w, y, step, steps):
    """Path length so far and residual norm, step by step."""
    path, trace = mpf(0), []
    for _ in range(steps):
        r = [f - v for f, v in zip(system.value(w), y, strict=True)]
        trace.append((path, norm(r)))
        g = system.pullback(w, r)
        w = [v - step * u for v, u in zip(w, g, strict=True)]
        path += step * norm(g)
    return trace


reals = st.floats(-1, 1).map(lambda v: round(v, 6))


@given(
    st.sampled_from(["separate", "complex"]),
    st.lists(st.floats(0.1, 2).map(lambda v: round(v, 6)), min_size=2, max_size=2),
    st.lists(reals, min_size=2, max_size=2),
    st.lists(reals, min_size=2, max_size=2),
    st.floats(0.05, 1.9),
    st.floats(0.01, 0.999),
)
def test_descent_in_sixty_digits_obeys_path_and_rate(kind, a, b, direction, stiffness, share) -> None:
    """The residual is scaled to a share of the largest that is allowed, so that most cases are close to the edge."""
    if norm(direction) == 0:
        return
    with mp.workdps(60):
        exact = [[mpf(v) for v in row] for row in (a, b)]
        system = Separate(*exact) if kind == "separate" else Complex(exact[0][0], exact[1][0])
        step = stiffness / float(system.norm) ** 2
        scale = float(system.sigma**2 / (2 * max(system.lipschitz, mpf("1e-3")))) * share * min(1, 2 - stiffness)
        y = [float(v) * scale / float(norm(direction)) for v in direction]
        rho = float(norm(y)) * (1 + 1e-12)
        radius = 2.5 * rho / float(system.sigma)
        for _ in range(20):
            proof = descent(point(system.sigma, system.norm, rho, system.lipschitz, radius), step)
            if not proof.path.upper < math.inf or proof.verdict.holds:
                break
            radius = proof.path.upper * 1.01
        event(proof.verdict.reason or "certified")
        if not proof.verdict.holds:
            return
        trace = descend(system, [mpf(0)] * 2, [mpf(v) for v in y], mpf(step), 60)
        shrink = 1 - mpf(step) * mpf(proof.decay.lower)
        assert max(path for path, _ in trace) <= mpf(proof.path.upper) * (1 + SLACK)
        for (_, before), (_, after) in zip(trace, trace[1:], strict=False):
            assert after <= shrink * before * (1 + SLACK) + SLACK


def test_most_such_cases_are_certified() -> None:
    """The property must not hold by certifying nothing: shares of the limit below one pass, with small steps."""
    for share in (0.1, 0.9, 0.999999):
        assert descent(point(1, 1.5, share / 2, 1.0, 1.2), 0.1).verdict.holds


@pytest.mark.parametrize("step", [1.0 / 16, 0.25])
def test_the_parabola_is_the_extreme_case(step: float) -> None:
    """F(w) = w - w^2 / 2 reaches every value below 1/2, along a path of exactly l, and no value above."""
    rho = 0.375  # l = 1 - sqrt(1 - 0.75) = 1/2
    proof = descent(point(1, 1, rho, 1, 0.75), step)
    assert proof.verdict.holds
    assert proof.path.contains(0.5) and proof.path.upper - proof.path.lower < 1e-15
    with mp.workdps(60):
        trace = descend(Separate([mpf(1)], [mpf(1)]), [mpf(0)], [mpf(rho)], mpf(step), 500)
        assert mpf("0.499") < trace[-1][0] < 0.5
    beyond = descent(point(1, 1, 0.5 + 1e-12, 1, 1.0), step)
    assert beyond.verdict.undecided and "h < 1" in beyond.verdict.reason


def test_the_factor_for_long_steps_is_attained() -> None:
    """Over all spectra in [s, T] the least (||r|| - ||r_+||) / (sigma D) is c: found by brute force."""
    s, T = 0.05, 1.6
    proof = descent(point(math.sqrt(s), math.sqrt(T), 1.0, 0.0, 1e3), 1.0)
    assert proof.verdict.holds
    weight = np.linspace(0, 1, 200001)[1:-1]
    shrunk = np.sqrt(weight * (1 - s) ** 2 + (1 - weight) * (1 - T) ** 2)
    length = np.sqrt(weight * s + (1 - weight) * T)
    found = ((1 - shrunk) / (math.sqrt(s) * length)).min()
    assert proof.discretisation.lower <= found
    assert found == pytest.approx(proof.discretisation.midpoint, rel=1e-8)


def test_the_factor_of_the_step_is_one_up_to_the_inverse_square_of_the_norm() -> None:
    for step in (1e-3, 1.0):
        assert descent(point(0.5, 1, 0.1, 0, 1), step).discretisation.contains(1)
    assert descent(point(0.5, 1, 0.1, 0, 1), 1.5).discretisation.upper < 1


def test_a_step_too_long_or_a_hair_above_the_limit() -> None:
    """Up to 2 / ||J||^2, beyond which even linear descent diverges."""
    fine = point(0.5, 1.0, 0.01, 0.0, 1e20)
    for step in (1.0, 1.6, 1.9, 1.999999, math.nextafter(2, 0)):
        assert descent(fine, step).verdict.holds
    for step in (2.0, math.nextafter(2, 3), 100.0):
        refused = descent(fine, step)
        assert refused.verdict.undecided and "eta" in refused.verdict.reason
    assert flow(fine).verdict.holds


@pytest.mark.parametrize("step", [0.5, 1.0, 1.25, 1.5, 1.9])
def test_orthonormal_inputs_cost_the_step_nothing_more(step: float) -> None:
    """All singular values equal: the residual shrinks by |1 - eta|, and no sigma may be used up twice."""
    proof = descent(point(1, 1, 0.5, 0, 1e6), step)
    assert proof.verdict.holds
    T = max(1.0, step)
    best = min(1.0, (2 - T) / math.sqrt(T * step))
    assert proof.discretisation.midpoint == pytest.approx(best, rel=1e-9)
    assert 1 - step * proof.decay.lower >= abs(1 - step)


@given(st.floats(1.0, 1.99), st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_more_is_never_proved_from_less(T: float, low: float, high: float) -> None:
    """A larger lower bound of the singular value never makes the proved decay worse."""
    low, high = sorted((low, high))
    slow, fast = (descent(point(v, 1, 1.0, 0.0, 1e12), T).decay for v in (low, high))
    assert fast.upper >= slow.lower * (1 - 1e-9)


def test_the_ball_must_hold_the_path_strictly() -> None:
    exact = point(1, 1, 0.5, 0, 0.5)  # l = 1/2
    refused = descent(exact, 0.5)
    assert refused.verdict.undecided and "radius" in refused.verdict.reason
    assert refused.path.contains(0.5)
    assert descent(point(1, 1, 0.5, 0, 0.5 + 1e-15), 0.5).verdict.holds


def test_the_whole_ball_counts_for_the_step() -> None:
    """L R enters the norm: a step that the norm at the centre allows is not one for the ball."""
    assert descent(point(0.5, 1, 0.001, 0.1, 0.1), 1.5).verdict.holds
    assert descent(point(0.5, 1, 0.001, 0.1, 5.0), 1.5).verdict.undecided


def test_an_offset_costs_what_the_derivation_says() -> None:
    given = point(1, 2, 0.1, 0.5, 1.0)
    moved = descent(given, 0.25, offset=0.125)
    by_hand = descent(point(1 - 0.0625, 2.0625, 0.1 + 0.25 + 0.25 * 0.125**2, 0.5, 0.875), 0.25)
    assert moved.verdict.outcome is by_hand.verdict.outcome is Outcome.HOLDS
    assert moved.path.midpoint == pytest.approx(by_hand.path.midpoint, rel=1e-14)
    assert moved.decay.midpoint == pytest.approx(by_hand.decay.midpoint, rel=1e-14)
    assert descent(given, 0.25, offset=2.0).verdict.undecided


def test_flow_is_descent_with_small_steps() -> None:
    given = point(1, 3, 0.2, 0.7, 1.0)
    assert flow(given).path.midpoint == descent(given, 1e-6).path.midpoint
    assert flow(point(1, 3, 0.8, 0.7, 9.0)).verdict.undecided


@pytest.mark.parametrize("name", ["residual", "jacobian_norm", "lipschitz", "least_singular_value"])
def test_nothing_unknown_passes(name: str) -> None:
    known = {
        "least_singular_value": Enclosure.of(1.0),
        "jacobian_norm": Enclosure.of(1.0),
        "residual": Enclosure.of(0.1),
        "lipschitz": Enclosure.of(0.1),
    }
    assert descent(Point(**known, radius=1.0), 0.5).verdict.holds
    from flint import arb

    for ball in (arb("nan"), arb("inf"), arb(0, 1e300)):
        unknown = Point(**{**known, name: Enclosure(ball)}, radius=1.0)
        if name == "least_singular_value" and ball == arb("inf"):
            continue
        assert descent(unknown, 0.5).verdict.undecided
    with pytest.raises(ValueError, match="estimate"):
        descent(Point(**{**known, name: Enclosure.of(1.0).__class__(arb(1), "guessed")}, radius=1.0), 0.5)


def test_numbers_that_make_no_sense() -> None:
    fine = point(1, 1, 0.1, 0.1, 1.0)
    for step in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError):
            descent(fine, step)
    with pytest.raises(ValueError, match="negative"):
        descent(fine, 0.5, offset=-1.0)
    assert isinstance(descent(fine, 0.5), Convergence)
