import re
import subprocess

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.mathematics import plain_formulas
from reports.numerals import as_latex, digits_of
from reports.tables import escape, tables
from tests.reports.sample import sample

HOSTILE = r"a_b & 50% {x} #1 \input{/etc/passwd} ~^ $y$ <é> ∞ “x” 10⁻³ √m |z|"


@pytest.fixture(scope="module")
def comparison():
    return sample(title=HOSTILE)


@pytest.fixture(scope="module")
def made(comparison):
    return tables(comparison)


def test_every_table_is_booktabs_with_a_caption_and_a_label(made):
    assert len(made) == 13
    for name, source in made.items():
        if name == "standalone.tex":
            continue
        for part in (r"\toprule", r"\bottomrule", r"\caption{", rf"\label{{tab:zeroloss-{name[:-4]}}}"):
            assert part in source, (name, part)
        assert rf"\input{{{name[:-4]}}}" in made["standalone.tex"]


def test_numbers_go_through_siunitx_and_equal_the_record(comparison, made):
    for row in comparison.invariants:
        assert as_latex(digits_of(row.value, 6)) in made["invariants.tex"]
    for row in comparison.looseness:
        assert as_latex(digits_of(row.promised, 3)) in made["looseness.tex"]
    assert r"$\gtrsim$ \num{6.270e15}" in made["widths.tex"]


def test_rows_have_as_many_cells_as_columns(made):
    for name, source in made.items():
        if name == "standalone.tex":
            continue
        (columns,) = re.findall(r"\\begin\{(?:tabular|longtable)\}\{@\{\}(.*)@\{\}\}", source)
        count = len(re.sub(r">\{[^}]*\}p\{[^}]*\}", "p", columns))
        lines = [line for line in source.splitlines() if not line.startswith(r"\caption")]
        rows = [line for line in lines if line.endswith((r"\\", r"\\*"))]
        assert rows
        assert {cells(row) for row in rows} == {count}, name


def cells(row):
    return len(re.split(r"(?<!\\)&", row)) + sum(int(span) - 1 for span in re.findall(r"\\multicolumn\{(\d+)\}", row))


def test_own_networks_stand_with_their_setting_their_conditions_and_both_sides(comparison, made):
    source = made["own-networks.tex"]
    for one in comparison.own_networks:
        assert rf"\textbf{{{escape(one.statement)}}} ({escape(one.identifier)}): {escape(one.setting)}" in source
        for edition in one.editions:
            for side in edition.sides:
                assert f"${side.latex}$" in source
    assert r"two-layer: width 256, residual scale 0.5; seed 0, step \num{0.0432}, times up to 34.6" in source
    assert r"\emph{Explicit edition}; condition: fails; with the run's own numbers: undecided" in source
    assert r"travel & \num{1.206} & \num{720.2} & \num{2.8} & measured to hold \\*" in source
    assert r"& -- & -- & -- & undecided \\*" in source
    assert "its networks are not trained here." in source
    assert source.count(r"\endhead") == 1  # the head stands on every page


def test_without_other_families_there_is_no_table_of_them(comparison):
    assert "own-networks.tex" not in tables(msgspec.structs.replace(comparison, own_networks=()))


@given(st.text())
def test_escaped_text_holds_no_active_character(text):
    written = escape(text)
    for command in (
        r"\textbackslash{}",
        r"\textasciitilde{}",
        r"\textasciicircum{}",
        r"\textless{}",
        r"\textgreater{}",
    ):
        written = written.replace(command, "")
    written = re.sub(r"\\text(bar|superscript|subscript)\{[-0-9T]?\}|\$(-|\\[a-zA-Z]+)\$|\\[{}$&%#_]", "", written)
    assert not re.search(r"[\\{}$&%#_~^<>|\n\r\t]", written)


def test_formulas_in_words_are_written_as_mathematics():
    assert escape(plain_formulas("x_1^2 - x_2^2 <= lambda_0")) == (
        r"x\textsubscript{1}\textsuperscript{2} $-$ x\textsubscript{2}\textsuperscript{2} $\leq$ "
        r"$\lambda$\textsubscript{0}"
    )


def test_the_tables_compile(latex, made, tmp_path):
    compiled(latex, made, tmp_path)


@pytest.mark.parametrize("options", ["", "twocolumn"])
def test_the_tables_fit_a_paper_that_has_the_packages_they_name(latex, made, tmp_path, options):
    compiled(latex, made, tmp_path, options)


def compiled(latex, files, folder, options=None):
    """Compile standalone.tex, or a plain article with options that reads all; boxes wider than the page fail."""
    for name, text in files.items():
        (folder / name).write_text(text)
    document = "standalone.tex"
    if options is not None:
        sources = [name for name in files if name.endswith(".tex") and name != document]
        packages = {re.match(r"% needs (\\usepackage\{.*\})\n", files[name])[1] for name in sources}
        document = "paper.tex"
        inputs = [rf"\noindent\input{{{name.removesuffix('.tex')}}}\par" for name in sources]
        lines = [rf"\documentclass[{options}]{{article}}", *sorted(packages), r"\begin{document}", *inputs]
        (folder / document).write_text("\n".join([*lines, r"\end{document}"]))
    command = [latex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", document]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert (folder / document).with_suffix(".pdf").stat().st_size > 1000
    overfull = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(overfull, default=0) < 2, log[-2000:]
