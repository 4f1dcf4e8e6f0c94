"""Least width proved to reach zero loss from its start, against the least width that training reaches it at.

    python benchmarks/bench_trajectory.py [--activation tanh --seeds 3 --repeats 3]

For each data set and seed, networks f = m^(-1/2) sum_r a_r s(w_r.x) - f_0 with Gaussian first layers are trained at
growing widths with steps of 1 / ||J_0||^2 until one comes below a loss of 1e-10 within the steps allowed: the measured
least width. From there on widths are tried until one is certified. Costs are processor time of one thread,
the least of the repeats, taken in turns, at the certified width: the whole certificate over plain training in numpy
down to a loss of 1e-10 (``cost``), and over plain training for as many steps as were certified (``a step``).
"""

import argparse
import os
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

from bounds import Problem  # noqa: E402
from bounds.activations.float64 import EVALUATED  # noqa: E402
from bounds.certificates.shadow import certify_trajectory  # noqa: E402
from empirical.certified import steps_to  # noqa: E402
from empirical.datasets import load_data  # noqa: E402

LOSS = 1e-10
SMOOTH_DATA = {  # data set: (rows, labels, widths)
    "sphere:n=10,d=10": (None, "random", range(2, 40)),
    "sphere:n=50,d=50": (None, "random", range(3, 40)),
    "sphere:n=100,d=50": (None, "random", range(6, 40)),
    "sphere:n=50,d=10": (None, "random", range(12, 80)),
    "sphere:n=100,d=10": (None, "random", range(24, 120, 2)),
    "digits": (50, "true", range(2, 80)),
}
RELU_DATA = {
    "sphere:n=10,d=50": (None, "random", [2**k for k in range(1, 8)]),
    "sphere:n=10,d=10": (None, "random", [2**k for k in range(2, 13)]),
    "sphere:n=50,d=50": (None, "random", [2**k for k in range(3, 11)]),
    "sphere:n=100,d=50": (None, "random", [2**k for k in range(4, 12)]),
}


def network(X, width, seed):
    rng = np.random.default_rng([seed, width])
    return rng.standard_normal((width, X.shape[1])), rng.choice([-1.0, 1.0], width)


def timed(work, *arguments, **options):
    """Processor time, and what came out."""
    start = time.process_time()
    found = work(*arguments, **options)
    return time.process_time() - start, found


def case(X, y, width, seed, activation):
    weights, signs = network(X, width, seed)
    arguments = {"X": X, "y": y, "weights": weights, "signs": signs, "activation": activation}
    return arguments, certify_trajectory(**arguments, most_steps=0).step_size


def least_widths(X, y, seed, activation, widths, steps, repeats):
    measured = certified = None
    fall = 2 * LOSS / (y @ y)  # of the first loss, as networks begin at zero
    for width in widths:
        arguments, step_size = case(X, y, width, seed, activation)
        arguments["step_size"] = step_size
        spent, reached = timed(steps_to, fall, **arguments, centred=True, most_steps=steps)
        measured = measured or (width if reached is not None else None)
        if measured is None:
            continue
        found = certify_trajectory(**arguments, most_steps=steps)
        if found.verdict.holds:
            certified = width
            break
    if certified is None:
        return measured, None, None, None, None
    best = {"certificate": np.inf, "training": spent if reached is not None else np.inf, "same": np.inf}
    works = {
        "certificate": lambda: certify_trajectory(**arguments, most_steps=steps),
        "training": lambda: steps_to(fall, **arguments, centred=True, most_steps=steps),
        "same": lambda: steps_to(0.0, **arguments, centred=True, most_steps=max(found.steps, 1)),
    }
    for _ in range(repeats):
        for name, work in works.items():
            best[name] = min(best[name], timed(work)[0])
    return measured, certified, found, best["certificate"] / best["training"], best["certificate"] / best["same"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activation", default="tanh", choices=[*EVALUATED, "relu"])
    parser.add_argument("--data", nargs="+", help="some of the data sets (default all)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=25_000, help="allowed to training and certificate alike")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each timing")
    options = parser.parse_args()
    sets = RELU_DATA if options.activation == "relu" else SMOOTH_DATA
    print(f"{options.activation}, {options.seeds} seeds, at most {options.steps} steps, one thread")
    print(f"{'data':>18} seed measured certified ratio  at step  growth   error  cost  a step")
    ratios, costs = [], []
    for name in options.data or sets:
        n, labels, widths = sets[name]
        data = load_data(name, n=n, labels=labels)
        X, y = Problem(data.X, data.y).unit_rows, data.y
        for seed in range(options.seeds):
            measured, certified, found, cost, step = least_widths(
                X, y, seed, options.activation, widths, options.steps, options.repeats
            )
            if measured is None and certified is None:
                print(
                    f"{name:>18} {seed:>4} neither training nor a certificate succeeds at the widths tried", flush=True
                )
                continue
            ratio = certified / measured if certified else np.inf
            ratios.append(ratio)
            line = f"{name:>18} {seed:>4} {measured or '-':>8} {certified or '-':>9} {ratio:>5.2f}"
            if found is not None:
                costs.append(cost)
                line += f" {found.steps:>8} {found.growth:>7.1f} {found.error:>7.0e} {cost:>5.1f} {step:>7.1f}"
            print(line, flush=True)
    ratios, costs = np.array(ratios), np.array(costs)
    print(
        f"certified width at most 1.1 times the measured one in {np.mean(ratios <= 1.1):.0%} of {len(ratios)} runs "
        f"(median ratio {np.median(ratios):.2f}, greatest {ratios.max():.2f}); certificate at most 5 times training in "
        f"{np.mean(costs <= 5):.0%} (median {np.median(costs):.1f}, greatest {costs.max():.1f})"
    )


if __name__ == "__main__":
    main()
