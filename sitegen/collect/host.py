"""The one door to the machine: finding, running and reading, and cleaning up behind itself."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, field

from sitegen import fingerprint
from sitegen.errors import SitegenError
from sitegen.model import ToolIdentity

_PR_SET_PDEATHSIG = 1
#: What a program may print: far above any tool, far below the memory of any machine.
MOST_BYTES = 256_000_000
_CHUNK = 1 << 16
_KIB = 1024


class RawOutput(Struct, frozen=True):
    """What a command left behind: everything that `parse` may use, and all of it is archived.

    ``files`` are further outputs by name; ``values`` what only the collector could see.
    """

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0
    started_at: str = ""
    duration_s: float = 0.0
    cpu_s: float | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    values: tuple[tuple[str, str], ...] = ()

    def get(self, key: str) -> str | None:
        """Return one of ``values``, or None."""
        return dict(self.values).get(key)

    @property
    def reason(self) -> str:
        """The last line of stderr: why a program says that it failed."""
        return last_line(self.stderr)


class Host:
    """The one door to the machine: finds, runs and reads, and cleans up behind itself."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Read system files below ``root``, so that a recorded machine can stand in."""
        self.root = root

    def find(self, *names: str) -> str | None:
        """Return the path of the first of ``names`` on PATH or in the system folders."""
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        return next((place for name in names if (place := shutil.which(name, path=path))), None)

    def cpus(self) -> int:
        """Return how many CPUs this process may use."""
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def read(self, path: str) -> str | None:
        """Return the text of a system file, or None when it is not there or not readable."""
        return fingerprint.Machine(self.root).text(path)

    def counts(self) -> Mapping[str, float]:
        """Return how often the CPUs were interrupted and switched between tasks since the boot."""
        return fingerprint.counts(self.root)

    def cpu_quota(self) -> float | None:
        """Return how many CPUs' time the control groups of this process leave it, or None."""
        here = fingerprint.Machine(self.root)
        return fingerprint.machine.least(fingerprint.machine.cpu_quotas(here))

    def free_memory(self) -> int | None:
        """Return the bytes that are free, no more than control groups leave, or None if unknown."""
        here = fingerprint.Machine(self.root)
        text = self.read("/proc/meminfo") or ""
        free = re.search(r"^MemAvailable:\s{1,20}(\d{1,15}) kB$", text, re.MULTILINE)
        known = [int(free[1]) * _KIB] if free else []
        least = fingerprint.machine.least([*known, *fingerprint.machine.memory_limits(here)])
        return None if least is None else int(least)

    def identify(self, name: str, path: str, version: str) -> ToolIdentity:
        """Return the identity of the program at ``path``, with the digest of its bytes."""
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return ToolIdentity(name, version, path, digest)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> RawOutput:
        """Run one program to its end and return all it printed.

        After ``timeout_s`` its process group is killed, the exit code is -9 and a line on
        stderr says so.
        """
        started = datetime.now(UTC)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock = time.monotonic()
        with self.start(argv, cwd=cwd, environ=environ) as process:
            out, err = _communicate(process, clock + timeout_s, timeout_s)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return RawOutput(
            stdout=out,
            stderr=err,
            exit_code=process.returncode,
            started_at=timestamp(started),
            duration_s=time.monotonic() - clock,
            cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        )

    @contextlib.contextmanager
    def start(  # noqa: PLR0913 - what a process begins with
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program in a process group of its own, which is gone when the block ends."""
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env={**os.environ, "LC_ALL": "C", **(environ or {})},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads here
            )
        except OSError as error:
            raise SitegenError(f"cannot be started: {error.strerror}", where=argv[0]) from error
        try:
            yield process
        finally:
            # Also when the program itself has ended: what it left behind is in its group.
            _kill_group(process)
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def _communicate(
    process: subprocess.Popen[bytes], deadline: float, timeout_s: float
) -> tuple[bytes, bytes]:
    """Read a program to its end; kill its group at the deadline, or when it prints without end.

    A line on its standard error says so.
    """
    parts: dict[object, list[bytes]] = {process.stdout: [], process.stderr: []}
    size, why = 0, ""
    late, much = f"after {timeout_s:.0f} s", f"past {MOST_BYTES} bytes"
    with selectors.DefaultSelector() as waiting:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map() and not why:
            left = deadline - time.monotonic()
            why = late if left <= 0 else much if size > MOST_BYTES else ""
            for key, _ in waiting.select(max(left, 0)):
                data = os.read(key.fd, _CHUNK)
                parts[key.fileobj].append(data)
                size += len(data)
                if not data:
                    waiting.unregister(key.fileobj)
    if not why:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:  # it closed its outputs and went on
            why = late
    if why:
        _kill_group(process)
        process.wait()
        parts[process.stderr].append(f"\nsitegen: killed {why}\n".encode())
    return b"".join(parts[process.stdout]), b"".join(parts[process.stderr])


def last_line(stderr: bytes) -> str:
    """Return the last line that a program printed, without control characters."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
    return "".join(filter(str.isprintable, lines[-1]))[:200]


def timestamp(moment: datetime) -> str:
    """Return a UTC time as ISO 8601 to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _die_with_parent() -> None:
    # A collector killed by kill -9 must not leave a load generator or a server behind.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
