from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import llm_client as benchmark
from collectors.llm import api, client, measures
from collectors.llm.client import Options, prompts
from sitegen.errors import SitegenError
from tests.collectors.llm.conftest import Run
from tests.collectors.llm.peer import (
    DONE,
    Answer,
    Peer,
    Record,
    Server,
    chat,
    event,
    finish,
    load_of,
    usage,
    whole,
)
from tests.collectors.llm.test_api import JSON

ROOT = Path(__file__).parents[3]
Serve = Callable[[Answer], Server]
USUAL = ("--api", "openai-chat", "--model", "m", "--concurrency", "1", "--requests", "1")


def requests(records: list[Record]) -> list[Record]:
    return [each for each in records if each["record"] == "request"]


def only(records: list[Record]) -> Record:
    [values] = requests(records)
    return values


def saying(data: bytes, kind: str = "text/event-stream") -> Answer:
    async def say(peer: Peer) -> None:
        await peer.say(data, kind)

    return say


def test_a_usual_answer_is_stamped_and_counted(run: Run) -> None:
    start, one, end = run(saying(whole("a", "bc", "d")), output_tokens=3)
    assert start == {"record": "start", "schema": 1, "api": "openai-chat"}
    assert (one["status"], one["detail"], one["stalls"]) == ("ok", None, 0)
    assert (one["events"], one["gaps_s"]) == (3, (0.0, 0.0))  # one read is one stamp
    assert (one["output_tokens"], one["input_tokens"], one["cached_tokens"]) == (3, 9, None)
    assert one["token_source"] == "usage"  # noqa: S105 - no password
    stamps = [one[f"{name}_s"] for name in ("sent", "first_token", "last_token", "ended")]
    assert stamps == sorted(stamps)
    assert one["scheduled_s"] is None
    assert (end["record"], end["chunks"], end["interrupted"]) == ("end", 3, False)
    assert end["warmup_stable"] is None
    assert end["wall_s"] > 0
    assert end["cpu_s"] > 0
    assert load_of([start, one, end]).ok


def test_a_role_without_text_is_no_first_token(run: Run) -> None:
    stamps = {}

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(chat(role="assistant", content=None))
        await peer.send(chat(content=""))
        await asyncio.sleep(0.05)  # makes the wrong answer differ, never the right one
        stamps["text"] = time.perf_counter() - peer.received_s
        await peer.send(chat(content="a"))
        await peer.send(finish() + usage(1) + DONE)
        await peer.end()

    one = only(run(script))
    assert one["first_token_s"] - one["sent_s"] >= stamps["text"]
    assert one["events"] == 1


def test_any_cuts_line_ends_and_comments_leave_the_text_as_it_is(run: Run) -> None:
    output = chat(content="é€").replace(b"\n", b"\r\n") + b": ping\r\n\r\n"
    lines = b'data: {"choices":[{"delta":\r\ndata: {"content":"b"}}]}\r\n\r\n'
    data = output + lines + finish() + usage(2) + DONE

    async def script(peer: Peer) -> None:
        await peer.head()
        for at in range(len(data)):
            await peer.send(data[at : at + 1])
        await peer.end()

    one = only(run(script))
    assert (one["status"], one["events"]) == ("ok", 2)


def test_done_is_the_end_even_when_the_server_then_waits(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(whole("a"))
        await peer.reader.read()

    for policy in ("fresh", "reuse"):
        records = run(script, requests=2, connections=policy, timeout_s=0.5)
        assert {each["status"] for each in requests(records)} == {"ok"}


BAD = (
    (b'event: error\ndata: {"message":"full"}\n\n', "error-event", "full"),
    (event({"error": {"message": "out of memory", "code": 500}}), "error-event", "out of"),
    (b'error: {"code":400,"message":"no slot"}\n\n', "error-event", "no slot"),
    (chat(content="a") + event({"error": "gone"}), "error-event", "gone"),
    (chat(content="a") + b'data: {"choices": [{\n\n', "malformed", "cannot be read"),
    (b"data: [1]\n\n", "malformed", "got `array`"),
    (chat(content="a"), "disconnect", "ended before the answer did"),
    (chat(content="a") + b"data: [DO", "disconnect", "ended before the answer did"),
    (chat(role="assistant") + finish("stop") + usage(0) + DONE, "zero-tokens", "of 0 tokens"),
    (DONE, "zero-tokens", "no count"),
    (b"", "malformed", "no event"),
    (b'{"error":{"message":"busy"}}', "error-event", "busy"),
    (b'{"choices":[{"message":{"content":"a"}}]}', "malformed", "no event"),
    (b'{"object":"error",\n\n"message":"busy"}\n\n', "error-event", "busy"),
    (event({"object": "error", "message": "busy"}) + DONE, "error-event", "busy"),
    (event({"detail": "busy"}) + DONE, "error-event", "busy"),
    (chat(tool_calls=[{"index": 0}]) + finish() + usage(2) + DONE, "tool-call", "2 tokens"),
    (chat(content="a") + finish("abort") + DONE, "error-event", "finished with 'abort'"),
    (b"data: " + b"x" * (2 << 20), "malformed", "longer than"),
)
BAD_OLLAMA = (
    (b'{"error":"model runner has stopped"}\n', "error-event", "model runner"),
    (b'{"message":{"content":"a"}}\n{"mess', "malformed", "cannot be read"),
    (b'{"message":{"content":"a"}}\n', "disconnect", "ended before the answer did"),
    (b'{"done":true,"eval_count":3}\n', "zero-tokens", "of 3 tokens"),
    (b"<html>\n", "malformed", "cannot be read"),
)


@pytest.mark.parametrize(
    ("dialect", "data", "status", "detail"),
    [*(("openai-chat", *row) for row in BAD), *(("ollama", *row) for row in BAD_OLLAMA)],
)
def test_each_way_to_answer_badly_has_its_status(
    run: Run, dialect: str, data: bytes, status: str, detail: str
) -> None:
    one = only(run(saying(data), api=dialect))
    assert one["status"] == status
    assert detail in one["detail"]
    assert one["detail"].isprintable()


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        ("401 Unauthorized", b'{"error":{"message":"bad key"}}', "HTTP 401: bad key"),
        ("404 Not Found", b'{"object":"error","message":"no model m"}', "HTTP 404: no model m"),
        ("422 No", b'{"detail":"too\\nlong"}', "HTTP 422: too long"),
        ("500 Oops", b"<html><h1>Oops</h1></html>", "HTTP 500"),
        ("429 Slow", b"\xff" * 100_000, "HTTP 429"),
        ("302 Found", b"", "HTTP 302: redirects are not followed"),
    ],
)
def test_another_status_than_200_is_a_failure(
    run: Run, status: str, body: bytes, detail: str
) -> None:
    async def script(peer: Peer) -> None:
        peer.chunked = False
        length = f"Content-Length: {len(body)}\r\nLocation: /elsewhere\r\n"
        await peer.head(status, "application/json", length)
        await peer.raw(body)

    server = Server(script)
    one = only(run(server))
    assert (one["status"], one["detail"]) == ("http", detail)
    assert len(server.peers) == 1


def test_what_follows_the_end_is_of_no_answer(run: Run) -> None:
    one = only(run(saying(whole("a", "b") + 3 * chat(content="c") + event({"error": "late"}))))
    assert (one["status"], one["events"], one["output_tokens"]) == ("ok", 2, 2)


def test_tokens_of_a_tool_call_after_text_have_their_times(run: Run) -> None:
    call = chat(tool_calls=[{"index": 0, "function": {"arguments": "{"}}])
    data = chat(content="a") + call + call + finish("tool_calls") + usage(3) + DONE
    one = only(run(saying(data)))
    assert (one["status"], one["events"], one["output_tokens"]) == ("ok", 3, 3)


def test_another_model_than_was_asked_for_is_named_without_the_key(run: Run) -> None:
    names = iter(("M", "path/m", "other-sk-1234567890"))

    async def script(peer: Peer) -> None:
        data = event({"model": next(names), "choices": [{"delta": {"content": "a"}}]})
        await peer.say(data + finish() + usage(1) + DONE)

    records = run(script, requests=3, key="sk-1234567890")
    assert [each["model"] for each in requests(records)] == [None, None, "other-***"]


def refusing(status: str, body: bytes, *fields: str) -> Answer:
    """Return a server that answers so to a request with one of these fields."""

    async def script(peer: Peer) -> None:
        refused = set(fields) & set(peer.asked)
        await peer.head(*((status, "application/json") if refused else ()))
        await peer.send(body if refused else chat(content="a") + finish() + DONE)
        await peer.end()

    return script


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("400 Bad", b'{"error":{"message":"Unrecognized argument: stream_options"}}'),
        ("422 No", b'{"detail":[{"loc":["body","stream_options"],"msg":"not permitted"}]}'),
        ("500 Oops", b'{"error":"stream_options"}'),
        ("400 Bad", b""),
        ("400 Bad", b'{"message":"Invalid request"}'),
        ("200 OK", b'{"error":"unknown field stream_options"}'),
    ],
)
@pytest.mark.parametrize("load", [{"concurrency": 2}, {"rate": 200.0}, {"warmup_max": 4}])
def test_a_server_that_refuses_to_be_asked_for_usage_is_measured_without(
    run: Run, status: str, body: bytes, load: dict[str, Any]
) -> None:
    server = Server(refusing(status, body, "stream_options"))
    records = run(server, requests=6, **load)
    assert {each["status"] for each in requests(records)} == {"ok"}
    assert records[-1]["left_out"] == ("stream_options",)
    # It is asked no more once that is known.
    assert sum("stream_options" in peer.asked for peer in server.peers) <= 6
    assert "stream_options" not in server.peers[-1].asked
    for each in requests(records):
        assert each["sent_s"] <= each["first_token_s"]


@pytest.mark.parametrize(
    ("status", "body", "sent"),
    [
        ("400 Bad", b'{"error":"Unrecognized: ignore_eos"}', 4),  # once more, to see
        ("400 Bad", b'{"error":"the prompt is too long"}', 3),
        ("503 Busy", b"", 3),
        ("401 No", b"", 3),
    ],
)
def test_what_is_refused_for_something_else_is_not_sent_again_and_again(
    run: Run, status: str, body: bytes, sent: int
) -> None:
    server = Server(refusing(status, body, "ignore_eos"))
    records = run(server, requests=3)
    assert {each["status"] for each in requests(records)} == {"http"}
    assert len(server.peers) == sent
    assert records[-1]["left_out"] == ()


def test_where_usage_was_taken_a_later_refusal_has_another_reason(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await refusing("400 Bad", b"", *(["model"] if peer.number else []))(peer)

    server = Server(script)
    records = run(server, requests=3)
    assert [each["status"] for each in requests(records)] == ["ok", "http", "http"]
    assert len(server.peers) == 3


@pytest.mark.parametrize("data", [b"", chat(content="a")])
def test_a_broken_connection_is_a_disconnect(run: Run, data: bytes) -> None:
    async def script(peer: Peer) -> None:
        if data:
            await peer.head()
            await peer.send(data)
        peer.cut()

    one = only(run(script))
    assert one["status"] == "disconnect"
    assert one["detail"]


@pytest.mark.parametrize("data", [None, b"", chat(content="a"), whole("a").removesuffix(DONE)])
def test_a_server_that_stops_talking_times_out(run: Run, data: bytes | None) -> None:
    async def script(peer: Peer) -> None:
        if data is not None:
            await peer.head()
            await peer.raw(b"%x\r\n%s\r\n" % (len(data), data) if data else b"")
        await peer.reader.read()

    one = only(run(script, timeout_s=0.2))
    assert (one["status"], one["detail"]) == ("timeout", "not over after 0.2 s")


def test_gaps_longer_than_the_limit_are_stalls() -> None:
    row = client.Row("measured", 0, api.Answer())
    row.sent, row.ended = 5_000_000_000, 7_000_000_000
    row.stamps = [5_000_000_000, 5_000_000_700, 5_250_000_000, 7_000_000_000]
    record = row.record(4_000_000_000, 1.0)
    assert record.gaps_s == (0.000001, 0.249999, 1.75)
    assert [row.record(0, limit).stalls for limit in (1.0, 0.2, 2.0)] == [1, 2, 0]
    assert (record.sent_s, record.first_token_s, record.last_token_s) == (1.0, 1.0, 3.0)


OLLAMA_LAST = {
    "done": True,
    "done_reason": "length",
    "eval_count": 2,
    "eval_duration": 10**9,
    "prompt_eval_count": 5,
    "load_duration": 2 * 10**9,
}


@pytest.mark.parametrize("path", ["", "/api/generate"])
def test_ollama_is_read_line_by_line(run: Run, path: str) -> None:
    async def script(peer: Peer) -> None:
        values = peer.asked
        assert values["options"]["num_predict"] == 2
        assert values["stream"] is True
        lines = [
            {"response": text} if "prompt" in values else {"message": {"content": text}}
            for text in ("a", "b")
        ]
        data = b"\n".join(orjson.dumps(line) for line in (*lines, OLLAMA_LAST))
        await peer.say(data, "application/x-ndjson")

    server = Server(script)
    one = only(run(server, api="ollama", path=path, output_tokens=2))
    assert server.peers[0].line == f"POST {path or '/api/chat'} HTTP/1.1"
    assert (one["status"], one["output_tokens"], one["token_source"]) == ("ok", 2, "eval_count")
    server_s = {name: one["server"][f"{name}_s"] for name in ("prompt", "predicted", "load")}
    assert server_s == {"prompt": None, "predicted": 1.0, "load": 2.0}


def test_a_closed_loop_keeps_its_streams_busy_and_no_more(run: Run) -> None:
    both = asyncio.Event()

    async def script(peer: Peer) -> None:
        if peer.number >= 2:
            both.set()
        await both.wait()  # the third arrives only when three are kept under way
        await peer.say(whole("a"))

    server = Server(script)
    records = run(server, concurrency=3, requests=10)
    assert server.most_at_once == 3
    assert sorted(each["index"] for each in requests(records)) == list(range(10))
    assert {each["status"] for each in requests(records)} == {"ok"}


def test_an_open_loop_sends_when_it_is_due_whatever_the_server_does(run: Run) -> None:
    everyone = asyncio.Event()

    async def script(peer: Peer) -> None:
        if peer.number == 4:
            everyone.set()
        await everyone.wait()  # no answer before the last request is there
        await peer.say(whole("a"))

    records = run(script, rate=200.0, requests=5, seed=3)
    rows = sorted(requests(records), key=lambda each: int(each["index"]))
    due = [each["scheduled_s"] for each in rows]
    gaps = [b - a for a, b in itertools.pairwise(due)]
    assert len(set(gaps)) == len(gaps)
    for each in rows:
        assert each["sent_s"] >= each["scheduled_s"]
    again = [each["scheduled_s"] for each in requests(run(script, rate=200.0, requests=5, seed=3))]
    again_gaps = [b - a for a, b in itertools.pairwise(sorted(again))]
    assert again_gaps == pytest.approx(gaps, abs=3e-6)


def test_arrivals_are_poisson_with_the_rate_asked_for() -> None:
    due = list(client._arrivals(Options("", "ollama", "", rate=50.0, requests=20000)))  # noqa: SLF001
    gaps = [b - a for a, b in itertools.pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1 / 50, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.05)  # of an exponential distribution both
    limited = list(client._arrivals(Options("", "ollama", "", rate=50.0, duration_s=1.0)))  # noqa: SLF001
    assert limited == [each for each in due if each < 1.0]


def test_warm_up_comes_before_and_is_kept_apart(run: Run) -> None:
    server = Server(saying(whole("a")))
    records = run(server, requests=3, warmup_max=40, concurrency=2)
    warm = [each for each in requests(records) if each["phase"] == "warmup"]
    measured = [each for each in requests(records) if each["phase"] == "measured"]
    assert len(measured) == 3
    assert 0 < len(warm) <= 40
    assert len(warm) % 2 == 0
    assert all(each["ended_s"] <= 0 <= other["sent_s"] for each in warm for other in measured)
    assert records[-1]["warmup_stable"] or len(warm) == 40
    assert records[-1]["chunks"] == 3
    assert len({peer.asked["messages"][0]["content"] for peer in server.peers}) == len(server.peers)


def test_a_warm_up_ends_when_three_blocks_agree_or_nothing_works(run: Run) -> None:
    assert client._stable([1.0, 1.01, 1.02])  # noqa: SLF001
    assert client._stable([9.0, 1.0, 1.0, 1.0])  # noqa: SLF001
    assert not client._stable([1.0, 1.0])  # noqa: SLF001
    assert not client._stable([1.0, 1.0, 1.03])  # noqa: SLF001
    records = run(saying(b""), warmup_max=100)
    assert len(requests(records)) == 3
    assert records[-1]["warmup_stable"] is False


def test_fresh_connections_are_new_ones_and_kept_ones_are_used_again(run: Run) -> None:
    fresh, kept = Server(saying(whole("a"))), Server(saying(whole("a")))
    for server, policy in ((fresh, "fresh"), (kept, "reuse")):
        records = run(server, requests=6, connections=policy)
        assert {each["status"] for each in requests(records)} == {"ok"}
    assert (fresh.connections, kept.connections) == (6, 1)


def test_a_kept_connection_that_the_server_drops_costs_that_request(run: Run) -> None:
    async def script(peer: Peer) -> None:
        if peer.number % 2:
            peer.cut()
        else:
            await peer.say(whole("a"))

    records = run(script, requests=4, connections="reuse")
    statuses = [each["status"] for each in requests(records)]
    assert statuses == ["ok", "disconnect", "ok", "disconnect"]


@given(st.sampled_from(["unique", "shared"]), st.integers(8, 300), st.integers(0, 9))
def test_prompts_have_their_length_and_are_all_different(kind: str, tokens: int, seed: int) -> None:
    texts, again = (list(map(prompts(kind, tokens, seed, 12345), range(40))) for _ in range(2))
    assert len(set(texts)) == 40
    assert {len(text.split()) for text in texts} == {tokens}
    assert texts == again
    own = slice(0, 2) if kind == "unique" else slice(tokens - 4, tokens)
    assert len({tuple(text.split()[own]) for text in texts}) == 40


def test_unique_prompts_share_no_prefix_with_another_process() -> None:
    one, other = (prompts("unique", 64, 0, nonce)(0).split() for nonce in (7, 8))
    assert one[0] != other[0]
    assert one[8:] == other[8:]


def test_a_request_carries_no_cookie(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head(more="Set-Cookie: a=b\r\n")
        await peer.send(whole("a"))
        await peer.end()

    server = Server(script)
    run(server, requests=2)
    assert [("cookie" in peer.headers) for peer in server.peers] == [False, False]


@given(st.lists(JSON, max_size=5), st.sampled_from(["measured", "warmup"]))
def test_whatever_a_server_says_the_record_can_be_read(
    events: list[object], phase: Literal["measured", "warmup"]
) -> None:
    row = client.Row(phase, 0, api.Answer())
    row.sent = 1_000_000_000
    try:
        for number, each in enumerate(events):
            client._hear([(b"", orjson.dumps(each))], row, (2 + number) * 1_000_000_000)  # noqa: SLF001
        client._judge(row, "text/event-stream")  # noqa: SLF001
    except api.FailedError as error:
        row.status, row.detail = error.status, api.one_line(error.detail)
    row.ended = row.ended or row.sent
    start: Record = {"record": "start", "schema": 1, "api": "ollama"}
    load = load_of([start, msgspec.to_builtins(row.record(0, 1.0))])
    measures.record(load, "w", (), measures.SLOS)


def certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    argv += ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*argv, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_needs_a_certificate_that_is_trusted(run: Run, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    script = saying(whole("a"))
    assert only(run(script, tls=context, ca=str(cert)))["status"] == "ok"
    with pytest.raises(SitegenError, match=r"no request could be sent: .*certificate"):
        run(script, tls=context)


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "collectors.llm.client", *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def records_of(text: str) -> list[Mapping[str, Any]]:
    return [orjson.loads(line) for line in text.splitlines()]


def test_the_command_prints_json_lines_and_nothing_of_what_was_generated(served: Serve) -> None:
    server = served(saying(whole("SECRET", "TEXT")))
    done = command("--url", server.url, *USUAL, "--key-env", "KEY", KEY="sk-1234567")
    assert (done.returncode, done.stderr) == (0, "")
    kinds = [record["record"] for record in records_of(done.stdout)]
    assert kinds == ["start", "request", "end"]
    assert "SECRET" not in done.stdout
    assert "1234567" not in done.stdout
    assert server.peers[0].headers["authorization"] == "Bearer sk-1234567"


SECRET = "sk-Ab/cD+9=fG7xYz0~Qrs?t"  # noqa: S105 - no server's


def forms(key: str) -> set[str]:
    """Return what may not be printed, in small letters."""
    names = {key, key[:8], key[:12], quote(key), quote(key, safe=""), quote_plus(key)}
    for data in (key.encode(), f"Bearer {key}".encode()):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            names |= {encode(data).decode(), encode(data).decode().rstrip("=")}
    return {form.lower() for form in names}


FORMS = (
    SECRET,
    f"{SECRET.upper()[:12]}...",
    quote(SECRET, safe="").lower(),
    quote_plus(SECRET),
    base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    base64.b64encode(f"Bearer {SECRET}".encode()).decode(),
)


def echoes(text: str) -> dict[str, Answer]:
    """Return servers that repeat ``said`` wherever they may say something."""
    fields = {"message": text, "type": text, "code": text, "param": text}
    chosen = {"role": text, "content": text, text: text}
    choice = {"index": 0, "delta": chosen, "finish_reason": text, text: text}
    answer = {"id": text, "model": text, "choices": [choice], "usage": {text: text}}

    async def error(peer: Peer) -> None:
        body = orjson.dumps({"error": fields, "detail": text})
        await peer.head(f"401 {text}", "application/json", f"X-Key: {text}\r\n")
        await peer.send(body)
        await peer.end()

    async def coded(peer: Peer) -> None:
        await peer.head(more=f"Content-Encoding: {text}\r\nX-Key: {text}\r\n")
        await peer.end()

    async def typed(peer: Peer) -> None:
        await peer.say(b"", kind=f"text/{text}")

    async def no_http(peer: Peer) -> None:
        await peer.raw(f"HTTP/9.9 {text} {text}\r\n\r\n".encode())
        peer.cut()

    async def bad_header(peer: Peer) -> None:
        await peer.raw(f"HTTP/1.1 200 OK\r\nA {text}: {text}\r\n\r\n".encode())
        peer.cut()

    raw = f"event: error\ndata: {text}\n\n".encode()
    return {
        "answer": saying(event(answer) + DONE),
        "error": error,
        "event": saying(event({"error": fields})),
        "text": saying(raw),
        "cut": saying(event({"error": f"{'x' * 150} {text}"})),
        "coded": coded,
        "typed": typed,
        "no-http": no_http,
        "bad-header": bad_header,
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_a_server_repeats_is_nowhere_in_what_is_printed(form: str, run: Run) -> None:
    scripts = echoes(form)

    async def script(peer: Peer) -> None:
        await list(scripts.values())[peer.number](peer)

    server = Server(script)
    records = run(server, requests=len(scripts), key=SECRET)
    assert server.peers[0].headers["authorization"] == f"Bearer {SECRET}"
    printed = orjson.dumps(records).decode().lower()
    assert not [each for each in forms(SECRET) if each in printed]
    by_name = dict(zip(scripts, requests(records), strict=True))
    assert by_name["answer"]["status"] == "ok"
    for name in ("error", "event", "text", "coded", "typed"):
        assert "***" in by_name[name]["detail"], name


@given(
    st.from_regex(r"[!-)+-~]{1,40}", fullmatch=True),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_a_mask_leaves_no_key_in_a_text(key: str, before: str, after: str) -> None:
    assert key not in client.masking(key, "")(f"{before}{key}{after}")
    assert client.masking(None, "")(key) == key


def test_a_mask_hides_the_host_of_another_machine_as_a_whole_word() -> None:
    mask = client.masking(None, "http://Inference.example:8000/v1")
    text = "to inference.EXAMPLE:8000, of inference.example.org"
    assert mask(text) == "to endpoint:8000, of endpoint.org"
    assert client.masking(None, "http://127.0.0.1:80")("127.0.0.1") == "127.0.0.1"


def test_what_ends_the_client_is_masked_on_its_standard_error() -> None:
    # The name cannot be looked up, and the message has the name.
    key = "nosuchhost-sk-1234567"
    done = command("--url", f"http://{key}.invalid", *USUAL, "--key-env", "KEY", KEY=key)
    assert done.returncode == 1
    assert "no request could be sent" in done.stderr
    assert key[:8] not in done.stdout + done.stderr


def test_a_server_that_is_not_there_is_one_line_and_code_1() -> None:
    done = command("--url", "http://127.0.0.1:1", *USUAL)
    assert done.returncode == 1
    assert re.fullmatch(r"llm client: --url: no request could be sent: .+\n", done.stderr)
    assert [record["status"] for record in records_of(done.stdout)[1:-1]] == ["refused"]


def test_when_nobody_reads_on_the_client_ends_without_a_word(served: Serve) -> None:
    server = served(saying(whole("a")))
    argv = [sys.executable, "-m", "collectors.llm.client", "--url", server.url, *USUAL[:-1]]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*argv, "1000000"], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--url", "x", *USUAL), "not an http or https address"),
        (("--url", "http://a:b@h", *USUAL), "no credentials"),
        (("--url", "http://h", *USUAL, "--rate", "1"), "either --concurrency or --rate"),
        (("--url", "http://h", *USUAL[:-2]), "--requests, --duration-s or both"),
        (("--url", "http://h", *USUAL[:-1], "0"), "arguments requests: expected int >= 1"),
        (("--url", "http://h", *USUAL, "--timeout-s", "nan"), "timeout_s: expected float > 0"),
        (("--url", "http://h", *USUAL, "--input-tokens", "7"), "input_tokens: expected int >= 8"),
        (("--url", "http://h", *USUAL, "--key", "secret"), "unknown field key"),
        (("--url", "http://h", *USUAL, "--key-env", "NOT_SET_HERE"), "no usable key"),
        (("--url", "http://h", *USUAL, "--ca", "/nowhere"), "no certificates can be read"),
        ((), "missing required field url"),
    ],
)
def test_a_wrong_use_is_one_line(
    arguments: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "phase"), [(signal.SIGINT, "measured"), (signal.SIGTERM, "warmup")]
)
@pytest.mark.parametrize("load", [("--concurrency", "2"), ("--rate", "100")])
def test_a_signal_ends_the_load_with_what_there_is(
    served: Serve, number: signal.Signals, load: tuple[str, str], phase: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(chat(content="a"))
        await peer.reader.read()

    server = served(script)
    more = ("--warmup-max", "10") if phase == "warmup" else ()
    argv = [sys.executable, "-m", "collectors.llm.client", "--url", server.url, *USUAL[:4]]
    with subprocess.Popen(
        [*argv, *load, "--requests", "50", *more], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert server.arrived.wait(30)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    records = records_of(out)
    assert records[-1]["interrupted"] is True
    rows = [each for each in records if each["record"] == "request"]
    assert rows
    assert {(each["status"], each["phase"]) for each in rows} == {("cancelled", phase)}
    load_read = load_of(records)
    assert load_read.measured == ()
    assert load_read.notes == ("The load was interrupted.",)


def test_the_benchmark_measures_us_and_the_peers_that_are_installed() -> None:
    values = benchmark.figures(streams=2, rate=200.0, seconds=0.05, rounds=1)
    costs, absent = values["cpu_us_per_chunk"], values["not_installed"]
    assert isinstance(costs, dict)
    assert isinstance(absent, list)
    assert {*costs, *absent} == {"sitegen", "httpx", "openai"}
    assert "sitegen" in costs
    assert all(cost > 0 for cost in costs.values())
