"""Values -> summaries, intervals and verdict words. Pure; every formula names its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from statistics import NormalDist

CONFIDENCE = 0.95
_NORMAL = NormalDist()
#: Runs a side from which a verdict is given, and from which there is an interval.
RUNS_FOR_VERDICT = 3
RUNS_FOR_INTERVAL = 2
_MAX_EXPONENT = 709.0
_NEARLY_NORMAL = 1e6


class Word(StrEnum):
    """The one word of a comparison."""

    SLOWER = "slower"
    FASTER = "faster"
    NO_DIFFERENCE = "no difference"
    INCONCLUSIVE = "inconclusive"
    TWO_RUNS = "two runs a side"
    ONE_RUN = "one run a side"
    NOT_COMPARABLE = "not comparable"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval; ``kind`` says of what: ``runs``, ``repetitions`` or ``rounding``."""

    low: float
    high: float
    kind: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The values of one series in one environment.

    ``value`` is the mean of the run values: geometric on a ratio scale, arithmetic otherwise.
    ``runs`` is how many runs it stands on (0: unknown, a cited figure), ``values`` the run
    values, ``repetitions`` how many repetitions stand behind each run value.
    """

    value: float
    runs: int
    values: tuple[float, ...]
    repetitions: tuple[int, ...]
    interval: Interval | None


def run_value(values: Sequence[float], *, ratio: bool) -> float:
    """Return the one value that a run contributes: the mean of its repetitions.

    On a ratio scale it is the mean of logarithms, so that 2x and 0.5x cancel; values that
    have no logarithm fall back to the arithmetic mean.
    """
    if len(values) == 1:
        return values[0]
    if ratio and all(value > 0 for value in values):
        mean = math.exp(math.fsum(map(math.log, values)) / len(values))
    else:
        mean = math.fsum(values) / len(values)
    return min(max(mean, min(values)), max(values))  # rounding must not leave their range


def summarise(
    runs: Sequence[Sequence[float]],
    *,
    ratio: bool,
    rounding: tuple[float, float] | None = None,
    cited: bool = False,
) -> Summary | None:
    """Return the Summary of runs, each given as its repetitions' values; None without any.

    From two runs the interval is the t interval of the run values (Student 1908), on
    logarithms for a ratio scale. One run gives the range of its repetitions, a cited figure
    the rounding of its print.
    """
    filled = [values for values in runs if values]
    if not filled:
        return None
    values = tuple(run_value(repetitions, ratio=ratio) for repetitions in filled)
    counts = tuple(len(repetitions) for repetitions in filled)
    centre = run_value(values, ratio=ratio)
    interval: Interval | None = None
    if cited:
        interval = Interval(*rounding, "rounding") if rounding else None
    elif len(values) >= RUNS_FOR_INTERVAL:
        logs = ratio and all(value > 0 for value in values)
        scaled = [math.log(value) if logs else value for value in values]
        mean, half = _mean_and_half_width(scaled)
        low, high = mean - half, mean + half
        interval = Interval(_exp(low), _exp(high), "runs") if logs else Interval(low, high, "runs")
    elif counts[0] > 1:
        interval = Interval(min(filled[0]), max(filled[0]), "repetitions")
    return Summary(centre, 0 if cited else len(values), values, counts, interval)


def slowdown(value: float, baseline: float, *, higher_is_better: bool) -> float | None:
    """Return the factor that is above 1 when ``value`` is worse than ``baseline``.

    None when either is not positive.
    """
    if value <= 0 or baseline <= 0:
        return None
    return baseline / value if higher_is_better else value / baseline


def overhead(factor: float, *, higher_is_better: bool) -> float:
    """Return the conventional share for a slowdown: E/B - 1 for times, 1 - E/B for rates."""
    return 1 - 1 / factor if higher_is_better else factor - 1


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Return (difference of means a - b, lower, upper bound) at 95 %.

    Unequal variances, degrees of freedom by Welch and Satterthwaite (Welch 1947,
    doi:10.1093/biomet/34.1-2.28). Each side needs two values.
    """
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    error_a = _variance(a, mean_a) / len(a)
    error_b = _variance(b, mean_b) / len(b)
    difference, error = mean_a - mean_b, error_a + error_b
    if error == 0:
        return difference, difference, difference
    freedom = error**2 / (error_a**2 / (len(a) - 1) + error_b**2 / (len(b) - 1))
    half = t_quantile(1 - (1 - CONFIDENCE) / 2, freedom) * math.sqrt(error)
    return difference, difference - half, difference + half


def slowdown_interval(
    side: Summary, baseline: Summary, *, higher_is_better: bool
) -> Interval | None:
    """Return the interval of the slowdown: Welch on the logarithms of run values.

    Cited figures give interval arithmetic on their printed precision; two single runs the
    range that their repetitions allow. None when a side has no spread to speak of.
    """
    first, second = (baseline, side) if higher_is_better else (side, baseline)
    measured = min(side.runs, baseline.runs) >= RUNS_FOR_INTERVAL
    if measured and all(v > 0 for v in (*side.values, *baseline.values)):
        _, low, high = welch(
            [math.log(v) for v in first.values], [math.log(v) for v in second.values]
        )
        return Interval(_exp(low), _exp(high), "runs")
    if first.interval is None or second.interval is None or second.interval.low <= 0:
        return None
    if "runs" in (first.interval.kind, second.interval.kind):
        return None  # one side has a single run: its spread says nothing about other runs
    kind = (
        "rounding" if first.interval.kind == second.interval.kind == "rounding" else "repetitions"
    )
    return Interval(
        first.interval.low / second.interval.high, first.interval.high / second.interval.low, kind
    )


def verdict(  # noqa: PLR0911 - one return a word
    side: Summary, baseline: Summary, interval: Interval | None, margin: float
) -> Word:
    """Return the word for a slowdown interval, by the number of runs and then by its ends.

    *slower* and *faster* need an interval that excludes 1 and an effect past ``margin``;
    *no difference* an interval inside it.
    """
    runs = min(side.runs, baseline.runs)
    if runs < RUNS_FOR_INTERVAL:
        return Word.ONE_RUN
    if runs < RUNS_FOR_VERDICT:
        return Word.TWO_RUNS
    if interval is None:
        return Word.INCONCLUSIVE
    middle = math.sqrt(interval.low * interval.high)
    if interval.low > 1 and middle > 1 + margin:
        return Word.SLOWER
    if interval.high < 1 and middle < 1 / (1 + margin):
        return Word.FASTER
    if interval.low > 1 / (1 + margin) and interval.high < 1 + margin:
        return Word.NO_DIFFERENCE
    return Word.INCONCLUSIVE


@cache
def t_quantile(p: float, freedom: float) -> float:
    """Return Student's t quantile, for real degrees of freedom from 0.1 up.

    Found by Newton's method on the distribution, which is the regularised incomplete beta
    function (Abramowitz and Stegun 26.7.1): its tail is convex, so no step leads away from the
    root. It starts at the expansion in powers of 1 / freedom (26.7.5). Own code because importing
    scipy costs more CPU time than all the intervals of a build; a test holds it to scipy within
    1e-9.
    """
    if p < 0.5:  # noqa: PLR2004 - the median
        return -t_quantile(1 - p, freedom)
    constant = _log_gamma_step(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    z = _NORMAL.inv_cdf(p)
    t = z + (z**3 + z) / (4 * freedom) if freedom >= 1 else 0.0
    for _ in range(1000):
        density = math.exp(constant - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (_t_tail(t, freedom) - (1 - p)) / density
        t += step
        if abs(step) <= 1e-14 * t:  # as far as a double goes
            break
    return t


def _mean_and_half_width(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    quantile = t_quantile(1 - (1 - CONFIDENCE) / 2, len(values) - 1)
    return mean, quantile * math.sqrt(_variance(values, mean) / len(values))


def _variance(values: Sequence[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _exp(x: float) -> float:
    """Return e^x, infinite where a float ends: runs 1e50 apart still have an interval."""
    return math.exp(x) if x < _MAX_EXPONENT else math.inf


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
