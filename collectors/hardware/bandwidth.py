"""Memory bandwidth with likwid-bench: what it is asked to do, and what it prints.

The layout of the report is that of likwid-bench 5.2 to 5.4 (its source, bench/likwid-bench.c).
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from decimal import Decimal

from sitegen.collect import Host, RawOutput, Reading, Request, Step
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status, ToolIdentity, params

WORKLOAD = "memory-bandwidth"
#: Our names, and likwid's. STREAM's triad is "stream" there; its "triad" has four arrays.
KERNELS = {"load": "load", "copy": "copy", "triad": "stream"}

_MB = 10**6
_COUNTS = (1, 2, 4, 8)
_MOST_THREADS = 4096
#: Below 64 MB the caches of one core complex can hold the arrays.
_LEAST_BYTES = 64 * _MB
_MOST_BYTES = 1000 * 1000 * _MB
#: Arrays are given this share of the memory that is free: the rest of the machine lives on.
_SHARE = 0.75
_LOWERED = (2000 * _MB, 1000 * _MB, 500 * _MB, 250 * _MB)
#: A cyclic pass over arrays below this multiple of the last-level caches still hits in them.
_CACHES = 2
_LIMIT_S = 600.0
#: likwid rounds each array down to whole loops of each thread.
_SIZE_TOLERANCE = 0.01
#: The thread start is then no longer a small part of what was timed.
_LEAST_TIME_S = 0.05
#: Digits that the report has of time and rate; half of the last, and a little for doubles.
_RATE_STEP = 0.005
_TIME_DIGITS = 6e-7

_SIZE = re.compile(r"([1-9]\d{0,5})(MB|GB)")
_MARKER = "Running without Marker API"
_THREAD = re.compile(r"^Group: \d+ Thread \d+ .*running on hwthread (\d{1,6}) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Size:
    """How much a preset does.

    likwid repeats its passes until ``least_s`` have gone by, or does ``iterations`` of them.
    """

    bytes: int
    least_s: int
    iterations: int
    about_s: float
    all_only: bool = False


_SIZES = {
    "quick": Size(1000 * _MB, 0, 20, 2.5, all_only=True),
    "standard": Size(2000 * _MB, 1, 0, 7.0),
    "thorough": Size(2000 * _MB, 4, 0, 14.0),
}


@dataclass(frozen=True, slots=True)
class Memory:
    """What decides how large arrays can be and must be, in bytes; None where it is not known."""

    free: int | None
    last_level_caches: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """One report of likwid-bench. ``rate`` is as printed, in 10^6 bytes a second."""

    kernel: str
    threads: int
    hardware_threads: tuple[int, ...]
    size_bytes: int
    volume_bytes: int
    time_s: str
    clock_hz: int
    rate: str


def memory_of(host: Host) -> Memory:
    """Return the free memory, as a container's limit leaves it, and the last-level caches."""
    meminfo = host.read("/proc/meminfo") or ""
    available = re.search(r"^MemAvailable:\s*(\d+) kB$", meminfo, re.MULTILINE)
    limits = [int(available[1]) * 1024] if available else []
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = host.read(path) or ""
        if limit.isascii() and limit.isdigit():
            limits.append(int(limit))
    caches: dict[str, int] = {}
    for cpu in range(_MOST_THREADS):
        base = f"/sys/devices/system/cpu/cpu{cpu}/cache/index3"
        shared, size = host.read(f"{base}/shared_cpu_list"), host.read(f"{base}/size")
        if shared is None or size is None:
            break
        if found := re.fullmatch(r"(\d{1,9})K", size):
            caches[shared] = int(found[1]) * 1024
    return Memory(min(limits) if limits else None, sum(caches.values()) or None)


def steps(tool: ToolIdentity, request: Request, memory: Memory) -> tuple[Step, ...]:
    """Return one step a kernel and thread count.

    Raises SitegenError for a setting out of range, or when there is too little memory.
    """
    given, size = request.settings, _SIZES[request.preset]
    total = _bytes(given.get("size"), size.bytes, memory.free)
    passes = ("-i", str(size.iterations)) if size.iterations else ("-s", str(size.least_s))
    caches = memory.last_level_caches
    context = () if caches is None else (("caches", str(caches)),)
    found = []
    for kernel in _kernels(given.get("kernels")):
        for threads in _threads(given.get("threads"), request.cpus, all_only=size.all_only):
            where = params(kernel=kernel, threads=threads, size=total, source="measured")
            row = Measurement(WORKLOAD, "hardware.memory_bandwidth", "value", "B/s", None, where)
            place = f"N:{total // _MB}MB:{threads}"
            found.append(
                Step(
                    name=f"{kernel}-threads-{threads}",
                    workload=WORKLOAD,
                    argv=(tool.path, "-t", KERNELS[kernel], "-W", place, *passes),
                    timeout_s=_LIMIT_S,
                    params=where,
                    expects=(row,),
                    context=context,
                )
            )
    return tuple(found)


def about_s(request: Request, count: int) -> float:
    """Return about how long ``count`` steps of the preset take."""
    return _SIZES[request.preset].about_s * count


def run(step: Step, host: Host) -> RawOutput:
    """Run likwid-bench once and note where its threads ran and for how long it timed."""
    raw = host.run(step.argv, timeout_s=step.timeout_s)
    try:
        seen = report_in(raw.stdout.decode("utf-8", "replace"))
    except SitegenError:
        return raw  # `parse` says what is wrong
    values = (
        ("hardware_threads", " ".join(map(str, seen.hardware_threads))),
        ("timed_s", seen.time_s),
        ("clock_hz", str(seen.clock_hz)),
    )
    return dataclasses.replace(raw, values=values)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the rate of one report, suspect when it is not that of memory.

    Raises SitegenError when likwid-bench failed or its report is not whole.
    """
    where = dict(step.params)
    if raw.exit_code != 0:
        raise SitegenError(
            f"likwid-bench ended with code {raw.exit_code}: {_reason(raw)}", where=step.name
        )
    try:
        seen = report_in(raw.stdout.decode("utf-8", "replace"))
    except SitegenError as error:
        reason = _reason(raw)
        raise SitegenError(
            f"{error.what}: {reason}" if reason else error.what, where=step.name
        ) from error
    wanted = KERNELS[where["kernel"]]
    if (seen.kernel, str(seen.threads)) != (wanted, where["threads"]):
        raise SitegenError(
            f"the report is of {seen.kernel} with {seen.threads} threads,"
            f" not of {wanted} with {where['threads']}",
            where=step.name,
        )
    row = Measurement(
        step.workload,
        "hardware.memory_bandwidth",
        "value",
        "B/s",
        float(Decimal(seen.rate) * _MB),
        step.params,
        status=_status(step, raw, seen),
        printed=seen.rate,
    )
    return Reading((row,))


def report_in(text: str) -> Report:
    """Return the one report in ``text``. Lines are found by label, each must be there once.

    Raises SitegenError for a line that is missing, doubled or in another form, and when volume,
    time and rate do not agree: a digit was lost.
    """

    def one(label: str, form: str) -> str:
        lines: list[str] = re.findall(rf"^{re.escape(label)}(.*)$", text, re.MULTILINE)
        values = [re.fullmatch(rf"\s+({form})\s*", line) for line in lines]
        if len(values) != 1 or values[0] is None:
            problem = "no" if not lines else "no readable" if len(lines) == 1 else "more than one"
            raise SitegenError(f"likwid-bench printed {problem} line {label!r}")
        return values[0][1]

    whole = r"\d{1,18}"
    threads = re.findall(r"^Using (\d{1,6}) threads$", text, re.MULTILINE)
    if len(threads) != 1:
        raise SitegenError("likwid-bench did not print how many threads it used")
    found = Report(
        kernel=one("Test:", r"[a-z0-9_]{1,64}"),
        threads=int(threads[0]),
        hardware_threads=tuple(map(int, _THREAD.findall(text))),
        size_bytes=int(one("Size (Byte):", whole)),
        volume_bytes=int(one("Data volume (Byte):", whole)),
        time_s=one("Time:", r"\d\.\d{6}e[+-]\d\d sec").removesuffix(" sec"),
        clock_hz=int(one("Cycle Clock:", whole)),
        rate=one("MByte/s:", r"\d{1,12}\.\d\d"),
    )
    time, rate = float(found.time_s), float(found.rate)
    expected = found.volume_bytes / time / _MB if time else 0.0
    if not time or abs(rate - expected) > _RATE_STEP + 2 * _TIME_DIGITS * expected:
        raise SitegenError(
            f"likwid-bench printed {found.rate} MByte/s for {found.volume_bytes} bytes"
            f" in {found.time_s} s"
        )
    return found


def lowered(wanted: int, free: int | None) -> int:
    """Return ``wanted`` bytes, or the largest fixed size below it that the free memory takes.

    Fixed, so that machines of one size class still meet. Raises SitegenError when none fits.
    """
    if free is None or wanted <= _SHARE * free:
        return wanted
    fits = [size for size in _LOWERED if size < wanted and size <= _SHARE * free]
    if not fits:
        raise SitegenError(
            f"{free // _MB} MB of memory are free and {int(_LOWERED[-1] / _SHARE) // _MB} needed",
            where="hardware",
        )
    return fits[0]


def _status(step: Step, raw: RawOutput, seen: Report) -> Status:
    """Return suspect when the rate is not that of memory, or not of so many CPUs."""
    asked = int(dict(step.params)["size"])
    caches = step.get("caches")
    # Two threads on one hardware thread take turns: the domain held fewer than asked for.
    shared = len(set(seen.hardware_threads)) != seen.threads
    smaller = abs(seen.size_bytes - asked) > _SIZE_TOLERANCE * asked
    cached = bool(caches) and seen.size_bytes < _CACHES * int(caches)
    time = float(seen.time_s)
    # likwid converts clock ticks by a frequency that it measured; a guest's can be disturbed.
    impossible = 0 < raw.duration_s < time
    suspect = shared or smaller or cached or impossible or time < _LEAST_TIME_S
    return Status.SUSPECT if suspect else Status.OK


def _reason(raw: RawOutput) -> str:
    said = raw.stderr.decode("utf-8", "replace").splitlines()
    lines = [line.strip() for line in said if line.strip() and _MARKER not in line]
    for sign in ("Error", "ERROR", "sitegen:"):
        if told := [line for line in lines if sign in line]:
            return told[0][:200]
    return lines[-1][:200] if lines else "" if raw.exit_code == 0 else "it said nothing"


def _bytes(text: str | None, default: int, free: int | None) -> int:
    if text is None:
        return lowered(default, free)
    found = _SIZE.fullmatch(text)
    total = int(found[1]) * (1000 if found[2] == "GB" else 1) * _MB if found else 0
    if not _LEAST_BYTES <= total <= _MOST_BYTES:
        raise SitegenError(
            f"{text!r} is not a size from 64MB to 1000GB",
            where="--set hardware.size",
            fix="write for example 2GB",
        )
    if free is not None and total > free:
        raise SitegenError(
            f"{text} do not fit into the {free // _MB} MB of memory that are free",
            where="--set hardware.size",
        )
    return total


def _kernels(text: str | None) -> tuple[str, ...]:
    if text is None:
        return tuple(KERNELS)
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if unknown := [word for word in words if word not in KERNELS]:
        raise SitegenError(
            f"no kernel {unknown[0]!r}",
            where="--set hardware.kernels",
            fix=f"use {', '.join(KERNELS)}",
        )
    return words


def _threads(text: str | None, cpus: int, *, all_only: bool) -> list[int]:
    """Return thread counts, none above the CPUs: more would only take turns."""
    if text is None:
        return sorted({cpus, *(() if all_only else (n for n in _COUNTS if n <= cpus))})
    words = [word.strip() for word in text.split(",")]
    most = min(cpus, _MOST_THREADS)
    if all(re.fullmatch(r"[1-9]\d{0,3}", word) and int(word) <= most for word in words):
        return sorted({int(word) for word in words})
    raise SitegenError(
        f"{text!r} is not a list of thread counts up to the {most} CPUs",
        where="--set hardware.threads",
        fix="write for example 1,2,4,8",
    )
