"""Steps of the proofs of Appendix G of Du et al. (ICML 2019): products of matrices, and means in the covariance."""

from __future__ import annotations

from sympy import Eq, Le, Symbol
from sympy import Rational as Q

from bounds.papers._du2019_deep import MEAN
from bounds.proofs import Obligation, Step
from bounds.quantities import at_zero, lipschitz, quantity, smoothness
from bounds.statements import Edition

size = quantity("M", "product of bounds on the norms of the matrices")
one_more = quantity("M_n", "bound on the norm of one more matrix")
relative = quantity("alpha_n", "sum of the relative distances of the matrices", latex=r"\textstyle\sum_i\alpha_i")
one_more_relative = quantity("alpha_1", "relative distance of one more pair of matrices", latex=r"\alpha_{n+1}")
off_diagonal = quantity(
    "d_12", "distance of the off-diagonal entries", latex=r"\lvert\Delta A_{12}\rvert", nonnegative=True
)
diagonal = quantity(
    "d_11",
    "sum of the distances of the diagonal entries",
    latex=r"\textstyle\sum_i\lvert\Delta A_{ii}\rvert",
    nonnegative=True,
)
root = quantity("q_s", "root of the largest diagonal entry of both covariances")


def one_more_factor(edition: Edition) -> Obligation:
    """Products with one more factor, by the triangle inequality."""
    first, second = Symbol("A", nonnegative=True), Symbol("B", nonnegative=True)
    before, distance = Symbol("D", nonnegative=True), Symbol("d", nonnegative=True)
    after = (relative + one_more_relative) * size * one_more
    return Obligation(
        "one more factor",
        "||P A - Q B|| <= ||P - Q|| ||A|| + ||Q|| ||A - B||, with ||P - Q|| at most the sum so far times M.",
        given=(
            Le(before, relative * size),
            Le(first, one_more),
            Le(second, size),
            Le(distance, one_more_relative * one_more),
        ),
        steps=(
            Step("product before", Le(before * first, relative * size * one_more)),
            Step("factor", Le(second * distance, size * one_more_relative * one_more)),
        ),
        claim=Le(before * first + second * distance, after),
        planted=Le(before * first + second * distance, Q(99, 100) * after),
    )


def along_the_segment(edition: Edition) -> Obligation:
    """The derivatives of E s(u) s(v) in the entries of the covariance, times how far these move."""
    cross, first, second = (Symbol(name, nonnegative=True) for name in ("k_12", "k_11", "k_22"))
    one, two = Symbol("d_1", nonnegative=True), Symbol("d_2", nonnegative=True)
    bound = edition.promises[0].bound
    half = smoothness * (at_zero + lipschitz * root * MEAN) / 2
    change = cross * off_diagonal + first * one + second * two
    return Obligation(
        "mean value",
        "The derivative in A_12 is E s'(u) s'(v), at most L^2; that in A_11 is E s''(u) s(v) / 2, at most beta / 2 "
        "times E|s(v)| <= |s(0)| + L sqrt(2 A_22 / pi).",
        given=(
            Le(cross, lipschitz**2),
            Le(first, half),
            Le(second, half),
            Eq(diagonal, one + two),
        ),
        steps=(
            Step("off the diagonal", Le(cross * off_diagonal, lipschitz**2 * off_diagonal)),
            Step("first", Le(first * one, half * one)),
            Step("second", Le(second * two, half * two)),
        ),
        claim=Le(change, bound),
        planted=Le(change, Q(99, 100) * bound),
    )
