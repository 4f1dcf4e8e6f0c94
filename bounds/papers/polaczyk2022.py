r"""Polaczyk and Cyranka (TMLR 2022): overparameterisation bounds for one hidden layer. arXiv 2201.12052.

One hidden layer of ReLU (or most other) units; flow as a differential inclusion, then stochastic descent. The hidden
width n^1.25 is a reader's account of the theorem, whose dependence on the least eigenvalue and the dimension was not
seen; the paper's own programs use widths n, n^1.25 and n^1.5.
"""

from __future__ import annotations

from sympy import Ge, Le, sqrt
from sympy import Rational as Q

from bounds.arithmetic import large_constant
from bounds.quantities import eta, m, n, quantity, residual
from bounds.settings import Family, Network
from bounds.statements import UNIT_ROWS, Condition, Edition, Mark, Paper, Promise, Statement, hypothesis

NETWORKS = Family(
    "f(x) = sum_r v_r s(w_r.x), |v_r| = m^(-1/2)",
    start="w_r ~ N(0, I_d), half of the v_r negative",
    trained="first layer",
    network=Network("two-layer", kernel="first"),
)

epsilon = quantity("eps", "residual to be reached", latex=r"\epsilon", measured_by="goal for the residual")
mean_squared_error = quantity("mse", "mean squared error after training", nonnegative=True)
C = large_constant("C", logarithms=True)
DATA = hypothesis("data in general position", "the paper's assumption on the data was not seen")

experiments = Statement(
    "Programs",
    "the networks of the paper's programs: success is a mean squared error below 2.5e-3 sqrt(n)",
    NETWORKS,
    "stochastic gradient descent",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            assumes=(
                UNIT_ROWS,
                Condition("inputs", Le(n, 200)),
                Condition("step size", Le(eta, Q(15, 100))),
                Condition("width", Ge(m, n)),
            ),
            promises=(Promise("mean squared error", Le(mean_squared_error, Q(25, 10000) * sqrt(n))),),
        ),
    ),
    remark="Settings of an experiment, not a theorem: full batches, momentum 0.9, 50,000 epochs, 10 seeds.",
)

flow = Statement(
    "Gradient flow",
    "a hidden width of n^(5/4) suffices",
    NETWORKS,
    "gradient flow",
    identifier="polaczyk2022-flow",
    concludes="exact fit",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            assumes=(UNIT_ROWS, DATA, Condition("width", Ge(m, C * n ** Q(5, 4)))),
            promises=(Promise("residual", Le(residual, epsilon)),),
        ),
    ),
    remark="The exponent is second-hand, and with which probability it holds was not seen. A differential inclusion "
    "stands for the flow at kinks.",
)

PAPER = Paper(
    key="polaczyk2022improved",
    authors=("Polaczyk, Bartłomiej", "Cyranka, Jacek"),
    title="Improved overparametrization bounds for global convergence of SGD for shallow neural networks",
    year=2022,
    venue="Transactions on Machine Learning Research (TMLR)",
    arxiv="2201.12052",
    statements=(experiments, flow),
    kind="article",
    remark="Read in the abstract and in its programs; the exponent from a reader's account.",
)
