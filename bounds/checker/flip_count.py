r"""The argument ``flip-count``: a wide ReLU network at its start, by the neurons that may cross their kinks.

f = m^(-1/2) sum_r a_r max(w_r.x, 0), a_r = +-1, the first layer trained; G = X X^T, S = ||X||, r_i = ||x_i||,
H = (P^T P / m) o G with P the signs at the start. Let A be the pairs with |z_ri| <= R r_i, nu_i the share of neurons
paired with i, U_ij of those paired with i or j. While all neurons stay within R of the start, only pairs of A, with
slopes in [0, 1], differ from P, so that e_next = (I - eta (H(k) - H'(k))) e - I(k) with

    ||H(k) - H|| <= || (|G_ij| U_ij) ||,  ||H'(k)|| <= || (|G_ij| nu_i) ||,  ||I(k)|| <= eta S || (nu_i r_i) || ||e||,

the drift, the unsettled and the kink part. For eta <= 1 / S^2 the residual shrinks by 1 - eta mu in each step, mu the
least eigenvalue of H less these three; neurons travel at most S ||e|| / (m^(1/2) mu), which must be below R, and all
together m^(1/2) times as far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat

from bounds.checker.definite import Sign, above, least_sign, spectral_norm_bound
from bounds.checker.files import Floats, Invalid, hex_float, table
from bounds.checker.network import Network, matrix, norm, product
from bounds.checker.newton_kantorovich import CLOSE, WIDEST, Conclusion, check_decay, ends_of, perron

MOST_PAIRS = 2**27
"""Neurons times inputs."""

STARTS = "data_norm residual least_eigenvalue"
LOSSES = "drift unsettled kink"


def check(
    network: Network, X: Floats, y: Floats, step: float | None, stated: dict[str, Any], claim: Conclusion
) -> None:
    """Prove the claim; arguments as for ``newton-kantorovich``.

    Raises:
        Invalid: an inequality is not proved; the message says which.
    """
    radius = hex_float(table(stated["witnesses"], "radius", "the witnesses")["radius"], "the radius")
    ends = ends_of(stated["enclosures"], f"{STARTS} {LOSSES}")
    start = Start.proved(network, X, y, ends)
    if step is None or not step * start.norm**2 <= 1:
        raise Invalid("the step is not proved to be at most 1 / ||X||^2")
    mu = start.least - _losses(start, radius, ends)
    if not mu > 0:
        raise Invalid("mu > 0 is not proved")
    path = start.norm * start.residual / mu
    travel = path / arb(start.width).sqrt()
    if not (travel < radius and radius < WIDEST * travel + arb(2) ** -300):
        raise Invalid("the radius does not fit what neurons travel")
    if not (path <= claim.path and arb(claim.path) <= path * (1 + CLOSE)):
        raise Invalid("the stated length of the path does not follow")
    check_decay(mu, claim)


@dataclass(frozen=True, eq=False)
class Start:
    """A network at its start: its Gram matrix of the inputs, their lengths, and what is proved of it.

    Args:
        z, wrong: pre-activations (m, n) in float64, and bounds of their errors.
        G: X X^T.
        lengths: of the inputs.
        norm, residual: upper bounds of ||X|| and ||F - y||.
        least: a lower bound of the least eigenvalue of H.
    """

    z: Floats
    wrong: Floats
    G: arb_mat
    lengths: list[arb]
    norm: arb
    residual: arb
    least: arb

    @classmethod
    def proved(cls, network: Network, X: Floats, y: Floats, ends: dict[str, tuple[float, float]]) -> Start:
        """Prove the stated enclosures at the start.

        In float64 w.x is wrong by less than (d + 16) 2^-53 ||w|| ||x||.

        Raises:
            Invalid: one is not proved.
        """
        W, a = two_layers(network, X)
        rho, (low, high) = norm(start_residual(network, W, a, X, y)), ends["residual"]
        if not (rho >= low and rho <= high):
            raise Invalid("the residual is not where the certificate says")
        G, largest = matrix(X) * matrix(X).transpose(), arb(ends["data_norm"][1])
        if ends["data_norm"][0] or least_sign(G, -(largest**2), -1) is not Sign.POSITIVE:
            raise Invalid("the norm of the inputs is not proved")
        lengths = [G[i, i].sqrt() for i in range(len(X))]
        z = W @ X.T
        active = (z > 0).astype(np.float64)
        H = product(G, matrix(active.T @ active)) * (1 / arb(len(W)))  # counts are exact
        least, most = ends["least_eigenvalue"]
        if least_sign(H, arb(least)) is not Sign.POSITIVE or least_sign(H, arb(most)) is not Sign.NEGATIVE:
            raise Invalid("the least eigenvalue at the start is not proved")
        sizes = np.outer(np.linalg.norm(W, axis=1) + 2.0**-500, [above(v) for v in lengths])  # squares may vanish
        wrong = (X.shape[1] + 16) * 2.0**-51 * sizes + 2.0**-900
        return cls(z, wrong, G, lengths, largest, arb(high), arb(least))

    @property
    def width(self) -> int:
        """M."""
        return len(self.z)

    @property
    def reach(self) -> Floats:
        """Lower bounds (m, n) of |z_ri| / r_i."""
        clear = np.maximum(np.abs(self.z) - self.wrong, 0.0)
        reach: Floats = clear / np.array([above(v) for v in self.lengths]) * (1 - 2.0**-50)
        return reach


def _losses(start: Start, radius: float, ends: dict[str, tuple[float, float]]) -> arb:
    """The sum of the three losses as stated.

    Raises:
        Invalid: one is not proved.
    """
    near = (~(start.reach > radius)).astype(np.float64)
    both = near.T @ near  # counts are exact
    counts = both.diagonal()
    n, m = len(counts), start.width
    either = counts[:, None] + counts - both
    sizes = [[abs(start.G[i, j]) / m for j in range(n)] for i in range(n)]
    unsettled = np.array([[above(v * int(c)) if c else 0.0 for v in row] for c, row in zip(counts, sizes, strict=True)])
    found = {
        "drift": perron([[v * int(either[i, j]) for j, v in enumerate(row)] for i, row in enumerate(sizes)]),
        "unsettled": spectral_norm_bound(unsettled),
        "kink": start.norm * norm([v * int(c) / m for v, c in zip(start.lengths, counts, strict=True)]),
    }
    for name, value in found.items():
        if ends[name][0] or not value <= ends[name][1]:
            raise Invalid(f"the {name} part of the losses is not proved")
    return sum((arb(ends[name][1]) for name in found), arb(0))


def two_layers(network: Network, X: Floats) -> tuple[Floats, Floats]:
    """The weights and the signs of a network that is treated here, on such inputs.

    Raises:
        Invalid: it is another.
    """
    first, last = network.layers[0], network.layers[-1]
    W, a = first.weight, last.weight
    assert isinstance(W, np.ndarray) and isinstance(a, np.ndarray)
    plain = len(network.layers) == 2 and first.skip is None and first.bias is None and last.bias is None
    plain = plain and first.seen is None and network.outputs == 1
    scaled = first.scale_squared == 1 and last.scale_squared * len(W) == 1 and (np.abs(a) == 1).all()
    if not (plain and scaled and first.trained and not last.trained and network.activation.bend is None):
        raise Invalid("only m^(-1/2) sum a_r max(w_r.x, 0), a_r = +-1, with its first layer trained, is treated so")
    if len(W) * len(X) > MOST_PAIRS:
        raise Invalid(f"{len(W)} neurons on {len(X)} inputs: at most {MOST_PAIRS} pairs are treated")
    if network.start is not None and not network.at_start:
        raise Invalid("a centred network is followed from its own start, and these weights are others")
    return W, a[0]


def start_residual(network: Network, W: Floats, a: Floats, X: Floats, y: Floats) -> list[arb]:
    """F - y at the stored weights."""
    if network.at_start:
        return [-arb(v) for v in y.tolist()]
    z = matrix(X) * matrix(W).transpose()
    after = arb_mat(z.nrows(), z.ncols(), [v.nonnegative_part() for v in z.entries()])
    sums = (after * matrix(a).transpose()).entries()
    return [f / arb(len(W)).sqrt() - arb(v) for f, v in zip(sums, y.tolist(), strict=True)]
