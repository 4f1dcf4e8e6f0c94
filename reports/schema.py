"""The record of a comparison: what ``report.json`` holds and every page, table and figure is drawn from.

Numbers carry their kind. Verdicts are the words *holds*, *fails*, *undecided*, *too short to tell*.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from bounds.arithmetic import Enclosure, Verdict

SCHEMA_VERSION = 3

NumberKind = Literal["exact", "enclosed", "estimated", "float"]


class Number(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number between two bounds, with how far it can be trusted.

    Args:
        kind: exact, enclosed (proved), estimated (statistical, with its confidence) or float (a measurement).
        lower, upper: shortest decimals that read back as the bounds.
        lower_hex, upper_hex: the same bounds as hexadecimal floats.
        assumption: what had to be assumed, such as a hidden constant taken as 1.
        confidence: of each end of an estimated interval, by itself.
        samples: behind an estimated interval.
    """

    kind: NumberKind
    lower: str
    upper: str
    lower_hex: str
    upper_hex: str
    assumption: str = ""
    confidence: float | None = None
    samples: int | None = None

    @classmethod
    def enclosed(cls, enclosure: Enclosure) -> Number:
        """Record a certified number."""
        kind: NumberKind = "exact" if str(enclosure.kind) == "exact" else "enclosed"
        return cls._of(kind, enclosure.lower, enclosure.upper, assumption=enclosure.assumption)

    @classmethod
    def measured(cls, value: float, upper: float | None = None) -> Number:
        """Record a floating-point measurement (or the two tested values that it lies between); it bounds nothing."""
        return cls._of("float", value, value if upper is None else upper)

    @classmethod
    def estimated(cls, lower: float, upper: float, *, confidence: float, samples: int) -> Number:
        """Record a statistical interval."""
        return cls._of("estimated", lower, upper, confidence=confidence, samples=samples)

    @classmethod
    def _of(
        cls,
        kind: NumberKind,
        lower: float,
        upper: float,
        *,
        assumption: str = "",
        confidence: float | None = None,
        samples: int | None = None,
    ) -> Number:
        low, high = float(lower), float(upper)
        return cls(kind, repr(low), repr(high), low.hex(), high.hex(), assumption, confidence, samples)

    @property
    def as_float(self) -> Number:
        """The same, where numbers of a run entered: it bounds nothing."""
        return msgspec.structs.replace(self, kind="float")

    @property
    def bounds(self) -> tuple[float, float]:
        """The two bounds as floats."""
        return float.fromhex(self.lower_hex), float.fromhex(self.upper_hex)

    @property
    def centre(self) -> float:
        """A point for plots: the geometric mean of positive bounds, else the mean, else the finite bound."""
        low, high = self.bounds
        if math.isinf(high):
            return low
        return math.sqrt(low) * math.sqrt(high) if low > 0 else (low + high) / 2


class DataRow(msgspec.Struct, frozen=True):
    """One line of the table that says which data were used: name and value in words."""

    name: str
    value: str


class Invariant(msgspec.Struct, frozen=True):
    """A certified invariant of the problem."""

    name: str
    latex: str
    value: Number


class ConditionRow(msgspec.Struct, frozen=True):
    """A condition of an edition, decided."""

    name: str
    latex: str
    verdict: str
    left: Number | None
    relation: str
    right: Number | None
    reason: str

    @classmethod
    def of(cls, name: str, latex: str, verdict: Verdict) -> ConditionRow:
        """Record a verdict."""
        left, right = (Number.enclosed(side) if side is not None else None for side in (verdict.left, verdict.right))
        return cls(name, latex, str(verdict.outcome), left, verdict.relation, right, verdict.reason)


class EditionRow(msgspec.Struct, frozen=True):
    """An edition of a statement, evaluated on the problem.

    Args:
        statement, title, identifier, dynamics: of the statement.
        edition, mark, reason: which edition, its provenance and derivation.
        proof: how its algebra is proved (by which solvers), or why there is nothing to prove.
        hidden_constants: symbols the paper leaves unspecified.
        width, step_size: what it asks for, where it asks.
        conditions: decided at the width and step of the main run.
        promises: LaTeX of the conclusions.
        errors: known mistakes of the printed text.
        setting: the networks that the statement speaks of, in words.
    """

    statement: str
    title: str
    identifier: str
    dynamics: str
    edition: str
    mark: str
    reason: str
    proof: str
    hidden_constants: tuple[str, ...]
    width: Number | None
    step_size: Number | None
    conditions: tuple[ConditionRow, ...]
    promises: tuple[str, ...]
    errors: tuple[str, ...]
    setting: str = ""


class Curve(msgspec.Struct, frozen=True):
    """A loss curve and the promised one at the same iterations.

    Args:
        label: what was run.
        iterations: recorded iterations.
        loss: measured, half the squared residual.
        promised: the edition's bound on the loss at the same iterations.
    """

    label: str
    iterations: tuple[int, ...]
    loss: tuple[float, ...]
    promised: tuple[float, ...]


class RunRow(msgspec.Struct, frozen=True):
    """A training run held against an edition.

    Args:
        label: what was run, in words.
        edition: the edition whose promises it is held against.
        key: content hash of the run's specification.
        width, step_size, seed, steps: of the run.
        condition: whether the edition's conditions hold for this run.
        conclusion: whether the measured curve obeys the promised one up to the horizon.
        horizon: how far the promised loss had fallen by the last step (a factor).
        observations: every promised inequality with both sides.
        curve: the losses.
    """

    label: str
    edition: str
    key: str
    width: int
    step_size: float
    seed: int
    steps: int
    condition: str
    conclusion: str
    horizon: float
    observations: tuple[ObservationRow, ...]
    curve: Curve


class ObservationRow(msgspec.Struct, frozen=True):
    """One promised inequality on one run: the measured side, the promised side, and what was measured of it."""

    name: str
    latex: str
    measured: Number
    promised: Number | None
    verdict: str


class CertificateRow(msgspec.Struct, frozen=True):
    """Whether the flip count proves that this network, from its start, reaches zero loss.

    Args:
        label: which network.
        width, seed: of the network.
        verdict: *holds* (proved) or *undecided*, with the missing inequality as reason.
        numbers: the argument's numbers by name.
        own_data: whether the network stands on the data of the report, and not on a demonstration's.
    """

    label: str
    width: int
    seed: int
    verdict: str
    reason: str
    numbers: dict[str, Number]
    own_data: bool = True


class LoosenessRow(msgspec.Struct, frozen=True):
    """How pessimistic a promise is, in decades; positive always means pessimistic.

    Args:
        quantity: width, step size, rate, travel, flips, Gram drift, iterations.
        statement, edition: of the promise.
        promised, measured: the two sides.
        decades_lower, decades_upper: log10 of the ratio, as an interval; None where not comparable.
        note: why not comparable, or what the interval rests on.
    """

    quantity: str
    statement: str
    edition: str
    promised: Number
    measured: Number
    decades_lower: float | None
    decades_upper: float | None
    note: str


class LedgerStep(msgspec.Struct, frozen=True):
    """One step of the proof and the decades of width that it gives away.

    Args:
        lemma: the statement whose inequality is replaced by its measured side.
        what: the inequality, in words.
        promised, measured: its two sides on the same run.
        decades: of required width given away by this step.
        width_after: the width the theorem would ask for with this and all earlier steps measured.
    """

    lemma: str
    what: str
    promised: Number
    measured: Number
    decades: float
    width_after: Number


class Ledger(msgspec.Struct, frozen=True):
    """From the width an edition asks for down to the measured least width, step by step."""

    statement: str
    edition: str
    start: Number
    steps: tuple[LedgerStep, ...]
    remainder: float
    end: Number


class WidthTrial(msgspec.Struct, frozen=True):
    """How many of the seeds kept the promise at one width.

    Args:
        width: that was tried.
        successes, failures: seeds known to keep it and to break it; the others were not followed to the end.
        trials: seeds in all.
        lower, upper: limits of the probability to keep it; seeds not followed to the end count against either.
    """

    width: int
    successes: int
    failures: int
    trials: int
    lower: float
    upper: float


class LeastWidthRow(msgspec.Struct, frozen=True):
    """The measured least width from which on the promise is kept, as an interval with its confidence."""

    conclusion: str
    step_size: float
    horizon_steps: int
    horizon_factor: float
    verdict: str
    interval: Number
    trials: tuple[WidthTrial, ...]


class AskedWidth(msgspec.Struct, frozen=True):
    """A width that a statement asks for.

    Args:
        statement: that asks.
        edition: of it; empty where it has no editions.
        latex: what it asks, as a relation; empty where no single one says it.
        hidden_constants: symbols that it leaves unspecified, each taken as 1.
        width: the number.
    """

    statement: str
    edition: str
    latex: str
    hidden_constants: tuple[str, ...]
    width: Number


class ProvedNetwork(msgspec.Struct, frozen=True):
    """A network that gradient descent is proved to take to zero loss from its start.

    Args:
        width, seed: of the network.
        step_size: of descent.
        steps: how many were followed before the rest was proved.
        path: an upper bound of the length of the whole path.
    """

    width: int
    seed: int
    step_size: float
    steps: int
    path: float


class ProvedWidthRow(msgspec.Struct, frozen=True):
    """The width that one family of networks needs: asked by theorems, proved by following descent, and measured.

    Args:
        family: the networks, in a word.
        setting: the same at length.
        asked: by statements that hold at the start, for any width as large.
        proved: the least width at which descent is proved to reach zero loss in enough seeds.
        measured: the least width at which training comes near zero loss in enough of the same seeds.
        narrowest: the narrowest network that was proved; None where none was.
        most_steps: allowed to each proof and to each training.
        fall: the share of its start below which a loss is near zero.
        proved_trials, measured_trials: the widths tried.
        proved_seconds, measured_seconds: that these took.
        remarks: why an interval is not as tight as it could be.
    """

    family: str
    setting: str
    asked: tuple[AskedWidth, ...]
    proved: Number
    measured: Number
    narrowest: ProvedNetwork | None
    most_steps: int
    fall: float
    proved_trials: tuple[WidthTrial, ...]
    measured_trials: tuple[WidthTrial, ...]
    proved_seconds: float
    measured_seconds: float
    remarks: tuple[str, ...]


class WidthSeries(msgspec.Struct, frozen=True):
    """A measured quantity against width, with its promised bound."""

    quantity: str
    latex: str
    widths: tuple[int, ...]
    measured: tuple[float, ...]
    promised: tuple[float, ...]


class FigureOnePanel(msgspec.Struct, frozen=True):
    """One panel of the paper's Figure 1 at epoch 100: values here beside those read off the paper."""

    panel: str
    convention: str
    widths: tuple[int, ...]
    here: tuple[float, ...]
    paper: tuple[float, ...]


class SideRow(msgspec.Struct, frozen=True):
    """One promise of an edition, both sides.

    Args:
        name, latex: of the promise.
        measured: on the run, with hidden constants on neither side; None where it could not be measured.
        promised: for this run; of kind *float* where numbers of the run had to be put into the formula.
        verdict: *holds*, *fails* (both measured, up to the horizon), *undecided*, *too short to tell*, *not promised*:
            beyond the promised side where a condition is not met.
        decades_lower, decades_upper: how far apart the sides are, as in :class:`LoosenessRow`.
        note: what a side rests on, or why there is none.
    """

    name: str
    latex: str
    measured: Number | None
    promised: Number | None
    verdict: str
    decades_lower: float | None
    decades_upper: float | None
    note: str


class OwnEdition(msgspec.Struct, frozen=True):
    """An edition on a run of the theorem's own networks; condition and conclusion apart.

    Args:
        edition, mark, hidden_constants: which edition, its provenance, and what it leaves open.
        condition: whether all conditions hold by certified numbers, and those that the user gave.
        condition_measured: the same with numbers of the run where data determine none; an estimate.
        conditions: each with its verdict by certified numbers.
        conditions_measured: each with numbers of the run.
        sides: its promises.
    """

    edition: str
    mark: str
    hidden_constants: tuple[str, ...]
    condition: str
    condition_measured: str
    conditions: tuple[ConditionRow, ...]
    conditions_measured: tuple[ConditionRow, ...]
    sides: tuple[SideRow, ...]


class OwnNetwork(msgspec.Struct, frozen=True):
    """A run of a theorem's own networks, with both sides of what it promises.

    Args:
        identifier, statement, title, dynamics, setting: of the theorem or lemma.
        network: the specification of what was trained, by field.
        key: content hash of the run, or empty where nothing could be run.
        seed: of the weights.
        step_size: of descent; None for a flow.
        horizon: how far the run went, in words.
        first_loss, last_loss: of the run.
        editions: those held against it.
        note: on which other data it was run, why nothing was run or why it ended early; or empty.
        given: numbers that the user gave, by name; they count as certified ones.
    """

    identifier: str
    statement: str
    title: str
    dynamics: str
    setting: str
    network: dict[str, str]
    key: str
    seed: int
    step_size: float | None
    horizon: str
    first_loss: float | None
    last_loss: float | None
    editions: tuple[OwnEdition, ...]
    note: str
    given: dict[str, float] = {}


class Comparison(msgspec.Struct, frozen=True):
    """Everything a report says about one problem.

    Args:
        version: of this schema.
        product: name and version of the software that wrote it.
        title: the data, in a few words.
        data: which data, labels and confidence.
        invariants: certified.
        rounding: how much rounding of data, entries and eigenvalue contribute to the enclosure of lambda_0.
        notes: warnings in words (degenerate rows, searches cut short).
        editions: every edition of every statement.
        runs: training runs.
        certificates: proofs of convergence from the start of those runs.
        looseness: promise against measurement.
        ledgers: where the proof gives width away.
        least_width: the measured least width.
        proved_widths: by network family, what is asked, proved and measured.
        series: quantities against width.
        figure_one: the paper's Figure 1, under --full.
        seconds: wall time by stage.
        commands: that reproduce the report.
        own_networks: the theorems of other families, each on a run of its own networks.
    """

    version: int
    product: str
    title: str
    data: tuple[DataRow, ...]
    invariants: tuple[Invariant, ...]
    rounding: tuple[DataRow, ...]
    notes: tuple[str, ...]
    editions: tuple[EditionRow, ...]
    runs: tuple[RunRow, ...]
    certificates: tuple[CertificateRow, ...]
    looseness: tuple[LoosenessRow, ...]
    ledgers: tuple[Ledger, ...]
    least_width: LeastWidthRow | None
    proved_widths: tuple[ProvedWidthRow, ...]
    series: tuple[WidthSeries, ...]
    figure_one: tuple[FigureOnePanel, ...]
    seconds: dict[str, float]
    commands: tuple[str, ...]
    own_networks: tuple[OwnNetwork, ...] = ()

    def __repr__(self) -> str:
        return f"Comparison({self.title}: {len(self.editions)} editions, {len(self.runs)} runs)"

    def __str__(self) -> str:
        from reports.summary import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        """The whole page, in a frame of a notebook."""
        from html import escape

        from reports.page import page

        return f'<iframe srcdoc="{escape(page(self))}" style="width: 100%; height: 80vh; border: 0"></iframe>'
