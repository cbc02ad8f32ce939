"""An archive elsewhere: a copy of it here that every reader uses, and runs that are sent there.

Reading lists the names of its runs, fetches those that the copy lacks (checked, each whole) and
removes those that are gone. A run never changes, so what was fetched once is not fetched again,
unless it was damaged. Writing puts a run on this machine's disk first (`unsent`), then each file
where none is yet, `run.json` last: a reader takes a run without it for none, two writers of one
id meet at its first file, and what is not sent is not lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec.structs import replace

from sitegen.archive import manifest, remarks
from sitegen.archive.manifest import File
from sitegen.archive.store import (
    MAX_FILE_BYTES,
    MAX_RUN_BYTES,
    Absent,
    Archive,
    Entry,
    Fault,
    NoArchive,
    manifest_last,
    names_of,
    put_file,
    put_folder,
)
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.model import LABEL, RUN_ID, Remark, Run

if TYPE_CHECKING:
    from sitegen.archive.storage import Names, Storage

#: Requests at once. More of them gain nothing: this machine signs and reads one after another.
_AT_ONCE = 16
_MOST_MANIFEST, _MOST_REMARK = 16_000_000, 20_000
#: Names of what was damaged as it was fetched, one a line: it is fetched again.
_AGAIN = ".again"
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def opened(config: Config) -> Archive:
    """Return the archive of a report, wherever it lies."""
    return Elsewhere(config) if config.elsewhere else Archive(config.archive)


class Unsent(SitegenError):  # noqa: N818 - says what is left to do
    """A run is whole on this machine and could not be sent; ``path`` is where it lies."""

    path: Path


class _Fetched(NamedTuple):
    place: str
    whole: bool = True
    half: bool = False  # a run without its manifest: it is being written, or was left so


class Elsewhere(Archive):
    """An archive at an address; ``root`` is the copy of it here."""

    def __init__(self, config: Config) -> None:
        """Use the archive of ``config``; nothing is asked for before it is needed."""
        super().__init__(config.archive, config.elsewhere)
        self.config, self.synced = config, False
        self.unsent = Archive(config.unsent)
        self.halves: tuple[str, ...] = ()

    @cached_property
    def storage(self) -> Storage:
        """The place where it lies; raises SitegenError when nothing here can speak to it."""
        from sitegen.archive.storage import Storage

        return Storage(self.place, self.config.storage)

    def shown(self, path: Path) -> str:
        """Return the address of what lies at ``path`` in the copy."""
        return f"{self.place}/{path.relative_to(self.root).as_posix()}"

    def scan(self) -> list[Entry]:
        """Return every run that is there, after the copy was brought up to date."""
        if not self.synced:
            self.sync()
        return super().scan()

    def sync(self, *, anew: bool = False) -> None:
        """Fetch what the copy lacks, or everything ``anew``; remove what is gone there.

        Raises `NoArchive` where nothing is there, and SitegenError when it cannot be told or
        fetched: what was fetched whole until then stays.
        """
        environments = self._environments()
        self.root.mkdir(parents=True, exist_ok=True)
        with _locked(self.root, ".fetching"):
            again = self.root / _AGAIN
            bad = set(again.read_text().split("\n")) if again.exists() else set()
            runs = {f"{env}/{each}" for env, (there, _) in environments.items() for each in there}
            notes = {f"{env}/{each}" for env, (_, there) in environments.items() for each in there}
            here = {path for env in self._labels() for path in self._kept(env)}
            for path in here - runs - notes:
                _remove(self.root / path)
            stale = (bad | (here if anew else set())) & here
            fetched = [
                *_together(self._fetch_run, sorted(runs - here | runs & stale)),
                *_together(self._fetch_remark, sorted(notes - here | notes & stale)),
            ]
            bad = {each.place for each in fetched if not each.whole}
            if bad or again.exists():
                again.write_text("\n".join(sorted(bad)))
        self.halves = tuple(each.place for each in fetched if each.half)
        self.synced = True

    def check_writable(self) -> None:
        """Raise SitegenError when the archive cannot be reached, or no run be kept here."""
        self.storage.check_writable()
        self.unsent.check_writable()
        with contextlib.suppress(NoArchive):
            self._top()

    def adopt(self, run: Run, files: Mapping[str, bytes]) -> Path:
        """Write a run here, send it, and return its folder in the copy.

        Raises `Unsent` when it was not sent. What waited since earlier is tried as well.
        """
        with self._sending():
            self.unsent.adopt(run, files)
        path = self.send(self.unsent.entry(run))
        with contextlib.suppress(SitegenError):
            for entry in self.waiting():
                self.send(entry)
        return path

    def waiting(self) -> list[Entry]:
        """Return the runs that are on this machine and not sent yet."""
        try:
            return self.unsent.scan()
        except NoArchive:
            return []

    def send(self, entry: Entry) -> Path:
        """Send a run that waits; it is then in the copy, whose folder of it is returned.

        Raises `Unsent` when it could not be sent: it waits on.
        """
        final = self.root / entry.environment / entry.run_id
        with self._sending():
            if not entry.path.is_dir():
                return final  # another command has sent it
            try:
                files = _files(entry.path)
                self.checked_files(entry.run_id, files)
                self._send(f"{entry.environment}/{entry.run_id}", files)
            except SitegenError as error:
                what = f"{error}; the run is kept in {entry.folder}"
                unsent = Unsent(what, fix="`sitegen push` sends it")
                unsent.path = entry.path
                raise unsent from error
            put_folder(final, files)
            shutil.rmtree(entry.path)
            _remove_empty([*entry.path.parents][:3])  # of the label, of the archive, and `unsent`
        return final

    def restore(self, entry: Entry, files: Mapping[str, bytes]) -> bool:
        """Put back what a run has lost, in the copy and where it came from."""
        lost = super().restore(entry, files)
        if lost:
            place = f"{entry.environment}/{entry.run_id}"
            for name in manifest_last(files):
                if not self._has(f"{place}/{name}", files[name]):
                    self.storage.put(f"{place}/{name}", files[name], replace=True)
        return lost

    def adopt_remark(self, run: Run, name: str, data: bytes) -> None:
        """Write a remark of an adopted run, unless it is there."""
        remarks.parse(name, data)
        if remarks.run_of(name) == run.id:
            self._put_remark(f"{run.environment}/{name}", data)
            super().adopt_remark(run, name, data)

    def remark_on(self, entry: Entry, remark: Remark) -> Path:
        """Write what is said of a run beside it; the same words are the same file."""
        name, data = remarks.dump(entry.run_id, remark)
        self._put_remark(f"{entry.environment}/{name}", data)
        return super().remark_on(entry, remark)

    def fsck(self) -> Iterator[Fault]:
        """Yield everything that is not as it should be: every file there is fetched again."""
        self.sync(anew=True)
        for fault in super().fsck():
            yield replace(fault, path=fault.path.replace(str(self.root), self.place, 1))
        for place in self.halves:
            problem = "has no run.json: it is being sent, or was interrupted"
            yield Fault(f"{self.place}/{place}", problem, "send the run again, or remove it")
        ours = {
            file for env in self._labels() for each in self._kept(env) for file in self._of(each)
        }
        for name in sorted(self.storage.tree() - ours):
            if not any(name.startswith(f"{half}/") for half in self.halves):
                yield Fault(f"{self.place}/{name}", "not in a run's manifest", "move it elsewhere")

    def _sending(self) -> AbstractContextManager[None]:
        return _locked(self.root, ".sending")

    def _top(self) -> Names:
        try:
            names = self.storage.names()
        except Absent:
            names = None
        if names is None or not (names.folders or names.files):
            raise NoArchive("no such archive", where=self.place, fix="`sitegen collect` makes one")
        return names

    def _environments(self) -> dict[str, tuple[list[str], list[str]]]:
        """Return the runs and the remarks that are there, by environment: names are enough."""

        def listed(label: str) -> tuple[list[str], list[str]]:
            try:
                there = self.storage.names(label)
            except Absent:
                return [], []
            return [*filter(RUN_ID.fullmatch, there.folders)], [
                *filter(remarks.run_of, there.files)
            ]

        labels = sorted(filter(LABEL.fullmatch, self._top().folders))
        return dict(zip(labels, _together(listed, labels), strict=True))

    def _labels(self) -> list[str]:
        return [path.name for path in self.root.iterdir() if LABEL.fullmatch(path.name)]

    def _kept(self, label: str) -> set[str]:
        """Return what the copy has of an environment, less what a killed command left."""
        kept = set()
        for path in (self.root / label).iterdir():
            if RUN_ID.fullmatch(path.name) or remarks.run_of(path.name):
                kept.add(f"{label}/{path.name}")
            else:
                _remove(path)
        return kept

    def _of(self, place: str) -> set[str]:
        """Return the files that belong to a run of the copy, or a remark, by their paths."""
        with contextlib.suppress(SitegenError, OSError):
            listed = manifest.parse((self.root / place / "run.json").read_bytes())
            return {f"{place}/{name}" for name in (*names_of(listed), "run.json")}
        return {place, f"{place}/run.json"}

    def _fetch_run(self, place: str) -> _Fetched:
        """Fetch a run into the copy; one that is damaged as it is: readers say what is wrong."""
        try:
            files = {"run.json": self.storage.read(f"{place}/run.json", _MOST_MANIFEST)}
        except Absent:
            _remove(self.root / place)
            return _Fetched(place, whole=False, half=True)
        parts: tuple[File, ...] = ()
        whole = False
        with contextlib.suppress(SitegenError):
            listed = manifest.parse(files["run.json"])
            names_of(listed)
            parts, whole = listed.files, f"{listed.environment}/{listed.id}" == place
        left = MAX_RUN_BYTES
        for file in parts:
            left -= max(file.bytes, 0)
            data = self._part(f"{place}/{file.name}", file) if left >= 0 else None
            if data is not None:
                files[file.name] = data
            whole = whole and data is not None and _digest(data) == file.sha256
        if not whole:
            with (self.root / _AGAIN).open("a") as again:
                again.write(f"\n{place}")
        _remove(self.root / place)
        put_folder(self.root / place, files)
        return _Fetched(place, whole=whole)

    def _part(self, path: str, file: File) -> bytes | None:
        """Return a file of a run, nothing where it is not there; what differs is read twice."""
        most = min(max(file.bytes, 0), MAX_FILE_BYTES)
        try:
            data = self.storage.read(path, most)
            return data if _digest(data) == file.sha256 else self.storage.read(path, most)
        except Absent:
            return None

    def _fetch_remark(self, place: str) -> _Fetched:
        label, _, name = place.partition("/")
        try:
            data = self.storage.read(place, _MOST_REMARK)
        except Absent:
            return _Fetched(place)
        try:
            remarks.parse(name, data)
            whole = True
        except SitegenError:
            whole = False
        (self.root / label).mkdir(exist_ok=True)
        put_file(self.root / place, data)
        return _Fetched(place, whole=whole)

    def _send(self, place: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a run where none is yet; what is there already must be the same."""
        if sum(map(len, files.values())) > MAX_RUN_BYTES:
            raise SitegenError(f"is larger than {MAX_RUN_BYTES / 1e6:.0f} MB", where=place)
        there: frozenset[str] = frozenset()
        with contextlib.suppress(Absent):
            there = self.storage.tree(place)
        for name in manifest_last(files):
            path = f"{place}/{name}"
            if (name in there or not self.storage.put(path, files[name])) and not self._has(
                path, files[name]
            ):
                what = "there is another run of this id, or a part of one"
                raise SitegenError(what, where=f"{self.place}/{place}", fix="keep one of the two")

    def _put_remark(self, path: str, data: bytes) -> None:
        """Write a remark; under its name, which has its digest, nothing else can be right."""
        if not self.storage.put(path, data) and not self._has(path, data):
            self.storage.put(path, data, replace=True)

    def _has(self, path: str, data: bytes) -> bool:
        """Say whether these bytes lie there."""
        try:
            return self.storage.read(path, len(data)) == data
        except Absent:
            return False


def _files(folder: Path) -> dict[str, bytes]:
    try:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise SitegenError(f"cannot be read: {error.strerror}", where=str(folder)) from error


def _together(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Return what ``work`` gives for each item, several at once; the first failure ends it."""
    if len(items) < 2:  # noqa: PLR2004 - one needs no threads
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        return [*pool.map(work, items)]
    finally:
        pool.shutdown(cancel_futures=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(folders: Iterable[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


@contextlib.contextmanager
def _locked(root: Path, name: str) -> Iterator[None]:
    """Keep other commands out of a copy, or of sending; a lock ends with its process."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
