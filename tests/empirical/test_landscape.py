"""What lemmas speak of besides the loss, against its definitions, by loops over layers and inputs."""

import copy
import math

import numpy as np
import pytest
import torch

from empirical.losses import Loss
from empirical.measurements import OBSERVABLES, View
from empirical.networks import allenzhu2019, ding2021, du2019_deep, liu2021_opt, nguyen2020, shallow
from tests.empirical.test_measurements import LOSS, RNG, Y1, Y2, X, jacobian, trained

DEEP = du2019_deep.FullyConnected(width=9, depth=3)
FROZEN = allenzhu2019.FullyConnected(width=9, depth=2, outputs=2)
SMOOTH = shallow.TwoLayer(width=9, activation="tanh", trained="both")
CASES = [(DEEP, Y1), (FROZEN, Y2), (SMOOTH, Y1)]
FAMILIES = pytest.mark.parametrize(("family", "y"), CASES, ids=["deep", "frozen", "shallow"])


def seen(name, view):
    return OBSERVABLES[name].measure(view)


def layers_of(network):
    """What enters each matrix after the first trained one's inputs, by hand."""
    with torch.no_grad():
        if isinstance(network, allenzhu2019.Network):
            found = [(X @ network.input.weight.T).clamp(min=0)]
            for layer in network.hidden:
                found.append((found[-1] @ layer.weight.T).clamp(min=0))
            return found
        found = [X]
        for layer in network.hidden:
            found.append(network.scale * torch.nn.functional.softplus(found[-1] @ layer.weight.T))
        return found[1:]


@pytest.mark.parametrize(("family", "y"), [(DEEP, Y1), (FROZEN, Y2)])
def test_features(family, y):
    _, view = trained(family, y)
    found = seen("features", view)
    now, then = layers_of(view.network), layers_of(view.start)
    assert {len(found[name]) for name in found} == {len(now)}
    for layer, (h, h_0) in enumerate(zip(now, then, strict=True)):
        norms = [math.sqrt(float((row**2).sum())) for row in h]
        assert found["least"][layer] == pytest.approx(min(norms), rel=1e-12)
        assert found["largest"][layer] == pytest.approx(max(norms), rel=1e-12)
        moved = max(math.sqrt(float((a - b).square().sum())) for a, b in zip(h, h_0, strict=True))
        assert found["moved"][layer] == pytest.approx(moved, rel=1e-9)
        assert (moved > 0) == (layer > 0 or family == DEEP)  # h_0 = relu(A x) stays
        least = math.sqrt(max(np.linalg.eigvalsh((h @ h.T).numpy())[0], 0.0))
        assert found["least_singular"][layer] == pytest.approx(least, abs=1e-7)


def test_features_of_fewer_neurons_than_inputs_are_dependent():
    _, view = trained(shallow.TwoLayer(width=4, activation="tanh"), Y1)
    assert seen("features", view)["least_singular"] == [0.0]


def test_matrices():
    _, view = trained(FROZEN, Y2)
    found = seen("matrices", view)
    for layer, W in enumerate([*(layer.weight for layer in view.network.hidden), view.network.output.weight]):
        eigenvalues = np.linalg.eigvalsh((W @ W.T).detach().numpy())
        assert found["spectral"][layer] == pytest.approx(math.sqrt(eigenvalues[-1]), rel=1e-9)
        assert found["least_singular"][layer] == pytest.approx(math.sqrt(max(eigenvalues[0], 0.0)), abs=1e-6)
    B = view.network.output.weight.detach().numpy()
    fourth = sum((B[:, r] ** 2).sum() ** 2 for r in range(9)) ** 0.25
    assert found["output_fourth"] == pytest.approx(fourth, rel=1e-12)
    rotated = liu2021_opt.OrthogonalNetwork(widths=(4,)).draw(5, seed=0)
    with pytest.raises(ValueError, match="no weight matrix"):
        seen("matrices", View(rotated, rotated, X, Y1, LOSS))


def test_kernels_of_the_first_and_the_last_layer():
    initial, view = trained(DEEP, Y1)
    limit = np.diag(np.arange(1.0, 7.0))
    view = View(view.network, view.start, X, Y1, LOSS, limit, initial)
    found = seen("layer kernels", view)
    sizes = [p.numel() for p in view.network.parameters()]
    columns = {"first": slice(0, sizes[0]), "last": slice(sum(sizes[:2]), sum(sizes[:3]))}
    for name, chosen in columns.items():
        now, then = (jacobian(network)[:, chosen] for network in (view.network, view.start))
        gram, before = now @ now.T, then @ then.T
        assert found[f"{name}_least"] == pytest.approx(np.linalg.eigvalsh(gram)[0], abs=1e-9)
        assert found[f"{name}_drift"] == pytest.approx(np.linalg.norm(gram - before, 2), rel=1e-7)
        assert found[f"{name}_from_limit"] == pytest.approx(np.linalg.norm(gram - limit, 2), rel=1e-9)


@FAMILIES
def test_entries_of_the_kernel(family, y):
    _, view = trained(family, y)
    found = seen("kernel entries", view)
    now, then = jacobian(view.network), jacobian(view.start)
    gram, before = now @ now.T, then @ then.T
    sizes = np.linalg.norm(then, axis=1)
    assert found["change"] == pytest.approx(np.abs(gram - before).max(), rel=1e-7)
    assert found["relative"] == pytest.approx(np.abs((gram - before) / np.outer(sizes, sizes)).max(), rel=1e-7)
    assert found["largest_gradient"] == pytest.approx(np.linalg.norm(now, axis=1).max(), rel=1e-9)
    assert found["gradient_change"] == pytest.approx((np.linalg.norm(now - then, axis=1) / sizes).max(), rel=1e-6)


@FAMILIES
def test_linearisation(family, y):
    _, view = trained(family, y)
    found = seen("linearisation", view)
    moved = np.concatenate([move.numpy().ravel() for move in view.moves.values()])
    with torch.no_grad():
        now, then = view.network(X).numpy(), view.start(X).numpy()
    slope = (jacobian(view.start) @ moved).reshape(now.shape)
    residual = then - y.numpy()
    expected = 0.5 * (residual**2).sum() + (residual * slope).sum()
    assert found["remainder"] == pytest.approx(0.5 * ((now - y.numpy()) ** 2).sum() - expected, rel=1e-7, abs=1e-12)
    assert found["largest_error"] == pytest.approx(np.abs(now - then - slope).max(), rel=1e-7)
    assert found["first_order"] == pytest.approx(0.5 * (slope**2).sum(), rel=1e-9)
    assert found["change"] == pytest.approx(np.linalg.norm(now - then), rel=1e-9)
    assert found["norm"] == pytest.approx(np.linalg.norm(now), rel=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("family", "y"), [(DEEP, Y1), (FROZEN, Y2)])
def test_gradients_by_layer_and_by_input(family, y, reduction):
    network = family.draw(5, seed=0)
    found = seen("gradients", View(network, network, X, y, Loss(reduction=reduction)))
    J = jacobian(network)
    outputs = len(J) // 6
    with torch.no_grad():
        errors = (network(X) - y).reshape(6, outputs).numpy()
    scale = 1 if reduction == "sum" else 1 / 6
    loss = scale * 0.5 * (errors**2).sum()
    blocks, begin = [], 0
    for name, p in network.named_parameters():
        if p.requires_grad:
            blocks.append((name, slice(begin, begin + p.numel())))
            begin += p.numel()
    each = np.stack([errors[i] @ J[i * outputs : (i + 1) * outputs] for i in range(6)])  # grad F_i
    whole = scale * each.sum(axis=0)
    hidden = [part for name, part in blocks if name.startswith("hidden")]
    norms = [np.linalg.norm(whole[part]) for part in hidden]
    v = np.linalg.norm(errors, axis=1)
    assert found["norm"] == pytest.approx(np.linalg.norm(whole), rel=1e-9)
    single = max(np.linalg.norm(each[i][part]) / v[i] for i in range(6) for part in hidden)
    assert found["input"] == pytest.approx(single, rel=1e-9)
    assert found["layer"] == pytest.approx(max(norms) / scale / np.linalg.norm(v), rel=1e-9)
    assert found["last"] == pytest.approx(norms[-1] / scale / v.max(), rel=1e-9)
    assert found["over_root_loss"] == pytest.approx(max(norms) / math.sqrt(loss), rel=1e-9)
    assert (found["largest_layer"], found["largest_residual"]) == pytest.approx((max(norms), v.max()), rel=1e-9)


def test_hessians_of_outputs():
    """tanh(w . x) by hand: s'' x x^T m^(-1/2) in the block of each neuron, for the first three inputs."""
    network = shallow.TwoLayer(width=7, activation="tanh").draw(5, seed=3)
    z = (X @ network.hidden.weight.T).detach().numpy()
    second = -2 * np.tanh(z) * (1 - np.tanh(z) ** 2)
    norms = np.abs(second) * (X.numpy() ** 2).sum(axis=1)[:, None] / math.sqrt(7)
    found = seen("output hessians", View(network, network, X, Y1, LOSS))
    assert found["largest"] == pytest.approx(norms[:3].max(), rel=1e-5)
    last = shallow.TwoLayer(width=7, trained="last").draw(5, seed=3)  # linear in what is trained
    assert seen("output hessians", View(last, last, X, Y1, LOSS)) == {"largest": 0.0}


def test_the_simplified_newton_iteration():
    """w <- w + J^T K^-1 (y - f(w)) with J and K of where it begins."""
    initial, view = trained(shallow.TwoLayer(width=60, activation="tanh"), Y1)
    found, J = seen("newton", view), jacobian(view.network)
    network = copy.deepcopy(view.network)
    weight, shape = network.hidden.weight, network.hidden.weight.shape
    begin = weight.detach().clone()
    for k in range(60):
        with torch.no_grad():
            step = J.T @ np.linalg.solve(J @ J.T, (Y1 - network(X)).numpy())
            weight.add_(torch.as_tensor(step).view(shape))
        if k == 0:
            assert found["step"] == pytest.approx(np.linalg.norm(step), rel=1e-9)
    assert found["residual"] < 1e-12
    assert found["distance"] == pytest.approx(float((weight.detach() - begin).norm()), rel=1e-9)
    assert found["from_start"] == pytest.approx(float((weight - view.start.hidden.weight).detach().norm()), rel=1e-9)
    assert seen("newton", initial)["distance"] == seen("newton", initial)["from_start"]


def test_a_newton_iteration_that_grows_is_given_up():
    network = shallow.TwoLayer(width=1, activation="sin", deviation=8.0).draw(5, seed=0)
    found = seen("newton", View(network, network, X, 100 * Y1, LOSS))
    assert math.isfinite(found["residual"]) and found["residual"] > 1


def test_misclassified_inputs():
    signs = torch.sign(Y1)
    network = SMOOTH.draw(5, seed=0)
    with torch.no_grad():
        wrong = int((network(X) * signs <= 0).sum())
    assert seen("misclassified", View(network, network, X, signs, Loss(kind="logistic"))) == {"count": wrong}
    several = FROZEN.draw(5, seed=0)
    classes = torch.tensor([0.0, 1, 1, 0, 1, 0], dtype=torch.float64)
    with torch.no_grad():
        wrong = sum(int(row.argmax()) != int(c) for row, c in zip(several(X), classes, strict=True))
    assert seen("misclassified", View(several, several, X, classes, Loss(kind="cross-entropy"))) == {"count": wrong}


def test_flipped_neurons():
    _, view = trained(FROZEN, Y2, steps=60)
    counts = []
    for layer in range(2):
        z, z_0 = (layers_of(one)[layer] @ one.hidden[layer].weight.T for one in (view.network, view.start))
        rows = zip((z >= 0).tolist(), (z_0 >= 0).tolist(), strict=True)
        counts.append(max(sum(a != b for a, b in zip(*row, strict=True)) for row in rows))
    assert seen("flipped neurons", view) == {"largest": counts} and max(counts) > 0


def test_last_states_and_rotations():
    network = ding2021.ResNet(depth=2, branches=3).draw(5, seed=0)
    state = seen("last states", View(network, network, X, Y1, LOSS))["state"]
    with torch.no_grad():
        np.testing.assert_array_equal(np.reshape(state, (6, 5))[:, -1], network(X))
    rotated = liu2021_opt.OrthogonalNetwork(widths=(4, 4), orthogonaliser="descent").draw(5, seed=0)
    with torch.no_grad():
        rotated.hidden[1].raw.copy_(torch.diag(torch.tensor([1.0, 2.0, 1.0, 0.5], dtype=torch.float64)))
    assert seen("rotation defect", View(rotated, rotated, X, Y1, LOSS)) == {"largest": 3.0}


def test_observables_of_a_pyramid_start_where_its_second_matrix_vanishes():
    """W_2 = 0: what is relative to nothing has no number, and nothing is warned of."""
    network = nguyen2020.Pyramid(widths=(9, 3, 1)).draw(5, seed=0)
    y = torch.as_tensor(RNG.standard_normal((6, 1)))
    found = seen("matrices", View(network, network, X, y, LOSS))
    assert found["spectral"][1] == found["least_singular"][1] == 0.0
    assert seen("features", View(network, network, X, y, LOSS))["largest"][1] == 0.0
