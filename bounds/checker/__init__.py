"""An independent verifier of certificates: it rebuilds the statement from raw bytes and proves it anew.

It needs the standard library, numpy and python-flint, shares no code with what makes certificates, and believes nothing
in one but witnesses, which it checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import flint

from bounds.checker import flip_count, flip_integral, newton_kantorovich, relu_trajectory, trajectory
from bounds.checker.files import Floats, Invalid, array_hash, body_hash, hex_float, read_arrays, read_json, table
from bounds.checker.network import MOST_LABELS, PRECISION, Network
from bounds.checker.newton_kantorovich import Conclusion

VERSION = 1

_MODULES = newton_kantorovich, trajectory, relu_trajectory, flip_count, flip_integral
ARGUMENTS: dict[str, Any] = {each.__name__.rpartition(".")[2].replace("_", "-"): each for each in _MODULES}
FOLLOWED = "trajectory", "relu-trajectory"
CROSSING = "relu-trajectory", "flip-count", "flip-integral"


@dataclass(frozen=True)
class Verification:
    """What became of a certificate.

    Args:
        holds: whether its statement is proved.
        reason: why not, in one line.
        statement: what it says, in words, where that could be read.
    """

    holds: bool
    reason: str = ""
    statement: str = ""

    @property
    def fails(self) -> bool:
        """Whether the certificate is no proof of what it says."""
        return not self.holds

    def __bool__(self) -> NoReturn:
        raise TypeError("read .holds or .fails of a verification")

    def __str__(self) -> str:
        return f"proved: {self.statement}" if self.holds else f"not a valid certificate: {self.reason}"


def verify(path: str | Path) -> Verification:
    """Check a certificate with the arrays beside it.

    Args:
        path: the JSON file.

    Raises:
        OSError: a file is missing or cannot be read.
    """
    try:
        with flint.ctx.workprec(PRECISION):
            return Verification(True, statement=_verified(Path(path)))
    except Invalid as error:
        return Verification(False, str(error))


def _verified(path: Path) -> str:
    record = table(read_json(path), "format version argument statement witnesses enclosures digest", "the certificate")
    if record["format"] != "zeroloss certificate" or type(record["version"]) is not int or record["version"] != VERSION:
        raise Invalid(f"it is no zeroloss certificate of version {VERSION}")
    if record["digest"] != body_hash(record):
        raise Invalid("the digest does not fit: the certificate was altered")
    stated = table(record["statement"], "text network dynamics step_size arrays path decay", "the statement")
    X, y, weights = _data(path, stated["arrays"])
    flow = stated["dynamics"] == "flow" and stated["step_size"] is None
    step = None if flow else hex_float(stated["step_size"], "the step")
    if stated["dynamics"] != ("flow" if step is None else "descent") or step == 0:
        raise Invalid("the dynamics are neither descent with a step nor flow without one")
    claim = Conclusion(hex_float(stated["path"], "the path"), hex_float(stated["decay"], "the decay"))
    network = Network.read(stated["network"], weights)
    if X.shape[1] != network.layers[0].inputs or y.shape[1:] != ((network.outputs,) if network.outputs > 1 else ()):
        raise Invalid("inputs and labels do not fit the network")
    error = "(F(x_i) - y_i)" if network.outputs == 1 else "||F(x_i) - y_i||"
    text = _text(step, claim, record, error, network.start is not None)
    if stated["text"] != text:
        raise Invalid("the statement in words is not the one that is proved")
    known: Any = (lambda: Network.read(stated["network"], weights)) if record["argument"] in FOLLOWED else network
    ARGUMENTS[record["argument"]].check(known, X, y, step, record, claim)
    return text


def _data(path: Path, stated: Any) -> tuple[Floats, Floats, dict[str, Floats]]:
    """Inputs, labels and weights, whose hashes are as stated."""
    listed = table(stated, "file sha256", "the arrays")
    name, hashes = listed["file"], listed["sha256"]
    plain = isinstance(name, str) and name.isascii() and name.isprintable() and Path(name).name == name
    if not plain or not name.endswith(".safetensors"):
        raise Invalid("the arrays should be in a .safetensors file beside the certificate")
    arrays = read_arrays(path.with_name(name))
    if not isinstance(hashes, dict) or hashes != {key: array_hash(array) for key, array in arrays.items()}:
        raise Invalid(f"the arrays in {name} are not those that the certificate speaks of")
    if not {"X", "y"} <= arrays.keys() or arrays["X"].ndim != 2 or arrays["y"].shape[:1] != arrays["X"].shape[:1]:
        raise Invalid(f"{name} holds no inputs X with labels y for each")
    if not 0 < arrays["y"].size <= MOST_LABELS:
        raise Invalid(f"{name} holds {arrays['y'].size} labels: between 1 and {MOST_LABELS} are checked")
    return arrays.pop("X"), arrays.pop("y"), arrays  # what is left are weights


def _text(step: float | None, claim: Conclusion, record: dict[str, Any], error: str, centred: bool) -> str:
    """The statement in words.

    Raises:
        Invalid: the argument is unknown, or says not how many steps it follows.
    """
    if not isinstance(record["argument"], str) or record["argument"] not in ARGUMENTS:
        raise Invalid("the argument is unknown")
    less, when = ", F the network less its exact outputs at the stored start," if centred else "", "in every step"
    if record["argument"] in FOLLOWED:
        when = f"in every step from step {trajectory.steps_of(record['witnesses'])} on"
    how = "gradient flow" if step is None else f"gradient descent with step {step!r}"
    if record["argument"] in CROSSING:
        how += " (whatever slope in [0, 1] the ReLU has at 0)"
    rate = (
        f"decays like exp(-{claim.decay!r} t)"
        if step is None
        else f"shrinks by 1 - {step!r} * {claim.decay!r} or more {when}"
    )
    return (
        f"from the stored weights, on the stored data, {how} on 1/2 sum_i {error}^2{less} in real arithmetic "
        f"converges to exactly zero loss; the path is no longer than {claim.path!r}, and the residual {rate}"
    )
