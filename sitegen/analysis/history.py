"""Runs of an environment in the order of time: what changed between them, and where values step."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from sitegen.analysis import caveats
from sitegen.analysis.compare import Analysis, Comparison, measured
from sitegen.analysis.replicates import Origin, groups, level_of, values_at
from sitegen.analysis.selection import moment, reason_against, same_measurement, signature
from sitegen.analysis.series import Cell
from sitegen.analysis.stats import run_value, summarise
from sitegen.analysis.steps import FOR_STEPS, steps
from sitegen.catalogue.metrics import Metric, Scale
from sitegen.catalogue.tool import Counts
from sitegen.config import Environment
from sitegen.fingerprint.facts import EVENTS, FACTS, Weight
from sitegen.model import AnyRun, Provenance, Series, Status

#: The tool among what changes, and the setting in which some collectors keep its version.
TOOL, _VERSION = "tool", "tool_version"
_KNOWN = frozenset(EVENTS)


class FactChange(NamedTuple):
    """A fact of the machine, or the tool, before and after."""

    name: str
    before: str
    after: str


class Event(NamedTuple):
    """What changed before the run at ``place``; ``apart`` where what follows is no comparison."""

    place: int
    changes: tuple[FactChange, ...]
    apart: bool


class Timeline(Struct, frozen=True):
    """The runs of an environment that may be seen together, the oldest first.

    ``otherwise`` counts those that were taken with other settings, which are left out.
    """

    environment: Environment
    runs: tuple[AnyRun, ...]
    at: tuple[float, ...]  # seconds
    origins: tuple[Origin, ...]
    events: tuple[Event, ...]
    otherwise: int = 0

    def stretches(self, *, every: bool = False) -> Iterator[range]:
        """Yield the places of runs between which nothing forbids to compare, or nothing changed."""
        ends = [event.place for event in self.events if event.apart or every]
        for start, end in pairwise([0, *ends, len(self.runs)]):
            yield range(start, end)


class Reading(NamedTuple):
    """What a run measured of a series, in each repetition, and why to doubt it."""

    place: int
    values: tuple[float, ...]
    doubt: str = ""


class Level(NamedTuple):
    """What a series was from the run at ``start`` to that at ``end``, and of how many values."""

    start: int
    end: int
    value: float


def timeline(
    analysis: Analysis, label: str, runs: Iterable[AnyRun], gone: Mapping[str, str]
) -> Timeline:
    """Return the time line of the ``runs`` of an environment in a benchmark, of any age.

    Those that stand for it today say with which settings; the version of the tool is no setting
    here. ``gone`` names the superseded ones.
    """
    config = analysis.config
    good = [
        run
        for run in sorted(runs, key=lambda run: (moment(run), run.id))
        if run.complete
        and run.preset != "quick"
        and run.provenance != Provenance.CITED
        and not run.undated
        and not reason_against(run, gone, None, config)
    ]
    if any(run.provenance == Provenance.IMPORTED for run in good):
        copies = same_measurement(good)
        good = [run for run in good if run.id not in copies]
    if not good:
        return Timeline(config.environment(label), (), (), (), ())
    selection = analysis.selections.get((good[0].benchmark, label))
    standing = selection.runs[-1] if selection and selection.runs else good[-1]
    wanted = _settings(standing)
    alike = tuple(run for run in good if _settings(run) == wanted)
    times = tuple(moment(run).timestamp() for run in alike)
    otherwise = len(good) - len(alike)
    origins, events = tuple(map(Origin.of, alike)), tuple(_events(alike))
    return Timeline(config.environment(label), alike, times, origins, events, otherwise)


def _settings(run: AnyRun) -> dict[str, str]:
    return {key: value for key, value in signature(run).items() if key not in (TOOL, _VERSION)}


def _events(runs: Sequence[AnyRun]) -> Iterator[Event]:
    """Yield what changed from run to run; what one does not show has not changed."""
    known: dict[str, str] = {}
    last: AnyRun | None = None
    for place, run in enumerate(runs):
        if last and run.fingerprint == last.fingerprint and run.tool == last.tool:
            continue
        last, facts = run, run.fingerprint.facts
        now = {fact.name: fact.value for fact in facts if fact.value and fact.name in _KNOWN}
        if run.tool:
            now[TOOL] = f"{run.tool.name} {run.tool.version}".rstrip()
        changes = tuple(
            FactChange(name, known[name], now[name])
            for name in (*EVENTS, TOOL)
            if name in known and name in now and not _same(name, known[name], now[name])
        )
        if changes:
            yield Event(place, changes, any(_parts(change.name) for change in changes))
        known |= now


def _same(name: str, before: str, after: str) -> bool:
    return before == after if name == TOOL else FACTS[name].same(before, after)


def _parts(name: str) -> bool:
    """Say whether runs before and after a change of this are not of one line."""
    return name == TOOL or FACTS[name].weight == Weight.IDENTITY


def readings(analysis: Analysis, line: Timeline, wanted: Sequence[Series]) -> list[list[Reading]]:
    """Return what the runs of a time line measured of each series.

    A run of which no repetition counts shows what there is, and its doubt.
    """
    label = line.environment.label
    cells = [analysis.cells.get((series, label)) for series in wanted]
    known = [dict(zip(cell.runs, cell.repetitions, strict=True)) if cell else {} for cell in cells]
    doubtful = {cell.series for cell in cells if cell and cell.doubt}
    found: list[list[Reading]] = [[] for _ in wanted]
    for place, run in enumerate(line.runs):
        doubts: dict[str, str] = {}
        for series, values_of, into in zip(wanted, known, found, strict=True):
            values, doubt = values_of.get(run.id, ()), ""
            inside = bool(values)
            if not values:
                values, doubt = _values(run, series)
            if not values:
                continue
            if not doubt and (series in doubtful or not inside):
                if series.workload not in doubts:
                    doubts[series.workload] = _doubt(run, series.workload, line.environment)
                doubt = doubts[series.workload]
            into.append(Reading(place, values, doubt))
    return found


def _values(run: AnyRun, series: Series) -> tuple[tuple[float, ...], str]:
    """Return the values of a run that count; where none does, those that there are, and why not."""
    table = run.table
    pairs = [
        (table.shape.rows[place].status, value)
        for place in table.shape.places(series.benchmark).get(series, ())
        if (value := table.values[place]) is not None
    ]
    good = tuple(value for status, value in pairs if status == Status.OK)
    if good or not pairs:
        return good, ""
    suspect = tuple(value for status, value in pairs if status == Status.SUSPECT)
    counts = Counts(len(pairs) - len(suspect), len(suspect), len(pairs), run.provenance)
    return suspect, _first(caveats.applying("counts", counts)) or "suspect"


def _doubt(run: AnyRun, workload: str, declared: Environment) -> str:
    """Return the first reason to doubt what a run says of a workload, or nothing."""
    taken = [one for one in run.conditions if one.workload == workload and one.repetition >= 0]
    return (
        _first(caveats.applying("steps", taken))
        or _first(caveats.of_reading(run, workload))
        or _first(caveats.of_run(run, declared.tee, declared.role or ""))
    )


def _first(found: Iterable[caveats.Caveat]) -> str:
    return next((one.rule.short for one in found if one.rule.doubts), "")


def levels(line: Timeline, found: Sequence[Reading], metric: Metric) -> tuple[Level, ...]:
    """Return the levels of a series between its steps, nothing where there is no step.

    What counts is what was set up anew: the values of boots or sessions, without doubtful ones.
    """
    if len(found) < FOR_STEPS or metric.scale == Scale.EXACT:
        return ()
    return tuple(level for part in line.stretches() for level in _levels(line, found, part, metric))


def _levels(
    line: Timeline, found: Sequence[Reading], part: range, metric: Metric
) -> Iterator[Level]:
    clean = [one for one in found if one.place in part and not one.doubt]
    if len(clean) < FOR_STEPS:
        return
    ratio = metric.scale == Scale.RATIO
    mean = partial(run_value, ratio=ratio)
    origins = tuple([line.origins[one.place] for one in clean])
    level = level_of(origins)
    values = values_at(level, origins, [mean(one.values) for one in clean], mean)
    places = groups(origins, level)
    least = metric.margin
    if ratio and min(values) > 0:
        at = steps([*map(math.log, values)], math.log1p(metric.margin))
    else:
        at = steps(values, least if metric.scale == Scale.PROPORTION else least * abs(mean(values)))
    if not at:
        return
    for start, end in pairwise([0, *at, len(values)]):
        members = [clean[place].place for group in places[start:end] for place in group]
        yield Level(min(members), max(members), mean(values[start:end]))


def enough(line: Timeline, found: Sequence[Reading]) -> bool:
    """Say whether steps could be found in the newest stretch of a series."""
    last = [*line.stretches()][-1]
    clean = [one for one in found if one.place in last and not one.doubt]
    origins = tuple([line.origins[one.place] for one in clean])
    return bool(clean) and len(groups(origins, level_of(origins))) >= FOR_STEPS


def around(
    analysis: Analysis, line: Timeline, found: Sequence[Reading], series: Series
) -> Iterator[tuple[Event, Comparison]]:
    """Yield each event with what was measured after it against what was measured before.

    From event to event, and doubtful runs left out; nothing where the machine is another one.
    """
    metric, label = analysis.metric(series.metric), line.environment.label
    cell = analysis.cells.get((series, label))
    resolution = cell.resolution if cell else 0.0
    ends = [event.place for event in line.events]
    parts: list[list[Reading]] = [[] for _ in range(len(ends) + 1)]
    for one in found:
        if not one.doubt:
            parts[bisect_right(ends, one.place)].append(one)
    for event, (before, after) in zip(line.events, pairwise(parts), strict=True):
        other = any(_parts(change.name) and change.name != TOOL for change in event.changes)
        if other or not before or not after:
            continue
        side, base = (_cell(line, part, series, metric, resolution) for part in (after, before))
        yield event, measured(Comparison(series, metric, side, base, "before"), {}, 0)


def _cell(
    line: Timeline, part: Sequence[Reading], series: Series, metric: Metric, resolution: float
) -> Cell:
    """Return what some runs measured of a series, as of an environment."""
    runs = [line.runs[one.place] for one in part]
    values = tuple(one.values for one in part)
    summary = summarise(
        values,
        ratio=metric.scale == Scale.RATIO,
        origins=tuple(line.origins[one.place] for one in part),
        resolution=resolution,
    )
    ids = tuple(run.id for run in runs)
    provenance, label = runs[-1].provenance, line.environment.label
    return Cell(series, label, summary, values, ids, provenance, resolution=resolution)


def value_of(reading: Reading, *, ratio: bool) -> float:
    """Return the one value of a run."""
    return run_value(reading.values, ratio=ratio)
