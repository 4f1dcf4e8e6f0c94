r"""Kawaguchi and Huang (Allerton 2019): gradient descent on networks of practical sizes. arXiv 1908.02419.

The part of it that the catalogue encodes is descent on the last layer, on the features Phi (n by m) of the layer
before: a least-squares problem. K = Phi Phi^T is constant, and for eta ||Phi||^2 <= 1 the eigenvalues of 1 - eta K
lie in [0, 1 - eta sigma_0^2], sigma_0 the n-th singular value of Phi: ||r_k|| <= (1 - eta sigma_0^2)^k ||r_0||, with
no small step, no closeness to the start and no constant. All that width has to give is m >= n and rank n.
"""

from __future__ import annotations

from sympy import Ge, Le

from bounds.arithmetic import large_constant
from bounds.papers._jacobian_steps import eigenvalues_of_a_linear_step
from bounds.papers._systems import jacobian_0, sigma_0
from bounds.quantities import eta, k, m, n
from bounds.settings import Family, Network
from bounds.statements import STEP_NOT_READ, Condition, Edition, Mark, Paper, Rate, Statement, hypothesis

LAST_LAYER = Family(
    "deep networks with a linear output of the last hidden layer, of width m",
    start="random",
    trained="last layer",
    network=Network("two-layer", (("trained", "last"), ("activation", "tanh"))),
)

C = large_constant("C", logarithms=True)

last_layer = Statement(
    "Descent on the last layer",
    "gradient descent on the last layer fits as soon as the last hidden layer has rank n",
    LAST_LAYER,
    "gradient descent",
    identifier="kawaguchi2019-last-layer",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(
                Condition("width", Ge(m, C * n)),
                hypothesis("data", "distinct inputs, an analytic activation, a convex Lipschitz or the square loss"),
                STEP_NOT_READ,
            ),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(Condition("width", Ge(m, n)), Condition("step size", Le(eta, 1 / jacobian_0**2))),
            rate=Rate(1 - eta * sigma_0**2, 1, k),
            reason="For the square loss; sigma_0 and J_0 are the n-th singular value and the norm of the features, "
            "which do not move. A positive sigma_0 says that they have rank n.",
            arguments=(eigenvalues_of_a_linear_step(sigma_0, jacobian_0),),
        ),
    ),
    remark="Descent, exact fit, last layer only, with high probability over the start: not to be ranked against "
    "theorems that train other layers. Song et al. (2021) report it so; the abstract of the paper's last version "
    "speaks of all layers, and its theorems were not read.",
)

PAPER = Paper(
    key="kawaguchi2019gradient",
    authors=("Kawaguchi, Kenji", "Huang, Jiaoyang"),
    title="Gradient Descent Finds Global Minima for Generalizable Deep Neural Networks of Practical Sizes",
    year=2019,
    venue="Annual Allerton Conference on Communication, Control, and Computing",
    arxiv="1908.02419",
    statements=(last_layer,),
    remark="Its abstract was read; the printed edition is from what another paper says of it.",
)
