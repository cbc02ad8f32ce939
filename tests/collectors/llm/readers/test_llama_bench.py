from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from collectors.llm.readers.llama_bench import BATCHED, BENCH
from sitegen.errors import SitegenError
from sitegen.model import Doubt
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
)

JSON, CSV, TABLE = "llama-bench/bench.json", "llama-bench/bench.csv", "llama-bench/bench.md"
BOTH = "llama-bench.prompt_and_eval_rate"


def first_test(**changes: object) -> list[dict[str, Any]]:
    """Return the first test of the recorded ones, changed."""
    return [{**document(JSON)[0], **changes}]


def test_single_repetitions_are_kept_as_such() -> None:
    raw, reading = document(JSON), read(BENCH, text(JSON))
    prompt = rows(reading, "prompt_eval_rate", "mean")
    assert [row.value for row in prompt] == raw[0]["samples_ts"]
    assert [row.repetition for row in prompt] == [0, 1, 2]
    assert dict(prompt[0].params) == {
        "model": "llama 1B Q4_K - Medium",
        "engine": "llama.cpp",
        "backend": "CPU",
        "threads": "8",
        "input_tokens": "512",
    }
    output = rows(reading, "eval_rate", "mean", output_tokens="128")
    flat = [row.value for row in output if "depth" not in dict(row.params)]
    assert flat == raw[1]["samples_ts"]
    assert len(rows(reading, "eval_rate", "mean", depth="1024")) == 3
    assert reading.tool is not None
    assert reading.tool.version == "abc1234f (6000)"
    assert reading.started_at == "2026-03-01T11:00:00Z"
    assert parameters(reading)["model_file"] == "tiny-1b-q4_k_m.gguf"
    assert {each.name: each.value for each in reading.facts} == {"cpu": "EXAMPLE(R) CPU 1000"}
    assert dict(reading.natives) == {
        "llm.prompt_eval_rate mean": "pp: samples_ts",
        "llm.eval_rate mean": "tg: samples_ts",
        f"llm.{BOTH} mean": "pg: samples_ts",
    }


def test_it_is_no_servers_throughput() -> None:
    reading = read(BENCH, text(JSON))
    assert has_note(reading, "leaves out the time for tokenisation")
    assert not any("throughput" in metric for metric in metrics(reading))
    # A prompt and an output in one rate are neither of the two.
    assert len(rows(reading, BOTH, "mean")) == 1
    assert [each.id for each in reading.definitions] == [f"llm.{BOTH}"]


def test_lines_of_json_between_other_lines_say_the_same() -> None:
    reading = read(BENCH, text(JSON))
    assert read(BENCH, text("llama-bench/bench.jsonl")) == reading
    assert read(BENCH, b"ggml: found 0 devices\n" + text(JSON)) == reading


def test_csv_has_means_and_spreads() -> None:
    raw, reading = document(JSON), read(BENCH, text(CSV))
    mean = one(reading, "prompt_eval_rate", "mean")
    assert mean.value == raw[0]["avg_ts"]
    assert one(reading, "prompt_eval_rate", "stddev").value == raw[0]["stddev_ts"]
    assert mean.params == rows(read(BENCH, text(JSON)), "prompt_eval_rate", "mean")[0].params
    # Of one repetition there is no spread, and 0 stands there.
    assert rows(reading, BOTH, "mean")
    assert not rows(reading, BOTH, "stddev")


def test_the_table_is_read_with_its_own_digits() -> None:
    reading = read(BENCH, text(TABLE))
    prompt = one(reading, "prompt_eval_rate", "mean")
    assert (prompt.value, prompt.printed) == (51.05, "51.05")
    spread = one(reading, "prompt_eval_rate", "stddev")
    assert (spread.value, spread.printed) == (0.78, "0.78")
    [deep] = rows(reading, "eval_rate", "mean", depth="1024")
    assert deep.value == 9.08
    [both] = rows(reading, BOTH, "mean")
    assert {"input_tokens": "256", "output_tokens": "64"}.items() <= dict(both.params).items()
    assert reading.tool is not None
    assert reading.tool.version == "abc1234f (6000)"


def test_a_setting_that_differs_tells_tests_apart_and_is_no_setting_of_the_run() -> None:
    reading = read(BENCH, text(TABLE))
    assert "flash_attn" not in parameters(reading)
    [plain] = rows(reading, "eval_rate", "mean", flash_attn="0")
    assert dict(plain.params) == {
        "model": "llama 1B Q4_K - Medium",
        "engine": "llama.cpp",
        "backend": "CPU",
        "threads": "8",
        "output_tokens": "128",
        "flash_attn": "0",
    }
    one_setting = read(BENCH, text(JSON))
    assert parameters(one_setting)["flash_attn"] == "0"
    assert "flash_attn" not in first_params(one_setting)


def test_builds_are_runs_and_a_test_that_stands_there_again_is_a_repetition() -> None:
    raw = [*first_test(), *first_test(build_number=6001)]
    versions = [each.tool.version for each in BENCH.runs(json.dumps(raw).encode(), {}) if each.tool]
    assert versions == ["abc1234f (6000)", "abc1234f (6001)"]
    again = rows(read(BENCH, first_test() * 2), "prompt_eval_rate", "mean")
    assert [row.repetition for row in again] == [0, 1, 2, 3, 4, 5]


def test_a_damaged_csv_is_refused_by_its_line() -> None:
    lines = text(CSV).splitlines()
    for broken in (lines[1][:200], lines[1] + b',"1"', lines[1].replace(b'"512"', b'"x"')):
        with pytest.raises(SitegenError):
            read(BENCH, b"\n".join([lines[0], broken]))


def test_threads_come_from_the_file_and_may_be_too_many() -> None:
    reading = read(BENCH, text(JSON), cpus="2", weights="real")
    assert has_note(reading, "8 threads with 2 CPU(s)")
    assert not has_note(read(BENCH, text(JSON), cpus="8"), "CPU(s)")
    with pytest.raises(SitegenError, match="--set threads"):
        read(BENCH, text(JSON), threads="4")


def test_batches_have_a_rate_of_all_sequences_together() -> None:
    raw = [json.loads(line) for line in text("llama-bench/batched.jsonl").splitlines()]
    reading = read(BATCHED, text("llama-bench/batched.jsonl"), model="tiny-1b", cpus="8")
    for batch in raw:
        [rate] = rows(reading, "eval_rate", "mean", concurrency=str(batch["pl"]))
        assert rate.value == batch["speed_tg"]
        [rate] = rows(reading, "prompt_eval_rate", "mean", concurrency=str(batch["pl"]))
        assert rate.value == batch["speed_pp"]
    assert dict(reading.natives)["llm.eval_rate mean"] == "speed_tg"
    assert parameters(reading) == {
        "batch": "2048",
        "ubatch": "512",
        "flash_attn": "0",
        "context": "4096",
        "cpu_quota": "8",
    }
    assert first_params(reading) == {
        "model": "tiny-1b",
        "engine": "llama.cpp",
        "threads": "8",
        "input_tokens": "128",
        "output_tokens": "64",
        "concurrency": "1",
        "prompt": "unique",
    }
    for change in ({"speed_tg": 999.0}, {"pl": 0}, {"pp": None}, {"t_pp": -1}, {"tg": "64"}):
        with pytest.raises(SitegenError):
            read(BATCHED, raw[0] | change)


def test_a_prompt_that_a_batch_shares_is_counted_once() -> None:
    shared = json.loads(text("llama-bench/batched.jsonl").splitlines()[1])
    shared |= {"is_pp_shared": 1, "speed_pp": shared["pp"] / shared["t_pp"], "tg": 0, "speed_tg": 0}
    reading = read(BATCHED, shared)
    assert metrics(reading) == {"prompt_eval_rate"}
    assert first_params(reading)["prompt"] == "shared"


TWO = """| model         |     size | backend | threads | {column} |  test |           t/s |
| ------------- | -------: | ------- | ------: | -------: | ----: | ------------: |
| llama 8B Q8_0 | 7.95 GiB | CPU     |       8 |  {first} | pp512 | 100.00 ± 1.00 |
| llama 8B Q8_0 | 7.95 GiB | CPU     |       8 | {second} | pp512 |  50.00 ± 0.50 |

build: 0a1b2c3d4 (11100)
"""


INSERT = "INSERT INTO llama_bench ({}) VALUES "
COLUMNS = [
    ("load_mode", "lm", "mmap", "none"),
    ("devices", "dev", "CUDA0", "CUDA1"),
    ("no_op_offload", "nopo", "0", "1"),
    ("tensor_buft_overrides", "ot", "none", "exps=CPU"),
    ("cpu_mask", "cpu_mask", "0x0", "0xff"),
    ("later_thing", "later_thing", "a", "b"),
    ("gpu_info", "gpu_info", "EXAMPLE100", "EXAMPLE200"),
]


def in_every_form(name: str, column: str, first: str, second: str) -> Iterator[bytes]:
    """Yield two tests that differ in one column alone, 100 and 50 tokens/s, in each form."""
    yield TWO.format(column=column, first=first, second=second).encode()
    bare = {k: v for k, v in document(JSON)[0].items() if k not in {"samples_ns", name}}
    tests = [
        {**bare, name: value, "samples_ts": [rate], "avg_ts": rate, "stddev_ts": 0.0}
        for value, rate in ((first, 100.0), (second, 50.0))
    ]
    yield json.dumps(tests).encode()
    yield "\n".join(map(json.dumps, tests)).encode()
    cells = [{k: v for k, v in test.items() if k != "samples_ts"} for test in tests]
    lines = [",".join(f'"{value}"' for value in row.values()) for row in cells]
    yield "\n".join((",".join(cells[0]), *lines, "")).encode()
    insert = INSERT.format(", ".join(cells[0]))
    values = [", ".join(f"'{value}'" for value in row.values()) for row in cells]
    yield "".join(f"{insert}({row});\n" for row in values).encode()


@pytest.mark.parametrize(("name", "column", "first", "second"), COLUMNS)
def test_a_column_that_differs_tells_two_tests_apart_in_every_form(
    name: str, column: str, first: str, second: str
) -> None:
    for data in in_every_form(name, column, first, second):
        assert BENCH.knows(data)
        reading = read(BENCH, data)
        [fast] = rows(reading, "prompt_eval_rate", "mean", **{name: first})
        [slow] = rows(reading, "prompt_eval_rate", "mean", **{name: second})
        assert (fast.value, slow.value) == (100, 50)
        assert (fast.repetition, slow.repetition) == (0, 0)


def test_a_column_may_have_the_name_of_a_pair() -> None:
    reading = read(BENCH, [*first_test(engine="a", rate=1), *first_test(engine="b", rate=2)])
    about = [dict(row.params) for row in rows(reading, "prompt_eval_rate", "mean")]
    assert {pairs["engine"] for pairs in about} == {"llama.cpp"}
    assert {(pairs["engine_setting"], pairs["rate_setting"]) for pairs in about} == {
        ("a", "1"),
        ("b", "2"),
    }


def test_a_column_that_is_the_same_for_all_is_a_setting_of_the_run() -> None:
    table = TWO.format(column="lm", first="mmap", second="mmap")
    reading = read(BENCH, table.encode())
    assert [row.repetition for row in rows(reading, "prompt_eval_rate", "mean")] == [0, 1]
    assert parameters(reading)["load_mode"] == "mmap"


def test_thousands_of_tests_are_gone_through_once() -> None:
    [first] = first_test()
    raw = [{**first, "seed": number} for number in range(3_000)]
    began = time.process_time()
    reading = read(BENCH, raw)
    assert time.process_time() - began < 4  # seconds, of a machine that others use too
    assert len({row.params for row in reading.measurements}) == 3_000


def test_tests_of_more_columns_than_any_build_has_are_refused() -> None:
    [first] = first_test()
    raw = [{**first, f"c{number}": 1} for number in range(100)]
    with pytest.raises(SitegenError, match="different columns, and 100 at most are read"):
        read(BENCH, raw)


def test_a_setting_may_be_a_list() -> None:
    raw = [*first_test(devices=["CUDA0"]), *first_test(devices=["CUDA0", "CUDA1"])]
    devices = {dict(row.params)["devices"] for row in read(BENCH, raw).measurements}
    assert devices == {"['CUDA0']", "['CUDA0', 'CUDA1']"}


def test_two_files_of_one_kind_of_model_are_two_series() -> None:
    first, second = "/models/a.gguf", "/models/b.gguf"
    raw = [*first_test(model_filename=first), *first_test(model_filename=second)]
    reading = read(BENCH, raw)
    files = {dict(row.params)["model_file"] for row in reading.measurements}
    assert files == {"a.gguf", "b.gguf"}


def test_the_statements_of_sql_say_what_the_csv_says() -> None:
    header, *lines = text(CSV).decode().strip().split("\n")
    create = f"CREATE TABLE IF NOT EXISTS llama_bench (\n  {header}\n);\n\n"
    insert = INSERT.format(header.replace(",", ", "))
    values = [line.strip('"').replace('","', "', '") for line in lines]
    sql = (create + "".join(f"{insert}('{row}');\n" for row in values)).encode()
    assert read(BENCH, sql) == read(BENCH, text(CSV))
    with pytest.raises(SitegenError, match="breaks off"):
        read(BENCH, sql[:-20])


def test_a_batch_names_no_model() -> None:
    sentence = "The file does not name the model."
    assert doubts(read(BATCHED, text("llama-bench/batched.jsonl"))) == {Doubt.NOT_STATED: sentence}
    told = read(BATCHED, text("llama-bench/batched.jsonl"), model="acme/demo-8b")
    assert doubts(told) == {}
