import threading

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bounds.gram import two_layer
from bounds.linalg import least_eigenvalue
from empirical import gram_matrix, run_network
from empirical.batches import Batch
from empirical.devices import cholesky_on, float32_arithmetic, moved
from empirical.dynamics import GradientDescent
from empirical.losses import Loss
from empirical.networks import du2019_deep
from empirical.tangent_kernels import cross_gram_matrix


def agrees(device):
    """A factor from the device gives the same enclosure but for its width, which it does not spoil."""
    gram = two_layer(np.random.default_rng(0).standard_normal((400, 20)), normalised=True)
    ours = least_eigenvalue(gram.midpoint, gram.radius)
    theirs = least_eigenvalue(gram.midpoint, gram.radius, propose=cholesky_on(device))
    assert ours.lower <= theirs.upper and theirs.lower <= ours.upper
    assert theirs.upper - theirs.lower < 2 * (ours.upper - ours.lower)


def test_factors_from_torch_serve_proofs():
    agrees("cpu")


def test_factors_from_a_gpu_serve_proofs(cuda):
    agrees(str(cuda))


def test_a_factor_is_upper_triangular_and_there_only_for_definite_matrices():
    a = np.array([[4.0, 2.0], [2.0, 5.0]])
    assert np.array_equal(cholesky_on("cpu")(a), [[2.0, 1.0], [0.0, 2.0]])
    assert cholesky_on("cpu")(-a) is None


BACKENDS = [("cuda", "all"), ("cuda", "matmul"), ("mkldnn", "all"), ("mkldnn", "conv"), ("mkldnn", "matmul")]
"""Settings that can be put back to what they are at the start of a process."""

ALL = [("generic", "all"), ("cuda", "conv"), ("cuda", "rnn"), ("mkldnn", "rnn"), *BACKENDS]


def write(setting, value):
    torch._C._set_fp32_precision_setter(*setting, value)


def found():
    return {setting: torch._C._get_fp32_precision_getter(*setting) for setting in ALL}


def reactions():
    """What the settings are, and become with each change of the one that they may follow."""
    seen = [found()]
    for setting in (("generic", "all"), ("cuda", "all"), ("mkldnn", "all")):
        before = torch._C._get_fp32_precision_getter("generic", "all") if setting[0] == "generic" else None
        if before is None and torch._C._get_fp32_precision_getter(*setting) != "none":
            continue
        for value in ("ieee", "tf32", "none"):
            write(setting, value)
            seen.append(found())
        write(setting, before or "none")
    return seen


@pytest.fixture
def settings():
    yield
    torch.set_float32_matmul_precision("highest")
    for setting in [("generic", "all"), *BACKENDS]:
        write(setting, "none")


STATES = {
    "as torch starts": lambda: None,
    "TF32 in products": lambda: torch.set_float32_matmul_precision("high"),
    "bfloat16 in products": lambda: torch.set_float32_matmul_precision("medium"),
    "TF32 everywhere": lambda: write(("generic", "all"), "tf32"),
    "TF32 on GPUs": lambda: write(("cuda", "all"), "tf32"),
    "TF32 but for products": lambda: (write(("generic", "all"), "tf32"), write(("cuda", "matmul"), "ieee")),
    "bfloat16 on the CPU": lambda: write(("mkldnn", "all"), "bf16"),
    "both ways to set it": lambda: (torch.set_float32_matmul_precision("high"), write(("cuda", "matmul"), "ieee")),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("tf32", [False, True])
def test_float32_is_what_was_asked_for_and_the_settings_are_left_as_found(state, tf32, settings):
    STATES[state]()
    before, wanted = reactions(), "tf32" if tf32 else "ieee"
    with pytest.raises(KeyError), float32_arithmetic("cpu", tf32=tf32):
        assert set(found().values()) == {wanted}
        with float32_arithmetic("cpu", tf32=tf32):
            assert set(found().values()) == {wanted}
        assert set(found().values()) == {wanted}
        raise KeyError
    assert reactions() == before


def test_threads_that_want_different_arithmetic_take_turns(settings):
    before, inside = reactions(), threading.Event()

    def other():
        with float32_arithmetic("cpu", tf32=True):
            inside.set()

    thread = threading.Thread(target=other)
    with float32_arithmetic("cpu"):
        thread.start()
        assert not inside.wait(0.2)
        assert set(found().values()) == {"ieee"}
    thread.join()
    assert inside.is_set() and reactions() == before


class Reader(nn.Module):
    """Keeps the settings that it finds forward and, with a parameter that no layer uses, under torch.func."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Linear(7, 2), nn.Parameter(torch.ones(2))
        self.seen = set()

    def forward(self, X):
        self.seen |= set(found().values())
        return self.scale * self.layer(X)


@pytest.mark.parametrize("tf32", [False, True])
def test_gram_matrices_in_float32_ask_for_it(tf32, settings):
    torch.set_float32_matmul_precision("medium")
    before, network, X = found(), Reader(), torch.randn(5, 7)
    gram_matrix(network, X, tf32=tf32)
    cross_gram_matrix(network, network, X, tf32=tf32)
    assert network.seen == {"tf32" if tf32 else "ieee"}
    with pytest.raises(ValueError, match="do not fit"):
        gram_matrix(network, X[:, :6], tf32=tf32)
    assert found() == before


def test_automatic_casts_are_off():
    torch.manual_seed(0)
    network, X = nn.Sequential(nn.Linear(70, 80), nn.Tanh(), nn.Linear(80, 2)), torch.randn(30, 70)
    expected = gram_matrix(network, X)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (network(X).dtype, gram_matrix(network, X).dtype) == (torch.bfloat16, np.float32)
        assert np.array_equal(gram_matrix(network, X), expected)


@pytest.mark.parametrize("device", ["cuda:99", "nowhere"])
def test_a_device_that_is_not_there_is_refused(device):
    for ask in (
        lambda: gram_matrix(nn.Linear(7, 2), torch.randn(5, 7), device=device),
        lambda: gram_matrix(np.eye(5), np.eye(5), device=device),
        lambda: cholesky_on(device),
    ):
        with pytest.raises(ValueError, match=rf"{device}.*give cpu, or cuda where there is a GPU"):
            ask()


class Full(nn.Module):
    """On a device whose memory holds some inputs, and not more."""

    def __init__(self, most, own=True):
        super().__init__()
        self.layer, self.most = nn.Linear(7, 2), most
        self.scale = nn.Parameter(torch.ones(2), requires_grad=own)

    def forward(self, X):
        if len(X) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.scale * self.layer(X)


@pytest.mark.parametrize("most", [1, 3, 8])
@pytest.mark.parametrize("own", [False, True])
def test_fewer_inputs_at_a_time_where_memory_is_short(most, own):
    torch.manual_seed(0)
    network, X = Full(8, own), torch.randn(8, 7)
    gram, cross = gram_matrix(network, X), cross_gram_matrix(network, network, X)
    network.most = most
    np.testing.assert_allclose(gram_matrix(network, X), gram, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(cross_gram_matrix(network, network, X), cross, rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_refused_with_its_size():
    with pytest.raises(MemoryError, match=r"no memory for 4 inputs at a time.*give a smaller block="):
        gram_matrix(Full(3), torch.randn(8, 7), block=4)
    with pytest.raises(MemoryError, match="no memory for 1 inputs"):
        gram_matrix(Full(0), torch.randn(8, 7))


def test_a_network_is_moved_as_it_is():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.LazyLinear(2))
    network[2].weight = network[0].weight
    network[2].bias.requires_grad_(False)
    there = moved(network, device=None, dtype=torch.float64)
    assert there[2].weight is there[0].weight
    assert not there[2].bias.requires_grad and there[0].bias.requires_grad
    assert torch.equal(there[0].weight, network[0].weight.double()) and network[0].weight.dtype == torch.float32
    assert there[1].running_mean.dtype == torch.float64 and there[1].num_batches_tracked.dtype == torch.int64
    there(torch.randn(3, 4, dtype=torch.float64))
    assert not network[1].running_mean.any() and there[1].running_mean.any()


def on_gpu(network, X, **options):
    return gram_matrix(network, X, device="cuda", dtype="float32", **options)


@pytest.mark.parametrize("kind", ["linear", "convolutional"])
def test_a_gpu_rounds_factors_to_tf32_only_if_asked(cuda, settings, kind):
    if torch.cuda.get_device_capability(cuda)[0] < 8:
        pytest.skip("this GPU has no TF32")
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    if kind == "linear":
        network, X = nn.Sequential(nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh()), torch.randn(64, 256)
    else:
        layers = [nn.Conv2d(64, 64, 3, padding=1), nn.Tanh(), nn.Conv2d(64, 64, 3, padding=1), nn.Tanh(), nn.Flatten()]
        network, X = nn.Sequential(*layers), torch.randn(64, 64, 8, 8)
    network.append(nn.Linear(network(X).shape[1], 1))
    exact = gram_matrix(network, X, dtype="float64")
    assert np.abs(gram_matrix(network, X, device="cuda", dtype="float64") - exact).max() <= 1e-12 * exact.max()
    ours, rounded = (np.abs(on_gpu(network, X, tf32=tf32) - exact).max() / exact.max() for tf32 in (False, True))
    assert ours <= 3e-6 < 1e-5 < rounded


def test_fewer_inputs_at_a_time_where_a_gpu_is_full(cuda):
    """A block of all 3000 inputs takes some 600 MB here."""
    torch.manual_seed(0)
    network = nn.Sequential(*(layer for _ in range(3) for layer in (nn.Linear(2048, 2048), nn.Tanh()))).to(cuda)
    network.append(nn.Linear(2048, 1, device=cuda))
    X = torch.randn(3000, 2048, device=cuda)
    expected = gram_matrix(network, X)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(cuda).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(cuda) + 2.5e8) / total)
    try:
        np.testing.assert_allclose(gram_matrix(network, X), expected, rtol=0, atol=1e-4 * expected.max())
        with pytest.raises(MemoryError, match="no memory for 3000 inputs at a time"):
            gram_matrix(network, X, block=3000)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


class OnlyFloat64(TorchDispatchMode):
    """Refuses an operation whose outcome is a floating-point array of another type."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        outcome = function(*args, **(kwargs or {}))
        for array in outcome if isinstance(outcome, tuple | list) else [outcome]:
            if isinstance(array, torch.Tensor) and array.is_floating_point():
                assert array.dtype == torch.float64, function
                self.seen += 1
        return outcome


def is_float64_throughout(device):
    """So TF32 and the like, which are ways to multiply float32, cannot touch a run."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 4)), rng.standard_normal(6)
    with OnlyFloat64() as mode:
        for trained in ("first", "both"):
            batch = Batch(X, y, 5, [0, 1], trained=trained, device=device)
            for _ in range(3):
                batch.forward()
                batch.descend(0.1)
            assert batch.network(0).weights.dtype == batch.residual(0).dtype == torch.float64
        assert mode.seen > 20
        run_network(
            du2019_deep.ResNet(width=5, depth=2),
            X,
            y,
            loss=Loss(kind="squares", reduction="sum"),
            method=GradientDescent(step_size=0.01, steps=2),
            observe={"tangent kernel": [0, 2], "travel": [2]},
            device=device,
        )
        assert mode.seen > 100


def test_runs_are_float64_throughout(monkeypatch):
    monkeypatch.setattr("empirical.batches.kernel", lambda: None)
    is_float64_throughout("cpu")


def test_runs_on_a_gpu_are_float64_throughout(cuda):
    is_float64_throughout(str(cuda))
