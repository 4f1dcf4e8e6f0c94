"""Certificates from a narrow start: proved in float64, replayed by the checker in many bits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bounds import Problem
from bounds.certificates.following import NAMES, certify_from_start
from bounds.certificates.proving import Certificate, Refusal
from bounds.certificates.record import write
from bounds.certificates.shadow import initial_outputs
from bounds.certificates.stack import Stack, two_layer
from bounds.checker import verify
from bounds.checker.files import body_hash
from tests.bounds.certificates.networks import data, draw


def start(activation: str, width: int, seed: int = 0) -> tuple[dict[str, np.ndarray], Stack, Problem, np.ndarray]:
    X, y = data(seed, 6, 6)
    network = two_layer(6, width, activation, centred=False)
    weights = draw(network, seed)
    weights["layers.1.weight"] = np.sign(weights["layers.1.weight"])
    offset = initial_outputs(X, weights["layers.0.weight"], weights["layers.1.weight"][0], activation=NAMES[activation])
    return weights, network, Problem(X, y), offset


@pytest.mark.parametrize("activation", NAMES)
@pytest.mark.parametrize("width", [12, 2**14])
def test_the_replay_agrees(tmp_path: Path, activation: str, width: int) -> None:
    """Two proofs that share nothing: float64 with tracked errors, and exact numbers of 256 bits."""
    weights, network, problem, offset = start(activation, width)
    found = certify_from_start(weights, network, problem, offset=offset)
    assert isinstance(found, Certificate), str(found)
    assert found.steps > 0 or width > 1000
    path = write(found, tmp_path)
    checked = verify(path)
    assert checked.holds, checked.reason
    assert "less the stored offset" in checked.statement


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights, network, problem, offset = start("tanh", 12)
    found = certify_from_start(weights, network, problem, offset=offset)
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
    import re

    assert re.search(words, found.reason), found.reason


def test_what_is_not_followed_is_refused() -> None:
    weights, network, problem, offset = start("tanh", 12)
    with pytest.raises(ValueError, match="followed"):
        certify_from_start(weights, two_layer(6, 12, "sigmoid", centred=False), problem, offset=offset)
    refused = certify_from_start(weights, network, problem, offset=offset, most_steps=1)
    assert isinstance(refused, Refusal)
    refused = certify_from_start(weights, network, problem, offset=offset, step_size=50.0)
    assert isinstance(refused, Refusal)
