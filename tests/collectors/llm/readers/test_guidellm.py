from __future__ import annotations

from typing import Any

import pytest

from collectors.llm.readers.guidellm import GUIDELLM
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status
from tests.collectors.llm.readers.outputs import (
    changed,
    document,
    doubts,
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


def sound(**means: float) -> dict[str, Any]:
    """Return a report of twenty requests one after the other, with other means where given."""
    figures = {
        "requests_per_second": 0.4926,
        "request_concurrency": 1.0,
        "request_latency": 2.03,
        "prompt_token_count": 300.0,
        "output_token_count": 100.0,
        "time_to_first_token_ms": 50.0,
        "inter_token_latency_ms": 20.0,
        "output_tokens_per_second": 49.26,
        "tokens_per_second": 197.04,
    } | means
    metrics: dict[str, Any] = {
        name: {"successful": {"mean": mean, "count": 20}} for name, mean in figures.items()
    }
    metrics["request_totals"] = {"successful": 20, "errored": 0, "incomplete": 0}
    config = {"strategy": {"type_": "synchronous"}, "backend": {"model": "acme/demo-8b"}}
    return {"benchmarks": [{"config": config, "metrics": metrics}]}


def test_prompts_that_are_counted_twice_are_counted_once() -> None:
    assert doubts(read(GUIDELLM, sound())) == {}
    reading = read(GUIDELLM, sound(tokens_per_second=344.82))
    assert one(reading, "total_token_throughput").value == pytest.approx(197.04)
    assert (
        "344.82 tokens/s are stated, with the prompts twice" in doubts(reading)[Doubt.INCONSISTENT]
    )
    assert "are 197.04" in doubts(reading)[Doubt.INCONSISTENT]
    # Of short prompts it is a few in a hundred.
    small = {"prompt_token_count": 10.0, "tokens_per_second": 59.11}
    assert one(read(GUIDELLM, sound(**small)), "total_token_throughput").value == pytest.approx(
        0.4926 * 110
    )


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ({"requests_per_second": 0.3333}, "1 requests at once are stated, and 0.3333 requests/s"),
        ({"requests_per_second": 0.3333, "request_concurrency": 0.0}, "the rate is of another"),
        ({"requests_per_second": 0.9852}, "the rate is of another window"),
        ({"output_tokens_per_second": 98.5}, "98.5 output tokens/s are stated"),
        ({"tokens_per_second": 600.0}, "600 tokens/s are stated, and 0.4926 requests/s of 300"),
        ({"request_latency": 2030.0}, "a unit is another"),
        ({"time_to_first_token_ms": 0.05, "inter_token_latency_ms": 0.02}, "a unit is another"),
    ],
)
def test_a_rate_that_does_not_fit_the_rest_is_doubted(means: dict[str, float], words: str) -> None:
    assert words in doubts(read(GUIDELLM, sound(**means)))[Doubt.INCONSISTENT]


def test_a_report_without_model_or_load_says_so() -> None:
    raw = sound()
    raw["benchmarks"][0]["config"] = {}
    sentence = doubts(read(GUIDELLM, raw))[Doubt.NOT_STATED]
    assert sentence.startswith("The file does not name the model.")
    assert "does not state concurrency" in sentence
