r"""Su and Yang (NeurIPS 2019): two-layer ReLU networks as functional approximation. arXiv 1905.10826.

The loss is (1/2n) sum (f(x_i) - y_i)^2, so the matrix is H / n and a step here is n times one on the half sum of
squares. Labels are f*(x_i) without noise, |f*| <= 1, inputs are independent on the sphere, and the first outputs are
zero. K_n is the matrix K(x_i, x_j) / n, K(x, s) = t (pi - arccos t) / (2 pi); lambda_1 >= lambda_2 >= ... are the
eigenvalues of its integral operator.

*Generic convergence, re-derived with the recalled constants.* Write rho_k = |y - f_k| / sqrt(n), and suppose
|(I - eta K_n)^k y| / sqrt(n) <= (1 - eta c_0)^k + c_1 for k <= T. Put A = 1/c_0 + 2 eta T c_1.

1. While rho_k <= (1 - eta c_0)^k + 2 c_1 up to k, sum eta rho_j <= 1/c_0 + 2 eta T c_1 = A, and a neuron, whose step is
   eta m^(-1/2) |X^T (...)| / n <= eta rho_j / sqrt(m), has travelled at most A / sqrt(m).
2. Neurons that can flip on x_i start with |w_r.x_i| <= A / sqrt(m): by Hoeffding, for m/2 independent pairs, at most
   a fraction p = sqrt(2/pi) A / sqrt(m) + sqrt(log(4 n / delta) / m) of them, for all i with probability 1 - delta/4.
3. With r = y - f, r_{k+1} = (I - eta H_k / n) r_k + (flips): the matrix, of norm below 1, moves by at most 2 p in norm,
   and the flips of one step add at most eta p rho_k sqrt(n). The start deviates from K_n, entry by entry over n and so
   in norm, by at most sqrt(log(4 n^2 / delta) / m) with probability 1 - delta/2 (Hoeffding again, at most n^2 entries).
4. So the distance from (I - eta K_n)^k y, over sqrt(n), is at most A (3 p + sqrt(log(4 n^2 / delta) / m)), and this is
   at most c_1 if

       m >= (32 / c_1^2) (A^4 + 4 log(4 n / delta) A^2),

   as log(4 n^2 / delta) <= 2 log(4 n / delta) = 2 b^2 and
   (A (3 sqrt(2/pi) A + (3 + sqrt 2) b))^2 <= 32 A^4 + 128 A^2 b^2.

Interpolation is not promised: the target is an error floor, labels must have no noise and a low rank.
"""

from __future__ import annotations

from sympy import Eq, Expr, Ge, Gt, Integer, Le, Lt, Symbol, gamma, log, pi, sqrt
from sympy import Rational as Q

from bounds.arithmetic import large_constant
from bounds.proofs import Obligation
from bounds.quantities import d, delta, eta, k, m, n, quantity
from bounds.settings import Family, Network
from bounds.statements import UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Statement, hypothesis

NETWORKS = Family(
    "f(x) = m^(-1/2) sum_r a_r max(w_r.x, 0)",
    start="w_r ~ N(0, I_d) in pairs of opposite a_r = +-1, so that all outputs are zero",
    trained="first layer",
    loss="(1/2n) sum of squares",
    network=Network("two-layer", (("start", "antisymmetric"),), mean=True, kernel="first"),
)

c_0 = quantity(
    "c_0", "rate at which the kernel's own descent decreases", latex="c_0", measured_by="rate of the kernel's descent"
)
c_1 = quantity("c_1", "floor of the kernel's own descent", latex="c_1", measured_by="floor of the kernel's descent")
horizon = quantity("T", "number of steps", integer=True, measured_by="steps")
root_mean_square = quantity(
    "rho_k",
    "residual over the root of n, at iteration k",
    latex=r"\rho_k",
    nonnegative=True,
    measured_by="root mean square residual",
)
kernel_residual = quantity(
    "kappa_k",
    "residual of the kernel's own descent over the root of n",
    latex=r"\kappa_k",
    nonnegative=True,
    measured_by="root mean square residual of the kernel's descent",
)
from_kernel = quantity(
    "D_k",
    "distance from the kernel's own descent over the root of n, at iteration k",
    latex="D_k",
    nonnegative=True,
    measured_by="distance from the kernel's descent",
)
gap = quantity(
    "g", "gap after the eigenvalue of the operator that the target reaches down to", measured_by="eigenvalue gap"
)
spectral_distance = quantity(
    "D_spec",
    "largest distance of an eigenvalue of the initial matrix from that of the operator",
    nonnegative=True,
    measured_by="no run: the operator is that of the data's unknown distribution",
)
reached = quantity(
    "lambda_ell",
    "eigenvalue of the operator that the target reaches down to",
    latex=r"\lambda_{m_\ell}",
    measured_by="rate of the kernel's descent",
)
remainder = quantity(
    "eps_ell",
    "largest value of the target's part beyond that eigenvalue",
    latex=r"\epsilon_\ell",
    nonnegative=True,
    measured_by="floor of the kernel's descent",
)

half_degree = quantity("j", "half of an even degree", integer=True)
beta_1, beta_0, beta_even, beta_odd = (
    quantity(
        f"beta_{name}",
        f"eigenvalue of the operator on {what}",
        latex=rf"\beta_{{{short}}}",
        nonnegative=True,
        measured_by="no run: the operator is no network's",
    )
    for name, what, short in (
        ("1", "linear functions", "1"),
        ("0", "constants", "0"),
        ("even", "harmonics of degree 2 j", "2j"),
        ("odd", "harmonics of an odd degree of 3 or more", "2j+1"),
    )
)

C = large_constant("C")
TARGET = hypothesis(
    "labels without noise", "y_i = f*(x_i) with |f*| <= 1, inputs independent and uniform on the sphere"
)
STEP = Condition("step size below 1", Lt(eta, 1))

budget = 1 / c_0 + 2 * eta * horizon * c_1
width = 32 / c_1**2 * (budget**4 + 4 * log(4 * n / delta) * budget**2)

spectrum = Statement(
    "Spectrum of the initial matrix",
    "the eigenvalues of the initial matrix over n are near those of an operator",
    NETWORKS,
    "no training",
    identifier="su2019-spectrum",
    concludes="spectrum",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(UNIT_ROWS, hypothesis("independent inputs", "the inputs are drawn independently")),
            promises=(
                Promise(
                    "distance of the spectra",
                    Le(spectral_distance, sqrt(log(4 * n**2 / delta) / m) + sqrt(8 * log(4 / delta) / n)),
                ),
            ),
        ),
    ),
    remark="As n grows the least eigenvalue over n vanishes, and with it every rate of the kind of Du et al. (2019) "
    "for the loss over n.",
)


def sign_number(at: Expr) -> Expr:
    """The modulus of the Funk-Hecke number s_l of the sign function at odd degree l = 2 at + 1."""
    return gamma(d / 2) * gamma(at + Q(1, 2)) / (pi * gamma(at + (d + 1) / 2))


of_degree = (
    half_degree / (4 * half_degree + d - 2) * 2 * sign_number(half_degree - 1) ** 2
    + (2 * half_degree + d - 2) / (4 * half_degree + d - 2) * sign_number(half_degree) ** 2
) / 4


def linear_before_constant(edition: Edition) -> Obligation:
    """The largest eigenvalue is that of linear functions, beta_0 = s_1^2 / 4 with s_1 = E|t| <= sqrt(E t^2)."""
    first, constant = Symbol("s_1", nonnegative=True), Symbol("beta_0", nonnegative=True)
    return Obligation(
        "linear before constant",
        "s_1^2 = (E|t|)^2 is at most E t^2 = 1/d.",
        given=(Le(first**2, 1 / d), Eq(constant, first**2 / 4)),
        claim=Le(constant, next(p.bound for p in edition.promises if p.name == "linear functions")),
        planted=Le(constant, 1 / (5 * d)),
    )


sphere = Statement(
    "Spectrum on the uniform sphere",
    "the operator's eigenspaces are the spherical harmonics, with eigenvalues in closed form",
    NETWORKS,
    "no training",
    identifier="su2019-sphere",
    concludes="spectrum",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(hypothesis("uniform inputs", "the law of the inputs is uniform on the sphere in d dimensions"),),
            promises=(
                Promise("linear functions", Le(beta_1, 1 / (4 * d))),
                Promise("constants", Le(beta_0, sign_number(Integer(0)) ** 2 / 4)),
                Promise("even degree", Le(beta_even, of_degree)),
                Promise("odd degree, 3 and more", Le(beta_odd, 0, evaluate=False)),
            ),
            reason="Funk and Hecke, with the numbers of sign(t); all four hold with equality. Derived in "
            "bounds.gram.sphere, which encloses them.",
            arguments=(linear_before_constant,),
        ),
    ),
    remark="By size the order is linear, constant, quadratic, degree 4, 6, ...; a polynomial without harmonics of odd "
    "degree 3 and more is learned at the rate 1 - 3/4 eta beta of its smallest eigenvalue, up to the floor. How the "
    "paper words this was not seen.",
)

distance = budget * (3 * sqrt(2 / pi) * budget + (3 + sqrt(2)) * sqrt(log(4 * n / delta))) / sqrt(m)

follows = Statement(
    "Distance from the kernel's own descent",
    "descent of the network stays near that of the kernel",
    NETWORKS,
    "gradient descent",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, TARGET, STEP),
            promises=(Promise("distance", Le(from_kernel, distance)),),
            reason="Steps 1 to 3 in this file.",
        ),
    ),
    remark="As long as the residuals stay below (1 - eta c_0)^k + 2 c_1.",
)


def stays_below_floor(edition: Edition) -> Obligation:
    """Step 4: the accumulated distance from the kernel's own descent stays below c_1."""
    A, b = (Symbol(name, positive=True) for name in ("A", "b"))

    def short(expression: Expr) -> Expr:
        return expression.subs(budget, A).subs(log(4 * n / delta), b**2)

    asked = next(c.relation.rhs for c in edition.assumes if c.name == "width" and c.relation is not None)
    far = short(follows.editions[0].promises[0].bound)
    return Obligation(
        "distance below the floor",
        "With A for the budget and b^2 = log(4 n / delta), the distance from the kernel's descent is at most c_1.",
        given=(Eq(from_kernel, far), Ge(m, short(asked))),
        claim=Le(from_kernel**2, c_1**2),
        planted=Le(from_kernel**2, c_1**2 / 10),
    )


generic = Statement(
    "Generic convergence",
    "descent follows the kernel's own descent down to a floor",
    NETWORKS,
    "gradient descent",
    identifier="su2019-generic",
    concludes="error floor",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                TARGET,
                STEP,
                Condition("kernel's own descent", Le(kernel_residual, (1 - eta * c_0) ** k + c_1)),
                Condition("width", Ge(m, width)),
            ),
            promises=(Promise("residual", Le(root_mean_square, (1 - eta * c_0) ** k + 2 * c_1)),),
            reason="The four steps in this file; the paper's constants are recalled and suffice.",
            arguments=(stays_below_floor,),
        ),
    ),
    rests_on=(follows,),
    remark="For the T steps of the condition only. A floor, not a fit; the first layer is trained, on the loss over n.",
)

main = Statement(
    "Main theorem",
    "the residual falls at a rate of the target and the distribution alone, down to a floor",
    NETWORKS,
    "gradient descent",
    identifier="su2019-rate",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                UNIT_ROWS,
                TARGET,
                STEP,
                Condition("confidence", Lt(delta, Q(1, 4))),
                Condition("enough inputs", Gt(n, 256 * log(2 / delta) / gap**2)),
                Condition("floor", Ge(c_1, C * sqrt(log(1 / delta)) / (gap * sqrt(n)))),
                Condition("width", Ge(m, width.subs(c_0, 3 * reached / 4))),
            ),
            promises=(
                Promise(
                    "residual",
                    Le(
                        root_mean_square,
                        (1 - 3 * eta * reached / 4) ** k
                        + C * sqrt(log(1 / delta)) / (gap * sqrt(n))
                        + 2 * sqrt(2) * remainder,
                    ),
                ),
            ),
        ),
    ),
    rests_on=(spectrum, generic),
    remark="With probability 1 - 3 delta. The constant of the floor (recalled as 4 sqrt 2), the number 256 and the "
    "initialisation are unsure, and so is how the floor enters the width. For a linear target on 10 dimensions it "
    "asks for more than ten million inputs.",
)

low_rank = Statement(
    "Corollary for targets of low rank",
    "n log n neurons suffice for an error of the order of n^(-1/2)",
    NETWORKS,
    "gradient descent",
    identifier="su2019-low-rank",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                TARGET,
                hypothesis("low rank", "the target lies in the span of finitely many eigenspaces"),
                STEP,
                Condition("width", Ge(m, C * n * log(n))),
            ),
            promises=(Promise("floor", Le(root_mean_square, C / sqrt(n))),),
        ),
    ),
    rests_on=(main,),
    remark="Read in the abstract, which leaves out the step (recalled) and the probability. The constants hide the "
    "eigenvalue, its gap and the dimension. On the uniform sphere eigenspaces of odd degree 3 and more have "
    "eigenvalue zero: such targets are not covered.",
)

PAPER = Paper(
    key="su2019functional",
    authors=("Su, Lili", "Yang, Pengkun"),
    title="On learning over-parameterized neural networks: a functional approximation perspective",
    year=2019,
    venue="Advances in Neural Information Processing Systems (NeurIPS) 32",
    arxiv="1905.10826",
    statements=(sphere, spectrum, follows, generic, main, low_rank),
    remark="Read in the abstract only; the rest from memory, as marked.",
)
