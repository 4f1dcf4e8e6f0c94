"""Mutants of a paper's file, and whether its tests notice them.

A mutant is the paper's file with one number, operator, inequality or function changed. It is noticed if the file no
longer loads, if a formula differs from its retyped copy, if a counterexample no longer refutes the printed text, or if
a solver no longer proves an obligation. ``python -m tests.bounds.papers.mutations du2019_two_layer`` counts them all;
the test suite takes a sample.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import random
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import sympy

from bounds import arithmetic
from bounds.proofs import Obligation, prove_obligation
from tests.bounds.papers.retyped import Ranges, Retyped, clauses, differences, disagreement, points

SKIPPED = {"Paper", "KnownError", "Statement", "quantity", "Symbol", "symbols", "hypothesis"}
"""Calls whose own literals are names and words; what stands inside them as further calls is visited."""

SWAPS: dict[str, str] = {
    **{"Ge": "Le", "Le": "Ge", "Gt": "Lt", "Lt": "Gt"},
    **{"Max": "Min", "Min": "Max", "exp": "log", "sqrt": "Abs"},
    **{"large_constant": "small_constant", "small_constant": "large_constant"},
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


_NAMES = {name: getattr(sympy, name, None) or getattr(arithmetic, name) for name in {*SWAPS, *SWAPS.values()}}


@dataclass
class Mutant:
    """A paper's file with one place changed.

    Args:
        tree: the file.
        node: the place.
        in_function: whether it stands in a function, which runs later than the file.
    """

    tree: ast.Module
    node: ast.expr
    in_function: bool

    @property
    def what(self) -> str:
        """The change, with its line."""
        before = ast.unparse(self.node)
        with self._changed():
            return f"line {self.node.lineno}: {before} becomes {ast.unparse(self.node)}"

    def module(self) -> types.ModuleType:
        """The changed file, executed."""
        with self._changed():
            code = compile(self.tree, "mutant", "exec")
        module = types.ModuleType("mutant")
        module.__dict__.update(_NAMES, __name__="mutant")
        sys.modules["mutant"] = module  # dataclasses look their module up
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(code, module.__dict__)
        return module

    @contextmanager
    def _changed(self) -> Iterator[None]:
        kept = dict(self.node.__dict__)
        match self.node:
            case ast.Constant():
                self.node.value += 1
            case ast.BinOp():
                self.node.op = OPERATORS[type(self.node.op)]()
            case ast.UnaryOp():
                self.node.op = ast.UAdd()
            case ast.Name():
                self.node.id = SWAPS[self.node.id]
        yield
        self.node.__dict__.update(kept)


def mutants(paper: types.ModuleType) -> list[Mutant]:
    """Every mutant of a paper's file."""
    tree = ast.parse(inspect.getsource(paper))
    return [Mutant(tree, node, in_function) for node, in_function in _sites(tree)]


def _sites(tree: ast.Module) -> Iterator[tuple[ast.expr, bool]]:
    """Every place to change, and whether it stands in a function."""

    def visit(node: ast.AST, in_function: bool) -> Iterator[tuple[ast.expr, bool]]:
        in_function = in_function or isinstance(node, ast.FunctionDef)
        match node:
            case ast.Constant(value=int(number)) if number is not True and number is not False:
                yield node, in_function
            case ast.BinOp() if type(node.op) in OPERATORS:
                yield node, in_function
            case ast.UnaryOp(op=ast.USub()):
                yield node, in_function
            case ast.Call(func=ast.Name(id=name)) if name in SWAPS:
                yield node.func, in_function
        names = isinstance(node, ast.Call) and getattr(node.func, "id", "") in SKIPPED
        for child in ast.iter_child_nodes(node):
            words = isinstance(child, ast.keyword) and child.arg in _WORDS
            if not (
                words or isinstance(child, ast.JoinedStr | ast.Subscript) or names and isinstance(child, ast.Constant)
            ):
                yield from visit(child, in_function)

    for statement in tree.body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            yield from visit(statement, False)


_WORDS = {"year", "arxiv", "integer", "nonnegative", "planted", "network"}
"""Keywords whose values are no mathematics of the paper; a planted neighbour is held to be refuted."""


@cache
def _originals(paper: types.ModuleType) -> dict[tuple[str, str, str], tuple[str, object]]:
    return {clause: (left, formula) for clause, left, formula in clauses(paper)}


@cache
def _obligations(paper: types.ModuleType) -> dict[tuple[str, str, str], Obligation]:
    return dict(_named_obligations(paper))


def _named_obligations(module: types.ModuleType) -> Iterator[tuple[tuple[str, str, str], Obligation]]:
    for statement in module.PAPER.statements:
        for edition in statement.editions:
            for obligation in edition.obligations:
                yield (statement.name, edition.name, obligation.name), obligation


def noticed(mutant: Mutant, paper: types.ModuleType, retyped: Retyped, at: list[dict[str, Fraction]]) -> bool:
    """Whether the tests of a paper would fail on the mutant."""
    try:
        module = mutant.module()
        originals = _originals(paper)
        changed = {clause: (left, formula) for clause, left, formula in clauses(module)}
        if changed.keys() != originals.keys():
            return True
        for clause, (left, formula) in changed.items():
            if (left, formula) != originals[clause] and disagreement(clause, left, formula, retyped, at):
                return True
        if mutant.in_function and counterexamples(module, retyped):
            return True
        now = dict(_named_obligations(module))
    except Exception:  # a mutant that does not load or evaluate fails any test
        return True
    if now.keys() != _obligations(paper).keys():
        return True
    different = (o for key, o in now.items() if o != _obligations(paper)[key])
    return not all(prove_obligation(obligation, timeout=1).proved_by for obligation in different)


def counterexamples(module: types.ModuleType, retyped: Retyped) -> list[str]:
    """What is wrong with the counterexamples of a paper: none refutes, or its sides are not the retyped ones."""
    wrong = []
    for statement in module.PAPER.statements:
        for error in statement.errors:
            if error.counterexample is None:
                continue
            verdict = error.counterexample()
            if not verdict.fails:
                wrong.append(f"{statement.name}: the counterexample refutes nothing, {verdict}")
            for name, side in (("left", verdict.left), ("right", verdict.right)):
                key = (statement.name, "counterexample", name)
                if key not in retyped:
                    wrong.append(f"{key} is not retyped: {side}")
                elif abs(float(retyped[key][1](None)) / side.midpoint - 1) > 1e-6:
                    wrong.append(f"{key} differs: {side}")
    return wrong


def survivors(
    paper: types.ModuleType, retyped: Retyped, ranges: Ranges, *, sample: int | None = None
) -> tuple[int, list[str]]:
    """Count mutants and list those that nothing notices.

    Args:
        paper: the module.
        retyped: its formulas, typed a second time.
        ranges: see :func:`tests.bounds.papers.retyped.points`.
        sample: how many to try, drawn with a fixed seed; all if not given.
    """
    chosen = mutants(paper)
    if sample is not None and len(chosen) > sample:
        chosen = random.Random(0).sample(chosen, sample)
    at = points(paper, ranges)
    assert not differences(paper, retyped, at) and not counterexamples(paper, retyped), "the paper itself fails"
    return len(chosen), [m.what for m in chosen if not noticed(m, paper, retyped, at)]


def main(name: str) -> None:
    """Print the score of one paper."""
    paper = importlib.import_module(f"bounds.papers.{name}")
    test = importlib.import_module(f"tests.bounds.papers.test_{name}")
    count, alive = survivors(paper, test.RETYPED, getattr(test, "RANGES", {}))
    print("\n".join(alive))
    print(f"{name}: {count - len(alive)} of {count} mutants noticed ({100 * (1 - len(alive) / count):.1f} %)")


if __name__ == "__main__":
    main(sys.argv[1])
