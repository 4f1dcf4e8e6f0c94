r"""Du, Lee, Li, Wang and Zhai (ICML 2019): convolutional residual networks, Section 7. arXiv 1811.03804.

As for residual networks, with every W^(h) acting on patches of q pixels (stride 1, padded with zeros), of which an
image has p: ||x||_F <= ||phi(x)||_F <= sqrt(q) ||x||_F, and f = <a, x^(H)> with a weight for every channel and pixel.
All bounds carry factors of p and q, which the paper mostly leaves inside poly(p), and no edition with all constants
explicit is known. With one pixel these are the residual networks of Section 6, and whatever is false there is false
here.
"""

from __future__ import annotations

import flint
from flint import arb
from sympy import Ge, Le, Max, exp, log, sqrt

from bounds.activations import TANH
from bounds.arithmetic import PRECISION, Enclosure, Values, Verdict, compare, evaluate, large_constant, small_constant
from bounds.papers import _du2019_deep as shared
from bounds.papers._du2019_deep import (
    KEPT,
    SMOOTH,
    H,
    block_step,
    block_travel,
    feature_drift,
    initial_feature,
    output_step,
    residual_now,
    second_order,
)
from bounds.papers._du2019_deep import feature_norm as c_x
from bounds.papers._du2019_deep import output_norm as a_2
from bounds.papers._du2019_deep import weight_norm as c_w
from bounds.quantities import (
    R,
    delta,
    e_0,
    eta,
    gram_drift,
    k,
    lambda_0,
    m,
    n,
    quantity,
    unspecified,
)
from bounds.quantities import lipschitz as L
from bounds.quantities import normaliser as c_sigma
from bounds.quantities import residual_scale as c_res
from bounds.settings import ConvResNet
from bounds.statements import POSITIVE, Condition, Edition, KnownError, Mark, Promise, Rate, Statement, hypothesis

NETWORKS = ConvResNet()
FREE = ("depth", "activation", "residual_scale", "channels", "patch")

C = large_constant("C")
c = small_constant("c")
pixels = quantity("p", "number of pixels of an image", integer=True)
patch = quantity("q", "number of pixels of a patch", integer=True)
local_normaliser = quantity(
    "c_p", "one over the least E s(alpha z)^2, z ~ N(0, 1), 1/sqrt(p) <= alpha <= 1", latex=r"c_{\sigma,1/\sqrt p}"
)
POLYNOMIAL = unspecified("poly", pixels)

UNIT_IMAGES = hypothesis("unit images", "every image has Frobenius norm 1: rows are normalised exactly")
RATE = Rate(1 - eta * lambda_0 / 2, 2, k)
RATE_SO_FAR = Condition("the rate so far", RATE.promise.relation)
DEVIATION = (1 + sqrt(2 * log(1 / delta))) ** 2

norm_printed = Max(sqrt(patch * c_sigma) * L * c_w, sqrt(2 * local_normaliser / c_sigma)) * exp(
    sqrt(patch) * c_res * c_w * L
)
drift_printed = (sqrt(c_sigma * patch) * L + c_x / c_w) * exp(2 * c_w * L * sqrt(patch) * c_res) * R
backward_printed = c_res * c_x * a_2 * L * sqrt(pixels * patch) * exp(2 * c_res * c_w * L * sqrt(patch)) / H
travel_printed = 16 * backward_printed * sqrt(n) * e_0 / (lambda_0 * sqrt(m))
step_printed = 4 * eta * backward_printed * sqrt(n) * residual_now

# --- Appendix D ------------------------------------------------------------------------------------------------------

initial_norms = Statement(
    "Lemma D.1",
    "the features of the initial network do not explode",
    NETWORKS,
    "any weights",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(UNIT_IMAGES, SMOOTH, Condition("width", Ge(m, C * pixels**2 * n / (local_normaliser**2 * delta)))),
            promises=(Promise("largest feature", Le(initial_feature, norm_printed)),),
        ),
    ),
    errors=(
        KnownError("||s(W x)|| <= L ||W|| ||x|| is used, which needs s(0) = 0; the softplus has s(0) = log 2."),
        KnownError("The upper bound uses ||W^(1)|| <= c_w sqrt(m) as well, which needs q d_0 = O(m)."),
    ),
)

initial_gram = Statement(
    "Lemma D.2",
    "the least eigenvalue of the initial Gram matrix is close to the infinite-width one",
    NETWORKS,
    "any weights",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_IMAGES,
                POSITIVE,
                Condition("width", Ge(m, C * n**2 * pixels**2 * log(H * n / delta) / lambda_0**2)),
            ),
            promises=KEPT,
        ),
    ),
)

INSIDE = Condition("inside", Le(block_travel, R))

drift = Statement(
    "Lemma D.3",
    "features stay near their start while the weights do",
    NETWORKS,
    "any weights",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(Condition("radius", Le(R, c_w)), INSIDE),
            promises=(Promise("feature drift", Le(feature_drift, drift_printed)),),
        ),
    ),
)

gram_stable = Statement(
    "Lemma D.4",
    "the last hidden layer's Gram matrix is stable while the weights stay near their start",
    NETWORKS,
    "any weights",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(Condition("radius", Le(R, c * lambda_0 * H**2 / (n * POLYNOMIAL))), INSIDE),
            promises=(Promise("Gram drift", Le(gram_drift, lambda_0 / 2)),),
        ),
    ),
    rests_on=(drift,),
    errors=(KnownError("Promises lambda_0 / 2, which leaves too little of 3/4 lambda_0: lambda_0 / 4 is needed."),),
)


def _output_layer_counterexample() -> Verdict:
    """The instance of Lemma C.5: one pixel, one channel, one neuron, tanh, H = 10, c_res = 1/10, residual 1.

    W^(1) = 1, all other W^(h) = 0, a = 1: all features are sqrt(c_sigma) tanh(1) <= c_x = 5/4; a_2 = L = 1, and c_w = 3
    bounds all matrices. The first step of a is eta times the last feature; the printed bound is smaller.
    """
    with flint.ctx.workprec(PRECISION):
        step = Enclosure(TANH.normaliser.sqrt() * arb(1).tanh())
    image: Values = {n: 1, pixels: 1, patch: 1}
    network: Values = {H: 10, c_res: Enclosure(arb(1) / 10), c_x: Enclosure(arb(5) / 4), a_2: 1, c_w: 3, L: 1}
    return compare(step, "<=", evaluate(step_printed, {**image, **network, eta: 1, residual_now: 1}))


travel = Statement(
    "Lemma D.5",
    "while the loss follows the rate, every layer stays near its start",
    NETWORKS,
    "gradient descent",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(RATE_SO_FAR,),
            promises=(
                Promise("travel", Le(block_travel, travel_printed)),
                Promise("step of a layer", Le(block_step, step_printed)),
            ),
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(RATE_SO_FAR,),
            promises=(
                Promise("travel", Le(block_travel, C * POLYNOMIAL * sqrt(n) * e_0 / (lambda_0 * sqrt(m)))),
                Promise("step of a layer", Le(block_step, eta * C * POLYNOMIAL * sqrt(n) * residual_now)),
            ),
            reason="As for Lemma C.5: only the branches carry 1 / H.",
        ),
    ),
    rests_on=(drift,),
    errors=(
        KnownError(
            "False as printed, already for one pixel: the bound carries 1 / H, but the gradients of the output layer "
            "and of the first layer do not.",
            _output_layer_counterexample,
        ),
        KnownError("a_2 is printed inside the exponent of R' and Q'; it stands beside the exponential here."),
    ),
)

curvature = Statement(
    "Lemma D.6",
    "the second-order part of a step is small",
    NETWORKS,
    "gradient descent",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(RATE_SO_FAR, Condition("step size", Le(eta, c * lambda_0 * H**2 / (n**2 * POLYNOMIAL)))),
            promises=(Promise("second-order part", Le(second_order, eta * lambda_0 * residual_now / 8)),),
        ),
    ),
    rests_on=(travel,),
)

outputs_move_little = Statement(
    "Lemma D.7",
    "the outputs move little in one step",
    NETWORKS,
    "gradient descent",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(RATE_SO_FAR, Condition("step size", Le(eta, c * lambda_0 * H**2 / (n**2 * POLYNOMIAL)))),
            promises=(Promise("step of the outputs", Le(output_step**2, eta * lambda_0 * residual_now**2 / 8)),),
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(RATE_SO_FAR, Condition("step size", Le(eta, c * lambda_0 / (n**2 * POLYNOMIAL)))),
            promises=(Promise("step of the outputs", Le(output_step**2, eta * lambda_0 * residual_now**2 / 8)),),
            reason="The step of the output layer alone changes the outputs by order eta n ||e||, whatever H is.",
        ),
    ),
    rests_on=(travel,),
)

# --- Theorem 7.1 -----------------------------------------------------------------------------------------------------

descent = Statement(
    "Theorem 7.1",
    "gradient descent trains convolutional residual networks to zero loss at a linear rate",
    NETWORKS,
    "gradient descent",
    identifier="du2019-deep-conv",
    concludes="exact fit",
    for_all=FREE,
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_IMAGES,
                SMOOTH,
                POSITIVE,
                Condition(
                    "width",
                    Ge(
                        m,
                        C
                        * POLYNOMIAL
                        * Max(
                            n**4 / (lambda_0**4 * H**6),
                            n**4 / (lambda_0**4 * H**2),
                            n / delta,
                            n**2 * log(H * n / delta) / lambda_0**2,
                        ),
                    ),
                ),
                Condition("step size", Le(eta, c * lambda_0 * H**2 / (n**2 * POLYNOMIAL))),
            ),
            rate=RATE,
        ),
        Edition(
            "corrected",
            Mark.REDERIVED,
            assumes=(
                UNIT_IMAGES,
                SMOOTH,
                POSITIVE,
                Condition(
                    "width",
                    Ge(
                        m,
                        C
                        * POLYNOMIAL
                        * Max(
                            n**4 * DEVIATION / (lambda_0**4 * H**4),
                            n**2 * DEVIATION / lambda_0**2,
                            n / delta,
                            n**2 * log(H * n / delta) / lambda_0**2,
                        ),
                    ),
                ),
                Condition("step size", Le(eta, c * lambda_0 / (n**2 * POLYNOMIAL))),
            ),
            rate=RATE,
            reason="As for Theorem 6.1; and the second term, printed n^4 / (lambda_0^4 H^2), comes from the same "
            "condition as n^2 / (lambda_0^2 H^2) there.",
        ),
    ),
    rests_on=(initial_norms, initial_gram, gram_stable, travel, curvature, outputs_move_little),
    errors=(
        KnownError("The width and the step rest on Lemma D.5, which is false: see the corrected edition."),
        KnownError(
            "Definition 7.1: K^(1) is not summed over patches, the patch matrix stands where the pixel matrix "
            "belongs, the covariance index and the pairing of b are those of Definition 6.1, and a factor c_res^2 / "
            "H^2 is missing. lambda_0 here is that of the corrected matrix."
        ),
    ),
    remark="No edition with explicit constants is known: nobody has made poly(p) explicit.",
)

PAPER = shared.paper(
    "convolutional residual networks (Section 7, Appendix D)",
    (initial_norms, initial_gram, drift, gram_stable, travel, curvature, outputs_move_little, descent),
)
