from __future__ import annotations

import pytest

from collectors.llm.readers.guidellm import GUIDELLM
from collectors.llm.readers.llama_benchy import REPORT
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
    read,
    rows,
    text,
)

FILE = "llama-benchy/report.json"


def test_each_test_is_a_closed_loop_of_its_lengths() -> None:
    raw = document(FILE)["benchmarks"]
    reading = read(REPORT, text(FILE))
    assert first_params(reading) == {
        "model": "acme/demo-8b",
        "concurrency": "1",
        "input_tokens": "2048",
        "output_tokens": "128",
    }
    for concurrency, batch in zip("14", raw, strict=True):
        [first] = rows(reading, "ttft", "mean", concurrency=concurrency)
        assert first.value == pytest.approx(batch["e2e_ttft"]["mean"] / 1000)
        name = "llama-benchy.generation_throughput"
        [rate] = rows(reading, name, "mean", concurrency=concurrency)
        assert rate.value == batch["tg_throughput"]["mean"]
    assert len(reading.samples) == 3 + 12
    assert reading.started_at == "2026-09-01T10:20:30Z"
    assert doubts(reading) == {}


def test_its_rates_are_not_those_of_the_whole_test() -> None:
    found = metrics(read(REPORT, text(FILE)))
    assert not {"output_token_throughput", "total_token_throughput", "tpot"} & found
    assert has_note(read(REPORT, text(FILE)), "leaves out requests that failed")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("benchmarks.0.e2e_ttft.mean", 0.4, "its values make it 4"),
        ("benchmarks.0.est_ppt.mean", 0.4, "are not the 2048 of the prompt"),
        ("benchmarks.1.tg_req_throughput.mean", 10.0, "are more than 4 requests of 10"),
        ("benchmarks.0.ttfr.mean", 900.0, "the first event comes after 900 ms"),
    ],
)
def test_figures_that_contradict_each_other_are_doubted(
    path: str, value: float, words: str
) -> None:
    assert words in doubts(read(REPORT, changed(FILE, path, value)))[Doubt.INCONSISTENT]


def test_a_depth_of_context_tells_series_apart() -> None:
    reading = read(REPORT, changed(FILE, "benchmarks.0.context_size", 4096))
    assert first_params(reading)["depth"] == "4096"


def test_it_is_not_taken_for_another_form() -> None:
    assert REPORT.knows(text(FILE))
    assert not GUIDELLM.knows(text(FILE))


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(SitegenError, match="is not a time like"):
        read(REPORT, changed(FILE, "timestamp", "yesterday"))


def test_a_damaged_file_is_refused_or_read() -> None:
    damage.bear(REPORT.knows, lambda data: REPORT.runs(data, {}), text(FILE), trials=30)
