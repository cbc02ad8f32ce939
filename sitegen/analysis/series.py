"""Series, and what each of them is in one environment: its runs' values and reasons to doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from sitegen.analysis import caveats
from sitegen.analysis.caveats import Caveat
from sitegen.analysis.replicates import Origin
from sitegen.analysis.selection import Selection
from sitegen.analysis.stats import Summary, run_value, slowdown, slowdown_interval, summarise
from sitegen.catalogue.families import efficiency_axis
from sitegen.catalogue.metrics import Better, Metric, Scale, metric
from sitegen.catalogue.rules import BESIDE, limits_of
from sitegen.catalogue.tool import Counts, Figure, Limits
from sitegen.catalogue.units import rounding_interval
from sitegen.config import Config
from sitegen.model import AnyRun, Params, Provenance, Series, Shape, Status, StepConditions


class Cell(Struct, frozen=True):
    """One series in one environment. ``summary`` is None when nothing was measured well.

    ``repetitions`` are the values behind it, a tuple for each of its ``runs``; ``failed`` and
    ``suspect`` count the repetitions that are not in it; ``resolution`` is the step in which the
    tool printed; ``beside`` are the figures of its workload that rules ask for, by name.
    """

    series: Series
    environment: str
    summary: Summary | None
    repetitions: tuple[tuple[float, ...], ...]
    runs: tuple[str, ...]
    provenance: Provenance
    printed: str | None = None
    failed: int = 0
    suspect: int = 0
    caveats: tuple[Caveat, ...] = ()
    resolution: float = 0.0
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def doubt(self) -> str:
        """The first reason not to quote the value, or nothing."""
        return next((c.rule.short for c in self.caveats if c.rule.doubts), "")


class _Block(NamedTuple):
    """Runs of one shape, and by place what each of them measured there."""

    runs: tuple[str, ...]
    shape: Shape
    columns: Sequence[tuple[float | None, ...]]


#: Rows of one series: blocks of runs, and where its rows stand in each.
_Rows = list[tuple[_Block, tuple[int, ...]]]


def cells_of(
    benchmark: str, label: str, selection: Selection, tee: str, role: str = ""
) -> Iterable[Cell]:
    """Yield every series of ``benchmark`` in the environment ``label``, declared as told."""
    rows: dict[Series, _Rows] = {}
    for block in _blocks(selection.runs):
        for series, places in block.shape.places(benchmark).items():
            rows.setdefault(series, []).append((block, places))
    together = caveats.applying("runs", selection.runs)
    of_run = {run.id: [*caveats.of_run(run, tee, role), *together] for run in selection.runs}
    of_runs: dict[tuple[str, ...], list[Caveat]] = {}
    origin_of = {run.id: Origin.of(run) for run in selection.runs}
    origins: dict[tuple[str, ...], tuple[Origin, ...]] = {}
    steps: dict[tuple[str, str], list[StepConditions]] = defaultdict(list)
    for run in selection.runs:
        for step in run.conditions:
            if step.repetition >= 0:
                steps[run.id, step.workload].append(step)
    side = _side_values(rows)
    limits = list(dict.fromkeys(map(limits_of, selection.runs)))
    busy: dict[tuple[str, tuple[str, ...]], list[Caveat]] = {}
    for series, parts in rows.items():
        runs = parts[0][0].runs if len(parts) == 1 else tuple(r for b, _ in parts for r in b.runs)
        if runs not in of_runs:
            of_runs[runs] = list(dict.fromkeys(c for run_id in runs for c in of_run[run_id]))
            origins[runs] = tuple(origin_of[run_id] for run_id in runs)
        # All series of a workload come from the same steps.
        key = (series.workload, runs)
        if key not in busy:
            own_steps = [step for run in runs for step in steps[run, series.workload]]
            busy[key] = caveats.applying("steps", own_steps)
        yield _cell(
            series, label, selection, origins[runs], parts, of_runs[runs], busy[key], side, limits
        )


def _blocks(runs: Sequence[AnyRun]) -> list[_Block]:
    """Return runs in their order, in as few blocks as that allows."""
    tables = [run.table for run in runs]
    if len({table.shape for table in tables}) == 1:
        columns = list(zip(*(table.values for table in tables), strict=True))
        return [_Block(tuple(run.id for run in runs), tables[0].shape, columns)]
    return [
        _Block((run.id,), table.shape, [(value,) for value in table.values])
        for run, table in zip(runs, tables, strict=True)
    ]


def _cell(  # noqa: PLR0913 - what a cell is made of
    series: Series,
    label: str,
    selection: Selection,
    origins: tuple[Origin, ...],
    rows: _Rows,
    of_runs: Sequence[Caveat],
    busy: Sequence[Caveat],
    side: Mapping[tuple[str, Params], Mapping[str, float]],
    limits: Sequence[Limits],
) -> Cell:
    run, runs = selection.runs[-1], tuple(origin.run for origin in origins)
    # Of a printed figure nobody says on how many runs it stands, unless it names its session.
    cited = run.provenance == Provenance.CITED and not run.session
    definition = metric(series.metric, run.definitions)
    failed = suspect = total = 0
    values: list[tuple[float, ...]] = []
    doubtful: list[tuple[float, ...]] = []
    printed = None
    for block, places in rows:
        total += len(places) * len(block.runs)
        columns = [block.columns[place] for place in places]
        marks = [block.shape.rows[place].status for place in places]
        printed = block.shape.rows[places[0]].printed if len(places) == 1 else printed
        if marks == [Status.OK] and None not in columns[0]:
            values += zip(columns[0])  # type: ignore[arg-type]
            doubtful += [()] * len(block.runs)
            continue
        for numbers in zip(*columns, strict=True):
            pairs = [*zip(numbers, marks, strict=True)]
            failed += sum(mark == Status.FAILED or value is None for value, mark in pairs)
            suspect += sum(mark == Status.SUSPECT for _, mark in pairs)
            for taken, status in ((values, Status.OK), (doubtful, Status.SUSPECT)):
                taken.append(tuple(v for v, mark in pairs if mark == status and v is not None))
    if not any(values):
        # Nothing clean: what there is is shown, with its caveat.
        values = doubtful
    ratio = definition.scale == Scale.RATIO
    first = next((v[0] for v in values if v), None)
    rounding = rounding_interval(first, printed) if cited and first is not None else None
    step = _resolution(definition, rows)
    summary = summarise(
        values, ratio=ratio, origins=origins, rounding=rounding, cited=cited, resolution=step
    )
    if definition.scale == Scale.PROPORTION and summary and (ends := summary.interval):
        # It ends where proportions do.
        ends = replace(ends, low=max(ends.low, 0.0), high=min(ends.high, 1.0))
        summary = replace(summary, interval=ends)
    doubts = list(of_runs)
    if run.provenance != Provenance.CITED:
        doubted = (caveats.of_reading(r, series.workload) for r in selection.runs if r.id in runs)
        doubts += dict.fromkeys(caveat for numbers in doubted for caveat in numbers)
    doubts += caveats.applying("counts", Counts(failed, suspect, total, run.provenance))
    beside = side.get((series.workload, _without_direction(series.params)), {})
    if summary is not None:
        doubts += busy
        of, params = summary.value, dict(series.params)
        figure = Figure(series.metric, series.statistic, params, of, beside, limits)
        doubts += caveats.of_figure(figure)
        repetitions = summary.repetitions[0] if summary.repetitions else 0
        doubts += caveats.applying("summary", cited, summary.runs, repetitions)
    return Cell(
        series, label, summary, tuple(values), runs, run.provenance,
        printed, failed, suspect, tuple(doubts), step, beside,
    )  # fmt: skip


def _resolution(metric: Metric, rows: _Rows) -> float:
    """Return the step in which the tool printed these values, 0 where it does not round.

    Where it printed decimals, the step is finer: ab's table has whole milliseconds, the file
    of percentiles microseconds.
    """
    if metric.resolution is None:
        return 0.0
    printed = (block.shape.rows[place].printed for block, places in rows for place in places)
    decimals = min((len(text.partition(".")[2]) for text in printed if text), default=0)
    return float(metric.resolution * 10.0**-decimals)


def _side_values(rows: Mapping[Series, _Rows]) -> dict[tuple[str, Params], dict[str, float]]:
    """Return, by workload and parameters, the values that caveats on other metrics need."""
    side: dict[tuple[str, Params], dict[str, float]] = defaultdict(dict)
    for series, parts in rows.items():
        name = BESIDE.get((series.metric, series.statistic))
        if name is None:
            continue
        columns = (block.columns[place] for block, places in parts for place in places)
        if values := [value for column in columns for value in column if value is not None]:
            key = (series.workload, _without_direction(series.params))
            side[key][name] = run_value(values, ratio=False)
    return side


def _without_direction(params: Params) -> Params:
    return tuple(pair for pair in params if pair[0] != "direction")


def mark_across(cells: dict[tuple[Series, str], Cell], config: Config) -> None:
    """Mark storage figures of guests that beat the machine they run on, and suspect bases."""
    for (series, label), cell in list(cells.items()):
        host = config.environment(label).baselines.get("metal")
        if host is None or cell.summary is None:
            continue
        definition = metric(series.metric)
        base = cells.get((series, host))
        if base is None or base.summary is None or definition.better == Better.NONE:
            continue
        higher = definition.better == Better.HIGHER
        factor = slowdown(cell.summary.value, base.summary.value, higher_is_better=higher)
        if factor is None or factor >= 1:
            continue
        interval = slowdown_interval(cell.summary, base.summary, higher_is_better=higher)
        high = interval.high if interval else factor
        doubts = caveats.applying("outdone", series.metric, factor, high, host)
        cells[series, label] = _with(cell, *doubts)
    _suspect_bases(cells)


def _with(cell: Cell, *more: Caveat) -> Cell:
    return replace(cell, caveats=(*more, *cell.caveats))


def _suspect_bases(cells: dict[tuple[Series, str], Cell]) -> None:
    """Mark one-thread values that more threads outdo by more than they can."""
    groups: dict[tuple[object, ...], list[tuple[int, tuple[Series, str]]]] = defaultdict(list)
    axes = {name: efficiency_axis(name) for name in {series.benchmark for series, _ in cells}}
    for series, label in cells:
        axis = axes[series.benchmark]
        count = next((value for name, value in series.params if name == axis), "") if axis else ""
        if count.isdecimal() and metric(series.metric).better == Better.HIGHER:
            rest = tuple(pair for pair in series.params if pair[0] != axis)
            key = (series.benchmark, series.metric, series.statistic, rest, label)
            groups[key].append((int(count), (series, label)))
    for members in groups.values():
        base = cells[dict(members)[1]] if 1 in dict(members) else None
        if base is None or base.summary is None or base.summary.value <= 0:
            continue
        efficiency = {
            threads: summary.value / (threads * base.summary.value)
            for threads, key in members
            if threads > 1 and (summary := cells[key].summary) is not None
        }
        best = max(efficiency, key=lambda threads: efficiency[threads], default=1)
        doubts = caveats.applying("scaling", best, efficiency.get(best, 0.0))
        cells[base.series, base.environment] = _with(base, *doubts)
