from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.llm.readers import guidellm
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status

RAW = Path(__file__).parents[3] / "raw" / "llm" / "guidellm"
NONE: Mapping[str, str] = {}


def text(name: str) -> bytes:
    return (RAW / name).read_bytes()


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(name))
    return found


def report(content: object, settings: Mapping[str, str] = NONE) -> Reading:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    [found] = guidellm.read(data, settings)
    return found


def values(found: Reading, metric: str, statistic: str, **pairs: str) -> list[Measurement]:
    return [
        m
        for m in found.measurements
        if (m.metric, m.statistic) == (f"llm.{metric}", statistic)
        and pairs.items() <= dict(m.params).items()
    ]


def test_successful_requests_are_read_in_seconds() -> None:
    successful = document("schema-2.json")["benchmarks"][0]["metrics"]
    found = report(text("schema-2.json"))
    for name, metric, factor in (
        ("request_latency", "e2e_latency", 1),
        ("time_to_first_token_ms", "ttft", 1000),
        ("inter_token_latency_ms", "tpot", 1000),
    ):
        raw = successful[name]["successful"]
        for key, statistic in (("mean", "mean"), ("std_dev", "stddev"), ("max", "max")):
            [measured] = values(found, metric, statistic, concurrency="2")
            assert measured.value == raw[key] / factor
        for key, statistic in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
            [measured] = values(found, metric, statistic, concurrency="2")
            assert measured.value == raw["percentiles"][key] / factor
    [rate] = values(found, "output_token_throughput", "value", concurrency="2")
    assert rate.value == 320
    assert dict(found.natives)["llm.tpot mean"] == "inter_token_latency_ms.successful"
    assert found.tool is not None
    assert (found.tool.version, found.started_at) == ("0.8.1", "2026-03-01T12:00:00Z")
    assert found.duration_s == 50


def test_its_tpot_includes_the_first_token_and_is_not_ours() -> None:
    found = report(text("schema-2.json"))
    [own] = values(found, "guidellm.time_per_output_token", "mean", concurrency="2")
    [tpot] = values(found, "tpot", "mean", concurrency="2")
    assert (own.value or 0) > (tpot.value or 0)
    assert "TTFT is in it" in {d.id: d for d in found.definitions}[own.metric].definition
    assert any("weights TPOT" in note for note in found.notes)


def test_benchmarks_of_a_report_are_told_apart_by_their_load() -> None:
    loads = {
        (m.workload, dict(m.params).get("concurrency"), dict(m.params).get("rate"))
        for m in report(text("schema-2.json")).measurements
    }
    assert loads == {("closed", "2", None), ("open", None, "3"), ("closed", "64", None)}
    loads = {
        (m.workload, dict(m.params).get("concurrency"), dict(m.params).get("arrivals"))
        for m in report(text("schema-1.json")).measurements
    }
    assert loads == {("closed", "1", None), ("burst", "512", None), ("open", None, None)}
    [constant] = values(report(text("schema-2.json")), "ttft", "mean", rate="3")
    assert dict(constant.params)["arrivals"] == "constant"


@pytest.mark.parametrize("name", ["schema-1.json", "schema-2.json", "before-1.json"])
def test_all_forms_say_model_and_lengths(name: str) -> None:
    pairs = dict(report(text(name), {"engine": "vllm"}).measurements[0].params)
    assert pairs["model"] == "example-org/tiny-8b"
    assert (pairs["input_tokens"], pairs["output_tokens"]) == ("256", "128")
    assert pairs["engine"] == "vllm"
    with pytest.raises(SitegenError, match="the file says '256', not '512'"):
        report(text(name), {"input_tokens": "512"})


def test_an_empty_distribution_is_not_zero() -> None:
    found = report(text("schema-2.json"))
    nothing = {m.metric for m in found.measurements if dict(m.params).get("concurrency") == "64"}
    assert nothing == {"llm.requests", "llm.failed_requests", "llm.error_rate"}
    [rate] = values(found, "error_rate", "value", concurrency="64")
    assert rate.value == 1
    raw = document("schema-2.json")
    empty = raw["benchmarks"][2]["metrics"]["time_to_first_token_ms"]
    raw["benchmarks"][0]["metrics"]["time_to_first_token_ms"] = empty
    assert not values(report(raw), "ttft", "mean", concurrency="2")


def test_a_zero_among_others_is_suspect() -> None:
    found = report(text("before-1.json"))
    assert {m.status for m in values(found, "ttft", "mean")} == {Status.SUSPECT}
    assert {m.status for m in values(found, "e2e_latency", "mean")} == {Status.OK}
    # And no sample.
    assert 0.0 not in {s.y for s in found.samples}


def test_requests_cut_off_at_the_end_count_neither_way() -> None:
    found = report(text("schema-2.json"))
    [requests] = values(found, "requests", "value", concurrency="2")
    assert requests.value == 5
    assert any("1 requests were cut off" in note for note in found.notes)


def test_single_requests_become_samples() -> None:
    found = report(text("schema-2.json"))
    points = [
        (s.x, s.y)
        for s in found.samples
        if s.metric == "llm.e2e_latency" and dict(s.params).get("concurrency") == "2"
    ]
    assert points == [(0, 1.5), (1, 1.55), (2, 1.6), (3, 1.52)]


def test_a_schema_to_come_is_refused() -> None:
    raw = document("schema-2.json")
    raw["metadata"]["version"] = 3
    with pytest.raises(SitegenError, match="schema 3 of guidellm is not known"):
        report(raw)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("metrics", "request_latency", "successful", "mean"), -1.0, "is negative"),
        (("metrics", "request_latency", "successful", "mean"), True, "True is not a number"),
        (("metrics", "request_latency", "successful", "max"), float("inf"), "not a finite number"),
        (("metrics", "request_latency", "successful"), [1], "is not an object"),
        (("metrics", "request_latency", "successful", "percentiles", "p99"), "x", "not a number"),
        (("metrics", "request_totals", "successful"), None, "is missing"),
        (("metrics", "request_totals"), None, "is missing"),
        (("metrics",), None, "is missing"),
        (("start_time",), 1e30, "start_time: is not a time"),
        (("start_time",), 5.0, "1970 cannot be its year"),
        (("config", "strategy", "streams"), 1.5, "is not a whole number"),
        (("requests", "successful"), [1], "is not a JSON object"),
    ],
)
def test_what_is_not_a_value_is_refused_by_its_place(
    path: tuple[str, ...], value: object, says: str
) -> None:
    raw = document("schema-2.json")
    place = raw["benchmarks"][0]
    if path[-1] == "request_totals":
        del place["scheduler_metrics"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(SitegenError) as caught:
        report(raw)
    assert says in str(caught.value)
    if path != ("start_time",):
        assert str(caught.value).startswith("benchmarks[0]: ")


def test_a_report_without_benchmarks_is_refused() -> None:
    with pytest.raises(SitegenError, match="no measurement"):
        report({"metadata": {"version": 2}, "benchmarks": []})


def test_the_first_token_of_the_answer_has_a_metric_of_its_own() -> None:
    found = report(text("schema-2.json"))
    raw = document("schema-2.json")["benchmarks"][0]["metrics"]["time_to_first_output_token_ms"]
    [first] = values(found, "guidellm.time_to_first_output_token", "mean", concurrency="2")
    assert first.value == raw["successful"]["mean"] / 1000


def test_the_median_stands_in_for_a_percentile_that_is_not_there() -> None:
    raw = document("schema-2.json")
    successful = raw["benchmarks"][0]["metrics"]["request_latency"]["successful"]
    del successful["percentiles"]
    [median] = values(report(raw), "e2e_latency", "p50", concurrency="2")
    assert median.value == successful["median"]


def test_several_lengths_are_no_nominal_length() -> None:
    raw = document("schema-1.json")
    raw["args"]["data"] = ["prompt_tokens=256,output_tokens=128", {"prompt_tokens": 512}]
    for benchmark in raw["benchmarks"]:
        benchmark["config"]["requests"] = {}
    pairs = dict(report(raw).measurements[0].params)
    assert "input_tokens" not in pairs
    assert pairs["output_tokens"] == "128"


@pytest.mark.parametrize("odd", [{"a": [1]}, [[1]], [], {}, "x"])
@pytest.mark.parametrize("key", ["start_time", "end_time"])
def test_a_time_that_is_no_number_is_refused_by_its_place(key: str, odd: object) -> None:
    content = document("before-1.json")
    content["benchmarks"][0]["run_stats"][key] = odd
    with pytest.raises(SitegenError, match=key):
        report(content)
