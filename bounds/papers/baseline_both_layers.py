r"""Baselines for two-layer networks with both layers trained from zero output weights. Re-derived.

f(x) = v^T s(W x), no scale, m neurons, unit inputs, v = 0 at the start, any W_0; |s'| <= L. Write Phi_0 = s(W_0 X),
sigma_0 its n-th singular value, y the labels. The output is 0 at the start, so e_0 = |y|, and J_0 = [Phi_0^T, 0].

*Flow, any Lipschitz activation.* ||J - J_0||^2 <= |s(W X) - s(W_0 X)|_F^2 + ||J_W||^2. The first is at most L^2
||X||^2 |W - W_0|^2, entry by entry; for the second, J_W J_W^T = sum_r v_r^2 D_r X X^T D_r with |D_r| <= L, at most
L^2 ||X||^2 |v|^2. So ||J - J_0|| <= L ||X|| |w - w_0|, without smoothness, and the flow under a parabola (see the
baselines for systems) needs 2 L ||X|| |y| <= sigma_0^2. For Gaussian W_0 of standard deviation omega and a ReLU,
sigma_0^2 is about m omega^2 lambda(G) with G = E[s(w.x_i) s(w.x_j)]: a width of order 2 ||X|| |y| / (omega^2
lambda(G)), and at large omega only m >= n remains.

*Descent, smooth activations.* With s' beta-Lipschitz and |v| <= R on the ball, J between two points of the ball
changes by at most L ||X|| |dW| in the first block, and L ||X|| |dv| + beta R ||X|| |dW| in the second: J is ||X|| (L
+ beta R)-Lipschitz, as the norm of the matrix [[L, 0], [beta R, L]] is at most L + beta R.

PRICE: where this holds, W hardly moves. It is regression on random features, the honest form of "linear width
suffices".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy
from sympy import Ge, Gt, Le, Lt, exp, sqrt

from bounds import gram
from bounds import quantities as q
from bounds.activations import RELU, TANH, Activation
from bounds.arithmetic import Enclosure
from bounds.gram import Gram
from bounds.papers._quadratic_majorant import Majorant, linear_step, stable_step
from bounds.papers._systems import ball, beta_F, jacobian_0, path, sigma_0
from bounds.quantities import X_norm, eta, k, least_eigenvalue, lipschitz, smoothness, t, y_norm
from bounds.settings import Floats, Network, Setting
from bounds.statements import UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Rate, Statement


@dataclass(frozen=True)
class ZeroOutput(Setting):
    """Two-layer networks f(x) = v^T s(W x), both layers trained from v = 0 and any W. Inputs are unit vectors.

    Args:
        activation: s.
    """

    activation: Activation = RELU
    trained = "both"

    def gram(self, X: Floats) -> Gram:
        """The matrix E[s(w.x) s(w.y)], w ~ N(0, I), of the output weights."""
        return gram.two_layer(X, trained="last", activation=self.activation, normalised=True)

    @property
    def network(self) -> Network:
        """See :class:`~bounds.settings.Network`."""
        fields = (("form", "standard"), ("start", "zero-output"), ("trained", "both"))
        return Network("two-layer", (*fields, ("activation", str(self.activation).lower())))

    @property
    def values(self) -> Mapping[sympy.Symbol, Enclosure]:
        """The constants of the activation."""
        known = {q.lipschitz: self.activation.lipschitz, q.smoothness: self.activation.smoothness}
        return {symbol: value for symbol, value in known.items() if value is not None}

    def __str__(self) -> str:
        return f"two-layer {self.activation}, v^T s(Wx), both layers trained from v = 0 and any W, {self.loss}"


flow_kept = sigma_0**2 - 2 * lipschitz * X_norm * y_norm
flow_root = 2 * y_norm / (sigma_0 + sqrt(flow_kept))
descent_kept = sigma_0**2 - 2 * beta_F * y_norm
descent_root = 2 * y_norm / (sigma_0 + sqrt(descent_kept))

STABLE = stable_step(jacobian_0 + beta_F * path, given=(Le(path, ball),))
FLOW = Majorant(sigma_0, lipschitz * X_norm, conditions=("labels",), residual=y_norm)
DESCENT = Majorant(sigma_0, beta_F, conditions=("labels",), residual=y_norm)

flow = Statement(
    "Flow from zero output weights",
    "gradient flow on both layers reaches zero loss if 2 L |X| |y| <= sigma_0^2, whatever the activation",
    ZeroOutput(),
    "gradient flow",
    identifier="baseline-both-layers-flow",
    concludes="exact fit",
    for_all=("activation",),
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS, Condition("labels", Le(y_norm, sigma_0**2 / (2 * lipschitz * X_norm)))),
            promises=(
                Promise("path", Le(path, flow_root)),
                Promise("least eigenvalue", Ge(least_eigenvalue, flow_kept)),
            ),
            rate=Rate(exp(-2 * flow_kept), 2, t),
            reason="The Jacobian is L |X|-Lipschitz from this start, without smoothness or probability.",
            arguments=(FLOW.first_root, FLOW.least_eigenvalue, FLOW.flow),
        ),
    ),
    remark="Flow, exact fit, both layers, no scale, loss 1/2 sum of squares, v = 0 at the start. sigma_0 is that of "
    "the actual features s(W_0 X). W hardly moves where the condition holds: report the scale of W_0 beside every "
    "width.",
)

descent = Statement(
    "Descent from zero output weights",
    "gradient descent on both layers reaches zero loss, for smooth activations",
    ZeroOutput(TANH),
    "gradient descent",
    identifier="baseline-both-layers-descent",
    concludes="exact fit",
    for_all=("activation",),
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(
                UNIT_ROWS,
                Condition("labels", Lt(y_norm, sigma_0**2 / (2 * beta_F))),
                Condition("ball", Gt(ball, 2 * y_norm / sigma_0)),
                Condition("step size", Le(eta, 1 / (jacobian_0 + beta_F * ball) ** 2)),
            ),
            promises=(
                Promise("path", Le(path, descent_root)),
                Promise("least eigenvalue", Ge(least_eigenvalue, descent_kept)),
            ),
            rate=Rate(1 - eta * descent_kept, 1, k),
            where=((beta_F, X_norm * (lipschitz + smoothness * ball)),),
            reason="The Jacobian is |X| (L + beta R)-Lipschitz on the ball of radius R; J_0 is the norm of the "
            "features.",
            arguments=(
                STABLE,
                linear_step,
                DESCENT.step,
                DESCENT.first_root,
                DESCENT.least_eigenvalue,
                DESCENT.descent,
            ),
        ),
    ),
    rests_on=(flow,),
    remark="Descent, exact fit, both layers, no scale, loss 1/2 sum of squares, v = 0 at the start. Activations "
    "without a Lipschitz derivative, such as the ReLU, are not covered.",
)

PAPER = Paper(
    key="zeroloss2026baselines",
    authors=("zeroloss authors, The",),
    title="Re-derived baselines: convergence from what is known at the start",
    year=2026,
    venue="the catalogue of zeroloss",
    arxiv="",
    statements=(flow, descent),
    kind="misc",
    remark="Proofs stand in the file. Not claimed as new: they are what careful constants give.",
)
