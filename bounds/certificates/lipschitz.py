r"""How fast the Jacobian of a stack of layers changes, on a ball around stored weights. Re-derived.

**First layer alone, two layers, smooth.** Let x~_ip = (s_1 phi_p(x_i), 1) where there is a bias, else s_1 phi_p(x_i),
be what neuron (or filter) r sees of input i at position p; a dense layer has one position. Let a_rcp be the derivative
of output c to its activation there; in a dense network with one output that is s_2 a_r. The gradient of f_ic in w_r is
sum_p a_rcp sigma'(w_r . x~_ip) x~_ip. For weights W, W' and d_rip = sigma'(w_r . x~_ip) - sigma'(w'_r . x~_ip) block r
of J - J' is (I o A_r) diag(d_r) X~, with A_r (outputs, positions) once for each input and X~ the rows x~_ip. With
beta = sup |sigma''|

    ||J - J'||^2 <= sum_r ||A_r||^2 ||diag(d_r) X~||^2 <= max_r ||A_r||^2 sum_r max_ip d_rip^2 ||X~||^2,
    |d_rip| <= beta ||x~_ip|| ||w_r - w'_r||,   so   L = beta max_r ||A_r||_F max_ip ||x~_ip|| ||X~||   everywhere.

**Any stack, smooth.** Let V = (V_l) be a direction with block norms v = (||V_l||_F), dots derivatives along it, and f
one output, or any sum f = sum_c u_c f_c of outputs of one input that a unit vector u weighs; a_l and g_l are the
derivatives of f to sigma(z_l) and z_l, and max|a_l| and ||g_l|| are taken over all u. Layer l has p_l positions, and no
entry of its input is in more than q_l patches (p = q = 1 where it is dense). It is linear in its numbers,
z = s V phi(h) + b, and the sharing of weights enters through three norms, each by Cauchy and Schwarz over positions:

    (sum_p ||s V phi_p(h) + b||^2)^(1/2) <= (s^2 ||phi(h)||_F^2 + p [bias])^(1/2) ||(V, b)||_F,
    (sum_p ||W phi_p(h')||^2)^(1/2) <= ||W|| ||phi(h')||_F <= sqrt(q) ||W|| ||h'||,
    |sum_p g_p . V phi_p(h')| <= ||V||_F sum_p ||g_p|| ||phi_p(h')|| <= sqrt(q) ||V||_F ||g|| ||h'||.

On the ball of radius R, with every norm enlarged to hold on all of it,

    ||z_l'|| <= alpha_l . v,   alpha_l = s sqrt(q) ||W_l|| A_{l-1} + (s^2 ||phi(h_{l-1})||^2 + p [bias])^(1/2) e_l,
    ||h_l'|| <= A_l . v,       A_l = sup|sigma'| alpha_l   or   A_{l-1} + t_l sup|sigma'| alpha_l,   A_0 = 0,

where e_l is left out if layer l is not trained. Differentiating twice and unrolling,

    f'' = sum_l  a_l . (sigma''(z_l) (z_l')^2) + 2 s g_l . (V_l phi(h'_{l-1}))   (the last: g a unit vector, no sigma),
    |f''| <= v^T Q v,   Q = sum_l  beta max|a_l| alpha_l alpha_l^T + s sqrt(q) ||g_l|| (e_l A_{l-1}^T + A_{l-1} e_l^T).

So the gradient of each such f is lambda_max(Q_i)-Lipschitz on the ball, and by Cauchy and Schwarz over the inputs J is,
with L = (sum_i lambda_max(Q_i)^2)^(1/2). For the largest eigenvalue of the nonnegative matrix Q any positive vector x
gives the bound max_j (Q x)_j / x_j (Collatz). Its Frobenius norm is another. Over all u, max|a| is the largest norm of
a column of (a_c)_c, and ||g|| the spectral norm of (g_c)_c, at most the root of a row sum of the inner products.

Norms on the ball: ||W_l|| + R; ||phi(h_l)|| + sqrt(q) ||A_l|| R; and backward, for the changes da_l, dg_l, db_l of a_l,
g_l and b_l = df/dh_l, with b_l = s phi^T(W^T g_{l+1}) (+ b_{l+1} if residual):

    db <= s sqrt(q) ((||W|| + R) dg + R ||g||) (+ db),   da = t db,   dg <= sup|sigma'| da + max|a| beta ||alpha_l|| R.

**Two layers from zero output weights, gradient flow, any activation.** Let both layers be trained and the output
weights v = 0 where they are stored. There J = (0, s_2 phi(sigma(Z))), and at other weights the block of the hidden
layer is at most s_2 sqrt(q_2) ||v|| lip ||X~||, lip = sup |sigma'|: a direction U moves z by at most
(sum_ip ||U x~_ip||^2)^(1/2) <= ||X~|| ||U||_F. Likewise ||sigma(Z) - sigma(Z_0)||_F <= lip ||X~|| ||W - W_0||_F, so
that ||J(w) - J(w_0)|| <= s_2 sqrt(q_2) lip ||X~|| ||w - w_0|| *from this centre*, without any smoothness. Gradient flow
needs no more: its proof uses only sigma_min(J(w)) >= sigma - L ||w - w_0||. For the ReLU every element of Clarke's
Jacobian obeys the bound, and ||r|| falls along the flow by the chain rule for definable functions (Davis, Drusvyatskiy,
Kakade and Lee 2020; from memory).

**ReLU.** Where every |z_l| exceeds its error by more than ||alpha_l|| R, no sign changes on the ball, f is a polynomial
there, and all of this holds with beta = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bounds import linalg
from bounds.certificates.evaluation import MANY, Evaluation, Signals, row_norms
from bounds.certificates.stack import Floats, Stack
from bounds.linalg.rounding import UNDERFLOW, inflate


@dataclass(frozen=True)
class Smoothness:
    """How J behaves on a ball.

    Args:
        lipschitz: an upper bound of the Lipschitz constant of J, in the spectral norm.
        margin: how far every pre-activation stays from the kink of a ReLU, at least; infinite for smooth activations.
            Nothing is proved where it is not positive.
    """

    lipschitz: float
    margin: float


def smoothness(stack: Stack, at: Evaluation, X: Floats, radius: float, *, from_zero: bool = False) -> Smoothness:
    """Bound the Lipschitz constant of the Jacobian on the ball of this radius around stored weights.

    Args:
        stack: the network.
        at: its evaluation on X.
        X: inputs (n, d).
        radius: of the ball, in the Euclidean norm of all trained numbers together.
        from_zero: for gradient flow, which needs the constant from the centre only, of two layers both trained, where
            the output weights are exactly zero.
    """
    hidden = at.signals[0]
    if stack.first_only and at.pointwise.smoothness is not None:
        steepest = at.pointwise.smoothness * _largest_filter(hidden, len(X))
        longest = float(row_norms(_with_bias(hidden, X)[0]).max()) * (1 + 2.0**-40)
        return Smoothness(inflate(steepest * longest * _size_with_bias(hidden, X), MANY), np.inf)
    if from_zero:
        rate = at.signals[-1].scale * at.signals[-1].layer.patch_norm * at.pointwise.lipschitz
        return Smoothness(inflate(rate * _size_with_bias(hidden, X), MANY), np.inf)
    forward = _forward(at, radius)
    margin = np.inf
    if at.pointwise.smoothness is None:
        hidden_layers = zip(at.signals[:-1], forward.reach, strict=False)
        margin = float(np.min([np.abs(signal.z).min(axis=1) - reach for signal, reach in hidden_layers]))
    rows = _largest_eigenvalues(_second_derivatives(at, forward, radius))
    return Smoothness(inflate(float(np.sqrt(rows @ rows)), MANY), margin)


def _with_bias(hidden: Signals, X: Floats) -> tuple[Floats, Floats]:
    """The rows (s_1 phi_p(x), 1), or s_1 phi_p(x) where there is no bias, and their rounding."""
    scaled = hidden.scale * hidden.layer.patches(X).reshape(-1, hidden.layer.patch)
    if hidden.layer.bias:
        scaled = np.hstack([scaled, np.ones((len(scaled), 1))])
    return scaled, 2.0**-50 * np.abs(scaled) + UNDERFLOW


def _size_with_bias(hidden: Signals, X: Floats) -> float:
    """An upper bound of their spectral norm."""
    return linalg.spectral_norm(*_with_bias(hidden, X)).upper


def _largest_filter(hidden: Signals, n: int) -> float:
    """An upper bound of the largest ||A_r||_F, from the derivatives of all outputs of an input to its activations."""
    parts = hidden.arrow.reshape(n, -1, hidden.layer.filters, hidden.layer.positions)
    squares = np.einsum("icrp,icrp->ir", parts, parts)
    away = np.square(hidden.arrow_error).reshape(n, -1).sum(axis=1)
    terms = parts.shape[1] * parts.shape[3]
    return inflate(float((np.sqrt(squares).max(axis=1) + np.sqrt(away)).max()), MANY + terms) + UNDERFLOW


@dataclass(frozen=True, eq=False)
class _Forward:
    """On the ball, layer by layer: alpha_l and A_{l-1} (n, layers), and how far z_l moves (n,)."""

    alpha: list[Floats]
    below: list[Floats]
    reach: list[Floats]


def _forward(at: Evaluation, radius: float) -> _Forward:
    n, depth = len(at.signals[0].below), len(at.signals)
    slope = np.zeros((n, depth))
    result = _Forward([], [], [])
    for index, signal in enumerate(at.signals):
        size = signal.seen_norm + signal.layer.patch_norm * _norm(slope) * radius
        alpha = signal.scale * signal.layer.patch_norm * (signal.size + _moved(signal, radius)) * slope + UNDERFLOW
        if signal.layer.trained:
            alpha[:, index] += np.sqrt((signal.scale * size) ** 2 + signal.layer.bias * signal.layer.positions)
        result.alpha.append(alpha)
        result.below.append(slope)
        result.reach.append(inflate(signal.z_error + _norm(alpha) * radius, MANY))
        change = at.pointwise.lipschitz * alpha
        slope = change if signal.layer.skip_squared is None else slope + signal.skip * change
    return result


def _second_derivatives(at: Evaluation, forward: _Forward, radius: float) -> Floats:
    """Q for every input, (n, layers, layers)."""
    n, depth = len(at.signals[0].below), len(at.signals)
    lipschitz, beta = at.pointwise.lipschitz, at.pointwise.smoothness or 0.0
    Q = np.zeros((n, depth, depth))
    change = np.zeros(n)  # of df/dz at the layer above
    past = np.zeros(n)  # of df/dh there
    for index in reversed(range(depth)):
        signal = at.signals[index]
        alpha, below_slope = forward.alpha[index], forward.below[index]
        if index < depth - 1:
            arrow_change = signal.skip * past
            largest = signal.arrow_size + arrow_change
            Q += (beta * largest)[:, None, None] * alpha[:, :, None] * alpha[:, None, :]
            change = lipschitz * arrow_change + signal.arrow_size * beta * _norm(alpha) * radius + UNDERFLOW
        slope = signal.scale * signal.layer.patch_norm * (signal.slope_size + change)
        if signal.layer.trained:
            Q[:, index, :] += slope[:, None] * below_slope
            Q[:, :, index] += slope[:, None] * below_slope
        moved = _moved(signal, radius)
        below = signal.scale * signal.layer.patch_norm * ((signal.size + moved) * change + moved * signal.slope_size)
        past = below if signal.layer.skip_squared is None else below + past
    return Q


def _largest_eigenvalues(Q: Floats) -> Floats:
    """Upper bounds of the largest eigenvalues of nonnegative symmetric matrices (n, k, k); infinite after overflow."""
    if not np.isfinite(Q).all():
        return np.full(len(Q), np.inf)
    x = np.abs(np.linalg.eigh(Q)[1][:, :, -1]) + 2.0**-30
    largest_quotient: Floats = (np.einsum("ijk,ik->ij", Q, x) / x).max(axis=1)
    frobenius: Floats = np.sqrt(np.einsum("ijk,ijk->i", Q, Q))
    least: Floats = np.minimum(largest_quotient, frobenius)
    return inflate(least, MANY) + UNDERFLOW


def _moved(signal: Signals, radius: float) -> float:
    """How far the weights of a layer can be from the stored ones."""
    return radius if signal.layer.trained else 0.0


def _norm(vectors: Floats) -> Floats:
    norms: Floats = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return norms + UNDERFLOW
