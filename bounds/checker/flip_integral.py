r"""The argument ``flip-integral``: gradient flow of a wide ReLU network from its start, by an integral over its flips.

Notation of ``flip-count``; k(u) is the largest number of neurons with |z_ri| <= u r_i on one input. Up to the time when
u = S m^(-1/2) int ||e|| no neuron has moved farther than u, thus ||J - J(0)||^2 <= S^2 k(u) / m, and with sigma(u) =
lambda^(1/2) - S (k(u) / m)^(1/2), while it is positive, d||e|| / du <= -m^(1/2) sigma(u)^2 / S. So u stays below any U
with int_0^U sigma^2 >= S m^(-1/2) ||e(0)||: the path is no longer than m^(1/2) U, and the decay is the least sigma^2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb

from bounds.checker.files import Floats, Invalid, hex_float, table
from bounds.checker.flip_count import STARTS, Start
from bounds.checker.network import Network
from bounds.checker.newton_kantorovich import CLOSE, Conclusion, check_decay, ends_of


def check(
    network: Network, X: Floats, y: Floats, step: float | None, stated: dict[str, Any], claim: Conclusion
) -> None:
    """Prove the claim; arguments as for ``newton-kantorovich``.

    Raises:
        Invalid: an inequality is not proved; the message says which.
    """
    radius = hex_float(table(stated["witnesses"], "radius", "the witnesses")["radius"], "the radius")
    if step is not None:
        raise Invalid("only gradient flow is proved so")
    start = Start.proved(network, X, y, ends_of(stated["enclosures"], STARTS))
    m = arb(start.width)
    first = np.sort(start.reach, axis=0).min(axis=1)  # k(u) <= j for u below first[j]
    points = [*first[: np.searchsorted(first, radius)].tolist(), radius]
    total, before, sigma = arb(0), arb(0), arb(0)
    for j, point in enumerate(points):
        sigma = start.least.sqrt() - start.norm * (j / m).sqrt()
        if not sigma > 0:
            raise Invalid("sigma(u) > 0 is not proved up to the radius")
        total += sigma**2 * (point - before)
        before = arb(point)
    if not total >= start.norm * start.residual / m.sqrt():
        raise Invalid("the integral is not proved large enough")
    path = radius * m.sqrt()
    if not (path <= claim.path and arb(claim.path) <= path * (1 + CLOSE)):
        raise Invalid("the stated length of the path does not follow")
    check_decay(sigma**2, claim)
