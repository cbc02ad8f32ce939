from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from collectors.llm.readers import ollama
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement, Status

RAW = Path(__file__).parents[3] / "raw" / "llm" / "ollama"
SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "llm"
NONE: Mapping[str, str] = {}


def text(name: str) -> bytes:
    return (RAW / name).read_bytes()


def answers(content: object, settings: Mapping[str, str] = NONE) -> Reading:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    [found] = ollama.read_answers(data, settings)
    return found


def printed(data: bytes, settings: Mapping[str, str] = NONE) -> Reading:
    [found] = ollama.read_text(data, settings)
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
    return {m.metric for m in found.measurements}


def parameters(found: Reading) -> dict[str, str]:
    return {p.name: p.value for p in found.parameters}


def test_one_answer_is_read_from_nanoseconds() -> None:
    found = answers(text("generate.json"))
    assert one(found, "eval_rate", "mean").value == 32 / 3.2
    assert one(found, "prompt_eval_rate", "mean").value == 26 / 1.3
    assert one(found, "load_time", "value").value == 2.5
    assert one(found, "output_tokens", "mean").value == 32
    assert dict(found.measurements[0].params) == {"engine": "ollama", "model": "tiny:1b"}
    assert found.started_at == "2026-03-01T10:00:04Z"  # its end less 7.5 s, in whole seconds
    assert dict(found.natives)["llm.load_time value"] == "load_duration of the first request"
    # The load is inside: said, and in no verdict.
    assert one(found, "ollama.total_duration", "mean").status == Status.SUSPECT


def test_a_stream_has_chunks_answers_and_failures() -> None:
    found = answers(text("chat-stream.jsonl"))
    rates = [32 / 3.2, 64 / 6.5, 16 / 1.59]
    assert one(found, "eval_rate", "mean").value == pytest.approx(sum(rates) / 3)
    assert one(found, "eval_rate", "max").value == max(rates)
    assert [s.y for s in found.samples if s.metric == "llm.eval_rate"] == pytest.approx(rates)
    assert one(found, "requests", "value").value == 5
    assert one(found, "failed_requests", "value", "error").value == 1
    assert one(found, "failed_requests", "value", "zero-tokens").value == 1
    assert found.started_at == "2026-03-01T10:00:08Z"


def test_cached_prompt_tokens_make_no_prompt_rate() -> None:
    found = answers(text("chat-stream.jsonl"))
    # 26 tokens in 60 ms would be 433 tokens/s: 20 of them were not computed.
    assert one(found, "prompt_eval_rate", "mean").value == 20
    assert one(found, "cached_tokens", "value").value == 20
    assert any("came from the cache" in note for note in found.notes)


def test_the_load_belongs_to_the_first_request_alone() -> None:
    found = answers(text("chat-stream.jsonl"))
    assert one(found, "load_time", "value").value == 2.5
    assert one(found, "ollama.total_duration", "mean").value == pytest.approx((6.7 + 1.7) / 2)
    assert any("not in the total durations" in note for note in found.notes)


def test_an_absent_field_is_not_zero() -> None:
    raw = json.loads(text("generate.json"))
    for key in ("prompt_eval_count", "prompt_eval_duration", "load_duration"):
        del raw[key]
    found = answers(raw)
    assert metrics(found) == {
        "llm.eval_rate",
        "llm.output_tokens",
        "llm.cached_tokens",
        "llm.ollama.total_duration",
        "llm.requests",
    }
    del raw["eval_duration"]
    assert "llm.eval_rate" not in metrics(answers(raw))


def test_the_rate_is_said_to_depend_on_the_output_length() -> None:
    assert any("n/(n-1) high" in note for note in answers(text("generate.json")).notes)


def test_models_are_told_apart_and_loading_alone_is_no_request() -> None:
    raw = json.loads(text("generate.json"))
    load = {"model": "other", "done": True, "done_reason": "load", "total_duration": 1}
    found = answers([raw, raw | {"model": "other"}, load])
    assert {dict(m.params)["model"] for m in found.measurements} == {"tiny:1b", "other"}
    assert [m.value for m in found.measurements if m.metric == "llm.requests"] == [1, 1]
    with pytest.raises(SitegenError, match="the file says"):
        answers([raw, raw | {"model": "other"}], {"model": "other"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"eval_count": True}, "eval_count: True is not a number"),
        ({"eval_duration": -5}, "eval_duration: is negative"),
        ({"eval_duration": "3s"}, "eval_duration: '3s' is not a number"),
        ({"load_duration": float("nan")}, "load_duration: is not a finite number"),
        ({"created_at": "soon"}, "created_at: 'soon' is not a time"),
        ({"total_duration": 10**30}, "created_at: "),
    ],
)
def test_what_is_not_a_value_is_refused_by_its_key(change: dict[str, object], says: str) -> None:
    with pytest.raises(SitegenError) as caught:
        answers(json.loads(text("generate.json")) | change)
    assert str(caught.value).startswith(says)


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
    assert ollama.go_duration(go, "") == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text_", ["", "5", "s", "-1s", "1d", "1s2", "1e9s", "NaNs", "1 s"])
def test_what_is_no_duration_is_refused(text_: str) -> None:
    with pytest.raises(SitegenError, match="is not a duration"):
        ollama.go_duration(text_, "")


def test_verbose_text_is_read_by_request() -> None:
    found = printed(text("verbose.txt"))
    assert one(found, "eval_rate", "mean").value == pytest.approx((10.25 + 10.31) / 2)
    assert one(found, "prompt_eval_rate", "mean").value == 25
    assert one(found, "load_time", "value").value == 0.8205
    assert one(found, "output_tokens", "mean").value == (615 + 33) / 2
    assert [s.x for s in found.samples if s.metric == "llm.eval_rate"] == [0, 62.5]
    # Text does not show failures: none are claimed.
    assert "llm.error_rate" not in metrics(found)


def test_one_printed_rate_keeps_its_digits() -> None:
    first = text("verbose.txt").split(b">>> four")[0]
    assert one(printed(first), "eval_rate", "mean").printed == "10.25"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1m2.5s", b"1m2.5x"),
        (b"10.25 tokens/s", b"NaN tokens/s"),
        (b"10.25 tokens/s", b"99.25 tokens/s"),
        (b"615 token(s)", b"-615 token(s)"),
        (b"eval rate:            10.31 tokens/s\n", b""),
    ],
)
def test_figures_that_do_not_fit_are_refused(old: bytes, new: bytes) -> None:
    data = text("verbose.txt")
    assert old in data
    if new:
        with pytest.raises(SitegenError, match=r"line \d+"):
            printed(data.replace(old, new))
    else:  # a rate that was not printed is computed
        mean = one(printed(data.replace(old, new)), "eval_rate", "mean").value
        assert mean == pytest.approx((10.25 + 33 / 3.2) / 2)


def test_a_log_with_rates_shows_the_servers_settings() -> None:
    found = printed(text("mixed.txt"), {"cpus": "1"})
    rate = one(found, "eval_rate", "mean")
    assert rate.value == 2.25  # as the wrapper's own last line says
    assert dict(rate.params) == {"engine": "ollama", "model": "tiny:1b"}
    assert one(found, "failed_requests", "value", "http").value == 1
    shown = parameters(found)
    assert (shown["threads"], shown["cpu_quota"], shown["parallel"]) == ("8", "1", "2")
    assert (shown["quantisation"], shown["kv_cache"]) == ("Q4_K - Medium", "f16")
    kinds = {p.name: p.comparability for p in found.parameters}
    assert kinds["threads"] == kinds["cpu_quota"] == Comparability.MUST_MATCH
    assert found.tool is not None
    assert found.tool.version == "0.6.7"
    assert found.started_at == "2026-03-01T09:00:01Z"
    assert {f.name: f.value for f in found.facts} == {
        "cpu": "EXAMPLE(R) CPU 1000",
        "memory": "7.3 GiB",
        "os": "Debian GNU/Linux 12 (bookworm)",
    }


def test_more_threads_than_cpus_are_said() -> None:
    def doubts(settings: Mapping[str, str]) -> list[str]:
        return [note for note in printed(text("mixed.txt"), settings).notes if "threads" in note]

    assert "8 threads with 1 CPU(s)" in doubts({"cpus": "1"})[0]
    assert "how many CPUs it might use is not shown" in doubts(NONE)[0]
    assert doubts({"cpus": "8"}) == []
    with pytest.raises(SitegenError, match="the file says '8', not '4'"):
        printed(text("mixed.txt"), {"threads": "4"})
    for cpus in ("0", "0.00", "many", "-1"):
        with pytest.raises(SitegenError, match="is not a number above 0"):
            printed(text("mixed.txt"), {"cpus": cpus})


def test_llama_cpps_own_timings_leave_out_the_first_token() -> None:
    found = printed(text("llama-server.log"), {"weights": "random"})
    assert {m.workload for m in found.measurements} == {"server-log"}
    assert one(found, "requests", "value").value == 3
    assert one(found, "eval_rate", "max").value == 9717.87
    assert pytest.approx(9717.87, rel=1e-3) == 31 / 3.19e-3
    assert any("are n - 1 tokens" in note for note in found.notes)
    pairs = dict(found.measurements[0].params)
    assert pairs["model"] == "tiny"
    assert "engine" not in pairs
    assert parameters(found)["threads"] == "1"
    assert not any("--set cpus=" in note for note in found.notes)  # one thread is never too many


def test_rates_over_all_tokens_are_told_from_those_without_the_first() -> None:
    line = (
        b"prompt eval time = 100.00 ms / 10 tokens (10.00 ms per token, 100.0 tokens per second)\n"
        b"       eval time = 900.00 ms / 10 runs   (90.00 ms per token, 11.11 tokens per second)\n"
    )
    found = printed(line)
    assert one(found, "eval_rate", "mean").printed == "11.11"
    assert any("are all n tokens" in note for note in found.notes)
    assert found.started_at == ""


def test_timings_in_a_log_beside_printed_rates_count_once() -> None:
    found = printed(text("llama-server.log") + text("verbose.txt"))
    assert one(found, "requests", "value").value == 2
    assert any("not imported a second time" in note for note in found.notes)


def test_forms_are_told_by_their_content() -> None:
    assert ollama.knows_answers(text("generate.json"))
    assert ollama.knows_answers(text("chat-stream.jsonl"))
    for name in ("verbose.txt", "mixed.txt", "llama-server.log"):
        assert ollama.knows_text(text(name))
        assert not ollama.knows_answers(text(name))
    assert not ollama.knows_text(text("generate.json"))
    assert not ollama.knows_text(b"Average of eval rate:  2.008  tokens/s\n")


@pytest.mark.skipif(not SAMPLES.exists(), reason="published outputs are not here")
def test_a_published_pair_differs_in_threads_and_not_in_the_machine() -> None:
    native = printed((SAMPLES / "ollama-native-1cpu.txt").read_bytes(), {"cpus": "1"})
    tdx = printed((SAMPLES / "ollama-tdx-1cpu.txt").read_bytes(), {"cpus": "1"})
    ratio = (one(tdx, "eval_rate", "mean").value or 0) / (
        one(native, "eval_rate", "mean").value or 1
    )
    assert ratio == pytest.approx(4.93, abs=0.01)
    assert (parameters(native)["threads"], parameters(tdx)["threads"]) == ("12", "1")
    assert any("12 threads with 1 CPU(s)" in note for note in native.notes)
    assert not any("threads" in note for note in tdx.notes)


def test_lengths_that_all_requests_share_are_nominal() -> None:
    raw = json.loads(text("generate.json"))
    assert dict(answers([raw, raw]).measurements[0].params)["output_tokens"] == "32"
    assert "output_tokens" not in dict(answers(raw).measurements[0].params)
    with pytest.raises(SitegenError, match="the file says '32', not '64'"):
        answers([raw, raw], {"output_tokens": "64"})


def test_nothing_is_said_of_a_cache_that_did_not_help() -> None:
    found = answers(text("generate.json"))
    assert one(found, "cached_tokens", "value").value == 0
    assert not any("cache" in note for note in found.notes)


def test_an_ollama_log_is_told_by_its_runner_or_its_requests() -> None:
    timings = text("llama-server.log")
    for mark in (
        b'time=2026-03-01T10:00:01Z msg="Listening on 127.0.0.1:11434 (version 0.12.1)"\n',
        b'[GIN] 2026/03/01 - 10:01:11 | 200 |    1m0s |  127.0.0.1 | POST     "/api/chat"\n',
    ):
        found = printed(mark + timings)
        assert dict(found.measurements[0].params)["engine"] == "ollama"
        # Their rates leave out the first token all the same: not the workload of printed rates.
        assert {m.workload for m in found.measurements} == {"server-log"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(range(256)) * 40,
        b'{"model": "m", "done": tr',
        b"plain words\nof a log\n",
        b'[GIN] 2026/03/01 - 10:00:04 | 200 | 1.2s | 127.0.0.1 | POST "/api/chat"\n',
        b"prompt eval time = 10.0 ms / 5 tokens (2.0 ms per token, 500.0 tokens per second)\n",
    ],
)
def test_a_text_without_a_rate_is_no_run(data: bytes) -> None:
    with pytest.raises(SitegenError, match="no rate and no request in it"):
        ollama.TEXT.read(data, NONE)


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"model": "m", "response": "a", "done": false}'])
def test_json_without_a_finished_request_is_no_run(data: bytes) -> None:
    with pytest.raises(SitegenError):
        ollama.ANSWERS.read(data, NONE)
