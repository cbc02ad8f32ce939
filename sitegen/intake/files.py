"""Bringing in what other tools printed: which reader knows a file, and the runs it makes of it.

A file is recognised by its content. Its runs are addressed by the digest of that content, so
that bringing in one file twice changes nothing. Packs of whole runs keep the runs' own addresses.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sitegen import bounds
from sitegen.archive import Archive, remarks
from sitegen.archive.store import Entry
from sitegen.collect import Bundle, Reader, Reading
from sitegen.collect.installed import forms
from sitegen.collect.settings import filled
from sitegen.errors import SitegenError
from sitegen.intake import packs, tidy
from sitegen.intake.packs import Packed
from sitegen.intake.run import Import, as_kept, names_as_kept, originals, readings, run_of
from sitegen.model import RUN_ID, Provenance, Remark, Run, check_label
from sitegen.redact import Redactor, redacted

#: What is read of one file, or of several together, beside their bytes: lines, and the memory
#: that reading takes, which is a multiple of the bytes.
MAX_LINES, MAX_MEMORY_BYTES = 3_000_000, 480_000_000
MAX_TOGETHER = 2_000
_Form = TypeVar("_Form", Reader, Bundle)

#: Begins a JSON document: one object, or a list of such.
_DOCUMENT = re.compile(rb"\s*(?:\{|\[\s*[\[{])")


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked `import` to do. ``tool`` names a reader where content does not."""

    environment: str = ""
    tool: str = ""
    provenance: Provenance = Provenance.IMPORTED
    sources: tidy.Sources | None = None
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
    if together:
        inside = ([p for p in _visible(path) if p.is_file()] if path.is_dir() else [path]
                  for path in paths)  # fmt: skip
        return read_together([file for files in inside for file in files], order, redactor), []
    arrivals: list[Arrival | Packed] = []
    left: list[Left] = []
    for path in paths:
        if path.is_dir():
            some, others = read_folder(path, order, redactor)
            arrivals += some
            left += others
        else:
            arrivals += read(path, order, redactor)
    return arrivals, left


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
        files = _parts(paths)
        matching = _named(forms().bundles, order.tool)
        matching = [pair for pair in matching if pair[1].knows(files)]
        if len(matching) != 1:
            names = ", ".join(bundle.name for _, bundle in matching)
            raise SitegenError(
                f"these files have the form of {names}"
                if matching
                else "no form of these files together is known",
                where="--together",
                fix="add --tool" if matching else "`sitegen import --forms` lists them",
            )
        benchmark, bundle = matching[0]
        return list(_arrivals(bundle, benchmark, files, paths, order, redactor))


def _parts(paths: Sequence[Path]) -> dict[str, bytes]:
    """Return files that are one measurement by name; raises SitegenError for one given twice."""
    if len(paths) > MAX_TOGETHER:
        raise SitegenError(
            f"{len(paths):,} files, and {MAX_TOGETHER:,} at most are one measurement",
            where="--together",
        )
    files: dict[str, bytes] = {}
    twins: dict[bytes, str] = {}
    size = 0
    for path in paths:
        _check_kind(path)
        # Processes that wrote into folders of their own have files of the same name.
        name = path.name if path.name not in files else f"{path.parent.name}-{path.name}"
        if name in files:
            raise SitegenError("has the name of another file", where=str(path), fix="rename one")
        # One process of many may have left nothing: its bundle counts that as a failure.
        data = files[name] = _bytes(path) if path.stat().st_size else b""
        twin = twins.setdefault(data, name)
        if data and twin != name:
            raise SitegenError(f"is the same as {twin}", where=str(path), fix="give each part once")
        size += len(data)
        if size > bounds.MOST_FILE_BYTES:
            raise SitegenError(
                f"more than {bounds.MOST_FILE_BYTES // 1_000_000} MB together", where=str(path)
            )
    return files


def read_folder(
    folder: Path, order: Order, redactor: Redactor
) -> tuple[list[Arrival | Packed], list[Left]]:
    """Return the runs in the files below ``folder``, and the files that were not taken.

    Hidden files and folders are passed over. Raises SitegenError when a tool's output was found
    and no environment was given: then it is missing for all of them.
    """
    paths = _visible(folder)
    if not any(path.is_file() for path in paths):
        raise SitegenError("holds no file", where=str(folder))
    places = {p.parent for p in paths if p.name == "run.json" and RUN_ID.fullmatch(p.parent.name)}
    arrivals, left = _read_runs(places, paths)
    for path in paths:
        whole = not places.isdisjoint(path.parents)
        if whole or path.is_dir() or path.parent / remarks.run_of(path.name) in places:
            continue
        try:
            arrivals += read(path, order, redactor)
        except NoEnvironment:
            raise
        except SitegenError as error:
            left.append(Left(path, error.what + (f"; {error.fix}" if error.fix else "")))
    return arrivals, left


def _read_runs(
    places: Iterable[Path], paths: Iterable[Path]
) -> tuple[list[Arrival | Packed], list[Left]]:
    """Return the runs whose folders these are, and those that are not whole.

    The remarks on them are among ``paths``.
    """
    arrivals: list[Arrival | Packed] = []
    left: list[Left] = []
    remarked: dict[Path, list[Path]] = {}
    for path in paths:
        if run_id := remarks.run_of(path.name):
            remarked.setdefault(path.parent / run_id, []).append(path)
    for place in sorted(places):
        try:
            with _limited(place):
                arrivals.append(packs.read_folder(place, remarked.get(place, ())))
        except SitegenError as error:
            left.append(Left(place, str(error)))
    return arrivals, left


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


def write(
    arrivals: Sequence[Arrival | Packed],
    archive: Archive,
    aliases: Mapping[str, str] | None = None,
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

    def content(environment: str, run_id: str) -> tuple[str, str]:
        """Return what stays the same when a file comes in again: all but the time."""
        return (aliases or {}).get(environment, environment), run_id.partition("-")[2]

    there = {content(entry.environment, entry.run_id): entry.run_id for entry in entries}
    packed: dict[str, Packed] = {}
    for arrival in arrivals:
        if isinstance(arrival, Packed):
            _check_id(
                arrival, by_id.get(arrival.run.id), packed.setdefault(arrival.run.id, arrival)
            )
    before = frozenset(by_id)
    for arrival in arrivals:
        run = arrival.run
        if isinstance(arrival, Arrival):
            place = content(run.environment, run.id)
            known = there.get(place, "")
            if not known:
                archive.write(run, arrival.raw)
                there[place] = run.id
            yield Taken(arrival, known)
        elif run.supersedes in before and run.id not in by_id and not take_remarks:
            yield Taken(arrival, instead=run.supersedes)
        else:
            yield _adopt(arrival, archive, by_id.get(run.id), take_remarks=take_remarks)
            by_id.setdefault(run.id, archive.entry(run))


def _check_id(arrival: Packed, entry: Entry | None, first: Packed) -> None:
    """Raise SitegenError when another run has the id of one that came in a pack.

    One that is here, or the ``first`` of those that are brought in with it.
    """
    run = arrival.run
    if entry is not None:
        if entry.environment != run.environment:
            raise SitegenError(
                f"a run of {entry.environment} has this id", where=run.id, fix="keep one"
            )
        manifest = entry.path / "run.json"
        if manifest.is_file() and _digest(manifest) != arrival.digest:
            raise SitegenError(
                "there is another run of this id", where=str(entry.path), fix="keep one of the two"
            )
    if (first.digest, first.run.environment) != (arrival.digest, run.environment):
        raise SitegenError(
            "two different runs of this id are brought in", where=run.id, fix="keep one"
        )


def _adopt(arrival: Packed, archive: Archive, entry: Entry | None, *, take_remarks: bool) -> Taken:
    """Write a run that came in a pack, or what it has lost here."""
    whole = arrival.load()
    restored = entry is not None and archive.restore(entry, whole.files)
    if entry is None:
        archive.adopt(whole.run, whole.files)
    offered: list[Remark] = []
    for name, data in whole.remarks.items():
        if entry and name in entry.remarks:
            continue
        if entry is None or take_remarks:
            archive.adopt_remark(whole.run, name, data)
        else:
            offered.append(remarks.parse(name, data))
    return Taken(arrival, "" if entry is None or restored else whole.run.id, tuple(offered))


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Return ``model=Llama-3.1-8B`` and the like as a mapping; raises SitegenError."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            raise SitegenError(
                f"{pair!r} is not a setting", where="--set", fix="write it as model=Llama-3.1-8B"
            )
        settings[name] = value
    return settings


def _visible(folder: Path) -> list[Path]:
    """Return what is below a folder, but for what is hidden."""
    return sorted(
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
        data = bounds.read_file(path, bounds.MOST_FILE_BYTES)
        if data.startswith(packs.GZIP):
            data = bounds.unpacked(data, bounds.MOST_FILE_BYTES)
        _check_bounds(data)
    except SitegenError as error:
        raise SitegenError(error.what, where=str(path), fix=error.fix) from error
    return data


def _check_bounds(data: bytes) -> None:
    if (lines := data.count(b"\n")) > MAX_LINES:
        raise SitegenError(f"holds {lines:,} lines, and {MAX_LINES:,} at most are read")
    if data.lstrip()[:1] in (b"{", b"["):
        bounds.check_json(data)
    if not data or data.isspace():
        raise SitegenError("is empty")


def _is_tidy(data: bytes) -> bool:
    """Say whether the first line has the columns that name a figure."""
    head = [*data[:10_000].decode("utf-8-sig", "replace").splitlines(), ""][0]
    columns = {name.strip(' "') for name in head.split(",")}
    return len(columns & {"benchmark", "workload", "metric", "value"}) >= 2  # noqa: PLR2004 - a missing column is told by name then


def _named(known: Iterable[tuple[str, _Form]], tool: str) -> list[tuple[str, _Form]]:
    """Return the forms that ``tool`` names, by their own name or their benchmark's; or all."""
    return [pair for pair in known if tool in ("", pair[0], pair[1].name)]


def _reader_of(data: bytes, path: Path, tool: str) -> tuple[str, Reader]:
    known = _named(forms().readers, tool)
    if not known and tool:
        names = sorted(reader.name for _, reader in forms().readers)
        raise SitegenError(f"no reader {tool!r}", where="--tool", fix=f"known: {', '.join(names)}")
    document = bool(_DOCUMENT.match(data))
    matching = [pair for pair in known if not (document and pair[1].text) and pair[1].knows(data)]
    if not matching and tool and len(known) == 1:
        matching = known  # the user says what it is: the reader says why it is not
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
    place = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
    if order.provenance != Provenance.IMPORTED:
        raise SitegenError(
            "what a tool itself wrote is imported, not cited",
            where=place,
            fix="leave --provenance out, or write the printed figures as a tidy CSV",
        )
    if not order.environment:
        raise NoEnvironment("names no environment", where=place, fix="add --env LABEL")
    check_label(order.environment)
    settings = order.settings or {}
    filled(reader.asks, settings)
    copying = redactor.anew()
    raw = originals(reader, files, copying)
    names = names_as_kept(files, raw, copying)
    try:
        first = readings(reader, files, settings)
    except SitegenError as error:
        where = f"{place}: {error.where}" if error.where else place
        raise SitegenError(error.what, where=where, fix=error.fix) from error
    kept: tuple[Reading, ...] | None = first
    if copying.counts():
        # What is archived is what its own, redacted, original says.
        kept = as_kept(reader, first, {names[each]: raw[each] for each in raw}, settings)
    source = Import(
        benchmark,
        reader,
        order.environment,
        files,
        paths,
        settings,
        order.date,
        names,
        kept is None,
    )
    for index, reading in enumerate(kept or first):
        run = redacted(run_of(reading, index, source), redactor.anew(), copying.counts())
        yield Arrival(run, raw, reader.title)
