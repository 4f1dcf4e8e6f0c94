"""Statements: theorems and lemmas as data, and what they say about a problem.

A :class:`Statement` holds its *editions*: the text as printed, corrected where that is wrong, with every constant
explicit, and sharper ones. An :class:`Edition` assumes conditions and gives promises, both written as
sympy inequalities in the symbols of :mod:`bounds.quantities`.
"""

from bounds.statements.clauses import EPSILON as EPSILON
from bounds.statements.clauses import POSITIVE as POSITIVE
from bounds.statements.clauses import STEP_NOT_READ as STEP_NOT_READ
from bounds.statements.clauses import UNIT_ROWS as UNIT_ROWS
from bounds.statements.clauses import Condition as Condition
from bounds.statements.clauses import Promise as Promise
from bounds.statements.clauses import Rate as Rate
from bounds.statements.clauses import hypothesis as hypothesis
from bounds.statements.editions import INITIAL_RESIDUAL as INITIAL_RESIDUAL
from bounds.statements.editions import INITIAL_RESIDUAL_BOUND as INITIAL_RESIDUAL_BOUND
from bounds.statements.editions import Edition as Edition
from bounds.statements.editions import Event as Event
from bounds.statements.editions import Given as Given
from bounds.statements.editions import KnownError as KnownError
from bounds.statements.editions import Link as Link
from bounds.statements.editions import Mark as Mark
from bounds.statements.evaluation import Evaluation as Evaluation
from bounds.statements.paper import Paper as Paper
from bounds.statements.statement import Statement as Statement
