"""A file beside a report without the report: what it says by itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from collectors.ab.readers.asked import ASKS, of_one
from collectors.ab.readers.checks import falling
from collectors.ab.readers.files import (
    SHORTEST_S,
    Requests,
    is_percentiles,
    is_requests,
    percentiles_in,
    requests_in,
)
from collectors.ab.readers.series import params_of
from collectors.ab.readers.sitting import SWEEP, Sitting
from collectors.ab.report import Report
from collectors.ab.rows import Rows
from sitegen.collect import Reader, Reading, histogram
from sitegen.model import Doubt, Status

CUT_ROWS = "the rows are sorted by time and their end is missing: the slowest are not there"
#: What share of a closed loop's connections may be idle before its times are not believed.
_LEAST_BUSY, _MOST_BUSY = 0.5, 1.1


def read_percentiles(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the percentiles of latency that a file of ``-e`` holds."""
    answers = of_one(settings)
    file = percentiles_in(data)
    asked = int(answers["requests"]) if "requests" in answers else None
    statistics = file.statistics(asked)
    where = params_of(Report(1), answers)
    sitting = Sitting(answers)
    wrong = list(falling(statistics))
    for each in wrong:
        sitting.doubt(Doubt.INCONSISTENT, each.told)
    if file.cut:
        sitting.doubt(Doubt.CUT_OFF, f"{len(file.rows)} of 101 rows are there")
    rows = Rows(SWEEP, where, Status.SUSPECT if wrong else Status.OK)
    for statistic, ms in statistics.items():
        rows.ms("latency", statistic, ms)
    sitting.keep(rows)
    return (sitting.found(),)


def read_requests(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return what the requests of a file of ``-g`` say: their times and, of a long run, a rate."""
    answers = of_one(settings)
    file = requests_in(data)
    # What a cut file holds is not what was asked for.
    report = Report(1, numbers={} if file.cut else {"complete": str(file.rows)})
    where = params_of(report, answers)
    sitting = Sitting(answers)
    wrong = list(file.contradictions())
    for each in wrong:
        sitting.doubt(Doubt.INCONSISTENT, each.told)
    if file.cut:
        sitting.doubt(Doubt.CUT_OFF, CUT_ROWS)
    status = Status.SUSPECT if file.cut else sitting.status(report, SWEEP)
    suspects = frozenset().union(*(each.metrics for each in wrong))
    rows = Rows(SWEEP, where, status, suspects=suspects)
    rows.add("complete_requests", "value", "count", float(file.rows), str(file.rows))
    _rate(rows, file, sitting, int(dict(where)["concurrency"]))
    rows.merged_latency(file.latency)
    for metric in ("connect_time", "processing_time", "waiting_time"):
        _row(rows, metric, file.times[metric])
    rows.histogram(file.latency)
    sitting.keep(rows)
    return (sitting.found(started_at=file.started_at()),)


def _rate(rows: Rows, file: Requests, sitting: Sitting, concurrency: int) -> None:
    """Add the rate, where whole seconds of start do not spoil it."""
    span = file.span_s
    if span < SHORTEST_S:
        sitting.note(
            f"No rate: starts are in whole seconds, and {span:.1f} s are too short for that."
        )
        return
    low, high = file.rows / (span + 1), file.rows / (span - 1)
    sitting.doubt(
        Doubt.ROUNDED,
        f"starts are in whole seconds: the rate is between {low:.2f} and {high:.2f} a second",
    )
    busy = sum(ms * times for ms, times in file.latency.items()) / 1000 / span / concurrency
    if not _LEAST_BUSY <= busy <= _MOST_BUSY:
        sitting.doubt(
            Doubt.INCONSISTENT,
            f"{concurrency} connections at once would be busy {busy:.0%} of {span:.0f} s",
        )
        rows.suspects |= {"ab.requests_per_second"}
    rows.add("requests_per_second", "mean", "1/s", file.rows / span)


def _row(rows: Rows, metric: str, counts: Counter[int]) -> None:
    """Add what ab's own table has of one part of the time."""
    total = counts.total()
    mean = sum(ms * times for ms, times in counts.items()) / total
    rows.add(metric, "min", "s", min(counts) / 1000)
    rows.add(metric, "mean", "s", mean / 1000)
    if total > 1:
        squares = sum(times * (ms - mean) ** 2 for ms, times in counts.items())
        rows.add(metric, "stddev", "s", math.sqrt(squares / (total - 1)) / 1000)
    rows.add(metric, "p50", "s", histogram.percentile(counts, 50) / 1000)
    rows.add(metric, "max", "s", max(counts) / 1000)


PERCENTILES = Reader(
    "ab-percentiles", "ApacheBench, percentiles (-e)", is_percentiles, read_percentiles, ASKS
)
REQUESTS = Reader("ab-requests", "ApacheBench, requests (-g)", is_requests, read_requests, ASKS)
