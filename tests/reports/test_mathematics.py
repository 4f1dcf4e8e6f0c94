import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bounds.catalogue import papers
from bounds.rendering import latex
from reports.mathematics import formulas, mathml, plain_formulas


def all_latex():
    for paper in papers():
        for statement in paper.statements:
            for edition in statement.editions:
                yield from (latex(c.relation) for c in edition.assumes if c.relation is not None)
                yield from (latex(promise.relation) for promise in edition.conclusions)


def test_every_formula_of_the_catalogue_becomes_mathml():
    formulas_seen = set(all_latex())
    assert len(formulas_seen) > 30
    for source in formulas_seen:
        tree = ElementTree.fromstring(mathml(source))
        assert tree.tag == "math"
        assert "\\" not in "".join(tree.itertext()), source  # no command is left unread


def test_the_bars_of_a_norm_do_not_stretch():
    tree = ElementTree.fromstring(mathml(r"\lVert x\rVert \leq \frac{1}{2}"))
    bars = [node for node in tree.iter("mo") if node.text == "‖"]
    assert len(bars) == 2
    assert all(bar.get("stretchy") == "false" for bar in bars)


@pytest.mark.parametrize("source", [r"\frac{1}", r"\left( x", r"x^", "<script>1</script>", r"\frac{<script>}"])
def test_what_cannot_be_read_is_shown_as_its_source_and_never_as_markup(source):
    assert "<script" not in mathml(source)
    ElementTree.fromstring(mathml(source))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("lambda_0 / (24 S)", "λ<sub>0</sub> / (24 S)"),
        ("||H - H(0)|| <= 2 n sum_i nu_i", "‖H − H(0)‖ ≤ 2 n Σ<sub>i</sub> ν<sub>i</sub>"),
        ("512/pi n^5 and eta", "512/π n<sup>5</sup> and η"),
        ("R'_a < (1 - x)^k", "R&#39;<sub>a</sub> &lt; (1 − x)<sup>k</sup>"),
        ("||XX^T||_F", "‖XX<sup>⊤</sup>‖<sub>F</sub>"),
        ("eta lambda_max(H) <= 1", "η λ<sub>max</sub>(H) ≤ 1"),
        ("a <b> & pine", "a &lt;b&gt; &amp; pine"),
        ("1 / sqrt(m) <= sqrt(L M)", "1 / √m ≤ √(L M)"),
        ("n^1.25 of 9.8e+10 or 2.5e-3", "n<sup>1.25</sup> of 9.8 × 10<sup>10</sup> or 2.5 × 10<sup>−3</sup>"),
        ("labels +-1, slope -1/2, n-1 -> 0", "labels ±1, slope −1/2, n-1 → 0"),
    ],
)
def test_formulas_in_sentences(text, html):
    assert formulas(text) == html


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x_1^2 - x_2^2, lambda_0", "x₁² − x₂², λ₀"),
        ("omega^(1/3) <= -1/2", "ω^(1/3) ≤ −1/2"),
        ("|R^T R - I| / sqrt(m) -> 0", "|Rᵀ R − I| / √m → 0"),
        ("a comega E_M", "a comega E_M"),
        ("n^1.25, R^1000", "n^1.25, R¹⁰⁰⁰"),
    ],
)
def test_formulas_in_figures(text, written):
    assert plain_formulas(text) == written


def test_every_formula_of_the_pages_is_set_in_mathml():
    root = Path(__file__).parents[2]
    pages = [*(root / "docs").glob("*.md"), *(root / "notes").glob("*.md")]
    seen = 0
    for page in pages:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
        for display, within in re.findall(r"\$\$(.+?)\$\$|\$([^$]+?)\$", text, flags=re.DOTALL):
            assert str(mathml(display or within)).startswith("<math"), (page.name, display or within)
            seen += 1
    assert seen > 100
