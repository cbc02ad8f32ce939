"""Bringing in what other tools printed: which reader knows a file, and the runs it makes of it.

A file is recognised by its content. Its runs are addressed by the digest of that content, so
that bringing in one file twice changes nothing. Packs of whole runs keep the runs' own addresses.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from sitegen import bounds
from sitegen.archive import Archive, remarks
from sitegen.archive.store import Entry, NoArchive
from sitegen.collect import Bundle, Reader
from sitegen.collect.installed import forms
from sitegen.collect.settings import helps
from sitegen.errors import SitegenError
from sitegen.intake import packs, sheets, tidy
from sitegen.intake.packs import Packed
from sitegen.intake.run import Arrival, Import, NoEnvironment, Order
from sitegen.model import RUN_ID, Remark
from sitegen.redact import Redactor, redacted

#: What is read of one file, or of several together, beside their bytes: lines, and the memory
#: that reading takes, which is a multiple of the bytes.
MAX_LINES, MAX_MEMORY_BYTES = 3_000_000, 480_000_000
MAX_TOGETHER = 2_000
#: Ends the name of a file that tells the command of the result beside it.
_COMMANDS = ".commands"
_Form = TypeVar("_Form", Reader, Bundle)
Watched = Callable[[Sequence[Path]], Iterable[Path]]

#: Begins a JSON document: one object, or a list of such.
_DOCUMENT = re.compile(rb"\s*(?:\{|\[\s*[\[{])")


class Left(Struct, frozen=True):
    """A file of a folder that was not taken, and why."""

    path: Path
    reason: str


class Taken(Struct, frozen=True):
    """A run that was brought in; ``there`` is the id that it was there under, or nothing.

    ``offered`` is what others say of a run that was there, and that was not taken. ``instead`` is
    a run that was there and in whose place this one would stand: then it was not taken itself.
    """

    arrival: Arrival | Packed
    there: str = ""
    offered: tuple[Remark, ...] = ()
    instead: str = ""


def read_all(
    paths: Sequence[Path],
    order: Order,
    redactor: Redactor,
    *,
    together: bool = False,
    watched: Watched = iter,
) -> tuple[list[Arrival | Packed], list[Left]]:
    """Return the runs in files and folders, and the files of folders that were not taken.

    With ``together`` all are parts of one measurement. ``watched`` sees each file of a folder
    before it is read. Each run counts what was replaced in
    itself and in its own copy of the file. Raises SitegenError for a file that is refused.
    """
    if together:
        parts: list[Path] = []
        for path in paths:
            parts += [p for p in _visible(path) if p.is_file()] if path.is_dir() else [path]
        return [*_together(parts, order, redactor)], []
    arrivals: list[Arrival | Packed | Left] = []
    for path in paths:
        if path.is_dir():
            arrivals += _in_folder(path, order, redactor, watched)
        elif _tells_by_name(path, order):
            arrivals += _together((path,), order, redactor)
        else:
            arrivals += read(path, order, redactor)
    runs = [one for one in arrivals if not isinstance(one, Left)]
    return runs, [one for one in arrivals if isinstance(one, Left)]


def read(path: Path, order: Order, redactor: Redactor) -> list[Arrival | Packed]:
    """Return the runs in a file: a pack, a tidy table, or the output of a tool that is known.

    Raises SitegenError when nobody knows the form, or with the place that its reader stumbled
    on. Writes nothing.
    """
    _check_kind(path)
    if packs.is_pack(_head(path)):
        if order.environment:
            message = "a pack says itself which environments its runs are of"
            raise SitegenError(message, where=str(path), fix="leave --env out")
        with _limited(path):
            return [*packs.read(path)]
    if beside := _commands_of(path, order):
        return [*_together((path, beside), order, redactor)]
    data = _bytes(path)
    if not order.tool and sheets.is_sheet(data):
        with _limited(path):
            runs = tidy.read_runs(
                path, order.provenance, order.sources, order.environment, order.date, data
            )
            runs = [replace(run, **{k: v for k, v in order.shared.items() if v}) for run in runs]
            return [Arrival(redacted(run, redactor.anew()), {}, "tidy table") for run in runs]
    forms()  # loads the readers, which the limit of memory is not for
    with _limited(path):
        benchmark, reader = _reader_of(data, path, order.tool)
        return [*Import(benchmark, reader, {path.name: data}, (path,), order).arrivals(redactor)]


def _commands_of(path: Path, order: Order) -> Path | None:
    """Return the file beside a result that tells its command, or what it is of, if there is one."""
    names = dict.fromkeys(bundle.beside for _, bundle in forms().bundles if bundle.beside)
    for beside in (path.with_suffix(_COMMANDS), *map(path.with_name, names)):
        if not order.tool and beside != path and beside.is_file() and _are_known((path, beside)):
            return beside
    return None


def _tells_by_name(path: Path, order: Order) -> bool:
    """Say whether a tool's own name says what a file is, and no setting does instead.

    Asked of a file that is given by itself: in a folder its result stands beside a log, and
    would be there twice.
    """
    given = frozenset(order.settings or ())
    named = any(
        one.file_name and one.file_name.search(path.name) and given <= helps(one.asks).keys()
        for _, one in forms().bundles
    )
    return named and not order.tool and path.is_file() and _are_known((path,))


def _are_known(paths: Sequence[Path]) -> bool:
    """Say whether files together have a form that is known."""
    with contextlib.suppress(SitegenError), _limited(paths[0]):
        files = _parts(paths)
        return any(bundle.knows(files) for _, bundle in forms().bundles)
    return False


def _together(paths: Sequence[Path], order: Order, redactor: Redactor) -> list[Arrival]:
    """Return the run that several files are parts of: a load's processes, a report and its logs.

    Raises SitegenError as `read` does, and when no bundle of these files is known.
    """
    forms()
    with _limited(paths[0] if len(paths) == 1 else Path("--together")):
        files = _parts(paths)
        matching = [pair for pair in _named(forms().bundles, order.tool) if pair[1].knows(files)]
        if not matching:
            fix = "`sitegen import --forms` lists them"
            message = "no form of these files together is known"
            raise SitegenError(message, where="--together", fix=fix)
        if len(matching) > 1:
            message = f"these files have the form of {', '.join(form.name for _, form in matching)}"
            raise SitegenError(message, where="--together", fix="add --tool")
        return [*Import(*matching[0], files, paths, order).arrivals(redactor)]


def _parts(paths: Sequence[Path]) -> dict[str, bytes]:
    """Return files that are one measurement by name; raises SitegenError for one given twice."""
    if len(paths) > MAX_TOGETHER:
        message = f"{len(paths):,} files, and {MAX_TOGETHER:,} at most are one measurement"
        raise SitegenError(message, where="--together")
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
            message = f"more than {bounds.MOST_FILE_BYTES // 1_000_000} MB together"
            raise SitegenError(message, where=str(path))
    return files


def _in_folder(
    folder: Path, order: Order, redactor: Redactor, watched: Watched
) -> Iterator[Arrival | Packed | Left]:
    """Yield the runs in the files below ``folder``, and the files that are not taken.

    Hidden files and folders are passed over. Raises SitegenError when a tool's output was found
    and no environment was given: then it is missing for all of them.
    """
    paths = _visible(folder)
    if not any(path.is_file() for path in paths):
        raise SitegenError("holds no file", where=str(folder))
    remarked: dict[Path, list[Path]] = {
        path.parent: []
        for path in paths
        if path.name == "run.json" and RUN_ID.fullmatch(path.parent.name)
    }
    loose: list[Path] = []
    for path in paths:
        run = path.parent / remarks.run_of(path.name)
        if run in remarked and run != path.parent:
            remarked[run].append(path)
        elif remarked.keys().isdisjoint(path.parents) and not path.is_dir():
            loose.append(path)
    told = {beside for path in loose if (beside := _commands_of(path, order))}
    loose = [path for path in loose if path not in told]
    for place in sorted(remarked):
        try:
            with _limited(place):
                one: Packed | Left = packs.read_folder(place, remarked[place])
        except SitegenError as error:
            one = Left(place, str(error))
        yield one
    for path in watched(loose):
        try:
            yield from read(path, order, redactor)
        except NoEnvironment:
            raise
        except SitegenError as error:
            yield Left(path, error.what + (f"; {error.fix}" if error.fix else ""))


@contextlib.contextmanager
def _limited(path: Path) -> Iterator[None]:
    """Bound the memory that reading takes; raises SitegenError that names ``path``."""
    try:
        with bounds.memory(MAX_MEMORY_BYTES):
            yield
    except SitegenError as error:
        if error.where:
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
    entries: list[Entry] = []
    with contextlib.suppress(NoArchive):  # the first run makes the archive
        entries = archive.scan()
    by_id = {entry.run_id: entry for entry in entries}

    def content(environment: str, run_id: str) -> tuple[str, str]:
        """Return what stays the same when a file comes in again: all but the time."""
        return (aliases or {}).get(environment, environment), run_id.partition("-")[2]

    there = {content(entry.environment, entry.run_id): entry.run_id for entry in entries}
    packed: dict[str, Packed] = {}
    for arrival in arrivals:
        if isinstance(arrival, Packed):
            first = packed.setdefault(arrival.run.id, arrival)
            _check_id(arrival, by_id.get(arrival.run.id), first)
    before = frozenset(by_id)
    for arrival in arrivals:
        run = arrival.run
        if isinstance(arrival, Arrival):
            place = content(run.environment, run.id)
            old_id = there.get(place, "")
            if not old_id:
                archive.write(run, arrival.raw)
                there[place] = run.id
            yield Taken(arrival, old_id)
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
    if entry and entry.environment != run.environment:
        message = f"a run of {entry.environment} has this id"
        raise SitegenError(message, where=run.id, fix="keep one")
    manifest = entry.path / "run.json" if entry else None
    if manifest and manifest.is_file() and packs.digest(manifest.read_bytes()) != arrival.digest:
        message = "there is another run of this id"
        raise SitegenError(message, where=str(manifest.parent), fix="keep one of the two")
    if (first.digest, first.run.environment) != (arrival.digest, run.environment):
        message = "two different runs of this id are brought in"
        raise SitegenError(message, where=run.id, fix="keep one")


def _adopt(arrival: Packed, archive: Archive, entry: Entry | None, *, take_remarks: bool) -> Taken:
    """Write a run that came in a pack, or what it has lost here."""
    run = arrival.run
    files, remarked = arrival.load()
    restored = entry is not None and archive.restore(entry, files)
    if entry is None:
        archive.adopt(run, files)
    offered: list[Remark] = []
    for name, data in remarked.items():
        if entry is None or (take_remarks and name not in entry.remarks):
            archive.adopt_remark(run, name, data)
        elif name not in entry.remarks:
            offered.append(remarks.parse(name, data))
    return Taken(arrival, "" if entry is None or restored else run.id, tuple(offered))


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Return ``model=Llama-3.1-8B`` and the like as a mapping; raises SitegenError."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            fix = "write it as model=Llama-3.1-8B"
            raise SitegenError(f"{pair!r} is not a setting", where="--set", fix=fix)
        settings[name] = value
    return settings


def _visible(folder: Path) -> list[Path]:
    """Return what is below a folder, but for what is hidden."""
    return sorted(
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _check_kind(path: Path) -> None:
    if path.exists() and not path.is_file():
        message = "is a folder" if path.is_dir() else "is a device or a pipe, not a file"
        raise SitegenError(message, where=str(path))


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
        most = sheets.MAX_VALUES if sheets.is_sheet(data) else bounds.MOST_VALUES
        bounds.check_json(data, most)
    if not data or data.isspace():
        raise SitegenError("is empty")


def _named(pairs: Iterable[tuple[str, _Form]], tool: str) -> list[tuple[str, _Form]]:
    """Return the forms that ``tool`` names, by their own name or their benchmark's; or all."""
    return [pair for pair in pairs if tool in ("", pair[0], pair[1].name)]


def _reader_of(data: bytes, path: Path, tool: str) -> tuple[str, Reader]:
    named = _named(forms().readers, tool)
    if not named and tool:
        names = sorted(reader.name for _, reader in forms().readers)
        raise SitegenError(f"no reader {tool!r}", where="--tool", fix=f"known: {', '.join(names)}")
    document = bool(_DOCUMENT.match(data))
    matching = [pair for pair in named if not (document and pair[1].text) and pair[1].knows(data)]
    if not matching and tool and len(named) == 1:
        matching = named  # the user says what it is: the reader says why it is not
    if len(matching) == 1:
        return matching[0]
    if matching:
        fix = f"add --tool with one of {', '.join(reader.name for _, reader in matching)}"
        raise SitegenError("has the form of several tools", where=str(path), fix=fix)
    # A reader that could not be loaded might have known it.
    broken = "".join(f" ({reason})" for reason in forms().broken)
    fix = "`sitegen import --forms` lists them; a tidy CSV always works"
    message = f"is no form of output that is known here{broken}"
    raise SitegenError(message, where=str(path), fix=fix)
