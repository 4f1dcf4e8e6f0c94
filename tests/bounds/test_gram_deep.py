"""Deep Gram matrices against golden values, 100-digit recursions of our own, and networks drawn at random."""

import flint
import mpmath
import numpy as np
import pytest
from flint import arb
from mpmath import mpf

from bounds.activations import ERF, GELU, RELU, SIN, SOFTPLUS, STEP, TANH
from bounds.gram import conv_resnet, deep, fully_connected, resnet, two_layer
from bounds.linalg import least_eigenvalue

TWO = np.array([[1.0, 0.0], [0.6, 0.8]])


def near(value, golden):
    """Agreement with a decimal to half a unit of its last digit, and a unit for its own rounding."""
    return abs(value - float(golden)) <= 1.5 * 10.0 ** -len(golden.split(".")[1])


@pytest.mark.parametrize(
    ("depth", "off", "least"),
    [
        (1, "0.179599125632", "0.138859858051"),
        (2, "0.273880036820", "0.044578946864"),
        (3, "0.304228925468", "0.014230058216"),
    ],
)
def test_fully_connected_softplus_of_two_points(depth, off, least):
    found = fully_connected(TWO, depth=depth, activation=SOFTPLUS)
    assert near(found.midpoint[0, 0], "0.318458983684")
    assert near(found.midpoint[0, 1], off)
    assert near(least_eigenvalue(found.midpoint, found.radius).midpoint, least)


@pytest.mark.parametrize(
    ("depth", "diagonal", "off", "least"),
    [
        (2, "0.018336189741", "0.015769428965", "0.002566760776"),
        (3, "0.010452895359", "0.009248382232", "0.001204513127"),
        (4, "0.006629765269", "0.005935437172", "0.000694328097"),
    ],
)
def test_residual_softplus_of_two_points(depth, diagonal, off, least):
    found = resnet(TWO, depth=depth, activation=SOFTPLUS, residual_scale=0.5)
    assert near(least_eigenvalue(found.midpoint, found.radius).midpoint, least)
    assert near(found.midpoint[0, 0], diagonal)
    assert near(found.midpoint[1, 1], diagonal)
    assert near(found.midpoint[0, 1], off)


@pytest.mark.parametrize(
    ("depth", "diagonal", "off"), [(2, "0.07960476925", "0.06779723680"), (3, "0.04721267714", "0.04152728172")]
)
def test_convolutional_softplus_of_two_points(depth, diagonal, off):
    found = conv_resnet(TWO[:, None, :], depth=depth, patch=3, activation=SOFTPLUS, residual_scale=0.5)
    assert near(found.midpoint[0, 0], diagonal)
    assert near(found.midpoint[0, 1], off)


@pytest.mark.parametrize(
    ("depth", "diagonal", "off", "mean"),
    [
        (2, "1.000000000000", "0.876462297847", "0.839806330608"),
        (3, "1.251234699142", "1.126699700827", "0.974149527833"),
        (4, "1.393265884887", "1.268592870702", "1.043660582529"),
    ],
)
def test_residual_features_and_means_below_the_last_layer(depth, diagonal, off, mean):
    with flint.ctx.workprec(deep.PRECISION):
        features, means = deep._first_layer(deep.inner_products(TWO, normalised=False), SOFTPLUS)
        for _ in range(depth - 2):
            features, means = deep._residual_layer((features, means), features, SOFTPLUS, arb(0.5) / depth)
    assert near(float(features[0, 0]), diagonal)
    assert near(float(features[1, 0]), off)
    assert near(float(means[1]), mean)


def test_other_golden_values_of_two_points():
    angles = two_layer(TWO)
    assert near(angles.midpoint[0, 1], "0.211449829410")
    assert near(least_eigenvalue(angles.midpoint, angles.radius).midpoint, "0.28855017059")
    for activation, golden in ((SOFTPLUS, "0.876462297847"), (RELU, "0.677547567767"), (ERF, "0.563932095153")):
        last = two_layer(TWO, trained="last", activation=activation)
        assert near(float(activation.normaliser.mid()) * last.midpoint[0, 1], golden)


# The recursions again, in mpmath, with the elementary expectations as the textbooks write them.


def relu_pair(p, q, c):
    angle = mpmath.acos(min(max(c / mpmath.sqrt(p * q), mpf(-1)), mpf(1)))
    value = mpmath.sqrt(p * q) * (mpmath.sin(angle) + (mpmath.pi - angle) * mpmath.cos(angle)) / (2 * mpmath.pi)
    return value, (mpmath.pi - angle) / (2 * mpmath.pi)


def erf_pair(p, q, c):
    scale = (1 + 2 * p) * (1 + 2 * q)
    value = 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(scale))
    return value, 4 / mpmath.pi / mpmath.sqrt(scale - 4 * c**2)


def sin_pair(p, q, c):
    damping = mpmath.exp(-(p + q) / 2)
    return damping * mpmath.sinh(c), damping * mpmath.cosh(c)


PAIRS = {
    RELU: (relu_pair, lambda p: mpmath.sqrt(p / (2 * mpmath.pi))),
    ERF: (erf_pair, lambda p: mpf(0)),
    SIN: (sin_pair, lambda p: mpf(0)),
}


def products(X, normalised):
    rows = [[mpf(v) for v in x] for x in X.tolist()]
    lengths = [mpmath.sqrt(mpmath.fdot(x, x)) if normalised else mpf(1) for x in rows]
    n = len(rows)
    return [[mpmath.fdot(rows[i], rows[j]) / (lengths[i] * lengths[j]) for j in range(n)] for i in range(n)]


def true_fully_connected(X, depth, activation, trained, normalised):
    pair, _ = PAIRS[activation]
    c = 1 / pair(mpf(1), mpf(1), mpf(1))[0]
    K, n = products(X, normalised), len(X)
    features, gradients = [K], []
    for _ in range(depth):
        K = features[-1]
        moments = [[pair(K[i][i], K[j][j], K[i][j]) for j in range(n)] for i in range(n)]
        features.append([[c * moments[i][j][0] for j in range(n)] for i in range(n)])
        gradients.append([[c * moments[i][j][1] for j in range(n)] for i in range(n)])

    def block(layer, i, j):  # of the weights that read features[layer]
        return features[layer][i][j] * mpmath.fprod(gradients[h][i][j] for h in range(layer, depth))

    layers = [depth - 1] if trained == "last_hidden" else range(depth + 1)
    return [[mpmath.fsum(block(layer, i, j) for layer in layers) for j in range(n)] for i in range(n)]


def true_resnet(X, depth, activation, scale, trained, normalised):
    pair, mean = PAIRS[activation]
    c, k = 1 / pair(mpf(1), mpf(1), mpf(1))[0], mpf(scale) / depth
    K, n = products(X, normalised), len(X)
    features, gradients, b = [K], [], None
    for layer in range(1, depth + 1):
        K = features[-1]
        moments = [[pair(K[i][i], K[j][j], K[i][j]) for j in range(n)] for i in range(n)]
        e = [mean(K[i][i]) for i in range(n)]
        if layer == 1:
            features.append([[c * moments[i][j][0] for j in range(n)] for i in range(n)])
            b = [mpmath.sqrt(c) * value for value in e]
        else:
            features.append(
                [
                    [K[i][j] + k * (b[i] * e[j] + b[j] * e[i]) + k**2 * moments[i][j][0] for j in range(n)]
                    for i in range(n)
                ]
            )
            b = [old + k * new for old, new in zip(b, e, strict=True)]
        gradients.append([[(c if layer == 1 else k**2) * moments[i][j][1] for j in range(n)] for i in range(n)])

    def block(layer, i, j):  # of the weights between features[layer] and features[layer + 1]
        above = mpmath.fprod(1 + gradients[h][i][j] for h in range(layer + 1, depth))
        return features[layer][i][j] * gradients[layer][i][j] * above

    if trained == "last_hidden":
        return [[block(depth - 1, i, j) for j in range(n)] for i in range(n)]
    return [
        [features[depth][i][j] + mpmath.fsum(block(layer, i, j) for layer in range(depth)) for j in range(n)]
        for i in range(n)
    ]


def violations(found, truth):
    n = len(truth)
    assert (found.midpoint == found.midpoint.T).all()
    return [
        (i, j)
        for i in range(n)
        for j in range(n)
        if abs(truth[i][j] - mpf(found.midpoint[i, j])) > mpf(found.radius[i, j]) + mpf(10) ** -40
    ]


def data(seed):
    """Rows of different norms, some nearly parallel, one exactly twice another, one antipodal."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((3, 4)) * np.exp(0.5 * rng.standard_normal((3, 1)))
    return np.vstack([A, A[:1] + 1e-9, 2 * A[1:2], -A[2:]])


@pytest.mark.parametrize("activation", PAIRS, ids=str)
@pytest.mark.parametrize("trained", ["last_hidden", "all"])
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_fully_connected_contains_the_recursion_at_100_digits(activation, trained, normalised, depth):
    X = data(depth)
    with mpmath.workdps(100):
        truth = true_fully_connected(X, depth, activation, trained, normalised)
        found = fully_connected(X, depth=depth, activation=activation, trained=trained, normalised=normalised)
        assert violations(found, truth) == []
    assert found.radius.max() <= 1e-14 * np.abs(found.midpoint).max()


@pytest.mark.parametrize("activation", PAIRS, ids=str)
@pytest.mark.parametrize("trained", ["last_hidden", "all"])
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("depth", [2, 4])
def test_resnet_contains_the_recursion_at_100_digits(activation, trained, normalised, depth):
    X = data(10 + depth)
    with mpmath.workdps(100):
        truth = true_resnet(X, depth, activation, 0.75, trained, normalised)
        found = resnet(
            X, depth=depth, activation=activation, residual_scale=0.75, trained=trained, normalised=normalised
        )
        assert violations(found, truth) == []
    assert found.radius.max() <= 1e-14 * np.abs(found.midpoint).max()


def tanh_slope(z):
    return 1 / np.cosh(z) ** 2


def random_networks(X, width, depth, scale, draws, seed):
    """Sums over draws of the Gram matrices of gradients (last hidden layer, all layers), by backpropagation.

    scale None is fully connected. The output weights are +-1, which has the same limit as N(0, 1) and less noise.
    """
    rng, n = np.random.default_rng(seed), len(X)
    c = float(TANH.normaliser.mid())
    collected = []
    for _ in range(draws):
        weights = [rng.standard_normal((width, X.shape[1]))]
        weights += [rng.standard_normal((width, width)) for _ in range(depth - 1)]
        features, before = [X.T], []
        for layer, W in enumerate(weights):
            before.append(W @ features[-1])
            if scale is None or layer == 0:
                features.append(np.sqrt(c / width) * np.tanh(before[-1]))
            else:
                features.append(features[-1] + scale / depth / np.sqrt(width) * np.tanh(before[-1]))
        backward = np.repeat(rng.choice([-1.0, 1.0], width)[:, None], n, axis=1)
        blocks = [features[-1].T @ features[-1]]
        for layer in range(depth - 1, -1, -1):
            factor = np.sqrt(c) if scale is None or layer == 0 else scale / depth
            local = factor / np.sqrt(width) * tanh_slope(before[layer]) * backward
            blocks.append((local.T @ local) * (features[layer].T @ features[layer]))
            skip = backward if scale is not None and layer > 0 else 0.0
            backward = weights[layer].T @ local + skip
        collected.append((blocks[1], sum(blocks)))
    return (np.array(samples) for samples in zip(*collected, strict=True))


@pytest.mark.parametrize("scale", [None, 3.0])
def test_wide_random_networks_agree(scale):
    """Within 5 standard errors and a bias of order 1 / width; a wrong recursion is off by tens of percent."""
    X = np.random.default_rng(1).standard_normal((3, 4)) * np.array([[0.5], [0.8], [0.3]])
    depth, width, draws = 3, 300, 60
    limits = [
        fully_connected(X, depth=depth, activation=TANH, trained=trained)
        if scale is None
        else resnet(X, depth=depth, activation=TANH, residual_scale=scale, trained=trained)
        for trained in ("last_hidden", "all")
    ]
    for samples, limit in zip(random_networks(X, width, depth, scale, draws, seed=2), limits, strict=True):
        mean, error = samples.mean(axis=0), samples.std(axis=0) / np.sqrt(draws)
        assert (np.abs(mean - limit.midpoint) <= 5 * error + 5 / width * np.abs(limit.midpoint).max()).all()


def random_convolutions(X, width, depth, patch, scale, draws, seed):
    """The same for convolutional residual networks, from their definition."""
    rng = np.random.default_rng(seed)
    n, _, pixels = X.shape
    c, reach, collected = float(TANH.normaliser.mid()), patch // 2, []

    def patches(x):  # (channels, pixels) -> (patch * channels, pixels)
        padded = np.pad(x, ((0, 0), (reach, reach)))
        return np.concatenate([padded[:, o : o + pixels] for o in range(patch)])

    def spread(g):  # the transpose of patches
        parts = np.split(g, patch)
        padded = np.zeros((len(parts[0]), pixels + 2 * reach))
        for o, part in enumerate(parts):
            padded[:, o : o + pixels] += part
        return padded[:, reach : reach + pixels]

    for _ in range(draws):
        states, tape = list(X), []
        for layer in range(depth):
            seen = [patches(x) for x in states]
            W = rng.standard_normal((width, len(seen[0])))
            before = [W @ x for x in seen]
            factor = np.sqrt(c / width) if layer == 0 else scale / depth / np.sqrt(width)
            moved = [factor * np.tanh(z) for z in before]
            states = moved if layer == 0 else [x + dx for x, dx in zip(states, moved, strict=True)]
            tape.append((W, seen, before, factor))
        a = rng.choice([-1.0, 1.0], (width, pixels))
        blocks, backward = [list(states)], [a] * n
        for layer, (W, seen, before, factor) in reversed(list(enumerate(tape))):
            local = [factor * tanh_slope(z) * g for z, g in zip(before, backward, strict=True)]
            blocks.append([g @ x.T for g, x in zip(local, seen, strict=True)])
            if layer:
                backward = [g + spread(W.T @ dz) for g, dz in zip(backward, local, strict=True)]
        grams = [np.array([[np.sum(g * h) for h in block] for g in block]) for block in blocks]
        collected.append((grams[1], sum(grams)))
    return (np.array(samples) for samples in zip(*collected, strict=True))


def test_wide_random_convolutions_agree():
    X = np.random.default_rng(3).standard_normal((2, 2, 4)) * 0.5
    depth, width, draws = 3, 300, 60
    for samples, trained in zip(
        random_convolutions(X, width, depth, 3, 3.0, draws, 4), ("last_hidden", "all"), strict=True
    ):
        limit = conv_resnet(X, depth=depth, patch=3, activation=TANH, residual_scale=3.0, trained=trained)
        mean, error = samples.mean(axis=0), samples.std(axis=0) / np.sqrt(draws)
        assert (np.abs(mean - limit.midpoint) <= 5 * error + 5 / width * np.abs(limit.midpoint).max()).all()


def test_depth_eight_is_certified_for_a_hundred_inputs():
    X = np.random.default_rng(0).standard_normal((100, 50))
    found = fully_connected(X, depth=8, activation=GELU, normalised=True)
    assert least_eigenvalue(found.midpoint, found.radius).lower > 0


@pytest.mark.parametrize("trained", ["last_hidden", "all"])
def test_one_pixel_is_a_plain_residual_network(trained):
    X, rest = data(5), {"depth": 4, "activation": ERF, "residual_scale": 0.5, "trained": trained, "normalised": True}
    plain, pixel = resnet(X, **rest), conv_resnet(X[:, :, None], patch=1, **rest)
    assert (np.abs(plain.midpoint - pixel.midpoint) <= plain.radius + pixel.radius).all()


@pytest.mark.parametrize("activation", [RELU, ERF, TANH], ids=str)
def test_one_hidden_layer_is_the_two_layer_network_times_its_normaliser(activation):
    X, c = data(6), float(activation.normaliser.mid())
    for deep_name, shallow_name in (("last_hidden", "first"), ("all", "both")):
        deep_gram = fully_connected(X, depth=1, activation=activation, trained=deep_name, normalised=True)
        shallow = two_layer(X, activation=activation, trained=shallow_name, normalised=True)
        assert np.abs(deep_gram.midpoint - c * shallow.midpoint).max() <= 1e-14


def test_permuting_inputs_permutes_the_matrix():
    X, order = data(7), np.array([5, 0, 3, 1, 4, 2])
    found = fully_connected(X, depth=3, activation=TANH, trained="all")
    moved = fully_connected(X[order], depth=3, activation=TANH, trained="all")
    gap = np.abs(moved.midpoint - found.midpoint[np.ix_(order, order)])
    assert (gap <= moved.radius + found.radius[np.ix_(order, order)]).all()


@pytest.mark.parametrize("neighbour", [0.0, 2.0**-52, 1e-9])
def test_depth_does_not_lose_nearly_parallel_inputs(neighbour):
    x = np.array([1.0, 0.5, 0.25])
    X = np.array([x, x + neighbour * np.array([1.0, 0, 0]), -x])
    for trained in ("last_hidden", "all"):
        found = fully_connected(X, depth=12, activation=RELU, trained=trained, normalised=True)
        assert found.radius.max() <= 1e-14 * found.midpoint.max()


def crossed(features, b, e, k):
    """Definition 6.1 as printed: b paired with its own mean."""
    return deep.BallMatrix.of(len(features), lambda i, j: k * (b[i] * e[i] + b[j] * e[j]))


def test_the_printed_pairing_is_noticed(monkeypatch):
    X = data(8)
    monkeypatch.setattr(deep, "_cross_terms", crossed)
    with mpmath.workdps(60):
        truth = true_resnet(X, 4, RELU, 0.75, "last_hidden", False)
        assert violations(resnet(X, depth=4, activation=RELU, residual_scale=0.75), truth)


def test_a_lost_normaliser_is_noticed(monkeypatch):
    X = data(9)
    monkeypatch.setattr(type(ERF), "normaliser", property(lambda self: deep.arb(2.1525788606)))
    with mpmath.workdps(60):
        truth = true_fully_connected(X, 2, ERF, "last_hidden", False)
        assert violations(fully_connected(X, depth=2, activation=ERF), truth)


def test_refusals():
    X, image = np.eye(3), np.ones((2, 1, 3))
    convolution = {"depth": 2, "patch": 3, "activation": ERF, "residual_scale": 0.5}
    for call, message in (
        (lambda: fully_connected(X, depth=0, activation=ERF), "integer of at least 1, not 0"),
        (lambda: fully_connected(X, depth=2.0, activation=ERF), "integer of at least 1, not 2.0"),
        (lambda: fully_connected(X, depth=True, activation=ERF), "integer of at least 1, not True"),
        (lambda: resnet(X, depth=1, activation=ERF, residual_scale=0.5), "integer of at least 2, not 1"),
        (lambda: fully_connected(X, depth=2, activation="relu"), "such as RELU or TANH, not 'relu'"),
        (lambda: resnet(X, depth=2, activation=np.tanh, residual_scale=0.5), "from_derivative_bounds"),
        (lambda: resnet(X, depth=2, activation=ERF, residual_scale=float("inf")), "finite number at face value"),
        (lambda: fully_connected(X, depth=2, activation=ERF, trained="first"), "use one of 'last_hidden', 'all'"),
        (lambda: fully_connected(X, depth=2, activation=STEP), "constant almost everywhere"),
        (lambda: fully_connected(0 * X, depth=2, activation=ERF), "row 0 of X is zero"),
        (lambda: resnet(X, depth=2, activation=ERF, residual_scale="0.5"), "at face value"),
        (lambda: conv_resnet(X, **convolution), "channels, pixels"),
        (lambda: conv_resnet(image, **{**convolution, "patch": 2}), "odd number of pixels"),
        (lambda: conv_resnet(image, **{**convolution, "patch": 1.0}), "patch is an integer of at least 1, not 1.0"),
        (lambda: conv_resnet(image, **{**convolution, "activation": None}), "not None"),
        (
            lambda: conv_resnet(image * np.array([1.0, 0, 0]), **{**convolution, "patch": 1}),
            "pixel 1 of input 0 is zero",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
