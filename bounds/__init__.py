"""What theory promises: theorems as data, rigorous arithmetic, certified invariants, proofs.

Names load on first use, so that importing the package costs nothing and needs neither sympy nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bounds.arithmetic import Enclosure as Enclosure
    from bounds.arithmetic import Verdict as Verdict
    from bounds.catalogue import prove as prove
    from bounds.catalogue import theorem as theorem
    from bounds.catalogue import theorems as theorems
    from bounds.certificates.proving import certify as certify
    from bounds.certificates.stack import Stack as Stack
    from bounds.checker import verify as verify
    from bounds.problem import Problem as Problem
    from bounds.settings import TwoLayer as TwoLayer

_HOME = {
    "Enclosure": "arithmetic",
    "Verdict": "arithmetic",
    "Problem": "problem",
    "Stack": "certificates.stack",
    "TwoLayer": "settings",
    "certify": "certificates.proving",
    "prove": "catalogue",
    "theorem": "catalogue",
    "theorems": "catalogue",
    "verify": "checker",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bounds' has no attribute {name!r}")
    return getattr(importlib.import_module(f"bounds.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
