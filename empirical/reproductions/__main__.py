"""Run reproductions and print what was measured beside what was promised.

python -m empirical.reproductions                    all of them, in a few minutes
python -m empirical.reproductions su2019 --json F    one, and its rows as JSON
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict

from empirical.reproductions import (
    allenzhu2019_laws,
    arora2019_curve,
    ding2021_rates,
    kernel_drift,
    liu2021_energy,
    su2019_harmonics,
)
from empirical.reproductions.rows import Row

REPRODUCTIONS: dict[str, tuple[str, list[Callable[[], list[Row]]]]] = {
    "su2019": ("Su and Yang: residuals by harmonic degree", [su2019_harmonics.residuals_by_degree]),
    "arora2019": ("Arora et al.: the predicted loss curve", [arora2019_curve.curve_deviations]),
    "drift": ("Drift of the tangent kernel", [kernel_drift.drift_exponents]),
    "ding2021": (
        "Ding et al.: rates of the mean-field limit",
        [ding2021_rates.width_rate, ding2021_rates.depth_rate, ding2021_rates.start_deviation],
    ),
    "liu2021": (
        "OPT: laws of the energy, and what the orthogonalisers keep",
        [
            liu2021_energy.moments,
            liu2021_energy.gap_exponent,
            liu2021_energy.orthogonality,
            liu2021_energy.descent_drift,
            liu2021_energy.energy_in_training,
        ],
    ),
    "allenzhu2019": (
        "Allen-Zhu et al.: the lemmas in training",
        [allenzhu2019_laws.laws, allenzhu2019_laws.perturbations],
    ),
}


def main() -> None:
    """Parse the command line, run, print and write."""
    parser = argparse.ArgumentParser(
        prog="python -m empirical.reproductions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", choices=[*REPRODUCTIONS, []], help="which; all if none is named")
    parser.add_argument("--json", metavar="FILE", help="also write the rows there")
    arguments = parser.parse_args()
    found: dict[str, list[dict[str, object]]] = {}
    for name in arguments.names or REPRODUCTIONS:
        title, parts = REPRODUCTIONS[name]
        start = time.perf_counter()
        rows = [row for part in parts for row in part()]
        found[name] = [asdict(row) for row in rows]
        print(f"{title} ({time.perf_counter() - start:.0f} s)")
        print(_aligned([("quantity", "at", "measured", "promised"), *map(_cells, rows)]), end="\n\n")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(found, file, indent=1)


def _cells(row: Row) -> tuple[str, ...]:
    margin = "" if row.margin is None else f" ± {row.margin:.2g}"
    return row.quantity, row.at, f"{row.measured:.4g}{margin}", row.promised


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


if __name__ == "__main__":
    main()
