from __future__ import annotations

import pytest

from collectors.llm.readers.guidellm import GUIDELLM
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Status
from tests.collectors.llm.readers.outputs import (
    changed,
    document,
    first_params,
    has_note,
    one,
    read,
    rows,
    text,
)

NEW = "guidellm/schema-2.json"
FORMS = ("guidellm/before-1.json", "guidellm/schema-1.json", NEW)


def report(name: str = NEW, **asks: str) -> Reading:
    return read(GUIDELLM, text(name), **asks)


def test_successful_requests_are_read_in_seconds() -> None:
    metrics = document(NEW)["benchmarks"][0]["metrics"]
    reading = report()
    for name, metric, factor in (
        ("request_latency", "e2e_latency", 1),
        ("time_to_first_token_ms", "ttft", 1000),
        ("time_to_first_output_token_ms", "guidellm.time_to_first_output_token", 1000),
        ("inter_token_latency_ms", "tpot", 1000),
    ):
        raw = metrics[name]["successful"]
        for key, statistic in (("mean", "mean"), ("std_dev", "stddev"), ("max", "max")):
            [row] = rows(reading, metric, statistic, concurrency="2")
            assert row.value == raw[key] / factor
        for key, statistic in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
            [row] = rows(reading, metric, statistic, concurrency="2")
            assert row.value == raw["percentiles"][key] / factor
    [rate] = rows(reading, "output_token_throughput", "value", concurrency="2")
    assert rate.value == 320
    assert dict(reading.natives)["llm.tpot mean"] == "inter_token_latency_ms.successful"
    assert reading.tool is not None
    assert (reading.tool.version, reading.started_at) == ("0.8.1", "2026-03-01T12:00:00Z")
    assert reading.duration_s == 50


def test_its_tpot_includes_the_first_token_and_is_not_ours() -> None:
    reading = report()
    [own] = rows(reading, "guidellm.time_per_output_token", "mean", concurrency="2")
    [tpot] = rows(reading, "tpot", "mean", concurrency="2")
    assert (own.value or 0) > (tpot.value or 0)
    assert "TTFT is in it" in {each.id: each for each in reading.definitions}[own.metric].definition
    assert has_note(reading, "weights TPOT")


def test_benchmarks_of_a_report_are_told_apart_by_their_load() -> None:
    def loads(name: str, key: str) -> set[tuple[str, str | None, str | None]]:
        pairs = [(row.workload, dict(row.params)) for row in report(name).measurements]
        return {(load, about.get("concurrency"), about.get(key)) for load, about in pairs}

    assert loads(NEW, "rate") == {
        ("closed", "2", None),
        ("open", None, "3"),
        ("closed", "64", None),
    }
    old = {("closed", "1", None), ("burst", "512", None), ("open", None, None)}
    assert loads("guidellm/schema-1.json", "arrivals") == old
    [constant] = rows(report(), "ttft", "mean", rate="3")
    assert dict(constant.params)["arrivals"] == "constant"


@pytest.mark.parametrize("name", FORMS)
def test_all_forms_say_model_and_lengths(name: str) -> None:
    about = {"model": "example-org/tiny-8b", "input_tokens": "256", "output_tokens": "128"}
    assert {**about, "engine": "vllm"}.items() <= first_params(report(name, engine="vllm")).items()
    with pytest.raises(SitegenError, match="the file says '256', not '512'"):
        report(name, input_tokens="512")


def test_an_empty_distribution_is_not_zero() -> None:
    reading = report()
    of_failed = [row for row in reading.measurements if dict(row.params).get("concurrency") == "64"]
    counts = {"llm.requests", "llm.failed_requests", "llm.error_rate"}
    assert {row.metric for row in of_failed} == counts
    [rate] = rows(reading, "error_rate", "value", concurrency="64")
    assert rate.value == 1
    ttft = "time_to_first_token_ms"
    empty = document(NEW)["benchmarks"][2]["metrics"][ttft]
    reading = read(GUIDELLM, changed(NEW, f"benchmarks.0.metrics.{ttft}", empty))
    assert not rows(reading, "ttft", "mean", concurrency="2")


def test_a_zero_among_others_is_suspect_and_no_sample() -> None:
    reading = report("guidellm/before-1.json")
    assert {row.status for row in rows(reading, "ttft", "mean")} == {Status.SUSPECT}
    assert {row.status for row in rows(reading, "e2e_latency", "mean")} == {Status.OK}
    assert 0.0 not in {each.y for each in reading.samples}


def test_single_requests_become_samples() -> None:
    points = [
        (each.x, each.y)
        for each in report().samples
        if each.metric == "llm.e2e_latency" and dict(each.params).get("concurrency") == "2"
    ]
    assert points == [(0, 1.5), (1, 1.55), (2, 1.6), (3, 1.52)]


def test_a_report_without_benchmarks_is_refused() -> None:
    with pytest.raises(SitegenError, match="no measurement"):
        read(GUIDELLM, {"metadata": {"version": 2}, "benchmarks": []})


def test_several_lengths_are_no_nominal_length() -> None:
    data = ["prompt_tokens=256,output_tokens=128", {"prompt_tokens": 512}]
    raw = changed("guidellm/schema-1.json", "args.data", data)
    for benchmark in raw["benchmarks"]:
        benchmark["config"]["requests"] = {}
    about = first_params(read(GUIDELLM, raw))
    assert "input_tokens" not in about
    assert about["output_tokens"] == "128"


def test_totals_may_stand_where_older_versions_have_them() -> None:
    raw = changed("guidellm/before-1.json", "benchmarks.0.metrics.request_totals", None)
    reading = read(GUIDELLM, raw)
    assert one(reading, "requests").value == 4
    assert dict(reading.natives)["llm.failed_requests value"] == "requests_made.errored"
    del raw["benchmarks"][0]["run_stats"]
    with pytest.raises(SitegenError, match="request_totals: is missing"):
        read(GUIDELLM, raw)
