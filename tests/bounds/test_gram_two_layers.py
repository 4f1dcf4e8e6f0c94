import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.activations import ERF, SOFTPLUS, STEP, leaky_relu
from bounds.gram import arc_cosine, inner_products, linear, two_layer, two_layer_between, two_layers
from bounds.gram.matrix import Gram

KINDS = ["linear", "first", "last", "both"]


def enclosure(X, kind, normalised):
    return linear(X, normalised=normalised) if kind == "linear" else two_layer(X, trained=kind, normalised=normalised)


def true_matrix(X, kind, normalised):
    """The matrix at the working precision of mpmath, by the textbook formulas."""
    rows = [[mpmath.mpf(v) for v in x] for x in X.tolist()]
    lengths = [mpmath.sqrt(mpmath.fdot(x, x)) for x in rows]

    def entry(i, j):
        norms = lengths[i] * lengths[j]
        cosine = min(max(mpmath.fdot(rows[i], rows[j]) / norms, mpmath.mpf(-1)), mpmath.mpf(1))
        angle = mpmath.acos(cosine)
        first = cosine * (mpmath.pi - angle) / (2 * mpmath.pi)
        last = mpmath.sin(angle) / (2 * mpmath.pi) + first
        value = {"linear": cosine, "first": first, "last": last, "both": first + last}[kind]
        return value if normalised else norms * value

    return [[entry(i, j) for j in range(i + 1)] for i in range(len(rows))]


def violations(X, kind, normalised):
    """Entries that miss the 150-digit truth; acos at -1 and 1 costs half of those digits."""
    found, bad = enclosure(X, kind, normalised), []
    assert (found.midpoint == found.midpoint.T).all()
    assert (found.radius == found.radius.T).all()
    assert (found.radius >= 0).all()
    with mpmath.workdps(150):
        truth = true_matrix(X, kind, normalised)
        for i, row in enumerate(truth):
            for j, entry in enumerate(row):
                digits = mpmath.mpf(10) ** -60 * (truth[i][i] + truth[j][j])
                if abs(entry - mpmath.mpf(found.midpoint[i, j])) > mpmath.mpf(found.radius[i, j]) + digits:
                    bad.append((i, j))
    return bad


def adversarial(rng, d):
    """Duplicates, neighbours one unit away, antipodal pairs, multiples that round, nearly parallel rows, all scales."""
    A = rng.standard_normal((2, d))
    near = [A + eps * rng.standard_normal(A.shape) for eps in (1e-2, 1e-8, 1e-16)]
    rows = np.vstack([A, A, -A, 3 * A, np.nextafter(A, np.inf), -A / 3, *near, -near[1], np.eye(d)[:2]])
    return rows * 2.0 ** rng.integers(-200, 200, (len(rows), 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("d", [1, 2, 7, 60])
def test_contains_the_truth(kind, normalised, d):
    rng = np.random.default_rng(d)
    assert violations(rng.standard_normal((8, d)) * np.exp(3 * rng.standard_normal((8, 1))), kind, normalised) == []
    assert violations(adversarial(rng, d), kind, normalised) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalised", [True, False])
def test_contains_the_truth_for_subnormal_and_huge_rows(kind, normalised):
    tiny = np.array([[5e-324, 0, 0], [5e-324, -5e-324, 1e-323], [1e-310, 3e-312, 0], [1.0, 2.0, 3.0], [1e-200, 1, 0]])
    assert violations(tiny, kind, normalised) == []
    huge = np.array([[1e153, 2e153], [-1e153, 1e150], [1e-320, 1e153]])
    assert violations(huge, kind, normalised) == []


numbers = st.floats(-1e100, 1e100) | st.floats(-2, 2) | st.sampled_from([1.0, -1.0, 0.5, 1e-160, 5e-324])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda d: st.lists(st.lists(numbers, min_size=d, max_size=d).filter(any), min_size=2, max_size=4)
    ),
    st.sampled_from(KINDS),
    st.booleans(),
)
def test_contains_the_truth_for_arbitrary_floats(rows, kind, normalised):
    assert violations(np.array(rows), kind, normalised) == []


@pytest.mark.parametrize("kind", KINDS)
def test_is_exactly_symmetric_where_the_two_halves_round_differently(kind):
    X = np.array([[0.6935038032947112, 0.0], [7.232244052689206e-122, 1.0]])
    found = enclosure(X, kind, False)
    assert (found.midpoint == found.midpoint.T).all()
    assert (found.radius == found.radius.T).all()


@pytest.mark.parametrize("kind", KINDS)
def test_parallel_rows_are_exact_once_normalised(kind):
    x = np.array([0.1, 0.7, -1.3])
    found = enclosure(np.array([x, 2 * x, -4 * x]), kind, True)
    same = {"linear": 1.0, "first": 0.5, "last": 0.5, "both": 1.0}[kind]
    opposite = {"linear": -1.0, "first": 0.0, "last": 0.0, "both": 0.0}[kind]
    assert (
        found.midpoint == np.array([[same, same, opposite], [same, same, opposite], [opposite, opposite, same]])
    ).all()
    assert not found.radius.any()


@pytest.mark.parametrize("kind", KINDS)
def test_permuting_and_scaling_rows_permutes_and_keeps_the_matrix(kind):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((300, 5))
    order = rng.permutation(300)
    found = enclosure(X, kind, True)
    moved = enclosure(X[order] * 2.0 ** rng.integers(-9, 9, (300, 1)), kind, True)
    gap = np.abs(moved.midpoint - found.midpoint[np.ix_(order, order)])
    assert (gap <= moved.radius + found.radius[np.ix_(order, order)]).all()


def test_blocks_fit_together(monkeypatch):
    X = np.random.default_rng(4).standard_normal((40, 3))
    whole = two_layer(X)
    monkeypatch.setattr(two_layers, "BLOCK", 7)
    split = two_layer(X)
    assert (np.abs(whole.midpoint - split.midpoint) <= whole.radius + split.radius).all()


def test_both_layers_add_up_and_each_is_positive_semidefinite():
    X = np.random.default_rng(5).standard_normal((30, 4))
    first, last, both = (two_layer(X, trained=kind) for kind in ("first", "last", "both"))
    gap = np.abs(first.midpoint + last.midpoint - both.midpoint)
    assert (gap <= (first.radius + last.radius + both.radius) * 1.01).all()
    for matrix in (first, last, both):
        assert np.linalg.eigvalsh(matrix.midpoint)[0] > 0


def test_radii_are_as_small_as_promised():
    X = np.random.default_rng(6).standard_normal((400, 50))
    assert two_layer(X, normalised=True).row_sum <= 1e-16 * 400


def test_row_sum_bounds_the_radii():
    radius = np.array([[0.1, 0.2], [0.2, 0.7]])
    assert Gram(np.eye(2), radius, "test").row_sum >= 0.2 + 0.7


SLOPES = {ERF: lambda z: 2 * mpmath.exp(-(z**2)) / mpmath.sqrt(mpmath.pi), SOFTPLUS: lambda z: 1 / (1 + mpmath.exp(-z))}
VALUES = {ERF: mpmath.erf, SOFTPLUS: lambda z: mpmath.log(1 + mpmath.exp(z))}


@pytest.mark.parametrize("activation", SLOPES, ids=str)
@pytest.mark.parametrize("normalised", [True, False])
def test_other_activations_against_quadrature_over_the_weights(activation, normalised):
    """In the plane the weights are two Gaussians, so the definition is a double integral."""
    X = np.array([[1.0, 0.25], [0.5, -0.75]])
    with mpmath.workdps(30):
        rows = [[mpmath.mpf(v) for v in x] for x in X.tolist()]
        lengths = [mpmath.norm(x) if normalised else 1 for x in rows]
        rows = [[v / length for v in x] for x, length in zip(rows, lengths, strict=True)]
        line = [(mpmath.mpf(j) / 5, mpmath.npdf(mpmath.mpf(j) / 5) / 5) for j in range(-50, 51)]
        sums = {kind: [[mpmath.mpf(0)] * 2 for _ in range(2)] for kind in ("first", "last")}
        inner = [[mpmath.fdot(x, y) for y in rows] for x in rows]
        for a, weight_a in line:
            for b, weight_b in line:
                seen = [x[0] * a + x[1] * b for x in rows]
                for kind, g in (("first", SLOPES[activation]), ("last", VALUES[activation])):
                    values = [g(z) for z in seen]
                    for i in range(2):
                        for j in range(2):
                            factor = inner[i][j] if kind == "first" else 1
                            sums[kind][i][j] += factor * weight_a * weight_b * values[i] * values[j]
        sums["both"] = [[sums["first"][i][j] + sums["last"][i][j] for j in range(2)] for i in range(2)]
        for kind, truth in sums.items():
            found = two_layer(X, trained=kind, activation=activation, normalised=normalised)
            for i in range(2):
                for j in range(2):
                    error = abs(truth[i][j] - mpmath.mpf(found.midpoint[i, j]))
                    assert error <= mpmath.mpf(found.radius[i, j]) + mpmath.mpf(10) ** -18
            assert found.radius.max() <= 1e-15


def test_relu_in_float64_agrees_with_relu_in_arb():
    X = np.random.default_rng(9).standard_normal((12, 3)) * 3
    for kind in ("first", "last", "both"):
        fast, slow = two_layer(X, trained=kind), two_layer(X, trained=kind, activation=leaky_relu(0))
        assert (np.abs(fast.midpoint - slow.midpoint) <= fast.radius + slow.radius).all()


DEFECTS = {
    "a coefficient off": (
        arc_cosine,
        "ARC_SINE",
        (*arc_cosine.ARC_SINE[:1], 0.0265258238, *arc_cosine.ARC_SINE[2:]),
    ),
    "close pairs not resolved": (two_layers, "FAR", 1.0),
    "errors of half the size": (two_layers, "UNIT_ROUNDOFF", 2.0**-55),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_planted_defects_are_noticed(monkeypatch, defect):
    monkeypatch.setattr(*DEFECTS[defect])
    rng = np.random.default_rng(7)
    data = [rng.standard_normal((12, 3)) for _ in range(4)] + [adversarial(rng, 3)]
    assert any(
        violations(X, kind, normalised) for X in data for kind in ("first", "last") for normalised in (True, False)
    )


def test_a_lost_tail_is_noticed(monkeypatch):
    split = inner_products.ScaledRows.__init__

    def forgetful(self, X):
        split(self, X)
        self._left *= 0

    monkeypatch.setattr(inner_products.ScaledRows, "__init__", forgetful)
    assert violations(np.random.default_rng(8).standard_normal((6, 3)), "linear", False)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([[1.0, 2.0], [0.0, 0.0]]), "row 1 of X is zero"),
        (np.array([[1.0, np.nan]]), r"X\[0, 1\] is nan"),
        (np.array([[np.inf, 1.0]]), r"X\[0, 0\] is inf"),
        (np.ones((2, 2), dtype=np.float32), "float64 array, not 2-dimensional float32"),
        (np.ones(3), "not 1-dimensional float64"),
        ([[1.0]], "not list"),
        (np.ma.masked_array(np.eye(2), np.eye(2) == 0), "mask would be lost"),
        (np.ones((0, 2)), "no entries"),
        (np.ones((1, 2**24 + 1)), "beyond the proved rounding bounds"),
        (np.array([[1e200, 0.0], [1.0, 1e200]]), "exceeds float64"),
    ],
)
def test_refusals_say_what_and_where(X, message):
    with pytest.raises(ValueError, match=message):
        two_layer(X)
    if "exceeds" in message:
        assert two_layer(X, normalised=True).midpoint[0, 0] == 0.5


def test_refuses_to_train_below_a_step():
    with pytest.raises(ValueError, match="train the last layer"):
        two_layer(np.eye(2), activation=STEP)
    assert two_layer(np.eye(2), activation=STEP, trained="last").midpoint[0, 0] == 0.5


def test_refuses_unknown_layers():
    with pytest.raises(ValueError, match="use one of 'first', 'last', 'both'"):
        two_layer(np.eye(2), trained="middle")
    with pytest.raises(ValueError, match="use one of 'first', 'last', 'both'"):
        two_layer(np.eye(2), trained=["first"])


def test_refuses_names_and_functions_for_activations():
    for activation in ("relu", np.tanh):
        with pytest.raises(ValueError, match="object of bounds.activations"):
            two_layer(np.eye(2), activation=activation)


def test_refuses_two_sets_of_inputs_that_do_not_fit():
    with pytest.raises(ValueError, match="rows of 3 and of 2 entries"):
        two_layer_between(np.eye(3), np.eye(2))
    with pytest.raises(ValueError, match="use one of 'first', 'last', 'both'"):
        two_layer_between(np.eye(2), np.eye(2), trained=["first"])
