"""Systems F(w) = y of n equations: quantities that several papers share, and steps of their proofs as obligations.

r = F - y is the residual, J the Jacobian (n rows), K = J J^T the tangent kernel, 1/2 ||r||^2 the loss, whose gradient
is J^T r. Each argument reads its constants from the edition, so that a constant changed there makes a proof fail.
"""

from __future__ import annotations

from sympy import Expr, Ge, Gt, Le, Lt, Max, Symbol, log, sqrt
from sympy import Rational as Q
from sympy.core.relational import Relational

from bounds.proofs.arguments import Argument
from bounds.proofs.obligations import Obligation, Step
from bounds.quantities import (
    X_norm,
    e_0,
    eta,
    initial_least_eigenvalue,
    least_eigenvalue,
    lipschitz,
    m,
    n,
    quantity,
    smoothness,
    t,
)
from bounds.statements import Edition, hypothesis

mu = quantity("mu", "constant of the PL* inequality on the ball", latex=r"\mu", measured_by="PL constant")
lipschitz_F = quantity(
    "L_F", "Lipschitz constant of F on the ball", latex=r"L_{\mathcal F}", measured_by="largest slope"
)
beta_F = quantity(
    "beta_F",
    "Lipschitz constant of the Jacobian on the ball",
    latex=r"\beta_{\mathcal F}",
    nonnegative=True,
    measured_by="Jacobian's Lipschitz constant",
)
hessian = quantity(
    "h_F",
    "largest spectral norm of a component's Hessian on the ball",
    latex=r"\lVert H_{\mathcal F}\rVert",
    nonnegative=True,
    measured_by="component Hessian",
)
ball = quantity("R_B", "radius of the ball around the start", latex="R", measured_by="radius")
sigma_0 = quantity(
    "sigma_0",
    "least singular value of the Jacobian at the start",
    latex=r"\sigma_0",
    measured_by="first least singular value",
)
jacobian_0 = quantity(
    "J_0",
    "spectral norm of the Jacobian at the start",
    latex=r"\lVert J_0\rVert",
    measured_by="first largest singular value",
)
path = quantity("S_k", "length of the path of all parameters", latex="S", nonnegative=True, measured_by="path length")
distance = quantity(
    "D_k",
    "distance of all parameters from their start",
    latex=r"\lVert w-w_0\rVert",
    nonnegative=True,
    measured_by="distance",
)

newton = quantity(
    "b",
    "length of the step to the linearised system's solution",
    latex=r"\lVert J_0^{+}r_0\rVert",
    measured_by="Newton step",
)
nearest = quantity(
    "D_min",
    "distance of the nearest solution from the start",
    latex="d_*",
    nonnegative=True,
    measured_by="distance of a solution",
)
slope = quantity("rho_g", "least slope of the output map", latex=r"\rho", measured_by="one")
input_frame = quantity("lambda_psi", "least eigenvalue of Dpsi Dpsi^T of the input map", nonnegative=True)
rank = quantity("rank_H", "rank of the Hessian of one component at a solution", integer=True)

jacobian_change = quantity(
    "J_k",
    "distance of the Jacobian from the initial one, spectral norm",
    nonnegative=True,
    measured_by="Jacobian change",
)
largest_gradient = quantity(
    "G_f", "largest norm of an output's gradient on the ball", nonnegative=True, measured_by="largest output gradient"
)
linearisation = quantity(
    "T_2",
    "distance of an output from its linearisation",
    nonnegative=True,
    measured_by="distance from the linearisation",
)
kernel_change = quantity(
    "K_ij", "change of an entry of the kernel, in modulus", nonnegative=True, measured_by="change of a kernel entry"
)

ON_THE_BALL = hypothesis(
    "PL* on the ball",
    "1/2 ||grad L||^2 >= mu L on the whole ball of radius R around the start; samples along a path do not show it",
)

_g, _e, _f, _D = (Symbol(name, positive=True) for name in ("g", "e", "f", "D"))
"""Norm of the gradient, residual before and after a step, length of the step."""


def promised(edition: Edition, name: str) -> Expr:
    """The bound of a promise."""
    return next(promise.bound for promise in edition.promises if promise.name == name)


def assumed(edition: Edition, name: str) -> Relational:
    """The inequality of a condition."""
    return next(c.relation for c in edition.assumes if c.name == name and c.relation is not None)


# --- From the PL* inequality to convergence ---------------------------------------------------------------------------


def pl_from_kernel(edition: Edition) -> Obligation:
    """||grad L||^2 = r^T K r is at least the least eigenvalue times 2 L."""
    bound = promised(edition, "PL* inequality")
    return Obligation(
        "PL* from the kernel",
        "||grad L||^2 = r^T K r >= lambda_min(K) ||r||^2, and L = 1/2 ||r||^2.",
        given=(Ge(_g**2, least_eigenvalue * _e**2), assumed(edition, "kernel")),
        claim=Ge(_g**2 / _e**2, bound),
        planted=Ge(_g**2 / _e**2, Q(11, 10) * bound),
    )


def descent_lemma(edition: Edition) -> Obligation:
    """One step lowers the loss by half of what its slope promises."""
    curvature = lipschitz_F**2 + beta_F * e_0
    change = -eta * _g**2 + curvature * (eta * _g) ** 2 / 2
    return Obligation(
        "descent lemma",
        "The Hessian J^T J + sum_i r_i H_i of the loss is at most L_F^2 + beta_F ||r||, and ||r|| <= ||r_0|| up to the "
        "end of the step, since the loss falls along it.",
        given=(Le(eta, edition.limit(eta)),),
        claim=Le(change, -eta * _g**2 / 2),
        planted=Le(change, -Q(51, 100) * eta * _g**2),
    )


def contraction(edition: Edition) -> Obligation:
    """The PL* inequality turns the decrease into a factor."""
    assert edition.rate is not None
    factor = edition.rate.factor
    return Obligation(
        "contraction",
        "||r_+||^2 <= ||r||^2 - eta ||grad L||^2, and ||grad L||^2 >= mu ||r||^2.",
        given=(Le(_f**2, _e**2 - eta * _g**2), Ge(_g, sqrt(mu) * _e)),
        claim=Le(_f**2, factor * _e**2),
        planted=Le(_f**2, (1 - Q(11, 10) * (1 - factor)) * _e**2),
    )


def step_length(promise: str) -> Argument:
    """A step is no longer than a multiple of the drop of the residual; the multiples telescope."""

    def argument(edition: Edition) -> Obligation:
        share = promised(edition, promise) / e_0
        return Obligation(
            promise,
            "D = eta ||grad L|| satisfies D ||grad L|| <= ||r||^2 - ||r_+||^2; so D is at most the promised length's "
            "share of ||r|| - ||r_+||, which sums to the promised length. ||grad L|| <= L_F ||r|| gives mu <= L_F^2.",
            given=(Le(_f**2, _e**2 - _D * _g), Ge(_g, sqrt(mu) * _e), Le(_g, lipschitz_F * _e), Le(_f, _e)),
            steps=(
                Step("gradient", Le(_D * sqrt(mu) * _e, _e**2 - _f**2)),
                Step("sum", Le(_D * sqrt(mu), 2 * (_e - _f))),
                Step("mu", Le(sqrt(mu), lipschitz_F)),
            ),
            claim=Le(_D, share * (_e - _f)),
            planted=Le(_D, Q(9, 10) * share * (_e - _f)),
        )

    return argument


def flow_length(promise: str) -> Argument:
    """Under the flow the residual falls at least as fast as sqrt(mu) times the arclength."""

    def argument(edition: Edition) -> Obligation:
        bound = promised(edition, promise)
        return Obligation(
            promise,
            "d||r|| / ds = -||grad L|| / ||r|| <= -sqrt(mu) along the arclength s, and ||r|| >= 0.",
            given=(Le(_e, e_0 - sqrt(mu) * path),),
            claim=Le(path, bound),
            planted=Le(path, Q(9, 10) * bound),
        )

    return argument


def flow_rate(edition: Edition) -> Obligation:
    """The decay of the squared residual under the flow."""
    assert edition.rate is not None and edition.rate.clock == t
    decay = -log(edition.rate.factor)
    return Obligation(
        "rate of the flow",
        "d||r||^2 / dt = -2 ||grad L||^2, which is at most -2 mu ||r||^2.",
        given=(Ge(_g**2, mu * _e**2),),
        claim=Ge(2 * _g**2 / _e**2, decay),
        planted=Ge(2 * _g**2 / _e**2, Q(11, 10) * decay),
    )


def stopping_time(promise: str, floor: Expr, factor: Expr) -> Argument:
    """Steps until the loss is below a floor, while it shrinks by a factor."""

    def argument(edition: Edition) -> Obligation:
        steps, bound = Symbol("N", positive=True), promised(edition, promise)
        return Obligation(
            promise,
            "The loss before the last step is at least the floor and at most its share of the first, "
            "factor^(steps - 1) L_0; take logarithms.",
            given=(Lt(eta * mu, 1), Ge((steps - 1) * log(factor) + log(e_0**2 / (2 * floor)), 0)),
            steps=(Step("log of the factor", Lt(log(factor), 0)),),
            claim=Le(steps, bound),
            planted=Le(steps, Q(9, 10) * bound),
        )

    return argument


# --- From the start to the ball ---------------------------------------------------------------------------------------


def kernel_by_hessian(edition: Edition) -> Obligation:
    """The kernel on the ball, from the norms of the Hessians of the components."""
    drift, kernel_drift = Symbol("J_drift", nonnegative=True), Symbol("K_drift", nonnegative=True)
    bound = promised(edition, "kernel on the ball")
    return Obligation(
        "kernel on the ball",
        "||J - J_0|| <= sqrt(n) ||H_F|| R and ||K - K_0|| <= 2 L_F ||J - J_0||.",
        given=(
            assumed(edition, "Hessian"),
            Le(drift, sqrt(n) * hessian * ball),
            Le(kernel_drift, 2 * lipschitz_F * drift),
        ),
        steps=(
            Step("Hessian", Le(2 * lipschitz_F * (sqrt(n) * hessian * ball), initial_least_eigenvalue - mu)),
            Step("Jacobian", Le(lipschitz_F * drift, lipschitz_F * (sqrt(n) * hessian * ball))),
        ),
        claim=Ge(initial_least_eigenvalue - kernel_drift, bound),
        planted=Ge(initial_least_eigenvalue - kernel_drift, Q(11, 10) * bound),
    )


def kernel_by_weyl(edition: Edition) -> Obligation:
    """The kernel on the ball, from the least singular value of the Jacobian."""
    sigma, bound = Symbol("sigma", nonnegative=True), promised(edition, "kernel on the ball")
    return Obligation(
        "kernel on the ball",
        "By Weyl the least singular value falls by at most ||J - J_0|| <= beta_F R; its square is that of the kernel.",
        given=(Ge(sigma, sqrt(initial_least_eigenvalue) - beta_F * ball), assumed(edition, "Jacobian")),
        steps=(Step("least singular value", Ge(sigma, sqrt(mu))),),
        claim=Ge(sigma**2, bound),
        planted=Ge(sigma**2, Q(11, 10) * bound),
    )


def weyl_asks_less(printed: Expr) -> Argument:
    """The condition by Hessians, as printed, implies the one by the least singular value."""

    def argument(edition: Edition) -> Obligation:
        needed = edition.limit(beta_F)
        return Obligation(
            "asks less than printed",
            "beta_F <= sqrt(n) ||H_F||, and sigma_0 <= L_F: the printed condition implies this one.",
            given=(
                Le(hessian, printed),
                Le(beta_F, sqrt(n) * hessian),
                Le(sqrt(initial_least_eigenvalue), lipschitz_F),
                Lt(mu, initial_least_eigenvalue),
            ),
            steps=(
                Step("Hessian", Le(2 * lipschitz_F * beta_F * ball, initial_least_eigenvalue - mu)),
                Step("singular values", Lt(sqrt(mu), sqrt(initial_least_eigenvalue))),
                Step(
                    "twice",
                    Le(
                        initial_least_eigenvalue - mu,
                        2 * lipschitz_F * (sqrt(initial_least_eigenvalue) - sqrt(mu)),
                    ),
                ),
                Step("ball", Le(beta_F * ball, sqrt(initial_least_eigenvalue) - sqrt(mu))),
            ),
            claim=Le(beta_F, needed),
            planted=Le(beta_F, Q(9, 10) * needed),
        )

    return argument


def through_output(edition: Edition) -> Obligation:
    """The kernel after an output map."""
    quadratic, squared = Symbol("q", nonnegative=True), Symbol("Du", nonnegative=True)
    bound = promised(edition, "kernel after the output map")
    return Obligation(
        "through the output map",
        "For a unit vector u, |J^T D u|^2 >= lambda_min(K) |D u|^2, and |D u| >= rho.",
        given=(Ge(quadratic, least_eigenvalue * squared**2), Ge(squared, slope)),
        claim=Ge(quadratic, bound),
        planted=Ge(quadratic, bound * Q(11, 10)),
    )


def through_input(edition: Edition) -> Obligation:
    """The kernel after a change of parameters."""
    quadratic, before = Symbol("q", nonnegative=True), Symbol("J_u", nonnegative=True)
    bound = promised(edition, "kernel after the input map")
    return Obligation(
        "through the input map",
        "For a unit vector u, |P^T J^T u|^2 >= lambda_min(P P^T) |J^T u|^2, and |J^T u|^2 >= lambda_min(K).",
        given=(Ge(quadratic, input_frame * before), Ge(before, least_eigenvalue)),
        claim=Ge(quadratic, bound),
        planted=Ge(quadratic, bound * Q(11, 10)),
    )


def one_sign(edition: Edition) -> Obligation:
    """More than half of the rank has one sign."""
    above, below = Symbol("positive", nonnegative=True), Symbol("negative", nonnegative=True)
    return Obligation(
        "eigenvalues of one sign",
        "A symmetric matrix of rank above 2 n has more than n eigenvalues of one sign.",
        given=(assumed(edition, "rank").subs(rank, above + below),),
        claim=Gt(Max(above, below), n),
        planted=Gt(Max(above, below), Q(11, 10) * n),
    )


# --- Two layers and linearity -----------------------------------------------------------------------------------------

_neurons = Symbol("v2", nonnegative=True)
"""Squared length of a direction, summed over the neurons."""


def two_layer_hessian(edition: Edition) -> Obligation:
    """The blocks of the Jacobian of a two-layer network, summed."""
    change, bound = Symbol("dJ", nonnegative=True), promised(edition, "Jacobian")
    return Obligation(
        "Jacobian of two layers",
        "The squared norm of J(w) - J(w') is at most (beta^2/m) ||X||^2 sum_r |w_r - w'_r|^2, the sum at most R^2.",
        given=(Le(change**2, smoothness**2 / m * X_norm**2 * _neurons), Le(_neurons, ball**2)),
        claim=Le(change, bound),
        planted=Le(change, Q(9, 10) * bound),
    )


def linearisation_error(edition: Edition) -> Obligation:
    """The remainder of the expansion to first order."""
    remainder, bound = Symbol("rest", nonnegative=True), promised(edition, "distance from the linearisation")
    return Obligation(
        "remainder",
        "Half the second derivative, somewhere between, in the direction w - w_0 of length at most R.",
        given=(Le(remainder, hessian * _neurons / 2), Le(_neurons, ball**2)),
        claim=Le(remainder, bound),
        planted=Le(remainder, Q(9, 10) * bound),
    )


def entry_change(edition: Edition) -> Obligation:
    """An entry of the kernel is a product of two gradients."""
    first, second = Symbol("d1", nonnegative=True), Symbol("d2", nonnegative=True)
    bound = promised(edition, "entry of the kernel")
    return Obligation(
        "entry of the kernel",
        "grad f_i . grad f_j changes by at most |grad f_i| d_j + |grad f_j(w_0)| d_i, each gradient by at most h R.",
        given=(Le(first, hessian * ball), Le(second, hessian * ball)),
        claim=Le(largest_gradient * (first + second), bound),
        planted=Le(largest_gradient * (first + second), Q(9, 10) * bound),
    )


def gradient_change(edition: Edition) -> Obligation:
    """As entry_change, for two layers, whose gradients are at most L."""
    first, second = Symbol("d1", nonnegative=True), Symbol("d2", nonnegative=True)
    bound = promised(edition, "entry of the kernel")
    return Obligation(
        "entry of the kernel",
        "The Hessian of two layers is at most beta / sqrt(m), and gradients are at most L.",
        given=(Le(first, smoothness * ball / sqrt(m)), Le(second, smoothness * ball / sqrt(m))),
        claim=Le(lipschitz * (first + second), bound),
        planted=Le(lipschitz * (first + second), Q(9, 10) * bound),
    )


def blockwise(model_smoothness: Symbol) -> Argument:
    """A block-diagonal Hessian, scaled by m^(-1/2)."""

    def argument(edition: Edition) -> Obligation:
        remainder, bound = Symbol("rest", nonnegative=True), promised(edition, "quadratic term")
        return Obligation(
            "quadratic term",
            "The blocks have norm at most beta / sqrt(m); the squared distances of the models' parameters sum to R^2.",
            given=(Le(remainder, model_smoothness / sqrt(m) * _neurons / 2), Le(_neurons, ball**2)),
            claim=Le(remainder, bound),
            planted=Le(remainder, Q(9, 10) * bound),
        )

    return argument
