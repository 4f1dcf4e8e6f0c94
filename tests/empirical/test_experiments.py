"""Training of any family: against the fast two-layer path, exact solutions and replays; observing changes nothing."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from bounds.certificates.record import load
from empirical import train
from empirical.dynamics import GradientDescent, GradientFlow, OrthogonalDescent, StochasticDescent, trajectory
from empirical.experiments import NetworkRun, run_network
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES
from empirical.networks import allenzhu2019, ding2021, du2019_deep, liu2021_opt, nguyen2020, shallow
from empirical.store import Store
from tests.empirical.cases import unit_rows

RNG = np.random.default_rng(0)
X, Y = unit_rows(RNG, 8, 5), RNG.standard_normal(8)
SQUARES = Loss()
DESCENT = GradientDescent(step_size=0.1, steps=6)


@pytest.mark.parametrize("trained", ["first", "both"])
def test_descent_follows_the_fast_two_layer_path(trained):
    family = shallow.TwoLayer(width=50, trained=trained)
    run = run_network(family, X, Y, loss=SQUARES, method=GradientDescent(step_size=0.2, steps=30), seed=7)
    fast = train(X, Y, width=50, step_size=0.2, steps=30, seed=7, trained=trained)
    np.testing.assert_allclose(run.losses, fast.losses, rtol=1e-10)
    assert run.at == list(range(31)) and run.verdict == "finished"


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_caller_who_wants_no_gradients_gets_the_same_run(mode):
    family, observe = shallow.TwoLayer(width=9, activation="tanh"), {"tangent kernel": (0, 6)}
    expected = run_network(family, X, Y, loss=SQUARES, method=DESCENT, observe=observe)
    with mode():
        found = run_network(family, X, Y, loss=SQUARES, method=DESCENT, observe=observe)
    assert found.row() == expected.row()


def test_the_flow_of_a_linear_model_is_the_exponential():
    """With the last layer alone trained, r(t) = exp(-t K) r(0) with the constant K = features features^T."""
    family = shallow.TwoLayer(width=40, trained="last", activation="tanh")
    network = family.draw(5, seed=0)
    features = (network.scale * torch.tanh(network.hidden(torch.as_tensor(X)))).detach().numpy()
    K, r = features @ features.T, Y - network(torch.as_tensor(X)).detach().numpy()
    times = (0.0, 0.5, 3.0, 10.0)
    for tolerance, error in [(1e-10, 1e-8), (1e-4, 1e-3)]:
        method = GradientFlow(horizon=10, tolerance=tolerance)
        run = run_network(family, X, Y, loss=SQUARES, method=method, observe={"residuals": times})
        exact = [0.5 * np.sum((expm(-t * K) @ r) ** 2) for t in times]
        np.testing.assert_allclose(run.losses, exact, rtol=error)
        assert run.at == list(times)
        components = np.array(run.series("residuals", "components")[3.0])
        eigenvalues, vectors = np.linalg.eigh(K)
        np.testing.assert_allclose(components, np.exp(-3 * eigenvalues) * (vectors.T @ r), atol=error * 10)


def test_speed_is_a_change_of_time():
    def losses(speed, horizon):
        method = GradientFlow(horizon=horizon, tolerance=1e-10, speed=speed)
        family = shallow.TwoLayer(width=20, form="mean-field", activation="tanh", trained="both")
        return run_network(family, X, Y, loss=SQUARES, method=method).losses[-1]

    assert losses(20, 0.5) == pytest.approx(losses(1, 10), rel=1e-7)


def test_the_path_of_a_flow_and_of_a_descent():
    flow = run_network(
        shallow.TwoLayer(width=40, activation="tanh"),
        X,
        Y,
        loss=SQUARES,
        method=GradientFlow(horizon=2),
        observe={"travel": [1.0, 2.0]},
    )
    assert repr(flow).startswith("NetworkRun(TwoLayer, seed 0, up to 2: loss ") and len(repr(flow)) < 100
    for at, length in zip(flow.at, flow.path_lengths, strict=True):
        if at:
            distance = flow.series("travel", "distance")[at]
            assert distance * (1 - 1e-9) <= length <= 1.5 * distance
    short = run_network(
        shallow.TwoLayer(width=40, activation="tanh"),
        X,
        Y,
        loss=SQUARES,
        method=GradientDescent(step_size=0.1, steps=1),
        observe={"travel": [1], "gradient dominance": [0]},
    )
    assert short.path_lengths[1] == pytest.approx(short.series("travel", "distance")[1], rel=1e-12)
    gradient = math.sqrt(2 * short.losses[0] * short.series("gradient dominance", "all")[0])
    assert short.path_lengths[1] == pytest.approx(0.1 * gradient, rel=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_batch_of_all_inputs_is_full_descent(reduction):
    family, loss = du2019_deep.FullyConnected(width=20, depth=2), Loss(reduction=reduction)
    full = run_network(family, X, Y, loss=loss, method=DESCENT)
    for sampling in ("subset", "epochs"):
        method = StochasticDescent(step_size=0.1, steps=6, batch=8, sampling=sampling)
        run = run_network(family, X, Y, loss=loss, method=method)
        np.testing.assert_allclose(run.losses, full.losses, rtol=1e-10)


@pytest.mark.parametrize("sampling", ["subset", "with-replacement", "epochs"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_batches_are_drawn_as_said(sampling, reduction):
    """One linear weight per input: a step changes exactly the weights of its batch, by eta (n / b) or eta / b each."""
    inputs, labels = torch.eye(10, dtype=torch.float64), torch.ones(10, dtype=torch.float64)
    method = StochasticDescent(step_size=0.01, steps=300, batch=3, sampling=sampling)
    network = shallow.TwoLayer(width=10, form="standard", trained="last", activation="identity").draw(10, seed=0)
    with torch.no_grad():
        network.hidden.weight.copy_(torch.eye(10))
        network.output.weight.zero_()
    counts, epoch, before = np.zeros(10), [], network.output.weight.detach().clone()
    for state in trajectory(network, inputs, labels, Loss(reduction=reduction), method, seed=1):
        now = network.output.weight.detach().clone()
        if state.at:
            share = ((now - before) / (1 - before))[0] / (0.01 / 3 * (10 if reduction == "sum" else 1))
            picked = share.round()
            torch.testing.assert_close(share, picked, atol=1e-6, rtol=0)
            assert float(picked.sum()) == 3
            if sampling != "with-replacement":
                assert picked.max() == 1
            counts += picked.numpy()
            epoch = [*epoch, *np.flatnonzero(picked)]
            if sampling == "epochs" and state.at % 3 == 0:
                assert len(set(epoch)) == 9  # the tenth input is dropped with the short last batch
                epoch = []
        before = now
    assert np.abs(counts - 90).max() < 6 * math.sqrt(90)


@pytest.mark.parametrize("batch", [None, 3])
def test_momentum_is_that_of_torch(batch):
    """torch.optim.SGD takes the same convention."""
    inputs, labels = torch.as_tensor(X), torch.as_tensor(Y)
    common = {"step_size": 0.05, "steps": 12, "momentum": 0.9}
    method = GradientDescent(**common) if batch is None else StochasticDescent(batch=batch, **common)
    loss, network = Loss(reduction="mean"), shallow.TwoLayer(width=10, activation="tanh", trained="both").draw(5, 0)
    reference = copy.deepcopy(network)
    optimiser = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=0.9)
    picks = torch.Generator().manual_seed(4)
    for state in trajectory(network, inputs, labels, loss, method, seed=4):
        torch.testing.assert_close(network.hidden.weight, reference.hidden.weight, rtol=1e-12, atol=1e-14)
        assert state.loss == pytest.approx(float(loss.value(reference(inputs), labels).detach()), rel=1e-12)
        some = slice(None) if batch is None else torch.randperm(8, generator=picks)[:batch]
        optimiser.zero_grad()
        loss.value(reference(inputs[some]), labels[some]).backward()
        optimiser.step()


def test_stochastic_descent_repeats_and_depends_on_the_seed():
    method = StochasticDescent(step_size=0.05, steps=20, batch=2)
    runs = [
        run_network(du2019_deep.ResNet(width=20, depth=3), X, Y, loss=SQUARES, method=method, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert runs[0] == runs[1] and runs[0].losses != runs[2].losses


CASES = {
    "two-layer": (shallow.TwoLayer(width=20, trained="both"), X, Y, SQUARES),
    "fully connected": (du2019_deep.FullyConnected(width=20, depth=3), X, Y, SQUARES),
    "convolutional": (du2019_deep.ConvResNet(width=5, depth=2, pixels=5), X[:, None], Y, SQUARES),
    "Allen-Zhu": (allenzhu2019.FullyConnected(width=30, depth=3, outputs=2), X, np.stack([Y, -Y], 1), SQUARES),
    "Allen-Zhu residual": (allenzhu2019.ResNet(width=30, depth=3, outputs=2), X, np.stack([Y, Y], 1), SQUARES),
    "Ding": (ding2021.ResNet(depth=4, branches=5), X, Y, Loss(reduction="mean")),
    "pyramid": (nguyen2020.Pyramid(widths=(12, 6, 2), scale=2.0), X, np.stack([Y, -Y], 1), SQUARES),
    "OPT": (liu2021_opt.OrthogonalNetwork(widths=(7, 4)), X, Y, SQUARES),
    "logistic": (shallow.TwoLayer(width=20), X, np.sign(Y), Loss(kind="logistic", reduction="mean")),
    "classes": (
        allenzhu2019.FullyConnected(width=30, depth=2, outputs=3),
        X,
        np.arange(8) % 3,
        Loss(kind="cross-entropy"),
    ),
}
KERNEL_ONLY = {"residuals", "tangent kernel", "jacobian change", "sensitivity"}
ALLENZHU_ONLY = {"forward norms", "intermediate norms", "backward norms", "separation"}


def defined(case):
    names = set(OBSERVABLES)
    if case in ("Ding", "OPT"):
        names -= KERNEL_ONLY | {"kernel entries", "layer kernels", "newton", "matrices"}
    if case == "Ding":
        names -= {"flips", "flipped neurons", "energy", "features"}
    else:
        names -= {"last states", "mean-field distance"}
    if case != "OPT":
        names -= {"rotation defect"}
    if case == "pyramid":
        names -= {"energy"}  # W_2 = 0 has no directions
    return names if case in ("Allen-Zhu", "Allen-Zhu residual", "classes") else names - ALLENZHU_ONLY


METHODS = {
    "descent": GradientDescent(step_size=0.02, steps=4),
    "stochastic": StochasticDescent(step_size=0.02, steps=4, batch=3),
    "flow": GradientFlow(horizon=0.1, tolerance=1e-4),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES)
def test_observing_never_changes_a_run(case, method):
    family, inputs, labels, loss = CASES[case]
    end = 0.1 if method == "flow" else 4
    times = [0, end / 2, end]
    common = {"loss": loss, "method": METHODS[method], "seed": 3}
    observed = run_network(family, inputs, labels, observe=dict.fromkeys(defined(case), times), **common)
    bare = run_network(family, inputs, labels, **common)
    seen = dict(zip(observed.at, zip(observed.losses, observed.path_lengths, strict=True), strict=True))
    for at, value, path in zip(bare.at, bare.losses, bare.path_lengths, strict=True):
        assert seen[at] == (value, path) if method != "flow" else seen[at][0] == value
    assert len(observed.measurements) == 3 * len(defined(case)) and observed.losses[-1] < observed.losses[0] * 1.2
    for measurement in observed.measurements:
        for value in measurement.values.values():
            assert np.isfinite(value).all()


@pytest.mark.parametrize("way", liu2021_opt.ORTHOGONALISERS)
def test_orthogonal_descent(way):
    """Every way lowers the loss; raw matrices descend as usual, rotations by their own rule, penalties pull back."""
    family = liu2021_opt.OrthogonalNetwork(widths=(7, 4), orthogonaliser=way)
    method = OrthogonalDescent(step_size=0.05, steps=20, rotation_rate=0.05)
    observe = {"travel": [0, 10, 20], "energy": [0, 20], "curvature": [10]}
    run = run_network(family, X, Y, loss=SQUARES, method=method, observe=observe)
    assert run.losses == run_network(family, X, Y, loss=SQUARES, method=method).losses
    assert run.losses[-1] < run.losses[0] and run.series("travel", "distance")[20.0] > 0.01
    first, last = run.series("energy", "energy").values()
    slack = {"descent": 1e-4, "regularised": 0.3}.get(way, 1e-12)
    np.testing.assert_allclose(last, first, rtol=slack)
    plain = run_network(family, X, Y, loss=SQUARES, method=GradientDescent(step_size=0.05, steps=20))
    if way in ("descent", "regularised"):
        assert plain.losses[-1] != run.losses[-1]
    else:
        np.testing.assert_allclose(plain.losses, run.losses, rtol=1e-12)


def test_the_penalty_pulls_a_free_matrix_back():
    network = liu2021_opt.OrthogonalNetwork(widths=(4,), orthogonaliser="regularised").draw(5, seed=0)
    with torch.no_grad():
        network.hidden[0].raw.mul_(1.5)
        network.output.weight.zero_()
    inputs, labels = torch.as_tensor(X), torch.zeros(8, dtype=torch.float64)  # F and its gradient are 0
    before = float(liu2021_opt.orthogonality_penalty(network.hidden[0].raw.detach()))
    for state in trajectory(network, inputs, labels, SQUARES, OrthogonalDescent(step_size=0.1, steps=1)):
        assert state.loss == 0
    # along -grad of 0.1 |R R^T - I|_F at R = 1.5 I: each diagonal entry falls by 0.1 * 0.1 * 2 * 1.5 / sqrt(5)
    expected = 1.5 - 0.01 * 3 / math.sqrt(5)
    torch.testing.assert_close(network.hidden[0].raw.detach(), expected * torch.eye(5, dtype=torch.float64))
    assert float(liu2021_opt.orthogonality_penalty(network.hidden[0].raw.detach())) < before


def test_runs_are_stored_and_found(tmp_path):
    store = Store(tmp_path)
    first = run_network(CASES["Ding"][0], X, Y, loss=SQUARES, method=DESCENT, store=store)
    assert run_network(CASES["Ding"][0], X, Y, loss=SQUARES, method=DESCENT, store=store) == first
    assert store.get(first.key, NetworkRun) == first and len(store.keys()) == 1
    run_network(CASES["Ding"][0], X, Y, loss=SQUARES, method=DESCENT, seed=1, store=store)
    assert len(store.keys()) == 2


def test_a_run_is_found_again_whatever_its_numbers_were_given_as(tmp_path):
    store = Store(tmp_path)
    plain = GradientFlow(horizon=1.0, speed=2.0, tolerance=1e-4)
    given = GradientFlow(horizon=1, speed=np.float64(2), tolerance=np.float64(1e-4))
    family = shallow.TwoLayer(width=np.int64(4), activation="tanh", deviation=1)
    options = {"loss": SQUARES, "store": store}
    run = run_network(family, X, Y, method=given, seed=np.int32(3), observe={"travel": [np.float64(1)]}, **options)
    family = shallow.TwoLayer(width=4, activation="tanh")
    assert run_network(family, X, Y, method=plain, seed=3, observe={"travel": [1.0]}, **options) == run
    assert store.keys() == [run.key]


def test_weights_are_saved_on_the_way(tmp_path):
    """Those of the start, and of the end: descent from the saved start by hand ends at the saved end."""
    family, files = (
        shallow.TwoLayer(width=4, activation="tanh"),
        {0: tmp_path / "0.safetensors", 3: tmp_path / "3.safetensors"},
    )
    method, store = GradientDescent(step_size=0.1, steps=3), Store(tmp_path / "store")
    run = run_network(family, X, Y, loss=SQUARES, method=method, seed=2, save=files, store=store)
    assert run == run_network(family, X, Y, loss=SQUARES, method=method, seed=2) and not store.keys()
    (_, start), (stack, end) = map(load, files.values())
    a, W = start["layers.1.weight"][0], start["layers.0.weight"]
    assert not stack.output.trained and (end["layers.1.weight"][0] == a).all()
    for _ in range(3):
        z = X @ W.T
        r = np.tanh(z) @ a / 2 - Y
        W = W - 0.1 * ((1 - np.tanh(z) ** 2) * a / 2 * r[:, None]).T @ X
    np.testing.assert_allclose(end["layers.0.weight"], W, rtol=1e-12)


def test_what_cannot_go_on_says_so():
    diverged = run_network(
        shallow.TwoLayer(width=20, activation="softplus", trained="both"),
        X,
        Y,
        loss=SQUARES,
        method=GradientDescent(step_size=50.0, steps=2000),
    )
    assert diverged.verdict == "diverged" and "from" in diverged.reason and len(diverged.losses) < 2000
    method = GradientFlow(horizon=50, most_steps=3)
    slow = run_network(shallow.TwoLayer(width=20, activation="tanh"), X, Y, loss=SQUARES, method=method)
    assert slow.verdict == "unfinished" and "time 50" in slow.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observe": {"colour": [0]}}, "unknown observable 'colour'"),
        ({"observe": {"travel": [7]}}, "from 0 to 6"),
        ({"save": {7: "end.safetensors"}}, "'weights' can be observed from 0 to 6"),
        ({"loss": Loss(kind="logistic")}, "labels -1 and 1"),
        ({"loss": Loss(kind="cross-entropy")}, "labels 0..-1"),
        ({"method": GradientDescent(step_size=0.0, steps=3)}, "positive step"),
        ({"method": StochasticDescent(step_size=0.1, steps=3, batch=9)}, "1 to 8 inputs"),
        ({"method": GradientDescent(step_size=0.1, steps=3, momentum=1.0)}, r"momentum must lie in \[0, 1\)"),
        ({"method": GradientFlow(horizon=-1.0)}, "finite horizon"),
        ({"method": GradientFlow(horizon=math.nan)}, "finite horizon"),
        ({"method": GradientFlow(horizon=1.0, tolerance=0.0)}, "positive tolerance"),
        ({"method": GradientFlow(horizon=1.0, most_steps=0)}, "a step or more"),
        ({"method": GradientFlow(horizon=1.0, speed=-1.0)}, "positive speed"),
        ({"method": GradientFlow(horizon=1.0, fading=math.inf)}, "finite fading"),
        ({"family": allenzhu2019.ResNet(width=1, depth=2, outputs=1)}, "no value at width 1"),
        ({"observe": {"rotation defect": [0]}}, "rotations are those"),
        ({"observe": {"separation": [0]}}, "Allen-Zhu"),
        ({"family": ding2021.ResNet(depth=2, branches=2), "observe": {"flips": [0]}}, "no layers named hidden"),
        ({"y": Y[:3]}, "one label for each"),
        ({"method": OrthogonalDescent(step_size=0.1, steps=1)}, "for orthogonal networks, not for TwoLayerModule"),
        ({"observe": {"travel": [2.5]}}, "whole steps"),
        ({"limit_gram": np.eye(3)}, r"must be \(8, 8\), not \(3, 3\)"),
        ({"family": du2019_deep.ConvResNet(width=4, depth=2, pixels=5)}, r"inputs \(8, 5\) do not fit ConvResNet"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arguments = {"family": shallow.TwoLayer(width=4), "X": X, "y": Y, "loss": SQUARES, "method": DESCENT} | change
    with pytest.raises(ValueError, match=message):
        run_network(**arguments)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_losses(reduction):
    scale = 1 if reduction == "sum" else 1 / 4
    outputs, classes = RNG.standard_normal((4, 3)), np.array([0, 2, 1, 1])
    naive = sum(-o[c] + math.log(sum(math.exp(v) for v in o)) for o, c in zip(outputs, classes, strict=True))
    loss = Loss(kind="cross-entropy", reduction=reduction)
    assert float(loss.value(torch.as_tensor(outputs), torch.as_tensor(classes))) == pytest.approx(scale * naive)
    f, y = outputs[:, 0], np.array([1.0, -1, -1, 1])
    naive = sum(math.log1p(math.exp(-a * b)) for a, b in zip(f, y, strict=True))
    loss = Loss(kind="logistic", reduction=reduction)
    assert float(loss.value(torch.as_tensor(f), torch.as_tensor(y))) == pytest.approx(scale * naive)
    loss = Loss(reduction=reduction)
    value = float(loss.value(torch.as_tensor(outputs), torch.zeros(4, 3)))
    assert value == pytest.approx(scale * 0.5 * (outputs**2).sum())
    torch.testing.assert_close(loss.residual(torch.as_tensor(f), torch.as_tensor(y)), torch.as_tensor(y - f))


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_network(CASES["Ding"][0], X, Y, loss=SQUARES, method=GradientFlow(horizon=0.1))
