"""What runs of any family will take: memory from going through the motions without numbers, time from a short trial."""

from __future__ import annotations

import copy
import gc
import math
import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from empirical.batches import single_threaded
from empirical.dynamics import GradientFlow, Method, OrthogonalDescent, StochasticDescent, gradient, trajectory
from empirical.foresight import FLOAT, MAPPED, RECORDED, MemoryForeseen, amount, clock_of
from empirical.losses import Loss
from empirical.measurements import OBSERVABLES, View
from empirical.networks import Family, ding2021, liu2021_opt
from empirical.networks.shallow import TwoLayer
from empirical.tangent_kernels import TEMPORARY

_BEYOND = 2**62
"""Bytes in place of a size that torch cannot count."""

_TRIAL_BYTES = 2**28
"""A trial takes at most so much; the time of a larger run is scaled up from a smaller one by operations."""

_NOMINAL = 5e-10
"""Seconds per operation where no trial is small enough: one core at 2 GFLOP/s."""

_TRIAL_OPERATIONS = 10**10
"""About so many are spent on the trial of a flow."""

_FLOW_VECTORS = 33
"""Vectors of all parameters that the solver of a flow holds: 16 stages, 7 of its interpolant, and states."""

_VECTORS = {"travel": 2, "gradient dominance": 2, "semi-smoothness": 4, "curvature": 28}
"""Vectors of all parameters that an observable holds beside the run's own."""

_BLOCK = 512
"""Inputs of a block of a Gram matrix, two of which are at work at a time."""

_HOLES = 1.8
"""Room that is kept and does not fit again, at most so many times what a step makes and drops (glibc 2.36)."""

_WORKSPACE = 15 * 10**6
"""Bytes that products and convolutions take beside their arguments (measured)."""

_KERNELS = ("residuals", "tangent kernel", "jacobian change", "sensitivity")
"""Observables that need Gram matrices."""


class Rehearsal(NamedTuple):
    """A step as it would be.

    Args:
        outputs: shape of the network's outputs.
        bytes: the most that is alive at a time.
        holes: bytes that small arrays, once dropped, leave beside it.
        activations: bytes that the forward pass keeps for the backward one.
        parameters: trained.
        operations: floating-point ones, of the matrix products.
    """

    outputs: tuple[int, ...]
    bytes: int
    holes: int
    activations: int
    parameters: int
    operations: int


class _Ledger(TorchDispatchMode):
    """Counts the bytes of all tensors that are made and not yet dropped, and of the small ones among them.

    Tensors without numbers stay behind in cycles of references (of torch's fake mode), so no new peak is believed
    before the collector has run; what was there before the ledger is kept from it, for speed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.most = self.small = self.most_small = 0
        self._known: set[int] = set()

    def __enter__(self) -> Self:
        """Begin to count."""
        gc.freeze()
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        """End counting."""
        super().__exit__(*raised)
        gc.unfreeze()

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do what is asked for, and enter what comes out."""
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._enter(tensor.untyped_storage())
        return made

    def _enter(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._known:
            return
        size = storage.nbytes()
        small = size if size < MAPPED else 0
        self._known.add(storage._cdata)
        self.alive += size
        self.small += small
        if self.alive > self.most or self.small > self.most_small:
            gc.collect()
            self.most, self.most_small = max(self.most, self.alive), max(self.most_small, self.small)
        weakref.finalize(storage, self._drop, storage._cdata, size, small)

    def _drop(self, address: int, size: int, small: int) -> None:
        self._known.discard(address)
        self.alive -= size
        self.small -= small


@lru_cache(maxsize=1024)
def rehearse(family: Family, shape: tuple[int, ...], loss: Loss, method: Method) -> Rehearsal:
    """Go through the first step of a run with tensors that have shapes and no numbers.

    Args:
        family: the network.
        shape: of the inputs.
        loss: what is minimised.
        method: how; of a flow, one evaluation of the velocity.

    Raises:
        ValueError: the inputs do not fit the network.
    """
    with FakeTensorMode(), _Ledger() as ledger, FlopCounterMode(display=False) as operations:
        X = torch.empty(shape, dtype=torch.float64)
        start, network = family.draw(shape[1], 0), family.draw(shape[1], 0)
        with torch.no_grad():
            try:
                outputs = start(X)
            except (RuntimeError, IndexError) as error:
                raise ValueError(f"inputs {shape} do not fit {family}: {str(error).splitlines()[0]}") from error
        if loss.kind == "cross-entropy" and outputs.ndim != 2:
            raise ValueError(
                "cross-entropy needs an output for each class: choose a family that has outputs, or widths"
            )
        y = torch.empty(len(X), dtype=torch.int64) if loss.kind == "cross-entropy" else torch.empty_like(outputs)
        trained = [p for p in network.parameters() if p.requires_grad]
        momenta = [torch.empty_like(p) for p in trained] if _moves_on(method) else []
        rows = method.batch if isinstance(method, StochasticDescent) else len(X)
        before = ledger.alive
        kept = loss.value(network(X[:rows]), y[:rows])
        activations = ledger.alive - before
        del kept
        for _ in range(2):  # the gradients of a step are kept until the next ones are there
            _, *gradients = gradient(network, trained, X[:rows], y[:rows], loss)
        for p, g in zip(trained, gradients, strict=True):
            p.data.sub_(g, alpha=1.0)
            g.square().sum()
        del momenta
        gc.collect()
        dropped = ledger.most_small - ledger.small
    return Rehearsal(
        outputs=tuple(outputs.shape),
        bytes=ledger.most,
        holes=round(_HOLES * dropped) + min(dropped, 2 * MAPPED),  # glibc keeps twice MAPPED at the end of its heap
        activations=activations,
        parameters=sum(p.numel() for p in trained),
        operations=max(1, operations.get_total_flops() // 3),
    )


def _moves_on(method: Method) -> bool:
    """Whether it keeps a velocity beside the parameters."""
    return isinstance(method, OrthogonalDescent) or (not isinstance(method, GradientFlow) and method.momentum > 0)


def network_bytes(
    family: Family, shape: tuple[int, ...], loss: Loss, method: Method, observed: Sequence[str] = ()
) -> int:
    """Foresee the most memory that a run takes, beside what the process has already.

    Args:
        family: the network.
        shape: of the inputs.
        loss: what is minimised.
        method: how.
        observed: names of what is measured on the way.

    Raises:
        ValueError: the inputs do not fit the network.
    """
    try:
        step = rehearse(family, shape, loss, method)
    except (RuntimeError, OverflowError):  # sizes that torch cannot count
        return _BEYOND
    vectors = sum(_VECTORS.get(name, 0) for name in observed)
    recorded = 0
    if isinstance(method, GradientFlow):
        vectors += _FLOW_VECTORS
    else:
        recorded = 3 * RECORDED * (method.steps + 1)
    kernel = 0
    if set(observed) & set(_KERNELS):
        outputs = step.outputs[1] if len(step.outputs) > 1 else 1
        side = shape[0] * outputs
        blocks = min(1.0, 2 * _BLOCK / shape[0]) * (2 if "jacobian change" in observed else 1)
        factors = round((1 + outputs) * step.activations * blocks)
        forms_rows = len(shape) > 2 or isinstance(family, ding2021.ResNet | liu2021_opt.OrthogonalNetwork)
        temporary = min(2 * TEMPORARY, side * step.parameters) if forms_rows else 0
        kernel = factors + FLOAT * (6 * side**2 + temporary)
    return step.bytes + step.holes + _WORKSPACE + FLOAT * vectors * step.parameters + recorded + kernel


def require_network_memory(
    family: Family, shape: tuple[int, ...], loss: Loss, method: Method, observed: Sequence[str], available: int
) -> None:
    """Refuse a run that would not fit; see :func:`network_bytes`.

    Raises:
        MemoryForeseen: naming the largest size of the network, number of points or of steps that fits.
        ValueError: the inputs do not fit the network.
    """

    def needed(size: int | None = None, points: int = shape[0], steps: int | None = None) -> int:
        chosen = family if size is None else resized(family, size)
        how = method if steps is None else msgspec.structs.replace(method, steps=steps)
        if isinstance(how, StochasticDescent) and how.batch > points:
            how = msgspec.structs.replace(how, batch=points)
        return network_bytes(chosen, (points, *shape[1:]), loss, how, observed)

    if needed() <= available:
        return
    size, steps = size_of(family), getattr(method, "steps", 1)
    mend = "take a smaller network"
    if size and needed(2) <= available:
        mend = f"{size} {_fitting(lambda m: needed(m) <= available, getattr(family, size))} fits"
    elif needed(2 if size else None, points=2) <= available:
        most = _fitting(lambda n: needed(2 if size else None, points=n) <= available, shape[0])
        mend = f"{most} points fit" + (f", at {size} 2" if size else "")
    elif steps > 1 and needed(2 if size else None, points=2, steps=1) <= available:
        mend = "take fewer steps"
    raise MemoryForeseen(
        f"training {family} on inputs {shape} takes {amount(needed())}, and {amount(available)} are free: {mend}"
    )


def _fitting(fits: Callable[[int], bool], upper: int) -> int:
    """A size that fits and is within a hundredth of the largest that does, where 2 fits and ``upper`` does not."""
    lower = 2
    while upper > lower + max(1, lower // 100):
        middle = max(lower + 1, math.isqrt(lower * upper))
        lower, upper = (middle, upper) if fits(middle) else (lower, middle)
    return lower


def size_of(family: Family) -> str | None:
    """The name of the one field that sets how wide a network is, or None if each layer has a width of its own."""
    return next((name for name in ("width", "branches") if name in family.__struct_fields__), None)


def resized(family: Family, size: int) -> Family:
    """The same family with another width, which is made even where neurons come in pairs."""
    name = size_of(family)
    assert name is not None
    if isinstance(family, TwoLayer) and family.start == "antisymmetric":
        size += size % 2
    return msgspec.structs.replace(family, **{name: size})


def network_seconds(
    family: Family,
    X: np.ndarray,
    y: np.ndarray,
    loss: Loss,
    method: Method,
    observed: Sequence[tuple[str, int]] = (),
    *,
    device: str = "cpu",
) -> float:
    """Estimate the process time of a run on this machine from a few of its steps, one thread; on a GPU the time.

    A flow is timed from how far a few steps of its solver come, which are shorter at its beginning than later.

    Args:
        family: the network.
        X: inputs (n, ...).
        y: labels.
        loss: what is minimised.
        method: how.
        observed: what is measured, by name, and how often.
        device: where the arithmetic happens.

    Raises:
        ValueError: the labels do not fit, or an observable is not defined for the network.
    """
    tried, points = family, len(X)
    names = [name for name, _ in observed]
    while network_bytes(tried, (points, *X.shape[1:]), loss, _shortened(method, points), names) > _TRIAL_BYTES:
        size = size_of(tried)
        if points > 16:
            points //= 4
        elif size and getattr(tried, size) > 16:
            tried = resized(tried, getattr(tried, size) // 8)
        else:
            return _NOMINAL * rehearse(family, X.shape, loss, method).operations * getattr(method, "steps", 1000)
    short = _shortened(method, points)
    trial = rehearse(tried, (points, *X.shape[1:]), loss, short)
    scale = 1.0
    if (tried, points) != (family, len(X)):
        scale = rehearse(family, X.shape, loss, method).operations / trial.operations
    if isinstance(short, GradientFlow):
        most = min(max(_TRIAL_OPERATIONS // (12 * trial.operations), 10), 60)
        short = msgspec.structs.replace(short, most_steps=most)
    inputs, labels = torch.tensor(X[:points], device=device), torch.tensor(y[:points], device=device)
    network = tried.draw(X.shape[1], 0).to(device)
    start = copy.deepcopy(network)
    clock = clock_of(device)
    with single_threaded():
        moving = _moving_seconds(network, inputs, labels, loss, method, short, clock)
        initial = View(start, start, inputs, labels, loss)
        watching = 0.0
        for name, times in observed:
            began = clock()
            OBSERVABLES[name].measure(View(network, start, inputs, labels, loss, initial=initial))
            watching += times * (clock() - began)
    return scale * (moving + watching)


def _shortened(method: Method, points: int) -> Method:
    if isinstance(method, GradientFlow):
        return method
    if isinstance(method, StochasticDescent):
        method = msgspec.structs.replace(method, batch=min(method.batch, points))
    return msgspec.structs.replace(method, steps=min(method.steps, 4))


def _moving_seconds(
    network: torch.nn.Module,
    X: Tensor,
    y: Tensor,
    loss: Loss,
    method: Method,
    short: Method,
    clock: Callable[[], float],
) -> float:
    """The time of all steps, from those of the shortened method."""
    stops = np.geomspace(1e-6 * method.horizon, method.horizon, 61) if isinstance(method, GradientFlow) else ()
    marks, reached = [clock()], 0.0
    for state in trajectory(network, X, y, loss, short, stops=list(stops)):
        marks.append(clock())
        reached = state.at
    if isinstance(method, GradientFlow):
        spent = clock() - marks[0]
        longest = spent * method.most_steps / short.most_steps if isinstance(short, GradientFlow) else spent
        return min(spent * max(1.0, method.horizon / max(reached, 1e-6 * method.horizon)), longest)
    return min(b - a for a, b in zip(marks, marks[1:], strict=False)) * (method.steps + 1)
