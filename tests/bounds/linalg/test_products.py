from fractions import Fraction

import numpy as np
import pytest

from bounds.linalg.products import RightFactor, accurate_product
from bounds.linalg.rounding import gamma


def rational_product(a, x):
    columns = [[Fraction(float(v)) for v in column] for column in x.T]
    return [[sum(Fraction(float(p)) * q for p, q in zip(row, column, strict=True)) for column in columns] for row in a]


@pytest.mark.parametrize("decades", [0, 3, 12, 60])
def test_error_bound_holds(decades):
    for seed in range(150):
        rng = np.random.default_rng(seed)
        m, n, k = rng.integers(1, 20, 3)
        a = rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-decades, 0, (m, n))
        x = rng.standard_normal((n, k)) * 10.0 ** rng.uniform(-decades, 0, (n, k))
        if seed % 3 == 0 and n > 1:
            a[:, -1] = -(a[:, :-1] @ x[:-1, 0]) / x[-1, 0]  # massive cancellation in the first column
        y, error = accurate_product(a, x)
        for values, bounds, truths in zip(y, error, rational_product(a, x), strict=True):
            for value, bound, truth in zip(values, bounds, truths, strict=True):
                assert abs(Fraction(float(value)) - truth) <= Fraction(float(bound))


def test_accuracy_withstands_cancellation():
    rng = np.random.default_rng(0)
    a, x = rng.standard_normal((50, 1000)), rng.standard_normal((1000, 1))
    a[:, -1] -= (a @ x)[:, 0] / x[-1, 0]
    y, error = accurate_product(a, x)
    assert np.abs(y).max() < 1e-12
    assert error.max() <= 1e-4 * gamma(1000) * (np.abs(a) @ np.abs(x)).max()


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e15])
def test_a_right_factor_serves_many_products_within_its_bound(scale):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((37, 6)) * scale
    factor = RightFactor(x)
    for a in (rng.standard_normal((9, 37)), rng.standard_normal((4, 37)) * 1e-6, np.zeros((2, 37))):
        y, error = factor.product(a)
        exact = rational_product(a, x)
        off = np.array(
            [
                [float(abs(Fraction(float(c)) - e)) for c, e in zip(*rows, strict=True)]
                for rows in zip(y, exact, strict=True)
            ]
        )
        assert (off <= 2.0**-53 * np.abs(y) + error).all()
        assert (off <= 1.01 * 2.0**-53 * np.abs(y) + 1e-18 * scale * np.abs(a).max()).all()
