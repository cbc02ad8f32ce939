"""Servers that a collector starts on loopback for a step: ports, waiting, CPU time."""

from __future__ import annotations

import contextlib
import os
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
_START_S, _STOP_S, _PAUSE_S = 15.0, 20.0, 0.02
#: Of what a server prints the end is kept, and how long that may take once it has ended.
_LOG_BYTES, _LOG_S = 65_536, 2.0


def free_ports(count: int, where: str) -> tuple[int, ...]:
    """Return ports on loopback that any server can have now; raises SitegenError without so many.

    Not one either on which connections of before are still waiting for their end: not every server
    asks to have it all the same (SO_REUSEADDR). Each process begins elsewhere: two at once would
    find the same ones free.
    """
    ports = []
    first = os.getpid() * 97 % len(_PORTS)
    for port in (*_PORTS[first:], *_PORTS[:first]):
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

    The end of what it prints is kept, and read when it fails only. Raises SitegenError if it does
    not come up, or has ended by itself before the block has.
    """
    log = folder / f"server-{ports[0]}.log"
    with contextlib.ExitStack() as stack:
        prints, tail = stack.enter_context(_log(host, log))
        try:
            started = host.start(argv, cwd=folder, environ=environ, stdout=prints, stderr=prints)
            process = stack.enter_context(started)
        finally:
            os.close(prints)  # from here on it ends with the server
        stack.callback(_stop, process)
        if problem := _not_up(process, ports, start_s):
            raise SitegenError(f"the server {problem}{_reason(process, tail, log)}", where=where)
        yield psutil.Process(process.pid)
        if process.poll() is not None:
            reason = _reason(process, tail, log)
            raise SitegenError(f"the server ended while it was measured{reason}", where=where)


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
    """Return the CPU time that a server and its workers have used, also those that have ended."""
    total = 0.0
    for process in (server, *server.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += sum(times[:4])  # of its own and of children that it has waited for
    return total


@contextlib.contextmanager
def _log(host: Host, log: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Yield where a server may print to without end, and what keeps the end of that in a file."""
    line = ["tail", "-c", str(_LOG_BYTES)]
    with log.open("wb") as file, contextlib.ExitStack() as stack:
        reads, prints = os.pipe()
        try:
            started = host.start(line, stdin=reads, stdout=file.fileno(), stderr=file.fileno())
            tail = stack.enter_context(started)
        except BaseException:
            os.close(prints)
            raise
        finally:
            os.close(reads)
        yield prints, tail


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to end, so that its workers do too; its group is killed after that."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)


def _not_up(process: subprocess.Popen[bytes], ports: Sequence[int], start_s: float) -> str:
    """Wait until a server listens on its ports; return what it did instead, or nothing."""
    deadline = time.monotonic() + start_s
    for port in ports:
        while not _listens(process.pid, port):
            if process.poll() is not None:
                return "ended at once"
            if time.monotonic() > deadline:
                return f"did not start in {start_s:.0f} s"
            time.sleep(_PAUSE_S)
    return ""


def _reason(process: subprocess.Popen[bytes], tail: subprocess.Popen[bytes], log: Path) -> str:
    """Return the last that an ended server said, to stand behind what happened."""
    if process.poll() is None:
        return ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        tail.wait(_LOG_S)
    return f": {last_line(log.read_bytes())}"


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
