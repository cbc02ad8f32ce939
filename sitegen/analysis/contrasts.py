"""Differences, shares and prices of what was measured: derived, and no verdicts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from sitegen.analysis.compare import Analysis, Cell, Comparison
from sitegen.analysis.replicates import FOR_INTERVAL
from sitegen.analysis.stats import Interval, slowdown, t_interval
from sitegen.catalogue.families import natural
from sitegen.catalogue.metrics import UNIT_COSTS, Better
from sitegen.catalogue.tool import (
    AxisCost,
    ForTheMoney,
    Frontier,
    Ladder,
    OverheadBy,
    PerOperation,
    SessionShare,
)
from sitegen.config import Price
from sitegen.model import AnyRun, Params, Series, StepRates

_HOUR_S = 3600.0
_TRAILING = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMbB]?)(?:-\d+k)?$")
_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9}

#: A comparison at its place on an axis: the value as a number, as a text, and the comparison.
Placed = tuple[float, str, Comparison]
#: (figure / price) over the same of the baseline, with the interval of the printed digits.
Ratio = tuple[float, Interval | None]


#: One series at two values of a parameter: baseline, side, its other parameters, the slowdown
#: (above 1 is worse), the interval of the pairs, and how many pairs there are.
AxisPair = tuple[Cell, Cell, Params, float, Interval | None, int]
#: What is paid once a session in one environment: its parts and their sum in seconds, the time of
#: a request, (requests a session, share of them) pairs, and the parts that were not measured.
Share = tuple[str, list[tuple[str, float]], float, float, list[tuple[int, float]], list[str]]
#: What one unit costs: cell, unit, price, amount in its currency and the interval of that; and
#: against a named baseline (perf / price) over (perf / price) there: above 1 is better.
UnitCost = tuple[Cell, str, Price, float, Interval | None, tuple[str, Ratio] | None]


class Loads(NamedTuple):
    """What one environment gives at each load: (load, of all, of each), the least load first.

    ``accelerators`` is how many share what it gives to all; None where there is none.
    """

    environment: str
    accelerators: int | None
    places: tuple[tuple[str, Cell, Cell], ...]


class Difference(NamedTuple):
    """One step of a ladder against the one before; ``within`` says that pairs are of one run."""

    title: str
    cell: Cell
    value: float | None = None
    interval: Interval | None = None
    pairs: int = 0
    within: bool = False


class Climb(NamedTuple):
    """A ladder in one environment: its first step, what each further one adds, and all of them."""

    environment: str
    params: Params
    first: Cell
    first_title: str
    differences: tuple[Difference, ...]
    total: Difference
    absent: tuple[str, ...]


class Counted(NamedTuple):
    """What the machine counted by an operation of one workload in one environment.

    ``operations`` is how many a second, over all series of the workload. ``counts`` has for each
    that was asked for the mean, the least and the most of the runs, or None; ``runs`` and ``steps``
    are what they stand on.
    """

    environment: str
    series: Series
    operations: float
    counts: tuple[tuple[float, float, float] | None, ...]
    runs: int
    steps: int


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
    analysis: Analysis, benchmark: str, contrast: OverheadBy
) -> dict[tuple[str, str], list[Placed]]:
    """Return the overhead over a parameter, by (environment, baseline); only where it varies."""
    by_pair: dict[tuple[str, str], list[Placed]] = {}
    for comparison in analysis.comparisons:
        series = comparison.series
        if series.benchmark != benchmark or not contrast.series.matches(series):
            continue
        text = dict(series.params).get(contrast.axis, "")
        x = axis_value(text)
        if x is None or x <= 0 or comparison.factor is None or comparison.reason:
            continue
        pair = (comparison.side.environment, comparison.baseline.environment)
        size = _TRAILING.search(text)  # of a model, at the end of its name
        at = f"{size[1]}{size[2]}" if size and size[2] else text
        by_pair.setdefault(pair, []).append((x, at, comparison))
    return {
        pair: sorted(points, key=lambda point: (point[0], point[2].series))
        for pair, points in by_pair.items()
        if len({x for x, _, _ in points}) > 1
    }


def climbs(analysis: Analysis, benchmark: str, ladder: Ladder) -> tuple[Climb, ...]:
    """Return the ladder of each environment that has two steps of it; the first is the base."""
    ladders = _by_value(analysis, benchmark, ladder)
    present = {(label, step) for (label, *_), by_step in ladders.items() for step in by_step}
    rows = []
    for (label, _, rest), by_step in ladders.items():
        steps = [(title, by_step[step]) for step, title in ladder.steps if step in by_step]
        if len(steps) > 1:
            (title, first), (last_title, last) = steps[0], steps[-1]
            added = tuple(_difference(a, b, name) for (_, a), (name, b) in pairwise(steps))
            total = _difference(first, last, last_title)
            absent = tuple(name for step, name in ladder.steps if (label, step) not in present)
            rows.append(Climb(label, rest, first, title, added, total, absent))
    return tuple(rows)


def _by_value(
    analysis: Analysis, benchmark: str, contrast: Ladder | AxisCost
) -> dict[tuple[str, str, Params], dict[str, Cell]]:
    """Return measured cells by their value of a parameter, all else (the keys) being equal."""
    groups: dict[tuple[str, str, Params], dict[str, Cell]] = {}
    for cell in analysis.of(benchmark):
        series = cell.series
        value = dict(series.params).get(contrast.axis)
        if value and cell.summary is not None and contrast.series.matches(series):
            rest = tuple(pair for pair in series.params if pair[0] != contrast.axis)
            groups.setdefault((cell.environment, series.workload, rest), {})[value] = cell
    return groups


def _difference(before: Cell, after: Cell, title: str) -> Difference:
    """Return after - before, paired by repetition within each run.

    The interval is Student's t over run values from two runs on, and over the pairs of the
    single run otherwise: then it says how steady that run was and nothing about the next.
    """
    by_run = [[b - a for a, b in pairs] for pairs in _pairs(before, after)]
    values = _units(by_run)
    if not values:
        return Difference(title, after)
    mean, pairs = math.fsum(values) / len(values), len(values)
    interval = t_interval(values, "t") if pairs >= FOR_INTERVAL else None
    return Difference(title, after, mean, interval, pairs, len(by_run) == 1)


def _pairs(before: Cell, after: Cell) -> list[list[tuple[float, float]]]:
    """Return the values of two cells by repetition, a list a run that has both whole."""
    earlier, later = _whole_runs(before), _whole_runs(after)
    both = [(earlier.get(run, ()), values) for run, values in later.items()]
    return [[*zip(a, b, strict=True)] for a, b in both if len(a) == len(b)]


def _whole_runs(cell: Cell) -> dict[str, tuple[float, ...]]:
    """Return the values of whole runs: else the third repetition would be paired with a second."""
    kept = sum(len(values) for values in cell.repetitions)
    each = (kept + cell.failed + cell.suspect) / len(cell.runs)
    pairs = zip(cell.runs, cell.repetitions, strict=True)
    return {run: values for run, values in pairs if len(values) == each}


def _units(by_run: Sequence[list[float]]) -> list[float]:
    """Return what an interval stands on: a mean a run, or the values of the only run."""
    return by_run[0] if len(by_run) == 1 else [math.fsum(one) / len(one) for one in by_run]


def axis_pairs(analysis: Analysis, benchmark: str, contrast: AxisCost) -> list[AxisPair]:
    """Return the series that exist at both values of a parameter, paired within their runs."""
    higher = analysis.metric(contrast.series.metric).better == Better.HIGHER
    rows = []
    groups = _by_value(analysis, benchmark, contrast)
    order = list(analysis.config.environments).index
    for (label, _, rest), by_value in groups.items():
        base, side = (by_value.get(value) for value in contrast.values)
        if base and side and base.summary and side.summary:
            factor = slowdown(side.summary.value, base.summary.value, higher_is_better=higher)
            if factor is not None:
                pairs = matched(base, side, factor, higher_is_better=higher)
                rows.append((order(label), natural(side.series), (base, side, rest, *pairs)))
    return [row for *_, row in sorted(rows, key=lambda row: row[:2])]


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
    if len(logs) < FOR_INTERVAL:
        return factor, None, len(logs)
    mean = math.exp(math.fsum(logs) / len(logs))
    return mean, t_interval(logs, "t").map(math.exp), len(logs)


def session_shares(analysis: Analysis, benchmark: str, contrast: SessionShare) -> list[Share]:
    """Return what a session pays once as a share of its requests: t / (k x request latency)."""
    rows: list[Share] = []
    cells = [cell for cell in analysis.of(benchmark) if cell.summary]
    patterns = [contrast.request, *(pattern for _, pattern in contrast.once)]
    for label in dict.fromkeys(cell.environment for cell in cells):
        of_label = [cell for cell in cells if cell.environment == label]
        matches = (next((c for c in of_label if p.matches(c.series)), None) for p in patterns)
        request, *once = (cell.summary.value if cell and cell.summary else None for cell in matches)
        times = [(title, time) for (title, _), time in zip(contrast.once, once, strict=True)]
        parts = [(title, time) for title, time in times if time is not None]
        if request and parts:
            total = sum(time for _, time in parts)
            shares = [(count, total / (count * request)) for count in contrast.counts]
            absent = [title for title, time in times if time is None]
            rows.append((label, parts, total, request, shares, absent))
    return rows


def for_the_money(
    analysis: Analysis, benchmark: str, contrast: ForTheMoney
) -> dict[str, dict[str, Ratio]]:
    """Return what figures are for their price, by environment and metric, against the first's."""
    figures = {
        (cell.environment, cell.series.metric): cell.summary
        for cell in analysis.of(benchmark)
        # A measured bandwidth has parameters; a datasheet's has none.
        if cell.summary is not None and cell.summary.value > 0 and not cell.series.params
    }
    # In the order of the report's settings: the first is the baseline.
    priced = [label for label in analysis.config.environments if (label, contrast.price) in figures]

    def quotient(label: str, metric: str) -> Ratio:
        figure, price = figures[label, metric], figures[label, contrast.price]
        of, by = figure.interval, price.interval
        printed = of.over(by) if of and by and of.low > 0 and by.low > 0 else None
        return figure.value / price.value, printed

    ratios: dict[str, dict[str, Ratio]] = {}
    for label in priced:
        for metric in contrast.metrics:
            if (label, metric) in figures and (priced[0], metric) in figures:
                (ratio, ours), (base, theirs) = quotient(label, metric), quotient(priced[0], metric)
                printed = ours.over(theirs) if label != priced[0] and ours and theirs else None
                ratios.setdefault(label, {})[metric] = ratio / base, printed
    return ratios


def unit_costs(analysis: Analysis, benchmark: str) -> list[UnitCost]:
    """Return what a unit costs wherever an environment has a price: the whole instance is billed.

    A time costs price x time; a rate costs price / rate. The baseline is the environment's
    default one, when it has a price in the same currency.
    """
    rows: list[UnitCost] = []
    compared = {
        (c.series, c.side.environment, c.baseline.environment): c for c in analysis.comparisons
    }
    for cell in analysis.of(benchmark):
        unit, count = UNIT_COSTS.get((cell.series.metric, cell.series.statistic), ("", 0.0))
        declared = analysis.config.environment(cell.environment)
        price, summary = declared.price, cell.summary
        if not unit or price is None or summary is None or summary.value <= 0:
            continue
        second = price.per_hour / _HOUR_S * count
        bounds = summary.interval if summary.interval and summary.interval.low > 0 else None
        if analysis.metric(cell.series.metric).better == Better.HIGHER:
            amount, interval = second / summary.value, bounds and _over(second, bounds)
        else:
            times = second.__mul__
            amount, interval = times(summary.value), bounds and bounds.map(times)
        baseline = next(iter(declared.baselines.values()), "")
        other = analysis.config.environment(baseline).price if baseline else None
        pair, relative = compared.get((cell.series, cell.environment, baseline)), None
        if pair and pair.factor and not pair.reason and other and other.currency == price.currency:
            cheaper = other.per_hour / price.per_hour
            ends = pair.interval and _over(cheaper, pair.interval)
            relative = (baseline, (cheaper / pair.factor, ends))
        rows.append((cell, unit, price, amount, interval, relative))
    return rows


def _over(value: float, interval: Interval) -> Interval:
    return Interval(value / interval.high, value / interval.low, interval.kind)


def frontiers(
    analysis: Analysis, benchmark: str, frontier: Frontier
) -> dict[Params, tuple[Loads, ...]]:
    """Return what environments give at each load, by the parameters that they share.

    Only those that were measured at two loads or more: one is no frontier.
    """
    found: dict[tuple[Params, str], dict[str, tuple[Cell, Cell]]] = {}
    for cell in analysis.of(benchmark):
        if not frontier.total.matches(cell.series):
            continue
        have = dict(cell.series.params)
        pattern = frontier.each
        series = cell.series._replace(metric=pattern.metric, statistic=pattern.statistic)
        each = analysis.cells.get((series, cell.environment))
        load = have.pop(frontier.axis, "")
        if load and cell.summary and each is not None and each.summary:
            key = (tuple(sorted(have.items())), cell.environment)
            found.setdefault(key, {})[load] = (cell, each)
    charts: dict[Params, list[Loads]] = {}
    for (params, label), places in sorted(found.items()):
        if len(places) > 1:
            ordered = sorted(places.items(), key=lambda place: axis_value(place[0]) or 0.0)
            newest = analysis.selections[benchmark, label].runs[-1]
            number = newest.fingerprint.get("gpus") or ""
            gpus = int(number) if number.isdecimal() and int(number) else None
            by_load = tuple((load, *cells) for load, cells in ordered)
            charts.setdefault(params, []).append(Loads(label, gpus, by_load))
    return {params: tuple(loads) for params, loads in charts.items()}


def per_operation(analysis: Analysis, contrast: PerOperation) -> list[Counted]:
    """Return what the machine counted a second over the operations a second, step by step."""
    rows = []
    order = list(analysis.config.environments).index
    for benchmark, pattern in contrast.operations:
        groups: dict[tuple[str, str, Params], list[_Busy]] = {}
        cells = (c for c in analysis.of(benchmark) if c.summary and pattern.matches(c.series))
        for cell in sorted(cells, key=lambda cell: natural(cell.series)):
            runs = {run.id: run for run in analysis.selections[benchmark, cell.environment].runs}
            for run_id, values in zip(cell.runs, cell.repetitions, strict=True):
                step = _step_of(runs[run_id], cell.series) if run_id in runs else None
                if values and step:
                    key = (cell.environment, cell.series.workload, step.params)
                    rate = math.fsum(values) / len(values)
                    groups.setdefault(key, []).append(_Busy(run_id, cell.series, rate, step))
        found = [
            _counted(label, busy, contrast)
            for (label, *_), busy in groups.items()
            if _at_once(busy, contrast.parts)
        ]
        rows += sorted(found, key=lambda one: (natural(one.series), order(one.environment)))
    return rows


class _Busy(NamedTuple):
    run: str
    series: Series
    rate: float
    step: StepRates


def _at_once(busy: Sequence[_Busy], parts: str) -> bool:
    """Say whether the series of a step are parts of the same load."""
    return len({tuple(p for p in one.series.params if p[0] != parts) for one in busy}) == 1


def _step_of(run: AnyRun, series: Series) -> StepRates | None:
    """Return the one step that measured a series; of several nothing is known."""
    about = set(series.params)
    found = [
        step for step in run.rates if step.workload == series.workload and about >= set(step.params)
    ]
    return found[0] if len(found) == 1 else None


def _counted(label: str, busy: Sequence[_Busy], contrast: PerOperation) -> Counted:
    """Return the counts of one workload; several series of a run are parts of its operations."""
    operations: dict[str, float] = {}
    for one in busy:
        operations[one.run] = operations.get(one.run, 0.0) + one.rate
    steps = {one.run: one.step for one in busy}
    counts = []
    for name, _ in contrast.counts:
        rates = {run: dict(step.rates).get(name) for run, step in steps.items()}
        each = [
            rate / operations[run]
            for run, rate in rates.items()
            if rate is not None and operations[run] > 0
        ]
        counts.append((math.fsum(each) / len(each), min(each), max(each)) if each else None)
    mean = math.fsum(operations.values()) / len(operations)
    number = sum(step.repetitions for step in steps.values())
    return Counted(label, busy[0].series, mean, tuple(counts), len(operations), number)
