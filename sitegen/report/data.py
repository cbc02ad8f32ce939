"""The page of downloads: the files, the columns and what was set aside."""

from __future__ import annotations

from msgspec import Struct

from sitegen.archive import Damaged


class DataFile(Struct, frozen=True):
    """One download: what it holds, in which forms, with their sizes in bytes."""

    title: str
    stem: str
    rows: int
    sizes: tuple[tuple[str, int], ...]


class DataPage(Struct, frozen=True):
    """The downloads, the columns and what was set aside."""

    files: tuple[DataFile, ...]
    columns: tuple[tuple[str, str], ...]
    damaged: tuple[Damaged, ...]
