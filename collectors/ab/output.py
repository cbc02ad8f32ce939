"""What ab printed in a step of sitegen's own: its report, of one process or of many."""

from __future__ import annotations

import re

from collectors.ab import rows
from collectors.ab.readers.files import percentiles_in, read_counts
from collectors.ab.report import Report, reports
from collectors.ab.rows import Row
from sitegen.collect import RawOutput, Reading, Recorder, Step
from sitegen.collect.text import error_line
from sitegen.errors import SitegenError
from sitegen.model import Status

_PROCESS = re.compile(r"^\d+\t(\d{1,9}\.\d+)\t(\d{1,9}\.\d+)\t(-?\d{1,4})$", re.MULTILINE)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what ab reported, of one process or of all."""
    latency = read_counts(raw.files.get("latency.tsv", b""))
    if step.workload == rows.MULTI:
        good, span_s = _processes(step, raw)
        listed = [*rows.of_processes(good, span_s), *(rows.of_requests(latency) if latency else ())]
    elif raw.exit_code != 0:
        message = f"ab ended with code {raw.exit_code}: {_reason(raw)}"
        raise SitegenError(message, where=step.name)
    else:
        good = [report_in(raw.stdout.decode("utf-8", "replace"))]
        # The file has microseconds, the printed list whole milliseconds.
        file = raw.files.get("percentiles.csv")
        finer = percentiles_in(file).statistics(good[0].complete) if file else {}
        listed = [*rows.of_report(good[0], finer)]
    recorder = Recorder()
    series = recorder.series(step.workload, step.params, status=_status(step, good))
    rows.write(series, [*listed, *_cpu(step, raw)])
    series.histogram("ab.latency", latency, 1e-3)
    return recorder.reading()


def report_in(text: str) -> Report:
    """Return the whole report in ``text``; raises SitegenError when a part of it is missing."""
    return _whole(next(iter(reports(text)), Report()))


def _whole(report: Report) -> Report:
    if report.missing:
        raise SitegenError(f"in ab's report {report.missing}", where="ab")
    return report


def _processes(step: Step, raw: RawOutput) -> tuple[list[Report], float]:
    """Return the reports of the processes that ended well, and the span of all of these."""
    table = raw.files.get("processes.tsv", b"").decode("ascii", "replace")
    processes = _PROCESS.findall(table)
    # A process that failed has a banner and no report: banners and rows go in the same order.
    blocks = [r for r in reports(raw.stdout.decode("utf-8", "replace")) if r.banner]
    pairs = zip(processes, blocks, strict=False)
    good = [(_whole(report), *map(float, times)) for (*times, code), report in pairs if code == "0"]
    if not good or len(processes) != len(blocks):
        message = f"no ab of {len(processes)} ended well: {_reason(raw)}"
        raise SitegenError(message, where=step.name)
    finished, starts, ends = zip(*good, strict=True)
    # From the first start to the last end: adding up rates would count idle ends as served.
    if (span_s := max(ends) - min(starts)) <= 0:
        raise SitegenError("the processes took no time", where=step.name)
    return list(finished), span_s


def _cpu(step: Step, raw: RawOutput) -> list[Row]:
    # To the millisecond, as archived: reading the archived run gives the same numbers.
    duration = round(raw.duration_s, 3)
    if duration <= 0:
        return []
    # Of one ab: each is one thread, and near 1 it is the limit itself.
    processes = int(dict(step.params)["processes"])
    client = None if raw.cpu_s is None else round(raw.cpu_s, 3) / duration / processes
    busy = raw.get("server_cpu_s")
    server = None if busy is None else float(busy) / duration
    return [Row("client_cpu_usage", "mean", client), Row("server_cpu_usage", "mean", server)]


def _status(step: Step, good: list[Report]) -> Status:
    """Return suspect for reports whose rate does not mean what it says.

    Raises SitegenError when not one byte was answered: ab counts that as success.
    """
    if not any(report.count("Total transferred") for report in good):
        raise SitegenError(rows.NO_ANSWER, where=step.name)
    about = dict(step.params)
    requests = int(about["requests"])
    suspect = any(rows.misleading(r) or (r.complete or 0) < requests for r in good)
    missing = step.workload == rows.MULTI and len(good) < int(about["processes"])
    return Status.SUSPECT if suspect or missing else Status.OK


def _reason(raw: RawOutput) -> str:
    signs = ("apr_", "socket:", "SSL handshake", "sitegen:", "ab:")
    return error_line(raw.stderr.decode("utf-8", "replace"), *signs) or "it said nothing"
