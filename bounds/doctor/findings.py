"""What a test of an assumption finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["holds", "allowed", "fails", "undecided", "skipped"]
"""*allowed*: not as IEEE 754 has it, but no proof assumes it. *skipped*: it is about a library that is absent."""


@dataclass(frozen=True)
class Finding:
    """An outcome, and in words what was seen."""

    outcome: Outcome
    seen: str
