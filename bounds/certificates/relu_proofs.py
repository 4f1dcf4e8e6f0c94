"""What is proved of two-layer ReLU networks, as statements that a certificate records.

:mod:`bounds.certificates.flip_count` and :mod:`~bounds.certificates.flip_integral` speak of the neurons' travel. Of the
whole path: as J J^T <= S, steps are no longer than eta sqrt(S) ||e||, all together at most sqrt(S) ||e(0)|| / mu, which
is sqrt(m) R'; the flow's path is no longer than sqrt(S) int ||e|| = sqrt(m) u.
"""

from __future__ import annotations

import flint
import numpy as np
from flint import arb

from bounds import linalg
from bounds.arithmetic import PRECISION, Enclosure, Outcome, Verdict, compare
from bounds.certificates.flip_count import flip_count
from bounds.certificates.flip_integral import SLACK, flip_integral
from bounds.certificates.kinks import End
from bounds.certificates.newton_kantorovich import discretised
from bounds.certificates.proving import Certificate, Refusal
from bounds.certificates.stack import START, Stack, Weights
from bounds.certificates.trajectory import Trajectory
from bounds.problem import Problem

LOOSE = 2.0**-10
"""How much longer than proved a followed path is said to be, so that an exact replay with other roundings agrees."""

TIGHT = 2.0**-40
"""What the residual of a followed run is relaxed by: it tells the data and the weights."""

ROOM = 2.0**-16
"""What the losses to flips are relaxed by, so that a checker with other roundings reaches them."""


def across_kinks(weights: Weights, setting: Stack, problem: Problem, found: Trajectory, end: End) -> Certificate:
    """The certificate of a run that was followed until the theorem of :mod:`bounds.certificates.kinks` holds.

    Args:
        weights: of the network at its start.
        setting: the network.
        problem: the data.
        found: the run.
        end: what is proved at its last step.
    """
    assert end.residual is not None
    residual = _relaxed(end.residual, TIGHT)
    with flint.ctx.workprec(PRECISION):
        sigma = arb(end.sigma)
        mu = discretised(arb(found.step_size), sigma, arb(end.norm))[1] * sigma - arb(end.tau)
        whole = (arb(found.travelled) + arb(residual.upper) / mu) * (1 + arb(LOOSE))
        path, decay = Enclosure(whole).upper, Enclosure(mu * sigma).lower
    return Certificate(
        setting,
        weights,
        problem.X,
        problem.y,
        found.step_size,
        argument="relu-trajectory",
        verdict=end.verdict,
        path=path,
        decay=decay,
        witnesses={"radius": end.radius.hex(), "steps": found.steps},
        numbers={
            "least_singular_value": Enclosure.between(end.sigma, end.norm),
            "jacobian_norm": Enclosure.between(0.0, end.norm),
            "crossings": Enclosure.between(0.0, end.tau),
            "residual": residual,
        },
        steps=found.steps,
    )


def certify_flips(
    weights: Weights,
    setting: Stack,
    problem: Problem,
    *,
    step_size: float | None = None,
    continuous: bool = False,
) -> Certificate | Refusal:
    """Try to prove, at the start of a wide ReLU network, that its training reaches zero loss.

    Args:
        weights: the tensors of the network at the start.
        setting: two layers, the first trained, no biases, f = m^(-1/2) sum_r a_r max(w_r.x, 0) with a_r = +-1; a
            centred one begins at its own start.
        problem: the data; its inputs are taken as stored.
        step_size: of descent, taken exactly, at most 1 / ||X||^2; by default the largest that is proved.
        continuous: gradient flow instead.

    Raises:
        ValueError: another network, or weights or data that make no sense.
    """
    check_two_layers(weights, setting, "relu")
    X, y, width = problem.X, problem.y, setting.output.inputs
    arrays = X, y, weights["layers.0.weight"], weights["layers.1.weight"][0]
    norm = linalg.spectral_norm(X).upper * (1.0 + SLACK)
    if continuous:
        flow = flip_integral(*arrays, centred=setting.centred)
        if not flow.verdict.holds:
            return Refusal(flow.verdict, "take a wider network, or smaller labels")
        with flint.ctx.workprec(PRECISION):
            path = Enclosure(arb(flow.travel.upper) * arb(width).sqrt()).upper
        return Certificate(
            setting,
            weights,
            X,
            y,
            None,
            argument="flip-integral",
            verdict=flow.verdict,
            path=path,
            decay=flow.decay.lower,
            witnesses={"radius": flow.travel.upper.hex()},
            numbers=_start(norm, flow.initial_residual, flow.initial_least_eigenvalue),
        )
    with flint.ctx.workprec(PRECISION):
        largest = Enclosure(1 / arb(norm) ** 2).lower
    step = largest if step_size is None else float(step_size)
    if not step > 0:
        raise ValueError(f"the step size is {step}: give a positive number")
    if step > largest:
        sides = Enclosure.of(step), "<=", Enclosure.of(largest)
        missing = Verdict(Outcome.UNDECIDED, *sides, "eta <= 1 / ||X||^2 not proved")
        return Refusal(missing, f"take a step of at most {largest!r}, or follow descent")
    found = flip_count(*arrays, centred=setting.centred)
    if not found.verdict.holds:
        return Refusal(found.verdict, "take a wider network, or follow descent")
    losses = {name: getattr(found, name).upper * (1.0 + ROOM) for name in ("drift", "unsettled", "kink")}
    numbers = _start(norm, found.initial_residual, found.initial_least_eigenvalue)
    with flint.ctx.workprec(PRECISION):
        mu = arb(numbers["least_eigenvalue"].lower) - sum(map(arb, losses.values()), arb(0))
        whole = arb(norm) * arb(numbers["residual"].upper) / mu
        within = compare(Enclosure(whole / arb(width).sqrt()), "<", found.radius)
        path = Enclosure(whole).upper
    if not (mu > 0 and within.holds):
        missing = Verdict(Outcome.UNDECIDED, within.left, "<", within.right, "travel < radius not proved with room")
        return Refusal(missing, "take a slightly wider network, or follow descent")
    return Certificate(
        setting,
        weights,
        X,
        y,
        step,
        argument="flip-count",
        verdict=found.verdict,
        path=path,
        decay=Enclosure(mu).lower,
        witnesses={"radius": found.radius.lower.hex()},
        numbers=numbers | {name: Enclosure.between(0.0, loss) for name, loss in losses.items()},
    )


def check_two_layers(weights: Weights, setting: Stack, *activations: str) -> None:
    """Refuse all but m^(-1/2) sum_r a_r s(w_r.x) with the first layer trained, from its own start where it is centred.

    Raises:
        ValueError: saying what does not fit.
    """
    setting.check(weights)
    hidden, output = setting.layers[0], setting.output
    plain = setting.first_only and not (hidden.bias or output.bias or hidden.convolution or output.outputs > 1)
    if not plain or hidden.scale_squared != 1 or output.scale_squared * output.inputs != 1:
        raise ValueError(f"{setting}: only m^(-1/2) sum_r a_r s(w_r.x) is followed, the first layer trained")
    if setting.activation not in activations:
        raise ValueError(f"{setting.activation} networks are not followed: use one of {', '.join(activations)}")
    if setting.centred and not np.array_equal(weights["layers.0.weight"], weights[START + "layers.0.weight"]):
        raise ValueError("the weights are not those of the start: a centred network is followed from its own start")


def _start(norm: float, residual: Enclosure, least_eigenvalue: Enclosure) -> dict[str, Enclosure]:
    """What both static proofs state of the start."""
    return {
        "data_norm": Enclosure.between(0.0, norm),
        "residual": _relaxed(residual),
        "least_eigenvalue": _relaxed(least_eigenvalue),
    }


def _relaxed(number: Enclosure, slack: float = SLACK) -> Enclosure:
    """Both ends of a nonnegative number, moved outward a little."""
    return Enclosure.between(max(number.lower * (1.0 - slack), 0.0), number.upper * (1.0 + slack))
