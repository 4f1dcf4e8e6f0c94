"""A few of the random cases of :mod:`tests.bounds.certificates.trajectory_truth`, and that a wrong claim is seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import flint
import pytest

from tests.bounds.certificates.exact_descent import PRECISION
from tests.bounds.certificates.trajectory_truth import draw, judge, wrong_claim


def test_random_cases_never_prove_a_wrong_claim() -> None:
    tally = Counter(map(judge, range(120)))
    assert not [outcome for outcome in tally if outcome.startswith("wrong")]
    for outcome in ("smooth, certified", "smooth, refused", "ReLU, certified", "ReLU, refused"):
        assert tally[outcome] >= 5


@pytest.mark.parametrize("relu", [False, True])
def test_claims_that_are_a_little_too_strong_are_called_wrong(relu: bool) -> None:
    cases = (case for case in map(draw, range(400)) if (case.activation == "relu") is relu)
    case, found = next((case, found) for case in cases if (found := case.follow()).verdict.holds and found.steps)
    stronger = {
        "distance": replace(found, error=1e-9 * found.error),
        "residual": replace(found, residual=found.residual * (1 - 1e-6)),
        "rate": replace(found, decay=2 * found.decay + 0.5 / found.step_size),
        "path": replace(found, path=found.travelled),
        "length so far": replace(found, travelled=0.9 * found.travelled),
    }
    if relu:
        del stronger["distance"]  # of a run in two parts, whose first is returned alone
    with flint.ctx.workprec(PRECISION):
        assert not wrong_claim(case, found)
        for what, claim in stronger.items():
            assert wrong_claim(case, claim) == what
