"""The assumptions behind a verdict, each with its test, what rests on it, and what to do where it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bounds.doctor import balls, elementwise, products, solvers
from bounds.doctor.findings import Finding, Outcome
from bounds.doctor.products import Multiply

FRESH_NUMPY = "install numpy from PyPI or conda-forge in a fresh environment"
FRESH_FLINT = "pip install --force-reinstall python-flint"
ANOTHER_BLAS = (
    "install numpy and scipy from PyPI or conda-forge, which bring OpenBLAS, in a fresh environment, and unset "
    "variables that let BLAS compute in another precision"
)


@dataclass(frozen=True)
class Assumption:
    """Something that proofs take as given about this machine.

    Args:
        name: what is assumed.
        tested: how it is tested.
        meaning: what rests on it.
        mend: what to do where it fails.
        test: looks for a counterexample.
    """

    name: str
    tested: str
    meaning: str
    mend: str
    test: Callable[[], Finding]


@dataclass(frozen=True)
class Check:
    """An assumption and what its test found; ``mend`` is empty where there is nothing to do."""

    name: str
    tested: str
    meaning: str
    outcome: Outcome
    seen: str
    mend: str


def assumptions(multiply: Multiply | None = None) -> tuple[Assumption, ...]:
    """Everything that is assumed of arithmetic and libraries.

    Args:
        multiply: the matrix product to test: a (m, k) and b (k, n) float64 to (m, n); those of numpy and of scipy,
            which proofs use, unless it is given.
    """

    def of_products(test: Callable[[Multiply], Finding]) -> Callable[[], Finding]:
        if multiply is not None:
            return lambda: test(multiply)
        return lambda: _of_both(test(np.matmul), test(products.scipy_product))

    return (
        Assumption(
            "numbers are IEEE 754 binary64",
            "format and bytes of float64",
            "every bound on a rounding error",
            "use another machine: nothing can be proved on this one",
            elementwise.format_of_floats,
        ),
        Assumption(
            "this thread rounds to nearest and keeps subnormals",
            "sums beside the middle between two floats; products below 2^-1022",
            "every bound on a rounding error; proofs refuse to start where it fails",
            "find the library that changed it (often one built with -ffast-math) and keep it out of this process",
            elementwise.this_thread,
        ),
        Assumption(
            "numpy rounds each operation once",
            "+ - * / sqrt on arrays, against exact rationals; ldexp, frexp, nextafter and rint against Python's",
            "entries of Gram matrices, residuals",
            FRESH_NUMPY,
            elementwise.elementwise_operations,
        ),
        Assumption(
            "numpy's sums are sums",
            "rows of integers to the bit, rows of mixed sizes against the exact sum and its bound",
            "norms and row sums",
            FRESH_NUMPY,
            elementwise.sums,
        ),
        Assumption(
            "matrix products add inner products in float64",
            "integers scaled along rows, columns and inner index, whose products are exact in any order, to the bit",
            "every bound on a residual; this excludes TF32, float32, Strassen's method, float64 emulated with few bits",
            ANOTHER_BLAS,
            of_products(products.exact_products),
        ),
        Assumption(
            "matrix products round to nearest on every thread",
            "inner products with one rounding, on and beside the middle between two floats",
            "every bound on a residual",
            ANOTHER_BLAS,
            of_products(products.rounded_products),
        ),
        Assumption(
            "matrix products stay within their bound",
            "random matrices of mixed sizes, against exact integers and the bound for inner products",
            "every bound on a residual",
            ANOTHER_BLAS,
            of_products(products.random_products),
        ),
        Assumption(
            "matrix products lose little by underflow",
            "subnormal factors and results",
            "the allowance for underflow, which has room for flushing to zero",
            ANOTHER_BLAS,
            of_products(products.subnormal_products),
        ),
        Assumption(
            "Arb's constants are right",
            "the decimals of known constants, in narrow balls of three precisions",
            "every scalar formula",
            FRESH_FLINT,
            balls.constants,
        ),
        Assumption(
            "Arb's balls enclose",
            "random formulas against exact rationals, and the floats that bound a ball",
            "every scalar formula and every verdict",
            FRESH_FLINT,
            balls.formulas,
        ),
        Assumption(
            "z3 and cvc5 know what is known",
            "two theorems and two satisfiable claims, put to both",
            "the algebra of explicit constants",
            'pip install --upgrade "zeroloss[prove]"',
            solvers.solvers,
        ),
    )


def _of_both(numpy: Finding, scipy: Finding) -> Finding:
    """What is found of the products of two libraries: the worse outcome, and what was seen of both if that differs."""
    if numpy == scipy:
        return numpy
    worse = max(numpy, scipy, key=lambda finding: ("holds", "allowed", "undecided", "fails").index(finding.outcome))
    return Finding(worse.outcome, f"numpy: {numpy.seen}; scipy: {scipy.seen}")


def check(assumption: Assumption) -> Check:
    """Test one assumption; a test that breaks down itself leaves it undecided."""
    try:
        finding = assumption.test()
    except Exception as error:  # whatever a broken library raises, the other tests are still worth running
        finding = Finding("undecided", f"the test broke down: {type(error).__name__}: {error}")
    mend = "" if finding.outcome in ("holds", "allowed") else assumption.mend
    return Check(assumption.name, assumption.tested, assumption.meaning, finding.outcome, finding.seen, mend)
