"""The factorisation in tiles: its bound holds, and counts every rounding, whatever computed the factor."""

import numpy as np
import pytest

from bounds.linalg import tiles
from bounds.linalg.intervals import blocks


def symmetric(a):
    return np.tril(a) + np.tril(a, -1).T


def definite(n, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, n + 20))
    return symmetric(x @ x.T)


def factorise(a, shift, w, tile, spoil=lambda r: r):
    """The tasks of a cluster, one after the other: the factor and the bound."""
    n = len(a)
    parts = list(blocks(n, tile))
    r, row_sums, squares = np.zeros((n, n)), np.zeros(n), 0.0
    for i, rows in enumerate(parts):
        for columns in parts[i:]:
            c = tiles.begin(a[rows, columns], shift, w[rows], w[columns], on_diagonal=rows == columns)
            for above in parts[:i]:
                c = tiles.update(c, r[above, rows], r[above, columns])
            if rows == columns:
                r[rows, rows] = spoil(tiles.pivot(c))
            else:
                r[rows, columns] = spoil(tiles.solve(r[rows, rows], c, transposed=True))
            left = tiles.residual(c, r[rows, rows], r[rows, columns])
            row_sums[rows] += left.rows
            if rows != columns:
                row_sums[columns] += left.columns
            squares += left.squares
    surveys = [
        tiles.survey(a[rows, columns], np.zeros_like(a[rows, columns]), on_diagonal=rows == columns)
        for i, rows in enumerate(parts)
        for columns in parts[i:]
    ]
    return r, tiles.residual_norm(row_sums, squares, tiles.size(surveys, n), shift, w, tile)


def distance(a, shift, w, r):
    return np.linalg.norm(a + w @ w.T - shift * np.eye(len(a)) - r.T @ r, 2)


@pytest.mark.parametrize(("n", "tile"), [(40, 40), (40, 7), (90, 30), (300, 280), (7, 1)])
@pytest.mark.parametrize("rank", [0, 3])
def test_the_factor_is_one_and_the_bound_is_near(n, tile, rank):
    a, w = definite(n), np.random.default_rng(1).standard_normal((n, rank))
    r, error = factorise(a, 0.1, w, tile)
    assert np.array_equal(r, np.triu(r))
    assert distance(a, 0.1, w, r) <= error < 1e-14 * n * np.linalg.norm(a)


@pytest.mark.parametrize("harm", [1e-3, 1e-7])
@pytest.mark.parametrize("kind", ["all", "column"])
def test_the_bound_describes_the_factor_that_was_computed(harm, kind):
    rng = np.random.default_rng(2)

    def spoil(r):
        if kind == "column":
            r[:, -1] *= 1 + harm
            return r
        return r * (1 + harm * rng.standard_normal(r.shape))

    a, w = definite(80), rng.standard_normal((80, 2))
    r, error = factorise(a, 0.1, w, 30, lambda part: spoil(np.array(part)))
    r = np.triu(r)
    truth = distance(a, 0.1, w, r)
    assert 1e-2 * harm < truth <= error * (1 + 1e-6)


def test_roundings_are_counted():
    """Pieces, tiles and the rank of w: as many as one entry passes through."""
    assert tiles.roundings(600, 100, 1) == 100 + 6 + 2
    assert tiles.roundings(5000, 1000, 1) == 256 + 5 * 4 + 2
    assert tiles.roundings(600, 100, 300) == 300 + 6 + 2


def test_the_bound_covers_rounding_that_the_residual_does_not_show():
    """A factor whose square rounds to the matrix leaves no computed residual."""
    entries = np.random.default_rng(3).uniform(1, 4, 6)
    r, error = factorise(np.diag(entries), 0.0, np.zeros((6, 0)), 2)
    truth = max(abs(np.longdouble(a) - np.longdouble(x) ** 2) for a, x in zip(entries, np.diag(r), strict=True))
    assert 0 < truth <= error


def test_what_is_not_definite_is_refused():
    with pytest.raises(tiles.NotDefinite):
        tiles.pivot(-np.eye(3))


@pytest.mark.parametrize(
    ("midpoint", "radius", "words"),
    [
        (np.array([[1.0, 2.0], [2.0, np.nan]]), np.zeros((2, 2)), "not a number"),
        (np.eye(2), np.full((2, 2), np.inf), "infinite"),
        (np.eye(2), -np.eye(2), "negative radius"),
        (np.array([[1.0, 2.0], [2.5, 1.0]]), np.zeros((2, 2)), "not symmetric"),
    ],
)
def test_bad_tiles_are_refused(midpoint, radius, words):
    with pytest.raises(ValueError, match=words):
        tiles.survey(midpoint, radius, on_diagonal=True)


def test_products_are_enclosed_over_all_tiles():
    """In exact integers, for the matrix at the upper edge of its radius; the rest of the bound is small."""
    rng = np.random.default_rng(4)
    a = rng.integers(-(2**52), 2**52, (40, 40)).astype(float)
    image, error = tiles.total(
        tiles.image(a[:, part], np.full((40, part.stop - part.start), 2.0**9), np.ones((part.stop - part.start, 1)))
        for part in blocks(40, 9)
    )
    for row, found, bound in zip(a, image[:, 0], error[:, 0], strict=True):
        difference = abs(int(found) - sum(int(x) + 2**9 for x in row))
        assert 0.99 * 40 * 2**9 <= difference <= bound <= 1.01 * 40 * 2**9


def test_partial_sums_that_cancel_are_paid_for():
    """Tiles that cancel leave the rounding of their sum, which the bound covers."""
    big, third = np.ldexp(np.random.default_rng(5).random((300, 1)), 40), np.full((300, 1), 1 / 3)
    image, error = tiles.total((part, 0 * part, np.abs(part)) for part in (big, third, -big))
    lost = np.abs(image - 1 / 3)
    assert lost.max() > 1e-5 and (lost <= error).all()


def test_surveys_sum_to_the_norms_of_the_whole():
    a, radius = definite(50, 5), symmetric(np.random.default_rng(5).random((50, 50)))
    parts = list(blocks(50, 15))
    surveys = {
        (i, j): tiles.survey(a[parts[i], parts[j]], radius[parts[i], parts[j]], on_diagonal=i == j)
        for i in range(4)
        for j in range(i, 4)
    }
    assert tiles.size(surveys.values(), 50) == pytest.approx(np.linalg.norm(a), rel=1e-12)
    assert sum(part.diagonal for part in surveys.values()) == pytest.approx(np.trace(a))
    assert surveys[0, 1].rows == pytest.approx(radius[:15, 15:30].sum(axis=1))
    assert surveys[0, 1].columns == pytest.approx(radius[:15, 15:30].sum(axis=0))
