"""The networks of Allen-Zhu, Li and Song: recursions of our own at 100 digits, and random networks differentiated."""

import mpmath
import numpy as np
import pytest
from flint import arb
from mpmath import mpf

from bounds.activations import RELU
from bounds.gram import allen_zhu, allen_zhu_convolutional, allen_zhu_fully_connected, fully_connected
from bounds.linalg import least_eigenvalue

RING = (np.arange(4)[:, None] + np.arange(3)) % 4
TORUS = np.array([[p, p ^ 1, p ^ 2] for p in range(4)])  # a 2 x 2 image, patches without their opposite corner
ODD = np.array([[0, 0, 1], [2, 1, 1], [2, 3, 2], [3, 0, 3]])  # a weight meets a pixel twice, a patch holds it twice


def data(seed):
    """Rows of different norms, some nearly parallel, one exactly twice another, one antipodal."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((3, 4)) * np.exp(0.5 * rng.standard_normal((3, 1)))
    return np.vstack([A, A[:1] + 1e-9, 2 * A[1:2], -A[2:]])


def violations(found, truth):
    assert (found.midpoint == found.midpoint.T).all()
    return [
        pair
        for pair in np.ndindex(found.midpoint.shape)
        if abs(truth[pair[0]][pair[1]] - mpf(found.midpoint[pair])) > mpf(found.radius[pair]) + mpf(10) ** -40
    ]


def true_fully_connected(X, depth, trained, normalised):
    """By angles: a layer turns t into arccos((sin t + (pi - t) cos t) / pi) and keeps norms."""
    rows = [[mpf(v) for v in x] for x in X.tolist()]
    lengths = [mpmath.norm(x) for x in rows]

    def entry(i, j):
        cosine = mpmath.fdot(rows[i], rows[j]) / (lengths[i] * lengths[j])
        angles = [mpmath.acos(min(max(cosine, mpf(-1)), mpf(1)))]
        for _ in range(depth):
            t = angles[-1]
            angles.append(mpmath.acos(min((mpmath.sin(t) + (mpmath.pi - t) * mpmath.cos(t)) / mpmath.pi, mpf(1))))
        active = [1 - t / mpmath.pi for t in angles]  # given that one of the two is
        blocks = [mpmath.cos(angles[k]) / 2 * mpmath.fprod(active[k:]) for k in range(1, depth + 1)]
        size = mpf(1) if normalised else lengths[i] * lengths[j]
        return size * (blocks[-1] if trained == "last_hidden" else mpmath.fsum(blocks))

    return [[entry(i, j) for j in range(len(X))] for i in range(len(X))]


@pytest.mark.parametrize("trained", allen_zhu.TRAINED)
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 6])
def test_fully_connected_contains_the_angles_at_100_digits(trained, normalised, depth):
    X = data(depth)
    with mpmath.workdps(100):
        truth = true_fully_connected(X, depth, trained, normalised)
        found = allen_zhu_fully_connected(X, depth=depth, trained=trained, normalised=normalised)
        assert violations(found, truth) == []
    assert found.radius.max() <= 1e-14 * np.abs(found.midpoint).max()


def relu_pair(p, q, c):
    angle = mpmath.acos(min(max(c / mpmath.sqrt(p * q), mpf(-1)), mpf(1)))
    value = mpmath.sqrt(p * q) * (mpmath.sin(angle) + (mpmath.pi - angle) * mpmath.cos(angle)) / (2 * mpmath.pi)
    return value, (mpmath.pi - angle) / (2 * mpmath.pi)


def true_convolution(X, patches, depth, trained, normalised):
    """Forward: T_{ip,jr} sums products of d h_p / d W_l over neurons, and each layer passes on its patch sums."""
    n, q = len(X), len(patches[0])
    places = [(i, p) for i in range(n) for p in range(len(patches))]
    images = [[[mpf(v) for v in pixel] for pixel in x.T.tolist()] for x in X]
    lengths = [mpmath.sqrt(sum(v * v for pixel in x for v in pixel)) if normalised else mpf(1) for x in images]

    def summed(K, i, p, j, r):
        return sum(K[(i, a), (j, b)] for a, b in zip(patches[p].tolist(), patches[r].tolist(), strict=True))

    pixel = {
        (u, v): mpmath.fdot(images[u[0]][u[1]], images[v[0]][v[1]]) / (lengths[u[0]] * lengths[v[0]])
        for u in places
        for v in places
    }
    tangent = {pair: mpf(0) for pair in pixel}
    for layer in range(depth + 1):
        seen = {(u, v): summed(pixel, *u, *v) for u, v in pixel}
        moments = {(u, v): relu_pair(seen[u, u] / q, seen[v, v] / q, seen[u, v] / q) for u, v in seen}
        pixel = {pair: 2 * value for pair, (value, _) in moments.items()}
        if layer == 0:
            continue
        if layer == depth and trained == "last_hidden":
            tangent = {pair: mpf(0) for pair in pixel}
        below = {(u, v): 2 * summed(tangent, *u, *v) / q for u, v in pixel}
        tangent = {pair: moments[pair][1] * (below[pair] + seen[pair]) for pair in pixel}
    pixels = range(len(patches))
    return [[sum(tangent[(i, p), (j, p)] for p in pixels) for j in range(n)] for i in range(n)]


def images(seed):
    X = np.random.default_rng(seed).standard_normal((3, 2, 4))
    return np.concatenate([X, 2 * X[:1], -X[1:2]])


@pytest.mark.parametrize("trained", allen_zhu.TRAINED)
@pytest.mark.parametrize(("patches", "normalised"), [(RING, False), (TORUS, True), (ODD, False)])
@pytest.mark.parametrize("depth", [1, 3])
def test_convolution_contains_the_recursion_at_100_digits(trained, patches, normalised, depth):
    X = images(depth)
    with mpmath.workdps(100):
        truth = true_convolution(X, patches, depth, trained, normalised)
        found = allen_zhu_convolutional(X, patches=patches, depth=depth, trained=trained, normalised=normalised)
        assert violations(found, truth) == []
    assert found.radius.max() <= 1e-14 * np.abs(found.midpoint).max()


def random_networks(X, patches, width, depth, draws, seed, tau=None):
    """c / m times inner products of gradients of two outputs, from the definition: (W_L, all W_l), each c n x c n.

    Inputs are (n, channels, pixels); tau makes the network the paper's residual one (of one pixel).
    """
    rng = np.random.default_rng(seed)
    channels, pixels, q, outputs = X.shape[1], X.shape[2], patches.shape[1], 2

    def see(h):  # (channels, pixels) -> (channels q, pixels)
        return np.concatenate([h[:, patches[:, o]] for o in range(q)])

    def unsee(g):  # its transpose
        h = np.zeros((len(g) // q, pixels))
        for o, part in enumerate(np.split(g, q)):
            for place in range(pixels):
                h[:, patches[place, o]] += part[:, place]
        return h

    collected = []
    for _ in range(draws):
        weights = [rng.normal(0, np.sqrt(2 / (q * width)), (width, q * channels))]
        weights += [rng.normal(0, np.sqrt(2 / (q * width)), (width, q * width)) for _ in range(depth)]
        readout = rng.normal(0, np.sqrt(1 / outputs), (outputs, width, pixels))
        gradients = []
        for x in X:
            seen, active, h = [], [], x
            for layer, W in enumerate(weights):
                seen.append(see(h))
                skip = tau is not None and 0 < layer < depth
                before = h + tau * (W @ seen[-1]) if skip else W @ seen[-1]
                active.append(before >= 0)
                h = before * active[-1]
            for k in range(outputs):
                back, found = readout[k], []
                for layer in range(depth, 0, -1):
                    local = back * active[layer]
                    skip = tau is not None and layer < depth
                    found.append((tau if skip else 1.0) * local @ seen[layer].T)
                    back = unsee(weights[layer].T @ local)
                    back = local + tau * back if skip else back
                gradients.append(np.array(found))
        last = [g[0].ravel() for g in gradients]
        every = [g.ravel() for g in gradients]
        collected.append([outputs / width * (np.array(rows) @ np.array(rows).T) for rows in (last, every)])
    return (np.array(samples) for samples in zip(*collected, strict=True))


def agree(samples, limit, width):
    """Within 5 standard errors and a bias of order 1 / width, for both outputs, with nothing between them."""
    mean, error = samples.mean(axis=0), samples.std(axis=0) / np.sqrt(len(samples))
    return (
        np.abs(mean - np.kron(limit.midpoint, np.eye(2))) <= 5 * error + 5 / width * np.abs(limit.midpoint).max()
    ).all()


ONE = np.zeros((1, 1), dtype=int)


def test_wide_random_networks_agree():
    """A wrong constant or a lost layer is off by tens of percent."""
    X = np.random.default_rng(1).standard_normal((3, 4)) * np.array([[0.5], [0.8], [1.3]])
    depth, width = 3, 256
    found = random_networks(X[:, :, None], ONE, width, depth, draws=100, seed=2)
    for samples, trained in zip(found, allen_zhu.TRAINED, strict=True):
        assert agree(samples, allen_zhu_fully_connected(X, depth=depth, trained=trained), width)


def test_wide_random_convolutions_agree():
    X = np.random.default_rng(3).standard_normal((2, 2, 4))
    depth, width = 2, 128
    found = random_networks(X, RING, width, depth, draws=60, seed=4)
    for samples, trained in zip(found, allen_zhu.TRAINED, strict=True):
        assert agree(samples, allen_zhu_convolutional(X, patches=RING, depth=depth, trained=trained), width)


def test_residual_networks_with_a_small_branch_are_shallow():
    X = np.random.default_rng(5).standard_normal((3, 4))
    width = 256
    shallow = allen_zhu_fully_connected(X, depth=1)
    for samples in random_networks(X[:, :, None], ONE, width, 4, draws=60, seed=6, tau=1e-3):
        assert agree(samples, shallow, width)
    strong, _ = random_networks(X[:, :, None], ONE, width, 4, draws=60, seed=6, tau=1.0)
    assert not agree(strong, shallow, width)


@pytest.mark.parametrize("normalised", [True, False])
def test_one_pixel_is_a_fully_connected_network(normalised):
    X, rest = data(4), {"depth": 3, "trained": "hidden", "normalised": normalised}
    plain, pixel = allen_zhu_fully_connected(X, **rest), allen_zhu_convolutional(X[:, :, None], patches=ONE, **rest)
    assert (np.abs(plain.midpoint - pixel.midpoint) <= plain.radius + pixel.radius).all()


def test_the_last_matrix_is_half_of_the_same_network_in_the_other_scaling():
    X = data(5)
    for depth in (1, 4):
        here = allen_zhu_fully_connected(X, depth=depth)
        there = fully_connected(X, depth=depth + 1, activation=RELU)
        assert (np.abs(2 * here.midpoint - there.midpoint) <= 2 * here.radius + there.radius).all()


def test_two_unit_inputs_and_their_least_eigenvalue():
    """(1 - (1 - t / pi) cos t) / 2 with the angle t of h_0: linear in a small separation, as Theorem 3 has it."""
    X = np.array([[1.0, 0.0], [0.6, 0.8]])
    found = allen_zhu_fully_connected(X, depth=1)
    with mpmath.workdps(30):
        t = mpmath.acos(mpf("0.6"))
        cosine = (mpf("0.8") + (mpmath.pi - t) * mpf("0.6")) / mpmath.pi
        least = (1 - (1 - mpmath.acos(cosine) / mpmath.pi) * cosine) / 2
        assert abs(least_eigenvalue(found.midpoint, found.radius).midpoint - float(least)) <= 1e-15


def test_neither_the_order_of_a_patch_nor_that_of_the_pixels_matters():
    X, order = images(6), np.array([2, 0, 3, 1])
    ring = allen_zhu_convolutional(X, patches=RING, depth=2, trained="hidden")
    mixed = [[1, 0, 2], [3, 2, 1], [2, 3, 0], [3, 0, 1]]
    for found in (
        allen_zhu_convolutional(X, patches=mixed, depth=2, trained="hidden"),
        allen_zhu_convolutional(X[:, :, order], patches=np.argsort(order)[RING[order]], depth=2, trained="hidden"),
    ):
        assert (np.abs(ring.midpoint - found.midpoint) <= ring.radius + found.radius).all()


def test_a_lost_factor_on_the_way_back_is_noticed(monkeypatch):
    X, spread = images(7), allen_zhu.Patches.spread
    halved = lambda self, positions: [above * arb(0.5) for above in spread(self, positions)]  # noqa: E731
    monkeypatch.setattr(allen_zhu.Patches, "spread", halved)
    with mpmath.workdps(60):
        truth = true_convolution(X, RING, 2, "hidden", False)
        assert violations(allen_zhu_convolutional(X, patches=RING, depth=2, trained="hidden"), truth)


def test_refusals():
    X, image = np.eye(3), np.ones((2, 1, 4))
    zero = np.array([[[1.0, 0, 0, 0]]])
    for call, message in (
        (lambda: allen_zhu_fully_connected(X, depth=0), "integer of at least 1, not 0"),
        (lambda: allen_zhu_fully_connected(X, depth=1, trained="all"), "use one of 'last_hidden', 'hidden'"),
        (lambda: allen_zhu_fully_connected(0 * X, depth=1), "row 0 of X is zero"),
        (lambda: allen_zhu_convolutional(X, patches=RING, depth=1), "channels, pixels"),
        (lambda: allen_zhu_convolutional(image, patches=RING[:3], depth=1), "with 4 rows"),
        (lambda: allen_zhu_convolutional(image, patches=RING + 0.5, depth=1), "table of integers"),
        (lambda: allen_zhu_convolutional(image, patches=[[0], [1, 2], [3], [3]], depth=1), "same number of pixels"),
        (lambda: allen_zhu_convolutional(image, patches=RING + 1, depth=1), "from 0 to 3, not 1 to 4"),
        (
            lambda: allen_zhu_convolutional(image, patches=[[0, 1], [1, 2], [2, 3], [3, 3]], depth=1),
            "pixel 0 lies in 1",
        ),
        (lambda: allen_zhu_convolutional(zero, patches=RING[:, :1], depth=1), "pixel 1 of input 0 is zero"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
