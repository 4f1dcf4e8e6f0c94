r"""The argument ``trajectory``: descent replayed from the stored weights, then ``newton-kantorovich`` at the last step.

Two layers, the first trained: f = sum_r a'_r s(w_r . x'), with a' and x' scaled. The replay v_k is an exact number of
many bits at each step, as near to v - eta J^T r as its precision allows: d away. True descent w_k is within E of it:
the Hessian of the loss is J^T J + blockdiag(H_r), H_r = a'_r X'^T diag(r_i s''(z_ri)) X', so that between v and w it
lies between -q and N^2 + q, where N = S max_i ||g_i|| + L E bounds ||J|| (Schur's product theorem; g_i the derivatives
of f(x_i) to z, S = ||X'||) and q = max |a'| sup |s''| (||A|| + S^2 N E) with A = X'^T diag(|r_i|) X', which increases
in each |r_i|; ||A|| <= S^2 max |r_i|, and ||A|| <= (tr A^8)^(1/8) = ||A^4||_F^(1/4). So

    E_next = max(1 + eta q, eta (N^2 + q) - 1) E + d.

The residual is f - b, b the labels; for a centred network, which must begin at its own start, b is in balls what f is
there and the labels. The precision is raised until the last E is small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat

from bounds.checker.definite import above
from bounds.checker.files import Floats, Invalid, hex_float, table
from bounds.checker.network import PRECISION, Activation, Network, evaluate, matrix, norm, residual, targets
from bounds.checker.newton_kantorovich import Conclusion, check_decay, conclude, data_norm, largest, smoothness

MOST_STEPS = 100_000

BITS = (192, 256, 512, 1024, 2048, 4096)
"""Of the replay, tried one after the other."""

SHARP = arb(2) ** -80
"""How large E may be in the end."""

LOOSE = arb(2) ** -8
"""How far the stated length of the path may exceed what is found."""


def steps_of(witnesses: Any) -> int:
    """How many steps are to be replayed.

    Raises:
        Invalid: the witnesses do not say it.
    """
    steps = table(witnesses, "radius steps", "the witnesses")["steps"]
    if type(steps) is not int or not 0 <= steps <= MOST_STEPS:
        raise Invalid(f"the number of steps should lie between 0 and {MOST_STEPS}")
    return steps


def check(
    read: Callable[[], Network],
    X: Floats,
    y: Floats,
    step: float | None,
    stated: dict[str, Any],
    claim: Conclusion,
) -> None:
    """Prove the claim.

    Args:
        read: the network with its weights at the start, at the precision of the moment.
        X: inputs (n, d).
        y: labels (n,).
        step: of descent.
        stated: the entries ``witnesses`` and ``enclosures`` of the certificate; enclosures are about the last step.
        claim: what the statement says.

    Raises:
        Invalid: an inequality is not proved; the message says which.
    """
    steps, radius = steps_of(stated["witnesses"]), hex_float(stated["witnesses"]["radius"], "the radius")
    network = read()
    first, last = network.layers[0], network.layers[-1]
    plain = len(network.layers) == 2 and first.skip is None and first.bias is None and first.trained
    plain = plain and first.seen is None and last.seen is None and last.bias is None and network.outputs == 1
    if not plain or last.trained or network.activation.bend is None or step is None:
        raise Invalid("only descent on the first of two layers, smooth and without biases, is followed")
    if network.start is not None and not network.at_start:
        raise Invalid("a centred network is followed from its own start, and these weights are others")
    for bits in BITS:
        with flint.ctx.workprec(max(bits, PRECISION)):
            network = read()
            b = targets(network, X, y)
            there, error, walked = _follow(network, X, b, arb(step), steps)
        if error < SHARP:
            break
    else:
        raise Invalid("the replay loses too many digits")
    found = evaluate(there, X)
    r = [f - v for f, v in zip(found.outputs, b, strict=True)] if steps else residual(network, found, X, y)
    path, decay = conclude(there, X, found, r, step, stated["enclosures"], radius)
    if not (walked + path <= claim.path and arb(claim.path) <= (walked + path) * (1 + LOOSE)):
        raise Invalid("the stated length of the path does not follow")
    check_decay(decay, claim)


def _follow(network: Network, X: Floats, b: list[arb], eta: arb, steps: int) -> tuple[Network, arb, arb]:
    """The network after so many exact steps, in balls; E; and an upper bound of the length of the path."""
    first, last = network.layers
    S, bend = data_norm(first, X), network.activation.bend
    assert bend is not None
    inputs, W = matrix(X) * first.scale, matrix(first.weight)
    readout = matrix(last.weight).transpose() * last.scale
    arrows, (n, m, d) = readout.entries(), (len(X), W.nrows(), W.ncols())
    steepest = largest([abs(v) for v in arrows])
    sizes = np.array([above(abs(v)) for v in arrows])
    L = smoothness(network, evaluate(network, X), X, arb(0), continuous=False)[0]
    E, walked = arb(0), arb(0)
    for _ in range(steps):
        values, slopes = _jets(network.activation, (inputs * W.transpose()).entries())
        r = [f - v for f, v in zip((arb_mat(n, m, values) * readout).entries(), b, strict=True)]
        # In float64 a sum of squares is wrong by less than 2^-20 of itself; all radii are in that of the sum of slopes.
        rows = np.square(np.array([float(v) for v in slopes]).reshape(n, m) * sizes).sum(axis=1)
        steep = (arb(float(rows.max())) * (1 + arb(2) ** -20) + arb(2) ** -900).sqrt()
        N = S * (steep + steepest * sum(slopes, arb(0)).rad()) + L * E
        q = steepest * bend * (_curvature(inputs, r, S) + S**2 * N * E)
        weighted = arb_mat(n, m, [v * e for v, e in zip(slopes, (e for e in r for _ in range(m)), strict=True)])
        pulled = (weighted.transpose() * inputs).entries()
        move = [eta * v * u for v, u in zip(pulled, (u for u in arrows for _ in range(d)), strict=True)]
        after = [w - v for w, v in zip(W.entries(), move, strict=True)]
        middle = [v.mid() for v in after]
        lost = norm([v - u for v, u in zip(after, middle, strict=True)])
        following = ((1 + eta * q).max(eta * (N**2 + q) - 1) * E + lost).upper()
        walked = (walked + norm(move) + lost + E + following).upper()
        E, W = following, arb_mat(m, d, middle)
        if not E < SHARP:  # it never shrinks
            break
    there = replace(first, weight=arb_mat(m, d, [v + arb(0, E) for v in W.entries()]))
    return replace(network, layers=[there, last]), E, walked


def _jets(activation: Activation, z: list[arb]) -> tuple[list[arb], list[arb]]:
    """Values and slopes; the slope of tanh is 1 - tanh^2."""
    values = [activation.value(v) for v in z]
    if activation.value is arb.tanh:
        return values, [1 - v * v for v in values]
    return values, [activation.slope(v) for v in z]


def _curvature(inputs: arb_mat, r: list[arb], S: arb) -> arb:
    """A bound of ||A||; in float64, where the nonzero spectrum of A = B^T B is that of the smaller of B^T B and B B^T.

    The rows of B are the inputs times |r_i|^(1/2), over the largest of all entries, so that nothing that counts leaves
    the range of float64; t is its squared Frobenius norm. A, computed, is wrong by at most (n + d + 16) 2^-51 t in
    norm, its fourth power by so much times 4 t^4; the allowance w is eight times as large.
    """
    n, d, roots = inputs.nrows(), inputs.ncols(), [abs(v).upper().sqrt() for v in r]
    weighted = [root * v for root, row in zip(roots, inputs.tolist(), strict=True) for v in row]
    top = largest([abs(v) for v in weighted]).upper()
    if top == 0:
        return top
    B = np.array([float(v / top) for v in weighted]).reshape(n, d)
    A = B.T @ B if d < n else B @ B.T
    fourth, t, w = np.linalg.matrix_power(A, 4), arb(float(np.square(B).sum())), arb(n + d + 16) * arb(2) ** -46
    power = arb(float(np.linalg.norm(fourth))) + w * t**4
    return (S**2 * largest(roots) ** 2).min((power.root(4) + w * t) * (1 + arb(2) ** -20) * top**2)
