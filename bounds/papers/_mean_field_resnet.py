"""What the two papers of Ding, Chen, Li and Wright share: the residual network, its limit, and hypotheses in words.

The network z_(l+1) = z_l + (1 / (M L)) sum_m f(z_l, theta_(l,m)), z_0 = x in R^d, has output g(z_L) with a fixed g.
Its weights follow d theta / ds = -M L grad E. In the limit dz/dt = int f(z, theta) d rho(theta, t), the solution is
Z_rho(t; x), E(rho) = E_x (1/2)(g(Z_rho(1; x)) - y)^2, and with the adjoint p, dp^T/dt = -p^T int d_z f d rho, p(1) =
(g - y) grad g, the law of the weights follows

    d rho / ds = div_theta (rho grad_theta dE/drho),    dE/drho (theta, t) = E_x p(t; x)^T f(Z(t; x), theta).

A network of M branches is its own particle solver: ``empirical.experiments.run_network`` runs the ``ResNet`` of
``empirical.networks.ding2021`` with ``GradientFlow``, or with ``GradientDescent`` at a step of M L times the
pseudo-time; many branches stand in for the limit.
"""

from __future__ import annotations

from bounds.flow_maps import attained_on_a_line
from bounds.quantities import quantity, unspecified
from bounds.settings import Family, Network
from bounds.statements import Condition, hypothesis

NETWORKS = Family(
    "z_(l+1) = z_l + (1/(M L)) sum_m f(z_l, theta_(l,m)) from z_0 = x, output g(z_L) with a fixed g",
    start="theta_(l,m) = theta_m(l / L) for independent paths theta_m of law rho_ini",
    trained="all residual branches",
    loss="mean of half the squares, flow M L times as fast",
    network=Network("ding2021-resnet", mean=True),
)

depth = quantity("L", "number of layers", integer=True, measured_by="depth")
eps = quantity("eps", "accuracy", latex=r"\varepsilon", measured_by="goal for the loss")
s = quantity("s", "pseudo-time of the training", nonnegative=True, measured_by="horizon")
loss = quantity(
    "E_s", "loss of the network at pseudo-time s", latex=r"E(\Theta(s))", nonnegative=True, measured_by="loss"
)
limit_loss = quantity(
    "E_rho",
    "loss of the limit of the mean-field flow",
    latex=r"E(\rho_\infty)",
    nonnegative=True,
    measured_by="no run: it is a limit of infinite width, depth and time",
)
gap = quantity(
    "D_E", "distance of the loss at pseudo-time s from the mean-field one", latex=r"\lvert E(\Theta)-E(\rho)\rvert",
    nonnegative=True, measured_by="distance from a larger network's loss"
)  # fmt: skip
enough_time = unspecified("C_0", eps, latex=r"C_0(\rho_{\mathrm{ini}},\varepsilon)")
at_that_time = unspecified("C", s, latex=r"C(\rho_{\mathrm{ini}},s)")

DATA = hypothesis(
    "data and output",
    "inputs have compact support, g and its gradient are Lipschitz, the gradient of g is bounded away from 0, and "
    "g and the labels are C^2 in the input",
)
UNIVERSAL = hypothesis(
    "universality", "functions int f(x, theta) d rho(theta) are dense in the continuous functions on every ball"
)
ADMISSIBLE = hypothesis(
    "limit-admissible start",
    "the start is the law of a path in t with, for M > C/eta copies and C_4, with probability 1 - eta: mean over m of "
    "|theta_m(t)|^2 at most C_4 for all t, and mean over m of the sum of the integrals of |theta_m(t) - "
    "theta_m(l/L)|^2 over [l/L, (l+1)/L] at most C_4 / L^2. Constant and C^1 paths with moments do; weights "
    "drawn anew for each layer do not",
)
CONVERGES = hypothesis(
    "convergence is assumed", "rho(., ., s) converges in C([0, 1]; P^2) as s grows; this is not proved for any start"
)
ATTAINED = Condition(
    "labels that a flow attains",
    test=attained_on_a_line,
    words="the labels are g of a flow map: strictly monotone on a line, no critical point inside a support with "
    "interior (re-derived; implied by the convergence that is assumed)",
)
GROWTH = hypothesis(
    "Assumption 4.1 on f",
    "f is C^2, |f| <= C_1 (|theta|^2 + 1)(|z| + 1), |d_z f| <= C_2(r)(|theta|^2 + 1) and |d_theta f| <= C_2(r)(|theta| "
    "+ 1) for |z| < r; second derivatives are bounded on bounded sets of z and the first k_1 weights, and |d_z f| and "
    "|f| grow at most linearly in the others",
)
BOUNDED_PART = hypothesis(
    "bounded part of the start",
    "the first k_1 weights of theta are at most R on the support of rho_ini(., t) for all t",
)
