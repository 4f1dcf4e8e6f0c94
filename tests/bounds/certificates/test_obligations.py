"""Both solvers prove the algebra of the convergence theorem, and refute a neighbour of every step."""

from __future__ import annotations

import pytest

from bounds.certificates.obligations import OBLIGATIONS
from bounds.proofs import Obligation, prove_obligation

pytest.importorskip("z3")
pytest.importorskip("cvc5")


@pytest.mark.parametrize("obligation", OBLIGATIONS, ids=lambda obligation: obligation.name)
def test_both_solvers_prove_it_and_refute_its_neighbour(obligation: Obligation) -> None:
    proof = prove_obligation(obligation)
    assert proof.status == "proved by z3 and cvc5"
    assert proof.planted.counterexample is not None
