"""A whole comparison on small data, held against its own definitions."""

from __future__ import annotations

import html
import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bounds import Problem, theorem
from bounds.gram import rounding_contributions
from empirical.store import Store
from empirical.training import train
from reports.commands.console import digits
from reports.comparison import compare, named_apart
from reports.measurement import EFFORTS, Effort, orthonormal
from reports.page import page
from reports.rows import judge
from reports.schema import Comparison

DATA, LABELS = np.random.default_rng(0).standard_normal((6, 4)), np.array([1.0, -1.0] * 3)
TINY = Effort(
    fall=8.0,
    most_steps=400,
    search_seconds=20.0,
    proof_seconds=1.0,
    proof_steps=2000,
    widths=(16, 64),
    demonstrations=False,
)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EFFORTS, "quick", TINY)
        store = Store(tmp_path_factory.mktemp("runs"))
        return compare(Problem(DATA, LABELS), effort="quick", store=store)


def test_the_record_survives_json_and_fits_its_schema(comparison: Comparison) -> None:
    data = msgspec.json.encode(comparison)
    assert msgspec.json.decode(data, type=Comparison) == comparison


def test_every_edition_of_every_statement_is_there(comparison: Comparison) -> None:
    rows = {(r.statement, r.edition) for r in comparison.editions}
    for identifier in ("du2019-two-layer", "du2019-two-layer-flow", "du2019-two-layer-joint"):
        for statement in theorem(identifier).graph():
            assert {(statement.name, e.name) for e in statement.editions} <= rows


def test_what_each_rounding_costs_is_reported(comparison: Comparison) -> None:
    parts = rounding_contributions(DATA, Problem(DATA, LABELS).unit_rows)
    assert [row.value for row in comparison.rounding] == [
        f"{size:.1e}" for size in (parts.data, parts.entries, parts.eigenvalue)
    ]
    assert b"rounding of the unit rows" in msgspec.json.encode(comparison)


def test_condition_and_conclusion_are_reported_apart(comparison: Comparison) -> None:
    for run in comparison.runs:
        assert run.condition == "fails"
        assert run.conclusion in ("holds", "fails", "undecided", "too short to tell")
    assert any(run.conclusion == "holds" for run in comparison.runs)


def test_the_ledger_adds_up(comparison: Comparison) -> None:
    """Start, minus what every step gives away, minus the remainder, is the measured least width."""
    assert {book.edition for book in comparison.ledgers} == {"explicit", "improved", "sharp"}
    for book in comparison.ledgers:
        start, end = math.log10(book.start.centre), math.log10(book.end.centre)
        assert start - sum(step.decades for step in book.steps) - book.remainder == pytest.approx(end, abs=1e-9)
        running = start
        for step in book.steps:
            running -= step.decades
            assert math.log10(step.width_after.centre) == pytest.approx(running, abs=1e-9)


def test_a_ledger_step_is_the_square_of_its_ratio(comparison: Comparison) -> None:
    for book in comparison.ledgers:
        for step in book.steps[1:]:
            ratio = step.promised.centre / step.measured.centre
            assert step.decades == pytest.approx(2 * math.log10(ratio), rel=1e-9)


def test_after_the_last_link_the_width_is_what_the_measured_drift_alone_would_ask(comparison: Comparison) -> None:
    """drift ~ 1/sqrt(m) meets the budget lambda_0 / 8 at m (8 drift / lambda_0)^2: computed here from scratch."""
    book = next(b for b in comparison.ledgers if b.edition == "explicit")
    main = next(r for r in comparison.runs if r.label.startswith("half") and r.edition == "explicit")
    drift = next(o for o in main.observations if o.name == "Gram drift").measured.centre
    lambda_0 = next(i for i in comparison.invariants if "least eigenvalue" in i.name).value.centre
    assert book.steps[-1].width_after.centre == pytest.approx(main.width * (8 * drift / lambda_0) ** 2, rel=1e-9)


def test_hidden_constants_never_hold(comparison: Comparison) -> None:
    for row in comparison.editions:
        if row.hidden_constants:
            assert all(c.verdict != "holds" for c in row.conditions if c.right is not None and c.right.assumption)
            assert row.width is None or row.width.assumption


def test_a_second_comparison_takes_its_runs_from_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EFFORTS, "quick", TINY)
    problem, store = orthonormal(0.1), Store(tmp_path)
    first = compare(problem, effort="quick", store=store)
    monkeypatch.setattr("empirical.training._train_batch", None)  # any training would fail
    monkeypatch.setattr("empirical.searches._test_width", None)
    monkeypatch.setattr("empirical.certified.attempt", None)
    second = compare(problem, effort="quick", store=store)
    assert msgspec.structs.replace(first, seconds={}) == msgspec.structs.replace(second, seconds={})


def test_degenerate_data_still_give_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EFFORTS, "quick", TINY)
    record = compare(
        Problem(np.array([[1.0, 1.0], [2.0, 2.0], [0.0, 1.0]]), np.array([1.0, -1.0, 1.0])), effort="quick"
    )
    assert record.least_width is None and not record.looseness and not record.ledgers
    assert any("rows 0 and 1" in note for note in record.notes)
    assert all(run.conclusion == "nothing is promised" for run in record.runs)


def test_four_orthonormal_inputs_obey_every_bound_inside_the_condition() -> None:
    from reports.measurement import _demonstrations
    from reports.rows import prove_start, run_row

    descent = theorem("du2019-two-layer")
    *_, inside = _demonstrations(descent, 0.1, 0, None)
    start = prove_start(inside)
    row = run_row(inside, descent, descent.edition("sharp"), start)
    assert row.condition == "holds" and row.conclusion == "holds"
    assert {o.verdict for o in row.observations} == {"holds"} and len(row.observations) == 4
    assert row.horizon > 1e5
    assert start.verdict.holds
    without = run_row(inside, descent, replace(descent.edition("sharp"), radius=None), start)
    assert {o.name for o in row.observations} - {o.name for o in without.observations} == {"neurons near a kink"}


def test_a_run_that_is_too_short_says_so() -> None:
    problem = orthonormal(0.1)
    edition = theorem("du2019-two-layer").edition("explicit")
    words, fall = judge(problem, edition, train(problem, width=64, step_size=0.01, steps=50))
    assert words == "too short to tell" and 1 < fall < 2
    words, fall = judge(problem, edition, train(problem, width=4096, step_size=0.5, steps=50))
    assert words == "holds" and fall > 2


def test_a_broken_promise_is_seen() -> None:
    problem = orthonormal(0.1)
    edition = theorem("du2019-two-layer").edition("explicit")
    words, _ = judge(problem, edition, train(problem, width=1, step_size=0.5, steps=50))
    assert words == "fails"


def test_a_short_run_can_refute_and_so_can_a_diverging_one() -> None:
    problem = orthonormal(0.1)
    edition = theorem("du2019-two-layer").edition("explicit")
    run = train(problem, width=64, step_size=3.9, steps=2)
    broken = msgspec.structs.replace(run, residual_norms=[1.0, 2.0])
    assert judge(problem, edition, broken)[0] == "fails"
    diverged = msgspec.structs.replace(run, verdict="diverged", residual_norms=[1.0])
    assert judge(problem, edition, diverged)[0] == "fails (diverged)"


@pytest.mark.parametrize("name", ["explicit", "sharp"])
def test_a_horizon_of_any_length_is_judged(name: str) -> None:
    """The square of a fall that float64 just holds overflowed."""
    problem = orthonormal(0.1)
    edition = theorem("du2019-two-layer").edition(name)
    run = train(problem, width=2000, step_size=0.5, steps=4000)
    verdict, fall = judge(problem, edition, run)
    assert verdict == "holds" and fall > 1e200


@pytest.mark.parametrize("name", ["explicit", "sharp"])
def test_a_curve_that_falls_at_once_below_what_float64_resolves_is_broken_by_what_is_above(name: str) -> None:
    problem = orthonormal(0.1)
    edition = theorem("du2019-two-layer").edition(name)
    run = train(problem, width=2000, step_size=4 * (1 - 1e-11), steps=3)
    assert run.residual_norms[-1] > run.residual_norms[0] / 2
    assert judge(problem, edition, run)[0] == "fails"
    unresolved = msgspec.structs.replace(run, residual_norms=[1.0, 1e-11, 1e-11, 1e-11])
    assert judge(problem, theorem("du2019-two-layer").edition("sharp"), unresolved)[0] == "undecided"


def test_what_is_computed_from_a_run_is_a_float(comparison: Comparison) -> None:
    chain = {link.what for e in theorem("du2019-two-layer").editions for link in e.chain}
    rows = [row for row in comparison.looseness if row.quantity in chain]
    assert rows and {row.promised.kind for row in rows} == {"float"}
    assert {step.promised.kind for book in comparison.ledgers for step in book.steps[1:]} == {"float"}
    assert {row.promised.kind for row in comparison.looseness if row.quantity == "width"} <= {"enclosed", "exact"}


@pytest.mark.parametrize("seed", [1, 2, 16])
def test_the_demonstration_is_inside_its_condition_for_every_seed(seed: int) -> None:
    from bounds import quantities as q
    from empirical.networks import initial_network
    from reports.measurement import _width_for_its_own_draw

    problem, descent = orthonormal(0.1), theorem("du2019-two-layer")
    width = _width_for_its_own_draw(problem, descent, seed)
    start = initial_network(width, 4, seed)
    outputs = np.maximum(start.weights.numpy(), 0).T @ start.signs.numpy() / math.sqrt(width)
    answer = descent.check(
        problem,
        width=width,
        step_size=0.5,
        edition="sharp",
        initial_residual=float(np.linalg.norm(problem.y - outputs)),
    )
    assert answer.verdict.holds and q.e_0 in answer.values


def test_theorems_of_several_papers_are_named_apart() -> None:
    descent, flow = theorem("du2019-two-layer"), theorem("du2019-two-layer-flow")
    assert named_apart([descent, flow]) == [descent, flow]
    joint = theorem("du2019-two-layer-joint")  # of the same paper, in another file
    assert named_apart([descent, joint]) == [descent, joint]
    mixed = named_apart([descent, theorem("liu2022-pl"), flow])
    names = [s.name for top in mixed for s in top.graph()]
    assert "Du 2019, Lemma 3.2" in names and any(name.startswith("Liu 2022, ") for name in names)
    lemmas = {id(s) for top in (mixed[0], mixed[2]) for s in top.graph() if s.name == "Du 2019, Lemma 3.2"}
    assert len(lemmas) == 1  # a lemma that two theorems share stays one
    assert [s.identifier for s in mixed] == ["du2019-two-layer", "liu2022-pl", "du2019-two-layer-flow"]


def test_a_theorem_of_any_family_leads_a_report_with_its_own_networks() -> None:
    record = compare(orthonormal(0.1), theorems=["allenzhu2019-gd", "nguyen2021-linear"], effort="quick")
    assert record.runs == () and record.least_width is None and record.series == ()
    own, silent = record.own_networks
    assert own.network["type"] == "allenzhu2019-fc" and own.last_loss < own.first_loss
    assert {side.name for side in own.editions[0].sides} == {"steps", "travel", "loss"}
    assert silent.editions == () and "names no networks" in silent.note
    html = page(record)
    assert "Their own networks" in html and "names no networks" in html
    own_section = html[html.index('<section id="own">') :].partition("</section>")[0]
    assert "every label has norm O(1)" in own_section  # a hypothesis in words stands beside the run


def test_wrong_arguments_are_named() -> None:
    problem = Problem(DATA, LABELS)
    with pytest.raises(TypeError, match="not of tuple"):
        compare((DATA, LABELS))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sequence of identifiers: give .'du2019-two-layer'."):
        compare(problem, theorems="du2019-two-layer")
    with pytest.raises(ValueError, match="unknown effort 'fast': use one of quick, default, full"):
        compare(problem, effort="fast")  # type: ignore[arg-type]


def test_a_comparison_shows_itself(comparison: Comparison) -> None:
    assert len(repr(comparison)) < 200 and comparison.title in repr(comparison)
    text = str(comparison)
    for row in comparison.editions:
        assert row.width is None or not row.identifier or f"{row.statement}, {row.edition}" in text
    for ledger in comparison.ledgers:
        _, _, table = text.partition(f"where {ledger.statement}, {ledger.edition}, gives width away")
        words = " ".join(table.split())
        for step in ledger.steps:
            assert digits(step.width_after) in words and words.index(digits(step.promised)) >= 0
    frame = comparison._repr_html_()
    assert frame.startswith("<iframe srcdoc=") and html.unescape(frame).count("<h2") == page(comparison).count("<h2")
    assert frame.count("<") == 2  # the page stands in an attribute
