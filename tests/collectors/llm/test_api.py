from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.llm import api
from collectors.llm.api import Answer, FailedError, Options
from collectors.llm.measures import ServerTimings
from sitegen.errors import SitegenError

ASK = Options("http://h", "openai-chat", "m", output_tokens=16, seed=7)
FIELDS = (
    *("choices", "delta", "content", "text", "usage", "timings", "message", "error", "done"),
    *("completion_tokens", "prompt_tokens_details", "cached_tokens", "response", "eval_count"),
    *("reasoning", "finish_reason", "predicted_n", "eval_duration", "prompt_ms"),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


def has_text(answer: Answer, *events: object) -> list[bool]:
    return [answer.take(b"", orjson.dumps(each)) for each in events]


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


@pytest.mark.parametrize(
    ("base", "kind", "address"),
    [
        ("http://127.0.0.1:8080", "openai-chat", "http://127.0.0.1:8080/v1/chat/completions"),
        ("http://h/", "openai-completions", "http://h/v1/completions"),
        ("https://h/v1", "openai-chat", "https://h/v1/chat/completions"),
        ("https://h/v1/", "openai-completions", "https://h/v1/completions"),
        ("https://h/api/v3", "openai-chat", "https://h/api/v3/chat/completions"),
        ("https://h/proxy", "openai-chat", "https://h/proxy/v1/chat/completions"),
        ("https://h/x/chat/completions", "openai-chat", "https://h/x/chat/completions"),
        ("http://h:11434", "ollama", "http://h:11434/api/chat"),
        ("http://h:11434/api/generate", "ollama", "http://h:11434/api/generate"),
        ("http://[::1]:8080", "openai-chat", "http://[::1]:8080/v1/chat/completions"),
    ],
)
def test_a_base_becomes_the_address_of_its_endpoint(base: str, kind: str, address: str) -> None:
    assert api.address(base, kind) == address


@pytest.mark.parametrize(
    "base",
    [
        *("", "h:80", "ftp://h", "http://", "http://h:99999"),
        *("http://h /", "http://h\n", "http://[", "http://ü"),
    ],
)
def test_what_is_no_address_is_said_in_one_line(base: str) -> None:
    with pytest.raises(SitegenError, match="not an http or https address"):
        api.address(base, "openai-chat")


@pytest.mark.parametrize("base", ["http://me:secret@h/", "http://me@h/", "https://h/v1?key=secret"])
def test_an_address_with_credentials_is_refused_and_not_repeated(base: str) -> None:
    with pytest.raises(SitegenError, match="may hold no credentials") as caught:
        api.address(base, "openai-chat")
    assert "secret" not in str(caught.value)


def asked(url: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Options
    options = msgspec.structs.replace(ASK, **changes)
    return dict(orjson.loads(api.body(options, url, "go on")))


def test_a_request_asks_for_a_stream_of_a_fixed_length_with_usage() -> None:
    chat = asked("http://h/v1/chat/completions")
    assert chat["stream"] is True
    assert chat["stream_options"] == {"include_usage": True}
    assert (chat["max_tokens"], chat["min_tokens"], chat["ignore_eos"]) == (16, 16, True)
    assert (chat["temperature"], chat["seed"], chat["model"]) == (0, 7, "m")
    assert chat["messages"] == [{"role": "user", "content": "go on"}]
    plain = asked("http://h/v1/completions", api="openai-completions", extensions=False)
    assert plain["prompt"] == "go on"
    assert not {"messages", "ignore_eos", "min_tokens"} & set(plain)


def test_usage_is_not_asked_for_where_that_is_refused() -> None:
    fields = orjson.loads(api.body(ASK, "http://h/v1/chat/completions", "go on", usage=False))
    assert "stream_options" not in fields
    assert fields["min_tokens"] == 16


def test_ollama_is_asked_at_either_of_its_endpoints() -> None:
    chat = asked("http://h/api/chat", api="ollama")
    assert chat["options"] == {"num_predict": 16, "temperature": 0, "seed": 7}
    assert chat["messages"] == [{"role": "user", "content": "go on"}]
    assert asked("http://h/api/generate", api="ollama")["prompt"] == "go on"


def test_a_role_an_empty_text_and_null_are_no_text() -> None:
    nothing = [delta(role="assistant", content=None), delta(content=""), delta(), delta(role="x")]
    empty: list[object] = [{"choices": []}, {"choices": None}, {}, {"choices": [{"delta": None}]}]
    assert not any(has_text(Answer(), *nothing, *empty))


@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning"])
def test_content_and_reasoning_are_text(name: str) -> None:
    assert has_text(Answer(), delta(**{name: "hm"}), delta(**{name: ""})) == [True, False]


def part(kind: str, **fields: object) -> dict[str, object]:
    return delta(content=[{"type": kind, **fields}])


def test_parts_of_a_content_are_text_where_they_have_any() -> None:
    thought = part("thinking", thinking=[{"type": "text", "text": "hm"}])
    nothing = [part("text", text=""), part("image_url", image_url={"url": "x"}), delta(content=[])]
    assert has_text(Answer(), part("text", text="a"), thought) == [True, True]
    assert not any(has_text(Answer(), *nothing))


@pytest.mark.parametrize(
    "call",
    [
        delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ""}}]),
        delta(function_call={"name": "f", "arguments": "{"}),
        {"message": {"content": "", "tool_calls": [{"function": {"name": "f"}}]}},
    ],
)
def test_a_call_of_a_tool_is_made_of_tokens_and_is_no_text(call: dict[str, object]) -> None:
    answer = Answer()
    assert has_text(answer, delta(role="assistant", tool_calls=None), call) == [False, True]
    assert (answer.calls, answer.text) == (True, False)


def test_a_second_answer_to_one_request_fails_whatever_the_first_is_called() -> None:
    def choice(index: object) -> dict[str, object]:
        return {"choices": [{"index": index, "delta": {"content": "a"}}]}

    for index in (0, 1, None, "0"):
        assert has_text(Answer(), choice(index), choice(index)) == [True, True]
        with pytest.raises(FailedError, match="more than the one answer"):
            has_text(Answer(), choice(index), choice(2))


@pytest.mark.parametrize(
    "payload",
    [
        b'{"choices":[{"delta":{"content":"\\ud83d"}}]}',
        b'{"choices":[{"delta":{"content":"\xf0\x9f"}}]}',
    ],
)
def test_half_a_character_is_text(payload: bytes) -> None:
    assert Answer().take(b"", payload)


@pytest.mark.parametrize(("name", "payload"), [(b"", b""), (b"ping", b"ping"), (b"ping", b"")])
def test_what_keeps_a_connection_alive_is_no_text_and_no_error(name: bytes, payload: bytes) -> None:
    assert not Answer().take(name, payload)


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_an_answer_that_was_given_up_is_an_error(reason: str) -> None:
    last = {"choices": [{"delta": {}, "finish_reason": reason}]}
    with pytest.raises(FailedError, match=f"finished with '{reason}'"):
        has_text(Answer(), delta(content="a"), last)
    with pytest.raises(FailedError, match="no memory"):
        has_text(Answer(), {**last, "message": None, "detail": "no memory"})


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"object": "error", "message": "too long", "code": 400}, "too long"),
        ({"error": True, "message": "full"}, "full"),
        ({"error": "Bad Request", "message": ["a should be b"]}, "Bad Request: a should be b"),
        ({"error": {"error": {"message": "deep"}}}, "deep"),
        ({"errors": ["x", "y"]}, "x: y"),
        (
            {"detail": [{"loc": ["body", "a", 0], "msg": "no"}, {"loc": ["body"], "msg": "nor"}]},
            "a.0: no: nor",
        ),
        ({"error": {"code": 5}}, "nothing"),
    ],
)
def test_an_error_says_what_its_server_said(document: object, text: str) -> None:
    assert api.error_text(orjson.dumps(document), "nothing") == text


def test_an_error_that_is_called_an_object_of_that_kind_keeps_its_message() -> None:
    with pytest.raises(FailedError) as caught:
        has_text(Answer(), {"object": "error", "message": "too long", "code": 400})
    assert (caught.value.status, caught.value.detail) == ("error-event", "too long")
    answer = Answer()
    assert not any(has_text(answer, {"detail": "full"}, {"message": {"content": ""}}))
    assert answer.said == "full"


@pytest.mark.parametrize(
    ("asked", "answering", "same"),
    [
        ("m", "", True),
        ("Meta/M-8b", "m-8B", True),
        ("qwen3", "qwen3:latest", True),
        ("m", "other", False),
        ("m", "m-mini", False),
    ],
)
def test_a_model_is_the_one_asked_for_by_its_name(asked: str, answering: str, same: bool) -> None:  # noqa: FBT001
    assert api.is_same_model(asked, answering) is same


def test_completions_carry_usage_in_their_last_event() -> None:
    answer = Answer()
    last = {
        "choices": [{"text": "", "finish_reason": "length"}],
        "usage": {"completion_tokens": 2, "prompt_tokens": 5},
    }
    assert has_text(answer, {"choices": [{"text": "ab", "finish_reason": None}]}, last) == [
        True,
        False,
    ]
    assert answer.finished
    assert answer.tokens(1) == api.Tokens(2, 5, token_source="usage")  # noqa: S106 - no password


def test_the_last_of_several_usages_counts_and_names_cached_tokens() -> None:
    answer = Answer()
    for count in (1, 2, 3):
        counts = {"completion_tokens": count, "prompt_tokens_details": {"cached_tokens": 16}}
        has_text(answer, {**delta(content="a"), "usage": counts})
    has_text(answer, {"choices": [], "usage": None})
    assert answer.tokens(3) == api.Tokens(3, None, 16, "usage")


def test_a_usage_without_a_count_does_not_take_one_away() -> None:
    answer = Answer()
    first = {"prompt_tokens": 5, "completion_tokens": 0}
    has_text(answer, {"choices": [], "usage": first}, delta(content="a"), delta(content="b"))
    assert answer.tokens(2) == api.Tokens(None, 5)
    has_text(answer, {"choices": [], "usage": {**first, "completion_tokens": 2}})
    has_text(answer, {"choices": [], "usage": {"total_tokens": 7}})
    assert answer.tokens(2) == api.Tokens(2, 5, token_source="usage")  # noqa: S106 - no password


def test_other_figures_of_an_answer_may_count_otherwise() -> None:
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 9}
    answer = Answer()
    has_text(answer, delta(content="a"), {"choices": [], "usage": counts})
    assert answer.tokens(1) == api.Tokens(2, 5, None, "usage", 4)
    answer = Answer()
    timings = {"predicted_n": 3}
    has_text(answer, {"usage": {"completion_tokens": 2}, "timings": timings, "choices": []})
    assert answer.tokens(1) == api.Tokens(2, None, None, "usage", 3)


def test_timings_serve_where_usage_is_missing() -> None:
    answer = Answer()
    values = {
        "cache_n": 4,
        "prompt_n": 16,
        "prompt_ms": 8.0,
        "prompt_per_second": 2000.0,
        "predicted_n": 5,
        "predicted_ms": 2.967,
        "predicted_per_second": 1348.2,
    }
    has_text(answer, {"choices": [], "timings": values})
    assert answer.tokens(5) == api.Tokens(5, 20, 4, "timings")
    assert answer.timings() == ServerTimings(16, 0.008, 2000.0, 5, 0.002967, 1348.2)


def test_without_a_count_there_are_no_tokens_and_chunks_are_not_counted_for_them() -> None:
    answer = Answer()
    has_text(answer, delta(content="a"), delta(content="b"))
    assert answer.tokens(2) == api.Tokens()
    assert answer.timings() is None


def test_a_count_of_none_is_one_only_where_there_is_no_text() -> None:
    answer = Answer()
    has_text(answer, {"usage": {"completion_tokens": 0}})
    assert answer.tokens(0).output_tokens == 0
    assert answer.tokens(1) == api.Tokens()


@pytest.mark.parametrize(
    ("payload", "status", "detail"),
    [
        (b'{"error":{"message":"out of\\nmemory","code":500}}', "error-event", "out of"),
        (b'{"error":"gone"}', "error-event", "gone"),
        (b'{"choices":[', "malformed", "truncated"),
        (b"\xff\xfe", "malformed", "cannot be read"),
        (b"NaN", "malformed", "cannot be read"),
        (b'{"error":' + b"[" * 5000, "malformed", "cannot be read"),
        (b"[1]", "malformed", "got `array`"),
        (b'{"choices":7}', "malformed", "$.choices"),
        (b'{"choices":[7]}', "malformed", "$.choices[0]"),
        (b'{"choices":[{"delta":{"content":["a"]}}]}', "malformed", ".delta.content"),
        (b'{"usage":{"completion_tokens":-1}}', "malformed", "$.usage.completion_tokens"),
        (b'{"usage":{"completion_tokens":"3"}}', "malformed", "$.usage.completion_tokens"),
    ],
)
def test_what_is_no_event_fails_with_its_kind(payload: bytes, status: str, detail: str) -> None:
    with pytest.raises(FailedError) as caught:
        Answer().take(b"", payload)
    assert caught.value.status == status
    assert detail in caught.value.detail


@pytest.mark.parametrize("payload", [b'{"message":"full"}', b"full", b'"full"'])
def test_an_event_called_error_is_one_whatever_it_holds(payload: bytes) -> None:
    with pytest.raises(FailedError) as caught:
        Answer().take(b"error", payload)
    assert (caught.value.status, caught.value.detail) == ("error-event", "full")


def test_ollama_streams_lines_and_counts_in_the_last() -> None:
    answer = Answer()
    last = {
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "load_duration": 1_000_000_000,
        "prompt_eval_count": 26,
        "prompt_eval_cached_count": 8,
        "prompt_eval_duration": 500_000_000,
        "eval_count": 2,
        "eval_duration": 250_000_000,
    }
    values = {"message": {"content": "a"}, "done": False}
    thought = {"message": {"content": "", "thinking": "hm"}, "done": False}
    assert has_text(answer, thought, values, last) == [True, True, False]
    assert answer.done
    assert answer.tokens(3) == api.Tokens(2, 26, 8, "eval_count")
    assert answer.timings() == ServerTimings(26, 0.5, None, 2, 0.25, None, 1.0)


def test_counters_that_ollama_leaves_out_are_unknown_and_not_zero() -> None:
    answer = Answer()
    assert has_text(answer, {"response": "a"}, {"response": "", "done": True}) == [True, False]
    assert answer.tokens(1) == api.Tokens()
    assert answer.timings() is None
    with pytest.raises(FailedError, match="model runner"):
        has_text(Answer(), {"error": "model runner has stopped"})


@given(st.lists(JSON, max_size=6), st.sampled_from([b"", b"error"]))
def test_any_json_is_read_or_fails_with_a_kind(events: list[object], name: bytes) -> None:
    answer = Answer()
    for each in events:
        try:
            answer.take(name, orjson.dumps(each))
        except FailedError as error:
            assert error.status in {"malformed", "error-event"}  # noqa: PT017 - both are right
    assert answer.tokens(1).output_tokens != 0


@given(st.text(), st.integers(2, 40))
def test_a_detail_is_one_printable_line(text: str, length: int) -> None:
    line = api.one_line(text, length)
    assert line.isprintable()
    assert len(line) <= length
