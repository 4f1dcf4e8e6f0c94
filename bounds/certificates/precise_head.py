r"""The first steps of exact descent at many bits, where errors grow by more than float64 bears. Re-derived.

Notation of :mod:`bounds.certificates.smooth_shadow`. Errors made in a step grow over all later ones, and most of the
growth of narrow networks comes early. So the run v_k begins with numbers of many bits: one step of it in balls, whose
midpoints are v_{k+1} and whose radii the defect d_k. The factor of E_k is taken from float64 weights v'_k next to v_k,
where residual, Jacobian and curvature are evaluated as ever: on the segment from v_k to w_k, every point is within
E_k + ||v_k - v'_k|| of v'_k. When the run goes on in float64, it starts from v'_k with that sum for its error.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import flint
import numpy as np
from flint import arb, arb_mat

from bounds.certificates.curvature import Curvature
from bounds.certificates.shadowing import Shadow, State
from bounds.certificates.smooth_descent import LARGEST, SmoothDescent, evaluate
from bounds.linalg.rounding import TINY, UNDERFLOW, UNIT, FloatArray, inflate

BITS = 320
"""Of the numbers: errors may grow by a factor of e^170 before float64 takes over."""

WINDOW = 16
"""Steps evaluated together."""

MOST_VALUES = 2**18
"""Of the activation that a head may take: a second or two."""

Jet = Callable[[arb], tuple[arb, arb]]
"""z -> the activation and its slope."""


def _tanh() -> Jet:
    def jet(z: arb) -> tuple[arb, arb]:
        t = z.tanh()
        return t, 1 - t * t

    return jet


def _erf() -> Jet:
    top = 2 / arb.pi().sqrt()
    return lambda z: (z.erf(), top * (-z * z).exp())


def _softplus() -> Jet:
    def jet(z: arb) -> tuple[arb, arb]:
        e = z.exp()
        return e.log1p(), 1 - 1 / (1 + e)

    return jet


def _gelu() -> Jet:
    root, top = arb(0.5).sqrt(), 1 / (2 * arb.pi()).sqrt()

    def jet(z: arb) -> tuple[arb, arb]:
        cumulative = (1 + (z * root).erf()) / 2
        return z * cumulative, cumulative + z * top * (-z * z / 2).exp()

    return jet


JETS: dict[str, Callable[[], Jet]] = {"tanh": _tanh, "erf": _erf, "softplus": _softplus, "gelu": _gelu}
"""By name, with constants of the precision of the moment."""


@dataclass(eq=False)
class Head:
    """Exact descent followed at many bits from its start.

    Args:
        descent: the network, data and step.
        start: weights (m, d).
        centred: whether the exact outputs at the start are subtracted.
        allowance: as for the curvature of a shadow.
    """

    descent: SmoothDescent
    start: FloatArray
    centred: bool
    allowance: float
    steps: int = field(default=0, init=False)
    exploded: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        descent = self.descent
        curvature = Curvature(descent.X, descent.spectral, descent.step_size, self.allowance)
        self._shadow = Shadow(descent, curvature)
        self.weights = self.start
        with flint.ctx.workprec(BITS):
            self._jet = JETS[descent.activation.activation.name.lower()]()
            self._W, self._X = arb_mat(self.start.tolist()), arb_mat(descent.X.tolist())
            c = 1 / arb(len(self.start)).sqrt()
            self._readout = [c * sign for sign in descent.signs.tolist()]
            self._goal = [arb(y) for y in descent.targets[2].tolist()]
            if self.centred:
                outputs = self._outputs([value for value, _ in self._values()])
                self._goal = [y + f for y, f in zip(self._goal, outputs, strict=True)]

    @property
    def spent(self) -> bool:
        """Whether it takes too long to go on."""
        return bool((self.steps + WINDOW) * len(self.start) * len(self.descent.X) > MOST_VALUES)

    @property
    def growth(self) -> float:
        """The growth exponent so far."""
        return self._shadow.state.growth

    def advance(self, growth: float) -> None:
        """Follow a window or more, until the growth exponent has increased by so much or nothing more can be done."""
        goal = self.growth + growth
        while not self.spent:
            history, defects = [self.weights], []
            for _ in range(WINDOW):
                defects.append(self._step())
                history.append(np.array([float(entry) for entry in self._W.entries()]).reshape(self.start.shape))
            points = np.stack(history)
            if not np.abs(points).max() < LARGEST:
                self.exploded = True
                return
            largest = inflate(float(np.sqrt(np.square(points).sum(axis=(1, 2)).max())) + UNDERFLOW, points[0].size)
            self._shadow.away = inflate(2 * UNIT * largest + points[0].size * TINY, 4)
            self._shadow.advance(replace(evaluate(self.descent, points), defect=np.array(defects)))
            self.weights, self.steps = history[-1], self.steps + WINDOW
            if self.growth >= goal:
                break

    def shadow(self) -> Shadow:
        """The shadow of a float64 run that begins at :attr:`weights`, with the whole allowance."""
        error, growth, path = self._shadow.state
        curvature = copy.copy(self._shadow.curvature)
        curvature.allowance = self.allowance
        return Shadow(self.descent, curvature, State(inflate(error + self._shadow.away, 1), growth, path))

    def _step(self) -> float:
        """Take a step, and bound its defect."""
        m, n = len(self.start), len(self.descent.X)
        with flint.ctx.workprec(BITS):
            values = self._values()
            r = [f - goal for f, goal in zip(self._outputs([v for v, _ in values]), self._goal, strict=True)]
            pulls = [arb(self.descent.step_size) * error for error in r]
            moves = [self._readout[k // n] * slope * pulls[k % n] for k, (_, slope) in enumerate(values)]
            after = (self._W - arb_mat(m, n, moves) * self._X).entries()
            self._W = arb_mat(m, self._W.ncols(), [entry.mid() for entry in after])
            defect = sum((entry.rad() ** 2 for entry in after), arb(0)).sqrt()
            return inflate(float(defect.upper()), 2)

    def _values(self) -> list[tuple[arb, arb]]:
        """The activation and its slope at all preactivations, neuron by neuron."""
        return [self._jet(z) for z in (self._W * self._X.transpose()).entries()]

    def _outputs(self, values: list[arb]) -> list[arb]:
        n = len(self.descent.X)
        return [sum((a * s for a, s in zip(self._readout, values[i::n], strict=True)), arb(0)) for i in range(n)]
