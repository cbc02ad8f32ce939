"""Runs as one file: what `sitegen pack` writes, and what `sitegen import` takes from it.

A pack is a tar of whole runs as the archive holds them, `<environment>/<run id>/...`, with what
was said of them. The tar that a run's page offers, `<run id>/...`, is one as well. Nothing in it
is trusted: names are compared, never used as paths, and every file must match its digest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO

from sitegen.archive import Archive, remarks
from sitegen.archive.store import Entry
from sitegen.errors import SitegenError
from sitegen.model import RUN_ID, Run

#: What one run may take unpacked, and how many files a pack may hold.
MAX_RUN_BYTES = 500_000_000
MAX_FILES = 2_000_000
_NO_ALIASES: Mapping[str, str] = MappingProxyType({})
_MAGIC, _MAGIC_AT = b"ustar", 257


@dataclass(frozen=True, slots=True)
class Whole:
    """A run with every byte of it, checked; ``said`` are the files of its remarks."""

    run: Run
    rows: int
    files: Mapping[str, bytes] = field(repr=False)
    said: Mapping[str, bytes] = field(default_factory=dict, repr=False)

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
    if head.startswith(b"\x1f\x8b"):
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
    aliases: Mapping[str, str] = _NO_ALIASES,
) -> list[Entry]:
    """Return the runs that are named, or all; of these the ones of ``environment``, ``benchmark``.

    ``aliases`` are the labels of today by those of old. Raises SitegenError when a run is not
    there, or none is left.
    """
    named = dict.fromkeys(archive.find(run).run_id for run in runs)
    entries = [each for each in archive.scan() if not runs or each.run_id in named]
    found = [
        entry
        for entry in entries
        if environment in ("", entry.environment, aliases.get(entry.environment))
        and benchmark in ("", _benchmark(entry.run_id))
    ]
    if not found:
        raise SitegenError("no such run", where=str(archive.root), fix="`sitegen list` shows them")
    return found


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
            said: dict[str, bytes] = {}
            try:
                _, files, manifest = archive.manifest(entry)
                parts = {"run.json": manifest} | {f.name: archive.checked(entry, f) for f in files}
                for name in entry.remarks:
                    said[name] = (entry.path.parent / name).read_bytes()
                    remarks.parse(name, said[name])
            except SitegenError as error:
                raise SitegenError(
                    error.what, where=entry.run_id, fix="`sitegen fsck` names what is damaged"
                ) from error
            place = f"{entry.environment}/{entry.run_id}"
            for name in sorted(parts):
                _add(tar, f"{place}/{name}", parts[name])
            for name, data in said.items():
                _add(tar, f"{entry.environment}/{name}", data)
            count += 1
    return count


def read(path: Path) -> list[Packed]:
    """Return the runs of a pack, each whole and checked.

    Raises SitegenError for a pack that is damaged, and for a run that is not whole: nothing says
    then what else is missing.
    """
    found = [(whole.run, whole.rows, whole.digest) for whole in _wholes(path)]
    again = _wholes(path)

    def load(run_id: str) -> Whole:
        for whole in again:
            if whole.run.id == run_id:
                return whole
        raise SitegenError("has changed while it was read", where=str(path))

    return [Packed(run, rows, digest, partial(load, run.id)) for run, rows, digest in found]


def of_folder(place: Path, files: Mapping[str, bytes], said: Mapping[str, bytes]) -> Whole:
    """Return the run whose folder ``place`` is; raises SitegenError unless it is whole."""
    return _whole(place.name, files, said, place)


def _wholes(path: Path) -> Iterator[Whole]:
    try:
        with tarfile.open(path, "r:*") as tar:
            yield from _runs(tar, path)
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        raise SitegenError(
            "the pack is cut off or damaged", where=str(path), fix="bring it again"
        ) from error


def _runs(tar: tarfile.TarFile, path: Path) -> Iterator[Whole]:
    name = ""
    files: dict[str, bytes] = {}
    said: dict[str, bytes] = {}
    done: set[str] = set()
    size = 0
    for number, member in enumerate(tar):
        if number > MAX_FILES:
            raise SitegenError(f"holds more than {MAX_FILES:,} files", where=str(path))
        if member.isdir():
            continue
        run_id, part = _place(member.name)
        if not member.isreg() or not run_id:
            raise SitegenError(
                f"holds {member.name[:80]!r}, which is no part of a run", where=str(path)
            )
        if run_id != name:
            if run_id in done:
                raise SitegenError(f"holds {run_id} twice, or in parts", where=str(path))
            if name:
                yield _whole(name, files, said, path)
            name, files, said, size = run_id, {}, {}, 0
            done.add(run_id)
        size += member.size
        if size > MAX_RUN_BYTES:
            raise SitegenError(f"{run_id} is larger than {MAX_RUN_BYTES:,} bytes", where=str(path))
        stream = tar.extractfile(member)
        data = stream.read() if stream else b""
        (files if part else said)[part or member.name.rpartition("/")[2]] = data
    if not name:
        raise SitegenError("holds no run", where=str(path))
    yield _whole(name, files, said, path)


def _whole(run_id: str, files: Mapping[str, bytes], said: Mapping[str, bytes], path: Path) -> Whole:
    try:
        run, rows = Archive.checked_files(run_id, files)
        for name, data in said.items():
            remarks.parse(name, data)
    except SitegenError as error:
        where = f"{path}: {run_id}" + (f": {error.where}" if error.where else "")
        raise SitegenError(error.what, where=where, fix=error.fix) from error
    return Whole(run, rows, files, said)


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
