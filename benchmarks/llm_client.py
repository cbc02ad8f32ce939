"""What the load client costs a chunk, beside its peers: `python -m benchmarks.llm_client`.

A server process streams made-up chat chunks on loopback, so many streams at so many chunks a
second; each client reads the same load in a process of its own, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from statistics import median

import orjson

from benchmarks import measure
from collectors.llm import client

_ROOT = Path(__file__).parents[1]
_BUDGET_US = 60.0
_PROMPT = [{"role": "user", "content": "go on"}]
_CHUNK = (
    b'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"system_fingerprint":"none","choices":[{"index":0,"delta":{"content":" token"},'
    b'"logprobs":null,"finish_reason":null}]}\n\n'
)
_LAST = (
    b'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\n'
    b'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":%d,"total_tokens":%d}}\n\n'
    b"data: [DONE]\n\n"
)


class _Streaming(asyncio.Protocol):
    """Answers any request with a stream of chunks, one every ``pause_s``."""

    def __init__(self, chunks: int, pause_s: float) -> None:
        self.chunks, self.pause_s = chunks, pause_s
        self.sent = 0
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - of a TCP server
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if b"\r\n\r\n" not in self.heard or self.sent:
            return
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        self.due = asyncio.get_running_loop().time()
        self.sent = 1
        self.go_on()

    def go_on(self) -> None:
        if self.transport.is_closing():
            return
        if self.sent > self.chunks:
            self.send(_LAST % (self.chunks, self.chunks + 8))
            self.transport.write(b"0\r\n\r\n")
            self.transport.close()
            return
        self.send(_CHUNK)
        self.sent += 1
        self.due += self.pause_s
        asyncio.get_running_loop().call_at(self.due, self.go_on)

    def send(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%s\r\n" % (len(data), data))


async def _serve(chunks: int, pause_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Streaming(chunks, pause_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def _server(chunks: int, pause_s: float) -> Iterator[str]:
    argv = [sys.executable, "-m", "benchmarks.llm_client", "--part", "server"]
    argv += ["--chunks", str(chunks), "--rate", str(1 / pause_s)]
    with subprocess.Popen(argv, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


async def _ours(url: str, streams: int) -> tuple[float, int]:
    end: dict[str, object] = {}

    def keep(record: Mapping[str, object]) -> None:
        if record["record"] == "end":
            end.update(record)
        orjson.dumps(record)  # as the command line does

    options = client.Options(url, "openai-chat", "m", concurrency=streams, requests=streams)
    await client.drive(options, keep)
    return float(str(end["cpu_s"])), int(str(end["chunks"]))


async def _httpx(url: str, streams: int) -> tuple[float, int]:
    import httpx

    async def read(session: httpx.AsyncClient) -> int:
        stamps = []
        body = {"model": "m", "stream": True, "messages": _PROMPT}
        address = f"{url}/v1/chat/completions"
        async with session.stream("POST", address, json=body, timeout=None) as response:
            async for line in response.aiter_lines():
                now = time.perf_counter_ns()
                if line.startswith("data: ") and line != "data: [DONE]":
                    choices = json.loads(line[6:])["choices"]
                    if choices and choices[0]["delta"].get("content"):
                        stamps.append(now)
        return len(stamps)

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits) as session:
        return await _timed(lambda: read(session), streams)


async def _openai(url: str, streams: int) -> tuple[float, int]:
    import openai

    async def read(session: openai.AsyncOpenAI) -> int:
        stamps = []
        answer = await session.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "go on"}], stream=True
        )
        async for chunk in answer:
            now = time.perf_counter_ns()
            if chunk.choices and chunk.choices[0].delta.content:
                stamps.append(now)
        return len(stamps)

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as session:
        return await _timed(lambda: read(session), streams)


async def _timed(read: Callable[[], Awaitable[int]], streams: int) -> tuple[float, int]:
    begin = time.process_time()
    counts = await asyncio.gather(*(read() for _ in range(streams)))
    return time.process_time() - begin, sum(counts)


_CLIENTS = {"sitegen": _ours, "httpx": _httpx, "openai": _openai}


def figures(streams: int, rate: float, seconds: float, rounds: int) -> dict[str, object]:
    """Return the median CPU time a chunk of each client, in us, and which are not installed."""
    absent = [name for name in _CLIENTS if name != "sitegen" and not importlib.util.find_spec(name)]
    taken: dict[str, list[float]] = {name: [] for name in _CLIENTS if name not in absent}
    chunks = max(round(rate * seconds), 1)
    for _ in range(rounds):
        for name, values in taken.items():
            with _server(chunks, 1 / rate) as url:
                argv = [sys.executable, "-m", "benchmarks.llm_client", "--part", name]
                argv += ["--url", url, "--streams", str(streams)]
                used, read = json.loads(measure.run(argv, _ROOT).output)
            if read != streams * chunks:
                raise measure.FailedError(f"{name} read {read} of {streams * chunks} chunks")
            values.append(used / read * 1e6)
    return {
        "streams": streams,
        "chunks_per_s": rate,
        "rounds": rounds,
        "cpu_us_per_chunk": {name: round(median(values), 1) for name, values in taken.items()},
        "versions": {
            name: importlib.metadata.version("aiohttp" if name == "sitegen" else name)
            for name in taken
        },
        "not_installed": absent,
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.llm_client", description=__doc__)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--rate", type=float, default=50.0, help="chunks a second of each stream")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=("server", *_CLIENTS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--chunks", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "server":
        asyncio.run(_serve(options.chunks, 1 / options.rate))
        return
    if options.part:
        print(json.dumps(asyncio.run(_CLIENTS[options.part](options.url, options.streams))))
        return
    result = figures(options.streams, options.rate, options.seconds, options.rounds)
    if options.format == "json":
        print(json.dumps(result, indent=2))
        return
    print(
        f"CPU time a chunk, {options.streams} streams of {options.rate:g} chunks/s, "
        f"median of {options.rounds}"
    )
    costs, versions = result["cpu_us_per_chunk"], result["versions"]
    assert isinstance(costs, dict)  # noqa: S101 - as figures returns them
    assert isinstance(versions, dict)  # noqa: S101
    for name, cost in costs.items():
        library = f"aiohttp {versions[name]}" if name == "sitegen" else versions[name]
        budget = f"   budget {_BUDGET_US:g} us" if name == "sitegen" else ""
        print(f"  {name:10}{library:18}{cost:>8.1f} us{budget}")
    for name in result["not_installed"] if isinstance(result["not_installed"], list) else ():
        print(f"  {name:10}not installed")


if __name__ == "__main__":
    main()
