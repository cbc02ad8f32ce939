"""Whether the figures of a report agree with one another, as far as their digits go."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from collectors.ab.report import Report

_ORDER = ("min", "p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "max")
_NAMES = {
    "latency": "Total",
    "connect_time": "Connect",
    "processing_time": "Processing",
    "waiting_time": "Waiting",
}
#: Beyond rounding: what a float adds to it.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two figures that cannot both be right, in words, and the metrics that are in question."""

    told: str
    metrics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Range:
    """All that a printed number may stand for."""

    low: float
    high: float

    def meets(self, other: Range) -> bool:
        """Say whether both can be the same number."""
        return self.low <= other.high * (1 + _SLACK) and other.low <= self.high * (1 + _SLACK)

    def scaled(self, factor: float) -> Range:
        """Return both ends times ``factor``."""
        return Range(self.low * factor, self.high * factor)

    def under(self, amount: float) -> Range:
        """Return ``amount`` divided by it; without bound where it may be 0."""
        low = amount / self.high if self.high else math.inf
        return Range(low, amount / self.low if self.low > 0 else math.inf)


def printed(digits: str) -> Range:
    """Return what ``digits`` may stand for, rounded or cut off at their last place."""
    place = 10.0 ** -len(digits.partition(".")[2])
    return Range(max(float(digits) - place, 0.0), float(digits) + place)


def contradictions(report: Report) -> list[Contradiction]:
    """Return what in ``report`` contradicts itself."""
    return [*_rates(report), *_counts(report), *_table(report), *_percentiles(report)]


def _rates(report: Report) -> Iterator[Contradiction]:
    taken, complete = report.numbers.get("time_taken"), report.count("complete")
    if taken is None:
        return
    time = printed(taken)
    rates = frozenset({"ab.requests_per_second", "ab.ok_requests_per_second"})
    numbers = report.numbers
    per_second = numbers.get("requests_per_second")
    if complete is not None and per_second and not printed(per_second).meets(time.under(complete)):
        yield Contradiction(
            f"{per_second} requests a second are not {complete} requests in {taken} s", rates
        )
    concurrency = report.count("concurrency")
    for key, at_once in (("time_per_request", concurrency), ("time_across_all", 1)):
        each = numbers.get(key)
        if each is None or not complete or not at_once:
            continue
        if not printed(each).meets(time.scaled(1000 * at_once / complete)):
            metrics = rates | {"ab.time_per_request"} if key == "time_per_request" else rates
            yield Contradiction(
                f"{each} ms a request is not {at_once} at once, {complete} in {taken} s", metrics
            )
    for key, moved, metric in (
        ("transfer_rate", "total_transferred", "ab.transfer_rate"),
        ("sent_rate", "body_sent", "ab.send_rate"),
    ):
        speed, total = numbers.get(key), report.count(moved)
        if speed is None or total is None:
            continue
        rate = printed(speed).scaled(report.kilobyte)
        if not (rate.meets(time.under(total)) or rate.meets(time.under(whole_kib(total)))):
            kilobyte = "KiB" if report.kilobyte > 1000 else "kB"  # noqa: PLR2004 - or 1024
            yield Contradiction(
                f"{speed} {kilobyte}/s are not {total} B in {taken} s", frozenset({metric})
            )


def whole_kib(count: int) -> int:
    """Return the bytes that ab 2.0 counts for its rates: it leaves out the last part of a KiB."""
    return count // 1024 * 1024


def short_rate(report: Report) -> bool:
    """Say whether the rate of transfer fits the bytes only as ab 2.0 counts them."""
    taken, speed = report.numbers.get("time_taken"), report.numbers.get("transfer_rate")
    total = report.count("total_transferred")
    if taken is None or speed is None or total is None:
        return False
    rate, time = printed(speed).scaled(report.kilobyte), printed(taken)
    return not rate.meets(time.under(total)) and rate.meets(time.under(whole_kib(total)))


def _counts(report: Report) -> Iterator[Contradiction]:
    failed, parts = report.count("failed"), report.failures
    if failed is not None and parts and sum(parts.values()) != failed:
        kinds = ", ".join(f"{kind} {count}" for kind, count in parts.items())
        yield Contradiction(f"{failed} failed requests are not the sum of their parts: {kinds}")
    complete = report.count("complete")
    for key, told in (
        ("non_2xx", "answers outside 2xx"),
        ("keepalive", "requests on kept connections"),
    ):
        count = report.count(key)
        if count is not None and complete is not None and count > complete:
            yield Contradiction(
                f"{count} {told} are more than the {complete} completed requests",
                frozenset({"ab.non_2xx_responses", "ab.error_rate", "ab.ok_requests_per_second"}),
            )


def _table(report: Report) -> Iterator[Contradiction]:
    for metric, row in report.table.items():
        if report.in_html and metric == "processing_time":
            continue  # differences of two rows, which may have any order
        low, high = float(row["min"]), float(row["max"])
        middle = [(name, row[name]) for name in ("p50", "mean") if name in row]
        for name, digits in middle:
            # A mean is rounded from the whole and each of the others by itself.
            if not low - 1 <= float(digits) <= high + 1 or (low > high):
                word = "median" if name == "p50" else name
                yield Contradiction(
                    f"{_NAMES[metric]}: the {word} of {digits} ms is not between"
                    f" {row['min']} and {row['max']} ms",
                    frozenset({f"ab.{metric}"}),
                )
                break
    longest, last = report.table.get("latency", {}).get("max"), report.percentiles.get("max")
    if longest is not None and last is not None and float(longest) != float(last):
        yield Contradiction(
            f"the longest request took {longest} ms in the table and {last} ms in the list",
            frozenset({"ab.latency"}),
        )


def _percentiles(report: Report) -> Iterator[Contradiction]:
    yield from falling(report.percentiles)


def falling(percentiles: Mapping[str, str]) -> Iterator[Contradiction]:
    """Yield the first place where a higher percentile is a shorter time."""
    there = [(name, percentiles[name]) for name in _ORDER if name in percentiles]
    for (lower, before), (higher, after) in pairwise(there):
        if float(after) < float(before):
            yield Contradiction(
                f"{higher} of {after} ms is below {lower} of {before} ms",
                frozenset({"ab.latency"}),
            )
            return
