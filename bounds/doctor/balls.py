"""Do Arb's balls enclose, and are the floats that bound them rounded outwards?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import flint
import numpy as np
from flint import arb

from bounds.arithmetic import Enclosure
from bounds.doctor.findings import Finding

PI = "3.14159265358979323846264338327950288419716939937510582097494459230781640"

CONSTANTS: Mapping[str, tuple[Callable[[], arb], str]] = {
    "pi": (arb.pi, PI),
    "6 asin(1/2)": (lambda: 6 * arb(0.5).asin(), PI),
    "e": (lambda: arb(1).exp(), "2.71828182845904523536028747135266249775724709369995957496696762772407663"),
    "log 2": (lambda: arb(2).log(), "0.69314718055994530941723212145817656807550013436025525412068000949339362"),
    "root of 2": (lambda: arb(2).sqrt(), "1.41421356237309504880168872420969807856967187537694807317667973799073247"),
}
"""Constants, computed, and their leading decimals."""


def constants() -> Finding:
    """Look for the decimals of known constants in balls of 53 to 192 bits, which must be narrow too."""
    for bits in (53, 128, 192):
        with flint.ctx.workprec(bits):
            for name, (compute, decimals) in CONSTANTS.items():
                low, high = _ends(compute())
                first = Fraction(decimals)
                last = first + Fraction(1, 10 ** len(decimals.partition(".")[2]))
                if not low <= first <= last <= high:
                    return Finding("fails", f"the ball of {name} at {bits} bits misses the constant")
                if not high - low <= first / 2 ** (bits - 8):
                    return Finding("fails", f"the ball of {name} at {bits} bits is wider than its precision")
    return Finding("holds", f"{', '.join(CONSTANTS)}, at 53, 128 and 192 bits")


def formulas() -> Finding:
    """Look for exact rational values in balls of random formulas, and between the floats that bound the balls."""
    rng = np.random.default_rng(9)
    count = 400
    for _ in range(count):
        x = [float(v) for v in np.ldexp(rng.standard_normal(4), rng.integers(-20, 20, 4))]
        a, b, c, d = map(Fraction, x)
        p, q, r, s = map(arb, x)
        with flint.ctx.workprec(int(rng.choice([30, 53, 128]))):
            for ball, exact in ((p * q + r, a * b + c), ((p - q) / s * r, (a - b) / d * c)):
                low, high = _ends(ball)
                enclosure = Enclosure(ball)
                if not low <= exact <= high:
                    return Finding("fails", "a ball misses the exact value of its formula")
                if not Fraction(enclosure.lower) <= low <= high <= Fraction(enclosure.upper):
                    return Finding("fails", "the floats that bound a ball do not bound it")
            low, high = _ends(abs(p).sqrt())
            if not max(low, Fraction(0)) ** 2 <= abs(a) <= high**2:
                return Finding("fails", "a ball misses a square root")
    return Finding("holds", f"{3 * count} balls of random formulas hold their exact values")


def _ends(ball: arb) -> tuple[Fraction, Fraction]:
    """The ends of a ball as exact rationals."""
    middle, radius = (_fraction(part) for part in (ball.mid(), ball.rad()))
    return middle - radius, middle + radius


def _fraction(point: arb) -> Fraction:
    mantissa, exponent = (int(part) for part in point.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent
