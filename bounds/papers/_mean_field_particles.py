"""Steps of the proof that particles stay near ideal ones during training, as obligations.

They are those of the argument in :mod:`bounds.papers.ding2022_training`, in the quantities defined here.
"""

from __future__ import annotations

from sympy import Eq, Expr, Ge, Le, Symbol, exp
from sympy import Rational as Q

from bounds.papers._mean_field_resnet import depth, eps, s
from bounds.papers.ding2022_limit import bound_f as B
from bounds.papers.ding2022_limit import depth_constant as D
from bounds.papers.ding2022_limit import lipschitz_f as K
from bounds.papers.ding2022_limit import width_constant as V
from bounds.proofs import Obligation, Step
from bounds.proofs.arguments import Argument
from bounds.quantities import delta, m, quantity
from bounds.statements import Edition

K_theta = quantity("K_theta", "bound on the derivative of f in the weights", latex=r"K_\theta")
Lambda = quantity("Lambda", "Lipschitz constant of the derivatives of f", latex=r"\Lambda")
r = quantity("r", "bound on |g(Z) - y| on the states reached")
g_1 = quantity("g_1", "bound on the gradient of g")
g_2 = quantity("g_2", "Lipschitz constant of the gradient of g", nonnegative=True)

E = quantity("E", "e^K")
P = quantity("P", "bound on the adjoint")
c_1 = quantity("c_1", "how far adjoints move with states")
h = quantity("h", "how far velocities move with states")
a = quantity("a", "growth of the distance of particles from ideal ones")
nu = quantity("nu", "what drives that distance, times sqrt(M)", latex=r"\nu")
N = quantity("N", "bound on that distance, times sqrt(M)", nonnegative=True)
start_slope = quantity(
    "ell_0", "Lipschitz constant of the paths of the weights at the start", latex=r"\ell_0", nonnegative=True
)
slope = quantity("ell", "Lipschitz constant of the paths of the weights", latex=r"\ell", nonnegative=True)
mu_z = quantity("mu_z", "error of the states' steps, times L", latex=r"\mu_z")
mu_p = quantity("mu_p", "error of the adjoints' steps over their bound, times L", latex=r"\mu_p")
nu_L = quantity("nu_L", "what drives weights away from those of infinitely many layers, times L", latex=r"\nu_L")
N_L = quantity("N_L", "bound on that distance, times L", nonnegative=True)

_distance, _state, _adjoint, _gap = (Symbol(name, nonnegative=True) for name in ("delta_m", "D_z", "Q_p", "gap"))
_first, _second, _scale = (Symbol(name, positive=True) for name in ("mu_1", "mu_2", "s_m"))
_third = Symbol("mu_3", nonnegative=True)
STATES = Le(_state, E * (K_theta * _distance + _first))


def _definition(edition: Edition, symbol: Symbol) -> Expr:
    return dict(edition.where)[symbol]


def velocities_differ(in_states: Expr, in_adjoints: Expr, in_velocities: Expr, driving: Symbol) -> Argument:
    """From distances of states and adjoints to that of velocities.

    Args:
        in_states: the error of the states' equation, times sqrt(M) or L.
        in_adjoints: that of the adjoints' over their bound P.
        in_velocities: that of the velocities over K_theta.
        driving: what they add up to.
    """

    def argument(edition: Edition) -> Obligation:
        speed = P * Lambda * (_state + _distance) + K_theta * (_adjoint + _third)
        direct = P * Lambda * (1 + K_theta * E) * _distance
        bound = _definition(edition, a) * _distance + _definition(edition, driving) / _scale
        return Obligation(
            "velocities",
            "P Lambda (D + delta) + K_theta Q, with the bounds on D and Q and all errors, is at most a delta and the "
            "driving over sqrt(M) or L.",
            given=(
                STATES,
                Le(_adjoint, E * (c_1 * _state + P * Lambda * _distance + P * _second)),
                Le(_first, in_states / _scale),
                Le(_second, in_adjoints / _scale),
                Le(_third, in_velocities / _scale),
                Eq(h, _definition(edition, h)),
            ),
            steps=(
                Step("adjoints", Le(speed, h * _state + direct + K_theta * E * P * _second + K_theta * _third)),
                Step("states", Le(h * _state, h * E * (K_theta * _distance + _first))),
                Step("first error", Le(h * E * _first, h * E * in_states / _scale)),
                Step("second error", Le(K_theta * E * P * _second, K_theta * E * P * in_adjoints / _scale)),
                Step("third error", Le(K_theta * _third, K_theta * in_velocities / _scale)),
            ),
            claim=Le(speed, bound),
            planted=Le(speed, Q(9, 10) * bound),
        )

    return argument


def gronwall(driving: Symbol, distance: Symbol) -> Argument:
    """The distance solves N' = a N + driving from 0."""
    q = Symbol("q", positive=True)

    def argument(edition: Edition) -> Obligation:
        grown = _definition(edition, distance).subs(exp(a * s), q)
        return Obligation(
            "Gronwall",
            "The derivative of nu (q - 1) / a with q = e^(a s) is nu q, and at least a N + nu.",
            given=(Ge(q, 1),),
            claim=Le(a * grown + driving, driving * q),
            planted=Le(a * grown + driving, driving * q / 2),
        )

    return argument


def loss_moves(in_states: Expr, distance: Symbol, constant: Symbol, power: int) -> Argument:
    """From the distance of particles to that of the losses, or to its square."""
    root = r * g_1 * E * (K_theta * distance + in_states)

    def argument(edition: Edition) -> Obligation:
        bound = _definition(edition, constant)
        return Obligation(
            "loss",
            "The losses differ by at most r g_1 D with D <= E (K_theta delta + mu_1).",
            given=(
                STATES,
                Le(_gap, r * g_1 * _state),
                Le(_distance * _scale, distance),
                Le(_first * _scale, in_states),
            ),
            steps=(
                Step("scaled", Le(_state * _scale, E * (K_theta * (_distance * _scale) + _first * _scale))),
                Step("states", Le(_state * _scale, E * (K_theta * distance + in_states))),
                Step("gap", Le(_gap * _scale, root)),
            ),
            claim=Le((_gap * _scale) ** power, bound),
            planted=Le((_gap * _scale) ** power, Q(9, 10) * bound),
        )

    return argument


def paths_stay_lipschitz(edition: Edition) -> Obligation:
    """The Lipschitz constant of the paths solves ell' = P Lambda ell + P (Lambda B + K_theta K) from ell_0."""
    q = Symbol("q", positive=True)
    grown = _definition(edition, slope).subs(exp(P * Lambda * s), q)
    speed = P * Lambda * grown + P * (Lambda * B + K_theta * K)
    derivative = P * Lambda * q * (start_slope + B + K_theta * K / Lambda)
    return Obligation(
        "paths stay Lipschitz",
        "Velocities are Lipschitz in t with Lambda (B + ell) P + K_theta K P, as states move at most at B and adjoints "
        "at most at K P; q = e^(P Lambda s).",
        given=(Ge(q, 1),),
        claim=Le(speed, derivative),
        planted=Le(speed, Q(9, 10) * derivative),
    )


def markov(edition: Edition) -> Obligation:
    """The mean square over eps^2."""
    failing = Symbol("p_M", positive=True)
    width = next(c.relation for c in edition.assumes if c.name == "width" and c.relation is not None)
    return Obligation(
        "Markov",
        "A distance above eps has probability at most p_M, its mean square over eps^2.",
        given=(width, Le(failing * eps**2, V / m)),
        claim=Le(failing, delta),
        planted=Le(failing, delta / 2),
    )


def layers_suffice(edition: Edition) -> Obligation:
    """D / L is at most eps."""
    layers = next(c.relation for c in edition.assumes if c.name == "layers" and c.relation is not None)
    return Obligation(
        "layers",
        "A distance of at most D / L is at most eps.",
        given=(layers, Le(_gap * depth, D)),
        claim=Le(_gap, eps),
        planted=Le(_gap, eps / 2),
    )
