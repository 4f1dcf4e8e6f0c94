"""Products and layers by the compiled kernel, and without it, against torch's in double precision."""

import pytest
import torch
from torch import nn

from empirical import products
from empirical.machine_code import vector_bytes
from empirical.networks.layers import scaled
from empirical.products import _WORTH, FastLayers, batched_product, product


@pytest.fixture(params=["compiled", "torch"], autouse=True)
def way(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(products, "_kernel", lambda a, b: None)
    elif vector_bytes() != 64:
        pytest.skip("the kernel is used with AVX-512")
    else:
        monkeypatch.setattr(products, "_gains", lambda: True)
    return request.param


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7, 5, 3), (200, 256, 201), (1, 2048, 2049), (8, 600, 500), (500, 600, 8)])
@pytest.mark.parametrize("across", [False, True])
def test_products_are_those_of_double_precision(dtype, shape, across):
    rows, k, columns = shape
    a = normal(rows, k, dtype=dtype)
    b = normal(k, columns, seed=1, dtype=dtype).T if across else normal(columns, k, seed=1, dtype=dtype)
    expected, tolerance = a.double() @ b.double().T, 3 * (k + 10) * torch.finfo(dtype).eps
    found = product(a, b)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance)
    needed = torch.ones(rows, columns).tril(4).bool()
    torch.testing.assert_close(product(a, b, diagonal=4).double()[needed], expected[needed], rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [20, 300])
def test_products_in_a_batch(dtype, k):
    a, b = normal(3, k, 90, dtype=dtype).transpose(1, 2), normal(3, k, 120, seed=1, dtype=dtype)
    found, expected = batched_product(a, b), a.double() @ b.double()
    assert found.dtype == dtype and (k == 20) == (90 * k * 120 < _WORTH)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=3 * (k + 10) * torch.finfo(dtype).eps)


@pytest.mark.parametrize("shape", [(60, 300), (20, 3, 300)])
@pytest.mark.parametrize("bias", [False, True])
def test_layers_keep_their_outputs_and_gradients(shape, bias):
    torch.manual_seed(0)
    layers = [nn.Linear(300, 400, bias=bias), nn.Tanh(), nn.Linear(400, 300, bias=bias), nn.Tanh(), nn.Linear(300, 1)]
    network = nn.Sequential(*layers)
    assert 60 * 300 * 400 >= _WORTH
    inputs = normal(*shape).requires_grad_()
    with FastLayers():
        outputs = network(inputs)
        (found,) = torch.autograd.grad(outputs.square().sum(), inputs)
    exact = inputs.detach().double().requires_grad_()
    expected = network.double()(exact)
    torch.testing.assert_close(outputs.double(), expected, rtol=0, atol=1e-5)
    (gradient,) = torch.autograd.grad(expected.square().sum(), exact)
    torch.testing.assert_close(found.double(), gradient, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "gains"), [("znver5", True), ("sapphirerapids", False)])
def test_the_kernel_is_for_processors_on_which_the_library_is_slow(name, gains, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(products, "processor", lambda: name)
    monkeypatch.setattr(products, "vector_bytes", lambda: 64)
    assert products._gains.__wrapped__() == gains


def test_large_layers_do_go_through_the_kernel(way):
    with FastLayers():
        large, narrow = (nn.Linear(2048, 2048)(normal(rows, 2048)) for rows in (8, 2))
        small = nn.Linear(20, 20)(normal(8, 20))
    assert (type(large.grad_fn).__name__ == "_LinearBackward") == (way == "compiled")
    assert not any(type(outputs.grad_fn).__name__ == "_LinearBackward" for outputs in (narrow, small))


def test_weights_that_are_computed_from_inputs_pass_their_gradient_on():
    inputs = normal(1024, 64).requires_grad_()
    with FastLayers():
        outputs = nn.functional.linear(normal(100, 64, seed=1), inputs.tanh(), None)
        (found,) = torch.autograd.grad(outputs.sum(), inputs)
    exact = inputs.detach().double().requires_grad_()
    expected = nn.functional.linear(normal(100, 64, seed=1).double(), exact.tanh())
    (gradient,) = torch.autograd.grad(expected.sum(), exact)
    torch.testing.assert_close(found.double(), gradient, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threads", [1, 3])
def test_tanh_and_its_slope(dtype, threads, monkeypatch):
    monkeypatch.setattr(products, "_SHARE", 100)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    z = (5 * normal(30, 40, dtype=dtype).T).requires_grad_()
    with FastLayers():
        outputs = [torch.tanh(z), z.tanh(), nn.Tanh()(z[:, ::2]), torch.tanh(z[0, 0])]
        outputs += [scaled(torch.tanh, z, scale) for scale in (0.0, -0.3)]
        found = torch.autograd.grad(sum(h.sum() for h in outputs), z)[0]
        assert all("_Tanh" in h.grad_fn.name() for h in outputs if h is not outputs[4])
    torch.testing.assert_close(outputs[5], -0.3 * outputs[0], rtol=0, atol=0)
    assert not outputs[4].any()
    slope = 1 - z.detach().double().tanh().square()
    slope *= 2 - 0.3 + (torch.arange(30) % 2 == 0).double()
    slope[0, 0] += 1 - z[0, 0].detach().double().tanh().square()
    torch.testing.assert_close(found.double(), slope, rtol=0, atol=20 * torch.finfo(dtype).eps)
    torch.testing.assert_close(outputs[0].double(), z.double().tanh(), rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": 1}, {"stride": 2, "padding": (2, 0)}, {"dilation": (1, 2), "padding": 1, "bias": False}],
)
def test_convolutions_of_a_gpu_pass_on_the_same_gradient(options, monkeypatch):
    monkeypatch.setattr(products, "_convolves_slowly", lambda x: True)
    monkeypatch.setattr(products, "_COLUMNS", 900)
    torch.manual_seed(0)
    layer, inputs = (
        nn.Conv2d(3, 5, (3, 2), **options).double(),
        normal(7, 3, 8, 6, dtype=torch.float64).requires_grad_(),
    )
    expected = layer(inputs)
    (gradient,) = torch.autograd.grad(expected.square().sum(), inputs)
    with FastLayers():
        outputs = layer(inputs)
        (found,) = torch.autograd.grad(outputs.square().sum(), inputs)
        others = [nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, padding="same")]
        left = [other.double()(normal(2, 4, 8, 6, dtype=torch.float64)) for other in others]
    assert type(outputs.grad_fn).__name__ == "_ConvolutionBackward" and torch.equal(outputs, expected)
    assert not any(type(h.grad_fn).__name__ == "_ConvolutionBackward" for h in left)
    torch.testing.assert_close(found, gradient, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_symmetric_products_on_a_gpu_whether_or_not_in_strips(cuda, dtype, monkeypatch):
    a = normal(300, 100, dtype=dtype).to(cuda)
    expected = (a.double() @ a.double().T).tril()
    monkeypatch.setattr(products, "_DEVICE_ROWS", 300)
    for worth in (0, 10**10):
        monkeypatch.setattr(products, "_DEVICE_WORTH", worth)
        found = product(a, a, diagonal=0).double().tril()
        atol = 100 * torch.finfo(dtype).eps * float(expected.max())  # k eps |a_i| |a_j|
        torch.testing.assert_close(found, expected, rtol=0, atol=atol)
