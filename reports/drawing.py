"""How figures look and how they are written: one style, SVG whose colours follow the page, and PDF.

Every figure is drawn twice, wide for a page and narrow for a phone, so that its text is read at its own size. SVG text
stays text. Colours are written as CSS variables with a fallback; lines differ in dash and marker as well as in colour.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reports.numerals import as_text, digits_of_float, power_of_ten

INK, MUTED, GRID = "#1b1b1d", "#5f6368", "#dddde0"
GROUND = "#fffffe"
MEASURED, PROMISED, SECOND, THIRD = "#0065a8", "#b84a00", "#7b3f9d", "#00755e"

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    GROUND: "--ground",
    MEASURED: "--measured",
    PROMISED: "--promised",
    SECOND: "--second",
    THIRD: "--third",
}
"""CSS variables by the colour they have on paper."""

DARK = {
    INK: "#ececee",
    MUTED: "#a3a7ad",
    GRID: "#3a3b40",
    GROUND: "#17181b",
    MEASURED: "#6db9f2",
    PROMISED: "#ff9a4d",
    SECOND: "#cf9bea",
    THIRD: "#4fc9ab",
}
"""The same colours on a dark ground."""

SERIES: tuple[dict[str, Any], ...] = (
    {"color": PROMISED, "linestyle": (0, (6, 2.5)), "marker": ""},
    {"color": SECOND, "linestyle": (0, (6, 2, 1.5, 2)), "marker": ""},
    {"color": THIRD, "linestyle": (0, (1.5, 1.8)), "marker": ""},
)
"""Styles of promised curves, told apart without colour by their dashes; measured curves are solid."""

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "both",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "DejaVu Sans",  # wider than what browsers set, so that nothing overlaps there
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "lines.linewidth": 1.9,
    "lines.markersize": 5.5,
    "path.simplify": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}
_INCH = 72  # SVG user units, which the page shows as pixels


@dataclass(frozen=True)
class Canvas:
    """A size to draw for.

    Args:
        narrow: for a phone; else for a page.
    """

    narrow: bool

    @property
    def width(self) -> float:
        """Width in points."""
        return 360 if self.narrow else 760

    def figure(self, height: float) -> Figure:
        """A new figure, height in points."""
        return Figure(figsize=(self.width / _INCH, height / _INCH), layout="constrained")


@dataclass(frozen=True)
class Illustration:
    """A figure with its words.

    Args:
        name: stem of its files.
        title: a few words.
        description: what it shows, with its numbers, for those who cannot see it.
        paint: draws it for a canvas.
    """

    name: str
    title: str
    description: str
    paint: Callable[[Canvas], Figure]

    @cached_property
    def wide(self) -> str:
        """The figure for a page, as an SVG element."""
        return self._svg(Canvas(narrow=False))

    @cached_property
    def narrow(self) -> str:
        """The figure for a phone, as an SVG element."""
        return self._svg(Canvas(narrow=True))

    @property
    def svg(self) -> str:
        """The wide figure as a file of its own, which follows the reader's light or dark."""
        style = f"<style>{stylesheet()} svg{{background:var(--ground);color:var(--ink)}}</style>"
        return '<?xml version="1.0" encoding="utf-8"?>\n' + self.wide.replace("<title", f"{style}<title", 1) + "\n"

    def _svg(self, canvas: Canvas) -> str:
        prefix = f"{self.name}-{'narrow' if canvas.narrow else 'wide'}"
        with matplotlib.rc_context({**_STYLE, **_sizes(canvas), "svg.hashsalt": prefix}):
            buffer = io.StringIO()
            self.paint(canvas).savefig(buffer, format="svg")
        return _clean(buffer.getvalue(), prefix, self.title, self.description, canvas)

    def pdf(self) -> bytes:
        """The wide figure as PDF with embedded fonts."""
        canvas = Canvas(narrow=False)
        metadata = {"Title": self.title, "Subject": self.description, "CreationDate": None, "Producer": None}
        with matplotlib.rc_context({**_STYLE, **_sizes(canvas)}):
            buffer = io.BytesIO()
            self.paint(canvas).savefig(buffer, format="pdf", metadata=metadata)
        return buffer.getvalue()


def stylesheet() -> str:
    """CSS that gives the variables their colours, light and dark."""
    light = ";".join(f"{name}:{colour}" for colour, name in VARIABLES.items())
    dark = ";".join(f"{name}:{DARK[colour]}" for colour, name in VARIABLES.items())
    return f":root{{color-scheme:light dark;{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def log_axis(axes: Axes, which: Literal["x", "y"], low: float, high: float, *, ticks: int = 6) -> None:
    """Make an axis logarithmic, with limits and ticks that read well over any range, down to a fraction of a decade."""
    axes.set(**{f"{which}scale": "log"})
    axis, limits = (axes.xaxis, axes.set_xlim) if which == "x" else (axes.yaxis, axes.set_ylim)
    span = math.log10(high / low)
    if span < 0.3:
        margin = max(10 ** (span * 0.08), 1 + 1e-9)
        limits(low / margin, high * margin)
        axis.set_major_locator(MaxNLocator(nbins=max(ticks - 2, 3)))
        digits = max(3, 2 + math.ceil(-math.log10(max(high / low - 1, 1e-12))))
        axis.set_major_formatter(FuncFormatter(lambda value, _: as_text(digits_of_float(round(value, 12), digits))))
    else:
        limits(low, high)
        axis.set_major_locator(FixedLocator(_decimal_ticks(low, high, ticks)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axis.set_minor_locator(NullLocator())


def width_axis(axes: Axes, widths: Sequence[float], *, ticks: int = 6) -> None:
    """Give a log x axis ticks at the widths that were run, thinned to at most so many."""
    axes.set_xscale("log")
    axes.set_xlim(min(widths) / 1.15, max(widths) * 1.15)
    step = math.ceil(len(widths) / ticks)
    axes.xaxis.set_major_locator(FixedLocator(sorted(widths)[::-1][::step]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: as_text(digits_of_float(float(value)))))
    axes.xaxis.set_minor_locator(NullLocator())


def fit_log_axis(axes: Axes, values: Sequence[float]) -> None:
    """Make the y axis logarithmic, around the values that it can show."""
    shown = [v for v in values if math.isfinite(v) and v > 0]
    if shown:
        low, high = min(shown), max(shown)
        high = max(high, low * (1 + 1e-9))
        margin = (high / low) ** 0.06
        log_axis(axes, "y", low / margin, high * margin, ticks=6)


def thinned(xs: Sequence[float], ys: Sequence[float], points: int = 240) -> tuple[list[float], list[float]]:
    """Keep at most so many points of a curve, evenly, both ends included, and only those a log axis can show."""
    step = max(1, math.ceil((len(xs) - 1) / points))
    keep = sorted({*range(0, len(xs), step), len(xs) - 1}) if xs else []
    shown = [(xs[i], ys[i]) for i in keep if math.isfinite(ys[i]) and ys[i] > 0]
    return [x for x, _ in shown], [y for _, y in shown]


def _decimal_ticks(low: float, high: float, ticks: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if (last - first) / s <= ticks - 1)
        return [10.0**e for e in range(-(-first // step) * step, last + 1, step)]
    fine = [f * 10.0**e for e in range(first - 1, last + 2) for f in (1, 2, 5)]
    return [value for value in fine if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]


def _tick(value: float) -> str:
    exponent = math.log10(value)
    if math.isclose(exponent, round(exponent), abs_tol=1e-9) and not -2 <= exponent <= 3:
        return power_of_ten(round(exponent))
    return as_text(digits_of_float(float(f"{value:.6g}")))


def _sizes(canvas: Canvas) -> dict[Any, Any]:
    text = 11 if canvas.narrow else 13
    return {
        "axes.labelsize": text,
        "axes.titlesize": text + 1,
        "font.size": text,
        "legend.fontsize": text,
        "xtick.labelsize": text,
        "ytick.labelsize": text,
    }


def _clean(drawn: str, prefix: str, title: str, description: str, canvas: Canvas) -> str:
    """Turn matplotlib's file into an element that can stand in a page: own ids, no fonts, no stray style sheet."""
    body = drawn[drawn.index("<svg") :].rstrip()
    height = float(re.findall(r'viewBox="0 0 [\d.]+ ([\d.]+)"', body)[0])
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    used = set(re.findall(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', body))
    used = {name for pair in used for name in pair if name}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', body)
    body = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "inherit", body)
    body = re.sub(r"font: ([\d.]+)px inherit", r"font-size: \1px", body)
    for colour, name in VARIABLES.items():
        body = re.sub(colour, f"var({name}, {colour})", body, flags=re.IGNORECASE)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{"narrow" if canvas.narrow else "wide"}" role="img" '
        f'aria-labelledby="{prefix}-title {prefix}-desc" viewBox="0 0 {canvas.width:g} {height:g}" '
        f'style="stroke-linejoin:round;font-family:system-ui,sans-serif;fill:currentColor">'
        f'<title id="{prefix}-title">{escape(title)}</title><desc id="{prefix}-desc">{escape(description)}</desc>'
        f"{re.sub(chr(10) + ' *', chr(10), body)}"
    )
