"""Differences, shares and prices of what was measured: derived, and no verdicts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, Cell, Comparison
from sitegen.analysis.stats import RUNS_FOR_INTERVAL, Interval, slowdown, t_interval
from sitegen.catalogue.metrics import UNIT_COSTS, Better
from sitegen.catalogue.tool import (
    AxisCost,
    ForTheMoney,
    Ladder,
    OverheadBy,
    SeriesPattern,
    SessionShare,
)
from sitegen.config import Price
from sitegen.model import Params

_HOUR_S = 3600.0
_TRAILING = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMbB]?)(?:-\d+k)?$")
_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9}


class Difference(Struct, frozen=True):
    """One step of a ladder against the one before it.

    ``value`` and ``interval`` are in the metric's base unit, ``share`` and its interval are
    parts of the first step's value. ``pairs`` counts what the interval stands on; ``within``
    says that these are repetitions of one run, not runs.
    """

    title: str
    cell: Cell
    value: float | None
    interval: Interval | None
    share: float | None
    share_interval: tuple[float, float] | None
    pairs: int
    within: bool


class Climb(Struct, frozen=True):
    """A ladder in one environment: its first step, and what each further one adds."""

    environment: str
    params: Params
    first: Cell
    first_title: str
    differences: tuple[Difference, ...]
    absent: tuple[str, ...]

    @property
    def total(self) -> Difference:
        """The last step against the first, paired like each of them."""
        last = self.differences[-1]
        return _difference(self.first, last.cell, self.first, last.title)


class Share(Struct, frozen=True):
    """What is paid once a session as a share of the session's requests, in one environment.

    ``once_s`` is its time; ``shares`` are (requests a session, share) pairs.
    """

    environment: str
    parts: tuple[tuple[str, float], ...]
    once_s: float
    request_s: float
    shares: tuple[tuple[int, float], ...]
    absent: tuple[str, ...]


class OverheadPoint(Struct, frozen=True):
    """The overhead of one comparison at one place of an axis; ``at`` is the axis value's text."""

    x: float
    at: str
    comparison: Comparison


class AxisPair(Struct, frozen=True):
    """One series at two values of a parameter. ``factor`` is the slowdown, above 1 is worse.

    ``interval`` is that of the pairs: runs from two on, else the repetitions of one run.
    """

    baseline: Cell
    side: Cell
    params: Params
    factor: float
    interval: Interval | None
    pairs: int


class NominalRatio(Struct, frozen=True):
    """(figure / price) over the same of the baseline, with the interval of the printed digits."""

    environment: str
    baseline: str
    metric: str
    ratio: float
    interval: tuple[float, float] | None


class UnitCost(Struct, frozen=True):
    """What one unit costs in one environment, in the currency of its price.

    ``relative`` is its performance for the money against the named baseline, (perf / price)
    over (perf / price) there: above 1 is better.
    """

    cell: Cell
    unit: str
    price: Price
    amount: float
    interval: tuple[float, float] | None
    baseline: str = ""
    relative: float | None = None
    relative_interval: tuple[float, float] | None = None


def axis_value(text: str) -> float | None:
    """Return the number that a parameter is, or ends in: 64, 0.5, 8e9 of ``Llama-3.1-8B``."""
    try:
        value = float(text)
    except ValueError:
        match = _TRAILING.search(text)
        if match is None:
            return None
        value = float(match[1]) * _SCALES.get(match[2].lower(), 1.0)
    return value if math.isfinite(value) else None


def overheads(
    analysis: Analysis, benchmark: str, wanted: OverheadBy
) -> dict[tuple[str, str], tuple[OverheadPoint, ...]]:
    """Return the overhead over a parameter, by (environment, baseline); only where it varies."""
    by_pair: dict[tuple[str, str], list[OverheadPoint]] = {}
    for comparison in analysis.comparisons:
        series = comparison.series
        if series.benchmark != benchmark or not wanted.series.matches(series):
            continue
        text = dict(series.params).get(wanted.axis, "")
        x = axis_value(text)
        if x is None or x <= 0 or comparison.factor is None or comparison.reason:
            continue
        pair = (comparison.side.environment, comparison.baseline.environment)
        size = _TRAILING.search(text)  # of a model, at the end of its name
        at = f"{size[1]}{size[2]}" if size and size[2] else text
        by_pair.setdefault(pair, []).append(OverheadPoint(x, at, comparison))
    return {
        pair: tuple(sorted(points, key=lambda p: (p.x, p.comparison.series)))
        for pair, points in by_pair.items()
        if len({point.x for point in points}) > 1
    }


def climbs(analysis: Analysis, benchmark: str, wanted: Ladder) -> tuple[Climb, ...]:
    """Return the ladder of each environment that has two steps of it; the first is the base.

    What is not there in any of an environment's ladders is absent.
    """
    ladders = _by_value(analysis, benchmark, wanted.series, wanted.axis)
    present = {(label, step) for (label, *_), by_step in ladders.items() for step in by_step}
    rows = []
    for (label, _, rest), by_step in ladders.items():
        steps = [(title, by_step[step]) for step, title in wanted.steps if step in by_step]
        if len(steps) > 1:
            title, first = steps[0]
            differences = tuple(
                _difference(before, after, first, title)
                for (_, before), (title, after) in pairwise(steps)
            )
            absent = tuple(title for step, title in wanted.steps if (label, step) not in present)
            rows.append(Climb(label, rest, first, title, differences, absent))
    return tuple(rows)


def _by_value(
    analysis: Analysis, benchmark: str, pattern: SeriesPattern, axis: str
) -> dict[tuple[str, str, Params], dict[str, Cell]]:
    """Return measured cells by their value of a parameter, all else (the keys) being equal."""
    groups: dict[tuple[str, str, Params], dict[str, Cell]] = {}
    for cell in analysis.of(benchmark):
        series = cell.series
        value = dict(series.params).get(axis)
        if value and cell.summary is not None and pattern.matches(series):
            rest = tuple(pair for pair in series.params if pair[0] != axis)
            groups.setdefault((cell.environment, series.workload, rest), {})[value] = cell
    return groups


def _difference(before: Cell, after: Cell, first: Cell, title: str) -> Difference:
    """Return after - before, paired by repetition within each run.

    The interval is Student's t over run values from two runs on, and over the pairs of the
    single run otherwise: then it says how steady that run was and nothing about the next.
    """
    by_run = [[b - a for a, b in pairs] for pairs in _pairs(before, after)]
    values = _units(by_run)
    if not values:
        return Difference(title, after, None, None, None, None, 0, within=False)
    value = math.fsum(values) / len(values)
    interval = t_interval(values, "t") if len(values) >= RUNS_FOR_INTERVAL else None
    base = first.summary.value if first.summary else 0.0
    share = value / base if base > 0 else None
    shares = (interval.low / base, interval.high / base) if interval and base > 0 else None
    within = len(by_run) == 1
    return Difference(title, after, value, interval, share, shares, len(values), within)


def _pairs(before: Cell, after: Cell) -> list[list[tuple[float, float]]]:
    """Return the values of two cells by repetition, a list a run that has both whole."""
    earlier, later = _whole_runs(before), _whole_runs(after)
    both = [(earlier.get(run, ()), values) for run, values in later.items()]
    return [[*zip(a, b, strict=True)] for a, b in both if len(a) == len(b)]


def _whole_runs(cell: Cell) -> dict[str, tuple[float, ...]]:
    """Return the values of the runs that lost no repetition, by run.

    Where one is lost, what is left has moved up: the third would be paired with the second.
    """
    if len(cell.repetitions) != len(cell.runs):
        return {}
    kept = sum(len(values) for values in cell.repetitions)
    each = (kept + cell.failed + cell.suspect) / len(cell.runs)
    pairs = zip(cell.runs, cell.repetitions, strict=True)
    return {run: values for run, values in pairs if len(values) == each}


def _units(by_run: Sequence[list[float]]) -> list[float]:
    """Return what an interval stands on: a mean a run, or the values of the only run."""
    return by_run[0] if len(by_run) == 1 else [math.fsum(one) / len(one) for one in by_run]


def axis_pairs(analysis: Analysis, benchmark: str, wanted: AxisCost) -> tuple[AxisPair, ...]:
    """Return the series that exist at both values of a parameter, paired within their runs."""
    higher = analysis.metric(wanted.series.metric).better == Better.HIGHER
    rows = []
    groups = _by_value(analysis, benchmark, wanted.series, wanted.axis)
    for (_, _, rest), by_value in groups.items():
        base, side = (by_value.get(value) for value in wanted.values)
        if not base or not side or not base.summary or not side.summary:
            continue
        factor = slowdown(side.summary.value, base.summary.value, higher_is_better=higher)
        if factor is not None:
            pairs = matched(base, side, factor, higher_is_better=higher)
            rows.append(AxisPair(base, side, rest, *pairs))
    return tuple(rows)


def matched(
    baseline: Cell, side: Cell, factor: float, *, higher_is_better: bool
) -> tuple[float, Interval | None, int]:
    """Return the slowdown of matched pairs, its interval, and how many pairs there are.

    A pair is of two runs' means, or of two repetitions of the only run; below two the ``factor``
    of all values stands. The interval is Student's t on logarithms (1908).
    """
    sign = 1.0 if higher_is_better else -1.0
    positive = [pairs for pairs in _pairs(baseline, side) if all(a > 0 < b for a, b in pairs)]
    logs = _units([[sign * math.log(b / a) for b, a in pairs] for pairs in positive])
    if len(logs) < RUNS_FOR_INTERVAL:
        return factor, None, len(logs)
    mean = math.exp(math.fsum(logs) / len(logs))
    return mean, t_interval(logs, "t").map(math.exp), len(logs)


def session_shares(analysis: Analysis, benchmark: str, wanted: SessionShare) -> tuple[Share, ...]:
    """Return what a session pays once as a share of its requests: t / (k x request latency)."""
    cells = analysis.of(benchmark)

    def value(label: str, pattern: SeriesPattern) -> float | None:
        own = (c for c in cells if c.environment == label and pattern.matches(c.series))
        cell = next(own, None)
        return cell.summary.value if cell and cell.summary else None

    rows = []
    for label in dict.fromkeys(cell.environment for cell in cells):
        request = value(label, wanted.request)
        times = [(title, value(label, pattern)) for title, pattern in wanted.once]
        parts = tuple((title, time) for title, time in times if time is not None)
        if request and parts:
            once = sum(time for _, time in parts)
            shares = tuple((count, once / (count * request)) for count in wanted.counts)
            absent = tuple(title for title, time in times if time is None)
            rows.append(Share(label, parts, once, request, shares, absent))
    return tuple(rows)


def for_the_money(
    analysis: Analysis, benchmark: str, wanted: ForTheMoney
) -> tuple[NominalRatio, ...]:
    """Return what each environment's figures are for their price, against the first one's."""
    figures = {
        (cell.environment, cell.series.metric): cell.summary
        for cell in analysis.of(benchmark)
        # A measured bandwidth has parameters; a datasheet's has none.
        if cell.summary is not None and cell.summary.value > 0 and not cell.series.params
    }
    # In the order of the report's settings: the first is the baseline.
    priced = [label for label in analysis.config.environments if (label, wanted.price) in figures]

    def quotient(label: str, metric: str) -> tuple[float, Interval | None]:
        figure, price = figures[label, metric], figures[label, wanted.price]
        of, by = figure.interval, price.interval
        printed = of.over(by) if of and by and of.low > 0 and by.low > 0 else None
        return figure.value / price.value, printed

    rows = []
    for label in priced:
        for metric in wanted.metrics:
            if (label, metric) in figures and (priced[0], metric) in figures:
                (own, ours), (base, theirs) = quotient(label, metric), quotient(priced[0], metric)
                ends = None
                if label != priced[0] and ours and theirs:
                    printed = ours.over(theirs)
                    ends = (printed.low, printed.high)
                rows.append(NominalRatio(label, priced[0], metric, own / base, ends))
    return tuple(rows)


def unit_costs(analysis: Analysis, benchmark: str) -> tuple[UnitCost, ...]:
    """Return what a unit costs wherever an environment has a price: the whole instance is billed.

    A time costs price x time; a rate costs price / rate. The baseline is the environment's
    default one, when it has a price in the same currency.
    """
    rows = []
    compared = {
        (c.series, c.side.environment, c.baseline.environment): c for c in analysis.comparisons
    }
    for cell in analysis.of(benchmark):
        unit, count = UNIT_COSTS.get((cell.series.metric, cell.series.statistic), ("", 0.0))
        declared = analysis.config.environment(cell.environment)
        price = declared.price
        if not unit or price is None or cell.summary is None or cell.summary.value <= 0:
            continue
        rate = analysis.metric(cell.series.metric).better == Better.HIGHER
        second = price.per_hour / _HOUR_S * count
        bounds = cell.summary.interval
        figures = [cell.summary.value]
        figures += [bounds.low, bounds.high] if bounds and bounds.low > 0 else []
        amount, *ends = (second / figure if rate else second * figure for figure in figures)
        interval = (min(ends), max(ends)) if ends else None
        baseline = next(iter(declared.baselines.values()), "")
        other = analysis.config.environment(baseline).price if baseline else None
        pair = compared.get((cell.series, cell.environment, baseline))
        cost = UnitCost(cell, unit, price, amount, interval)
        if pair and pair.factor and not pair.reason and other and other.currency == price.currency:
            cheaper = other.per_hour / price.per_hour
            cost = replace(cost, baseline=baseline, relative=cheaper / pair.factor)
            if around := pair.interval:
                relative = (cheaper / around.high, cheaper / around.low)
                cost = replace(cost, relative_interval=relative)
        rows.append(cost)
    return tuple(rows)
