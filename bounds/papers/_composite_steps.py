"""Steps of proofs about a loss f of a map Phi, and about scaled maps alpha h, as obligations."""

from __future__ import annotations

from sympy import Expr, Ge, Gt, Le, Symbol, sqrt
from sympy import Rational as Q

from bounds.papers._systems import assumed, promised
from bounds.proofs.arguments import Argument
from bounds.proofs.obligations import Obligation, Step
from bounds.statements import Edition

_loss, _square, _s, _sigma, _tau = (Symbol(name, nonnegative=True) for name in ("loss", "G2", "s", "sigma", "tau"))
"""The loss, the squared norm of its gradient, the length of the path, a singular value, time."""


def near_isometry(mu: Symbol, nu: Symbol, smoothness: Symbol) -> Argument:
    """Weyl on the ball of Lemma 1."""

    def argument(edition: Edition) -> Obligation:
        radius = promised(edition, "radius")
        return Obligation(
            "near isometry",
            "Singular values move by at most beta rho.",
            given=(Le(_s, radius), Le(mu, nu)),
            steps=(
                Step("drift", Le(smoothness * _s, mu / 2)),
                Step("least", Ge(mu - smoothness * _s, promised(edition, "least singular value"))),
            ),
            claim=Le(nu + smoothness * _s, promised(edition, "largest singular value")),
            planted=Le(nu + smoothness * _s, Q(9, 10) * promised(edition, "largest singular value")),
        )

    return argument


def composite_length(mu: Symbol, smoothness: Symbol, pl: Symbol, loss: Symbol) -> Argument:
    """The flow stays where Phi is a near isometry."""

    def argument(edition: Edition) -> Obligation:
        return Obligation(
            "length of the flow",
            "||grad h||^2 >= (mu/2)^2 2 alpha_f h, so d sqrt(h) / ds <= -mu sqrt(alpha_f / 2) / 2 along the "
            "arclength s: the path is no longer than the radius mu / (2 beta) of Lemma 1.",
            given=(assumed(edition, "initial loss"), Le(_s * mu * sqrt(pl / 2) / 2, sqrt(loss))),
            steps=(
                Step("squares", Le(_s**2 * mu**2 * pl, 8 * loss)),
                Step("loss", Le(_s**2 * mu**2 * pl * 4 * smoothness**2, pl * mu**4)),
                Step("radius", Le(4 * _s**2 * smoothness**2, mu**2)),
            ),
            claim=Le(_s, mu / (2 * smoothness)),
            planted=Le(_s, Q(9, 10) * mu / (2 * smoothness)),
        )

    return argument


def composite_rate(mu: Symbol, pl: Symbol) -> Argument:
    """The decay of the loss under the flow."""

    def argument(edition: Edition) -> Obligation:
        bound = promised(edition, "decay")
        return Obligation(
            "decay of the loss",
            "dh / dt = -||grad h||^2, and ||grad h||^2 >= (mu/2)^2 2 alpha_f h.",
            given=(Gt(_loss, 0), Ge(_square, (mu / 2) ** 2 * 2 * pl * _loss)),
            claim=Ge(_square / _loss, bound),
            planted=Ge(_square / _loss, Q(11, 10) * bound),
        )

    return argument


def printed_implies(printed: Expr, mu: Symbol, nu: Symbol, loss: Symbol) -> Argument:
    """The printed initial loss, with the explicit constant, implies the explicit one."""

    def argument(edition: Edition) -> Obligation:
        bound = edition.limit(loss)
        return Obligation(
            "printed implies explicit",
            "mu <= nu: the factor mu^2 / nu^2 of the printed condition is at most 1.",
            given=(Le(loss, printed), Le(mu, nu)),
            claim=Le(loss, bound),
            planted=Le(loss, Q(9, 10) * bound),
        )

    return argument


def block_norm(lipschitz: Expr, second: Expr, data: Expr) -> Argument:
    """The Jacobian of a shallow network between two points, block by block."""

    def argument(edition: Edition) -> Obligation:
        bound = promised(edition, "Lipschitz constant of the Jacobian")
        hidden, output = Symbol("dW", nonnegative=True), Symbol("dV", nonnegative=True)
        change, away = Symbol("dJ", nonnegative=True), Symbol("dw", nonnegative=True)
        first, rest = data * lipschitz * hidden, data * (lipschitz * output + second * hidden)
        return Obligation(
            "Jacobian of a shallow network",
            "||dJ||^2 <= (|X| L |dW|)^2 + (|X| L |dV| + |X| B chi |dW|)^2, and |dW|^2 + |dV|^2 is the squared "
            "distance.",
            given=(Le(change**2, first**2 + rest**2), Le(hidden**2 + output**2, away**2)),
            steps=(
                Step("smooth part", Le(hidden, away)),
                Step("linear part", Le(first**2 + (data * lipschitz * output) ** 2, (data * lipschitz * away) ** 2)),
                Step("cross", Le(output * hidden, away**2 / 2)),
            ),
            claim=Le(change, bound * away),
            planted=Le(change, Q(1, 2) * bound * away),
        )

    return argument
