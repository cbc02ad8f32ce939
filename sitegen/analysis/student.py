"""Student's t quantile, in pure Python."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

_NORMAL = NormalDist()
_NEARLY_NORMAL = 1e6
#: From so many degrees of freedom on, and up to so many standard deviations, the rest of the
#: expansion is below 1e-10.
_MANY, _FAR = 300, 4.0


@cache
def t_quantile(p: float, freedom: float) -> float:
    """Return Student's t quantile, for real degrees of freedom from 0.1 up.

    Found by Newton's method on the distribution, which is the regularised incomplete beta
    function (Abramowitz and Stegun 26.7.1): its tail is convex, so no step leads away from the
    root. It starts at the expansion in powers of 1 / freedom (26.7.5), and is that where there are
    many: archives have thousands of runs. Own code because importing
    scipy costs more CPU time than all the intervals of a build; a test holds it to scipy within
    1e-9.
    """
    if p < 0.5:  # noqa: PLR2004 - the median
        return -t_quantile(1 - p, freedom)
    z = _NORMAL.inv_cdf(p)
    if freedom >= _MANY and z <= _FAR:
        return _expanded(z, freedom)
    constant = _log_gamma_step(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    t = z + (z**3 + z) / (4 * freedom) if freedom >= 1 else 0.0
    for _ in range(1000):
        density = math.exp(constant - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (_t_tail(t, freedom) - (1 - p)) / density
        t += step
        if abs(step) <= 1e-14 * t:  # as far as a double goes
            break
    return t


def _expanded(z: float, freedom: float) -> float:
    """Return the quantile by its expansion in powers of 1 / freedom (26.7.5)."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def _t_tail(t: float, freedom: float) -> float:
    """Return P(T > t) for t >= 0: I_x(a, 1/2) / 2 with x = freedom / (freedom + t^2).

    By its continued fraction (Numerical Recipes, 6.4). Both x and 1 - x are computed from t,
    because one of them is near 0 when ``freedom`` is large.
    """
    if freedom > _NEARLY_NORMAL:
        z = t * (1 - 1 / (4 * freedom)) / math.sqrt(1 + t * t / (2 * freedom))
        return 0.5 * math.erfc(z / math.sqrt(2))  # Abramowitz and Stegun 26.7.8
    a, b = freedom / 2, 0.5
    x, y = freedom / (freedom + t * t), t * t / (freedom + t * t)
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 0.5
    log_x = -math.log1p(t * t / freedom)
    front = math.exp(_log_gamma_step(a) - math.lgamma(b) + a * log_x + b * math.log(y))
    if x < (a + 1) / (a + b + 2):
        return 0.5 * front * _fraction(x, a, b) / a
    return 0.5 - 0.5 * front * _fraction(y, b, a) / b


def _log_gamma_step(a: float) -> float:
    """Return log(gamma(a + 1/2) / gamma(a)); by its series where a difference would cancel.

    Abramowitz and Stegun 6.1.41, expanded; from a = 100 the rest is below 1e-13.
    """
    if a < 100:  # noqa: PLR2004 - see above
        return math.lgamma(a + 0.5) - math.lgamma(a)
    return 0.5 * math.log(a) - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5)


def _fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, 500):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + numerator * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + numerator / c
            c = c if abs(c) > tiny else tiny
            result *= c * d
        if abs(c * d - 1) < 1e-15:  # noqa: PLR2004 - as far as a double goes
            break
    return result
