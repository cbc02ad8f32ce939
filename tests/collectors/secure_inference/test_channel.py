"""The terminator with real TLS on loopback: what it lets through, and what is timed on it."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from collectors.secure_inference import channel, evidence, issuing, timings
from collectors.secure_inference.__main__ import main
from collectors.secure_inference.channel import LOOPBACK
from sitegen.collect import Host, Refused
from sitegen.errors import SitegenError

pytest.importorskip("dcap_qvl")

BODY = bytes(range(256)) * 1000


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers each POST with what came, and each GET with a fixed body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(BODY)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("endpoint")
    assert main(["prepare", "--folder", str(place)]) == 0
    return place


@pytest.fixture(scope="module")
def root(folder: Path) -> bytes:
    return evidence.read(folder).root


@pytest.fixture(scope="module")
def up(folder: Path) -> Iterator[channel.Terminator]:
    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://{LOOPBACK}:{server.server_port}"
        with channel.terminating(folder, Host(), address) as running:
            yield running
    finally:
        server.shutdown()
        server.server_close()


def connection(up: channel.Terminator, folder: Path, *, tls: bool) -> http.client.HTTPConnection:
    if not tls:
        return http.client.HTTPConnection(LOOPBACK, up.plain, timeout=20)
    context = channel.client_context(folder)
    return http.client.HTTPSConnection(LOOPBACK, up.tls, timeout=20, context=context)


@pytest.mark.parametrize("tls", [False, True])
def test_requests_go_through_unchanged_on_one_connection(
    up: channel.Terminator, folder: Path, *, tls: bool
) -> None:
    with contextlib.closing(connection(up, folder, tls=tls)) as link:
        for _ in range(3):
            link.request("GET", "/anything")
            assert link.getresponse().read() == BODY
            link.request("POST", "/", BODY * 5)
            assert link.getresponse().read() == BODY * 5


def test_the_channel_is_tls_1_3_with_an_aead(up: channel.Terminator, folder: Path) -> None:
    with (
        socket.create_connection((LOOPBACK, up.tls), 20) as plain,
        channel.client_context(folder).wrap_socket(plain, server_hostname=LOOPBACK) as link,
    ):
        assert link.version() == "TLSv1.3"
        cipher, *_ = link.cipher() or ("none",)
        assert cipher == channel.preferred_cipher()
        assert "_GCM_" in cipher or "_POLY1305_" in cipher


def test_an_older_tls_and_another_authority_are_refused(
    up: channel.Terminator, folder: Path, tmp_path: Path
) -> None:
    older = channel.client_context(folder)
    older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_2
    channel.issue(tmp_path)
    for context in (older, channel.client_context(tmp_path)):
        with (
            socket.create_connection((LOOPBACK, up.tls), 20) as plain,
            pytest.raises(ssl.SSLError),
        ):
            context.wrap_socket(plain, server_hostname=LOOPBACK)


def test_no_evidence_and_that_of_another_endpoint_are_refused(tmp_path: Path) -> None:
    """Evidence that verifies but names another key would relay somebody else's TEE."""
    channel.issue(tmp_path)
    digest = issuing.key_digest((tmp_path / channel.AUTHORITY).read_bytes())
    relayed = evidence.construct(evidence.report_data(digest), datetime.now(UTC))
    none = pytest.raises(SitegenError, match="shows nothing usable")
    with channel.terminating(tmp_path, Host()) as running, none:
        channel.start_session(running.tls, tmp_path, b"")
    relayed.write(tmp_path)
    with channel.terminating(tmp_path, Host()) as running:
        with pytest.raises(Refused, match="another TLS key"):
            channel.start_session(running.tls, tmp_path, relayed.root)
        # Evidence of one's own is of another machine: it is verified, and said to be unbound.
        channel.start_session(running.tls, tmp_path, relayed.root, bind=False)
    assert main(["sessions", "--folder", str(tmp_path), "--rounds", "1"]) == channel.REFUSED


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"{}", b"[" * 100_000, b"\xff"),
        *(b'{"quote": %b, "collateral": "", "at": 0}' % quote for quote in (b'"zz"', b"5")),
        *(b'{"quote": "00", "collateral": [], "at": 0}', b'{"quote": "", "collateral": ""}'),
        b'{"quote": "00", "collateral": "", "at": "now"}',
    ],
)
def test_what_an_endpoint_shows_instead_of_evidence_is_told(body: bytes) -> None:
    with pytest.raises(SitegenError, match="shows no evidence"):
        channel.evidence_in(body, b"")


def test_evidence_under_another_root_is_refused(up: channel.Terminator, folder: Path) -> None:
    other = evidence.construct(bytes(64), datetime.now(UTC))
    with pytest.raises(SitegenError, match="the quote is refused"):
        channel.start_session(up.tls, folder, other.root)


def test_sessions_are_timed_by_their_parts(
    up: channel.Terminator, folder: Path, root: bytes
) -> None:
    report = timings.read(
        timings.whole(channel.measure_sessions(up.tls, folder, root, 4, bind=True)).encode()
    )
    assert {each.metric for each in report.values} == {"attestation_time"}
    fetch, verify, binding, session = (
        [each.value for each in report.values if each.params["part"] == part]
        for part in ("fetch", "verify", "binding", "session")
    )
    assert len(fetch) == len(verify) == len(binding) == len(session) == 4
    assert sum(session) == pytest.approx(sum([*fetch, *verify, *binding]))
    assert report.checks == (timings.Check("another-tls-key", refused=True),)
    assert dict(report.about) == {"bound": "true", "cipher": channel.preferred_cipher()}


def test_full_and_resumed_handshakes_are_told_apart(up: channel.Terminator, folder: Path) -> None:
    report = timings.read(timings.whole(channel.measure_handshakes(up.tls, folder, 5)).encode())
    assert [each.params["mode"] for each in report.values] == ["full", "resumed"] * 5
    assert all(each.value > 0 for each in report.values)


def test_throughput_is_measured_without_and_with_tls(up: channel.Terminator, folder: Path) -> None:
    report = timings.read(
        timings.whole(channel.measure_throughput(up, folder, 1_000_000, 2)).encode()
    )
    assert [(each.metric, each.params) for each in report.values] == [
        ("channel_throughput", {"channel": kind, "size": "1000000"})
        for kind in ("plain", "tls", "plain", "tls")
    ]
    assert dict(report.about)["cipher"] == channel.preferred_cipher()


@contextlib.contextmanager
def accepting(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server that hands each connection over, and then closes it."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):  # until the listener is shut
                while True:
                    link, _ = listener.accept()
                    with link:
                        handle(link)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@contextlib.contextmanager
def answering(folder: Path, answer: bytes) -> Iterator[tuple[channel.Terminator, list[bytes]]]:
    """Run a terminator before a server that gives one fixed answer to each connection."""
    heard: list[bytes] = []

    def handle(link: socket.socket) -> None:
        with contextlib.suppress(OSError):
            heard.append(link.recv(65536))
            link.sendall(answer)

    with (
        accepting(handle) as port,
        channel.terminating(folder, Host(), f"http://{LOOPBACK}:{port}") as running,
    ):
        yield running, heard


def test_a_server_without_tickets_is_not_timed_as_resumed(folder: Path) -> None:
    """A handshake that was meant to be resumed and was full must not pass for a resumed one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / channel.CERTIFICATE, folder / channel.KEY)
    context.num_tickets = 0

    def handle(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as link:
            link.recv(4096)
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\0")

    with accepting(handle) as port, pytest.raises(SitegenError, match="resumed no session"):
        list(channel.measure_handshakes(port, folder, 1))


STREAM = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("tls", [False, True])
def test_a_kept_connection_outlives_a_server_that_ends_its_own(folder: Path, *, tls: bool) -> None:
    with (
        answering(folder, STREAM) as (running, heard),
        contextlib.closing(connection(running, folder, tls=tls)) as link,
    ):
        link.connect()
        own = link.sock
        for _ in range(3):
            link.request("POST", "/v1", b"{}", {"Connection": "keep-alive"})
            answer = link.getresponse()
            assert answer.read() == b"hello"
            assert answer.getheader("Connection") is None
            assert answer.getheader("Keep-Alive") is None
            assert link.sock is own
        link.request("POST", "/v1", b"{}", {"Connection": "close"})
        answer = link.getresponse()
        assert answer.read() == b"hello"
        assert answer.getheader("Connection") == "close"
    assert len(heard) == 4
    for request in heard:
        assert request.lower().count(b"connection: close\r\n") == 1
        assert b"keep-alive" not in request.lower()
        assert request.endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize(
    "answer",
    [
        STREAM[:-7],
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"nothing of HTTP",
        b"",
    ],
)
def test_an_answer_that_is_cut_off_is_no_whole_one(folder: Path, answer: bytes) -> None:
    with (
        answering(folder, answer) as (running, _),
        contextlib.closing(connection(running, folder, tls=True)) as link,
    ):
        link.request("GET", "/")
        with pytest.raises((http.client.HTTPException, OSError)):
            link.getresponse().read()


@pytest.mark.parametrize(
    "request_",
    [
        *(b"GET\r\n\r\n", b"x" * 200_000),
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_plain_request_reaches_no_server(folder: Path, request_: bytes) -> None:
    with answering(folder, STREAM) as (running, heard):
        with (
            socket.create_connection((LOOPBACK, running.plain), 20) as link,
            contextlib.suppress(ConnectionError),
        ):
            link.sendall(request_)
            assert link.recv(100) == b""
        assert heard == []


def test_a_server_that_is_gone_ends_the_connection_only(folder: Path, root: bytes) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    with channel.terminating(folder, Host(), f"http://{LOOPBACK}:{port}") as running:
        link = connection(running, folder, tls=True)
        link.request("GET", "/")
        with pytest.raises((http.client.HTTPException, OSError)):
            link.getresponse()
        link.close()
        channel.start_session(running.tls, folder, root)
        process = psutil.Process(running.pid)
    assert not process.is_running()


@pytest.mark.parametrize(
    ("backend", "message"), [("", "did not start"), ("ftp://127.0.0.1", "is not an http address")]
)
def test_a_terminator_that_cannot_start_says_why(
    folder: Path, tmp_path: Path, backend: str, message: str
) -> None:
    place = folder if backend else tmp_path
    with pytest.raises(SitegenError, match=message), channel.terminating(place, Host(), backend):
        pass
