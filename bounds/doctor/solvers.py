"""Do the solvers behind ``zeroloss prove`` prove what is true, and refute what is false?"""

from __future__ import annotations

from importlib.util import find_spec

from bounds.doctor.findings import Finding
from bounds.proofs.solvers import SOLVERS, ask

QUESTIONS = {
    "a square is not negative": ("(declare-const x Real) (assert (< (* x x) 0))", "unsat"),
    "the root of 2 exists": ("(declare-const x Real) (assert (= (* x x) 2)) (assert (> x 0))", "sat"),
    "x + 1/x >= 2 for positive x": (
        "(declare-const x Real) (declare-const y Real) (assert (> x 0)) (assert (= (* x y) 1)) (assert (< (+ x y) 2))",
        "unsat",
    ),
    "not: x^2 > x for every x": ("(declare-const x Real) (assert (<= (* x x) x))", "sat"),
}
"""Claims as their negations in SMT-LIB, and the right answers."""


def solvers(timeout: float = 10.0) -> Finding:
    """Ask both solvers what everyone knows, on both sides."""
    missing = [name for name in SOLVERS if find_spec(name) is None]
    if missing:
        return Finding("skipped", f"not installed: {', '.join(missing)}")
    unknown = ""
    for claim, (script, right) in QUESTIONS.items():
        for answer in ask(script, timeout=timeout):
            if answer.outcome == "unknown":
                unknown = f"{answer.solver} does not know that {claim}: {answer.reason}"
            elif answer.outcome != right:
                return Finding("fails", f"{answer.solver} answers {answer.outcome} to: {claim}")
    if unknown:
        return Finding("undecided", unknown)
    return Finding("holds", f"{' and '.join(SOLVERS)} agree on {len(QUESTIONS)} questions whose answers are known")
