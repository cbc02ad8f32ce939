"""What several jobs did together, as rows: the same for runs taken here and for imported ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from collectors.fio import jobs
from collectors.fio.jobs import LATENCIES, Job, Latency, Side
from sitegen.collect import histogram
from sitegen.errors import SitegenError
from sitegen.model import STATISTICS, Measurement, Params, Sample, params

SYNC = "fio.sync_latency"
_UNITS = {"fio.iops": "1/s", "fio.bandwidth": "B/s", "fio.io_bytes": "B", "fio.device_bytes": "B"}


@dataclass(slots=True)
class Rows:
    """Collects the measurements and samples of one workload.

    ``full`` adds what a collected run leaves to its raw output: the spread of completion and
    submission latency, and percentiles of single jobs where they cannot be merged.
    """

    workload: str
    repetition: int = 0
    full: bool = False
    measurements: list[Measurement] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def direction(self, parts: Sequence[Side], where: Params, *, spread: bool = True) -> None:
        """Add what jobs that ran together did in one direction."""
        if max(part.runtime_s for part in parts) <= 0:
            raise SitegenError("fio measured for no time at all", where=self.workload)
        alone = parts[0].printed if len(parts) == 1 else {}
        self.add("fio.iops", "value", jobs.rate(parts), where, alone.get("iops"))
        if len(parts) == 1 and spread:
            for statistic, value in parts[0].spread.items():
                self.add("fio.iops", statistic, value, where)
        self.add("fio.bandwidth", "value", jobs.bandwidth(parts), where, alone.get("bandwidth"))
        self.add("fio.io_bytes", "value", jobs.total(parts), where, alone.get("io_bytes"))
        for metric in LATENCIES.values():
            found = [part.latencies[metric] for part in parts if metric in part.latencies]
            self.latency(metric, found, where)

    def of_all(self, found: Sequence[Job], where: Params, *, times: float = 1.0) -> None:
        """Add what has no direction; ``times`` is how many jobs each entry is the mean of."""
        cpus = [job.cpu for job in found if job.cpu is not None]
        if len(cpus) == len(found):
            self.add("fio.cpu_usage", "value", sum(cpus) * times, where)

    def sync(self, found: Sequence[Job], where: Params) -> None:
        """Add how long fsync took."""
        self.latency(SYNC, [job.sync for job in found if job.sync is not None], where)

    def latency(self, metric: str, found: Sequence[Latency], where: Params) -> None:
        """Add one kind of latency of several jobs."""
        whole = jobs.together(found)
        if whole is None:
            return
        units, digits = whole.units, whole.printed
        self.add(metric, "mean", whole.mean / units, where, digits.get("mean"))
        if self.full or metric in ("fio.latency", SYNC):
            spread = (("stddev", whole.stddev), ("min", whole.low), ("max", whole.high))
            for statistic, value in spread:
                scaled = None if value is None else value / units
                self.add(metric, statistic, scaled, where, digits.get(statistic))
        self._percentiles(metric, found, whole, where)
        self.samples += [
            Sample(
                self.workload,
                self.repetition,
                "histogram",
                metric,
                value / units,
                float(times),
                where,
            )
            for value, times in histogram.coarse(whole.bins)
        ]

    def _percentiles(
        self, metric: str, found: Sequence[Latency], whole: Latency, where: Params
    ) -> None:
        if len(found) == 1:
            self._listed(metric, found[0], where)
        elif whole.bins:  # percentiles of several jobs do not average
            for percent in found[0].percentiles:
                if (statistic := f"p{percent:g}") in STATISTICS:
                    value = histogram.percentile(whole.bins, percent) / whole.units
                    self.add(metric, statistic, value, where)
        elif self.full:
            for number, one in enumerate(found, 1):
                self._listed(metric, one, params(job=number, **dict(where)))

    def _listed(self, metric: str, one: Latency, where: Params) -> None:
        for percent, value in one.percentiles.items():
            if (statistic := f"p{percent:g}") in STATISTICS:
                self.add(metric, statistic, value, where, one.printed.get(statistic))

    def add(
        self,
        metric: str,
        statistic: str,
        value: float | None,
        where: Params,
        printed: str | None = None,
    ) -> None:
        """Add one value in its base unit; None is left out."""
        if value is None:
            return
        if not math.isfinite(value):
            raise SitegenError(f"{metric} is {value}", where=self.workload)
        unit = "ratio" if metric == "fio.cpu_usage" else _UNITS.get(metric, "s")
        self.measurements.append(
            Measurement(
                self.workload,
                metric,
                statistic,
                unit,
                value,
                where,
                self.repetition,
                printed=printed,
            )
        )
