"""Gram matrices of infinitely wide deep networks (Du, Lee, Li, Wang and Zhai, ICML 2019), corrected recursions.

Fully connected: x^(h) = sqrt(c / m) s(W^(h) x^(h-1)), f = a.x^(H). Residual: x^(1) as before, then
x^(h) = x^(h-1) + (r / H) m^(-1/2) s(W^(h) x^(h-1)). Convolutional residual: the same with W^(h) acting on patches of
adjacent pixels (stride 1, padded with zeros). All weights start as N(0, 1), c = 1 / E[s(z)^2], r is the paper's
c_res. The paper's matrix is that of the gradients with respect to W^(H), here ``trained="last_hidden"``; ``"all"``
adds those of the other layers and of a.

E_K stands for the expectation over u ~ N(0, K), entry by entry, s s for s(u_i) s(u_j), and products are entrywise.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce
from operator import add

import flint
from flint import arb, fmpq

from bounds.activations import Activation
from bounds.arithmetic import Exact
from bounds.gram.balls import PRECISION, BallMatrix, inner_products, marginals, second_moments
from bounds.gram.matrix import Array, Gram, checked_activation, checked_count, checked_rows
from bounds.gram.pixels import ONE_PIXEL, Patches, checked_images, patch_products

TRAINED = ("last_hidden", "all")


def fully_connected(
    X: Array, *, depth: int, activation: Activation, trained: str = "last_hidden", normalised: bool = False
) -> Gram:
    """Enclose the Gram matrix of an infinitely wide fully-connected network on the stored rows.

    K^(0) = X X^T and K^(h) = c E_{K^(h-1)}[s s]. With D^(h) = c E_{K^(h-1)}[s' s'], the matrix for W^(H) is
    K^(H-1) D^(H) (Definition 5.1, with the index of the covariance of E[s' s'] corrected from A^(H-1) to A^(H), as
    the paper's own (13) and Lemma E.1 need it; re-derived). The matrix for all layers is T^(H), with T^(0) = K^(0)
    and T^(h) = K^(h) + D^(h) T^(h-1) (Jacot, Gabriel and Hongler, NeurIPS 2018, in this scaling; re-derived: the
    gradient with respect to W^(h) gives K^(h-1) D^(h) ... D^(H), that with respect to a gives K^(H)).

    Args:
        X: (n, d) float64 inputs, used as stored.
        depth: H >= 1, the number of hidden layers.
        activation: s, of finite second moment.
        trained: ``last_hidden`` (W^(H) alone) or ``all`` layers.
        normalised: divide every row by its exact norm, in real arithmetic.

    Raises:
        ValueError: bad inputs, depth or ``trained``; an activation without derivative.
    """
    depth = _checked(depth, 1, trained)
    checked_rows(X)
    checked_activation(activation)
    with flint.ctx.workprec(PRECISION):
        c = activation.normaliser
        features = tangent = inner_products(X, normalised=normalised)
        for layer in range(1, depth + 1):
            slopes = second_moments(marginals(activation.slope, features), features) * c
            if layer == depth and trained == "last_hidden":
                tangent = features * slopes
            else:
                features = second_moments(marginals(activation.value, features), features) * c
                tangent = features + slopes * tangent
    return tangent.gram(f"fully connected, {depth} hidden layers, {activation}, {_scope(trained, normalised)}")


def resnet(
    X: Array,
    *,
    depth: int,
    activation: Activation,
    residual_scale: Exact,
    trained: str = "last_hidden",
    normalised: bool = False,
) -> Gram:
    """Enclose the Gram matrix of an infinitely wide residual network on the stored rows.

    K^(1) = c E_{K^(0)}[s s] and b^(1) = sqrt(c) E_{K^(0)}[s]; with e = E_{K^(h-1)}[s] and k = r / H, for h >= 2
    K^(h) = K^(h-1) + k (b^(h-1) e^T + e b^(h-1)^T) + k^2 E_{K^(h-1)}[s s], b^(h) = b^(h-1) + k e. The matrix for W^(H)
    is k^2 K^(H-1) E_{K^(H-1)}[s' s'] (Definition 6.1, with the crossed pairing of b and the covariance index
    corrected as in the paper's (16)). For all layers, with D = E_{K^(h-1)}[s' s']:
    T^(1) = c K^(0) E_{K^(0)}[s' s'], T^(h) = (1 + k^2 D) T^(h-1) + k^2 K^(h-1) D, and T^(H) + K^(H) (re-derived: the
    skip passes gradients on unchanged, the branch multiplies their covariance by k^2 D, and the cross terms vanish
    since a has mean zero). Computed backward, as a convolutional network of one pixel.

    Args:
        X: (n, d) float64 inputs, used as stored.
        depth: H >= 2, the number of hidden layers.
        activation: s, of finite second moment.
        residual_scale: r, the paper's c_res, at face value.
        trained: ``last_hidden`` (W^(H) alone) or ``all`` layers.
        normalised: divide every row by its exact norm, in real arithmetic.

    Raises:
        ValueError: bad inputs, depth or ``trained``; an activation without derivative.
    """
    depth = _checked(depth, 2, trained)
    checked_rows(X)
    checked_activation(activation)
    with flint.ctx.workprec(PRECISION):
        inputs = [inner_products(X, normalised=normalised)]
        result = _residual(inputs, ONE_PIXEL, depth, activation, residual_scale, trained)
    name = f"residual, {depth} hidden layers, scale {residual_scale}, {activation}"
    return result.gram(f"{name}, {_scope(trained, normalised)}")


def conv_resnet(
    X: Array,
    *,
    depth: int,
    patch: int,
    activation: Activation,
    residual_scale: Exact,
    trained: str = "last_hidden",
    normalised: bool = False,
) -> Gram:
    """Enclose the Gram matrix of an infinitely wide convolutional residual network with p pixels.

    Two levels at every pixel l: P_l holds the inner products of the inputs' features at l and Q_l = sum_o P_{l+o} those
    of the patches around it. From Q^(0): P^(1) = c E_{Q^(0)}[s s], b^(1) = sqrt(c) E_{Q^(0)}[s].
    With e = E_{Q^(h-1)}[s] and k = r / H, P^(h) = P^(h-1) + k (b e^T + e b^T) + k^2 E_{Q^(h-1)}[s s] and
    b^(h) = b^(h-1) + k e, all at the same pixel. The matrix for W^(H) is k^2 sum_l Q_l^(H-1) E_{Q_l^(H-1)}[s' s'].
    (Definition 7.1 with its errors corrected, re-derived: there K^(1) is not summed over patches, the patch matrix
    stands where the pixel matrix belongs, the covariance index and the pairing of b are those of Definition 6.1, and
    a factor k^2 is missing. Inner products of different pixels, which it carries along, do not enter the result: see
    :mod:`bounds.gram.pixels`.)
    For all layers, gradients reach x^(H) with covariance B_l^(H) = 1. With L_l^(h) = k^2 B_l^(h) E_{Q_l^(h-1)}[s' s']
    (c for k^2 at h = 1), W^(h) gives sum_l L_l^(h) Q_l^(h-1), B^(h-1) = B^(h) + patch sums of L^(h) (the branch
    spreads a pixel over the patches that hold it), and a gives sum_l P_l^(H) (re-derived; W^(H) alone is the case
    h = H).

    Args:
        X: (n, channels, p) float64 inputs, used as stored; time and memory grow as n^2 p.
        depth: H >= 2, the number of hidden layers.
        patch: odd number of pixels of a patch.
        activation: s, of finite second moment.
        residual_scale: r, the paper's c_res, at face value.
        trained: ``last_hidden`` (W^(H) alone) or ``all`` layers.
        normalised: divide every input by its exact Euclidean norm, in real arithmetic.

    Raises:
        ValueError: bad inputs, depth, patch or ``trained``; a patch of an input that is all zero; an activation
            without derivative.
    """
    depth = _checked(depth, 2, trained)
    if checked_count(patch, "patch", 1) % 2 == 0:
        raise ValueError(f"a patch has an odd number of pixels, not {patch}")
    checked_images(X)
    checked_activation(activation)
    patches = Patches.centred(X.shape[2], patch)
    with flint.ctx.workprec(PRECISION):
        inputs = patch_products(X, patches, normalised=normalised)
        result = _residual(inputs, patches, depth, activation, residual_scale, trained)
    name = f"convolutional residual, {depth} hidden layers, patch {patch}, scale {residual_scale}, {activation}"
    return result.gram(f"{name}, {_scope(trained, normalised)}")


def _residual(
    inputs: list[BallMatrix],
    patches: Patches,
    depth: int,
    activation: Activation,
    residual_scale: Exact,
    trained: str,
) -> BallMatrix:
    """Forward through the covariances of every pixel, then backward through the layers, as :func:`conv_resnet` says."""
    k = _branch(residual_scale, depth)
    covariances, states = [inputs], [_first_layer(covariance, activation) for covariance in inputs]
    for layer in range(2, depth + 1):
        covariances.append(patches.sums([features for features, _ in states]))
        if layer < depth or trained == "all":
            states = [
                _residual_layer(state, covariance, activation, k)
                for state, covariance in zip(states, covariances[-1], strict=True)
            ]
    backward = [BallMatrix.of(len(inputs[0]), lambda i, j: arb(1))] * len(inputs)
    blocks = [features for features, _ in states] if trained == "all" else []
    for layer in range(depth, 0 if trained == "all" else depth - 1, -1):
        factor = k * k if layer > 1 else activation.normaliser
        slopes = [second_moments(marginals(activation.slope, seen), seen) * factor for seen in covariances[layer - 1]]
        local = [above * slope for above, slope in zip(backward, slopes, strict=True)]
        blocks += [through * seen for through, seen in zip(local, covariances[layer - 1], strict=True)]
        backward = [above + branch for above, branch in zip(backward, patches.spread(local), strict=True)]
    return reduce(add, blocks)


State = tuple[BallMatrix, list[arb]]
"""Gram matrix and means (times sqrt m) of the features of a layer."""


def _first_layer(covariance: BallMatrix, activation: Activation) -> State:
    c = activation.normaliser
    values = marginals(activation.value, covariance)
    return second_moments(values, covariance) * c, [c.sqrt() * value.mean for value in values]


def _residual_layer(state: State, covariance: BallMatrix, activation: Activation, k: arb) -> State:
    """One residual layer whose pre-activations have the given covariance."""
    features, b = state
    values = marginals(activation.value, covariance)
    e = [value.mean for value in values]
    branch = second_moments(values, covariance) * k**2
    return features + _cross_terms(features, b, e, k) + branch, [old + k * new for old, new in zip(b, e, strict=True)]


def _cross_terms(features: BallMatrix, b: list[arb], e: list[arb], k: arb) -> BallMatrix:
    """K (b e^T + e b^T): a feature of one input times the branch of another, uncorrelated given their means."""
    return BallMatrix.of(len(features), lambda i, j: k * (b[i] * e[j] + b[j] * e[i]))


def _branch(residual_scale: Exact, depth: int) -> arb:
    number = isinstance(residual_scale, int | Fraction | float) and not isinstance(residual_scale, bool)
    if not number or not math.isfinite(residual_scale):
        raise ValueError(f"residual_scale is a finite number at face value, not {residual_scale!r}")
    return arb(fmpq(*residual_scale.as_integer_ratio()) / depth)


def _checked(depth: int, least: int, trained: str) -> int:
    if trained not in TRAINED:
        raise ValueError(f"unknown trained={trained!r}: use one of {', '.join(map(repr, TRAINED))}")
    return checked_count(depth, "depth, the number of hidden layers,", least)


def _scope(trained: str, normalised: bool) -> str:
    return f"trained={trained}, {'exactly normalised inputs' if normalised else 'inputs as stored'}"
