"""What a run measured, as tables: a workload a row, its metrics and statistics the columns.

Runs that measured the same share a plan; of each run only the values are put in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from msgspec import Struct, field

from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family, natural, rank
from sitegen.catalogue.metrics import Better, Metric
from sitegen.catalogue.units import DisplayUnit, significant
from sitegen.model import Measurement, Params, Series, Shape, Status, Table
from sitegen.report import addresses, panels, words

#: What a page has room for: columns, rows that are open, rows in all, and series in all.
MOST_COLUMNS, MOST_OPEN, _MOST_ROWS, _MOST_SERIES = 8, 40, 100, 900
_MOST_BESIDE = 24
_MOST_REPETITIONS = 12
#: Of a metric the first of these that there is stands for it; then these, and how far out.
_LEADS = ("value", "mean", "total", "p50", "max", "min", "stddev")
_TAILS = ("p99", "p95", "p90")
_ORDER = ("", "p50", "p90", "p95", "p99", "p99.9", "p99.99")
#: A share of the rows that a column should have, where nobody asked for it.
_FEW = 0.25
ABSENT = "\N{MIDDLE DOT}"

Places = tuple[int, ...]
#: A step's workload, name and parameters.
StepKey = tuple[str, str, Params]
#: A series, and where its rows stand.
Placed = tuple[Series, Places]


class Column(NamedTuple):
    """A metric and a statistic of it; without one, what stands for the metric."""

    metric: Metric
    statistic: str


class PlannedRow(Struct, frozen=True, eq=False):
    """What was measured of one workload with its parameters: in columns, and beside them.

    ``ids`` are those of all that it is made of, its own first. ``beside`` are (label, series)
    that have no column. ``series`` are those of the columns.
    """

    workload: str
    params: Params
    ids: tuple[str, ...]
    title: str
    about: str
    columns: tuple[Places, ...]
    series: tuple[Series, ...]
    beside: tuple[tuple[str, Metric, Places], ...]
    suspect: int
    failed: int


class Planned(Struct, frozen=True, eq=False):
    """One table: rows that have columns in common. ``minor`` ones say nothing of cost."""

    title: str
    metric_id: str
    columns: tuple[Column, ...]
    rows: tuple[PlannedRow, ...]
    minor: bool
    #: All that is drawn of it but for values: runs that took turns otherwise draw the same.
    drawn: str
    #: The table's heads, by the units in them.
    heads: dict[tuple[DisplayUnit, ...], Head] = field(default_factory=dict)

    def head(self, units: tuple[DisplayUnit, ...]) -> Head:
        """Return the table's head with these units, one a metric."""
        if units not in self.heads:
            metrics = dict.fromkeys(column.metric for column in self.columns)
            groups = tuple(
                HeadGroup(
                    metric.id,
                    metric.title,
                    words.joined(unit.text, words.arrow(metric), by=" "),
                    tuple(
                        _short_statistic(column, self.rows, place)
                        for place, column in enumerate(self.columns)
                        if column.metric == metric
                    ),
                )
                for metric, unit in zip(metrics, units, strict=True)
            )
            self.heads[units] = Head(groups)
        return self.heads[units]


class HeadGroup(NamedTuple):
    """The columns of one metric: its name, the unit with the arrow, and the statistics."""

    metric_id: str
    title: str
    unit: str
    statistics: tuple[str, ...]


class Head(Struct, frozen=True, eq=False):
    """The head of a table, with the units that its values have in one run."""

    groups: tuple[HeadGroup, ...]


class Plan(Struct, frozen=True, eq=False):
    """What the pages of runs of one shape share."""

    tables: tuple[Planned, ...]
    shared: str
    rows_left: int
    series: int
    series_left: int
    #: Which steps belong to which row, by the steps that there are.
    steps: dict[object, tuple[tuple[StepKey, ...], ...]] = field(default_factory=dict)

    @property
    def rows(self) -> Iterator[PlannedRow]:
        """All rows, table by table."""
        for table in self.tables:
            yield from table.rows


class Figures(NamedTuple):
    """The values of one row: its cells, those that are doubtful, and what it opens to.

    ``spread`` counts its repetitions and says how far they lie apart. ``lists`` are (what, values).
    """

    cells: tuple[str, ...]
    off: tuple[int, ...]
    mark: str
    spread: str
    lists: tuple[tuple[str, str], ...]


def plan(benchmark: str, shape: Shape, analysis: Analysis) -> Plan:
    """Return how runs of a shape are shown, made once for all of them."""
    key = (benchmark, shape)
    if key not in analysis.plans:
        analysis.plans[key] = _plan(benchmark, shape, analysis)
    made: Plan = analysis.plans[key]
    return made


def _plan(benchmark: str, shape: Shape, analysis: Analysis) -> Plan:
    groups = _merged(_groups(shape.places(benchmark)))
    leading = _metric_order(benchmark, groups, analysis)
    ranks = {metric.id: place for place, metric in enumerate(leading)}
    # Rows share a table where the same metric says most of them, or one that stands beside it.
    together = [name for name, _ in family(benchmark).columns if name in ranks]
    by_metric: dict[str, list[_Group]] = {}
    for group in groups:
        first = min((series.metric for series, _ in group.held.values()), key=ranks.__getitem__)
        first = together[0] if first in together else first
        by_metric.setdefault(first, []).append(group)
    shared = _shared(group.params for group in groups)
    skip = frozenset(key for key, _ in shared)
    several = len({group.workload for group in groups}) > 1
    room, rows_room = [_MOST_SERIES], _MOST_ROWS
    tables: list[Planned] = []
    shown = 0
    for metric_id in sorted(by_metric, key=ranks.__getitem__):
        members = sorted(by_metric[metric_id], key=_place)
        columns = _columns(benchmark, members, leading)
        common = words.background(benchmark, (each.lead(columns)[0] for each in members))
        rows = [
            _row(group, columns, skip, common, several, shape, analysis, room)
            for group in members[:rows_room]
            if room[0] > 0
        ]
        shown += len(rows)
        rows_room -= len(rows)
        metric = analysis.metric(metric_id)
        if rows:
            minor = metric.better == Better.NONE
            drawn = "\n".join(
                f"{row.ids}{row.title}\t{row.about}\t{[bool(at) for at in row.columns]}"
                for row in rows
            )
            tables.append(Planned(metric.title, metric_id, columns, tuple(rows), minor, drawn))
    every = len(shape.places(benchmark))
    return Plan(
        tuple(tables),
        words.params(shared),
        len(groups) - shown,
        every,
        every - (_MOST_SERIES - room[0]),
    )


class _Group:
    """What was measured with the same parameters: series by metric and statistic."""

    def __init__(self, workload: str, params: Params) -> None:
        self.workload, self.params = workload, params
        self.held: dict[tuple[str, str], Placed] = {}
        self.others: list[Params] = []

    def at(self, column: Column) -> Placed | None:
        """Return what stands in a column."""
        if column.statistic:
            return self.held.get((column.metric.id, column.statistic))
        found = (self.held.get((column.metric.id, name)) for name in _LEADS)
        return next(filter(None, found), None)

    def lead(self, columns: Iterable[Column]) -> Placed:
        """Return the first series that has a column."""
        found = (self.at(column) for column in columns)
        return next(filter(None, found), next(iter(self.held.values())))


def _groups(every: Mapping[Series, Places]) -> list[_Group]:
    groups: dict[tuple[str, Params], _Group] = {}
    for series, places in every.items():
        key = (series.workload, series.params)
        group = groups.setdefault(key, _Group(*key))
        group.held[series.metric, series.statistic] = (series, places)
    return list(groups.values())


def _merged(groups: list[_Group]) -> list[_Group]:
    """Put together what differs in that one names a parameter more: of one execution.

    fio counts the bytes of its device for both directions together, and a goodput names its limits.
    """
    whole: dict[str, list[_Group]] = {}
    for group in sorted(groups, key=lambda one: (-len(one.held), one.workload, one.params)):
        hosts = [
            other
            for other in whole.setdefault(group.workload, [])
            if (set(group.params) < set(other.params) or set(group.params) > set(other.params))
            and not group.held.keys() & other.held.keys()
        ]
        if len(hosts) == 1:
            hosts[0].held.update(group.held)
            hosts[0].others.append(group.params)
        else:
            whole[group.workload].append(group)
    return [group for members in whole.values() for group in members]


def _metric_order(
    benchmark: str, groups: Sequence[_Group], analysis: Analysis
) -> tuple[Metric, ...]:
    """Return the metrics in the order in which they say most: as asked for, then the directed."""
    presented = family(benchmark)
    asked = [
        *(name for name, _ in presented.columns),
        *(one.metric for one in presented.headlines),
        *(one.metric for one in presented.panels),
    ]
    there = dict.fromkeys(metric for group in groups for metric, _ in group.held)
    metrics = {name: analysis.metric(name) for name in there}
    directed = [name for name, metric in metrics.items() if metric.better != Better.NONE]
    order = dict.fromkeys([*directed, *there])
    first = dict.fromkeys(name for name in asked if name in directed)
    return tuple(metrics[name] for name in dict.fromkeys([*first, *order]))


def _shared(every: Iterable[Params]) -> Params:
    """Return the parameters that all have in common, of several."""
    each = [set(params) for params in every]
    return tuple(sorted(set.intersection(*each))) if len(each) > 1 else ()


def _place(group: _Group) -> tuple[object, ...]:
    """Return a row's place: the headlines first, then by parameters, numbers by size."""
    every = [series for series, _ in group.held.values()]
    return min(map(rank, every)), natural(every[0])


def _columns(
    benchmark: str, groups: Sequence[_Group], leading: Sequence[Metric]
) -> tuple[Column, ...]:
    """Return the columns of a table: those that are asked for, then such as rows still lack."""
    counts: Counter[tuple[str, str]] = Counter(key for group in groups for key in group.held)
    metrics = {metric.id: metric for metric in leading}
    asked = [
        Column(metrics[name], _as_far_out(name, statistic, counts))
        for name, statistics in family(benchmark).columns
        for statistic in statistics
        if name in metrics
    ]
    firsts = [Column(metric, "") for metric in leading]
    more = [
        Column(metric, _as_far_out(metric.id, statistic, counts))
        for metric in leading
        for statistic in ("p50", _TAILS[0])
    ]
    chosen: list[Column] = []
    covered: set[int] = set()
    for column in (*asked, *firsts, *more):
        has = {place for place, group in enumerate(groups) if group.at(column)}
        wanted = bool(has - covered)
        if column in asked:
            wanted = bool(has)
        elif not asked and column.metric.better != Better.NONE:
            wanted = len(has) >= _FEW * len(groups)
        elif not asked:
            wanted |= len(has) == len(groups) and not column.statistic
        if not wanted or column in chosen or len(chosen) == MOST_COLUMNS:
            continue
        if column not in asked and _stands_already(column, groups):
            continue
        chosen.append(column)
        covered |= has
    order = [metric.id for metric in leading]
    places = {statistic: place for place, statistic in enumerate(_ORDER)}
    chosen.sort(
        key=lambda one: (order.index(one.metric.id), places.get(one.statistic, len(places)))
    )
    return tuple(chosen)


def _stands_already(column: Column, groups: Sequence[_Group]) -> bool:
    """Say whether a statistic is what stands for its metric, where there is no other."""
    first = Column(column.metric, "")
    return bool(column.statistic) and all(
        group.at(first) == group.at(column) for group in groups if group.at(column)
    )


def _as_far_out(metric: str, statistic: str, counts: Mapping[tuple[str, str], int]) -> str:
    """Return the furthest percentile up to ``statistic`` that most rows with the metric have."""
    if statistic not in _TAILS:
        return statistic
    most = max((n for (name, _), n in counts.items() if name == metric), default=0)
    tails = _TAILS[_TAILS.index(statistic) :]
    return next((one for one in tails if 2 * counts[metric, one] >= most), statistic)


def _row(  # noqa: PLR0913 - what a row is made of
    group: _Group,
    columns: tuple[Column, ...],
    skip: frozenset[str],
    common: Mapping[str, Params],
    several: bool,  # noqa: FBT001 - workloads
    shape: Shape,
    analysis: Analysis,
    room: list[int],
) -> PlannedRow:
    """Return a row; it takes of the ``room`` for series what it needs."""
    lead, _ = group.lead(columns)
    found = [group.at(column) for column in columns]
    used = {placed[0] for placed in found if placed}
    plain = lead._replace(params=group.params)
    skipped = skip | {key for key, _ in common.get(group.workload, ())}
    title = words.title(plain, skipped)
    everything = words.upper_first(words.params(group.params, skipped))
    name = group.workload if several and title != words.upper_first(words.workload(plain)) else ""
    beside: list[tuple[str, Metric, Places]] = []
    others = [placed for placed in group.held.values() if placed[0] not in used]
    others = [placed for placed in others if placed[0].statistic in panels.STATISTICS]
    for series, places in others[: max(min(_MOST_BESIDE, room[0] - len(used)), 0)]:
        metric = analysis.metric(series.metric)
        extra = tuple(pair for pair in series.params if pair not in group.params)
        label = words.joined(metric.title, words.statistic(series.statistic), words.params(extra))
        beside.append((label, metric, places))
    room[0] -= len(used) + len(beside)
    statuses = [shape.rows[place].status for _, at in group.held.values() for place in at]
    return PlannedRow(
        group.workload,
        group.params,
        (addresses.row(group.workload, group.params),
         *(addresses.row(group.workload, params) for params in group.others)),
        title,
        words.joined("" if everything == title else everything, name, by=" · "),
        tuple(placed[1] if placed else () for placed in found),
        tuple(placed[0] for placed in found if placed),
        tuple(beside),
        statuses.count(Status.SUSPECT),
        statuses.count(Status.FAILED),
    )  # fmt: skip


def _short_statistic(column: Column, rows: Sequence[PlannedRow], place: int) -> str:
    """Return what a column is of its metric: mean, p99; nothing of the value itself."""
    if column.statistic:
        return column.statistic
    wanted = {
        series.statistic
        for row in rows
        if row.columns[place]
        for series in row.series
        if series.metric == column.metric.id and series.statistic in _LEADS
    }
    lead = next((name for name in _LEADS if name in wanted), "")
    # Of a rate there is nothing else to mean; of a time there is.
    return (
        lead if lead in ("p50", "max", "min") or (lead, column.metric.unit) == ("mean", "s") else ""
    )


def figures(table: Planned, values: Table, repetitions: int) -> tuple[Head, tuple[Figures, ...]]:
    """Return a table's head and the figures of its rows, one scale for each metric."""
    held, rows = values.values, values.shape.rows
    units: dict[str, DisplayUnit] = {}
    for place, column in enumerate(table.columns):
        name = column.metric.id
        if name not in units:
            # Of all its columns: what stands for a metric is the middle of what there is.
            every = [
                abs(value)
                for row in table.rows
                for other, each in enumerate(table.columns[place:], start=place)
                if each.metric.id == name
                for at in row.columns[other]
                if (value := held[at]) is not None
            ]
            every.sort()
            units[name] = column.metric.unit_for(every[len(every) // 2 :][:1])
    of_columns = [units[column.metric.id] for column in table.columns]
    head = table.head(tuple(units.values()))
    if repetitions == 1 and not any(row.suspect or row.failed for row in table.rows):
        return head, tuple([_single(row, of_columns, held, rows) for row in table.rows])
    return head, tuple([_several(row, table, of_columns, held, rows) for row in table.rows])


def _single(
    row: PlannedRow,
    units: Sequence[DisplayUnit],
    held: Sequence[float | None],
    rows: Sequence[Measurement],
) -> Figures:
    """Return the figures of what was measured once."""
    cells = tuple([
        ""
        if not at
        else unit.number(value)
        if (value := held[at[0]]) is not None and rows[at[0]].printed is None
        else _text(value, rows[at[0]].printed, unit)
        for at, unit in zip(row.columns, units, strict=True)
    ])  # fmt: skip
    lists = tuple([(label, _with_unit(metric, [held[at[0]]])) for label, metric, at in row.beside])
    return Figures(cells, (), "", "", lists)


def _several(
    row: PlannedRow,
    table: Planned,
    units: Sequence[DisplayUnit],
    held: Sequence[float | None],
    rows: Sequence[Measurement],
) -> Figures:
    """Return the figures of repetitions: their medians, how far they lie apart, and each."""
    cells, off, lists = [], [], []
    spread = ""
    for place, (at, unit) in enumerate(zip(row.columns, units, strict=True)):
        if not at:
            cells.append("")
            continue
        taken = [(held[one], rows[one].status) for one in at]
        numbers = [value for value, _ in taken if value is not None]
        good = [value for value, status in taken if status == Status.OK and value is not None]
        middle = median(good or numbers) if numbers else None
        printed = rows[at[0]].printed if len(at) == 1 else None
        cells.append(_text(middle, printed, unit))
        if not good:
            off.append(place)
        column = table.columns[place]
        if len(at) > 1 or len(good) < len(taken):
            name = words.joined(column.metric.title, column.statistic)
            lists.append((words.joined(name, unit.text), _each(taken, unit)))
        if not spread and len(at) > 1:
            spread = words.count(len(good or numbers), "repetition")
            if len(good) > 1 and middle:
                apart = 100 * (max(good) - min(good)) / abs(middle)
                spread += f" within {significant(apart, 2)} %" if apart else ", all the same"
    for label, metric, at in row.beside:
        lists.append((label, _with_unit(metric, [held[one] for one in at])))
    marks = words.joined(
        f"{row.suspect} suspect" if row.suspect else "",
        f"{row.failed} failed" if row.failed else "",
    )
    return Figures(tuple(cells), tuple(off), marks, spread, tuple(lists))


def _each(taken: Sequence[tuple[float | None, str]], unit: DisplayUnit) -> str:
    """Return the repetitions one by one, as many as there is room for."""
    texts = []
    for value, status in taken[:_MOST_REPETITIONS]:
        text = "failed" if value is None else unit.number(value)
        texts.append(
            f"{text} (suspect)" if status == Status.SUSPECT and value is not None else text
        )
    more = len(taken) - len(texts)
    return words.joined(*texts, f"{more} more in the download" if more else "")


def _with_unit(metric: Metric, values: Sequence[float | None]) -> str:
    unit = metric.unit_for(values)
    more = len(values) - _MOST_REPETITIONS
    texts = [
        "not measured" if value is None else unit.number(value)
        for value in values[:_MOST_REPETITIONS]
    ]
    if unit.text:
        texts[-1] = f"{texts[-1]} {unit.text}"
    return words.joined(*texts, f"{more} more in the download" if more > 0 else "")


def _text(value: float | None, printed: str | None, unit: DisplayUnit) -> str:
    return "not measured" if value is None else words.figure(value, printed, unit)
