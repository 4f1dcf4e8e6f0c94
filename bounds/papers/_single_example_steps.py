"""Steps of the proof that stochastic descent on single examples stays in a ball, as obligations.

They are those of the argument in :mod:`bounds.papers.oymak2019_sgd`, in the quantities defined here.
"""

from __future__ import annotations

from sympy import Eq, Ge, Le, Symbol, sqrt
from sympy import Rational as Q

from bounds.papers._systems import assumed, ball, beta_F, promised
from bounds.papers.oymak2019_path import alpha, beta
from bounds.proofs import Obligation, Step
from bounds.quantities import delta, e_0, eta, k, n, quantity
from bounds.statements import Edition

row = quantity("B_J", "largest norm of a row of the Jacobian on the ball", latex="B")
largest = quantity("e_B", "bound on the residual in the ball", latex=r"e_{\max}")
mean_square = quantity(
    "E_k",
    "mean squared residual over the draws of the examples, of runs that have stayed in the ball",
    latex=r"\mathrm{E}\lVert e(k)\rVert^2\mathbf{1}_{\mathcal E}",
    nonnegative=True,
    measured_by="squared residual",
)
leaving = quantity(
    "P_out",
    "probability that a run ever leaves the ball",
    latex=r"P",
    nonnegative=True,
    measured_by="no run: a probability shows in many draws alone",
)

_e, _next, _first, _second, _slope = (Symbol(name, nonnegative=True) for name in ("e", "next", "rest", "G2", "S"))
"""The residual's norm, its mean square after a step, the mean square of g, and ||J^T r||^2."""


def rest_of_a_step(edition: Edition) -> Obligation:
    """What curvature adds, over eta^2 E ||g||^2."""
    rest = beta_F * (1 + eta * beta * row) * _e + beta_F**2 * eta**2 * row**2 * _e**2 / 4
    short, curved = Symbol("a", nonnegative=True), Symbol("b", nonnegative=True)
    return Obligation(
        "rest of the step",
        "At the allowed step eta beta B <= 1 and L eta^2 B^2 ||r|| <= 1/3: alpha is at most beta and at most any row.",
        given=(
            assumed(edition, "step size"),
            Le(alpha, beta),
            Le(alpha, row),
            Le(_e, largest),
            Eq(short, eta * row),
            Eq(curved, beta_F * _e),
        ),
        steps=(
            Step("step size", Le(eta * row**2 * (beta**2 + 3 * beta_F * largest), alpha**2)),
            Step("linear part", Le(eta * row**2 * beta**2, alpha**2)),
            Step("alpha", Le(alpha**2, beta * row)),
            Step("product", Le(short * beta * (row * beta), row * beta)),
            Step("short step", Le(short * beta, 1)),
            Step("curved", Le(curved, beta_F * largest)),
            Step("curvature", Le(3 * short * row * curved, alpha**2)),
            Step("against a row", Le(3 * short * curved, alpha)),
            Step("against beta", Le(short * alpha, 1)),
            Step("second order", Le(3 * short**2 * curved, 1)),
            Step("fourth order", Le(short**2 * curved**2 / 4, curved / 12)),
            Step("third order", Le((1 + short * beta) * curved, 2 * curved)),
        ),
        claim=Le(rest, 3 * beta_F * largest),
        planted=Le(rest, beta_F * largest),
    )


def mean_decrease(edition: Edition) -> Obligation:
    """One step in the mean."""
    decay = (promised(edition, "mean squared residual") / e_0**2).subs(k, 1)
    return Obligation(
        "mean decrease",
        "||J^T r||^2 >= alpha^2 ||r||^2 and E ||g||^2 <= B^2 ||r||^2 / n.",
        given=(
            assumed(edition, "step size"),
            Le(_first, 3 * beta_F * largest),
            Le(_next, _e**2 - 2 * eta * _slope / n + eta**2 * _second * (beta**2 + _first)),
            Ge(_slope, alpha**2 * _e**2),
            Le(n * _second, row**2 * _e**2),
        ),
        steps=(
            Step("step size", Le(eta * row**2 * (beta**2 + 3 * beta_F * largest), alpha**2)),
            Step("rest", Le(row**2 * _first, 3 * row**2 * beta_F * largest)),
            Step("rest of a step", Le(eta * row**2 * _first, 3 * eta * row**2 * beta_F * largest)),
            Step("all", Le(eta * row**2 * (beta**2 + _first), alpha**2)),
            Step("second moment", Le(n * _second * (beta**2 + _first), row**2 * _e**2 * (beta**2 + _first))),
            Step("mean square", Le(eta * (n * _second) * (beta**2 + _first), alpha**2 * _e**2)),
            Step("over n", Le(eta * _second * (beta**2 + _first), alpha**2 * _e**2 / n)),
            Step("second order", Le(eta**2 * _second * (beta**2 + _first), eta * alpha**2 * _e**2 / n)),
            Step("slope", Ge(_slope / n, alpha**2 * _e**2 / n)),
            Step("first order", Ge(eta * _slope / n, eta * alpha**2 * _e**2 / n)),
        ),
        claim=Le(_next, decay * _e**2),
        planted=Le(_next, (1 - Q(11, 10) * (1 - decay)) * _e**2),
    )


def stays_in_the_ball(edition: Edition) -> Obligation:
    """Markov on the length of the path."""
    total, root = Symbol("total", nonnegative=True), Symbol("q", nonnegative=True)
    decay = (promised(edition, "mean squared residual") / e_0**2).subs(k, 1)
    return Obligation(
        "stays in the ball",
        "Mean lengths of steps are at most eta B ||r_0|| / sqrt(n) times powers of q, q^2 = 1 - eta alpha^2 / n, and "
        "sum to at most that over 1 - q >= (1 - q^2) / 2; by Markov the path exceeds R with probability P.",
        given=(
            assumed(edition, "ball"),
            Le(root**2, decay),
            Le(total * (1 - root), eta * row * e_0 / sqrt(n)),
            Le(leaving * ball, total),
        ),
        steps=(
            Step("root", Le(1 - decay, 2 * (1 - root))),
            Step("sum", Le(total * eta * alpha**2 / n, 2 * eta * row * e_0 / sqrt(n))),
            Step("path", Le(total * alpha**2, 2 * sqrt(n) * row * e_0)),
        ),
        claim=Le(leaving, promised(edition, "probability of leaving")),
        planted=Le(leaving, Q(9, 10) * delta),
    )
