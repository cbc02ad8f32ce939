"""Web servers whose lists of folders lead elsewhere, to no end, or are no lists."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import process_time

import pytest

from sitegen.archive.storage import Storage
from sitegen.config import StorageTable
from sitegen.errors import SitegenError

LINK = '<a href="{}">x</a>'
ELSEWHERE = (
    "../", "/", "/etc/", "./", "?C=N", "#x", "%2e%2e/", "..%2f", "a%2fb", "//[", "javascript:x",
    "http://169.254.169.254/store/own/", "file:///store/passwd", "//elsewhere/store/own/",
)  # fmt: skip


@contextmanager
def listing(page: Callable[[str], bytes]) -> Iterator[tuple[Storage, list[str]]]:
    """Serve what ``page`` says of an address; yield the store there, and what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = page(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # it was hung up on
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/store"
        yield Storage(url, StorageTable()), asked
        server.shutdown()


def test_only_what_lies_in_a_folder_is_in_its_list() -> None:
    links = [*ELSEWHERE, "own/", "own.json", "/store/named&amp;other", "f%20g?x#y"]
    with listing(lambda _: "".join(map(LINK.format, links)).encode()) as (storage, asked):
        names = storage.names()
    assert names.folders == {"own"}
    assert names.files == {"own.json", "named&other", "f g"}
    assert asked == ["/store/"]


def test_folders_in_folders_without_an_end_are_followed_for_a_while() -> None:
    page = "".join(map(LINK.format, [*ELSEWHERE, "deeper/", "file"])).encode()
    with listing(lambda _: page) as (storage, asked):
        assert "deeper/deeper/file" in storage.tree()
    assert len(asked) < 20
    assert all(path.startswith("/store/") for path in asked)


@pytest.mark.parametrize("page", [b"<a " + b" " * 70_000_000, b"<a " * 30_000_000], ids=len)
def test_a_list_that_is_too_long_is_refused(page: bytes) -> None:
    with listing(lambda _: page) as (storage, _):
        start = process_time()
        with pytest.raises(SitegenError, match="its listing is larger than 64 MB"):
            storage.names()
        assert process_time() - start < 2


def test_a_page_that_is_no_list_is_read_at_once() -> None:
    page = (b"<a " + b" x" * 300) * 20_000 + b'<a href="' * 100_000
    with listing(lambda _: page) as (storage, _):
        start = process_time()
        storage.names()
        assert process_time() - start < 2
