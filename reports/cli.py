"""The command line: which commands there are, and how every one of them ends.

Exit codes: 0 done (``prove``: proved by both solvers; ``certify``, ``verify``: proved), 1 refuted or invalid, 2 bad
usage, bad input or a missing extra, 3 undecided or not certified, 130 interrupted, 141 the reader of the output went
away, 70 a bug in zeroloss. Results go to standard output; progress and messages, one line each, go to standard error.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import sys
import warnings
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from reports.commands.console import complain, remark
from reports.commands.help import Filled

DONE, REFUTED, BAD_INPUT, UNDECIDED, BUG, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 70, 130, 141

EXTRAS = {
    "torch": "empirical",
    "sklearn": "empirical",
    "safetensors": "empirical",
    "distributed": "empirical",
    "llvmlite": "empirical",
    "polars": "empirical",
    "z3": "prove",
    "cvc5": "prove",
    "jinja2": "report",
    "markupsafe": "report",
    "latex2mathml": "report",
    "matplotlib": "report",
}
"""Which extra brings a library that some commands need."""

SUMMARIES = {
    "report": "Hold theory against training on one data set, as a page.",
    "theorems": "List the theorems, or show one in full.",
    "bound": "Say what the theorems ask of a data set.",
    "measure": "Train a theorem's own networks and hold them to its promises.",
    "sweep": "Train every run of a grid file, here or on a Dask cluster.",
    "exponents": "Say how measured numbers of stored runs scale with a size.",
    "reproduce": "Run published experiments and promised laws again.",
    "prove": "Prove the algebra of explicit constants with two solvers.",
    "certify": "Prove that given weights are trained to exactly zero loss.",
    "verify": "Check a certificate from its raw bytes, and prove it anew.",
    "doctor": "Test on this machine what the proofs assume of it.",
}
"""Of the commands, for the list of them: showing it imports none."""

app = App(
    name="zeroloss",
    help="Check the theory that says gradient descent reaches zero training loss.",
    help_format="plaintext",
    help_formatter=Filled(SUMMARIES),
    help_epilogue="""Examples:
  zeroloss report                           the whole report, on 50 digits
  zeroloss theorems du2019-two-layer        a theorem with all its editions
  zeroloss bound --data sphere:n=20,d=10    what the theorems ask of these data
  zeroloss measure --width 1024             train, beside what was promised
  zeroloss sweep grid.toml                  train every run of a grid file
  zeroloss exponents runs --of last.travel  how it scales with the width
  zeroloss reproduce                        published experiments, run again
  zeroloss prove du2019-two-layer           prove the algebra with two solvers
  zeroloss certify --width 16 --polish      prove that it reaches zero loss
  zeroloss verify certificate.json          check such a proof
  zeroloss doctor                           test this machine's arithmetic

Every command takes --json, and --help with examples. Exit codes: 0 done,
1 refuted, 2 bad usage or input, 3 undecided, 130 interrupted.""",
    version=lambda: importlib.metadata.version("zeroloss"),
    suppress_keyboard_interrupt=False,
)

for _name in SUMMARIES:
    app.command(f"reports.commands.{_name}:app", name=_name)


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        tokens: the arguments, by default those of the process.

    Returns:
        The exit code.
    """
    tokens = sys.argv[1:] if tokens is None else tokens
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="namereplace")  # where the encoding has no sign such as ≥, its name
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: remark(f"warning: {message}")
        return _run(tokens)


def _run(tokens: Sequence[str]) -> int:
    try:
        code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value") or DONE
        sys.stdout.flush()
        return code
    except CycloptsError as error:
        command = " ".join(["zeroloss", *(error.command_chain or ())])
        return complain(f"{error} (see {command} --help)", BAD_INPUT)
    except KeyboardInterrupt as stop:
        return complain(str(stop) or "interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit has a reader
        return BROKEN_PIPE
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRAS:
            return _bug(error)
        mend = f'pip install "zeroloss[{EXTRAS[library]}]"'
        return complain(f"this needs {library}, which is not installed: {mend}", BAD_INPUT)
    except ImportError as error:  # a solver that is there but does not start says so itself
        return complain(str(error), BAD_INPUT)
    except MemoryError as error:
        return _no_memory(error)
    except OSError as error:
        where = f"{error.filename}: {error.strerror}: check the path and its permissions"
        return complain(where if error.filename else str(error), BAD_INPUT)
    except ValueError as error:
        return complain(str(error), BAD_INPUT)
    except RuntimeError as error:
        return (
            _no_memory(error) if "allocate" in str(error) else _bug(error)
        )  # torch has no error of its own on the CPU
    except Exception as error:
        return _bug(error)


def _no_memory(error: Exception) -> int:
    return complain(f"not enough memory ({error}): take fewer rows with --n, or a smaller width", BAD_INPUT)


def _bug(error: Exception) -> int:
    if os.environ.get("ZEROLOSS_TRACEBACK"):
        raise error
    return complain(
        f"a bug in zeroloss, please report it: {type(error).__name__}: {error} (ZEROLOSS_TRACEBACK=1 shows where)", BUG
    )


if __name__ == "__main__":
    sys.exit(main())
