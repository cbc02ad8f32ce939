"""What fio says of its jobs, whatever form it was printed in, and what several did together."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

DIRECTIONS = ("read", "write", "trim")
#: With ``unified_rw_reporting`` fio counts all directions as one.
MIXED = "mixed"
#: fio's names of the latencies, and ours.
LATENCIES = {
    "lat": "fio.latency",
    "clat": "fio.completion_latency",
    "slat": "fio.submission_latency",
}
#: Figures that lost more than this share to rounding are told to be rounded.
ROUNDED = 0.0005
#: What fio prints before the report of an engine that does one I/O at a time.
CAPPED = "queue depth will be capped"
# Ramp and metadata make a device move more than fio counts; less means a cache answered.
_LEAST_DEVICE_SHARE = 0.9
# Jobs that measured for different lengths did not load the disk alike.
_RUNTIME_SPREAD, _RUNTIME_SPREAD_S = 0.02, 0.1
#: What two figures of one quantity may differ by beside the rounding of both.
_SLACK = 0.01
_ERRORS = 4096


@dataclass(frozen=True, slots=True)
class Latency:
    """One kind of latency of one job, in a unit of which ``units`` make a second.

    ``percentiles`` are percent -> seconds. ``bins`` gives value -> times, decoded only when it is
    called: a file may have millions. ``printed`` are digits by statistic, of what is text.
    """

    units: float
    mean: float
    count: int
    stddev: float | None = None
    low: float | None = None
    high: float | None = None
    percentiles: Mapping[float, float] = field(default_factory=dict)
    bins: Callable[[], Mapping[int, int]] | None = None
    printed: Mapping[str, str] = field(default_factory=dict)

    @property
    def mean_s(self) -> float:
        """Return the mean in seconds."""
        return self.mean / self.units

    def scaled(self, units: float) -> Latency:
        """Return the same in another unit, without bins: fio's text chooses one for each line."""
        if units == self.units:
            return self
        factor = units / self.units
        stddev, low, high = (
            None if value is None else value * factor
            for value in (self.stddev, self.low, self.high)
        )
        scaled = replace(self, units=units, mean=self.mean * factor, bins=None)
        return replace(scaled, stddev=stddev, low=low, high=high)


@dataclass(frozen=True, slots=True)
class Side:
    """What one job did in one direction.

    ``ios`` and ``moved`` (bytes) are exact or None; ``iops``, ``bandwidth`` (B/s) and ``total``
    (bytes, where they are rounded) are what stands there. ``spread`` is of IOPS over time.
    ``against`` are sentences on contradictions, ``rounded`` on figures that lost digits.
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
    against: tuple[str, ...] = ()
    rounded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One entry of a report: a job, or a group of them that fio added up.

    ``stated`` says whether ``options`` are all that were given, so that fio's defaults hold for
    the others. ``clones`` is how many jobs fio says that the entry stands for, 0 where it does
    not say. ``steady`` is whether fio found its steady state, where it was to look for one.
    """

    name: str
    group: int = 0
    error: int = 0
    problem: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    stated: bool = False
    clones: int = 0
    client: str = ""
    sides: tuple[Side, ...] = ()
    cpu: float | None = None
    sync: Latency | None = None
    failed_ios: int = 0
    steady: bool | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One report of fio: its jobs, and what it says of all of them.

    ``begun`` and ``ended`` are seconds since 1970. ``device`` are the bytes that the kernel saw
    the disk move. ``chatter`` is the text around the report.
    """

    version: str
    jobs: tuple[Job, ...]
    chatter: str = ""
    started_at: str = ""
    duration_s: float | None = None
    begun: float | None = None
    ended: float | None = None
    device: Mapping[str, float] = field(default_factory=dict)
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
    least = _LEAST_DEVICE_SHARE * (moved(parts) or 0.0)
    return device_bytes is not None and device_bytes < least


def rate(parts: Sequence[Side]) -> float | None:
    """Return I/Os a second of jobs that ran together: I/Os over the longest runtime.

    Jobs that ended early still counted at full rate, so I/Os are added and not rates.
    """
    return _rate(parts, _sum(side.ios for side in parts), [side.iops for side in parts])


def bandwidth(parts: Sequence[Side]) -> float | None:
    """Return bytes a second of jobs that ran together, as `rate` does for I/Os."""
    return _rate(parts, moved(parts), [side.bandwidth for side in parts])


def moved(parts: Sequence[Side]) -> float | None:
    """Return the bytes that jobs moved together, None where one of them does not say."""
    return _sum(side.moved for side in parts)


def total(parts: Sequence[Side]) -> float | None:
    """Return the bytes that jobs moved together, as they stand there where they are rounded."""
    return _sum(side.moved if side.total is None else side.total for side in parts)


def together(parts: Sequence[Latency]) -> tuple[Latency, Mapping[int, int]] | None:
    """Return the latency of all I/Os of several jobs, and its bins where each job has some.

    It has percentiles only of a single job: they do not average. None without any I/O.
    """
    units = max((one.units for one in parts), default=0.0)
    parts = [one.scaled(units) for one in parts]
    count = sum(one.count for one in parts)
    if not count:
        return None
    mean = sum(one.mean * one.count for one in parts) / count
    square = _sum(
        None if one.stddev is None else (one.stddev**2 + (one.mean - mean) ** 2) * one.count
        for one in parts
    )
    lows, highs = [one.low for one in parts], [one.high for one in parts]
    alone = parts[0] if len(parts) == 1 else Latency(units, 0.0, 0)
    whole = Latency(
        units=units,
        mean=mean,
        count=count,
        stddev=None if square is None else math.sqrt(square / count),
        low=None if None in lows else min(low for low in lows if low is not None),
        high=None if None in highs else max(high for high in highs if high is not None),
        percentiles=alone.percentiles,
        printed=alone.printed,
    )
    return whole, _merged(parts)


def agree(one: float, other: float, rounding: float) -> bool:
    """Tell whether two figures of one quantity agree, but for ``rounding`` and one per cent."""
    return abs(one - other) <= rounding + _SLACK * max(abs(one), abs(other))


def problem(error: int) -> str:
    """Return an error's number in words, as Linux numbers them."""
    return os.strerror(error) if 0 < error < _ERRORS else f"error {error}"


def _rate(
    parts: Sequence[Side], amount: float | None, rates: Sequence[float | None]
) -> float | None:
    runtime = longest(parts)
    if amount is not None and runtime > 0:
        return amount / runtime
    if len(rates) == 1:
        return rates[0]
    pairs = zip(rates, parts, strict=True)
    weighed = _sum(None if one is None else one * side.runtime_s for one, side in pairs)
    return None if weighed is None or runtime <= 0 else weighed / runtime


def _merged(parts: Sequence[Latency]) -> Mapping[int, int]:
    """Return the bins of all, none where one of them has none."""
    merged: Counter[int] = Counter()
    for one in parts:
        counts = one.bins() if one.bins is not None else {}
        if not counts or len(parts) == 1:
            return counts
        merged.update(counts)
    return merged


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the sum, None where one is missing."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return sum(known) if len(known) == len(listed) else None
