"""Steps of the proof that stochastic gradient descent stays in a PL* ball, as obligations."""

from __future__ import annotations

from sympy import Eq, Ge, Le, Symbol, sqrt
from sympy import Rational as Q

from bounds.papers._systems import assumed, mu, promised
from bounds.proofs.arguments import Argument
from bounds.proofs.obligations import Obligation, Step
from bounds.quantities import delta, eta, k, n
from bounds.statements import Edition

_loss, _next, _square = (Symbol(name, nonnegative=True) for name in ("loss", "next", "G2"))
"""The loss, its mean after a step, the squared norm of the full gradient."""


def mean_decrease(beta: Symbol, batch: Symbol, first: Symbol) -> Argument:
    """One step of stochastic descent, in the mean over its batch."""

    def argument(edition: Edition) -> Obligation:
        factor = (promised(edition, "mean loss") / first).subs(k, 1)
        variance = batch * (batch - 1) * _square / n**2 + 2 * beta * batch * _loss / n
        return Obligation(
            "mean decrease",
            "The mean of the batch's gradient is s/n grad L; its mean square is at most s(s-1)/n^2 ||grad L||^2 + "
            "s/n sum ||grad l_i||^2, with ||grad l_i||^2 <= 2 beta l_i; L is n beta-smooth; ||grad L||^2 >= 2 mu L.",
            given=(
                assumed(edition, "step size"),
                Le(_next, _loss - eta * batch * _square / n + n * beta / 2 * eta**2 * variance),
                Ge(_square, 2 * mu * _loss),
            ),
            steps=(
                Step("step size", Le(eta * (mu * beta * (batch - 1) + n * beta**2), mu)),
                Step("gradient's share", Le(eta * beta * (batch - 1), 1)),
                Step(
                    "gradient",
                    Le(
                        _square * (eta * beta * (batch - 1) / 2 - 1),
                        2 * mu * _loss * (eta * beta * (batch - 1) / 2 - 1),
                    ),
                ),
                Step(
                    "next",
                    Le(
                        _next,
                        _loss
                        + eta * batch / n * 2 * mu * _loss * (eta * beta * (batch - 1) / 2 - 1)
                        + eta**2 * beta**2 * batch * _loss,
                    ),
                ),
            ),
            claim=Le(_next, factor * _loss),
            planted=Le(_next, (1 - Q(11, 10) * (1 - factor)) * _loss),
        )

    return argument


def mean_path(beta: Symbol, batch: Symbol, first: Symbol) -> Argument:
    """Markov on the length of the path while the iterates stay in the ball."""

    def argument(edition: Edition) -> Obligation:
        radius = assumed(edition, "ball").rhs
        speed, total, share = (Symbol(name, positive=True) for name in ("speed", "total", "q"))
        return Obligation(
            "stays in the ball",
            "The mean length of a step is at most eta s sqrt(2 beta L / n) and sqrt(L) falls in the mean by sqrt(q), "
            "q = 1 - mu s eta / n, so the mean length of the path is at most the first over 1 - sqrt(q) >= (1 - "
            "q)/2; by Markov it exceeds the radius with probability at most delta.",
            given=(
                Eq(speed, eta * batch * sqrt(2 * beta * first / n)),
                Le(total * mu * batch * eta / n, 2 * speed),
                Eq(share, total / radius),
            ),
            steps=(Step("path", Le(total * mu, 2 * n * sqrt(2 * beta * first / n))),),
            claim=Le(share, delta),
            planted=Le(share, Q(9, 10) * delta),
        )

    return argument
