"""Steps of the proofs of Du, Lee, Li, Wang and Zhai (ICML 2019) that fully-connected and residual networks share.

*Adding up over layers.* Move all weights along a direction of norm 1 whose part up to layer h has norm W and whose part
in layer h + 1 has norm w. If features move by z W, the next ones move by ratio z W + added w, which by the inequality
of Cauchy and Schwarz is at most sqrt(ratio^2 z^2 + added^2) sqrt(W^2 + w^2): squares add up in a geometric sum.

*Entries of the Gram matrix* are inner products of features times sums over neurons, s d say, and s' d' - s d = s' (d' -
d_1) + (s' - s) d_1 + s (d_1 - d), where d_1 has the new derivatives and the old output weights.
"""

from __future__ import annotations

from sympy import Eq, Expr, Ge, Gt, Integer, Le, Lt, Symbol, exp, expand_power_exp, sqrt
from sympy import Rational as Q
from sympy.core.relational import Relational

from bounds import statements
from bounds.papers._du2019_deep import (
    INITIAL_GRAM,
    Q2,
    Gamma,
    H,
    J,
    K,
    a_2,
    a_4,
    any_largest_step,
    any_needed_width,
    any_total_travel,
    c_w,
    c_x,
    delta_a,
    delta_q,
    delta_w,
    epsilon,
    largest_step,
    mu,
    needed_width,
    residual_now,
    rho,
    total_travel,
    x,
)
from bounds.proofs import Obligation, Step
from bounds.proofs.arguments import Argument
from bounds.quantities import R, e_0, eta, initial_least_eigenvalue, lambda_0, lipschitz, m, n, smoothness
from bounds.statements import Edition

POSITIVE = statements.POSITIVE.relation
"""lambda_0 > 0."""

ONE = Integer(1)


def relation(edition: Edition, name: str) -> Relational:
    """The inequality of a condition."""
    return next(c.relation for c in edition.assumes if c.name == name and c.relation is not None)


def definition(edition: Edition, symbol: Symbol) -> Expr:
    """What an abbreviation stands for."""
    return dict(edition.where)[symbol]


def _event(edition: Edition, bounded: Symbol) -> Expr:
    return next(e.bound for e in edition.events if e.quantity == bounded and e.bound is not None)


# --- Events of the start ----------------------------------------------------------------------------------------------


def matrix_norms(patch: Expr = ONE) -> Argument:
    """Norms of H - 1 Gaussian matrices of m rows and as many columns, times the pixels of a patch."""

    def argument(edition: Edition) -> Obligation:
        tail = exp(-m * (_event(edition, c_w) - 1 - sqrt(patch)) ** 2 / 2)
        return Obligation(
            "initial weights",
            "Each of fewer than H matrices with m rows and q m columns has norm above (1 + sqrt(q) + t) sqrt(m) with "
            "probability at most exp(-t^2 m / 2).",
            given=(Lt(delta_w, 1), relation(edition, "initial weights")),
            claim=Le(H * tail, delta_w),
            planted=Le(H * exp(-m / 9), delta_w),
        )

    return argument


def output_norms(pixels: Expr = ONE) -> Argument:
    """Norm of one Gaussian vector."""

    def argument(edition: Edition) -> Obligation:
        return Obligation(
            "initial output weights",
            "A standard normal vector of p m entries has norm above (sqrt(p) + t) sqrt(m) with probability at most "
            "exp(-t^2 m / 2).",
            given=(Lt(delta_a, 1), relation(edition, "initial output weights")),
            claim=Le(exp(-m * (_event(edition, a_2) - sqrt(pixels)) ** 2 / 2), delta_a),
            planted=Le(exp(-m / 9), delta_a),
        )

    return argument


def fourth_moment(pixels: Expr = ONE) -> Argument:
    """Chebyshev on the mean of ||a_r||^4, which is p (p + 2) with variance 8 p (p + 2)(p + 3) / m."""

    def argument(edition: Edition) -> Obligation:
        deviation = _event(edition, a_4) ** 4 - pixels * (pixels + 2)
        failure = 8 * pixels * (pixels + 2) * (pixels + 3) / (m * deviation**2)
        return Obligation(
            "fourth moment of the output weights",
            "The mean of ||a_r||^4 exceeds p (p + 2) + t with probability at most 8 p (p + 2)(p + 3) / (m t^2).",
            given=(relation(edition, "fourth moment of the output weights"),),
            claim=Le(failure, delta_q),
            planted=Le(failure, Q(99, 100) * delta_q),
        )

    return argument


# --- Descent ----------------------------------------------------------------------------------------------------------


def gram_keeps(edition: Edition) -> Obligation:
    """What the drift leaves of the least eigenvalue."""
    assert edition.radius is not None
    remains, kept_half = initial_least_eigenvalue - n * R * K, lambda_0 / 2
    return Obligation(
        "least eigenvalue",
        "At the radius the Gram matrix moves by at most n R K <= lambda_0 / 4 from one that has 3/4 lambda_0.",
        given=(POSITIVE, Eq(R, edition.radius), relation(edition, INITIAL_GRAM.name)),
        steps=(Step("drift", Le(n * R * K, lambda_0 / 4)),),
        claim=Ge(remains, kept_half),
        planted=Ge(remains, Q(101, 100) * kept_half),
    )


def step_is_small(edition: Edition) -> Obligation:
    """The step meets the hypothesis of the one-step bound."""
    return Obligation(
        "step size",
        "At the allowed step eta (n Q + sqrt(n) rho ||e(0)||) is at most 4/5.",
        given=(Le(eta, largest_step),),
        claim=Le(eta * (n * Q2 + sqrt(n) * rho * e_0), Q(4, 5)),
        planted=Le(eta * (n * Q2 + sqrt(n) * rho * e_0), Q(3, 5)),
    )


def one_step(edition: Edition) -> Obligation:
    """The residual after one step, where the step is at most 4/5 over (n Q + sqrt(n) rho ||e(0)||)."""
    assert edition.rate is not None
    quotient = Symbol("r", positive=True)
    norm = 1 - eta * quotient * (1 - eta * (n * Q2 + sqrt(n) * rho * e_0) / 2)
    return Obligation(
        "one step",
        "||e+|| / ||e|| <= 1 - eta r (1 - eta n Q / 2) + (eta^2 / 2) sqrt(n) rho ||e(0)|| r for r = e.Ge / ||e||^2 "
        "between lambda_0 / 2 and n Q, and its square is at most the promised factor.",
        given=(
            POSITIVE,
            Le(eta * (n * Q2 + sqrt(n) * rho * e_0), Q(4, 5)),
            Ge(quotient, lambda_0 / 2),
            Le(quotient, n * Q2),
            Le(3 * lambda_0 / 4, n * Q2),
        ),
        claim=Le((1 - Q(3, 10) * eta * lambda_0) ** 2, edition.rate.factor),
        planted=Le((1 - Q(3, 10) * eta * lambda_0) ** 2, 1 - Q(13, 10) * (1 - edition.rate.factor)),
        steps=(Step("the norm contracts", Le(norm, 1 - Q(3, 10) * eta * lambda_0)),),
    )


def steps_add_up(step: Expr, total: Expr) -> Argument:
    """The travel of a block as a geometric sum, where the squared residual shrinks by 1 - eta lambda_0 / 2.

    Args:
        step: the length of a step, with the residual before it.
        total: bound on their sum, over sqrt(m).
    """

    def argument(edition: Edition) -> Obligation:
        added = step.subs(residual_now, e_0) / sqrt(m) / (1 - sqrt(1 - eta * lambda_0 / 2))
        return Obligation(
            "travel",
            "Steps shrink by the root of 1 - eta lambda_0 / 2, and 1 - sqrt(1 - x) >= x / 2.",
            given=(POSITIVE, Lt(eta * lambda_0, 2)),
            claim=Le(added, total),
            planted=Le(added, Q(99, 100) * total),
        )

    return argument


def travel_sums(edition: Edition) -> Obligation:
    """The travel of a block as a geometric sum."""
    total = eta * J * sqrt(n) * e_0 / (1 - (1 - Q(3, 10) * eta * lambda_0)) / sqrt(m)
    return Obligation(
        "travel",
        "Steps of at most eta J sqrt(n) ||e|| shrink by 1 - 3/10 eta lambda_0.",
        given=(POSITIVE,),
        claim=Le(total, total_travel, evaluate=False),
        planted=Le(total, Q(9, 10) * total_travel, evaluate=False),
    )


def travel_stays_inside(edition: Edition) -> Obligation:
    """The width makes the travel smaller than the radius."""
    return Obligation(
        "travel below radius",
        "At the required width the travel is smaller than the radius within which it was derived.",
        given=(POSITIVE, Gt(m, needed_width)),
        claim=Lt(total_travel, R),
        planted=Lt(total_travel, Q(99, 100) * R),
    )


DESCENT = (gram_keeps, step_is_small, one_step, travel_sums, travel_stays_inside)
"""From what the drift leaves of the least eigenvalue to the rate, where the step and the radius are those of
:func:`bounds.papers._du2019_deep.from_the_start`."""


def any_step(edition: Edition) -> Obligation:
    """The residual after one step, for any eps."""
    quotient = Symbol("r", positive=True)
    second = n * Q2 + sqrt(n) * rho * e_0
    factor = 1 - eta * (1 - epsilon) * mu
    return Obligation(
        "one step",
        "||e+|| / ||e|| <= 1 - eta r (1 - eta n Q / 2) + (eta^2 / 2) sqrt(n) rho ||e(0)|| r for r = e.Ge / ||e||^2.",
        given=(Lt(epsilon, 1), Le(eta, any_largest_step), Ge(quotient, mu)),
        steps=(Step("second order", Le(eta * second, 2 * epsilon)),),
        claim=Le(1 - eta * quotient * (1 - eta * second / 2), factor),
        planted=Le(1 - eta * quotient * (1 - eta * second / 2), 1 - Q(11, 10) * (1 - factor)),
    )


def any_travel(edition: Edition) -> Obligation:
    """The travel of a block as a geometric sum, for any eps."""
    total = eta * J * sqrt(n) * e_0 / (1 - (1 - eta * (1 - epsilon) * mu)) / sqrt(m)
    return Obligation(
        "travel",
        "Steps of at most eta J sqrt(n) ||e|| shrink by 1 - eta (1 - eps) mu.",
        given=(Lt(epsilon, 1),),
        claim=Le(total, any_total_travel, evaluate=False),
        planted=Le(total, Q(9, 10) * any_total_travel, evaluate=False),
    )


def any_travel_inside(edition: Edition) -> Obligation:
    """The width makes that travel smaller than the radius."""
    return Obligation(
        "travel below radius",
        "At the required width the travel is smaller than the radius within which it was derived.",
        given=(Lt(epsilon, 1), Gt(m, any_needed_width)),
        claim=Lt(any_total_travel, R),
        planted=Lt(any_total_travel, Q(99, 100) * R),
    )


ANY_DESCENT = (any_step, any_travel, any_travel_inside)
"""The same for any eps and radius, as in :func:`bounds.papers._du2019_deep.for_one_start`."""

# --- What moves within the radius -------------------------------------------------------------------------------------

_power = Symbol("P", positive=True)
_layers = Symbol("h", positive=True, integer=True)


def in_layers(formula: Expr, ratio: Symbol, *sums: tuple[Symbol, Expr]) -> tuple[Expr, Expr]:
    """A formula for h + 1 layers and for one more, with P for ratio^h.

    Args:
        formula: in H.
        ratio: what one more layer multiplies P by.
        sums: geometric sums in the formula with their ratios; one more term makes r s + 1 of s.
    """
    now = expand_power_exp(formula.subs(H, _layers + 1)).subs(ratio**_layers, _power)
    more = {_power: ratio * _power, **{s: r * s + 1 for s, r in sums}}
    return now, now.subs(more, simultaneous=True)


def adds_up(
    name: str, what: str, *, ratio: Expr, added: Expr, before: Expr, after: Expr, given: tuple[Relational, ...] = ()
) -> Obligation:
    """Cauchy and Schwarz over the layers: z W, z^2 <= before, becomes ratio z W + added w <= sqrt(after (W^2 + w^2)).

    Args:
        name: of the obligation.
        what: what moves, in words.
        ratio: by what a move of the layer before is multiplied.
        added: the move per unit of the layer's own weights.
        before: the square of the bound for the layers before.
        after: the square of the bound for one more.
        given: what the symbols fulfil.
    """
    z, earlier, own, carried, weights = (Symbol(s, nonnegative=True) for s in ("z", "W", "w", "y", "W_2"))
    total, squares = Symbol("T", nonnegative=True), Symbol("T_2", nonnegative=True)
    moved = (carried * earlier + total * own) ** 2
    return Obligation(
        name,
        f"{what}: squares add up over the layers, by Cauchy and Schwarz.",
        given=(
            *given,
            Le(z**2, before),
            Eq(carried, ratio * z),
            Eq(total, added),
            Eq(weights, earlier**2 + own**2),
            Eq(squares, carried**2 + total**2),
        ),
        steps=(
            Step("Cauchy and Schwarz", Le(moved, squares * weights)),
            Step("layers before", Le(carried**2, ratio**2 * before)),
            Step("squares", Le(squares, after)),
            Step("all weights", Le(squares * weights, after * weights)),
        ),
        claim=Le(moved, after * weights),
        planted=Le(moved, Q(99, 100) * after * weights),
    )


_per_layer = Symbol("E", positive=True)
_later, _moving = Symbol("j", nonnegative=True), Symbol("B", nonnegative=True)


def backward_pass(ratio: Symbol) -> Relational:
    """How fast the backward pass moves j layers before the last: B <= P (1 + j E / ratio), P = ratio^j."""
    return Le(_moving, _power * (1 + _later * _per_layer / ratio))


def backward_passes(ratio: Symbol) -> Argument:
    """How that passes on to the layer before."""

    def argument(edition: Edition) -> Obligation:
        before, bound = ratio * _moving + _per_layer * _power, ratio * _power * (1 + (_later + 1) * _per_layer / ratio)
        return Obligation(
            "backward pass of one layer",
            "A layer multiplies the speed by its ratio and adds E P, P the ratio to the power of the layers since.",
            given=(backward_pass(ratio),),
            claim=Le(before, bound),
            planted=Le(before, Q(99, 100) * bound),
        )

    return argument


def rounded_up(
    name: str, what: str, exact: Expr, bound: Expr, given: tuple[Relational, ...], *steps: Relational
) -> Obligation:
    """A constant of the argument for one start is at most that of the explicit edition."""
    return Obligation(
        name,
        f"{what}, with everything at its largest within the radius.",
        given=given,
        steps=tuple(Step(f"part {number}", step) for number, step in enumerate(steps, start=1)),
        claim=Le(exact, bound),
        planted=Le(exact, Q(9, 10) * bound),
    )


_product, _change = Symbol("s", real=True), Symbol("u", real=True)
_sum, _derivatives, _outputs = (Symbol(name, real=True) for name in ("d_1", "u_d", "u_a"))
_limits = tuple(Symbol(name, nonnegative=True) for name in ("S", "U", "D_d", "U_d", "U_a", "X_2"))


def products_change(edition: Edition) -> Obligation:
    """A product of an inner product of features and a sum over neurons, factor by factor."""
    S, U, D, Ud, Ua, X2 = _limits
    parts = (
        (_product, S),
        (_change, U),
        (_sum, D),
        (_derivatives, Ud),
        (_outputs, Ua),
        (_product + _change, X2),
    )
    change = (_product + _change) * _outputs + _change * _sum + _product * _derivatives
    return Obligation(
        "change of a product",
        "s' d' - s d = s' (d' - d_1) + (s' - s) d_1 + s (d_1 - d).",
        given=tuple(r for part, limit in parts for r in (Le(part, limit), Ge(part, -limit))),
        steps=(
            Step("output weights", Le((_product + _change) * _outputs, X2 * Ua)),
            Step("features", Le(_change * _sum, U * D)),
            Step("derivatives", Le(_product * _derivatives, S * Ud)),
        ),
        claim=Le(change, X2 * Ua + U * D + S * Ud),
        planted=Le(change, Q(99, 100) * (X2 * Ua + U * D + S * Ud)),
    )


def entry_moves(scale: Expr, drift: Expr, inner: Expr) -> Argument:
    """The drift of an entry of the Gram matrix at any radius.

    Args:
        scale: of the last layer's gradients, squared.
        drift: of the features before the last layer.
        inner: the change of the last preactivations over sqrt(m).
    """
    S, U, D, Ud, Ua, X2 = _limits

    def argument(edition: Edition) -> Obligation:
        change, bound = Symbol("change", real=True), definition(edition, Gamma)
        return Obligation(
            "Gram drift of an entry",
            "Inner products of features change by at most D (c_x + x), to at most x^2; sums over neurons of products "
            "of derivatives are at most (L a_2)^2, and change by derivatives and by output weights.",
            given=(
                Le(change, X2 * Ua + U * D + S * Ud),
                Eq(S, c_x**2),
                Eq(X2, x**2),
                Eq(U, drift * (c_x + x)),
                Eq(D, lipschitz**2 * a_2**2),
                Eq(Ud, 2 * lipschitz * smoothness * a_4**2 * inner),
                Eq(Ua, lipschitz**2 * R * (2 * a_2 + R)),
            ),
            claim=Le(scale * change, bound),
            planted=Le(scale * change, Q(99, 100) * bound),
        )

    return argument
