"""The whole output of docker-fio and dbench: nine dumps of fio's text, and a summary of them.

Values come from the dumps. The summary cuts ``13.9M`` to ``13.9`` and calls every latency
microseconds: it is compared, and never read.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from collectors.asked import agreed
from collectors.fio import jobs as several
from collectors.fio.jobs import Job, Report
from collectors.fio.readers import text_report
from collectors.fio.readers.finding import Doubts, Finding, findings
from collectors.fio.readers.printed import number
from collectors.fio.workloads import ASKS, answers_of, size_of
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt

_SUMMARY = re.compile(r"^[= ]{0,6}Dbench Summary")
_LINES = (
    (
        re.compile(r"^Random Read/Write IOPS: ?([\w.]{0,20}) ?/ ?([\w.]{0,20}?)\. BW:"),
        ("read_iops", "write_iops"),
        "iops",
    ),
    (
        re.compile(r"^Random Read/Write IOPS: [^\n]{0,60}?BW: ?([\w./]{0,20}) / ?([\w./]{0,20})"),
        ("read_bw", "write_bw"),
        "bandwidth",
    ),
    (
        re.compile(r"^Average Latency \(usec\) Read/Write: ?([\w.]{0,20}) ?/ ?([\w.]{0,20})"),
        ("read_latency", "write_latency"),
        "latency",
    ),
    (
        re.compile(r"^Sequential Read/Write: ?([\w./]{0,20}) / ?([\w./]{0,20})"),
        ("read_seq", "write_seq"),
        "bandwidth",
    ),
    (
        re.compile(r"^Mixed Random Read/Write IOPS: ?([\w.]{0,20}) ?/ ?([\w.]{0,20})"),
        ("rw_mix", "rw_mix"),
        "iops",
    ),
)
_NAMES = tuple(dict.fromkeys(name for _, pair, _ in _LINES for name in pair))
_LAYOUT = re.compile(r"Laying out IO file(?:\(s\))? \(1 file(?:\(s\))? / ?(\d{1,9}[KMGT]i?B)\)")
#: The script's share of reads; nothing in fio's text says it.
_READ_SHARE, _NEAR = 0.75, 0.02
_UNITS = {
    "iops": ("I/Os a second", 1.0),
    "bandwidth": ("B/s", 1.0),
    "latency": ("usec", 1e6),
}


@dataclass(frozen=True, slots=True)
class _Told:
    """One figure of the summary."""

    workload: str
    direction: str
    kind: str
    text: str


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is a dbench's output, or its summary alone."""
    narrow = data.replace(b"\0", b"") if b"\0" in data[:100] else data
    return bool(text_report.DBENCH_BYTES.search(narrow)) and b'"fio version"' not in narrow


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the runs in ``data``, one for each version of fio."""
    answers = answers_of(settings)
    sections = text_report.sections(text_report.text_of(data))
    dumps = [section for section in sections if section.jobs]
    if not dumps:
        raise SitegenError(
            "only dbench's summary is there: its figures have lost their units and digits",
            fix="import its whole output, with what fio printed before the summary",
        )
    reports = [_dump(section) for section in dumps]
    summary = list(_summary(sections))
    closed = []
    for finding, those in findings(reports, answers, sized=False):
        _settings(finding, those, answers)
        _compare(those, summary, finding.doubts)
        there = {job.name for report in those for job in report.jobs}
        if missing := [name for name in _NAMES if name not in there]:
            finding.notes[f"Of dbench's workloads {', '.join(missing)} are not in it."] = None
        if not all(dump.whole for dump in dumps):
            finding.doubts.add(Doubt.CUT_OFF, "a dump ends before fio's own summary")
        closed.append(finding.found(those))
    return tuple(closed)


def _dump(section: text_report.Section) -> Report:
    report = text_report.report(section)
    return dataclasses.replace(report, jobs=tuple(_shared(job) for job in report.jobs))


def _shared(job: Job) -> Job:
    """Return the mix with its share of reads, where the counts bear it out."""
    read, write = job.side("read"), job.side("write")
    if job.name != "rw_mix" or not (read and write and read.ios and write.ios):
        return job
    if abs(read.ios / (read.ios + write.ios) - _READ_SHARE) > _NEAR:
        return job
    return dataclasses.replace(job, options={**job.options, "rwmixread": "75"})


def _settings(finding: Finding, reports: list[Report], answers: Mapping[str, str]) -> None:
    """Record engine and size for the run: the collector's sets have them there too.

    As caveats: runs of other files in the same environment say nothing of a run's engine, and
    would drop out beside one that had to match.
    """
    engines = {job.options.get("ioengine", "") for report in reports for job in report.jobs}
    stated = engines.pop() if len(engines) == 1 else ""
    finding.set("engine", agreed(answers, "engine", stated or None), Comparability.CAVEAT)
    # The four sequential jobs make the file larger, by their offsets.
    single = [r for r in reports if not any(job.name.endswith("_seq") for job in r.jobs)]
    sizes = {match[1] for report in single for match in _LAYOUT.finditer(report.chatter)}
    laid = _bytes(sizes.pop()) if len(sizes) == 1 else None
    finding.set("dbench.size", agreed(answers, "size", laid), Comparability.CAVEAT)


def _bytes(text: str) -> str | None:
    size = size_of(text.replace("i", ""))
    return str(size) if size else None


def _summary(sections: list[text_report.Section]) -> Iterator[_Told]:
    """Yield the figures of the last summary."""
    lines = [line for section in sections for line in section.lines]
    starts = [place for place, line in enumerate(lines) if _SUMMARY.match(line)]
    for line in lines[starts[-1] :] if starts else []:
        for pattern, names, kind in _LINES:
            if match := pattern.match(line):
                for place, direction in enumerate(("read", "write")):
                    if text := match[place + 1].strip():
                        yield _Told(names[place], direction, kind, text)


def _compare(reports: list[Report], summary: list[_Told], doubts: Doubts) -> None:
    last = {job.name: report for report in reports for job in report.jobs}
    for told in summary:
        report = last.get(told.workload)
        sides = [
            side
            for job in (report.jobs if report else ())
            if job.name == told.workload and (side := job.side(told.direction)) is not None
        ]
        dumped = _of(sides, told.kind) if sides else None
        if dumped is None:
            continue
        name, scale = _UNITS[told.kind]
        try:
            figure = number(told.text, "the summary")
        except SitegenError:
            doubts.add(Doubt.INCONSISTENT, f"its summary says {told.text!a}", told.workload)
            continue
        if not figure.holds(dumped * scale) and abs(figure.value - dumped * scale) > 1:
            doubts.add(
                Doubt.INCONSISTENT,
                f"its summary says {told.text} {name} for {told.direction}s, "
                f"and fio's own output {dumped * scale:.5g}: the summary is not read",
                told.workload,
            )


def _of(sides: list[several.Side], kind: str) -> float | None:
    if kind == "iops":
        return several.rate(sides)
    if kind == "bandwidth":
        return several.bandwidth(sides)
    found = [s.latencies["fio.latency"] for s in sides if "fio.latency" in s.latencies]
    whole = several.together(found)
    return whole.mean / whole.units if whole else None


READER = Reader("fio-dbench", "the whole output of docker-fio or dbench", knows, read, ASKS)
