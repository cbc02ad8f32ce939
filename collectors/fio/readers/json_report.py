"""fio --output-format=json and json+, of any version, with all that may stand around the JSON.

Units are known by the keys that are there, never by a version.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct, field

from collectors.fio import jobs
from collectors.fio.jobs import (
    DIRECTIONS,
    LATENCIES,
    MIXED,
    MOST_DISKS,
    STATISTICS,
    Latency,
    Report,
    Side,
)
from collectors.fio.readers import wrapping
from collectors.fio.readers.runs import JSON_SIGN, Run, holds
from collectors.fio.workloads import Asks
from sitegen.collect import Reader, Reading, decode
from sitegen.collect.decode import Number, Text, Whole
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Doubt

_START = re.compile(rb"(?m)^[ \t\[,]*\{(?=\s*[\"}])|\{(?=\s*\"fio version\"\s*:)")
_NEXT = re.compile(rb"\s*,\s*\{")
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_BYTE = re.compile(r" \(byte (\d+)\)")
_SECTOR, _KIB, _MILLI = 512, 1024, 1000
#: Up to fio 2.20 keys of bins are places in a table, whose size stands among them.
_TABLE_SIZE, _MOST_DIGITS = "FIO_IO_U_PLAT_NR", 4
_NEAR = 0.05  # of two rounded figures of one quantity
_LONGEST, _SCALARS = 201, (str, int, float)
_LONGEST_S = 1e8
_DEEPEST = 16
_EVERYONE = "All clients"
#: What two reports' times may differ by: of whole seconds, and of exact ones.
_APART_S, _STILL_S = 1.1, 0.2


def knows(data: bytes) -> bool:
    """Tell whether ``data`` holds fio's JSON."""
    return holds(data, JSON_SIGN) and holds(data, b'"jobs"', b'"client_stats"')


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``."""
    reports, cut = reports_of(data)
    cut = cut and f"another report follows and breaks off at {cut}"
    return (Run(reports, asks.answers).reading(cut),)


def reports_of(data: bytes) -> tuple[list[Report], str]:
    """Return the final reports in ``data``, and where a further one breaks off.

    With --status-interval fio prints one report after another, each of all that was done so
    far: the last one counts. Raises SitegenError when there is no whole one.
    """
    output = output_in(data)
    if not output.reports:
        place, _, reason = output.cut.partition(": ")
        broken = f"the JSON breaks off or is damaged: {reason}"
        raise SitegenError(broken if reason else "no JSON in it is fio's own", where=place)
    following = (*output.reports[1:], None)
    pairs = zip(output.reports, following, strict=True)
    return [report for report, then in pairs if not (then and _goes_on(report, then))], output.cut


def _goes_on(first: Report, then: Report) -> bool:
    """Tell whether ``then`` is a later report of the run that ``first`` is of."""
    alike = [
        (r.disks, [(job.name, job.group, job.options) for job in r.jobs]) for r in (first, then)
    ]
    if alike[0] != alike[1] or first.ended is None or then.ended is None:
        return False
    if first.begun is not None and then.begun is not None:
        return first.begun == then.begun
    # Before fio 3.34 nothing says when a job began: its time goes on as the clock does.
    passed = then.ended - first.ended
    (ran, moved), (longer, more) = _measured(first), _measured(then)
    as_long = longer > ran and abs(passed - (longer - ran)) <= _STILL_S
    more_moved = all(a <= b for a, b in zip(moved, more, strict=True))
    grown = more_moved and (as_long or passed <= _STILL_S < ran)
    # What was counted while a ramp lasted is forgotten when it ends; the time since the start,
    # in whole seconds, goes on.
    age, older = first.duration_s or 0.0, then.duration_s or 0.0
    ramped = older > age and older - passed > 1 and abs(passed - (older - age)) <= _APART_S
    return passed >= 0 and (grown or ramped)


def _measured(report: Report) -> tuple[float, list[float]]:
    """Return the longest runtime, and the bytes that each job moved in each direction."""
    directions = (*DIRECTIONS, MIXED)
    moved = [
        jobs.bytes_moved(jobs.sides([job], d)) or 0.0 for job in report.jobs for d in directions
    ]
    return jobs.longest(side for job in report.jobs for side in job.sides), moved


class _Block(Struct):
    """One kind of latency."""

    mean: Number = 0.0
    stddev: Number | None = None
    min: Number | None = None
    max: Number | None = None
    N: Whole | None = None
    percentile: dict[float, Number] = {}
    bins: Raw = Raw(b"{}")

    def counts(self) -> Mapping[int, int]:
        """Return how many I/Os took how long."""
        if _TABLE_SIZE.encode() in bytes(self.bins):
            table = decode.document(self.bins, dict[str, Whole], "bins")
            short = {key: n for key, n in table.items() if n and len(key) <= _MOST_DIGITS}
            return {jobs.bin_value(int(key)): n for key, n in short.items() if key.isdecimal()}
        bins = decode.document(self.bins, dict[Whole, Whole], "bins")
        return {value: times for value, times in bins.items() if times}


class _Direction(Struct):
    """One direction of a job, or the syncs; programs around fio leave out what is 0.

    fio 2 has rates in KiB/s, and latencies in microseconds under shorter names.
    """

    io_bytes: Number | None = None
    io_kbytes: Number | None = None
    bw: Number | None = None
    bw_bytes: Number | None = None
    iops: Number | None = None
    runtime: Number | None = None
    total_ios: Whole | None = None
    iops_min: Number | None = None
    iops_max: Number | None = None
    iops_mean: Number | None = None
    iops_stddev: Number | None = None
    iops_samples: Number = 0.0
    lat_ns: _Block | None = None
    clat_ns: _Block | None = None
    slat_ns: _Block | None = None
    lat: _Block | None = None
    clat: _Block | None = None
    slat: _Block | None = None


class _Entry(Struct):
    """One job, or a group of them."""

    jobname: str
    groupid: int = 0
    error: int = 0
    options: dict[str, Any] | None = field(name="job options", default=None)
    hostname: str = ""
    port: Any = None
    read: _Direction | None = None
    write: _Direction | None = None
    trim: _Direction | None = None
    mixed: _Direction | None = None
    sync: _Direction | None = None
    usr_cpu: Number | None = None
    sys_cpu: Number | None = None
    elapsed: Number = 0.0
    job_start: Number = 0.0
    total_err: Whole = 0
    steadystate: dict[str, Any] = {}
    iodepth_level: dict[str, Number] = {}


class _Metadata(Struct):
    name: Text = ""


class _StorageClass(Struct):
    """What kubestr says of the storage that it tested."""

    metadata: _Metadata = field(default_factory=_Metadata)


class _Document(Struct):
    """One document as fio writes it."""

    version: Text = field(name="fio version")
    timestamp: Number | None = None  # of clients
    timestamp_ms: Number | None = None
    options: dict[str, Any] | None = field(name="global options", default=None)
    jobs: list[_Entry] = []
    client_stats: list[_Entry] = []
    disk_util: list[dict[str, Number | str]] | None = None

    def report(self, chatter: str, storage: str) -> Report:
        """Return what it says; raises SitegenError for what is missing.

        ``storage`` is what it ran on, where the disks are not named.
        """
        every = self.jobs or self.client_stats
        # The sum over clients has no percentiles: it counts where there is nothing else.
        entries = [entry for entry in every if entry.jobname != _EVERYONE] or every
        begun = min((entry.job_start / _MILLI for entry in entries if entry.job_start), default=0.0)
        elapsed = max((entry.elapsed for entry in entries), default=0.0)
        duration = elapsed if 0 < elapsed < _LONGEST_S else None
        ended = self.timestamp if self.timestamp_ms is None else self.timestamp_ms / _MILLI
        started = begun if begun > jobs.EARLIEST else (ended or 0.0) - (duration or 0.0)
        # The first disk is the device of the file, the rest lie below it.
        disk = self.disk_util[0] if self.disk_util else {}
        names = [str(each.get("name", "")) for each in (self.disk_util or [])[:MOST_DISKS]]
        sectors = {side: disk.get(f"{side}_sectors") for side in DIRECTIONS}
        return Report(
            version=self.version.removeprefix("fio-")[:40] or "unknown",
            jobs=tuple(_job(entry, self.options) for entry in entries),
            chatter=chatter,
            started_at=jobs.stamp(started),
            duration_s=duration,
            begun=begun if begun > jobs.EARLIEST else None,
            ended=ended,
            device={k: n * _SECTOR for k, n in sectors.items() if isinstance(n, float)},
            disks=tuple(names) or tuple(filter(None, [storage])),
        )


class Output(NamedTuple):
    """The reports in an output of fio's, the text around, and where a last report breaks off."""

    reports: tuple[Report, ...]
    chatter: str
    cut: str = ""


def output_in(data: bytes) -> Output:
    """Return what fio's JSON in ``data`` says, all of it up to what is damaged.

    fio prints notes before its JSON, one document a status interval, and programs around it put
    it into their own. Raises SitegenError with the place of what is not as fio writes it.
    """
    with contextlib.suppress(SitegenError):
        output = _read(data)
        if output.reports:
            return output
    return _read(wrapping.json_in(plain(data)).encode())


def _read(data: bytes) -> Output:
    texts, chatter, cut = _split(data)
    reports: list[Report] = []
    for begin, text in texts:
        try:
            reports += _reports(text, chatter)
        except SitegenError as error:
            where = f"the report in {_line(data, begin)}: {error.where}".removesuffix(": ")
            raise SitegenError(error.what, where=where, fix=error.fix) from error
    return Output(tuple(reports), chatter, cut)


def _split(data: bytes) -> tuple[list[tuple[int, memoryview]], str, str]:
    """Return the JSON documents with the byte that each begins at, the text around, and the cut."""
    documents: list[tuple[int, memoryview]] = []
    around: list[bytes] = []
    cut, at = "", 0
    # In a list of objects the next one need not begin a line.
    while start := (documents and _NEXT.match(data, at)) or _START.search(data, at):
        around.append(data[at : start.start()])
        begin = start.end() - 1
        try:
            document = _first(memoryview(data)[begin:])
        except (msgspec.DecodeError, RecursionError) as error:
            byte = _BYTE.search(str(error))
            place = _line(data, begin + int(byte[1]) if byte else len(data))
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            cut, at = f"{place}: {_BYTE.sub('', reason)}", len(data)
            break
        documents.append((begin, document))
        at = begin + len(document)
        if len(documents) > decode.MOST_DOCUMENTS:
            raise SitegenError(f"holds more than {decode.MOST_DOCUMENTS:,} JSON documents")
    around.append(data[at:])
    return documents, b"\n".join(around).decode("utf-8", "replace"), cut


def _first(text: memoryview) -> memoryview:
    """Return the JSON document that ``text`` begins with; msgspec says where the next text is."""
    try:
        msgspec.json.decode(text, type=Raw)
    except msgspec.DecodeError as error:
        if not (rest := _TRAILING.search(str(error))):
            raise
        return text[: int(rest[1]) - 1]
    return text


def _line(data: bytes, at: int) -> str:
    newlines = data.count(b"\n", 0, at)
    return f"line {newlines + 1}"


def _reports(text: memoryview, chatter: str) -> list[Report]:
    documents = list(_parts(text))
    if len(documents) > 1:
        fix = f"import them one by one: {documents[0][0][1:60]}, {documents[1][0][1:60]} ..."
        raise SitegenError(f"holds {len(documents)} reports of fio's in one JSON document", fix=fix)
    return [
        decode.document(part, _Document).report(chatter, storage) for _, part, storage in documents
    ]


def _parts(
    text: memoryview, place: str = "", storage: str = "", depth: int = 0
) -> Iterator[tuple[str, memoryview, str]]:
    """Yield fio's documents in one that may be of a program around it.

    Each with its place, and the storage class that kubestr says beside it.
    """
    inner: dict[str, Raw] = {}
    if bytes(text[:1]) == b"{":
        inner = decode.document(text, dict[str, Raw], place)
        if "fio version" in inner and ("jobs" in inner or "client_stats" in inner):
            yield place, text, storage
            return
        storage = _storage(inner.get("storageClass")) or storage
    elif bytes(text[:1]) == b"[":
        raws = decode.document(text, list[Raw], place)
        inner = {str(number): raw for number, raw in enumerate(raws)}
    for key, raw in inner.items() if depth < _DEEPEST else ():
        inside = f"{place}.{ascii(key)[1:-1][:60]}"
        yield from _parts(memoryview(raw), inside, storage, depth + 1)


def _storage(raw: Raw | None) -> str:
    with contextlib.suppress(SitegenError):
        found = decode.document(memoryview(raw or b"{}"), _StorageClass)
        return f"storage class {found.metadata.name}" if found.metadata.name else ""
    return ""


def _job(entry: _Entry, shared: Mapping[str, Any] | None) -> jobs.Job:
    parts = ((d, getattr(entry, d)) for d in (*DIRECTIONS, MIXED))
    sides = [side for d, part in parts if part and (side := _side(part, d)) is not None]
    shares = [share for share in (entry.usr_cpu, entry.sys_cpu) if share is not None]
    attained = entry.steadystate.get("attained")
    return jobs.Job(
        name=entry.jobname,
        group=entry.groupid,
        error=entry.error,
        options=_options({**(shared or {}), **(entry.options or {})}),
        # Of the sum over clients the options never stand there.
        stated=entry.options is not None or (shared is not None and entry.jobname != _EVERYONE),
        deepest=jobs.deepest(entry.iodepth_level),
        begun=entry.job_start / _MILLI or None,
        client=f"{entry.hostname}:{entry.port}" if entry.hostname else "",
        sides=tuple(side for side in sides if side.direction != MIXED or len(sides) == 1),
        cpu=sum(shares) / 100 if len(shares) > 1 else None,
        sync=_latency(entry.sync, "lat", 1) if entry.sync else None,
        failed_ios=entry.total_err,
        steady=bool(attained) if attained in (0, 1) else None,
    )


def _side(part: _Direction, direction: str) -> Side | None:
    """Return what one job did in one direction, None where that is nothing."""
    if not part.total_ios and not (part.iops if part.io_bytes is None else part.io_bytes):
        return None
    bandwidth = part.bw * _KIB if part.bw_bytes is None and part.bw is not None else part.bw_bytes
    if part.io_bytes is None or bandwidth is None or part.runtime is None:
        raise SitegenError(f"io_bytes, bw or runtime of a job's {direction}s is missing")
    runtime, moved = part.runtime / _MILLI, part.io_bytes
    by_rate = bandwidth / _KIB * runtime
    if part.io_kbytes is None and by_rate and abs(moved / by_rate - 1) < _NEAR:
        moved *= _KIB  # up to fio 2.20 io_bytes holds KiB
    rough = round((part.iops or 0.0) * runtime) or 1
    count = rough if part.total_ios is None else part.total_ios
    names = STATISTICS[: 4 if part.iops_samples > 1 else 3]
    if not part.iops_samples or part.iops_samples >= (part.total_ios or 0) > 1:
        names = ()  # with an IOPS log of single I/Os each of them is a sample of 1
    return Side(
        direction=direction,
        runtime_s=runtime,
        ios=part.total_ios,
        moved=moved,
        iops=part.iops,
        bandwidth=bandwidth,
        spread={n: v for n in names if (v := getattr(part, f"iops_{n}")) is not None},
        latencies={m: lat for kind, m in LATENCIES.items() if (lat := _latency(part, kind, count))},
        doubts=tuple(_contradictions(part, moved, bandwidth, runtime)) if runtime > 0 else (),
    )


def _contradictions(
    part: _Direction, moved: float, bandwidth: float, runtime: float
) -> Iterator[tuple[Doubt, str]]:
    """Yield a doubt for each two figures of one quantity that do not agree."""
    # The runtime is in whole milliseconds, and so everything divided by it is uncertain.
    slack = 1 / (runtime * _MILLI)
    if part.total_ios is not None and part.iops is not None:
        rate = part.total_ios / runtime
        if not jobs.agree(rate, part.iops, 1 + slack * rate):
            sentence = f"iops is {part.iops:g}, and total_ios over runtime is {rate:g}"
            yield Doubt.INCONSISTENT, sentence
    rate = moved / runtime
    if not jobs.agree(rate, bandwidth, _KIB + slack * rate):
        over = f"io_bytes over runtime is {rate:.0f} B/s"
        yield Doubt.INCONSISTENT, f"the bandwidth is {bandwidth:.0f} B/s, and {over}"


def _latency(part: _Direction, kind: str, ios: int) -> Latency | None:
    """Return one kind of latency, None where there is none, as with gtod_reduce."""
    exact: _Block | None = getattr(part, f"{kind}_ns")
    block, units = (getattr(part, kind), 1e6) if exact is None else (exact, 1e9)
    # A mean over no I/O is 0. Up to fio 3.8 there is no N.
    if block is None or not block.mean or not (count := ios if block.N is None else block.N):
        return None
    return Latency(
        units=units,
        count=count,
        figures={n: v for n in STATISTICS if (v := getattr(block, n)) is not None},
        percentiles={p: value / units for p, value in block.percentile.items() if p > 0},
        bins=block.counts,
    )


def _options(options: Mapping[str, Any]) -> dict[str, str]:
    """Return options as texts; newest fio gives flags an empty one."""
    texts = ((key, str(value)) for key, value in options.items() if isinstance(value, _SCALARS))
    return {k: text for k, text in texts if len(text) < _LONGEST and f"{k}{text}".isprintable()}


READER = Reader("fio-json", "fio --output-format=json or json+", knows, read, Asks)
