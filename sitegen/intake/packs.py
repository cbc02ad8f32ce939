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
import tarfile
import zlib
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple, cast

from sitegen import bounds, whole
from sitegen.archive import Archive, remarks
from sitegen.archive.store import MAX_RUN_BYTES, Entry
from sitegen.collect.installed import check_benchmarks
from sitegen.errors import SitegenError
from sitegen.intake import placed
from sitegen.model import RUN_ID, Run

#: How many files a pack may hold, and how many times its own size it may be unpacked: what it holds
#: is compressed already.
MAX_FILES = 2_000_000
#: What is taken of a pack that comes by a pipe, where it has to be kept until it was checked.
MAX_BYTES = 20_000_000_000
MAX_RATIO, _SMALL = 30, 10_000_000
#: A name is no longer. tarfile takes in one piece whatever length a header says.
_MAX_HEADER = 65_536
GZIP, _MAGIC, _MAGIC_AT = b"\x1f\x8b", b"ustar", 257


#: The files of a run, and those of the remarks on it, by name: every byte, checked.
Content = tuple[Mapping[str, bytes], Mapping[str, bytes]]


class Packed(NamedTuple):
    """A run that came in a pack and was checked; ``load`` reads it again, to be written.

    Only one run of a pack is in memory at a time. ``digest`` is that of its manifest, which holds
    those of all its files.
    """

    run: Run
    rows: int
    digest: str
    load: Callable[[], Content]


def is_pack(head: bytes) -> bool:
    """Say whether these first bytes are those of a tar, gzipped or not."""
    if head.startswith(GZIP):
        with contextlib.suppress(SitegenError):
            head = bounds.beginning(head, 512)
    return head[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def chosen(
    archive: Archive,
    runs: Sequence[str],
    environment: str,
    benchmarks: Collection[str] = (),
    aliases: Mapping[str, str] | None = None,
) -> list[Entry]:
    """Return the runs that are named, or all; of these the ones of ``environment``, ``benchmarks``.

    ``aliases`` are the labels of today by those of old. Raises SitegenError when a run is not
    there, or none is left, and for names that nobody knows.
    """
    named, every = {archive.find(run).run_id for run in runs}, archive.scan()
    labels = {entry.environment for entry in every}
    if environment and environment not in labels | set((aliases or {}).values()):
        fix = f"there are {', '.join(sorted(labels)) or 'none'}"
        raise SitegenError(f"no environment {environment!r}", where=archive.place, fix=fix)
    check_benchmarks(benchmarks, map(_benchmark, every))
    entries = [
        entry
        for entry in every
        if (not runs or entry.run_id in named)
        and environment in ("", entry.environment, (aliases or {}).get(entry.environment))
        and (not benchmarks or _benchmark(entry) in benchmarks)
    ]
    if not entries:
        raise SitegenError("no such run", where=archive.place, fix="`sitegen list` shows them")
    return entries


def _benchmark(entry: Entry) -> str:
    return entry.run_id.partition("-")[2].rpartition("-")[0]


def write(archive: Archive, entries: Sequence[Entry], file: Path) -> int:
    """Write the runs to ``file``, which is there whole or not at all; return how many."""
    if file.is_dir():
        raise SitegenError("is a folder", where=str(file), fix="name a file, such as runs.pack")
    with whole.written(file) as hidden, hidden.open("wb") as out:
        return pack(archive, entries, out)


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
                members = {f"{entry.run_id}/{name}": data for name, data in sorted(parts.items())}
                for name in entry.remarks:
                    members[name] = remarks.load(entry.path.parent / name)
                    remarks.parse(name, members[name])
            except SitegenError as error:
                fix = "`sitegen fsck` names what is damaged"
                raise SitegenError(error.what, where=entry.run_id, fix=fix) from error
            for name, data in members.items():
                member = tarfile.TarInfo(f"{entry.environment}/{name}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            count += 1
    return count


def read(path: Path) -> list[Packed]:
    """Return the runs of a pack, each whole and checked.

    Raises SitegenError for a pack that is damaged, and for a run that is not whole: nothing says
    then what else is missing.
    """
    runs = [packed[:3] for packed in _wholes(path)]
    again = _wholes(path, known={digest for _, _, digest in runs})

    def load(run_id: str) -> Content:
        for packed in again:
            if packed.run.id == run_id:
                return packed.load()
        raise SitegenError("has changed while it was read", where=str(path))

    return [Packed(*each, partial(load, each[0].id)) for each in runs]


def read_folder(place: Path, remarked: Sequence[Path] = ()) -> Packed:
    """Return the run whose folder this is, with its remarks, which lie beside it.

    Raises SitegenError unless it is whole.
    """

    def read(known: Container[str] = ()) -> Packed:
        paths = [path for path in sorted(place.rglob("*")) if path.is_file()]
        if sum(path.stat().st_size for path in paths) > MAX_RUN_BYTES:
            raise SitegenError(f"larger than {MAX_RUN_BYTES / 1e6:.0f} MB", where=str(place))
        files = {path.relative_to(place).as_posix(): path.read_bytes() for path in paths}
        remark_files = {path.name: remarks.load(path) for path in remarked}
        with placed(place):
            return _whole(place.name, files, remark_files, known)

    packed = read()
    return packed._replace(load=lambda: read((packed.digest,)).load())


def _wholes(path: Path, known: Container[str] = ()) -> Iterator[Packed]:
    """Yield the runs of a pack; of those with ``known`` digests only the digests are checked."""
    try:
        with placed(path), path.open("rb") as raw:
            zipped = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            plain = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if zipped else raw
            stream = _Bounded(plain, max(MAX_RATIO * path.stat().st_size, _SMALL))
            with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as tar:
                yield from _runs(tar, stream, known)
    except (tarfile.TarError, EOFError, OSError, ValueError, RecursionError, zlib.error) as error:
        message = "the pack is cut off or damaged"
        raise SitegenError(message, where=str(path), fix="bring it again") from error


class _Bounded:
    """A tar's bytes as tarfile reads them: no header in one piece that is longer than a name.

    Raises SitegenError for one that is, and past ``most`` bytes in all.
    """

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.most, self.tell = file, most, file.tell

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise SitegenError(f"a name in it is longer than {_MAX_HEADER:,} bytes")
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
            raise SitegenError(f"holds more than {MAX_RATIO} times its own size")
        return self.file.read(size)

    def seek(self, at: int) -> int:
        return self.file.seek(min(at, self.most))  # past the end: what follows is missing


def _runs(tar: tarfile.TarFile, stream: _Bounded, known: Container[str]) -> Iterator[Packed]:
    done: set[str] = set()
    for run_id, members in groupby(_members(tar), key=lambda member: _place(member.name)[0]):
        size = 0
        files: dict[str, bytes] = {}
        notes: dict[str, bytes] = {}
        for member in members:
            _, part = _place(member.name)
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not run_id:
                raise SitegenError(f"holds {member.name[:80]!r}, which is no part of a run")
            size += member.size
            if size > MAX_RUN_BYTES:
                raise SitegenError(f"{run_id} is larger than {MAX_RUN_BYTES:,} bytes")
            target, name = (files, part) if part else (notes, member.name.rpartition("/")[2])
            target[name] = stream.content(member)
        if run_id in done:
            raise SitegenError(f"holds {run_id} twice, or in parts")
        done.add(run_id)
        yield _whole(run_id, files, notes, known)
    if not done:
        raise SitegenError("holds no run")


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield what is in a tar, but for folders; raises SitegenError when it is too much."""
    for number, member in enumerate(iter(tar.next, None), start=1):
        tar.members.clear()  # type: ignore[attr-defined] # tarfile keeps them all
        if number > MAX_FILES:
            raise SitegenError(f"holds more than {MAX_FILES:,} files")
        if not member.isdir():
            yield member


def _whole(
    run_id: str, files: Mapping[str, bytes], notes: Mapping[str, bytes], known: Container[str]
) -> Packed:
    """Return a run, checked; of one whose digest is known the files' digests are enough."""
    manifest_digest = digest(files.get("run.json", b""))
    with placed(run_id):
        run, rows = Archive.checked_files(run_id, files, known=manifest_digest in known)
        for name, data in notes.items():
            remarks.parse(name, data)
    return Packed(run, rows, manifest_digest, lambda: (files, notes))


def digest(manifest: bytes) -> str:
    """Return what tells two runs of one id apart: all else of a run matches its manifest."""
    return hashlib.sha256(manifest).hexdigest()


def _place(name: str) -> tuple[str, str]:
    """Return the run that a member belongs to, and which of its files it is; nothing for neither.

    A remark belongs to the run that its name says, and is none of the run's own files.
    """
    parts = name.split("/")
    for depth, part in enumerate(parts[:-1]):
        if RUN_ID.fullmatch(part):
            return part, "/".join(parts[depth + 1 :])
    return remarks.run_of(parts[-1]), ""
