"""``zeroloss measure``: a theorem's own networks, trained and held against what it promises."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from reports.commands.bound import conditions_table, demand
from reports.commands.choices import given_numbers
from reports.commands.console import digits, progress, remark, resumable, show, table
from reports.commands.options import DEFAULT_DATA, DataOptions, Flag, Whole, positive, real, require

if TYPE_CHECKING:
    from rich.console import Console

    from bounds.problem import Problem
    from bounds.statements import Edition, Rate, Statement
    from empirical.store import Store
    from reports.commands.records import Measurement
    from reports.schema import DataRow

FALL = 100.0
"""By default a run is long enough for the promised loss to fall by this factor, up to MOST_STEPS."""

MOST_STEPS = 10_000

MOST = 10**9
"""Of width, steps and seeds."""

app = App(
    name="measure",
    help_epilogue="""Examples:
  zeroloss measure                                  50 digits, width 1024
  zeroloss measure --data sphere:n=4,d=20 --width 4096 --step-size theorem
  zeroloss measure --edition sharp --seeds 10 --steps 2000 --store runs
  zeroloss measure --width 8192 --seeds 20 --device cuda
  zeroloss measure --data iris --n 20 --step-size 0.05 --json
  zeroloss measure du2019-deep-resnet --width 512 --depth 3
  zeroloss measure oymak2019-path --given R_B=20 --edition improved""",
)


@app.default
def measure(
    theorem: str = "du2019-two-layer",
    *,
    options: DataOptions = DEFAULT_DATA,
    edition: str | None = None,
    width: Whole | None = None,
    depth: Whole | None = None,
    step_size: str = "stable",
    steps: Whole | None = None,
    seeds: Whole = 1,
    given: str = "",
    device: str = "cpu",
    store: Path | None = None,
    json: Flag = False,
) -> None:
    """Train a theorem's own networks and hold the runs to its promises.

    Shows whether the theorem's conditions hold at this width and step and, apart from that, whether what it promises
    was measured to hold. A run can support a promise about all iterations only up to its last step, so each shows its
    horizon: the factor by which the promised loss had fallen by then. Below 2 it is too short to tell.

    Any theorem whose entry names its networks can be measured, whatever its dynamics; where data do not determine a
    quantity, that of the run takes its place and the verdict is an estimate.

    Args:
        theorem: identifier, see `zeroloss theorems`
        options: which data
        edition: printed, corrected, explicit, improved or sharp; by default explicit, or else the last one
        width: number of hidden neurons, channels or branches; 1024 for two-layer ReLU networks, else as trains in
            seconds
        depth: number of layers, where the theorem leaves it open
        step_size: `theorem` for the largest that the edition allows, `stable` for one at which the loss falls, or a
            number; of a flow, the unit of --steps
        steps: of training; by default enough for the promised loss to fall by a factor 100, at most 10000, or for
            other families a few hundred
        seeds: how many networks, with seeds --seed, --seed + 1, ...
        given: numbers that the theorem leaves open, in place of measured ones, such as `R_B=20,mu=0.1`
        device: where networks are trained: cpu, or cuda for a GPU, whose runs repeat up to rounding only
        store: folder that keeps finished runs, and from which the same command takes them
        json: JSON on standard output
    """
    require("torch")
    from bounds.catalogue import theorem as find
    from bounds.settings import TwoLayer
    from empirical.devices import require_device
    from empirical.store import Store
    from reports.both_sides.trials import Sizes, network_of

    statement = find(theorem)
    editions = [e.name for e in statement.editions]
    chosen = statement.edition(edition or ("explicit" if "explicit" in editions else editions[-1]))
    positive(width=width, depth=depth, steps=steps, seeds=seeds)
    for name, value in (("width", width), ("depth", depth), ("steps", steps), ("seeds", seeds)):
        if value is not None and value > MOST:
            raise ValueError(f"--{name} is {value:g}: no run of that size ends, give at most {MOST:g}")
    number = None if step_size in ("theorem", "stable") else real(step_size)
    positive(step_size=number)
    numbers = given_numbers(given, [(statement, chosen)])
    searched = statement.setting == TwoLayer() and statement.dynamics == "gradient descent" and chosen.rate is not None
    sizes = Sizes(width, depth, number, steps, device=device)
    require_device(device)
    if not searched:
        network_of(statement, sizes)
    elif depth is not None or given:
        raise ValueError(
            f"{theorem} speaks of two-layer networks, of which nothing is left open: leave out --depth and --given"
        )
    problem, data = options.load()
    kept = None if store is None else Store(store)
    remark(f"certifying the invariants of {problem.n} rows ...")
    if not searched:
        from reports.commands.own_networks import own_page, run_own

        by_theorem = step_size == "theorem"
        seeds_tried = range(options.seed, options.seed + seeds)
        with progress() as advance, resumable(kept):
            advance("training", 0, 1)
            own = run_own(problem, statement, chosen, data, sizes, seeds_tried, numbers, by_theorem, kept)
        show(own, json, lambda console: own_page(own, console))
        return
    width = width or 1024
    if problem.degeneracy is not None:
        raise ValueError(f"{theorem} promises nothing here: {problem.degeneracy}")
    with progress():
        eta = number if number is not None else _step(step_size, problem, statement, chosen, width, device)
        assert chosen.rate is not None
        horizon = _horizon(problem, chosen.rate, eta)
    record = run(
        problem,
        statement,
        chosen,
        data,
        width=width,
        step_size=eta,
        steps=steps or horizon,
        seeds=range(options.seed, options.seed + seeds),
        device=device,
        store=kept,
    )
    show(record, json, lambda console: _page(record, console))


def run(
    problem: Problem,
    statement: Statement,
    edition: Edition,
    data: tuple[DataRow, ...],
    *,
    width: int,
    step_size: float,
    steps: int,
    seeds: range,
    device: str = "cpu",
    store: Store | None = None,
) -> Measurement:
    """Train one network per seed and hold each against an edition.

    Args:
        problem: data, labels and confidence.
        statement: the theorem.
        edition: of the theorem, whose promises count.
        data: which data, for the record.
        width: number of neurons.
        step_size: of gradient descent.
        steps: how many.
        seeds: one network each.
        device: where they are trained.
        store: where finished runs are kept and taken from.
    """
    from empirical.training import train_seeds
    from reports.commands.records import Measurement
    from reports.measurement import TrainedRun
    from reports.rows import certificate_row, prove_start, run_row

    before = set(store.keys()) if store else set()
    with progress() as advance, resumable(store):
        advance("training", 0, len(seeds))
        runs = train_seeds(
            problem,
            width=width,
            step_size=step_size,
            steps=steps,
            seeds=seeds,
            device=device,
            store=store,
            progress=lambda done, wanted: advance("training", done, wanted),
        )
        rows, certificates = [], []
        for done, trained in enumerate(runs):
            advance("judging", done, len(runs))
            item = TrainedRun(f"seed {trained.spec.seed}", problem, (edition.name,), trained)
            start = prove_start(item)
            rows.append(run_row(item, statement, edition, start))
            certificates.append(certificate_row(item, start, own_data=True))
        advance("judging", len(runs), len(runs))
    return Measurement(
        data=data,
        identity=problem.identity,
        demand=demand(problem, statement, edition, width=width, step_size=step_size),
        runs=tuple(rows),
        certificates=tuple(certificates),
        reused=sum(run.key in before for run in runs),
        store=str(store.folder) if store else "",
    )


def _step(name: str, problem: Problem, statement: Statement, edition: Edition, width: int, device: str) -> float:
    if name == "theorem":
        return statement.step_size(problem, edition.name).lower
    from empirical.searches import greatest_stable_step

    remark(f"searching for the largest stable step at width {width} ...")
    return greatest_stable_step(problem, width=width, device=device).lower


def _horizon(problem: Problem, rate: Rate, step_size: float) -> int:
    """How many steps the promised loss takes to fall by FALL, up to MOST_STEPS.

    Raises:
        ValueError: at this step the rate promises no decay.
    """
    from empirical.searches import Decay

    limit = 2 / problem.least_eigenvalue.upper
    if not step_size < limit:
        raise ValueError(
            f"at step {step_size:.4g} no decay is promised, only below 2 / lambda_0 = {limit:.4g}: "
            "give a smaller --step-size"
        )
    decay = Decay(problem.least_eigenvalue, 2 if rate.power == 2 else 1)
    return min(decay.steps_to_fall(step_size, math.sqrt(FALL) if decay.power == 1 else FALL), MOST_STEPS)


def _page(record: Measurement, console: Console) -> None:
    console.print(record.data[0].value)
    asked, first = record.demand, record.runs[0]
    console.print(f"{first.width} neurons, step {first.step_size:.6g}\n")
    console.print(conditions_table(asked))
    for run, certificate in zip(record.runs, record.certificates, strict=True):
        console.print(f"{run.label}, {run.steps} steps, loss {run.curve.loss[0]:.4g} -> {run.curve.loss[-1]:.4g}")
        console.print(f"  condition, for the residual it started from: {run.condition}")
        console.print(f"  conclusion, as measured: {run.conclusion} (the promised loss fell by {run.horizon:.3g})")
        console.print(f"  proof that descent from this start reaches zero loss: {certificate.verdict}")
        console.print(
            table(
                ("promise", "measured", "promised", "verdict"),
                ((o.name, digits(o.measured), digits(o.promised), o.verdict) for o in run.observations),
            )
        )
    if len(record.runs) > 1:
        console.print(_tally(record))
    if record.store:
        console.print(f"{record.reused} of {len(record.runs)} runs were already in {record.store}")


def _tally(record: Measurement) -> str:
    from empirical.searches import CONFIDENCE, limits_of

    kept = sum(run.conclusion == "holds" for run in record.runs)
    broken = sum(run.conclusion.startswith("fails") for run in record.runs)
    lower, upper = limits_of(kept, broken, len(record.runs))
    return (
        f"conclusion kept by {kept} and broken by {broken} of {len(record.runs)} seeds: kept in a share of at least "
        f"{lower:.3f}, and at most {upper:.3f}, of all seeds (each at {CONFIDENCE:.0%} confidence)"
    )
