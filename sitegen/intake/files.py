"""Bringing in what other tools printed: which reader knows a file, and the runs it makes of it.

A file is recognised by its content. Its runs are addressed by the digest of that content, so
that bringing in one file twice changes nothing. Packs of whole runs keep the runs' own addresses.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sitegen import bounds
from sitegen.archive import Archive, remarks
from sitegen.archive.store import Entry
from sitegen.collect import Bundle, Reader, Reading
from sitegen.collect.installed import forms
from sitegen.collect.settings import filled
from sitegen.errors import SitegenError
from sitegen.intake import imported, packs, tidy
from sitegen.intake.imported import Import
from sitegen.intake.packs import Packed, Whole
from sitegen.model import RUN_ID, Provenance, Remark, Run, Source, check_label
from sitegen.redact import Redactor, redacted

#: What is read of one file, or of several together: bytes, unpacked too, and lines. Reading takes
#: a multiple of that, which is bounded by MAX_MEMORY_BYTES.
MAX_BYTES, MAX_LINES, MAX_MEMORY_BYTES = bounds.MOST_FILE_BYTES, 3_000_000, 480_000_000
MAX_TOGETHER = 2_000
_GZIP = b"\x1f\x8b"
_NO_ALIASES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked `import` to do. ``tool`` names a reader where content does not."""

    environment: str = ""
    tool: str = ""
    provenance: Provenance = Provenance.IMPORTED
    sources: Mapping[str, tuple[Source, str]] | None = None
    date: str = ""
    settings: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A run that was read from a file, the raw output to archive with it, and who read it."""

    run: Run
    raw: Mapping[str, bytes]
    reader: str


@dataclass(frozen=True, slots=True)
class Left:
    """A file of a folder that was not taken, and why."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A run that was brought in; ``there`` is the id that it was there under, or nothing.

    ``offered`` is what others say of a run that was there, and that was not taken. ``instead`` is
    a run that was there and in whose place this one would stand: then it was not taken itself.
    """

    arrival: Arrival | Packed
    there: str = ""
    offered: tuple[Remark, ...] = ()
    instead: str = ""


class NoEnvironment(SitegenError):  # noqa: N818 - says what is missing
    """A tool's output says nothing of the platform: the user has to."""


def read_all(
    paths: Sequence[Path],
    order: Order,
    redactor: Redactor,
    *,
    together: bool = False,
) -> tuple[list[Arrival | Packed], list[Left]]:
    """Return the runs in files and folders, and the files of folders that were not taken.

    With ``together`` all are parts of one measurement. Each run counts what was replaced in
    itself and in its own copy of the file. Raises SitegenError for a file that is refused.
    """
    found: list[Arrival | Packed] = []
    left: list[Left] = []
    if together:
        inside = (
            sorted(p for p in path.rglob("*") if p.is_file() and _visible(p.relative_to(path)))
            if path.is_dir()
            else [path]
            for path in paths
        )
        return read_together([file for files in inside for file in files], order, redactor), left
    for path in paths:
        if path.is_dir():
            taken, passed = read_folder(path, order, redactor)
            found += taken
            left += passed
        else:
            found += read(path, order, redactor)
    return found, left


def read(path: Path, order: Order, redactor: Redactor) -> list[Arrival | Packed]:
    """Return the runs in a file: a pack, a tidy CSV, or the output of a tool that is known.

    Raises SitegenError when nobody knows the form, or with the place that its reader stumbled
    on. Writes nothing.
    """
    _check_kind(path)
    if packs.is_pack(_head(path)):
        if order.environment:
            raise SitegenError(
                "a pack says itself which environments its runs are of",
                where=str(path),
                fix="leave --env out",
            )
        with _limited(path):
            return [*packs.read(path)]
    data = _bytes(path)
    if not order.tool and _is_tidy(data):
        with _limited(path):
            runs = tidy.read_runs(
                path,
                order.provenance,
                sources=order.sources,
                environment=order.environment,
                date=order.date,
            )
            return [Arrival(redacted(run, redactor.anew()), {}, "tidy CSV") for run in runs]
    forms()  # loads the readers, which the limit of memory is not for
    with _limited(path):
        benchmark, reader = _reader_of(data, path, order.tool)
        return list(_arrivals(reader, benchmark, {path.name: data}, (path,), order, redactor))


def read_together(
    paths: Sequence[Path], order: Order, redactor: Redactor
) -> list[Arrival | Packed]:
    """Return the run that several files are parts of: a load's processes, a report and its logs.

    Raises SitegenError as `read` does, and when no bundle of these files is known.
    """
    forms()
    with _limited(paths[0] if len(paths) == 1 else Path("--together")):
        return _read_together(paths, order, redactor)


@contextlib.contextmanager
def _limited(path: Path) -> Iterator[None]:
    """Bound the memory that reading takes; raises SitegenError that names ``path``."""
    try:
        with bounds.memory(MAX_MEMORY_BYTES):
            yield
    except SitegenError as error:
        if isinstance(error, NoEnvironment) or error.where:
            raise
        raise SitegenError(error.what, where=str(path), fix=error.fix) from error


def _read_together(
    paths: Sequence[Path], order: Order, redactor: Redactor
) -> list[Arrival | Packed]:
    if len(paths) > MAX_TOGETHER:
        raise SitegenError(
            f"{len(paths):,} files, and {MAX_TOGETHER:,} at most are one measurement",
            where="--together",
        )
    files: dict[str, bytes] = {}
    known: dict[bytes, str] = {b"": ""}
    size = 0
    for path in paths:
        _check_kind(path)
        # Processes that wrote into folders of their own have files of the same name.
        name = path.name if path.name not in files else f"{path.parent.name}-{path.name}"
        if name in files:
            raise SitegenError("has the name of another file", where=str(path), fix="rename one")
        # One process of many may have left nothing: its bundle counts that as a failure.
        files[name] = _bytes(path) if path.stat().st_size else b""
        twin = known.setdefault(files[name], name)
        if files[name] and twin != name:
            raise SitegenError(f"is the same as {twin}", where=str(path), fix="give each part once")
        size += len(files[name])
        if size > MAX_BYTES:
            raise SitegenError(f"more than {MAX_BYTES // 1_000_000} MB together", where=str(path))
    matching = [pair for pair in forms().bundles if pair[1].knows(files)]
    if order.tool:
        matching = [pair for pair in matching if order.tool in (pair[0], pair[1].name)]
    if len(matching) != 1:
        raise SitegenError(
            "no form of these files together is known"
            if not matching
            else f"these files have the form of {', '.join(b.name for _, b in matching)}",
            where="--together",
            fix="`sitegen import --forms` lists them" if not matching else "add --tool",
        )
    benchmark, bundle = matching[0]
    return list(_arrivals(bundle, benchmark, files, paths, order, redactor))


def read_folder(
    folder: Path, order: Order, redactor: Redactor
) -> tuple[list[Arrival | Packed], list[Left]]:
    """Return the runs in the files below ``folder``, and the files that were not taken.

    Hidden files and folders are passed over. Raises SitegenError when a tool's output was found
    and no environment was given: then it is missing for all of them.
    """
    paths = sorted(p for p in folder.rglob("*") if _visible(p.relative_to(folder)))
    if not any(path.is_file() for path in paths):
        raise SitegenError("holds no file", where=str(folder))
    whole = {p.parent for p in paths if p.name == "run.json" and RUN_ID.fullmatch(p.parent.name)}
    found, left = _read_runs(whole, paths)
    for path in paths:
        if path.is_dir() or not whole.isdisjoint(path.parents):
            continue
        if path.parent / remarks.run_of(path.name) in whole:
            continue
        try:
            found += read(path, order, redactor)
        except NoEnvironment:
            raise
        except SitegenError as error:
            left.append(Left(path, error.what + (f"; {error.fix}" if error.fix else "")))
    return found, left


def _read_runs(
    places: Collection[Path], paths: Iterable[Path]
) -> tuple[list[Arrival | Packed], list[Left]]:
    """Return the runs whose folders are among ``paths``, and those that are not whole."""
    found: list[Arrival | Packed] = []
    left: list[Left] = []
    said: dict[Path, list[Path]] = {}
    for path in paths:
        if about := remarks.run_of(path.name):
            said.setdefault(path.parent / about, []).append(path)
    for place in sorted(places):
        try:
            found.append(_packed(place, said.get(place, [])))
        except SitegenError as error:
            left.append(Left(place, str(error)))
    return found, left


def write(
    arrivals: Sequence[Arrival | Packed],
    archive: Archive,
    aliases: Mapping[str, str] = _NO_ALIASES,
    *,
    take_remarks: bool = False,
) -> Iterator[Taken]:
    """Write what is new; yield each arrival with the id that it was there under, or nothing.

    The same content under another date, or under a label of old, is there already and is not
    written again; of a run that is there and damaged, a pack brings back what it lost. What
    others say of a run that is there is only taken with ``take_remarks``: it may withdraw it.
    Raises SitegenError, before anything is written, for a run whose id another one has.
    """
    try:
        entries = archive.scan()
    except SitegenError:
        entries = []  # the first run makes the archive
    by_id = {entry.run_id: entry for entry in entries}

    def key(environment: str, run_id: str) -> tuple[str, str]:
        return aliases.get(environment, environment), _content(run_id)

    there = {key(entry.environment, entry.run_id): entry.run_id for entry in entries}
    packed: dict[str, Packed] = {}
    for arrival in arrivals:
        if isinstance(arrival, Packed):
            _check_place(arrival, by_id.get(arrival.run.id))
            _check_twin(arrival, packed.setdefault(arrival.run.id, arrival))
    before = frozenset(by_id)
    for arrival in arrivals:
        run = arrival.run
        if isinstance(arrival, Packed):
            if run.supersedes in before and run.id not in by_id and not take_remarks:
                yield Taken(arrival, instead=run.supersedes)
                continue
            yield _adopt(arrival, archive, by_id.get(run.id), take_remarks=take_remarks)
            by_id.setdefault(run.id, archive.entry(run))
            continue
        place = key(run.environment, run.id)
        known = there.get(place, "")
        if not known:
            archive.write(run, arrival.raw)
            there[place] = run.id
        yield Taken(arrival, known)


def _check_place(arrival: Packed, entry: Entry | None) -> None:
    """Raise SitegenError when another run has the id of one that came in a pack."""
    if entry is None:
        return
    if entry.environment != arrival.run.environment:
        raise SitegenError(
            f"a run of {entry.environment} has this id", where=arrival.run.id, fix="keep one"
        )
    manifest = entry.path / "run.json"
    if manifest.is_file() and hashlib.sha256(manifest.read_bytes()).hexdigest() != arrival.digest:
        raise SitegenError(
            "there is another run of this id", where=str(entry.path), fix="keep one of the two"
        )


def _check_twin(arrival: Packed, first: Packed) -> None:
    """Raise SitegenError when two runs that are brought in together have one id."""
    if (first.digest, first.run.environment) != (arrival.digest, arrival.run.environment):
        raise SitegenError(
            "two different runs of this id are brought in", where=arrival.run.id, fix="keep one"
        )


def _adopt(arrival: Packed, archive: Archive, entry: Entry | None, *, take_remarks: bool) -> Taken:
    """Write a run that came in a pack, or what it has lost here."""
    whole = arrival.load()
    restored = entry is not None and archive.restore(entry, whole.files)
    if entry is None:
        archive.adopt(whole.run, whole.files)
    new = {
        name: data for name, data in whole.said.items() if not entry or name not in entry.remarks
    }
    offered: list[Remark] = []
    for name, data in new.items():
        if entry is None or take_remarks:
            archive.adopt_remark(whole.run, name, data)
        else:
            offered.append(remarks.parse(name, data))
    return Taken(arrival, "" if entry is None or restored else whole.run.id, tuple(offered))


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Return ``model=Llama-3.1-8B`` and the like as a mapping; raises SitegenError."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            raise SitegenError(
                f"{pair!r} is not a setting", where="--set", fix="write it as model=Llama-3.1-8B"
            )
        found[name] = value
    return found


def _content(identifier: str) -> str:
    """Return the benchmark and digest of a run id, without its time."""
    return identifier.partition("-")[2]


def _visible(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.parts)


def _packed(place: Path, remarked: Sequence[Path]) -> Packed:
    """Return the run whose folder this is, with what was said of it in the files beside it."""
    known: set[str] = set()

    def load() -> Whole:
        paths = [path for path in sorted(place.rglob("*")) if path.is_file()]
        if sum(path.stat().st_size for path in paths) > packs.MAX_RUN_BYTES:
            raise SitegenError(f"larger than {packs.MAX_RUN_BYTES / 1e6:.0f} MB", where=str(place))
        files = {path.relative_to(place).as_posix(): path.read_bytes() for path in paths}
        said = {path.name: remarks.load(path) for path in remarked}
        return packs.of_folder(place, files, said, known)

    with _limited(place):
        whole = load()
    known.add(whole.digest)
    return Packed(whole.run, whole.rows, whole.digest, load)


def _check_kind(path: Path) -> None:
    if path.exists() and not path.is_file():
        what = "is a folder" if path.is_dir() else "is a device or a pipe, not a file"
        raise SitegenError(what, where=str(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise SitegenError(str(error.strerror), where=str(path)) from error


def _bytes(path: Path) -> bytes:
    """Return what a file holds, unpacked when it is gzipped.

    Raises SitegenError past the limits, and for one that holds nothing.
    """
    try:
        data = bounds.read_file(path, MAX_BYTES)
        if data.startswith(_GZIP):
            data = bounds.unpacked(data, MAX_BYTES)
        _check_bounds(data)
    except SitegenError as error:
        raise SitegenError(error.what, where=str(path), fix=error.fix) from error
    return data


def _check_bounds(data: bytes) -> None:
    if (lines := data.count(b"\n")) > MAX_LINES:
        raise SitegenError(f"holds {lines:,} lines, and {MAX_LINES:,} at most are read")
    if data.lstrip()[:1] in (b"{", b"["):
        bounds.check_json(data)
    if not data.strip():
        raise SitegenError("is empty")


def _is_tidy(data: bytes) -> bool:
    """Say whether the first line has the columns that name a figure."""
    head = [*data[:10_000].decode("utf-8-sig", "replace").splitlines(), ""][0]
    columns = {name.strip(' "') for name in head.split(",")}
    return len(columns & {"benchmark", "workload", "metric", "value"}) >= 2  # noqa: PLR2004 - a missing column is told by name then


def _reader_of(data: bytes, path: Path, tool: str) -> tuple[str, Reader]:
    known = forms().readers
    if tool:
        named = tuple(pair for pair in known if tool in (pair[1].name, pair[0]))
        if not named:
            raise SitegenError(
                f"no reader {tool!r}",
                where="--tool",
                fix=f"known: {', '.join(sorted(reader.name for _, reader in known))}",
            )
        known = named
    matching = [pair for pair in known if pair[1].knows(data)]
    if not matching and tool and len(known) == 1:
        matching = [*known]  # the user says what it is: the reader says why it is not
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise SitegenError(
            "has the form of several tools",
            where=str(path),
            fix=f"add --tool with one of {', '.join(reader.name for _, reader in matching)}",
        )
    # A reader that could not be loaded might have known it.
    broken = "".join(f" ({reason})" for reason in forms().broken)
    raise SitegenError(
        f"is no form of output that is known here{broken}",
        where=str(path),
        fix="`sitegen import --forms` lists them; a tidy CSV always works",
    )


def _arrivals(  # noqa: PLR0913 - what was read, by whom, for whom
    reader: Reader | Bundle,
    benchmark: str,
    files: Mapping[str, bytes],
    paths: Sequence[Path],
    order: Order,
    redactor: Redactor,
) -> Iterator[Arrival]:
    """Yield the runs that a reader finds; raises SitegenError when it finds none."""
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
    if order.provenance != Provenance.IMPORTED:
        raise SitegenError(
            "what a tool itself wrote is imported, not cited",
            where=where,
            fix="leave --provenance out, or write the printed figures as a tidy CSV",
        )
    if not order.environment:
        raise NoEnvironment("names no environment", where=where, fix="add --env LABEL")
    check_label(order.environment)
    settings = order.settings or {}
    filled(reader.asks, settings)
    copying = redactor.anew()
    raw = imported.originals(reader, files, copying)
    names = imported.kept_names(files, raw, copying)
    try:
        found = imported.found_by(reader, files, settings)
        for one in found:
            imported.check(one, reader)
    except SitegenError as error:
        place = f"{where}: {error.where}" if error.where else where
        raise SitegenError(error.what, where=place, fix=error.fix) from error
    kept: tuple[Reading, ...] | None = found
    if copying.counts():
        # What is archived is what its own, redacted, original says.
        kept = imported.as_kept(reader, found, {names[k]: raw[k] for k in raw}, settings)
    told = Import(
        benchmark, reader, order.environment, files, paths, settings, order.date, once=kept is None
    )
    for index, one in enumerate(kept or found):
        run = imported.run(one, index, told, names)
        yield Arrival(redacted(run, redactor.anew(), copying.counts()), raw, reader.title)
