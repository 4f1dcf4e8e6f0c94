"""Song et al. (2021): formulas typed again; flows on random systems; the Jacobian of shallow networks."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.papers import song2021_shallow as paper
from tests.bounds.papers.systems import descend, random_system

mp = mpmath.mp


def _printed(v):
    return v.alpha_f / (v.beta_Phi * v.nu_0) ** 2 * v.mu_0**6


def _smooth(v):
    return v.X * v.L + v.X * v.beta * v.chi


JACOBIAN = "then Lipschitz constant of the Jacobian"
RETYPED = {
    ("Lemma 1", "*", "then radius"): ("rho_Phi <=", lambda v: v.mu_0 / v.beta_Phi / 2),
    ("Lemma 1", "*", "then least singular value"): ("s_min >=", lambda v: v.mu_0 / 2),
    ("Lemma 1", "*", "then largest singular value"): ("s_max <=", lambda v: v.nu_0 * 3 / 2),
    ("*", "*", "if initial loss"): ("h_0 <=", lambda v: v.c * _printed(v)),
    ("Theorem 1", "explicit", "if initial loss"): ("h_0 <=", lambda v: v.alpha_f * v.mu_0**4 / v.beta_Phi**2 / 32),
    ("Theorem 1", "explicit", "then decay"): ("r_t >=", lambda v: v.alpha_f * v.mu_0**2 / 2),
    ("Theorem 2", "printed", "if step size"): (
        "eta <=",
        lambda v: v.c_1 * v.mu_0**2 / (v.beta_Phi * (v.grad_f + v.mu_0**2) + v.beta_f * v.nu_0**2),
    ),
    ("Theorem 2", "printed", "then loss"): (
        "h_k <=",
        lambda v: v.h_0 * (1 - v.c_2 * v.eta * v.alpha_f * v.mu_0**2) ** v.k,
    ),
    ("Lemma 3", "printed", JACOBIAN): ("beta_Phi <=", lambda v: mp.sqrt(2) * _smooth(v)),
    ("Lemma 3", "explicit", JACOBIAN): ("beta_Phi <=", _smooth),
    ("Theorem 3", "printed", "if labels"): ("Y <=", lambda v: 1),
    ("Theorem 3", "printed", "if initial scales"): ("omega <=", lambda v: v.c_3 / mp.sqrt(v.d) / mp.sqrt(v.m)),
    ("Theorem 3", "printed", "if width"): ("m >=", lambda v: v.C * v.X**2 * mp.sqrt(v.n) / v.s_t**3),
}

PROBLEM = Problem(np.eye(4), np.ones(4) / 4)


@pytest.mark.parametrize("seed", range(25))
def test_flows_from_the_explicit_loss_decay_as_promised(seed: int) -> None:
    """h = ||r||^2, alpha_f = 2: the flow on h is twice as fast as the one on 1/2 ||r||^2."""
    system = random_system(seed, np.random.default_rng(seed).uniform(0.1, 0.499))
    residual = float(np.linalg.norm(system.target))
    given = {"mu_0": system.sigma, "beta_Phi": system.beta, "alpha_f": 2, "h_0": residual**2}
    t = theorem("song2021-flow")
    at = t.check(PROBLEM, given=given)
    assert at.verdict.holds, str(at)
    rate = at.promised(t.edition("explicit").promises[0]).lower
    step = 0.01 / (1.5 * system.norm) ** 2
    run = descend(system, step, 3000)
    times = step / 2 * np.arange(3001)  # on h
    assert (run.residuals**2 <= residual**2 * np.exp(-rate * times) * 1.01).all()
    assert run.paths[-1] <= 1.01 * system.sigma / (2 * system.beta)


def test_the_explicit_loss_by_hand() -> None:
    """mu = 2, beta = 1/2, alpha_f = 2: 2 * 16 / (32 / 4) = 4; nu = 4 in print, with c at 1: 2 * 64 / (16 / 4) = 32."""
    t, given = theorem("song2021-flow"), {"mu_0": 2, "beta_Phi": 0.5, "alpha_f": 2}
    assert t.limit(paper.first_loss, PROBLEM, given=given).contains(4)
    printed = t.limit(paper.first_loss, PROBLEM, "printed", given={**given, "nu_0": 4})
    assert printed.contains(32) and printed.assumption


@pytest.mark.parametrize("seed", range(10))
def test_shallow_networks_are_as_smooth_as_the_explicit_lemma_says(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n, d, m, outputs = 4, 3, 5, 2
    inputs = draw.normal(size=(n, d))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)

    def jacobian(w, v):
        features = np.tanh(inputs @ w.T)
        slope = 1 / np.cosh(inputs @ w.T) ** 2
        hidden = np.einsum("kr,ir,id->kird", v, slope, inputs).reshape(outputs * n, m * d)
        return np.concatenate([np.kron(np.eye(outputs), features), hidden], axis=1)

    for _ in range(50):
        size = draw.uniform(0.01, 3)
        w, v = draw.normal(size=(m, d)), draw.normal(size=(outputs, m))
        dw, dv = size * draw.normal(size=(m, d)), size * draw.normal(size=(outputs, m))
        chi = max(np.linalg.norm(v, 2), np.linalg.norm(v + dv, 2))
        change = np.linalg.norm(jacobian(w + dw, v + dv) - jacobian(w, v), 2)
        bound = np.linalg.norm(inputs, 2) * (1 + 4 / (3 * math.sqrt(3)) * chi)
        assert change <= bound * math.hypot(np.linalg.norm(dw), np.linalg.norm(dv)) * (1 + 1e-12)


def test_width_by_hand() -> None:
    """S = 1, n = 4, sigma_min(X^t) = 1/2: 2 * 8 = 16 at C = 1; labels of norm 2 are outside the setting."""
    t = theorem("song2021-shallow")
    assert t.width(PROBLEM, "printed", given={"s_t": 0.5}).midpoint == pytest.approx(16)
    verdicts = t.check(Problem(np.eye(4), np.ones(4)), edition="printed", given={"s_t": 0.5}).conditions
    assert next(v for c, v in verdicts if c.name == "labels").fails
