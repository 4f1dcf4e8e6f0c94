"""Reproductions as a record, as a page and as files: what is stated, what was measured, and the curves of both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
from markupsafe import Markup

from empirical.reproductions.listing import REPRODUCTIONS
from empirical.reproductions.rows import Panel, Row
from empirical.reproductions.running import PartResult
from reports.drawing import stylesheet
from reports.numerals import as_html, digits_of_measured
from reports.output import figure_files, record_files, write_files
from reports.page import environment
from reports.pgfplots import sources
from reports.reproduction_figures import illustrations, plots
from reports.schema import SCHEMA_VERSION

FILES = re.compile(
    r"index\.html|reproductions(\.schema)?\.json|runs|\.zeroloss-\w+|figures"
    r"|figures/([a-z]+[0-9]*-[0-9]+(-[0-9]+\.dat|\.(svg|pdf|tex))|standalone\.(tex|pdf|aux|log))"
)
"""Names that are written here, or that come from compiling figures, and the store."""


class ClaimRow(msgspec.Struct, frozen=True):
    """What is stated, in words; their provenance; the statement's identifier in the catalogue, or empty."""

    text: str
    mark: str
    identifier: str


class PartRecord(msgspec.Struct, frozen=True):
    """One measurement: its numbers, its curves, and the seconds of one core that it took."""

    name: str
    title: str
    rows: tuple[Row, ...]
    panels: tuple[Panel, ...]
    seconds: float


class ReproductionRecord(msgspec.Struct, frozen=True):
    """What was run again for one paper; see :class:`empirical.reproductions.parts.Reproduction`."""

    name: str
    title: str
    paper: str
    claims: tuple[ClaimRow, ...]
    setting: str
    remark: str
    parts: tuple[PartRecord, ...]


class Reproductions(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss reproduce --json``.

    Args:
        product: which version of zeroloss measured.
        quick: whether sizes are too small for what the papers state.
        command: writes the same page.
        reproductions: in the order of the page.
    """

    version: int = SCHEMA_VERSION
    product: str
    quick: bool
    command: str
    reproductions: tuple[ReproductionRecord, ...]


def record(results: Mapping[str, Sequence[PartResult]], *, quick: bool, command: str) -> Reproductions:
    """Set what was found beside what is stated.

    Args:
        results: of :func:`empirical.reproductions.running.reproduce`.
        quick: whether it ran at quick sizes.
        command: that was given.
    """
    return Reproductions(
        product=f"zeroloss {version('zeroloss')}",
        quick=quick,
        command=command,
        reproductions=tuple(_reproduction(name, parts) for name, parts in results.items()),
    )


def _reproduction(name: str, results: Sequence[PartResult]) -> ReproductionRecord:
    told = REPRODUCTIONS[name]
    return ReproductionRecord(
        name=name,
        title=told.title,
        paper=told.paper.citation,
        claims=tuple(ClaimRow(claim.text, str(claim.mark), claim.identifier) for claim in told.claims),
        setting=told.setting,
        remark=told.remark,
        parts=tuple(
            PartRecord(part.name, part.title, result.findings.rows, result.findings.panels, result.seconds)
            for part, result in zip(told.parts, results, strict=True)
        ),
    )


def write_reproductions(it: Reproductions, folder: Path) -> None:
    """Write the page, the record with its schema and the figures; the page comes last and is replaced at once.

    Args:
        it: the record.
        folder: made where it does not exist; a former page in it is replaced, its ``runs`` are kept.

    Raises:
        FileExistsError: the folder holds other files, or is no folder.
        OSError: it cannot be written to.
        ValueError: the record holds a number that JSON cannot hold.
    """
    write_files(rendered(it), folder, FILES)


def rendered(it: Reproductions) -> dict[str, bytes]:
    """Every file by its name in the folder, the page last."""
    files = record_files("reproductions", it)
    drawn = {one.name: illustrations(one.name, one.title, one.parts) for one in it.reproductions}
    files |= figure_files(figure for figures in drawn.values() for figure in figures)
    written = sources(figure for one in it.reproductions for figure in plots(one.name, one.parts))
    files |= {f"figures/{name}": text.encode() for name, text in written.items()}
    templates = environment()
    templates.filters["measured"] = _measured
    html = templates.get_template("reproductions.html").render(
        it=it,
        names={name: [figure.name for figure in figures] for name, figures in drawn.items()},
        figures={figure.name: figure for figures in drawn.values() for figure in figures},
        variables=Markup(stylesheet()),
    )
    return {**files, "index.html": html.encode()}


def _measured(row: Row) -> Markup:
    return as_html(digits_of_measured(row.measured, row.margin))
