"""redis: what redis-benchmark and memtier_benchmark print, and a server of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Host, RawOutput, Reading, Request
from sitegen.collect.declared.collector import TableCollector, collector
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status, ToolIdentity
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "redis"
TOOL = ToolIdentity("redis-benchmark", "7.0.15")
ASKED = {
    "clients": "50",
    "pipeline": "1",
    "data_size": "256",
    "threads": "0",
    "access": "loopback",
}
TEXT = {"pipeline": "1", "access": "loopback"}


def table() -> TableCollector:
    found = collector(declared.shipped()["redis"])
    assert isinstance(found, TableCollector)
    return found


def read_data(data: bytes, asked: dict[str, str]) -> Reading:
    [reader] = [each for each in table().READERS if each.knows(data)]
    [reading] = reader.runs(data, asked)
    return reading


def read(name: str, **asked: str) -> Reading:
    return read_data((RAW / name).read_bytes(), asked)


def of(reading: Reading, metric: str, **params: str) -> dict[str, Measurement]:
    """Return the rows of a metric by statistic."""
    return {
        row.statistic: row
        for row in reading.measurements
        if row.metric == f"redis.{metric}" and params.items() <= dict(row.params).items()
    }


def test_every_figure_of_a_csv_is_read_in_base_units() -> None:
    reading = read("csv.out", **ASKED)
    assert of(reading, "requests_per_second", command="SET")["value"].value == 20597.32
    latency = of(reading, "latency", command="MSET (10 keys)")
    assert {name: row.value for name, row in latency.items()} == pytest.approx(
        {
            "mean": 4.975e-3,
            "min": 0.256e-3,
            "p50": 4.175e-3,
            "p95": 11.567e-3,
            "p99": 16.943e-3,
            "max": 39.007e-3,
        }
    )
    assert {row.status for row in reading.measurements} == {Status.OK}
    assert dict(latency["p50"].params) == {
        "access": "loopback",
        "client": "redis-benchmark",
        "client_threads": "0",
        "clients": "50",
        "command": "MSET (10 keys)",
        "data_size": "256",
        "pipeline": "1",
    }


def test_latencies_that_fewer_connections_could_not_have_are_doubted() -> None:
    assert {row.status for row in read("csv-p16.out", **ASKED).measurements} == {Status.SUSPECT}
    asked = {**ASKED, "pipeline": "16"}
    assert {row.status for row in read("csv-p16.out", **asked).measurements} == {Status.OK}


@pytest.mark.parametrize("missing", ASKED)
def test_what_a_csv_does_not_say_is_asked(missing: str) -> None:
    asked = {name: value for name, value in ASKED.items() if name != missing}
    with pytest.raises(SitegenError, match=f"add --set {missing}="):
        read("csv.out", **asked)


def test_a_csv_of_a_server_that_was_gone_has_no_result() -> None:
    with pytest.raises(SitegenError, match="has no result"):
        read("server-gone.out", **ASKED)


def test_what_stands_around_a_csv_is_passed_over_and_two_are_two_repetitions() -> None:
    data = (RAW / "csv.out").read_bytes()
    reading = read_data(b"$ redis-benchmark --csv\nWARNING\n" + data + b"\n" + data, ASKED)
    rows = [row for row in reading.measurements if row.metric == "redis.requests_per_second"]
    assert len(rows) == 10
    assert {row.repetition for row in rows} == {0, 1}


def test_the_csv_of_old_versions_has_rates_alone() -> None:
    reading = read("csv-old.out", **ASKED)
    assert of(reading, "requests_per_second", command="GET")["value"].value == 80906.15
    assert {row.metric for row in reading.measurements} == {"redis.requests_per_second"}


def test_a_quiet_report_has_rates_and_medians() -> None:
    reading = read("quiet.out", **ASKED)
    assert of(reading, "requests_per_second", command="GET")["value"].value == 20790.02
    assert of(reading, "latency", command="SET")["p50"].value == pytest.approx(2.063e-3)


def test_a_report_says_itself_what_a_csv_does_not() -> None:
    reading = read("text.out", **TEXT)
    rows = of(reading, "latency", command="GET")
    assert set(rows) == {"mean", "min", "p50", "p95", "p99", "max"}
    about = dict(rows["p99"].params)
    assert (about["clients"], about["data_size"], about["client_threads"]) == ("50", "3", "0")
    assert {(one.name, one.value) for one in reading.parameters} >= {("appendonly", "no")}
    threads = read("text-threads.out", pipeline="16", access="loopback")
    assert {dict(row.params)["client_threads"] for row in threads.measurements} == {"2"}


def test_what_a_user_says_does_not_overrule_a_report() -> None:
    with pytest.raises(SitegenError, match="the file says '0', not '4'"):
        read("text.out", threads="4", **TEXT)


def test_a_report_whose_rate_and_time_disagree_is_suspect() -> None:
    data = (RAW / "text-old.out").read_bytes()
    asked = {"threads": "0", **TEXT}
    good = read_data(data, asked)
    assert {row.status for row in good.measurements} == {Status.OK}
    assert dict(good.measurements[0].params)["connections"] == "reopened"
    bad = read_data(data.replace(b"in 1.25 seconds", b"in 2.25 seconds"), asked)
    assert {row.status for row in bad.measurements} == {Status.SUSPECT}


def test_memtier_is_another_client_whose_commands_are_told_apart() -> None:
    reading = read("memtier.json", access="loopback")
    rows = of(reading, "requests_per_second", command="Gets")
    assert rows["value"].value == 100000
    assert of(reading, "latency", command="Totals")["p99.9"].value == pytest.approx(6e-3)
    assert of(reading, "bandwidth", command="Sets")["value"].value == pytest.approx(770.5 * 1024)
    about = dict(rows["value"].params)
    assert about["client"] == "memtier_benchmark"
    assert (about["clients_per_thread"], about["client_threads"]) == ("50", "4")
    assert {dict(row.params)["command"] for row in reading.measurements} == {
        "Sets",
        "Gets",
        "Totals",
    }
    assert reading.started_at == "2025-11-30T10:53:20Z"
    assert [sample.y for sample in reading.samples if sample.y > 100_000] == [
        *(102000, 107800, 112200),
    ]


def test_a_run_of_memtier_with_failures_or_that_was_interrupted_is_suspect() -> None:
    reading = read("memtier-interrupted.json", access="loopback")
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    [(_, sentence, _)] = [one for one in reading.doubts if "failed" in one[1]]
    assert sentence == "it was interrupted; 3 connections failed"


def test_of_several_runs_the_best_the_worst_and_the_mean_stay_apart() -> None:
    reading = read("memtier-runs.json", access="loopback")
    rates = {
        dict(row.params)["of_runs"]: row.value
        for row in reading.measurements
        if row.metric == "redis.requests_per_second" and dict(row.params)["command"] == "Gets"
    }
    assert rates == {
        "BEST RUN RESULTS": 100000,
        "WORST RUN RESULTS": 90000,
        "AGGREGATED AVERAGE RESULTS (3 runs)": 95000,
    }


def test_a_count_that_is_not_rate_times_time_is_suspect() -> None:
    document = json.loads((RAW / "memtier.json").read_text())
    document["ALL STATS"]["Gets"]["Count"] = 90_000
    reading = read_data(json.dumps(document).encode(), {"access": "loopback"})
    suspect = {row.params for row in reading.measurements if row.status == Status.SUSPECT}
    assert {dict(each)["command"] for each in suspect} == {"Gets"}


def test_a_server_is_started_measured_and_gone(tmp_path: Path) -> None:
    one, host = table(), Host()
    if not isinstance(tool := one.detect(host), ToolIdentity):
        pytest.skip(str(tool))
    few = {"requests": "1000", "pipelined_requests": "4000"}
    request = Request("quick", 1, few, 2, tmp_path, tmp_path / "cache", 1 << 40, "redis")
    for step in one.plan(tool, request).steps:
        raw = one.run(step, host)
        rows = one.parse(step, raw).measurements
        assert {row.status for row in rows} == {Status.OK}
        assert {(row.metric, row.statistic, row.params) for row in step.expects} <= {
            (row.metric, row.statistic, row.params) for row in rows
        }
        usage = {row.value for row in rows if row.metric == "redis.server_cpu_usage"}
        assert 0 < min(value for value in usage if value is not None) < 4
    assert raw.get("server_version")


def test_of_a_server_that_was_not_started_here_nothing_is_said() -> None:
    def kept(**given: str) -> set[str]:
        request = Request("quick", 1, given, 2, RAW, RAW, 1 << 40, "redis")
        return {one.name for one in table().plan(TOOL, request).parameters}

    assert kept() - kept(address="192.0.2.1:6379") == {"appendonly", "io_threads"}


@pytest.mark.parametrize(
    ("name", "was", "becomes"),
    [
        ("csv.out", '"6.343"', '"5.243"'),
        ("text.out", "10.167    20.863", " 4.167    20.863"),
        ("memtier.json", '"Max Latency": 9.4', '"Max Latency": 0.4'),
    ],
)
def test_percentiles_out_of_order_are_suspect(name: str, was: str, becomes: str) -> None:
    text = (RAW / name).read_text()
    assert was in text
    asked = {"csv.out": ASKED, "text.out": TEXT}.get(name, {"access": "loopback"})
    reading = read_data(text.replace(was, becomes, 1).encode(), asked)
    assert Status.SUSPECT in {row.status for row in reading.measurements}
    assert any("out of order" in sentence for _, sentence, _ in reading.doubts)


def test_a_tool_that_failed_is_no_result() -> None:
    step = table().plan(TOOL, Request("quick", 1, {}, 2, RAW, RAW, 1 << 40, "redis")).steps[0]
    raw = RawOutput(
        stdout=(RAW / "server-gone.out").read_bytes(),
        stderr=(RAW / "server-gone.err").read_bytes(),
        exit_code=1,
    )
    with pytest.raises(SitegenError, match="code 1: Error: Server closed the connection"):
        table().parse(step, raw)
