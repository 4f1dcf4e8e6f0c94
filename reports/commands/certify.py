"""``zeroloss certify``: proof that training from given weights reaches exactly zero loss."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from msgspec.structs import replace

from reports.commands.console import digits, remark, show, table
from reports.commands.options import DEFAULT_DATA, DataOptions, Flag, Real, Whole, positive, require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from rich.console import Console

    from bounds.certificates.proving import Certificate, Refusal
    from bounds.certificates.stack import Stack
    from bounds.problem import Problem
    from reports.commands.records import Certification
    from reports.schema import DataRow

WIDTH = 16
MOST = 2**20
OWN = {"certificate.json", "certificate.safetensors"}

app = App(
    name="certify",
    help_epilogue="""Examples:
  zeroloss certify --data sphere:n=50,d=50 --width 16
  zeroloss certify --data sphere:n=20,d=20 --width 8 --polish
  zeroloss certify --data orthonormal:n=4 --width 16384
  zeroloss certify --n 20 --width 4096 --activation relu --trained both --flow
  zeroloss certify --weights mine.safetensors --data mine.csv --polish --json
  zeroloss certify --weights checkpoints/ --data mine.csv
  zeroloss certify --weights step_*.safetensors --data mine.csv""",
)


@app.default
def certify(
    *,
    options: DataOptions = DEFAULT_DATA,
    width: Whole | None = None,
    activation: str | None = None,
    trained: str | None = None,
    weights: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    setting: Path | None = None,
    polish: Flag = False,
    step_size: Real | None = None,
    steps: Whole = 25_000,
    flow: Flag = False,
    out: Path = Path("zeroloss-certificate"),
    json: Flag = False,
) -> int:
    """Prove that gradient descent from given weights reaches exactly zero loss.

    The proof is about exact arithmetic, the stored weights, the stored data and one step size, and is written as a
    certificate that `zeroloss verify` checks without this program. By default the network has two layers and tanh, its
    hidden layer is trained from a zero output on unit rows, and the step is 1/||J||^2, rounded down. Where the start
    itself does not prove it, descent is followed with a proved error until a later point does; the proof is then about
    the start all the same. Of several saved points of one training run, by any optimiser, the first is certified from
    which descent is proved to converge. Exits with 0 if it is proved; with 3 if not, and then says which inequality is
    missing, by how much, and what would mend it.

    Args:
        options: which data; --seed also draws the weights
        width: number of hidden neurons; 16 by default
        activation: tanh, relu, erf, softplus, gelu, sigmoid or silu
        trained: first: the hidden layer, from a zero output (default); both: f = v . s(W x) from v = 0, and --flow
            takes relu
        weights: a network of your own, float64 in a .safetensors file, on the data as stored; or several files, or a
            folder of them: points of a run, in the order of the numbers in their names, else as given
        setting: JSON that says what network the weights are, where their file does not
        polish: first move the weights by Gauss-Newton steps to near zero loss; the certificate is about the new ones
        step_size: of gradient descent, taken exactly
        steps: how long to follow descent from its start, at most, where the start itself proves nothing
        flow: gradient flow instead of descent
        out: folder for the certificate, made where it is missing
        json: JSON on standard output
    """
    from bounds.certificates.polish import polish as move
    from bounds.certificates.proving import Certificate, Refusal
    from bounds.certificates.proving import certify as prove
    from bounds.certificates.record import write

    positive(steps=steps, width=width, step_size=step_size)
    if flow and step_size is not None:
        raise ValueError("--flow has no steps: leave out --step-size")
    _check_folder(out)
    files: list[Path] = []
    if weights is None:
        if setting is not None:
            raise ValueError("--setting says what the weights are: name them with --weights")
        if trained not in (None, "first", "both"):
            raise ValueError(f"--trained is {trained!r}: choose one of first, both")
        problem, data, stack, arrays = _start(
            options, WIDTH if width is None else width, activation or "tanh", both=trained == "both"
        )
    else:
        given = {"width": width, "activation": activation, "trained": trained}
        files = _checkpoints(weights)
        if len(files) > 1:
            if polish:
                raise ValueError(f"--polish makes another network of each of the {len(files)} files: name one of them")
            return _first(options, files, setting, given, step_size, flow, out, json)
        problem, data, stack, arrays = _own(options, files[0], setting, given)
    remark(_headline(stack, str(files[0]) if files else "", polish, step_size, flow))
    if polish:
        stored, arrays = arrays, move(stack, arrays, problem.X, problem.y)
        remark(_moved(stored, arrays))
    found = prove(arrays, stack, problem, step_size=step_size, continuous=flow)
    if isinstance(found, Refusal) and stack.centred and weights is None and not polish:
        found = _from_start(found, arrays, stack, problem, step_size, steps, flow)
    path = write(found, out) if isinstance(found, Certificate) else None
    record = _record(found, stack, problem, data, path)
    show(record, json, lambda console: _page(record, console))
    return 0 if found.verdict.holds else 3


def _first(
    options: DataOptions,
    files: list[Path],
    setting: Path | None,
    given: Mapping[str, object],
    step_size: float | None,
    flow: bool,
    out: Path,
    json: bool,
) -> int:
    """The first of several points of a run from which descent is certified."""
    from bounds.certificates.proving import Refusal, first_certified
    from bounds.certificates.record import load, write

    problem, data, stack, _ = _own(options, files[0], setting, given)
    remark(_headline(stack, f"{len(files)} files, {files[0]} first", False, step_size, flow))

    def points() -> Iterator[Mapping[str, np.ndarray]]:
        for number, file in enumerate(files, 1):
            network, arrays = load(file, setting)
            if network != stack:
                raise ValueError(f"{file} holds another network than {files[0]}: name the points of one run")
            remark(f"{number} of {len(files)}: {file}")
            yield arrays

    found = first_certified(points(), stack, problem, step_size=step_size, continuous=flow)
    if isinstance(found, Refusal):
        says = f"none of {len(files)} points is certified; of the last, {files[-1]}: {found}"
        record = replace(_record(found, stack, problem, data, None), says=says)
    else:
        index, proof = found
        says = f"first certified: {files[index]}, point {index + 1} of {len(files)}; {proof}"
        record = replace(_record(proof, stack, problem, data, write(proof, out)), says=says, first=str(files[index]))
    show(record, json, lambda console: _page(record, console))
    return 3 if isinstance(found, Refusal) else 0


def _checkpoints(named: list[Path]) -> list[Path]:
    """The files that were named, or those of a folder, in the order of a run."""
    files = [file for path in named for file in (sorted(path.glob("*.safetensors")) if path.is_dir() else [path])]
    if not files:
        raise ValueError(f"{named[0]} holds no .safetensors files: save the weights of a run there")
    parts = [[*re.split(r"([0-9]+)", file.name)] for file in files]
    if len({(file.parent, *part[::2]) for file, part in zip(files, parts, strict=True)}) == 1:
        files.sort(key=lambda file: [int(number) for number in re.findall(r"[0-9]+", file.name)])
    return files


def _start(
    options: DataOptions, width: int, activation: str, *, both: bool
) -> tuple[Problem, tuple[DataRow, ...], Stack, Mapping[str, np.ndarray]]:
    """The default network at its start, drawn as `measure` draws it, on unit rows."""
    require("torch")
    import numpy as np

    from bounds.certificates.stack import Layer, Stack, two_layer
    from bounds.problem import Problem
    from empirical.networks import initial_network

    if width > MOST:
        raise ValueError(f"--width is {width}: at most {MOST} neurons are covered")
    problem, data = options.load()
    unit = Problem(problem.unit_rows, problem.y, problem.delta)
    start = initial_network(width, unit.d, options.seed)
    hidden = start.weights.numpy()
    if both:
        stack = Stack(activation, (Layer(unit.d, width), Layer(width, 1)))
        return unit, data, stack, {"layers.0.weight": hidden, "layers.1.weight": np.zeros((1, width))}
    stack = two_layer(unit.d, width, activation)
    arrays = {
        "layers.0.weight": hidden,
        "start.layers.0.weight": hidden,
        "layers.1.weight": start.signs.numpy()[None, :],
    }
    return unit, data, stack, arrays


def _from_start(
    refusal: Refusal,
    arrays: Mapping[str, np.ndarray],
    stack: Stack,
    problem: Problem,
    step_size: float | None,
    steps: int,
    flow: bool,
) -> Certificate | Refusal:
    """A ReLU network's flips counted at the start, or descent followed from it; where neither applies, the refusal."""
    from bounds.activations.float64 import EVALUATED
    from bounds.certificates.following import certify_from_start
    from bounds.certificates.proving import Certificate
    from bounds.certificates.relu_proofs import certify_flips

    if stack.activation == "relu" and (flow or step_size is not None):
        found = certify_flips(arrays, stack, problem, step_size=step_size, continuous=flow)
        if flow or isinstance(found, Certificate):
            return found
    if flow or stack.activation not in (*EVALUATED, "relu"):
        return refusal
    remark("the start itself proves nothing; following descent ...")
    return certify_from_start(arrays, stack, problem, step_size=step_size, most_steps=steps)


def _own(
    options: DataOptions, weights: Path, setting: Path | None, given: Mapping[str, object]
) -> tuple[Problem, tuple[DataRow, ...], Stack, Mapping[str, np.ndarray]]:
    """The user's network, on the data as stored."""
    from bounds.certificates.record import load
    from empirical.files import is_file_name

    for name, value in given.items():
        if value is not None:
            raise ValueError(f"--{name} is part of the network in {weights}: leave it out")
    stack, arrays = load(weights, setting)
    if options.labels == "auto" and options.classes is None and is_file_name(options.data):
        options = dataclasses.replace(options, labels="stored")
    several = stack.output.outputs > 1
    problem, data = _several(options, weights, stack.output.outputs) if several else options.load()
    if problem.d != stack.layers[0].inputs:
        raise ValueError(
            f"{options.data} has {problem.d} columns: the network in {weights} takes {stack.layers[0].inputs}"
        )
    return problem, data, stack, arrays


def _several(options: DataOptions, weights: Path, outputs: int) -> tuple[Problem, tuple[DataRow, ...]]:
    """Data with several labels a row, as stored in a file."""
    from bounds.problem import Problem
    from empirical.files import is_file_name, read
    from reports.schema import DataRow

    if not is_file_name(options.data):
        raise ValueError(
            f"{weights} has {outputs} outputs: name with --data a .npz or .safetensors file, y of (n, {outputs})"
        )
    if options.n is not None or options.labels == "random" or options.classes or options.target:
        raise ValueError(f"{weights} has {outputs} outputs: leave out --n, --labels, --classes and --target")
    X, y = read(Path(options.data))
    if y.shape != (len(X), outputs):
        raise ValueError(
            f"{options.data}: y has shape {y.shape}, but {weights} {outputs} outputs: store ({len(X)}, {outputs})"
        )
    problem = Problem(X.reshape(len(X), -1), y, options.delta)
    return problem, (
        DataRow("data", f"{options.data}: {problem.n} rows, {problem.d} columns; {outputs} labels, as stored"),
    )


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but a certificate, before any work is done."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out is {out}, which is no folder: name another")
    strangers = sorted(entry.name for entry in out.iterdir() if entry.name not in OWN) if out.exists() else []
    if strangers:
        raise ValueError(f"--out is {out}, which holds other files ({strangers[0]}): name a new folder")
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise ValueError(f"--out is {out}, but nothing can be written in {there}: name another folder")


def _headline(stack: Stack, weights: str, polish: bool, step_size: float | None, flow: bool) -> str:
    """What is about to be certified, in one line."""
    network = f"the network in {weights} ({stack})" if weights else f"two layers, {stack.activation}"
    if not weights:
        start = (
            "hidden layer trained, zero-output start" if stack.centred else "both layers trained, v = 0 at the start"
        )
        network += f", {stack.layers[0].outputs} neurons, {start}, unit rows"
    step = "gradient flow" if flow else "step 1/||J||^2 rounded down" if step_size is None else f"step {step_size!r}"
    return f"certifying: {network}; {'polished first; ' if polish else ''}{step}"


def _moved(stored: Mapping[str, np.ndarray], polished: Mapping[str, np.ndarray]) -> str:
    """How far a polish went, in words: in plain float64, and no part of any proof."""
    import numpy as np

    distance = math.hypot(*(float(np.linalg.norm(polished[name] - stored[name])) for name in stored))
    size = math.hypot(*(float(np.linalg.norm(array)) for array in stored.values()))
    share = f", {distance / size:.2g} of their norm" if size else ""
    return f"polished: a new network, whose weights are {distance:.3g} away from the stored ones{share}"


def _record(
    found: Certificate | Refusal,
    stack: Stack,
    problem: Problem,
    data: tuple[DataRow, ...],
    path: Path | None,
) -> Certification:
    from bounds.arithmetic import Enclosure
    from bounds.certificates.proving import Certificate, Refusal
    from reports.commands.records import Certification
    from reports.schema import Number

    numbers: dict[str, Enclosure] = {}
    if found.point is not None:
        numbers |= {name: getattr(found.point, name) for name in POINT}
    if isinstance(found, Certificate):
        numbers |= found.numbers
        if found.convergence is not None:
            numbers |= {name: getattr(found.convergence, name) for name in CONVERGENCE}
        else:
            numbers["decay"] = Enclosure.of(found.decay)
        if found.steps is not None or found.convergence is None:
            numbers["whole_path"] = Enclosure.of(found.path)
    return Certification(
        data=data,
        identity=problem.identity,
        network=str(stack),
        step_size=None if isinstance(found, Refusal) else found.step_size,
        verdict=str(found.verdict.outcome),
        says=str(found),
        numbers={name: Number.enclosed(number) for name, number in numbers.items()},
        certificate=str(path) if path else "",
    )


POINT = "least_singular_value", "jacobian_norm", "residual", "lipschitz"
CONVERGENCE = "condition", "path", "decay", "discretisation"

MEANING = {
    "least_singular_value": "least singular value of the Jacobian",
    "jacobian_norm": "norm of the Jacobian",
    "residual": "norm of the residual F - y",
    "lipschitz": "Lipschitz constant of the Jacobian",
    "crossings": "tau, what neurons that cross their kinks can spoil",
    "data_norm": "||X||",
    "least_eigenvalue": "least eigenvalue of J J^T at the start",
    "drift": "what flips may change in J J^T",
    "unsettled": "what flips may take from the descent",
    "kink": "what flips within a step may add",
    "condition": "h, which must be below 1",
    "path": "length of the path from there on, at most",
    "whole_path": "length of the whole path, at most",
    "decay": "decay: ||r|| shrinks by 1 - eta decay a step, or exp(-decay t)",
    "discretisation": "c, what the finite step costs",
}


def _page(record: Certification, console: Console) -> None:
    console.print(record.data[0].value)
    console.print(record.says)
    rows = [(MEANING[name], digits(number)) for name, number in record.numbers.items()]
    if rows:
        console.print(table(("proved here", "value"), rows))
    if record.certificate:
        console.print(f"certificate: {record.certificate}\ncheck it:    zeroloss verify {record.certificate}")
