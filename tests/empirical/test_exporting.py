"""Torch stacks written out: what comes back computes the same, and what no theorem covers is refused by name."""

import json
from fractions import Fraction

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from bounds import Problem, TwoLayer  # noqa: E402
from bounds.activations import RELU, SIN  # noqa: E402
from bounds.activations import TANH as TANH_SETTING  # noqa: E402
from bounds.certificates.evaluation import evaluate  # noqa: E402
from bounds.certificates.families import as_stack  # noqa: E402
from bounds.certificates.polish import polish  # noqa: E402
from bounds.certificates.proving import Certificate, certify  # noqa: E402
from bounds.certificates.record import load, write_arrays  # noqa: E402
from bounds.settings import SYSTEM, ConvResNet, FullyConnected, ResNet  # noqa: E402
from empirical import export  # noqa: E402
from empirical.dynamics import GradientDescent, trajectory  # noqa: E402
from empirical.exporting import Residual  # noqa: E402
from empirical.losses import Loss  # noqa: E402
from empirical.networks import allenzhu2019, du2019_deep, shallow  # noqa: E402


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


CONVOLUTIONS = {
    "one axis": ((2, 6), lambda: sequence(nn.Conv1d(2, 3, 3, padding=1), TANH, nn.Flatten(), nn.Linear(18, 1))),
    "two axes": (
        (1, 5, 4),
        lambda: sequence(
            nn.Conv2d(1, 3, 3, stride=2, padding=1),
            TANH,
            nn.Conv2d(3, 2, (2, 1), padding=(1, 0), bias=False),
            TANH,
            nn.Flatten(),
            nn.Linear(16, 3),
        ),
    ),
    "residual": (
        (1, 4, 4),
        lambda: sequence(
            nn.Conv2d(1, 3, 3, padding="same"),
            nn.Softplus(),
            Residual(nn.Conv2d(3, 3, 3, padding="same"), nn.Softplus(), 0.3),
            nn.Flatten(),
            nn.Linear(48, 1),
        ),
    ),
    "unflattened": (
        (8,),
        lambda: sequence(
            nn.Unflatten(1, (2, 4)), nn.Conv1d(2, 3, 2, padding="valid"), TANH, nn.Flatten(), nn.Linear(9, 2)
        ),
    ),
    "a convolution at the end": (
        (2, 4),
        lambda: sequence(nn.Conv1d(2, 3, 1), TANH, nn.Conv1d(3, 2, 3), nn.Flatten()),
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_agree_with_torch(tmp_path, name):
    shape, build = CONVOLUTIONS[name]
    module = build()
    export(module, tmp_path / "net.safetensors", shape=None if len(shape) == 1 else shape)
    agrees(module, *load(tmp_path / "net.safetensors"), torch.randn(3, *shape, dtype=torch.float64))


FAMILIES = {
    "two-layer": (shallow.TwoLayer(width=6, activation="tanh"), (3,)),
    "two-layer, both": (shallow.TwoLayer(width=6, activation="erf", trained="both", form="mean-field"), (3,)),
    "fully connected": (du2019_deep.FullyConnected(width=6, depth=3), (3,)),
    "residual": (du2019_deep.ResNet(width=6, depth=3, activation="tanh"), (3,)),
    "convolutional": (du2019_deep.ConvResNet(width=4, depth=3, pixels=5), (2, 5)),
    "several outputs": (allenzhu2019.FullyConnected(width=6, depth=2, outputs=3), (3,)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_of_the_papers_agree_with_torch(tmp_path, name):
    family, shape = FAMILIES[name]
    module = family.draw(shape[0], 0)
    export(module, tmp_path / "net.safetensors")
    agrees(module, *load(tmp_path / "net.safetensors"), torch.randn(3, *shape, dtype=torch.float64))


SETTINGS = {
    "two-layer": lambda: TwoLayer(activation=TANH_SETTING),
    "fully connected": lambda: FullyConnected(depth=3),
    "residual": lambda: ResNet(depth=3, activation=TANH_SETTING, residual_scale=Fraction(1, 2)),
    "convolutional": lambda: ConvResNet(depth=3, channels=2, residual_scale=0.5),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_setting_of_a_family_describes_its_networks(tmp_path, name):
    """The state dict of a network with its setting is the network that is exported, up to the rounding of scales."""
    family, shape = FAMILIES[name]
    module = family.draw(shape[0], 1)
    state = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    stack, weights = as_stack(SETTINGS[name](), state)
    exported = export(module, tmp_path / "net.safetensors")
    assert all((weights[key] == array).all() for key, array in load(tmp_path / "net.safetensors")[1].items())
    for made, there in zip(stack.layers, exported.layers, strict=True):
        assert float(made.scale_squared / there.scale_squared) == pytest.approx(1, rel=1e-15)
        assert (made.skip_squared is None) == (there.skip_squared is None)
        if made.skip_squared is not None:
            assert float(made.skip_squared / there.skip_squared) == pytest.approx(1, rel=2e-15)
    agrees(module, stack, weights, torch.randn(3, *shape, dtype=torch.float64))


def test_the_scale_of_relu_networks_is_exact():
    state = {"hidden.0.weight": np.ones((3, 2)), "output.weight": np.ones((1, 3))}
    assert as_stack(FullyConnected(depth=1, activation=RELU), state)[0].output.scale_squared == Fraction(2, 3)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_of_the_product_is_certified_with_its_setting(name):
    """Trained by the product's own descent, polished, and certified with nothing but state dict and setting."""
    family, shape = FAMILIES[name]
    module = msgspec.structs.replace(family, width=12).draw(shape[0], 3)
    generator = np.random.default_rng(0)
    X = generator.standard_normal((4, *shape))
    X /= np.linalg.norm(X.reshape(4, -1), axis=1).reshape(4, *[1] * len(shape))
    y = generator.choice([-1.0, 1.0], 4)
    method = GradientDescent(step_size=0.1, steps=200)
    for _ in trajectory(module, torch.from_numpy(X), torch.from_numpy(y), Loss(), method):
        pass
    state = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    problem = Problem(X.reshape(4, -1), y)
    assert not certify(state, SETTINGS[name](), problem, step_size=1e3).verdict.holds
    stack, weights = as_stack(SETTINGS[name](), state)
    assert isinstance(certify(polish(stack, weights, problem.X, y), stack, problem), Certificate)


@pytest.mark.parametrize(
    ("setting", "state", "words"),
    [
        (SYSTEM, {}, "only two-layer"),
        (FullyConnected(depth=2), {"hidden.0.weight": np.ones((2, 2)), "output.weight": np.ones((1, 2))}, "hidden.1"),
        (FullyConnected(depth=1), {"hidden.0.weight": np.ones(2), "output.weight": np.ones((1, 2))}, "matrix"),
        (FullyConnected(depth=1), {"hidden.0.weight": np.ones((3, 2)), "output.weight": np.ones((1, 2))}, "units"),
        (TwoLayer(activation=SIN), {"hidden.weight": np.ones((2, 2)), "output.weight": np.ones((1, 2))}, "sin"),
        (
            ConvResNet(depth=2),
            {f"hidden.{k}.weight": np.ones((2, 4)) for k in range(2)} | {"output.weight": np.ones((1, 6))},
            "patches of 3",
        ),
    ],
)
def test_weights_that_are_not_of_the_setting(setting, state, words):
    with pytest.raises(ValueError, match=words):
        as_stack(setting, state)


@pytest.mark.parametrize("name", COVERED)
def test_outputs_and_gram_matrix_agree_with_torch(tmp_path, name):
    """Two implementations that share no code: torch's autograd, and the evaluation with rounding bounds."""
    module = COVERED[name]()
    setting = export(module, tmp_path / "net.safetensors")
    stack, weights = load(tmp_path / "net.safetensors")
    assert stack == setting
    agrees(module.double(), stack, weights, torch.randn(4, 3, dtype=torch.float64))


def agrees(module, stack, weights, X):
    """A module and its stack, on inputs of any shape."""
    outputs = module(X).flatten()
    found = evaluate(stack, weights, X.flatten(1).numpy())
    assert np.abs(outputs.detach().numpy() - found.outputs).max() < 1e-12
    trained = [p for p in module.parameters() if p.requires_grad]
    rows = [torch.cat([g.flatten() for g in torch.autograd.grad(f, trained, retain_graph=True)]) for f in outputs]
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


def image(layer):
    return sequence(nn.Unflatten(1, (2, 4)), layer, nn.Tanh(), nn.Flatten(), nn.Linear(8, 1))


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
    "no shape": (lambda: sequence(nn.Conv1d(3, 5, 1), nn.Tanh(), nn.Linear(5, 1)), "0 \\(Conv1d.*shape="),
    "groups": (lambda: image(nn.Conv1d(2, 2, 3, groups=2)), "1 \\(Conv1d.*groups"),
    "dilation": (lambda: image(nn.Conv1d(2, 2, 3, dilation=2)), "1 \\(Conv1d.*dilation"),
    "circular": (lambda: image(nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular")), "padding by anything"),
    "uneven padding": (lambda: image(nn.Conv1d(2, 2, 2, padding="same")), "both sides"),
    "too large a kernel": (lambda: image(nn.Conv1d(2, 2, 9)), "1 \\(Conv1d.*kernel fits"),
    "other channels": (lambda: image(nn.Conv1d(3, 2, 1)), "takes images \\(3, pixels\\), not \\(2, 4\\)"),
    "two axes, not one": (lambda: image(nn.Conv2d(2, 2, 1)), "height, width"),
    "no flatten": (lambda: sequence(*image(nn.Conv1d(2, 2, 1))[:-2], nn.Linear(4, 1)), "3 \\(Linear\\) takes rows"),
    "images at the end": (lambda: sequence(*image(nn.Conv1d(2, 2, 1))[:-2], nn.Conv1d(2, 1, 1)), "Flatten at the end"),
    "half a flatten": (lambda: sequence(*image(nn.Conv1d(2, 2, 1))[:-2], nn.Flatten(2)), "3 \\(Flatten"),
    "unflattened twice": (lambda: sequence(nn.Unflatten(1, (2, 4)), nn.Unflatten(1, (2, 1))), "1 \\(Unflatten"),
    "pooling": (lambda: sequence(*image(nn.Conv1d(2, 2, 1))[:-2], nn.AvgPool1d(2)), "3 \\(AvgPool1d"),
    "residual of another shape": (
        lambda: sequence(
            nn.Unflatten(1, (2, 4)), Residual(nn.Conv1d(2, 2, 3), nn.Tanh()), nn.Flatten(), nn.Linear(4, 1)
        ),
        "residual but maps",
    ),
    "skips of Allen-Zhu et al.": (lambda: allenzhu2019.ResNet(width=4, depth=2, outputs=1).draw(3, 0), "skips"),
    "sine": (lambda: shallow.TwoLayer(width=4, activation="sin").draw(3, 0), "sin"),
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
    "no sequence": (lambda: nn.Bilinear(3, 3, 1), "Bilinear.*write an nn.Sequential of Linear, .*Residual, ReLU"),
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
