r"""Liu, Zhu and Belkin (ACHA 2022): where the PL* inequality comes from, and why convexity does not. arXiv 2003.00307.

The argument, with constants; F maps parameters to R^n, J is its Jacobian, K = J J^T, and H_i is the Hessian of F_i.

*Uniform conditioning.* On the ball of radius R each row of J moves by at most ||H_i|| R, so ||J - J_0|| <= sqrt(n)
||H_F|| R with ||H_F|| the largest of their norms, and ||K - K_0|| <= 2 L_F ||J - J_0||: the least eigenvalue falls by
at most 2 L_F sqrt(n) ||H_F|| R. The least singular value of J falls by at most ||J - J_0|| <= beta_F R itself, which
needs neither L_F nor sqrt(n); the printed condition implies that one, since sigma_0 <= L_F and beta_F <= sqrt(n)
||H_F||.

*Transformations.* The Jacobian of g(F), g coordinatewise, is D J with D = diag(g'), so u^T K' u = |J^T D u|^2 >=
lambda_min(K) |D u|^2: a slope of at least rho keeps rho^2 lambda_min(K). The Jacobian of F(psi(v)) is J P with P =
Dpsi, so u^T K' u >= lambda_min(P P^T) u^T K u. But the Hessian of g(f) is g'' grad f (grad f)^T + g' H_f, of norm at
least |g''| |grad f|^2 - |g'| ||H_f||: a nonlinear output keeps the inequality and not the constancy of the kernel.

*Essential non-convexity.* Let F(w*) = y, J(w*) onto and rank H_i(w*) > 2 n. Then H_i(w*) has more than n eigenvalues
of one sign, on whose span E it is definite. By the implicit function theorem there are w_t -> w* with r(w_t) = t e_i,
for small t of either sign; take the sign for which t H_i < 0 on E. As dim ker J(w_t) + dim E exceeds the number of
parameters, some unit u in E has J(w_t) u = 0, and u^T (J^T J + t H_i(w_t)) u = t u^T H_i(w_t) u < 0: the loss is not
convex on any neighbourhood of w*, and its negative curvature grows linearly with the distance.

*Wide networks.* With ||H_F|| = O~(R^(3L) / sqrt(m)) for L hidden layers (Liu, Zhu and Belkin 2020) the condition of
uniform conditioning becomes m = Omega~(n R^(6L+2) / (lambda - mu)^2). With the radius 2 L_F ||r_0|| / mu that descent
needs, the width is n^(3L+2) (2 L_F / mu)^(6L+2) / (lambda - mu)^2 for residuals of order sqrt(n).
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Ge, Gt, Le, Lt, sqrt

from bounds.arithmetic import large_constant
from bounds.papers import liu2022_pl
from bounds.papers._systems import (
    ball,
    beta_F,
    hessian,
    input_frame,
    kernel_by_hessian,
    kernel_by_weyl,
    lipschitz_F,
    mu,
    one_sign,
    rank,
    slope,
    through_input,
    through_output,
    weyl_asks_less,
)
from bounds.quantities import e_0, eta, initial_least_eigenvalue, k, least_eigenvalue, m, n, quantity
from bounds.settings import SYSTEM, Family, Network
from bounds.statements import Condition, Edition, Mark, Promise, Rate, Statement, hypothesis

WIDE = Family(
    "fully connected, L hidden layers s(m^(-1/2) W a) of width at least m, output map of slope at least rho_g",
    start="N(0, 1)",
    trained="all layers",
    network=Network("du2019-deep-fc", (("activation", "tanh"),)),
)

depth = quantity("L", "number of hidden layers", integer=True, measured_by="depth")
output_kernel = quantity("lambda_g", "least eigenvalue of the kernel after the output map", nonnegative=True)
input_kernel = quantity("lambda_F", "least eigenvalue of the kernel after the input map", nonnegative=True)
output_hessian = quantity("h_g", "norm of the Hessian after the output map", nonnegative=True)
curvature = quantity("g_2", "second derivative of the output map, in modulus", nonnegative=True)
steepness = quantity("g_1", "first derivative of the output map, in modulus", nonnegative=True)
gradient = quantity("G_f", "norm of the gradient of the output", nonnegative=True)
least_curvature = quantity("c_L", "least eigenvalue of the loss's Hessian near the solution, sign reversed")

C = large_constant("C", logarithms=True)
hessian_printed = (initial_least_eigenvalue - mu) / (2 * lipschitz_F * sqrt(n) * ball)
jacobian_sharp = (sqrt(initial_least_eigenvalue) - sqrt(mu)) / ball
radius_printed = 2 * lipschitz_F * e_0 / mu
margin = initial_least_eigenvalue - mu / slope**2
ON_THE_BALL = (Promise("kernel on the ball", Ge(least_eigenvalue, mu)),)


conditioning = Statement(
    "Uniform conditioning",
    "a small Hessian keeps the kernel well conditioned on a ball",
    SYSTEM,
    "any weights",
    identifier="liu2022-conditioning",
    concludes="conditioning",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(Condition("Hessian", Le(hessian, hessian_printed)),),
            promises=ON_THE_BALL,
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(Condition("Hessian", Le(hessian, hessian_printed)),),
            promises=ON_THE_BALL,
            reason="The printed constants suffice.",
            arguments=(kernel_by_hessian,),
        ),
        Edition(
            "sharp",
            Mark.REDERIVED,
            assumes=(Condition("Jacobian", Le(beta_F, jacobian_sharp)),),
            promises=ON_THE_BALL,
            reason="Weyl for the singular values of J in place of the eigenvalues of K: no L_F and no sqrt(n).",
            arguments=(kernel_by_weyl, weyl_asks_less(hessian_printed)),
        ),
    ),
    remark="It holds where lambda_H0 > mu; h_F, L_F and beta_F are those of the whole ball. No training is spoken of.",
)

outputs = Statement(
    "Output maps",
    "a steep coordinatewise output map keeps the kernel well conditioned",
    SYSTEM,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(Promise("kernel after the output map", Ge(output_kernel, slope**2 * least_eigenvalue)),),
            reason="The Jacobian is diag(g') J.",
            arguments=(through_output,),
        ),
    ),
)

inputs = Statement(
    "Input maps",
    "a submersive change of parameters keeps the kernel well conditioned",
    SYSTEM,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(Promise("kernel after the input map", Ge(input_kernel, input_frame * least_eigenvalue)),),
            reason="The Jacobian is J Dpsi.",
            arguments=(through_input,),
        ),
    ),
)

not_linear = Statement(
    "Hessian after an output map",
    "a nonlinear output destroys linearity",
    SYSTEM,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(Promise("Hessian", Ge(output_hessian, curvature * gradient**2 - steepness * hessian)),),
            reason="The Hessian of g(f) is g'' grad f (grad f)^T + g' H_f; triangle inequality.",
        ),
    ),
    remark="So the PL* inequality can hold while the kernel is far from constant.",
)

nonconvex = Statement(
    "Essential non-convexity",
    "near its solutions the loss is not convex",
    SYSTEM,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                hypothesis("a regular solution", "F(w*) = y, and the Jacobian at w* is onto"),
                Condition("rank", Gt(rank, 2 * n)),
            ),
            promises=(Promise("negative curvature", Gt(least_curvature, 0, evaluate=False)),),
            reason="Within every neighbourhood of w* the loss has negative curvature. As recalled, the paper asks only "
            "that some H_i be nonzero, not that the Jacobian be onto; the proof here needs the latter.",
            arguments=(one_sign,),
        ),
    ),
)

wide = Statement(
    "Wide networks",
    "wide networks are PL* on a ball",
    WIDE,
    "any weights",
    identifier="liu2022-wide",
    concludes="conditioning",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                Condition("mu", Lt(mu, initial_least_eigenvalue * slope**2)),
                Condition("width", Ge(m, C * n * ball ** (6 * depth + 2) / margin**2)),
            ),
            promises=ON_THE_BALL,
        ),
    ),
    rests_on=(conditioning, outputs),
    remark="With high probability over the start. The exponent is known from a digest of the paper, which says the "
    "same of convolutional and residual networks. The radius that descent needs is 2 L_F ||r_0|| / mu and grows with "
    "n: see the theorem on descent.",
)

wide_descent = Statement(
    "Descent on wide networks",
    "gradient descent fits wide networks",
    WIDE,
    "gradient descent",
    identifier="liu2022-wide-descent",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                Condition("mu", Lt(mu, initial_least_eigenvalue * slope**2)),
                Condition("width", Ge(m, C * n * radius_printed ** (6 * depth + 2) / margin**2)),
                Condition("step size", Le(eta, 1 / (lipschitz_F**2 + beta_F * e_0))),
            ),
            rate=Rate(1 - eta * mu, 2, k),
        ),
    ),
    rests_on=(wide,),
    remark="Put together here from the two theorems on PL* balls and on wide networks, with the latter's high "
    "probability. Descent, exact fit, all layers, loss 1/2 sum of squares. Constants hidden; the generic part is "
    "explicit, the Hessian of deep networks is not.",
)

PAPER = replace(liu2022_pl.PAPER, statements=(conditioning, outputs, inputs, not_linear, nonconvex, wide, wide_descent))
