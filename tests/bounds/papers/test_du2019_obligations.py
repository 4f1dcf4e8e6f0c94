"""The constants of Du et al. (2019) are proved by both solvers, and no other constants are."""

import ast
import inspect
import sys
import types
from unittest.mock import patch

import pytest
from sympy import Rational

from bounds.papers import du2019_two_layer, du2019_two_layer_flow, du2019_two_layer_gram, du2019_two_layer_joint
from bounds.proofs import Step, prove_obligation
from bounds.proofs.smtlib import Script
from bounds.proofs.solvers import ask

pytest.importorskip("z3")
pytest.importorskip("cvc5")

PROVED = ("explicit", "improved", "sharp")


def obligations(module):
    """Every obligation, by statement, edition and name."""
    return {
        (statement.name, edition.name, obligation.name): obligation
        for statement in module.PAPER.statements
        for edition in statement.editions
        for obligation in edition.obligations
    }


PARTS = (du2019_two_layer_gram, du2019_two_layer_flow, du2019_two_layer_joint, du2019_two_layer)
"""Each imports from those before it alone."""
ORIGINAL = {key: obligation for part in PARTS for key, obligation in obligations(part).items()}


@pytest.mark.parametrize("key", ORIGINAL, ids="-".join)
def test_both_solvers_prove_it_and_refute_its_neighbour(key):
    proof = prove_obligation(ORIGINAL[key])
    assert proof.status == "proved by z3 and cvc5"
    assert proof.planted.counterexample is not None


def test_every_edition_that_asks_for_a_width_is_proved_in_full():
    needed = {"initial Gram", "Gram drift", "least eigenvalue", "travel", "travel below radius"}
    for theorem in (du2019_two_layer_flow.flow, du2019_two_layer_joint.joint, du2019_two_layer.descent):
        for edition in theorem.editions:
            if edition.name in PROVED:
                names = {obligation.name.partition(" by ")[0] for obligation in edition.obligations}
                rate = "one step" if theorem is du2019_two_layer.descent else "rate of the flow"
                assert needed | {rate, "union of events", "initial residual"} <= names


# --- A changed constant makes a proof fail ----------------------------------------------------------------------------
#
# The modules are read again with one number changed, a little up and a little down. At least one of the two must lose a
# proof: a constant that could be moved both ways unnoticed would not be tied to the argument at all.


class _Change(ast.NodeTransformer):
    def __init__(self, position, factor, shift):
        self.position, self.factor, self.shift, self.exponents = position, factor, shift, set()

    def visit_BinOp(self, node):
        if isinstance(node.op, ast.Pow):
            self.exponents.add(id(node.right))
        return self.generic_visit(node)

    def visit_Constant(self, node):
        if (node.lineno, node.col_offset) != self.position:
            return node
        if id(node) in self.exponents:
            return ast.copy_location(ast.Constant(node.value + self.shift), node)
        return ast.parse(f"Q({node.value * self.factor}, 20)", mode="eval").body


def changed(part, position, factor, shift):
    """The modules of the paper from one on, with the number at a position of that one's source changed."""
    modules = []
    with patch.dict(sys.modules):
        for original in PARTS[PARTS.index(part) :]:
            tree = ast.parse(inspect.getsource(original))
            if original is part:
                tree = ast.fix_missing_locations(_Change(position, factor, shift).visit(tree))
            module = sys.modules[original.__name__] = types.ModuleType(original.__name__)
            module.__dict__["Q"] = Rational
            exec(compile(tree, original.__file__, "exec"), module.__dict__)
            modules.append(module)
    return modules


def follows(obligation):
    """Whether a solver still proves every step and the claim."""
    known = obligation.given
    for step in (*obligation.steps, Step("claim", obligation.claim)):
        script = Script()
        for relation in known:
            script.assume(relation, "given")
        script.refute(step.claim, "denial")
        if all(answer.outcome != "unsat" for answer in ask(script.text(), timeout=1)):
            return False
        known = (*known, step.claim)
    return True


def survives(part, position, factor, shift):
    """Whether every obligation is still proved."""
    return all(
        follows(obligation)
        for module in changed(part, position, factor, shift)
        for key, obligation in obligations(module).items()
        if obligation != ORIGINAL[key]
    )


FACTS = {
    *("travel_printed", "joint_travel_printed", "joint_output_travel_printed"),
    *("output_radius_printed", "joint_radius_printed", "STABILITY"),
    *("BY_MARKOV", "BY_CHERNOFF", "KINKS_BY_MARKOV", "KINKS_BY_CHERNOFF", "output_drift", "JOINT_GRADIENT"),
}
"""What is not derived: printed text, and facts of analysis from which the constants follow."""


def numbers(part):
    """The place in a module of every number other than 0 in the explicit constants, conditions, promises and rates."""

    def walk(node):
        name = getattr(getattr(node, "func", None), "id", "")
        if name in ("KnownError", "Paper", "_chain") or name == "Edition" and node.args[0].value not in PROVED:
            return
        if name == "Rate":
            yield from walk(node.args[0])
        elif isinstance(node, ast.Constant) and type(node.value) is int and node.value:
            yield node.lineno, node.col_offset
        elif not isinstance(node, ast.Subscript):
            for child in ast.iter_child_nodes(node):
                yield from walk(child)

    for node in ast.parse(inspect.getsource(part)).body:
        if isinstance(node, ast.Assign) and node.targets[0].id not in FACTS:
            yield from walk(node.value)


NUMBERS = [(part, position) for part in PARTS for position in sorted(numbers(part))]


def test_numbers_are_found():
    assert len(NUMBERS) > 100


@pytest.mark.parametrize(("part", "position"), NUMBERS, ids=lambda p: getattr(p, "__name__", str(p)))
def test_a_changed_constant_loses_a_proof(part, position):
    """By a tenth; where the argument leaves slack, by a factor 2."""
    assert not all(survives(part, position, *change) for change in ((22, 1), (18, -1), (40, 2), (10, -2)))
