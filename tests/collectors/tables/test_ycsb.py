"""YCSB: its report as text and as a JSON array."""

from __future__ import annotations

import json

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Reading
from sitegen.collect.declared.collector import collector
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Status
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "ycsb"
ASKED = {
    "database": "redis",
    "ycsb_workload": "workloada",
    "threads": "8",
    "phase": "run",
    "target": "0",
    "access": "loopback",
}


def read_data(data: bytes, asked: dict[str, str]) -> Reading:
    [reader] = [each for each in collector(declared.shipped()["ycsb"]).READERS if each.knows(data)]
    [reading] = reader.runs(data, asked)
    return reading


def read(name: str, **asked: str) -> Reading:
    return read_data((RAW / name).read_bytes(), asked)


def figures(reading: Reading) -> dict[str, float | None]:
    return {
        f"{row.metric.removeprefix('ycsb.')} {row.statistic}": row.value
        for row in reading.measurements
    }


@pytest.mark.parametrize("name", ["stdout.out", "array.json"])
def test_each_operation_is_read_in_seconds(name: str) -> None:
    reading = read(name, **ASKED)
    assert figures(reading) == pytest.approx(
        {
            "operations_per_second value": 25000,
            "read_latency mean": 301.25e-6,
            "read_latency min": 48e-6,
            "read_latency max": 20991e-6,
            "read_latency p50": 271e-6,
            "read_latency p95": 520e-6,
            "read_latency p99": 901e-6,
            "update_latency mean": 310.5e-6,
            "update_latency min": 52e-6,
            "update_latency max": 21007e-6,
            "update_latency p50": 279e-6,
            "update_latency p95": 541e-6,
            "update_latency p99": 933e-6,
        }
    )
    assert {row.status for row in reading.measurements} == {Status.OK}


def test_the_command_line_says_what_was_run() -> None:
    reading = read("run.out", access="loopback")
    assert dict(reading.measurements[0].params) == {
        "access": "loopback",
        "database": "redis",
        "phase": "run",
        "target": "0",
        "threads_of_client": "8",
        "ycsb_workload": "workloada",
    }
    assert [(one.x, one.y) for one in reading.samples] == [(2, 24605), (4, 25407.7)]


def test_two_reports_in_one_file_are_each_by_its_own_command_line() -> None:
    data = (RAW / "run.out").read_bytes()
    other = data.replace(b"workloada", b"workloadb").replace(b"-threads 8", b"-threads 16")
    reading = read_data(data + other, {"access": "loopback"})
    about = {
        (dict(row.params)["ycsb_workload"], dict(row.params)["threads_of_client"])
        for row in reading.measurements
    }
    assert about == {("workloada", "8"), ("workloadb", "16")}


def test_loading_and_a_rate_that_was_asked_for_are_other_series_in_both_forms() -> None:
    command = "-s -P workloads/workloada -p recordcount=5000 -p fieldlength=64 -target 900 "
    text = (RAW / "run.out").read_text().replace("-s -P workloads/workloada ", command)
    text = text.replace("-threads 8 -t\n", "-threads 8 -load\n")
    reading = read_data(text.encode(), {"access": "loopback"})
    about = dict(reading.measurements[0].params)
    assert (about["phase"], about["target"], about["ycsb_workload"]) == ("load", "900", "workloada")
    kept = {one.name: (one.value, one.comparability) for one in reading.parameters}
    assert kept["record_count"] == ("5000", Comparability.MUST_MATCH)
    assert kept["field_length"] == ("64", Comparability.MUST_MATCH)
    asked = {**ASKED, "phase": "load", "target": "900"}
    assert dict(read("array.json", **asked).measurements[0].params) == about


@pytest.mark.parametrize("name", ["stdout.out", "array.json"])
@pytest.mark.parametrize("missing", ASKED)
def test_what_a_report_does_not_say_is_asked(missing: str, name: str) -> None:
    asked = {name: value for name, value in ASKED.items() if name != missing}
    with pytest.raises(SitegenError, match=f"add --set {missing}="):
        read(name, **asked)


def test_operations_that_failed_make_a_report_suspect() -> None:
    reading = read("failed.out", access="loopback")
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert "15 updates failed" in {sentence for _, sentence, _ in reading.doubts}


def test_answers_that_are_not_ok_make_a_json_suspect_and_batched_ones_do_not() -> None:
    document = json.loads((RAW / "array.json").read_text())
    [answers] = [
        one for one in document if (one["metric"], one["measurement"]) == ("UPDATE", "Return=OK")
    ]
    answers["value"] -= 15
    reading = read_data(json.dumps(document).encode(), ASKED)
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert "of 49895 updates 49880 went well" in {sentence for _, sentence, _ in reading.doubts}
    document.append({"metric": "UPDATE", "measurement": "Return=BATCHED_OK", "value": 15})
    assert not read_data(json.dumps(document).encode(), ASKED).doubts
    lines = (RAW / "failed.out").read_text().replace("Return=ERROR", "Return=BATCHED_OK")
    batched = "\n".join(line for line in lines.splitlines() if "-FAILED" not in line)
    assert not read_data(batched.encode(), {"access": "loopback"}).doubts


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("99thPercentileLatency(us), 901", "99thPercentileLatency(us), 501", "out of order"),
        ("[READ], Operations, 50105", "[READ], Operations, 501050", "fewer than the 501050 reads"),
        (
            "[READ], AverageLatency(us), 301.25",
            "[READ], AverageLatency(us), 3012.5",
            "more than 8 threads",
        ),
    ],
)
def test_what_a_report_contradicts_is_suspect(was: str, becomes: str, says: str) -> None:
    data = (RAW / "stdout.out").read_text()
    assert was in data
    reading = read_data(data.replace(was, becomes).encode(), ASKED)
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert any(says in sentence for _, sentence, _ in reading.doubts)


def test_percentiles_of_the_oldest_versions_are_in_milliseconds() -> None:
    data = (RAW / "stdout.out").read_text().replace("Latency(us), 520", "Latency(ms), 1")
    assert figures(read_data(data.encode(), ASKED))["read_latency p95"] == pytest.approx(1e-3)


def test_a_report_that_is_indented_in_a_text_is_read() -> None:
    lines = (RAW / "run.out").read_text().splitlines()
    indented = read_data(
        "\n".join(f"    {line}" for line in lines).encode(), {"access": "loopback"}
    )
    assert figures(indented) == figures(read("run.out", access="loopback"))
    assert len(indented.samples) == 2
