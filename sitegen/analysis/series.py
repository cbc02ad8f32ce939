"""Series, and what each of them is in one environment: its runs' values and reasons to doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from sitegen.analysis import caveats
from sitegen.analysis.caveats import Caveat
from sitegen.analysis.replicates import Origin
from sitegen.analysis.selection import Selection
from sitegen.analysis.stats import Summary, run_value, slowdown, slowdown_interval, summarise
from sitegen.catalogue.families import efficiency_axis
from sitegen.catalogue.metrics import Better, Metric, Scale, beside, metric
from sitegen.catalogue.rules import limits_of
from sitegen.catalogue.tool import Counts, Figure, Limits
from sitegen.catalogue.units import rounding_interval
from sitegen.config import Config
from sitegen.model import (
    OWN_COMMAND,
    AnyRun,
    Params,
    Provenance,
    Series,
    Shape,
    Status,
    StepConditions,
)


class Cell(Struct, frozen=True):
    """One series in one environment. ``summary`` is None when nothing was measured well.

    ``repetitions`` are the values behind it, a tuple for each of its ``runs``; ``failed`` and
    ``suspect`` count the repetitions that are not in it; ``resolution`` is the step in which the
    tool printed; ``beside`` are the figures of its workload that rules ask for, by name. Runs that
    a rule sets ``aside`` are in none of this; ``whole`` is the same with them.
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
    aside: tuple[Caveat, ...] = ()
    whole: Cell | None = None

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
#: What rules ask for beside a figure, by workload and parameters.
_Beside = Mapping[tuple[str, Params], Mapping[str, float]]


def cells_of(
    benchmark: str, label: str, selection: Selection, tee: str, role: str = ""
) -> Iterable[Cell]:
    """Yield every series of ``benchmark`` in the environment ``label``, declared as told."""
    rows: dict[Series, _Rows] = {}
    for block in _blocks(selection.runs):
        for series, places in block.shape.places(benchmark).items():
            rows.setdefault(series, []).append((block, places))
    cells = _Cells(label, selection, tee, role, rows)
    for series, parts in rows.items():
        yield cells.cell(series, parts)


class _Cells:
    """Makes the cells of one environment; what several series share is found out once."""

    def __init__(
        self,
        label: str,
        selection: Selection,
        tee: str,
        role: str,
        rows: Mapping[Series, _Rows],
    ) -> None:
        self.label, self.selection = label, selection
        self.together = caveats.applying("runs", selection.runs)
        self.of_run = {run.id: caveats.of_run(run, tee, role) for run in selection.runs}
        self.of_runs: dict[tuple[str, ...], list[Caveat]] = {}
        self.origin_of = {run.id: Origin.of(run) for run in selection.runs}
        self.origins: dict[tuple[str, ...], tuple[Origin, ...]] = {}
        self.steps: dict[tuple[str, str], list[StepConditions]] = defaultdict(list)
        for run in selection.runs:
            for step in run.conditions:
                if step.repetition >= 0:
                    self.steps[run.id, step.workload].append(step)
        self.rows, self.side = rows, _side_values(rows)
        self.side_without: dict[tuple[str, tuple[str, ...]], _Beside] = {}
        self.limits = list(dict.fromkeys(map(limits_of, selection.runs)))
        self.busy: dict[tuple[str, tuple[str, ...]], list[Caveat]] = {}
        self.without: dict[tuple[int, tuple[str, ...]], _Block] = {}

    def cell(self, series: Series, parts: _Rows) -> Cell:
        """Return a series of these rows, without the runs that a rule sets aside."""
        runs = _runs_of(parts)
        whole = self.cell_of(series, parts, runs)
        busy = [one for one in self.of_steps(series.workload, runs) if one.rule.sets_aside]
        gone = {run for one in busy for run in one.runs}
        if not gone or 2 * len(gone) >= len(runs):
            return whole
        kept = [(self.kept(block, gone), places) for block, places in parts]
        kept = [(block, places) for block, places in kept if block.runs]
        cell = self.cell_of(series, kept, _runs_of(kept), self.beside(series.workload, gone))
        return replace(cell, aside=tuple(busy), whole=whole) if cell.summary else whole

    def beside(self, workload: str, gone: set[str]) -> _Beside:
        """Return what rules ask for beside the figures of a workload, without some runs."""
        key = (workload, tuple(sorted(gone)))
        if key not in self.side_without:
            self.side_without[key] = _side_values(
                {
                    series: [(self.kept(block, gone), places) for block, places in parts]
                    for series, parts in self.rows.items()
                    if series.workload == workload and beside(series.metric, series.statistic)
                }
            )
        return self.side_without[key]

    def cell_of(
        self, series: Series, parts: _Rows, runs: tuple[str, ...], side: _Beside | None = None
    ) -> Cell:
        """Return a series of these rows, which are those of these runs."""
        if runs not in self.of_runs:
            own = caveats.merged((run, self.of_run[run]) for run in runs)
            self.of_runs[runs] = [*own, *self.together]
            self.origins[runs] = tuple(self.origin_of[run] for run in runs)
        beside = (side or self.side).get((series.workload, _without_direction(series.params)), {})
        busy = self.of_steps(series.workload, runs)
        return _cell(
            series, self.label, self.selection, self.origins[runs], parts, self.of_runs[runs],
            busy, beside, self.limits,
        )  # fmt: skip

    def of_steps(self, workload: str, runs: tuple[str, ...]) -> list[Caveat]:
        """Return the caveats of the steps of a workload, from which all its series come."""
        key = (workload, runs)
        if key not in self.busy:
            steps = {
                run: self.steps.get((run, workload)) or self.steps.get((run, OWN_COMMAND), [])
                for run in runs
            }
            found = caveats.applying("steps", [step for run in runs for step in steps[run]])
            self.busy[key] = [_of_its_runs(mark, steps) for mark in found]
        return self.busy[key]

    def kept(self, block: _Block, gone: Container[str]) -> _Block:
        """Return a block without some of its runs."""
        places = tuple(place for place, run in enumerate(block.runs) if run not in gone)
        runs = tuple(block.runs[place] for place in places)
        key = (id(block), runs)
        if key not in self.without:
            columns = [tuple([column[place] for place in places]) for column in block.columns]
            self.without[key] = _Block(runs, block.shape, columns)
        return self.without[key]


def _of_its_runs(mark: Caveat, steps: Mapping[str, Sequence[StepConditions]]) -> Caveat:
    """Return a caveat of steps with the runs that it is of, and what it saw in theirs alone."""
    rules = [mark.rule]
    runs = tuple(run for run in steps if caveats.applying("steps", steps[run], rules=rules))
    theirs = [step for run in runs for step in steps[run]]
    said = caveats.applying("steps", theirs, rules=rules)
    return replace(mark, runs=runs, sentence=said[0].sentence if said else mark.sentence)


def _runs_of(parts: _Rows) -> tuple[str, ...]:
    if len(parts) == 1:
        return parts[0][0].runs
    return tuple(run for block, _ in parts for run in block.runs)


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
    beside: Mapping[str, float],
    limits: Sequence[Limits],
) -> Cell:
    run, runs = selection.runs[-1], tuple(origin.run for origin in origins)
    # Of a printed figure nobody says on how many runs it stands, unless it names its session.
    cited = run.provenance == Provenance.CITED and not run.session
    definition = metric(series.metric, run.definitions)
    failed = suspect = total = 0
    values: list[tuple[float, ...]] = []
    doubtful: list[tuple[float, ...]] = []
    lacking: list[str] = []
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
        for name, numbers in zip(block.runs, zip(*columns, strict=True), strict=True):
            pairs = [*zip(numbers, marks, strict=True)]
            gone = [mark for value, mark in pairs if mark == Status.FAILED or value is None]
            doubted = [mark for _, mark in pairs if mark == Status.SUSPECT]
            failed, suspect = failed + len(gone), suspect + len(doubted)
            if gone or doubted:
                lacking.append(name)
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
        doubts += caveats.merged(
            (r.id, caveats.of_reading(r, series.workload)) for r in selection.runs if r.id in runs
        )
    counts = caveats.applying("counts", Counts(failed, suspect, total, run.provenance))
    doubts += [replace(mark, runs=tuple(lacking)) for mark in counts]
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
        if not (name := beside(series.metric, series.statistic)):
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
