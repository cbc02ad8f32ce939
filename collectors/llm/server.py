"""llama.cpp's own server, from the `xllamacpp` wheel, as a process of its own on loopback.

It is what is measured when no address is given. Starting it as a process keeps its CPU time,
memory and faults apart from those of the load client.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil

from sitegen.collect import Host, install, last_line
from sitegen.errors import SitegenError

INSTALL = install("embedded")
LOG = "server.log"

#: Streams that the server answers at once; more than it has slots, so that they queue there.
_HTTP_THREADS = 64
_LOG_WARNINGS = 2
#: How often a thread looks before it sleeps. By default OpenMP's spin for milliseconds, which
#: gains nothing where each has a CPU, and where one is disturbed it holds up all others.
_SPINS = "10000"
_START_S, _STOP_S, _PAUSE_S, _ASK_S = 120.0, 5.0, 0.02, 5.0


class Server(msgspec.Struct, frozen=True):
    """A server that is up. ``load_s`` is from its start to listening, without Python's own."""

    url: str
    pid: int
    load_s: float
    model: str
    version: str


class Launch(msgspec.Struct, frozen=True):
    """What a server is started with: its one argument, as JSON.

    Each of its ``slots`` has ``context`` tokens.
    """

    model_path: str
    threads: int = 1
    slots: int = 1
    context: int = 1024
    cache_prompt: bool = False
    port: int = 0  # one that is free


def missing() -> str:
    """Return which packages of the embedded server are not installed here, or nothing."""
    packages = ("xllamacpp", "gguf")
    return ", ".join(name for name in packages if importlib.util.find_spec(name) is None)


@contextlib.contextmanager
def serving(launch: Launch, folder: Path, host: Host) -> Iterator[Server]:
    """Serve a model for the length of the block; what the server says is in ``folder``.

    Raises SitegenError when the server is not installed or does not come up.
    """
    if absent := missing():
        raise SitegenError(f"the embedded server needs {absent}", where="llm", fix=INSTALL)
    argv = [*(sys.executable, "-m", "collectors.llm.server"), msgspec.json.encode(launch).decode()]
    environ = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "GOMP_SPINCOUNT": _SPINS}
    with (folder / LOG).open("wb") as log:
        started = host.start(argv, cwd=folder, environ=environ, stderr=log.fileno())
        with started as process:
            yield _ready(process, folder / LOG)
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU time that a process has used so far, or None when it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)


def peak_memory(pid: int, host: Host) -> int | None:
    """Return the largest resident size of a process so far in bytes, or None.

    VmHWM of proc_pid_status(5), whose kB are of 1024 bytes. It counts the pages of the model
    file that are mapped.
    """
    status = host.read(f"/proc/{pid}/status") or ""
    match = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _ready(process: subprocess.Popen[bytes], log: Path) -> Server:
    """Return the server when it has loaded the model and /health says ok."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    deadline = time.monotonic() + _START_S
    arrived, _, _ = select.select([process.stdout], [], [], _START_S)
    line = process.stdout.readline() if arrived else b""
    while arrived and time.monotonic() < deadline:
        if not line or process.poll() is not None:
            reason = last_line(log.read_bytes())
            raise SitegenError(f"the server ended at once: {reason}", where="llm")
        server = msgspec.json.decode(line, type=Server)
        if _is_well(server.url):
            return server
        time.sleep(_PAUSE_S)
    raise SitegenError(f"the server did not start in {_START_S:.0f} s", where="llm")


def _is_well(url: str) -> bool:
    """Ask /health, past any proxy that the environment names: it is this machine."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_ASK_S)
    try:
        connection.request("GET", "/health")
        return bool(json.load(connection.getresponse()) == {"status": "ok"})
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def main(argument: str) -> None:
    """Serve until stopped; one line of JSON on stdout says when the model is loaded."""
    launch = msgspec.json.decode(argument, type=Launch)
    model = Path(launch.model_path)
    if not model.is_file():
        sys.exit(f"there is no model {model}")
    stops = {signal.SIGTERM, signal.SIGINT}
    # Before the server starts its threads, which inherit it: only the wait below sees these.
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        import xllamacpp
    except ImportError:
        sys.exit(f"xllamacpp is not installed; {INSTALL}")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = launch.model_path
    parameters.model_alias = {model.stem}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = launch.port
    parameters.n_parallel = launch.slots
    parameters.n_ctx = launch.context * launch.slots
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = launch.threads
    parameters.n_threads_http = _HTTP_THREADS
    parameters.cache_prompt = launch.cache_prompt
    parameters.cache_ram_mib = 0
    parameters.fit_params = False
    parameters.endpoint_metrics = True
    parameters.ui = False
    parameters.verbosity = _LOG_WARNINGS
    clock = time.perf_counter()
    try:
        server = xllamacpp.Server(parameters)
    except Exception as error:  # noqa: BLE001 - whatever the wheel raises, the last line says why
        sys.exit(f"{type(error).__name__}: {error}")
    load_s = round(time.perf_counter() - clock, 6)
    version = f"xllamacpp {xllamacpp.__version__}"
    ready = Server(server.listening_address, os.getpid(), load_s, model.stem, version)
    print(msgspec.json.encode(ready).decode(), flush=True)  # noqa: T201 - for the process that started this one
    signal.sigwait(stops)
    del server


if __name__ == "__main__":
    main(sys.argv[1])
