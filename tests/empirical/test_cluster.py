"""The same enclosures from a cluster as from one process."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("distributed")

from dask.distributed import Client, LocalCluster

from bounds import linalg
from bounds.gram import two_layer
from empirical.cluster import TwoLayerEntries, least_eigenvalue


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@dataclass(frozen=True)
class Stored:
    """A matrix that is there already."""

    midpoint: np.ndarray
    radius: np.ndarray

    def __call__(self, rows, columns):
        return self.midpoint[rows, columns], self.radius[rows, columns]


def exactly(a):
    return Stored(a, np.zeros_like(a))


def spectrum(n, first):
    """The given least eigenvalues, one per pair of rows, and 2 for all others, exactly."""
    a = 2 * np.eye(n)
    for k, value in enumerate(first):
        a[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] -= (2 - value) / 2
    return a


def test_the_cluster_agrees_with_one_process(client):
    X = np.random.default_rng(0).standard_normal((600, 50))
    gram = two_layer(X, normalised=True)
    here = linalg.least_eigenvalue(gram.midpoint, gram.radius)
    there = least_eigenvalue(client, TwoLayerEntries(X), 600, tile=200)
    assert here.lower <= there.upper and there.lower <= here.upper
    assert there.upper - there.lower <= 2 * (here.upper - here.lower)


@pytest.mark.parametrize("first", [(0.5,), (1e-9, 3e-9), (1.0, 1.0, 1.0)])
def test_known_eigenvalues_are_enclosed(client, first):
    a = spectrum(70, first)
    enclosure = least_eigenvalue(client, exactly(a), 70, tile=20)
    truth = a[0, 0] + a[0, 1]
    assert enclosure.lower <= truth <= enclosure.upper
    assert enclosure.upper - enclosure.lower <= 1e-13


def test_without_a_gap_the_bounds_are_wider_and_hold(client):
    enclosure = least_eigenvalue(client, exactly(np.eye(24)), 24, tile=9)
    assert enclosure.lower <= 1 <= enclosure.upper and enclosure.upper - enclosure.lower < 1e-11


def test_the_radius_is_paid_for(client):
    a = spectrum(40, (0.5,))
    enclosure = least_eigenvalue(client, Stored(a, np.full_like(a, 1e-6)), 40, tile=16)
    # moving the first 2 x 2 block by 1e-6 either way moves the eigenvalue of (1, 1, 0, ...) by 2e-6
    assert enclosure.lower <= 0.5 - 2e-6 and 0.5 + 2e-6 <= enclosure.upper
    assert enclosure.upper - enclosure.lower <= 1e-5


@pytest.mark.parametrize(
    ("a", "words"),
    [
        (-np.eye(20), "not positive definite"),
        (np.where(np.eye(20) == 1, np.nan, 0.0), "not a number"),
        (1e40 * np.eye(20), "scale the matrix"),
        (np.eye(20) + np.eye(20, k=3), "not symmetric"),
    ],
    ids=["negative", "nan", "huge", "unsymmetric"],
)
def test_what_cannot_be_proved_is_refused(client, a, words):
    with pytest.raises(ValueError, match=words):
        least_eigenvalue(client, exactly(a), 20, tile=8)


def test_duplicates_are_never_called_definite(client):
    X = np.random.default_rng(1).standard_normal((60, 9))
    X[59] = X[3]
    try:
        enclosure = least_eigenvalue(client, TwoLayerEntries(X), 60, tile=25)
    except ValueError as refusal:
        assert "not positive definite" in str(refusal)
    else:
        assert enclosure.lower <= 0 <= enclosure.upper


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("trained", ["first", "last", "both"])
def test_entries_are_those_of_the_whole_matrix(normalised, trained):
    X = np.random.default_rng(2).standard_normal((30, 5))
    X[20] = X[2]
    X[25] = -3 * X[4]
    X[28] = X[1] + 1e-9
    entries = TwoLayerEntries(X, trained, normalised)
    whole = two_layer(X, trained=trained, normalised=normalised)
    for rows, columns in ((slice(0, 17), slice(0, 17)), (slice(0, 17), slice(17, 30))):
        midpoint, radius = entries(rows, columns)
        assert (np.abs(midpoint - whole.midpoint[rows, columns]) <= radius + whole.radius[rows, columns]).all()
        assert (radius <= 1.5 * whole.radius[rows, columns] + 1e-25).all()
