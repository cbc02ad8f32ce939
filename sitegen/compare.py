"""Series, which runs stand behind them, and two environments side by side.

Everything here is derived when the archive is read. A `Cell` is one series in one
environment; a `Comparison` is two cells that differ in their environment only.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sitegen import caveats
from sitegen.caveats import Caveat
from sitegen.config import Config, Environment, Role
from sitegen.errors import SitegenError
from sitegen.families import Headline, efficiency_axis, headline_of, matches
from sitegen.metrics import METRICS, Better, Metric, Scale, metric, unit_problem
from sitegen.model import (
    Comparability,
    Measurement,
    MetricDefinition,
    Params,
    Provenance,
    Run,
    Status,
    StepConditions,
    StepRecord,
)
from sitegen.quantity import rounding_interval
from sitegen.stats import (
    Interval,
    Summary,
    Word,
    overhead,
    run_value,
    slowdown,
    slowdown_interval,
    summarise,
    verdict,
)

_SAME_PROOF = 0.01
#: Parameters of a time or a speed, which the size of a proof does not have.
_NOT_OF_THE_PROOF = frozenset({"time_scope", "cycle_kind", "hash", "cached"})


class Series(NamedTuple):
    """What a value is of: equal series can be compared across environments."""

    benchmark: str
    workload: str
    metric: str
    statistic: str
    params: Params


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs of a benchmark stand for an environment, and why others do not."""

    runs: tuple[Run, ...]
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One series in one environment. ``summary`` is None when nothing was measured well.

    ``repetitions`` are the values behind it, a tuple a run; ``failed`` and ``suspect`` count
    the repetitions that are not in it.
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

    @property
    def doubt(self) -> str:
        """The first reason not to quote the value, or nothing."""
        return next((c.rule.short for c in self.caveats if c.rule.doubts), "")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``side`` costs against ``baseline``. ``factor`` is the slowdown, above 1 is worse.

    ``reason`` says why two cells are not comparable. ``against`` is the baseline's word (vm,
    metal).
    """

    series: Series
    metric: Metric
    side: Cell
    baseline: Cell
    against: str
    word: Word
    factor: float | None = None
    interval: Interval | None = None
    reason: str = ""
    caveats: tuple[Caveat, ...] = ()

    @property
    def headline(self) -> Headline | None:
        """The headline that verdicts are given for, or None."""
        return headline_of(*self.series)

    @property
    def share(self) -> float | None:
        """The overhead by the convention of the metric: positive is worse."""
        return None if self.factor is None else self._share(self.factor)

    @property
    def share_interval(self) -> tuple[float, float] | None:
        """The interval of the overhead."""
        if self.interval is None:
            return None
        return self._share(self.interval.low), self._share(self.interval.high)

    @property
    def doubt(self) -> str:
        """The first reason not to quote the comparison, or nothing."""
        if self.reason:
            return self.word
        return next((c.rule.short for c in self.caveats if c.rule.doubts), "")

    def _share(self, factor: float) -> float:
        return overhead(factor, higher_is_better=self.metric.better == Better.HIGHER)


@dataclass(frozen=True, slots=True)
class Analysis:
    """All cells and comparisons of a report."""

    config: Config
    selections: Mapping[tuple[str, str], Selection]
    cells: Mapping[tuple[Series, str], Cell]
    comparisons: tuple[Comparison, ...]
    definitions: Mapping[str, MetricDefinition]
    _by_benchmark: Mapping[str, tuple[Cell, ...]] = field(repr=False)

    def of(self, benchmark: str) -> tuple[Cell, ...]:
        """Return the cells of a benchmark, by series and environment."""
        return self._by_benchmark.get(benchmark, ())

    def paired(self, benchmark: str) -> bool:
        """Say whether two environments of a benchmark are declared to be compared."""
        present = {label for name, label in self.selections if name == benchmark}
        return any(
            base in present
            for label in present
            for _, base in baselines(label, self.config, present)
        )

    def figure(
        self,
        metric_id: str,
        label: str,
        workload: str = "",
        statistic: str = "",
        params: Params = (),
    ) -> Cell:
        """Return the one figure of an environment that has all that is named.

        Raises SitegenError when there is none, or more than one.
        """
        found = [
            cell
            for cell in self.of(metric_id.partition(".")[0])
            if cell.environment == label
            and cell.series.metric == metric_id
            and workload in ("", cell.series.workload)
            and statistic in ("", cell.series.statistic)
            and matches(dict(cell.series.params), params)
            and cell.summary is not None
        ]
        if len(found) == 1:
            return found[0]
        what = f"{metric_id} in {label}" + (f" with {dict(params)}" if params else "")
        raise SitegenError(f"{len(found)} figures are {what}" if found else f"no figure is {what}")

    def metric(self, metric_id: str) -> Metric:
        """Return a metric of the table or of a run's own definitions."""
        own = self.definitions.get(metric_id)
        return metric(metric_id, [own] if own else [])


def analyse(runs: Sequence[Run], config: Config) -> Analysis:
    """Return every cell and comparison that ``runs`` give under the report's settings."""
    config = replace(config, environments=environments(runs, config))
    selections = select(runs, config)
    cells: dict[tuple[Series, str], Cell] = {}
    by_benchmark: dict[str, list[Cell]] = defaultdict(list)
    for (benchmark, label), selection in selections.items():
        tee = config.environment(label).tee
        for cell in _cells(benchmark, label, selection, tee):
            cells[cell.series, label] = cell
    _suspect_caches(cells, config)
    _suspect_bases(cells)
    for key in sorted(cells):
        by_benchmark[key[0].benchmark].append(cells[key])
    definitions = _definitions(runs)
    comparisons = _comparisons(cells, config, definitions, selections)
    return Analysis(
        config,
        selections,
        cells,
        comparisons,
        definitions,
        {name: tuple(found) for name, found in by_benchmark.items()},
    )


def _definitions(runs: Sequence[Run]) -> dict[str, MetricDefinition]:
    """Return what runs define; a metric that nobody defines has at least its rows' unit."""
    found = {d.id: d for run in runs for d in run.definitions}
    for run in runs:
        for row in run.measurements:
            if row.metric not in METRICS and row.metric not in found:
                found[row.metric] = MetricDefinition(
                    row.metric, row.metric, row.unit, definition="Not defined by its collector."
                )
    return found


def environments(runs: Sequence[Run], config: Config) -> dict[str, Environment]:
    """Return every declared or seen environment, in declared order and then by name.

    What is not declared is taken from the fingerprint of its newest run.
    """
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (_moment(run), run.id)):
        newest[run.environment] = run
    order = [*config.environments, *sorted(set(newest) - set(config.environments))]
    found = {}
    for label in order:
        declared = config.environment(label)
        if label in newest and not declared.role:
            role, tee = _observed(newest[label])
            declared = replace(declared, role=role, tee=declared.tee or tee)
        found[label] = declared
    return found


def _observed(run: Run) -> tuple[Role | None, str]:
    seen = run.fingerprint
    if seen.tee.kind not in ("none", "unknown", "contradictory"):
        return "gpu-tee" if seen.get("gpu") else "cpu-tee", seen.tee.kind
    if seen.tee.kind != "none":
        return None, ""
    return "metal" if seen.get("virtualisation") in (None, "none") else "vm", "none"


def select(runs: Sequence[Run], config: Config) -> dict[tuple[str, str], Selection]:
    """Return which runs stand for each (benchmark, environment).

    Complete runs that are not quick, superseded or out of the window; among these, those whose
    parameters match the newest. Where there are none, the newest of what there is stands in,
    and carries its caveat. Cited runs have no window: their publication dates them.
    """
    superseded = {run.supersedes for run in runs if run.supersedes}
    newest = max((_moment(r) for r in runs if r.provenance != Provenance.CITED), default=None)
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.benchmark, run.environment].append(run)
    found = {}
    for key in sorted(groups):
        out: list[tuple[str, str]] = []
        good: list[Run] = []
        spare: list[Run] = []
        for run in sorted(groups[key], key=lambda run: (_moment(run), run.id)):
            if why := _left_out(run, superseded, newest, config):
                out.append((run.id, why))
            else:
                (spare if run.preset == "quick" or not run.complete else good).append(run)
        if not good and spare:
            good, spare = [spare[-1]], spare[:-1]
        out += [(r.id, "quick preset" if r.preset == "quick" else "incomplete") for r in spare]
        if good:
            signature = _signature(good[-1])
            out += [(r.id, "other parameters") for r in good if _signature(r) != signature]
            good = [run for run in good if _signature(run) == signature]
        found[key] = Selection(tuple(good), tuple(sorted(out)))
    return found


def _left_out(
    run: Run, superseded: AbstractSet[str], newest: datetime | None, config: Config
) -> str:
    """Return why a run may not stand for its environment, or nothing."""
    if run.id in superseded:
        return "superseded by a later run"
    if problem := unit_problem(run):
        return problem
    if run.provenance == Provenance.CITED:
        return ""
    if config.pinned and run.id not in config.pinned:
        return "not in the report's list of runs"
    if newest and _moment(run) < newest - timedelta(days=config.window_days):
        return f"older than {config.window_days} days"
    return ""


def _signature(run: Run) -> tuple[tuple[str, str], ...]:
    return (
        *((p.name, p.value) for p in run.parameters if p.comparability == Comparability.MUST_MATCH),
        ("provenance", run.provenance),
    )


def _moment(run: Run) -> datetime:
    text = run.started_at
    if len(text) < 10:  # noqa: PLR2004 - a publication's date may be a year or a month
        text = (text + "-01-01")[:10]
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cells(benchmark: str, label: str, selection: Selection, tee: str) -> Iterable[Cell]:
    rows: dict[Series, dict[str, list[Measurement]]] = {}
    for run in selection.runs:
        for row in run.measurements:
            series = Series(benchmark, row.workload, row.metric, row.statistic, row.params)
            rows.setdefault(series, {}).setdefault(run.id, []).append(row)
    together = caveats.of_runs(selection.runs)
    of_runs = {run.id: [*caveats.of_run(run, tee), *together] for run in selection.runs}
    steps: dict[tuple[str, str], list[StepConditions | StepRecord]] = defaultdict(list)
    for run in selection.runs:
        for step in run.conditions or run.steps:
            if step.repetition >= 0:
                steps[run.id, step.workload].append(step)
    side = _side_values(rows)
    busy: dict[tuple[str, tuple[str, ...]], list[Caveat]] = {}
    for series, by_run in rows.items():
        # All series of a workload come from the same steps.
        key = (series.workload, tuple(by_run))
        if key not in busy:
            busy[key] = caveats.of_steps(s for r in by_run for s in steps[r, series.workload])
        yield _cell(series, label, selection, by_run, of_runs, busy[key], side)


def _cell(  # noqa: PLR0913 - what a cell is made of
    series: Series,
    label: str,
    selection: Selection,
    by_run: Mapping[str, list[Measurement]],
    of_runs: Mapping[str, list[Caveat]],
    busy: Sequence[Caveat],
    side: Mapping[tuple[str, Params], Mapping[str, float]],
) -> Cell:
    run = selection.runs[-1]
    cited = run.provenance == Provenance.CITED
    known = metric(series.metric, run.definitions)
    failed = suspect = total = 0
    values: list[tuple[float, ...]] = []
    doubtful: list[tuple[float, ...]] = []
    printed = None
    for rows in by_run.values():
        total += len(rows)
        failed += sum(row.status == Status.FAILED or row.value is None for row in rows)
        suspect += sum(row.status == Status.SUSPECT for row in rows)
        values.append(tuple(r.value for r in rows if r.status == Status.OK and r.value is not None))
        doubtful.append(
            tuple(r.value for r in rows if r.status == Status.SUSPECT and r.value is not None)
        )
        printed = rows[0].printed if len(rows) == 1 else printed
    if not any(values):
        # Nothing clean: what there is is shown, with its caveat.
        values = doubtful
    ratio = known.scale == Scale.RATIO
    first = next((v[0] for v in values if v), None)
    rounding = rounding_interval(first, printed) if cited and first is not None else None
    summary = summarise(values, ratio=ratio, rounding=rounding, cited=cited)
    found = list(dict.fromkeys(c for run_id in by_run for c in of_runs[run_id]))
    found += caveats.of_counts(failed, suspect, total, run.provenance)
    if summary is not None:
        beside = side.get((series.workload, _without_direction(series.params)), {})
        found += busy
        found += caveats.of_quota(dict(series.params), selection.runs)
        found += caveats.of_cell(
            series.metric, series.statistic, dict(series.params), summary.value, beside
        )
        if cited:
            found.append(caveats.caveat("single-figure"))
        elif summary.runs == 1:
            count = summary.repetitions[0]
            found.append(
                caveats.caveat("one-run", f"One run, {count} repetition{'s' if count > 1 else ''}.")
            )
    return Cell(
        series, label, summary, tuple(v for v in values if v), tuple(by_run), run.provenance,
        printed, failed, suspect, tuple(found),
    )  # fmt: skip


def _side_values(
    rows: Mapping[Series, Mapping[str, list[Measurement]]],
) -> dict[tuple[str, Params], dict[str, float]]:
    """Return, by workload and parameters, the values that caveats on other metrics need."""
    found: dict[tuple[str, Params], dict[str, float]] = defaultdict(dict)
    for series, by_run in rows.items():
        name = caveats.BESIDE.get((series.metric, series.statistic))
        if name is None:
            continue
        values = [row.value for group in by_run.values() for row in group if row.value is not None]
        if values:
            key = (series.workload, _without_direction(series.params))
            found[key][name] = run_value(values, ratio=False)
    return found


def _without_direction(params: Params) -> Params:
    return tuple(pair for pair in params if pair[0] != "direction")


def _suspect_caches(cells: dict[tuple[Series, str], Cell], config: Config) -> None:
    """Mark storage figures of guests that beat the machine they run on."""
    for (series, label), cell in list(cells.items()):
        host = config.environment(label).baselines.get("metal")
        if not series.metric.startswith("fio.") or host is None or cell.summary is None:
            continue
        known = metric(series.metric)
        base = cells.get((series, host))
        if base is None or base.summary is None or known.better == Better.NONE:
            continue
        higher = known.better == Better.HIGHER
        factor = slowdown(cell.summary.value, base.summary.value, higher_is_better=higher)
        interval = slowdown_interval(cell.summary, base.summary, higher_is_better=higher)
        if factor is None or (interval.high if interval else factor) >= 1:
            continue
        sentence = f"{1 / factor:.3g} times as good as on {host}, the machine it runs on."
        cells[series, label] = _with(cell, caveats.caveat("page-cache", sentence))


def _with(cell: Cell, *more: Caveat) -> Cell:
    return replace(cell, caveats=(*more, *cell.caveats))


def _suspect_bases(cells: dict[tuple[Series, str], Cell]) -> None:
    """Mark one-thread values that more threads outdo by more than they can."""
    groups: dict[tuple[object, ...], list[tuple[int, tuple[Series, str]]]] = defaultdict(list)
    for series, label in cells:
        axis = efficiency_axis(series.benchmark)
        count = dict(series.params).get(axis, "") if axis else ""
        if count.isdecimal() and metric(series.metric).better == Better.HIGHER:
            rest = tuple(pair for pair in series.params if pair[0] != axis)
            key = (series.benchmark, series.metric, series.statistic, rest, label)
            groups[key].append((int(count), (series, label)))
    for members in groups.values():
        base = cells[dict(members)[1]] if 1 in dict(members) else None
        if base is None or base.summary is None or base.summary.value <= 0:
            continue
        efficiency = {
            threads: found.value / (threads * base.summary.value)
            for threads, key in members
            if threads > 1 and (found := cells[key].summary) is not None
        }
        best = max(efficiency, key=lambda threads: efficiency[threads], default=1)
        if efficiency.get(best, 0) > caveats.SUPERLINEAR:
            told = f"{best} threads reach {efficiency[best]:.0%} of {best} times this value."
            marked = _with(base, caveats.caveat("superlinear", told))
            cells[base.series, base.environment] = marked


def _comparisons(
    cells: Mapping[tuple[Series, str], Cell],
    config: Config,
    definitions: Mapping[str, MetricDefinition],
    selections: Mapping[tuple[str, str], Selection],
) -> tuple[Comparison, ...]:
    found = []
    for (series, label), cell in cells.items():
        for against, name in baselines(label, config, {key[1] for key in selections}):
            base = cells.get((series, name))
            if base is None:
                continue
            own = definitions.get(series.metric)
            known = metric(series.metric, [own] if own else [])
            if known.better == Better.NONE or known.scale != Scale.RATIO:
                continue
            declared = config.environment(label).incomparable.get(name, "")
            found.append(_compare(series, known, cell, base, against, cells, selections, declared))
    return tuple(
        sorted(found, key=lambda c: (c.series, c.side.environment, c.baseline.environment))
    )


def baselines(label: str, config: Config, present: Iterable[str]) -> list[tuple[str, str]]:
    """Return the (word, environment) pairs that ``label`` is measured against.

    Undeclared, the only environment without a TEE is the baseline of every one that has one.
    """
    declared = config.environment(label).baselines
    if declared or config.environment(label).tee in ("", "none"):
        return list(declared.items())
    plain = [name for name in present if config.environment(name).tee == "none"]
    if len(plain) != 1 or plain[0] == label:
        return []
    return [(config.environment(plain[0]).role or "baseline", plain[0])]


def _compare(  # noqa: PLR0913 - two cells and what surrounds them
    series: Series,
    known: Metric,
    cell: Cell,
    base: Cell,
    against: str,
    cells: Mapping[tuple[Series, str], Cell],
    selections: Mapping[tuple[str, str], Selection],
    declared: str,
) -> Comparison:
    higher = known.better == Better.HIGHER
    notes = list(cell.caveats)
    if any(c.rule.id in ("page-cache", "link-rate") for c in base.caveats):
        seen = {c.rule.id for c in notes}
        if not seen & {"page-cache", "link-rate"}:
            notes.insert(0, caveats.caveat("cached-baseline"))
    seen_rules = {c.rule.id for c in notes}
    notes += [c for c in base.caveats if c.rule.id not in seen_rules and c.rule.id != "page-cache"]
    if cell.summary is None or base.summary is None:
        which = cell.environment if cell.summary is None else base.environment
        return Comparison(
            series, known, cell, base, against, Word.NOT_COMPARABLE,
            reason=f"nothing was measured in {which}", caveats=tuple(notes),
        )  # fmt: skip
    sides = [selections[series.benchmark, c.environment].runs[-1] for c in (cell, base)]
    reason = declared or _incomparable(series, cell, base, cells, sides)
    notes += caveats.of_pair(*sides)
    if reason.startswith("not the same proof"):
        notes.insert(0, caveats.caveat("not-the-same-proof", f"{reason}."))
    factor = slowdown(cell.summary.value, base.summary.value, higher_is_better=higher)
    interval = slowdown_interval(cell.summary, base.summary, higher_is_better=higher)
    if reason:
        word = Word.NOT_COMPARABLE
    elif factor is None:
        word, reason = Word.NOT_COMPARABLE, "a value is zero"
    else:
        word = verdict(cell.summary, base.summary, interval, known.margin)
    return Comparison(
        series, known, cell, base, against, word, factor, interval, reason, tuple(notes)
    )


def _incomparable(
    series: Series,
    cell: Cell,
    base: Cell,
    cells: Mapping[tuple[Series, str], Cell],
    sides: Sequence[Run],
) -> str:
    if series.benchmark == "zktls" and (reason := _other_proof(cell, base, cells)):
        return reason
    params = dict(series.params)
    over = next((told for side in sides if (told := caveats.over_quota(params, side))), "")
    return over or _unlike(*sides)


def _unlike(side: Run, base: Run) -> str:
    """Return why two runs were not taken in the same way, or nothing."""
    quick = [run.preset == "quick" for run in (side, base)]
    if any(quick):
        return "quick runs are never compared" if all(quick) else "a quick run against a full one"
    if (side.provenance == Provenance.CITED) != (base.provenance == Provenance.CITED):
        return "a printed figure against one of our own"
    ours, theirs = (
        {p.name: p.value for p in run.parameters if p.comparability == Comparability.MUST_MATCH}
        for run in (side, base)
    )
    for name in sorted(set(ours) | set(theirs)):
        here, there = ours.get(name), theirs.get(name)
        if here != there:
            return f"{name} is {here or 'absent'} here and {there or 'absent'} there"
    return ""


def _other_proof(cell: Cell, base: Cell, cells: Mapping[tuple[Series, str], Cell]) -> str:
    sizes = []
    for side in (cell, base):
        proof = tuple(p for p in side.series.params if p[0] not in _NOT_OF_THE_PROOF)
        series = side.series._replace(metric="zktls.proof_size", statistic="value", params=proof)
        found = cells.get((series, side.environment))
        sizes.append(found.summary.value if found and found.summary else math.nan)
    if any(map(math.isnan, sizes)) or abs(sizes[0] / sizes[1] - 1) <= _SAME_PROOF:
        return ""
    return f"not the same proof: {sizes[0] / sizes[1]:.3g} times the size"
