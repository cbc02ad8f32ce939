"""The load client: streams answers of an inference server and stamps what arrives.

`python -m collectors.llm.client --url ... --api ... --model ...` keeps a number of streams busy
(closed loop) or sends at random times of a given rate (open loop), and prints JSON lines that
`collectors.llm.measures` reads: one ``start``, one ``request`` each, one ``end``. Times are
seconds of one monotonic clock from the start of the measured phase, taken when a read returns
and before anything of it is parsed. What a server generates is never printed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import os
import random
import re
import resource
import signal
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import quote, quote_plus

import msgspec
import orjson

from collectors.llm import api, measures, stream
from collectors.llm.api import Api
from sitegen.collect import decode
from sitegen.errors import SitegenError

if TYPE_CHECKING:
    import aiohttp

#: Words that are a token each in the vocabularies that matter.
_WORDS: Final = (
    *("am", "an", "as", "at", "be", "by", "do", "go", "he", "if", "in", "is", "it", "me", "my"),
    *("no", "of", "on", "or", "so", "to", "up", "us", "we", "ad", "ax", "ex", "hi", "ma", "ox"),
)
_NONCE_WORDS: Final = 4
_TICK_S: Final = 0.005
_STABLE_BLOCKS, _STABLE_SHARE = 3, 0.02
_WARMUP_STREAMS: Final = 8  # at most, where the load itself has no number of streams
_GRACE_S: Final = 1.0
_ERROR_BODY_BYTES, _ERROR_BODY_S = 8192, 1.0
_SPARE_DESCRIPTORS: Final = 64
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_NS: Final = 1_000_000_000
_MASK: Final = "***"
_LEAST_MASKED: Final = 8  # characters: fewer of a key's first ones give nothing away

_Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1e7)]
_clock = time.perf_counter_ns


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
    input_tokens: Annotated[int, msgspec.Meta(ge=2 * _NONCE_WORDS, le=10**7)] = 128
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
        if not key or not key.isascii() or not key.isprintable():
            raise SitegenError(
                f"the environment has no usable key in {self.key_env[:60]!r}", where="--key-env"
            )
        return key


_STAMPS: Final = (
    *("scheduled", "sent", "connected", "headers"),
    *("first_event", "first_content", "ended"),
)


@dataclass(slots=True)
class Row:
    """One request while it is under way: stamps in ns, None until they are taken."""

    phase: str
    index: int
    answer: api.Answer
    scheduled: int | None = None
    sent: int | None = None
    connected: int | None = None
    headers: int | None = None
    first_event: int | None = None
    first_content: int | None = None
    ended: int | None = None
    stamps: list[int] = field(default_factory=list)  # one a text event
    reads: int = 0
    characters: int = 0
    status: str = "ok"
    detail: str = ""

    def record(self, origin: int, stall_s: float) -> dict[str, Any]:
        """Return the request as a record, with times from ``origin``."""

        def since(stamp: int | None) -> float | None:
            return None if stamp is None else round((stamp - origin) / _NS, 6)

        stamps = self.stamps
        tokens = self.answer.tokens(len(stamps))
        gaps = [round((after - before) / _NS, 6) for before, after in pairwise(stamps)]
        return {
            "record": "request",
            "phase": self.phase,
            "index": self.index,
            **{f"{name}_s": since(getattr(self, name)) for name in _STAMPS},
            "first_token_s": since(stamps[0] if stamps else None),
            "last_token_s": since(stamps[-1] if stamps else None),
            "events": len(stamps),
            "reads": self.reads,
            "characters": self.characters,
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "cached_tokens": tokens.cached,
            "reasoning_tokens": tokens.reasoning,
            "token_source": tokens.source,
            "finish_reason": self.answer.finish_reason,
            "status": self.status,
            "detail": self.detail or None,
            "stalls": sum(gap > stall_s for gap in gaps),
            "gaps_s": gaps,
            "server": self.answer.timings(),
        }


class Prompts:
    """Prompts of a nominal length, all of short words. The same seed gives the same text.

    ``unique`` ones begin with words that differ between requests and between processes, so that
    no prefix cache helps; ``shared`` ones differ in their last words only.
    """

    def __init__(self, kind: str, tokens: int, seed: int, nonce: int) -> None:
        """Make the part that all have; ``nonce`` tells this process from others."""
        self._unique = kind == "unique"
        self._nonce = nonce
        rest = max(tokens - _NONCE_WORDS - (_NONCE_WORDS if self._unique else 0), 0)
        choose = random.Random(seed)  # noqa: S311 - text, not a secret
        self._text = " ".join(choose.choice(_WORDS) for _ in range(rest))

    def prompt(self, number: int) -> str:
        """Return the prompt of the request with this number."""
        if self._unique:
            # The first words already differ between requests and between processes: what they
            # began with in common would come from a cache.
            first = _spelled(self._nonce + number, _NONCE_WORDS)
            return f"{first} {_spelled(self._nonce, _NONCE_WORDS)} {self._text}"
        return f"{self._text} {_spelled(number, _NONCE_WORDS)}"


def _spelled(number: int, words: int) -> str:
    base = len(_WORDS)
    return " ".join(_WORDS[number // base**place % base] for place in range(words))


class Mask:
    """Hides a key in texts: servers repeat keys in what they say.

    Reading whatever its case is, as it is, percent-encoded, escaped as in JSON, and in base64,
    alone or after ``Bearer``; and of each form also the first 8 or more characters.
    """

    def __init__(self, key: str | None) -> None:
        """Make the forms of ``key``; without one, nothing is hidden."""
        self._forms = sorted({_lower(form) for form in _forms(key)} if key else ())
        starts = sorted({form[:_LEAST_MASKED] for form in self._forms}, key=len, reverse=True)
        self._start = re.compile("|".join(map(re.escape, starts))) if starts else None

    def text(self, text: str) -> str:
        """Return ``text`` with a mask in place of each form."""
        if self._start is None:
            return text
        low, kept, at = _lower(text), [], 0
        while match := self._start.search(low, at):
            kept += [text[at : match.start()], _MASK]
            at = max(match.start() + _common(low, match.start(), form) for form in self._forms)
        return "".join((*kept, text[at:]))

    def record(self, record: Mapping[str, object]) -> Mapping[str, object]:
        """Return a record with a mask in the texts that a server may have chosen."""
        theirs = {name: record[name] for name in ("detail", "finish_reason") if record.get(name)}
        return {**record, **{name: self.text(str(text)) for name, text in theirs.items()}}


def _lower(text: str) -> str:
    """Return ``text`` with its ASCII letters small: as long as before, unlike str.lower."""
    return text.translate(_SMALL)


_SMALL: Final = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}


def _forms(key: str) -> Iterator[str]:
    yield from (key, orjson.dumps(key).decode()[1:-1])
    encoded = [quote(key), quote(key, safe=""), quote_plus(key)]
    for secret in (key, f"Bearer {key}"):
        data = secret.encode()
        for text in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()):
            encoded += [text, text.rstrip("="), quote(text, safe="")]
    yield from encoded


def _common(text: str, at: int, form: str) -> int:
    """Return how much of ``form`` is in ``text`` from ``at`` on, if that is its start."""
    least = min(len(form), _LEAST_MASKED)
    if not text.startswith(form[:least], at):
        return 0
    pairs = zip(text[at : at + len(form)], form, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class Client:
    """Carries out one load and hands each record to ``write``, without the key."""

    def __init__(self, options: Options, write: Callable[[Mapping[str, object]], None]) -> None:
        """Prepare; nothing is sent yet."""
        self.options = options
        key = options.key
        self.mask = mask = Mask(key)
        # The one way out of all records: whatever a server said, its key stays here.
        self.write: Callable[[Mapping[str, object]], None] = lambda record: write(
            mask.record(record)
        )
        self.address = api.address(options.url, options.api)
        self.interrupted = False
        self._prompts = Prompts(
            options.prompt, options.input_tokens, options.seed, int.from_bytes(os.urandom(4), "big")
        )
        self._headers = {
            "Accept": "application/x-ndjson" if options.api == "ollama" else "text/event-stream",
            "Accept-Encoding": "identity",  # a compressor holds text back
            "Content-Type": "application/json",
            "User-Agent": "sitegen",
        }
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._rows: list[Row] = []
        self._sent = 0
        self._origin = 0
        self._http: aiohttp.ClientSession

    async def run(self) -> None:
        """Warm up and measure; raises SitegenError when not one request could be sent."""
        options = self.options
        began = _clock()
        self.write(self._start_record())
        async with self._session() as self._http:
            stable = await self._warm_up() if options.warmup_max else None
            warm, self._rows = self._rows, []
            gc.collect()
            gc.freeze()  # what lives on is not looked through again while we measure
            origin = self._origin = _clock()
            for row in warm:
                self.write(row.record(origin, options.stall_s))
            with _ticking() as lags:
                cpu, wall = time.process_time(), _clock()
                await self._measure(wall)
                cpu, wall = time.process_time() - cpu, _clock() - wall
        rows = self._rows
        self.write(
            {
                "record": "end",
                "measured_from_s": round((origin - began) / _NS, 6),
                "wall_s": round(wall / _NS, 6),
                "cpu_s": round(cpu, 6),
                "lag_p50_s": _lag(lags, 50),
                "lag_p99_s": _lag(lags, 99),
                "lag_max_s": _lag(lags, 100),
                "chunks": sum(len(row.stamps) for row in rows),
                "warmup_stable": stable,
                "interrupted": self.interrupted,
            }
        )
        tried = [row for row in (*warm, *rows) if row.status != "cancelled"]
        if tried and all(row.status == "refused" for row in tried):
            raise SitegenError(f"no request could be sent: {tried[-1].detail}", where="--url")

    def interrupt(self) -> None:
        """Give up what is under way; `run` ends with the records of what there is."""
        self.interrupted = True
        for task in self._tasks:
            task.cancel()

    def _start_record(self) -> dict[str, object]:
        options = self.options
        copied = ("api", "model", "concurrency", "rate", "connections", "prompt", "input_tokens")
        return {
            "record": "start",
            "schema": 1,
            "load": "open" if options.rate is not None else "closed",
            **{
                name: getattr(options, name)
                for name in (*copied, "output_tokens", "seed", "requests")
            },
        }

    def _session(self) -> aiohttp.ClientSession:
        import aiohttp

        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_connected)
        fresh = self.options.connections == "fresh"
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                force_close=fresh,
                ttl_dns_cache=None,  # the name is looked up once
                ssl=_tls(self.options.ca),
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trace_configs=[trace],
        )

    async def _warm_up(self) -> bool:
        """Send blocks of requests until three in a row take the same time, to 2 %.

        A server so slow that this takes longer than the measured time is not warmed further.
        """
        options = self.options
        until = _after(_clock(), options.duration_s)
        streams = options.concurrency or max(1, min(_WARMUP_STREAMS, round(options.rate or 1)))
        block = min(max(streams, 2), options.warmup_max)
        means: list[float] = []
        while len(self._rows) + block <= options.warmup_max and not self.interrupted:
            before = len(self._rows)
            await self._closed("warmup", streams, before + block, until)
            if until is not None and _clock() > until:
                return False
            took = [
                row.stamps[-1] - row.sent
                for row in self._rows[before:]
                if row.status == "ok" and row.sent is not None
            ]
            if not took:
                return False  # it does not get better by asking again
            means.append(sum(took) / len(took))
            if _stable(means):
                return True
        return False

    async def _measure(self, begin: int) -> None:
        options = self.options
        if self.interrupted:
            return
        self._sent = 0
        if options.concurrency is not None:
            until = _after(begin, options.duration_s)
            await self._closed("measured", options.concurrency, options.requests, until)
        else:
            await self._open(begin)

    async def _closed(
        self, phase: str, streams: int, count: int | None, until: int | None = None
    ) -> None:
        """Keep ``streams`` requests under way until ``count`` are sent or the time is over."""

        async def work() -> None:
            while (
                not self.interrupted
                and (count is None or self._sent < count)
                and (until is None or _clock() < until)
            ):
                row = self._row(phase)
                await self._request(row)

        await _all([self._start(work()) for _ in range(min(streams, count or streams))])

    async def _open(self, begin: int) -> None:
        """Send each request when it is due, whatever has become of those before it."""
        under_way: list[asyncio.Task[None]] = []

        async def send() -> None:
            for due_s in _arrivals(self.options):
                due = begin + round(due_s * _NS)
                if (wait := (due - _clock()) / _NS) > 0:
                    await asyncio.sleep(wait)
                row = self._row("measured")
                row.scheduled = due
                under_way.append(self._start(self._request(row)))

        await _all([self._start(send())])
        await _all(under_way)

    def _row(self, phase: str) -> Row:
        row = Row(phase, self._sent, api.answer(self.options.api))
        self._sent += 1
        return row

    def _start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.interrupted:
            task.cancel()
        return task

    async def _request(self, row: Row) -> None:
        """Carry out one request; whatever becomes of it is in the row."""
        options = self.options
        # Warm-up and measured requests differ, and so do the same ones of two processes.
        number = 2 * row.index + (row.phase == "measured")
        prompt = self._prompts.prompt(number)
        ask = api.Ask(
            options.model, prompt, options.output_tokens, options.seed, options.extensions
        )
        data = api.body(options.api, self.address, ask)
        try:
            await self._exchange(row, data)
        except asyncio.CancelledError:
            row.status = "cancelled"
            raise
        finally:
            if row.ended is None:
                row.ended = _clock()
            self._rows.append(row)
            if row.phase == "measured":
                self.write(row.record(self._origin, options.stall_s))

    async def _exchange(self, row: Row, data: bytes) -> None:
        import aiohttp

        judged = False
        try:
            async with asyncio.timeout(self.options.timeout_s):
                row.sent = _clock()
                async with self._http.post(
                    self.address,
                    data=data,
                    headers=self._headers,
                    allow_redirects=False,
                    trace_request_ctx=row,
                ) as response:
                    row.headers = _clock()
                    await self._check(response)
                    await _stream(response.content, api.reader(self.options.api), row)
                    _judge(row, response.headers.get("Content-Type", ""))
                    judged = True
                    await _drain(response.content)
        except api.FailedError as error:
            row.status, row.detail = error.status, self._told(error.detail)
        except TimeoutError:
            if not judged:
                row.status, row.detail = "timeout", f"not over after {self.options.timeout_s:g} s"
        except (aiohttp.ClientConnectorError, aiohttp.ClientSSLError) as error:
            row.status, row.detail = "refused", self._told(str(error))
        except aiohttp.ClientResponseError as error:
            reason = error.message.partition("\n")[0].rstrip(": ")
            row.status, row.detail = "malformed", self._told(f"no usable HTTP: {reason}")
        except (aiohttp.ClientError, OSError) as error:
            row.status = "disconnect" if row.connected is not None else "refused"
            row.detail = self._told(str(error) or type(error).__name__)

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raise FailedError for what is no answer to read as a stream."""
        if response.status in _REDIRECTS:
            raise api.FailedError("http", f"HTTP {response.status}: redirects are not followed")
        if response.status != _OK:
            body = b""
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_ERROR_BODY_S):
                    while len(body) < _ERROR_BODY_BYTES and not response.content.at_eof():
                        body += await response.content.read(_ERROR_BODY_BYTES - len(body))
            raise api.FailedError("http", f"HTTP {response.status}{_message(body)}")
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in {"", "identity"}:
            raise api.FailedError("malformed", f"the answer is compressed ({coding}) unasked")

    def _told(self, detail: str) -> str:
        # Here too: of what is cut afterwards, a part too short to be known would stay.
        return api.one_line(self.mask.text(detail))


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all; one that was cancelled has its row, one that failed is a bug of ours."""
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


async def _stream(content: aiohttp.StreamReader, reader: stream.Reader, row: Row) -> None:
    """Read one answer to its end, with a stamp a read. Raises FailedError.

    This is the hot path: one read, one JSON value and one list entry for each chunk.
    """
    read, feed, answer, clock = content.readany, reader.feed, row.answer, _clock
    while data := await read():
        now = clock()
        _hear(feed(data), row, now)
        if answer.done:
            break
        if reader.broken:
            raise api.FailedError("malformed", reader.broken)
    if not answer.done:
        _finish(reader, row)


async def _drain(content: aiohttp.StreamReader) -> None:
    """Read what follows the answer: only a body that ended leaves a connection to use again."""
    import aiohttp

    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_GRACE_S):
            while await content.readany():
                pass


def _hear(events: Iterable[stream.Event], row: Row, now: int) -> None:
    """Take the events of one read. Raises FailedError."""
    row.ended = now
    answer, held = row.answer, False
    for name, payload in events:
        if row.first_event is None:
            row.first_event = now
        if count := answer.take(name, payload):
            held = True
            row.stamps.append(now)
            row.characters += count
            if row.first_content is None and answer.content:
                row.first_content = now
    row.reads += held


def _finish(reader: stream.Reader, row: Row) -> None:
    """Take what only the end of the stream completes. Raises FailedError."""
    if row.first_event is None and (rest := reader.rest):
        with contextlib.suppress(orjson.JSONDecodeError):
            document = orjson.loads(rest)
            if isinstance(document, dict) and document.get("error"):
                raise api.FailedError("error-event", api.error_text(document, "an error"))
    _hear(reader.close(), row, _clock())


def _judge(row: Row, content_type: str) -> None:
    """Raise FailedError for an answer that ended well and is none."""
    answer = row.answer
    if row.first_event is None:
        kind = content_type or "no content type"
        raise api.FailedError("malformed", f"no event in an answer of {kind}")
    if not answer.done and answer.finish_reason is None:
        raise api.FailedError("disconnect", "the stream ended before the answer did")
    if not row.stamps:
        count = row.answer.tokens(0).output
        counted = "no count" if count is None else f"a count of {count} tokens"
        raise api.FailedError("zero-tokens", f"an answer without text, with {counted}")


async def _connected(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.connected = _clock()


def _message(body: bytes) -> str:
    """Return what a JSON error body says; a page of HTML is not repeated."""
    try:
        text = api.error_text(orjson.loads(body), "")
    except orjson.JSONDecodeError:
        return ""
    return f": {text}" if text else ""


def _tls(authority: str | None) -> ssl.SSLContext | bool:
    return True if authority is None else ssl.create_default_context(cafile=authority)


@contextlib.contextmanager
def _ticking() -> Iterator[list[int]]:
    """Collect how late a timer of 5 ms fires, in ns, while the block runs.

    The event loop rounds its timers up to a whole millisecond: less than that is no lag.
    """
    loop = asyncio.get_running_loop()
    late: list[int] = []
    due = 0
    handle: asyncio.TimerHandle

    def tick() -> None:
        nonlocal due, handle
        now = _clock()
        late.append(max(now - due, 0))
        due = now + round(_TICK_S * _NS)
        handle = loop.call_later(_TICK_S, tick)

    due = _clock() + round(_TICK_S * _NS)
    handle = loop.call_later(_TICK_S, tick)
    try:
        yield late
    finally:
        handle.cancel()


def _arrivals(options: Options) -> Iterator[float]:
    """Yield when requests are due, in seconds: the first at once, then a Poisson process."""
    if options.rate is None:
        return
    gaps = random.Random(options.seed)  # noqa: S311 - a load, not a secret
    due_s, sent = 0.0, 0
    while (options.requests is None or sent < options.requests) and (
        options.duration_s is None or due_s < options.duration_s
    ):
        yield due_s
        sent += 1
        due_s += gaps.expovariate(options.rate)


def _after(begin: int, duration_s: float | None) -> int | None:
    return None if duration_s is None else begin + round(duration_s * _NS)


def _stable(means: Sequence[float]) -> bool:
    last = means[-_STABLE_BLOCKS:]
    return len(last) == _STABLE_BLOCKS and max(last) <= (1 + _STABLE_SHARE) * min(last)


def _lag(late: Sequence[int], percent: float) -> float | None:
    return round(measures.percentile(sorted(late), percent) / _NS, 6) if late else None


async def drive(options: Options, write: Callable[[Mapping[str, object]], None]) -> int:
    """Carry out one load; SIGINT and SIGTERM end it early. Returns the exit code.

    Raises SitegenError when not one request could be sent.
    """
    client = Client(options, write)
    loop = asyncio.get_running_loop()
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        client.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await client.run()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return 128 + caught[0] if caught else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: the fields of `Options`, each by its name."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        _need_aiohttp()
        _allow_descriptors(options)
    except SitegenError as error:
        print(f"llm client: {error}", file=sys.stderr)  # noqa: T201 - a command line
        return error.exit_code
    out = sys.stdout.buffer

    def write(record: Mapping[str, object]) -> None:
        out.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        out.flush()

    try:
        return asyncio.run(drive(options, write))
    except SitegenError as error:
        message = Mask(options.key).text(f"llm client: {error}")
        print(message, file=sys.stderr)  # noqa: T201 - a command line
        return 1
    except BrokenPipeError:
        # Nobody reads on; what is left in the buffer must not fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parse(arguments: Sequence[str]) -> Options:
    """Return what the command line asks for; raises SitegenError for what makes no sense."""
    words = iter(arguments)
    given: dict[str, object] = {}
    for word in words:
        if word == "--no-extensions":
            given["extensions"] = False
        else:
            given[word.removeprefix("--").replace("-", "_")] = next(words, "")
    options = decode.convert(given, Options, "arguments", strict=False)
    if (options.concurrency is None) == (options.rate is None):
        raise SitegenError("give either --concurrency or --rate", where="arguments")
    if options.requests is None and options.duration_s is None:
        raise SitegenError("give --requests, --duration-s or both", where="arguments")
    api.address(options.url, options.api)
    options.key  # noqa: B018 - raises for one that is not there
    try:
        _tls(options.ca)
    except (OSError, ssl.SSLError) as error:
        raise SitegenError(f"no certificates can be read: {error}", where="--ca") from error
    return options


def _need_aiohttp() -> None:
    try:
        import aiohttp  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise SitegenError(
            "the load client needs aiohttp", where="llm", fix="pip install 'sitegen[llm]'"
        ) from error


def _allow_descriptors(options: Options) -> None:
    """Allow as many open files as there are streams; open loops get what there is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _SPARE_DESCRIPTORS + (options.concurrency or 0)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, needed, 65536)
    if needed > hard:
        raise SitegenError(
            f"{needed} open files are needed and the limit is {hard}",
            where="--concurrency",
            fix="raise it (`ulimit -Hn`, LimitNOFILE) or use fewer streams",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536), needed), hard))


if __name__ == "__main__":
    sys.exit(main())
