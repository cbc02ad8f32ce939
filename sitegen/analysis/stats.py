"""Values -> summaries, intervals and verdict words. Pure; every formula names its source."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache, partial
from statistics import NormalDist

from msgspec import Struct
from msgspec.structs import replace

from sitegen.analysis.replicates import FOR_INTERVAL, FOR_WORD, Level, Origin, level_of, values_at
from sitegen.analysis.student import t_quantile, z_quantile

#: Replicates a side beyond which no one is told to go, and how often the advised ones shall decide.
MOST_REPLICATES = 100
_POWER = 0.8
_STRICTER = 0.05 / 0.04
_MAX_EXPONENT = 709.0


class Word(StrEnum):
    """The one word of a comparison."""

    SLOWER = "slower"
    FASTER = "faster"
    NO_DIFFERENCE = "no difference"
    INCONCLUSIVE = "inconclusive"
    TOO_FEW = "too few"
    NOT_COMPARABLE = "not comparable"
    NONE = ""


#: The words that say what is so.
DECIDED = frozenset({Word.SLOWER, Word.FASTER, Word.NO_DIFFERENCE})


class Interval(Struct, frozen=True):
    """A closed interval; ``kind`` says of what.

    ``replicates``, ``repetitions`` of two single runs, ``rounding`` of printed digits, ``counts``.
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

    ``value`` is the mean of ``values``, those of the ``level`` at which it counts: geometric on a
    ratio scale, arithmetic otherwise. ``runs`` is how many runs are behind it (0: unknown, a cited
    figure), ``by_run`` what each of them measured, ``repetitions`` of how many repetitions, and
    ``origins`` where each comes from.
    """

    value: float
    runs: int
    values: tuple[float, ...]
    repetitions: tuple[int, ...]
    interval: Interval | None
    level: Level = Level.RUN
    by_run: tuple[float, ...] = ()
    origins: tuple[Origin, ...] = ()

    def at(self, level: Level, *, ratio: bool) -> Summary:
        """Return the summary of the same runs at another level, without an interval."""
        if level == self.level or not self.origins:
            return self
        mean = partial(run_value, ratio=ratio)
        values = values_at(level, self.origins, self.by_run, mean)
        return replace(self, value=mean(values), values=values, level=level, interval=None)


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


def summarise(  # noqa: PLR0913 - what a summary depends on
    runs: Sequence[Sequence[float]],
    *,
    ratio: bool,
    origins: tuple[Origin, ...] = (),
    rounding: tuple[float, float] | None = None,
    cited: bool = False,
    resolution: float = 0.0,
) -> Summary | None:
    """Return the Summary of runs, each given as its repetitions' values; None without any.

    The runs of known ``origins`` count at the highest level at which they vary. From two values
    of it the interval is the t interval (Student 1908, doi:10.1093/biomet/6.1.1), on logarithms
    for a ratio scale. One run gives the range of its repetitions, a cited figure the rounding of
    its print. Both ends move out by half of ``resolution``, the step in which the tool prints: the
    same value is rounded in the same way each time, so that no number of runs averages it out.
    """
    filled = [values for values in runs if values]
    if not filled:
        return None
    if origins and len(filled) < len(runs):
        origins = tuple(one for one, values in zip(origins, runs, strict=True) if values)
    counts = tuple(map(len, filled))
    by_run = tuple([run[0] if len(run) == 1 else run_value(run, ratio=ratio) for run in filled])
    level = level_of(origins) if origins else Level.RUN
    values = by_run
    if level != Level.RUN:
        values = values_at(level, origins, by_run, partial(run_value, ratio=ratio))
    centre = run_value(values, ratio=ratio)
    interval: Interval | None = None
    if cited:
        interval = Interval(*rounding, "rounding") if rounding else None
    elif len(values) < FOR_INTERVAL:
        ends = min(filled[0]), max(filled[0])
        interval = Interval(*ends, "repetitions") if counts[0] > 1 else None
    elif ratio and min(values) > 0:
        interval = t_interval([*map(math.log, values)], "replicates").map(exp)
    else:
        interval = t_interval(values, "replicates")
    if resolution and interval and not cited:
        half = resolution / 2
        low = max(interval.low - half, 0.0) if ratio else interval.low - half
        interval = Interval(low, interval.high + half, interval.kind)
    number = 0 if cited else len(by_run)
    return Summary(centre, number, values, counts, interval, level, by_run, origins)


def t_interval(values: Sequence[float], kind: str) -> Interval:
    """Return Student's t interval of the mean of two values or more (1908)."""
    mean, variance = _moments(tuple(values))
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


class Estimate(Struct, frozen=True):
    """What is known of a difference: its middle, its standard error and degrees of freedom.

    Of logarithms where two values are divided. ``blur`` is what the resolution of the tool adds
    below and above; ``counted`` are the tallies of two proportions, whose own interval it holds.
    """

    effect: float
    error: float
    freedom: float
    blur: tuple[float, float] = (0.0, 0.0)
    counted: tuple[Tally, Tally] | None = None

    def ends(self, tests: float = 1.0) -> tuple[float, float]:
        """Return the bounds at 95 %, which hold together over so many ``tests`` (Bonferroni)."""
        half = t_quantile(self.freedom, tests) * self.error if self.error else 0.0
        low, high = self.effect - half - self.blur[0], self.effect + half + self.blur[1]
        if self.counted is None:
            return low, high
        least, most = newcombe(*self.counted, tests)
        return max(min(low, least), -1.0), min(max(high, most), 1.0)

    @property
    def interval(self) -> Interval:
        """The interval at 95 %, by itself."""
        low, high = self.ends()
        return Interval(low, high, "replicates")

    def reversed(self) -> Estimate:
        """Return what is known of the difference the other way round."""
        counted = self.counted and self.counted[::-1]
        return replace(self, effect=-self.effect, blur=self.blur[::-1], counted=counted)


def welch(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Return what is known of the difference of means a - b.

    Unequal variances, degrees of freedom by Welch and Satterthwaite (Welch 1947,
    doi:10.1093/biomet/34.1-2.28). Each side needs two values.
    """
    (mean_a, variance_a), (mean_b, variance_b) = _moments(tuple(a)), _moments(tuple(b))
    error_a, error_b = variance_a / len(a), variance_b / len(b)
    difference, error = mean_a - mean_b, error_a + error_b
    if error == 0 or not math.isfinite(error):
        return Estimate(difference, error, 1.0)
    share = error_a / error  # squares of the errors themselves may leave a float's range
    freedom = 1 / (share**2 / (len(a) - 1) + (1 - share) ** 2 / (len(b) - 1))
    # The same the other way round, whose quantile is then known.
    return Estimate(difference, math.sqrt(error), round(freedom, 9))


def paired(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Return what is known of the mean of the differences a - b: what a pair shares cancels."""
    mean, variance = _moments(tuple([x - y for x, y in zip(a, b, strict=True)]))
    return Estimate(mean, math.sqrt(variance / len(a)), len(a) - 1.0)


def estimate(  # noqa: PLR0913 - what it depends on
    side: Summary,
    baseline: Summary,
    *,
    ratio: bool,
    higher_is_better: bool = False,
    turns: Sequence[tuple[int, int]] = (),
    resolution: float = 0.0,
) -> Estimate | None:
    """Return what replicates say of two sides; None below two a side, or of a ratio with zeros.

    Of a ratio it is of the logarithm of the slowdown, else of side - baseline. With ``turns`` the
    values are paired. Each side's value may lie half of ``resolution`` from what was printed.
    """
    if min(side.runs, baseline.runs, len(side.values), len(baseline.values)) < FOR_INTERVAL:
        return None
    first, second = side.values, baseline.values
    if turns:
        first, second = (tuple(v[turn[i]] for turn in turns) for i, v in enumerate((first, second)))
    blur = (resolution, resolution)
    if ratio:
        if min(*first, *second) <= 0:
            return None
        first, second = _logarithms(tuple(first)), _logarithms(tuple(second))
        blur = _blur(side.value, baseline.value, resolution, higher_is_better=higher_is_better)
        if higher_is_better:
            first, second = second, first
    found = paired(first, second) if turns else welch(first, second)
    return replace(found, blur=blur)


def _blur(
    side: float, baseline: float, resolution: float, *, higher_is_better: bool
) -> tuple[float, float]:
    """Return what rounding in steps adds to the logarithm of a slowdown, below and above."""
    if not resolution:
        return 0.0, 0.0
    a, b, half = *((baseline, side) if higher_is_better else (side, baseline)), resolution / 2
    below = math.log(a / (a - half) * (b + half) / b) if a > half else math.inf
    return below, math.log((a + half) / a * b / (b - half)) if b > half else math.inf


def slowdown_interval(
    side: Summary, baseline: Summary, *, higher_is_better: bool
) -> Interval | None:
    """Return the 95 % interval of a slowdown: of replicates, or else of what single runs allow."""
    found = estimate(side, baseline, ratio=True, higher_is_better=higher_is_better)
    if found is None:
        return single_slowdown(side, baseline, higher_is_better=higher_is_better)
    return found.interval.map(exp)


def single_slowdown(side: Summary, baseline: Summary, *, higher_is_better: bool) -> Interval | None:
    """Return the interval of a slowdown of which one side does not know its own spread.

    Cited figures give interval arithmetic on their printed precision; two single runs the
    range that their repetitions allow. None when a side has no spread to speak of.
    """
    first, second = (baseline, side) if higher_is_better else (side, baseline)
    ends = _single(first, second)
    return ends[0].over(ends[1]) if ends and ends[1].low > 0 else None


def single_difference(side: Summary, baseline: Summary) -> Interval | None:
    """Return the same of side - baseline: the ends of the two intervals subtracted."""
    ends = _single(side, baseline)
    if ends is None:
        return None
    ours, theirs = ends
    return Interval(ours.low - theirs.high, ours.high - theirs.low, _shared_kind(*ends))


def wilson(tally: Tally, tests: float = 1.0) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion.

    Wilson 1927, doi:10.1080/01621459.1927.10502953, without a continuity correction. It has a
    width also where nothing, or everything, was an event.
    """
    n, share, z = tally.trials, tally.events / tally.trials, z_quantile(tests)
    centre = (tally.events + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(n * share * (1 - share) + z * z / 4)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def newcombe(side: Tally, baseline: Tally, tests: float = 1.0) -> tuple[float, float]:
    """Return the 95 % bounds of the difference of proportions side - baseline.

    The hybrid score interval, method 10 of Newcombe 1998,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I. It sees that few events
    were counted; `Estimate` holds it beside Welch's, which sees that the requests of one run fail
    together.
    """
    p, q = side.events / side.trials, baseline.events / baseline.trials
    (p_low, p_high), (q_low, q_high) = wilson(side, tests), wilson(baseline, tests)
    below, above = math.hypot(p - p_low, q_high - q), math.hypot(p_high - p, q - q_low)
    return p - q - below, p - q + above


def together(tests: int) -> float:
    """Return over how many tests bounds must hold so that so many words of them do.

    Welch's bounds of a few values that spread unequally miss a little more often than they say,
    and the more so the further out they lie: several words are held to 4 in place of 5 %.
    """
    return tests * _STRICTER if tests > 1 else 1.0


#: An estimate, and the margin on its scale.
Tested = tuple[Estimate, float]


def words(tested: Sequence[Tested]) -> list[Word]:
    """Return the words of the estimates of one comparison, what is worse being above 0.

    *slower* and *faster* need bounds that exclude 0 and an effect past the margin; *no difference*
    bounds inside it. They hold together: of k estimates without a word each needs the bounds that
    hold over k, and with each word k falls by one (Holm 1979, jstor.org/stable/4615733).
    """
    found: dict[int, Word] = {}
    while left := [place for place in range(len(tested)) if place not in found]:
        over = together(len(left))
        given = {
            place: word
            for place in left
            if (word := word_of(*tested[place][0].ends(over), tested[place][1])) in DECIDED
        }
        if not given:
            return [found.get(place, Word.INCONCLUSIVE) for place in range(len(tested))]
        found |= given
    return [found[place] for place in range(len(tested))]


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


def more_replicates(  # noqa: PLR0913 - what their number depends on
    side: Sequence[float],
    baseline: Sequence[float],
    margin: float,
    *,
    blur: float = 0.0,
    counted: tuple[Tally, Tally] | None = None,
    turns: Sequence[tuple[int, int]] = (),
    tests: float = 1.0,
) -> int | None:
    """Return how many more replicates a side would decide, if means and spreads stay so.

    ``side`` and ``baseline`` are their values, logarithms for a ratio; ``margin`` and ``blur``
    (what the resolution adds to each end) are on their scale; the bounds hold over ``tests``. It is
    the least number a side with which the bounds have a word in four of five cases (the power that
    Cohen 1988 made usual). Their half-width is taken to be t sqrt((s1^2 + s2^2) / n), with Welch's
    degrees of freedom at equal n, or that of pairs; their middle to be normal about the observed
    effect. *slower* and *faster* are then the two tails of that normal, *no difference* its middle
    (two one-sided tests: Schuirmann 1987, doi:10.1007/BF01068419). None where more than
    `MOST_REPLICATES` are needed.
    """
    (mean_a, a), (mean_b, b) = _moments(tuple(side)), _moments(tuple(baseline))
    effect, spread = mean_a - mean_b, a + b
    if not math.isfinite(spread):
        return None
    freedom = 1 / ((a / spread) ** 2 + (b / spread) ** 2) if spread > 0 else 1.0
    if turns:
        effect, spread = _moments(tuple([side[i] - baseline[j] for i, j in turns]))
        freedom = 1.0
    have = (len(side), len(baseline))

    def decides(n: int) -> bool:
        error = math.sqrt(spread / n)
        half = t_quantile((n - 1) * freedom, tests) * error
        if counted is not None:
            pairs = zip(counted, have, strict=True)
            ours, theirs = (Tally(c.events * n / r, c.trials * n / r) for c, r in pairs)
            low, high = newcombe(ours, theirs, tests)
            half = max(half, (high - low) / 2)
            error = max(error, half / z_quantile(tests))
        return _odds(effect, error, half + blur, margin) >= _POWER

    if not decides(MOST_REPLICATES):
        return None
    numbers = range(FOR_WORD, MOST_REPLICATES)
    least = FOR_WORD + bisect_left(numbers, x=True, key=decides)
    return max(least - min(have), 1)


def _odds(effect: float, error: float, half: float, margin: float) -> float:
    """Return how often an interval of half-width ``half`` about a normal middle has a word."""
    if error == 0:
        return float(word_of(effect - half, effect + half, margin) != Word.INCONCLUSIVE)
    middle = NormalDist(effect, error)
    past, inside = max(half, margin), max(margin - half, 0.0)
    beyond = 1 - middle.cdf(past) + middle.cdf(-past)
    return beyond + middle.cdf(inside) - middle.cdf(-inside)


def word_of(low: float, high: float, margin: float) -> Word:
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
    if (
        a.interval is None
        or b.interval is None
        or "replicates" in (a.interval.kind, b.interval.kind)
    ):
        return None
    return a.interval, b.interval


def _shared_kind(a: Interval, b: Interval) -> str:
    return "rounding" if a.kind == b.kind == "rounding" else "repetitions"


@lru_cache(maxsize=4096)
def _logarithms(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return the logarithms of a side's values: each side stands in many pairs."""
    return tuple(map(math.log, values))


@lru_cache(maxsize=4096)
def _moments(values: tuple[float, ...]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    # Not ** 2, which raises where a product is infinite.
    squares = [(value - mean) * (value - mean) for value in values]
    return mean, math.fsum(squares) / (len(values) - 1)


def exp(x: float) -> float:
    """Return e^x, infinite where a float ends: runs 1e50 apart still have an interval."""
    return math.exp(x) if x < _MAX_EXPONENT else math.inf
