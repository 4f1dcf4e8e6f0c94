r"""The argument ``newton-kantorovich``: a quadratic majorant at one point, on a ball where the Jacobian is Lipschitz.

The theorem, the Lipschitz constants and their proofs are in docs/certificates.md. From the certificate only numbers
are taken, each an end of an enclosure; all are proved here from the arrays, and the conclusion is computed anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat

from bounds.checker.definite import Sign, ball_norm_bound, least_sign, spectral_norm_bound
from bounds.checker.files import Floats, Invalid, hex_float, table
from bounds.checker.network import Layer, Network, Signals, cut, evaluate, matrix, norm, patches, residual

CLOSE = arb(2) ** -30
"""How far a stated conclusion may lie on the safe side of what follows from the stated enclosures."""

WIDEST = 2
"""How many paths long the radius of the ball may be."""

ENCLOSURES = "least_singular_value jacobian_norm residual lipschitz"


@dataclass(frozen=True)
class Conclusion:
    """Upper bound of the path, lower bound of the decay."""

    path: float
    decay: float


def check(
    network: Network, X: Floats, y: Floats, step: float | None, stated: dict[str, Any], claim: Conclusion
) -> None:
    """Prove the claim.

    Args:
        network: with its weights.
        X: inputs (n, d).
        y: labels (n,).
        step: of descent; None for the flow.
        stated: the entries ``witnesses`` and ``enclosures`` of the certificate.
        claim: what the statement says.

    Raises:
        Invalid: an inequality is not proved; the message says which.
    """
    radius = hex_float(table(stated["witnesses"], "radius", "the witnesses")["radius"], "the radius")
    found = evaluate(network, X)
    path, decay = conclude(network, X, found, residual(network, found, X, y), step, stated["enclosures"], radius)
    if not (path <= claim.path and arb(claim.path) <= path * (1 + CLOSE)):
        raise Invalid("the stated length of the path does not follow")
    check_decay(decay, claim)


def check_decay(decay: arb, claim: Conclusion) -> None:
    """Hold the stated decay against what follows.

    Raises:
        Invalid: it does not follow.
    """
    if not (decay >= claim.decay and arb(claim.decay) >= decay * (1 - CLOSE)):
        raise Invalid("the stated decay does not follow")


def conclude(
    network: Network, X: Floats, found: Signals, r: list[arb], step: float | None, stated: Any, radius: float
) -> tuple[arb, arb]:
    """Prove the stated enclosures at the network's weights, and what follows for the path and the decay from there.

    Raises:
        Invalid: an inequality is not proved; the message says which.
    """
    ends = ends_of(stated, ENCLOSURES)
    _spectrum(network, found, ends["least_singular_value"], ends["jacobian_norm"])
    rho, (low, high) = norm(r), ends["residual"]
    if not (rho >= low and rho <= high):
        raise Invalid("the residual is not where the certificate says")
    lipschitz, margin = smoothness(network, found, X, arb(radius), continuous=step is None)
    if margin is not None and not margin > 0:
        raise Invalid("a ReLU may reach its kink inside the ball")
    if not lipschitz <= ends["lipschitz"][1] or ends["lipschitz"][0] != 0:
        raise Invalid("the Lipschitz constant of the Jacobian is not proved")
    return _path_and_decay(ends, radius, step)


def ends_of(stated: Any, names: str) -> dict[str, tuple[float, float]]:
    """The two ends of each of these enclosures.

    Raises:
        Invalid: there are others, or one has no two ends in order.
    """
    found = {}
    for name, value in table(stated, names, "the enclosures").items():
        if not isinstance(value, list) or len(value) != 2:
            raise Invalid(f"the enclosure of {name} should have two ends")
        low, high = (hex_float(end, f"an end of {name}") for end in value)
        if not low <= high:
            raise Invalid(f"the ends of {name} are out of order")
        found[name] = low, high
    return found


def _spectrum(network: Network, found: Signals, least: tuple[float, float], largest: tuple[float, float]) -> None:
    K = _gram(network, found)
    for shift, factor, sign, what in (
        (arb(least[0]) ** 2, 1, Sign.POSITIVE, "the least singular value of the Jacobian, from below,"),
        (arb(least[1]) ** 2, 1, Sign.NEGATIVE, "the least singular value of the Jacobian, from above,"),
        (-(arb(largest[1]) ** 2), -1, Sign.POSITIVE, "the norm of the Jacobian, from above,"),
        (-(arb(largest[0]) ** 2), -1, Sign.NEGATIVE, "the norm of the Jacobian, from below,"),
    ):
        if least_sign(K, shift, factor) is not sign:
            raise Invalid(f"{what} is not proved")


def _gram(network: Network, found: Signals) -> arb_mat:
    """J J^T, J the Jacobian of the outputs in all trained numbers.

    The gradient of an output in (W, b) is sum_p g_p v_p^T over the positions, v_p the patch times s with 1 beside it:
    for one position its inner products are products of two; for more it is formed.
    """
    n, count = len(found.outputs), network.outputs
    total = arb_mat(n, n)
    for layer, h, g in zip(network.layers, found.below, found.slope, strict=True):
        if not layer.trained:
            continue
        v = patches(layer, h) * layer.scale
        if layer.bias is not None:
            v = arb_mat([[*row, arb(1)] for row in v.tolist()])
        if layer.positions == 1:
            inner, outer = v * v.transpose(), g * g.transpose()
            total = total + arb_mat([[inner[i // count, j // count] * outer[i, j] for j in range(n)] for i in range(n)])
        else:
            sides = [arb_mat(block) for block in cut(v, h.nrows(), layer.positions)]
            slopes = (arb_mat(g.ncols() // layer.positions, layer.positions, row) for row in g.tolist())
            J = arb_mat([(slope * sides[i // count]).entries() for i, slope in enumerate(slopes)])
            total = total + J * J.transpose()
    return total


def _path_and_decay(ends: dict[str, tuple[float, float]], radius: float, step: float | None) -> tuple[arb, arb]:
    """The theorem, from the stated ends alone."""
    sigma, J, rho, L = (
        arb(ends["least_singular_value"][0]),
        *(arb(ends[name][1]) for name in ("jacobian_norm", "residual", "lipschitz")),
    )
    strength = sigma if step is None else pull(sigma, J + L * radius, step)
    if not strength > 0:
        raise Invalid("the Jacobian is not proved to have full rank")
    h = 2 * L * rho / strength**2
    if not h < 1:
        raise Invalid("h < 1 is not proved")
    path = 2 * rho / (strength * (1 + (1 - h).sqrt()))
    decay = strength**2 * (1 - h)
    if not (path < radius and radius < WIDEST * path + arb(2) ** -300):
        raise Invalid("the ball does not fit the path")
    return path, decay


def pull(sigma: arb, norm: arb, step: float) -> arb:
    """C sigma, for steps from where the Jacobian has at most this norm.

    Raises:
        Invalid: they are too long.
    """
    T = (step * norm**2).max(arb(1)).upper()
    if not T < 2:
        raise Invalid("the step is too long for the ball")
    s = (step * sigma**2).min((2 - T) / T * (1 - arb(2) ** -40)).lower()
    return (T * s * (2 - s - T) / (1 - s * T) / step).sqrt()


def smoothness(network: Network, found: Signals, X: Floats, R: arb, *, continuous: bool) -> tuple[arb, arb | None]:
    """A Lipschitz constant of the Jacobian on the ball, and for the ReLU the least distance from a kink."""
    layers, bend = network.layers, network.activation.bend
    first, last = layers[0], layers[-1]
    if len(layers) == 2 and first.skip is None and first.trained:
        if not last.trained and bend is not None:
            seen, p = _seen(first, X).tolist(), first.positions
            sizes = [(_square(row) * first.scale**2 + (first.bias is not None)).sqrt() for row in seen]
            arrow = found.arrow[0].tolist()[: network.outputs]  # the same for every input: what follows is linear
            filters = [norm([v for row in arrow for v in row[r : r + p]]) for r in range(0, len(arrow[0]), p)]
            return bend * largest(filters) * largest(sizes) * data_norm(first, X), None
        if last.trained and continuous and all(v == 0 for v in matrix(last.weight).entries()):
            return last.scale * last.spread * network.activation.lipschitz * data_norm(first, X), None
    norms = [ball_norm_bound(layer.weight) for layer in layers]
    total, margin = arb(0), None if bend is not None else arb("inf")
    for i in range(len(X)):
        C = network.outputs
        parts = (
            (found.below, [i]),
            (found.z, [i]),
            *((part, range(i * C, i * C + C)) for part in (found.arrow, found.slope)),
        )
        rows = [[[[a[k, j] for j in range(a.ncols())] for k in some] for a in part] for part, some in parts]
        q, clear = _one_input(network, norms, rows, R)
        total += q**2
        if margin is not None and clear is not None:
            margin = margin.min(clear)
    return total.sqrt(), margin


def _seen(first: Layer, X: Floats) -> Floats:
    """The patches of all inputs, as rows."""
    if first.seen is None:
        return X
    index = np.array(first.seen).ravel()
    return np.where(index < 0, 0.0, X[:, index]).reshape(-1, len(first.seen[0]))


def data_norm(first: Layer, X: Floats) -> arb:
    """The norm of the rows (s x, 1), x the patches, or of s x without a bias; (s X, 1) = s (X, c) + (0, 1 - s c)."""
    X = _seen(first, X)
    if first.bias is None:
        return spectral_norm_bound(X) * first.scale
    c = float(1 / first.scale)
    extended = spectral_norm_bound(np.hstack([X, np.full((len(X), 1), c)])) * first.scale
    return extended + abs(1 - first.scale * c) * arb(len(X)).sqrt()


def _one_input(network: Network, norms: list[arb], rows: list[Any], R: arb) -> tuple[arb, arb | None]:
    """A bound of the second derivatives of the outputs of one input on the ball, and how far ReLUs stay from kinks.

    It is one for every sum of outputs that a unit vector weighs.
    """
    below, z, arrows, slopes = rows
    layers, depth = network.layers, len(network.layers)
    lip, bend = network.activation.lipschitz, network.activation.bend
    kink = None if bend is not None else arb("inf")
    moved = [R if layer.trained else arb(0) for layer in layers]
    A, alphas, before = [arb(0)] * depth, [], []
    for index, layer in enumerate(layers):
        size = norm(patches(layer, arb_mat(below[index])).entries()) + layer.spread * norm(A) * R
        alpha = [layer.scale * layer.spread * (norms[index] + moved[index]) * v for v in A]
        if layer.trained:
            alpha[index] += ((layer.scale * size) ** 2 + layer.positions * (layer.bias is not None)).sqrt()
        alphas.append(alpha)
        before.append(A)
        if kink is not None and index < depth - 1:
            kink = kink.min(_least(z[index][0]) - norm(alpha) * R)
        A = (
            [lip * v for v in alpha]
            if layer.skip is None
            else [u + layer.skip * lip * v for u, v in zip(A, alpha, strict=True)]
        )
    Q = [[arb(0)] * depth for _ in range(depth)]
    change, past = arb(0), arb(0)
    for index in reversed(range(depth)):
        layer, alpha = layers[index], alphas[index]
        if index < depth - 1:
            arrow = largest([norm(list(column)) for column in zip(*arrows[index], strict=True)])
            shift = past if layer.skip is None else layer.skip * past
            curved = arb(0) if bend is None else bend
            for j in range(depth):
                for k in range(depth):
                    Q[j][k] += curved * (arrow + shift) * alpha[j] * alpha[k]
            change = lip * shift + arrow * curved * norm(alpha) * R
        G = arb_mat(slopes[index])
        slope = largest([sum(map(abs, row), arb(0)) for row in (G * G.transpose()).tolist()]).sqrt()
        if layer.trained:
            for k in range(depth):
                Q[index][k] += layer.scale * layer.spread * (slope + change) * before[index][k]
                Q[k][index] += layer.scale * layer.spread * (slope + change) * before[index][k]
        through = layer.scale * layer.spread * ((norms[index] + moved[index]) * change + moved[index] * slope)
        past = through if layer.skip is None else through + past
    return perron(Q), kink


def perron(Q: list[list[arb]]) -> arb:
    """An upper bound of the largest eigenvalue of a nonnegative symmetric matrix.

    The lesser of its Frobenius norm and, for a positive vector x near the eigenvector, the largest (Q x)_j / x_j.
    """
    middle = np.array([[float(q.mid()) for q in row] for row in Q])
    if not (middle <= 2.0**500).all():
        raise Invalid("the second derivatives of the network are not bounded")
    x = np.abs(np.linalg.eigh(middle)[1][:, -1]) + 2.0**-30
    image = [sum((q * v for q, v in zip(row, x.tolist(), strict=True)), arb(0)) for row in Q]
    quotients = [v / arb(u) for v, u in zip(image, x.tolist(), strict=True)]
    return largest(quotients).min(norm([q for row in Q for q in row]))


def largest(values: list[arb]) -> arb:
    """The largest of some numbers."""
    largest = values[0]
    for value in values[1:]:
        largest = largest.max(value)
    return largest


def _least(values: list[arb]) -> arb:
    return -largest([-abs(value) for value in values])


def _square(row: list[float]) -> arb:
    return sum((arb(v) ** 2 for v in row), arb(0))
