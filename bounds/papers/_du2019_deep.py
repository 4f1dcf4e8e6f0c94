"""What the parts of Du, Lee, Li, Wang and Zhai (ICML 2019) share: symbols, events of the start, forms of editions.

The loss is (1/2) sum_i (f(x_i) - y_i)^2, all layers are trained, inputs are unit vectors, all weights start as N(0, 1).
Write J for the Jacobian of the outputs (n rows), G = J J^T, G^(H) for the part of W^(H), e for the residual.

*One step.* Inside a ball where each row of J is rho-Lipschitz and has squared norm at most Q, theta+ = theta + eta J^T
e gives e+ = e - eta G e - r with |r_i| <= (rho / 2) eta^2 e.Ge. As 0 <= G <= n Q, ||(1 - eta G) e|| <= ||e|| - eta (1
- eta n Q / 2) e.Ge / ||e||. With eta (n Q + sqrt(n) rho ||e(0)||) <= 2 eps this is ||e+|| <= (1 - eta (1 - eps) mu)
||e||, where mu bounds the least eigenvalue of G from below: G >= G^(H), since all other parts are positive. The travel
of a block is a geometric sum, and where it is smaller than the radius, induction closes: rate at 0..k, so the iterates
up to k + 1 are inside, so the rate at k + 1.

*Events of the start*, for outputs that read p pixels through patches of q (both 1 but for convolutional networks).
||W^(h)|| <= (1 + sqrt(q) + t) sqrt(m) and ||a|| <= (sqrt(p) + t) sqrt(m), each but with probability exp(-t^2 m / 2)
(Davidson and Szarek 2001, from memory); here t = 1/2. For the rows a_r of a, E ||a_r||^4 = p (p + 2), with variance
8 p (p + 2)(p + 3): by Chebyshev sum_r ||a_r||^4 <= 4/3 p (p + 2) m but with probability 72 (p + 3) / (p (p + 2) m).
Given the features, ||u(0)|| <= ||X^(H)||_F (1 + sqrt(2 log(1 / delta))), as it is Lipschitz in a.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Expr, Ge, Gt, Le, Lt, log, pi, sqrt
from sympy import Rational as Q

from bounds.arithmetic import large_constant, small_constant
from bounds.proofs import Obligation
from bounds.quantities import (
    R,
    delta,
    depth,
    e_0,
    eta,
    gram_drift,
    initial_least_eigenvalue,
    k,
    lambda_0,
    least_eigenvalue,
    m,
    n,
    quantity,
    smoothness,
    y_norm,
)
from bounds.statements import POSITIVE, Condition, Edition, Event, Mark, Paper, Promise, Rate, Statement

H = depth
C = large_constant("C")
c = small_constant("c")

# --- What the start is measured by ------------------------------------------------------------------------------------

c_w = quantity(
    "c_w",
    "largest spectral norm of the initial weights of layers 2 to H, over sqrt(m)",
    latex=r"c_{w}",
    measured_by="first weight norm over root m",
)
c_x = quantity(
    "c_x",
    "bound, at least 1, on the norms of all initial features",
    latex=r"c_{x}",
    measured_by="bound on the first features",
)
a_2 = quantity(
    "a_2", "norm of the initial output weights, over sqrt(m)", latex=r"a_{2}", measured_by="output norm over root m"
)
a_4 = quantity(
    "a_4",
    "l4 norm of the norms of a neuron's initial output weights, over m^(1/4)",
    latex=r"a_{4}",
    measured_by="output fourth moment",
)

# --- What is measured during training ---------------------------------------------------------------------------------

feature_drift = quantity(
    "D_k",
    "largest distance of a feature vector from its start, over inputs and layers",
    latex=r"\max_{i,h}\lVert x_i^{(h)}(k)-x_i^{(h)}(0)\rVert",
    nonnegative=True,
    measured_by="feature travel",
)
block_travel = quantity(
    "B_k",
    "largest Frobenius distance of a layer's weights from their start, over sqrt(m)",
    latex=r"\tfrac{1}{\sqrt m}\max_h\lVert W^{(h)}(k)-W^{(h)}(0)\rVert_F",
    nonnegative=True,
    measured_by="layer travel over root m",
)
block_step = quantity(
    "S_k",
    "largest Frobenius norm of a layer's step",
    latex=r"\max_h\lVert W^{(h)}(k+1)-W^{(h)}(k)\rVert_F",
    nonnegative=True,
    measured_by="largest step of a layer",
)
residual_now = quantity(
    "r_k", "norm of the residual before the step", latex=r"\lVert e(k)\rVert", nonnegative=True, measured_by="residual"
)
second_order = quantity(
    "I_k", "norm of the second-order part of a step", latex=r"\lVert I_2(k)\rVert", nonnegative=True
)
output_step = quantity("U_k", "norm of the step of the outputs", latex=r"\lVert u(k+1)-u(k)\rVert", nonnegative=True)
initial_feature = quantity(
    "x_0",
    "largest norm of an initial feature vector",
    latex=r"\max_{i,h}\lVert x_i^{(h)}(0)\rVert",
    nonnegative=True,
    measured_by="largest first feature",
)
smallest_feature = quantity(
    "x_low",
    "least norm of an initial feature vector",
    latex=r"\min_{i,h}\lVert x_i^{(h)}(0)\rVert",
    nonnegative=True,
    measured_by="least first feature",
)

# --- Constants of the argument ----------------------------------------------------------------------------------------

MEAN = sqrt(2 / pi)
"""E|z| of a standard normal z."""

v = quantity("v", "sqrt(c_sigma) L, for patches times sqrt(q)")
g = quantity("g", "geometric sum over the layers")
K = quantity("K", "bound on the drift of an entry of the Gram matrix, over R")
J = quantity("J", "bound on the gradient of an output with respect to one layer")
Q2 = quantity("Q", "bound on the squared gradient of an output with respect to all layers")
rho = quantity("rho", "Lipschitz constant of the gradient of an output", latex=r"\rho")
A = quantity("A", "bound on the norm of the output weights, over sqrt(m)")
x = quantity("x", "bound on the norm of the features")
Gamma = quantity("Gamma", "bound on the drift of an entry of the Gram matrix", latex=r"\Gamma")
mu = quantity("mu", "what remains of the least eigenvalue", latex=r"\mu")
xi = quantity("xi", "bound on how fast the last features move with all weights, times sqrt(m)", latex=r"\xi")
b = quantity("b", "bound on how fast the backward pass moves with all weights")
epsilon = quantity(
    "eps", "share of the contraction that the second order may take", latex=r"\epsilon", measured_by="one half"
)


def geometric(ratio: Expr, terms: Expr) -> Expr:
    """The sum 1 + ratio + ... of a number of terms, as it is for a ratio other than 1."""
    return (ratio**terms - 1) / (ratio - 1)


largest_step = Q(4, 5) / (n * Q2 + sqrt(n) * rho * e_0)
"""The step of the argument with eps = 2/5."""

total_travel = 10 * J * sqrt(n) * e_0 / (3 * lambda_0 * sqrt(m))
"""Steps eta J sqrt(n) ||e|| that shrink by 1 - 3/10 eta lambda_0, summed, over sqrt(m)."""

needed_width = 100 * J**2 * n * e_0**2 / (9 * lambda_0**2 * R**2)
"""The width at which that travel is R."""

any_largest_step = 2 * epsilon / (n * Q2 + sqrt(n) * rho * e_0)
"""The step of the argument for any eps."""

any_total_travel = J * sqrt(n) * e_0 / ((1 - epsilon) * mu * sqrt(m))
"""Steps eta J sqrt(n) ||e|| that shrink by 1 - eta (1 - eps) mu, summed, over sqrt(m)."""

any_needed_width = J**2 * n * e_0**2 / ((1 - epsilon) * mu * R) ** 2
"""The width at which that travel is R."""

DEVIATION = (1 + sqrt(2 * log(1 / delta))) ** 2
"""||e(0)||^2 over n, up to a constant, but with probability delta."""

# --- Events and conditions --------------------------------------------------------------------------------------------

delta_w, delta_a, delta_q, delta_x, delta_u = (
    quantity(f"delta_{name}", f"share of delta: {meaning}", latex=rf"\delta_{{{name}}}")
    for name, meaning in (
        ("w", "initial weight matrices"),
        ("a", "initial output weights"),
        ("q", "fourth moment of the initial output weights"),
        ("x", "initial features"),
        ("u", "initial outputs"),
    )
)

WEIGHTS = Event(delta_w, "every initial weight matrix has norm at most 5/2 sqrt(m)", c_w, Q(5, 2))
OUTPUTS = Event(delta_a, "the initial output weights have norm at most 3/2 sqrt(m)", a_2, Q(3, 2))
FOURTH = Event(delta_q, "the initial output weights have l4 norm at most sqrt(2) m^(1/4)", a_4, sqrt(2))
INITIAL_OUTPUTS = Event(
    delta_u,
    "the initial outputs are at most their mean norm and a Gaussian deviation",
    e_0,
    y_norm + c_x * sqrt(n) * (1 + sqrt(2 * log(1 / delta_u))),
)
"""Spent after the event of the features, whose bound it uses."""

WEIGHT_NORMS = Condition("initial weights", Ge(m, 8 * log(H / delta_w)))
OUTPUT_NORM = Condition("initial output weights", Ge(m, 8 * log(1 / delta_a)))
FOURTH_MOMENT = Condition("fourth moment of the output weights", Ge(m, 96 / delta_q))
SMOOTH = Condition("smooth activation", Gt(smoothness, 0, evaluate=False))
INITIAL_GRAM = Condition("initial least eigenvalue", Ge(initial_least_eigenvalue, 3 * lambda_0 / 4))
KEPT = (Promise("least eigenvalue of the initial matrix", Ge(initial_least_eigenvalue, 3 * lambda_0 / 4)),)
INSIDE = (Condition("radius", Le(R, c_w)), Condition("inside", Le(block_travel, R)))
RATE = Rate(1 - eta * lambda_0 / 2, 2, k)
RATE_SO_FAR = Condition("the rate so far", RATE.promise.relation)

# --- Forms of editions and lemmas -------------------------------------------------------------------------------------

Where = tuple[tuple[Any, Expr], ...]
Arguments = tuple[Callable[[Edition], Obligation], ...]


def second_order_part(step: Expr) -> Edition:
    """Lemmas B.6, C.6 and D.6 as printed: at steps up to ``step`` the second-order part is small."""
    return Edition(
        "printed",
        Mark.READ,
        assumes=(RATE_SO_FAR, Condition("step size", Le(eta, step))),
        promises=(Promise("second-order part", Le(second_order, eta * lambda_0 * residual_now / 8)),),
    )


def step_of_the_outputs(step: Expr, *, corrected: bool = False) -> Edition:
    """Lemmas B.7, C.7 and D.7: at steps up to ``step`` the outputs move little."""
    return Edition(
        "corrected" if corrected else "printed",
        Mark.REDERIVED if corrected else Mark.READ,
        assumes=(RATE_SO_FAR, Condition("step size", Le(eta, step))),
        promises=(Promise("step of the outputs", Le(output_step**2, eta * lambda_0 * residual_now**2 / 8)),),
        reason="The step of the output layer alone changes the outputs by order eta n ||e||, whatever H is."
        if corrected
        else "",
    )


def hidden_constants(inputs: Condition, width: Expr, step: Expr, *, corrected: str = "") -> Edition:
    """A main theorem with its hidden constants, as printed or, with a reason, corrected."""
    return Edition(
        "corrected" if corrected else "printed",
        Mark.REDERIVED if corrected else Mark.READ,
        assumes=(
            inputs,
            SMOOTH,
            POSITIVE,
            Condition("width", Ge(m, width)),
            Condition("step size", Le(eta, step)),
        ),
        rate=RATE,
        reason=corrected,
    )


def from_the_start(
    inputs: Condition,
    start: tuple[Condition, ...],
    drift: Expr,
    *,
    where: Where,
    radius: Expr,
    events: tuple[Event, ...],
    reason: str,
    arguments: Arguments,
) -> Edition:
    """A main theorem with explicit constants, from events of the start; the least initial eigenvalue is measured.

    Args:
        inputs: what they are.
        start: the widths at which the events hold.
        drift: of the features within the radius.
        where: abbreviations, among them J, Q and rho.
        radius: within which the iterates stay.
        events: of the start.
        reason: how derived.
        arguments: the steps of its proof.
    """
    return Edition(
        "explicit",
        Mark.REDERIVED,
        assumes=(
            inputs,
            SMOOTH,
            POSITIVE,
            INITIAL_GRAM,
            *start,
            Condition("step size", Le(eta, largest_step)),
            Condition("travel below radius", Gt(m, needed_width)),
        ),
        promises=(
            Promise("travel", Le(block_travel, total_travel)),
            Promise("feature drift", Le(feature_drift, drift)),
            Promise("Gram drift", Le(gram_drift, lambda_0 / 4)),
            Promise("least eigenvalue", Ge(least_eigenvalue, lambda_0 / 2)),
        ),
        rate=RATE,
        where=where,
        radius=radius,
        events=events,
        reason=reason,
        arguments=arguments,
    )


def for_one_start(inputs: Condition, drift: Expr, *, where: Where, arguments: Arguments) -> Edition:
    """A main theorem that is deterministic: what the start is measured by is given, radius and eps are chosen.

    Args:
        inputs: what they are.
        drift: of the features within the radius.
        where: abbreviations, among them J, Q, rho, Gamma and mu.
        arguments: the steps of its proof.
    """
    return Edition(
        "improved",
        Mark.REDERIVED,
        assumes=(
            inputs,
            SMOOTH,
            Condition("share", Lt(epsilon, 1)),
            Condition("positive after the drift", Gt(mu, 0, evaluate=False)),
            Condition("step size", Le(eta, any_largest_step)),
            Condition("travel below radius", Gt(m, any_needed_width)),
        ),
        promises=(
            Promise("travel", Le(block_travel, any_total_travel)),
            Promise("feature drift", Le(feature_drift, drift)),
            Promise("Gram drift", Le(gram_drift, n * Gamma)),
            Promise("least eigenvalue", Ge(least_eigenvalue, mu)),
        ),
        rate=Rate(1 - eta * (1 - epsilon) * mu, 1, k),
        where=where,
        reason="Deterministic, for one start: c_w, c_x, a_2, a_4, the least eigenvalue and ||e(0)|| are measured, "
        "the radius R and eps are chosen. No power is rounded up to its largest.",
        arguments=arguments,
    )


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
