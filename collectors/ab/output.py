"""Reading what ab prints and writes: the report, the percentile file, the request file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from collectors import histogram
from sitegen.collect import RawOutput, Reading, Step
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Sample, Status

_BANNER = re.compile(r"^This is ApacheBench", re.MULTILINE)
_TABLE_ROW = r":\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12}\.\d{1,9})\s+(\d{1,12})\s+(\d{1,12})\s*$"
#: The columns of ab's "Connection Times (ms)", in order.
TABLE_STATISTICS = ("min", "mean", "stddev", "p50", "max")
_TABLE = {
    "connect_time": "Connect",
    "processing_time": "Processing",
    "waiting_time": "Waiting",
    "latency": "Total",
}
_PERCENT = re.compile(r"^\s*(50|66|75|80|90|95|98|99|100)%\s+(\d{1,12})\b", re.MULTILINE)
_CSV_PERCENTS = (50, 66, 75, 80, 90, 95, 98, 99)
_TTIME = 4
_DECIMAL = r"\d{1,15}\.\d{1,9}"
_KIB = 1024.0
# The rate counts failed requests as served: past the 2 % that a verdict resolves, it misleads.
_MOST_ERRORS = 0.02
_MERGED_PERCENTILES = (50, 66, 75, 80, 90, 95, 98, 99, 99.9)


@dataclass(frozen=True, slots=True)
class Report:
    """One report of ab, with its numbers as printed."""

    complete: int
    failed: int
    non_2xx: int
    total_transferred: int
    html_transferred: int
    time_taken: str
    requests_per_second: str
    transfer_rate: str
    table: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    percentiles: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def least_good(self) -> int:
        """Return how many requests surely succeeded: a failed one may also be non-2xx."""
        return max(self.complete - self.failed - self.non_2xx, 0)

    @property
    def most_good(self) -> int:
        """Return how many requests succeeded if all that failed also were non-2xx."""
        return max(self.complete - max(self.failed, self.non_2xx), 0)


def read(step: Step, raw: RawOutput) -> Reading:
    """Return what ab reported, of one process or of all.

    Raises SitegenError when ab gave up, or nothing at all was answered.
    """
    if step.workload == "multi":
        return _read_multi(step, raw)
    if raw.exit_code != 0:
        raise SitegenError(f"ab ended with code {raw.exit_code}: {_reason(raw)}", where=step.name)
    report = report_in(raw.stdout.decode("utf-8", "replace"))
    writer = _Writer(step, _status(step, [report], int(dict(step.params)["requests"])))
    rate = float(report.requests_per_second)
    writer.add("requests_per_second", "mean", "1/s", rate, report.requests_per_second)
    good = "mean" if report.least_good == report.most_good else "min"
    share = 1 / max(report.complete, 1)
    writer.add("ok_requests_per_second", good, "1/s", rate * report.least_good * share)
    if good == "min":
        writer.add("ok_requests_per_second", "max", "1/s", rate * report.most_good * share)
    writer.counts([report])
    speed = float(report.transfer_rate) * _KIB
    writer.add("transfer_rate", "mean", "B/s", speed, report.transfer_rate)
    percentiles = dict(report.percentiles)
    # The file has microseconds, the printed list whole milliseconds.
    percentiles.update(read_percentiles(raw.files.get("percentiles.csv", b"")))
    for metric, row in report.table.items():
        for statistic, ms in zip(TABLE_STATISTICS, row, strict=True):
            if metric != "latency" or statistic not in percentiles:
                writer.add_ms(metric, statistic, ms)
    for statistic, ms in percentiles.items():
        writer.add_ms("latency", statistic, ms)
    writer.cpu(raw)
    writer.histogram(read_counts(raw.files.get("latency.tsv", b"")))
    return writer.reading()


def _read_multi(step: Step, raw: RawOutput) -> Reading:
    rows = re.findall(
        r"^(\d+)\t(\d{1,9}\.\d+)\t(\d{1,9}\.\d+)\t(-?\d{1,4})$",
        raw.files.get("processes.tsv", b"").decode("ascii", "replace"),
        re.MULTILINE,
    )
    texts = split(raw.stdout.decode("utf-8", "replace"))
    # A process that failed has a banner and no report: banners and rows go in the same order.
    ended = [
        (report_in(text), float(start), float(end))
        for (_, start, end, code), text in zip(rows, texts, strict=False)
        if code == "0"
    ]
    if not ended or len(rows) != len(texts):
        raise SitegenError(f"no ab of {len(rows)} ended well: {_reason(raw)}", where=step.name)
    reports = [report for report, _, _ in ended]
    # From the first start to the last end: adding up rates would count idle ends as served.
    span = max(end for _, _, end in ended) - min(start for _, start, _ in ended)
    if span <= 0:
        raise SitegenError("the processes took no time", where=step.name)
    status = _status(step, reports, int(dict(step.params)["requests"]))
    if len(ended) < int(dict(step.params)["processes"]):
        status = Status.SUSPECT
    writer = _Writer(step, status)
    complete = sum(report.complete for report in reports)
    writer.add("requests_per_second", "total", "1/s", complete / span)
    good = sum(report.least_good for report in reports)
    writer.add("ok_requests_per_second", "total", "1/s", good / span)
    writer.counts(reports)
    moved = sum(report.total_transferred for report in reports)
    writer.add("transfer_rate", "total", "B/s", moved / span)
    counts = read_counts(raw.files.get("latency.tsv", b""))
    if counts:
        total = sum(counts.values())
        mean = sum(ms * times for ms, times in counts.items()) / total
        writer.add("latency", "mean", "s", mean / 1000)
        writer.add("latency", "min", "s", min(counts) / 1000)
        writer.add("latency", "max", "s", max(counts) / 1000)
        for percent in _MERGED_PERCENTILES:
            merged = histogram.percentile(counts, percent) / 1000
            writer.add("latency", f"p{percent:g}", "s", merged)
    writer.cpu(raw)
    writer.histogram(counts)
    return writer.reading()


class _Writer:
    """Collects the measurements of one step, all with its parameters and status."""

    def __init__(self, step: Step, status: Status) -> None:
        self.step = step
        self.status = status
        self.measurements: list[Measurement] = []
        self.samples: list[Sample] = []

    def add(
        self, metric: str, statistic: str, unit: str, value: float, printed: str | None = None
    ) -> None:
        self.measurements.append(
            Measurement(
                self.step.workload,
                f"ab.{metric}",
                statistic,
                unit,
                value,
                self.step.params,
                status=self.status,
                printed=printed,
            )
        )

    def add_ms(self, metric: str, statistic: str, printed: str) -> None:
        self.add(metric, statistic, "s", float(f"{printed}e-3"), printed)

    def counts(self, reports: list[Report]) -> None:
        complete = sum(report.complete for report in reports)
        good = sum(report.least_good for report in reports)
        single = reports[0] if len(reports) == 1 else None
        for metric, count in (
            ("complete_requests", complete),
            ("failed_requests", sum(report.failed for report in reports)),
            ("non_2xx_responses", sum(report.non_2xx for report in reports)),
        ):
            self.add(metric, "value", "count", float(count), str(count) if single else None)
        self.add("error_rate", "value", "ratio", 1 - good / max(complete, 1))

    def cpu(self, raw: RawOutput) -> None:
        # To the millisecond, as archived: reading the archived run gives the same numbers.
        duration = round(raw.duration_s, 3)
        if duration <= 0:
            return
        if raw.cpu_s is not None:
            # Of one ab: each is one thread, and near 1 it is the limit itself.
            processes = int(dict(self.step.params)["processes"])
            usage = round(raw.cpu_s, 3) / duration / processes
            self.add("client_cpu_usage", "mean", "ratio", usage)
        if (seconds := raw.get("server_cpu_s")) is not None:
            self.add("server_cpu_usage", "mean", "ratio", float(seconds) / duration)

    def histogram(self, counts: Mapping[int, int]) -> None:
        self.samples += [
            Sample(
                self.step.workload,
                0,
                "histogram",
                "ab.latency",
                ms / 1000,
                float(times),
                self.step.params,
            )
            for ms, times in histogram.coarse(counts)
        ]

    def reading(self) -> Reading:
        return Reading(tuple(self.measurements), tuple(self.samples))


def _status(step: Step, reports: list[Report], requested: int) -> Status:
    """Return suspect for reports whose rate does not mean what it says.

    Raises SitegenError when not one byte was answered: ab counts that as success.
    """
    if not sum(report.total_transferred for report in reports):
        raise SitegenError("the server closed every connection without an answer", where=step.name)
    for report in reports:
        bad = report.complete - report.least_good
        if (
            report.complete < requested
            or not report.html_transferred
            or report.non_2xx
            or bad > _MOST_ERRORS * report.complete
        ):
            return Status.SUSPECT
    return Status.OK


def _reason(raw: RawOutput) -> str:
    said = raw.stderr.decode("utf-8", "replace").strip().splitlines()
    lines = [line.strip() for line in said if line.strip()]
    for sign in ("apr_", "socket:", "SSL handshake", "sitegen:", "ab:"):
        if told := [line for line in lines if sign in line]:
            return told[-1][:300]
    return lines[-1][:300] if lines else "it said nothing"


def split(text: str) -> list[str]:
    """Return the text of each ab in a row of outputs, from banner to banner."""
    starts = [match.start() for match in _BANNER.finditer(text)]
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def report_in(text: str) -> Report:
    """Return the report in ``text``. Lines are found by label: layouts differ.

    Raises SitegenError when a line that every report has is missing.
    """

    def number(label: str, form: str = r"\d{1,18}") -> str:
        match = re.search(rf"{label}:\s+({form})(?![\d.])", text)
        if match is None:
            raise SitegenError(f"ab's report has no line {label!r}", where="ab")
        return match[1]

    def word(label: str) -> str:
        match = re.search(rf"^\s*{label}:[ \t]+(\S.*?)\s*$", text, re.MULTILINE)
        return match[1] if match else ""

    non_2xx = re.search(r"Non-2xx responses:\s+(\d{1,18})\b", text)
    protocol, _, rest = word("SSL/TLS Protocol").partition(",")
    about = {
        "server_software": word("Server Software"),
        "document_length": word("Document Length").removesuffix(" bytes"),
        "tls_protocol": protocol,
        "tls_cipher": rest.partition(",")[0],
        "tls_key_exchange": word("Server Temp Key"),
        "failure_kinds": _failure_kinds(text),
    }
    return Report(
        complete=int(number("Complete requests")),
        failed=int(number("Failed requests")),
        non_2xx=int(non_2xx[1]) if non_2xx else 0,
        total_transferred=int(number("Total transferred")),
        html_transferred=int(number("HTML transferred")),
        time_taken=number("Time taken for tests", _DECIMAL),
        requests_per_second=number("Requests per second", _DECIMAL),
        transfer_rate=number("Transfer rate", _DECIMAL),
        table={
            metric: row.groups()
            for metric, label in _TABLE.items()
            if (row := re.search(rf"^\s*{label}{_TABLE_ROW}", text, re.MULTILINE))
        },
        percentiles={
            "max" if percent == "100" else f"p{percent}": ms
            for percent, ms in _PERCENT.findall(text)
        },
        about={key: value for key, value in about.items() if value},
    )


def read_percentiles(data: bytes) -> dict[str, str]:
    """Return statistic -> milliseconds as printed, from the file of ``-e`` (to 1 us)."""
    rows = dict(
        re.findall(
            r"^(\d{1,3}),(\d{1,12}\.\d{1,9})$", data.decode("ascii", "replace"), re.MULTILINE
        )
    )
    names = {"0": "min", "100": "max"} | {str(p): f"p{p}" for p in _CSV_PERCENTS}
    return {name: rows[percent] for percent, name in names.items() if percent in rows}


def count_requests(data: bytes) -> Counter[int]:
    """Return how many requests took how many whole milliseconds, from the file of ``-g``."""
    counts: Counter[int] = Counter()
    for line in data.splitlines()[1:]:
        fields = line.split(b"\t")
        if len(fields) > _TTIME and re.fullmatch(rb"\d{1,12}", fields[_TTIME]):
            counts[int(fields[_TTIME])] += 1
    return counts


def write_counts(counts: Mapping[int, int]) -> bytes:
    """Return the counts as lines of ``ms<TAB>count``: all that the request files hold on time."""
    lines = [f"{ms}\t{count}\n" for ms, count in sorted(counts.items())]
    return "".join(["ms\tcount\n", *lines]).encode()


def read_counts(data: bytes) -> dict[int, int]:
    """Return what `write_counts` wrote."""
    pairs = re.findall(rb"^(\d{1,12})\t(\d{1,12})$", data, re.MULTILINE)
    return {int(ms): int(count) for ms, count in pairs}


def _failure_kinds(text: str) -> str:
    match = re.search(r"^\s*\((Connect: \d+, .*Exceptions: \d+)\)\s*$", text, re.MULTILINE)
    return match[1] if match else ""
