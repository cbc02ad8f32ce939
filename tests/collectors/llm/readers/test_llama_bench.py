from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.llm.readers import llama_bench
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Measurement

RAW = Path(__file__).parents[3] / "raw" / "llm" / "llama-bench"
SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "llm"
NONE: Mapping[str, str] = {}


def text(name: str) -> bytes:
    return (RAW / name).read_bytes()


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text("bench.json"))
    return found


def bench(content: object, settings: Mapping[str, str] = NONE) -> Reading:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    [found] = llama_bench.read_bench(data, settings)
    return found


def values(found: Reading, metric: str, statistic: str = "mean", **pairs: str) -> list[Measurement]:
    return [
        m
        for m in found.measurements
        if (m.metric, m.statistic) == (f"llm.{metric}", statistic)
        and pairs.items() <= dict(m.params).items()
    ]


def test_single_repetitions_are_kept_as_such() -> None:
    found = bench(text("bench.json"))
    prompt = values(found, "prompt_eval_rate")
    assert [m.value for m in prompt] == rows()[0]["samples_ts"]
    assert [m.repetition for m in prompt] == [0, 1, 2]
    assert dict(prompt[0].params) == {
        "model": "llama 1B Q4_K - Medium",
        "engine": "llama.cpp",
        "backend": "CPU",
        "threads": "8",
        "input_tokens": "512",
    }
    output = values(found, "eval_rate", output_tokens="128")
    assert [m.value for m in output if "depth" not in dict(m.params)] == rows()[1]["samples_ts"]
    assert len(values(found, "eval_rate", depth="1024")) == 3
    assert found.tool is not None
    assert found.tool.version == "abc1234f (6000)"
    assert found.started_at == "2026-03-01T11:00:00Z"
    assert {p.name: p.value for p in found.parameters}["model_file"] == "tiny-1b-q4_k_m.gguf"
    assert {f.name: f.value for f in found.facts} == {"cpu": "EXAMPLE(R) CPU 1000"}
    assert dict(found.natives) == {
        "llm.prompt_eval_rate mean": "pp: samples_ts",
        "llm.eval_rate mean": "tg: samples_ts",
        "llm.llama-bench.prompt_and_eval_rate mean": "pg: samples_ts",
    }


def test_it_is_no_servers_throughput() -> None:
    found = bench(text("bench.json"))
    assert any("leaves out the time for tokenisation" in note for note in found.notes)
    assert not any("throughput" in m.metric for m in found.measurements)
    # A prompt and an output in one rate are neither of the two.
    both = values(found, "llama-bench.prompt_and_eval_rate")
    assert len(both) == 1
    assert [d.id for d in found.definitions] == ["llm.llama-bench.prompt_and_eval_rate"]


def test_lines_of_json_between_other_lines_say_the_same() -> None:
    assert bench(text("bench.jsonl")) == bench(text("bench.json"))
    noisy = b"ggml: found 0 devices\n" + text("bench.json")
    assert bench(noisy) == bench(text("bench.json"))


def test_csv_has_means_and_spreads() -> None:
    found = bench(text("bench.csv"))
    [mean] = values(found, "prompt_eval_rate")
    [spread] = values(found, "prompt_eval_rate", "stddev")
    assert mean.value == rows()[0]["avg_ts"]
    assert spread.value == rows()[0]["stddev_ts"]
    assert mean.params == values(bench(text("bench.json")), "prompt_eval_rate")[0].params
    # Of one repetition there is no spread, and 0 stands there.
    assert values(found, "llama-bench.prompt_and_eval_rate")
    assert not values(found, "llama-bench.prompt_and_eval_rate", "stddev")


def test_the_table_is_read_with_its_own_digits() -> None:
    found = bench(text("bench.md"))
    [prompt] = values(found, "prompt_eval_rate")
    assert (prompt.value, prompt.printed) == (51.05, "51.05")
    assert values(found, "prompt_eval_rate", "stddev")[0].value == 0.78
    [deep] = values(found, "eval_rate", depth="1024")
    assert deep.value == 9.08
    # What differs between its rows tells them apart.
    assert dict(deep.params)["flash_attn"] == "1"
    [both] = values(found, "llama-bench.prompt_and_eval_rate")
    assert {"input_tokens": "256", "output_tokens": "64"}.items() <= dict(both.params).items()
    assert found.tool is not None
    assert found.tool.version == "abc1234f (6000)"


def test_the_old_spelling_of_a_test_is_read() -> None:
    data = text("bench.md").replace(b"pp512 ", b"pp 512").replace(b"tg128 |", b"tg 128 |")
    assert values(bench(data), "prompt_eval_rate", input_tokens="512")


def test_sql_and_the_other_table_are_refused_with_the_way_out() -> None:
    assert llama_bench.knows_bench(text("bench.sql"))
    with pytest.raises(SitegenError, match="run llama-bench with -o jsonl"):
        bench(text("bench.sql"))
    assert llama_bench.knows_batched(text("batched.md"))
    with pytest.raises(SitegenError, match="--output-format jsonl"):
        llama_bench.read_batched(text("batched.md"), NONE)


def test_two_builds_are_two_runs() -> None:
    changed = rows()
    changed[1]["build_number"] = 6001
    found = llama_bench.read_bench(json.dumps(changed).encode(), NONE)
    assert [f.tool.version for f in found if f.tool] == ["abc1234f (6000)", "abc1234f (6001)"]


def test_a_test_that_stands_there_again_is_a_repetition() -> None:
    found = bench(rows()[:1] * 2)
    assert [m.repetition for m in values(found, "prompt_eval_rate")] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"avg_ts": None}, "entry 1: avg_ts: is missing or 0"),
        ({"avg_ts": 0.0}, "entry 1: avg_ts: is missing or 0"),
        ({"avg_ts": float("nan")}, "entry 1: avg_ts: is not a finite number"),
        ({"avg_ts": 9.0}, "entry 1: avg_ts: is not the mean of samples_ts"),
        ({"samples_ns": [1, 2, 3]}, "entry 1: samples_ts: does not fit samples_ns"),
        ({"samples_ns": [1]}, "entry 1: samples_ts: has another length than samples_ns"),
        ({"n_prompt": -512}, "entry 1: n_prompt: is negative"),
        ({"n_prompt": 0}, "entry 1: n_prompt: is missing or 0"),
        ({"n_gen": True}, "entry 1: n_gen: True is not a number"),
        ({"test_time": "now"}, "entry 1: test_time: 'now' is not a time"),
        ({"cpu_info": "a\nb"}, "entry 1: cpu_info: has a control character"),
    ],
)
def test_what_is_not_a_value_is_refused_by_its_key(change: dict[str, object], says: str) -> None:
    with pytest.raises(SitegenError) as caught:
        bench([rows()[0] | change])
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"51.05 \xc2\xb1 0.78", b"nan \xc2\xb1 nan"),
        (b"51.05 \xc2\xb1 0.78", b"0.00 \xc2\xb1 0.00"),
        (b"pp512", b"zz512"),
        (b"| CPU        |       8 |", b"| CPU        |"),
    ],
)
def test_a_damaged_table_is_refused_by_its_line(old: bytes, new: bytes) -> None:
    assert old in text("bench.md")
    with pytest.raises(SitegenError, match="line 4"):
        bench(text("bench.md").replace(old, new, 1))


def test_a_damaged_csv_is_refused_by_its_line() -> None:
    lines = text("bench.csv").splitlines()
    for broken in (lines[1][:200], lines[1] + b',"1"', lines[1].replace(b'"512"', b'"x"')):
        with pytest.raises(SitegenError):
            bench(b"\n".join([lines[0], broken]))


def test_threads_come_from_the_file_and_may_be_too_many() -> None:
    found = bench(text("bench.json"), {"cpus": "2", "weights": "real"})
    assert any("8 threads with 2 CPU(s)" in note for note in found.notes)
    assert not any("CPU(s)" in note for note in bench(text("bench.json"), {"cpus": "8"}).notes)
    with pytest.raises(SitegenError, match="--set threads"):
        bench(text("bench.json"), {"threads": "4"})


def test_batches_have_a_rate_of_all_sequences_together() -> None:
    raw = [json.loads(line) for line in text("batched.jsonl").splitlines()]
    [found] = llama_bench.read_batched(text("batched.jsonl"), {"model": "tiny-1b"})
    for row in raw:
        [rate] = values(found, "eval_rate", concurrency=str(row["pl"]))
        assert rate.value == row["speed_tg"]
        assert {"model": "tiny-1b", "prompt": "unique"}.items() <= dict(rate.params).items()
        [rate] = values(found, "prompt_eval_rate", concurrency=str(row["pl"]))
        assert rate.value == row["speed_pp"]
    assert dict(found.natives)["llm.eval_rate mean"] == "speed_tg"
    for change in ({"speed_tg": 999.0}, {"pl": 0}, {"pp": None}, {"t_pp": -1}, {"tg": "64"}):
        with pytest.raises(SitegenError):
            llama_bench.read_batched(json.dumps(raw[0] | change).encode(), NONE)


@pytest.mark.skipif(not SAMPLES.exists(), reason="published outputs are not here")
def test_published_lines_are_read() -> None:
    found = bench((SAMPLES / "llama-bench.jsonl").read_bytes())
    rates = [m.value for m in values(found, "eval_rate")]
    assert rates == sorted((rate for rate in rates if rate), reverse=True)  # slower with depth
    assert rates[0] == 195.653


def test_a_setting_that_differs_tells_tests_apart_and_is_no_setting_of_the_run() -> None:
    found = bench(text("bench.md"))
    assert "flash_attn" not in {p.name for p in found.parameters}
    [plain] = values(found, "eval_rate", flash_attn="0")
    assert dict(plain.params) == {
        "model": "llama 1B Q4_K - Medium",
        "engine": "llama.cpp",
        "backend": "CPU",
        "threads": "8",
        "output_tokens": "128",
        "flash_attn": "0",
    }
    [spread] = values(found, "eval_rate", "stddev", flash_attn="0")
    assert (spread.value, spread.printed) == (0.20, "0.20")
    one = bench(text("bench.json"))
    assert {p.name: p.value for p in one.parameters}["flash_attn"] == "0"
    assert "flash_attn" not in dict(one.measurements[0].params)


def test_layers_on_a_gpu_tell_tests_apart() -> None:
    found = bench([rows()[0] | {"backends": "CUDA", "gpu_info": "Example GPU"}])
    assert dict(found.measurements[0].params)["n_gpu_layers"] == "99"
    assert {f.name: f.value for f in found.facts}["gpu"] == "Example GPU"


def test_settings_of_batches_are_kept() -> None:
    [found] = llama_bench.read_batched(text("batched.jsonl"), {"cpus": "8"})
    shown = {p.name: p.value for p in found.parameters}
    assert shown == {
        "batch": "2048",
        "ubatch": "512",
        "flash_attn": "0",
        "context": "4096",
        "cpu_quota": "8",
    }
    assert dict(found.measurements[0].params) == {
        "engine": "llama.cpp",
        "threads": "8",
        "input_tokens": "128",
        "output_tokens": "64",
        "concurrency": "1",
        "prompt": "unique",
    }
    shared = json.loads(text("batched.jsonl").splitlines()[1])
    shared |= {"is_pp_shared": 1, "speed_pp": shared["pp"] / shared["t_pp"], "tg": 0, "speed_tg": 0}
    [found] = llama_bench.read_batched(json.dumps(shared).encode(), NONE)
    assert [m.metric for m in found.measurements] == ["llm.prompt_eval_rate"]
    assert dict(found.measurements[0].params)["prompt"] == "shared"
