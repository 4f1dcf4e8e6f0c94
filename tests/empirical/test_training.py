"""Runs: what is recorded is what happened, and recording changes nothing."""

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.problem import Problem
from bounds.settings import TwoLayer
from empirical import gram_matrix, train
from empirical.networks import TwoLayerNetwork
from empirical.observables import movable, split_step_residual
from empirical.store import DamagedRecord, Store
from empirical.training import Run, RunSpecification, schedule, train_seeds, training_arrays
from tests.empirical.cases import problems, unit_rows

RNG = np.random.default_rng(5)
X, Y = unit_rows(RNG, 6, 5), RNG.choice([-1.0, 1.0], 6)


@given(problems(), st.integers(1, 30), st.integers(0, 2**40), st.floats(0.05, 1.0))
@settings(max_examples=60)
def test_the_split_step_identity_holds_to_rounding(problem, width, seed, step_size):
    """(D4) on every step of a run, flips and all."""
    inputs, y = problem
    run = train(inputs, y, width=width, step_size=step_size, steps=12, seed=seed, observe=range(13))
    size = 1 + max(run.residual_norms)
    for observation in run.observations[:-1]:
        assert observation.identity_residual <= 1e-13 * size
    assert run.observations[-1].identity_residual is None or run.verdict == "diverged"


def test_the_split_step_identity_fails_for_another_step():
    """The check is no tautology: a step of another size, or a pattern counted with the wrong radius, breaks it."""
    run = train(X, Y, width=30, step_size=0.5, steps=4, seed=0, observe=())
    start = run.initial_network()
    inputs, y = torch.as_tensor(X), torch.as_tensor(Y)
    gradient = start.gradient(inputs, y)
    after = TwoLayerNetwork(start.weights - 0.5 * gradient.weights, start.signs)
    assert split_step_residual(start, start, after, inputs, y, 0.5) <= 1e-14
    assert split_step_residual(start, start, after, inputs, y, 0.6) >= 1e-3


@given(problems(), st.integers(1, 20), st.lists(st.integers(0, 20), max_size=5), st.sampled_from(["first", "both"]))
@settings(max_examples=40)
def test_observing_never_changes_a_run(problem, width, steps, trained):
    inputs, y = problem
    options = {"width": width, "step_size": 0.5, "steps": 20, "seed": 1, "trained": trained}
    bare = train(inputs, y, observe=(), **options)
    seen = train(inputs, y, observe=steps, radius=0.1, limit_gram=np.eye(len(y)), **options)
    assert bare.residual_norms == seen.residual_norms
    assert [o.step for o in seen.observations] == [k for k in sorted(set(steps)) if k <= seen.steps_taken]


def test_observations_are_what_they_say():
    run = train(X, Y, width=40, step_size=0.5, steps=30, seed=3, radius=0.2, limit_gram=np.eye(6), observe=(0, 7, 30))
    start = run.initial_network()
    network = start
    inputs, y = torch.as_tensor(X), torch.as_tensor(Y)
    for _ in range(7):
        network = TwoLayerNetwork(network.weights - 0.5 * network.gradient(inputs, y).weights, network.signs)
    W0, W = start.weights.numpy(), network.weights.numpy()
    H0, H = (((A @ X.T >= 0).T.astype(float) @ (A @ X.T >= 0)) * (X @ X.T) / 40 for A in (W0, W))
    seen = run.observations[1]
    moved = np.linalg.norm(W - W0, axis=1).max()
    differ = (W @ X.T >= 0) != (W0 @ X.T >= 0)
    assert seen.step == 7
    assert seen.travel == pytest.approx(moved, rel=1e-12)
    assert seen.flips_per_input == tuple(differ.sum(axis=0))
    assert seen.flips == pytest.approx(differ.mean())
    assert seen.movable_at_travel == tuple((np.abs(W0 @ X.T) <= moved).sum(axis=0))
    assert run.movable == tuple((np.abs(W0 @ X.T) <= 0.2).sum(axis=0))
    assert seen.drift_from_start == pytest.approx(np.linalg.norm(H - H0, 2), abs=1e-12)
    assert seen.drift_from_limit == pytest.approx(np.linalg.norm(H - np.eye(6), 2), abs=1e-12)
    assert seen.least_eigenvalue == pytest.approx(np.linalg.eigvalsh(H)[0], abs=1e-12)
    assert seen.largest_eigenvalue == pytest.approx(np.linalg.eigvalsh(H)[-1], abs=1e-12)
    assert seen.residual_norm == run.residual_norms[7]
    assert seen.loss == run.losses[7] == run.residual_norms[7] ** 2 / 2
    assert seen.contraction == run.residual_norms[8] / run.residual_norms[7]
    assert seen.output_travel is None
    assert run.observations[0].travel == run.observations[0].drift_from_start == run.observations[0].flips == 0


def test_both_layers_move_where_both_are_trained():
    run = train(X, Y, width=40, step_size=0.3, steps=10, seed=3, trained="both")
    last = run.observations[-1]
    assert last.output_travel > 0 and last.identity_residual is None
    assert run.observations[0].output_travel == 0.0
    # H is the first layer's matrix, of which Theorem 3.3 speaks, not the whole tangent kernel
    first_layer = torch.linalg.eigvalsh(run.initial_network().gram(torch.as_tensor(X)))
    assert run.observations[0].least_eigenvalue == pytest.approx(float(first_layer[0]))


def test_a_run_on_four_orthonormal_inputs_obeys_every_bound_of_the_sharp_edition():
    """Inside all conditions: m > (8192/pi) S^2 n ||e0||^2 / lambda_0^4, eta = 1/S; S = 1, n = 4, lambda_0 = 1/2."""
    inputs, y = np.eye(4), np.array([1.0, -1.0, 1.0, -1.0])
    width = 1_043_038
    run = train(inputs, y, width=width, step_size=1.0, steps=10, seed=0, observe=(0, 1, 10))
    start = run.residual_norms[0]
    assert width > 8192 / math.pi * 4 * start**2 / 0.5**4
    contractions = [after / before for before, after in pairwise(run.residual_norms)]
    assert max(contractions) <= 0.75
    assert contractions[0] == pytest.approx(0.5, abs=0.01)
    bound = 2 * start / (math.sqrt(width) * 0.5)
    radius = math.sqrt(2 * math.pi) * 0.5 / (64 * math.sqrt(4))
    assert max(o.travel for o in run.observations) <= bound < radius
    for seen in run.observations:
        assert seen.drift_from_start <= 2 * max(seen.movable_at_travel) / width * 2
        assert seen.least_eigenvalue >= 0.25
        assert max(seen.flips_per_input) <= max(seen.movable_at_travel)


def test_a_run_shows_its_loss_and_not_all_its_numbers():
    run = train(np.eye(3), np.ones(3), width=8, step_size=0.5, steps=20, seed=4)
    first, last = (f"{loss:.4g}" for loss in (run.losses[0], run.losses[-1]))
    assert repr(run) == f"Run(width 8, seed 4, 20 steps of 0.5: loss {first} -> {last}, finished)"


def test_a_diverging_run_ends_with_a_verdict():
    run = train(X, Y, width=40, step_size=500.0, steps=400, seed=0)
    assert run.verdict == "diverged" and "residual norm" in run.reason
    assert run.steps_taken < 400
    assert all(map(math.isfinite, run.residual_norms))
    assert all(o.step <= run.steps_taken for o in run.observations)
    calm, wild = train_seeds(X, Y, width=40, step_size=0.5, steps=40, seeds=[0, 1])[0], run
    assert calm.verdict == "finished" and not calm.reason and wild.key != calm.key


def test_the_number_of_threads_changes_no_bit():
    """Of what is observed either: eigenvalues by LAPACK differ in their last bits where threads share its work."""
    draw, threads, found = np.random.default_rng(0), torch.get_num_threads(), []
    X, y = unit_rows(draw, 30, 5), draw.normal(size=30)
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(train_seeds(X, y, width=128, step_size=0.1, steps=300, seeds=range(30)))
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


@given(st.integers(0, 10**6))
def test_the_schedule_has_both_ends_and_no_more_than_six_steps_a_decade(steps):
    observed = schedule(steps)
    assert observed[0] == 0 and observed[-1] == steps
    assert list(observed) == sorted(set(observed))
    assert len(observed) <= 6 * math.log10(max(steps, 1)) + 4


def test_every_field_of_the_specification_changes_the_key():
    spec = train(X, Y, width=4, step_size=0.5, steps=2).spec
    other = RunSpecification(
        inputs="a",
        labels="b",
        points=1,
        dimension=1,
        width=5,
        step_size=0.25,
        steps=3,
        seed=1,
        trained="both",
        observed=(1,),
        radius=0.5,
        limit_gram="c",
        device="meta",
        setting="another",
        arithmetic=0,
    )
    changed = {
        msgspec.structs.replace(spec, **{name: getattr(other, name)}).key for name in RunSpecification.__struct_fields__
    }
    assert len(changed | {spec.key}) == len(RunSpecification.__struct_fields__) + 1


def test_runs_on_other_arrays_have_other_keys():
    options = {"width": 4, "step_size": 0.5, "steps": 2}
    arrays = [(X, Y, None), (2 * X, Y, None), (X, -Y, None), (X, Y, np.eye(6)), (X, Y, 2 * np.eye(6))]
    assert len({train(inputs, y, limit_gram=limit, **options).key for inputs, y, limit in arrays}) == len(arrays)


def test_finished_runs_are_taken_from_the_store_and_damaged_ones_run_again(tmp_path, monkeypatch):
    store = Store(tmp_path)
    options = {"width": 8, "step_size": 0.5, "steps": 20, "store": store}
    runs = train_seeds(X, Y, seeds=[0, 1, 2], **options)
    assert runs == train_seeds(X, Y, seeds=[0, 1, 2], **options)
    assert sorted(run.key for run in runs) == store.keys()
    file = store.path(runs[1].key)
    file.write_bytes(file.read_bytes()[:-1])
    trained = []
    batch = __import__("empirical.training", fromlist=["Batch"]).Batch
    monkeypatch.setattr(
        "empirical.training.Batch", lambda *args, **kw: (trained.extend(args[3]), batch(*args, **kw))[1]
    )
    with pytest.warns(DamagedRecord):
        assert train_seeds(X, Y, seeds=[0, 1, 2], **options) == runs
    assert trained == [1]
    assert store.get(runs[1].key, Run) == runs[1]


@pytest.mark.parametrize("number", [int, np.int64, np.float64, np.float32], ids=lambda number: number.__name__)
def test_a_run_is_found_again_whatever_its_numbers_were_given_as(tmp_path, number):
    """A step of 1 was stored under another key than it was read back with, and counted as damaged ever after."""
    store = Store(tmp_path)
    whole = {"width": np.int64(8), "steps": np.int32(3)} if number is not int else {"width": 8, "steps": 3}
    run = train(X, Y, step_size=number(1), radius=number(1), seed=np.int64(2), store=store, **whole)
    assert run == train(X, Y, step_size=1.0, radius=1.0, seed=2, width=8, steps=3, store=store)
    assert store.keys() == [run.key]


def test_an_interrupt_keeps_what_is_finished(tmp_path):
    store = Store(tmp_path)

    def interrupt(done, wanted):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_seeds(X, Y, width=4000, step_size=0.5, steps=3, seeds=range(40), store=store, progress=interrupt)
    kept = [store.get(key, Run) for key in store.keys()]
    assert kept and all(run.steps_taken == 3 for run in kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width >= 1"),
        ({"steps": -1}, "steps >= 0"),
        ({"step_size": 0.0}, "step size"),
        ({"step_size": math.nan}, "step size"),
        ({"observe": [9]}, "observed steps"),
        ({"limit_gram": np.eye(3)}, "limit Gram"),
        ({"radius": math.inf}, "radius"),
        ({"radius": -1.0}, "radius"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        train(X, Y, **({"width": 4, "step_size": 0.5, "steps": 5} | change))


def test_bad_arrays_are_named():
    with pytest.raises(ValueError, match="missing"):
        training_arrays(X, None)
    with pytest.raises(ValueError, match="own labels"):
        training_arrays(Problem(X, Y), Y)
    with pytest.raises(ValueError, match="do not fit"):
        training_arrays(X, Y[:-1])
    with pytest.raises(ValueError, match="finite"):
        training_arrays(X, np.full(6, np.nan))


def test_a_problem_trains_on_its_unit_rows():
    problem = Problem(3.0 * X, Y)
    rows, labels = training_arrays(problem, None)
    assert np.array_equal(rows, problem.unit_rows) and np.array_equal(labels, Y)
    options = {"width": 4, "step_size": 0.5, "steps": 3, "limit_gram": problem.gram(TwoLayer()).midpoint}
    assert train(problem, **options) == train(rows, labels, **options)
    assert gram_matrix(np.eye(5), problem.X).shape == (6, 6)


def test_movable_neurons_scale_with_the_input():
    start = train(X, Y, width=30, step_size=0.5, steps=0).initial_network()
    inputs = torch.as_tensor(X)
    assert torch.equal(movable(start, inputs, 0.3), movable(start, 4 * inputs, 0.3))
