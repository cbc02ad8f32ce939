"""Student's t quantile, in pure Python."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from statistics import NormalDist

#: Of an interval that stands alone: both tails are left out.
CONFIDENCE = 0.95
#: Degrees of freedom from which the rest of the expansion is below 1e-9.
_MANY = 400


@cache
def z_quantile(tests: float = 1.0) -> float:
    """Return the normal quantile for intervals that hold together at 95 % over so many tests."""
    return NormalDist().inv_cdf(1 - _tail(tests))


def _tail(tests: float) -> float:
    return (1 - CONFIDENCE) / 2 / tests


Z = z_quantile()


@lru_cache(maxsize=2**16)
def t_quantile(freedom: float, tests: float = 1.0) -> float:
    """Return Student's t at 97.5 %, for real degrees of freedom from 1 up.

    With ``tests`` it is that of intervals which hold together over so many (Bonferroni). Found by
    Newton's method on the distribution, which is the regularised incomplete beta
    function (Abramowitz and Stegun 26.7.1): its tail is convex, so no step leads away from the
    root. It starts at the expansion in powers of 1 / freedom (26.7.5), and is that where there are
    many. Own code because importing scipy costs more CPU time than all the intervals of a build; a
    test holds it to scipy within 1e-9.
    """
    z = z_quantile(tests)
    if freedom >= _MANY:
        return z + sum(term / freedom**power for power, term in enumerate(_terms(z), 1))
    half = freedom / 2
    constant = math.lgamma(half + 0.5) - math.lgamma(half) - 0.5 * math.log(freedom * math.pi)
    t = z + (z**3 + z) / (4 * freedom)
    for _ in range(1000):
        density = math.exp(constant - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (_t_tail(t, freedom) - _tail(tests)) / density
        t += step
        if abs(step) <= 1e-8 * t:  # the next would be its square: less than a double holds
            break
    return t


@cache
def _terms(z: float) -> tuple[float, ...]:
    """Return the terms of the expansion, of each power of 1 / freedom."""
    return (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )


def _t_tail(t: float, freedom: float) -> float:
    """Return P(T > t) for t >= Z: I_x(a, 1/2) / 2 with x = freedom / (freedom + t^2).

    By its continued fraction (Numerical Recipes, 6.4), which converges so far out.
    """
    a, b, square = freedom / 2, 0.5, t * t
    log_x, y = -math.log1p(square / freedom), square / (freedom + square)
    front = math.lgamma(a + 0.5) - math.lgamma(a) - math.lgamma(b) + a * log_x + b * math.log(y)
    x = freedom / (freedom + square)
    d = 1 / (1 - (a + b) * x / (a + 1))
    c, result = 1.0, d
    for m in range(1, 500):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + numerator * d)
            c = 1 + numerator / c
            result *= c * d
        if abs(c * d - 1) < 1e-15:  # noqa: PLR2004 - as far as a double goes
            break
    return 0.5 * math.exp(front) * result / a
