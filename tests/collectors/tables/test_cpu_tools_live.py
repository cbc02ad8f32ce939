"""The real tools: one short step of each, with the rows that were expected of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Missing, Request
from sitegen.collect.declared.collector import TableCollector, collector
from sitegen.collect.host import Host
from sitegen.model import Status

#: The step, the settings that make it short, and a metric of it that has to be above 0.
SHORT = {
    "sysbench": ("cpu-1", {"time_s": "1"}, "sysbench.events_per_second"),
    "stress-ng": ("get-1", {"time_s": "1"}, "stress-ng.bogo_ops_per_second"),
    "openssl": ("sha256-16384-1", {"time_s": "1"}, "openssl.throughput"),
    "mbw": ("copies", {"runs": "1", "size_mib": "16"}, "mbw.bandwidth"),
}


def expected(rows: object) -> set[tuple[object, ...]]:
    return {(row.workload, row.metric, row.statistic, row.params) for row in rows}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SHORT)
def test_a_step_delivers_what_is_expected_of_it(name: str, tmp_path: Path) -> None:
    one = collector(declared.shipped()[name])
    assert isinstance(one, TableCollector)
    host = Host()
    tool = one.detect(host)
    if isinstance(tool, Missing):
        pytest.skip(f"{tool.what} is not installed")
    wanted, settings, metric = SHORT[name]
    request = Request("quick", 1, settings, 2, tmp_path, tmp_path / "cache", 1 << 40, name)
    [step] = [step for step in one.plan(tool, request).steps if step.name == wanted]
    reading = one.parse(step, one.run(step, host))
    assert expected(step.expects) <= expected(reading.measurements)
    assert {row.status for row in reading.measurements} == {Status.OK}
    values = [row.value for row in reading.measurements if row.metric == metric]
    assert all(value and value > 0 for value in values)
