"""Figure 1 of Du, Zhai, Poczos and Singh (ICLR 2019), run again as the paper describes it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

from empirical.batches import Batch, in_parallel
from empirical.datasets import load_data
from empirical.observables import travel
from empirical.reproductions.rows import Findings, Panel, Row, Series
from empirical.store import Store, content_key
from empirical.training import ARITHMETIC

StepConvention = Literal["same for all widths", "grows with the width"]
STEP_CONVENTIONS: tuple[StepConvention, ...] = ("same for all widths", "grows with the width")


class FigureOneSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """One curve of the figure.

    Args:
        width: number m of neurons.
        seed: of the weights.
        step: the convention.
        step_size: eta in the update of the paper.
        epochs: number of gradient steps.
        points, dimension, data_seed: the inputs, uniform on the sphere, and their N(0, 1) labels.
        arithmetic: see :data:`empirical.training.ARITHMETIC`.
    """

    width: int
    seed: int
    step: StepConvention
    step_size: float
    epochs: int
    points: int
    dimension: int
    data_seed: int
    arithmetic: int = ARITHMETIC


class FigureOneSeries(msgspec.Struct, frozen=True, kw_only=True):
    """The three panels for one width, after 0, 1, ..., ``epochs`` steps.

    Args:
        spec: what was run.
        log_error: (a) natural logarithm of (1/n) ||e||^2.
        flips: (b) share of patterns that differ from the initial ones.
        travel: (c) max_r ||w_r(k) - w_r(0)||.
    """

    spec: FigureOneSpecification
    log_error: list[float]
    flips: list[float]
    travel: list[float]

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return content_key(self.spec)


READ_OFF_THE_PAPER: dict[int, tuple[float, float, float]] = {
    500: (-1.60, 0.0184, 2.78),
    1000: (-2.15, 0.0152, 2.07),
    2000: (-3.03, 0.0116, 1.34),
    4000: (-4.06, 0.0097, 0.95),
    8000: (-5.66, 0.0066, 0.45),
}
"""Panels (a), (b) and (c) at epoch 100 by width, read off Figure 1 of Du et al. (ICLR 2019) by eye."""


def figure_one(
    widths: Sequence[int] = tuple(READ_OFF_THE_PAPER),
    seeds: Sequence[int] = (0,),
    step: StepConvention = "grows with the width",
    *,
    epochs: int = 100,
    points: int = 1000,
    dimension: int = 1000,
    data_seed: int = 0,
    store: Store | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[FigureOneSeries]:
    """Run the experiment of Du et al. (ICLR 2019), section 5, Figure 1.

    The paper says "a fixed step size" without its value. With one step for all widths (0.05 here) the training errors
    of the widths do not separate. With eta = 10^-3 sqrt(m), which is the step 10^-3 on a gradient that lacks the
    factor m^-1/2, they do, and agree with the published curves; panel (c) then agrees with the *squared* distance.
    That this is what the authors ran is inference.

    Args:
        widths: numbers of neurons, one curve each.
        seeds: of the weights; every width runs with every seed.
        step: how the step size depends on the width.
        epochs: number of gradient steps.
        points: n; the paper has 1000.
        dimension: d; the paper has 1000.
        data_seed: of inputs and labels.
        store: where finished curves are kept, and taken from.
        progress: called with (curves done, curves wanted).

    Returns:
        One series for each width and seed, widths outermost.
    """
    data = load_data(f"sphere:n={points},d={dimension},seed={data_seed}")
    specs = [
        FigureOneSpecification(
            width=width,
            seed=seed,
            step=step,
            step_size=1e-3 * math.sqrt(width) if step == "grows with the width" else 0.05,
            epochs=epochs,
            points=points,
            dimension=dimension,
            data_seed=data_seed,
        )
        for width in widths
        for seed in seeds
    ]
    found = {spec: kept for spec in specs if store and (kept := store.get(content_key(spec), FigureOneSeries))}

    def work(spec: FigureOneSpecification, stop: threading.Event) -> FigureOneSeries | None:
        return _curve(data.X, data.y, spec, stop)

    # the widest first, so that both cores finish together
    missing = sorted((spec for spec in specs if spec not in found), key=lambda spec: -spec.width)
    for _, series in in_parallel(work, missing):
        if series is not None:
            found[series.spec] = series
            if store:
                store.put(series)
        if progress:
            progress(len(found), len(specs))
    return [found[spec] for spec in specs]


PANELS: tuple[tuple[str, str, Callable[[FigureOneSeries], np.ndarray]], ...] = (
    ("(a) logarithm of the mean squared error", "logarithm", lambda series: np.array(series.log_error)),
    ("(b) share of patterns that changed", "share", lambda series: np.array(series.flips)),
    ("(c) largest travel, squared", "squared distance", lambda series: np.array(series.travel) ** 2),
)
"""The panels of the figure: title, axis and curve. (c) is labelled a distance in the paper; its values agree with
squared distances."""


def beside_the_paper(
    widths: Sequence[int] = tuple(READ_OFF_THE_PAPER),
    *,
    points: int = 1000,
    epochs: int = 100,
    store: Store | None = None,
) -> Findings:
    """The three panels with the step that grows with the width, and their last epochs beside those of the paper.

    Args:
        widths: numbers of neurons, one curve each.
        points: n = d; the paper has 1000, and its numbers stand beside those of its own size only.
        epochs: number of gradient steps; the paper has 100.
        store: where finished curves are kept, and taken from.
    """
    curves = figure_one(widths, points=points, dimension=points, epochs=epochs, store=store)
    as_published = (points, epochs) == (1000, 100)
    rows, panels = [], []
    for position, (title, axis, values) in enumerate(PANELS):
        read = {m: READ_OFF_THE_PAPER[m][position] for m in widths if as_published and m in READ_OFF_THE_PAPER}
        shown = range(0, epochs + 1, max(1, epochs // 50))
        drawn = [
            Series(f"m = {m}", tuple(map(float, shown)), tuple(float(values(curve)[k]) for k in shown))
            for m, curve in zip(widths, curves, strict=True)
        ]
        if read:
            drawn.append(
                Series("read off the paper", (float(epochs),) * len(read), tuple(read.values()), source="published")
            )
        panels.append(Panel(title, "epoch", axis, tuple(drawn)))
        rows += [
            Row(title, f"m = {m}, epoch {epochs}", float(values(curve)[-1]), f"{read[m]:g}" if m in read else "-")
            for m, curve in zip(widths, curves, strict=True)
        ]
    return Findings(tuple(rows), tuple(panels))


def _curve(X: np.ndarray, y: np.ndarray, spec: FigureOneSpecification, stop: threading.Event) -> FigureOneSeries | None:
    batch = Batch(X, y, spec.width, [spec.seed])
    start, initial = batch.network(0), None
    series = FigureOneSeries(spec=spec, log_error=[], flips=[], travel=[])
    for epoch in range(spec.epochs + 1):
        norm = float(batch.forward()[0])
        patterns = batch.patterns(0)
        initial = patterns if initial is None else initial
        series.log_error.append(math.log(norm**2 / spec.points) if norm > 0 else -math.inf)
        series.flips.append(float((patterns != initial).double().mean()))
        series.travel.append(travel(batch.network(0), start))
        if stop.is_set():
            return None
        if epoch < spec.epochs:
            batch.descend(spec.step_size)
    return series
