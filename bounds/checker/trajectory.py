r"""The argument ``trajectory``: descent replayed from the stored weights, then ``newton-kantorovich`` at the last step.

Two layers, the first trained: f = sum_r a'_r s(w_r . x'), with a' and x' scaled. The replay v_k is an exact number of
many bits at each step, as near to v - eta J^T r as its precision allows: d away. True descent w_k is within E of it:
the Hessian of the loss is J^T J + blockdiag(H_r), H_r = a'_r X'^T diag(r_i s''(z_ri)) X', so that between v and w it
lies between -q and N^2 + q, where N = S max_i ||g_i|| + L E bounds ||J|| (Schur's product theorem; g_i the derivatives
of f(x_i) to z, S = ||X'||) and q = max |a'| sup |s''| (||A|| + S^2 N E) with A = X'^T diag(|r_i|) X', which increases
in each |r_i|; ||A|| <= S^2 max |r_i|, and ||A|| <= (tr A^4)^(1/4) = ||A^2||_F^(1/2). So

    E_next = max(1 + eta q, eta (N^2 + q) - 1) E + d.

The residual is f - b, b the labels; for a centred network, which must begin at its own start, b is in balls what f is
there and the labels. The precision is raised until the last E is small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flint
from flint import arb, arb_mat

from bounds.checker.files import Floats, Invalid, hex_float, table
from bounds.checker.network import PRECISION, Network, evaluate, matrix, norm, product, targets
from bounds.checker.newton_kantorovich import Conclusion, check_decay, conclude, data_norm, largest, smoothness

MOST_STEPS = 100_000

BITS = (256, 512, 1024, 2048, 4096)
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
    plain = plain and first.seen is None and last.seen is None and network.outputs == 1
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
    r = [f - v for f, v in zip(found.outputs, b, strict=True)]
    path, decay = conclude(there, X, found, r, step, stated["enclosures"], radius)
    if not (walked + path <= claim.path and arb(claim.path) <= (walked + path) * (1 + LOOSE)):
        raise Invalid("the stated length of the path does not follow")
    check_decay(decay, claim)


def _follow(network: Network, X: Floats, b: list[arb], eta: arb, steps: int) -> tuple[Network, arb, arb]:
    """The network after so many exact steps, in balls; E; and an upper bound of the length of the path."""
    first, last = network.layers
    S, bend = data_norm(first, X), network.activation.bend
    assert bend is not None
    steepest = largest([abs(v) for v in matrix(last.weight).entries()]) * last.scale * bend
    L, E, walked = arb(0), arb(0), arb(0)
    for k in range(steps):
        found = evaluate(network, X)
        if k == 0:
            L = smoothness(network, found, X, arb(0), continuous=False)[0]
        r, g = [f - v for f, v in zip(found.outputs, b, strict=True)], found.slope[0]
        rows = [norm([g[i, j] for j in range(g.ncols())]) for i in range(g.nrows())]
        N = S * largest(rows) + L * E
        q = steepest * (_curvature(found.below[0], r, first.scale, S, g.ncols()) + S**2 * N * E)
        weighted = product(g, arb_mat(g.nrows(), g.ncols(), [v for v in r for _ in range(g.ncols())]))
        move = weighted.transpose() * found.below[0] * (first.scale * eta)
        after = (matrix(network.layers[0].weight) - move).entries()
        middle = [v.mid() for v in after]
        lost = norm([v - u for v, u in zip(after, middle, strict=True)])
        following = ((1 + eta * q).max(eta * (N**2 + q) - 1) * E + lost).upper()
        walked = (walked + norm(move.entries()) + lost + E + following).upper()
        E = following
        if not E < SHARP:  # it never shrinks
            break
        network = replace(network, layers=[replace(first, weight=arb_mat(move.nrows(), move.ncols(), middle)), last])
    weight = matrix(network.layers[0].weight)
    balls = [v + arb(0, E) for v in weight.entries()]
    there = replace(first, weight=arb_mat(weight.nrows(), weight.ncols(), balls))
    return replace(network, layers=[there, last]), E, walked


def _curvature(X: arb_mat, r: list[arb], scale: arb, S: arb, width: int) -> arb:
    """A bound of ||A||, the sharper one where it costs no more than the network itself."""
    sizes, d = [abs(v) for v in r], X.ncols()
    simple = S**2 * largest(sizes)
    if d > width:
        return simple
    A = X.transpose() * product(X, arb_mat(len(r), d, [v for v in sizes for _ in range(d)])) * scale**2
    return simple.min(norm((A * A).entries()).sqrt())
