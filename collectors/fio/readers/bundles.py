"""fio's logs over time, with the result that they belong to or alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from collectors.fio import jobs
from collectors.fio.jobs import DIRECTIONS, LATENCIES
from collectors.fio.readers import json_report, logs, text_report
from collectors.fio.readers.logs import HISTOGRAM, METRICS, Log, read_log
from collectors.fio.readers.runs import Run, run_of
from collectors.fio.workloads import Asks, Workload, slug
from sitegen.collect import Bundle, Reader, Reading, Recorder, Series, described, histogram
from sitegen.collect.settings import agreed
from sitegen.errors import SitegenError
from sitegen.model import Doubt, ToolIdentity, params

_Kind = Literal["bw", "iops", "lat", "clat", "slat", "clat_hist"]


class LogsAsks(Asks, frozen=True):
    """What logs may not say."""

    unit: Annotated[Literal["ns", "us"], described("of latencies, without a result")] | None = None


class LogAsks(LogsAsks, frozen=True):
    """What one log does not say."""

    kind: Annotated[_Kind, described("what the log counts")] | None = None


#: What rates are divided by, and latencies of each unit.
_PARTS, _UNITS = {"bw": 1 / 1024, "iops": 1.0}, {"ns": 1e9, "us": 1e6}
_OLD = re.compile(r"[12]\.(?!99)")
#: Since fio 3.18 there is a fifth column.
_NEW_COLUMNS = 5
_PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)
_STEM = re.compile(
    r"(?:[_.-])?(?:clat_hist|slat|clat|lat|bw|iops)(?:\.\d{1,6})?\.log$", re.IGNORECASE
)
_ALONE = "These are means over time of fio's logs: of the job they say nothing else."
_COARSE = "Latency percentiles are of a histogram log, whose bins are wide."
_MOST_NUMBERS, _LEAST_POINTS, _APART = 1000, 3, 0.10


def knows(files: Mapping[str, bytes]) -> bool:
    """Tell whether ``files`` are logs of fio's, and else its results."""
    others = [data for data in files.values() if not logs.is_log(data)]
    return len(others) < len(files) and all(map(_is_result, others))


def read(files: Mapping[str, bytes], asks: LogsAsks) -> tuple[Reading, ...]:
    """Return the run that ``files`` are of."""
    results = [name for name, data in sorted(files.items()) if _is_result(data)]
    every = [read_log(*file) for file in sorted(files.items()) if file[0] not in results]
    if not results:
        return (_alone(every, asks),)
    forms = (json_report, text_report)
    outputs = [next(f for f in forms if f.knows(files[n])).reports_of(files[n]) for n in results]
    if [len(reports) for reports, _ in outputs] != [1]:
        what = "not one result is there, and nothing says which the logs are of"
        fix = "import one result with its own logs at a time"
        raise SitegenError(what, where=", ".join(results)[:200], fix=fix)
    [(reports, cut)] = outputs
    run, units = run_of(reports, asks.answers), _units(every, asks, reports[0].version)
    numbered = _numbered(run)
    owned: defaultdict[int, list[Log]] = defaultdict(list)
    for log in every:
        if len(run.workloads) > 1 and not 1 <= log.number <= len(numbered):
            fix = "name it as fio did: x_bw.1.log"
            raise SitegenError("nothing says which job it is of", where=log.name, fix=fix)
        owned[numbered[log.number - 1] if len(run.workloads) > 1 else 0].append(log)
    for place, own in sorted(owned.items()):
        _add(run, run.workloads[place], own, units)
    return (run.reading("the result is cut off" if cut else ""),)


def read_one(data: bytes, asks: LogAsks) -> tuple[Reading, ...]:
    """Return the run that one log is of; its kind is the user's to say."""
    kind = HISTOGRAM if logs.is_histogram(data) else asks.kind
    if kind is None:
        fix = f"one of {', '.join(METRICS)}; or import it with fio's result (--together)"
        raise SitegenError("a log does not say what it counts", where="--set kind", fix=fix)
    return (_alone([read_log(f"fio_{kind}.log", data)], asks),)


def _is_result(data: bytes) -> bool:
    return json_report.knows(data) or text_report.knows(data)


def _numbered(run: Run) -> list[int]:
    """Return for each of fio's jobs, as it numbers them, the place of its workload."""
    places = {id(job): place for place, one in enumerate(run.workloads) for job in one.jobs}
    numbered: list[int] = []
    for job in run.reports[0].jobs:
        workload = run.workloads[places[id(job)]]
        numbered += [places[id(job)]] * min(int(workload.each), _MOST_NUMBERS)
    return numbered


def _units(every: Sequence[Log], asks: LogsAsks, version: str = "") -> float:
    """Return how many units of latency logs make a second, by fio's version where it is known."""
    timed = [log for log in every if log.kind in LATENCIES]
    stated = "ns" if any(log.columns >= _NEW_COLUMNS for log in timed) else None
    if version:
        stated = "us" if _OLD.match(version) else "ns"
    unit = agreed("unit", asks.unit, stated)
    if timed and unit is None:
        what = "nothing says whether it is in nanoseconds (fio 3) or microseconds (fio 2)"
        fix = "add --set unit=ns or unit=us, or fio's result"
        raise SitegenError(what, where=timed[0].name, fix=fix)
    return _UNITS[unit or "ns"]


def _add(run: Run, workload: Workload, own: Sequence[Log], units: float) -> None:
    """Add the logs of one workload to its samples, and compare them with its result."""
    there = {(s.kind, s.workload, s.metric, s.params) for s in run.recorder.samples}
    for direction in [d for d in DIRECTIONS if d in workload.directions]:
        series = run.recorder.series(workload.name, run.about(workload, direction))
        bins = ("histogram", workload.name, METRICS["clat"], series.params)
        new = [log for log in own if log.kind != HISTOGRAM or bins not in there]
        values = _samples(series, new, direction, units)
        sides = jobs.sides(workload.jobs, direction)
        for kind, stated in (("iops", jobs.rate(sides)), ("bw", jobs.bandwidth(sides))):
            mean = sum(values[kind]) / max(len(values[kind]), 1)
            if stated is None or len(values[kind]) < _LEAST_POINTS:
                continue
            if abs(mean - stated) > _APART * max(mean, stated):
                figures = f"its {kind} logs is {mean:.4g}, and the result says {stated:.4g}"
                sentence = f"{direction}: the mean of {figures}"
                run.recorder.doubt(Doubt.INCONSISTENT, sentence, workload.name)


def _samples(
    series: Series, every: Sequence[Log], direction: str, units: float
) -> dict[str, list[float]]:
    """Write what logs say of one direction as samples; return values over time by kind of log."""
    values = {}
    for kind, metric in METRICS.items():
        own = logs.over_time([log for log in every if log.kind == kind], direction)
        points = [(second, value / _PARTS.get(kind, units)) for second, value in own]
        series.points("time", metric, points)
        values[kind] = [value for _, value in points]
    bins = logs.merged([log for log in every if log.kind == HISTOGRAM], direction)
    jobs.write_histogram(series, METRICS["clat"], bins, _UNITS["ns"])
    return values


def _alone(every: Sequence[Log], asks: LogsAsks) -> Reading:
    """Return what logs say without a result: means over time, and percentiles of a histogram."""
    stems = {_STEM.sub("", log.name.rpartition("/")[2]) for log in every}
    name, original = slug(stems.pop()) if len(stems) == 1 else ("fio", "")
    name = name if any(letter.isalpha() for letter in name) else "fio"
    about = {key: value for key, value in asks.answers.items() if key != "direct"}
    units, recorder = _units(every, asks), Recorder(ToolIdentity("fio", ""))
    histograms = [log for log in every if log.kind == HISTOGRAM]
    for direction in DIRECTIONS:
        pairs = params(direction=direction, job_name=original or None, **about)
        series = recorder.series(name, pairs)
        for kind, values in _samples(series, every, direction, units).items():
            series.add(METRICS[kind], "mean", sum(values) / len(values) if values else None)
        if bins := logs.merged(histograms, direction):
            percentiles = histogram.percentiles(bins, _PERCENTS)
            for percent, value in zip(_PERCENTS, percentiles, strict=True):
                series.add(METRICS["clat"], f"p{percent:g}", value / _UNITS["ns"])
    if len(histograms) < len(every):
        recorder.note(_ALONE)
    if histograms:
        recorder.note(_COARSE)
    return recorder.reading()


BUNDLE = Bundle("fio-logs", "fio's logs over time, with its result or alone", knows, read, LogsAsks)
READER = Reader("fio-log", "one log of fio's over time", logs.is_log, read_one, LogAsks, text=True)
