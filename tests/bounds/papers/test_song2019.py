"""Song and Yang (2019): formulas typed again, and the initial matrix held against draws."""

from __future__ import annotations

import math

import mpmath
import numpy as np

from bounds import Problem, theorem
from bounds.papers import song2019 as paper

mp = mpmath.mp

INITIAL, QUARTIC = "Initial least eigenvalue", "Quartic width"
RETYPED = {
    ("*", "*", "if positive least eigenvalue"): ("lambda_0 >", lambda v: 0),
    (INITIAL, "explicit", "if theta"): ("theta <", lambda v: 1),
    (INITIAL, "explicit", "if width"): (
        "m >=",
        lambda v: 2 * (v.X / v.theta) ** 2 / v.lambda_0 * mp.log(v.n / v.delta_5),
    ),
    (INITIAL, "explicit", "then initial least eigenvalue"): ("lambda_H0 >=", lambda v: (1 - v.theta) * v.lambda_0),
    (QUARTIC, "printed", "if width"): ("m >=", lambda v: v.C * (v.n / v.lambda_0) ** 4),
    (QUARTIC, "printed", "if step size"): ("eta <=", lambda v: v.c * v.lambda_0 / v.n**2),
    (QUARTIC, "printed", "then convergence"): (
        "e_k**2 <=",
        lambda v: (1 - v.eta * v.lambda_0 / 2) ** v.k * v.e_0**2,
    ),
}


def test_width_of_orthonormal_inputs_by_hand() -> None:
    """X = I_4: lambda_0 = 1/2 and ||X|| = 1, so half is kept at width 2 log(40) / (1/4 / 2) = 16 log(40)."""
    problem = Problem(np.eye(4), np.ones(4), delta=0.1)
    width = paper.initial.width(problem, given={"theta": 0.5})
    assert math.isclose(width.upper, 16 * math.log(40), rel_tol=1e-12)
    assert theorem("song2019-quartic").width(problem, "printed").contains(8**4)


def test_draws_at_that_width_keep_half() -> None:
    draw, kept = np.random.default_rng(0), 0
    m = math.ceil(16 * math.log(40))
    for _ in range(200):
        active = (draw.normal(size=(4, m)) >= 0).astype(float)
        kept += np.linalg.eigvalsh(np.eye(4) * (active @ active.T) / m)[0] >= 1 / 4
    assert kept >= 180
