"""Steps of the proofs that scaled maps alpha h are lazy, as obligations."""

from __future__ import annotations

from sympy import Ge, Le, Symbol, log
from sympy import Rational as Q

from bounds.papers._systems import assumed, promised
from bounds.proofs.arguments import Argument
from bounds.proofs.obligations import Obligation, Step
from bounds.quantities import e_0
from bounds.statements import Edition

_moved, _tau, _gap = (Symbol(name, nonnegative=True) for name in ("moved", "tau", "gap"))
"""Distance of the parameters at time tau, and the distance of the outputs from the linear model's."""


def stays_in_range(scale: Symbol, horizon: Symbol, lipschitz: Symbol, radius: Symbol) -> Argument:
    """Up to the horizon the parameters stay where the constants hold."""

    def argument(edition: Edition) -> Obligation:
        return Obligation(
            "stays in range",
            "The residual does not grow, so the speed is at most Lip(h) e_0 / alpha; the horizon is K / Lip(h)^2.",
            given=(
                assumed(edition, "scale"),
                Le(_tau * lipschitz**2, horizon),
                Le(_moved, _tau * lipschitz * e_0 / scale),
            ),
            steps=(Step("horizon", Le(_tau * lipschitz**2 * e_0, horizon * e_0)),),
            claim=Le(_moved, radius),
            planted=Le(_moved, Q(9, 10) * radius),
        )

    return argument


def gap_at_the_horizon(scale: Symbol, horizon: Symbol, lipschitz: Symbol, smoothness: Symbol) -> Argument:
    """The gap grows at most like the change of the kernel times the residual."""

    def argument(edition: Edition) -> Obligation:
        bound = promised(edition, "gap")
        speed = 2 * lipschitz * smoothness * (lipschitz * e_0 / scale)  # times tau: the change of the kernel
        return Obligation(
            "gap",
            "With r and r' the residuals of the two flows, |r - r'|' <= ||K(w) - K(w_0)|| e_0 <= 2 Lip(h) Lip(Dh) |w "
            "- w_0| e_0; integrate up to the horizon K / Lip(h)^2.",
            given=(Le(_gap, speed * e_0 * _tau**2 / 2), Le(_tau * lipschitz**2, horizon)),
            steps=(Step("square", Le(_tau**2 * lipschitz**4, horizon**2)),),
            claim=Le(_gap, bound),
            planted=Le(_gap, Q(9, 10) * bound),
        )

    return argument


def lazy_scale(
    scale: Symbol, sigma: Symbol, smoothness: Symbol, start: Symbol, labels: Symbol, norm: Symbol
) -> Argument:
    """The printed conditions, for the square loss, imply that of the parabola with room for the printed rate."""

    def argument(edition: Edition) -> Obligation:
        conditions = (assumed(edition, "initial output"), assumed(edition, "scale"))
        kept = sigma**2 - 2 * smoothness * e_0 / scale
        return Obligation(
            "printed scale",
            "e_0 <= alpha ||h(w_0)|| + |y*| <= 2 alpha C_0, and sigma_min <= ||Dh(w_0)||: the parabola keeps at "
            "least 7/8 of sigma_min^2, and the printed rate is a quarter.",
            given=(*conditions, Le(e_0, scale * start + labels), Le(sigma, norm)),
            steps=(
                Step("output", Le(16 * smoothness * norm * start, sigma**3 / 2)),
                Step("labels", Le(16 * smoothness * norm * labels, scale * sigma**3 / 2)),
                Step("residual", Le(16 * smoothness * norm * e_0, scale * sigma**3)),
                Step("norm", Le(16 * smoothness * sigma * e_0, scale * sigma**3)),
                Step("drift", Le(16 * smoothness * e_0, scale * sigma**2)),
            ),
            claim=Ge(kept, Q(7, 8) * sigma**2),
            planted=Ge(kept, Q(9, 10) * sigma**2),
        )

    return argument


def printed_rate(sigma: Symbol) -> Argument:
    """What the parabola keeps is more than the printed rate."""

    def argument(edition: Edition) -> Obligation:
        assert edition.rate is not None
        kept, decay = Symbol("kept", positive=True), -log(edition.rate.factor)
        return Obligation(
            "rate",
            "The residual decays at what is left of sigma_min^2, at least 7/8 of it.",
            given=(Ge(kept, Q(7, 8) * sigma**2),),
            claim=Ge(kept, decay),
            planted=Ge(kept, 4 * decay),
        )

    return argument
