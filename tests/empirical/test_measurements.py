"""Observables of deep networks against their definitions, written out without the package's algorithms."""

import copy
import math

import numpy as np
import pytest
import torch

from empirical.dynamics import GradientDescent, trajectory
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES, View
from empirical.networks import allenzhu2019, du2019_deep, liu2021_opt, shallow
from empirical.views import hessian_norm
from tests.empirical.cases import unit_rows
from tests.empirical.test_families import relu

RNG = np.random.default_rng(1)
X = torch.as_tensor(unit_rows(RNG, 6, 5))
LOSS = Loss()


def trained(family, y, steps=5):
    """Views at the start and after some steps."""
    network = family.draw(X.shape[1], seed=0)
    start = copy.deepcopy(network)
    for _ in trajectory(network, X, y, LOSS, GradientDescent(step_size=0.05, steps=steps)):
        pass
    initial = View(start, start, X, y, LOSS)
    return initial, View(network, start, X, y, LOSS, initial=initial)


def jacobian(network):
    rows = []
    for x in X:
        out = network(x[None]).reshape(-1)
        for c in range(len(out)):
            parameters = [p for p in network.parameters() if p.requires_grad]
            gradients = torch.autograd.grad(out[c], parameters, retain_graph=True)
            rows.append(torch.cat([g.flatten() for g in gradients]))
    return torch.stack(rows).numpy()


Y1, Y2 = torch.as_tensor(RNG.standard_normal(6)), torch.as_tensor(RNG.standard_normal((6, 2)))
FAMILIES = [
    (du2019_deep.FullyConnected(width=12, depth=2), Y1),
    (allenzhu2019.FullyConnected(width=12, depth=3, outputs=2), Y2),
    (allenzhu2019.ResNet(width=12, depth=3, outputs=2, tau=0.3), Y2),
]


@pytest.mark.parametrize(("family", "y"), FAMILIES)
def test_kernel_observables(family, y):
    initial, view = trained(family, y)
    J, J0 = jacobian(view.network), jacobian(view.start)
    singular = np.linalg.svd(J, compute_uv=False)
    found = OBSERVABLES["sensitivity"].measure(view)
    np.testing.assert_allclose(found["singular_values"], singular, atol=1e-6 * singular[0])
    assert found["effective_rank"] == pytest.approx(np.sum(singular**2) ** 2 / np.sum(singular**4))
    assert found["trace_per_parameter"] == pytest.approx(np.sum(J**2) / J.shape[1])
    change = OBSERVABLES["jacobian change"].measure(view)
    assert change["spectral"] == pytest.approx(np.linalg.norm(J - J0, 2), rel=1e-6)
    assert change["frobenius"] == pytest.approx(np.linalg.norm(J - J0), rel=1e-6)
    assert change["relative"] == pytest.approx(np.linalg.norm(J - J0) / np.linalg.norm(J0), rel=1e-6)
    kernel = OBSERVABLES["tangent kernel"].measure(view)
    assert kernel["drift_from_start"] == pytest.approx(np.linalg.norm(J @ J.T - J0 @ J0.T, 2), rel=1e-9)
    assert kernel["least_eigenvalue"] == pytest.approx(singular[-1] ** 2, rel=1e-6)
    residual = (y - view.network(X).detach()).flatten().numpy()
    components = OBSERVABLES["residuals"].measure(view)
    _, vectors = np.linalg.eigh(J0 @ J0.T)
    np.testing.assert_allclose(np.abs(components["components"]), np.abs(vectors.T @ residual), atol=1e-8)
    assert components["norm"] == pytest.approx(np.linalg.norm(residual))
    assert "drift_from_limit" not in kernel
    view.limit_gram = np.eye(len(J))
    kernel = OBSERVABLES["tangent kernel"].measure(view)
    assert kernel["drift_from_limit"] == pytest.approx(np.linalg.norm(J @ J.T - np.eye(len(J)), 2))
    ratio = OBSERVABLES["gradient dominance"].measure(view)
    assert ratio["all"] == pytest.approx(np.sum((J.T @ residual) ** 2) / np.sum(residual**2))
    assert initial.moves and all(not move.any() for move in initial.moves.values())


@pytest.mark.parametrize(("family", "y"), FAMILIES)
def test_gradient_dominance_of_the_last_hidden_layer_and_semi_smoothness(family, y):
    _, view = trained(family, y)
    network = view.network
    F = 0.5 * (network(X) - y).square().sum()
    last = network.hidden[-1].weight
    (gradient,) = torch.autograd.grad(F, [last], retain_graph=True)
    ratio = OBSERVABLES["gradient dominance"].measure(view)["last_hidden"]
    assert ratio == pytest.approx(float(gradient.square().sum() / (2 * F.detach())))
    found = OBSERVABLES["semi-smoothness"].measure(view)
    parameters = [p for p in network.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(F, parameters)
    largest = max(np.linalg.norm(g.numpy().reshape(len(g), -1), 2) for g in gradients)
    for radius, remainder in zip(found["radius"], found["remainder"], strict=True):
        moved = copy.deepcopy(network)
        with torch.no_grad():
            for p, g in zip([p for p in moved.parameters() if p.requires_grad], gradients, strict=True):
                p -= radius / largest * g
            after = 0.5 * (moved(X) - y).square().sum()
        slope = -radius / largest * sum(float(g.square().sum()) for g in gradients)
        assert remainder == pytest.approx(float(after - F.detach()) - slope, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("tau", [None, 0.3])
def test_norms_and_separation(tau):
    sizes = {"width": 12, "depth": 3, "outputs": 2}
    family = allenzhu2019.FullyConnected(**sizes) if tau is None else allenzhu2019.ResNet(**sizes, tau=tau)
    _, view = trained(family, Y2)
    A, *weights, B = [p.detach().numpy() for p in view.network.parameters()]
    forward, back, middle = [], [], []
    for x in X.numpy():
        h, steps = [relu(A @ x)], []
        for depth, W in enumerate(weights, 1):
            M = W if tau is None or depth == 3 else np.eye(12) + tau * W
            D = np.diag((M @ h[-1] >= 0).astype(float))
            steps.append((M, D))
            h.append(relu(M @ h[-1]))
        forward.append(h)
        products, backs = [], []
        for b in range(1, 4):
            P = steps[0][0]
            for k in range(1, b):
                P = steps[k][0] @ steps[k - 1][1] @ P
            products.append(np.linalg.norm(P, 2))
        Q = B
        for M, D in reversed(steps):
            Q = Q @ D @ M
            backs.insert(0, np.linalg.norm(Q, 2))
        middle.append(products)
        back.append(backs)
    norms = np.array([[np.linalg.norm(v) for v in h] for h in forward])
    found = OBSERVABLES["forward norms"].measure(view)
    np.testing.assert_allclose(found["least"], norms.min(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["largest"], norms.max(axis=0), rtol=1e-12)
    np.testing.assert_allclose(OBSERVABLES["backward norms"].measure(view)["largest"], np.max(back, axis=0), rtol=1e-10)
    exact = np.max(middle[:3], axis=0)
    estimate = np.array(OBSERVABLES["intermediate norms"].measure(view)["largest"])
    assert (estimate <= exact * (1 + 1e-12)).all() and (estimate >= 0.98 * exact).all()
    for layer, least in enumerate(OBSERVABLES["separation"].measure(view)["least"]):
        pairs = []
        for i in range(6):
            for j in range(6):
                u, v = forward[i][layer], forward[j][layer]
                if i != j:
                    pairs.append(np.linalg.norm(v - u * (u @ v) / (u @ u)))
        assert least == pytest.approx(min(pairs), rel=1e-7)


def test_a_hessian_that_vanishes_has_norm_0():
    """Saturated neurons: the iteration has nothing to begin with."""
    w = torch.full((3,), 400.0, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(torch.tanh(w).sum(), w, create_graph=True)
    assert hessian_norm(gradient, [w]) == 0.0
    (gradient,) = torch.autograd.grad((w**2).sum(), w, create_graph=True)
    assert hessian_norm(gradient, [w]) == pytest.approx(2.0)


def test_dead_networks_and_single_inputs_are_measured_without_a_warning():
    """No neuron is active: J = 0, to which nothing is relative; and a Hessian of one entry is that entry."""
    dead = shallow.TwoLayer(width=1).draw(1, seed=0)
    with torch.no_grad():
        dead.hidden.weight.fill_(-1.0)
    ones = torch.ones(2, 1, dtype=torch.float64)
    view = View(dead, dead, ones, ones[:, 0], LOSS)
    assert OBSERVABLES["sensitivity"].measure(view)["effective_rank"] == 0.0
    assert math.isnan(OBSERVABLES["jacobian change"].measure(view)["relative"])
    entries = OBSERVABLES["kernel entries"].measure(view)
    assert (entries["relative"], entries["gradient_change"]) == (0.0, 0.0)
    assert OBSERVABLES["curvature"].measure(view) == {"norm": 0.0}
    w = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad((w**3).sum(), w, create_graph=True)
    assert hessian_norm(gradient, [w]) == 18.0
    alone = allenzhu2019.FullyConnected(width=8, depth=2, outputs=1).draw(5, seed=0)
    view = View(alone, alone, X[:1], Y1[:1, None], LOSS)
    assert OBSERVABLES["separation"].measure(view)["least"] == [math.inf] * 3


def test_a_layer_that_comes_alive_changes_infinitely_much():
    dead = shallow.TwoLayer(width=1).draw(1, seed=0)
    alive = copy.deepcopy(dead)
    with torch.no_grad():
        dead.hidden.weight.fill_(-1.0)
        alive.hidden.weight.fill_(1.0)
    ones = torch.ones(2, 1, dtype=torch.float64)
    initial = View(dead, dead, ones, ones[:, 0], LOSS)
    view = View(alive, dead, ones, ones[:, 0], LOSS, initial=initial)
    entries = OBSERVABLES["kernel entries"].measure(view)
    assert (entries["relative"], entries["gradient_change"]) == (math.inf, math.inf)


def test_travel_flips_curvature_and_energy():
    _, view = trained(shallow.TwoLayer(width=12, trained="both"), Y1, steps=40)
    now, then = ([p.detach().numpy() for p in n.parameters()] for n in (view.network, view.start))
    found = OBSERVABLES["travel"].measure(view)
    squares = sum(np.sum((a - b) ** 2) for a, b in zip(now, then, strict=True))
    assert found["distance"] == pytest.approx(math.sqrt(squares))
    assert found["spectral"][0] == pytest.approx(np.linalg.norm(now[0] - then[0], 2))
    assert found["frobenius"][1] == pytest.approx(np.linalg.norm(now[1] - then[1]))
    assert found["neuron"][0] == pytest.approx(np.linalg.norm(now[0] - then[0], axis=1).max())
    patterns = [(X.numpy() @ W.T >= 0) for W in (now[0], then[0])]
    share = OBSERVABLES["flips"].measure(view)["share"]
    assert share == [pytest.approx(np.mean(patterns[0] != patterns[1]))] and share[0] > 0
    energy = liu2021_opt.energy(torch.as_tensor(now[0]), 1)
    assert OBSERVABLES["energy"].measure(view)["energy"] == [pytest.approx(energy)]
    _, smooth = trained(du2019_deep.FullyConnected(width=6, depth=1), Y1)
    parameters = dict(smooth.network.named_parameters())
    names = list(parameters)

    def loss_of(*values):
        out = torch.func.functional_call(smooth.network, dict(zip(names, values, strict=True)), (X,))
        return 0.5 * (out - Y1).square().sum()

    blocks = torch.autograd.functional.hessian(loss_of, tuple(parameters.values()))
    sizes = [p.numel() for p in parameters.values()]
    H = torch.cat(
        [
            torch.cat([b.reshape(r, c) for b, c in zip(row, sizes, strict=True)], 1)
            for row, r in zip(blocks, sizes, strict=True)
        ]
    )
    exact = float(torch.linalg.matrix_norm(H, 2))
    assert OBSERVABLES["curvature"].measure(smooth)["norm"] == pytest.approx(exact, rel=1e-5)


def test_every_observable_names_its_statement():
    assert all(observable.promised_by for observable in OBSERVABLES.values())
