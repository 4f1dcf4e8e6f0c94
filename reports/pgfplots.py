r"""The figures as pgfplots sources, for papers that set them in their own fonts: text, with the data beside it.

Each ``NAME.tex`` is a tikzpicture that reads ``NAME-1.dat`` and so on from ``\zerolossfigures``, by default the folder
that LaTeX runs in; its first line names the packages that it needs. What is wider than the text is scaled down to it.
The data hold every recorded point; ``standalone.tex`` compiles all figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from reports.numerals import is_lower_estimate
from reports.schema import Comparison, Number
from reports.tables import FITTED, escape, needs

PACKAGES = "amsmath,amssymb,pgfplots"
_DASHES = ("densely dashed", "dash dot", "densely dotted")
_HEAD = "\n".join(
    [
        r"\documentclass[11pt]{article}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage[a4paper,margin=20mm]{geometry}",
        rf"\usepackage{{{PACKAGES}}}",
        r"\pgfplotsset{compat=1.16}",
        r"\begin{document}",
        r"\centering",
    ]
)


@dataclass(frozen=True)
class Plot:
    """One ``addplot`` with its data.

    Args:
        options: pgfplots options of the line or marks.
        columns: data, by column name; the first two are drawn, with bars ``below`` and ``above``.
        legend: its entry, LaTeX.
    """

    options: str
    columns: dict[str, Sequence[float | int | str]]
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One axis with its plots."""

    options: tuple[str, ...]
    plots: tuple[Plot, ...]


def pgfplots(comparison: Comparison) -> dict[str, str]:
    """Every figure as source and data, by file name, and ``standalone.tex``, which compiles all."""
    return sources(_figures(comparison))


def sources(figures: Iterable[tuple[str, Sequence[Panel]]]) -> dict[str, str]:
    """Figures as source and data, by file name, and ``standalone.tex``, which compiles all.

    Args:
        figures: name and panels of each.
    """
    files: dict[str, str] = {}
    names = []
    for name, panels in figures:
        names.append(name)
        files |= _written(name, panels)
    inputs = [rf"\input{{{name}}}\par\bigskip" for name in names]
    return {**files, "standalone.tex": "\n".join([_HEAD, *inputs, r"\end{document}", ""])}


def _written(name: str, panels: Sequence[Panel]) -> dict[str, str]:
    files = {}
    lines = [needs(PACKAGES), r"\providecommand\zerolossfigures{.}% the folder of the .dat files"]
    number = 0
    for panel in panels:
        lines += [FITTED, r"\begin{tikzpicture}", r"\begin{axis}[", *(f"  {option}," for option in panel.options), "]"]
        for plot in panel.plots:
            number += 1
            files[f"{name}-{number}.dat"] = _data(plot.columns)
            x, y = list(plot.columns)[:2]
            bars = ", y error minus=below, y error plus=above" if "below" in plot.columns else ""
            lines.append(
                rf"\addplot+[{plot.options}] table[x={x}, y={y}{bars}] {{\zerolossfigures/{name}-{number}.dat}};"
                + (rf" \addlegendentry{{{plot.legend}}}" if plot.legend else "")
            )
        lines += [r"\end{axis}", r"\end{tikzpicture}}"]
    return {f"{name}.tex": "\n".join(lines) + "\n", **files}


def _data(columns: dict[str, Sequence[float | int | str]]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join([" ".join(columns), *(" ".join(_cell(value) for value in row) for row in rows), ""])


def _cell(value: float | int | str) -> str:
    return "nan" if isinstance(value, float) and not math.isfinite(value) else str(value)


def _figures(it: Comparison) -> Iterator[tuple[str, list[Panel]]]:
    asked = [(row, row.width) for row in it.editions if row.width is not None]
    if asked:
        labels = [f"{escape(row.statement)}, {row.edition}" for row, _ in asked]
        yield "required-widths", [_required(labels, [width for _, width in asked], it)]
    if it.least_width and it.least_width.trials:
        yield "least-width", [_least_width(it)]
    if it.runs:
        yield "loss", list(_losses(it))
    for number, ledger in enumerate(it.ledgers, start=1):
        labels = [f"{escape(ledger.statement)}, {ledger.edition}: required"]
        labels += [f"{escape(step.lemma)}: {escape(step.what)}" for step in ledger.steps]
        widths = [ledger.start, *(step.width_after for step in ledger.steps), ledger.end]
        yield f"ledger-{number}", [_ledger([*labels, "measured least width"], widths)]
    if it.series:
        yield "against-width", list(_against_width(it))
    if it.figure_one:
        yield "figure-1", list(_figure_one(it))


def _rows(labels: Sequence[str]) -> tuple[str, ...]:
    """Axis options that name rows 0, 1, ... from the top."""
    ticks = ",".join(str(index) for index in range(len(labels)))
    named = ",".join(f"{{{label}}}" for label in labels)
    return (
        "xmode=log",
        "xlabel={width $m$}",
        "y dir=reverse",
        f"ytick={{{ticks}}}",
        f"yticklabels={{{named}}}",
        r"yticklabel style={align=right, text width=7cm, font=\footnotesize}",
        "enlarge y limits={abs=0.7}",
        "xmajorgrids",
        "width=9.5cm",
        f"height={max(5, 0.85 * len(labels) + 2):g}cm",
        r"legend style={font=\footnotesize, at={(0.5,0)}, yshift=-1.2cm, anchor=north, draw=none}",
    )


FIXED = ("scaled y ticks=false", "yticklabel style={/pgf/number format/fixed, /pgf/number format/precision=4}")
"""Axis options that write the numbers of a linear vertical axis in full."""


def ticks(sizes: Iterable[float]) -> tuple[str, ...]:
    """Axis options that mark the sizes that were run, in place of powers of ten."""
    marks = ",".join(f"{size:.15g}" for size in sizes)
    return (
        f"xtick={{{marks}}}",
        f"xticklabels={{{marks}}}",
        r"xticklabel style={font=\scriptsize, rotate=45, anchor=east}",
        "xminorticks=false",
    )


def _at(widths: Sequence[int]) -> tuple[str, ...]:
    """Axis options that mark the widths that were run."""
    return (
        "xmode=log",
        "xlabel={width $m$}",
        *ticks(widths),
        *FIXED,
    )


def _required(labels: Sequence[str], widths: Sequence[Number], it: Comparison) -> Panel:
    plots = []
    for options, legend, chosen in (
        ("only marks, mark=*", "required", False),
        ("only marks, mark=triangle, mark options={rotate=-90}", "required, lower estimate", True),
    ):
        rows = [(width.centre, i) for i, width in enumerate(widths) if is_lower_estimate(width) is chosen]
        if rows:
            plots.append(Plot(options, {"width": [w for w, _ in rows], "row": [i for _, i in rows]}, legend))
    if it.least_width:
        bounds = [bound for bound in it.least_width.interval.bounds if math.isfinite(bound)]
        for bound in bounds:
            legend = "measured least width" if bound == bounds[0] else ""
            ends: list[float] = [-0.5, len(labels) - 0.5]
            options = "no marks, solid, thick" + ("" if legend else ", forget plot")
            plots.append(Plot(options, {"width": [bound, bound], "row": ends}, legend))
    return Panel(_rows(labels), tuple(plots))


def _least_width(it: Comparison) -> Panel:
    assert it.least_width is not None
    trials = it.least_width.trials
    shares = [t.successes / t.trials for t in trials]
    columns: dict[str, Sequence[float | int | str]] = {
        "width": [t.width for t in trials],
        "share": shares,
        "below": [max(0.0, share - t.lower) for share, t in zip(shares, trials, strict=True)],
        "above": [max(0.0, t.upper - share) for share, t in zip(shares, trials, strict=True)],
    }
    bars = "only marks, mark=*, error bars/.cd, y dir=both, y explicit"
    return Panel(
        (
            *_at([t.width for t in trials]),
            "ylabel={share of seeds}",
            "ymin=-0.05",
            "ymax=1.05",
            "grid=major",
            "width=12cm",
            "height=6cm",
        ),
        (Plot(bars, columns),),
    )


def _losses(it: Comparison) -> Iterator[Panel]:
    for _, rows in groupby(it.runs, key=lambda run: run.key):
        runs = list(rows)
        curve = runs[0].curve
        plots = [
            Plot("no marks, solid, thick", {"iteration": curve.iterations, "loss": _positive(curve.loss)}, "measured")
        ]
        promising = [run for run in runs if run.curve.promised]
        for run, dash in zip(promising, _DASHES * len(runs), strict=False):
            promised: dict[str, Sequence[float | int | str]] = {
                "iteration": run.curve.iterations,
                "loss": _positive(run.curve.promised),
            }
            plots.append(Plot(f"no marks, {dash}, thick", promised, f"promised, {run.edition}"))
        shown = [v for run in runs for v in (*run.curve.loss, *run.curve.promised) if math.isfinite(v) and v > 0]
        steep = bool(shown) and max(shown) > 2 * min(shown)  # TeX cannot divide a log axis over a fraction of a decade
        yield Panel(
            (
                "ymode=log" if steep else "ymode=normal",
                "xlabel={iteration}",
                "ylabel={loss}",
                f"title={{{escape(runs[0].label)}, $m={runs[0].width}$}}",
                r"title style={text width=7cm, align=center, font=\small}",
                "width=8cm",
                "height=6cm",
                r"legend style={font=\footnotesize, draw=none, at={(0.5,0)}, yshift=-1.2cm, anchor=north}",
            ),
            tuple(plots),
        )


def _ledger(labels: Sequence[str], widths: Sequence[Number]) -> Panel:
    columns: dict[str, Sequence[float | int | str]] = {
        "width": [width.centre for width in widths],
        "row": list(range(len(widths))),
    }
    return Panel(_rows(labels), (Plot("mark=*, solid, thick, const plot mark left", columns),))


def _against_width(it: Comparison) -> Iterator[Panel]:
    for one in it.series:
        measured: dict[str, Sequence[float | int | str]] = {"width": one.widths, "value": _positive(one.measured)}
        promised: dict[str, Sequence[float | int | str]] = {"width": one.widths, "value": _positive(one.promised)}
        yield Panel(
            (
                *_at(one.widths),
                "ymode=log",
                f"title={{{escape(one.quantity)}}}",
                r"title style={text width=5cm, align=center, font=\small}",
                "width=6cm",
                r"legend style={font=\footnotesize, draw=none, at={(0.5,0)}, yshift=-1.7cm, anchor=north}",
            ),
            (
                Plot("mark=*, solid, thick", measured, "measured"),
                Plot("mark=triangle*, densely dashed, thick", promised, "promised"),
            ),
        )


def _figure_one(it: Comparison) -> Iterator[Panel]:
    for name, rows in groupby(it.figure_one, key=lambda panel: panel.panel):
        panels = list(rows)
        plots = []
        for panel, style in zip(panels, ("mark=*, solid", "mark=square*, dash dot") * len(panels), strict=False):
            here: dict[str, Sequence[float | int | str]] = {"width": panel.widths, "value": panel.here}
            plots.append(Plot(f"{style}, thick", here, f"here, {escape(panel.convention)}"))
        if panels[0].paper:
            read: dict[str, Sequence[float | int | str]] = {"width": panels[0].widths, "value": panels[0].paper}
            plots.append(Plot("only marks, mark=x, mark size=4pt, thick", read, "read off the paper"))
        yield Panel(
            (
                *_at(panels[0].widths),
                f"title={{{escape(name)}}}",
                r"title style={text width=4.5cm, align=center, font=\small}",
                "width=6cm",
                r"legend style={font=\footnotesize, draw=none, at={(0.5,0)}, yshift=-1.7cm, anchor=north}",
            ),
            tuple(plots),
        )


def _positive(values: Iterable[float]) -> list[float]:
    """What a log axis can show; the rest becomes nan, which pgfplots skips."""
    return [value if value > 0 else math.nan for value in values]
