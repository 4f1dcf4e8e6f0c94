"""What the three parts of Du, Lee, Li, Wang and Zhai (ICML 2019) share: symbols, events of the start, proof steps.

The loss is (1/2) sum_i (f(x_i) - y_i)^2, all layers are trained, inputs are unit vectors, all weights start as N(0, 1).
Write J for the Jacobian of the outputs (n rows), G = J J^T, G^(H) for the part of W^(H), e for the residual.

*One step.* Inside a ball where each row of J is rho-Lipschitz and has norm at most q, theta+ = theta + eta J^T e gives
e+ = e - eta G e - r with |r_i| <= (rho / 2) eta^2 e.Ge. As 0 <= G <= n q^2, ||(1 - eta G) e|| <= ||e|| - eta (1 -
eta n q^2 / 2) e.Ge / ||e||. With eta (n q^2 + sqrt(n) rho ||e(0)||) <= 2 eps this is ||e+|| <= (1 - eta (1 - eps) mu)
||e||, where mu bounds the least eigenvalue of G from below: G >= G^(H), since all other parts are positive. The travel
of a block is a geometric sum, and where it is smaller than the radius, induction closes: rate at 0..k, so the iterates
up to k + 1 are inside, so the rate at k + 1.

*Events of the start.* ||W^(h)|| <= (2 + t) sqrt(m) and ||a|| <= (1 + t) sqrt(m), each but with probability
exp(-t^2 m / 2) (Davidson and Szarek 2001, from memory); here t = 1/2. ||a||_4^4 <= 4 m but with probability 96 / m, by
Chebyshev, as E a^4 = 3 and Var a^4 = 96. Given the features, ||u(0)|| <= ||X^(H)||_F (1 + sqrt(2 log(1 / delta))), as
it is Lipschitz in a.
"""

from __future__ import annotations

from sympy import Add, Expr, Ge, Gt, Le, Lt, Symbol, exp, log, pi, sqrt
from sympy import Rational as Q
from sympy.core.relational import Relational

from bounds import statements
from bounds.proofs import Obligation, Step
from bounds.quantities import (
    R,
    delta,
    depth,
    e_0,
    eta,
    initial_least_eigenvalue,
    lambda_0,
    m,
    n,
    quantity,
    smoothness,
    y_norm,
)
from bounds.statements import Condition, Edition, Event, Paper, Promise, Statement

H = depth

weight_norm = quantity(
    "c_w", "largest spectral norm of the initial weights of layers 2 to H, over sqrt(m)", latex=r"c_{w}"
)
feature_norm = quantity("c_x", "bound, at least 1, on the norms of all initial features", latex=r"c_{x}")
output_norm = quantity("a_2", "norm of the initial output weights, over sqrt(m)", latex=r"a_{2}")
output_fourth = quantity("a_4", "l4 norm of the initial output weights, over m^(1/4)", latex=r"a_{4}")

feature_drift = quantity(
    "D_k",
    "largest distance of a feature vector from its start, over inputs and layers",
    latex=r"\max_{i,h}\lVert x_i^{(h)}(k)-x_i^{(h)}(0)\rVert",
    nonnegative=True,
)
block_travel = quantity(
    "B_k",
    "largest Frobenius distance of a layer's weights from their start, over sqrt(m)",
    latex=r"\tfrac{1}{\sqrt m}\max_h\lVert W^{(h)}(k)-W^{(h)}(0)\rVert_F",
    nonnegative=True,
)
block_step = quantity(
    "S_k",
    "largest Frobenius norm of a layer's step",
    latex=r"\max_h\lVert W^{(h)}(k+1)-W^{(h)}(k)\rVert_F",
    nonnegative=True,
)
residual_now = quantity("r_k", "norm of the residual before the step", latex=r"\lVert e(k)\rVert", nonnegative=True)
second_order = quantity(
    "I_k", "norm of the second-order part of a step", latex=r"\lVert I_2(k)\rVert", nonnegative=True
)
output_step = quantity("U_k", "norm of the step of the outputs", latex=r"\lVert u(k+1)-u(k)\rVert", nonnegative=True)
initial_feature = quantity(
    "x_0", "largest norm of an initial feature vector", latex=r"\max_{i,h}\lVert x_i^{(h)}(0)\rVert", nonnegative=True
)
smallest_feature = quantity(
    "x_low", "least norm of an initial feature vector", latex=r"\min_{i,h}\lVert x_i^{(h)}(0)\rVert", nonnegative=True
)

SHARES = tuple(
    quantity(f"delta_{name}", f"share of delta: {meaning}", latex=rf"\delta_{{{name}}}")
    for name, meaning in (
        ("w", "initial weight matrices"),
        ("a", "initial output weights"),
        ("q", "fourth moment of the initial output weights"),
        ("x", "initial features"),
        ("u", "initial outputs"),
    )
)
delta_w, delta_a, delta_q, delta_x, delta_u = SHARES

WEIGHTS = Event(delta_w, "every initial weight matrix has norm at most 5/2 sqrt(m)", weight_norm, Q(5, 2))
OUTPUTS = Event(delta_a, "the initial output weights have norm at most 3/2 sqrt(m)", output_norm, Q(3, 2))
FOURTH = Event(delta_q, "the initial output weights have l4 norm at most sqrt(2) m^(1/4)", output_fourth, sqrt(2))

GAUSSIAN_NORMS = (
    Condition("initial weights", Ge(m, 8 * log(H / delta_w))),
    Condition("initial output weights", Ge(m, 8 * log(1 / delta_a))),
    Condition("fourth moment of the output weights", Ge(m, 96 / delta_q)),
)
SMOOTH = Condition("smooth activation", Gt(smoothness, 0, evaluate=False))
INITIAL_GRAM = Condition("initial least eigenvalue", Ge(initial_least_eigenvalue, 3 * lambda_0 / 4))
KEPT = (Promise("least eigenvalue of the initial matrix", Ge(initial_least_eigenvalue, 3 * lambda_0 / 4)),)


INITIAL_OUTPUTS = Event(
    delta_u,
    "the initial outputs are at most their mean norm and a Gaussian deviation",
    e_0,
    y_norm + feature_norm * sqrt(n) * (1 + sqrt(2 * log(1 / delta_u))),
)
"""Spent after the event of the features, whose bound it uses."""


def geometric(ratio: Expr, terms: Expr) -> Expr:
    """The sum 1 + ratio + ... of a number of terms, as it is for a ratio other than 1."""
    return (ratio**terms - 1) / (ratio - 1)


MEAN = sqrt(2 / pi)
"""E|z| of a standard normal z."""

velocity = quantity("v", "sqrt(c_sigma) L")
sum_of_powers = quantity("g", "geometric sum over the layers")
entry_drift = quantity("K", "bound on the drift of an entry of the Gram matrix, over R")
gradient = quantity("q", "bound on the gradient of an output with respect to one layer")
squared_gradient = quantity("Q", "bound on the squared gradient of an output with respect to all layers")
row_lipschitz = quantity("rho", "Lipschitz constant of the gradient of an output", latex=r"\rho")
output = quantity("A", "bound on the norm of the output weights, over sqrt(m)")
features = quantity("x", "bound on the norm of the features")
matrix_drift = quantity("Gamma", "bound on the drift of an entry of the Gram matrix", latex=r"\Gamma")
remaining = quantity("mu", "what remains of the least eigenvalue", latex=r"\mu")
feature_slope = quantity("p", "bound on how fast the last features move with all weights, times sqrt(m)")
backward = quantity("b", "bound on how fast the backward pass moves with all weights")


largest_step = Q(4, 5) / (n * squared_gradient + sqrt(n) * row_lipschitz * e_0)
"""The step of the argument with eps = 2/5."""


total_travel = 10 * gradient * sqrt(n) * e_0 / (3 * lambda_0 * sqrt(m))
"""Steps eta q sqrt(n) ||e|| that shrink by 1 - 3/10 eta lambda_0, summed, over sqrt(m)."""

needed_width = 100 * gradient**2 * n * e_0**2 / (9 * lambda_0**2 * R**2)
"""The width at which that travel is R."""


epsilon = quantity("eps", "share of the contraction that the second order may take", latex=r"\epsilon")


any_largest_step = 2 * epsilon / (n * squared_gradient + sqrt(n) * row_lipschitz * e_0)
"""The step of the argument for any eps."""

any_total_travel = gradient * sqrt(n) * e_0 / ((1 - epsilon) * remaining * sqrt(m))
"""Steps eta q sqrt(n) ||e|| that shrink by 1 - eta (1 - eps) mu, summed, over sqrt(m)."""

any_needed_width = gradient**2 * n * e_0**2 / ((1 - epsilon) * remaining * R) ** 2
"""The width at which that travel is R."""

POSITIVE = statements.POSITIVE.relation
"""lambda_0 > 0."""

# --- Steps of the proof -----------------------------------------------------------------------------------------------


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


def matrix_norms(edition: Edition) -> Obligation:
    """Norms of H - 1 Gaussian matrices."""
    tail = exp(-m * (_event(edition, weight_norm) - 2) ** 2 / 2)
    return Obligation(
        "initial weights",
        "Each of fewer than H matrices has norm above (2 + t) sqrt(m) with probability at most exp(-t^2 m / 2).",
        given=(Lt(delta_w, 1), relation(edition, "initial weights")),
        claim=Le(H * tail, delta_w),
        planted=Le(H * exp(-m / 9), delta_w),
    )


def output_norms(edition: Edition) -> Obligation:
    """Norm of one Gaussian vector."""
    return Obligation(
        "initial output weights",
        "A standard normal vector has norm above (1 + t) sqrt(m) with probability at most exp(-t^2 m / 2).",
        given=(Lt(delta_a, 1), relation(edition, "initial output weights")),
        claim=Le(exp(-m * (_event(edition, output_norm) - 1) ** 2 / 2), delta_a),
        planted=Le(exp(-m / 9), delta_a),
    )


def fourth_moment(edition: Edition) -> Obligation:
    """Chebyshev on the mean of a^4, which is 3 with variance 96 / m."""
    deviation = _event(edition, output_fourth) ** 4 - 3
    return Obligation(
        "fourth moment of the output weights",
        "The mean of a^4 exceeds 3 + t with probability at most 96 / (m t^2).",
        given=(relation(edition, "fourth moment of the output weights"),),
        claim=Le(96 / (m * deviation**2), delta_q),
        planted=Le(96 / (m * deviation**2), Q(99, 100) * delta_q),
    )


def one_step(edition: Edition) -> Obligation:
    """The residual after one step, where the step is at most 4/5 over (n q^2 + sqrt(n) rho ||e(0)||)."""
    assert edition.rate is not None
    quotient = Symbol("r", positive=True)
    norm = 1 - eta * quotient * (1 - eta * (n * squared_gradient + sqrt(n) * row_lipschitz * e_0) / 2)
    return Obligation(
        "one step",
        "||e+|| / ||e|| <= 1 - eta r (1 - eta n q^2 / 2) + (eta^2 / 2) sqrt(n) rho ||e(0)|| r for r = e.Ge / ||e||^2 "
        "between lambda_0 / 2 and n q^2, and its square is at most the promised factor.",
        given=(
            POSITIVE,
            Le(eta * (n * squared_gradient + sqrt(n) * row_lipschitz * e_0), Q(4, 5)),
            Ge(quotient, lambda_0 / 2),
            Le(quotient, n * squared_gradient),
            Le(3 * lambda_0 / 4, n * squared_gradient),
        ),
        claim=Le((1 - Q(3, 10) * eta * lambda_0) ** 2, edition.rate.factor),
        planted=Le((1 - Q(3, 10) * eta * lambda_0) ** 2, 1 - Q(13, 10) * (1 - edition.rate.factor)),
        steps=(Step("the norm contracts", Le(norm, 1 - Q(3, 10) * eta * lambda_0)),),
    )


def travel_sums(edition: Edition) -> Obligation:
    """The travel of a block as a geometric sum."""
    total = eta * gradient * sqrt(n) * e_0 / (1 - (1 - Q(3, 10) * eta * lambda_0)) / sqrt(m)
    return Obligation(
        "travel",
        "Steps of at most eta q sqrt(n) ||e|| shrink by 1 - 3/10 eta lambda_0.",
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


def step_is_small(edition: Edition) -> Obligation:
    """The step meets the hypothesis of the one-step bound."""
    return Obligation(
        "step size",
        "At the allowed step eta (n q^2 + sqrt(n) rho ||e(0)||) is at most 4/5.",
        given=(Le(eta, largest_step),),
        claim=Le(eta * (n * squared_gradient + sqrt(n) * row_lipschitz * e_0), Q(4, 5)),
        planted=Le(eta * (n * squared_gradient + sqrt(n) * row_lipschitz * e_0), Q(3, 5)),
    )


def any_step(edition: Edition) -> Obligation:
    """The residual after one step, for any eps."""
    quotient = Symbol("r", positive=True)
    second = n * squared_gradient + sqrt(n) * row_lipschitz * e_0
    factor = 1 - eta * (1 - epsilon) * remaining
    return Obligation(
        "one step",
        "||e+|| / ||e|| <= 1 - eta r (1 - eta n q^2 / 2) + (eta^2 / 2) sqrt(n) rho ||e(0)|| r for r = e.Ge / ||e||^2.",
        given=(Lt(epsilon, 1), Le(eta, any_largest_step), Ge(quotient, remaining)),
        steps=(Step("second order", Le(eta * second, 2 * epsilon)),),
        claim=Le(1 - eta * quotient * (1 - eta * second / 2), factor),
        planted=Le(1 - eta * quotient * (1 - eta * second / 2), 1 - Q(11, 10) * (1 - factor)),
    )


def any_travel(edition: Edition) -> Obligation:
    """The travel of a block as a geometric sum, for any eps."""
    total = eta * gradient * sqrt(n) * e_0 / (1 - (1 - eta * (1 - epsilon) * remaining)) / sqrt(m)
    return Obligation(
        "travel",
        "Steps of at most eta q sqrt(n) ||e|| shrink by 1 - eta (1 - eps) mu.",
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


def relation(edition: Edition, name: str) -> Relational:
    """The inequality of a condition."""
    return next(c.relation for c in edition.assumes if c.name == name and c.relation is not None)


def _event(edition: Edition, bounded: Symbol) -> Expr:
    return next(e.bound for e in edition.events if e.quantity == bounded and e.bound is not None)


def paper(part: str, statements: tuple[Statement, ...]) -> Paper:
    """The citation, with the statements of one part."""
    return Paper(
        key="du2019deep",
        authors=("Du, Simon S.", "Lee, Jason D.", "Li, Haochuan", "Wang, Liwei", "Zhai, Xiyu"),
        title="Gradient Descent Finds Global Minima of Deep Neural Networks",
        year=2019,
        venue="International Conference on Machine Learning (ICML)",
        arxiv="1811.03804",
        statements=statements,
        part=part,
        remark="Statements marked as read are those of version 4 on arXiv.",
    )
