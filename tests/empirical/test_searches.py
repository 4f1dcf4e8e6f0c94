"""Searches: confidence limits, honest sides of an enclosure, and intervals that survive noise."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.arithmetic import Enclosure
from bounds.problem import Problem
from empirical import least_width, searches
from empirical.networks import initial_network
from empirical.searches import Decay, TestedWidth, clopper_pearson, greatest_stable_step, iterations_to
from empirical.store import Store
from empirical.training import train
from tests.empirical.cases import unit_rows

RNG = np.random.default_rng(7)
X, Y = unit_rows(RNG, 8, 6), RNG.choice([-1.0, 1.0], 8)
INNER = np.clip(X @ X.T, -1, 1)
LIMIT = INNER * (math.pi - np.arccos(INNER)) / (2 * math.pi)
LEAST = float(np.linalg.eigvalsh(LIMIT)[0])


def binomial_tail(trials, least, p):
    """P(Bin(trials, p) >= least), exactly."""
    p = Fraction(p)
    return sum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(least, trials + 1))


@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([0.9, 0.95, 0.99]))
def test_confidence_limits_solve_their_binomial_equations(trials, successes, confidence):
    successes = min(successes, trials)
    lower, upper = clopper_pearson(successes, trials, confidence)
    miss = 1 - confidence
    if successes:
        assert float(binomial_tail(trials, successes, lower)) == pytest.approx(miss, rel=1e-8)
    else:
        assert lower == 0
    if successes < trials:
        assert float(1 - binomial_tail(trials, successes + 1, upper)) == pytest.approx(miss, rel=1e-8)
    else:
        assert upper == 1


def test_twenty_nine_of_twenty_nine_is_the_least_that_shows_nine_in_ten():
    assert clopper_pearson(29, 29)[0] >= 0.9 > clopper_pearson(28, 28)[0]
    assert clopper_pearson(28, 29)[0] < 0.9


def test_an_outcome_needs_its_limit_on_the_right_side():
    assert searches.outcome_of((0.9, 1.0), 0.1) == "holds"
    assert searches.outcome_of((0.2, math.nextafter(0.9, 0)), 0.1) == "fails"
    for limits in ((math.nextafter(0.9, 0), 1.0), (0.0, 0.9), (0.5, 0.95)):
        assert searches.outcome_of(limits, 0.1) == "undecided"


def test_a_decay_takes_the_side_of_the_enclosure_that_is_against_it():
    decay = Decay(Enclosure.between(0.1, 0.2))
    slow, fast = decay.log_factors(0.5)
    assert (slow, fast) == (math.log1p(-0.025), math.log1p(-0.05))
    assert decay.fall(0.5, decay.steps_to_fall(0.5, 100)) >= 100 > decay.fall(0.5, decay.steps_to_fall(0.5, 100) - 1)
    for bad in (0.0, 20.0, math.nan):
        with pytest.raises(ValueError, match="promise a decay"):
            decay.log_factors(bad)


def outcome_of(spec, held, refuted):
    return TestedWidth(spec=spec, held=held, refuted=refuted)


@given(st.integers(1, 3000), st.floats(1.0, 3.0), st.randoms(use_true_random=False))
def test_the_search_brackets_the_truth_and_survives_noise(threshold, spread, random):
    """Success is certain above threshold * spread, hopeless below threshold / spread, and a coin between."""

    def test_width(inputs, labels, spec, deadline):
        if spec.width >= threshold * spread:
            return outcome_of(spec, 29, 0)
        if spec.width <= threshold / spread:
            return outcome_of(spec, 0, 29)
        held = random.choice([0, 15, 28, 29])
        return outcome_of(spec, held, 29 - held)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searches, "_test_width", test_width)
        found = least_width(X, Y, conclusion=Decay(LEAST), step_size=0.5, horizon=1000)
    assert found.lower < found.upper
    assert found.lower < threshold * spread and found.upper >= threshold / spread
    if spread < 1.05 and threshold > 20:
        assert found.upper <= 1.25 * max(found.lower, 1) * 1.25 + 1
    by_width = {test.width: test.outcome for test in found.tested}
    assert by_width[found.upper] == "holds"
    assert found.lower == 0 or by_width[found.lower] == "fails"
    assert all(by_width[w] != "fails" for w in by_width if w > found.lower)
    assert all(by_width[w] != "holds" for w in by_width if found.lower < w < found.upper)


def test_the_upper_end_lies_above_every_failing_width(monkeypatch):
    held = {1: 0, 2: 29, 4: 0, 8: 28, 16: 29, 32: 29}
    monkeypatch.setattr(
        searches, "_test_width", lambda X, y, spec, deadline: outcome_of(spec, held[spec.width], 29 - held[spec.width])
    )
    found = least_width(X, Y, conclusion=Decay(LEAST), step_size=0.5, horizon=1000, widths=list(held))
    assert (found.lower, found.upper) == (4, 16)


def naive_test(width, step_size, horizon, seeds, power=2):
    """Each seed alone, its whole curve compared with the promised one."""
    held = refuted = 0
    for seed in seeds:
        run = train(X, Y, width=width, step_size=step_size, steps=horizon, seed=seed, observe=())
        norms = np.array(run.residual_norms)
        curve = (1 - step_size * LEAST / 2) ** (np.arange(len(norms)) / power) * norms[0]
        kept = len(norms) == horizon + 1 and bool((norms[1:] <= curve[1:]).all())
        held += kept
        refuted += not kept
    return held, refuted


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("step", [1, 2])
def test_the_curve_is_compared_at_the_right_step(power, step):
    """A decay that this run just keeps, and one that it just misses, by 1e-9 at its last step."""
    inputs, y = np.eye(4), np.array([1.0, -1.0, 1.0, -1.0])
    norms = train(inputs, y, width=2000, step_size=1.5, steps=step).residual_norms
    factor = (norms[step] / norms[0]) ** (power / step)
    for margin, held in ((1e-9, 1), (-1e-9, 0)):
        decay = Decay(2 * (1 - factor * (1 + margin)) / 1.5, power)
        slow = decay.log_factors(1.5)[0]
        kept_before = all(norms[k] <= norms[0] * math.exp(k * slow / power) for k in range(1, step))
        test = least_width(inputs, y, conclusion=decay, step_size=1.5, horizon=step, seeds=1, widths=[2000]).tested[0]
        assert (test.held, test.refuted) == ((1, 0) if held and kept_before else (0, 1))


@pytest.mark.parametrize("power", [1, 2])
def test_a_tested_width_counts_the_seeds_that_keep_the_promise(power):
    decay = Decay(LEAST, power)
    found = least_width(X, Y, conclusion=decay, step_size=0.8, horizon=300, seeds=12, widths=[2, 6, 10, 14, 60])
    for test in found.tested:
        held, refuted = naive_test(test.width, 0.8, found.horizon, range(12), power)
        # a test that ends early knows at least as many refuted seeds as settle it, and no more than there are
        assert (test.held, test.refuted) == (held, refuted) or (test.outcome == "fails" and test.refuted <= refuted)
    assert {test.outcome for test in found.tested} >= {"fails"}
    assert found.upper is None and "use at least 29" in found.remark


def test_a_seed_between_the_two_curves_counts_for_neither():
    """With lambda_0 known only within [0, large], nothing is refuted and little is known to hold."""
    wide = Decay(Enclosure.between(1e-9, 3.0))
    found = least_width(X, Y, conclusion=wide, step_size=0.5, horizon=10**10, seeds=29, widths=[4])
    assert found.horizon < 100  # the faster curve soon falls below what float64 can tell
    assert found.too_short and not found.tested
    loose = Decay(Enclosure.between(LEAST / 4, 6 * LEAST))
    test = least_width(X, Y, conclusion=loose, step_size=0.5, horizon=400, seeds=29, widths=[400]).tested[0]
    assert test.refuted == 0 and test.held < 29 and test.outcome == "undecided"


class Scripted:
    """In place of a batch: one network with given residual norms."""

    norms: list[float]

    def __init__(self, *_, **__):
        self.step = -1

    def forward(self):
        self.step += 1
        return torch.tensor(self.norms[self.step : self.step + 1], dtype=torch.float64)

    def descend(self, step_size):
        pass

    def keep(self, positions):
        assert positions == [0]


@pytest.mark.parametrize(("first", "held"), [(0.96, 0), (0.4, 1)])
def test_a_seed_that_once_was_between_the_curves_is_never_known_to_hold(monkeypatch, first, held):
    """At its first step, of 32, which are looked at two by two; later it is below both curves."""
    monkeypatch.setattr(Scripted, "norms", [1.0, first, *(0.5**k / 2 for k in range(2, 33))], raising=False)
    monkeypatch.setattr(searches, "Batch", Scripted)
    bound = Enclosure.between(0.12, 1.0)  # factors of 0.97 and of 0.75 at a step of 1/2
    options = {"step_size": 0.5, "horizon": 32, "seeds": 1, "widths": [1]}
    (test,) = least_width(X, Y, conclusion=Decay(bound, 1), **options).tested
    assert (test.held, test.refuted) == (held, 0)


def test_the_real_search_repeats_and_uses_its_store(tmp_path, monkeypatch):
    options = {"conclusion": Decay(LEAST), "step_size": 0.8, "horizon": 300, "store": Store(tmp_path)}
    seen = []
    found = least_width(X, Y, progress=seen.append, **options)
    assert found.upper is not None and found.lower < found.upper and not found.remark
    assert sorted(test.width for test in seen) == [test.width for test in found.tested]
    assert f"({found.lower}, {found.upper}]" in str(found)
    monkeypatch.setattr(searches, "_test_width", lambda *args: pytest.fail("ran again"))
    assert least_width(X, Y, **options).tested == found.tested


def test_a_problem_brings_its_own_promise_and_confidence():
    problem = Problem(X, Y, delta=0.3)
    asked = {"step_size": 0.5, "horizon": 60, "seeds": 12, "max_width": 64}
    rows = problem.unit_rows
    named = least_width(rows, Y, conclusion=Decay(problem.least_eigenvalue), delta=0.3, **asked)
    found = least_width(problem, **asked)
    assert (found.lower, found.upper, found.delta) == (named.lower, named.upper, 0.3)
    assert [(t.width, t.held, t.refuted) for t in found.tested] == [(t.width, t.held, t.refuted) for t in named.tested]
    with pytest.raises(ValueError, match="arrays have no certified lambda_0"):
        least_width(rows, Y, **asked)


def test_a_horizon_without_a_fall_is_too_short_to_tell():
    found = least_width(X, Y, conclusion=Decay(LEAST), step_size=1e-6, horizon=1000)
    assert found.too_short and str(found).startswith("too short to tell")
    assert (found.lower, found.upper, found.tested) == (0, None, ())


def test_a_budget_widens_the_interval():
    found = least_width(X, Y, conclusion=Decay(LEAST), step_size=0.5, horizon=1000, budget_seconds=0.0)
    assert found.upper is None and "time budget" in found.remark


def test_a_width_that_never_holds_is_an_open_end():
    found = least_width(X, Y, conclusion=Decay(LEAST), step_size=0.8, horizon=300, max_width=4)
    assert (
        found.upper is None and found.remark == "no width up to 4 held" and str(found).startswith("least width above")
    )


@pytest.mark.parametrize(
    "change",
    [
        {"delta": 0.0},
        {"delta": 1.0},
        {"seeds": 0},
        {"seeds": [0] * 29},
        {"horizon": 0},
        {"widths": []},
        {"widths": [0]},
        {"max_width": 0},
    ],
)
def test_bad_arguments_are_refused(change):
    with pytest.raises(ValueError):
        least_width(X, Y, **({"conclusion": Decay(LEAST), "step_size": 0.5, "horizon": 100} | change))


def test_one_network_counts_once():
    """29 times the same network held with a lower limit of 0.9."""
    with pytest.raises(ValueError, match="seed 3 is given twice"):
        least_width(X, Y, conclusion=Decay(LEAST), step_size=0.5, horizon=100, seeds=[3] * 29, widths=[64])
    found = least_width(X, Y, conclusion=Decay(LEAST), step_size=0.5, horizon=100, seeds=3, widths=[8, 8])
    assert [test.width for test in found.tested] == [8]


def test_a_decay_that_float64_hardly_knows_is_too_short_to_tell():
    assert least_width(X, Y, conclusion=Decay(1e-310), step_size=0.5, horizon=100).too_short


def test_networks_that_no_step_moves_have_no_stable_step():
    inputs = -np.ones((2, 1))
    seeds = [s for s in range(20) if initial_network(1, 1, s).weights > 0]
    assert len(seeds) > 3
    with pytest.raises(ValueError, match="no step moves networks of width 1"):
        greatest_stable_step(inputs, Y[:2], width=1, seeds=seeds)
    with pytest.raises(ValueError, match="at least one seed"):
        greatest_stable_step(X, Y, width=1, seeds=())


def test_the_greatest_stable_step_of_a_wide_network_is_two_over_the_largest_eigenvalue():
    found = greatest_stable_step(X, Y, width=4000, seeds=range(2))
    assert found.lower < found.upper <= found.lower + 2.4 / found.largest_eigenvalue / 200
    assert found.lower == pytest.approx(2 / found.largest_eigenvalue, rel=0.1)
    for step, stable in ((found.lower, True), (found.upper, False)):
        runs = [train(X, Y, width=4000, step_size=step, steps=200, seed=seed, observe=()) for seed in range(2)]
        assert all(max(run.residual_norms) <= run.residual_norms[0] for run in runs) == stable


def test_iterations_to_a_loss():
    run = train(X, Y, width=100, step_size=0.5, steps=50)
    assert iterations_to(run, run.losses[0]) == 0
    assert iterations_to(run, run.losses[20]) == next(k for k in itertools.count() if run.losses[k] <= run.losses[20])
    assert iterations_to(run, 0.0) is None


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 40))
def test_a_test_does_not_depend_on_the_number_of_threads(width, horizon):
    def test(threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return least_width(
                X, Y, conclusion=Decay(1.9), step_size=0.9, horizon=horizon, widths=[width], seeds=9
            ).tested
        finally:
            torch.set_num_threads(before)

    assert test(1) == test(3)
