"""Reads an output as `import` does, by the first form that knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sitegen.catalogue import declared
from sitegen.collect import Reading
from sitegen.collect.declared.collector import collector
from sitegen.errors import SitegenError
from tests.collectors.damage import bear

Runs = Callable[[bytes, Mapping[str, str]], tuple[Reading, ...]]


def read(benchmark: str, data: bytes, **asked: str) -> Reading:
    """Return what is read of ``data``; raises SitegenError where no form or two know it."""
    readers = [one for one in collector(declared.shipped()[benchmark]).READERS if one.knows(data)]
    if len(readers) != 1:
        raise SitegenError(f"{len(readers)} forms know it")
    [reading] = readers[0].runs(data, asked)
    return reading


def figures(reading: Reading, metric: str, statistic: str = "value") -> dict[str, float | None]:
    """Return the values of a metric by workload."""
    return {
        row.workload: row.value
        for row in reading.measurements
        if row.metric.partition(".")[2] == metric and row.statistic == statistic
    }


def bear_damage(benchmark: str, data: bytes, **asked: str) -> None:
    """Fail where a reader of the benchmark does not bear ``data`` cut and changed."""
    for reader in collector(declared.shipped()[benchmark]).READERS:

        def runs(hurt: bytes, runs: Runs = reader.runs) -> tuple[Reading, ...]:
            return runs(hurt, asked)

        bear(reader.knows, runs, data, trials=20)
