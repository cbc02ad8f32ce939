"""The dialects of streaming inference servers: where to send, what to ask, what an event says.

``openai-chat`` and ``openai-completions`` are the two streaming endpoints of the OpenAI API
with what vLLM, SGLang and llama.cpp's server add to it; ``ollama`` is Ollama's ``/api/chat`` or
``/api/generate``. Nothing here reads a socket or a clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit, urlunsplit

import orjson

from collectors.llm import stream
from sitegen.errors import SitegenError

Api: TypeAlias = Literal["openai-chat", "openai-completions", "ollama"]
APIS: Final[tuple[Api, ...]] = get_args(Api)

_PATHS: Final = {
    "openai-chat": "chat/completions",
    "openai-completions": "completions",
    "ollama": "api/chat",
}
_OLLAMA_GENERATE = "api/generate"
_NS, _MS = 1e-9, 1e-3
_DETAIL_LENGTH = 160
_MOST, _MOST_SCALED = 1 << 53, 1e9
_REASON = re.compile(r"[a-z_]{1,40}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


class FailedError(Exception):
    """A request that failed: ``status`` names the kind, ``detail`` says more."""

    def __init__(self, status: str, detail: str) -> None:
        """Keep both; the detail as the server gave it."""
        super().__init__(status, detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a model: a prompt, and an answer of exactly ``output_tokens``.

    ``extensions`` adds what holds the length where a server knows it (``ignore_eos``,
    ``min_tokens``); the API of OpenAI itself refuses fields that it does not know.
    """

    model: str
    prompt: str
    output_tokens: int
    seed: int
    extensions: bool = True


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts by the server; None where it gave none. ``source`` says which field."""

    output: int | None = None
    input: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    source: str | None = None


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
    if not usable or re.search(r"[\s\x00-\x1f\x7f]", base) or not base.isascii():
        raise SitegenError(
            f"{base[:80]!r} is not an http or https address",
            where="--url",
            fix="write for example http://127.0.0.1:8080",
        )
    if parts.username is not None or parts.password is not None or parts.query:
        raise SitegenError(
            "an address is published with the run and may hold no credentials",
            where="--url",
            fix="put the key into an environment variable and name it with --key-env",
        )
    path = parts.path.rstrip("/")
    ends = (_PATHS["ollama"], _OLLAMA_GENERATE) if api == "ollama" else (_PATHS[api],)
    if not path.endswith(tuple(f"/{end}" for end in ends)):
        versioned = api == "ollama" or re.search(r"/v\d+[a-z0-9]*$", path)
        path = f"{path}/{'' if versioned else 'v1/'}{ends[0]}"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def body(api: str, url: str, ask: Ask) -> bytes:
    """Return the JSON body of one request to the address ``url``.

    The answer is greedy and as long as the dialect can make it: Ollama has no way to go on
    past the model's own end, so its answers may be shorter.
    """
    if api == "ollama":
        fields: dict[str, Any] = {
            "model": ask.model,
            "stream": True,
            "options": {"num_predict": ask.output_tokens, "temperature": 0, "seed": ask.seed},
        }
        if url.endswith(_OLLAMA_GENERATE):
            fields["prompt"] = ask.prompt
        else:
            fields["messages"] = [{"role": "user", "content": ask.prompt}]
        return orjson.dumps(fields)
    fields = {
        "model": ask.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": ask.output_tokens,
        "temperature": 0,
        "seed": ask.seed,
    }
    if ask.extensions:
        fields |= {"ignore_eos": True, "min_tokens": ask.output_tokens}
    if api == "openai-chat":
        fields["messages"] = [{"role": "user", "content": ask.prompt}]
    else:
        fields["prompt"] = ask.prompt
    return orjson.dumps(fields)


def reader(api: str) -> stream.Reader:
    """Return a new reader of the events of one answer."""
    return stream.JsonLines() if api == "ollama" else stream.ServerSentEvents()


def answer(api: str) -> Answer:
    """Return a new, empty answer."""
    if api == "ollama":
        return OllamaAnswer()
    return OpenAiAnswer(chat=api == "openai-chat")


class OpenAiAnswer:
    """An answer in the OpenAI dialects. Text is content and reasoning; a role alone is none.

    vLLM, DeepSeek and llama.cpp call reasoning ``reasoning_content``, newer vLLM and OpenRouter
    ``reasoning``. Usage may ride on the last event of the text, on the finishing one, or on one
    of its own whose ``choices`` are empty; where a server repeats it, the last one counts.
    """

    __slots__ = ("_timings", "_usage", "chat", "content", "done", "finish_reason")

    def __init__(self, *, chat: bool) -> None:
        """Start empty; ``chat`` tells the two endpoints apart."""
        self.chat = chat
        self.done = False
        self.content = False
        self.finish_reason: str | None = None
        self._usage: object = None
        self._timings: object = None

    def take(self, name: bytes, payload: bytes) -> int:
        """Read one event; return how many characters of text it adds. Raises FailedError."""
        if payload == b"[DONE]":
            self.done = True
            return 0
        event = _object(payload, name)
        if event.get("error") or name == b"error":
            raise FailedError("error-event", error_text(event, "the server sent an error"))
        if (usage := event.get("usage")) is not None:
            self._usage = usage
        if (timings := event.get("timings")) is not None:
            self._timings = timings
        choices = event.get("choices")
        if not choices:
            return 0
        if not isinstance(choices, list):
            raise FailedError("malformed", "choices is not a list")
        return sum(map(self._choice, choices))

    def _choice(self, choice: object) -> int:
        if not isinstance(choice, dict):
            raise FailedError("malformed", "a choice is not an object")
        if (reason := choice.get("finish_reason")) is not None:
            self.finish_reason = _reason(reason)
        if self.chat:
            delta, key = choice.get("delta") or {}, "content"
            if not isinstance(delta, dict):
                raise FailedError("malformed", "a delta is not an object")
        else:
            delta, key = choice, "text"
        said = _text(delta, key)
        if said:
            self.content = True
        if not self.chat or (said and len(delta) == 1):
            return len(said)
        # A server that sends both names of reasoning sends the same text twice.
        return len(said) + len(_text(delta, "reasoning_content") or _text(delta, "reasoning"))

    def tokens(self, events: int) -> Tokens:
        """Return the server's counts: usage, else llama.cpp's timings.

        A count of 0 beside text is wrong, so it is no count.
        """
        usage = _mapping(self._usage)
        timings = _mapping(self._timings)
        cached = _count(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
        if cached is None:
            cached = _count(timings.get("cache_n"))
        details = _mapping(usage.get("completion_tokens_details"))
        prompt = _count(usage.get("prompt_tokens"))
        if prompt is None and (fresh := _count(timings.get("prompt_n"))) is not None:
            prompt = fresh + (cached or 0)
        known = {
            "usage": _count(usage.get("completion_tokens")),
            "timings": _count(timings.get("predicted_n")),
        }
        for source, count in known.items():
            if count is not None and (count or not events):
                reasoning = _count(details.get("reasoning_tokens"))
                return Tokens(count, prompt, cached, reasoning, source)
        return Tokens(input=prompt, cached=cached)

    def timings(self) -> dict[str, float] | None:
        """Return llama.cpp's ``timings``, its rates as it printed them."""
        given = _mapping(self._timings)
        return _known(
            prompt_n=_count(given.get("prompt_n")),
            prompt_s=_scaled(given.get("prompt_ms"), _MS),
            prompt_rate=_scaled(given.get("prompt_per_second"), 1),
            predicted_n=_count(given.get("predicted_n")),
            predicted_s=_scaled(given.get("predicted_ms"), _MS),
            predicted_rate=_scaled(given.get("predicted_per_second"), 1),
        )


class OllamaAnswer:
    """An answer of Ollama: JSON lines, the last of which has ``done`` and the counters.

    Each counter is absent where it would be 0, so an absent one is unknown.
    """

    __slots__ = ("_last", "content", "done", "finish_reason")

    def __init__(self) -> None:
        """Start empty."""
        self.done = False
        self.content = False
        self.finish_reason: str | None = None
        self._last: Mapping[str, Any] = {}

    def take(self, name: bytes, payload: bytes) -> int:
        """Read one line; return how many characters of text it adds. Raises FailedError."""
        line = _object(payload, name)
        if line.get("error"):
            raise FailedError("error-event", error_text(line, "the server sent an error"))
        message = line.get("message")
        if message is None:
            said, thought = _text(line, "response"), _text(line, "thinking")
        elif isinstance(message, dict):
            said, thought = _text(message, "content"), _text(message, "thinking")
        else:
            raise FailedError("malformed", "message is not an object")
        if line.get("done") is True:
            self.done = True
            self._last = line
            reason = line.get("done_reason")
            self.finish_reason = _reason(reason) if reason else "done"
        if said:
            self.content = True
        return len(said) + len(thought)

    def tokens(self, events: int) -> Tokens:
        """Return Ollama's counters; ``events`` tells an absent count from none."""
        output = _count(self._last.get("eval_count"))
        if not output and events:
            output = None
        cached = _count(self._last.get("prompt_eval_cached_count"))
        prompt = _count(self._last.get("prompt_eval_count")) or None
        return Tokens(output, prompt, cached, source=None if output is None else "eval_count")

    def timings(self) -> dict[str, float] | None:
        """Return Ollama's counters in seconds."""
        given = self._last
        return _known(
            prompt_n=_count(given.get("prompt_eval_count")),
            prompt_s=_scaled(given.get("prompt_eval_duration"), _NS),
            predicted_n=_count(given.get("eval_count")),
            predicted_s=_scaled(given.get("eval_duration"), _NS),
            load_s=_scaled(given.get("load_duration"), _NS),
            total_s=_scaled(given.get("total_duration"), _NS),
        )


Answer: TypeAlias = OpenAiAnswer | OllamaAnswer


def error_text(given: object, otherwise: str) -> str:
    """Return the message in an error object of any server, else ``otherwise``; not cut."""
    for _ in range(3):
        if isinstance(given, str):
            return given.strip() or otherwise
        if not isinstance(given, dict):
            break
        given = given.get("error") or given.get("message") or given.get("detail")
    return otherwise


def one_line(text: str, length: int = _DETAIL_LENGTH) -> str:
    """Return ``text`` on one line, without control characters, cut to ``length``."""
    flat = _CONTROL.sub(" ", text[: 4 * length]).strip()
    flat = "".join(letter if letter.isprintable() else "?" for letter in flat)
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


def _object(payload: bytes, name: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(payload)
    except orjson.JSONDecodeError:
        if name == b"error":
            text = payload.decode("utf-8", "replace")
            raise FailedError("error-event", text or "the server sent an error") from None
        raise FailedError("malformed", "an event is not JSON") from None
    if not isinstance(event, dict):
        if name == b"error":
            raise FailedError("error-event", error_text(event, "the server sent an error"))
        raise FailedError("malformed", "an event is not an object")
    return event


def _reason(given: object) -> str:
    """Return a server's word for why an answer ended; what is no such word is ``other``."""
    return given if isinstance(given, str) and _REASON.fullmatch(given) else "other"


def _text(holder: Mapping[str, Any], key: str) -> str:
    text = holder.get(key)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise FailedError("malformed", f"{key} is not text")
    return text


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return value
    return None


def _scaled(value: object, factor: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = round(float(value) * factor, 9)
    return number if 0 <= number <= _MOST_SCALED else None


def _known(**values: float | None) -> dict[str, float] | None:
    found = {key: value for key, value in values.items() if value is not None}
    return found or None
