import numpy as np
import pytest

from bounds.linalg import frobenius_norm, is_positive_definite, largest_eigenvalue, least_eigenvalue, spectral_norm
from bounds.linalg.intervals import interval_matrix

EYE = np.eye(3)


@pytest.mark.parametrize(
    ("a", "message"),
    [
        (np.full((2, 2), np.nan), "infinite or not a number"),
        ([[1.0, np.inf], [np.inf, 1.0]], "infinite or not a number"),
        (-np.full((2, 2), np.inf), "infinite or not a number"),
        ([[1.0, 2.0], [np.nextafter(2, 3), 5.0]], "not symmetric"),
        (np.ones((2, 3)), "square"),
        (np.ones(3), "two dimensions"),
        (np.ones((1, 2, 2)), "two dimensions"),
        (1.0, "two dimensions"),
        (np.empty((0, 0)), "at least one entry"),
        (EYE * 1j, "complex128"),
        (EYE.astype(bool), "bool"),
        (EYE.astype(np.longdouble), "type"),
        (EYE.astype(object), "object"),
        ([["one"]], "type"),
        ([[2**53 + 1]], "2\\^53"),
        (np.ma.masked_array(EYE, EYE == 0), "masked"),
    ],
)
@pytest.mark.parametrize("function", [least_eigenvalue, largest_eigenvalue, is_positive_definite])
def test_refused_matrices(function, a, message):
    with pytest.raises(ValueError, match=message):
        function(a)


@pytest.mark.parametrize(
    ("radius", "message"),
    [
        (-1e-300, "negative"),
        (np.nan, "not a number"),
        (np.inf, "infinite"),
        (np.ones((4, 4)), "does not fit"),
        (np.ones((2, 3, 3)), "does not fit"),
        ("wide", "type"),
    ],
)
@pytest.mark.parametrize("function", [least_eigenvalue, spectral_norm, frobenius_norm])
def test_refused_radii(function, radius, message):
    with pytest.raises(ValueError, match=message):
        function(EYE, radius)


@pytest.mark.parametrize("estimate", [np.nan, np.inf, -np.inf])
def test_refused_estimates(estimate):
    with pytest.raises(ValueError, match="estimate"):
        least_eigenvalue(EYE, estimate=estimate)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8, ">f8"])
def test_types_that_float64_stores_are_taken(dtype):
    assert least_eigenvalue(np.diag([3, 2]).astype(dtype)).contains(2)


@pytest.mark.parametrize("radius", [0.25, [0.25, 0.25], [[0.25], [0.25]], np.full((2, 2), 0.25)])
def test_radius_broadcasts(radius):
    enclosure = least_eigenvalue(np.diag([1.0, 3.0]), radius)
    assert enclosure.lower <= 0.75 and enclosure.upper >= 1.25
    assert enclosure.lower >= 0.3 and enclosure.upper <= 1.26


@pytest.mark.parametrize("exponent", [-1074, -1060, -300, 0, 300, 1023])
def test_scaling_by_powers_of_two_is_exact(exponent):
    a = np.ldexp(np.array([[0.0, 1.0], [1.0, 0.0]]), exponent)
    enclosure = least_eigenvalue(a)
    assert enclosure.contains(-float(np.ldexp(1.0, exponent)))
    assert interval_matrix(a).midpoint.max() in (0.5, 1.0)


def test_wide_radius_sets_the_scale():
    enclosure = least_eigenvalue(np.eye(2), 1e300)
    assert enclosure.lower <= -1.9e300 and enclosure.upper >= 1e300


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, -1.5, 1.7976931348623157e308])
def test_one_entry_is_exact(value):
    enclosure = least_eigenvalue([[value]])
    assert enclosure.lower == enclosure.upper == value
