"""The independent verifier: it accepts what was proved, and no forgery."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import flint
import numpy as np
import pytest

from bounds import Problem
from bounds.activations.pointwise import POINTWISE
from bounds.certificates.convolution import Convolution
from bounds.certificates.evaluation import evaluate
from bounds.certificates.lipschitz import smoothness
from bounds.certificates.polish import polish
from bounds.certificates.proving import Certificate, certify
from bounds.certificates.record import write, write_arrays
from bounds.certificates.stack import Layer, Stack
from bounds.checker import newton_kantorovich, verify
from bounds.checker.definite import above
from bounds.checker.files import Invalid, body_hash, read_arrays, read_json
from bounds.checker.network import PRECISION, Network
from bounds.checker.network import evaluate as network_evaluate
from tests.bounds.certificates.networks import data, draw, image_stack, images, narrow_two_layer, stack, trained
from tests.bounds.checker.forgery import FORGERIES, forge

IMAGES = {
    "convolution": lambda s: image_stack(s, (5,), (4, 4), channels=2, residual=True, bias=True),
    "planar": lambda s: image_stack(s, (5, 4), (3, 3), stride=2, kernel=2, padding=1, bias=True),
    "outputs": lambda s: stack(s, 3, (12, 12), outputs=3, bias=True),
    "all": lambda s: image_stack(s, (3, 3), (4, 4), channels=2, outputs=2, residual=True, bias=True),
    "filters alone": lambda s: Stack(s, (_convolved(24), Layer(24, 2, trained=False))),
}
"""Networks by name, of an activation."""


def _convolved(outputs: int) -> Layer:
    return Layer(8, outputs, bias=True, convolution=Convolution(2, (4,), (3,), (1,), (1,)))


def certificate(folder: Path, activation: str = "tanh", *, kind: str = "deep", continuous: bool = False) -> Path:
    """A certificate of a small polished network."""
    X, y = data(1, 4, 3)
    if kind == "two-layer":
        network, start = narrow_two_layer(activation, 3, 12, 1)
        weights = polish(network, start, X, y)
    elif kind in IMAGES:
        network = IMAGES[kind](activation)
        X, y = images(network, 1, 4)
        weights = trained(network, 1, X, y)
    else:
        network = stack(activation, 3, (8, 8), residual=kind == "residual", bias=kind == "residual")
        weights = trained(network, 1, X, y)
    proof = certify(weights, network, Problem(X, y), continuous=continuous)
    assert isinstance(proof, Certificate), str(proof)
    return write(proof, folder)


@pytest.fixture(scope="module")
def images_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("images"), kind="all")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("activation", sorted(POINTWISE))
@pytest.mark.parametrize("kind", ["two-layer", "deep", "residual", "convolution"])
def test_what_was_proved_is_accepted(tmp_path: Path, activation: str, kind: str) -> None:
    """Two codes that share nothing agree on spectrum (both ends), residual, Lipschitz constant and conclusion."""
    found = verify(certificate(tmp_path, activation, kind=kind))
    assert found.holds and not found.fails, found.reason
    assert "exactly zero loss" in found.statement


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("kind", sorted(IMAGES))
def test_convolutions_and_several_outputs_are_accepted(tmp_path: Path, activation: str, kind: str) -> None:
    found = verify(certificate(tmp_path, activation, kind=kind))
    assert found.holds, found.reason
    assert ("||F(x_i) - y_i||^2" in found.statement) == (kind in ("outputs", "all", "filters alone"))


@pytest.mark.parametrize("radius", [1e-9, 0.1, 3.0])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("kind", sorted(IMAGES))
def test_two_codes_agree_on_the_lipschitz_constant(kind: str, activation: str, radius: float) -> None:
    """On every ball, so also where what moves on it counts."""
    network = IMAGES[kind](activation)
    X, _ = images(network, 1, 3)
    weights = draw(network, 1)
    made = smoothness(network, evaluate(network, weights, X), X, radius)
    with flint.ctx.workprec(PRECISION):
        read = Network.read(network.plain(), weights)
        lipschitz, margin = newton_kantorovich.smoothness(
            read, network_evaluate(read, X), X, flint.arb(radius), continuous=False
        )
        assert float(lipschitz) == pytest.approx(made.lipschitz, rel=1e-6)
        assert float(margin or np.inf) == pytest.approx(made.margin, rel=1e-6)


@pytest.mark.parametrize("residual", [False, True])
def test_blank_parts_of_images_are_no_kinks(tmp_path: Path, residual: bool) -> None:
    network = image_stack("relu", (6,), (8, 8), channels=2, residual=residual)
    X, y = images(network, 1, 4)
    X[:, :3] = X[:, 6:9] = 0
    proof = certify(trained(network, 1, X, y), network, Problem(X, y))
    assert isinstance(proof, Certificate), str(proof)
    found = verify(write(proof, tmp_path))
    assert found.holds, found.reason


def test_zeros_by_cancellation_are_kinks() -> None:
    """x + relu(w x) = 0 where x = -1 and w x = 1."""
    network = Stack("relu", (Layer(1, 1, skip_squared=Fraction(1)), Layer(1, 1), Layer(1, 1)))
    weights = {name: np.ones(shape) for name, shape in network.shapes().items()}
    weights["layers.0.weight"] = -weights["layers.0.weight"]
    with flint.ctx.workprec(PRECISION), pytest.raises(Invalid, match="kink"):
        network_evaluate(Network.read(network.plain(), weights), np.array([[-1.0]]))


def test_convolutions_from_zero_output_weights(tmp_path: Path) -> None:
    network = Stack("relu", (_convolved(400), Layer(400, 2)))
    X, y = images(network, 1, 3)
    weights = {**draw(network, 1), "layers.1.weight": np.zeros((2, 400))}
    proof = certify(weights, network, Problem(X, y / 8), continuous=True)
    assert isinstance(proof, Certificate), str(proof)
    found = verify(write(proof, tmp_path))
    assert found.holds, found.reason


def test_gradient_flow(tmp_path: Path) -> None:
    found = verify(certificate(tmp_path, continuous=True))
    assert found.holds and "gradient flow" in found.statement, found.reason


def test_a_wide_start_is_accepted(tmp_path: Path) -> None:
    X, y = data(0, 4, 8)
    network, weights = narrow_two_layer("tanh", 8, 2**12, 0)
    proof = certify(weights, network, Problem(X, y / 4))
    assert isinstance(proof, Certificate)
    assert verify(write(proof, tmp_path)).holds


@pytest.mark.parametrize("bias", [False, True])
def test_flow_from_zero_output_weights(tmp_path: Path, bias: bool) -> None:
    X, y = data(1, 4, 6)
    network = Stack("relu", (Layer(6, 200, Fraction(1, 3), bias=bias), Layer(200, 1)))
    weights = {**draw(network, 1), "layers.1.weight": np.zeros((1, 200))}
    proof = certify(weights, network, Problem(X, y / 4), continuous=True)
    assert isinstance(proof, Certificate), str(proof)
    found = verify(write(proof, tmp_path))
    assert found.holds, found.reason
    descent = certify(weights, network, Problem(X, y / 4))
    assert not isinstance(descent, Certificate)


def test_biases_and_frozen_layers(tmp_path: Path) -> None:
    X, y = data(1, 4, 3)
    network = Stack("tanh", (Layer(3, 12, bias=True), Layer(12, 1, bias=True, trained=False)))
    proof = certify(trained(network, 1, X, y), network, Problem(X, y))
    assert isinstance(proof, Certificate)
    assert verify(write(proof, tmp_path)).holds


@pytest.mark.parametrize("step_size", [1, np.float64(0.3), np.float32(0.25), Fraction(1, 4)])
def test_steps_of_any_type_are_stored_alike(tmp_path: Path, step_size: float) -> None:
    X, y = data(1, 4, 6)
    network, weights = narrow_two_layer("tanh", 6, 2**12, 1)
    found = certify(weights, network, Problem(X, y / 16), step_size=step_size)
    assert isinstance(found, Certificate), str(found)
    checked = verify(write(found, tmp_path))
    assert checked.holds, checked.reason
    assert f"with step {float(step_size)!r} on" in checked.statement


def test_factors_of_many_digits_are_read(tmp_path: Path) -> None:
    X, y = data(1, 4, 6)
    factor = Fraction(3**150, 3**150 * 2**12 + 2)
    network, weights = narrow_two_layer("tanh", 6, 2**12, 1)
    network = Stack("tanh", (network.layers[0], replace(network.output, scale_squared=factor)), network.centred)
    found = certify(weights, network, Problem(X, y / 16))
    assert isinstance(found, Certificate), str(found)
    checked = verify(write(found, tmp_path))
    assert checked.holds, checked.reason
    with pytest.raises(ValueError, match="more than 100 digits"):
        Stack("tanh", (Layer(6, 8), Layer(8, 1, factor**2)))


def test_the_answer_is_no_boolean(good: Path) -> None:
    with pytest.raises(TypeError, match="holds"):
        bool(verify(good))


# Forgeries


@pytest.mark.parametrize("kind", ["deep", "all"])
def test_no_forgery_is_accepted(tmp_path: Path, kind: str) -> None:
    """Most of them carry hashes and a digest that fit, so that the proof itself has to fail."""
    good, kinds = certificate(tmp_path / "good", kind=kind), set()
    for seed in range(300):
        forged = forge(good, tmp_path, seed)
        found = verify(tmp_path / good.name)
        assert found.fails, f"seed {seed}: {forged}"
        assert found.reason and "\n" not in found.reason
        kinds.add(forged)
    assert kinds == set(FORGERIES)


STRANGE_PATCHES = [
    {"channels": 0},
    {"channels": True},
    {"channels": 1},
    {"kernel": [3]},
    {"kernel": [3, 3, 3]},
    {"kernel": [0, 3]},
    {"kernel": [9, 3]},
    {"kernel": "33"},
    {"stride": [0, 1]},
    {"stride": [2**40, 1]},
    {"padding": [-1, 1]},
    {"padding": [2**19, 2**19]},
    {"padding": [1.5, 1]},
    {"size": [9, 1]},
    {"size": []},
    {"size": [3, None]},
    {"dilation": [1, 1]},
]


@pytest.mark.parametrize("change", STRANGE_PATCHES, ids=str)
def test_patches_that_make_no_sense_are_invalid(images_certificate: Path, tmp_path: Path, change: dict) -> None:
    record = json.loads(images_certificate.read_text())
    layer = record["statement"]["network"]["layers"][0]
    layer["convolution"] |= change
    record["digest"] = body_hash(record)
    (tmp_path / "certificate.json").write_text(json.dumps(record))
    (tmp_path / "certificate.safetensors").write_bytes(images_certificate.with_suffix(".safetensors").read_bytes())
    found = verify(tmp_path / "certificate.json")
    assert found.fails and "\n" not in found.reason


def test_an_untouched_copy_stays_valid(good: Path, tmp_path: Path) -> None:
    """Rewriting with a fresh digest alone must not be what is rejected."""
    record = json.loads(good.read_text())
    record["digest"] = body_hash(record)
    (tmp_path / good.name).write_text(json.dumps(record))
    (tmp_path / "certificate.safetensors").write_bytes(good.with_suffix(".safetensors").read_bytes())
    assert verify(tmp_path / good.name).holds


# Reading what may come from anyone


def test_a_missing_file_is_bad_input(tmp_path: Path, good: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"certificate\.json"):
        verify(tmp_path / "certificate.json")
    (tmp_path / "certificate.json").write_bytes(good.read_bytes())
    with pytest.raises(FileNotFoundError, match="safetensors"):
        verify(tmp_path / "certificate.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        "NaN",
        '{"a": 1, "a": 2}',
        '{"a": 1.5}',
        '{"a": Infinity}',
        "[" * 100_000,
        '{"a": ' * 200 + "1" + "}" * 200,
        '{"a": ' + "9" * 10_000 + "}",
        "\x00\xff",
        '"' + "a" * 100,
        '{"a": "' + '\\"' * 2**20,  # in quadratic time, hours
        '"' + '\\"' * 2**20 + "\\",
        '"' + '\\"' * 2**20 + "\\\n",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_json_that_is_none_or_too_deep(tmp_path: Path, text: str) -> None:
    path = tmp_path / "certificate.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(Invalid):
        read_json(path)
    assert verify(path).fails


def header(entries: dict[str, object], body: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + body


ENTRY = {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        (2**63).to_bytes(8, "little"),
        header({"a": ENTRY}),
        header({"a": ENTRY}, b"\x00" * 9),
        header({"a": {**ENTRY, "dtype": "F32"}}, b"\x00" * 8),
        header({"a": {**ENTRY, "shape": [2]}}, b"\x00" * 8),
        header({"a": {**ENTRY, "shape": [-1]}}, b"\x00" * 8),
        header({"a": {**ENTRY, "shape": [2**62, 0]}}, b""),
        header({"a": {**ENTRY, "data_offsets": [8, 16]}}, b"\x00" * 16),
        header({"a": ENTRY, "b": ENTRY}, b"\x00" * 8),
        header({"a": {**ENTRY, "extra": 1}}, b"\x00" * 8),
        header({"a": ENTRY}, np.array([np.nan]).tobytes()),
        header({"a": ENTRY}, np.array([np.inf]).tobytes()),
        header({"a": ENTRY}, np.array([2.0**61]).tobytes()),
        header({"a": {**ENTRY, "shape": [1.0]}}, b"\x00" * 8),
        header({"a": {**ENTRY, "shape": [True]}}, b"\x00" * 8),
        header({"a": {**ENTRY, "shape": 1}}, b"\x00" * 8),
        header({"a": {**ENTRY, "shape": None}}, b"\x00" * 8),
        header({"a": {**ENTRY, "data_offsets": 8}}, b"\x00" * 8),
    ],
)
def test_arrays_that_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(Invalid):
        read_arrays(path)


def test_arrays_survive_a_round_trip(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(3.0), "c": np.zeros((0, 2)), "d": np.ones((3, 2)).T}
    write_arrays(tmp_path / "a.safetensors", arrays, {"note": "é"})
    back = read_arrays(tmp_path / "a.safetensors")
    assert back.keys() == arrays.keys()
    assert all((back[name] == arrays[name]).all() and back[name].shape == arrays[name].shape for name in arrays)


def test_other_software_reads_our_arrays(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones((3, 2)).T}
    write_arrays(tmp_path / "a.safetensors", arrays)
    back = safetensors.load_file(tmp_path / "a.safetensors")
    assert all((back[name] == arrays[name]).all() for name in arrays)
    safetensors.save_file(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, tmp_path / "b.safetensors"
    )
    assert read_arrays(tmp_path / "b.safetensors").keys() == arrays.keys()


@pytest.mark.parametrize(
    "name",
    [
        "../certificate.safetensors",
        "/etc/passwd",
        "\ud800.safetensors",
        "\x00.safetensors",
        "\x1b[2J.safetensors",
        "é.safetensors",
        "",
        None,
        1,
    ],
)
def test_arrays_lie_beside_the_certificate(good: Path, tmp_path: Path, name: object) -> None:
    """Under a plain name, which a terminal can show."""
    (tmp_path / "a").mkdir()
    record = json.loads(good.read_text())
    record["statement"]["arrays"]["file"] = name
    record["digest"] = body_hash(record)
    (tmp_path / "a" / good.name).write_text(json.dumps(record))
    (tmp_path / "certificate.safetensors").write_bytes(good.with_suffix(".safetensors").read_bytes())
    assert "beside the certificate" in verify(tmp_path / "a" / good.name).reason


def test_names_of_arrays_are_shown_in_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for body in (b"\x00" * 16, np.array([np.nan]).tobytes()):
        path.write_bytes(header({"\x1b[2J\n" * 1000: ENTRY}, body))
        with pytest.raises(Invalid) as refused:
            read_arrays(path)
        assert str(refused.value).isprintable() and len(str(refused.value)) < 200


def test_floats_above_the_largest_are_infinite() -> None:
    """Without a warning: forged certificates may state any number."""
    assert above(flint.arb(np.finfo(np.float64).max)) == above(flint.arb(2) ** 2000) == np.inf
    assert above(flint.arb(1)) == 1 + 2.0**-52 and above(flint.arb(0)) == 5e-324


# Independence


def test_it_runs_without_the_rest(good: Path) -> None:
    """In a process in which nothing can be imported but the standard library, numpy and python-flint."""
    script = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ("bounds", "numpy", "flint") or top in sys.stdlib_module_names:
            return None
        raise ImportError(f"{name} is walled off")

sys.meta_path.insert(0, Wall())
import bounds
found = bounds.verify(sys.argv[1])
assert found.holds, found.reason
others = [name for name in sys.modules if name.startswith("bounds.") and not name.startswith("bounds.checker")]
assert not others, others
"""
    subprocess.run([sys.executable, "-c", script, str(good)], check=True, timeout=120)


def test_it_stays_small() -> None:
    """Lines of code, docstrings and blanks apart: a kernel of at most 500 and 200 for each argument."""
    import ast

    def code(path: Path) -> int:
        text = path.read_text()
        lines = {number for number, line in enumerate(text.splitlines(), 1) if line.strip() and line.strip()[0] != "#"}
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        return len(lines)

    import bounds.checker

    folder = Path(bounds.checker.__file__).parent
    sizes = {path.name: code(path) for path in folder.glob("*.py")}
    kernel = {"__init__.py", "files.py", "network.py", "definite.py"}
    assert sum(sizes[name] for name in kernel) <= 500
    assert all(size <= 200 for name, size in sizes.items() if name not in kernel)
