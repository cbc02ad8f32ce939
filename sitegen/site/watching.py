"""When a report changes: its settings, archive, notes, claims, theme, or the tool's templates."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sitegen.resources import templates

if TYPE_CHECKING:
    from sitegen.config import Config

#: How long changes that follow each other are waited for, and how long after each, in ms.
_TOGETHER_MS, _QUIET_MS = 400, 40
#: What editors and compilers leave beside what is saved.
_TRACES = ("~", ".swp", ".swx", ".tmp", ".pyc")


class Watcher:
    """Sees what changes from when it is made, also while nobody waits."""

    def __init__(self, config: Config) -> None:
        """Begin; raises ModuleNotFoundError without watchfiles."""
        from watchfiles._rust_notify import RustNotify  # as its documentation names it

        self._file = str(config.file.resolve())
        self._places = [str(place) for place in _places(config)]
        while True:
            # A run is put into its place whole, so the folders above it are enough: an archive of
            # thousands of runs has more folders than a system watches.
            with contextlib.suppress(FileNotFoundError):  # one is just being removed
                folders = sorted({str(config.root.resolve()), *map(str, _folders(config))})
                self._notify = RustNotify(folders, False, False, 0, False, True)  # noqa: FBT003
                return
            config.root.stat()  # which is there as long as the report is

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._notify.close()

    def changes(self) -> list[str]:
        """Wait until something has changed, and return what."""
        while True:
            found = self._notify.watch(_TOGETHER_MS, _QUIET_MS, 0, None)
            if found == "signal":
                raise KeyboardInterrupt
            if isinstance(found, set) and (
                ours := sorted({p for _, p in found if self._is_ours(p)})
            ):
                return [os.path.relpath(path) for path in ours]

    def _is_ours(self, path: str) -> bool:
        if path == self._file:
            return True
        place = next((p for p in self._places if path == p or path.startswith(f"{p}/")), None)
        if place is None or path.endswith(_TRACES):
            return False
        below = path[len(place) :].split("/")
        return not any(part.startswith((".", "__pycache__")) for part in below)


def _places(config: Config) -> list[Path]:
    ours = (config.archive, config.notes, config.claims, config.theme, templates())
    return [place.resolve() for place in ours]


def _folders(config: Config) -> Iterator[Path]:
    """Yield the folders that are there, each with those below it that a build looks into."""
    archive, notes, claims, theme, pages = _places(config)
    for place in (archive, notes, claims):
        if place.is_dir():
            yield place
            yield from (path for path in place.iterdir() if path.is_dir())
    for place in (theme, pages):
        for folder, below, _ in os.walk(place):
            below[:] = [name for name in below if name != "__pycache__"]
            yield Path(folder)
