r"""Ding, Chen, Li and Wright (submission to ICLR 2022): the width part of Theorem 5.1 with constants. arXiv 2110.02926.

The paper hides its constant in nested Gronwall estimates. For branches with bounded derivatives they can be carried
out. Infinitely many layers, on the states and weights that are reached: |f| <= B; d_z f and d_theta f have norms at
most K and K_theta and are Lambda-Lipschitz in z and in theta; |g(Z) - y| <= r, |grad g| <= g_1, and grad g is
g_2-Lipschitz. Write E = e^K. Couple the M particles theta_m with ideal ones of the same start that follow the
mean-field velocity, hence are independent with law rho(s); delta^2 is the mean square of their distance over m and t.

*States.* |z - Z|' <= K |z - Z| + K_theta (mean distance) + |MC_1|, MC_1 the error of a mean of M independent f(Z, .):
the largest distance D over t is at most E (K_theta delta + mu_1), where mu_1 has mean square B^2 / M.

*Adjoints* are at most P = E g_1 r. Theirs differ at the end by (g_1^2 + r g_2) D, and on the way by P (Lambda (D +
delta) + mu_2), mu_2 of mean square K^2 / M: with c_1 = g_1^2 + r g_2 + P Lambda, by Q <= E (c_1 D + P Lambda delta +
P mu_2).

*Velocities* are - E_x d_theta f^T p: they differ by at most P Lambda (D + delta) + K_theta Q. So delta' <= a delta +
nu / sqrt(M) in the root of the mean square, with h = P Lambda + K_theta E c_1, a = P Lambda (1 + K_theta E) + h K_theta
E and nu = h E B + K_theta E P K, and delta <= N / sqrt(M), N = nu (e^(a s) - 1) / a.

*Loss.* |E_M - E| <= r g_1 D, of mean square at most V / M, V = (r g_1 E (K_theta N + B))^2. At s = 0 this is the bound
for the start. It grows as the exponential of an exponential of K: what it shows is that the hidden constant is finite
and what it depends on, not that it is of use.

The flow of M particles is that of the network, M L times as fast: ``empirical.experiments.run_network`` on the
``ResNet`` of ``empirical.networks.ding2021``, by the gradient flow or by descent with a step of M L times the
pseudo-time; ``empirical.reproductions.ding2021_rates`` measures V and D there.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Ge, Le, exp

from bounds.arithmetic import large_constant
from bounds.papers import ding2022_limit
from bounds.papers._mean_field_particles import (
    E,
    K_theta,
    Lambda,
    N,
    P,
    a,
    c_1,
    g_1,
    g_2,
    gronwall,
    h,
    loss_moves,
    markov,
    nu,
    r,
    velocities_differ,
)
from bounds.papers._mean_field_resnet import ADMISSIBLE, DATA, GROWTH, NETWORKS, eps, s
from bounds.papers.ding2022_limit import bound_f as B
from bounds.papers.ding2022_limit import lipschitz_f as K
from bounds.papers.ding2022_limit import width_constant as V
from bounds.papers.ding2022_limit import width_gap
from bounds.quantities import delta, m, quantity
from bounds.statements import Condition, Edition, Mark, Promise, Statement, hypothesis

CONSTANTS = (
    (E, exp(K)),
    (P, E * g_1 * r),
    (c_1, g_1**2 + r * g_2 + P * Lambda),
    (h, P * Lambda + K_theta * E * c_1),
    (a, P * Lambda * (1 + K_theta * E) + h * K_theta * E),
    (nu, h * E * B + K_theta * E * P * K),
    (N, nu * (exp(a * s) - 1) / a),
    (V, (r * g_1 * E * (K_theta * N + B)) ** 2),
)

SMOOTH = hypothesis(
    "branches with bounded derivatives",
    "on the states and weights reached up to pseudo-time s: |f| <= B, |d_z f| <= K, |d_theta f| <= K_theta, both "
    "derivatives Lambda-Lipschitz in state and weights; |g(Z) - y| <= r, |grad g| <= g_1, grad g g_2-Lipschitz",
)

state_gap = quantity(
    "D_F",
    "distance of the states of particles and of the limit",
    latex=r"\lvert Z-Z^{\mathrm{dis}}\rvert",
    nonnegative=True,
)
particle_gap = quantity("delta_F", "root mean square, over m and t, of the distance of particles from ideal ones")
sampling = quantity("mu_F", "root mean square over t of the error of the mean of f over the ideal particles")
C = large_constant("C")

states = Statement(
    "Lemma F.1",
    "states of a network and of the limit are near if its particles are near ideal ones",
    NETWORKS,
    "mean-field flow",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(GROWTH, DATA, ADMISSIBLE),
            promises=(Promise("states", Le(state_gap, C * particle_gap + C * sampling)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(SMOOTH,),
            promises=(Promise("states", Le(state_gap, exp(K) * (K_theta * particle_gap + sampling))),),
            reason="Gronwall, in this file.",
        ),
    ),
    remark="The sampling error is of order M^(-1/2).",
)

trained = Statement(
    "Width during training",
    "how far the loss of width M is from that of infinite width at a pseudo-time, with all constants",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-trained",
    concludes="approximation",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(SMOOTH, Condition("width", Ge(m, V / (eps**2 * delta)))),
            promises=(Promise("distance", Le(width_gap, eps)),),
            where=CONSTANTS,
            reason="Coupling, Gronwall and Markov, in this file; for infinitely many layers.",
            arguments=(velocities_differ, gronwall, loss_moves, markov),
        ),
    ),
    rests_on=(states,),
    remark="With probability 1 - delta at each pseudo-time s, not for all at once. Not in the paper, whose Assumption "
    "4.1 lets derivatives grow and whose constant is hidden. What the number of layers adds after training has no "
    "explicit constant here: D of Theorem E.2 is measured.",
)

PAPER = replace(
    ding2022_limit.PAPER, statements=(states, trained), part="the width during training (Theorem E.1, Appendix F)"
)
