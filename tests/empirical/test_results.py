"""The table of a store says what its records say."""

import polars as pl
import pytest

from empirical import train
from empirical.dynamics import GradientDescent, GradientFlow
from empirical.experiments import run_network
from empirical.losses import Loss
from empirical.networks import du2019_deep, shallow
from empirical.results import table, write_table
from empirical.searches import Decay, least_width
from empirical.store import DamagedRecord, Failure, Store
from empirical.training import Run
from tests.empirical.cases import unit_rows


@pytest.fixture
def store(tmp_path, rng_problem):
    store = Store(tmp_path / "runs")
    for width in (8, 16):
        for seed in range(3):
            train(*rng_problem, width=width, step_size=0.3, steps=20, seed=seed, store=store)
    train(*rng_problem, width=8, step_size=90.0, steps=20, store=store)
    return store


@pytest.fixture
def rng_problem():
    import numpy as np

    rng = np.random.default_rng(0)
    return unit_rows(rng, 6, 4), rng.standard_normal(6)


def test_rows_are_the_runs(store):
    found = table(store)
    assert found.height == 7
    for row in found.iter_rows(named=True):
        run = store.get(row["key"], Run)
        assert row["kind"] == "Run"
        assert (row["width"], row["seed"], row["step_size"]) == (run.spec.width, run.spec.seed, run.spec.step_size)
        assert row["verdict"] == run.verdict
        assert row["first.residual_norms"] == run.residual_norms[0]
        assert row["last.residual_norms"] == run.residual_norms[-1]
        assert row["last.travel"] == run.observations[-1].travel
        assert (row["family"], row["method"], row["loss"]) == ("two-layer", "gradient-descent", "squares")
        assert row["last.loss"] == pytest.approx(run.residual_norms[-1] ** 2 / 2, rel=1e-14)
    mean = found.filter(verdict="finished").group_by("width").agg(pl.col("last.loss").mean()).sort("width")
    runs = [run for key in store.keys() if (run := store.get(key, Run)).verdict == "finished"]
    for width, loss in mean.iter_rows():
        losses = [run.observations[-1].loss for run in runs if run.spec.width == width]
        assert len(losses) == 3 and loss == pytest.approx(sum(losses) / 3)


def test_records_of_different_kinds_share_a_table(store, rng_problem):
    least_width(*rng_problem, conclusion=Decay(0.01), step_size=0.3, horizon=900, widths=[4], seeds=2, store=store)
    store.put_failure(Failure(key="f" * 64, specification={"width": 10**9}, reason="no memory"))
    found = table(store.folder)
    assert found["kind"].value_counts(sort=True).rows() == [("Run", 7), ("TestedWidth", 1), ("Failure", 1)]
    assert found.filter(kind="Failure").select("width", "reason").rows() == [(10**9, "no memory")]
    assert found.filter(kind="TestedWidth")["held"].null_count() == 0
    assert found.filter(kind="Run")["held"].null_count() == 7


def test_damaged_files_have_no_row(store):
    whole, (first, second, *_) = table(store), store.keys()
    content = store.path(first).read_bytes()
    store.path(first).write_bytes(content[:-1])
    content = bytearray(store.path(second).read_bytes())
    content[60] ^= 4
    store.path(second).write_bytes(content)
    with pytest.warns(DamagedRecord) as caught:
        found = table(store)
    assert {warning.message.path for warning in caught} == {store.path(first), store.path(second)}
    kept = whole.filter(~pl.col("key").is_in([first, second]))
    assert found.select(kept.columns).equals(kept)


def test_parquet_holds_the_same_table(store, tmp_path):
    path = tmp_path / "runs.parquet"
    path.write_text("an earlier one")
    write_table(store, path)
    assert pl.read_parquet(path).equals(table(store))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["runs", "runs.parquet"]


def test_an_empty_store_is_an_empty_table_and_no_store_is_an_error(tmp_path):
    assert table(Store(tmp_path)).height == 0
    with pytest.raises(FileNotFoundError, match="no such folder"):
        table(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_runs_of_any_family_are_rows(tmp_path, rng_problem):
    store = Store(tmp_path)
    families = {"du2019-deep-resnet": du2019_deep.ResNet(width=6, depth=2), "two-layer": shallow.TwoLayer(width=6)}
    methods = {
        "gradient-descent": GradientDescent(step_size=0.05, steps=4),
        "gradient-flow": GradientFlow(horizon=0.1, tolerance=1e-4),
    }
    runs = {}
    for name, family in families.items():
        for how, method in methods.items():
            times = (0, getattr(method, "steps", 0.1))
            observe = {"residuals": times, "tangent kernel": times}
            runs[name, how] = run_network(
                family, *rng_problem, loss=Loss(), method=method, observe=observe, store=store
            )
    found = table(store)
    assert found.height == 4
    for row in found.iter_rows(named=True):
        run = runs[row["family"], row["method"]]
        assert row["key"] == run.key and row["width"] == 6 and row["verdict"] == "finished"
        assert (row["kind"], row["loss"], row["points"], row["dimension"]) == ("NetworkRun", "squares", 6, 4)
        assert (row["first.loss"], row["last.loss"]) == (run.losses[0], run.losses[-1])
        last = run.measurements[-1]
        for name, value in last.values.items():
            if not isinstance(value, list):
                assert row[f"last.{last.observable}.{name}"] == value
