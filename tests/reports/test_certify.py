"""``zeroloss certify`` and ``zeroloss verify`` from outside."""

import json
import re
import shutil
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from bounds.certificates.record import SETTING, write_arrays
from bounds.checker import verify
from reports.cli import main
from reports.commands.records import Certification
from reports.commands.verify import Verified
from tests.bounds.certificates.networks import data, draw, image_stack, images, stack, trained

SMALL = ["certify", "--data", "sphere:n=6,d=6", "--width", "12"]
WIDE = ["certify", "--data", "orthonormal:n=4", "--width", "8192"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *tokens, code):
    assert main(list(tokens)) == code
    return capsys.readouterr()


def test_a_polished_network_is_certified_and_verified(capsys, folder):
    out, err = said(capsys, *SMALL, "--polish", code=0)
    first = err.splitlines()[0]
    for words in ("tanh", "hidden layer trained", "zero-output start", "1/||J||^2 rounded down", "polished"):
        assert words in first
    moved = re.search(r"whose weights are (\S+) away from the stored ones, (\S+) of their norm", err)
    assert 0 < float(moved[2]) < 1 and float(moved[1]) > float(moved[2])
    assert "reaches exactly zero loss" in out.replace("\n", " ")
    assert sorted(p.name for p in (folder / "zeroloss-certificate").iterdir()) == [
        "certificate.json",
        "certificate.safetensors",
    ]
    out, err = said(capsys, "verify", "zeroloss-certificate/certificate.json", code=0)
    assert out.startswith("proved: ") and err == ""
    said(capsys, *SMALL, "--polish", code=0)  # its own files are replaced


def test_a_start_is_certified_without_training(capsys):
    out = json.loads(said(capsys, *WIDE, "--json", code=0).out)
    record = msgspec.convert(out, Certification)
    assert record.verdict == "holds" and record.step_size == pytest.approx(2, rel=0.2)
    assert verify(record.certificate).holds
    for words in (["--flow"], ["--step-size", "0.5"]):
        record = msgspec.json.decode(said(capsys, *WIDE, *words, "--json", code=0).out, type=Certification)
        assert record.step_size == (None if words == ["--flow"] else 0.5)
        assert verify(record.certificate).holds


def test_the_rows_and_weights_are_those_of_the_runs(capsys, folder):
    """The same seed draws the same network as `measure`, on rows rounded to unit length."""
    from bounds.checker.files import read_arrays
    from empirical.datasets import load_data
    from empirical.networks import initial_network

    said(capsys, *WIDE, "--seed", "3", code=0)
    arrays = read_arrays(folder / "zeroloss-certificate" / "certificate.safetensors")
    start = initial_network(8192, 4, 3)
    assert (arrays["layers.0.weight"] == start.weights.numpy()).all()
    assert (arrays["layers.1.weight"][0] == start.signs.numpy()).all()
    assert (arrays["X"] == load_data("orthonormal:n=4").X).all()


def test_both_layers_from_zero_output_weights(capsys, folder):
    tokens = ["certify", "--data", "sphere:n=8,d=10", "--width", "1000", "--activation", "relu", "--trained", "both"]
    err = said(capsys, *tokens, "--flow", code=0).err
    assert "both layers trained, v = 0" in err
    assert verify(folder / "zeroloss-certificate" / "certificate.json").holds
    said(capsys, *tokens, "--out", "descent", code=3)


def test_descent_is_followed_from_a_narrow_start(capsys, folder):
    found = said(capsys, *SMALL, code=0)
    assert "following descent" in found.err and "from step" in found.out.replace("\n", " ")
    record = json.loads((folder / "zeroloss-certificate" / "certificate.json").read_text())
    assert record["argument"] == "trajectory" and record["witnesses"]["steps"] > 0
    assert "zero-output start" in found.err and record["statement"]["network"]["centred"]
    assert verify(folder / "zeroloss-certificate" / "certificate.json").holds


def test_a_relu_network_is_followed_across_kinks(capsys, folder):
    tokens = ["certify", "--data", "sphere:n=10,d=50", "--width", "64", "--activation", "relu"]
    record = msgspec.json.decode(said(capsys, *tokens, "--json", code=0).out, type=Certification)
    assert record.verdict == "holds" and {"crossings", "decay", "whole_path"} < record.numbers.keys()
    assert verify(record.certificate).holds
    assert "what neurons that cross their kinks can spoil" in said(capsys, *tokens, code=0).out.replace("\n", " ")
    record = msgspec.json.decode(said(capsys, *tokens, "--steps", "1", "--json", code=3).out, type=Certification)
    assert record.verdict == "undecided"


@pytest.mark.parametrize(("option", "argument"), [("--flow", "flip-integral"), ("--step-size=0.5", "flip-count")])
def test_a_wide_relu_network_is_certified_at_its_start(capsys, folder, option, argument):
    tokens = ["certify", "--data", "orthonormal:n=2", "--activation", "relu", option, "--width"]
    record = msgspec.json.decode(said(capsys, *tokens, "65536", "--json", code=0).out, type=Certification)
    assert json.loads((folder / record.certificate).read_text())["argument"] == argument
    assert verify(folder / record.certificate).holds
    found = said(capsys, *tokens, "8", code=3 if option == "--flow" else 0).out.replace("\n", " ")
    assert ("the integral is not proved large enough" if option == "--flow" else "from step") in found


def test_a_refusal_exits_with_three_and_writes_nothing(capsys, folder):
    out = said(capsys, *SMALL, "--steps", "1", code=3).out.replace("\n", " ")
    assert "not certified" in out and "polish" in out
    assert not (folder / "zeroloss-certificate").exists()
    out = said(capsys, *SMALL, "--polish", "--step-size", "5", code=3).out.replace("\n", " ")
    assert "too long" in out
    record = msgspec.json.decode(said(capsys, *SMALL, "--steps", "1", "--json", code=3).out, type=Certification)
    assert record.verdict == "undecided" and record.certificate == ""


def test_a_network_of_one_s_own(capsys, folder):
    network = stack("gelu", 4, (10, 10), residual=True, bias=True)
    X, y = data(0, 5, 4)
    np.savez(folder / "mine.npz", X=3 * X, y=y)
    write_arrays(folder / "net.safetensors", draw(network, 0), {SETTING: json.dumps(network.plain())})
    tokens = ["certify", "--data", "mine.npz", "--weights", "net.safetensors"]
    assert "not certified" in said(capsys, *tokens, code=3).out
    said(capsys, *tokens, "--polish", "--out", "mine", code=0)
    assert verify(folder / "mine" / "certificate.json").holds
    from bounds.checker.files import read_arrays

    assert (read_arrays(folder / "mine" / "certificate.safetensors")["X"] == 3 * X).all()


@pytest.mark.parametrize("labels", [[1.7, -0.4, 2.9, 0.3, 5.1], [0, 1, 1, 0, 1]])
def test_labels_beside_weights_are_those_that_the_network_was_trained_on(capsys, folder, labels):
    """Neither standardised nor turned into signs, unless that is asked for."""
    network, (X, _), y = stack("tanh", 4, (12,), bias=True), data(0, 5, 4), np.array(labels, dtype=float)
    np.savez(folder / "mine.npz", X=X, y=y)
    arrays = trained(network, 0, X, y)
    write_arrays(folder / "net.safetensors", arrays, {SETTING: json.dumps(network.plain())})
    tokens = ["certify", "--data", "mine.npz", "--weights", "net.safetensors"]
    assert "labels: as stored" in said(capsys, *tokens, code=0).out
    from bounds.checker.files import read_arrays

    assert (read_arrays(folder / "zeroloss-certificate" / "certificate.safetensors")["y"] == y).all()
    assert "not certified" in said(capsys, *tokens, "--labels", "true", "--out", "recoded", code=3).out


@pytest.fixture
def run(folder):
    """Weights between a start and a polished end, in files whose names sort otherwise than their numbers."""
    network = stack("tanh", 4, (12,))
    X, y = data(1, 6, 4)
    np.savez(folder / "mine.npz", X=X, y=y)
    start, end = draw(network, 1), trained(network, 1, X, y)
    (folder / "run").mkdir()
    for step, share in ((0, 0), (5, 0.5), (20, 0.999999), (100, 1)):
        weights = {name: start[name] + share * (end[name] - start[name]) for name in start}
        write_arrays(folder / "run" / f"step_{step}.safetensors", weights, {SETTING: json.dumps(network.plain())})
    return folder / "run"


CHECKPOINTS = ["certify", "--data", "mine.npz", "--weights"]


@pytest.mark.parametrize("named", ["a folder", "files", "each"])
def test_the_first_certified_point_of_a_run_is_reported(capsys, folder, run, named):
    names = sorted(f"run/{path.name}" for path in run.iterdir())
    assert names[1].endswith("step_100.safetensors")  # as a shell lists them
    given = {"a folder": ["run"], "files": names, "each": [t for name in names for t in ("--weights", name)][1:]}
    found = said(capsys, *CHECKPOINTS, *given[named], "--json", code=0)
    record = msgspec.json.decode(found.out, type=Certification)
    assert record.first == "run/step_20.safetensors" and "point 3 of 4" in record.says
    assert [line for line in found.err.splitlines() if " of 4: " in line] == [
        f"{k} of 4: run/step_{step}.safetensors" for k, step in enumerate((0, 5, 20), 1)
    ]
    from bounds.checker.files import read_arrays

    stored = read_arrays(folder / "zeroloss-certificate" / "certificate.safetensors")
    there = read_arrays(run / "step_20.safetensors")
    assert all((stored[name] == array).all() for name, array in there.items())
    assert verify(record.certificate).holds
    said(capsys, *CHECKPOINTS, "run/step_5.safetensors", "--out", "alone", code=3)


def test_files_with_other_names_are_taken_as_given(capsys, folder, run):
    (run / "step_100.safetensors").rename(run / "end.safetensors")
    out = said(capsys, *CHECKPOINTS, "run/step_0.safetensors", "run/end.safetensors", code=0).out
    assert "first certified: run/end.safetensors, point 2 of 2" in out.replace("\n", " ")


def test_a_run_without_a_certified_point(capsys, folder, run):
    out = said(capsys, *CHECKPOINTS, "run/step_0.safetensors", "run/step_5.safetensors", code=3).out.replace("\n", " ")
    assert "none of 2 points" in out and "step_5" in out and "times what is allowed" in out
    assert not (folder / "zeroloss-certificate").exists()


def test_points_of_one_run_are_one_network(capsys, folder, run):
    other = stack("tanh", 4, (12,), bias=True)
    write_arrays(run / "step_7.safetensors", draw(other, 0), {SETTING: json.dumps(other.plain())})
    (folder / "empty").mkdir()
    for tokens, words in (
        (["run"], "step_7.safetensors holds another network"),
        (["empty"], "no .safetensors files"),
        (["run", "--polish"], "--polish"),
    ):
        out, err = said(capsys, *CHECKPOINTS, *tokens, code=2)
        assert out == "" and words in err.splitlines()[-1] and "Traceback" not in err


def test_images_and_several_outputs(capsys, folder):
    """Labels of several columns are taken as stored, images as rows."""
    network = image_stack("tanh", (3, 3), (4, 4), channels=2, outputs=3, bias=True)
    X, y = images(network, 0, 4)
    np.savez(folder / "mine.npz", X=X.reshape(4, 2, 3, 3), y=2 * y)
    np.savez(folder / "single.npz", X=X, y=y[:, 0])
    write_arrays(folder / "net.safetensors", draw(network, 0), {SETTING: json.dumps(network.plain())})
    found = json.loads(said(capsys, *CHECKPOINTS, "net.safetensors", "--polish", "--json", code=0).out)
    assert (
        "4 (patches of 3x3 at 3x3 positions)" in found["network"] and "3 labels, as stored" in found["data"][0]["value"]
    )
    assert verify(found["certificate"]).holds
    rest = ["--weights", "net.safetensors"]
    for more in (["digits"], ["single.npz"], ["mine.npz", "--n", "3"], ["mine.npz", "--labels", "random"]):
        out, err = said(capsys, "certify", "--data", *more, *rest, code=2)
        assert out == "" and "3 outputs" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["certify", "--weights", "none.safetensors"], "no such file"),
        (["certify", "--setting", "s.json"], "--weights"),
        (["certify", "--width", "0"], "--width"),
        (["certify", "--step-size", "-1"], "--step-size"),
        (["certify", "--flow", "--step-size", "1"], "--flow"),
        ([*SMALL, "--activation", "sine"], "sine"),
        ([*SMALL[:3], "--width", "1e9"], "--width"),
        ([*SMALL, "--out", "kept"], "thesis.tex"),
        ([*SMALL, "--out", "kept/thesis.tex"], "no folder"),
        (["certify", "--weights", "bad.safetensors", "--width", "3"], "--width"),
        (["certify", "--weights", "bad.safetensors"], "bad.safetensors"),
        (["certify", "--weights", "bad.safetensors"], "write it with empirical.export(module, path)"),
        (["certify", "--weights", "bare.safetensors"], "does not say which network its weights are: write it with"),
        (["verify", "none.json"], "no such file"),
        (["verify"], "requires an argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_refused_in_one_line(capsys, folder, tokens, words):
    (folder / "kept").mkdir()
    (folder / "kept" / "thesis.tex").write_text("precious")
    write_arrays(folder / "bare.safetensors", {"0.weight": np.eye(2)})
    (folder / "bad.safetensors").write_bytes(b"nonsense")
    out, err = said(capsys, *tokens, code=2)
    assert out == "" and words in err and err.count("\n") == 1 and "Traceback" not in err


def test_an_invalid_certificate_exits_with_one(capsys, folder):
    said(capsys, *SMALL, "--polish", code=0)
    record = folder / "zeroloss-certificate" / "certificate.json"
    record.write_text(record.read_text().replace("tanh", "erf"))
    out = said(capsys, "verify", str(record), code=1).out
    assert out.startswith("not a valid certificate: ")
    found = msgspec.json.decode(said(capsys, "verify", str(record), "--json", code=1).out, type=Verified)
    assert found.verdict == "fails" and found.reason


def test_verify_needs_neither_torch_nor_sympy(capsys, folder):
    said(capsys, *SMALL, "--polish", code=0)
    absent = ["torch", "sympy", "scipy", "sklearn", "mpmath", "safetensors", "z3", "cvc5", "matplotlib"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent})); from reports.cli import main; "
        "sys.exit(main(['verify', 'zeroloss-certificate/certificate.json', *sys.argv[1:]]))"
    )
    for options in ([], ["--json"]):
        subprocess.run([sys.executable, "-c", code, *options], cwd=folder, check=True, capture_output=True)
    shutil.rmtree(folder / "zeroloss-certificate")
