"""How fully-connected networks move within a radius, step by step: for the theorem of Du et al. (ICML 2019), Section 5.

With all weights within R sqrt(m) a layer multiplies differences by at most r = v (c_w + R). Along a direction of norm 1
of all weights the features move at most by xi / sqrt(m), the preactivations by x sqrt(g_2), the backward pass j layers
before the last by r^j (1 + j E / r), E = sqrt(c_sigma) A (L + (c_w + R) beta x sqrt(g_2 m)), and the backward pass
times derivatives, over sqrt(m), by r^j b.
"""

from __future__ import annotations

from sympy import Add, Eq, Le, Symbol, sqrt
from sympy import Rational as Q

from bounds.papers import _du2019_deep_steps as steps
from bounds.papers._du2019_deep import Q2, A, H, J, a_2, b, c_w, c_x, g, rho, v, x, xi
from bounds.papers._du2019_deep_steps import definition
from bounds.proofs import Obligation, Step
from bounds.quantities import R, m, quantity
from bounds.quantities import lipschitz as L
from bounds.quantities import normaliser as c_sigma
from bounds.quantities import smoothness as beta
from bounds.statements import Edition

layer = quantity("r", "bound on how much a layer may stretch, within the radius")
before = quantity("g_1", "geometric sum over all layers but one")
squares = quantity("g_2", "geometric sum of the squared ratio")
powers = quantity("w", "largest power of the ratio between layers")

DRIFT = v * c_x * R * before
"""Of the features before the last layer."""


def drift_recursion(edition: Edition) -> Obligation:
    """The closed form of the drift passes on to one more layer."""
    moved, bound = Symbol("D", nonnegative=True), v * c_x * g * R
    after = v * (c_w + R) * moved + v * c_x * R
    return Obligation(
        "drift of one layer",
        "A layer multiplies the drift by v (c_w + R) and adds v c_x R; r g + 1 is the sum of one more term.",
        given=(Eq(layer, definition(edition, layer)), Le(moved, bound)),
        claim=Le(after, bound.subs(g, layer * g + 1)),
        planted=Le(after, Q(99, 100) * bound.subs(g, layer * g + 1)),
    )


def preactivations_change(edition: Edition) -> Obligation:
    """What Gamma takes for the change of the last preactivations."""
    change = (c_w + R) * DRIFT + R * c_x
    return Obligation(
        "preactivations",
        "Over sqrt(m) they change by (c_w + R) D + R c_x, with D the drift of the features before.",
        given=(Eq(layer, definition(edition, layer)), Eq(g, layer * before + 1)),
        claim=Le(change, c_x * g * R),
        planted=Le(change, Q(99, 100) * c_x * g * R),
    )


def features_move(edition: Edition) -> Obligation:
    """How fast features move with all weights."""
    squared = definition(edition, xi) ** 2
    return steps.adds_up(
        "speed of the features",
        "xi, over sqrt(m), bounds how fast features move",
        ratio=layer,
        added=v * x,
        before=squared,
        after=squared.subs(squares, layer**2 * squares + 1),
    )


def preactivations_move(edition: Edition) -> Obligation:
    """How fast preactivations move with all weights."""
    return steps.adds_up(
        "speed of the preactivations",
        "x sqrt(g_2) bounds how fast preactivations move",
        ratio=c_w + R,
        added=x,
        before=definition(edition, xi) ** 2,
        after=x**2 * (layer**2 * squares + 1),
        given=(Eq(layer, definition(edition, layer)),),
    )


_power, _later, _moving = Symbol("P", positive=True), Symbol("j", nonnegative=True), Symbol("B", nonnegative=True)
_root, _root_of_squares, _width = (Symbol(name, positive=True) for name in ("s", "s_2", "s_m"))
_in_roots = {sqrt(c_sigma): _root, sqrt(squares): _root_of_squares, sqrt(m): _width}


def backward_and_derivatives(edition: Edition) -> Obligation:
    """How fast the backward pass times derivatives moves: P b."""
    per_layer = Symbol("E", positive=True)
    local = _root * beta * x * _root_of_squares * A
    bound = _power * definition(edition, b).subs(_in_roots)
    change = local * _power + _root * L * _moving / _width
    return Obligation(
        "backward pass and derivatives",
        "Over sqrt(m), derivatives change by beta x sqrt(g_2) A P, and the backward pass moves with factor L.",
        given=(
            Eq(v, _root * L),
            Eq(layer, definition(edition, layer)),
            Eq(per_layer, _root * A * (L + (c_w + R) * beta * x * _root_of_squares * _width)),
            steps.backward_pass(layer),
            Le(_later, H - 1),
        ),
        steps=(
            Step("all layers", Le(_moving, _power * (1 + (H - 1) * per_layer / layer))),
            Step("one layer", Le(v * per_layer / (layer * _width), v**2 * A / (layer * _width) + local)),
        ),
        claim=Le(change, bound),
        planted=Le(change, Q(99, 100) * bound),
    )


def rows_move(edition: Edition) -> Obligation:
    """All blocks of a row of the Jacobian."""
    block = Symbol("B_h", nonnegative=True)
    total, bound = squares * block**2 + xi**2 / m, definition(edition, rho) ** 2
    return Obligation(
        "Lipschitz constant of a row",
        "The block of a layer j before the last moves by r^j (b x + v A xi / sqrt(m)), that of a by xi / sqrt(m).",
        given=(Le(block, x * b + v * A * xi / sqrt(m)),),
        claim=Le(total, bound),
        planted=Le(total, Q(99, 100) * bound),
    )


WITHIN_THE_RADIUS = (
    drift_recursion,
    preactivations_change,
    features_move,
    preactivations_move,
    steps.backward_passes(layer),
    backward_and_derivatives,
    rows_move,
)

# --- The explicit edition: everything at its largest within the radius ------------------------------------------------

_one_power = Symbol("P_1", positive=True)
LARGEST = (
    Le(x, 2 * c_x),
    Le(A, 2 * a_2),
    Le(_power, powers),
    Le(_one_power, powers),
    Le(_root_of_squares**2, H * powers**2),
    Le(1, _width, evaluate=False),
)
"""P and P_1 = P / r are powers of the ratio, and sqrt(m) is at least 1."""


def speed_rounded_up(edition: Edition) -> Obligation:
    """The speed of the features."""
    exact = (v * x * _root_of_squares) ** 2
    return steps.rounded_up("largest speed of the features", "xi", exact, definition(edition, xi) ** 2, LARGEST)


def backward_rounded_up(edition: Edition) -> Obligation:
    """The speed of the backward pass times derivatives; the explicit b has its largest power in it."""
    derivatives, outputs = _root * beta * x * _root_of_squares * A, v**2 * A
    parts = (H * derivatives * _power, (H - 1) * outputs * _one_power / _width, v * _power / _width)
    sizes, bound = _root_of_squares * _power, definition(edition, b).subs(_in_roots)
    return steps.rounded_up(
        "largest speed of the backward pass",
        "r^j b",
        Add(*parts),
        bound,
        LARGEST,
        Le(_root_of_squares, sqrt(H) * powers),
        Le(x * A, 4 * c_x * a_2),
        Le(sizes, sqrt(H) * powers**2),
        Le(x * A * sizes, 4 * c_x * a_2 * sqrt(H) * powers**2),
        Le(A * _one_power, 2 * a_2 * powers),
        Le(A * _one_power / _width, 2 * a_2 * powers),
        Le(_power / _width, powers),
        Le(parts[0], 4 * H * sqrt(H) * _root * beta * c_x * a_2 * powers**2),
        Le(parts[1], 2 * (H - 1) * v**2 * a_2 * powers),
        Le(parts[2], v * powers),
    )


def rows_rounded_up(edition: Edition) -> Obligation:
    """The Lipschitz constant of a row, from the explicit b."""
    block = Symbol("B_h", nonnegative=True)
    largest = 2 * c_x * b + 2 * v * a_2 * powers * xi
    return steps.rounded_up(
        "largest Lipschitz constant of a row",
        "rho",
        H * block**2 + (xi / _width) ** 2,
        definition(edition, rho) ** 2,
        (*LARGEST, Le(block, x * b + v * A * _power * xi / _width)),
        Le(A * _power, 2 * a_2 * powers),
        Le(A * _power * xi / _width, 2 * a_2 * powers * xi),
        Le(block, largest),
        Le(block**2, largest**2),
        Le(xi / _width, xi),
        Le((xi / _width) ** 2, xi**2),
    )


BLOCK = v * A * x * _power
"""The gradient with respect to one layer."""


def blocks_rounded_up(edition: Edition) -> Obligation:
    """The gradient with respect to one layer."""
    return steps.rounded_up("largest block", "J", BLOCK, definition(edition, J), LARGEST)


def gradients_rounded_up(edition: Edition) -> Obligation:
    """The gradient with respect to all layers."""
    return steps.rounded_up("largest gradient", "Q", H * BLOCK**2 + x**2, definition(edition, Q2), LARGEST)


ROUNDED_UP = (speed_rounded_up, backward_rounded_up, rows_rounded_up, blocks_rounded_up, gradients_rounded_up)
