"""Hashing a model's weights: what measuring them at load costs.

The file is read from the page cache: a pass before the first one brings it there, so that the
hash is timed and not the disk.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from collectors.secure_inference import timings
from sitegen.errors import SitegenError

#: SHA-256 everywhere; SM3 is what CSV measures with.
ALGORITHMS = ("sha256", "sm3")
_BLOCK_BYTES = 1 << 20


def algorithms() -> tuple[str, ...]:
    """Return those of ALGORITHMS that this Python's OpenSSL has."""
    return tuple(name for name in ALGORITHMS if name in hashlib.algorithms_available)


def digest(path: Path, algorithm: str) -> tuple[str, int]:
    """Return a file's digest in hex and its size in bytes; raises SitegenError."""
    state, size = hashlib.new(algorithm), 0
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                state.update(buffer[:count])
                size += count
    except OSError as error:
        raise SitegenError(f"cannot be read: {error.strerror}", where=path.name) from error
    return state.hexdigest(), size


def measure(path: Path, rounds: int) -> str:
    """Hash a file ``rounds`` times with each algorithm, in turn, and return the output."""
    known = algorithms()
    first, size = digest(path, "sha256")
    if not size:
        raise SitegenError("is empty", where=path.name)
    start = timings.start("hash", bytes=size, sha256=first, algorithms=",".join(known))
    lines: list[timings.Line] = [start]
    for _ in range(rounds):
        for algorithm in known:
            begun = time.perf_counter()
            digest(path, algorithm)
            duration = time.perf_counter() - begun
            about = {"hash": algorithm, "size": str(size)}
            lines.append(timings.Value("measure_time", about, duration))
            lines.append(timings.Value("hash_speed", about, size / duration))
    return timings.whole(lines)
