"""``zeroloss reproduce``: its record, page and figures at quick sizes, and the command from outside."""

import json
import re
from itertools import combinations
from xml.etree import ElementTree

import msgspec
import pytest

pytest.importorskip("torch")
pytest.importorskip("distributed")

from empirical.reproductions import running  # noqa: E402
from empirical.reproductions.listing import REPRODUCTIONS  # noqa: E402
from empirical.reproductions.rows import Panel, Row, Series  # noqa: E402
from empirical.store import Store  # noqa: E402
from reports import reproductions  # noqa: E402
from reports.cli import main  # noqa: E402
from reports.numerals import as_html, digits_of_measured  # noqa: E402
from reports.reproduction_figures import illustrations, plots  # noqa: E402
from reports.reproductions import FILES, PartRecord, record, rendered  # noqa: E402
from tests.reports.test_figures import boxes  # noqa: E402
from tests.reports.test_page import Reader  # noqa: E402
from tests.reports.test_tables import compiled  # noqa: E402

COMMAND = "zeroloss reproduce --quick"


@pytest.fixture(scope="module")
def it(tmp_path_factory):
    """Everything at quick sizes."""
    found = running.reproduce(list(REPRODUCTIONS), Store(tmp_path_factory.mktemp("runs")), quick=True, workers=1)
    return record(found, quick=True, command=COMMAND)


@pytest.fixture(scope="module")
def files(it):
    return rendered(it)


@pytest.fixture(scope="module")
def drawn(it):
    return [figure for one in it.reproductions for figure in illustrations(one.name, one.title, one.parts)]


def test_every_panel_of_every_part_is_drawn_once(it, drawn):
    titles = [panel.title for one in it.reproductions for part in one.parts for panel in part.panels]
    assert len(titles) > 25
    assert sum(len(figure.paint.panels) for figure in drawn) == len(titles)
    assert len({figure.name for figure in drawn}) == len(drawn)


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_no_label_of_a_figure_overlaps_another_or_is_cut(drawn, size):
    for figure in drawn:
        svg = getattr(figure, size)
        width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
        labels = list(boxes(svg))
        for text, (left, top, right, bottom) in labels:
            assert -1 <= left and right <= width + 1 and -1 <= top and bottom <= height + 1, f"cut: {text}"
        for (one, a), (other, b) in combinations(labels, 2):
            across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            assert across < 1 or down < 1, f"{figure.name}: {one!r} over {other!r}"


def test_figures_say_their_numbers_and_follow_the_colours_of_the_page(drawn):
    for figure in drawn:
        tree = ElementTree.fromstring(figure.wide)
        by_id = {node.get("id"): node for node in tree.iter() if node.get("id")}
        title, description = (by_id[i].text for i in tree.get("aria-labelledby").split())
        assert title and len(re.findall(r"\d", description)) >= 6
        assert re.search(r"\((measured|promised|published)\): ", description)
        colours = re.findall(r"(?:var\(--[a-z]+, )?#[0-9a-fA-F]{6}\b", figure.wide)
        assert colours and all(colour.startswith("var(") for colour in colours)


def test_published_numbers_promises_and_intervals_look_different():
    x = (1.0, 2.0, 4.0)
    panel = Panel(
        "all kinds",
        "m",
        "y",
        (
            Series("here", x, (3.0, 2.0, 1.0), (0.5, 0.4, 2.0)),
            Series("law", x, (3.0, 2.1, 1.5), source="promised"),
            *(Series(f"law {k}", x, (2.0, 1.5, 1.0 + k), source="promised") for k in range(3)),
            Series("theirs", x, (3.1, 2.2, 1.1), source="published"),
        ),
        log="xy",
    )
    (figure,) = illustrations("one1", "One", [PartRecord("p", "P", (), (panel,), 0.0)])
    assert figure.name == "one1-1" and FILES.fullmatch(f"figures/{figure.name}.svg")
    assert figure.description.startswith("all kinds, by m: here (measured): 3.00 ± 0.50 at 1,")
    axes = figure.paint(type("Canvas", (), {"narrow": False, "figure": lambda _, height: _figure(height)})()).axes[0]
    promised, published = (next(line for line in axes.lines if line.get_label() == name) for name in ("law", "theirs"))
    assert promised.get_linestyle() == "--" and published.get_linestyle() == "None" and published.get_marker() == "x"
    assert len(axes.containers) == 1  # the bars
    laws = [line for line in axes.lines if str(line.get_label()).startswith("law")]
    assert len({(line.get_color(), str(line._dash_pattern)) for line in laws}) == len(laws) == 4
    assert axes.get_ylim()[0] < 0.6 and axes.get_yscale() == axes.get_xscale() == "log"
    ((name, (plotted,)),) = plots("one1", [PartRecord("p", "P", (), (panel,), 0.0)])
    assert name == "one1-1" and "ymode=log" in plotted.options
    assert [("below" in plot.columns, "only marks" in plot.options) for plot in plotted.plots] == [
        (True, False),
        *[(False, False)] * 4,
        (False, True),
    ]
    assert len({plot.options for plot in plotted.plots}) == 6


def test_labels_are_set_as_mathematics_for_pgfplots():
    x = (1.0, 2.0)
    panel = Panel("Mean of E_s over n^1.25 / d", "width m", "|E_M - E| / lambda_0^(1/3)", (Series("W_2", x, x),))
    ((_, (plotted,)),) = plots("one", [PartRecord("p", "P", (), (panel,), 0.0)])
    assert r"title={Mean of E\textsubscript{s} over n\textsuperscript{1.25} / d}" in plotted.options
    assert (
        r"ylabel={\textbar{}E\textsubscript{M} $-$ E\textbar{} / "
        r"$\lambda$\textsubscript{0}\textsuperscript{(1/3)}}" in plotted.options
    )
    assert plotted.plots[0].legend == r"W\textsubscript{2}"


def _figure(height):
    from matplotlib.figure import Figure

    return Figure(figsize=(10, height / 72), layout="constrained")


def test_the_page_holds_every_claim_with_its_mark_and_every_number(it, files):
    html = files["index.html"].decode()
    page = Reader(html)
    assert len(page.ids) == len(set(page.ids))
    within = {link[1:] for link in page.links if link.startswith("#")}
    assert {one.name for one in it.reproductions} < within <= set(page.ids)
    assert not re.findall(r"https?://(?!www\.w3\.org/)|@import|url\((?!#)", html)
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    text = " ".join("".join(page.text).split())
    for one in it.reproductions:
        assert one.title in text and one.paper in text
        for claim in one.claims:
            assert claim.mark in ("read in the paper", "re-derived", "from memory") and claim.identifier in text
        for part in one.parts:
            for row in part.rows:
                assert as_html(digits_of_measured(row.measured, row.margin)) in html, row
    assert "Quick sizes" in text and COMMAND in text
    whole = msgspec.structs.replace(it, quick=False, reproductions=it.reproductions[:1])
    assert "Quick sizes" not in rendered(whole)["index.html"].decode()


def test_the_record_survives_a_round_trip_and_every_file_is_known(it, files):
    assert msgspec.json.decode(files["reproductions.json"], type=reproductions.Reproductions) == it
    assert list(files)[-1] == "index.html"
    assert {name.rpartition(".")[2] for name in files if name.startswith("figures/")} == {"svg", "pdf", "tex", "dat"}
    for name in files:
        assert FILES.fullmatch(name), name
    part = it.reproductions[0].parts[0]
    broken = msgspec.structs.replace(part, rows=(Row("q", "at", float("nan"), "1"),))
    one = msgspec.structs.replace(it.reproductions[0], parts=(broken,))
    with pytest.raises(ValueError, match="not finite"):
        rendered(msgspec.structs.replace(it, reproductions=(one,)))


def test_the_figures_compile(latex, files, tmp_path):
    texts = {
        name.removeprefix("figures/"): content.decode()
        for name, content in files.items()
        if name.startswith("figures/") and name.endswith((".tex", ".dat"))
    }
    compiled(latex, texts, tmp_path)


@pytest.mark.parametrize(
    ("value", "margin", "written"),
    [
        (0.01184, 0.001234, "0.0118 ± 0.0013"),
        (157.33, 112.0, "160 ± 120"),
        (49126.6, 5.8, "49126.6 ± 5.8"),
        (-0.4932, 0.082, "-0.493 ± 0.082"),
        (0.00001, 0.02, "0.000 ± 0.020"),
        (1.5e-9, 2.1e-10, "1.50e-9 ± 2.1e-10"),
        (1234567.0, 1.0, "1234567.0 ± 1.0"),
        (2.0, 0.0, "2"),
        (2.5, None, "2.5"),
        (float("nan"), 0.1, "unknown"),
    ],
)
def test_a_measurement_has_as_many_digits_as_its_interval_leaves(value, margin, written):
    assert digits_of_measured(value, margin) == written


# The command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_measures_writes_and_resumes(capsys, folder, monkeypatch):
    command = ["reproduce", "drift", "--quick", "--workers", "1"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "exponent of the kernel drift in m, tanh, independent start: " in out and "1 records are new" in err
    page = (folder / "zeroloss-reproductions" / "index.html").read_text()
    assert "zeroloss reproduce drift --quick" in page
    monkeypatch.setattr(running, "run_part", lambda *_: pytest.fail("it ran again"))
    assert main([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [one["name"] for one in found["reproductions"]] == ["drift"] and "0 records are new" in err
    assert found == json.loads((folder / "zeroloss-reproductions" / "reproductions.json").read_text())


def test_parts_run_on_a_local_cluster(capsys, folder):
    assert main(["reproduce", "su2019", "--quick", "--workers", "2", "--store", "kept", "--out", "page"]) == 0
    assert "4 records are new in kept" in capsys.readouterr().err
    assert len(Store(folder / "kept").keys()) == 4 and not (folder / "page" / "runs").exists()


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["frift"], ["no reproduction 'frift'", "choose from du2019"]),
        (["drift", "--workers", "0"], ["--workers", "positive"]),
        (["drift", "--out", "taken"], ["taken", "other files (mine.txt)", "--out"]),
        (["drift", "--out", "taken/mine.txt"], ["it is a file", "--out"]),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line_before_any_work(capsys, folder, tokens, words):
    (folder / "taken").mkdir()
    (folder / "taken" / "mine.txt").write_text("mine")
    assert main(["reproduce", *tokens]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("zeroloss: ")
    for word in words:
        assert word in err
    assert sorted(path.name for path in folder.rglob("*")) == ["mine.txt", "taken"]


def test_a_killed_worker_ends_the_command_with_one_line(capsys, folder, monkeypatch):
    def lost(*_, **__):
        raise running.WorkerLost("a worker was killed from outside; finished parts stay in runs")

    monkeypatch.setattr(running, "reproduce", lost)
    assert main(["reproduce", "drift"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("zeroloss: a worker was killed")


def test_help_names_every_reproduction(capsys):
    assert main(["reproduce", "--help"]) == 0
    page = capsys.readouterr().out
    assert all(name in page for name in REPRODUCTIONS)
