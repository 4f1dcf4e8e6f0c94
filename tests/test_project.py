"""The project around the packages: what the wheel carries, what an import costs, what the pages promise."""

import ast
import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("bounds", "empirical", "reports")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
README = (ROOT / "README.md").read_text()


def run(*command, cwd):
    """Run a command apart from the checkout's own folder and return what it prints."""
    environment = os.environ | {"PYTHONWARNINGS": "error", "COLUMNS": "120"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(code, cwd):
    return run(sys.executable, "-c", code, cwd=cwd)


def modules(package):
    """Dotted names of the modules of a package, from its files."""
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path):
    """Top-level names that a file imports anywhere, functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def requirements():
    tables = [*PROJECT["project"]["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()]
    lines = [
        *PROJECT["project"]["dependencies"],
        *(line for table in tables for line in table if isinstance(line, str)),
    ]
    return [Requirement(line) for line in lines if not line.startswith("zeroloss[")]


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {
        canonicalize_name(r.name): str(r.specifier) for r in map(Requirement, (x for x in lines if x and x[0] != "#"))
    }


# What is shipped


def test_the_wheel_carries_the_three_packages_whole_and_nothing_else(tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path), cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name.partition("/")[0] for name in shipped} == set(PACKAGES)
    assert shipped == sources  # data files and templates too
    assert {f"{package}/py.typed" for package in PACKAGES} <= shipped  # without it a type checker sees no types
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_distribution_is_enough_to_test_and_to_document(tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path), cwd=ROOT)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for folder in (*PACKAGES, "tests", "benchmarks", "notes", "docs"):
        sources = [path for ending in ("py", "md") for path in (ROOT / folder).rglob(f"*.{ending}")]
        sources = [path.relative_to(ROOT) for path in sources]
        made = {"__pycache__", "_build", "api", "catalogue", "jupyter_execute"}
        assert sources and {path.as_posix() for path in sources if not made & set(path.parts)} <= names, folder
    assert {
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "tox.ini",
        "constraints.txt",
        "docs/notes/index.md",
    } <= names


def test_every_requirement_has_a_lower_bound_and_a_tested_pin_within_its_range():
    assert len(requirements()) > 15
    for requirement in requirements():
        assert [s.operator for s in requirement.specifier].count(">=") == 1, requirement
        pin = pins()[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin.removeprefix("==")), (requirement, pin)


def test_pins_hold_on_any_machine():
    assert len(pins()) > 60
    for name, pin in pins().items():
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", pin), (name, pin)  # no local tag, no path


# What is installed for the checks


@pytest.mark.skipif(not shutil.which("make"), reason="make is absent")
def test_an_index_for_torch_reaches_every_installation_of_make(tmp_path):
    def installations(*variables):
        plan = run("make", "--dry-run", "test", "lint", "docs", f"VENV={tmp_path}", *variables, cwd=ROOT)
        return [line for line in plan.splitlines() if "pip install" in line]

    given, default = installations("TORCH_INDEX=https://example.org/cpu"), installations()
    assert len(given) == len(default) >= 5
    assert all("--extra-index-url https://example.org/cpu " in line for line in given)
    assert not any("index-url" in line for line in default)


def tox_environments():
    """Settings of every environment of tox that installs something."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    return {name: tox[name] for name in tox.sections() if name.startswith("testenv")}


def test_an_index_for_torch_reaches_every_environment_of_tox():
    environments = tox_environments()
    assert len(environments) >= 7
    for name, settings in environments.items():
        inherited = settings.get("set_env", environments["testenv"]["set_env"])
        assert "PIP_EXTRA_INDEX_URL = {env:TORCH_INDEX:" in inherited, name


def test_tox_says_what_each_environment_checks():
    assert all(settings.get("description") for settings in tox_environments().values())


@pytest.mark.skipif(not shutil.which("sed"), reason="sed is absent")
def test_tox_pins_every_requirement_to_its_lower_bound(tmp_path):
    (line,) = (x for x in tox_environments()["testenv:{lowest,latest}"]["commands_pre"].splitlines() if "sed" in x)
    shell = shlex.split(line.partition(":")[2].replace("{env_tmp_dir}", str(tmp_path)))
    run(*shell, cwd=ROOT)
    found = {canonicalize_name(r.name): r for r in map(Requirement, (tmp_path / "pins.txt").read_text().split())}
    for requirement in requirements():
        (lower,) = (s.version for s in requirement.specifier if s.operator == ">=")
        assert str(found[canonicalize_name(requirement.name)].specifier) == f"=={lower}"


# What an import costs


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_stands_below_it(package):
    below = {
        "bounds": {"empirical", "reports", "torch", "sklearn", "matplotlib", "jinja2", "cyclopts", "rich"},
        "empirical": {"reports", "matplotlib", "jinja2", "cyclopts", "rich"},
        "reports": set(),
    }[package]
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not below & set(imported(path)), path


def test_bounds_works_where_torch_cannot_be_imported(tmp_path):
    blocked = "import sys; sys.modules.update(dict.fromkeys(['torch', 'sklearn', 'empirical', 'reports']))\n"
    names = [name for name in modules("bounds") if find_spec("z3") or "proofs" not in name]
    assert len(names) > 5
    python(blocked + "\n".join(f"import {name}" for name in names), tmp_path)


HEAVY = ("torch", "sympy", "scipy", "sklearn", "matplotlib")


def test_importing_bounds_is_light(tmp_path):
    loaded = python("import bounds, sys; print(*sys.modules)", tmp_path).split()
    assert "bounds" in loaded
    assert not set(HEAVY) & set(loaded)


def test_help_is_light(tmp_path):
    code = "import sys; from reports.cli import main; assert main(['--help']) == 0; print('loaded:', *sys.modules)"
    page, _, loaded = python(code, tmp_path).partition("loaded:")
    assert "zeroloss report" in page
    assert not set(HEAVY) & set(loaded.split())


def test_every_name_that_bounds_offers_is_there(tmp_path):
    python("import bounds\nfor name in bounds.__all__: getattr(bounds, name)", tmp_path)


INTERRUPTED = """
import importlib, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == "cyclopts":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
module, _, name = sys.argv.pop(1).partition(":")
sys.exit(getattr(importlib.import_module(module), name)())
"""


def test_an_interrupt_while_the_command_line_is_loaded_ends_in_one_line(tmp_path):
    command = [sys.executable, "-c", INTERRUPTED, PROJECT["project"]["scripts"]["zeroloss"], "theorems"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "zeroloss: interrupted\n")


# What the pages promise


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def test_the_commands_of_the_readme_are_in_the_makefile():
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
    promised = {
        word for line in re.findall(r"\bmake ((?:[a-z]+ ?)+)", "\n".join(blocks("sh"))) for word in line.split()
    }
    assert {"report", "test"} <= promised <= targets


def test_the_python_example_of_the_readme_runs(tmp_path):
    (example,) = blocks("python")
    assert python(example, tmp_path).strip()


def test_the_shell_examples_of_the_readme_run(tmp_path):
    pytest.importorskip("sklearn", reason="an example reads a data set that ships with scikit-learn")
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith(".venv/bin/zeroloss")]
    assert len(lines) > 1
    for line in lines:
        arguments = line.partition("zeroloss")[2].split()
        assert run(sys.executable, "-m", "reports.cli", *arguments, cwd=tmp_path).strip()


def test_every_page_that_the_readme_links_to_exists():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("https://")]
    assert links
    for link in links:
        assert (ROOT / link).is_file(), link


def test_the_changelog_has_an_entry_for_this_version():
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == PROJECT["project"]["version"]


def test_the_trust_page_names_every_module_of_bounds():
    page = (ROOT / "docs" / "trust.md").read_text()
    rows = set(re.findall(r"^\| `(bounds[.\w]*)` \|", page, flags=re.MULTILINE))
    files = {".".join(name.split(".")[:2]) for name in modules("bounds")} - {"bounds"}
    assert rows == files
