"""Headline series over time: each run a point, what changed between runs, and what that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from sitegen.analysis import history
from sitegen.analysis.compare import Analysis, Comparison
from sitegen.analysis.history import Level, Reading, Timeline
from sitegen.analysis.selection import baselines
from sitegen.analysis.stats import overhead, slowdown
from sitegen.catalogue.families import worded_series
from sitegen.catalogue.metrics import Better, Metric, Scale
from sitegen.catalogue.tool import Headline
from sitegen.catalogue.units import DisplayUnit, significant
from sitegen.charts import spec
from sitegen.charts.spec import Behind, LineChart, Point
from sitegen.model import AnyRun, Provenance, Series
from sitegen.report import addresses, effects, panels, words
from sitegen.report.changes import Change, Mark, marks, newest, told, where, worded
from sitegen.report.words import Platform

#: Points of a line, of a chart, and of that on a benchmark's own page, the same for each of its
#: lines: pages do not grow with the archive.
_MOST_OF_LINE, _MOST_POINTS, _MOST_IN_FRONT = 60, 84, 36
#: Events that a chart marks, changes that the feed holds, rows of a table and of that in front.
_MOST_EVENTS, _MOST_FED, _MOST_ROWS, _ROWS_IN_FRONT = 8, 50, 12, 6
_DAY_S = 86_400.0
_FEW_TICKS, _LONG_DAYS = 8, 300


class Row(NamedTuple):
    """What one environment measured before and after an event."""

    platform: Platform
    event: str
    day: str
    before: str
    after: str
    counts: tuple[str, str]
    effect: str
    interval: str


class Past(NamedTuple):
    """One series over time."""

    title: str
    about: str
    chart: LineChart
    sentences: tuple[str, ...]
    unit: str
    rows: tuple[Row, ...]


class History(NamedTuple):
    """The series of a benchmark over time, and what changed, the newest first.

    The ``front`` one is the first of them, for the benchmark's own page: with fewer points.
    """

    front: Past | None
    series: tuple[Past, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def more(self) -> tuple[Past, ...]:
        """The series that the benchmark's page has no room for."""
        return self.series[1:]

    @property
    def listed(self) -> tuple[Change, ...]:
        """The changes that a page has room for."""
        return newest(self.changes)


class _Seen(NamedTuple):
    """One series in one environment."""

    line: Timeline
    found: Sequence[Reading]
    levels: tuple[Level, ...]


def history_of(
    analysis: Analysis, benchmark: str, runs: Iterable[AnyRun], gone: Mapping[str, str]
) -> History:
    """Return the headline series of a benchmark over time; ``gone`` are superseded ``runs``."""
    chosen = worded_series(
        analysis.headlines(benchmark),
        {
            c.series
            for c in analysis.of(benchmark)
            if c.provenance != Provenance.CITED and c.summary
        },
    )
    by_label: dict[str, list[AnyRun]] = {}
    for run in runs:
        by_label.setdefault(run.environment, []).append(run)
    lines = [
        history.timeline(analysis, label, by_label[label], gone)
        for label in analysis.config.environments
        if label in by_label
    ]
    lines = [line for line in lines if line.runs]
    found = [history.readings(analysis, line, [*chosen]) for line in lines]
    marked = marks(lines)
    common = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    changes = [told(analysis.config, benchmark, lines, mark) for mark in marked]
    past: list[Past] = []
    taken: set[str] = set()
    front: Past | None = None
    for place, (series, headline) in enumerate(chosen.items()):
        metric = analysis.metric(series.metric)
        seen = {
            line.environment.label: _Seen(
                line, readings[place], history.levels(line, readings[place], metric)
            )
            for line, readings in zip(lines, found, strict=True)
            if readings[place]
        }
        if not any(len({one.line.at[r.place] for r in one.found}) > 1 for one in seen.values()):
            continue
        name = words.short(series, common)
        title = f"{headline.title}: {name}" if name != headline.title else name
        steps = [*_steps(analysis, series, title, seen)]
        changes += steps
        shown = partial(_past, analysis, series, headline, title, seen, marked)
        sentences = tuple(f"{step.title}{step.text}." for step in steps)
        place_of = addresses.figure("history", title, taken)
        taken.add(place_of)
        if front is None:
            front = shown(place_of, _MOST_IN_FRONT)._replace(sentences=sentences)
            front = front._replace(rows=front.rows[:_ROWS_IN_FRONT])
        past.append(shown(place_of, _MOST_POINTS)._replace(sentences=sentences))
    changes.sort(key=lambda one: (one.at, one.key), reverse=True)
    notes = [
        f"{words.count(line.otherwise, 'run')} of {_platform(analysis, line).name} with other"
        " settings than those of today"
        for line in lines
        if line.otherwise
    ]
    return History(front, tuple(past), tuple(changes[:_MOST_FED]) if past else (), tuple(notes))


def _platform(analysis: Analysis, line: Timeline) -> Platform:
    return words.platform(analysis.config, line.environment.label)


# Steps


def _steps(
    analysis: Analysis, series: Series, title: str, seen: Mapping[str, _Seen]
) -> Iterable[Change]:
    """Yield each step in words: by how much, since when, with which event, where else."""
    metric = analysis.metric(series.metric)
    for label, one in seen.items():
        for before, after in _changes(one):
            run = one.line.runs[after.start]
            near = _near(one.line, before, after)
            text = words.joined(
                f" since {run.started_at[:10]}{f' ({near})' if near else ''}",
                _elsewhere(analysis, label, seen, (before, after)),
                by="; ",
            )
            name = words.platform(analysis.config, label).name
            what = f"{name}, {words.lower_first(title)}: {_moved(metric, before, after)}"
            params = ",".join("=".join(pair) for pair in series.params)
            of = f"{series.workload}/{series.metric}/{series.statistic}/{params}"
            key = f"{series.benchmark}/{run.id}/{of}"
            yield Change(run.started_at, series.benchmark, key, what, text, run.id)


def _changes(seen: _Seen) -> Iterator[tuple[Level, Level]]:
    """Yield the levels on both sides of each step: of one machine and one tool."""
    for before, after in pairwise(seen.levels):
        apart = any(e.apart and before.end < e.place <= after.start for e in seen.line.events)
        if before.end < after.start and not apart:
            yield before, after


def _moved(metric: Metric, before: Level, after: Level) -> str:
    """Return by how much a level moved: 12 % slower."""
    higher = metric.better == Better.HIGHER
    factor = None
    if metric.scale == Scale.RATIO and metric.better != Better.NONE:
        factor = slowdown(after.value, before.value, higher_is_better=higher)
    if factor is None:
        [amount] = effects.amounts(metric, (after.value - before.value,))
        return f"{'higher' if after.value > before.value else 'lower'} by {amount.lstrip('+−')}"
    share = abs(overhead(factor, higher_is_better=higher))
    return f"{significant(100 * share, 2)} % {'slower' if factor > 1 else 'faster'}"


def _near(line: Timeline, before: Level, after: Level) -> str:
    """Return the event that a step comes with, or is about one run off, or nothing."""
    for event in line.events:
        if before.end < event.place <= after.start:
            return f"with {worded(event.changes)}"
    for event in line.events:
        if before.end - 1 <= event.place <= after.start + 1:
            return f"about a run from {worded(event.changes)}"
    return ""


def _elsewhere(
    analysis: Analysis, label: str, seen: Mapping[str, _Seen], step: tuple[Level, Level]
) -> str:
    """Return whether the baseline of an environment steps with it."""
    labels = {name for _, name in analysis.selections}
    base = next((name for _, name in baselines(label, analysis.config, labels)), "")
    if base not in seen:
        return ""
    other, own = seen[base], seen[label].line
    start, end = own.at[max(step[0].end - 1, 0)], own.at[min(step[1].start + 1, len(own.at) - 1)]
    rises = step[1].value > step[0].value
    for before, after in _changes(other):
        there = other.line.at[before.end], other.line.at[after.start]
        if (after.value > before.value) == rises and there[0] < end and there[1] > start:
            return "its baseline too"
    if not history.enough(other.line, other.found):
        return "its baseline has too few runs to tell"
    return "not seen on its baseline"


# Charts


def _past(  # noqa: PLR0913 - what a series over time is made of
    analysis: Analysis,
    series: Series,
    headline: Headline,
    title: str,
    seen: Mapping[str, _Seen],
    marked: Sequence[Mark],
    chart_id: str,
    most: int,
) -> Past:
    metric = analysis.metric(series.metric)
    every = [value for one in seen.values() for reading in one.found for value in reading.values]
    unit = metric.unit_for(every)
    room = min(max(most // len(seen), 2), _MOST_OF_LINE)
    ratio = metric.scale == Scale.RATIO
    drawn: dict[str, tuple[Point, ...]] = {}
    for label, one in seen.items():
        kept = _thinned(one.found, room)
        values = [history.value_of(reading, ratio=ratio) for reading in kept]
        drawn[label] = tuple(_points(one.line, kept, values, unit))
    platforms = {label: words.platform(analysis.config, label) for label in seen}
    lines = panels.lines((platforms[k].name, platforms[k].hue, v) for k, v in drawn.items())
    xs = sorted({point.x for points in drawn.values() for point in points})
    first, last = xs[0], xs[-1]
    on_page = [one.line for one in seen.values()]
    events = [
        spec.Event(
            round((mark.start + mark.end) / 2 / _DAY_S, 3),
            f"{worded(mark.changes)}, {where(analysis.config, mark, on_page)}",
        )
        for mark in marked
        if not seen.keys().isdisjoint(mark.labels)
    ]
    levels = [
        spec.Level(
            platforms[label].hue,
            max(_day(one.line.at[level.start]), first),
            _day(one.line.at[level.end]),
            float(f"{level.value / unit.factor:.5g}"),
        )
        for label, one in seen.items()
        for level in one.levels
        if _day(one.line.at[level.end]) > first
    ]
    total = sum(len(one.found) for one in seen.values())
    shown = sum(map(len, drawn.values()))
    part = f"; {shown} drawn, fewer of the older" if shown < total else ""
    chart = LineChart(
        id=chart_id,
        title=title,
        subtitle=words.metric_line(metric, unit, headline.statistic),
        x_title=_years(first, last),
        unit=unit.text,
        lines=lines,
        summary=f"{title}, run by run",
        y_zero=metric.better != Better.NONE,
        x_ticks=_ticks(xs),
        events=tuple(sorted(e for e in events if first < e.x < last)[-_MOST_EVENTS:]),
        levels=tuple(levels),
    )
    rows = _rows(analysis, series, seen)
    about = f"{words.count(total, 'run')}{part}"
    return Past(title, about, chart, (), words.joined(metric.title, unit.text), rows)


def _thinned(found: Sequence[Reading], room: int) -> list[Reading]:
    """Return the newest readings, and evenly fewer of the older, as many as there is room for."""
    if len(found) <= room:
        return [*found]
    new = room // 2
    older, many = found[:-new], room - new
    places = (index * (len(older) - 1) // max(many - 1, 1) for index in range(many))
    return [*(older[place] for place in places), *found[-new:]]


def _points(
    line: Timeline, found: Sequence[Reading], values: Sequence[float], unit: DisplayUnit
) -> Iterable[Point]:
    breaks = [event.place for event in line.events if event.apart]
    last = found[0].place
    for reading, value in zip(found, values, strict=True):
        run = line.runs[reading.place]
        yield Point(
            _day(line.at[reading.place]),
            float(f"{value / unit.factor:.5g}"),  # more digits are weight and no px
            unit.number(value),
            doubt=reading.doubt,
            behind=Behind("", ((run.id, words.day(run.started_at)),)),
            apart=any(last < place <= reading.place for place in breaks),
            href=f"../runs/{run.id}/index.html",
            about=words.day(run.started_at),
        )
        last = reading.place


def _day(seconds: float) -> float:
    return round(seconds / _DAY_S, 3)


def _moment(day: float) -> datetime:
    return datetime.fromtimestamp(day * _DAY_S, UTC)


def _ticks(places: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """Return a few days with their dates; the times of one day; months of a long time."""
    days: dict[str, float] = {}
    span = places[-1] - places[0]
    for place in places:
        at = _moment(place)
        text = f"{at.day} {at:%b}" if span < _LONG_DAYS else f"{at:%b %Y}"
        days.setdefault(text if span > 1 or len(places) == 1 else f"{at:%H:%M}", place)
    ticks = [(place, text) for text, place in days.items()]
    if len(ticks) > _FEW_TICKS:
        step = (len(ticks) - 1) / (_FEW_TICKS - 1)
        ticks = [ticks[round(index * step)] for index in range(_FEW_TICKS)]
    return tuple(ticks)


def _years(first: float, last: float) -> str:
    """Return the year, or the years, for below the axis; the day where it is one."""
    start, end = _moment(first), _moment(last)
    if last - first <= 1:
        return f"{start.day} {start:%b} {start:%Y}, UTC"
    years = dict.fromkeys((f"{start:%Y}", f"{end:%Y}"))
    return " to ".join(years)


# Before and after


def _rows(analysis: Analysis, series: Series, seen: Mapping[str, _Seen]) -> tuple[Row, ...]:
    rows = [
        (event, one.line, pair)
        for one in seen.values()
        for event, pair in history.around(analysis, one.line, one.found, series)
        if pair.metric.better != Better.NONE and not pair.reason
    ]
    rows.sort(key=lambda row: -row[1].at[row[0].place])
    return tuple(
        _row(analysis, line, worded(event.changes), line.runs[event.place], pair)
        for event, line, pair in rows[:_MOST_ROWS]
    )


def _row(analysis: Analysis, line: Timeline, event: str, run: AnyRun, pair: Comparison) -> Row:
    unit, stands_on = effects.unit_of(pair), pair.stands_on
    counts = (
        words.count(stands_on.baseline, stands_on.level),
        words.count(stands_on.side, stands_on.level),
    )
    return Row(
        _platform(analysis, line),
        event,
        run.started_at[:10],
        words.number(pair.baseline, unit),
        words.number(pair.side, unit),
        counts,
        effects.effect(pair),
        effects.interval(pair),
    )
