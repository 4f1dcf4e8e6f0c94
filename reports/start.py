"""Where the command begins: an interrupt that comes while the command line itself is loaded also ends in one line."""

from __future__ import annotations

import sys


def main() -> int:
    """Load the command line and run it; see :func:`reports.cli.main`."""
    try:
        from reports.cli import main as command
    except KeyboardInterrupt:
        print("zeroloss: interrupted", file=sys.stderr)
        return 130
    return command()
