r"""Nguyen and Mondelli (NeurIPS 2020): deep networks with one wide layer followed by a pyramid. arXiv 2002.07867.

F_0 = X (N by d), F_l = s(F_{l-1} W_l), F_L = F_{L-1} W_L, loss Phi = 1/2 |F_L - Y|^2, all layers trained; the first has
at least N neurons and later ones never widen. s' lies in [gamma, 1] and is beta-Lipschitz, and |s(x)| <= |x|. With the
matrices of the start, l_F = sigma_min(s(X W_1)), l_k = sigma_min(W_k), b_k = ||W_k|| for k >= 3 and b_k = (2/3)(1 +
||W_k||) for k = 1, 2; P_l and P_b are the products of l_k and b_k over k >= 3, r_k the residual. The argument, with
constants:

1. While |W_k - W_k(0)| <= 1 for k = 1, 2 and <= l_k / 2 for k >= 3, all ||W_k|| <= (3/2) b_k and sigma_min(W_k) >=
   l_k / 2, as l_k <= ||W_k(0)||. If |W_1 - W_1(0)| <= l_F / (2 ||X||), then sigma_min(F_1) >= l_F / 2, as s is
   1-Lipschitz.
2. The gradient in W_2 is F_1^T G, where G is the residual led back through layers L to 3. In a pyramid each loses at
   most a factor gamma l_k / 2: |grad|^2 >= (l_F/2)^2 (gamma/2)^{2(L-2)} P_l^2 |r|^2 = 2 alpha_0 Phi.
3. The gradient in W_k is at most |X|_F |r| times the other layers' norms, (3/2)^{L-1} (prod b) / b_k. As |r| shrinks by
   sqrt(1 - eta alpha_0) in a step, and eta / (1 - sqrt(1 - eta alpha_0)) <= 2 / alpha_0, layer k travels at most
   (2 / alpha_0) (3/2)^{L-1} |X|_F ((prod b) / b_k) |r_0|. N1 and N2 say that this is within the room of 1.
4. Let w_k = max(1, (3/2) b_k) and R their product. In a direction V with |V| = 1, |F_L'| <= |X|_F (3/2)^{L-1} (prod b)
   sqrt(sum 1/b_k^2). Inner derivatives are at most |X|_F sqrt(l) prod_{i<=l} w_i, each activation adds beta times the
   square of its own, and two layers at once give |X|_F R (sum_{j != l} |V_j| |V_l|) <= (L-1) |X|_F R:

       |F_L''| <= (L-1) |X|_F R (1 + L beta |X|_F R / 2).

   So the gradient of Phi has, where |r| <= |r_0|, the Lipschitz constant Q = |F_L'|^2 + |r_0| |F_L''|. For eta <= 1/Q
   the loss falls along the step by eta |grad|^2 / 2, at least the share eta alpha_0, and |r| <= |r_0| all along it.

The paper's own constant Q_0 is recalled, unsure, with L^(3/2) in place of L and L - 1 and without the last 1/2: a
smaller step, which this argument covers as well.
"""

from __future__ import annotations

from sympy import Expr, Ge, Le, Lt, Max, Symbol
from sympy import Rational as Q

from bounds import linalg
from bounds.arithmetic import Enclosure, large_constant
from bounds.papers._systems import assumed, promised
from bounds.problem import Problem
from bounds.proofs import Obligation
from bounds.quantities import e_0, eta, k, m, n, quantity
from bounds.settings import Family, Network
from bounds.statements import STEP_NOT_READ, Condition, Edition, Mark, Paper, Promise, Rate, Statement, hypothesis

PYRAMID = Family(
    "deep networks F_l = s(F_(l-1) W_l), F_L = F_(L-1) W_L, first width m, then widths that never grow",
    start="any",
    trained="all",
    network=Network("nguyen2020-pyramid"),
)
LECUN = Family(
    "deep networks F_l = s(F_(l-1) W_l), F_L = F_(L-1) W_L, first width m, then constant widths that never grow",
    start="LeCun: W_l ~ N(0, 1/n_(l-1))",
    trained="all",
    network=Network("nguyen2020-pyramid", (("start", "lecun"),)),
)


def _frobenius(problem: Problem) -> Enclosure:
    return linalg.frobenius_norm(problem.X)


def _spectral(problem: Problem) -> Enclosure:
    return linalg.spectral_norm(problem.X)


L = quantity("L", "number of layers", integer=True, measured_by="number of layers")
gamma = quantity("gamma", "least slope of the activation", latex=r"\gamma", measured_by="least slope of the activation")
beta = quantity(
    "beta",
    "Lipschitz constant of the activation's derivative",
    latex=r"\beta",
    nonnegative=True,
    measured_by="smoothness of the pyramid's activation",
)
X_F = quantity("X_F", "Frobenius norm of the inputs as stored", latex=r"\lVert X\rVert_F", value=_frobenius)
X_2 = quantity("X_2", "spectral norm of the inputs as stored", latex=r"\lVert X\rVert", value=_spectral)
l_F = quantity(
    "l_F",
    "least singular value of the first layer's features at the start",
    latex=r"\lambda_F",
    measured_by="first least singular value of the first features",
)
least = quantity(
    "P_l",
    "product of the least singular values of W_3 .. W_L at the start",
    latex=r"\lambda_{3\to L}",
    measured_by="product of least singular values",
)
norms = quantity(
    "P_b",
    "product of the norms of W_3 .. W_L at the start",
    latex=r"\bar\lambda_{3\to L}",
    measured_by="product of norms",
)
b_1 = quantity(
    "b_1", "two thirds of 1 + ||W_1|| at the start", latex=r"\bar\lambda_1", measured_by="room of the first layer"
)
b_2 = quantity(
    "b_2", "two thirds of 1 + ||W_2|| at the start", latex=r"\bar\lambda_2", measured_by="room of the second layer"
)
l_k = quantity(
    "l_k",
    "least singular value of a layer's matrix at the start, from the third on",
    latex=r"\lambda_k",
    measured_by="least singular value of a later layer",
)
b_k = quantity(
    "b_k",
    "norm of a layer's matrix at the start, from the third on",
    latex=r"\bar\lambda_k",
    measured_by="norm of a later layer",
)
least_product = quantity(
    "q",
    "least product of norm and least singular value of W_3 .. W_L at the start",
    latex=r"\min\lambda_k\bar\lambda_k",
    measured_by="least product of a later layer",
)
least_norm = quantity(
    "b_min",
    "least of b_1, b_2 and the norms of W_3 .. W_L",
    latex=r"\min_k\bar\lambda_k",
    measured_by="least norm of the layers",
)
growth = quantity(
    "R_w", "product over layers of the larger of 1 and 3/2 b_k", latex="R", measured_by="growth of the layers"
)
travel_1 = quantity(
    "T_1", "distance of W_1 from its start, Frobenius norm", nonnegative=True, measured_by="travel of the first layer"
)
travel_2 = quantity(
    "T_2", "distance of W_2 from its start, Frobenius norm", nonnegative=True, measured_by="travel of the second layer"
)
travel_k = quantity(
    "T_l",
    "distance of a later layer's matrix from its start, Frobenius norm",
    nonnegative=True,
    measured_by="travel of the later layers",
)
features = quantity(
    "l_F1",
    "least singular value of the first layer's features in training",
    nonnegative=True,
    measured_by="least singular value of the first features",
)
alpha_0 = quantity("alpha_0", "constant of the PL inequality", latex=r"\alpha_0")
smooth = quantity("Q_0", "Lipschitz constant of the gradient of the loss along the steps")
C = large_constant("C", logarithms=True)

alpha = 4 / gamma**4 * (gamma**2 / 4) ** L * l_F**2 * least**2
common = gamma**4 / 3 * (6 / gamma**2) ** L * X_F * e_0 * norms / least**2
N1 = Condition("N1", Ge(l_F**2, common * Max(2 * b_1 * b_2 / least_product, b_1, b_2)))
N2 = Condition("N2", Ge(l_F**3, 2 * X_2 * common * b_2))
jacobian = Q(3, 2) ** (2 * (L - 1)) * (X_F * b_1 * b_2 * norms / least_norm) ** 2
smooth_printed = L ** Q(3, 2) * (jacobian + X_F * (1 + L * beta * X_F * growth) * growth * e_0)
smooth_explicit = L * jacobian + (L - 1) * X_F * (1 + L * beta * X_F * growth / 2) * growth * e_0

SHAPE = hypothesis(
    "pyramid", "at least N neurons in the first layer, then widths that never grow; s' in [gamma, 1], |s(x)| <= |x|"
)
STEP = (Condition("step size", Lt(eta, 1 / alpha_0)), Condition("smoothness", Lt(eta, 1 / smooth)))
_six, _four, _g, _z, _r, _rest = (Symbol(name, positive=True) for name in ("6L", "4L", "g2L", "z", "r", "P"))


def _short(expression: Expr) -> Expr:
    """Powers in the depth as symbols; (3/2)^L is 6^L / 4^L."""
    powers = {
        (6 / gamma**2) ** L: _six / _g,
        (gamma**2 / 4) ** L: _g / _four,
        Q(3, 2) ** (L - 1): 2 * _six / (3 * _four),
    }
    return expression.subs(powers)


def geometric_sum(edition: Edition) -> Obligation:
    """Steps times residuals add up to 2 / alpha_0 times the first residual."""
    reach = _short(promised(edition, "W_1")) / _short(X_F * e_0 * Q(3, 2) ** (L - 1) * b_2 * norms)
    return Obligation(
        "sum of the steps",
        "With z^2 = 1 - eta alpha_0 the factor of the residual, eta / (1 - z) <= 2 / alpha_0.",
        given=(Lt(_z, 1), Le(eta * alpha_0, 1 - _z**2)),
        claim=Le(eta / (1 - _z), reach),
        planted=Le(eta / (1 - _z), Q(9, 10) * reach),
    )


travel_bound = 2 / alpha_0 * Q(3, 2) ** (L - 1) * X_F * e_0

layers = Statement(
    "Travel of the layers",
    "a layer travels no further than the sum of its gradients",
    PYRAMID,
    "gradient descent",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                hypothesis("decay so far", "Phi_j <= (1 - eta alpha_0)^j Phi_0 and ||W_l|| <= 3/2 b_l up to now"),
                Condition("step size", Lt(eta, 1 / alpha_0)),
            ),
            promises=(
                Promise("W_1", Le(travel_1, travel_bound * b_2 * norms)),
                Promise("W_2", Le(travel_2, travel_bound * b_1 * norms)),
                Promise("later layers", Le(travel_k, travel_bound * b_1 * b_2 * norms / b_k)),
            ),
            reason="Step 3 in this file.",
            arguments=(geometric_sum,),
        ),
    ),
)


def _within(name: str, layer: str, condition: Condition, room: Expr) -> Obligation:
    """The travel of a layer is within its room, as the larger of the terms of the condition."""
    bound = promised(layers.editions[0], layer)
    relation = condition.relation
    assert relation is not None
    asked, room_given = relation, (Ge(l_k * b_k, least_product),) if layer == "later layers" else ()
    travelled = _short(bound.subs(alpha_0, alpha))
    return Obligation(
        name,
        "The layer's travel, with alpha_0 written out, is within the room that step 1 leaves it.",
        given=(Ge(asked.lhs, _short(asked.rhs)), *room_given),
        claim=Le(travelled, room),
        planted=Le(travelled, Q(9, 10) * room),
    )


def _condition(edition: Edition, name: str) -> Condition:
    return next(condition for condition in edition.assumes if condition.name == name)


def first_layer(edition: Edition) -> Obligation:
    """N1 keeps W_1 within its room."""
    return _within("room of W_1", "W_1", _condition(edition, "N1"), promised(edition, "W_1"))


def second_layer(edition: Edition) -> Obligation:
    """N1 keeps W_2 within its room."""
    return _within("room of W_2", "W_2", _condition(edition, "N1"), promised(edition, "W_2"))


def later_layers(edition: Edition) -> Obligation:
    """N1 keeps each W_k, k >= 3, within half its least singular value."""
    return _within("room of later layers", "later layers", _condition(edition, "N1"), promised(edition, "later layers"))


def first_features(edition: Edition) -> Obligation:
    """N2 keeps W_1 so near that the features lose at most half of their least singular value."""
    return _within(
        "room of the features", "W_1", _condition(edition, "N2"), (l_F - promised(edition, "features")) / X_2
    )


def gradient(edition: Edition) -> Obligation:
    """What the first features and later layers keep gives the PL inequality with alpha_0."""
    kept = promised(edition, "features") ** 2 * 16 / gamma**4 * (gamma**2 / 4) ** L * least**2
    claimed = dict(edition.where)[alpha_0]
    return Obligation(
        "gradient",
        "(l_F/2)^2 (gamma/2)^(2(L-2)) P_l^2 |r|^2 >= 2 alpha_0 Phi, as Phi = |r|^2 / 2.",
        given=(Ge(_rest, _short(kept * _r**2)),),
        claim=Ge(_rest, _short(claimed) * _r**2),
        planted=Ge(_rest, Q(11, 10) * _short(claimed) * _r**2),
    )


def one_step(edition: Edition) -> Obligation:
    """A step below 1/Q_0 lowers the loss by at least its share eta alpha_0."""
    assert edition.rate is not None
    after = _r**2 - 2 * eta * _rest**2 * (1 - eta * smooth / 2)
    return Obligation(
        "one step",
        "|r_+|^2 <= |r|^2 - 2 eta |grad|^2 (1 - eta Q_0 / 2), and |grad|^2 >= alpha_0 |r|^2.",
        given=(assumed(edition, "smoothness"), Ge(_rest**2, alpha_0 * _r**2)),
        claim=Le(after, edition.rate.factor * _r**2),
        planted=Le(after, (1 - Q(11, 10) * (1 - edition.rate.factor)) * _r**2),
    )


RATE = Rate(1 - eta * alpha_0, 2, k)

wide = Statement(
    "Convergence with one wide layer",
    "one layer of width N, then a pyramid, lets gradient descent reach zero loss",
    PYRAMID,
    "gradient descent",
    identifier="nguyen2020-pyramid",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(SHAPE, Condition("width", Ge(m, n)), N1, N2, *STEP),
            rate=RATE,
            where=((alpha_0, alpha), (smooth, smooth_printed)),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(SHAPE, Condition("width", Ge(m, n)), N1, N2, *STEP),
            promises=(
                Promise("W_1", Le(travel_1, 1)),
                Promise("W_2", Le(travel_2, 1)),
                Promise("later layers", Le(travel_k, l_k / 2)),
                Promise("features", Ge(features, l_F / 2)),
            ),
            rate=RATE,
            reason="The four steps in this file: the recalled N1, N2 and alpha_0 with a step of its own.",
            arguments=(first_layer, second_layer, later_layers, first_features, gradient, one_step),
            where=((alpha_0, alpha), (smooth, smooth_explicit)),
        ),
    ),
    rests_on=(layers,),
    remark="Descent, exact fit, all layers, loss half the sum of squares over all outputs. N1 and N2 can be met with "
    "exactly N neurons: W_2 = 0 and later matrices a large multiple of semi-orthogonal ones; the certified steps are "
    "then tiny. In print the step's Q_0 is from memory only.",
)

lecun = Statement(
    "LeCun's initialisation",
    "under LeCun's initialisation the one wide layer has N^2 neurons",
    LECUN,
    "gradient descent",
    identifier="nguyen2020-lecun",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(SHAPE, STEP_NOT_READ, Condition("width", Ge(m, C * n**2))),
        ),
    ),
    rests_on=(wide,),
    remark="Read in the abstract: an order, with its probability and its assumptions on the data, depth and labels "
    "left out.",
)

PAPER = Paper(
    key="nguyen2020pyramidal",
    authors=("Nguyen, Quynh", "Mondelli, Marco"),
    title="Global convergence of deep networks with one wide layer followed by pyramidal topology",
    year=2020,
    venue="Advances in Neural Information Processing Systems (NeurIPS) 33",
    arxiv="2002.07867",
    statements=(layers, wide, lecun),
    remark="Its abstract was read; the conditions are from memory, and re-derived line by line.",
)
