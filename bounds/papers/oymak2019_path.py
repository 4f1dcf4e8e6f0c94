r"""Oymak and Soltanolkotabi (ICML 2019): gradient descent takes the shortest path? arXiv 1812.10004.

The argument, with constants. On the ball of radius R around the start let alpha <= sigma_min(J), ||J|| <= beta, and J
be L-Lipschitz; D = eta ||J^T r|| is the length of a step. Then ||(1 - eta K) r||^2 <= ||r||^2 - eta (2 - eta beta^2)
||J^T r||^2, and the rest of F is at most L D^2 / 2. With eta <= 1 / (2 beta^2) and eta <= alpha^2 / (2 beta^2 L
||r_0||),

    ||r_+|| <= ||r|| - eta ||J^T r||^2 / (2 ||r||) <= (1 - eta alpha^2 / 2) ||r||,   alpha D / 2 <= ||r|| - ||r_+||.

So the path is no longer than 2 ||r_0|| / alpha, half the printed radius, and the residual itself, not its square,
shrinks by the printed factor. Every solution is at least ||r_0|| / beta away: the path is near the shortest if alpha
is near beta. With alpha = sigma_0 / 2 on the printed ball the condition is L ||r_0|| <= sigma_0^2 / 16, eight times
that of the baseline under a parabola, at half its step.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Ge, Le

from bounds.papers._jacobian_steps import (
    contraction_by_jacobian,
    kept_on_the_ball,
    length_by_jacobian,
    linear_part,
    rest_of_a_step,
    solutions_are_far,
    trade_off,
    whole_step,
)
from bounds.papers._systems import ball, beta_F, distance, nearest, path, sigma_0
from bounds.quantities import e_0, eta, k, quantity, residual
from bounds.settings import SYSTEM
from bounds.statements import Condition, Edition, Mark, Paper, Promise, Rate, Statement, hypothesis

alpha = quantity(
    "alpha", "least singular value of the Jacobian on the ball", latex=r"\alpha", measured_by="least slope"
)
beta = quantity(
    "beta_J", "largest singular value of the Jacobian on the ball", latex=r"\beta", measured_by="largest slope"
)

ON_THE_BALL = hypothesis(
    "Jacobian on the ball", "alpha <= sigma_min(J), ||J|| <= beta_J and J is beta_F-Lipschitz on the ball of radius R"
)
STEP = (
    Condition("step size", Le(eta, 1 / (2 * beta**2))),
    Condition("step size, curvature", Le(eta, alpha**2 / (2 * beta**2 * beta_F * e_0))),
)
ONE_STEP = (linear_part(beta), rest_of_a_step(alpha, beta, beta_F), whole_step)
CONTRACTION = 1 - eta * alpha**2 / 2
FAR = Promise("nearest solution", Ge(nearest, e_0 / beta))
printed_radius = 4 * e_0 / alpha
improved_radius = 2 * e_0 / alpha

PRINTED = Edition(
    "printed",
    Mark.FROM_MEMORY,
    assumes=(ON_THE_BALL, Condition("ball", Ge(ball, printed_radius)), *STEP),
    promises=(
        Promise("distance and residual", Le(alpha * distance / 4 + residual, e_0)),
        Promise("path", Le(path, printed_radius)),
        FAR,
    ),
    rate=Rate(CONTRACTION, 2, k),
)

descent = Statement(
    "Descent and the shortest path",
    "descent reaches a solution along a path that is at most beta/alpha times too long, up to a constant",
    SYSTEM,
    "gradient descent",
    identifier="oymak2019-path",
    concludes="exact fit",
    editions=(
        PRINTED,
        replace(
            PRINTED,
            name="explicit",
            mark=Mark.REDERIVED,
            reason="The printed constants suffice.",
            arguments=(
                *ONE_STEP,
                contraction_by_jacobian(alpha),
                length_by_jacobian(alpha, "path"),
                trade_off(alpha, "distance and residual"),
                solutions_are_far(beta, "nearest solution"),
            ),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(ON_THE_BALL, Condition("ball", Ge(ball, improved_radius)), *STEP),
            promises=(
                Promise("distance and residual", Le(alpha * distance / 2 + residual, e_0)),
                Promise("path", Le(path, improved_radius)),
                FAR,
            ),
            rate=Rate(CONTRACTION, 1, k),
            reason="The residual itself shrinks by the printed factor, and half the radius suffices.",
            arguments=(
                *ONE_STEP,
                contraction_by_jacobian(alpha),
                length_by_jacobian(alpha, "path"),
                solutions_are_far(beta, "nearest solution"),
            ),
        ),
    ),
    remark="Descent, exact fit, whatever is trained, loss 1/2 sum of squares. The bounds must hold on the whole ball.",
)

from_start = Statement(
    "From the start",
    "what is known at the start gives the bounds on the ball",
    SYSTEM,
    "gradient descent",
    identifier="oymak2019-start",
    concludes="exact fit",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("Jacobian", Le(beta_F, sigma_0**2 / (16 * e_0))),
                Condition("ball", Ge(ball, 8 * e_0 / sigma_0)),
                Condition("step size", Le(eta, 1 / (2 * beta**2))),
            ),
            promises=(Promise("path", Le(path, 8 * e_0 / sigma_0)),),
            rate=Rate(1 - eta * sigma_0**2 / 8, 2, k),
            reason="alpha = sigma_0 / 2 on the printed ball. Then L ||r_0|| <= alpha^2 / 4, and the second bound on "
            "the step is implied by the first.",
            arguments=(kept_on_the_ball(sigma_0, beta_F, 8 * e_0 / sigma_0, sigma_0 / 2),),
        ),
    ),
    rests_on=(descent,),
    remark="Descent, exact fit, whatever is trained, loss 1/2 sum of squares; beta_J and beta_F are those of the ball.",
)

PAPER = Paper(
    key="oymak2019overparameterized",
    authors=("Oymak, Samet", "Soltanolkotabi, Mahdi"),
    title="Overparameterized Nonlinear Learning: Gradient Descent Takes the Shortest Path?",
    year=2019,
    venue="International Conference on Machine Learning (ICML)",
    arxiv="1812.10004",
    statements=(descent, from_start),
    remark="Its text could not be opened: the printed edition is from memory; its constants are re-derived.",
)
