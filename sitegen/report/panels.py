"""The charts of a comparison page: bars, scaling lines, efficiency and distributions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from sitegen.analysis import caveats
from sitegen.analysis.compare import Analysis, Cell
from sitegen.analysis.contrasts import axis_value
from sitegen.catalogue import parameters
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Better, Metric
from sitegen.catalogue.tool import Family, Panel, Scaling
from sitegen.catalogue.units import DisplayUnit
from sitegen.charts.spec import BarChart, Chart, Group, Line, LineChart, Mark, Point
from sitegen.model import Params, Sample, Series
from sitegen.report import words

_MAX_PANELS = 12
_MAX_DISTRIBUTIONS = 6
#: A distribution keeps a point each so many percent, and where it passes one of these.
_STEP = 2.0
_TAIL = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)


def leading_chart(analysis: Analysis, benchmark: str) -> Chart | None:
    """Return the first chart of a benchmark's page, for the front page."""
    charts = panels(analysis, family(benchmark), analysis.of(benchmark))
    if not charts:
        return None
    return replace(charts[0], id=f"{benchmark}-{charts[0].id}")


def panels(analysis: Analysis, presented: Family, cells: Sequence[Cell]) -> list[Chart]:
    """Return the charts of a benchmark: those that its family declares, then its other series."""
    wanted = presented.panels or _generic_panels(analysis, cells)
    charts: list[Chart] = []
    used: set[Series] = set()
    for index, (panel, chosen) in enumerate(_divided(wanted, cells)):
        used |= {cell.series for cell in chosen}
        if panel.axis:
            chart: Chart | None = _line_chart(analysis, presented, panel, chosen, index)
            if chart is None and not panel.efficiency:
                # One place on the axis is no line: what there is stands as bars.
                chart = _bar_chart(analysis, panel, chosen, f"panel-{index}")
            charts += [chart] if chart else []
        else:
            charts.append(_bar_chart(analysis, panel, chosen, f"panel-{index}"))
    if presented.panels and not presented.contrasts:
        rest = [c for c in leading_statistics(cells) if c.series not in used]
        rest = [c for c in rest if _is_main(analysis, c)]
        charts += [
            _bar_chart(
                analysis, panel, [c for c in rest if panel.matches(c.series)], f"more-{index}"
            )
            for index, panel in enumerate(_own_panels(analysis, presented, rest))
        ]
    return charts


def _divided(wanted: Iterable[Panel], cells: Sequence[Cell]) -> Iterator[tuple[Panel, list[Cell]]]:
    """Yield each panel with its cells; one that is split, once for each combination there is."""
    for panel in wanted:
        chosen = [cell for cell in cells if panel.matches(cell.series) and cell.summary]
        parts: dict[Params, list[Cell]] = {}
        for cell in chosen:
            key = tuple(pair for pair in cell.series.params if pair[0] in panel.split)
            parts.setdefault(key, []).append(cell)
        for key, members in sorted(parts.items()):
            told = words.params(key)
            title = f"{panel.title}: {told}" if told else panel.title
            yield replace(panel, title=title), members


def leading_statistics(cells: Sequence[Cell]) -> list[Cell]:
    """Leave out means where the tool also gives the value itself."""
    plain = {s._replace(statistic="") for s in (c.series for c in cells) if s.statistic == "value"}
    return [
        c
        for c in cells
        if c.series.statistic != "mean" or c.series._replace(statistic="") not in plain
    ]


def _own_panels(analysis: Analysis, presented: Family, cells: Sequence[Cell]) -> list[Panel]:
    """Return panels for workloads that no declared panel shows, by their leading metric."""
    if any(panel.axis for panel in presented.panels):
        return []
    found: dict[tuple[str, str, tuple[tuple[str, str], ...]], Panel] = {}
    for cell in cells:
        have = dict(cell.series.params)
        if _leading(presented.benchmark, have) not in ("", cell.series.metric):
            continue
        where = tuple(p for p in cell.series.params if p[0] != "direction")
        key = (cell.series.metric, cell.series.statistic, where)
        if key in found:
            continue
        title = words.params(where, frozenset({"direction", "numjobs"}))
        found[key] = Panel(
            cell.series.metric,
            cell.series.statistic,
            where,
            title=(title[:1].upper() + title[1:]) or analysis.metric(cell.series.metric).title,
            group="direction" if "direction" in have else "",
        )
    return list(found.values())[:_MAX_PANELS]


def _leading(benchmark: str, have: Mapping[str, str]) -> str:
    """Return the metric that says most of a storage workload: rate, or latency when shallow."""
    if benchmark != "fio":
        return ""
    if parameters.largest(have.get("block_size", "")) >= 65536:  # noqa: PLR2004 - from here bytes count
        return "fio.bandwidth"
    return "fio.latency" if have.get("iodepth") in ("1", "4") else "fio.iops"


def _generic_panels(analysis: Analysis, cells: Sequence[Cell]) -> tuple[Panel, ...]:
    names = dict.fromkeys(
        (c.series.metric, c.series.statistic) for c in cells if _is_main(analysis, c)
    )
    return tuple(
        Panel(name, statistic, title=analysis.metric(name).title)
        for name, statistic in list(names)[:_MAX_PANELS]
    )


def _is_main(analysis: Analysis, cell: Cell) -> bool:
    return (
        cell.summary is not None
        and cell.series.statistic in ("value", "mean", "total")
        and analysis.metric(cell.series.metric).better != Better.NONE
    )


def unit_of(metric: Metric, cells: Iterable[Cell]) -> DisplayUnit:
    """Return the unit that cells of one metric are shown in, when together."""
    return metric.unit_for([c.summary.value for c in cells if c.summary])


def _bar_chart(analysis: Analysis, panel: Panel, cells: Sequence[Cell], chart_id: str) -> BarChart:
    metric = analysis.metric(panel.metric)
    unit = unit_of(metric, cells)
    order = {label: index for index, label in enumerate(analysis.config.environments)}
    varying = _varying(cells) - {panel.group}
    keyed = sorted(
        cells,
        key=lambda c: (
            _group_key(c, panel),
            order.get(c.environment, len(order)),
            c.series.workload,
            c.series.params,
        ),
    )
    groups = []
    for name, members in groupby(keyed, key=lambda c: _group_key(c, panel)):
        marks = tuple(_mark(analysis, cell, unit, varying) for cell in members)
        groups.append(Group(_group_name(panel.group, name[1]), marks))
    return BarChart(
        id=chart_id,
        title=panel.title,
        subtitle=words.metric_line(metric, unit, panel.statistic),
        unit=unit.text,
        groups=tuple(groups),
        summary=f"{panel.title}, {words.lower_first(metric.title)} in {unit.text or 'counts'},"
        f" {words.count(len({c.environment for c in cells}), 'environment')}",
    )


def _group_key(cell: Cell, panel: Panel) -> tuple[float, str]:
    value = dict(cell.series.params).get(panel.group, "") if panel.group else ""
    sizes = [part for part in value.replace("-", " ").split() if part.upper().endswith("B")]
    number = sizes[-1][:-1] if sizes else value
    try:
        return float(number), value
    except ValueError:
        return 0.0, value


def _group_name(key: str, value: str) -> str:
    if not key or not value:
        return ""
    text = words.param(key, value)
    return text[0].upper() + text[1:]


def _mark(analysis: Analysis, cell: Cell, unit: DisplayUnit, varying: frozenset[str]) -> Mark:
    declared = analysis.config.environment(cell.environment)
    extra = words.params(tuple(p for p in cell.series.params if p[0] in varying))
    name = words.environment(declared)
    interval = cell.summary.interval if cell.summary else None
    return Mark(
        label=f"{name}, {extra}" if extra else name,
        value=cell.summary.value / unit.factor if cell.summary else None,
        text=words.number(cell, unit),
        hue=words.hue(declared),
        low=interval.low / unit.factor if interval else None,
        high=interval.high / unit.factor if interval else None,
        doubt=cell.doubt,
    )


def _varying(cells: Sequence[Cell]) -> frozenset[str]:
    """Return the parameters that tell apart two cells of one environment."""
    found: set[str] = set()
    by_environment: dict[str, list[dict[str, str]]] = {}
    for cell in cells:
        by_environment.setdefault(cell.environment, []).append(dict(cell.series.params))
    for dicts in by_environment.values():
        keys = {key for have in dicts for key in have}
        found |= {key for key in keys if len({have.get(key) for have in dicts}) > 1}
    return frozenset(found)


def _line_chart(
    analysis: Analysis, presented: Family, panel: Panel, cells: Sequence[Cell], index: int
) -> LineChart | None:
    metric = analysis.metric(panel.metric)
    on_axis = [
        c for c in cells if axis_value(dict(c.series.params).get(panel.axis, "")) is not None
    ]
    varying = _varying(on_axis) - {panel.axis}
    order = {label: rank for rank, label in enumerate(analysis.config.environments)}
    groups: dict[tuple[int, str, str, Params], list[Cell]] = {}
    for workload, cell in _by_workload(on_axis):
        extra = tuple(p for p in cell.series.params if p[0] in varying)
        rank = order.get(cell.environment, len(order))
        groups.setdefault((rank, cell.environment, workload, extra), []).append(cell)
    unit = DisplayUnit(0.01, "%") if panel.efficiency else unit_of(metric, on_axis)
    lines = []
    patterns: dict[str, int] = {}
    for (_, label, _, extra), members in sorted(groups.items()):
        declared = analysis.config.environment(label)
        members.sort(key=lambda c: _at(c, panel.axis))
        points = (
            _efficiency(members, panel.axis)
            if panel.efficiency
            else tuple(_point(c, panel.axis, unit) for c in members)
        )
        if len(points) < 2:  # noqa: PLR2004 - one point scales nothing
            continue
        hue = words.hue(declared)
        pattern = patterns.get(hue, 0)
        patterns[hue] = pattern + 1
        name = words.environment(declared)
        short = [
            value
            for value in extra
            if dict(extra).get("keepalive") != "true" or value[0] != "scheme"
        ]
        told = words.params(tuple(short))
        lines.append(Line(f"{name}, {told}" if told else name, hue, points, min(pattern, 2)))
    if not lines:
        return None
    axis_title = panel.axis_title or presented.axis_title or panel.axis
    log = not panel.efficiency and metric.better == Better.HIGHER
    subtitle = (
        f"value ÷ ({panel.axis} × value at {_first(lines)}) · % · ↑ higher is better"
        if panel.efficiency
        else words.metric_line(metric, unit, panel.statistic)
    )
    return LineChart(
        id=f"{'efficiency' if panel.efficiency else 'scaling'}-{index}",
        title=panel.title,
        subtitle=subtitle,
        x_title=axis_title,
        unit=unit.text,
        lines=tuple(lines),
        summary=f"{panel.title} over {axis_title}:"
        f" {words.enumerate_words([line.label for line in lines])}",
        x_log=True,
        y_log=log,
        y_zero=not log,
        reference=100.0 if panel.efficiency else None,
    )


def _by_workload(cells: Sequence[Cell]) -> Iterator[tuple[str, Cell]]:
    """Yield the cells of a line chart with what tells the lines of their workloads apart.

    7-Zip has a workload for each thread count: one line. Where two workloads have the same
    place on the axis, each is a line of its own.
    """
    places: dict[object, set[str]] = {}
    for cell in cells:
        series = cell.series
        places.setdefault((cell.environment, series.params), set()).add(series.workload)
    apart = any(len(workloads) > 1 for workloads in places.values())
    for cell in cells:
        yield (cell.series.workload if apart else ""), cell


def _first(lines: Sequence[Line]) -> str:
    return f"{min(line.points[0].x for line in lines):g}"


def _at(cell: Cell, axis: str) -> float:
    value = axis_value(dict(cell.series.params)[axis])
    return math.nan if value is None else value


def _point(cell: Cell, axis: str, unit: DisplayUnit) -> Point:
    interval = cell.summary.interval if cell.summary else None
    return Point(
        x=_at(cell, axis),
        y=cell.summary.value / unit.factor if cell.summary else math.nan,
        text=words.number(cell, unit),
        low=interval.low / unit.factor if interval else None,
        high=interval.high / unit.factor if interval else None,
        doubt=cell.doubt,
    )


def _efficiency(members: Sequence[Cell], axis: str) -> tuple[Point, ...]:
    """Return value / (axis x value at the smallest) in percent: a contrast within a run."""
    base = members[0]
    if base.summary is None:
        return ()
    unit = base.summary.value / _at(base, axis)
    return tuple(
        Point(
            x=_at(cell, axis),
            y=100 * cell.summary.value / (unit * _at(cell, axis)),
            text=f"{100 * cell.summary.value / (unit * _at(cell, axis)):.1f}",
            doubt=cell.doubt or base.doubt,
        )
        for cell in members
        if cell.summary
    )


def efficiency_notes(charts: Sequence[Chart]) -> tuple[str, ...]:
    """Return in a sentence what each efficiency chart shows, line by line."""
    notes = []
    for chart in charts:
        if not isinstance(chart, LineChart):
            continue
        for line in chart.lines:
            above = [
                p
                for p in line.points
                if caveats.applying("scaling", Scaling(round(p.x), p.y / 100))
            ]
            if above:
                peak = max(above, key=lambda p: p.y)
                notes.append(
                    f"{chart.title.removeprefix('Scaling efficiency, ')}, {line.label}:"
                    f" up to {peak.text} % at {peak.x:g}. More than {peak.x:g} times one thread"
                    " cannot come from more threads: the value at 1 that it divides by is low."
                )
            elif len(line.points) > 1:
                best = max(line.points[1:], key=lambda p: p.y)
                told = f"never above {best.text} %"
                if len(line.points) == 2:  # noqa: PLR2004 - one place to tell of
                    told = f"{best.text} % at {best.x:g}"
                doubt = f" ({best.doubt})" if best.doubt else ""
                notes.append(
                    f"{chart.title.removeprefix('Scaling efficiency, ')}, {line.label}:"
                    f" {told}{doubt}."
                )
    return tuple(notes)


def distributions(
    analysis: Analysis, benchmark: str, samples: Mapping[str, tuple[Sample, ...]]
) -> tuple[Chart, ...]:
    """Return a cumulative distribution for each histogram series, one line an environment."""
    found: dict[tuple[str, str, Params], dict[str, dict[float, float]]] = {}
    for label, rows in samples.items():
        for row in rows:
            if row.kind in ("histogram", "request"):
                # A row a request is a bin of its own that holds one.
                x, y = (row.x, row.y) if row.kind == "histogram" else (row.y, 1.0)
                key = (row.workload, row.metric, row.params)
                bins = found.setdefault(key, {}).setdefault(label, {})
                bins[x] = bins.get(x, 0.0) + y
    charts = []
    found = _chosen_series(found, family(benchmark).distributions)
    whole = {
        (workload, params) for workload, metric_id, params in found if metric_id == "fio.latency"
    }
    shown = {
        key: value
        for key, value in found.items()
        if key[1] != "fio.completion_latency" or (key[0], key[2]) not in whole
    }
    known = words.background(
        benchmark, (Series(benchmark, key[0], key[1], "value", key[2]) for key in shown)
    )
    for index, ((workload, metric_id, params), by_label) in enumerate(sorted(shown.items())):
        metric = analysis.metric(metric_id)
        tops = [x for bins in by_label.values() for x in _body(bins)]
        unit = metric.unit_for([sorted(tops)[len(tops) // 2]])
        lines = tuple(
            Line(
                words.environment(analysis.config.environment(label)),
                words.hue(analysis.config.environment(label)),
                _cumulative(bins, unit),
            )
            for label, bins in sorted(by_label.items())
        )
        series = Series(benchmark, workload, metric_id, "value", params)
        title = words.short(series, known)
        charts.append(
            LineChart(
                id=f"distribution-{index}",
                title=title,
                subtitle=f"{words.lower_first(metric.title)} · % of {_counted(benchmark)} within",
                x_title=f"{words.lower_first(metric.title)}, {unit.text}",
                unit="%",
                lines=lines,
                summary=f"Distribution of {words.lower_first(metric.title)}, {title}",
                kind="step",
                x_log=True,
            )
        )
    return tuple(charts[:_MAX_DISTRIBUTIONS])


def _counted(benchmark: str) -> str:
    return "operations" if benchmark == "fio" else "requests"


def _chosen_series(
    found: dict[tuple[str, str, Params], dict[str, dict[float, float]]],
    wanted: tuple[tuple[str, str], ...] | None,
) -> dict[tuple[str, str, Params], dict[str, dict[float, float]]]:
    """Return the first and the last series of each wanted metric and workload."""
    if wanted is None:
        return found
    chosen = {}
    for metric_id, workload in wanted:
        keys = sorted(
            (key for key in found if key[:2] == (workload, metric_id)),
            key=lambda key: words.natural(Series("", key[0], key[1], "", key[2])),
        )
        for key in dict.fromkeys([*keys[:1], *keys[-1:]]):
            chosen[key] = found[key]
    return chosen


def _body(bins: Mapping[float, float]) -> list[float]:
    return [x for x in bins if x > 0] or [1.0]


def _cumulative(bins: Mapping[float, float], unit: DisplayUnit) -> tuple[Point, ...]:
    """Return the cumulative distribution, thinned to what 352 px and the tail can show."""
    total = sum(bins.values())
    running = 0.0
    kept = -_STEP
    points = []
    edges = list(_TAIL)
    last = max(bins)
    for x in sorted(bins):
        running += bins[x]
        share = 100 * running / total
        if x <= 0 or not (share - kept >= _STEP or share >= edges[0] or x == last):
            continue
        kept = share
        while share >= edges[0] < 100:  # noqa: PLR2004 - percent
            edges.pop(0)
        at = float(f"{x / unit.factor:.4g}")
        points.append(Point(at, round(share, 3), f"{share:.2f}"))
    return tuple(points)
