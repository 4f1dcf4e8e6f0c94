"""A problem: inputs, labels and confidence, with certified invariants computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from numbers import Real

import flint
import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from bounds import gram, linalg
from bounds import quantities as q
from bounds.arithmetic import PRECISION, Enclosure, NoNumber, exact_ball
from bounds.degeneracy import Degeneracy, degenerate_rows
from bounds.gram import Gram
from bounds.settings import Setting, TwoLayer

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, labels and confidence, as stored; its geometry is that of the exactly normalised rows.

    The bytes of ``X`` and ``y`` are kept and hashed as given. ``least_eigenvalue``, ``separation``,
    ``spectral_norm`` and ``gram_frobenius`` belong to the rows x_i / |x_i| in real arithmetic, with the
    rounding of the normalisation enclosed; ``unit_rows`` are those rows rounded to float64, which runs train on.

    Args:
        X: inputs (n, d), n >= 2, float64, finite, no zero row.
        y: labels (n,), float64, finite; or (n, C), C >= 2, for a certificate of a network with C outputs. Theorems
            speak of one label a row and refuse more.
        delta: failure probability, in (0, 1); a float is the exact number it stores.

    Raises:
        ValueError: bad shape, a number that is not finite, a zero row, or delta outside (0, 1).
    """

    X: Floats
    y: Floats
    delta: float = 0.1

    def __post_init__(self) -> None:
        inputs, labels = _float64(self.X, "X"), _float64(self.y, "y")
        if inputs.ndim != 2 or inputs.shape[0] < 2 or inputs.shape[1] < 1:
            raise ValueError(f"X has shape {inputs.shape}: give at least two inputs as rows, shape (n, d)")
        if labels.shape != inputs.shape[:1] and (labels.ndim != 2 or len(labels) != len(inputs) or labels.shape[1] < 2):
            raise ValueError(
                f"y has shape {labels.shape}: give one label per row of X, shape ({len(inputs)},), or C >= 2 of them"
            )
        for name, array in (("X", inputs), ("y", labels)):
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                place = ", ".join(map(str, bad[0].tolist()))
                raise ValueError(f"{name}[{place}] is {array[tuple(bad[0])]}: remove or repair {len(bad)} such entries")
        zero = np.flatnonzero(~inputs.any(axis=1))
        if len(zero):
            raise ValueError(f"row {zero[0]} of X is zero and has no direction: remove {len(zero)} such rows")
        delta: object = self.delta
        if isinstance(delta, bool) or not (isinstance(delta, Real) and 0 < float(delta) < 1):
            raise ValueError(f"delta is {self.delta!r}: a failure probability is a number strictly between 0 and 1")
        for name, value in (("X", inputs), ("y", labels), ("delta", float(self.delta))):
            object.__setattr__(self, name, value)

    @property
    def n(self) -> int:
        """Number of inputs."""
        return len(self.X)

    @property
    def d(self) -> int:
        """Input dimension."""
        return int(self.X.shape[1])

    @cached_property
    def identity(self) -> str:
        """SHA-256 of shape, exact bytes and delta, in hexadecimal."""
        several = f"{self.y.shape[1]} outputs " if self.y.ndim > 1 else ""
        digest = hashlib.sha256(f"{self.n} {self.d} {self.delta.hex()} {several}".encode())
        for array in (self.X, self.y):
            digest.update(array.astype("<f8").tobytes())
        return digest.hexdigest()

    @cached_property
    def unit_rows(self) -> Floats:
        """The rows of X divided by their norms, rounded to float64 (n, d): what runs train on."""
        scaled = np.ldexp(self.X, -np.frexp(np.abs(self.X).max(axis=1))[1][:, None])
        return _frozen(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))

    @cached_property
    def degeneracy(self) -> Degeneracy | None:
        """Why the least eigenvalue is exactly zero (parallel rows, dependent antipodal pairs), or None."""
        return degenerate_rows(self.X)

    @cached_property
    def least_eigenvalue(self) -> Enclosure:
        """lambda_0: the least eigenvalue of the infinite-width two-layer ReLU Gram matrix, first layer trained."""
        if self.degeneracy is not None:
            return Enclosure.of(0)
        matrix = self.gram(TwoLayer())
        return linalg.least_eigenvalue(matrix.midpoint, matrix.radius)

    def least_eigenvalue_of(self, setting: Setting) -> Enclosure | None:
        """lambda_0 of any setting: the least eigenvalue of its own matrix; None where it has no certified one."""
        if setting in (TwoLayer("first"), TwoLayer("both")):
            return self.least_eigenvalue
        if setting not in self._least_eigenvalues:
            matrix = self._gram(setting)
            least = None if matrix is None else linalg.least_eigenvalue(matrix.midpoint, matrix.radius)
            self._least_eigenvalues[setting] = least
        return self._least_eigenvalues[setting]

    @cached_property
    def _least_eigenvalues(self) -> dict[Setting, Enclosure | None]:
        return {}

    @cached_property
    def spectral_norm(self) -> Enclosure:
        """The spectral norm of the matrix X of exactly normalised rows: at least 1, at most sqrt(n)."""
        cosines = self._cosines
        with flint.ctx.workprec(PRECISION):
            return Enclosure(linalg.largest_eigenvalue(cosines.midpoint, cosines.radius).ball.sqrt())

    @cached_property
    def gram_frobenius(self) -> Enclosure:
        """The Frobenius norm of X X^T for exactly normalised rows."""
        cosines = self._cosines
        return linalg.frobenius_norm(cosines.midpoint, cosines.radius)

    @cached_property
    def separation(self) -> Enclosure:
        """The least distance min(|u_i - u_j|, |u_i + u_j|) over pairs i != j of exactly normalised rows u."""
        cosines = self._cosines
        away = ~np.eye(self.n, dtype=bool)
        cosine, radius = np.abs(cosines.midpoint[away]), cosines.radius[away]
        exact = radius == 0
        lower = np.where(exact, cosine, np.nextafter(cosine - radius, -np.inf)).max()
        upper = np.where(exact, cosine, np.nextafter(cosine + radius, np.inf)).max()
        with flint.ctx.workprec(PRECISION):
            nearest = (2 - 2 * exact_ball(min(float(upper), 1.0))).sqrt()
            farthest = (2 - 2 * exact_ball(min(max(float(lower), 0.0), 1.0))).sqrt()
            return Enclosure(nearest.union(farthest))

    @cached_property
    def label_norm(self) -> Enclosure:
        """The Euclidean norm of the labels, one a row.

        Raises:
            ValueError: there are several a row.
        """
        if self.y.ndim > 1:
            raise ValueError(f"y has shape {self.y.shape}: theorems speak of one label a row")
        with flint.ctx.workprec(PRECISION):
            return Enclosure(sum((exact_ball(value) ** 2 for value in self.y.tolist()), exact_ball(0)).sqrt())

    def gram(self, setting: Setting) -> Gram:
        """The certified infinite-width matrix of a setting, for exactly normalised rows; computed once.

        Raises:
            ValueError: the setting has no certified matrix.
        """
        matrix = self._gram(setting)
        if matrix is None:
            raise ValueError(f"no infinite-width matrix is certified for {setting}")
        return matrix

    def _gram(self, setting: Setting) -> Gram | None:
        if setting not in self._grams:
            try:
                self._grams[setting] = setting.gram(self.X)
            except ValueError as reason:  # these data are no inputs of these networks
                raise NoNumber(str(reason)) from reason
        return self._grams[setting]

    @cached_property
    def _grams(self) -> dict[Setting, Gram | None]:
        return {}

    @cached_property
    def _cosines(self) -> Gram:
        return gram.linear(self.X, normalised=True)

    def values(
        self, setting: Setting | None = None, *, symbols: Set[sympy.Symbol] | None = None
    ) -> dict[sympy.Symbol, Enclosure]:
        """The invariants by symbol, for :func:`bounds.arithmetic.evaluate`.

        Args:
            setting: whose least eigenvalue lambda_0 is, two-layer ReLU unless given; its numbers are added.
            symbols: what is needed; lambda_0 and the quantities of single papers are computed only then.
        """
        needed = symbols is None or q.lambda_0 in symbols
        least = self.least_eigenvalue_of(setting or TwoLayer()) if needed else None
        return {
            q.n: Enclosure.of(self.n),
            q.d: Enclosure.of(self.d),
            q.delta: Enclosure.of(self.delta),
            **({} if least is None else {q.lambda_0: least}),
            q.X_norm: self.spectral_norm,
            q.F: self.gram_frobenius,
            q.y_norm: self.label_norm,
            q.separation: self.separation,
            **(setting.values if setting is not None else {}),
            **{s: q.CERTIFIED[s](self) for s in symbols or () if s in q.CERTIFIED},
        }

    def __reduce__(self) -> tuple[object, ...]:
        """By its data; the invariants are certified anew."""
        return Problem, (self.X, self.y, self.delta)

    def __repr__(self) -> str:
        return f"Problem(n={self.n}, d={self.d}, delta={self.delta}, identity={self.identity[:12]})"


def _float64(values: ArrayLike, name: str) -> Floats:
    """A read-only float64 copy; anything that float64 cannot hold exactly is refused, not rounded."""
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array, whose mask would be lost: fill or remove the masked entries")
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {array.dtype} values: give real numbers as float64")
    copy = array.astype(np.float64)
    unsafe = array.dtype.kind in "iu" and ((array > 2**53) | (array < -(2**53))).any()
    if unsafe or array.dtype.itemsize > 8:
        raise ValueError(f"{name} holds {array.dtype} values that float64 cannot store exactly: round them yourself")
    return _frozen(np.ascontiguousarray(copy))


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
