r"""Dong and Zhou (2019): geometrisation of deep networks. arXiv 1901.02354 and 1902.03793.

These two notes propose that a network is a discretised path in a group of transformations, that its complexity is the
length of the shortest path, and that over-parameterisation, easy convergence and low sensitivity are curvature's doing.
They have no theorem and no experiment: *no quantitative statement exists*, and none is put in their mouth.

Once a metric is fixed their claims become hypotheses on measurable quantities. Three warnings, re-derived: with more
parameters than equations J^T J is degenerate, so it has no sectional curvature; where J is onto, the image is open in
the space of outputs, hence flat: all curvature is that of the parameterisation, |J^+ D^2F(u, u)| / |u|^2; and a path is
to be compared with a lower bound, not with another run.

The theorems behind the measurables G1 to G5: the nearest solution is at least (sqrt(1 + 2 b kappa) - 1) / kappa away
(G1; statement below, b = |J_0^+ r_0|, kappa a Lipschitz constant of J_0^+ J), path and distance satisfy path >=
distance in parameters (G1) and outputs (G2), and beta ||r_0|| / sigma_0^2 <= 1/2 certifies convergence of the flow (G3;
see the baselines). G4 (spectrum of the Jacobian) and G5 (correlation with test error) have none. ``zeroloss reproduce
geometry`` measures all five, with their uncertainty.

*Distance of a solution, re-derived.* If F(w) = y, then J_0^+ r_0 = J_0^+ (F(w) - F(w_0)) =
int_0^1 J_0^+ J(w_0 + t u) u dt with u = w - w_0; J_0^+ J_0 is a projection, so b <= |u| + kappa |u|^2 / 2.
"""

from __future__ import annotations

from sympy import Ge, Le, sqrt
from sympy import Rational as Q

from bounds.papers._systems import newton
from bounds.proofs import Obligation
from bounds.quantities import quantity
from bounds.settings import SYSTEM, Family
from bounds.statements import Edition, Mark, Paper, Promise, Statement, hypothesis

ANY = Family("any deep network, as a path of transformations", start="any", trained="all")

kappa = quantity(
    "kappa_c", "Lipschitz constant of J_0^+ J around the start", latex=r"\kappa", measured_by="relative curvature"
)
solution = quantity(
    "D_sol",
    "distance of any exact solution from the start",
    latex=r"\lVert w_*-w_0\rVert",
    measured_by="distance of a solution",
)
parameter_path = quantity("S_T", "length of the path of the parameters", nonnegative=True, measured_by="path length")
parameter_distance = quantity(
    "D_T", "distance of the last parameters from the first", nonnegative=True, measured_by="distance"
)
output_path = quantity(
    "S_F", "length of the path of the outputs", nonnegative=True, measured_by="path length of the outputs"
)
output_distance = quantity(
    "D_F", "distance of the last outputs from the first", nonnegative=True, measured_by="distance of the outputs"
)

NO_THEOREM = hypothesis("no quantitative statement", "the papers state no inequality: nothing here can be decided")


def quadratic(edition: Edition) -> Obligation:
    """The bound u satisfies b = u + kappa u^2 / 2, and the right side grows with u."""
    bound = edition.promises[0].bound
    return Obligation(
        "distance of a solution",
        "No nearer point u has b <= u + kappa u^2 / 2.",
        given=(Le(newton, linearised.promises[0].bound),),
        claim=Ge(solution, bound),
        planted=Ge(solution, bound * Q(101, 100)),
    )


linearised = Edition(
    "explicit",
    Mark.REDERIVED,
    promises=(Promise("linearised step", Le(newton, solution + kappa * solution**2 / 2)),),
    reason="The integral in this file.",
)

geometry = Statement(
    "Geometrisation",
    "networks are paths of transformations, and curvature explains that training is easy",
    ANY,
    "no training",
    identifier="dong2019-geometrization",
    concludes="no quantitative statement",
    editions=(Edition("printed", Mark.READ, assumes=(NO_THEOREM,)),),
    remark="Read in the abstracts and the opening. Their claims are hypotheses to measure, never verified claims.",
)

linearised_step = Statement(
    "Linearised step",
    "the step to the linearised system's solution is little longer than one to a solution",
    SYSTEM,
    "any weights",
    editions=(linearised,),
)

nearest_solution = Statement(
    "G1: distance of a solution",
    "no exact solution is nearer than the linearised one allows",
    SYSTEM,
    "any weights",
    identifier="dong2019-distance",
    concludes="existence",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(Promise("distance", Ge(solution, (sqrt(1 + 2 * newton * kappa) - 1) / kappa)),),
            reason="The integral in this file; not a statement of these papers.",
            arguments=(quadratic,),
        ),
    ),
    rests_on=(linearised_step,),
    remark="A lower bound with which a path can be compared: not a claim of these papers.",
)

detours = Statement(
    "G1 and G2: detours",
    "a path is at least as long as the distance it covers",
    SYSTEM,
    "any weights",
    editions=(
        Edition(
            "explicit",
            Mark.REDERIVED,
            promises=(
                Promise("parameters", Ge(parameter_path, parameter_distance)),
                Promise("outputs", Ge(output_path, output_distance)),
            ),
            reason="The triangle inequality; the two ratios are the measurables.",
        ),
    ),
    rests_on=(nearest_solution,),
)

PAPER = Paper(
    key="dong2019geometrization",
    authors=("Dong, Xiao", "Zhou, Ling"),
    title="Geometrization of deep networks for the interpretability of deep learning systems",
    year=2019,
    venue="arXiv",
    arxiv="1901.02354",
    statements=(geometry, linearised_step, nearest_solution, detours),
    kind="misc",
    remark="No quantitative statement. The second note is 1902.03793.",
)
