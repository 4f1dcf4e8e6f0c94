"""The symbols that statements are written in, each with its meaning and the place its value comes from.

Those here are common to many papers. A paper adds its own with :func:`quantity`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Symbol

if TYPE_CHECKING:
    from bounds.arithmetic import Enclosure
    from bounds.problem import Problem

n = Symbol("n", positive=True, integer=True)
d = Symbol("d", positive=True, integer=True)
m = Symbol("m", positive=True, integer=True)
k = Symbol("k", nonnegative=True, integer=True)
t = Symbol("t", nonnegative=True)
eta = Symbol("eta", positive=True)
lambda_0 = Symbol("lambda_0", nonnegative=True)
delta = Symbol("delta", positive=True)
delta_1, delta_2, delta_3, delta_4 = (Symbol(f"delta_{i}", positive=True) for i in (1, 2, 3, 4))
e_0 = Symbol("e_0", nonnegative=True)
X_norm = Symbol("X", positive=True)
S = X_norm**2
F = Symbol("F", positive=True)
y_norm = Symbol("Y", nonnegative=True)
separation = Symbol("rho", nonnegative=True)
R = Symbol("R", positive=True)

residual = Symbol("e_k", nonnegative=True)
least_eigenvalue = Symbol("lambda_k", nonnegative=True)
initial_least_eigenvalue = Symbol("lambda_H0", nonnegative=True)
initial_gram_deviation = Symbol("G_0", nonnegative=True)
gram_drift = Symbol("G_k", nonnegative=True)
travel = Symbol("W_k", nonnegative=True)
output_travel = Symbol("A_k", nonnegative=True)
near_kink = Symbol("N", nonnegative=True)
flips = Symbol("P", nonnegative=True)
most_near_kink = Symbol("N_max", nonnegative=True)
most_flips = Symbol("P_max", nonnegative=True)

MEANING: dict[sympy.Symbol, str] = {
    n: "number of inputs",
    d: "input dimension",
    m: "width",
    k: "iteration",
    t: "time",
    eta: "step size",
    lambda_0: "least eigenvalue of the infinite-width Gram matrix",
    delta: "failure probability",
    delta_1: "share of delta: initial Gram matrix",
    delta_2: "share of delta: neurons near a kink",
    delta_3: "share of delta: initial residual",
    delta_4: "share of delta: initial preactivations",
    e_0: "norm of the initial residual",
    X_norm: "spectral norm of the data matrix with unit rows",
    F: "Frobenius norm of the matrix of inner products of unit rows",
    y_norm: "norm of the labels",
    separation: "least distance of two unit rows, up to sign",
    R: "radius around a neuron's initial weights",
    residual: "norm of the residual at iteration k",
    least_eigenvalue: "least eigenvalue of the Gram matrix during training",
    initial_least_eigenvalue: "least eigenvalue of the initial Gram matrix",
    initial_gram_deviation: "distance of the initial Gram matrix from the infinite-width one, spectral norm",
    gram_drift: "distance of the Gram matrix from the initial one, spectral norm",
    travel: "largest distance of a neuron's weights from their start",
    output_travel: "largest distance of an output weight from its start",
    near_kink: "sum over inputs of the fraction of neurons that a move of length R could flip",
    flips: "sum over inputs of the fraction of neurons that flipped",
    most_near_kink: "largest fraction, over inputs, of neurons that a move of length R could flip",
    most_flips: "largest fraction, over inputs, of neurons that flipped",
}
"""What each symbol stands for, in the words of the report."""

LATEX: dict[sympy.Symbol, str] = {
    e_0: r"\lVert e_0\rVert",
    X_norm: r"\lVert X\rVert",
    F: r"\lVert XX^{\top}\rVert_F",
    y_norm: r"\lVert y\rVert",
    residual: r"\lVert e(k)\rVert",
    least_eigenvalue: r"\lambda_{\min}(H(k))",
    initial_least_eigenvalue: r"\lambda_{\min}(H(0))",
    initial_gram_deviation: r"\lVert H(0)-H^{\infty}\rVert",
    gram_drift: r"\lVert H(k)-H(0)\rVert",
    travel: r"\max_r\lVert w_r(k)-w_r(0)\rVert",
    output_travel: r"\max_r\lvert a_r(k)-a_r(0)\rvert",
    near_kink: r"\tfrac{1}{m}\sum_i\lvert S_i^{\perp}\rvert",
    flips: r"\tfrac{1}{m}\sum_i\lvert P_i\rvert",
    most_near_kink: r"\tfrac{1}{m}\max_i\lvert S_i^{\perp}\rvert",
    most_flips: r"\tfrac{1}{m}\max_i\lvert P_i\rvert",
}
"""How symbols are set where sympy's own rendering is not the paper's."""

MEASURED_BY: dict[sympy.Symbol, str] = {
    e_0: "first residual",
    residual: "residual",
    least_eigenvalue: "least eigenvalue",
    initial_least_eigenvalue: "first least eigenvalue",
    initial_gram_deviation: "distance from the limit",
    gram_drift: "kernel drift",
    travel: "neuron travel",
    output_travel: "output travel",
    R: "twice the layer travel over root m",
    lambda_0: "first least eigenvalue",
}
"""What a run shows of a symbol, by the name that the package ``reports.both_sides`` gives to it; those of a paper's own
are named where they are introduced. An infinite-width eigenvalue that is not certified is estimated by the first one.
"""

CERTIFIED: dict[sympy.Symbol, Callable[[Problem], Enclosure]] = {}
"""How the value of a paper's own quantity is certified from the data, for those where it can be."""


class Quantity(Symbol):
    """A symbol that is one with its meaning: two papers may both write L, for a depth and for a constant."""

    __slots__ = ("meaning",)

    def __new__(cls, name: str, meaning: str, **assumptions: Any) -> Quantity:
        """Make the symbol; the same name, meaning and assumptions give an equal one."""
        symbol: Quantity = Symbol.__xnew__(cls, name, **assumptions)
        symbol.meaning = meaning
        return symbol

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.meaning)

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, Any]]:
        return (self.name, self.meaning), self.assumptions0


def quantity(
    name: str,
    meaning: str,
    *,
    latex: str = "",
    value: Callable[[Problem], Enclosure] | None = None,
    measured_by: str = "",
    nonnegative: bool = False,
    integer: bool = False,
) -> Quantity:
    """Introduce a quantity of a paper's own.

    Args:
        name: how it is written in plain text; unique within a formula.
        meaning: in the words of the report.
        latex: how it is set, where that is not its name.
        value: encloses it from a problem, where data determine it; else whoever asks has to give it.
        measured_by: the name of what a run shows of it, one of ``reports.both_sides.observed.OBSERVED``.
        nonnegative: it may be zero; else it is positive.
        integer: it is a whole number.

    Returns:
        A symbol for formulas.
    """
    sign = {"nonnegative": True} if nonnegative else {"positive": True}
    symbol = Quantity(name, meaning, **sign, **({"integer": True} if integer else {}))
    MEANING[symbol] = meaning
    if latex:
        LATEX[symbol] = latex
    if value is not None:
        CERTIFIED[symbol] = value
    if measured_by:
        MEASURED_BY[symbol] = measured_by
    return symbol


depth = quantity("H", "number of hidden layers", integer=True)
lipschitz = quantity("L", "Lipschitz constant of the activation")
smoothness = quantity("beta", "Lipschitz constant of the derivative of the activation", latex=r"\beta")
at_zero = quantity("sigma_at_0", "modulus of the activation at 0", latex=r"\lvert\sigma(0)\rvert", nonnegative=True)
normaliser = quantity("c_sigma", "one over E s(z)^2, z ~ N(0, 1), of the activation s", latex=r"c_\sigma")
residual_scale = quantity("c_res", "scale of the residual branches", latex=r"c_{\mathrm{res}}")
patch = quantity("q", "number of pixels of a patch", integer=True)
channels = quantity("d_0", "number of channels of an image", integer=True)


class Unspecified(Quantity):
    """Something a paper gives no formula for, such as poly(n, L): it has no value, and what contains it is refused."""


def unspecified(name: str, *arguments: sympy.Expr, latex: str = "") -> Unspecified:
    """What a paper leaves open, such as ``unspecified("poly", n, 1 / delta)``.

    Args:
        name: as the paper calls it.
        arguments: what it depends on.
        latex: how it is set, where that is not ``name(arguments)``.
    """
    symbol = Unspecified(f"{name}({', '.join(map(str, arguments))})", "not specified by the paper", positive=True)
    MEANING[symbol] = symbol.meaning
    listed = ", ".join(sympy.latex(argument, symbol_names=LATEX) for argument in arguments)
    LATEX[symbol] = latex or rf"\mathrm{{{name}}}\left({listed}\right)"
    return symbol
