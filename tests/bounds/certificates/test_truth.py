"""A few of the random problems of :mod:`~tests.bounds.certificates.truth` and its kin for kinks."""

from __future__ import annotations

from collections import Counter

from tests.bounds.certificates import relu_truth
from tests.bounds.certificates.truth import judge


def test_random_problems_never_prove_a_wrong_claim() -> None:
    tally = Counter(map(judge, range(200)))
    assert not [outcome for outcome in tally if outcome.startswith("seed")]
    assert tally["certified, h above 1/100"] >= 10 and tally["certified"] >= 10 and tally["refused"] >= 10


def test_random_relu_networks_never_prove_a_wrong_claim_nor_one_that_is_rejected() -> None:
    tally = Counter(map(relu_truth.judge, range(150)))
    assert not [outcome for outcome in tally if outcome.startswith("seed")]
    assert tally["certified after some steps"] >= 10 and tally["certified at the start"] >= 5
    assert tally["refused"] >= 30
