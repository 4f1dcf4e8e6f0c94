"""``zeroloss exponents``: from stored runs to an exponent beside a theorem's."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("polars")

from empirical.results import write_table  # noqa: E402
from empirical.scaling import scaling_exponent  # noqa: E402
from empirical.store import Store  # noqa: E402
from empirical.training import train_seeds  # noqa: E402
from reports.cli import main  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 4))
X /= np.linalg.norm(X, axis=1, keepdims=True)
Y = RNG.standard_normal(6)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("stored") / "runs")
    runs = [
        run
        for width in (32, 64, 128)
        for run in train_seeds(X, Y, width=width, step_size=0.3, steps=40, seeds=range(4), store=store)
    ]
    write_table(store, store.folder / "runs.parquet")
    return store, runs


@pytest.mark.parametrize("of", ["", "runs.parquet"])
def test_the_exponent_is_that_of_the_runs_and_stands_beside_the_theorem_s(capsys, stored, of):
    store, runs = stored
    tokens = ["exponents", str(store.folder / of), "--of", "last.travel", "--theorem", "du2019-two-layer", "--json"]
    assert main(tokens) == 0
    record = json.loads(capsys.readouterr().out)
    fit = scaling_exponent([r.spec.width for r in runs], [r.observations[-1].travel for r in runs])
    (row,) = record["rows"]
    assert (row["runs"], row["sizes"]) == (12, 3)
    assert row["exponent"] == pytest.approx(fit.value) and row["interval"] == pytest.approx([fit.lower, fit.upper])
    (promised,) = record["promised"]
    assert promised["exponent"] == -0.5 and "Theorem 4.1 (explicit)" in promised["by"]


def test_a_bound_without_the_size_has_exponent_0_and_lemmas_are_named(capsys, stored):
    store, _ = stored
    tokens = ["exponents", str(store.folder), "--of", "last.drift_from_start", "--theorem", "du2019-two-layer"]
    assert main([*tokens, "--edition", "printed", "--json"]) == 0
    promised = json.loads(capsys.readouterr().out)["promised"]
    assert [(one["by"].split(", ")[1], one["exponent"]) for one in promised] == [("Lemma 3.2 (printed)", 0.0)]
    assert main(["exponents", str(store.folder), "--of", "last.travel", "--theorem", "du2019-two-layer"]) == 0
    page = capsys.readouterr().out
    assert "last.travel as a power of width" in page and "95 % interval" in page and "exponent -0.5" in page


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["absent", "--of", "last.travel"], ["absent", "no such folder"]),
        (["{}", "--of", "last.colour"], ["no column 'last.colour'", "last.travel"]),
        (["{}", "--of", "last.travel", "--theorem", "du2019"], ["du2019"]),
        (["{}", "--of", "last.loss", "--theorem", "du2019-two-layer"], ["last.loss", "leave out --theorem"]),
        (["{}", "--of", "last.travel", "--theorem", "su2019-rate", "--edition", "printed"], ["leave out --theorem"]),
        (["{}", "--of", "last.travel", "--confidence", "2"], ["between 0 and 1"]),
        (["not.parquet", "--of", "last.travel"], ["no Parquet file"]),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(capsys, stored, tmp_path, monkeypatch, tokens, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "not.parquet").write_text("width,travel\n")
    assert main(["exponents", *(token.format(stored[0].folder) for token in tokens)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    for word in words:
        assert word in err
