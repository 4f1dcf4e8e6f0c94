"""Su and Yang (2019): formulas typed again, and networks held against the generic convergence."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.gram import sphere_eigenspaces

mp = mpmath.mp

SPECTRUM, NEAR, GENERIC, MAIN, LOW = (
    "Spectrum of the initial matrix",
    "Distance from the kernel's own descent",
    "Generic convergence",
    "Main theorem",
    "Corollary for targets of low rank",
)


def asked(v, c_0, c_1):
    a = 1 / c_0 + 2 * v.eta * v.T * c_1
    return 32 / c_1**2 * a**2 * (a**2 + 4 * mp.log(4 * v.n / v.delta))


def distance(v, a):
    """Three times the flips and once the start, over a path of length a."""
    b = mp.sqrt(mp.log(4 * v.n / v.delta))
    flips, start = (mp.sqrt(2 / mp.pi) * a + b) / mp.sqrt(v.m), mp.sqrt(2 / v.m) * b
    return a * (3 * flips + start)


def floor(v):
    return v.C * mp.sqrt(mp.log(1 / v.delta) / v.n) / v.g


SPHERE = "Spectrum on the uniform sphere"


def sign_number(d, degree):
    """s_1 = Gamma(d/2) / (sqrt(pi) Gamma((d+1)/2)) and s_(l+2) = -l / (l + d) s_l."""
    s = mp.gamma(d / 2) / mp.sqrt(mp.pi) / mp.gamma((d + 1) / 2)
    for odd in range(1, degree, 2):
        s *= -odd / (odd + d)
    return s


def of_degree(v):
    even, d = 2 * int(v.j), v.d
    low, high = sign_number(d, even - 1) ** 2, sign_number(d, even + 1) ** 2
    return (even * low + (even + d - 2) * high) / (2 * even + d - 2) / 4


RETYPED = {
    (SPHERE, "explicit", "then linear functions"): ("beta_1 <=", lambda v: 0.25 / v.d),
    (SPHERE, "explicit", "then constants"): ("beta_0 <=", lambda v: sign_number(v.d, 1) ** 2 / 4),
    (SPHERE, "explicit", "then even degree"): ("beta_even <=", of_degree),
    (SPHERE, "explicit", "then odd degree, 3 and more"): ("beta_odd <=", lambda v: 0),
    (SPECTRUM, "printed", "then distance of the spectra"): (
        "D_spec <=",
        lambda v: mp.sqrt(mp.log(4 * v.n**2 / v.delta) / v.m) + mp.sqrt(8 / v.n * mp.log(4 / v.delta)),
    ),
    ("*", "*", "if step size below 1"): ("eta <", lambda v: 1),
    (NEAR, "explicit", "then distance"): ("D_k <=", lambda v: distance(v, 1 / v.c_0 + 2 * v.eta * v.T * v.c_1)),
    (GENERIC, "explicit", "if kernel's own descent"): ("kappa_k <=", lambda v: (1 - v.eta * v.c_0) ** v.k + v.c_1),
    (GENERIC, "explicit", "if width"): ("m >=", lambda v: asked(v, v.c_0, v.c_1)),
    (GENERIC, "explicit", "then residual"): ("rho_k <=", lambda v: (1 - v.eta * v.c_0) ** v.k + 2 * v.c_1),
    (MAIN, "printed", "if confidence"): ("delta <", lambda v: mp.mpf(1) / 4),
    (MAIN, "printed", "if enough inputs"): ("n >", lambda v: mp.log(2 / v.delta) * (16 / v.g) ** 2),
    (MAIN, "printed", "if floor"): ("c_1 >=", floor),
    (MAIN, "printed", "if width"): ("m >=", lambda v: asked(v, 3 * v.lambda_ell / 4, v.c_1)),
    (MAIN, "printed", "then residual"): (
        "rho_k <=",
        lambda v: (1 - 3 * v.eta * v.lambda_ell / 4) ** v.k + floor(v) + mp.sqrt(8) * v.eps_ell,
    ),
    (LOW, "printed", "if width"): ("m >=", lambda v: v.C * v.n * mp.log(v.n)),
    (LOW, "printed", "then floor"): ("rho_k <=", lambda v: v.C / mp.sqrt(v.n)),
}


def kernel(X):
    t = np.clip(X @ X.T, -1, 1)
    return t * (np.pi - np.arccos(t)) / (2 * np.pi)


def sphere(draw, n, d):
    X = draw.normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_networks_keep_the_curve_long_before_the_width_it_asks_for(seed: int) -> None:
    """At a width far below the one asked for, the residual already keeps under the promised curve."""
    draw = np.random.default_rng(seed)
    n, d, m, eta, steps, c_1 = 30, 5, 2048, 0.9, 60, 0.25
    X = sphere(draw, n, d)
    y = X[:, 0]
    own, decay = y.copy(), []
    for _ in range(steps + 1):
        decay.append(np.linalg.norm(own) / math.sqrt(n))
        own -= eta / n * kernel(X) @ own
    c_0 = min((1 - (value - c_1) ** (1 / k)) / eta for k, value in enumerate(decay) if k and value > c_1)
    problem, statement = Problem(X, y), theorem("su2019-generic")
    given = {"c_0": c_0, "c_1": c_1, "T": steps, "eta": eta, "k": steps, "kappa_k": decay[-1]}
    half = draw.normal(size=(m // 2, d))
    w, a = np.concatenate([half, half]), np.repeat([1.0, -1.0], m // 2)
    for k in range(steps + 1):
        r = np.maximum(X @ w.T, 0) @ a / math.sqrt(m) - y
        assert np.linalg.norm(r) / math.sqrt(n) <= (1 - eta * c_0) ** k + 2 * c_1
        w = w - eta / n * (a / math.sqrt(m))[:, None] * (((X @ w.T >= 0) * r[:, None]).T @ X)
    del given["eta"]
    at = statement.check(problem, width=m, step_size=eta, given=given)
    outcomes = {condition.name: verdict for condition, verdict in at.conditions}
    assert outcomes["kernel's own descent"].holds and outcomes["width"].fails
    assert outcomes["labels without noise"].undecided


def test_spectrum_of_random_networks() -> None:
    """The bound on the spectra holds, far from tightly, on draws of inputs and weights."""
    draw, d, m, delta = np.random.default_rng(0), 5, 1000, 0.05
    spaces = sphere_eigenspaces(d, 12)
    operator = np.sort(np.concatenate([[s.eigenvalue.upper] * s.multiplicity for s in spaces]))[::-1]
    for n in (50, 200):
        X = sphere(draw, n, d)
        active = X @ draw.normal(size=(d, m)) >= 0
        values = np.linalg.eigvalsh((X @ X.T) * (active @ active.T.astype(float)) / m / n)[::-1]
        found = np.abs(values - operator[:n]).max() if n <= len(operator) else np.abs(values).max()
        at = theorem("su2019-spectrum").check(Problem(X, X[:, 0], delta=delta), width=m, edition="printed")
        bound = at.promised(at.edition.promises[0])
        assert found <= bound.lower
        by_hand = math.sqrt(math.log(4 * n * n / delta) / m) + math.sqrt(8 * math.log(4 / delta) / n)
        assert math.isclose(bound.upper, by_hand, rel_tol=1e-12)


def test_main_theorem_asks_for_millions_of_inputs() -> None:
    """A linear target on 10 dimensions: the gap is 1/40 - beta_0, and n > 1.38e7 at delta = 0.05."""
    first, second = (space.eigenvalue for space in sphere_eigenspaces(10, 1)[::-1])
    gap = first.upper - second.lower
    assert math.isclose(gap, 0.00827, rel_tol=1e-3)
    edition = theorem("su2019-rate").edition("printed")
    condition = next(c for c in edition.assumes if c.name == "enough inputs")
    problem = Problem(np.eye(2), np.ones(2), delta=0.05)
    verdict = condition.decide(problem, edition.values(problem, given={"g": gap}))
    assert verdict.fails and math.isclose(verdict.right.upper, 1.38e7, rel_tol=1e-2)


@pytest.mark.parametrize(
    ("d", "values"),
    [(3, (0.0625, 0.08333, 0.02734, 0.002279)), (5, (0.03516, 0.05, 0.01074, 4.425e-4))],
)
def test_golden_eigenvalues_on_the_sphere(d, values) -> None:
    """Degrees 0, 1, 2 and 4, here and by the enclosed eigenspaces."""
    t = theorem("su2019-sphere")
    problem = Problem(np.eye(d), np.ones(d))
    found = []
    for j in (1, 2):
        promised = t.check(problem, given={"j": j}).promised
        linear, constant, even, odd = (promised(p).midpoint for p in t.edition("explicit").promises)
        found.append(even)
        assert odd == 0
    assert (constant, linear, *found) == pytest.approx(values, rel=1e-3)
    enclosed = [space.eigenvalue.midpoint for space in sphere_eigenspaces(d, 4)]
    assert (constant, linear, found[0], 0, found[1]) == pytest.approx(enclosed, rel=1e-12)
