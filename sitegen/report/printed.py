"""Figures of a publication in its own digits, and the same series as our own runs measured them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sitegen.analysis.compare import Analysis, Cell
from sitegen.catalogue.families import family
from sitegen.catalogue.units import DisplayUnit
from sitegen.model import AnyRun, Provenance, Series
from sitegen.report import panels, quotes, words

_MAX_ROWS = 200
#: Parameters by which a source describes a machine or itself: no other series.
_REMARKS = frozenset({"cores", "gateway_version", "printed_as", "stated_bottleneck"})

#: Environments as tables show them: (label, name, hue).
Columns = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class PrintedCell:
    """One figure in the digits of its source, with the run that holds it."""

    text: str
    unit: str
    doubt: str
    run: str


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """One series of a printed table; ``printed_as`` is the source's own name for the metric."""

    title: str
    metric: str
    metric_id: str
    statistic: str
    unit: str
    printed_as: str
    cells: tuple[PrintedCell | None, ...]


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """Figures that one set of environments has, in the order of the source.

    ``note`` words the parameters that all rows have, and what the source says of its machines;
    ``left`` counts rows cut off.
    """

    title: str
    note: str
    environments: Columns
    rows: tuple[PrintedRow, ...]
    left: int


@dataclass(frozen=True, slots=True)
class OwnRow:
    """One series of a section as our own runs measured it."""

    title: str
    metric: str
    unit: str
    cells: tuple[OwnCell | None, ...]


@dataclass(frozen=True, slots=True)
class OwnCell:
    """A value of our own with its interval, count, doubt and run."""

    text: str
    about: str
    doubt: str
    run: str


@dataclass(frozen=True, slots=True)
class OwnTable:
    """Our own runs of the series of a section."""

    benchmark: str
    title: str
    environments: Columns
    rows: tuple[OwnRow, ...]


def tables(printed: Analysis, benchmark: str, cited: Iterable[AnyRun]) -> list[PrintedTable]:
    """Return what a section prints, a table for each set of environments, in its own order."""
    series = dict.fromkeys(
        Series(benchmark, row.workload, row.metric, row.statistic, row.params)
        for run in cited
        if run.benchmark == benchmark
        for row in run.measurements
    )
    places: dict[str, set[str]] = {}
    for each, label in printed.cells:
        if each.benchmark == benchmark:
            places.setdefault(each.workload, set()).add(label)
    groups: dict[tuple[str, ...], list[Series]] = {}
    for each in series:
        present = places.get(each.workload, set())
        labels = tuple(label for label in printed.config.environments if label in present)
        groups.setdefault(labels, []).append(each)
    return [
        _printed_table(printed, members, labels, titled=len(groups) > 1)
        for labels, members in groups.items()
    ]


def _printed_table(
    printed: Analysis, members: Sequence[Series], labels: Sequence[str], *, titled: bool
) -> PrintedTable:
    """Return one table; what all of its rows share stands once beneath it."""
    shared = set.intersection(*(set(each.params) for each in members))
    skip = frozenset(key for key, _ in shared) | _REMARKS
    if not all(words.params(each.params, skip) for each in members):
        shared, skip = set(), _REMARKS  # or there would be a row without a title
    rows: dict[tuple[str, str, str], list[dict[str, Cell]]] = {}
    first: dict[tuple[str, str, str], Series] = {}
    for each in members[:_MAX_ROWS]:
        key = (each.metric, each.statistic, words.series(each, skip))
        cells = {
            label: printed.cells[each, label] for label in labels if (each, label) in printed.cells
        }
        # A remark that a source adds to each environment splits no row.
        free = next((row for row in rows.get(key, ()) if not row.keys() & cells.keys()), None)
        if free is None:
            rows.setdefault(key, []).append(cells)
        else:
            free.update(cells)
        first.setdefault(key, each)
    made = [
        _printed_row(printed, first[key], [cells.get(label) for label in labels], key[2])
        for key, found in rows.items()
        for cells in found
    ]
    workloads = dict.fromkeys(_workload(each) for each in members)
    environments = columns(printed, labels)
    told = [f"all of them: {words.params(tuple(sorted(shared)))}"] if shared else []
    told += [
        f"{name}: {text}"
        for label, name, _ in environments
        if (text := _remarks(members, label, printed))
    ]
    return PrintedTable(
        words.enumerate_words(list(workloads)) if titled else "",
        "; ".join(told),
        environments,
        tuple(made),
        len(members[_MAX_ROWS:]),
    )


def _remarks(members: Iterable[Series], label: str, printed: Analysis) -> str:
    """Return what a source says of a machine beside its figures: its cores, its bottleneck."""
    found = dict.fromkeys(
        pair
        for each in members
        if (each, label) in printed.cells
        for pair in each.params
        if pair[0] in _REMARKS and pair[0] != "printed_as"
    )
    told = dict.fromkeys(
        words.param(key, value) if key == "cores" else f"{key.replace('_', ' ')} {value}"
        for key, value in found
    )
    return ", ".join(told)


def _workload(series: Series) -> str:
    return series.workload.replace("-", " ").replace("_", " ")


def columns(analysis: Analysis, labels: Iterable[str]) -> Columns:
    """Return the (label, name, hue) of environments."""
    declared = [(label, analysis.config.environment(label)) for label in labels]
    return tuple((label, words.environment(each), words.hue(each)) for label, each in declared)


def _printed_row(
    printed: Analysis, series: Series, cells: Sequence[Cell | None], title: str
) -> PrintedRow:
    metric = printed.metric(series.metric)
    texts = [_as_printed(printed, cell) if cell else ("", "") for cell in cells]
    units = Counter(unit for (_, unit), cell in zip(texts, cells, strict=True) if cell)
    common = units.most_common(1)[0][0] if units else ""
    return PrintedRow(
        title=title,
        metric=metric.title,
        metric_id=metric.id,
        statistic=words.statistic(series.statistic),
        unit=common,
        printed_as=dict(series.params).get("printed_as", ""),
        cells=tuple(
            PrintedCell(text, unit if unit != common else "", cell.doubt, cell.runs[-1])
            if cell
            else None
            for (text, unit), cell in zip(texts, cells, strict=True)
        ),
    )


def _as_printed(printed: Analysis, cell: Cell) -> tuple[str, str]:
    """Return the digits and the unit of a source; ours where it left none."""
    if cell.printed:
        number, _, unit = cell.printed.partition(" ")
        return number, quotes.printed_unit(unit)
    if cell.summary is None:
        return "not measured", ""
    shown = printed.metric(cell.series.metric).unit_for([cell.summary.value])
    return shown.number(cell.summary.value), shown.text


def collected(analysis: Analysis, benchmark: str) -> list[Cell]:
    """Return the figures of our own runs."""
    return [
        cell
        for cell in analysis.of(benchmark)
        if cell.provenance == Provenance.COLLECTED and cell.summary
    ]


def own(analysis: Analysis, benchmark: str, wanted: set[Series]) -> OwnTable | None:
    """Return our own runs of these series, or None; ours may state more parameters."""
    plain: dict[Series, list[set[tuple[str, str]]]] = {}
    for series in wanted:
        stated = {pair for pair in series.params if pair[0] not in _REMARKS}
        plain.setdefault(series._replace(params=()), []).append(stated)
    by_series: dict[Series, dict[str, Cell]] = {}
    for cell in collected(analysis, benchmark):
        params = set(cell.series.params)
        if any(stated <= params for stated in plain.get(cell.series._replace(params=()), ())):
            by_series.setdefault(cell.series, {})[cell.environment] = cell
    if not by_series:
        return None
    present = {label for cells in by_series.values() for label in cells}
    labels = [label for label in analysis.config.environments if label in present]
    known = words.background(benchmark, by_series)
    rows = []
    for series in sorted(by_series, key=lambda s: (s.metric, s.statistic, words.natural(s))):
        found = by_series[series]
        metric = analysis.metric(series.metric)
        unit = panels.unit_of(metric, found.values())
        name = words.statistic(series.statistic)
        rows.append(
            OwnRow(
                words.short(series, known),
                f"{metric.title}, {name}" if name else metric.title,
                unit.text,
                tuple(_own_cell(found.get(label), unit) for label in labels),
            )
        )
    return OwnTable(benchmark, family(benchmark).title, columns(analysis, labels), tuple(rows))


def _own_cell(cell: Cell | None, unit: DisplayUnit) -> OwnCell | None:
    if cell is None or cell.summary is None:
        return None
    told = f"{words.count(cell.summary.runs, 'run')} of {sum(cell.summary.repetitions)}"
    if cell.summary.interval:
        low, high = unit.number(cell.summary.interval.low), unit.number(cell.summary.interval.high)
        told = f"{low} to {high} · {told}"
    return OwnCell(words.number(cell, unit), told, cell.doubt, cell.runs[-1])
