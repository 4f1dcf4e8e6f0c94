"""Steps of convergence proofs that take bounds on the Jacobian over a ball, as obligations."""

from __future__ import annotations

from sympy import Abs, Expr, Ge, Gt, Le, Symbol
from sympy import Rational as Q

from bounds.papers._systems import assumed, promised
from bounds.proofs.arguments import Argument
from bounds.proofs.obligations import Obligation, Step
from bounds.quantities import e_0, eta
from bounds.statements import Edition

_e, _f, _D, _g, _d, _sigma = (Symbol(name, nonnegative=True) for name in ("e", "f", "D", "g", "d", "sigma"))
"""Residual before and after a step, its length, the gradient's norm, a distance, a singular value."""

_decrease = Symbol("G", nonnegative=True)
"""eta ||J^T r||^2, the decrease of the squared residual to first order, over 2."""


def linear_part(norm: Symbol) -> Argument:
    """One linear step of descent, at half the largest stable step."""

    def argument(edition: Edition) -> Obligation:
        return Obligation(
            "linear part",
            "||(1 - eta K) r||^2 <= ||r||^2 - (2 - eta beta^2) G with G = eta ||J^T r||^2; so ||(1 - eta K) r|| <= "
            "||r|| - 3 G / (4 ||r||).",
            given=(
                assumed(edition, "step size"),
                Gt(_e, 0),
                Le(_d**2, _e**2 - (2 - eta * norm**2) * _decrease),
            ),
            steps=(
                Step("half", Le(eta * norm**2, Q(1, 2))),
                Step("squares", Le(_d**2, _e**2 - Q(3, 2) * _decrease)),
                Step("positive", Ge(_e**2 - Q(3, 4) * _decrease, 0)),
                Step("product", Le(_d**2 * _e**2, (_e**2 - Q(3, 4) * _decrease) ** 2)),
            ),
            claim=Le(_d * _e, _e**2 - Q(3, 4) * _decrease),
            planted=Le(_d * _e, _e**2 - Q(9, 10) * _decrease),
        )

    return argument


def rest_of_a_step(alpha: Symbol, norm: Symbol, curvature: Symbol) -> Argument:
    """What curvature adds to a step."""

    def argument(edition: Edition) -> Obligation:
        return Obligation(
            "rest of the step",
            "The rest of F is at most L D^2 / 2 = L eta G / 2; with alpha <= beta it is at most G / (4 ||r||).",
            given=(
                assumed(edition, "step size, curvature"),
                Le(alpha, norm),
                Le(_e, e_0),
                Gt(e_0, 0),
                Gt(curvature, 0),
            ),
            steps=(
                Step("step size", Le(2 * curvature * eta * norm**2 * e_0, alpha**2)),
                Step("quarter", Le(2 * curvature * eta * e_0, 1)),
                Step("residual", Le(2 * curvature * eta * _e, 1)),
            ),
            claim=Le(curvature * eta * _decrease / 2 * _e, _decrease / 4),
            planted=Le(curvature * eta * _decrease / 2 * _e, _decrease / 5),
        )

    return argument


def whole_step(edition: Edition) -> Obligation:
    """The two parts of a step together."""
    rest = Symbol("rest", nonnegative=True)
    return Obligation(
        "one step",
        "||r_+|| <= ||(1 - eta K) r|| + rest, and so at most ||r|| - G / (2 ||r||).",
        given=(
            Gt(_e, 0),
            Le(_f, _d + rest),
            Le(_d * _e, _e**2 - Q(3, 4) * _decrease),
            Le(rest * _e, _decrease / 4),
        ),
        claim=Le(_f * _e, _e**2 - _decrease / 2),
        planted=Le(_f * _e, _e**2 - Q(3, 5) * _decrease),
    )


def contraction_by_jacobian(alpha: Symbol) -> Argument:
    """The decrease, by the least singular value on the ball."""

    def argument(edition: Edition) -> Obligation:
        assert edition.rate is not None
        factor, power = edition.rate.factor, edition.rate.power
        return Obligation(
            "contraction",
            "||J^T r|| >= alpha ||r|| turns the decrease into a factor.",
            given=(Gt(_e, 0), Le(_f * _e, _e**2 - eta * _g**2 / 2), Ge(_g, alpha * _e)),
            steps=(
                Step("squares", Ge(eta * _g**2, eta * alpha**2 * _e**2)),
                Step("factor", Le(_f, (1 - eta * alpha**2 / 2) * _e)),
                Step("at most 1", Le(_f, _e)),
            ),
            claim=Le(_f**power, factor * _e**power),
            planted=Le(_f**power, (factor - Q(1, 2) * eta * alpha**2) * _e**power),
        )

    return argument


def length_by_jacobian(alpha: Symbol, promise: str) -> Argument:
    """A step is no longer than a multiple of the drop of the residual."""

    def argument(edition: Edition) -> Obligation:
        share = promised(edition, promise) / e_0
        return Obligation(
            promise,
            "D ||J^T r|| <= 2 ||r|| (||r|| - ||r_+||) and ||J^T r|| >= alpha ||r||; the drops telescope.",
            given=(Gt(_e, 0), Le(_D * _g, 2 * _e * (_e - _f)), Ge(_g, alpha * _e), Le(_f, _e)),
            steps=(
                Step("singular value", Le(_D * alpha * _e, 2 * _e * (_e - _f))),
                Step("drop", Le(_D * alpha, 2 * (_e - _f))),
            ),
            claim=Le(_D, share * (_e - _f)),
            planted=Le(_D, Q(2, 5) * share * (_e - _f)),
        )

    return argument


def trade_off(alpha: Symbol, promise: str) -> Argument:
    """Distance and residual cannot both be large: D alpha / 2 <= ||r|| - ||r_+|| in each step."""

    def argument(edition: Edition) -> Obligation:
        relation = next(p.relation for p in edition.promises if p.name == promise)
        distance, residual = relation.lhs.coeff(alpha), relation.lhs.subs(alpha, 0)
        (away,) = distance.free_symbols
        return Obligation(
            promise,
            "The drops of the residual sum to e_0 - ||r||, and the steps to at least the distance.",
            given=(Le(alpha * away / 2, e_0 - residual),),
            claim=Le(relation.lhs, relation.rhs),
            planted=Le(relation.lhs + alpha * away / 2, relation.rhs),
        )

    return argument


def solutions_are_far(norm: Symbol, promise: str) -> Argument:
    """F moves by at most its Lipschitz constant times the distance."""

    def argument(edition: Edition) -> Obligation:
        bound = promised(edition, promise)
        return Obligation(
            promise,
            "For a solution ||r_0|| = ||F(w_*) - F(w_0)|| <= beta ||w_* - w_0||.",
            given=(Le(e_0, norm * _d),),
            claim=Ge(_d, bound),
            planted=Ge(_d, Q(11, 10) * bound),
        )

    return argument


def kept_on_the_ball(sigma: Symbol, curvature: Symbol, radius: Expr, least: Expr) -> Argument:
    """By Weyl, a least singular value on the whole ball."""

    def argument(edition: Edition) -> Obligation:
        return Obligation(
            "least singular value on the ball",
            "It falls by at most the Lipschitz constant of the Jacobian times the radius.",
            given=(assumed(edition, "Jacobian"), Gt(e_0, 0), Ge(_sigma, sigma - curvature * radius)),
            claim=Ge(_sigma, least),
            planted=Ge(_sigma, Q(11, 10) * least),
        )

    return argument


def eigenvalues_of_a_linear_step(sigma: Symbol, norm: Symbol) -> Argument:
    """Descent on linear features: the eigenvalues of 1 - eta K."""

    def argument(edition: Edition) -> Obligation:
        assert edition.rate is not None
        eigenvalue = Symbol("lambda", positive=True)
        return Obligation(
            "eigenvalues",
            "K is constant, with eigenvalues between sigma_0^2 and ||J_0||^2.",
            given=(assumed(edition, "step size"), Ge(eigenvalue, sigma**2), Le(eigenvalue, norm**2)),
            steps=(Step("step size", Le(eta * eigenvalue, 1)),),
            claim=Le(Abs(1 - eta * eigenvalue), edition.rate.factor),
            planted=Le(Abs(1 - eta * eigenvalue), 1 - Q(11, 10) * (1 - edition.rate.factor)),
        )

    return argument
