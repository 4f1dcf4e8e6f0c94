"""``zeroloss prove``: the algebra of the explicit editions, by two solvers."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from cyclopts import App

from reports.commands.console import progress, show, table
from reports.commands.options import Flag, Real, positive, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from bounds.proofs import Implication, Obligation, Proof
    from reports.commands.records import ProofRow, Proofs, Question


app = App(
    name="prove",
    help_epilogue="""Examples:
  zeroloss prove                                    everything in the catalogue
  zeroloss prove du2019-two-layer --timeout 30
  zeroloss prove du2019-two-layer --json            with scripts for any solver""",
)


@app.default
def prove(theorem: str | None = None, *, timeout: Real = 10.0, json: Flag = False) -> int:
    """Prove the algebra behind the explicit constants with z3 and cvc5.

    Every obligation is an inequality that both solvers have to prove, each by itself. From the same givens a planted
    false neighbour has to be refuted, which shows that they do not contradict each other. Exits with 0 if both solvers
    prove everything, 1 if something is refuted, else 3.

    Args:
        theorem: identifier, see `zeroloss theorems`; by default all of them
        timeout: seconds for each solver on each question
        json: JSON on standard output
    """
    require("z3", "cvc5")
    from bounds.catalogue import theorem as find
    from bounds.catalogue import theorems
    from bounds.proofs import prove_obligation
    from reports.commands.records import Proofs

    positive(timeout=timeout)
    names = tuple(t.identifier for t in theorems()) if theorem is None else (find(theorem).identifier,)
    todo = list(_obligations(names))
    rows = []
    with progress() as advance:
        for done, (statement, edition, obligation) in enumerate(todo):
            advance("proving", done, len(todo))
            rows.append(_row(statement, edition, prove_obligation(obligation, timeout=timeout)))
        advance("proving", len(todo), len(todo))
    record = Proofs(
        theorems=names,
        solvers={solver: version(package) for solver, package in (("z3", "z3-solver"), ("cvc5", "cvc5"))},
        verdict=_together(rows),
        proofs=tuple(rows),
    )
    show(record, json, lambda console: _page(record, console))
    return {"holds": 0, "fails": 1, "undecided": 3}[record.verdict]


def _obligations(names: tuple[str, ...]) -> Iterator[tuple[str, str, Obligation]]:
    """Each obligation once, though theorems share lemmas."""
    from bounds.catalogue import label, obligations

    seen = set()
    for name in names:
        for statement, edition, obligation in obligations(name):
            if id(obligation) not in seen:
                seen.add(id(obligation))
                yield label(statement) if len(names) > 1 else statement.name, edition, obligation


def _together(rows: list[ProofRow]) -> str:
    if any(row.verdict == "fails" for row in rows):
        return "fails"
    proved = bool(rows) and all(len(row.proved_by) == 2 for row in rows)
    return "holds" if proved else "undecided"


def _row(statement: str, edition: str, proof: Proof) -> ProofRow:
    from bounds.rendering import plain
    from reports.commands.records import ProofRow

    obligation = proof.obligation
    return ProofRow(
        statement=statement,
        edition=edition,
        name=obligation.name,
        meaning=obligation.meaning,
        given=tuple(map(plain, obligation.given)),
        claim=plain(obligation.claim),
        status=proof.status,
        verdict=str(proof.verdict.outcome),
        proved_by=proof.proved_by,
        facts=proof.facts,
        questions=tuple(map(_question, proof.implications)),
        planted=_question(proof.planted),
        smtlib=proof.smtlib,
        seconds=proof.seconds,
    )


def _question(implication: Implication) -> Question:
    from bounds.rendering import plain
    from reports.commands.records import Question, SolverAnswer

    point = implication.counterexample or {}
    return Question(
        name=implication.name,
        claim=plain(implication.claim),
        answers=tuple(SolverAnswer(a.solver, a.outcome, a.reason, a.seconds) for a in implication.answers),
        counterexample=", ".join(f"{symbol} = {value}" for symbol, value in point.items()),
    )


def _page(record: Proofs, console: Console) -> None:
    if not record.proofs:
        console.print(f"{', '.join(record.theorems)}: no obligation is stated, so nothing is proved")
        return
    for statement, edition in dict.fromkeys((row.statement, row.edition) for row in record.proofs):
        rows = (
            (
                f"{row.name}\n{row.claim}",
                row.status,
                "refuted" if row.planted.counterexample else "NOT refuted",
                f"{row.seconds:.2f}",
            )
            for row in record.proofs
            if (row.statement, row.edition) == (statement, edition)
        )
        console.print(table(("obligation", "status", "planted", "s"), rows, title=f"{statement}, {edition} edition"))
    facts = dict.fromkeys(fact for row in record.proofs for fact in row.facts)
    console.print("Planted: a false neighbour of the claim, which has to be refuted from the same givens.")
    if facts:
        console.print("What the proofs take as given about functions and constants:")
    for fact in facts:
        console.print(f"  {fact}")
    both = sum(len(row.proved_by) == 2 for row in record.proofs)
    solvers = " and ".join(f"{name} {number}" for name, number in record.solvers.items())
    console.print(f"{both} of {len(record.proofs)} proved by both {solvers}: {record.verdict}")
