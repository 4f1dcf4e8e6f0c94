"""What is proved about gradient descent from stored weights by following it."""

from __future__ import annotations

from dataclasses import dataclass

from bounds.arithmetic import Verdict
from bounds.certificates.kinks import End
from bounds.certificates.newton_kantorovich import Point
from bounds.linalg.rounding import FloatArray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What is proved about exact gradient descent from stored weights, or why nothing is.

    Args:
        verdict: holds where descent is proved to converge to a point of zero loss; else undecided, with the inequality
            that is missing, its two sides, and what would mend it.
        step_size: eta.
        steps: the first step tested from which the end theorem applies, or the steps followed in vain.
        error: E, a bound of the distance between the run and exact descent at that step.
        growth: the sum over all steps of the logarithm of the factor by which E may grow.
        residual: a bound of the exact ||r|| at that step.
        travelled: a bound of the length of exact descent's path up to that step.
        path: the same of its whole path, all steps to come included.
        decay: from that step on every step multiplies ||r|| by at most 1 - eta decay.
        weights: of the run at that step (m, d).
        point: what is known of exact descent's weights there, where the theorem of
            :mod:`bounds.certificates.newton_kantorovich` gives path and decay; None for the ReLU, or without a proof.
        kinks: what :mod:`bounds.certificates.kinks` proves there of a ReLU network; None for others.
    """

    verdict: Verdict
    step_size: float
    steps: int
    error: float
    growth: float
    residual: float
    travelled: float
    path: float
    decay: float
    weights: FloatArray
    point: Point | None = None
    kinks: End | None = None

    def __str__(self) -> str:
        if not self.verdict.holds:
            return f"not certified in {self.steps} steps of size {self.step_size:.6g}: {self.verdict}"
        return (
            f"gradient descent with steps of size {self.step_size:.6g} reaches zero loss: certified at step "
            f"{self.steps}, where it is within {self.error:.2g} of the run; its path is no longer than {self.path:.4g} "
            f"and every further step shrinks the residual by 1 - {self.step_size * self.decay:.3g} or more"
        )
