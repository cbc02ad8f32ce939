"""Run values over time: whether a platform stays what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sitegen.analysis.compare import Analysis, Cell
from sitegen.catalogue.families import headline_of
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.tool import Headline
from sitegen.catalogue.units import DisplayUnit
from sitegen.charts.spec import Chart, LineChart, Point
from sitegen.model import Provenance
from sitegen.report import panels, words

#: Newest runs of an environment: a page does not grow with the archive.
_MAX_RUNS = 8
_DAY_S = 86_400.0


def charts(analysis: Analysis, benchmark: str) -> tuple[Chart, ...]:
    """Return the first headline series of environments that have several runs, as a chart."""
    groups: dict[tuple[Headline, str], list[Cell]] = {}
    moments: dict[str, float] = {}
    for selection in analysis.selections.values():
        moments |= {run.id: _moment(run.started_at) for run in selection.runs}
    known = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    for cell in analysis.of(benchmark):
        headline = headline_of(cell.series)
        if headline is None or cell.provenance == Provenance.CITED or cell.summary is None:
            continue
        groups.setdefault((headline, words.short(cell.series, known)), []).append(cell)
    for (headline, title), cells in groups.items():
        if any(len({moments[run] for run in cell.runs}) > 1 for cell in cells):
            return (_chart(analysis, headline, title, cells, moments),)
    return ()


def _chart(
    analysis: Analysis,
    headline: Headline,
    title: str,
    cells: Sequence[Cell],
    moments: Mapping[str, float],
) -> Chart:
    metric = analysis.metric(headline.metric)
    unit = metric.unit_for([v for cell in cells if cell.summary for v in cell.summary.values])
    lines = panels.lines(
        (environment.name, environment.hue, _points(cell, moments, unit))
        for cell in cells
        for environment in [words.platform(analysis.config, cell.environment)]
    )
    return LineChart(
        id="history-0",
        title=f"{headline.title}: {title}" if title != headline.title else title,
        subtitle=words.metric_line(metric, unit, headline.statistic),
        x_title="",
        unit=unit.text,
        lines=lines,
        summary=f"{headline.title}, {title}, run by run",
        y_zero=metric.better != Better.NONE,
        x_ticks=_ticks(sorted({point.x for line in lines for point in line.points})),
    )


def _points(cell: Cell, moments: Mapping[str, float], unit: DisplayUnit) -> tuple[Point, ...]:
    values = cell.summary.values if cell.summary else ()
    if len(values) != len(cell.runs):
        return ()  # a run had nothing clean: its place is not known
    pairs = sorted(zip((moments[run] for run in cell.runs), values, strict=True))[-_MAX_RUNS:]
    return tuple(
        Point(moment / _DAY_S, value / unit.factor, unit.number(value)) for moment, value in pairs
    )


def _ticks(places: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """Return the places by date, or by time where two are of one day."""
    moments = [datetime.fromtimestamp(place * _DAY_S, UTC) for place in places]
    same = len({moment.date() for moment in moments}) < len(moments)
    form = "%m-%d %H:%M" if same else "%Y-%m-%d"
    return tuple((place, f"{moment:{form}}") for place, moment in zip(places, moments, strict=True))


def _moment(started_at: str) -> float:
    text = started_at if "T" in started_at else (started_at + "-01-01")[:10]
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
