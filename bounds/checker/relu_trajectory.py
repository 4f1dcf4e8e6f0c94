r"""The argument ``relu-trajectory``: descent of a ReLU network replayed across kinks, without ever forming its weights.

Two layers, the first trained: f = c sum_r a_r max(w_r.x, 0), c = m^(-1/2), a_r = +-1, G = X X^T, S = ||X||, v the norm
of the longest input. The run is w_r(k) = w_r - eta c a_r X^T C_r with C_r(k+1) = C_r(k) + p_r(k) o q_k, p_r(k) the
pattern of its signs and q_k vectors of n whole multiples of 2^-BELOW, near its residuals; so

    z_r(k) = z_r(0) - eta c a_r G C_r(k),   r_i(k+1) = (r(k) - eta K q_k)_i + c sum over flipped r of a_r |z_ri(k+1)|,

K = (P^T P / m) o G, since max(z', 0) - max(z, 0) - p (z' - z) is |z'| after a flip. C is exact, r in balls, and e
bounds ||q - r||, which only adds up. Descent w(k) is within E of the run: where |z_ri| > v E for all pairs, both have
one pattern and one Jacobian J,

    E_next = max(1, eta ||J||^2 - 1) E + eta ||J|| e,   ||J||^2 <= S^2 max_i mean_r p_ri   (Schur).

A neuron moves by at most eta c S ||q|| in a step; it is looked at again only when it may have come to a kink. After
the last step pairs may be as near to their kinks as they like.

**The end.** The pairs with |z_ri| <= (R + E) v may be active or not at any time, with slopes in [0, 1]; n_i of them are
at input i. Let sigma^2 <= K_P and K_P <= N^2 for all their patterns P, and Q_P <= tau^2 K_P for the matrix
Q_P = sum over these (r, i) of (n_i / m^2) (p_r o X x_i) (p_r o X x_i)^T. A step of length D changes r by -eta K_P r and
a rest of at most tau D, so with c_T of ``newton-kantorovich`` the residual falls by mu D, mu = c_T sigma - tau, where
D >= eta sigma ||r||. The path is no longer than rho / mu, and no neuron moves beyond S rho / (m^(1/2) mu sigma).

For all P at once: entries of K_P and of the sums in Q_P lie between those for the least and the greatest pattern; or,
with the slopes 1/2 in J_b and delta^2 = ||(F^T F / m) o |G| ||, F the pairs, ||J_P - J_b|| <= delta / 2, whence
K_P >= (1 - t) K_b - (1/t - 1) delta^2 / 4, and tau <= delta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from bounds.checker.definite import Sign, above, ball_norm_bound, least_sign, spectral_norm_bound
from bounds.checker.files import Floats, Invalid, hex_float
from bounds.checker.flip_count import start_residual, two_layers
from bounds.checker.network import Network, matrix, norm, product
from bounds.checker.newton_kantorovich import WIDEST, Conclusion, check_decay, ends_of, largest, perron, pull
from bounds.checker.trajectory import LOOSE, steps_of

Pattern = NDArray[np.bool_]

BITS, BELOW = 384, 256
"""Of the replay, and of the grid of its residuals."""

ENCLOSURES = "least_singular_value jacobian_norm crossings residual"


def check(
    read: Callable[[], Network],
    X: Floats,
    y: Floats,
    step: float | None,
    stated: dict[str, Any],
    claim: Conclusion,
) -> None:
    """Prove the claim; arguments as for ``trajectory``.

    Raises:
        Invalid: an inequality is not proved; the message says which.
    """
    steps, radius = steps_of(stated["witnesses"]), hex_float(stated["witnesses"]["radius"], "the radius")
    network = read()
    W, a = two_layers(network, X)
    if step is None:
        raise Invalid("only descent is followed")
    ends = ends_of(stated["enclosures"], ENCLOSURES)
    sigma, N, tau, rho = (arb(ends[name][side]) for name, side in zip(ENCLOSURES.split(), (0, 1, 1, 1), strict=True))
    if ends["least_singular_value"][1] != ends["jacobian_norm"][1] or ends["jacobian_norm"][0] or ends["crossings"][0]:
        raise Invalid("an enclosure has an end that is not used here")
    with flint.ctx.workprec(BITS), np.errstate(all="ignore"):  # what is no number is looked at exactly, and fails
        run = Run(W, a, X, arb(step), start_residual(network, W, a, X, y))
        for _ in range(steps):
            run.advance()
        size, off = norm(run.q), run.off()
        if not (size + off <= rho and size - off >= ends["residual"][0]):
            raise Invalid("the residual is not where the certificate says")
    _family(run, run.near(radius), sigma, N, tau)
    mu = pull(sigma, N, step) - tau
    if not (mu > 0 and sigma > 0):
        raise Invalid("mu > 0 is not proved: too many neurons are near a kink")
    rest = rho / mu
    reach = rest.min(run.spectral * rest / (sigma * arb(len(W)).sqrt()))
    if not (reach < radius and radius < WIDEST * reach + arb(2) ** -300):
        raise Invalid("the radius does not fit the path")
    path = run.walked + rest
    if not (path <= claim.path and arb(claim.path) <= path * (1 + LOOSE)):
        raise Invalid("the stated length of the path does not follow")
    check_decay(mu * sigma, claim)


class Run:
    """A run at its present step.

    Args:
        W: weights at the start (m, d).
        a: signs (m,).
        X: inputs (n, d).
        eta: the step.
        r: residual at the start.
    """

    def __init__(self, W: Floats, a: Floats, X: Floats, eta: arb, r: list[arb]) -> None:
        (m, d), n = W.shape, len(X)
        self.W, self.a, self.X, self.eta, self.spectral = W, a, X, eta, spectral_norm_bound(X)
        self.columns = [matrix(x).transpose() for x in X]
        self.G = matrix(X) * matrix(X).transpose()
        self.products = [arb_mat(n, 1, [self.G[j, i] for j in range(n)]) for i in range(n)]
        self.inner = X @ X.T
        self.v = largest([self.G[i, i] for i in range(n)]).sqrt().upper()
        self.pace = eta / arb(m).sqrt()
        self.fuzz = (n + d + 16) * 2.0**-51  # four times what n + d + 16 roundings are
        self.sizes = np.linalg.norm(W, axis=1) + 2.0**-500  # squares may vanish
        self.total, self.offsets = [0] * n, {}  # type: tuple[list[int], dict[int, dict[int, int]]]
        self.sums, self.shifts = np.zeros(n), np.zeros((m, n))  # the same in float64
        self.active: Pattern = np.zeros((m, n), dtype=bool)
        self.counts, self.K = np.zeros((n, n)), arb_mat(n, n)
        self.E, self.e, self.walked = arb(0), arb(0), arb(0)
        self.travel, self.due, self.tied = 0.0, np.full(m, -np.inf), False
        if not (self.v >= arb(2) ** -200 and eta >= arb(2) ** -900):
            raise Invalid("the inputs or the step are too small for float64")
        self._look(started=False)
        self._settle(r)

    def off(self) -> arb:
        """How far the residual of descent may be from q, whatever its pattern."""
        return self.e + self.spectral * self.E

    def near(self, radius: float) -> Pattern:
        """The pairs that may be no farther than this from their kinks."""
        z, wrong = self._values(np.arange(len(self.W)))
        near: Pattern = ~(np.abs(z) - wrong > above((radius + self.E) * self.v))
        return near

    def advance(self) -> None:
        """One step.

        Raises:
            Invalid: a pre-activation is as near to 0 as descent may be to the run.
        """
        if self.tied:
            raise Invalid("the run comes as near to a kink as descent may be to it")
        q, eta, squared = self.q, self.eta, self._steepness()
        pulled = (self.K * arb_mat(len(q), 1, q)).entries()
        following = ((eta * squared - 1).max(arb(1)) * self.E + eta * squared.sqrt() * self.e).upper()
        length = eta * sum((u * v for u, v in zip(q, pulled, strict=True)), arb(0)).nonnegative_part().sqrt()
        self.walked = (self.walked + length + self.E + following).upper()
        self.E = following
        self.total = [u + v for u, v in zip(self.total, self.parts, strict=True)]
        self.sums = np.array([np.ldexp(float(u), -BELOW) for u in self.total])
        self.travel = (self.travel + above(self.pace * self.spectral * norm(q))) * (1 + 2.0**-50)
        jumps = self._look(started=True)
        self._settle([u - eta * v + w for u, v, w in zip(q, pulled, jumps, strict=True)])

    def _settle(self, r: list[arb]) -> None:
        """Round the residual to the grid."""
        self.parts = [_whole(v) for v in r]
        self.q = [arb(v) * arb(2) ** -BELOW for v in self.parts]
        self.e = (self.e + norm([u - v for u, v in zip(r, self.q, strict=True)])).upper()
        if not norm(self.q) < arb(2) ** 60:
            raise Invalid("the run leaves all bounds")

    def _steepness(self) -> arb:
        """A bound of ||J||^2, the sharp one where the step asks for it."""
        squared = self.spectral**2 * int(self.counts.diagonal().max()) / len(self.W)
        return squared if self.eta * squared <= 2 else squared.min(ball_norm_bound(self.K))

    def _values(self, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Pre-activations (rows, n) in float64, and bounds (rows, 1) of their errors."""
        C = np.where(self.active[rows], self.sums, 0.0) + self.shifts[rows]
        pace, v = above(self.pace), above(self.v)
        z = self.W[rows] @ self.X.T - pace * self.a[rows][:, None] * (C @ self.inner)
        size = np.abs(self.sums).sum() + np.abs(self.shifts[rows]).sum(axis=1)
        return z, (self.fuzz * (self.sizes[rows] * v + pace * v**2 * size) + 2.0**-900)[:, None]

    def _exact(self, r: int, i: int) -> arb:
        """One pre-activation."""
        C = [u if on else 0 for u, on in zip(self.total, self.active[r].tolist(), strict=True)]
        for j, offset in self.offsets.get(r, {}).items():
            C[j] += offset
        start, moved = matrix(self.W[r]) * self.columns[i], arb_mat(1, len(C), C) * self.products[i]
        return start[0, 0] - self.pace * int(self.a[r]) * moved[0, 0] * arb(2) ** -BELOW

    def _look(self, *, started: bool) -> list[arb]:
        """Look at the neurons that may have come to a kink, and return what their flips add to the residual.

        Raises:
            Invalid: the sign of a pre-activation is not certain.
        """
        margin, jumps = self.E * self.v, [arb(0)] * len(self.X)
        rows = np.flatnonzero(~(self.due > (self.travel + above(self.E)) * (1 + 2.0**-50)))
        z, wrong = self._values(rows)
        after, clear = z > 0, np.abs(z) - wrong
        for place, i in np.argwhere(~(clear > above(margin))).tolist():
            value = self._exact(int(rows[place]), i)
            self.tied = self.tied or not abs(value) > margin
            if not (value > 0 or value <= 0):
                raise Invalid("the run comes too near to a kink to tell its side")
            after[place, i] = bool(value > 0)
        self.due[rows] = (self.travel + clear.min(axis=1) / above(self.v)) * (1 - 2.0**-50)
        before = self.active[rows]
        flips = [(int(rows[place]), i) for place, i in np.argwhere(after != before).tolist()]
        if started:
            for r, i in flips:
                jumps[i] += int(self.a[r]) * abs(self._exact(r, i))
        self.active[rows] = after
        if started:
            for r, i in flips:
                own = self.offsets.setdefault(r, {})
                own[i] = own.get(i, 0) + (-self.total[i] if self.active[r, i] else self.total[i])
                self.shifts[r, i] = np.ldexp(float(own[i]), -BELOW)
        changed = (after != before).any(axis=1)
        old, new = before[changed].astype(np.float64), after[changed].astype(np.float64)
        difference = new.T @ new - old.T @ old
        self.counts += difference
        for i, j in np.argwhere(difference != 0).tolist():
            self.K[i, j] = self.G[i, j] * int(self.counts[i, j]) / len(self.W)
        return [u / arb(len(self.W)).sqrt() for u in jumps]


def _family(run: Run, near: Pattern, sigma: arb, N: arb, tau: arb) -> None:
    """Prove the stated bounds for all patterns of a set of pairs.

    Raises:
        Invalid: one is not proved.
    """
    low, high = (run.active & ~near).astype(np.float64), (run.active | near).astype(np.float64)
    least, most, half, eye = low.T @ low, high.T @ high, (low + high) / 2, np.eye(len(run.X))  # exact
    spread = perron(_sizes(run, (most - least) / 2 * (1 - eye)))
    delta = perron(_sizes(run, near.T.astype(np.float64) @ near)).sqrt()
    width = largest([row[i] for i, row in enumerate(_sizes(run, most - least))])
    center, middle = _times(run, (least + most) / 2 * (1 - eye) + least * eye), _times(run, half.T @ half)
    floors, room = [center - _times_identity(eye, spread)], N - delta / 2
    values = np.linalg.eigvalsh(np.array([[float(v.mid()) for v in row] for row in middle.tolist()]))
    t = delta / (2 * arb(max(float(values[0]), 0.0)).sqrt()) + arb(2) ** -60
    if t < 1:
        floors.append(middle * (1 - t) - _times_identity(eye, (1 / t - 1) * delta**2 / 4))
    if not (_below(center, N**2 - spread - width) or (room > 0 and _below(middle, room**2))):
        raise Invalid("the norm of the Jacobian is not proved")
    if not any(_above_zero(floor - _times_identity(eye, sigma**2)) for floor in floors):
        raise Invalid("the least singular value of the Jacobian is not proved near the kinks")
    if tau >= delta:
        return
    Q = _crossings(run, near, low, high)
    if not any(_above_zero(floor * tau**2 - Q) for floor in floors):
        raise Invalid("the effect of crossings is not proved")


def _crossings(run: Run, near: Pattern, low: Floats, high: Floats) -> arb_mat:
    """A matrix above Q_P for all patterns: midpoint and, on the diagonal, a bound of the rest and of all roundings.

    Counts are exact; each entry is a sum of n products whose size, and n + d + 16 roundings of it, are bounded by
    v^4 n_i^2 / m^2 each.
    """
    m, n = near.shape
    middle, spread, share = np.zeros((n, n)), np.zeros((n, n)), near.sum(axis=0) / m
    for i in np.flatnonzero(share).tolist():
        rows = near[:, i]
        sure, some = low[rows].T @ low[rows], high[rows].T @ high[rows]
        weight = share[i] / m * np.outer(run.inner[i], run.inner[i])
        middle += weight * (some + sure) / 2
        spread += np.abs(weight) * (some - sure) / 2
    wrong = 2 * n * run.fuzz * arb(float(share @ share)) * run.v**4
    rest = perron([[arb(v) for v in row] for row in spread.tolist()])
    return matrix((middle + middle.T) / 2) + _times_identity(np.eye(n), rest + wrong)


def _sizes(run: Run, counts: Floats) -> list[list[arb]]:
    """The entries of (counts / m) o |G|."""
    return [[abs(v) for v in row] for row in _times(run, counts).tolist()]


def _times(run: Run, counts: Floats) -> arb_mat:
    """(counts / m) o G."""
    return product(run.G, matrix(counts)) * (1 / arb(len(run.W)))


def _times_identity(eye: Floats, value: arb) -> arb_mat:
    return matrix(eye) * value


def _above_zero(a: arb_mat) -> bool:
    return least_sign(a, arb(0)) is Sign.POSITIVE


def _below(a: arb_mat, bound: arb) -> bool:
    return least_sign(a, -bound, -1) is Sign.POSITIVE


def _whole(value: arb) -> int:
    """The multiple of 2^-BELOW below a number's midpoint."""
    mantissa, exponent = value.mid().man_exp()
    shift = int(exponent) + BELOW
    return int(mantissa) << shift if shift >= 0 else int(mantissa) >> -shift
