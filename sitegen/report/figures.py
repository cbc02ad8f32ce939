"""Tables of figures, a row a series and a column an environment: as measured, and as printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sitegen.analysis.compare import Analysis, Cell
from sitegen.catalogue.families import family, natural
from sitegen.catalogue.metrics import Better, Metric
from sitegen.catalogue.units import DisplayUnit
from sitegen.model import AnyRun, Provenance, Series
from sitegen.report import addresses, panels, words
from sitegen.report.words import Platform

#: Rows of a benchmark's table, and of what a source prints.
_MAX_ROWS = 200
_MAX_PRINTED = 200
#: Parameters by which a source describes a machine or itself: no other series.
_REMARKS = frozenset({"cores", "gateway_version", "printed_as", "stated_bottleneck"})
_PRINTED_UNITS = {"us": "µs", "1/s": "/s", "bytes": "B"}


class Figure(NamedTuple):
    """One value and where it leads, from the site's root.

    A printed one has a ``unit`` if it is not its row's.
    """

    text: str
    doubt: str
    place: str
    n: str = ""
    interval: str = ""
    value: float | None = None
    unit: str = ""


class FigureRow(NamedTuple):
    """One series in all environments; ``printed_as`` is a source's own name for the metric."""

    title: str
    metric: Metric
    statistic: str
    unit: str
    arrow: str
    cells: tuple[Figure | None, ...]
    printed_as: str = ""


class FigureTable(NamedTuple):
    """The figures of some environments; ``left`` are cut off, ``note`` is what a source adds."""

    title: str
    environments: tuple[Platform, ...]
    rows: tuple[FigureRow, ...]
    left: int = 0
    note: str = ""


def shown(analysis: Analysis, benchmark: str) -> dict[Series, dict[str, Cell]]:
    """Return the cells of each series that tables show, by environment."""
    leading = panels.leading_statistics(analysis.of(benchmark))
    return _by_series(cell for cell in leading if cell.series.statistic in panels.STATISTICS)


def _by_series(cells: Iterable[Cell]) -> dict[Series, dict[str, Cell]]:
    by_series: dict[Series, dict[str, Cell]] = {}
    for cell in cells:
        by_series.setdefault(cell.series, {})[cell.environment] = cell
    return by_series


def platforms(analysis: Analysis, labels: Iterable[str]) -> tuple[Platform, ...]:
    """Return how those of ``labels`` are shown that the report has, in its order."""
    config, present = analysis.config, set(labels)
    return tuple(words.platform(config, label) for label in config.environments if label in present)


def measured(analysis: Analysis, benchmark: str) -> FigureTable:
    """Return all figures of a benchmark that a table can hold."""
    cells = analysis.of(benchmark)
    by_series = shown(analysis, benchmark)
    # What the table cannot hold is what nobody compares by: counts, the load client's own, and
    # what one environment alone has.
    presented = family(benchmark)
    leading = {one.metric for one in (*presented.headlines, *presented.panels)}
    rows = sorted(
        by_series,
        key=lambda s: (
            s.metric not in leading,
            analysis.metric(s.metric).better == Better.NONE,
            -len(by_series[s]),
        ),
    )[:_MAX_ROWS]
    environments = platforms(analysis, {cell.environment for cell in cells})
    table = _table(analysis, benchmark, by_series, rows, environments)
    return table._replace(left=len({cell.series for cell in cells}) - len(rows))


def collected(analysis: Analysis, benchmark: str) -> list[Cell]:
    """Return the figures of our own runs."""
    cells = analysis.of(benchmark)
    return [one for one in cells if one.provenance == Provenance.COLLECTED and one.summary]


def ours(analysis: Analysis, benchmark: str, printed: set[Series]) -> FigureTable | None:
    """Return our own runs of these series, or None; ours may state more parameters."""
    plain: dict[Series, list[set[tuple[str, str]]]] = {}
    for series in printed:
        params = {pair for pair in series.params if pair[0] not in _REMARKS}
        plain.setdefault(series._replace(params=()), []).append(params)
    by_series = _by_series(
        cell
        for cell in collected(analysis, benchmark)
        if any(
            params <= set(cell.series.params)
            for params in plain.get(cell.series._replace(params=()), ())
        )
    )
    environments = platforms(analysis, {label for cells in by_series.values() for label in cells})
    return _table(analysis, benchmark, by_series, by_series, environments) if by_series else None


def _table(
    analysis: Analysis,
    benchmark: str,
    by_series: Mapping[Series, Mapping[str, Cell]],
    shown: Iterable[Series],
    environments: tuple[Platform, ...],
) -> FigureTable:
    """Return the rows of ``shown``; titles leave out what all of ``by_series`` share."""
    common = words.background(benchmark, by_series)
    rows = []
    for series in sorted(shown, key=lambda s: (s.metric, s.statistic, natural(s))):
        cells = by_series[series]
        unit = panels.unit_of(analysis, cells.values())
        row = [_figure(cells[e.label], unit) if e.label in cells else None for e in environments]
        rows.append(_row(analysis, series, words.short(series, common), unit.text, row))
    return FigureTable(family(benchmark).title, environments, tuple(rows))


def _row(
    analysis: Analysis, series: Series, title: str, unit: str, cells: Iterable[Figure | None]
) -> FigureRow:
    metric, statistic = analysis.metric(series.metric), words.statistic(series.statistic)
    printed_as = dict(series.params).get("printed_as", "")
    return FigureRow(title, metric, statistic, unit, words.arrow(metric), tuple(cells), printed_as)


def _figure(cell: Cell, unit: DisplayUnit) -> Figure:
    n = interval = ""
    if summary := cell.summary:
        runs = f"{words.count(summary.runs, 'run')} of {sum(summary.repetitions)}"
        n = runs if summary.runs else "n unknown"
        interval = words.between(summary.interval, unit)
    value = summary.value if summary else None
    return Figure(words.number(cell, unit), cell.doubt, addresses.behind(cell), n, interval, value)


def printed(cited: Analysis, benchmark: str, runs: Iterable[AnyRun]) -> list[FigureTable]:
    """Return what a section prints, a table for each set of environments, in its own order."""
    series = dict.fromkeys(
        Series(benchmark, row.workload, row.metric, row.statistic, row.params)
        for run in runs
        if run.benchmark == benchmark
        for row in run.measurements
    )
    present: dict[str, set[str]] = {}
    for cell in cited.of(benchmark):
        present.setdefault(cell.series.workload, set()).add(cell.environment)
    groups: dict[tuple[Platform, ...], list[Series]] = {}
    for each in series:
        environments = platforms(cited, present.get(each.workload, ()))
        groups.setdefault(environments, []).append(each)
    tables = []
    for environments, members in groups.items():
        workloads = dict.fromkeys(map(words.workload, members)) if len(groups) > 1 else ()
        tables.append(_printed(cited, members, environments, words.enumerate_words([*workloads])))
    return tables


def _printed(
    cited: Analysis, members: Sequence[Series], environments: tuple[Platform, ...], title: str
) -> FigureTable:
    """Return one table; what all of its rows share stands once beneath it."""
    shared = set.intersection(*(set(each.params) for each in members))
    skip = frozenset(key for key, _ in shared) | _REMARKS
    if not all(words.params(each.params, skip) for each in members):
        shared, skip = set(), _REMARKS  # or there would be a row without a title
    labels = [one.label for one in environments]
    rows: dict[tuple[str, str, str], list[tuple[Series, dict[str, Cell]]]] = {}
    for each in members[:_MAX_PRINTED]:
        key = (each.metric, each.statistic, words.title(each, skip))
        cells = {name: cited.cells[each, name] for name in labels if (each, name) in cited.cells}
        own_rows = rows.setdefault(key, [])
        # A remark that a source adds to each environment splits no row.
        free = next((row for _, row in own_rows if not row.keys() & cells.keys()), None)
        if free is None:
            own_rows.append((own_rows[0][0] if own_rows else each, cells))
        else:
            free.update(cells)
    notes = [f"all of them: {words.params(tuple(sorted(shared)))}"] if shared else []
    notes += [
        f"{one.name}: {remarks}"
        for one in environments
        if (remarks := _remarks(each for each in members if (each, one.label) in cited.cells))
    ]
    table_rows = []
    for (_, _, row_title), own_rows in rows.items():
        for series, cells in own_rows:
            figures = [_as_printed(cited, cells[n]) if n in cells else None for n in labels]
            units = Counter(one.unit for one in figures if one)
            common = max(units, key=lambda unit: units[unit], default="")
            ordered = (f._replace(unit="") if f and f.unit == common else f for f in figures)
            table_rows.append(_row(cited, series, row_title, common, ordered))
    left = len(members[_MAX_PRINTED:])
    return FigureTable(title, environments, tuple(table_rows), left, "; ".join(notes))


def _remarks(members: Iterable[Series]) -> str:
    """Return what a source says of a machine beside its figures: its cores, its bottleneck."""
    remarks = dict.fromkeys(
        words.param(key, value) if key == "cores" else f"{key.replace('_', ' ')} {value}"
        for each in members
        for key, value in each.params
        if key in _REMARKS and key != "printed_as"
    )
    return ", ".join(remarks)


def _as_printed(cited: Analysis, cell: Cell) -> Figure:
    """Return the digits and the unit of a source; ours where it left none."""
    text, unit = "not measured", ""
    if cell.printed:
        text, _, unit = cell.printed.partition(" ")
    elif cell.summary:
        shown = panels.unit_of(cited, [cell])
        text, unit = shown.number(cell.summary.value), shown.text
    return Figure(text, cell.doubt, addresses.behind(cell), unit=printed_unit(unit))


def printed_unit(text: str) -> str:
    """Return a unit as pages print it, from the text of a source."""
    return _PRINTED_UNITS.get(text, text)
