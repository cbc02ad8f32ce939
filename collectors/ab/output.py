"""What ab said in a step of sitegen's own: its report, of one process or of many."""

from __future__ import annotations

import re

from collectors.ab.logs import read_counts, read_percentiles
from collectors.ab.report import Report, reports
from collectors.ab.rows import Rows, misleading
from sitegen.collect import RawOutput, Reading, Step
from sitegen.errors import SitegenError
from sitegen.model import Status

#: What every whole report has.
_NEEDED = {
    "complete": "Complete requests",
    "failed": "Failed requests",
    "total_transferred": "Total transferred",
    "html_transferred": "HTML transferred",
    "time_taken": "Time taken for tests",
    "requests_per_second": "Requests per second",
    "transfer_rate": "Transfer rate",
}


def read(step: Step, raw: RawOutput) -> Reading:
    """Return what ab reported, of one process or of all.

    Raises SitegenError when ab gave up, or nothing at all was answered.
    """
    if step.workload == "multi":
        return _read_multi(step, raw)
    if raw.exit_code != 0:
        raise SitegenError(f"ab ended with code {raw.exit_code}: {_reason(raw)}", where=step.name)
    report = report_in(raw.stdout.decode("utf-8", "replace"))
    rows = Rows(step.workload, step.params, _status(step, [report]))
    # The file has microseconds, the printed list whole milliseconds.
    rows.report(report, read_percentiles(raw.files.get("percentiles.csv", b"")))
    _cpu(rows, step, raw)
    rows.histogram(read_counts(raw.files.get("latency.tsv", b"")))
    return Reading(tuple(rows.measurements), tuple(rows.samples))


def report_in(text: str) -> Report:
    """Return the whole report in ``text``.

    Raises SitegenError when a line that every report has is missing.
    """
    return _whole(next(iter(reports(text)), Report(1)))


def _whole(report: Report) -> Report:
    for key, label in _NEEDED.items():
        if key not in report.numbers:
            raise SitegenError(f"ab's report has no line {label!r}", where="ab")
    return report


def _read_multi(step: Step, raw: RawOutput) -> Reading:
    rows = re.findall(
        r"^(\d+)\t(\d{1,9}\.\d+)\t(\d{1,9}\.\d+)\t(-?\d{1,4})$",
        raw.files.get("processes.tsv", b"").decode("ascii", "replace"),
        re.MULTILINE,
    )
    # A process that failed has a banner and no report: banners and rows go in the same order.
    found = [r for r in reports(raw.stdout.decode("utf-8", "replace")) if r.banner]
    ended = [
        (_whole(report), float(start), float(end))
        for (_, start, end, code), report in zip(rows, found, strict=False)
        if code == "0"
    ]
    if not ended or len(rows) != len(found):
        raise SitegenError(f"no ab of {len(rows)} ended well: {_reason(raw)}", where=step.name)
    good = [report for report, _, _ in ended]
    # From the first start to the last end: adding up rates would count idle ends as served.
    span = max(end for _, _, end in ended) - min(start for _, start, _ in ended)
    if span <= 0:
        raise SitegenError("the processes took no time", where=step.name)
    status = _status(step, good)
    if len(ended) < int(dict(step.params)["processes"]):
        status = Status.SUSPECT
    writer = Rows(step.workload, step.params, status)
    writer.together(good, span)
    counts = read_counts(raw.files.get("latency.tsv", b""))
    if counts:
        writer.merged_latency(counts)
    _cpu(writer, step, raw)
    writer.histogram(counts)
    return Reading(tuple(writer.measurements), tuple(writer.samples))


def _cpu(rows: Rows, step: Step, raw: RawOutput) -> None:
    # To the millisecond, as archived: reading the archived run gives the same numbers.
    duration = round(raw.duration_s, 3)
    if duration <= 0:
        return
    if raw.cpu_s is not None:
        # Of one ab: each is one thread, and near 1 it is the limit itself.
        processes = int(dict(step.params)["processes"])
        usage = round(raw.cpu_s, 3) / duration / processes
        rows.add("client_cpu_usage", "mean", "ratio", usage)
    if (seconds := raw.get("server_cpu_s")) is not None:
        rows.add("server_cpu_usage", "mean", "ratio", float(seconds) / duration)


def _status(step: Step, found: list[Report]) -> Status:
    """Return suspect for reports whose rate does not mean what it says.

    Raises SitegenError when not one byte was answered: ab counts that as success.
    """
    if not any(report.count("total_transferred") for report in found):
        raise SitegenError("the server closed every connection without an answer", where=step.name)
    requested = int(dict(step.params)["requests"])
    return Status.SUSPECT if any(misleading(r, requested) for r in found) else Status.OK


def _reason(raw: RawOutput) -> str:
    said = raw.stderr.decode("utf-8", "replace").strip().splitlines()
    lines = [line.strip() for line in said if line.strip()]
    for sign in ("apr_", "socket:", "SSL handshake", "sitegen:", "ab:"):
        if told := [line for line in lines if sign in line]:
            return told[-1][:300]
    return lines[-1][:300] if lines else "it said nothing"
