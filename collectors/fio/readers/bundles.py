"""fio's logs with the result that they belong to, or alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from collectors.asked import agreed
from collectors.fio import jobs as several
from collectors.fio.jobs import DIRECTIONS, Report, Side
from collectors.fio.readers import json_report, text_report
from collectors.fio.readers.finding import MAX_SAMPLES, Finding, findings
from collectors.fio.readers.logs import (
    HISTOGRAM,
    METRICS,
    RATES,
    Log,
    by_kind,
    is_histogram,
    is_log,
    kind_of,
    over_time,
    read_log,
)
from collectors.fio.workloads import ASKS, Workload, answers_of, slug
from sitegen.collect import Bundle, Reader, Reading, histogram
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, Params, Sample, ToolIdentity, params

_UNIT = {"unit": "ns or us: what latency logs are in, where there is no result of fio's with them"}
_KIND = {"kind": f"what the log counts: {', '.join(METRICS)}"}
_UNITS = {"ns": 1e9, "us": 1e6}
_KIB, _MILLI = 1024, 1000
_NEW_COLUMNS = 5  # since fio 3.18
_APART = 0.10
_MOST_NUMBERS = 1000
_LEAST_POINTS = 3
_PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)
_STEM = re.compile(
    r"(?:[_.-])?(?:clat_hist|slat|clat|lat|bw|iops)(?:\.\d{1,6})?\.log$", re.IGNORECASE
)
_LETTER = re.compile(r"[a-z]")
_BASES = {metric: {"bw": "B/s", "iops": "1/s"}.get(kind, "s") for kind, metric in METRICS.items()}
_ALONE = "These are means over time of fio's logs: of the job they say nothing else."
_COARSE = "Latency percentiles are of a histogram log, whose bins are wide."


def knows(files: Mapping[str, bytes]) -> bool:
    """Tell whether there are logs of fio's among ``files``, and else its results."""
    logs = [name for name, data in files.items() if is_log(data)]
    others = [data for name, data in files.items() if name not in logs]
    return bool(logs) and all(_is_result(data) for data in others)


def read(files: Mapping[str, bytes], settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the run that ``files`` are of."""
    answers, unit = _answers(settings)
    results = {name: data for name, data in files.items() if _is_result(data)}
    if len(results) > 1:
        raise SitegenError(
            f"there are {len(results)} results, and nothing says which of them the logs are of",
            where=", ".join(sorted(results))[:200],
            fix="import one result with its own logs at a time",
        )
    named = {name: data for name, data in files.items() if name not in results}
    for name, data in results.items():
        return (_with_result(name, data, named, answers, unit),)
    return (_alone(_logs(named, 0), answers, unit),)


def knows_one(data: bytes) -> bool:
    """Tell whether ``data`` is one log of fio's."""
    return is_log(data)


def read_one(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the run that one log is of; its kind is the user's to say."""
    said = dict(settings)
    kind = said.pop("kind", "")
    if is_histogram(data):
        if kind not in ("", HISTOGRAM, "clat"):
            raise SitegenError("it is a histogram of clat", where="--set kind", fix="leave it out")
        kind = HISTOGRAM
    elif kind not in METRICS:
        raise SitegenError(
            "a log does not say what it counts" if not kind else f"{kind[:40]!a} is no kind of log",
            where="--set kind",
            fix=f"one of {', '.join(METRICS)}; or import it with fio's result (--together)",
        )
    answers, unit = _answers(said)
    return (_alone([read_log("fio", data, kind, 0)], answers, unit),)


def _answers(settings: Mapping[str, str]) -> tuple[dict[str, str], str]:
    said = dict(settings)
    unit = said.pop("unit", "")
    if unit and unit not in _UNITS:
        raise SitegenError(f"{unit[:40]!a} is neither ns nor us", where="--set unit")
    return answers_of(said), unit


def _is_result(data: bytes) -> bool:
    return json_report.knows(data) or text_report.knows(data)


def _logs(files: Mapping[str, bytes], step_ms: int) -> list[Log]:
    found = []
    for name, data in sorted(files.items()):
        kind, number = kind_of(name)
        if not kind and is_histogram(data):
            kind = HISTOGRAM
        found.append(read_log(name, data, kind, number, step_ms if kind != HISTOGRAM else 0))
    return found


def _with_result(
    name: str, data: bytes, files: Mapping[str, bytes], answers: Mapping[str, str], unit: str
) -> Reading:
    reader = json_report if json_report.knows(data) else text_report
    reports, cut = reader.reports_of(data)
    if len(reports) > 1:
        raise SitegenError(
            f"there are {len(reports)} results in it, and nothing says which the logs are of",
            where=name,
            fix="import one result with its own logs",
        )
    report = reports[0]
    [(finding, _)] = findings(reports, answers)
    if cut:
        finding.doubts.add(Doubt.CUT_OFF, "the result is cut off")
    steps = {job.options.get("log_avg_msec", "") for job in report.jobs}
    step = steps.pop() if len(steps) == 1 else ""
    logs = _logs(files, int(step) if re.fullmatch(r"[1-9]\d{0,8}", step) else 0)
    units = _units(report, unit)
    found = [workload for workload, _ in finding.workloads]
    for workload, own in _owned(found, report, logs):
        _add(finding, workload, own, units)
    return finding.found(reports)


def _units(report: Report, unit: str) -> float:
    """Return the units of latency logs: those of the result beside them."""
    seen = {
        latency.units
        for job in report.jobs
        for side in job.sides
        for latency in side.latencies.values()
        if not latency.printed  # text chooses its own
    }
    major = report.version.partition(".")[0]
    stated = ""
    if len(seen) == 1:
        stated = "ns" if seen.pop() > _UNITS["us"] else "us"
    elif major.isdecimal():
        stated = "ns" if int(major) > 2 or report.version.startswith("2.99") else "us"  # noqa: PLR2004 - fio 3
    return _UNITS[agreed({"unit": unit} if unit else {}, "unit", stated or None) or "ns"]


def _owned(
    found: Sequence[Workload], report: Report, logs: Sequence[Log]
) -> Iterator[tuple[Workload, list[Log]]]:
    """Yield each workload with its logs: by the job's number in the name, or by the prefix."""
    order = list(_order(found, report))
    owners: dict[int, list[Log]] = {}
    for log in logs:
        place = _owner(log, found, order)
        owners.setdefault(place, []).append(log)
    for place, own in sorted(owners.items()):
        yield found[place], own


def _order(found: Sequence[Workload], report: Report) -> Iterator[int]:
    """Yield for each of fio's jobs, as it numbers them, the place of its workload."""
    places = {id(job): place for place, one in enumerate(found) for job in one.jobs}
    for job in report.jobs:
        workload = found[places[id(job)]]
        pairs = dict(workload.params)
        count = int(pairs.get("numjobs", "1")) * int(pairs.get("clients", "1"))
        each = min(max(1, count // len(workload.jobs)), _MOST_NUMBERS)
        yield from [places[id(job)]] * each


def _owner(log: Log, found: Sequence[Workload], order: Sequence[int]) -> int:
    if len(found) == 1:
        return 0
    if 1 <= log.number <= len(order):
        return order[log.number - 1]
    keys = ("write_bw_log", "write_iops_log", "write_lat_log", "write_hist_log")
    own = [
        place
        for place, workload in enumerate(found)
        if any(_begins(log.name, workload.options.get(key, "")) for key in keys)
    ]
    if len(own) == 1:
        return own[0]
    raise SitegenError(
        "nothing says which job it is of", where=log.name, fix="leave it out, or name it as fio did"
    )


def _begins(name: str, prefix: str) -> bool:
    last = prefix.rpartition("/")[2]
    return bool(last) and name.rpartition("/")[2].startswith(f"{last}_")


def _add(finding: Finding, workload: Workload, logs: Sequence[Log], units: float) -> None:
    """Add the logs of one workload to its samples, and compare them with its result."""
    there = {(s.kind, s.workload, s.metric, s.params) for s in finding.samples}
    for direction in workload.directions:
        if direction not in DIRECTIONS:
            continue
        where = finding.where(workload, direction)
        for sample in _samples(workload.name, logs, direction, where, units):
            key = (sample.kind, sample.workload, sample.metric, sample.params)
            if sample.kind == "time" or key not in there:
                finding.samples.append(sample)
        _compare(finding, workload, logs, direction)


def _compare(finding: Finding, workload: Workload, logs: Sequence[Log], direction: str) -> None:
    sides = [side for job in workload.jobs if (side := job.side(direction)) is not None]
    if not sides or _longest(sides) <= 0:
        return
    stated = {"iops": several.rate(sides), "bw": several.bandwidth(sides)}
    for kind, own in by_kind(logs).items():
        points = over_time(own, DIRECTIONS.index(direction)) if kind in RATES else []
        expected = stated.get(kind)
        if len(points) < _LEAST_POINTS or expected is None:
            continue
        mean = sum(value for _, value in points) / len(points) * (_KIB if kind == "bw" else 1)
        if abs(mean - expected) > _APART * max(mean, expected):
            finding.doubts.add(
                Doubt.INCONSISTENT,
                f"{direction}: the mean of its {kind} logs is {mean:.4g}, "
                f"and the result says {expected:.4g}",
                workload.name,
            )
    _compare_counts(finding, workload, logs, direction, sides)


def _compare_counts(
    finding: Finding,
    workload: Workload,
    logs: Sequence[Log],
    direction: str,
    sides: Sequence[Side],
) -> None:
    """Compare the I/Os in histogram logs with the result's, as far as the logs go in time."""
    own = [log for log in logs if log.kind == HISTOGRAM]
    counted = sum(sum(log.bins.get(DIRECTIONS.index(direction), {}).values()) for log in own)
    metric = METRICS["clat"]
    done = sum(side.latencies[metric].count for side in sides if metric in side.latencies)
    # fio writes whole intervals only: the last one is missing.
    share = min(1.0, max((log.last_ms for log in own), default=0) / _MILLI / _longest(sides))
    if counted and done and abs(counted - done * share) > _APART * done:
        finding.doubts.add(
            Doubt.INCONSISTENT,
            f"{direction}: its histogram logs hold {counted} I/Os, and the result {done}",
            workload.name,
        )


def _longest(sides: Sequence[Side]) -> float:
    return max(side.runtime_s for side in sides)


def _samples(
    workload: str, logs: Sequence[Log], direction: str, where: Params, units: float
) -> Iterator[Sample]:
    place = DIRECTIONS.index(direction)
    for kind, own in by_kind(logs).items():
        if kind == HISTOGRAM:
            yield from _bins(workload, own, place, where)
            continue
        for second, value in over_time(own, place):
            told = value * _KIB if kind == "bw" else value if kind == "iops" else value / units
            yield Sample(workload, 0, "time", METRICS[kind], second, told, where)


def _bins(workload: str, logs: Sequence[Log], place: int, where: Params) -> Iterator[Sample]:
    merged, units = _merged(logs, place)
    for value, times in histogram.coarse(merged):
        metric = METRICS["clat"]
        yield Sample(workload, 0, "histogram", metric, value / units, float(times), where)


def _merged(logs: Sequence[Log], place: int) -> tuple[dict[int, int], float]:
    merged: dict[int, int] = {}
    units = max(log.units for log in logs)
    for log in logs:
        for value, times in log.bins.get(place, {}).items():
            scaled = round(value * units / log.units)
            merged[scaled] = merged.get(scaled, 0) + times
    return merged, units


def _alone(logs: Sequence[Log], answers: Mapping[str, str], unit: str) -> Reading:
    """Return what logs say without a result: means over time, and percentiles of a histogram."""
    stems = {_STEM.sub("", log.name.rpartition("/")[2]) for log in logs}
    name, original = slug(stems.pop()) if len(stems) == 1 else ("fio", "")
    name = name if _LETTER.search(name) else "fio"
    told = {key: value for key, value in answers.items() if key != "direct"}
    units = _alone_units(logs, unit)
    measurements: list[Measurement] = []
    samples: list[Sample] = []
    for place, direction in enumerate(DIRECTIONS):
        where = params(direction=direction, job_name=original or None, **told)
        own = list(_samples(name, logs, direction, where, units))
        samples += own
        for metric, base in _BASES.items():
            values = [s.y for s in own if s.kind == "time" and s.metric == metric]
            if values:
                mean = sum(values) / len(values)
                measurements.append(Measurement(name, metric, "mean", base, mean, where))
        hist = [log for log in logs if log.kind == HISTOGRAM]
        measurements += _percentiles(name, hist, place, where) if hist else ()
    if not measurements:
        raise SitegenError("there is no point in time in it")
    if len(samples) > MAX_SAMPLES:
        raise SitegenError(f"there are more than {MAX_SAMPLES} samples")
    notes = [_ALONE] if any(log.kind != HISTOGRAM for log in logs) else []
    notes += [_COARSE] if any(log.kind == HISTOGRAM for log in logs) else []
    return Reading(
        measurements=tuple(measurements),
        samples=tuple(samples),
        tool=ToolIdentity("fio", ""),
        notes=tuple(notes),
    )


def _alone_units(logs: Sequence[Log], unit: str) -> float:
    """Return the units of latency logs without a result; raises SitegenError when unknown."""
    timed = [log for log in logs if log.kind in METRICS and log.kind not in RATES]
    # The fifth column came with fio 3.18, which counts nanoseconds.
    stated = "ns" if any(log.columns >= _NEW_COLUMNS for log in timed) else None
    said = agreed({"unit": unit} if unit else {}, "unit", stated)
    if timed and said is None:
        raise SitegenError(
            "nothing says whether it is in nanoseconds (fio 3) or microseconds (fio 2)",
            where=timed[0].name,
            fix="add --set unit=ns or unit=us, or fio's result",
        )
    return _UNITS[said or "ns"]


def _percentiles(
    name: str, logs: Sequence[Log], place: int, where: Params
) -> Iterator[Measurement]:
    merged, units = _merged(logs, place)
    for percent in _PERCENTS if merged else ():
        value = histogram.percentile(merged, percent) / units
        yield Measurement(name, METRICS["clat"], f"p{percent:g}", "s", value, where)


BUNDLE = Bundle(
    "fio-logs",
    "fio's logs over time, with its result or alone",
    knows,
    read,
    {**ASKS, **_UNIT},
)
READER = Reader(
    "fio-log", "one log of fio's over time", knows_one, read_one, {**ASKS, **_UNIT, **_KIND}
)
