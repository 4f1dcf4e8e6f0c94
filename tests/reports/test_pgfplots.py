import re
from pathlib import Path

import pytest

from reports.pgfplots import pgfplots
from reports.tables import tables
from tests.reports.sample import sample
from tests.reports.test_tables import HOSTILE, compiled

DOCS = Path(__file__).parents[2] / "docs" / "papers.md"


@pytest.fixture(scope="module")
def made():
    return pgfplots(sample(title=HOSTILE))


def test_every_source_finds_its_data(made):
    sources = [name for name in made if name.endswith(".tex") and name != "standalone.tex"]
    data = {name for name in made if name.endswith(".dat")}
    read = {name for source in sources for name in re.findall(r"\\zerolossfigures/([\w-]+\.dat)", made[source])}
    assert len(sources) == 7
    assert read == data


def test_data_are_whole_tables_of_numbers(made):
    for name, text in made.items():
        if name.endswith(".dat"):
            head, *rows = text.splitlines()
            assert rows
            for row in rows:
                assert len([float(cell) for cell in row.split()]) == len(head.split()), name


def test_the_loss_data_equal_the_record(made):
    curve = sample().runs[0].curve
    rows = [tuple(map(float, row.split())) for row in made["loss-1.dat"].splitlines()[1:]]
    assert rows == list(zip(curve.iterations, curve.loss, strict=True))


def test_the_figures_compile(latex, made, tmp_path):
    compiled(latex, made, tmp_path)


def test_the_figures_fit_a_paper_that_has_the_packages_they_name(latex, made, tmp_path):
    compiled(latex, made, tmp_path, "twocolumn")


def test_the_paper_of_the_docs_compiles(latex, made, tmp_path):
    (document,) = re.findall(r"```latex\n(.*?)```", DOCS.read_text(), re.DOTALL)
    for folder, files in (("tables", tables(sample())), ("figures", made)):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    compiled(latex, {"standalone.tex": document}, tmp_path)
