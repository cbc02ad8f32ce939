"""Values -> summaries, intervals and verdict words. Pure; every formula names its source."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from enum import StrEnum
from statistics import NormalDist

from msgspec import Struct

from sitegen.analysis.student import Z, t_quantile

#: Runs a side from which a verdict is given, and from which there is an interval.
RUNS_FOR_VERDICT = 3
RUNS_FOR_INTERVAL = 2
#: Runs a side beyond which no one is told to go, and how often the advised ones shall decide.
MOST_RUNS = 100
_POWER = 0.8
_MAX_EXPONENT = 709.0


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


class Interval(Struct, frozen=True):
    """A closed interval; ``kind`` says of what.

    ``runs``, ``repetitions`` of two single runs, ``rounding`` of printed digits, or ``counts``.
    """

    low: float
    high: float
    kind: str

    def map(self, rising: Callable[[float], float]) -> Interval:
        """Return the interval of a function that rises with what this is of."""
        return Interval(rising(self.low), rising(self.high), self.kind)

    def over(self, other: Interval) -> Interval:
        """Return the interval of the quotient of two that are positive."""
        return Interval(self.low / other.high, self.high / other.low, _shared_kind(self, other))


class Summary(Struct, frozen=True):
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


class Tally(Struct, frozen=True):
    """How many of ``trials`` were ``events``, over all repetitions of a side."""

    events: float
    trials: float


def run_value(values: Sequence[float], *, ratio: bool) -> float:
    """Return the one value that a run contributes: the mean of its repetitions.

    On a ratio scale it is the mean of logarithms, so that 2x and 0.5x cancel; values that
    have no logarithm fall back to the arithmetic mean.
    """
    if len(values) == 1:
        return values[0]
    if ratio and min(values) > 0:
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
    resolution: float = 0.0,
) -> Summary | None:
    """Return the Summary of runs, each given as its repetitions' values; None without any.

    From two runs the interval is the t interval of the run values (Student 1908,
    doi:10.1093/biomet/6.1.1), on logarithms for a ratio scale. One run gives the range of its
    repetitions, a cited figure the rounding of its print. Both ends move out by half of
    ``resolution``, the step in which the tool prints: the same value is rounded in the same way
    each time, so that no number of runs averages it out.
    """
    filled = [values for values in runs if values]
    if not filled:
        return None
    counts = tuple(map(len, filled))
    values = tuple([run[0] if len(run) == 1 else run_value(run, ratio=ratio) for run in filled])
    centre = run_value(values, ratio=ratio)
    interval: Interval | None = None
    if cited:
        interval = Interval(*rounding, "rounding") if rounding else None
    elif len(values) < RUNS_FOR_INTERVAL:
        ends = min(filled[0]), max(filled[0])
        interval = Interval(*ends, "repetitions") if counts[0] > 1 else None
    elif ratio and min(values) > 0:
        interval = t_interval([*map(math.log, values)], "runs").map(_exp)
    else:
        interval = t_interval(values, "runs")
    if resolution and interval and not cited:
        half = resolution / 2
        low = max(interval.low - half, 0.0) if ratio else interval.low - half
        interval = Interval(low, interval.high + half, interval.kind)
    return Summary(centre, 0 if cited else len(values), values, counts, interval)


def t_interval(values: Sequence[float], kind: str) -> Interval:
    """Return Student's t interval of the mean of two values or more (1908)."""
    mean, variance = _moments(values)
    half = t_quantile(len(values) - 1) * math.sqrt(variance / len(values))
    return Interval(mean - half, mean + half, kind)


def slowdown(value: float, baseline: float, *, higher_is_better: bool) -> float | None:
    """Return the factor that is above 1 when ``value`` is worse than ``baseline``.

    None when either is not positive.
    """
    if value <= 0 or baseline <= 0:
        return None
    return baseline / value if higher_is_better else value / baseline


def overhead(factor: float, *, higher_is_better: bool) -> float:
    """Return the conventional share for a slowdown: E/B - 1 for times, 1 - E/B for rates."""
    if higher_is_better:
        return 1 - 1 / factor if factor > 0 else -math.inf
    return factor - 1


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % bounds of the difference of means a - b.

    Unequal variances, degrees of freedom by Welch and Satterthwaite (Welch 1947,
    doi:10.1093/biomet/34.1-2.28). Each side needs two values.
    """
    (mean_a, variance_a), (mean_b, variance_b) = _moments(a), _moments(b)
    error_a, error_b = variance_a / len(a), variance_b / len(b)
    difference, error = mean_a - mean_b, error_a + error_b
    if error == 0 or not math.isfinite(error):
        return (-math.inf, math.inf) if error else (difference, difference)
    share = error_a / error  # squares of the errors themselves may leave a float's range
    freedom = 1 / (share**2 / (len(a) - 1) + (1 - share) ** 2 / (len(b) - 1))
    half = t_quantile(freedom) * math.sqrt(error)
    return difference - half, difference + half


def slowdown_interval(
    side: Summary, baseline: Summary, *, higher_is_better: bool, resolution: float = 0.0
) -> Interval | None:
    """Return the interval of the slowdown: Welch on the logarithms of run values.

    Cited figures give interval arithmetic on their printed precision; two single runs the
    range that their repetitions allow. None when a side has no spread to speak of. Each side's
    value may lie half of ``resolution`` from what was printed (`summarise`).
    """
    first, second = (baseline, side) if higher_is_better else (side, baseline)
    measured = min(side.runs, baseline.runs) >= RUNS_FOR_INTERVAL
    if measured and min(*side.values, *baseline.values) > 0:
        logs = ([*map(math.log, one.values)] for one in (first, second))
        low, high = map(_exp, welch(*logs))
        if resolution:
            a, b, half = first.value, second.value, resolution / 2
            low *= max(a - half, 0.0) / a * b / (b + half)
            high *= (a + half) / a * (b / (b - half) if b > half else math.inf)
        return Interval(low, high, "runs")
    ends = _single(first, second)
    return ends[0].over(ends[1]) if ends and ends[1].low > 0 else None


def difference_interval(
    side: Summary, baseline: Summary, *, resolution: float = 0.0
) -> Interval | None:
    """Return the interval of side - baseline: Welch on run values, which may be 0 or negative.

    Below two runs a side, and for cited figures, the ends of the two intervals subtracted; None
    when a side has no spread to speak of.
    """
    if min(side.runs, baseline.runs) >= RUNS_FOR_INTERVAL:
        low, high = welch(side.values, baseline.values)
        return Interval(low - resolution, high + resolution, "runs")
    if ends := _single(side, baseline):
        ours, theirs = ends
        return Interval(ours.low - theirs.high, ours.high - theirs.low, _shared_kind(*ends))
    return None


def wilson(tally: Tally) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion.

    Wilson 1927, doi:10.1080/01621459.1927.10502953, without a continuity correction. It has a
    width also where nothing, or everything, was an event.
    """
    n, share = tally.trials, tally.events / tally.trials
    centre = (tally.events + Z * Z / 2) / (n + Z * Z)
    half = Z / (n + Z * Z) * math.sqrt(n * share * (1 - share) + Z * Z / 4)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def newcombe(side: Tally, baseline: Tally) -> tuple[float, float]:
    """Return the 95 % bounds of the difference of proportions side - baseline.

    The hybrid score interval, method 10 of Newcombe 1998,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
    """
    p, q = side.events / side.trials, baseline.events / baseline.trials
    (p_low, p_high), (q_low, q_high) = wilson(side), wilson(baseline)
    below, above = math.hypot(p - p_low, q_high - q), math.hypot(p_high - p, q - q_low)
    return p - q - below, p - q + above


def proportion_interval(
    side: Summary, baseline: Summary, counted: tuple[Tally, Tally] | None
) -> Interval | None:
    """Return the interval of a difference of proportions; ``counted`` is (side, baseline).

    Newcombe's, which sees that few events were counted, and from two runs a side never narrower
    than Welch's on run values, which sees that the requests of one run fail together. Without
    counts the latter alone (`difference_interval`).
    """
    between = difference_interval(side, baseline)
    if counted is None or min(tally.trials for tally in counted) <= 0:
        return between
    low, high = newcombe(*counted)
    if between is None or between.kind != "runs":
        return Interval(low, high, "counts")
    low, high = min(low, between.low), max(high, between.high)
    return Interval(max(low, -1.0), min(high, 1.0), "runs")


def verdict(side: Summary, baseline: Summary, interval: Interval | None, margin: float) -> Word:
    """Return the word for a slowdown interval, by the number of runs and then by its ends.

    *slower* and *faster* need an interval that excludes 1 and an effect past ``margin``;
    *no difference* an interval inside it.
    """
    logs = interval and interval.map(_log)
    return difference_verdict(side, baseline, logs, math.log1p(margin), higher_is_better=False)


def difference_verdict(
    side: Summary,
    baseline: Summary,
    interval: Interval | None,
    margin: float,
    *,
    higher_is_better: bool,
) -> Word:
    """Return the word for an interval of side - baseline; ``margin`` is in its unit.

    The same words by the same rule as of a slowdown, with 0 for 1: *slower* is worse.
    """
    runs = min(side.runs, baseline.runs)
    if runs < RUNS_FOR_VERDICT:
        return Word.ONE_RUN if runs < RUNS_FOR_INTERVAL else Word.TWO_RUNS
    if interval is None:
        return Word.INCONCLUSIVE
    if higher_is_better:
        return _word(-interval.high, -interval.low, margin)
    return _word(interval.low, interval.high, margin)


def equality_verdict(
    side: Sequence[float], baseline: Sequence[float], *, higher_is_better: bool
) -> Word:
    """Return the word for what is the same each time, from the values of all repetitions.

    Equal, or not: there is no spread, so one run is enough. Where a side does not repeat its
    own value, the comparison says nothing: *inconclusive*.
    """
    if len({*side}) != 1 or len({*baseline}) != 1:
        return Word.INCONCLUSIVE
    if side[0] == baseline[0]:
        return Word.NO_DIFFERENCE
    return Word.FASTER if (side[0] > baseline[0]) == higher_is_better else Word.SLOWER


def more_runs(
    side: Sequence[float],
    baseline: Sequence[float],
    margin: float,
    *,
    blur: float = 0.0,
    counted: tuple[Tally, Tally] | None = None,
) -> int | None:
    """Return how many more runs a side would decide, if means and spreads stay as observed.

    ``side`` and ``baseline`` are run values, logarithms for a ratio; ``margin`` and ``blur``
    (what the resolution adds to each end) are on their scale. It is the least number of runs a
    side with which the interval has a word in four of five cases (the power that Cohen 1988
    made usual). Its half-width is taken to be t sqrt((s1^2 + s2^2) / n), with Welch's degrees of
    freedom at equal n; its middle to be normal about the observed effect. *slower* and *faster*
    are then the two tails of that normal, *no difference* its middle (two one-sided tests:
    Schuirmann 1987, doi:10.1007/BF01068419). None where more than `MOST_RUNS` are needed.
    """
    (mean_a, a), (mean_b, b) = _moments(side), _moments(baseline)
    effect, spread = mean_a - mean_b, a + b
    if not math.isfinite(spread):
        return None
    freedom = 1 / ((a / spread) ** 2 + (b / spread) ** 2) if spread > 0 else 1.0
    runs = (len(side), len(baseline))

    def decides(n: int) -> bool:
        error = math.sqrt(spread / n)
        half = t_quantile((n - 1) * freedom) * error
        if counted is not None:
            pairs = zip(counted, runs, strict=True)
            low, high = newcombe(*(Tally(c.events * n / r, c.trials * n / r) for c, r in pairs))
            half = max(half, (high - low) / 2)
            error = max(error, half / Z)
        return _odds(effect, error, half + blur, margin) >= _POWER

    if not decides(MOST_RUNS):
        return None
    numbers = range(RUNS_FOR_VERDICT, MOST_RUNS)
    least = RUNS_FOR_VERDICT + bisect_left(numbers, x=True, key=decides)
    return max(least - min(runs), 1)


def _odds(effect: float, error: float, half: float, margin: float) -> float:
    """Return how often an interval of half-width ``half`` about a normal middle has a word."""
    if error == 0:
        return float(_word(effect - half, effect + half, margin) != Word.INCONCLUSIVE)
    middle = NormalDist(effect, error)
    past, inside = max(half, margin), max(margin - half, 0.0)
    beyond = 1 - middle.cdf(past) + middle.cdf(-past)
    return beyond + middle.cdf(inside) - middle.cdf(-inside)


def _word(low: float, high: float, margin: float) -> Word:
    """Return the word for an interval of what is worse above 0, and better below it."""
    middle = (low + high) / 2
    if low > 0 and middle > margin:
        return Word.SLOWER
    if high < 0 and middle < -margin:
        return Word.FASTER
    if -margin <= low and high <= margin:
        return Word.NO_DIFFERENCE
    return Word.INCONCLUSIVE


def _single(a: Summary, b: Summary) -> tuple[Interval, Interval] | None:
    """Return the intervals of two single or cited runs: their spread says nothing of others."""
    if a.interval is None or b.interval is None or "runs" in (a.interval.kind, b.interval.kind):
        return None
    return a.interval, b.interval


def _shared_kind(a: Interval, b: Interval) -> str:
    return "rounding" if a.kind == b.kind == "rounding" else "repetitions"


def _moments(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    # Not ** 2, which raises where a product is infinite.
    squares = [(value - mean) * (value - mean) for value in values]
    return mean, math.fsum(squares) / (len(values) - 1)


def _exp(x: float) -> float:
    """Return e^x, infinite where a float ends: runs 1e50 apart still have an interval."""
    return math.exp(x) if x < _MAX_EXPONENT else math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf
