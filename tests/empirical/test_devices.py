import numpy as np
import pytest

pytest.importorskip("torch")

from bounds.gram import two_layer
from bounds.linalg import least_eigenvalue
from empirical.devices import cholesky_on


def agrees(device):
    """A factor from the device gives the same enclosure but for its width, which it does not spoil."""
    gram = two_layer(np.random.default_rng(0).standard_normal((400, 20)), normalised=True)
    ours = least_eigenvalue(gram.midpoint, gram.radius)
    theirs = least_eigenvalue(gram.midpoint, gram.radius, propose=cholesky_on(device))
    assert ours.lower <= theirs.upper and theirs.lower <= ours.upper
    assert theirs.upper - theirs.lower < 2 * (ours.upper - ours.lower)


def test_factors_from_torch_serve_proofs():
    agrees("cpu")


def test_factors_from_a_gpu_serve_proofs(cuda):
    agrees(str(cuda))


def test_a_factor_is_upper_triangular_and_there_only_for_definite_matrices():
    a = np.array([[4.0, 2.0], [2.0, 5.0]])
    assert np.array_equal(cholesky_on("cpu")(a), [[2.0, 1.0], [0.0, 2.0]])
    assert cholesky_on("cpu")(-a) is None
