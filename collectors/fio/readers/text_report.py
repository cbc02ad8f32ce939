"""What fio prints for people (--output-format=normal), of fio 2 and 3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from collectors.fio.document import stamp
from collectors.fio.jobs import Job, Report
from collectors.fio.readers.runs import JSON_SIGN, TEXT_SIGN, holds, readings
from collectors.fio.readers.text_side import block_sizes, read_job
from collectors.fio.workloads import Asks
from collectors.text import plain
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError

#: What a dbench prints: its output has a reader of its own.
DBENCH_SIGNS = (b"Dbench Summary", b"FIO Summary", b"FIO bench Summary", b"Testing Read IOPS...")
#: ``name: (g=0): rw=randread, bs=..., ioengine=libaio, iodepth=4``
_HEADER = (
    r"\(g=(?P<header>\d{1,9})\): rw=(?P<rw>\w{1,20}), bs=(?P<bs>[^\n=]{1,200}), "
    r"ioengine=(?P<engine>[^\s,]{1,80}), iodepth=(?P<depth>\d{1,9})"
)
#: ``name: (groupid=0, jobs=1): err= 0: pid=2668: Sat Nov 21 14:02:06 2026``
_JOB = (
    r"\(groupid=(?P<group>\d{1,9}), jobs=(?P<jobs>\d{1,9})\): err=\s{0,4}(?P<error>\d{1,9})"
    r"(?: \((?P<problem>[^\n]{0,250})\))?(?:: pid=(?P<pid>\d{1,10})(?:: (?P<time>[^\n]{1,60}))?)?"
)
_EVENT = re.compile(
    rf"(?m)^(?:(?P<name>\S[^\n]{{0,200}}?): (?:{_HEADER}|{_JOB})"
    r"|fio[- ](?P<version>\d[\w.+-]{0,60})[ \t]{0,8}$"
    r"|(?P<summary>Run status group \d))"
)
_INDENTED = re.compile(r"(?m)^([ \t]{1,200})\S[^\n]{0,200}?: \(groupid=\d")
_PROBLEM = re.compile(r"error=([^\n/]{1,120})$")
_CLIENT = re.compile(r"(?m)^<[^<>\n]{1,100}> ?")
_CPU = re.compile(
    r"(?m)^[ \t]*cpu[ \t]*: usr=\s*(\d{1,9}(?:\.\d{1,9})?)%, sys=\s*(\d{1,9}(?:\.\d{1,9})?)%"
)
_STEADY = re.compile(r"(?m)^[ \t]*steadystate[ \t]*: attained=(yes|no)\b")
_UNZONED = "fio's text has no time zone: its time is taken for UTC."
_SUM = "All clients"
_AT_ONCE_S = 5


@dataclass(slots=True)
class Printout:
    """One output of fio, and whether it has its end.

    ``jobs`` are by name, group and process, each with the time that stands there; None is a job
    of which nothing but the first line is there.
    """

    version: str = ""
    headers: dict[tuple[str, int], Mapping[str, str]] = field(default_factory=dict)
    jobs: dict[tuple[str, int, str], tuple[float | None, Job | None]] = field(default_factory=dict)
    text: str = ""
    ended: bool = False

    @property
    def own(self) -> list[tuple[float | None, Job | None]]:
        """Return its jobs, without their sum where there are others."""
        own = [pair for (name, _, _), pair in self.jobs.items() if name != _SUM]
        return own or list(self.jobs.values())

    @property
    def is_whole(self) -> bool:
        """Return whether nothing of it is missing."""
        return self.ended and all(job is not None for _, job in self.own)

    def report(self) -> Report:
        """Return what it says."""
        times = [time for time, _ in self.own if time is not None]
        return Report(
            version=self.version,
            jobs=tuple(job for _, job in self.own if job is not None),
            chatter=self.text,
            started_at=stamp(min(times, default=None)),
            notes=(_UNZONED,) if times else (),
        )


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is fio's text, and neither its JSON nor a dbench's."""
    return holds(data, TEXT_SIGN) and not holds(data, JSON_SIGN, *DBENCH_SIGNS)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the runs in ``data``, one for each version of fio."""
    reports, cut = reports_of(data)
    return readings(reports, asks.answers, cut)


def reports_of(data: bytes) -> tuple[list[Report], str]:
    """Return the outputs of fio in ``data``, and what is missing of one that is cut off."""
    printouts = [one for one in printouts_of(data) if one.jobs]
    reports = [one.report() for one in printouts]
    if not any(report.jobs for report in reports):
        raise SitegenError("breaks off before the first figure of a job")
    cut = "it ends before fio's own summary, and what stood there is missing"
    return reports, "" if all(one.is_whole for one in printouts) else cut


def printouts_of(data: bytes) -> list[Printout]:
    """Return each output of fio in ``data``."""
    text = _CLIENT.sub("", plain(data))
    if indented := _INDENTED.search(text):
        text = re.sub(rf"(?m)^[ \t]{{1,{len(indented[1])}}}", "", text)
    ended, _, last = text.rpartition("\n")
    if not last.startswith("Run status group"):
        # A number at the very end may have lost its last digits.
        text = f"{ended}\n"
    events = list(_EVENT.finditer(text))
    clients = any(event["name"] == _SUM for event in events)
    printouts, begin = [Printout()], 0
    for event, end in zip(events, [*(one.start() for one in events[1:]), len(text)], strict=False):
        printout = printouts[-1]
        if printout.jobs and _begins_another(printout, event, clients=clients):
            printout.text = text[begin : event.start()]
            printout, begin = Printout(), event.start()
            printouts.append(printout)
        if event["error"]:
            # With --status-interval the same process is printed again and again: the last counts.
            pid = event["pid"] or "0"
            process = f"the {len(printout.jobs)}th" if pid == "0" else pid
            key = (event["name"], int(event["group"]), process)
            printout.jobs.pop(key, None)
            job = _job(event, text[event.end() : end], printout.headers.get(key[:2], {}))
            printout.jobs[key], printout.ended = (_time(event), job), False
        elif event["header"]:
            options = {"rw": event["rw"], "ioengine": event["engine"], "iodepth": event["depth"]}
            if (blocks := block_sizes(event["bs"])) is not None:
                options["bs"] = blocks
            printout.headers[event["name"], int(event["header"])] = options
        elif event["version"]:
            printout.version = event["version"]
        else:
            printout.ended = bool(printout.jobs)
    printouts[-1].text = text[begin:]
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
    if (event["name"], int(event["group"]), event["pid"]) in printout.jobs:
        return False
    time = _time(event)
    apart = last is not None and time is not None and abs(time - last) > _AT_ONCE_S
    return printout.ended or apart


def _job(event: re.Match[str], text: str, options: Mapping[str, str]) -> Job | None:
    """Return what a job's section says, None where nothing but its first line is there."""
    name, error = event["name"], int(event["error"])
    try:
        sides, sync = read_job(text, options, failed=error > 0)
    except SitegenError as wrong:
        raise SitegenError(wrong.what, where=f"the job {name[:60]!a}", fix=wrong.fix) from wrong
    cpu, steady = _CPU.search(text), _STEADY.search(text)
    if not sides and not error and not cpu:
        return None
    problem = _PROBLEM.search(event["problem"] or "")
    return Job(
        name=name,
        group=int(event["group"]),
        error=error,
        problem=problem[1] if problem else "",
        options=options,
        clones=int(event["jobs"]),
        sides=sides,
        cpu=(float(cpu[1]) + float(cpu[2])) / 100 if cpu else None,
        steady=steady[1] == "yes" if steady else None,
        sync=sync,
    )


def _time(event: re.Match[str]) -> float | None:
    text = (event["time"] or "").strip()
    try:
        return datetime.strptime(f"{text} +0000", "%a %b %d %H:%M:%S %Y %z").timestamp()
    except (ValueError, OverflowError):
        return None


READER = Reader("fio-text", "fio's text for people (--output-format=normal)", knows, read, Asks)
