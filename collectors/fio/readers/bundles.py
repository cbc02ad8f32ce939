"""fio's logs over time, with the result that they belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from collectors.fio import jobs
from collectors.fio.jobs import DIRECTIONS
from collectors.fio.readers import json_report, logs, text_report
from collectors.fio.readers.logs import HISTOGRAM, METRICS, Log, read_log
from collectors.fio.readers.runs import Run, run_of
from collectors.fio.workloads import Asks, Workload
from sitegen.collect import Bundle, Reading, Series
from sitegen.errors import SitegenError
from sitegen.model import Doubt

#: What a log's numbers are divided by.
_PARTS = {"bw": 1 / 1024, "iops": 1.0, "lat": 1e9, "clat": 1e9, "slat": 1e9}
_MOST_NUMBERS, _LEAST_POINTS, _APART = 1000, 3, 0.10


def knows(files: Mapping[str, bytes]) -> bool:
    """Tell whether ``files`` are logs of fio's and a result."""
    others = [data for data in files.values() if not logs.is_log(data)]
    return 0 < len(others) < len(files) and all(map(_is_result, others))


def read(files: Mapping[str, bytes], asks: Asks) -> tuple[Reading, ...]:
    """Return the run that ``files`` are of."""
    results = [name for name, data in sorted(files.items()) if _is_result(data)]
    forms = (json_report, text_report)
    outputs = [next(f for f in forms if f.knows(files[n])).reports_of(files[n]) for n in results]
    if [len(reports) for reports, _ in outputs] != [1]:
        what = "not one result is there, and nothing says which the logs are of"
        fix = "import one result with its own logs at a time"
        raise SitegenError(what, where=", ".join(results)[:200], fix=fix)
    [(reports, cut)] = outputs
    run = run_of(reports, asks.answers)
    numbered = _numbered(run)
    owned: defaultdict[int, list[Log]] = defaultdict(list)
    for log in [read_log(*file) for file in sorted(files.items()) if file[0] not in results]:
        if len(run.workloads) > 1 and not 1 <= log.number <= len(numbered):
            fix = "name it as fio did: x_bw.1.log"
            raise SitegenError("nothing says which job it is of", where=log.name, fix=fix)
        owned[numbered[log.number - 1] if len(run.workloads) > 1 else 0].append(log)
    for place, own in sorted(owned.items()):
        _add(run, run.workloads[place], own)
    return (run.reading("the result is cut off" if cut else ""),)


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


def _add(run: Run, workload: Workload, own: Sequence[Log]) -> None:
    """Add the logs of one workload to its samples, and compare them with its result."""
    there = {(s.kind, s.workload, s.metric, s.params) for s in run.recorder.samples}
    for direction in [d for d in DIRECTIONS if d in workload.directions]:
        series = run.recorder.series(workload.name, run.about(workload, direction))
        bins = ("histogram", workload.name, METRICS["clat"], series.params)
        new = [log for log in own if log.kind != HISTOGRAM or bins not in there]
        values = _samples(series, new, direction)
        sides = jobs.sides(workload.jobs, direction)
        for kind, stated in (("iops", jobs.rate(sides)), ("bw", jobs.bandwidth(sides))):
            mean = sum(values[kind]) / max(len(values[kind]), 1)
            if stated is None or len(values[kind]) < _LEAST_POINTS:
                continue
            if abs(mean - stated) > _APART * max(mean, stated):
                figures = f"its {kind} logs is {mean:.4g}, and the result says {stated:.4g}"
                sentence = f"{direction}: the mean of {figures}"
                run.recorder.doubt(Doubt.INCONSISTENT, sentence, workload.name)


def _samples(series: Series, every: Sequence[Log], direction: str) -> dict[str, list[float]]:
    """Write what logs say of one direction as samples; return values over time by kind of log."""
    values = {}
    for kind, metric in METRICS.items():
        own = logs.over_time([log for log in every if log.kind == kind], direction)
        points = [(second, value / _PARTS[kind]) for second, value in own]
        series.points("time", metric, points)
        values[kind] = [value for _, value in points]
    bins = logs.merged([log for log in every if log.kind == HISTOGRAM], direction)
    jobs.write_histogram(series, METRICS["clat"], bins, _PARTS["clat"])
    return values


BUNDLE = Bundle("fio-logs", "fio's result with its logs over time", knows, read, Asks)
