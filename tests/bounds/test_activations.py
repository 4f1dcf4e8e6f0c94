"""Expectations against mpmath: two-dimensional quadrature, polar coordinates, and identities between them."""

from fractions import Fraction
from functools import cache

import flint
import mpmath
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf

from bounds.activations import (
    ABSOLUTE_VALUE,
    COS,
    ERF,
    EXPONENTIAL,
    GELU,
    RELU,
    SIGMOID,
    SILU,
    SIN,
    SOFTPLUS,
    STEP,
    TANH,
    from_derivative_bounds,
    hermite,
    leaky_relu,
    mehler,
    polynomial,
)
from bounds.arithmetic import Enclosure

DIGITS = 22
CUBIC = polynomial([1, -2, 0, Fraction(1, 3)])


def sigmoid(z):
    return 1 / (1 + mpmath.exp(-z))


def sigmoid_slope(z):
    return sigmoid(z) * sigmoid(-z)


def silu_slope(z):
    return sigmoid(z) + z * sigmoid_slope(z)


def silu_bend(z):
    return sigmoid_slope(z) * (2 + z * (1 - 2 * sigmoid(z)))


SMOOTH = {  # the activation and its derivatives as the textbooks write them
    ERF: (mpmath.erf, lambda z: 2 * mpmath.exp(-(z**2)) / mpmath.sqrt(mpmath.pi)),
    GELU: (lambda z: z * mpmath.ncdf(z), lambda z: mpmath.ncdf(z) + z * mpmath.npdf(z)),
    SIN: (mpmath.sin, mpmath.cos),
    COS: (mpmath.cos, lambda z: -mpmath.sin(z)),
    EXPONENTIAL: (mpmath.exp, mpmath.exp),
    CUBIC: (lambda z: 1 - 2 * z + z**3 / 3, lambda z: -2 + z**2),
    hermite(4): (lambda z: (z**4 - 6 * z**2 + 3) / mpmath.sqrt(24), lambda z: (4 * z**3 - 12 * z) / mpmath.sqrt(24)),
    SOFTPLUS: (lambda z: mpmath.log(1 + mpmath.exp(z)), sigmoid),
    TANH: (mpmath.tanh, lambda z: mpmath.sech(z) ** 2),
    SIGMOID: (sigmoid, sigmoid_slope),
    SILU: (lambda z: z * sigmoid(z), silu_slope),
}
BENT = {
    RELU: (lambda z: max(z, mpf(0)), lambda z: mpf(z > 0)),
    ABSOLUTE_VALUE: (abs, mpmath.sign),
    leaky_relu(0.25): (lambda z: z if z > 0 else z / 4, lambda z: mpf(1) if z > 0 else mpf(0.25)),
}
COVARIANCES = [(1.0, 0.75, 0.375), (0.5, 0.5, -0.4375)]
by_name = pytest.mark.parametrize("activation", SMOOTH, ids=str)


@cache
def grid(nodes):
    """The trapezoidal rule in the plane, with ``nodes`` to the unit: what matters at 22 digits."""
    with mpmath.workdps(40):
        reach = 12 * nodes
        line = [(mpf(j) / nodes, mpmath.npdf(mpf(j) / nodes) / nodes) for j in range(-reach, reach + 1)]
        return [(x, y, a * b) for x, a in line for y, b in line if x * x + y * y < 144]


def quadrature(g, p, q, c, nodes):
    """E[g(u) g(v)] for u = sqrt(p) x, v = (c x + sqrt(p q - c^2) y) / sqrt(p)."""
    deviation, rest = mpmath.sqrt(p), mpmath.sqrt(q - mpf(c) ** 2 / p)
    slope, known = c / deviation, {}
    total = mpf(0)
    for x, y, weight in grid(nodes):
        if x not in known:
            known[x] = g(deviation * x)
        total += weight * known[x] * g(slope * x + rest * y)
    return total


def polar(g, p, q, c, degree):
    """E[g(u) g(v)] for g positively homogeneous of degree 0 or 1: R^2 has mean 2, the angle is uniform."""
    angle = mpmath.acos(mpf(c) / mpmath.sqrt(mpf(p) * q))
    kinks = sorted({mpmath.mpf(0), 2 * mpmath.pi, *(a % (2 * mpmath.pi) for k in (1, 3) for a in _kinks(angle, k))})
    integral = mpmath.quad(lambda t: g(mpmath.cos(t)) * g(mpmath.cos(t - angle)), kinks) / (2 * mpmath.pi)
    return integral * (2 * mpmath.sqrt(mpf(p) * q) if degree else 1)


def _kinks(angle, k):
    return (k * mpmath.pi / 2, k * mpmath.pi / 2 + angle)


def contains(enclosure, truth, digits=DIGITS):
    """Whether the truth, known to some digits, is within the ball."""
    with flint.ctx.workprec(300):
        ball = arb(mpmath.nstr(truth, 45)) + arb(0, arb(10) ** -digits)
    return bool(enclosure.ball.overlaps(ball))


def width(enclosure):
    return float(enclosure.ball.rad())


@by_name
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_products_against_quadrature_in_the_plane(activation, covariance):
    value, derivative = SMOOTH[activation]
    nodes = 6 if activation in (SOFTPLUS, TANH, SIGMOID, SILU) else 4  # poles slow the rule down
    with mpmath.workdps(30):
        for found, g in ((activation.product, value), (activation.derivative_product, derivative)):
            enclosure = found(*covariance)
            assert contains(enclosure, quadrature(g, *covariance, nodes))
            assert width(enclosure) < 1e-22


def line_integral(f):
    return mpmath.quad(lambda z: f(z) * mpmath.npdf(z), mpmath.linspace(-15, 15, 11))


@by_name
@pytest.mark.parametrize("variance", [0.25, 2.0])
def test_means_and_squares_against_quadrature_on_the_line(activation, variance):
    value, derivative = SMOOTH[activation]
    with mpmath.workdps(30):
        deviation = mpmath.sqrt(variance)
        assert contains(activation.mean(variance), line_integral(lambda z: value(deviation * z)))
        for found, g in ((activation.value, value), (activation.slope, derivative)):
            with flint.ctx.workprec(192):
                square = Enclosure(found.at(arb(variance)).square)
            assert contains(square, line_integral(lambda z, g=g: g(deviation * z) ** 2))
            assert width(square) < 1e-22


@pytest.mark.parametrize("activation", BENT, ids=str)
@pytest.mark.parametrize("covariance", [*COVARIANCES, (4.0, 1e-6, 1.5e-3), (1.0, 1.0, 1 - 2**-40), (1.0, 1.0, -1.0)])
def test_piecewise_linear_products_in_polar_coordinates(activation, covariance):
    value, derivative = BENT[activation]
    with mpmath.workdps(40):
        assert contains(activation.product(*covariance), polar(value, *covariance, 1))
        assert contains(activation.derivative_product(*covariance), polar(derivative, *covariance, 0))


def test_the_step_is_the_slope_of_the_relu_and_has_none_itself():
    for covariance in COVARIANCES:
        step, slope = STEP.product(*covariance), RELU.derivative_product(*covariance)
        assert (step.lower, step.upper) == (slope.lower, slope.upper)
    with pytest.raises(ValueError, match="constant almost everywhere"):
        STEP.derivative_product(1, 1, 0)


@pytest.mark.parametrize(
    ("found", "digits"),
    [
        (SOFTPLUS.product(1, 1, 1), "0.92124590885930027868"),
        (SOFTPLUS.derivative_product(1, 1, 1), "0.29337903585809296"),
        (TANH.product(1, 1, 1), "0.39429449039784117"),
        (TANH.derivative_product(1, 1, 1), "0.46440290242"),
        (SOFTPLUS.mean(1), "0.8060591833474395"),
        (ERF.product(1, 1, Fraction(3, 5)), "0.261979760869"),
        (ERF.derivative_product(1, 1, Fraction(3, 5)), "0.463072745362"),
    ],
)
def test_moments_found_elsewhere(found, digits):
    with mpmath.workdps(30):
        assert contains(found, mpf(digits), digits=len(digits) - 3)


covariances = st.tuples(st.floats(0.01, 4), st.floats(0.01, 4), st.floats(-0.99, 0.99)).map(
    lambda t: (t[0], t[1], t[2] * (t[0] * t[1]) ** 0.5)
)
everything = st.sampled_from([*SMOOTH, *BENT])


@settings(max_examples=60, deadline=None)
@given(everything, covariances)
def test_products_are_symmetric_positive_and_factor_without_correlation(activation, covariance):
    p, q, c = covariance
    product = activation.product(p, q, c)
    assert product.ball.overlaps(activation.product(q, p, c).ball)
    first, second = activation.product(p, p, p), activation.product(q, q, q)
    assert not product.ball**2 > first.ball * second.ball
    independent = activation.product(p, q, 0).ball
    with flint.ctx.workprec(192):
        assert independent.overlaps(activation.mean(p).ball * activation.mean(q).ball)


@settings(max_examples=25, deadline=None)
@given(everything, covariances)
def test_price_theorem_links_value_and_derivative(activation, covariance):
    """d/dc E[s(u) s(v)] = E[s'(u) s'(v)], by a central difference."""
    p, q, c = covariance
    step = 2.0**-20
    with flint.ctx.workprec(192):
        difference = (activation.product(p, q, c + step).ball - activation.product(p, q, c - step).ball) / (2 * step)
    slope = activation.derivative_product(p, q, c).ball
    assert abs(float(difference.mid()) - float(slope.mid())) <= 1e-6 * max(1.0, abs(float(slope.mid())))


@settings(max_examples=60, deadline=None)
@given(everything, covariances, st.tuples(*[st.floats(0, 1)] * 3), st.sampled_from([2.0**-40, 1e-3]))
def test_balls_contain_the_values_at_all_their_points(activation, covariance, shares, spread):
    """Wide inputs, as they come from the layers below; the point tested is inside all three."""
    wide, point = [], []
    for value, share in zip(covariance, shares, strict=True):
        low, high = value - spread * abs(value), value + spread * abs(value)
        wide.append(Enclosure.between(low, high))
        point.append(min(max(low + share * (high - low), low), high))
    if point[2] ** 2 > 0.999 * point[0] * point[1]:
        return
    for expectation in (activation.product, activation.derivative_product):
        assert expectation(*wide).ball.overlaps(expectation(*point).ball)


@pytest.mark.parametrize("spread", [2.0**-120, 1e-3])
def test_polynomials_of_a_covariance_around_zero(spread):
    """The third Hermite polynomial has E[s s] = c^3 and E[s' s'] = 3 c^2 at unit variances."""
    around = Enclosure.between(-spread, spread)
    value, slope = hermite(3).product(1, 1, around), hermite(3).derivative_product(1, 1, around)
    for ball, ends in ((value.ball, (-(spread**3), spread**3)), (slope.ball, (0.0, 3 * spread**2))):
        assert all(ball.contains(arb(end)) for end in ends)
        assert float(ball.rad()) <= 10 * spread


def test_a_relu_ball_is_as_wide_as_its_inputs_at_perfect_correlation():
    spread = 2.0**-30
    wide = Enclosure.between(1 - spread, 1 + spread)
    found = RELU.product(wide, wide, wide)
    for p, q, c in ((1, 1, 1), (1 + spread, 1 + spread, 1 - spread), (1 - spread, 1 + spread, 1 - spread)):
        assert found.ball.contains(RELU.product(p, q, c).ball)
    assert width(found) <= 2 * spread


@pytest.mark.parametrize("wide", range(3))
@pytest.mark.parametrize("point", [(1.0, 1.0, 0.0), (0.5, 2.0, -0.5), (1.0, 2.0, 1.25)])
def test_a_relu_ball_counts_the_width_of_each_input(point, wide):
    spread = 2.0**-20
    low, high = (tuple(v + sign * spread * (k == wide) for k, v in enumerate(point)) for sign in (-1, 1))
    ball = [Enclosure.between(a, b) for a, b in zip(low, high, strict=True)]
    for end in (low, high):
        assert RELU.product(*ball).ball.contains(RELU.product(*end).ball)


def leibniz(factors, order, degree):
    """The integral of |(g_1 ... h_degree phi)^(order)| by the product rule, one derivative at a time.

    ``factors`` lists, for each g, bounds of its derivatives; the h_k phi of degree k is differentiated exactly.
    """
    terms = {(*[0] * len(factors), 0): mpf(1)}
    for _ in range(order):
        grown = {}
        for orders, weight in terms.items():
            for k in range(len(orders)):
                moved = (*orders[:k], orders[k] + 1, *orders[k + 1 :])
                step = mpmath.sqrt(degree + moved[-1]) if k == len(factors) else 1
                grown[moved] = grown.get(moved, 0) + weight * step
        terms = grown
    return sum(
        weight * mpmath.fprod(bounds[j] for bounds, j in zip(factors, orders, strict=False))
        for orders, weight in terms.items()
    )


@pytest.mark.parametrize("degree", [0, 3, 10])
@pytest.mark.parametrize("order", [2, 3, 6])
def test_error_from_derivatives_follows_the_product_rule(order, degree):
    regularity = mehler.DerivativeBounds((1.0, 0.5, 3.0, 0.25, 7.0, 2.0)[:order], constant=0.75, slope=2.0)
    deviation, step = 1.5, 0.125
    scaled = [mpf(0.75) + mpf(1.4) * 2 * deviation]
    scaled += [bound * mpf(deviation) ** (j + 1) for j, bound in enumerate(regularity.bounds)]
    rule = 2 * mpmath.zeta(order) * (step / (2 * mpmath.pi)) ** order
    expected = rule * leibniz([scaled], order, degree)
    with flint.ctx.workprec(192):
        found = regularity.coefficient_error(arb(deviation), degree, arb(step))
        squared = regularity.square_error(arb(deviation), arb(step))
    assert float(found) == pytest.approx(float(expected), rel=1e-12)
    assert float(squared) == pytest.approx(float(rule * leibniz([scaled, scaled], order, 0)), rel=1e-12)


SECOND_DERIVATIVES = {
    ERF: lambda z: -4 * z * mpmath.exp(-(z**2)) / mpmath.sqrt(mpmath.pi),
    GELU: lambda z: (2 - z**2) * mpmath.npdf(z),
    SIN: lambda z: -mpmath.sin(z),
    COS: lambda z: -mpmath.cos(z),
    SOFTPLUS: sigmoid_slope,
    TANH: lambda z: -2 * mpmath.tanh(z) * mpmath.sech(z) ** 2,
    SIGMOID: lambda z: sigmoid_slope(z) * (1 - 2 * sigmoid(z)),
    SILU: silu_bend,
}


@pytest.mark.parametrize("activation", SECOND_DERIVATIVES, ids=str)
def test_constants_bound_the_derivatives_and_are_nearly_attained(activation):
    points = [mpf(k) / 100 for k in range(-1000, 1001)]
    for constant, g in (
        (activation.lipschitz, SMOOTH[activation][1]),
        (activation.smoothness, SECOND_DERIVATIVES[activation]),
    ):
        greatest = float(max(abs(g(z)) for z in points))
        assert greatest <= constant.upper * (1 + 1e-14)
        assert greatest >= 0.9999 * constant.lower
        assert width(constant) < 1e-20


def test_constants_of_piecewise_linear_and_polynomial_activations():
    assert RELU.lipschitz.upper == 1
    assert leaky_relu(-3).lipschitz.lower == 3
    assert RELU.smoothness is None
    line, parabola = polynomial([1, -2]), polynomial([0, 0, 3, 0])
    assert line.lipschitz.upper == 2
    assert line.smoothness.upper == 0
    assert parabola.lipschitz is None
    assert parabola.smoothness.lower == 6
    assert CUBIC.smoothness is None


@pytest.mark.parametrize("activation", [SOFTPLUS, TANH, SIGMOID, SILU], ids=str)
def test_growth_on_the_strips(activation):
    for function, g in zip((activation.value, activation.slope), SMOOTH[activation], strict=True):
        strip = function.regularity
        for j in range(-10, 11):
            for k in range(-60, 61):
                x, y = k / 8, strip.half_width * j / 10
                assert abs(complex(g(mpmath.mpc(x, y)))) <= strip.constant + strip.slope * abs(x)


def truth_of_tanh():
    return TANH.product(1, 0.5, 0.6), TANH.derivative_product(1, 0.5, 0.6)


def own_tanh(bounds):
    return from_derivative_bounds("own", arb.tanh, lambda z: 1 / z.cosh() ** 2, bounds)


BOUNDS_OF_TANH = (1.0, 0.77, 2.0, 4.09, 16.0, 56.6, 272.0, 1324.0, 7936.0)


def test_bounds_of_the_derivatives_of_tanh():
    for order, bound in enumerate(BOUNDS_OF_TANH, start=1):
        with mpmath.workdps(30):
            assert max(abs(mpmath.diff(mpmath.tanh, mpf(k) / 20, order)) for k in range(41)) <= bound


@pytest.mark.parametrize(("count", "accuracy"), [(9, 1e-15), (5, 1e-7), (3, 1e-3)])
def test_an_own_activation_needs_only_bounds_of_its_derivatives(count, accuracy):
    own = own_tanh(BOUNDS_OF_TANH[:count])
    for found, truth in zip(
        (own.product(1, 0.5, 0.6), own.derivative_product(1, 0.5, 0.6)), truth_of_tanh(), strict=True
    ):
        assert found.ball.contains(truth.ball)
        assert width(found) < accuracy
    assert own.lipschitz.upper == 1
    assert own.smoothness.upper == 0.77


@pytest.fixture
def fresh_rule():
    yield
    mehler._rule.cache_clear()


def test_a_short_series_still_contains_the_truth_thanks_to_its_tail(monkeypatch, fresh_rule):
    truth = truth_of_tanh()
    monkeypatch.setattr(mehler, "TERMS", 4)
    mehler._rule.cache_clear()
    for found, expected in zip(truth_of_tanh(), truth, strict=True):
        assert found.ball.contains(expected.ball)
    monkeypatch.setattr(mehler.HermiteMarginal, "_rest", lambda self, terms: arb(0))
    assert not any(f.ball.overlaps(e.ball) for f, e in zip(truth_of_tanh(), truth, strict=True))


@pytest.mark.parametrize("correlation", [1.0, -1.0, 1 - 2**-45, 2**-45 - 1])
def test_nearly_parallel_inputs_do_without_the_series(monkeypatch, fresh_rule, correlation):
    for activation in (TANH, SILU, own_tanh(BOUNDS_OF_TANH)):
        calls = activation.product, activation.derivative_product
        truth = [call(1, 1, correlation) for call in calls]
        with monkeypatch.context() as patch:
            patch.setattr(mehler, "TERMS", 4)
            mehler._rule.cache_clear()
            found = [call(1, 1, correlation) for call in calls]
        mehler._rule.cache_clear()
        assert all(short.ball.overlaps(full.ball) for short, full in zip(found, truth, strict=True))
        assert max(map(width, found)) < 1e-11


@pytest.mark.parametrize("correlation", [0.999, -0.999])
def test_what_nearly_parallel_inputs_differ_by_is_counted(monkeypatch, fresh_rule, correlation):
    truth = [TANH.product(1, 1, correlation), own_tanh(BOUNDS_OF_TANH).derivative_product(1, 1, correlation)]
    monkeypatch.setattr(mehler, "TERMS", 4)
    mehler._rule.cache_clear()
    calls = TANH.product, own_tanh(BOUNDS_OF_TANH).derivative_product
    for call, expected in zip(calls, truth, strict=True):
        assert call(1, 1, correlation).ball.contains(expected.ball.mid())
    for regularity in (mehler.Strip, mehler.DerivativeBounds):
        monkeypatch.setattr(regularity, "energy", lambda self, deviation: arb(0))
    for call, expected in zip(calls, truth, strict=True):
        assert not call(1, 1, correlation).ball.overlaps(expected.ball)


def test_a_coarse_rule_still_contains_the_truth_thanks_to_its_error(monkeypatch):
    truth = truth_of_tanh()
    monkeypatch.setattr(mehler.SmoothFunction, "_halvings", lambda self, deviation: 1)
    for found, expected in zip(truth_of_tanh(), truth, strict=True):
        assert found.ball.contains(expected.ball)
    monkeypatch.setattr(mehler.Strip, "_error", lambda self, *_: arb(0))
    assert not any(f.ball.overlaps(e.ball) for f, e in zip(truth_of_tanh(), truth, strict=True))


@pytest.mark.parametrize("variance", [1e-200, 1e-20, 1e-3, 50.0, 2000.0])
def test_extreme_variances_stay_enclosed(variance):
    with mpmath.workdps(30):
        truth = mpmath.quad(
            lambda z: mpmath.tanh(mpmath.sqrt(variance) * z) ** 2 * mpmath.npdf(z),
            [-13, -4, -1, -0.3, -0.1, 0, 0.1, 0.3, 1, 4, 13],
        )
    assert contains(TANH.product(variance, variance, variance), truth, digits=20)


def test_refusals():
    for call, message in (
        (lambda: RELU.product(1, 1, 1.5), "exceeds p q"),
        (lambda: RELU.product(0, 1, 0), "must be positive"),
        (lambda: TANH.mean(-1), "must be positive"),
        (lambda: polynomial([0, 0.0]), "not zero"),
        (lambda: polynomial(["1"]), "face value"),
        (lambda: hermite(-1), "at least 0"),
        (lambda: own_tanh([1.0, 1.0]), "at least three"),
        (lambda: own_tanh([1.0, 1.0, float("inf")]), "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
