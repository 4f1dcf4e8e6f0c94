"""Compiled products against sums in extended precision, for vectors of either width."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from empirical import compiled_products
from empirical.compiled_products import compiled, multiplied
from empirical.machine_code import vector_bytes

pytestmark = pytest.mark.skipif(vector_bytes() is None, reason="this processor has no fused multiplication of vectors")
kernels = st.builds(compiled, st.sampled_from([4, 8]), st.sampled_from([32, 64]))
sides, depths = st.integers(0, 60), st.one_of(st.integers(0, 40), st.integers(250, 270), st.integers(508, 516))


@st.composite
def matrices(draw, rows, columns):
    """Standard normal ones, their rows or columns side by side, or neither."""
    rng, layout = (
        np.random.default_rng(draw(st.integers(0, 2**32))),
        draw(st.sampled_from(["rows", "columns", "apart"])),
    )
    if layout == "apart":
        return torch.tensor(rng.standard_normal((rows, 2 * columns)))[:, ::2]
    matrix = torch.tensor(rng.standard_normal((rows, columns) if layout == "rows" else (columns, rows)))
    return matrix if layout == "rows" else matrix.T


@st.composite
def factors(draw):
    kernel, (m, k, n) = draw(kernels), draw(st.tuples(sides, depths, st.one_of(sides, st.integers(100, 500))))
    kind = {4: torch.float32, 8: torch.float64}[kernel.itemsize]
    return kernel, draw(matrices(m, k)).to(kind), draw(matrices(k, n)).to(kind)


@given(factors(), st.integers(0, 30))
@settings(max_examples=120, deadline=None)
def test_the_error_is_that_of_a_sum(problem, diagonal):
    kernel, A, B = problem
    m, n = len(A), B.shape[1]
    found = multiplied(kernel, A, B)
    assert found.dtype == A.dtype and found.is_contiguous()
    a, b = A.numpy().astype(np.longdouble), B.numpy().astype(np.longdouble)
    roundings = A.shape[1] * torch.finfo(A.dtype).eps / 2
    bound = roundings / (1 - roundings) * (np.abs(a) @ np.abs(b))
    assert (np.abs(found.numpy() - a @ b) <= bound * 1.001).all()
    needed = torch.tensor(np.tri(m, n, diagonal, dtype=bool))
    assert torch.equal(multiplied(kernel, A, B, diagonal)[needed], found[needed])


@given(factors())
@settings(max_examples=40, deadline=None)
def test_an_entry_depends_on_its_row_and_column_alone(problem):
    kernel, A, B = problem
    found = multiplied(kernel, A, B)
    assert torch.equal(multiplied(kernel, A, B), found)
    assert torch.equal(multiplied(kernel, B.T, A.T), found.T)
    for i in range(0, len(A), 7):
        for j in range(0, B.shape[1], 29):
            assert torch.equal(multiplied(kernel, A[i : i + 1], B[:, j : j + 1])[0, 0], found[i, j])


@pytest.mark.parametrize("diagonal", [None, 3])
@pytest.mark.parametrize("shape", [(130, 130), (300, 50), (20, 400)])
def test_any_number_of_threads_gives_the_same_numbers(monkeypatch, diagonal, shape):
    kernel, (m, n), rng = compiled(8, 64), shape, np.random.default_rng(0)
    A, B = torch.tensor(rng.standard_normal((m, 130))), torch.tensor(rng.standard_normal((130, n)))
    needed = torch.ones(m, n).tril(n if diagonal is None else diagonal).bool()
    alone = multiplied(kernel, A, B)
    monkeypatch.setattr(compiled_products, "_GRAIN", 2**10)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        shared = multiplied(kernel, A, B, diagonal)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(shared[needed], alone[needed])


@pytest.mark.parametrize("by_columns", [False, True])
def test_what_is_there_before_is_overwritten(by_columns):
    kernel, rng = compiled(4, 64), np.random.default_rng(0)
    A, B = (torch.tensor(rng.standard_normal(shape), dtype=torch.float32) for shape in ((70, 600), (600, 100)))
    out = torch.full((70, 100), torch.nan)
    assert multiplied(kernel, A, B.T.contiguous().T if by_columns else B, out=out) is out
    torch.testing.assert_close(out.double(), A.double() @ B.double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("by_columns", [False, True])
def test_rows_that_repeat_one_another_are_multiplied_where_they_lie(by_columns):
    kernel, rng = compiled(8, 64), np.random.default_rng(0)
    A, B = torch.tensor(rng.standard_normal((1, 300))).expand(20, 300), torch.tensor(rng.standard_normal((300, 90)))
    B = B.T.contiguous().T if by_columns else B
    assert torch.equal(multiplied(kernel, A, B), multiplied(kernel, A.contiguous(), B))


@given(factors(), st.sampled_from([np.nan, np.inf]), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_what_is_not_finite_spreads_to_its_row_or_column_and_no_further(problem, value, random):
    kernel, A, B = problem
    if not (A.numel() and B.numel()):
        return
    finite = multiplied(kernel, A, B)
    i, k, j = (random.randrange(size) for size in (*A.shape, B.shape[1]))
    left, right = A.clone(), B.clone()
    left[i, k], right[k, j] = value, 0
    row = multiplied(kernel, left, right)
    assert not row[i].isfinite().any() and row[i, j].isnan()
    others = torch.arange(len(A)) != i
    left, right = A.clone(), B.clone()
    left[i, k] = value
    assert torch.equal(multiplied(kernel, left, B)[others], finite[others])
    right[k, j] = value
    column = multiplied(kernel, A, right)
    elsewhere = torch.arange(B.shape[1]) != j
    assert not column[:, j].isfinite().any()
    assert torch.equal(column[:, elsewhere], finite[:, elsewhere])
