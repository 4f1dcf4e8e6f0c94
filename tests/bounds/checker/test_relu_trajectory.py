"""ReLU networks replayed across kinks by the checker: it agrees with the truth and with the prover, and says no."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import flint
import numpy as np
import pytest
from flint import arb

from bounds import Problem
from bounds.certificates.following import certify_from_start
from bounds.certificates.proving import Certificate, Refusal
from bounds.certificates.record import write, write_arrays
from bounds.certificates.stack import Stack, two_layer
from bounds.checker import flip_count, relu_trajectory, verify
from bounds.checker.files import Invalid, array_hash, body_hash, read_arrays
from bounds.checker.relu_trajectory import BITS, Run
from tests.bounds.certificates.exact_descent import PRECISION, exact_descent, norm
from tests.bounds.certificates.networks import data, draw
from tests.bounds.checker.forgery import Arrays, Record, forge, retell


def start(
    n: int, d: int, width: int, *, centred: bool = True, seed: int = 0
) -> tuple[dict[str, np.ndarray], Stack, Problem]:
    X, y = data(seed, n, d)
    network = two_layer(d, width, "relu", centred=centred)
    weights = draw(network, seed)
    weights["layers.1.weight"] = np.sign(weights["layers.1.weight"])
    return weights, network, Problem(X, y)


def followed(*case: object, **options: object) -> Certificate:
    found = certify_from_start(*case, **options)  # type: ignore[arg-type]
    assert isinstance(found, Certificate), str(found)
    return found


def altered(good: Path, folder: Path, change: Callable[[Record, Arrays], object]) -> Path:
    """A copy whose words, hashes and digest fit the change, so that only the replay can tell."""
    record, arrays = json.loads(good.read_text()), read_arrays(good.with_suffix(".safetensors"))
    change(record, arrays)
    record["statement"]["arrays"]["sha256"] = {name: array_hash(array) for name, array in arrays.items()}
    retell(record)
    record["digest"] = body_hash(record)
    (folder / good.name).write_text(json.dumps(record))
    write_arrays(folder / good.with_suffix(".safetensors").name, arrays)
    return folder / good.name


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(followed(*start(5, 8, 48)), tmp_path_factory.mktemp("relu"))


@pytest.mark.parametrize(
    ("n", "d", "width", "centred"), [(5, 8, 48, True), (5, 8, 48, False), (10, 50, 32, True), (6, 6, 1024, True)]
)
def test_two_proofs_that_share_nothing_agree(tmp_path: Path, n: int, d: int, width: int, centred: bool) -> None:
    """Weights in twice the bits of float64, and residuals with lazily found flips in exact numbers."""
    case = start(n, d, width, centred=centred)
    found = followed(*case)
    assert found.argument == "relu-trajectory" and found.steps and found.crosses_kinks
    checked = verify(write(found, tmp_path))
    assert checked.holds, checked.reason
    assert "whatever slope in [0, 1] the ReLU has at 0" in checked.statement
    assert f"from step {found.steps} on" in checked.statement


def test_a_step_near_the_limit_is_replayed(tmp_path: Path) -> None:
    """Schur's bound of ||J|| would let E grow there; the sharp one does not."""
    weights, network, problem = start(5, 8, 96)
    found = followed(weights, network, problem, step_size=1.7 * followed(weights, network, problem).step_size)
    checked = verify(write(found, tmp_path))
    assert checked.holds, checked.reason


def replay(case: tuple[dict[str, np.ndarray], Stack, Problem], step_size: float) -> Run:
    weights, network, problem = case
    W, a = weights["layers.0.weight"], weights["layers.1.weight"][0]
    assert network.centred
    return Run(W, a, problem.X, arb(step_size), [-arb(v) for v in problem.y.tolist()])


@pytest.mark.parametrize("seed", range(4))
def test_the_replay_contains_exact_descent(seed: int) -> None:
    """Residual, patterns and path, against descent by the definition at 800 bits."""
    case = start(4, 3, 12, seed=seed)
    weights, _, problem = case
    W, signs = weights["layers.0.weight"], weights["layers.1.weight"][0]
    X, steps, step_size, flipped = problem.X, 60, 0.9, 0
    with flint.ctx.workprec(PRECISION):
        z = [
            [sum((arb(u) * arb(v) for u, v in zip(w, x, strict=True)), arb(0)) for x in X.tolist()] for w in W.tolist()
        ]
        root = arb(len(W)).sqrt()
        exact = [
            sum((int(s) * row[i] for s, row in zip(signs, z, strict=True) if row[i] > 0), arb(0)) / root
            for i in range(len(X))
        ]
        targets = np.array([[float(v.mid()) for v in exact], [float((v - float(v.mid())).mid()) for v in exact]])
    rows = exact_descent(X, np.vstack([targets, problem.y]), W, signs, "relu", step_size, steps)
    with flint.ctx.workprec(BITS):
        run, path = replay(case, step_size), arb(0)
        before = run.active
        for k, (now, r, gradient) in enumerate(rows):
            if k:
                run.advance()
            flipped += int((run.active != before).sum())
            before = run.active.copy()
            slack = arb(2.0**-95)  # targets in two parts are not quite the outputs at the start
            assert norm([[u - v for u, v in zip(run.q, r, strict=True)]]) <= run.off() + slack * (k + 1) ** 2
            truth = [
                [sum((u * arb(v) for u, v in zip(w, x, strict=True)), arb(0)) > 0 for x in X.tolist()] for w in now
            ]
            assert (run.active == np.array(truth)).all()
            assert path <= run.walked + slack * (k + 1) ** 2
            path += step_size * norm(gradient)
            assert run.walked <= path * (1 + 2.0**-40)
    assert flipped > 5


def test_neurons_that_are_not_looked_at_do_not_flip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at all of them in every step finds the same flips."""
    case, looked = start(4, 4, 1000), []
    values = Run._values

    def counting(self: Run, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        looked.append(len(rows))
        return values(self, rows)

    monkeypatch.setattr(Run, "_values", counting)
    with flint.ctx.workprec(BITS):
        lazy, eager = replay(case, 0.7), replay(case, 0.7)
        seen = [0, 0]
        for _ in range(80):
            for index, run in enumerate((lazy, eager)):
                if run is eager:
                    run.due[:] = -np.inf
                looked.clear()
                run.advance()
                seen[index] += sum(looked)
            assert (lazy.active == eager.active).all() and lazy.parts == eager.parts
    assert seen[0] < 0.5 * seen[1] == 0.5 * 80 * 1000


def test_flips_matter(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Run._look
    monkeypatch.setattr(Run, "_look", lambda self, **when: [0 * jump for jump in look(self, **when)])
    assert verify(good).fails


def test_flips_matter_where_all_residuals_so_far_sum_to_zero() -> None:
    """After two steps they do, and a neuron flips: residual and patterns by the definition, in rationals."""
    X, y, eta = [[1, 1], [-2, 0]], [Fraction(-1, 2), Fraction(5, 4)], 1
    W = [[Fraction(v, 8) for v in row] for row in ((-11, 4), (16, -3), (16, 9), (-15, 13))]
    signs = [1, -1, 1, -1]

    def outputs(z: list[list[Fraction]]) -> list[Fraction]:
        return [sum(a * max(row[i], Fraction(0)) for a, row in zip(signs, z, strict=True)) / 2 for i in range(2)]

    def preactivations() -> list[list[Fraction]]:
        return [[sum(u * v for u, v in zip(w, x, strict=True)) for x in X] for w in W]

    start = preactivations()
    with flint.ctx.workprec(BITS):
        run = Run(
            np.array(W, dtype=np.float64),
            np.array(signs, dtype=np.float64),
            np.array(X, dtype=np.float64),
            arb(eta),
            [-arb(float(v)) for v in y],
        )
        for k in range(5):
            z = preactivations()
            r = [f - g - t for f, g, t in zip(outputs(z), outputs(start), y, strict=True)]
            assert [u == arb(float(v)) for u, v in zip(run.q, r, strict=True)] == [True, True], k
            assert (run.active == np.array([[v > 0 for v in row] for row in z])).all()
            for w, a, row in zip(W, signs, z, strict=True):
                for p in range(2):
                    w[p] -= Fraction(eta * a, 2) * sum(r[i] * X[i][p] for i in range(2) if row[i] > 0)
            run.advance()


@pytest.mark.parametrize("exponent", [0, -300, -560, -900])
def test_signs_at_the_start_are_exact_for_weights_of_any_size(exponent: int) -> None:
    """Each pre-activation is what rounding a solution of w.x = 0 leaves."""
    rng = np.random.default_rng(3)
    X, W = rng.standard_normal((1, 3)), rng.standard_normal((64, 3))
    W[:, 2] = -(W[:, 0] * X[0, 0] + W[:, 1] * X[0, 1]) / X[0, 2]
    W = np.ldexp(W, exponent)
    z = [sum(Fraction(u) * Fraction(v) for u, v in zip(w, X[0].tolist(), strict=True)) for w in W.tolist()]
    kept = [r for r, v in enumerate(z) if v != 0]
    with flint.ctx.workprec(BITS):
        run = Run(W[kept], np.ones(len(kept)), X, arb(1), [arb(1)])
    assert run.active[:, 0].tolist() == [z[r] > 0 for r in kept]


def test_a_network_on_kinks_is_certified_where_it_need_not_be_followed(tmp_path: Path) -> None:
    """Unit vectors and weights of which some are exactly 0: those pairs may be on or off in every later step."""
    rng = np.random.default_rng(0)
    X, W, a = np.eye(3, 4), rng.standard_normal((64, 4)), np.tile([1.0, -1.0], 32)
    W[:2, 0] = 0.0
    y = np.maximum(X @ W.T, 0) @ a / 8 + 1e-6
    network, problem = two_layer(4, 64, "relu", centred=False), Problem(X, y)
    weights = {"layers.0.weight": W, "layers.1.weight": a[None]}
    found = certify_from_start(weights, network, problem, step_size=0.5)
    assert isinstance(found, Certificate) and found.steps == 0, str(found)
    path = write(found, tmp_path)
    checked = verify(path)
    assert checked.holds, checked.reason
    (tmp_path / "longer").mkdir()
    longer = altered(path, tmp_path / "longer", lambda record, arrays: _steps(record, 1))
    assert "near to a kink" in verify(longer).reason


@pytest.mark.parametrize(("size", "step_size"), [(-201, 1.0), (0, 2.0**-901)])
def test_what_could_vanish_in_float64_is_refused(size: int, step_size: float) -> None:
    with flint.ctx.workprec(BITS), pytest.raises(Invalid, match="too small"):
        Run(np.ones((1, 1)), np.ones(1), np.array([[2.0**size]]), arb(step_size), [arb(1)])


def test_a_bound_for_all_patterns_is_one() -> None:
    """Nothing better than the worst of 200 patterns of a set is ever proved."""
    rng, proved = np.random.default_rng(0), 0
    for seed in range(6):
        case = start(4, 6, 60, seed=seed)
        run = replay(case, 0.5)
        near = np.abs(run.W @ run.X.T) < 0.05
        assert near.any()
        worst = [np.inf, 0.0, 0.0]
        share, G = near.sum(axis=0) / 60, run.X @ run.X.T
        for _ in range(200):
            slopes = np.where(near, rng.choice([0.0, 1.0, rng.random()], near.shape), run.active)
            K = slopes.T @ slopes / 60 * G
            rows = [np.sqrt(share[i] / 60) * slopes[r] * G[i] for r, i in np.argwhere(near)]
            Q = np.array(rows).T @ np.array(rows)
            values = np.linalg.eigvalsh(K)
            tau = np.sqrt(np.linalg.eigvals(np.linalg.solve(K, Q)).real.max())
            worst = [min(worst[0], np.sqrt(values[0])), max(worst[1], np.sqrt(values[-1])), max(worst[2], tau)]
        for factors in ((0.7, 1.3, 3.0), (1.001, 1.3, 3.0), (0.7, 0.999, 3.0), (0.7, 1.3, 0.999)):
            stated = [arb(float(f * w)) for f, w in zip(factors, worst, strict=True)]
            try:
                relu_trajectory._family(run, near, *stated)
            except Invalid:
                continue
            proved += 1
            assert factors == (0.7, 1.3, 3.0)
    assert proved >= 3


# What cannot be


def test_contradictions_and_networks_that_are_too_narrow_are_refused() -> None:
    weights, network, problem = start(4, 6, 32)
    X, y = problem.X.copy(), problem.y.copy()
    X[1], y[1] = X[0], -y[0]
    refused = certify_from_start(weights, network, Problem(X, y), most_steps=200)
    assert isinstance(refused, Refusal) and "take a wider network" in str(refused)
    refused = certify_from_start(*start(6, 2, 2), most_steps=200)
    assert isinstance(refused, Refusal) and "against" in str(refused)


def test_a_step_a_hair_above_the_limit_is_rejected(tmp_path: Path) -> None:
    """Two orthogonal inputs, one neuron that is active on both: linear descent, stable up to eta = 2 / ||x||^2."""
    weights = {"layers.0.weight": np.array([[1.0, 1.0]]), "layers.1.weight": np.array([[1.0]])}
    network = two_layer(2, 1, "relu", centred=False)
    problem = Problem(np.diag([1.0, 0.1]), np.array([1.0, 0.1]) + np.array([1e-3, 1e-4]))
    path = write(followed(weights, network, problem, step_size=1.95), tmp_path)
    assert verify(path).holds
    refused = certify_from_start(weights, network, problem, step_size=2.0002, most_steps=500)
    assert isinstance(refused, Refusal) and "smaller step" in str(refused)

    def longer(record: Record, arrays: Arrays) -> None:
        record["statement"]["step_size"] = (2.0002).hex()
        record["enclosures"]["residual"] = [(0.0).hex(), (1.0).hex()]

    (tmp_path / "longer").mkdir()
    found = verify(altered(path, tmp_path / "longer", longer))
    assert found.fails and "too long" in found.reason, found.reason


def test_chattering_neurons_cannot_be_left_out(good: Path, tmp_path: Path) -> None:
    """A smaller set, with the losses of fewer crossings, does not hold the neurons that may move so far."""

    def fewer(record: Record, arrays: Arrays) -> None:
        for factor in (2, 4, 8):
            record["witnesses"]["radius"] = (float.fromhex(record["witnesses"]["radius"]) / factor).hex()
        record["enclosures"]["crossings"][1] = (2.0**-30).hex()

    found = verify(altered(good, tmp_path, fewer))
    assert found.fails and re.search("crossings|radius", found.reason), found.reason


def test_a_neuron_on_its_kink_at_the_start_is_refused(tmp_path: Path) -> None:
    weights, network, problem = start(3, 4, 24)
    path = write(followed(weights, network, problem), tmp_path)

    def on_kink(record: Record, arrays: Arrays) -> None:
        for name in ("layers.0.weight", "start.layers.0.weight"):
            arrays[name] = arrays[name].copy()
            arrays[name][0] = 0.0

    found = verify(altered(path, tmp_path, on_kink))
    assert found.fails and "kink" in found.reason, found.reason


def _steps(record: Record, steps: object) -> None:
    record["witnesses"]["steps"] = steps


def _nan(record: Record, arrays: Arrays) -> None:
    arrays["layers.0.weight"] = arrays["layers.0.weight"] * np.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r, a: _steps(r, r["witnesses"]["steps"] - 1), "residual"),
        (lambda r, a: _steps(r, r["witnesses"]["steps"] + 1), "residual"),
        (lambda r, a: _steps(r, True), "steps"),
        (lambda r, a: r["enclosures"]["jacobian_norm"].__setitem__(0, (0.1).hex()), "not used"),
        (lambda r, a: r.update(argument="trajectory"), "smooth"),
        (lambda r, a: r["statement"].update(dynamics="flow", step_size=None), "descent"),
        (lambda r, a: a.update({"layers.1.weight": 2 * a["layers.1.weight"]}), "treated"),
        (_nan, "finite"),
        (lambda r, a: r["statement"].update(step_size=(2.0**1000).hex()), "bounds|kink"),
        (lambda r, a: r["statement"].update(step_size=(2.0**-1000).hex()), "too small"),
    ],
)
def test_forged_replays_are_rejected(
    good: Path, tmp_path: Path, change: Callable[[Record, Arrays], object], words: str
) -> None:
    found = verify(altered(good, tmp_path, change))
    assert found.fails
    assert re.search(words, found.reason), found.reason


def test_memory_is_limited(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flip_count, "MOST_PAIRS", 5 * 48 - 1)
    found = verify(good)
    assert found.fails and "pairs" in found.reason


def test_an_untouched_copy_is_accepted(good: Path, tmp_path: Path) -> None:
    """Retelling and rewriting alone must not be what is rejected."""
    found = verify(altered(good, tmp_path, lambda record, arrays: None))
    assert found.holds, found.reason


def test_the_corpus_of_forgeries_is_rejected(good: Path, tmp_path: Path) -> None:
    for seed in range(120):
        kind = forge(good, tmp_path, seed)
        assert verify(tmp_path / good.name).fails, f"seed {seed}: {kind}"
