"""ab's figures as measurements: the same for what sitegen ran and for what others bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from collectors.ab.report import Report
from sitegen.collect import histogram
from sitegen.model import Measurement, Params, Sample, Status, params

# The rate counts failed requests as served: past the 2 % that a verdict resolves, it misleads.
MOST_ERRORS = 0.02
MERGED_PERCENTILES = (50, 66, 75, 80, 90, 95, 98, 99, 99.9)


def expected(workload: str, statistic: str, where: Params) -> tuple[Measurement, ...]:
    """Return what an ab that gives up leaves unmeasured."""
    return (
        Measurement(workload, "ab.requests_per_second", statistic, "1/s", None, where),
        Measurement(workload, "ab.latency", "p50", "s", None, where),
        Measurement(workload, "ab.latency", "p99", "s", None, where),
    )


def misleading(report: Report, requested: int | None) -> bool:
    """Say whether the report's rate does not mean what it says.

    It was stopped early, answered with empty documents or errors, or failed too often.
    """
    complete, good = report.count("complete"), report.least_good
    if complete is not None and requested is not None and complete < requested:
        return True
    if report.count("html_transferred") == 0 or report.count("non_2xx"):
        return True
    return complete is not None and good is not None and complete - good > MOST_ERRORS * complete


class Rows:
    """Collects the measurements of one workload, all with its parameters.

    ``suspects`` are the metrics that do not mean what they say; ``status`` is that of the rest.
    """

    def __init__(
        self,
        workload: str,
        where: Params,
        status: Status = Status.OK,
        *,
        repetition: int = 0,
        suspects: frozenset[str] = frozenset(),
    ) -> None:
        self.workload = workload
        self.where = where
        self.status = status
        self.repetition = repetition
        self.suspects = suspects
        self.measurements: list[Measurement] = []
        self.samples: list[Sample] = []

    def add(  # noqa: PLR0913 - what a measurement is
        self,
        metric: str,
        statistic: str,
        unit: str,
        value: float,
        printed: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Add one value; ``reason`` tells the parts of a count from their total."""
        where = params(**dict(self.where), reason=reason) if reason else self.where
        name = f"ab.{metric}"
        status = Status.SUSPECT if name in self.suspects else self.status
        self.measurements.append(
            Measurement(
                *(self.workload, name, statistic, unit, value, where, self.repetition),
                status=status,
                printed=printed,
            )
        )

    def ms(self, metric: str, statistic: str, printed: str) -> None:
        """Add a time that was printed in milliseconds."""
        self.add(metric, statistic, "s", float(Decimal(printed).scaleb(-3)), printed)

    def report(self, report: Report, percentiles: Mapping[str, str]) -> None:
        """Add what one report says; ``percentiles`` are finer ones that win over its own."""
        self.rates(report)
        self.counts([report])
        if (digits := report.numbers.get("transfer_rate")) is not None:
            self.add("transfer_rate", "mean", "B/s", float(digits) * report.kilobyte, digits)
        merged = {**report.percentiles, **percentiles}
        for metric, row in report.table.items():
            for statistic, ms in row.items():
                if metric != "latency" or statistic not in merged:
                    self.ms(metric, statistic, ms)
        for statistic, ms in merged.items():
            self.ms("latency", statistic, ms)

    def rates(self, report: Report) -> None:
        """Add the rate of all requests, and of those that succeeded: a range where it is one."""
        digits, complete = report.numbers.get("requests_per_second"), report.count("complete")
        if digits is None:
            return
        rate = float(digits)
        self.add("requests_per_second", "mean", "1/s", rate, digits)
        least, most = report.least_good, report.most_good
        if least is None or most is None or complete is None:
            return
        share = 1 / max(complete, 1)
        good = "mean" if least == most else "min"
        self.add("ok_requests_per_second", good, "1/s", rate * least * share)
        if good == "min":
            self.add("ok_requests_per_second", "max", "1/s", rate * most * share)

    def counts(self, reports: list[Report]) -> None:
        """Add how many requests were made and how many failed, over all reports."""
        complete = _sum(report.count("complete") for report in reports)
        failed = _sum(report.count("failed") for report in reports)
        good = _sum(report.least_good for report in reports)
        # ab prints this line only where there are any; without its neighbours it may be cut off.
        non_2xx = None if failed is None else sum(r.count("non_2xx") or 0 for r in reports)
        for metric, count in (
            ("complete_requests", complete),
            ("failed_requests", failed),
            ("non_2xx_responses", non_2xx),
        ):
            if count is not None:
                printed = str(count) if len(reports) == 1 else None
                self.add(metric, "value", "count", float(count), printed)
        if complete is not None and good is not None:
            self.add("error_rate", "value", "ratio", 1 - good / max(complete, 1))

    def together(self, reports: list[Report], span_s: float | None) -> None:
        """Add what several processes did in ``span_s``, where it is known: all over all of it."""
        complete = _sum(report.count("complete") for report in reports)
        good = _sum(report.least_good for report in reports)
        moved = _sum(report.count("total_transferred") for report in reports)
        if complete is not None and span_s:
            self.add("requests_per_second", "total", "1/s", complete / span_s)
        if good is not None and span_s:
            self.add("ok_requests_per_second", "total", "1/s", good / span_s)
        self.counts(reports)
        if moved is not None and span_s:
            self.add("transfer_rate", "total", "B/s", moved / span_s)

    def merged_latency(self, counts: Mapping[int, int]) -> None:
        """Add the latency of every request, counted by whole milliseconds."""
        total = sum(counts.values())
        mean = sum(ms * times for ms, times in counts.items()) / total
        self.add("latency", "mean", "s", mean / 1000)
        self.add("latency", "min", "s", min(counts) / 1000)
        self.add("latency", "max", "s", max(counts) / 1000)
        for percent in MERGED_PERCENTILES:
            value = histogram.percentile(counts, percent) / 1000
            self.add("latency", f"p{percent:g}", "s", value)

    def histogram(self, counts: Mapping[int, int]) -> None:
        """Add how many requests took how long, as samples."""
        self.samples += [
            Sample(
                *(self.workload, self.repetition, "histogram", "ab.latency"),
                *(ms / 1000, float(times), self.where),
            )
            for ms, times in histogram.coarse(counts)
        ]


def _sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum, or None where one of the counts is absent."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
