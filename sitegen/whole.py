"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sitegen.errors import SitegenError


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Have a hidden file beside ``file``, which takes its place when all went well."""
    hidden = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield hidden
        hidden.replace(file)
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)


@contextmanager
def written(file: Path) -> Iterator[Path]:
    """Do as `replacing`, for a file that the user named; raises SitegenError with its name."""
    try:
        with replacing(file) as hidden:
            yield hidden
    except OSError as error:
        raise SitegenError(f"cannot be written: {error.strerror}", where=str(file)) from error
