"""Each test of an assumption fails where the assumption is broken, and holds where it is not."""

import importlib.util
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import flint
import numpy as np
import pytest
from flint import arb

from bounds.doctor import Assumption, Finding, assumptions, balls, check, elementwise, products, solvers
from tests.bounds.floating_point import DEFAULT, DOWN, FLUSH, SUBNORMALS_ARE_ZERO, UP, in_thread

ROOT = Path(__file__).parents[2]


def test_everything_holds_here():
    names = [assumption.name for assumption in assumptions()]
    assert len(set(names)) == len(names) >= 11
    for assumption in assumptions():
        found = check(assumption)
        allowed = ("holds", "skipped") if "z3" in found.name else ("holds",)
        assert found.outcome in allowed, found
        assert found.seen and found.tested and found.meaning
        assert bool(found.mend) == (found.outcome == "skipped")


# Matrix products


def float32(a, b):
    return (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float64)


def tf32(a, b):
    return float32(*(np.ldexp(np.rint(np.ldexp(m, 11)), e - 11) for m, e in map(np.frexp, (a, b))))


def float32_sums(a, b):
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        total += np.multiply.outer(a[:, k], b[k]).astype(np.float32)
    return total.astype(np.float64)


def strassen(a, b):
    """One level of Strassen's method, in float64."""
    if any(size % 2 for size in (*a.shape, *b.shape)):
        return a @ b
    (p, q, r, s), (t, u, v, w) = ([x for y in np.vsplit(m, 2) for x in np.hsplit(y, 2)] for m in (a, b))
    one, two, three = (p + s) @ (t + w), (r + s) @ t, p @ (u - w)
    four, five, six, seven = s @ (v - t), (p + q) @ w, (r - p) @ (t + u), (q - s) @ (v + w)
    return np.block([[one + four - five + seven, three + five], [two + four, one - two + three + six]])


def emulated(a, b, bits=58):
    """Fixed point below the largest entry of a row and of a column, as products from integer units are built."""

    def kept(x, axis):
        unit = np.ldexp(1.0, np.frexp(np.abs(x).max(axis=axis, keepdims=True))[1] - bits)
        return np.rint(x / unit) * unit

    return kept(a, 1) @ kept(b, 0)


def one_wrong_entry(a, b):
    c = a @ b
    c[-1, -1] = np.nextafter(c[-1, -1], np.inf)
    return c


def no_number(a, b):
    c = a @ b
    c[len(c) // 2] = np.nan
    return c


def long_double(a, b):
    return (a.astype(np.longdouble) @ b.astype(np.longdouble)).astype(np.float64)


def half_in_a_thread(register):
    """A product the lower half of which comes from a thread with another control register."""

    def multiply(a, b):
        half = len(a) // 2
        return np.vstack([a[:half] @ b, in_thread(register, lambda: a[half:] @ b)])

    return multiply


@pytest.mark.parametrize("multiply", [float32, tf32, float32_sums, strassen, emulated, one_wrong_entry, no_number])
def test_products_that_are_no_inner_products_fail_the_integers(multiply):
    with np.errstate(all="ignore"):
        finding = products.exact_products(multiply)
    assert finding.outcome == "fails" and "differ" in finding.seen


@pytest.mark.parametrize("multiply", [float32, tf32, float32_sums, emulated])
def test_products_beyond_their_bound_fail(multiply):
    assert products.random_products(multiply).outcome == "fails"


def test_a_product_that_is_no_number_fails():
    assert products.random_products(lambda a, b: np.full((len(a), b.shape[1]), np.nan)).outcome == "fails"


def test_the_bound_of_random_products_is_the_one_for_inner_products():
    """Every entry at 1.01 of its bound fails, every entry at 0.9 of it holds."""
    gamma = products.INNER * 2.0**-53

    def off_by(share):
        return lambda a, b: a @ b + share * gamma * (np.abs(a) @ np.abs(b))

    assert products.random_products(off_by(1.01)).outcome == "fails"
    assert products.random_products(off_by(0.9)).outcome == "holds"


@pytest.mark.parametrize("register", [UP, DOWN], ids=["up", "down"])
def test_a_thread_that_rounds_another_way_fails(register):
    assert products.rounded_products(half_in_a_thread(register)).outcome == "fails"
    assert products.rounded_products(half_in_a_thread(DEFAULT)).outcome == "holds"


@pytest.mark.skipif(np.finfo(np.longdouble).nmant != 63, reason="needs the 64-bit mantissa of x87")
def test_rounding_twice_fails():
    assert products.rounded_products(long_double).outcome == "fails"


def test_chopped_products_fail():
    """Sums of heads alone."""
    assert products.rounded_products(lambda a, b: np.where(np.abs(a) < 2.0**-50, 0.0, a) @ b).outcome == "fails"


@pytest.mark.parametrize("register", [FLUSH, SUBNORMALS_ARE_ZERO])
def test_a_thread_that_flushes_is_noticed_and_allowed(register):
    finding = products.subnormal_products(half_in_a_thread(register))
    assert finding.outcome == "allowed" and "flushed" in finding.seen


def test_losing_more_than_underflow_fails():
    def lossy(a, b):
        c = a @ b
        return np.where(np.abs(c) < 2.0**-980, 2.0**-980, c)

    assert products.subnormal_products(lossy).outcome == "fails"
    assert products.subnormal_products(no_number).outcome == "fails"


INHERITED = """
from tests.bounds.floating_point import DEFAULT, set_register
set_register({register})
import numpy as np
np.ones((600, 600)) @ np.ones((600, 600))  # BLAS has its threads now, and they have this register
set_register(DEFAULT)
from bounds.doctor import products
print(*(test(np.matmul).outcome for test in (products.rounded_products, products.subnormal_products)))
"""


@pytest.mark.parametrize(
    ("register", "outcomes"),
    [(DEFAULT, "holds holds"), (UP, "fails holds"), (DOWN, "fails holds"), (FLUSH, "holds allowed")],
    ids=["default", "up", "down", "flush"],
)
def test_the_threads_of_blas_itself_are_looked_at(register, outcomes):
    """Threads inherit the control register of the one that starts them, which has the default again by then."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    if "openblas" not in blas or (os.cpu_count() or 1) < 2:
        pytest.skip("needs two cores and an OpenBLAS with threads of its own")
    in_thread(DEFAULT, lambda: None)  # skips where the register cannot be set
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    code = INHERITED.format(register=register)
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == outcomes, done.stderr


# Elementwise operations


@pytest.mark.parametrize("register", [FLUSH, SUBNORMALS_ARE_ZERO, UP, DOWN])
def test_a_thread_with_other_arithmetic_fails(register):
    assert in_thread(register, elementwise.this_thread).outcome == "fails"


@pytest.mark.parametrize("register", [UP, DOWN])
def test_operations_that_round_another_way_fail(register):
    assert in_thread(register, elementwise.elementwise_operations).outcome == "fails"


def in_float32(operation):
    return lambda x, y, out=None: operation(x, y, dtype=np.float32, casting="same_kind").astype(float)


def an_ulp_off(operation):
    def compute(x, y, out=None):
        result = operation(x, y, out=out)
        result[-1] = np.nextafter(result[-1], np.inf)
        return result

    return compute


@pytest.mark.parametrize("name", elementwise.BINARY)
@pytest.mark.parametrize("spoilt", [in_float32, an_ulp_off])
def test_an_operation_that_rounds_wrongly_fails(monkeypatch, name, spoilt):
    compute, exact = elementwise.BINARY[name]
    monkeypatch.setitem(elementwise.BINARY, name, (spoilt(compute), exact))
    finding = elementwise.elementwise_operations()
    assert finding.outcome == "fails" and f" {name} " in finding.seen


def test_a_root_an_ulp_off_fails(monkeypatch):
    root = np.sqrt
    monkeypatch.setattr(np, "sqrt", lambda x: np.nextafter(root(x), np.inf))
    finding = elementwise.elementwise_operations()
    assert finding.outcome == "fails" and "root" in finding.seen


@pytest.mark.parametrize("name", elementwise.EXACT)
def test_a_function_that_is_not_exact_fails(monkeypatch, name):
    whole, single = elementwise.EXACT[name]
    monkeypatch.setitem(elementwise.EXACT, name, (lambda x: np.where(x == x[-1], x + 1, whole(x)), single))
    finding = elementwise.elementwise_operations()
    assert finding.outcome == "fails" and name in finding.seen


@pytest.mark.parametrize("name", elementwise.SUMS)
@pytest.mark.parametrize("spoil", [lambda a: a.astype(np.float32), lambda a: a * (1 + 2.0**-30), lambda a: a[:, 1:]])
def test_a_sum_beyond_its_bound_fails(monkeypatch, name, spoil):
    add = elementwise.SUMS[name]
    monkeypatch.setitem(elementwise.SUMS, name, lambda a: add(spoil(a)))
    finding = elementwise.sums()
    assert finding.outcome == "fails" and name in finding.seen


def test_another_format_of_floats_fails(monkeypatch):
    monkeypatch.setattr(elementwise.sys, "float_info", SimpleNamespace(radix=16, mant_dig=14, min_exp=-64, max_exp=63))
    assert elementwise.format_of_floats().outcome == "fails"


def test_nearest_root_is_the_nearest():
    assert elementwise._is_nearest_root(2.0, 2.0**0.5)
    assert not elementwise._is_nearest_root(2.0, np.nextafter(2.0**0.5, 2))


# Balls


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lambda: arb.pi() + 2.0**-40, "misses"),
        (lambda: arb(3.1415926535897931), "misses"),
        (lambda: arb(3.14, 0.1), "wider"),
    ],
)
def test_a_constant_that_is_wrong_or_vague_fails(monkeypatch, lie, words):
    monkeypatch.setitem(balls.CONSTANTS, "pi", (lie, balls.PI))
    finding = balls.constants()
    assert finding.outcome == "fails" and words in finding.seen


def test_balls_without_a_radius_fail(monkeypatch):
    class Point(flint.arb):
        def __add__(self, other):
            return Point((flint.arb(self) + other).mid())

        def __mul__(self, other):
            return Point((flint.arb(self) * other).mid())

    monkeypatch.setattr(balls, "arb", Point)
    assert "misses" in balls.formulas().seen


def test_floats_that_do_not_bound_their_ball_fail(monkeypatch):
    def inward(ball):
        return SimpleNamespace(lower=float(ball.mid()), upper=float(ball.mid()))

    monkeypatch.setattr(balls, "Enclosure", inward)
    finding = balls.formulas()
    assert finding.outcome == "fails" and "bound" in finding.seen


def test_ends_of_a_ball_are_exact():
    ball = arb(0.1, 0.25)
    low, high = balls._ends(ball)
    assert low + high == 2 * Fraction(0.1)
    assert high - low >= Fraction(1, 2) and arb(float(high - low)) == 2 * ball.rad()


# Solvers


def answering(outcome):
    return lambda script, timeout: (SimpleNamespace(solver="z3", outcome=outcome, reason="timeout"),)


@pytest.mark.parametrize(
    ("outcome", "expected"), [("sat", "fails"), ("unsat", "fails"), ("unknown", "undecided")], ids=str
)
def test_solvers_that_answer_wrongly_fail_and_silence_decides_nothing(monkeypatch, outcome, expected):
    monkeypatch.setattr(solvers, "find_spec", lambda name: True)
    monkeypatch.setattr(solvers, "ask", answering(outcome))
    assert solvers.solvers().outcome == expected


def test_absent_solvers_are_skipped(monkeypatch):
    monkeypatch.setattr(solvers, "find_spec", lambda name: None if name == "cvc5" else True)
    finding = solvers.solvers()
    assert finding.outcome == "skipped" and finding.seen.endswith("cvc5")


def test_solvers_here_know_what_is_known():
    if not all(importlib.util.find_spec(name) for name in ("z3", "cvc5")):
        pytest.skip("z3 and cvc5 are not installed")
    assert solvers.solvers().outcome == "holds"


# The whole


def test_a_test_that_breaks_down_decides_nothing():
    def broken():
        raise MemoryError("no room")

    found = check(Assumption("name", "tested", "meaning", "mend", broken))
    assert found.outcome == "undecided" and "no room" in found.seen and found.mend == "mend"


@pytest.mark.parametrize("outcome", ["fails", "skipped", "undecided"])
def test_what_does_not_hold_has_a_mend(outcome):
    assert check(Assumption("name", "tested", "meaning", "mend", lambda: Finding(outcome, "seen"))).mend == "mend"


def test_the_product_to_test_is_a_choice():
    outcomes = {c.name: c.outcome for c in map(check, assumptions(float32)) if "products" in c.name}
    assert len(outcomes) == 4 and outcomes["matrix products add inner products in float64"] == "fails"


@pytest.mark.parametrize("name", ["exact", "rounded", "random", "subnormal"])
def test_products_of_numpy_and_of_scipy_are_both_tested(monkeypatch, name):
    """One that is wrong is enough, whichever it is, and the finding says which."""
    index = ("exact", "rounded", "random", "subnormal").index(name)
    test = f"{name}_products"

    def ours():
        return [a for a in assumptions() if "matrix products" in a.name][index].test()

    assert ours().outcome == "holds"
    for bad, good in ((np.matmul, "scipy"), (products.scipy_product, "numpy")):
        found = {bad: Finding("fails", "wrong")}
        monkeypatch.setattr(products, test, lambda multiply, f=found: f.get(multiply, Finding("holds", "right")))
        assert ours().outcome == "fails" and f"{good}: right" in ours().seen
        monkeypatch.undo()


def test_the_product_of_scipy_is_a_product():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 3)), rng.standard_normal((3, 4))
    assert np.allclose(products.scipy_product(a, b), a @ b, rtol=1e-14, atol=1e-14)
