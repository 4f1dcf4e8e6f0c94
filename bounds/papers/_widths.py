"""What conditions on widths say of other sizes, as obligations."""

from __future__ import annotations

from sympy import Ge
from sympy import Rational as Q

from bounds.papers._systems import assumed, promised
from bounds.proofs.obligations import Obligation
from bounds.quantities import d
from bounds.statements import Edition


def least_dimension(edition: Edition) -> Obligation:
    """A pyramid of widths starts at the input dimension."""
    bound = promised(edition, "input dimension")
    return Obligation(
        "input dimension",
        "The product of two widths is at least n and at most a multiple of the squared input dimension.",
        given=(assumed(edition, "pyramid"), assumed(edition, "last two layers")),
        claim=Ge(d, bound),
        planted=Ge(d, Q(11, 10) * bound),
    )
