"""The TLS 1.3 terminator on loopback, and what its channel costs.

The terminator is a process of its own: asyncio over OpenSSL. It opens one port with TLS and
one without, so that what its hop costs is told from what the encryption costs. It hands HTTP
requests to the server behind it, and answers two addresses itself: the evidence of its endpoint,
and as many zero bytes as are asked for.
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
from dataclasses import dataclass
from pathlib import Path

import msgspec

from collectors.secure_inference import attestation, certificate, evidence, timings
from collectors.secure_inference.certificate import LOOPBACK
from collectors.secure_inference.evidence import Evidence
from collectors.secure_inference.timings import Line, Value
from sitegen.collect import Host, Refused, decode
from sitegen.errors import SitegenError

_OWN = "/.well-known/sitegen/"
EVIDENCE, ZEROS = f"{_OWN}evidence", f"{_OWN}zeros/"
#: The exit code of a command that met a failed check which every number stands on.
REFUSED = 3
#: What a command of this package is started with.
COMMAND = (sys.executable, "-m", "collectors.secure_inference")
ENVIRON = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}

_OF_ONE_CONNECTION = {b"connection", b"keep-alive"}
_LAST_CHUNK = b"0\r\n\r\n"
_BLOCK_BYTES = 1 << 16
_MOST_ZEROS = 1 << 32
_MOST_ANSWER = 16 << 20
_BACKLOG = 1024
_START_S, _STOP_S, _WAIT_S = 15.0, 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Terminator:
    """A terminator that is up: its port without TLS, and the one with it."""

    plain: int
    tls: int
    pid: int


@dataclass(frozen=True, slots=True)
class Session:
    """What the start of an attested session took, part by part, in seconds."""

    handshake_s: float
    fetch_s: float
    verify_s: float
    bind_s: float
    cipher: str

    @property
    def attestation_s(self) -> float:
        """Return all of it but the handshake."""
        return self.fetch_s + self.verify_s + self.bind_s


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
        tempfile.TemporaryFile() as said,
        host.start(argv, cwd=folder, environ=ENVIRON, stderr=said.fileno()) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        heard, _, _ = select.select([process.stdout], [], [], _START_S)
        line = process.stdout.readline() if heard else b""
        if not line:
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines() or ["no message"]
            told = f"the terminator did not start: {lines[-1][:200]}"
            raise SitegenError(told, where="secure-inference")
        ports = json.loads(line)
        yield Terminator(ports["plain"], ports["tls"], process.pid)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)


def terminate(folder: Path, backend: str = "") -> None:
    """Serve until told to stop; one line of JSON on stdout says the two ports."""
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_terminate(folder, backend))


async def _terminate(folder: Path, backend: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / certificate.CERTIFICATE, folder / certificate.KEY)
    relay = _Relay(_backend(backend), _shown(folder))
    plain = await asyncio.start_server(relay.serve, LOOPBACK, 0, backlog=_BACKLOG)
    tls = await asyncio.start_server(relay.serve, LOOPBACK, 0, ssl=context, backlog=_BACKLOG)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    ports = {
        name: server.sockets[0].getsockname()[1]
        for name, server in (("plain", plain), ("tls", tls))
    }
    print(json.dumps(ports), flush=True)  # noqa: T201 - for the process that started this one
    await asyncio.gather(plain.serve_forever(), tls.serve_forever())


def _backend(address: str) -> tuple[str, int] | None:
    if not address:
        return None
    found = re.fullmatch(r"http://([0-9a-z.-]{1,253}):([0-9]{1,5})/?", address)
    if found is None:
        raise SitegenError(f"{address[:80]!r} is not an http address", where="--backend")
    return found[1], int(found[2])


def _shown(folder: Path) -> bytes:
    """Return the evidence as the endpoint shows it; nothing where there is none."""
    if not (folder / evidence.QUOTE).exists():
        return b""
    found = evidence.read(folder)
    # The root is the client's to know.
    return msgspec.json.encode(_Shown(found.quote.hex(), found.collateral, found.at))


class _Shown(msgspec.Struct, frozen=True):
    quote: str
    collateral: str
    at: int


@dataclass(frozen=True, slots=True)
class _Head:
    """The head of an HTTP/1.1 message, less what belongs to one connection only."""

    first: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    keep: bool

    @property
    def length(self) -> int | None:
        """Return the length of the body that it announces, or None."""
        found = [value for name, value in self.fields if name.lower() == b"content-length"]
        if not found:
            return None
        if len(found) > 1 or not re.fullmatch(rb"[0-9]{1,12}", found[0]):
            raise ValueError(found)
        return int(found[0])

    @property
    def chunked(self) -> bool:
        """Return whether the body comes in chunks."""
        return any(
            name.lower() == b"transfer-encoding" and value.lower().endswith(b"chunked")
            for name, value in self.fields
        )

    def written(self, *, keep: bool) -> bytes:
        """Return the head as it goes on."""
        lines = [self.first, *(name + b": " + value for name, value in self.fields)]
        if not keep:
            lines.append(b"Connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"


def _head_in(data: bytes) -> _Head:
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    pairs = [line.split(b":", 1) for line in lines]
    fields = tuple((name, value.strip()) for name, value in pairs)
    closing = any(n.lower() == b"connection" and v.lower() == b"close" for n, v in fields)
    passed = tuple(each for each in fields if each[0].lower() not in _OF_ONE_CONNECTION)
    return _Head(first, passed, keep=not closing)


class _Relay:
    """Hands each request to the server behind, over a connection of its own.

    The client's connection is kept when the client wants that: llama.cpp's server ends its
    connection after each stream, and an ordinary terminator does not let a client see that.
    """

    def __init__(self, backend: tuple[str, int] | None, shown: bytes) -> None:
        self.backend = backend
        self.shown = shown

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            keep = True
            while keep:
                head = _head_in(await reader.readuntil(b"\r\n\r\n"))
                body = await reader.readexactly(head.length or 0)
                target = head.first.split(b" ")[1].decode("ascii")
                if target.startswith(_OWN):
                    await self._answer(target, writer)
                    keep = False
                elif self.backend is not None and not head.chunked:
                    keep = await self._exchange(self.backend, head, body, writer)
                else:
                    keep = False
        except (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError):
            pass  # a peer that has gone, or speaks no HTTP: the load client counts what it misses
        finally:
            writer.close()

    async def _exchange(
        self, backend: tuple[str, int], head: _Head, body: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        """Pass on one request and its answer; return whether the connection can be kept."""
        answer, ask = await asyncio.open_connection(*backend)
        try:
            ask.write(head.written(keep=False) + body)
            told = _head_in(await answer.readuntil(b"\r\n\r\n"))
            keep = head.keep and (told.chunked or told.length is not None)
            writer.write(told.written(keep=keep))
            count, tail = 0, b""
            # Asked not to keep it, the server closes its connection when the answer is whole.
            while data := await answer.read(_BLOCK_BYTES):
                writer.write(data)
                await writer.drain()
                count, tail = count + len(data), (tail + data)[-len(_LAST_CHUNK) :]
            whole = tail == _LAST_CHUNK if told.chunked else count == told.length
            return keep and whole
        finally:
            ask.close()

    async def _answer(self, target: str, writer: asyncio.StreamWriter) -> None:
        if target == EVIDENCE and self.shown:
            writer.write(_head(len(self.shown)) + self.shown)
        elif re.fullmatch(re.escape(ZEROS) + r"[0-9]{1,10}", target):
            left = min(int(target[len(ZEROS) :]), _MOST_ZEROS)
            writer.write(_head(left))
            block = bytes(_BLOCK_BYTES)
            while left:
                writer.write(block[:left])
                left -= min(left, _BLOCK_BYTES)
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
    context.load_verify_locations(folder / certificate.AUTHORITY)
    return context


def preferred_cipher() -> str:
    """Return the TLS 1.3 cipher suite that this machine's OpenSSL offers first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    offered = [each["name"] for each in context.get_ciphers() if each["protocol"] == "TLSv1.3"]
    return str(offered[0]) if offered else "none"


def start_session(port: int, folder: Path, root: bytes, *, bind: bool = True) -> Session:
    """Open a TLS connection, fetch the endpoint's evidence, verify it and check its binding.

    ``root`` is the root that the evidence must be under; empty means the verifier's own. Raises
    SitegenError when the evidence is refused, and Refused when it names another key than the
    connection's.
    """
    context = client_context(folder)
    with _connected(port) as plain:
        begun = time.perf_counter()
        with context.wrap_socket(plain, server_hostname=LOOPBACK) as link:
            shaken = time.perf_counter()
            shown = evidence_in(_fetch(link, EVIDENCE), root)
            fetched = time.perf_counter()
            attestation.verify(shown)
            verified = time.perf_counter()
            own = link.getpeercert(binary_form=True) or b""
            if bind and not attestation.bound(shown, own):
                told = "the evidence is another endpoint's: it names another TLS key"
                raise Refused(told, where="attestation")
            ended = time.perf_counter()
            cipher = (link.cipher() or ("none",))[0]
    return Session(shaken - begun, fetched - shaken, verified - fetched, ended - verified, cipher)


def evidence_in(body: bytes, root: bytes) -> Evidence:
    """Return the evidence that an endpoint shows, not yet believed; raises SitegenError."""
    try:
        shown = decode.document(body, _Shown)
        return Evidence(bytes.fromhex(shown.quote), shown.collateral, shown.at, root)
    except (SitegenError, ValueError) as error:
        raise SitegenError("the endpoint shows no evidence", where="attestation") from error


def measure_sessions(port: int, folder: Path, root: bytes, rounds: int, *, bind: bool) -> str:
    """Start ``rounds`` attested sessions and return the command's output."""
    first = start_session(port, folder, root, bind=bind)  # the warm-up
    lines: list[Line] = [timings.start("sessions", cipher=first.cipher, bound=str(bind).lower())]
    if bind:
        # The authority's key is another one than the endpoint's.
        other = ssl.PEM_cert_to_DER_cert((folder / certificate.AUTHORITY).read_text("ascii"))
        accepted = attestation.bound(evidence.read(folder), other)
        lines.append(timings.Check("another-tls-key", not accepted))
    for _ in range(rounds):
        each = start_session(port, folder, root, bind=bind)
        parts = {"fetch": each.fetch_s, "verify": each.verify_s, "binding": each.bind_s}
        for part, took in {**parts, "session": each.attestation_s}.items():
            lines.append(Value("attestation_time", {"part": part}, took))
    return timings.whole(lines)


def measure_handshakes(port: int, folder: Path, rounds: int) -> str:
    """Time full and resumed handshakes in turn, TCP left out, and return the output.

    Raises SitegenError when a handshake is not of the kind that it should be.
    """
    context = client_context(folder)
    _, kept, cipher = _handshake(port, context, None)  # the warm-up, and the first ticket
    lines: list[Line] = [timings.start("handshake", cipher=cipher, openssl=ssl.OPENSSL_VERSION)]
    for _ in range(rounds):
        full, _, _ = _handshake(port, context, None)
        resumed, kept, _ = _handshake(port, context, kept)
        lines.append(Value("handshake_time", {"mode": "full"}, full))
        lines.append(Value("handshake_time", {"mode": "resumed"}, resumed))
    return timings.whole(lines)


def _handshake(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[float, ssl.SSLSession | None, str]:
    with _connected(port) as plain:
        begun = time.perf_counter()
        with context.wrap_socket(plain, server_hostname=LOOPBACK, session=session) as link:
            duration = time.perf_counter() - begun
            if link.session_reused is not (session is not None):
                raise SitegenError("the server resumed no session", where="handshake")
            # Tickets come after the handshake, with the first answer.
            _fetch(link, f"{ZEROS}1")
            return duration, link.session, (link.cipher() or ("none",))[0]


def measure_throughput(terminator: tuple[int, int], folder: Path, size: int, rounds: int) -> str:
    """Fetch ``size`` bytes without TLS and with it, in turn, and return the output.

    The time is from the request to the last byte, on a connection that is up.
    """
    context = client_context(folder)
    lines: list[Line] = []
    for index in range(rounds + 1):
        for channel, port in zip(("plain", "tls"), terminator, strict=True):
            duration, cipher = _transfer(port, context if channel == "tls" else None, size)
            if index == 0 and channel == "tls":
                lines.insert(0, timings.start("throughput", cipher=cipher))
            elif index:  # the first of each is the warm-up
                about = {"channel": channel, "size": str(size)}
                lines.append(Value("channel_throughput", about, size / duration))
    return timings.whole(lines)


def _transfer(port: int, context: ssl.SSLContext | None, size: int) -> tuple[float, str]:
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(_connected(port))
        cipher = "none"
        if context is not None:
            secured = stack.enter_context(context.wrap_socket(link, server_hostname=LOOPBACK))
            link, cipher = secured, (secured.cipher() or ("none",))[0]
        buffer = memoryview(bytearray(_BLOCK_BYTES))
        begun = time.perf_counter()
        link.sendall(_request(f"{ZEROS}{size}"))
        received = 0
        while count := link.recv_into(buffer):
            received += count
        duration = time.perf_counter() - begun
    if received != size + len(_head(size)):
        raise SitegenError(f"{received} bytes came of {size}", where="channel")
    return duration, cipher


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
