"""What fio prints for people (--output-format=normal), of fio 3 and later."""

from __future__ import annotations

import contextlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from collectors.fio import jobs, load
from collectors.fio.jobs import (
    DIRECTIONS,
    LATENCIES,
    MOST_DISKS,
    STATISTICS,
    Job,
    Latency,
    Report,
    Side,
)
from collectors.fio.readers import wrapping
from collectors.fio.readers.runs import JSON_SIGN, TEXT_SIGN, Run, holds
from collectors.fio.workloads import Asks, block_of
from sitegen.collect import Reader, Reading
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Doubt

#: What a dbench prints: its output has a reader of its own.
DBENCH_SIGNS = (b"Dbench Summary", b"FIO Summary", b"FIO bench Summary", b"Testing Read IOPS...")
#: ``name: (g=0): rw=randread, bs=..., ioengine=libaio, iodepth=4``
_HEADER = (
    r"\(g=(?P<header>\d{1,9})\): rw=(?P<rw>\w{1,20}),\s{1,8}bs=(?P<bs>[^=]{1,200}),\s{1,8}"
    r"ioengine=(?P<engine>[^\s,]{1,80}),\s{1,8}iodepth=(?P<depth>\d{1,9})"
)
#: ``name: (groupid=0, jobs=1): err= 0: pid=2668: Sat Nov 21 14:02:06 2026``
_JOB = (
    r"\(groupid=(?P<group>\d{1,9}), jobs=(?P<jobs>\d{1,9})\): err=\s{0,4}(?P<error>\d{1,9})"
    r"(?: \([^\n]{0,250}\))?(?:: pid=(?P<pid>\d{1,10})(?:: (?P<time>[^\n]{1,60}))?)?"
)
#: A bullet, a number or a bar that a page puts before a line, and what it puts around a name.
_MARKS = r"(?:(?:[-+|]|#{1,6}|\d{1,3}[.)])[ \t]{1,8}){0,2}"
_SLANTED = re.compile(r"(_{1,3})(\S|\S.*\S)\1")
_EVENT = re.compile(
    rf"(?m)^[ \t]{{0,40}}{_MARKS}(?:(?P<name>\S[^\n]{{0,200}}?): (?:{_HEADER}|{_JOB})"
    r"|fio[- ](?P<version>\d[\w.+-]{0,60})[ \t]{0,8}$"
    r"|(?P<summary>Run status group \d))"
)
_CLIENT = re.compile(r"(?m)^<([^<>\n]{1,100})> ?")
_CPU = re.compile(
    r"(?m)^[ \t]*cpu[ \t]*: usr=\s*(\d{1,9}(?:\.\d{1,9})?)%, sys=\s*(\d{1,9}(?:\.\d{1,9})?)%"
)
_DEPTHS = re.compile(r"(?m)^[ \t]*IO depths[ \t]*: ([^\n]{1,200})")
_DEPTH = re.compile(r"(\d{1,2})=(\d{1,3}(?:\.\d{1,2})?)%")
_DISK = re.compile(r"(?m)^[ \t]*([\w!./-]{1,64}): ios=\d")
_DEVICE = re.compile(r"(?:--|^|\s)filename[= ](/dev/[\w./:-]{1,200})")
_STEADY = re.compile(r"(?m)^[ \t]*steadystate[ \t]*: attained=(yes|no)\b")
_UNZONED = "fio's text has no time zone: its time is taken for UTC."
_SUM = "All clients"
_AT_ONCE_S = 5
_MOST_LINES = 10_000
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)([kKMGTP]?)(i?)(?:B|(bit))?(?:/s)?", re.ASCII)
#: What sizes that are no power of two are a multiple of.
_PAGE, _ROUND = 4096, 1000
#: A size that was not rounded.
_WHOLE = re.compile(r"\d{1,15}(?:(?:\.0+)?[KMGT]i)?B")
_LEVELS = " KMGTP"
#: What a part of the section begins with.
_FIRST = re.compile(
    r"(?m)^[ \t]*(?:fsync/fdatasync|(?:read|write|trim|mixed)[ \t]*: (?:IOPS|io)=)[^\n]*"
)
#: ``read: IOPS=42.6k, BW=167MiB/s (175MB/s)(167MiB/1001msec)``
_RATES = re.compile(
    r"[ \t]*(\w+)[ \t]*: IOPS=(?P<iops>[\w.]{1,20}), BW=(?P<rate>[\w./]{1,20}) "
    r"\((?P<decimal>[\w./]{1,20})\)\((?P<total>[\w.]{1,20})/(?P<runtime>\d{1,15})msec\)"
)
_FOUR = ", ".join(
    rf"{name}=[ \t]*([\w.]{{1,24}})[ \t]{{0,4}}" for name in ("min", "max", "avg", "stdev")
)
_LATENCY = re.compile(
    rf"(?m)^[ \t]*(slat|clat|lat|sync)[ \t]*\((nsec|usec|msec|sec)\)[ \t]*: {_FOUR}"
)
_SPREAD = re.compile(rf"(?m)^[ \t]*iops[ \t]*: {_FOUR}(?:, samples=\s*(\d{{1,12}}))?")
_PERCENTILES = re.compile(
    r"(?m)^[ \t]*(?:(slat|clat|lat|sync) )?percentiles \((nsec|usec|msec|sec)\):"
    r"((?:[^\n]*\n[ \t]*(?:\||(?=\n)))+[^\n]*)"
)
_PERCENTILE = re.compile(r"(\d{1,3}\.\d{1,6})th=\[\s*(\d{1,18})\]")
_COUNTS = r"(?:r=)?(\d{1,18})(?:,|/w=)(\d{1,18})(?:(?:,|/d=)(\d{1,18}))?"
_ISSUED = re.compile(
    rf"(?m)^[ \t]*issued(?: rwts?)?[ \t]*: total={_COUNTS}[^\n]{{0,40}}? short={_COUNTS}"
)
_UNITS = {"nsec": 1e9, "usec": 1e6, "msec": 1e3, "sec": 1.0}


class Printout(Struct):
    """One output of fio, and whether it has its end.

    ``jobs`` are by name, group and process, each with the time that stands there; None is a job
    of which nothing but the first line is there.
    """

    text: str = ""
    version: str = ""
    headers: dict[tuple[str, int], Mapping[str, str]] = field(default_factory=dict)
    jobs: dict[tuple[str, int, str], tuple[float | None, Job | None]] = field(default_factory=dict)
    ended: bool = False
    hosts: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()

    def report(self) -> tuple[Report, bool]:
        """Return what it says, and whether nothing of it is missing."""
        # The sum over clients counts where there is nothing else.
        pairs = [pair for (name, _, _), pair in self.jobs.items() if name != _SUM]
        pairs = pairs or list(self.jobs.values())
        times = [time for time, _ in pairs if time is not None]
        finished = [job for _, job in pairs if job is not None]
        report = Report(
            self.version,
            tuple(self._marked(finished)),
            self.text,
            started_at=jobs.stamp(min(times, default=None)),
            disks=tuple(dict.fromkeys(_DISK.findall(self.text)))[:MOST_DISKS] or self.disks,
            hosts=self.hosts,
            notes=(_UNZONED,) if times else (),
        )
        return report, self.ended and len(finished) == len(pairs)

    def _marked(self, finished: Iterable[Job]) -> Iterator[Job]:
        """Yield the jobs; those that stand for several with what says that they were not alike."""
        own = {(name, group) for name, group, _ in self.jobs}
        added: defaultdict[int, dict[str, Mapping[str, str]]] = defaultdict(dict)
        for (name, group), options in self.headers.items():
            if (name, group) not in own:
                added[group][name] = options
        kinds = {group: set(map(_kind, every.values())) for group, every in added.items()}
        for job in finished:
            others = kinds.get(job.group, set()) if job.clones > 1 else set()
            if not others - {_kind(job.options)}:
                yield job
                continue
            names = ", ".join(ascii(n)[1:-1][:40] for n in [job.name, *islice(added[job.group], 3)])
            engines = {dict(kind).get("ioengine") for kind in others | {_kind(job.options)}}
            kept = {k: v for k, v in job.options.items() if k != "ioengine" or len(engines) == 1}
            unlike = f"it adds up jobs that are not alike: {names}"
            yield replace(job, options=kept, unlike=unlike)


def _kind(options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(options.items()))


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is fio's text, and neither its JSON nor a dbench's."""
    fits = holds(data, TEXT_SIGN) and not holds(data, JSON_SIGN, *DBENCH_SIGNS)
    return fits and not wrapping.holds_strings(data)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``."""
    reports, cut = reports_of(data)
    return (Run(reports, asks.answers).reading(cut),)


def reports_of(data: bytes) -> tuple[list[Report], str]:
    """Return the outputs of fio in ``data``, and what is missing of one that is cut off."""
    pairs = [printout.report() for printout in _printouts(data) if printout.jobs]
    if not pairs:
        raise SitegenError("no line begins as fio's do: take off what others put before them")
    if not any(report.jobs for report, _ in pairs):
        raise SitegenError("breaks off before the first figure of a job")
    cut = "it ends before fio's own summary, and what stood there is missing"
    return [report for report, _ in pairs], "" if all(whole for _, whole in pairs) else cut


def _printouts(data: bytes) -> list[Printout]:
    text = plain(data)
    hosts = tuple({match[1]: None for match in islice(_CLIENT.finditer(text), _MOST_LINES)})
    text = wrapping.text_in(_CLIENT.sub("", text))
    ended, _, last = text.rpartition("\n")
    if not last.startswith("Run status group"):
        # A number at the very end may have lost its last digits.
        text = f"{ended}\n"
    events = list(_EVENT.finditer(text))
    clients = any(event["name"] == _SUM for event in events)
    printouts, begin = [Printout()], 0
    for event, end in zip(events, [*(e.start() for e in events[1:]), len(text)], strict=False):
        if printouts[-1].jobs and _begins_another(printouts[-1], event, clients=clients):
            printouts[-1].text = text[begin : event.start()]
            printouts.append(Printout())
            begin = event.start()
        _add(printouts[-1], event, text[event.end() : end])
    printouts[-1].text = text[begin:]
    # The command line that all of it came from, where it stands there.
    devices = set(_DEVICE.findall(text))
    named = load.devices(devices.pop()) if len(devices) == 1 else ()
    for printout in printouts:
        printout.hosts, printout.disks = hosts[:MOST_DISKS], named
    return printouts


def _begins_another(printout: Printout, event: re.Match[str], *, clients: bool) -> bool:
    """Tell whether an event begins another output.

    fio prints all jobs at once and a summary below them, but for those of clients, each with a
    summary and a time of its own, before the sum of all.
    """
    if not event["error"]:
        return not event["summary"]
    (name, _, _), (last, _) = next(reversed(printout.jobs.items()))
    if clients:
        return name == _SUM
    if (_name(event), int(event["group"]), event["pid"]) in printout.jobs:
        return False
    time = _time(event)
    apart = last is not None and time is not None and abs(time - last) > _AT_ONCE_S
    return printout.ended or apart


def _add(printout: Printout, event: re.Match[str], text: str) -> None:
    if event["error"]:
        # With --status-interval the same process is printed again and again: the last counts.
        pid = event["pid"] or "0"
        process = f"the {len(printout.jobs)}th" if pid == "0" else pid
        key = (_name(event), int(event["group"]), process)
        printout.jobs.pop(key, None)
        job = _job(event, text, printout.headers.get(key[:2], {}))
        printout.jobs[key], printout.ended = (_time(event), job), False
    elif event["header"]:
        options = {"rw": event["rw"], "ioengine": event["engine"], "iodepth": event["depth"]}
        if (blocks := _block_sizes(event["bs"])) is not None:
            options["bs"] = blocks
        printout.headers[_name(event), int(event["header"])] = options
    elif event["version"]:
        printout.version = event["version"]
    else:
        printout.ended = bool(printout.jobs)


def _job(event: re.Match[str], text: str, options: Mapping[str, str]) -> Job | None:
    """Return what a job's section says, None where nothing but its first line is there."""
    name, error = _name(event), int(event["error"])
    try:
        sides, sync = _sides(text, options, failed=error > 0)
    except SitegenError as wrong:
        raise SitegenError(wrong.what, where=f"the job {name[:60]!a}", fix=wrong.fix) from wrong
    cpu, steady, depths = _CPU.search(text), _STEADY.search(text), _DEPTHS.search(text)
    levels = _DEPTH.findall(depths[1]) if depths else []
    if not sides and not error and not cpu:
        return None
    return Job(
        name=name,
        group=int(event["group"]),
        error=error,
        options=options,
        clones=int(event["jobs"]),
        deepest=jobs.deepest({name: float(share) for name, share in levels}),
        sides=sides,
        cpu=(float(cpu[1]) + float(cpu[2])) / 100 if cpu else None,
        sync=sync,
        steady=steady[1] == "yes" if steady else None,
    )


def _name(event: re.Match[str]) -> str:
    match = _SLANTED.fullmatch(event["name"])
    return match[2] if match else event["name"]


def _time(event: re.Match[str]) -> float | None:
    text = (event["time"] or "").strip()
    with contextlib.suppress(ValueError, OverflowError):
        return datetime.strptime(f"{text} +0000", "%a %b %d %H:%M:%S %Y %z").timestamp()
    return None


class Printed(NamedTuple):
    """A number in its base unit, half of its last digit, and its text."""

    value: float
    half: float
    text: str

    @property
    def share(self) -> float:
        """Return how much of the value may be rounding."""
        return self.half / self.value if self.value else 0.0

    def holds(self, exact: float, slack: float = 0.0) -> bool:
        """Tell whether ``exact`` may have been printed so: rounded, cut, or ``slack`` off."""
        off = abs(exact - self.value)
        return off <= max(2 * self.half + 0.002 * max(exact, self.value), slack)


def number(text: str) -> Printed:
    """Return a number; ``k`` means 1000 and ``Ki`` 1024. Raises SitegenError for what is none."""
    if not (match := _NUMBER.fullmatch(text.strip())):
        raise SitegenError(f"{ascii(text)[:40]} is not a number of fio's")
    digits, prefix, binary, bits = match.groups()
    scale = float((1024 if binary else 1000) ** _LEVELS.index(prefix.upper() or " "))
    scale /= 8 if bits else 1  # with unit_base=1
    places = len(digits.partition(".")[2])
    return Printed(float(digits) * scale, 0.5 * 10.0**-places * scale, text.strip())


def _sides(
    text: str, options: Mapping[str, str], *, failed: bool
) -> tuple[tuple[Side, ...], Latency | None]:
    """Return the directions of a job's section, and how long its syncs took.

    Figures are exact where the I/Os counted, of one block size, say it. Raises
    SitegenError for what is not as fio prints it.
    """
    match = _ISSUED.search(text)
    counts = [int(count or 0) for count in match.groups()] if match else [0] * 6
    issued, short = (dict(zip(DIRECTIONS, half, strict=True)) for half in (counts[:3], counts[3:]))
    issued[jobs.MIXED] = sum(counts[:3])
    firsts = list(_FIRST.finditer(text))
    ends = [*(first.start() for first in firsts[1:]), len(text)]
    sides: dict[str, Side] = {}
    sync = None
    for first, end in zip(firsts, ends, strict=False):
        part = text[first.end() : end]
        if "fsync" in first[0]:
            sync = _latencies(part, 1).get("sync")
            continue
        if (line := _RATES.match(first[0])) is None:
            raise SitegenError(f"{first[0].strip()[:60]!a} is not as fio 3 prints it")
        # A size that the header does not say may be one that the bytes tell.
        block = block_of(options, line[1]) or "512"
        exact = block.isdecimal() and not short.get(line[1])
        if side := _side(line, part, issued[line[1]], int(block) if exact else 0):
            sides[side.direction] = side
    if any(counts) and not sides and not failed:
        raise SitegenError("its I/Os were counted, and no line tells their rate as fio prints it")
    return tuple(sides.values()), sync


def _block_sizes(text: str) -> str | None:
    """Return ``bs`` of a header as fio's option would say it: bytes, for each direction."""
    sizes = []
    for part in re.findall(r"\([RWT]\) ([^\s,]+)", text):
        ends = [_size(end) for end in part.split("-")[:2]]
        if None in ends:
            return None
        sizes.append("-".join(dict.fromkeys(map(str, ends))))
    return ",".join(sizes) or None


def _size(text: str) -> int | None:
    """Return a size in bytes, of a rounded one that which people choose; None where none is near.

    With kb_base=1000 there is 65.5kB for 65536.
    """
    try:
        printed = number(text)
    except SitegenError:
        return None
    if _WHOLE.fullmatch(text):
        return round(printed.value)
    low, high = printed.value - printed.half, printed.value + printed.half
    power = 1 << int(high).bit_length() - 1
    pages = range(-(-int(low) // _PAGE) * _PAGE, int(high) + 1, _PAGE)
    if power >= low:
        return power
    if len(pages) == 1:
        return pages[0]
    return round(printed.value) if not pages and printed.value % _ROUND == 0 else None


def _side(line: re.Match[str], text: str, ios: int, size: int) -> Side | None:
    """Return one direction, exact where ``ios`` I/Os of ``size`` bytes are what is printed."""
    iops, total, *rates = (number(line[key]) for key in ("iops", "total", "rate", "decimal"))
    runtime_ms = int(line["runtime"])
    runtime = runtime_ms / 1000
    if not runtime or not (total.value or iops.value):
        return None
    match = _SPREAD.search(text)
    names = STATISTICS[: 3 if match and match[5] in ("0", "1") else 4]
    spread = dict(zip(names, map(number, match.groups()), strict=False)) if match else {}
    printed = {f"iops {name}": figure.text for name, figure in spread.items()}
    doubts, exact = [], ios
    for rate in rates:
        expected = total.value / runtime
        if not rate.holds(expected, 2 * (rate.half + total.half / runtime) + expected / runtime_ms):
            time = f"in {runtime_ms} ms are {expected:.4g} B/s"
            sentence = f"the bandwidth is {rate.text}, and {total.text} {time}"
            doubts.append((Doubt.INCONSISTENT, sentence))
    a_second = ios / runtime
    if exact and not iops.holds(a_second, 1 + 2 * iops.half + a_second / runtime_ms):
        time = f"{exact} I/Os in {runtime_ms} ms are {a_second:.5g}"
        doubts.append((Doubt.INCONSISTENT, f"IOPS is {iops.text}, and {time}"))
        exact = 0
    if not exact:
        printed["iops"] = iops.text
        if iops.share > jobs.ROUNDED:
            doubts.append((Doubt.ROUNDED, f"IOPS is printed as {iops.text}"))
    moved = float(exact * _moved_size(total, exact, size))
    if not moved or not total.holds(moved):
        figures = [figure for figure in (total, *rates) if figure.value]
        if not figures:
            raise SitegenError("has no bandwidth")
        best = min(figures, key=lambda figure: figure.share)
        moved = best.value if best is total else best.value * runtime
        printed["bandwidth"] = rates[0].text if best is total else best.text
        printed["io_bytes"] = total.text
        if best.share > jobs.ROUNDED:
            doubts.append((Doubt.ROUNDED, f"the bandwidth is printed as {rates[0].text}"))
    every = _latencies(text, exact or max(round(iops.value * runtime), 1))
    return Side(
        direction=line[1],
        runtime_s=runtime,
        ios=exact or None,
        moved=moved,
        total=total.value if "io_bytes" in printed else None,
        iops=iops.value,
        bandwidth=rates[0].value,
        spread={name: figure.value for name, figure in spread.items()},
        latencies={LATENCIES[kind]: lat for kind, lat in every.items() if kind in LATENCIES},
        printed=printed,
        doubts=tuple(doubts),
    )


def _moved_size(total: Printed, ios: int, size: int) -> int:
    """Return ``size``, or the power of two near what was moved where a header is of another job."""
    if not size or total.value < ios or not ios or total.holds(float(ios * size)):
        return size
    return 1 << round(math.log2(total.value / ios))


def _latencies(text: str, count: int) -> dict[str, Latency]:
    """Return each kind of latency with the digits that were printed."""
    rows = _PERCENTILES.findall(text)
    listed = {kind or "clat": (unit, _PERCENTILE.findall(row)) for kind, unit, row in rows}
    latencies = {}
    for kind, unit, *texts in _LATENCY.findall(text):
        figures = dict(zip(STATISTICS, map(number, texts), strict=True))
        if not figures["max"].value:
            continue  # some engines time no submission
        printed = {name: f"{figure.text} {unit}" for name, figure in figures.items()}
        other, percentiles = listed.get(kind, (unit, []))
        printed |= {f"p{float(percent):g}": f"{value} {other}" for percent, value in percentiles}
        latencies[kind] = Latency(
            units=_UNITS[unit],
            count=count,
            figures={name: figure.value for name, figure in figures.items()},
            percentiles={float(p): float(value) / _UNITS[other] for p, value in percentiles},
            printed=printed,
        )
    return latencies


READER = Reader(
    "fio-text", "fio's text for people (--output-format=normal)", knows, read, Asks, text=True
)
