r"""Arora, Du, Hu, Li and Wang (ICML 2019): the loss curve that the kernel predicts. arXiv 1901.08584.

Two-layer ReLU networks whose first layer starts as N(0, kappa^2 I) and alone is trained. The kernel's own descent has
the residual

    c_k = ( sum_i (1 - eta lambda_i)^(2k) (v_i.y)^2 )^(1/2),

with lambda_i, v_i the eigenpairs of the infinite-width matrix H; the network's residual stays within eps of it.

*Its contraction, re-derived.* For 0 < eta lambda_i <= 1, c_k <= (1 - eta lambda_0)^k ||y||: every factor is at most
(1 - eta lambda_0)^k. So the promised curve implies ||e(k)|| <= (1 - eta lambda_0)^k ||y|| + eps, twice the exponent of
Du et al. (2019), but down to a floor.
"""

from __future__ import annotations

from sympy import Eq, Ge, Le, Symbol, log, sqrt
from sympy import Rational as Q

from bounds.arithmetic import large_constant, small_constant
from bounds.proofs import Obligation
from bounds.quantities import delta, eta, k, lambda_0, m, n, quantity, y_norm
from bounds.settings import Family, Network
from bounds.statements import POSITIVE, UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Statement, hypothesis

NETWORKS = Family(
    "f(x) = m^(-1/2) sum_r a_r max(w_r.x, 0)",
    start="w_r ~ N(0, kappa^2 I_d), a_r uniform on {-1, +1}",
    trained="first layer",
    network=Network("two-layer", (("deviation", 0.1),), kernel="first"),
)

kappa = quantity(
    "kappa", "standard deviation of the initial weights", latex=r"\kappa", measured_by="standard deviation of the start"
)
floor = quantity(
    "eps", "allowed distance from the predicted curve", latex=r"\epsilon", measured_by="tenth of the first residual"
)
deviation = quantity(
    "D_curve",
    "distance of the residual's norm from the predicted curve, at any iteration",
    nonnegative=True,
    measured_by="distance from the predicted curve",
)
predicted = quantity(
    "c_k",
    "norm of the residual of the kernel's own descent at iteration k",
    nonnegative=True,
    measured_by="predicted residual",
)
complexity = quantity("C_y", "y^T H^(-1) y", latex=r"y^{\top}(H^{\infty})^{-1}y", nonnegative=True)
population = quantity(
    "L_D",
    "population loss of the trained network",
    latex="L_D",
    nonnegative=True,
    measured_by="no run: the data are no known distribution's",
)


C, c = large_constant("C"), small_constant("c")


def contraction(edition: Edition) -> Obligation:
    """One step of the predicted curve: a factor 1 - eta lambda_i is at most 1 - eta lambda_0."""
    larger, factor = Symbol("lambda_i", positive=True), Symbol("f", nonnegative=True)
    return Obligation(
        "contraction of one direction",
        "For lambda_i >= lambda_0 the factor 1 - eta lambda_i, where it is not negative, is at most 1 - eta lambda_0.",
        given=(Le(lambda_0, larger), Eq(factor, 1 - eta * larger)),
        claim=Le(factor, edition.promises[0].bound.subs({y_norm: 1, k: 1})),
        planted=Le(factor, 1 - eta * lambda_0 * Q(101, 100)),
    )


decay = Statement(
    "Decay of the predicted curve",
    "the kernel's own descent contracts by 1 - eta lambda_0 at least",
    NETWORKS,
    "gradient descent",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, POSITIVE, Condition("step size", Le(eta, 1 / n))),
            promises=(Promise("predicted residual", Le(predicted, (1 - eta * lambda_0) ** k * y_norm)),),
            reason="Direction by direction; lambda_i <= trace H = n/2, so eta lambda_i <= 1/2.",
            arguments=(contraction,),
        ),
    ),
)

curve = Statement(
    "Theorem 4.1",
    "the residual follows the curve that the kernel predicts",
    NETWORKS,
    "gradient descent",
    identifier="arora2019-curve",
    concludes="curve within eps",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                hypothesis("bounded labels", "|y_i| = O(1)"),
                Condition("small start", Le(kappa, c * floor * delta / sqrt(n))),
                Condition("step size", Le(eta, c * lambda_0 / n**2)),
                Condition("width", Ge(m, C * n**7 / (lambda_0**4 * kappa**2 * delta**4 * floor**2))),
            ),
            promises=(Promise("distance from the predicted curve", Le(deviation, floor)),),
        ),
    ),
    rests_on=(decay,),
    remark="A curve within eps, not an exact fit. Exponents are recalled. The width grows as kappa falls, and kappa "
    "has to fall with eps. lambda_0 is that of the two-layer ReLU matrix, to be given.",
)

generalisation = Statement(
    "Theorem 5.1",
    "the population loss is bounded by y^T H^(-1) y",
    NETWORKS,
    "gradient descent",
    identifier="arora2019-generalisation",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                POSITIVE,
                hypothesis("sampling", "inputs and labels are drawn independently from one distribution"),
                hypothesis(
                    "training", "width, small start and step eta of the order of Theorem 4.1's, and enough steps"
                ),
            ),
            promises=(
                Promise(
                    "population loss",
                    Le(population, sqrt(2 * complexity / n) + C * sqrt(log(n / (lambda_0 * delta)) / n)),
                ),
            ),
        ),
    ),
    rests_on=(curve,),
    remark="About the test error of the trained network. With probability 1 - delta over start and data.",
)

PAPER = Paper(
    key="arora2019fine",
    authors=("Arora, Sanjeev", "Du, Simon S.", "Hu, Wei", "Li, Zhiyuan", "Wang, Ruosong"),
    title="Fine-grained analysis of optimization and generalization for overparameterized two-layer neural networks",
    year=2019,
    venue="International Conference on Machine Learning (ICML)",
    arxiv="1901.08584",
    statements=(decay, curve, generalisation),
    remark="Its text could not be opened: statements are from memory, as marked.",
)
