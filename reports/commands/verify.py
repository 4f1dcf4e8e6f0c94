"""``zeroloss verify``: a certificate, checked by a small program that shares no code with what wrote it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from cyclopts import App

from reports.commands.console import show
from reports.commands.options import Flag

app = App(
    name="verify",
    help_epilogue="""Examples:
  zeroloss verify zeroloss-certificate/certificate.json
  zeroloss verify certificate.json --json
  zeroloss verify mine/certificate.json > answer.txt""",
)


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """``zeroloss verify --json``.

    Args:
        verdict: *holds* if the certificate is proved, else *fails*.
        statement: what is proved, in words.
        reason: why nothing is.
    """

    version: int = 1
    certificate: str
    verdict: str
    statement: str
    reason: str


@app.default
def verify(certificate: Path, /, *, json: Flag = False) -> int:
    """Check a certificate from its raw bytes, and prove its statement anew.

    Needs neither torch nor sympy. The arrays (data and weights) lie beside the certificate. Exits with 0 if the
    statement is proved and 1 if it is not: a damaged, altered or false certificate proves nothing.

    Args:
        certificate: the file certificate.json
        json: JSON on standard output
    """
    from bounds.checker import verify as check

    if certificate.is_dir():
        raise ValueError(f"{certificate} is a folder: name the file certificate.json in it")
    found = check(certificate)
    record = Verified(
        certificate=str(certificate),
        verdict="holds" if found.holds else "fails",
        statement=found.statement,
        reason=found.reason,
    )
    show(record, json, lambda console: console.print(str(found)))
    return 0 if found.holds else 1
