"""Memory bandwidth with likwid-bench: what it is asked to do, and what it prints.

The layout of the report is that of likwid-bench 5.2 to 5.4 (its source, bench/likwid-bench.c).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct, structs

from sitegen.collect import Host, RawOutput, Reading, Recorder, Step, decode
from sitegen.collect.settings import Settings, Size, described
from sitegen.collect.text import error_line
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

_MARKER = "Running without Marker API"
_THREAD = re.compile(r"^Group: \d+ Thread \d+ .*running on hwthread (\d{1,6}) ", re.MULTILINE)
_Threads = Annotated[int, Meta(ge=1, le=_MOST_THREADS)]
_Kernel = Literal["load", "copy", "triad"]


class Options(Settings, frozen=True):
    """What may be asked of a measurement of bandwidth."""

    threads: Annotated[tuple[_Threads, ...], described("default: 1,2,4,8 and all CPUs")] = ()
    size: Annotated[Size, described("of all arrays of a kernel (default: 2GB)")] | None = None
    kernels: Annotated[tuple[_Kernel, ...], described("default: load,copy,triad")] = ()


class Preset(NamedTuple):
    """How much a preset does; ``passes`` are iterations, or until so many seconds have gone by."""

    bytes: int
    passes: tuple[str, str]
    about_s: float
    all_only: bool = False


PRESETS = {
    "quick": Preset(1000 * _MB, ("-i", "20"), 2.5, all_only=True),
    "standard": Preset(2000 * _MB, ("-s", "1"), 7.0),
    "thorough": Preset(2000 * _MB, ("-s", "4"), 14.0),
}


class Memory(NamedTuple):
    """What decides how large arrays can be and must be, in bytes; None where it is not known."""

    free: int | None
    last_level_caches: int | None


class Report(Struct, frozen=True):
    """One report of likwid-bench. ``rate`` is as printed, in 10^6 bytes a second."""

    kernel: str
    threads: int
    hardware_threads: tuple[int, ...]
    size_bytes: int
    volume_bytes: int
    time_s: str
    clock_hz: int
    rate: str


#: The lines of a report, by field: the label, and the form of what follows.
_LINES = {
    "kernel": ("Test:", r"([a-z0-9_]{1,64})"),
    "size_bytes": ("Size (Byte):", r"(\d{1,18})"),
    "volume_bytes": ("Data volume (Byte):", r"(\d{1,18})"),
    "time_s": ("Time:", r"(\d\.\d{6}e[+-]\d\d) sec"),
    "clock_hz": ("Cycle Clock:", r"(\d{1,18})"),
    "rate": ("MByte/s:", r"(\d{1,12}\.\d\d)"),
}


def memory_of(host: Host) -> Memory:
    """Return the free memory, as a container's limit leaves it, and the last-level caches."""
    caches: dict[str, int] = {}
    for cpu in range(_MOST_THREADS):
        base = f"/sys/devices/system/cpu/cpu{cpu}/cache/index3"
        shared, size = host.read(f"{base}/shared_cpu_list"), host.read(f"{base}/size")
        if shared is None or size is None:
            break
        if match := re.fullmatch(r"(\d{1,9})K", size):
            caches[shared] = int(match[1]) * 1024
    return Memory(host.free_memory(), sum(caches.values()) or None)


def steps(
    tool: ToolIdentity, preset: str, cpus: int, options: Options, memory: Memory
) -> tuple[Step, ...]:
    """Return one step a kernel and thread count.

    Raises SitegenError for a setting out of range, or when there is too little memory.
    """
    work, (free, caches) = PRESETS[preset], memory
    total = _bytes(options.size, work.bytes, free)
    context = () if caches is None else (("caches", str(caches)),)
    counts = _threads(options.threads, cpus, all_only=work.all_only)
    listed = []
    for kernel in dict.fromkeys(options.kernels or KERNELS):
        for threads in counts:
            about = params(kernel=kernel, threads=threads, size=total, source="measured")
            row = Measurement(WORKLOAD, "hardware.memory_bandwidth", "value", "B/s", None, about)
            place = f"N:{total // _MB}MB:{threads}"
            argv = (tool.path, "-t", KERNELS[kernel], "-W", place, *work.passes)
            name = f"{kernel}-threads-{threads}"
            listed.append(Step(name, WORKLOAD, argv, _LIMIT_S, about, (row,), context))
    return tuple(listed)


def run(step: Step, host: Host) -> RawOutput:
    """Run likwid-bench once and note where its threads ran and for how long it timed."""
    raw = host.run(step.argv, timeout_s=step.timeout_s)
    try:
        report = report_in(raw.stdout.decode("utf-8", "replace"))
    except SitegenError:
        return raw  # `parse` says what is wrong
    threads = " ".join(map(str, report.hardware_threads))
    clock = ("clock_hz", str(report.clock_hz))
    values = (("hardware_threads", threads), ("timed_s", report.time_s), clock)
    return structs.replace(raw, values=values)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the rate of one report, suspect when it is not that of memory."""
    about, reason = dict(step.params), _reason(raw)
    if raw.exit_code != 0:
        message = f"likwid-bench ended with code {raw.exit_code}: {reason}"
        raise SitegenError(message, where=step.name)
    try:
        report = report_in(raw.stdout.decode("utf-8", "replace"))
    except SitegenError as error:
        message = f"{error.what}: {reason}".removesuffix(": ")
        raise SitegenError(message, where=step.name) from error
    kernel = KERNELS[about["kernel"]]
    if (report.kernel, str(report.threads)) != (kernel, about["threads"]):
        message = f"the report is of {report.kernel} with {report.threads} threads"
        raise SitegenError(f"{message}, not of {kernel} with {about['threads']}", where=step.name)
    recorder, rate = Recorder(), float(Decimal(report.rate) * _MB)
    series = recorder.series(step.workload, step.params, status=_status(step, raw, report))
    series.add("hardware.memory_bandwidth", "value", rate, report.rate)
    return recorder.reading()


def report_in(text: str) -> Report:
    """Return the one report in ``text``. Lines are known by label, each must be there once.

    Raises SitegenError for a line that is missing, doubled or in another form, and when volume,
    time and rate do not agree: a digit was lost.
    """
    fields: dict[str, object] = {"hardware_threads": _THREAD.findall(text)}
    for name, (label, form) in _LINES.items():
        lines = re.findall(rf"^{re.escape(label)}(.*)$", text, re.MULTILINE)
        match = re.fullmatch(rf"\s+{form}\s*", lines[0]) if len(lines) == 1 else None
        if match is None:
            raise SitegenError(f"likwid-bench did not print one readable line {label!r}")
        fields[name] = match[1]
    if len(threads := re.findall(r"^Using (\d{1,6}) threads$", text, re.MULTILINE)) != 1:
        raise SitegenError("likwid-bench did not print how many threads it used")
    report = decode.convert({**fields, "threads": threads[0]}, Report, strict=False)
    time, rate = float(report.time_s), float(report.rate)
    expected = report.volume_bytes / time / _MB if time else 0.0
    if not time or abs(rate - expected) > _RATE_STEP + 2 * _TIME_DIGITS * expected:
        work = f"{report.volume_bytes} bytes in {report.time_s} s"
        raise SitegenError(f"likwid-bench printed {report.rate} MByte/s for {work}")
    return report


def _status(step: Step, raw: RawOutput, report: Report) -> Status:
    """Return suspect when the rate is not that of memory, or not of so many CPUs."""
    size, caches = int(dict(step.params)["size"]), int(step.get("caches", "0"))
    time = float(report.time_s)
    suspect = (
        # Two threads on one hardware thread take turns: the domain held fewer than asked for.
        len(set(report.hardware_threads)) != report.threads
        or abs(report.size_bytes - size) > _SIZE_TOLERANCE * size
        or report.size_bytes < _CACHES * caches
        # likwid converts clock ticks by a frequency that it measured; a guest's can be disturbed.
        or 0 < raw.duration_s < time
        or time < _LEAST_TIME_S
    )
    return Status.SUSPECT if suspect else Status.OK


def _reason(raw: RawOutput) -> str:
    lines = raw.stderr.decode("utf-8", "replace").splitlines(keepends=True)
    messages = "".join(line for line in lines if _MARKER not in line)
    reason = error_line(messages, "Error", "ERROR", "sitegen:")
    return reason or ("it said nothing" if raw.exit_code else "")


def _bytes(chosen: int | None, usual: int, free: int | None) -> int:
    """Return the bytes asked for, or the largest fixed size that the free memory takes.

    Fixed, so that machines of one size class still meet. Raises SitegenError when none fits.
    """
    if chosen is None:
        sizes = [usual, *(size for size in _LOWERED if size < usual)]
        if fits := [size for size in sizes if free is None or size <= _SHARE * free]:
            return fits[0]
        needed = f"{int(_LOWERED[-1] / _SHARE) // _MB} needed"
        message = f"{(free or 0) // _MB} MB of memory are free and {needed}"
        raise SitegenError(message, where="hardware")
    if chosen % _MB or not _LEAST_BYTES <= chosen <= _MOST_BYTES:
        raise SitegenError("it takes whole MB from 64MB to 1000GB", where="--set hardware.size")
    if free is not None and chosen > free:
        message = f"{chosen // _MB} MB do not fit into the {free // _MB} MB of memory that are free"
        raise SitegenError(message, where="--set hardware.size")
    return chosen


def _threads(chosen: tuple[int, ...], cpus: int, *, all_only: bool) -> list[int]:
    """Return thread counts, none above the CPUs: more would only take turns."""
    if chosen and max(chosen) > cpus:
        message = f"{max(chosen)} threads are more than the {cpus} CPUs"
        raise SitegenError(message, where="--set hardware.threads")
    return sorted({*chosen} or {cpus, *(n for n in _COUNTS if n <= cpus and not all_only)})
