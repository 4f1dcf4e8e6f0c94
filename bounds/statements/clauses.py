"""The clauses of a statement: what it assumes, what it promises, and at which rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy
from sympy.core.relational import Relational

from bounds import quantities as q
from bounds.arithmetic import Outcome, Values, Verdict, decide
from bounds.rendering import latex
from bounds.statements.checked import inequality
from bounds.statements.missing import missing, unspecified

if TYPE_CHECKING:
    from bounds.problem import Problem


@dataclass(frozen=True)
class Condition:
    """Something an edition assumes.

    Args:
        name: short name, the row label of every table.
        relation: an inequality whose left side is the width, the step size or another quantity.
        test: in place of a relation, a decision about the problem itself.
        words: what a condition without a relation says in full.
    """

    name: str
    relation: Relational | None = None
    test: Callable[[Problem], Verdict] | None = None
    words: str = ""

    def __post_init__(self) -> None:
        if (self.relation is None) == (self.test is None):
            raise ValueError(f"the condition {self.name!r} is either a relation or a test: give one of them")
        if self.relation is not None:
            inequality(self.name, self.relation)

    @property
    def latex(self) -> str:
        """The condition as set in LaTeX."""
        return latex(self.relation) if self.relation is not None else rf"\text{{{self.name}}}"

    def decide(self, problem: Problem, values: Values) -> Verdict:
        """Decide the condition; a relation in a quantity that was not given is undecided."""
        if self.test is not None:
            return self.test(problem)
        assert self.relation is not None
        if open_ended := unspecified(self.relation):
            return Verdict(Outcome.UNDECIDED, reason=f"the paper does not specify {', '.join(map(str, open_ended))}")
        if absent := missing(self.relation, values):
            return Verdict(Outcome.UNDECIDED, reason=f"not given: {', '.join(q.MEANING[s] for s in absent)}")
        return decide(self.relation, values)


def hypothesis(name: str, words: str) -> Condition:
    """A condition that neither data nor numbers decide, such as labels without noise: it stays undecided.

    Args:
        name: short name.
        words: what it says in full.
    """
    return Condition(name, test=lambda _: Verdict(Outcome.UNDECIDED, reason=words), words=words)


def _unit_rows(problem: Problem) -> Verdict:
    return Verdict(Outcome.HOLDS, reason="rows are normalised exactly")


UNIT_ROWS = Condition("unit inputs", test=_unit_rows)
STEP_NOT_READ = hypothesis("step size", "the step is small enough; how small was not read")
POSITIVE = Condition("positive least eigenvalue", sympy.Gt(q.lambda_0, 0, evaluate=False))


@dataclass(frozen=True)
class Promise:
    """Something an edition concludes: an inequality between a measurable quantity and its bound.

    Args:
        name: short name, the row label of every table.
        relation: the inequality; its left side is the measurable side.
    """

    name: str
    relation: Relational

    def __post_init__(self) -> None:
        inequality(self.name, self.relation)

    @property
    def measured(self) -> sympy.Expr:
        """The side that an experiment can measure."""
        return self.relation.lhs

    @property
    def bound(self) -> sympy.Expr:
        """The side that the statement promises."""
        return self.relation.rhs


@dataclass(frozen=True)
class Rate:
    """Linear convergence: the residual norm to the given power shrinks by ``factor`` in each step or unit of time.

    Args:
        factor: the contraction factor.
        power: 2 where the paper speaks of the squared residual, 1 for the residual itself.
        clock: ``k`` for gradient descent, ``t`` for gradient flow.
    """

    factor: sympy.Expr
    power: int
    clock: sympy.Symbol

    @property
    def promise(self) -> Promise:
        """The promised curve, for every iteration or time."""
        return Promise(
            "convergence",
            sympy.Le(q.residual**self.power, self.factor**self.clock * q.e_0**self.power, evaluate=False),
        )

    @property
    def duration(self) -> sympy.Expr:
        """Steps (or time) after which the promised loss has fallen to a fraction ``epsilon`` of its start.

        The loss is half the squared residual, so it falls like factor^(2 clock / power).
        """
        return self.power * sympy.log(EPSILON) / (2 * sympy.log(self.factor))


EPSILON = sympy.Symbol("epsilon", positive=True)
"""The fraction of the initial loss that :attr:`Rate.duration` asks for."""
