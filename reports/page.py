"""The page: one self-contained HTML document, drawn from the record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.drawing import Illustration, stylesheet
from reports.figures import figures
from reports.mathematics import formulas, mathml
from reports.numerals import (
    NOT_FOUND,
    as_html,
    decades,
    digits_above,
    digits_of,
    digits_of_float,
    digits_of_width,
    is_lower_estimate,
    lowest_kind,
)
from reports.schema import AskedWidth, Comparison, EditionRow, LoosenessRow, Number, ProvedWidthRow, SideRow


def page(comparison: Comparison, illustrations: Sequence[Illustration] | None = None) -> str:
    """Write the page of a comparison.

    Args:
        comparison: the record.
        illustrations: its figures, where they have been made already.

    Returns:
        HTML that fetches nothing: style sheet and figures inside, no script.
    """
    drawn = {one.name: one for one in (figures(comparison) if illustrations is None else illustrations)}
    return (
        environment()
        .get_template("page.html")
        .render(
            it=comparison,
            headlines=headlines(comparison),
            proofs=[_proof(row) for row in comparison.proved_widths],
            own=[row for row in comparison.certificates if row.own_data],
            statements=[(rows[0], rows) for rows in _statements(comparison.editions)],
            argument=list(dict.fromkeys(name for row in comparison.certificates for name in row.numbers)),
            runs=[list(rows) for _, rows in groupby(comparison.runs, key=lambda run: run.key)],
            looseness=[
                (statement, edition, list(rows))
                for (statement, edition), rows in groupby(
                    comparison.looseness, key=lambda row: (row.statement, row.edition)
                )
            ],
            series=[(widths, list(rows)) for widths, rows in groupby(comparison.series, key=lambda one: one.widths)],
            ledgers=[(drawn[f"ledger-{i}"], ledger) for i, ledger in enumerate(comparison.ledgers, start=1)],
            figures=drawn,
            variables=Markup(stylesheet()),
        )
    )


@dataclass(frozen=True)
class Headline:
    """What is promised and what is measured for one network family, by its theorem.

    Args:
        family: the networks and how they are trained.
        statement: the theorem's name.
        required: (edition, width) of every edition that asks for a width.
        measured: the least width at which the conclusion was measured to hold.
        apart: required over measured in decades, least to greatest of the editions.
    """

    family: str
    statement: str
    required: tuple[tuple[str, Number], ...]
    measured: Number | None
    apart: str


def headlines(comparison: Comparison) -> list[Headline]:
    """One line per theorem of the catalogue, the one that was held against runs first."""
    lines = [
        _headline(comparison, rows) for rows in _statements(comparison.editions) if rows[0].identifier and _widths(rows)
    ]
    return sorted(lines, key=lambda line: line.measured is None)


def _headline(comparison: Comparison, rows: Sequence[EditionRow]) -> Headline:
    name = rows[0].statement
    compared = [row for row in comparison.looseness if row.quantity == "width" and row.statement == name]
    lower = [row.decades_lower for row in compared if row.decades_lower is not None]
    upper = [row.decades_upper for row in compared if row.decades_upper is not None]
    family = ", ".join(filter(None, (rows[0].setting, rows[0].dynamics)))
    return Headline(
        family=family,
        statement=name,
        required=_widths(rows),
        measured=compared[0].measured if compared else None,
        apart=decades(min(lower, default=None), max(upper, default=None)) if compared else "",
    )


def _proof(row: ProvedWidthRow) -> Markup:
    """What is asked of a family, what is proved of one of its networks, and what training does, in one sentence.

    Nearly all draws are at least 1 - delta of them, at 95 % confidence.
    """
    said = [clause for asked in row.asked if (clause := _asked(asked))]
    if row.narrowest is None:
        said.append(Markup("no network was proved to reach zero loss at the widths tried"))
    else:
        proved = "a network of width {} is <strong>proved</strong> to reach zero loss"
        said.append(Markup(proved).format(plain(row.narrowest.width)))
    if math.isfinite(row.proved.bounds[1]):
        said.append(Markup("nearly all draws are from a width in {} on").format(as_html(digits_of(row.proved, 3))))
    low, high = row.measured.bounds
    near = Markup("in training, nearly all draws come below {} of their first loss").format(plain(row.fall))
    if math.isfinite(high):
        said.append(Markup("{} from a width in {} on").format(near, as_html(digits_of(row.measured, 3))))
    elif low > 1:
        said.append(Markup("{} only above width {}").format(near, plain(low - 1)))
    outside = "" if any(asked.edition for asked in row.asked) else ", outside the setting of the theorems above"
    return Markup("{} networks{}: {}.").format(row.family, outside, Markup("; ").join(said))


def _asked(asked: AskedWidth) -> Markup | None:
    """What one statement asks, where the headline speaks of its edition."""
    width, formula = as_html(digits_of(asked.width, 3)), mathml(asked.latex) if asked.latex else Markup("a width")
    if asked.hidden_constants:
        constants = ", ".join(asked.hidden_constants)
        return Markup("{} prints {}, which is {} with {} at 1").format(asked.statement, formula, width, constants)
    if asked.edition == "explicit":
        return Markup("{} with all constants explicit").format(width)
    if asked.edition == "sharp":
        return Markup("its sharp edition asks for {}").format(width)
    return None if asked.edition else Markup("{} asks for {}").format(asked.statement, width)


def _widths(rows: Sequence[EditionRow]) -> tuple[tuple[str, Number], ...]:
    return tuple((row.edition, row.width) for row in rows if row.width is not None)


def _statements(editions: Sequence[EditionRow]) -> Iterator[list[EditionRow]]:
    """The editions of each statement together, statements in the order of the record."""
    names = dict.fromkeys(row.statement for row in editions)
    yield from ([row for row in editions if row.statement == name] for name in names)


_SIGNS = {"holds": "✓", "fails": "✗", "undecided": "?", "too short to tell": "…", "proved": "✓"}
_MEASURED = {"holds": "measured to hold", "fails": "measured to fail"}

# --- Filters of the template -----------------------------------------------------------------------------------------


def number(value: Number | None, digits: int = 4) -> Markup:
    """A number with its kind; None is a dash."""
    if value is None:
        return Markup("–")
    kind = escape(value.kind)
    if value.assumption:
        word = "upper estimate" if "upper estimate" in value.assumption else "lower estimate"
        kind = Markup('<span title="{}">{}</span>').format(value.assumption, word)
    elif value.confidence is not None:
        seeds = f", {value.samples} seeds" if value.samples else ""
        kind = escape(f"estimated, {100 * value.confidence:g} %{seeds}")
    return as_html(digits_of(value, digits)) + Markup(' <span class="kind">{}</span>').format(kind)


def sought(width: Number) -> Markup:
    """A width that was searched; where it was not found, what is known of it."""
    written = digits_of_width(width)
    return Markup('<span class="quiet">{}</span>').format(written) if written == NOT_FOUND else number(width, 3)


def plain(value: float, digits: int = 4) -> Markup:
    """A bare float or integer of the record."""
    return as_html(digits_of_float(float(value), digits))


def above(value: float, digits: int = 4) -> Markup:
    """A proved upper bound of the record, rounded upwards."""
    return as_html(digits_above(value, digits))


def verdict(word: str, *, measured: bool = False) -> Markup:
    """A verdict with a sign that needs no colour; one that was measured says so."""
    outcome = next((known for known in _SIGNS if word == known or word.startswith(f"{known} (")), "")
    said = word.replace(outcome, _MEASURED.get(outcome, outcome)) if measured and outcome else word
    return Markup('<span class="verdict {}"><span aria-hidden="true">{}</span> {}</span>').format(
        outcome.replace(" ", "-") or "other", _SIGNS.get(outcome, "·"), said
    )


def apart(row: LoosenessRow) -> Markup:
    """The decades of a row, with the kind they inherit."""
    text = decades(row.decades_lower, row.decades_upper)
    if text == "not comparable":
        return Markup(text)
    kind = "lower bound" if is_lower_estimate(row.promised) else lowest_kind(row.promised, row.measured)
    return as_html(text) + Markup(' <span class="kind">{}</span>').format(kind)


def between(side: SideRow) -> Markup:
    """The decades between the two sides of a promise; a dash where there are none."""
    if side.decades_lower is None and side.decades_upper is None:
        return Markup("–")
    return as_html(decades(side.decades_lower, side.decades_upper))


def illustrated(illustration: Illustration) -> Markup:
    """A figure, wide and narrow; the style sheet shows one of them."""
    return Markup(illustration.wide + illustration.narrow)


def environment() -> Environment:
    """The templates and their filters."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "above": above,
        "apart": apart,
        "between": between,
        "digits": as_html,
        "decades": lambda value: as_html(decades(value, value)),
        "formulas": formulas,
        "illustrated": illustrated,
        "mathml": mathml,
        "number": number,
        "plain": plain,
        "sought": sought,
        "verdict": verdict,
    }
    return environment
