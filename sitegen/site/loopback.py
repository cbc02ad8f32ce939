"""A built site over HTTP, for this machine alone.

Only files of the site are answered with, and only to who asks for localhost: a page elsewhere that
has its own name lead here is refused. A live server adds a script to the pages that it sends, which
loads them again; the files stay as they are.
"""

from __future__ import annotations

import contextlib
import html
import os
import re
import shutil
import signal
import sys
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote, urlsplit

import msgspec
from msgspec import Struct

from sitegen import resources
from sitegen.errors import SitegenError

_ADDRESS = "127.0.0.1"
_HOST = re.compile(r"(?:localhost|127\.0\.0\.1)(?::\d{1,5})?", re.IGNORECASE)
#: What no site has: labels and benchmarks begin with a letter or a digit.
_STREAM, _SCRIPT = "/-/changes", "/-/changes.js"
_SCRIPT_FILE = "preview/changes.js"
_BEAT_S = 15
#: A page elsewhere may ask for localhost by its name: scripts with figures are not for it.
_OURS = ("Cross-Origin-Resource-Policy", "same-origin")
_TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".json": "application/json",
    ".csv": "text/csv; charset=utf-8", ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml", ".svg": "image/svg+xml", ".png": "image/png",
    ".parquet": "application/vnd.apache.parquet", ".tar": "application/x-tar",
    ".gz": "application/gzip", ".pdf": "application/pdf",
}  # fmt: skip
_EMPTY = b'<!doctype html><html lang="en"><title>No page</title><body><h1>No page here</h1></body>'


class News(Struct, frozen=True):
    """What is shown: which site, which state of it, and how the last build failed, if it did."""

    site: str
    version: str = ""
    error: str = ""


class Loopback:
    """A server in a process of its own, so that builds fork one that has no threads."""

    def __init__(self, port: int, news: News, *, live: bool) -> None:
        """Listen; raises SitegenError when the port is taken."""
        try:
            self._server = _Server((_ADDRESS, port), _Handler)
        except OSError as error:
            message = f"port {port} cannot be used: {error.strerror}"
            raise SitegenError(message, fix="choose another --port") from error
        self._server.news, self._server.live = news, live
        self.address = f"http://localhost:{self._server.server_port}/"

    def __enter__(self) -> Self:
        read, write = os.pipe()
        taken, take = os.pipe()
        sys.stdout.flush()
        self._child = os.fork()
        if not self._child:
            os.close(write)
            os.close(taken)
            self._server.run(read, take)
        os.close(read)
        os.close(take)
        self._server.server_close()
        self._pipe = os.fdopen(write, "wb", buffering=0)
        self._taken = os.fdopen(taken, "rb", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._taken.close()
        # It may be in the midst of an answer, which nobody waits for.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)

    def show(self, news: News) -> None:
        """Have every open page show it, and every page that is asked for from now on."""
        self._pipe.write(msgspec.json.encode(news) + b"\n")
        self._taken.read(1)


class _Server(ThreadingHTTPServer):
    news: News
    live: bool
    request_queue_size = 64

    def run(self, news: int, take: int) -> None:
        """Serve until nobody can have news any more: whoever has started it is gone.

        What came by the pipe ``news`` is said to be taken by a byte through ``take``.
        """
        # Ctrl-C is for who started it too, who then ends this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.changed = threading.Condition()
            threading.Thread(target=self.serve_forever, daemon=True).start()
            with os.fdopen(news, "rb") as pipe:
                for line in pipe:
                    with self.changed:
                        self.news = msgspec.json.decode(line, type=News)
                        self.changed.notify_all()
                    os.write(take, b".")
        finally:
            os._exit(0)

    def handle_error(self, *_: object) -> None:
        """Keep quiet: a browser that leaves a page hangs up."""


class _Handler(BaseHTTPRequestHandler):
    """Answers with a file of the site, or with what is told to open pages."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60  # who says nothing for so long holds no thread
    server_version, sys_version = "sitegen", ""

    def do_GET(self) -> None:
        """Answer a request."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            self._send(HTTPStatus.FORBIDDEN, b"This is for localhost alone.\n", ".txt")
            return
        place = urlsplit(self.path)
        if self.server.live and place.path == _STREAM:
            self._tell()
        elif self.server.live and place.path == _SCRIPT:
            script = resources.templates() / _SCRIPT_FILE
            self._send(HTTPStatus.OK, script.read_bytes(), ".js")
        else:
            self._answer(place.path, place.query)

    do_HEAD = do_GET  # noqa: N815 - as the base calls it

    def _answer(self, path: str, query: str) -> None:
        news = self.server.news
        site = Path(news.site)
        file = _inside(site, path)
        if file and file.is_dir():
            if not path.endswith("/"):
                # From the site's root, whatever was asked for: `//elsewhere` is another machine.
                parts = file.relative_to(site.resolve()).parts
                self._redirect(f"/{quote('/'.join(parts))}/" + (f"?{query}" if query else ""))
                return
            file /= "index.html"
        elif path.endswith("/"):
            file = None
        if file and file.is_file():
            self._send_file(HTTPStatus.OK, file, news)
        elif (lost := site / "404.html").is_file():
            self._send_file(HTTPStatus.NOT_FOUND, lost, news)
        else:
            self._send(HTTPStatus.NOT_FOUND, self._with_script(_EMPTY, news), ".html")

    def _send_file(self, status: HTTPStatus, file: Path, news: News) -> None:
        kind = file.suffix.lower()
        with file.open("rb") as content:
            if kind == ".html":
                self._send(status, self._with_script(content.read(), news), kind)
                return
            self._head(status, kind, os.fstat(content.fileno()).st_size)
            if self.command != "HEAD":
                shutil.copyfileobj(content, self.wfile)

    def _with_script(self, page: bytes, news: News) -> bytes:
        before, end, after = page.rpartition(b"</body>")
        if not (self.server.live and end):
            return page
        address = html.escape(f"{_SCRIPT}?v={news.version}")
        return b'%b<script src="%b" defer></script>%b%b' % (before, address.encode(), end, after)

    def _tell(self) -> None:
        """Tell a page what is shown, and whenever that changes, as long as it listens."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header(*_OURS)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        told: News | None = None
        while self.command != "HEAD":
            with self.server.changed:
                self.server.changed.wait_for(partial(self._is_new, told), _BEAT_S)
                news = self.server.news
            # Without a word from time to time nobody notices that the page is gone.
            line = b":" if news == told else b"data: " + msgspec.json.encode(news)
            self.wfile.write(line + b"\n\n")
            told = news

    def _is_new(self, told: News | None) -> bool:
        return self.server.news != told

    def _redirect(self, address: str) -> None:
        self.send_response(HTTPStatus.MOVED_PERMANENTLY)
        self.send_header("Location", address)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, status: HTTPStatus, data: bytes, kind: str) -> None:
        self._head(status, kind, len(data))
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, status: HTTPStatus, kind: str, size: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", _TYPES.get(kind, "application/octet-stream"))
        self.send_header("Content-Length", str(size))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header(*_OURS)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _inside(site: Path, path: str) -> Path | None:
    """Return what a path of an address names in a site; None for what lies outside of it."""
    name = unquote(path)
    if not name.startswith("/") or "\0" in name or "\\" in name or ".." in name.split("/"):
        return None
    try:
        file = (site / name.lstrip("/")).resolve()
        file.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RuntimeError):  # a name that is too long, among others
        return None
    return file if file.is_relative_to(site.resolve()) else None
