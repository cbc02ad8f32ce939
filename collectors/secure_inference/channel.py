"""The TLS 1.3 terminator on loopback, and what its channel costs.

The terminator is a process of its own, asyncio over OpenSSL, with one port with TLS and one
without, so that its hop and the encryption have each its cost. It hands HTTP requests to the
server behind it, and answers two itself: evidence, and as many zero bytes as are asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collectors.secure_inference import evidence, timings
from collectors.secure_inference.evidence import Evidence
from collectors.secure_inference.timings import Line, Value
from sitegen.collect import Host, Refused, decode, last_line
from sitegen.errors import SitegenError

#: The terminator's certificate with its key, and the certificate of who vouches for it.
AUTHORITY, CERTIFICATE, KEY = "authority.pem", "certificate.pem", "key.pem"
LOOPBACK = "127.0.0.1"
_OWN = "/.well-known/sitegen/"
EVIDENCE, ZEROS = f"{_OWN}evidence", f"{_OWN}zeros/"
#: The exit code of a command that met a failed check which every number stands on.
REFUSED = 3
#: What a command of this package is started with.
COMMAND = (sys.executable, "-m", "collectors.secure_inference")
ENVIRON = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}

_END = b"\r\n\r\n"
#: Fields of an HTTP/1.1 head: what belongs to one connection only, what ends it, what the body is.
_OF_ONE_CONNECTION = re.compile(rb"(?i)\r\n(?:connection|keep-alive):[^\r\n]*")
_CLOSE = re.compile(rb"(?i)\r\nconnection:[ \t]*close[ \t]*\r\n")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:([^\r\n]*)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n")
_LAST_CHUNK = b"0\r\n\r\n"
_BLOCK_BYTES = 1 << 16
_MOST_ZEROS = 1 << 32
_MOST_ANSWER = 16 << 20
_BACKLOG = 1024
_START_S, _STOP_S, _WAIT_S = 15.0, 5.0, 60.0


def issue(folder: Path) -> None:
    """Write an authority's certificate, the terminator's and its key, valid for two days."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    from collectors.secure_inference import issuing

    now = datetime.now(UTC)
    valid = (now - timedelta(hours=1), now + timedelta(days=2))
    issuer, terminator = issuing.party("sitegen test authority"), issuing.party("localhost")
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address(LOOPBACK))]
    shown = issuing.certificate(terminator, issuer, valid, x509.SubjectAlternativeName(names))
    folder.mkdir(parents=True, exist_ok=True)
    own = issuing.certificate(issuer, issuer, valid, authority=True)
    (folder / AUTHORITY).write_text(issuing.pem(own), "ascii")
    (folder / CERTIFICATE).write_text(issuing.pem(shown), "ascii")
    form = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    opened = os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(terminator.key.private_bytes(*form))


class Terminator(NamedTuple):
    """A terminator that is up: its port without TLS, and the one with it."""

    plain: int
    tls: int
    pid: int


@contextlib.contextmanager
def terminating(folder: Path, host: Host, backend: str = "") -> Iterator[Terminator]:
    """Run a terminator for the length of the block, in front of ``backend`` (an http address).

    ``folder`` holds the certificate and its key, and the evidence that it shows. Raises
    SitegenError when it does not come up.
    """
    behind = ("--backend", backend) if backend else ()
    argv = [*COMMAND, "terminate", "--folder", str(folder), *behind]
    # A file and no pipe: nobody reads what it says while it runs.
    with (
        tempfile.TemporaryFile() as log,
        host.start(argv, cwd=folder, environ=ENVIRON, stderr=log.fileno()) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        ready, _, _ = select.select([process.stdout], [], [], _START_S)
        line = process.stdout.readline() if ready else b""
        if not line:
            log.seek(0)
            message = f"the terminator did not start: {last_line(log.read())}"
            raise SitegenError(message, where="secure-inference")
        plain, tls = json.loads(line)
        yield Terminator(plain, tls, process.pid)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)


async def terminate(folder: Path, backend: str = "") -> None:
    """Serve until stopped; one line of JSON on stdout says the two ports."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    relay = _Relay(_backend(backend), _evidence(folder))
    plain = await asyncio.start_server(relay.serve, LOOPBACK, 0, backlog=_BACKLOG)
    tls = await asyncio.start_server(relay.serve, LOOPBACK, 0, ssl=context, backlog=_BACKLOG)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    ports = [server.sockets[0].getsockname()[1] for server in (plain, tls)]
    print(json.dumps(ports), flush=True)  # noqa: T201 - for the process that started this one
    await asyncio.gather(plain.serve_forever(), tls.serve_forever())


def _backend(address: str) -> tuple[str, int] | None:
    match = re.fullmatch(r"http://([0-9a-z.-]{1,253}):([0-9]{1,5})/?", address)
    if address and match is None:
        raise SitegenError(f"{address[:80]!r} is not an http address", where="--backend")
    return (match[1], int(match[2])) if match else None


def _evidence(folder: Path) -> bytes:
    """Return the evidence as the endpoint shows it; nothing where there is none."""
    if not (folder / evidence.QUOTE).exists():
        return b""
    # Its root is the client's to know.
    return msgspec.json.encode(replace(evidence.read(folder), root=b""))


def _length(head: bytes) -> int | None:
    """Return the length of the body that a head announces, or None; raises ValueError."""
    if not (lengths := _LENGTH.findall(head)):
        return None
    [length] = lengths
    if not re.fullmatch(rb"[ \t]*[0-9]{1,12}[ \t]*", length):
        raise ValueError(length)
    return int(length)


def _passed_on(head: bytes, *, keep: bool) -> bytes:
    """Return a head less what belongs to one connection only, and whether this one is kept."""
    fields = _OF_ONE_CONNECTION.sub(b"", head).removesuffix(_END)
    return fields + (b"" if keep else b"\r\nConnection: close") + _END


class _Relay(NamedTuple):
    """Hands each request to the server behind, over a connection of its own.

    The client's connection is kept when the client wants that: llama.cpp's server ends its
    connection after each stream, and an ordinary terminator does not let a client see that.
    """

    backend: tuple[str, int] | None
    evidence: bytes

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A peer that has gone, or speaks no HTTP: the load client counts what it misses.
        gone = (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError)
        with contextlib.suppress(*gone), contextlib.closing(writer):
            keep = True
            while keep:
                head = await reader.readuntil(_END)
                body = await reader.readexactly(_length(head) or 0)
                target = head.split(b" ", 2)[1].decode("ascii")
                keep = False
                if target.startswith(_OWN):
                    await self._answer(target, writer)
                elif self.backend is not None and not _CHUNKED.search(head):
                    keep = await self._exchange(self.backend, head, body, writer)

    async def _exchange(
        self, backend: tuple[str, int], head: bytes, body: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        """Pass on one request and its answer; return whether the connection can be kept."""
        answer, ask = await asyncio.open_connection(*backend)
        with contextlib.closing(ask):
            ask.write(_passed_on(head, keep=False) + body)
            reply = await answer.readuntil(_END)
            length, chunked = _length(reply), _CHUNKED.search(reply)
            keep = not _CLOSE.search(head) and bool(chunked or length is not None)
            writer.write(_passed_on(reply, keep=keep))
            count, tail = 0, b""
            # Asked not to keep it, the server closes its connection when the answer is whole.
            while data := await answer.read(_BLOCK_BYTES):
                writer.write(data)
                await writer.drain()
                count, tail = count + len(data), (tail + data)[-len(_LAST_CHUNK) :]
            return keep and (tail == _LAST_CHUNK if chunked else count == length)

    async def _answer(self, target: str, writer: asyncio.StreamWriter) -> None:
        if target == EVIDENCE and self.evidence:
            writer.write(_head(len(self.evidence)) + self.evidence)
        elif re.fullmatch(re.escape(ZEROS) + r"[0-9]{1,10}", target):
            size = min(int(target[len(ZEROS) :]), _MOST_ZEROS)
            writer.write(_head(size))
            block = bytes(_BLOCK_BYTES)
            for start in range(0, size, _BLOCK_BYTES):
                writer.write(block[: size - start])
                await writer.drain()
        else:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()


def _head(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size


def client_context(folder: Path) -> ssl.SSLContext:
    """Return what a client of the terminator trusts: TLS 1.3, its authority, nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(folder / AUTHORITY)
    return context


def preferred_cipher() -> str:
    """Return the TLS 1.3 cipher suite that this machine's OpenSSL offers first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    offered = [c["name"] for c in context.get_ciphers() if c["protocol"] == "TLSv1.3"]
    return str(offered[0]) if offered else "none"


def start_session(port: int, folder: Path, root: bytes, *, bind: bool = True) -> dict[str, float]:
    """Open a TLS connection, fetch the endpoint's evidence, verify it and check its binding.

    Returns the seconds of each part after the handshake, and of the ``session``, all of them.
    ``root`` is the evidence's; empty means the verifier's own. Raises SitegenError when the
    evidence is refused, and Refused when it names another key than the connection's.
    """
    context = client_context(folder)
    with _connected(port) as plain, context.wrap_socket(plain, server_hostname=LOOPBACK) as link:
        begun = time.perf_counter()
        received = evidence_in(_fetch(link, EVIDENCE), root)
        fetched = time.perf_counter()
        evidence.verify(received)
        verified = time.perf_counter()
        if bind and not evidence.bound(received, link.getpeercert(binary_form=True) or b""):
            message = "the evidence is another endpoint's: it names another TLS key"
            raise Refused(message, where="attestation")
        ended = time.perf_counter()
    parts = {"fetch": fetched - begun, "verify": verified - fetched, "binding": ended - verified}
    return {**parts, "session": sum(parts.values())}


def evidence_in(body: bytes, root: bytes) -> Evidence:
    """Return the evidence that an endpoint shows, not yet believed; raises SitegenError."""
    try:
        return replace(decode.document(body, Evidence), root=root)
    except SitegenError as error:
        raise SitegenError("the endpoint shows no evidence", where="attestation") from error


def measure_sessions(
    port: int, folder: Path, root: bytes, rounds: int, *, bind: bool
) -> Iterator[Line]:
    """Start ``rounds`` attested sessions and yield the lines of the command's output."""
    start_session(port, folder, root, bind=bind)  # the warm-up
    _, _, cipher = _handshake(port, client_context(folder))
    yield timings.start("sessions", cipher=cipher, bound=str(bind).lower())
    if bind:
        # The authority's key is another one than the endpoint's.
        other = ssl.PEM_cert_to_DER_cert((folder / AUTHORITY).read_text("ascii"))
        accepted = evidence.bound(evidence.read(folder), other)
        yield timings.Check("another-tls-key", not accepted)
    for _ in range(rounds):
        for part, duration in start_session(port, folder, root, bind=bind).items():
            yield Value("attestation_time", {"part": part}, duration)


def measure_handshakes(port: int, folder: Path, rounds: int) -> Iterator[Line]:
    """Time full and resumed handshakes in turn, TCP left out, and yield the lines.

    Raises SitegenError when a handshake is not of the kind that it should be.
    """
    context = client_context(folder)
    _, kept, cipher = _handshake(port, context)  # the warm-up, and the first ticket
    yield timings.start("handshake", cipher=cipher, openssl=ssl.OPENSSL_VERSION)
    for _ in range(rounds):
        for mode in ("full", "resumed"):
            duration, kept, _ = _handshake(port, context, kept if mode == "resumed" else None)
            yield Value("handshake_time", {"mode": mode}, duration)


def _handshake(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[float, ssl.SSLSession | None, str]:
    """Return how long a handshake took, the session that it leaves, and the cipher."""
    with _connected(port) as plain:
        begun = time.perf_counter()
        with context.wrap_socket(plain, server_hostname=LOOPBACK, session=session) as link:
            duration = time.perf_counter() - begun
            if link.session_reused is not (session is not None):
                raise SitegenError("the server resumed no session", where="handshake")
            # Tickets come after the handshake, with the first answer.
            _fetch(link, f"{ZEROS}1")
            return duration, link.session, (link.cipher() or ("none",))[0]


def measure_throughput(up: Terminator, folder: Path, size: int, rounds: int) -> Iterator[Line]:
    """Fetch ``size`` bytes without TLS and with it, in turn, and yield the lines.

    The time is from the request to the last byte, on a connection that is up.
    """
    context = client_context(folder)
    _, _, cipher = _handshake(up.tls, context)
    yield timings.start("throughput", cipher=cipher)
    for index in range(rounds + 1):
        for channel, port, secured in (("plain", up.plain, None), ("tls", up.tls, context)):
            duration = _transfer(port, secured, size)
            if index:  # the first of each is the warm-up
                about = {"channel": channel, "size": str(size)}
                yield Value("channel_throughput", about, size / duration)


def _transfer(port: int, context: ssl.SSLContext | None, size: int) -> float:
    plain = _connected(port)
    with context.wrap_socket(plain, server_hostname=LOOPBACK) if context else plain as link:
        buffer = memoryview(bytearray(_BLOCK_BYTES))
        begun = time.perf_counter()
        link.sendall(_request(f"{ZEROS}{size}"))
        received = 0
        while count := link.recv_into(buffer):
            received += count
        duration = time.perf_counter() - begun
    if received != size + len(_head(size)):
        raise SitegenError(f"{received} bytes came of {size}", where="channel")
    return duration


def _connected(port: int) -> socket.socket:
    link = socket.create_connection((LOOPBACK, port), _WAIT_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def _fetch(link: ssl.SSLSocket, path: str) -> bytes:
    link.sendall(_request(path))
    answer = bytearray()
    while len(answer) < _MOST_ANSWER and (data := link.recv(_BLOCK_BYTES)):
        answer += data
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200") or b"Content-Length: %d" % len(body) not in head:
        raise SitegenError("the endpoint shows nothing usable", where="terminator")
    return body


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
