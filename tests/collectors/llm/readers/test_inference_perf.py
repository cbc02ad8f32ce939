from __future__ import annotations

import json

import pytest

from collectors.llm.readers.inference_perf import LIFECYCLE
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt
from tests.collectors import damage
from tests.collectors.llm.readers.outputs import (
    changed,
    document,
    doubts,
    first_params,
    has_note,
    metrics,
    one,
    read,
    text,
)

STAGE = "inference-perf/stage_0.json"
SAID = {"model": "acme/demo-8b", "input_tokens": "100", "output_tokens": "230"}


def stage(path: str, value: object) -> Reading:
    return read(LIFECYCLE, changed(STAGE, path, value), **SAID)


def test_a_stage_of_a_rate_is_an_open_loop_in_seconds() -> None:
    raw = document(STAGE)
    reading = read(LIFECYCLE, text(STAGE), **SAID)
    times = raw["successes"]["latency"]
    assert one(reading, "ttft", "mean").value == times["time_to_first_token"]["mean"]
    assert one(reading, "tpot", "p50").value == times["time_per_output_token"]["median"]
    assert one(reading, "e2e_latency", "p99").value == times["request_latency"]["p99"]
    rates = raw["successes"]["throughput"]
    assert one(reading, "output_token_throughput").value == rates["output_tokens_per_sec"]
    assert one(reading, "offered_rate").value == 2
    assert one(reading, "requests").value == 120
    assert reading.duration_s == raw["benchmark_time_seconds"]
    assert first_params(reading)["rate"] == "2"
    assert {row.workload for row in reading.measurements} == {"open"}
    assert doubts(reading) == {}


def test_neither_model_nor_lengths_stand_in_it() -> None:
    assert "does not name the model" in doubts(read(LIFECYCLE, text(STAGE)))[Doubt.NOT_STATED]


def test_a_stage_of_a_concurrency_is_a_closed_loop() -> None:
    reading = stage("load_summary.concurrency", 16)
    assert first_params(reading)["concurrency"] == "16"
    assert "rate" not in first_params(reading)
    assert {row.workload for row in reading.measurements} == {"closed"}


def test_all_stages_together_do_not_say_their_load() -> None:
    load = {"count": 120, "schedule_delay": None}
    reading = stage("load_summary", load)
    assert {row.workload for row in reading.measurements} == {"serving"}
    assert "concurrency" in doubts(reading)[Doubt.NOT_STATED]
    assert has_note(reading, "All stages are in one file")


def test_newer_names_of_lengths_are_read() -> None:
    raw = document(STAGE)
    good = raw["successes"]
    good["prompt_tokens"], good["output_tokens"] = good.pop("prompt_len"), good.pop("output_len")
    reading = read(LIFECYCLE, raw, **SAID)
    assert one(reading, "input_tokens", "mean").value == good["prompt_tokens"]["mean"]


def test_without_a_duration_the_rate_tells_it() -> None:
    raw = document(STAGE)
    lasted = raw.pop("benchmark_time_seconds")
    assert read(LIFECYCLE, raw, **SAID).duration_s == pytest.approx(lasted)


def test_failed_requests_are_counted() -> None:
    reading = stage("failures.count", 30)
    assert one(reading, "requests").value == 150
    assert one(reading, "error_rate").value == 0.2


def test_what_is_not_streamed_has_no_time_of_a_first_token() -> None:
    raw = document(STAGE)
    for name in ("time_to_first_token", "time_per_output_token", "inter_token_latency"):
        raw["successes"]["latency"][name] = None
    assert not {"ttft", "tpot", "inter_chunk_latency"} & metrics(read(LIFECYCLE, raw, **SAID))


def test_a_load_generator_that_was_late_is_doubted() -> None:
    reading = stage("load_summary.schedule_delay.mean", 0.02)
    assert "requests were sent 0.02 s late" in doubts(reading)[Doubt.CLIENT_LATE]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("successes.throughput.output_tokens_per_sec", 900.0, "900 output tokens/s are stated"),
        ("successes.throughput.requests_per_sec", 20.0, "requests went well, and 20 a second"),
        ("successes.latency.request_latency.mean", 1853.0, "a unit is another"),
        ("successes.latency.time_to_first_token.p90", 0.001, "ttft: p75 is"),
        ("successes.latency.request_latency.max", 500.0, "the test took"),
    ],
)
def test_figures_that_contradict_each_other_are_doubted(
    path: str, value: float, words: str
) -> None:
    assert words in doubts(stage(path, value))[Doubt.INCONSISTENT]


def test_a_report_of_prometheus_is_another_form() -> None:
    other = {"load_summary": {}, "successes": {"count": 1, "rate": 2.0}, "failures": {}}
    assert not LIFECYCLE.knows(json.dumps(other).encode())


def test_a_time_that_is_no_number_is_refused_with_its_place() -> None:
    with pytest.raises(SitegenError, match=r"successes\.latency"):
        stage("successes.latency.time_to_first_token", "fast")


def test_a_damaged_file_is_refused_or_read() -> None:
    damage.bear(LIFECYCLE.knows, lambda data: LIFECYCLE.runs(data, SAID), text(STAGE), trials=30)
