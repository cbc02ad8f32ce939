"""Asking the kernel for a quote: configfs-tsm (Linux 6.7 and later).

64 bytes written to ``inblob`` of a report's directory come back signed in ``outblob``;
``generation`` counts the writes (Documentation/ABI/testing/configfs-tsm-report).
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from collectors.secure_inference import timings
from sitegen.errors import SitegenError

Act = Callable[[Path], None]
REPORTS = "sys/kernel/config/tsm/report"
_ATTEMPTS = 5


class Quote(NamedTuple):
    """A report of the machine's own TEE, and how long it took."""

    provider: str  # tdx_guest, sev_guest or arm_cca_guest
    data: bytes
    duration_s: float


def available(root: Path) -> bool:
    """Return whether the kernel below ``root`` offers reports."""
    return (root / REPORTS).is_dir()


def take(root: Path, report_data: bytes, *, make: Act = os.mkdir, remove: Act = os.rmdir) -> Quote:
    """Return a quote over 64 bytes.

    ``make`` and ``remove`` are what the kernel does with a report's directory. Raises
    SitegenError when there is no TEE, no right, no quote service on the host, or the report was
    written to by another process each time.
    """
    if not available(root):
        raise SitegenError("there is no /sys/kernel/config/tsm here: no TEE", where="quote")
    for _ in range(_ATTEMPTS):
        folder = root / REPORTS / f"sitegen-{secrets.token_hex(8)}"
        try:
            make(folder)
            try:
                quote = _take(folder, report_data)
            finally:
                # Its files are the kernel's: they go with the directory.
                remove(folder)
        except OSError as error:
            told = f"the machine gives no quote: {error.strerror}"
            fix = "run as root, and see that the host offers a quote service"
            raise SitegenError(told, where="quote", fix=fix) from error
        if quote is not None:
            return quote
    raise SitegenError("every report was written to by another process", where="quote")


def _take(folder: Path, report_data: bytes) -> Quote | None:
    """Return the quote, or None when somebody else wrote to the report too."""
    before = _number(folder / "generation")
    begun = time.perf_counter()
    # One write: the kernel takes each as a whole blob.
    with (folder / "inblob").open("wb", buffering=0) as blob:
        blob.write(report_data)
    data = (folder / "outblob").read_bytes()
    duration = time.perf_counter() - begun
    if _number(folder / "generation") != before + 1:
        return None
    if not data:
        raise SitegenError("the machine gave an empty quote", where="quote")
    return Quote((folder / "provider").read_text("ascii", "replace").strip(), data, duration)


def _number(path: Path) -> int:
    text = path.read_text("ascii", "replace").strip()
    if not text.isdecimal() or len(text) > 20:  # noqa: PLR2004 - a 64-bit count
        raise SitegenError(f"{text[:40]!r} is not a count", where=path.name)
    return int(text)


def measure(taken: Callable[[], Quote], report_data: bytes, rounds: int) -> Iterator[timings.Line]:
    """Take ``rounds`` quotes over ``report_data`` and yield the lines of the command's output.

    The quotes themselves are not kept: they identify the machine. Each must carry the report
    data that it was asked for; SitegenError otherwise.
    """
    for index in range(rounds):
        quote = taken()
        if report_data not in quote.data:
            raise SitegenError("the quote does not carry the report data", where="quote")
        if not index:
            about = {"provider": quote.provider, "quote_bytes": len(quote.data)}
            yield timings.start("quote", **about)
        yield timings.Value("attestation_time", {"part": "quote"}, quote.duration_s)
