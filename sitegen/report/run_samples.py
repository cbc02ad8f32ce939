"""The samples behind a run's values, drawn: a small line a row, and distributions."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Metric
from sitegen.charts.layout import log_axis
from sitegen.charts.spec import Hue, Line, Point, Ridge, RidgeChart
from sitegen.model import Params, Sample
from sitegen.report import words
from sitegen.report.matrix import PlannedRow

#: Steps of a ridge from one end of its axis to the other, and what it leaves out at each end.
_STEPS = 72
_TAIL = 0.001
_MOST_RIDGES, _MOST_CHARTS = 8, 2
#: Samples of one repetition of a series, by its workload, parameters and metric.
BySeries = Mapping[tuple[str, Params, str], Sequence[Sample]]


def by_second(samples: Iterable[Sample]) -> BySeries:
    """Return the samples over time of the first repetition of each series."""
    found: dict[tuple[str, Params, str], list[Sample]] = {}
    for one in samples:
        if one.kind != "time":
            continue
        rows = found.setdefault((one.workload, one.params, one.metric), [])
        if rows and one.repetition < rows[0].repetition:
            rows.clear()
        if not rows or one.repetition == rows[0].repetition:
            rows.append(one)
    return found


def line(
    row: PlannedRow, metrics: Iterable[str], seconds: BySeries, analysis: Analysis, hue: Hue
) -> tuple[str, Line] | None:
    """Return what is drawn of a row by the second, and the line; nothing without samples."""
    for metric_id in metrics:
        rows = seconds.get((row.workload, row.params, metric_id), ())
        if len(rows) > 1:
            metric = analysis.metric(metric_id)
            unit = metric.unit_for([one.y for one in rows])
            points = tuple(Point(one.x, one.y / unit.factor, "") for one in rows)
            least, most = (unit.number(end(one.y for one in rows)) for end in (min, max))
            said = f"{metric.title} by the second, {least} to {most} {unit.text}".rstrip()
            return metric.title, Line(said, hue, points)
    return None


def distributions(
    benchmark: str,
    rows: Iterable[PlannedRow],
    samples: Iterable[Sample],
    analysis: Analysis,
    hue: Hue,
) -> tuple[RidgeChart, ...]:
    """Return the distributions of a run, all repetitions together: a ridge a workload."""
    presented = family(benchmark)
    bins: dict[tuple[str, str, Params], dict[float, float]] = {}
    for one in samples:
        if one.kind in ("histogram", "request"):
            held = bins.setdefault((one.metric, one.workload, one.params), {})
            x, y = (one.x, one.y) if one.kind == "histogram" else (one.y, 1.0)
            if x > 0:
                held[x] = held.get(x, 0.0) + y
    titles = {(row.workload, row.params): row for row in rows}
    charts: dict[tuple[str, str], list[tuple[PlannedRow, dict[float, float]]]] = {}
    wholes = {part for part, whole in presented.wholes.items() if any(whole == m for m, *_ in bins)}
    wanted = [name for name, _ in presented.distributions or ()]
    for (row_workload, row_params), row in titles.items():
        for metric in dict.fromkeys(name for name, *_ in bins):
            held = bins.get((metric, row_workload, row_params), {})
            if held and metric not in wholes and (not wanted or metric in wanted):
                side = dict(row_params).get("direction", "")
                charts.setdefault((metric, side), []).append((row, held))
    order = sorted(
        charts, key=lambda key: (wanted.index(key[0]) if wanted else 0, -len(charts[key]))
    )
    return tuple(
        _chart(analysis, metric, side, charts[metric, side], hue, presented.counted)
        for metric, side in order[:_MOST_CHARTS]
    )


def _chart(  # noqa: PLR0913 - what a chart is made of
    analysis: Analysis,
    metric_id: str,
    side: str,
    members: Sequence[tuple[PlannedRow, dict[float, float]]],
    hue: Hue,
    counted: str,
) -> RidgeChart:
    metric, shown = analysis.metric(metric_id), members[:_MOST_RIDGES]
    places = [sorted(held) for _, held in shown]
    sums = [
        list(accumulate(held[x] for x in xs)) for (_, held), xs in zip(shown, places, strict=True)
    ]

    def at(xs: Sequence[float], sum_: Sequence[float], share: float) -> float:
        return xs[min(bisect_left(sum_, share * sum_[-1]), len(xs) - 1)]

    pairs = list(zip(places, sums, strict=True))
    low = min(at(xs, sum_, _TAIL) for xs, sum_ in pairs)
    high = max(at(xs, sum_, 1 - _TAIL) for xs, sum_ in pairs)
    low, high = (low, high) if high > low * 1.1 else (low / 1.5, high * 1.5)
    unit = metric.unit_for([low])
    axis = log_axis(low / unit.factor, high / unit.factor, (0.0, 1.0))
    ridges = []
    for (row, held), (xs, sum_) in zip(shown, pairs, strict=True):
        middle = at(xs, sum_, 0.5)
        text = f"{metric.unit_for([middle]).number(middle)} {metric.unit_for([middle]).text}"
        label = words.joined(row.title, _apart(row, shown), by=" · ")
        ridges.append(Ridge(label, hue, _heights(held, low, high), middle / unit.factor, text))
    more = len(members) - len(shown)
    name = words.joined(metric.title, words.param("direction", side) if side else "")
    about = words.joined(
        f"each to its own height; the mark is the median of all {counted}",
        f"{more} more in the download" if more else "",
        by="; ",
    )
    return RidgeChart(
        f"distribution-{metric_id.replace('.', '-')}{side and f'-{side}'}", name, about,
        low / unit.factor, high / unit.factor,
        tuple((place, _text(metric, place * unit.factor)) for place, _ in axis.ticks),
        tuple(ridges),
        f"Distribution of {words.lower_first(name)}: "
        + "; ".join(f"{one.label} {one.text}" for one in ridges),
    )  # fmt: skip


def _text(metric: Metric, value: float) -> str:
    """Return a value with the unit that it reads best in; of round ones no more digits."""
    unit = metric.unit_for([value])
    short = f"{value / unit.factor:.3g}"
    text = (
        short if len(short) < len(unit.number(value)) and "e" not in short else unit.number(value)
    )
    return f"{text} {unit.text}".rstrip()


def _apart(row: PlannedRow, members: Sequence[tuple[PlannedRow, object]]) -> str:
    """Return what tells a row from others of the same title."""
    same = sum(other.title == row.title for other, _ in members)
    return row.about.partition(" · ")[2] or row.workload if same > 1 else ""


def _heights(held: Mapping[float, float], low: float, high: float) -> tuple[float, ...]:
    """Return how much lies in each step of a log axis, the most as 1."""
    heights = [0.0] * _STEPS
    origin, width = math.log(low), math.log(high) - math.log(low)
    for x, count in held.items():
        step = int((math.log(x) - origin) / width * _STEPS)
        if 0 <= step < _STEPS:
            heights[step] += count
    # A bin of the tool may be wider than a step, and a few requests are no shape: it is smoothed.
    for _ in range(2):
        heights = [
            (before + 2 * here + after) / 4
            for before, here, after in zip(
                [0.0, *heights], heights, [*heights[1:], 0.0], strict=False
            )
        ]
    most = max(heights) or 1.0
    return tuple(round(height / most, 3) for height in heights)
