"""Servers that a collector starts on loopback for a step: ports, waiting, CPU time."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from sitegen.collect.host import Host, last_line
from sitegen.errors import SitegenError

LOOPBACK = "127.0.0.1"
#: Not the kernel's ephemeral ports: load generators use those up.
_PORTS = range(20100, 32000)
#: Some programs look at each that they may open.
_MOST_FILES = 65_536
_START_S, _STOP_S, _PAUSE_S = 15.0, 5.0, 0.02


def free_ports(count: int, where: str) -> tuple[int, ...]:
    """Return ports on loopback that any server can have now; raises SitegenError without so many.

    Not one either on which connections of before are still waiting for their end: not every server
    asks to have it all the same (SO_REUSEADDR).
    """
    ports = []
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            ports.append(port)
        if len(ports) == count:
            return tuple(ports)
    raise SitegenError(f"no {count} free ports on loopback", where=where)


@contextlib.contextmanager
def serving(  # noqa: PLR0913 - what a server needs
    host: Host,
    argv: Sequence[str],
    ports: Sequence[int],
    *,
    folder: Path,
    where: str,
    environ: Mapping[str, str] | None = None,
    start_s: float = _START_S,
) -> Iterator[psutil.Process]:
    """Run a server for the length of the block, once it listens on all of ``ports``.

    What it says is read when it fails only. Raises SitegenError if it does not come up.
    """
    log = folder / f"server-{ports[0]}.log"
    with log.open("wb") as file:
        started = host.start(
            argv, cwd=folder, environ=environ, stdout=file.fileno(), stderr=file.fileno()
        )
        with started as process:
            _wait(process, ports, log, where, start_s)
            yield psutil.Process(process.pid)
            # Asked first, so that its workers end too; the group is killed after that.
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)


@contextlib.contextmanager
def many_files() -> Iterator[None]:
    """Let programs that are started meanwhile open as many files as may be, and not 1,024.

    A connection is a file, on both ends.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cpu_seconds(server: psutil.Process) -> float:
    """Return the CPU time that a server and its workers have used so far."""
    total = 0.0
    for process in (server, *server.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _wait(
    process: subprocess.Popen[bytes], ports: Sequence[int], log: Path, where: str, start_s: float
) -> None:
    deadline = time.monotonic() + start_s
    for port in ports:
        while not _listens(process.pid, port):
            if process.poll() is not None:
                reason = last_line(log.read_bytes())
                raise SitegenError(f"the server ended at once: {reason}", where=where)
            if time.monotonic() > deadline:
                raise SitegenError(f"the server did not start in {start_s:.0f} s", where=where)
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
    except psutil.Error:
        return False
