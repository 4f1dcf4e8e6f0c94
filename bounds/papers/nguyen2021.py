r"""Nguyen (ICML 2021): deep ReLU networks with one wide layer, trained by gradient descent. arXiv 2101.09612.

F_0 = X, F_l = s(F_{l-1} W_l), F_L = F_{L-1} W_L, loss 1/2 |F_L - Y|^2, all layers trained; s is 1-Lipschitz with s(0) =
0, such as the ReLU, and its slope at a kink may be taken anywhere in [0, 1]. Only the last hidden layer is wide. The
argument, re-derived, needs no smoothness and counts no flips. Let a_0 = sigma_min(F_{L-1}) at the start, layer l have
room C_l > 0, w_l = ||W_l|| + C_l with the matrix of the start, P their product and S = sum_{l < L} w_l^(-2).

1. While layers keep to their rooms, the gradient in W_l is at most |X|_F (P / w_l) |r|, and features of the last hidden
   layer, of norm at most |X|_F P / w_L, move by at most |X|_F sum_{l < L} (P / (w_l w_L)) |W_l - W_l'|.
2. r_+ = (I - eta F_{L-1} F_{L-1}^T) r + (F_{L-1}^+ - F_{L-1}) W_L^+. While sigma_min(F_{L-1}) >= a_0 / 2 and eta
   ||F_{L-1}||^2 <= 1, the first part is at most (1 - eta a_0^2 / 4) |r|; the second is at most eta |X|_F^2 P^2 S |r|,
   and this at most eta a_0^2 / 8 |r| by the first condition: |r_+| <= (1 - eta a_0^2 / 8) |r|.
3. The sum of eta |r_j| is at most 8 |r_0| / a_0^2. So layer l travels at most (8 / a_0^2) |X|_F (P / w_l) |r_0|, within
   its room by the second condition, and the features move by at most (8 / a_0^2) |X|_F^2 (P^2 / w_L) S |r_0| <= a_0 / 2
   by the third.

The printed conditions are recalled to have the same shape, quadratic and cubic in a_0, with other constants.
"""

from __future__ import annotations

from sympy import Ge, Le, Symbol
from sympy import Rational as Q

from bounds.arithmetic import large_constant, small_constant
from bounds.papers._systems import assumed, promised
from bounds.papers.nguyen2020 import X_F
from bounds.proofs import Obligation
from bounds.quantities import e_0, eta, k, m, n, quantity
from bounds.settings import Family, Network
from bounds.statements import STEP_NOT_READ, Condition, Edition, Mark, Paper, Promise, Rate, Statement

NETWORKS = Family(
    "deep ReLU networks F_l = s(F_(l-1) W_l), F_L = F_(L-1) W_L, last hidden width m",
    start="any",
    trained="all",
    network=Network("nguyen2020-pyramid", (("activation", "relu"), ("start", "lecun"))),
)
RANDOM = Family(
    "deep ReLU networks F_l = s(F_(l-1) W_l), F_L = F_(L-1) W_L, one wide layer of width m",
    start="random, of several kinds",
    trained="all",
)

a_0 = quantity(
    "a_0",
    "least singular value of the last hidden layer's features at the start",
    latex=r"\sigma_{\min}(F_{L-1})",
    measured_by="first least singular value of the last features",
)
product = quantity(
    "P_w",
    "product over layers of the norm at the start plus the room",
    latex=r"\bar\lambda_{1\to L}",
    measured_by="product of norms and rooms",
)
last = quantity(
    "w_L",
    "norm of the last layer's matrix at the start plus its room",
    latex=r"\bar\lambda_L",
    measured_by="last norm and room",
)
inverse_squares = quantity(
    "S_w",
    "sum over layers but the last of 1 / (norm at the start plus room)^2",
    latex="S",
    measured_by="inverse squares of norms and rooms",
)
tightest = quantity(
    "G_w", "largest of 1 / (room (norm at the start plus room)) over all layers", latex="G", measured_by="tightest room"
)
layer = quantity("w_l", "norm of a layer's matrix at the start plus its room", latex=r"\bar\lambda_l")
room = quantity("C_l", "room of a layer's matrix", latex="C_l", measured_by="room")
travel_l = quantity(
    "T_l", "distance of a layer's matrix from its start, Frobenius norm", nonnegative=True, measured_by="layer travel"
)
features = quantity(
    "a_k",
    "least singular value of the last hidden layer's features in training",
    nonnegative=True,
    measured_by="least singular value of the last features",
)
C, C_1, C_2, c = large_constant("C"), large_constant("C_1"), large_constant("C_2"), small_constant("c")

_r, _part = Symbol("r", positive=True), Symbol("p", positive=True)

WIDE = Condition("width", Ge(m, n))


def first_part(edition: Edition) -> Obligation:
    """The step bound keeps I - eta F F^T positive."""
    largest = (X_F * product / last) ** 2
    return Obligation(
        "step",
        "eta ||F||^2 <= 1 for features of the last hidden layer, of norm at most |X|_F P / w_L.",
        given=(assumed(edition, "step size"), Le(_part, largest)),
        claim=Le(eta * _part, 1),
        planted=Le(eta * _part, Q(99, 100)),
    )


def one_step(edition: Edition) -> Obligation:
    """Descent on the last layer outweighs the motion of the features."""
    assert edition.rate is not None
    kept = 1 - eta * promised(edition, "features") ** 2
    after = (kept + eta * X_F**2 * product**2 * inverse_squares) * _r
    return Obligation(
        "one step",
        "|r_+| <= (1 - eta a^2) |r| + eta |X|_F^2 P^2 S |r|, with a what the features keep.",
        given=(assumed(edition, "last layer prevails"),),
        claim=Le(after, edition.rate.factor * _r),
        planted=Le(after, (1 - Q(101, 100) * (1 - edition.rate.factor)) * _r),
    )


def within_room(edition: Edition) -> Obligation:
    """No layer leaves its room."""
    assert edition.rate is not None
    steps = eta / (1 - edition.rate.factor) * e_0
    travelled = steps * X_F * product / layer
    allowed = promised(edition, "layers")
    return Obligation(
        "room of a layer",
        "Steps times residuals sum to eta |r_0| / (1 - factor), and the gradient is at most |X|_F (P / w_l) |r|.",
        given=(assumed(edition, "room"), Le(1 / (layer * room), tightest)),
        claim=Le(travelled, allowed),
        planted=Le(travelled, Q(99, 100) * allowed),
    )


def features_keep(edition: Edition) -> Obligation:
    """The features keep half of their least singular value."""
    assert edition.rate is not None
    steps = eta / (1 - edition.rate.factor) * e_0
    moved = steps * X_F**2 * product**2 / last * inverse_squares
    loss = a_0 - promised(edition, "features")
    return Obligation(
        "features",
        "The features move by at most |X|_F^2 (P^2 / w_L) S times the sum of steps times residuals.",
        given=(assumed(edition, "features"),),
        claim=Le(moved, loss),
        planted=Le(moved, Q(99, 100) * loss),
    )


wide = Statement(
    "Convergence with one wide layer",
    "a last hidden layer of full rank lets gradient descent on all layers reach zero loss",
    NETWORKS,
    "gradient descent",
    identifier="nguyen2021-relu",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                WIDE,
                Condition("room", Ge(a_0**2, C_1 * X_F * product * tightest * e_0)),
                Condition("features", Ge(a_0**3, C_2 * X_F**2 * product**2 / last * inverse_squares * e_0)),
                STEP_NOT_READ,
            ),
            rate=Rate(1 - c * eta * a_0**2, 2, k),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                WIDE,
                Condition("last layer prevails", Ge(a_0**2, 8 * X_F**2 * product**2 * inverse_squares)),
                Condition("room", Ge(a_0**2, 8 * X_F * product * tightest * e_0)),
                Condition("features", Ge(a_0**3, 16 * X_F**2 * product**2 / last * inverse_squares * e_0)),
                Condition("step size", Le(eta, (last / (X_F * product)) ** 2)),
            ),
            promises=(Promise("layers", Le(travel_l, room)), Promise("features", Ge(features, a_0 / 2))),
            rate=Rate(1 - eta * a_0**2 / 8, 1, k),
            reason="The three steps in this file.",
            arguments=(first_part, one_step, within_room, features_keep),
        ),
    ),
    remark="Descent with finite steps, exact fit, all layers, loss half the sum of squares over all outputs. The rooms "
    "C_l are free. Large features and a small last layer meet the conditions: training then moves little but the last "
    "layer.",
)


def _width(name: str, power: int) -> Statement:
    """What the abstract says of the wide layer for one kind of start."""
    return Statement(
        f"{name} width",
        f"a single wide layer of {name.lower()} width suffices for some initialisations",
        RANDOM,
        "gradient descent",
        identifier=f"nguyen2021-{name.lower()}",
        concludes="exact fit",
        editions=(Edition("printed", Mark.READ, assumes=(STEP_NOT_READ, Condition("width", Ge(m, C * n**power)))),),
        rests_on=(wide,),
        remark="Read in the abstract: which start needs which width, with which probability, and for which data and "
        "depth was not.",
    )


PAPER = Paper(
    key="nguyen2021proof",
    authors=("Nguyen, Quynh",),
    title="On the proof of global convergence of gradient descent for deep ReLU networks with linear widths",
    year=2021,
    venue="International Conference on Machine Learning (ICML)",
    arxiv="2101.09612",
    statements=(wide, _width("Linear", 1), _width("Quadratic", 2), _width("Cubic", 3)),
    remark="Its abstract was read; printed constants are hidden, and the explicit edition is re-derived.",
)
