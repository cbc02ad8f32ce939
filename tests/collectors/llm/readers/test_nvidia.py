from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.llm.readers import nvidia
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status

RAW = Path(__file__).parents[3] / "raw" / "llm" / "nvidia"
SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "llm"
NONE: Mapping[str, str] = {}


def text(name: str) -> bytes:
    return (RAW / name).read_bytes()


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(name))
    return found


def perf(content: object, settings: Mapping[str, str] = NONE) -> Reading:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    [found] = nvidia.read(data, settings)
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
    return {m.metric.removeprefix("llm.") for m in found.measurements}


def test_aiperf_is_read_in_base_units_under_its_own_names() -> None:
    raw = document("aiperf.json")
    found = perf(raw)
    for tag, metric in (
        ("time_to_first_token", "ttft"),
        ("inter_token_latency", "tpot"),
        ("inter_chunk_latency", "inter_chunk_latency"),
        ("request_latency", "e2e_latency"),
    ):
        for key, statistic in (("avg", "mean"), ("p50", "p50"), ("p99", "p99"), ("std", "stddev")):
            assert one(found, metric, statistic).value == pytest.approx(raw[tag][key] / 1000)
        # What sitegen has no statistic for is left out.
        assert "p25" not in {m.statistic for m in found.measurements}
    assert one(found, "request_throughput", "value").value == 2.0
    # One divided by TPOT is not tokens divided by decode time, which is n/(n-1) higher.
    assert one(found, "aiperf.output_token_throughput_per_user", "mean").value == 83.3
    assert "decode_rate_per_request" not in metrics(found)
    assert dict(found.natives)["llm.tpot mean"] == "inter_token_latency avg"
    assert {m.workload for m in found.measurements} == {"closed"}
    pairs = dict(one(found, "ttft", "mean").params)
    assert pairs == {"model": "example-org/tiny-8b", "concurrency": "2"}
    assert found.tool is not None
    assert (found.tool.name, found.tool.version) == ("aiperf", "0.13.0")
    assert (found.started_at, found.duration_s) == ("2026-03-01T12:00:00Z", 9.5)


def test_failures_are_counted() -> None:
    found = perf(text("aiperf.json"))
    assert one(found, "requests", "value").value == 20
    assert one(found, "failed_requests", "value", "error").value == 1
    assert one(found, "error_rate", "value").value == 0.05
    raw = document("aiperf.json") | {"error_request_count": None}
    assert one(perf(raw), "error_rate", "value").value == 0.05  # from error_summary
    del raw["error_summary"]
    assert "error_rate" not in metrics(perf(raw))


def test_what_has_no_equal_keeps_its_own_name() -> None:
    found = perf(text("aiperf.json"))
    own = {d.id: d for d in found.definitions}
    assert own.keys() == {
        "llm.aiperf.output_token_throughput_per_user",
        "llm.aiperf.time_to_second_token",
        "llm.aiperf.time_to_first_output_token",
        "llm.aiperf.reasoning_token_count",
    }
    assert one(found, "aiperf.time_to_first_output_token", "mean").value == 0.4


def test_answers_that_are_reasoning_alone_are_said() -> None:
    found = perf(text("aiperf.json"))
    assert any("10 of 19 requests have a token besides" in note for note in found.notes)


def test_goodput_has_its_objective_from_the_user() -> None:
    found = perf(text("aiperf.json"), {"slo": "ttft=2s"})
    assert dict(one(found, "goodput", "value").params)["slo"] == "ttft=2s"
    assert any("--set slo=" in note for note in perf(text("aiperf.json")).notes)


def test_what_the_file_says_of_the_load_stands() -> None:
    with pytest.raises(SitegenError, match="the file says '2', not '4'"):
        perf(text("aiperf.json"), {"concurrency": "4"})
    raw = document("aiperf.json")
    raw["input_config"]["loadgen"] = {"request_rate": 2.5, "request_rate_mode": "poisson"}
    found = perf(raw)
    assert {(m.workload, dict(m.params)["rate"]) for m in found.measurements} == {("open", "2.5")}
    assert "arrivals" not in dict(found.measurements[0].params)
    raw["input_config"]["loadgen"]["request_rate_mode"] = "constant"
    assert dict(perf(raw).measurements[0].params)["arrivals"] == "constant"


def test_the_newer_configuration_has_phases_and_models() -> None:
    raw = document("aiperf.json")
    warmup = {"name": "warmup", "type": "concurrency", "concurrency": 1}
    steady = {"name": "steady", "kind": "profiling", "type": "poisson", "rate": 3.0}
    raw["input_config"] = {"models": {"items": [{"name": "org/m"}]}, "phases": [warmup, steady]}
    found = perf(raw)
    assert {m.workload for m in found.measurements} == {"open"}
    assert dict(found.measurements[0].params) == {"model": "org/m", "rate": "3"}
    raw["input_config"]["phases"].append({"name": "profiling", "concurrency": 8})
    found = perf(raw)
    assert {m.workload for m in found.measurements} == {"serving"}
    assert any("--set concurrency=" in note for note in found.notes)


def test_a_cancelled_benchmark_is_suspect() -> None:
    found = perf(document("aiperf.json") | {"was_cancelled": True})
    assert one(found, "ttft", "mean").status == Status.SUSPECT


def test_genai_perf_means_other_things_by_the_same_words() -> None:
    new, old = perf(text("genai-perf.json")), perf(text("genai-perf-old.json"))
    assert "tpot" not in metrics(new) | metrics(old)
    assert one(new, "genai-perf.inter_token_latency", "mean").value == 0.0038
    assert one(old, "genai-perf.inter_token_latency", "mean").value == 0.0038
    assert one(old, "genai-perf.output_token_throughput_per_request", "mean").value == 221.2
    assert one(new, "genai-perf.output_token_throughput_per_user", "mean").value == 263.2
    for found in (old, new):
        assert found.tool is not None
        assert found.tool.name == "genai-perf"
        assert dict(found.measurements[0].params) == {"model": "tiny_8b", "concurrency": "10"}


def test_old_files_write_numbers_as_text_in_nanoseconds() -> None:
    found = perf(text("genai-perf-old.json"))
    assert one(found, "e2e_latency", "mean").value == pytest.approx(0.85)
    assert one(found, "output_tokens", "mean").value == 17.7
    assert one(found, "output_token_throughput", "value").value == 217.1


def test_csv_is_read_like_json() -> None:
    found = perf(text("genai-perf.csv"), {"model": "tiny_8b"})
    assert one(found, "e2e_latency", "mean").value == 1.85  # "1,850.00"
    assert one(found, "e2e_latency", "p99").value == 1.99
    assert one(found, "request_throughput", "value").value == 4.5
    assert one(found, "genai-perf.inter_token_latency", "p50").value == 0.0038
    assert {m.workload for m in found.measurements} == {"serving"}
    assert any("--set concurrency=" in note for note in found.notes)
    found = perf(text("aiperf.csv"), {"concurrency": "2"})
    assert {m.workload for m in found.measurements} == {"closed"}
    assert one(found, "tpot", "mean").value == 0.012
    assert one(found, "requests", "value").value == 19
    assert "error_rate" not in metrics(found)
    assert found.duration_s == 9.5


def test_single_requests_are_refused_with_the_way_out() -> None:
    for data in (text("profile_export.jsonl"), b'{"experiments":[{"response_timestamps":[]}]}'):
        assert nvidia.knows(data)
        with pytest.raises(SitegenError, match="import profile_export_aiperf"):
            perf(data)


@pytest.mark.parametrize(
    ("leaf", "says"),
    [
        ({"unit": "ms", "avg": True}, "time_to_first_token: avg: True is not a number"),
        ({"unit": "ms", "avg": "NaN"}, "time_to_first_token: avg: 'NaN' is not a number"),
        ({"unit": "ms", "avg": -1.0}, "time_to_first_token: avg: is negative"),
        ({"unit": "parsec", "avg": 1}, "time_to_first_token: unit: 'parsec' is not a unit of it"),
        ({"avg": 1}, "time_to_first_token: unit: '' is not a unit of it"),
        ([1], "time_to_first_token: is not an object"),
    ],
)
def test_what_is_not_a_value_is_refused_by_its_key(leaf: object, says: str) -> None:
    for name in ("aiperf.json", "genai-perf.json"):
        with pytest.raises(SitegenError) as caught:
            perf(document(name) | {"time_to_first_token": leaf})
        assert str(caught.value).startswith(says)


def test_no_streaming_is_no_time_to_first_token() -> None:
    zero = {"unit": "ms", "avg": 0.0, "p50": 0.0}
    found = perf(document("aiperf.json") | {"time_to_first_token": zero, "goodput": None})
    assert not {"ttft", "goodput"} & metrics(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"20.00,15.00", b"20.00"),
        (b"20.00,15.00", b"20.00,abc"),
        (b"Inter Token Latency (ms)", b"Time To First Token (ms)"),
        (b"(ms)", b"(miles)"),
        (b'"1,850.00"', b'"1,850.00'),
    ],
)
def test_a_damaged_table_is_refused(old: bytes, new: bytes) -> None:
    assert old in text("genai-perf.csv")
    with pytest.raises(SitegenError):
        perf(text("genai-perf.csv").replace(old, new, 1))


@pytest.mark.skipif(not SAMPLES.exists(), reason="published outputs are not here")
def test_a_published_export_is_read() -> None:
    found = perf((SAMPLES / "aiperf.json").read_bytes())
    assert one(found, "ttft", "mean").value == pytest.approx(0.0828465124)
    assert any("40 of 100 requests have a token besides" in note for note in found.notes)
    assert "test_key" not in repr(found)


def test_several_models_are_none() -> None:
    raw = document("aiperf.json")
    raw["input_config"]["endpoint"]["model_names"] = ["a", "b"]
    assert "model" not in dict(perf(raw).measurements[0].params)
    assert dict(perf(raw, {"model": "a"}).measurements[0].params)["model"] == "a"
    # What the file does say is not asked for again.
    assert not any("--set concurrency=" in note for note in perf(raw).notes)
