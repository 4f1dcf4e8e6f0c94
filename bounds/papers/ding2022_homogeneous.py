r"""Ding, Chen, Li and Wright (submission to ICLR 2022): global convergence with homogeneous branches. arXiv 2110.02926.

If rho(., ., s) converges in C([0, 1]; P^2) to some rho_inf, and the start separates, then E(rho_inf) = 0. Separation
is preserved at all finite times; were dE/drho not zero at rho_inf, a cone in which it is negative would keep mass,
which escapes to infinity against the bounded second moments. *Convergence is assumed, not proved.*

*The adjoint.* p(1) = (g - y) grad g, so E|p(1)|^2 >= inf |grad g|^2 E (g - y)^2 = 2 inf |grad g|^2 E(rho), re-derived.

*Labels out of reach, re-derived.* The output is g of a flow map. On a line it is monotone: labels (1, -1) at (-1, 1)
and g(z) = z leave E >= 1/2 (u <= v gives ((u - 1)^2 + (v + 1)^2) / 4 >= 1/2), so that rho(s) cannot converge as
assumed; on networks E falls to 1/2 while the weights grow without end. If inputs have an open support and E = 0, then
y = g(Z) has the gradient (DZ)^T grad g != 0, which y = |x|^2 does not have at 0. Finitely many inputs in two or more
dimensions with g a coordinate that they share escape this.

*A C^2 function f that is 2-homogeneous in theta is quadratic, re-derived:* its second derivative in theta is
0-homogeneous and continuous at 0, hence constant. Then int f d rho sees the second moments of rho only, a space of
finite dimension, and f is not universal: for one weight and f = (1 + x) theta^2, int f d rho = c (1 + x) with c >= 0
differs at x = 0 or 1 by min_c max(|1 - c|, 2 c) = 2/3 from any target with values 1 and 0 there. "C^2 away from theta
= 0" must be meant.

*An f that meets all assumptions of Theorem 6.2, re-derived.* a tanh(W z + b), (W, b) = C (V, v) / sqrt(1 + |V|^2 +
|v|^2), theta = (a, V, v), a ~ U[-1, 1], the others standard normal, constant in t.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from sympy import Eq, Ge, Gt, Le, Symbol

from bounds.arithmetic import Enclosure, Verdict, compare, large_constant
from bounds.flow_maps import floor_on_a_line, increasing_floor
from bounds.papers import ding2022_limit
from bounds.papers._mean_field_resnet import (
    ADMISSIBLE,
    ATTAINED,
    BOUNDED_PART,
    CONVERGES,
    DATA,
    GROWTH,
    NETWORKS,
    UNIVERSAL,
    at_that_time,
    depth,
    enough_time,
    eps,
    limit_loss,
    loss,
    s,
)
from bounds.proofs import Obligation
from bounds.quantities import delta, m, quantity, unspecified
from bounds.settings import Network
from bounds.statements import Condition, Edition, KnownError, Mark, Promise, Statement, hypothesis

ON_A_LINE = replace(NETWORKS, network=Network("ding2021-resnet", mean=True, inputs="line"))

moment = quantity("M_2", "mean over t of the second moment of rho", latex=r"\mathcal L", nonnegative=True)
adjoint = quantity(
    "P_t", "mean square of the adjoint at time t", latex=r"\mathrm{E}\lvert p(t;x)\rvert^2", nonnegative=True
)
last_adjoint = quantity(
    "P_1", "mean square of the adjoint at time 1", latex=r"\mathrm{E}\lvert p(1;x)\rvert^2", nonnegative=True
)
last_residual = quantity("Q_1", "mean of (g - y)^2 at time 1", nonnegative=True)
slope = quantity("g_1", "infimum of the norm of the gradient of g", latex=r"\inf\lvert\nabla g\rvert")
uniform = quantity("U", "least uniform distance of int f d rho from a continuous target on a ball", nonnegative=True)
decreasing = unspecified("Q", moment)
layer_lipschitz = quantity(
    "K",
    "Lipschitz constant in the state of every layer's mean over its branches",
    measured_by="Lipschitz constant of a branch",
)
floor = quantity(
    "E_floor",
    "least loss of increasing outputs (for inputs on a line)",
    latex=r"E_{\uparrow}",
    value=lambda problem: Enclosure.of(floor_on_a_line(problem)),
    nonnegative=True,
)

velocity = quantity("v_theta", "norm of the gradient of the first variation in theta", nonnegative=True)
theta_norm = quantity("theta", "norm of theta", latex=r"\lvert\theta\rvert", nonnegative=True)
C = large_constant("C")

FIT = Promise("zero loss", Le(limit_loss, 0, evaluate=False))
ASSUMPTIONS = (GROWTH, UNIVERSAL, DATA, ADMISSIBLE, BOUNDED_PART)

# --- stationary laws -------------------------------------------------------------------------------------------------


def from_the_residual(edition: Edition) -> Obligation:
    """|p(1)|^2 = (g - y)^2 |grad g|^2, and the mean of (g - y)^2 is twice the loss."""
    return Obligation(
        "adjoint",
        "The adjoint at time 1 is at least the least slope of g times the residual.",
        given=(Ge(last_adjoint, slope**2 * last_residual), Eq(last_residual, 2 * loss)),
        claim=edition.promises[0].relation,
        planted=Ge(last_adjoint, 3 * slope**2 * loss),
    )


adjoint_stays = Statement(
    "Lemma H.1",
    "the adjoint does not vanish while there is loss",
    NETWORKS,
    "any weights",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(GROWTH, DATA),
            promises=(Promise("adjoint", Ge(adjoint, decreasing * loss)),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(DATA,),
            promises=(Promise("adjoint at time 1", Ge(last_adjoint, 2 * slope**2 * loss)),),
            reason="p(1) = (g - y) grad g; earlier p is smaller by at most the exponential of the integral of |d_z f|.",
            arguments=(from_the_residual,),
        ),
    ),
    remark="Q is positive and decreases in the mean over t of the second moment of rho.",
)

stationary = Statement(
    "Proposition 6.1",
    "a law at which the first variation is constant in theta at one time has zero loss",
    NETWORKS,
    "any weights",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                GROWTH,
                UNIVERSAL,
                DATA,
                hypothesis("constant first variation", "dE/drho (., t_0) is constant on all of R^k for one t_0"),
            ),
            promises=(FIT,),
        ),
    ),
    rests_on=(adjoint_stays,),
    remark="In full: where E(rho) > 0, for each t_0 a signed nu of mass 0 has int dE/drho d nu < 0.",
)

# --- the examples ----------------------------------------------------------------------------------------------------


def nonnegative_branches() -> Verdict:
    """The target -1 on a ball around 0: int f d rho >= 0 there, so that the distance is at least 1; eps = 1/2."""
    return compare(1, "<=", Fraction(1, 2))


def quadratic_branches() -> Verdict:
    """F = (1 + x) theta^2, a target that is 1 at 0 and 0 at 1: min_c max(|1 - c|, 2 c) at c = 1/3; eps = 1/2."""
    c = Fraction(1, 3)
    return compare(max(1 - c, 2 * c), "<=", Fraction(1, 2))


example = Statement(
    "Remark H.1",
    "f = max(theta_1 x + theta_2, 0)^2 exp(-|x|^2) is said to meet the assumptions of Theorem 6.1",
    NETWORKS,
    "no training",
    editions=(Edition("printed", Mark.READ, promises=(Promise("universality", Le(uniform, eps)),)),),
    errors=(
        KnownError(
            "Each component of f is nonnegative, so that negative functions are not approximated: the target -1 is "
            "never nearer than 1. The difference of two such terms is universal.",
            nonnegative_branches,
        ),
        KnownError("f is 2-homogeneous for positive factors only, and its second derivative in theta has jumps."),
    ),
    remark="The promise is for every eps > 0 and every target. Remark H.2's example for Theorem 6.2 normalises its "
    "two weights one by one; near theta_2 = 0 or theta_3 = 0 H_r does not converge in C^1, so that its condition at "
    "infinity is not covered (re-derived): normalise them jointly.",
)

# --- global convergence ----------------------------------------------------------------------------------------------


def order_is_kept(edition: Edition) -> Obligation:
    """A layer keeps u < v: their distance is at least 1 - K / L times what it was."""
    before, after = Symbol("u", positive=True), Symbol("v", real=True)
    return Obligation(
        "order",
        "Two states u apart are v apart after one more layer, and v is positive.",
        given=(
            *(c.relation for c in edition.assumes if c.relation is not None),
            Ge(after, before - layer_lipschitz * before / depth),
        ),  # fmt: skip
        claim=Gt(after, 0, evaluate=False),
        planted=Ge(after, before),
    )


order = Statement(
    "Labels on a line",
    "outputs of residual networks on a line keep the order of their inputs, whatever the weights",
    ON_A_LINE,
    "any weights",
    identifier="ding2022-obstruction",
    concludes="existence",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                hypothesis("increasing output", "g increases, such as g(z) = z, and inputs are numbers"),
                Condition("layers", Gt(depth, layer_lipschitz)),
            ),
            promises=(Promise("floor", Ge(loss, floor)),),
            reason="Layers z + F(z) / L with a K-Lipschitz F increase where K < L; so does the limit, always.",
            arguments=(order_is_kept,),
        ),
    ),
    remark="A lower bound, not a claim of the paper. The loss is the mean of (1/2)(g - y)^2; its floor is exact, and "
    "zero is reported in two or more dimensions, where nothing follows.",
)


def crossed_labels() -> Verdict:
    """Labels (1, -1) at (-1, 1), g(z) = z: all flow maps keep E >= 1/2; eps = 1/4."""
    inputs = [-1, 1]
    return compare(increasing_floor(inputs, [-x for x in inputs]), "<=", Fraction(1, 4))


def _corrected(*assumed: Condition) -> Edition:
    return Edition(
        "corrected",
        Mark.REDERIVED,
        assumes=(*assumed, ATTAINED),
        promises=(FIT,),
        reason="Convergence needs labels that a flow map attains, which can be decided on a line.",
    )


TWO = (
    *ASSUMPTIONS,
    CONVERGES,
    hypothesis("2-homogeneous", "f(x, c theta) = c^2 f(x, theta), k_1 = k: the support of the start is bounded"),
    hypothesis(
        "separation",
        "for one t_0 the support of rho_ini(., t_0) meets every path from the sphere of radius r_a to that of radius "
        "r_b, 0 < r_a < r_b",
    ),
    hypothesis("regularity", "dE/drho (., t_0) at rho_inf is Sard-regular on the unit sphere"),
)

separated = Statement(
    "Lemmas H.2 and H.3",
    "a start that separates two spheres, or two half-spaces, does so at every later pseudo-time",
    NETWORKS,
    "mean-field flow",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(GROWTH, DATA, ADMISSIBLE, hypothesis("separation", "the start separates at one time t_0")),
            promises=(Promise("velocity near the origin", Le(velocity, C * theta_norm)),),
        ),
    ),
    remark="A velocity of that size moves no particle to the origin in finite time, so that the support is only "
    "deformed: for Theorem 6.1 in theta, for Theorem 6.2 in theta_1. C grows with the pseudo-time.",
)

two_homogeneous = Statement(
    "Theorem 6.1",
    "2-homogeneous branches: if the mean-field flow converges, its limit has zero loss",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-two-homogeneous",
    concludes="exact fit",
    editions=(Edition("printed", Mark.READ, assumes=TWO, promises=(FIT,)), _corrected(*TWO)),
    rests_on=(stationary, separated, example),
    errors=(
        KnownError(
            "A C^2 f that is 2-homogeneous is quadratic in theta and not universal: read to the letter, no f meets "
            "the assumptions. C^2 away from theta = 0 is meant.",
            quadratic_branches,
        ),
    ),
    remark="Convergence of the law is assumed, and nothing is said of a rate. No layer is trained but the branches.",
)

ONE = (
    *ASSUMPTIONS,
    CONVERGES,
    hypothesis(
        "partially 1-homogeneous",
        "f(x, theta) = theta_1 h(x, theta_2), theta_1 a number, k_1 = 1, h bounded and Lipschitz with a Lipschitz "
        "differential for x in any ball",
    ),
    hypothesis(
        "separation",
        "for one t_0 the support of rho_ini(., t_0) meets every path from theta_1 = -r_0 to theta_1 = r_0",
    ),
    hypothesis("regularity", "dE/drho ((1, .), t_0) at rho_inf is Sard-regular"),
    hypothesis(
        "regularity at infinity",
        "H_r(u) = dE/drho ((1, r u), t_0) converges in C^1 of the sphere for every law, to a function that at rho_inf "
        "is Sard-regular; regular values common to both are dense in the intersection of the ranges",
    ),
)

partially_homogeneous = Statement(
    "Theorem 6.2",
    "partially 1-homogeneous branches: if the mean-field flow converges, its limit has zero loss",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-partially-homogeneous",
    concludes="exact fit",
    editions=(Edition("printed", Mark.READ, assumes=ONE, promises=(FIT,)), _corrected(*ONE)),
    rests_on=(stationary, separated),
    errors=(
        KnownError(
            "Definition 4.2, taken to the letter, bounds theta_2 on the support of the start; such a support "
            "separates nothing, for a path goes round it. It is to bound theta_1 only."
        ),
    ),
    remark="Convergence of the law is assumed, and nothing is said of a rate. An example that meets every other "
    "assumption opens this file.",
)

network = Statement(
    "Theorem 3.1",
    "a residual network that is wide and deep enough, trained long enough, has small loss",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-network",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                hypothesis("Theorem 6.1 or 6.2", "all that one of them assumes, convergence of the law included"),
                Condition("time", Gt(s, enough_time)),
                Condition("width", Gt(m, at_that_time / (eps**2 * delta))),
                Condition("layers", Gt(depth, at_that_time / eps)),
            ),
            promises=(Promise("loss", Le(loss, eps)),),
        ),
    ),
    rests_on=(two_homogeneous, partially_homogeneous),
    errors=(
        KnownError(
            "Width and depth are called algebraic in eps, with M L = O(eps^-3). That holds at a fixed time; the time "
            "depends on eps in an unknown way, and C on the time."
        ),
    ),
    remark="With probability 1 - delta at each such time. For the flow M L times as fast: nothing about steps of "
    "descent, batches or noise.",
)

abstract = Statement(
    "Abstract",
    "large residual networks with homogeneous branches find minimisers that fit the data",
    NETWORKS,
    "mean-field flow",
    identifier="ding2022-abstract",
    concludes="error floor",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                hypothesis("homogeneous branches", "f is 2-homogeneous or partially 1-homogeneous in the weights"),
                Condition("width", Ge(m, unspecified("poly_M", 1 / eps, 1 / delta))),
                Condition("layers", Ge(depth, unspecified("poly_L", 1 / eps, 1 / delta))),
            ),
            promises=(Promise("loss", Le(loss, eps)),),
        ),
    ),
    rests_on=(network, order),
    errors=(
        KnownError(
            "The theorem behind it assumes that the law converges. Without that it is false: two crossed labels on a "
            "line keep E >= 1/2 in the limit for all time, and networks of any width as long as the mean of each "
            "layer's branches has a Lipschitz constant below L.",
            crossed_labels,
        ),
    ),
    remark="Encoded to be told apart from Theorem 3.1, which is conditional.",
)

PAPER = replace(
    ding2022_limit.PAPER,
    statements=(
        adjoint_stays,
        stationary,
        example,
        order,
        separated,
        two_homogeneous,
        partially_homogeneous,
        network,
        abstract,
    ),
    part="global convergence (Sections 3 and 6, Appendix H)",
    remark="Read in the version submitted to ICLR 2022, whose numbers are used; later ones may have mended it.",
)
