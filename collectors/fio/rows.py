"""What several jobs did together, as rows: the same for runs taken here and for imported ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collectors.fio import jobs
from collectors.fio.jobs import LATENCIES, Job, Latency, Side
from sitegen.collect import Series, histogram
from sitegen.errors import SitegenError
from sitegen.model import Params, params

_GROUPED_SHARE = 0.6


def direction(
    series: Series, parts: Sequence[Side], *, numjobs: int = 1, full: bool = False
) -> None:
    """Write what jobs that ran together did in one direction.

    ``full`` adds what a collected run leaves to its raw output: the spread of completion and
    submission latency, and percentiles of single jobs. An entry may be of several jobs.
    """
    if jobs.longest(parts) <= 0:
        raise SitegenError("fio measured for no time at all", where=series.workload)
    alone = parts[0] if len(parts) == 1 else Side("", 0.0)
    rate = jobs.rate(parts)
    series.add("fio.iops", "value", rate, alone.printed.get("iops"))
    for statistic, value in alone.spread.items():
        # With group_reporting the mean is the group's from fio 3.13 on and one job's before;
        # the rest is always one job's.
        if numjobs == 1 or (statistic == "mean" and value > _GROUPED_SHARE * (rate or 0.0)):
            series.add("fio.iops", statistic, value, alone.printed.get(f"iops {statistic}"))
    series.add("fio.bandwidth", "value", jobs.bandwidth(parts), alone.printed.get("bandwidth"))
    series.add("fio.io_bytes", "value", jobs.total(parts), alone.printed.get("io_bytes"))
    for metric in LATENCIES.values():
        own = [part.latencies[metric] for part in parts if metric in part.latencies]
        latency(series, metric, own, full=full)


def every(series: Series, entries: Sequence[Job], *, times: float = 1.0) -> None:
    """Write what has no direction: the CPU time, and how long fsync took.

    ``times`` is how many jobs each entry is the mean of.
    """
    shares = [job.cpu for job in entries if job.cpu is not None]
    if len(shares) == len(entries):
        series.add("fio.cpu_usage", "value", sum(shares) * times)
    syncs = [job.sync for job in entries if job.sync is not None]
    latency(series, "fio.sync_latency", syncs, full=True)


def latency(series: Series, metric: str, parts: Sequence[Latency], *, full: bool) -> None:
    """Write one kind of latency of several jobs."""
    together = jobs.together(parts)
    if together is None:
        return
    whole, bins = together
    statistics: dict[str, float | None] = {"mean": whole.mean}
    if full or metric == LATENCIES["lat"]:
        statistics |= {"stddev": whole.stddev, "min": whole.low, "max": whole.high}
    for statistic, value in statistics.items():
        scaled = None if value is None else value / whole.units
        series.add(metric, statistic, scaled, whole.printed.get(statistic))
    if len(parts) == 1:
        _percentiles(series, metric, parts[0])
    elif bins:  # percentiles of several jobs do not average
        percents = list(parts[0].percentiles)
        for percent, value in zip(percents, histogram.percentiles(bins, percents), strict=True):
            series.add(metric, f"p{percent:g}", value / whole.units)
    elif full:
        for number, one in enumerate(parts, 1):
            _percentiles(series, metric, one, params(job=number))
    histogram_of(series, metric, bins, whole.units)


def histogram_of(series: Series, metric: str, bins: Mapping[int, int], units: float) -> None:
    """Write how many I/Os took how long; ``units`` make a second."""
    points = ((value / units, float(times)) for value, times in histogram.coarse(bins))
    series.points("histogram", metric, points)


def _percentiles(series: Series, metric: str, one: Latency, about: Params = ()) -> None:
    for percent, value in one.percentiles.items():
        name = f"p{percent:g}"
        series.add(metric, name, value, one.printed.get(name), about=about)
