"""Nguyen (2021): formulas typed again, and a deep ReLU network that meets the conditions trained by certified steps."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem

mp = mpmath.mp

WIDE = "Convergence with one wide layer"


def motion(v):
    return v.X_F * v.X_F * v.P_w * v.P_w * v.S_w


RETYPED = {
    (WIDE, "*", "if width"): ("m >=", lambda v: v.n),
    (WIDE, "printed", "if room"): ("a_0**2 >=", lambda v: v.C_1 * v.X_F * v.P_w * v.G_w * v.e_0),
    (WIDE, "printed", "if features"): ("a_0**3 >=", lambda v: v.C_2 * motion(v) * v.e_0 / v.w_L),
    (WIDE, "printed", "then convergence"): (
        "e_k**2 <=",
        lambda v: (1 - v.c * v.eta * v.a_0**2) ** v.k * v.e_0**2,
    ),
    (WIDE, "explicit", "if last layer prevails"): ("a_0**2 >=", lambda v: 8 * motion(v)),
    (WIDE, "explicit", "if room"): ("a_0**2 >=", lambda v: 8 * v.X_F * v.P_w * v.G_w * v.e_0),
    (WIDE, "explicit", "if features"): ("a_0**3 >=", lambda v: 16 * motion(v) * v.e_0 / v.w_L),
    (WIDE, "explicit", "if step size"): ("eta <=", lambda v: v.w_L**2 / (v.X_F * v.P_w) ** 2),
    (WIDE, "explicit", "then layers"): ("T_l <=", lambda v: v.C_l),
    (WIDE, "explicit", "then features"): ("a_k >=", lambda v: v.a_0 / 2),
    (WIDE, "explicit", "then convergence"): ("e_k <=", lambda v: (1 - v.eta * v.a_0**2 / 8) ** v.k * v.e_0),
    ("Linear width", "printed", "if width"): ("m >=", lambda v: v.C * v.n),
    ("Quadratic width", "printed", "if width"): ("m >=", lambda v: v.C * v.n**2),
    ("Cubic width", "printed", "if width"): ("m >=", lambda v: v.C * v.n**3),
}


def relu(z):
    return np.maximum(z, 0)


class Network:
    """3 unit rows in 20 dimensions, hidden widths 200 and 100, 2 outputs that start at 0; labels of the given norm."""

    def __init__(self, labels: float, seed: int) -> None:
        draw = np.random.default_rng(seed)
        X = draw.normal(size=(3, 20))
        self.X = X / np.linalg.norm(X, axis=1, keepdims=True)
        Y = draw.normal(size=(3, 2))
        self.Y = labels * Y / np.linalg.norm(Y)
        self.start = [
            draw.normal(size=(20, 200)) / math.sqrt(100),
            draw.normal(size=(200, 100)) / math.sqrt(50),
            np.zeros((100, 2)),
        ]
        self.rooms = [0.1, 0.1, 0.02]
        self.weights = [w.copy() for w in self.start]

    def features(self):
        return relu(relu(self.X @ self.weights[0]) @ self.weights[1])

    def residual(self):
        return self.features() @ self.weights[2] - self.Y

    def step(self, eta: float) -> None:
        one = relu(self.X @ self.weights[0])
        two, r = relu(one @ self.weights[1]), self.residual()
        back_2 = (r @ self.weights[2].T) * (two > 0)
        back_1 = (back_2 @ self.weights[1].T) * (one > 0)
        for w, h, g in zip(self.weights, (self.X, one, two), (back_1, back_2, r), strict=True):
            w -= eta * h.T @ g

    def numbers(self) -> dict[str, float]:
        """Measured in float64, each widened by its last digits."""
        low, up = 1 - 1e-9, 1 + 1e-9
        w = [np.linalg.norm(v, 2) + room for v, room in zip(self.start, self.rooms, strict=True)]
        return {
            "a_0": np.linalg.svd(self.features(), compute_uv=False)[-1] * low,
            "P_w": math.prod(w) * up,
            "w_L": w[2] * low,
            "S_w": sum(v**-2 for v in w[:2]) * up,
            "G_w": max(1 / (v * room) for v, room in zip(w, self.rooms, strict=True)) * up,
        }


def checked(network: Network):
    given, problem = network.numbers(), Problem(network.X, network.Y[:, 0])
    relu_theorem = theorem("nguyen2021-relu")
    step = relu_theorem.step_size(problem, given=given).lower
    at = relu_theorem.check(
        problem, width=100, step_size=step, given=given, initial_residual=np.linalg.norm(network.Y) * (1 + 1e-12)
    )
    return {condition.name: verdict for condition, verdict in at.conditions}, step


@pytest.mark.parametrize("seed", range(3))
def test_descent_keeps_what_is_promised(seed: int) -> None:
    """All conditions are met, by the same numbers as by hand, and every step and layer keeps its promise."""
    network = Network(5e-5, seed)
    outcomes, step = checked(network)
    assert all(verdict.holds for verdict in outcomes.values())
    given, X_F = network.numbers(), np.linalg.norm(network.X)
    assert math.isclose(outcomes["room"].right.upper, 4e-4 * X_F * given["P_w"] * given["G_w"], rel_tol=1e-9)
    assert math.isclose(step, (given["w_L"] / X_F / given["P_w"]) ** 2, rel_tol=1e-9)
    before, factor = 5e-5, 1 - step * given["a_0"] ** 2 / 8
    for _ in range(200):
        network.step(step)
        now = float(np.linalg.norm(network.residual()))
        assert now <= factor * before * (1 + 1e-9)
        before = now
    moves = [np.linalg.norm(w - w_0) for w, w_0 in zip(network.weights, network.start, strict=True)]
    assert all(0 < move <= room for move, room in zip(moves, network.rooms, strict=True))
    assert np.linalg.svd(network.features(), compute_uv=False)[-1] >= given["a_0"] / 2


def test_large_labels_do_not_fit_the_rooms() -> None:
    outcomes, _ = checked(Network(1.0, 0))
    assert outcomes["room"].fails and outcomes["last layer prevails"].holds
