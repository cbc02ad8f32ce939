from __future__ import annotations

import json

import pytest

from collectors.llm.readers.llmperf import REQUESTS, SUMMARY
from sitegen.collect import Reader
from sitegen.errors import SitegenError
from sitegen.model import Doubt
from tests.collectors import damage
from tests.collectors.llm.readers.outputs import (
    document,
    doubts,
    first_params,
    has_note,
    metrics,
    one,
    read,
    text,
)

FILE, SINGLE = "llmperf/summary.json", "llmperf/requests.json"
SAID = {"model": "acme/demo-8b", "concurrency": "4", "input_tokens": "550", "output_tokens": "150"}


def test_a_summary_is_a_closed_loop_of_its_model_and_lengths() -> None:
    raw = document(FILE)
    reading = read(SUMMARY, text(FILE))
    assert first_params(reading) == {
        "model": "acme/demo-8b",
        "concurrency": "4",
        "input_tokens": "550",
        "output_tokens": "150",
        "output_tokens_stddev": "10",
    }
    assert one(reading, "ttft", "p99").value == raw["results_ttft_s_quantiles_p99"]
    assert one(reading, "e2e_latency", "stddev").value == raw["results_end_to_end_latency_s_stddev"]
    per_s = raw["results_num_completed_requests_per_min"] / 60
    assert one(reading, "request_throughput").value == pytest.approx(per_s)
    assert one(reading, "output_token_throughput").value == pytest.approx(
        raw["results_mean_output_throughput_token_per_s"]
    )
    assert one(reading, "output_tokens", "max").value == float(
        raw["results_number_output_tokens_max"]
    )
    assert one(reading, "error_rate").value == 0.04
    assert doubts(reading) == {}


def test_its_time_is_that_of_its_end_less_how_long_it_took() -> None:
    reading = read(SUMMARY, text(FILE))
    assert reading.duration_s == pytest.approx(20.27, abs=0.01)
    assert reading.started_at == "2026-01-01T11:59:39Z"


def test_what_it_calls_inter_token_latency_is_none() -> None:
    reading = read(SUMMARY, text(FILE))
    assert not {"itl", "tpot", "inter_chunk_latency"} & metrics(reading)
    assert one(reading, "llmperf.inter_token_latency", "mean").value


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"results_inter_token_latency_s_mean": 21.5}, "tokens of 21.5 s are others"),
        ({"results_ttft_s_mean": 242.0}, "the first token comes after 242 s"),
        ({"results_num_completed_requests_per_min": 710.0}, "4 requests at once are stated"),
        ({"results_mean_output_throughput_token_per_s": 18.0}, "18 output tokens/s are stated"),
        ({"results_ttft_s_quantiles_p90": 0.01}, "ttft: p75 is"),
    ],
)
def test_a_summary_that_contradicts_itself_is_doubted(
    changes: dict[str, float], words: str
) -> None:
    assert words in doubts(read(SUMMARY, document(FILE) | changes))[Doubt.INCONSISTENT]


def test_a_load_by_a_schedule_has_no_concurrency() -> None:
    reading = read(SUMMARY, document(FILE) | {"num_concurrent_requests": "scheduled"})
    assert first_params(reading)["arrivals"] == "scheduled"
    assert "concurrency" not in first_params(reading)


def test_where_all_requests_failed_there_are_counts_alone() -> None:
    nothing = {"results_num_completed_requests": 0, "results_number_errors": 25}
    reading = read(SUMMARY, document(FILE) | nothing)
    assert metrics(reading) == {"requests", "failed_requests", "error_rate"}


def test_a_deviation_of_one_request_is_none() -> None:
    raw = json.dumps(document(FILE)).replace(str(document(FILE)["results_ttft_s_stddev"]), "NaN")
    reading = read(SUMMARY, raw.encode())
    assert not [
        row for row in reading.measurements if row.statistic == "stddev" and "ttft" in row.metric
    ]


def test_single_requests_say_what_the_summary_does() -> None:
    both = read(SUMMARY, text(FILE)), read(REQUESTS, text(SINGLE), **SAID)
    for metric in ("ttft", "e2e_latency"):
        for statistic in ("mean", "p50", "min", "max"):
            whole, single = (one(each, metric, statistic).value for each in both)
            assert single == pytest.approx(whole)
    assert one(both[1], "failed_requests").value == 1
    assert len(both[1].samples) == 48
    assert doubts(both[1]) == {}


def test_single_requests_ask_for_their_load() -> None:
    reading = read(REQUESTS, text(SINGLE))
    assert "--set concurrency=" in doubts(reading)[Doubt.NOT_STATED]
    assert has_note(reading, "neither when they were sent")


def test_an_answer_without_a_token_has_failed() -> None:
    raw = document(SINGLE)
    raw[0]["number_output_tokens"] = 0
    reading = read(REQUESTS, raw, **SAID)
    assert one(reading, "failed_requests", reason="zero-tokens").value == 1


def test_no_request_is_no_run() -> None:
    with pytest.raises(SitegenError, match="holds no request"):
        read(REQUESTS, b"[]")


@pytest.mark.parametrize(("reader", "name"), [(SUMMARY, FILE), (REQUESTS, SINGLE)])
def test_a_damaged_file_is_refused_or_read(reader: Reader, name: str) -> None:
    damage.bear(reader.knows, lambda data: reader.runs(data, {}), text(name), trials=30)
