"""Float64 activations stay within their proved errors, against mpmath, and use a fair part of them."""

import math

import mpmath
import numpy as np
import pytest

from bounds.activations.float64 import EVALUATED


def cumulative(z):
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2 if abs(z) < 100 else mpmath.mpf(int(z > 0))


REFERENCE = {
    "tanh": (
        mpmath.tanh,
        lambda z: mpmath.sech(z) ** 2,
        lambda z: -2 * mpmath.tanh(z) * mpmath.sech(z) ** 2,
    ),
    "erf": (
        mpmath.erf,
        lambda z: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-z * z),
        lambda z: -4 * z / mpmath.sqrt(mpmath.pi) * mpmath.exp(-z * z),
    ),
    "softplus": (
        lambda z: mpmath.log1p(mpmath.exp(z)),
        lambda z: 1 / (1 + mpmath.exp(-z)),
        lambda z: 1 / (2 + mpmath.exp(z) + mpmath.exp(-z)),
    ),
    "gelu": (
        lambda z: z * cumulative(z),
        lambda z: cumulative(z) + z * mpmath.npdf(z),
        lambda z: (2 - z * z) * mpmath.npdf(z),
    ),
}


def points():
    rng = np.random.default_rng(0)
    grid = np.arange(-700, 700) / 64
    halves = np.arange(-300, 300) / 32 + 1 / 64  # the farthest from a grid point
    special = [
        0.0,
        -0.0,
        5e-324,
        -1e-310,
        1e-18,
        6.5,
        -6.5,
        6.25,
        9.0,
        -9.0,
        20.0,
        40.0,
        -40.0,
        745.0,
        -745.0,
        1e6,
        -1e300,
    ]
    return np.concatenate(
        [
            special,
            rng.choice(grid, 300),
            np.nextafter(rng.choice(halves, 300), 9e9),
            np.nextafter(rng.choice(halves, 300), -9e9),
            rng.standard_normal(900),
            rng.uniform(-12, 12, 500),
            rng.uniform(-50, 50, 200),
        ]
    )


@pytest.mark.parametrize("name", EVALUATED)
def test_errors_are_bounded_and_the_bounds_are_not_idle(name):
    evaluated, z = EVALUATED[name], points()
    jet = evaluated.jet(z)
    allowed = (
        evaluated.value_error + evaluated.value_error_per_size * np.abs(z),
        np.full(len(z), evaluated.slope_error),
        np.full(len(z), evaluated.curvature_error),
    )
    with mpmath.workdps(60):
        for computed, function, bound in zip(jet, REFERENCE[name], allowed, strict=True):
            exact = [function(mpmath.mpf(float(x))) for x in z]
            shares = [
                float(abs(mpmath.mpf(float(c)) - e) / mpmath.mpf(float(b)))
                for c, e, b in zip(computed, exact, bound, strict=True)
            ]
            assert max(shares) <= 1
            assert max(shares) > 0.15


@pytest.mark.parametrize("name", EVALUATED)
def test_third_derivatives_are_bounded_tightly(name):
    z = np.linspace(-6, 6, 4001)
    with mpmath.workdps(40):
        steepest = max(abs(float(mpmath.diff(REFERENCE[name][2], float(x)))) for x in z[::10])
    finest = np.abs(np.diff(EVALUATED[name].jet(z).curvature) / np.diff(z)).max()
    assert finest <= EVALUATED[name].third_derivative
    assert max(steepest, finest) >= 0.98 * EVALUATED[name].third_derivative


@pytest.mark.parametrize("name", EVALUATED)
def test_blocks_keep_their_shape_and_signs(name):
    z = np.random.default_rng(1).standard_normal((3, 4, 5))
    jet = EVALUATED[name].jet(z)
    flat = EVALUATED[name].jet(z.ravel())
    for part, reference in zip(jet, flat, strict=True):
        assert part.shape == z.shape
        assert np.array_equal(part.ravel(), reference)
    assert math.isclose(float(EVALUATED["erf"].jet(np.array([0.5])).value[0]), math.erf(0.5), rel_tol=1e-15)
