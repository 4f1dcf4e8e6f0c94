import numpy as np
import pytest

from bounds.linalg import cholesky, deflation
from bounds.linalg.deflation import Deflation, enclose, from_pairs
from bounds.linalg.intervals import symmetric_matrix
from bounds.linalg.ritz import Separation, dense_pairs


def recorded_sigma(monkeypatch, matrix, guess):
    """The bound on the next eigenvalue that a deflation hands to Lehmann's theorem."""
    seen = []
    monkeypatch.setattr(deflation, "lehmann", lambda matrix, vectors, sigma: seen.append(float(sigma)))
    enclose(matrix, guess)
    return seen[0]


@pytest.mark.parametrize("radius", [1e-2, 1e-6, 0.0])
def test_next_eigenvalue_is_bounded_for_every_matrix_within_the_radius(monkeypatch, radius):
    a = np.diag([0.0, 1.0, 1.0, 1.0])
    guess = Deflation(1 - 1e-12, 2 * np.eye(4)[:, :1], np.eye(4)[:, :1])
    sigma = recorded_sigma(monkeypatch, symmetric_matrix(a, radius), guess)
    member = a - radius * np.ones((4, 4))
    assert sigma <= np.linalg.eigvalsh(member)[1]
    assert sigma >= 1 - 2e-12 - 4.1 * radius


def test_next_eigenvalue_is_bounded_though_the_factorisation_lies(monkeypatch):
    honest = cholesky.dpotrf
    monkeypatch.setattr(cholesky, "dpotrf", lambda c, clean: honest(c + np.eye(len(c)) / 10, clean=clean))
    guess = Deflation(1.05, 2 * np.eye(4)[:, :1], np.eye(4)[:, :1])
    assert recorded_sigma(monkeypatch, symmetric_matrix(np.diag([0.0, 1.0, 1.0, 1.0])), guess) <= 1


def test_a_guess_above_the_next_eigenvalue_is_found_out():
    matrix = symmetric_matrix(np.diag([0.0, 1.0, 2.0]))
    assert enclose(matrix, Deflation(1.5, np.eye(3)[:, :1], np.eye(3)[:, :1])) is None


def test_a_guess_below_the_first_eigenvalue_proves_nothing():
    matrix = symmetric_matrix(np.diag([1.0, 2.0, 3.0]))
    assert enclose(matrix, Deflation(0.5, np.eye(3)[:, :1], np.eye(3)[:, :1])) is None


def test_pairs_are_deflated_up_to_the_first_wide_gap():
    a = np.diag([0.0, 1e-9, 1.0, 1.0, 1.0])
    matrix = symmetric_matrix(a)
    guess = from_pairs(matrix.size, dense_pairs(a), Separation(1e-6, 16.0))
    assert guess.w.shape[1] == 2 and 0.2 < guess.shift < 0.3
    assert from_pairs(matrix.size, dense_pairs(np.eye(5)), Separation(1e-6, 16.0)) is None
    ends = enclose(matrix, guess)
    assert -1e-14 < float(ends.lower) <= 0 <= float(ends.upper) < 1e-14
