r"""Song, Ramezani-Kebrya, Pethick, Eftekhari and Cevher (NeurIPS 2021): subquadratic widths. arXiv 2111.01875.

The argument, with constants. h = f(Phi(w)) with Phi beta-smooth, f(z) <= |grad f|^2 / (2 alpha_f), min f = 0, and the
singular values of DPhi(w_0)^* in [mu, nu]. On the ball of radius mu / (2 beta) they lie in [mu/2, 3 nu/2] (Lemma 1).
Along the flow |grad h|^2 >= (mu/2)^2 |grad f|^2 >= (mu^2 alpha_f / 2) h: with the arclength s, d sqrt(h) / ds <= -mu
sqrt(alpha_f / 2) / 2, so the path is at most 2 sqrt(2 h_0 / alpha_f) / mu, which is within the ball if h_0 <= alpha_f
mu^4 / (32 beta^2). The printed condition h_0 = O(alpha_f mu^6 / (beta^2 nu^2)) carries a factor mu^2 / nu^2 <= 1 that
the flow does not need. For the square loss f = |z - Y|^2, alpha_f = 2, the parabola of the baselines needs only 2
beta |r_0| <= mu^2, h_0 <= mu^4 / (4 beta^2).

*Shallow networks* V s(W x), unit inputs, |s'| <= L, |s''| <= B, ||V|| <= chi. The change of the Jacobian has squared
norm at most (||X|| L |dW|)^2 + (||X|| L |dV| + ||X|| B chi |dW|)^2, that of a matrix [[L, 0], [B chi, L]]: Phi is
||X|| (L + B chi)-smooth, without the sqrt(2) of Lemma 3.
"""

from __future__ import annotations

from sympy import Ge, Le, sqrt

from bounds.arithmetic import large_constant, small_constant
from bounds.papers._composite_steps import block_norm, composite_length, composite_rate, near_isometry, printed_implies
from bounds.quantities import S, X_norm, d, eta, k, lipschitz, m, n, quantity, smoothness, y_norm
from bounds.settings import SMOOTH_TWO_LAYER, Family
from bounds.statements import UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Statement, hypothesis

COMPOSITE = Family(
    "h(w) = f(Phi(w)), Phi smooth, f with the PL inequality",
    start="any",
    trained="all",
    loss="f, min f = 0",
    network=SMOOTH_TWO_LAYER,
)
SHALLOW = Family(
    "two-layer, V s(W x), s smooth, no scale",
    start="W ~ N(0, omega_1^2), V ~ N(0, omega_2^2)",
    trained="both layers",
    loss="sum of squares",
)

mu = quantity(
    "mu_0",
    "least singular value of the adjoint derivative at the start",
    latex=r"\mu_\Phi",
    measured_by="first least singular value",
)
nu = quantity(
    "nu_0",
    "largest singular value of the adjoint derivative at the start",
    latex=r"\nu_\Phi",
    measured_by="first largest singular value",
)
beta = quantity("beta_Phi", "smoothness of Phi", latex=r"\beta_\Phi", measured_by="Jacobian's Lipschitz constant")
pl = quantity("alpha_f", "constant of the PL inequality of f", latex=r"\alpha_f", measured_by="one")
loss_smoothness = quantity("beta_f", "smoothness of f", latex=r"\beta_f", measured_by="one")
loss_gradient = quantity(
    "grad_f",
    "norm of the gradient of f at the start",
    latex=r"\lVert\nabla f\rVert",
    nonnegative=True,
    measured_by="first residual",
)
first_loss = quantity("h_0", "loss at the start", latex="h(w_0)", nonnegative=True, measured_by="first loss")
loss = quantity("h_k", "loss during training", latex="h(w_k)", nonnegative=True, measured_by="loss")
decay = quantity("r_t", "rate at which the loss decays", nonnegative=True, measured_by="rate of decay")
radius = quantity("rho_Phi", "radius of the ball on which Phi stays a near isometry", latex=r"\rho_\Phi")
least = quantity("s_min", "least singular value of the adjoint derivative on the ball", nonnegative=True)
largest = quantity("s_max", "largest singular value of the adjoint derivative on the ball", nonnegative=True)
output_norm = quantity("chi", "largest spectral norm of the output weights", latex=r"\chi_{\max}", nonnegative=True)
power = quantity("s_t", "least singular value of the t-th Khatri-Rao power of the data", latex=r"\sigma_{\min}(X^{*t})")
scales = quantity("omega", "product of the standard deviations of the two layers", latex=r"\omega_1\omega_2")

C = large_constant("C", logarithms=True)
c, c_1, c_2, c_3 = (small_constant(name) for name in ("c", "c_1", "c_2", "c_3"))

printed_loss = pl * mu**6 / (beta**2 * nu**2)
explicit_loss = pl * mu**4 / (32 * beta**2)
small_step = mu**2 / (beta * loss_gradient + beta * mu**2 + loss_smoothness * nu**2)

isometry = Statement(
    "Lemma 1",
    "a smooth map stays a near isometry near the start",
    COMPOSITE,
    "any weights",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            promises=(
                Promise("radius", Le(radius, mu / (2 * beta))),
                Promise("least singular value", Ge(least, mu / 2)),
                Promise("largest singular value", Le(largest, 3 * nu / 2)),
            ),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(
                Promise("radius", Le(radius, mu / (2 * beta))),
                Promise("least singular value", Ge(least, mu / 2)),
                Promise("largest singular value", Le(largest, 3 * nu / 2)),
            ),
            reason="Weyl; the printed constants suffice.",
            arguments=(near_isometry(mu, nu, beta),),
        ),
    ),
)

flow = Statement(
    "Theorem 1",
    "gradient flow converges to a global minimum from a small loss",
    COMPOSITE,
    "gradient flow",
    identifier="song2021-flow",
    concludes="exact fit",
    editions=(
        Edition("printed", Mark.READ, assumes=(Condition("initial loss", Le(first_loss, c * printed_loss)),)),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(Condition("initial loss", Le(first_loss, explicit_loss)),),
            promises=(Promise("decay", Ge(decay, mu**2 * pl / 2)),),
            reason="The constant is 1/32, and nu is not needed.",
            arguments=(
                composite_length(mu, beta, pl, first_loss),
                composite_rate(mu, pl),
                printed_implies(printed_loss / 32, mu, nu, first_loss),
            ),
        ),
    ),
    rests_on=(isometry,),
    remark="Flow, exact fit, any f with a PL inequality and min f = 0. For the square loss the baseline under a "
    "parabola asks h_0 <= mu^4 / (4 beta^2), four times less than explicit.",
)

descent = Statement(
    "Theorem 2",
    "gradient descent converges to a global minimum from a small loss",
    COMPOSITE,
    "gradient descent",
    identifier="song2021-descent",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                Condition("initial loss", Le(first_loss, c * printed_loss)),
                Condition("step size", Le(eta, c_1 * small_step)),
            ),
            promises=(Promise("loss", Le(loss, (1 - c_2 * eta * pl * mu**2) ** k * first_loss)),),
        ),
    ),
    rests_on=(flow,),
    remark="Descent, exact fit. c_2 is an unnamed universal constant.",
)

constants = Statement(
    "Lemma 3",
    "the smoothness of a shallow network",
    SHALLOW,
    "any weights",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            promises=(
                Promise(
                    "Lipschitz constant of the Jacobian",
                    Le(beta, sqrt(2) * X_norm * (lipschitz + smoothness * output_norm)),
                ),
            ),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(
                Promise(
                    "Lipschitz constant of the Jacobian", Le(beta, X_norm * (lipschitz + smoothness * output_norm))
                ),
            ),
            reason="The blocks' norms are those of a 2 by 2 matrix: the sqrt(2) is not needed.",
            arguments=(block_norm(lipschitz, smoothness * output_norm, X_norm),),
        ),
    ),
    remark="mu = sigma_min(s(W_0 X)), nu <= L ||X|| ||V_0|| + ||s(W_0 X)||.",
)

shallow = Statement(
    "Theorem 3",
    "gradient descent on both layers fits at a width of order n^(3/2) / d",
    SHALLOW,
    "gradient descent",
    identifier="song2021-shallow",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                Condition("labels", Le(y_norm, 1)),
                hypothesis(
                    "activation", "s twice differentiable with bounded derivatives, s(0) = 0, finite Hermite norm"
                ),
                hypothesis("output weights", "the spectral norms of all V_k stay bounded by a multiple of L / B"),
                hypothesis("step size", "that of Theorem 2, eta = O(.) of mu, nu and beta at the start"),
                Condition("initial scales", Le(scales, c_3 / sqrt(d * m))),
                Condition("width", Ge(m, C * S * sqrt(n) / power**3)),
            ),
        ),
    ),
    rests_on=(descent, constants),
    remark="Descent, exact fit, both layers, no scale, with high probability over the start. NORMALISATION: the whole "
    "label matrix has norm at most 1; for labels of order 1 each, |Y| is sqrt(n). C holds a factor xi of activation "
    "and t that the main text leaves to the appendix. For n of order d^t it is n^(3/2) / d. That ||V_k|| stays "
    "bounded is assumed of the trajectory.",
)

PAPER = Paper(
    key="song2021subquadratic",
    authors=(
        "Song, ChaeHwan",
        "Ramezani-Kebrya, Ali",
        "Pethick, Thomas",
        "Eftekhari, Armin",
        "Cevher, Volkan",
    ),
    title="Subquadratic Overparameterization for Shallow Neural Networks",
    year=2021,
    venue="Advances in Neural Information Processing Systems (NeurIPS) 34",
    arxiv="2111.01875",
    statements=(isometry, flow, descent, constants, shallow),
    remark="The main text was read in an anonymous submission; the published version may differ.",
)
