from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.llm.readers import vllm
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status

RAW = Path(__file__).parents[3] / "raw" / "llm" / "vllm"
SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "llm"
NONE: Mapping[str, str] = {}


def text(name: str) -> bytes:
    return (RAW / name).read_bytes()


def document(name: str) -> Any:  # noqa: ANN401 - whatever the tool wrote
    return json.loads(text(name))


def serve(content: object, settings: Mapping[str, str] = NONE) -> Reading:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    [found] = vllm.read_serve(data, settings)
    return found


def one(found: Reading, metric: str, statistic: str, reason: str | None = None) -> Measurement:
    [match] = [
        m
        for m in found.measurements
        if (m.metric, m.statistic) == (f"llm.{metric}", statistic)
        and dict(m.params).get("reason") == reason
    ]
    return match


def metrics(found: Reading) -> set[str]:
    return {m.metric for m in found.measurements}


def test_a_result_is_read_in_seconds_under_its_own_names() -> None:
    raw = document("serve.json")
    found = serve(raw)
    for name, metric in (
        ("ttft", "ttft"),
        ("tpot", "tpot"),
        ("itl", "inter_chunk_latency"),
        ("e2el", "e2e_latency"),
    ):
        for key, statistic in (
            ("mean", "mean"),
            ("median", "p50"),
            ("std", "stddev"),
            ("p99", "p99"),
        ):
            measured = one(found, metric, statistic)
            assert measured.value == pytest.approx(raw[f"{key}_{name}_ms"] / 1000)
            assert measured.unit == "s"
    assert one(found, "request_throughput", "value").value == raw["request_throughput"]
    assert one(found, "output_token_throughput", "value").value == raw["output_throughput"]
    assert one(found, "output_tokens", "mean").value == 16
    assert one(found, "error_rate", "value").value == 0
    assert dict(found.natives)["llm.tpot mean"] == "mean_tpot_ms"
    assert dict(found.natives)["llm.inter_chunk_latency p99"] == "p99_itl_ms"
    assert found.started_at == "2026-03-01T10:15:00Z"
    assert any("local time" in note for note in found.notes)


def test_the_peak_of_requests_at_once_is_not_the_concurrency() -> None:
    found = serve(document("serve.json"))
    assert {dict(m.params)["concurrency"] for m in found.measurements} == {"2"}
    assert {m.workload for m in found.measurements} == {"closed"}
    # 5 is max_concurrent_requests, which older versions count in buckets of a second.
    assert "5" not in {value for m in found.measurements for _, value in m.params}


def test_when_all_failed_no_zero_is_read_as_a_time() -> None:
    found = serve(document("serve-all-failed.json"))
    assert metrics(found) == {"llm.requests", "llm.failed_requests", "llm.error_rate"}
    assert one(found, "error_rate", "value").value == 1
    assert one(found, "failed_requests", "value", "error").value == 4


def test_an_answer_without_a_token_is_a_failure_and_left_out_of_every_mean() -> None:
    raw = document("serve-detailed.json")
    found = serve(raw)
    assert one(found, "requests", "value").value == 6
    assert one(found, "failed_requests", "value").value == 2
    assert one(found, "failed_requests", "value", "error").value == 1
    assert one(found, "failed_requests", "value", "zero-tokens").value == 1
    assert one(found, "error_rate", "value").value == pytest.approx(2 / 6)
    good = raw["ttfts"][:4]
    assert one(found, "ttft", "mean").value == pytest.approx(sum(good) / 4)
    assert raw["mean_ttft_ms"] / 1000 == pytest.approx(sum(good) / 5)
    assert one(found, "request_throughput", "value").value == pytest.approx(4 / raw["duration"])
    assert "llm.total_token_throughput" not in metrics(found)
    assert any("the file's own mean TTFT includes them" in note for note in found.notes)


def test_single_requests_become_samples_and_decode_times() -> None:
    raw = document("serve-detailed.json")
    found = serve(raw)
    points = [s for s in found.samples if s.metric == "llm.ttft"]
    assert [(round(s.x, 6), s.y) for s in points] == [
        (round(start - 1000, 6), ttft)
        for start, ttft in zip(raw["start_times"][:4], raw["ttfts"][:4], strict=True)
    ]
    assert {s.kind for s in points} == {"request"}
    bins = [s for s in found.samples if s.metric == "llm.inter_chunk_latency"]
    assert {s.kind for s in bins} == {"histogram"}
    assert sum(s.y for s in bins) == sum(len(gaps) for gaps in raw["itls"])
    decode = [math.fsum(gaps) for gaps in raw["itls"][:4]]
    assert one(found, "decode_time", "mean").value == pytest.approx(sum(decode) / 4)
    rates = [16 / time for time in decode]
    assert one(found, "decode_rate_per_request", "mean").value == pytest.approx(sum(rates) / 4)


def test_statistics_computed_again_are_those_that_the_file_has_without_empty_answers() -> None:
    raw = document("serve-detailed.json")
    for key in ("input_lens", "output_lens", "ttfts", "itls", "latencies", "start_times"):
        raw[key] = raw[key][:4]
    for key in ("generated_texts", "errors", "queue_times"):
        raw[key] = raw[key][:4]
    own = serve(document("serve.json"))
    again = serve(document("serve-detailed.json"))
    for metric in ("ttft", "tpot", "inter_chunk_latency", "e2e_latency"):
        for statistic in ("mean", "p50", "p99", "stddev"):
            assert one(again, metric, statistic).value == pytest.approx(
                one(own, metric, statistic).value
            )


def test_an_old_file_has_a_colon_in_a_key_and_counts_no_failures() -> None:
    raw = document("serve-old.json")
    assert "request_goodput:" in raw
    assert "failed" not in raw
    found = serve(raw, {"slo": "ttft=2s,tpot=100ms"})
    assert one(found, "failed_requests", "value", "error").value == 1
    goodput = one(found, "goodput", "value")
    assert goodput.value == raw["request_goodput:"]
    assert dict(goodput.params)["slo"] == "ttft=2s,tpot=100ms"
    assert dict(found.natives)["llm.goodput value"] == "request_goodput:"
    # Without start times the distribution is kept and the order is not.
    assert {s.kind for s in found.samples} == {"histogram"}


@pytest.mark.parametrize(
    ("rate", "concurrency", "workload"),
    [("inf", None, "burst"), (math.inf, None, "burst"), ("inf", 2, "closed"), (4.0, None, "open")],
)
def test_the_load_is_told_by_rate_and_concurrency(
    rate: object, concurrency: int | None, workload: str
) -> None:
    raw = document("serve.json") | {"request_rate": rate, "max_concurrency": concurrency}
    found = serve(raw)
    assert {m.workload for m in found.measurements} == {workload}
    assert dict(found.measurements[0].params).get("rate") == ("4" if workload == "open" else None)


def test_appended_results_are_runs_of_their_own() -> None:
    first, second = vllm.read_serve(text("serve-appended.jsonl"), NONE)
    assert (first.started_at, second.started_at) == ("2026-03-01T10:15:00Z", "2026-03-01T10:20:00Z")
    assert {m.workload for m in second.measurements} == {"open"}
    assert {p.name: p.value for p in second.parameters}["burstiness"] == "0.5"
    listed = json.dumps([json.loads(line) for line in text("serve-appended.jsonl").splitlines()])
    assert vllm.read_serve(listed.encode(), NONE) == (first, second)


def test_all_zero_is_none_and_a_zero_among_others_is_suspect() -> None:
    raw = document("serve.json")
    for key in ("mean", "median", "std", "p99"):
        raw[f"{key}_tpot_ms"] = 0.0
    assert "llm.tpot" not in metrics(serve(raw))
    raw = document("serve.json") | {"median_ttft_ms": 0.0}
    assert one(serve(raw), "ttft", "mean").status == Status.SUSPECT
    assert one(serve(raw), "tpot", "mean").status == Status.OK


def test_completed_requests_without_any_token_are_failures() -> None:
    raw = document("serve.json") | {"total_output_tokens": 0, "output_throughput": 0.0}
    found = serve(raw)
    assert one(found, "error_rate", "value").value == 1
    assert metrics(found) == {"llm.requests", "llm.failed_requests", "llm.error_rate"}


def test_waits_in_the_client_have_a_metric_of_their_own() -> None:
    raw = document("serve.json") | {"mean_client_queue_time_ms": 3.0, "p99_client_queue_time_ms": 9}
    found = serve(raw)
    assert one(found, "vllm.client_queue_time", "mean").value == 0.003
    assert [d.id for d in found.definitions] == ["llm.vllm.client_queue_time"]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("mean_ttft_ms", True, "mean_ttft_ms: True is not a number"),
        ("mean_ttft_ms", "12", "mean_ttft_ms: '12' is not a number"),
        ("mean_ttft_ms", math.nan, "mean_ttft_ms: is not a finite number"),
        ("mean_ttft_ms", math.inf, "mean_ttft_ms: is not a finite number"),
        ("mean_tpot_ms", -1, "mean_tpot_ms: is negative"),
        ("duration", [], "duration: [] is not a number"),
        ("completed", 3.5, "completed: is not a whole number"),
        ("completed", None, "completed: is missing"),
        ("completed", 3, "request_throughput: is "),
        ("date", "yesterday", "date: 'yesterday' is not a date"),
        ("date", "20261301-000000", "date: '2026-13-01T00:00:00' is not a time"),
        ("model_id", "a\u0000b", "model_id: has a control character"),
        ("model_id", {}, "model_id: is not a text"),
        ("request_rate", "fast", "request_rate: 'fast' is not a number"),
        ("total_output_tokens", None, "total_output_tokens: is missing"),
        ("output_throughput", 1.0, "output_throughput: is 1"),
    ],
)
def test_what_is_not_a_value_is_refused_by_its_key(key: str, value: object, says: str) -> None:
    with pytest.raises(SitegenError) as caught:
        serve(document("serve.json") | {key: value})
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("itls", [1, 2, 3, 4, 5, 6]),
        ("itls", [[True]] * 6),
        ("ttfts", [0.1]),
        ("errors", "none"),
        ("latencies", [1.0]),
        ("mean_tpot_ms", 99.0),
    ],
)
def test_single_requests_that_do_not_fit_are_refused(key: str, value: object) -> None:
    raw = document("serve-old.json") if key == "mean_tpot_ms" else document("serve-detailed.json")
    with pytest.raises(SitegenError):
        serve(raw | {key: value})


def test_the_user_says_what_the_file_does_not_and_never_the_contrary() -> None:
    raw = document("serve.json")
    found = serve(raw, {"engine": "vllm", "weights": "random", "output_tokens": "16"})
    pairs = dict(found.measurements[0].params)
    assert (pairs["engine"], pairs["weights"], pairs["output_tokens"]) == ("vllm", "random", "16")
    assert "engine" not in dict(serve(raw).measurements[0].params)
    for settings, says in (
        ({"model": "other"}, "--set model: the file says 'example-org/tiny-8b', not 'other'"),
        ({"input_tokens": "1024"}, "--set input_tokens: the file's mean is 32.0 tokens"),
        ({"output_tokens": "8"}, "--set output_tokens: the file's mean is 16.0 tokens"),
        ({"weights": "heavy"}, "--set weights: 'heavy' is neither real nor random"),
        ({"output_tokens": "-3"}, "--set output_tokens: '-3' is not a whole number"),
        ({"colour": "red"}, "--set colour: is not asked for here"),
        ({"engine": " "}, "--set engine: is empty"),
    ):
        with pytest.raises(SitegenError) as caught:
            serve(raw, settings)
        assert str(caught.value).startswith(says)
    # Answers may end before their limit.
    assert serve(raw, {"output_tokens": "64"}).measurements


def test_only_a_models_name_is_kept_of_a_path() -> None:
    found = serve(document("serve.json") | {"model_id": "/home/somebody/models/tiny-8b"})
    assert dict(found.measurements[0].params)["model"] == "tiny-8b"


def test_the_offline_benchmark_times_whole_batches() -> None:
    raw = document("latency.json")
    settings = {"model": "tiny-8b", "batch_size": "8", "input_tokens": "32"}
    [found] = vllm.read_latency(text("latency.json"), settings)
    mean = one(found, "vllm.batch_latency", "mean")
    assert mean.value == raw["avg_latency"]
    assert dict(mean.params) == {**settings, "engine": "vllm"}
    assert one(found, "vllm.batch_latency", "p99").value == raw["percentiles"]["99"]
    assert [s.y for s in found.samples] == raw["latencies"]
    assert [d.id for d in found.definitions] == ["llm.vllm.batch_latency"]
    for change in ({"avg_latency": 9.0}, {"avg_latency": None}, {"percentiles": {"50": -1}}):
        with pytest.raises(SitegenError):
            vllm.read_latency(json.dumps(raw | change).encode(), NONE)


def test_forms_are_told_by_their_keys() -> None:
    assert vllm.knows_serve(text("serve-old.json"))
    assert vllm.knows_latency(text("latency.json"))
    assert not vllm.knows_serve(text("latency.json"))
    assert not vllm.knows_latency(text("serve.json"))
    # A key inside a text of an answer is no key.
    quoted = json.dumps({"response": '"num_prompts": 1, "completed": 2'}).encode()
    assert not vllm.knows_serve(quoted)


@pytest.mark.skipif(not SAMPLES.exists(), reason="published outputs are not here")
def test_published_results_are_read() -> None:
    found = serve((SAMPLES / "vllm-bench-serve.json").read_bytes())
    assert one(found, "tpot", "mean").value == pytest.approx(0.0112658, rel=1e-5)
    failed = serve((SAMPLES / "vllm-bench-serve-all-failed.json").read_bytes())
    assert one(failed, "error_rate", "value").value == 1


def test_silence_counts_as_no_token_also_where_the_file_counts_one() -> None:
    raw = document("serve-detailed.json")
    # Without a tokenizer and without usage vLLM counts one token for an empty answer.
    raw["output_lens"][4] = 1
    assert one(serve(raw), "failed_requests", "value", "zero-tokens").value == 1
    raw["generated_texts"][4] = "a"
    assert "zero-tokens" not in {
        dict(m.params).get("reason") for m in serve(raw | {"mean_ttft_ms": None}).measurements
    }


def test_a_histogram_is_in_seconds() -> None:
    raw = document("serve-detailed.json")
    bins = [s for s in serve(raw).samples if s.metric == "llm.inter_chunk_latency"]
    mean = sum(s.x * s.y for s in bins) / sum(s.y for s in bins)
    gaps = [gap for gaps in raw["itls"] for gap in gaps]
    assert mean == pytest.approx(sum(gaps) / len(gaps), rel=1e-4)


def test_an_old_file_names_its_endpoint_or_its_backend() -> None:
    for key in ("backend", "endpoint_type"):
        raw = document("serve.json")
        del raw[key]
        assert {p.name: p.value for p in serve(raw).parameters}["api"] == "openai-chat"
    old = {p.name: p.value for p in serve(document("serve-old.json")).parameters}
    assert old["api"] == "openai-chat"
    assert "None" not in old.values()
    raw = document("serve.json") | {"backend": "vllm"}
    assert {p.name: p.value for p in serve(raw).parameters}["api"] == "openai-completions"


def test_more_answers_than_prompts_are_refused() -> None:
    raw = document("serve.json") | {"num_prompts": 3}
    del raw["failed"]
    with pytest.raises(SitegenError, match="num_prompts: 4 requests completed of 3"):
        serve(raw)


def test_one_key_of_a_form_is_not_the_form() -> None:
    assert not vllm.knows_serve(b'{"completed": 1}')
    assert not vllm.knows_serve(b'{"num_prompts": 1}')
    assert not vllm.knows_latency(b'{"avg_latency": 1}')
