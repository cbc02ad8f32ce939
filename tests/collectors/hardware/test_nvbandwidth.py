"""What nvbandwidth's JSON gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.hardware import nvbandwidth
from sitegen.catalogue.families import family, matching_headline
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, Series, Status, params
from sitegen.redact import Redactor
from tests.collectors.damage import bear

FILE = Path(__file__).parents[2] / "raw" / "hardware" / "nvbandwidth.json"
READER = nvbandwidth.READER
NONE: Mapping[str, str] = {}
TO, BACK = "host_to_device_memcpy_ce", "device_to_host_memcpy_ce"


def document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(FILE.read_text())
    return content


def read(content: Mapping[str, Any], settings: Mapping[str, str] = NONE) -> Reading:
    data = json.dumps(content).encode()
    assert READER.knows(data)
    [reading] = READER.runs(data, settings)
    return reading


def case(content: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in content["nvbandwidth"]["testcases"] if one["name"] == name
    )
    return found


def rows(reading: Reading, name: str, statistic: str = "value") -> list[Measurement]:
    return [
        row for row in reading.measurements if (row.workload, row.statistic) == (name, statistic)
    ]


def doubted(reading: Reading) -> dict[str, str]:
    return {about: said for kind, said, about in reading.doubts if kind == Doubt.INCONSISTENT}


def test_each_pair_is_a_row_in_bytes_a_second() -> None:
    row = rows(read(document()), TO)[0]
    assert (row.metric, row.value, row.unit, row.printed) == (
        "hardware.copy_bandwidth", 9.8712e9, "B/s", "9.8712 GB/s",
    )  # fmt: skip
    assert row.params == params(**{"from": "CPU", "to": "GPU 0", "test_case": TO})
    assert dict(rows(read(document()), BACK)[1].params)["from"] == "GPU 1"


def test_the_sum_is_there_where_it_is_printed() -> None:
    content = document()
    [total] = rows(read(content), TO, "total")
    assert (total.value, total.params) == (19.7746e9, params(test_case=TO))
    del case(content, TO)["sum"]
    assert rows(read(content), TO, "total") == []


def test_an_arrow_says_who_copies_to_whom() -> None:
    write = rows(read(document()), "device_to_device_memcpy_write_ce")
    ends = [(dict(row.params)["from"], dict(row.params)["to"]) for row in write]
    # The arrow points at the row.
    assert ends == [("GPU 1", "GPU 0"), ("GPU 0", "GPU 1")]


def test_both_streams_and_their_total_stand_one_below_the_other() -> None:
    name = "device_to_device_bidirectional_memcpy_read_ce"
    found = {
        (dict(row.params)["stream"], dict(row.params)["from"]): row.value
        for row in rows(read(document()), name)
    }
    assert found[("1", "GPU 0")] == 180.25e9
    assert found[("2", "GPU 1")] == 181e9
    assert found[("total", "GPU 0")] == 362e9
    content = document()
    case(content, name)["bandwidth_matrix"][4][1] = "400"
    assert "have a total of 400" in doubted(read(content))[name]


def test_latency_is_in_seconds() -> None:
    row = rows(read(document()), "host_device_latency_sm")[0]
    assert (row.metric, row.value, row.unit) == ("hardware.copy_latency", 772.581e-9, "s")
    assert rows(read(document()), "host_device_latency_sm", "total") == []


def test_a_sum_that_its_parts_do_not_give_is_doubted() -> None:
    content = document()
    assert doubted(read(content)) == {}
    case(content, TO)["sum"] = 19.9
    assert doubted(read(content)) == {TO: "the sum is 19.9 GB/s, and its parts add up to 19.7746"}


def test_what_was_waived_is_a_note_and_what_failed_is_failed() -> None:
    reading = read(document())
    assert any("Waived here" in note and "all_to_host_memcpy_ce" in note for note in reading.notes)
    assert not rows(reading, "all_to_host_memcpy_ce")
    [row] = rows(reading, "device_local_copy")
    assert (row.value, row.status) == (None, Status.FAILED)


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize(
    ("name", "metric"),
    [(TO, "hardware.copy_bandwidth"), ("host_device_latency_sm", "hardware.copy_latency")],
)
def test_a_case_that_failed_is_one_of_what_it_was_to_measure(
    name: str, metric: str, *, described: bool
) -> None:
    content = document()
    failed = case(content, name)
    failed["status"] = "Error"
    if not described:
        del failed["bandwidth_description"], failed["bandwidth_matrix"]
    assert [(row.metric, row.status) for row in rows(read(content), name)] == [
        (metric, Status.FAILED)
    ]


@pytest.mark.parametrize("status", ["Error", "Not Found", "Running", ""])
def test_a_case_that_did_not_pass_gives_no_number(status: str) -> None:
    content = document()
    case(content, TO)["status"] = status
    assert [row.status for row in rows(read(content), TO)] == [Status.FAILED]


def test_the_size_of_a_buffer_is_asked_for() -> None:
    assert any("--set buffer_size=" in note for note in read(document()).notes)
    reading = read(document(), {"buffer_size": "64M"})
    assert {dict(row.params)["buffer_size"] for row in reading.measurements} == {str(64 << 20)}
    assert not any("buffer_size" in note for note in reading.notes)


def test_the_machine_is_its_gpus() -> None:
    reading = read(document())
    assert {fact.name: fact.value for fact in reading.facts} == {
        "gpu": "NVIDIA H100 80GB HBM3", "gpus": "2", "gpu_driver": "565.57.01",
    }  # fmt: skip
    assert {p.name: p.value for p in reading.parameters} == {
        "tool_version": "v0.8", "cuda": "12.6",
    }  # fmt: skip


def test_the_host_of_a_gpu_is_redacted() -> None:
    clean = Redactor().data(FILE.read_bytes())
    assert b"gpunode7" in FILE.read_bytes()
    assert b"gpunode7" not in clean
    assert READER.runs(clean, NONE) == READER.runs(FILE.read_bytes(), NONE)


def test_copies_to_and_from_a_gpu_are_headlines_of_the_page() -> None:
    reading, titles = read(document()), set()
    for row in reading.measurements:
        series = Series("hardware", row.workload, row.metric, row.statistic, row.params)
        titles |= {headline.title for headline in [matching_headline(series)] if headline}
    assert titles == {"Copies to the GPU", "Copies from the GPU"}
    charts = {panel.title for panel in family("hardware").panels}
    assert titles <= charts


def test_a_file_without_a_result_is_refused() -> None:
    empty = {"nvbandwidth": {"testcases": [], "error": "No devices found"}}
    with pytest.raises(SitegenError, match="no test case of it was carried out"):
        READER.runs(json.dumps(empty).encode(), NONE)


def test_a_cell_that_is_no_number_is_left_out() -> None:
    content = document()
    for text in ("nan", "-1", "1" * 400, "x"):
        case(content, TO)["bandwidth_matrix"][0][0] = text
        assert [row.printed for row in rows(read(content), TO)] == ["9.9034 GB/s"], text


def test_damage_costs_a_line() -> None:
    bear(READER.knows, lambda hurt: READER.runs(hurt, NONE), FILE.read_bytes(), trials=80)
