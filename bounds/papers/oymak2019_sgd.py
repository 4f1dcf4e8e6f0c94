r"""Oymak and Soltanolkotabi (ICML 2019): stochastic descent stays near its start. arXiv 1812.10004.

A step takes one example i, drawn uniformly: w_+ = w - eta r_i J_i^T, J_i the row of the Jacobian. The printed statement
is recalled, chiefly from how the authors' second paper (arXiv 1902.04674) takes it up; the argument below is ours and
stands by itself.

*One step, in the mean.* On a ball with alpha <= sigma_min(J), ||J|| <= beta, rows of norm at most B, and J L-Lipschitz,
let g = r_i J_i^T: E g = J^T r / n, E ||g||^2 <= B^2 ||r||^2 / n, ||g|| <= B ||r||, and r_+ = r - eta J g + rest with
||rest|| <= L eta^2 ||g||^2 / 2. So

    E ||r_+||^2 <= ||r||^2 - 2 eta ||J^T r||^2 / n + eta^2 E ||g||^2 (beta^2 + L (1 + eta beta B) ||r||
                   + L^2 eta^2 B^2 ||r||^2 / 4),

at most (1 - eta alpha^2 / n) ||r||^2 if eta B^2 (beta^2 + 3 L ||r||) <= alpha^2; in the ball of radius R, ||r|| <=
||r_0|| + beta R.

*Staying in the ball.* The mean length of a step is at most eta B / sqrt(n) times the root of the mean square of r over
runs still inside, which falls by sqrt(1 - eta alpha^2 / n): the mean path is at most 2 sqrt(n) B ||r_0|| / alpha^2,
and exceeds R with probability at most that over R. No martingale is needed for this; the recalled radius has no
sqrt(n) B / alpha in it, and that is what the martingale is for.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Ge, Le, Min, sqrt

from bounds.papers import oymak2019_path
from bounds.papers._single_example_steps import (
    largest,
    leaving,
    mean_decrease,
    mean_square,
    rest_of_a_step,
    row,
    stays_in_the_ball,
)
from bounds.papers._systems import ball, beta_F
from bounds.papers.oymak2019_path import alpha, beta
from bounds.quantities import delta, e_0, eta, k, n, quantity
from bounds.settings import SYSTEM
from bounds.statements import Condition, Edition, Mark, Promise, Statement, hypothesis

parameters = quantity("p", "number of parameters", integer=True)
order = quantity("k_s", "an exponent that the statement leaves free", integer=True, latex="k")
wide = quantity("nu", "how many times the ball is wider than it has to be", latex=r"\nu")

ROWS = "alpha <= sigma_min(J), ||J|| <= beta_J, rows of J have norm at most B_J and J is beta_F-Lipschitz"

stochastic = Statement(
    "Stochastic descent",
    "stochastic descent reaches a solution within a ball that it leaves with small probability",
    SYSTEM,
    "stochastic gradient descent",
    identifier="oymak2019-sgd",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                hypothesis("Jacobian on the ball", f"on the ball of radius R {ROWS}"),
                Condition("ball", Ge(ball, wide * e_0 / alpha)),
                Condition("wide enough", Ge(wide, 3)),
                Condition(
                    "step size",
                    Le(
                        eta,
                        alpha**2
                        / (wide * beta**2 * row**2)
                        * Min(1, alpha ** (2 + 1 / order) / (beta_F * e_0 * beta ** (1 / order))),
                    ),
                ),
            ),
            promises=(
                Promise("mean squared residual", Le(mean_square, (1 - eta * alpha**2 / (2 * n)) ** k * e_0**2)),
                Promise("probability of leaving", Le(leaving, 4 / wide * (beta / alpha) ** (1 / (order * parameters)))),
            ),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                hypothesis("Jacobian on twice the ball", f"on the ball of radius 2 R {ROWS}"),
                Condition("ball", Ge(ball, 2 * sqrt(n) * row * e_0 / (delta * alpha**2))),
                Condition("step size", Le(eta, alpha**2 / (row**2 * (beta**2 + 3 * beta_F * largest)))),
                Condition("step within the larger ball", Le(eta, ball / (row * largest))),
            ),
            promises=(
                Promise("mean squared residual", Le(mean_square, (1 - eta * alpha**2 / n) ** k * e_0**2)),
                Promise("probability of leaving", Le(leaving, delta)),
            ),
            where=((largest, e_0 + beta * ball),),
            reason="Means over runs that are still inside, and Markov, in this file: a wider ball than the recalled "
            "one, but the recalled rate without its 1/2, and no exponent left open.",
            arguments=(rest_of_a_step, mean_decrease, stays_in_the_ball),
        ),
    ),
    remark="Stochastic descent on single examples drawn uniformly, exact fit in the mean, whatever is trained, loss "
    "1/2 sum of squares. In print, recalled and unsure: the exponent in the probability and the second bound on the "
    "step.",
)

PAPER = replace(
    oymak2019_path.PAPER,
    statements=(stochastic,),
    part="stochastic descent",
    remark="Its text could not be opened: the printed edition is from memory, the explicit one re-derived.",
)
