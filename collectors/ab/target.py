"""The server that ab is pointed at when no address is given: nginx, or a small one of ours.

It answers every request with the same short document over http and https, lives as long as
one step, and listens on loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from sitegen.collect import Host, last_line
from sitegen.errors import SitegenError

LOOPBACK = "127.0.0.1"
BODY = (b"sitegen measures how fast this document is served.\n" * 21)[:1024]
CERTIFICATE, KEY = "certificate.pem", "key.pem"
#: How openssl makes them.
MAKING = (
    *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
    *("-keyout", KEY, "-out", CERTIFICATE, "-subj", "/CN=localhost"),
)
#: Not the kernel's ephemeral ports: ab itself uses those up.
_PORTS = range(20100, 32000)
_BACKLOG = 4096
_START_S, _STOP_S, _PAUSE_S = 15.0, 5.0, 0.02

_NGINX = """\
daemon off;
worker_processes {workers};
pid nginx.pid;
error_log nginx.log warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp;
    uwsgi_temp_path temp; scgi_temp_path temp;
    keepalive_requests 1000000;
    server {{
        listen {loopback}:{http} backlog={backlog};
        {tls_listen}
        location / {{ default_type text/plain; return 200 "{body}"; }}
    }}
}}
"""
_NGINX_TLS = """listen {loopback}:{https} ssl backlog={backlog}; ssl_protocols {tls};
        ssl_certificate {folder}/{certificate}; ssl_certificate_key {folder}/{key};"""


class Target(msgspec.Struct, frozen=True):
    """Which server to start, nginx or python, and where: as the context of a step has it."""

    server: str
    server_path: str
    folder: str
    http: int
    https: int
    tls: str
    workers: int


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports on loopback that nothing listens on now."""
    ports = []
    for port in _PORTS:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((LOOPBACK, port))
                ports.append(port)
        if len(ports) == count:
            return tuple(ports)
    raise SitegenError(f"no {count} free ports on loopback", where="ab")


@contextlib.contextmanager
def serving(target: Target, host: Host) -> Iterator[psutil.Process]:
    """Run the server for the length of the block; raises SitegenError if it does not come up."""
    tls = Path(target.folder, CERTIFICATE).exists()
    ports = [target.http, target.https] if tls else [target.http]
    with host.start(
        _command(target, tls=tls),
        cwd=Path(target.folder),
        environ={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    ) as process:
        _wait(process, ports)
        yield psutil.Process(process.pid)
        # Asked first, so that the workers of nginx end too; the group is killed after that.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)


def cpu_seconds(server: psutil.Process) -> float:
    """Return the CPU time that the server and its workers have used so far."""
    total = 0.0
    for process in (server, *server.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _command(target: Target, *, tls: bool) -> list[str]:
    if target.server == "python":
        certificate = [CERTIFICATE, KEY, target.tls, str(target.https)] if tls else []
        return [target.server_path, "-m", "collectors.ab.target", str(target.http), *certificate]
    # Workers that have given up root could not read a file here: the body is in the text.
    text = _NGINX.replace("{tls_listen}", _NGINX_TLS if tls else "")
    fixed = {"loopback": LOOPBACK, "backlog": _BACKLOG, "certificate": CERTIFICATE, "key": KEY}
    config = text.format(**msgspec.structs.asdict(target), **fixed, body=BODY.decode())
    Path(target.folder, "nginx.conf").write_text(config, "utf-8")
    return [target.server_path, "-p", target.folder, "-c", "nginx.conf", "-e", "nginx.log"]


def _wait(process: subprocess.Popen[bytes], ports: list[int]) -> None:
    deadline = time.monotonic() + _START_S
    for port in ports:
        while True:
            if process.poll() is not None:
                reason = last_line(process.stderr.read() if process.stderr else b"")
                raise SitegenError(f"the server ended at once: {reason}", where="ab")
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1.0):
                if _listens(process.pid, port):
                    break
            if time.monotonic() > deadline:
                raise SitegenError(f"the server did not start in {_START_S:.0f} s", where="ab")
            time.sleep(_PAUSE_S)


def _listens(server: int, port: int) -> bool:
    """Say whether it is our server that listens on a port, and not another that took it."""
    try:
        process = psutil.Process(server)
        return any(
            one.status == psutil.CONN_LISTEN and one.laddr[1] == port
            for each in (process, *process.children(recursive=True))
            for one in each.net_connections("inet")
        )
    except psutil.NoSuchProcess:
        return False


class _Answer(asyncio.Protocol):
    """HTTP/1.0 as far as ab needs it: one document, kept alive when asked."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - of a TCP server
        self.transport, self.pending = transport, b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while b"\r\n\r\n" in self.pending:
            head, _, self.pending = self.pending.partition(b"\r\n\r\n")
            keep = b"connection: keep-alive" in head.lower()
            state = b"keep-alive" if keep else b"close"
            self.transport.write(
                b"HTTP/1.0 200 OK\r\nServer: sitegen\r\nContent-Type: text/plain\r\n"
                b"Content-Length: %d\r\nConnection: %s\r\n\r\n%s" % (len(BODY), state, BODY)
            )
            if not keep:
                self.transport.close()
                return


async def _serve(arguments: list[str]) -> None:
    loop = asyncio.get_running_loop()
    http = await loop.create_server(_Answer, LOOPBACK, int(arguments[0]), backlog=_BACKLOG)
    if arguments[1:]:
        certificate, key, tls, port = arguments[1:]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[tls.replace(".", "_")]
        context.load_cert_chain(certificate, key)
        await loop.create_server(_Answer, LOOPBACK, int(port), ssl=context, backlog=_BACKLOG)
    await http.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1:]))
    os._exit(0)
