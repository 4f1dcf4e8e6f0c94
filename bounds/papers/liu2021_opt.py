r"""Liu, Lin, Liu, Rehg, Paull, Xiong, Song and Weller (CVPR 2021): orthogonal over-parameterised training. 2004.04690.

Neurons are R v_i with v_i fixed and one orthogonal R per layer trained. With directions u_i = v_i / |v_i| their energy
is E_s = sum_{i != j} |u_i - u_j|^(-s), s > 0, over ordered pairs. The arguments, re-derived:

*Invariance.* |R u - R v| = |u - v| for orthogonal R. If only ||R^T R - I|| <= eps < 1, let a = |R u|, b = |R v|, p =
<R u, R v>. Then a, b and |R u - R v| / |u - v| lie in [sqrt(1 - eps), sqrt(1 + eps)], and as (a - b)^2 (1 + p/(ab))
>= 0 the distance of the directions R u / a, R v / b is at most 2 |R u - R v| / (a + b) <= sqrt((1 + eps) / (1 - eps))
|u - v|. The same for R^{-1}, whose singular values have the same ratio, gives the other side.

*Random directions.* A Gaussian's direction is uniform on the sphere, as its law is invariant under rotations; so E
<u, e>^2 = 1/d, the d of them having equal means and sum 1. For t = <u, v>, of density proportional to (1 -
t^2)^((d-3)/2), the mean of |u - v|^(-s) = (2 - 2t)^(-s/2) is a Beta integral, finite for s < d - 1 only:

    I_s = 2^(d-2-s) Gamma(d/2) Gamma((d-1-s)/2) / (sqrt(pi) Gamma(d-1-s/2)).

Given u the mean over v is I_s, whatever u is: distinct pairs are uncorrelated, and the variance of E_s is that of
n (n-1) / 2 pairs, each counted twice.

*Least energy.* The squared distances of ordered pairs sum to 2 n^2 - 2 |sum u_i|^2 <= 2 n^2, so their mean is at most
2n / (n-1); x^(-s/2) is convex and decreasing, and Jensen gives E_s >= n (n-1) (2n / (n-1))^(-s/2). A regular simplex,
which exists for n <= d + 1, attains it.

*Descent on R itself* (as in the authors' code) takes a step A R, A skew of norm theta, and two sweeps of a fixed-point
iteration towards the Cayley step: R becomes P R, P = I + A + A^2/2 + A^3/4. At an eigenvalue i x of A, |P|^2 =
(1 - x^2/2)^2 + (x - x^3/4)^2 = 1 - x^4/4 + x^6/16. For |x| <= 2 that is in [1 - x^4/4, 1], so that P P^T = P^T P does
not stretch, and k steps from the identity keep (1 - theta^4/4)^k <= R^T R <= 1: R drifts inward, and only the
approximate invariance holds, with the ratio of the extreme squared singular values in place of (1 + eps) / (1 - eps).
"""

from __future__ import annotations

from sympy import Expr, Ge, Integer, Le, Lt, Symbol, gamma, pi, sqrt
from sympy import Rational as Q
from sympy.core.relational import Relational

from bounds.arithmetic import large_constant, small_constant
from bounds.papers._systems import assumed, promised
from bounds.proofs import Obligation, Step
from bounds.quantities import d, k, n, quantity
from bounds.settings import Family, Network
from bounds.statements import Condition, Edition, Mark, Paper, Promise, Statement, hypothesis


def _layers(orthogonaliser: str) -> Family:
    return Family(
        "layers of n neurons R v_i in R^d",
        start="v_i fixed, R orthogonal",
        trained="the matrix R",
        network=Network("liu2021-opt", (("orthogonaliser", orthogonaliser),), method="rotations"),
    )


LAYERS, PENALISED, DESCENDING = _layers("cayley"), _layers("regularised"), _layers("descent")
NEURONS = Family(
    "layers of n neurons v_i in R^d",
    start="v_i ~ N(0, sigma^2 I_d), independent",
    trained="none",
    network=LAYERS.network,
)
ANY = Family("layers of n neurons in R^d, no two of one direction", start="any", trained="any", network=LAYERS.network)

s = quantity("s", "power of the energy", measured_by="one")
energy = quantity("E_s", "energy of the neurons", measured_by="energy")
before = quantity("E_0", "energy of the fixed neurons, before R acts", latex="E_s(V)", measured_by="first energy")
after = quantity("E_R", "energy of the neurons, after R has acted", latex="E_s(RV)", measured_by="energy")
eps = quantity(
    "eps",
    "defect ||R^T R - I|| of the matrix",
    latex=r"\varepsilon",
    nonnegative=True,
    measured_by="defect of the rotation",
)
cosine = quantity("c_2", "mean square of a direction's component", latex=r"\mathrm{E}\langle u,e\rangle^2")
mean = quantity("E_mean", "mean energy over draws of the neurons", latex=r"\mathrm{E}\,E_s", measured_by="mean energy")
variance = quantity(
    "E_var",
    "variance of the energy over draws of the neurons",
    latex=r"\operatorname{Var}E_s",
    measured_by="variance of the energy",
)
one = quantity("I_s", "mean of |u - v|^(-s) over two independent directions", latex="I_s")
two = quantity("I_2s", "mean of |u - v|^(-2s) over two independent directions", latex="I_{2s}")
gap = quantity(
    "g_n",
    "excess of the mean energy over the least one, relative to it",
    latex="g_n",
    measured_by="no run: the least energy of so many neurons is not known",
)
theta = quantity(
    "theta", "largest spectral norm of a tangent step", latex=r"\theta", measured_by="largest step of a rotation"
)
one_step = quantity(
    "eps_1",
    "defect ||P^T P - I|| of a single step's factor",
    latex=r"\varepsilon_1",
    nonnegative=True,
    measured_by="defect of a step",
)
C, c = large_constant("C"), small_constant("c")


def pair(power: Expr) -> Expr:
    """The mean of |u - v|^(-power) over independent uniform directions in R^d."""
    return 2 ** (d - 2 - power) * gamma(d / 2) * gamma((d - 1 - power) / 2) / (sqrt(pi) * gamma(d - 1 - power / 2))


RANDOM = hypothesis("random neurons", "the neurons are independent, and each direction is uniform on the sphere")
GAUSSIAN = hypothesis("Gaussian neurons", "the neurons are independent draws of N(0, sigma^2 I_d)")
ROTATION = hypothesis("orthogonal", "R^T R = I, exactly")

_a, _b, _c, _C, _D, _H, _T, _mean_square, _x, _z, _ratio = (
    Symbol(name, positive=True) for name in ("a", "b", "c", "C", "D", "H", "T", "q", "x", "z", "r")
)


def two_lengths(edition: Edition) -> Obligation:
    """The distance of the directions of two vectors by their own."""
    a, b = _a, _b
    spread, room = (2 - (a**2 + b**2 - _c**2) / (a * b)) * (a + b) ** 2, 4 * _c**2
    return Obligation(
        "two lengths",
        "For vectors of lengths a, b at a distance c, the squared distance of their directions is 2 - (a^2 + b^2 - "
        "c^2)/(ab), and at most (2c / (a + b))^2.",
        given=(Le(_c, a + b),),
        claim=Le(spread, room),
        planted=Le(spread, Q(99, 100) * room),
    )


def _directions(least: Expr, largest: Expr, factor: Expr, given: tuple[Relational, ...]) -> Obligation:
    """The squared distance of two directions grows by at most the factor for s = 2."""
    return Obligation(
        "directions",
        "With T, D, C and H the squares of |Ru| + |Rv|, of the distance of their directions, of |Ru - Rv| and |u - v|, "
        "D is at most the factor for s = 2 times H.",
        given=(*given, Ge(_T, 4 * least), Le(_C, largest * _H), Le(_D * _T, 4 * _C)),
        steps=(
            Step("directions and lengths", Le(4 * _D * least, _D * _T)),
            Step("together", Le(_D * least, largest * _H)),
        ),
        claim=Le(_D, factor * _H),
        planted=Le(_D, (1 + 9 * factor) / 10 * _H),
    )


def directions(edition: Edition) -> Obligation:
    """Squared singular values lie between 1 - eps and 1 + eps."""
    factor = (promised(edition, "above") / before).subs(s, 2)
    return _directions(1 - eps, 1 + eps, factor, (assumed(edition, "nearly orthogonal"),))


def directions_after_a_step(edition: Edition) -> Obligation:
    """Squared singular values lie between 1 minus the defect and 1; after one step."""
    kept = 1 - promised(edition, "defect").subs(k, 1)
    factor = (promised(edition, "energy") / before).subs({s: 2, k: 1})
    return _directions(kept, Integer(1), factor, (assumed(edition, "tangent step"),))


def sides(edition: Edition) -> Obligation:
    """The factors from above and below are inverse to each other."""
    above, below = ((promised(edition, name) / before).subs(s, 2) for name in ("above", "below"))
    return Obligation(
        "both sides",
        "R^{-1} has singular values of the same ratio: for s = 2 what is above the lower factor, times the upper one, "
        "is at least 1.",
        given=(assumed(edition, "nearly orthogonal"), Ge(_ratio, below)),
        claim=Ge(_ratio * above, 1),
        planted=Ge(_ratio * above, Q(11, 10)),
    )


def mean_distance(edition: Edition) -> Obligation:
    """Jensen is used at the largest mean of squared distances, which for s = 2 is the inverse of the promised mean."""
    most = n * (n - 1) / promised(edition, "energy").subs(s, 2)
    return Obligation(
        "mean distance",
        "Squared distances of the n (n - 1) ordered pairs sum to at most 2 n^2; their mean is at most the largest.",
        given=(assumed(edition, "two neurons"), Le(_mean_square * (n - 1), 2 * n)),
        claim=Le(_mean_square, most),
        planted=Le(_mean_square, (1 - 1 / n) * most),
    )


def factor_of_a_step(edition: Edition) -> Obligation:
    """|P|^2 at an eigenvalue i x of the tangent step, |x| <= theta."""
    squared = (1 - _x**2 / 2) ** 2 + (_x - _x**3 / 4) ** 2
    bound = promised(edition, "defect of a step")
    return Obligation(
        "factor of a step",
        "1 - x^4/4 + x^6/16 is below 1 by at most the defect; it does not exceed 1.",
        given=(assumed(edition, "tangent step"), Le(_x, theta)),
        steps=(Step("squares", Le(_x**2, theta**2)), Step("no stretch", Le(squared, 1))),
        claim=Le(1 - squared, bound),
        planted=Le(1 - squared, Q(9, 10) * bound),
    )


def steps_add_up(edition: Edition) -> Obligation:
    """One more step multiplies the least squared singular value by at least its factor."""
    kept = 1 - promised(edition, "defect of a step")
    power = (1 - promised(edition, "defect")).subs(k, 1)
    return Obligation(
        "steps add up",
        "If z is what k steps keep, k + 1 of them keep z times the factor: a power of it.",
        given=(assumed(edition, "tangent step"), Ge(_ratio, _z * kept)),
        claim=Ge(_ratio, _z * power),
        planted=Ge(_ratio, _z * (1 + 9 * power) / 10),
    )


invariance = Statement(
    "Invariance of the energy",
    "orthogonal matrices keep the energy",
    LAYERS,
    "any weights",
    identifier="liu2021-opt-invariance",
    concludes="conditioning",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(ROTATION,),
            promises=(Promise("above", Le(after, before)), Promise("below", Ge(after, before))),
            reason="Distances are kept. The paper's stochastic version, which rotates some coordinates at a time, is "
            "an orthogonal matrix too.",
        ),
    ),
    remark="Every E_s, whatever the training does to R; d^2 trained numbers for d (d - 1) / 2 degrees of freedom, and "
    "no angle between neurons ever changes.",
)

nearly = Statement(
    "Approximate invariance of the energy",
    "nearly orthogonal matrices nearly keep the energy",
    PENALISED,
    "any weights",
    identifier="liu2021-opt-nearly",
    concludes="conditioning",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(Condition("nearly orthogonal", Lt(eps, 1)),),
            promises=(
                Promise("above", Le(after, before * ((1 + eps) / (1 - eps)) ** (s / 2))),
                Promise("below", Ge(after, before * ((1 - eps) / (1 + eps)) ** (s / 2))),
            ),
            reason="The two lengths in this file; not a statement of the paper.",
            arguments=(two_lengths, directions, sides),
        ),
    ),
    rests_on=(invariance,),
    remark="The defect is in spectral norm. Where a penalty replaces the constraint, it has to be measured.",
)

uniform = Statement(
    "Gaussian neurons",
    "the directions of Gaussian neurons are uniform on the sphere",
    NEURONS,
    "no training",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(GAUSSIAN,),
            promises=(Promise("above", Le(cosine, 1 / d)), Promise("below", Ge(cosine, 1 / d))),
            reason="Invariance under rotations; said of the paper by later ones. One of its consequences is promised.",
        ),
    ),
)

expected = Statement(
    "Mean energy",
    "the mean energy of Gaussian neurons, exactly",
    NEURONS,
    "no training",
    identifier="liu2021-opt-mean",
    concludes="approximation",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(RANDOM, Condition("finite mean", Lt(s, d - 1))),
            promises=(Promise("above", Le(mean, n * (n - 1) * one)), Promise("below", Ge(mean, n * (n - 1) * one))),
            reason="A Beta integral; not a statement of the paper.",
            where=((one, pair(s)),),
        ),
    ),
    rests_on=(uniform,),
    remark="For s >= d - 1 the mean is infinite: for instance s = 2 in two or three dimensions.",
)

spread = Statement(
    "Variance of the energy",
    "the variance of the energy of Gaussian neurons, exactly",
    NEURONS,
    "no training",
    identifier="liu2021-opt-variance",
    concludes="approximation",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(RANDOM, Condition("finite variance", Lt(s, (d - 1) * Q(1, 2)))),
            promises=(
                Promise("above", Le(variance, 2 * n * (n - 1) * (two - one**2))),
                Promise("below", Ge(variance, 2 * n * (n - 1) * (two - one**2))),
            ),
            reason="Distinct pairs are uncorrelated; not a statement of the paper.",
            where=((one, pair(s)), (two, pair(2 * s))),
        ),
    ),
    rests_on=(expected,),
    remark="Relative to the mean the deviation is of order 1/n. For (d-1)/2 <= s the variance is infinite.",
)

simplex = Statement(
    "Least energy of few neurons",
    "no arrangement has less energy than a regular simplex",
    ANY,
    "any weights",
    identifier="liu2021-opt-simplex",
    concludes="approximation",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(Condition("two neurons", Ge(n, 2)),),
            promises=(Promise("energy", Ge(energy, n * (n - 1) * (2 * n / (n - 1)) ** (-s / 2))),),
            reason="Jensen; not a statement of the paper.",
            arguments=(mean_distance,),
        ),
    ),
    remark="True for all n, and attained, by the simplex, if and only if n <= d + 1.",
)

excess = Statement(
    "Excess of the mean energy",
    "random neurons come near to the least energy as their number grows",
    NEURONS,
    "no training",
    identifier="liu2021-opt-gap",
    concludes="approximation",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                RANDOM,
                Condition("finite mean", Lt(s, d - 1)),
                hypothesis("many neurons", "n grows while d and s stay; the constants depend on both"),
            ),
            promises=(
                Promise("above", Le(gap, C * n ** (-1 + s / (d - 1)))),
                Promise("below", Ge(gap, c * n ** (-1 + s / (d - 1)))),
            ),
        ),
    ),
    rests_on=(expected, simplex),
    remark="Of the mean, without a probability. A classical order of least energies (Wagner; Kuijlaars and Saff "
    "1998), not a theorem of the paper. Random neurons have the least energy as a limit only: at no finite n, and for "
    "s >= d - 1 not even in the limit. The excess is larger than the deviation over draws by n^(s/(d-1)).",
)

drift = Statement(
    "Drift of descent on the matrix",
    "two fixed-point sweeps keep the matrix orthogonal up to the fourth power of the step",
    DESCENDING,
    "any weights",
    identifier="liu2021-opt-drift",
    concludes="conditioning",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                hypothesis(
                    "steps", "R = I at the start; each step takes a skew A, ||A|| <= theta, and two sweeps, exactly"
                ),
                Condition("tangent step", Lt(theta, 1)),
            ),
            promises=(
                Promise("defect of a step", Le(one_step, theta**4 / 4)),
                Promise("defect", Le(eps, 1 - (1 - theta**4 / 4) ** k)),
                Promise("energy", Le(after, before * (1 - theta**4 / 4) ** (-k * s / 2))),
            ),
            reason="The eigenvalues of a step's factor, in this file; the steps are those of the authors' code.",
            arguments=(factor_of_a_step, steps_add_up, two_lengths, directions_after_a_step),
        ),
    ),
    rests_on=(nearly,),
    remark="In the code the step is at most 1 / |W|_F, so theta <= 1 / sqrt(2). The energy is also at least the "
    "inverse factor times that before. Gram-Schmidt, Householder, Loewdin and Cayley matrices are orthogonal up to "
    "rounding, and a penalty gives no bound.",
)

PAPER = Paper(
    key="liu2021orthogonal",
    authors=(
        "Liu, Weiyang",
        "Lin, Rongmei",
        "Liu, Zhen",
        "Rehg, James M.",
        "Paull, Liam",
        "Xiong, Li",
        "Song, Le",
        "Weller, Adrian",
    ),
    title="Orthogonal over-parameterized training",
    year=2021,
    venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
    arxiv="2004.04690",
    statements=(invariance, nearly, uniform, expected, spread, simplex, excess, drift),
    remark="Its code was read, its theorems were not: no numbers are given. That it generalises better is an "
    "observation and no theorem, and that it minimises energy says only that the energy it starts with is kept; "
    "training R is a smooth nonconvex problem on the orthogonal matrices, about whose convergence nothing is claimed.",
)
