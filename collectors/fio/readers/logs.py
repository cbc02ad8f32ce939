"""fio's own logs over time (write_bw_log and the like), and its histogram logs.

A log does not say what it counts: its name or the user does. Bandwidth is in KiB/s, latency in
nanoseconds, and in microseconds before fio 3.
"""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, pairwise
from statistics import median

from msgspec import Struct, field

from collectors.fio.document import bin_value
from collectors.fio.jobs import DIRECTIONS, LATENCIES
from sitegen.errors import SitegenError

METRICS = {"bw": "fio.bandwidth", "iops": "fio.iops", **LATENCIES}
HISTOGRAM = "clat_hist"
RATES = ("bw", "iops")
_NAME = re.compile(
    r"(?:^|[_./\\-])(clat_hist|slat|clat|lat|bw|iops)(?:\.(\d{1,6}))?\.log$", re.IGNORECASE
)
_ROW = re.compile(
    rb"\s{0,8}(\d{1,15}), {0,3}(\d{1,18}), {0,3}([012]), {0,3}(\d{1,12})"
    rb"((?:, {0,3}\w{1,20}){0,3})\s{0,8}"
)
_BINS = re.compile(
    rb"\s{0,8}(\d{1,15}), {0,3}([012]), {0,3}(\d{1,12})((?:, {0,3}\d{1,18}){29,1856}),?\s{0,8}"
)
#: The bins of a histogram; each step of log_hist_coarseness halves their number.
_PLACES = 1856
_KIB, _SECOND_MS, _LEAST_MS, _EPOCH_MS = 1024, 1000, 50, 1e11
_MOST_POINTS, _MOST_LINE, _FIRST_LINES, _HEAD = 200_000, 40_000, 4, 2000
_WHOLE_SECOND = 0.9


class Log(Struct):
    """One log: which counts it holds, of which job, and its points.

    ``points`` are direction -> place in time -> the sum there and of how many values; ``step_ms``
    is how far places are apart. ``columns`` are those of its lines, and ``single`` says that each
    is one I/O. ``bins`` are those of a histogram log by direction, in nanoseconds.
    """

    name: str
    kind: str
    number: int
    columns: int = 0
    step_ms: int = _SECOND_MS
    single: bool = False
    points: dict[int, dict[int, tuple[float, int]]] = field(default_factory=dict)
    bins: dict[int, Counter[int]] = field(default_factory=dict)
    last_ms: int = 0


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
    rows = _lines(name, data, _ROW)
    head = list(islice(rows, _HEAD))
    if not head:
        raise SitegenError("is empty", where=name)
    log = Log(name, kind, number, columns=4 + head[0][5].count(b","))
    log.single = any(int(row[4]) for row in head)
    log.step_ms = _SECOND_MS if log.single else step_ms or _step(head)
    for row in chain(head, rows):
        msec, value, direction, block = map(int, row.groups()[:4])
        places = log.points.setdefault(direction, {})
        if log.single:
            # One line an I/O: count them, and add up their bytes.
            at = msec // log.step_ms + 1
            amount = {"iops": 1.0, "bw": block / _KIB}.get(log.kind, float(value))
        else:
            at, amount = max(1, round(msec / log.step_ms)), float(value)
        total, times = places.get(at, (0.0, 0))
        places[at] = (total + amount, times + 1)
        log.last_ms = max(log.last_ms, msec)
        if len(places) > _MOST_POINTS:
            raise SitegenError(f"there are more than {_MOST_POINTS} points in time", where=name)
    return log


def over_time(logs: Iterable[Log], direction: str) -> list[tuple[float, float]]:
    """Return seconds and value of logs of one kind: rates added over the jobs, times averaged.

    Values are as fio writes them: KiB/s, I/Os a second, and its unit of time.
    """
    values: defaultdict[int, list[float]] = defaultdict(list)
    rates, step = False, 0
    for log in logs:
        places = log.points.get(DIRECTIONS.index(direction), {})
        rates, step = log.kind in RATES, max(step, log.step_ms)
        counted = log.single and rates
        for at, (total, count) in places.items():
            # Of single I/Os the last second counts when it was nearly a whole one.
            whole = log.last_ms % log.step_ms >= _WHOLE_SECOND * log.step_ms
            if counted and len(places) > 1 and not whole and at == log.last_ms // log.step_ms + 1:
                continue
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


def _lines(name: str, data: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """Yield the lines that are written on; raises SitegenError for one of another form."""
    for number, line in enumerate(io.BytesIO(data), 1):
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
    gaps = [after - before for own in times.values() for before, after in pairwise(own)]
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
    places = [bin_value(place) for place in range(_PLACES)]
    return [(places[at] + places[at + stride - 1]) // 2 for at in range(0, _PLACES, stride)]


def _begins_with(data: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Tell whether the first lines that are written on, and whole, have a form."""
    head = data[: (_FIRST_LINES + 1) * _MOST_LINE]
    lines = head.split(b"\n")[: -1 if len(head) < len(data) else None]
    first = [line for line in lines if line.strip()][:_FIRST_LINES]
    return bool(first) and all(len(one) <= _MOST_LINE and pattern.fullmatch(one) for one in first)
