"""Both sides of every promise, over the whole catalogue and against numbers computed by other means."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from sympy import Le

from bounds import quantities as q
from bounds.arithmetic import Enclosure, Outcome
from bounds.catalogue import theorem, theorems
from bounds.papers import dong2019
from bounds.problem import Problem
from bounds.statements import Promise
from empirical.dynamics import GradientDescent, trajectory
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES
from empirical.store import Store
from reports.both_sides.judging import own_edition, own_network
from reports.both_sides.observed import NO_RUN, OBSERVED
from reports.both_sides.reading import Reading, needs
from reports.both_sides.sides import outcome_on_run
from reports.both_sides.trials import Sizes, on_a_line, trial
from tests.empirical.cases import unit_rows

RNG = np.random.default_rng(3)
N, D = 6, 5
PROBLEM = Problem(unit_rows(RNG, N, D), np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0]), 0.1)
SMALL, WIDE = Sizes(width=48, steps=60), Sizes(width=2048, steps=60)
MEAN_FIELD = Sizes(width=4, steps=4)

MOST_SILENT = 0.2
"""Of the catalogue's theorems, the share of which no run may show a promise."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


def sizes(identifier):
    if identifier.startswith("ding"):
        return MEAN_FIELD
    return WIDE if "existence" in identifier or identifier.startswith("baseline-two-layer") else SMALL


def test_every_quantity_names_something_that_a_run_shows():
    theorems()
    named = {name for name in q.MEASURED_BY.values() if not name.startswith(NO_RUN)}
    assert named == set(OBSERVED)
    assert {need for one in OBSERVED.values() for need in one.needs} <= set(OBSERVABLES)


def reasons(statement):
    """Why no run shows a promise, by the words of the entry; empty for promises that a run may show."""
    promises = [p for e in statement.editions for p in e.conclusions]
    named = [{q.MEASURED_BY.get(s, "") for s in p.measured.free_symbols} for p in promises]
    return [next((name for name in names if name.startswith(NO_RUN)), "") for names in named]


def silent(statement):
    """Whether it states no inequality, or none that a run shows."""
    return all(reason.removeprefix(NO_RUN) for reason in reasons(statement))


@pytest.mark.parametrize("identifier", [s.identifier for s in theorems()])
def test_every_theorem_shows_a_promise_or_says_why_not(identifier, store):
    """None is contradicted where its conditions hold, by certified numbers or by those of the run, and none is said to
    fail where one does not; what a condition says in words is shown."""
    statement = theorem(identifier)
    if statement.setting.network is None:
        assert silent(statement)
        return
    found = own_network(PROBLEM, statement, sizes(identifier), store=store)
    sides = [(edition, side) for edition in found.editions for side in edition.sides]
    assert len(sides) == len(reasons(statement))
    assert any(side.measured is not None for _, side in sides) or silent(statement)
    for (edition, side), reason in zip(sides, reasons(statement), strict=True):
        assert side.measured is not None or (side.note and reason.removeprefix(NO_RUN) in side.note)
        assert side.verdict != "fails", (edition.edition, side)
        met = "holds" in (edition.condition, edition.condition_measured)
        assert side.verdict != "not promised" or not met and "not promised to this run (" in side.note
    for edition in found.editions:
        rows = {row.name: row for row in edition.conditions_measured}
        for condition in statement.edition(edition.edition).assumes if rows else ():
            if condition.words:
                assert rows[condition.name].reason or rows[condition.name].verdict == "holds"


def test_few_theorems_show_nothing():
    assert sum(map(silent, theorems())) <= MOST_SILENT * len(theorems())


def test_a_false_promise_is_caught_where_the_conditions_hold(store):
    """The same theorem with a hundredth of what it promises: the machinery can say that it fails."""
    statement = theorem("liu2020-two-layer")
    edition = statement.edition("explicit")
    false = replace(edition, promises=tuple(Promise(p.name, Le(p.measured, p.bound / 100)) for p in edition.promises))
    reading = Reading(trial(PROBLEM, statement, SMALL, needs([statement]), store))
    for tried, verdict in ((edition, "holds"), (false, "fails")):
        found = own_edition(reading, replace(statement, editions=(tried,)), tried, {})
        assert found.condition == "holds"
        assert {side.verdict for side in found.sides} == {verdict}


def test_both_sides_of_the_hessian_by_hand(store):
    """m^(-1/2) max |s''(w.x)| for unit inputs, and beta m^(-1/2) with the largest |tanh''|, 4 / (3 sqrt(3))."""
    found = own_network(PROBLEM, theorem("liu2020-two-layer"), SMALL, store=store)
    side = next(side for side in found.editions[0].sides if side.name == "Hessian")
    one = trial(PROBLEM, theorem("liu2020-two-layer"), SMALL, ())
    z = one.initial_network.hidden(torch.as_tensor(one.X[:3])).detach().numpy()
    at_start = np.abs(2 * np.tanh(z) * (1 - np.tanh(z) ** 2)).max() / math.sqrt(48)
    low, high = side.promised.bounds
    assert low <= 4 / (3 * math.sqrt(3)) / math.sqrt(48) <= high
    assert side.promised.kind == "enclosed"
    assert at_start * (1 - 1e-6) <= side.measured.bounds[0] <= high


def test_a_rate_and_a_path_by_hand(store):
    """Descent of a smooth two-layer network, stepped here by itself, under every condition of the theorem."""
    statement = theorem("baseline-two-layer-descent")
    problem = Problem(np.eye(3), np.array([1.0, -1.0, 0.5]), 0.1)
    found = own_network(problem, statement, Sizes(width=60_000, steps=25), editions=("explicit",))
    edition = found.editions[0]
    assert edition.condition == "holds"
    assert {side.verdict for side in edition.sides} == {"holds"}
    network = trial(problem, statement, Sizes(width=60_000), ()).initial_network
    W, a = network.hidden.weight.detach().numpy(), network.output.weight.detach().numpy()[0] / math.sqrt(60_000)
    path = 0.0
    for _ in range(25):
        h = np.tanh(W.T)  # the inputs are the coordinate vectors
        gradient = ((h @ a - problem.y)[:, None] * (1 - h**2) * a).T
        path += found.step_size * np.linalg.norm(gradient)
        W = W - found.step_size * gradient
    residual = np.linalg.norm(np.tanh(W.T) @ a - problem.y)
    measured = {side.name: side.measured.bounds[0] for side in edition.sides}
    assert measured["convergence"] == pytest.approx(residual, rel=1e-9)
    assert measured["path"] == pytest.approx(path, rel=1e-9)
    least = problem.gram(statement.setting)
    rate = 1 - found.step_size * np.linalg.eigvalsh(least.midpoint)[0] / 4
    convergence = edition.sides[0]
    e_0 = convergence.promised.bounds[0] / rate**25
    assert math.sqrt(problem.label_norm.upper**2) < e_0  # the residual by its event, not by this draw


def test_paths_and_distances_of_the_outputs_by_hand(store):
    """G2 of Dong and Zhou's entry: the path is that of the polygon through the observed steps 0, 1, 2, 4, ..."""
    detours = next(s for s in dong2019.PAPER.statements if "detours" in s.name)
    tried = trial(PROBLEM, detours, SMALL, needs([detours]), store)
    path, distance = (OBSERVED[f"{name} of the outputs"].read(tried) for name in ("path length", "distance"))
    network = tried.initial_network
    X, y = torch.from_numpy(tried.X), torch.from_numpy(tried.y)
    method = GradientDescent(step_size=tried.step_size, steps=60)
    seen = {s.at: network(X).detach().numpy() for s in trajectory(network, X, y, Loss(), method)}
    assert list(path) == list(distance) == [0, 1, 2, 4, 8, 16, 32, 60]
    length = 0.0
    for before, at in zip([0, *path], path, strict=False):
        length += np.linalg.norm(seen[at] - seen[before])
        assert path[at] == pytest.approx(length, rel=1e-9, abs=1e-15)
        assert distance[at] == pytest.approx(np.linalg.norm(seen[at] - seen[0]), rel=1e-9, abs=1e-15)
    assert path[60] > 1.005 * distance[60]
    (edition,) = own_network(PROBLEM, detours, SMALL, store=store).editions
    assert {side.name: side.verdict for side in edition.sides} == {"parameters": "holds", "outputs": "holds"}
    tried.network = replace(tried.network, loss="logistic")
    with pytest.raises(ValueError, match="logistic"):
        OBSERVED["distance of the outputs"].read(tried)


def test_a_hidden_constant_is_bounded_by_the_run_and_decides_nothing(store):
    found = own_network(PROBLEM, theorem("allenzhu2019-gd"), SMALL, store=store)
    travel = next(side for side in found.editions[0].sides if side.name == "travel")
    (low, _), (measured, _) = travel.promised.bounds, travel.measured.bounds
    assert travel.verdict == "undecided"
    assert f"at least {measured / low:.3g}" in travel.note


def test_conditions_are_apart_by_certified_numbers_and_by_those_of_the_run(store):
    """sigma_0 is no invariant of the data: without it nothing is decided; the run's own may decide, as an estimate."""
    found = own_network(PROBLEM, theorem("oymak2019-start"), SMALL, store=store)
    edition = found.editions[0]
    certified = {row.name: row.verdict for row in edition.conditions}
    estimated = {row.name: row.verdict for row in edition.conditions_measured}
    assert certified["Jacobian"] == "undecided" and estimated["Jacobian"] in ("holds", "fails")
    assert edition.condition == "undecided"
    assert all(side.promised is None or side.promised.kind == "float" for side in edition.sides)
    jacobian = next(row for row in edition.conditions_measured if row.name == "Jacobian")
    assert jacobian.right.kind == "float"  # sigma_0 of the run stands there, however exactly it is stored
    assert all(side is None or side.kind != "float" for row in edition.conditions for side in (row.left, row.right))


def test_a_residual_that_was_drawn_takes_the_place_of_what_bounds_it_in_estimates_alone(store):
    """Markov's inequality allows it to be much larger, and takes a share of delta."""
    found = own_network(PROBLEM, theorem("du2019-two-layer-flow"), SMALL, editions=("explicit",), store=store)
    (edition,) = found.editions
    certified = next(row for row in edition.conditions if row.name == "travel below radius")
    estimated = next(row for row in edition.conditions_measured if row.name == "travel below radius")
    assert certified.right.kind == "enclosed" and estimated.right.kind == "float"
    assert estimated.right.bounds[1] < 0.1 * certified.right.bounds[0]


def test_a_solver_that_errs_is_told_of(store):
    """ReLU networks under the flow for long: the loss, which no flow raises, rises by a share of its start."""
    long = Sizes(width=48, steps=2000)
    found = own_network(PROBLEM, theorem("du2019-two-layer-flow"), long, editions=(), store=store)
    assert "which is the solver's error" in found.note
    smooth = own_network(PROBLEM, theorem("baseline-flow"), SMALL, editions=(), store=store)
    assert "solver" not in smooth.note


def test_a_promise_that_hardly_falls_is_too_short_to_tell(store):
    statement = theorem("baseline-two-layer-descent")
    tried = trial(PROBLEM, statement, Sizes(width=48, steps=5, step_size=1e-3), needs([statement]), store)
    sides = own_edition(Reading(tried), statement, statement.edition("explicit"), {}).sides
    side = next(side for side in sides if side.name == "convergence")
    assert side.verdict == "too short to tell" and "fell by a factor 1;" in side.note


@pytest.mark.parametrize("identifier", ["baseline-descent", "baseline-flow"])
def test_an_upper_bound_is_not_judged_at_the_start_where_both_sides_are_equal(identifier, store):
    """It would stand there as a bound that gives nothing away."""
    statement = theorem(identifier)
    found = own_network(PROBLEM, statement, SMALL, store=store)
    side = next(side for side in found.editions[0].sides if side.name == "residual along the path")
    start = math.sqrt(2 * trial(PROBLEM, statement, SMALL, needs([statement]), store).run.losses[0])
    assert side.measured.bounds[1] < 0.9 * start
    assert side.measured.bounds[1] < side.promised.bounds[0] and side.decades_lower > 0.1


def convergence(store, losses, *, steps=60, conditions=False):
    """The row of a promised curve for a run that has these losses at its end, and nothing seen beyond.

    The theorem's conditions, which ask for a larger width, are left out unless wanted.
    """
    statement = theorem("baseline-two-layer-descent")
    tried = trial(PROBLEM, statement, Sizes(width=48, steps=steps), needs([statement]), store)
    kept = len(tried.run.losses) - len(losses)
    tried.run = msgspec.structs.replace(tried.run, losses=[*tried.run.losses[:kept], *losses])
    edition = statement.edition("explicit")
    if not conditions:
        edition = replace(edition, assumes=())
    found = own_edition(Reading(tried), replace(statement, editions=(edition,)), edition, {})
    return next(side for side in found.sides if side.name == "convergence")


@pytest.mark.parametrize("last", [math.inf, math.nan])
def test_a_run_that_explodes_breaks_the_promised_curve(store, last):
    assert convergence(store, []).verdict == "holds"
    side = convergence(store, [last])
    assert side.verdict == "fails" and "first broken at step 60: inf" in side.note


def test_a_run_breaks_no_promise_where_a_condition_is_not_met(store):
    side = convergence(store, [math.inf], conditions=True)
    assert side.verdict == "not promised"
    assert "first broken at step 60: inf" in side.note and "not promised to this run (fails: " in side.note
    assert convergence(store, [], conditions=True).verdict == "holds"


def test_a_curve_that_is_broken_on_the_way_says_where(store):
    """The last step, which the row shows, keeps the promise."""
    side = convergence(store, [1e6, *[1e-3] * 28])
    assert side.verdict == "fails" and "first broken at step 32: 1414" in side.note
    assert side.measured.bounds[0] < side.promised.bounds[0]


def test_what_rounding_leaves_breaks_no_curve_and_what_is_far_above_does(store):
    """At 1e-16 of the first residual there is only rounding; a curve that is there already is broken by 1e-3."""
    orthonormal = Problem(np.eye(4), np.array([1.0, -1.0, 1.0, -1.0]), 0.1)
    statement = theorem("baseline-two-layer-descent")
    tried = trial(orthonormal, statement, Sizes(width=2048, steps=120), needs([statement]), store)
    assert 0 < tried.run.losses[-1] < 1e-28 * tried.run.losses[0]
    for losses, verdict in (
        (tried.run.losses, "holds"),
        ([*tried.run.losses[:100], *[1e-3 * tried.run.losses[0]] * 21], "not promised"),  # by no certified number
    ):
        tried.run = msgspec.structs.replace(tried.run, losses=losses)
        sides = own_edition(Reading(tried), statement, statement.edition("sharp"), {}).sides
        assert next(side for side in sides if side.name == "convergence").verdict == verdict


@pytest.mark.parametrize(("least", "verdict"), [(1e-4, "holds"), (1e-2, "not promised")])
def test_a_flow_is_believed_no_further_than_its_loss_falls(store, least, verdict):
    """No flow raises its loss: that of a ReLU network's solver does, from 1e-4 to 1e-2, by its error."""
    statement = theorem("du2019-two-layer-flow")
    tried = trial(PROBLEM, statement, Sizes(width=48, steps=2000), needs([statement]), store)
    beginning = [1.0, 0.5, 0.2, 0.05, 0.02, least]
    tried.run = msgspec.structs.replace(tried.run, losses=beginning + [1e-2] * (len(tried.run.at) - 6))
    sides = own_edition(Reading(tried), statement, statement.edition("explicit"), {}).sides
    assert next(side for side in sides if side.name == "convergence").verdict == verdict


@pytest.mark.parametrize("last", [math.inf, math.nan, 1e3])
def test_a_loss_that_does_not_fall_takes_for_ever_and_has_no_rate(store, last):
    tried = trial(PROBLEM, theorem("liu2020-two-layer"), SMALL, (), store)
    tried.run = msgspec.structs.replace(tried.run, losses=[*tried.run.losses[:-1], last])
    assert OBSERVED["steps per factor e"].read(tried) == math.inf
    assert OBSERVED["rate of decay"].read(tried) < 0


@pytest.mark.parametrize(("last", "verdict"), [(10, "too short to tell"), (60, "fails")])
def test_a_run_that_ended_early_is_held_to_the_steps_it_took(store, last, verdict):
    """A goal that was to be reached in 30 steps, and is not within so many."""
    statement = theorem("allenzhu2019-core")
    tried = trial(PROBLEM, statement, SMALL, needs([statement]), store)
    run = tried.run
    tried.run = msgspec.structs.replace(run, at=run.at[: last + 1], losses=[1.0] * (last + 1))
    edition = statement.edition("explicit")
    promised = next(p for p in edition.promises if p.name == "steps")
    within = replace(edition, assumes=(), promises=(Promise("steps", Le(promised.measured, 30)),))
    statement = replace(statement, editions=(within,))
    (side,) = (s for s in own_edition(Reading(tried), statement, within, {}).sides if s.name == "steps")
    assert (side.verdict, side.note) == (verdict, "not reached within the run")


def test_a_side_within_a_wide_enclosure_or_within_chance_is_undecided():
    wide = Enclosure.between(1.0, 100.0)
    for above, holds, fails in ((True, 1.0, 101.0), (False, 100.0, 0.9)):
        assert outcome_on_run(holds, above, wide, 0.0) == Outcome.HOLDS
        assert outcome_on_run(fails, above, wide, 0.0) == Outcome.FAILS
        for left in (50.0, 100.0 if above else 1.0, math.nan):
            assert outcome_on_run(left, above, wide, 0.0) == Outcome.UNDECIDED
        for left in (1.0, 1.2, 0.8):
            assert outcome_on_run(left, above, Enclosure.of(1), 0.3) == Outcome.UNDECIDED
        assert outcome_on_run(1.0, above, Enclosure.of(1), 0.0) == Outcome.HOLDS
    assert outcome_on_run(0.0, True, None, 0.0) == Outcome.UNDECIDED


def test_given_numbers_take_the_place_of_measured_ones(store):
    found = own_network(PROBLEM, theorem("baseline-flow"), SMALL, given={"sigma_0": 0.25}, store=store)
    assert found.given == {"sigma_0": 0.25}
    row = next(row for row in found.editions[0].conditions_measured if row.name == "Jacobian")
    beta = 4 / (3 * math.sqrt(3)) * np.linalg.norm(PROBLEM.unit_rows, 2) / math.sqrt(48)
    assert row.left.bounds[0] == pytest.approx(beta, rel=1e-9)
    one = trial(PROBLEM, theorem("baseline-flow"), SMALL, ())
    outputs = one.initial_network(torch.as_tensor(one.X)).detach().numpy()
    assert row.right.bounds[0] == pytest.approx(0.25**2 / (2 * np.linalg.norm(PROBLEM.y - outputs)), rel=1e-9)


def test_inputs_on_a_line_keep_labels_and_become_one_number():
    line = on_a_line(PROBLEM)
    assert line.X.shape == (N, 1)
    np.testing.assert_array_equal(line.y, PROBLEM.y)
    np.testing.assert_allclose(np.abs(line.X[:, 0]), np.abs(PROBLEM.X @ np.linalg.svd(PROBLEM.X)[2][0]))


def test_labels_of_a_logistic_loss_are_signs_on_both_sides(store):
    """And the record says so: conditions and run are about the same labels, which are not those of the data."""
    problem = Problem(PROBLEM.X, np.arange(6.0), 0.1)
    tried = trial(problem, theorem("ji2020-logistic"), SMALL, (), store)
    np.testing.assert_array_equal(tried.problem.y, [-1, -1, -1, 1, 1, 1])
    np.testing.assert_array_equal(tried.y, tried.problem.y)
    assert "labels are 1 above their median" in own_network(problem, theorem("ji2020-logistic"), SMALL).note
    assert not own_network(PROBLEM, theorem("ji2020-logistic"), SMALL).note


def test_several_labels_a_row_are_refused():
    with pytest.raises(ValueError, match="one label a row"):
        own_network(Problem(PROBLEM.X, np.ones((N, 3)), 0.1), theorem("liu2020-two-layer"), SMALL)


def test_what_names_no_network_or_another_depth_is_refused():
    with pytest.raises(ValueError, match="names no networks"):
        own_network(PROBLEM, theorem("nguyen2021-linear"), SMALL)
    for statement in (replace(theorem("du2019-deep-fc"), for_all=()), theorem("oymak2019-path")):
        with pytest.raises(ValueError, match="depth is not left open"):
            trial(PROBLEM, statement, Sizes(depth=5), ())
    assert trial(PROBLEM, theorem("du2019-deep-fc"), Sizes(depth=5), ()).family.depth == 5
