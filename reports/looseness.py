"""How pessimistic a promise is: decades between the promised and the measured side."""

from __future__ import annotations

import math
from typing import Literal

from reports.schema import LoosenessRow, Number

Sense = Literal["promised above measured", "promised below measured"]
"""Which way a pessimistic promise errs: a required width lies above, an allowed step below what is measured."""


def looseness(
    quantity: str,
    statement: str,
    edition: str,
    *,
    promised: Number,
    measured: Number,
    sense: Sense,
    note: str = "",
) -> LoosenessRow:
    """Compare the two sides of a promise.

    Args:
        quantity: what is compared.
        statement: whose promise it is.
        edition: in which edition.
        promised: the theorem's side.
        measured: the run's side.
        sense: which way a pessimistic promise errs.
        note: what the row rests on.

    Returns:
        A row whose decades are positive where the theorem is pessimistic. A side that is zero or not finite gives
        no decades and says so; a promise under an assumption (a hidden constant) or a measurement without an upper
        end bounds the decades on one side only.
    """
    (p_low, p_high), (m_low, m_high) = promised.bounds, measured.bounds
    above = sense == "promised above measured"
    top_low, top_high, bottom_low, bottom_high = (
        (p_low, p_high, m_low, m_high) if above else (m_low, m_high, p_low, p_high)
    )
    if not (top_high > 0 and bottom_high > 0) or math.isnan(top_low + bottom_low) or math.inf in (top_low, bottom_low):
        return LoosenessRow(quantity, statement, edition, promised, measured, None, None, _join("not comparable", note))
    lower = math.log10(top_low) - math.log10(bottom_high) if top_low > 0 and math.isfinite(bottom_high) else None
    upper = math.log10(top_high) - math.log10(bottom_low) if bottom_low > 0 and math.isfinite(top_high) else None
    if promised.assumption:
        upper = None
        note = _join("at least, since a hidden constant is taken as 1", note)
    return LoosenessRow(quantity, statement, edition, promised, measured, lower, upper, note)


def _join(*notes: str) -> str:
    return "; ".join(filter(None, notes))
