"""Activations at float64 numbers against mpmath, which shares no code with Arb."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp

from bounds.activations.pointwise import POINTWISE

ORACLE = {
    "relu": (lambda z: max(z, mpmath.mpf(0)), lambda z: mpmath.mpf(z >= 0)),
    "tanh": (mpmath.tanh, lambda z: mpmath.sech(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + mpmath.exp(-z)), lambda z: 1 / (2 * mpmath.cosh(z / 2)) ** 2),
    "softplus": (lambda z: mpmath.log(1 + mpmath.exp(z)), lambda z: 1 / (1 + mpmath.exp(-z))),
    "erf": (mpmath.erf, lambda z: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-z * z)),
    "gelu": (lambda z: z * mpmath.ncdf(z), lambda z: mpmath.ncdf(z) + z * mpmath.npdf(z)),
    "silu": (
        lambda z: z / (1 + mpmath.exp(-z)),
        lambda z: (1 + mpmath.exp(-z) + z * mpmath.exp(-z)) / (1 + mpmath.exp(-z)) ** 2,
    ),
}
CORNERS = [0.0, -0.0, 1 / 64, -1 / 64, 3 / 64, 16.0, -16.0, np.nextafter(16, 17), -17.5, 40.0, -300.0, 700.0, 1e-300]


def errors(name: str, numbers: np.ndarray) -> tuple[list[float], list[float]]:
    """Actual errors over claimed ones, for values and slopes."""
    found = POINTWISE[name](numbers)
    with mp.workdps(700):
        pairs = (
            (ORACLE[name][0], found.value, found.value_error),
            (ORACLE[name][1], found.slope, found.slope_error),
        )
        return tuple(
            [
                (abs(f(mpmath.mpf(float(z))) - mpmath.mpf(float(v))), mpmath.mpf(float(e)))
                for z, v, e in zip(numbers, values, claimed, strict=True)
            ]
            for f, values, claimed in pairs
        )


@pytest.mark.parametrize("name", POINTWISE)
def test_errors_are_within_their_bounds(name: str) -> None:
    generator = np.random.default_rng(0)
    numbers = np.concatenate([generator.normal(size=40) * 2, generator.uniform(-16, 16, 40), CORNERS])
    for pairs in errors(name, numbers):
        assert all(error <= claimed + mpmath.mpf(10) ** -600 for error, claimed in pairs)


@given(st.sampled_from(sorted(POINTWISE)), st.floats(-700, 700))
def test_any_number(name: str, z: float) -> None:
    for pairs in errors(name, np.array([z])):
        assert all(error <= claimed + mpmath.mpf(10) ** -600 for error, claimed in pairs)


@pytest.mark.parametrize("name", [name for name in POINTWISE if name != "relu"])
def test_errors_are_near_one_rounding(name: str) -> None:
    found = POINTWISE[name](np.linspace(-16, 16, 10001))
    assert (found.value_error <= 3 * 2.0**-53 * np.maximum(np.abs(found.value), 1)).all()
    assert (found.slope_error <= 3 * 2.0**-53 * np.maximum(np.abs(found.slope), 1)).all()


@pytest.mark.parametrize("name", POINTWISE)
def test_the_constants_bound_the_slopes(name: str) -> None:
    pointwise = POINTWISE[name]
    grid = np.linspace(-8, 8, 2**14 + 1)
    slope = pointwise(grid).slope
    assert 0.999 * pointwise.lipschitz <= np.abs(slope).max() <= pointwise.lipschitz
    if pointwise.smoothness is not None:
        bend = np.abs(np.diff(slope)).max() * 2**10
        assert 0.99 * pointwise.smoothness <= bend <= pointwise.smoothness * (1 + 1e-9)
