"""What contradicts itself is doubted by every reader, and both figures are named."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.llm.readers import READERS
from collectors.llm.readers.vllm import SERVE
from sitegen.model import Doubt
from tests.collectors.llm.readers.outputs import RAW, doubts, read

#: Eight at once, two requests a second of 3.682 s: 7.4 under way.
SOUND: dict[str, Any] = {
    "model_id": "acme/demo-8b",
    "num_prompts": 100,
    "request_rate": "inf",
    "max_concurrency": 8,
    "duration": 50.0,
    "completed": 100,
    "failed": 0,
    "total_input_tokens": 100_000,
    "total_output_tokens": 20_000,
    "request_throughput": 2.0,
    "output_throughput": 400.0,
    "total_token_throughput": 2400.0,
    "mean_ttft_ms": 100.0,
    "median_ttft_ms": 95.0,
    "p99_ttft_ms": 140.0,
    "mean_tpot_ms": 18.0,
    "p99_tpot_ms": 20.0,
    "mean_e2el_ms": 3682.0,
    "p99_e2el_ms": 3900.0,
}


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"median_ttft_ms": 150.0}, Doubt.INCONSISTENT, "p50 is 0.15, and p99 0.14"),
        ({"max_ttft_ms": 90.0}, Doubt.INCONSISTENT, "max 0.09"),
        ({"min_ttft_ms": 120.0}, Doubt.INCONSISTENT, "min is 0.12, and the mean 0.1"),
        ({"p99_ttft_ms": 3950.0}, Doubt.INCONSISTENT, "first token comes after 3.95 s"),
        ({"mean_tpot_ms": 0.018}, Doubt.INCONSISTENT, "its tokens 0.103582 s"),
        ({"mean_e2el_ms": 60_000.0}, Doubt.INCONSISTENT, "mean is 60 s, and the test took 50 s"),
        ({"max_concurrency": 4}, Doubt.INCONSISTENT, "4 requests at once are stated"),
        (
            {"mean_tpot_ms": 6.0, "p99_tpot_ms": 7.0, "mean_e2el_ms": 1294.0},
            Doubt.NOT_REACHED,
            "8 requests at once are stated, and 2 requests/s of 1.294 s are 2.59",
        ),
        # Seconds that are called ms: everything is a thousandth.
        (
            {"mean_ttft_ms": 0.1, "median_ttft_ms": 0.095, "p99_ttft_ms": 0.14}
            | {"mean_tpot_ms": 0.018, "p99_tpot_ms": 0.02}
            | {"mean_e2el_ms": 3.682, "p99_e2el_ms": 3.9},
            Doubt.INCONSISTENT,
            "8 requests at once are stated, and 2 requests/s of 0.003682 s are 0.00736",
        ),
    ],
)
def test_two_figures_that_contradict_each_other_are_named(
    changes: dict[str, Any], kind: Doubt, words: str
) -> None:
    assert doubts(read(SERVE, SOUND)) == {}
    assert words in doubts(read(SERVE, SOUND | changes))[kind]


def test_of_answers_of_one_length_the_means_add_up() -> None:
    for name, value in (("mean_e2el_ms", 3100.0), ("mean_tpot_ms", 22.0)):
        raw = SOUND | {name: value, "p99_tpot_ms": 30.0}
        assert Doubt.INCONSISTENT not in doubts(read(SERVE, raw))
        found = doubts(read(SERVE, raw, output_tokens="200"))[Doubt.INCONSISTENT]
        assert "a request takes" in found
    assert doubts(read(SERVE, SOUND, output_tokens="200")) == {}


def test_one_round_of_a_closed_loop_need_not_be_full() -> None:
    """Of eight requests at once the last one runs alone."""
    few = {"num_prompts": 8, "completed": 8, "max_concurrency": 8, "duration": 10.0}
    few |= {"request_throughput": 0.8, "total_input_tokens": 8000, "total_output_tokens": 1600}
    few |= {"output_throughput": 160.0, "total_token_throughput": 960.0}
    assert doubts(read(SERVE, SOUND | few)) == {}


@pytest.mark.parametrize("path", sorted(RAW.glob("*/*.*")), ids=lambda path: path.name)
def test_no_recorded_output_contradicts_itself(path: Any) -> None:  # noqa: ANN401 - a path
    data = path.read_bytes()
    for reader in READERS:
        # The rates of these two were made up beside the latencies.
        if reader.knows(data) and reader.name != "guidellm" and path.name != "genai-perf.json":
            for reading in reader.runs(data, {}):
                assert Doubt.INCONSISTENT not in doubts(reading)
                assert Doubt.NOT_REACHED not in doubts(reading)
