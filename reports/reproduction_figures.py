"""The figures of reproductions: panels of measured curves with their intervals, promised curves, published numbers."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from empirical.reproductions.rows import Panel, Series
from reports import pgfplots
from reports.drawing import (
    INK,
    MEASURED,
    MUTED,
    PROMISED,
    SECOND,
    SERIES,
    THIRD,
    Canvas,
    Illustration,
    fit_log_axis,
    width_axis,
)
from reports.mathematics import plain_formulas
from reports.numerals import as_text, digits_of_float, digits_of_measured
from reports.tables import sentence

MOST_PANELS = 6
"""In one figure."""

_MARKS = ((MEASURED, "o"), (SECOND, "s"), (THIRD, "^"), (INK, "D"), (MUTED, "v"))
_PROMISED: tuple[dict[str, Any], ...] = (*SERIES, {"color": MUTED, "linestyle": (0, (3, 5)), "marker": ""})
_MOST_TICKS = 10
"""On a logarithmic axis; beyond so many sizes powers of ten stand there."""

_LINE_OF_MARKS = 12
"""Points from which on only some of a measured curve carry marks."""


class _Part(Protocol):
    @property
    def title(self) -> str: ...

    @property
    def panels(self) -> tuple[Panel, ...]: ...


def illustrations(name: str, title: str, parts: Sequence[_Part]) -> list[Illustration]:
    """The figures of one reproduction, parts together as long as their panels fit.

    Args:
        name: of the reproduction.
        title: of the reproduction.
        parts: with their panels.
    """
    return [
        Illustration(figure, title, " ".join(map(_said, panels)), _Painter(panels))
        for figure, panels in _grouped(name, parts)
    ]


def plots(name: str, parts: Sequence[_Part]) -> Iterator[tuple[str, list[pgfplots.Panel]]]:
    """The same figures for pgfplots."""
    for figure, panels in _grouped(name, parts):
        yield figure, [_plotted(panel) for panel in panels]


def _grouped(name: str, parts: Sequence[_Part]) -> Iterator[tuple[str, list[Panel]]]:
    numbers, together = count(1), list[Panel]()
    for part in parts:
        if together and len(together) + len(part.panels) > MOST_PANELS:
            yield f"{name}-{next(numbers)}", together
            together = []
        together = [*together, *part.panels]
    if together:
        yield f"{name}-{next(numbers)}", together


class _Painter:
    """Draws panels side by side; a legend that all of them share stands above, others below their panel."""

    def __init__(self, panels: Sequence[Panel]) -> None:
        self.panels = panels
        self.shared = len({tuple(series.label for series in panel.series) for panel in panels}) == 1

    def __call__(self, canvas: Canvas) -> Figure:
        count = len(self.panels)
        columns = 1 if canvas.narrow or count == 1 else 3 if count in (3, 5, 6) else 2
        wrap = 40 if canvas.narrow else {1: 80, 2: 38, 3: 21}[columns]
        lines = math.ceil(count / columns)
        titles = max(len(textwrap.wrap(plain_formulas(panel.title), wrap)) for panel in self.panels)
        legend = 0 if self.shared else 19 * max(len(panel.series) for panel in self.panels) + 6
        above = math.ceil(len(self.panels[0].series) / (1 if canvas.narrow else 3)) * 22 if self.shared else 0
        height = (215 if columns == 3 else 235) + 17 * (titles - 1) + legend
        figure = canvas.figure(lines * height + above)
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, self.panels, strict=False):
            _draw(axes, panel)
            axes.set_title("\n".join(textwrap.wrap(plain_formulas(panel.title), wrap)))
            if not self.shared:
                below = axes.transAxes + ScaledTranslation(0, -44 / 72, figure.dpi_scale_trans)
                place = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": below}
                axes.legend(*_legend(axes, panel), **place, borderaxespad=0, handlelength=3)
        for axes in grid[count:]:
            axes.set_axis_off()
        if self.shared:
            columns = 1 if canvas.narrow else 3
            entries = _legend(grid[0], self.panels[0])
            figure.legend(*entries, loc="outside upper left", ncols=columns, handlelength=3)
        return figure


def _draw(axes: Axes, panel: Panel) -> None:
    """One panel: what is promised lies below what is measured."""
    if "x" in panel.log:
        width_axis(axes, sorted({x for series in panel.series for x in series.x}), ticks=5)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    if "y" in panel.log:
        fit_log_axis(axes, [y for series in panel.series for y in _extent(series)])
    for series, style in zip(panel.series, _styles(panel.series), strict=True):
        label = plain_formulas(series.label)
        if series.margin:
            axes.errorbar(series.x, series.y, yerr=series.margin, label=label, capsize=3, **style)
        else:
            axes.plot(series.x, series.y, label=label, **style)
    axes.set_xlabel(plain_formulas(panel.x))
    axes.set_ylabel(plain_formulas(panel.y))


def _legend(axes: Axes, panel: Panel) -> tuple[list[Any], list[str]]:
    """Handles and labels in the order of the series."""
    handles, labels = axes.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    order = [plain_formulas(series.label) for series in panel.series]
    return [by_label[label] for label in order], order


def _styles(series: Iterable[Series]) -> Iterator[dict[str, Any]]:
    marks, dashes = iter(_MARKS * 3), iter(_PROMISED * 3)
    for one in series:
        if one.source == "measured":
            colour, mark = next(marks)
            every = max(1, math.ceil(len(one.x) / 6)) if len(one.x) > _LINE_OF_MARKS else 1
            yield {"color": colour, "marker": mark, "markevery": every, "zorder": 2.5}
        elif one.source == "promised":
            yield {**next(dashes), "zorder": 2}
        else:
            yield {
                "color": PROMISED,
                "linestyle": "none",
                "marker": "x",
                "markersize": 9,
                "markeredgewidth": 2,
                "zorder": 3,
                "clip_on": False,
            }


def _extent(series: Series) -> Iterator[float]:
    """What a logarithmic axis has to show of a series: its points and the positive ends of their intervals."""
    yield from series.y
    for y, margin in zip(series.y, series.margin, strict=False):
        yield from (y - margin if y > margin else y / 2, y + margin)


def _said(panel: Panel) -> str:
    return f"{plain_formulas(panel.title)}, by {plain_formulas(panel.x)}: {'; '.join(map(_series_said, panel.series))}."


def _series_said(series: Series) -> str:
    step = max(1, math.ceil(len(series.x) / 5))
    chosen = sorted({*range(0, len(series.x), step), len(series.x) - 1})
    points = ", ".join(
        f"{as_text(digits_of_measured(series.y[i], series.margin[i] if series.margin else None, 3))} at "
        f"{as_text(digits_of_float(series.x[i], 3))}"
        for i in chosen
    )
    return f"{plain_formulas(series.label)} ({series.source}): {points}"


_PLOTTED = {
    "measured": ("mark=*, solid, thick", "mark=square*, solid, thick", "mark=triangle*, solid, thick"),
    "promised": (
        "no marks, densely dashed, thick",
        "no marks, dash dot, thick",
        "no marks, densely dotted, thick",
        "no marks, loosely dashed, thick",
    ),
    "published": ("only marks, mark=x, mark size=4pt, thick",),
}


def _plotted(panel: Panel) -> pgfplots.Panel:
    made = []
    seen = dict.fromkeys(_PLOTTED, 0)
    for series in panel.series:
        looks = _PLOTTED[series.source]
        options = looks[seen[series.source] % len(looks)]
        seen[series.source] += 1
        columns: dict[str, Sequence[float | int | str]] = {"x": series.x, "y": series.y}
        if series.margin:
            columns |= {"below": series.margin, "above": series.margin}
            options += ", error bars/.cd, y dir=both, y explicit"
        elif len(series.x) > _LINE_OF_MARKS:
            options += f", mark repeat={math.ceil(len(series.x) / 6)}"
        made.append(pgfplots.Plot(options, columns, sentence(series.label)))
    sizes = sorted({x for series in panel.series if series.source == "measured" for x in series.x})
    marked = pgfplots.ticks(sizes) if "x" in panel.log and len(sizes) <= _MOST_TICKS else ()
    modes = tuple(f"{axis}mode={'log' if axis in panel.log else 'normal'}" for axis in "xy")
    return pgfplots.Panel(
        (
            *modes,
            *marked,
            *(() if "y" in panel.log else pgfplots.FIXED),
            f"xlabel={{{sentence(panel.x)}}}",
            f"ylabel={{{sentence(panel.y)}}}",
            f"title={{{sentence(panel.title)}}}",
            r"title style={text width=6cm, align=center, font=\small}",
            "width=7.5cm",
            "height=6cm",
            r"legend style={font=\footnotesize, draw=none, at={(0.5,0)}, yshift=-1.2cm, anchor=north}",
        ),
        tuple(made),
    )
