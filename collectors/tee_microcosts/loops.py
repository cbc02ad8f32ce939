"""Our own loops: which cost each measures, how they are made here, and what they print."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from collectors.tee_microcosts.machine import Machine
from sitegen.collect import Recorder, Series, Step, decode
from sitegen.errors import SitegenError
from sitegen.model import Params, params

SOURCE = Path(__file__).with_name("loops.c")
_SOURCES = (SOURCE, SOURCE.with_suffix(".h"))
FLAGS = ("-O2", "-Wall", "-Wextra", "-pthread")
#: How the series of our own loops are called, beside those of other programs.
OWN = params(measured_by="loop")
_PREFIX = "tee-microcosts."
_NS = 1e-9
_MIB = 2**20
#: Percentiles of what is timed one by one stand on ten times beyond them. Of a block's mean they
#: would tell how long the block is.
_PERCENTILES = ((50.0, 1), (90.0, 100), (99.0, 1000))
#: Where time by the counter is further from that by the clock, one of them is wrong.
CLOCKS_APART = 0.05
#: Of a block that is timed, the clock may take so much.
_CLOCK_SHARE = 0.1
#: Faults that a pass over fresh pages takes, of one a page.
_FAULTS_APART = 0.05
#: Of memory that is to lie in huge pages as much does, and of other memory no more than the rest.
_HUGE = 0.95
#: Interrupts that the kernel counts for each that was asked for: below it they were not sent.
_LEAST_SENT = 0.5
#: What goes through less than so many last-level caches still hits in them.
_CACHES = 2
#: Loops that are of memory and not of caches, and how often each has its size.
FROM_MEMORY = {"chase": 1, "copy": 2}

_Time = Annotated[float, Meta(ge=0, le=1e15)]


class Record(Struct, frozen=True):
    """One line of the loops; times in ns. What a loop has no word of is None."""

    loop: decode.Text
    operations: Annotated[int, Meta(ge=1, le=10**9)]
    blocks: Annotated[int, Meta(ge=1, le=10**12)]
    sum_ns: _Time
    clock_ns: _Time
    timed_ns: _Time
    empty_ns: _Time
    tsc_hz: Annotated[float, Meta(ge=0, le=1e12)]
    tsc_rate: Annotated[float, Meta(ge=0, le=1e9)]
    samples: Annotated[tuple[_Time, ...], Meta(min_length=1, max_length=4000)]
    retries: Annotated[int, Meta(ge=0)] | None = None
    faults: Annotated[int, Meta(ge=0)] | None = None
    bytes: Annotated[int, Meta(ge=1, le=1 << 50)] | None = None
    #: -1 where the kernel does not tell.
    huge_bytes: Annotated[int, Meta(ge=-1, le=1 << 50)] | None = None

    @property
    def mean_ns(self) -> float:
        """The time of an operation over all blocks, also those of which no sample was kept."""
        return self.sum_ns / (self.blocks * self.operations)


class Absent(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a loop measured nothing here."""

    left_out: decode.Text


class Cost(NamedTuple):
    """One step: its name, what the program is told, and the metric of each line that it prints.

    ``bytes`` picks the memory that it works on from a preset: touched, chased, copied or read.
    ``turns`` says that its processes take turns on one CPU.
    """

    name: str
    loop: str
    metrics: tuple[tuple[str, str], ...]
    params: Params
    backing: str = ""
    bytes: str = ""
    other: bool = False
    x86: bool = False
    turns: bool = False


def _one(name: str, loop: str, metric: str, about: Params, **more: object) -> Cost:
    return Cost(name, loop, ((loop, metric),), about, **more)  # type: ignore[arg-type]


def _touching(name: str, backing: str, page: int) -> Cost:
    metrics: tuple[tuple[str, str], ...]
    metrics = (("touch-first", "first_touch"), ("touch-again", "page_fault"))
    if backing == "small":
        metrics = (*metrics, ("touch-mapped", "mapped_touch"))
    return Cost(name, "touch", metrics, params(backing=backing, page_size=page), backing, "touched")


COSTS = (
    _one("exit-cpuid", "cpuid", "exit_latency", params(exit="cpuid", leaf="0x0"), x86=True),
    _one("exit-cpuid-host", "cpuid-host", "exit_latency",
         params(exit="cpuid", leaf="0x40000000"), x86=True),
    _one("exit-port", "port", "exit_latency", params(exit="port"), x86=True),
    _one("syscall", "syscall", "syscall_latency", ()),
    _one("context-switch", "pipe", "context_switch", params(mechanism="pipe"), turns=True),
    _one("wake-futex", "futex", "wake_up_round_trip", params(mechanism="futex"), other=True),
    _one("wake-pipe", "pipe", "wake_up_round_trip", params(mechanism="pipe"), other=True),
    _one("timer", "timer", "timer_lateness", ()),
    _one("ipi", "ipi", "ipi_latency", params(mechanism="membarrier"), other=True),
    _one("tlb-shootdown", "shootdown", "ipi_latency", params(mechanism="mprotect"), other=True),
    _one("clock-tsc", "clock-tsc", "clock_read", params(clock="tsc"), x86=True),
    _one("clock-tscp", "clock-tscp", "clock_read", params(clock="tscp"), x86=True),
    _one("clock-monotonic", "clock-monotonic", "clock_read", params(clock="monotonic")),
    _one("clock-raw", "clock-monotonic-raw", "clock_read", params(clock="monotonic-raw")),
    _one("rdrand", "rdrand", "random_latency", params(instruction="rdrand"), x86=True),
    _one("rdseed", "rdseed", "random_latency", params(instruction="rdseed"), x86=True),
    _touching("touch-small", "small", 4096),
    _touching("touch-huge", "huge", 2 * _MIB),
    _touching("touch-hugetlb", "hugetlb", 2 * _MIB),
    _one("chase-small", "chase", "memory_latency", params(backing="small"), backing="small",
         bytes="chased"),
    _one("chase-huge", "chase", "memory_latency", params(backing="huge"), backing="huge",
         bytes="chased"),
    _one("copy", "copy", "copy_bandwidth", (), bytes="copied"),
    _one("block-read", "read", "block_read_bandwidth", (), bytes="read"),
)  # fmt: skip
BY_NAME = {cost.name: cost for cost in COSTS}


def digest(version: str = "") -> str:
    """Return what tells one program from another: its source, its flags, a compiler's version."""
    text = "\n".join((version, *FLAGS)).encode()
    sources = b"".join(source.read_bytes() for source in _SOURCES)
    return hashlib.sha256(sources + text).hexdigest()[:16]


def program(version: str) -> str:
    """Return the file name of the program that a compiler makes here."""
    # Machines that share a cache may be of another kind, or have another C library.
    system = "-".join((os.uname().machine, *platform.libc_ver()))
    return f"loops-{digest(f'{version} {system}')}"


def metric(name: str) -> str:
    """Return the id of a metric."""
    return _PREFIX + name


def is_rate(name: str) -> bool:
    """Say whether a metric is of bytes a second."""
    return name.endswith("_bandwidth")


def why_not(cost: Cost, machine: Machine, size: int) -> str:
    """Return why a cost cannot be measured on a machine, in so many bytes, or nothing."""
    pair = machine.pair
    if cost.x86 and not machine.x86:
        return "this kind of CPU has no such instruction"
    if cost.other and pair.other is None:
        return "there is no second CPU"
    if cost.other and machine.quota is not None and machine.quota < 2:  # noqa: PLR2004 - both run
        return f"a quota of {machine.quota:g} CPUs stops two that run at once"
    if cost.backing == "hugetlb" and machine.hugetlb_free * 2 * _MIB < size:
        return f"{size // (2 * _MIB)} free huge pages are needed (vm.nr_hugepages)"
    if cost.backing == "huge" and machine.huge_pages not in ("always", "madvise"):
        return f"transparent huge pages are {machine.huge_pages}"
    return ""


def records(data: bytes, where: str) -> tuple[list[Record], str]:
    """Return the lines of a loop, and why it measured nothing or nothing.

    Raises SitegenError for a line that is not one of the loops.
    """
    found: list[Record] = []
    for line in data.splitlines():
        if line.startswith(b'{"left_out"'):
            return found, decode.document(line, Absent, where).left_out
        found.append(decode.document(line, Record, where))
    if not found:
        raise SitegenError("the loop printed nothing", where=where)
    return found, ""


def checked(cost: Cost, found: Sequence[Record], where: str) -> list[tuple[str, Record]]:
    """Return each record with its metric; raises SitegenError for one that contradicts itself."""
    names = dict(cost.metrics)
    for one in found:
        if one.loop not in names:
            raise SitegenError(f"a line is of the loop {one.loop!r}", where=where)
        low, high = min(one.samples), max(one.samples)
        # Of many blocks a draw is kept: its ends say nothing of the mean of all.
        whole = one.blocks == len(one.samples)
        if one.blocks < len(one.samples) or (
            whole and not 0.999 * low <= one.mean_ns <= 1.001 * high
        ):
            raise SitegenError(f"the samples of {one.loop} contradict its sum", where=where)
    if len({one.loop for one in found}) != len(found):
        raise SitegenError("a loop is there twice", where=where)
    return [(names[one.loop], one) for one in found]


def write(recorder: Recorder, step: Step, name: str, one: Record, status: str) -> None:
    """Write the rows and samples of one record."""
    series = recorder.series(step.workload, params(**dict((*step.params, *OWN))), status=status)
    full = metric(name)
    for statistic, value_ns in statistics(one):
        # The slow end of times is the low end of rates: no percentile of them but the middle.
        if not is_rate(name) or statistic in ("mean", "p50"):
            series.add(full, statistic, in_unit(name, one, value_ns))
    series.add(metric("operations"), "value", float(one.blocks * one.operations), about=of(name))
    if one.tsc_rate:
        series.add(metric("clock_deviation"), "value", abs(one.tsc_rate - 1), about=of(name))
    if one.retries is not None and "instruction" in dict(step.params):
        tries = one.blocks * one.operations + one.retries
        series.add(metric("random_retries"), "value", one.retries / tries)
    _samples(series, name, one)


def of(name: str) -> Params:
    """Return what tells counts of several metrics of one step apart."""
    return params(of=name)


def statistics(one: Record) -> Iterator[tuple[str, float]]:
    """Yield the mean and the percentiles that stand on enough, in ns; of blocks the median."""
    yield "mean", one.mean_ns
    ordered = sorted(one.samples)
    for percent, least in _PERCENTILES[:1] if one.operations > 1 else _PERCENTILES:
        if len(ordered) >= least:
            place = math.ceil(percent / 100 * len(ordered)) - 1
            yield f"p{percent:g}", ordered[place]


def in_unit(name: str, one: Record, value_ns: float) -> float:
    """Return a time as the metric has it: in s, or as the bytes a second that it comes to."""
    if is_rate(name):
        if one.bytes is None or not value_ns:
            raise SitegenError(f"{one.loop} does not say how many bytes it moved")
        return one.bytes / (value_ns * _NS)
    # Half a round trip: one switch to the other process.
    return value_ns * _NS / (2 if name == "context_switch" else 1)


def _samples(series: Series, name: str, one: Record) -> None:
    """Keep the samples as at most 60 bins, of times in the place of rates too."""
    if is_rate(name):
        return
    scale = 100 if max(one.samples) < 1e5 else 1  # noqa: PLR2004 - bins are whole numbers
    counts: dict[int, int] = {}
    for sample in one.samples:
        at = round(sample * scale)
        counts[at] = counts.get(at, 0) + 1
    series.histogram(metric(name), counts, in_unit(name, one, 1.0) / scale)


class Seen(NamedTuple):
    """What the machine showed beside a loop; None is what it did not: bytes, and a count."""

    size: int | None = None
    cache: int | None = None
    sent: int | None = None


def problem(cost: Cost, one: Record, seen: Seen) -> str:
    """Return why a record does not show what it was to show, in words, or nothing."""
    asked = one.blocks if cost.loop in ("ipi", "shootdown") else 0
    if seen.sent is not None and seen.sent < _LEAST_SENT * asked:
        return "the kernel counted fewer interrupts between CPUs than were asked for"
    return _of_clocks(one) or _of_pages(cost, one, seen)


def _of_clocks(one: Record) -> str:
    block_ns = sorted(one.samples)[len(one.samples) // 2] * one.operations
    # The two are read one after another: by as much they may differ in what is short.
    between = one.timed_ns / block_ns if block_ns else 0.0
    if one.tsc_rate and abs(one.tsc_rate - 1) > CLOCKS_APART + between:
        return f"the time stamp counter and the clock differ by more than {CLOCKS_APART:.0%}"
    if one.clock_ns > _CLOCK_SHARE * block_ns:
        return f"reading the clock took more than {_CLOCK_SHARE:.0%} of what was timed"
    return ""


def _of_pages(cost: Cost, one: Record, seen: Seen) -> str:
    pages = one.blocks * one.operations
    if one.faults is not None and abs(one.faults / pages - 1) > _FAULTS_APART:
        return "the kernel counted another number of page faults than there are pages"
    if one.huge_bytes is not None and one.huge_bytes >= 0 and seen.size:
        share = one.huge_bytes / seen.size
        if cost.backing == "small" and share > 1 - _HUGE:
            return f"more than {1 - _HUGE:.0%} of the memory lay in huge pages"
        if cost.backing != "small" and share < _HUGE:
            return f"less than {_HUGE:.0%} of the memory lay in huge pages"
    held = FROM_MEMORY.get(cost.loop, 0) * (seen.size or 0)
    if held and seen.cache and held < _CACHES * seen.cache:
        return f"the memory is less than {_CACHES} last-level caches"
    return ""
