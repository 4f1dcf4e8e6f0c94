"""Steps of the proofs for two-layer networks that the baselines need, as obligations."""

from __future__ import annotations

from sympy import Eq, Expr, Ge, Gt, Le, Lt, Symbol, exp, log, pi, sqrt
from sympy import Rational as Q

from bounds.papers._systems import assumed, promised
from bounds.proofs.arguments import Argument
from bounds.proofs.obligations import Obligation, Step
from bounds.quantities import S, X_norm, delta_1, delta_2, delta_3, e_0, lambda_0, lipschitz, m, n, quantity
from bounds.statements import Edition

_v, _u, _error, _sigma = (Symbol(name, nonnegative=True) for name in ("v", "u", "error", "sigma"))

KEPT = 3 * lambda_0 / 4
"""What matrix Chernoff keeps of the least eigenvalue at the start."""

counts = quantity("Q", "error of the counts of neurons near a kink, over m^(-1/2)", latex="q", nonnegative=True)


def half_at_the_start(edition: Edition) -> Obligation:
    """Tropp's matrix Chernoff bound: half of the least eigenvalue is kept at the start."""
    exponent = (1 - log(2)) / 2 * m * lambda_0 / (lipschitz**2 * S)
    return Obligation(
        "initial kernel by matrix Chernoff",
        "A sum of independent positive matrices of norm at most L^2 S/m and mean at least lambda_0 falls below "
        "lambda_0/2 with probability at most n exp(-(1 - log 2)/2 m lambda_0 / (L^2 S)).",
        given=(Gt(lambda_0, 0), Lt(delta_1, 1), assumed(edition, "initial kernel")),
        claim=Le(n * exp(-exponent), delta_1),
        planted=Le(n * exp(-Q(99, 100) * exponent), delta_1),
    )


def markov_residual(mean: Expr, bound: Expr) -> Argument:
    """Markov on the squared initial residual."""

    def argument(edition: Edition) -> Obligation:
        return Obligation(
            "initial residual by Markov",
            "The mean of the squared residual over the square of its bound is at most the share of delta.",
            given=(Eq(e_0, bound),),
            claim=Le(mean / e_0**2, delta_3),
            planted=Le(mean / e_0**2, Q(99, 100) * delta_3),
        )

    return argument


def kept_by_width(jacobian: tuple[Symbol, Expr]) -> Argument:
    """The width leaves half of what the start has kept."""

    def argument(edition: Edition) -> Obligation:
        bound, beta = promised(edition, "least eigenvalue"), jacobian[0]
        return Obligation(
            "least eigenvalue",
            "On the path the least eigenvalue is at least sigma^2 - 2 beta e_0, with sigma^2 >= lambda_0 / 2 at the "
            "start.",
            given=(Gt(lambda_0, 0), Eq(*jacobian), assumed(edition, "width"), Ge(_sigma**2, lambda_0 / 2)),
            steps=(Step("drift", Le(8 * beta * e_0, lambda_0)),),
            claim=Ge(_sigma**2 - 2 * beta * e_0, bound),
            planted=Ge(_sigma**2 - 2 * beta * e_0, Q(11, 10) * bound),
        )

    return argument


# --- ReLU: neurons near a kink, for all radii at once -----------------------------------------------------------------


def uniform_count(error: tuple[Symbol, Expr]) -> Argument:
    """The inequality of Dvoretzky, Kiefer and Wolfowitz, with Massart's constant, and a union bound."""

    def argument(edition: Edition) -> Obligation:
        return Obligation(
            "neurons near a kink, for all radii",
            "For each input the fraction of |w_r.x_i| <= u departs from its probability by more than a for some u with "
            "probability at most 2 exp(-2 m a^2).",
            given=(Lt(delta_2, 1), Eq(*error), Eq(_error, error[0] / sqrt(m))),
            claim=Le(2 * n * exp(-2 * m * _error**2), delta_2),
            planted=Le(2 * n * exp(-Q(19, 10) * m * _error**2), delta_2),
        )

    return argument


def integral(error: tuple[Symbol, Expr], share: Expr, root: Expr) -> Argument:
    """The width makes the integral of the squared singular value as large as the residual.

    Args:
        error: of the fractions of neurons near a kink, over m^(-1/2), with its formula.
        share: how much of the least singular value may be lost.
        root: the square root of the width.
    """

    def argument(edition: Edition) -> Obligation:
        sigma = sqrt(KEPT)
        end = share * sigma / X_norm  # square root of the fraction of flipped neurons at the end
        whole = KEPT * end**2 - Q(4, 3) * sigma * X_norm * end**3 + S * end**4 / 2
        gained = sqrt(pi / 2) * (whole - KEPT * _error)
        needed = X_norm * e_0 / sqrt(m)
        lost = sqrt(2 / pi) * X_norm * e_0 + KEPT * error[0]
        return Obligation(
            "integral",
            "The integral of (sigma - ||X|| sqrt(v))^2 over the fraction v of flipped neurons, from the error of the "
            "counts on, times sqrt(pi/2) since v <= error + sqrt(2/pi) u, is at least ||X|| e_0 / sqrt(m).",
            given=(Gt(lambda_0, 0), Eq(_error, error[0] / sqrt(m)), assumed(edition, "width")),
            steps=(
                Step("root of the width", Ge(sqrt(m), root)),
                Step("times the integral", Ge(sqrt(m) * whole, lost)),
                Step("error", Le(sqrt(m) * _error, error[0])),
                Step("residual", Ge(sqrt(m) * (whole - KEPT * _error), sqrt(2 / pi) * X_norm * e_0)),
            ),
            claim=Ge(gained, needed),
            planted=Ge(gained, Q(11, 10) * needed),
        )

    return argument


def farthest(share: Expr) -> Argument:
    """How far neurons go before so much is lost."""

    def argument(edition: Edition) -> Obligation:
        bound = promised(edition, "travel")
        return Obligation(
            "travel",
            "The fraction of flipped neurons at the end of the integral bounds the distance u that neurons have moved.",
            given=(Gt(lambda_0, 0), Le(sqrt(2 / pi) * _u, share**2 * KEPT / S)),
            claim=Le(_u, bound),
            planted=Le(_u, Q(9, 10) * bound),
        )

    return argument


def half_of_the_singular_value(edition: Edition) -> Obligation:
    """What the flips leave of the least eigenvalue, and the rate."""
    assert edition.rate is not None
    bound, decay = promised(edition, "least eigenvalue"), -log(edition.rate.factor)
    return Obligation(
        "least eigenvalue",
        "At most half of the least singular value is lost, and the squared residual decays at twice the eigenvalue.",
        given=(Gt(lambda_0, 0), Ge(_sigma, sqrt(KEPT) / 2)),
        steps=(Step("eigenvalue", Ge(_sigma**2, bound)),),
        claim=Ge(2 * _sigma**2, decay),
        planted=Ge(2 * _sigma**2, Q(11, 10) * decay),
    )
