r"""Liu, Zhu and Belkin (ACHA 2022): loss landscapes of over-parameterised systems by the PL* inequality. 2003.00307.

The argument, with constants. F maps parameters to R^n, r = F - y, L = 1/2 ||r||^2, K = J J^T. The loss is mu-PL* on a
set if 1/2 ||grad L||^2 >= mu L there. As ||grad L||^2 = r^T K r, this holds where lambda_min(K) >= mu.

*One step.* The Hessian of L is J^T J + sum_i r_i H_i, of norm at most M = L_F^2 + beta_F ||r||. Along a step eta grad
L with eta <= 1/M the loss falls, so ||r|| <= ||r_0|| there, and M at the start serves: L_+ <= L - eta/2 ||grad L||^2
<= (1 - eta mu) L.

*The path.* In terms of residuals D ||grad L|| <= ||r||^2 - ||r_+||^2 for the length D = eta ||grad L|| of a step, and
||grad L|| >= sqrt(mu) ||r||. So D <= (2 / sqrt(mu)) (||r|| - ||r_+||): the path is no longer than 2 ||r_0|| /
sqrt(mu). The same is true of a shortened step, so the path leaves no ball of that radius. For the flow, d||r|| / ds
<= -sqrt(mu) along the arclength, which gives ||r_0|| / sqrt(mu). The paper's radius 2 L_F ||r_0|| / mu is larger than
both, since ||grad L|| <= L_F ||r|| implies mu <= L_F^2. A path of finite length converges, and its limit has zero
loss, so that solutions exist.

*Almost over-parameterised.* Where the inequality holds only while L >= eps, the same proof runs until L < eps. From
(1 - eta mu)^(T-1) L_0 >= eps the first such time T is at most 1 + log(L_0/eps) / -log(1 - eta mu).

*Batches.* Let L be a sum of n nonnegative beta-smooth l_i, and a step eta times the sum of the gradients of s uniform
draws. Then ||grad l_i||^2 <= 2 beta l_i, L is n beta-smooth, and in the mean over the batch L_+ <= L - (eta s/n)
||grad L||^2 + (n beta/2) eta^2 (s(s-1)/n^2 ||grad L||^2 + 2 beta s L/n) <= (1 - mu s eta/n) L for eta <= mu / (beta
(n beta + mu (s-1))). A step has mean length at most eta s sqrt(2 beta L/n); summed while the iterates are in the
ball, the path has mean length at most 2 sqrt(2 n beta L_0) / mu, and Markov bounds the probability of leaving.

*Counting.* With fewer parameters than equations K is singular everywhere and the inequality is impossible. For a
Gaussian Jacobian of n rows and p >= n columns the condition number of K is the square of J's, and the mean logarithm
of the latter is below log(p / (p - n + 1)) + 2.258 (Chen and Dongarra 2005, from memory).
"""

from __future__ import annotations

from sympy import Ge, Le, Lt, exp, log, sqrt

from bounds.papers._stochastic_steps import mean_decrease, mean_path
from bounds.papers._systems import (
    ON_THE_BALL,
    ball,
    beta_F,
    contraction,
    descent_lemma,
    distance,
    flow_length,
    flow_rate,
    kernel_by_weyl,
    lipschitz_F,
    mu,
    path,
    pl_from_kernel,
    step_length,
    stopping_time,
)
from bounds.quantities import delta, e_0, eta, initial_least_eigenvalue, k, least_eigenvalue, n, quantity, t
from bounds.settings import SYSTEM
from bounds.statements import Condition, Edition, Mark, Paper, Promise, Rate, Statement, hypothesis

gradient_ratio = quantity(
    "P_k",
    "squared norm of the gradient over twice the loss",
    latex=r"\tfrac{\lVert\nabla L\rVert^2}{2L}",
    measured_by="gradient dominance",
)
parameters = quantity("p", "number of parameters", integer=True)
log_condition = quantity(
    "C_K", "mean logarithm of the condition number of the kernel", latex=r"\mathrm{E}\log\kappa(K)"
)
floor = quantity("eps", "floor of the loss", latex=r"\varepsilon", measured_by="goal for the loss")
reached = quantity(
    "T_eps", "first step at which the loss is below its floor", latex=r"T_\varepsilon", measured_by="steps to the goal"
)
first_loss = quantity("L_0", "loss at the start", latex="L(w_0)", measured_by="first loss")
mean_loss = quantity(
    "E_k", "mean loss over the draws of the batches", latex=r"\mathrm{E} L(w_k)", nonnegative=True, measured_by="loss"
)
beta_l = quantity(
    "beta_l", "smoothness of the loss of each example", latex=r"\beta", measured_by="smoothness of an input's loss"
)
batch = quantity("s", "examples in a batch", integer=True, measured_by="batch")

radius_printed = 2 * lipschitz_F * e_0 / mu
radius_descent = 2 * e_0 / sqrt(mu)
radius_flow = e_0 / sqrt(mu)
batch_radius = 2 * n * sqrt(2 * beta_l * first_loss) / (mu * delta)
batch_step = n * mu / (beta_l * (n**2 * beta_l + mu * (batch - 1)))
explicit_batch_radius = 2 * sqrt(2 * n * beta_l * first_loss) / (mu * delta)
explicit_batch_step = mu / (beta_l * (n * beta_l + mu * (batch - 1)))
mean_decay = (1 - mu * batch * eta / n) ** k * first_loss
time_printed = 1 + log(e_0**2 / (2 * floor)) / -log(1 - eta * mu)

STEP = Condition("step size", Le(eta, 1 / (lipschitz_F**2 + beta_F * e_0)))
DESCENT_RATE = Rate(1 - eta * mu, 2, k)
ONE_STEP = (descent_lemma, contraction)

from_kernel = Statement(
    "PL* from the tangent kernel",
    "a well-conditioned kernel gives the PL* inequality",
    SYSTEM,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(Condition("kernel", Ge(least_eigenvalue, mu)),),
            promises=(Promise("PL* inequality", Ge(gradient_ratio, mu)),),
            reason="||grad L||^2 = r^T K r.",
            arguments=(pl_from_kernel,),
        ),
    ),
    remark="Some notes define PL* without the 1/2, which doubles mu.",
)

condition_number = Statement(
    "Condition number of Gaussian Jacobians",
    "more parameters than equations make the kernel well conditioned",
    SYSTEM,
    "no training",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                Condition("enough parameters", Ge(parameters, n)),
                hypothesis(
                    "Gaussian Jacobian", "the entries of J (n rows, p columns) are independent standard normals"
                ),
            ),
            promises=(Promise("condition number", Lt(log_condition, 2 * log(parameters / (parameters - n + 1)) + 5)),),
        ),
    ),
    remark="Known from a digest of the paper. With p < n the kernel is singular for every w.",
)

descent = Statement(
    "Existence and gradient descent under PL*",
    "a PL* ball around the start holds a solution, and gradient descent finds one",
    SYSTEM,
    "gradient descent",
    identifier="liu2022-pl",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(ON_THE_BALL, Condition("ball", Ge(ball, radius_printed)), STEP),
            promises=(Promise("distance", Le(distance, radius_printed)),),
            rate=DESCENT_RATE,
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(ON_THE_BALL, Condition("ball", Ge(ball, radius_printed)), STEP),
            promises=(Promise("path", Le(path, radius_printed)),),
            rate=DESCENT_RATE,
            reason="The printed constants suffice, for the length of the path as well as for its end.",
            arguments=(*ONE_STEP, step_length("path")),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(ON_THE_BALL, Condition("ball", Ge(ball, radius_descent)), STEP),
            promises=(Promise("path", Le(path, radius_descent)),),
            rate=DESCENT_RATE,
            reason="The drop of ||r||, not of the loss, is summed: the radius shrinks by sqrt(mu) / L_F.",
            arguments=(*ONE_STEP, step_length("path")),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(
                Condition("Jacobian", Le(beta_F, (sqrt(initial_least_eigenvalue) - sqrt(mu)) / ball)),
                Condition("ball", Ge(ball, radius_descent)),
                STEP,
            ),
            promises=(
                Promise("path", Le(path, radius_descent)),
                Promise("kernel on the ball", Ge(least_eigenvalue, mu)),
            ),
            rate=DESCENT_RATE,
            reason="As improved, with the inequality on the ball from the kernel at the start, by Weyl.",
            arguments=(kernel_by_weyl, *ONE_STEP, step_length("path")),
        ),
    ),
    rests_on=(from_kernel,),
    remark="Descent, exact fit, loss 1/2 sum of squares, whatever is trained; mu, L_F and beta_F are those of the "
    "whole ball.",
)

flow = Statement(
    "Existence and gradient flow under PL*",
    "gradient flow finds a solution along a path half as long as descent may need",
    SYSTEM,
    "gradient flow",
    identifier="liu2022-pl-flow",
    concludes="exact fit",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(ON_THE_BALL, Condition("ball", Ge(ball, radius_flow))),
            promises=(Promise("path", Le(path, radius_flow)),),
            rate=Rate(exp(-2 * mu), 2, t),
            reason="The paper speaks of descent; the flow has half its radius and needs neither L_F nor beta_F.",
            arguments=(flow_length("path"), flow_rate),
        ),
    ),
    rests_on=(from_kernel,),
    remark="Flow, exact fit, loss 1/2 sum of squares, whatever is trained.",
)

batches = Statement(
    "Stochastic gradient descent under PL*",
    "with high probability the iterates stay in the ball and the mean loss decays",
    SYSTEM,
    "stochastic gradient descent",
    identifier="liu2022-sgd",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                ON_THE_BALL,
                hypothesis(
                    "smooth terms", "L is a sum of n losses, each beta-smooth on the ball; batches are drawn uniformly"
                ),
                Condition("ball", Ge(ball, batch_radius)),
                Condition("step size", Le(eta, batch_step)),
            ),
            promises=(Promise("mean loss", Le(mean_loss, mean_decay)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                ON_THE_BALL,
                hypothesis(
                    "smooth terms", "L is a sum of n losses, each beta-smooth everywhere; batches are drawn uniformly"
                ),
                Condition("ball", Ge(ball, explicit_batch_radius)),
                Condition("step size", Le(eta, explicit_batch_step)),
            ),
            promises=(Promise("mean loss", Le(mean_loss, mean_decay)),),
            reason="A radius smaller by sqrt(n). The step is the recalled one for single examples; for larger "
            "batches it is smaller, as the loss is only n beta-smooth.",
            arguments=(mean_decrease(beta_l, batch, first_loss), mean_path(beta_l, batch, first_loss)),
        ),
    ),
    rests_on=(from_kernel,),
    remark="In print, recalled and unsure: the radius, the step and the rate. A step is eta times the sum of the "
    "batch's gradients; the mean is over runs that have stayed in the ball, which all iterates do with probability 1 "
    "- delta.",
)

floored = Statement(
    "Gradient descent under PL*_eps",
    "an inequality that holds down to a floor of the loss takes descent down to it",
    SYSTEM,
    "gradient descent",
    identifier="liu2022-pl-eps",
    concludes="error floor",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                hypothesis("PL*_eps", "1/2 ||grad L||^2 >= mu L at all points of the ball with L >= eps"),
                Condition("floor below the start", Le(floor, e_0**2 / 2)),
                Condition("ball", Ge(ball, radius_printed)),
                STEP,
            ),
            promises=(Promise("path", Le(path, radius_printed)), Promise("steps", Le(reached, time_printed))),
            reason="The proof for PL*, stopped at the floor. Shape and constants as recalled from the paper, which may "
            "round the number of steps otherwise.",
            arguments=(descent_lemma, step_length("path"), stopping_time("steps", floor, 1 - eta * mu)),
        ),
    ),
    rests_on=(descent,),
    remark="Descent, an error floor: no exact fit is promised, so it is not ranked against theorems that do. It is the "
    "form for slightly fewer parameters than equations.",
)

PAPER = Paper(
    key="liu2022loss",
    authors=("Liu, Chaoyue", "Zhu, Libin", "Belkin, Mikhail"),
    title="Loss landscapes and optimization in over-parameterized non-linear systems and neural networks",
    year=2022,
    venue="Applied and Computational Harmonic Analysis 59",
    arxiv="2003.00307",
    statements=(from_kernel, condition_number, descent, flow, batches, floored),
    kind="article",
    remark="Its text could not be opened: printed editions are from memory, checked against a digest, and numbers of "
    "theorems are left out.",
)
