"""What fio says of its jobs, whatever form it was printed in, and what several did together."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct, field

from sitegen.collect import Series, histogram, timestamp
from sitegen.errors import SitegenError
from sitegen.model import Doubt, params

DIRECTIONS = ("read", "write", "trim")
#: With ``unified_rw_reporting`` fio counts all directions as one.
MIXED = "mixed"
STATISTICS = ("min", "max", "mean", "stddev")
#: fio's names of the latencies, and ours.
LATENCIES = {
    "lat": "fio.latency",
    "clat": "fio.completion_latency",
    "slat": "fio.submission_latency",
}
#: Figures that lost more than this share to rounding are doubted as rounded.
ROUNDED = 0.0005
#: What fio prints before the report of an engine that does one I/O at a time.
CAPPED = "queue depth will be capped"
#: Disks of a report that are looked at.
MOST_DISKS = 64
# Ramp and metadata make a device move more than fio counts; less means a cache answered.
_LEAST_DEVICE_SHARE = 0.9
# Jobs that measured for different lengths did not load the disk alike.
_RUNTIME_SPREAD, _RUNTIME_SPREAD_S = 0.02, 0.1
#: What two figures of one quantity may differ by beside the rounding of both.
_SLACK = 0.01
_ERRORS = 4096
_GROUPED_SHARE = 0.6
_PLAIN_BINS, _BIN_GROUP = 128, 64
#: Of fio's levels of depth, the last one, and the share below which one is how a job began.
_LAST_LEVEL, _SEEN_PERCENT = 64, 1.0
EARLIEST, _LATEST = 946684800.0, 253402300000.0  # before 2000 a clock was never set


class Latency(Struct, frozen=True):
    """One kind of latency of one job.

    ``figures`` are mean, stddev, min and max in a unit of which ``units`` make a second,
    ``percentiles`` percent -> seconds. ``bins`` gives value -> times, decoded only when it is
    called: a file may have millions. ``printed`` are digits by statistic, of what is text.
    """

    units: float
    count: int
    figures: Mapping[str, float]
    percentiles: Mapping[float, float] = field(default_factory=dict)
    bins: Callable[[], Mapping[int, int]] = dict
    printed: Mapping[str, str] = field(default_factory=dict)


class Side(Struct, frozen=True):
    """What one job did in one direction.

    ``ios`` and ``moved`` (bytes) are exact or None; ``iops``, ``bandwidth`` (B/s) and ``total``
    (bytes, where they are rounded) are what stands there. ``spread`` is of IOPS over time.
    ``doubts`` are of contradictions, and of figures that lost digits.
    """

    direction: str
    runtime_s: float
    ios: int | None = None
    moved: float | None = None
    total: float | None = None
    iops: float | None = None
    bandwidth: float | None = None
    spread: Mapping[str, float] = field(default_factory=dict)
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    printed: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[tuple[Doubt, str], ...] = ()


class Job(Struct, frozen=True):
    """One entry of a report: a job, or a group of them that fio added up.

    ``stated`` says whether ``options`` are all that were given, so that fio's defaults hold for
    the others. ``clones`` is how many jobs fio says that the entry stands for, 0 where it does
    not say; ``unlike`` says so where they had other options. ``deepest`` is how many I/Os at most
    were in flight when one more was submitted. ``begun`` is in seconds since 1970. ``steady`` is
    whether fio reached its steady state, where it was to look for one.
    """

    name: str
    group: int = 0
    error: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    stated: bool = False
    clones: int = 0
    unlike: str = ""
    deepest: float | None = None
    begun: float | None = None
    client: str = ""
    sides: tuple[Side, ...] = ()
    cpu: float | None = None
    sync: Latency | None = None
    failed_ios: int = 0
    steady: bool | None = None


class Report(Struct, frozen=True):
    """One report of fio: its jobs, and what it says of all of them.

    ``begun`` and ``ended`` are seconds since 1970. ``device`` are the bytes that the kernel saw
    the disk move, ``disks`` the names of those that it watched, ``hosts`` those of clients where
    the jobs do not say them. ``grouped`` says that the groups of the jobs tell which ran at once.
    ``chatter`` is the text around the report.
    """

    version: str
    jobs: tuple[Job, ...]
    chatter: str = ""
    started_at: str = ""
    duration_s: float | None = None
    begun: float | None = None
    ended: float | None = None
    device: Mapping[str, float] = field(default_factory=dict)
    disks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    grouped: bool = True
    notes: tuple[str, ...] = ()


def sides(jobs: Iterable[Job], direction: str) -> list[Side]:
    """Return what those of the jobs that moved data in one direction did in it."""
    return [side for job in jobs for side in job.sides if side.direction == direction]


def longest(parts: Iterable[Side]) -> float:
    """Return the longest runtime in seconds."""
    return max((side.runtime_s for side in parts), default=0.0)


def unequal(parts: Sequence[Side]) -> bool:
    """Tell whether jobs that ran together measured for different lengths."""
    most, least = longest(parts), min(side.runtime_s for side in parts)
    return most - least > max(_RUNTIME_SPREAD * most, _RUNTIME_SPREAD_S)


def is_cached(parts: Sequence[Side], device_bytes: float | None) -> bool:
    """Tell whether the device moved so little that a cache must have answered."""
    least = _LEAST_DEVICE_SHARE * (bytes_moved(parts) or 0.0)
    return device_bytes is not None and device_bytes < least


def rate(parts: Sequence[Side]) -> float | None:
    """Return I/Os a second of jobs that ran together: I/Os over the longest runtime.

    Jobs that ended early still counted at full rate, so I/Os are added and not rates.
    """
    return _rate(parts, total(side.ios for side in parts), [side.iops for side in parts])


def bandwidth(parts: Sequence[Side]) -> float | None:
    """Return bytes a second of jobs that ran together, as `rate` does for I/Os."""
    return _rate(parts, bytes_moved(parts), [side.bandwidth for side in parts])


def bytes_moved(parts: Sequence[Side]) -> float | None:
    """Return the bytes that jobs moved together, None where one of them does not say."""
    return total(side.moved for side in parts)


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum, None where one is missing."""
    listed = list(values)
    numbers = [value for value in listed if value is not None]
    return sum(numbers) if len(numbers) == len(listed) else None


def deepest(levels: Mapping[str, float]) -> float | None:
    """Return how many I/Os were in flight at most, by fio's shares of them by depth in per cent.

    A level is from one power of two to the next; the last one is open.
    """
    seen = [int(name.lstrip(">=")) for name, share in levels.items() if share >= _SEEN_PERCENT]
    most = max(seen, default=0)
    return None if not most else math.inf if most >= _LAST_LEVEL else 2.0 * most - 1


def bin_value(index: int) -> int:
    """Return the value in the middle of one of fio's histogram bins (``stat.c``)."""
    if index < _PLAIN_BINS:
        return index
    bits = index // _BIN_GROUP - 1
    return (1 << (bits + 6)) + int((index % _BIN_GROUP + 0.5) * (1 << bits))


def stamp(seconds: float | None) -> str:
    """Return a time since 1970 as UTC to the second, nothing for one that cannot be."""
    if seconds is None or not EARLIEST < seconds < _LATEST:
        return ""
    return timestamp(datetime.fromtimestamp(int(seconds), UTC))


def agree(value: float, other: float, rounding: float) -> bool:
    """Tell whether two figures of one quantity agree, but for ``rounding`` and one per cent."""
    return abs(value - other) <= rounding + _SLACK * max(abs(value), abs(other))


def problem(error: int) -> str:
    """Return an error's number in words, as Linux numbers them."""
    return os.strerror(error) if 0 < error < _ERRORS else f"error {error}"


def write_direction(
    series: Series, parts: Sequence[Side], *, numjobs: int = 1, full: bool = False
) -> None:
    """Write what jobs that ran together did in one direction; an entry may be of ``numjobs``.

    ``full`` adds what a collected run leaves to its raw output: the spread of completion and
    submission latency, and percentiles of single jobs.
    """
    if longest(parts) <= 0:
        raise SitegenError("fio measured for no time at all", where=series.workload)
    alone = parts[0] if len(parts) == 1 else Side("", 0.0)
    rate_of_all = rate(parts)
    series.add("fio.iops", "value", rate_of_all, alone.printed.get("iops"))
    for statistic, value in alone.spread.items():
        # With group_reporting the mean is the group's from fio 3.13 on, and one job's before;
        # the rest is always one job's.
        if numjobs == 1 or (statistic == "mean" and value > _GROUPED_SHARE * (rate_of_all or 0.0)):
            series.add("fio.iops", statistic, value, alone.printed.get(f"iops {statistic}"))
    series.add("fio.bandwidth", "value", bandwidth(parts), alone.printed.get("bandwidth"))
    in_all = total(part.moved if part.total is None else part.total for part in parts)
    series.add("fio.io_bytes", "value", in_all, alone.printed.get("io_bytes"))
    for metric in LATENCIES.values():
        latencies = [part.latencies[metric] for part in parts if metric in part.latencies]
        _write_latency(series, metric, latencies, full=full)


def write_rest(series: Series, entries: Sequence[Job], *, times: float = 1.0) -> None:
    """Write the CPU time, and how long fsync took; each entry is the mean of ``times`` jobs."""
    cpu = total(job.cpu for job in entries)
    series.add("fio.cpu_usage", "value", None if cpu is None else cpu * times)
    syncs = [job.sync for job in entries if job.sync is not None]
    _write_latency(series, "fio.sync_latency", syncs, full=True)


def _write_latency(series: Series, metric: str, parts: Sequence[Latency], *, full: bool) -> None:
    """Write one kind of latency of several jobs, that of all their I/Os."""
    if not sum(part.count for part in parts):
        return
    units = max(part.units for part in parts)
    printed = parts[0].printed if len(parts) == 1 else {}
    for statistic, value in _together(parts, units).items():
        if full or statistic == "mean" or metric == LATENCIES["lat"]:
            series.add(metric, statistic, value / units, printed.get(statistic))
    histograms = [part.bins() for part in parts]
    bins = Counter[int]()
    for counts in histograms if all(histograms) else ():
        bins.update(counts)
    if len(parts) > 1 and bins:  # percentiles of several jobs do not average
        percents = list(parts[0].percentiles)
        for percent, value in zip(percents, histogram.percentiles(bins, percents), strict=True):
            series.add(metric, f"p{percent:g}", value / units)
    elif len(parts) == 1 or full:
        for number, part in enumerate(parts, 1):
            about = params(job=number if len(parts) > 1 else None)
            for percent, value in part.percentiles.items():
                name = f"p{percent:g}"
                series.add(metric, name, value, part.printed.get(name), about=about)
    write_histogram(series, metric, bins, units)


def write_histogram(series: Series, metric: str, bins: Mapping[int, int], units: float) -> None:
    """Write how many I/Os took how long; ``units`` make a second."""
    points = ((value / units, float(times)) for value, times in histogram.coarse(bins))
    series.points("histogram", metric, points)


def _together(parts: Sequence[Latency], units: float) -> dict[str, float]:
    """Return mean, stddev, min and max of all I/Os, those that every part has."""
    counts = [part.count for part in parts]
    # fio's text chooses a unit for each line.
    every = [{k: v * (units / part.units) for k, v in part.figures.items()} for part in parts]
    mean = sum(figures["mean"] * n for figures, n in zip(every, counts, strict=True)) / sum(counts)
    merged = {"mean": mean}
    if all("stddev" in figures for figures in every):
        squares = [figures["stddev"] ** 2 + (figures["mean"] - mean) ** 2 for figures in every]
        square = sum(square * n for square, n in zip(squares, counts, strict=True))
        merged["stddev"] = math.sqrt(square / sum(counts))
    for name, extreme in (("min", min), ("max", max)):
        if all(name in figures for figures in every):
            merged[name] = extreme(figures[name] for figures in every)
    return merged


def _rate(parts: Sequence[Side], amount: float | None, rates: list[float | None]) -> float | None:
    runtime = longest(parts)
    if amount is None or runtime <= 0:
        if len(rates) == 1:
            return rates[0]
        pairs = zip(rates, parts, strict=True)
        amount = total(None if value is None else value * side.runtime_s for value, side in pairs)
    return None if amount is None or runtime <= 0 else amount / runtime
