"""fio's logs over time (write_bw_log and the like), with the result that they belong to or alone.

A log does not say what it counts: its name or the user does. Bandwidth is in KiB/s, latency in
nanoseconds, and in microseconds before fio 3.
"""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise, repeat
from statistics import fmean, median
from typing import Annotated, Literal, NamedTuple

from msgspec import Struct, field

from collectors.fio import jobs, load
from collectors.fio.jobs import DIRECTIONS, LATENCIES, Job, Latency, Side
from collectors.fio.readers import json_report, text_report
from collectors.fio.readers.runs import Run
from collectors.fio.workloads import Asks, Workload, slug
from sitegen.collect import Bundle, Reader, Reading, Recorder, Series, described, histogram
from sitegen.collect.settings import agreed
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, ToolIdentity, params

METRICS = {"bw": "fio.bandwidth", "iops": "fio.iops", **LATENCIES}
HISTOGRAM = "clat_hist"
_NAME = re.compile(
    r"(?:^|[_./\\-])(clat_hist|slat|clat|lat|bw|iops)(?:\.(\d{1,6}))?\.log$", re.IGNORECASE
)
_ROW = re.compile(
    rb"\s{0,8}(\d{1,15}), {0,3}(\d{1,18}), {0,3}([012]), {0,3}(\d{1,12})"
    rb"((?:, {0,3}\w{1,20}){0,3})\s{0,8}"
)
#: The same in a text of many lines.
_ROWS = re.compile(
    rb"(?m)^[ \t]{0,8}(\d{1,15}), {0,3}(\d{1,18}), {0,3}([012]), {0,3}(\d{1,12})"
    rb"(?:, {0,3}\w{1,20}){0,3}[ \t\r]{0,8}$"
)
_CHUNK = 1 << 18
_BINS = re.compile(
    rb"\s{0,8}(\d{1,15}), {0,3}([012]), {0,3}(\d{1,12})((?:, {0,3}\d{1,18}){29,1856}),?\s{0,8}"
)
#: The bins of a histogram; each step of log_hist_coarseness halves their number.
_PLACES = 1856
_KIB, _SECOND_MS, _LEAST_MS, _EPOCH_MS = 1024, 1000, 50, 1e11
_MOST_POINTS, _MOST_LINE, _FIRST_LINES, _HEAD = 200_000, 40_000, 4, 2000
_WHOLE_SECOND = 0.9
#: What rates are divided by, and latencies of each unit.
_PARTS, _UNITS = {"bw": 1 / 1024, "iops": 1.0}, {"ns": 1e9, "us": 1e6}
_OLD = re.compile(r"[12]\.(?!99)")
#: Since fio 3.18 there is a fifth column.
_NEW_COLUMNS = 5
_PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)
_ALONE = "These are means over time of fio's logs: of the job they say nothing else."
_COARSE = "Latency percentiles are of a histogram log, whose bins are wide."
_MOST_NUMBERS, _LEAST_POINTS, _APART = 1000, 3, 0.10
_Kind = Literal["bw", "iops", "lat", "clat", "slat", "clat_hist"]


class LogsAsks(Asks, frozen=True):
    """What logs may not say."""

    unit: Annotated[Literal["ns", "us"], described("of latencies, without a result")] | None = None


class LogAsks(LogsAsks, frozen=True):
    """What one log does not say."""

    kind: Annotated[_Kind, described("what the log counts")] | None = None


class Log(Struct):
    """One log: which counts it holds, of which job, and its points.

    ``points`` are direction -> place in time -> the sum there and of how many values; ``step_ms``
    is how far places are apart. ``columns`` are those of its lines, and ``single`` says that each
    is one I/O, of ``block`` bytes where all are alike. ``bins`` are those of a histogram log by
    direction, in nanoseconds.
    """

    name: str
    kind: str
    number: int
    columns: int = 0
    step_ms: int = _SECOND_MS
    single: bool = False
    block: int = 0
    points: dict[int, dict[int, tuple[float, int]]] = field(default_factory=dict)
    bins: dict[int, Counter[int]] = field(default_factory=dict)
    last_ms: int = 0


class Places(NamedTuple):
    """Places in time: the sum of what was logged there, and how many values."""

    sums: defaultdict[int, float]
    times: defaultdict[int, int]


def knows(files: Mapping[str, bytes]) -> bool:
    """Tell whether ``files`` are logs of fio's, and else its results."""
    others = [data for data in files.values() if not is_log(data)]
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
        message = "not one result is there, and nothing says which the logs are of"
        fix = "import one result with its own logs at a time"
        raise SitegenError(message, where=", ".join(results)[:200], fix=fix)
    [(reports, cut)] = outputs
    run, units = Run(reports, asks.answers), _units(every, asks, reports[0].version)
    numbered, alone = _numbered(run), len(run.workloads) == 1
    for log in every:
        if not alone and not 1 <= log.number <= len(numbered):
            fix = "name it as fio did: x_bw.1.log"
            raise SitegenError("nothing says which job it is of", where=log.name, fix=fix)
    for workload in run.workloads:
        logs = [log for log in every if alone or numbered[log.number - 1] is workload]
        _add(run, workload, logs, units)
    return (run.reading("the result is cut off" if cut else ""),)


def read_one(data: bytes, asks: LogAsks) -> tuple[Reading, ...]:
    """Return the run that one log is of; its kind is the user's to say."""
    kind = HISTOGRAM if is_histogram(data) else asks.kind
    if kind is None:
        fix = f"one of {', '.join(METRICS)}; or give it alone by fio's own name, x_bw.1.log"
        raise SitegenError("a log does not say what it counts", where="--set kind", fix=fix)
    return (_alone([read_log(f"fio_{kind}.log", data)], asks),)


def _is_result(data: bytes) -> bool:
    return json_report.knows(data) or text_report.knows(data)


def _numbered(run: Run) -> list[Workload]:
    """Return for each of fio's jobs, as it numbers them, its workload."""
    owners = {id(job): workload for workload in run.workloads for job in workload.jobs}
    every = [owners[id(job)] for job in run.reports[0].jobs]
    return [w for w in every for _ in range(min(int(w.jobs_per_entry), _MOST_NUMBERS))]


def _units(every: Sequence[Log], asks: LogsAsks, version: str = "") -> float:
    """Return how many units of latency logs make a second, by fio's version where it is known."""
    timed = [log for log in every if log.kind in LATENCIES]
    stated = "ns" if any(log.columns >= _NEW_COLUMNS for log in timed) else None
    if version:
        stated = "us" if _OLD.match(version) else "ns"
    unit = agreed("unit", asks.unit, stated)
    if timed and unit is None:
        message = "nothing says whether it is in nanoseconds (fio 3) or microseconds (fio 2)"
        fix = "add --set unit=ns or unit=us, or fio's result"
        raise SitegenError(message, where=timed[0].name, fix=fix)
    return _UNITS[unit or "ns"]


def _add(run: Run, workload: Workload, logs: Sequence[Log], units: float) -> None:
    """Add the logs of one workload to its samples, and compare them with its result."""
    keys = {(s.kind, s.workload, s.metric, s.params) for s in run.recorder.samples}
    for direction in [d for d in DIRECTIONS if d in workload.directions]:
        series = run.recorder.series(workload.name, run.about(workload, direction))
        bins = ("histogram", workload.name, METRICS["clat"], series.params)
        new = [log for log in logs if log.kind != HISTOGRAM or bins not in keys]
        values = _samples(series, new, direction, units)
        sides = jobs.sides(workload.jobs, direction)
        for kind, stated in (("iops", jobs.rate(sides)), ("bw", jobs.bandwidth(sides))):
            if stated is None or len(values[kind]) < _LEAST_POINTS:
                continue
            if abs((mean := fmean(values[kind])) - stated) > _APART * max(mean, stated):
                figures = f"its {kind} logs is {mean:.4g}, and the result says {stated:.4g}"
                sentence = f"{direction}: the mean of {figures}"
                run.recorder.doubt(Doubt.INCONSISTENT, sentence, workload.name)


def _samples(
    series: Series, every: Sequence[Log], direction: str, units: float
) -> dict[str, list[float]]:
    """Write what logs say of one direction as samples; return values over time by kind of log."""
    values = {}
    for kind, metric in METRICS.items():
        pairs = over_time([log for log in every if log.kind == kind], direction)
        points = [(second, value / _PARTS.get(kind, units)) for second, value in pairs]
        series.points("time", metric, points)
        values[kind] = [value for _, value in points]
    bins = merged(every, direction)
    jobs.write_histogram(series, METRICS["clat"], bins, _UNITS["ns"])
    return values


def _alone(every: Sequence[Log], asks: LogsAsks) -> Reading:
    """Return what logs say without a result: means over time, and percentiles of a histogram."""
    stems = {_NAME.sub("", log.name.rpartition("/")[2]) for log in every}
    name, original = slug(stems.pop()) if len(stems) == 1 else ("fio", "")
    name = name if any(letter.isalpha() for letter in name) else "fio"
    units, recorder = _units(every, asks), Recorder(ToolIdentity("fio", ""))
    histograms = [log for log in every if log.kind == HISTOGRAM]
    job = _job(every, units)
    about = _about(every, asks, job)
    wrong = load.not_reached([job], asks.iodepth or 1, asks.numjobs or 1, asks.engine or "")
    if wrong:
        recorder.doubt(Doubt.NOT_REACHED, wrong, name)
    if unsaid := [key for key in ("block_size", "iodepth") if key not in about]:
        recorder.doubt(Doubt.NOT_STATED, load.unsaid(unsaid), name)
    status = Status.SUSPECT if wrong else Status.OK
    for direction in DIRECTIONS:
        pairs = params(direction=direction, job_name=original or None, **about)
        series = recorder.series(name, pairs, status=status)
        for kind, values in _samples(series, every, direction, units).items():
            series.add(METRICS[kind], "mean", sum(values) / len(values) if values else None)
        if bins := merged(every, direction):
            percentiles = histogram.percentiles(bins, _PERCENTS)
            for percent, value in zip(_PERCENTS, percentiles, strict=True):
                series.add(METRICS["clat"], f"p{percent:g}", value / _UNITS["ns"])
    if len(histograms) < len(every):
        recorder.note(_ALONE)
    if histograms:
        recorder.note(_COARSE)
    return recorder.reading()


def _about(every: Sequence[Log], asks: LogsAsks, job: Job) -> dict[str, str]:
    """Return what the user said, and the size of the I/Os where logs of single ones say it.

    Raises SitegenError for a size that the logs contradict.
    """
    about = {key: value for key, value in asks.answers.items() if key != "direct"}
    sizes = {str(log.block) for log in every if log.block}
    stated = sizes.pop() if len(sizes) == 1 else None
    block = agreed("block_size", about.get("block_size"), stated)
    if block is not None and not load.fits(block, job.sides):
        message = f"its I/Os are of {load.mean_size(job.sides):.0f} B on average"
        raise SitegenError(message, where="--set block_size", fix="leave it out")
    return about if block is None else {**about, "block_size": block}


def _job(every: Sequence[Log], units: float) -> Job:
    """Return what the logs say of all the time as one job."""
    sides = []
    for direction in DIRECTIONS:
        means = {}
        for kind in METRICS:
            values = [
                value for _, value in over_time([g for g in every if g.kind == kind], direction)
            ]
            if values:
                means[kind] = fmean(values) / _PARTS.get(kind, units)
        latencies = {
            metric: Latency(1.0, 1, {"mean": means[kind]})
            for kind, metric in LATENCIES.items()
            if kind in means
        }
        if means:
            rates = (means.get("bw"), means.get("iops"))
            sides.append(Side(direction, 1.0, None, rates[0], iops=rates[1], latencies=latencies))
    return Job("", sides=tuple(sides))


def is_log(data: bytes) -> bool:
    """Tell whether ``data`` is one of fio's logs, by its first lines."""
    return _begins_with(data, _ROW) or is_histogram(data)


def is_histogram(data: bytes) -> bool:
    """Tell whether ``data`` is a histogram log."""
    return _begins_with(data, _BINS)


def read_log(name: str, data: bytes, step_ms: int = 0) -> Log:
    """Return one log; ``step_ms`` is log_avg_msec where it is known.

    Raises SitegenError with the line that is not as fio writes it.
    """
    match = _NAME.search(name)
    kind, number = (match[1].lower(), int(match[2] or 0)) if match else ("", 0)
    if kind == HISTOGRAM or is_histogram(data):
        return _histogram(name, data, number)
    if kind not in METRICS:
        fix = "name it as fio does: x_bw.1.log"
        raise SitegenError("nothing says what it counts", where=name, fix=fix)
    head = list(islice(_lines(name, data, _ROW), _HEAD))
    if not head:
        raise SitegenError("is empty", where=name)
    log = Log(name, kind, number, columns=4 + head[0][5].count(b","))
    log.single = any(int(row[4]) for row in head)
    sizes = {int(row[4]) for row in head}
    log.block = sizes.pop() if len(sizes) == 1 else 0
    log.step_ms = _SECOND_MS if log.single else step_ms or _step(head)
    points: dict[bytes, Places] = {}
    for rows in _chunks(name, data):
        for direction in {row[2] for row in rows}:
            places = points.setdefault(direction, Places(defaultdict(float), defaultdict(int)))
            _add_up(log, places, [row for row in rows if row[2] == direction])
            if len(places.times) > _MOST_POINTS:
                message = f"there are more than {_MOST_POINTS} points in time"
                raise SitegenError(message, where=name)
    for direction, (sums, times) in points.items():
        log.points[int(direction)] = {at: (sums[at], count) for at, count in times.items()}
    return log


def _chunks(name: str, data: bytes) -> Iterator[list[tuple[bytes, ...]]]:
    """Yield the rows of a log, many at a time; raises SitegenError for a line of another form."""
    start = number = 0
    while start < len(data):
        end = data.find(b"\n", start + _CHUNK) + 1 or len(data)
        text = data[start:end]
        rows = _ROWS.findall(text)
        if len(rows) != text.count(b"\n"):
            written = sum(1 for _ in _lines(name, text, _ROW, number))
            if len(rows) != written:
                raise SitegenError("is no log of fio's", where=name)
        if rows:
            yield rows
        start, number = end, number + text.count(b"\n")


def _add_up(log: Log, places: Places, rows: Sequence[tuple[bytes, ...]]) -> None:
    """Add rows of one direction to the places in time that they are of."""
    step, moments = log.step_ms, [int(row[0]) for row in rows]
    log.last_ms = max(log.last_ms, *moments)
    amounts = [int(row[1]) for row in rows]
    if log.single:
        # One line an I/O: count them, and add up their bytes.
        ats = [moment // step + 1 for moment in moments]
        kib = [int(row[3]) / _KIB for row in rows] if log.kind == "bw" else amounts
        counted: Iterable[float] = repeat(1.0) if log.kind == "iops" else kib
    else:
        ats, counted = [round(moment / step) or 1 for moment in moments], amounts
    for at, amount in zip(ats, counted, strict=False):
        places.times[at] += 1
        places.sums[at] += amount


def over_time(logs: Iterable[Log], direction: str) -> list[tuple[float, float]]:
    """Return seconds and value of logs of one kind: rates added over the jobs, times averaged.

    Values are as fio writes them: KiB/s, I/Os a second, and its unit of time.
    """
    values: defaultdict[int, list[float]] = defaultdict(list)
    rates, step = False, 0
    for log in logs:
        places = log.points.get(DIRECTIONS.index(direction), {})
        rates, step = log.kind in ("bw", "iops"), max(step, log.step_ms)
        counted, (last, rest) = log.single and rates, divmod(log.last_ms, log.step_ms)
        # Of single I/Os the last second counts when it was nearly a whole one.
        broken = counted and len(places) > 1 and rest < _WHOLE_SECOND * log.step_ms
        for at, (total, count) in places.items():
            if not broken or at != last + 1:
                values[at * log.step_ms].append(total if counted else total / count)
    first = min(values, default=0)
    start = first - step if first > _EPOCH_MS else 0  # log_unix_epoch
    return [
        ((when - start) / _SECOND_MS, sum(every) if rates else sum(every) / len(every))
        for when, every in sorted(values.items())
    ]


def merged(logs: Iterable[Log], direction: str) -> Mapping[int, int]:
    """Return the bins of histogram logs together."""
    place = DIRECTIONS.index(direction)
    return sum((log.bins.get(place, Counter()) for log in logs), Counter[int]())


def _lines(
    name: str, data: bytes, pattern: re.Pattern[bytes], above: int = 0
) -> Iterator[re.Match[bytes]]:
    """Yield the lines that are written on; raises SitegenError for one of another form.

    ``above`` is how many lines stand above them.
    """
    for number, line in enumerate(io.BytesIO(data), above + 1):
        match = pattern.fullmatch(line) if len(line) <= _MOST_LINE else None
        if match:
            yield match
        elif line.strip():
            raise SitegenError("is no line of such a log of fio's", where=f"{name}, line {number}")


def _step(head: Sequence[re.Match[bytes]]) -> int:
    """Return how many milliseconds the lines are apart, as log_avg_msec was."""
    times: defaultdict[bytes, list[int]] = defaultdict(list)
    for row in head:
        times[row[3]].append(int(row[1]))
    gaps = [after - before for stamps in times.values() for before, after in pairwise(stamps)]
    usual = round(median([gap for gap in gaps if gap > 0] or [_SECOND_MS]))
    return round(usual, -1) if usual >= _LEAST_MS else max(usual, 1)


def _histogram(name: str, data: bytes, number: int) -> Log:
    log = Log(name, HISTOGRAM, number)
    values: list[int] = []
    for match in _lines(name, data, _BINS):
        counts = [int(text) for text in match[4].split(b",")[1:]]
        values = values or _middles(len(counts), name)
        if len(counts) != len(values):
            raise SitegenError(f"has rows of {len(values)} and {len(counts)} bins", where=name)
        bins = log.bins.setdefault(int(match[2]), Counter())
        for value, times in zip(values, counts, strict=True):
            if times:
                bins[value] += times
    return log


def _middles(count: int, name: str) -> list[int]:
    """Return the latency in the middle of each of ``count`` bins."""
    stride, rest = divmod(_PLACES, count)
    if rest or stride & (stride - 1):
        raise SitegenError(f"{count} bins are not those of fio 3 or later", where=name)
    places = [jobs.bin_value(place) for place in range(_PLACES)]
    return [(places[at] + places[at + stride - 1]) // 2 for at in range(0, _PLACES, stride)]


def _begins_with(data: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Tell whether the first lines that are written on, and whole, have a form."""
    head = data[: (_FIRST_LINES + 1) * _MOST_LINE]
    lines = head.split(b"\n")[: -1 if len(head) < len(data) else None]
    first = [line for line in lines if line.strip()][:_FIRST_LINES]
    return bool(first) and all(len(row) <= _MOST_LINE and pattern.fullmatch(row) for row in first)


BUNDLE = Bundle(
    "fio-logs", "fio's logs over time, with its result or alone", knows, read, LogsAsks,
    file_name=_NAME,
)  # fmt: skip
READER = Reader("fio-log", "one log of fio's over time", is_log, read_one, LogAsks, text=True)
