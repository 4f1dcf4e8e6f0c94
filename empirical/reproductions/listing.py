"""Which reproductions there are, with what their papers state, and how each part is run quickly."""

from __future__ import annotations

from collections.abc import Sequence

from bounds.papers import (
    allenzhu2019_convergence,
    arora2019,
    ding2022_limit,
    dong2019,
    du2019_two_layer,
    liu2020_linearity,
    liu2021_opt,
    polaczyk2022,
    su2019,
)
from bounds.statements import Mark
from empirical.reproductions import (
    allenzhu2019_laws,
    allenzhu2019_stochastic,
    arora2019_curve,
    ding2021_distances,
    ding2021_rates,
    dong2019_geometry,
    du2019_figure_1,
    kernel_drift,
    liu2021_energy,
    polaczyk2022_frontier,
    su2019_harmonics,
)
from empirical.reproductions.parts import Claim, Part, Reproduction

_DU = Reproduction(
    "du2019",
    "Figure 1: training error, flips and travel by width",
    du2019_two_layer.PAPER,
    (
        Claim(
            "As m grows, the training error falls faster, fewer patterns change, and neurons stay nearer to their "
            "start. The numbers at epoch 100 are read off the figure by eye.",
            Mark.READ,
        ),
        Claim(
            "A neuron travels at most 4 sqrt(n) |e_0| / (sqrt(m) lambda_0), at the theorem's width.",
            Mark.READ,
            "du2019-two-layer",
        ),
    ),
    "1000 inputs uniform on the sphere of R^1000, labels N(0, 1), 100 steps of descent on a two-layer ReLU network "
    "whose first layer is trained; eta = 0.001 sqrt(m).",
    (
        Part(
            "figure 1",
            "The three panels",
            du2019_figure_1.beside_the_paper,
            quick={"widths": (50, 100, 200), "points": 60, "epochs": 20},
            keeps=True,
        ),
    ),
    "The paper gives a fixed step size without its value. With one step for all widths the errors do not separate; "
    "with the step 0.001 on a gradient that lacks the factor 1 / sqrt(m), they do, and agree with the published "
    "curves. Panel (c) agrees with the squared distance. That the authors ran this is inference. One draw of each "
    "width, as in the paper, which gives no interval; the numbers at m = 2000 are furthest off.",
)

_SU = Reproduction(
    "su2019",
    "Residuals by harmonic degree",
    su2019.PAPER,
    (
        Claim(
            "The residual falls at a rate of the target and the distribution alone, whatever n, down to a floor of "
            "order 1 / sqrt(n).",
            Mark.FROM_MEMORY,
            "su2019-rate",
        ),
        Claim(
            "On the uniform sphere a target of harmonic degree l is learned like (1 - eta beta_l)^k, with beta_l "
            "enclosed by bounds.gram.sphere_eigenspaces; for odd degrees from 3 on beta_l is 0.",
            Mark.REDERIVED,
        ),
    ),
    "Two-layer ReLU networks with m = 1024 paired neurons, first layer trained, inputs uniform on the sphere of R^5, "
    "eta = 1 on the loss (1/2n) sum of squares. Means over three draws of inputs and weights.",
    tuple(
        Part(
            f"degree {degree}",
            f"Target {target}",
            su2019_harmonics.residuals,
            {"target": target},
            {"points": (50, 100), "width": 64, "steps": (5, 20)},
        )
        for target, (degree, _) in su2019_harmonics.TARGETS.items()
    ),
    "Late in training, finite n and m leak residual into eigenspaces of smaller eigenvalue, which is why the curves "
    "leave the prediction near their floor.",
)

_ARORA = Reproduction(
    "arora2019",
    "The predicted loss curve",
    arora2019.PAPER,
    (
        Claim(
            "|y - u(k)| = sqrt(sum_i (1 - eta lambda_i)^(2k) (v_i.y)^2) up to eps, with eigenvalues and eigenvectors "
            "of the matrix of infinite width, once m is large enough.",
            Mark.FROM_MEMORY,
            "arora2019-curve",
        ),
        Claim("The deviation shrinks like 1 / sqrt(m).", Mark.REDERIVED),
    ),
    "50 inputs on the sphere of R^20, labels +-1 at random, two-layer ReLU networks with paired neurons, first layer "
    "trained, eta = 0.2, 300 steps. Means over four seeds.",
    (
        Part(
            "curve",
            "Curve and deviation",
            arora2019_curve.curve_deviations,
            quick={"widths": (64, 128, 256), "points": 15, "steps": 40, "seeds": (0, 1)},
        ),
    ),
)

_DRIFT = Reproduction(
    "drift",
    "Drift of the tangent kernel, with and without paired neurons",
    liu2020_linearity.PAPER,
    (
        Claim(
            "On a ball of fixed radius the kernel of smooth networks changes by at most O(1 / sqrt(m)).",
            Mark.REDERIVED,
            "liu2020-linearity",
        ),
        Claim(
            "Along training, where the activation is smooth, both starts drift like 1/m: with paired signs the first "
            "order cancels exactly, with independent ones it is itself of order 1/m.",
            Mark.REDERIVED,
        ),
    ),
    "10 inputs on the sphere of R^20, labels N(0, 1), first layer trained, eta = 1 / |K_0|, 200 steps. Means over "
    "four seeds of the largest |K_t - K_0| / |K_0|.",
    (
        Part(
            "exponents",
            "Drift by width",
            kernel_drift.drift_exponents,
            quick={"widths": (32, 64, 128), "steps": 20, "seeds": (0, 1)},
        ),
    ),
    "The ReLU is not smooth: no rate is promised for it, and the share of flips suggests 1 / sqrt(m).",
)

_DING = Reproduction(
    "ding2021",
    "Rates of the mean-field limit",
    ding2022_limit.PAPER,
    (
        Claim(
            "The loss of a network of width M and depth L is within eps of that of its limit for M > C / (eps^2 "
            "delta) and L > C / eps: the errors are of order 1 / sqrt(M) and 1/L.",
            Mark.READ,
            "ding2022-limit",
        ),
        Claim(
            "With layers drawn anew, which the theorem does not admit, the start deviates like 1 / sqrt(L M).",
            Mark.REDERIVED,
            "ding2022-independent-layers",
        ),
        Claim(
            "States differ by at most C d_1 of their measures, d_1 being the largest W_2 over t (appendix A), and by "
            "at most C times the root mean square distance of particles from those that the limit drives, up to "
            "O(1 / sqrt(M)) (Lemma F.1).",
            Mark.READ,
        ),
        Claim(
            "So, by Gronwall, particles are O(1 / sqrt(M)) from those that the limit drives, and W_2 is at most that.",
            Mark.REDERIVED,
        ),
        Claim(
            "M draws of a law in R^7 approach it in W_2 like M^(-1/7) only (Dudley 1969; Fournier and Guillin 2015), "
            "along lines like 1 / sqrt(M).",
            Mark.FROM_MEMORY,
        ),
    ),
    "Labels sin(pi x) at nine points (x, 0) of R^2, branches a tanh(W z + c) with W and c normalised separately and C "
    "= 3, the accelerated flow by steps of pseudo-time 0.1. Each number is a root mean square, or a mean, over draws; "
    "a network of 8192 branches, 512 layers, or 4096 branches (distances) stands for the limit.",
    (
        Part(
            "width",
            "Error by width",
            ding2021_rates.width_rate,
            quick={"branches": (8, 16, 32), "time": 0.2, "depth": 3, "replicas": 6, "reference": 512},
        ),
        Part(
            "depth",
            "Error by depth",
            ding2021_rates.depth_rate,
            quick={"depths": (4, 8, 16), "time": 0.2, "branches": 8, "reference": 64, "seeds": (0, 1)},
        ),
        Part(
            "start",
            "Deviation at the start",
            ding2021_rates.start_deviation,
            quick={"sizes": ((4, 16), (16, 16), (4, 64)), "replicas": 10},
        ),
        Part(
            "distances",
            "Distances of the particles",
            ding2021_distances.distances,
            quick={"branches": (8, 16, 32), "time": 0.2, "depth": 2, "replicas": 4, "reference": 256},
        ),
    ),
    "W_2 is computed exactly, by the assignment of least cost; the sliced distance is over 64 drawn directions, exact "
    "along each. The distance between networks of different draws hardly falls, although every loss and output "
    "converges like 1 / sqrt(M): its rate is that of sampling in R^7, not of training.",
)

_LIU = Reproduction(
    "liu2021",
    "Laws of the hyperspherical energy, and what the orthogonalisers keep",
    liu2021_opt.PAPER,
    (
        Claim("Rotations keep the energy of the neurons exactly.", Mark.REDERIVED, "liu2021-opt-invariance"),
        Claim(
            "With |R^T R - I| = e it changes by a factor of at most ((1 + e) / (1 - e))^(s/2).",
            Mark.REDERIVED,
            "liu2021-opt-nearly",
        ),
        Claim("For 0 < s < d - 1 Gaussian neurons have mean energy n (n - 1) I_s.", Mark.REDERIVED, "liu2021-opt-mean"),
        Claim("For 2 s < d - 1 its variance is 2 n (n - 1) (I_2s - I_s^2).", Mark.REDERIVED, "liu2021-opt-variance"),
        Claim(
            "The mean exceeds the least energy by a share of order n^(-p), p = 1 - s/(d - 1).",
            Mark.FROM_MEMORY,
            "liu2021-opt-gap",
        ),
    ),
    "Energies of Gaussian neurons over 2000 draws; the least energy is the best of five runs of L-BFGS, an upper "
    "bound; training is on 30 random inputs with random labels.",
    (
        Part("moments", "Mean and variance", liu2021_energy.moments, quick={"sizes": (8, 16), "draws": 60}),
        Part(
            "gap",
            "Excess over the least energy",
            liu2021_energy.gap_exponent,
            quick={"sizes": (8, 16, 32), "restarts": 2},
        ),
        Part("orthogonality", "One orthogonalisation", liu2021_energy.orthogonality, quick={"sizes": (8, 16)}),
        Part("drift", "Many steps on the group", liu2021_energy.descent_drift, quick={"steps": (10, 20, 40), "d": 16}),
        Part("training", "Energy in training", liu2021_energy.energy_in_training, quick={"steps": 20}),
    ),
    "Curves that are exactly zero are not drawn on logarithmic axes; the table has them.",
)

_ALLENZHU = Reproduction(
    "allenzhu2019",
    "The lemmas for deep ReLU networks, in training",
    allenzhu2019_convergence.PAPER,
    (
        Claim(
            "Descent reaches any loss in a number of steps that does not depend on m, and weights travel O(1 / "
            "sqrt(m)) in spectral norm.",
            Mark.FROM_MEMORY,
            "allenzhu2019-gd",
        ),
        Claim(
            "So does stochastic descent, in a number of steps of order 1/b.",
            Mark.FROM_MEMORY,
            "allenzhu2019-sgd",
        ),
        Claim(
            "|grad F|^2 is at least c delta m F / (d n^2) near the start, by the last layer alone.",
            Mark.FROM_MEMORY,
            "allenzhu2019-gradients",
        ),
        Claim(
            "F is semi-smooth near the start, with a first-order term of order omega^(1/3).",
            Mark.FROM_MEMORY,
            "allenzhu2019-semismooth",
        ),
        Claim(
            "The Jacobian changes by a share of at most O(sqrt(log m) omega^(1/3) L^3).",
            Mark.FROM_MEMORY,
            "allenzhu2019-ntk",
        ),
    ),
    "Fully-connected ReLU networks with A and B frozen, 10 inputs of as many dimensions, 10 outputs, N(0, 1) "
    "labels, eta = 1 / |K_0|, until F "
    "is a thousandth of its start. Means over three seeds (dominance: four).",
    (
        Part(
            "laws",
            "Exponents in the width",
            allenzhu2019_laws.laws,
            quick={"depths": (2,), "widths": (32, 64, 128), "size": 5, "seeds": (0, 1), "horizon": 100},
        ),
        Part(
            "dominance",
            "Gradient dominance",
            allenzhu2019_laws.dominance_at_the_start,
            quick={"depths": (1, 2), "width": 64, "size": 5, "seeds": (0, 1)},
        ),
        Part(
            "perturbations",
            "Semi-smoothness and the Jacobian",
            allenzhu2019_laws.perturbations,
            quick={"width": 64, "depth": 2, "size": 5},
        ),
        Part(
            "stochastic",
            "Stochastic descent",
            allenzhu2019_stochastic.stochastic_descent,
            quick={"batches": (1, 5), "width": 64, "size": 5, "seeds": (0, 1), "horizon": 400},
        ),
    ),
    "What is allowed is an upper bound with an unspecified constant: a steeper exponent agrees with it, and a "
    "shallower one at these widths refutes nothing. The share of flips is still on its way to its limit.",
)

_POLACZYK = Reproduction(
    "frontier",
    "The width at which ordinary training interpolates",
    polaczyk2022.PAPER,
    (
        Claim("A hidden width of order n^(5/4) suffices for the flow.", Mark.FROM_MEMORY, "polaczyk2022-flow"),
        Claim("A width of order n^1.5 / d suffices for smooth networks.", Mark.READ, "song2021-shallow"),
        Claim(
            "n labels need about as many weights: the frontier is d m ~ n, far below every sufficient width.",
            Mark.REDERIVED,
        ),
        Claim(
            "The flow on the first layer reaches zero loss from (72/pi) |X|^6 |y|^2 / lambda_0^4 neurons on, that on "
            "both layers from zero output weights from 2 |X| |y| / lambda(G), to leading order.",
            Mark.REDERIVED,
            "baseline-relu-flow",
        ),
    ),
    "The programs of the paper (read): inputs uniform in a cube and normalised, labels +-1, first layer trained by "
    "full descent with eta = 0.15 and momentum 0.9 on the mean squared error for 50,000 steps; success is an error "
    "below 2.5e-3 sqrt(n). The least even width at which two of three draws succeed.",
    (
        Part(
            "dimension",
            "Frontier by dimension",
            polaczyk2022_frontier.by_dimension,
            quick={"dimensions": (4, 6, 8), "points": 20, "steps": 2000, "seeds": (0, 1, 2)},
        ),
        Part(
            "points",
            "Frontier by number of inputs",
            polaczyk2022_frontier.by_points,
            quick={"points": (16, 24, 32), "dimension": 6, "steps": 2000, "seeds": (0, 1, 2)},
        ),
    ),
    "Bisection takes success as monotone in the width. The threshold grows with n, and the number of steps does not: "
    "both bend the fits. Their intervals are from the scatter about the line, not from draws.",
)

_DONG = Reproduction(
    "geometry",
    "Paths, curvature, sensitivity and test error",
    dong2019.PAPER,
    (
        Claim(
            "Networks are paths of transformations, and curvature explains over-parameterisation, easy convergence, "
            "low sensitivity and generalisation. No inequality is stated: these are hypotheses, and no number here "
            "verifies them.",
            Mark.READ,
            "dong2019-geometrization",
        ),
        Claim(
            "G1: no solution is nearer than (sqrt(1 + 2 b kappa) - 1) / kappa, and no path (G1; of outputs: G2) is "
            "shorter than the distance it covers.",
            Mark.REDERIVED,
            "dong2019-distance",
        ),
        Claim(
            "G3: with h = beta |r_0| / sigma_0^2 below 1/2 descent reaches zero loss on a path of at most 2 |r_0| / "
            "(sigma_0 (1 + sqrt(1 - 2 h))); h falls like 1 / sqrt(m) once sigma_0 is near its limit.",
            Mark.REDERIVED,
            "baseline-descent",
        ),
    ),
    "Two-layer tanh networks with paired neurons, first layer trained by descent. G1 to G4: 10 inputs on the sphere of "
    "R^20, labels N(0, 1), eta = 1 / (|J_0| + sigma_0)^2, 200 steps, six draws of the weights. G5: at each noise level "
    "20 draws of 20 inputs on the sphere of R^10, labels sqrt(d) x_1 plus noise, and weights, m = 256, 300 steps.",
    (
        Part(
            "paths",
            "G1 to G4: paths, curvature and sensitivity",
            dong2019_geometry.paths,
            quick={"widths": (32, 128, 512), "steps": 60, "seeds": (0, 1)},
        ),
        Part(
            "test error",
            "G5: correlation with the test error",
            dong2019_geometry.correlations,
            quick={"noises": (0.0, 1.0), "seeds": (0, 1, 2, 3, 4), "width": 64, "steps": 60},
        ),
    ),
    "For G4 and G5 there is no theorem. Noise raises both b^2/n and the test error, and so correlates them; at one "
    "level of noise the correlation is what b tells beyond that.",
)

REPRODUCTIONS: dict[str, Reproduction] = {
    one.name: one for one in (_DU, _SU, _ARORA, _DRIFT, _DING, _LIU, _ALLENZHU, _POLACZYK, _DONG)
}
"""By name, in the order of the page."""


def known(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once, in the order of the page.

    Raises:
        ValueError: there is no reproduction of one of the names.
    """
    for name in names:
        if name not in REPRODUCTIONS:
            raise ValueError(f"no reproduction {name!r}: choose from {', '.join(REPRODUCTIONS)}")
    return tuple(name for name in REPRODUCTIONS if name in names)
