"""Serving: the site on loopback, to nobody else, built first and again on a change."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import pytest
from msgspec import Struct

from sitegen.site import loopback
from tests import site_checks as check

TEXT = "text/html; charset=utf-8"
_PATIENCE_S = 20


class Serving(Struct):
    """A server that runs, and what it has said."""

    program: subprocess.Popen[str]
    folder: Path
    said: list[str]
    port: int = 0

    def hear(self, pattern: str) -> str:
        """Return the next line that it says with this in it."""
        printed: IO[str] | None = self.program.stdout
        assert printed is not None
        for line in printed:
            self.said.append(line.rstrip())
            if re.search(pattern, line):
                return line.rstrip()
        raise AssertionError(self.said)

    def ask(self, path: str, *, host: str = "localhost", method: str = "GET") -> Answer:
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
        ) as connection:
            connection.putrequest(method, path, skip_host=True)
            if host:
                connection.putheader("Host", host)
            connection.endheaders()
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())


class Answer(Struct):
    status: int
    headers: dict[str, str]
    body: bytes


@contextlib.contextmanager
def serving(folder: Path, *options: str, without: str = "") -> Iterator[Serving]:
    """Serve a report on a free port; ``without`` names a module that is not there."""
    code = f"import sys\nsys.modules[{without!r}] = None\n" if without else ""
    code += "from sitegen.cli import main\nmain()"
    argv = [sys.executable, "-c", code, "serve", "--port", "0", *options]
    program = subprocess.Popen(
        argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    with program:
        patience = threading.Timer(3 * _PATIENCE_S, program.kill)  # whoever listens is told so
        patience.start()
        try:
            server = Serving(program, folder, [])
            server.port = int(server.hear("http://localhost")[17:].partition("/")[0])
            yield server
        finally:
            patience.cancel()
            program.kill()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A report that is served before it has a site."""
    folder = tmp_path_factory.mktemp("shown")
    check.report(folder, *check.three_a_side())
    with serving(folder) as server:
        yield server


def test_what_is_shown_is_shown_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<body></body>")
    with loopback.Loopback(0, loopback.News(str(tmp_path)), live=True) as server:
        for version in map(str, range(50)):
            server.show(loopback.News(str(tmp_path), version))
            place = urlsplit(server.address).netloc
            with contextlib.closing(http.client.HTTPConnection(place, timeout=_PATIENCE_S)) as ask:
                ask.request("GET", "/")
                assert f'?v={version}"' in ask.getresponse().read().decode()


def test_what_is_not_there_yet_is_built_first_and_said(shown: Serving) -> None:
    assert shown.said[0] == "no site in site yet: it is built first"
    assert re.fullmatch(
        r"built: 25 pages of 26 rendered, \d+ files written, .* CPU-s", shown.said[1]
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/index.html", TEXT),
        ("/", TEXT),
        ("/fio/", TEXT),
        ("/fio/?a=b", TEXT),
        ("/data/fio.csv", "text/csv; charset=utf-8"),
        ("/data/fio.parquet", "application/vnd.apache.parquet"),
        ("/robots.txt", "text/plain; charset=utf-8"),
        ("/fio/rest.js", "text/javascript; charset=utf-8"),
    ],
)
def test_files_are_sent_as_what_they_are_and_are_not_kept(
    shown: Serving, path: str, kind: str
) -> None:
    answer = shown.ask(path)
    assert answer.status == HTTPStatus.OK
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Cache-Control"] == "no-store"
    # No page elsewhere can have its scripts of figures, which it may ask this machine for.
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    head = shown.ask(path, method="HEAD")
    assert (head.headers["Content-Length"], head.body) == (str(len(answer.body)), b"")
    place = path.partition("?")[0]
    file = shown.folder / "site" / (place + "index.html" if place.endswith("/") else place)[1:]
    built = file.read_bytes() if file.is_file() else b""
    assert re.sub(rb'<script src="/-/changes.js\?v=\w+" defer></script>', b"", answer.body) == built
    assert (answer.body != built) == (kind == TEXT)


def test_a_page_that_is_not_there_is_that_of_the_site(shown: Serving) -> None:
    for path in ("/nope", "/nope/", "/fio/nope.html", "/fio/index.html/", "/.nope", "/%00", "/%"):
        answer = shown.ask(path)
        assert answer.status == HTTPStatus.NOT_FOUND, path
        assert b"There is no page at this address" in answer.body, path


def test_a_folder_leads_to_its_page_and_to_no_other_machine(shown: Serving) -> None:
    assert shown.ask("/fio").headers["Location"] == "/fio/"
    assert shown.ask("/fio?a=b").headers["Location"] == "/fio/?a=b"
    assert shown.ask("//fio").headers.get("Location", "/").startswith("/")
    assert not shown.ask("//fio").headers.get("Location", "/").startswith("//")


@pytest.mark.parametrize(
    "path",
    [
        "/../sitegen.toml", "/fio/../../sitegen.toml", "/%2e%2e/sitegen.toml",
        "/..%2fsitegen.toml", "/%5c..%5csitegen.toml", "//../sitegen.toml",
        "/fio/..%2f..%2fsitegen.toml", "/link.toml", "/linked/sitegen.toml",
        "sitegen.toml", "../sitegen.toml",
    ],
)  # fmt: skip
def test_nothing_outside_of_the_site_is_sent(shown: Serving, path: str) -> None:
    site = shown.folder / "site"
    for name, target in (("link.toml", "../sitegen.toml"), ("linked", "..")):
        if not (site / name).is_symlink():
            (site / name).symlink_to(target)
    answer = shown.ask(path)
    assert answer.status == HTTPStatus.NOT_FOUND
    assert b"[site]" not in answer.body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:99", 200), ("127.0.0.1:8000", 200),
        ("example.org", 403), ("localhost.example.org", 403), ("example.org:8000", 403),
        ("127.0.0.1.nip.io", 403), ("", 403), ("localhost:x", 403)
    ],
)  # fmt: skip
def test_who_asks_for_another_name_is_refused(shown: Serving, host: str, status: int) -> None:
    for path in ("/index.html", "/-/changes.js"):
        assert shown.ask(path, host=host).status == status
    if status != HTTPStatus.OK:
        assert shown.ask("/-/changes", host=host).status == status


def test_it_listens_on_loopback_alone(shown: Serving) -> None:
    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=False).stdout
    if not listening:
        pytest.skip("no ss, or it sees nothing")
    lines = [line.split()[3] for line in listening.splitlines()]
    assert [at for at in lines if at.endswith(f":{shown.port}")] == [f"127.0.0.1:{shown.port}"]


@contextlib.contextmanager
def stream(server: Serving) -> Iterator[Iterator[dict[str, str]]]:
    """Listen as an open page does; yields what is told."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE_S) as connection:
        connection.sendall(b"GET /-/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with connection.makefile("rb") as lines:
            yield (json.loads(line[6:]) for line in lines if line.startswith(b"data: "))


def built(told: Iterator[dict[str, str]]) -> dict[str, str]:
    """Return what is told next of a site that is there; the first word may be of before."""
    return next(news for news in told if news["version"])


def test_what_changes_is_built_and_told_also_while_it_builds(tmp_path: Path) -> None:
    check.report(tmp_path, *check.three_a_side())
    with serving(tmp_path) as server, stream(server) as told:
        first = built(told)
        check.note(tmp_path, "One.")
        assert server.hear("rendered").startswith("notes")
        for number in range(6):  # some of them come while it builds
            check.write(tmp_path, check.storage_run(50 + number))
            check.note(tmp_path, f"Word {number}.")
            time.sleep(0.15)
        deadline = time.monotonic() + _PATIENCE_S
        while b"Word 5." not in server.ask("/fio/").body or not all(
            b"fio" in server.ask(f"/runs/{check.storage_run(50 + number).id}/").body
            for number in range(6)
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert next(told)["version"] != first["version"]


def test_a_build_that_fails_leaves_the_site_up_and_is_told_until_it_is_mended(
    tmp_path: Path,
) -> None:
    check.report(tmp_path, *check.three_a_side())
    with serving(tmp_path) as server, stream(server) as told:
        first, site = built(told), check.tree(tmp_path / "site")
        check.note(tmp_path, "{{ nope }}")
        assert "fio.md:1: 'nope' is undefined" in server.hear("not built: ")
        failed = next(told)
        assert failed["version"] == first["version"]
        assert "fio.md:1: 'nope' is undefined" in failed["error"]
        assert check.differing(check.tree(tmp_path / "site"), site) == []
        (tmp_path / "notes" / "fio.md").unlink()
        assert next(told) == first
        (tmp_path / "sitegen.toml").write_text("nonsense")
        assert "not valid TOML" in next(told)["error"]
        (tmp_path / "sitegen.toml").write_text(check.TOML.replace("A small", "Another"))
        mended = next(told)
        assert mended["error"] == ""
        assert mended["version"] != first["version"]
        assert b"Another report" in server.ask("/").body
        words = check.TOML.replace("[site]", '[site]\nnotes = "words"').replace(
            "A small", "A third"
        )
        (tmp_path / "sitegen.toml").write_text(words)
        assert next(told)["version"] != mended["version"]
        (tmp_path / "words").mkdir()
        (tmp_path / "words" / "fio.md").write_text("From another folder.")
        next(told)
        assert b"From another folder." in server.ask("/fio/").body


def test_a_report_that_cannot_be_built_yet_is_shown_as_soon_as_it_can(tmp_path: Path) -> None:
    check.report(tmp_path, *check.three_a_side())
    check.note(tmp_path, "{{ nope }}")
    with serving(tmp_path) as server, stream(server) as told:
        assert "'nope' is undefined" in next(told)["error"]
        answer = server.ask("/")
        assert (answer.status, b"/-/changes.js" in answer.body) == (HTTPStatus.NOT_FOUND, True)
        (tmp_path / "notes" / "fio.md").unlink()
        assert next(told)["version"]
        assert server.ask("/").status == HTTPStatus.OK


@pytest.mark.parametrize("how", ["--no-watch", "without watchfiles"])
def test_without_a_watcher_the_site_is_sent_as_it_is(tmp_path: Path, how: str) -> None:
    check.report(tmp_path, *check.three_a_side())
    options, without = ([how], "") if how.startswith("-") else ([], "watchfiles")
    with serving(tmp_path, *options, without=without) as server:
        page = tmp_path / "site" / "index.html"
        assert server.ask("/").body == page.read_bytes()
        assert server.ask("/-/changes").status == HTTPStatus.NOT_FOUND
        missing = any("pip install 'sitegen-tee[preview]'" in line for line in server.said)
        assert missing == bool(without)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [[], ["--no-watch"]])
def test_it_ends_at_once_with_pages_open(
    tmp_path: Path, number: signal.Signals, options: list[str]
) -> None:
    check.report(tmp_path)
    with serving(tmp_path, *options) as server, contextlib.ExitStack() as open_pages:
        if not options:
            assert next(open_pages.enter_context(stream(server)))["error"] == ""
        start = time.monotonic()
        server.program.send_signal(number)
        assert server.program.wait(_PATIENCE_S) == 0
        assert time.monotonic() - start < 1
        with pytest.raises(ConnectionError):
            server.ask("/")


def test_a_server_whose_program_is_killed_ends_too(tmp_path: Path) -> None:
    check.report(tmp_path)
    with serving(tmp_path) as server:
        server.program.kill()
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                server.ask("/")
            except (ConnectionError, http.client.HTTPException):
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    check.report(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        argv = [sys.executable, "-m", "sitegen.cli", "serve", "--port", port]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(
        rf"sitegen: port {port} cannot be used: .*; choose another --port\n", done.stderr
    )


def test_what_a_site_was_built_with_stays_when_it_is_shown(tmp_path: Path) -> None:
    check.report(tmp_path, *check.three_a_side())
    argv = [sys.executable, "-m", "sitegen.cli", "build", "--base-url", "https://example.org/x"]
    subprocess.run(argv, cwd=tmp_path, capture_output=True, check=True)
    before = check.tree(tmp_path / "site")
    with serving(tmp_path) as server:
        assert any(line.startswith("built: 0 pages") for line in server.said)
    assert check.differing(before, check.tree(tmp_path / "site")) == []
