r"""Convergence of two-layer ReLU networks to zero loss although neurons go on crossing their kinks. Re-derived.

Notation of :mod:`bounds.certificates.relu_descent`. With a constant step descent crosses kinks for ever: neurons settle
on them. So patterns are not required to settle. Let w be within E of v, ||r(w)|| <= rho, and take any set of pairs
(r, i). Let P run through the slopes in [0, 1] on the set and 1{z_ri > 0} at v elsewhere, J_p and K_p = J_p J_p^T
accordingly, n_i the number of neurons paired with i, and

    Q_p = sum over pairs (r, i) of (n_i / m^2) (p_r o X x_i) (p_r o X x_i)^T.

**Theorem.** Let for all P: sigma^2 <= K_p, Q_p <= tau^2 K_p, eta ||K_p|| <= T with T >= 1; s = eta sigma^2 < 2 - T, c_T
the factor c of :mod:`bounds.certificates.newton_kantorovich`; mu <= c_T sigma - tau, with sigma and mu positive. If

    |z_ri| > (min(rho / mu, c S rho / (mu sigma)) + E) ||x_i||   at v for all pairs outside the set,

then the path of descent from w is no longer than rho / mu, its limit has r = 0, and ||r|| shrinks by 1 - eta mu sigma
or more in every step.

*Proof.* As long as the pairs outside the set keep their signs, a step is w_+ - w = -eta J_p^T r for some P. Let
D be its length. Then r_+ = (I - eta K_p) r + q with q_i = c sum_r a_r t_ri, t_ri = max(z_+, 0) - max(z, 0)
- p_ri (z_+ - z). Slopes of the ReLU are in [0, 1], so |t_ri| <= |x_i.(w_+ - w)_r|, and t = 0 outside the set. By Cauchy
and Schwarz q_i^2 <= (n_i / m) sum_r (x_i.(w_+ - w)_r)^2 over the neurons paired with i, and (w_+ - w)_r =
-eta c a_r X^T (p_r o r); so ||q||^2 <= eta^2 r^T Q_p r <= tau^2 eta^2 r^T K_p r = tau^2 D^2. Together with step (a) of
the proof there, ||r_+|| <= ||r|| - c_T sigma D + tau D: the residual falls by at least mu D, and D >= eta sigma ||r||.
The same holds for a shortened step, so one that would pass the length rho / mu leads, cut off just beyond it, to a
negative residual: absurd.
Hence all steps together are at most rho / mu long, a single neuron moves at most eta c S sum ||r|| <= c S rho /
(mu sigma), and no pair outside the set comes to its kink. QED

The slope of the ReLU at 0 may be any number in [0, 1].

**For all P at once.** Let A^- and A^+ be the 0/1 matrices of the pairs active for all and for some P. Entry (i, j) of
K_p lies between those of (A^-^T A^- / m) o (X X^T) and (A^+^T A^+ / m) o (X X^T): a midpoint off the diagonal, whose
radius matrix has a norm, and the lower end on it, as a nonnegative diagonal matrix only helps. The same for Q_p, with
rows A_r o X x_i.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import flint
import numpy as np
from flint import arb
from numpy.typing import NDArray
from scipy.linalg import eigh

from bounds.arithmetic import PRECISION, Enclosure, Outcome, Verdict
from bounds.certificates.newton_kantorovich import discretised
from bounds.certificates.relu_descent import ReluDescent, Step
from bounds.linalg.batches import spectral_ends
from bounds.linalg.rounding import UNIT, FloatArray, gamma, inflate

ROUNDS = 30
"""Sets tried in one test: each is what the last one's mu and sigma ask for."""

CROWD = 0.3
"""Share of the neurons paired with one input beyond which a set is not looked at."""

SLACK = 2.0**-20
"""Bounds over all patterns are relaxed by this before anything follows, so that a checker's roundings reach them."""

ROOM = 1.0 + 2.0**-10
"""How much larger than needed the set is taken."""

UP = 1.0 + 2.0**-48


@dataclass(frozen=True)
class End:
    """What the theorem proves from one step on.

    Args:
        verdict: holds, or the inequality that is missing.
        radius: how far neurons may move, from where the set is taken: all pairs with |z| <= (radius + E) max ||x||.
        sigma, tau, norm: bounds for all patterns of the set, sigma from below; ``norm`` is of the Jacobian.
        residual: both ends of ||r||; rho is the upper one.
        strength: mu.
        path: rho / mu, from above.
    """

    verdict: Verdict
    radius: float = 0.0
    sigma: float = 0.0
    tau: float = math.inf
    norm: float = math.inf
    residual: Enclosure | None = None
    strength: float = 0.0
    path: float = math.inf


@dataclass(frozen=True)
class _Family:
    """Bounds over all P of a set: sigma from below; tau and the norm of J_p from above."""

    sigma: float
    tau: float
    norm: float

    @property
    def relaxed(self) -> _Family:
        return _Family(self.sigma * (1.0 - SLACK), self.tau * (1.0 + SLACK), self.norm * (1.0 + SLACK))


@dataclass(frozen=True, eq=False)
class _Floor:
    """K_p >= matrix - shift I >= least I for all P of a set; least is from below, the others are as stored."""

    matrix: FloatArray
    shift: float
    least: float


def converges(descent: ReluDescent, step: Step, residual: Enclosure, error: float) -> End:
    """Look for a set of pairs that satisfies the theorem.

    Args:
        descent: the network, data and step.
        step: as evaluated at v.
        residual: ||r||.
        error: E.
    """
    z = np.abs(step.preactivations) * (1.0 - 4 * UNIT)
    active = step.preactivations > 0.0
    m, rho = len(active), residual.upper
    sigma = strength = _family(descent, active, np.zeros_like(active)).relaxed.sigma
    missing = _refusal(0.0, "<", sigma, "sigma_min(J) > 0 not proved: take a wider network")
    for _ in range(ROUNDS):
        if not (strength > 0.0 and sigma > 0.0):
            break
        radius = min(rho / strength, descent.spectral * rho / (math.sqrt(m) * strength * sigma)) * ROOM
        paired = ~(z > ((radius + error) * descent.longest + step.preactivation_error) * UP)
        crowd = float(paired.sum(axis=0).max()) / m
        if crowd > CROWD:
            return End(_refusal(crowd, "<=", CROWD, f"the share of neurons near a kink is too large: {_MEND}"))
        family = _family(descent, active, paired).relaxed
        if not (family.sigma > 0.0 and family.tau < math.inf):
            missing = _refusal(0.0, "<", family.sigma, f"sigma_min(J) > 0 not proved near the kinks: {_MEND}")
            break
        kept = min(sigma, family.sigma)
        with flint.ctx.workprec(PRECISION):
            stable, c = discretised(arb(descent.step_size), arb(kept), arb(family.norm))
            if not stable.holds:
                return End(replace(stable, outcome=Outcome.UNDECIDED, reason=_TOO_LONG))
            pull = Enclosure(c * kept).lower
        left = math.nextafter(pull - family.tau, -1.0)
        if kept >= sigma and left >= strength:
            verdict = Verdict(Outcome.HOLDS, Enclosure.of(family.tau), "<", Enclosure.of(pull))
            return End(verdict, radius, sigma, family.tau, family.norm, residual, left, rho / left * UP)
        missing = _refusal(family.tau, "<", pull, f"too many neurons near a kink: {_MEND}")
        sigma, strength = kept, min(strength, left)
    return End(missing)


_TOO_LONG = "eta ||J||^2 < 2 not proved: take a smaller step"
_MEND = "train longer or take a wider network"


def _family(descent: ReluDescent, active: NDArray[np.bool_], paired: NDArray[np.bool_]) -> _Family:
    """Bound sigma, tau and the norm over all P of a set of pairs (m, n).

    Counts are exact. Entries of X X^T, at most v^2 in size, come with a radius; with e the greatest one relative to
    v^2, entries of K and of their radii are wrong by at most (e + 4 u) v^2, hence ``wrong`` in norm.
    """
    inner = descent.inner.midpoint
    (m, n), square = active.shape, descent.longest**2
    unsure = float(descent.inner.radius.max()) / square + 8 * UNIT
    wrong = inflate(2 * n * unsure * square, 8)
    low, high = (active & ~paired).astype(np.float64), (active | paired).astype(np.float64)
    half, pairs = (low + high) / 2, paired.astype(np.float64)
    least, most = low.T @ low / m, high.T @ high / m
    center, radius = (least + most) / 2 * inner, (most - least) / 2 * np.abs(inner)
    width = 2 * float(np.diag(radius).max())
    np.fill_diagonal(center, np.diag(least * inner))
    np.fill_diagonal(radius, 0.0)
    middle, change = half.T @ half / m * inner, pairs.T @ pairs / m * np.abs(inner)
    lower, upper = spectral_ends(np.stack([center, radius, middle, change]))
    spread = inflate(max(float(upper[1]), 0.0) + wrong, 4)
    delta = inflate(math.sqrt(max(float(upper[3]), 0.0) + wrong), 4) if paired.any() else 0.0
    norm = inflate(math.sqrt(max(float(upper[2]), 0.0) + wrong) + delta / 2, 4)
    norm = min(norm, inflate(math.sqrt(max(float(upper[0]), 0.0) + spread + width), 4))
    floors = [_Floor(center, spread, _difference(float(lower[0]), spread))]
    sigma = math.sqrt(max(_difference(float(lower[2]), wrong), 0.0))
    if 0.0 < delta < sigma:
        e = delta / (2 * sigma)
        shift = inflate(wrong + (1 / e - 1) * delta**2 / 4, 8)
        floors.append(_Floor((1 - e) * middle, shift, _difference((1 - e) * float(lower[2]), shift + wrong)))
    floor = max(floors, key=lambda found: found.least)
    if not floor.least > 0.0:
        return _Family(0.0, math.inf, norm)
    tau = min(delta, _tau(inner, low, high, paired, floor, unsure * square)) if paired.any() else 0.0
    return _Family(math.sqrt(floor.least) * (1.0 - 4 * UNIT), tau, norm)


def _tau(
    inner: FloatArray, low: FloatArray, high: FloatArray, paired: NDArray[np.bool_], floor: _Floor, unsure: float
) -> float:
    """Bound tau: tau^2 times the floor of K exceeds the middle of Q and its spread.

    Entries of Q and of its radii are sums of N products of size at most v^4 n_i / m^2, which the error of X X^T and
    N + 8 roundings change by (2 e + gamma_{N + 8}) v^4 sum_i (n_i / m)^2 in all.
    """
    m, n = paired.shape
    neurons, inputs = np.nonzero(paired)
    counts = paired.sum(axis=0) / m
    scale = np.sqrt(counts[inputs] / m)[:, None] * inner[inputs]
    some, sure = high[neurons] * scale, low[neurons] * scale
    middle = (some.T @ some + sure.T @ sure) / 2
    some, sure = np.abs(some), np.abs(sure)
    radius = (some.T @ some - sure.T @ sure) / 2
    size = float(np.abs(inner).max()) + unsure
    wrong = 2 * n * float(counts @ counts) * (2 * size * unsure + gamma(len(neurons) + 16) * size**2)
    spread = max(float(spectral_ends(((radius + radius.T) / 2)[None])[1][0]), 0.0)
    identity = np.eye(n)
    bottom, top = floor.matrix - floor.shift * identity, (middle + middle.T) / 2 + inflate(spread + wrong, 8) * identity
    try:
        guess = float(eigh(top, bottom, eigvals_only=True)[-1]) * (1.0 + 2.0**-20)
    except np.linalg.LinAlgError:
        return math.inf
    gap = float(spectral_ends((guess * bottom - top)[None])[0][0])
    rounding = inflate(8 * UNIT * n * (guess + 1.0) * float(np.abs(bottom).max() + np.abs(top).max()), 8)
    return inflate(math.sqrt(max(guess + max(rounding - gap, 0.0) / floor.least, 0.0)), 8)


def _difference(a: float, b: float) -> float:
    """A lower bound of a - b."""
    return a - b - 4 * UNIT * (abs(a) + abs(b))


def _refusal(left: float, relation: str, right: float, reason: str) -> Verdict:
    return Verdict(Outcome.UNDECIDED, Enclosure.of(left), relation, Enclosure.of(right), reason)
