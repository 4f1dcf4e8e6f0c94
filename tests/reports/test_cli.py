"""The command line from outside: its help, what it refuses, and how it ends."""

import importlib
import inspect
import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import sympy

from bounds.catalogue import theorem
from bounds.proofs import Obligation
from reports import cli
from reports.cli import main

DATA_COMMANDS = ("bound", "measure", "certify", "report")
COMMANDS = ("theorems", "prove", "reproduce", "doctor", "sweep", "exponents", "verify", *DATA_COMMANDS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, tokens, *words):
    """The command is refused: exit code 2, nothing on standard output, one line that has the words."""
    before = sorted(os.listdir())
    assert main(tokens) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("zeroloss: "), err
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert sorted(os.listdir()) == before


# Help


def helped(capsys, *tokens):
    assert main([*tokens, "--help"]) == 0
    return capsys.readouterr().out


def examples(page):
    """The example commands of a help page, without the remarks that follow some of them."""
    lines = re.findall(r"^  (zeroloss .+)$", page, flags=re.MULTILINE)
    return [shlex.split(re.split(r"\s{2,}", line)[0])[1:] for line in lines]


def test_help_says_in_a_line_what_every_command_does(capsys):
    page = helped(capsys)
    for command in COMMANDS:
        assert re.search(rf"│ {command} +[A-Z].+\. +│", page), command


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_help_says_all_that_it_does_and_breaks_no_line_early(capsys, command):
    page = helped(capsys, command)
    module = importlib.import_module(f"reports.commands.{command}")
    described = inspect.cleandoc(getattr(module, command).__doc__).partition("\n\nArgs:")[0]
    assert len(described.split()) > 5
    assert " ".join(described.split()) in " ".join(page.split())
    for example in module.app.help_epilogue.splitlines():
        assert example in page.splitlines()
    for line, following in itertools.pairwise(page.splitlines()):
        words = following.strip("│ ").split()
        if line.startswith("│") and following.startswith("│  ") and words[0] != "[default:":
            assert len(line.rstrip("│ ")) + 1 + len(words[0]) > 77, (line, following)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_explains_every_option(capsys, command):
    page = helped(capsys, command)
    assert max(map(len, page.splitlines())) <= 80
    options = re.findall(r"│ (?:[A-Z]+ )?(--[a-z-]+).*", page)
    assert "--json" in options
    for line in re.findall(r"│ ((?:[A-Z]+ )?--[a-z-]+ .*?)│", page):
        assert len(line.split()) > 2, line


@pytest.mark.parametrize("command", ("", *COMMANDS))
def test_examples_are_understood(capsys, command):
    page = helped(capsys, *([command] if command else []))
    found = examples(page)
    assert len(found) >= 3
    for tokens in found:
        tokens = tokens[: tokens.index(">")] if ">" in tokens else tokens
        function, bound, _ = cli.app.parse_args(tokens, exit_on_error=False, print_error=False)
        assert function.__name__ == tokens[0]
        assert not command or tokens[0] == command


@pytest.mark.parametrize("command", ["theorems", "bound", "measure", "prove", "doctor"])
def test_examples_run(capsys, folder, monkeypatch, command):
    """On few rows, for few steps, with one obligation; the examples of report differ only in options parsed above."""
    for library in ("sklearn", "z3", "cvc5", "torch"):
        pytest.importorskip(library)
    x = sympy.Symbol("x", positive=True)
    one = Obligation("square", "a square exceeds its root", (x > 1,), x**2 > x, planted=x > x**2)
    monkeypatch.setattr("bounds.catalogue.obligations", lambda name: iter([(theorem(name), "explicit", one)]))
    rows = "".join(f"{i},{i * i % 7},{i % 5 + 0.5}\n" for i in range(1, 12))
    (folder / "mine.csv").write_text("rooms,age,price\n" + rows)
    for tokens in examples(helped(capsys, command)):
        tokens = tokens[: tokens.index(">")] if ">" in tokens else tokens
        if "cuda" in tokens:  # wide, and for a GPU
            tokens = [{"cuda": "cpu", "8192": "64"}.get(token, token) for token in tokens]
        few = ["--n", "8"] if command in ("bound", "measure") and "--data" not in tokens else []
        if command == "measure":
            few += ["--steps", "3"] if "--steps" not in tokens else []
            few += ["--width", "32"] if "--width" not in tokens else []
        assert main([*tokens, *few]) == 0
        assert capsys.readouterr().out


def test_a_subcommand_s_help_loads_nothing_heavy():
    code = "import sys; from reports.cli import main; main([sys.argv[1], '--help']); print('loaded:', *sys.modules)"
    for command in COMMANDS:
        done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=True)
        loaded = done.stdout.partition("loaded:")[2].split()
        assert "cyclopts" in loaded
        assert not {"torch", "sympy", "numpy", "flint", "scipy", "sklearn", "matplotlib"} & set(loaded)


@pytest.mark.parametrize("command", [["bound"], ["measure", "--steps", "2", "--width", "16"]])
def test_long_proofs_show_how_far_they_are(capsys, folder, monkeypatch, command):
    monkeypatch.setattr("bounds.progress.QUIET_SECONDS", 0.0)
    if command[0] == "measure":
        pytest.importorskip("torch")
    assert main([*command, "du2019-two-layer", "--data", "sphere:n=250,d=9"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "Gram matrix ..." in lines and "factorising ..." in lines


# Usage


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["bond"], ["bond", "bound"]),
        (["bound", "--widht", "3"], ["--widht", "--width"]),
        (["bound", "--width"], ["--width", "requires an argument"]),
        (["bound", "--width", "2.5"], ["--width", "whole number"]),
        (["bound", "--width", "inf"], ["--width", "whole number"]),
        (["bound", "--width", "0", "--data", "orthonormal:n=2"], ["is", "give a positive number"]),
        (["bound", "--step-size", "nan"], ["--step-size", "finite"]),
        (["bound", "--step-size", "-1", "--data", "orthonormal:n=2"], ["is", "give a positive number"]),
        (["bound", "--initial-residual", "-1"], ["--initial-residual", "not negative"]),
        (["bound", "--given", "e_0"], ["--given", "name=value"]),
        (["bound", "--given", "sigma_9=1"], ["sigma_9", "choose from"]),
        (["bound", "du2019-two-layer", "--setting", "trained=both"], ["trained=both", "left open"]),
        (["theorems", "--html", "--latex"], ["--html", "--latex", "exclude"]),
        (["bound", "--theorem", "du2018-two-layer"], ["du2018-two-layer", "did you mean du2019-two-layer"]),
        (["bound", "--edition", "latest"], ["latest", "explicit"]),
        (["theorems", "du2018-two-layer"], ["did you mean du2019-two-layer"]),
        (["theorems", "--lemmas"], ["theorems ID"]),
        (["theorems", "--compare", "du2019-two-layer"], ["name both"]),
        (["theorems", "du2019-two-layer", "--compare", "du2019-deep-fc"], ["Theorem 5.1", "does not specify 2^O(H)"]),
        (["theorems", "du2019-two-layer", "--bibtex", "--json"], ["--json"]),
        (["prove", "du2018-two-layer"], ["did you mean du2019-two-layer"]),
        (["prove", "--timeout", "0"], ["--timeout", "positive"]),
        (["measure", "nguyen2021-linear"], ["nguyen2021-linear", "names no networks"]),
        (["measure", "du2019-two-layer", "--depth", "3"], ["--depth", "nothing is left open"]),
        (["measure", "--edition", "latest"], ["latest", "explicit"]),
        (["measure", "--step-size", "fast"], ["fast", "no finite number"]),
        (["measure", "--step-size", "0"], ["--step-size", "positive"]),
        (["measure", "--steps", "0"], ["--steps", "positive"]),
        (["measure", "--seeds", "-3"], ["--seeds", "positive"]),
        (["measure", "--width", "0"], ["--width", "positive"]),
        (["measure", "--width", "1e25"], ["--width", "1e+09"]),
        (["measure", "--steps", "1e18"], ["--steps", "1e+09"]),
        (["bound", "--seed", "-1", "--data", "sphere:"], ["--seed"]),
        (["report", "--quick", "--full"], ["--quick", "--full"]),
        (["report", "--theorems", "du2018-two-layer"], ["did you mean du2019-two-layer"]),
        (["report", "--theorems", "du2019-two-layer,"], ["no theorem ''", "lists all"]),
        (["bound", "du2019"], ["did you mean du2019-deep-conv or du2019-deep-fc"]),
        (["prove", "xyzzy"], ["catalogue: `zeroloss theorems` lists all"]),
        (["bound", "du2019-deep-fc", "--setting", "depth=0"], ["depth=0", "positive"]),
        (["bound", "du2019-deep-resnet", "--setting", "residual_scale=-1/2"], ["-1/2", "positive"]),
        (["certify", "--trained", "none"], ["--trained", "first, both"]),
        (["certify", "--out", "/dev/null/x"], ["--out", "/dev/null", "name another"]),
        (["verify", "."], ["is a folder", "certificate.json"]),
        (["exponents", "."], ["holds no finished runs", "zeroloss sweep"]),
        (["measure", "--store", "/dev/null/x", "--n", "4"], ["/dev/null/x"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_usage_is_refused_in_one_line(capsys, folder, tokens, words):
    refused(capsys, tokens, *words)


@pytest.mark.parametrize("command", DATA_COMMANDS)
@pytest.mark.parametrize("delta", ("0", "1", "-0.1", "2", "nan", "inf", "1e-400", "a tenth"))
def test_delta_outside_its_range_is_refused(capsys, folder, command, delta):
    refused(capsys, [command, "--delta", delta], "--delta")


def test_decimals_are_the_floats_that_they_name():
    _, bound, _ = cli.app.parse_args(["bound", "--step-size", "0.1", "--width", "1e6"], exit_on_error=False)
    assert bound.arguments["step_size"] == 0.1
    assert bound.arguments["width"] == 10**6 and isinstance(bound.arguments["width"], int)


# Data


X, Y = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]]), np.array([1.0, -1.0, 1.0])


def arrays(path, X=X, y=Y):
    np.savez(path, X=X, y=y)


def with_entry(value):
    changed = X.copy()
    changed[1, 0] = value
    return changed


def truncated(path):
    arrays(path)
    path.write_bytes(path.read_bytes()[:-30])


BAD_FILES = {
    "nan": ("x.npz", lambda path: arrays(path, with_entry(np.nan)), ["X[1, 0]", "nan"]),
    "infinity": ("x.npz", lambda path: arrays(path, with_entry(-np.inf)), ["X[1, 0]", "inf"]),
    "label nan": ("x.npz", lambda path: arrays(path, y=np.array([1.0, np.nan, 1.0])), ["label 1", "nan"]),
    "empty": ("x.npz", lambda path: arrays(path, np.empty((0, 2)), np.empty(0)), ["(0, 2)"]),
    "one row": ("x.npz", lambda path: arrays(path, X[:1], Y[:1]), ["at least 2"]),
    "zero row": ("x.npz", lambda path: arrays(path, X * [[1.0], [0.0], [1.0]]), ["row 1", "zero"]),
    "more labels than rows": ("x.npz", lambda path: arrays(path, y=np.ones(4)), ["3 rows", "(4,)"]),
    "inputs no matrix": ("x.npz", lambda path: arrays(path, np.ones(3)), ["(3,)"]),
    "complex": ("x.npz", lambda path: arrays(path, X * 1j), ["complex"]),
    "no y": ("x.npz", lambda path: np.savez(path, X=X), ["'y'"]),
    "truncated": ("x.npz", truncated, ["not a readable .npz"]),
    "no archive": ("x.npz", lambda path: path.write_bytes(b"\x00\xffnonsense"), ["not a readable .npz"]),
    "text": ("x.csv", lambda path: path.write_text("a,b,y\n1,2,1\n3,four,-1\n"), ["line 3, column 2", "four"]),
    "csv nan": ("x.csv", lambda path: path.write_text("a,b,y\n1,2,1\n3,nan,-1\n"), ["line 3, column 2", "nan"]),
    "ragged": ("x.csv", lambda path: path.write_text("a,b,y\n1,2,1\n3,-1\n"), ["line 3", "2 columns"]),
    "empty csv": ("x.csv", lambda path: path.write_text(""), ["empty"]),
    "no text at all": ("x.csv", lambda path: path.write_bytes(b"\xff\xfe\x00,\x81"), ["not a readable CSV"]),
    "absent": ("x.csv", lambda path: None, ["x.csv", "no such file"]),
    "a folder": ("x.csv", lambda path: path.mkdir(), ["x.csv", "directory"]),
    "unknown set": ("digitz", lambda path: None, ["digitz", "digits"]),
}


@pytest.mark.parametrize("command", DATA_COMMANDS)
@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_data_is_refused_in_one_line(capsys, folder, command, name):
    file, write, words = BAD_FILES[name]
    write(folder / file)
    refused(capsys, [command, "--data", file], *words)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["--data", "sphere:n=1"], ["n >= 2"]),
        (["--data", "sphere:m=5"], ["m=5"]),
        (["--data", "orthonormal:n=4", "--n", "5"], ["4 rows"]),
        (["--data", "x.npz", "--classes", "1"], ["two different"]),
        (["--data", "x.csv", "--target", "price"], ["price", "a, b, y"]),
        (["--data", "bare.csv", "--target", "price"], ["price", "line 1 holds numbers", "header"]),
        (["--data", "Digits"], ["did you mean digits?"]),
        (["--labels", "none"], ["--labels", "random"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_choices_of_data_are_refused(capsys, folder, tokens, words):
    arrays(folder / "x.npz")
    (folder / "x.csv").write_text("a,b,y\n1,2,1\n3,1,-1\n")
    (folder / "bare.csv").write_text("1,2,1\n3,1,-1\n")
    refused(capsys, ["bound", *tokens], *words)


# The output folder


def test_a_folder_with_other_files_is_refused(capsys, folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("precious")
    refused(capsys, ["report", "--data", "orthonormal:n=4", "--out", "mine"], "thesis.tex", "--out")
    assert os.listdir(folder / "mine") == ["thesis.tex"]


def test_a_folder_that_cannot_be_written_is_refused(capsys, folder):
    (folder / "file").write_text("")
    refused(capsys, ["report", "--data", "orthonormal:n=4", "--out", "file"], "file", "--out")
    refused(capsys, ["report", "--data", "orthonormal:n=4", "--out", "file/below"], "file/below", "--out")
    refused(capsys, ["measure", "--data", "orthonormal:n=4", "--steps", "1", "--store", "file"], "file")


# Missing extras


@pytest.mark.parametrize(
    ("library", "extra", "tokens"),
    [
        ("z3", "prove", ["prove"]),
        ("cvc5", "prove", ["prove"]),
        ("torch", "empirical", ["measure"]),
        ("torch", "empirical", ["report"]),
        ("jinja2", "report", ["report"]),
        ("latex2mathml", "report", ["report"]),
        ("matplotlib", "report", ["report"]),
        ("sklearn", "empirical", ["bound", "--data", "digits"]),
    ],
)
def test_a_missing_extra_is_named_with_its_install_line(capsys, folder, monkeypatch, library, extra, tokens):
    monkeypatch.setitem(sys.modules, library, None)
    refused(capsys, tokens, library, f'pip install "zeroloss[{extra}]"')


def test_every_library_of_an_extra_is_known_by_it():
    extras = tomllib.loads((Path(cli.__file__).parents[1] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    promised = {
        (re.match(r"[a-z0-9-]+", requirement)[0], extra)
        for extra, requirements in extras.items()
        for requirement in requirements
        if extra != "all"
    }
    homes = packages_distributions()
    assert {(homes[library][0].lower(), extra) for library, extra in cli.EXTRAS.items()} == promised


def test_the_core_alone_reads_a_file_and_bounds_it(tmp_path):
    arrays(tmp_path / "x.npz")
    absent = ["torch", "sklearn", "z3", "cvc5", "jinja2", "markupsafe", "matplotlib", "safetensors"]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); from reports.cli import main; "
    for call in ("main(['bound', '--data', 'x.npz'])", "main(['theorems', 'du2019-two-layer'])"):
        subprocess.run(
            [sys.executable, "-c", code + f"sys.exit({call})"], cwd=tmp_path, check=True, capture_output=True
        )


# How it ends


def test_a_bug_is_called_one_and_is_no_verdict(capsys, monkeypatch):
    monkeypatch.setattr("reports.entries.papers", lambda: 1 / 0)
    assert main(["theorems"]) == 70
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "bug" in err and "ZeroDivisionError" in err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 298. GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 6400000000000 bytes."),
    ],
)
def test_too_little_memory_is_no_bug(capsys, monkeypatch, error):
    monkeypatch.setattr("bounds.problem.Problem.values", Mock(side_effect=error))
    assert main(["bound", "--data", "orthonormal:n=4"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "not enough memory" in err and "--n" in err and "bug" not in err


def test_a_reader_that_leaves_early_ends_it_quietly():
    code = "import sys; from reports.cli import main; sys.exit(main(['theorems', 'du2019-two-layer', '--json']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


SIGINT_WORKS = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "


def test_ctrl_c_keeps_finished_runs_and_the_same_command_resumes(tmp_path):
    words = ["measure", "--data", "orthonormal:n=4", "--width", "512", "--step-size", "0.5", "--steps", "500"]
    code = SIGINT_WORKS + "from reports.cli import main; sys.exit(main(sys.argv[1:]))"

    def start(*more):
        command = [sys.executable, "-c", code, *words, *more, "--store", "kept", "--json"]
        alone = os.environ | {"OMP_NUM_THREADS": "1"}  # blocks of seeds then finish in their order
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=tmp_path, env=alone, text=True, **pipes)

    process = start("--seeds", "20000")  # for minutes
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("kept/*.msgpack")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1].startswith("zeroloss: interrupted") and "kept" in err.splitlines()[-1]
    assert "Traceback" not in err
    kept = {path.stem for path in tmp_path.glob("kept/*")}
    assert kept and not list(tmp_path.glob("kept/.unfinished*"))

    import msgspec

    out, err = start("--seeds", "64").communicate(timeout=300)
    record = msgspec.json.decode(out)
    assert record["reused"] == len({run["key"] for run in record["runs"]} & kept) > 0


MANY_PROOFS = """
import sympy, bounds.catalogue
from bounds.proofs import Obligation
x = sympy.Symbol("x", positive=True)
def obligations(name):
    for i in range(10_000):
        yield bounds.catalogue.theorem(name), "explicit", Obligation(str(i), "", (x > 1,), x**2 > x, planted=x > x**2)
bounds.catalogue.obligations = obligations
"""


@pytest.mark.parametrize("interrupt", [os.kill, os.killpg])  # the second is what a terminal does
def test_ctrl_c_during_proofs_is_one_line(tmp_path, interrupt):
    for library in ("z3", "cvc5"):
        pytest.importorskip(library)
    code = SIGINT_WORKS + MANY_PROOFS + "from reports.cli import main; sys.exit(main(['prove', 'du2019-two-layer']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr.readline() == "proving ...\n"
    time.sleep(0.5)  # until the solvers are at work
    interrupt(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert out == ""
    assert err == "zeroloss: interrupted\n"


def test_a_sign_that_the_terminal_lacks_is_written_by_its_name(tmp_path):
    program = "import sys; from reports.cli import main; sys.exit(main())"
    tokens = ["measure", "karhadkar2024-shallow", "--data", "orthonormal:n=3", "--width", "16"]
    done = subprocess.run(
        [sys.executable, "-c", program, *tokens],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "GREATER-THAN OR EQUAL TO" in done.stdout
