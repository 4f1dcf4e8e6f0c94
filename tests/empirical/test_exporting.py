"""Torch stacks written out: what comes back computes the same, and what no theorem covers is refused by name."""

import json
from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from bounds import Problem  # noqa: E402
from bounds.certificates.evaluation import evaluate  # noqa: E402
from bounds.certificates.polish import polish  # noqa: E402
from bounds.certificates.proving import Certificate, certify  # noqa: E402
from bounds.certificates.record import load, write_arrays  # noqa: E402
from empirical import export  # noqa: E402
from empirical.exporting import Residual  # noqa: E402


def sequence(*layers):
    torch.manual_seed(0)
    return nn.Sequential(*layers).double()


TANH = nn.Tanh()

COVERED = {
    "an activation used twice": lambda: sequence(nn.Linear(3, 5), TANH, nn.Linear(5, 4), TANH, nn.Linear(4, 1)),
    "two layers": lambda: sequence(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)),
    "no bias": lambda: sequence(nn.Linear(3, 5, bias=False), nn.GELU(), nn.Linear(5, 1, bias=False)),
    "nested": lambda: sequence(nn.Sequential(nn.Linear(3, 5), nn.ReLU()), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1)),
    "residual": lambda: sequence(
        nn.Linear(3, 5), nn.SiLU(), Residual(nn.Linear(5, 5), nn.SiLU(), 0.3), nn.Linear(5, 1)
    ),
    "softplus": lambda: sequence(nn.Linear(3, 5), nn.Softplus(), nn.Linear(5, 1)),
    "float32": lambda: nn.Sequential(nn.Linear(3, 5), nn.Sigmoid(), nn.Linear(5, 1)),
}


@pytest.mark.parametrize("name", COVERED)
def test_outputs_and_gram_matrix_agree_with_torch(tmp_path, name):
    """Two implementations that share no code: torch's autograd, and the evaluation with rounding bounds."""
    module = COVERED[name]()
    setting = export(module, tmp_path / "net.safetensors")
    stack, weights = load(tmp_path / "net.safetensors")
    assert stack == setting
    module = module.double()
    X = torch.randn(4, 3, dtype=torch.float64)
    outputs = module(X)[:, 0]
    found = evaluate(stack, weights, X.numpy())
    assert np.abs(outputs.detach().numpy() - found.outputs).max() < 1e-12
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(f, module.parameters(), retain_graph=True)])
        for f in outputs
    ]
    J = torch.stack(rows).numpy()
    assert J.shape[1] == stack.parameters
    assert np.abs(J @ J.T - found.gram[0]).max() < 1e-11


def test_frozen_parameters_are_not_trained(tmp_path):
    module = COVERED["two layers"]()
    for parameter in module[2].parameters():
        parameter.requires_grad = False
    assert [layer.trained for layer in export(module, tmp_path / "net.safetensors").layers] == [True, False]


def test_the_scale_of_a_residual_layer_is_exact(tmp_path):
    setting = export(COVERED["residual"](), tmp_path / "net.safetensors")
    assert setting.layers[1].skip_squared == Fraction(0.3) ** 2
    assert load(tmp_path / "net.safetensors")[0] == setting


def test_a_trained_module_is_certified_after_a_polish(tmp_path):
    module = sequence(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
    X = torch.randn(6, 3, dtype=torch.float64)
    y = torch.sign(torch.randn(6, dtype=torch.float64))
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(300):
        optimiser.zero_grad()
        ((module(X)[:, 0] - y) ** 2).sum().backward()
        optimiser.step()
    export(module, tmp_path / "net.safetensors")
    stack, weights = load(tmp_path / "net.safetensors")
    problem = Problem(X.numpy(), y.numpy())
    assert isinstance(certify(polish(stack, weights, problem.X, problem.y), stack, problem), Certificate)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def hooked():
    module = COVERED["two layers"]()
    module[0].register_forward_hook(lambda *_: None)
    return module


def shared():
    linear = nn.Linear(3, 3)
    return sequence(linear, nn.Tanh(), linear, nn.Tanh(), nn.Linear(3, 1))


def half_frozen():
    module = COVERED["two layers"]()
    module[0].bias.requires_grad = False
    return module


def parametrised():
    module = COVERED["two layers"]()
    torch.nn.utils.parametrizations.weight_norm(module[0])
    return module


REFUSED = {
    "batch norm": (
        lambda: sequence(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 1)),
        "1 \\(BatchNorm1d",
    ),
    "nested name": (
        lambda: sequence(nn.Sequential(nn.Linear(3, 5), nn.Dropout()), nn.Linear(5, 1)),
        "0\\.1 \\(Dropout",
    ),
    "conv": (lambda: sequence(nn.Conv1d(3, 5, 1), nn.Tanh(), nn.Linear(5, 1)), "0 \\(Conv1d"),
    "subclass": (lambda: sequence(Doubled(3, 5), nn.Tanh(), nn.Linear(5, 1)), "0 \\(Doubled"),
    "hooks": (hooked, "0 \\(Linear\\) has hooks"),
    "shared": (shared, "2 \\(Linear\\) is used twice"),
    "half frozen": (half_frozen, "0 \\(Linear\\)"),
    "parametrised": (parametrised, "0 \\(Parametrized"),
    "two activations": (
        lambda: sequence(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 1)),
        "relu, tanh",
    ),
    "approximate GELU": (lambda: sequence(nn.Linear(3, 5), nn.GELU("tanh"), nn.Linear(5, 1)), "1 \\(GELU"),
    "beta": (lambda: sequence(nn.Linear(3, 5), nn.Softplus(beta=2), nn.Linear(5, 1)), "1 \\(Softplus"),
    "linear twice": (lambda: sequence(nn.Linear(3, 5), nn.Linear(5, 1)), "1 \\(Linear\\) follows 0"),
    "activation twice": (lambda: sequence(nn.Linear(3, 5), nn.Tanh(), nn.Tanh(), nn.Linear(5, 1)), "2 \\(Tanh"),
    "no output": (lambda: sequence(nn.Linear(3, 5), nn.Tanh()), "end in a linear"),
    "no sequence": (lambda: nn.Bilinear(3, 3, 1), "Bilinear"),
    "nan": (
        lambda: nn.init.constant_((module := COVERED["two layers"]())[0].weight, float("nan")) is None or module,
        "nan",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_theorem_covers_is_refused_by_name(tmp_path, name):
    build, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        export(build(), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_bare_file_needs_a_setting(tmp_path):
    module = COVERED["two layers"]()
    setting = export(module, tmp_path / "net.safetensors")
    _, weights = load(tmp_path / "net.safetensors")
    write_arrays(tmp_path / "bare.safetensors", weights)
    with pytest.raises(ValueError, match="--setting"):
        load(tmp_path / "bare.safetensors")
    (tmp_path / "setting.json").write_text(json.dumps(setting.plain()))
    assert load(tmp_path / "bare.safetensors", tmp_path / "setting.json")[0] == setting
    (tmp_path / "setting.json").write_text("{}")
    with pytest.raises(ValueError, match="activation"):
        load(tmp_path / "bare.safetensors", tmp_path / "setting.json")
    (tmp_path / "net.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="net.safetensors"):
        load(tmp_path / "net.safetensors")
