"""The charts of a comparison page: bars, scaling lines, efficiency and distributions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, Cell
from sitegen.analysis.contrasts import axis_value
from sitegen.analysis.replicates import Origin
from sitegen.catalogue.families import family, natural
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.tool import Family, Panel
from sitegen.catalogue.units import DisplayUnit, significant
from sitegen.charts.spec import (
    UNTOLD,
    BarChart,
    Behind,
    Chart,
    Group,
    Hue,
    Line,
    LineChart,
    Mark,
    Point,
)
from sitegen.model import Params, Sample, Series
from sitegen.report import addresses, words

#: What tables of figures show; the downloads hold the rest.
STATISTICS = frozenset({"value", "mean", "total", "p50", "p99"})
_MAX_PANELS = 12
_MAX_DISTRIBUTIONS = 6
#: Runs that a mark of a chart leads to, the newest.
_MAX_BEHIND = 8
_SPREADS = {
    "replicates": "{} at 95 %",
    "counts": "{} at 95 %",
    "repetitions": "{} within its runs",
    "rounding": "{} by the rounding of its digits",
}
#: A distribution keeps a point each so many percent, and where it passes one of these.
_STEP = 2.0
_MIDDLE = 50.0
_TAIL = (_MIDDLE, 90.0, 95.0, 99.0, 99.9, 99.99)


def panels(analysis: Analysis, benchmark: str, prefix: str = "") -> tuple[Chart, ...]:
    """Return the charts that a family declares, then those of its other series."""
    presented, cells = family(benchmark), analysis.of(benchmark)
    charts: list[Chart] = []
    used: set[Series] = set()
    declared = presented.panels or _undeclared(analysis, presented, cells)
    for index, (panel, chosen) in enumerate(_divided(declared, cells)):
        used |= {cell.series for cell in chosen}
        chart = None
        if panel.axis:
            name = f"{'efficiency' if panel.efficiency else 'scaling'}-{index}"
            chart = _line_chart(analysis, presented, panel, chosen, name)
        if chart:
            charts.append(chart)
        elif not (panel.axis and panel.efficiency):
            # One place on the axis is no line: what there is stands as bars.
            charts.append(_bar_chart(analysis, panel, chosen, f"panel-{index}"))
    if presented.panels and not presented.contrasts:
        rest = [cell for cell in leading_statistics(cells) if cell.series not in used]
        more = enumerate(_divided(_undeclared(analysis, presented, rest), rest))
        charts += [_bar_chart(analysis, *parts, f"more-{index}") for index, parts in more]
    return addressed(charts, prefix)


def addressed(charts: Iterable[Chart], prefix: str = "") -> tuple[Chart, ...]:
    """Return charts whose ids are made of their kind and title, so that a link to one stays.

    The kind is what their id is so far; ids begin with ``prefix``.
    """
    named: dict[str, Chart] = {}
    for chart in charts:
        name = prefix + addresses.figure(chart.id.rstrip("-0123456789"), chart.title, named)
        named[name] = chart._replace(id=name)
    return tuple(named.values())


def _divided(panels: Iterable[Panel], cells: Sequence[Cell]) -> Iterator[tuple[Panel, list[Cell]]]:
    """Yield each panel with its cells; one that is split, once for each combination there is."""
    for panel in panels:
        parts: dict[Params, list[Cell]] = {}
        for cell in cells:
            if panel.matches(cell.series) and cell.summary:
                parts.setdefault(_some(cell.series, panel.split), []).append(cell)
        for key, members in sorted(parts.items()):
            title = words.joined(panel.title, words.params(key), by=": ")
            yield replace(panel, title=title), members


def _some(series: Series, keys: Container[str]) -> Params:
    """Return the parameters of a series that ``keys`` names."""
    return tuple(pair for pair in series.params if pair[0] in keys)


def leading_statistics(cells: Sequence[Cell]) -> list[Cell]:
    """Leave out means where the tool also gives the value itself."""
    plain = {c.series._replace(statistic="mean") for c in cells if c.series.statistic == "value"}
    return [cell for cell in cells if cell.series not in plain]


def _undeclared(analysis: Analysis, presented: Family, cells: Sequence[Cell]) -> list[Panel]:
    """Return a panel for each series that has none; where none is declared, one a metric."""
    if any(panel.axis for panel in presented.panels):
        return []
    by_key: dict[tuple[str, str, Params], Panel] = {}
    for cell in cells:
        series, have = cell.series, dict(cell.series.params)
        metric = analysis.metric(series.metric)
        main = cell.summary and series.statistic in ("value", "mean", "total")
        if not main or metric.better == Better.NONE:
            continue
        if presented.leads and presented.leads(have) != metric.id:
            continue
        pairs = series.params if presented.panels else ()
        rest = tuple(pair for pair in pairs if pair[0] != "direction")
        title = words.upper_first(words.params(rest, frozenset({"numjobs"}))) or metric.title
        group = "direction" if presented.panels and "direction" in have else ""
        panel = Panel(metric.id, series.statistic, rest, title=title, group=group)
        by_key.setdefault((metric.id, series.statistic, rest), panel)
    return list(by_key.values())[:_MAX_PANELS]


def unit_of(analysis: Analysis, cells: Iterable[Cell]) -> DisplayUnit:
    """Return the unit that cells of one metric are shown in, when together."""
    cells = list(cells)
    metric = analysis.metric(cells[0].series.metric)
    return metric.unit_for([cell.summary.value for cell in cells if cell.summary])


def lines(drawn: Iterable[tuple[str, Hue, tuple[Point, ...]]]) -> tuple[Line, ...]:
    """Return lines of (label, colour, points); a pattern tells those of one colour apart."""
    hues: Counter[str] = Counter()
    lines = []
    for label, hue, points in drawn:
        lines.append(Line(label, hue, points, min(hues[hue], 2)))
        hues[hue] += 1
    return tuple(lines)


def mark(analysis: Analysis, cell: Cell, unit: DisplayUnit, label: str) -> Mark:
    """Return the bar of a cell."""
    hue = words.platform(analysis.config, cell.environment).hue
    value = cell.summary.value / unit.factor if cell.summary else None
    text, bounds = words.number(cell, unit), _bounds(cell, unit)
    return Mark(label, value, text, hue, *bounds, cell.doubt, behind(cell, unit))


def behind(cell: Cell, unit: DisplayUnit) -> Behind:
    """Return what the value of a cell stands on, as who points at its mark is told."""
    summary = cell.summary
    if summary is None:
        return UNTOLD
    ends = words.between(summary.interval, unit)
    spread = _SPREADS[summary.interval.kind].format(ends) if summary.interval and ends else ""
    runs = tuple(map(run_of, summary.origins[-_MAX_BEHIND:]))
    day = runs[-1][1][:10] if runs else ""
    newest = f"{'the newest ' * (len(runs) > 1)}of {day}" if day else ""
    return Behind(words.joined(spread, words.counted(summary), newest), runs)


def run_of(origin: Origin) -> tuple[str, str]:
    """Return a run's id, and when it was taken where that is known."""
    if origin.at is None:
        return origin.run, ""
    return origin.run, f"{datetime.fromtimestamp(origin.at, UTC):%Y-%m-%d %H:%M}"


def _bounds(cell: Cell, unit: DisplayUnit) -> tuple[float | None, float | None]:
    interval = cell.summary.interval if cell.summary else None
    if interval is None:
        return None, None
    # An interval of what cannot be negative ends at nothing.
    floor = 0.0 if cell.summary and min(cell.summary.values) >= 0 else interval.low
    return max(interval.low, floor) / unit.factor, interval.high / unit.factor


def _bar_chart(analysis: Analysis, panel: Panel, cells: Sequence[Cell], chart_id: str) -> BarChart:
    metric = analysis.metric(panel.metric)
    unit = unit_of(analysis, cells)
    order = list(analysis.config.environments)
    varying = _varying(cells) - {panel.group}
    groups: dict[tuple[float, str], list[Mark]] = {}
    for cell in sorted(
        cells, key=lambda c: (order.index(c.environment), c.series.workload, c.series.params)
    ):
        name = words.platform(analysis.config, cell.environment).name
        label = words.joined(name, words.params(_some(cell.series, varying)))
        marks = groups.setdefault(_group_key(cell, panel), [])
        marks.append(mark(analysis, cell, unit, label))
    return BarChart(
        id=chart_id,
        title=panel.title,
        subtitle=words.metric_line(metric, unit, panel.statistic),
        unit=unit.text,
        groups=tuple(
            Group(words.upper_first(words.param(panel.group, value)) if value else "", tuple(marks))
            for (_, value), marks in sorted(groups.items(), key=lambda group: group[0])
        ),
        summary=f"{panel.title}, {words.lower_first(metric.title)} in {unit.text or 'counts'},"
        f" {words.count(len({c.environment for c in cells}), 'environment')}",
    )


def _group_key(cell: Cell, panel: Panel) -> tuple[float, str]:
    """Return a group's place, by the size that its value ends in, and the value."""
    value = dict(cell.series.params).get(panel.group, "")
    sizes = [part[:-1] for part in value.replace("-", " ").split() if part.upper().endswith("B")]
    number = sizes[-1] if sizes else value
    return float(number) if words.is_number(number) else 0.0, value


def _varying(cells: Sequence[Cell]) -> set[str]:
    """Return the parameters that tell apart two cells of one environment."""
    by_environment: dict[str, list[dict[str, str]]] = {}
    for cell in cells:
        by_environment.setdefault(cell.environment, []).append(dict(cell.series.params))
    return {
        key
        for members in by_environment.values()
        for key in set().union(*members)
        if len({have.get(key) for have in members}) > 1
    }


def _line_chart(
    analysis: Analysis, presented: Family, panel: Panel, cells: Sequence[Cell], chart_id: str
) -> LineChart | None:
    metric = analysis.metric(panel.metric)
    on_axis = [cell for cell in cells if not math.isnan(_at(cell, panel.axis))]
    if not on_axis:
        return None
    unit = DisplayUnit(0.01, "%") if panel.efficiency else unit_of(analysis, on_axis)
    drawn = []
    for environment, extra, members in _by_line(analysis, panel, on_axis):
        points = tuple(_points(members, panel, unit))
        if len(points) > 1:  # one point scales nothing
            short = [p for p in extra if p[0] != "scheme" or ("keepalive", "true") not in extra]
            label = words.joined(environment.name, words.params(tuple(short)))
            drawn.append((label, environment.hue, points))
    if not drawn:
        return None
    axis_title = panel.axis_title or presented.axis_title or panel.axis
    log = not panel.efficiency and metric.better == Better.HIGHER
    subtitle = words.metric_line(metric, unit, panel.statistic)
    if panel.efficiency:
        first = min(points[0].x for _, _, points in drawn)
        subtitle = f"value ÷ ({panel.axis} × value at {first:g}) · % · ↑ higher is better"
    names = words.enumerate_words([label for label, _, _ in drawn])
    return LineChart(
        id=chart_id,
        title=panel.title,
        subtitle=subtitle,
        x_title=axis_title,
        unit=unit.text,
        lines=lines(drawn),
        summary=f"{panel.title} over {axis_title}: {names}",
        x_log=True,
        y_log=log,
        y_zero=not log,
        reference=100.0 if panel.efficiency else None,
    )


def _by_line(
    analysis: Analysis, panel: Panel, cells: Sequence[Cell]
) -> Iterator[tuple[words.Platform, Params, list[Cell]]]:
    """Yield the environment and the parameters of each line, with its cells.

    7-Zip has a workload for each thread count: one line. Where two workloads have the same
    place on the axis, each is a line of its own.
    """
    places = {(cell.environment, cell.series.params, cell.series.workload) for cell in cells}
    apart = len(places) > len({place[:2] for place in places})
    varying = _varying(cells) - {panel.axis}
    order = list(analysis.config.environments)
    groups: dict[tuple[int, str, Params], list[Cell]] = {}
    for cell in cells:
        workload = cell.series.workload if apart else ""
        key = (order.index(cell.environment), workload, _some(cell.series, varying))
        groups.setdefault(key, []).append(cell)
    for (rank, _, extra), members in sorted(groups.items()):
        members.sort(key=lambda cell: _at(cell, panel.axis))
        yield words.platform(analysis.config, order[rank]), extra, members


def _at(cell: Cell, axis: str) -> float:
    """Return a cell's place on an axis; nan where it has none."""
    value = axis_value(dict(cell.series.params).get(axis, ""))
    return math.nan if value is None else value


def _points(members: Sequence[Cell], panel: Panel, unit: DisplayUnit) -> Iterator[Point]:
    """Yield values, or value / (axis x value at the smallest) in percent: within a run."""
    base = members[0]
    for cell in members:
        at = _at(cell, panel.axis)
        if not cell.summary or not base.summary:
            continue
        value = cell.summary.value
        if panel.efficiency and base.summary.value <= 0:
            continue
        if panel.efficiency:
            share = 100 * value / (base.summary.value / _at(base, panel.axis) * at)
            counted = Behind(words.counted(cell.summary), behind(cell, unit).runs)
            doubt = cell.doubt or base.doubt
            yield Point(at, share, f"{share:.1f}", doubt=doubt, behind=counted)
        else:
            text, bounds = words.number(cell, unit), _bounds(cell, unit)
            here = value / unit.factor
            yield Point(at, here, text, *bounds, cell.doubt, behind(cell, unit))


def distributions(
    analysis: Analysis, benchmark: str, samples: Mapping[str, tuple[Sample, ...]]
) -> tuple[Chart, ...]:
    """Return a cumulative distribution for each histogram series, one line an environment."""
    presented = family(benchmark)
    histograms: dict[Series, dict[str, dict[float, float]]] = {}
    for label, rows in samples.items():
        for row in rows:
            if row.kind in ("histogram", "request"):
                series = Series(benchmark, row.workload, row.metric, "value", row.params)
                bins = histograms.setdefault(series, {}).setdefault(label, {})
                # A row a request is a bin of its own that holds one.
                x, y = (row.x, row.y) if row.kind == "histogram" else (row.y, 1.0)
                bins[x] = bins.get(x, 0.0) + y
    shown = [
        series
        for series in _chosen_series(histograms, presented.distributions)
        if series._replace(metric=presented.wholes.get(series.metric, "")) not in histograms
    ]
    common = words.background(benchmark, shown)
    charts = []
    for index, series in enumerate(sorted(shown)[:_MAX_DISTRIBUTIONS]):
        metric = analysis.metric(series.metric)
        name, title = words.lower_first(metric.title), words.short(series, common)
        places = sorted(x for bins in histograms[series].values() for x in bins if x > 0) or [1.0]
        unit = metric.unit_for([places[len(places) // 2]])
        lines = []
        for label, bins in sorted(histograms[series].items()):
            environment = words.platform(analysis.config, label)
            points = _cumulative(bins, unit)
            middle = next((one.x for one in points if one.y >= _MIDDLE), None)
            value = "" if middle is None else significant(middle)
            lines.append(Line(environment.name, environment.hue, points, value=value))
        charts.append(
            LineChart(
                id=f"distribution-{index}",
                title=title,
                subtitle=f"{name} · % of {presented.counted} within · at the label: p50",
                x_title=f"{name}, {unit.text}",
                unit="%",
                lines=tuple(lines),
                summary=f"Distribution of {name}, {title}",
                kind="step",
                x_log=True,
            )
        )
    return addressed(charts)


def _chosen_series(
    every: Iterable[Series], pairs: tuple[tuple[str, str], ...] | None
) -> list[Series]:
    """Return the first and the last series of each wanted metric and workload."""
    if pairs is None:
        return list(every)
    chosen: list[Series] = []
    for pair in pairs:
        matching = sorted((s for s in every if (s.metric, s.workload) == pair), key=natural)
        chosen += [*matching[:1], *matching[-1:]]
    return list(dict.fromkeys(chosen))


def _cumulative(bins: Mapping[float, float], unit: DisplayUnit) -> tuple[Point, ...]:
    """Return the cumulative distribution, thinned to what 352 px and the tail can show."""
    total, last = sum(bins.values()), max(bins)
    running, kept = 0.0, -_STEP
    points = []
    for x in sorted(bins):
        running += bins[x]
        share = 100 * running / total
        passed = share >= 100 or any(kept < edge <= share for edge in _TAIL)  # noqa: PLR2004 - percent
        if x > 0 and (share - kept >= _STEP or passed or x == last):
            kept = share
            at = float(f"{x / unit.factor:.4g}")
            points.append(Point(at, round(share, 3), f"{share:.2f}"))
    return tuple(points)
