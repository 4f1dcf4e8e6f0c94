"""A made-up comparison with everything in it: real statements, invented measurements. No number here was measured."""

import math

from bounds.arithmetic import Enclosure
from bounds.catalogue import theorem
from bounds.rendering import latex
from reports.schema import (
    SCHEMA_VERSION,
    AskedWidth,
    CertificateRow,
    Comparison,
    ConditionRow,
    Curve,
    DataRow,
    EditionRow,
    FigureOnePanel,
    Invariant,
    LeastWidthRow,
    Ledger,
    LedgerStep,
    LoosenessRow,
    Number,
    ObservationRow,
    OwnEdition,
    OwnNetwork,
    ProvedNetwork,
    ProvedWidthRow,
    RunRow,
    SideRow,
    WidthSeries,
    WidthTrial,
)

HIDDEN = "C taken as 1: the paper says only large enough, so this is a lower estimate of what is asked"
WIDTHS = {"printed": 6.27e15, "corrected": 6.27e15, "explicit": 8.31e21, "improved": 3.94e20, "sharp": 4.117e12}


def enclosed(value, radius=1e-13):
    return Number.enclosed(Enclosure.between(value * (1 - radius), value * (1 + radius)))


def assumed(value):
    bounds = Enclosure.between(value * (1 - 1e-13), value * (1 + 1e-13))
    return Number.enclosed(Enclosure(bounds.ball, HIDDEN))


def exact(value):
    return Number.enclosed(Enclosure.of(value))


def editions():
    tops = (theorem("du2019-two-layer-flow"), theorem("du2019-two-layer"))
    statements = {id(statement): statement for top in tops for statement in top.graph()}
    for rank, statement in enumerate(statements.values()):
        for edition in statement.editions:
            hidden = tuple(map(str, edition.hidden_constants))
            asks = any(c.name in ("width", "travel below radius") for c in edition.assumes)
            width = WIDTHS[edition.name] / 10 ** (3 * (rank % 3))
            yield EditionRow(
                statement=statement.name,
                title=statement.title,
                identifier=statement.identifier,
                dynamics=statement.dynamics,
                edition=edition.name,
                mark=str(edition.mark),
                reason=edition.reason,
                proof="proved by z3 and cvc5 (3 obligations)" if edition.name != "printed" else "",
                hidden_constants=hidden,
                width=(assumed(width) if hidden else enclosed(width)) if asks else None,
                step_size=enclosed(2.3e-6) if statement.dynamics == "gradient descent" and asks else None,
                conditions=tuple(
                    ConditionRow(
                        c.name,
                        latex(c.relation) if c.relation is not None else rf"\text{{{c.name}}}",
                        "undecided" if hidden else ("fails" if c.name == "travel below radius" else "holds"),
                        exact(1024) if c.relation is not None else None,
                        str(c.relation.rel_op) if c.relation is not None else "",
                        enclosed(width) if c.relation is not None else None,
                        "rows are normalised exactly" if c.relation is None else "",
                    )
                    for c in edition.assumes
                ),
                promises=tuple(latex(p.relation) for p in edition.conclusions),
                errors=tuple(error.text for error in statement.errors),
                setting=str(statement.setting),
            )


def curve(label, steps, slope, promised_slope):
    iterations = tuple(range(0, steps + 1, max(1, steps // 400)))
    loss = tuple(24.1 * math.exp(-slope * k) + 1e-19 for k in iterations)
    return Curve(label, iterations, loss, tuple(24.1 * math.exp(-promised_slope * k) for k in iterations))


def observation(name, symbol, measured, promised, verdict="holds"):
    return ObservationRow(name, symbol, Number.measured(measured), enclosed(promised), verdict)


OBSERVATIONS = (
    observation("travel", r"\max_r\lVert w_r(k)-w_r(0)\rVert", 0.6321, 611.2),
    observation("neurons near a kink", r"\tfrac{1}{m}\sum_i\lvert S_i^{\perp}\rvert", 11.2, 41300.0),
    observation("Gram drift", r"\lVert H(k)-H(0)\rVert", 1.402, 0.00571, "fails"),
    observation("least eigenvalue", r"\lambda_{\min}(H(k))", 0.0297, 0.0286),
)


def run(label, edition, key, width, step, steps, condition, conclusion, slope, promised):
    line = curve(label, steps, slope, promised)
    horizon = line.promised[0] / line.promised[-1]
    return RunRow(label, edition, key, width, step, 0, steps, condition, conclusion, horizon, OBSERVATIONS, line)


def ledger(statement, edition, start):
    steps = []
    width = start
    for lemma, what, lost in (
        ("Theorem 4.1", "the initial residual, bounded by Markov, against the one drawn", 1.32),
        ("Corollary 4.1", "travel: the sum of gradient bounds", 4.71),
        ("Lemma 4.1", "neurons near a kink: Markov", 2.43),
        ("Lemma 3.2", "Gram drift: every neuron near a kink is taken to flip", 3.08),
        ("Lemma 3.2", "norm of a matrix of flips by the sum of its entries", -0.37),
    ):
        width /= 10**lost
        steps.append(LedgerStep(lemma, what, enclosed(41.3), Number.measured(9.1), lost, Number.measured(width)))
    end = Number.estimated(45, 64, confidence=0.95, samples=29)
    return Ledger(statement, edition, enclosed(start), tuple(steps), math.log10(width / end.centre), end)


def sample(title="digits (made up)", figure_one=True):
    least = Number.estimated(45, 64, confidence=0.95, samples=29)
    trials = ((16, 0, 29), (32, 4, 29), (45, 21, 29), (64, 29, 29), (128, 29, 29), (256, 29, 29))
    widths = (64, 128, 256, 512, 1024, 2048)
    return Comparison(
        version=SCHEMA_VERSION,
        product="zeroloss 0.0 (sample)",
        title=title,
        data=(
            DataRow("data", f"{title}, 50 of 1797 rows, balanced over 10 classes, seed 0"),
            DataRow("labels", "digits 0 to 4 are −1, digits 5 to 9 are +1"),
            DataRow("failure probability", "0.1"),
            DataRow("rows taken", ", ".join(str(37 * i % 1797) for i in range(50))),
            DataRow("SHA-256 of the bytes", "9f2c" * 16),
        ),
        invariants=(
            Invariant("number of inputs", "n", exact(50)),
            Invariant("input dimension", "d", exact(64)),
            Invariant(
                "least eigenvalue of the infinite-width Gram matrix", r"\lambda_{0}", enclosed(0.0457123456, 1e-12)
            ),
            Invariant("spectral norm of the data matrix with unit rows", r"\lVert X\rVert", enclosed(5.713, 1e-14)),
            Invariant("Frobenius norm of the inner products", r"\lVert XX^{\top}\rVert_F", enclosed(34.2, 1e-14)),
            Invariant("least distance of two unit rows, up to sign", r"\rho", enclosed(0.3117, 1e-3)),
            Invariant("norm of the labels", r"\lVert y\rVert", enclosed(7.0710678118, 1e-15)),
            Invariant("failure probability", r"\delta", exact(0.1)),
        ),
        rounding=(
            DataRow("rounding of the data to unit rows", "2.2 × 10⁻¹⁶"),
            DataRow("entries of the Gram matrix", "1.1 × 10⁻¹⁵"),
            DataRow("eigenvalue", "3.9 × 10⁻¹⁵"),
        ),
        notes=("The search for the least width was cut short after 30 s; the interval is wider than it need be.",),
        editions=tuple(editions()),
        runs=(
            run("largest stable step", "explicit", "a1", 1024, 0.0712, 4000, "fails", "holds", 0.011, 0.0018),
            run("largest stable step", "sharp", "a1", 1024, 0.0712, 4000, "fails", "holds", 0.011, 0.0036),
            run(
                "step of Theorem 4.1, explicit edition",
                "explicit",
                "b2",
                1024,
                9.1e-6,
                4000,
                "fails",
                "too short to tell",
                6e-7,
                2.1e-7,
            ),
            run(
                "four orthonormal inputs, inside every condition",
                "sharp",
                "c3",
                1043038,
                1.0,
                24,
                "holds",
                "holds",
                1.38,
                0.575,
            ),
        ),
        certificates=(
            CertificateRow(
                "digits, largest stable step",
                1024,
                0,
                "undecided",
                "travel may exceed the radius: 1.2 <= 0.8 fails",
                {"radius": enclosed(0.81), "travel": enclosed(1.21)},
            ),
            CertificateRow(
                "four orthonormal inputs",
                1043038,
                0,
                "holds",
                "",
                {"radius": enclosed(0.00979), "travel": enclosed(0.00883)},
                own_data=False,
            ),
        ),
        looseness=(
            LoosenessRow(
                "width",
                "Theorem 4.1",
                "printed",
                assumed(6.27e15),
                least,
                13.99,
                None,
                "at least, since a hidden constant is taken as 1",
            ),
            LoosenessRow("width", "Theorem 4.1", "explicit", enclosed(8.31e21), least, 20.11, 20.27, ""),
            LoosenessRow("width", "Theorem 4.1", "sharp", enclosed(4.117e12), least, 10.81, 10.96, ""),
            LoosenessRow(
                "step size",
                "Theorem 4.1",
                "explicit",
                enclosed(9.1e-6),
                Number.estimated(0.0712, 0.0716, confidence=0.95, samples=5),
                3.893,
                3.896,
                "",
            ),
            LoosenessRow(
                "rate",
                "Theorem 4.1",
                "explicit",
                enclosed(0.9982),
                Number.measured(0.989),
                0.79,
                0.79,
                "log of the contraction per step",
            ),
            LoosenessRow(
                "flips",
                "Lemma 4.1",
                "explicit",
                enclosed(41300),
                Number.measured(0.0),
                None,
                None,
                "not comparable: nothing flipped",
            ),
            LoosenessRow(
                "how many neurons a move of that length could flip",
                "Theorem 4.1",
                "sharp",
                enclosed(611.2),
                Number.measured(0.6321),
                2.985,
                2.986,
                "",
            ),
        ),
        ledgers=(ledger("Theorem 4.1", "explicit", 8.31e21), ledger("Theorem 4.1", "sharp", 4.117e12)),
        least_width=LeastWidthRow(
            r"\lVert e(k)\rVert^{2} \leq \lVert e_0\rVert^{2} \left(1 - \frac{\lambda_{0} \eta}{2}\right)^{k}",
            0.0356,
            1010,
            100.0,
            "measured",
            least,
            tuple(
                WidthTrial(m, s, (t - s) // 2, t, max(0.0, s / t - 0.16), min(1.0, s / t + 0.14)) for m, s, t in trials
            ),
        ),
        proved_widths=tuple(proved_widths()),
        series=(
            WidthSeries(
                "travel",
                r"\max_r\lVert w_r(k)-w_r(0)\rVert",
                widths,
                tuple(18 / m**0.5 for m in widths),
                tuple(19558 / m**0.5 for m in widths),
            ),
            WidthSeries(
                "sum over inputs of the fraction of neurons that flipped",
                r"\tfrac{1}{mn}\sum_i\lvert S_i\rvert",
                widths,
                tuple(3.1 / m**0.5 for m in widths),
                tuple(41.0 for m in widths),
            ),
            WidthSeries(
                "Gram drift",
                r"\lVert H(k)-H(0)\rVert",
                widths,
                tuple(28 / m**0.5 for m in widths),
                tuple(0.00571 for m in widths),
            ),
        ),
        figure_one=tuple(figure_one_panels()) if figure_one else (),
        seconds={
            "certified invariants": 0.21,
            "runs and searches": 48.3,
            "proofs of the algebra": 4.4,
            "comparison": 1.3,
        },
        commands=("zeroloss report --data digits --n 50 --delta 0.1 --seed 0", "zeroloss prove du2019-two-layer"),
        own_networks=tuple(own_networks()),
    )


def own_networks():
    """Every promise of three families, and one that names no networks."""
    for identifier in ("du2019-two-layer-joint", "du2019-deep-resnet", "allenzhu2019-gd", "nguyen2021-linear"):
        statement = theorem(identifier)
        silent = identifier == "nguyen2021-linear"
        yield OwnNetwork(
            identifier=identifier,
            statement=statement.name,
            title=statement.title,
            dynamics=statement.dynamics,
            setting=str(statement.setting),
            network={} if silent else {"type": "two-layer", "width": "256", "residual_scale": "0.5"},
            key="" if silent else "0" * 64,
            seed=0,
            step_size=0.0432 if statement.dynamics == "gradient descent" else None,
            horizon="" if silent else "times up to 34.6",
            first_loss=None if silent else 29.55,
            last_loss=None if silent else 0.6028,
            editions=() if silent else tuple(own_edition(edition) for edition in statement.editions),
            note="its networks are not trained here" if silent else "",
        )


def own_edition(edition):
    sides = tuple(
        SideRow(
            name=promise.name,
            latex=latex(promise.relation),
            measured=None if rank == 3 else Number.measured(1.206),
            promised=None if rank == 3 else enclosed(720.2),
            verdict=("holds", "fails", "too short to tell", "undecided")[rank % 4],
            decades_lower=None if rank == 3 else 2.77,
            decades_upper=None if rank == 3 else 2.78,
            note="" if rank else "the promised side fell by a factor 3.12; ||H - H(0)|| <= 2 n_1 & more",
        )
        for rank, promise in enumerate(edition.promises)
    )
    return OwnEdition(edition.name, str(edition.mark), (), "fails", "undecided", (), (), sides)


def proved_widths():
    tried = (WidthTrial(64, 2, 7, 29, 0.012, 0.86), WidthTrial(128, 29, 0, 29, 0.902, 1.0))
    asked = (
        AskedWidth("Theorem 4.1", "printed", r"m = \Omega(n^{6} / \delta^{3})", ("C",), assumed(6.27e15)),
        AskedWidth("Theorem 4.1", "explicit", "", (), enclosed(8.31e21)),
        AskedWidth("Theorem 4.1", "sharp", "", (), enclosed(4.117e12)),
    )
    static = AskedWidth("the best bound at the start", "", r"m > 4 \beta^{2}", (), enclosed(46054.9))
    measured, proved = (Number.estimated(*ends, confidence=0.95, samples=29) for ends in ((12, 23), (65, 128)))
    network = ProvedNetwork(64, 3, 0.0721, 66, 15.63)
    yield ProvedWidthRow(
        "ReLU", "two-layer ReLU", asked, proved, measured, network, 3000, 1e-10, tried, tried, 20.1, 0.71, ()
    )
    unknown = Number.estimated(9, math.inf, confidence=0.95, samples=29)
    cut = ("proofs: the time budget of 15 s ended the search at width 16",)
    yield ProvedWidthRow(
        "tanh", "two-layer tanh", (static,), unknown, measured, None, 25000, 1e-10, tried, tried, 14.9, 3.82, cut
    )


def figure_one_panels():
    widths = (500, 1000, 2000, 4000, 8000)
    paper = {
        "(a) logarithm of the training error": (-1.60, -2.15, -3.03, -4.06, -5.66),
        "(b) share of changed patterns": (0.0184, 0.0152, 0.0116, 0.0097, 0.0066),
        "(c) largest distance, squared": (2.78, 2.07, 1.34, 0.95, 0.45),
    }
    for panel, values in paper.items():
        yield FigureOnePanel(panel, "step 10⁻³ √m", widths, tuple(v * 1.03 for v in values), values)
        flat = tuple(v * 0.2 - 3 if v < 0 else v * 1.4 for v in values)
        yield FigureOnePanel(panel, "the same step for every width", widths, flat, values)
