r"""Liu, Zhu and Belkin (NeurIPS 2020): when and why the tangent kernel is constant. arXiv 2010.01092.

The argument for two layers, with constants. f(x) = m^(-1/2) sum_r a_r s(w_r.x), |a_r| = 1, unit inputs, the first layer
trained, |s'| <= L and s' beta-Lipschitz.

*Hessian.* In the direction (v_r) the second derivative is m^(-1/2) sum_r a_r s''(w_r.x) (v_r.x)^2, in modulus at most
beta m^(-1/2) sum_r |v_r|^2: the Hessian of each output has norm at most beta / sqrt(m), everywhere.

*Jacobian.* Block r of J(w) - J(w') is m^(-1/2) a_r diag(d_r) X with |d_ri| <= beta |x_i.(w_r - w'_r)|; its squared
Frobenius norm is at most (beta^2/m) |X (w_r - w'_r)|^2 <= (beta^2/m) ||X||^2 |w_r - w'_r|^2. Summed over r: J is
beta ||X|| / sqrt(m)-Lipschitz in the Frobenius norm, hence in the spectral norm.

*Linearity and kernel.* Where the Hessian of an output is at most h on a ball of radius R, the output differs from its
linearisation by at most h R^2 / 2, and its gradient moves by at most h R. So an entry of the kernel changes by at most
(|grad f_i| + |grad f_j|) h R; for two layers the gradients are at most L.

For L hidden layers the paper's Hessian is O~(R^(3L) / sqrt(m)) on the ball, with high probability. Constancy is lost by
a nonlinear output, by one narrow layer, and on balls whose radius grows with the width.
"""

from __future__ import annotations

from sympy import Le, sqrt

from bounds.activations import TANH
from bounds.arithmetic import large_constant
from bounds.papers._systems import (
    ball,
    entry_change,
    gradient_change,
    hessian,
    jacobian_change,
    kernel_change,
    largest_gradient,
    linearisation,
    linearisation_error,
    two_layer_hessian,
)
from bounds.quantities import X_norm, lipschitz, m, quantity, smoothness
from bounds.settings import SYSTEM, Family, Network, TwoLayer
from bounds.statements import UNIT_ROWS, Edition, Mark, Paper, Promise, Statement

DEEP = Family(
    "fully connected, H hidden layers s(m^(-1/2) W a) of width at least m, s smooth, linear output",
    start="N(0, 1)",
    trained="all layers",
    network=Network("du2019-deep-fc", (("activation", "tanh"),)),
)
FIRST_LAYER = TwoLayer(trained="first", activation=TANH)

hidden = quantity("H_layers", "number of hidden layers", latex="L", integer=True, measured_by="depth")

C = large_constant("C", logarithms=True)
two_layers = smoothness / sqrt(m)

hessian_bound = Statement(
    "Hessian of wide networks",
    "the Hessian of wide networks with a linear output is small on a ball",
    DEEP,
    "any weights",
    identifier="liu2020-hessian",
    concludes="approximation",
    editions=(
        Edition(
            "printed",
            Mark.FROM_MEMORY,
            promises=(Promise("Hessian", Le(hessian, C * ball ** (3 * hidden) / sqrt(m))),),
        ),
    ),
    remark="With high probability over the start; the exponent is recalled, constants and logarithms are hidden.",
)

shallow = Statement(
    "Hessian of two-layer networks",
    "the Hessian and the Jacobian's Lipschitz constant of two-layer networks shrink like m^(-1/2)",
    FIRST_LAYER,
    "any weights",
    identifier="liu2020-two-layer",
    concludes="approximation",
    for_all=("activation",),
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS,),
            promises=(
                Promise("Hessian", Le(hessian, two_layers)),
                Promise("Jacobian", Le(jacobian_change, X_norm * two_layers * ball)),
            ),
            reason="Block by block; for all weights, without probability.",
            arguments=(two_layer_hessian,),
        ),
    ),
    remark="First layer trained, output weights +-1. No training is spoken of.",
)

linearity = Statement(
    "Transition to linearity",
    "where the Hessian is small the outputs are nearly linear and the kernel nearly constant",
    SYSTEM,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(
                Promise("distance from the linearisation", Le(linearisation, hessian * ball**2 / 2)),
                Promise("entry of the kernel", Le(kernel_change, 2 * largest_gradient * hessian * ball)),
            ),
            reason="Taylor, and the triangle inequality for grad f_i . grad f_j.",
            arguments=(linearisation_error, entry_change),
        ),
    ),
    remark="The largest gradient is that on the whole ball. Constancy needs gradients of order 1 and a vanishing "
    "Hessian; a nonlinear output, a narrow layer or a growing ball breaks it.",
)

constant_kernel = Statement(
    "Constancy of the kernel of two-layer networks",
    "the kernel of two-layer networks changes by R m^(-1/2) on a ball",
    FIRST_LAYER,
    "any weights",
    identifier="liu2020-linearity",
    concludes="approximation",
    for_all=("activation",),
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            assumes=(UNIT_ROWS,),
            promises=(
                Promise("distance from the linearisation", Le(linearisation, two_layers * ball**2 / 2)),
                Promise("entry of the kernel", Le(kernel_change, 2 * lipschitz * two_layers * ball)),
            ),
            reason="The two statements before, with |grad f_i| <= L for unit inputs.",
            arguments=(gradient_change,),
        ),
    ),
    rests_on=(shallow, linearity),
    remark="First layer trained, output weights +-1. No training is spoken of: the radius must come from elsewhere.",
)

PAPER = Paper(
    key="liu2020linearity",
    authors=("Liu, Chaoyue", "Zhu, Libin", "Belkin, Mikhail"),
    title="On the linearity of large non-linear models: when and why the tangent kernel is constant",
    year=2020,
    venue="Advances in Neural Information Processing Systems (NeurIPS) 33",
    arxiv="2010.01092",
    statements=(hessian_bound, shallow, linearity, constant_kernel),
    remark="Its text could not be opened: the printed edition is from memory, and numbers of theorems are left out.",
)
