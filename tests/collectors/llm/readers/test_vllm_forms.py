"""Results of vLLM that others rewrite, print or collect, and those of SGLang."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collectors.llm.readers import BUNDLES
from collectors.llm.readers.console import CONSOLE
from collectors.llm.readers.inferencex import AGGREGATE
from collectors.llm.readers.nightly import RESULTS
from collectors.llm.readers.sglang import SERVING
from collectors.llm.readers.vllm import LATENCY, SERVE, THROUGHPUT
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
    parameters,
    read,
    rows,
    text,
    workloads,
)

BARE: dict[str, Any] = {
    "model_id": "acme/demo-8b",
    "num_prompts": 100,
    "request_rate": "inf",
    "max_concurrency": 8,
    "duration": 50.0,
    "completed": 100,
    "total_input_tokens": 100_000,
    "total_output_tokens": 20_000,
    "request_throughput": 2.0,
    "mean_ttft": 0.1,
    "median_ttft": 0.095,
    "p99_ttft": 0.14,
    "median_tpot": 0.018,
    "median_e2el": 3.68,
}


def times(reading: Any) -> list[float | None]:  # noqa: ANN401 - a reading
    pairs = (("ttft", "p50"), ("ttft", "p99"), ("tpot", "p50"), ("e2e_latency", "p50"))
    return [one(reading, *pair).value for pair in pairs]


def test_a_key_without_a_unit_is_in_seconds() -> None:
    reading = read(SERVE, BARE)
    assert times(reading) == [0.095, 0.14, 0.018, 3.68]
    assert has_note(reading, "read as seconds")
    assert doubts(reading) == {}


def test_a_key_may_be_turned_around() -> None:
    turned = {
        "_".join([*key.split("_")[1:], key.split("_")[0]])
        if isinstance(value, float)
        else key: value
        for key, value in BARE.items()
    }
    turned |= {key: BARE[key] for key in ("duration", "request_throughput")}
    assert "ttft_p99" in turned
    assert times(read(SERVE, turned)) == [0.095, 0.14, 0.018, 3.68]


@pytest.mark.parametrize(
    ("suffix", "factor"), [("", 1e3), ("_ms", 1e3), ("_us", 1e6), ("_s", 1), ("_seconds", 1)]
)
def test_a_unit_is_the_one_in_the_key_or_the_one_that_fits_the_test(
    suffix: str, factor: float
) -> None:
    renamed = {
        f"{key}{suffix}" if key.startswith(("mean_", "median_", "p99_")) else key: value * factor
        if key.startswith(("mean_", "median_", "p99_"))
        else value
        for key, value in BARE.items()
    }
    reading = read(SERVE, renamed)
    assert times(reading) == pytest.approx([0.095, 0.14, 0.018, 3.68])
    assert has_note(reading, "would not fit a test of 50 s") == (suffix == "")
    assert doubts(reading) == {}


def test_without_a_latency_the_times_of_tokens_tell_the_unit() -> None:
    short = {k: v for k, v in BARE.items() if k not in {"median_e2el", "p99_ttft"}}
    # 95 s and 199 times 18 s do not fit: it is ms.
    reading = read(SERVE, {**short, "mean_ttft": 40.0, "median_ttft": 38.0, "median_tpot": 18.0})
    assert one(reading, "tpot", "p50").value == 0.018


def test_two_keys_of_one_time_agree_or_are_doubted() -> None:
    assert doubts(read(SERVE, {**BARE, "mean_ttft_ms": 100.0})) == {}
    reading = read(SERVE, {**BARE, "mean_ttft_ms": 250.0})
    assert "mean_ttft_ms is 0.25 s, and mean_ttft 0.1 s" in doubts(reading)[Doubt.INCONSISTENT]


def test_a_time_that_is_not_known_is_named_as_left_out() -> None:
    unknown = {"mean_prefill_ms": 12.5, "median_queue_time": 0.2, "warmup_seconds": 3.0}
    reading = read(SERVE, BARE | unknown)
    assert has_note(reading, "left out: mean_prefill_ms, median_queue_time, warmup_seconds.")
    nested = {"ttft": {"mean": 0.1}, "percentiles_tpot_ms": [[99, 20.0]], "server_latency": 2}
    reading = read(SERVE, BARE | nested)
    assert has_note(reading, "left out: ttft, percentiles_tpot_ms, server_latency.")
    counted = {"max_concurrent_requests": 9, "max_output_tokens_per_s": 90.0, "mean_note": None}
    assert not has_note(read(SERVE, BARE | counted), "left out")


def test_a_result_of_sglang_counts_no_failures_and_names_no_model() -> None:
    reading = read(SERVING, text("sglang/bench.jsonl"))
    assert reading.tool is not None
    assert reading.tool.name == "sglang bench_serving"
    assert workloads(reading) == {"closed"}
    about = {"engine": "sglang", "concurrency": "8", "input_tokens": "1000"}
    assert about.items() <= first_params(reading).items()
    assert one(reading, "e2e_latency", "mean").value == 3.682
    assert one(reading, "inter_chunk_latency", "p95").value == 0.025
    assert one(reading, "requests").value == 100
    assert "error_rate" not in metrics(reading)
    assert parameters(reading)["api"] == "sglang-native"
    assert reading.duration_s == 50
    assert doubts(reading) == {Doubt.NOT_STATED: "The file does not name the model."}


def test_sglang_names_its_model_where_the_server_told_it() -> None:
    raw = json.loads(text("sglang/bench.jsonl"))
    server = {"server_info": {"model_path": "/models/demo-8b/", "tp_size": 1}}
    assert first_params(read(SERVING, raw | server))["model"] == "demo-8b"
    assert doubts(read(SERVING, raw, model="acme/demo-8b")) == {}


def test_lines_of_sglang_may_have_pythons_infinity() -> None:
    line = text("sglang/bench.jsonl").decode()
    assert "Infinity" in line
    first, second = SERVING.runs((line + line.replace("8,", "9,", 1)).encode(), {})
    assert [first_params(run)["concurrency"] for run in (first, second)] == ["8", "9"]


def test_single_requests_of_sglang_tell_what_failed() -> None:
    raw = json.loads(text("sglang/bench.jsonl"))
    singles = {
        "completed": 2,
        "duration": 1.0,
        "request_throughput": 2.0,
        "total_input_tokens": 20,
        "total_output_tokens": 6,
        "output_throughput": 6.0,
        "input_lens": [10, 10, 10],
        "output_lens": [3, 3, 0],
        "ttfts": [0.1, 0.1, 0.0],
        "itls": [[0.1, 0.1], [0.1, 0.1], []],
        "generated_texts": ["abc", "abc", ""],
        "errors": ["", "", "refused"],
    }
    times = {key: None for key in raw if key.endswith("_ms")}
    reading = read(SERVING, {**raw, **times, **singles})
    assert one(reading, "error_rate").value == pytest.approx(1 / 3)
    assert one(reading, "decode_time", "mean").value == pytest.approx(0.2)


def test_lengths_of_sglang_that_vary_are_no_nominal_length() -> None:
    raw = json.loads(text("sglang/bench.jsonl")) | {"total_output_tokens": 11_000}
    reading = read(SERVING, raw | {"output_throughput": 220.0})
    assert "output_tokens" not in first_params(reading)
    assert one(reading, "output_tokens", "mean").value == 110


def test_what_vllm_prints_is_read_with_the_model_that_stands_before_it() -> None:
    reading = read(CONSOLE, text("console/vllm.log"))
    assert first_params(reading) == {"model": "example-org/tiny-8b", "concurrency": "4"}
    assert one(reading, "ttft", "p99").value == 0.18075
    assert one(reading, "e2e_latency", "mean").value == 1.1852
    assert one(reading, "error_rate").value == 0
    assert one(reading, "output_token_throughput").value == 213.33
    assert one(reading, "total_token_throughput").value == 1920
    assert reading.duration_s == 12


def test_what_sglang_prints_into_a_log_is_read_behind_its_prefixes() -> None:
    reading = read(CONSOLE, text("console/sglang.log"))
    assert reading.tool is not None
    assert reading.tool.name == "sglang bench_serving"
    assert one(reading, "inter_chunk_latency", "max").value == 0.095
    assert one(reading, "requests").value == 40
    assert doubts(reading) == {Doubt.NOT_STATED: "The file does not name the model."}
    plain = read(CONSOLE, text("console/vllm.log"))
    for metric in ("ttft", "e2e_latency"):
        assert one(reading, metric, "mean").value == one(plain, metric, "mean").value


@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: f"2026-03-01 10:15:00,123 - INFO - bench.py:12: {line}",
        lambda line: f"bench-1  | {line}",
        lambda line: f"[rank0]: \x1b[32m{line}\x1b[0m",
        lambda line: json.dumps({"log": line + "\n", "stream": "stdout"}),
        lambda line: f"> {line}\r",
    ],
)
def test_a_block_says_the_same_in_any_log(wrap: Any) -> None:  # noqa: ANN401 - a function
    data = text("console/vllm.log").decode()
    wrapped = "\n".join(wrap(line) for line in data.splitlines()).encode()
    assert CONSOLE.knows(wrapped)
    assert damage.values(read(CONSOLE, wrapped)) == damage.values(read(CONSOLE, data.encode()))


@pytest.mark.parametrize(
    "before",
    [
        "python3 -m sglang.launch_server --model-path /root/.cache/demo-8b \\\n  --tp 1\n",
        "$ vllm serve acme/demo-8b --port 8000\n",
        "vllm bench serve --model=acme/demo-8b --num-prompts 40\n",
        "benchmark_args=Namespace(backend='sglang', model='acme/demo-8b', seed=1)\n",
    ],
)
def test_a_command_on_the_same_page_names_the_model(before: str) -> None:
    block = text("console/sglang.log").replace(b"Max request", b"Max reqeuest")
    reading = read(CONSOLE, before.encode() + block)
    assert first_params(reading)["model"] in {"acme/demo-8b", "demo-8b"}
    assert first_params(reading)["concurrency"] == "4"
    assert has_note(reading, "The model is the one that a command")
    assert doubts(reading) == {}


def test_several_blocks_are_several_runs_each_with_its_own_load() -> None:
    block = text("console/vllm.log").decode()
    second = block[block.index("Traffic") :].replace("concurrency: 4", "concurrency: 5")
    first, other = CONSOLE.runs((block + second).encode(), {})
    assert [first_params(run)["concurrency"] for run in (first, other)] == ["4", "5"]
    assert first_params(other)["model"] == "example-org/tiny-8b"


def test_a_block_that_breaks_off_is_doubted_and_its_last_line_not_read() -> None:
    data = text("console/vllm.log")
    for cut, last in ((b"P99 E2EL", "p50"), (b"02.10", "p50"), (b"=====\n", "p99")):
        reading = read(CONSOLE, data[: data.rindex(cut)])
        ends = cut.startswith(b"=")
        assert (Doubt.CUT_OFF in doubts(reading)) is not ends
        assert {"p50", last} == {
            row.statistic for row in reading.measurements if row.metric == "llm.e2e_latency"
        } - {"mean"}
    with pytest.raises(SitegenError, match="line 8: the block does not say total_output_tokens"):
        read(CONSOLE, data[: data.index(b"Total gen")])


def test_thousands_may_be_parted() -> None:
    parted = text("console/vllm.log").replace(b"20480", b"20,480").replace(b"1185.20", b"1,185.20")
    assert damage.values(read(CONSOLE, parted)) == damage.values(
        read(CONSOLE, text("console/vllm.log"))
    )


def test_a_rate_of_few_digits_is_computed_from_its_parts() -> None:
    data = text("console/vllm.log").decode()
    for old, new in (
        ("(s):                  12.00", "(s):                  3000.00"),
        ("(req/s):              3.33", "(req/s):              0.01"),
        ("(tok/s):         213.33", "(tok/s):         0.85"),
        ("(tok/s):          1920.00", "(tok/s):          7.68"),
        ("concurrency: 4", "concurrency: None"),
    ):
        assert old in data
        data = data.replace(old, new)
    reading = read(CONSOLE, data.encode())
    assert one(reading, "request_throughput").value == pytest.approx(40 / 3000)
    assert has_note(reading, "request_throughput is rounded to 0.01")
    assert workloads(reading) == {"burst"}


def test_an_aggregate_of_inferencex_is_in_seconds_and_by_gpu() -> None:
    reading = read(AGGREGATE, document("inferencex/aggregate.json"))
    assert first_params(reading) == {
        "model": "acme/demo-8b",
        "engine": "vllm",
        "concurrency": "64",
        "input_tokens": "1024",
        "output_tokens": "1024",
        "precision": "fp8",
        "tp": "8",
        "hardware": "h200",
    }
    assert one(reading, "ttft", "p50").value == 0.18
    assert one(reading, "e2e_latency", "p99").value == 24
    assert one(reading, "total_token_throughput").value == 6400
    assert one(reading, "output_token_throughput").value == 3200
    assert doubts(reading) == {}


def test_aggregates_of_unlike_hardware_never_pool() -> None:
    raw = document("inferencex/aggregate.json")
    other = read(AGGREGATE, {**raw, "hw": "mi355x"})
    assert other.measurements[0].params != read(AGGREGATE, raw).measurements[0].params


def test_pipelines_and_contexts_in_parallel_are_gpus_too() -> None:
    raw = {**document("inferencex/aggregate.json"), "pp": 2, "pcp_size": 1, "dcp_size": 4}
    reading = read(AGGREGATE, raw)
    assert one(reading, "total_token_throughput").value == 800 * 8 * 2
    assert first_params(reading)["pp"] == "2"
    assert "pcp_size" not in first_params(reading)


def test_an_aggregate_of_a_database_says_when_it_ran_and_on_what() -> None:
    raw = {**document("inferencex/aggregate.json"), "date": "2026-09-30 17:44:42"}
    raw["device"] = raw.pop("hw")
    reading = read(AGGREGATE, raw)
    assert reading.started_at == "2026-09-30T17:44:42Z"
    assert first_params(reading)["hardware"] == "h200"


def test_an_aggregate_of_before_asks_for_the_lengths() -> None:
    raw = document("inferencex/aggregate.json")
    old = {key: value for key, value in raw.items() if key not in ("isl", "osl")}
    assert AGGREGATE.knows(json.dumps(old).encode())
    assert "input tokens, output tokens" in doubts(read(AGGREGATE, old))[Doubt.NOT_STATED]
    reading = read(AGGREGATE, old, input_tokens="1024", output_tokens="1024")
    assert first_params(reading)["input_tokens"] == "1024"


def test_newer_files_divide_the_rate_of_answers_by_all_gpus() -> None:
    apart = {"num_prefill_gpu": 24, "num_decode_gpu": 48, "is_multinode": True, "disagg": True}
    raw = {**document("inferencex/aggregate.json"), **apart, "tp": None}
    raw |= {"tput_per_gpu": 800.0, "output_tput_per_decode_gpu": 600.0}
    assert one(read(AGGREGATE, raw), "output_token_throughput").value == 400 * 72


def test_where_no_gpu_is_kept_for_answers_all_of_them_answer() -> None:
    apart = {"num_prefill_gpu": 8, "num_decode_gpu": 0, "is_multinode": True}
    raw = {**document("inferencex/aggregate.json"), **apart, "tp": None}
    assert one(read(AGGREGATE, raw), "output_token_throughput").value == 400 * 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean_intvty": 0.05}, "mean_intvty is 0.05 tokens/s, and mean_tpot 0.02 s is 50"),
        ({"mean_e2el": 20_660.0}, "64 requests at once are stated"),
        ({"input_tput_per_gpu": 100.0}, "tput_per_gpu is 800"),
        ({"mean_ttft": 200.0}, "the first token comes after 200 s"),
    ],
)
def test_an_aggregate_that_contradicts_itself_is_doubted(
    changes: dict[str, float], words: str
) -> None:
    reading = read(AGGREGATE, document("inferencex/aggregate.json") | changes)
    assert words in doubts(reading)[Doubt.INCONSISTENT]


def test_a_rate_of_the_whole_deployment_is_taken_as_it_is() -> None:
    raw = {**document("inferencex/aggregate.json"), "total_tput_tps": 6400.5}
    assert one(read(AGGREGATE, raw), "total_token_throughput").value == 6400.5


def test_prompts_and_answers_may_have_gpus_of_their_own() -> None:
    apart = {"num_prefill_gpu": 8, "num_decode_gpu": 16, "is_multinode": True, "disagg": True}
    raw = {**document("inferencex/aggregate.json"), **apart, "tp": None}
    raw |= {"tput_per_gpu": 400.0, "output_tput_per_gpu": 200.0}
    reading = read(AGGREGATE, raw)
    assert one(reading, "total_token_throughput").value == 400 * 24
    assert one(reading, "output_token_throughput").value == 200 * 16
    assert "output_token_throughput" not in metrics(
        read(AGGREGATE, {**document("inferencex/aggregate.json"), "tp": None})
    )


def test_offline_throughput_is_its_own_workload_and_names_no_model() -> None:
    reading = read(THROUGHPUT, text("vllm/throughput.json"))
    assert workloads(reading) == {"offline"}
    assert one(reading, "request_throughput").value == 10
    assert one(reading, "total_token_throughput").value == 4100
    assert one(reading, "requests").value == 200
    assert reading.duration_s == 20
    assert "The file does not name the model." in doubts(reading)[Doubt.NOT_STATED]
    asks = {"model": "acme/demo-8b", "input_tokens": "210", "output_tokens": "200"}
    assert doubts(read(THROUGHPUT, text("vllm/throughput.json"), **asks)) == {}
    with pytest.raises(SitegenError, match=r"the file's mean is 410\.0 tokens"):
        read(THROUGHPUT, text("vllm/throughput.json"), **asks | {"output_tokens": "2000"})
    with pytest.raises(SitegenError, match="requests_per_second: is 12"):
        read(THROUGHPUT, document("vllm/throughput.json") | {"requests_per_second": 12.0})


def test_a_batch_without_model_and_lengths_says_so() -> None:
    reading = read(LATENCY, text("vllm/latency.json"))
    sentence = doubts(reading)[Doubt.NOT_STATED]
    assert sentence.startswith("The file does not name the model.")
    assert "does not state batch size, input tokens, output tokens" in sentence
    asks = {"model": "acme/demo-8b", "batch_size": "8", "input_tokens": "32", "output_tokens": "9"}
    assert doubts(read(LATENCY, text("vllm/latency.json"), **asks)) == {}


_TYPED = (
    "vllm bench latency --model=/x/models--acme--demo-8b/snapshots/main \\\n --input_len 32 \\\n"
    "--output-len 128 --batch-size '8' # as run\n"
)
COMMANDS = (
    json.dumps(
        {
            "server_command": "vllm serve --model other/model",
            "latency_command": "vllm bench latency --output-json a.json --model acme/demo-8b "
            "--input-len 32 --output-len=128 --batch-size 8",
            "gpu_type": "EXAMPLE100",
        }
    ),
    _TYPED,
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_beside_a_result_says_what_the_result_does_not(command: str) -> None:
    [bundle] = BUNDLES
    files = {"a.json": text("vllm/latency.json"), "a.commands": command.encode()}
    assert bundle.knows(files)
    [reading] = bundle.runs(files, {})
    about = {"model": "acme/demo-8b", "batch_size": "8", "input_tokens": "32"}
    assert first_params(reading) == {**about, "output_tokens": "128", "engine": "vllm"}
    assert doubts(reading) == {}
    assert has_note(reading, "Taken from the command in a.commands: batch size,")
    [told] = bundle.runs(files, {"model": "acme/demo-8b"})
    assert damage.values(told) == damage.values(reading)
    with pytest.raises(SitegenError, match="not 'other'"):
        bundle.runs(files, {"model": "other"})
    damage.bear(
        lambda hurt: bundle.knows({**files, "a.commands": hurt}),
        lambda hurt: bundle.runs({**files, "a.commands": hurt}, {}),
        command.encode(),
    )


def test_a_command_belongs_to_the_result_of_its_stem_alone() -> None:
    [bundle] = BUNDLES
    result, command = text("vllm/latency.json"), COMMANDS[0].encode()
    assert not bundle.knows({"a.json": result, "b.commands": command})
    assert not bundle.knows({"a.json": result, "a.commands": command, "b.json": result})
    files = {"a.json": result, "a.commands": command}
    files |= {"b.json": text("vllm/throughput.json"), "b.commands": b"--model acme/two"}
    first, second = bundle.runs(files, {})
    assert [first_params(run)["model"] for run in (first, second)] == ["acme/demo-8b", "acme/two"]


def test_the_rows_of_the_nightly_benchmarks_are_told_apart_by_their_test() -> None:
    raw = document("nightly/benchmark_results.json")
    reading = read(RESULTS, raw)
    assert workloads(reading) == {"batch", "offline", "open", "burst"}
    [batch] = rows(reading, "vllm.batch_latency", "mean")
    assert batch.value == 1.2505
    assert dict(batch.params)["model"] == "tiny8B"
    [tpot] = rows(reading, "tpot", "p50", rate="4")
    assert tpot.value == 0.0089
    [answer] = rows(reading, "output_tokens", "mean", rate="4")
    assert answer.value == 200
    assert [each.value for each in reading.facts] == ["EXAMPLE100"]
    assert has_note(reading, "the one in the name of the test")
    assert doubts(reading) == {}
    tables: dict[str, Any] = {}
    for row in raw:
        table = tables.setdefault(row["Test name"].partition("_")[0], {})
        for name, value in row.items():
            table.setdefault(name, {})[row["Test name"]] = value
    assert damage.values(read(RESULTS, tables)) == damage.values(reading)


def test_nightly_rows_of_unlike_gpus_never_pool() -> None:
    raw = document("nightly/benchmark_results.json")
    reading = read(RESULTS, [*raw, *({**row, "GPU": "EXAMPLE200"} for row in raw)])
    assert {row.repetition for row in reading.measurements} == {0}
    pairs = rows(reading, "vllm.batch_latency", "mean")
    assert [dict(row.params)["gpu"] for row in pairs] == ["EXAMPLE100", "EXAMPLE200"]
    assert reading.facts == ()


def test_a_newer_row_names_model_lengths_and_concurrency_itself() -> None:
    [_, _, row, _] = document("nightly/benchmark_results.json")
    newer = {
        **row,
        "Model": "acme/demo-8b",
        "Input Len": 210,
        "Output Len": 200,
        "# of max concurrency.": 12,
        "qps": "inf",
    }
    reading = read(RESULTS, [newer])
    assert workloads(reading) == {"closed"}
    assert first_params(reading) == {
        "model": "acme/demo-8b",
        "input_tokens": "210",
        "output_tokens": "200",
        "concurrency": "12",
        "test": "serving_tiny8B_tp1_sharegpt_qps_4",
    }
