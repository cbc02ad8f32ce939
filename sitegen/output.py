"""The site's folder: what an earlier build left there, and putting a new one in its place.

What a build made stands in the site itself, in ``sitegen.json``: every file with its digest and
size. So a build removes what builds made and nothing else, and a site that is not whole, because
a build was killed or failed, says so. That file is written last.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import posixpath
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from sitegen import __version__
from sitegen.errors import SitegenError

MARK = "sitegen.json"
_OURS = b"Made by `sitegen build`, which removes it when it ends.\n"
#: A file as the mark lists it: its digest and its size in bytes.
Listed = list[Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a site says of itself: the files that builds made, and whether the last one ended.

    ``files`` is None in a site that was built before sites kept it. ``digest`` is that of the
    mark's own bytes: two sites with equal ones have the same files.
    """

    files: Mapping[str, Listed] | None
    whole: bool
    digest: str

    @classmethod
    def read(cls, site: Path) -> Self | None:
        """Return the mark in a folder, or None when no build made it."""
        try:
            return cls.parse((site / MARK).read_bytes())
        except OSError:
            return None

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """Return the mark that these bytes are, or None when they are none."""
        try:
            told = orjson.loads(data)
            files = told.get("files")
            if not isinstance(told["sitegen"], str) or not _is_listing(files):
                return None
            return cls(files, bool(told.get("whole")), _digest(data))
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            return None

    def missing(self, site: Path) -> str:
        """Return the first file that is not there as the mark lists it, or nothing."""
        for path, (_, size) in (self.files or {}).items():
            if not _there(site, path, size):
                return path
        return ""


@dataclass(slots=True)
class State:
    """What the last build of this site was made from. ``mark`` is the digest of its mark."""

    key: str = ""
    mark: str = ""
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

    def describes(self, mark: Mark | None) -> bool:
        """Say whether the site with this mark is the one that the last build left, and whole."""
        return mark is not None and mark.whole and bool(self.key) and self.mark == mark.digest


@contextlib.contextmanager
def workplace(site: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """Yield an empty folder beside ``site`` that this build has for itself, removed afterwards.

    Another build of the same site waits for it, and says so. What a killed build left in it is
    removed. Raises SitegenError when something else has its place.
    """
    place = site.absolute().with_name(f".{site.absolute().name}.sitegen-build")
    lock = _locked(place, say)
    try:
        _empty(place)
        yield place / "site"
    finally:
        _empty(place)
        # Still locked: whoever waits looks again, and makes it anew.
        (place / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            place.rmdir()
        os.close(lock)


def _locked(place: Path, say: Callable[[str], None]) -> int:
    """Return the open lock in the folder ``place``, made where it is not there."""
    file = place / "lock"
    while True:
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            place.mkdir()
        if place.is_symlink() or not place.is_dir() or not _is_ours(place):
            raise SitegenError(
                "has the place that a build needs and was not made by one",
                where=str(place),
                fix="move it elsewhere",
            )
        try:
            lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except FileNotFoundError:
            continue  # the build before this one has just removed it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of this site is at work: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_open(lock, file):
            if not os.fstat(lock).st_size:
                os.write(lock, _OURS)
            return lock
        os.close(lock)


def _is_ours(place: Path) -> bool:
    """Say whether a build made a folder: it holds nothing, or the lock with a build's words."""
    try:
        found = os.listdir(place)  # noqa: PTH208 - names are enough
        words = (place / "lock").read_bytes() if "lock" in found else b""
    except FileNotFoundError:
        return True  # just removed: it is looked at again
    return words == _OURS or (not words and found in ([], ["lock"]))


def _is_open(lock: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), file.stat())
    except FileNotFoundError:
        return False


def _empty(place: Path) -> None:
    shutil.rmtree(place / "site", ignore_errors=True)
    (place / "file").unlink(missing_ok=True)


class Output:
    """The site's folder while it is written: a new one, or changes in place.

    Without ``work`` nothing is written: what a build would come to, and whether it can.
    """

    def __init__(self, folder: Path, mark: Mark | None, work: Path | None) -> None:
        """Use the site in ``folder``, which has ``mark``; ``work`` is a `workplace`."""
        self.folder, self.work = folder, work
        self.fresh = mark is None and (not os.path.lexists(folder) or _is_empty_folder(folder))
        self.files: dict[str, Listed] = {}
        self.links: dict[str, str] = {}  # where a link leads, with its anchor -> who has it first
        #: What builds made here; it is as it was listed where the last of them ended.
        self._made: Mapping[str, Listed] = (mark.files if mark else None) or {}
        self._known = self._made if mark and mark.whole else {}
        self._any = mark is not None and mark.files is None
        self._waiting: list[tuple[str, bytes]] = []
        self._folders: set[str] = set()
        self._written = 0
        self._of_run: dict[str, dict[str, Listed]] = {}
        for path, value in self._known.items():
            if path.startswith("runs/") and path.count("/") > 1:
                self._of_run.setdefault(path.split("/", 2)[1], {})[path] = value

    def add(self, path: str, data: bytes) -> None:
        """Take one file; raises SitegenError when two pages claim one path."""
        if path in self.files:
            raise SitegenError(f"two pages claim {path}", fix="rename the environment or benchmark")
        entry = [_digest(data), len(data)]
        self.files[path] = entry
        if self.work is None:
            return
        if self.fresh:
            self._put(f"{self.work}/{path}", data)
        elif self._known.get(path) != entry or not _there(self.folder, path, len(data)):
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
        if self.fresh or not all(_there(self.folder, p, size) for p, (_, size) in kept.items()):
            return False
        self.files |= kept
        return bool(kept)

    def finish(self, runs: int) -> tuple[Mark, int, int]:
        """Put everything in place; return the site's mark, and how many files came and went.

        Raises SitegenError, before anything is changed, for a file of somebody else's that
        stands where one of the site belongs.
        """
        assert self.work is not None  # noqa: S101 - a dry run has nothing to put in place
        data = self._mark(runs, self.files, whole=True)
        mark = Mark(self.files, whole=True, digest=_digest(data))
        if self.fresh:
            self._put(f"{self.work}/{MARK}", data)
            if self.folder.exists():
                self.folder.rmdir()
            self.work.rename(self.folder)
            return mark, self._written, 0
        gone = sorted(set(self._made) - set(self.files))
        if not self._waiting and not gone and self._known == self.files:
            return mark, 0, 0
        self._check_strangers()
        # Until the last file is in place, the site is not whole, and says so.
        self._replace(MARK, self._mark(runs, {**self._made, **self.files}, whole=False))
        for path, content in self._waiting:
            self._replace(path, content)
        removed = sum(map(self._remove, gone))
        self._replace(MARK, data)
        return mark, self._written - 1, removed

    @staticmethod
    def _mark(runs: int, files: Mapping[str, Listed], *, whole: bool) -> bytes:
        told = {"sitegen": __version__, "runs": runs, "whole": whole, "files": files}
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)

    def _check_strangers(self) -> None:
        for path, _ in self._waiting:
            if strange := self._stranger(path):
                raise SitegenError(
                    "was not made by sitegen, and a page belongs there",
                    where=str(strange),
                    fix="move it elsewhere",
                )

    def _stranger(self, path: str) -> Path | None:
        """Return what stands where a file of the site belongs, and is none that a build made."""
        place = self.folder / path
        # Builds before sites had a list may have made any file.
        if place.is_dir() or (not self._any and path not in self._made and os.path.lexists(place)):
            return place
        parents = (self.folder / parent for parent in Path(path).parents)
        return next((parent for parent in parents if parent.is_file()), None)

    def _remove(self, path: str) -> bool:
        """Remove what an earlier build made, with its folder where that is empty then."""
        place = self.folder / path
        if not place.parent.resolve().is_relative_to(self.folder.resolve()):
            return False
        try:
            place.unlink()
        except OSError:
            return False
        with contextlib.suppress(OSError):
            place.parent.rmdir()
        return True

    def _replace(self, path: str, data: bytes) -> None:
        """Put a file in the place of an old one, at once where the file system can."""
        assert self.work is not None  # noqa: S101 - as above
        full, waiting = f"{self.folder}/{path}", self.work.with_name("file")
        self._folder(full)
        waiting.unlink(missing_ok=True)
        self._put(f"{waiting}", data)
        try:
            waiting.replace(full)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(waiting, full)  # the site is a disk of its own

    def _put(self, full: str, data: bytes) -> None:
        self._written += 1
        self._folder(full)
        try:
            with open(full, "xb", buffering=0) as file:  # noqa: PTH123 - a Path costs as much
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            error.filename = f"{self.folder}"  # a full disk names no file, and ours is hidden
            raise

    def _folder(self, full: str) -> None:
        parent = full.rpartition("/")[0]
        if parent not in self._folders:
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - thousands of them
            self._folders.add(parent)


def check_folder(output: Path) -> None:
    """Raise SitegenError unless ``output`` is absent, empty or an earlier site."""
    if output.exists() and not output.is_dir():
        raise SitegenError("is a file", where=str(output), fix="choose another --output")
    if output.is_dir() and any(output.iterdir()) and Mark.read(output) is None:
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


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _there(site: Path, path: str, size: int) -> bool:
    try:
        return os.stat(f"{site}/{path}").st_size == size  # noqa: PTH116 - thousands of them
    except OSError:
        return False


def _is_empty_folder(folder: Path) -> bool:
    """Say whether a new site may take the place of a folder: empty, and just a folder."""
    if folder.is_symlink() or not folder.is_dir() or os.path.ismount(folder):
        return False
    return not any(folder.iterdir())


def _is_listing(files: object) -> bool:
    """Say whether a mark lists files of its site, or none: what others wrote may name any."""
    if not isinstance(files, dict):
        return files is None
    return all(
        not path.startswith("/") and "\0" not in path and ".." not in path.split("/")
        and isinstance(listed, list) and [type(part) for part in listed] == [str, int]
        for path, listed in files.items()
    )  # fmt: skip
