"""The records that ``--json`` writes, beside :class:`reports.schema.Comparison` of ``zeroloss report``.

Each is one JSON object whose ``version`` counts incompatible changes. Numbers are :class:`reports.schema.Number`: two
decimal strings and two hexadecimal floats that bound them, their kind, and what had to be assumed.
"""

from __future__ import annotations

import msgspec

from reports.schema import (
    SCHEMA_VERSION,
    CertificateRow,
    ConditionRow,
    DataRow,
    Invariant,
    Number,
    OwnNetwork,
    RunRow,
)


class Formula(msgspec.Struct, frozen=True):
    """A named formula, in plain text and in LaTeX."""

    name: str
    text: str
    latex: str


class TheoremRow(msgspec.Struct, frozen=True):
    """One line of the catalogue.

    Args:
        identifier, name, title: of the theorem.
        citation: authors, year and arXiv number.
        setting, dynamics: the networks it speaks of, and how they are trained.
        width, width_latex: what the printed edition asks for.
        hidden: the editions with constants that the paper leaves unspecified.
        explicit: the editions all of whose constants are numbers.
        concludes: what kind of conclusion.
        mark: provenance of the printed edition.
    """

    identifier: str
    name: str
    title: str
    citation: str
    setting: str
    dynamics: str
    width: str
    width_latex: str
    hidden: tuple[str, ...]
    explicit: tuple[str, ...]
    concludes: str
    mark: str


class TheoremList(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss theorems --json``."""

    version: int = SCHEMA_VERSION
    theorems: tuple[TheoremRow, ...]


class EditionEntry(msgspec.Struct, frozen=True):
    """One edition of a statement, in full.

    Args:
        name, mark, reason: which edition, its provenance, and why corrected or how derived.
        hidden_constants: what the paper leaves unspecified.
        conditions, promises: what it assumes and concludes; the promised rate is the first promise.
        where: abbreviations, each named by its symbol.
        radius: how far neurons may move in its argument.
        events: what the failure probability is spent on: the share's symbol and the event.
        obligations: how many inequalities of its algebra ``zeroloss prove`` has to prove.
    """

    name: str
    mark: str
    reason: str
    hidden_constants: tuple[str, ...]
    conditions: tuple[Formula, ...]
    promises: tuple[Formula, ...]
    where: tuple[Formula, ...]
    radius: Formula | None
    events: tuple[DataRow, ...]
    obligations: int


class ErrorEntry(msgspec.Struct, frozen=True):
    """A mistake in a printed statement; a counterexample decides the printed inequality where it should hold."""

    text: str
    counterexample: ConditionRow | None


class StatementEntry(msgspec.Struct, frozen=True):
    """A theorem or lemma: kind of conclusion, editions, known errors, and the names of what it rests on."""

    name: str
    title: str
    identifier: str
    setting: str
    dynamics: str
    concludes: str
    remark: str
    editions: tuple[EditionEntry, ...]
    errors: tuple[ErrorEntry, ...]
    rests_on: tuple[str, ...]


class TheoremEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss theorems ID --json``: the theorem, and the lemmas of its proof, foundations first.

    Args:
        theorem, lemmas: in full.
        symbols: what occurs in them, each named by its meaning.
        citation, remark, bibtex: of the paper.
    """

    version: int = SCHEMA_VERSION
    theorem: StatementEntry
    lemmas: tuple[StatementEntry, ...]
    symbols: tuple[Formula, ...]
    citation: str
    remark: str
    bibtex: str


class Implication(msgspec.Struct, frozen=True):
    """Whether the conditions of one edition imply those of another."""

    first: str
    second: str
    edition: str
    verdict: str
    reason: str


class TheoremComparison(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss theorems ID --compare ID --json``.

    Args:
        first, second: identifiers.
        edition: whose widths are compared, by order.
        orders: of the two widths.
        asks_less: which asks less, and where.
        flags: why the two widths do not stand on one axis.
        implications: between editions whose constants are numbers, both ways.
    """

    version: int = SCHEMA_VERSION
    first: str
    second: str
    edition: str
    orders: tuple[str, str]
    asks_less: str
    flags: tuple[str, ...]
    implications: tuple[Implication, ...]


class Demand(msgspec.Struct, frozen=True):
    """What one edition of a theorem asks of a problem.

    Args:
        theorem, name, dynamics: which theorem.
        setting: of which networks the numbers are.
        edition, mark: which edition, and its provenance.
        hidden_constants: taken as 1, so that a width is a lower and a step size an upper estimate.
        width: the least width it asks for, where it asks for one.
        step_size: the largest step it allows, where it limits the step.
        conditions: each decided; *undecided* where a width or step that it needs was not given.
        verdict: of all conditions together.
        note: what the answer is conditional on, or why there is none.
    """

    theorem: str
    name: str
    dynamics: str
    setting: str
    edition: str
    mark: str
    hidden_constants: tuple[str, ...]
    width: Number | None
    step_size: Number | None
    conditions: tuple[ConditionRow, ...]
    verdict: str
    note: str


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss bound --json``.

    Args:
        data: which data, labels and confidence.
        identity: SHA-256 of the problem's exact bytes.
        invariants: certified.
        demands: of every edition asked about.
        notes: warnings in words.
    """

    version: int = SCHEMA_VERSION
    data: tuple[DataRow, ...]
    identity: str
    invariants: tuple[Invariant, ...]
    demands: tuple[Demand, ...]
    notes: tuple[str, ...] = ()


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss measure --json``.

    Args:
        data, identity: as for ``bound``.
        demand: what the edition asks of the problem, decided at the width and step of the runs.
        runs: one per seed, held against the edition; *holds* and *fails* are measured up to the last step.
        certificates: for each run, whether the drawn network is proved to reach zero loss.
        reused: how many of the runs the store held already.
        store: the folder that keeps the runs, or empty.
        own_networks: in place of runs and certificates, the runs of networks of any other family, one per seed.
    """

    version: int = SCHEMA_VERSION
    data: tuple[DataRow, ...]
    identity: str
    demand: Demand
    runs: tuple[RunRow, ...]
    certificates: tuple[CertificateRow, ...]
    reused: int
    store: str
    own_networks: tuple[OwnNetwork, ...] = ()


class SolverAnswer(msgspec.Struct, frozen=True):
    """What one solver says about one question; ``unsat`` proves it."""

    solver: str
    outcome: str
    reason: str
    seconds: float


class Question(msgspec.Struct, frozen=True):
    """One inequality put to both solvers: a step, the claim, or the planted false neighbour."""

    name: str
    claim: str
    answers: tuple[SolverAnswer, ...]
    counterexample: str


class ProofRow(msgspec.Struct, frozen=True):
    """One proof obligation and what became of it.

    Args:
        statement, edition, name, meaning: what it is for.
        given, claim: the inequality to prove, in plain text.
        status: proved by whom, refuted where, or why neither.
        verdict: *holds* if a solver proves it, *fails* if it is refuted, else *undecided*.
        proved_by: the solvers that prove it.
        facts: what is assumed of functions and constants.
        questions: the steps in order, then the claim.
        planted: the false neighbour, which must be refuted.
        smtlib: the script that answers ``unsat`` to every question in any SMT solver.
        seconds: of the slower solver, over all questions.
    """

    statement: str
    edition: str
    name: str
    meaning: str
    given: tuple[str, ...]
    claim: str
    status: str
    verdict: str
    proved_by: tuple[str, ...]
    facts: tuple[str, ...]
    questions: tuple[Question, ...]
    planted: Question
    smtlib: str
    seconds: float


class Proofs(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss prove --json``: *holds* if both solvers prove everything, *fails* if anything is refuted."""

    version: int = SCHEMA_VERSION
    theorems: tuple[str, ...]
    solvers: dict[str, str]
    verdict: str
    proofs: tuple[ProofRow, ...]


class CheckRow(msgspec.Struct, frozen=True):
    """One assumption and what its test found.

    Args:
        name: what is assumed.
        tested: how.
        meaning: what rests on it.
        outcome: *holds*, *allowed* (unusual, but no proof assumes it otherwise), *fails*, *undecided* or *skipped*.
        seen: by the test.
        mend: what to do; empty where there is nothing to do.
    """

    name: str
    tested: str
    meaning: str
    outcome: str
    seen: str
    mend: str


class LibraryRow(msgspec.Struct, frozen=True):
    """A library that zeroloss uses: its version, empty where it is absent; the extra that brings it; how to install."""

    name: str
    version: str
    extra: str
    install: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss doctor --json``.

    Args:
        verdict: *fails* if any assumption fails, else *undecided* if one could not be tested, else *holds*.
        checks: every assumption.
        machine: interpreter, processor, BLAS and threads.
        libraries: what is installed and what is not.
    """

    version: int = SCHEMA_VERSION
    verdict: str
    checks: tuple[CheckRow, ...]
    machine: tuple[DataRow, ...]
    libraries: tuple[LibraryRow, ...]


class Certification(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss certify --json``.

    Args:
        data, identity: as for ``bound``; the identity is that of the rows that the network sees.
        network: which.
        step_size: of gradient descent, exactly; none for gradient flow or where nothing is proved.
        verdict: *holds* where convergence is proved, else *undecided*.
        says: what is proved; or which inequality is missing, its two sides, and what would mend it.
        numbers: what was enclosed, by name.
        first: of several points of a run the first that is certified, its file; else empty.
        certificate: the file that was written, or empty: where nothing is proved, and for ReLU networks followed from
            their start, whose proof has no file yet.
    """

    version: int = SCHEMA_VERSION
    data: tuple[DataRow, ...]
    identity: str
    network: str
    step_size: float | None
    verdict: str
    says: str
    numbers: dict[str, Number]
    certificate: str
    first: str = ""


class PromisedExponent(msgspec.Struct, frozen=True):
    """The exponent of a bound, with all but the size held fixed: by whom, the inequality, and None for no power."""

    by: str
    says: str
    exponent: float | None


class ExponentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A power law fitted to runs of one kind.

    Args:
        kind: what tells them from the others.
        runs: their number.
        sizes: different ones.
        exponent: the fitted one, an estimate; none where there is none.
        interval: of the exponent.
        reason: why there is none, or empty.
    """

    kind: dict[str, bool | int | float | str | None]
    runs: int
    sizes: int
    exponent: float | None
    interval: tuple[float, float] | None
    reason: str


class Exponents(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss exponents --json``.

    Args:
        of: the column of what was measured.
        size: the column of the size.
        confidence: of each interval.
        rows: one for each kind of run.
        promised: of a theorem and its lemmas, where one was named.
    """

    version: int = SCHEMA_VERSION
    of: str
    size: str
    confidence: float
    rows: tuple[ExponentRow, ...]
    promised: tuple[PromisedExponent, ...]


class SweepCell(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of a sweep that differ in their seeds only.

    Args:
        keys: what the grid file says of them, without the seed.
        step_size: eta, also where the grid gives a relative one; none for a gradient flow.
        runs: in all.
        reused: of these, stored before.
        failed_before: of these, tried in vain before, and not tried again.
        bytes: the most memory that a worker takes for them.
        seconds: estimated process time of what is missing.
    """

    keys: dict[str, bool | int | float | str | None]
    step_size: float | None
    runs: int
    reused: int
    failed_before: int
    bytes: int
    seconds: float


class SweepFailure(msgspec.Struct, frozen=True):
    """A run without a result: its content hash, and why."""

    key: str
    reason: str


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss sweep --json``.

    Args:
        store: the folder of the runs.
        dry_run: whether only the plan was asked for.
        cells: of the grid.
        runs: in all.
        reused: stored before, or meanwhile by another sweep or by a worker that died later.
        finished: trained by this sweep.
        failures: the runs without a result.
        table: the Parquet file of everything in the store, or empty.
    """

    version: int = SCHEMA_VERSION
    store: str
    dry_run: bool
    cells: tuple[SweepCell, ...]
    runs: int
    reused: int
    finished: int = 0
    failures: tuple[SweepFailure, ...] = ()
    table: str = ""
