"""Zou, Cao, Zhou and Gu (2020): exponents typed again, the width by hand, and whose paper it is."""

from __future__ import annotations

import numpy as np

from bounds import Problem, theorem
from bounds.catalogue import paper_of

RETYPED = {
    ("*", "*", "then training loss"): ("L_T <=", lambda v: v.eps),
    ("Gradient descent", "printed", "if width"): (
        "m >=",
        lambda v: v.C * (v.n**13 * v.L_hidden**19 / v.phi_y**4) ** 2,
    ),
}


def test_width_of_two_inputs_and_the_paper_it_comes_from() -> None:
    earlier = theorem("zou2019-earlier")
    found = earlier.width(Problem(np.eye(2), np.ones(2)), "printed", given={"L_hidden": 1, "phi_y": 0.5})
    assert found.contains(2 ** (26 + 8)) and found.assumption
    assert paper_of(earlier).arxiv == "1811.08888" and len(paper_of(earlier).authors) == 4
    assert earlier.setting.network.loss == "cross-entropy"
    assert any("depends on the loss" in condition.words for condition in earlier.edition("printed").assumes)
