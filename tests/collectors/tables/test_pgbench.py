"""pgbench: transactions of all versions' reports, and a PostgreSQL of our own."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Host, Plan, RawOutput, Reading, Request
from sitegen.collect.declared.collector import TableCollector, collector
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, ToolIdentity
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "pgbench"
TOOL = ToolIdentity("pgbench", "15.18")


def table() -> TableCollector:
    found = collector(declared.shipped()["pgbench"])
    assert isinstance(found, TableCollector)
    return found


def read_data(data: bytes) -> Reading:
    [reader] = table().READERS
    assert reader.knows(data)
    [reading] = reader.runs(data, {"access": "loopback"})
    return reading


def read(name: str) -> Reading:
    return read_data((RAW / f"{name}.out").read_bytes())


def figures(reading: Reading) -> dict[str, float | None]:
    return {
        f"{row.metric.removeprefix('pgbench.')} {row.statistic}": row.value
        for row in reading.measurements
    }


def params(reading: Reading) -> dict[str, str]:
    return dict(reading.measurements[0].params)


def test_a_report_is_read_in_base_units() -> None:
    reading = read("select")
    assert figures(reading) == pytest.approx(
        {
            "transactions_per_second value": 9382.166863,
            "latency mean": 0.813e-3,
            "latency stddev": 0.947e-3,
            "connection_time value": 25.318e-3,
            "transactions value": 18577,
            "failed_transactions value": 0,
        }
    )
    assert params(reading) == {
        "access": "loopback",
        "clients": "8",
        "query_mode": "simple",
        "scale": "5",
        "script": "select-only",
    }
    assert {one.name: one.value for one in reading.parameters}["client_threads"] == "2"
    assert reading.tool is not None
    assert reading.tool.version == "15.18"


def test_a_report_before_14_has_its_progress_and_the_rate_without_connecting() -> None:
    reading = read("old-11")
    assert figures(reading)["transactions_per_second value"] == 1449.963391
    assert [(one.x, one.y) for one in reading.samples if one.y > 1] == [(5, 1448.2), (10, 1451.6)]
    assert reading.samples[-1].y == pytest.approx(6.888e-3)


def test_reports_one_after_another_are_runs_of_their_own() -> None:
    scripts = {dict(row.params)["script"] for row in read("two-runs").measurements}
    assert scripts == {"tpcb-like", "simple-update"}
    assert params(read("simple-update"))["query_mode"] == "prepared"


def test_a_connection_for_each_transaction_and_a_limited_rate_are_other_series() -> None:
    assert params(read("reconnecting"))["connections"] == "reopened"
    limited = read("rate")
    assert params(limited)["rate"] == "limited"
    assert [kind for kind, _, _ in limited.doubts] == [Doubt.NOT_STATED]
    assert {row.status for row in limited.measurements} == {Status.OK}


def test_progress_without_a_head_is_of_the_report_after_it() -> None:
    one = (RAW / "old-11.out").read_text().replace("starting vacuum...end.\n", "")
    two = one.replace("1448.2 tps", "1448.7 tps").replace(
        "number of clients: 10", "number of clients: 20"
    )
    reading = read_data((one + two).encode())
    first = {(one.workload, one.x, one.y) for one in reading.samples if one.y > 1}
    assert first == {
        ("tpcb-like-10", 5, 1448.2),
        ("tpcb-like-10", 10, 1451.6),
        ("tpcb-like-20", 5, 1448.7),
        ("tpcb-like-20", 10, 1451.6),
    }


def test_progress_without_any_report_takes_no_time() -> None:
    line = "progress: 5.0 s, 1448.2 tps, lat 6.903 ms stddev 3.114\n"
    started = time.process_time()
    reading = read_data((line * 20_000 + "x\n").encode() + (RAW / "old-11.out").read_bytes())
    assert time.process_time() - started < 2
    assert len(reading.samples) == 4


@pytest.mark.parametrize(
    ("report", "was", "becomes", "says"),
    [
        ("select", "failed transactions: 0", "failed transactions: 7", "7 transactions failed"),
        ("count", "processed: 100/100", "processed: 60/100", "of 100 transactions 60 were done"),
        ("select", "tps = 9382", "tps = 93820", "more at once than 8 clients"),
        ("select", "processed: 18577", "processed: 1857", "more than the 1857 that it counted"),
    ],
)
def test_what_a_report_contradicts_is_suspect(
    report: str, was: str, becomes: str, says: str
) -> None:
    data = (RAW / f"{report}.out").read_text()
    assert {row.status for row in read_data(data.encode()).measurements} == {Status.OK}
    reading = read_data(data.replace(was, becomes).encode())
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert any(says in sentence for _, sentence, _ in reading.doubts)


def test_a_report_without_its_end_is_refused() -> None:
    data = (RAW / "select.out").read_bytes()
    with pytest.raises(SitegenError, match="has no tps"):
        read_data(data[: data.index(b"tps = ")])


@pytest.mark.parametrize("failure", ["server-gone", "too-many", "bad-option", "refused"])
def test_what_failed_is_no_result(failure: str, folder: Path) -> None:
    step = plan(folder).steps[0]
    out = RAW / f"{failure}.out"
    raw = RawOutput(
        stdout=out.read_bytes() if out.is_file() else b"",
        stderr=(RAW / f"{failure}.err").read_bytes(),
        exit_code=1,
    )
    with pytest.raises(SitegenError, match="pgbench ended with code 1"):
        table().parse(step, raw)


def test_what_is_reported_must_be_what_was_asked_for(folder: Path) -> None:
    step = next(each for each in plan(folder).steps if each.workload.startswith("select"))
    raw = RawOutput(stdout=(RAW / "select.out").read_bytes(), duration_s=2.1, cpu_s=0.4)
    reading = table().parse(step, raw)
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert any("scale is 5, and 2 was asked" in sentence for _, sentence, _ in reading.doubts)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user of the server can reach, as those of pytest are not."""
    place = Path(tempfile.mkdtemp(prefix="sitegen-test-"))
    yield place
    shutil.rmtree(place)


def plan(folder: Path) -> Plan:
    request = Request("quick", 1, {}, 2, folder, folder / "cache", 1 << 40, "pgbench")
    return table().plan(TOOL, request)


def test_a_server_is_made_and_measured_and_gone(folder: Path) -> None:
    one, host = table(), Host()
    if not isinstance(tool := one.detect(host), ToolIdentity):
        pytest.skip(str(tool))
    little = {"time_s": "1", "scale": "1", "clients": "2", "fsync": "off"}
    request = Request("quick", 1, little, 2, folder, folder / "cache", 1 << 40, "pgbench")
    made = one.plan(tool, request)
    assert one.run(made.prepare[0], host).exit_code == 0
    step = next(each for each in made.steps if each.workload.startswith("tpcb"))
    reading = one.parse(step, one.run(step, host))
    assert {row.status for row in reading.measurements} == {Status.OK}, reading.doubts
    rows = {(row.metric, row.statistic, row.params) for row in reading.measurements}
    assert {(row.metric, row.statistic, row.params) for row in step.expects} <= rows
    assert figures(reading)["server_cpu_usage value"]
    assert not (folder / "server" / "data" / "postmaster.pid").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by the server")
def test_a_folder_that_the_servers_user_cannot_reach_is_said(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    scratch = tmp_path / "closed" / "scratch"
    scratch.mkdir()
    with pytest.raises(SitegenError, match=r"cannot reach .*--set pgbench.directory=/var/tmp"):
        table().run(plan(scratch).prepare[0], Host())


def test_a_report_that_is_indented_in_a_text_is_read() -> None:
    lines = (RAW / "old-11.out").read_text().splitlines()
    indented = read_data("\n".join(f"    {line}" for line in lines).encode())
    assert figures(indented) == figures(read("old-11"))
    assert len(indented.samples) == 4
