"""Forged certificates: bit flips, swapped data, altered statements, and claims that are better than what is true.

``python -m tests.bounds.checker.forgery CERTIFICATE --count 10000 --seed 0`` tries so many; 1 if one passes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bounds.certificates.record import write_arrays
from bounds.checker import ARGUMENTS, CROSSING, FOLLOWED, verify
from bounds.checker.files import array_hash, body_hash, read_arrays

Record = dict[str, Any]
Arrays = dict[str, np.ndarray]
Forgery = Callable[[Record, Arrays, random.Random], None]


def _scale(text: str, factor: float) -> str:
    return (float.fromhex(text) * factor).hex()


def _shorter_path(record: Record, arrays: Arrays, dice: random.Random) -> None:
    record["statement"]["path"] = _scale(record["statement"]["path"], dice.uniform(0, 1 - 1e-6))


def _longer_path(record: Record, arrays: Arrays, dice: random.Random) -> None:
    record["statement"]["path"] = _scale(record["statement"]["path"], dice.uniform(1.001, 1e6))


def _faster(record: Record, arrays: Arrays, dice: random.Random) -> None:
    record["statement"]["decay"] = _scale(record["statement"]["decay"], dice.uniform(1.001, 100))


def _longer_step(record: Record, arrays: Arrays, dice: random.Random) -> None:
    """For a flow: any step at all."""
    statement = record["statement"]
    if statement["step_size"] is None:
        statement["dynamics"], statement["step_size"] = "descent", dice.uniform(1e-6, 1).hex()
    else:
        statement["step_size"] = _scale(statement["step_size"], dice.uniform(1.01, 100))


def _wider_ball(record: Record, arrays: Arrays, dice: random.Random) -> None:
    record["witnesses"]["radius"] = _scale(record["witnesses"]["radius"], dice.choice([0.5, 0.9, 2.5, 1e3, 1e9]))


def _better_number(record: Record, arrays: Arrays, dice: random.Random) -> None:
    """One end of one enclosure on the wrong side of the truth."""
    factors = {
        ("least_singular_value", 0): 1.01,
        ("least_singular_value", 1): 0.99,
        ("jacobian_norm", 1): 0.99,
        ("jacobian_norm", 0): 1.01,
        ("residual", 1): 1e-6,
        ("lipschitz", 1): 0.9,
        ("crossings", 1): 0.99,
        ("data_norm", 1): 0.99,
        ("least_eigenvalue", 0): 1.01,
        ("least_eigenvalue", 1): 0.99,
        ("drift", 1): 0.99,
        ("unsettled", 1): 0.99,
        ("kink", 1): 0.99,
    }
    stated = record["enclosures"]
    known = [key for key in factors if key[0] in stated and float.fromhex(stated[key[0]][key[1]])]
    name, end = dice.choice(known)
    ends = stated[name]
    ends[end] = _scale(ends[end], factors[name, end])
    if float.fromhex(ends[0]) > float.fromhex(ends[1]):
        ends[1 - end] = ends[end]


def _other_labels(record: Record, arrays: Arrays, dice: random.Random) -> None:
    arrays["y"] = arrays["y"].copy()
    arrays["y"].flat[dice.randrange(arrays["y"].size)] *= -1


def _other_inputs(record: Record, arrays: Arrays, dice: random.Random) -> None:
    """An input moved so far that the stated numbers, relaxed by 2^-20, no longer hold: nearer, they may be true."""
    X = arrays["X"] = arrays["X"].copy()
    X[dice.randrange(X.shape[0]), dice.randrange(X.shape[1])] += dice.choice([-1, 1]) * 10 ** dice.uniform(-3, 0)


def _other_weights(record: Record, arrays: Arrays, dice: random.Random) -> None:
    """An array a little off (one number alone may belong to a dead unit), or with a number that is none."""
    name = dice.choice(sorted(set(arrays) - {"X", "y"}))
    arrays[name] = arrays[name] * dice.choice([1 + 1e-5, 1.01, -1])
    if dice.random() < 0.3:
        place = tuple(dice.randrange(size) for size in arrays[name].shape)
        arrays[name][place] = dice.choice([np.nan, np.inf, -np.inf, 1e300])


def _other_start(record: Record, arrays: Arrays, dice: random.Random) -> None:
    """Outputs at the start subtracted or not, other than was proved, or those of another start."""
    network, starts = record["statement"]["network"], [name for name in arrays if name.startswith("start.")]
    if network["centred"] and dice.random() < 0.5:
        for name in starts:
            arrays[name] = arrays[name] * dice.choice([1 + 1e-5, 1.01, -1])
        return
    network["centred"] = not network["centred"]
    for name in starts:
        del arrays[name]
    if network["centred"]:
        trained = {f"layers.{index}." for index, layer in enumerate(network["layers"]) if layer["trained"]}
        arrays |= {f"start.{name}": a for name, a in arrays.items() if name.startswith(tuple(trained))}


def _swapped_rows(record: Record, arrays: Arrays, dice: random.Random) -> None:
    arrays["X"] = np.roll(arrays["X"], dice.randrange(1, len(arrays["X"])), axis=0)
    if (arrays["y"] == arrays["y"][:1]).all():
        arrays["y"] = -arrays["y"]


def _contradiction(record: Record, arrays: Arrays, dice: random.Random) -> None:
    """The first input twice, with two labels."""
    arrays["X"] = np.vstack([arrays["X"], arrays["X"][:1]])
    arrays["y"] = np.concatenate([arrays["y"], -arrays["y"][:1]])


def _other_argument(record: Record, arrays: Arrays, dice: random.Random) -> None:
    arguments = {*ARGUMENTS, "newton_kantorovich", "", "du2019-two-layer"}
    record["argument"] = dice.choice(sorted(arguments - {record["argument"]}))


def _other_network(record: Record, arrays: Arrays, dice: random.Random) -> None:
    network = record["statement"]["network"]
    layer = dice.choice(network["layers"])
    change = dice.randrange(5)
    if change == 0:
        network["activation"] = dice.choice([v for v in ("tanh", "erf", "gelu", "relu") if v != network["activation"]])
    elif change == 1:
        others = {"2", "1/3", "0", "-1", "1/0", "1e3", "7"} - {layer["scale_squared"]}
        layer["scale_squared"] = dice.choice(sorted(others))
    elif change == 2:
        layer["skip_squared"] = "3/7"
    elif change == 3:
        layer["bias"] = not layer["bias"]
    else:
        network["layers"].append(layer)


def _other_patches(record: Record, arrays: Arrays, dice: random.Random) -> None:
    """The same arrays as filters of other patches, or of none; a dense network gets patches."""
    layers = record["statement"]["network"]["layers"]
    convolved = [layer for layer in layers if "convolution" in layer]
    if not convolved:
        inputs = layers[0]["inputs"]
        one = {"kernel": [1], "stride": [1], "padding": [0]}
        layers[0]["convolution"] = {"channels": inputs, "size": [1], **one}
        if dice.random() < 0.5:
            layers[0]["convolution"] = {"channels": 1, "size": [inputs], **one}
        return
    layer = dice.choice(convolved)
    patches, change = layer["convolution"], dice.randrange(5)
    if change == 0:
        del layer["convolution"]
    elif change == 1:  # as many pixels and positions, seen in other places
        patches["stride"] = [dice.choice([2, 3, 5]) for _ in patches["stride"]]
        patches["padding"] = [dice.choice([0, 1, 2, 4]) for _ in patches["padding"]]
    elif change == 2:
        patches["padding"] = [p + dice.choice([-1, 1, 2]) for p in patches["padding"]]
    elif change == 3:
        patches["size"] = [s + dice.choice([-1, 1]) for s in patches["size"]]
    else:
        patches["kernel"] = [k + dice.choice([-1, 1]) for k in patches["kernel"]]


def _no_format(record: Record, arrays: Arrays, dice: random.Random) -> None:
    place = dice.choice(["format", "version", "witnesses", "enclosures", "statement", "argument"])
    record[place] = dice.choice([None, 2, [], {}, "zeroloss", True])  # True equals 1, and is no version


def _missing_entry(record: Record, arrays: Arrays, dice: random.Random) -> None:
    table = dice.choice(
        [record, record["statement"], record["enclosures"], record["witnesses"], record["statement"]["network"]]
    )
    del table[dice.choice(sorted(table.keys() - {"digest"}))]


def _strange_number(record: Record, arrays: Arrays, dice: random.Random) -> None:
    strange = dice.choice(["nan", "inf", "-0x1.0000000000000p+0", "0x1p+9999", "1e-3", "", None, 1, [], "0x1.0p+99999"])
    place = dice.choice(["path", "decay", "step_size", "radius", "end"])
    if place == "end":
        record["enclosures"][dice.choice(sorted(record["enclosures"]))][dice.randrange(2)] = strange
    elif place == "radius":
        record["witnesses"]["radius"] = strange
    else:
        record["statement"][place] = strange if strange != record["statement"][place] else "0x"


def _other_words(record: Record, arrays: Arrays, dice: random.Random) -> None:
    text = record["statement"]["text"]
    record["statement"]["text"] = dice.choice([text + " ", text.replace("exactly", "nearly"), "", text.upper()])


def _other_file(record: Record, arrays: Arrays, dice: random.Random) -> None:
    record["statement"]["arrays"]["file"] = dice.choice(["../certificate.safetensors", "/etc/passwd", "a/b", None, ""])


FRESH: dict[str, Forgery] = {
    "a shorter path": _shorter_path,
    "a longer path": _longer_path,
    "a faster decay": _faster,
    "a longer step": _longer_step,
    "another ball": _wider_ball,
    "a better number": _better_number,
    "other labels": _other_labels,
    "other inputs": _other_inputs,
    "other weights": _other_weights,
    "another start": _other_start,
    "swapped rows": _swapped_rows,
    "a contradiction": _contradiction,
    "another argument": _other_argument,
    "another network": _other_network,
    "other patches": _other_patches,
    "no format": _no_format,
    "a missing entry": _missing_entry,
    "a strange number": _strange_number,
    "other words": _other_words,
    "another file": _other_file,
}
"""Forgeries that end with hashes and a digest that fit, so that only the proof can fail."""

FORGERIES = (*FRESH, "a flipped bit in the record", "a flipped bit in the arrays", "a cut file", "stale hashes")


def forge(good: Path, folder: Path, seed: int) -> str:
    """Write a forgery of a certificate into a folder, under the same names, and say which kind it is."""
    dice = random.Random(seed)
    kind = dice.choice(FORGERIES)
    source, target = good.with_suffix(".safetensors"), folder / good.with_suffix(".safetensors").name
    text, content = good.read_bytes(), source.read_bytes()
    if kind in FRESH or kind == "stale hashes":
        record, arrays = json.loads(text), read_arrays(source)
        FRESH[kind if kind in FRESH else "other weights"](record, arrays, dice)
        write_arrays(target, arrays)
        if kind in FRESH:
            if isinstance(record.get("statement"), dict) and isinstance(record["statement"].get("arrays"), dict):
                record["statement"]["arrays"]["sha256"] = {name: array_hash(array) for name, array in arrays.items()}
            retell(record)
            record["digest"] = body_hash(record)
        text = json.dumps(record).encode()
    else:
        content = bytearray(content if "record" not in kind else text)
        if kind == "a cut file":
            content = content[: dice.randrange(len(content))]
        else:
            place = dice.randrange(len(content))
            content[place] ^= 1 << dice.randrange(8)
        if "record" in kind:
            text = bytes(content)
            target.write_bytes(source.read_bytes())
        else:
            target.write_bytes(bytes(content))
    (folder / good.name).write_bytes(text)
    return kind


def retell(record: Record) -> None:
    """Words that fit the altered numbers, where they can be told; the forger knows the format."""
    try:
        statement = record["statement"]
        path, decay = (float.fromhex(statement[name]) for name in ("path", "decay"))
        if "exactly" not in statement["text"] or statement["text"].endswith(" "):
            return
        less, when = "", "in every step"
        error = "(F(x_i) - y_i)" if record["statement"]["network"]["layers"][-1]["outputs"] == 1 else "||F(x_i) - y_i||"
        if statement["network"]["centred"]:
            less = ", F the network less its exact outputs at the stored start,"
        if record["argument"] in FOLLOWED:
            when = f"in every step from step {record['witnesses']['steps']} on"
        how, rate = "gradient flow", f"decays like exp(-{decay!r} t)"
        if statement["step_size"] is not None:
            step = float.fromhex(statement["step_size"])
            how, rate = f"gradient descent with step {step!r}", f"shrinks by 1 - {step!r} * {decay!r} or more {when}"
        if record["argument"] in CROSSING:
            how += " (whatever slope in [0, 1] the ReLU has at 0)"
        statement["text"] = (
            f"from the stored weights, on the stored data, {how} on 1/2 sum_i {error}^2{less} in real "
            f"arithmetic converges to exactly zero loss; the path is no longer than {path!r}, and the residual {rate}"
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("certificate", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not verify(options.certificate).holds:
        print(f"{options.certificate} itself is not valid")
        return 2
    tally: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        for seed in range(options.seed, options.seed + options.count):
            kind = forge(options.certificate, Path(name), seed)
            tally[kind] = tally.get(kind, 0) + 1
            found = verify(Path(name) / options.certificate.name)
            if found.holds:
                print(f"seed {seed}: {kind} was accepted: {found.statement}")
                return 1
    for kind, count in sorted(tally.items()):
        print(f"{count:6d} rejected: {kind}")
    print(f"{sum(tally.values())} forgeries, all rejected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
