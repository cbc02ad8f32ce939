from __future__ import annotations

from typing import Any

import pytest

from collectors.llm.readers.ollama import ANSWERS, TEXT, go_duration
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Status
from tests.collectors.llm.readers.outputs import (
    document,
    doubts,
    first_params,
    has_note,
    metrics,
    one,
    parameters,
    read,
    text,
    workloads,
)

STREAM = "ollama/chat-stream.jsonl"
VERBOSE, MIXED, LOG = "ollama/verbose.txt", "ollama/mixed.txt", "ollama/llama-server.log"


def answer(**changes: object) -> dict[str, Any]:
    return {**document("ollama/generate.json"), **changes}


def test_one_answer_is_read_from_nanoseconds() -> None:
    reading = read(ANSWERS, answer())
    assert one(reading, "eval_rate", "mean").value == 32 / 3.2
    assert one(reading, "prompt_eval_rate", "mean").value == 26 / 1.3
    assert one(reading, "load_time").value == 2.5
    assert one(reading, "output_tokens", "mean").value == 32
    assert first_params(reading) == {"engine": "ollama", "model": "tiny:1b"}
    assert reading.started_at == "2026-03-01T10:00:04Z"  # its end less 7.5 s, in whole seconds
    assert dict(reading.natives)["llm.load_time value"] == "load_duration of the first request"
    # The load is inside: said, and in no verdict.
    assert one(reading, "ollama.total_duration", "mean").status == Status.SUSPECT
    assert has_note(reading, "n/(n-1) high")
    # Nothing is said of a cache that did not help.
    assert one(reading, "cached_tokens").value == 0
    assert not has_note(reading, "cache")


def test_a_stream_has_chunks_answers_and_failures() -> None:
    reading = read(ANSWERS, text(STREAM))
    rates = [32 / 3.2, 64 / 6.5, 16 / 1.59]
    assert one(reading, "eval_rate", "mean").value == pytest.approx(sum(rates) / 3)
    assert one(reading, "eval_rate", "max").value == max(rates)
    points = [each.y for each in reading.samples if each.metric == "llm.eval_rate"]
    assert points == pytest.approx(rates)
    assert one(reading, "requests").value == 5
    assert one(reading, "failed_requests", reason="error").value == 1
    assert one(reading, "failed_requests", reason="zero-tokens").value == 1
    assert reading.started_at == "2026-03-01T10:00:08Z"


def test_cached_prompt_tokens_make_no_prompt_rate() -> None:
    reading = read(ANSWERS, text(STREAM))
    # 26 tokens in 60 ms would be 433 tokens/s: 20 of them were not computed.
    assert one(reading, "prompt_eval_rate", "mean").value == 20
    assert one(reading, "cached_tokens").value == 20
    assert has_note(reading, "cache had a part")


def test_the_load_belongs_to_the_first_request_alone() -> None:
    reading = read(ANSWERS, text(STREAM))
    assert one(reading, "load_time").value == 2.5
    mean = one(reading, "ollama.total_duration", "mean").value
    assert mean == pytest.approx((6.7 + 1.7) / 2)
    assert has_note(reading, "not in the total durations")


def test_an_absent_field_is_not_zero() -> None:
    raw = answer()
    for key in ("prompt_eval_count", "prompt_eval_duration", "load_duration"):
        del raw[key]
    counted = {"output_tokens", "cached_tokens", "ollama.total_duration", "requests"}
    assert metrics(read(ANSWERS, raw)) == {"eval_rate", *counted}
    del raw["eval_duration"]
    assert metrics(read(ANSWERS, raw)) == counted


def test_models_are_told_apart_and_loading_alone_is_no_request() -> None:
    load = {"model": "other", "done": True, "done_reason": "load", "total_duration": 1}
    raw = [answer(), answer(model="other"), load]
    reading = read(ANSWERS, raw)
    assert {dict(row.params)["model"] for row in reading.measurements} == {"tiny:1b", "other"}
    counts = [row.value for row in reading.measurements if row.metric == "llm.requests"]
    assert counts == [1, 1]
    with pytest.raises(SitegenError, match="the file says"):
        read(ANSWERS, raw, model="other")


def test_more_models_than_a_server_has_are_refused() -> None:
    with pytest.raises(SitegenError, match="names 101 models, and 100 at most are read"):
        read(ANSWERS, [answer(model=f"m{number}") for number in range(101)])


def test_lengths_that_all_requests_share_are_nominal() -> None:
    assert first_params(read(ANSWERS, [answer()] * 2))["output_tokens"] == "32"
    assert "output_tokens" not in first_params(read(ANSWERS, answer()))
    with pytest.raises(SitegenError, match="the file says '32', not '64'"):
        read(ANSWERS, [answer()] * 2, output_tokens="64")


@pytest.mark.parametrize(
    ("go", "seconds"),
    [
        ("1m2.5s", 62.5),
        ("820.5ms", 0.8205),
        ("59.042µs", 59.042e-6),
        ("59.042\u03bcs", 59.042e-6),
        ("12us", 12e-6),
        ("7ns", 7e-9),
        ("1h10m22s", 4222.0),
        ("0s", 0.0),
    ],
)
def test_durations_are_read_as_go_prints_them(go: str, seconds: float) -> None:
    assert go_duration(go, "") == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("go", ["", "5", "s", "-1s", "1d", "1s2", "1e9s", "NaNs", "1 s"])
def test_what_is_no_duration_is_refused(go: str) -> None:
    with pytest.raises(SitegenError, match="is not a duration"):
        go_duration(go, "")


def test_verbose_text_is_read_by_request() -> None:
    reading = read(TEXT, text(VERBOSE))
    assert one(reading, "eval_rate", "mean").value == pytest.approx((10.25 + 10.31) / 2)
    assert one(reading, "prompt_eval_rate", "mean").value == 25
    assert one(reading, "load_time").value == 0.8205
    assert one(reading, "output_tokens", "mean").value == (615 + 33) / 2
    starts = [each.x for each in reading.samples if each.metric == "llm.eval_rate"]
    assert starts == [0, 62.5]
    # Text does not show failures: none are claimed.
    assert "error_rate" not in metrics(reading)
    first = read(TEXT, text(VERBOSE).split(b">>> four")[0])
    assert one(first, "eval_rate", "mean").printed == "10.25"


def test_a_log_with_rates_shows_the_servers_settings() -> None:
    reading = read(TEXT, text(MIXED), cpus="1")
    rate = one(reading, "eval_rate", "mean")
    assert rate.value == 2.25  # as the wrapper's own last line says
    assert dict(rate.params) == {"engine": "ollama", "model": "tiny:1b"}
    assert one(reading, "failed_requests", reason="http").value == 1
    settings = parameters(reading)
    assert (settings["threads"], settings["cpu_quota"], settings["parallel"]) == ("8", "1", "2")
    assert (settings["quantisation"], settings["kv_cache"]) == ("Q4_K - Medium", "f16")
    kinds = {each.name: each.comparability for each in reading.parameters}
    assert kinds["threads"] == kinds["cpu_quota"] == Comparability.MUST_MATCH
    assert reading.tool is not None
    assert reading.tool.version == "0.6.7"
    assert reading.started_at == "2026-03-01T09:00:01Z"
    assert {each.name: each.value for each in reading.facts} == {
        "cpu": "EXAMPLE(R) CPU 1000",
        "memory": "7.3 GiB",
        "os": "Debian GNU/Linux 12 (bookworm)",
    }


def test_more_threads_than_cpus_are_said() -> None:
    assert has_note(read(TEXT, text(MIXED), cpus="1"), "8 threads with 1 CPU(s)")
    assert has_note(read(TEXT, text(MIXED)), "how many CPUs it might use is not shown")
    assert not has_note(read(TEXT, text(MIXED), cpus="8"), "threads")
    with pytest.raises(SitegenError, match="the file says '8', not '4'"):
        read(TEXT, text(MIXED), threads="4")
    for cpus in ("0", "0.00", "many", "-1"):
        with pytest.raises(SitegenError, match="is not a number above 0"):
            read(TEXT, text(MIXED), cpus=cpus)


def test_llama_cpps_own_timings_leave_out_the_first_token() -> None:
    reading = read(TEXT, text(LOG), weights="random")
    assert workloads(reading) == {"server-log"}
    assert one(reading, "requests").value == 3
    assert one(reading, "eval_rate", "max").value == 9717.87
    assert has_note(reading, "is up to its version")
    assert first_params(reading) == {"model": "tiny", "weights": "random"}
    assert parameters(reading)["threads"] == "1"
    assert not has_note(reading, "--set cpus=")  # one thread is never too many


def test_timings_in_a_log_beside_printed_rates_count_once() -> None:
    reading = read(TEXT, text(LOG) + text(VERBOSE))
    assert one(reading, "requests").value == 2
    assert has_note(reading, "whose rate was printed")


@pytest.mark.parametrize(
    "mark",
    [
        b'time=2026-03-01T10:00:01Z msg="Listening on 127.0.0.1:11434 (version 0.12.1)"\n',
        b'[GIN] 2026/03/01 - 10:01:11 | 200 |    1m0s |  127.0.0.1 | POST     "/api/chat"\n',
    ],
)
def test_an_ollama_log_is_told_by_its_version_or_its_requests(mark: bytes) -> None:
    reading = read(TEXT, mark + text(LOG))
    assert first_params(reading)["engine"] == "ollama"
    # Their rates leave out the first token all the same: not the workload of printed rates.
    assert workloads(reading) == {"server-log"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(range(256)) * 40,
        b"plain words\nof a log\n",
        b'[GIN] 2026/03/01 - 10:00:04 | 200 | 1.2s | 127.0.0.1 | POST "/api/chat"\n',
        b"prompt eval time = 10.0 ms / 5 tokens (2.0 ms per token, 500.0 tokens per second)\n",
    ],
)
def test_a_text_without_a_rate_is_no_run(data: bytes) -> None:
    with pytest.raises(SitegenError, match="no rate and no request in it"):
        read(TEXT, data)


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"model": "m", "response": "a", "done": false}'])
def test_json_without_a_finished_request_is_no_run(data: bytes) -> None:
    with pytest.raises(SitegenError, match="no finished request"):
        read(ANSWERS, data)


def timed(tokens: int, prompt_s: float, output_s: float = 2.4, count: int = 100) -> dict[str, Any]:
    """Return an answer of so many prompt and output tokens in so many seconds."""
    return {
        "model": "llama3.1:8b",
        "done": True,
        "total_duration": round((prompt_s + output_s) * 1e9),
        "prompt_eval_count": tokens,
        "prompt_eval_duration": round(prompt_s * 1e9),
        "eval_count": count,
        "eval_duration": round(output_s * 1e9),
    }


@pytest.mark.parametrize(
    ("tokens", "prompt_s"),
    [(4000, 0.002), (4000, 0.01), (100_000, 0.03), (26, 0.001), (4, 0.0005)],
)
def test_a_prompt_that_takes_less_than_a_token_of_the_output_came_from_a_cache(
    tokens: int, prompt_s: float
) -> None:
    reading = read(ANSWERS, timed(tokens, prompt_s))
    assert "prompt_eval_rate" not in metrics(reading)
    assert one(reading, "eval_rate", "mean").value == pytest.approx(100 / 2.4)
    assert one(reading, "input_tokens", "mean").value == tokens
    assert has_note(reading, f"{tokens} tokens of a prompt took {prompt_s * 1000:.3g} ms")
    assert has_note(reading, "a cache had them. 1 of 1 requests have no prompt rate")


@pytest.mark.parametrize(
    ("tokens", "prompt_s", "output_s"),
    # A CPU, a GPU on a long prompt, one token of a prompt, a short prompt.
    [(4000, 80.0, 10.0), (4000, 0.4, 1.0), (1, 0.012, 2.4), (12, 0.02, 2.4), (30_000, 3.0, 1.0)],
)
def test_a_prompt_that_was_computed_keeps_its_rate(
    tokens: int, prompt_s: float, output_s: float
) -> None:
    reading = read(ANSWERS, timed(tokens, prompt_s, output_s))
    rate = one(reading, "prompt_eval_rate", "mean").value
    assert rate == pytest.approx(tokens / prompt_s, rel=1e-6)
    assert not has_note(reading, "cache")


def test_after_one_token_of_an_output_only_what_no_machine_computes_is_left_out() -> None:
    reading = read(ANSWERS, timed(4000, 0.002, 0.024, count=1))
    assert "prompt_eval_rate" not in metrics(reading)
    assert one(read(ANSWERS, timed(4000, 0.2, 0.5, count=1)), "prompt_eval_rate", "mean").value
    assert has_note(read(ANSWERS, timed(4000, 0.0)), "took no time: a cache had them")


def test_the_second_of_two_like_prompts_may_be_cached_in_part() -> None:
    answers = [timed(4000, 8.0), timed(4000, 0.4), timed(2000, 0.4)]
    reading = read(ANSWERS, answers)
    assert one(reading, "prompt_eval_rate", "max").value == 5000
    assert one(reading, "prompt_eval_rate", "min").value == 500
    assert has_note(reading, "took 400 ms, and as many 8e+03 ms in another request")
    points = [each.y for each in reading.samples if each.metric == "llm.prompt_eval_rate"]
    assert points == [500, 5000]


def test_what_is_printed_of_a_cached_prompt_is_left_out_too() -> None:
    block = text(VERBOSE).decode().partition(">>> four")[0]
    for old, new in (
        ("prompt eval count:    26 token(s)", "prompt eval count:    4000 token(s)"),
        ("prompt eval duration: 1.3s", "prompt eval duration: 2ms"),
        ("20.00 tokens/s", "2000000.00 tokens/s"),
    ):
        assert old in block
        block = block.replace(old, new)
    reading = read(TEXT, block.encode(), model="tiny:1b")
    assert "prompt_eval_rate" not in metrics(reading)
    assert has_note(reading, "4000 tokens of a prompt took 2 ms")
    log = text(LOG)
    assert one(read(TEXT, log), "prompt_eval_rate", "mean").value


def test_text_that_names_no_model_says_so() -> None:
    sentence = "The file does not name the model."
    assert doubts(read(TEXT, text(VERBOSE))) == {Doubt.NOT_STATED: sentence}
    assert doubts(read(TEXT, text(VERBOSE), model="tiny:1b")) == {}
    assert doubts(read(ANSWERS, answer())) == {}


def test_a_file_of_dated_answers_says_how_long_they_took() -> None:
    assert read(ANSWERS, answer()).duration_s == pytest.approx(7.5)


def test_parts_that_take_longer_than_the_whole_are_doubted() -> None:
    raw = {**timed(26, 1.0), "total_duration": 1_500_000_000}
    sentence = doubts(read(ANSWERS, raw))[Doubt.INCONSISTENT]
    assert sentence == "the total duration is 1.5 s, and its parts 3.4 s together"
