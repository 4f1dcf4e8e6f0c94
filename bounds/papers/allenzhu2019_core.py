r"""Allen-Zhu, Li and Song (ICML 2019): the deterministic core of gradient descent, with constants. 1811.03962.

F is the loss, half the sum of squares, and e the norm of the residual, F = e^2 / 2. A change W' of the weights is
measured by its largest layer: ||W'||_2 in spectral, ||W'||_F in Frobenius norm. On the ball ||W - W_0||_2 <= omega let

    (P) ||grad F||^2 >= 2 mu F, the sum of squares over all layers;
    (G) ||grad_l F||_F <= G sqrt(F) in every layer l;
    (S) F(W + W') <= F(W) + <grad F(W), W'> + A sqrt(F(W)) ||W'||_2 + H/2 ||W'||_2^2,  W and W + W' in the ball.

Theorem 3 of the paper gives (P) and (G), Theorem 4 gives (S). The rest needs no probability and no network.

*One step.* W' = -eta grad F has ||W'||_2 <= eta G sqrt(F), so F_+ <= (1 - eta r) F with
r = 2 mu - A G - eta H G^2 / 2. If A G <= mu/2 and eta H G^2 <= mu then r >= mu.

*Travel.* A step moves a layer by at most eta G sqrt(F), and sqrt(F) - sqrt(F_+) >= (F - F_+) / (2 sqrt(F)) >=
eta r sqrt(F) / 2. So it moves at most 2 G / r times the drop of sqrt(F), and all steps together move at most
2 G sqrt(F_0) / r = sqrt(2) G e_0 / r. That is less than omega, and the same is true of a step that is cut short: no
step leaves the ball.

*Time.* F_T <= (1 - eta mu)^T F_0 <= exp(-eta mu T) F_0 is at most eps from T = log(F_0 / eps) / (eta mu) on.

*The width.* Write Theorems 3 and 4 with constants,

    mu = c_P delta m / (2 d n^2),                            G^2 = C_G n m / d,
    A = C_A omega^(1/3) L^2 sqrt(m n log(m) / d),            H = 2 C_H n L^2 m / d,

where delta is the separation of the inputs. Then A G <= mu/2 is a bound on omega of the order of delta^3 n^-9 L^-6
log(m)^(-3/2), stricter than what either theorem asks; eta <= mu / (H G^2) is of the order of d delta / (n^4 L^2 m), and
1 / (eta mu) of n^6 L^2 / delta^2. Travel below omega is a width of the order of n^23 L^12 d e_0^2 log(m)^3 / delta^8:
the exponents of Theorem 1, with e_0^2 = O(n log(m)^2). Here e_0 has an event of its own: given its last features an
output is N(0, ||h_L||^2 / d), and E ||h_L||^2 = 1, so E e_0^2 = n + ||y||^2; Markov spends a share of delta and no
logarithm.
"""

from __future__ import annotations

from sympy import Eq, Ge, Gt, Le, Lt, Symbol, log, sqrt
from sympy import Rational as Q

from bounds.papers._allenzhu2019 import FREE, NETWORKS, SEPARATED, L, floor, moved, omega, paper, reached
from bounds.papers._systems import assumed, mu, promised
from bounds.proofs import Obligation, Step
from bounds.quantities import d, delta_3, e_0, eta, k, m, n, quantity, y_norm
from bounds.quantities import separation as rho
from bounds.settings import SYSTEM
from bounds.statements import UNIT_ROWS, Condition, Edition, Event, Mark, Promise, Rate, Statement, hypothesis

G = quantity(
    "G",
    "largest norm of a layer's gradient over the root of the loss, on the ball",
    measured_by="layer gradient over root loss",
)
A = quantity("A", "coefficient of the first-order error of the loss, on the ball", nonnegative=True, measured_by="zero")
H = quantity("H", "coefficient of the second-order error of the loss, on the ball", measured_by="second-order error")
steps_per_factor = quantity(
    "T_e", "steps that divide the loss by e, at the largest step", measured_by="steps per factor e"
)
slack = quantity("r", "what the errors leave of the slope of the loss")

c_P = quantity(
    "c_P", "constant of the lower bound of the gradient", measured_by="constant of the gradient's lower bound"
)
C_G = quantity(
    "C_G", "constant of the upper bound of the gradient", measured_by="constant of the gradient's upper bound"
)
C_A = quantity("C_A", "constant of the first-order error of the loss")
C_H = quantity(
    "C_H", "constant of the second-order error of the loss", measured_by="constant of the second-order error"
)

_e, _f, _D = (Symbol(name, positive=True) for name in ("e", "f", "D"))
"""Residual before and after a step, distance that a layer moves in it."""

ON_THE_BALL = hypothesis(
    "P, G and S on the ball",
    "the inequalities hold on the whole ball of radius omega; numbers measured along a run are evidence, no proof",
)
SLACK = (slack, 2 * mu - A * G - eta * H * G**2 / 2)
travel = sqrt(2) * G * e_0 / mu
travel_with_slack = sqrt(2) * G * e_0 / slack
time = 1 + log(e_0**2 / (2 * floor)) / (eta * mu)


def one_step(edition: Edition) -> Obligation:
    """One step, from semi-smoothness and the two bounds of the gradient."""
    assert edition.rate is not None
    factor, g = edition.rate.factor, Symbol("g", positive=True)
    root = _e / sqrt(2)
    after = root**2 - eta * g**2 + A * root * (eta * G * root) + H * (eta * G * root) ** 2 / 2
    return Obligation(
        "one step",
        "F_+ <= F - eta ||grad F||^2 + A sqrt(F) ||W'||_2 + H/2 ||W'||_2^2 with ||W'||_2 <= eta G sqrt(F) and "
        "||grad F||^2 >= 2 mu F; F is half the squared residual.",
        given=(
            Ge(g**2, 2 * mu * root**2),
            *(assumed(edition, name) for name in ("first-order error", "step size") if not edition.where),
            *(Eq(*definition) for definition in edition.where),
        ),
        steps=(
            Step("descent", Le(-eta * g**2, -eta * mu * _e**2)),
            *(
                ()
                if edition.where
                else (
                    Step("first order", Le(eta * A * G, eta * mu / 2)),
                    Step("second order", Le(eta**2 * H * G**2, eta * mu)),
                )
            ),
        ),
        claim=Le(2 * after, factor * _e**2),
        planted=Le(2 * after, (1 - Q(11, 10) * (1 - factor)) * _e**2),
    )


def step_sum(edition: Edition) -> Obligation:
    """The distance of a step, as a multiple of the drop of the residual."""
    assert edition.rate is not None
    factor, share = edition.rate.factor, promised(edition, "travel") / e_0
    rate = slack if edition.where else mu
    return Obligation(
        "travel",
        "A step moves a layer by at most eta G sqrt(F), which is at most the promised travel's share of the residual's "
        "drop; the drops sum to at most e_0.",
        given=(Le(_D, eta * G * _e / sqrt(2)), Le(_f**2, factor * _e**2), Le(_f, _e)),
        steps=(
            Step("drop", Le(eta * rate * _e, 2 * (_e - _f))),
            Step("times the distance", Le(_D * rate, sqrt(2) * G * (_e - _f))),
        ),
        claim=Le(_D, share * (_e - _f)),
        planted=Le(_D, Q(9, 10) * share * (_e - _f)),
    )


def never_leaves(edition: Edition) -> Obligation:
    """The promised travel is below the radius."""
    return Obligation(
        "stays in the ball",
        "The travel, also of a step that is cut short, stays below the radius within which the inequalities hold.",
        given=(assumed(edition, "ball"), Le(moved, promised(edition, "travel"))),
        claim=Lt(moved, omega),
        planted=Lt(moved, Q(9, 10) * omega),
    )


def time_needed(edition: Edition) -> Obligation:
    """Steps until the loss is at most its floor."""
    assert edition.rate is not None
    steps, bound, factor = Symbol("N", positive=True), promised(edition, "steps"), edition.rate.factor
    return Obligation(
        "steps",
        "One step earlier the loss was above the floor and at most factor^(N - 1) F_0; log(1 - x) <= -x.",
        given=(Ge(steps, 1), Le(log(factor), -eta * mu), Ge((steps - 1) * log(factor) + log(e_0**2 / (2 * floor)), 0)),
        claim=Le(steps, bound),
        planted=Le(steps, Q(9, 10) * bound),
    )


def asks_less(edition: Edition) -> Obligation:
    """The explicit conditions imply these, with slack at least mu."""
    return Obligation(
        "asks less than explicit",
        "A G <= mu/2 and eta H G^2 <= mu leave a slack of at least mu.",
        given=(Le(A * G, mu / 2), Le(eta * H * G**2, mu), *(Eq(*definition) for definition in edition.where)),
        steps=(Step("slack", Ge(slack, mu)), Step("step", Lt(eta, edition.limit(eta)))),
        claim=Le(promised(edition, "travel"), travel),
        planted=Le(promised(edition, "travel"), Q(9, 10) * travel),
    )


core = Statement(
    "Deterministic core",
    "a PL inequality, bounded gradients and semi-smoothness on a ball give linear convergence",
    SYSTEM,
    "gradient descent",
    identifier="allenzhu2019-core",
    concludes="exact fit",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                ON_THE_BALL,
                Condition("first-order error", Le(A, mu / (2 * G))),
                Condition("step size", Le(eta, mu / (H * G**2))),
                Condition("ball", Gt(omega, travel)),
                Condition("floor below the start", Le(floor, e_0**2 / 2)),
            ),
            promises=(Promise("travel", Le(moved, travel)), Promise("steps", Le(reached, time))),
            rate=Rate(1 - eta * mu, 2, k),
            reason="What is left of the paper's proof once Theorems 3 and 4 are taken as given.",
            arguments=(one_step, step_sum, never_leaves, time_needed),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(
                ON_THE_BALL,
                Condition("first-order error", Lt(A, 2 * mu / G)),
                Condition("step size", Lt(eta, 2 * (2 * mu - A * G) / (H * G**2))),
                Condition("ball", Gt(omega, travel_with_slack)),
            ),
            promises=(Promise("travel", Le(moved, travel_with_slack)),),
            rate=Rate(1 - eta * slack, 2, k),
            where=(SLACK,),
            reason="The slack is kept as it is: four times the first-order error, at least twice the step, and never "
            "a longer travel or a slower rate.",
            arguments=(one_step, step_sum, never_leaves, asks_less),
        ),
    ),
    remark="Give measured mu, G, A and H to see how far a run is from the conditions (calibrated mode): the numbers of "
    "a run are evidence, no proof, since the inequalities are asked for on the whole ball.",
)

# --- With the constants of Theorems 3 and 4 --------------------------------------------------------------------------

largest_radius = (c_P * rho / (4 * C_A * sqrt(C_G) * n**3 * L**2 * sqrt(log(m)))) ** 3
largest_step = c_P * d * rho / (4 * C_G * C_H * n**4 * L**2 * m)
path = 2 * sqrt(2 * C_G * d) * n ** Q(5, 2) * e_0 / (c_P * rho * sqrt(m))
width = 32768 * C_A**6 * C_G**4 * n**23 * L**12 * d * e_0**2 * log(m) ** 3 / (c_P**8 * rho**8)
steps_needed = 8 * C_G * C_H * n**6 * L**2 / (c_P**2 * rho**2)
initial_residual = sqrt((n + y_norm**2) / delta_3)

THEOREMS_3_AND_4 = (
    (mu, c_P * rho * m / (2 * d * n**2)),
    (G, sqrt(C_G * n * m / d)),
    (A, C_A * omega ** Q(1, 3) * L**2 * sqrt(m * n / d) * sqrt(log(m))),
    (H, 2 * C_H * n * L**2 * m / d),
)


def _as_given(edition: Edition) -> tuple[Eq, ...]:
    return tuple(Eq(symbol, formula) for symbol, formula in edition.where if symbol in (mu, G, H))


def radius_from_first_order(edition: Edition) -> Obligation:
    """A G <= mu / 2 at the radius, whose cube root enters A."""
    root, logarithm, formulas = Symbol("omega_3", positive=True), Symbol("ell", positive=True), dict(edition.where)
    error = formulas[A].subs(omega ** Q(1, 3), root).subs(sqrt(log(m)), logarithm) * formulas[G]
    return Obligation(
        "first-order error",
        "A G = C_A omega_3 L^2 ell sqrt(C_G) n m / d, with omega_3 the cube root of omega, ell the root of log m.",
        given=(Le(root, (largest_radius ** Q(1, 3)).subs(sqrt(log(m)), logarithm)), *_as_given(edition)),
        claim=Le(error, mu / 2),
        planted=Le(error, Q(9, 20) * mu),
    )


def step_from_second_order(edition: Edition) -> Obligation:
    """The step is the mu / (H G^2) of the core."""
    return Obligation(
        "step size",
        "The step is at most mu / (H G^2).",
        given=(*_as_given(edition), assumed(edition, "step size")),
        claim=Le(eta * H * G**2, mu),
        planted=Le(eta * H * G**2, Q(9, 10) * mu),
    )


def travel_of_core(edition: Edition) -> Obligation:
    """The travel is the sqrt(2) G e_0 / mu of the core."""
    bound = promised(edition, "travel")
    return Obligation(
        "travel",
        "sqrt(2) G e_0 / mu with the constants of Theorem 3.",
        given=_as_given(edition),
        claim=Le(travel, bound),
        planted=Le(travel, Q(9, 10) * bound),
    )


def width_from_travel(edition: Edition) -> Obligation:
    """The width makes the travel smaller than the radius."""
    logarithm, radius = Symbol("ell", positive=True), edition.where[0][1]
    short = radius.subs(sqrt(log(m)), logarithm).subs(log(m), logarithm**2)
    asked = assumed(edition, "width").rhs.subs(log(m), logarithm**2)
    far = promised(edition, "travel")
    return Obligation(
        "travel below radius",
        "The travel is below the radius once m exceeds the width; ell is the root of log m.",
        given=(Gt(e_0, 0), Eq(omega, short), Gt(m, asked)),
        steps=(Step("squares", Lt(far**2, omega**2)),),
        claim=Lt(far, omega),
        planted=Lt(far, Q(9, 10) * omega),
    )


def residual_by_markov(edition: Edition) -> Obligation:
    """Markov on the squared initial residual."""
    bound = edition.events[0].bound
    return Obligation(
        "initial residual by Markov",
        "The mean n + |y|^2 of the squared residual over the square of its bound is at most the share of delta.",
        given=(Eq(e_0, bound),),
        claim=Le((n + y_norm**2) / e_0**2, delta_3),
        planted=Le((n + y_norm**2) / e_0**2, Q(99, 100) * delta_3),
    )


def time_of_core(edition: Edition) -> Obligation:
    """With the largest step, 1 / (eta mu) is the promised number of steps per factor e."""
    return Obligation(
        "steps",
        "1 / (eta mu) at the largest step.",
        given=(*_as_given(edition), Eq(eta, edition.limit(eta))),
        claim=Le(1 / (eta * mu), promised(edition, "steps")),
        planted=Le(1 / (eta * mu), Q(9, 10) * promised(edition, "steps")),
    )


symbolic = Statement(
    "Theorem 1 from constants of Theorems 3 and 4",
    "the width, step and travel of Theorem 1 as formulas in four constants",
    NETWORKS,
    "gradient descent",
    identifier="allenzhu2019-gd-constants",
    concludes="exact fit",
    for_all=FREE,
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                SEPARATED,
                hypothesis(
                    "Theorems 3 and 4", "both hold at this width on the ball of radius omega with the given constants"
                ),
                Condition("width", Gt(m, width)),
                Condition("step size", Le(eta, largest_step)),
            ),
            promises=(Promise("travel", Le(moved, path)), Promise("steps", Le(steps_per_factor, steps_needed))),
            rate=Rate(1 - eta * mu, 2, k),
            where=((omega, largest_radius), *THEOREMS_3_AND_4),
            events=(
                Event(
                    delta_3,
                    "the initial residual is at most sqrt((n + |y|^2) / delta_3), by Markov",
                    e_0,
                    initial_residual,
                ),
            ),
            reason="The core with the constants of Theorems 3 and 4 put in; 1 / (eta mu) steps divide the loss "
            "by e at least.",
            arguments=(
                radius_from_first_order,
                step_from_second_order,
                travel_of_core,
                width_from_travel,
                residual_by_markov,
                time_of_core,
            ),
        ),
    ),
    rests_on=(core,),
    remark="Symbolic mode: the paper leaves c_P, C_G, C_A and C_H open; give numbers to see what they would ask for. "
    "rho is the separation of the inputs, the paper's delta.",
)

PAPER = paper(
    statements=(core, symbolic),
    part="the deterministic core of gradient descent",
    remark="Its text could not be opened: the forms of Theorems 3 and 4 are from memory, what follows is re-derived.",
)
