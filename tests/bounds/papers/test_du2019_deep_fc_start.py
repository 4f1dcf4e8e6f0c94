"""The random start of deep fully-connected networks, Du et al. (2019): formulas typed twice."""

from __future__ import annotations

import mpmath

mp = mpmath.mp


def geometric_sum(ratio, terms):
    return mp.fsum(ratio**i for i in range(int(terms)))


def _slope(last):
    return lambda v: v.c_sigma * v.L * (2 * v.sigma_at_0 * mp.sqrt(2 / mp.pi) + last * v.L)


def _moment(v):
    """By its definition, an integral over a standard normal."""
    power = lambda z: (v.sigma_at_0 + 1.5 * v.L * abs(z)) ** 4 * mp.npdf(z)  # noqa: E731
    return v.c_sigma**2 * 2 * mp.quad(power, [0, 2, 5, 10, 15])


def features(v):
    return 4 * v.C_4 * v.n * v.H * v.g_0**2 / v.delta_x


NORMS = {
    ("*", "*", "where C_1"): ("C_1 =", _slope(2.5)),
    ("*", "*", "where g_0"): ("g_0 =", lambda v: geometric_sum(v.C_1, v.H)),
    ("*", "*", "where C_4"): ("C_4 =", _moment),
}
"""The abbreviations of Lemma B.1, which Theorem 5.1 takes over."""

RANGES = {"H": [9, 2, 3, 5, 4, 7], "tau": (0.95, 0.99)}
RETYPED = {
    **NORMS,
    ("*", "*", "if smooth activation"): ("beta >", lambda v: 0),
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "then least eigenvalue of the initial matrix"): ("lambda_H0 >=", lambda v: 0.75 * v.lambda_0),
    ("*", "*", "where v"): ("v =", lambda v: mp.sqrt(v.c_sigma) * v.L),
    ("Lemma B.1", "printed", "if width"): (
        "m >=",
        lambda v: v.C * v.n * v.H * geometric_sum(_slope(2)(v), v.H) ** 2 / v.delta,
    ),
    ("Lemma B.1", "printed", "then largest feature"): ("x_0 <=", lambda v: 2),
    ("Lemma B.1", "printed", "then least feature"): ("x_low >=", lambda v: 0.5),
    ("Lemma B.1", "explicit", "if width"): ("m >=", features),
    ("Lemma B.1", "explicit", "then largest feature"): ("x_0 <=", lambda v: mp.sqrt(1.5)),
    ("Lemma B.1", "explicit", "then least feature"): ("x_low >=", lambda v: mp.sqrt(0.5)),
    ("Lemma B.2", "printed", "if width"): (
        "m >=",
        lambda v: v.C * v.n**2 * mp.log(v.H * v.n / v.delta) * v.open_2_O_H / v.lambda_0**2,
    ),
    ("Lemma B.2", "explicit", "if width"): (
        "m >=",
        lambda v: v.v**2 * v.X_H**2 * mp.log(v.n / v.delta_x) / (v.kappa * v.lambda_hat),
    ),
    ("Lemma B.2", "explicit", "then initial least eigenvalue"): ("lambda_H0 >=", lambda v: 0.75 * v.lambda_hat),
    ("Lemma B.2", "explicit", "where tau"): ("tau =", lambda v: 2 * mp.quad(lambda z: z * z * mp.npdf(z), [0, 3])),
    ("Lemma B.2", "explicit", "where kappa"): (
        "kappa =",
        lambda v: (v.tau - 0.75 + 0.75 * mp.log(0.75 / v.tau)) / 9,
    ),
}
"""Every formula of the file a second time; see :mod:`tests.bounds.papers.retyped`."""
