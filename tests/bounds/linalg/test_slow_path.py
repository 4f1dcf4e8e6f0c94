"""The fast bounds and the slow path agree on matrices of every size up to 200.

The slow path knows how many eigenvalues lie below a number, from balls alone. Matrices of even size come from the
adversarial families; those of odd size are Gram matrices, whose exact entries the slow path computes by itself, so that
the whole way from stored inputs to the enclosure is tested. Beyond 100 every fifth size is taken, and all of them where
ZEROLOSS_CASES asks for a long run.
"""

import flint
import numpy as np
import pytest
from flint import arb

from bounds.activations import ERF, RELU
from bounds.gram import allen_zhu_fully_connected, fully_connected, two_layer
from bounds.linalg import is_positive_definite, largest_eigenvalue, least_eigenvalue, spectrum
from tests.bounds.linalg.slow_path import below, encloses
from tests.bounds.linalg.test_adversarial import CASES, FAMILIES, exact

BITS = 700
SIZES = [n for n in range(1, 201) if n <= 100 or n % 5 == 0 or CASES > 2000]


def inputs(rng, n):
    """Rows of any length, a third of the time with a pair that is nearly or exactly parallel."""
    X = rng.standard_normal((n, int(rng.integers(2, 60)))) * np.exp(rng.standard_normal((n, 1)))
    if n > 1 and rng.random() < 1 / 3:
        X[-1] = [X[0] + 1e-9 * rng.standard_normal(X.shape[1]), 2 * X[0], -X[0]][rng.integers(3)]
    return X


def cosines(X):
    rows = [[arb(v) for v in x] for x in X.tolist()]
    lengths = [sum((v * v for v in x), arb(0)).sqrt() for x in rows]

    def entry(i, j):
        cosine = sum((a * b for a, b in zip(rows[i], rows[j], strict=True)), arb(0)) / (lengths[i] * lengths[j])
        return arb(1) if i == j else cosine

    return entrywise(entry, len(X))


def entrywise(entry, n):
    lower = [[entry(i, j) for j in range(i + 1)] for i in range(n)]
    return [[lower[max(i, j)][min(i, j)] for j in range(n)] for i in range(n)]


def arc_cosine(c):
    """2 E[relu relu] and P(both active) for unit variances, as they stand in Cho and Saul."""
    if c.contains(1) or c.contains(-1):  # a duplicate, an antipode, or a diagonal entry
        same = c > 0
        return (c, arb(0.5)) if same else (arb(0), arb(0))
    t = c.acos()
    return (t.sin() + (arb.pi() - t) * c) / arb.pi(), (arb.pi() - t) / (2 * arb.pi())


def erf_moments(c):
    """E[erf erf] and E[erf' erf'] for unit variances (Williams)."""
    return 2 / arb.pi() * (2 * c / 3).asin(), 4 / arb.pi() / (9 - 4 * c * c).sqrt()


def relu_three_layers(c):
    for _ in range(2):
        c = arc_cosine(c)[0]
    return 2 * c * arc_cosine(c)[1]


def erf_all_layers(c):
    scale, features, tangent = 1 / erf_moments(arb(1))[0], c, c
    for _ in range(2):
        value, slope = erf_moments(features)
        features, tangent = scale * value, scale * value + scale * slope * tangent
    return tangent


def allen_zhu_two_layers(c):
    first = arc_cosine(c)[0]
    second, active = arc_cosine(first)
    return first * active * 2 * arc_cosine(second)[1] + second * arc_cosine(second)[1]


GRAMS = [
    (lambda c: c * arc_cosine(c)[1], lambda X: two_layer(X, normalised=True)),
    (lambda c: arc_cosine(c)[0] / 2, lambda X: two_layer(X, trained="last", normalised=True)),
    (
        lambda c: c * arc_cosine(c)[1] + arc_cosine(c)[0] / 2,
        lambda X: two_layer(X, trained="both", normalised=True),
    ),
    (relu_three_layers, lambda X: fully_connected(X, depth=3, activation=RELU, normalised=True)),
    (erf_all_layers, lambda X: fully_connected(X, depth=2, activation=ERF, trained="all", normalised=True)),
    (allen_zhu_two_layers, lambda X: allen_zhu_fully_connected(X, depth=2, trained="hidden", normalised=True)),
]


def case(n):
    """Midpoint and radius for the fast path, balls for the slow one."""
    rng = np.random.default_rng(n)
    if n % 2 == 0:
        a = FAMILIES[(n // 2) % len(FAMILIES)](rng, n)
        return a, None, exact(a)
    X = inputs(rng, n)
    kernel, gram = GRAMS[(n // 2) % len(GRAMS)]
    true_cosines = cosines(X)
    found = gram(X)
    return found.midpoint, found.radius, entrywise(lambda i, j: kernel(true_cosines[i][j]), n)


@pytest.mark.parametrize("n", SIZES)
def test_the_slow_path_agrees_at_every_size(n):
    with flint.ctx.workprec(BITS):
        a, radius, rows = case(n)
        assert encloses(rows, 0, least_eigenvalue(a, radius))


@pytest.mark.parametrize("n", [*range(1, 30), 90, 91])
def test_the_slow_path_agrees_on_every_eigenvalue(n):
    with flint.ctx.workprec(BITS):
        a, radius, rows = case(n)
        found, verdict = spectrum(a, radius), is_positive_definite(a, radius)
        for index in range(0, n, max(1, n // 10)):
            assert encloses(rows, index, found[index])
        assert encloses(rows, n - 1, largest_eigenvalue(a, radius))
        negative = below(rows, arb(0))
        assert not (verdict.holds and negative != 0) and not (verdict.fails and negative == 0)


def test_the_slow_path_sees_one_ulp():
    with flint.ctx.workprec(BITS):
        for n in (2, 17, 60):
            a, radius, rows = case(n + n % 2)
            enclosure = least_eigenvalue(a)
            width = enclosure.ball.upper() - enclosure.ball.lower()
            for moved in (width, -width):
                shifted = type(enclosure)(enclosure.ball + 2 * moved)
                assert not encloses(rows, 0, shifted)
