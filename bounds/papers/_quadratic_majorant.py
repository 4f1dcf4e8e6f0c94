"""Steps of convergence proofs by a parabola that bounds the residual along the path, as obligations.

While the path has length s, the least singular value of the Jacobian is at least sigma - beta s by Weyl, so the
residual falls at least as fast as the parabola e_0 - sigma s + beta s^2 / 2; its first root bounds the path.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Eq, Expr, Ge, Gt, Le, Lt, Symbol, log, sqrt
from sympy import Rational as Q
from sympy.core.relational import Relational

from bounds.papers._systems import assumed, beta_F, lipschitz_F, path, promised, sigma_0
from bounds.proofs.arguments import Argument
from bounds.proofs.obligations import Obligation, Step
from bounds.quantities import e_0, eta
from bounds.statements import Edition

_e, _f, _D, _g, _s, _sigma = (Symbol(name, nonnegative=True) for name in ("e", "f", "D", "g", "s", "sigma"))
"""Residual before and after a step, its length, the gradient's norm, path before it, least singular value there."""

_squares = Symbol("s_squares", nonnegative=True)
"""Sum of the squared lengths of the steps."""


@dataclass(frozen=True)
class Majorant:
    """The parabola of a statement, in its own symbols.

    Args:
        sigma: least singular value of the Jacobian at the start.
        beta: Lipschitz constant of the Jacobian.
        known: what is known of the two, such as the definition of beta or a law of the start.
        conditions: names of the edition's conditions that make the discriminant positive.
        residual: its norm at the start.
    """

    sigma: Expr
    beta: Expr
    known: tuple[Relational, ...] = ()
    conditions: tuple[str, ...] = ("Jacobian",)
    residual: Expr = e_0

    def given(self, edition: Edition) -> tuple[Relational, ...]:
        """The conditions that the proof rests on."""
        relations = (c.relation for c in edition.assumes if c.name in self.conditions and c.relation is not None)
        return (*self.known, *relations)

    @property
    def discriminant(self) -> Expr:
        """Of the parabola; what Weyl leaves of the least eigenvalue at its first root."""
        return self.sigma**2 - 2 * self.beta * self.residual

    def at(self, length: Expr) -> Expr:
        """The bound on the residual after a path of some length."""
        return self.residual - self.sigma * length + self.beta * length**2 / 2

    def first_root(self, edition: Edition) -> Obligation:
        """No path is longer than promised: the parabola would be negative beyond."""
        bound = promised(edition, "path")
        return Obligation(
            "first root",
            "Where the path has the promised length, the parabola above the residual is at most 0.",
            given=(*self.given(edition), Eq(_s, bound)),
            steps=(
                Step("discriminant", Ge(self.discriminant, 0)),
                Step("length", Ge(_s * (self.sigma + sqrt(self.discriminant)), 2 * self.residual)),
            ),
            claim=Le(self.at(_s), 0),
            planted=Le(self.at(Q(9, 10) * _s), 0),
        )

    def least_eigenvalue(self, edition: Edition) -> Obligation:
        """What Weyl leaves of the least eigenvalue at the end of the promised path."""
        length, bound = promised(edition, "path"), promised(edition, "least eigenvalue")
        return Obligation(
            "least eigenvalue",
            "On a path no longer than promised the least singular value is at least sigma - beta s >= 0; square it.",
            given=(*self.given(edition), Le(_s, length), Ge(_sigma, self.sigma - self.beta * _s)),
            steps=(
                Step("slope", Ge(self.sigma - self.beta * _s, sqrt(self.discriminant))),
                Step("singular value", Ge(_sigma, sqrt(self.discriminant))),
            ),
            claim=Ge(_sigma**2, bound),
            planted=Ge(_sigma**2, Q(11, 10) * bound),
        )

    def flow(self, edition: Edition) -> Obligation:
        """The decay of the squared residual under the flow."""
        assert edition.rate is not None
        decay, bound = -log(edition.rate.factor), promised(edition, "least eigenvalue")
        return Obligation(
            "rate of the flow",
            "The squared residual decays at twice the least eigenvalue.",
            given=(*self.given(edition), Ge(_sigma**2, bound)),
            claim=Ge(2 * _sigma**2, decay),
            planted=Ge(2 * _sigma**2, Q(11, 10) * decay),
        )

    def step(self, edition: Edition) -> Obligation:
        """One step of descent stays under the parabola."""
        return Obligation(
            "one step",
            "||r_+|| <= ||(1 - eta K) r|| + beta D^2 / 2, and the first is at most ||r|| - (sigma - beta s) D.",
            given=(
                *self.known,
                Le(_f, _e - _D * (self.sigma - self.beta * _s) + self.beta * _D**2 / 2),
                Le(_e, self.at(_s)),
            ),
            claim=Le(_f, self.at(_s + _D)),
            planted=Le(_f, self.at(_s + _D) - _D / 10),
        )

    def descent(self, edition: Edition) -> Obligation:
        """The contraction of the residual in each step of descent."""
        assert edition.rate is not None
        factor, bound = edition.rate.factor, promised(edition, "least eigenvalue")
        return Obligation(
            "contraction",
            "||r_+|| <= ||r|| - sigma D with sigma the least singular value at the end of the path, and D >= eta "
            "sigma ||r||.",
            given=(Ge(_sigma**2, bound), Le(_f, _e - _sigma * _D), Ge(_D, eta * _sigma * _e), Gt(_e, 0)),
            steps=(
                Step("product", Le(_f, _e - eta * _sigma**2 * _e)),
                Step("eigenvalue", Ge(eta * _sigma**2 * _e, eta * bound * _e)),
            ),
            claim=Le(_f, factor * _e),
            planted=Le(_f, (1 - Q(11, 10) * (1 - factor)) * _e),
        )


def linear_step(edition: Edition) -> Obligation:
    """Descent loses nothing to the finite step: the inequality of Cauchy and Schwarz behind it."""
    least, mean = Symbol("a", nonnegative=True), Symbol("q", nonnegative=True)
    return Obligation(
        "linear step",
        "For eigenvalues of eta K in [a, 1] with mean q under the weights of r, ||(1 - eta K) r||^2 <= (1 - a)(1 - q) "
        "||r||^2 and sigma D = sqrt(a q) ||r||; so ||(1 - eta K) r|| <= ||r|| - sigma D.",
        given=(Le(least, 1), Le(mean, 1)),
        claim=Le(sqrt(least * mean) + sqrt((1 - least) * (1 - mean)), 1),
        planted=Le(sqrt(least * mean) + sqrt((1 - least) * (1 - mean)), Q(9, 10)),
    )


def stable_step(norm: Expr, given: tuple[Relational, ...] = ()) -> Argument:
    """The step is within the reach of the linear step, on the whole ball.

    Args:
        norm: what bounds the norm of the Jacobian after a path of length s.
        given: what bounds s.
    """

    def argument(edition: Edition) -> Obligation:
        reach = Symbol("J", nonnegative=True)
        return Obligation(
            "stable step",
            "eta ||J||^2 <= 1 wherever the path may go.",
            given=(Le(eta, edition.limit(eta)), Le(reach, norm), *given),
            claim=Le(eta * reach**2, 1),
            planted=Le(eta * reach**2, Q(9, 10)),
        )

    return argument


# --- Descent by the descent lemma alone, which loses a factor 4 in the condition --------------------------------------


def plain_step(edition: Edition) -> Obligation:
    """One linear step, without the spectrum."""
    return Obligation(
        "linear step",
        "||(1 - eta K) r||^2 <= ||r||^2 - eta (2 - eta L_F^2) ||J^T r||^2, and D = eta ||J^T r|| with ||J^T r|| >= "
        "sigma ||r||; so ||(1 - eta K) r|| <= ||r|| - sigma D / 2.",
        given=(
            Le(eta, edition.limit(eta)),
            Le(_f**2, _e**2 - (2 - eta * lipschitz_F**2) * _D * _g),
            Ge(_g, _sigma * _e),
            Gt(_e, 0),
        ),
        steps=(
            Step("step size", Le(eta * lipschitz_F**2, 1)),
            Step("gradient", Le(_f**2, _e**2 - _D * _g)),
            Step("singular value", Le(_f**2, _e**2 - _D * _sigma * _e)),
        ),
        claim=Le(_f, _e - _sigma * _D / 2),
        planted=Le(_f, _e - Q(3, 5) * _sigma * _D),
    )


def plain_sum(edition: Edition) -> Obligation:
    """The drops of the residual add up, up to the squared lengths of the steps."""

    def bound(length: Expr, squares: Expr) -> Expr:
        return e_0 - sigma_0 * length / 2 + beta_F * (length**2 + squares) / 4

    drop = _D * (sigma_0 - beta_F * _s) / 2 - beta_F * _D**2 / 2
    return Obligation(
        "sum of the steps",
        "||r_+|| <= ||r|| - D (sigma_0 - beta_F s) / 2 + beta_F D^2 / 2 keeps ||r|| below e_0 - sigma_0 s / 2 + beta_F "
        "(s^2 + sum D^2) / 4.",
        given=(Le(_e, bound(_s, _squares)), Le(_f, _e - drop)),
        claim=Le(_f, bound(_s + _D, _squares + _D**2)),
        planted=Le(_f, bound(_s + _D, _squares) - _D / 10),
    )


def plain_curve(edition: Edition) -> Obligation:
    """No step is longer than eta L_F e_0: the squared lengths sum to at most that times the path."""
    bound = promised(edition, "residual along the path")
    sides = e_0 - sigma_0 * path / 2 + beta_F * (path**2 + _squares) / 4
    return Obligation(
        "residual along the path",
        "sum D^2 <= eta L_F e_0 s turns the sum into the promised parabola.",
        given=(Le(_squares, eta * lipschitz_F * e_0 * path),),
        claim=Le(sides, bound),
        planted=Le(sides, bound - path / 10),
    )


def plain_root(edition: Edition) -> Obligation:
    """The promised length is where the promised parabola vanishes."""
    length = promised(edition, "path")
    at_length = promised(edition, "residual along the path").subs(path, _s)
    slope = sigma_0 / 2 - beta_F * eta * lipschitz_F * e_0 / 4
    conditions = tuple(
        c.relation for c in edition.assumes if c.name in ("Jacobian", "step size") and c.relation is not None
    )
    return Obligation(
        "first root",
        "sigma_0 <= L_F keeps the discriminant positive; at the promised length the parabola is at most 0.",
        given=(*conditions, Le(sigma_0, lipschitz_F), Ge(_s, length)),
        steps=(
            Step("longest step", Le(eta * lipschitz_F * sigma_0, 1)),
            Step("its curvature", Le(beta_F * eta * lipschitz_F * e_0, sigma_0 / 8)),
            Step("slope", Ge(slope, 15 * sigma_0 / 32)),
            Step("discriminant", Gt(slope**2, beta_F * e_0)),
        ),
        claim=Le(at_length.subs(_s, length), 0),
        planted=Le(at_length.subs(_s, Q(9, 10) * length), 0),
    )


# --- Existence by the simplified Newton iteration ---------------------------------------------------------------------


def maps_into_itself(newton: Expr, kappa: Expr, condition: str = "curvature", *known: Relational) -> Argument:
    """The simplified Newton iteration maps the promised ball into itself."""

    def argument(edition: Edition) -> Obligation:
        radius = promised(edition, "distance")
        return Obligation(
            "maps the ball into itself",
            "||T(w) - w_0|| <= b + kappa t^2 / 2 on the ball of radius t.",
            given=(*known, assumed(edition, condition)),
            claim=Le(newton + kappa * radius**2 / 2, radius),
            planted=Le(newton + Q(3, 5) * kappa * radius**2, radius),
        )

    return argument


def contracts(newton: Expr, kappa: Expr, condition: str = "curvature", *known: Relational) -> Argument:
    """It contracts there."""

    def argument(edition: Edition) -> Obligation:
        radius = promised(edition, "distance")
        return Obligation(
            "contracts",
            "||T(w) - T(w')|| <= kappa t ||w - w'|| on the ball of radius t.",
            given=(*known, assumed(edition, condition)),
            claim=Lt(kappa * radius, 1),
            planted=Lt(kappa * radius, Q(9, 10)),
        )

    return argument


def no_solution_nearer(newton: Expr, kappa: Expr) -> Argument:
    """A solution's distance d satisfies b <= d + kappa d^2 / 2."""

    def argument(edition: Edition) -> Obligation:
        bound = promised(edition, "nearest solution")
        return Obligation(
            "no solution nearer",
            "J_0^+ r_0 = -J_0^+ J_0 d - J_0^+ int (J - J_0) d for a solution w_0 + d.",
            given=(Le(newton, _s + kappa * _s**2 / 2),),
            claim=Ge(_s, bound),
            planted=Ge(_s, Q(11, 10) * bound),
        )

    return argument
