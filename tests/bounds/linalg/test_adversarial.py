"""Every bound against exact truth, on matrices chosen to break it.

Three separate demands: what is proved is true (soundness), what can be proved is (completeness), and what is not
positive definite is never called so (refusal). Truth comes from the sign of the pivots of an LDL^T factorisation of the
stored matrix in 600-bit balls, which shares no code and no arithmetic with the bounds.

ZEROLOSS_CASES sets the number of cases per function, ZEROLOSS_SEED where they start; the long run is

    ZEROLOSS_CASES=100000 pytest tests/bounds/linalg/test_adversarial.py
"""

import os
from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb

from bounds.linalg import (
    frobenius_norm,
    is_positive_definite,
    largest_eigenvalue,
    least_eigenvalue,
    least_singular_value,
    spectral_norm,
    spectrum,
)
from tests.bounds.linalg.slow_path import encloses

CASES = int(os.environ.get("ZEROLOSS_CASES", "2000"))
SEED = int(os.environ.get("ZEROLOSS_SEED", "0"))
BITS = 600


def exact(a):
    """A float64 matrix as rows of balls of radius zero."""
    return [[arb(float(entry)) for entry in row] for row in a]


def definite(rows, shift):
    """Whether a symmetric matrix of balls less a multiple of the identity is positive definite; None if unknown."""
    m = [list(row) for row in rows]
    for k in range(len(m)):
        m[k][k] -= shift
    for k, row in enumerate(m):
        if not row[k] > 0:
            return False if row[k] < 0 else None
        for i in range(k + 1, len(m)):
            factor = row[i] / row[k]
            for j in range(i, len(m)):
                m[i][j] -= factor * row[j]
    return True


def gram(x):
    """X^T X of a matrix of balls."""
    columns = list(zip(*x, strict=True))
    return [[sum((a * b for a, b in zip(u, v, strict=True)), arb(0)) for v in columns] for u in columns]


def encloses_least(rows, lower, upper):
    """Whether the least eigenvalue of a matrix of balls lies in [lower, upper], up to 2^-300 of its size."""
    size = max((abs(entry) for row in rows for entry in row), default=arb(0), key=lambda ball: float(ball.mid()))
    hair = size * arb(2) ** -300 + arb(2) ** -1300
    return definite(rows, lower - hair) is True and definite(rows, upper + hair) is False


def negative(rows):
    return [[-entry for entry in row] for row in rows]


def orthogonal(rng, n):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def symmetric(a):
    return np.tril(a) + np.tril(a, -1).T


def with_spectrum(rng, values):
    q = orthogonal(rng, len(values))
    return symmetric((q * values) @ q.T)


def singular(rng, n):
    """An exactly singular Gram matrix of small integers."""
    v = rng.integers(-5, 6, (n, max(1, n - int(rng.integers(1, 4))))).astype(float)
    return v @ v.T


def duplicates(rng, n):
    """A float Gram matrix of rows that repeat, as they are, scaled, negated, or an ulp away."""
    x = rng.standard_normal((n, int(rng.integers(1, 8))))
    if n > 1:
        guise = rng.integers(5)
        x[-1] = [x[0], 2 * x[0], -x[0], x[0] * 3 / 3, np.nextafter(x[0], np.inf)][guise]
    return symmetric(x @ x.T)


def one_ulp_less(rng, n):
    a = singular(rng, n)
    i = rng.integers(n)
    a[i, i] = np.nextafter(a[i, i], -np.inf)
    return a


def planted_margin(rng, n):
    a = singular(rng, n)
    margin = rng.choice([2.0**-52, 1e-12, 1e-6]) * rng.choice([-1.0, 1.0])
    return a + margin * np.eye(n)


def clustered(rng, n):
    return with_spectrum(rng, rng.choice([1e-8, 0.1, 1.0, 1.0 + 1e-13], n) + 1e-13 * rng.random(n))


def graded(rng, n):
    scales = 2.0 ** -np.sort(rng.integers(0, 40, n))
    x = rng.standard_normal((n, n))
    return symmetric(scales[:, None] * (x @ x.T) * scales)


def conditioned(rng, n):
    return with_spectrum(rng, 10.0 ** -(rng.random(n) * rng.integers(1, 17)))


def indefinite(rng, n):
    return symmetric(rng.standard_normal((n, n)))


def named(rng, n):
    i = np.arange(1.0, n + 1)
    wilkinson = np.diag(np.abs(i - (n + 1) / 2)) + np.eye(n, k=1) + np.eye(n, k=-1)
    return [
        1 / (i[:, None] + i - 1),
        wilkinson,
        np.minimum.outer(i, i),
        np.minimum.outer(i, i) / np.maximum.outer(i, i),
        np.ones((n, n)),
        np.eye(n),
        np.zeros((n, n)),
        np.diag(i - 1),
        np.eye(n) - np.ones((n, n)) / n,
    ][rng.integers(9)]


FAMILIES = [singular, duplicates, one_ulp_less, planted_margin, clustered, graded, conditioned, indefinite, named]
SCALES = [0, 0, 0, 0, -1000, 900, -1060, 60]


def matrix(rng):
    """A symmetric matrix of some family, size and scale."""
    n = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 11]))
    a = np.ldexp(FAMILIES[rng.integers(len(FAMILIES))](rng, n), SCALES[rng.integers(len(SCALES))])
    return -a if rng.random() < 0.1 else a


def rectangle(rng):
    a = matrix(rng)
    return a[:, : int(rng.integers(1, len(a) + 1))] if rng.random() < 0.5 else a[: int(rng.integers(1, len(a) + 1))]


def spread(rng, a):
    """An entrywise radius, or None; and a matrix of balls that lies within it, often at its very edge."""
    kind = rng.integers(4)
    if kind == 0:
        return None, exact(a)
    size, draw = np.abs(a), rng.random(a.shape)
    radius = [2.0**-53 * size, 1e-3 * size.max() * draw, size * (draw < 0.2)][kind - 1]
    radius = np.maximum(radius, radius.T) if a.shape[0] == a.shape[1] else radius
    share = rng.integers(-4, 5, a.shape)
    if a.shape[0] == a.shape[1]:
        share = np.tril(share) + np.tril(share, -1).T
    return radius, [
        [x + r * int(s) / 4 for x, r, s in zip(*rows, strict=True)]
        for rows in zip(exact(a), exact(radius), share, strict=True)
    ]


def ends(enclosure):
    return enclosure.ball.lower(), enclosure.ball.upper()


def tall(rows):
    return rows if len(rows) >= len(rows[0]) else [list(row) for row in zip(*rows, strict=True)]


def least_holds(a, radius, rows):
    return encloses_least(rows, *ends(least_eigenvalue(a, radius)))


def estimate_is_never_trusted(a, radius, rows):
    guess = float(np.linalg.eigvalsh(a)[0])
    estimate = [guess, guess + 1e-9, 2 * guess, -guess, 0.0, 1e300][hash(guess) % 6]
    return encloses_least(rows, *ends(least_eigenvalue(a, radius, estimate=estimate)))


def largest_holds(a, radius, rows):
    lower, upper = ends(largest_eigenvalue(a, radius))
    return encloses_least(negative(rows), -upper, -lower)


def spectrum_holds(a, radius, rows):
    found = spectrum(a, radius)
    index = len(a) // 2 if len(a) % 2 else len(a) - 1
    return encloses(rows, 0, found[0]) and encloses(rows, index, found[index])


def verdict_holds(a, radius, rows):
    verdict, truth = is_positive_definite(a, radius), definite(rows, arb(0))
    return not (verdict.holds and truth is not True) and not (verdict.fails and truth is True)


def spectral_holds(a, radius, rows):
    lower, upper = ends(spectral_norm(a, radius))
    lower = lower.max(arb(0))
    return encloses_least(negative(gram(tall(rows))), -(upper**2), -(lower**2))


def singular_value_holds(a, radius, rows):
    lower, upper = ends(least_singular_value(a, radius))
    lower = lower.max(arb(0))
    return encloses_least(gram(tall(rows)), lower**2, upper**2)


def frobenius_holds(a, radius, rows):
    lower, upper = ends(frobenius_norm(a, radius))
    truth = sum((entry**2 for row in rows for entry in row), arb(0))
    return not truth < lower.max(arb(0)) ** 2 and not truth > upper**2


@pytest.mark.parametrize(
    ("draw", "holds"),
    [
        (matrix, least_holds),
        (matrix, estimate_is_never_trusted),
        (matrix, largest_holds),
        (matrix, spectrum_holds),
        (matrix, verdict_holds),
        (rectangle, spectral_holds),
        (rectangle, singular_value_holds),
        (rectangle, frobenius_holds),
    ],
    ids=lambda value: value.__name__,
)
def test_soundness(draw, holds):
    wrong = []
    for case in range(SEED, SEED + CASES):
        rng = np.random.default_rng(case)
        a = draw(rng)
        with flint.ctx.workprec(BITS):
            radius, rows = spread(rng, a)
            if not holds(a, radius, rows):
                wrong.append(case)
    assert not wrong, f"{len(wrong)} of {CASES} wrong, first case {wrong[0]}"


@pytest.mark.parametrize("ulps", [-4, 4])
def test_truth_notices_an_enclosure_moved_by_four_ulps(ulps):
    """The checks above have teeth: an enclosure that misses by 2^-50 of the value is caught."""
    caught = 0
    for case in range(200):
        rng = np.random.default_rng(case)
        a = with_spectrum(rng, 1 + rng.random(6))
        lower, upper = ends(least_eigenvalue(a))
        with flint.ctx.workprec(BITS):
            moved = ulps * (upper - lower)
            caught += not encloses_least(exact(a), lower + moved, upper + moved)
    assert caught == 200


def test_completeness():
    """Condition numbers up to 1e12, clusters and gradings included: at least 99.9 % are enclosed within 1e-3."""
    cases, missed = min(CASES, 20000), []
    for case in range(SEED, SEED + cases):
        rng = np.random.default_rng(case)
        n = int(rng.choice([2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 200], p=[0.11] * 8 + [0.06, 0.04, 0.02]))
        exponents = rng.random(n) * 11.9
        shape = rng.integers(4)
        if shape == 1:
            exponents = np.where(rng.random(n) < 0.5, 11.9, 0.0)
        elif shape == 2:
            exponents = np.where(rng.random(n) < 0.5, 11.9 - 1e-3 * rng.random(n), 0.0)
        elif shape == 3:
            exponents = np.linspace(0, 11.9, n)
        exponents[0] = 0.0
        a = with_spectrum(rng, 10.0**-exponents)
        enclosure = least_eigenvalue(a)
        if not enclosure.upper - enclosure.lower <= 1e-3 * enclosure.lower:
            missed.append(case)
    assert len(missed) <= cases // 1000, f"{len(missed)} of {cases}, first {missed[0]}"


def test_refusal():
    """What is singular or indefinite, be it by one ulp, is never called positive definite; and the corpus counts."""
    refused = 0
    for case in range(400):
        rng = np.random.default_rng(case)
        a = [singular, one_ulp_less, duplicates][case % 3](rng, int(rng.integers(2, 12)))
        with flint.ctx.workprec(BITS):
            if definite(exact(a), arb(0)) is not True:
                assert not is_positive_definite(a).holds, case
                refused += 1
    assert refused >= 250


def test_frobenius_norm_agrees_with_rationals():
    rng = np.random.default_rng(0)
    for _ in range(200):
        a = rng.standard_normal((3, 4)) * 10.0 ** rng.integers(-200, 200, (3, 4))
        enclosure = frobenius_norm(a)
        squared = sum(Fraction(float(x)) ** 2 for x in a.ravel())
        assert Fraction(enclosure.lower) ** 2 <= squared <= Fraction(enclosure.upper) ** 2
        assert enclosure.upper - enclosure.lower <= 1e-14 * enclosure.upper
