import tracemalloc

import numpy as np
import pytest

from bounds import progress
from bounds.activations import TANH
from bounds.gram import two_layer
from bounds.linalg import least_eigenvalue
from bounds.progress import Stage, listening


@pytest.fixture
def heard(monkeypatch):
    """What is said inside ``with listening(heard)``, without a quiet time."""
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    calls = []
    with listening(lambda *said: calls.append(said)):
        yield calls


def test_each_stage_of_a_proof_is_heard_to_its_end(heard):
    gram = two_layer(np.random.default_rng(0).standard_normal((400, 9)), normalised=True)
    least_eigenvalue(gram.midpoint, gram.radius)
    stages = {name: [(done, total) for stage, done, total in heard if stage == name] for name, _, _ in heard}
    assert list(stages) == ["Gram matrix", "first factor", "iterating", "factorising"]
    for said in stages.values():
        done, totals = zip(*said, strict=True)
        assert all(0 <= d <= total for d, total in said)
        assert done[-1] == totals[-1]
    assert len(stages["Gram matrix"]) > 2 and len(stages["factorising"]) > 5
    shares = [done for done, _ in stages["factorising"]]
    assert shares == sorted(shares)


def test_matrices_of_balls_are_heard(heard):
    two_layer(np.eye(3), activation=TANH, normalised=True)
    assert ("Gram matrix in balls", 9, 9) in heard


def test_short_stages_are_silent_and_so_is_everything_without_a_listener():
    calls = []
    with listening(lambda *said: calls.append(said)):
        Stage("short").reached(1.0)
        Stage("announced").begin()
    Stage("outside").begin()
    assert calls == [("announced", 0.0, 1.0)]


@pytest.mark.parametrize("pairs", [0, 3])
@pytest.mark.parametrize("given", [False, True])
def test_memory_is_that_of_three_matrices(pairs, given):
    """Midpoint, radius and one factor; the rest is some hundred vectors."""
    n = 1200
    X = np.random.default_rng(0).standard_normal((n, 30))
    X[1 : 2 * pairs : 2] = X[0 : 2 * pairs : 2] + 1e-9
    tracemalloc.start()
    try:
        gram = two_layer(X, normalised=True)
        built = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        estimate = float(np.linalg.eigvalsh(gram.midpoint)[0]) if given else None
        tracemalloc.reset_peak()
        assert least_eigenvalue(gram.midpoint, gram.radius, estimate=estimate).lower > 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(built, peak) <= 8 * (3 * n * n + 900 * n)
