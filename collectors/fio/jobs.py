"""What fio says of its jobs, whatever form it was printed in."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sitegen.errors import SitegenError

DIRECTIONS = ("read", "write", "trim")
#: With ``unified_rw_reporting`` fio counts all directions as one.
MIXED = "mixed"
#: fio's names of the latencies, and ours.
LATENCIES = {
    "lat": "fio.latency",
    "clat": "fio.completion_latency",
    "slat": "fio.submission_latency",
}
#: No quantity is as large, and sums and squares of such numbers stay finite.
MAX_NUMBER = 1e100
# Jobs that measured for different lengths did not load the disk alike.
_RUNTIME_SPREAD, _RUNTIME_SPREAD_S = 0.02, 0.1
#: What two figures of one quantity may differ by beside the rounding of both.
_SLACK = 0.01
_ERRORS = 4096


@dataclass(frozen=True, slots=True)
class Latency:
    """One kind of latency of one job, in a unit of which ``units`` make a second.

    ``count`` weighs it among other jobs. ``percentiles`` are percent -> seconds, ``bins`` are
    value -> times. ``printed`` are the digits by statistic, where they were printed as text.
    """

    units: float
    mean: float
    count: int
    stddev: float | None = None
    low: float | None = None
    high: float | None = None
    percentiles: Mapping[float, float] = field(default_factory=dict)
    bins: Mapping[int, int] = field(default_factory=dict)
    printed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """What one job did in one direction.

    ``ios`` and ``moved`` (bytes) are exact or None; ``iops``, ``bandwidth`` (B/s) and ``total``
    (bytes, where they are rounded) are what stands there. ``spread`` are statistics of IOPS over
    time. ``against`` are sentences on figures that contradict each other, ``rounded`` ones on
    figures that lost digits.
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

    ``options`` are as the report shows them; ``stated`` says whether it shows all that were
    given, so that fio's defaults hold for the others. ``clones`` is how many jobs fio says that
    the entry stands for, 0 where it does not say. ``sides`` are the directions that moved data.
    ``steady`` is whether fio found its steady state, where it was told to look for one.
    """

    name: str
    where: str
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

    def side(self, direction: str) -> Side | None:
        """Return what it did in one direction."""
        return next((side for side in self.sides if side.direction == direction), None)


@dataclass(frozen=True, slots=True)
class Report:
    """One report of fio: its jobs, and what it says of all of them.

    ``ended`` is when it was printed, in seconds since 1970. ``device`` are the bytes that the
    kernel saw the disk move. ``chatter`` is the text around the report.
    """

    version: str
    jobs: tuple[Job, ...]
    where: str = ""
    chatter: str = ""
    started_at: str = ""
    duration_s: float | None = None
    ended: float | None = None
    begun: float | None = None
    device: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def unequal(sides: Sequence[Side]) -> bool:
    """Tell whether jobs that ran together measured for different lengths."""
    longest, shortest = max(s.runtime_s for s in sides), min(s.runtime_s for s in sides)
    return longest - shortest > max(_RUNTIME_SPREAD * longest, _RUNTIME_SPREAD_S)


def rate(sides: Sequence[Side]) -> float | None:
    """Return I/Os a second of jobs that ran together: I/Os over the longest runtime.

    Jobs that ended early still counted at full rate, so I/Os are added and not rates.
    """
    runtime = max(side.runtime_s for side in sides)
    ios = [side.ios for side in sides if side.ios is not None]
    if len(ios) == len(sides) and runtime > 0:
        return sum(ios) / runtime
    weighed = [(side.iops, side.runtime_s) for side in sides if side.iops is not None]
    if len(weighed) != len(sides):
        return None
    if len(weighed) == 1:
        return weighed[0][0]
    return sum(one * time for one, time in weighed) / runtime if runtime > 0 else None


def bandwidth(sides: Sequence[Side]) -> float | None:
    """Return bytes a second of jobs that ran together, as `rate` does for I/Os."""
    runtime = max(side.runtime_s for side in sides)
    total = moved(sides)
    if total is not None and runtime > 0:
        return total / runtime
    if len(sides) == 1:
        return sides[0].bandwidth
    weighed = [(side.bandwidth, side.runtime_s) for side in sides if side.bandwidth is not None]
    if len(weighed) != len(sides) or runtime <= 0:
        return None
    return sum(one * time for one, time in weighed) / runtime


def moved(sides: Sequence[Side]) -> float | None:
    """Return the bytes that jobs moved together, None where one of them does not say."""
    found = [side.moved for side in sides if side.moved is not None]
    return sum(found) if len(found) == len(sides) else None


def total(sides: Sequence[Side]) -> float | None:
    """Return the bytes that jobs moved together, as they stand there where they are rounded."""
    found = [side.moved if side.total is None else side.total for side in sides]
    told = [one for one in found if one is not None]
    return sum(told) if len(told) == len(sides) else None


def together(latencies: Sequence[Latency]) -> Latency | None:
    """Return the latency of all I/Os of several jobs; percentiles only where that is exact.

    Percentiles do not average: they come from the bins, or from a single job. None without any.
    """
    units = {one.units for one in latencies}
    if len(units) > 1:
        latencies = [_scaled(one, max(units)) for one in latencies]
    count = sum(one.count for one in latencies)
    if not count:
        return None
    first = latencies[0]
    mean = sum(one.mean * one.count for one in latencies) / count
    spreads = [(one.stddev, one) for one in latencies if one.stddev is not None]
    square = sum((spread**2 + (one.mean - mean) ** 2) * one.count for spread, one in spreads)
    lows = [one.low for one in latencies if one.low is not None]
    highs = [one.high for one in latencies if one.high is not None]
    bins: Counter[int] = Counter()
    if all(one.bins for one in latencies):
        for one in latencies:
            bins.update(one.bins)
    alone = len(latencies) == 1
    return Latency(
        units=first.units,
        mean=mean,
        count=count,
        stddev=math.sqrt(square / count) if len(spreads) == len(latencies) else None,
        low=min(lows) if len(lows) == len(latencies) else None,
        high=max(highs) if len(highs) == len(latencies) else None,
        percentiles=first.percentiles if alone else {},
        bins=bins,
        printed=first.printed if alone else {},
    )


def _scaled(one: Latency, units: float) -> Latency:
    """Return a latency in a smaller unit: fio's text chooses one for each line."""
    factor = units / one.units
    return Latency(
        units=units,
        mean=one.mean * factor,
        count=one.count,
        stddev=None if one.stddev is None else one.stddev * factor,
        low=None if one.low is None else one.low * factor,
        high=None if one.high is None else one.high * factor,
        percentiles=one.percentiles,
        bins={round(value * factor): times for value, times in one.bins.items()},
        printed=one.printed,
    )


def problem(error: int) -> str:
    """Return an error's number in words, as Linux numbers them."""
    return os.strerror(error) if 0 < error < _ERRORS else f"error {error}"


def agree(one: float, other: float, rounding: float) -> bool:
    """Tell whether two figures of one quantity agree, but for ``rounding`` and one per cent."""
    return abs(one - other) <= rounding + _SLACK * max(abs(one), abs(other))


def finite(value: object, where: str, *, least: float = 0.0) -> float:
    """Return a number; raises SitegenError for anything else, for NaN, and below ``least``."""
    # bool is an int to Python, and true is not a measurement.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SitegenError(f"{ascii(value)[:40]} is not a number", where=where)
    if not -MAX_NUMBER < value < MAX_NUMBER:  # also false for NaN
        raise SitegenError("is not a finite number", where=where)
    if value < least:
        raise SitegenError(f"is below {least:g}: {value:g}", where=where)
    return float(value)
