"""The status of every edition's algebra, proved once and kept with the runs."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import msgspec

from bounds.statements import Edition, Statement
from empirical.store import Store, code_digest, content_key

if TYPE_CHECKING:
    from reports.measurement import Progress

CODE = code_digest()
"""Of what turns obligations into text for the solvers, and reads their answers."""

NOT_CHECKED = 'not checked: the solvers are not installed (pip install "zeroloss[prove]")'


class ProofSpecification(msgspec.Struct, frozen=True):
    """All that the status of an edition's algebra depends on: the obligations as text, the solvers, and the code."""

    obligations: tuple[str, ...]
    z3: str
    cvc5: str
    code: str


class ProofStatus(msgspec.Struct, frozen=True):
    """What the solvers said of all obligations of one edition."""

    spec: ProofSpecification
    status: str

    @property
    def key(self) -> str:
        """The content hash of the specification."""
        return content_key(self.spec)


def proof_statuses(
    statements: Iterable[Statement], *, store: Store | None, progress: Progress
) -> dict[tuple[str, str], str]:
    """Prove the obligations of every edition that has some, or take the status from the store.

    Args:
        statements: whose editions are meant.
        store: where statuses are kept and taken from.
        progress: called with (stage, done, total).

    Returns:
        By statement and edition name, one line that says by whom the algebra is proved.
    """
    editions = [(s, e) for s in statements for e in s.editions if e.obligations]
    try:
        solvers = version("z3-solver"), version("cvc5")
    except PackageNotFoundError:
        return {(s.name, e.name): NOT_CHECKED for s, e in editions}
    found: dict[tuple[str, str], str] = {}
    for done, (statement, edition) in enumerate(editions):
        progress("proofs", done, len(editions))
        found[statement.name, edition.name] = _status(edition, solvers, store)
    progress("proofs", len(editions), len(editions))
    return found


def _status(edition: Edition, solvers: tuple[str, str], store: Store | None) -> str:
    from bounds.proofs import edition_status, prove_obligations

    spec = ProofSpecification(tuple(map(repr, edition.obligations)), *solvers, CODE)
    kept = store.get(content_key(spec), ProofStatus) if store else None
    if kept is None:
        kept = ProofStatus(spec, edition_status(prove_obligations(edition.obligations)))
        if store:
            store.put(kept)
    return kept.status
