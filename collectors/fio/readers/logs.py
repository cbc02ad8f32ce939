"""fio's own logs over time (write_bw_log and the like), and its histogram logs.

A log does not say what it counts: the name or the user does. Bandwidth is in KiB/s, latency in
nanoseconds, and in microseconds before fio 3.
"""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from collectors.fio.document import bin_value
from sitegen.errors import SitegenError

METRICS = {
    "bw": "fio.bandwidth",
    "iops": "fio.iops",
    "lat": "fio.latency",
    "clat": "fio.completion_latency",
    "slat": "fio.submission_latency",
}
HISTOGRAM = "clat_hist"
RATES = ("bw", "iops")
MAX_POINTS = 200_000
_NAME = re.compile(
    r"(?:^|[_./\\-])(clat_hist|slat|clat|lat|bw|iops)(?:\.(\d{1,6}))?\.log$", re.IGNORECASE
)
_ROW = re.compile(
    rb"\s{0,8}(\d{1,15}), {0,3}(\d{1,18}), {0,3}([012]), {0,3}(\d{1,12})"
    rb"((?:, {0,3}\w{1,20}){0,3})\s{0,8}"
)
_BINS = re.compile(
    rb"\s{0,8}(\d{1,15}), {0,3}([012]), {0,3}(\d{1,12})((?:, {0,3}\d{1,18}){19,1856}),?\s{0,8}"
)
#: Bins of fio 3 (nanoseconds) and of fio 2 (microseconds); each step of coarseness halves them.
_PLACES = {1856: 1e9, 1216: 1e6}
_EPOCH_MS = 1e11
_KIB, _MILLI = 1024, 1000
_SECOND_MS = 1000
_HEAD = 2000
_LEAST_MS = 50
_MOST_LINE = 40_000


@dataclass(slots=True)
class Log:
    """One log: which counts it holds, of which job, and its points.

    ``points`` are direction -> place in time -> the values there. ``step_ms`` is how far places
    are apart. ``single`` says that each line is one I/O.
    """

    name: str
    kind: str
    number: int
    step_ms: int = _SECOND_MS
    columns: int = 0
    single: bool = False
    points: dict[int, dict[int, tuple[float, int]]] = field(default_factory=dict)
    bins: dict[int, Counter[int]] = field(default_factory=dict)
    units: float = 0.0
    last_ms: int = 0


def kind_of(name: str) -> tuple[str, int]:
    """Return what a log's name says that it counts and of which job; nothing and 0 without."""
    match = _NAME.search(name)
    return (match[1].lower(), int(match[2] or 0)) if match else ("", 0)


def is_log(data: bytes) -> bool:
    """Tell whether ``data`` is one of fio's logs, by its first lines."""
    return _first(data, _ROW) or is_histogram(data)


def is_histogram(data: bytes) -> bool:
    """Tell whether ``data`` is a histogram log."""
    return _first(data, _BINS)


def read_log(name: str, data: bytes, kind: str, number: int, step_ms: int = 0) -> Log:
    """Return one log; ``step_ms`` is log_avg_msec where it is known.

    Raises SitegenError with the line that is not as fio writes it.
    """
    if kind == HISTOGRAM or is_histogram(data):
        return _histogram(name, data, number)
    if kind not in METRICS:
        raise SitegenError(
            "nothing says what it counts",
            where=name,
            fix=f"name it as fio does (x_bw.1.log), or --set kind= one of {', '.join(METRICS)}",
        )
    head = [row for row, _ in zip(_rows(name, data), range(_HEAD), strict=False)]
    log = Log(name, kind, number, columns=head[0][4])
    log.single = any(row[3] for row in head)
    log.step_ms = _SECOND_MS if log.single else step_ms or _step(head)
    for msec, value, direction, block, _ in _rows(name, data):
        _point(log, msec, value, direction, block)
    return log


def _point(log: Log, msec: int, value: int, direction: int, block: int) -> None:
    place = log.points.setdefault(direction, {})
    if log.single:
        # One line an I/O: count them, and add up their bytes.
        at = msec // log.step_ms + 1
        told = {"iops": 1.0, "bw": block / _KIB}.get(log.kind, float(value))
    else:
        at = max(1, round(msec / log.step_ms))
        told = float(value)
    before, times = place.get(at, (0.0, 0))
    place[at] = (before + told, times + 1)
    log.last_ms = max(log.last_ms, msec)
    if len(place) > MAX_POINTS:
        raise SitegenError(f"there are more than {MAX_POINTS} points in time", where=log.name)


def over_time(logs: Iterable[Log], direction: int) -> list[tuple[float, float]]:
    """Return seconds and value of logs of one kind: rates added over the jobs, times averaged.

    Values are as fio writes them: KiB/s, I/Os a second, and its unit of time.
    """
    rates, times = defaultdict[int, float](float), defaultdict[int, list[float]](list)
    step = 0
    for log in logs:
        step = max(step, log.step_ms)
    for log in logs:
        for at, (total, count) in log.points.get(direction, {}).items():
            when = at * log.step_ms
            if log.kind in RATES:
                rates[when] += total if log.single else total / count
            else:
                times[when].append(total / count)
        if log.single and log.kind in RATES:
            _drop_short(log, direction, rates)
    found = dict(rates) or {when: sum(v) / len(v) for when, v in times.items()}
    start = 0
    if found and min(found) > _EPOCH_MS:  # log_unix_epoch
        start = min(found) - step
    return [((when - start) / _MILLI, value) for when, value in sorted(found.items())]


def _drop_short(log: Log, direction: int, rates: dict[int, float]) -> None:
    """Drop the last second of a log of single I/Os when it was not a whole one."""
    places = log.points.get(direction, {})
    if len(places) > 1 and log.last_ms % log.step_ms < 0.9 * log.step_ms:
        rates.pop((log.last_ms // log.step_ms + 1) * log.step_ms, None)


def _rows(name: str, data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield milliseconds, value, direction, block size and the number of columns."""
    empty = True
    for number, line in enumerate(io.BytesIO(data), 1):
        if not line.strip():
            continue
        match = _ROW.fullmatch(line)
        if not match:
            raise SitegenError(
                "is no line of a log of fio's: milliseconds, value, direction and block size",
                where=f"{name}, line {number}",
            )
        empty = False
        more = match[5].count(b",")
        yield int(match[1]), int(match[2]), int(match[3]), int(match[4]), 4 + more
    if empty:
        raise SitegenError("is empty", where=name)


def _step(head: list[tuple[int, int, int, int, int]]) -> int:
    """Return how many milliseconds the lines are apart, as log_avg_msec was."""
    by_direction: defaultdict[int, list[int]] = defaultdict(list)
    for msec, _, direction, _, _ in head:
        by_direction[direction].append(msec)
    gaps = [
        after - before
        for times in by_direction.values()
        for before, after in pairwise(times)
        if after > before
    ]
    usual = round(median(gaps)) if gaps else _SECOND_MS
    return round(usual, -1) if usual >= _LEAST_MS else max(usual, 1)


def _histogram(name: str, data: bytes, number: int) -> Log:
    log = Log(name, HISTOGRAM, number)
    values: list[int] = []
    for line_number, line in enumerate(io.BytesIO(data), 1):
        if not line.strip():
            continue
        where = f"{name}, line {line_number}"
        match = _BINS.fullmatch(line) if len(line) <= _MOST_LINE else None
        if not match:
            raise SitegenError("is no line of a histogram log of fio's", where=where)
        counts = [int(text) for text in match[4].split(b",")[1:]]
        if not values:
            values, log.units = _values(len(counts), where)
        if len(counts) != len(values):
            raise SitegenError(f"has {len(counts)} bins, and the first {len(values)}", where=where)
        log.last_ms = max(log.last_ms, int(match[1]))
        place = log.bins.setdefault(int(match[2]), Counter())
        for value, times in zip(values, counts, strict=True):
            if times:
                place[value] += times
    return log


def _values(count: int, where: str) -> tuple[list[int], float]:
    """Return the latency in the middle of each bin, and the units in a second."""
    for places, units in _PLACES.items():
        for coarseness in range(7):
            stride = 1 << coarseness
            if places % stride == 0 and places // stride == count:
                firsts = [bin_value(place * stride) for place in range(count)]
                lasts = [bin_value(place * stride + stride - 1) for place in range(count)]
                return [(a + b) // 2 for a, b in zip(firsts, lasts, strict=True)], units
    raise SitegenError(f"{count} bins are not of any fio known here", where=where)


def _first(data: bytes, pattern: re.Pattern[bytes]) -> bool:
    seen = 0
    for line in io.BytesIO(data[: 5 * _MOST_LINE]):
        if not line.strip():
            continue
        if not line.endswith(b"\n") and len(data) > 5 * _MOST_LINE:
            break
        if len(line) > _MOST_LINE or not pattern.fullmatch(line):
            return False
        seen += 1
        if seen > 3:  # noqa: PLR2004 - a few lines tell
            break
    return seen > 0


def by_kind(logs: Iterable[Log]) -> Mapping[str, list[Log]]:
    """Return logs by what they count."""
    found: defaultdict[str, list[Log]] = defaultdict(list)
    for log in logs:
        found[log.kind].append(log)
    return found
