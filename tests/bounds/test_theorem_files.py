"""A theorem's own file: the one of the note is whole, and mistakes in it are named with their place."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bounds import papers
from bounds import quantities as q
from bounds.catalogue import modules, theorem
from bounds.catalogue import papers as all_papers

NOTE = (Path(__file__).parents[2] / "notes" / "adding_a_theorem.md").read_text()
FILE = "\n\n".join(re.findall(r"```\{code-cell\} python\n(.*?)```", NOTE, re.DOTALL)[:2])
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Puts a file beside those of the catalogue, and takes all its traces away again."""

    def beside(text: str) -> Path:
        path = tmp_path / "example_made_up.py"
        path.write_text(text)
        importlib.invalidate_caches()
        return path

    def forget() -> None:
        modules.cache_clear()
        all_papers.cache_clear()
        sys.modules.pop("bounds.papers.example_made_up", None)
        vars(papers).pop("example_made_up", None)

    modules()  # what the catalogue itself names stays
    known = set(q.MEANING)
    monkeypatch.setattr(papers, "__path__", [*papers.__path__, str(tmp_path)])
    forget()
    yield beside
    forget()
    for symbol in set(q.MEANING) - known:
        del q.MEANING[symbol]


def test_the_file_of_the_note_is_all_that_a_theorem_needs(write: Write) -> None:
    write(FILE)
    found = theorem("example-last-layer")
    assert len(found.edition("explicit").obligations) == 2
    assert "  if step size: eta <= 1 / beta^2\n" in str(found)


STEP = 'Condition("step size", Le(eta, 1 / beta**2))'
MISTAKES = {
    "two of one name": (STEP + ",", STEP + ", " + STEP + ",", r"two conditions are named 'step size': give each"),
    "parenthesis": ("PAPER = Paper(", "PAPER = Paper((", r", line \d+: SyntaxError: '\(' was never closed: mend"),
    "import": ("e_0, eta", "e_0, etta", r", line \d+: ImportError: cannot import name 'etta'"),
    "no paper": ("\nPAPER =", "\nPAPERS =", "holds no PAPER"),
    "taken": ("example-last-layer", "du2019-two-layer", "du2019-two-layer is taken by .*du2019_two_layer.py"),
    "comma": (f"({STEP},)", f"({STEP})", "assumes is a Condition: give a tuple of Condition, with a comma"),
    "decided": (STEP, 'Condition("step size", 1 <= 2)', "the relation of 'step size' is True: write an inequality"),
    "equation": (STEP, STEP.replace("Le", "__import__('sympy').Eq"), "is Eq.* write an inequality"),
    "decimal": (STEP, STEP.replace("1 /", "1.5 /"), "has decimals, 1.5.*: write Rational"),
    "symbol": (STEP, STEP.replace("beta", "Symbol('b')"), "symbols without a meaning, b: make them"),
    "nothing": (STEP, 'Condition("step size")', "either a relation or a test"),
    "edition": ('"explicit"', '"explict"', "the name of an edition is 'explict': use one of printed, corrected"),
    "mark": ("Mark.REDERIVED", '"re-derived"', "give Mark.READ"),
    "dynamics": ('"gradient descent"', '"gradient decent"', "dynamics is 'gradient decent': use one of gradient desc"),
    "conclusion": ('concludes="exact fit",', "", "concludes is None: use one of exact fit"),
    "statements": ("(last_layer,)", "(last_layer)", "statements is a Statement: give a tuple of Statement"),
    "authors": ('("Author, An",)', '("Author, An")', "authors is 'Author, An': give a tuple of str"),
    "year": ("2026", "'2026'", "the year is '2026'"),
    "argument": ("(one_step, travel)", "(one_step, 3)", "arguments holds a int"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_place(write: Write, mistake: str) -> None:
    before, after, message = MISTAKES[mistake]
    assert FILE.count(before) >= 1
    text = FILE.replace(before, after).replace("from sympy import ", "from sympy import Symbol, ")
    path = write(text)
    with pytest.raises(ValueError, match=message) as refusal:
        theorem("example-last-layer")
    said = str(refusal.value)
    assert said.startswith(str(path)) and "\n" not in said
    if line := re.search(r", line (\d+)", said):
        assert 0 < int(line[1]) <= len(text.splitlines())


def test_a_mistake_in_an_argument_is_named_when_it_is_asked_for(write: Write) -> None:
    write(FILE.replace("(promise,) = edition.promises", "(promise,) = edition.promise"))
    with pytest.raises(ValueError, match="the argument travel of the explicit edition makes no obligation: Attribute"):
        _ = theorem("example-last-layer").edition("explicit").obligations
