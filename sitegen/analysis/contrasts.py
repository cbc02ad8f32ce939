"""Derived quantities: what is a difference, a share or a price of what was measured.

Derived when the archive is read, never stored. Nothing here decides a verdict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sitegen.analysis.compare import Analysis, Cell, Comparison
from sitegen.analysis.stats import Interval, Summary, slowdown, t_quantile
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
_CONFIDENCE = 0.95
_TRAILING = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMbB]?)(?:-\d+k)?$")
_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9}


@dataclass(frozen=True, slots=True)
class Difference:
    """One step of a ladder against the one before it.

    ``value`` and ``interval`` are in the metric's base unit, ``share`` and its interval are
    parts of the first step's value. ``pairs`` counts what the interval stands on; ``within``
    says that these are repetitions of one run, not runs.
    """

    step: str
    title: str
    cell: Cell
    value: float | None
    interval: Interval | None
    share: float | None
    share_interval: tuple[float, float] | None
    pairs: int
    within: bool


@dataclass(frozen=True, slots=True)
class Climb:
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
        return _difference(self.first, last.cell, self.first, last.step, last.title)


@dataclass(frozen=True, slots=True)
class Share:
    """What is paid once a session as a share of the session's requests, in one environment.

    ``once_s`` is its time; ``shares`` are (requests a session, share) pairs.
    """

    environment: str
    parts: tuple[tuple[str, float], ...]
    once_s: float
    request_s: float
    shares: tuple[tuple[int, float], ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OverheadPoint:
    """The overhead of one comparison at one place of an axis; ``at`` is the axis value's text."""

    x: float
    at: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class AxisPair:
    """One series at two values of a parameter. ``factor`` is the slowdown, above 1 is worse.

    ``interval`` is that of the pairs: runs from two on, else the repetitions of one run.
    """

    baseline: Cell
    side: Cell
    params: Params
    factor: float
    interval: Interval | None
    pairs: int


@dataclass(frozen=True, slots=True)
class NominalRatio:
    """(figure / price) over the same of the baseline, with the interval of the printed digits."""

    environment: str
    baseline: str
    metric: str
    ratio: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class UnitCost:
    """What one unit costs in one environment, in the currency of its price.

    ``relative`` is its performance for the money against the named baseline, (perf / price)
    over (perf / price) there: above 1 is better.
    """

    cell: Cell
    unit: str
    price: Price
    amount: float
    interval: tuple[float, float] | None
    baseline: str
    relative: float | None
    relative_interval: tuple[float, float] | None


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


def axis_text(text: str) -> str:
    """Return what marks a place on an axis: the size that a name ends in, or the text itself."""
    match = _TRAILING.search(text)
    return f"{match[1]}{match[2]}" if match and match[2] else text


def overheads(
    analysis: Analysis, benchmark: str, wanted: OverheadBy
) -> dict[tuple[str, str], tuple[OverheadPoint, ...]]:
    """Return the overhead over a parameter, by (environment, baseline); only where it varies."""
    found: dict[tuple[str, str], list[OverheadPoint]] = {}
    for comparison in analysis.comparisons:
        series = comparison.series
        if series.benchmark != benchmark or not wanted.series.matches(series):
            continue
        text = dict(series.params).get(wanted.axis)
        x = axis_value(text) if text else None
        if x is None or x <= 0 or comparison.factor is None or comparison.reason:
            continue
        key = (comparison.side.environment, comparison.baseline.environment)
        found.setdefault(key, []).append(OverheadPoint(x, axis_text(str(text)), comparison))
    return {
        key: tuple(sorted(points, key=lambda p: (p.x, p.comparison.series)))
        for key, points in found.items()
        if len({point.x for point in points}) > 1
    }


def climbs(analysis: Analysis, benchmark: str, wanted: Ladder) -> tuple[Climb, ...]:
    """Return the ladder of each environment that has two steps of it; the first is the base.

    What is not there in any of an environment's ladders is absent.
    """
    found = []
    groups = _steps(analysis, benchmark, wanted)
    present = {(label, step) for (label, _), by_step in groups.items() for step in by_step}
    for (label, rest), by_step in groups.items():
        order = [(step, title) for step, title in wanted.steps if step in by_step]
        if len(order) < 2:  # noqa: PLR2004 - one step is no ladder
            continue
        first = by_step[order[0][0]]
        differences = []
        differences = [
            _difference(by_step[before], by_step[step], first, step, title)
            for (before, _), (step, title) in pairwise(order)
        ]
        absent = tuple(title for step, title in wanted.steps if (label, step) not in present)
        found.append(Climb(label, rest, first, order[0][1], tuple(differences), absent))
    return tuple(found)


def _steps(
    analysis: Analysis, benchmark: str, wanted: Ladder
) -> dict[tuple[str, Params], dict[str, Cell]]:
    """Return the cells of a ladder by step, for each environment and further parameters."""
    groups: dict[tuple[str, Params], dict[str, Cell]] = {}
    for cell in analysis.of(benchmark):
        series = cell.series
        step = dict(series.params).get(wanted.axis)
        if not wanted.series.matches(series) or not step:
            continue
        if cell.summary is not None:
            rest = tuple(pair for pair in series.params if pair[0] != wanted.axis)
            groups.setdefault((cell.environment, rest), {})[step] = cell
    return groups


def _difference(before: Cell, after: Cell, first: Cell, step: str, title: str) -> Difference:
    """Return after - before, paired by repetition within each run.

    The interval is Student's t over run values from two runs on, and over the pairs of the
    single run otherwise: then it says how steady that run was and nothing about the next.
    """
    base = first.summary.value if first.summary else math.nan
    runs = _paired(before, after)
    means = [sum(pairs) / len(pairs) for pairs in runs]
    values = means if len(means) > 1 else (runs[0] if runs else [])
    if not values:
        return Difference(step, title, after, None, None, None, None, 0, within=False)
    value = sum(values) / len(values)
    interval = paired_interval(values)
    shares = (interval.low / base, interval.high / base) if interval and base > 0 else None
    share = value / base if base > 0 else None
    return Difference(
        step, title, after, value, interval, share, shares, len(values), within=len(means) < 2  # noqa: PLR2004 - one run
    )  # fmt: skip


def _paired(before: Cell, after: Cell) -> list[list[float]]:
    """Return the differences by repetition, a list a run; a run that misses some is left out."""
    theirs, ours = whole_runs(before), whole_runs(after)
    return [
        [b - a for a, b in zip(theirs[run], ours[run], strict=True)]
        for run in ours
        if run in theirs and len(theirs[run]) == len(ours[run])
    ]


def whole_runs(cell: Cell) -> dict[str, tuple[float, ...]]:
    """Return the values of the runs that lost no repetition, by run.

    Where one is lost, what is left has moved up: the third would be paired with the second.
    """
    if len(cell.repetitions) != len(cell.runs):
        return {}
    kept = sum(len(values) for values in cell.repetitions)
    each = (kept + cell.failed + cell.suspect) / len(cell.runs)
    pairs = zip(cell.runs, cell.repetitions, strict=True)
    return {run: values for run, values in pairs if len(values) == each}


def paired_interval(values: Sequence[float]) -> Interval | None:
    """Return Student's t interval of paired differences (1908); None for fewer than two."""
    n = len(values)
    if n < 2:  # noqa: PLR2004 - one value spreads nothing
        return None
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    half = t_quantile((1 + _CONFIDENCE) / 2, n - 1) * math.sqrt(variance / n)
    return Interval(mean - half, mean + half, "t")


def axis_pairs(analysis: Analysis, benchmark: str, wanted: AxisCost) -> tuple[AxisPair, ...]:
    """Return the series that exist at both values of a parameter, paired within their runs."""
    metric = analysis.metric(wanted.series.metric)
    halves: dict[tuple[str, str, Params], dict[str, Cell]] = {}
    for cell in analysis.of(benchmark):
        series = cell.series
        value = dict(series.params).get(wanted.axis)
        if not wanted.series.matches(series) or not value:
            continue
        rest = tuple(pair for pair in series.params if pair[0] != wanted.axis)
        halves.setdefault((cell.environment, series.workload, rest), {})[value] = cell
    found = []
    for (_, _, rest), by_value in halves.items():
        base, side = (by_value.get(value) for value in wanted.values)
        if base is None or side is None or base.summary is None or side.summary is None:
            continue
        higher = metric.better == Better.HIGHER
        logs = matched_logs(base, side, higher_is_better=higher)
        factor = slowdown(side.summary.value, base.summary.value, higher_is_better=higher)
        if factor is None:
            continue
        interval = paired_interval(logs)
        if interval is not None:
            factor = math.exp(math.fsum(logs) / len(logs))
            interval = Interval(math.exp(interval.low), math.exp(interval.high), interval.kind)
        found.append(AxisPair(base, side, rest, factor, interval, len(logs)))
    return tuple(found)


def matched_logs(baseline: Cell, side: Cell, *, higher_is_better: bool) -> list[float]:
    """Return logarithms of the slowdown of matched pairs: a run's mean each, or one run's own."""
    theirs, ours = whole_runs(baseline), whole_runs(side)
    by_run = []
    for run in ours.keys() & theirs.keys():
        pairs = list(zip(ours[run], theirs[run], strict=False))
        if len(ours[run]) == len(theirs[run]) and all(min(pair) > 0 for pair in pairs):
            sign = 1.0 if higher_is_better else -1.0
            by_run.append([sign * math.log(b / a) for a, b in pairs])
    if len(by_run) == 1:
        return by_run[0]
    return sorted(math.fsum(logs) / len(logs) for logs in by_run)


def session_shares(analysis: Analysis, benchmark: str, wanted: SessionShare) -> tuple[Share, ...]:
    """Return what a session pays once as a share of its requests: t / (k x request latency)."""
    by_label: dict[str, list[Cell]] = {}
    for cell in analysis.of(benchmark):
        by_label.setdefault(cell.environment, []).append(cell)
    found = []
    for label, cells in by_label.items():
        request = _value(cells, wanted.request)
        if not request:
            continue
        parts, absent = [], []
        for title, pattern in wanted.once:
            value = _value(cells, pattern)
            if value is None:
                absent.append(title)
            else:
                parts.append((title, value))
        if not parts:
            continue
        once = sum(value for _, value in parts)
        shares = tuple((count, once / (count * request)) for count in wanted.counts)
        found.append(Share(label, tuple(parts), once, request, shares, tuple(absent)))
    return tuple(found)


def _value(cells: Sequence[Cell], pattern: SeriesPattern) -> float | None:
    for cell in cells:
        if pattern.matches(cell.series):
            return cell.summary.value if cell.summary else None
    return None


def for_the_money(
    analysis: Analysis, benchmark: str, wanted: ForTheMoney
) -> tuple[NominalRatio, ...]:
    """Return what each environment's figures are for their price, against the first one's."""
    plain: dict[tuple[str, str], Summary] = {}
    for cell in analysis.of(benchmark):
        # A measured bandwidth has parameters; a datasheet's has none.
        if cell.summary is not None and cell.summary.value > 0 and not cell.series.params:
            plain[cell.environment, cell.series.metric] = cell.summary
    priced = [
        label for label in analysis.config.environments if (label, wanted.price) in plain
    ]  # in the order of the report's settings: the first is the baseline
    found = []
    for label in priced:
        for metric_id in wanted.metrics:
            keys = (
                (label, metric_id),
                (label, wanted.price),
                (priced[0], metric_id),
                (priced[0], wanted.price),
            )
            if any(key not in plain for key in keys):
                continue
            a, b, c, d = (plain[key] for key in keys)
            bounds = [s.interval for s in (a, b, c, d)]
            interval = None
            if label != priced[0] and all(one is not None and one.low > 0 for one in bounds):
                lows = [one.low for one in bounds if one]
                highs = [one.high for one in bounds if one]
                interval = (
                    lows[0] / highs[1] / (highs[2] / lows[3]),
                    highs[0] / lows[1] / (lows[2] / highs[3]),
                )
            ratio = (a.value / b.value) / (c.value / d.value)
            found.append(NominalRatio(label, priced[0], metric_id, ratio, interval))
    return tuple(found)


def unit_costs(analysis: Analysis, benchmark: str) -> tuple[UnitCost, ...]:
    """Return what a unit costs wherever an environment has a price: the whole instance is billed.

    A time costs price x time; a rate costs price / rate. The baseline is the environment's
    default one, when it has a price in the same currency.
    """
    found = []
    compared = {
        (c.series, c.side.environment, c.baseline.environment): c for c in analysis.comparisons
    }
    for cell in analysis.of(benchmark):
        unit, count = UNIT_COSTS.get((cell.series.metric, cell.series.statistic), ("", 0.0))
        declared = analysis.config.environment(cell.environment)
        price = declared.price
        if not unit or price is None or cell.summary is None or cell.summary.value <= 0:
            continue
        higher = analysis.metric(cell.series.metric).better == Better.HIGHER
        second = price.per_hour / _HOUR_S * count

        def cost(value: float, second: float = second, *, higher: bool = higher) -> float:
            return second / value if higher else second * value

        bounds = cell.summary.interval
        interval = None
        if bounds and bounds.low > 0:
            ends = sorted((cost(bounds.low), cost(bounds.high)))
            interval = (ends[0], ends[1])
        baseline = next(iter(declared.baselines.values()), "")
        other = analysis.config.environment(baseline).price if baseline else None
        pair = compared.get((cell.series, cell.environment, baseline))
        relative, relative_interval = None, None
        if pair and pair.factor and not pair.reason and other and other.currency == price.currency:
            cheaper = other.per_hour / price.per_hour
            relative = cheaper / pair.factor
            if pair.interval:
                relative_interval = (cheaper / pair.interval.high, cheaper / pair.interval.low)
        found.append(
            UnitCost(
                cell, unit, price, cost(cell.summary.value), interval,
                baseline if relative is not None else "", relative, relative_interval,
            )
        )  # fmt: skip
    return tuple(found)
