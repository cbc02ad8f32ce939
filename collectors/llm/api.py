"""The dialects of streaming inference servers: where to send, what to ask, what an event says.

``openai-chat`` and ``openai-completions`` are the two streaming endpoints of the OpenAI API
with what vLLM, SGLang and llama.cpp's server add to it; ``ollama`` is Ollama's ``/api/chat`` or
``/api/generate``. Nothing here reads a socket or a clock.
"""

from __future__ import annotations

import json
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
#: Reasons to finish that are failures: OpenRouter's, and vLLM's of a request that was given up.
_BROKEN_OFF: Final = frozenset({"error", "abort"})
_NESTED: Final = 4
#: Names of events that are of an answer.
_PLAIN: Final = frozenset({b"", b"message"})
#: What a server answers to a field that it does not know, and words of that.
_REFUSES_FIELDS: Final = frozenset({400, 422})
_FIELDS: Final = re.compile(
    r"unrecogni[sz]ed|unknown|unexpected|unsupported|not (?:supported|permitted|allowed)|extra"
    r"|additional|invalid|bad request|field|argument|parameter|propert|schema|validat",
    re.IGNORECASE,
)
#: The field that asks for usage: servers of OpenAI's first API refuse it.
USAGE_FIELD: Final = "stream_options"
#: Fields of vLLM, SGLang and llama.cpp, which others may refuse.
EXTENSIONS: Final = ("ignore_eos", "min_tokens")
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] | None
_Number = Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None
_Nanoseconds = Annotated[float, msgspec.Meta(ge=0, le=1e18)] | None


class FailedError(Exception):
    """A request that failed: ``status`` names the kind, ``detail`` is as the server gave it.

    ``code`` is that of HTTP, where it is one that says why.
    """

    def __init__(self, status: Outcome, detail: str, code: int = 0) -> None:
        """Keep all three."""
        super().__init__(status, detail, code)
        self.status, self.detail, self.code = status, detail, code


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
    """Token counts by the server; None where it gave none. The source is the field's name.

    ``other_output_tokens`` is what other figures of the same answer make of its tokens, where that
    is another number.
    """

    output_tokens: int | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    token_source: str | None = None
    other_output_tokens: int | None = None


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


def body(ask: Options, url: str, prompt: str, *, usage: bool = True) -> bytes:
    """Return the JSON body of one request to the address ``url``, asking for ``usage`` or not.

    The answer is greedy and as long as the dialect can make it: Ollama has no way to go on
    past the model's own end, so its answers may be shorter.
    """
    fields: dict[str, Any] = {"model": ask.model, "stream": True}
    greedy = {"temperature": 0, "seed": ask.seed}
    if ask.api == "ollama":
        fields["options"] = {"num_predict": ask.output_tokens, **greedy}
    else:
        fields |= {"max_tokens": ask.output_tokens, **greedy}
        if usage:
            fields[USAGE_FIELD] = {"include_usage": True}
        if ask.extensions:
            fields |= zip(EXTENSIONS, (True, ask.output_tokens), strict=True)
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
    total_tokens: _Count = None
    prompt_tokens_details: _Details | None = None


class _Timings(msgspec.Struct, frozen=True):
    cache_n: _Count = None
    prompt_n: _Count = None
    prompt_ms: _Number = None
    prompt_per_second: _Number = None
    predicted_n: _Count = None
    predicted_ms: _Number = None
    predicted_per_second: _Number = None


class _Part(msgspec.Struct, frozen=True):
    """One part of a content that is a list, as Mistral sends it; ``thinking`` is a list again."""

    text: str | None = None
    thinking: Any = None

    def __bool__(self) -> bool:
        return bool(self.text or self.thinking)


class _Text(msgspec.Struct, frozen=True):
    """Text. vLLM, DeepSeek and llama.cpp have one name of reasoning, others another.

    A call of a tool is no text, but tokens were made for it.
    """

    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    tool_calls: Any = None
    function_call: Any = None

    def __bool__(self) -> bool:
        content = self.content
        if isinstance(content, list):
            content = "parts" if any(content) else None
        return bool(
            content or self.reasoning_content or self.reasoning or self.thinking or self.refusal
        )

    @property
    def calls(self) -> bool:
        return bool(self.tool_calls or self.function_call)


class _Choice(msgspec.Struct, frozen=True):
    index: Any = 0
    delta: _Text | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Event(msgspec.Struct, frozen=True):
    """One event: the first five are of the OpenAI dialects, the others of Ollama."""

    error: Any = None
    model: Any = None
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


def _mended(payload: bytes) -> _Event | None:
    """Return an event in whose text a character was cut in two, or None."""
    try:
        value = json.loads(payload.decode("utf-8", "replace"))
        return msgspec.convert(value, _Event)
    except (ValueError, RecursionError):
        return None


def _event(name: bytes, payload: bytes) -> _Event:
    """Return an event of an answer. Raises FailedError for an error, and for anything else."""
    if name == b"error":
        otherwise = payload.decode("utf-8", "replace") or _ERROR
        raise FailedError("error-event", error_text(payload, otherwise))
    try:
        event = _EVENT.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # vLLM's errors have a text where Ollama's answers have an object.
        if payload.startswith(b"{") and (text := error_text(payload, "")):
            raise FailedError("error-event", text) from None
        if not payload or name not in _PLAIN:
            return _Event()  # what keeps a connection alive
        if (mended := _mended(payload)) is None:
            raise FailedError("malformed", f"an event cannot be read: {error}") from None
        event = mended
    if event.error:
        raise FailedError("error-event", error_text(payload, _ERROR))
    return event


class Answer:
    """An answer in any dialect. Text is content and reasoning; a role alone is none.

    Usage may ride on the last event of the text, on the finishing one, or on one of its own
    whose ``choices`` are empty; where a server repeats it, the last one counts. Ollama's counters
    are in its last line, each absent where it would be 0: an absent one is unknown.
    """

    __slots__ = (
        "_index",
        "_last",
        "_timings",
        "_usage",
        "calls",
        "done",
        "finished",
        "model",
        "said",
        "text",
    )

    def __init__(self) -> None:
        """Start empty; ``finished`` is that the model has ended, ``done`` the stream too.

        ``text`` is whether any has come, ``calls`` whether a tool was called. ``model`` is what the
        server calls it, ``said`` what it says in an event that is of no answer.
        """
        self.done = self.finished = self.text = self.calls = False
        self.model = self.said = ""
        self._index: object = 0
        self._usage = _Usage()
        self._timings = _Timings()
        self._last = _Event()

    def take(self, name: bytes, payload: bytes) -> bool:
        """Read one event; return whether it has text, or calls a tool. Raises FailedError."""
        if payload.startswith(b"[DONE]"):
            self.done = True
            return False
        event = _event(name, payload)
        usage = event.usage
        if usage is not None and (usage.completion_tokens or not self._usage.completion_tokens):
            self._usage = usage
        if event.timings is not None:
            self._timings = event.timings
        if not self.model and isinstance(event.model, str):
            self.model = event.model
        if event.done:
            self.done = self.finished = True
            self._last = event
        message = event.message
        has_text = bool(message or event.response or event.thinking)
        calls = message is not None and message.calls
        for choice in event.choices or ():
            if choice.finish_reason is not None:
                self._finish(choice.finish_reason, payload)
            delta = choice.delta
            spoken = bool(choice.text or delta)
            called = not spoken and delta is not None and delta.calls
            if (spoken or called) and choice.index != self._index:
                self._choose(choice.index)
            self.text |= spoken
            self.calls |= called
            has_text |= spoken
            calls |= called
        self.text |= has_text
        self.calls |= calls
        if event.choices is None and not has_text:
            self.said = self.said or error_text(payload, "")
        return has_text or calls

    def _choose(self, index: object) -> None:
        """Take the first answer for the one; another's tokens would count in the time of that."""
        if self.text or self.calls:
            raise FailedError("malformed", "more than the one answer that was asked for")
        self._index = index

    def _finish(self, reason: str, payload: bytes) -> None:
        self.finished = True
        if reason in _BROKEN_OFF:
            otherwise = f"the answer was finished with {reason!r}"
            raise FailedError("error-event", error_text(payload, otherwise))

    def tokens(self, events: int) -> Tokens:
        """Return the server's counts: usage, else llama.cpp's timings, or Ollama's counters.

        A count of 0 beside text is wrong, so it is no count; nor is one of 0 for a prompt.
        """
        usage, timings, last = self._usage, self._timings, self._last
        details = usage.prompt_tokens_details or _Details()
        cached = _first(details.cached_tokens, timings.cache_n, last.prompt_eval_cached_count)
        prompt = _first(usage.prompt_tokens or None, last.prompt_eval_count or None)
        if prompt is None and timings.prompt_n is not None:
            prompt = timings.prompt_n + (cached or 0)
        counts = [
            (source, count)
            for source, count in (
                ("usage", usage.completion_tokens),
                ("timings", timings.predicted_n),
                ("eval_count", last.eval_count),
            )
            if count is not None and (count or not events)
        ]
        if not counts:
            return Tokens(None, prompt, cached)
        source, count = counts[0]
        others = [other for _, other in counts]
        if usage.total_tokens and usage.prompt_tokens:
            others.append(max(usage.total_tokens - usage.prompt_tokens, 0))
        different = next((other for other in others if other != count), None)
        return Tokens(count, prompt, cached, source, different)

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


def is_about_fields(error: FailedError) -> bool:
    """Say whether a server may have refused a request for a field that it does not know."""
    message = error.detail.partition(": ")[2]
    return error.code in _REFUSES_FIELDS and (not message or bool(_FIELDS.search(message)))


def is_same_model(asked: str, answering: str) -> bool:
    """Say whether a server's name for a model is the one asked for, or it gives none.

    A path is known by its last part, and Ollama adds the tag that it takes where none is given.
    """
    names = (
        name.rpartition("/")[2].removesuffix(":latest").casefold() for name in (asked, answering)
    )
    return not answering or len(set(names)) == 1


def error_text(data: bytes, otherwise: str) -> str:
    """Return the message in the JSON of an error of any server, else ``otherwise``; not cut."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return otherwise
    return _message(value, _NESTED) or otherwise


def _message(value: object, depth: int) -> str:
    """Return what an error says; pydantic's names the field that it is about (``loc``)."""
    if isinstance(value, str):
        return value.strip()
    parts: list[str] = []
    if depth and isinstance(value, list):
        parts = [_message(each, depth - 1) for each in value]
    elif depth and isinstance(value, dict):
        names = ("error", "errors", "message", "detail", "msg")
        parts = [_message(value.get(name), depth - 1) for name in names]
        place = value.get("loc")
        if isinstance(place, list):
            parts.insert(0, ".".join(str(each) for each in place if each != "body"))
    return ": ".join(dict.fromkeys(filter(None, parts)))


def one_line(text: str, length: int = _DETAIL_LENGTH) -> str:
    """Return ``text`` on one line, without control characters, cut to ``length``."""
    flat = " ".join(text[: 4 * length].split())
    flat = "".join(letter if letter.isprintable() else "?" for letter in flat)
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


def _first(*values: _Value | None) -> _Value | None:
    return next((value for value in values if value is not None), None)


def _seconds(value: float | None, factor: float) -> float | None:
    return None if value is None else round(value * factor, 9)
