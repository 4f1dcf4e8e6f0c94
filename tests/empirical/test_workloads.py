"""What a grid trains is what `run_network` trains, of every family, loss and method."""

import numpy as np
import pytest

from bounds.problem import Problem
from empirical import run_network, table
from empirical.datasets import load_data
from empirical.dynamics import GradientDescent, GradientFlow, OrthogonalDescent, StochasticDescent
from empirical.experiments import NetworkRun
from empirical.foresight import MemoryForeseen
from empirical.grids import FAMILIES, METHODS, cells
from empirical.losses import Loss
from empirical.networks import allenzhu2019, ding2021, du2019_deep, liu2021_opt, nguyen2020, shallow
from empirical.planning import plan, refuse_what_does_not_fit
from empirical.store import Store
from empirical.sweeps import train_job
from empirical.tangent_kernels import gram_matrix
from empirical.training import schedule
from empirical.workloads import workload

DATA = load_data("sphere:n=8,d=6,seed=1")
PROBLEM = Problem(DATA.X, DATA.y)
X, Y = PROBLEM.unit_rows, PROBLEM.y
SIGNS = load_data("sphere:n=8,d=6,seed=1", labels="random").y
SPHERE = {"data": "sphere:n=8,d=6,seed=1"}
DESCENT = {"step_size": 0.01, "steps": 5}

NETWORKS = {
    "two-layer": ({"width": 6, "activation": "tanh", "trained": "both"}, shallow.TwoLayer, X, Y),
    "du2019-deep-fc": ({"width": 6, "depth": 2, "activation": "erf"}, du2019_deep.FullyConnected, X, Y),
    "du2019-deep-resnet": ({"width": 6, "depth": 3, "residual_scale": 0.25}, du2019_deep.ResNet, X, Y),
    "du2019-deep-conv": ({"width": 4, "depth": 2, "pixels": 3}, du2019_deep.ConvResNet, X.reshape(8, 2, 3), Y),
    "allenzhu2019-fc": ({"width": 6, "depth": 2, "outputs": 1}, allenzhu2019.FullyConnected, X, Y[:, None]),
    "allenzhu2019-resnet": ({"width": 6, "depth": 2, "outputs": 1}, allenzhu2019.ResNet, X, Y[:, None]),
    "allenzhu2019-cnn": (
        {"width": 4, "depth": 2, "outputs": 1, "pixels": 3},
        allenzhu2019.ConvNet,
        X.reshape(8, 2, 3),
        Y[:, None],
    ),
    "ding2021-resnet": ({"depth": 3, "branches": 4, "paths": "tied"}, ding2021.ResNet, X, Y),
    "nguyen2020-pyramid": ({"widths": "9,4,1", "start": "lecun"}, nguyen2020.Pyramid, X, Y[:, None]),
    "liu2021-opt": ({"widths": "7", "orthogonaliser": "lowdin"}, liu2021_opt.OrthogonalNetwork, X, Y),
}
FAMILY = {"family": "du2019-deep-resnet", "width": 6, "depth": 2}
RESNET = du2019_deep.ResNet(width=6, depth=2)
LOSSES = {
    "logistic": ({"loss": "logistic", "labels": "random"}, Loss(kind="logistic"), RESNET, SIGNS),
    "mean": ({"reduction": "mean"}, Loss(reduction="mean"), RESNET, Y),
    "cross-entropy": (
        {"loss": "cross-entropy", "labels": "random", "family": "allenzhu2019-fc", "outputs": 2},
        Loss(kind="cross-entropy"),
        allenzhu2019.FullyConnected(width=6, depth=2, outputs=2),
        (1 - SIGNS) / 2,
    ),
    "squares of classes": (
        {"labels": "random", "family": "allenzhu2019-fc", "outputs": 2},
        Loss(),
        allenzhu2019.FullyConnected(width=6, depth=2, outputs=2),
        np.stack([SIGNS > 0, SIGNS < 0], axis=1).astype(float),
    ),
}
MOVES = {
    "gradient-descent": (DESCENT | {"momentum": 0.9}, GradientDescent(step_size=0.01, steps=5, momentum=0.9)),
    "stochastic-descent": (
        DESCENT | {"batch": 3, "sampling": "epochs"},
        StochasticDescent(step_size=0.01, steps=5, batch=3, sampling="epochs"),
    ),
    "gradient-flow": ({"horizon": 0.5, "tolerance": 1e-6}, GradientFlow(horizon=0.5, tolerance=1e-6)),
    "orthogonal-descent": (
        DESCENT | {"rotation_rate": 0.1},
        OrthogonalDescent(step_size=0.01, steps=5, rotation_rate=0.1),
    ),
}


def swept(tmp_path, keys):
    """The only run that a sweep makes of a grid."""
    (planned,) = plan(cells(keys), None)
    assert planned.run_seconds > 0 and planned.worker_bytes > 10**8
    (job,) = planned.jobs()
    outcome = train_job(job, str(tmp_path))
    assert (outcome.finished, outcome.failed) == (1, 0)
    run = Store(tmp_path).get(job.keys[0], NetworkRun)
    assert table(tmp_path).select("verdict").item() == run.verdict == "finished"
    return run


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_swept(tmp_path, family):
    keys, kind, inputs, labels = NETWORKS[family]
    run = swept(tmp_path, SPHERE | DESCENT | {"family": family} | keys | {"seed": 3, "observe": "travel"})
    options = {name: value for name, value in keys.items() if name != "widths"}
    if "widths" in keys:
        options["widths"] = tuple(map(int, keys["widths"].split(",")))
    method, observe = GradientDescent(step_size=0.01, steps=5), {"travel": schedule(5)}
    assert run == run_network(kind(**options), inputs, labels, loss=Loss(), method=method, seed=3, observe=observe)
    assert table(tmp_path)["family"].item() == family


@pytest.mark.parametrize("case", LOSSES)
def test_every_loss_is_swept(tmp_path, case):
    keys, loss, family, labels = LOSSES[case]
    run = swept(tmp_path, SPHERE | DESCENT | FAMILY | keys)
    assert run == run_network(family, X, labels, loss=loss, method=GradientDescent(step_size=0.01, steps=5))
    assert table(tmp_path).select("loss", "reduction").row(0) == (loss.kind, loss.reduction)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_swept(tmp_path, name):
    keys, method = MOVES[name]
    family, own = RESNET, FAMILY
    if name == "orthogonal-descent":
        family = liu2021_opt.OrthogonalNetwork(widths=(7,), orthogonaliser="descent")
        own = {"family": "liu2021-opt", "widths": "7", "orthogonaliser": "descent"}
    run = swept(tmp_path, SPHERE | own | keys | {"method": name})
    assert run == run_network(family, X, Y, loss=Loss(), method=method)
    assert table(tmp_path)["method"].item() == name


def test_digits_by_class(tmp_path):
    keys = {"data": "digits", "n": 30, "labels": "classes", "loss": "cross-entropy", "reduction": "mean"}
    run = swept(
        tmp_path, keys | DESCENT | {"family": "allenzhu2019-cnn", "width": 3, "depth": 1, "outputs": 10, "pixels": 8}
    )
    data = load_data("digits", n=30)
    images = Problem(data.X, data.y).unit_rows.reshape(30, 8, 8)
    from sklearn.datasets import load_digits

    classes = load_digits().target[data.rows].astype(float)
    assert set(classes) == set(range(10))
    family = allenzhu2019.ConvNet(width=3, depth=1, outputs=10, pixels=8)
    loss = Loss(kind="cross-entropy", reduction="mean")
    assert run == run_network(family, images, classes, loss=loss, method=GradientDescent(step_size=0.01, steps=5))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_relative_step_is_in_units_of_the_networks_own_gram_matrix(reduction):
    keys = SPHERE | FAMILY | {"relative_step": 0.25, "steps": 5, "reduction": reduction}
    work = workload(cells(keys)[0].point)
    largest = np.linalg.eigvalsh(gram_matrix(RESNET.draw(6, 0), X.copy()))[-1]
    assert work.step_size == pytest.approx(0.5 / largest * (8 if reduction == "mean" else 1), rel=1e-12)
    assert all(spec.method.step_size == work.step_size for spec in work.specifications([0, 5]))


def test_plain_two_layer_descent_is_trained_side_by_side_and_nothing_else_is():
    plain = SPHERE | DESCENT | {"width": 6}
    assert workload(cells(plain)[0].point).record is not NetworkRun
    for other in ({"activation": "tanh"}, {"momentum": 0.5}, {"reduction": "mean"}, {"observe": "travel"}):
        assert workload(cells(plain | other)[0].point).record is NetworkRun


def test_one_run_that_fails_does_not_take_the_others_of_its_job_with_it(tmp_path, monkeypatch):
    (planned,) = plan(cells(SPHERE | DESCENT | FAMILY | {"seed": "0..3"}), None)
    (job,) = planned.jobs()
    whole = du2019_deep.ResNet.draw

    def draw(self, dimension, seed):
        if seed == 1:
            raise FloatingPointError("no luck")
        return whole(self, dimension, seed)

    monkeypatch.setattr(du2019_deep.ResNet, "draw", draw)
    outcome = train_job(job, str(tmp_path))
    assert (outcome.finished, outcome.failed) == (3, 1)
    row = table(tmp_path).filter(kind="Failure").to_dicts()[0]
    assert (row["seed"], row["family"], row["reason"]) == (1, "du2019-deep-resnet", "FloatingPointError: no luck")


def test_a_worker_without_the_memory_records_the_size_that_would_fit(tmp_path, monkeypatch):
    (planned,) = plan(cells(SPHERE | DESCENT | FAMILY | {"width": 500}), None)
    (job,) = planned.jobs()
    monkeypatch.setattr("empirical.workloads.available_bytes", lambda device: 20 * 10**6)
    assert train_job(job, str(tmp_path)).failed == 1
    reason = Store(tmp_path).failure(job.keys[0]).reason
    assert reason.startswith("MemoryForeseen: training ResNet(width=500") and " fits" in reason


@pytest.mark.parametrize(
    "keys", [SPHERE | DESCENT | {"width": 8}, SPHERE | DESCENT | FAMILY], ids=["two-layer", "other"]
)
def test_the_device_is_a_part_of_what_a_run_is(keys):
    specs = [workload(cells(keys, device=d)[0].point).specifications([0])[0] for d in ("cpu", "cuda")]
    assert [spec.device for spec in specs] == ["cpu", "cuda"] and specs[0].key != specs[1].key


def test_divergence_is_a_verdict_of_any_family(tmp_path):
    keys = SPHERE | FAMILY | {"step_size": 1e200, "steps": 9, "seed": "0..1"}
    (planned,) = plan(cells(keys), None)
    (job,) = planned.jobs()
    assert train_job(job, str(tmp_path)).failed == 0
    assert table(tmp_path)["verdict"].to_list() == ["diverged"] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 10**8}, " width [0-9]{3,} fits"),
        ({"family": "ding2021-resnet", "branches": 10**9}, " branches [0-9]{3,} fits"),
        ({"family": "nguyen2020-pyramid", "widths": "50000,40000,1"}, "take a smaller network"),
        ({"steps": 10**9}, "take fewer steps"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_size_that_would(change, message):
    keys = SPHERE | DESCENT | FAMILY | change
    own = {"ding2021-resnet": ("width",), "nguyen2020-pyramid": ("width", "depth")}.get(keys["family"], ())
    (planned,) = plan(cells({name: value for name, value in keys.items() if name not in own}), None)
    with pytest.raises(MemoryForeseen, match=message):
        refuse_what_does_not_fit([planned], 2 * 10**9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "cross-entropy"}, "an output for each class"),
        ({"loss": "logistic"}, "labels -1 and 1"),
        ({"family": "allenzhu2019-fc", "outputs": 3}, "3 outputs do not fit these labels"),
        ({"labels": "classes"}, "has no classes"),
        ({"family": "du2019-deep-conv", "pixels": 4}, "have no 4 pixels each"),
        ({"observe": "separation"}, "Allen-Zhu"),
        ({"activation": "step"}, "unknown activation 'step'"),
        ({"method": "orthogonal-descent"}, "for orthogonal networks"),
        ({"method": "stochastic-descent", "batch": 9}, "batch = 9 is more than the 8 inputs"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(change, message):
    with pytest.raises(ValueError, match=message):
        plan(cells(SPHERE | DESCENT | FAMILY | change), None)
