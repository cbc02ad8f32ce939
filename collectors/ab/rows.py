"""What ab's reports say as rows: the same for what sitegen ran and for what others bring."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from collectors.ab.report import TABLE, Report
from sitegen.collect import Series, histogram
from sitegen.model import Measurement, MetricDefinition, Params, Status, params

SWEEP, MULTI = "sweep", "multi"
#: Stands for all metrics.
EVERY = "*"
NO_ANSWER = "the server closed every connection without an answer"
#: What only other people's reports are asked for.
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
        *("ab.keepalive_requests", "Requests on kept connections", "count", "none"),
        "Completed requests whose answer kept the connection open.",
    ),
)
NATIVES = {f"ab.{metric}": label for label, metric in TABLE.items()} | {
    "ab.requests_per_second": "Requests per second",
    "ab.time_per_request": "Time per request (mean)",
    "ab.latency": "Total, and the times within which requests were served",
    "ab.transfer_rate": "Transfer rate, received",
    "ab.send_rate": "Transfer rate, sent",
}
#: The rate counts failed requests as served: past the 2 % that a verdict resolves, it misleads.
_MOST_ERRORS = 0.02
_PERCENTILES = (50, 66, 75, 80, 90, 95, 98, 99, 99.9)
_KIB = 1024.0


class Row(NamedTuple):
    """One value in its base unit, with the digits that ab printed; None where there is none."""

    metric: str
    statistic: str
    value: float | None
    printed: str | None = None
    about: Params = ()


def write(series: Series, rows: Iterable[Row], suspects: frozenset[str] = frozenset()) -> None:
    """Add rows to a series; those of the metrics in ``suspects``, or `EVERY`, are suspect."""
    for metric, statistic, value, printed, about in rows:
        status = Status.SUSPECT if {metric, EVERY} & suspects else ""
        series.add(f"ab.{metric}", statistic, value, printed, status=status, about=about)


def expected(workload: str, statistic: str, about: Params) -> tuple[Measurement, ...]:
    """Return what an ab that gives up leaves unmeasured."""
    latency = [("ab.latency", name, "s") for name in ("p50", "p99")]
    rows = (("ab.requests_per_second", statistic, "1/s"), *latency)
    return tuple(Measurement(workload, *row, None, about) for row in rows)


def misleading(report: Report) -> str:
    """Return why the rate of a report that ran to its end misleads, or nothing."""
    complete, good = report.complete, report.good
    if other := report.count("Non-2xx responses"):
        return f"{other} of {complete} answers were not 2xx"
    if report.count("HTML transferred") == 0:
        return "every answer was empty"
    if complete is not None and good and complete - good[0] > _MOST_ERRORS * complete:
        return f"{failed(report)} failed"
    return ""


def failed(report: Report) -> str:
    """Return in words how many requests failed, a range where one may be counted twice."""
    complete, (least, most) = report.complete or 0, report.good or (0, 0)
    count = f"{complete - least}"
    if least != most:
        count = f"between {complete - most} and {count}"
    return f"{count} of {complete} requests"


def ms(metric: str, statistic: str, printed: str) -> Row:
    """Return a time that was printed in milliseconds."""
    return Row(metric, statistic, float(Decimal(printed).scaleb(-3)), printed)


def of_report(report: Report, finer: Mapping[str, str]) -> Iterator[Row]:
    """Yield what one report says; ``finer`` percentiles win over its own."""
    yield from _rates(report)
    yield from _counts([report])
    yield _kib_rate(report, "transfer_rate", "Transfer rate")
    merged = {**report.percentiles, **finer}
    for label, cells in report.table.items():
        for statistic, digits in cells.items():
            if label != "Total" or statistic not in merged:
                yield ms(TABLE[label], statistic, digits)
    for statistic, digits in merged.items():
        yield ms("latency", statistic, digits)


def more_of_report(report: Report) -> Iterator[Row]:
    """Yield what one report says in the metrics of `DEFINITIONS`, and its failures by reason."""
    if (digits := report.numbers.get("Time per request")) is not None:
        yield ms("time_per_request", "mean", digits)
    yield _kib_rate(report, "send_rate", "sent")
    yield _count("write_errors", report.count("Write errors"))
    yield _count("keepalive_requests", report.count("Keep-Alive requests"))
    for reason, count in report.failures.items():
        yield _count("failed_requests", count)._replace(about=params(reason=reason))


def of_processes(reports: list[Report], span_s: float | None) -> Iterator[Row]:
    """Yield what several processes did in ``span_s``, where it is known: all over all of it."""
    complete, received = _sum(reports, "Complete requests"), _sum(reports, "Total transferred")

    def rate(count: int | None) -> float | None:
        return count / span_s if count is not None and span_s else None

    yield Row("requests_per_second", "total", rate(complete))
    least, most = _good(reports) or (None, None)
    yield from _range("ok_requests_per_second", "total", rate(least), rate(most))
    yield from _counts(reports)
    yield Row("transfer_rate", "total", rate(received))


def of_requests(latency: Mapping[int, int]) -> Iterator[Row]:
    """Yield the latency of every request, counted by whole milliseconds."""
    for statistic, value in _figures(latency, _PERCENTILES).items():
        yield Row("latency", statistic, value / 1000)


def of_parts(times: Mapping[str, Counter[int]]) -> Iterator[Row]:
    """Yield of the parts of each request's time what ab's own table has."""
    for metric, counts in times.items():
        figures, total = _figures(counts, (50,)), counts.total()
        if total > 1:
            squares = sum(times * (ms - figures["mean"]) ** 2 for ms, times in counts.items())
            figures["stddev"] = math.sqrt(squares / (total - 1))
        for statistic, value in figures.items() if metric != "latency" else ():
            yield Row(metric, statistic, value / 1000)


def _figures(counts: Mapping[int, int], percents: Iterable[float]) -> dict[str, float]:
    mean = sum(ms * times for ms, times in counts.items()) / sum(counts.values())
    figures = {"mean": mean, "min": min(counts), "max": max(counts)}
    return figures | {f"p{p:g}": histogram.percentile(counts, p) for p in percents}


def _rates(report: Report) -> Iterator[Row]:
    """Yield the rate of all requests, and of those that succeeded: a range where it is one."""
    rate, good = report.value("Requests per second"), report.good
    yield Row("requests_per_second", "mean", rate, report.numbers.get("Requests per second"))
    if rate is None or good is None:
        return
    share = 1 / max(report.complete or 0, 1)
    yield from _range("ok_requests_per_second", "mean", *(rate * count * share for count in good))


def _range(metric: str, statistic: str, least: float | None, most: float | None) -> Iterator[Row]:
    """Yield one value, or the least and the most where it may be any between them."""
    statistics = (statistic,) if least == most else ("min", "max")
    for each, value in zip(statistics, (least, most), strict=False):
        yield Row(metric, each, value)


def _counts(reports: list[Report]) -> Iterator[Row]:
    """Yield how many requests were made and how many failed, over all reports."""
    complete, failed = _sum(reports, "Complete requests"), _sum(reports, "Failed requests")
    # ab prints this line only where there are any; without its neighbours it may be cut off.
    other = None if failed is None else sum(r.count("Non-2xx responses") or 0 for r in reports)
    counts = {"complete_requests": complete, "failed_requests": failed, "non_2xx_responses": other}
    for metric, count in counts.items():
        yield _count(metric, count, printed=len(reports) == 1)
    good = _good(reports)
    if complete is not None and good is not None:
        bounds = ((complete - count) / max(complete, 1) for count in reversed(good))
        yield from _range("error_rate", "value", *bounds)


def _count(metric: str, count: int | None, *, printed: bool = True) -> Row:
    value = None if count is None else float(count)
    return Row(metric, "value", value, str(count) if printed else None)


def _kib_rate(report: Report, metric: str, label: str) -> Row:
    rate = report.value(label)
    return Row(metric, "mean", None if rate is None else rate * _KIB, report.numbers.get(label))


def _sum(reports: list[Report], key: str) -> int | None:
    """Return the sum, or None where a report does not have the number."""
    counts = [report.count(key) for report in reports]
    return None if None in counts else sum(count or 0 for count in counts)


def _good(reports: list[Report]) -> tuple[int, int] | None:
    """Return how many requests succeeded at least and at most, None where a report is silent."""
    counts = [good for report in reports if (good := report.good)]
    if len(counts) < len(reports):
        return None
    return sum(least for least, _ in counts), sum(most for _, most in counts)
