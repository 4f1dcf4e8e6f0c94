r"""Two-layer ReLU networks at their start: convergence by counting the neurons near a kink. Re-derived.

The a-posteriori form of Theorem 4.1 of Du, Zhai, Poczos and Singh (2019): no probability, no infinite width, the counts
of the drawn weights themselves. Inputs need not be unit vectors. Write S = ||X||^2, r_i = ||x_i||, and for R >= 0

    A_ri = 1 if |w_r(0).x_i| <= R r_i else 0,  nu_i = mean_r A_ri,  U_ij = mean_r max(A_ri, A_rj).

While every neuron stays within R of its start, its pattern on x_i can differ from the start only where A_ri = 1, so

    ||H(k) - H(0)|| <= drift        = || (|x_i.x_j| U_ij)_ij ||,
    ||H_perp(k)||   <= unsettled    = || (|x_i.x_j| nu_i)_ij ||     (spectral norm of a nonsymmetric matrix),
    ||I_2(k)||      <= eta kink ||e(k)||,  kink = sqrt(S) || (nu_i r_i)_i ||,

the last because a step moves w_r by at most eta sqrt(S/m) ||e||. With e(k+1) = (I - eta (H - H_perp)) e - I_2 and
0 <= H <= S, a step eta <= 1/S gives ||e(k+1)|| <= (1 - eta mu) ||e(k)|| for

    mu = lambda_min(H(0)) - drift - unsettled - kink.

Neurons travel at most eta sqrt(S/m) sum_k (1 - eta mu)^k ||e(0)|| = sqrt(S) ||e(0)|| / (sqrt(m) mu) = R'. If mu > 0 and
R' <= R for some R, the induction closes: ||e(k)|| <= (1 - eta mu)^k ||e(0)|| for all k, for every step eta <= 1/S.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import flint
import numpy as np
from flint import arb

from bounds import gram, linalg
from bounds.arithmetic import PRECISION, Enclosure, Outcome, Verdict, compare, exact_ball
from bounds.certificates.stack import LARGEST, Floats

UNIT_ROUNDOFF = 2.0**-53
FLUSHED = 2.0**-1020
"""More than one operation loses to underflow per unit of its operands, even where subnormals are flushed to zero."""

ROUNDS = 60
MARGIN = 1 + 2.0**-10
"""Room in the radius for a checker with other roundings."""


@dataclass(frozen=True)
class FlipCount:
    """What the argument proves about one network at its start.

    Args:
        verdict: holds where convergence to zero loss is proved; else undecided, with the inequality that is missing.
        radius: R, the ball in which the patterns were counted.
        travel: R', an upper bound of every neuron's travel where the verdict holds.
        contraction: mu; the residual shrinks by 1 - eta mu in each step.
        step_size: 1/S; every step up to its lower bound is covered.
        initial_residual: ||e(0)||.
        initial_least_eigenvalue: lambda_min(H(0)).
        drift, unsettled, kink: the three losses at R.
    """

    verdict: Verdict
    radius: Enclosure
    travel: Enclosure
    contraction: Enclosure
    step_size: Enclosure
    initial_residual: Enclosure
    initial_least_eigenvalue: Enclosure
    drift: Enclosure
    unsettled: Enclosure
    kink: Enclosure


def flip_count(X: Floats, y: Floats, weights: Floats, signs: Floats, *, centred: bool = False) -> FlipCount:
    """Try to prove that gradient descent from these weights reaches zero loss.

    Args:
        X: inputs (n, d), float64, taken as stored.
        y: labels (n,).
        weights: first layer (m, d), float64, taken as stored.
        signs: output weights (m,), each -1 or +1.
        centred: whether the exact outputs at the start are subtracted, so that e(0) = -y.

    Returns:
        The proof's numbers at the smallest radius at which it closes, or at the radius where it broke down.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite, output weights other than -1 and +1.
    """
    with flint.ctx.workprec(PRECISION):
        return _close(Start.measure(X, y, weights, signs, centred=centred))


@dataclass(frozen=True)
class Start:
    """The start of one network, enclosed: preactivations with errors, inner products, and what follows from them."""

    magnitudes: Floats  # (m, n) lower bounds of |w_r.x_i| / r_i
    products: Floats  # (n, n) upper bounds of |x_i.x_j|
    norms: Floats  # (n,) upper bounds of r_i
    residual: arb
    least_eigenvalue: arb
    spectral: arb  # sqrt(S)

    @classmethod
    def measure(cls, X: Floats, y: Floats, weights: Floats, signs: Floats, *, centred: bool = False) -> Start:
        """Measure a network; arguments and errors as for :func:`flip_count`."""
        _check(X, y, weights, signs)
        inner = gram.linear(X)
        width, d = weights.shape
        diagonal = np.diag(inner.midpoint)
        norms = np.sqrt(diagonal + np.diag(inner.radius)) * (1 + 4 * UNIT_ROUNDOFF)
        preactivations = weights @ X.T
        sizes = np.sqrt(np.einsum("rd,rd->r", weights, weights)) * (1 + (d + 4) * UNIT_ROUNDOFF) + d * 2.0**-537
        error = _gamma(d + 2) * np.outer(sizes, norms) + d * FLUSHED * (1 + np.add.outer(sizes, norms))
        smallest = np.maximum(np.abs(preactivations) - error, 0.0) / norms * (1 - 4 * UNIT_ROUNDOFF)
        return cls(
            magnitudes=smallest,
            products=np.nextafter(np.abs(inner.midpoint) + inner.radius, np.inf) + FLUSHED,
            norms=norms,
            residual=_norm(y) if centred else _residual(preactivations, error, y, signs, width),
            least_eigenvalue=_least_eigenvalue(inner, preactivations, error, width),
            spectral=linalg.spectral_norm(X).ball,
        )

    @property
    def width(self) -> int:
        """Number of neurons."""
        return len(self.magnitudes)

    def losses(self, radius: float) -> tuple[arb, arb, arb]:
        """Upper bounds of drift, unsettled and kink at R."""
        near = (~(self.magnitudes > radius)).astype(np.float64)
        both = near.T @ near  # counts: exact in float64
        counts = np.diag(both)
        either = (counts[:, None] + counts[None, :] - both) / self.width
        fractions = counts / self.width
        grow = 1 + 4 * UNIT_ROUNDOFF
        drift = linalg.spectral_norm(self.products * either * grow).ball.upper()
        unsettled = linalg.spectral_norm(self.products * fractions[:, None] * grow).ball.upper()
        terms = (exact_ball(float(f)) * exact_ball(float(r)) for f, r in zip(fractions * grow, self.norms, strict=True))
        kink = self.spectral.upper() * sum((t * t for t in terms), arb(0)).sqrt().upper()
        return drift, unsettled, kink


def _close(network: Start) -> FlipCount:
    """Iterate R <- R'(R) from R = 0: it increases to the least radius at which the argument closes, if there is one."""
    radius = 0.0
    for _ in range(ROUNDS):
        drift, unsettled, kink = network.losses(radius)
        contraction = network.least_eigenvalue - drift - unsettled - kink
        travel = network.spectral * network.residual / (arb(network.width).sqrt() * contraction)
        positive = compare(Enclosure(contraction), ">", 0)
        within = compare(Enclosure(travel), "<=", radius)
        following = Enclosure(travel).upper * MARGIN
        if not positive.holds or within.holds or following == math.inf:
            break
        radius = following
    missing, what = (within, "travel <= radius") if positive.holds else (positive, "contraction > 0")
    closed = positive.holds and within.holds
    outcome = Outcome.HOLDS if closed else Outcome.UNDECIDED
    return FlipCount(
        verdict=Verdict(outcome, missing.left, missing.relation, missing.right, "" if closed else f"{what} not proved"),
        radius=Enclosure.of(radius),
        travel=Enclosure(travel),
        contraction=Enclosure(contraction),
        step_size=Enclosure(1 / network.spectral**2),
        initial_residual=Enclosure(network.residual),
        initial_least_eigenvalue=Enclosure(network.least_eigenvalue),
        drift=Enclosure(drift),
        unsettled=Enclosure(unsettled),
        kink=Enclosure(kink),
    )


def _least_eigenvalue(inner: gram.Gram, preactivations: Floats, error: Floats, width: int) -> arb:
    """Enclose lambda_min(H(0)); pairs whose sign is not certain widen the entries they enter."""
    active = (preactivations >= 0).astype(np.float64)
    unsure = (np.abs(preactivations) <= error).astype(np.float64)
    both = active.T @ active
    counts = np.diag(unsure.T @ unsure)
    doubtful = (counts[:, None] + counts[None, :]) / width
    fraction = both / width
    midpoint = inner.midpoint * fraction
    magnitude = np.abs(inner.midpoint)
    radius = (inner.radius + (magnitude + inner.radius) * (doubtful + 4 * UNIT_ROUNDOFF)) * (1 + 8 * UNIT_ROUNDOFF)
    return linalg.least_eigenvalue(midpoint, radius + FLUSHED).ball


def _residual(preactivations: Floats, error: Floats, y: Floats, signs: Floats, width: int) -> arb:
    """Enclose ||y - u(0)||: the sum over neurons in any order, each term wrong by at most its preactivation's error."""
    activations = np.maximum(preactivations, 0.0)
    sums = signs @ activations
    slack = (_gamma(width) * activations.sum(axis=0) + error.sum(axis=0)) * (1 + _gamma(width + 8))
    root = arb(width).sqrt()
    differences = (
        exact_ball(float(label)) - arb(float(total), float(wrong)) / root
        for label, total, wrong in zip(y, sums, slack, strict=True)
    )
    return sum((difference * difference for difference in differences), arb(0)).sqrt()


def _norm(values: Floats) -> arb:
    return sum((exact_ball(float(value)) ** 2 for value in values), arb(0)).sqrt()


def _gamma(terms: int) -> float:
    """Relative error of a sum or inner product of that many terms, in any order; rounded up."""
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF) * (1 + 2 * UNIT_ROUNDOFF)


def _check(X: Floats, y: Floats, weights: Floats, signs: Floats) -> None:
    if 0 in weights.shape or X.size == 0:
        raise ValueError(f"X {X.shape} and weights {weights.shape}: at least one input and one neuron are needed")
    if X.ndim != 2 or y.shape != X.shape[:1] or weights.ndim != 2 or weights.shape[1:] != X.shape[1:]:
        raise ValueError(f"X {X.shape}, y {y.shape} and weights {weights.shape} do not fit: (n, d), (n,) and (m, d)")
    if signs.shape != weights.shape[:1] or not np.isin(signs, (-1.0, 1.0)).all():
        raise ValueError(
            f"output weights of shape {signs.shape}: give one of -1 and +1 per neuron, shape ({len(weights)},)"
        )
    for name, array in (("X", X), ("y", y), ("weights", weights)):
        if array.dtype != np.float64 or not (np.abs(array) <= LARGEST).all():
            raise ValueError(f"{name} must hold finite float64 numbers of at most 2^60")
