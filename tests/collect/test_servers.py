"""Servers of a step: what they print is bounded, how they end is said, and they do end."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from sitegen.collect import Host, servers
from sitegen.errors import SitegenError

LISTEN = """
import pathlib, signal, socket, sys, time
def end(*_):
    pathlib.Path("asked").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
"""
FOREVER = f"{LISTEN}\ntime.sleep(60)"


def serving(script: str, folder: Path, port: int) -> AbstractContextManager[psutil.Process]:
    argv = [sys.executable, "-c", script, str(port)]
    return servers.serving(Host(), argv, [port], folder=folder, where="x")


@pytest.fixture
def port() -> int:
    return servers.free_ports(1, "x")[0]


def test_of_a_server_that_prints_much_the_end_is_kept(tmp_path: Path, port: int) -> None:
    script = "print('x' * 1_000_000); print('no more room'); raise SystemExit(1)"
    with (
        pytest.raises(SitegenError, match=r"^x: the server ended at once: no more room"),
        serving(script, tmp_path, port),
    ):
        pass
    [log] = tmp_path.glob("*.log")
    assert 1000 < log.stat().st_size <= 65_536


def test_nothing_stays_open_where_its_log_cannot_be_written(tmp_path: Path, port: int) -> None:
    before = psutil.Process().num_fds()
    with pytest.raises(FileNotFoundError), serving(LISTEN, tmp_path / "absent", port):
        pass
    assert psutil.Process().num_fds() == before


def test_a_server_that_ends_while_it_is_measured_is_no_result(tmp_path: Path, port: int) -> None:
    script = f"{LISTEN}\nserver.accept(); sys.exit('out of memory')"
    client = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3"]
    up = serving(script, tmp_path, port)
    server = up.__enter__()
    subprocess.run(client, check=False)
    psutil.wait_procs([server], timeout=5)
    with pytest.raises(SitegenError, match="ended while it was measured: out of memory"):
        up.__exit__(None, None, None)


def test_a_server_is_asked_to_end_also_when_what_it_was_started_for_fails(
    tmp_path: Path, port: int
) -> None:
    with pytest.raises(KeyboardInterrupt), serving(FOREVER, tmp_path, port) as server:
        raise KeyboardInterrupt
    assert (tmp_path / "asked").exists()
    assert not server.is_running()


def test_a_port_that_was_taken_meanwhile_is_said(tmp_path: Path, port: int) -> None:
    with (
        serving(FOREVER, tmp_path, port),
        pytest.raises(SitegenError, match="Address already in use"),
        serving(FOREVER, tmp_path, port),
    ):
        pass


def test_two_processes_at_once_find_other_ports(port: int) -> None:
    script = "from sitegen.collect import servers; print(servers.free_ports(1, 'x')[0])"
    other = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert int(other.stdout) != port
