r"""Karhadkar, Murray and Montufar (NeurIPS 2024): least eigenvalues of kernels of arbitrary spherical data. 2405.14630.

Unit inputs in R^d, d >= 3, whose pairwise distances up to sign are at least delta. The kernel of both layers of a
shallow ReLU network contains that of the first layer, whose limit on a vector z is the squared L^2 norm of the
hemisphere transform of sum_i z_i delta_(x_i). Spherical harmonics of high degree separate the inputs, which bounds it
from below by lambda = (1 + d log(1/delta) / log d)^(-3) delta^2 up to a constant; two inputs at distance delta' have
gradients at squared distance of order delta', which bounds it from above. So the least eigenvalue is known, up to
constants, from the geometry of the data: a substitute for a measured one where n is too large to compute it.

*Where delta > 1* the formula of lambda is not to be used as it stands: log(1/delta) is negative, and lambda grows
without bound as delta approaches d^(1/d), which is below sqrt(2) for d >= 5. No multiple of it bounds an eigenvalue
of a kernel whose diagonal is of order 1. Data that are delta-separated are 1-separated too, so min(delta, 1) mends
it.
"""

from __future__ import annotations

from sympy import Ge, Le, Lt, Min, log, sqrt
from sympy import Rational as Q

from bounds.arithmetic import (
    Enclosure,
    Verdict,
    compare,
    evaluate,
    large_constant,
    small_constant,
)
from bounds.papers._separation import nearest_rows
from bounds.quantities import S, d, delta, initial_least_eigenvalue, m, n, quantity, separation
from bounds.settings import Family, Network
from bounds.statements import UNIT_ROWS, Condition, Edition, KnownError, Mark, Paper, Promise, Statement, hypothesis

SHALLOW = Family(
    "two-layer ReLU, 1/sqrt(m) output scaling",
    start="N(0, 1), both layers",
    trained="both layers",
    network=Network("two-layer", (("form", "gaussian"), ("trained", "both"))),
)
DEEP = Family(
    "deep ReLU of L layers, output scaled by prod_l sqrt(2 / d_l), widths not growing",
    start="N(0, 1)",
    trained="all layers",
    network=Network("du2019-deep-fc", (("activation", "relu"),)),
)


nearest = quantity(
    "delta_near", "least distance of two unit rows", latex=r"\delta'", value=nearest_rows, nonnegative=True
)
layers = quantity("L", "number of layers", integer=True, measured_by="number of layers")
last = quantity("d_last", "width of the last hidden layer", latex="d_{L-1}", integer=True, measured_by="width")
eigenvalue_0 = quantity(
    "lambda_1", "least eigenvalue of the first layer's limit kernel, uniform weights", latex=r"\lambda_1"
)

C, C_1, C_2, C_3 = (large_constant(name) for name in ("C", "C_1", "C_2", "C_3"))
c = small_constant("c")

shallow_value = (1 + d * log(1 / separation) / log(d)) ** -3 * separation**2
corrected_value = (1 + d * log(1 / Min(separation, 1)) / log(d)) ** -3 * Min(separation, 1) ** 2
deep_value = (1 + d * log(1 / separation) / log(d)) ** -3 * separation**4
deep_corrected = (1 + d * log(1 / Min(separation, 1)) / log(d)) ** -3 * Min(separation, 1) ** 4
uniform_value = (1 + log(n / delta) / log(d)) ** -3 * (delta**2 / n**4) ** (1 / (d - 1))


def _blow_up() -> Verdict:
    """Two orthogonal unit vectors in R^10 are 1.2589-separated; lambda there exceeds 10^9, the diagonal is of order 1.

    10^(1/10) = 1.25892...; even a million times the limit kernel's diagonal, which is 1, is smaller.
    """
    value = evaluate(shallow_value, {d: 10, separation: Enclosure.of(1.2589)})
    return compare(value, "<=", 10**6)


ERROR = KnownError(
    "For separations rho above 1 the lower bound is not the order of anything: log(1/rho) is negative, and the bound "
    "grows without limit as rho approaches d^(1/d), which is below sqrt(2) for d >= 5. min(rho, 1) is meant.",
    _blow_up,
)
DIMENSION = Condition("dimension", Ge(d, 3))
SEPARATED = Condition("separation", Lt(separation, sqrt(2)))
DEEP_ENOUGH = (
    Condition("confidence", Lt(delta, Q(1, 3))),
    Condition("depth", Ge(layers, 3)),
    Condition("last hidden layer", Ge(last, C_3 * 2**layers * log(n * layers / delta))),
)

first_layer = Statement(
    "Lemma (first layer)",
    "the first layer's kernel keeps the least eigenvalue of its limit",
    SHALLOW,
    "no training",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS, Condition("width", Ge(m, C * S / eigenvalue_0 * log(n / delta)))),
            promises=(Promise("least eigenvalue", Ge(initial_least_eigenvalue, c * eigenvalue_0)),),
        ),
    ),
    remark="A matrix Chernoff bound.",
)

shallow = Statement(
    "Theorem (shallow networks)",
    "the kernel's least eigenvalue lies between functions of the data's separation",
    SHALLOW,
    "no training",
    identifier="karhadkar2024-shallow",
    concludes="conditioning",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                DIMENSION,
                SEPARATED,
                Condition("width", Ge(m, C * S / shallow_value * log(n / delta))),
            ),
            promises=(
                Promise("least eigenvalue", Ge(initial_least_eigenvalue, c * shallow_value)),
                Promise("least eigenvalue, above", Le(initial_least_eigenvalue, C_1 * nearest)),
            ),
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                DIMENSION,
                Condition("width", Ge(m, C * S / corrected_value * log(n / delta))),
            ),
            promises=(
                Promise("least eigenvalue", Ge(initial_least_eigenvalue, c * corrected_value)),
                Promise("least eigenvalue, above", Le(initial_least_eigenvalue, C_1 * nearest)),
            ),
            reason="Data that are rho-separated are min(rho, 1)-separated.",
        ),
    ),
    rests_on=(first_layer,),
    errors=(ERROR,),
    remark="No training is spoken of; universal constants are hidden. The least eigenvalue is that of the finite "
    "network's kernel of both layers at its start.",
)

uniform = Statement(
    "Corollary (uniform data)",
    "uniform data on the sphere have least eigenvalues between n^(-4/(d-1)) and n^(-2/(d-1))",
    SHALLOW,
    "no training",
    identifier="karhadkar2024-uniform",
    concludes="conditioning",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                DIMENSION,
                hypothesis("uniform data", "inputs independent and uniform on the sphere"),
                Condition("width", Ge(m, C_2 / uniform_value * (1 + (n + log(1 / delta)) / d) * log(n / delta))),
            ),
            promises=(
                Promise("least eigenvalue", Ge(initial_least_eigenvalue, c * uniform_value)),
                Promise(
                    "least eigenvalue, above",
                    Le(initial_least_eigenvalue, C_1 * (log(1 / delta) / n**2) ** (1 / (d - 1))),
                ),
            ),
        ),
    ),
    rests_on=(shallow,),
    remark="Tight up to logarithms once d is of order log(n). The probability is over data and weights.",
)

deep = Statement(
    "Theorem (deep networks)",
    "the kernel of deep ReLU networks that do not widen is well conditioned",
    DEEP,
    "no training",
    identifier="karhadkar2024-deep",
    concludes="conditioning",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                DIMENSION,
                SEPARATED,
                *DEEP_ENOUGH,
                Condition("width", Ge(m, C * n / deep_value * log(n / deep_value) * log(n / delta))),
            ),
            promises=(
                Promise("least eigenvalue", Ge(initial_least_eigenvalue, c * deep_value)),
                Promise("least eigenvalue, above", Le(initial_least_eigenvalue, C_1 * layers)),
            ),
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                DIMENSION,
                *DEEP_ENOUGH,
                Condition("width", Ge(m, C * n / deep_corrected * log(n / deep_corrected) * log(n / delta))),
            ),
            promises=(
                Promise("least eigenvalue", Ge(initial_least_eigenvalue, c * deep_corrected)),
                Promise("least eigenvalue, above", Le(initial_least_eigenvalue, C_1 * layers)),
            ),
            reason="Data that are rho-separated are min(rho, 1)-separated.",
        ),
    ),
    rests_on=(shallow,),
    remark="No training is spoken of. m is the width of the first hidden layer; the others do not grow.",
)

PAPER = Paper(
    key="karhadkar2024bounds",
    authors=("Karhadkar, Kedar", "Murray, Michael", "Montufar, Guido"),
    title="Bounds for the smallest eigenvalue of the NTK for arbitrary spherical data of arbitrary dimension",
    year=2024,
    venue="Advances in Neural Information Processing Systems (NeurIPS) 37",
    arxiv="2405.14630",
    statements=(first_layer, shallow, uniform, deep),
    remark="rho is the separation of the inputs, which the paper calls delta; delta is the probability of failure.",
)
