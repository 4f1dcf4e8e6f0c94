"""Certificates from a narrow start: proved in float64, replayed by the checker in many bits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bounds import Problem
from bounds.activations.float64 import EVALUATED
from bounds.certificates.following import certify_from_start
from bounds.certificates.proving import Certificate, Refusal
from bounds.certificates.record import write, write_arrays
from bounds.certificates.stack import Stack, two_layer
from bounds.checker import verify
from bounds.checker.files import array_hash, body_hash, read_arrays
from tests.bounds.certificates.networks import data, draw
from tests.bounds.checker.forgery import Arrays, Record, forge, retell


def start(
    activation: str, width: int, *, centred: bool = True, seed: int = 0
) -> tuple[dict[str, np.ndarray], Stack, Problem]:
    X, y = data(seed, 6, 6)
    network = two_layer(6, width, activation, centred=centred)
    weights = draw(network, seed)
    weights["layers.1.weight"] = np.sign(weights["layers.1.weight"])
    return weights, network, Problem(X, y)


@pytest.mark.parametrize("activation", EVALUATED)
@pytest.mark.parametrize(("width", "centred"), [(12, True), (12, False), (2**14, True)])
def test_the_replay_agrees(tmp_path: Path, activation: str, width: int, centred: bool) -> None:
    """Two proofs that share nothing: float64 with tracked errors, and exact numbers of 256 bits."""
    weights, network, problem = start(activation, width, centred=centred)
    found = certify_from_start(weights, network, problem)
    assert isinstance(found, Certificate), str(found)
    assert found.steps > 0 or width > 1000
    path = write(found, tmp_path)
    checked = verify(path)
    assert checked.holds, checked.reason
    assert ("less its exact outputs at the stored start" in checked.statement) == centred
    assert json.loads(path.read_text())["statement"]["network"]["centred"] is centred
    assert ("start.layers.0.weight" in read_arrays(path.with_suffix(".safetensors"))) == centred


@pytest.mark.parametrize("labels", [0.0, 1e-90, 1e-13])
def test_labels_below_all_rounding_are_replayed(tmp_path: Path, labels: float) -> None:
    """The residual at the start is that of the labels, exactly, and the path is no longer than it needs."""
    weights, network, problem = start("erf", 12)
    found = certify_from_start(weights, network, Problem(problem.X, labels * problem.y))
    assert isinstance(found, Certificate) and found.steps == 0, str(found)
    checked = verify(write(found, tmp_path))
    assert checked.holds, checked.reason


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights, network, problem = start("tanh", 12)
    found = certify_from_start(weights, network, problem)
    assert isinstance(found, Certificate)
    return write(found, tmp_path_factory.mktemp("narrow"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["witnesses"].update(steps=r["witnesses"]["steps"] - 1), "singular value|norm|residual"),
        (lambda r: r["witnesses"].update(steps=10**6), "number of steps"),
        (lambda r: r["witnesses"].update(steps=True), "number of steps"),
        (lambda r: r["statement"].update(path=(float.fromhex(r["statement"]["path"]) * 0.9).hex()), "path"),
        (lambda r: r["statement"].update(path=(float.fromhex(r["statement"]["path"]) * 1.1).hex()), "path"),
        (lambda r: r["statement"].update(decay=(float.fromhex(r["statement"]["decay"]) * 1.1).hex()), "decay"),
        (lambda r: r["statement"].update(step_size=(float.fromhex(r["statement"]["step_size"]) * 0.9).hex()), "."),
        (lambda r: r.update(argument="newton-kantorovich"), "."),
    ],
)
def test_forged_trajectories_are_rejected(narrow: Path, tmp_path: Path, change: object, words: str) -> None:
    record = json.loads(narrow.read_text())
    old = record["statement"]["step_size"], record["statement"]["path"], record["statement"]["decay"]
    before = [repr(float.fromhex(v)) for v in old]
    change(record)
    new = record["statement"]["step_size"], record["statement"]["path"], record["statement"]["decay"]
    for was, now in zip(before, (repr(float.fromhex(v)) for v in new), strict=True):
        record["statement"]["text"] = record["statement"]["text"].replace(was, now)
    steps = json.loads(narrow.read_text())["witnesses"]["steps"]
    text = record["statement"]["text"].replace(f"from step {steps} on", f"from step {record['witnesses']['steps']} on")
    record["statement"]["text"] = text
    record["digest"] = body_hash(record)
    (tmp_path / narrow.name).write_text(json.dumps(record))
    (tmp_path / "certificate.safetensors").write_bytes(narrow.with_suffix(".safetensors").read_bytes())
    found = verify(tmp_path / narrow.name)
    assert found.fails
    assert re.search(words, found.reason), found.reason


def _uncentre(network: Record, arrays: Arrays) -> None:
    network["centred"] = False
    del arrays["start.layers.0.weight"]


def _shift_start(network: Record, arrays: Arrays) -> None:
    arrays["start.layers.0.weight"] = np.nextafter(arrays["start.layers.0.weight"], np.inf)


def _shift_both(network: Record, arrays: Arrays) -> None:
    for name in ("layers.0.weight", "start.layers.0.weight"):
        arrays[name] = arrays[name] * (1 + 1e-5)


def _centre(network: Record, arrays: Arrays) -> None:
    network["centred"] = True
    arrays["start.layers.0.weight"] = arrays["layers.0.weight"]


@pytest.mark.parametrize(
    ("centred", "change", "words"),
    [
        (True, _uncentre, "residual|singular|norm"),
        (True, lambda network, arrays: network.update(centred=False), "does not use"),
        (True, lambda network, arrays: arrays.pop("start.layers.0.weight"), "missing"),
        (True, _shift_start, "own start"),
        (True, _shift_both, "residual|singular|norm"),
        (False, _centre, "residual|singular|norm"),
    ],
)
def test_another_start_is_another_network(
    tmp_path: Path, centred: bool, change: Callable[[Record, Arrays], object], words: str
) -> None:
    """The text, the hashes and the digest fit, so that only the replay can tell."""
    weights, network, problem = start("tanh", 12, centred=centred)
    found = certify_from_start(weights, network, problem)
    assert isinstance(found, Certificate)
    path = write(found, tmp_path)
    record, arrays = json.loads(path.read_text()), read_arrays(path.with_suffix(".safetensors"))
    change(record["statement"]["network"], arrays)
    retell(record)
    record["statement"]["arrays"]["sha256"] = {name: array_hash(array) for name, array in arrays.items()}
    record["digest"] = body_hash(record)
    path.write_text(json.dumps(record))
    write_arrays(path.with_suffix(".safetensors"), arrays)
    checked = verify(path)
    assert checked.fails
    assert re.search(words, checked.reason), checked.reason


def test_the_corpus_of_forgeries_is_rejected(narrow: Path, tmp_path: Path) -> None:
    for seed in range(60):
        kind = forge(narrow, tmp_path, seed)
        assert verify(tmp_path / narrow.name).fails, f"seed {seed}: {kind}"


def test_what_is_not_followed_is_refused() -> None:
    weights, network, problem = start("tanh", 12)
    with pytest.raises(ValueError, match="followed"):
        certify_from_start(weights, two_layer(6, 12, "sigmoid"), problem)
    with pytest.raises(ValueError, match="own start"):
        certify_from_start({**weights, "layers.0.weight": 2 * weights["layers.0.weight"]}, network, problem)
    refused = certify_from_start(weights, network, problem, most_steps=1)
    assert isinstance(refused, Refusal)
    refused = certify_from_start(weights, network, problem, step_size=50.0)
    assert isinstance(refused, Refusal)
