"""What networks do: data, networks in each paper's own parameterisation, training, measurements and searches."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from empirical.datasets import load_data as load_data
    from empirical.experiments import run_network as run_network
    from empirical.exporting import export as export
    from empirical.results import table as table
    from empirical.searches import Decay as Decay
    from empirical.searches import least_width as least_width
    from empirical.tangent_kernels import gram_matrix as gram_matrix
    from empirical.training import train as train

_HOME = {
    "Decay": "empirical.searches",
    "export": "empirical.exporting",
    "gram_matrix": "empirical.tangent_kernels",
    "least_width": "empirical.searches",
    "load_data": "empirical.datasets",
    "run_network": "empirical.experiments",
    "table": "empirical.results",
    "train": "empirical.training",
}
__all__ = ["Decay", "export", "gram_matrix", "least_width", "load_data", "run_network", "table", "train"]


def __getattr__(name: str) -> Any:
    # torch takes more than a second to load, so it is loaded when the first name that needs it is used
    if name not in _HOME:
        raise AttributeError(f"module 'empirical' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
