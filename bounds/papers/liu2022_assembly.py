r"""Liu, Zhu and Belkin (ICLR 2022): linearity of wide networks by assembling weak models. arXiv 2203.05104.

f = s(m)^(-1) sum_i v_i g_i(w_i; x), where the m models share no parameters, |v_i| = 1, and each g_i is beta-smooth. The
Hessian of f is block diagonal with blocks v_i H_(g_i) / s(m), so the second-order term of the expansion is at most
beta / (2 s(m)) sum_i |w_i - w_i(0)|^2 <= beta R^2 / (2 s(m)) on a ball of radius R.
"""

from __future__ import annotations

from sympy import Le, sqrt

from bounds.papers._systems import ball, blockwise, linearisation
from bounds.quantities import m, quantity
from bounds.settings import SMOOTH_TWO_LAYER, Family
from bounds.statements import Edition, Mark, Paper, Promise, Statement

ASSEMBLY = Family(
    "f = s(m)^(-1) sum_i v_i g_i(w_i; x), m models without common parameters, v_i = 1 or +-1",
    start="any",
    trained="the parameters of all models",
    network=SMOOTH_TWO_LAYER,
)

scale = quantity("s_m", "what the sum of the models is divided by", latex="s(m)", measured_by="root of the width")
model_smoothness = quantity(
    "beta_g",
    "Lipschitz constant of the gradient of each model",
    latex=r"\beta",
    measured_by="smoothness of the activation",
)

assembled = Statement(
    "Theorem 1",
    "an assembly of many smooth models is nearly linear",
    ASSEMBLY,
    "any weights",
    identifier="liu2022-assembly",
    concludes="approximation",
    editions=(
        Edition(
            "printed",
            Mark.READ,
            promises=(Promise("quadratic term", Le(linearisation, model_smoothness * ball**2 / (2 * scale))),),
        ),
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(Promise("quadratic term", Le(linearisation, model_smoothness * ball**2 / (2 * sqrt(m)))),),
            reason="s(m) = sqrt(m), the scale of networks; the assumption that no model dominates is not used.",
            arguments=(blockwise(model_smoothness),),
        ),
    ),
    remark="Explicit and without probability. In the paper's example, a two-layer network with both layers trained, "
    "the models u_i s(w_i.x) are smooth only while u_i stays bounded: beta is that of a bounded domain. For Gaussian "
    "v_i the paper has O(log(m) / sqrt(m)) with high probability.",
)

PAPER = Paper(
    key="liu2022transition",
    authors=("Liu, Chaoyue", "Zhu, Libin", "Belkin, Mikhail"),
    title="Transition to Linearity of Wide Neural Networks is an Emerging Property of Assembling Weak Models",
    year=2022,
    venue="International Conference on Learning Representations (ICLR)",
    arxiv="2203.05104",
    statements=(assembled,),
)
