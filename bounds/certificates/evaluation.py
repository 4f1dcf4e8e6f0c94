r"""A stack of layers, its derivatives and its Gram matrix at stored weights, with proved errors.

Everything is computed once in float64, and each row (one input) carries a bound of the Euclidean norm of its error:

- forward: ||z_l - z^_l|| <= s ||W phi|| e_{l-1} + a few roundings of z_l, since products are formed to about one
  rounding (:func:`bounds.linalg.products.accurate_product`); taking patches phi rounds nothing, and ||W phi|| <=
  sqrt(q) ||W|| where no entry is in more than q patches; the activation multiplies an error by sup |sigma'| and adds
  its own (:mod:`bounds.activations.pointwise`);
- a ReLU without a bias whose patch is zero, be it a blank part of an image or units that are off, has z = 0 for all
  weights near by: it counts as off, not as one that sits on its kink. (The first layer should be plain: then no h_l
  is negative, and a residual sum is zero only where both its parts are.)
- backward, with a_l = df/d sigma(z_l) and g_l = df/dz_l = a_l o sigma'(z_l):
  ||g_l - g^_l|| <= sup |sigma'| ||a_l - a^_l|| + max |a^_l| sup |sigma''| ||z_l - z^_l|| + the error of sigma'. For the
  ReLU the middle term is absent where every sign of z_l is certain, and undecided otherwise. These products are plain,
  wrong by gamma_k ||W||_F ||g_l|| (Cauchy and Schwarz on |g| |W|): the spectrum of the Gram matrix has room for it.

With C outputs there are n C rows of derivatives, output by output of each input. The gradient in W and b of one of them
is sum_p g_p (s phi_p(h), 1)^T over the positions p. The Gram matrix of the Jacobian is the sum, over trained layers, of
the inner products of these; with one position they are (s^2 H H^T + [bias]) o (G G^T), and no gradient is ever formed.
The entrywise radius comes from the norms of the rows. Whatever is rounded upward here counts at most a few hundred
roundings a layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from bounds import linalg
from bounds.activations.pointwise import POINTWISE, Pointwise
from bounds.arithmetic import Enclosure
from bounds.certificates.stack import Floats, Layer, Stack, Weights, check_tensor
from bounds.linalg.products import accurate_product
from bounds.linalg.rounding import UNDERFLOW, UNIT, gamma, inflate, require_ieee_arithmetic

HARMLESS = 2.0**-100
"""Matrices whose largest number is smaller are multiplied plainly; see :mod:`bounds.linalg.intervals`."""

MANY = 2**20
"""More roundings than stand behind any bound that is made of norms here; sums over all n C outputs are among them."""

OFF = -1.0
"""Stands for z where a ReLU without a bias sees zeros alone, such as a blank part of an image, and so is off."""

BLOCK = 2**25
"""Numbers of a Jacobian held at a time."""


@dataclass(frozen=True, eq=False)
class Signals:
    """One layer between its input and its output, for every row of the data.

    Args:
        layer: its description.
        scale, skip: upper bounds of s and of t (1 for a plain layer).
        size: an upper bound of ||W||_2.
        below, below_error: h_{l-1} (n, inputs), and (n,) a bound of the norm of its error.
        z, z_error: the same of z_l, (n, outputs).
        arrow, arrow_error: the same of a_l = df/d sigma(z_l), for C outputs (n C, outputs); for the last layer unit
            vectors.
        slope, slope_error: the same of g_l = df/dz_l.
    """

    layer: Layer
    scale: float
    skip: float
    size: float
    below: Floats
    below_error: Floats
    z: Floats
    z_error: Floats
    arrow: Floats
    arrow_error: Floats
    slope: Floats
    slope_error: Floats

    @cached_property
    def seen_norm(self) -> Floats:
        """Upper bounds (n,) of ||phi(h_{l-1})||."""
        patches = self.layer.patches(self.below)
        return row_norms(patches.reshape(len(patches), -1)) + self.layer.patch_norm * self.below_error

    @cached_property
    def slope_norm(self) -> Floats:
        """Upper bounds (n C,) of ||g_l||."""
        return row_norms(self.slope) + self.slope_error

    @cached_property
    def arrow_size(self) -> Floats:
        """Upper bounds (n,) of max |sum_c u_c a_lc| over unit vectors u: of the columns of (a_lc)_c."""
        rows = self.arrow.reshape(len(self.below), -1, self.arrow.shape[1])
        largest: Floats = np.sqrt(np.einsum("icj,icj->ij", rows, rows)).max(axis=1)
        return inflate(largest + self._together(self.arrow_error), MANY) + UNDERFLOW

    @cached_property
    def slope_size(self) -> Floats:
        """Upper bounds (n,) of ||sum_c u_c g_lc|| over unit vectors u: the root of a row sum of the inner products."""
        rows = self.slope.reshape(len(self.below), -1, self.slope.shape[1])
        norms = row_norms(self.slope).reshape(len(rows), -1)
        sums = np.abs(rows @ rows.transpose(0, 2, 1)).sum(axis=2)
        sums += gamma(rows.shape[2]) * norms * norms.sum(axis=1)[:, None]
        size: Floats = np.sqrt(sums.max(axis=1)) + self._together(self.slope_error)
        return inflate(size, MANY) + UNDERFLOW

    def _together(self, errors: Floats) -> Floats:
        """The norm (n,) of what is known for each output."""
        norms: Floats = np.sqrt(np.square(errors).reshape(len(self.below), -1).sum(axis=1))
        return norms


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network at stored weights.

    Args:
        pointwise: its activation.
        signals: layer by layer, the output last.
        outputs, outputs_error: f(x_i), (n C,), before anything is subtracted, and bounds of the errors.
        doubtful: how many pre-activations of a ReLU network may have the other sign.
    """

    pointwise: Pointwise
    signals: tuple[Signals, ...]
    outputs: Floats
    outputs_error: Floats
    doubtful: int

    @cached_property
    def gram(self) -> tuple[Floats, Floats]:
        """The midpoint (n C, n C) and radius of K = J J^T, J the Jacobian in the trained weights."""
        midpoint, radius = np.zeros((2, len(self.outputs), len(self.outputs)))
        for signal in self.signals:
            if signal.layer.trained:
                part, error = _shared(signal) if signal.layer.positions > 1 else _separate(signal)
                midpoint += part
                radius += error + len(self.signals) * UNIT * np.abs(midpoint)
        radius += 2 * UNIT * np.abs(midpoint)
        midpoint = (midpoint + midpoint.T) / 2
        return midpoint, inflate(np.maximum(radius, radius.T), MANY) + UNDERFLOW


def evaluate(stack: Stack, weights: Weights, X: Floats) -> Evaluation:
    """Evaluate a network and its derivatives on all inputs.

    Args:
        stack: the network.
        weights: its tensors, as :meth:`Stack.shapes` lists them; those of the start are not looked at.
        X: (n, d) float64, as stored.

    Raises:
        ValueError: inputs or weights that do not fit or are not finite; arithmetic that is not IEEE.
    """
    require_ieee_arithmetic()
    stack.check(weights)
    check_tensor("X", X, (len(X), stack.layers[0].inputs))
    pointwise = POINTWISE[stack.activation]
    affine = [_Affine.of(*entry) for entry in stack.affine(weights)]
    forward, doubtful, h, h_error = [], 0, X, np.zeros(len(X))
    blank = X == 0  # what is zero on every ball on which no other ReLU switches
    for step in affine[:-1]:
        z, z_error = step.apply(h, h_error)
        _harmless(z)
        if pointwise.smoothness is None and affine[0].layer.skip_squared is None:
            if step.bias is None:
                z = np.where(step.layer.sees_nothing(blank), OFF, z)
            off = z < -z_error[:, None]
            blank = off if step.layer.skip_squared is None else blank & off
        values = pointwise(z)
        lost = inflate(pointwise.lipschitz * z_error + row_norms(values.value_error), MANY)
        slope_error = row_norms(values.slope_error)
        if pointwise.smoothness is None:
            unsure = np.abs(z) <= z_error[:, None]
            doubtful += int(np.count_nonzero(unsure))
        else:
            slope_error = inflate(slope_error + pointwise.smoothness * z_error, MANY)
        forward.append((h, h_error, z, z_error, values.slope, slope_error))
        h, h_error = step.combine(h, h_error, values.value, lost)
    f, f_error = affine[-1].apply(h, h_error)
    count = stack.output.outputs
    units, none = np.tile(np.eye(count), (len(X), 1)), np.zeros(len(X) * count)
    signals = [affine[-1].signals(h, h_error, f, f_error, units, none, units, none)]
    back, back_error = affine[-1].pull(units, none)
    for step, (h, h_error, z, z_error, slope, slope_error) in zip(affine[-2::-1], forward[::-1], strict=True):
        arrow, arrow_error = step.branch(back, back_error)
        g = arrow * np.repeat(slope, count, axis=0)
        lost = np.abs(arrow).max(axis=1) * np.repeat(slope_error, count)
        g_error = pointwise.lipschitz * arrow_error + lost + 2 * UNIT * row_norms(g) + UNDERFLOW
        g_error = inflate(g_error, MANY)
        _harmless(g)
        signals.append(step.signals(h, h_error, z, z_error, arrow, arrow_error, g, g_error))
        if step is not affine[0]:
            below, below_error = step.pull(g, g_error)
            back, back_error = step.join(back, back_error, below, below_error)
    return Evaluation(pointwise, tuple(signals[::-1]), f.ravel(), np.repeat(f_error, count), doubtful)


@dataclass(frozen=True, eq=False)
class _Affine:
    """A layer's numbers, and the rounding of what is done with them."""

    layer: Layer
    weight: Floats
    bias: Floats | None
    scale: float
    skip: float
    size: float
    frobenius: float

    @classmethod
    def of(cls, layer: Layer, weight: Floats, bias: Floats | None) -> _Affine:
        skip = 1.0 if layer.skip_squared is None else _root(layer.skip_squared)
        size, frobenius = linalg.spectral_norm(weight).upper, linalg.frobenius_norm(weight).upper
        return cls(layer, weight, bias, _root(layer.scale_squared), skip, size, frobenius)

    def apply(self, h: Floats, h_error: Floats) -> tuple[Floats, Floats]:
        """S W phi(h) + b."""
        seen = self.layer.patches(h)
        rows = seen.reshape(-1, self.layer.patch)
        if min(float(np.abs(h).max()), float(np.abs(self.weight).max())) >= HARMLESS:
            z, spread = accurate_product(rows, np.ascontiguousarray(self.weight.T))
            lost = row_norms(spread.reshape(len(h), -1))
        else:
            lost = gamma(rows.shape[1]) * self.frobenius * row_norms(seen.reshape(len(h), -1))
            z = rows @ self.weight.T
        z = self.scale * self.layer.by_unit(z.reshape(len(h), self.layer.positions, -1))
        size = row_norms(z)
        if self.bias is not None:
            shift = np.repeat(self.bias, self.layer.positions)
            z = z + shift
            size = size + row_norms(shift[None, :])
        rounded = self.scale * lost + 6 * UNIT * size
        return z, inflate(self.scale * self.layer.patch_norm * self.size * h_error + rounded, MANY) + UNDERFLOW

    def pull(self, g: Floats, g_error: Floats) -> tuple[Floats, Floats]:
        """S phi^T(W^T g)."""
        rows = self.layer.by_position(g).reshape(-1, self.layer.filters) @ self.weight
        b = self.scale * self.layer.spread(rows.reshape(len(g), self.layer.positions, -1))
        roundings = self.layer.filters + self.layer.overlap + 8
        rounded = gamma(roundings) * self.scale * self.layer.patch_norm * self.frobenius * row_norms(g)
        return b, inflate(self.scale * self.layer.patch_norm * self.size * g_error + rounded, MANY) + UNDERFLOW

    def combine(self, h: Floats, h_error: Floats, value: Floats, error: Floats) -> tuple[Floats, Floats]:
        """What follows: sigma(z), or h + t sigma(z)."""
        if self.layer.skip_squared is None:
            return value, error
        rounded = 8 * UNIT * (row_norms(h) + self.skip * row_norms(value))
        return h + self.skip * value, inflate(h_error + self.skip * error + rounded, MANY) + UNDERFLOW

    def branch(self, back: Floats, error: Floats) -> tuple[Floats, Floats]:
        """The derivative to sigma(z) from that to what follows: t times it."""
        if self.layer.skip_squared is None:
            return back, error
        return self.skip * back, inflate(self.skip * (error + 4 * UNIT * row_norms(back)), MANY) + UNDERFLOW

    def join(self, back: Floats, error: Floats, through: Floats, through_error: Floats) -> tuple[Floats, Floats]:
        """The derivative to the layer's input: through z, and past it where the layer is residual."""
        if self.layer.skip_squared is None:
            return through, through_error
        total = back + through
        return total, inflate(error + through_error + 2 * UNIT * row_norms(total), MANY)

    def signals(self, *rows: Floats) -> Signals:
        grown = 1 + 4 * UNIT
        return Signals(self.layer, self.scale * grown, self.skip * grown, self.size, *rows)


def row_norms(a: Floats) -> Floats:
    """Upper bounds (n,) of the norms of the rows."""
    norms: Floats = np.sqrt(np.einsum("ij,ij->i", a, a))
    return inflate(norms, a.shape[1] + 2) + UNDERFLOW


def residual(stack: Stack, weights: Weights, now: Evaluation, X: Floats, y: Floats) -> tuple[Floats, Floats]:
    """F - y and bounds of its error (n C,): of the outputs, or of what they are above those at the start.

    At the start itself a centred network has the residual -y, exactly.
    """
    y = y.ravel()
    if not stack.centred:
        return now.outputs - y, inflate(now.outputs_error + UNIT * np.abs(now.outputs - y), MANY)
    start = stack.at_start(weights)
    if all(np.array_equal(start[name], weights[name]) for name in start):
        return -y, np.zeros(len(y))
    before = evaluate(stack.uncentred, start, X)
    moved = now.outputs - before.outputs
    error = now.outputs_error + before.outputs_error + UNIT * (np.abs(moved) + np.abs(moved - y))
    return moved - y, inflate(error, MANY)


def norm_of(vector: Floats, error: Floats) -> Enclosure:
    """The Euclidean norm of every vector within an entrywise error."""
    return linalg.frobenius_norm(vector[:, None], error[:, None])


def _harmless(signal: Floats) -> None:
    """Refuse numbers so large that squares and sums of them could overflow."""
    largest = float(np.abs(signal).max())
    if not largest <= 2.0**100:
        raise ValueError(f"the network has signals of size {largest:.1e}: nothing is certified beyond 2^100")


def _separate(signal: Signals) -> tuple[Floats, Floats]:
    """The part of one layer with one position in J J^T, and its radius: no gradient is formed."""
    layer = signal.layer
    forward, forward_error = _products(layer.patches(signal.below)[:, 0], signal.below_error)
    squared = float(layer.scale_squared)
    forward, forward_error = squared * forward, squared * forward_error
    forward_error = forward_error + 4 * UNIT * (np.abs(forward) + layer.bias)
    count = len(signal.slope) // len(forward)
    forward, forward_error = _each_pair(forward + layer.bias, count), _each_pair(forward_error, count)
    backward, backward_error = _products(signal.slope, signal.slope_error)
    part = forward * backward
    error = np.abs(forward) * backward_error + forward_error * (np.abs(backward) + backward_error)
    return part, error + 4 * UNIT * np.abs(part)


def _each_pair(a: Floats, count: int) -> Floats:
    """A matrix of pairs of inputs as one of pairs of outputs."""
    return np.repeat(np.repeat(a, count, axis=0), count, axis=1)


def _shared(signal: Signals) -> tuple[Floats, Floats]:
    """The same where positions share their weights: gradients sum_p g_p (s phi_p(h), 1)^T, some filters at a time."""
    layer, n = signal.layer, len(signal.below)
    sides, sides_norm, sides_error = _sides(signal)
    count = len(signal.slope) // n
    size, error = signal.slope_norm, signal.slope_error
    sides_norm, sides_error = np.repeat(sides_norm, count), np.repeat(sides_error, count)
    error = error * (sides_norm + sides_error) + size * (sides_error + gamma(layer.positions) * sides_norm)
    part, squares, roundings = np.zeros((n * count, n * count)), np.zeros(n * count), layer.parameters
    for rows in gradients(layer, sides, signal.slope):
        part += rows @ rows.T
        squares += np.einsum("ij,ij->i", rows, rows)
        roundings += 1
    norms = np.sqrt(inflate(squares, roundings)) * (1 + 4 * UNIT) + UNDERFLOW
    spread = np.outer(norms + error, error) + np.outer(error, norms)
    return part, inflate(spread + gamma(roundings) * np.outer(norms, norms), MANY) + UNDERFLOW


def _sides(signal: Signals) -> tuple[Floats, Floats, Floats]:
    """The rows (s phi_p(h), 1) (n, positions, patch + 1), or s phi_p(h) without a bias; their norms and errors (n,)."""
    layer = signal.layer
    sides = _root(layer.scale_squared) * layer.patches(signal.below)
    error = signal.scale * layer.patch_norm * signal.below_error
    if layer.bias:
        sides = np.concatenate([sides, np.ones((*sides.shape[:2], 1))], axis=2)
    norms = row_norms(sides.reshape(len(sides), -1))
    return sides, norms, inflate(error + 6 * UNIT * norms, MANY) + UNDERFLOW


def gradients(layer: Layer, sides: Floats, slope: Floats) -> Iterator[Floats]:
    """The gradients sum_p g_p side_p^T of a layer in plain float64, in blocks (n C, some of their entries).

    Args:
        layer: which.
        sides: (n, positions, k).
        slope: g, (n C, outputs).
    """
    n, positions, k = sides.shape
    slopes = slope.reshape(n, -1, layer.filters, positions)
    some = max(1, BLOCK // (len(slope) * k))
    for start in range(0, layer.filters, some):
        block = slopes[:, :, start : start + some]
        rows = block.reshape(n, -1, positions) @ sides
        yield rows.reshape(len(slope), -1)


def _products(rows: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Inner products of the rows and their radii, where each row is wrong by at most so much."""
    norms = row_norms(rows)
    inner = rows @ rows.T
    spread = np.outer(norms + error, error) + np.outer(error, norms)
    return inner, inflate(spread + gamma(rows.shape[1]) * np.outer(norms, norms), MANY) + UNDERFLOW


def _root(squared: Fraction) -> float:
    """The root of a rational, wrong by at most 3 u relatively: of the quotient, halved, and of the root."""
    return math.sqrt(squared.numerator / squared.denominator)
