r"""Du, Lee, Li, Wang and Zhai (ICML 2019): the Gram matrix at the start, Appendices E to G. arXiv 1811.03804.

How far the random features of each layer are from their infinite-width limit K^(h) (Theorem E.1), what that means for
the Gram matrix (Lemma E.1), and why the limit is positive definite (Propositions F.1 and F.2). These are shared by the
theorems on fully-connected, residual and convolutional networks.
"""

from __future__ import annotations

from functools import partial

import flint
from sympy import Ge, Gt, Le, Symbol, exp, log, sqrt
from sympy import Rational as Q

from bounds.activations import SOFTPLUS
from bounds.arithmetic import PRECISION, Enclosure, Verdict, compare
from bounds.papers import _du2019_deep as shared
from bounds.papers import _du2019_deep_steps as steps
from bounds.papers._du2019_deep import SMOOTH, C, H, c
from bounds.papers._du2019_gaussian_steps import (
    along_the_segment,
    diagonal,
    off_diagonal,
    one_more_factor,
    relative,
    root,
    size,
)
from bounds.proofs import Obligation
from bounds.quantities import (
    at_zero,
    delta,
    initial_gram_deviation,
    lambda_0,
    lipschitz,
    m,
    n,
    quantity,
    residual_scale,
    separation,
    smoothness,
    unspecified,
)
from bounds.settings import FullyConnected, ResNet
from bounds.statements import POSITIVE, UNIT_ROWS, Condition, Edition, KnownError, Mark, Promise, Statement, hypothesis

of_plain = partial(Statement, setting=FullyConnected(), dynamics="any weights", for_all=("depth", "activation"))
of_residual = partial(
    Statement, setting=ResNet(), dynamics="any weights", for_all=("depth", "activation", "residual_scale")
)

entry_error = quantity(
    "K_dev",
    "largest distance of an inner product of initial features from its limit, over inputs and layers",
    latex=r"\max_h\lVert\hat K^{(h)}-K^{(h)}\rVert_\infty",
    nonnegative=True,
)
gram_entry_error = quantity(
    "M_dev",
    "largest distance of an entry of the initial Gram matrix from its limit, over inputs",
    latex=r"\max_{i,j}\lvert G^{(H)}_{ij}(0)-K^{(H)}_{ij}\rvert",
    nonnegative=True,
)
norm_bound = quantity("c_w0", "bound on the norm of a Gaussian matrix over sqrt(m)", latex=r"c_{w,0}")
aspect = quantity("c_col", "columns of the matrix over its rows", latex=r"c")
failure = quantity("P_w", "probability that the norm of the matrix exceeds the bound", latex=r"P", nonnegative=True)
pair_eigenvalue = quantity(
    "l_last",
    "least eigenvalue of a pair of inputs in K^(H-1)",
    latex=r"\lambda_{\min}(K^{(H-1)}_{ij})",
    nonnegative=True,
)
first_pair = quantity(
    "l_first", "least eigenvalue of a pair of inputs in K^(0)", latex=r"\lambda_{\min}(K^{(0)}_{ij})", nonnegative=True
)
pair_covariance = quantity(
    "l_cov",
    "least eigenvalue of a pair of inputs in K^(1) - b^(1) b^(1)T",
    latex=r"\lambda_{\min}((K^{(1)}-b^{(1)}b^{(1)\top})_{ij})",
    nonnegative=True,
)
depth_free = quantity("kappa_0", "a constant of data and activation that does not depend on depth", latex=r"\kappa")
product_distance = quantity(
    "D_prod", "Frobenius distance of the products", latex=r"\lVert\prod A_i-\prod B_i\rVert_F", nonnegative=True
)
mean_change = quantity(
    "E_1", "change of E s(z), z ~ N(0, a), with a", latex=r"\lvert\Delta\mathrm{E}\sigma(z)\rvert", nonnegative=True
)
product_change = quantity(
    "E_2",
    "change of E s(u) s(v), (u, v) ~ N(0, A), with A",
    latex=r"\lvert\Delta\mathrm{E}\sigma(u)\sigma(v)\rvert",
    nonnegative=True,
)
derivative_change = quantity(
    "E_3",
    "change of E s'(u) s'(v), (u, v) ~ N(0, A), with A",
    latex=r"\lvert\Delta\mathrm{E}\sigma'(u)\sigma'(v)\rvert",
    nonnegative=True,
)
variance_change = quantity("d_a", "distance of the variances", latex=r"\lvert a-b\rvert", nonnegative=True)
covariance_change = quantity(
    "d_A", "Frobenius distance of the covariances", latex=r"\lVert A-B\rVert_F", nonnegative=True
)
largest_variance = quantity("q_max", "largest diagonal entry of both covariances")
feature_eigenvalue = quantity("l_sigma", "least eigenvalue of the matrix E s(w.z_i) s(w.z_j)", nonnegative=True)
tensor_eigenvalue = quantity(
    "l_tensor", "least eigenvalue of the matrix of inner products of the tensor powers", nonnegative=True
)
slope_eigenvalue = quantity("l_slope", "least eigenvalue of the matrix z_i.z_j E s'(w.z_i) s'(w.z_j)", nonnegative=True)
PROPAGATION = unspecified("E", H, latex=r"\mathcal{E}(H)")

ANALYTIC = hypothesis("analytic activation", "the activation is analytic and no polynomial; the ReLU is neither")
NOT_PARALLEL = Condition("no two inputs parallel", Gt(separation, 0, evaluate=False))

propagation = of_plain(
    "Theorem E.1",
    "inner products of initial features are close to their limits in all layers",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS, SMOOTH),
            promises=(Promise("entries", Le(entry_error, PROPAGATION * sqrt(log(H * n / delta) / m))),),
        ),
    ),
    errors=(
        KnownError(
            "Remark E.7 sets A_h = 0 for fully-connected and 1 for residual networks, against the definition 1 + "
            "max(...), which gives 1 and 2: taken literally, the product grows like 2^H for residual networks."
        ),
        KnownError("Factors 2 of the proof are missing where the product is displayed."),
    ),
    remark="The constant is a product over the layers; no usable explicit form is known for H >= 2. The proof rests on "
    "Lemmas G.3 to G.5.",
)


def entries_bound_the_matrix(edition: Edition) -> Obligation:
    """The norm of a matrix is at most n times its largest entry."""
    norm = n * gram_entry_error
    return Obligation(
        "norm from entries",
        "An n by n matrix has norm at most n times its largest entry.",
        given=(steps.POSITIVE, steps.relation(edition, "entries")),
        claim=Le(norm, lambda_0 / 4),
        planted=Le(norm, Q(99, 100) * lambda_0 / 4),
    )


gram = of_plain(
    "Lemma E.1",
    "if the features are close to their limits, so is the Gram matrix",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                POSITIVE,
                Condition("entries", Le(entry_error, c * lambda_0 / n**2)),
                Condition("width", Ge(m, C * n**2 * log(n / delta) / lambda_0**2)),
            ),
            promises=(Promise("initial Gram matrix near its limit", Le(initial_gram_deviation, lambda_0 / 4)),),
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(POSITIVE, Condition("entries", Le(gram_entry_error, lambda_0 / (4 * n)))),
            promises=(Promise("initial Gram matrix near its limit", Le(initial_gram_deviation, lambda_0 / 4)),),
            reason="The norm of a matrix is at most n times its largest entry, so 1/n suffices in place of 1/n^2, "
            "with which the width would have to be of order n^4.",
            arguments=(entries_bound_the_matrix,),
        ),
    ),
    rests_on=(propagation,),
)


def _positive(name: str, what: str, eigenvalue: Symbol, errors: tuple[KnownError, ...] = ()) -> Statement:
    return of_plain(
        name,
        f"the matrix of {what} of vectors that are not parallel is positive definite",
        editions=(
            Edition(
                "printed",
                Mark.READ,
                assumes=(ANALYTIC, NOT_PARALLEL),
                promises=(Promise("positive least eigenvalue", Gt(eigenvalue, 0, evaluate=False)),),
            ),
        ),
        errors=errors,
    )


tensors = of_plain(
    "Lemma G.6",
    "high tensor powers of vectors that are not parallel are linearly independent",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(NOT_PARALLEL, hypothesis("power", "n vectors, to the n-th tensor power")),
            promises=(Promise("independent", Gt(tensor_eigenvalue, 0, evaluate=False)),),
        ),
        Edition(
            "improved",
            Mark.REDERIVED,
            assumes=(NOT_PARALLEL, hypothesis("power", "n vectors, to the (n - 1)-th tensor power")),
            promises=(Promise("independent", Gt(tensor_eigenvalue, 0, evaluate=False)),),
            reason="Test against the product over j other than i of forms that vanish at z_j and not at z_i.",
        ),
    ),
)

features_positive = _positive(
    "Lemma F.1",
    "products of activations",
    feature_eigenvalue,
    (
        KnownError(
            "The proof uses the feature map s(w.z) z where s(w.z) is meant, and counts derivatives off by one. The "
            "lemma is true: differentiate n - 1 times and use that z_i^(n-1), as tensors, are independent for pairwise "
            "non-parallel z_i."
        ),
    ),
)
slopes_positive = _positive("Lemma F.2", "products of derivatives, times inner products,", slope_eigenvalue)

positivity = of_plain(
    "Proposition F.1",
    "the infinite-width Gram matrix is positive definite",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(ANALYTIC, NOT_PARALLEL),
            promises=(Promise("positive least eigenvalue", Gt(lambda_0, 0, evaluate=False)),),
        ),
    ),
    rests_on=(tensors, features_positive, slopes_positive),
)


def _first_layer_shrinks() -> Verdict:
    """Softplus, two unit inputs at cosine 3/5, H = 2: the pair has 1 - 3/5 in K^(0) and 1 - 0.8765 in K^(1)."""
    with flint.ctx.workprec(PRECISION):
        product = SOFTPLUS.product(1, 1, Enclosure(flint.arb(3) / 5)).ball * SOFTPLUS.normaliser
        return compare(Enclosure(1 - product), ">=", Enclosure(flint.arb(2) / 5))


pairs = of_residual(
    "Lemma F.3",
    "least eigenvalues of pairs do not shrink along identity skips",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_ROWS,),
            promises=(Promise("pairs of the last matrix", Ge(pair_eigenvalue, first_pair)),),
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS,),
            promises=(Promise("pairs of the last matrix", Ge(pair_eigenvalue, pair_covariance)),),
            reason="The first layer is not residual: what is kept from there on is K^(1) - b^(1) b^(1)T, which is "
            "positive and all that Proposition F.2 needs.",
        ),
    ),
    errors=(
        KnownError(
            "False as printed: the proof telescopes down to K^(0), but layer 1 has no skip.",
            _first_layer_shrinks,
        ),
    ),
)

residual_positivity = of_residual(
    "Proposition F.2",
    "for residual networks the least eigenvalue falls with depth no faster than 1 / H^2",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(ANALYTIC, NOT_PARALLEL),
            promises=(Promise("least eigenvalue", Ge(lambda_0, c * residual_scale**2 * depth_free / H**2)),),
        ),
    ),
    rests_on=(pairs,),
)

matrix_norm = of_plain(
    "Lemma G.2",
    "a Gaussian matrix with m rows has norm of order sqrt(m)",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(Condition("bound", Gt(norm_bound, sqrt(aspect) + 1)),),
            promises=(
                Promise(
                    "probability of a larger norm", Le(failure, exp(-((norm_bound - sqrt(aspect) - 1) ** 2) * m / 2))
                ),
            ),
        ),
    ),
    errors=(KnownError("The proof has exp(t^2 / 2) where exp(-t^2 / 2) is meant."),),
)


products = of_plain(
    "Lemma G.1",
    "products of matrices that are close are close",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                hypothesis("norms", "||A_i|| and ||B_i|| are at most M_i, and ||A_i - B_i||_F at most alpha_i M_i"),
            ),
            promises=(Promise("distance", Le(product_distance, relative * size)),),
            arguments=(one_more_factor,),
        ),
    ),
    remark="Its content was read, its wording is recalled.",
)


def _lipschitz_mean(name: str, title: str, change: Symbol, by: Symbol, *others: Edition, error: str = "") -> Statement:
    return of_plain(
        name,
        title,
        editions=(
            Edition(
                "printed",
                Mark.READ,
                assumes=(SMOOTH, hypothesis("variances", "all variances lie between 1/c and c; C depends on c")),
                promises=(Promise("change", Le(change, C * by)),),
            ),
            *others,
        ),
        errors=(KnownError(error),) if error else (),
    )


mean_lipschitz = _lipschitz_mean(
    "Lemma G.3",
    "the mean of an activation is Lipschitz in the variance",
    mean_change,
    variance_change,
    error="The proof writes s(alpha z) where s(sqrt(alpha) z) is meant.",
)
product_lipschitz = _lipschitz_mean(
    "Lemma G.4",
    "the mean of a product of activations is Lipschitz in the covariance",
    product_change,
    covariance_change,
    Edition(
        "explicit",
        Mark.REDERIVED,
        assumes=(SMOOTH,),
        promises=(
            Promise(
                "change",
                Le(
                    product_change,
                    lipschitz**2 * off_diagonal
                    + smoothness * (at_zero + lipschitz * root * shared.MEAN) * diagonal / 2,
                ),
            ),
        ),
        where=((root, sqrt(largest_variance)),),
        reason="Derivatives in the entries of the covariance (Price's theorem) along the segment between the two.",
        arguments=(along_the_segment,),
    ),
)
derivative_lipschitz = _lipschitz_mean(
    "Lemma G.5",
    "the mean of a product of derivatives is Lipschitz in the covariance",
    derivative_change,
    covariance_change,
)

PAPER = shared.paper(
    "the Gram matrix at the start (Appendices E to G)",
    (
        products,
        mean_lipschitz,
        product_lipschitz,
        derivative_lipschitz,
        propagation,
        gram,
        tensors,
        features_positive,
        slopes_positive,
        positivity,
        pairs,
        residual_positivity,
        matrix_norm,
    ),
)
