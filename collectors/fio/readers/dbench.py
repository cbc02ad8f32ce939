"""The whole output of docker-fio and dbench: nine dumps of fio's text, and a summary of them.

Values come from the dumps. The summary is not read: it cuts ``13.9M`` to ``13.9`` and calls every
latency microseconds.
"""

from __future__ import annotations

import re
from dataclasses import replace

from collectors.fio import jobs
from collectors.fio.jobs import DIRECTIONS, Job, Report
from collectors.fio.readers import text_report
from collectors.fio.readers.runs import JSON_SIGN, TEXT_SIGN, Run, holds
from collectors.fio.workloads import Asks, size_of
from sitegen.collect import Reader, Reading
from sitegen.collect.settings import agreed
from sitegen.model import Comparability

_NAMES = (
    *("read_iops", "write_iops", "read_bw", "write_bw", "read_latency", "write_latency"),
    *("read_seq", "write_seq", "rw_mix"),
)
_UNREAD = "Its summary is not read: it cuts 13.9M to 13.9, and calls all latencies microseconds."
_LAYOUT = re.compile(r"Laying out IO file(?:\(s\))? \(1 file(?:\(s\))? / ?(\d{1,9}[KMGT])i?B\)")
#: The script's share of reads; nothing in fio's text says it.
_READ_SHARE, _NEAR = 0.75, 0.02


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is a dbench's output, with fio's own."""
    own = holds(data, TEXT_SIGN) and holds(data, *text_report.DBENCH_SIGNS)
    return own and not holds(data, JSON_SIGN)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``."""
    reports, cut = text_report.reports_of(data)
    run = Run(list(map(_shared, reports)), asks.answers, sized=False)
    _settings(run)
    there = {job.name for report in run.reports for job in report.jobs}
    if missing := [name for name in _NAMES if name not in there]:
        run.recorder.note(f"Of dbench's workloads {', '.join(missing)} are not in it.")
    if "Summary" in reports[-1].chatter:
        run.recorder.note(_UNREAD)
    return (run.reading(cut and "a dump ends before fio's own summary"),)


def _shared(report: Report) -> Report:
    """Return the mix with its share of reads, where the counts bear it out."""

    def shared(job: Job) -> Job:
        reads, writes = ([side.ios or 0 for side in jobs.sides([job], d)] for d in DIRECTIONS[:2])
        share = sum(reads) / max(sum(reads + writes), 1)
        if job.name != "rw_mix" or abs(share - _READ_SHARE) > _NEAR:
            return job
        return replace(job, options={**job.options, "rwmixread": "75"})

    return replace(report, jobs=tuple(map(shared, report.jobs)))


def _settings(run: Run) -> None:
    """Record engine and size for the run, as the collector's sets have them.

    As caveats: runs of other files beside it say nothing of an engine, and would drop out.
    """
    engines = {job.options.get("ioengine", "") for report in run.reports for job in report.jobs}
    # The four sequential jobs make the file larger, by their offsets.
    single = [r for r in run.reports if not any(job.name.endswith("_seq") for job in r.jobs)]
    sizes = {size_of(match[1]) for report in single for match in _LAYOUT.finditer(report.chatter)}
    for name, asked, values in (("engine", "engine", engines), ("dbench.size", "size", sizes)):
        stated = str(next(iter(values)) or "") if len(values) == 1 else ""
        value = agreed(asked, run.answers.get(asked), stated or None)
        run.recorder.parameter(name, value, Comparability.CAVEAT)


READER = Reader(
    "fio-dbench", "the whole output of docker-fio or dbench", knows, read, Asks, text=True
)
