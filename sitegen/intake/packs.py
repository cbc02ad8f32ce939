"""Runs as one file: what `sitegen pack` writes, and what `sitegen import` takes from it.

A pack is a tar of whole runs as the archive holds them, `<environment>/<run id>/...`, with what
was said of them. The tar that a run's page offers, `<run id>/...`, is one as well. Nothing in it
is trusted: names are compared, never used as paths, and every file must match its digest.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, cast

from sitegen.archive import Archive, remarks
from sitegen.archive.store import Entry
from sitegen.errors import SitegenError
from sitegen.model import RUN_ID, Run

#: What one run may take as it is archived, how many files a pack may hold, and how many times its
#: own size it may be unpacked: what it holds is compressed already.
MAX_RUN_BYTES = 100_000_000
MAX_FILES = 2_000_000
MAX_RATIO, _SMALL = 30, 10_000_000
#: A name is no longer. tarfile takes in one piece whatever length a header says.
_MAX_HEADER = 65_536
GZIP, _MAGIC, _MAGIC_AT = b"\x1f\x8b", b"ustar", 257


@dataclass(frozen=True, slots=True)
class Whole:
    """A run with every byte of it and of its remarks, checked."""

    run: Run
    rows: int
    files: Mapping[str, bytes] = field(repr=False)
    remarks: Mapping[str, bytes] = field(repr=False)

    @property
    def digest(self) -> str:
        """Return the sha256 of its manifest, which holds those of all its files."""
        return hashlib.sha256(self.files["run.json"]).hexdigest()


@dataclass(frozen=True, slots=True)
class Packed:
    """A run that came in a pack and was checked; ``load`` reads it again, to be written.

    Only one run of a pack is in memory at a time.
    """

    run: Run
    rows: int
    digest: str
    load: Callable[[], Whole] = field(repr=False)


def is_pack(head: bytes) -> bool:
    """Say whether these first bytes are those of a tar, gzipped or not."""
    if head.startswith(GZIP):
        try:
            with gzip.open(io.BytesIO(head)) as file:
                head = file.read(512)
        except (OSError, EOFError, zlib.error):
            return False
    return head[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def chosen(
    archive: Archive,
    runs: Sequence[str],
    environment: str,
    benchmark: str,
    aliases: Mapping[str, str] | None = None,
) -> list[Entry]:
    """Return the runs that are named, or all; of these the ones of ``environment``, ``benchmark``.

    ``aliases`` are the labels of today by those of old. Raises SitegenError when a run is not
    there, or none is left.
    """
    named = {archive.find(run).run_id for run in runs}
    entries = [
        entry
        for entry in archive.scan()
        if (not runs or entry.run_id in named)
        and environment in ("", entry.environment, (aliases or {}).get(entry.environment))
        and benchmark in ("", _benchmark(entry.run_id))
    ]
    if not entries:
        raise SitegenError("no such run", where=str(archive.root), fix="`sitegen list` shows them")
    return entries


def write(archive: Archive, entries: Sequence[Entry], file: Path) -> int:
    """Write the runs to ``file``, which is there whole or not at all; return how many."""
    if file.is_dir():
        raise SitegenError("is a folder", where=str(file), fix="name a file, such as runs.pack")
    hidden = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with hidden.open("wb") as out:
            count = pack(archive, entries, out)
        hidden.replace(file)
    except OSError as error:
        raise SitegenError(f"cannot be written: {error.strerror}", where=str(file)) from error
    finally:
        hidden.unlink(missing_ok=True)
    return count


def _benchmark(run_id: str) -> str:
    match = RUN_ID.fullmatch(run_id)
    return match[2] if match else ""


def pack(archive: Archive, entries: Iterable[Entry], out: IO[bytes]) -> int:
    """Write the runs to ``out`` and return how many; the same runs give the same bytes.

    Raises SitegenError for a run that is damaged.
    """
    count = 0
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            try:
                _, files, manifest = archive.manifest(entry)
                parts = {"run.json": manifest} | {f.name: archive.checked(entry, f) for f in files}
                remark_files = {
                    name: remarks.load(entry.path.parent / name) for name in entry.remarks
                }
                for name, data in remark_files.items():
                    remarks.parse(name, data)
            except SitegenError as error:
                raise SitegenError(
                    error.what, where=entry.run_id, fix="`sitegen fsck` names what is damaged"
                ) from error
            place = f"{entry.environment}/{entry.run_id}"
            for name in sorted(parts):
                _add(tar, f"{place}/{name}", parts[name])
            for name, data in remark_files.items():
                _add(tar, f"{entry.environment}/{name}", data)
            count += 1
    return count


def read(path: Path) -> list[Packed]:
    """Return the runs of a pack, each whole and checked.

    Raises SitegenError for a pack that is damaged, and for a run that is not whole: nothing says
    then what else is missing.
    """
    runs = [(whole.run, whole.rows, whole.digest) for whole in _wholes(path)]
    again = _wholes(path, known={digest for _, _, digest in runs})

    def load(run_id: str) -> Whole:
        for whole in again:
            if whole.run.id == run_id:
                return whole
        raise SitegenError("has changed while it was read", where=str(path))

    return [Packed(run, rows, digest, partial(load, run.id)) for run, rows, digest in runs]


def read_folder(place: Path, remarked: Sequence[Path] = ()) -> Packed:
    """Return the run whose folder this is, with its remarks, which lie beside it.

    Raises SitegenError unless it is whole.
    """
    known: set[str] = set()

    def load() -> Whole:
        paths = [path for path in sorted(place.rglob("*")) if path.is_file()]
        if sum(path.stat().st_size for path in paths) > MAX_RUN_BYTES:
            raise SitegenError(f"larger than {MAX_RUN_BYTES / 1e6:.0f} MB", where=str(place))
        files = {path.relative_to(place).as_posix(): path.read_bytes() for path in paths}
        remark_files = {path.name: remarks.load(path) for path in remarked}
        return _whole(place.name, files, remark_files, place, known)

    whole = load()
    known.add(whole.digest)
    return Packed(whole.run, whole.rows, whole.digest, load)


def _wholes(path: Path, known: Container[str] = ()) -> Iterator[Whole]:
    """Yield the runs of a pack; of those with ``known`` digests only the digests are checked."""
    try:
        with path.open("rb") as raw, _unpacked(raw) as plain:
            size = path.stat().st_size
            stream = _Bounded(plain, max(MAX_RATIO * size, _SMALL), path)
            with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as tar:
                yield from _runs(tar, stream, path, known)
    except (tarfile.TarError, EOFError, OSError, ValueError, RecursionError, zlib.error) as error:
        raise SitegenError(
            "the pack is cut off or damaged", where=str(path), fix="bring it again"
        ) from error


@contextlib.contextmanager
def _unpacked(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    head = raw.read(len(GZIP))
    raw.seek(0)
    if head != GZIP:
        yield raw
        return
    with gzip.GzipFile(fileobj=raw) as file:
        yield cast("IO[bytes]", file)


class _Bounded:
    """A tar's bytes as tarfile reads them: no header in one piece that is longer than a name.

    Raises SitegenError for one that is, and past ``most`` bytes in all.
    """

    def __init__(self, file: IO[bytes], most: int, path: Path) -> None:
        self.file, self.most, self.path = file, most, path

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise SitegenError(
                f"a name in it is longer than {_MAX_HEADER:,} bytes", where=str(self.path)
            )
        return self._next(size)

    def content(self, member: tarfile.TarInfo) -> bytes:
        """Return the bytes of a file; raises EOFError when they are not all there."""
        self.seek(member.offset_data)
        data = self._next(member.size)
        if len(data) != member.size:
            raise EOFError
        return data

    def _next(self, size: int) -> bytes:
        if self.file.tell() + size > self.most:
            raise SitegenError(
                f"holds more than {MAX_RATIO} times its own size", where=str(self.path)
            )
        return self.file.read(size)

    def seek(self, at: int) -> int:
        if at > self.most:
            return self.file.seek(self.most)  # past the end: what follows is missing
        return self.file.seek(at)

    def tell(self) -> int:
        return self.file.tell()


def _runs(
    tar: tarfile.TarFile, stream: _Bounded, path: Path, known: Container[str]
) -> Iterator[Whole]:
    name, size = "", 0
    files: dict[str, bytes] = {}
    remark_files: dict[str, bytes] = {}
    done: set[str] = set()
    for member in _members(tar, path):
        run_id, part = _place(member.name)
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not run_id:
            raise SitegenError(
                f"holds {member.name[:80]!r}, which is no part of a run", where=str(path)
            )
        if run_id != name:
            if run_id in done:
                raise SitegenError(f"holds {run_id} twice, or in parts", where=str(path))
            if name:
                yield _whole(name, files, remark_files, path, known)
            name, size, files, remark_files = run_id, 0, {}, {}
            done.add(run_id)
        size += member.size
        if size > MAX_RUN_BYTES:
            raise SitegenError(f"{run_id} is larger than {MAX_RUN_BYTES:,} bytes", where=str(path))
        kept, at = (files, part) if part else (remark_files, member.name.rpartition("/")[2])
        kept[at] = stream.content(member)
    if not name:
        raise SitegenError("holds no run", where=str(path))
    yield _whole(name, files, remark_files, path, known)


def _members(tar: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield what is in a tar, but for folders; raises SitegenError when it is too much."""
    number = 0
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined] # tarfile keeps them all
        number += 1
        if number > MAX_FILES:
            raise SitegenError(f"holds more than {MAX_FILES:,} files", where=str(path))
        if not member.isdir():
            yield member


def _whole(
    run_id: str,
    files: Mapping[str, bytes],
    remark_files: Mapping[str, bytes],
    path: Path,
    known: Container[str],
) -> Whole:
    """Return a run, checked; of one whose digest is known the files' digests are enough."""
    digest = hashlib.sha256(files.get("run.json", b"")).hexdigest()
    try:
        run, rows = Archive.checked_files(run_id, files, known=digest in known)
        for name, data in remark_files.items():
            remarks.parse(name, data)
    except SitegenError as error:
        where = f"{path}: {run_id}" + (f": {error.where}" if error.where else "")
        raise SitegenError(error.what, where=where, fix=error.fix) from error
    return Whole(run, rows, files, remark_files)


def _place(name: str) -> tuple[str, str]:
    """Return the run that a member belongs to, and which of its files it is; nothing for neither.

    A remark belongs to the run that its name says, and is none of the run's own files.
    """
    parts = name.split("/")
    for depth, part in enumerate(parts[:-1]):
        if RUN_ID.fullmatch(part):
            return part, "/".join(parts[depth + 1 :])
    return remarks.run_of(parts[-1]), ""


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
