r"""Chizat, Oyallon and Bach (NeurIPS 2019): lazy training in differentiable programming. arXiv 1812.07956.

Flow on alpha^(-2) R(alpha h(w)), h with a Lipschitz differential. For R = 1/2 |. - y*|^2, with r = alpha h - y*, w' =
-Dh^T r / alpha and r' = -Dh Dh^T r: time is that of the flow on 1/2 |alpha h - y*|^2 times alpha^2.

*Finite horizon.* |r| does not grow, so |w - w_0| <= tau Lip(h) e_0 / alpha up to time tau, and the residual of the
linear model differs by |r - r'|' <= ||K(w) - K(w_0)|| e_0 <= 2 Lip(h)^2 Lip(Dh) tau e_0^2 / alpha. At tau = K /
Lip(h)^2 the gap is at most K^2 Lip(Dh) e_0^2 / (alpha Lip(h)^2): the recalled constants, exactly.

*All times.* J = alpha Dh is alpha Lip(Dh)-Lipschitz and has least singular value alpha sigma: the parabola of the
baselines needs 2 Lip(Dh) e_0 <= alpha sigma^2, and the residual decays at sigma^2 - 2 Lip(Dh) e_0 / alpha. The
printed conditions give e_0 <= 2 alpha C_0 = alpha sigma^3 / (16 ||Dh|| Lip(Dh)) for kappa = 1, hence keep 7/8 of
sigma^2: the printed rate, a quarter, is loose, and the printed scale by a factor 16 ||Dh|| / sigma (if h(w_0) = 0,
where e_0 = |y*|).

The number kappa_h = |h(w_0) - y*| ||D^2 h(w_0)|| / ||Dh(w_0)||^2 << 1 is the paper's sign of laziness; the parabola's
condition is the same with the least singular value in place of the norm.
"""

from __future__ import annotations

from sympy import Ge, Gt, Le, exp, sqrt
from sympy import Rational as Q

from bounds.papers._lazy_steps import gap_at_the_horizon, lazy_scale, printed_rate, stays_in_range
from bounds.papers._quadratic_majorant import Majorant
from bounds.papers._systems import path
from bounds.quantities import e_0, least_eigenvalue, quantity, residual, t
from bounds.settings import SMOOTH_TWO_LAYER, Family
from bounds.statements import Condition, Edition, Mark, Paper, Promise, Rate, Statement, hypothesis

SCALED = Family(
    "alpha h(w), h differentiable with a Lipschitz differential",
    start="any",
    trained="all",
    loss="alpha^(-2) R(alpha h)",
    network=SMOOTH_TWO_LAYER,
)

alpha = quantity("alpha", "scale of the model", latex=r"\alpha", measured_by="one")
sigma = quantity(
    "sigma_h",
    "least singular value of the adjoint differential at the start",
    latex=r"\sigma_{\min}",
    measured_by="first least singular value",
)
norm = quantity(
    "D_h",
    "spectral norm of the differential at the start",
    latex=r"\lVert Dh(w_0)\rVert",
    measured_by="first largest singular value",
)
lipschitz = quantity("L_h", "Lipschitz constant of h", latex=r"\mathrm{Lip}(h)", measured_by="largest slope")
smoothness = quantity(
    "L_D",
    "Lipschitz constant of the differential",
    latex=r"\mathrm{Lip}(Dh)",
    measured_by="Jacobian's Lipschitz constant",
)
start = quantity(
    "h_0",
    "norm of the initial output of h",
    latex=r"\lVert h(w_0)\rVert",
    nonnegative=True,
    measured_by="norm of the first outputs",
)
labels = quantity(
    "y_star",
    "norm of the minimiser of R",
    latex=r"\lVert y^\star\rVert",
    nonnegative=True,
    measured_by="norm of the labels",
)
kappa = quantity("kappa_R", "condition number of R", latex=r"\kappa", measured_by="one")
convexity = quantity("m_R", "constant of strong convexity of R", latex="m", measured_by="one")
horizon = quantity("K", "horizon times Lip(h)^2", measured_by="horizon times squared slope")
reach = quantity("r_0", "radius on which the constants hold", latex="r", measured_by="radius")
gap = quantity(
    "g_lin",
    "distance of the outputs from the linear model's at the horizon",
    nonnegative=True,
    measured_by="distance from the linear model",
)

allowed = sigma**3 / (32 * kappa ** Q(3, 2) * norm * smoothness)
allowed_square = sigma**3 / (32 * norm * smoothness)
kept = sigma**2 - 2 * smoothness * e_0 / alpha
first_root = 2 * e_0 / (sigma + sqrt(kept))
PARABOLA = Majorant(sigma, smoothness / alpha, conditions=("scale",))

finite = Statement(
    "Finite horizon",
    "up to a fixed time a large scale makes training linear",
    SCALED,
    "gradient flow",
    identifier="chizat2019-horizon",
    concludes="approximation",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(Condition("scale", Ge(alpha, horizon * e_0 / (reach * lipschitz))),),
            promises=(Promise("gap", Le(gap, horizon**2 / alpha * smoothness / lipschitz**2 * e_0**2)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(Condition("scale", Ge(alpha, horizon * e_0 / (reach * lipschitz))),),
            promises=(Promise("gap", Le(gap, horizon**2 / alpha * smoothness / lipschitz**2 * e_0**2)),),
            reason="For the square loss; the recalled constants suffice.",
            arguments=(
                stays_in_range(alpha, horizon, lipschitz, reach),
                gap_at_the_horizon(alpha, horizon, lipschitz, smoothness),
            ),
        ),
    ),
    remark="Flow; no fit is promised, only nearness to the linear model up to time K / Lip(h)^2. Lip(h) and Lip(Dh) "
    "are those of the ball of radius r.",
)

over = Statement(
    "Theorem 2.4",
    "an over-parameterised model at a large scale reaches the minimum at a linear rate",
    SCALED,
    "gradient flow",
    identifier="chizat2019-lazy",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                hypothesis("loss", "R is m-strongly convex and M-smooth with kappa = M/m"),
                Condition("initial output", Le(start, allowed)),
                Condition("scale", Gt(alpha, labels / allowed)),
            ),
            promises=(Promise("convergence", Le(residual, sqrt(kappa) * e_0 * exp(-convexity * sigma**2 * t / 4))),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                Condition("initial output", Le(start, allowed_square)),
                Condition("scale", Gt(alpha, labels / allowed_square)),
            ),
            promises=(Promise("least eigenvalue", Ge(least_eigenvalue, 7 * sigma**2 / 8)),),
            rate=Rate(exp(-(sigma**2) / 4), 1, t),
            reason="For the square loss: the printed conditions at kappa = 1 imply those of the parabola.",
            arguments=(lazy_scale(alpha, sigma, smoothness, start, labels, norm), printed_rate(sigma)),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(Condition("scale", Ge(alpha, 2 * smoothness * e_0 / sigma**2)),),
            promises=(
                Promise("path", Le(alpha * path, first_root)),
                Promise("least eigenvalue", Ge(least_eigenvalue, kept)),
            ),
            rate=Rate(exp(-2 * kept), 2, t),
            reason="For the square loss: the flow under a parabola, of the baselines for systems.",
            arguments=(PARABOLA.first_root, PARABOLA.least_eigenvalue, PARABOLA.flow),
        ),
    ),
    remark="Flow, exact fit, whatever is trained; e_0 is |alpha h(w_0) - y*|, which grows with alpha unless h(w_0) = "
    "0. Eigenvalues are those of Dh Dh^T. If h(w_0) = 0 the paper adds that |w - w_0| and the gap to the linear "
    "model are O(1/alpha), and the gap of the weights O(log(alpha) / alpha^2).",
)

PAPER = Paper(
    key="chizat2019lazy",
    authors=("Chizat, Lenaic", "Oyallon, Edouard", "Bach, Francis"),
    title="On Lazy Training in Differentiable Programming",
    year=2019,
    venue="Advances in Neural Information Processing Systems (NeurIPS) 32",
    arxiv="1812.07956",
    statements=(finite, over),
    remark="Its text could not be opened. Theorem 2.4 was read in a report that restates and proves it (H. Smith, A "
    "Theoretical Analysis of Lazy Training in Deep Learning); the finite horizon is from memory.",
)
