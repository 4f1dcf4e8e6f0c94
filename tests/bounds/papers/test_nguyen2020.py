"""Nguyen and Mondelli (2020): formulas typed again, and a pyramid that meets N1 and N2 trained by certified steps."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem

mp = mpmath.mp

RANGES = {"L": [2, 3, 4, 2, 5, 3], "b_1": (0.2, 4), "b_2": (0.2, 4), "q": (0.5, 8), "R_w": (1, 5)}
WIDE, TRAVEL = "Convergence with one wide layer", "Travel of the layers"


def common(v):
    """gamma^4/3 (6/gamma^2)^L |X|_F |r_0| P_b / P_l^2."""
    return v.gamma ** (4 - 2 * v.L) / 3 * 6**v.L * v.X_F * v.e_0 * v.P_b / v.P_l**2


def reach(v):
    return 2 * v.X_F * v.e_0 * v.P_b / v.alpha_0 * 3 ** (v.L - 1) / mp.mpf(2) ** (v.L - 1)


def jacobian(v):
    return (mp.mpf(9) / 4) ** (v.L - 1) * (v.X_F * v.b_1 * v.b_2 * v.P_b / v.b_min) ** 2


def constant(v):
    """(4/gamma^4) (gamma^2/4)^L l_F^2 P_l^2."""
    return v.gamma ** (2 * v.L - 4) / mp.mpf(4) ** (v.L - 1) * (v.l_F * v.P_l) ** 2


RETYPED = {
    ("*", "*", "if step size"): ("eta <", lambda v: 1 / v.alpha_0),
    (TRAVEL, "explicit", "then W_1"): ("T_1 <=", lambda v: reach(v) * v.b_2),
    (TRAVEL, "explicit", "then W_2"): ("T_2 <=", lambda v: reach(v) * v.b_1),
    (TRAVEL, "explicit", "then later layers"): ("T_l <=", lambda v: reach(v) * v.b_1 * v.b_2 / v.b_k),
    (WIDE, "*", "if width"): ("m >=", lambda v: v.n),
    (WIDE, "*", "if N1"): ("l_F**2 >=", lambda v: common(v) * max(2 * v.b_1 * v.b_2 / v.q, v.b_1, v.b_2)),
    (WIDE, "*", "if N2"): ("l_F**3 >=", lambda v: 2 * common(v) * v.X_2 * v.b_2),
    (WIDE, "*", "if smoothness"): ("eta <", lambda v: 1 / v.Q_0),
    (WIDE, "*", "then convergence"): ("e_k**2 <=", lambda v: (1 - v.eta * v.alpha_0) ** v.k * v.e_0**2),
    (WIDE, "*", "where alpha_0"): ("alpha_0 =", constant),
    (WIDE, "printed", "where Q_0"): (
        "Q_0 =",
        lambda v: mp.sqrt(v.L) ** 3 * (jacobian(v) + v.X_F * v.e_0 * v.R_w * (1 + v.L * v.beta * v.X_F * v.R_w)),
    ),
    (WIDE, "explicit", "where Q_0"): (
        "Q_0 =",
        lambda v: v.L * jacobian(v) + (v.L - 1) * v.e_0 * v.X_F * (v.R_w + v.L * v.beta * v.X_F * v.R_w**2 / 2),
    ),
    (WIDE, "explicit", "then W_1"): ("T_1 <=", lambda v: mp.mpf(1)),
    (WIDE, "explicit", "then W_2"): ("T_2 <=", lambda v: mp.mpf(1)),
    (WIDE, "explicit", "then later layers"): ("T_l <=", lambda v: v.l_k / 2),
    (WIDE, "explicit", "then features"): ("l_F1 >=", lambda v: v.l_F / 2),
    ("LeCun's initialisation", "printed", "if width"): ("m >=", lambda v: v.C * v.n**2),
}

GAMMA = 0.5


def activation(z):
    """Slope in [gamma, 1] and 0 at 0; the derivative's own slope is at most (1 - gamma) / 2."""
    return GAMMA * z + (1 - GAMMA) * (np.sqrt(z * z + 1) + z - 1) / 2


def slope(z):
    return GAMMA + (1 - GAMMA) * (1 + z / np.sqrt(z * z + 1)) / 2


class Pyramid:
    """N = 20 unit rows in 30 dimensions, widths 64, 8 and 4 outputs; W_2 = 0, W_3 = zeta times an orthonormal frame."""

    def __init__(self, zeta: float, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        X = draw.normal(size=(20, 30))
        self.X = X / np.linalg.norm(X, axis=1, keepdims=True)
        Y = draw.normal(size=(20, 4))
        self.Y = Y / np.linalg.norm(Y)
        frame, _ = np.linalg.qr(draw.normal(size=(8, 4)))
        self.start = [draw.normal(size=(30, 64)), np.zeros((64, 8)), zeta * frame]
        self.weights = [w.copy() for w in self.start]

    def forward(self):
        g_1 = self.X @ self.weights[0]
        g_2 = activation(g_1) @ self.weights[1]
        return g_1, g_2, activation(g_2) @ self.weights[2] - self.Y

    def residual(self) -> float:
        return float(np.linalg.norm(self.forward()[2]))

    def step(self, eta: float) -> None:
        g_1, g_2, r = self.forward()
        back_2 = (r @ self.weights[2].T) * slope(g_2)
        back_1 = (back_2 @ self.weights[1].T) * slope(g_1)
        inputs = (self.X, activation(g_1), activation(g_2))
        for w, h, g in zip(self.weights, inputs, (back_1, back_2, r), strict=True):
            w -= eta * h.T @ g

    def numbers(self) -> dict[str, float]:
        """What the theorem asks for: measured in float64, widened by its last digits."""
        one, two, three = self.start
        low, up = 1 - 1e-9, 1 + 1e-9
        values = np.linalg.svd(three, compute_uv=False)
        b_1, b_2 = 2 / 3 * (1 + np.linalg.norm(one, 2)) * up, 2 / 3
        return {
            "L": 3,
            "gamma": GAMMA,
            "beta": (1 - GAMMA) / 2,
            "l_F": np.linalg.svd(activation(self.X @ one), compute_uv=False)[-1] * low,
            "P_l": values[-1] * low,
            "P_b": values[0] * up,
            "b_1": b_1,
            "b_2": b_2,
            "q": values[0] * values[-1] * low,
            "b_min": min(b_1, b_2, values[0]) * low,
            "R_w": 1.5 * b_1 * 1.5 * values[0] * up,
        }


def checked(pyramid: Pyramid, edition: str = "explicit"):
    given = pyramid.numbers()
    problem = Problem(pyramid.X, pyramid.Y[:, 0])
    wide = theorem("nguyen2020-pyramid")
    step = wide.step_size(problem, edition, given=given, initial_residual=pyramid.residual() * (1 + 1e-12)).lower / 2
    at = wide.check(
        problem,
        width=64,
        step_size=step,
        edition=edition,
        given={**given, "l_k": given["P_l"]} if edition == "explicit" else given,
        initial_residual=pyramid.residual() * (1 + 1e-12),
    )
    return at, step, {c.name: v for c, v in at.conditions}


def test_a_pyramid_with_large_later_layers_meets_both_conditions() -> None:
    """N1 and N2 hold at zeta = 1e4 and not at 1e3: their sides by hand, from numpy alone."""
    pyramid = Pyramid(1e4)
    at, _, outcomes = checked(pyramid)
    by_hand = GAMMA**4 / 3 * (6 / GAMMA**2) ** 3 * np.linalg.norm(pyramid.X) / 1e4
    norm = 2 / 3 * (1 + np.linalg.norm(pyramid.start[0], 2))
    assert math.isclose(outcomes["N1"].right.upper, by_hand * norm, rel_tol=1e-6)
    assert math.isclose(outcomes["N2"].right.upper, by_hand * 4 / 3 * np.linalg.norm(pyramid.X, 2), rel_tol=1e-6)
    assert 1 < outcomes["N1"].left.lower < 2 and outcomes["N1"].holds and outcomes["N2"].holds
    assert outcomes["pyramid"].undecided and all(v.holds for name, v in outcomes.items() if name != "pyramid")
    _, _, nearer = checked(Pyramid(1e3))
    assert nearer["N1"].fails and nearer["N2"].fails
    alpha = next(value for symbol, value in at.values.items() if symbol.name == "alpha_0").midpoint
    l_F = np.linalg.svd(activation(pyramid.X @ pyramid.start[0]), compute_uv=False)[-1]
    assert math.isclose(alpha, 4 / GAMMA**4 * (GAMMA**2 / 4) ** 3 * l_F**2 * 1e8, rel_tol=1e-6)


@pytest.mark.parametrize("larger", [1, 100])
def test_descent_keeps_what_is_promised(larger: float) -> None:
    """With certified steps, and far beyond them with steps 100 times as long."""
    pyramid = Pyramid(1e4)
    at, step, _ = checked(pyramid)
    alpha = next(value for symbol, value in at.values.items() if symbol.name == "alpha_0").lower
    eta, first, before = step * larger, pyramid.residual(), math.inf
    for k in range(400):
        now = pyramid.residual()
        assert now**2 <= (1 - eta * alpha) ** k * first**2 * (1 + 1e-9) and now < before
        before = now
        pyramid.step(eta)
    moves = [np.linalg.norm(w - w_0) for w, w_0 in zip(pyramid.weights, pyramid.start, strict=True)]
    assert moves[0] <= 1 and moves[1] <= 1 and moves[2] <= 0.5e4 and max(moves) > 0
    kept = np.linalg.svd(activation(pyramid.X @ pyramid.weights[0]), compute_uv=False)[-1]
    assert kept >= pyramid.numbers()["l_F"] / 2
    assert larger == 1 or pyramid.residual() < 0.5 * first


def test_the_gradient_is_as_smooth_as_the_step_assumes() -> None:
    """Central differences of the gradient along random directions never exceed Q_0, printed or re-derived."""
    pyramid, draw = Pyramid(30.0, seed=1), np.random.default_rng(0)
    pyramid.weights[1] = pyramid.weights[1] + 1e-3 * draw.normal(size=(64, 8))
    known, printed = checked(pyramid)[0], checked(pyramid, "printed")[0]
    constants = [next(v for s, v in at.values.items() if s.name == "Q_0").upper for at in (known, printed)]
    assert constants[0] < constants[1]

    def gradient(weights):
        copy = Pyramid(30.0, seed=1)
        copy.weights = [w.copy() for w in weights]
        copy.step(1.0)
        return np.concatenate([(w - after).ravel() for w, after in zip(weights, copy.weights, strict=True)])

    for _ in range(20):
        direction = [draw.normal(size=w.shape) for w in pyramid.weights]
        size = math.sqrt(sum(float(np.sum(v * v)) for v in direction))
        ends = [
            [w + sign * 1e-5 / size * v for w, v in zip(pyramid.weights, direction, strict=True)] for sign in (1, -1)
        ]
        assert np.linalg.norm(gradient(ends[0]) - gradient(ends[1])) / 2e-5 <= constants[0]
