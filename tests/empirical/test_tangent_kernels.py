"""Layerwise Gram matrices against the product of the Jacobian that torch.func gives."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from empirical import gram_matrix
from empirical.networks import allenzhu2019, ding2021, du2019_deep, liu2021_opt
from empirical.tangent_kernels import cross_gram_matrix


def jacobian_product(network, X):
    """J J^T from the n x P Jacobian, rows ordered (input, output)."""
    trained = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}

    def outputs(parameters, x):
        return functional_call(network, parameters, (x[None],))[0]

    pieces = vmap(jacrev(outputs), (None, 0))(trained, X)
    rows = [pieces[name].reshape(-1, math.prod(p.shape)) for name, p in trained.items()]
    J = torch.cat(rows, dim=1)
    return (J @ J.T).numpy()


def assert_is_jacobian_product(network, X, **options):
    expected = jacobian_product(network, X)
    found = gram_matrix(network, X, **options)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert np.array_equal(found, found.T)
    return found


def inputs(*shape, seed=0):
    X = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return X / X.flatten(1).norm(dim=1).view(-1, *[1] * (len(shape) - 1))


FAMILIES = {
    "several strips": (du2019_deep.FullyConnected(width=20, depth=2), (150, 7)),
    "several strips of pixels": (du2019_deep.ConvResNet(width=4, depth=2, pixels=16), (70, 2, 16)),
    "fully connected": (du2019_deep.FullyConnected(width=40, depth=3), (11, 7)),
    "one hidden layer": (du2019_deep.FullyConnected(width=40, depth=1, activation="tanh"), (11, 7)),
    "relu": (du2019_deep.FullyConnected(width=40, depth=3, activation="relu"), (11, 7)),
    "residual": (du2019_deep.ResNet(width=40, depth=4), (11, 7)),
    "convolutional residual": (du2019_deep.ConvResNet(width=6, depth=3, pixels=9), (11, 2, 9)),
    "few pixels": (du2019_deep.ConvResNet(width=30, depth=3, pixels=3), (11, 2, 3)),
    "Ding, jointly normalised": (ding2021.ResNet(depth=3, branches=4), (11, 5)),
    "Ding, separately": (ding2021.ResNet(depth=2, branches=3, normalised="separately", paths="tied"), (11, 5)),
    "Allen-Zhu": (allenzhu2019.FullyConnected(width=30, depth=3, outputs=3), (11, 7)),
    "Allen-Zhu residual": (allenzhu2019.ResNet(width=30, depth=3, outputs=2), (11, 7)),
    "Allen-Zhu convolutional": (allenzhu2019.ConvNet(width=5, depth=2, outputs=3, pixels=8), (11, 2, 8)),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("block", [512, 4])
def test_families(name, block):
    family, shape = FAMILIES[name]
    assert_is_jacobian_product(family.draw(shape[1], seed=3), inputs(*shape), block=block)


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, h):
        return h + 0.5 * self.inner(h)


def user_module():
    return nn.Sequential(
        nn.Linear(7, 12),
        nn.GELU(),
        Residual(nn.Sequential(nn.Linear(12, 9, bias=False), nn.Softplus(), nn.Linear(9, 12))),
        nn.Tanh(),
        nn.Linear(12, 2),
    ).double()


def convolutional_module():
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 5, (3, 2), stride=(2, 1), dilation=(1, 2), padding=(1, 2), bias=False),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    ).double()


def test_user_modules():
    torch.manual_seed(0)
    assert_is_jacobian_product(user_module(), inputs(10, 7), block=3)
    assert_is_jacobian_product(convolutional_module(), inputs(6, 2, 6, 6), block=4)
    one = nn.Sequential(nn.Conv1d(3, 4, 3, padding=1, stride=2), nn.Sigmoid(), nn.Flatten(), nn.Linear(12, 1)).double()
    assert_is_jacobian_product(one, inputs(5, 3, 6))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_found_where_the_caller_wants_none(mode):
    torch.manual_seed(0)
    network, X = user_module(), inputs(10, 7)
    expected = gram_matrix(network, X)
    with mode():
        assert np.array_equal(gram_matrix(network, X + 0), expected)
        assert np.array_equal(cross_gram_matrix(network, network, X).diagonal(), expected.diagonal())


class Functional(nn.Module):
    """Layers called as functions, by position and by name."""

    def __init__(self):
        super().__init__()
        self.signal = nn.Parameter(torch.randn(5, 3, 2, dtype=torch.float64))
        self.image = nn.Parameter(torch.randn(4, 5, 1, 3, dtype=torch.float64))
        self.bias = nn.Parameter(torch.randn(4, dtype=torch.float64))
        self.last = nn.Parameter(torch.randn(2, 8, dtype=torch.float64))

    def forward(self, X):
        h = torch.tanh(nn.functional.conv1d(X, self.signal, stride=(2,), padding=1))
        h = nn.functional.pad(h, (1, 1), mode="circular").unsqueeze(2)
        h = torch.tanh(nn.functional.conv2d(input=h, weight=self.image, bias=self.bias, dilation=2, stride=(1,)))
        return nn.functional.linear(h.flatten(1), self.last)


def test_layers_called_as_functions_are_layers():
    from empirical.tangent_kernels import _part

    torch.manual_seed(0)
    network = Functional()
    assert not _part(network, inputs(5, 3, 6)).others
    assert_is_jacobian_product(network, inputs(5, 3, 6), block=2)


class Merged(nn.Module):
    """A layer on all positions of all inputs at once."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4, dtype=torch.float64)

    def forward(self, X):
        return torch.tanh(self.layer(X.reshape(-1, 3))).view(len(X), -1).sum(dim=1)


def test_inputs_whose_positions_are_merged_count_by_their_jacobians():
    torch.manual_seed(0)
    assert_is_jacobian_product(Merged(), inputs(5, 6))


class Mapped(nn.Module):
    """A network that maps over its inputs, and over the positions of each, by torch.func."""

    def __init__(self):
        super().__init__()
        self.layer, self.last = (nn.Linear(6, k, dtype=torch.float64) for k in (6, 1))

    def forward(self, X):
        alone = torch.func.vmap(lambda x: torch.tanh(self.layer(x)))(X)
        return self.last(alone) + torch.func.vmap(lambda x: torch.tanh(self.layer(x)).sum()[None])(
            X[:, None].expand(-1, 5, -1)
        )


def test_layers_inside_a_transformation_count_by_their_jacobians():
    torch.manual_seed(0)
    assert_is_jacobian_product(Mapped(), inputs(5, 6))


def test_both_ways_through_a_convolution_are_the_same():
    """Whatever is cheaper here, overlaps and the layer's own Jacobian give one matrix."""
    from empirical.tangent_kernels import _add_jacobians, _add_overlaps, _part

    torch.manual_seed(0)
    network = convolutional_module()
    for factor in _part(network, inputs(4, 2, 6, 6)).factors:
        by_overlaps, by_jacobians = torch.zeros(12, 12, dtype=torch.float64), torch.zeros(12, 12, dtype=torch.float64)
        _add_overlaps(by_overlaps, factor, factor)
        _add_jacobians(by_jacobians, factor, factor)
        torch.testing.assert_close(by_overlaps.tril(), by_jacobians.tril(), rtol=0, atol=1e-13)


def test_shared_weights_and_repeated_calls_count_together():
    torch.manual_seed(0)
    layer = nn.Linear(6, 6)
    twin = nn.Linear(6, 6, bias=False)
    network = nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), twin, nn.Sigmoid(), nn.Linear(6, 1)).double()
    twin.weight = layer.weight
    rows = []
    for x in inputs(8, 6):  # sample by sample: functional_call replaces a repeated layer's weights but once
        gradients = torch.autograd.grad(network(x[None])[0, 0], list(network.parameters()))
        rows.append(torch.cat([g.flatten() for g in gradients]))
    J = torch.stack(rows)
    np.testing.assert_allclose(gram_matrix(network, inputs(8, 6)), (J @ J.T).numpy(), rtol=1e-12)


def test_a_bias_shared_without_its_weight_and_the_reverse():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6)).double()
    network[2].weight = network[0].weight
    with pytest.raises(ValueError, match="share a weight but not their bias"):
        gram_matrix(network, inputs(8, 6))


def test_frozen_parameters_are_left_out():
    torch.manual_seed(0)
    network = user_module()
    network[0].weight.requires_grad_(False)
    network[4].requires_grad_(False)
    assert_is_jacobian_product(network, inputs(10, 7))


def test_an_activation_in_place_changes_nothing():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(7, 20), nn.LeakyReLU(0.2), nn.Linear(20, 9), nn.ReLU(), nn.Linear(9, 1)).double()
    expected = gram_matrix(network, inputs(10, 7))
    network[1].inplace = network[3].inplace = True
    assert np.array_equal(gram_matrix(network, inputs(10, 7)), expected)


def test_a_neuron_on_its_kink_counts_as_active():
    network = du2019_deep.FullyConnected(width=5, depth=1, activation="relu").draw(2, seed=0)
    with torch.no_grad():
        network.hidden[0].weight.zero_()
    X = np.array([[1.0, 0.0], [0.6, 0.8]])
    squares = float(network.output.weight.detach().square().sum())
    expected = network.scale**2 * squares * (X @ X.T)
    np.testing.assert_allclose(gram_matrix(network, X), expected, rtol=1e-14)


def test_single_precision_and_the_network_itself_stay_as_they_are():
    network = du2019_deep.ResNet(width=40, depth=4).draw(7, seed=3)
    before = [p.clone() for p in network.parameters()]
    single = gram_matrix(network, inputs(11, 7), dtype="float32")
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, gram_matrix(network, inputs(11, 7)), rtol=1e-4)
    for parameter, old in zip(network.parameters(), before, strict=True):
        assert parameter.grad is None and torch.equal(parameter, old) and not parameter._backward_hooks
    assert not any(layer._forward_hooks for layer in network.modules())


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(7, 3, dtype=torch.float64)
        self.scale = nn.Parameter(torch.ones(3, dtype=torch.float64))

    def forward(self, X):
        return self.scale * self.layer(X)


class Bypassed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(7, 3, dtype=torch.float64)

    def forward(self, X):
        return nn.functional.linear(X, self.layer.weight)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(7, 7, dtype=torch.float64)

    def forward(self, X):
        return torch.tanh(self.layer(X)) @ self.layer.weight


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(7, dtype=torch.float64))

    def forward(self, X):
        return self.scale * X if bool((X > 0).any()) else X


def others():
    """Networks with trained parameters that belong to no linear layer, or to one that is more than its matrix."""
    torch.manual_seed(0)
    norm = nn.Sequential(nn.Linear(7, 4), nn.LayerNorm(4), nn.Linear(4, 2)).double()
    nn.init.normal_(norm[1].weight)
    layer = nn.Linear(7, 4)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", nn.Tanh())
    return {
        "scale": Bare(),
        "layer norm": norm,
        "weight without its layer": Bypassed(),
        "parametrised": nn.Sequential(layer, nn.Tanh(), nn.Linear(4, 1)).double(),
        "never used": nn.Sequential(nn.Linear(7, 3), nn.Identity()).double(),
    }


@pytest.mark.parametrize("name", others())
@pytest.mark.parametrize("entries", [2**24, 200])
def test_other_parameters_count_by_their_jacobians(name, entries, monkeypatch):
    monkeypatch.setattr("empirical.tangent_kernels.TEMPORARY", entries)
    network = others()[name]
    if name == "never used":
        network[1].spare = nn.Parameter(torch.ones(2, dtype=torch.float64))
    assert_is_jacobian_product(network, inputs(9, 7), block=4)


def test_parameters_that_nothing_uses_add_nothing():
    network = nn.Sequential(nn.Linear(7, 3).requires_grad_(False), nn.Identity()).double()
    network[1].spare = nn.Parameter(torch.ones(2, dtype=torch.float64))
    assert np.array_equal(gram_matrix(network, inputs(4, 7)), np.zeros((12, 12)))


@pytest.mark.parametrize("options", [{"groups": 2}, {"padding": "same"}, {"padding": 1, "padding_mode": "circular"}])
def test_convolutions_that_are_more_than_one_matrix(options):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3, **options), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)).double()
    network(inputs(1, 2, 4, 4))
    assert_is_jacobian_product(network, inputs(5, 2, 4, 4))


@pytest.mark.parametrize("orthogonaliser", liu2021_opt.ORTHOGONALISERS)
def test_rotations_count_by_their_jacobians(orthogonaliser):
    family = liu2021_opt.OrthogonalNetwork(widths=(6, 5), orthogonaliser=orthogonaliser)
    assert_is_jacobian_product(family.draw(4, seed=1), inputs(7, 4))


@pytest.mark.parametrize("family", [ding2021.ResNet(depth=2, branches=3), du2019_deep.FullyConnected(width=9, depth=2)])
def test_two_networks_of_one_architecture(family, monkeypatch):
    monkeypatch.setattr("empirical.tangent_kernels.TEMPORARY", 300)
    X, (network, other) = inputs(7, 4), (family.draw(4, seed) for seed in (1, 2))

    def gradient(net, x):
        return torch.cat([g.flatten() for g in torch.autograd.grad(net(x[None])[0], list(net.parameters()))])

    J, K = (torch.stack([gradient(net, x) for x in X]) for net in (network, other))
    np.testing.assert_allclose(cross_gram_matrix(network, other, X, block=3), (J @ K.T).numpy(), rtol=0, atol=1e-12)


class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(7, 3, dtype=torch.float64)

    def forward(self, X):
        return self.layer(X) - self.layer(X).mean(dim=0)


class Overwriting(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = (nn.Linear(7, 7, dtype=torch.float64) for _ in range(2))

    def forward(self, X):
        h = self.first(X)
        out = self.last(h)
        h.detach().mul_(2)
        return out


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Linear(7, 4), nn.Dropout(0.5), nn.Linear(4, 1)).double(), r"Dropout.*network.eval\(\)"),
        (nn.Sequential(nn.Linear(7, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).double(), r"BatchNorm1d.*network.eval\(\)"),
        (Mixing(), "another output alone than beside others"),
        (Twice(), "Twice uses the weight of a layer outside it"),
        (Branching(), r"torch.func cannot differentiate Branching with respect to scale"),
        (Overwriting(), "changed in place"),
        (nn.Sequential(nn.Linear(7, 4).requires_grad_(False)).double(), "none is trained"),
        (nn.Sequential(nn.Linear(7, 4), nn.Unflatten(1, (2, 2))).double(), "outputs must be"),
        (nn.Sequential(nn.Linear(7, 4)).bfloat16(), "computes in torch.bfloat16: give dtype='float32' or 'float64'"),
        (nn.Sequential(nn.Linear(6, 4)).double(), r"inputs \(5, 7\) do not fit Sequential: mat1"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(network, message):
    with pytest.raises(ValueError, match=message):
        gram_matrix(network, inputs(5, 7))


def test_the_mean_of_wide_networks_is_the_limit():
    """Over 40 seeds the Gram matrix of all layers averages to the certified one of infinite width (bias O(1/m))."""
    from bounds.activations import TANH
    from bounds.gram import fully_connected

    X = inputs(6, 5).numpy()
    limit = fully_connected(X, depth=2, activation=TANH, trained="all").midpoint
    family = du2019_deep.FullyConnected(width=500, depth=2, activation="tanh")
    draws = np.array([gram_matrix(family.draw(5, seed), X) for seed in range(40)])
    deviation = np.abs(draws.mean(axis=0) - limit).max()
    assert deviation <= 5 * draws.std(axis=0).max() / math.sqrt(40)
    assert draws.std(axis=0).max() <= 0.1 * np.abs(limit).max()
