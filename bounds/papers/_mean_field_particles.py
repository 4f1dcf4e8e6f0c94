"""Steps of the proof that particles stay near ideal ones during training, as obligations.

They are those of the argument in :mod:`bounds.papers.ding2022_training`, in the quantities defined here.
"""

from __future__ import annotations

from sympy import Eq, Expr, Ge, Le, Symbol, exp
from sympy import Rational as Q

from bounds.papers._mean_field_resnet import eps, s
from bounds.papers.ding2022_limit import bound_f as B
from bounds.papers.ding2022_limit import lipschitz_f as K
from bounds.papers.ding2022_limit import width_constant as V
from bounds.proofs import Obligation, Step
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

_distance, _state, _adjoint, _gap = (Symbol(name, nonnegative=True) for name in ("delta_m", "D_z", "Q_p", "gap"))
_first, _second, _width = (Symbol(name, positive=True) for name in ("mu_1", "mu_2", "s_m"))
STATES = Le(_state, E * (K_theta * _distance + _first))


def _definition(edition: Edition, symbol: Symbol) -> Expr:
    return dict(edition.where)[symbol]


def velocities_differ(edition: Edition) -> Obligation:
    """From distances of states and adjoints to that of velocities."""
    speed = P * Lambda * (_state + _distance) + K_theta * _adjoint
    direct = P * Lambda * (1 + K_theta * E) * _distance
    bound = _definition(edition, a) * _distance + _definition(edition, nu) / _width
    return Obligation(
        "velocities",
        "P Lambda (D + delta) + K_theta Q, with the bounds on D and Q, is at most a delta + nu / sqrt(M).",
        given=(
            STATES,
            Le(_adjoint, E * (c_1 * _state + P * Lambda * _distance + P * _second)),
            Le(_first, B / _width),
            Le(_second, K / _width),
            Eq(h, _definition(edition, h)),
        ),
        steps=(
            Step("adjoints", Le(speed, h * _state + direct + K_theta * E * P * _second)),
            Step("states", Le(h * _state, h * E * (K_theta * _distance + _first))),
            Step("first noise", Le(h * E * _first, h * E * B / _width)),
            Step("second noise", Le(K_theta * E * P * _second, K_theta * E * P * K / _width)),
        ),
        claim=Le(speed, bound),
        planted=Le(speed, Q(9, 10) * bound),
    )


def gronwall(edition: Edition) -> Obligation:
    """N solves N' = a N + nu from 0."""
    q = Symbol("q", positive=True)
    grown = _definition(edition, N).subs(exp(a * s), q)
    return Obligation(
        "Gronwall",
        "The derivative of nu (q - 1) / a with q = e^(a s) is nu q, and at least a N + nu.",
        given=(Ge(q, 1),),
        claim=Le(a * grown + nu, nu * q),
        planted=Le(a * grown + nu, nu * q / 2),
    )


def loss_moves(edition: Edition) -> Obligation:
    """From the distance of particles to the mean square of the distance of the losses."""
    bound = _definition(edition, V)
    root = r * g_1 * E * (K_theta * N + B)
    return Obligation(
        "loss",
        "|E_M - E| <= r g_1 D with D <= E (K_theta delta + mu_1), delta <= N / sqrt(M) and mu_1 <= B / sqrt(M).",
        given=(STATES, Le(_gap, r * g_1 * _state), Le(_distance * _width, N), Le(_first * _width, B)),
        steps=(
            Step("at width M", Le(_state * _width, E * (K_theta * (_distance * _width) + _first * _width))),
            Step("states", Le(_state * _width, E * (K_theta * N + B))),
            Step("gap", Le(_gap * _width, root)),
        ),
        claim=Le((_gap * _width) ** 2, bound),
        planted=Le((_gap * _width) ** 2, Q(9, 10) * bound),
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
