"""The archive as a folder: writing whole runs, finding them, and naming what is damaged."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sitegen import bounds
from sitegen.archive import manifest, remarks
from sitegen.archive.manifest import File, Manifest
from sitegen.errors import SitegenError
from sitegen.model import LABEL, RUN_ID, Remark, Run, Sample, check_label, check_run_id

_HIDDEN = ".writing-"
#: What fills an archive.
BEGIN = "`sitegen collect` and `sitegen import` bring runs in, `sitegen init` begins a report"
#: What one file of a run may take as it is archived, and all of its raw output unpacked.
MAX_FILE_BYTES, MAX_UNPACKED_BYTES = 100_000_000, 2_000_000_000
#: Less room than this is none: what is measured in an hour is not to be lost for it.
_LEAST_ROOM_BYTES = 20_000_000
#: What one run may take as it is archived, where it comes from elsewhere.
MAX_RUN_BYTES = 100_000_000
#: How many times its own size a raw output may be unpacked, beside what any may have.
MAX_RAW_RATIO, _SMALL_BYTES = 200, 10_000_000
#: As much of an unpacked raw output do pages show.
SHOWN_BYTES = 10_000
#: The name of a raw output, and of a file that a run may have: no path that climbs out of it.
_PLAIN = re.compile(r"(?![.])(?=.*[^\W_])[\w.+-]{1,200}")
#: The usual 6 takes twice as long and saves 1 %, the highest ten times and 3 %.
_GZIP_LEVEL = 4
_PART = re.compile(rf"measurements[.]parquet|samples[.]parquet|raw/{_PLAIN.pattern}[.]gz")


class Entry(Struct, frozen=True):
    """A run's folder as the file system shows it, before anything in it is read."""

    run_id: str
    environment: str
    folder: str
    remarks: tuple[str, ...] = ()  # names of the files beside the folder that are about it
    stamp: str = ""  # by `Archive.stamp`, where it was taken

    @property
    def path(self) -> Path:
        """The folder, which most commands have no use for."""
        return Path(self.folder)


class Damaged(Struct, frozen=True):
    """A folder that is set aside, and why."""

    path: str
    reason: str


class Fault(Struct, frozen=True):
    """One thing that `fsck` has to say about a path."""

    path: str
    problem: str
    fix: str


class Absent(SitegenError):  # noqa: N818 - says what is missing
    """There is nothing of this name where an archive lies."""


class NoArchive(SitegenError):  # noqa: N818 - says what is missing
    """There is no archive yet: the first run makes it."""


class Archive:
    """A folder of runs. Append-only: nothing here changes or removes a run."""

    def __init__(self, root: Path, place: str = "") -> None:
        """Use the folder ``root``, which need not exist yet; messages call it ``place``."""
        self.root, self.place = root, place or str(root)

    def shown(self, path: Path) -> str:
        """Return what messages call what lies at ``path`` in the archive."""
        whole = path.absolute()
        return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)

    def path(self, run: Run) -> Path:
        """Return the folder of ``run``."""
        return self.root / check_label(run.environment) / check_run_id(run.id)

    def check_writable(self) -> None:
        """Raise SitegenError when no run could be written: better now than after an hour."""
        place = next(p for p in (self.root.absolute(), *self.root.absolute().parents) if p.exists())
        fix = "name another folder with --archive"
        try:
            with tempfile.TemporaryDirectory(prefix=_HIDDEN, dir=place):
                pass
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise SitegenError(problem, where=str(self.root), fix=fix) from error
        if (free := shutil.disk_usage(place).free) < _LEAST_ROOM_BYTES:
            problem = f"the disk has {free / 1e6:.1f} MB free, too little for a run"
            fix = f"free some space, or {fix}"
            raise SitegenError(problem, where=str(self.root), fix=fix)

    def write(self, run: Run, raw: Mapping[str, bytes] | None = None) -> Path:
        """Write a whole run and return its folder; a run that is there already is left alone.

        Everything goes to a hidden sibling first and is flushed, the manifest last; then the
        folder is renamed into place. A process killed at any point leaves either the whole run
        or a hidden folder that no reader looks at.
        """
        from sitegen.archive import parquet

        parts = {"measurements.parquet": parquet.measurements_bytes(run)}
        if run.samples:
            parts["samples.parquet"] = parquet.samples_bytes(run)
        list(_looked_into(parts.items(), whole=True))  # what is written can be read again
        for name, data in sorted((raw or {}).items()):
            if not _PLAIN.fullmatch(name):
                raise SitegenError(f"{name[:80]!r} is not usable as the name of a raw output")
            parts[f"raw/{name}.gz"] = gzip.compress(data, _GZIP_LEVEL, mtime=0)
        listed = tuple(
            File(name, len(data), hashlib.sha256(data).hexdigest())
            for name, data in sorted(parts.items())
        )
        parts["run.json"] = manifest.dump(run, listed)
        manifest.parse(parts["run.json"])
        return self.adopt(run, parts)

    def adopt(self, run: Run, files: Mapping[str, bytes]) -> Path:
        """Write a run that `checked_files` returned, byte for byte, as `write` does."""
        return put_folder(self.path(run), files)

    @staticmethod
    def checked_files(
        run_id: str, files: Mapping[str, bytes], *, known: bool = False
    ) -> tuple[Run, int]:
        """Return the run that ``files`` are, rows left out, and how many rows it has.

        Raises SitegenError unless all match, all are what they are called, and none is missing
        or left over. Of a ``known`` run, whose files were looked into before, the digests are
        enough, and no rows are counted.
        """
        if "run.json" not in files:
            raise SitegenError("has no run.json")
        listed = manifest.parse(files["run.json"])
        if listed.id != run_id:
            raise SitegenError(f"run.json says it is {listed.id}")
        names = names_of(listed)
        if strange := sorted(files.keys() - names - {"run.json"}):
            raise SitegenError(f"{strange[0][:80]!r} is not in its manifest")
        for file in listed.files:
            data = files.get(file.name)
            if data is None:
                raise SitegenError(f"{file.name} is missing")
            if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
                raise SitegenError(f"{file.name} does not match its digest")
        run = listed.run()
        if known:
            return run, 0
        parts = _looked_into([(name, files[name]) for name in sorted(names)], whole=True)
        return run, len(dict(parts)["measurements.parquet"]["value"])

    def restore(self, entry: Entry, files: Mapping[str, bytes]) -> bool:
        """Put back what a run that is here has lost; say whether anything was.

        ``files`` are those of the same run, by `checked_files`; raises SitegenError where its
        manifest is another one: then it is another run under the same id.
        """
        manifest_file = entry.path / "run.json"
        if manifest_file.exists() and _read(manifest_file) != files["run.json"]:
            raise SitegenError(
                "there is another run of this id", where=str(entry.path), fix="keep one of the two"
            )
        lost = [
            name
            for name in manifest_last(files)
            if not (entry.path / name).is_file() or _read(entry.path / name) != files[name]
        ]
        for name in lost:
            (entry.path / name).parent.mkdir(exist_ok=True)
            put_file(entry.path / name, files[name])
        return bool(lost)

    def adopt_remark(self, run: Run, name: str, data: bytes) -> None:
        """Write a remark of an adopted run, unless it is there."""
        remarks.parse(name, data)
        final = self.path(run).parent / name
        if remarks.run_of(name) == run.id and not final.exists():
            put_file(final, data)

    def scan(self) -> list[Entry]:
        """Return every folder that is called as a run is, by run id; reads nothing but names.

        Raises SitegenError when the archive is not there.
        """
        if not self.root.is_dir():
            raise NoArchive("no such archive", where=self.place, fix=BEGIN)
        entries: list[Entry] = []
        for environment in filter(LABEL.fullmatch, sorted(_folders(self.root))):
            about: defaultdict[str, list[str]] = defaultdict(list)
            with os.scandir(self.root / environment) as folder:
                listed = list(folder)
            for item in listed:
                if run_id := remarks.run_of(item.name):
                    about[run_id].append(item.name)
            entries += [
                Entry(item.name, environment, item.path, tuple(sorted(about.get(item.name, ()))))
                for item in listed
                if RUN_ID.fullmatch(item.name) and item.is_dir()
            ]
        return sorted(entries, key=lambda entry: entry.run_id)

    def entry(self, run: Run) -> Entry:
        """Return the folder of a run that is here, with what lies beside it."""
        path = self.path(run)
        names = tuple(
            sorted(name for name in os.listdir(path.parent) if remarks.run_of(name) == run.id)  # noqa: PTH208 - names are enough
        )
        return Entry(run.id, run.environment, str(path), names)

    def stamped(self) -> list[Entry]:
        """Return what `scan` does, each with its stamp."""
        return [replace(entry, stamp=self.stamp(entry)) for entry in self.scan()]

    @staticmethod
    def stamp(entry: Entry) -> str:
        """Return what changes when a file of a run is written, added or lost: sizes and times.

        Contents are not read. An empty text where the folder cannot be looked at.
        """
        sizes: list[tuple[str, int, int, int]] = []
        try:
            for folder in ("", "/raw"):
                with os.scandir(f"{entry.folder}{folder}") as parts:
                    for part in parts:
                        if part.name == "raw" and part.is_dir():
                            continue
                        try:
                            status = part.stat()
                        except OSError:
                            status = part.stat(follow_symlinks=False)  # a link to nowhere
                        times = status.st_mtime_ns, status.st_ctime_ns
                        sizes.append((f"{folder}/{part.name}", status.st_size, *times))
        except FileNotFoundError:
            pass  # a run without raw output
        except OSError:
            return ""
        listing = repr(sorted(sizes)).encode()
        return hashlib.blake2b(listing, digest_size=12).hexdigest()

    def remark_on(self, entry: Entry, remark: Remark) -> Path:
        """Write what is said of a run beside its folder, and return the file.

        Raises SitegenError for words that no page can show, or when it cannot be written.
        """
        name, data = remarks.dump(entry.run_id, remark)
        return put_file(entry.path.parent / name, data)

    def find(self, run_id: str) -> Entry:
        """Return the run whose id is, or ends with, ``run_id``.

        Raises SitegenError when none or several match.
        """
        matches = [e for e in self.scan() if e.run_id == run_id or e.run_id.endswith(f"-{run_id}")]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise SitegenError(
                f"no run {run_id!r}", where=self.place, fix="`sitegen list` shows them"
            )
        raise SitegenError(f"{len(matches)} runs end with {run_id!r}", fix="give the whole id")

    def manifest(self, entry: Entry) -> tuple[Run, tuple[File, ...], bytes]:
        """Return the run without its rows, its files, and the manifest's bytes.

        Raises SitegenError when the manifest or the size of a file is not as it should be.
        """
        data, listed = self.listed(entry)
        run = listed.run()
        if entry.remarks:
            run = replace(run, remarks=remarks.read(entry.path.parent, entry.remarks))
        return run, listed.files, data

    def listed(self, entry: Entry) -> tuple[bytes, Manifest]:
        """Return the bytes of a manifest and what they say, checked against the run's files."""
        data = _read(f"{entry.folder}/run.json")
        return data, self.check(entry, manifest.parse(data))

    def schema(self, entry: Entry) -> int:
        """Return the version that a run was written with."""
        return manifest.version(_read(entry.path / "run.json"))

    def look_into(
        self, entry: Entry, files: Sequence[File], *, whole: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """Return each file of a run with its rows (None for raw output), after a look into it.

        Raises SitegenError for one whose digest differs, or that is not what its name says:
        samples that cannot be shown, raw output that cannot be unpacked as far as pages show it.
        With ``whole`` measurements are checked too, and raw output is unpacked to its end.
        """
        return _looked_into(((file.name, self.checked(entry, file)) for file in files), whole=whole)

    @staticmethod
    def check(entry: Entry, listed: Manifest) -> Manifest:
        """Return a manifest when it is that of the run that lies at ``entry``.

        Raises SitegenError when it is that of another run, or a file is not as it says.
        """
        names_of(listed)
        if listed.id != entry.run_id or listed.environment != entry.environment:
            raise SitegenError(f"run.json says it is {listed.environment}/{listed.id}")
        for file in listed.files:
            try:
                size = os.stat(f"{entry.folder}/{file.name}").st_size  # noqa: PTH116 - as above
            except OSError:
                raise SitegenError(f"{file.name} is missing") from None
            if size != file.bytes:
                raise SitegenError(f"{file.name} has {size} bytes, the manifest says {file.bytes}")
        return listed

    def read(self, entry: Entry) -> Run:
        """Return the whole run with measurements and samples; raises SitegenError."""
        from sitegen.archive import parquet

        run, files, _ = self.manifest(entry)
        file = next(each for each in files if each.name == "measurements.parquet")
        return replace(
            run,
            measurements=parquet.measurements(self.checked(entry, file)),
            samples=self.samples(entry, files),
        )

    def samples(self, entry: Entry, files: Sequence[File]) -> tuple[Sample, ...]:
        """Return the samples of a run whose manifest was read already."""
        from sitegen.archive import parquet

        file = next((f for f in files if f.name == "samples.parquet"), None)
        return () if file is None else parquet.samples(self.checked(entry, file))

    def checked(self, entry: Entry, file: File) -> bytes:
        """Return the bytes of one file of a run; raises SitegenError when its digest differs."""
        data = _read(f"{entry.folder}/{file.name}")
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise SitegenError(f"{file.name} does not match its digest")
        return data

    def fsck(self) -> Iterator[Fault]:  # noqa: C901 - one check after another
        """Yield everything that is not as it should be: each file of each run is read."""
        run_folders: set[Path] = set()
        by_id: dict[str, Entry] = {}
        for entry in self.scan():
            run_folders.add(entry.path)
            place = str(entry.path)
            if (first := by_id.setdefault(entry.run_id, entry)) is not entry:
                yield Fault(place, f"has the id of a run in {first.environment}", "keep one")
            try:
                _, files, _ = self.manifest(entry)
            except SitegenError as error:
                yield Fault(place, str(error), "import a pack that has it, or remove its folder")
                continue
            listed = {"run.json", *(file.name for file in files)}
            for file in files:
                try:
                    list(self.look_into(entry, [file], whole=True))
                except SitegenError as error:
                    yield Fault(place, str(error), "import a pack that has the run")
            for path in sorted(entry.path.rglob("*")):
                if path.is_file() and path.relative_to(entry.path).as_posix() not in listed:
                    yield Fault(str(path), "not in the run's manifest", "move it elsewhere")
        for environment in sorted(_folders(self.root)):
            for path in sorted((self.root / environment).iterdir()):
                if path.name.startswith(_HIDDEN):
                    yield Fault(str(path), "left by a collection that was killed", "remove it")
                elif about := remarks.run_of(path.name):
                    yield from _remark_faults(path, known=path.parent / about in run_folders)
                elif path not in run_folders:
                    yield Fault(str(path), "not a run", "move it elsewhere")


def _looked_into(files: Iterable[tuple[str, bytes]], *, whole: bool) -> Iterator[tuple[str, Any]]:
    """Yield the rows in each file of a run, None for raw output; raises SitegenError."""
    from sitegen.archive import parquet
    from sitegen.archive.columns import MEASUREMENTS, SAMPLES

    left = MAX_UNPACKED_BYTES
    for name, data in files:
        rows = None
        try:
            if name == "measurements.parquet":
                rows = parquet.read(data, MEASUREMENTS)
            elif name == "samples.parquet":
                rows = parquet.read(data, SAMPLES)
            elif whole:
                left -= bounds.check_gzip(data, min(left, most_raw(data)))
            else:
                bounds.beginning(data, SHOWN_BYTES)
        except SitegenError as error:
            raise SitegenError(f"{name}: {error.what}") from error
        yield name, rows


def most_raw(data: bytes) -> int:
    """Return how many bytes a raw output may have unpacked."""
    return min(MAX_RAW_RATIO * len(data) + _SMALL_BYTES, MAX_UNPACKED_BYTES)


def put_folder(final: Path, files: Mapping[str, bytes]) -> Path:
    """Write a run's files as the folder ``final``, whole or not at all, unless it is there."""
    if (final / "run.json").is_file():
        return final
    hidden = final.parent / f"{_HIDDEN}{final.name}-{secrets.token_hex(4)}"
    try:
        for name in manifest_last(files):
            (hidden / name).parent.mkdir(parents=True, exist_ok=True)
            _write_flushed(hidden / name, files[name])
        if (hidden / "raw").is_dir():
            _flush_folder(hidden / "raw")
        _flush_folder(hidden)
        try:
            hidden.rename(final)
        except OSError:
            if not (final / "run.json").is_file():
                raise
        _flush_folder(final.parent)
    except OSError as error:
        raise SitegenError(
            f"cannot write the run: {error.strerror}", where=str(final), fix="nothing was kept"
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return final


def put_file(final: Path, data: bytes) -> Path:
    """Write a file, whole or not at all, and return it."""
    hidden = final.with_name(f"{_HIDDEN}{final.name}-{secrets.token_hex(4)}")
    try:
        _write_flushed(hidden, data)
        hidden.rename(final)
        _flush_folder(final.parent)
    except OSError as error:
        raise SitegenError(
            f"cannot be written: {error.strerror}", where=str(final), fix="nothing was kept"
        ) from error
    finally:
        hidden.unlink(missing_ok=True)
    return final


def _remark_faults(path: Path, *, known: bool) -> Iterator[Fault]:
    if not known:
        yield Fault(str(path), "is about a run that is not here", "bring the run, or remove it")
    try:
        remarks.parse(path.name, remarks.load(path))
    except SitegenError as error:
        yield Fault(str(path), error.what, "restore it from a copy, or remove it")


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as folder:
        return [entry.name for entry in folder if entry.is_dir() and not entry.name.startswith(".")]


def manifest_last(names: Iterable[str]) -> list[str]:
    """Return the files of a run in the order in which they are written."""
    return sorted(names, key=lambda name: (name == "run.json", name))


def names_of(listed: Manifest) -> set[str]:
    """Return the files that a manifest lists; raises SitegenError when no run can have them."""
    names = {file.name for file in listed.files}
    if "measurements.parquet" not in names:
        raise SitegenError("run.json lists no measurements.parquet")
    if strange := next((name for name in sorted(names) if not _PART.fullmatch(name)), ""):
        raise SitegenError(f"run.json lists the file {strange[:60]!r}")
    return names


def _read(path: Path | str) -> bytes:
    return bounds.read_file(path, MAX_FILE_BYTES)


def _write_flushed(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
