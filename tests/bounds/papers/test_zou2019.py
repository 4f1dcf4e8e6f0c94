"""Zou and Gu (2019): exponents typed again, and widths by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bounds import Problem, theorem

RETYPED = {
    ("*", "*", "then training loss"): ("L_T <=", lambda v: v.eps),
    ("Gradient descent", "printed", "if width"): ("m >=", lambda v: v.C * (v.n**2 * v.L_hidden**3 / v.phi) ** 4),
    ("Stochastic gradient descent", "printed", "if width"): (
        "m >=",
        lambda v: v.C * v.n * (v.n**4 * v.L_hidden**3 / v.B / v.phi**2) ** 4,
    ),
}


@pytest.mark.parametrize(
    ("identifier", "given", "width"),
    [
        ("zou2019-gd", {"L_hidden": 2, "phi": 0.5}, 2 ** (8 + 12 + 4)),
        ("zou2019-sgd", {"L_hidden": 2, "phi": 0.5, "B": 2}, 2 ** (17 + 12 - 4 + 8)),
    ],
)
def test_widths_of_two_inputs(identifier: str, given: dict[str, float], width: int) -> None:
    found = theorem(identifier).width(Problem(np.eye(2), np.ones(2)), "printed", given=given)
    assert found.contains(width) and found.assumption
