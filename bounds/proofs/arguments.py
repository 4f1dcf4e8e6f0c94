"""The recurring arguments of convergence proofs, as obligations on an edition.

Each argument reads an edition (its conditions, radius, rate, promises and events) and says which inequality must
follow, so that a constant changed anywhere in the edition makes a proof fail. Analysis enters as formulas of its
results (a tail bound, a geometric sum, the norm after one step); that the edition's constants fit them is what the
solvers prove.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy
from sympy import Add, Eq, Expr, Ge, Gt, Le, Lt, Max, erf, exp, log, sqrt
from sympy import Rational as Q
from sympy.core.relational import Relational

from bounds.proofs.obligations import Obligation, Step
from bounds.quantities import (
    F,
    R,
    S,
    delta,
    delta_1,
    delta_2,
    delta_3,
    delta_4,
    e_0,
    eta,
    initial_gram_deviation,
    lambda_0,
    m,
    n,
    output_travel,
    t,
    y_norm,
)
from bounds.quantities import least_eigenvalue as lambda_k
from bounds.quantities import travel as travelled
from bounds.statements import INITIAL_RESIDUAL_BOUND, Edition

Argument = Callable[[Edition], Obligation]

UNIT_ROWS = (Ge(S, 1), Le(S, n), Le(F**2, S * n), Le(lambda_0, Q(1, 2)))
"""For unit rows the diagonal of X X^T is 1, so 1 <= S <= trace = n and F^2 <= S trace; lambda_0 <= H_ii = 1/2."""

POSITIVE = Gt(lambda_0, 0)
START = 3 * lambda_0 / 4
"""What the initial matrix must keep of the least eigenvalue."""


@dataclass(frozen=True)
class Flips:
    """A way of counting neurons near a kink, and what the count bounds while no neuron leaves its radius.

    Args:
        budget: the bound on the count, on its event.
        drift: bound on ||H - H(0)||.
    """

    budget: Relational
    drift: Expr


@dataclass(frozen=True)
class Kinks:
    """What neurons near a kink do to one step of descent, as their count bounds it.

    Args:
        flips: the count.
        near: bound on the norm of the part of H from these neurons.
        kick: bound on their contribution to one step, over eta ||e||.
    """

    flips: Flips
    near: Expr
    kick: Expr


# --- Events of the random start ---------------------------------------------------------------------------------------


def union_of_events(edition: Edition) -> Obligation:
    """Even shares of delta add up to delta."""
    shares = [event.share for event in edition.events]
    return Obligation(
        "union of events",
        "Even shares of delta add up to delta.",
        given=tuple(Le(share, delta / len(shares)) for share in shares),
        claim=Le(Add(*shares), delta),
        planted=Le(Add(*shares), Q(99, 100) * delta),
    )


def initial_residual(edition: Edition) -> Obligation:
    """Markov on the squared initial residual."""
    mean = y_norm**2 + n / 2
    return Obligation(
        "initial residual by Markov",
        "The mean |y|^2 + n/2 of the squared residual over the square of its bound is at most the share of delta.",
        given=(Eq(e_0, INITIAL_RESIDUAL_BOUND),),
        claim=Le(mean / e_0**2, delta_3),
        planted=Le(mean / e_0**2, Q(99, 100) * delta_3),
    )


def width_in_delta(bound: Expr, condition: str = "travel below radius") -> Argument:
    """The width with even shares of delta and the initial residual on its event."""

    def argument(edition: Edition) -> Obligation:
        shares = tuple(Eq(event.share, delta / len(edition.events)) for event in edition.events)
        width = _condition(edition, condition).rhs
        return Obligation(
            "width in terms of delta",
            "With even shares of delta, and the initial residual bounded on its event, the width is the stated one.",
            given=(POSITIVE, *shares, Eq(e_0, INITIAL_RESIDUAL_BOUND)),
            claim=Le(width, bound),
            planted=Le(width, Q(99, 100) * bound),
        )

    return argument


def hoeffding_start(edition: Edition) -> Obligation:
    """Hoeffding on each entry of the initial Gram matrix, a union bound, and the Frobenius norm."""
    deviation = (lambda_0 - START) / F
    return Obligation(
        "initial Gram by Hoeffding",
        "Each of n(n+1)/2 entries deviates by |x_i.x_j| a with probability at most 2 exp(-2 m a^2), and the matrix "
        "by F a = lambda_0 / 4.",
        given=(POSITIVE, *_shares(edition), *UNIT_ROWS, Le(F, n), _initial_width(edition)),
        claim=Le(n * (n + 1) * exp(-2 * m * deviation**2), delta_1),
        planted=Le(n * (n + 1) * exp(-Q(9, 5) * m * deviation**2), delta_1),
    )


def chernoff_start(edition: Edition) -> Obligation:
    """Tropp's matrix Chernoff bound for the least eigenvalue of the initial Gram matrix."""
    kept = START / lambda_0
    exponent = (1 - kept + kept * log(kept)) * m * lambda_0 / S
    return Obligation(
        "initial Gram by matrix Chernoff",
        "A sum of independent positive matrices of norm at most S/m and mean at least lambda_0 falls below c lambda_0 "
        "with probability at most n exp(-(1 - c + c log c) m lambda_0 / S), c = 3/4.",
        given=(POSITIVE, *_shares(edition), _initial_width(edition)),
        claim=Le(n * exp(-exponent), delta_1),
        planted=Le(n * exp(-Q(99, 100) * exponent), delta_1),
    )


def markov_flips(edition: Edition) -> Obligation:
    """Markov on the number of neurons near a kink."""
    mean, bound = n * erf(R / sqrt(2)), _bound(edition, "neurons near a kink")
    return Obligation(
        "neurons near a kink by Markov",
        "The mean n P(|z| <= R) over its bound is at most the share of delta.",
        given=(),
        claim=Le(mean / bound, delta_2),
        planted=Le(mean / bound, delta_2 / 2),
    )


def chernoff_flips(edition: Edition) -> Obligation:
    """Chernoff on the number of neurons near each kink, and a union bound."""
    mean, bound = erf(R / sqrt(2)), _bound(edition, "neurons near a kink") / n
    exponent = (2 * log(2) - 1) * m * mean
    return Obligation(
        "neurons near a kink by Chernoff",
        "A binomial exceeds twice its mean M with probability at most exp(-(2 log 2 - 1) M), for each of n inputs.",
        given=(*_shares(edition), _condition(edition, "few flips")),
        steps=(Step("twice the mean is within the bound", Le(2 * mean, bound)),),
        claim=Le(n * exp(-exponent), delta_2),
        planted=Le(n * exp(-exponent / 2), delta_2),
    )


def largest_preactivation(bound: Expr) -> Argument:
    """Gaussian tails of all m n initial preactivations."""

    def argument(edition: Edition) -> Obligation:
        tau = sympy.Symbol("tau", nonnegative=True)
        return Obligation(
            "initial preactivations",
            "Each of m n standard normals exceeds tau in modulus with probability at most 2 exp(-tau^2 / 2).",
            given=(*_shares(edition), Eq(tau, bound)),
            claim=Le(2 * m * n * exp(-(tau**2) / 2), delta_4),
            planted=Le(2 * m * n * exp(-(tau**2) / 3), delta_4),
        )

    return argument


# --- Budgets while no weight leaves its radius ------------------------------------------------------------------------


def initial_eigenvalue(edition: Edition) -> Obligation:
    """Weyl's inequality at the start."""
    return Obligation(
        "initial least eigenvalue",
        "A perturbation lowers the least eigenvalue by at most its norm.",
        given=(POSITIVE, Le(initial_gram_deviation, _bound(edition, "initial Gram matrix near its limit"))),
        claim=Ge(lambda_0 - initial_gram_deviation, _bound(edition, "initial least eigenvalue")),
        planted=Ge(lambda_0 - initial_gram_deviation, Q(101, 100) * _bound(edition, "initial least eigenvalue")),
    )


def drift(flips: Flips) -> Argument:
    """The drift of the Gram matrix."""

    def argument(edition: Edition) -> Obligation:
        bound = _bound(edition, "Gram drift")
        return Obligation(
            "Gram drift",
            "While no weight leaves its radius, the Gram matrix stays within the promised distance of its start.",
            given=_inside(edition, flips),
            claim=Le(flips.drift, bound),
            planted=Le(flips.drift, Q(3, 4) * bound),
        )

    return argument


def least_eigenvalue(flips: Flips) -> Argument:
    """What the drift leaves of the least eigenvalue."""

    def argument(edition: Edition) -> Obligation:
        bound = _bound(edition, "least eigenvalue")
        return Obligation(
            "least eigenvalue",
            "The least eigenvalue of the initial matrix less the drift is at least the promised one.",
            given=_inside(edition, flips),
            claim=Ge(START - flips.drift, bound),
            planted=Ge(START - flips.drift, Q(11, 10) * bound),
        )

    return argument


# --- Rates ------------------------------------------------------------------------------------------------------------


def flow_rate(flips: Flips) -> Argument:
    """The decay of the residual under gradient flow."""

    def argument(edition: Edition) -> Obligation:
        decay = 2 * (START - flips.drift)
        promised = -log(_factor(edition))
        return Obligation(
            "rate of the flow",
            "The squared residual decays at twice the least eigenvalue, which is at least the promised rate.",
            given=_inside(edition, flips),
            claim=Ge(decay, promised),
            planted=Ge(decay, Q(11, 10) * promised),
        )

    return argument


def rate_of_eigenvalue(edition: Edition) -> Obligation:
    """The decay of the residual under gradient flow while the least eigenvalue stays above its bound."""
    promised = -log(_factor(edition))
    return Obligation(
        "rate of the flow",
        "The squared residual decays at twice the least eigenvalue.",
        given=(POSITIVE, _condition(edition, "least eigenvalue stays above half")),
        claim=Ge(2 * lambda_k, promised),
        planted=Ge(2 * lambda_k, Q(11, 10) * promised),
    )


def one_step_squared(kinks: Kinks) -> Argument:
    """One step of gradient descent, expanding the square of the next residual."""

    def argument(edition: Edition) -> Obligation:
        factor = _factor(edition)
        least = START - kinks.flips.drift
        square = 1 - 2 * eta * least + 2 * eta * kinks.near + 2 * eta * kinks.kick + eta**2 * S**2
        return Obligation(
            "one step",
            "||e(k+1)||^2 <= (1 - 2 eta lambda + 2 eta ||H_perp|| + 2 ||I_2||/||e|| + eta^2 S^2) ||e(k)||^2, lambda "
            "the least eigenvalue after the drift.",
            given=(*_inside(edition, kinks.flips), _condition(edition, "step size")),
            claim=Le(square, factor),
            planted=Le(square, 1 - Q(11, 10) * (1 - factor)),
        )

    return argument


def one_step(kinks: Kinks) -> Argument:
    """One step of gradient descent, from the exact identity for the next residual."""

    def argument(edition: Edition) -> Obligation:
        factor = _factor(edition)
        contraction = Max(1 - eta * (START - kinks.flips.drift), eta * S - 1)
        norm = contraction + eta * kinks.near + eta * kinks.kick
        return Obligation(
            "one step",
            "||e(k+1)|| <= (||1 - eta H|| + eta ||H_perp|| + ||I_2||/||e||) ||e(k)||, and the eigenvalues of H lie "
            "between the least eigenvalue after the drift and S.",
            given=(*_inside(edition, kinks.flips), _condition(edition, "step size")),
            claim=Le(norm, factor),
            planted=Le(norm, 1 - Q(11, 10) * (1 - factor)),
        )

    return argument


# --- Travel -----------------------------------------------------------------------------------------------------------


def geometric_sum(edition: Edition) -> Obligation:
    """Partial sums of a geometric series, by induction in Horner's form."""
    ratio, partial = sympy.Symbol("q", nonnegative=True), sympy.Symbol("s", nonnegative=True)
    limit = 1 / (1 - ratio)
    return Obligation(
        "geometric sum",
        "If a partial sum s of 1 + q + q^2 + ... is at most 1/(1 - q), so is the next one, 1 + q s.",
        given=(Lt(ratio, 1), Le(partial, limit)),
        claim=Le(1 + ratio * partial, limit),
        planted=Le(1 + ratio * partial, Q(99, 100) * limit),
    )


def travel(promise: str, gradient: Expr, inside: tuple[Relational, ...] = ()) -> Argument:
    """How far weights move whose gradient is at most ``gradient`` times the norm of the residual.

    Args:
        promise: the name of the edition's promise.
        gradient: may contain the travels themselves, which the edition's conditions on them bound.
        inside: bounds on the travels that a proof by continuity may assume up to the first exit.
    """

    def argument(edition: Edition) -> Obligation:
        assert edition.rate is not None
        factor, power, bound = edition.rate.factor, edition.rate.power, _bound(edition, promise)
        given = (POSITIVE, *UNIT_ROWS, *_shares(edition), *inside, *_conditions_on_travel(edition))
        if edition.radius is not None:
            given = (*given, Eq(R, edition.radius))
        if edition.rate.clock == t:
            decay = -log(factor) / power
            limit = gradient * e_0 / decay
            return Obligation(
                promise,
                "The speed is at most the gradient, which decays with the residual; its integral stays bounded.",
                given=given,
                steps=(Step("integral", Le(gradient * e_0 * (1 - exp(-decay * t)) / decay, limit)),),
                claim=Le(limit, bound, evaluate=False),
                planted=Le(limit, Q(9, 10) * bound, evaluate=False),
            )
        limit = eta * gradient * e_0 / (1 - factor ** Q(1, power))
        return Obligation(
            promise,
            "The lengths of the steps decay with the residual; they sum to at most a geometric series.",
            given=(*given, _condition(edition, "step size")),
            steps=(Step("the factor is positive", Gt(factor, 0)), Step("the factor is below 1", Lt(factor, 1))),
            claim=Le(limit, bound, evaluate=False),
            planted=Le(limit, Q(9, 10) * bound, evaluate=False),
        )

    return argument


def stays_inside(promise: str = "travel", condition: str = "travel below radius", radius: Expr = R) -> Argument:
    """The width makes the promised travel smaller than the radius, which closes the induction."""

    def argument(edition: Edition) -> Obligation:
        bound = _bound(edition, promise)
        return Obligation(
            condition,
            "At the required width the promised travel is smaller than the radius within which it was derived.",
            given=(POSITIVE, *_shares(edition), Eq(R, edition.radius), _condition(edition, condition)),
            claim=Lt(bound, radius),
            planted=Lt(bound, Q(99, 100) * radius),
        )

    return argument


def _inside(edition: Edition, flips: Flips) -> tuple[Relational, ...]:
    return (POSITIVE, *UNIT_ROWS, Eq(R, edition.radius), flips.budget)


def _shares(edition: Edition) -> tuple[Relational, ...]:
    return tuple(Lt(event.share, 1) for event in edition.events)


def _initial_width(edition: Edition) -> Relational:
    return _condition(edition, "width", "initial Gram")


def _condition(edition: Edition, *names: str) -> Relational:
    return next(c.relation for c in edition.assumes if c.name in names and c.relation is not None)


def _conditions_on_travel(edition: Edition) -> tuple[Relational, ...]:
    relations = (c.relation for c in edition.assumes if c.relation is not None)
    return tuple(relation for relation in relations if relation.lhs in (travelled, output_travel))


def _bound(edition: Edition, name: str) -> Expr:
    return next(promise.bound for promise in edition.promises if promise.name == name)


def _factor(edition: Edition) -> Expr:
    assert edition.rate is not None
    return edition.rate.factor
