"""What fio prints for people (--output-format=normal), of fio 2 and 3."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from collectors.fio.document import stamp
from collectors.fio.jobs import Job, Report
from collectors.fio.readers.finding import findings
from collectors.fio.readers.text_side import SideText, block_size
from collectors.fio.workloads import ASKS, answers_of
from collectors.text import plain
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt

#: ``name: (g=0): rw=randread, bs=..., ioengine=libaio, iodepth=4``
HEADER = re.compile(
    r"^(?P<name>\S[^\n]{0,200}?): \(g=(?P<group>\d{1,9})\): rw=(?P<rw>\w{1,20}), "
    r"bs=(?P<bs>[^\n=]{1,200}), ioengine=(?P<engine>[^\s,]{1,80}), iodepth=(?P<depth>\d{1,9})"
)
#: ``name: (groupid=0, jobs=1): err= 0: pid=2668: Sat Nov 21 14:02:06 2026``
JOB = re.compile(
    r"^(?P<name>\S[^\n]{0,200}?): \(groupid=(?P<group>\d{1,9}), jobs=(?P<jobs>\d{1,9})\): "
    r"err=\s{0,4}(?P<error>\d{1,9})(?P<rest>[^\n]{0,400})$"
)
#: In mail an equals sign may be ``=3D``.
JOB_BYTES = re.compile(rb"\S: \(groupid=(?:3D)?\d{1,9}, jobs=(?:3D)?\d{1,9}\): err=")
DBENCH_BYTES = re.compile(
    rb"(?m)^\W{0,6}(?:Dbench|FIO|FIO bench) Summary|^\s{0,16}Testing Read IOPS\.\.\."
)
_INDENTED = re.compile(r"^([ \t]{1,200})\S[^\n]{0,200}?: \(groupid=\d", re.MULTILINE)
#: The line of progress, where the next line was printed over it.
_PROGRESS = re.compile(r"^\s{0,16}Jobs: \d{1,9} \(f=\d{1,9}\)[^\n]{0,8000}\[eta [\ddhms:]{1,30}\]")
_JSON_BYTES = re.compile(rb'"fio version"\s*:')
_VERSION = re.compile(r"^fio[- ](\d[\w.+-]{0,60})\s{0,8}$")
#: fio 2.0.8 and the like, between the headers and "Starting 1 process".
_OLD_VERSION = re.compile(r"^(\d{1,2}\.\d{1,2}(?:\.\d{1,2})?)\s{0,8}$")
_SUMMARY = re.compile(r"^Run status group \d")
_REST = re.compile(
    r"(?: \((?P<problem>[^\n]{0,250})\))?: pid=(?P<pid>\d{1,10})(?:: (?P<time>[^\n]{1,60}))?"
)
_PROBLEM = re.compile(r"error=([^\n/]{1,120})$")
_CLIENT = re.compile(r"^<[^<>\n]{1,100}> ?", re.MULTILINE)
_CPU = re.compile(r"^\s*cpu\s*: usr=\s*([\d.]{1,12})%, sys=\s*([\d.]{1,12})%")
_ISSUED = re.compile(
    r"^\s*issued(?: rwts?| r/w(?:/d)?)?\s*: "
    r"total=(?:r=)?(\d{1,18})(?:,|/w=|/)(\d{1,18})(?:(?:,|/d=|/)(\d{1,18}))?"
    r"[^\n]{0,40}? short=(?:r=)?(\d{1,18})(?:,|/w=|/)(\d{1,18})(?:(?:,|/d=|/)(\d{1,18}))?"
)
_STEADY = re.compile(r"^\s*steadystate\s*: attained=(yes|no)\b")
_TIMES = ("%a %b %d %H:%M:%S %Y",)
_UNZONED = "fio's text has no time zone: its time is taken for UTC."
_MAX_JOBS = 100_000
_SUM = "All clients"
_AT_ONCE_S = 5


@dataclass(slots=True)
class _JobText:
    """One job's section while it is read."""

    name: str
    where: str
    group: int
    error: int
    clones: int
    pid: str
    time: str
    problem: str
    sides: list[SideText] = field(default_factory=list)
    sync: SideText | None = None
    cpu: float | None = None
    steady: bool | None = None
    issued: tuple[int, ...] = ()
    short: tuple[int, ...] = ()


@dataclass(slots=True)
class Section:
    """One output of fio: its headers and jobs, and whether it has its end."""

    line: int
    version: str = ""
    headers: dict[tuple[str, int], Mapping[str, str]] = field(default_factory=dict)
    jobs: list[_JobText] = field(default_factory=list)
    pids: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    whole: bool = False


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is fio's text, and neither its JSON nor a dbench's."""
    narrow = data.replace(b"\0", b"") if b"\0" in data[:100] else data
    return (
        bool(JOB_BYTES.search(narrow))
        and not _JSON_BYTES.search(narrow)
        and not DBENCH_BYTES.search(narrow)
    )


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the runs in ``data``, one for each version of fio."""
    answers = answers_of(settings)
    reports, cut = reports_of(data)
    closed = []
    for finding, those in findings(reports, answers):
        if cut:
            told = "an output ends before fio's own summary, and what stood there is missing"
            finding.doubts.add(Doubt.CUT_OFF, told)
        closed.append(finding.found(those))
    return tuple(closed)


def reports_of(data: bytes) -> tuple[list[Report], bool]:
    """Return the outputs of fio in ``data``, and whether one of them is cut off."""
    found = [section for section in sections(text_of(data)) if section.jobs]
    if not found:
        raise SitegenError("there is no job's result in it")
    reports = [report(section) for section in found]
    if not any(one.jobs for one in reports):
        raise SitegenError("breaks off before its first figure", where=found[-1].jobs[-1].where)
    return reports, not all(section.whole for section in found)


def text_of(data: bytes) -> str:
    """Return the text in ``data`` without clients' names and without the indent of a document."""
    text = _CLIENT.sub("", plain(data))
    if indented := _INDENTED.search(text):
        text = re.sub(rf"^[ \t]{{1,{len(indented[1])}}}", "", text, flags=re.MULTILINE)
    return text


def sections(text: str) -> list[Section]:
    """Return each output of fio in ``text``.

    Raises SitegenError with the line that is not as fio prints it.
    """
    lines = text.split("\n")
    if lines[-1]:
        # A number at the very end may have lost its last digits.
        last = lines.pop()
        if _SUMMARY.match(last):
            lines.append(last)
    found = [Section(1)]
    clients = any(line.startswith(f"{_SUM}: (groupid=") for line in lines)
    for number, drawn in enumerate(lines, 1):
        line = _PROGRESS.sub("", drawn)
        section = found[-1]
        if section.jobs and _is_another(section, line, clients=clients):
            section = Section(number)
            found.append(section)
        section.lines.append(line)
        _take(section, line, number)
        if len(section.jobs) > _MAX_JOBS:
            raise SitegenError(f"there are more than {_MAX_JOBS} jobs", where=f"line {number}")
    return found


def _is_another(section: Section, line: str, *, clients: bool) -> bool:
    """Tell whether ``line`` begins another output.

    fio prints all jobs at once and a summary below them, but for those of clients, each with a
    summary and a time of its own, before the sum of all. At each status interval it prints the
    same processes again.
    """
    if _VERSION.match(line) or HEADER.match(line):
        return True
    match = JOB.match(line)
    if not match or clients:
        return bool(match) and section.jobs[-1].name == _SUM
    job, last = _job(match, ""), section.jobs[-1]
    if job.pid in section.pids:
        return False
    times = (_time(last.time), _time(job.time))
    apart = times[0] is not None and times[1] is not None and abs(times[1] - times[0])
    return section.whole or apart > _AT_ONCE_S


def _take(section: Section, line: str, number: int) -> None:
    where = f"line {number}"
    if match := JOB.match(line):
        section.jobs.append(_job(match, where))
        section.pids |= {section.jobs[-1].pid} - {"0"}
        section.whole = False
    elif match := HEADER.match(line):
        group = int(match["group"])
        options = {"rw": match["rw"], "ioengine": match["engine"], "iodepth": match["depth"]}
        if (blocks := block_size(match["bs"], where)) is not None:
            options["bs"] = blocks
        section.headers[match["name"], group] = options
    elif match := _VERSION.match(line):
        section.version = match[1]
    elif (match := _OLD_VERSION.match(line)) and section.headers and not section.jobs:
        section.version = section.version or match[1]
    elif _SUMMARY.match(line):
        section.whole = True
    elif section.jobs and not section.whole:
        _of_job(section.jobs[-1], line, where)


def _job(match: re.Match[str], where: str) -> _JobText:
    rest = _REST.fullmatch(match["rest"].rstrip())
    told = _PROBLEM.search((rest["problem"] or "") if rest else "")
    return _JobText(
        name=match["name"],
        where=where,
        group=int(match["group"]),
        error=int(match["error"]),
        clones=int(match["jobs"]),
        pid=rest["pid"] if rest else "0",
        time=(rest["time"] or "") if rest else "",
        problem=told[1] if told else "",
    )


def _of_job(job: _JobText, line: str, where: str) -> None:
    if (side := SideText.begin(line, where)) is not None:
        job.sides.append(side)
    elif line.lstrip().startswith("fsync/fdatasync"):
        job.sync = SideText("sync", where)
    elif match := _CPU.match(line):
        job.cpu = (_share(match[1], where) + _share(match[2], where)) / 100
    elif match := _ISSUED.match(line):
        job.issued = tuple(int(match[place] or 0) for place in (1, 2, 3))
        job.short = tuple(int(match[place] or 0) for place in (4, 5, 6))
    elif match := _STEADY.match(line):
        job.steady = match[1] == "yes"
    elif job.sync is not None:
        job.sync.take(line, where)
    elif job.sides:
        job.sides[-1].take(line, where)


def report(section: Section) -> Report:
    """Return what one output says."""
    # With --status-interval the same process is printed again and again: the last counts.
    jobs: dict[tuple[object, ...], _JobText] = {}
    for place, job in enumerate(section.jobs):
        again = job.pid if job.pid != "0" else f"{place}th"
        jobs.pop((job.name, job.group, again), None)
        jobs[job.name, job.group, again] = job
    listed = [job for job in jobs.values() if job.name != _SUM] or list(jobs.values())
    kept = [job for job in listed if job.sides or job.error or job.cpu is not None]
    if len(kept) < len(listed):
        section.whole = False  # of a job nothing but its first line is there
    for job in kept:
        if any(job.issued) and not job.sides and not job.error:
            raise SitegenError(
                "its I/Os were counted, and no line tells their rate as fio prints it",
                where=job.where,
                fix="import the output as fio wrote it, with its own line breaks",
            )
    times = [time for job in kept if (time := _time(job.time)) is not None]
    return Report(
        version=section.version,
        jobs=tuple(_closed(job, section) for job in kept),
        where=f"line {section.line}",
        chatter="\n".join(section.lines),
        started_at=stamp(min(times)) if times else "",
        notes=(_UNZONED,) if times else (),
    )


def _closed(job: _JobText, section: Section) -> Job:
    options = _header(job, section)
    sides = []
    for side in job.sides:
        closed = side.closed(job.issued, job.short, options.get("bs", ""))
        if closed is not None:
            sides.append(closed)
    sync = job.sync.latency("sync", 1) if job.sync is not None else None
    return Job(
        name=job.name,
        where=job.where,
        group=job.group,
        error=job.error,
        problem=job.problem,
        options=options,
        clones=job.clones,
        sides=tuple({side.direction: side for side in sides}.values()),
        cpu=job.cpu,
        steady=job.steady,
        sync=dataclasses.replace(sync, count=1) if sync else None,
    )


def _header(job: _JobText, section: Section) -> Mapping[str, str]:
    """Return what the job's header says; of one that stands behind other text, its end tells."""
    if (job.name, job.group) in section.headers:
        return section.headers[job.name, job.group]
    behind = [
        options
        for (name, group), options in section.headers.items()
        if group == job.group and name.endswith(job.name)
    ]
    return behind[0] if len(behind) == 1 and len(section.headers) == 1 else {}


def _share(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SitegenError(f"{text!r} is not a number", where=where) from None


def _time(text: str) -> float | None:
    for form in _TIMES:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp()
        except (ValueError, OverflowError):
            continue
    return None


READER = Reader("fio-text", "fio's text for people (--output-format=normal)", knows, read, ASKS)
