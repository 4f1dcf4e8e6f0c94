r"""Ding, Chen, Li and Wright (submission to ICLR 2022): Theorem 5.1 with constants. arXiv 2110.02926.

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

*Layers.* Let M be any width and the paths theta_m(t) be ell_0-Lipschitz at the start. Velocities are Lipschitz in t,
so the paths stay ell-Lipschitz, ell = e^(P Lambda s) ell_0 + (B + K_theta K / Lambda)(e^(P Lambda s) - 1). A layer of
the network is a step of Euler's method, off by mu_z / L^2 = (K B + K_theta ell) / (2 L^2) in the states and by P mu_p /
L^2 = P (Lambda (B + ell) + K^2) / (2 L^2) in the adjoints, and its velocity has p at the layer's end, off by K P / L.
So with nu_L = h E mu_z + K_theta E P mu_p + K_theta K P the weights are within N_L / L of those of infinitely many
layers, N_L = nu_L (e^(a s) - 1) / a, and the losses within D / L, D = r g_1 E (K_theta N_L + mu_z).

The flow of M particles is that of the network, M L times as fast: ``empirical.experiments.run_network`` on the
``ResNet`` of ``empirical.networks.ding2021``, by the gradient flow or by descent with a step of M L times the
pseudo-time; ``empirical.reproductions.ding2021_rates`` measures V and D there.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Ge, Integer, Le, exp

from bounds.arithmetic import large_constant
from bounds.papers import ding2022_limit
from bounds.papers._mean_field_particles import (
    N_L,
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
    layers_suffice,
    loss_moves,
    markov,
    mu_p,
    mu_z,
    nu,
    nu_L,
    paths_stay_lipschitz,
    r,
    slope,
    start_slope,
    velocities_differ,
)
from bounds.papers._mean_field_resnet import ADMISSIBLE, DATA, GROWTH, NETWORKS, depth, eps, s
from bounds.papers.ding2022_limit import bound_f as B
from bounds.papers.ding2022_limit import depth_constant as D
from bounds.papers.ding2022_limit import depth_gap, width_gap
from bounds.papers.ding2022_limit import lipschitz_f as K
from bounds.papers.ding2022_limit import width_constant as V
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
OF_LAYERS = (
    *CONSTANTS[:5],
    (slope, exp(P * Lambda * s) * start_slope + (B + K_theta * K / Lambda) * (exp(P * Lambda * s) - 1)),
    (mu_z, (K * B + K_theta * slope) / 2),
    (mu_p, (Lambda * (B + slope) + K**2) / 2),
    (nu_L, h * E * mu_z + K_theta * E * P * mu_p + K_theta * K * P),
    (N_L, nu_L * (exp(a * s) - 1) / a),
    (D, r * g_1 * E * (K_theta * N_L + mu_z)),
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
            arguments=(
                velocities_differ(B, K, Integer(0), nu),
                gronwall(nu, N),
                loss_moves(B, N, V, 2),
                markov,
            ),
        ),
    ),
    rests_on=(states,),
    remark="With probability 1 - delta at each pseudo-time s, not for all at once. Not in the paper, whose Assumption "
    "4.1 lets derivatives grow and whose constant is hidden.",
)

deep = Statement(
    "Layers during training",
    "how far the loss of L layers is from that of infinitely many at a pseudo-time, with all constants",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-trained-layers",
    concludes="approximation",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                SMOOTH,
                hypothesis("Lipschitz paths", "at the start the paths theta_m are ell_0-Lipschitz in t"),
                Condition("layers", Ge(depth, D / eps)),
            ),
            promises=(Promise("distance", Le(depth_gap, eps)),),
            where=OF_LAYERS,
            reason="Euler's method and Gronwall, in this file; for any width.",
            arguments=(
                paths_stay_lipschitz,
                velocities_differ(mu_z, mu_p, K * P, nu_L),
                gronwall(nu_L, N_L),
                loss_moves(mu_z, N_L, D, 1),
                layers_suffice,
            ),
        ),
    ),
    rests_on=(states,),
    remark="Nothing is random here. Not in the paper, as above. Weights drawn anew for each layer are not Lipschitz.",
)

PAPER = replace(
    ding2022_limit.PAPER,
    statements=(states, trained, deep),
    part="width and layers during training",
)
