"""What the commands say: as JSON that fits its schema, for eyes at 80 columns, and against numbers computed here."""

import io
import json
import math
import os
import re
import shlex
import subprocess
import sys
from fractions import Fraction

import msgspec
import pytest
import sympy
from hypothesis import example, given
from hypothesis import strategies as st
from mpmath import mp
from rich.console import Console

from bounds.catalogue import theorem, theorems
from bounds.proofs import Obligation
from reports import measurement
from reports.cli import main
from reports.commands import console, records
from reports.schema import Comparison, Number

SMALL = ["--data", "orthonormal:n=4"]
RUN = ["measure", *SMALL, "--width", "64", "--step-size", "0.5", "--steps", "40"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *tokens, code=0):
    assert main(list(tokens)) == code
    return capsys.readouterr().out


def record(capsys, kind, *tokens, code=0):
    """The command's JSON: all of standard output, with no field too few or too many, and with ordered bounds."""
    out = said(capsys, *tokens, "--json", code=code)
    read = msgspec.json.decode(out, type=kind)
    assert json.loads(out) == json.loads(msgspec.json.encode(read))
    assert read.version == 3
    for number in numbers(json.loads(out)):
        low, high = (float.fromhex(number[f"{end}_hex"]) for end in ("lower", "upper"))
        assert low <= high
        assert (low, high) == (float(number["lower"]), float(number["upper"]))
    return read


def numbers(node):
    """Every number of a record, wherever it stands."""
    if isinstance(node, dict):
        if "lower_hex" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from numbers(part)


def contains(number, value):
    low, high = number.bounds
    return mp.mpf(low) <= value <= mp.mpf(high)


# theorems


def test_the_list_has_every_theorem(capsys):
    rows = record(capsys, records.TheoremList, "theorems").theorems
    assert [row.identifier for row in rows] == [t.identifier for t in theorems()]
    descent = next(row for row in rows if row.identifier == "du2019-two-layer")
    assert descent.width == "Omega(n^6 / (lambda_0^4 delta^3))"
    assert descent.hidden == ("printed",) and "explicit" in descent.explicit
    assert descent.concludes == "exact fit, linear rate"
    page = said(capsys, "theorems")
    assert all(row.identifier in page for row in rows)


def test_one_theorem_is_shown_in_full(capsys):
    entry = record(capsys, records.TheoremEntry, "theorems", "du2019-two-layer")
    statement = theorem("du2019-two-layer")
    assert [e.name for e in entry.theorem.editions] == [e.name for e in statement.editions]
    assert [lemma.name for lemma in entry.lemmas] == [s.name for s in statement.graph()][:-1]
    page = said(capsys, "theorems", "du2019-two-layer")
    for edition in entry.theorem.editions:
        for formula in (*edition.conditions, *edition.promises):
            assert formula.name in page
    for lemma in entry.lemmas:
        assert lemma.name in page
    for words in ("arXiv:1810.02054", "printed with an error", "read in the paper", "delta_2", "R ="):
        assert words in page
    assert "Lemma 3.3" not in page and "Lemma 3.2, " not in page
    assert len(said(capsys, "theorems", "du2019-two-layer", "--lemmas")) > len(page)
    assert "1 obligation:" in said(capsys, "theorems", "ding2022-independent-layers")


def test_an_edition_without_an_inequality_concludes_in_words(capsys):
    title = theorem("song2021-flow").title
    for flags in ([], ["--html"]):
        text = " ".join(said(capsys, "theorems", "song2021-flow", *flags).split())
        assert text.count("in words") == 1 and re.search(f"in words:? {title}", text)


def test_counterexamples_are_evaluated(capsys):
    entry = record(capsys, records.TheoremEntry, "theorems", "du2019-two-layer-flow")
    found = [e.counterexample for lemma in entry.lemmas for e in lemma.errors if e.counterexample]
    assert found and all(row.verdict == "fails" for row in found)


def test_formulas_say_what_the_statement_says(capsys):
    """Read back as mathematics, the plain text of every explicit formula is the formula."""
    from bounds.rendering import plain

    checked = 0
    for statement in {id(s): s for t in theorems() for s in t.graph()}.values():
        for edition in statement.editions:
            symbols = {str(s): s for s in edition.symbols} | {"pi": sympy.pi}
            relations = [c.relation for c in edition.assumes if c.relation is not None]
            relations += [p.relation for p in edition.conclusions]
            for relation in relations if not edition.hidden_constants else ():
                left, _, right = plain(relation).partition(f" {relation.rel_op} ")
                for text, side in ((left, relation.lhs), (right, relation.rhs)):
                    read = sympy.parse_expr(
                        text.replace("^", "**"), symbols, transformations=PRODUCTS_ARE_SPACES, evaluate=True
                    )
                    assert read == side or sympy.simplify(read - side) == 0, text
                    checked += 1
    assert checked > 50


PRODUCTS_ARE_SPACES = (
    *sympy.parsing.sympy_parser.standard_transformations,
    sympy.parsing.sympy_parser.implicit_multiplication,
)


def test_bibtex_and_latex_stand_alone(capsys):
    assert said(capsys, "theorems", "du2019-two-layer", "--bibtex").startswith("@inproceedings{du2019gradient,")
    text = said(capsys, "theorems", "du2019-two-layer", "--latex")
    editions = theorem("du2019-two-layer").editions
    parts = sum(2 + bool(edition.definitions) for edition in editions)
    assert text.count(r"\begin{gather*}") == text.count(r"\end{gather*}") == parts


def test_statements_are_set_in_latex_without_any_extra(folder):
    """As after ``pip install zeroloss``: what extras bring is hidden."""
    hidden = ("torch", "sklearn", "matplotlib", "jinja2", "markupsafe", "latex2mathml", "z3", "cvc5", "llvmlite")
    program = f"import sys; sys.modules |= dict.fromkeys({hidden}); from reports.cli import main; sys.exit(main())"
    for tokens in (["du2019-two-layer", "--latex"], ["--latex"], ["du2019-two-layer"], ["--bibtex"]):
        done = subprocess.run([sys.executable, "-c", program, "theorems", *tokens], capture_output=True, text=True)
        assert done.returncode == 0 and len(done.stdout) > 500, done.stderr


def test_a_statement_in_latex_leaves_nothing_out(capsys):
    def latex(identifier):
        text = said(capsys, "theorems", identifier, "--latex")
        return "\n".join(line for line in text.splitlines() if not line.startswith("%"))

    explicit = latex("du2019-two-layer").split(r"\paragraph")[2]
    assert explicit.count("R = ") == 1 and r"$\delta$\textsubscript{2}: few neurons start near a kink" in explicit
    assert "If unit inputs; separable by the kernel: the infinite-width kernel separates" in latex("ji2020-logistic")
    title = theorem("song2021-flow").title
    assert "If\n\\begin{gather*}" in latex("song2021-flow") and f"then, in words: {title}." in latex("song2021-flow")
    assert all("?" not in latex(t.identifier) for t in theorems())  # a character that LaTeX has no glyph for


def test_the_whole_catalogue_is_cited_and_set(capsys):
    citations = said(capsys, "theorems", "--bibtex")
    assert citations.count("@") >= 1 and len(set(citations.split("\n\n"))) == citations.count("@")
    tables = said(capsys, "theorems", "--latex"), said(capsys, "theorems", "--html")
    assert all(tables[0].count(t.identifier + " &") == tables[1].count(f">{t.identifier} <") == 1 for t in theorems())
    page = said(capsys, "theorems", "du2019-two-layer", "--html")
    statement = theorem("du2019-two-layer")
    assert all(lemma.name in page for lemma in statement.graph())
    assert page.count("<h4>") == sum(len(lemma.editions) for lemma in statement.graph())
    assert "src=" not in page and "<script" not in page and page.count("<math") > 50


def test_what_states_no_formula_is_not_said_to_state_one_in_numbers(capsys):
    rows = {row.identifier: row for row in record(capsys, records.TheoremList, "theorems").theorems}
    assert rows["dong2019-geometrization"].explicit == rows["dong2019-geometrization"].hidden == ()
    assert rows["du2019-two-layer"].explicit == ("explicit", "improved", "sharp")
    assert "no formula" in said(capsys, "theorems", "--html")


def test_two_theorems_are_compared(capsys):
    tokens = ["theorems", "du2019-two-layer", "--compare", "du2019-two-layer-flow"]
    read = record(capsys, records.TheoremComparison, *tokens)
    assert read.orders == ("n^6 (1/lambda_0)^4 (1/delta)^3",) * 2 and "equal" in read.asks_less
    assert read.flags == ("dynamics differ: gradient descent against gradient flow",)
    page = said(capsys, *tokens)
    assert read.asks_less in page and "not on one axis" in page


def test_latex_compiles(capsys, latex, folder):
    body = "".join(said(capsys, "theorems", t.identifier, "--latex") for t in theorems())
    typeset(latex, folder, "", "\\usepackage{amsmath}", body)


@pytest.mark.parametrize("options", ["", "twocolumn"])
def test_the_list_in_latex_fits_its_pages(capsys, latex, folder, options):
    table = said(capsys, "theorems", "--latex")
    packages = re.match(r"% needs (.*)", table)[1]
    assert "Overfull" not in typeset(latex, folder, options, packages, table)


def typeset(latex, folder, options, packages, body):
    """Compile an article and return what LaTeX said."""
    lines = (rf"\documentclass[{options}]{{article}}", packages, r"\begin{document}", body, r"\end{document}")
    (folder / "statements.tex").write_text("\n".join(lines))
    command = [latex, "-halt-on-error", "-interaction=batchmode", "statements.tex"]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "statements.log").read_text(errors="replace")


# bound


def test_bounds_of_orthonormal_inputs_are_those_worked_out_by_hand(capsys):
    """X = I_4, ||e(0)||^2 = 6 and delta_1 = delta_2 = 0.05: H = I/2, S = 1, ||XX^T||_F = 2."""
    squared = mp.mpf(math.sqrt(6)) ** 2
    share = mp.mpf(0.1) / 2
    residual = ["--initial-residual", repr(math.sqrt(6))]
    read = record(capsys, records.Bounds, "bound", "du2019-two-layer", *SMALL, *residual)
    invariants = {i.name: i.value for i in read.invariants}
    assert contains(invariants["least eigenvalue of the infinite-width Gram matrix"], mp.mpf(1) / 2)
    demands = {d.edition: d for d in read.demands}
    assert contains(demands["explicit"].width, 8192 / mp.pi * 4**5 * squared / (share**2 / 16))
    assert contains(demands["improved"].width, 2048 / mp.pi * 4**4 * squared / (share**2 / 16))
    assert contains(demands["sharp"].width, 8192 / mp.pi * 4 * squared * 16)
    assert contains(demands["explicit"].step_size, mp.mpf(1) / 64)
    assert contains(demands["sharp"].step_size, mp.mpf(1))
    assert contains(demands["printed"].width, mp.mpf(4) ** 6 * 16 / mp.mpf(0.1) ** 3)
    assert demands["printed"].width.assumption and not demands["explicit"].width.assumption
    assert all("for the measured norm of the initial residual" in d.note for d in read.demands)


def test_conditions_are_decided_on_a_width_and_a_step(capsys):
    tokens = ["bound", "du2019-two-layer", *SMALL, "--step-size", "0.01", "--width"]
    wide = {d.edition: d for d in record(capsys, records.Bounds, *tokens, "1e13").demands}
    narrow = {d.edition: d for d in record(capsys, records.Bounds, *tokens, "1000").demands}
    assert wide["explicit"].verdict == wide["sharp"].verdict == "holds"
    assert narrow["explicit"].verdict == narrow["sharp"].verdict == "fails"
    assert wide["printed"].verdict == narrow["printed"].verdict == "undecided"  # its constants are hidden
    row = next(c for c in narrow["explicit"].conditions if c.name == "travel below radius")
    assert row.verdict == "fails" and row.left.bounds == (1000.0, 1000.0) and row.right.bounds[0] > 1000
    page = said(capsys, *tokens, "1000")
    assert "conditions: fails" in page and "conditions: undecided" in page and "~" in page


def test_the_networks_of_a_theorem_are_chosen_and_recorded(capsys):
    tokens = ["bound", "du2019-deep-fc", *SMALL, "--edition", "explicit"]
    (shallow,) = record(capsys, records.Bounds, *tokens).demands
    (deep,) = record(capsys, records.Bounds, *tokens, "--setting", "depth=3,activation=tanh").demands
    assert "2 hidden layers, softplus" in shallow.setting and "3 hidden layers, tanh" in deep.setting
    assert deep.width.bounds[0] > shallow.width.bounds[1]
    (measured,) = record(capsys, records.Bounds, *tokens, "--given", "c_w=2,lambda_H0=0.1").demands
    assert (
        measured.width.bounds[1] < shallow.width.bounds[0] and "spectral norm of the initial weights" in measured.note
    )


def test_one_edition_of_all_theorems(capsys):
    read = record(capsys, records.Bounds, "bound", *SMALL, "--edition", "improved")
    assert {d.edition for d in read.demands} == {"improved"}
    assert {d.theorem for d in read.demands} >= {"du2019-two-layer", "du2019-two-layer-flow"}
    assert len({d.theorem for d in read.demands}) < len(theorems())


def test_degenerate_rows_are_named_and_nothing_is_asked(capsys, folder):
    (folder / "x.csv").write_text("1,2,1\n2,4,-1\n0,1,1\n")
    read = record(capsys, records.Bounds, "bound", "--data", "x.csv")
    two_layer = [d for d in read.demands if d.theorem.startswith("du2019-two-layer")]
    assert len(two_layer) > 8
    assert all(d.width is None and d.step_size is None and "says nothing" in d.note for d in two_layer)
    assert "exactly 0" in read.notes[0]
    assert "exactly 0" in said(capsys, "bound", "du2019-two-layer", "--data", "x.csv")


def test_the_rows_taken_are_recorded(capsys, folder):
    (folder / "x.csv").write_text("".join(f"{i},{i * i + 1},{(-1) ** i}\n" for i in range(12)))
    read = record(capsys, records.Bounds, "bound", "du2019-two-layer", "--data", "x.csv", "--n", "5", "--seed", "3")
    from empirical.datasets import load_data

    rows = load_data("x.csv", n=5, seed=3).rows.tolist()
    taken = [part.split("-") for part in {row.name: row.value for row in read.data}["rows taken"].split(", ")]
    assert [i for part in taken for i in range(int(part[0]), int(part[-1]) + 1)] == rows


# measure


def test_a_run_shows_every_promise_with_both_sides(capsys):
    read = record(capsys, records.Measurement, *RUN)
    (run,) = read.runs
    promises = theorem("du2019-two-layer").edition("explicit").promises
    assert [o.name for o in run.observations] == [p.name for p in promises]
    assert all(o.promised is not None and o.verdict in ("holds", "fails") for o in run.observations)
    assert run.condition == "fails" and run.conclusion == "holds"  # the step is too large for the theorem
    assert run.horizon == pytest.approx((1 - 0.5 * 0.5 / 2) ** -40)
    assert run.curve.loss[-1] <= run.curve.promised[-1]
    page = said(capsys, *RUN)
    for words in ("condition", "fails", "conclusion, as measured: holds", "the promised loss fell by 209", "travel"):
        assert words in page


def test_a_run_at_the_theorem_s_step_is_inside_its_step_condition(capsys):
    tokens = ["measure", *SMALL, "--width", "64", "--step-size", "theorem", "--steps", "3"]
    read = record(capsys, records.Measurement, *tokens)
    (run,) = read.runs
    step = next(c for c in read.demand.conditions if c.name == "step size")
    assert step.verdict == "holds"
    assert run.step_size == pytest.approx(1 / 64, rel=1e-12)
    assert run.conclusion == "too short to tell"


def test_seeds_are_counted_and_stored_runs_are_taken_again(capsys):
    first = record(capsys, records.Measurement, *RUN, "--seeds", "3", "--seed", "7", "--store", "kept")
    again = record(capsys, records.Measurement, *RUN, "--seeds", "4", "--seed", "7", "--store", "kept")
    assert [run.seed for run in again.runs] == [7, 8, 9, 10]
    assert (first.reused, again.reused) == (0, 3)
    assert again.runs[:3] == first.runs
    assert "conclusion kept by" in said(capsys, *RUN, "--seeds", "3", "--seed", "7", "--store", "kept")


def test_runs_too_short_to_tell_count_neither_way(capsys):
    tokens = ["measure", *SMALL, "--width", "64", "--step-size", "theorem", "--steps", "3", "--seeds", "3"]
    assert "kept by 0 and broken by 0 of 3" in (page := " ".join(said(capsys, *tokens).split()))
    assert "at least 0.000, and at most 1.000" in page


def test_own_networks_are_decided_at_their_width_and_show_what_was_given(capsys):
    tokens = ["measure", "baseline-two-layer-descent", *SMALL, "--steps", "3"]
    read = record(capsys, records.Measurement, *tokens)
    (row,) = (c for c in read.demand.conditions if c.left is not None and c.name == "width")
    assert row.left.bounds == (256.0, 256.0)
    tokens = ["measure", "baseline-flow", *SMALL, "--width", "16", "--steps", "3", "--given", "sigma_0=0.25"]
    assert "sigma_0 = 0.25" in record(capsys, records.Measurement, *tokens).demand.note
    page = " ".join(said(capsys, *tokens).split())
    assert "given, and taken as they are: sigma_0 = 0.25" in page and "by certified or given numbers" in page


def test_a_device_that_is_not_there_is_refused(capsys):
    for statement in ([], ["du2019-deep-resnet"]):
        assert main(["measure", *statement, *SMALL, "--device", "gpu"]) == 2
        assert "'gpu' is no device: give cpu" in capsys.readouterr().err


def test_a_step_beyond_any_promise_is_refused(capsys):
    assert main(["measure", *SMALL, "--step-size", "4.1", "--steps", "3"]) == 2
    assert "2 / lambda_0 = 4" in capsys.readouterr().err


# prove

x = sympy.Symbol("x", positive=True)
TRUE = Obligation("square", "a square exceeds its root", (x > 1,), x**2 > x, planted=x > x**2)
FALSE = Obligation("root", "a root exceeds its square", (x > 1,), x > x**2, planted=x > x**3)
VACUOUS = Obligation("vacuous", "givens that contradict each other", (x > 1, x < 1), x > 2, planted=x > 3)


@pytest.mark.parametrize(
    ("obligations", "code", "verdict"),
    [((TRUE,), 0, "holds"), ((TRUE, FALSE), 1, "fails"), ((TRUE, VACUOUS), 3, "undecided"), ((), 3, "undecided")],
    ids=["proved", "refuted", "vacuous", "nothing stated"],
)
def test_the_exit_code_of_prove_is_its_verdict(capsys, monkeypatch, obligations, code, verdict):
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    monkeypatch.setattr(
        "bounds.catalogue.obligations", lambda name: ((theorem(name), "explicit", one) for one in obligations)
    )
    read = record(capsys, records.Proofs, "prove", code=code)
    assert read.verdict == verdict
    assert [row.name for row in read.proofs] == [
        one.name for one in obligations
    ]  # once, though three theorems share it
    assert verdict in said(capsys, "prove", code=code) or not obligations
    for row in read.proofs:
        assert "(check-sat)" in row.smtlib


def test_a_proof_by_one_solver_is_not_enough(capsys, monkeypatch):
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    monkeypatch.setattr("bounds.catalogue.obligations", lambda name: iter([(theorem(name), "explicit", TRUE)]))
    monkeypatch.setattr("bounds.proofs.Proof.proved_by", property(lambda self: ("z3",)))
    read = record(capsys, records.Proofs, "prove", "du2019-two-layer", code=3)
    assert read.proofs[0].status == "proved by z3 only"


# report


@pytest.fixture
def tiny(monkeypatch):
    effort = measurement.Effort(2.0, 20, 0.5, 0.5, 500, widths=(8, 16), demonstrations=False)
    monkeypatch.setitem(measurement.EFFORTS, "quick", effort)
    monkeypatch.setattr("reports.comparison.proof_statuses", lambda *_, **__: {})


@pytest.mark.usefixtures("tiny")
def test_a_report_is_written_and_written_again_from_its_runs(capsys, folder):
    tokens = ["report", "--quick", "--data", "sphere:n=4,d=3,seed=1", "--theorems", "du2019-two-layer", "--out", "out"]
    first = record(capsys, Comparison, *tokens)
    assert json.loads((folder / "out" / "report.json").read_text()) == json.loads(msgspec.json.encode(first))
    assert shlex.split(first.commands[0]) == ["zeroloss", "report", *tokens[2:6], "--quick"]
    page = (folder / "out" / "index.html").read_bytes()
    assert page.lstrip().lower().startswith(b"<!doctype html")
    kept = sorted(os.listdir(folder / "out" / "runs"))
    assert kept
    assert main(tokens) == 0
    out, err = capsys.readouterr()
    assert "out/index.html" in out
    assert f"{len(kept)} runs and tested widths were in out/runs before" in err
    for row in first.editions:
        assert not row.identifier or row.edition in out


@pytest.mark.usefixtures("tiny")
def test_the_terminal_tells_estimated_conditions_from_certified_ones(capsys):
    """Of oymak2019-start nothing is decided by the data; the run's own numbers say more, as an estimate."""
    tokens = ["report", "--quick", "--data", "sphere:n=4,d=3,seed=1", "--theorems", "oymak2019-start", "--out", "out"]
    assert "conditions there: undecided by certified numbers" in " ".join(said(capsys, *tokens).split())


# For eyes


@pytest.mark.parametrize(
    "tokens",
    [["theorems"], ["theorems", "du2019-two-layer", "--lemmas"], ["bound", *SMALL, "--width", "1e9"], RUN],
    ids=lambda tokens: " ".join(tokens),
)
def test_pages_fit_80_columns_and_need_no_colour(capsys, monkeypatch, tokens):
    monkeypatch.setenv("COLUMNS", "80")
    page = said(capsys, *tokens)
    assert "\x1b" not in page
    assert max(map(len, page.splitlines())) <= 80
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Console(force_terminal=True, markup=False, highlight=False, file=sys.stdout)
    monkeypatch.setattr(console, "console", lambda: terminal)
    coloured = said(capsys, *tokens)
    assert not any(f"\x1b[3{digit}" in coloured for digit in range(8))


@example(low=1.2345678, high=1.2345679, assumption="")
@example(low=1.2345678, high=1.3, assumption="")
@example(low=5e-324, high=1.0, assumption="")
@example(low=-math.inf, high=math.inf, assumption="")
@example(low=0.0, high=-0.0, assumption="")
@given(
    low=st.floats(allow_nan=False), high=st.floats(allow_nan=False), assumption=st.sampled_from(["", "C taken as 1"])
)
def test_the_digits_of_a_number_are_true_of_it(low, high, assumption):
    """What is shown contains the number: the interval itself, or all that rounds to the one number shown."""
    low, high = sorted([low, high])
    text = console.digits(Number._of("enclosed", low, high, assumption=assumption))
    assert text.startswith("~") == bool(assumption)
    text = text.removeprefix("~")
    if text == "unknown":
        assert (low, high) == (-math.inf, math.inf)
    elif text.startswith("["):
        ends = [Fraction(end) if math.isfinite(float(end)) else float(end) for end in text[1:-1].split(", ")]
        assert ends[0] <= low and high <= ends[1]
    else:
        assert text != "-0" and all(f"{end + 0.0:.6g}" == f"{float(text):.6g}" for end in (low, high))


def test_brackets_of_enclosures_are_shown():
    stream = io.StringIO()
    drawn = console.console()
    drawn.file = stream
    drawn.print(console.table(("name", "value"), [("width", "[inf, 2.5]"), ("file", "[a].csv")]))
    assert "[inf, 2.5]" in stream.getvalue() and "[a].csv" in stream.getvalue()


def test_progress_without_a_terminal_is_a_line_per_stage(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 7.5, 20.0, 21.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.progress() as advance:
        for done in range(5):
            advance("training", done, 4)
        advance("judging", 0, 1)
    assert capsys.readouterr().err.splitlines() == ["training ...", "training: 75%, about 2.5 s left", "judging ..."]
