"""The site's folder: what an earlier build left there, and putting a new one in its place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from sitegen.errors import SitegenError

MARK = "sitegen.json"


@dataclass(slots=True)
class State:
    """What the last build of this site wrote, and from what."""

    key: str = ""
    files: dict[str, list[Any]] = field(default_factory=dict)  # path -> [digest, size]
    pages: dict[str, str] = field(default_factory=dict)  # run id -> key of its page
    runs: int = 0
    damaged: list[list[str]] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the state in ``path``; an empty one when it is absent or damaged."""
        try:
            return cls(**orjson.loads(path.read_bytes()))
        except (OSError, orjson.JSONDecodeError, TypeError):
            return cls()

    def save(self, path: Path) -> None:
        """Write the state for the next build."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(orjson.dumps(self))
        temporary.replace(path)

    def intact(self, output: Path) -> bool:
        """Say whether all files of the last build are there, with their sizes."""
        try:
            return all(
                os.stat(f"{output}/{path}").st_size == size  # noqa: PTH116 - thousands of them
                for path, (_, size) in self.files.items()
            )
        except OSError:
            return False


class Output:
    """The site's folder while it is written: a new one beside it, or changes in place."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state = folder, state
        for left in folder.parent.glob(f".{folder.name}-*"):
            # A build that was killed; two builds of one site at once have no meaning anyway.
            shutil.rmtree(left, ignore_errors=True)
        self.hidden = folder.with_name(f".{folder.name}-{os.getpid()}")
        self.fresh = not folder.exists() or not any(folder.iterdir())
        self.files: dict[str, list[Any]] = {}
        self.links: dict[str, str] = {}  # where a link leads, with its anchor -> who has it first
        self._waiting: list[tuple[str, bytes]] = []
        self._folders: set[str] = set()
        self._written = 0
        self._of_run: dict[str, dict[str, list[Any]]] = {}
        for path, value in state.files.items():
            if path.startswith("runs/") and path.count("/") > 1:
                self._of_run.setdefault(path.split("/", 2)[1], {})[path] = value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        shutil.rmtree(self.hidden, ignore_errors=True)

    def add(self, path: str, data: bytes) -> None:
        """Take one file; raises SitegenError when two pages claim one path."""
        if path in self.files:
            raise SitegenError(f"two pages claim {path}", fix="rename the environment or benchmark")
        entry = [hashlib.blake2b(data, digest_size=12).hexdigest(), len(data)]
        self.files[path] = entry
        if self.fresh:
            self._write(path, data)
        elif self.state.files.get(path) != entry or not self._there(path, len(data)):
            self._waiting.append((path, data))

    def refers(self, path: str, targets: Iterable[str]) -> None:
        """Take the links of one page, for the check at the end."""
        folder = posixpath.dirname(path)
        for target in set(targets):
            if target.startswith(("http:", "https:", "data:", "mailto:")):
                continue
            place, hash_mark, anchor = target.partition("#")
            resolved = posixpath.normpath(posixpath.join(folder, place)) if place else path
            self.links.setdefault(resolved + hash_mark + anchor, path)

    def keep(self, run_id: str) -> bool:
        """Take over a run's files from the last build; False when one is not there."""
        kept = self._of_run.get(run_id, {})
        if self.fresh or not all(self._there(path, size) for path, (_, size) in kept.items()):
            return False
        self.files |= kept
        return bool(kept)

    def finish(self) -> tuple[int, int]:
        """Put everything in place; return how many files were written and removed."""
        removed = 0
        if self.fresh:
            if self.folder.exists():
                self.folder.rmdir()
            self.hidden.rename(self.folder)
            return self._written, 0
        for path, data in self._waiting:
            self._write(path, data)
        for path in sorted(self._gone()):
            with contextlib.suppress(OSError):
                (self.folder / path).unlink()
                removed += 1
            with contextlib.suppress(OSError):
                (self.folder / path).parent.rmdir()
        return self._written, removed

    def _gone(self) -> set[str]:
        """Return what earlier builds wrote and this one did not, even if their list is lost."""
        found = set(self.state.files)
        for kept in ("runs", "environments", "assets", "compare", "reports"):
            found |= {
                path.relative_to(self.folder).as_posix()
                for path in (self.folder / kept).rglob("*")
                if path.is_file()
            }
        return found - set(self.files)

    def _there(self, path: str, size: int) -> bool:
        try:
            return os.stat(f"{self.folder}/{path}").st_size == size  # noqa: PTH116 - see _write
        except OSError:
            return False

    def _write(self, path: str, data: bytes) -> None:
        """Write a file of a new site, or put one in the place of an old one at once."""
        self._written += 1
        if self.fresh:
            full = f"{self.hidden}/{path}"
            self._folder(full)
            with open(full, "xb", buffering=0) as file:  # noqa: PTH123 - a Path costs as much
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
            return
        full = f"{self.folder}/{path}"
        self._folder(full)
        self.hidden.mkdir(exist_ok=True)
        waiting = self.hidden / "file"
        waiting.write_bytes(data)
        waiting.replace(full)

    def _folder(self, full: str) -> None:
        parent = full.rpartition("/")[0]
        if parent not in self._folders:
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - see _write
            self._folders.add(parent)


def check_folder(output: Path) -> None:
    """Raise SitegenError unless ``output`` is absent, empty or an earlier site."""
    if output.exists() and not output.is_dir():
        raise SitegenError("is a file", where=str(output), fix="choose another --output")
    if output.is_dir() and any(output.iterdir()) and not (output / MARK).is_file():
        raise SitegenError(
            "is not empty and was not made by sitegen",
            where=str(output),
            fix="empty it or choose another --output",
        )


def tar(folder: str, files: Sequence[tuple[str, bytes]]) -> bytes:
    """Return ``files`` below ``folder`` as a tar without times, owners or compression.

    One file to take home and check; the parts that are large are compressed already.
    """
    out = bytearray()
    for name, data in files:
        member = tarfile.TarInfo(f"{folder}/{name}")
        member.size = len(data)
        out += member.tobuf(tarfile.PAX_FORMAT)
        out += data
        out += bytes(-len(data) % tarfile.BLOCKSIZE)
    return bytes(out + bytes(2 * tarfile.BLOCKSIZE))
