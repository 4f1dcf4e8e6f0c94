"""The Gram matrix at the start in Du et al. (2019), Appendices E to G: formulas typed twice, the false lemma, depth."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bounds import Problem
from bounds.activations import SOFTPLUS
from bounds.papers import du2019_deep_init as paper
from bounds.settings import FullyConnected, ResNet

mp = mpmath.mp

RANGES = {"c_w0": (3, 5)}
RETYPED = {
    ("*", "*", "if smooth activation"): ("beta >", lambda v: 0),
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "if no two inputs parallel"): ("rho >", lambda v: 0),
    ("Theorem E.1", "printed", "then entries"): (
        "K_dev <=",
        lambda v: v.open_E_H * mp.sqrt(mp.log(v.H * v.n / v.delta) / v.m),
    ),
    ("Lemma E.1", "printed", "if entries"): ("K_dev <=", lambda v: v.c * v.lambda_0 / v.n**2),
    ("Lemma E.1", "corrected", "if entries"): ("M_dev <=", lambda v: v.lambda_0 / (4 * v.n)),
    ("Lemma E.1", "printed", "if width"): ("m >=", lambda v: v.C * v.n**2 * mp.log(v.n / v.delta) / v.lambda_0**2),
    ("Lemma E.1", "*", "then initial Gram matrix near its limit"): ("G_0 <=", lambda v: v.lambda_0 / 4),
    ("Proposition F.1", "printed", "then positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("Lemma F.3", "printed", "then pairs of the last matrix"): ("l_last >=", lambda v: v.l_first),
    ("Lemma F.3", "corrected", "then pairs of the last matrix"): ("l_last >=", lambda v: v.l_cov),
    ("Lemma F.3", "counterexample", "left"): ("=", lambda v: 1 - mp.mpf(".876462297847")),
    ("Lemma F.3", "counterexample", "right"): ("=", lambda v: mp.mpf("0.4")),
    ("Proposition F.2", "printed", "then least eigenvalue"): (
        "lambda_0 >=",
        lambda v: v.c * v.c_res**2 / v.H**2 * v.kappa_0,
    ),
    ("Lemma F.1", "printed", "then positive least eigenvalue"): ("l_sigma >", lambda v: 0),
    ("Lemma F.2", "printed", "then positive least eigenvalue"): ("l_slope >", lambda v: 0),
    ("Lemma G.6", "*", "then independent"): ("l_tensor >", lambda v: 0),
    ("Lemma G.1", "printed", "then distance"): ("D_prod <=", lambda v: v.M * v.alpha_n),
    ("Lemma G.3", "printed", "then change"): ("E_1 <=", lambda v: v.C * v.d_a),
    ("Lemma G.4", "printed", "then change"): ("E_2 <=", lambda v: v.C * v.d_A),
    ("Lemma G.5", "printed", "then change"): ("E_3 <=", lambda v: v.C * v.d_A),
    ("Lemma G.4", "explicit", "where q_s"): ("q_s =", lambda v: mp.sqrt(v.q_max)),
    ("Lemma G.4", "explicit", "then change"): (
        "E_2 <=",
        lambda v: v.d_12 * v.L**2 + v.d_11 / 2 * v.beta * (v.sigma_at_0 + v.L * v.q_s * mp.sqrt(2 / mp.pi)),
    ),
    ("Lemma G.2", "printed", "if bound"): ("c_w0 >", lambda v: 1 + mp.sqrt(v.c_col)),
    ("Lemma G.2", "printed", "then probability of a larger norm"): (
        "P_w <=",
        lambda v: mp.exp(-v.m * (v.c_w0 - mp.sqrt(v.c_col) - 1) ** 2 / 2),
    ),
}
"""Every formula of the paper a second time; see :mod:`tests.bounds.papers.retyped`."""


@pytest.mark.parametrize("seed", range(20))
def test_means_of_products_move_no_faster_than_the_explicit_lemma_allows(seed):
    """Softplus, against enclosed expectations: L = 1, beta = 1/4, s(0) = log 2."""
    draw = np.random.default_rng(seed)
    (p, q, r), (a, b, c) = ((*draw.uniform(0.3, 2, 2), draw.uniform(-0.9, 0.9)) for _ in range(2))
    covariance, other = r * np.sqrt(p * q), c * np.sqrt(a * b)
    change = abs(SOFTPLUS.product(p, q, covariance).midpoint - SOFTPLUS.product(a, b, other).midpoint)
    growth = np.log(2) + np.sqrt(2 * max(p, q, a, b) / np.pi)
    bound = abs(covariance - other) + growth * (abs(p - a) + abs(q - b)) / 8
    assert bound / 50 < change <= bound


PAIR = Problem(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([1.0, -1.0]))


def test_the_least_eigenvalue_of_residual_networks_falls_like_one_over_depth_squared() -> None:
    """And that of fully-connected networks exponentially: what Proposition F.2 promises, and what it does not."""
    residual = [PAIR.least_eigenvalue_of(ResNet(depth)).midpoint * depth**2 for depth in (4, 8, 16)]
    assert max(residual) < 1.3 * min(residual)
    plain = [PAIR.least_eigenvalue_of(FullyConnected(depth)).midpoint for depth in (1, 2, 4, 8)]
    assert all(later < earlier / 2 for earlier, later in zip(plain, plain[1:], strict=False))


def test_pairs_keep_the_corrected_base() -> None:
    """K^(1) - b b^T of the pair, by its definition, lies below the pair's eigenvalue in K^(1) and above zero."""
    c = float(SOFTPLUS.normaliser.mid())
    mean, product = SOFTPLUS.mean(1).midpoint, SOFTPLUS.product(1, 1, 0.6).midpoint
    matrix = c * np.array([[1 / c, product], [product, 1 / c]])
    kept = np.linalg.eigvalsh(matrix - c * mean**2)[0]
    assert 0 < kept <= np.linalg.eigvalsh(matrix)[0] + 1e-12
    verdict = paper.pairs.errors[0].counterexample()
    assert verdict.fails and verdict.left.midpoint == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=1e-9)
