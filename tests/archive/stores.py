"""A store of objects in a process of its own, and a way to it on which things go wrong."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

#: What a proxy does instead of passing a request on and the reply back: hang up halfway through the
#: request, answer itself, wait, pass on half the reply, pass on none of it.
DROP, BUSY, SLOW, CUT, DEAF = "drop", "503 ServiceUnavailable", "slow", "cut", "deaf"
Fault = Callable[[str, str, int], str]  # method, path, how many such there were before
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing-to-hide",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def served(*argv: str, port: int) -> Iterator[None]:
    """Run a server, and end it by its own process id."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as one:
                if not one.connect_ex(("127.0.0.1", port)):
                    break
            assert process.poll() is None, f"{argv} ended"
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def bucket_store(folder: Path) -> Iterator[str]:
    """Serve the buckets that are the folders of a folder, and yield the address."""
    port = free_port()
    argv = (sys.executable, "-m", "localbucket", "--port", str(port), str(folder))
    with served(*argv, port=port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def http_store(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server does, with a list of what is in it."""
    port = free_port()
    place = ("--bind", "127.0.0.1", "--directory", str(folder))
    with served(sys.executable, "-m", "http.server", str(port), *place, port=port):
        yield f"http://127.0.0.1:{port}"


class Hostile(BaseHTTPRequestHandler):
    """A store that lists and sends what it likes; nothing, where a kind of it says no more."""

    protocol_version = "HTTP/1.1"
    numbers = count()

    def log_message(self, *_: object) -> None: ...

    def listing(self, _prefix: str) -> str:
        return ""

    def content(self) -> bytes:
        return b""

    def do_GET(self) -> None:
        query = self.path.partition("?")[2]
        asked = urllib.parse.parse_qs(query)
        if "list-type" in asked:
            inner = self.listing(asked.get("prefix", [""])[0])
            data = f"<ListBucketResult>{inner}</ListBucketResult>".encode()
        else:
            data = self.content()
        self.send_response(200 if data else 404)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)


@contextmanager
def hostile_store(kind: type[Hostile]) -> Iterator[str]:
    """Serve what a store that means no good would."""
    with _listening(kind) as address:
        yield address


@contextmanager
def _listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Proxy:
    """Passes requests on to a store, counts them, and does what ``fault`` says instead."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.removeprefix("http://")
        self.requests: list[tuple[str, str]] = []
        self.sent_bytes = 0
        self.fault: Fault = lambda _method, _path, _before: ""
        self.slow_s = 0.2
        self.lock = threading.Lock()

    @contextmanager
    def listening(self) -> Iterator[str]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (OSError, http.client.HTTPException):
                    self.close_connection = True

            def log_message(self, *_: object) -> None: ...

            def __getattr__(self, name: str) -> Any:  # noqa: ANN401
                if name.startswith("do_"):
                    return lambda: proxy.answer(self)
                raise AttributeError(name)

        with _listening(Handler) as address:
            yield address

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        with self.lock:
            before = self.requests.count((asked.command, asked.path))
            self.requests.append((asked.command, asked.path))
        fault = self.fault(asked.command, asked.path, before)
        size = int(asked.headers.get("Content-Length") or 0)
        if fault == DROP:
            asked.rfile.read(size // 2)
            self._hang_up(asked)
            return
        body = asked.rfile.read(size)
        if fault[:3].isdigit():
            status, _, code = fault.partition(" ")
            text = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self._reply(asked, int(status), {"Content-Type": "application/xml"}, text, len(text))
            return
        if fault == SLOW:
            time.sleep(self.slow_s)
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        connection.connect()
        if hasattr(socket, "TCP_QUICKACK"):  # the store answers in two pieces
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        headers = {k: v for k, v in asked.headers.items() if k.lower() != "expect"}
        connection.request(asked.command, asked.path, body, headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        if fault == DEAF:
            self._hang_up(asked)
            return
        kept = {
            k: v
            for k, v in response.getheaders()
            if k.lower() not in ("connection", "transfer-encoding", "content-length")
        }
        length = (
            len(data) if asked.command != "HEAD" else int(response.getheader("Content-Length") or 0)
        )
        part = data[: len(data) // 2] if fault == CUT else data
        self._reply(asked, response.status, kept, part, length)
        if fault == CUT:
            self._hang_up(asked)

    def _reply(
        self,
        asked: BaseHTTPRequestHandler,
        status: int,
        headers: Mapping[str, str],
        data: bytes,
        length: int,
    ) -> None:
        asked.send_response_only(status)
        for name, value in headers.items():
            asked.send_header(name, value)
        asked.send_header("Content-Length", str(length))
        asked.end_headers()
        if asked.command != "HEAD":
            asked.wfile.write(data)
        with self.lock:
            self.sent_bytes += len(data)

    @staticmethod
    def _hang_up(asked: BaseHTTPRequestHandler) -> None:
        asked.close_connection = True
        asked.connection.shutdown(socket.SHUT_RDWR)
