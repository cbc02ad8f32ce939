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
import math
import os
import random
import re
import resource
import signal
import ssl
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
import orjson
from msgspec import Struct, field

from collectors.llm import api, measures, stream
from collectors.llm.api import NONCE_WORDS, Options
from collectors.llm.lateness import ON_TIME, Late, Pulse
from sitegen.collect import decode
from sitegen.errors import SitegenError

__all__ = ["Client", "Options", "Row", "drive", "main", "masking", "parse", "prompts"]

#: Words that are a token each in the vocabularies that matter.
_WORDS: Final = (
    *("am", "an", "as", "at", "be", "by", "do", "go", "he", "if", "in", "is", "it", "me", "my"),
    *("no", "of", "on", "or", "so", "to", "up", "us", "we", "ad", "ax", "ex", "hi", "ma", "ox"),
)
_NS: Final = 1_000_000_000
_STABLE_BLOCKS, _STABLE_SHARE = 3, 0.02
_WARMUP_STREAMS: Final = 8  # at most, where the load itself has no number of streams
_GRACE_S: Final = 1.0
_ERROR_BODY_BYTES, _ERROR_BODY_S = 8192, 1.0
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_MASK: Final = "***"
_LEAST_MASKED: Final = 8  # characters: fewer of a key's first ones give nothing away

_Phase: TypeAlias = Literal["warmup", "measured"]
_Write: TypeAlias = Callable[[Mapping[str, Any]], None]
_clock = time.perf_counter_ns


class Row(Struct):
    """One request while it is under way: stamps in ns, None until they are taken."""

    phase: _Phase
    index: int
    answer: api.Answer
    scheduled: int | None = None
    sent: int | None = None
    written: int | None = None
    ended: int | None = None
    is_connected: bool = False
    is_judged: bool = False
    events: int = 0
    stamps: list[int] = field(default_factory=list)  # one an event with text
    status: measures.Outcome = "ok"
    detail: str = ""
    model: str = ""  # by its own name, where that is not the one asked for

    def begin(self) -> None:
        """Start from nothing, now."""
        self.answer, self.events, self.stamps = api.Answer(), 0, []
        self.written = self.ended = None
        self.sent = _clock()

    def record(self, origin: int, stall_s: float, late: Late = ON_TIME) -> measures.Exchange:
        """Return the request as a record, with times from ``origin``."""

        def since(stamp: int | None) -> float | None:
            return None if stamp is None else round((stamp - origin) / _NS, 6)

        stamps = self.stamps
        gaps = [round((after - before) / _NS, 6) for before, after in pairwise(stamps)]
        return measures.Exchange(
            phase=self.phase,
            index=self.index,
            scheduled_s=since(self.scheduled),
            sent_s=since(self.sent),
            first_token_s=since(stamps[0] if stamps else None),
            last_token_s=since(stamps[-1] if stamps else None),
            ended_s=since(self.ended),
            events=len(stamps),
            **self.answer.tokens(len(stamps))._asdict(),
            status=self.status,
            detail=self.detail or None,
            stalls=sum(gap > stall_s for gap in gaps),
            gaps_s=tuple(gaps),
            server=self.answer.timings(),
            sent_late_s=round(late.sent / _NS, 6),
            late_s=tuple((place, round(by / _NS, 6)) for place, by in late.stamps),
            model=self.model or None,
        )


def prompts(kind: str, tokens: int, seed: int, nonce: int) -> Callable[[int], str]:
    """Return what makes the prompt of a request by its number, about ``tokens`` short words long.

    ``unique`` ones begin with words that differ between requests and between processes, which
    ``nonce`` tells apart, so that no prefix cache helps; ``shared`` ones differ in their last
    words only. The same seed gives the same text.
    """
    unique = kind == "unique"
    rest = max(tokens - NONCE_WORDS - (NONCE_WORDS if unique else 0), 0)
    choose = random.Random(seed)  # noqa: S311 - text, not a secret
    text = " ".join(choose.choice(_WORDS) for _ in range(rest))

    def prompt(number: int) -> str:
        # The first words already differ between requests and between processes: what they
        # began with in common would come from a cache.
        if unique:
            return f"{_spelled(nonce + number)} {_spelled(nonce)} {text}"
        return f"{text} {_spelled(number)}"

    return prompt


def _spelled(number: int) -> str:
    base = len(_WORDS)
    return " ".join(_WORDS[number // base**place % base] for place in range(NONCE_WORDS))


def masking(key: str | None, url: str) -> Callable[[str], str]:
    """Return what hides in a text a key, and the host of ``url`` where it is not this machine.

    Servers repeat keys: in any case, as it is, percent-encoded, escaped as in JSON, and in base64,
    alone or after ``Bearer``, or its beginning: a word is hidden from the first 8 characters on.
    """
    host = "" if api.is_near(url) else urlsplit(url).hostname or ""
    word = rf"(?<![\w.-]){re.escape(host)}(?![\w-])" if host else r"(?!)"
    hosts = re.compile(word, re.IGNORECASE)
    starts = {form[:_LEAST_MASKED] for form in _forms(key)} if key else set()
    words = "|".join(map(re.escape, sorted(starts, key=len, reverse=True))) or r"(?!)"
    keys = re.compile(rf"(?:{words})\S*", re.IGNORECASE | re.ASCII)
    return lambda text: hosts.sub(api.HIDDEN, keys.sub(_MASK, text))


def _forms(key: str) -> Iterator[str]:
    """Yield an ASCII key as servers may repeat it."""
    yield from (key, orjson.dumps(key).decode()[1:-1], quote(key), quote(key, safe=""))
    for secret in (key, f"Bearer {key}"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(secret.encode()).decode()
            yield from (text.rstrip("="), quote(text, safe=""))


class Client:
    """Carries out one load and hands each record to ``write``, without the key."""

    def __init__(self, options: Options, write: _Write) -> None:
        """Prepare; nothing is sent yet."""
        self.options = options
        key = options.key
        self._mask = masking(key, options.url)
        self.address = api.address(options.url, options.api)
        self.interrupted = 0  # the number of the signal
        self._write = write
        nonce = int.from_bytes(os.urandom(4), "big")
        self._prompt = prompts(options.prompt, options.input_tokens, options.seed, nonce)
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
        self._unwritten: list[Row] = []
        self._asks_usage = options.api != "ollama"
        self._takes_usage = False  # or refuses requests for something else
        self._sent = 0
        self._origin = 0
        self._http: aiohttp.ClientSession

    async def run(self) -> None:
        """Warm up and measure; raises SitegenError when not one request could be sent."""
        options = self.options
        self._record(measures.Start(schema=1, api=options.api))
        self._pulse = Pulse()
        watching = asyncio.create_task(self._pulse.watch())
        async with self._session() as self._http:
            stable = await self._warm_up() if options.warmup_max else None
            warm, self._rows = self._rows, []
            gc.collect()
            gc.freeze()  # what lives on is not looked through again while we measure
            self._origin = _clock()
            self._unwritten = warm
            self._pulse.look()
            self._write_rows(math.inf)
            self._pulse.look()
            self._pulse.late.clear()
            cpu, wall = time.process_time(), _clock()
            self._sent = 0
            if options.concurrency is not None:
                until = _after(wall, options.duration_s)
                await self._closed("measured", options.concurrency, options.requests, until)
            elif not self.interrupted:
                await self._open(wall)
            self._pulse.look()
            cpu, wall = time.process_time() - cpu, _clock() - wall
            watching.cancel()
        self._write_rows(math.inf)
        late = sorted(self._pulse.late)
        lags = [measures.percentile(late, p) / _NS for p in (50, 99, 100)]
        self._record(
            measures.End(
                wall_s=round(wall / _NS, 6),
                cpu_s=round(cpu, 6),
                lag_p50_s=lags[0],
                lag_p99_s=lags[1],
                lag_max_s=lags[2],
                lag_mean_s=sum(late) / len(late) / _NS,
                chunks=sum(len(row.stamps) for row in self._rows),
                warmup_stable=stable,
                interrupted=bool(self.interrupted),
                left_out=self._left_out,
            )
        )
        tried = [row for row in (*warm, *self._rows) if row.status != "cancelled"]
        if tried and all(row.status == "refused" for row in tried):
            raise SitegenError(f"no request could be sent: {tried[-1].detail}", where="--url")

    def interrupt(self, number: int) -> None:
        """Give up what is under way; `run` ends with the records of what there is."""
        self.interrupted = number
        for task in self._tasks:
            task.cancel()

    def _record(self, record: msgspec.Struct) -> None:
        self._write(msgspec.to_builtins(record))

    def _session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_connected)
        trace.on_request_headers_sent.append(_written)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                force_close=self.options.connections == "fresh",
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
            spans = [
                row.stamps[-1] - row.sent
                for row in self._rows[before:]
                if row.status == "ok" and row.sent is not None
            ]
            if not spans or _clock() > until:
                return False  # it does not get better by asking again
            means.append(sum(spans) / len(spans))
            if _stable(means):
                return True
        return False

    async def _closed(self, phase: _Phase, streams: int, count: int | None, until: float) -> None:
        """Keep ``streams`` requests under way until ``count`` are sent or the time is over."""

        async def work() -> None:
            while (
                not self.interrupted and (count is None or self._sent < count) and _clock() < until
            ):
                await self._request(self._row(phase))

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

    def _row(self, phase: _Phase) -> Row:
        self._sent += 1
        return Row(phase, self._sent - 1, api.Answer())

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
        try:
            async with asyncio.timeout(options.timeout_s):
                await self._with_or_without_usage(row)
        except asyncio.CancelledError:
            row.status = "cancelled"
            raise
        except api.FailedError as error:
            row.status, row.detail = error.status, error.detail
        except TimeoutError:
            if not row.is_judged:
                row.status, row.detail = "timeout", f"not over after {options.timeout_s:g} s"
        except (aiohttp.ClientConnectorError, aiohttp.ClientSSLError) as error:
            row.status, row.detail = "refused", str(error)
        except aiohttp.ClientResponseError as error:
            reason = error.message.partition("\n")[0].rstrip(": ")
            row.status, row.detail = "malformed", f"no usable HTTP: {reason}"
        except (aiohttp.ClientError, OSError) as error:
            row.status = "disconnect" if row.is_connected else "refused"
            row.detail = str(error) or type(error).__name__
        finally:
            row.ended = row.ended or _clock()
            # Masked before it is cut: of a key that was cut, a part too short to be known stays.
            row.detail = api.one_line(self._mask(row.detail))
            if not api.is_same_model(options.model, row.answer.model):
                row.model = api.one_line(self._mask(row.answer.model))
            self._rows.append(row)
            if row.phase == "measured":
                self._unwritten.append(row)
                self._write_rows(self._pulse.seen)

    async def _attempt(self, row: Row, *, usage: bool) -> None:
        """Send a request and read its answer. Raises FailedError."""
        options = self.options
        # Warm-up and measured requests differ, and so do the same ones of two processes.
        prompt = self._prompt(2 * row.index + (row.phase == "measured"))
        post = self._http.post(
            self.address,
            data=api.body(options, self.address, prompt, usage=usage),
            headers=self._headers,
            allow_redirects=False,
            trace_request_ctx=row,
        )
        row.begin()
        async with post as response:
            await _check(response)
            kind = stream.JsonLines if options.api == "ollama" else stream.ServerSentEvents
            await _stream(response.content, kind(), row)
            _judge(row, response.headers.get("Content-Type", ""))
            row.is_judged = True
            # Only a body that ended leaves a connection to use again.
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(_GRACE_S):
                    while await response.content.readany():
                        pass

    async def _with_or_without_usage(self, row: Row) -> None:
        """Ask for usage, and where a server may have refused that, once more without."""
        if not self._asks_usage:
            return await self._attempt(row, usage=False)
        try:
            await self._attempt(row, usage=True)
        except api.FailedError as error:
            named = api.USAGE_FIELD in error.detail
            if not named and (self._takes_usage or not api.is_about_fields(error)):
                raise
        else:
            self._takes_usage = True
            return None
        try:
            await self._attempt(row, usage=False)
        except api.FailedError as error:
            # Refused all the same: it was not for this.
            self._takes_usage |= not named and api.is_about_fields(error)
            raise
        self._asks_usage = False
        return None

    @property
    def _left_out(self) -> tuple[str, ...]:
        dropped = not self._asks_usage and self.options.api != "ollama"
        return (api.USAGE_FIELD,) if dropped else ()

    def _write_rows(self, until: float) -> None:
        """Write the requests that ended by then: how late their stamps are is known."""
        ended = [row for row in self._unwritten if (row.ended or 0) <= until]
        self._unwritten = [row for row in self._unwritten if (row.ended or 0) > until]
        for row in ended:
            late = self._pulse.of(row.sent or 0, row.written, row.stamps)
            self._record(row.record(self._origin, self.options.stall_s, late))


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all; one that was cancelled has its row, one that failed is a bug of ours."""
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise FailedError for what is no answer to read as a stream."""
    if response.status in _REDIRECTS:
        raise api.FailedError("http", f"HTTP {response.status}: redirects are not followed")
    if response.status != _OK:
        body = b""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_ERROR_BODY_S):
                while len(body) < _ERROR_BODY_BYTES and not response.content.at_eof():
                    body += await response.content.read(_ERROR_BODY_BYTES - len(body))
        # A page of HTML is not repeated.
        message = api.error_text(body, "")
        detail = f"HTTP {response.status}: {message}".removesuffix(": ")
        raise api.FailedError("http", detail, response.status)
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise api.FailedError("malformed", f"the answer is compressed ({coding}) unasked")


async def _stream(content: aiohttp.StreamReader, reader: stream.Reader, row: Row) -> None:
    """Read one answer to its end, with a stamp a read. Raises FailedError.

    This is the hot path: one read, one JSON value and one list entry for each chunk.
    """
    read, feed, answer, clock = content.readany, reader.feed, row.answer, _clock
    body = b""
    while data := await read():
        now = clock()
        _hear(feed(data), row, now)
        if answer.done:
            return
        if reader.broken:
            raise api.FailedError("malformed", reader.broken)
        if not row.events:  # it may be no stream at all
            body = (body + data)[:_ERROR_BODY_BYTES]
    if not row.events and (text := api.error_text(body, "")):
        raise api.FailedError("error-event", text)
    _hear(reader.close(), row, _clock())


def _hear(events: Iterable[stream.Event], row: Row, now: int) -> None:
    """Take the events of one read. Raises FailedError."""
    row.ended = now
    for name, payload in events:
        row.events += 1
        if row.answer.take(name, payload):
            row.stamps.append(now)
        if row.answer.done:
            return  # what follows is of no answer


def _judge(row: Row, content_type: str) -> None:
    """Raise FailedError for an answer that ended well and is none."""
    if not row.events:
        kind = content_type or "no content type"
        raise api.FailedError("malformed", f"no event in an answer of {kind}")
    answer = row.answer
    if not answer.text and answer.said:
        raise api.FailedError("error-event", answer.said)
    if not answer.done and not answer.finished:
        raise api.FailedError("disconnect", "the stream ended before the answer did")
    if answer.text:
        return
    count = answer.tokens(0).output_tokens
    counted = "no count" if count is None else f"a count of {count} tokens"
    if answer.calls:
        raise api.FailedError("tool-call", f"a call of a tool, without text, with {counted}")
    raise api.FailedError("zero-tokens", f"an answer without text, with {counted}")


async def _connected(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.is_connected = True


async def _written(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.written = _clock()


def _tls(authority: str | None) -> ssl.SSLContext | bool:
    return True if authority is None else ssl.create_default_context(cafile=authority)


def _arrivals(options: Options) -> Iterator[float]:
    """Yield when requests are due, in seconds: the first at once, then a Poisson process."""
    assert options.rate is not None  # noqa: S101 - it is what makes the loop open
    gaps = random.Random(options.seed)  # noqa: S311 - a load, not a secret
    due_s, sent = 0.0, 0
    while (options.requests is None or sent < options.requests) and (
        options.duration_s is None or due_s < options.duration_s
    ):
        yield due_s
        sent += 1
        due_s += gaps.expovariate(options.rate)


def _after(begin: int, duration_s: float | None) -> float:
    return math.inf if duration_s is None else begin + duration_s * _NS


def _stable(means: Sequence[float]) -> bool:
    last = means[-_STABLE_BLOCKS:]
    return len(last) == _STABLE_BLOCKS and max(last) <= (1 + _STABLE_SHARE) * min(last)


async def drive(options: Options, write: _Write) -> int:
    """Carry out one load; SIGINT and SIGTERM end it early. Returns the exit code.

    Raises SitegenError when not one request could be sent.
    """
    client = Client(options, write)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, client.interrupt, number)
    await client.run()
    return 128 + client.interrupted if client.interrupted else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: the fields of `Options`, each by its name."""
    mask, out = masking(None, ""), sys.stdout.buffer

    def write(record: Mapping[str, Any]) -> None:
        out.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        out.flush()

    code = 2
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        mask, code = masking(options.key, options.url), 1
        # Each stream is an open file: as many as the system lets a process have.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return asyncio.run(drive(options, write))
    except SitegenError as error:
        print(mask(f"llm client: {error}"), file=sys.stderr)  # noqa: T201 - a command line
    except BrokenPipeError:
        # Nobody reads on; what is left in the buffer must not fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception:  # noqa: BLE001 - a bug of ours, shown without key and host too
        print(mask(traceback.format_exc()), file=sys.stderr)  # noqa: T201 - a command line
    return code


def parse(arguments: Sequence[str]) -> Options:
    """Return what the command line asks for; raises SitegenError for what makes no sense."""
    words = iter(arguments)
    values: dict[str, object] = {}
    for word in words:
        if word == "--no-extensions":
            values["extensions"] = False
        else:
            values[word.removeprefix("--").replace("-", "_")] = next(words, "")
    options = decode.convert(values, Options, "arguments", strict=False)
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


if __name__ == "__main__":
    sys.exit(main())
