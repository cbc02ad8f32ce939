"""The server that ab is pointed at when no address is given: nginx, or a small one of ours.

It answers every request with the same short document over http and https, lives as long as
one step, and listens on loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sitegen.collect import Host, servers
from sitegen.collect.declared import served
from sitegen.collect.declared.served import Served
from sitegen.collect.servers import LOOPBACK

if TYPE_CHECKING:
    import psutil

#: The server that wrk measures too.
_NGINX = served.shared("nginx")
BODY = _NGINX.names["body"].encode()
CERTIFICATE, KEY = "certificate.pem", "key.pem"
_BACKLOG = 4096


class Target(msgspec.Struct, frozen=True):
    """Which server to start, nginx or python, and where: as the context of a step has it."""

    server: str
    server_path: str
    folder: str
    http: int
    https: int
    tls: str
    workers: int


def nginx(target: Target, openssl: str = "openssl") -> Served:
    """Return what starts nginx, its files, what makes its certificate, what a run keeps of it."""
    where = {"host": LOOPBACK, "port": target.http, "port2": target.https, "folder": target.folder}
    programs = {"server": target.server_path, "openssl": openssl}
    values = {**where, **programs, "cpus": target.workers, "tls": target.tls}
    return served.filled(_NGINX, values, "ab")


def serving(target: Target, host: Host) -> AbstractContextManager[psutil.Process]:
    """Run the server for the length of the block; raises SitegenError if it does not come up."""
    tls = Path(target.folder, CERTIFICATE).exists()
    return servers.serving(
        host,
        _command(target, tls=tls),
        [target.http, target.https] if tls else [target.http],
        folder=Path(target.folder),
        where="ab",
        environ={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


def _command(target: Target, *, tls: bool) -> list[str]:
    if target.server == "python":
        certificate = [CERTIFICATE, KEY, target.tls, str(target.https)] if tls else []
        return [target.server_path, "-m", "collectors.ab.target", str(target.http), *certificate]
    one = nginx(target)
    for name, text in one.files.items():
        if tls or name == "nginx.conf":
            Path(target.folder, name).write_text(text, "utf-8")
    return list(one.command)


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
