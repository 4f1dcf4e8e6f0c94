r"""Baselines for systems of equations: flow, existence and descent from what is known at the start. Re-derived.

F maps parameters to R^n, r = F - y, J is the Jacobian, sigma_0 > 0 the least singular value of J_0 (the n-th), e_0 =
||r_0||, and ||J(w) - J_0|| <= beta ||w - w_0|| on the ball of radius R. These are the certificates that the
catalogue's theorems can be compared with; close relatives are Oymak and Soltanolkotabi (2019) and Chizat, Oyallon and
Bach (2019).

*Flow.* Along the arclength s of the path, ds = ||J^T r|| dt and d||r|| / ds = -||J^T r|| / ||r|| <= -sigma_min(J) <=
-(sigma_0 - beta s). So ||r|| <= phi(s) = e_0 - sigma_0 s + beta s^2 / 2, and as ||r|| >= 0 the path is no longer than
the first root s* = 2 e_0 / (sigma_0 + sqrt(sigma_0^2 - 2 beta e_0)), if 2 beta e_0 <= sigma_0^2. Up to there
sigma_min >= sigma_0 - beta s* = sqrt(sigma_0^2 - 2 beta e_0), the rate. A path of finite length converges; its limit
has J^T r = 0 with J^T injective, or phi = 0 there: zero loss. The condition cannot be weakened: F(w) = sigma_0 w -
beta w^2 / 2 has no solution of F = y for y > sigma_0^2 / (2 beta). For locally Lipschitz definable F, such as ReLU
networks, the proof holds with elements of the Clarke Jacobian (chain rule along curves of Davis, Drusvyatskiy, Kakade
and Lee 2020, from memory).

*Existence.* On w_0 + range J_0^T, where J_0^+ J_0 is the identity, T(w) = w - J_0^+ (F(w) - y) maps the ball of
radius t around w_0 into itself if b + kappa t^2 / 2 <= t, with b = ||J_0^+ r_0|| and kappa a Lipschitz constant of
J_0^+ J from w_0, and contracts if kappa t < 1; its fixed point has F = y, as J_0^+ is injective. So a solution exists
within t* = 2 b / (1 + sqrt(1 - 2 b kappa)) if 2 b kappa < 1. Any solution at distance d has b <= d + kappa d^2 / 2,
so none is nearer than 2 b / (1 + sqrt(1 + 2 b kappa)).

*Descent.* With eta ||J||^2 <= 1 on the ball, ||(1 - eta K) r|| <= ||r|| - sigma D for a step of length D = eta ||J^T
r||: the eigenvalues t_i of eta K lie in [a, 1], a = eta sigma^2, and (1 - t)^2 <= (1 - a)(1 - t) there, so that ||(1
- eta K) r||^2 <= (1 - a)(1 - q) ||r||^2 with q the mean of the t_i under the weights of r, while sigma D = sqrt(a q)
||r||. The rest of F is at most beta D^2 / 2: descent stays under the same parabola phi, under the flow's own
condition, if strict. Larger steps, up to 2 / ||J||^2, are covered by :mod:`bounds.certificates.newton_kantorovich`,
where no overshoot is proved too.

*Descent by the descent lemma alone* (explicit edition). ||(1 - eta K) r|| <= ||r|| - sigma D / 2, if eta L^2 <= 1.
Sum over the steps with sigma >= sigma_0 - beta s and sum D s = (s^2 - sum D^2) / 2, and sum D^2 <= eta L e_0 s: the
residual is at most e_0 - A s + beta s^2 / 4 with A = sigma_0/2 - beta eta L e_0 / 4, whose discriminant is positive
if 8 beta e_0 <= sigma_0^2.
"""

from __future__ import annotations

from sympy import Ge, Gt, Le, Lt, exp, sqrt

from bounds.papers._quadratic_majorant import (
    Majorant,
    contracts,
    linear_step,
    maps_into_itself,
    no_solution_nearer,
    plain_curve,
    plain_root,
    plain_step,
    plain_sum,
    stable_step,
)
from bounds.papers._systems import ball, beta_F, distance, jacobian_0, lipschitz_F, nearest, newton, path, sigma_0
from bounds.quantities import e_0, eta, k, least_eigenvalue, quantity, residual, t
from bounds.settings import SYSTEM
from bounds.statements import Condition, Edition, Mark, Paper, Promise, Rate, Statement

kappa = quantity(
    "k_c",
    "Lipschitz constant at the start of the Jacobian times the start's inverse",
    latex=r"\kappa_c",
    measured_by="relative curvature",
)

discriminant = sigma_0**2 - 2 * beta_F * e_0
first_root = 2 * e_0 / (sigma_0 + sqrt(discriminant))
within = 2 * newton / (1 + sqrt(1 - 2 * newton * kappa))
beyond = 2 * newton / (1 + sqrt(1 + 2 * newton * kappa))
slope = sigma_0 / 2 - beta_F * eta * lipschitz_F * e_0 / 4
plain_length = 2 * e_0 / (slope + sqrt(slope**2 - beta_F * e_0))

SHARP = Majorant(sigma_0, beta_F)
STABLE = stable_step(jacobian_0 + beta_F * path, given=(Le(path, ball),))
KEPT = (
    Promise("path", Le(path, first_root)),
    Promise("residual along the path", Le(residual, e_0 - sigma_0 * path + beta_F * path**2 / 2)),
    Promise("least eigenvalue", Ge(least_eigenvalue, discriminant)),
)

flow = Statement(
    "Flow under a parabola",
    "gradient flow reaches zero loss if 2 beta e_0 <= sigma_0^2",
    SYSTEM,
    "gradient flow",
    identifier="baseline-flow",
    concludes="exact fit",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("Jacobian", Le(beta_F, sigma_0**2 / (2 * e_0))),
                Condition("ball", Ge(ball, first_root)),
            ),
            promises=KEPT,
            rate=Rate(exp(-2 * discriminant), 2, t),
            reason="The residual falls at least as fast as a parabola in the arclength; the constant 1/2 is best.",
            arguments=(SHARP.first_root, SHARP.least_eigenvalue, SHARP.flow),
        ),
    ),
    remark="Flow, exact fit, whatever is trained, loss 1/2 sum of squares; also for ReLU networks, with Clarke "
    "Jacobians. J need only be Lipschitz from the start. It may be applied at any later point: the first at which it "
    "holds is a proved time of convergence.",
)

existence = Statement(
    "Solutions near the start",
    "the simplified Newton iteration converges if 2 b kappa < 1",
    SYSTEM,
    "no training",
    identifier="baseline-existence",
    concludes="existence",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(Condition("curvature", Lt(kappa, 1 / (2 * newton))), Condition("ball", Ge(ball, within))),
            promises=(Promise("distance", Le(distance, within)), Promise("nearest solution", Ge(nearest, beyond))),
            reason="Contraction of w - J_0^+ (F(w) - y); b depends on the labels, unlike e_0 / sigma_0, which bounds "
            "it.",
            arguments=(maps_into_itself(newton, kappa), contracts(newton, kappa), no_solution_nearer(newton, kappa)),
        ),
    ),
    remark="Existence only: b in place of e_0 / sigma_0 certifies neither flow nor descent, whose paths can be longer.",
)

descent = Statement(
    "Descent under a parabola",
    "gradient descent reaches zero loss under the flow's condition",
    SYSTEM,
    "gradient descent",
    identifier="baseline-descent",
    concludes="exact fit",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("Jacobian", Le(beta_F, sigma_0**2 / (8 * e_0))),
                Condition("ball", Ge(ball, plain_length)),
                Condition("step size", Le(eta, 1 / lipschitz_F**2)),
            ),
            promises=(
                Promise("path", Le(path, plain_length)),
                Promise("residual along the path", Le(residual, e_0 - slope * path + beta_F * path**2 / 4)),
            ),
            reason="The descent lemma alone; L_F bounds ||J|| on the ball. Kept for comparison: sharp asks four "
            "times less.",
            arguments=(plain_step, plain_sum, plain_curve, plain_root),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(
                Condition("Jacobian", Lt(beta_F, sigma_0**2 / (2 * e_0))),
                Condition("ball", Gt(ball, first_root)),
                Condition("step size", Le(eta, 1 / (jacobian_0 + beta_F * ball) ** 2)),
            ),
            promises=KEPT,
            rate=Rate(1 - eta * discriminant, 1, k),
            reason="For eigenvalues of eta K up to 1 a finite step loses nothing: the certificate of Newton and "
            "Kantorovich form, at c = 1. That certificate covers steps up to twice as large.",
            arguments=(STABLE, linear_step, SHARP.step, SHARP.first_root, SHARP.least_eigenvalue, SHARP.descent),
        ),
    ),
    rests_on=(flow,),
    remark="Descent, exact fit, whatever is trained, loss 1/2 sum of squares. Smooth F only: finite steps across "
    "kinks are not covered. J is Lipschitz between any two points of the ball.",
)

PAPER = Paper(
    key="zeroloss2026baselines",
    authors=("zeroloss authors, The",),
    title="Re-derived baselines: convergence from what is known at the start",
    year=2026,
    venue="the catalogue of zeroloss",
    arxiv="",
    statements=(flow, existence, descent),
    kind="misc",
    remark="Proofs stand in the file. Not claimed as new: they are what careful constants give.",
)
