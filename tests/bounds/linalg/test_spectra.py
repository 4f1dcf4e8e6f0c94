import numpy as np
import pytest

from bounds.linalg import least_eigenvalue, spectrum
from tests.bounds.linalg.test_known_spectra import SPECTRA, N, with_exact_spectrum


def half_width(found):
    return max((value.upper - value.lower) / 2 for value in found)


@pytest.mark.parametrize("name", SPECTRA)
def test_every_eigenvalue_of_a_known_spectrum(name):
    values = SPECTRA[name](np.random.default_rng(0))
    found = spectrum(with_exact_spectrum(values))
    assert all(enclosure.contains(value) for enclosure, value in zip(found, sorted(values), strict=True))
    assert half_width(found) <= 2e-15 * N


@pytest.mark.parametrize("exponent", [-950, 950])
def test_scale_is_no_matter(exponent):
    values = SPECTRA["indefinite"](np.random.default_rng(0))
    found = spectrum(np.ldexp(with_exact_spectrum(values), exponent))
    truth = np.ldexp(np.sort(np.array(values, dtype=float)), exponent)
    assert all(enclosure.contains(value) for enclosure, value in zip(found, truth.tolist(), strict=True))
    assert half_width(found) <= np.ldexp(2e-15 * N, exponent)


def test_the_radius_is_added_once():
    a, radius = np.diag([1.0, 2.0, 3.0]), 1e-3 * np.ones((3, 3))
    found = spectrum(a, radius)
    assert found[0].contains(1 - 3e-3) and found[2].contains(3 + 3e-3)
    assert half_width(found) <= 3.001e-3


def rotated(values, vectors):
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal(vectors.shape))[0]
    return values, vectors @ turn


LIES = {
    "values moved": lambda values, vectors: (values + 1e-3, vectors),
    "values out of order": lambda values, vectors: (values[::-1].copy(), vectors[:, ::-1].copy()),
    "vectors of another matrix": rotated,
    "vectors far from orthogonal": lambda values, vectors: (values, 0.9 * vectors),
    "no vectors at all": lambda values, vectors: (values, 0 * vectors),
    "nothing": lambda values, vectors: (0 * values, 0 * vectors),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lapack_that_lies_costs_width_but_no_truth(lie, monkeypatch):
    values = SPECTRA["indefinite"](np.random.default_rng(1))
    a, eigh = with_exact_spectrum(values), np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda m: LIES[lie](*eigh(m)))
    found = spectrum(a)
    assert all(enclosure.contains(value) for enclosure, value in zip(found, sorted(values), strict=True))
    assert (half_width(found) <= 2e-15 * N) == (lie == "values out of order")


def test_the_least_one_alone_is_sharper():
    a = with_exact_spectrum(SPECTRA["one small"](np.random.default_rng(0)))
    least = least_eigenvalue(a)
    assert spectrum(a)[0].ball.contains(least.ball)
    assert least.upper - least.lower < 0.01 * half_width(spectrum(a))


def test_refusals():
    for a, message in (
        (np.ones((2, 3)), "square"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "not symmetric"),
        (np.array([[np.inf]]), "infinite or not a number"),
    ):
        with pytest.raises(ValueError, match=message):
            spectrum(a)
