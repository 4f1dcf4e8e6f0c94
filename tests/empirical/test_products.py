"""Products by oneDNN against products in double precision."""

import pytest
import torch
from torch import nn

from empirical.products import _WORTH, FastLayers, product


def uniform(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.mark.parametrize("shape", [(7, 5, 3), (200, 256, 200), (1, 2048, 2049)])
@pytest.mark.parametrize("across", [False, True])
def test_products_are_those_of_double_precision(shape, across):
    rows, k, columns = shape
    a, b = uniform(rows, k), uniform(k, columns).T if across else uniform(columns, k)
    found = product(a, b)
    assert found.dtype == torch.float32 and not found.is_mkldnn
    torch.testing.assert_close(found.double(), a.double() @ b.double().T, rtol=0, atol=k**0.5 * 1e-6)
    doubles = product(a.double(), b.double())
    assert torch.equal(doubles, a.double() @ b.double().T)


@pytest.mark.parametrize("shape", [(60, 300), (20, 3, 300)])
@pytest.mark.parametrize("bias", [False, True])
def test_layers_keep_their_outputs_and_gradients(shape, bias):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(300, 400, bias=bias), nn.Tanh(), nn.Linear(400, 300, bias=bias))
    assert 60 * 300 * 400 >= _WORTH
    inputs = uniform(*shape).requires_grad_()
    with FastLayers():
        outputs = network(inputs)
        (found,) = torch.autograd.grad(outputs.square().sum(), inputs)
    exact = inputs.detach().double().requires_grad_()
    expected = network.double()(exact)
    torch.testing.assert_close(outputs.double(), expected, rtol=0, atol=1e-5)
    (gradient,) = torch.autograd.grad(expected.square().sum(), exact)
    torch.testing.assert_close(found.double(), gradient, rtol=0, atol=1e-5)


def test_large_float32_layers_do_go_through_onednn():
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not torch.backends.mkldnn.is_available():
        pytest.skip("oneDNN gains nothing on this processor")
    with FastLayers():
        large, small = nn.Linear(2048, 2048)(uniform(2, 2048)), nn.Linear(20, 20)(uniform(2, 20))
    assert "ToDense" in type(large.grad_fn).__name__
    assert "ToDense" not in type(small.grad_fn).__name__
