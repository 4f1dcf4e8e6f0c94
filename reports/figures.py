"""The figures of a report, each with its alternative text, in the order of the page."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from reports.drawing import (
    GRID,
    GROUND,
    MEASURED,
    MUTED,
    PROMISED,
    SERIES,
    Canvas,
    Illustration,
    fit_log_axis,
    log_axis,
    thinned,
    width_axis,
)
from reports.numerals import as_text, decades, digits_of, digits_of_float, is_lower_estimate
from reports.schema import Comparison, EditionRow, FigureOnePanel, LeastWidthRow, Ledger, Number, RunRow, WidthSeries


def figures(comparison: Comparison) -> tuple[Illustration, ...]:
    """Every figure that the record has numbers for."""
    return tuple(_figures(comparison))


def _figures(comparison: Comparison) -> Iterator[Illustration]:
    rows = [row for row in comparison.editions if row.width is not None]
    if rows:
        yield required_widths(rows, comparison.least_width)
    if comparison.least_width is not None and comparison.least_width.trials:
        yield least_width(comparison.least_width)
    if comparison.runs:
        yield losses(comparison.runs)
    for number, ledger in enumerate(comparison.ledgers, start=1):
        yield waterfall(ledger, f"ledger-{number}")
    if comparison.series:
        yield against_width(comparison.series)
    if comparison.figure_one:
        yield figure_one(comparison.figure_one)


def required_widths(rows: Sequence[EditionRow], least: LeastWidthRow | None) -> Illustration:
    """The width each edition asks for, beside the measured least width."""
    widths = [row.width for row in rows if row.width is not None]
    said = [
        f"{row.statement} ({row.edition}): {'at least ' if is_lower_estimate(width) else ''}{_said(width)}"
        for row, width in zip(rows, widths, strict=True)
    ]
    measured = f"Measured least width: {_said(least.interval, 3)}. " if least else ""
    first = [i == 0 or rows[i - 1].statement != row.statement for i, row in enumerate(rows)]

    def paint(canvas: Canvas) -> Figure:
        labels = [
            f"{row.statement}, {row.edition}" if opens or canvas.narrow else row.edition
            for row, opens in zip(rows, first, strict=True)
        ]
        places, height = _places(labels, canvas, gaps=first)
        figure = canvas.figure(height + 84)
        axes = figure.subplots()
        low, high = _span([*widths, *([least.interval] if least else [])])
        low, high = min(10.0, low / 3), max(1e30, high * 3)
        room = 10 ** (math.log10(high / low) * (0.34 if canvas.narrow else 0.16))  # for the numbers beside the marks
        log_axis(axes, "x", low, high * room, ticks=6 if canvas.narrow else 9)
        if least:
            _band(axes, least.interval, f"measured {_said(least.interval, 3)}")
        for width, place in zip(widths, places, strict=True):
            lower_estimate = is_lower_estimate(width)
            axes.plot([low, width.centre], [place, place], color=GRID, linewidth=1.2, zorder=1)
            text = ("≥ " if lower_estimate else "") + _said(width, 3)
            _mark(axes, width, place, text, PROMISED, filled=not lower_estimate)
        beside = least.interval.bounds[1] * 1.3 if least else low  # labels stand clear of the measured band at the left
        _rows(axes, places, labels, canvas, beside if beside < low * 1e4 else low)
        axes.set_ylim(height, 0)
        axes.set_xlabel("width m")
        return figure

    hidden = " An open mark with an arrow is a lower estimate: the paper leaves a constant unspecified."
    legend = hidden if any(map(is_lower_estimate, widths)) else ""
    return Illustration(
        "required-widths",
        "Required widths against the measured one",
        f"{measured}Required, on a logarithmic axis: {'; '.join(said)}.{legend}",
        paint,
    )


def least_width(row: LeastWidthRow) -> Illustration:
    """How often the conclusion held at each width, with confidence intervals."""
    trials = sorted(row.trials, key=lambda trial: trial.width)
    said = ", ".join(f"{t.successes} of {t.trials} at width {t.width}" for t in trials)
    confidence = f"{100 * row.interval.confidence:g} %" if row.interval.confidence else "its"

    def paint(canvas: Canvas) -> Figure:
        figure = canvas.figure(230 if canvas.narrow else 250)
        axes = figure.subplots()
        widths = [t.width for t in trials]
        width_axis(axes, widths, ticks=6 if canvas.narrow else 12)
        shares = [t.successes / t.trials for t in trials]
        below = [share - t.lower for share, t in zip(shares, trials, strict=True)]
        above = [t.upper - share for share, t in zip(shares, trials, strict=True)]
        axes.errorbar(
            widths,
            shares,
            yerr=[[max(0, v) for v in below], [max(0, v) for v in above]],
            fmt="o",
            color=MEASURED,
            capsize=4,
        )
        axes.set_ylim(-0.06, 1.06)
        low, high = row.interval.bounds
        axes.axvspan(
            max(low, widths[0] / 1.15), min(high, widths[-1] * 1.15), facecolor=MEASURED, alpha=0.14, edgecolor="none"
        )
        axes.set_xlabel("width m")
        axes.set_ylabel("share of seeds")
        return figure

    return Illustration(
        "least-width",
        "Share of seeds in which the conclusion held",
        f"Seeds that kept the promise: {said}. Bars are {confidence} intervals. "
        f"The least width, shaded, is {_said(row.interval, 3)}.",
        paint,
    )


def losses(runs: Sequence[RunRow]) -> Illustration:
    """The loss of every run on a log axis, with the curves promised for it."""
    panels = [list(group) for _, group in groupby(runs, key=lambda run: run.key)]

    def paint(canvas: Canvas) -> Figure:
        columns = 1 if canvas.narrow or len(panels) == 1 else 2
        lines = math.ceil(len(panels) / columns)
        promises = max(map(len, panels))
        figure = canvas.figure(lines * ((200 if canvas.narrow else 240) + 18 * promises))
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _losses(figure, axes, panel, canvas)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        return figure

    return Illustration(
        "loss",
        "Loss against the promised curve",
        " ".join(_loss_said(run) for run in runs),
        paint,
    )


def waterfall(ledger: Ledger, name: str) -> Illustration:
    """Where the proof gives width away: from the required width down to the measured one."""
    said = [f"{step.lemma}, {step.what}: {_change(step.decades)}" for step in ledger.steps]
    positions = [ledger.start, *(step.width_after for step in ledger.steps)]

    rows = [
        (f"{step.lemma}: {step.what}", before.centre, step.width_after.centre, _change(step.decades), PROMISED)
        for step, before in zip(ledger.steps, positions, strict=False)
    ]
    rows.append(
        ("not explained by these steps", positions[-1].centre, ledger.end.centre, _change(ledger.remainder), MUTED)
    )

    def paint(canvas: Canvas) -> Figure:
        names = [f"{ledger.statement}, {ledger.edition}: required", *(row[0] for row in rows), "measured least width"]
        labels = ["\n".join(textwrap.wrap(name, 46 if canvas.narrow else 36)) for name in names]
        places, height = _places(labels, canvas)
        figure = canvas.figure(height + 60)
        axes = figure.subplots()
        low, high = _span([*positions, ledger.end])
        room = 10 ** (math.log10(high / low) * (0.42 if canvas.narrow else 0.24))
        log_axis(axes, "x", low / 2, high * room, ticks=6 if canvas.narrow else 9)
        _mark(
            axes, ledger.start, places[0], _said(ledger.start, 3), PROMISED, filled=not is_lower_estimate(ledger.start)
        )
        for (_, before, after, change, colour), above, place in zip(rows, places, places[1:], strict=False):
            _connector(axes, before, above, place)
            axes.barh(
                place,
                abs(before - after),
                left=min(before, after),
                height=13,
                facecolor=colour if after <= before else GROUND,
                edgecolor=colour,
                linewidth=1.4,
                zorder=3,
            )
            _beside(axes, max(before, after), place, change, 7)
        _connector(axes, ledger.end.centre, places[-2], places[-1])
        _interval(axes, ledger.end, places[-1])
        _rows(axes, places, labels, canvas, low / 2)
        axes.set_ylim(height, 0)
        axes.set_xlabel("width m")
        return figure

    return Illustration(
        name,
        f"The ledger of {ledger.statement}, {ledger.edition} edition",
        f"Required width {_said(ledger.start)}; measured least width {_said(ledger.end, 3)}. "
        f"Replacing each promised side by its measured one, in turn: {'; '.join(said)}; "
        f"not explained by these steps: {_change(ledger.remainder)}.",
        paint,
    )


def against_width(series: Sequence[WidthSeries]) -> Illustration:
    """Measured quantities against width, with their promised bounds."""

    def paint(canvas: Canvas) -> Figure:
        columns = 1 if canvas.narrow else 3 if len(series) % 3 == 0 else min(len(series), 2)
        titles = ["\n".join(textwrap.wrap(one.quantity, 42 if canvas.narrow else 100 // columns - 8)) for one in series]
        lines = math.ceil(len(series) / columns)
        height = (200 if canvas.narrow else 250) + 16 * max(title.count("\n") for title in titles)
        figure = canvas.figure(lines * height + 30)
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, one, title in zip(grid, series, titles, strict=False):
            width_axis(axes, one.widths, ticks=6 if columns < 3 else 4)
            _curve(axes, one.widths, one.measured, {"color": MEASURED, "marker": "o", "label": "measured"})
            _curve(axes, one.widths, one.promised, {**SERIES[0], "marker": "v", "label": "promised bound"})
            fit_log_axis(axes, [*one.measured, *one.promised])
            axes.set_title(title)
            axes.set_xlabel("width m")
        for axes in grid[len(series) :]:
            axes.set_axis_off()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, handlelength=3)
        return figure

    return Illustration(
        "against-width",
        "Measured quantities against width, with promised bounds",
        " ".join(_series_said(one) for one in series),
        paint,
    )


def figure_one(panels: Sequence[FigureOnePanel]) -> Illustration:
    """The paper's Figure 1 at its last epoch: values here, by step convention, beside those read off the paper."""
    names = list(dict.fromkeys(panel.panel for panel in panels))
    conventions = list(dict.fromkeys(panel.convention for panel in panels))
    looks: tuple[dict[str, Any], ...] = ({"color": MEASURED, "marker": "o"}, {**SERIES[1], "marker": "s"})
    styles = {convention: looks[index % len(looks)] for index, convention in enumerate(conventions)}

    def paint(canvas: Canvas) -> Figure:
        columns = 1 if canvas.narrow else len(names)
        lines = math.ceil(len(names) / columns)
        figure = canvas.figure(lines * 220 + 24 * (len(conventions) + 1) + 20)
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, name in zip(grid, names, strict=True):
            for panel in (p for p in panels if p.panel == name):
                width_axis(axes, panel.widths, ticks=5)
                axes.plot(panel.widths, panel.here, label=f"here, {panel.convention}", **styles[panel.convention])
                if panel.paper and panel.convention == conventions[0]:
                    axes.plot(
                        panel.widths,
                        panel.paper,
                        linestyle="none",
                        marker="x",
                        markersize=9,
                        markeredgewidth=2,
                        color=PROMISED,
                        label="read off the paper",
                    )
            axes.set_title("\n".join(textwrap.wrap(name, 40 if canvas.narrow else 26)))
            axes.set_xlabel("width m")
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=1, handlelength=3)
        return figure

    return Illustration(
        "figure-1",
        "Figure 1 of Du, Zhai, Poczos and Singh (2019)",
        " ".join(
            f"{p.panel}, {p.convention}, widths {_listed(p.widths)}: here {_listed(p.here)}; "
            f"read off the paper {_listed(p.paper)}."
            for p in panels
        ),
        paint,
    )


# --- Parts of figures ------------------------------------------------------------------------------------------------


def _losses(figure: Figure, axes: Axes, panel: Sequence[RunRow], canvas: Canvas) -> None:
    curve = panel[0].curve
    shown = list(curve.loss)
    _curve(axes, *thinned(curve.iterations, curve.loss), {"color": MEASURED, "label": "measured"})
    promising = [run for run in panel if run.curve.promised]
    for run, style in zip(promising, SERIES * len(panel), strict=False):
        xs, ys = thinned(run.curve.iterations, run.curve.promised)
        _curve(axes, xs, ys, {**style, "label": f"promised, {run.edition}"})
        shown += run.curve.promised
    fit_log_axis(axes, shown)
    title = panel[0].label + f", m\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{panel[0].width}"
    axes.set_title("\n".join(textwrap.wrap(title, 42)))
    axes.set_xlabel("iteration")
    axes.set_ylabel("loss")
    below = axes.transAxes + ScaledTranslation(0, -(42 if canvas.narrow else 46) / 72, figure.dpi_scale_trans)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0, handlelength=3)


def _curve(axes: Axes, xs: Sequence[float], ys: Sequence[float], style: dict[str, Any]) -> None:
    shown = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y) and y > 0]
    axes.plot([x for x, _ in shown], [y for _, y in shown], **style)


def _places(labels: Sequence[str], canvas: Canvas, gaps: Sequence[bool] = ()) -> tuple[list[float], float]:
    """Where rows with labels of one or more lines go, from the top, and how high they are together, in points."""
    places: list[float] = []
    top = 4.0
    for label, gap in zip(labels, gaps or [False] * len(labels), strict=True):
        lines = label.count("\n") + 1
        top += 12.0 if gap and places else 0.0
        if canvas.narrow:
            places.append(top + 15 * lines + 10)
            top = places[-1] + 12
        else:
            height = max(25.0, 17 * lines + 8)
            places.append(top + height / 2)
            top += height
    return places, top + 4


def _connector(axes: Axes, width: float, above: float, below: float) -> None:
    axes.plot([width, width], [above, below], color=MUTED, linewidth=1, linestyle=(0, (2, 2)), zorder=2)


def _beside(axes: Axes, width: float, place: float, label: str, distance: float) -> None:
    axes.annotate(label, (width, place), (distance, 0), textcoords="offset points", va="center", zorder=4)


def _mark(axes: Axes, value: Number, place: float, label: str, colour: str, *, filled: bool) -> None:
    """A filled mark, or an open one with an arrow to the right for a lower estimate, and its number."""
    axes.plot(
        [value.centre],
        [place],
        marker="o",
        markersize=8,
        markerfacecolor=colour if filled else "none",
        color=colour,
        markeredgewidth=1.8,
        zorder=3,
    )
    if not filled:
        axes.annotate(
            "",
            (value.centre, place),
            (22, 0),
            textcoords="offset points",
            arrowprops={"arrowstyle": "<-", "color": colour, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 5},
        )
    _beside(axes, value.centre, place, label, 10 if filled else 27)


def _interval(axes: Axes, value: Number, place: float) -> None:
    low, high = value.bounds
    end = high if math.isfinite(high) else low
    axes.plot([low, end], [place, place], color=MEASURED, linewidth=6, solid_capstyle="butt", zorder=3)
    axes.plot([low, end], [place, place], color=MEASURED, linestyle="none", marker="|", markersize=14, zorder=3)
    _beside(axes, end, place, _said(value, 3), 9)


def _band(axes: Axes, value: Number, label: str) -> None:
    low, high = value.bounds
    end = high if math.isfinite(high) else low
    axes.axvspan(low, max(end, low * 1.05), facecolor=MEASURED, alpha=0.25, edgecolor="none")
    for bound in (low, end):
        axes.axvline(bound, color=MEASURED, linewidth=1.2)
    top = blended_transform_factory(axes.transData, axes.transAxes)
    axes.annotate(
        label, (low, 1), (0, 5), xycoords=top, textcoords="offset points", ha="left", va="bottom", color=MEASURED
    )


def _rows(axes: Axes, places: Sequence[float], labels: Sequence[str], canvas: Canvas, left: float) -> None:
    """Name the rows: beside the axis on a page, above each row on a phone."""
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    if not canvas.narrow:
        axes.set_yticks(places, labels)
        axes.tick_params(axis="y", length=0)
        return
    axes.set_yticks([])
    for place, label in zip(places, labels, strict=True):
        axes.annotate(
            label,
            (left, place),
            (2, 9),
            textcoords="offset points",
            va="bottom",
            bbox={"facecolor": GROUND, "edgecolor": "none", "pad": 1},
            zorder=3.5,
        )


# --- Words -----------------------------------------------------------------------------------------------------------


def _said(number: Number, digits: int = 4) -> str:
    return as_text(digits_of(number, digits))


def _listed(values: Sequence[float]) -> str:
    return ", ".join(as_text(digits_of_float(value, 3)) for value in values) or "none"


def _change(lost: float) -> str:
    amount = decades(abs(lost), abs(lost))
    return f"{'−' if lost >= 0 else '+'}{amount} decades"


def _loss_said(run: RunRow) -> str:
    curve = run.curve
    if not curve.loss:
        return f"{run.label}: no losses recorded."
    promised = f"the {run.edition} edition promises at most {_listed(curve.promised[-1:])} there"
    return (
        f"{run.label}, width {run.width}: the loss goes from {_listed(curve.loss[:1])} to {_listed(curve.loss[-1:])} "
        f"in {run.steps} steps; {promised if curve.promised else 'nothing is promised'}. "
        f"Condition {run.condition}; conclusion {run.conclusion}."
    )


def _series_said(one: WidthSeries) -> str:
    return (
        f"{one.quantity} at widths {_listed(one.widths)}: measured {_listed(one.measured)}; "
        f"promised at most {_listed(one.promised)}."
    )


def _span(numbers: Sequence[Number]) -> tuple[float, float]:
    """The least and the greatest finite positive bound."""
    bounds = [bound for number in numbers for bound in number.bounds if math.isfinite(bound) and bound > 0]
    low, high = min(bounds), max(bounds)
    return low, max(high, low * 10)
