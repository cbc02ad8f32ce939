"""What LoadGen of MLPerf Inference prints, in each scenario and where it calls itself invalid."""

from __future__ import annotations

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Reading
from sitegen.collect.declared.collector import collector
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "mlperf"
[READER] = collector(declared.shipped()["mlperf"]).READERS


def text(name: str) -> str:
    return (RAW / f"{name}.txt").read_text("utf-8")


def read(content: str, model: str = "resnet50") -> Reading:
    [reading] = READER.runs(content.encode(), {"model": model})
    return reading


def values(reading: Reading) -> dict[tuple[str, str], float]:
    return {
        (row.metric.removeprefix("mlperf."), row.statistic): row.value
        for row in reading.measurements
        if row.value is not None
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("offline", {("samples_per_second", "value"): 1638.19, ("latency", "max"): 1.745827396}),
        (
            "server",
            {
                ("completed_samples_per_second", "value"): 195.58,
                ("scheduled_samples_per_second", "value"): 195.71,
                ("latency", "p99"): 0.023389466,
            },
        ),
        ("single-stream", {("latency", "p90"): 0.002317904, ("latency", "mean"): 0.002328147}),
        ("multi-stream", {("latency", "p99"): 0.006322292}),
        (
            "server-tokens",
            {
                ("tokens_per_second", "value"): 978.34,
                ("ttft", "p99"): 0.007782341,
                ("tpot", "mean"): 0.001041847,
            },
        ),
        ("offline-tokens", {("tokens_per_second", "value"): 3398.11}),
    ],
)
def test_each_scenario_has_its_result(name: str, expected: dict[tuple[str, str], float]) -> None:
    reading = read(text(name))
    found = values(reading)
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert {row.status for row in reading.measurements} == {Status.OK}
    assert reading.doubts == ()


def test_model_scenario_and_limits_tell_series_apart() -> None:
    about = {"model": "llama2-70b-99", "scenario": "Server"}
    limits = {"target_ttft_s": "0.1", "target_tpot_s": "0.05"}
    reading = read(text("server-tokens"), model="llama2-70b-99")
    assert dict(reading.measurements[0].params) == about | limits
    assert dict(read(text("server")).measurements[0].params)["target_latency_s"] == "0.05"
    assert dict(read(text("multi-stream")).measurements[0].params)["samples_per_query"] == "8"
    offline = {"model": "resnet50", "scenario": "Offline"}
    assert dict(read(text("offline-tokens")).measurements[0].params) == offline


def test_the_model_is_asked_for() -> None:
    with pytest.raises(SitegenError, match="does not say its model; add --set model="):
        READER.runs(text("offline").encode(), {})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("offline-invalid", "it was shorter than MLPerf asks"),
        ("server-invalid", "its limits of latency were not met"),
        ("single-invalid", "LoadGen counted errors: 1"),
    ],
)
def test_an_invalid_result_is_suspect_with_its_reason(name: str, words: str) -> None:
    reading = read(text(name))
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    [(kind, sentence, _)] = reading.doubts
    assert kind == Doubt.INVALID
    assert sentence.startswith("LoadGen calls the result INVALID")
    assert words in sentence


def test_several_summaries_after_another_are_one_run() -> None:
    reading = read(text("offline") + text("single-stream"))
    assert {row.workload for row in reading.measurements} == {"offline", "singlestream"}
    assert reading.doubts == ()


def test_old_words_for_scenario_and_mode_are_the_same() -> None:
    old = text("single-stream").replace("SingleStream", "Single Stream")
    old = old.replace("90.0th percentile", "90th percentile").replace("Only", "")
    assert read(old).measurements == read(text("single-stream")).measurements


def test_of_the_result_alone_the_rest_is_missing_and_said() -> None:
    head = text("single-stream").partition("Additional Stats")[0]
    reading = read(head)
    assert values(reading) == {("latency", "p90"): 0.002317904}
    assert reading.doubts[0][0] == Doubt.CUT_OFF


def test_a_log_of_an_accuracy_run_is_no_result() -> None:
    assert not READER.knows(b"\nNo warnings encountered during test.\n")
    with pytest.raises(SitegenError, match="has no result"):
        read(text("offline").replace("PerformanceOnly", "AccuracyOnly"))


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("offline", "second: 1638.19", "second: 163.819", "are fewer than the 2860 samples"),
        ("single-stream", "overhead        : 429.53", "overhead        : 42.953", "queries a sec"),
        ("single-stream", "latency (ns) : 2317904", "latency (ns) : 5317904", "are two latencies"),
        ("server", "second    : 195.58", "second    : 295.58", "were done, and 195.71 asked for"),
        ("server", "latency (ns)   : 23389466", "latency (ns)   : 3", "out of order"),
        ("server-tokens", "Mean First Token latency (ns)               : 2792131",
         "Mean First Token latency (ns)               : 2792131000", "and the whole request takes"),
    ],
)  # fmt: skip
def test_figures_that_contradict_each_other_are_doubted(
    name: str, old: str, new: str, words: str
) -> None:
    assert old in text(name)
    reading = read(text(name).replace(old, new))
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    found = {kind: sentence for kind, sentence, _ in reading.doubts}
    assert words in found[Doubt.INCONSISTENT]
