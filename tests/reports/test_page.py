import math
import re
import subprocess
from html.parser import HTMLParser

import msgspec
import pytest

from reports.numerals import as_html, decades, digits_of
from reports.page import page
from reports.schema import DataRow, Number
from tests.reports.sample import sample

VOID = {"br", "link", "meta"}
HOSTILE = """<script>alert("1")</script> & 'q' {{ 7 * 7 }} </style>"""


class Reader(HTMLParser):
    """Checks that tags nest, and collects ids, links, attributes and text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.text = [], [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        if "id" in given:
            self.ids.append(given["id"])
        self.links += [given[name] for name in ("href", "src", "xlink:href", "action") if name in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(scope="module")
def comparison():
    return sample()


@pytest.fixture(scope="module")
def html(comparison):
    return page(comparison)


@pytest.fixture(scope="module")
def read(html):
    return Reader(html)


def test_tags_nest_and_ids_are_unique(read):
    assert len(read.ids) > 20
    assert len(read.ids) == len(set(read.ids))


def test_links_within_the_page_resolve_and_nothing_is_fetched(html, read):
    within = [link for link in read.links if link.startswith("#")]
    assert len(within) > 10
    assert {link[1:] for link in within} <= set(read.ids)
    assert set(read.links) - set(within) == {"data:,"}  # an empty icon, so that none is asked for
    assert not re.findall(r"https?://(?!www\.w3\.org/)|@import|url\((?!#)", html)
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in read.tags}


def test_every_figure_has_a_name_that_exists(read):
    images = [given for tag, given in read.tags if tag == "svg"]
    assert len(images) == 14  # seven figures, wide and narrow
    for given in images:
        assert given["role"] == "img"
        assert set(given["aria-labelledby"].split()) <= set(read.ids)


def numbers(record):
    """Every number of a record, at any depth."""
    if isinstance(record, Number):
        yield record
    elif isinstance(record, msgspec.Struct):
        for name in record.__struct_fields__:
            yield from numbers(getattr(record, name))
    elif isinstance(record, tuple | dict):
        for part in record.values() if isinstance(record, dict) else record:
            yield from numbers(part)


def test_every_number_of_the_record_is_on_the_page(comparison, html):
    found = list(numbers(comparison))
    assert len(found) > 150
    for number in found:
        assert any(as_html(digits_of(number, digits)) in html for digits in (3, 4, 6)), number
    for row in comparison.looseness:
        written = decades(row.decades_lower, row.decades_upper)
        assert written in html or as_html(written) in html


def test_kinds_and_assumptions_are_shown(html):
    text = re.sub(r"<[^>]+>", " ", html)
    for word in ("exact", "enclosed", "estimated, 95 %, 29 seeds", "float", "lower estimate", "lower bound"):
        assert word in text


def test_condition_and_conclusion_stand_apart_and_nothing_is_called_violated(read):
    text = " ".join(" ".join(read.text).split())
    assert "violat" not in text
    assert "✗ fails ✓ measured to hold" in text
    assert "too short to tell" in text


@pytest.mark.parametrize(
    ("own", "said"), [(True, "Proved: the network of width 1043038"), (False, "No network is proved")]
)
def test_the_headline_speaks_of_proofs_on_these_data_only(comparison, own, said):
    rows = [msgspec.structs.replace(row, own_data=own or row.verdict != "holds") for row in comparison.certificates]
    shown = msgspec.structs.replace(comparison, certificates=tuple(rows), proved_widths=())
    text = " ".join("".join(Reader(page(shown)).text).split())
    headline = text[: text.index("Required widths")]
    assert said in headline
    assert ("1043038" in headline) is own


def test_proofs_are_told_by_family_and_never_mixed(comparison):
    text = " ".join("".join(Reader(page(comparison)).text).split())
    headline = text[: text.index("Contents") if "Contents" in text else text.index("Data")]
    relu, tanh = headline[headline.index("ReLU networks:") :].split("tanh networks, outside the setting")
    assert "Theorem 4.1 prints" in relu and "6.27 × 1015 with C at 1" in relu.replace("\u202f", " ")
    assert "a network of width 64 is proved to reach zero loss" in relu
    assert "in training, nearly all draws come below 1 × 10−10 of their first loss from a width in [12, 23] on" in (
        relu.replace("\u202f", " ")
    )
    assert "no network was proved" in tanh and "Theorem 4.1" not in tanh.split(".")[0]
    assert "the best bound at the start asks for" in tanh


def test_a_search_that_found_nothing_is_no_interval(comparison):
    nothing = Number.estimated(1, math.inf, confidence=0.95, samples=29)
    narrow = Number.estimated(129, math.inf, confidence=0.95, samples=29)
    rows = [msgspec.structs.replace(row, proved=nothing, measured=narrow) for row in comparison.proved_widths]
    text = " ".join("".join(Reader(page(msgspec.structs.replace(comparison, proved_widths=tuple(rows)))).text).split())
    assert "of their first loss only above width 128." in text
    assert "not found" in text and "≥ 1 " not in text


def test_seeds_that_were_not_followed_are_counted_apart(read):
    text = " ".join(" ".join(read.text).split())
    assert "not followed to the end" in text
    assert " 32 4 12 13 0" in text  # kept by 4, broken by 12 of 29


def test_own_networks_stand_in_one_table_each_with_conditions_apart(comparison, read):
    text = " ".join(" ".join(read.text).split())
    for one in comparison.own_networks:
        assert f"{one.statement} {one.identifier}" in text
    assert "Sharp edition condition: ✗ fails ; with the run's own numbers: ? undecided" in text


def test_every_edition_stands_with_its_mark_and_its_proof(comparison, html):
    for row in comparison.editions:
        assert row.mark in html
        assert row.statement in html
    assert "proved by z3 and cvc5" in html
    assert "On the printed text" in html


def test_hostile_names_stay_text():
    it = sample(title=HOSTILE)
    it = msgspec.structs.replace(
        it,
        data=(DataRow(HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
        commands=(HOSTILE,),
        seconds={HOSTILE: 1.0},
        runs=tuple(msgspec.structs.replace(run, label=HOSTILE) for run in it.runs),
        series=tuple(msgspec.structs.replace(one, quantity=HOSTILE) for one in it.series),
    )
    html = page(it)
    read = Reader(html)
    assert "script" not in {tag for tag, _ in read.tags}
    assert " ".join(HOSTILE.split()) in " ".join("".join(read.text).split())
    assert html.count("</style>") == 1


def test_a_bare_record_still_makes_a_page(comparison):
    bare = msgspec.structs.replace(
        comparison,
        **dict.fromkeys(
            (
                "rounding",
                "notes",
                "runs",
                "certificates",
                "looseness",
                "ledgers",
                "proved_widths",
                "series",
                "figure_one",
            ),
            (),
        ),
        editions=tuple(msgspec.structs.replace(row, width=None, step_size=None) for row in comparison.editions),
        least_width=None,
        seconds={},
    )
    read = Reader(page(bare))
    assert "svg" not in {tag for tag, _ in read.tags}
    assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)


PROBE = """<script>
addEventListener("load", () => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  const shown = [...document.querySelectorAll("figure svg")].filter(s => getComputedStyle(s).display !== "none");
  const cut = shown.flatMap(s => { const f = s.getBoundingClientRect();
    return [...s.querySelectorAll("text")].filter(t => { const b = t.getBoundingClientRect();
      return b.left < f.left - 1 || b.right > f.right + 1; }); });
  const small = shown.flatMap(s => [...s.querySelectorAll("text")].filter(t =>
    parseFloat(getComputedStyle(t).fontSize) * s.getBoundingClientRect().width / s.viewBox.baseVal.width < 9.5));
  const overlap = shown.flatMap(s => { const b = [...s.querySelectorAll("text")].map(t => t.getBoundingClientRect());
    return b.flatMap((p, i) => b.slice(i + 1).filter(q => Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
      Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 5)); });
  document.body.innerHTML = `<p id="probe">${wide} ${shown.length} ${cut.length} ${small.length} ${overlap.length}
    ${getComputedStyle(document.body).backgroundColor}</p>`;
});
</script>"""


@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize(("scheme", "ground"), [(1, "rgb(255, 255, 254)"), (0, "rgb(23, 24, 27)")])
def test_in_a_browser_nothing_is_cut_overlaps_or_is_too_small(chromium, html, tmp_path, width, scheme, ground):
    (tmp_path / "page.html").write_text(html.replace("</head>", PROBE + "</head>"))
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={width},900",
        f"--blink-settings=preferredColorScheme={scheme}",
        "--dump-dom",
        (tmp_path / "page.html").as_uri(),
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    probe = re.search(r'<p id="probe">(-?\d+) (\d+) (\d+) (\d+) (\d+)\s+(rgb[^<]+)</p>', dom)
    overflow, shown, cut, small, overlapping = map(int, probe.groups()[:5])
    assert overflow <= 0
    assert shown == 7
    assert (cut, small, overlapping) == (0, 0, 0)
    assert probe[6] == ground
