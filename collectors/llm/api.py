"""The dialects of streaming inference servers: where to send, what to ask, what an event says.

``openai-chat`` and ``openai-completions`` are the two streaming endpoints of the OpenAI API
with what vLLM, SGLang and llama.cpp's server add to it; ``ollama`` is Ollama's ``/api/chat`` or
``/api/generate``. Nothing here reads a socket or a clock.
"""

from __future__ import annotations

import os
import re
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec
import orjson

from collectors.llm.measures import Outcome, ServerTimings
from sitegen.errors import SitegenError

Api: TypeAlias = Literal["openai-chat", "openai-completions", "ollama"]

_PATHS: Final = {
    "openai-chat": "chat/completions",
    "openai-completions": "completions",
    "ollama": "api/chat",
}
_OLLAMA_GENERATE = "api/generate"
_NS, _MS = 1e-9, 1e-3
#: What stands for the host of an address in all that is archived.
HIDDEN: Final = "endpoint"
_DETAIL_LENGTH = 160
_Value = TypeVar("_Value")
#: Words of a prompt that tell it from others.
NONCE_WORDS: Final = 4
_Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1e7)]
_ERROR = "the server sent an error"
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] | None
_Number = Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None
_Nanoseconds = Annotated[float, msgspec.Meta(ge=0, le=1e18)] | None


class FailedError(Exception):
    """A request that failed: ``status`` names the kind, ``detail`` is as the server gave it."""

    def __init__(self, status: Outcome, detail: str) -> None:
        """Keep both."""
        super().__init__(status, detail)
        self.status, self.detail = status, detail


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to send, where and how; the command line has the same names.

    ``concurrency`` makes a closed loop of so many streams, ``rate`` an open one with Poisson
    arrivals. ``duration_s`` is how long is sent: what is then under way may end. A gap longer
    than ``stall_s`` is a stall. Without ``extensions`` only the fields of OpenAI's own API are
    sent.
    """

    url: str
    api: Api
    model: Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=65_536)] | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None
    requests: Annotated[int, msgspec.Meta(ge=1, le=10**9)] | None = None
    duration_s: _Seconds | None = None
    input_tokens: Annotated[int, msgspec.Meta(ge=2 * NONCE_WORDS, le=10**7)] = 128
    output_tokens: Annotated[int, msgspec.Meta(ge=1, le=10**7)] = 128
    prompt: Literal["unique", "shared"] = "unique"
    connections: Literal["fresh", "reuse"] = "fresh"
    warmup_max: Annotated[int, msgspec.Meta(ge=0, le=10**6)] = 0
    timeout_s: _Seconds = 600.0
    stall_s: _Seconds = 1.0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    ca: str | None = None
    key_env: str | None = None
    extensions: bool = True

    @property
    def key(self) -> str | None:
        """The key that requests carry; raises SitegenError where the environment has none."""
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            message = f"the environment has no usable key in {self.key_env[:60]!r}"
            raise SitegenError(message, where="--key-env")
        return key


class Tokens(NamedTuple):
    """Token counts by the server; None where it gave none. The source is the field's name."""

    output_tokens: int | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    token_source: str | None = None


def address(base: str, api: str) -> str:
    """Return the address that requests of ``api`` go to.

    A base that names the endpoint stays as it is; one that ends in a version (``/v1``) gets the
    endpoint; any other gets ``/v1/`` and the endpoint, and for Ollama ``/api/chat``. Raises
    SitegenError for what is no http address, or holds credentials.
    """
    try:
        parts = urlsplit(base)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[^\x21-\x7e]", base):
        message, fix = "is not an http or https address", "write for example http://127.0.0.1:8080"
        raise SitegenError(f"{base[:80]!r} {message}", where="--url", fix=fix)
    if parts.username is not None or parts.password is not None or parts.query:
        message = "an address is published with the run and may hold no credentials"
        fix = "put the key into an environment variable and name it with --key-env"
        raise SitegenError(message, where="--url", fix=fix)
    path = parts.path.rstrip("/")
    ends = (_PATHS["ollama"], _OLLAMA_GENERATE) if api == "ollama" else (_PATHS[api],)
    if not path.endswith(tuple(f"/{end}" for end in ends)):
        versioned = api == "ollama" or re.search(r"/v\d+[a-z0-9]*$", path)
        path = f"{path}/{'' if versioned else 'v1/'}{ends[0]}"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def is_near(url: str) -> bool:
    """Say whether an address is of this machine."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host))


def body(ask: Options, url: str, prompt: str) -> bytes:
    """Return the JSON body of one request to the address ``url``.

    The answer is greedy and as long as the dialect can make it: Ollama has no way to go on
    past the model's own end, so its answers may be shorter.
    """
    fields: dict[str, Any] = {"model": ask.model, "stream": True}
    greedy = {"temperature": 0, "seed": ask.seed}
    if ask.api == "ollama":
        fields["options"] = {"num_predict": ask.output_tokens, **greedy}
    else:
        fields |= {"stream_options": {"include_usage": True}, "max_tokens": ask.output_tokens}
        fields |= greedy
        if ask.extensions:
            fields |= {"ignore_eos": True, "min_tokens": ask.output_tokens}
    if ask.api == "openai-completions" or url.endswith(_OLLAMA_GENERATE):
        fields["prompt"] = prompt
    else:
        fields["messages"] = [{"role": "user", "content": prompt}]
    return orjson.dumps(fields)


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: _Count = None


class _Usage(msgspec.Struct, frozen=True):
    completion_tokens: _Count = None
    prompt_tokens: _Count = None
    prompt_tokens_details: _Details | None = None


class _Timings(msgspec.Struct, frozen=True):
    cache_n: _Count = None
    prompt_n: _Count = None
    prompt_ms: _Number = None
    prompt_per_second: _Number = None
    predicted_n: _Count = None
    predicted_ms: _Number = None
    predicted_per_second: _Number = None


class _Text(msgspec.Struct, frozen=True):
    """Text. vLLM, DeepSeek and llama.cpp have one name of reasoning, others another."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None

    def __bool__(self) -> bool:
        return bool(self.content or self.reasoning_content or self.reasoning or self.thinking)


class _Choice(msgspec.Struct, frozen=True):
    delta: _Text | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Event(msgspec.Struct, frozen=True):
    """One event: the first four are of the OpenAI dialects, the others of Ollama."""

    error: Any = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    timings: _Timings | None = None
    message: _Text | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    load_duration: _Nanoseconds = None
    prompt_eval_count: _Count = None
    prompt_eval_cached_count: _Count = None
    prompt_eval_duration: _Nanoseconds = None
    eval_count: _Count = None
    eval_duration: _Nanoseconds = None


_EVENT = msgspec.json.Decoder(_Event)


class Answer:
    """An answer in any dialect. Text is content and reasoning; a role alone is none.

    Usage may ride on the last event of the text, on the finishing one, or on one of its own
    whose ``choices`` are empty; where a server repeats it, the last one counts. Ollama's counters
    are in its last line, each absent where it would be 0: an absent one is unknown.
    """

    __slots__ = ("_last", "_timings", "_usage", "done", "finished")

    def __init__(self) -> None:
        """Start empty; ``finished`` is that the model has ended, ``done`` the stream too."""
        self.done = self.finished = False
        self._usage = _Usage()
        self._timings = _Timings()
        self._last = _Event()

    def take(self, name: bytes, payload: bytes) -> bool:
        """Read one event; return whether it has text. Raises FailedError."""
        if payload == b"[DONE]":
            self.done = True
            return False
        if name == b"error":
            otherwise = payload.decode("utf-8", "replace") or _ERROR
            raise FailedError("error-event", error_text(payload, otherwise))
        try:
            event = _EVENT.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FailedError("malformed", f"an event cannot be read: {error}") from None
        if event.error:
            raise FailedError("error-event", error_text(payload, _ERROR))
        if event.usage is not None:
            self._usage = event.usage
        if event.timings is not None:
            self._timings = event.timings
        if event.done:
            self.done = self.finished = True
            self._last = event
        has_text = bool(event.message or event.response or event.thinking)
        for choice in event.choices or ():
            self.finished |= choice.finish_reason is not None
            has_text |= bool(choice.text or choice.delta)
        return has_text

    def tokens(self, events: int) -> Tokens:
        """Return the server's counts: usage, else llama.cpp's timings, or Ollama's counters.

        A count of 0 beside text is wrong, so it is no count.
        """
        usage, timings, last = self._usage, self._timings, self._last
        details = usage.prompt_tokens_details or _Details()
        cached = _first(details.cached_tokens, timings.cache_n, last.prompt_eval_cached_count)
        prompt = _first(usage.prompt_tokens, last.prompt_eval_count or None)
        if prompt is None and timings.prompt_n is not None:
            prompt = timings.prompt_n + (cached or 0)
        for source, count in (
            ("usage", usage.completion_tokens),
            ("timings", timings.predicted_n),
            ("eval_count", last.eval_count),
        ):
            if count is not None and (count or not events):
                return Tokens(count, prompt, cached, source)
        return Tokens(None, prompt, cached)

    def timings(self) -> ServerTimings | None:
        """Return the server's times in seconds, llama.cpp's rates as it printed them."""
        printed, last = self._timings, self._last
        prompt_s = _seconds(printed.prompt_ms, _MS)
        predicted_s = _seconds(printed.predicted_ms, _MS)
        timings = ServerTimings(
            _first(printed.prompt_n, last.prompt_eval_count),
            _first(prompt_s, _seconds(last.prompt_eval_duration, _NS)),
            printed.prompt_per_second,
            _first(printed.predicted_n, last.eval_count),
            _first(predicted_s, _seconds(last.eval_duration, _NS)),
            printed.predicted_per_second,
            _seconds(last.load_duration, _NS),
        )
        return None if timings == ServerTimings() else timings


def error_text(data: bytes, otherwise: str) -> str:
    """Return the message in the JSON of an error of any server, else ``otherwise``; not cut."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return otherwise
    for _ in range(3):
        if isinstance(value, dict):
            value = value.get("error") or value.get("message") or value.get("detail")
    return (value.strip() if isinstance(value, str) else "") or otherwise


def one_line(text: str, length: int = _DETAIL_LENGTH) -> str:
    """Return ``text`` on one line, without control characters, cut to ``length``."""
    flat = " ".join(text[: 4 * length].split())
    flat = "".join(letter if letter.isprintable() else "?" for letter in flat)
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


def _first(*values: _Value | None) -> _Value | None:
    return next((value for value in values if value is not None), None)


def _seconds(value: float | None, factor: float) -> float | None:
    return None if value is None else round(value * factor, 9)
