"""wrk and wrk2: units, errors that they count, loops that are open or closed, a run of wrk."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collectors import ab
from sitegen.catalogue import declared
from sitegen.collect import Host, Missing, Reading, Request
from sitegen.collect.declared.collector import TableCollector, collector
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Measurement, Status, ToolIdentity
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "wrk"
TABLE = declared.shipped()["wrk"]


def read(text: str, asked: dict[str, str] | None = None) -> Reading:
    data = text.encode()
    [reader] = [each for each in collector(TABLE).READERS if each.knows(data)]
    [reading] = reader.runs(data, asked or {})
    return reading


def recorded(name: str) -> str:
    return (RAW / f"{name}.out").read_text("utf-8")


def values(rows: tuple[Measurement, ...]) -> dict[tuple[str, str], float | None]:
    return {(row.metric.partition(".")[2], row.statistic): row.value for row in rows}


def test_times_are_seconds_and_bytes_are_of_powers_of_two() -> None:
    reading = read(recorded("http"))
    found = values(reading.measurements)
    assert found["requests_per_second", "value"] == 32443.81
    assert found["latency", "mean"] == pytest.approx(2.28e-3)
    assert found["latency", "p99"] == pytest.approx(25.66e-3)
    assert found["latency", "max"] == pytest.approx(102.11e-3)
    assert found["transfer_rate", "value"] == pytest.approx(36.32 * 2**20)
    assert found["complete_requests", "value"] == 68465
    assert found["error_rate", "value"] == 0
    assert dict(reading.measurements[0].params) == {
        "access": "loopback",
        "concurrency": "50",
        "load": "closed",
        "scheme": "http",
        "threads": "2",
    }
    assert values(read(recorded("interrupted")).measurements)["latency", "p50"] == 203e-6


def test_without_latency_there_are_no_percentiles() -> None:
    found = values(read(recorded("no-latency")).measurements)
    assert ("latency", "mean") in found
    assert ("latency", "p50") not in found


def test_minutes_are_no_metres() -> None:
    text = recorded("http").replace("in 2.11s", "in 2.00m").replace("Running 2s", "Running 2m")
    text = text.replace("32443.81", "570.54").replace("36.32MB", "654.08KB")
    reading = read(text)
    assert {row.status for row in reading.measurements} == {Status.OK}


def test_answers_that_are_errors_make_the_rate_suspect() -> None:
    reading = read(recorded("not-found"))
    found = values(reading.measurements)
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert found["ok_requests_per_second", "value"] == 0
    assert found["error_rate", "value"] == 1
    assert dict(reading.measurements[0].params)["path"] == "/404"


@pytest.mark.parametrize("name", ["closed", "silent"])
def test_a_server_that_answers_nothing_is_no_zero(name: str) -> None:
    reading = read(recorded(name))
    assert {row.status for row in reading.measurements} == {Status.FAILED}
    assert {row.value for row in reading.measurements} == {None}


_READ = "68465 requests in 2.11s, 76.65MB read\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (_READ, f"{_READ}  Socket errors: connect 3, read 0, write 0, timeout 0\n", "3 conn"),
        (_READ, f"{_READ}  Socket errors: connect 0, read 9000, write 1, timeout 0\n", "9000 re"),
        (_READ, f"{_READ}  Socket errors: connect 0, read 0, write 0, timeout 90\n", "90 of 68465"),
        ("32443.81", "42443.81", "42443.81 requests a second"),
        ("36.32MB", "46.32MB", "bytes that were read"),
        ("75%    2.00ms", "75%    2.00us", "out of order"),
    ],
)
def test_a_figure_that_the_others_contradict_is_suspect(old: str, new: str, message: str) -> None:
    assert old in recorded("http")
    reading = read(recorded("http").replace(old, new))
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert message in reading.doubts[0][1]


def test_one_that_was_stopped_says_so() -> None:
    reading = read(recorded("interrupted"))
    assert reading.doubts == ((Doubt.INTERRUPTED, "it ended after 1.28 s of 30 s", "http-t1-c10"),)


def test_a_fixed_rate_is_another_series_and_its_rate_is_asked_for_where_it_is_not_told() -> None:
    reading = read(recorded("wrk2"))
    about = dict(reading.measurements[0].params)
    assert (about["load"], about["rate"]) == ("open", "2000")
    assert values(reading.measurements)["latency", "p99.99"] == pytest.approx(13.22e-3)
    with pytest.raises(SitegenError, match="--set rate="):
        read(recorded("wrk2-p99"))
    with pytest.raises(SitegenError, match="rate"):
        read(recorded("wrk2"), {"rate": "3000"})


def test_the_99th_percentile_in_the_place_of_the_largest_is_not_the_largest() -> None:
    found = values(read(recorded("wrk2-p99"), {"rate": "2000"}).measurements)
    assert found["latency", "p99"] == pytest.approx(3.1e-3)
    assert ("latency", "max") not in found


def test_a_rate_that_was_not_reached_is_said() -> None:
    [doubt] = read(recorded("wrk2-p99"), {"rate": "4000"}).doubts
    assert doubt[0] == Doubt.NOT_REACHED


def test_where_the_server_was_is_asked_unless_it_was_here() -> None:
    for name, rate in (("http", {}), ("wrk2", {"rate": "2000"})):
        away = recorded(name).replace("127.0.0.1", "192.0.2.7")
        with pytest.raises(SitegenError, match="add --set access="):
            read(away, rate)
        about = dict(read(away, {**rate, "access": "network"}).measurements[0].params)
        assert about["access"] == "network"
        with pytest.raises(SitegenError, match="the file says 'loopback'"):
            read(recorded(name), {"access": "network"})


def test_a_line_of_many_commands_takes_no_time() -> None:
    started = time.process_time()
    text = recorded("wrk2").partition("\n")[2]
    reading = read("wrk -R 1 " * 20_000 + "\n" + "wrk " * 20_000 + "\n" + text, {"rate": "2000"})
    assert time.process_time() - started < 1
    assert dict(reading.measurements[0].params)["rate"] == "2000"


def test_two_reports_of_one_server_are_repetitions_and_of_two_are_refused() -> None:
    assert {row.repetition for row in read(recorded("twice")).measurements} == {0, 1}
    with pytest.raises(SitegenError, match="several servers"):
        read(recorded("two-servers"))


def test_its_server_is_that_of_ab(tmp_path: Path) -> None:
    able = collector(TABLE)
    assert isinstance(able, TableCollector)
    if isinstance(able.detect(Host()), Missing):
        pytest.skip("wrk or nginx is not installed")
    request = Request("quick", 1, {}, 2, tmp_path, tmp_path, 10**9)
    kept = [
        {
            one.name: one.value
            for one in plan(ToolIdentity("tool", "1"), request).parameters
            if one.comparability == Comparability.MUST_MATCH
        }
        for plan in (able.plan, ab.plan)
    ]
    assert kept[0] == kept[1]
    assert kept[0]["body_bytes"] == "1024"


def test_it_measures_http_and_https(tmp_path: Path) -> None:
    able = collector(TABLE)
    assert isinstance(able, TableCollector)
    host = Host()
    tool = able.detect(host)
    if isinstance(tool, Missing):
        pytest.skip(str(tool))
    few = {"concurrency": "4", "threads": "1", "time_s": "1", "scheme": "https"}
    request = Request("quick", 1, few, 2, tmp_path, tmp_path, 10**9, "wrk")
    plan = able.plan(tool, request)
    for step in plan.prepare:
        assert able.run(step, host).exit_code == 0
    [step] = plan.steps
    reading = able.parse(step, able.run(step, host))
    found = values(reading.measurements)
    assert found["complete_requests", "value"]
    assert found["error_rate", "value"] == 0
    assert found["client_cpu_usage", "value"]
    assert found["server_cpu_usage", "value"]
    # A document of 1 KiB and the heads of its answer.
    size = (found["transfer_rate", "value"] or 0) / (found["requests_per_second", "value"] or 1)
    assert 1024 < size < 1400
    assert {row.metric for row in step.expects} <= {row.metric for row in reading.measurements}
