"""The page of downloads: the files, the columns and what was set aside."""

from __future__ import annotations

from dataclasses import dataclass

from sitegen.archive import Damaged


@dataclass(frozen=True, slots=True)
class DataFile:
    """One download: what it holds, in which forms, with their sizes in bytes."""

    title: str
    stem: str
    rows: int
    sizes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DataPage:
    """The downloads, the columns and what was set aside."""

    files: tuple[DataFile, ...]
    columns: tuple[tuple[str, str], ...]
    damaged: tuple[Damaged, ...]
