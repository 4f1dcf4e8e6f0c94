"""What a GPU computes is what the CPU computes, up to rounding; where there is none, a simulated device stands in.

The weights drawn are the same, and all is float64 unless said. A number may differ by 1e-9 of the largest one that is
measured with it, or of 1, unless TOLERANCES says otherwise: what is found by an iteration, or is a root of a difference
that may be 0, by more; what is counted, not at all.
"""

import math
from functools import cache

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from empirical import gram_matrix, observables, train
from empirical.batches import Batch
from empirical.devices import cholesky_on
from empirical.dynamics import GradientDescent, GradientFlow, OrthogonalDescent, StochasticDescent
from empirical.experiments import run_network
from empirical.foresight import available_bytes
from empirical.grids import cells
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES, View
from empirical.networks import (
    TwoLayerNetwork,
    allenzhu2019,
    ding2021,
    du2019_deep,
    initial_network,
    liu2021_opt,
    nguyen2020,
    shallow,
)
from empirical.store import Store
from empirical.tangent_kernels import cross_gram_matrix
from empirical.training import train_seeds
from empirical.workloads import workload
from tests.empirical import simulated
from tests.empirical.cases import unit_rows
from tests.empirical.test_tangent_kernels import Functional, Mapped, Merged, convolutional_module, others, user_module

# Where there is a GPU it stands for itself: beside another device torch no longer takes it for the accelerator.
SIMULATES = bool(simulated.REGISTER) and not torch.cuda.is_available()
_KEPT = simulated.register() if SIMULATES else None


@pytest.fixture(params=["simulated", "cuda"])
def device(request):
    """The name of the device."""
    if request.param == "cuda":
        return str(request.getfixturevalue("cuda"))
    return simulated.NAME if SIMULATES else pytest.skip("no device is simulated beside a GPU, or by this torch")


def test_a_device_keeps_to_itself(device):
    """What fails on a GPU fails on the simulated device; only then does it show mistakes."""
    here = torch.ones(3, 3, dtype=torch.float64)
    there = here.to(device)
    mixtures = [
        lambda: here + there,
        lambda: there @ here,
        lambda: there.add_(here),
        lambda: here.mul_(there),
        lambda: torch.mul(there, there, out=here),
        lambda: torch.cat([there, here]),
        lambda: torch.where(there > 0, here, there),
        lambda: nn.functional.linear(there, here),
        lambda: here[there[0].long()],
        lambda: torch.tensor(1.0).add_(there[0, 0]),
    ]
    for mixture in mixtures:
        with pytest.raises(RuntimeError, match=r"device|cpu"):
            mixture()
    for convert in (lambda t: t.numpy(), np.asarray):
        with pytest.raises(TypeError, match="convert"):
            convert(there)
    assert torch.zeros_like(here, device=device).device == torch.zeros_like(there).device == there.device
    assert not there.is_cpu and torch.eye(2, device=device).device == torch.eye(2).to(device).device == there.device
    assert float((there * torch.tensor(2.0)).sum()) == 18.0 and there[torch.tensor([0, 2])].shape == (2, 3)
    assert there.cpu().numpy().sum() == 9.0 and there.tolist() == here.tolist()


def assert_close(there, here, name, *, rtol=1e-9):
    """Numbers, in dictionaries or lists or alone, with the largest as their scale."""
    sizes, found = (
        np.hstack([np.ravel(v) for v in (x.values() if isinstance(x, dict) else [x])]) for x in (here, there)
    )
    largest = np.max(np.abs(sizes[np.isfinite(sizes)]), initial=1.0)
    np.testing.assert_allclose(found, sizes, rtol=0, atol=rtol * largest, err_msg=str(name))


RNG = np.random.default_rng(0)
X, IMAGES = unit_rows(RNG, 6, 5), unit_rows(RNG, 6, 12).reshape(6, 2, 6)
Y, Y2 = RNG.standard_normal(6), RNG.standard_normal((6, 2))
SIGNS, CLASSES = np.array([1.0, -1, 1, 1, -1, 1]), np.array([0.0, 1, 1, 0, 1, 0])
SQUARES, MEAN, LOGISTIC, CROSS = Loss(), Loss(reduction="mean"), Loss(kind="logistic"), Loss(kind="cross-entropy")
DESCENT = GradientDescent(step_size=0.05, steps=5)
AZ = {"width": 12, "depth": 3, "outputs": 2}
FAMILIES = {
    "two layers": (shallow.TwoLayer(width=12, trained="both"), X, Y, SQUARES, DESCENT),
    "antisymmetric": (shallow.TwoLayer(width=12, start="antisymmetric", form="gaussian"), X, Y, SQUARES, DESCENT),
    "mean field": (
        shallow.TwoLayer(width=12, form="mean-field", activation="tanh", trained="both"),
        X,
        Y,
        SQUARES,
        GradientFlow(horizon=1.0, tolerance=1e-6, speed=12.0),
    ),
    "last layer": (shallow.TwoLayer(width=12, form="standard", trained="last"), X, SIGNS, LOGISTIC, DESCENT),
    "Du": (du2019_deep.FullyConnected(width=9, depth=2), X, Y, SQUARES, DESCENT),
    "Du, residual": (du2019_deep.ResNet(width=9, depth=3, activation="tanh"), X, Y, SQUARES, DESCENT),
    "Du, pixels": (du2019_deep.ConvResNet(width=4, depth=2, pixels=6), IMAGES, Y, SQUARES, DESCENT),
    "Allen-Zhu": (allenzhu2019.FullyConnected(**AZ), X, Y2, SQUARES, DESCENT),
    "Allen-Zhu, residual": (allenzhu2019.ResNet(**AZ, tau=0.3), X, CLASSES, CROSS, DESCENT),
    "Allen-Zhu, pixels": (allenzhu2019.ConvNet(width=4, depth=2, outputs=2, pixels=6), IMAGES, Y2, SQUARES, DESCENT),
    "Ding": (ding2021.ResNet(depth=3, branches=4), X, Y, MEAN, GradientFlow(horizon=0.5, tolerance=1e-6, fading=2.0)),
    "Ding, separately": (
        ding2021.ResNet(depth=2, branches=3, paths="independent", normalised="separately"),
        X,
        Y,
        MEAN,
        DESCENT,
    ),
    "pyramid": (nguyen2020.Pyramid(widths=(8, 4, 3, 1), scale=2.0), X, Y[:, None], SQUARES, DESCENT),
    "pyramid, relu": (
        nguyen2020.Pyramid(widths=(8, 4, 2), start="unit output", activation="relu"),
        X,
        Y2,
        MEAN,
        DESCENT,
    ),
} | {
    f"rotations, {way}": (
        liu2021_opt.OrthogonalNetwork(widths=(4,), orthogonaliser=way),
        X[:, :3],
        Y,
        SQUARES,
        OrthogonalDescent(step_size=0.05, steps=5, rotation_rate=0.1),
    )
    for way in liu2021_opt.ORTHOGONALISERS
}
TOLERANCES = (
    dict.fromkeys(("flips", "flipped neurons", "misclassified"), 1e-12)
    | dict.fromkeys(("sensitivity", "jacobian change", "kernel entries", "separation", "newton"), 1e-6)
    | dict.fromkeys(("curvature", "output hessians"), 1e-5)
)


@cache
def defined(name):
    """The observables of a family that are finite at its start, by asking each of them."""
    family, inputs, labels, loss, _ = FAMILIES[name]
    network = family.draw(inputs.shape[1], seed=0)
    view = View(network, network, torch.as_tensor(inputs), torch.as_tensor(labels), loss)
    found = []
    for observable in OBSERVABLES:
        try:
            values = np.hstack([np.ravel(v) for v in OBSERVABLES[observable].measure(view).values()])
        except ValueError:
            continue
        counts = observable != "misclassified" or loss.kind != "squares"  # some outputs are 0 but for rounding
        found += [observable] * bool(counts and np.isfinite(values).all())
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_and_all_its_observables(device, name):
    family, inputs, labels, loss, method = FAMILIES[name]
    end = method.horizon if isinstance(method, GradientFlow) else method.steps
    observe = dict.fromkeys(defined(name), (0, end))
    limit = np.diag(np.arange(1.0, len(labels) + 1)) if labels.size == len(labels) and loss is not CROSS else None
    here, there = (
        run_network(family, inputs, labels, loss=loss, method=method, observe=observe, limit_gram=limit, device=where)
        for where in ("cpu", device)
    )
    assert_runs_agree(here, there)


def assert_runs_agree(here, there):
    assert (there.at, there.verdict) == (here.at, here.verdict)
    for record in ("losses", "path_lengths"):
        assert_close(getattr(there, record), getattr(here, record), record)
    for seen, expected in zip(there.measurements, here.measurements, strict=True):
        name, values = expected.observable, expected.values
        found = seen.values
        assert (seen.at, seen.observable, list(found)) == (expected.at, name, list(values))
        if name == "residuals":  # eigenvectors have no sign
            found, values = (v | {"components": np.abs(v["components"])} for v in (found, values))
        if name == "newton" and not values["residual"] < 1e-6:  # an iteration that grows is chaotic
            found, values = ({"step": v["step"]} for v in (found, values))
        assert_close(found, values, (name, seen.at), rtol=TOLERANCES.get(name, 1e-9))


def test_no_observable_is_left_out():
    assert {observable for name in FAMILIES for observable in defined(name)} == set(OBSERVABLES)


METHODS = [
    GradientDescent(step_size=0.1, steps=6, momentum=0.9),
    *(
        StochasticDescent(step_size=0.1, steps=6, batch=2, sampling=sampling, momentum=0.5)
        for sampling in ("subset", "with-replacement", "epochs")
    ),
    GradientFlow(horizon=1.0, tolerance=1e-6),
]
LOSSES = [Loss(kind=kind, reduction=by) for kind in ("squares", "logistic", "cross-entropy") for by in ("sum", "mean")]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss.kind}-{loss.reduction}")
def test_every_method_and_every_loss(device, loss):
    family = shallow.TwoLayer(width=20, trained="both", activation="tanh")  # a flow is slow past kinks
    if loss.kind == "cross-entropy":
        family = nguyen2020.Pyramid(widths=(8, 4, 2), start="lecun")
    labels = {"squares": Y, "logistic": SIGNS, "cross-entropy": CLASSES}[loss.kind]
    for method in METHODS:
        here, there = (run_network(family, X, labels, loss=loss, method=method, device=d) for d in ("cpu", device))
        assert_runs_agree(here, there)


def test_a_run_that_diverges(device):
    """A linear model, for in others rounding decides how."""
    family, method = shallow.TwoLayer(width=12, trained="last"), GradientDescent(step_size=1e40, steps=9)
    here, there = (run_network(family, X, Y, loss=SQUARES, method=method, device=d) for d in ("cpu", device))
    assert here.verdict == "diverged"
    assert_runs_agree(here, there)


def test_weights_are_saved_from_a_device(device, tmp_path):
    from bounds.certificates.record import load

    family = du2019_deep.FullyConnected(width=9, depth=2)
    files = [tmp_path / "cpu", tmp_path / "device"]
    for path, where in zip(files, ("cpu", device), strict=True):
        run_network(family, X, Y, loss=SQUARES, method=DESCENT, save={5: path}, device=where)
    here, there = (load(path)[1] for path in files)
    for name in here:
        assert_close(there[name], here[name], name)


def circular():
    layer = {"padding": 1, "padding_mode": "circular"}
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, **layer), nn.Tanh(), nn.Conv2d(4, 3, 2, stride=2), nn.Flatten(), nn.Linear(27, 2)
    )


def grouped():
    return nn.Sequential(nn.Conv1d(4, 4, 3, groups=2, padding="same"), nn.Softplus(), nn.Flatten(), nn.Linear(24, 1))


def shared():
    layer = nn.Linear(6, 6)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Sigmoid(), nn.Linear(6, 2))


MODULES = {
    "linear": (user_module, (9, 7)),
    "images": (convolutional_module, (6, 2, 6, 6)),
    "circular": (circular, (5, 2, 6, 6)),
    "groups": (grouped, (5, 4, 6)),
    "shared": (shared, (8, 6)),
    "functions": (Functional, (5, 3, 6)),
    "merged": (Merged, (5, 6)),
    "mapped": (Mapped, (5, 6)),
} | {name: (lambda name=name: others()[name], (7, 7)) for name in others()}


@pytest.mark.parametrize("name", MODULES)
def test_gram_matrices_of_modules(device, name):
    if name == "mapped" and device == simulated.NAME:
        pytest.skip("torch cannot nest maps over tensors of a subclass")
    make, shape = MODULES[name]
    torch.manual_seed(0)
    network, other = make().double(), make().double()
    inputs = unit_rows(RNG, shape[0], math.prod(shape[1:])).reshape(shape)
    expected = gram_matrix(network, inputs)
    for options in ({"device": device}, {"device": device, "block": 3}):
        assert_close(gram_matrix(network, inputs, **options), expected, options)
    assert_close(gram_matrix(network, inputs, dtype="float32", device=device), expected, "float32", rtol=1e-4)
    cross = cross_gram_matrix(network, other, torch.as_tensor(inputs))
    network, other, moved = network.to(device), other.to(device), torch.as_tensor(inputs).to(device)
    assert_close(cross_gram_matrix(network, other, moved, block=3), cross, "of two networks")
    assert_close(gram_matrix(network, moved), expected, "of a network that is there")


@pytest.mark.parametrize("trained", ["first", "both"])
def test_gram_matrices_of_two_layers(device, trained):
    network = initial_network(30, 5, seed=0)
    expected = gram_matrix(network, X, trained=trained)
    assert_close(gram_matrix(network, X, trained=trained, device=device), expected, trained)
    single = gram_matrix(network, X, trained=trained, device=device, dtype="float32")
    assert_close(single, expected, "float32", rtol=1e-4)
    assert_close(gram_matrix(network.weights.numpy(), X, device=device), gram_matrix(network, X), "of the weights")
    there = TwoLayerNetwork(network.weights.to(device), network.signs.to(device))
    for inputs in (X, torch.as_tensor(X).to(device)):
        assert_close(gram_matrix(there, inputs, trained=trained), expected, "of a network that is there")


def test_observations_of_two_layers(device):
    inputs, labels = torch.as_tensor(X), torch.as_tensor(Y)
    start = initial_network(30, 5, seed=0)
    states = [start]
    for _ in range(2):
        now, step = states[-1], states[-1].gradient(inputs, labels)
        states.append(TwoLayerNetwork(now.weights - step.weights, now.signs))

    def observed(where):
        here, y = inputs.to(where), labels.to(where)
        first, *_, before, after = (TwoLayerNetwork(s.weights.to(where), s.signs.to(where)) for s in states)
        seen = observables.measure(
            3, after, first, here, residual_norm=1.0, initial_gram=start.gram(inputs), limit_gram=torch.eye(6).double()
        )
        identity = observables.split_step_residual(first, before, after, here, y, 1.0)
        return msgspec.structs.asdict(seen) | {"identity": identity}

    here, there = observed("cpu"), observed(device)
    assert sum(here["flips_per_input"]) > 0 < min(here["movable_at_travel"])
    for name in here:
        assert_close(there[name] or 0.0, here[name] or 0.0, name)


TRAINED = {
    "first": {},
    "both": {"trained": "both"},
    "with all that is recorded": {"radius": 0.2, "limit_gram": np.diag(np.arange(1.0, 7.0)), "observe": range(41)},
    "diverging": {"step_size": 40.0},
    "some diverging": {"step_size": 2.0, "trained": "both"},
}


@pytest.mark.parametrize("name", TRAINED)
def test_two_layers_of_several_seeds(device, name):
    options = {"width": 40, "step_size": 0.3, "steps": 40, "seeds": range(5)} | TRAINED[name]
    every = [train_seeds(X, Y, **options, device=where) for where in ("cpu", device)]
    for here, there in zip(*every, strict=True):
        assert_trained_alike(here, there)
    seed = options.pop("seeds")[2]
    assert_trained_alike(every[0][2], train(X, Y, **options, seed=seed, device=device))
    if name == "some diverging":
        assert {run.verdict for run in every[0]} == {"finished", "diverged"}


def assert_trained_alike(here, there):
    assert (there.verdict, there.steps_taken, there.movable) == (here.verdict, here.steps_taken, here.movable)
    assert_close(there.residual_norms, here.residual_norms, "norms")
    for seen, expected in zip(there.observations, here.observations, strict=True):
        for name, value in msgspec.structs.asdict(expected).items():
            found = getattr(seen, name)
            if isinstance(value, float):
                assert_close(found, value, name)
            else:
                assert found == value, name


@pytest.mark.parametrize("trained", ["first", "both"])
def test_a_batch_that_drops_networks(device, trained):
    batches = [Batch(X, Y, 20, range(4), trained=trained, device=where) for where in ("cpu", device)]
    for positions in ([0, 1, 2, 3], [3, 0], [1]):
        norms = []
        for batch in batches:
            batch.keep(positions)
            batch.forward()
            batch.descend(0.2)
            norms.append(batch.forward().cpu().numpy())
        assert_close(norms[1], norms[0], "norms")
        here, there = batches
        assert there.seeds == here.seeds
        for k in range(len(positions)):
            assert torch.equal(there.patterns(k).cpu(), here.patterns(k))
            assert_close(there.residual(k).cpu().numpy(), here.residual(k).numpy(), "residual")
            assert_close(there.network(k).weights.cpu().numpy(), here.network(k).weights.numpy(), "weights")


GRIDS = {
    "two layers": ({"limit": True, "relative_step": 0.5}, assert_trained_alike),
    "another family": (
        {"family": "du2019-deep-fc", "depth": 2, "step_size": 0.05, "observe": "travel"},
        assert_runs_agree,
    ),
}


@pytest.mark.parametrize("name", GRIDS)
def test_grids_are_foreseen_and_trained(device, name, tmp_path):
    keys, assert_alike = GRIDS[name]
    keys |= {"data": "sphere:n=8,d=6,seed=1", "width": 10, "steps": 5, "seed": [3, 1]}
    every = []
    for where in ("cpu", device):
        (cell,) = cells(keys, device=where)
        work, store = workload(cell.point), Store(tmp_path / where)
        assert 0 < work.run_seconds < math.inf and 0 < work.bytes(2) < available_bytes(where)
        for batch in work.batches(cell.seeds):
            work.train(batch, store)
        every.append([store.get(spec.key, work.record) for spec in work.specifications(cell.seeds)])
        assert {run.spec.device for run in every[-1]} == {where}
    for here, there in zip(*every, strict=True):
        assert_alike(here, there)


def test_cholesky_factors(device):
    a = X @ X.T + np.eye(6)
    assert_close(cholesky_on(device)(a), cholesky_on("cpu")(a), "factor")
    assert cholesky_on(device)(-a) is None


@pytest.mark.parametrize("trained", ["first", "both"])
def test_a_run_on_the_gpu_follows_the_run_on_the_cpu(cuda, trained):
    """Where a GPU's products are its own: 500 neurons."""
    rng = np.random.default_rng(0)
    inputs, labels = unit_rows(rng, 20, 10), rng.standard_normal(20)
    options = {"width": 500, "step_size": 0.2, "steps": 50, "trained": trained}
    assert_trained_alike(*(train(inputs, labels, **options, device=where) for where in ("cpu", str(cuda))))


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        (du2019_deep.FullyConnected(width=300, depth=3), (20, 10)),
        (du2019_deep.ConvResNet(width=20, depth=3, pixels=12), (20, 2, 12)),
        (allenzhu2019.FullyConnected(width=300, depth=3, outputs=3), (20, 10)),
    ],
)
def test_gram_matrices_on_the_gpu_are_those_of_the_cpu(cuda, family, shape):
    inputs = np.random.default_rng(0).standard_normal(shape)
    network = family.draw(shape[1], seed=0)
    expected = gram_matrix(network, inputs)
    scale = np.abs(expected).max()
    assert np.abs(gram_matrix(network, inputs, device=str(cuda)) - expected).max() <= 1e-12 * scale
    assert np.abs(gram_matrix(network, inputs, device=str(cuda), dtype="float32") - expected).max() <= 1e-4 * scale
