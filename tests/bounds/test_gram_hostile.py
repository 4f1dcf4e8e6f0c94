"""Hostile inputs, the same for every function of bounds.gram: handled, or refused in words."""

import numpy as np
import pytest

from bounds.activations import ERF, RELU, STEP, TANH, hermite, leaky_relu, polynomial
from bounds.gram import (
    allen_zhu_convolutional,
    allen_zhu_fully_connected,
    conv_resnet,
    fully_connected,
    linear,
    resnet,
    two_layer,
)
from bounds.linalg import least_eigenvalue

RING = (np.arange(3)[:, None] + np.arange(2)) % 3
FUNCTIONS = {
    "linear": linear,
    "linear pieces": lambda X, **rest: two_layer(X, activation=leaky_relu(0.5), trained="both", **rest),
    **{
        f"two layers, {trained}": lambda X, trained=trained, **rest: two_layer(X, trained=trained, **rest)
        for trained in ("first", "last", "both")
    },
    "step": lambda X, **rest: two_layer(X, activation=STEP, trained="last", **rest),
    **{
        f"{name}, {activation}, {trained}": lambda X, call=call, a=activation, trained=trained, **rest: call(
            X, activation=a, trained=trained, **rest
        )
        for activation in (RELU, ERF, TANH)
        for trained in ("last_hidden", "all")
        for name, call in (
            ("fully connected", lambda X, **rest: fully_connected(X, depth=3, **rest)),
            ("residual", lambda X, **rest: resnet(X, depth=3, residual_scale=0.5, **rest)),
            (
                "convolutional",
                lambda X, **rest: conv_resnet(X[:, None, :], depth=3, patch=3, residual_scale=0.5, **rest),
            ),
        )
    },
    "Allen-Zhu": lambda X, **rest: allen_zhu_fully_connected(X, depth=3, trained="hidden", **rest),
    "Allen-Zhu, convolutional": lambda X, **rest: allen_zhu_convolutional(
        X[:, None, :], patches=RING, depth=2, trained="hidden", **rest
    ),
}
every_function = pytest.mark.parametrize("name", FUNCTIONS)
INTEGERS = np.array([[3.0, 1.0, -2.0], [3.0, 1.0, -2.0], [-3.0, -1.0, 2.0], [6.0, 2.0, -4.0], [1.0, 5.0, 4.0]])


def overlap(first, second, factor=1.0):
    gap = np.abs(factor * first.midpoint - second.midpoint)
    return (gap <= factor * first.radius + second.radius).all()


@every_function
@pytest.mark.parametrize("exponents", [(-1074,) * 5, (900,) * 5, (-1074, 1000, 0, -300, 700)])
def test_norms_do_not_matter_once_normalised(name, exponents):
    """Not even subnormal ones: multiples of 2^-1074 are exact."""
    plain = FUNCTIONS[name](INTEGERS, normalised=True)
    scaled = FUNCTIONS[name](np.ldexp(INTEGERS, np.array(exponents)[:, None]), normalised=True)
    assert overlap(plain, scaled)
    assert scaled.radius.max() <= 1e-13 * plain.midpoint.max()


@every_function
@pytest.mark.parametrize("exponent", [-530, -200, 200, 500, 530])
def test_huge_and_tiny_norms_are_handled_or_refused_in_words(name, exponent):
    """Homogeneous networks scale along; a bounded activation has no digits left, and says so."""
    homogeneous = "erf" not in name and "tanh" not in name
    degree = 0 if name == "step" else 2
    try:
        found = FUNCTIONS[name](np.ldexp(INTEGERS, exponent))
    except ValueError as refusal:
        words = "multiply the data by a smaller factor" if exponent > 500 and homogeneous else "norms near 1"
        assert words in str(refusal)
        assert exponent > 500 or not homogeneous
        return
    assert found.radius.max() <= np.abs(found.midpoint).max()
    if homogeneous:
        assert overlap(FUNCTIONS[name](INTEGERS), found, 2.0 ** min(degree * exponent, 1023)) or exponent < -500


@every_function
def test_duplicates_make_it_singular_and_neighbours_are_told_apart(name):
    found = FUNCTIONS[name](INTEGERS, normalised=True)
    least = least_eigenvalue(found.midpoint, found.radius)
    assert least.lower <= 0 <= least.upper
    assert least.upper - least.lower <= 1e-12
    for i, j in ((0, 1), (0, 3)):
        gap = np.abs(found.midpoint[i] - found.midpoint[j])
        assert (gap <= found.radius[i] + found.radius[j]).all()
    near = np.array([INTEGERS[0], INTEGERS[0] + [0, 0, 2.0**-14], INTEGERS[4]])
    apart = FUNCTIONS[name](near, normalised=True)
    assert least_eigenvalue(apart.midpoint, apart.radius).lower > 0


def test_opposite_and_orthogonal_pixels_of_a_polynomial():
    """Their covariances are balls around 0, which python-flint does not raise to powers."""
    X = np.array([[[1.0, 1.0, 0.5]], [[1.0, -1.0, 0.25]], [[-1.0, -1.0, -0.5]]])
    for activation in (hermite(3), polynomial([1, -2, 0, 0.5])):
        found = conv_resnet(X, depth=3, patch=3, activation=activation, residual_scale=0.5, normalised=True)
        assert found.radius.max() <= 1e-14 * np.abs(found.midpoint).max()
