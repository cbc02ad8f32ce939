"""An inference server that answers from a script, in every way that a real one might."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from msgspec import Struct, field

from collectors.llm import measures

DONE = b"data: [DONE]\n\n"
Record = Mapping[str, Any]


def event(payload: object, end: bytes = b"\n") -> bytes:
    return b"data: " + orjson.dumps(payload) + end + end


def chat(**delta: object) -> bytes:
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def finish(reason: str = "length") -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def usage(output: int, prompt: int = 9, **more: object) -> bytes:
    counts = {"completion_tokens": output, "prompt_tokens": prompt, **more}
    return event({"choices": [], "usage": counts})


def whole(*texts: str) -> bytes:
    """Return a usual answer, each text an event, with the usage of so many tokens."""
    data = b"".join(chat(content=text) for text in texts)
    return chat(role="assistant", content=None) + data + finish() + usage(len(texts)) + DONE


class Peer(Struct):
    """One request at the server, and what it answers with."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    connection: int
    line: str
    headers: dict[str, str]
    body: bytes
    received_s: float
    chunked: bool = True

    @property
    def asked(self) -> dict[str, Any]:
        document = orjson.loads(self.body)
        assert isinstance(document, dict)
        return document

    async def head(
        self, status: str = "200 OK", kind: str = "text/event-stream", more: str = ""
    ) -> None:
        coding = "Transfer-Encoding: chunked\r\n" if self.chunked else ""
        text = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{coding}{more}\r\n"
        await self.raw(text.encode())

    async def send(self, data: bytes) -> None:
        if not data:
            return  # a chunk of nothing would be the end
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def end(self) -> None:
        if self.chunked:
            await self.raw(b"0\r\n\r\n")

    async def say(self, data: bytes, kind: str = "text/event-stream") -> None:
        """Answer with this and end well."""
        await self.head(kind=kind)
        await self.send(data)
        await self.end()

    def cut(self) -> None:
        self.writer.transport.abort()


Answer = Callable[[Peer], Awaitable[None]]


class Server(Struct):
    """Answers each request on loopback with the script; keeps what it was asked."""

    script: Answer
    peers: list[Peer] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    arrived: threading.Event = field(default_factory=threading.Event)

    @contextlib.asynccontextmanager
    async def up(self, tls: ssl.SSLContext | None = None) -> Any:  # noqa: ANN401 - a context
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        try:
            yield self
        finally:
            server.close()
            for peer in self.peers:
                peer.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *lines = head.strip().split("\r\n")
                headers = {
                    key.lower(): value for key, _, value in (each.partition(": ") for each in lines)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                number = len(self.peers)
                now = time.perf_counter()
                peer = Peer(reader, writer, number, connection, line, headers, body, now)
                self.peers.append(peer)
                self.arrived.set()
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    await self.script(peer)
                finally:
                    self.at_once -= 1
                if headers.get("connection") == "close" or not peer.chunked:
                    break
        writer.close()


def load_of(records: list[Record]) -> measures.Load:
    return measures.read(b"".join(orjson.dumps(each) + b"\n" for each in records))
