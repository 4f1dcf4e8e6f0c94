"""What an activation is to the theory: its constants, and expectations of it over Gaussians."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import flint
from flint import arb

from bounds.arithmetic import PRECISION, Enclosure, Exact


class Marginal(Protocol):
    """A function g of one Gaussian u ~ N(0, p), ready to be paired with others."""

    @property
    def mean(self) -> arb:
        """E[g(u)]."""

    @property
    def square(self) -> arb:
        """E[g(u)^2]."""

    def product(self, other: Any, covariance: arb) -> arb:
        """E[g(u) g(v)] for jointly Gaussian u and v, v being the marginal ``other``."""


class GaussianFunction(Protocol):
    """A function g whose Gaussian expectations can be enclosed."""

    def at(self, variance: arb) -> Marginal:
        """The function of u ~ N(0, variance), for a positive variance; costly parts are done here, once."""


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """A function with elementary Gaussian expectations.

    Args:
        mean: p -> E[g(u)].
        square: p -> E[g(u)^2].
        product: p, q, c -> E[g(u) g(v)] for u ~ N(0, p), v ~ N(0, q) of covariance c.
    """

    mean: Callable[[arb], arb]
    square: Callable[[arb], arb]
    product: Callable[[arb, arb, arb], arb]

    def at(self, variance: arb) -> ClosedFormMarginal:
        """The function of u ~ N(0, variance)."""
        return ClosedFormMarginal(self, variance)


@dataclass(frozen=True, eq=False)
class ClosedFormMarginal:
    """A closed form with its variance filled in."""

    form: ClosedForm
    variance: arb

    @property
    def mean(self) -> arb:
        """E[g(u)]."""
        return self.form.mean(self.variance)

    @property
    def square(self) -> arb:
        """E[g(u)^2]."""
        return self.form.square(self.variance)

    def product(self, other: ClosedFormMarginal, covariance: arb) -> arb:
        """E[g(u) g(v)]."""
        return self.form.product(self.variance, other.variance, covariance)


@dataclass(frozen=True, eq=False)
class Activation:
    """An activation s with proved constants and Gaussian expectations.

    Args:
        name: how it is called in tables.
        value: s itself.
        derivative: s', almost everywhere; None where s is not absolutely continuous (the step).
        lipschitz: sup |s'|, None if infinite.
        smoothness: sup |s''|, None if infinite or if s' jumps.
    """

    name: str
    value: GaussianFunction
    derivative: GaussianFunction | None
    lipschitz: Enclosure | None
    smoothness: Enclosure | None

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Activation({self.name})"

    def __deepcopy__(self, memo: object) -> Activation:
        return self  # nothing in it can change, and settings are compared by it

    def __reduce__(self) -> str | tuple[object, ...]:
        """By its name in :mod:`bounds.activations`, if it has one: an activation holds functions."""
        names = vars(importlib.import_module("bounds.activations")).items()
        name = next((name for name, value in names if value is self), None)
        return super().__reduce__() if name is None else (_named, (name,))

    @property
    def slope(self) -> GaussianFunction:
        """The derivative, for those who need one.

        Raises:
            ValueError: the activation has none, so that gradient descent does not see its weights.
        """
        if self.derivative is None:
            raise ValueError(
                f"{self.name} is constant almost everywhere, so weights below it are not trained by gradients: "
                "train the last layer"
            )
        return self.derivative

    def mean(self, variance: Enclosure | Exact) -> Enclosure:
        """E[s(u)] for u ~ N(0, variance)."""
        with flint.ctx.workprec(PRECISION):
            return Enclosure(self.value.at(_positive(variance)).mean)

    def product(self, p: Enclosure | Exact, q: Enclosure | Exact, c: Enclosure | Exact) -> Enclosure:
        """E[s(u) s(v)] for u ~ N(0, p), v ~ N(0, q) of covariance c.

        Raises:
            ValueError: a variance is not positive, or c^2 > p q.
        """
        return _expectation(self.value, p, q, c)

    def derivative_product(self, p: Enclosure | Exact, q: Enclosure | Exact, c: Enclosure | Exact) -> Enclosure:
        """E[s'(u) s'(v)] for u ~ N(0, p), v ~ N(0, q) of covariance c.

        Raises:
            ValueError: no derivative, a variance is not positive, or c^2 > p q.
        """
        return _expectation(self.slope, p, q, c)

    @property
    def normaliser(self) -> arb:
        """The factor 1 / E[s(z)^2], z ~ N(0, 1), that keeps unit norms at infinite width; at the working precision."""
        return 1 / self.value.at(arb(1)).square


def _expectation(g: GaussianFunction, p: Enclosure | Exact, q: Enclosure | Exact, c: Enclosure | Exact) -> Enclosure:
    with flint.ctx.workprec(PRECISION):
        first, second, covariance = _positive(p), _positive(q), Enclosure.of(c).ball
        if covariance * covariance > first * second:
            raise ValueError(f"no Gaussians have variances {p}, {q} and covariance {c}: c^2 exceeds p q")
        marginal = g.at(first)
        return Enclosure(marginal.product(marginal if first == second else g.at(second), covariance))


def _positive(variance: Enclosure | Exact) -> arb:
    ball = Enclosure.of(variance).ball
    if not ball > 0:
        raise ValueError(f"a variance must be positive, not {variance}")
    return ball


def constant(formula: Callable[[], arb]) -> Enclosure:
    """Enclose a constant given by a formula on balls."""
    with flint.ctx.workprec(PRECISION):
        return Enclosure(formula())


def _named(name: str) -> Activation:
    found: Activation = getattr(importlib.import_module("bounds.activations"), name)
    return found
