"""The random start of residual networks, Du et al. (2019): formulas typed twice."""

from __future__ import annotations

import mpmath

mp = mpmath.mp


def features(v):
    return 4 * v.n * v.C_4 / v.delta_x


def largest(v):
    return mp.exp(v.c_res * v.c_w * v.L) * (mp.sqrt(1.5) + v.c_res * v.sigma_at_0)


def _moment(v):
    power = lambda z: (v.sigma_at_0 + v.L * abs(z)) ** 4 * mp.npdf(z)  # noqa: E731
    return v.c_sigma**2 * 2 * mp.quad(power, [0, 2, 5, 10, 15])


MOMENT = {("*", "*", "where C_4"): ("C_4 =", _moment)}
"""Which Theorem 6.1 takes over."""

RETYPED = {
    **MOMENT,
    ("*", "*", "if smooth activation"): ("beta >", lambda v: 0),
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    ("*", "*", "then least eigenvalue of the initial matrix"): ("lambda_H0 >=", lambda v: 0.75 * v.lambda_0),
    ("Lemma C.1", "printed", "if width"): ("m >=", lambda v: v.C * v.n / v.delta),
    ("Lemma C.1", "printed", "then largest feature"): ("x_0 <=", lambda v: 2 * mp.exp(v.c_res * v.c_w * v.L)),
    ("Lemma C.1", "printed", "then least feature"): ("x_low >=", lambda v: mp.exp(-v.c_res * v.c_w * v.L) / 2),
    ("Lemma C.1", "corrected", "if width"): ("m >=", features),
    ("Lemma C.1", "corrected", "then largest feature"): ("x_0 <=", largest),
    ("Lemma C.2", "printed", "if width"): (
        "m >=",
        lambda v: v.C * v.n**2 * mp.log(v.H * v.n / v.delta) / v.lambda_0**2,
    ),
}
"""Every formula of the file a second time; see :mod:`tests.bounds.papers.retyped`."""
