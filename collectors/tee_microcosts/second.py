"""The second way of measuring: programs that people trust, what they are asked, what they print.

Their figures are series of their own, never pooled with the loop's. Where a program measures the
same as a loop, ``bound`` says how far the two may lie apart before both are doubted; where it
measures something near it, there is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from collectors.tee_microcosts.machine import Machine
from sitegen.collect import decode
from sitegen.errors import SitegenError

_GIB, _MB = 2**30, 10**6
_US, _NS = 1e-6, 1e-9
#: What the programs that copy are asked for at least: below it they copy in caches.
_LEAST_COPIED = 64 << 20
#: What is copied a second, about: so many passes are made.
_COPY_RATE = 5e9
#: perf prints its time to the millisecond: below this the last digit is more than half a percent.
_LEAST_S = 0.1


class Asked(NamedTuple):
    """How long a second way may take, on how many bytes, our own program, a folder for files."""

    seconds: float
    size: int
    loops: str
    scratch: str


#: What a program says: statistic -> value in the metric's base unit.
Figures = Mapping[str, float]


class Way(NamedTuple):
    """One program: its name as series have it, what it measures and needs, and how it is read.

    ``bound`` is how far it may lie from the loop, as a share of the smaller of the two, and
    ``digit`` the last one that it prints, in the metric's unit, by which it may lie further.
    ``least_size`` is the memory that it is asked for at least.
    """

    name: str
    metric: str
    needs: tuple[str, ...]
    package: str
    argv: Callable[[Machine, Asked], tuple[str, ...]]
    read: Callable[[str], Figures]
    bound: float | None = None
    digit: float = 0.0
    least_size: int = 0
    least_s: float = 0.0
    about: tuple[tuple[str, str], ...] = ()


class _Thread(Struct, frozen=True):
    histogram: dict[str, Annotated[int, Meta(ge=0, le=10**9)]] = {}
    cycles: Annotated[int, Meta(ge=1, le=10**9)] = 1
    min: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    avg: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    max: Annotated[float, Meta(ge=0, le=1e9)] = 0.0


class _Cyclictest(Struct, frozen=True):
    thread: dict[str, _Thread]


def perf_time(text: str) -> Figures:
    """Return the time of one operation as `perf bench` prints it, checked against its rate."""
    op, rate, total = (
        _only(form, text)
        for form in (
            r"(\d{1,12}\.\d{1,9}) usecs/op",
            r"(\d{1,15}) ops/sec",
            r"Total time: (\d{1,9}\.\d{3}) \[sec\]",
        )
    )
    count = re.search(r"^# Executed (\d{1,12}) ", text, re.MULTILINE)
    # Three digits of the time, and a rate without a fraction.
    loose = 0.01 + 0.001 / total + 1 / max(rate, 1.0)
    if count is None or abs(op * _US * int(count[1]) / total - 1) > loose:
        raise SitegenError("perf bench contradicts itself: count, time of one and total")
    if abs(op * _US * rate - 1) > loose:
        raise SitegenError("perf bench contradicts itself: time of one, and how many a second")
    return {"mean": op * _US}


def perf_switch(text: str) -> Figures:
    """Return half a round trip of `perf bench sched pipe`: it counts there and back as one."""
    return {"mean": perf_time(text)["mean"] / 2}


def perf_copy(text: str) -> Figures:
    """Return the bytes a second of `perf bench mem memcpy`, whose GB is of 2^30 bytes."""
    match = re.search(r"(\d{1,9}\.\d{1,9}) (MB|GB)/sec", text)
    if match is None:
        raise SitegenError("perf bench printed no rate of copying")
    return {"mean": float(match[1]) * (_GIB if match[2] == "GB" else 2**20)}


def cyclictest(text: str) -> Figures:
    """Return what cyclictest says of one thread: mean, largest, and percentiles of its bins."""
    # Its bins stand beside the document once more, as lines without a brace.
    document = text[text.find("{") :][: text.rfind("}") - text.find("{") + 1]
    said = decode.document(document.encode(), _Cyclictest, "cyclictest")
    if len(said.thread) != 1:
        raise SitegenError(f"cyclictest tells of {len(said.thread)} threads, not of one")
    thread = next(iter(said.thread.values()))
    if not thread.min <= thread.avg <= thread.max:
        raise SitegenError("cyclictest contradicts itself: its mean is not between its ends")
    figures = {"mean": thread.avg * _US}
    bins = {int(k): n for k, n in thread.histogram.items() if re.fullmatch(r"\d{1,9}", k)}
    if sum(bins.values()) > thread.cycles:
        raise SitegenError("cyclictest contradicts itself: its bins hold more than its cycles")
    passed = 0
    for value, number in sorted(bins.items()):
        passed += number
        if "p50" not in figures and 2 * passed >= thread.cycles:
            figures["p50"] = value * _US
    return figures


def stress_fault(text: str) -> Figures:
    """Return the time of a page fault as stress-ng's fault stressor prints it."""
    return {"mean": _only(r"fault\s{1,40}(\d{1,12}\.\d\d) nanosecs per page fault", text) * _NS}


def likwid_copy(text: str) -> Figures:
    """Return the bytes a second that likwid-bench copied; it counts those read and written."""
    return {"mean": _only(r"MByte/s:\s{1,20}(\d{1,12}\.\d\d)", text) * _MB / 2}


def dd_read(text: str) -> Figures:
    """Return the bytes a second of dd, from the bytes and the seconds that it prints."""
    match = re.search(
        r"^(\d{1,18}) bytes .{0,60}copied, (\d{1,9}(?:\.\d{1,9})?) s", text, re.MULTILINE
    )
    if match is None or not float(match[2]):
        raise SitegenError("dd did not print what it copied")
    return {"mean": int(match[1]) / float(match[2])}


def _only(form: str, text: str) -> float:
    found = re.findall(form, text)
    if len(found) != 1 or not float(found[0]):
        raise SitegenError(f"there is not one number above 0 as {form!r} in the output")
    return float(found[0])


def _perf(kind: tuple[str, ...], option: str, rate: float) -> Callable[..., tuple[str, ...]]:
    """Return the argv of a perf benchmark of about so many operations a second, on one CPU."""

    def argv(machine: Machine, asked: Asked) -> tuple[str, ...]:
        pinned = (machine.program("taskset"), "-c", str(machine.pair.cpu))
        count = str(int(rate * max(asked.seconds, _LEAST_S)))
        return (*pinned, machine.program("perf"), "bench", *kind, option, count)

    return argv


def _copying(machine: Machine, asked: Asked) -> tuple[str, ...]:
    pinned = (machine.program("taskset"), "-c", str(machine.pair.cpu))
    passes = str(max(3, int(_COPY_RATE * asked.seconds / asked.size)))
    sizes = ("-s", f"{asked.size >> 20}MB", "-l", passes, "-f", "default")
    return (*pinned, machine.program("perf"), "bench", "mem", "memcpy", *sizes)


def _ticking(machine: Machine, asked: Asked) -> tuple[str, ...]:
    # `tight` takes the timer slack away, as the loop does; cyclictest leaves it as it is.
    cpu, cycles = str(machine.pair.cpu), str(max(100, int(1000 * asked.seconds)))
    program = (machine.program("cyclictest"), "-q", "-t", "1", "-a", cpu, "-i", "1000")
    rest = ("-l", cycles, "-h", "10000", "--laptop", "--json=/dev/stdout")
    return (asked.loops, "tight", cpu, *program, *rest)


def _faulting(machine: Machine, asked: Asked) -> tuple[str, ...]:
    seconds = str(max(1, round(asked.seconds)))
    where = ("--taskset", str(machine.pair.cpu), "--temp-path", asked.scratch)
    return (machine.program("stress-ng"), "--fault", "1", "-t", seconds, "--metrics", *where)


def _streaming(machine: Machine, asked: Asked) -> tuple[str, ...]:
    place = f"N:{2 * asked.size // _MB}MB:1"
    return (machine.program("likwid-bench"), "-t", "copy", "-W", place, "-s", "1")


def _dd(machine: Machine, asked: Asked) -> tuple[str, ...]:
    source = (f"if={asked.scratch}/data", "of=/dev/null")
    return (machine.program("dd"), *source, "bs=1M", "iflag=direct")


#: By the name of the loop's step; the order is that of the plan.
WAYS: Mapping[str, tuple[Way, ...]] = {
    "syscall": (
        Way("perf bench", "syscall_latency", ("perf", "taskset"), "linux-perf",
            _perf(("syscall", "basic"), "--loop", 4e6), perf_time, 0.25),
    ),
    "context-switch": (
        Way("perf bench", "context_switch", ("perf", "taskset"), "linux-perf",
            _perf(("sched", "pipe"), "-l", 1e5), perf_switch, 0.25),
    ),
    "timer": (
        Way("cyclictest", "timer_lateness", ("cyclictest",), "rt-tests",
            _ticking, cyclictest, 0.25, digit=_US),
    ),
    "touch-small": (
        Way("stress-ng", "page_fault", ("stress-ng",), "stress-ng",
            _faulting, stress_fault, least_s=1.0, about=(("backing", "file"),)),
    ),
    "copy": (
        Way("perf bench", "copy_bandwidth", ("perf", "taskset"), "linux-perf",
            _copying, perf_copy, 0.25, least_size=_LEAST_COPIED),
        Way("likwid-bench", "copy_bandwidth", ("likwid-bench",), "likwid",
            _streaming, likwid_copy, least_size=_LEAST_COPIED, least_s=1.0),
    ),
    "block-read": (Way("dd", "block_read_bandwidth", ("dd",), "coreutils",
            _dd, dd_read, 0.5),),
}  # fmt: skip


def here(name: str, machine: Machine) -> tuple[Way, ...]:
    """Return the other ways of a step whose programs are all here."""
    return tuple(w for w in WAYS.get(name, ()) if all(map(machine.program, w.needs)))


def encoded(commands: Mapping[str, tuple[str, ...]]) -> str:
    """Return commands by the name of their way as one text, as a step's context holds it."""
    return msgspec.json.encode(commands).decode()


def decoded(text: str) -> dict[str, tuple[str, ...]]:
    """Return what `encoded` made of commands."""
    return msgspec.json.decode(text or "{}", type=dict[str, tuple[str, ...]])
