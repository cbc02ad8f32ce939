"""What a program costs: CPU seconds and peak memory of a child process, as the kernel counts."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

# ru_maxrss is in KiB on Linux and in bytes on macOS.
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class Usage(Struct, frozen=True):
    """User and system time of a process and its children, its wall time and largest size."""

    cpu_s: float
    wall_s: float
    peak_memory_bytes: int
    output: str


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Have programs that are run meanwhile use one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


class FailedError(Exception):
    """A measured program ended with an error."""


def run(argv: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None) -> Usage:
    """Run a program to its end and return what it used; raises FailedError with its last words.

    Keep the calling process small: a child's peak memory starts at its parent's.
    """
    env = {**os.environ, **(environment or {})}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling modules each time is no one's build
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if child.returncode:
        raise FailedError(f"{' '.join(argv)} ended with {child.returncode}:\n{text[-2000:]}")
    return Usage(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss * _MAXRSS_BYTES, text)
