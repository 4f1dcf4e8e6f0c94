"""Each family against a per-sample reference written from its paper, which shares no code with the package."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special

from empirical.networks import allenzhu2019, ding2021, du2019_deep, layers, liu2021_opt, nguyen2020, shallow
from tests.empirical.cases import unit_rows

SOFTPLUS_C, TANH_C = 1.0854865029883434, 2.5361754332174538


def as_arrays(network):
    return [p.detach().numpy() for p in network.parameters()]


def softplus(z):
    return np.log1p(np.exp(z))


def relu(z):
    return np.array([t if t >= 0 else 0.0 for t in z])


def naive_fully_connected(weights, x):
    *hidden, a = weights
    h = x
    for W in hidden:
        h = math.sqrt(SOFTPLUS_C / len(W)) * softplus(W @ h)
    return a[0] @ h


def naive_resnet(weights, x, c_res):
    first, *later, a = weights
    m, H = len(first), 1 + len(later)
    h = math.sqrt(SOFTPLUS_C / m) * softplus(first @ x)
    for W in later:
        h = h + c_res / (H * math.sqrt(m)) * softplus(W @ h)
    return a[0] @ h


def naive_patch(h, pixel, size):
    """The patch around a pixel of h (channels, pixels), out of range 0, one pixel's channels after another's."""
    before = (size - 1) // 2
    parts = []
    for p in range(pixel - before, pixel - before + size):
        parts.append(h[:, p] if 0 <= p < h.shape[1] else np.zeros(len(h)))
    return np.concatenate(parts)


def naive_conv_resnet(weights, x, c_res, size):
    first, *later, a = weights
    m, H, pixels = len(first), 1 + len(later), x.shape[1]

    def layer(W, h):
        return np.stack([softplus(W @ naive_patch(h, p, size)) for p in range(pixels)], axis=1)

    h = math.sqrt(SOFTPLUS_C / m) * layer(first, x)
    for W in later:
        h = h + c_res / (H * math.sqrt(m)) * layer(W, h)
    return sum(a.reshape(pixels, m)[p] @ h[:, p] for p in range(pixels))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_du_deep_networks(depth):
    X = unit_rows(np.random.default_rng(0), 5, 6)
    network = du2019_deep.FullyConnected(width=9, depth=depth).draw(6, seed=1)
    expected = [naive_fully_connected(as_arrays(network), x) for x in X]
    np.testing.assert_allclose(network(torch.as_tensor(X)).detach(), expected, rtol=1e-12)
    network = du2019_deep.ResNet(width=9, depth=depth, residual_scale=0.7).draw(6, seed=1)
    expected = [naive_resnet(as_arrays(network), x, 0.7) for x in X]
    np.testing.assert_allclose(network(torch.as_tensor(X)).detach(), expected, rtol=1e-12)
    images = X.reshape(5, 2, 3)
    for patch in (1, 2, 3):
        network = du2019_deep.ConvResNet(width=4, depth=depth, pixels=3, patch=patch).draw(2, seed=1)
        expected = [naive_conv_resnet(as_arrays(network), x, 0.5, patch) for x in images]
        np.testing.assert_allclose(network(torch.as_tensor(images)).detach(), expected, rtol=1e-12)


def naive_allenzhu(A, weights, B, x, y, tau=None):
    """F_i = 1/2 ||B h_L - y||^2 and the gradients D_l (Back_(l+1)^T loss) h_(l-1)^T, from the definitions."""
    h, D = [relu(A @ x)], []
    L = len(weights)
    for depth, W in enumerate(weights, 1):
        g = W @ h[-1] if tau is None or depth == L else h[-1] + tau * (W @ h[-1])
        D.append(np.diag((g >= 0).astype(float)))
        h.append(relu(g))
    loss = B @ h[-1] - y
    back, gradients = B, []
    for depth in range(L, 0, -1):
        skip = tau is not None and depth < L
        factor = tau if skip else 1.0
        gradients.insert(0, factor * np.outer(D[depth - 1] @ back.T @ loss, h[depth - 1]))
        step = np.eye(len(back[0])) + tau * weights[depth - 1] if skip else weights[depth - 1]
        back = back @ D[depth - 1] @ step
    return 0.5 * loss @ loss, gradients


@pytest.mark.parametrize("tau", [None, 0.1])
def test_allenzhu_networks_and_their_gradients(tau):
    rng = np.random.default_rng(0)
    X, Y = unit_rows(rng, 4, 5), rng.standard_normal((4, 3))
    sizes = {"width": 8, "depth": 3, "outputs": 3}
    family = allenzhu2019.FullyConnected(**sizes) if tau is None else allenzhu2019.ResNet(**sizes, tau=tau)
    network = family.draw(5, seed=2)
    A, *weights, B = as_arrays(network)
    assert [p.requires_grad for p in network.parameters()] == [False, True, True, True, False]
    loss = (network(torch.as_tensor(X)) - torch.as_tensor(Y)).square().sum() / 2
    loss.backward()
    expected = [naive_allenzhu(A, weights, B, x, y, tau) for x, y in zip(X, Y, strict=True)]
    np.testing.assert_allclose(float(loss.detach()), sum(f for f, _ in expected), rtol=1e-12)
    for k, layer in enumerate(network.hidden):
        np.testing.assert_allclose(layer.weight.grad, sum(g[k] for _, g in expected), rtol=1e-10, atol=1e-13)


def test_allenzhu_gradient_at_a_kink_is_that_of_an_active_neuron():
    network = allenzhu2019.FullyConnected(width=4, depth=1, outputs=2).draw(3, seed=0)
    with torch.no_grad():
        network.hidden[0].weight.zero_()
    network(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
    h = np.maximum(network.input.weight.detach().numpy() @ np.ones(3), 0)
    expected = np.outer(network.output.weight.detach().numpy().sum(axis=0), h)
    np.testing.assert_allclose(network.hidden[0].weight.grad, expected, rtol=1e-13)


def test_allenzhu_convolution():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3, 2, 5))
    network = allenzhu2019.ConvNet(width=4, depth=2, outputs=3, pixels=5).draw(2, seed=0)
    A, *weights, B = as_arrays(network)
    for x, out in zip(X, network(torch.as_tensor(X)).detach().numpy(), strict=True):
        h = x
        for W in [A, *weights]:
            around = [np.concatenate([h[:, (p + o) % 5] for o in (-1, 0, 1)]) for p in range(5)]
            h = np.stack([relu(W @ patch) for patch in around], axis=1)
        np.testing.assert_allclose(out, B @ h.T.ravel(), rtol=1e-12)


def test_allenzhu_starts_have_their_variances():
    A, W, B = as_arrays(allenzhu2019.FullyConnected(width=600, depth=1, outputs=50).draw(100, seed=0))
    for array, variance in [(A, 2 / 600), (W, 2 / 600), (B, 1 / 50)]:
        assert np.mean(array**2) == pytest.approx(variance, rel=6 * math.sqrt(2 / array.size))
    A, W, B = as_arrays(allenzhu2019.ConvNet(width=100, depth=1, outputs=50, pixels=9).draw(30, seed=0))
    for array, variance in [(A, 2 / 300), (W, 2 / 300), (B, 1 / 50)]:
        assert np.mean(array**2) == pytest.approx(variance, rel=6 * math.sqrt(2 / array.size))


@pytest.mark.parametrize(("form", "power"), [("ntk", 0.5), ("standard", 0.0), ("mean-field", 1.0)])
@pytest.mark.parametrize("trained", ["first", "last", "both"])
def test_two_layer_forms(form, power, trained):
    X = unit_rows(np.random.default_rng(0), 5, 6)
    network = shallow.TwoLayer(width=8, form=form, trained=trained, activation="tanh", deviation=0.3).draw(6, seed=4)
    W, a = as_arrays(network)
    expected = [sum(a[0, r] * math.tanh(W[r] @ x) for r in range(8)) / 8**power for x in X]
    np.testing.assert_allclose(network(torch.as_tensor(X)).detach(), expected, rtol=1e-12)
    assert [p.requires_grad for p in network.parameters()] == [trained != "last", trained != "first"]


def test_two_layer_starts():
    X = torch.as_tensor(unit_rows(np.random.default_rng(0), 5, 6))
    paired = shallow.TwoLayer(width=8, start="antisymmetric").draw(6, seed=0)
    assert paired(X).abs().max() < 1e-15 and len(torch.unique(paired.hidden.weight, dim=0)) == 4
    silent = shallow.TwoLayer(width=8, form="standard", start="zero-output", trained="both").draw(6, seed=0)
    assert torch.equal(silent(X), torch.zeros(5, dtype=torch.float64)) and silent.hidden.weight.abs().min() > 0
    with pytest.raises(ValueError, match="width must be even"):
        shallow.TwoLayer(width=7, start="antisymmetric").draw(6, seed=0)
    with pytest.raises(ValueError, match="never moves"):
        shallow.TwoLayer(width=8, start="zero-output").draw(6, seed=0)
    large = shallow.TwoLayer(width=40_000, form="standard", deviation=3.0).draw(3, seed=0)
    W, v = as_arrays(large)
    assert np.mean(W**2) == pytest.approx(9, rel=0.03) and np.mean(v**2) == pytest.approx(1 / 40_000, rel=0.05)


def naive_ding(a, V, b, x, sharpness, jointly):
    """Forward and adjoint of the discrete network; returns the states and dE/dtheta for E = 1/2 (z_L[-1] - y)^2."""
    L, M = a.shape
    z = [x]
    slopes = []
    for k in range(L):
        move, slope = np.zeros(len(x)), np.zeros((len(x), len(x)))
        for m in range(M):
            V2, b2 = np.sum(V[k, m] ** 2), np.sum(b[k, m] ** 2)
            of_V, of_b = (V2 + b2, V2 + b2) if jointly else (V2, b2)
            W, c = sharpness * V[k, m] / math.sqrt(1 + of_V), sharpness * b[k, m] / math.sqrt(1 + of_b)
            t = np.tanh(W @ z[-1] + c)
            move += a[k, m] * t
            slope += a[k, m] * (1 - t**2)[:, None] * W
        z.append(z[-1] + move / (M * L))
        slopes.append(slope / (M * L))
    return z, slopes


@pytest.mark.parametrize("normalised", ["jointly", "separately"])
@pytest.mark.parametrize("paths", ["smooth", "tied", "independent"])
def test_ding_network_and_its_adjoint(normalised, paths):
    network = ding2021.ResNet(depth=4, branches=3, normalised=normalised, paths=paths).draw(2, seed=0)
    a, V, b = as_arrays(network)
    x = np.array([0.3, -0.8])
    z, slopes = naive_ding(a, V, b, x, 5.0, normalised == "jointly")
    states = network.states(torch.as_tensor(x)[None])
    np.testing.assert_allclose([s[0].detach().numpy() for s in states], z, rtol=1e-12)
    (0.5 * (network(torch.as_tensor(x)[None]) - 0.4).square().sum()).backward()
    p = np.array([0.0, z[-1][-1] - 0.4])
    for k in reversed(range(4)):
        # M L dE/da_(k,m) = (df/da)^T p_(k+1) = tanh(W z + c)^T p_(k+1)
        for m in range(3):
            V2, b2 = np.sum(V[k, m] ** 2), np.sum(b[k, m] ** 2)
            of_V, of_b = (V2 + b2, V2 + b2) if normalised == "jointly" else (V2, b2)
            t = np.tanh(5 * V[k, m] @ z[k] / math.sqrt(1 + of_V) + 5 * b[k, m] / math.sqrt(1 + of_b))
            assert 12 * float(network.a.grad[k, m]) == pytest.approx(t @ p, rel=1e-11, abs=1e-14)
        p = (np.eye(2) + slopes[k]).T @ p


def test_ding_paths():
    def drawn(paths, depth, branches=200):
        return as_arrays(ding2021.ResNet(depth=depth, branches=branches, paths=paths).draw(2, seed=0))

    for paths in ("smooth", "tied"):  # one path, whatever the depth at which it is sampled
        for coarse, fine in zip(drawn(paths, 4), drawn(paths, 8), strict=True):
            np.testing.assert_allclose(coarse, fine[::2], atol=1e-15)
    steps = [np.abs(np.diff(drawn("smooth", depth)[1], axis=0)).max() * depth for depth in (8, 16, 32)]
    assert max(steps) < 1.1 * min(steps)  # differentiable in depth
    assert np.array_equal(drawn("tied", 4)[1][0], drawn("tied", 4)[1][3])
    assert np.abs(np.diff(drawn("independent", 32)[1], axis=0)).mean() > 1
    for paths in ("smooth", "tied", "independent"):
        a, V, _ = drawn(paths, 6)
        assert np.mean(V[3] ** 2) == pytest.approx(1, rel=0.3) and np.abs(a).max() <= 1


def test_nguyen_pyramid():
    X = unit_rows(np.random.default_rng(0), 5, 6)
    network = nguyen2020.Pyramid(widths=(8, 6, 4, 2), scale=100.0).draw(6, seed=0)
    weights = as_arrays(network)
    assert not weights[1].any()
    for W in weights[2:]:
        np.testing.assert_allclose(W @ W.T, 1e4 * np.eye(len(W)), atol=1e-9)
    network = nguyen2020.Pyramid(widths=(8, 6, 4, 2), start="lecun", slope=0.3, smoothness=2.0).draw(6, seed=0)
    W1, W2, W3, W4 = as_arrays(network)
    width = 0.7 / (2.0 * math.sqrt(2 * math.pi))

    def s(x):  # the leaky ReLU smoothed by N(0, width^2), by quadrature
        def shifted(u):
            return max(0.3 * (x - width * u), x - width * u) - max(-0.3 * width * u, -width * u)

        kinks = sorted({0.0, x / width})
        return integrate.quad(lambda u: shifted(u) * math.exp(-u * u / 2), -9, 9, points=kinks)[0] / math.sqrt(
            2 * math.pi
        )

    sigma = np.vectorize(s)
    expected = sigma(sigma(sigma(X @ W1.T) @ W2.T) @ W3.T) @ W4.T
    np.testing.assert_allclose(network(torch.as_tensor(X)).detach(), expected, atol=1e-7)


def test_the_smoothed_leaky_relu_keeps_its_promises():
    s = layers.smoothed_leaky_relu(0.3, 2.0)
    z = torch.linspace(-8, 8, 20001, dtype=torch.float64, requires_grad=True)
    value = s(z)
    (slope,) = torch.autograd.grad(value.sum(), z)
    assert 0.3 - 1e-12 <= slope.min() and slope.max() <= 1 + 1e-12 and float(s(torch.zeros(1))) == 0
    steepest = float((slope.diff() / z.detach().diff()).max())
    assert 1.999 <= steepest <= 2 and (value.abs() <= z.abs() + 1e-15).all()


ORTHOGONAL = ["gram-schmidt", "householder", "lowdin", "cayley"]


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_orthogonalisers_and_invariance_of_the_energy(name):
    raw = torch.randn(12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    R = liu2021_opt.ORTHOGONALISERS[name](raw)
    torch.testing.assert_close(R.T @ R, torch.eye(12, dtype=torch.float64), rtol=0, atol=1e-12)
    neurons = layers.Draws(0).normal(30, 12)
    for power in (0, 1, 2.5):
        assert liu2021_opt.energy(neurons @ R.T, power) == pytest.approx(liu2021_opt.energy(neurons, power), rel=1e-12)
    if name == "cayley":
        assert float(torch.linalg.det(R)) == pytest.approx(1)
    if name in ("gram-schmidt", "householder"):  # both orthogonalise the columns one after the other
        triangular = R.T @ raw
        assert triangular.tril(-1).abs().max() < 1e-12
    if name == "lowdin":  # R^T raw is the symmetric positive factor
        factor = R.T @ raw
        torch.testing.assert_close(factor, factor.T)
        assert torch.linalg.eigvalsh(factor)[0] > 0


def test_descent_on_the_orthogonal_matrices_moves_downhill_and_drifts_by_the_fourth_power():
    gradient = layers.Draws(1).normal(16, 16)
    R = torch.eye(16, dtype=torch.float64)
    after, momentum = liu2021_opt.orthogonal_step(R, gradient, torch.zeros_like(R), 1e-3)
    assert float((gradient * (after - R)).sum()) < 0
    W = momentum @ R.T
    torch.testing.assert_close(W, -W.T)
    exact = torch.linalg.solve(R - 5e-4 * W, R + 5e-4 * W)
    assert float((after - exact).norm()) < 1e-2 * float((after - R - 1e-3 * W).norm())  # the sweeps bend it
    for length in (0.5, 0.25):
        step = length / float(W.norm())
        after, _ = liu2021_opt.orthogonal_step(R, gradient, torch.zeros_like(R), step)
        defect = after @ after.T - torch.eye(16, dtype=torch.float64)
        fourth = -torch.linalg.matrix_power(step * W, 4) / 4
        assert float((defect - fourth).norm()) <= 0.1 * float(fourth.norm())


def test_energies():
    square = torch.tensor([[1.0, 0], [0, 2], [-3, 0], [0, -1]], dtype=torch.float64)
    assert liu2021_opt.energy(square, 1) == pytest.approx(8 / math.sqrt(2) + 4 / 2)
    assert liu2021_opt.energy(square, 0) == pytest.approx(-(8 * math.log(math.sqrt(2)) + 4 * math.log(2)))
    draws = [liu2021_opt.energy(layers.Draws(seed).normal(20, 8), 2.0) for seed in range(400)]
    expected = liu2021_opt.mean_energy(20, 8, 2.0)
    assert abs(np.mean(draws) - expected) <= 4 * np.std(draws) / 20
    density = special.gamma(4) / math.sqrt(math.pi) / special.gamma(3.5)  # of the cosine in R^8
    integral = integrate.quad(lambda t: density * (1 - t * t) ** 2.5 * (2 - 2 * t) ** -1.0, -1, 1)[0]
    assert expected == pytest.approx(20 * 19 * integral, rel=1e-8)
    with pytest.raises(ValueError, match="finite"):
        liu2021_opt.mean_energy(20, 3, 2.0)


@pytest.mark.parametrize("name", [*ORTHOGONAL, "descent", "regularised"])
def test_orthogonal_network(name):
    X = unit_rows(np.random.default_rng(0), 5, 6)
    network = liu2021_opt.OrthogonalNetwork(widths=(7, 4), orthogonaliser=name).draw(6, seed=0)
    first, second = network.hidden
    expected = []
    for x in X:
        h = relu([(first.rotation @ v).detach().numpy() @ x for v in first.V.T])
        h = relu([(second.rotation @ v).detach().numpy() @ h for v in second.V.T])
        expected.append(network.output.weight.detach().numpy()[0] @ h)
    np.testing.assert_allclose(network(torch.as_tensor(X)).detach(), expected, rtol=1e-11, atol=1e-14)
    network(torch.as_tensor(X)).sum().backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().max() > 0 for p in network.parameters())
    penalty = liu2021_opt.orthogonality_penalty(2 * torch.eye(4, dtype=torch.float64))
    assert float(penalty) == pytest.approx(0.1 * math.sqrt(4 * 9))


DRAWN = [
    (du2019_deep.FullyConnected(width=9, depth=2), 6),
    (du2019_deep.ConvResNet(width=4, depth=2, pixels=3), 2),
    (allenzhu2019.ResNet(width=9, depth=2, outputs=2), 6),
    (ding2021.ResNet(depth=3, branches=2), 6),
    (nguyen2020.Pyramid(widths=(8, 6, 4, 2)), 6),
    (liu2021_opt.OrthogonalNetwork(widths=(7, 4)), 6),
    (shallow.TwoLayer(width=8), 6),
]


@pytest.mark.parametrize(("family", "dimension"), DRAWN)
def test_a_draw_is_a_function_of_the_seed_and_leaves_the_global_state_alone(family, dimension):
    state = torch.random.get_rng_state()
    once, again, other = (as_arrays(family.draw(dimension, seed)) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(once, other, strict=True))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("family", "sizes", "message"),
    [
        (du2019_deep.FullyConnected, {"width": 0, "depth": 2}, "FullyConnected needs width of at least 1, not 0"),
        (ding2021.ResNet, {"depth": -1, "branches": 2}, "ResNet needs depth"),
        (nguyen2020.Pyramid, {"widths": (4, 0)}, "Pyramid needs widths"),
        (liu2021_opt.OrthogonalNetwork, {"widths": ()}, "OrthogonalNetwork needs widths"),
    ],
)
def test_sizes_are_at_least_one(family, sizes, message):
    with pytest.raises(ValueError, match=message):
        family(**sizes)


def test_activation_names():
    assert layers.normaliser("tanh") == pytest.approx(TANH_C, rel=1e-14)
    with pytest.raises(ValueError, match="unknown activation 'mish': choose from relu"):
        shallow.TwoLayer(width=3, activation="mish").draw(2, seed=0)
    with pytest.raises(ValueError, match=r"E\[s\(z\)\^2\]"):
        layers.normaliser("mish")
