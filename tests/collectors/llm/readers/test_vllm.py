from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest

from collectors.llm.readers.vllm import LATENCY, SERVE
from sitegen.errors import SitegenError
from sitegen.model import Status
from tests.collectors.llm.readers.outputs import (
    document,
    first_params,
    has_note,
    metrics,
    one,
    parameters,
    read,
    text,
    workloads,
)

COUNTS = {"requests", "failed_requests", "error_rate"}


def plain(**changes: object) -> dict[str, Any]:
    return {**document("vllm/serve.json"), **changes}


def detailed(**changes: object) -> dict[str, Any]:
    return {**document("vllm/serve-detailed.json"), **changes}


def test_a_result_is_read_in_seconds_under_its_own_names() -> None:
    raw = plain()
    reading = read(SERVE, raw)
    for name, metric in (
        ("ttft", "ttft"),
        ("tpot", "tpot"),
        ("itl", "inter_chunk_latency"),
        ("e2el", "e2e_latency"),
    ):
        for key, statistic in (("mean", "mean"), ("median", "p50"), ("std", "stddev")):
            row = one(reading, metric, statistic)
            assert (row.value, row.unit) == (raw[f"{key}_{name}_ms"] / 1000, "s")
    assert one(reading, "request_throughput").value == raw["request_throughput"]
    assert one(reading, "output_token_throughput").value == raw["output_throughput"]
    assert one(reading, "output_tokens", "mean").value == 16
    assert one(reading, "error_rate").value == 0
    assert dict(reading.natives)["llm.tpot mean"] == "mean_tpot_ms"
    assert dict(reading.natives)["llm.inter_chunk_latency p99"] == "p99_itl_ms"
    assert reading.started_at == "2026-03-01T10:15:00Z"
    assert has_note(reading, "local time")


def test_the_peak_of_requests_at_once_is_not_the_concurrency() -> None:
    reading = read(SERVE, plain())  # which has 5 as max_concurrent_requests
    assert {dict(row.params)["concurrency"] for row in reading.measurements} == {"2"}
    assert workloads(reading) == {"closed"}


def test_when_all_failed_no_zero_is_read_as_a_time() -> None:
    reading = read(SERVE, text("vllm/serve-all-failed.json"))
    assert metrics(reading) == COUNTS
    assert one(reading, "error_rate").value == 1
    assert one(reading, "failed_requests", reason="error").value == 4


def test_an_answer_without_a_token_is_a_failure_and_left_out_of_every_mean() -> None:
    raw = detailed()
    reading = read(SERVE, raw)
    assert one(reading, "requests").value == 6
    assert one(reading, "failed_requests").value == 2
    assert one(reading, "failed_requests", reason="error").value == 1
    assert one(reading, "failed_requests", reason="zero-tokens").value == 1
    assert one(reading, "error_rate").value == pytest.approx(2 / 6)
    good = raw["ttfts"][:4]
    assert one(reading, "ttft", "mean").value == pytest.approx(sum(good) / 4)
    assert raw["mean_ttft_ms"] / 1000 == pytest.approx(sum(good) / 5)
    assert one(reading, "request_throughput").value == pytest.approx(4 / raw["duration"])
    assert "total_token_throughput" not in metrics(reading)
    assert has_note(reading, "the file's own mean TTFT includes them")


def test_statistics_computed_again_are_those_of_a_file_without_empty_answers() -> None:
    own, again = read(SERVE, plain()), read(SERVE, detailed())
    for metric in ("ttft", "tpot", "inter_chunk_latency", "e2e_latency"):
        for statistic in ("mean", "p50", "p99", "stddev"):
            expected = one(own, metric, statistic).value
            assert one(again, metric, statistic).value == pytest.approx(expected)


def test_single_requests_become_samples_and_decode_times() -> None:
    raw = detailed()
    reading = read(SERVE, raw)
    points = [each for each in reading.samples if each.metric == "llm.ttft"]
    assert [(round(each.x, 6), each.y, each.kind) for each in points] == [
        (round(start - 1000, 6), ttft, "request")
        for start, ttft in zip(raw["start_times"][:4], raw["ttfts"][:4], strict=True)
    ]
    bins = [each for each in reading.samples if each.metric == "llm.inter_chunk_latency"]
    gaps = [gap for steps in raw["itls"] for gap in steps]
    assert {each.kind for each in bins} == {"histogram"}
    assert sum(each.y for each in bins) == len(gaps)
    mean = sum(each.x * each.y for each in bins) / len(gaps)
    assert mean == pytest.approx(sum(gaps) / len(gaps), rel=1e-4)
    decode = [math.fsum(steps) for steps in raw["itls"][:4]]
    assert one(reading, "decode_time", "mean").value == pytest.approx(sum(decode) / 4)
    rates = [16 / time for time in decode]
    assert one(reading, "decode_rate_per_request", "mean").value == pytest.approx(sum(rates) / 4)


def test_an_old_file_has_a_colon_in_a_key_and_counts_no_failures() -> None:
    raw = document("vllm/serve-old.json")
    assert "failed" not in raw
    reading = read(SERVE, raw, slo="ttft=2s,tpot=100ms")
    assert one(reading, "failed_requests", reason="error").value == 1
    goodput = one(reading, "goodput")
    assert goodput.value == raw["request_goodput:"]
    assert dict(goodput.params)["slo"] == "ttft=2s,tpot=100ms"
    assert parameters(reading)["api"] == "openai-chat"
    assert not {"beam_search", "best_of"} & parameters(reading).keys()
    beams = read(SERVE, raw | {"use_beam_search": True, "best_of": 4})
    assert {"beam_search": "true", "best_of": "4"}.items() <= parameters(beams).items()
    # Without start times the distribution is kept and the order is not.
    assert {each.kind for each in reading.samples} == {"histogram"}
    with pytest.raises(SitegenError, match="num_prompts: 5 requests completed of 3"):
        read(SERVE, {**raw, "completed": 5, "num_prompts": 3})


@pytest.mark.parametrize(
    ("rate", "concurrency", "workload"),
    [("inf", None, "burst"), (math.inf, None, "burst"), ("inf", 2, "closed"), (4.0, None, "open")],
)
def test_the_load_is_told_by_rate_and_concurrency(
    rate: object, concurrency: int | None, workload: str
) -> None:
    reading = read(SERVE, plain(request_rate=rate, max_concurrency=concurrency))
    assert workloads(reading) == {workload}
    assert first_params(reading).get("rate") == ("4" if workload == "open" else None)


def test_appended_results_are_runs_of_their_own() -> None:
    data = text("vllm/serve-appended.jsonl")
    first, second = SERVE.runs(data, {})
    assert (first.started_at, second.started_at) == ("2026-03-01T10:15:00Z", "2026-03-01T10:20:00Z")
    assert workloads(second) == {"open"}
    assert parameters(second)["burstiness"] == "0.5"
    listed = json.dumps([json.loads(line) for line in data.splitlines()])
    assert SERVE.runs(listed.encode(), {}) == (first, second)


def test_all_zero_is_none_and_a_zero_among_others_is_suspect() -> None:
    zeros = {f"{key}_tpot_ms": 0.0 for key in ("mean", "median", "std", "p99")}
    assert "tpot" not in metrics(read(SERVE, plain(**zeros)))
    reading = read(SERVE, plain(median_ttft_ms=0.0))
    assert one(reading, "ttft", "mean").status == Status.SUSPECT
    assert one(reading, "tpot", "mean").status == Status.OK


def test_the_user_says_what_the_file_does_not_and_never_the_contrary() -> None:
    asks = {"engine": "vllm", "weights": "random", "output_tokens": "16"}
    assert asks.items() <= first_params(read(SERVE, plain(), **asks)).items()
    assert "engine" not in first_params(read(SERVE, plain()))
    # Answers may end before their limit.
    assert read(SERVE, plain(), output_tokens="64").measurements
    for answers, message in (
        ({"model": "other"}, "--set model: the file says 'example-org/tiny-8b', not 'other'"),
        ({"input_tokens": "1024"}, "--set input_tokens: the file's mean is 32.0 tokens"),
        ({"output_tokens": "8"}, "--set output_tokens: the file's mean is 16.0 tokens"),
        ({"weights": "heavy"}, "--set weights: 'heavy' is not one of random, real"),
        ({"colour": "red"}, "--set colour: there is no setting 'colour'"),
    ):
        with pytest.raises(SitegenError) as caught:
            read(SERVE, plain(), **answers)
        assert str(caught.value).startswith(message)


def test_the_offline_benchmark_times_whole_batches() -> None:
    raw = document("vllm/latency.json")
    asks = {"model": "tiny-8b", "batch_size": "8", "input_tokens": "32"}
    reading = read(LATENCY, raw, **asks)
    mean = one(reading, "vllm.batch_latency", "mean")
    assert mean.value == raw["avg_latency"]
    assert dict(mean.params) == {**asks, "engine": "vllm"}
    assert one(reading, "vllm.batch_latency", "p99").value == raw["percentiles"]["99"]
    assert [each.y for each in reading.samples] == raw["latencies"]
    for change in ({"avg_latency": 9.0}, {"avg_latency": None}, {"percentiles": {"50": -1}}):
        with pytest.raises(SitegenError):
            read(LATENCY, raw | change)


def test_forms_are_told_by_their_keys() -> None:
    assert SERVE.knows(text("vllm/serve-old.json"))
    assert LATENCY.knows(text("vllm/latency.json"))
    assert not SERVE.knows(text("vllm/latency.json"))
    assert not LATENCY.knows(text("vllm/serve.json"))
    # A key inside a text of an answer is no key, and one key of a form is not the form.
    assert not SERVE.knows(json.dumps({"response": '"num_prompts": 1, "completed": 2'}).encode())
    assert not SERVE.knows(b'{"completed": 1}')
    assert not LATENCY.knows(b'{"avg_latency": 1}')


def test_many_single_requests_are_read_in_time_in_proportion_to_them() -> None:
    """Once each start looked for the first of all: 40,000 requests took 20 s of a CPU."""
    count = 20_000
    raw = plain(
        **dict.fromkeys(("completed", "num_prompts"), count),
        **dict.fromkeys(k for k in plain() if k.endswith(("_ms", "_throughput"))),
        duration=2000.0,
        total_input_tokens=10 * count,
        total_output_tokens=3 * count,
        input_lens=[10] * count,
        output_lens=[3] * count,
        ttfts=[0.1] * count,
        itls=[[0.05, 0.05]] * count,
        start_times=[i / 10 for i in range(count)],
        errors=[""] * count,
        generated_texts=["abc"] * count,
    )
    data = json.dumps(raw).encode()
    begun = time.process_time()
    reading = read(SERVE, data)
    assert time.process_time() - begun < 2
    assert len([each for each in reading.samples if each.metric == "llm.ttft"]) == count
