"""What comes by standard input, as a file: every form is read from files, a pack twice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sitegen import bounds
from sitegen.errors import SitegenError
from sitegen.intake import packs

#: How standard input is named as a file.
DASH = Path("-")
_NAME, _HEAD_BYTES = "standard-input", 4096


@contextmanager
def as_files(paths: tuple[Path, ...], stream: BinaryIO) -> Iterator[tuple[Path, ...]]:
    """Have what ``stream`` holds as a file in the place of the path ``-``, while it lasts.

    What fails within names standard input, and no file that nobody wrote.
    """
    if DASH not in paths:
        yield paths
        return
    if paths.count(DASH) > 1:
        raise SitegenError("is named twice", where="standard input", fix="name it once")
    with tempfile.TemporaryDirectory(prefix="sitegen-") as folder:
        file = Path(folder) / _NAME
        _spool(stream, file)
        try:
            yield tuple(file if path == DASH else path for path in paths)
        except SitegenError as error:
            error.where = error.where.replace(str(file), "standard input")
            raise


def _spool(stream: BinaryIO, file: Path) -> None:
    """Write a stream to a file: all of a pack; of anything else what may be read, and a byte.

    Raises SitegenError for a pack that is larger than one may be.
    """
    head = stream.read(_HEAD_BYTES)
    with file.open("wb") as out:
        out.write(head)
        most = packs.MAX_BYTES if packs.is_pack(head) else bounds.MOST_FILE_BYTES
        left = most + 1 - len(head)
        while left > 0 and (data := stream.read(min(left, 1 << 20))):
            out.write(data)
            left -= len(data)
    if left <= 0 and most == packs.MAX_BYTES:
        fix = "name it as a file"
        what = f"is larger than {most // 1_000_000:,} MB"
        raise SitegenError(what, where="standard input", fix=fix)
