"""Inertia of a symmetric matrix of balls by block LDL^T: no floating point, no code in common with bounds.linalg."""

import flint
from flint import arb, arb_mat


def negatives(m):
    """The number of negative eigenvalues, none being 0; None where the balls are too wide to say.

    That of a block plus that of its Schur complement (Haynsworth).
    """
    n = m.nrows()
    if n == 1:
        pivot = m[0, 0]
        return int(pivot < 0) if pivot > 0 or pivot < 0 else None
    rows, k = m.tolist(), n // 2
    block, beside, rest = (
        arb_mat([row[columns] for row in rows[lines]])
        for lines, columns in (
            (slice(k), slice(k)),
            (slice(k), slice(k, n)),
            (slice(k, n), slice(k, n)),
        )
    )
    first = negatives(block)
    if first is None:
        return None
    try:
        complement = rest - beside.transpose() * block.solve(beside)
    except ZeroDivisionError:
        return None
    second = negatives(complement)
    return None if second is None else first + second


def below(rows, value):
    """The number of eigenvalues below a number that is none of them; the working precision is a last resort."""
    shifted = [[entry - value if i == j else entry for j, entry in enumerate(row)] for i, row in enumerate(rows)]
    for bits in (192, int(flint.ctx.prec)):
        with flint.ctx.workprec(bits):
            count = negatives(arb_mat(shifted))
        if count is not None:
            return count
    return None


def encloses(rows, index, enclosure):
    """Whether the eigenvalue of that index (ascending, from 0) lies in an enclosure, up to 2^-160 of the matrix."""
    hair = max(abs(entry).upper() for row in rows for entry in row) * arb(2) ** -160 + arb(2) ** -1300
    lower, upper = below(rows, enclosure.ball.lower() - hair), below(rows, enclosure.ball.upper() + hair)
    return lower is not None and upper is not None and lower <= index < upper
