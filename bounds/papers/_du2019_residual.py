"""How residual networks move within a radius, step by step: for the theorem of Du et al. (ICML 2019), Section 6.

With all weights within R sqrt(m) a layer multiplies differences by at most t = 1 + kappa L (c_w + R). Along a direction
of norm 1 of all weights the features move at most by xi / sqrt(m), the preactivations by omega, the backward pass j
layers before the last by t^j (1 + j E / t), E = kappa A (L + (c_w + R) beta omega sqrt(m)), and t^j b, over sqrt(m), is
what the latter adds to a block beside the change t^j beta omega A of the derivatives.

*Patches.* In a convolutional network W^(h) acts on phi(x), where phi repeats every pixel in up to q patches and has
norm at most sqrt(q). Where a residual network has W x or x^T, the convolutional one has W phi(x) or phi(x)^T:
every bound on a branch or on the first layer gets a factor sqrt(q), and so does every preactivation inside a second
derivative. That is c_sigma q for c_sigma, c_res sqrt(q) for c_res and beta sqrt(q) for beta.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Basic, Eq, Expr, Ge, Le, Symbol, sqrt
from sympy import Rational as Q

from bounds.papers import _du2019_deep_steps as steps
from bounds.papers._du2019_deep import Q2, A, H, J, Where, a_2, b, c_w, c_x, rho, v, x, xi
from bounds.papers._du2019_deep_steps import definition, in_layers
from bounds.proofs import Obligation, Step
from bounds.proofs.arguments import Argument
from bounds.quantities import R, m, quantity
from bounds.quantities import lipschitz as L
from bounds.quantities import normaliser as c_sigma
from bounds.quantities import residual_scale as c_res
from bounds.quantities import smoothness as beta
from bounds.statements import Edition

kappa = quantity("kappa", "scale of a residual branch, for patches times sqrt(q)", latex=r"\kappa")
stretch = quantity("T", "bound on how much all layers may stretch")
drift_rate = quantity("c_d", "bound on the drift of the features, over R")
omega = quantity("omega", "bound on how fast preactivations move with all weights", latex=r"\omega")
layer = quantity("t", "bound on how much a layer may stretch, within the radius")
before_last = quantity("D_1", "bound on the drift of the features before the last layer")
last = quantity("D_H", "bound on the drift of the features")
squares = quantity("g_2", "geometric sum of the squared stretch of layers 2 to H")

PREACTIVATIONS = (c_w + R) * before_last + R * c_x
"""Their drift in the last layer, over sqrt(m)."""

_power, _later, _moving = Symbol("P", positive=True), Symbol("j", nonnegative=True), Symbol("B", nonnegative=True)


def norm_of_a_layer(edition: Edition) -> Obligation:
    """At the start: how the bound on the norms passes through one layer, by induction."""
    power, before, at_rest = (Symbol(name, nonnegative=True) for name in ("P", "y", "s_0"))
    first, layers = Symbol("y_1", nonnegative=True), Symbol("h", nonnegative=True)

    def bound(j: Expr) -> Expr:
        return power * (first + j * at_rest)

    after = before + kappa * L * c_w * before + at_rest
    passed = (1 + kappa * L * c_w) * bound(layers + 1)
    return Obligation(
        "norm after one layer",
        "If ||x^(h)|| <= P (||x^(1)|| + j s_0), P >= 1, where a branch has at most the norm s_0 at 0, so is the next "
        "norm, with P (1 + kappa L c_w) and j + 1.",
        given=(Ge(power, 1), Le(before, bound(layers))),
        claim=Le(after, passed),
        planted=Le(after, Q(99, 100) * passed),
    )


def drift_of_a_layer(edition: Edition) -> Obligation:
    """The drift of one layer in the explicit edition, by induction."""
    before, power = Symbol("D", nonnegative=True), Symbol("P", positive=True)
    ratio = 1 + 2 * kappa * L * c_w
    total = (v + c_x / c_w) * power * R
    after = (1 + kappa * L * (c_w + R)) * before + kappa * L * c_x * R
    return Obligation(
        "drift of one layer",
        "If D <= (v + c_x / c_w) P R - c_x R / c_w, so is the next drift, with P (1 + 2 kappa L c_w).",
        given=(Le(R, c_w), Le(before, total - c_x * R / c_w)),
        claim=Le(after, ratio * total - c_x * R / c_w),
        planted=Le(after, Q(99, 100) * ratio * total - c_x * R / c_w),
    )


def drift_recursion(edition: Edition) -> Obligation:
    """The closed form of the drift passes on to one more layer."""
    now, more = in_layers(definition(edition, before_last).subs(H, H + 1), layer)
    moved = Symbol("D", nonnegative=True)
    after = layer * moved + kappa * L * c_x * R
    one_more = layer * (_power - 1) / (layer - 1) + 1
    return Obligation(
        "drift of one layer",
        "A layer multiplies the drift by t and adds kappa L c_x R.",
        given=(Eq(layer, definition(edition, layer)), Le(moved, now)),
        steps=(Step("geometric sum", Le(one_more, (layer * _power - 1) / (layer - 1))),),
        claim=Le(after, more),
        planted=Le(after, Q(99, 100) * more),
    )


def features_move(edition: Edition) -> Obligation:
    """How fast features move with all weights."""
    now, more = in_layers(definition(edition, xi) ** 2, layer, (squares, layer**2))
    return steps.adds_up(
        "speed of the features",
        "xi, over sqrt(m), bounds how fast features move",
        ratio=layer,
        added=kappa * L * x,
        before=now,
        after=more,
    )


def preactivations_move(edition: Edition) -> Obligation:
    """How fast preactivations move with all weights."""
    return steps.adds_up(
        "speed of the preactivations",
        "omega bounds how fast preactivations move",
        ratio=c_w + R,
        added=x,
        before=xi**2,
        after=definition(edition, omega) ** 2,
    )


_per_layer = kappa * A * (L + (c_w + R) * beta * omega * sqrt(m))


def backward_and_derivatives(edition: Edition) -> Obligation:
    """What the backward pass adds to the change of a block: t^j b."""
    per_layer = Symbol("E", positive=True)
    bound = _power * definition(edition, b)
    change = L * _moving / sqrt(m)
    return Obligation(
        "backward pass and derivatives",
        "Derivatives are at most L, and the backward pass j layers before the last moves as those behind it make it.",
        given=(Eq(per_layer, _per_layer), steps.backward_pass(layer), Le(_later, H - 1)),
        steps=(Step("all layers", Le(_moving, _power * (1 + (H - 1) * per_layer / layer))),),
        claim=Le(change, bound),
        planted=Le(change, Q(99, 100) * bound),
    )


_first, _block = Symbol("B_1", nonnegative=True), Symbol("B_h", nonnegative=True)
FIRST = Le(_first, beta * A + b)
HIDDEN = Le(_block, x * (beta * omega * A + b) + L * A * xi / sqrt(m))


def rows_move(edition: Edition) -> Obligation:
    """All blocks of a row of the Jacobian."""
    bound = in_layers(definition(edition, rho) ** 2, layer)[0]
    total = c_sigma * _power**2 * _first**2 + squares * kappa**2 * _block**2 + xi**2 / m
    return Obligation(
        "Lipschitz constant of a row",
        "The block of W^(1) moves by sqrt(c_sigma) P (beta A + b), P = t^(H-1), those of the branches by kappa t^j (x "
        "(beta omega A + b) + L A xi / sqrt(m)), that of a by xi / sqrt(m).",
        given=(FIRST, HIDDEN),
        claim=Le(total, bound),
        planted=Le(total, Q(99, 100) * bound),
    )


WITHIN_THE_RADIUS = (
    drift_recursion,
    features_move,
    preactivations_move,
    steps.backward_passes(layer),
    backward_and_derivatives,
    rows_move,
)

# --- The explicit edition: everything at its largest within the radius ------------------------------------------------

_width, _sum = Symbol("s_m", positive=True), Symbol("G_2", nonnegative=True)
LARGEST = (
    Le(R, c_w),
    Le(x, 2 * c_x),
    Le(A, 2 * a_2),
    Le(_power, stretch),
    Le(_sum, (H - 1) * stretch**2),
    Le(1, _width, evaluate=False),
)
"""P is a power of t, G_2 the sum of the squares of those powers, and sqrt(m) is at least 1."""


def speed_rounded_up(edition: Edition) -> Obligation:
    """The speed of the features."""
    first, rest = (v * _power) ** 2, (kappa * L * x) ** 2 * _sum
    return steps.rounded_up(
        "largest speed of the features",
        "xi",
        first + rest,
        definition(edition, xi) ** 2,
        LARGEST,
        Le(x**2, 4 * c_x**2),
        Le(x**2 * _sum, 4 * c_x**2 * (H - 1) * stretch**2),
        Le(rest, 4 * (kappa * L * c_x) ** 2 * (H - 1) * stretch**2),
        Le(first, (v * stretch) ** 2),
    )


def preactivations_rounded_up(edition: Edition) -> Obligation:
    """The speed of the preactivations."""
    exact = ((c_w + R) * xi) ** 2 + x**2
    return steps.rounded_up(
        "largest speed of the preactivations",
        "omega",
        exact,
        definition(edition, omega) ** 2,
        LARGEST,
        Le(x**2, 4 * c_x**2),
        Le((c_w + R) * xi, 2 * c_w * xi),
        Le(((c_w + R) * xi) ** 2, 4 * c_w**2 * xi**2),
    )


def backward_rounded_up(edition: Edition) -> Obligation:
    """What the backward pass adds to a block."""
    branches, inner = (H - 1) * kappa, (c_w + R) * beta * omega
    slope = L + 2 * c_w * beta * omega
    return steps.rounded_up(
        "largest speed of the backward pass",
        "b",
        L * (1 / _width + branches * A * (L / _width + inner) / layer),
        definition(edition, b),
        (*LARGEST, Le(1, layer, evaluate=False), Eq(kappa, definition(edition, kappa))),
        Le(branches, c_res),
        Le(branches * A, 2 * c_res * a_2),
        Le(inner, 2 * c_w * beta * omega),
        Le(1 / _width, 1, evaluate=False),
        Le(L / _width + inner, slope),
        Le(branches * A * (L / _width + inner), 2 * c_res * a_2 * slope),
        Le(branches * A * (L / _width + inner) / layer, 2 * c_res * a_2 * slope),
    )


def rows_rounded_up(edition: Edition) -> Obligation:
    """The Lipschitz constant of a row."""
    largest_first = 2 * beta * a_2 + b
    largest = 2 * c_x * (2 * beta * omega * a_2 + b) + 2 * L * a_2 * xi
    first, hidden, last = (_power * _first) ** 2, _sum * _block**2, (xi / _width) ** 2
    return steps.rounded_up(
        "largest Lipschitz constant of a row",
        "rho",
        c_sigma * first + kappa**2 * hidden + last,
        definition(edition, rho) ** 2,
        (*LARGEST, FIRST, HIDDEN.subs(sqrt(m), _width)),
        Le(_first, largest_first),
        Le(_power * _first, stretch * largest_first),
        Le(first, stretch**2 * largest_first**2),
        Le(beta * omega * A + b, 2 * beta * omega * a_2 + b),
        Le(x * (beta * omega * A + b), 2 * c_x * (2 * beta * omega * a_2 + b)),
        Le(xi / _width, xi),
        Le(L * A * xi / _width, 2 * L * a_2 * xi),
        Le(_block, largest),
        Le(_block**2, largest**2),
        Le(hidden, (H - 1) * stretch**2 * largest**2),
        Le(c_sigma * first, c_sigma * stretch**2 * largest_first**2),
        Le(kappa**2 * hidden, kappa**2 * (H - 1) * stretch**2 * largest**2),
        Le(last, xi**2),
    )


def blocks_rounded_up(edition: Edition) -> Obligation:
    """The gradient with respect to one layer, a branch."""
    block = kappa * L * A * x * _power
    return steps.rounded_up(
        "largest block",
        "J",
        block,
        definition(edition, J),
        LARGEST,
        Le(A * x, 4 * a_2 * c_x),
        Le(A * x * _power, 4 * a_2 * c_x * stretch),
    )


def gradients_rounded_up(edition: Edition) -> Obligation:
    """The gradient with respect to all layers."""
    first, hidden = v * A * _power, (kappa * L * A * x) ** 2
    return steps.rounded_up(
        "largest gradient",
        "Q",
        first**2 + hidden * _sum + x**2,
        definition(edition, Q2),
        LARGEST,
        Le(A * _power, 2 * a_2 * stretch),
        Le(first, 2 * v * a_2 * stretch),
        Le(first**2, (2 * v * a_2 * stretch) ** 2),
        Le(A * x, 4 * a_2 * c_x),
        Le((A * x) ** 2, 16 * a_2**2 * c_x**2),
        Le(hidden, (4 * kappa * L * a_2 * c_x) ** 2),
        Le(hidden * _sum, (4 * kappa * L * a_2 * c_x) ** 2 * (H - 1) * stretch**2),
        Le(x**2, 4 * c_x**2),
    )


ROUNDED_UP = (
    speed_rounded_up,
    preactivations_rounded_up,
    backward_rounded_up,
    rows_rounded_up,
    blocks_rounded_up,
    gradients_rounded_up,
)

# --- Patches ----------------------------------------------------------------------------------------------------------


def on_patches(definitions: Where, pixels: Expr) -> Where:
    """Abbreviations of residual networks for networks whose layers see patches of so many pixels."""
    return tuple((symbol, formula.subs(_patched(pixels))) for symbol, formula in definitions)


def proved_on_patches(argument: Argument, definitions: Where, pixels: Expr) -> Argument:
    """A step of the proof for residual networks with these abbreviations, for networks whose layers see patches."""

    def argument_on_patches(edition: Edition) -> Obligation:
        def see(relation: Basic) -> Basic:
            return relation.subs(_patched(pixels))

        plain = argument(replace(edition, where=definitions))
        return replace(
            plain,
            given=tuple(map(see, plain.given)),
            claim=see(plain.claim),
            planted=see(plain.planted),
            steps=tuple(replace(step, claim=see(step.claim)) for step in plain.steps),
        )

    return argument_on_patches


def _patched(pixels: Expr) -> dict[Symbol, Expr]:
    return {c_sigma: pixels * c_sigma, c_res: sqrt(pixels) * c_res, beta: sqrt(pixels) * beta}
