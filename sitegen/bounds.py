"""How much of somebody else's bytes is unpacked and decoded: looked at before it is done."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import resource
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from sitegen.errors import SitegenError

#: One file of somebody else's, as it is and unpacked, in bytes.
MOST_FILE_BYTES = 64_000_000
#: Measurements and samples of one run, at every door and in the archive: to write a run takes
#: about 400 bytes of memory a sample.
MOST_ROWS, MOST_SAMPLES = 100_000, 500_000
#: Values in a JSON text: as Python objects they take 50 to 200 bytes each.
MOST_VALUES = 3_000_000
#: Elements in an XML text, as many levels deep: as Python objects they take about 500 bytes each.
MOST_ELEMENTS, MOST_LEVELS = 500_000, 32
_CHUNK, _MB = 1 << 20, 1_000_000
_LEAST_ROOM = 100_000_000
_GZIP, _WITH_HEADER = b"\x1f\x8b\x08", 31
_DEFINES = re.compile(r"(?i)<!(?:DOCTYPE|ENTITY)")


def check_json(data: bytes, most: int = MOST_VALUES) -> None:
    """Raise SitegenError for a JSON text that would make more than ``most`` values.

    Counted are the characters that part values, in strings too, so what passes is never more.
    """
    if len(data) <= most:
        return
    values = sum(map(data.count, (b",", b"[", b"{")))
    if values > most:
        raise SitegenError(f"holds {values:,} values, and {most:,} at most are read")


def check_xml(text: str, most: int = MOST_ELEMENTS) -> None:
    """Raise SitegenError for an XML text that defines anything, or of more than ``most`` elements.

    A document type may define entities, which say little and become much, or name files of this
    machine. Counted are the characters that begin a tag, so what passes is never more.
    """
    if _DEFINES.search(text):
        raise SitegenError("defines a document type or entities, which are not read in an XML file")
    if (tags := text.count("<")) > 2 * most:
        raise SitegenError(f"holds {tags:,} tags, and {2 * most:,} at most are read")


@contextlib.contextmanager
def memory(most: int) -> Iterator[None]:
    """Let this process take ``most`` bytes of memory in all, and no more, while it lasts.

    What is read may take more than its bytes tell. Raises SitegenError when it would. Where the
    system has no such limit, as on macOS, there is none.
    """
    import psutil

    now = psutil.Process().memory_info()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    cap = now.vms + max(most - now.rss, _LEAST_ROOM)
    tighter = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (min([cap, *tighter]), hard))
    try:
        yield
    except (MemoryError, SitegenError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, MemoryError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise SitegenError(f"takes more than {most / 1e6:.0f} MB of memory to read") from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def unpacked(data: bytes, most: int) -> bytes:
    """Return what is gzipped in ``data``, whole and checked.

    Raises SitegenError when it is no gzip file, is cut or damaged, or holds more than ``most``
    bytes; then no more than that was unpacked.
    """
    return b"".join(_parts(data, most))


def check_gzip(data: bytes, most: int) -> int:
    """Return how many bytes are gzipped in ``data``; raises SitegenError as `unpacked` does."""
    return sum(map(len, _parts(data, most)))


def beginning(data: bytes, most: int) -> bytes:
    """Return the first ``most`` bytes of what is gzipped in ``data``; the rest is not looked at.

    Raises SitegenError when already these cannot be had.
    """
    if not data.startswith(_GZIP):
        raise SitegenError("is no gzip file")
    stream = zlib.decompressobj(wbits=_WITH_HEADER)
    with contextlib.suppress(zlib.error):
        start = stream.decompress(data, most)
        if len(start) == most or stream.eof:
            return start
    raise SitegenError("is no whole gzip file")


def read_file(path: Path | str, most: int) -> bytes:
    """Return what is in a plain file; raises SitegenError for a larger one, or for no file.

    A pipe or a device is none: reading it may never end.
    """
    name = str(path).rpartition("/")[2]
    try:
        # To open a pipe waits for its other end, but not so.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - open already
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SitegenError("is a device or a pipe, not a file", where=name)
            if status.st_size > most:
                raise SitegenError(f"is larger than {_size(most)}", where=name)
            return file.readall()
    except FileNotFoundError:
        raise SitegenError("is missing", where=name) from None
    except IsADirectoryError:
        raise SitegenError("is a folder", where=name) from None
    except OSError as error:
        raise SitegenError(f"{error.strerror}", where=name) from error


def _parts(data: bytes, most: int) -> Iterator[bytes]:
    if not data.startswith(_GZIP):
        raise SitegenError("is no gzip file")
    size, file = 0, gzip.GzipFile(fileobj=io.BytesIO(data))
    try:
        while part := file.read(_CHUNK):
            size += len(part)
            if size > most:
                raise SitegenError(f"holds more than {_size(most)} unpacked")
            yield part
    except (OSError, EOFError, zlib.error) as error:
        raise SitegenError("is no whole gzip file") from error


def _size(most: int) -> str:
    return f"{most // _MB} MB" if most >= _MB else f"{most:,} bytes"
