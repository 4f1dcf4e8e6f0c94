from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb, arb_mat

from bounds.linalg import frobenius_norm, norms, spectral_norm


def exactly(a):
    return arb_mat([[arb(float(entry)) for entry in row] for row in a])


def largest_singular_value(a):
    """In balls of 400 bits, from all eigenvalues of the Gram matrix."""
    with flint.ctx.workprec(400):
        tall = exactly(a if len(a) >= a.shape[1] else a.T)
        gram = tall.transpose() * tall
        values = flint.acb_mat(gram).eig(multiple=True)
        return max((value.real for value in values), key=float).sqrt()


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (30, 30), (1, 9), (9, 1)])
@pytest.mark.parametrize("exponent", [-900, -60, 0, 60, 900])
def test_known_to_fourteen_digits_at_every_scale(shape, exponent):
    a = np.random.default_rng(exponent + 1000).standard_normal(shape)
    found = spectral_norm(np.ldexp(a, exponent))
    assert found.ball.overlaps(largest_singular_value(a) * arb(2) ** exponent)
    assert found.upper - found.lower <= 1e-14 * found.upper


@pytest.mark.parametrize("n", [60, 320])
def test_many_equal_singular_values(n):
    """No gap is seen then, and what the product of float64 loses is what is lost."""
    q = np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0]
    a = np.round(q * 2**20)  # integers, so that the Gram matrix is exact
    gram = a.T @ a
    found = spectral_norm(a)
    assert found.lower**2 <= np.linalg.eigvalsh(gram)[-1] * (1 + 1e-11)
    assert found.upper**2 >= np.linalg.eigvalsh(gram)[-1] * (1 - 1e-11)
    assert found.upper - found.lower <= 1e-10 * found.upper


@pytest.mark.parametrize("seed", range(6))
def test_product_is_as_near_as_it_says(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((60, 4)) * 10.0 ** rng.integers(-6, 1, (60, 1))
    gram = norms._NegativeGram.of(x)
    with flint.ctx.workprec(400):
        wrong = exactly(gram.midpoint) + exactly(x).transpose() * exactly(x)
        assert 0 < sum((entry**2 for entry in wrong.entries()), arb(0)).sqrt() <= 2 * arb(gram.radius_norm)
        vectors = rng.standard_normal((4, 3))
        image, error = gram.image(vectors)
        truth = -exactly(x).transpose() * (exactly(x) * exactly(vectors))
        for i in range(4):
            for j in range(3):
                assert abs(truth[i, j] - arb(float(image[i, j]))) <= arb(float(error[i, j]))
    assert error.max() <= 1e-14 * np.abs(x).T.sum(axis=0).max() ** 2 * 60


def test_second_eigenvalue_is_proved_with_the_error_of_the_product(monkeypatch):
    """A product that is off by more than float64 loses, had it been believed, would put the norm too low."""
    x = np.diag([1.0, 1.5, 1.25])
    wrong = norms._NegativeGram(-np.diag([1.0, 1.125, 1.5625]), None, 0, x=x)
    monkeypatch.setattr(norms._NegativeGram, "of", lambda _: wrong)
    monkeypatch.setattr(norms._NegativeGram, "radius_norm", 1.125)
    assert spectral_norm(x).upper >= 1.5


def test_radius_moves_the_norm_by_its_own():
    a = np.random.default_rng(0).standard_normal((50, 30))
    exact, loose = spectral_norm(a), spectral_norm(a, 1e-6)
    assert exact.upper + 0.9e-6 * 1500**0.5 <= loose.upper <= exact.upper + 1.1e-6 * 1500**0.5
    assert exact.lower - 1.1e-6 * 1500**0.5 <= loose.lower <= exact.lower - 0.9e-6 * 1500**0.5
    assert spectral_norm(np.zeros((3, 2)), 0.5).lower <= 0 <= 0.5 * 6**0.5 <= spectral_norm(np.zeros((3, 2)), 0.5).upper


def test_frobenius_norm_of_integers_is_exact_but_for_its_last_digits():
    a = np.random.default_rng(1).integers(-1000, 1000, (17, 23)).astype(float)
    squared = sum(Fraction(entry) ** 2 for entry in a.ravel())
    for found in (frobenius_norm(a), frobenius_norm(a, np.zeros(23))):
        assert Fraction(found.lower) ** 2 <= squared <= Fraction(found.upper) ** 2
        assert found.upper - found.lower <= 1e-13 * found.upper
