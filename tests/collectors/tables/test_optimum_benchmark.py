"""optimum-benchmark's benchmark.json: the parts of a model in its own process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Reading
from sitegen.collect.declared.collector import collector
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "optimum-benchmark" / "benchmark.json"
[READER] = collector(declared.shipped()["optimum-benchmark"]).READERS


def document() -> Any:  # noqa: ANN401 - whatever the tool wrote
    return json.loads(RAW.read_bytes())


def read(content: object) -> Reading:
    [reading] = READER.runs(json.dumps(content).encode(), {})
    return reading


def values(reading: Reading) -> dict[str, float | None]:
    return {
        f"{row.metric.split('.')[1]} {row.statistic}": row.value for row in reading.measurements
    }


def test_each_part_is_a_metric_in_base_units() -> None:
    raw = document()["report"]
    found = values(read(document()))
    assert found["prefill_time mean"] == raw["prefill"]["latency"]["mean"]
    assert found["token_time p99"] == raw["per_token"]["latency"]["p99"]
    assert found["decode_rate value"] == raw["decode"]["throughput"]["value"]
    assert found["peak_memory max"] == 2085e6
    assert "forward_time mean" not in found
    assert len(read(document()).samples) == 310
    assert read(document()).doubts == ()


def test_what_the_configuration_names_tells_series_apart() -> None:
    reading = read(document())
    assert dict(reading.measurements[0].params) == {
        "model": "acme/demo-8b",
        "backend": "pytorch",
        "device": "cuda",
        "dtype": "float16",
        "task": "text-generation",
        "batch_size": "2",
        "sequence_length": "256",
        "new_tokens": "32",
        "beams": "1",
    }
    assert {(fact.name, fact.value) for fact in reading.facts} == {
        ("cpu", "AMD EPYC 9V84"),
        ("gpu", "NVIDIA H100"),
    }


def test_of_a_folder_only_the_models_name_is_kept() -> None:
    raw = document()
    raw["config"]["backend"]["model"] = "/data/models/demo-8b"
    assert dict(read(raw).measurements[0].params)["model"] == "demo-8b"


@pytest.mark.parametrize(
    ("part", "kind", "changes", "words"),
    [
        ("decode", "throughput", {"value": 9.9}, "are fewer than the tokens of the batch"),
        ("prefill", "throughput", {"value": 3.3}, "are not the batch of 2"),
        ("decode", "latency", {"total": 60.0}, "are not 60 s"),
        ("prefill", "latency", {"p90": 0.01}, "out of order"),
    ],
)
def test_figures_that_contradict_each_other_are_doubted(
    part: str, kind: str, changes: dict[str, float], words: str
) -> None:
    raw = document()
    raw["report"][part][kind] |= changes
    reading = read(raw)
    assert words in {each: text for each, text, _ in reading.doubts}[Doubt.INCONSISTENT]
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}


def test_another_unit_is_no_time() -> None:
    raw = document()
    raw["report"]["prefill"]["latency"]["unit"] = "ms"
    assert {row.status for row in read(raw).measurements} == {Status.FAILED}


def test_a_report_without_its_configuration_is_another_form() -> None:
    assert not READER.knows(json.dumps(document()["report"]).encode())
    raw = document()
    del raw["config"]["backend"]["model"]
    with pytest.raises(SitegenError, match="has no model"):
        read(raw)
