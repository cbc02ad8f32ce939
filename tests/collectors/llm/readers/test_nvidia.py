from __future__ import annotations

from typing import Any

import pytest

from collectors.llm.readers.nvidia import PERF
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status
from tests.collectors.llm.readers.outputs import (
    document,
    doubts,
    first_params,
    has_note,
    metrics,
    one,
    read,
    text,
    workloads,
)

AIPERF, GENAI = "nvidia/aiperf.json", "nvidia/genai-perf.json"
GENAI_CSV, AIPERF_CSV = "nvidia/genai-perf.csv", "nvidia/aiperf.csv"


def aiperf(**changes: object) -> dict[str, Any]:
    return {**document(AIPERF), **changes}


def configured(**config: object) -> dict[str, Any]:
    return aiperf(input_config={**document(AIPERF)["input_config"], **config})


def test_aiperf_is_read_in_base_units_under_its_own_names() -> None:
    raw, reading = aiperf(), read(PERF, text(AIPERF))
    for tag, metric in (
        ("time_to_first_token", "ttft"),
        ("inter_token_latency", "tpot"),
        ("inter_chunk_latency", "inter_chunk_latency"),
        ("request_latency", "e2e_latency"),
    ):
        for key, statistic in (("avg", "mean"), ("p50", "p50"), ("p99", "p99"), ("std", "stddev")):
            assert one(reading, metric, statistic).value == pytest.approx(raw[tag][key] / 1000)
    # What sitegen has no statistic for is left out.
    assert "p25" not in {row.statistic for row in reading.measurements}
    assert one(reading, "request_throughput").value == 2.0
    # One divided by TPOT is not tokens divided by decode time, which is n/(n-1) higher.
    assert one(reading, "aiperf.output_token_throughput_per_user", "mean").value == 83.3
    assert "decode_rate_per_request" not in metrics(reading)
    assert dict(reading.natives)["llm.tpot mean"] == "inter_token_latency avg"
    assert workloads(reading) == {"closed"}
    about = dict(one(reading, "ttft", "mean").params)
    assert about == {"model": "example-org/tiny-8b", "concurrency": "2"}
    assert reading.tool is not None
    assert (reading.tool.name, reading.tool.version) == ("aiperf", "0.13.0")
    assert (reading.started_at, reading.duration_s) == ("2026-03-01T12:00:00Z", 9.5)
    assert {each.id for each in reading.definitions} == {
        "llm.aiperf.output_token_throughput_per_user",
        "llm.aiperf.time_to_second_token",
        "llm.aiperf.time_to_first_output_token",
        "llm.aiperf.reasoning_token_count",
    }


def test_failures_are_counted() -> None:
    reading = read(PERF, aiperf())
    assert one(reading, "requests").value == 20
    assert one(reading, "failed_requests", reason="error").value == 1
    assert one(reading, "error_rate").value == 0.05
    # From error_summary.
    assert one(read(PERF, aiperf(error_request_count=None)), "error_rate").value == 0.05
    nothing = aiperf(error_request_count=None, error_summary=None)
    assert "error_rate" not in metrics(read(PERF, nothing))


def test_what_the_file_says_of_the_load_stands() -> None:
    with pytest.raises(SitegenError, match="the file says '2', not '4'"):
        read(PERF, text(AIPERF), concurrency="4")
    load = {"request_rate": 2.5, "request_rate_mode": "poisson"}
    reading = read(PERF, configured(loadgen=load))
    assert workloads(reading) == {"open"}
    assert first_params(reading) == {"model": "example-org/tiny-8b", "rate": "2.5"}
    reading = read(PERF, configured(loadgen={**load, "request_rate_mode": "constant"}))
    assert first_params(reading)["arrivals"] == "constant"


def test_the_newer_configuration_has_phases_and_models() -> None:
    warmup = {"name": "warmup", "type": "concurrency", "concurrency": 1}
    steady = {"name": "steady", "kind": "profiling", "type": "poisson", "rate": 3.0}
    config: dict[str, Any] = {"models": {"items": [{"name": "org/m"}]}, "phases": [warmup, steady]}
    reading = read(PERF, aiperf(input_config=config))
    assert workloads(reading) == {"open"}
    assert first_params(reading) == {"model": "org/m", "rate": "3"}
    config["phases"].append({"name": "profiling", "concurrency": 8})
    reading = read(PERF, aiperf(input_config=config))
    assert workloads(reading) == {"serving"}
    assert has_note(reading, "--set concurrency=")


def test_several_models_are_none() -> None:
    raw = configured(endpoint={"model_names": ["a", "b"]})
    assert "model" not in first_params(read(PERF, raw))
    assert first_params(read(PERF, raw, model="a"))["model"] == "a"
    # What the file does say is not asked for again.
    assert not has_note(read(PERF, raw), "--set concurrency=")


def test_a_cancelled_benchmark_is_suspect() -> None:
    reading = read(PERF, aiperf(was_cancelled=True))
    assert one(reading, "ttft", "mean").status == Status.SUSPECT


def test_genai_perf_means_other_things_by_the_same_words() -> None:
    reading = read(PERF, text(GENAI))
    assert "tpot" not in metrics(reading)
    assert one(reading, "genai-perf.inter_token_latency", "mean").value == 0.0038
    assert one(reading, "genai-perf.output_token_throughput_per_user", "mean").value == 263.2
    assert reading.tool is not None
    assert reading.tool.name == "genai-perf"
    assert first_params(reading) == {"model": "tiny_8b", "concurrency": "10"}


def test_no_streaming_is_no_time_to_first_token() -> None:
    zero = {"unit": "ms", "avg": 0.0, "p50": 0.0}
    reading = read(PERF, aiperf(time_to_first_token=zero, goodput=None))
    assert not {"ttft", "goodput"} & metrics(reading)


def test_csv_is_read_like_json() -> None:
    reading = read(PERF, text(GENAI_CSV), model="tiny_8b")
    assert one(reading, "e2e_latency", "mean").value == 1.85  # "1,850.00"
    assert one(reading, "e2e_latency", "p99").value == 1.99
    assert one(reading, "request_throughput").value == 4.5
    assert one(reading, "genai-perf.inter_token_latency", "p50").value == 0.0038
    assert workloads(reading) == {"serving"}
    assert has_note(reading, "--set concurrency=")
    reading = read(PERF, text(AIPERF_CSV), concurrency="2")
    assert workloads(reading) == {"closed"}
    assert one(reading, "tpot", "mean").value == 0.012
    assert one(reading, "requests").value == 19
    assert "error_rate" not in metrics(reading)
    assert reading.duration_s == 9.5


def test_a_table_without_model_and_load_says_so() -> None:
    sentence = doubts(read(PERF, text(GENAI_CSV)))[Doubt.NOT_STATED]
    assert sentence.startswith("The file does not name the model.")
    assert "say it with --set concurrency=." in sentence
    told = read(PERF, text(GENAI_CSV), model="acme/demo-8b", rate="4.5")
    assert doubts(told) == {}
    assert doubts(read(PERF, aiperf())) == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"request_throughput": {"unit": "requests/sec", "avg": 4.0}}, "19 requests went well"),
        ({"output_token_throughput": {"unit": "tokens/sec", "avg": 300.0}}, "157"),
        ({"request_latency": {"unit": "sec", "avg": 98.0}}, "the test took 9.5 s"),
        (
            {"time_to_first_token": {"unit": "ms", "avg": 50.0, "p50": 60.0, "p99": 40.0}},
            "p99 0.04",
        ),
    ],
)
def test_figures_of_aiperf_that_contradict_each_other_are_doubted(
    changes: dict[str, Any], words: str
) -> None:
    assert words in doubts(read(PERF, aiperf(**changes)))[Doubt.INCONSISTENT]


def test_a_time_of_aiperf_that_is_not_known_is_named_as_left_out() -> None:
    reading = read(PERF, aiperf(credit_drop_latency={"unit": "ms", "avg": 3.0}))
    assert has_note(reading, "left out: credit_drop_latency.")
    assert not has_note(read(PERF, aiperf()), "left out")
