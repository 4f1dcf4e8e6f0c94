"""What labels the flow of an ordinary differential equation can fit on a line.

Solutions do not cross: in one dimension x -> Z(1; x) increases strictly, whatever the vector field, and with g' != 0
the output g(Z) is strictly monotone. Labels that are not leave a loss which no training goes below: the least mean of
(1/2)(u_i - y_i)^2 over u_1 <= ... <= u_n, found exactly by pooling adjacent violators (Ayer et al. 1955).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from bounds.arithmetic import Exact, Outcome, Verdict, compare
from bounds.problem import Problem


def increasing_floor(inputs: Sequence[Exact], labels: Sequence[Exact]) -> Fraction:
    """The infimum of the mean of (1/2)(u(x_i) - y_i)^2 over increasing functions u, exactly.

    Args:
        inputs: n numbers on the line, at face value; equal ones share their output.
        labels: n numbers.

    Returns:
        Zero exactly where the labels do not decrease; it is attained by strictly increasing u only if they increase.

    Raises:
        ValueError: no inputs, or another number of labels.
    """
    if not inputs or len(inputs) != len(labels):
        raise ValueError(f"{len(inputs)} inputs and {len(labels)} labels: give each input one label")
    pools: list[tuple[Fraction, int]] = []
    for x in sorted(set(inputs)):
        here = [Fraction(y) for at, y in zip(inputs, labels, strict=True) if at == x]
        total, size = sum(here, Fraction(0)), len(here)
        while pools and pools[-1][0] / pools[-1][1] > total / size:
            before, more = pools.pop()
            total, size = total + before, size + more
        pools.append((total, size))
    squares = sum((Fraction(y) ** 2 for y in labels), Fraction(0))
    return (squares - sum((total**2 / size for total, size in pools), Fraction(0))) / (2 * len(labels))


def floor_on_a_line(problem: Problem) -> Fraction:
    """The floor of a problem with inputs on a line; zero, of which nothing follows, in more than one dimension."""
    if problem.d > 1:
        return Fraction(0)
    return increasing_floor(problem.X[:, 0].tolist(), problem.y.tolist())


def attained_on_a_line(problem: Problem) -> Verdict:
    """Whether labels are strictly monotone in inputs on a line, as exact fit by a flow map asks.

    Returns:
        *Fails* with the least increment of the labels, taken in the better of the two directions; *undecided* in more
        than one dimension.
    """
    X, y = problem.X, problem.y
    if problem.d > 1:
        return Verdict(Outcome.UNDECIDED, reason="decided for inputs on a line only")
    points = sorted({(Fraction(float(x)), Fraction(float(label))) for x, label in zip(X[:, 0], y, strict=True)})
    pairs = [(after[0] - before[0], after[1] - before[1]) for before, after in zip(points, points[1:], strict=False)]
    if not pairs:
        return Verdict(Outcome.HOLDS, reason="one input")
    rises = [rise if step else Fraction(0) for step, rise in pairs]
    return compare(max(min(rises), -max(rises)), ">", 0)
