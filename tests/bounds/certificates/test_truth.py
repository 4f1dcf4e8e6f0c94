"""A few of the random problems of :mod:`tests.bounds.certificates.truth`."""

from __future__ import annotations

from collections import Counter

from tests.bounds.certificates.truth import judge


def test_random_problems_never_prove_a_wrong_claim() -> None:
    tally = Counter(map(judge, range(200)))
    assert not [outcome for outcome in tally if outcome.startswith("seed")]
    assert tally["certified, h above 1/100"] >= 10 and tally["certified"] >= 10 and tally["refused"] >= 10
