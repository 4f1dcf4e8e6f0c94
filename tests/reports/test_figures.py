import math
import re
from itertools import combinations
from xml.etree import ElementTree

import msgspec
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from reports.drawing import DARK, VARIABLES, thinned
from reports.figures import figures
from reports.numerals import as_text, digits_of
from reports.schema import Curve, Number
from tests.reports.sample import sample

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["required-widths", "least-width", "loss", "ledger-1", "ledger-2", "against-width", "figure-1"]


@pytest.fixture(scope="module")
def comparison():
    return sample()


@pytest.fixture(scope="module")
def drawn(comparison):
    return {one.name: one for one in figures(comparison)}


def test_every_figure_is_there(drawn):
    assert list(drawn) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_every_figure_has_alternative_text_with_numbers(drawn, name, size):
    tree = ElementTree.fromstring(getattr(drawn[name], size))
    assert tree.get("role") == "img"
    by_id = {node.get("id"): node for node in tree.iter() if node.get("id")}
    title, description = (by_id[i].text for i in tree.get("aria-labelledby").split())
    assert title
    assert len(re.findall(r"\d", description)) >= 6
    assert description == drawn[name].description


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_unique_over_both_sizes_and_all_references_resolve(drawn, name):
    both = drawn[name].wide + drawn[name].narrow
    ids = re.findall(r' id="([^"]+)"', both)
    assert len(ids) == len(set(ids))
    references = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', both)
    assert {a or b for a, b in references} <= set(ids)


@pytest.mark.parametrize("name", NAMES)
def test_every_colour_follows_the_page(drawn, name):
    colours = re.findall(r"(?:var\(--[a-z]+, )?#[0-9a-fA-F]{6}\b", drawn[name].wide)
    assert colours
    assert all(colour.startswith("var(") for colour in colours)


def luminance(colour):
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_lines_stand_out_from_the_ground(dark):
    palette = {name: DARK[colour] if dark else colour for colour, name in VARIABLES.items()}
    ground = luminance(palette["--ground"])
    for name in palette.keys() - {"--ground", "--grid"}:
        light, deep = sorted((luminance(palette[name]), ground), reverse=True)
        assert (light + 0.05) / (deep + 0.05) >= 4.5, name  # WCAG AA for text


def boxes(svg):
    """Text and extent of every label of an SVG element, by the metrics of the font it was laid out in."""
    tree = ElementTree.fromstring(svg)
    measure = TextToPath().get_text_width_height_descent
    for node in tree.iter(f"{SVG}text"):
        style = dict(part.split(": ", 1) for part in node.get("style").split("; "))
        size = float(style["font-size"].removesuffix("px"))
        width, height, descent = measure(node.text, FontProperties(family="DejaVu Sans", size=size), ismath=False)
        turn = re.search(r"rotate\((-?[\d.]+)", node.get("transform", ""))
        place = re.search(r"translate\((-?[\d.]+) (-?[\d.]+)\)", node.get("transform", ""))
        x, y = map(float, place.groups() if place else (node.get("x"), node.get("y")))
        left = {"middle": -width / 2, "end": -width}.get(style.get("text-anchor"), 0.0)
        if turn and abs(float(turn[1])) == 90:
            yield node.text, (x - height + descent, y - left - width, x + descent, y - left)
        else:
            yield node.text, (x + left, y - height + descent, x + left + width, y + descent)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_no_label_overlaps_another_or_is_cut(drawn, name, size):
    svg = getattr(drawn[name], size)
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    labels = list(boxes(svg))
    assert len(labels) > 5
    for text, (left, top, right, bottom) in labels:
        assert -1 <= left and right <= width + 1 and -1 <= top and bottom <= height + 1, f"cut: {text}"
    for (one, a), (other, b) in combinations(labels, 2):
        across = min(a[2], b[2]) - max(a[0], b[0])
        down = min(a[3], b[3]) - max(a[1], b[1])
        assert across < 1 or down < 1, f"{one!r} over {other!r}"


def test_a_hidden_constant_is_marked_as_a_lower_estimate(comparison, drawn):
    text = drawn["required-widths"].description
    for row in comparison.editions:
        if row.width is not None:
            least = "at least " if row.hidden_constants else ""
            assert f"{row.statement} ({row.edition}): {least}{as_text(digits_of(row.width))}" in text
    svg = ElementTree.fromstring(drawn["required-widths"].wide)
    labels = [node.text for node in svg.iter(f"{SVG}text")]
    hidden = sum(bool(row.width and row.hidden_constants) for row in comparison.editions)
    assert sum(label.startswith("≥") for label in labels) == hidden > 0


def test_the_axis_of_widths_spans_thirty_decades(drawn):
    labels = [node.text for node in ElementTree.fromstring(drawn["required-widths"].wide).iter(f"{SVG}text")]
    assert {"10⁵", "10³⁰"} <= set(labels)


def test_figures_are_reproducible(comparison):
    one, two = ({f.name: f.wide for f in figures(comparison)} for _ in range(2))
    assert one == two
    one, two = (figures(comparison)[0].pdf() for _ in range(2))  # which differ by their head alone
    assert one == two


def test_an_empty_record_has_no_figures(comparison):
    bare = msgspec.structs.replace(
        comparison, editions=(), runs=(), ledgers=(), least_width=None, series=(), figure_one=(), looseness=()
    )
    assert figures(bare) == ()


def test_losses_that_vanish_or_overflow_are_left_out_of_the_curve_not_of_the_figure(comparison):
    curve = Curve("x", (0, 1, 2, 3), (1.0, 0.0, math.inf, math.nan), (1.0, 1.0, 1.0, 1.0))
    runs = (msgspec.structs.replace(comparison.runs[0], curve=curve),)
    (loss,) = (f for f in figures(msgspec.structs.replace(comparison, runs=runs)) if f.name == "loss")
    ElementTree.fromstring(loss.wide)


def test_an_open_interval_of_the_least_width_is_drawn(comparison):
    open_end = Number.estimated(512, math.inf, confidence=0.95, samples=29)
    least = msgspec.structs.replace(comparison.least_width, interval=open_end)
    drawn = figures(msgspec.structs.replace(comparison, least_width=least))
    assert "measured ≥ 512" in drawn[0].wide
    assert all(ElementTree.fromstring(one.narrow) for one in drawn)


def test_thinning_keeps_both_ends():
    xs = list(range(10_001))
    kept, values = thinned(xs, [1.0 + x for x in xs], points=100)
    assert kept[0] == 0 and kept[-1] == 10_000 and len(kept) <= 102
    assert values == [1.0 + x for x in kept]
