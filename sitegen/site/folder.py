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
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import msgspec
from msgspec import Struct, structs

from sitegen import __version__, bounds, whole
from sitegen.errors import SitegenError

MARK = "sitegen.json"
#: The folder in a site in which files wait until each takes the place of an old one.
WAITING = ".sitegen-new"
_MAX_MARK = 500_000_000
_DIGEST_BYTES = 12
_OURS = b"Made by `sitegen build`, which removes it when it ends.\n"
#: A file as the mark lists it: its digest and its size in bytes.
Listed = tuple[str, int]
Form = TypeVar("Form", bound=Struct)


class _Listing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    files: dict[str, Listed] | None = None

    def __post_init__(self) -> None:
        """Refuse files outside of the site: what others wrote may name any."""
        for path in self.files or ():
            out = path.startswith("/") or "\0" in path
            if out or (".." in path and ".." in path.split("/")):
                raise ValueError("lists a file outside of its site")


class Mark(_Listing, frozen=True, kw_only=True, omit_defaults=True):
    """What a site says of itself: the files that builds made, and whether the last one ended.

    ``before`` are the digests that files had before a build that did not end. ``files`` is None in
    a site that was built before sites kept a list. ``digest`` is that of the mark's own bytes: two
    sites with equal ones have the same files.
    """

    sitegen: str = ""
    runs: int | None = None
    whole: bool | None = None
    before: dict[str, list[str]] = {}
    digest: str = ""

    @classmethod
    def read(cls, site: Path) -> Self | None:
        """Return the mark in a folder, or None when no build made it."""
        try:
            return cls.parse(bounds.read_file(site / MARK, _MAX_MARK))
        except SitegenError:
            return None

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """Return the mark that these bytes are, or None when they are none."""
        mark = _decoded(data, cls)
        return structs.replace(mark, digest=digest_of(data)) if mark and mark.sitegen else None

    def with_list_of(self, state: Path) -> Self:
        """Return the mark of an older site with the list that its build left in ``state``."""
        listing = None if self.files is not None else _decoded(state, _Listing)
        if listing is None or listing.files is None:
            return self
        files = {path: listed for path, listed in listing.files.items() if path != MARK}
        return structs.replace(self, files=files)

    def missing(self, site: Path) -> str:
        """Return the first file that is not there with its size as the mark lists it, or is left.

        Left is what a build that was killed was about to put in its place.
        """
        if os.path.lexists(f"{site}/{WAITING}"):
            return WAITING
        for path, (_, size) in (self.files or {}).items():
            if not _there(site, path, size):
                return path
        return ""

    def lists(self, path: str, data: bytes) -> bool:
        """Say whether a build made this file with these bytes."""
        listed = (self.files or {}).get(path)
        if listed is None:
            return False
        known = {listed[0], *self.before.get(path, ())}
        # Sites that were built before 2026-12 list another digest of the same length.
        older = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
        return digest_of(data) in known or older in known


class State(Struct, forbid_unknown_fields=True):
    """What the last build of this site was made from. ``mark`` is the digest of its mark."""

    key: str = ""
    mark: str = ""
    pages: dict[str, str] = {}  # run id or benchmark -> key of its page
    benchmarks: dict[str, Any] = {}  # what pages say of the files of each
    elsewhere: dict[str, str] = {}  # what stands in other people's pages -> what it says
    runs: int = 0
    damaged: list[tuple[str, str]] = []
    unsaid: list[str] = []  # notes and claims that are left out while runs are set aside
    given: dict[str, str] = {}  # what its command line put above the settings
    failed: str = ""  # how a build after it failed

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the state in ``path``; an empty one when it is absent or damaged."""
        return _decoded(path, cls) or cls()

    def save(self, path: Path) -> None:
        """Write the state for the next build."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole.replacing(path) as hidden:
            hidden.write_bytes(msgspec.json.encode(self))

    def describes(self, mark: Mark | None) -> bool:
        """Say whether the site with this mark is the one that the last build left, and whole."""
        return mark is not None and bool(mark.whole and self.key) and self.mark == mark.digest


@contextlib.contextmanager
def workplace(site: Path, say: Callable[[str], None]) -> Iterator[Path | None]:
    """Have a site for this build alone; another build of it waits, and says so.

    Yields the folder beside it in which a new site is made, empty and removed afterwards; None
    where there is a site, or an empty folder, which is changed in place. What a killed build left
    beside it is removed. Raises SitegenError when something else has its place.
    """
    place = _place_beside(site)
    with _said_of(site, place):
        yield from _workplace(site, place, say)


def _workplace(site: Path, place: Path, say: Callable[[str], None]) -> Iterator[Path | None]:
    while True:
        if site.is_dir():
            with _alone(site, say) as same:
                if not same:
                    continue
                if _is_ours(place):
                    with _beside(place, say):
                        pass  # a build was killed after it had put its site in place
                _clear(site / WAITING)
                try:
                    yield None
                finally:
                    _clear(site / WAITING)
                return
        else:
            with _beside(place, say) as folder:
                if os.path.lexists(site):
                    continue  # the build before this one has made it
                yield folder
                return


def _place_beside(site: Path) -> Path:
    return site.with_name(f".{site.name}.sitegen-build")


def is_tidy(site: Path) -> bool:
    """Say whether nothing stands beside a site of a build that is at work, or was killed."""
    return not os.path.lexists(_place_beside(site))


@contextlib.contextmanager
def _said_of(site: Path, place: Path) -> Iterator[None]:
    """Say of the site, which the user named, what its folder or the one beside it cannot take."""
    try:
        yield
    except OSError as error:
        name = Path(error.filename or site)
        inner = any(map(name.is_relative_to, (place, site / WAITING)))
        if not (inner or name.is_relative_to(site)):
            raise
        full = error.errno == errno.ENOSPC
        raise SitegenError(
            f"cannot be written: {error.strerror}",
            where=str(site if inner else name),
            fix="free some space" if full else "name another folder with --output",
        ) from error


@contextlib.contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[bool]:
    """Lock a folder; say whether it is still in its place then."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        _wait_for(lock, say)
        yield _is_open(lock, folder)
    finally:
        os.close(lock)


@contextlib.contextmanager
def _beside(place: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """Yield a new folder in ``place``, which is removed afterwards with all that is in it."""
    lock = _locked(place, say)
    try:
        shutil.rmtree(place / "site", ignore_errors=True)
        yield place / "site"
    finally:
        shutil.rmtree(place / "site", ignore_errors=True)
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
        if not _is_ours(place):
            if not os.path.lexists(place):
                continue  # the build before this one has just removed it
            raise SitegenError(
                "has the place that a build needs and was not made by one",
                where=str(place),
                fix="move it elsewhere",
            )
        try:
            lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except FileNotFoundError:
            continue
        _wait_for(lock, say)
        if _is_open(lock, file):
            if not os.fstat(lock).st_size:
                os.write(lock, _OURS)
            return lock
        os.close(lock)


def _wait_for(lock: int, say: Callable[[str], None]) -> None:
    # A file system without locks has none to wait for.
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of this site is at work: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)


def _is_ours(place: Path) -> bool:
    """Say whether a build made a folder: it holds nothing, or the lock with a build's words."""
    if place.is_symlink() or not place.is_dir():
        return False
    try:
        names = os.listdir(place)  # noqa: PTH208 - names are enough
        words = bounds.read_file(place / "lock", len(_OURS)) if "lock" in names else b""
    except (OSError, SitegenError):
        return False
    return words == _OURS or (not words and names in ([], ["lock"]))


def _is_open(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False


class Content(NamedTuple):
    """What one part of a site comes to: its files, its links, which files wait for their places."""

    files: dict[str, Listed]
    links: dict[str, str]
    waiting: list[str]
    written: int


class Output:
    """The site's folder while it is written: a new one in ``work``, or else changes in place.

    Until everything is there and checked, what changes waits in a folder in the site.

    A ``dry`` one writes nothing: what a build would come to, and whether it can.
    """

    def __init__(
        self, folder: Path, mark: Mark | None, work: Path | None, *, dry: bool = False
    ) -> None:
        """Use the site in ``folder``, which has ``mark``; ``work`` is of its `workplace`."""
        self.folder, self.work, self.dry = folder, work, dry
        self._made = str(work or folder / WAITING)  # where files are written
        self.files: dict[str, Listed] = {}
        self.links: dict[str, str] = {}  # where a link leads, with its anchor -> who has it first
        #: What builds made here; it is as it was listed where the last of them ended.
        self._old = mark or Mark()
        self._built: Mapping[str, Listed] = self._old.files or {}
        self._trusted = self._built if self._old.whole else {}
        self._waiting: list[str] = []
        self._folders: set[str] = set()
        self._written = 0
        self._of_run: dict[str, dict[str, Listed]] = {}
        for path, value in self._trusted.items():
            if path.startswith("runs/") and path.count("/") > 1:
                self._of_run.setdefault(path.split("/", 2)[1], {})[path] = value

    def add(self, path: str, data: bytes) -> None:
        """Take one file; raises SitegenError when two pages claim one path."""
        if path in self.files:
            raise _claimed(path)
        entry = (digest_of(data), len(data))
        self.files[path] = entry
        if self.dry:
            return
        if self.work is None:
            if self._trusted.get(path) == entry and _there(self.folder, path, len(data)):
                return
            self._waiting.append(path)
        self._put(path, data)

    def refers(self, path: str, targets: Iterable[str]) -> None:
        """Take the links of one page, for the check at the end."""
        folder, up = posixpath.dirname(path), "../" * path.count("/")
        for target in set(targets):
            if target.startswith(("http:", "https:", "data:", "mailto:")):
                continue
            place, hash_mark, anchor = target.partition("#")
            resolved = place.removeprefix(up) if place else path
            # From the site's root is how nearly all links lead.
            if place and (not up or len(resolved) == len(place) or "./" in resolved):
                resolved = posixpath.normpath(posixpath.join(folder, place))
            self.links.setdefault(resolved + hash_mark + anchor, path)

    def part(self) -> Output:
        """Return an output of the same site, for files that `take` adds to this one."""
        part = Output(self.folder, None, self.work, dry=self.dry)
        part._trusted = self._trusted
        return part

    def content(self) -> Content:
        """Return what this part of a site has, for another process's whole."""
        return Content(self.files, self.links, self._waiting, self._written)

    def take(self, content: Content) -> None:
        """Take the files of a part; raises SitegenError when two pages claim one path."""
        if twice := self.files.keys() & content.files.keys():
            raise _claimed(min(twice))
        self.files |= content.files
        for target, path in content.links.items():
            self.links.setdefault(target, path)
        self._waiting += content.waiting
        self._written += content.written

    def keep(self, run_id: str) -> bool:
        """Take over a run's files from the last build; False when one is not there."""
        return self._kept(self._of_run.get(run_id, {}))

    def keep_files(self, paths: Iterable[str]) -> bool:
        """Take over files from the last build; False when one is not there."""
        listed = {path: self._trusted.get(path) for path in paths}
        entries = {path: entry for path, entry in listed.items() if entry is not None}
        return len(entries) == len(listed) and self._kept(entries)

    def _kept(self, files: Mapping[str, Listed]) -> bool:
        if not all(_there(self.folder, path, size) for path, (_, size) in files.items()):
            return False
        self.files |= files
        return bool(files)

    def finish(self, runs: int) -> tuple[Mark, int, int]:
        """Put everything in place; return the site's mark, and how many files came and went.

        Raises SitegenError, before anything is changed, for a file of somebody else's that
        stands where one of the site belongs.
        """
        mark = Mark(sitegen=__version__, runs=runs, whole=True, files=self.files)
        data = msgspec.json.encode(mark, order="sorted")
        mark = structs.replace(mark, digest=digest_of(data))
        if self.work is not None:
            self._put(MARK, data)
            self.work.rename(self.folder)
            return mark, self._written, 0
        gone = sorted(set(self._built) - set(self.files))
        if not self._waiting and not gone and self._trusted == self.files:
            return mark, 0, 0
        self._check_strangers()
        # Until the last file is in place, the site is not whole, and says so.
        changing = structs.replace(
            mark, whole=False, files={**self._built, **self.files}, before=self._before(), digest=""
        )
        self._put(MARK, msgspec.json.encode(changing, order="sorted"))
        self._move(MARK)
        for path in self._waiting:
            self._move(path)
        removed = sum(map(self._remove, gone))
        self._put(MARK, data)
        self._move(MARK)
        return mark, self._written - 1, removed

    def _before(self) -> dict[str, list[str]]:
        """Return the digests that files may still have when this build does not end."""
        digests_of = {path: list(digests) for path, digests in self._old.before.items()}
        for path, (digest, _) in self._built.items():
            if path in self.files and self.files[path][0] != digest:
                digests_of.setdefault(path, []).append(digest)
        return digests_of

    def _check_strangers(self) -> None:
        for path in self._waiting:
            if strange := self._stranger(path):
                raise SitegenError(
                    "was not made by sitegen, and a page belongs there",
                    where=str(strange),
                    fix="move it elsewhere",
                )

    def _stranger(self, path: str) -> Path | None:
        """Return what stands where a file of the site belongs, and is none that a build made."""
        place = self.folder / path
        if place.is_dir() or (path not in self._built and os.path.lexists(place)):
            return place
        # A link leads into a folder that is no part of the site.
        parents = (self.folder / parent for parent in Path(path).parents if parent.name)
        return next((each for each in parents if each.is_symlink() or each.is_file()), None)

    def _remove(self, path: str) -> bool:
        """Remove what an earlier build made, if it still is that, and a folder left empty."""
        place = self.folder / path
        if not place.parent.resolve().is_relative_to(self.folder.resolve()):
            return False
        removed = False
        try:
            if self._old.lists(path, bounds.read_file(place, _MAX_MARK)):
                place.unlink()
                removed = True
        except (SitegenError, OSError):
            pass  # it is gone, or no file any more
        with contextlib.suppress(OSError):
            place.parent.rmdir()
        return removed

    def _move(self, path: str) -> None:
        """Put a file that waits in the place of an old one at once: no reader meets half of it."""
        full = f"{self.folder}/{path}"
        self._make_folder(full.rpartition("/")[0])
        os.replace(f"{self._made}/{path}", full)  # noqa: PTH105 - as above

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - thousands of them
            self._folders.add(folder)

    def _put(self, path: str, data: bytes) -> None:
        self._written += 1
        full = f"{self._made}/{path}"
        try:
            self._make_folder(full.rpartition("/")[0])
            with open(full, "wb", buffering=0) as file:  # noqa: PTH123 - a Path costs as much
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            error.filename = f"{self.folder}"  # ours is hidden, and a full disk names no file
            raise


def _decoded(source: bytes | Path, form: type[Form]) -> Form | None:
    """Return JSON, or that of a file, as ``form``; None where it is no such thing."""
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
        return msgspec.json.decode(data, type=form)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def check_folder(output: Path, mark: Mark | None) -> None:
    """Raise SitegenError unless ``output`` is absent, empty or the site that has ``mark``."""
    if output.exists() and not output.is_dir():
        raise SitegenError("is a file", where=str(output), fix="choose another --output")
    if not output.is_dir() or not {each.name for each in output.iterdir()} - {WAITING}:
        return
    if mark is None or mark.files is None:
        raise SitegenError(
            "is not empty and was not made by sitegen"
            if mark is None
            else "was built by an older sitegen, which kept no list of what is its own",
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
        # A plain name needs no more than a header's own fields, which take half as long.
        plain = len(member.name) <= tarfile.LENGTH_NAME and member.name.isascii()
        out += member.tobuf(tarfile.USTAR_FORMAT if plain else tarfile.PAX_FORMAT)
        out += data
        out += bytes(-len(data) % tarfile.BLOCKSIZE)
    return bytes(out + bytes(2 * tarfile.BLOCKSIZE))


def digest_of(data: bytes) -> str:
    """Return the digest of a file as marks list it."""
    return hashlib.sha256(data).digest()[:_DIGEST_BYTES].hex()


def _claimed(path: str) -> SitegenError:
    return SitegenError(f"two pages claim {path}", fix="rename the environment or benchmark")


def _clear(place: Path) -> None:
    """Remove what waited in a build that did not end; an older sitegen's was one file."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _there(site: Path, path: str, size: int) -> bool:
    try:
        return os.stat(f"{site}/{path}").st_size == size  # noqa: PTH116 - thousands of them
    except OSError:
        return False
