r"""The width at which descent is proved to reach zero loss, beside what is asked and measured, by network family.

Families are never mixed: the theorem's widths stand beside its own ReLU networks. Beside the tanh networks, which start
at zero output, stands the best bound that looks at the start alone: the theorem of
:mod:`bounds.certificates.newton_kantorovich` with L = beta ||X|| / sqrt(m), rho = ||y|| and the Gram matrix of the
infinite width for J J^T. For unit rows and steps so short that c = 1, h < 1 reads

    m > 4 beta^2 ||X||^2 ||y||^2 / lambda_min^2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import flint
from sympy.core.relational import Relational

from bounds import linalg
from bounds import quantities as q
from bounds.activations.smooth import TANH
from bounds.arithmetic import PRECISION, Enclosure, HiddenConstant, NoNumber
from bounds.problem import Problem
from bounds.rendering import latex
from bounds.settings import TwoLayer
from bounds.statements import Statement
from empirical.certified import FALL, Aim, Count, LeastSuccess, least_success
from empirical.searches import CONFIDENCE
from reports.measurement import SEARCH_SEEDS, Effort, Progress
from reports.schema import AskedWidth, EditionRow, Number, ProvedNetwork, ProvedWidthRow, WidthTrial

if TYPE_CHECKING:
    from empirical.store import Store

WORK = 4e9
"""Weights times inputs times steps of one draw of the narrowest width tried: more steps are not allowed."""

TRAINING_SHARE = 0.4
"""Of the budget of the proofs, what training at their widths may take."""


@dataclass(frozen=True)
class Family:
    """Networks whose widths are compared with one another.

    Args:
        activation: of the hidden layer, which is trained.
        centred: whether the outputs at the start are subtracted.
        setting: at length.
        steps_share: of the steps allowed; those of ReLU networks are followed at twice the precision.
    """

    activation: str
    centred: bool
    setting: str
    steps_share: float


RELU = Family("ReLU", False, str(TwoLayer()), 0.4)
SMOOTH = Family("tanh", True, f"{TwoLayer(activation=TANH)}, outputs at the start subtracted", 1.0)


def proved_width_rows(
    problem: Problem,
    statement: Statement,
    editions: Sequence[EditionRow],
    effort: Effort,
    *,
    store: Store | None,
    progress: Progress,
) -> Iterator[ProvedWidthRow]:
    """Search the proved and the measured width of each family; every draw goes to the store.

    Args:
        problem: data, labels and confidence; nothing is searched where the statement says nothing of them.
        statement: the theorem whose networks the ReLU family are.
        editions: of the record.
        effort: how long and how far draws are followed.
        store: where draws are kept and taken from.
        progress: called with (stage, done, total).
    """
    if problem.degeneracy is not None:
        return
    asked = [row for row in editions if row.identifier == statement.identifier and row.width is not None]
    yield _row(problem, RELU, [_asked(statement, row) for row in asked], effort, store, progress)
    static = static_width(problem)
    yield _row(problem, SMOOTH, [] if static is None else [static], effort, store, progress)


def static_width(problem: Problem) -> AskedWidth | None:
    """The width that the best bound at the start asks of tanh networks; None where lambda_min is not positive."""
    assert TANH.smoothness is not None
    try:
        matrix = problem.gram(TwoLayer(activation=TANH))
    except NoNumber:
        return None
    least = linalg.least_eigenvalue(matrix.midpoint, matrix.radius)
    if not least.lower > 0:
        return None
    values = problem.values()
    with flint.ctx.workprec(PRECISION):
        ratio = TANH.smoothness.ball * values[q.X_norm].ball * values[q.y_norm].ball / least.ball
        width = Enclosure(4 * ratio**2)
    return AskedWidth(
        statement="the best bound at the start (with the Gram matrix of infinite width)",
        edition="",
        latex=r"m > 4 \beta^{2} \lVert X\rVert^{2} \lVert y\rVert^{2} / \lambda_{\min}^{2}",
        hidden_constants=(),
        width=Number.enclosed(width),
    )


def _asked(statement: Statement, row: EditionRow) -> AskedWidth:
    """A width of the theorem, with its formula where one condition gives it."""
    assert row.width is not None
    conditions = [c.relation for c in statement.edition(row.edition).assumes if isinstance(c.relation, Relational)]
    of_width = [relation for relation in conditions if relation.lhs == q.m]
    hidden = {str(s) for relation in of_width for s in relation.rhs.free_symbols if isinstance(s, HiddenConstant)}
    return AskedWidth(
        statement=row.statement,
        edition=row.edition,
        latex=latex(of_width[0]) if len(of_width) == 1 else "",
        hidden_constants=tuple(sorted(hidden)),
        width=row.width,
    )


def _row(
    problem: Problem,
    family: Family,
    asked: Sequence[AskedWidth],
    effort: Effort,
    store: Store | None,
    progress: Progress,
) -> ProvedWidthRow:
    narrowest = math.ceil(problem.n / problem.d) * problem.d
    most_steps = max(1, int(family.steps_share * min(effort.proof_steps, WORK / (narrowest * problem.n))))

    def search(aim: Aim, seconds: float) -> LeastSuccess:
        return least_success(
            problem,
            aim,
            activation=family.activation.lower(),
            centred=family.centred,
            most_steps=most_steps,
            seeds=range(SEARCH_SEEDS),
            budget_seconds=seconds,
            progress=_within(progress, f"{family.activation} networks {aim}, of a budget", seconds),
            store=store,
        )

    proved = search("proved", effort.proof_seconds)
    measured = search("trained", TRAINING_SHARE * effort.proof_seconds)
    best = proved.narrowest
    return ProvedWidthRow(
        family=family.activation,
        setting=family.setting,
        asked=tuple(asked),
        proved=_interval(proved),
        measured=_interval(measured),
        narrowest=None
        if best is None or best.reached is None or best.path is None
        else ProvedNetwork(best.draw.width, best.draw.seed, best.step_size, best.reached, best.path),
        most_steps=most_steps,
        fall=FALL,
        proved_trials=tuple(map(_trial, proved.counts)),
        measured_trials=tuple(map(_trial, measured.counts)),
        proved_seconds=proved.seconds,
        measured_seconds=measured.seconds,
        remarks=tuple(
            f"{what}: {found.remark}" for what, found in (("proofs", proved), ("training", measured)) if found.remark
        ),
    )


def _within(progress: Progress, stage: str, total: float) -> Callable[[float], None]:
    """Progress of one search: the seconds spent of those it may take."""
    progress(stage, 0, total)
    return lambda spent: progress(stage, min(spent, total), total)


def _interval(found: LeastSuccess) -> Number:
    upper = math.inf if found.upper is None else found.upper
    # the least width lies above every width known to fail
    return Number.estimated(found.lower + 1, upper, confidence=CONFIDENCE, samples=SEARCH_SEEDS)


def _trial(count: Count) -> WidthTrial:
    return WidthTrial(count.width, count.held, count.refuted, count.trials, *count.limits)
