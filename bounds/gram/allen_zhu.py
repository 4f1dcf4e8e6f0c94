"""Gram matrices of the infinitely wide networks of Allen-Zhu, Li and Song (ICML 2019, arXiv 1811.03962).

ReLU networks without factors 1 / sqrt(m): h_0 = relu(A x), h_l = relu(W_l h_{l-1}) for l = 1, ..., L, f(x) = B h_L
with c outputs; entries of A and W_l start as N(0, 2 / m), of B as N(0, 1 / c); A and B stay, W_1, ..., W_L are
trained. (The setting is from memory; the matrices are re-derived here.)

At width m the gradients of output k at x_i and of output k' at x_j with respect to W_l have the inner product

    <D_{i,l} Back_{i,l+1}^T e_k, D_{j,l} Back_{j,l+1}^T e_k'> <h_{i,l-1}, h_{j,l-1}>,

D the diagonal of active neurons and Back_{l+1} = B D_L W_L ... D_{l+1} W_{l+1}. Times c / m it converges to
1{k = k'} G^(l)_ij as m grows, and sum_l G^(l) is what the functions here enclose: m / c times it, for each output, is
the Gram matrix of a wide network to leading order. For l = L and any output, c / m times the inner product is
<h_{i,L-1}, h_{j,L-1}> (1 / m) #{neurons of layer L active for both} in expectation over B, at every width: the matrix
behind the paper's lower bound of the gradient (its Lemma 9.2 and Theorem 3, numbers from memory).

The paper's residual network has no function here. Its h_l = relu(h_{l-1} + tau W_l h_{l-1}) adds a Gaussian to a
neuron's own value and then cuts, so the neurons of a layer are no Gaussians but reflected random walks of l + 1 steps:
inner products are Gaussian integrals of dimension 2 l + 2, and those of one layer do not determine those of the next.
With the paper's tau = 1 / Omega(L log m) the walk stands still as m grows: the limit for W_L, before which there is no
skip, is that of the fully-connected network with L = 1, and the other layers' gradients vanish.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import flint
import numpy as np
from flint import arb

from bounds.activations import RELU
from bounds.gram.balls import PRECISION, BallMatrix, inner_products, marginals, second_moments
from bounds.gram.matrix import Array, Gram, checked_count, checked_rows
from bounds.gram.pixels import ONE_PIXEL, Patches, checked_images, patch_products

TRAINED = ("last_hidden", "hidden")


def allen_zhu_fully_connected(X: Array, *, depth: int, trained: str = "last_hidden", normalised: bool = False) -> Gram:
    """Enclose the limit of c / m times the Gram matrix of one output of the fully-connected network.

    With S^(0) = 2 E_{X X^T}[relu relu], S^(l) = 2 E_{S^(l-1)}[relu relu], the limits of <h_{i,l}, h_{j,l}>, and
    P^(l) = E_{S^(l-1)}[step step], the probability that a neuron of layer l is active for both inputs,
    G^(l) = S^(l-1) P^(l) (2 P^(l+1)) ... (2 P^(L)), entry by entry: a layer on the way back multiplies the covariance
    of gradients by the variance 2 / m of its weights, the number m of its neurons and the share of active ones.

    Args:
        X: (n, d) float64 inputs, used as stored; the paper asks for unit rows whose last entry is 1 / sqrt(2).
        depth: L >= 1, the number of trained layers; the network has one hidden layer more.
        trained: ``last_hidden`` (W_L alone, G^(L)) or ``hidden`` (W_1, ..., W_L, the sum of all G^(l)).
        normalised: divide every row by its exact norm, in real arithmetic.

    Raises:
        ValueError: bad inputs, depth or ``trained``.
    """
    depth = _checked(depth, trained)
    checked_rows(X)
    with flint.ctx.workprec(PRECISION):
        result = _gram([inner_products(X, normalised=normalised)], ONE_PIXEL, depth, trained)
    return result.gram(f"Allen-Zhu et al., fully connected, {_scope(depth, trained, normalised)}")


def allen_zhu_convolutional(
    X: Array,
    *,
    patches: Sequence[Sequence[int]] | np.ndarray,
    depth: int,
    trained: str = "last_hidden",
    normalised: bool = False,
) -> Gram:
    """Enclose the limit of c / m times the Gram matrix of one output of the convolutional network with D pixels.

    h_{l,p} = relu(W_l h_{l-1,patch(p)}), W_l of shape m x (q m), the same for all pixels p; patch(p) is a list of q
    pixels, each pixel lies in q patches; A likewise, f(x) = B vec(h_L); entries of A and W_l start as
    N(0, 2 / (q m)), of B as N(0, 1 / c) (from memory, conventions for patches unverified).

    At every pixel p, Q_p^(0) holds the inner products of the inputs' patches divided by q, and Q_p^(l) the sum over the
    patch of 2 E_{Q^(l-1)}[relu relu], divided by q: the covariance of a neuron of layer l is 2 / m times it. From
    C_p^(L) = 1 and P_p^(l) = E_{Q_p^(l)}[step step], C_p^(l-1) is 2 / q times the sum of C^(l) P^(l) over the patches
    that hold p, and G^(l) = q sum_p C_p^(l) P_p^(l) Q_p^(l) (re-derived; inner products of different pixels do not
    enter, see :mod:`bounds.gram.pixels`).

    Args:
        X: (n, channels, D) float64 inputs, used as stored; time and memory grow as n^2 D.
        patches: (D, q) indices of pixels, in any order within a patch. A ring of pixels has
            ``(numpy.arange(D)[:, None] + numpy.arange(q)) % D``.
        depth: L >= 1, the number of trained layers; the network has one hidden layer more.
        trained: ``last_hidden`` (W_L alone) or ``hidden`` (W_1, ..., W_L).
        normalised: divide every input by its exact Euclidean norm, in real arithmetic.

    Raises:
        ValueError: bad inputs, depth, patches or ``trained``; a patch of an input that is all zero.
    """
    depth = _checked(depth, trained)
    checked_images(X)
    regular = _regular(patches, X.shape[2])
    size = len(regular.seen[0])
    with flint.ctx.workprec(PRECISION):
        inputs = [seen * (1 / arb(size)) for seen in patch_products(X, regular, normalised=normalised)]
        result = _gram(inputs, regular, depth, trained)
    return result.gram(f"Allen-Zhu et al., convolutional, patches of {size}, {_scope(depth, trained, normalised)}")


def _gram(inputs: list[BallMatrix], patches: Patches, depth: int, trained: str) -> BallMatrix:
    """Forward through Q^(0), ..., Q^(L), then backward, as :func:`allen_zhu_convolutional` says."""
    size = arb(len(patches.seen[0]))
    covariances = [inputs]
    for _ in range(depth):
        features = [second_moments(marginals(RELU.value, seen), seen) * (2 / size) for seen in covariances[-1]]
        covariances.append(patches.sums(features))
    backward = [BallMatrix.of(len(inputs[0]), lambda i, j: arb(1))] * len(inputs)
    blocks = []
    for layer in range(depth, 0 if trained == "hidden" else depth - 1, -1):
        active = [second_moments(marginals(RELU.slope, seen), seen) for seen in covariances[layer]]
        local = [above * both for above, both in zip(backward, active, strict=True)]
        blocks += [through * seen * size for through, seen in zip(local, covariances[layer], strict=True)]
        backward = [above * (2 / size) for above in patches.spread(local)]
    return reduce(add, blocks)


def _regular(patches: Sequence[Sequence[int]] | np.ndarray, pixels: int) -> Patches:
    """The patches, where every pixel has one and lies in as many as one holds."""
    try:
        table = np.asarray(patches)
    except ValueError:
        raise ValueError("patches are a table: all of them have the same number of pixels") from None
    if table.dtype.kind not in "iu" or table.ndim != 2 or len(table) != pixels or table.shape[1] == 0:
        raise ValueError(
            f"patches are a table of integers with {pixels} rows, one for each pixel, "
            f"not of type {table.dtype} and shape {table.shape}"
        )
    if table.min() < 0 or table.max() >= pixels:
        raise ValueError(f"patches name pixels from 0 to {pixels - 1}, not {table.min()} to {table.max()}")
    count = np.bincount(table.ravel(), minlength=pixels)
    wrong = np.flatnonzero(count != table.shape[1])
    if wrong.size:
        raise ValueError(
            f"pixel {wrong[0]} lies in {count[wrong[0]]} patches and a patch has {table.shape[1]} pixels: "
            "these numbers must agree; close the image to a ring, or pad it"
        )
    return Patches(tuple(tuple(row) for row in table.tolist()))


def _checked(depth: int, trained: str) -> int:
    if trained not in TRAINED:
        raise ValueError(f"unknown trained={trained!r}: use one of {', '.join(map(repr, TRAINED))}")
    return checked_count(depth, "depth, the number of trained layers,", 1)


def _scope(depth: int, trained: str, normalised: bool) -> str:
    return f"L={depth}, trained={trained}, {'exactly normalised inputs' if normalised else 'inputs as stored'}"
