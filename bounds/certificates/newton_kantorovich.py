r"""Convergence to zero loss from what is known at one point: the form of Newton and Kantorovich. Re-derived.

Let F map R^P to R^n with Jacobian J (n x P), let r = F - y be the residual, and descend 1/2 ||r||^2 from w_0 with a
constant step eta, in real arithmetic. Let J be L-Lipschitz in the spectral norm on the ball B(w_0, R), and

    0 < sigma <= sigma_min(J(w_0)^T),   rho >= ||r(w_0)||,   T = max(1, eta (||J(w_0)|| + L R)^2),   s = eta sigma^2.

**Theorem.** Let T < 2, and let sigma be so small that s < 2 - T. Put c = sqrt(T (2 - s - T) / (1 - s T)), so that
c <= 1, and c = 1 for T = 1. If moreover

    h = 2 L rho / (c sigma)^2 < 1   and   l = 2 rho / (c sigma (1 + sqrt(1 - h))) < R,

then the whole path of gradient descent is no longer than l, its limit w_* has F(w_*) = y, and in every step
||r_{k+1}|| <= (1 - eta mu^2) ||r_k|| with mu = c sigma sqrt(1 - h). Gradient flow needs no T; there c = 1 and
||r(t)|| <= exp(-mu^2 t) ||r_0||.

**Proof.** (a) *The linear step.* Let t_i in [s', T], s' <= s, be the eigenvalues of eta J J^T at some point, p_i the
weights of r / ||r|| in its eigenvectors, and Q = sum p_i t_i = eta ||J^T r||^2 / ||r||^2. A convex function lies below
its chord: (1 - t)^2 <= A - B t on [s', T], with A = 1 - s' T and B = 2 - s' - T; here B > 0, and s' T < T (2 - T) <= 1.
By Cauchy and Schwarz, for every c with A (1 + c^2 s' / B) <= 1, that is c^2 <= B T / A,

    ||(I - eta J J^T) r|| / ||r|| + c sqrt(s' Q)
        <= sqrt(A - B Q) + c sqrt(s' / B) sqrt(B Q) <= sqrt(A (1 + c^2 s' / B)) <= 1.

B T / A decreases in s', as its derivative has the sign of -(1 - T)^2; so the c of the theorem serves every s' <= s. It
also serves a shorter step, theta eta with theta < 1, whose eigenvalues lie in [theta s', T]. With s' = eta sigma'^2 and
the length D = eta ||J^T r|| of the step: ||(I - eta J J^T) r|| <= ||r|| - c sigma' D.

(b) *The whole step.* Where the path has length a <= l so far, sigma' = sigma - L a bounds the least singular value from
below, by Weyl, and eta ||J||^2 <= T. On the segment F(w_+) differs from its linearisation by at most L D^2 / 2. As
c <= 1,

    ||r_+|| <= ||r|| - D (c sigma - L a - L D / 2) = ||r|| - phi(a) + phi(a + D),
    phi(a) = rho - c sigma a + L a^2 / 2,

as long as a + D <= R; by induction ||r_k|| <= phi(a_k).

(c) *No overshoot.* l is the smaller root of phi, simple since h < 1. Suppose a <= l and a + D > l. Shorten the step so
that it ends at a length just beyond l, below R, where phi < 0. By (b) its residual would be at most phi < 0: absurd.
So every a_k <= l.

(d) *The rate.* On the path c sigma - L a >= c sigma - L l = mu, thus ||r_+|| <= ||r|| - mu D, and
D >= eta (sigma - L a) ||r|| >= eta mu ||r||. The path is finite, so w_k converges, and r_k tends to 0.

For the flow, with arclength a, d||r|| / da = -||J^T r|| / ||r|| <= -(sigma - L a), so ||r|| <= phi(a) with c = 1, and
phi would be negative beyond l; and d||r|| / dt <= -mu^2 ||r||. QED

Both constants are attained: F(w) = sigma w - L w^2 / 2 has no solution of F = rho where h > 1, and its path is l where
h < 1; c is the best factor in (a) for spectra in [s, T] (two eigenvalues suffice).

**Which sigma.** eta (c sigma)^2 = T s (2 - s - T) / (1 - s T) grows with s as long as 2 - T - 2 s + T s^2 > 0, that is
up to s = (2 - T) / T, where it is (2 - T)^2 / T. So of a larger sigma only so much is used, and T < 2 alone limits the
step.

**From a stored point.** Where w_0 itself is only known to lie within E of the stored point v, and L holds on
B(v, R + E), then sigma(v) - L E, ||J(v)|| + L E and ||r(v)|| + ||J(v)|| E + L E^2 / 2 bound what is needed at w_0.

The name is that of Kantorovich's theorem (1948), whose quadratic majorant phi is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import flint
from flint import arb

from bounds.arithmetic import PRECISION, Enclosure, Exact, Outcome, Verdict, compare, exact_ball


@dataclass(frozen=True)
class Point:
    """What is known of F at a stored point, and around it. Only the ends named are used; wider is safe.

    Args:
        least_singular_value: of the transposed Jacobian there, its n-th singular value; the lower end.
        jacobian_norm: the spectral norm of the Jacobian there; the upper end.
        residual: ||F - y|| there; the upper end.
        lipschitz: a Lipschitz constant of the Jacobian, in the spectral norm, on the ball; the upper end.
        radius: of the ball around the stored point, a number at face value.
    """

    least_singular_value: Enclosure
    jacobian_norm: Enclosure
    residual: Enclosure
    lipschitz: Enclosure
    radius: Exact


@dataclass(frozen=True)
class Convergence:
    """What the theorem proves from one point.

    Args:
        verdict: holds where convergence to zero loss is proved; else undecided, with the inequality that is missing
            and its two sides.
        condition: h, which must be below 1; not a number where an earlier inequality is missing.
        path: l, an upper bound of the length of the whole path where the verdict holds. Where only the ball is too
            small, it says how large a ball to try.
        decay: mu^2; the residual shrinks by 1 - eta mu^2 in each step, or by exp(-mu^2 t).
        discretisation: what the finite step costs, c times the share of sigma that is used; 1 for the flow.
    """

    verdict: Verdict
    condition: Enclosure
    path: Enclosure
    decay: Enclosure
    discretisation: Enclosure


def descent(point: Point, step_size: Exact, *, offset: Enclosure | Exact = 0) -> Convergence:
    """Decide whether gradient descent on 1/2 ||F - y||^2 provably reaches zero loss.

    Args:
        point: what is known at the stored point.
        step_size: eta, a number at face value.
        offset: an upper bound of the distance from the stored point to the one descent starts from.

    Raises:
        ValueError: a negative bound, a step that is not a positive number, or an estimate.
    """
    step = exact_ball(step_size)
    if not step > 0:
        raise ValueError(f"the step size is {step_size}: give a positive number")

    return _decide(point, offset, lambda sigma, norm: discretised(step, sigma, norm))


def discretised(step: arb, sigma: arb, norm: arb) -> tuple[Verdict, arb]:
    """Whether steps of this length are stable, and c times the share of sigma that is used.

    Args:
        step: eta.
        sigma: a lower bound of the least singular value of the transposed Jacobian.
        norm: an upper bound of the norm of the Jacobian wherever steps start.
    """
    largest = (step * norm**2).max(arb(1)).upper()
    stable = compare(Enclosure(step * norm**2), "<", 2)
    s = (step * sigma**2).lower().min(((2 - largest) / largest * (1 - arb(2) ** -40)).lower())
    used = largest * s * (2 - s - largest) / (1 - s * largest)
    return stable, (used / step).sqrt() / sigma


def flow(point: Point, *, offset: Enclosure | Exact = 0) -> Convergence:
    """Decide whether gradient flow on 1/2 ||F - y||^2 provably reaches zero loss; see :func:`descent`.

    Raises:
        ValueError: as there.
    """
    return _decide(point, offset, lambda *_: (Verdict(Outcome.HOLDS), arb(1)))


def _decide(
    point: Point, offset: Enclosure | Exact, discretisation: Callable[[arb, arb], tuple[Verdict, arb]]
) -> Convergence:
    with flint.ctx.workprec(PRECISION):
        away, lipschitz = _above(offset, "offset"), _above(point.lipschitz, "Lipschitz constant")
        norm, room = _above(point.jacobian_norm, "norm of the Jacobian"), exact_ball(point.radius) - away
        rho = (_above(point.residual, "residual") + norm * away + lipschitz * away**2 / 2).upper()
        # One number serves as the least singular value everywhere: c decreases where it grows.
        sigma = (_below(point.least_singular_value, "least singular value") - lipschitz * away).lower()
        positive = compare(Enclosure(sigma), ">", 0)
        if not positive.holds:
            return _refusal(positive, "least singular value > 0")
        stable, c = discretisation(sigma, norm + lipschitz * (away + room.max(arb(0))))
        if not stable.holds:
            return _refusal(stable, "eta (||J|| + L R)^2 < 2")
        strength = c * sigma
        h = 2 * lipschitz * rho / strength**2
        small = compare(Enclosure(h), "<", 1)
        if not small.holds:
            return _refusal(small, "h < 1", h, c=c)
        root = (1 - h).sqrt()
        path = 2 * rho / (strength * (1 + root))
        inside = compare(Enclosure(path), "<", Enclosure(room))
        if not inside.holds:
            return _refusal(inside, "path < radius", h, path, c)
        return Convergence(inside, Enclosure(h), Enclosure(path), Enclosure((strength * root) ** 2), Enclosure(c))


def _refusal(
    missing: Verdict, what: str, h: arb | None = None, path: arb | None = None, c: arb | None = None
) -> Convergence:
    def known(ball: arb | None) -> Enclosure:
        return Enclosure(arb("nan") if ball is None else ball)

    verdict = Verdict(Outcome.UNDECIDED, missing.left, missing.relation, missing.right, f"{what} not proved")
    return Convergence(verdict, known(h), known(path), Enclosure.of(0), known(c))


def _above(value: Enclosure | Exact, name: str) -> arb:
    """The upper end of a nonnegative number."""
    return _end(Enclosure.of(value).upper, value, name)


def _below(value: Enclosure | Exact, name: str) -> arb:
    """The lower end of a number, 0 where that is negative: a norm is not."""
    return _end(max(Enclosure.of(value).lower, 0.0), value, name)


def _end(end: float, value: Enclosure | Exact, name: str) -> arb:
    if isinstance(value, Enclosure) and value.assumption:
        raise ValueError(f"the {name} is an estimate ({value.assumption}): only proved numbers enter")
    if end < 0:
        raise ValueError(f"the {name} is below {end}: it cannot be negative")
    return arb(end)
