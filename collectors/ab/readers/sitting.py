"""Collecting what the reports of one sitting say: one run, each report a series or a repetition."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.ab.readers.checks import Contradiction, contradictions, short_rate
from collectors.ab.readers.series import params_of, requests_of
from collectors.ab.report import Report
from collectors.ab.rows import Rows, expected, misleading
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Doubt,
    Measurement,
    MetricDefinition,
    Parameter,
    Params,
    Sample,
    Status,
    ToolIdentity,
)

SWEEP, MULTI = "sweep", "multi"
NO_ANSWER = "the server closed every connection without an answer"
DEFINITIONS = (
    MetricDefinition(
        *("ab.time_per_request", "Time per request", "s", "lower"),
        "Concurrency times the time of the test, divided by completed requests: the mean latency"
        " as ab states it, start and end of the test included.",
    ),
    MetricDefinition(
        *("ab.send_rate", "Send rate", "B/s", "higher"),
        "Bytes sent, request heads included, divided by the time of the test.",
    ),
    MetricDefinition(
        *("ab.write_errors", "Write errors", "count", "lower"),
        "Requests that could not be sent. ApacheBench does not count them as failed.",
    ),
    MetricDefinition(
        *("ab.broken_pipe_errors", "Broken pipe errors", "count", "lower"),
        "Requests whose connection was closed while they were sent, as ab of httpd 1.3 counts.",
    ),
    MetricDefinition(
        *("ab.keepalive_requests", "Requests on kept connections", "count", "none"),
        "Completed requests whose answer kept the connection open.",
    ),
)
_NATIVES = {
    "ab.requests_per_second": "Requests per second",
    "ab.time_per_request": "Time per request (mean)",
    "ab.latency": "Total, and the times within which requests were served",
    "ab.connect_time": "Connect",
    "ab.processing_time": "Processing",
    "ab.waiting_time": "Waiting",
    "ab.transfer_rate": "Transfer rate, received",
    "ab.send_rate": "Transfer rate, sent",
}
#: What a whole report has, and what ab calls it.
_WHOLE = {
    "concurrency": "Concurrency Level",
    "time_taken": "Time taken for tests",
    "complete": "Complete requests",
    "failed": "Failed requests",
    "total_transferred": "Total transferred",
    "html_transferred": "HTML transferred",
    "requests_per_second": "Requests per second",
    "transfer_rate": "Transfer rate",
}
_TOLD = 3


@dataclass(slots=True)
class Sitting:
    """What is found of one run; `found` closes it."""

    answers: Mapping[str, str]
    measurements: list[Measurement] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    _doubts: dict[tuple[Doubt, str], list[str]] = field(default_factory=dict)
    _said: defaultdict[str, defaultdict[str, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    _versions: dict[str, None] = field(default_factory=dict)
    _times: Counter[tuple[str, Params]] = field(default_factory=Counter)

    def doubt(self, kind: Doubt, told: str, workload: str = SWEEP) -> None:
        """Add one doubt about a workload."""
        self._doubts.setdefault((kind, workload), []).append(told)

    def note(self, told: str) -> None:
        """Add a remark, once."""
        self.notes[told] = None

    def repetition(self, workload: str, where: Params) -> int:
        """Return which repetition of its series the next one is."""
        self._times[workload, where] += 1
        return self._times[workload, where] - 1

    def fail(self, where: Params, told: str) -> None:
        """Add a series that has no result, and say why."""
        again = self.repetition(SWEEP, where)
        self.measurements += [
            row._replace(repetition=again, status=Status.FAILED)
            for row in expected(SWEEP, "mean", where)
        ]
        self.doubt(Doubt.FAILED_PART, told)

    def skipped(self, report: Report) -> None:
        """Say that a report without a result does not even tell what was to be measured."""
        self.doubt(Doubt.FAILED_PART, f"line {report.line}: {no_result(report)}")

    def keep(self, rows: Rows) -> None:
        """Add what was collected of one series."""
        self.measurements += rows.measurements
        self.samples += rows.samples

    def report(
        self,
        report: Report,
        percentiles: Mapping[str, str] | None = None,
        found: tuple[Contradiction, ...] = (),
    ) -> Rows | None:
        """Add one report; ``percentiles`` are finer than its own, ``found`` wrong beside it.

        Returns its rows, not yet kept, or None where it holds no result.
        """
        where = params_of(report, self.answers)
        self.about(report, SWEEP)
        at = f"line {report.line}"
        if (reason := no_result(report)) is not None:
            self.fail(where, f"{at}: {reason}")
            return None
        wrong = [*contradictions(report), *found]
        for each in wrong:
            self.doubt(Doubt.INCONSISTENT, f"{at}: {each.told}")
        if short_rate(report):
            self.doubt(
                Doubt.ROUNDED,
                f"{at}: this ab counts whole KiB only, so its transfer rate is a little too low",
            )
        if absent := missing(report):
            self.doubt(Doubt.CUT_OFF, f"{at}: there is no {', no '.join(absent)}")
        suspects = frozenset().union(*(each.metrics for each in wrong))
        if report.in_html:
            suspects |= {"ab.processing_time"}
            self.note(
                "In ab's HTML table the processing times are differences of two rows, not times"
                " of requests, and its averages are cut to whole milliseconds."
            )
        rows = Rows(
            *(SWEEP, where, self.status(report, SWEEP)),
            repetition=self.repetition(SWEEP, where),
            suspects=suspects,
        )
        rows.report(report, percentiles or {})
        _more(rows, report)
        self._remarks(report)
        return rows

    def status(self, report: Report, workload: str) -> Status:
        """Return suspect for a report that does not mean what it says; say so where it stopped."""
        asked = int(self.answers["requests"]) if "requests" in self.answers else None
        asked = asked if asked is not None else report.count("requests")
        complete = report.count("complete")
        if report.stopped or (complete is not None and asked is not None and complete < asked):
            of = "" if asked is None else f" of {asked}"
            done = "an unknown number" if complete is None else f"{complete}{of}"
            self.doubt(
                Doubt.INTERRUPTED,
                f"line {report.line}: it was stopped after {done} requests",
                workload,
            )
            return Status.SUSPECT
        if not misleading(report, asked):
            return Status.OK
        self.note(f"Line {report.line} and after: {_failed(report)}, so its rate misleads.")
        return Status.SUSPECT

    def about(self, report: Report, workload: str) -> None:
        """Keep what a report says of its server and of its own version."""
        for name, value in report.about.items():
            if name != "failure_kinds" and value.isprintable():
                self._said[name][workload].add(value[:200])
        if report.version:
            self._versions[report.version] = None

    def _remarks(self, report: Report) -> None:
        for warning in report.warnings:
            self.note(f"ab calls {warning} not reliable: its median and mean are far apart.")
        for row in report.merged_rows:
            self.note(
                f"Line {report.line} and after: the row {row} of the table has lost the space"
                " between two numbers and is left out."
            )
        complete = report.count("complete")
        if complete and requests_of(report, self.answers) is None:
            self.note(
                f"Line {report.line} and after: {complete} requests look like what a time limit"
                " allowed, so their number is not part of the series (`--set requests=N` says"
                " what was asked for)."
            )

    def found(self, *, duration_s: float | None = None, started_at: str = "") -> Reading:
        """Return the run; raises SitegenError when nothing is in it."""
        if not self.measurements:
            raise SitegenError("holds no result of ApacheBench")
        there = {row.metric for row in self.measurements}
        notes = list(self.notes)
        more = len(notes) - 2 * _TOLD
        notes = [*notes[: 2 * _TOLD], *([f"And {more} remarks like these."] if more > 0 else [])]
        version = ", ".join(self._versions)[:120]
        return Reading(
            measurements=tuple(self.measurements),
            samples=tuple(self.samples),
            tool=ToolIdentity("ApacheBench", version or "unknown"),
            parameters=tuple(self._parameters(version)),
            definitions=tuple(d for d in DEFINITIONS if d.id in there),
            natives=tuple(pair for pair in _NATIVES.items() if pair[0] in there),
            started_at=started_at,
            duration_s=duration_s,
            notes=tuple(notes),
            doubts=tuple(
                (kind, _joined(told), about) for (kind, about), told in self._doubts.items()
            ),
        )

    def _parameters(self, version: str) -> list[Parameter]:
        """Return what the reports told: the run's where all agree, else each workload's own."""
        found = []
        for name, by_workload in sorted(self._said.items()):
            everywhere = set().union(*by_workload.values())
            groups = {name: everywhere}
            if len(everywhere) > 1:
                groups = {f"{name}.{workload}": own for workload, own in by_workload.items()}
            for key, values in groups.items():
                text = ", ".join(sorted(values))[:400]
                found.append(Parameter(key, text, Comparability.CAVEAT))
        if version:
            found.append(Parameter("tool_version", version, Comparability.CAVEAT))
        return found


def no_result(report: Report) -> str | None:
    """Return why a report holds no result, or None where it holds one."""
    if not report.measured:
        done = "" if report.so_far is None else f" after {report.so_far} requests"
        if report.aborted:
            return f"ab gave up{done}: {report.aborted}"
        return f"ab printed no result{done}: it was ended, or the output is cut off"
    if report.count("complete") == 0:
        return "no request was completed"
    if report.count("total_transferred") == 0:
        return NO_ANSWER
    return None


def _failed(report: Report) -> str:
    """Return which of the requests did not get what they asked for, in words."""
    complete, good = report.count("complete"), report.least_good
    if other := report.count("non_2xx"):
        return f"{other} of {complete} answers were not 2xx"
    if report.count("html_transferred") == 0:
        return "every answer was empty"
    return f"{(complete or 0) - (good or 0)} of {complete} requests failed"


def missing(report: Report) -> list[str]:
    """Return what a whole report would have and this one has not, as ab calls it."""
    rateless = report.value("time_taken") == 0  # ab does not divide by it
    absent = [
        label
        for key, label in _WHOLE.items()
        if key not in report.numbers
        and not (rateless and key in {"requests_per_second", "transfer_rate"})
    ]
    if "latency" not in report.table and "Total" not in report.merged_rows:
        absent.append("Connection Times")
    if report.percentiles and "max" not in report.percentiles:
        absent.append("end of the percentiles")
    return absent


def _more(rows: Rows, report: Report) -> None:
    """Add what only other people's reports are asked for."""
    if (digits := report.numbers.get("time_per_request")) is not None:
        rows.ms("time_per_request", "mean", digits)
    if (digits := report.numbers.get("sent_rate")) is not None:
        rows.add("send_rate", "mean", "B/s", float(digits) * report.kilobyte, digits)
    for key, metric in (
        ("write_errors", "write_errors"),
        ("broken_pipes", "broken_pipe_errors"),
        ("keepalive", "keepalive_requests"),
    ):
        if (count := report.count(key)) is not None:
            rows.add(metric, "value", "count", float(count), str(count))
    for reason, count in report.failures.items():
        rows.add("failed_requests", "value", "count", float(count), str(count), reason)


def _joined(told: list[str]) -> str:
    more = len(told) - _TOLD
    shown = "; ".join(each[:250] for each in told[:_TOLD])
    return f"{shown}; and {more} more" if more > 0 else shown
